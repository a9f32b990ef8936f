"""Schur and Hessenberg forms, QR with exchanged columns and products of reflections, by LAPACK; Sylvester equations by them."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.linalg import adjoint, as_matrices, solve_triangular
from runtime.ops.matrix import INT, _lapack, _permutation, _spoilt
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, kind


# ---- kernels ----

def _schur_emit(block, operands, out_avals):
    form, vectors = out_avals
    if form.size == 0:
        return [block.zeros(form), block.zeros(vectors)]
    lead, n = form.shape[:-2], form.shape[-1]
    eigenvalues, info = aval(lead + (n,), form.dtype), aval(lead, INT)
    parts = [eigenvalues] if kind(form.dtype) == "c" else [eigenvalues, eigenvalues]
    found = _lapack(block, "gees", operands, [form, vectors, *parts, info, info], "mode = 86 : ui8, sort = 78 : ui8", (0, 1))
    return _spoilt(block, found[-1], found[:2])


def _hessenberg_emit(block, operands, out_avals):
    packed, scales = out_avals
    n = packed.shape[-1]
    if n < 2:
        return [operands[0], block.zeros(scales)]
    info = aval(packed.shape[:-2], INT)
    found = _lapack(block, "gehrd", operands, [packed, scales, info], f"low = 1 : i32, high = {n} : i32", (0,))
    return _spoilt(block, found[-1], found[:2])


def _reflections_emit(block, operands, out_avals):
    if out_avals[0].size == 0:
        return block.zeros(out_avals[0])
    name = "ungqr" if kind(out_avals[0].dtype) == "c" else "orgqr"
    return _lapack(block, name, operands, [out_avals[0]], "", (0,))[0]


def _exchanged_infer(a):
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    return a.strong(), aval(lead + (min(m, n),), a.dtype), aval(lead + (n,), INT)


def _exchanged_emit(block, operands, out_avals):
    packed, scales, order = out_avals
    if packed.size == 0:
        return [block.zeros(packed), block.zeros(scales), block.op("iota", [], order, {"iota_dimension": order.ndim - 1})]
    found = _lapack(block, "geqp3", [operands[0], block.constant(0, INT, order.shape)], [packed, order, scales], "", (0,))
    first = block.op("subtract", [found[1], block.constant(1, INT, order.shape)], order)
    return [found[0], found[2], first]


_schur_kernel = Primitive("schur", lambda a: (a.strong(), a.strong()), _schur_emit)
_hessenberg_kernel = Primitive("hessenberg", lambda a: (a.strong(), aval(a.shape[:-2] + (max(a.shape[-1] - 1, 0),), a.dtype)),
                               _hessenberg_emit)
_reflections_kernel = Primitive("householder_product", lambda a, taus: a.strong(), _reflections_emit)
_exchanged_kernel = Primitive("geqp3", _exchanged_infer, _exchanged_emit)
_permutation_kernel = Primitive("lu_pivots_to_permutation", lambda rows, *, size: aval(rows.shape[:-1] + (size,), INT),
                                lambda block, operands, out_avals, *, size: _permutation(block, operands[0], out_avals[0]))


# ---- ops ----

_NONE = "the {} has no derivative rule; differentiate what is computed from it: {}"


@op(nondifferentiable=_NONE.format("Schur form", "sqrtm, solve_sylvester, expm"), batch=lambda a, over=(): schur_form(a))
def schur_form(a):
    """Return (T, Z) with a = Z T Z^H, Z orthonormal; T is triangular for complex matrices, with 2 x 2 blocks for real ones."""
    return _schur_kernel(as_matrices("schur", a, True))


@op(nondifferentiable=_NONE.format("Hessenberg form", "det, solve, eigvals"), batch=lambda a, over=(): hessenberg_form(a))
def hessenberg_form(a):
    """Return (the Hessenberg form with reflections below it, their scales (..., n - 1)) of matrices (..., n, n)."""
    return _hessenberg_kernel(as_matrices("hessenberg", a, True))


@op(nondifferentiable=_NONE.format("product of reflections", "qr"), batch=lambda a, taus, over=(): householder_product(
    *_both(a, taus, over)))
def householder_product(a, taus):
    """Return the first n columns of the product of the reflections stored below the diagonal of ``a`` (..., m, n)."""
    a = as_matrices("householder_product", a)
    return _reflections_kernel(a, cast(as_operand(taus), a.dtype))


def _both(a, taus, over):
    from runtime import numpy as np
    if "a" not in over:
        a = np.broadcast_to(a, (taus.shape[0],) + np.shape(a))
    if "taus" not in over:
        taus = np.broadcast_to(taus, (a.shape[0],) + np.shape(taus))
    return a, taus


@op(constant=True, batch=lambda a, over=(): column_order(a))
def column_order(a):
    """Return the order in which QR with exchanged columns takes the columns of matrices, so that |diagonal of R| falls."""
    return _exchanged_kernel(as_matrices("qr", a))[2]


@op(constant=True, batch=lambda pivots, permutation_size, over=(): lu_pivots_to_permutation(pivots, permutation_size))
def lu_pivots_to_permutation(pivots, permutation_size):
    """Return the permutation of ``permutation_size`` rows that exchanging row i and row pivots[i], one after the other, makes."""
    return _permutation_kernel(cast(as_operand(pivots), INT), size=int(permutation_size))


# ---- Sylvester equations ----

def sylvester_batched(a, b, c, over=()):
    """Solve every example's equation."""
    from runtime import numpy as np
    size = next(x.shape[0] for x, name in ((a, "a"), (b, "b"), (c, "c")) if name in over)
    a, b, c = [x if name in over else np.broadcast_to(x, (size,) + np.shape(x)) for x, name in ((a, "a"), (b, "b"), (c, "c"))]
    return sylvester(a, b, c)


