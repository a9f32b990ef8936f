"""Tangents and cotangents that are the symbolic zero in some turns or for some items only, in nested derivatives, against jax."""
import runpy

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np


def programs(jx, np):
    """Functions of a vector; ``jx`` and ``np`` are xform or jax itself."""
    def pairs(p, w):
        total = 0.0
        for key, v in {"a": w[0] * p, "b": w[1], "c": p * p}.items():
            if key == "b":      # one for all examples, though a dict of examples has it
                continue
            total = total + np.sum(v) * w[2]
        return total

    def pairs_passed_over(x):
        return np.sum(jx.grad(lambda w: jx.jvp(lambda q: pairs(x * 0.5, q), (w,), (w[::-1],))[1])(x))

    def window(p, w):
        return jx.lax.dynamic_update_slice(w, w[:1] * np.sum(p), (2,))[2]

    def window_put_in_turns(x):
        def folded(w):
            for i in range(2):
                w = w * window(x, w * x)
            return w.sum()
        return np.sum(jx.jvp(jx.grad(folded), (x,), (x,))[1])

    def products_put_in_turns(x):
        def f(p, w):
            for i in range(3):
                w = w.at[i].multiply(np.sum(p) + w[(i + 1) % 3])
            return (w * w).sum()
        return np.sum(jx.grad(f)(x * 0.5, x * 0.8))

    def first_record_without_tangent(x):
        def f(w):
            def step(c, v):
                c = jx.lax.cond(v > 0.6, lambda c: c * v, lambda c: np.sin(c) + v, c)
                return c, c * v
            return jx.lax.scan(step, x, w)[1].sum()
        return jx.jvp(lambda q: jx.jacfwd(f)(q), (x * 0.8 + 0.1,), (x,))[1].sum()

    def padding_put_in_turns(x):
        def f(w):
            for i in range(2):
                w = w * np.pad(w, 1)[:3]
            return w.sum()
        return np.sum(jx.grad(f)(x))

    return {name: f for name, f in locals().items() if name in NAMES}


NAMES = ("pairs_passed_over", "window_put_in_turns", "products_put_in_turns", "first_record_without_tangent", "padding_put_in_turns")
OURS, THEIRS = programs(xform, np), programs(jax, jnp)


@pytest.mark.parametrize("name", NAMES)
def test_zeros_of_nested_derivatives(name):
    x = onp.array([0.3, 0.7, 1.1], "float32")
    y = onp.stack([x, 2 * x])
    onp.testing.assert_allclose(xform.grad(OURS[name])(x), jax.grad(THEIRS[name])(x), rtol=1e-3)
    onp.testing.assert_allclose(xform.vmap(xform.grad(OURS[name]))(y), jax.vmap(jax.grad(THEIRS[name]))(y), rtol=1e-3)


@pytest.mark.parametrize("text", ["np.cumprod(b)", "np.clip(b, None, 0.8)", "np.trace(np.outer(b, b))", "np.var(b)", "np.nansum(b)",
                                  "np.vander(b - 1.0, 3)", "np.pad(b, 1)", "np.average(b)"])
def test_residuals_that_say_how_something_is_done(text, tmp_path):
    """Beside a batch and inside one, what a residual says of an axis or a branch stays one for all examples."""
    path = tmp_path / "residuals.py"
    path.write_text(f"""
def made(jx, np):
    def f(s):
        b, total = np.array([0.3, 0.7, 1.1]), 0.0
        for turn in range(2):
            total = total + np.sum(np.sin({text}))
            b = b * s
        return total
    return jx.vmap(jx.jacfwd(jx.grad(f)))
""")
    made = runpy.run_path(str(path))["made"]
    s = onp.array([0.9, 1.1], "float32")
    onp.testing.assert_allclose(made(xform, np)(s), made(jax, jnp)(s), rtol=1e-4)


def test_jacobian_of_a_mapped_function_with_a_derivative_of_zero():
    def f(x):
        row = np.ones(3)
        for i in range(1):
            total = np.sum(row)
            row = row * x
        return total
    assert np.array_equal(xform.jacfwd(xform.vmap(f))(np.ones(2)), np.zeros((2, 2)))


def test_joins_of_derivatives_of_zero_in_a_batch():
    def turned(jx, np):
        def turn(i, state):
            x, u = state
            total = np.stack([u[0] * 2.0, u[1]]).sum() + np.vstack((u, np.zeros((1, 1)))).sum() + np.dstack([u, u]).sum()
            return x * total, u + x.sum() + np.hstack([u[0], u[1]]).sum()
        return jx.jacfwd(lambda x: jx.lax.fori_loop(0, 2, turn, (x, np.ones((2, 1))))[0])(np.ones(2))
    onp.testing.assert_allclose(turned(xform, np), turned(jax, jnp), rtol=1e-5)


def test_factors_without_derivative_in_the_last_turn():
    def filtered(jx, np):
        def loss(q):
            mean, total, cov = np.zeros(2), 0.0, np.array([[2.0, 0.3], [0.3, 1.0]])
            for turn in range(2):
                total = total + np.sum(mean ** 2)
                cov = cov + np.diag(np.exp(q))
                factors = np.linalg.cholesky(cov) + jx.scipy.linalg.lu_factor(cov)[0] + np.linalg.qr(cov)[1]
                mean = mean + factors @ (1.0 - mean)
            return total
        return jx.hessian(loss)(np.array([0.3, -0.2]))
    onp.testing.assert_allclose(filtered(xform, np), filtered(jax, jnp), rtol=1e-3)


def test_tangents_of_integers_of_linearized_functions():
    zero = onp.zeros(3, xform.dtypes.float0)
    _, pushed = xform.linearize(lambda x, n: np.sum(x + n), 2.0, np.arange(3))
    assert pushed(1.0, zero) == 3.0
    with pytest.raises(ValueError, match=r"tangent of type int32\[3\] for a primal of type int32\[3\]"):
        pushed(1.0, np.arange(3))
