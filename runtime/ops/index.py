"""Indexing and indexed updates with NumPy's rules, for arrays: integers, slices, new axes, index arrays and masks."""
from __future__ import annotations

import builtins
import math
import operator

import numpy

from runtime import affine
from runtime.array import Array, ConcretizationError, NonConcreteBooleanIndexError
from runtime.hlo import Value, tracing
from runtime.ops import gather as lowering
from runtime.ops.create import arange, array, zeros
from runtime.ops.shape import broadcast_to, like_shape, reshape
from runtime.primitive import as_operand, cast
from runtime.tree import LEAVES
from runtime.types import kind
from runtime.zero import ZERO

NEW, SLICE, INT, ARRAY = "new", "slice", "int", "array"


def _mask_arrays(mask):
    """The integer arrays that a boolean mask stands for."""
    if type(mask) is Array and type(mask._v) is Value:
        raise NonConcreteBooleanIndexError("x[mask] needs the values of the mask, for they decide the shape of the result, but it "
                                           "is being staged for compilation. Use numpy.where(mask, x, other), or x.at[mask].set(value). "
                                           "Sums, means and extrema of x[mask], and x[mask] put back where it came from, need no shape "
                                           "in a function that makes its mask: mask = x > 0, or mask.astype(bool).")
    return [(ARRAY, i) for i in numpy.nonzero(numpy.asarray(mask))]


def _window(item, size):
    """(start, count, step) of a slice of an axis; the start is symbolic where the window moves with a loop."""
    try:
        start, stop, step = item.indices(size)
    except ConcretizationError as error:
        step = 1 if item.step is None else operator.index(item.step)
        found = affine.window(0 if item.start is None else item.start, size if item.stop is None else item.stop, step, size)
        if found is None:
            raise ConcretizationError("a slice needs concrete bounds, or ones that move together with a loop and stay inside the array, for "
                                      "they decide the shape of the result. Use lax.dynamic_slice(x, starts, sizes) for a window at a "
                                      "staged place.") from error
        return *found, step
    return start, len(range(start, stop, step)), step


def _entry(item, shape, dim):
    """The entries that one item of an index stands for, and how many axes it takes."""
    if isinstance(item, (bool, numpy.bool_)):
        raise TypeError("indexing an array with a single bool is not supported; use numpy.where, or x[None] and x[:0]")
    if isinstance(item, (int, numpy.integer)):
        return [(INT, operator.index(item))], 1
    if isinstance(item, builtins.slice):
        if dim >= len(shape):
            return [(SLICE, (0, 0, 1))], 1
        return [(SLICE, _window(item, shape[dim]))], 1
    if isinstance(item, (list, tuple)):
        raise TypeError("Using a non-tuple sequence for multidimensional indexing is not allowed; use `arr[array(seq)]` "
                        f"instead of `arr[seq]`. Got {item!r:.80}")
    if isinstance(item, (Array, numpy.ndarray)):
        if kind(item.dtype) == "b":
            if item.ndim == 0:
                raise TypeError("indexing an array with a single bool is not supported; use numpy.where")
            if item.shape != shape[dim:dim + item.ndim]:
                raise IndexError(f"boolean index did not match shape of indexed array: mask of shape {item.shape} for axes of "
                                 f"shape {shape[dim:dim + item.ndim]}")
            return _mask_arrays(item), item.ndim
        if kind(item.dtype) not in "iu":
            if item.size == 0 and isinstance(item, numpy.ndarray):
                return [(ARRAY, item.astype(numpy.int32))], 1
            raise TypeError(f"Indexer must have integer or boolean type, got indexer with type {item.dtype} at position {dim}")
        if item.ndim == 0:
            return [(INT, item if isinstance(item, Array) else int(item))], 1
        return [(ARRAY, item)], 1
    raise TypeError(f"Indexer must have integer or boolean type, got {type(item).__name__}: {item!r:.80}")


def with_arrays(index):
    """Return an index with the lists among its items made arrays; beside other items they are index arrays or masks."""
    if type(index) is tuple:
        for item in index:
            if isinstance(item, (list, tuple)):
                return tuple([_as_array(item) if isinstance(item, (list, tuple)) else item for item in index])
    return index


def _as_array(items):
    if len(items) == 0:
        return numpy.zeros(0, numpy.int32)
    return array(items) if any([isinstance(i, Array) for i in LEAVES.flatten(items)[0]]) else numpy.asarray(items)