@op(jvp={"a": "-rt.sylvester(a, b, a_dot @ out)", "b": "-rt.sylvester(a, b, out @ b_dot)", "c": "rt.sylvester(a, b, c_dot)"},
    vjp={"a": "-rt.unbroadcast(rt.sylvester(np.matrix_transpose(a), np.matrix_transpose(b), d_out) @ np.matrix_transpose(out), like=a)",
         "b": "-rt.unbroadcast(np.matrix_transpose(out) @ rt.sylvester(np.matrix_transpose(a), np.matrix_transpose(b), d_out), like=b)",
         "c": "rt.unbroadcast(rt.sylvester(np.matrix_transpose(a), np.matrix_transpose(b), d_out), like=c)"},
    batch=sylvester_batched, vanishes="c")
def sylvester(a, b, c):
    """Return x with a x + x b = c for complex or real matrices: Bartels and Stewart, Communications of the ACM 15 (1972).

    a: (..., m, m), b: (..., n, n), c: (..., m, n), of one dtype and with equal leading axes.
    """
    from runtime import numpy as np
    dtype = np.result_type(a, b, c)
    work = dtype if kind(dtype) == "c" else np.result_type(dtype, numpy.complex64)
    a, b, right = np.astype(a, work), np.astype(b, work), np.astype(c, work)
    r, u = _schur_kernel(as_matrices("sylvester", a, True))
    s, v = _schur_kernel(as_matrices("sylvester", adjoint(b), True))
    s, f = adjoint(s), adjoint(u) @ right @ v    # r y + y s = f, with s lower triangular
    n, eye = s.shape[-1], np.eye(r.shape[-1], dtype=work)
    columns: list = [None] * n
    for j in range(n - 1, -1, -1):
        known = f[..., j]
        if j < n - 1:
            known = known - np.sum(np.stack(columns[j + 1:], -1) * s[..., None, j + 1:, j], -1)
        shifted = r + s[..., j, j][..., None, None] * eye
        columns[j] = solve_triangular(shifted, known[..., None], False)[..., 0]
    out = u @ np.stack(columns, -1) @ adjoint(v) if n else right
    return np.astype(out if kind(dtype) == "c" else np.real(out), dtype)


def _triangular_root(t):
    """Return the upper triangular square root of upper triangular matrices, column by column, by Bjorck and Hammarling (1983)."""
    from runtime import numpy as np
    n = t.shape[-1]
    roots = np.sqrt(np.diagonal(t, 0, -2, -1))
    places = np.arange(n)
    made = np.zeros_like(t)
    for j in range(n):
        column = np.zeros_like(t[..., j])
        column = np.where(places == j, roots[..., j][..., None], column)
        for i in range(j - 1, -1, -1):
            inner = np.sum(made[..., i, :] * column, -1)
            value = (t[..., i, j] - inner) / (roots[..., i] + roots[..., j])
            column = np.where(places == i, value[..., None], column)
        made = np.where(places == j, column[..., None], made)
    return made


@op(jvp={"a": "rt.sylvester(out, out, a_dot)"},
    vjp={"a": "rt.sylvester(np.matrix_transpose(out), np.matrix_transpose(out), d_out)"}, batch=lambda a, over=(): matrix_root(a))
def matrix_root(a):
    """Return the principal square root of complex square matrices."""
    t, z = _schur_kernel(as_matrices("sqrtm", a, True))
    return z @ _triangular_root(t) @ adjoint(z)


__all__ = ["column_order", "hessenberg_form", "householder_product", "lu_pivots_to_permutation", "matrix_root", "schur_form",
           "sylvester"]
