"""Callbacks run where the values are: eagerly at once, under jit at each run, under vmap for each example."""
from __future__ import annotations

import logging

import jax as oracle
import jax.numpy as jnp
import numpy
import pytest

import xform as jax
import xform.numpy as np
from xform.experimental import io_callback

SEEN: list = []
X = np.arange(3.0)


@pytest.fixture(autouse=True)
def forget():
    SEEN.clear()


def see(*values):
    SEEN.append(values)


def printing(x):
    y = np.sin(x)
    jax.debug.print("y={} total={t:.2f}", y, t=np.sum(x))
    return np.sum(y * y)


def test_print_is_what_jax_prints(capsys):
    def theirs(x):
        y = jnp.sin(x)
        oracle.debug.print("y={} total={t:.2f}", y, t=jnp.sum(x))
        return jnp.sum(y * y)
    theirs(jnp.arange(3.0))
    oracle.effects_barrier()
    expected = capsys.readouterr().out
    for function in (printing, jax.grad(printing), jax.jit(printing), jax.jit(jax.grad(printing)), jax.grad(jax.jit(printing))):
        function(X)
        assert capsys.readouterr().out == expected
    numpy.testing.assert_allclose(jax.jit(jax.grad(printing))(X), np.sin(2 * X), atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_a_batch_prints_each_example(wrap, capsys):
    wrap(jax.vmap(printing))(np.stack([X, 2 * X]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("total=")[1] for line in lines] == ["3.00", "6.00"]


def test_compiled_once_printed_each_time(capsys):
    function = jax.jit(printing)
    for scale in (1.0, 2.0, 3.0):
        function(scale * X)
    assert [line.split("total=")[1] for line in capsys.readouterr().out.splitlines()] == ["3.00", "6.00", "9.00"]


def test_formats_are_checked():
    with pytest.raises(ValueError, match="does not use the arguments 1"):
        jax.debug.print("x = {}", 1, 2)
    with pytest.raises(ValueError, match="'name'"):
        jax.debug.print("x = {}", 1, name=2)
    with pytest.raises(TypeError, match="format string"):
        jax.debug.print(X)
    jax.debug.print("x", 1, skip_format_check=True)
    with pytest.raises(TypeError, match="name"):
        jax.debug.print(ordered=True, name=3)


def _in_two_calls(jax):
    def function(x):
        jax.debug.print(ordered=True)("x = {}", x)
        jax.debug.callback(ordered=True)(lambda v: SEEN.append(float(v)), x)
        jax.debug.print("no place:", x, skip_format_check=True)
        return x * x
    return function


def test_options_in_a_call_of_their_own(capsys):
    texts = []
    for module in (jax, oracle):
        SEEN.clear()
        function = _in_two_calls(module)
        found = [function(module.numpy.asarray(2.0)), module.jit(function)(3.0), module.grad(function)(4.0), module.jit(module.grad(function))(5.0)]
        module.effects_barrier()
        assert [float(x) for x in found] == [4.0, 9.0, 8.0, 10.0] and SEEN == [2.0, 3.0, 4.0, 5.0]
        texts.append(sorted(capsys.readouterr().out.splitlines()))
    assert texts[0] == texts[1]


def test_log(caplog):
    with caplog.at_level(logging.INFO):
        jax.jit(lambda x: jax.debug.log("x is {}", x))(np.asarray(3.5))
    assert "x is 3.5" in caplog.text


def counting(x, n):
    for i in range(n):
        x = x * 2
        if i % 2 == 0:
            jax.debug.callback(see, i, x, "even")
    return x


def test_callbacks_in_staged_loops_and_branches():
    jax.jit(counting)(np.asarray(1.0), 5)
    assert [(int(i), float(x), s) for i, x, s in SEEN] == [(0, 2.0, "even"), (2, 8.0, "even"), (4, 32.0, "even")]
    SEEN.clear()
    counting(np.asarray(1.0), 5)
    assert len(SEEN) == 3 and all(isinstance(x, numpy.ndarray) for _, x, _ in SEEN)


def test_ordered_callbacks_come_in_order():
    def many(x):
        for k in range(20):
            jax.debug.callback(see, x + k, ordered=True)
        return x
    jax.jit(many)(np.asarray(0.0))
    assert [float(x) for x, in SEEN] == list(range(20))
    with pytest.raises(ValueError, match="ordered"):
        jax.vmap(many)(X)


def test_an_order_that_cannot_be_kept_is_refused():
    def after_a_loop(x, n):
        for i in range(n):
            x = x + i
            jax.debug.callback(see, x, ordered=True)
        jax.debug.callback(see, x, ordered=True)
        return x
    after_a_loop(X, 2)
    with pytest.raises(NotImplementedError, match="ordered=True after an ordered callback inside a staged loop"):
        jax.jit(after_a_loop)(X, 2)


def test_lambdas_stay_python():
    def function(x):
        jax.debug.callback(lambda v: SEEN.append(v.tolist()), x)
        return x * 2
    for wrap in (lambda f: f, jax.jit, lambda f: jax.grad(lambda x: f(x).sum())):
        wrap(function)(X)
    assert SEEN == [[0, 1, 2]] * 3

    def captures(x):
        y = x * 2
        jax.debug.callback(lambda: SEEN.append(y))
        return y
    with pytest.raises(jax.TransformError, match="reads 'y'"):
        jax.jit(captures)(X)


def host_sine(x):
    return jax.pure_callback(lambda v: numpy.sin(v), jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_pure_callback(wrap):
    numpy.testing.assert_allclose(wrap(lambda x: 2 * host_sine(x))(X), 2 * np.sin(X), rtol=1e-6)
    batch = np.stack([X, X + 1])
    numpy.testing.assert_allclose(wrap(jax.vmap(host_sine))(batch), np.sin(batch), rtol=1e-6)


@pytest.mark.parametrize("method", ["broadcast_all", "sequential"])
def test_batches_of_pure_callbacks_are_jaxs(method):
    shapes = []

    def host(a, b):
        shapes.append((a.shape, b.shape))
        return (numpy.asarray(a) + numpy.asarray(b)).astype("float32")
    ours = jax.vmap(lambda a, b: jax.pure_callback(host, jax.ShapeDtypeStruct((3,), "float32"), a, b, vmap_method=method), (0, None))
    found = ours(np.stack([X, X + 1]), X)
    mine = shapes[:]
    shapes.clear()
    theirs = oracle.vmap(lambda a, b: oracle.pure_callback(host, oracle.ShapeDtypeStruct((3,), "float32"), a, b, vmap_method=method),
                         (0, None))
    numpy.testing.assert_allclose(found, theirs(jnp.stack([jnp.arange(3.0), jnp.arange(3.0) + 1]), jnp.arange(3.0)))
    assert mine == shapes


def test_what_pure_callback_refuses():
    with pytest.raises(jax.TransformError, match="custom_vjp or custom_jvp"):
        jax.grad(lambda x: host_sine(x).sum())(X)
    with pytest.raises(NotImplementedError, match="vmap_method"):
        jax.vmap(lambda x: jax.pure_callback(numpy.sin, jax.ShapeDtypeStruct((), "float32"), x))(X)
    for wrap in (lambda f: f, jax.jit):
        with pytest.raises(ValueError, match=r"shape \(5,\) where result_shape_dtypes says \(3,\)"):
            wrap(lambda x: jax.pure_callback(lambda v: numpy.zeros(5, "f"), jax.ShapeDtypeStruct((3,), "float32"), x))(X)
        with pytest.raises(ValueError, match="dtype int32 .* float32"):
            wrap(lambda x: jax.pure_callback(lambda v: numpy.zeros(3, "i"), jax.ShapeDtypeStruct((3,), "float32"), x))(X)
        with pytest.raises(ValueError, match="structure"):
            wrap(lambda x: jax.pure_callback(lambda v: (v, v), jax.ShapeDtypeStruct((3,), "float32"), x))(X)


def fails(value):
    raise KeyError("own error")


def test_the_callbacks_own_error_is_raised():
    for wrap in (lambda f: f, jax.jit):
        with pytest.raises(KeyError, match="own error"):
            wrap(lambda x: jax.debug.callback(fails, x))(X)


@jax.custom_vjp
def sine(x):
    return host_sine(x)


sine.defvjp(lambda x: (host_sine(x), x), lambda x, d_out: (d_out * np.cos(x),))


def test_a_rule_makes_it_differentiable():
    for wrap in (lambda f: f, jax.jit):
        numpy.testing.assert_allclose(wrap(jax.grad(lambda x: sine(x).sum()))(X), np.cos(X), rtol=1e-6)


def test_io_callback():
    counter = iter(range(100))

    def draws(x):
        _ = io_callback(see, None, x)
        n = io_callback(lambda: numpy.int32(next(counter)), jax.ShapeDtypeStruct((), "int32"))
        return x + n
    function = jax.jit(draws)
    assert [float(function(X)[0]) for _ in range(3)] == [0, 1, 2] and float(draws(X)[0]) == 3
    assert len(SEEN) == 4
    numpy.testing.assert_array_equal(jax.vmap(lambda x: io_callback(lambda v: numpy.float32(v + 1), x, x))(X), [1, 2, 3])


def test_breakpoint_is_refused_under_jit():
    def stops(x):
        jax.debug.breakpoint()
        return x
    with pytest.raises(NotImplementedError, match="disable_jit"):
        jax.jit(stops)(X)
