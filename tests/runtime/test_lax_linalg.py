"""xform.lax.linalg agrees with jax's, and what is not available is refused by name."""
import jax
import numpy
import pytest

import xform
from runtime import lax
from runtime.lax import linalg

_rng = numpy.random.default_rng(2)
A = (_rng.normal(size=(2, 4, 4)) + 3 * numpy.eye(4)).astype("f")
S = (A @ A.transpose(0, 2, 1)).astype("f")
B, C = _rng.normal(size=(2, 4, 3)).astype("f"), _rng.normal(size=(2, 3, 4)).astype("f")
THERE = jax.lax.linalg


@pytest.mark.parametrize("call", [
    lambda l, s: l.cholesky(s), lambda l, s: l.cholesky(s, symmetrize_input=False), lambda l, s: l.eigh(s)[1],
    lambda l, s: l.svd(s, compute_uv=False), lambda l, s: abs(l.qr(s, full_matrices=False)[1]), lambda l, s: abs(l.svd(s)[0]),
    lambda l, s: l.triangular_solve(s, B, left_side=True, lower=True), lambda l, s: l.triangular_solve(s, C),
    lambda l, s: l.triangular_solve(s, C, lower=True, transpose_a=True)])
def test_values_and_gradients(call):
    numpy.testing.assert_allclose(call(linalg, S), call(THERE, S), rtol=1e-3, atol=1e-4)
    ours = xform.grad(lambda s: (call(linalg, s) ** 2).sum())(S)
    theirs = numpy.asarray(jax.grad(lambda s: (call(THERE, s) ** 2).sum())(S))
    numpy.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-3 * numpy.abs(theirs).max())
    numpy.testing.assert_allclose(xform.vmap(lambda s: linalg.cholesky(s))(S), THERE.cholesky(S), rtol=1e-3, atol=1e-4)


def test_lu():
    for ours, theirs in zip(linalg.lu(A), THERE.lu(A)):
        assert ours.dtype == theirs.dtype
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_symmetric_product():
    numpy.testing.assert_allclose(linalg.symmetric_product(B, S, alpha=0.5, beta=2.0), THERE.symmetric_product(B, S, alpha=0.5, beta=2.0),
                                  rtol=1e-4, atol=1e-4)


def test_refusals():
    with pytest.raises(NotImplementedError, match="pivoting"):
        linalg.qr(A, pivoting=True)
    with pytest.raises(NotImplementedError, match="subset_by_index"):
        linalg.eigh(S, subset_by_index=(0, 1))
    assert lax.linalg is linalg
