"""Contexts change what runs inside them, and nothing after them; questions about functions are answered without running them."""
from __future__ import annotations

import functools
import logging
from dataclasses import dataclass

import jax as oracle
import jax.numpy as jnp
import numpy
import pytest

import xform as jax
import xform.numpy as np

X = np.arange(3.0)


@functools.partial(jax.tree_util.register_dataclass, data_fields=["mean", "total"], meta_fields=[])
@dataclass
class Moments:
    mean: jax.Array
    total: jax.Array


@pytest.mark.parametrize("context, bad", [(jax.debug_nans, np.nan), (jax.debug_infs, np.inf)])
def test_bad_values_raise_inside_only(context, bad):
    def double(x):
        return x + x
    jitted = jax.jit(double)
    bad = np.full((3,), bad)
    with context(True):
        for function in (double, jitted):
            numpy.testing.assert_array_equal(function(X), 2 * numpy.arange(3))
            with pytest.raises(FloatingPointError, match="invalid value"):
                function(bad)
    double(bad), jitted(bad)
    with pytest.raises(FloatingPointError), context():
        double(bad)


def test_infinities_are_no_nans():
    with jax.debug_nans(True):
        assert np.isinf(np.asarray(1.0) / 0.0)


def test_rank_promotion():
    row, table = np.ones(3), np.ones((2, 3))
    with jax.numpy_rank_promotion("raise"):
        with pytest.raises(ValueError, match=r"sub on shapes \(3,\), \(2, 3\).*numpy_rank_promotion='raise'"):
            row - table
        with pytest.raises(ValueError, match="rank"):
            jax.jit(lambda a, b: a - b)(row, table)
        assert (table - 1.0).shape == (2, 3)
    with jax.numpy_rank_promotion("warn"), pytest.warns(UserWarning, match="rank promotion"):
        row - table
    assert (row - table).shape == (2, 3)
    with pytest.raises(ValueError, match="'allow', 'warn', 'raise'"):
        jax.config.update("jax_numpy_rank_promotion", "never")


OPERANDS = {"f32": lambda m: m.ones(2, "float32"), "i32": lambda m: m.ones(2, "int32"), "bool": lambda m: m.ones(2, "bool"),
            "f16": lambda m: m.ones(2, "float16"), "c64": lambda m: m.ones(2, "complex64"), "1": lambda m: 1, "1.5": lambda m: 1.5,
            "1j": lambda m: 1j, "True": lambda m: True, "u8": lambda m: m.ones(2, "uint8")}


@pytest.mark.parametrize("b", OPERANDS)
@pytest.mark.parametrize("a", ["f32", "i32", "bool", "c64", "u8"])
def test_strict_dtype_promotion(a, b):
    with oracle.numpy_dtype_promotion("strict"):
        try:
            expected = (OPERANDS[a](jnp) + OPERANDS[b](jnp)).dtype
        except oracle.dtypes.TypePromotionError:
            expected = None
    with jax.numpy_dtype_promotion("strict"):
        if expected is None:
            with pytest.raises(jax.dtypes.TypePromotionError, match="strict"):
                OPERANDS[a](np) + OPERANDS[b](np)
        else:
            assert (OPERANDS[a](np) + OPERANDS[b](np)).dtype == expected
    OPERANDS[a](np) + OPERANDS[b](np)


def test_compilations_and_misses_are_logged(caplog):
    function = jax.jit(lambda x: x * 37.25 - x)
    with caplog.at_level(logging.WARNING), jax.log_compiles(), jax.explain_cache_misses():
        function(X)
        assert "Compiling" in caplog.text and "never called before" in caplog.text
        caplog.clear()
        function(X)
        assert caplog.text == ""
        function(np.ones(2))
        assert "x is float32[2], it was float32[3]" in caplog.text
    caplog.clear()
    function(np.ones(4))
    assert caplog.text == ""


