"""Running sums and extrema along an axis."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index, inner_axis
from runtime.ops.kernel import no_out
from runtime.ops.reduce import INITIAL, LOGICAL, NARROW_FLOATS, example_like, fitted, led
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import kind, python_dtype
from runtime.zero import ZERO


def _cumulate_infer(x, *, how, axis, backwards):
    return x.strong()


def _cumulate_emit(block, operands, out_avals, *, how, axis, backwards):
    x, of = operands[0], operands[0].aval
    if kind(of.dtype) == "b":
        how = LOGICAL.get(how, how)
    n = of.shape[axis]
    if n < 2:
        return x
    wide = of.with_dtype(numpy.dtype("float32")) if of.dtype.name in NARROW_FLOATS and how == "add" else of
    value = block.convert(x, wide)
    around = [[0, 0] for _ in of.shape]
    around[axis] = [0, n - 1] if backwards else [n - 1, 0]
    ones = (1,) * of.ndim
    value = block.op("reduce_window", [value, block.constant(INITIAL[how](wide.dtype), wide.dtype)], wide, {
        "window_dimensions": ones[:axis] + (n,) + ones[axis + 1:], "window_strides": ones, "base_dilations": ones,
        "window_dilations": ones, "padding": f"dense<{around}> : tensor<{of.ndim}x2xi64>"},
        [block.binary_region(how, wide.dtype)])
    return block.convert(value, of)


_cumulate = Primitive("cumulate", _cumulate_infer, _cumulate_emit)


def cumsum_batched(a, axis=None, dtype=None, out=None, over=()):
    """Accumulate within each example."""
    from runtime import numpy as np
    if axis is None:
        return np.cumsum(np.reshape(a, (a.shape[0], -1)), 1, dtype)
    return np.cumsum(a, inner_axis(axis, a.ndim), dtype)


@op(linear="a", vjp={"a": "rt.uncumsum(d_out, like=a, axis=axis)"}, batch=cumsum_batched)
def cumsum(a, axis=None, dtype=None, out=None):
    """Return the sums of all elements up to each one along an axis (of the flattened array by default)."""
    if out is not None:
        no_out("cumsum", out)
    return _cumulative("add", a, axis, dtype, False)


def _cumulative(how, a, axis, dtype, backwards):
    from runtime.ops.shape import reshape
    a = as_operand(a, "cumsum")
    if dtype is not None:
        a = cast(a, dtype)
    elif kind(a.dtype) == "b" and how == "add":
        a = cast(a, python_dtype(int))
    if axis is None:
        a, axis = reshape(a, (-1,)), 0
    return _cumulate(a, how=how, axis=axis_index(axis, a.ndim), backwards=backwards)


def uncumsum_batched(d, like, axis=None, lead=0, over=()):
    """Accumulate backwards within each example."""
    return uncumsum(d, example_like(like, over), axis, lead + 1)


@op(linear="d", vjp={"d": "rt.recumsum(d_out, like=d, axis=axis, lead=lead)"}, batch=uncumsum_batched)
def uncumsum(d, like, axis=None, lead=0):
    """Return the cotangent of ``like`` from that of its cumulative sum: the sums from each element to the end."""
    from runtime.ops.shape import reshape
    d = fitted(d, like)
    if axis is None:
        return reshape(_cumulative("add", d, lead, None, True), d.shape[:lead] + tuple(like.shape))
    return _cumulative("add", d, inner_axis(axis, d.ndim, lead), None, True)


def recumsum(d, like, axis=None, lead=0):
    """The transpose of ``uncumsum``."""
    if d is ZERO or like is ZERO:
        return ZERO
    from runtime.ops.shape import reshape
    if axis is None:
        return cumsum(reshape(d, like.shape), lead)
    return cumsum(d, led(axis, lead, d))


def cumulative_extremum(a, axis, reverse, how):
    """Return the running largest ("maximum") or smallest ("minimum") element along an axis."""
    return _cumulative(how, a, axis, None, reverse)


def summed_cumulatively(a, axis=0, reverse=False):
    """Return the running sum along an axis, from its end if ``reverse``."""
    from runtime import numpy as np
    return np.flip(np.cumsum(np.flip(a, axis), axis), axis) if reverse else np.cumsum(a, axis)