def parse(index, shape):
    """Return the entries of an index: (kind, value), one for each axis of ``shape`` and each new axis."""
    index = with_arrays(index)
    items = index if isinstance(index, tuple) else (index,)
    taken = 0
    for item in items:
        if item is None or item is Ellipsis:
            continue
        taken += item.ndim if isinstance(item, (Array, numpy.ndarray)) and kind(item.dtype) == "b" else 1
    if taken > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {taken} were indexed")
    entries, dim, open_ended = [], 0, False
    for item in items:
        if item is None:
            entries.append((NEW, None))
        elif item is Ellipsis:
            if open_ended:
                raise IndexError("an index can only have a single ellipsis ('...')")
            open_ended = True
            missing = len(shape) - taken
            entries += [(SLICE, (0, n, 1)) for n in shape[dim:dim + missing]]
            dim += missing
        else:
            found, used = _entry(item, shape, dim)
            entries += found
            dim += used
    entries += [(SLICE, (0, n, 1)) for n in shape[dim:]]
    return entries


def _advanced(entries):
    return any([what == ARRAY for what, _ in entries])


def _result_shape(entries):
    return tuple([1 if what == NEW else value[1] for what, value in entries if what in (NEW, SLICE)])


class _Basic:
    """A window: for each axis its start (a number or scalar Array), size and step, and the shape of the result."""
    __slots__ = ("starts", "sizes", "steps", "shape")

    def __init__(self, entries, shape):
        axes = [(what, value) for what, value in entries if what != NEW]
        self.starts = [value[0] if what == SLICE else value for what, value in axes]
        self.sizes = tuple([value[1] if what == SLICE else 1 for what, value in axes])
        self.steps = tuple([value[2] if what == SLICE else 1 for what, value in axes])
        self.shape = _result_shape(entries)

    def unit(self):
        return all([step == 1 or size < 2 for step, size in zip(self.steps, self.sizes)])

    def static(self):
        return all([type(start) is int for start in self.starts])

    def staged(self):
        return any([type(s) is Array and type(s._v) is Value for s in self.starts])

    def bounds(self, shape):
        """Static bounds with positive steps, and the axes to be reversed."""
        start, limit, stride, reverse = [], [], [], []
        for i, (a, size, step) in enumerate(zip(self.starts, self.sizes, self.steps)):
            a = a + shape[i] if a < 0 and step > 0 and size else a
            a = min(max(a, 0), max(shape[i] - 1, 0)) if size else 0
            if step < 0 and size:
                reverse.append(i)
                a, step = a + (size - 1) * step, -step
            start.append(a)
            limit.append(a + (size - 1) * step + 1 if size else a)
            stride.append(abs(step))
        return {"start": tuple(start), "limit": tuple(limit), "stride": tuple(stride), "reverse": tuple(reverse)}

    def dynamic(self, shape):
        """The axes that are cut and where they start, as operands."""
        dims = tuple([i for i, (size, n) in enumerate(zip(self.sizes, shape)) if size != n or type(self.starts[i]) is not int])
        return dims, [self.starts[i] for i in dims]


def getitem(x, index):
    """Return ``x[index]`` of an Array. Integers outside the array are clamped to it, as in JAX."""
    shape = x.shape
    if type(index) is int and shape:  # the commonest index
        if tracing.block is None:
            return lowering.window(x, index, dims=(0,), sizes=(1,) + shape[1:], shape=shape[1:])
    entries = parse(index, shape)
    if _advanced(entries):
        return _getitem_entries(x, entries, None)
    if _moves(entries) and not _unit(entries):
        x, entries, _ = _cut(x, entries)
        shape = x.shape
    basic = _Basic(entries, shape)
    if basic.unit() and not (basic.static() and tracing.block is not None):
        dims, starts = basic.dynamic(shape)
        if not dims:
            return reshape(x, basic.shape)
        return lowering.window(x, *starts, dims=dims, sizes=basic.sizes, shape=basic.shape)
    if not basic.static():  # strided in one axis, at a staged place in another: one after the other
        first = tuple([builtins.slice(None) if what == INT else _as_slice(value) for what, value in entries if what != NEW])
        rest = tuple([None if what == NEW else value if what == INT else builtins.slice(None) for what, value in entries])
        return getitem(getitem(x, first), rest)
    return lowering.strided(x, **basic.bounds(shape), shape=basic.shape)


def _moves(entries):
    return any([what == SLICE and type(value[0]) is not int for what, value in entries])


def _unit(entries):
    return all([value[2] == 1 for what, value in entries if what == SLICE])


