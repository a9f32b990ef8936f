"""Indexed updates as values (``x.at[i].add(v)``), and indexing in which every example of a batch has its own index."""
from __future__ import annotations

import builtins
import math

import numpy

from runtime.array import Array, ConcretizationError
from runtime.hlo import Value
from runtime.op import op
from runtime.ops.constrain import out_sharded
from runtime.ops.kernel import about_types
from runtime.ops import gather as lowering
from runtime.ops.create import arange, zeros
from runtime.ops.index import (ARRAY, INT, NEW, SLICE, _entry, _fit, _positions, _split, _trivial, certain, getitem, update,
                               with_arrays)
from runtime.ops.places import placed_index
from runtime.ops.reduce import example_like
from runtime.ops.shape import broadcast_to, like_shape, reshape
from runtime.primitive import as_operand
from runtime.sequence import is_lazy
from runtime.tree import LEAVES
from runtime.types import kind
from runtime.zero import ZERO, Like


# ---- updates ----

@out_sharded
def at_get(x, index, indices_are_sorted=False, unique_indices=False, mode=None, fill_value=None):
    """Return ``x[index]``; with mode "fill", ``fill_value`` (NaN) for indices outside the array."""
    from runtime import numpy as np
    if mode == "clip":      # read by places that lie inside, so that the derivative goes there as well
        return np.take(np.ravel(x), clamped_places(like_shape(x), index))
    found = x[index]
    if mode == "fill":
        inside = chosen_inside(like_shape(x), index)
        return np.where(inside, found, fill_of(x, fill_value))
    return found


@op(constant=True, batch=lambda shape, index, over=(): index_examples(_positions(shape), index, ("index",)))
def clamped_places(shape, index):
    """Return the places, in an array of a shape made flat, of the elements of ``x[index]``; indices outside are moved inside."""
    return getitem(_positions(shape), index)


@op(constant=True, batch=lambda shape, index, over=(): index_examples(_positions(shape), index, ("index",), "fill") >= 0)
def chosen_inside(shape, index):
    """Return, for each element of ``x[index]`` of an array of a shape, whether its index lies within the array."""
    from runtime.ops.index import _advanced, _getitem_entries, parse
    entries = parse(index, shape)
    entries = [(ARRAY, numpy.array(v)) if what == INT and type(v) is int else (what, v) for what, v in entries]
    if not any([what in (INT, ARRAY) for what, _ in entries]) and not _advanced(entries):
        return getitem(_positions(shape), index) >= 0
    return _getitem_entries(_positions(shape), entries, "fill") >= 0


@about_types
def fill_of(x, fill_value):
    """Return the value that stands for elements outside an array."""
    return lowering.filler(x.dtype) if fill_value is None else fill_value


_SET_RULE = {"linear": ("x", "values"), "vjp": {"x": "rt.clear(d_out, index)",
                                                "values": "rt.unbroadcast(rt.won(d_out, index), like=values)"}}


def at_set_batched(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None, over=()):
    """Update every example."""
    if "index" in over and is_mask(index):
        return set_masked(x, index, values, over)
    return update_examples(x, index, values, "set", over)


def pick(x, index, mode="zero"):
    """Return ``x[index]``, with zeros (or, with mode "fill", the smallest integer) for indices outside the array."""
    from runtime.ops.index import _advanced, _getitem_entries, parse
    entries = parse(index, x.shape)
    sizes = iter(x.shape)
    inside = True
    for what, value in entries:
        size = None if what == NEW else next(sizes)
        if what == INT:
            inside = inside and certain(value, size)
    if inside and not _advanced(entries):
        return getitem(x, index)
    return _getitem_entries(x, entries, mode)


@op(linear="x", vjp={"x": "rt.unpicked(d_out, index, like=x)"},
    batch=lambda x, index, over=(): index_examples(x, index, tuple([n for n in ("x", "index") if n in over]), "zero"))
def picked(x, index):
    """Return ``x[index]``, with zeros for indices outside the array: what an update there left alone."""
    return x[index] if isinstance(x, (list, tuple, dict)) else pick(as_operand(x), index)


