"""Eigenvalues and eigenvectors of general matrices, both sides, with derivatives where the eigenvalues differ."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.linalg import adjoint, as_matrices, general_eigen, is_complex
from runtime.ops.matrix import INT, _general_infer, _lapack, _spoilt
from runtime.primitive import Primitive
from runtime.types import aval, kind


def _two_sided_infer(a):
    values, vectors = _general_infer(a)
    return values, vectors, vectors


def _two_sided_emit(block, operands, out_avals):
    w, v, _ = out_avals
    if v.size == 0:
        return [block.zeros(of) for of in out_avals]
    of, info = operands[0].aval, aval(v.shape[:-2], INT)
    config = "compute_left = 86 : ui8, compute_right = 86 : ui8"
    if kind(of.dtype) == "c":
        values, left, right, failed = _lapack(block, "geev", operands, [w, v, v, info], config, (1, 2))
    else:
        part = w.with_dtype(of.dtype)
        real, imaginary, left, right, failed = _lapack(block, "geev", operands, [part, part, v, v, info], config, (2, 3))
        values = block.op("complex", [real, imaginary], w)
    return _spoilt(block, failed, [values, left, right])


_two_sided_kernel = Primitive("eig_two_sided", _two_sided_infer, _two_sided_emit)


@op(jvp={"a": "np.linalg.moved_spectrum(a, a_dot)"}, vjp={"a": "np.linalg.unspectrum(d_out, a)"}, batch=lambda a, over=(): spectrum(a))
def spectrum(a):
    """Return the eigenvalues of square matrices, complex. The derivative is that of simple eigenvalues."""
    return general_eigen(a)[0]


def moved_spectrum(a, a_dot):
    """Return the tangent of eigenvalues: the diagonal of the matrix's change, seen in the basis of eigenvectors."""
    from runtime import numpy as np
    _, _, v = two_sided_eigen(a)
    return np.diagonal(np.linalg.solve(v, np.astype(a_dot, v.dtype) @ v), 0, -2, -1)


def unspectrum(d, a):
    """Return the cotangent of matrices from that of their eigenvalues."""
    from runtime import numpy as np
    _, _, v = two_sided_eigen(a)
    vt = np.matrix_transpose(v)
    return _like(np.linalg.solve(vt, np.expand_dims(d, -1) * vt), a)


def _like(found, a):
    """Return a cotangent as real as the matrix that it belongs to."""
    from runtime import numpy as np
    return found if is_complex(a) else np.real(found)


@op(jvp="np.linalg.moved_eigenvectors(a, a_dot, out)", vjp={"a": "np.linalg.uneigenvectors(d_out, a, out)"},
    batch=lambda a, over=(): two_sided_eigen(a))
def two_sided_eigen(a):
    """Return (eigenvalues, left eigenvectors, right eigenvectors), in columns of length 1, of square matrices.

    The derivative is that of simple eigenvalues; it keeps the columns' lengths, and the phases that make their largest elements
    real.
    """
    return _two_sided_kernel(as_matrices("eig", a, True))


def _gaps(w):
    """Return 1 / (w_j - w_i), and zero on the diagonal."""
    from runtime import numpy as np
    eye = np.eye(w.shape[-1], dtype=bool)
    return np.where(eye, 0, 1 / np.where(eye, 1, np.expand_dims(w, -2) - np.expand_dims(w, -1)))


def moved_columns(w, v, a_dot):
    """Return the tangent of eigenvectors."""
    from runtime import numpy as np
    turned = np.linalg.solve(v, np.astype(a_dot, v.dtype) @ v)
    free = v @ (_gaps(w) * turned)
    longer = -np.sum(np.real(np.conjugate(v) * free), axis=-2, keepdims=True)
    largest = _largest(v)
    turn = -np.imag(np.sum(largest * free, axis=-2, keepdims=True)) / np.real(np.sum(largest * v, axis=-2, keepdims=True))
    return free + v * (longer + 1j * turn)


@op(constant=True, batch=lambda v, over=(): _largest(v))
def _largest(v):
    """Mark the element of each column whose absolute value is the largest: LAPACK makes it real, and the column's length 1."""
    from runtime import numpy as np
    places = np.expand_dims(np.argmax(np.abs(v), axis=-2), -2)
    return np.astype(np.expand_dims(np.arange(np.shape(v)[-2]), -1) == places, v.dtype)


def moved_eigenvectors(a, a_dot, out):
    """Return the tangents of eigenvalues and of the eigenvectors of both sides."""
    from runtime import numpy as np
    w, left, right = out
    w_dot = np.diagonal(np.linalg.solve(right, np.astype(a_dot, right.dtype) @ right), 0, -2, -1)
    return w_dot, moved_columns(np.conjugate(w), left, adjoint(a_dot)), moved_columns(w, right, a_dot)


def _uncolumns(d, w, v):
    """Return the cotangent of matrices from that of their right eigenvectors, by the transpose of ``moved_columns``."""
    from runtime import numpy as np
    along, largest = np.sum(v * d, axis=-2, keepdims=True), _largest(v)
    turn = np.imag(along) / np.real(np.sum(largest * v, axis=-2, keepdims=True))
    free = d - np.conjugate(v) * np.real(along) - 1j * largest * turn
    vt = np.matrix_transpose(v)
    return np.linalg.solve(vt, _gaps(w) * (vt @ free) @ vt)


def uneigenvectors(d, a, out):
    """Return the cotangent of matrices from those of their eigenvalues and eigenvectors."""
    from runtime import numpy as np
    from runtime.cotangent import filled
    w, left, right = out
    d_w, d_left, d_right = filled(d, like=out)
    vt = np.matrix_transpose(right)
    of_values = np.linalg.solve(vt, np.expand_dims(d_w, -1) * vt)
    of_left = adjoint(_uncolumns(d_left, np.conjugate(w), left))
    return _like(of_values + _uncolumns(d_right, w, right) + of_left, a)


@op(linear="d", vjp={"d": "np.linalg.with_fixed_phase(d_out, allowed)"}, batch=lambda d, allowed, over=(): with_fixed_phase(d, allowed))
def with_fixed_phase(d, allowed):
    """Return a tangent or cotangent of eigenvectors; NotImplementedError unless a choice of phases has been agreed to."""
    if not allowed:
        raise NotImplementedError("the eigenvectors of a general matrix have no unique derivative; enable_eigvec_derivs=True gives "
                                  "that of vectors of simple eigenvalues with length 1 and a real largest element")
    return d


@op(jvp={"vectors": "np.linalg.with_fixed_phase(vectors_dot, allowed)"},
    vjp={"vectors": "np.linalg.with_fixed_phase(d_out, allowed)"}, batch=lambda vectors, allowed, over=(): phased(vectors, allowed))
def phased(vectors, allowed):
    """Return eigenvectors as they are; a derivative through them is refused unless it is allowed."""
    return vectors


__all__ = ["moved_columns", "moved_eigenvectors", "moved_spectrum", "phased", "spectrum", "two_sided_eigen", "uneigenvectors",
           "unspectrum", "with_fixed_phase"]
