"""Tridiagonal matrices: systems with them, and the form of Hermitian matrices."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.linalg import as_matrices
from runtime.ops.matrix import INT, _lapack, _spoilt
from runtime.ops.kernel import real_dtype
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, kind, promote_types


def _solve_emit(block, operands, out_avals):
    out = out_avals[0]
    if out.size == 0:
        return block.zeros(out)
    dl, d, du, b = operands
    info = aval(out.shape[:-2], INT)
    found = _lapack(block, "gtsv", operands, [dl.aval.strong(), d.aval.strong(), du.aval.strong(), out, info], "", (3,), (3,))
    return _spoilt(block, found[4], [found[3]])[0]


_solve_kernel = Primitive("tridiagonal_solve", lambda dl, d, du, b: b.strong(), _solve_emit)


def tridiagonal_system_batched(dl, d, du, b, over=()):
    """Solve every example's system."""
    from runtime import numpy as np
    size = [x.shape[0] for p, x in (("dl", dl), ("d", d), ("du", du), ("b", b)) if p in over][0]
    dl, d, du, b = [x if p in over else np.broadcast_to(x, (size,) + np.shape(x)) for p, x in (("dl", dl), ("d", d), ("du", du), ("b", b))]
    return tridiagonal_system(dl, d, du, b)


@op(jvp={"dl": "-np.linalg.tridiagonal_system(dl, d, du, np.linalg.times_diagonal(dl_dot, out, -1))",
         "d": "-np.linalg.tridiagonal_system(dl, d, du, np.linalg.times_diagonal(d_dot, out, 0))",
         "du": "-np.linalg.tridiagonal_system(dl, d, du, np.linalg.times_diagonal(du_dot, out, 1))",
         "b": "np.linalg.tridiagonal_system(dl, d, du, b_dot)"},
    vjp={"dl": "-np.linalg.of_diagonal(np.linalg.transposed_tridiagonal_system(dl, d, du, d_out), out, -1)",
         "d": "-np.linalg.of_diagonal(np.linalg.transposed_tridiagonal_system(dl, d, du, d_out), out, 0)",
         "du": "-np.linalg.of_diagonal(np.linalg.transposed_tridiagonal_system(dl, d, du, d_out), out, 1)",
         "b": "np.linalg.transposed_tridiagonal_system(dl, d, du, d_out)"}, batch=tridiagonal_system_batched)
def tridiagonal_system(dl, d, du, b):
    """Return x (..., n, k) with the tridiagonal matrix times x equal to b, by elimination with exchanged rows.

    dl, d, du: (..., n): the diagonals below, on and above the main one; the first of dl and the last of du are not read.
    ValueError for other shapes. NaN for singular matrices.
    """
    dl, d, du, b = [as_operand(x, "tridiagonal_solve") for x in (dl, d, du, b)]
    if b.ndim < 2 or not dl.shape == d.shape == du.shape == b.shape[:-1]:
        raise ValueError("tridiagonal_solve requires that dl, d and du have the same shape (..., n) and b the shape (..., n, k); got "
                         f"dl={dl.shape}, d={d.shape}, du={du.shape}, b={b.shape}")
    dtype = b.dtype
    for x in (dl, d, du):
        dtype = promote_types(dtype, x.dtype)
    if kind(dtype) not in "fc" or dtype.itemsize < 4:
        raise ValueError(f"tridiagonal_solve: dtype {dtype} is not available; cast the operands to float32 or float64")
    return _solve_kernel(*[cast(x, dtype) for x in (dl, d, du, b)])


def transposed_tridiagonal_system(dl, d, du, b):
    """Solve the system of the transposed matrix: its diagonals change places, one row further."""
    from runtime import numpy as np
    return tridiagonal_system(np.roll(du, 1, -1), d, np.roll(dl, -1, -1), b)


def times_diagonal(diagonal, x, place):
    """Return the matrix with one diagonal below (-1), on (0) or above (1) the main one, times x."""
    from runtime import numpy as np
    return np.expand_dims(_inside(diagonal, place), -1) * np.roll(x, -place, -2)


def of_diagonal(back, x, place):
    """Return the cotangent of one diagonal, for the transposed solution ``back`` and the solution x."""
    from runtime import numpy as np
    return _inside(np.sum(back * np.roll(x, -place, -2), axis=-1), place)


def _inside(diagonal, place):
    """Return a diagonal, zero where it is outside the matrix."""
    from runtime import numpy as np
    n = np.shape(diagonal)[-1]
    if place == 0:
        return diagonal
    return diagonal * np.astype(np.arange(n) != (0 if place < 0 else n - 1), diagonal.dtype)


# ---- the tridiagonal form of Hermitian matrices ----

def _form_infer(a, *, lower):
    lead, n, real = a.shape[:-2], a.shape[-1], real_dtype(a.dtype)
    return a.strong(), aval(lead + (n,), real), aval(lead + (n - 1,), real), aval(lead + (n - 1,), a.dtype)


def _form_emit(block, operands, out_avals, *, lower):
    packed, d, e, taus = out_avals
    name = "hetrd" if kind(packed.dtype) == "c" else "sytrd"
    info = aval(packed.shape[:-2], INT)
    made = _lapack(block, name, operands, [packed, d, e, taus, info], f"uplo = {76 if lower else 85} : ui8", (0,))
    return _spoilt(block, made[4], made[:4])


_form_kernel = Primitive("tridiagonal", _form_infer, _form_emit)


@op(nondifferentiable="the tridiagonal form has no derivative rule; differentiate eigh", batch=lambda a, lower=True, over=(): tridiagonal_form(
    a, lower))
def tridiagonal_form(a, lower=True):
    """Return (the reflections, the diagonal, the diagonal beside it, the reflections' scales) of Hermitian matrices (..., n, n)."""
    a = as_matrices("tridiagonal", a, True)
    if a.shape[-1] == 0:
        raise ValueError(f"tridiagonal: needs matrices with at least one row, got shape {a.shape}")
    return _form_kernel(a, lower=bool(lower))
