"""Linear algebra under NumPy's names: the factorisations' ops, and plain Python over them."""
import numpy as _numpy

from runtime.ops.constrain import out_sharded as _out_sharded
from runtime.ops.fact import fact as _fact
from runtime.ops.kernel import about_types as _about_types
from runtime.ops.kernel import inexact as _inexact
from runtime.ops.kernel import real_dtype as _real_dtype
from runtime.ops.banded import of_diagonal, times_diagonal, transposed_tridiagonal_system, tridiagonal_system
from runtime.ops.linalg import (EighResult, EigResult, QRResult, SlogdetResult, SVDResult, cholesky_factor, cofactors, det,
                                factor_qr, factor_svd, full_qr, full_svd, general_eigen, imaginary_diagonal, inv, inverse_gaps, moved_cholesky,
                                moved_eigen, moved_lu, moved_pinv, moved_qr, moved_slogdet, moved_svd, moved_triangle, packed_qr, pseudo_inverse,
                                refuse, slogdet, solve_system, solve_triangular, symmetric_eigen, uncholesky, uneigen, unpinv,
                                unlu, unqr, unslogdet, unsvd, untriangle)
from runtime.ops.spectrum import moved_eigenvectors, moved_spectrum, spectrum, uneigenvectors, unspectrum, with_fixed_phase
from runtime.types import aval_of as _aval_of
from runtime.types import kind as _kind

class LinAlgError(ValueError):
    """A problem of linear algebra that has no answer."""


def _adjoint(a):
    from runtime import numpy as np
    return np.conjugate(np.matrix_transpose(a))


def cholesky(a, *, upper=False, symmetrize_input=True):
    """Return the lower (or upper) triangular factor of positive definite matrices; NaN for others."""
    from runtime import numpy as np
    a = np.astype(a, float_dtype(a))
    if symmetrize_input:
        a = 0.5 * (a + _adjoint(a))
    factor = cholesky_factor(a)
    return _adjoint(factor) if upper else factor


@_fact
def is_vector(like):
    """Tell whether the right-hand side of a system is one vector."""
    return len(_numpy.shape(like)) == 1


def solve(a, b):
    """Return x with a x = b; ``b`` is a vector (n,) or matrices (..., n, k). Singular matrices give inf or NaN."""
    from runtime import numpy as np
    if is_vector(b):
        return np.squeeze(solve_system(a, np.expand_dims(b, -1)), -1)
    return solve_system(a, b)


def eigh(a, UPLO=None, symmetrize_input=True):
    """Return (eigenvalues in ascending order, eigenvectors in columns) of Hermitian matrices."""
    if symmetrize_input:
        a = 0.5 * (a + _adjoint(a))
    elif UPLO == "U":
        a = _adjoint(a)
    return symmetric_eigen(a)


def eigvalsh(a, UPLO="L", *, symmetrize_input=True):
    """Return the eigenvalues of Hermitian matrices in ascending order."""
    return eigh(a, UPLO, symmetrize_input)[0]


def eig(a):
    """Return (eigenvalues, eigenvectors in columns) of square matrices, complex; not differentiable."""
    return general_eigen(a)


def eigvals(a):
    """Return the eigenvalues of square matrices, complex; differentiable where they differ from each other."""
    return spectrum(a)


def svd(a, full_matrices=True, compute_uv=True, hermitian=False, subset_by_index=None):
    """Return (u, s, vh) with a = u diag(s) vh, or s alone without ``compute_uv``; s is in descending order.

    Only the thin form (``full_matrices=False``) is differentiable.
    """
    from runtime import numpy as np
    if not compute_uv:
        return factor_svd(a)[1]
    if full_matrices and not square(a):
        return full_svd(a)
    return factor_svd(a)


@_fact
def square(like):
    """Tell whether matrices are square."""
    return like.shape[-1] == like.shape[-2]


def svdvals(x, /):
    """Return the singular values of matrices in descending order."""
    return factor_svd(x)[1]


def qr(a, mode="reduced"):
    """Return (q, r) of matrices; ``mode``: "reduced", "complete" (square q), "r" (r alone), or "raw".

    "raw" gives the transpose of what LAPACK's geqrf leaves, and the scales of the reflections in it. ValueError for other modes.
    """
    if mode == "r":
        return factor_qr(a)[1]
    if mode == "complete" and not square(a):
        return full_qr(a)
    if mode == "raw":
        return packed_qr(a)
    if mode not in ("reduced", "complete", "full"):
        raise ValueError("qr: mode must be 'reduced', 'complete', 'r' or 'raw'")
    return factor_qr(a)


def pinv(a, rtol=None, hermitian=False, *, rcond=None):
    """Return the pseudo-inverse of matrices; singular values up to ``rtol`` times the largest count as zero."""
    return pseudo_inverse(a, rcond if rtol is None else rtol)


