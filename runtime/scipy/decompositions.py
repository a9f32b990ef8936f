"""Factors and functions of matrices under SciPy's names: Schur, Hessenberg and polar forms, roots, Sylvester equations."""
from runtime.numpy import linalg as _linalg
from runtime.op import op as _op
from runtime.ops.kernel import about_types as _about_types
from runtime.ops.linalg import adjoint as _adjoint
from runtime.ops.linalg import solve_triangular as _solve_triangular
from runtime.ops.schur import (column_order, hessenberg_form, householder_product, lu_pivots_to_permutation, matrix_root,
                               schur_form, sylvester)
from runtime.types import aval_of as _aval_of


def as_complex(a):
    """Return an array in the complex dtype of its precision."""
    from runtime import numpy as np
    return np.astype(np.asarray(a), np.result_type(np.asarray(a), np.complex64))


def schur(a, output="real"):
    """Return (T, Z) with a = Z T Z^H; with output "complex", T is triangular for real matrices too. Not differentiable."""
    if output not in ("real", "complex"):
        raise ValueError(f"Expected 'output' to be either 'real' or 'complex', got output={output!r}.")
    found = schur_form(as_complex(a) if output == "complex" else a)
    return found[0], found[1]


@_about_types
def check_pair(name, a, b):
    """Raise ValueError unless two arrays hold square matrices of the same size."""
    left, right = _aval_of(a).shape, _aval_of(b).shape
    if len(left) < 2 or len(right) < 2 or left[-1] != left[-2] or right[-2:] != left[-2:]:
        raise ValueError(f"{name}: needs two square matrices of the same size, got shapes {left} and {right}")


def rsf2csf(T, Z, check_finite=True):
    """Return the complex Schur form (T, Z) of a real one: each 2 x 2 block is made triangular by a rotation."""
    from runtime import numpy as np
    check_pair("rsf2csf", T, Z)
    T, Z = as_complex(T), as_complex(Z)
    n = T.shape[-1]
    eps = 1.2e-7 if T.dtype.itemsize == 8 else 2.3e-16
    for m in range(n - 1, 0, -1):
        block = T[..., m - 1:m + 1, m - 1:m + 1]
        below = T[..., m, m - 1]
        ends = np.abs(T[..., m - 1, m - 1]) + np.abs(T[..., m, m])
        turns = np.abs(below) > eps * ends
        middle = 0.5 * (block[..., 0, 0] + block[..., 1, 1])
        spread = 0.5 * (block[..., 0, 0] - block[..., 1, 1])
        root = np.sqrt(spread * spread + block[..., 0, 1] * block[..., 1, 0])
        mu = middle + root - T[..., m, m]
        length = np.where(turns, np.sqrt(np.abs(mu) ** 2 + np.abs(below) ** 2), 1.0)
        c, s = np.where(turns, mu / length, 1.0), np.where(turns, below / length, 0.0)
        top = np.stack([np.conjugate(c), s], -1)
        bottom = np.stack([-s, c], -1)
        turn = np.stack([top, bottom], -2)
        rows = np.matmul(turn, T[..., m - 1:m + 1, m - 1:])
        T = T.at[..., m - 1:m + 1, m - 1:].set(rows)
        T = T.at[..., :m + 1, m - 1:m + 1].set(np.matmul(T[..., :m + 1, m - 1:m + 1], _adjoint(turn)))
        Z = Z.at[..., :, m - 1:m + 1].set(np.matmul(Z[..., :, m - 1:m + 1], _adjoint(turn)))
        T = T.at[..., m, m - 1].set(0.0)
    return T, Z


def hessenberg(a, *, calc_q=False, overwrite_a=False, check_finite=True):
    """Return the Hessenberg form H of square matrices, or with ``calc_q`` (H, Q) with a = Q H Q^H. Not differentiable."""
    from runtime import numpy as np
    packed, scales = hessenberg_form(a)
    form = np.triu(packed, -1)
    if not calc_q:
        return form
    n = packed.shape[-1]
    if n < 2:
        return form, np.broadcast_to(np.eye(n, dtype=packed.dtype), packed.shape)
    inner = householder_product(packed[..., 1:, :-1], scales)
    zeros = np.zeros(packed.shape[:-2] + (n - 1, 1), packed.dtype)
    corner = np.ones(packed.shape[:-2] + (1, 1), packed.dtype)
    first = np.concatenate([corner, np.matrix_transpose(zeros)], -1)
    return form, np.concatenate([first, np.concatenate([zeros, inner], -1)], -2)


def sqrtm(A, blocksize=1):
    """Return the principal square root of square matrices, complex."""
    if blocksize > 1:
        raise NotImplementedError("sqrtm: the blocked version is not implemented; use blocksize=1")
    return matrix_root(as_complex(A))


