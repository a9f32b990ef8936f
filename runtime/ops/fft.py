"""The discrete Fourier transform over the last axes, and the change of length along an axis that goes with it."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.fact import fact
from runtime.ops.kernel import real_dtype
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, kind, promote_types
from runtime.zero import ZERO

KINDS = ("FFT", "IFFT", "RFFT", "IRFFT")


def _complex_dtype(dtype):
    return numpy.dtype("complex128" if dtype in (numpy.float64, numpy.complex128) else "complex64")


def _fft_infer(x, *, how, lengths):
    lead, last = x.shape[:x.ndim - len(lengths)], lengths[-1]
    if how == "RFFT":
        return aval(lead + lengths[:-1] + (last // 2 + 1,), _complex_dtype(x.dtype))
    return aval(lead + lengths, real_dtype(x.dtype) if how == "IRFFT" else x.dtype)


def _fft_emit(block, operands, out_avals, *, how, lengths):
    if out_avals[0].size == 0:
        return block.zeros(out_avals[0])
    return block.op("fft", operands, out_avals[0], {"fft_type": f"#stablehlo<fft_type {how}>", "fft_length": lengths})


_fft = Primitive("fft", _fft_infer, _fft_emit)


def fft_name(fft_type) -> str:
    """Return a kind of transform as "FFT", "IFFT", "RFFT" or "IRFFT"; ValueError for others."""
    if isinstance(fft_type, int) and not isinstance(fft_type, bool):
        return KINDS[fft_type]
    name = str(getattr(fft_type, "name", fft_type)).upper()
    if name not in KINDS:
        raise ValueError(f"fft: fft_type {fft_type!r}; use one of {', '.join(KINDS)}")
    return name


@op(linear="x", vjp={"x": "rt.astype_like(np.fft.unfft(d_out, fft_type, fft_lengths), like=x)"},
    batch=lambda x, fft_type, fft_lengths, over=(): fft(x, fft_type, fft_lengths))
def fft(x, fft_type, fft_lengths):
    """Transform the last axes, of the given lengths (the lengths of the real side, for RFFT and IRFFT).

    ``fft_type`` is "FFT", "IFFT", "RFFT" (real to complex) or "IRFFT" (complex to real). TypeError for an array whose kind does
    not fit, ValueError for lengths that do not.
    """
    x, how, lengths = as_operand(x, "fft"), fft_name(fft_type), tuple(int(n) for n in fft_lengths)
    if not 1 <= len(lengths) <= 3:
        raise ValueError(f"fft: {len(lengths)} lengths; one to three axes can be transformed")
    if how == "RFFT":
        if kind(x.dtype) == "c":
            raise TypeError(f"fft: RFFT needs a real array, got {x.dtype}; use FFT")
        x = cast(x, numpy.float64 if x.dtype == numpy.float64 else numpy.float32)
    else:
        x = cast(x, x.dtype if kind(x.dtype) == "c" else promote_types(x.dtype, numpy.dtype("complex64")))
    wanted = lengths[:-1] + (lengths[-1] // 2 + 1,) if how == "IRFFT" else lengths
    if x.shape[-len(lengths):] != wanted:
        raise ValueError(f"fft: {how} of lengths {lengths} needs last axes {wanted}, got an array of shape {x.shape}")
    return _fft(x, how=how, lengths=lengths)


def unfft(d, fft_type, fft_lengths):
    """Return the cotangent of a transform's operand."""
    from runtime import numpy as np
    if d is ZERO:
        return ZERO
    how, size = fft_facts(fft_type, fft_lengths)
    if how == "RFFT":
        return np.real(fft(resized(d, fft_lengths[-1], -1), "FFT", fft_lengths))
    if how == "IRFFT":
        return np.conjugate(fft(d, "RFFT", fft_lengths)) * (half_weights(fft_lengths[-1], d) / size)
    return fft(d, how, fft_lengths)


@fact
def fft_facts(fft_type, fft_lengths):
    """Return the name of a transform and its number of points."""
    return fft_name(fft_type), math.prod(fft_lengths)


@fact
def half_weights(n, like):
    """Return how often each frequency of a real signal's half spectrum occurs in the whole: once or twice."""
    weights = numpy.full(n // 2 + 1, 2.0)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return as_operand(weights.astype(real_dtype(like.dtype)))


@op(linear="a", vjp={"a": "np.fft.resized_like(d_out, axis, like=a)"}, batch=lambda a, n, axis, over=(): resized(a, n, axis))
def resized(a, n, axis):
    """Return the array cut, or padded with zeros, to ``n`` elements along an axis counted from the right."""
    from runtime.ops.slices import lax_pad
    a = as_operand(a, "fft")
    if n < 1:
        raise ValueError(f"fft: invalid number of data points ({n}) specified; it must be positive")
    if a.shape[axis] == n:
        return a
    edges = [(0, 0, 0)] * a.ndim
    edges[axis] = (0, n - a.shape[axis], 0)
    return lax_pad(a, numpy.zeros((), a.dtype), tuple(edges))


def _resized_like_batched(d, axis, like, over=()):
    return resized_like(d, axis, like)


@op(linear="d", vjp={"d": "np.fft.resized_like(d_out, axis, like=d)"}, batch=_resized_like_batched)
def resized_like(d, axis, like):
    """Return the array cut, or padded with zeros, to the length that ``like`` has along an axis counted from the right."""
    return resized(d, like.shape[axis], axis)
