"""Factorisations of matrices and what is solved by them; every op works on stacks of matrices (leading axes)."""
from __future__ import annotations

from collections import namedtuple

import numpy

from runtime.op import op
from runtime.ops.fact import fact
from runtime.ops.kernel import fused, inexact, real_dtype
from runtime.ops.matrix import (cholesky_kernel, eigen_kernel, general_eigen_kernel, lu_kernel, qr_kernel,
                                reflections_kernel, svd_kernel, triangular_kernel)
from runtime.primitive import as_operand, cast
from runtime.types import aval_of, kind, promote_types, result_type
from runtime.zero import ZERO


EigResult = namedtuple("EigResult", ["eigenvalues", "eigenvectors"])
EighResult = namedtuple("EighResult", ["eigenvalues", "eigenvectors"])
QRResult = namedtuple("QRResult", ["Q", "R"])
SlogdetResult = namedtuple("SlogdetResult", ["sign", "logabsdet"])
SVDResult = namedtuple("SVDResult", ["U", "S", "Vh"])


def as_matrices(name: str, a, square: bool = False):
    """Return matrices in a float or complex dtype that LAPACK knows; ValueError for too few axes, or unequal ones."""
    a = as_operand(a, name)
    if a.ndim < 2:
        raise ValueError(f"{name}: needs an array of at least 2 axes, got shape {a.shape}")
    if square and a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: needs square matrices (..., n, n), got shape {a.shape}")
    dtype = inexact(a.dtype)
    return cast(a, dtype if dtype.itemsize >= 4 else numpy.dtype("float32"))


def adjoint(a):
    """Return the conjugate transpose of matrices."""
    from runtime import numpy as np
    return np.conjugate(np.matrix_transpose(a))


def both_batched(a, b, over):
    """Return two operands with the batch axis in front of both, and their other leading axes aligned."""
    from runtime import numpy as np
    if "a" not in over:
        a = np.expand_dims(a, 0)
    if "b" not in over:
        b = np.expand_dims(b, 0)
    ndim = max(a.ndim, b.ndim)
    a = np.reshape(a, a.shape[:1] + (1,) * (ndim - a.ndim) + a.shape[1:])
    b = np.reshape(b, b.shape[:1] + (1,) * (ndim - b.ndim) + b.shape[1:])
    return a, b


# ---- triangular systems ----

def solve_triangular_batched(a, b, lower=True, transposed=False, unit_diagonal=False, over=()):
    """Solve every example's system."""
    a, b = both_batched(a, b, over)
    return solve_triangular(a, b, lower, transposed, unit_diagonal)


@op(jvp={"a": "np.linalg.moved_triangle(a, a_dot, out, lower, transposed, unit_diagonal)",
         "b": "np.linalg.solve_triangular(a, b_dot, lower, transposed, unit_diagonal)"},
    vjp={"a": "rt.unbroadcast(np.linalg.untriangle(a, d_out, out, lower, transposed, unit_diagonal), like=a)",
         "b": "rt.unbroadcast(np.linalg.solve_triangular(a, d_out, lower, not transposed, unit_diagonal), like=b)"},
    batch=solve_triangular_batched, vanishes="b")
def solve_triangular(a, b, lower=True, transposed=False, unit_diagonal=False):
    """Return x with a x = b (``transposed``: a^T x = b) for triangular matrices; of ``a`` only one triangle is read.

    a: (..., n, n), b: (..., n, k); leading axes broadcast.
    """
    dtype = inexact(result_type(a, b))
    a, b = as_matrices("solve_triangular", a, True), as_matrices("solve_triangular", b)
    a, b = alike("solve_triangular", a, b)
    return cast(triangular_kernel(a, b, lower=bool(lower), transposed=bool(transposed), unit=bool(unit_diagonal)), dtype)