def _cut(x, entries):
    """Cut what slices that move with a loop span out of an array: it, the entries for it, and where it was as (axes, starts)."""
    sizes, dims, starts, rest = list(x.shape), [], [], []
    axes = iter(range(x.ndim))
    for what, value in entries:
        axis = None if what == NEW else next(axes)
        if what == SLICE and type(value[0]) is not int:
            start, count, step = value
            sizes[axis] = (count - 1) * step + 1 if count else 0
            dims.append(axis)
            starts.append(start)
            value = 0, count, step
        rest.append((what, value))
    sizes = tuple(sizes)
    return lowering.window(x, *starts, dims=tuple(dims), sizes=sizes, shape=sizes), rest, (tuple(dims), starts)


def _as_slice(value):
    start, count, step = value
    stop = start + count * step
    return builtins.slice(start, stop if stop >= 0 else None, step)


def _split(entries, shape):
    """Take index arrays apart from slices.

    Returns (index of the slices and new axes alone, indexed axes after it, the indices, where their axes go).
    """
    first, dims, indices, positions = [], [], [], []
    axis = window = 0
    for place, (what, value) in enumerate(entries):
        if what in (INT, ARRAY):
            first.append(builtins.slice(None))
            dims.append(axis)
            indices.append(value)
            positions.append((place, window))
        else:
            first.append(None if what == NEW else _as_slice(value))
            window += 1
        axis += 1
    together = all([b[0] - a[0] == 1 for a, b in zip(positions, positions[1:])])
    return tuple(first), tuple(dims), indices, positions[0][1] if together else 0


def _trivial(first, shape):
    return all([item is not None and item.indices(n) == (0, n, 1) for item, n in zip(first, shape)]) and None not in first


# ---- updates ----

def update(x, index, value, how, mode=None):
    """Return ``x`` with ``x[index]`` set to, or combined with, a value; indices outside the array are dropped."""
    x, value = as_operand(x, "indexed update"), as_operand(value, "indexed update")
    if value.dtype != x.dtype:
        if kind(value.dtype) == "c" and kind(x.dtype) != "c":
            raise TypeError(f"indexed update: cannot put {value.dtype} values into an array of {x.dtype}; take .real first")
        value = cast(value, x.dtype)
    if isinstance(index, (Array, numpy.ndarray)) and kind(index.dtype) == "b" and index.ndim and index.shape == x.shape[
            :index.ndim] and (value.ndim == 0 or value.shape[:1] in ((), (1,)) or type(index) is Array and type(
                index._v) is Value):
        return _masked_update(x, index, value, how)
    if type(index) is tuple and value.ndim == 0 and sum(map(_open_mask, index)) == 1 and not any(
            [item is None or isinstance(item, (list, numpy.ndarray)) or type(item) is Array and item.ndim and not _open_mask(item)
             for item in index]):
        return _masked_part_update(x, index, value, how)
    return _updated(x, parse(index, x.shape), value, how, mode)


def _open_mask(item) -> bool:
    """Whether an item of an index is a mask whose values are not known."""
    return type(item) is Array and type(item._v) is Value and kind(item.dtype) == "b" and item.ndim > 0


def _masked_part_update(x, index, value, how):
    """Update ``x[mask, 2:]``, say: of the part that the other items choose, what the mask chooses."""
    place = next(i for i, item in enumerate(index) if _open_mask(item))
    mask, part = index[place], (*index[:place], *[builtins.slice(None)] * index[place].ndim, *index[place + 1:])
    old = getitem(x, part)
    if Ellipsis in index[:place]:       # counted from the end
        axis = old.ndim - mask.ndim - sum([isinstance(item, builtins.slice) for item in index[place + 1:]])
    else:
        axis = sum([isinstance(item, builtins.slice) for item in index[:place]])
    if old.shape[axis:axis + mask.ndim] != mask.shape:
        raise IndexError(f"boolean index did not match shape of indexed array: mask of shape {mask.shape} for axes of shape "
                         f"{old.shape[axis:axis + mask.ndim]}")
    return update(x, part, _masked_update(old, reshape(mask, (1,) * axis + mask.shape), value, how), "set")


def _updated(x, entries, value, how, mode):
    if _moves(entries):
        part, rest, (dims, starts) = _cut(x, entries)
        return lowering.put_window(x, _updated(part, rest, value, how, mode), *starts, dims=dims, sizes=part.shape, how="set")
    if _advanced(entries):
        return _update_arrays(x, entries, value, how, mode)
    basic = _Basic(entries, x.shape)
    if value.shape != basic.shape:
        value = _fit(value, basic.shape)
    if not basic.static() and not (basic.unit() and all(map(certain, basic.starts, x.shape))):
        return _update_arrays(x, entries, value, how, mode)
    sizes = basic.sizes
    for start, size, n in zip(basic.starts, sizes, x.shape):
        if type(start) is int and size and not -n <= start < n and mode != "clip":
            return x  # outside: dropped
    if 0 in sizes:
        return x
    if basic.unit():
        dims, starts = basic.dynamic(x.shape)
        if not dims and how == "set":
            return reshape(value, x.shape)
        return lowering.put_window(x, value, *starts, dims=dims, sizes=sizes, how=how)
    return lowering.put_strided(x, value, **basic.bounds(x.shape), how=how)


