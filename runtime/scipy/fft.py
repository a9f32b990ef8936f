"""Discrete cosine transforms of type 2 and their inverses, by one FFT of the same length."""
import math

from runtime.ops.fact import fact as _fact
from runtime.types import aval_of as _aval_of


@_fact
def checked(name, like, type, norm, axes):
    """Return axes counted from the front; NotImplementedError and ValueError for types and norms that are not known."""
    if type != 2:
        raise NotImplementedError(f"{name}: only type 2 is implemented, got type={type!r}")
    if norm not in (None, "backward", "ortho"):
        raise ValueError(f"{name}: norm must be None, 'backward' or 'ortho', got {norm!r}")
    ndim = len(_aval_of(like).shape)
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise ValueError(f"{name}: axis {axis} is out of bounds for an array of {ndim} axes")
    return tuple([axis % ndim for axis in axes])


@_fact
def transformed(name, like, s, axes):
    """Return [(axis, length)] of a transform along several axes; lengths are None where they stay."""
    ndim = len(_aval_of(like).shape)
    sizes = None if s is None else [int(n) for n in (s if hasattr(s, "__len__") else [s])]
    if sizes is not None and len(sizes) > ndim:
        raise ValueError(f"{name}: s must have at most {ndim} numbers, got {len(sizes)}")
    if axes is None:
        axes = range(ndim) if sizes is None else range(ndim - len(sizes), ndim)
    axes = [axes] if not hasattr(axes, "__iter__") else list(axes)
    if sizes is None:
        return [(axis, None) for axis in axes]
    if len(sizes) != len(axes):
        raise ValueError(f"{name}: s and axes must have the same length, got {sizes} and {axes}")
    return list(zip(axes, sizes))


def resized(x, n, axis):
    """Return the array cut or padded with zeros to length ``n`` along its last axis, to which ``axis`` is moved."""
    from runtime import numpy as np
    x = np.moveaxis(x, axis, -1)
    if n is None:
        return x
    if n <= x.shape[-1]:
        return x[..., :n]
    return np.concatenate([x, np.zeros(x.shape[:-1] + (n - x.shape[-1],), x.dtype)], -1)


def orthonormal(size):
    """Return the factors that make a cosine transform of a length orthonormal."""
    from runtime import numpy as np
    return np.where(np.arange(size) == 0, math.sqrt(0.25 / size), math.sqrt(0.5 / size))


def dct(x, type=2, n=None, axis=-1, norm=None):
    """Return the cosine transform along an axis: 2 * sum of x[j] cos(pi k (2 j + 1) / (2 N)); "ortho" makes it orthonormal."""
    from runtime import numpy as np
    from runtime.ops.elementwise import make_complex
    axis = checked("dct", x, type, norm, (axis,))[0]
    if np.iscomplexobj(x):
        return make_complex(dct(np.real(x), type, n, axis, norm), dct(np.imag(x), type, n, axis, norm))
    x = np.asarray(x) * 1.0
    x = resized(np.astype(x, np.result_type(x.dtype, np.float32)), n, axis)      # what the FFT takes
    size = x.shape[-1]
    # even elements ascending, then odd ones descending: their Fourier transform, turned back by a quarter step, is real twice
    spectrum = np.fft.fft(np.concatenate([x[..., ::2], np.flip(x[..., 1::2], -1)], -1), axis=-1)
    angle = np.arange(size) * (math.pi / (2 * size))
    out = 2 * (np.real(spectrum) * np.cos(angle) + np.imag(spectrum) * np.sin(angle))
    if norm == "ortho":
        out = out * orthonormal(size)
    return np.moveaxis(np.astype(out, x.dtype), -1, axis)


def idct(x, type=2, n=None, axis=-1, norm=None):
    """Return the inverse of ``dct`` along an axis."""
    from runtime import numpy as np
    from runtime.ops.elementwise import make_complex
    axis = checked("idct", x, type, norm, (axis,))[0]
    if np.iscomplexobj(x):
        return make_complex(idct(np.real(x), type, n, axis, norm), idct(np.imag(x), type, n, axis, norm))
    x = np.asarray(x) * 1.0
    x = resized(np.astype(x, np.result_type(x.dtype, np.float32)), n, axis)      # what the FFT takes
    size = x.shape[-1]
    if norm == "ortho":
        x = x / orthonormal(size)
    angle = np.arange(size) * (math.pi / (2 * size))
    # the spectrum that dct's was made of: X[k] - i X[N - k], turned forward by a quarter step
    mirrored = np.concatenate([np.zeros(x.shape[:-1] + (1,), x.dtype), np.flip(x[..., 1:], -1)], -1)
    cosine, sine = np.cos(angle), np.sin(angle)
    spectrum = make_complex(0.5 * (x * cosine + mirrored * sine), 0.5 * (x * sine - mirrored * cosine))
    folded = np.real(np.fft.ifft(spectrum, axis=-1))
    half = (size + 1) // 2
    first, second = folded[..., :half], np.flip(folded[..., half:], -1)
    out = np.zeros_like(folded).at[..., ::2].set(first).at[..., 1::2].set(second)
    return np.moveaxis(np.astype(out, x.dtype), -1, axis)


def dctn(x, type=2, s=None, axes=None, norm=None):
    """Return the cosine transform along several axes (all by default)."""
    from runtime import numpy as np
    x = np.asarray(x)
    for axis, n in transformed("dctn", x, s, axes):
        x = dct(x, type, n, axis, norm)
    return x


def idctn(x, type=2, s=None, axes=None, norm=None):
    """Return the inverse of ``dctn`` along several axes (all by default)."""
    from runtime import numpy as np
    x = np.asarray(x)
    for axis, n in transformed("idctn", x, s, axes):
        x = idct(x, type, n, axis, norm)
    return x
