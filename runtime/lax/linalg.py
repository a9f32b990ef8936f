"""Linear algebra under lax's names: the factorizations of matrices (..., m, n) as numpy.linalg computes them."""
from __future__ import annotations

import enum

from runtime import numpy as np
from runtime.ops.banded import tridiagonal_form, tridiagonal_system
from runtime.ops.fact import fact
from runtime.ops.kernel import about_types
from runtime.ops.linalg import packed_lu, solve_triangular
from runtime.ops.schur import hessenberg_form, householder_product, lu_pivots_to_permutation, schur_form
from runtime.ops.spectrum import phased, spectrum, two_sided_eigen

__all__ = ["EigImplementation", "EighImplementation", "SvdAlgorithm", "cholesky", "cholesky_update", "eig", "eigh", "hessenberg",
           "householder_product", "lu", "lu_pivots_to_permutation", "ormqr", "qdwh", "qr", "schur", "svd", "symmetric_product",
           "triangular_solve", "tridiagonal", "tridiagonal_solve"]


class EigImplementation(enum.Enum):
    """Names of libraries for eig; accepted, LAPACK is what runs."""
    CUSOLVER = "cusolver"
    MAGMA = "magma"
    LAPACK = "lapack"


class EighImplementation(enum.Enum):
    """Names of algorithms for eigh; accepted, LAPACK's is what runs."""
    QR = "qr"
    JACOBI = "jacobi"
    QDWH = "qdwh"


class SvdAlgorithm(enum.Enum):
    """Names of algorithms for svd; accepted, divide and conquer is what runs."""
    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


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


def cholesky_update(r_matrix, w_vector):
    """Return the upper triangular R' with R'^T R' = R^T R + w w^T, by one rotation a row. ValueError for other shapes."""
    check_update(r_matrix, w_vector)
    r = np.asarray(r_matrix)
    w = np.asarray(w_vector)
    for k in range(np.shape(r_matrix)[0]):
        above, beside = r[k, k], w[k]
        still = beside == 0
        length = np.sqrt(np.where(still, 1, above * above + beside * beside))
        cosine, sine = np.where(still, 1, above / length), np.where(still, 0, beside / length)
        row = cosine * r[k] + sine * w
        w = cosine * w - sine * r[k]
        r = r.at[k].set(row)
    return r


@about_types
def check_update(r_matrix, w_vector):
    """Raise ValueError unless a matrix is square and a vector has its size."""
    r, w = np.shape(r_matrix), np.shape(w_vector)
    if len(r) != 2 or r[0] != r[1] or w != r[:1]:
        raise ValueError(f"cholesky_update needs a square matrix and a vector of its size, got shapes {r} and {w}")
    return True


def eig(x, *, compute_left_eigenvectors=True, compute_right_eigenvectors=True, enable_eigvec_derivs=False, implementation=None,
        use_magma=None):
    """Return [eigenvalues, left eigenvectors, right eigenvectors] of square matrices (..., n, n), without those not asked for.

    Eigenvectors are columns of length 1. Eigenvalues are differentiable where they are simple. Eigenvectors are with
    ``enable_eigvec_derivs``, as vectors whose largest element is real; without it their derivative is refused.
    """
    if not compute_left_eigenvectors and not compute_right_eigenvectors:
        return [spectrum(x)]
    w, left, right = two_sided_eigen(x)
    left, right = phased(left, enable_eigvec_derivs), phased(right, enable_eigvec_derivs)
    if not compute_right_eigenvectors:
        return [w, left]
    return [w, left, right] if compute_left_eigenvectors else [w, right]


def hessenberg(a):
    """Return (the Hessenberg form, with reflections below it, their scales (..., n - 1)) of square matrices."""
    packed, taus = hessenberg_form(a)
    return packed, taus


@about_types
def unsorted(sort_eig_vals):
    """Raise NotImplementedError for a chosen order of eigenvalues."""
    if sort_eig_vals:
        raise NotImplementedError("schur: sort_eig_vals=True is not available: the sort feature of LAPACK's gees is not used")
    return True


def schur(x, *, compute_schur_vectors=True, sort_eig_vals=False, select_callable=None):
    """Return [T, Z] with x = Z T Z^H, T triangular (with 2 x 2 blocks for real matrices), or [T]."""
    unsorted(sort_eig_vals)
    form, vectors = schur_form(x)
    return [form, vectors] if compute_schur_vectors else [form]


@about_types
def check_reflections(a, taus, c, left):
    """Raise ValueError where the matrix that reflections are applied to does not have their size."""
    rows, size = np.shape(a)[-2], np.shape(c)[-2 if left else -1]
    if rows != size:
        raise ValueError(f"ormqr with left={left} expects c to have the same number of {'rows as' if left else 'columns as'} the "
                         f"Householder matrix a {'' if left else 'has rows'}. Got a shape {np.shape(a)} and c shape {np.shape(c)}.")
    if np.shape(taus)[-1] > min(np.shape(a)[-2:]):
        raise ValueError(f"ormqr: {np.shape(taus)[-1]} scales for reflections stored in a matrix of shape {np.shape(a)}")
    return True


