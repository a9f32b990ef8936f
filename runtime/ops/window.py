"""Reductions over sliding windows: sums (linear) and extrema (through the place of each window's winner)."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.conv import dilated, pad_pairs, per_axis
from runtime.ops.reduce import INITIAL, LOGICAL
from runtime.ops.shape import like_shape
from runtime.primitive import Primitive, as_operand
from runtime.types import aval, kind
from runtime.zero import ZERO


@op(constant=True, unbatched=True)
def window_shape(shape, window, strides, padding, base, dilation):
    """Return the shape of a windowed reduction."""
    return tuple([(dilated(n, b) + lo + hi - dilated(w, d)) // s + 1 if dilated(n, b) + lo + hi >= dilated(w, d) else 0
                  for n, w, s, (lo, hi), b, d in zip(shape, window, strides, padding, base, dilation)])


def _attributes(window, strides, padding, base, dilation):
    return {"window_dimensions": window, "window_strides": strides, "base_dilations": base, "window_dilations": dilation,
            "padding": f"dense<{[list(p) for p in padding]}> : tensor<{len(padding)}x2xi64>"}


def _infer(x, *, how, window, strides, padding, base, dilation):
    return x.with_shape(window_shape(x.shape, window, strides, padding, base, dilation))


def _emit(block, operands, out_avals, *, how, window, strides, padding, base, dilation):
    x = operands[0]
    how = LOGICAL.get(how, how) if kind(x.aval.dtype) == "b" else how
    return block.op("reduce_window", [x, block.constant(INITIAL[how](x.aval.dtype), x.aval.dtype)], out_avals[0],
                    _attributes(window, strides, padding, base, dilation), [block.binary_region(how, x.aval.dtype)])


_reduce_window = Primitive("reduce_window", _infer, _emit)


def _places_infer(x, *, least, window, strides, padding, base, dilation):
    return aval(window_shape(x.shape, window, strides, padding, base, dilation), numpy.dtype("int32"))


def _places_emit(block, operands, out_avals, *, least, window, strides, padding, base, dilation):
    x, index = operands[0], out_avals[0].dtype
    flat = aval((x.aval.size,), index)
    places = block.reshape(block.op("iota", [], flat, {"iota_dimension": 0}), x.aval.shape)
    cell, place, truth = aval((), x.aval.dtype), aval((), index), aval((), numpy.dtype(bool))
    region = block.region([cell, place, cell, place])
    a, i, b, j = region.args
    last = region.constant(numpy.iinfo(index).max, index)
    first = region.compare("LT" if least else "GT", a, b)
    tie = region.op("and", [region.compare("EQ", a, b), region.compare("LT", i, j)], truth)
    keep = region.op("or", [region.op("or", [first, tie], truth), region.compare("EQ", j, last)], truth)
    region.ret([region.op("select", [keep, a, b], cell), region.op("select", [keep, i, j], place)])
    neutral = INITIAL["minimum" if least else "maximum"](x.aval.dtype)
    made = block.op("reduce_window", [x, places, block.constant(neutral, x.aval.dtype),
                                      block.constant(numpy.iinfo(index).max, index)],
                    [aval(out_avals[0].shape, x.aval.dtype), out_avals[0]],
                    _attributes(window, strides, padding, base, dilation), [region])
    return made[1]


_places = Primitive("window_places", _places_infer, _places_emit)
_ARGS = "window, strides, padding, base, dilation"


@op(constant=True, unbatched=True)
def one_more_axis(window, strides, padding, base, dilation):
    """Return window arguments for an array with a batch axis in front."""
    return (1, *window), (1, *strides), ((0, 0), *padding), (1, *base), (1, *dilation)


def window_sum_batched(x, window, strides, padding, base, dilation, over=()):
    """Sum the windows of every example."""
    wide = one_more_axis(window, strides, padding, base, dilation)
    return window_sum(x, wide[0], wide[1], wide[2], wide[3], wide[4])


@op(linear="x", vjp={"x": f"rt.unwindow_sum(d_out, {_ARGS}, like=x)"}, batch=window_sum_batched)
def window_sum(x, window, strides, padding, base, dilation):
    """Return the sums over windows that slide along every axis."""
    return _reduce_window(as_operand(x, "reduce_window"), how="add", window=window, strides=strides, padding=padding, base=base,
                          dilation=dilation)


@op(constant=True, unbatched=True)
def spread_padding(shape, out, window, strides, padding, base, dilation):
    """Return the padding under which sums over the spread-out cotangents give the cotangent of a windowed sum."""
    found = []
    for n, m, w, s, (lo, _), b, d in zip(shape, out, window, strides, padding, base, dilation):
        wide = dilated(w, d)
        low = wide - 1 - lo
        found.append((low, dilated(n, b) - dilated(m, s) - low + wide - 1))
    return tuple(found)


def unwindow_sum(d, window, strides, padding, base, dilation, like):
    """Return the cotangent of ``like`` from that of its windowed sums."""
    if d is ZERO:
        return ZERO
    pads = spread_padding(like_shape(like), d.shape, window, strides, padding, base, dilation)
    return window_sum(d, window, base, pads, strides, dilation)


def window_extremum_batched(x, how, window, strides, padding, base, dilation, over=()):
    """Reduce the windows of every example."""
    wide = one_more_axis(window, strides, padding, base, dilation)
    return window_extremum(x, how, wide[0], wide[1], wide[2], wide[3], wide[4])


@op(jvp={"x": f"rt.pick_places(x_dot, rt.window_places(x, how, {_ARGS}))"},
    vjp={"x": f"rt.unpick_places(d_out, rt.window_places(x, how, {_ARGS}), like=x)"}, batch=window_extremum_batched)
def window_extremum(x, how, window, strides, padding, base, dilation):
    """Return the largest ("maximum") or smallest ("minimum") element of windows that slide along every axis."""
    return _reduce_window(as_operand(x, "reduce_window"), how=how, window=window, strides=strides, padding=padding, base=base,
                          dilation=dilation)


def window_places_batched(x, how, window, strides, padding, base, dilation, over=()):
    """Find the winners of every example; their places are those within the example."""
    wide = one_more_axis(window, strides, padding, base, dilation)
    found = window_places(x, how, wide[0], wide[1], wide[2], wide[3], wide[4])
    return found % math.prod(x.shape[1:])


@op(constant=True, batch=window_places_batched)
def window_places(x, how, window, strides, padding, base, dilation):
    """Return, for each window, the flat index of its first extremum."""
    return _places(as_operand(x, "reduce_window"), least=how == "minimum", window=window, strides=strides, padding=padding,
                   base=base, dilation=dilation)


def pick_places(x, places):
    """Return the elements at flat indices."""
    if x is ZERO:
        return ZERO
    from runtime import numpy as np
    return np.take(x, places, None, None, "clip")


def unpick_places(d, places, like):
    """The transpose of ``pick_places``."""
    from runtime.ops.take import untake
    return untake(d, places, None, "clip", like)


def window_product(x, window, strides, padding, base, dilation):
    """Return the products over windows that slide along every axis, as a product of shifted slices."""
    from runtime import numpy as np
    from runtime.ops.slices import lax_pad, slice
    padded = lax_pad(x, np.ones((), x.dtype), tuple([(lo, hi, b - 1) for (lo, hi), b in zip(padding, base)]))
    out = window_shape(like_shape(x), window, strides, padding, base, dilation)
    found = np.ones(out, x.dtype)
    for offset in offsets(window):
        start = tuple([o * d for o, d in zip(offset, dilation)])
        limit = tuple([a + (m - 1) * s + 1 for a, m, s in zip(start, out, strides)])
        found = found * slice(padded, start, limit, strides)
    return found


@op(constant=True, unbatched=True)
def offsets(window):
    """Return the coordinates of a window's cells."""
    return [tuple([int(i) for i in place]) for place in numpy.ndindex(*window)]


