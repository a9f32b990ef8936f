"""Indexing and indexed updates against NumPy, with the batch axis in front too, and what is refused."""
import numpy
import pytest

import runtime as rt
import runtime.numpy as np
import xform
from runtime.ops import gather, update

_rng = numpy.random.default_rng(0)
X = _rng.normal(size=(4, 5, 6)).astype("float32")
I, J = numpy.array([0, 2, 3]), numpy.array([[1], [3]])
MASK = X[:, 0, 0] > 0
INDICES = [
    0, -1, (1, 2), (slice(1, 3),), (Ellipsis, 2), (None, 1, None), (slice(None, None, 2), slice(None, None, -1)),
    (slice(None), I), (I,), (I, slice(None), I), (0, slice(None), I), (slice(None), 0, I), (slice(1, 3), J, I), (J, I),
    (I, None, slice(1, 4)), (None, I, slice(1, 4)), MASK, (MASK, slice(None), 0), X > 0, (slice(4, 1, -1), 2),
    (slice(3, 0, -2), I), (I, I, I), (slice(0, 0),), (slice(None), slice(1, 3), I), numpy.int32(2), (), ([0, 2], [1, 4]), (slice(None), [0, -1]),
    ([True, False, True, True], 1), ([[0], [1]], slice(None), I), (Ellipsis, []), ([0, 1], slice(None), (1, 2)), ([[True, False, False, True, True]] * 4, 3)]


@pytest.mark.parametrize("index", INDICES, ids=[repr(i).replace("\n", "")[:60] for i in INDICES])
def test_reading_and_updating(index):
    x = np.asarray(X)
    expected = X[index]
    numpy.testing.assert_array_equal(numpy.asarray(x[index]), expected)
    value = _rng.normal(size=expected.shape).astype("float32")
    changed = X.copy()
    changed[index] = value
    numpy.testing.assert_allclose(numpy.asarray(x.at[index].set(value)), changed)
    changed = X.copy()
    numpy.add.at(changed, index, value)
    numpy.testing.assert_allclose(numpy.asarray(x.at[index].add(value)), changed, rtol=1e-6, atol=1e-6)
    numpy.testing.assert_array_equal(numpy.asarray(x), X)


EXAMPLES = 3
OWN, ONE = _rng.integers(0, 4, (EXAMPLES, 3)), _rng.integers(0, 4, EXAMPLES)
BATCHED = [
    (OWN,), (OWN, slice(None), OWN), (slice(None), OWN, 0), ONE, (slice(1, 3), ONE, OWN), (ONE, slice(1, 3), OWN),
    (slice(None, None, 2), None, ONE)]


@pytest.mark.parametrize("over", [("x", "index"), ("index",)], ids=["both", "index"])
@pytest.mark.parametrize("index", BATCHED, ids=range(len(BATCHED)))
def test_an_index_for_every_example(index, over):
    stack = _rng.normal(size=(EXAMPLES, 4, 5, 6)).astype("float32")

    def of(b):
        items = index if isinstance(index, tuple) else (index,)
        own = tuple(i[b] if isinstance(i, numpy.ndarray) else i for i in items)
        return (stack[b] if "x" in over else stack[0])[own]
    got = update.getitem_batched(np.asarray(stack if "x" in over else stack[0]), index, over)
    numpy.testing.assert_array_equal(numpy.asarray(got), numpy.stack([of(b) for b in range(EXAMPLES)]))


def test_out_of_bounds_follows_jax():
    v = np.arange(3.0)
    assert float(v[7]) == 2.0  # clamped
    numpy.testing.assert_array_equal(numpy.asarray(v.at[7].set(9.0)), [0, 1, 2])  # dropped
    numpy.testing.assert_array_equal(numpy.asarray(np.take(v, np.array([5, -1]))), [numpy.nan, 2])
    numpy.testing.assert_array_equal(numpy.asarray(v.at[np.array([1, 9])].get(mode="fill", fill_value=-1.0)), [1, -1])


def test_a_new_integer_compiles_nothing():
    v = np.arange(100.0)
    v[0], v[-1]
    before = len(gather.window.cache)
    total = sum(float(v[i]) for i in range(100))
    assert total == 4950.0
    assert len(gather.window.cache) == before


@pytest.mark.parametrize("index, error, words", [
    ((0, 0, 0, 0), IndexError, "Too many indices: array is 3-dimensional, but 4 were indexed"),
    ([0, 1], TypeError, "non-tuple sequence"), (1.5, TypeError, "integer or boolean"),
    (numpy.array([0.5]), TypeError, "float"), ((Ellipsis, Ellipsis), IndexError, "single ellipsis"),
    (numpy.array([True, False]), IndexError, "boolean index did not match")])
def test_refused_indices(index, error, words):
    with pytest.raises(error, match=words):
        np.asarray(X)[index]


def test_a_mask_needs_values_under_jit():
    with pytest.raises(rt.ConcretizationError, match="where"):
        rt.jit(lambda x: x[x > 0])(np.asarray(X))
    got = rt.jit(lambda x: x.at[x > 0].set(0.0))(np.asarray(X))
    numpy.testing.assert_array_equal(numpy.asarray(got), numpy.where(X > 0, 0, X))


def test_an_update_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"shape \(4,\) for a part of shape \(5, 6\)"):
        np.asarray(X).at[0].set(np.ones(4))


