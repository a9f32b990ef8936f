"""Calls that the documentation of the array library shows: options, shapes and dtypes that are easily forgotten."""
import inspect

import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform.test_util import check_grads

RNG = np.random.RandomState(0)
V = RNG.randn(7).astype(np.float32)
M = RNG.randn(3, 4).astype(np.float32)
N = np.where(M > 1, np.nan, M)
I = np.array([3, 0, -5, 4])

CASES = {
    "digitize rising": lambda np: np.digitize(np.asarray([1.0, 2.0, 2.5, 3.5]), np.asarray([1.0, 2.0, 3.0])),
    "digitize falling": lambda np: np.digitize(np.asarray([1.0, 2.0, 2.5, 0.5, 3.0]), np.asarray([3.0, 2.0, 1.0])),
    "digitize falling right": lambda np: np.digitize(np.asarray([1.0, 2.0, 2.5, 0.5]), np.asarray([3.0, 2.0, 1.0]), right=True),
    "nearest": lambda np: np.percentile(np.arange(7), np.asarray([25, 50, 75]), method="nearest"),
    "inverted_cdf": lambda np: np.quantile(np.asarray(V), 0.4, method="inverted_cdf"),
    "weights": lambda np: np.quantile(np.asarray(M), np.asarray([0.1, 0.6]), axis=1, weights=np.arange(4.0),
                                      method="inverted_cdf"),
    "weights of all": lambda np: np.quantile(np.asarray(M), 0.3, axis=0, weights=np.abs(np.asarray(M)), method="inverted_cdf",
                                             keepdims=True),
    "nan weights": lambda np: np.nanquantile(np.asarray(N), 0.5, axis=1, weights=np.arange(4.0), method="inverted_cdf"),
    "nan lower": lambda np: np.nanquantile(np.asarray(N), np.asarray([0.1, 0.4]), method="lower"),
    "nan higher": lambda np: np.nanpercentile(np.asarray(N), 40, axis=0, method="higher"),
    "nan quantile": lambda np: np.quantile(np.asarray(N), 0.5, axis=1),
    "polyadd": lambda np: np.polyadd(np.asarray([2, 3]), np.asarray([5, 4, 1])),
    "polyadd rows": lambda np: np.polyadd(np.asarray([[2, 3, 1]]), np.asarray([[5, 7, 3], [8, 2, 6]])),
    "polysub rows": lambda np: np.polysub(np.asarray([[5, 7, 3], [8, 2, 6]]), np.asarray([2])),
    "polymul": lambda np: np.polymul(np.asarray([0, 1, 2]), np.asarray([0, 5, 3]), trim_leading_zeros=True),
    "polyder": lambda np: np.polyder(np.asarray(I), 2),
    "polydiv": lambda np: np.polydiv(np.asarray([5, 7, 9]), np.asarray([4, 1])),
    "poly": lambda np: np.poly(np.asarray([1, 2, 3])),
    "poly of a number": lambda np: np.poly(2),
    "polyfit full": lambda np: np.polyfit(np.arange(7.0), np.asarray(V), 2, full=True),
    "polyfit cov": lambda np: np.polyfit(np.arange(7.0), np.asarray(V), 2, cov=True),
    "polyfit unscaled": lambda np: np.polyfit(np.arange(7.0), np.asarray(V), 1, w=np.arange(1.0, 8.0), cov="unscaled"),
    "convolve": lambda np: np.convolve(np.asarray(I), np.asarray([1, 2])),
    "correlate": lambda np: np.correlate(np.asarray(I), np.asarray([1, 2]), mode="same"),
    "average": lambda np: np.average(np.arange(4), weights=np.arange(4), returned=True),
    "column_stack": lambda np: np.column_stack([1, 2, 3]),
    "fill_diagonal": lambda np: np.fill_diagonal(np.zeros((3, 4)), np.asarray([1.0, 2.0]), inplace=False),
    "pad by function": lambda np: np.pad(np.asarray(M), 2, lambda row, widths, axis, options: row.at[:widths[0]].set(options["low"]),
                                         low=7.0),
    "pad median": lambda np: np.pad(np.asarray(M), ((1, 2), (0, 1)), "median"),
    "pad mean": lambda np: np.pad(np.asarray(I), 2, "mean", stat_length=2),
    "pad maximum": lambda np: np.pad(np.asarray(M), 1, "maximum", stat_length=((1, 2), (2, 1))),
    "insert a slice": lambda np: np.insert(np.arange(5), slice(None, None, 2), -1),
    "trim_zeros": lambda np: np.trim_zeros(np.asarray([0, 1, 0, 2, 0]), "f"),
    "trim_zeros rows": lambda np: np.trim_zeros(np.pad(np.asarray(M), ((1, 0), (2, 1)))),
    "trim_zeros axis": lambda np: np.trim_zeros(np.pad(np.asarray(M), 1), axis=1),
    "block": lambda np: np.block([[[np.ones((2, 2)), np.zeros((2, 1))]], [[np.zeros((2, 3))]]]),
    "block of numbers": lambda np: np.block([[1, 2], [3, 4]]),
    "compress": lambda np: np.compress(np.asarray([True, False, True]), np.asarray(M), axis=0, size=3, fill_value=-1.0),
    "compress method": lambda np: np.asarray(M).compress(np.asarray([True, False, True]), axis=0),
    "extract": lambda np: np.extract(np.asarray(M) > 0, np.asarray(M), size=9, fill_value=0),
    "apply_along_axis": lambda np: np.apply_along_axis(lambda row, k, scale: row[k] * scale, 1, np.asarray(M), 2, scale=3.0),
    "size": lambda np: np.size(np.asarray(M), axis=(0, 1)) + np.size(np.asarray(M), (1,)),
    "range": lambda np: np.array(range(5)) + np.asarray([range(5)]),
    "buffer": lambda np: np.array(memoryview(b"abc")),
    "einsum numbers": lambda np: np.einsum(np.asarray(M), [0, 1], np.asarray(M), [2, 1], [0, 2]),
    "einsum implicit": lambda np: np.einsum(np.asarray(M), (0, 1), np.asarray(V)[:4], (1,)),
    "einsum ellipsis": lambda np: np.einsum(np.asarray(M), [..., 0], [0, ...]),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_jax_gives(name):
    ours, theirs = CASES[name](jnp), CASES[name](jax.numpy)
    ours, theirs = xform.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-4, atol=1e-5)
        assert np.asarray(a).dtype == np.asarray(b).dtype, name


