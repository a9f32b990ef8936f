"""An element that an update names twice: the last value has it, and its cotangent."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np

X = numpy.ones(3, "float32")
V = numpy.arange(5, dtype="float32")
I = numpy.array([0, 2, 0, 1, 2])


def put(x, i, v):
    x = np.asarray(x) * 1.0
    x[i] = v
    return (x * np.arange(1.0, 4.0)).sum()


def put_at(x, i, v):
    return (np.asarray(x).at[i].set(v) * np.arange(1.0, 4.0)).sum()


def theirs(x, i, v):
    return (jnp.asarray(x).at[i].set(v) * jnp.arange(1.0, 4.0)).sum()


@pytest.mark.parametrize("ours", [put, put_at])
def test_gradient(ours):
    for got, wanted in zip(xform.grad(ours, (0, 2))(X, np.array(I), V), jax.grad(theirs, (0, 2))(X, I, V)):
        numpy.testing.assert_array_equal(got, wanted)
    numpy.testing.assert_array_equal(xform.jit(xform.grad(ours, 2))(X, np.array(I), V), jax.grad(theirs, 2)(X, I, V))


@pytest.mark.parametrize("ours", [put, put_at])
@pytest.mark.parametrize("axes", [(None, 0, None), (0, 0, 0), (None, None, 0), (0, None, None)])
def test_batched_gradient(ours, axes):
    given = [numpy.stack([a, a[::-1]]) if axis == 0 else a for a, axis in zip((X, I, V), axes)]
    got = xform.vmap(xform.grad(ours, 2), axes)(*map(np.array, given))
    numpy.testing.assert_array_equal(got, jax.vmap(jax.grad(theirs, 2), axes)(*map(jnp.array, given)))


def test_mixed_index():
    def loss(numpy_):
        return lambda v: (numpy_.ones((3, 4)).at[numpy_.array([0, 0]), 1:3].set(v) * numpy_.arange(12.0).reshape(3, 4)).sum()
    v = numpy.ones((2, 2), "float32")
    numpy.testing.assert_array_equal(xform.grad(loss(np))(v), jax.grad(loss(jnp))(v))