def matrix_power(a, n):
    """Return the n-th power of square matrices, n a Python integer; negative powers invert."""
    from runtime import numpy as np
    if n < 0:
        a = inv(a)
        n = -n
    result = None
    while n > 0:
        if n % 2 == 1:
            result = a if result is None else result @ a
        n = n // 2
        if n > 0:
            a = a @ a
    return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape) if result is None else result


def matrix_rank(M, rtol=None, *, hermitian=False, tol=None):
    """Return the number of singular values above ``rtol`` times the largest; with ``hermitian`` they are those of eigh."""
    from runtime import numpy as np
    if M.ndim < 2:
        return np.astype(np.any(M != 0), int)
    s = np.abs(eigvalsh(M)) if hermitian else factor_svd(M)[1]
    rtol = tol if rtol is None else rtol
    if rtol is None:
        rtol = rank_tolerance(M)
    return np.sum(s > rtol * np.max(s, axis=-1, keepdims=True), axis=-1)


@_fact
def rank_tolerance(like):
    """Return the relative size below which a singular value is taken for a rounding error."""
    return max(like.shape[-2:]) * float(_numpy.finfo(_real_dtype(like.dtype) if _kind(like.dtype) in "fc" else _numpy.float32).eps)


@_fact
def norm_axes(like, ord, axis):
    """Return the axes of a norm, counted from the right, and whether they are those of the flattened array."""
    ndim = len(_numpy.shape(like))
    if axis is None:
        if ord is None:
            return tuple(range(-ndim, 0)), True
        if ndim not in (1, 2):
            raise ValueError(f"norm: improper number of axes {ndim} for ord={ord}; give axis=")
        return tuple(range(-ndim, 0)), False
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) not in (1, 2):
        raise ValueError(f"norm: improper number of axes for norm: {axes}; one for vectors, two for matrices")
    for one in axes:
        if not -ndim <= one < ndim:
            raise ValueError(f"norm: axis {one} is out of bounds for an array of {ndim} axes")
    return tuple([one - ndim if one >= 0 else one for one in axes]), False


@_about_types
def float_dtype(x):
    """Return the floating or complex dtype in which an array's norms and factors are computed: squares of integers overflow."""
    return _inexact(_aval_of(x).dtype)


def norm(x, ord=None, axis=None, keepdims=False):
    """Return the norm of vectors (one axis) or matrices (two axes); without ``ord`` and ``axis``, of the flattened array."""
    from runtime import numpy as np
    axes, flat = norm_axes(x, ord, axis)
    x = np.astype(np.asarray(x), float_dtype(x))
    if flat or ord is None:
        return np.sqrt(np.sum(np.real(x * np.conjugate(x)), axis=axes, keepdims=keepdims))
    if len(axes) == 1:
        return vector_norm(x, axis=axes[0], keepdims=keepdims, ord=ord)
    return _matrix_norm(x, ord, axes, keepdims)


def vector_norm(x, /, *, axis=None, keepdims=False, ord=2):
    """Return the norm of vectors along axes (all by default): (sum |x|^ord)^(1/ord), a maximum or minimum for inf, a count for 0."""
    from runtime import numpy as np
    x = np.astype(x, float_dtype(x))
    if ord is None or ord == 2:
        return np.sqrt(np.sum(np.real(x * np.conjugate(x)), axis=axis, keepdims=keepdims))
    if ord == _numpy.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == -_numpy.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.astype(np.sum(x != 0, axis=axis, keepdims=keepdims), np.abs(x).dtype)
    if ord == 1:
        return np.sum(np.abs(x), axis=axis, keepdims=keepdims)
    return np.sum(np.abs(x) ** ord, axis=axis, keepdims=keepdims) ** (1.0 / ord)