def alike(name, a, b):
    """Return both operands of a system with one dtype and the same leading axes; ValueError for sizes that do not match."""
    from runtime.ops.shape import broadcast_to
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"{name}: matrices of shape {a.shape} and right-hand side of shape {b.shape} do not match; the last but "
                         "one axis of the second must have the matrices' size")
    dtype = promote_types(a.dtype, b.dtype)
    a, b = cast(a, dtype), cast(b, dtype)
    if a.shape[:-2] != b.shape[:-2]:
        lead = numpy.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = broadcast_to(a, lead + a.shape[-2:]), broadcast_to(b, lead + b.shape[-2:])
    return a, b


def triangle(a, lower, unit_diagonal):
    """Return the triangle of matrices that a triangular solver reads; of a derivative of zero, zero."""
    from runtime import numpy as np
    if a is ZERO:
        return ZERO
    if lower:
        return np.tril(a, -1 if unit_diagonal else 0)
    return np.triu(a, 1 if unit_diagonal else 0)


def moved_triangle(a, a_dot, out, lower, transposed, unit_diagonal):
    """Return the tangent of a triangular system's solution for a tangent of its matrix."""
    from runtime import numpy as np
    change = triangle(a_dot, lower, unit_diagonal)
    if transposed:
        change = np.matrix_transpose(change)
    return -solve_triangular(a, change @ out, lower, transposed, unit_diagonal)


def untriangle(a, d, out, lower, transposed, unit_diagonal):
    """Return the cotangent of a triangular system's matrix from that of its solution."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    back = solve_triangular(a, filled(d, like=out), lower, not transposed, unit_diagonal)
    if transposed:
        return -triangle(out @ np.matrix_transpose(back), lower, unit_diagonal)
    return -triangle(back @ np.matrix_transpose(out), lower, unit_diagonal)


# ---- general systems ----

def lu_factors(a):
    """Return (L and U in one, pivot rows counted from 0, permutation of the rows) of matrices (..., m, n)."""
    return lu_kernel(as_matrices("lu", a))


@op(jvp="np.linalg.moved_lu(a_dot, out)", vjp={"a": "np.linalg.unlu(d_out, out)"}, batch=lambda a, over=(): packed_lu(a))
def packed_lu(a):
    """Return (L and U in one matrix, pivot rows, permutation) of matrices."""
    return lu_factors(a)


def whole_factors(packed):
    """Return square L and U of packed factors (..., m, n), the identity where there is no factor."""
    from runtime import numpy as np
    m, n = np.shape(packed)[-2:]
    k = min(m, n)
    tall, wide = np.tril(packed[..., :, :k], -1), np.triu(packed[..., :k, :])
    free = [(0, 0)] * (np.ndim(packed) - 2)
    l = np.pad(tall, free + [(0, 0), (0, m - k)]) + np.eye(m, dtype=packed.dtype)
    rest = np.concatenate([np.zeros(k, packed.dtype), np.ones(n - k, packed.dtype)])
    return l, np.pad(wide, free + [(0, n - k), (0, 0)]) + np.expand_dims(rest, 0) * np.eye(n, dtype=packed.dtype)


def moved_lu(a_dot, out):
    """Return the tangents of packed factors; the exchanges of rows are constant."""
    from runtime import numpy as np
    l, u = whole_factors(out[0])
    if a_dot is ZERO:
        return ZERO
    rows = np.take_along_axis(a_dot, np.expand_dims(out[2], -1), -2)
    inner = np.matrix_transpose(solve_triangular(u, np.matrix_transpose(solve_triangular(l, rows, True, False, True)), False, True))
    return l @ np.tril(inner, -1) + np.triu(inner) @ u, ZERO, ZERO


def unlu(d, out):
    """Return the cotangent of matrices from that of their packed factors."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    l, u = whole_factors(out[0])
    d_packed = filled(d, like=out)[0]
    if d_packed is ZERO:
        return ZERO
    inner = np.tril(np.matrix_transpose(l) @ d_packed, -1) + np.triu(d_packed @ np.matrix_transpose(u))
    half = np.matrix_transpose(solve_triangular(u, np.matrix_transpose(inner), False))
    rows = solve_triangular(l, half, True, True, True)
    return np.take_along_axis(rows, np.expand_dims(np.argsort(out[2], axis=-1), -1), -2)


