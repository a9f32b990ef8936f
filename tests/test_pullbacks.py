"""The functions that vjp and linearize return, under the other transformations."""
import jax
import numpy as np
import pytest

import xform
import xform.numpy as jnp


def turns(x):
    for _ in range(3):
        if x.sum() > 0:
            x = jnp.sin(x) * x
    return x


def with_aux(x):
    return turns(x), x.shape


X = np.array([0.3, 1.2, -0.4], np.float32)


@pytest.fixture(params=["vjp", "vjp of a pair", "linearize"])
def derivative(request):
    """A function of one vector that is linear, and its matrix (rows are what unit vectors map to)."""
    matrix = xform.jacfwd(turns)(X)
    if request.param == "linearize":
        return xform.linearize(turns, X)[1], matrix.T
    pull = xform.vjp(turns, X)[1] if request.param == "vjp" else xform.vjp(with_aux, X, has_aux=True)[1]
    return lambda ct: pull(ct)[0], matrix


def test_vmap_and_jit_and_grad_of_a_derivative(derivative):
    apply, rows = derivative
    np.testing.assert_allclose(xform.vmap(apply)(jnp.eye(3)), rows, rtol=1e-5, atol=1e-6)
    ct = jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(xform.jit(apply)(ct), ct @ rows, rtol=1e-5)
    np.testing.assert_allclose(xform.jacrev(apply)(ct), rows.T, rtol=1e-5, atol=1e-6)


def test_a_pullback_is_transformed_itself():
    out, pull = xform.vjp(turns, X)
    theirs = jax.vjp(lambda x: jax.numpy.sin(x) * x, X)
    (rows,) = xform.vmap(pull)(jnp.eye(3))
    np.testing.assert_allclose(rows, xform.jacrev(turns)(X), rtol=1e-5, atol=1e-6)
    (again,) = xform.jit(pull)(jnp.ones(3))
    np.testing.assert_allclose(again, pull(jnp.ones(3))[0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"got float32\[2\], but expected float32\[3\]"):
        pull(jnp.ones(2))
    with pytest.raises(ValueError):
        theirs[1](jax.numpy.ones(2))


def layer(W, x):
    return jnp.tanh(x @ W)


def forward(W, x):
    return xform.vjp(layer, W, x)


def layer_and_shape(W, x):
    return layer(W, x), x.shape


def forward_with_aux(W, x):
    return xform.vjp(layer_and_shape, W, x, has_aux=True)[:2]


@pytest.mark.parametrize("first", [forward, forward_with_aux, xform.jit(forward), xform.jit(forward_with_aux)])
def test_two_passes_compiled_apart(first, capsys):
    """A pullback is a pytree of what it holds: a compiled function may return it and another take it, and one program does for all."""
    @xform.jit
    def backward(pullback, cotangent):
        print("staged")
        return pullback(cotangent)
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    for scale in (0.5, 2.0, -1.0):
        W = np.eye(3, dtype=np.float32) * scale + 0.1
        out, pullback = first(W, x)
        wanted = jax.vjp(lambda W, x: jax.numpy.tanh(x @ W), W, x)[1](np.ones((2, 3), np.float32))
        for found in (pullback(np.ones((2, 3), np.float32)), backward(pullback, np.ones((2, 3), np.float32))):
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert all(isinstance(leaf, xform.Array) for leaf in xform.tree.leaves(pullback))
    assert capsys.readouterr().out == "staged\n"


def test_a_compiled_function_returns_a_pushforward_in_a_dict():
    found = xform.jit(lambda x: {"by": xform.linearize(jnp.sin, x)[1]})(2.0)
    np.testing.assert_allclose(found["by"](3.0), 3 * np.cos(2.0), rtol=1e-6)


def test_other_functions_are_not_returned():
    with pytest.raises(xform.TransformError, match="returns a function or an object, not arrays"):
        xform.jit(lambda x: (x, lambda y: y * x))(2.0)


def test_the_type_of_an_example():
    def scaled(x):
        return x * xform.typeof(x).size
    np.testing.assert_array_equal(xform.vmap(scaled)(np.ones((3, 2))), np.full((3, 2), 2.0))
    np.testing.assert_array_equal(xform.vmap(xform.grad(lambda x: scaled(x).sum()))(np.ones((3, 2))), np.full((3, 2), 2.0))


@pytest.mark.parametrize("result, wanted", [(lambda x: X, 0.0), (lambda x: 3.0, 0.0), (lambda x: {"a": X, "b": x * 2}, 2.0)])
def test_results_that_depend_on_nothing(result, wanted):
    out, back = xform.vjp(result, X * 2)
    like = jax.tree_util.tree_map(lambda leaf: np.ones(np.shape(leaf), "float32"), out)
    for found in (back(like), xform.jit(lambda p, c: p(c))(back, like)):
        np.testing.assert_allclose(found[0], np.full(3, wanted))
