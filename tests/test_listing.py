"""make_jaxpr and the stages of jit: the types that jax gives, and code that says what runs; both passes as functions."""
from __future__ import annotations

import jax as oracle
import jax.numpy as jnp
import numpy
import pytest

import xform as jax
import xform.numpy as np


def loss(x, w, scale=2.0):
    total = 0.0
    for i in range(3):
        total = total + np.sum(np.tanh(x @ w) * scale)
    return total, {"x": x}


def loss_of_jax(x, w, scale=2.0):
    total = 0.0
    for i in range(3):
        total = total + jnp.sum(jnp.tanh(x @ w) * scale)
    return total, {"x": x}


X, W = numpy.linspace(-1, 1, 6, dtype="float32").reshape(2, 3), numpy.linspace(0, 1, 3, dtype="float32")


def described(avals):
    return [(of.shape, numpy.dtype(of.dtype), of.weak_type) for of in avals]


def test_types_are_those_of_jax():
    found, shape = jax.make_jaxpr(loss, return_shape=True)(X, W)
    expected, expected_shape = oracle.make_jaxpr(loss_of_jax, return_shape=True)(X, W)
    assert described(found.in_avals) == described(expected.in_avals)
    assert described(found.out_avals) == described(expected.out_avals)
    assert described(jax.tree.leaves(shape)) == described(oracle.tree.leaves(expected_shape))
    assert described(jax.make_jaxpr(loss)(X, W, scale=1.0).in_avals) == described(oracle.make_jaxpr(loss_of_jax)(X, W, scale=1.0).in_avals)


def test_it_prints_types_and_the_staged_code():
    text = str(jax.make_jaxpr(loss)(X, W))
    assert text.startswith("# loss(0: float32[2,3], 1: float32[3]) -> ([0]: float32[], [1]['x']: float32[2,3])\n")
    assert "rt.for_loop(" in text and "@rt.jit" in text
    assert "def " in str(jax.make_jaxpr(jax.grad(lambda x: np.sum(np.sin(x))))(X))


def test_static_arguments_and_constants():
    held = np.arange(5000.0)        # what is small is written into the program
    found = jax.make_jaxpr(lambda x, n: np.sum(x) * n + held, static_argnums=1)(X, 3)
    assert described(found.in_avals) == [((2, 3), numpy.dtype("float32"), False)]
    assert [c.shape for c in found.consts] == [(5000,)]
    assert "# constant: float32[5000]" in str(found)


def test_names_of_axes_are_refused():
    with pytest.raises(NotImplementedError, match="axis_env"):
        jax.make_jaxpr(loss, axis_env=[("i", 2)])


def test_traced():
    found = jax.jit(loss, donate_argnums=1).trace(X, jax.ShapeDtypeStruct((3,), "float32"))
    expected = oracle.jit(loss_of_jax, donate_argnums=1).trace(X, oracle.ShapeDtypeStruct((3,), "float32"))
    assert found.fun_name == "loss" and found.donate_argnums == expected.donate_argnums == (1,)
    assert described(jax.tree.leaves(found.out_info)) == described(oracle.tree.leaves(expected.out_info))
    (x, w), named = found.args_info
    (x_, w_), named_ = expected.args_info
    assert named == named_ == {}
    assert (x.shape, x.dtype, x.donated, w.donated) == (x_.shape, x_.dtype, x_.donated, w_.donated)
    assert described(found.jaxpr.out_avals) == described(expected.jaxpr.out_avals)
    total, _ = found.lower().compile()(X, W)
    numpy.testing.assert_allclose(total, loss_of_jax(X, W)[0], rtol=1e-5)


@pytest.mark.parametrize("jitted", [True, False])
@pytest.mark.parametrize("argnums", [0, (0, 1), (1, 0), -1])
def test_passes(argnums, jitted):
    def value(lib):
        def f(x, w):
            for _ in range(2):
                x = lib.tanh(x * w) if x.ndim > 1 else x
            return {"out": lib.sum(x, axis=0)}
        return f
    fwd, bwd = jax.fwd_and_bwd(value(np), argnums, jitted=jitted)
    fwd_, bwd_ = oracle.fwd_and_bwd(value(jnp), argnums, jitted=jitted)
    cotangent = {"out": numpy.float32([1, 2, 3])}
    for x in (X, 2 * X):
        out, residuals = fwd(x, W)
        out_, residuals_ = fwd_(x, W)
        numpy.testing.assert_allclose(out["out"], out_["out"], rtol=1e-5)
        found = bwd(jax.tree.map(lambda leaf: leaf, residuals), cotangent)
        expected = bwd_(residuals_, cotangent)
        for one, other in zip(jax.tree.leaves(found), oracle.tree.leaves(expected), strict=True):
            numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_passes_with_more_results():
    fwd, bwd = jax.fwd_and_bwd(lambda x: (np.sum(x ** 2), x + 1), 0, has_aux=True)
    out, residuals, more = fwd(W)
    numpy.testing.assert_allclose(more, W + 1)
    numpy.testing.assert_allclose(bwd(residuals, 1.0), 2 * W, rtol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        bwd(residuals, W)
    with pytest.raises(ValueError, match="argnums"):
        jax.fwd_and_bwd(lambda x: x, 2)[0](W)


def test_modules_that_programs_import_by_name():
    from xform.custom_derivatives import closure_convert, custom_gradient, custom_jvp, custom_vjp
    assert (closure_convert, custom_gradient, custom_jvp, custom_vjp) == (
        jax.closure_convert, jax.custom_gradient, jax.custom_jvp, jax.custom_vjp)

    @custom_vjp
    def f(x):
        return x * 2
    f.defvjp(lambda x: (x * 2, None), lambda _, d: (d * 5,))
    assert float(jax.grad(f)(1.0)) == 5