@pytest.mark.parametrize("f", [
    lambda x: jnp.quantile(x, 0.3, axis=1, weights=jnp.arange(4.0), method="inverted_cdf"),
    lambda x: jnp.nanquantile(x, 0.3, axis=1, method="higher"),
    lambda x: jnp.pad(x, 2, "mean", stat_length=2),
    lambda x: jnp.pad(x, 1, "median"),
    lambda x: jnp.polymul(x[0], x[1]),
    lambda x: jnp.polyadd(x[0], x[1, :2]),
    lambda x: jnp.polyfit(jnp.arange(4.0), x[0], 1, cov=True)[0],
    lambda x: jnp.block([[[x, x], [x * x, x]]]),
    lambda x: jnp.compress(jnp.array([True, False, True]), x, axis=0, size=3),
    lambda x: jnp.insert(x, slice(0, 3, 2), x[0, 0], axis=1),
    lambda x: jnp.fill_diagonal(x, x[0, :2], inplace=False),
    lambda x: jnp.apply_along_axis(lambda row, k: row * row[k], 1, x, k=2)])
def test_transformations(f):
    check_grads(f, (jnp.asarray(M),), order=1, modes=["fwd", "rev"], rtol=0.02, atol=0.02)
    np.testing.assert_allclose(xform.jit(f)(M), f(jnp.asarray(M)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(xform.vmap(f)(np.stack([M, M + 1]))[0], f(jnp.asarray(M)), rtol=1e-4, atol=1e-5)


def test_derivatives_of_an_einsum_by_numbers():
    check_grads(lambda x: jnp.einsum(x, [0, 1], x, [2, 1], [0, 2]), (jnp.asarray(M),), order=1, modes=["fwd", "rev"], rtol=0.02,
                atol=0.02)


@pytest.mark.parametrize("call, kind", [
    (lambda np: np.quantile(np.arange(3.0), 0.5, weights=np.arange(3.0)), NotImplementedError),
    (lambda np: np.quantile(np.arange(3.0), 0.5, method="other"), ValueError),
    (lambda np: np.quantile(np.ones((3, 4)), 0.5, axis=0, weights=np.arange(4.0), method="inverted_cdf"), ValueError),
    (lambda np: np.compress(np.asarray([True]), np.arange(3), size=4), ValueError),
    (lambda np: np.fill_diagonal(np.ones((3, 3)), 1, wrap=True, inplace=False), NotImplementedError),
    (lambda np: np.array(b"abc"), TypeError)])
def test_it_refuses_what_jax_refuses(call, kind):
    for module in (jnp, jax.numpy):
        with pytest.raises(kind):
            call(module)


def _refusal(np, name):
    """What a function says to a place to write its result to, given the first arguments of these that suit it."""
    a, i = np.asarray(M), np.asarray(I)
    for args in ((a,), (a, 0.5), (a, a), (i, i), (a, 1), (i, [i, i, i, i]), ("ij->i", a), (i > 1, i), (a, i[:1], 0)):
        try:
            getattr(np, name)(*args)
        except (TypeError, ValueError, AttributeError, IndexError):
            continue
        try:
            getattr(np, name)(*args, out=a)
        except (NotImplementedError, ValueError) as refused:
            return type(refused)
        return "accepted"
    return "no arguments fit"


def test_no_result_is_written_anywhere():
    names = [name for name in dir(jax.numpy) if callable(getattr(jax.numpy, name)) and not isinstance(getattr(jax.numpy, name), type)
             and "out" in inspect.signature(getattr(jax.numpy, name)).parameters]
    assert len(names) > 50
    answers = {name: (_refusal(jnp, name), _refusal(jax.numpy, name)) for name in names if hasattr(jnp, name) and name != "choose"}
    assert {name: both for name, both in answers.items() if both[0] != both[1] or type(both[0]) is str} == {}


@pytest.mark.parametrize("call, error", [
    (lambda np: np.sort(np.asarray(V), kind="stable"), TypeError), (lambda np: np.argsort(np.asarray(V), order="x"), TypeError),
    (lambda np: np.add(1, 2, where=True), NotImplementedError), (lambda np: np.negative(1, out=2), NotImplementedError),
    (lambda np: np.var(np.asarray(V), ddof=1, correction=1), ValueError), (lambda np: np.mean(np.asarray(V), None, None, None, False, True), TypeError),
    (lambda np: np.linalg.slogdet(np.asarray(M), method="svd"), ValueError), (lambda np: np.where(True, x=1, y=2), TypeError),
    (lambda np: np.median(np.asarray(V), overwrite_input=True), ValueError)])
def test_options_that_mean_nothing_are_refused_as_in_jax(call, error):
    for np in (jnp, jax.numpy):
        with pytest.raises(error):
            call(np)