def ormqr(a, taus, c, *, left=True, transpose=False):
    """Return Q c (``left``) or c Q, or with ``transpose`` those of Q^H, for Q = H_1 ... H_k of the reflections stored in a.

    a: (..., m, n) as ``geqrf`` leaves it, taus: (..., k); Q, which is (m, m), is not formed.
    """
    check_reflections(a, taus, c, left)
    k = np.shape(taus)[-1]
    vectors = np.tril(a[..., :, :k], -1) + np.eye(np.shape(a)[-2], k, dtype=a.dtype)
    scales = np.conjugate(taus) if transpose else taus
    for i in range(k):
        # H_1 ... H_k c begins with H_k, c H_1 ... H_k with H_1
        j = k - 1 - i if left != transpose else i
        v, scale = vectors[..., :, j:j + 1], np.expand_dims(scales[..., j:j + 1], -1)
        vh = np.conjugate(np.matrix_transpose(v))
        if left:
            c = c - scale * (v @ (vh @ c))
        else:
            c = c - scale * ((c @ v) @ vh)
    return c


@about_types
def check_polar(x, is_hermitian, dynamic_shape):
    """Raise ValueError and NotImplementedError for matrices and options that qdwh does not take."""
    shape = np.shape(x)
    if len(shape) != 2:
        raise ValueError(f"qdwh: needs one matrix, got shape {shape}; use vmap for a stack")
    if shape[0] < shape[1]:
        raise ValueError(f"The input matrix of shape M x N must have M >= N, got {shape}; pass its transpose")
    if is_hermitian and shape[0] != shape[1]:
        raise ValueError(f"qdwh: is_hermitian=True needs a square matrix, got shape {shape}")
    if dynamic_shape is not None:
        raise NotImplementedError("qdwh: dynamic_shape is not available; pass the matrix without its padding")
    return True


def qdwh(x, *, is_hermitian=False, max_iterations=None, eps=None, dynamic_shape=None):
    """Return (u, h, iterations, whether they converged): x = u h, with orthonormal columns in u and h positive semidefinite.

    By the QR-based dynamically weighted Halley iteration (Nakatsukasa, Bai and Gygi 2010). x: (m, n) with m >= n.
    max_iterations: 10 by default. eps: the precision; that of the dtype by default.
    """
    check_polar(x, is_hermitian, dynamic_shape)
    precision = np.finfo(x.dtype).eps if eps is None else eps
    limit = 10 if max_iterations is None else max_iterations
    n = np.shape(x)[1]
    size = np.sqrt(np.linalg.norm(x, 1) * np.linalg.norm(x, np.inf))
    u = x / np.where(size == 0, 1, size)
    # a lower bound of the smallest singular value: too small a one costs a step or two
    smallest = np.asarray(precision, np.real(u).dtype)
    count = np.asarray(0)
    going = np.asarray(True)
    while np.logical_and(going, count < limit):
        square = smallest * smallest
        root = np.cbrt(4 * (1 / square - 1) / square)
        a = np.sqrt(1 + root) + 0.5 * np.sqrt(8 - 4 * root + 8 * (2 / square - 1) / np.sqrt(1 + root))
        b = (a - 1) * (a - 1) / 4
        c = a + b - 1
        q = np.linalg.qr(np.concatenate([np.sqrt(c) * u, np.eye(n, dtype=x.dtype)]))[0]
        top, bottom = q[:np.shape(x)[0]], q[np.shape(x)[0]:]
        found = (b / c) * u + ((a - b / c) / np.sqrt(c)) * (top @ np.conjugate(np.matrix_transpose(bottom)))
        moved = np.linalg.norm(found - u)
        u = found
        smallest = np.minimum(smallest * (a + b * square) / (1 + c * square), 1)
        going = np.logical_or(moved > np.cbrt(5 * precision), np.abs(1 - smallest) > 5 * precision)
        count = count + 1
    h = np.conjugate(np.matrix_transpose(u)) @ x
    return u, 0.5 * (h + np.conjugate(np.matrix_transpose(h))), count, np.logical_not(going)


def tridiagonal(a, *, lower=True):
    """Return (reflections, diagonal, diagonal beside it, scales) of the tridiagonal form of Hermitian matrices (..., n, n)."""
    packed, d, e, taus = tridiagonal_form(a, lower)
    return packed, d, e, taus


@about_types
def unperturbed(perturb_singular):
    """Raise NotImplementedError for perturb_singular, as JAX does on CPU."""
    if perturb_singular:
        raise NotImplementedError("tridiagonal_solve: perturb_singular=True is not available on CPU; add a small diagonal yourself")
    return True


def tridiagonal_solve(dl, d, du, b, *, perturb_singular=False):
    """Return x (..., n, k) with the tridiagonal matrix times x equal to b.

    dl, d, du: (..., n): the diagonals below, on and above the main one; the first of dl and the last of du are not read.
    """
    unperturbed(perturb_singular)
    return tridiagonal_system(dl, d, du, b)
