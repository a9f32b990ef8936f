"""XLA's gather and scatter in full: windows of an array at indices, by dimension numbers; their transposes and batching."""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy

from runtime.op import op
from runtime.ops.create import zeros
from runtime.ops.gather import filler
from runtime.ops.kernel import about_types
from runtime.ops.reduce import LOGICAL
from runtime.ops.shape import broadcast_to, like_shape
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, kind


class GatherDimensionNumbers(NamedTuple):
    """Which axes of a gather's operand, indices and result belong together.

    offset_dims: axes of the result that run over the window. collapsed_slice_dims: axes of the operand, of window size 1, that
    the result lacks. start_index_map: the axis of the operand that each component of an index is for.
    operand_batching_dims, start_indices_batching_dims: axes of operand and indices that run together.
    """
    offset_dims: tuple
    collapsed_slice_dims: tuple
    start_index_map: tuple
    operand_batching_dims: tuple = ()
    start_indices_batching_dims: tuple = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which axes of a scatter's operand, indices and updates belong together: those of GatherDimensionNumbers, in its order."""
    update_window_dims: tuple
    inserted_window_dims: tuple
    scatter_dims_to_operand_dims: tuple
    operand_batching_dims: tuple = ()
    scatter_indices_batching_dims: tuple = ()


_MODES = {"fill": "fill", "drop": "fill", "clip": "clip", "promise_in_bounds": "promise", "FILL_OR_DROP": "fill", "CLIP": "clip",
          "PROMISE_IN_BOUNDS": "promise"}


def mode_name(mode, default: str = "fill") -> str:
    """Return "fill", "clip" or "promise" for a mode of gathers and scatters; ValueError for another."""
    if mode is None:
        return default
    name = _MODES.get(getattr(mode, "name", mode))
    if name is None:
        raise ValueError(f"mode {mode!r}: use 'fill' (or 'drop'), 'clip' or 'promise_in_bounds'")
    return name


def _numbers(kind_of, numbers):
    return kind_of(*[tuple([int(n) for n in part]) for part in numbers])


def _check(name, x, indices, numbers):
    window, collapsed, mapped, own, theirs = numbers
    if len(own) != len(theirs):
        raise TypeError(f"{name}: {len(own)} batching axes of the operand for {len(theirs)} of the indices")
    if not indices.shape or indices.shape[-1] != len(mapped):
        raise TypeError(f"{name}: indices of shape {indices.shape} need a last axis of size {len(mapped)}, one for each axis of the "
                        f"operand that is indexed ({mapped})")
    if kind(indices.dtype) not in "iu":
        raise ValueError(f"{name}: indices must be integers, got {indices.dtype}")
    if len(window) + len(collapsed) + len(own) != x.ndim:
        raise TypeError(f"{name}: the window's axes {window}, those left out {collapsed} and the batching axes {own} are not as many "
                        f"as the operand of shape {x.shape} has")
    for a, b in zip(own, theirs):
        if x.shape[a] != indices.shape[b]:
            raise TypeError(f"{name}: batching axes {a} of the operand and {b} of the indices differ in size: shapes {x.shape} and "
                            f"{indices.shape}")


def _in_window(numbers, rank):
    """The axes of the operand that the window keeps, in order."""
    return [d for d in range(rank) if d not in numbers[1] and d not in numbers[3]]


# ---- gather ----

def _gather_infer(x, indices, *, numbers, sizes, mode, fill):
    if len(sizes) != x.ndim or any([a > b for a, b in zip(sizes, x.shape)]):
        raise TypeError(f"gather: slice_sizes {sizes} do not fit into an operand of shape {x.shape}")
    _check("gather", x, indices, numbers)
    bad = [d for d in (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims) if sizes[d] > 1]
    if bad:
        raise TypeError(f"gather: slice_sizes {sizes} must be 1 along the axes {bad}, which the result lacks")
    kept = iter([sizes[d] for d in _in_window(numbers, x.ndim)])
    front = iter(indices.shape[:-1])
    rank = len(indices.shape) - 1 + len(numbers.offset_dims)
    return x.with_shape(tuple([next(kept if d in numbers.offset_dims else front) for d in range(rank)]))


def _limits(block, x, indices, mapped, sizes):
    """The highest start of a window, for each component of an index, as wide as the indices."""
    last = numpy.array([x.aval.shape[d] - sizes[d] for d in mapped], indices.aval.dtype)
    return block.broadcast(block.constant(last), indices.aval.shape, (len(indices.aval.shape) - 1,))


