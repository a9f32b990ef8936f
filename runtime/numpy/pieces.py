"""Pieces of arrays: blocks, slices inserted or picked by conditions, and functions applied along axes."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index, axis_tuple
from runtime.ops.create import array
from runtime.ops.joining import concatenate
from runtime.ops.kernel import about_types, no_out
from runtime.ops.shape import ravel
from runtime.ops.take import take
from runtime.trees import leaves_of


@op(constant=True, unbatched=True)
def insert_places(size, obj, count):
    """Return, for an axis joined with inserted values at its end, the order that puts these in their places."""
    obj = numpy.asarray(obj)
    places = numpy.insert(numpy.arange(size), obj.item() if obj.size == 1 else obj, numpy.arange(size, size + count))
    return array(places)


@op(constant=True, unbatched=True)
def insert_indices(obj, size):
    """Return the indices that a slice of an axis stands for; other indices as they are."""
    return array(numpy.arange(size)[obj]) if isinstance(obj, slice) else obj


def insert(arr, obj, values, axis=None):
    """Return the array with values inserted before given indices along an axis (of the flattened array by default)."""
    from runtime import numpy as np
    if axis is None:
        arr = ravel(arr)
        axis = 0
    axis = axis_index(axis, arr.ndim)
    values = np.asarray(values)
    obj = insert_indices(obj, arr.shape[axis])
    count = np.size(obj)
    if np.ndim(obj) == 0 and values.ndim == arr.ndim:
        count = values.shape[axis]
    elif np.ndim(obj) == 0 and arr.ndim == 1:
        values = np.ravel(values)
        count = values.shape[0]
    elif np.ndim(obj) == 0:
        values = np.expand_dims(np.broadcast_to(values, arr.shape[:axis] + arr.shape[axis + 1:]), axis)
    values = np.astype(np.broadcast_to(values, arr.shape[:axis] + (count,) + arr.shape[axis + 1:]), arr.dtype)
    return take(concatenate([arr, values], axis), insert_places(arr.shape[axis], obj, count), axis)


@op(constant=True, unbatched=True)
def nonzero_bounds(filt, trim, axes):
    """Return, for each axis, the bounds of the part that a concrete array's zeros surround; axes not in ``axes`` stay whole."""
    host = numpy.asarray(filt)
    places = numpy.nonzero(host)
    found = []
    for axis, size in enumerate(host.shape):
        low, high = 0, size
        if axis in axes:
            some = len(places[axis]) > 0
            low = (int(places[axis].min()) if some else size) if "f" in trim else 0
            high = (int(places[axis].max()) + 1 if some else low) if "b" in trim else size
        found.append(slice(low, high))
    return tuple(found)


def trim_zeros(filt, trim="fb", axis=None):
    """Return an array without the zeros before and behind its other elements, along every axis by default.

    trim: "f" for those in front, "b" for those behind, "fb" for both. The values must be concrete.
    """
    return filt[nonzero_bounds(filt, trim.lower(), axis_tuple(axis, filt.ndim))]


def block(arrays):
    """Return an array assembled from nested lists of blocks: the innermost lists are joined along the last axis."""
    from runtime import numpy as np
    levels, rank = block_counts(arrays), block_rank(arrays)
    parts = [reach_rank(part, rank) for part in leaves_of(arrays)]
    for axis, counts in levels:
        joined, start = [], 0
        for count in counts:
            joined.append(np.concatenate(parts[start:start + count], axis))
            start = start + count
        parts = joined
    return parts[0]


def reach_rank(part, rank):
    """Return a block as an array with axes of length one in front, where it has too few."""
    from runtime import numpy as np
    part = np.asarray(part)
    return np.reshape(part, (1,) * (rank - np.ndim(part)) + np.shape(part))


@about_types
def block_counts(arrays):
    """Return, level by level of nested lists, the innermost first, the axis from the end and the numbers of blocks that are joined."""
    levels, inner = [], [arrays]
    while inner and isinstance(inner[0], list):
        if not all([isinstance(one, list) and one for one in inner]):
            raise ValueError("the lists of blocks that block takes must be nested alike and not be empty")
        levels.append([len(one) for one in inner])
        inner = [item for one in inner for item in one]
    if any([isinstance(one, list) for one in inner]):
        raise ValueError("the lists of blocks that block takes must be nested alike")
    return [(-1 - k, counts) for k, counts in enumerate(reversed(levels))]


@about_types
def block_depth(arrays):
    """Return how deeply lists of blocks are nested."""
    return 1 + max([block_depth(a) for a in arrays]) if isinstance(arrays, list) else 0


@about_types
def block_rank(arrays):
    """Return the number of axes of the array made of blocks: as many as the lists are deep, or as a block has."""
    if isinstance(arrays, list):
        return max(block_depth(arrays), max([block_rank(a) for a in arrays]))
    return numpy.ndim(arrays)


def compress(condition, a, axis=None, *, size=None, fill_value=0, out=None):
    """Return the slices along an axis for which a condition holds.

    condition: a vector of booleans, concrete unless ``size`` says how many slices there are to be; ``fill_value`` fills the others.
    """
    if out is not None:
        no_out("compress", out)
    from runtime import numpy as np
    if axis is None:
        a = ravel(a)
        axis = 0
    if size is None:
        return take(a, compress_places(condition), axis)
    length = a.shape[axis_index(axis, a.ndim)]
    check_compress_size(size, length)
    places = np.nonzero(condition, size=size, fill_value=length)[0]
    return take(a, places, axis, mode="fill", fill_value=fill_value)


@about_types
def check_compress_size(size, length):
    """ValueError for a number of slices that an axis does not have."""
    if not 0 < size <= length:
        raise ValueError(f"compress: size must be positive and not greater than the size of the axis; got {size} for an axis of {length}")


@op(constant=True, unbatched=True)
def compress_places(condition):
    """Return the places at which a condition holds."""
    return array(numpy.nonzero(numpy.asarray(condition))[0])


def extract(condition, arr, *, size=None, fill_value=0):
    """Return the elements for which a condition holds; see compress for ``size`` and ``fill_value``."""
    return compress(ravel(condition), ravel(arr), size=size, fill_value=fill_value)


def apply_along_axis(func1d, axis, arr, *args, **kwargs):
    """Return the results of a function of a vector, for every vector along an axis."""
    from runtime import numpy as np
    rows = np.moveaxis(arr, axis, -1)
    flat = np.reshape(rows, (-1, rows.shape[-1]))
    results = [np.asarray(func1d(flat[i], *args, **kwargs)) for i in range(flat.shape[0])]
    made = np.stack(results)
    made = np.reshape(made, rows.shape[:-1] + made.shape[1:])
    place = axis % arr.ndim
    for k in range(made.ndim - rows.ndim + 1):
        made = np.moveaxis(made, rows.ndim - 1 + k, place + k)
    return made


def apply_over_axes(func, a, axes):
    """Return the result of applying a reduction over axes one after the other, keeping the number of axes."""
    from runtime import numpy as np
    for axis in axis_tuple(axes, a.ndim):
        found = func(a, axis)
        a = found if found.ndim == a.ndim else np.expand_dims(found, axis)
    return a


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