def matrix_norm(x, /, *, keepdims=False, ord="fro"):
    """Return the norm of matrices: "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    return _matrix_norm(x, ord, (-2, -1), keepdims)


def _matrix_norm(x, ord, axes, keepdims):
    from runtime import numpy as np
    x = np.astype(x, float_dtype(x))
    if ord is None or ord == "fro":
        return np.sqrt(np.sum(np.real(x * np.conjugate(x)), axis=axes, keepdims=keepdims))
    x = np.moveaxis(x, axes, (-2, -1))
    if ord == 1:
        found = np.max(np.sum(np.abs(x), axis=-2), axis=-1)
    elif ord == -1:
        found = np.min(np.sum(np.abs(x), axis=-2), axis=-1)
    elif ord == _numpy.inf:
        found = np.max(np.sum(np.abs(x), axis=-1), axis=-1)
    elif ord == -_numpy.inf:
        found = np.min(np.sum(np.abs(x), axis=-1), axis=-1)
    elif ord == 2:
        found = np.max(factor_svd(x)[1], axis=-1)
    elif ord == -2:
        found = np.min(factor_svd(x)[1], axis=-1)
    elif ord == "nuc":
        found = np.sum(factor_svd(x)[1], axis=-1)
    else:
        raise ValueError("norm: the order of a matrix norm is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    if keepdims:
        found = np.moveaxis(np.expand_dims(found, (-2, -1)), (-2, -1), axes)
    return found


def cond(x, p=None):
    """Return the condition number of matrices in a norm (by default the ratio of the extreme singular values)."""
    from runtime import numpy as np
    if p is None or p == 2:
        s = factor_svd(x)[1]
        return s[..., 0] / s[..., -1]
    if p == -2:
        s = factor_svd(x)[1]
        return s[..., -1] / s[..., 0]
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def lstsq(a, b, rcond=None, *, numpy_resid=False):
    """Return (least-squares solution of a x = b, sums of squared residuals, rank, singular values)."""
    from runtime import numpy as np
    one = is_vector(b)
    if one:
        b = np.expand_dims(b, -1)
    u, s, vh = factor_svd(a)
    limit = rank_tolerance(a) if rcond is None else rcond
    kept = s >= limit * s[0]
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    x = _adjoint(vh) @ (np.expand_dims(inverse, -1) * (_adjoint(u) @ b))
    rank = np.sum(kept)
    residual = b - a @ x
    squares = np.sum(np.real(residual * np.conjugate(residual)), axis=0)
    if one:
        x = np.squeeze(x, -1)
    return x, squares, rank, s


@_about_types
def _cheapest_order(shapes):
    """Return the places at which a chain of matrices is multiplied, one after the other, with the fewest multiplications.

    A place counts among the factors that are left. The chain product of Cormen, Leiserson, Rivest and Stein, section 14.2.
    """
    sizes = [shapes[0][0] if len(shapes[0]) == 2 else 1, *[shape[0] for shape in shapes[1:]],
             shapes[-1][1] if len(shapes[-1]) == 2 else 1]
    count = len(shapes)
    cost = {(i, i): 0 for i in range(count)}
    split = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], split[i, j] = min([(cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                                           for k in range(i, j)])
    places = []

    def multiply(i, j):
        if i == j:
            return
        multiply(split[i, j] + 1, j)        # from the right, so that the places of those before stay what they are
        multiply(i, split[i, j])
        places.append(i)
    multiply(0, count - 1)
    return tuple(places)


def multi_dot(arrays, *, precision=None):
    """Return the product of two or more matrices (the first and last may be vectors), in the cheapest order."""
    from runtime import numpy as np
    factors = [np.asarray(a) for a in arrays]
    for place in _cheapest_order([a.shape for a in factors]):
        factors = factors[:place] + [np.dot(factors[place], factors[place + 1], precision=precision)] + factors[place + 2:]
    return factors[0]


def tensorsolve(a, b, axes=None):
    """Return x with tensordot(a, x, x.ndim) = b."""
    from runtime import numpy as np
    if axes is not None:
        a = np.moveaxis(a, axes, tuple(range(-len(axes), 0)))
    shape = a.shape[b.ndim:]
    return np.reshape(solve(np.reshape(a, (b.size, -1)), np.ravel(b)), shape)


def tensorinv(a, ind=2):
    """Return the inverse of an array seen as a linear map from its last axes to its first ``ind``."""
    from runtime import numpy as np
    if ind <= 0:
        raise ValueError("tensorinv: ind must be a positive integer")
    rows, columns = a.shape[:ind], a.shape[ind:]
    size = count(columns)
    return np.reshape(inv(np.reshape(a, (-1, size))), columns + rows)


@_fact
def count(shape):
    """Return the number of elements of a shape."""
    return int(_numpy.prod(shape, dtype=_numpy.int64))


def cross(x1, x2, /, *, axis=-1):
    """Return the vector product of vectors of three elements along an axis."""
    from runtime import numpy as np
    return np.cross(x1, x2, axis=axis)


def outer(x1, x2, /):
    """Return the outer product of two vectors."""
    from runtime import numpy as np
    return np.outer(x1, x2)


def diagonal(x, /, *, offset=0):
    """Return the diagonals of matrices."""
    from runtime import numpy as np
    return np.diagonal(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """Return the sums of the diagonals of matrices."""
    from runtime import numpy as np
    return np.trace(x, offset, -2, -1, dtype)


def matmul(x1, x2, /, *, precision=None, preferred_element_type=None):
    """Return the matrix product."""
    from runtime import numpy as np
    return np.matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)


def matrix_transpose(x, /):
    """Return the transposes of matrices."""
    from runtime import numpy as np
    return np.matrix_transpose(x)


@_out_sharded
def tensordot(x1, x2, /, *, axes=2, precision=None, preferred_element_type=None):
    """Return the sum of products over axes."""
    from runtime import numpy as np
    return np.tensordot(x1, x2, axes=axes, precision=precision, preferred_element_type=preferred_element_type)


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """Return the (conjugating) dot products of vectors along an axis."""
    from runtime import numpy as np
    return np.vecdot(x1, x2, axis=axis, precision=precision, preferred_element_type=preferred_element_type)
