"""Linear algebra under lax's names: the factorizations of matrices (..., m, n) as numpy.linalg computes them."""
from __future__ import annotations

from runtime import numpy as np
from runtime.ops.fact import fact
from runtime.ops.linalg import packed_lu, solve_triangular

__all__ = ["cholesky", "eigh", "lu", "qr", "svd", "symmetric_product", "triangular_solve"]


def cholesky(x, *, symmetrize_input=True):
    """Return the lower triangular factor of positive definite matrices; NaN for others."""
    return np.linalg.cholesky(x, symmetrize_input=symmetrize_input)


@fact
def whole_spectrum(name, subset_by_index, sort_eigenvalues=True):
    """NotImplementedError where only a part of the eigenvalues or singular values is asked for."""
    if subset_by_index is not None:
        raise NotImplementedError(f"{name}: subset_by_index={subset_by_index} is not available; take a slice of the whole result")
    return True


def eigh(x, *, lower=True, symmetrize_input=True, sort_eigenvalues=True, subset_by_index=None, implementation=None):
    """Return (eigenvectors as columns, eigenvalues in ascending order) of symmetric or Hermitian matrices.

    ``lower``: which triangle is read where ``symmetrize_input`` is off. NotImplementedError for ``subset_by_index``.
    """
    whole_spectrum("eigh", subset_by_index)
    found = np.linalg.eigh(x, "L" if lower else "U", symmetrize_input)
    return found[1], found[0]


def svd(x, *, full_matrices=True, compute_uv=True, subset_by_index=None, algorithm=None):
    """Return (u, singular values, v^H), or the singular values alone; NotImplementedError for ``subset_by_index``."""
    whole_spectrum("svd", subset_by_index)
    found = np.linalg.svd(x, full_matrices, compute_uv)
    return (found[0], found[1], found[2]) if compute_uv else found


@fact
def unpivoted(pivoting):
    """NotImplementedError for column pivoting."""
    if pivoting:
        raise NotImplementedError("qr: pivoting=True is not available; use svd to find the rank")
    return True


def qr(x, *, pivoting=False, full_matrices=True, use_magma=None):
    """Return (orthonormal columns, upper triangular matrix); NotImplementedError for ``pivoting``."""
    unpivoted(pivoting)
    found = np.linalg.qr(x, "complete" if full_matrices else "reduced")
    return found[0], found[1]


def lu(x):
    """Return (L below the diagonal and U in one matrix, the rows exchanged at each step, the permutation of the rows)."""
    return packed_lu(x)


def triangular_solve(a, b, *, left_side=False, lower=False, transpose_a=False, conjugate_a=False, unit_diagonal=False):
    """Return x with a x = b (``left_side``) or x a = b, for triangular ``a`` of which one triangle is read.

    a: (..., n, n), b: (..., n, k), or (..., k, n) on the right. ``transpose_a`` and ``conjugate_a`` turn a first.
    """
    a = np.conjugate(a) if conjugate_a else a
    if left_side:
        return solve_triangular(a, b, lower, transpose_a, unit_diagonal)
    found = solve_triangular(a, np.matrix_transpose(b), lower, not transpose_a, unit_diagonal)
    return np.matrix_transpose(found)


def symmetric_product(a_matrix, c_matrix, *, alpha=1.0, beta=0.0, symmetrize_output=False):
    """Return alpha a a^T + beta c, for matrices a (..., n, k) and symmetric c (..., n, n)."""
    return alpha * (a_matrix @ np.matrix_transpose(a_matrix)) + beta * c_matrix
