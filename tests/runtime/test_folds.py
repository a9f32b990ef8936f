"""Reductions, of whole axes and of windows, by functions that are no primitives."""
import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform import lax

X = np.arange(1, 7, dtype=np.float32).reshape(2, 3)


def _same(ours, theirs):
    for one, other in zip(xform.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-6)
        assert one.dtype == other.dtype


def best(np, a, b):
    return np.where(a[0] > b[0], a[0], b[0]), np.where(a[0] > b[0], a[1], b[1])


def test_axes_are_folded():
    places = np.broadcast_to(np.arange(3), X.shape)
    for axes in ((1,), (0, 1), (0,)):
        _same(lax.reduce(jnp.asarray(X), 1.0, lambda a, b: a * b + 1, axes), jax.lax.reduce(X, 1.0, lambda a, b: a * b + 1, axes))
    _same(lax.reduce((jnp.asarray(X), jnp.asarray(places)), (-np.inf, 0), lambda a, b: best(jnp, a, b), (1,)),
          jax.lax.reduce((X, places), (-np.inf, 0), lambda a, b: best(jax.numpy, a, b), (1,)))


def test_a_users_function_is_not_taken_for_the_primitive_of_its_name():
    def add(a, b):
        return a + 2 * b
    _same(lax.reduce(jnp.asarray(X), 0.0, add, (1,)), jax.lax.reduce(X, 0.0, add, (1,)))
    _same(lax.reduce_window(jnp.asarray(X), 0.0, add, (1, 2), (1, 1), "VALID"), jax.lax.reduce_window(X, 0.0, add, (1, 2), (1, 1), "VALID"))


@pytest.mark.parametrize("options", [
    {"padding": "SAME"}, {"padding": "VALID"}, {"padding": [(1, 0), (2, 1)]},
    {"padding": "VALID", "base_dilation": (1, 2), "window_dilation": (1, 2)}, {"padding": "SAME", "strides": (1, 2)}])
def test_windows_are_folded(options):
    options = dict(options)
    strides, padding = options.pop("strides", (1, 1)), options.pop("padding")
    _same(lax.reduce_window(jnp.asarray(X), 0.0, lambda a, b: jnp.sqrt(a * a + b * b), (2, 2), strides, padding, **options),
          jax.lax.reduce_window(X, 0.0, lambda a, b: jax.numpy.sqrt(a * a + b * b), (2, 2), strides, padding, **options))
    _same(lax.reduce_window((jnp.asarray(X), jnp.asarray(2 * X)), (-np.inf, 0.0), lambda a, b: best(jnp, a, b), (1, 2), strides, padding,
                            **options),
          jax.lax.reduce_window((X, 2 * X), (-np.inf, 0.0), lambda a, b: best(jax.numpy, a, b), (1, 2), strides, padding, **options))


def test_folds_are_transformed():
    def folds(x):
        return lax.reduce(x, 1.0, lambda a, b: a * b, (1,)), lax.reduce_window(x, 0.0, lambda a, b: a + b * b, (1, 2), (1, 1), "VALID")
    expected = X.prod(1), X[:, :-1] ** 2 + X[:, 1:] ** 2
    _same(xform.jit(folds)(X), expected)
    _same(xform.vmap(folds)(np.stack([X, X])), [np.stack([e, e]) for e in expected])
    _same(xform.grad(lambda x: folds(x)[0].sum())(X), X.prod(1, keepdims=True) / X)
    _same(xform.grad(lambda x: folds(x)[1].sum())(X), 2 * X * np.array([1, 2, 1], np.float32))


def test_variances_are_not_negative():
    x = np.full((2, 5), 1000.1, np.float32)
    for algorithm in ("fast", "stable"):
        np.testing.assert_allclose(np.asarray(xform.nn.standardize(x, algorithm=algorithm)),
                                   np.asarray(jax.nn.standardize(x, algorithm=algorithm)), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="algorithm"):
        xform.nn.standardize(x, algorithm="quick")


def test_keywords_that_jax_has():
    x = np.array([[3.0, 1.0, 2.0], [0.5, 1.0, 4.0]], np.float32)
    pairs = [(lambda np: np.argsort(x, 1, dtype="uint8")), (lambda np: np.cov(x, dtype="float16")),
             (lambda np: np.corrcoef(x, None, True, "float16")), (lambda np: np.ravel_multi_index((np.array([1]), np.array([0])), (2, 3), dtype="int16")),
             (lambda np: np.linalg.matrix_rank(np.array([[1.0, 2.0], [2.0, 4.0]]), hermitian=True)),
             (lambda np: np.piecewise(x[0], [x[0] < 2], [lambda v, k=2: v * k, 7.0], k=4)), (lambda np: np.trunc(x=x))]
    for f in pairs:
        ours, theirs = f(jnp), f(jax.numpy)
        np.testing.assert_allclose(np.asarray(ours, np.float32), np.asarray(theirs, np.float32), rtol=1e-3)
        assert ours.dtype == theirs.dtype
    assert jnp.fft.fftfreq(4, device=xform.devices()[0]).tolist() == [0.0, 0.25, -0.5, -0.25]
    leaves = xform.tree_util.tree_leaves_with_path({"a": (1, 2), "b": (3, None)}, lambda path, _: len(path) == 1 and path[0].key == "a", True)
    assert [leaf for _, leaf in leaves] == [(1, 2), 3]
    assert float(xform.jit(lambda a: a + 1, compiler_options={"xla_embed_ir_in_executable": True})(1.0)) == 2.0
    with pytest.raises(RuntimeError, match="xla_no_such_option"):
        xform.jit(lambda a: a + 1, compiler_options={"xla_no_such_option": True})(1.0)
