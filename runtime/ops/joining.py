"""Functions that join arrays: concatenate and stack, with their transposes."""
from __future__ import annotations

import math

import numpy

from runtime.array import Array
from runtime.op import op
from runtime.ops.kernel import about_types, no_out
from runtime.ops.axes import axis_index, inner_axis, new_axis, without_axes
from runtime.growing import Growing
from runtime.ops.records import stack_records, staged_records
from runtime.sequence import Rows, is_lazy
from runtime.ops.reduce import example_like
from runtime.ops.shape import like_shape, make_shape, reshape
from runtime.ops.slices import slice_in_dim
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, promote_avals
from runtime.zero import ZERO, Like


def _join_infer(*avals, axis):
    dtype, weak = promote_avals(*avals)
    shapes = [a.shape for a in avals]
    first = shapes[0]
    for s in shapes:
        if len(s) != len(first):
            raise TypeError("Cannot concatenate arrays with different numbers of dimensions: got "
                            f"{', '.join(map(str, shapes))}.")
        if without_axes(s, (axis,)) != without_axes(first, (axis,)):
            raise TypeError(f"Cannot concatenate arrays with shapes that differ in dimensions other than the one being "
                            f"concatenated: concatenating along dimension {axis} for shapes {', '.join(map(str, shapes))}.")
    total = sum([s[axis] for s in shapes])
    return aval(first[:axis] + (total,) + first[axis + 1:], dtype, weak)


def _join_emit(block, operands, out_avals, *, axis):
    of = out_avals[0]
    values = [block.convert(v, v.aval.with_dtype(of.dtype)) for v in operands]
    return values[0] if len(values) == 1 else block.op("concatenate", values, of, {"dimension": axis})


_join = Primitive("concatenate", _join_infer, _join_emit)


def _sequence(arrays, name):
    if isinstance(arrays, Array) or isinstance(arrays, numpy.ndarray):
        if not arrays.ndim:
            raise ValueError(f"{name}: Zero-dimensional arrays cannot be concatenated.")
        return [as_operand(a, name) for a in arrays]
    found = [as_operand(a, name) for a in arrays]
    if not found:
        raise ValueError(f"{name}: Need at least one array to concatenate.")
    return found


def batch_items(arrays, over=()):
    """Return the items of a batched sequence, each with the batch axis in front."""
    from runtime import numpy as np
    if not isinstance(arrays, (list, tuple)):
        return [arrays[:, i] for i in range(arrays.shape[1])] if hasattr(arrays, "shape") else list(arrays)
    return [np.asarray(a) for a in arrays]


def concatenate_batched(arrays, axis=0, dtype=None, over=()):
    """Join every example."""
    from runtime import numpy as np
    if all_zero(arrays):
        return ZERO     # a batch of nothing but zeros, whose size nobody knows
    items = batch_items(arrays)
    if axis is None:
        return np.concatenate([np.reshape(a, (a.shape[0], -1)) for a in items], 1, dtype)
    return np.concatenate(items, inner_axis(axis, items[0].ndim), dtype)


@op(linear="arrays", vjp={"arrays": "rt.unconcatenate(d_out, like=arrays, axis=axis)"}, batch=concatenate_batched)
def concatenate(arrays, axis=0, dtype=None):
    """Return arrays joined along an existing axis (flattened first if it is None)."""
    items = _sequence(arrays, "concatenate")
    if axis is None:
        items, axis = [reshape(a, (-1,)) for a in items], 0
    if not items[0].ndim:
        raise ValueError("Zero-dimensional arrays cannot be concatenated; use stack, or give them an axis.")
    made = _join(*items, axis=axis_index(axis, items[0].ndim))
    return made if dtype is None else cast(made, dtype)


def unconcatenate_batched(d, like, axis=0, lead=0, over=()):
    """Take every example apart."""
    inner = [example_like(a, over) for a in items_like(like)] if "like" in over else items_like(like)
    return unconcatenate(d, inner, axis, lead + 1)


@op(constant=True, unbatched=True)
def items_like(like):
    """Return the tokens of the items of a sequence, or of the rows of an array."""
    if isinstance(like, (list, tuple)) or is_lazy(like):
        return list(like)
    return [Like(like_shape(like)[1:], like.dtype)] * like_shape(like)[0]


@op(linear="d", vjp={"d": "rt.concatenate_again(d_out, like=d, parts=like, axis=axis, lead=lead)"},
    batch=unconcatenate_batched)
def unconcatenate(d, like, axis=0, lead=0):
    """Return the cotangents of the arrays that were joined; the first ``lead`` axes of ``d`` are batch axes."""
    from runtime.cotangent import unbroadcast
    shapes = [like_shape(a) for a in items_like(like)]
    front = d.shape[:lead]
    parts, start = [], 0
    for shape, part in zip(shapes, items_like(like)):
        if axis is None:
            size = math.prod(shape)
            piece = reshape(slice_in_dim(d, start, start + size, axis=lead), front + shape)
        else:
            place = axis_index(axis, len(shape))
            size = shape[place]
            piece = slice_in_dim(d, start, start + size, axis=place + lead)
        start += size
        parts.append(unbroadcast(piece, part, lead))
    if isinstance(like, (list, tuple)):
        return type(like)(parts)
    return parts if is_lazy(like) else stack(parts, axis=lead)


@about_types
def all_zero(d):
    """Tell whether a container of cotangents holds nothing but ZERO."""
    return isinstance(d, (list, tuple)) and all([one is ZERO for one in d])


