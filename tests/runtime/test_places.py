"""Indices outside an array: every mode of ``x.at[...]`` and of take_along_axis, read, written, differentiated and batched."""
import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform.errors import TransformError

X = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
K = np.array([[-1, 7], [0, -5]])
MODES = [None, "drop", "fill", "clip"]


def _same(ours, theirs):
    for one, other in zip(xform.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-6)


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_updates(mode, wrap):
    options = {"mode": mode, "wrap_negative_indices": wrap}
    for index in (-1, 5, -9, K, (0, K), (slice(None), -2), (Ellipsis, np.array([-1, 3])), (None, K[0])):
        for how in ("set", "add", "multiply", "min"):
            f = lambda x, v: getattr(x.at[index], how)(v, **options)  # noqa: E731
            _same(f(jnp.asarray(X), 2.5), f(jax.numpy.asarray(X), 2.5))
    over = lambda x, v: (x.at[0, K].add(v, mode=mode, wrap_negative_indices=wrap) ** 2).sum()  # noqa: E731
    _same(xform.grad(over, (0, 1))(X, 2.0), jax.grad(over, (0, 1))(jax.numpy.asarray(X), 2.0))
    each = lambda x, k: x.at[k].set(x[0], mode=mode, wrap_negative_indices=wrap)  # noqa: E731
    _same(xform.vmap(each)(X, K), jax.vmap(each)(jax.numpy.asarray(X), jax.numpy.asarray(K)))
    _same(xform.jit(each)(X[0], K[0]), jax.jit(each)(X[0], K[0]))


@pytest.mark.parametrize("wrap", [True, False])
@pytest.mark.parametrize("mode", ["fill", "clip"])
def test_reads(mode, wrap):
    get = lambda x, k: x.at[k].get(mode=mode, wrap_negative_indices=wrap, fill_value=7.0)  # noqa: E731
    along = lambda x, k: jnp.take_along_axis(x, k, -1, mode, 7.0, wrap_negative_indices=wrap)  # noqa: E731
    jax_along = lambda x, k: jax.numpy.take_along_axis(x, k, -1, mode, 7.0, wrap_negative_indices=wrap)  # noqa: E731
    x, k = jax.numpy.asarray(X), jax.numpy.asarray(K)
    for f, g in ((get, get), (along, jax_along)):
        _same(f(jnp.asarray(X), jnp.asarray(K)), g(x, k))
        _same(xform.vmap(f)(X, K), jax.vmap(g)(x, k))
        squares = lambda x: (f(x, jnp.asarray(K)) ** 2).sum()  # noqa: E731
        _same(xform.grad(squares)(X), jax.grad(lambda x: (g(x, k) ** 2).sum())(x))
        each = lambda x: (xform.vmap(f)(x, jnp.asarray(K)) ** 2).sum()  # noqa: E731
        _same(xform.grad(each)(X), jax.grad(lambda x: (jax.vmap(g)(x, k) ** 2).sum())(x))
        _same(xform.jvp(lambda x: f(x, jnp.asarray(K)), (X,), (2 * X,)), jax.jvp(lambda x: g(x, k), (x,), (2 * x,)))


def test_unknown_modes_and_keywords_are_refused():
    with pytest.raises(ValueError, match="mode"):
        jnp.asarray(X).at[0].set(1.0, mode="nearest")
    with pytest.raises(ValueError, match="wrap"):
        jnp.take_along_axis(jnp.asarray(X), jnp.asarray(K), 1, mode="wrap")
    with pytest.raises(TransformError, match="unexpected keyword argument 'axes'"):
        xform.vmap(lambda x: jnp.sum(x, axes=0))(X)


def test_taking_nothing_and_by_truths():
    assert jnp.take(jnp.zeros((0, 3)), jnp.zeros((0,), int), axis=0).shape == (0, 3)
    assert float(jnp.take(jnp.asarray(X), True)) == 2.0
    with pytest.raises(IndexError, match="empty"):
        jnp.take(jnp.zeros((0, 3)), jnp.array([0]), axis=0)