def solve_system_batched(a, b, over=()):
    """Solve every example's system."""
    a, b = both_batched(a, b, over)
    return solve_system(a, b)


@op(jvp={"a": "-np.linalg.solve_system(a, a_dot @ out)", "b": "np.linalg.solve_system(a, b_dot)"},
    vjp={"a": "rt.unbroadcast(-np.linalg.solve_system(np.matrix_transpose(a), d_out) @ np.matrix_transpose(out), like=a)",
         "b": "rt.unbroadcast(np.linalg.solve_system(np.matrix_transpose(a), d_out), like=b)"},
    batch=solve_system_batched, vanishes="b")
def solve_system(a, b):
    """Return x with a x = b; a: (..., n, n), b: (..., n, k); leading axes broadcast. Singular matrices give inf or NaN."""
    a, b = alike("solve", as_matrices("solve", a, True), as_matrices("solve", b))
    return _substituted(a, b)


def _substituted(a, b):
    from runtime.ops.take import take_along_axis
    factors, _, order = lu_kernel(a)
    rows = take_along_axis(b, order.reshape(order.shape + (1,)), -2)
    half = triangular_kernel(factors, rows, lower=True, transposed=False, unit=True)
    return triangular_kernel(factors, half, lower=False, transposed=False, unit=False)


@op(jvp={"a": "-(out @ a_dot @ out)"}, vjp={"a": "-(np.matrix_transpose(out) @ d_out @ np.matrix_transpose(out))"},
    batch=lambda a, over=(): inv(a))
def inv(a):
    """Return the inverse of square matrices; singular ones give inf or NaN. ValueError for other shapes."""
    a = as_matrices("inv", a, True)
    if a.size == 0:
        return a
    from runtime.ops.create import eye
    from runtime.ops.shape import broadcast_to
    return _substituted(a, broadcast_to(eye(a.shape[-1], None, 0, a.dtype), a.shape))


def _swaps(pivots):
    """Count the row exchanges of a factorisation."""
    from runtime import numpy as np
    return np.sum(pivots != np.arange(pivots.shape[-1]), axis=-1)


@op(jvp={"a": "np.sum(np.linalg.cofactors(a) * a_dot, axis=(-2, -1))"},
    vjp={"a": "np.expand_dims(d_out, (-2, -1)) * np.linalg.cofactors(a)"}, batch=lambda a, over=(): det(a))
def det(a):
    """Return the determinant of square matrices, of up to three rows by its formula; ValueError for other shapes."""
    from runtime import numpy as np
    dtype = inexact(aval_of(a).dtype)
    if aval_of(a).shape[-2:] in ((2, 2), (3, 3)):
        return expanded_det(cast(as_operand(a, "det"), dtype))
    factors, pivots, _ = lu_kernel(as_matrices("det", a, True))
    sign = np.astype(1 - 2 * (_swaps(pivots) % 2), factors.dtype)
    return cast(sign * np.prod(np.diagonal(factors, 0, -2, -1), axis=-1), dtype)


@fused
def expanded_det(a):
    """Return the determinant of matrices of two or three rows, expanded by products of their elements."""
    if a.shape[-1] == 2:
        return a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
    return (a[..., 0, 0] * a[..., 1, 1] * a[..., 2, 2] + a[..., 0, 1] * a[..., 1, 2] * a[..., 2, 0]
            + a[..., 0, 2] * a[..., 1, 0] * a[..., 2, 1] - a[..., 0, 2] * a[..., 1, 1] * a[..., 2, 0]
            - a[..., 0, 0] * a[..., 1, 2] * a[..., 2, 1] - a[..., 0, 1] * a[..., 1, 0] * a[..., 2, 2])


