"""Lowering of indexing: windows at dynamic places, gathers and scatters at arrays of indices."""
from __future__ import annotations

import math

import numpy

from runtime.ops.elementwise import full
from runtime.ops.reduce import INITIAL, LOGICAL
from runtime.primitive import Primitive
from runtime.types import aval, kind

INDEX = numpy.dtype("int32")


def wrapped(block, index, size):
    """Emit an index as int32 with negative values counted from the end."""
    if index.aval.dtype != INDEX:
        index = block.convert(index, index.aval.with_dtype(INDEX))
    of = index.aval
    return block.op("select", [block.compare("LT", index, full(block, 0, of)),
                               block.op("add", [index, full(block, size, of)], of), index], of)


def _taken(x, dims, shape):
    """Return the type of what an index of the axes ``dims`` gives: an empty axis has nothing to give, unless nothing is asked for."""
    empty = [d for d in dims if x.shape[d] == 0]
    if empty and 0 not in shape:
        raise IndexError(f"index is out of bounds for axis {empty[0]} with size 0 of an array of shape {x.shape}")
    return x.with_shape(shape)


# ---- windows ----

def _window_infer(x, *starts, dims, sizes, shape):
    return _taken(x, [d for d in dims if sizes[d]], shape)


def _starts(block, x, starts, dims, wrap=True):
    zero = block.constant(0, INDEX)
    found = [zero] * x.aval.ndim
    for start, dim in zip(starts, dims):
        found[dim] = wrapped(block, start, x.aval.shape[dim]) if wrap else block.convert(start, aval((), INDEX))
    return found


def _window_emit(block, operands, out_avals, *, dims, sizes, shape):
    x, *starts = operands
    value = x
    if 0 in shape:
        return block.constant(0, x.aval.dtype, shape)
    if sizes != x.aval.shape:
        value = block.op("dynamic_slice", [x, *_starts(block, x, starts, dims)], x.aval.with_shape(sizes),
                         {"slice_sizes": sizes})
    return block.reshape(value, shape)


window = Primitive("dynamic_slice", _window_infer, _window_emit)


def _put_window_infer(x, update, *starts, dims, sizes, how):
    _taken(x, [d for d in dims if sizes[d]], sizes)
    return x


def _put_window_emit(block, operands, out_avals, *, dims, sizes, how):
    x, update, *starts = operands
    of = x.aval
    update = block.reshape(block.convert(update, update.aval.with_dtype(of.dtype)), sizes)
    places = _starts(block, x, starts, dims)
    if how != "set":
        old = block.op("dynamic_slice", [x, *places], of.with_shape(sizes), {"slice_sizes": sizes})
        update = block.op(LOGICAL.get(how, how) if kind(of.dtype) == "b" else how, [old, update], of.with_shape(sizes))
    return block.op("dynamic_update_slice", [x, update, *places], of)


put_window = Primitive("dynamic_update_slice", _put_window_infer, _put_window_emit)


def _stride_infer(x, *, start, limit, stride, reverse, shape):
    return _taken(x, [d for d, (first, end) in enumerate(zip(start, limit)) if first < end], shape)


