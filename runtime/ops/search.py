"""Sorting, ranking and searching."""
from __future__ import annotations

import math
import operator

import numpy

from runtime.array import Array, ConcretizationError, concrete, to_buffer
from runtime.op import op
from runtime.ops.axes import axis_index, inner_axis
from runtime.ops.kernel import about_types
from runtime.ops.shape import reshape
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import KEY, aval, aval_of, canonical_dtype, kind
from runtime.zero import ZERO


def _sort_infer(*avals, axis, keys, stable, backwards, places):
    outs = list(avals)
    if any([of.dtype == KEY for of in avals[:keys]]):
        raise TypeError(f"sort got {avals[0]}: random keys have no order")
    if places:
        outs.append(aval(avals[0].shape, canonical_dtype(int)))
    return tuple(outs)


def _before(region, a, b):
    """Emit whether a comes before b: numbers in order, -0.0 and 0.0 equal, NaN last; complex by real, then imaginary part."""
    if kind(a.aval.dtype) == "c":
        part = a.aval.with_dtype(numpy.dtype("float32" if a.aval.dtype == numpy.complex64 else "float64"))
        parts = [(region.op(name, [a], part), region.op(name, [b], part)) for name in ("real", "imag")]
    else:
        parts = [(a, b)]
    truth = aval((), numpy.dtype(bool))
    found = tied = None
    for x, y in parts:
        less, same = region.compare("LT", x, y), region.compare("EQ", x, y)
        if kind(x.aval.dtype) == "f":
            lost_x, lost_y = region.compare("NE", x, x), region.compare("NE", y, y)
            number = region.op("not", [lost_x], truth)
            less = region.op("or", [less, region.op("and", [number, lost_y], truth)], truth)
            same = region.op("or", [same, region.op("and", [lost_x, lost_y], truth)], truth)
        if found is None:
            found, tied = less, same
        else:
            found = region.op("or", [found, region.op("and", [tied, less], truth)], truth)
            tied = region.op("and", [tied, same], truth)
    return found, tied


def _sort_emit(block, operands, out_avals, *, axis, keys, stable, backwards, places):
    values = list(operands)
    if places:
        values.append(block.op("iota", [], out_avals[-1], {"iota_dimension": axis}))
    cells = [aval((), v.aval.dtype) for v in values]
    region = block.region([c for c in cells for _ in range(2)])
    truth = aval((), numpy.dtype(bool))
    found = tied = None
    for k in range(keys):
        a, b = region.args[2 * k], region.args[2 * k + 1]
        less, same = _before(region, b, a) if backwards else _before(region, a, b)
        if found is None:
            found, tied = less, same
        else:
            found = region.op("or", [found, region.op("and", [tied, less], truth)], truth)
            tied = region.op("and", [tied, same], truth)
    region.ret([found])
    made = block.op("sort", values, [v.aval for v in values], {"dimension": axis, "is_stable": bool(stable)}, [region])
    return made


_sort = Primitive("sort", _sort_infer, _sort_emit)


def _flat(a, axis):
    return (reshape(a, (a.size,)), 0) if axis is None else (a, axis_index(axis, a.ndim))


def _ordered(a, axis, stable=True, descending=False):
    """Return (sorted array, places that its elements came from)."""
    a, axis = _flat(a, axis)
    if a.ndim == 0:
        raise ValueError("sort: a scalar has no axis to sort along; use axis=None")
    return _sort(a, axis=axis, keys=1, stable=stable, backwards=bool(descending), places=True)


def sort_batched(a, axis=-1, kind=None, order=None, stable=True, descending=False, over=()):
    """Sort every example."""
    from runtime import numpy as np
    if axis is None:
        return np.sort(np.reshape(a, (a.shape[0], -1)), 1, stable=stable, descending=descending)
    return np.sort(a, inner_axis(axis, a.ndim), stable=stable, descending=descending)


_ARGSORT = "np.argsort(a, axis, stable=stable, descending=descending)"


@op(jvp={"a": f"np.take_along_axis(a_dot, {_ARGSORT}, axis)"}, vjp={"a": f"rt.unsort(d_out, {_ARGSORT}, axis, like=a)"},
    batch=sort_batched)
def sort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False):
    """Return the array sorted along an axis (flattened if it is None); NaN comes last."""
    if kind is not None or order is not None:
        no_order("sort", kind, order)
    a = as_operand(a, "sort")
    a, axis = _flat(a, axis)
    return _sort(a, axis=axis, keys=1, stable=bool(stable), backwards=bool(descending), places=False)[0]


@about_types
def no_order(name, kind, order):
    """Raise TypeError for the options of NumPy's sort that mean nothing here."""
    given, instead = ("order", "arrays have no fields") if kind is None else ("kind", "use stable=True or stable=False")
    raise TypeError(f"{name}: the argument {given} is not supported: {instead}")


