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


@pytest.mark.parametrize("how", ["multiply", "divide", "power", "min", "max"])
@pytest.mark.parametrize("axes", [(0, None, None), (0, 0, 0), (None, 0, None), (0, None, 0)])
def test_derivatives_of_batched_updates_that_combine(how, axes):
    x, v = numpy.array([1.0, 2, 3], "float32"), numpy.array([3.0, 2, 0.5, 7, 2], "float32")
    given = [numpy.stack([a, a + 1]) if axis == 0 else a for a, axis in zip((x, I, v), axes)]

    update = {"multiply": lambda x, i, v: x.at[i].multiply(v), "divide": lambda x, i, v: x.at[i].divide(v),
              "power": lambda x, i, v: x.at[i].power(v), "min": lambda x, i, v: x.at[i].min(v), "max": lambda x, i, v: x.at[i].max(v)}[how]

    def loss(module, np_):
        return lambda x, i, v: module.vmap(update, axes)(x, i, v).sum()
    ours, theirs = loss(xform, np), loss(jax, jnp)
    numpy.testing.assert_allclose(ours(*map(np.array, given)), theirs(*map(jnp.array, given)), rtol=1e-6)
    wrt = (0, 2) if how in ("min", "max") else 0      # jax has no derivative in factors of repeated indices
    for got, wanted in zip(xform.grad(ours, (0, 2))(*map(np.array, given)), jax.tree.leaves(jax.grad(theirs, wrt)(*map(jnp.array, given)))):
        numpy.testing.assert_allclose(got, wanted, rtol=1e-5)
    xform.test_util.check_grads(lambda x, v: ours(x, np.array(given[1]), v), (np.array(given[0]) + 0.1, np.array(given[2])), 1, rtol=0.02)


@pytest.mark.parametrize("wrapped", [lambda f: f, lambda f: xform.jit(f), lambda f: lambda x, i: xform.vmap(f, (0, None))(x[None], i)[0]])
def test_a_function_is_applied_once_for_each_time_that_an_index_names_an_element(wrapped):
    got = wrapped(lambda x, i: x.at[i].apply(np.sin))(np.arange(1.0, 4), np.array(I))
    numpy.testing.assert_allclose(got, jnp.arange(1.0, 4).at[I].apply(jnp.sin), rtol=1e-6)
    twice = xform.grad(lambda x: x.at[np.array(I)].apply(np.sin).sum())(np.arange(1.0, 4))
    numpy.testing.assert_allclose(twice, jax.grad(lambda x: (jnp.sin(jnp.sin(x)).sum() - jnp.sin(jnp.sin(x[1])) + jnp.sin(x[1])))(
        jnp.arange(1.0, 4)), rtol=1e-5)
