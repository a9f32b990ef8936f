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
