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
    (lambda np, a, b, size: np.intersect1d(a, b, size=size, return_indices=True), A, B, (1, 2, 5)),
    (lambda np, a, b, size: np.intersect1d(a, b + 1, size=size, fill_value=-2), A, B, (3,)),
    (lambda np, a, b, size: np.setxor1d(a, b, size=size), A, B, (1, 2, 4)),
    (lambda np, a, b, size: np.setxor1d(a, a, size=size), A, B, (2,)),
    (lambda np, a, b, size: np.setdiff1d(a, b, size=size, assume_unique=True), A, B, (2, 5)),
    (lambda np, a, b, size: np.unique(np.stack([a[:3], b, a[:3]]), axis=0, size=size, return_counts=True), A, B, (1, 2, 4)),
    (lambda np, a, b, size: np.unique(np.stack([a, a]), axis=-1, size=size, fill_value=5, return_inverse=True), A, B, (2, 5)),
    (lambda np, a, b, size: np.unique(a[:0], size=size, fill_value=3), A, B, (0, 2)),
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


@pytest.mark.parametrize("f, a, b, sizes", [pytest.param(*case, marks=[pytest.mark.exhaustive] if k % 3 else []) for k, case in enumerate(CASES)])
def test_they_agree_with_jax_for_every_example(f, a, b, sizes):
    rows, others = np.stack([a, a[::-1], a * 0 + 1]), np.stack([b, b, b[::-1]])
    expected = jax.tree_util.tree_leaves(jax.vmap(lambda a, b: f(jax.numpy, a, b, sizes[-1]))(rows, others))
    found = xform.tree_util.tree_leaves(xform.vmap(lambda a, b: f(jnp, a, b, sizes[-1]))(rows, others))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_distinct_elements_have_derivatives_by_the_elements_they_are():
    x = np.array([3.0, 1.0, 3.0, 2.0], np.float32)
    for f in (lambda np, x: np.unique(x, size=3), lambda np, x: np.union1d(x, np.array([5.0]), size=4) ** 2,
              lambda np, x: np.setdiff1d(x, np.array([3.0]), size=4), lambda np, x: np.intersect1d(x, np.array([3.0, 1.0]), size=4)):
        expected = jax.grad(lambda x: f(jax.numpy, x).sum())(x)
        np.testing.assert_array_equal(np.asarray(xform.grad(lambda x: f(jnp, x).sum())(x)), np.asarray(expected))
    np.testing.assert_array_equal(np.asarray(xform.grad(lambda x: jnp.unique(x).sum())(x)), [1, 1, 0, 1])


def test_membership_among_many_elements():
    x, others = np.array([[3.0, 70.5], [-1.0, 12.0]]), np.arange(90.0)[::-1]
    np.testing.assert_array_equal(np.asarray(jnp.isin(x, others)), np.isin(x, others))
    np.testing.assert_array_equal(np.asarray(xform.vmap(lambda x: jnp.isin(x, others, invert=True))(x)), ~np.isin(x, others))


def test_values_between_bounds_are_rounded_like_jax():
    for low, high, count in ((0, 25, 6), (0.1, 7.7, 50), (3, -4, 50), (-1, 1, 11)):
        for options in ({}, {"endpoint": False}, {"dtype": "int32"}, {"dtype": "float16"}):
            np.testing.assert_array_equal(np.asarray(jnp.linspace(low, high, count, **options)),
                                          np.asarray(jax.numpy.linspace(low, high, count, **options)))
    x = np.array([5.0, 10.0, 15.0, 20.0, 25.0], np.float32)
    for weights in (None, np.arange(5)):
        for ours, theirs in zip(jnp.histogram(x, 5, (0, 25), weights), jax.numpy.histogram(x, 5, (0, 25), weights)):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
            assert ours.dtype == theirs.dtype
    with pytest.raises(ValueError, match="non-negative"):
        jnp.linspace(0, 1, -1)


def test_functions_of_coordinates_are_mapped():
    for f in (lambda i, j: i * 10 + j, lambda i, j: (i, i == j)):
        expected = jax.tree_util.tree_leaves(jax.numpy.fromfunction(f, (2, 3)))
        for ours, theirs in zip(xform.tree_util.tree_leaves(jnp.fromfunction(f, (2, 3))), expected, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert jnp.fromfunction(lambda i: jnp.array([i, 2 * i]), (3,), dtype=int).tolist() == [[0, 0], [1, 2], [2, 4]]


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


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 3, 2)])
def test_reflections_of_a_decomposition(shape):
    a = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) ** 1.5
    for ours, theirs in zip(jnp.linalg.qr(a, mode="raw"), jax.numpy.linalg.qr(a, mode="raw"), strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=2e-5, atol=1e-5)
    with pytest.raises(NotImplementedError, match="raw"):
        xform.grad(lambda a: jnp.linalg.qr(a, mode="raw")[0].sum())(a)