@op(linear="d", vjp={"d": "rt.picked(d_out, index)"}, batch=lambda d, index, like, over=(): unindex_batched(d, index, like, over))
def unpicked(d, index, like):
    """Return the cotangent of ``like`` from that of ``picked(like, index)``: nothing for indices outside the array."""
    from runtime.containers import unindex
    return unindex(d, index, like) if isinstance(like, (list, tuple, dict)) else update(zeros(like_shape(like), d.dtype), index, d, "add")


@op(constant=True, unbatched=True)
def numbered(found):
    """Return the numbers from 1 up in the shape of an array."""
    from runtime import numpy as np
    return np.reshape(np.arange(1, math.prod(found.shape) + 1), found.shape)


def won(d, index):
    """Return the cotangent of values from that of the array that they were put into: of several values for one element, the
    one that was put last has it.
    """
    from runtime import numpy as np
    if isinstance(d, (list, tuple, dict)) or is_lazy(d) or hasattr(d, "appended"):
        found = d[index]
    elif is_open_mask(index):       # values were the same for all that it chose, so that their sum is wanted
        found = np.where(np.reshape(index, index.shape + (1,) * (d.ndim - index.ndim)), d, 0)
    else:
        found = picked(d, index)
        if may_repeat(index):
            numbers = numbered(found)
            placed = picked(at_set(np.zeros_like(d, "int32"), index, numbers), index)
            found = np.where(placed == numbers, found, 0)
    return found


