"""Products of vectors, convolution of signals and windows: plain Python over ops."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.create import array
from runtime.ops.kernel import about_types, inexact
from runtime.types import canonical_dtype, result_type


# ---- products of vectors, signals ----

def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """Return the cross product of vectors of three (or two) components along an axis."""
    from runtime import numpy as np
    if axis is not None:
        axisa = axis
        axisb = axis
        axisc = axis
    u, v = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if u.shape[-1] not in (2, 3) or v.shape[-1] not in (2, 3):
        raise ValueError(f"cross: both input arrays must have 2 or 3 components along their axis, got {u.shape} and {v.shape}")
    if u.shape[-1] == 2 and v.shape[-1] == 2:
        return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    if u.shape[-1] == 2:
        u = np.concatenate([u, np.zeros(u.shape[:-1] + (1,), u.dtype)], -1)
    if v.shape[-1] == 2:
        v = np.concatenate([v, np.zeros(v.shape[:-1] + (1,), v.dtype)], -1)
    first = u[..., 1] * v[..., 2] - u[..., 2] * v[..., 1]
    second = u[..., 2] * v[..., 0] - u[..., 0] * v[..., 2]
    third = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    return np.moveaxis(np.stack([first, second, third], -1), -1, axisc)


def kron(a, b):
    """Return the Kronecker product: a block for each element of ``a``, that element times ``b``."""
    from runtime import numpy as np
    rank = max(np.ndim(a), np.ndim(b))
    sa, sb = (1,) * (rank - np.ndim(a)) + np.shape(a), (1,) * (rank - np.ndim(b)) + np.shape(b)
    left = np.reshape(a, tuple([k for n in sa for k in (n, 1)]))
    right = np.reshape(b, tuple([k for n in sb for k in (1, n)]))
    return np.reshape(left * right, tuple([n * m for n, m in zip(sa, sb)]))


def convolve(a, v, mode="full", *, precision=None, preferred_element_type=None):
    """Return the convolution of two vectors; "full" overlap, "same" length as the longer, or "valid" only."""
    return _sliding(a, v, mode, "convolve")


def correlate(a, v, mode="valid", *, precision=None, preferred_element_type=None):
    """Return the cross-correlation of two vectors."""
    from runtime import numpy as np
    if np.ndim(a) == 1 and np.ndim(v) == 1 and np.shape(a)[0] < np.shape(v)[0]:
        return np.flip(_sliding(np.flip(a), np.conjugate(v), mode, "correlate"))
    if np.ndim(v) != 1:
        raise ValueError(f"correlate: only one-dimensional arrays can be correlated, got shapes {np.shape(a)} and {np.shape(v)}")
    return _sliding(a, np.conjugate(np.flip(v)), mode, "correlate")


def _sliding(a, v, mode, name):
    from runtime import numpy as np
    if np.ndim(a) != 1 or np.ndim(v) != 1 or np.shape(a)[0] == 0 or np.shape(v)[0] == 0:
        raise ValueError(f"{name}: both inputs must be non-empty vectors, got shapes {np.shape(a)} and {np.shape(v)}")
    a, v = np.astype(a, sliding_dtype(a, v)), np.astype(v, sliding_dtype(a, v))
    long, short = a, v
    if np.shape(a)[0] < np.shape(v)[0]:
        long, short = v, a
    n, m = np.shape(long)[0], np.shape(short)[0]
    padded = np.pad(long, (m - 1, m - 1))
    windows = padded[sliding_places(n + m - 1, m)]
    full = np.dot(windows, np.flip(short))
    if mode == "full":
        return full
    if mode == "same":
        return full[(m - 1) // 2:(m - 1) // 2 + n]
    if mode == "valid":
        return full[m - 1:n]
    raise ValueError(f"{name}: mode must be one of 'full', 'same' or 'valid', got {mode!r}")


@about_types
def sliding_dtype(a, v):
    """Return the floating or complex dtype of a convolution."""
    return inexact(result_type(a, v))


@op(constant=True, unbatched=True)
def sliding_places(count, width):
    """Return the indices of ``count`` windows of some width, one row each."""
    return array(numpy.arange(count)[:, None] + numpy.arange(width)[None, :])


# ---- windows ----

@op(constant=True, unbatched=True)
def _host_window(name, M, *args):
    return array(getattr(numpy, name)(M, *args), canonical_dtype(float))


def hamming(M):
    """Return the Hamming window of M points."""
    return _host_window("hamming", M)


def hanning(M):
    """Return the Hann window of M points."""
    return _host_window("hanning", M)


def blackman(M):
    """Return the Blackman window of M points."""
    return _host_window("blackman", M)


def bartlett(M):
    """Return the Bartlett (triangular) window of M points."""
    return _host_window("bartlett", M)


def kaiser(M, beta):
    """Return the Kaiser window of M points; ``beta`` must be concrete."""
    return _host_window("kaiser", M, float(beta))

__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
