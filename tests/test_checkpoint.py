"""checkpoint: the derivative is that of the plain function, and keeps the arguments alone."""
from __future__ import annotations

import functools

import numpy
import pytest

import xform as jax
import xform.numpy as np
from xform.ad_checkpoint import checkpoint_name, print_saved_residuals


def body(x, w, n=3):
    for i in range(n):
        x = np.tanh(x * w) + x
    return checkpoint_name(x, "body")


marked = jax.checkpoint(body)


def plain_loss(x, w):
    return np.sum(body(np.sin(x), w) ** 2)


def loss(x, w):
    return np.sum(marked(np.sin(x), w) ** 2)


X, W = np.linspace(0.1, 0.7, 4), np.linspace(-0.5, 0.9, 4)

TRANSFORMS = {
    "grad": lambda f: jax.grad(f, (0, 1)),
    "value_and_grad": lambda f: jax.value_and_grad(f),
    "jit(grad)": lambda f: jax.jit(jax.grad(f, (0, 1))),
    "grad(jit)": lambda f: jax.grad(jax.jit(f), 1),
    "vmap(grad)": lambda f: lambda x, w: jax.vmap(jax.grad(f, (0, 1)), (0, None))(np.stack([x, 2 * x]), w),
    "grad(vmap)": lambda f: jax.grad(lambda x, w: jax.vmap(f, (0, None))(np.stack([x, 2 * x]), w).sum(), 1),
    "grad(grad)": lambda f: jax.grad(lambda x, w: jax.grad(f)(x, w).sum(), (0, 1)),
    "hessian": lambda f: jax.hessian(f),
    "jvp": lambda f: lambda x, w: jax.jvp(f, (x, w), (w, x)),
    "jit(hessian)": lambda f: jax.jit(jax.hessian(f)),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_derivatives_are_those_of_the_plain_function(transform):
    of = TRANSFORMS[transform]
    found, expected = of(loss)(X, W), of(plain_loss)(X, W)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


def count(text, operation):
    return text.count(f"stablehlo.{operation}\"")


def test_the_backward_half_computes_again_behind_a_barrier():
    def unrolled(x):
        return np.sum(np.sin(np.sin(x)))
    plain = jax.jit(jax.grad(unrolled)).lower(X).as_text()
    again = jax.jit(jax.grad(jax.checkpoint(unrolled))).lower(X).as_text()
    merged = jax.jit(jax.grad(jax.checkpoint(unrolled, prevent_cse=False))).lower(X).as_text()
    saved = jax.jit(jax.grad(jax.checkpoint(unrolled, policy=jax.checkpoint_policies.everything_saveable))).lower(X).as_text()
    assert count(again, "sine") > count(plain, "sine") == count(saved, "sine")
    assert "optimization_barrier" in again
    assert "optimization_barrier" not in plain + merged + saved


def test_only_arguments_are_residuals(capsys):
    print_saved_residuals(lambda x: np.sum(np.sin(np.sin(np.sin(x)))), X)
    plain = capsys.readouterr().out.splitlines()
    print_saved_residuals(jax.checkpoint(lambda x: np.sum(np.sin(np.sin(np.sin(x))))), X)
    kept = capsys.readouterr().out.splitlines()
    assert len(kept) == 1 < len(plain)
    assert "float32[4]" in kept[0] and "argument x" in kept[0]


def nested(x, w):
    scale = x * 2

    @functools.partial(jax.checkpoint, policy=jax.checkpoint_policies.dots_saveable, static_argnums=(1,))
    def inner(z, flip):
        return np.tanh(z * scale) if flip else z
    return np.sum(inner(w, True) + jax.remat(lambda v: np.sin(v) * w)(x))


def plain_nested(x, w):
    return np.sum(np.tanh(w * (x * 2)) + np.sin(x) * w)


@pytest.mark.parametrize("transform", ["grad", "jit(grad)", "vmap(grad)", "grad(grad)"])
def test_marks_inside_a_transformed_function(transform):
    of = TRANSFORMS[transform]
    for one, other in zip(of(nested)(X, W), of(plain_nested)(X, W), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
    assert "@rt.checkpoint" in jax.source(jax.grad(nested))


def test_control_flow_inside_is_staged():
    @jax.checkpoint
    def branch(x):
        return np.sin(x) if x > 0 else x * x
    for value in (0.5, -0.5):
        numpy.testing.assert_allclose(jax.jit(jax.grad(branch))(value), jax.grad(branch)(value), rtol=1e-6)
        numpy.testing.assert_allclose(jax.jit(branch)(value), branch(np.asarray(value)), rtol=1e-6)


def test_agrees_with_jax():
    import jax as oracle
    import jax.numpy as jnp
    expected = oracle.grad(lambda x: jnp.sum(oracle.checkpoint(lambda z: jnp.sin(z) ** 3)(x) * x))(jnp.asarray(numpy.asarray(X)))
    found = jax.grad(lambda x: np.sum(jax.checkpoint(lambda z: np.sin(z) ** 3)(x) * x))(X)
    numpy.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_policy_that_is_no_function_is_refused():
    with pytest.raises(TypeError, match="policy"):
        jax.checkpoint(body, policy="dots")


def test_a_checkpoint_around_a_jitted_loop():
    """It was refused: what the compiler asks of a function was asked of the staged loop."""
    def powers(x):
        out = x
        for v in x:
            out = out * v
        return (out * out).sum()
    x = np.array([0.3, 0.7, 1.1])
    wanted = jax.grad(powers)(x)
    numpy.testing.assert_allclose(jax.grad(lambda x: jax.checkpoint(jax.jit(powers))(x))(x), wanted, rtol=1e-6)
    mapped = jax.vmap(jax.grad(jax.checkpoint(jax.jit(powers))))(np.stack([x, 2 * x]))
    numpy.testing.assert_allclose(mapped[0], wanted, rtol=1e-6)