def cofactors(a):
    """Return the derivative of the determinant: the cofactors of square matrices, of singular ones too.

    By the singular values, of which those of a minor's determinant are multiplied; for complex matrices by the inverse.
    """
    from runtime import numpy as np
    if is_complex(a):
        return np.expand_dims(det(a), (-2, -1)) * np.matrix_transpose(inv(a))
    u, s, vt = factor_svd(a)
    turn = np.expand_dims(det(u) * det(vt), (-2, -1))
    return np.astype(turn * ((u * np.expand_dims(others(s), -2)) @ vt), a.dtype)


def others(s):
    """Return for each element of the last axis the product of all others there."""
    from runtime import numpy as np
    n = s.shape[-1]
    rest = np.where(np.eye(n, dtype=bool), 1, np.expand_dims(s, -2))
    return np.prod(rest, axis=-1)


@fact
def is_complex(like):
    """Tell whether an array has complex elements."""
    return kind(like.dtype) == "c"


@op(jvp="np.linalg.moved_slogdet(a, a_dot, out)", vjp={"a": "np.linalg.unslogdet(d_out, a, out)"},
    batch=lambda a, method=None, over=(): slogdet(a, method))
def slogdet(a, method=None):
    """Return (sign, log of the absolute value) of the determinant of square matrices; ``method`` changes nothing here."""
    from runtime import numpy as np
    if method not in (None, "lu", "qr"):
        raise ValueError(f"slogdet: unknown method {method!r}; 'lu' (None) and 'qr' are known")
    factors, pivots, _ = lu_kernel(as_matrices("slogdet", a, True))
    diagonal = np.diagonal(factors, 0, -2, -1)
    sign = np.prod(np.sign(diagonal), axis=-1) * np.astype(1 - 2 * (_swaps(pivots) % 2), factors.dtype)
    return SlogdetResult(sign, np.sum(np.log(np.abs(diagonal)), axis=-1))


def moved_slogdet(a, a_dot, out):
    """Return the tangents of a determinant's sign (a phase, for complex matrices) and logarithm."""
    from runtime import numpy as np
    change = np.trace(solve_system(a, a_dot), axis1=-2, axis2=-1)
    return out[0] * (change - np.real(change)), np.real(change)


def unslogdet(d, a, out):
    """Return the cotangent of matrices from those of their determinant's sign and logarithm."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    d_sign, d_log = filled(d, like=out)
    turn = d_sign * out[0]
    return np.expand_dims(turn - np.real(turn) + d_log, (-2, -1)) * np.matrix_transpose(inv(a))


# ---- Cholesky ----

@op(jvp={"a": "np.linalg.moved_cholesky(a_dot, out)"}, vjp={"a": "np.linalg.uncholesky(d_out, out)"},
    batch=lambda a, over=(): cholesky_factor(a))
def cholesky_factor(a):
    """Return the lower triangular L with L L^H = a of positive definite matrices; NaN for others."""
    from runtime import numpy as np
    return np.tril(cholesky_kernel(as_matrices("cholesky", a, True)))


def halved(a):
    """Return the lower triangle with half of the diagonal; of a derivative of zero, zero."""
    from runtime import numpy as np
    if a is ZERO:
        return ZERO
    return np.tril(a) - 0.5 * (np.expand_dims(np.diagonal(a, 0, -2, -1), -1) * np.eye(a.shape[-1], dtype=a.dtype))


def moved_cholesky(a_dot, out):
    """Return the tangent of a Cholesky factor."""
    from runtime import numpy as np
    half = solve_triangular(out, a_dot)
    inner = np.matrix_transpose(solve_triangular(np.conjugate(out), np.matrix_transpose(half)))
    return out @ halved(inner)


def uncholesky(d, out):
    """Return the cotangent of a matrix from that of its Cholesky factor (not made symmetric)."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    d = np.conjugate(filled(d, like=out))
    inner = halved(adjoint(out) @ d)
    left = solve_triangular(np.conjugate(out), inner, True, True)
    return np.conjugate(adjoint(solve_triangular(np.conjugate(out), adjoint(left), True, True)))