def _range(value):
    start, count, step = value
    return start + step * numpy.arange(count, dtype=numpy.int32)


def certain(place, size):
    """Tell whether a place is known to be an index of an axis."""
    return -size <= place < size if type(place) is int else affine.inside(place, size)


def _fit(value, shape):
    """Broadcast an update to the shape it replaces; leading axes of size 1 may be dropped."""
    own = value.shape
    while len(own) > len(shape) and own[0] == 1:
        own = own[1:]
    try:
        return broadcast_to(reshape(value, own), shape)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: an update of shape {value.shape} for a part of shape "
                         f"{shape}") from None


def _masked_update(x, mask, value, how):
    from runtime.ops import binary
    mask = reshape(as_operand(mask), mask.shape + (1,) * (x.ndim - mask.ndim))
    if value.ndim > x.ndim - len(mask.shape) + 1 and value.ndim and value.shape[0] != 1 and value.shape != x.shape[
            len(x.shape) - value.ndim:]:
        raise NonConcreteBooleanIndexError("x[mask] = values with one value for each chosen element needs the mask's values; it "
                                           "is being staged. Use numpy.where(mask, values, x) with values of the shape of x.")
    if how == "set":
        return cast(binary.where(mask, value, x), x.dtype)
    combine = {"add": binary.add, "multiply": binary.multiply, "minimum": binary.minimum, "maximum": binary.maximum}[how]
    return binary.where(mask, combine(x, value), x)


def _update_arrays(x, entries, value, how, mode):
    """Scatter at index arrays; where slices or new axes stand beside them, at the flat positions of the elements."""
    first, dims, indices, place = _split(entries, x.shape)
    if _trivial(first, x.shape):
        common = _broadcast_all(indices)
        value = _fit(value, lowering.layout(x.shape, common, dims, place, 0)[0])
        return lowering.scatter(x, value, *indices, dims=dims, place=place, lead=0, how=how, mode=mode)
    spots = _getitem_entries(_positions(x.shape), entries, None if mode == "clip" else "fill")
    flat = lowering.scatter(reshape(x, (x.size,)), _fit(value, spots.shape), spots, dims=(0,), place=0, lead=0, how=how,
                            mode=None)
    return reshape(flat, x.shape)


def _positions(shape):
    return reshape(arange(math.prod(shape)), shape)


def _broadcast_all(indices):
    return numpy.broadcast_shapes(*[tuple(i.shape) if hasattr(i, "shape") else () for i in indices])


def _getitem_entries(x, entries, mode):
    """Slices and new axes first, index arrays on what is left."""
    if _moves(entries):
        x, entries, _ = _cut(x, entries)
    first, dims, indices, place = _split(entries, x.shape)
    if not _trivial(first, x.shape):
        x = getitem(x, first)
    return lowering.gather(x, *indices, dims=dims, place=place, lead=0, mode=mode)


def setitem(x, index, value):
    """Return ``x`` with ``x[index] = value``."""
    return update(x, index, 0 if value is ZERO else value, "set")


def unindex(d, index, like):
    """Return zeros like ``like`` with ``d`` added at an index: the cotangent of what was indexed."""
    return update(zeros(like_shape(like), d.dtype), moved_inside(index, like_shape(like)), d, "add")


def moved_inside(index, shape):
    """Return an index with its plain numbers moved inside the array, where ``x[index]`` reads for them."""
    index = with_arrays(index)
    items = index if isinstance(index, tuple) else (index,)
    found, dim = [], 0
    for place, item in enumerate(items):
        if item is Ellipsis:
            later = [i for i in items[place + 1:] if i is not None]
            dim = len(shape) - sum([i.ndim if isinstance(i, (Array, numpy.ndarray)) and kind(i.dtype) == "b" else 1 for i in later])
        elif isinstance(item, (int, numpy.integer)) and not isinstance(item, bool):
            item = min(max(int(item), -shape[dim]), shape[dim] - 1)
            dim += 1
        elif item is not None:
            dim += item.ndim if isinstance(item, (Array, numpy.ndarray)) and kind(item.dtype) == "b" else 1
        found.append(item)
    return tuple(found) if isinstance(index, tuple) else found[0]


def __getattr__(name):
    # The batched forms and the .at updates build on this module; Array and the helpers of generated code look here.
    from runtime.ops import update as updates
    found = getattr(updates, name, None)
    if found is None:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return found