def concatenate_again(d, like, parts, axis=0, lead=0):
    """The transpose of ``unconcatenate``: ``d`` holds cotangents of its results."""
    if d is ZERO or all_zero(d):
        return ZERO
    from runtime import numpy as np
    from runtime.turns import listed
    from runtime.cotangent import filled
    front = like.shape[:lead]
    items = []
    for one, part in zip(listed(d, parts), items_like(parts)):
        whole = filled(one, Like(front + like_shape(part), like.dtype))
        items.append(np.reshape(whole, front + (-1,)) if axis is None else whole)
    return np.concatenate(items, lead if axis is None else inner_axis(axis, items[0].ndim, lead))


@op(linear="arrays", vjp={"arrays": "rt.unstack_like(d_out, like=arrays, axis=axis)"},
    batch=lambda arrays, axis=0, out=None, dtype=None, over=(): stack_lead(arrays, axis, dtype, 1))
def stack(arrays, axis=0, out=None, dtype=None):
    """Return arrays of one shape joined along a new axis."""
    if out is not None:
        no_out("stack", out)
    if staged_records(arrays):
        from runtime.ops.permute import moveaxis
        made = moveaxis(stack_records(arrays), 0, axis)
        return made if dtype is None else cast(made, dtype)
    items = _sequence(arrays, "stack")
    shape = items[0].shape
    if any([a.shape != shape for a in items]):
        raise ValueError(f"All input arrays must have the same shape; stack got {[a.shape for a in items]}")
    place = axis_index(axis, len(shape) + 1)
    made = _join(*[make_shape(a, shape=shape[:place] + (1,) + shape[place:]) for a in items], axis=place) \
        if len(items) < 3 or items[0].size > 1 << 16 else _stack(*items, axis=place)
    return made if dtype is None else cast(made, dtype)


def _stack_infer(*avals, axis):
    dtype, weak = promote_avals(*avals)
    shape = avals[0].shape
    return aval(shape[:axis] + (len(avals),) + shape[axis:], dtype, weak)


def _stack_emit(block, operands, out_avals, *, axis):
    of = out_avals[0]
    single = of.shape[:axis] + (1,) + of.shape[axis + 1:]
    values = [block.reshape(block.convert(v, v.aval.with_dtype(of.dtype)), single) for v in operands]
    return block.op("concatenate", values, of, {"dimension": axis})


_stack = Primitive("stack", _stack_infer, _stack_emit)


@op(linear="arrays", vjp={"arrays": "rt.unstack_like(d_out, like=arrays, axis=axis, lead=lead, own=lead)"},
    batch=lambda arrays, axis, dtype, lead, over=(): stack_lead(arrays, axis, dtype, lead + 1))
def stack_lead(arrays, axis, dtype, lead):
    """Stack every example: the first ``lead`` axes of the arrays are batch axes."""
    from runtime import numpy as np
    from runtime.turns import with_front
    if all_zero(arrays):
        return ZERO
    items = arrays if isinstance(arrays, (list, tuple)) or staged_records(arrays) else np.moveaxis(arrays, lead, 0)
    if not staged_records(items):
        items = [np.asarray(a) for a in items]
        rank = max([a.ndim for a in items]) - lead
        return np.stack(with_front(items, rank, lead), new_axis(axis, rank, lead), None, dtype)
    made = stack_records(items)
    made = np.moveaxis(made, 0, new_axis(axis, made.ndim - 1 - lead, lead))
    return made if dtype is None else cast(made, dtype)


@op(linear="d", vjp={"d": "rt.stack_again(d_out, like=like, axis=axis, lead=lead, own=own)"},
    batch=lambda d, like, axis=0, lead=0, own=0, over=(): unstack_like(d, like, axis, lead + 1, own))
def unstack_like(d, like, axis=0, lead=0, own=0):
    """Return the cotangents of the arrays that were stacked.

    lead: how many of the first axes of ``d`` are batch axes; own: how many of those of the arrays that ``like`` describes.
    """
    from runtime.cotangent import unbroadcast
    place = axis_index(axis, d.ndim - lead) + lead
    if is_lazy(like) if lead else staged_records(like, d):
        from runtime.ops.permute import moveaxis
        rows = moveaxis(d, place, 0)
        return Rows(rows) if lead else Growing(rows, d.shape[place])
    shape = without_axes(d.shape, (place,))
    parts = [unbroadcast(make_shape(slice_in_dim(d, i, i + 1, axis=place), shape=shape), part, lead)
             for i, part in enumerate(_examples(like, own))]
    if isinstance(like, (list, tuple)):
        return type(like)(parts)
    return parts if is_lazy(like) else stack(parts, axis=lead)


def _examples(like, own):
    """Describe one example of each array that was stacked."""
    from runtime.cotangent import like as described
    return items_like(described(like, own) if own else like)


@op(linear="d", vjp={"d": "rt.unstack_like(d_out, like=like, axis=axis, lead=lead, own=own)"},
    batch=lambda d, like, axis=0, lead=0, own=0, over=(): stack_again(d, like, axis, lead + 1, own))
def stack_again(d, like, axis=0, lead=0, own=0):
    """The transpose of ``unstack_like``: stack the cotangents of its results."""
    from runtime.turns import listed_lead
    from runtime.cotangent import filled
    if all_zero(d):
        return ZERO
    if staged_records(d):
        return stack_lead(d, axis, None, lead)
    parts = _examples(like, own)
    return stack_lead([filled(one, part) for one, part in zip(listed_lead(d, parts, lead), parts)], axis, None, lead)
