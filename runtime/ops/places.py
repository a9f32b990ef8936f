"""Which elements an index reaches where it points outside an array: the modes of ``x.at[...]`` as other indices."""
from __future__ import annotations

import builtins

import numpy

from runtime.array import Array
from runtime.op import op
from runtime.ops.index import with_arrays
from runtime.ops.shape import like_shape
from runtime.types import kind

MODES = (None, "clip", "fill", "drop", "promise_in_bounds", "one_hot")
_INT32 = numpy.dtype("int32")


@op(constant=True, batch=lambda index, mode, wrap_negative_indices, like, reading=False, lead=0, over=(): placed_index(
    index, mode, wrap_negative_indices, like, reading, lead + 1))
def placed_index(index, mode, wrap_negative_indices, like, reading=False, lead=0):
    """Return an index of ``like`` that reaches, without a mode, what ``index`` reaches with it.

    mode: "clip" moves indices outside to the nearest element, "fill" and "drop" leave them outside. Negative indices count from the
    end, or lie outside without ``wrap_negative_indices``. reading: whether elements are read (then None stands for "clip"). Arrays
    have ``lead`` batch axes in front. ValueError for another mode.
    """
    if mode not in MODES and not hasattr(mode, "name"):
        raise ValueError(f"x.at[...]: mode {mode!r} is none of {', '.join([repr(m) for m in MODES[1:]])}")
    name = mode if mode is None or isinstance(mode, str) else mode.name.lower()
    clip = name == "clip" or reading and name in (None, "promise_in_bounds") and not wrap_negative_indices
    if wrap_negative_indices and not clip:
        return index
    shape = like_shape(like)
    index = with_arrays(index)
    items = index if isinstance(index, tuple) else (index,)
    taken = sum([_axes(item, lead) for item in items])
    dim, placed = 0, []
    for item in items:
        if item is Ellipsis:
            dim += len(shape) - taken
        if _is_place(item) and dim < len(shape):
            item = _placed(item, shape[dim], clip, wrap_negative_indices)
        dim += _axes(item, lead)
        placed.append(item)
    return tuple(placed) if isinstance(index, tuple) else placed[0]


def _axes(item, lead):
    """How many axes of an array one item of an index takes."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim - lead if isinstance(item, (Array, numpy.ndarray)) and kind(item.dtype) == "b" else 1


def _is_place(item):
    if isinstance(item, (Array, numpy.ndarray)):
        return kind(item.dtype) in "iu"
    return isinstance(item, (int, numpy.integer)) and not isinstance(item, (bool, builtins.slice))


def _placed(item, size, clip, wrap):
    from runtime import numpy as np
    if isinstance(item, (int, numpy.integer)):
        item = int(item) + size if wrap and item < 0 else int(item)
        return builtins.min(builtins.max(item, 0), size - 1) if clip else size if item < 0 else item
    if item.dtype.itemsize < 4:
        item = np.astype(item, _INT32)
    if wrap:
        item = np.where(item < 0, item + size, item)
    return np.clip(item, 0, size - 1) if clip else np.where(item < 0, size, item)