# ---- eigenvalues ----

@op(jvp={"d": "d_dot"}, vjp={"d": "d_out"}, batch=lambda d, what, instead, over=(): refuse(d, what, instead))
def refuse(d, what, instead):
    """Raise NotImplementedError: which form a decomposition has is known only when it runs, so its derivative is refused then."""
    raise NotImplementedError(f"{what} has no derivative; use {instead}")


@op(jvp="np.linalg.moved_eigen(a_dot, out)", vjp={"a": "np.linalg.uneigen(d_out, out)"},
    batch=lambda a, over=(): symmetric_eigen(a))
def symmetric_eigen(a):
    """Return (eigenvalues in ascending order, eigenvectors in columns) of Hermitian matrices, whose lower triangle is read."""
    return EighResult(*eigen_kernel(as_matrices("eigh", a, True)))


def inverse_gaps(w):
    """Return 1 / (w_j - w_i), and zero on the diagonal and between equal values."""
    from runtime import numpy as np
    gaps = np.expand_dims(w, -2) - np.expand_dims(w, -1)
    same = gaps == 0
    return np.where(same, 0, 1 / np.where(same, 1, gaps))


def moved_eigen(a_dot, out):
    """Return the tangents of eigenvalues and eigenvectors."""
    from runtime import numpy as np
    w, v = out
    turned = adjoint(v) @ a_dot @ v
    w_dot = np.real(np.diagonal(turned, 0, -2, -1))
    return w_dot, v @ (inverse_gaps(w) * turned)


