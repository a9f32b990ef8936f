"""Functions whose results have a length that the caller states, on staged arrays as on concrete ones."""
import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp

A = np.array([3, 4, 1, 3, 1, 9])
B = np.array([4, 9, 9])
F = np.array([2.0, np.nan, 1.0, np.nan, 2.0], np.float32)

CASES = [
    (lambda np, a, b, size: np.unique(a, size=size), A, B, (2, 4, 6)),
    (lambda np, a, b, size: np.unique(a, size=size, fill_value=-1, return_index=True, return_inverse=True, return_counts=True),
     A, B, (4, 6)),
    (lambda np, a, b, size: np.unique(a, size=size), F, B, (2, 4)),
    (lambda np, a, b, size: np.union1d(a, b, size=size, fill_value=0), A, B, (3, 6)),
    (lambda np, a, b, size: np.setdiff1d(a, b, size=size), A, B, (1, 2, 4)),
    (lambda np, a, b, size: np.setdiff1d(a, b, size=size, fill_value=7), A, B, (4,)),
    (lambda np, a, b, size: np.repeat(a[:2], b[:2] - 3, total_repeat_length=size), A, B, (4, 7, 9)),
]


@pytest.mark.parametrize("f, a, b, sizes", CASES)
def test_they_agree_with_jax(f, a, b, sizes):
    for size in sizes:
        expected = jax.tree_util.tree_leaves(f(jax.numpy, jax.numpy.asarray(a), jax.numpy.asarray(b), size))
        staged = xform.jit(lambda a, b: f(jnp, a, b, size))(a, b)
        for found in (f(jnp, jnp.asarray(a), jnp.asarray(b), size), staged):
            for ours, theirs in zip(xform.tree_util.tree_leaves(found), expected, strict=True):
                np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


@pytest.mark.parametrize("old, new", [
    ("int16", "int8"), ("int8", "int16"), ("float32", "complex64"), ("complex64", "float32"), ("int8", "bool"), ("bool", "int8"),
    ("float32", "int32"), ("uint8", "float32"), ("complex64", "int16"), ("float32", "float32")])
def test_views_read_the_same_bytes(old, new):
    host = np.arange(16).reshape(2, 8).astype(old)
    ours, theirs = jnp.asarray(host).view(new), jax.numpy.asarray(host).view(new)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_a_view_that_does_not_fit_is_refused():
    for module in (jnp, jax.numpy):
        with pytest.raises(ValueError):
            module.zeros((2, 3), module.int8).view(module.int16)


def test_keys_belong_to_their_category():
    key = xform.random.key(0)
    assert jnp.issubdtype(key.dtype, xform.dtypes.prng_key) and jnp.issubdtype(key.dtype, xform.dtypes.extended)
    assert not jnp.issubdtype(jnp.float32, xform.dtypes.prng_key) and jnp.issubdtype(jnp.float32, jnp.floating)


def test_the_type_of_an_array_as_a_struct():
    found, theirs = xform.ShapeDtypeStruct.like(jnp.ones((2, 3))), jax.ShapeDtypeStruct.like(jax.numpy.ones((2, 3)))
    assert (found.shape, found.dtype) == (theirs.shape, theirs.dtype)