def window_bits_batched(x, how, window, strides, padding, base, dilation, over=()):
    """Reduce the windows of every example."""
    wide = one_more_axis(window, strides, padding, base, dilation)
    return window_bits(x, how, wide[0], wide[1], wide[2], wide[3], wide[4])


@op(constant=True, batch=window_bits_batched)
def window_bits(x, how, window, strides, padding, base, dilation):
    """Return a reduction of bools or integers over windows by a bit operation."""
    return _reduce_window(as_operand(x, "reduce_window"), how=how, window=window, strides=strides, padding=padding, base=base,
                          dilation=dilation)


@op(constant=True, unbatched=True)
def reducer(computation, operands):
    """Return the operation that a function of two numbers performs; None if it is none of those of this library."""
    if isinstance(operands, (tuple, list, dict)) or not getattr(computation, "__module__", "").startswith("runtime."):
        return None
    known = {"add": "add", "multiply": "multiply", "mul": "multiply", "maximum": "maximum", "max": "maximum",
             "minimum": "minimum", "min": "minimum", "bitwise_or": "or", "logical_or": "or", "bitwise_and": "and",
             "logical_and": "and", "bitwise_xor": "xor"}
    return known.get(getattr(computation, "__name__", ""))


def reduce_window(operand, init_value, computation, window_dimensions, window_strides=None, padding="VALID", base_dilation=None,
                  window_dilation=None):
    """Return the reduction of windows that slide along every axis, by a function of two numbers, or of two pytrees of them.

    The fast ones are lax.add, max, min and mul; others, from ``init_value``, go from element to element of every window.
    """
    from runtime.lax.folds import folded_windows
    from runtime.trees import leaves_of
    how = reducer(computation, operand)
    shape = like_shape(leaves_of(operand)[0])
    count = len(shape)
    window = per_axis(window_dimensions, count, "window_dimensions")
    strides = per_axis(window_strides, count, "window_strides")
    base = per_axis(base_dilation, count, "base_dilation")
    dilation = per_axis(window_dilation, count, "window_dilation")
    pads = pad_pairs(padding, shape, window, strides, base, dilation)
    if how is None:
        return folded_windows(operand, init_value, computation, window, strides, pads, base, dilation)
    if how == "add":
        return window_sum(operand, window, strides, pads, base, dilation) + init_value
    from runtime import numpy as np
    if how == "maximum":
        return np.maximum(window_extremum(operand, how, window, strides, pads, base, dilation), init_value)
    if how == "minimum":
        return np.minimum(window_extremum(operand, how, window, strides, pads, base, dilation), init_value)
    if how == "multiply":
        return window_product(operand, window, strides, pads, base, dilation) * init_value
    return computation(window_bits(operand, how, window, strides, pads, base, dilation), init_value)