@_about_types
def check_sylvester(A, B, C, method):
    """Raise ValueError for matrices that do not fit, and for an unknown method."""
    a, b, c = _aval_of(A).shape, _aval_of(B).shape, _aval_of(C).shape
    if len(c) < 2 or a[-2:] != (c[-2], c[-2]) or b[-2:] != (c[-1], c[-1]):
        raise ValueError(f"solve_sylvester: incompatible shapes A: {a}, B: {b}, C: {c}; needs (m, m), (n, n) and (m, n)")
    if method not in ("schur", "eigen"):
        raise ValueError(f"solve_sylvester: unrecognized method {method!r}; use 'schur' or 'eigen'")


def solve_sylvester(A, B, C, *, method="schur", tol=1e-08):
    """Return X with A X + X B = C; NaN where an eigenvalue of A and one of B have a sum below ``tol``.

    Whatever ``method`` says, by Schur forms.
    """
    from runtime import numpy as np
    check_sylvester(A, B, C, method)
    dtype = np.result_type(A, B, C, float)
    lead = np.broadcast_shapes(np.shape(A)[:-2], np.shape(B)[:-2], np.shape(C)[:-2])
    a = np.broadcast_to(np.astype(np.asarray(A), dtype), lead + np.shape(A)[-2:])
    b = np.broadcast_to(np.astype(np.asarray(B), dtype), lead + np.shape(B)[-2:])
    c = np.broadcast_to(np.astype(np.asarray(C), dtype), lead + np.shape(C)[-2:])
    return np.where(np.expand_dims(near_singular(a, b, tol), (-2, -1)), np.nan, sylvester(a, b, c))


@_op(constant=True, batch=lambda a, b, tol, over=(): near_singular(a, b, tol))
def near_singular(a, b, tol):
    """Tell where an eigenvalue of a and one of b have a sum of absolute value below ``tol``."""
    from runtime import numpy as np
    sums = np.expand_dims(_linalg.eigvals(a), -1) + np.expand_dims(_linalg.eigvals(b), -2)
    return np.any(np.abs(sums) < tol, axis=(-2, -1))


def polar(a, side="right", *, method="qdwh", eps=None, max_iterations=None):
    """Return (u, p) with a = u p (side "right") or a = p u ("left"), u with orthonormal columns or rows, p Hermitian.

    Whatever ``method`` says ("qdwh" or "svd"), by the singular value decomposition.
    """
    from runtime import numpy as np
    if side not in ("right", "left"):
        raise ValueError(f"polar: side must be 'right' or 'left', got {side!r}")
    if method not in ("qdwh", "svd"):
        raise ValueError(f"Unknown polar decomposition method {method}.")
    u, s, vh = _linalg.svd(a, full_matrices=False)
    scale = np.expand_dims(np.astype(s, u.dtype), -2)
    if side == "right":
        return u @ vh, (_adjoint(vh) * scale) @ vh
    return u @ vh, (u * scale) @ _adjoint(u)


def expm_frechet(A, E, *, method=None, compute_expm=True):
    """Return (the exponential of A, its derivative in the direction E), or the derivative alone.

    The derivative is a block of the exponential of [[A, E], [0, A]]: Mathias, SIAM Journal on Matrix Analysis 17 (1996).
    """
    from runtime import numpy as np
    from runtime.scipy.linalg import expm
    check_pair("expm_frechet", A, E)
    A = np.asarray(A) * 1.0
    n = A.shape[-1]
    upper = np.concatenate([A, E], -1)
    lower = np.concatenate([np.zeros_like(A), A], -1)
    found = expm(np.concatenate([upper, lower], -2))
    return (found[..., :n, :n], found[..., :n, n:]) if compute_expm else found[..., :n, n:]


def funm(A, func, disp=True):
    """Return func of a square matrix, by Parlett's recurrence on the complex Schur form; not differentiable.

    ``func`` is applied to the array of eigenvalues. Without ``disp``, returns (result, estimate of the relative error).
    """
    from runtime import numpy as np
    A = np.asarray(A) * 1.0
    T, Z = schur(A, "complex")
    n = T.shape[-1]
    F = np.diag(func(np.diagonal(T)))
    least = np.abs(T[0, 0])
    for p in range(1, n):
        for i in range(n - p):
            j = i + p
            s = T[i, j] * (F[j, j] - F[i, i])
            s = s + np.sum(T[i, i + 1:j] * F[i + 1:j, j]) - np.sum(F[i, i + 1:j] * T[i + 1:j, j])
            den = T[j, j] - T[i, i]
            apart = np.not_equal(den, 0)
            F = F.at[i, j].set(np.where(apart, s / np.where(apart, den, 1.0), s))
            least = np.minimum(least, np.abs(den))
    F = Z @ F @ _adjoint(Z)
    if not np.iscomplexobj(A):
        small = np.max(np.abs(np.imag(F))) <= 1e3 * 1.2e-7
        F = np.where(small, np.real(F) + 0j, F)
    if disp:
        return F
    least = np.where(np.equal(least, 0), 1.2e-7, least)
    error = np.minimum(1.0, np.maximum(1.2e-7, (1.2e-7 / least) * np.linalg.norm(np.triu(T, 1), 1)))
    return F, error