def test_repeated_indices():
    v = np.zeros(3)
    i = numpy.array([1, 1, 2])
    numpy.testing.assert_array_equal(numpy.asarray(v.at[i].add(1.0)), [0, 2, 1])
    numpy.testing.assert_array_equal(numpy.asarray(np.ones(3).at[i].multiply(3.0)), [1, 9, 3])
    numpy.testing.assert_array_equal(numpy.asarray(v.at[i].max(numpy.array([1.0, 5.0, -1.0], "float32"))), [0, 5, 0])


def test_places_outside_have_jaxs_derivatives():
    import jax
    import jax.numpy as jnp

    import xform
    x = numpy.arange(12, dtype="f").reshape(4, 3)
    places = numpy.array([0, 3, 9, -1, -7])
    weights = numpy.arange(1, 16, dtype="f").reshape(5, 3)
    for mode in ("clip", "fill"):
        def ours(a, k):
            return a.at[k].get(mode=mode, fill_value=2.0)

        def theirs(a, k):
            return a.at[k].get(mode=mode, fill_value=2.0)
        numpy.testing.assert_array_equal(xform.grad(lambda a: (ours(a, places) * weights).sum())(x),
                                         jax.grad(lambda a: (theirs(a, places) * weights).sum())(x))
        many, moved = jnp.stack([x, x[::-1]]), jnp.stack([places, places[::-1]])
        for axes, args in (((0, None), (many, places)), ((0, 0), (many, moved)), ((None, 0), (jnp.asarray(x), moved))):
            numpy.testing.assert_array_equal(xform.vmap(ours, axes)(*map(numpy.asarray, args)), jax.vmap(theirs, axes)(*args))
    numpy.testing.assert_array_equal(xform.grad(lambda a: a[9].sum())(x), jax.grad(lambda a: a[9].sum())(x))
    numpy.testing.assert_array_equal(xform.grad(lambda a: a[..., -9].sum())(x), jax.grad(lambda a: a[..., -9].sum())(x))
    numpy.testing.assert_array_equal(xform.grad(lambda a: a[1:, None, 7].sum())(x), jax.grad(lambda a: a[1:, None, 7].sum())(x))


@pytest.mark.parametrize("read", [
    lambda x, i: x[:, [0, -1]], lambda x, i: x[[0, 2], [1, 1]], lambda x, i: x[[0, 1], :, [1, 2]] if x.ndim == 3 else x[[0, 1], 1:],
    lambda x, i: x[[i, 1], [0, 2]], lambda x, i: x[i, [0, 2]], lambda x, i: x.at[[0, i], [i, 0]].set(x[1, 1]), lambda x, i: x.at[:, [i, i]].add(x[0, 0])])
def test_lists_beside_other_indices(read):
    import jax

    import xform
    x = numpy.arange(12, dtype="f").reshape(3, 4)
    many, places = numpy.stack([x, x + 1]), numpy.array([0, 2])
    found, expected = [(m.jit(read)(x, 1), m.grad(lambda x, i: (read(x, i) ** 2).sum())(x, 1), m.vmap(read)(many, places), m.vmap(m.vmap(
        read, (None, 0)), (0, None))(many, places), m.vmap(m.grad(lambda x, i: (read(x, i) ** 2).sum()), (None, 0))(x, places))
        for m in (xform, jax)]
    for one, other in zip(found, expected, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_a_list_that_differs_between_examples_is_refused():
    import xform

    def read(x, i):
        places = [i, 0]
        return x[:, places]
    assert xform.jit(read)(X[0], 1).shape == (5, 2)
    with pytest.raises(TypeError, match="make it an array"):
        xform.vmap(read, (None, 0))(X[0], I)


EMPTY = [((0,), numpy.zeros(0, int)), ((0, 3), numpy.zeros(0, int)), ((2, 0), (slice(None), numpy.zeros(0, int))), ((0, 3), (numpy.zeros(0, int), 1)),
         ((0, 3), (slice(None), 1)), ((0, 3), (slice(None), I[:2]))]


@pytest.mark.parametrize("shape, index", EMPTY, ids=repr)
@pytest.mark.parametrize("mode", [None, "fill", "clip", "promise_in_bounds"])
def test_indices_of_empty_arrays_that_ask_for_nothing(shape, index, mode):
    x = np.zeros(shape)
    assert x.at[index].get(mode=mode).shape == numpy.zeros(shape)[index].shape
    assert xform.jit(lambda x: x.at[index].get(mode=mode))(x).shape == numpy.zeros(shape)[index].shape
    assert xform.grad(lambda x: x[index].sum())(x).shape == shape


def test_there_may_be_no_examples_to_index():
    x, k = np.zeros((0, 2)), np.zeros(0, int)
    assert xform.vmap(lambda x, k: x[k])(x, k).shape == (0,)
    assert xform.vmap(lambda x, k: x.at[k].set(1.0))(x, k).shape == (0, 2)
    assert np.take_along_axis(np.zeros((0, 3)), np.zeros((2, 3), int), 0).tolist() == np.zeros((2, 3)).tolist()     # as in jax


@pytest.mark.parametrize("index", [0, np.array(0), np.array([0, 1]), (np.array([0]), slice(None))], ids=repr)
def test_elements_of_empty_arrays_are_refused(index):
    for read in (lambda x: x[index], xform.jit(lambda x: x[index])):
        with pytest.raises(IndexError, match=r"out of bounds for axis 0 with size 0"):
            read(np.zeros((0, 3)))