def _signed(block, indices):
    wanted = numpy.dtype("int64" if indices.aval.dtype.itemsize == 8 else "int32")
    return block.convert(indices, indices.aval.with_dtype(wanted))


def _gather_emit(block, operands, out_avals, *, numbers, sizes, mode, fill):
    x, indices = operands[0], _signed(block, operands[1])
    of = out_avals[0]
    text = (f"#stablehlo.gather<offset_dims = {list(numbers[0])}, collapsed_slice_dims = {list(numbers[1])}, "
            f"operand_batching_dims = {list(numbers[3])}, start_indices_batching_dims = {list(numbers[4])}, "
            f"start_index_map = {list(numbers[2])}, index_vector_dim = {indices.aval.ndim - 1}>")
    made = block.op("gather", [x, indices], of, {"dimension_numbers": text, "slice_sizes": sizes, "indices_are_sorted": False})
    if mode != "fill" or not numbers[2]:
        return made
    truth = aval(indices.aval.shape, numpy.dtype(bool))
    inside = block.op("and", [block.compare("GE", indices, block.constant(0, indices.aval.dtype, indices.aval.shape)),
                              block.compare("LE", indices, _limits(block, x, indices, numbers[2], sizes))], truth)
    front = indices.aval.shape[:-1]
    inside = block.op("reduce", [inside, block.constant(True, bool)], aval(front, numpy.dtype(bool)),
                      {"dimensions": (len(front),)}, [block.binary_region("and", numpy.dtype(bool))])
    inside = block.broadcast(inside, of.shape, tuple([d for d in range(of.ndim) if d not in numbers[0]]))
    other = filler(of.dtype) if fill is None else fill
    return block.op("select", [inside, made, block.constant(other, of.dtype, of.shape)], of.strong())


_gather = Primitive("general_gather", _gather_infer, _gather_emit)


@about_types
def gather_again(numbers):
    """Return the numbers of the gather that is the transpose of a scatter."""
    return GatherDimensionNumbers(*numbers)


@about_types
def scatter_again(numbers):
    """Return the numbers of the scatter that is the transpose of a gather."""
    return ScatterDimensionNumbers(*numbers)


@about_types
def shifted_numbers(numbers, over_x, over_indices):
    """Return the numbers with a batch axis in front of the operand, the indices, or both.

    In front of both it is one along which they run together; in front of the operand alone it belongs to the window.
    """
    window, collapsed, mapped, own, theirs = [tuple(part) for part in numbers]

    def up(axes, by=True):
        return tuple([d + 1 for d in axes]) if by else axes
    if over_x and over_indices:
        return type(numbers)(up(window), up(collapsed), up(mapped), (0, *up(own)), (0, *up(theirs)))
    if over_x:
        return type(numbers)((0, *up(window)), up(collapsed), up(mapped), up(own), theirs)
    return type(numbers)(up(window), collapsed, mapped, own, up(theirs))


@about_types
def shifted_sizes(sizes, size, over_x, over_indices):
    """Return the sizes of a window with those along a batch axis of the operand."""
    if not over_x:
        return tuple(sizes)
    return (1 if over_indices else size, *sizes)


def gather_batched(operand, start_indices, dimension_numbers, slice_sizes, unique_indices=False, indices_are_sorted=False,
                   mode=None, fill_value=None, over=()):
    """Gather from every example, at every example's indices, or both."""
    over_x, over_indices = "operand" in over, "start_indices" in over
    size = like_shape(operand)[0] if over_x else 0
    return gather(operand, start_indices, shifted_numbers(dimension_numbers, over_x, over_indices),
                  shifted_sizes(slice_sizes, size, over_x, over_indices), mode=mode, fill_value=fill_value)


@op(jvp={"operand": "lax.gather(operand_dot, start_indices, dimension_numbers, slice_sizes, mode=mode, fill_value=0)"},
    vjp={"operand": "rt.ungather(d_out, start_indices, dimension_numbers, mode, like=operand)"}, batch=gather_batched)
def gather(operand, start_indices, dimension_numbers, slice_sizes, *, unique_indices=False, indices_are_sorted=False, mode=None,
           fill_value=None):
    """Return the windows of the given sizes that start at indices (last axis: one number for each axis that is indexed).

    ``mode`` for windows that do not lie within the array: "clip" (the default) moves them inside, "fill" fills them with
    ``fill_value``, by default NaN or the integer that is farthest from zero. TypeError where numbers, sizes and shapes do not fit.
    """
    x = as_operand(operand, "gather")
    return _gather(x, as_operand(start_indices, "gather"), numbers=_numbers(GatherDimensionNumbers, dimension_numbers),
                   sizes=tuple([int(n) for n in slice_sizes]), mode=mode_name(mode, "clip"), fill=fill_value)