def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    """Return x with a x = b for the factorisation (factors, pivot rows) of a; ``trans``: 1 for a^T x = b, 2 for a^H x = b."""
    from runtime import numpy as np
    if trans not in (0, 1, 2):
        raise ValueError(f"lu_solve: 'trans' value must be 0, 1, or 2, got {trans}")
    factors, pivots = lu_and_piv
    order = lu_pivots_to_permutation(pivots, factors.shape[-2])
    right = np.expand_dims(b, -1) if _linalg.is_vector(b) else np.asarray(b)
    if trans == 0:
        rows = np.take_along_axis(right, np.expand_dims(order, -1), -2)
        x = _solve_triangular(factors, _solve_triangular(factors, rows, True, False, True), False)
    else:
        a = np.conjugate(factors) if trans == 2 else factors
        y = _solve_triangular(a, _solve_triangular(a, right, False, True), True, True, True)
        x = np.take_along_axis(y, np.expand_dims(np.argsort(order, axis=-1), -1), -2)
    return np.squeeze(x, -1) if _linalg.is_vector(b) else x


@_about_types
def product_plan(a, c, mode):
    """Return (whether c is a vector, min(m, n)); ValueError for shapes that do not fit and an unknown mode."""
    if mode not in ("right", "left"):
        raise ValueError(f"qr_multiply: mode must be 'right' or 'left', got {mode!r}")
    left, right = _aval_of(a).shape, _aval_of(c).shape
    k, size = min(left[-2:]), right[-1] if len(right) == 1 or mode == "right" else right[-2]
    if size != (k if mode == "left" else left[-2]):
        raise ValueError(f"qr_multiply: a has shape {left}, so c must have {k if mode == 'left' else left[-2]} "
                         f"{'rows' if mode == 'left' else 'columns'}, but it has shape {right}")
    return len(right) == 1, k


def pivoted_qr(a, mode):
    """Return (Q, R, order) with a[:, order] = Q R and falling |diagonal| of R; ``mode``: "reduced" or "complete"."""
    from runtime import numpy as np
    a = np.asarray(a)
    order = column_order(a)
    found = _linalg.qr(np.take_along_axis(a, np.expand_dims(order, -2), -1), mode)
    return found[0], found[1], order


def qr_multiply(a, c, mode="right", pivoting=False, conjugate=False, overwrite_a=False, overwrite_c=False):
    """Return (c Q, R), or (Q c, R) with mode "left", for the factorisation a = Q R in its economic sizes.

    ``conjugate`` takes the conjugate of Q. With ``pivoting``, returns the order of a's columns too.
    """
    from runtime import numpy as np
    vector, k = product_plan(a, c, mode)
    found = pivoted_qr(a, "reduced") if pivoting else _linalg.qr(a, "reduced")
    q, r = found[0], found[1]
    if conjugate:
        q = np.conjugate(q)
    product = np.matmul(q, c) if mode == "left" else np.matmul(c, q)
    return (product, r, found[2]) if pivoting else (product, r)


@_about_types
def chosen(d, e, select, select_range):
    """Return the first and last index of eigenvalues that are asked for; errors for ranges and shapes that are not supported."""
    n, m = _aval_of(d).shape, _aval_of(e).shape
    if len(n) != 1 or m != (max(n[0] - 1, 0),):
        raise ValueError(f"eigh_tridiagonal: d and e must be vectors, e one shorter than d; got shapes {n} and {m}")
    if _aval_of(d).dtype != _aval_of(e).dtype:
        raise TypeError(f"eigh_tridiagonal: diagonal and off-diagonal values must have same dtype, got {_aval_of(d).dtype} and "
                        f"{_aval_of(e).dtype}")
    if select == "v":
        raise NotImplementedError("eigh_tridiagonal: select='v' is not implemented; take those in the range from all of them")
    if select not in ("a", "i"):
        raise ValueError(f"eigh_tridiagonal: select must be 'a', 'i' or 'v', got {select!r}")
    if select == "a":
        return 0, n[0]
    if select_range is None or select_range[0] > select_range[1]:
        raise ValueError(f"eigh_tridiagonal: for select='i', select_range must be (first, last), got {select_range!r}")
    return int(select_range[0]), int(select_range[1]) + 1


def eigh_tridiagonal(d, e, *, eigvals_only=False, select="a", select_range=None, tol=None, key=None):
    """Return the eigenvalues, in ascending order, of the Hermitian matrix with diagonal d and superdiagonal e; and its eigenvectors.

    select: "a" for all, "i" for those from index select_range[0] to select_range[1].
    """
    from runtime import numpy as np
    first, last = chosen(d, e, select, select_range)
    matrix = np.diag(d) + np.diag(e, 1) + np.diag(np.conjugate(e), -1)
    values, vectors = _linalg.eigh(matrix)
    values = values[first:last]
    return values if eigvals_only else (values, vectors[:, first:last])
