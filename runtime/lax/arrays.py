"""lax's smaller functions of arrays: splitting, stacking, tiling, high words of products, search, platforms."""
from __future__ import annotations

import enum

import numpy

from runtime import device
from runtime.ops.constrain import out_sharded
from runtime.ops.create import astype, full
from runtime.ops.fact import fact
from runtime.ops.joining import stack as join_new
from runtime.ops.kernel import about_types
from runtime.ops.shape import broadcast_to, like_shape
from runtime.ops.slices import slice_in_dim
from runtime.types import kind, result_type


class FftType(enum.IntEnum):
    """Which Fourier transform lax.fft computes."""
    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3


@fact
def transform_name(fft_type):
    """Return the name of a kind of Fourier transform; ValueError for another."""
    name = getattr(fft_type, "name", str(fft_type).upper())
    if name not in FftType.__members__:
        raise ValueError(f"fft: fft_type {fft_type!r}; use one of {', '.join(FftType.__members__)}")
    return name


@about_types
def check_lengths(x, name, lengths):
    """Return the axes of a transform; ValueError where the lengths are not those of the array."""
    axes = tuple(range(len(x.shape) - len(lengths), len(x.shape)))
    own = tuple(x.shape)[len(x.shape) - len(lengths):]
    fits = own[:-1] == lengths[:-1] and own[-1] == lengths[-1] // 2 + 1 if name == "IRFFT" else own == lengths
    if not 1 <= len(lengths) <= 3 or len(lengths) > len(x.shape) or not fits:
        raise ValueError(f"fft: {name} of lengths {lengths} does not fit the shape {tuple(x.shape)}; there are one to three, and they "
                         "are the sizes of the last axes (IRFFT: of the result's)")
    return axes


def fft(x, fft_type, fft_lengths):
    """Return the Fourier transform (FftType, or its name) over the last axes, as many as there are lengths.

    ValueError where ``fft_lengths`` are not the sizes of these axes; for IRFFT they are those of the result.
    """
    from runtime import numpy as np
    name = transform_name(fft_type)
    lengths = tuple(fft_lengths)
    axes = check_lengths(x, name, lengths)
    if name == "FFT":
        return np.fft.fftn(x, lengths, axes)
    if name == "IFFT":
        return np.fft.ifftn(x, lengths, axes)
    if name == "RFFT":
        return np.fft.rfftn(x, lengths, axes)
    return np.fft.irfftn(x, lengths, axes)


@fact
def split_starts(like, sizes, axis):
    """Return the axis and where its parts start; ValueError unless the sizes add up to that of the axis."""
    whole = tuple(like.shape)
    if not -len(whole) <= axis < len(whole):
        raise ValueError(f"split: axis {axis} is out of bounds for shape {whole}")
    if sum(sizes) != whole[axis]:
        raise ValueError(f"split: sizes {tuple(sizes)} must add up to {whole[axis]}, the size of axis {axis} of shape {whole}")
    return axis % len(whole), [sum(sizes[:n]) for n in range(len(sizes))]


def split(operand, sizes, axis=0):
    """Return the parts of an array along an axis, of the given sizes; ValueError unless they add up to the axis."""
    found = split_starts(operand, sizes, axis)
    return [slice_in_dim(operand, start, start + size, 1, found[0]) for start, size in zip(found[1], sizes)]


def stack(operands, axis=0):
    """Return arrays of one shape joined along a new axis."""
    return join_new(operands, axis)


def unstack(x, axis=0):
    """Return the parts of an array along an axis, without it."""
    from runtime import numpy as np
    return tuple(np.unstack(x, axis=axis))


def tile(operand, reps):
    """Return the array repeated along every axis; ValueError unless there is a number for each."""
    from runtime import numpy as np
    return np.tile(operand, checked_reps(operand, reps))


@about_types
def checked_reps(operand, reps):
    """Return the numbers of repetitions; ValueError unless there is one for each axis."""
    if len(tuple(reps)) != len(operand.shape):
        raise ValueError(f"tile: reps {tuple(reps)} must have one number for each axis of shape {tuple(operand.shape)}")
    return tuple(reps)


