"""The kernels of linear algebra: triangular solves and Cholesky by StableHLO's own operations, other factorisations by LAPACK."""
from __future__ import annotations

import numpy

from runtime.device import default_backend
from runtime.ops.kernel import real_dtype
from runtime.primitive import Primitive
from runtime.types import aval, kind

INT = numpy.dtype("int32")
PREFIX = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}


def _lapack(block, name, operands, results, config="", matrices=(), given=(0,)):
    """Call a LAPACK routine on stacks; ``matrices`` and ``given`` are the positions of the results and of the operands that are
    matrices (column-major)."""
    if default_backend() not in ("cpu",):
        raise NotImplementedError(f"{name} runs on the CPU only; move its operand there, or compute it before device_put")

    def layout(of, matrix):
        axes = list(range(of.ndim))[::-1]
        if matrix:
            axes[:2] = axes[1::-1]
        return f"dense<[{', '.join(map(str, axes))}]> : tensor<{len(axes)}xindex>" if axes else "dense<> : tensor<0xindex>"
    dtype = operands[0].aval.dtype
    return block.op("custom_call", operands, results, {
        "call_target_name": f'"lapack_{PREFIX[dtype.name]}{name}_ffi"', "api_version": "4 : i32",
        "backend_config": "{" + config + "}",
        "operand_layouts": "[" + ", ".join([layout(v.aval, i in given) for i, v in enumerate(operands)]) + "]",
        "result_layouts": "[" + ", ".join([layout(of, i in matrices) for i, of in enumerate(results)]) + "]"})


def _spoilt(block, info, values):
    """Return values, NaN where LAPACK reports failure."""
    zero = block.constant(0, INT, info.aval.shape)
    bad = block.compare("NE", info, zero)
    made = []
    for v in values:
        of, lead = v.aval, info.aval.ndim
        nan = block.constant(complex(numpy.nan, numpy.nan) if kind(of.dtype) == "c" else numpy.nan, of.dtype, of.shape)
        mask = block.broadcast(bad, of.shape, tuple(range(lead)))
        made.append(block.op("select", [mask, nan, v], of))
    return made


def _part(block, x, rows, columns):
    lead = x.aval.shape[:-2]
    if x.aval.shape[-2:] == (rows, columns):
        return x
    return block.op("slice", [x], x.aval.with_shape(lead + (rows, columns)), {
        "start_indices": (0,) * x.aval.ndim, "limit_indices": lead + (rows, columns), "strides": (1,) * x.aval.ndim})


# ---- StableHLO's own ----

def _triangular_emit(block, operands, out_avals, *, lower, transposed, unit):
    if out_avals[0].size == 0:
        return block.zeros(out_avals[0])
    return block.op("triangular_solve", operands, out_avals[0], {
        "left_side": True, "lower": lower, "unit_diagonal": unit,
        "transpose_a": f"#stablehlo<transpose {'TRANSPOSE' if transposed else 'NO_TRANSPOSE'}>"})


triangular_kernel = Primitive("triangular_solve", lambda a, b, *, lower, transposed, unit: b.strong(), _triangular_emit)


def _cholesky_emit(block, operands, out_avals):
    return operands[0] if out_avals[0].size == 0 else block.op("cholesky", operands, out_avals[0], {"lower": True})


cholesky_kernel = Primitive("cholesky", lambda a: a.strong(), _cholesky_emit)


# ---- LU ----

def _lu_infer(a):
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    return a.strong(), aval(lead + (min(m, n),), INT), aval(lead + (m,), INT)


def _lu_emit(block, operands, out_avals):
    factors, pivots, order = out_avals
    if factors.size == 0:
        return [block.zeros(factors), block.zeros(pivots), block.op("iota", [], order, {"iota_dimension": order.ndim - 1})]
    info = aval(factors.shape[:-2], INT)
    lu, rows, failed = _lapack(block, "getrf", operands, [factors, pivots, info], "", (0,))
    rows = block.op("subtract", [rows, block.constant(1, INT, pivots.shape)], pivots)
    bad = block.compare("LT", failed, block.constant(0, INT, info.shape))  # above zero: singular, the factors are valid
    nan = block.constant(complex(numpy.nan, numpy.nan) if kind(factors.dtype) == "c" else numpy.nan, factors.dtype, factors.shape)
    lu = block.op("select", [block.broadcast(bad, factors.shape, tuple(range(info.ndim))), nan, lu], factors)
    return [lu, rows, _permutation(block, rows, order)]


def _permutation(block, rows, order):
    """Apply the exchanges of a factorisation, one after the other, to 0 ... m - 1."""
    lead, count = order.shape[:-1], rows.aval.shape[-1]
    cell, column = aval((), INT), aval(lead + (1,), INT)
    start = [block.constant(0, INT), block.op("iota", [], order, {"iota_dimension": order.ndim - 1}), rows]
    types = [v.aval for v in start]
    test, body = block.region(types), block.region(types)
    test.ret([test.compare("LT", test.args[0], test.constant(count, INT))])
    i, current, pivots = body.args
    zeros = [body.constant(0, INT)] * len(lead)
    target = body.op("dynamic_slice", [pivots, *zeros, i], column, {"slice_sizes": lead + (1,)})
    places = body.op("iota", [], order, {"iota_dimension": order.ndim - 1})
    at_target = body.compare("EQ", places, body.broadcast(target, order.shape, tuple(range(order.ndim))))
    here = body.op("dynamic_slice", [current, *zeros, i], column, {"slice_sizes": lead + (1,)})
    picked = body.op("select", [at_target, current, body.constant(0, INT, order.shape)], order)
    there = body.op("reduce", [picked, body.constant(0, INT)], aval(lead, INT), {"dimensions": (order.ndim - 1,)},
                    [body.binary_region("add", INT)])
    moved = body.op("select", [at_target, body.broadcast(here, order.shape, tuple(range(order.ndim))), current], order)
    moved = body.op("dynamic_update_slice", [moved, body.reshape(there, column.shape), *zeros, i], order)
    body.ret([body.op("add", [i, body.constant(1, INT)], cell), moved, pivots])
    return block.op("while", start, types, None, [test, body])[1]