def unsort(d, order, axis, like):
    """Return the cotangent of ``like`` from that of its elements in sorted order."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    if axis is None:
        return np.reshape(np.take_along_axis(d, np.argsort(order, 0), 0), np.shape(like))
    return np.take_along_axis(d, np.argsort(order, axis), axis)


def argsort_batched(a, axis=-1, kind=None, order=None, stable=True, descending=False, dtype=None, over=()):
    """Rank every example."""
    from runtime import numpy as np
    if axis is None:
        return np.argsort(np.reshape(a, (a.shape[0], -1)), 1, stable=stable, descending=descending, dtype=dtype)
    return np.argsort(a, inner_axis(axis, a.ndim), stable=stable, descending=descending, dtype=dtype)


@op(constant=True, batch=argsort_batched)
def argsort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False, dtype=None):
    """Return the indices that sort the array along an axis (flattened if it is None), as integers of a dtype."""
    if kind is not None or order is not None:
        no_order("argsort", kind, order)
    found = _ordered(as_operand(a, "argsort"), axis, bool(stable), descending)[1]
    return found if dtype is None else cast(found, canonical_dtype(dtype))


@op(constant=True, batch=lambda keys, axis=-1, over=(): lexsort(
    [k for k in keys] if isinstance(keys, (list, tuple)) else [keys[:, i] for i in range(keys.shape[1])],
    inner_axis(axis, (keys[0].ndim if isinstance(keys, (list, tuple)) else keys.ndim - 1))))
def lexsort(keys, axis=-1):
    """Return the indices that sort by several keys, the last one first in importance."""
    arrays = [as_operand(k, "lexsort") for k in keys][::-1]
    if not arrays:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    axis = axis_index(axis, arrays[0].ndim)
    return _sort(*arrays, axis=axis, keys=len(arrays), stable=True, backwards=False, places=True)[-1]


def sort_key_val(keys, values, dimension=-1, is_stable=True):
    """Return keys sorted along an axis, and values in the same order."""
    from runtime import numpy as np
    order = np.argsort(keys, dimension)
    return np.take_along_axis(keys, order, dimension), np.take_along_axis(values, order, dimension)


def top_k(operand, k, *, axis=-1):
    """Return the k largest elements along an axis, in descending order, and their indices."""
    from runtime import numpy as np
    moved = np.moveaxis(operand, axis, -1)
    order = top_places(moved, k)
    return np.moveaxis(np.take_along_axis(moved, order, -1), -1, axis), np.moveaxis(order, -1, axis)


def _top_infer(x, *, k):
    return aval(x.shape[:-1] + (k,), numpy.dtype("int32"))


def _top_emit(block, operands, out_avals, *, k):
    x = operands[0]
    return block.op("chlo.top_k", [x], [x.aval.with_shape(out_avals[0].shape), out_avals[0]], {"k": k})[1]


_top = Primitive("top_k", _top_infer, _top_emit)


@op(constant=True, batch=lambda x, k, over=(): top_places(x, k))
def top_places(x, k):
    """Return the indices of the k largest elements along the last axis, in descending order."""
    x = as_operand(x, "top_k")
    if not x.ndim or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"top_k: k={k} must lie between 0 and the size of the axis, in an array of shape {x.shape}")
    return _top(x, k=int(k))


def partition(a, kth, axis=-1):
    """Return the array with element ``kth`` in its sorted place, smaller ones before it and larger ones after."""
    from runtime import numpy as np
    size = place_within("partition", a, kth, axis)
    a = np.sort(a, axis)
    below, above = np.split(a, [kth % size + 1], axis)
    return np.concatenate([below, np.flip(above, axis)], axis)     # descending, as in jax


def argpartition(a, kth, axis=-1):
    """Return the indices that partition the array around element ``kth``."""
    from runtime import numpy as np
    size = place_within("argpartition", a, kth, axis)
    below, above = np.split(np.argsort(a, axis), [kth % size + 1], axis)
    return np.concatenate([below, np.sort(above, axis)], axis)     # those above in the order in which they stand, as in jax


@about_types
def place_within(name, a, kth, axis):
    """Return the size of the axis along which an element is sought; ValueError for one that is not there."""
    shape = aval_of(a).shape
    size = shape[axis_index(axis, len(shape))] if axis is not None else math.prod(shape)
    if not -size <= operator.index(kth) < size:
        raise ValueError(f"{name}: kth={kth} is out of bounds for an axis of {size} elements")
    return size


def searchsorted_batched(a, v, side="left", sorter=None, method="scan", over=()):
    """Search in every example."""
    from runtime import numpy as np
    size = (a if "a" in over else v).shape[0]
    a = a if "a" in over else np.broadcast_to(a, (size,) + a.shape)
    v = v if "v" in over else np.broadcast_to(v, (size,) + np.shape(v))
    if sorter is not None:
        a = np.take_along_axis(a, sorter if "sorter" in over else np.broadcast_to(sorter, a.shape), 1)
    return _count_smaller(a, v, side, 1)


def _count_smaller(a, v, side, lead):
    rows = reshape(a, a.shape[:lead] + (1,) * (v.ndim - lead) + a.shape[lead:])
    points = reshape(v, v.shape + (1,))
    from runtime.ops import reduce
    return reduce.sum(cast(_sorted_before(rows, points, side), canonical_dtype(int)), -1)


def _sorted_before(rows, points, side):
    """Whether elements of a sorted array come before points; NaN comes last."""
    from runtime.ops.elementwise import isnan, logical_not
    if side == "left":
        return (rows < points) | (logical_not(isnan(rows)) & isnan(points))
    return (rows <= points) | isnan(points)


@op(constant=True, batch=searchsorted_batched)
def searchsorted(a, v, side="left", sorter=None, *, method="scan"):
    """Return where values would be inserted in a sorted 1-D array to keep it sorted; ``side`` "left" or "right" of equals."""
    a, v = as_operand(a, "searchsorted"), as_operand(v, "searchsorted")
    if a.ndim != 1:
        raise ValueError(f"searchsorted: a should be 1-dimensional, got shape {a.shape}")
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side={side!r} is not a valid choice; use 'left' or 'right'")
    if sorter is not None:
        a = a[as_operand(sorter)]
    return _bisect(a, v, side=side)


def _bisect(a, v, *, side):
    """A binary search of fixed depth: the same number of halvings for every value."""
    from runtime.ops.binary import where
    from runtime.ops.create import zeros
    low, high = zeros(v.shape, "int32"), zeros(v.shape, "int32") + a.shape[0]
    return _halve(a, v, low, high, where, side)


def _halve(a, v, low, high, where, side):
    from runtime.ops.kernel import fused
    global _halving
    if _halving is None:
        def searchsorted(a, v, low, high, *, side):
            for _ in range(max(a.shape[0], 1).bit_length()):
                middle = (low + high) // 2
                before = _sorted_before(a[middle], v, side) & (low < high)
                low, high = where(before, middle + 1, low), where(before, high, middle)
            return cast(low, canonical_dtype(int))
        _halving = fused(searchsorted)
    return _halving(a, v, low, high, side=side)


_halving = None


# ---- results whose shape depends on values: concrete arrays only ----

def _host(x, name):
    x = as_operand(x, name)
    concrete(x, f"{name}, whose result's shape depends on the values,")
    return numpy.asarray(x)


def nonzero_batched(a, size=None, fill_value=None, over=()):
    """Find the first elements of each example that are not zero: a stable sort puts them in front."""
    from runtime import numpy as np
    if size is None:
        raise ConcretizationError("nonzero (or where with a condition alone) finds as many elements as there are, which may differ from "
                                  "example to example; give size=")
    inner = a.shape[1:]
    if not inner:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    mask = np.reshape(np.not_equal(a, 0), (a.shape[0], -1))
    spots = np.argsort(np.logical_not(mask), axis=1)[:, :size]
    spots = np.pad(spots, ((0, 0), (0, size - spots.shape[1])))
    found = np.less(np.arange(size), np.sum(mask, 1)[:, None])
    fills = fill_value if isinstance(fill_value, (tuple, list)) else (0 if fill_value is None else fill_value,) * len(inner)
    return tuple([np.where(found, i, fill) for i, fill in zip(unravel(spots, inner), fills)])


@op(constant=True, batch=nonzero_batched)
def nonzero(a, *, size=None, fill_value=None):
    """Return, for each axis, the indices of the elements that are not zero.

    With ``size``, the indices are cut or filled up to this length, which also works on staged arrays. ValueError for a scalar.
    """
    if not aval_of(a).shape:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    if size is None:
        return tuple([Array(to_buffer(i, canonical_dtype(int))) for i in numpy.nonzero(numpy.atleast_1d(_host(a, "nonzero")))])
    from runtime import numpy as np
    a = np.atleast_1d(as_operand(a, "nonzero"))
    mask = np.ravel(np.not_equal(a, 0))
    rank = np.cumsum(mask)
    spots = np.searchsorted(rank, np.arange(1, size + 1))
    found = spots < mask.size
    fills = fill_value if isinstance(fill_value, (tuple, list)) else (0 if fill_value is None else fill_value,) * a.ndim
    return tuple([np.where(found, i, fill) for i, fill in zip(unravel(spots, a.shape), fills)])


def unravel(spots, shape):
    """Return the coordinates of flat positions in an array of a shape."""
    found = []
    for n in reversed(shape):
        found.append(spots % n)
        spots = spots // n
    return found[::-1]


def flatnonzero(a, *, size=None, fill_value=None):
    """Return the flat indices of the elements that are not zero."""
    from runtime import numpy as np
    return nonzero(np.ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a, *, size=None, fill_value=None):
    """Return the coordinates of the elements that are not zero, one row each; a scalar's have no columns."""
    from runtime import numpy as np
    found = nonzero(a if np.ndim(a) else np.ravel(a), size=size, fill_value=fill_value)
    return np.stack(found, 1)[:, :np.ndim(a)]
