"""Padding: arrays with elements added on both sides of their axes, plain Python over ops."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index
from runtime.ops.create import array
from runtime.ops.kernel import about_types
from runtime.ops.shape import like_shape
from runtime.ops.slices import lax_pad, slice_in_dim
from runtime.ops.take import take
from runtime.types import aval_of, kind


@op(constant=True, unbatched=True)
def pad_widths(pad_width, ndim):
    """Return (before, after) for each axis."""
    if isinstance(pad_width, dict):
        found = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            found[axis_index(axis, ndim)] = tuple(width) if isinstance(width, (tuple, list)) else (width, width)
        return tuple(found)
    widths = numpy.broadcast_to(numpy.asarray(pad_width), (ndim, 2))
    if kind(widths.dtype) not in "iu":
        raise TypeError(f"pad: pad_width must be of integral type, got {pad_width!r}")
    if (widths < 0).any():
        raise ValueError("pad: index can't contain negative values")
    return tuple([(int(a), int(b)) for a, b in widths])


@op(constant=True, unbatched=True)
def pad_places(size, before, after, mode, reflect_type="even"):
    """Return the index array that pads an axis by repeating elements, as NumPy's pad mode does."""
    return array(numpy.pad(numpy.arange(size), (before, after), mode))


def pad(array, pad_width, mode="constant", constant_values=0, stat_length=None, end_values=0, reflect_type="even", **kwargs):
    """Return the array padded on both sides of every axis.

    mode: "constant", elements ("edge", "reflect", "symmetric", "wrap"), a statistic ("maximum", "minimum", "mean", "median") of the
    axis or of its first and last ``stat_length`` elements, a ramp to ``end_values`` ("linear_ramp"), "empty", or a function of
    (vector padded with zeros, its widths, axis, kwargs) that returns the vector.
    """
    shape = like_shape(array)
    widths = pad_widths(pad_width, len(shape))
    if callable(mode):
        from runtime import numpy as np
        array = lax_pad(array, 0, tuple([(before, after, 0) for before, after in widths]))
        for axis in range(len(shape)):
            array = np.apply_along_axis(mode, axis, array, widths[axis], axis, kwargs)
        return array
    if mode == "constant" and is_number_like(constant_values):
        return lax_pad(array, constant_values, tuple([(before, after, 0) for before, after in widths]))
    if mode == "empty":
        return lax_pad(array, 0, tuple([(before, after, 0) for before, after in widths]))
    for axis in range(len(shape)):
        before, after = widths[axis]
        if before or after:
            if mode in ("edge", "reflect", "symmetric", "wrap"):
                array = take(array, pad_places(shape[axis], before, after, mode, reflect_type), axis)
            else:
                array = pad_axis(array, axis, before, after, mode, constant_values, end_values, stat_lengths(stat_length, shape, axis))
    return array


@about_types
def stat_lengths(stat_length, shape, axis):
    """Return how many of the first and of the last elements of an axis a statistic is taken."""
    if stat_length is None:
        return shape[axis], shape[axis]
    first, last = numpy.broadcast_to(numpy.asarray(stat_length), (len(shape), 2))[axis].tolist()
    if first < 1 or last < 1:
        raise ValueError(f"pad: stat_length of {stat_length} yields no value for padding")
    return min(first, shape[axis]), min(last, shape[axis])


def pad_statistic(x, axis, mode):
    """Return a statistic over an axis, which keeps length one."""
    from runtime import numpy as np
    if mode == "maximum":
        return np.max(x, axis, None, True)
    if mode == "minimum":
        return np.min(x, axis, None, True)
    found = np.mean(x, axis, None, None, True) if mode == "mean" else np.median(x, axis, None, False, True)
    return np.rint(found) if is_whole(x) else found


@about_types
def is_whole(x):
    """Tell whether an array has an integer dtype."""
    return kind(aval_of(x).dtype) in "iu"


@about_types
def is_number_like(x):
    """Tell whether a padding value is one number for all sides."""
    return like_shape(x) == ()


def pad_axis(x, axis, before, after, mode, constant_values, end_values, lengths):
    """Pad one axis by constants, a ramp or a statistic."""
    from runtime import numpy as np
    shape = x.shape
    first, last = shape[:axis] + (before,) + shape[axis + 1:], shape[:axis] + (after,) + shape[axis + 1:]
    if mode == "constant":
        values = np.broadcast_to(np.asarray(constant_values), (x.ndim, 2))[axis]
        left, right = np.full(first, values[0], x.dtype), np.full(last, values[1], x.dtype)
    elif mode == "linear_ramp":
        values = np.broadcast_to(np.asarray(end_values), (x.ndim, 2))[axis]
        low = slice_in_dim(x, 0, 1, 1, axis)
        high = slice_in_dim(x, shape[axis] - 1, shape[axis], 1, axis)
        line = (1,) * axis + (-1,) + (1,) * (x.ndim - axis - 1)
        up = np.reshape(np.arange(before), line) / max(before, 1)
        down = np.reshape(np.arange(after - 1, -1, -1), line) / max(after, 1)
        left, right = values[0] + (low - values[0]) * up, values[1] + (high - values[1]) * down
    elif mode in ("maximum", "minimum", "mean", "median"):
        head = slice_in_dim(x, 0, lengths[0], 1, axis)
        tail = slice_in_dim(x, shape[axis] - lengths[1], shape[axis], 1, axis)
        left = np.broadcast_to(pad_statistic(head, axis, mode), first)
        right = np.broadcast_to(pad_statistic(tail, axis, mode), last)
    else:
        raise NotImplementedError(f"pad: mode {mode!r} is not supported; use 'constant', 'edge', 'reflect', 'symmetric', "
                                  "'wrap', 'linear_ramp', 'maximum', 'minimum', 'mean' or 'median'")
    return np.concatenate([np.astype(left, x.dtype), x, np.astype(right, x.dtype)], axis)


__all__ = ["pad", "pad_axis", "pad_places", "pad_statistic", "pad_widths", "is_number_like", "is_whole", "stat_lengths"]