def test_transfers_are_guarded():
    two = jax.device_put(2.0)
    with jax.transfer_guard("disallow"):
        with pytest.raises(RuntimeError, match="Disallowed host-to-device transfer"):
            np.asarray(numpy.arange(5.0))
        numpy.testing.assert_array_equal(jax.device_put(numpy.arange(5.0)), numpy.arange(5.0))
        numpy.testing.assert_array_equal(X * two, 2 * numpy.arange(3))
    with jax.transfer_guard_host_to_device("disallow_explicit"), pytest.raises(RuntimeError, match="Disallowed"):
        jax.device_put(numpy.arange(5.0))
    np.asarray(numpy.arange(5.0))
    with pytest.raises(ValueError, match="'disallow'"):
        with jax.transfer_guard("never"):
            pass


def test_default_device():
    second = jax.devices()[1]
    with jax.default_device(second):
        assert np.ones(2).devices() == {second}
    assert np.ones(2).devices() == {jax.devices()[0]}


def test_operations_on_one_default_device_and_another():
    """The same operations on arrays of the same types: each device has programs of its own, before, within and after."""
    def both():
        x = np.ones(3)
        return np.sum(np.sin(x) * 2.0, axis=0) + x[0]
    first, (_, second) = both(), jax.devices()[:2]
    for _ in range(2):
        with jax.default_device(second):
            inside = both()
            assert inside.devices() == {second} and float(inside) == float(first)
        assert both().devices() == {jax.devices()[0]}


def test_known_values_are_computed_at_once():
    seen = []

    def outer():
        with jax.ensure_compile_time_eval():
            seen.append(float(np.ones(3).sum()))
        return seen[-1]
    assert outer() == 3.0


def scoped(x):
    with jax.named_scope("inside"):
        y = np.sin(x)
    with jax.ensure_compile_time_eval():
        scale = np.sum(np.ones(3))
    return np.sum(y * scale)


def test_scopes_in_transformed_functions():
    numpy.testing.assert_allclose(jax.jit(jax.grad(scoped))(X), 3 * np.cos(X), rtol=1e-6)
    with jax.named_scope("around") as name:
        assert name == "around"
    with pytest.raises(TypeError, match="must be a string"):
        jax.named_scope(3)
    named = jax.named_call(scoped, name="layer")
    numpy.testing.assert_allclose(named(X), scoped(X))
    numpy.testing.assert_allclose(jax.grad(lambda x: named(x) * 2)(X), 6 * np.cos(X), rtol=1e-6)


class Scoped:
    scale = 3.0

    @jax.named_scope("method")
    def __call__(self, x, *, power=2):
        return np.sum(x ** power * self.scale)


@jax.named_scope("function")
def scoped_by_decorator(x, scale=3.0):
    """What it does."""
    return Scoped()(x, power=3) * scale


def test_scopes_as_decorators():
    assert scoped_by_decorator.__doc__ == "What it does." and scoped_by_decorator.__name__ == "scoped_by_decorator"
    numpy.testing.assert_allclose(scoped_by_decorator(X, scale=2.0), 6 * np.sum(X ** 3), rtol=1e-6)
    numpy.testing.assert_allclose(jax.jit(jax.grad(scoped_by_decorator))(X), 27 * X ** 2, rtol=1e-6)
    numpy.testing.assert_allclose(jax.vmap(Scoped())(np.stack([X, 2 * X])), [3 * np.sum(X ** 2), 12 * np.sum(X ** 2)], rtol=1e-6)
    numpy.testing.assert_allclose(jax.named_scope("jitted")(jax.jit(np.sin))(X), np.sin(X), rtol=1e-6)


def test_facts_of_the_process(capsys):
    assert jax.host_id() == jax.process_index() == 0 and jax.host_count() == 1
    assert jax.process_indices() == jax.host_ids() == [0]
    jax.print_environment_info()
    assert "jaxlib" in capsys.readouterr().out
    assert "devices" in jax.print_environment_info(return_string=True)
    made = np.full((7, 7), 3.0)
    assert any(a.shape == (7, 7) for a in jax.live_arrays())
    assert isinstance(jax.devices()[0], jax.Device)
    jax.effects_barrier()
    assert jax.copy_to_host_async({"a": made})["a"] is made
    jax.clear_caches()