def uneigen(d, out):
    """Return the cotangent of a Hermitian matrix from those of its eigenvalues and eigenvectors."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    w, v = out
    d_w, d_v = filled(d, like=out)
    d_v = np.conjugate(d_v)
    middle = np.expand_dims(d_w, -1) * np.eye(w.shape[-1], dtype=v.dtype) + inverse_gaps(w) * (adjoint(v) @ d_v)
    whole = v @ middle @ adjoint(v)
    return np.conjugate(whole)


@op(nondifferentiable="eigenvalues of general matrices have no derivative here; use eigh for Hermitian matrices",
    batch=lambda a, over=(): general_eigen(a))
def general_eigen(a):
    """Return (eigenvalues, eigenvectors in columns) of square matrices, complex."""
    return EigResult(*general_eigen_kernel(as_matrices("eig", a, True)))


# ---- singular values ----

@op(jvp="np.linalg.moved_svd(a, a_dot, out)", vjp={"a": "np.linalg.unsvd(d_out, a, out)"}, batch=lambda a, over=(): factor_svd(a))
def factor_svd(a):
    """Return (u, s, vh) of matrices, thin: u diag(s) vh = a, with s in descending order."""
    return SVDResult(*svd_kernel(as_matrices("svd", a), full=False))


@op(jvp="np.linalg.refuse(a_dot, 'svd with full_matrices=True', 'full_matrices=False')",
    vjp={"a": "np.linalg.refuse(d_out, 'svd with full_matrices=True', 'full_matrices=False')"}, batch=lambda a, over=(): full_svd(a))
def full_svd(a):
    """Return (u, s, vh) of matrices with square u and vh."""
    return SVDResult(*svd_kernel(as_matrices("svd", a), full=True))


def reciprocal_or_zero(s):
    """Return 1 / s, and 0 where s is 0."""
    from runtime import numpy as np
    return np.where(s == 0, 0, 1 / np.where(s == 0, 1, s))


def moved_svd(a, a_dot, out):
    """Return the tangents of u, s and vh of a thin decomposition."""
    from runtime import numpy as np
    u, s, vh = out
    turned = adjoint(u) @ a_dot @ adjoint(vh)
    s_dot = np.real(np.diagonal(turned, 0, -2, -1))
    row, inverse = np.expand_dims(s, -2), reciprocal_or_zero(s)
    gaps = inverse_gaps(s * s)
    scaled = turned * row
    u_inner = gaps * (scaled + adjoint(scaled))
    scaled = np.expand_dims(s, -1) * turned
    v_inner = gaps * (scaled + adjoint(scaled))
    if is_complex(a):  # the phases of u and v are fixed by an imaginary diagonal, all of it in u
        diagonal = (turned - adjoint(turned)) * np.eye(s.shape[-1], dtype=s.dtype)
        u_inner = u_inner + 0.5 * diagonal * np.expand_dims(inverse, -2)
    v = adjoint(vh)
    u_dot, v_dot = u @ u_inner, v @ v_inner
    rest = a_dot @ v * np.expand_dims(inverse, -2)
    if a.shape[-2] > a.shape[-1]:
        u_dot = u_dot + rest - u @ (adjoint(u) @ rest)
    if a.shape[-2] < a.shape[-1]:
        rest = adjoint(a_dot) @ u * np.expand_dims(inverse, -2)
        v_dot = v_dot + rest - v @ (vh @ rest)
    return u_dot, s_dot, adjoint(v_dot)


def unsvd(d, a, out):
    """Return the cotangent of matrices from those of their thin decomposition."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    u, s, vh = out
    d_u, d_s, d_vh = filled(d, like=out)
    d_u, d_v = np.conjugate(d_u), np.matrix_transpose(d_vh)
    v, inverse = adjoint(vh), np.expand_dims(reciprocal_or_zero(s), -2)
    eye = np.eye(s.shape[-1], dtype=u.dtype)
    gaps = inverse_gaps(s * s)
    left, right = gaps * (adjoint(u) @ d_u), gaps * (vh @ d_v)
    middle = (left + adjoint(left)) * np.expand_dims(s, -2) + np.expand_dims(s, -1) * (right + adjoint(right))
    middle = middle + np.expand_dims(d_s, -1) * eye
    if is_complex(a):
        turn = adjoint(u) @ d_u
        middle = middle + 0.5 * (turn - adjoint(turn)) * eye * inverse
    whole = u @ middle @ vh
    if a.shape[-2] > a.shape[-1]:
        rest = d_u * inverse
        whole = whole + (rest - u @ (adjoint(u) @ rest)) @ vh
    if a.shape[-2] < a.shape[-1]:
        rest = d_v * inverse
        whole = whole + u @ adjoint(rest - v @ (vh @ rest))
    return np.conjugate(whole)


# ---- QR ----

@op(jvp="np.linalg.moved_qr(a_dot, out)", vjp={"a": "np.linalg.unqr(d_out, out)"}, batch=lambda a, over=(): factor_qr(a))
def factor_qr(a):
    """Return (q, r) of matrices (..., m, n) with q of shape (..., m, k), r of shape (..., k, n), k = min(m, n)."""
    return QRResult(*qr_kernel(as_matrices("qr", a), full=False))


@op(jvp="np.linalg.refuse(a_dot, 'qr with mode=complete', 'mode=reduced')",
    vjp={"a": "np.linalg.refuse(d_out, 'qr with mode=complete', 'mode=reduced')"}, batch=lambda a, over=(): full_qr(a))
def full_qr(a):
    """Return (q, r) of matrices with a square q."""
    return QRResult(*qr_kernel(as_matrices("qr", a), full=True))


@op(jvp="np.linalg.refuse(a_dot, 'qr with mode=raw', 'mode=reduced')",
    vjp={"a": "np.linalg.refuse(d_out, 'qr with mode=raw', 'mode=reduced')"}, batch=lambda a, over=(): packed_qr(a))
