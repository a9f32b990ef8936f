"""Lists and tuples that spread other ones with *, under every transformation."""
import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp


def in_front(x, ys):
    zs = [*ys, x * 2]
    return zs[0] * zs[1] * zs[-1]


def behind(x, ys):
    zs = (x, x * x, *ys)
    return zs[0] * zs[2] + zs[1] * zs[3] ** 2


def between(x, ys):
    zs = (x, *ys, x * 3)
    return sum(zs) * zs[1] * zs[-1]


def shape_of(x, ys):
    return jnp.zeros((2, *jnp.shape(x))).sum() + x * ys[0]


@pytest.mark.parametrize("f", [in_front, behind, between, shape_of])
def test_spreading(f):
    x, ys = jnp.float32(1.5), (jnp.float32(2.0), jnp.float32(-0.5))
    theirs = type(f)(f.__code__, {**f.__globals__, "jnp": jax.numpy}, f.__name__)
    for argnums in (0, 1):
        expected = jax.tree_util.tree_leaves(jax.grad(theirs, argnums)(1.5, (2.0, -0.5)))
        for made in (xform.grad(f, argnums), xform.jit(xform.grad(f, argnums)), xform.jacfwd(f, argnums)):
            np.testing.assert_allclose(xform.tree_util.tree_leaves(made(x, ys)), expected, rtol=1e-6)
    np.testing.assert_allclose(xform.hessian(f)(x, ys), jax.hessian(theirs)(1.5, (2.0, -0.5)), rtol=1e-6)
    many = xform.vmap(xform.value_and_grad(f), in_axes=(0, None))(jnp.array([1.5, 2.5]), ys)
    np.testing.assert_allclose(many[0], [theirs(1.5, (2.0, -0.5)), theirs(2.5, (2.0, -0.5))], rtol=1e-6)
    np.testing.assert_allclose(many[1], [jax.grad(theirs)(v, (2.0, -0.5)) for v in (1.5, 2.5)], rtol=1e-6)
    other = xform.vmap(f, in_axes=(None, 0))(x, (jnp.array([2.0, 1.0]), jnp.array([-0.5, 3.0])))
    np.testing.assert_allclose(other, [theirs(1.5, (2.0, -0.5)), theirs(1.5, (1.0, 3.0))], rtol=1e-6)