def _stride_emit(block, operands, out_avals, *, start, limit, stride, reverse, shape):
    value = operands[0]
    of = value.aval
    sizes = tuple(max(0, -(-(b - a) // s)) for a, b, s in zip(start, limit, stride))
    if 0 in shape:
        return block.constant(0, of.dtype, shape)
    if sizes != of.shape:
        value = block.op("slice", [value], of.with_shape(sizes), {
            "start_indices": start, "limit_indices": limit, "strides": stride})
    if reverse:
        value = block.op("reverse", [value], value.aval, {"dimensions": reverse})
    return block.reshape(value, shape)


strided = Primitive("slice", _stride_infer, _stride_emit)


def _put_strided_infer(x, update, *, start, limit, stride, reverse, how):
    return x


def _put_strided_emit(block, operands, out_avals, *, start, limit, stride, reverse, how):
    """Spread the update over the shape of the array, the neutral element in between, and join both."""
    x, update = operands
    of = x.aval
    sizes = tuple(max(0, -(-(b - a) // s)) for a, b, s in zip(start, limit, stride))
    update = block.reshape(block.convert(update, update.aval.with_dtype(of.dtype)), sizes)
    if reverse:
        update = block.op("reverse", [update], update.aval, {"dimensions": reverse})

    def spread(value, neutral):
        high = tuple(n - a - (m + max(0, m - 1) * (s - 1)) for n, a, m, s in zip(of.shape, start, sizes, stride))
        return block.op("pad", [value, block.constant(neutral, value.aval.dtype)], aval(of.shape, value.aval.dtype), {
            "edge_padding_low": start, "edge_padding_high": high, "interior_padding": tuple(s - 1 for s in stride)})
    if how == "set":
        inside = spread(block.constant(True, bool, sizes), False)
        return block.op("select", [inside, spread(update, 0), x], of)
    how = LOGICAL.get(how, how) if kind(of.dtype) == "b" else how
    return block.op(how, [x, spread(update, INITIAL[how](of.dtype))], of)


put_strided = Primitive("put_slice", _put_strided_infer, _put_strided_emit)


# ---- gather and scatter ----

def layout(shape, common, dims, place, lead):
    """Return (result shape, positions of the window axes) of a gather.

    dims: the indexed axes; common: the shape of the index arrays, of which the first ``lead`` axes go in front of the
    result and the others to ``place`` among the window axes.
    """
    rest = [n for i, n in enumerate(shape) if i not in dims]
    front, inner = common[:lead], common[lead:]
    out = tuple(front) + tuple(rest[:place]) + tuple(inner) + tuple(rest[place:])
    offsets = tuple(range(lead, lead + place)) + tuple(range(lead + place + len(inner), len(out)))
    return out, offsets


def _common(indices, lead):
    from runtime.ops.kernel import join_shapes
    if not lead:
        return join_shapes("indexing", indices)
    inner = join_shapes("indexing", [i.with_shape(i.shape[lead:]) for i in indices])
    return join_shapes("indexing", [i.with_shape(i.shape[:lead]) for i in indices]) + inner


def _starts_array(block, x, indices, dims, lead, wrap=True):
    common = _common([i.aval for i in indices], lead)
    columns = []
    for index, dim in zip(indices, dims):
        index = wrapped(block, index, x.aval.shape[dim]) if wrap else block.convert(index, index.aval.with_dtype(INDEX))
        own = index.aval.shape
        places = tuple(range(lead)) + tuple(range(len(common) - (len(own) - lead), len(common)))
        index = block.broadcast(index, common, places)
        columns.append(block.reshape(index, common + (1,)))
    if len(columns) == 1:
        return columns[0], common
    of = aval(common + (len(columns),), INDEX)
    return block.op("concatenate", columns, of, {"dimension": len(common)}), common


def _gather_infer(x, *indices, dims, place, lead, mode):
    return _taken(x, dims, layout(x.shape, _common(indices, lead), dims, place, lead)[0])


def _inside(block, x, starts, dims, common):
    """Emit, for each index, whether it lies within the array."""
    of = starts.aval
    last = block.constant(numpy.array([x.aval.shape[d] - 1 for d in dims], INDEX))
    last = block.broadcast(last, of.shape, (len(common),))
    truth = aval(of.shape, numpy.dtype(bool))
    good = block.op("and", [block.compare("GE", starts, full(block, 0, of)), block.compare("LE", starts, last)], truth)
    return block.op("reduce", [good, block.constant(True, bool)], aval(common, numpy.dtype(bool)),
                    {"dimensions": (len(common),)}, [block.binary_region("and", numpy.dtype(bool))])


def filler(dtype):
    """Return the value that stands for what lies outside an array."""
    return {"f": math.nan, "c": math.nan, "b": True, "k": 0}.get(kind(dtype)) if kind(dtype) in "fcbk" else (
        int(numpy.iinfo(dtype).min) if kind(dtype) == "i" else int(numpy.iinfo(dtype).max))


def _gather_emit(block, operands, out_avals, *, dims, place, lead, mode):
    x, *indices = operands
    of = x.aval
    if 0 in of.shape:
        return block.constant(0, of.dtype, out_avals[0].shape)
    starts, common = _starts_array(block, x, indices, dims, lead, mode != "clip")
    shape, offsets = layout(of.shape, common, dims, place, lead)
    sizes = tuple(1 if i in dims else n for i, n in enumerate(of.shape))
    made = block.op("gather", [x, starts], of.with_shape(shape), {
        "dimension_numbers": f"#stablehlo.gather<offset_dims = {list(offsets)}, collapsed_slice_dims = {sorted(dims)}, "
                             f"start_index_map = {list(dims)}, index_vector_dim = {len(common)}>",
        "slice_sizes": sizes, "indices_are_sorted": False})
    if mode not in ("fill", "zero"):
        return made
    inside = _inside(block, x, starts, dims, common)
    inside = block.broadcast(inside, shape, tuple(i for i in range(len(shape)) if i not in offsets))
    other = filler(of.dtype) if mode == "fill" else 0
    return block.op("select", [inside, made, block.constant(other, of.dtype, shape)], made.aval)


gather = Primitive("gather", _gather_infer, _gather_emit)


def _scatter_infer(x, update, *indices, dims, place, lead, how, mode):
    return x


def _scatter_emit(block, operands, out_avals, *, dims, place, lead, how, mode):
    x, update, *indices = operands
    of = x.aval
    starts, common = _starts_array(block, x, indices, dims, lead, mode != "clip")
    if mode == "clip":
        last = block.constant(numpy.array([of.shape[d] - 1 for d in dims], INDEX))
        last = block.broadcast(last, starts.aval.shape, (len(common),))
        starts = block.op("clamp", [full(block, 0, starts.aval), starts, last], starts.aval)
    shape, offsets = layout(of.shape, common, dims, place, lead)
    update = block.convert(update, update.aval.with_dtype(of.dtype))
    update = block.broadcast(update, shape)
    cell = aval((), of.dtype)
    if how == "set":
        region = block.region([cell, cell])
        region.ret([region.args[1]])
    else:
        region = block.binary_region(LOGICAL.get(how, how) if kind(of.dtype) == "b" else how, of.dtype)
    return block.op("scatter", [x, starts, update], of, {
        "scatter_dimension_numbers": f"#stablehlo.scatter<update_window_dims = {list(offsets)}, "
                                     f"inserted_window_dims = {sorted(dims)}, "
                                     f"scatter_dims_to_operand_dims = {list(dims)}, index_vector_dim = {len(common)}>",
        "indices_are_sorted": False, "unique_indices": False}, [region])


scatter = Primitive("scatter", _scatter_infer, _scatter_emit)


# ---- along an axis ----

def _along_indices(block, index, axis):
    """Emit the full coordinates of take_along_axis: each axis's own position, but the given index along ``axis``."""
    shape = index.aval.shape
    of = aval(shape, INDEX)
    columns = [index if i == axis else block.op("iota", [], of, {"iota_dimension": i}) for i in range(len(shape))]
    return columns


def _along_infer(x, index, *, axis, mode):
    return x.with_shape(index.shape)


def _along_emit(block, operands, out_avals, *, axis, mode):
    x, index = operands
    columns = _along_indices(block, index, axis)
    return _gather_emit(block, [x, *columns], out_avals, dims=tuple(range(x.aval.ndim)), place=0, lead=0, mode=mode)


along = Primitive("take_along_axis", _along_infer, _along_emit)


def _put_along_infer(x, update, index, *, axis, how):
    return x


def _put_along_emit(block, operands, out_avals, *, axis, how):
    x, update, index = operands
    columns = _along_indices(block, index, axis)
    return _scatter_emit(block, [x, update, *columns], out_avals, dims=tuple(range(x.aval.ndim)), place=0, lead=0, how=how,
                         mode=None)


put_along = Primitive("put_along_axis", _put_along_infer, _put_along_emit)