@about_types
def window_count(updates):
    """Return one more than the number of elements of the updates."""
    return math.prod(updates.shape) + 1


def ungather(d, start_indices, dimension_numbers, mode, like):
    """Add the parts of a cotangent where a gather has taken them from."""
    from runtime.ops.scatter import scatter_add
    return scatter_add(zeros(like_shape(like), d.dtype), start_indices, d, scatter_again(dimension_numbers), mode=mode)


# ---- scatter ----

def _window_sizes(x, updates, numbers):
    """The size of the window along every axis of the operand."""
    sizes = [1] * x.ndim
    for d, n in zip(_in_window(numbers, x.ndim), numbers[0]):
        sizes[d] = updates.shape[n]
    return tuple(sizes)


@about_types
def update_sizes(operand, updates, numbers):
    """Return the size of a scatter's window along every axis of the operand."""
    return _window_sizes(operand, updates, numbers)


def _scatter_infer(x, indices, updates, *, how, numbers, mode, unique):
    _check("scatter", x, indices, numbers)
    if updates.ndim != indices.ndim - 1 + len(numbers[0]):
        raise TypeError(f"scatter: updates of shape {updates.shape} must have the axes of the indices, {indices.shape[:-1]}, and "
                        f"those of the window, {numbers[0]}")
    front = tuple([n for d, n in enumerate(updates.shape) if d not in numbers[0]])
    if front != indices.shape[:-1]:
        raise TypeError(f"scatter: updates of shape {updates.shape} do not have, apart from the window {numbers[0]}, the shape "
                        f"{indices.shape[:-1]} of the indices")
    if any([a > b for a, b in zip(_window_sizes(x, updates, numbers), x.shape)]):
        raise TypeError(f"scatter: windows of updates of shape {updates.shape} do not fit into an operand of shape {x.shape}")
    return x


def _scatter_emit(block, operands, out_avals, *, how, numbers, mode, unique):
    x, indices, updates = operands[0], _signed(block, operands[1]), operands[2]
    of = x.aval
    if mode == "clip" and numbers[2]:
        last = _limits(block, x, indices, numbers[2], _window_sizes(of, updates.aval, numbers))
        zero = block.constant(0, indices.aval.dtype, indices.aval.shape)
        indices = block.op("clamp", [zero, indices, last], indices.aval)
    cell = aval((), of.dtype)
    if how == "set":
        region = block.region([cell, cell])
        region.ret([region.args[1]])
    else:
        region = block.binary_region(LOGICAL.get(how, how) if kind(of.dtype) == "b" else how, of.dtype)
    text = (f"#stablehlo.scatter<update_window_dims = {list(numbers[0])}, inserted_window_dims = {list(numbers[1])}, "
            f"input_batching_dims = {list(numbers[3])}, scatter_indices_batching_dims = {list(numbers[4])}, "
            f"scatter_dims_to_operand_dims = {list(numbers[2])}, index_vector_dim = {indices.aval.ndim - 1}>")
    return block.op("scatter", [x, indices, updates], of, {
        "scatter_dimension_numbers": text, "indices_are_sorted": False, "unique_indices": unique}, [region])


_scatter = Primitive("general_scatter", _scatter_infer, _scatter_emit)


def emit_scatter(how, operand, scatter_indices, updates, dimension_numbers, unique_indices, mode):
    """Scatter by "set", "add", "multiply", "minimum" or "maximum"."""
    x, updates = as_operand(operand, "scatter"), as_operand(updates, "scatter")
    if x.dtype != updates.dtype:
        raise TypeError(f"scatter: the operand's dtype {x.dtype} and the updates' dtype {updates.dtype} must be equal; cast one")
    return _scatter(x, as_operand(scatter_indices, "scatter"), cast(updates, x.dtype), how=how, mode=mode_name(mode),
                    numbers=_numbers(ScatterDimensionNumbers, dimension_numbers), unique=bool(unique_indices))


def spread_operands(operand, scatter_indices, updates, over):
    """Give a batch axis to the operand and to the updates of a scatter where they have none."""
    size = like_shape(operand if "operand" in over else scatter_indices if "scatter_indices" in over else updates)[0]
    if "operand" not in over:
        operand = broadcast_to(operand, (size,) + like_shape(operand))
    if "updates" not in over:
        updates = broadcast_to(updates, (size,) + like_shape(updates))
    return operand, updates