def packed_qr(a):
    """Return LAPACK's form of a decomposition: the transpose of r with the reflections below it, and their scales."""
    packed, scales = reflections_kernel(as_matrices("qr", a))
    from runtime import numpy as np
    return QRResult(np.matrix_transpose(packed), scales)


@fact
def check_tall(like):
    """Raise ValueError unless a decomposition was that of a tall or square matrix."""
    if like.shape[-1] > like.shape[-2]:
        raise ValueError(f"qr: the derivative needs matrices with at least as many rows as columns, r has shape {tuple(like.shape)}; "
                         "decompose the transpose, or the first columns")
    return True


def from_right(r, x):
    """Return x r^-1 for an upper triangular r."""
    from runtime import numpy as np
    return np.matrix_transpose(solve_triangular(r, np.matrix_transpose(x), False, True))


def imaginary_diagonal(x):
    """Return the imaginary part of matrices' diagonals, on the diagonal: what keeps the diagonal of r real."""
    from runtime import numpy as np
    return 0.5 * (x - adjoint(x)) * np.eye(x.shape[-1], dtype=x.dtype)


def moved_qr(a_dot, out):
    """Return the tangents of q and r."""
    from runtime import numpy as np
    q, r = out
    check_tall(r)
    if a_dot is ZERO:
        return ZERO
    scaled = from_right(r, a_dot)
    turned = adjoint(q) @ scaled
    below = np.tril(turned, -1)
    turn = below - adjoint(below) + imaginary_diagonal(turned)
    r_inner = turned - turn
    return q @ (turn - turned) + scaled, r_inner @ r


def unqr(d, out):
    """Return the cotangent of matrices from those of q and r."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    q, r = out
    check_tall(r)
    d_q, d_r = filled(d, like=out)
    d_q, d_r = np.conjugate(d_q), np.conjugate(d_r)
    turn = adjoint(q) @ d_q - d_r @ adjoint(r)
    if turn is ZERO:
        return ZERO
    turn = np.tril(turn - adjoint(turn), -1) + imaginary_diagonal(turn) - turn
    whole = d_q + q @ turn
    # (whole) r^-H, from the right
    return np.conjugate(adjoint(solve_triangular(r, adjoint(whole), False, False)))


@op(jvp={"a": "np.linalg.moved_pinv(a, a_dot, out)"}, vjp={"a": "np.linalg.unpinv(d_out, a, out)"},
    batch=lambda a, rtol=None, over=(): pseudo_inverse(a, rtol))
def pseudo_inverse(a, rtol=None):
    """Return the Moore-Penrose inverse of matrices; singular values up to ``rtol`` times the largest count as zero."""
    from runtime import numpy as np
    a = as_matrices("pinv", a)
    u, s, vh = factor_svd(a)
    if rtol is None:
        rtol = 10.0 * max(a.shape[-2:]) * float(numpy.finfo(real_dtype(a.dtype)).eps)
    kept = s > rtol * np.max(s, axis=-1, keepdims=True, initial=0)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return adjoint(vh) @ (np.expand_dims(inverse, -1) * adjoint(u))


def moved_pinv(a, a_dot, out):
    """Return the tangent of a pseudo-inverse of constant rank."""
    change = adjoint(a_dot)
    left = out @ adjoint(out) @ (change - change @ a @ out)
    right = (change - out @ a @ change) @ adjoint(out) @ out
    return left + right - out @ a_dot @ out


def unpinv(d, a, out):
    """Return the cotangent of matrices from that of their pseudo-inverse."""
    from runtime import numpy as np
    d = np.conjugate(d)
    first = adjoint(d) @ out @ adjoint(out)
    second = adjoint(out) @ out @ adjoint(d)
    whole = first - a @ out @ first + second - second @ out @ a - adjoint(out) @ d @ adjoint(out)
    return np.conjugate(whole)
