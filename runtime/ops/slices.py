"""Slices with static bounds along axes, padding, and the transposes of both."""
from __future__ import annotations

import operator

from runtime.op import op
from runtime.ops.axes import axis_index
from runtime.ops.create import shape_tuple
from runtime.ops.reduce import example_like
from runtime.ops.shape import like_shape
from runtime.primitive import Primitive, as_operand
from runtime.types import aval
from runtime.zero import ZERO


def _slice_infer(x, *, start, limit, stride):
    return x.with_shape(tuple([max(0, -(-(b - a) // c)) for a, b, c in zip(start, limit, stride)]))


def _slice_emit(block, operands, out_avals, *, start, limit, stride):
    return block.op("slice", operands, out_avals[0], {"start_indices": start, "limit_indices": limit, "strides": stride})


_slice = Primitive("slice", _slice_infer, _slice_emit)


def _pad_infer(x, value, *, low, high, interior):
    return x.with_shape(tuple([max(0, n + a + b + max(0, n - 1) * c) for n, a, b, c in zip(x.shape, low, high, interior)]))


def _pad_emit(block, operands, out_avals, *, low, high, interior):
    x, value = operands
    return block.op("pad", [x, block.convert(value, aval((), x.aval.dtype))], out_avals[0], {
        "edge_padding_low": low, "edge_padding_high": high, "interior_padding": interior})


_pad = Primitive("pad", _pad_infer, _pad_emit)


def slice_batched(operand, start_indices, limit_indices, strides=None, over=()):
    """Slice every example."""
    return slice(operand, (0, *start_indices), (operand.shape[0], *limit_indices), None if strides is None else (1, *strides))


@op(linear="operand", vjp={"operand": "rt.unslice(d_out, start_indices, strides, like=operand)"}, batch=slice_batched)
def slice(operand, start_indices, limit_indices, strides=None):
    """Return the part of an array from ``start_indices`` up to ``limit_indices``, every ``strides``-th element."""
    operand = as_operand(operand, "slice")
    start, limit = shape_tuple(start_indices, "slice"), shape_tuple(limit_indices, "slice")
    stride = (1,) * operand.ndim if strides is None else shape_tuple(strides, "slice")
    for bounds in (start, limit, stride):
        if len(bounds) != operand.ndim:
            raise ValueError(f"slice: {bounds} must have one entry for each axis of shape {operand.shape}")
    if any([b > n or a > b for a, b, n in zip(start, limit, operand.shape)]):
        raise TypeError(f"slice: bounds {start} to {limit} do not lie within shape {operand.shape}")
    if start == (0,) * operand.ndim and limit == operand.shape and stride == (1,) * operand.ndim:
        return operand
    return _slice(operand, start=start, limit=limit, stride=stride)


def unslice_batched(d, start_indices, strides, like, lead=0, over=()):
    """Put every example's slice back."""
    return unslice(d, start_indices, strides, example_like(like, over), lead + 1)


@op(linear="d", vjp={"d": "rt.slice_again(d_out, start_indices, strides, like=d, lead=lead)"}, batch=unslice_batched)
def unslice(d, start_indices, strides, like, lead=0):
    """Return zeros like ``like`` with a slice filled by ``d``; the first ``lead`` axes of ``d`` are batch axes."""
    shape = like_shape(like)
    steps = (1,) * len(shape) if strides is None else tuple(strides)
    low = tuple(start_indices)
    inner = d.shape[lead:]
    high = tuple([n - a - (m + max(0, m - 1) * (s - 1)) for n, a, m, s in zip(shape, low, inner, steps)])
    zeros = (0,) * lead
    return _pad(d, 0, low=zeros + low, high=zeros + high, interior=zeros + tuple([s - 1 for s in steps]))


def slice_again(d, start_indices, strides, like, lead=0):
    """The transpose of ``unslice``: take the slice, which has the shape of ``like``."""
    if d is ZERO or like is ZERO:
        return ZERO
    steps = (1,) * (len(like.shape) - lead) if strides is None else tuple(strides)
    start = (0,) * lead + tuple(start_indices)
    steps = (1,) * lead + steps
    limit = tuple([a + (m - 1) * s + 1 if m else a for a, m, s in zip(start, like.shape, steps)])
    return slice(d, start, limit, steps)


def slice_in_dim(operand, start_index, limit_index, stride=1, axis=0):
    """Return the slice of an array along one axis; negative bounds count from the end."""
    bounds = axis_bounds(like_shape(operand), start_index, limit_index, stride, axis)
    return slice(operand, bounds[0], bounds[1], bounds[2])


@op(constant=True, unbatched=True)
def axis_bounds(shape, start_index, limit_index, stride, axis):
    """Return the bounds and strides, for all axes, of a slice along one."""
    axis = axis_index(axis, len(shape))
    size = shape[axis]
    start = 0 if start_index is None else operator.index(start_index)
    limit = size if limit_index is None else operator.index(limit_index)
    start, limit = start + size if start < 0 else start, limit + size if limit < 0 else limit
    ones = (1,) * len(shape)
    return ((0,) * axis + (start,) + (0,) * (len(shape) - axis - 1), shape[:axis] + (limit,) + shape[axis + 1:],
            ones[:axis] + (operator.index(stride),) + ones[axis + 1:])


def lax_pad_batched(operand, padding_value, padding_config, over=()):
    """Pad every example."""
    from runtime import numpy as np
    config = ((0, 0, 0),) + tuple([tuple(c) for c in padding_config])
    if "padding_value" not in over:
        return lax_pad(operand, padding_value, config)
    if "operand" not in over:
        operand = np.broadcast_to(operand, padding_value.shape + operand.shape)
    inside = lax_pad(np.ones_like(operand, bool), False, config)
    value = np.reshape(padding_value, padding_value.shape + (1,) * (operand.ndim - 1))
    return np.where(inside, lax_pad(operand, np.zeros((), operand.dtype), config), value)


def pad_dot(operand_dot, padding_value_dot, padding_config, like):
    """Return the tangent of ``lax.pad``; ``like``: the operand."""
    from runtime.cotangent import filled
    if padding_value_dot is ZERO:
        return repad(operand_dot, padding_config)
    return lax_pad(filled(operand_dot, like), padding_value_dot, padding_config)


@op(jvp="rt.pad_dot(operand_dot, padding_value_dot, padding_config, like=operand)",
    vjp={"operand": "rt.unpad(d_out, padding_config)",
         "padding_value": "np.sum(d_out) - np.sum(rt.unpad(d_out, padding_config))"},
    batch=lax_pad_batched, name="pad")
def lax_pad(operand, padding_value, padding_config):
    """Return the array with a value put before, after and between its elements: (low, high, interior) for each axis.

    Negative low or high widths cut elements off.
    """
    operand = as_operand(operand, "pad")
    config = [tuple([operator.index(n) for n in c]) for c in padding_config]
    if len(config) != operand.ndim:
        raise ValueError(f"pad: padding_config must have an entry for each axis of shape {operand.shape}, got {padding_config}")
    low, high, interior = zip(*config) if config else ((), (), ())
    return _pad(operand, padding_value, low=low, high=high, interior=interior)


lax_pad.__name__ = "pad"


def unpad_batched(d, padding_config, over=()):
    """Cut the padding off every example."""
    return unpad(d, ((0, 0, 0),) + tuple([tuple(c) for c in padding_config]))


@op(linear="d", vjp={"d": "rt.repad(d_out, padding_config)"}, batch=unpad_batched)
def unpad(d, padding_config):
    """Return the array with padding cut off; where padding had cut elements off, zeros."""
    low, high, interior = zip(*[tuple(c) for c in padding_config]) if len(padding_config) else ((), (), ())
    whole = _pad(d, 0, low=tuple([max(0, -n) for n in low]), high=tuple([max(0, -n) for n in high]),
                 interior=(0,) * d.ndim)
    start = tuple([max(0, n) for n in low])
    limit = tuple([n - max(0, h) for n, h in zip(whole.shape, high)])
    return slice(whole, start, limit, tuple([n + 1 for n in interior]))


def repad_batched(d, padding_config, over=()):
    """Pad every example."""
    return repad(d, ((0, 0, 0),) + tuple([tuple(c) for c in padding_config]))


@op(linear="d", vjp={"d": "rt.unpad(d_out, padding_config)"}, batch=repad_batched)
def repad(d, padding_config):
    """Return the array padded with zeros: the cotangent of what ``unpad`` cuts."""
    return lax_pad(d, 0.0, padding_config)