@op(**_SET_RULE, batch=at_set_batched)
def at_set(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` replaced; updates outside the array are dropped."""
    return update(x, index, 0 if values is ZERO else values, "set", mode)


@op(constant=True, unbatched=True, batch=lambda index, over=(): is_mask(index))
def is_mask(index):
    """Tell whether an index is a single array of bools."""
    return _is_array(index) and kind(index.dtype) == "b"


@op(constant=True, unbatched=True, batch=lambda index, over=(): is_mask(index))
def is_open_mask(index):
    """Tell whether an index is an array of bools whose values only the compiled program knows, or the examples of a batch."""
    return is_mask(index) and type(index) is Array and type(index._v) is Value


def set_masked(x, mask, values, over):
    """Set the elements that a mask of each example's own chooses to one value for each example."""
    from runtime import numpy as np
    mask = np.reshape(mask, mask.shape + (1,) * (np.ndim(x) - ("x" in over) - (mask.ndim - 1)))
    if "values" in over:
        values = np.reshape(values, values.shape[:1] + (1,) * (mask.ndim - np.ndim(values)) + values.shape[1:])
    return np.where(mask, values, x)


def at_add_batched(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None, over=()):
    """Update every example."""
    return update_examples(x, index, values, "add", over)


@op(linear=("x", "values"), vjp={"x": "d_out", "values": "rt.unbroadcast(rt.picked(d_out, index), like=values)"},
    batch=at_add_batched)
def at_add(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with values added to ``x[index]``; an index that occurs twice adds twice."""
    return update(x, index, 0 if values is ZERO else values, "add", mode)


def at_subtract(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with values subtracted from ``x[index]``."""
    return at_add(x, index, -values, indices_are_sorted, unique_indices, mode)


@op(constant=True, unbatched=True, batch=lambda index, over=(): may_repeat(index))
def may_repeat(index):
    """Tell whether an index may name an element twice: whether it holds arrays other than masks."""
    items = index if isinstance(index, tuple) else (index,)
    return any([_is_array(item) and item.ndim > 0 and kind(item.dtype) != "b" or isinstance(item, list) for item in items])


# ---- a batch axis in front ----

def _is_array(item):
    return isinstance(item, (Array, numpy.ndarray))


def _has_arrays(index):
    items = index if isinstance(index, tuple) else (index,)
    return any([_is_array(item) and item.ndim for item in items])


def _prefixed(index):
    return (builtins.slice(None), *index) if isinstance(index, tuple) else (builtins.slice(None), index)


def _plan(index, shape):
    """For an index whose arrays have a batch axis: (index of slices and new axes, indexed axes, arrays, place).

    ``shape`` is that of one example.
    """
    items = index if isinstance(index, tuple) else (index,)
    size = next(item.shape[0] for item in items if _is_array(item) and item.ndim)
    entries, dim = [], 0
    taken = len([1 for item in items if item is not None and item is not Ellipsis])
    for item in items:
        if _is_array(item) and kind(item.dtype) == "b":
            raise ConcretizationError("a boolean mask that differs from example to example gives results of different shapes; "
                                      "use numpy.where(mask, x, other)")
        if item is Ellipsis:
            missing = len(shape) - taken
            entries += [(SLICE, (0, n, 1)) for n in shape[dim:dim + missing]]
            dim += missing
        elif item is None:
            entries.append((NEW, None))
        elif _is_array(item) and item.ndim:
            entries.append((ARRAY if item.ndim > 1 else INT, item))
            dim += 1
        else:
            entries += _entry(item, shape, dim)[0]
            dim += 1
    entries += [(SLICE, (0, n, 1)) for n in shape[dim:]]
    first, dims, indices, place = _split(entries, shape)
    arrays = [i if _is_array(i) and i.ndim else broadcast_to(reshape(as_operand(i), (1,)), (size,)) for i in indices]
    return first, dims, arrays, place if any([what == ARRAY for what, _ in entries]) else 0


@op(constant=True, unbatched=True)
def own_index(index):
    """Tell whether an index has a batch axis that an array carries; an index of plain numbers and slices has none.

    TypeError for a list of numbers of which every example has its own.
    """
    items = index if isinstance(index, tuple) else (index,)
    for item in items:
        if isinstance(item, (list, tuple)) and any([getattr(i, "ndim", 0) for i in LEAVES.flatten(item)[0]]):
            raise TypeError("a list in an index holds numbers that differ from example to example: make it an array, x[:, np.array([i, j])]")
    return any([len(getattr(item, "shape", ())) > 0 for item in items])


@op(constant=True, unbatched=True)
def merged_sizes(sized, over_, over):
    """Return the sizes of the new and of the present batch axis, from (operand, name) pairs."""
    outer = inner = None
    for value, name in sized:
        for x in value if isinstance(value, tuple) else (value,):
            if not getattr(x, "shape", ()):
                continue
            if name in over:
                outer = x.shape[0]
            if name in over_:
                inner = x.shape[name in over]
    return outer, inner


@op(constant=True, unbatched=True)
def either(over_, over):
    """Return the names that carry one of two batch axes, in the order of an update's operands."""
    return tuple([name for name in ("x", "index", "values") if name in over or name in over_])


def merged_index_batched(index, over_, over_2, sizes, over=()):
    """Give the arrays of an index both batch axes, joined into one, behind a third."""
    from runtime import numpy as np
    has_outer, has_inner = "index" in over_2, "index" in over_
    if not (has_outer or has_inner):
        return index

    def join(i):
        shape = i.shape[1 + has_outer + has_inner:]
        full = np.reshape(i, (i.shape[0], sizes[0] if has_outer else 1, sizes[1] if has_inner else 1) + shape)
        return np.reshape(np.broadcast_to(full, i.shape[:1] + sizes + shape), (i.shape[0], sizes[0] * sizes[1]) + shape)
    return map_index(index, join)


@op(constant=True, batch=merged_index_batched)
def merged_index(index, over_, over_2, sizes):
    """Give the arrays of an index both batch axes, joined into one."""
    if "index" not in over_2 and "index" not in over_:
        return index
    return map_index(index, lambda i: merged(i, "index" in over_2, "index" in over_, sizes[0], sizes[1]))


def merged_operand(x, name, over_, over, sizes):
    """Give an operand both batch axes, joined into one, if it has either."""
    if name not in over and name not in over_:
        return x
    return merged(x, name in over, name in over_, sizes[0], sizes[1])


def index_examples_batched(x, index, over_, mode=None, over=()):
    """Merge the new batch axis with the one there is."""
    from runtime import numpy as np
    sizes = merged_sizes(((x, "x"), (index, "index")), over_, over)
    made = index_examples(merged_operand(x, "x", over_, over, sizes), merged_index(index, over_, over, sizes),
                          either(over_, over), mode)
    return np.reshape(made, sizes + made.shape[1:])


def merged(x, has_outer, has_inner, outer, inner):
    """Give an array both batch axes, joined into one."""
    from runtime import numpy as np
    shape = x.shape[has_outer + has_inner:]
    full = np.reshape(x, (outer if has_outer else 1, inner if has_inner else 1) + shape)
    return np.reshape(np.broadcast_to(full, (outer, inner) + shape), (outer * inner,) + shape)


def _arrays_of(index):
    return [i for i in (index if isinstance(index, tuple) else (index,)) if _is_array(i) and i.ndim]


def map_index(index, function):
    """Apply a function to the arrays of an index."""
    if isinstance(index, tuple):
        return tuple([function(as_operand(i)) if _is_array(i) and i.ndim else i for i in index])
    return function(as_operand(index)) if _is_array(index) and index.ndim else index


@op(linear="x", vjp={"x": "rt.unindex_examples(d_out, index, over_, like=x)"}, batch=index_examples_batched)
def index_examples(x, index, over_, mode=None):
    """Return ``x[index]`` of every example; ``over_`` names which of "x" and "index" carry the batch axis."""
    x, index = as_operand(x, "indexing"), with_arrays(index)
    if "index" not in over_ or not own_index(index):
        items = index if isinstance(index, tuple) else (index,)
        spots = [i for i, item in enumerate(items) if isinstance(item, (int, numpy.integer)) or _is_array(item)]
        if not _has_arrays(index) or all([b - a == 1 for a, b in zip(spots, spots[1:])]):
            return getitem(x, _prefixed(index)) if mode is None else pick(x, _prefixed(index))
        spots = getitem(_positions(x.shape[1:]), index)  # arrays apart from each other would move before the batch axis
        return getitem(reshape(x, (x.shape[0], -1)), (builtins.slice(None), spots))
    lead = 1 if "x" in over_ else 0
    first, dims, arrays, place = _plan(index, x.shape[lead:])
    if not _trivial(first, x.shape[lead:]):
        x = getitem(x, (builtins.slice(None),) * lead + first)
    if lead:
        arrays, dims = [arange(x.shape[0]), *arrays], (0, *[d + 1 for d in dims])
    return lowering.gather(x, *arrays, dims=dims, place=place, lead=1, mode=mode)


def unindex_examples_batched(d, index, over_, like, over=()):
    """Merge the new batch axis with the one there is."""
    from runtime import numpy as np
    sizes = merged_sizes(((d, "d"), (index, "index")), tuple([*over_, "d"]), over)
    example = example_like(like, over).shape["x" in over_:]
    d = merged_operand(d, "d", ("d",), over, sizes)
    made = unindex_examples(d, merged_index(index, over_, over, sizes), tuple([*either(over_, over), "x"]),
                            Like((sizes[0] * sizes[1],) + example, d.dtype))
    made = np.reshape(made, sizes + example)
    return made if "x" in over_ else np.sum(made, 1)


@op(linear="d", vjp={"d": "rt.index_examples(d_out, index, over_)"}, batch=unindex_examples_batched)
def unindex_examples(d, index, over_, like):
    """Return the cotangent of ``like`` from that of ``index_examples(like, index, over_)``."""
    index = with_arrays(index)
    shape = like_shape(like)
    if "x" in over_:
        blank = zeros(shape, d.dtype)
        return update_examples(blank, index, d, "add", tuple([*over_, "values"]))
    first, dims, arrays, place = _plan(index, shape)
    spots = lowering.gather(getitem(_positions(shape), first), *arrays, dims=dims, place=place, lead=1, mode="fill")
    return reshape(update(zeros((math.prod(shape),), d.dtype), spots, d, "add"), shape)


def getitem_batched(x, index, over):
    """Index every example."""
    if "index" in over and not own_index(index):
        over = ("x",)
    return index_examples(x, index, tuple([name for name in ("x", "index") if name in over]))


def unindex_batched(d, index, like, over):
    """Put every example's cotangent in its place."""
    from runtime import numpy as np
    own = example_like(like, over)
    size = (d if "d" in over else _arrays_of(index)[0]).shape[0]
    if "d" not in over:
        d = np.broadcast_to(d, (size,) + d.shape)
    kinds = ("x", "index") if "index" in over and own_index(index) else ("x",)
    return unindex_examples(d, index, kinds, Like((size,) + own.shape, own.dtype))


def setitem_batched(x, index, value, over):
    """Set an element of every example."""
    kinds = tuple(["values" if name == "value" else name for name in over])
    return update_examples(x, index, value, "set", kinds)


def update_examples_batched(x, index, values, how, over_, over=()):
    """Merge the new batch axis with the one there is."""
    from runtime import numpy as np
    sizes = merged_sizes(((x, "x"), (values, "values"), (index, "index")), over_, over)
    made = update_examples(merged(x, "x" in over, "x" in over_, sizes[0], sizes[1]), merged_index(index, over_, over, sizes),
                           merged_operand(values, "values", over_, over, sizes), how, tuple([*either(over_, over), "x"]))
    return np.reshape(made, sizes + made.shape[1:])


@op(jvp="rt.update_examples_dot(x_dot, index, values_dot, how, over_, like=x)",
    vjp={"x": "rt.clear_examples(d_out, index, how, over_, like=x)",
         "values": "rt.updated_examples(d_out, index, how, over_, like=values)"}, batch=update_examples_batched)
def update_examples(x, index, values, how, over_):
    """Return every example with ``x[index]`` updated by "set" or "add".

    ``over_`` names which of "x", "index" and "values" carry the batch axis.
    """
    index = with_arrays(index)
    if is_mask(index) and how == "set" and numpy.ndim(values) == ("values" in over_):
        mask = as_operand(index)
        mask = mask if "index" in over_ else reshape(mask, (1, *mask.shape))
        return set_masked(x if "x" in over_ else reshape(as_operand(x), (1, *x.shape)), mask, values,
                          ("x", "index", *[name for name in over_ if name == "values"]))
    sized = [(x, "x"), (values, "values")] + [(i, "index") for i in _arrays_of(index)]
    size = next(v.shape[0] for v, name in sized if name in over_)
    x = as_operand(x)
    if "x" not in over_:
        x = broadcast_to(x, (size, *x.shape))
    shape = x.shape[1:]
    if "index" in over_ and own_index(index):
        first, dims, arrays, place = _plan(index, shape)
        spots = lowering.gather(getitem(_positions(shape), first), *arrays, dims=dims, place=place, lead=1, mode="fill")
    else:
        spots = pick(_positions(shape), index, "fill")
        spots = broadcast_to(spots, (size, *spots.shape))
    values = as_operand(values)
    if "values" in over_ and values.ndim < spots.ndim:
        values = reshape(values, values.shape[:1] + (1,) * (spots.ndim - values.ndim) + values.shape[1:])
    values = _fit(values, spots.shape)
    from runtime.ops import binary
    count = math.prod(shape)
    offset = reshape(arange(size) * count, (size,) + (1,) * (spots.ndim - 1))
    flat = binary.where(spots < 0, -count * size - 1, spots + offset)
    return reshape(update(reshape(x, (x.size,)), flat, values, how), x.shape)


def update_examples_dot(x_dot, index, values_dot, how, over_, like):
    """Return the tangent of ``update_examples``."""
    from runtime.cotangent import filled
    if x_dot is ZERO and values_dot is ZERO:
        return ZERO
    return update_examples(filled(x_dot, like), index, 0 if values_dot is ZERO else values_dot, how, tuple(
        [name for name in over_ if name != "values" or values_dot is not ZERO]))


def clear_examples(d, index, how, over_, like):
    """Return the cotangent of x in ``update_examples``."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    kinds = ("x", "index") if "index" in over_ else ("x",)
    cleared = update_examples(d, index, 0, "set", kinds) if how == "set" else d
    return cleared if "x" in over_ else np.sum(cleared, 0)


def updated_examples(d, index, how, over_, like):
    """Return the cotangent of the values in ``update_examples``."""
    if d is ZERO:
        return ZERO
    from runtime.cotangent import unbroadcast
    kinds = ("x", "index") if "index" in over_ else ("x",)
    found = index_examples(d, index, kinds)
    if how == "set" and may_repeat(index):
        from runtime import numpy as np
        numbers = numbered(found)
        placed = index_examples(update_examples(np.zeros_like(d, "int32"), index, numbers, "set", (*kinds, "values")), index, kinds)
        found = np.where(placed == numbers, found, 0)
    if "values" in over_:
        return unbroadcast(found, Like(like_shape(like)[1:], like.dtype), 1)
    return unbroadcast(found, like)
