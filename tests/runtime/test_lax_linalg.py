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
def test_values_and_gradients(call, request):
    numpy.testing.assert_allclose(call(linalg, S), call(THERE, S), rtol=1e-3, atol=1e-4)
    ours = xform.grad(lambda s: (call(linalg, s) ** 2).sum())(S)
    theirs = numpy.asarray(jax.grad(lambda s: (call(THERE, s) ** 2).sum())(S))
    if "[<lambda>0]" in request.node.name or "[<lambda>1]" in request.node.name:     # jax 0.10 and 0.11 differ in the two halves
        ours, theirs = ours + ours.mT, theirs + theirs.transpose(0, 2, 1)
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


Z = (A[0] + 1j * A[1]).astype("complex64")
RIGHT = _rng.normal(size=(4, 2)).astype("f")
DIAGONALS = tuple(_rng.normal(size=(3, 4)).astype("f") + numpy.array([[0], [5], [0]], "f"))


def alike(ours, theirs, tolerance=2e-4):
    for a, b in zip(xform.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = max(1.0, float(numpy.abs(numpy.asarray(b)).max(initial=0)))
        numpy.testing.assert_allclose(numpy.asarray(a), numpy.asarray(b), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("call", [
    lambda l: l.eig(A), lambda l: l.eig(Z), lambda l: l.eig(A, compute_left_eigenvectors=False), lambda l: l.eig(
        Z, compute_left_eigenvectors=False, compute_right_eigenvectors=False), lambda l: l.eig(A, compute_right_eigenvectors=False),
    lambda l: l.hessenberg(A), lambda l: l.schur(Z), lambda l: l.schur(A[0], compute_schur_vectors=False), lambda l: l.qdwh(A[0]),
    lambda l: l.qdwh(Z[:, :3]), lambda l: l.qdwh(S[0], is_hermitian=True), lambda l: l.tridiagonal(S), lambda l: l.tridiagonal(
        Z + Z.conj().T), lambda l: l.tridiagonal(S, lower=False), lambda l: l.householder_product(A[..., :3], A[:, 0, :3]),
    lambda l: l.lu_pivots_to_permutation(numpy.array([2, 3, 2, 3], "i4"), 5), lambda l: l.tridiagonal_solve(*DIAGONALS, RIGHT),
    lambda l: l.cholesky_update(numpy.linalg.cholesky(S[0]).T, A[0, 0]), lambda l: [l.ormqr(
        Z[:, :3], Z[0, :3], Z, left=left, transpose=turn) for left in (True, False) for turn in (True, False)],
    lambda l: l.ormqr(A[..., :2], A[:, 0, :2], A[..., :3], transpose=True)])
def test_decompositions(call):
    alike(call(linalg), call(THERE))


@pytest.mark.parametrize("x", [A[0], A[0, :3], A[0, :, :3], A], ids=["square", "wide", "tall", "stack"])
def test_derivatives_of_lu(x):
    def answers(lib):
        def loss(m):
            return (lib.lax.linalg.lu(m)[0] ** 3).sum()
        return [lib.grad(loss)(x), lib.jvp(lambda m: lib.lax.linalg.lu(m)[0], (x,), (x * x,)), lib.grad(
            lambda m: (lib.grad(loss)(m) ** 2).sum())(x), lib.vmap(lib.grad(loss))(numpy.stack([x, 2 * x])), lib.jit(lib.grad(loss))(x)]
    alike(answers(xform), answers(jax), 2e-3)


def test_derivative_of_complex_lu():
    alike(xform.jvp(lambda m: linalg.lu(m)[0], (Z,), (Z * Z,)), jax.jvp(lambda m: THERE.lu(m)[0], (Z,), (Z * Z,)), 2e-3)


def test_derivatives_of_tridiagonal_systems():
    def answers(lib):
        solve = lib.lax.linalg.tridiagonal_solve

        def loss(below, on, above, b):
            return (solve(below, on, above, b) ** 2).sum()
        args = (*DIAGONALS, RIGHT)
        return [lib.grad(loss, (0, 1, 2, 3))(*args), lib.jvp(solve, args, (*DIAGONALS[::-1], RIGHT ** 2)),
                lib.vmap(solve, (None, 0, None, 0))(DIAGONALS[0], numpy.stack([DIAGONALS[1], 2 * DIAGONALS[1]]), DIAGONALS[2], numpy.stack(
                    [RIGHT, -RIGHT])), lib.grad(lambda d: (lib.grad(loss, 1)(DIAGONALS[0], d, *args[2:]) ** 2).sum())(DIAGONALS[1])]
    alike(answers(xform), answers(jax), 1e-3)


def test_derivatives_of_eigenvalues_and_vectors():
    def answers(lib):
        def values(m):
            return lib.numpy.linalg.eigvals(m)

        def size(m):
            return (lib.numpy.abs(values(m)) ** 3).sum()

        def vectors(m):
            return lib.lax.linalg.eig(m, enable_eigvec_derivs=True)

        def weighed(m):
            return sum((lib.numpy.real(part * part * (1 + 2j))).sum() for part in vectors(m))
        return [lib.grad(size)(A[0]), lib.grad(lambda m: size(m).sum())(A), lib.jvp(values, (A[0],), (S[0],)), lib.jvp(
            vectors, (A[0],), (0.1 * S[0],)), lib.grad(weighed)(A[0]), lib.vmap(lib.grad(weighed))(A), lib.jvp(vectors, (Z,), (0.1 * Z * Z,))]
    alike(answers(xform), answers(jax), 2e-3)
    with pytest.raises(NotImplementedError, match="enable_eigvec_derivs"):
        xform.grad(lambda m: abs(linalg.eig(m)[1]).sum())(A[0])
    with pytest.raises(NotImplementedError, match="enable_eigvec_derivs"):
        jax.grad(lambda m: abs(THERE.eig(m)[1]).sum())(A[0])


def test_update_of_a_cholesky_factor_is_differentiable():
    r, w = numpy.linalg.cholesky(S[0]).T, A[0, 0]

    def whole(r, w):
        return xform.numpy.sum(xform.numpy.cos(linalg.cholesky_update(r, w)))

    def by_factor(r, w):
        return xform.numpy.sum(xform.numpy.cos(linalg.cholesky(r.T @ r + xform.numpy.outer(w, w)).T))
    alike(xform.grad(whole, 1)(r, w), xform.grad(by_factor, 1)(r, w), 2e-3)
    alike(xform.jit(linalg.cholesky_update)(r, 0 * w), r)


def test_what_decompositions_refuse():
    with pytest.raises(NotImplementedError, match="sort"):
        linalg.schur(A, sort_eig_vals=True)
    for library in (linalg, THERE):
        with pytest.raises(ValueError, match="ormqr with left=True expects c to have the same number of rows"):
            library.ormqr(A[0, :, :2], A[0, 0, :2], A[0, :3])
    with pytest.raises(ValueError, match=r"same shape \(\.\.\., n\)"):
        linalg.tridiagonal_solve(*DIAGONALS, RIGHT[:3])
    with pytest.raises(ValueError, match="square matrix and a vector"):
        linalg.cholesky_update(A[0], A[0])
    with pytest.raises(ValueError, match="M >= N"):
        linalg.qdwh(A[0, :3])
    with pytest.raises(NotImplementedError, match="perturb_singular"):
        linalg.tridiagonal_solve(*DIAGONALS, RIGHT, perturb_singular=True)
    assert numpy.isnan(numpy.asarray(linalg.tridiagonal_solve(*[0 * d for d in DIAGONALS], RIGHT))).all()
    assert linalg.SvdAlgorithm.QR.value == "QR" and linalg.EighImplementation("qr") and linalg.EigImplementation("lapack")