lu_kernel = Primitive("lu", _lu_infer, _lu_emit)


# ---- QR ----

def _qr_infer(a, *, full):
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = m if full else min(m, n)
    return aval(lead + (m, k), a.dtype), aval(lead + (k, n), a.dtype)


def _qr_emit(block, operands, out_avals, *, full):
    q_type, r_type = out_avals
    a, of = operands[0], operands[0].aval
    lead, (m, n), k = of.shape[:-2], of.shape[-2:], min(of.shape[-2:])
    if of.size == 0:
        return [block.zeros(q_type), block.zeros(r_type)]
    tau = aval(lead + (k,), of.dtype)
    packed, scales = _lapack(block, "geqrf", [a], [of.strong(), tau], "", (0,))
    columns = q_type.shape[-1]
    if columns <= n:
        start = _part(block, packed, m, columns)
    else:
        start = block.op("pad", [packed, block.constant(0, of.dtype)], q_type, {
            "edge_padding_low": (0,) * of.ndim, "edge_padding_high": (0,) * (of.ndim - 1) + (columns - n,),
            "interior_padding": (0,) * of.ndim})
    q = _lapack(block, "ungqr" if kind(of.dtype) == "c" else "orgqr", [start, scales], [q_type], "", (0,))[0]
    r = _part(block, packed, r_type.shape[-2], n)
    row = block.op("iota", [], aval(r_type.shape, INT), {"iota_dimension": r_type.ndim - 2})
    column = block.op("iota", [], aval(r_type.shape, INT), {"iota_dimension": r_type.ndim - 1})
    return [q, block.op("select", [block.compare("LE", row, column), r, block.zeros(r_type)], r_type)]


qr_kernel = Primitive("qr", _qr_infer, _qr_emit)


def _reflections_infer(a):
    return a.strong(), aval(a.shape[:-2] + (min(a.shape[-2:]),), a.dtype)


def _reflections_emit(block, operands, out_avals):
    if operands[0].aval.size == 0:
        return [block.zeros(of) for of in out_avals]
    return _lapack(block, "geqrf", operands, out_avals, "", (0,))


reflections_kernel = Primitive("geqrf", _reflections_infer, _reflections_emit)


# ---- eigenvalues ----

def _eigen_infer(a):
    return aval(a.shape[:-1], real_dtype(a.dtype)), a.strong()


def _eigen_emit(block, operands, out_avals):
    w, v = out_avals
    if v.size == 0:
        return [block.zeros(w), block.zeros(v)]
    name = "heevd" if kind(v.dtype) == "c" else "syevd"
    vectors, values, info = _lapack(block, name, operands, [v, w, aval(v.shape[:-2], INT)], "mode = 86 : ui8, uplo = 76 : ui8", (0,))
    return _spoilt(block, info, [values, vectors])


eigen_kernel = Primitive("eigh", _eigen_infer, _eigen_emit)


def _general_infer(a):
    dtype = numpy.dtype("complex128" if a.dtype in (numpy.float64, numpy.complex128) else "complex64")
    return aval(a.shape[:-1], dtype), aval(a.shape, dtype)


def _general_emit(block, operands, out_avals):
    w, v = out_avals
    if v.size == 0:
        return [block.zeros(w), block.zeros(v)]
    of, info = operands[0].aval, aval(v.shape[:-2], INT)
    config = "compute_left = 78 : ui8, compute_right = 86 : ui8"
    if kind(of.dtype) == "c":
        values, _, vectors, failed = _lapack(block, "geev", operands, [w, v, v, info], config, (1, 2))
    else:
        part = w.with_dtype(of.dtype)
        real, imaginary, _, vectors, failed = _lapack(block, "geev", operands, [part, part, v, v, info], config, (2, 3))
        values = block.op("complex", [real, imaginary], w)
    return _spoilt(block, failed, [values, vectors])


general_eigen_kernel = Primitive("eig", _general_infer, _general_emit)


# ---- singular values ----

def _svd_infer(a, *, full):
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    return (aval(lead + (m, m if full else k), a.dtype), aval(lead + (k,), real_dtype(a.dtype)),
            aval(lead + (n if full else k, n), a.dtype))


def _svd_emit(block, operands, out_avals, *, full):
    u, s, vt = out_avals
    of = operands[0].aval.strong()
    if of.size == 0:
        return [block.zeros(o) for o in out_avals]
    mode = 65 if full else 83
    made = _lapack(block, "gesdd", operands, [of, s, u, vt, aval(of.shape[:-2], INT)], f"mode = {mode} : ui8", (0, 2, 3))
    values, left, right = _spoilt(block, made[4], [made[1], made[2], made[3]])
    return [left, values, right]


svd_kernel = Primitive("svd", _svd_infer, _svd_emit)


__all__ = ["cholesky_kernel", "eigen_kernel", "general_eigen_kernel", "lu_kernel", "qr_kernel", "svd_kernel",
           "triangular_kernel"]
