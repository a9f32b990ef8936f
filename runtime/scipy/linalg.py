"""Linear algebra under SciPy's names: plain Python over the factorisations' ops."""
from runtime.numpy import linalg as _linalg
from runtime.ops.fact import fact as _fact
from runtime.ops.linalg import packed_lu as _packed_lu
from runtime.ops.linalg import solve_triangular as _solve_triangular
from runtime.scipy.decompositions import (eigh_tridiagonal, expm_frechet, funm, hessenberg, lu_solve, polar, qr_multiply, rsf2csf,
                                          schur, solve_sylvester, sqrtm)
from runtime.scipy.decompositions import pivoted_qr as _pivoted_qr
from runtime.scipy.matrices import (circulant, companion, convolution_matrix, dft, fiedler, fiedler_companion, hadamard, hankel,
                                    helmert, hilbert, invhilbert, invpascal, leslie, pascal, toeplitz)


def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """Return the upper (or lower) triangular factor of positive definite matrices; NaN for others."""
    from runtime import numpy as np
    if lower:
        return _linalg.cholesky_factor(a)
    return np.conjugate(np.matrix_transpose(_linalg.cholesky_factor(np.conjugate(np.matrix_transpose(a)))))


def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """Return (factor, lower) for ``cho_solve``."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """Return x with a x = b, for the factorisation (factor, lower) of a."""
    from runtime import numpy as np
    factor, lower = c_and_lower
    if lower:
        return solve_triangular(np.conjugate(factor), solve_triangular(factor, b, lower=True), trans=1, lower=True)
    return solve_triangular(factor, solve_triangular(np.conjugate(factor), b, trans=1, lower=False), lower=False)


@_fact
def transposition(trans):
    """Return whether a triangular system is transposed, and conjugated; ValueError for an unknown ``trans``."""
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"Invalid 'trans' value {trans}; use 0, 1, 2, 'N', 'T' or 'C'")
    return trans not in (0, "N"), trans in (2, "C")


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, debug=None, check_finite=True):
    """Return x with a x = b for triangular matrices; ``trans``: 0, or 1 for a^T x = b, or 2 for a^H x = b."""
    from runtime import numpy as np
    turned, conjugated = transposition(trans)
    if conjugated:
        a = np.conjugate(a)
    if _linalg.is_vector(b):
        return np.squeeze(_solve_triangular(a, np.expand_dims(b, -1), lower, turned, unit_diagonal), -1)
    return _solve_triangular(a, b, lower, turned, unit_diagonal)


def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, debug=False, check_finite=True, assume_a="gen"):
    """Return x with a x = b; whatever ``assume_a`` says, by elimination with pivots."""
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError("Expected assume_a to be one of ['gen', 'sym', 'her', 'pos']")
    return _linalg.solve(a, b)


def inv(a, overwrite_a=False, check_finite=True):
    """Return the inverse of square matrices."""
    return _linalg.inv(a)


def det(a, overwrite_a=False, check_finite=True):
    """Return the determinant of square matrices."""
    return _linalg.det(a)


def eigh(a, b=None, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False, turbo=True, eigvals=None, type=1,
         check_finite=True):
    """Return the eigenvalues of Hermitian matrices in ascending order and, unless ``eigvals_only``, the eigenvectors."""
    if b is not None:
        raise NotImplementedError("eigh: only the b=None case is implemented")
    found = _linalg.eigh(a)
    return found[0] if eigvals_only else (found[0], found[1])


def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True, lapack_driver="gesdd"):
    """Return (u, s, vh), or s alone without ``compute_uv``."""
    return _linalg.svd(a, full_matrices, compute_uv)


def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    """Return (q, r); ``mode``: "full", "economic", or "r" for (r,); with ``pivoting``, the order of the columns too."""
    if mode not in ("full", "economic", "r"):
        raise ValueError(f"qr: mode must be 'full', 'economic' or 'r', got {mode!r}")
    if pivoting:
        q, r, order = _pivoted_qr(a, "reduced" if mode == "economic" else "complete")
        return (r, order) if mode == "r" else (q, r, order)
    if mode == "r":
        return (_linalg.qr(a, "r"),)
    found = _linalg.qr(a, "complete" if mode == "full" else "reduced")
    return found[0], found[1]


def lu_factor(a, overwrite_a=False, check_finite=True):
    """Return (L and U in one matrix, pivot rows) for ``lu_solve``; not differentiable."""
    found = _packed_lu(a)
    return found[0], found[1]


def lu(a, permute_l=False, overwrite_a=False, check_finite=True):
    """Return (p, l, u) with a = p l u, or (p l, u); not differentiable."""
    from runtime import numpy as np
    factors, _, order = _packed_lu(a)
    k = min(a.shape[-2], a.shape[-1])
    low = np.tril(factors, -1)[..., :k] + np.eye(a.shape[-2], k, dtype=factors.dtype)
    high = np.triu(factors)[..., :k, :]
    p = np.astype(np.expand_dims(np.arange(a.shape[-2]), -1) == np.expand_dims(order, -2), low.dtype)
    return (p @ low, high) if permute_l else (p, low, high)


def expm(A, *, upper_triangular=False, max_squarings=16):
    """Return the exponential of square matrices: a rational approximation of a scaled matrix, squared again.

    NaN where more than ``max_squarings`` squarings would be needed.
    """
    from runtime import numpy as np
    size = np.max(np.sum(np.abs(A), axis=-2), axis=-1)
    turns = np.maximum(0.0, np.ceil(np.log2(np.maximum(size, 1e-30) / 3.9)))
    A = A / np.expand_dims(2.0 ** np.minimum(turns, max_squarings), (-2, -1))
    eye = np.eye(A.shape[-1], dtype=A.dtype)
    # the diagonal Pade approximation of order 7: an odd and an even polynomial
    A2 = A @ A
    A4 = A2 @ A2
    A6 = A4 @ A2
    odd = A @ (A6 + 1512.0 * A4 + 277200.0 * A2 + 8648640.0 * eye)
    even = 56.0 * A6 + 25200.0 * A4 + 1995840.0 * A2 + 17297280.0 * eye
    power = _linalg.solve_system(even - odd, even + odd)
    for i in range(max_squarings):
        power = np.where(np.expand_dims(i < turns, (-2, -1)), power @ power, power)
    return np.where(np.expand_dims(turns > max_squarings, (-2, -1)), np.nan, power)


def block_diag(*arrs):
    """Return the matrix with the given matrices along its diagonal."""
    from runtime import numpy as np
    rows = []
    width = sum([np.atleast_2d(a).shape[-1] for a in arrs])
    start = 0
    for a in arrs:
        a = np.atleast_2d(a)
        rows.append(np.pad(a, ((0, 0), (start, width - start - a.shape[-1]))))
        start = start + a.shape[-1]
    return np.concatenate(rows, 0)