def broadcast_like(arr, like_arr):
    """Return an array broadcast to the shape of another."""
    return broadcast_to(arr, like_shape(like_arr))


@about_types
def dtype(x):
    """Return the dtype of an array, a number, or a dtype."""
    return result_type(x)


@out_sharded
def empty(shape, dtype):
    """Return an array of a shape; its values are zeros here."""
    return full(shape, 0, dtype)


def shape_as_value(shape):
    """Return a shape as an integer array."""
    from runtime import numpy as np
    return np.array(shape, int)


@about_types
def half_types(x, y):
    """Return (type of the product, bits); TypeError unless both operands have one integer type of 8 to 64 bits."""
    a, b = result_type(x), result_type(y)
    if a != b or kind(a) not in "iu" or a.itemsize * 8 not in (8, 16, 32, 64):
        raise TypeError(f"mulhi needs two operands of one integer type, got {a} and {b}")
    return a, 8 * a.itemsize


def mulhi(x, y, /):
    """Return the upper half of the product of integers, which has twice their width; TypeError for other types."""
    from runtime import numpy as np
    from runtime.ops.binary import shift_right_arithmetic, shift_right_logical
    found = half_types(x, y)
    own, bits = found
    shift = shift_right_arithmetic if own.kind == "i" else shift_right_logical
    if bits < 32:
        wide = numpy.dtype("int32") if own.kind == "i" else numpy.dtype("uint32")
        return astype(shift(astype(x, wide) * astype(y, wide), np.asarray(bits, wide)), own)
    half = np.asarray(bits // 2, own)
    mask = np.asarray((1 << bits // 2) - 1, own)
    x_low, y_low, x_high, y_high = x & mask, y & mask, shift(x, half), shift(y, half)
    low = shift_right_logical(x_low * y_low, half)
    middle = x_high * y_low + low
    rest = x_low * y_high + (middle & mask)
    return x_high * y_high + shift(middle, half) + shift(rest, half)


def approx_max_k(operand, k, reduction_dimension=-1, recall_target=0.95, reduction_input_size_override=-1, aggregate_to_topk=True):
    """Return (values, indices) of the ``k`` largest elements along an axis: exactly, on every device, which is allowed."""
    from runtime import lax
    from runtime import numpy as np
    found = lax.top_k(np.moveaxis(operand, reduction_dimension, -1), k)
    return np.moveaxis(found[0], -1, reduction_dimension), np.moveaxis(found[1], -1, reduction_dimension)


def approx_min_k(operand, k, reduction_dimension=-1, recall_target=0.95, reduction_input_size_override=-1, aggregate_to_topk=True):
    """Return (values, indices) of the ``k`` smallest elements along an axis: exactly, on every device, which is allowed."""
    found = approx_max_k(-operand, k, reduction_dimension)
    return -found[0], found[1]


@fact
def platform_choice(names, has_default):
    """Return the number of the branch for the default device's platform, -1 for the default; NotImplementedError for none."""
    platform = device.default_backend()
    own = {"gpu": ("cuda", "rocm", "gpu")}.get(platform, (platform,))
    for number, name in enumerate(names):
        if name in own:
            return number
    if not has_default:
        raise NotImplementedError(f"platform_dependent: there is no function for platform {platform!r} among {tuple(names)}, and no "
                                  "default")
    return -1


def platform_dependent(*args, default=None, **per_platform):
    """Return what the function given for the platform at hand (``cpu=``, ``cuda=``, ``tpu=``), or else the default, makes of args.

    NotImplementedError where there is neither.
    """
    chosen = platform_choice(tuple(per_platform), default is not None)
    return default(*args) if chosen < 0 else list(per_platform.values())[chosen](*args)


__all__ = ["FftType", "approx_max_k", "approx_min_k", "broadcast_like", "dtype", "empty", "fft", "mulhi", "platform_dependent",
           "shape_as_value", "split", "stack", "tile", "unstack"]