def test_eval_shape_computes_nothing():
    def function(x, w):
        if x.shape[0] > 2:
            x = x[:2]
        return {"out": x @ w, "n": 3}
    args = jax.ShapeDtypeStruct((5, 4), "float32"), np.ones((4, 2))
    found = jax.eval_shape(function, *args)
    expected = oracle.eval_shape(function, oracle.ShapeDtypeStruct((5, 4), "float32"), jnp.ones((4, 2)))
    assert found["out"].shape == expected["out"].shape == (2, 2) and found["out"].dtype == expected["out"].dtype
    assert found["n"].dtype == expected["n"].dtype
    assert jax.typeof(X).shape == (3,) and jax.typeof(1.5).weak_type


def _of_captured(x):
    n = int(x.shape[0] - 1)
    y = x[0] * 2
    return jax.eval_shape(lambda v, k=1: {"a": v[n:] + y, "b": v[:, k]}, x)


def _of_objects(x):
    pair = Moments(x, x.sum())
    return jax.eval_shape(lambda m, *rest, **named: Moments(m.mean[0], rest[0][1] * named["w"]), pair, x, w=x[0])


def _of_callable(x):
    class Layer:
        def __init__(self, w):
            self.w = w

        def __call__(self, x):
            return x @ self.w
    return jax.eval_shape(Layer(x.T * 1.0), x)


@functools.partial(jax.jit, static_argnums=1)
def _columns(x, n, k=2):
    return x[n:, :k]


@pytest.mark.parametrize("asked, wanted", [
    (_of_captured, {"a": (1, 3), "b": (2,)}), (_of_objects, {"mean": (3,), "total": (3,)}), (_of_callable, (2, 2)),
    (lambda x: jax.eval_shape(_columns, x, 1), (1, 2)), (lambda x: _columns.eval_shape(x, n=1), (1, 2)),
    (lambda x: _columns.lower(x, 1).out_info, (1, 2)),
    (lambda x: jax.jit(lambda v: v[0] * x).eval_shape(x), (2, 3)),
    (lambda x: jax.eval_shape(functools.partial(np.sum, axis=1), x), (2,)),
    (lambda x: jax.eval_shape(jax.grad(lambda v, s: (v * s).sum()), x, jax.ShapeDtypeStruct((7, 1, 3), "float32")), (2, 3))])
def test_eval_shape_in_transformed_code_is_of_one_example(asked, wanted):
    def checked(x):
        found = asked(x)
        found = {"mean": found.mean, "total": found.total} if isinstance(wanted, dict) and "mean" in wanted else found
        assert jax.tree.map(lambda leaf: leaf.shape, found) == wanted
        return sum([np.ones(leaf.shape).size for leaf in jax.tree.leaves(found)]) * x.sum()
    x = np.arange(6.0).reshape(2, 3)
    out = checked(x)
    grads = numpy.full((2, 3), out / x.sum())
    numpy.testing.assert_allclose(jax.jit(checked)(x), out)
    numpy.testing.assert_allclose(jax.vmap(checked)(np.stack([x, x])), [out, out])
    numpy.testing.assert_allclose(jax.jit(jax.grad(checked))(x), grads)
    numpy.testing.assert_allclose(jax.grad(lambda xs: jax.vmap(checked)(xs).sum())(x[None]), grads[None])


def test_linear_transpose():
    matrix = np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    transpose = jax.linear_transpose(lambda x: matrix @ x, jax.ShapeDtypeStruct((3,), "float32"))
    (found,) = transpose(np.asarray([1.0, -1.0]))
    numpy.testing.assert_allclose(found, [-3, -3, -3])
    with pytest.raises(TypeError, match="float and complex"):
        jax.linear_transpose(lambda x: x * 2, 3)


def test_closure_convert():
    weight = np.asarray([2.0, 3.0, 4.0])
    converted, consts = jax.closure_convert(lambda x: x * weight, X)
    assert len(consts) == 1 and consts[0] is weight
    numpy.testing.assert_allclose(converted(X, consts[0] * 10), numpy.arange(3) * 10 * numpy.array([2, 3, 4]))
    assert jax.closure_convert(scoped, X) == (scoped, [])
