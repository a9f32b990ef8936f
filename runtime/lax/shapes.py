"""lax's shape functions: thin Python over ops."""
from __future__ import annotations

import enum
import operator

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index
from runtime.ops.barrier import barrier
from runtime.ops.constrain import out_sharded
from runtime.ops.joining import concatenate as join
from runtime.ops.kernel import about_types
from runtime.ops.permute import flip, transpose
from runtime.ops.reduce import largest, least
from runtime.ops.search import argsort
from runtime.ops.shape import broadcast_to, expand_dims, like_shape, reshape, squeeze
from runtime.ops.take import counting_negatives, dynamic_slice, dynamic_update_slice
from runtime.ops.uniform import check_uniform
from runtime.primitive import Primitive, as_operand
from runtime.trees import tree_map_1
from runtime.types import aval_of, canonical_dtype, kind


class Precision(enum.Enum):
    """How exactly matrix products are computed where the hardware offers a choice."""
    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class GatherScatterMode(enum.Enum):
    """What gathers and scatters do with indices outside the array."""
    CLIP = 0
    FILL_OR_DROP = 1
    PROMISE_IN_BOUNDS = 2


class RoundingMethod(enum.IntEnum):
    """How lax.round treats halves."""
    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


@out_sharded
def broadcast(operand, sizes):
    """Return the array with new leading axes of the given sizes."""
    return broadcast_to(operand, tuple(sizes) + like_shape(operand))


@out_sharded
def broadcast_in_dim(operand, shape, broadcast_dimensions):
    """Return the array broadcast to a shape, its axes becoming the given axes of the result."""
    order = rising_order(like_shape(operand), broadcast_dimensions)
    rising = operand if order is None else transpose(operand, order)
    places = broadcast_dimensions if order is None else sorted(broadcast_dimensions)
    return broadcast_to(reshape(rising, spread_shape(like_shape(rising), shape, places)), shape)


@op(constant=True, unbatched=True)
def rising_order(own, broadcast_dimensions):
    """Return the order of an operand's axes in the result, None where they rise already; TypeError for repeated or missing ones."""
    places = [operator.index(d) for d in broadcast_dimensions]
    if len(places) != len(own) or len(set(places)) != len(places):
        raise TypeError(f"broadcast_in_dim: broadcast_dimensions {tuple(broadcast_dimensions)} must be distinct, one for each axis of "
                        f"shape {tuple(own)}")
    order = sorted(range(len(places)), key=places.__getitem__)
    return None if order == list(range(len(places))) else tuple(order)


@op(constant=True, unbatched=True)
def spread_shape(own, shape, broadcast_dimensions):
    """Return a shape with the operand's axes in their places and ones elsewhere."""
    places = [operator.index(d) for d in broadcast_dimensions]
    found = [1] * len(shape)
    for place, n in zip(places, own):
        if not 0 <= place < len(shape) or n not in (1, shape[place]):
            raise TypeError(f"broadcast_in_dim: the axis of size {n} of shape {tuple(own)} cannot become axis {place} of shape "
                            f"{tuple(shape)}; sizes must be equal, or 1")
        found[place] = n
    return tuple(found)


def broadcast_to_rank(x, rank):
    """Return the array with leading axes of size 1 added until it has ``rank`` axes."""
    return reshape(x, (1,) * (rank - len(like_shape(x))) + like_shape(x))


def concatenate(operands, dimension):
    """Return arrays joined along an axis."""
    return join(operands, dimension)


def collapse(operand, start_dimension, stop_dimension=None):
    """Return the array with the axes from ``start_dimension`` up to ``stop_dimension`` joined into one."""
    shape = like_shape(operand)
    start, stop = collapse_bounds(len(shape), start_dimension, stop_dimension)
    return reshape(operand, shape[:start] + (-1,) + shape[stop:])


@op(constant=True, unbatched=True)
def collapse_bounds(ndim, start, stop):
    """Return the bounds of the axes to be joined, counted from 0."""
    low = axis_index(start, ndim)
    high = ndim if stop is None else stop + ndim if stop < 0 else stop
    return low, high


def rev(operand, dimensions):
    """Return the array reversed along axes."""
    return flip(operand, tuple(dimensions))


def index_in_dim(operand, index, axis=0, keepdims=True):
    """Return the part of an array at one place along an axis."""
    from runtime.ops.slices import slice_in_dim
    size = like_shape(operand)[axis]
    start = index + size if index < 0 else index
    found = slice_in_dim(operand, start, start + 1, 1, axis)
    return found if keepdims else squeeze(found, axis)


@op(constant=True, batch=lambda start, place, rank, over=(): axis_starts(start, place, rank))
def axis_starts(start, place, rank):
    """Return the starts of a window that is cut along one axis only."""
    return [start if i == place else 0 for i in range(rank)]


@counting_negatives
def dynamic_slice_in_dim(operand, start_index, slice_size, axis=0):
    """Return a window of some size along one axis, starting at an index that may be staged."""
    shape = like_shape(operand)
    place = axis_index(axis, len(shape))
    return dynamic_slice(operand, axis_starts(start_index, place, len(shape)), shape[:place] + (slice_size,) + shape[place + 1:])


@counting_negatives
def dynamic_index_in_dim(operand, index, axis=0, keepdims=True):
    """Return the part of an array at one place, which may be staged, along an axis."""
    found = dynamic_slice_in_dim(operand, index, 1, axis)
    return found if keepdims else squeeze(found, axis)


@counting_negatives
def dynamic_update_slice_in_dim(operand, update, start_index, axis):
    """Return the array with a window along one axis replaced."""
    rank = len(like_shape(operand))
    place = axis_index(axis, rank)
    return dynamic_update_slice(operand, update, axis_starts(start_index, place, rank))


@counting_negatives
def dynamic_update_index_in_dim(operand, update, index, axis):
    """Return the array with the part at one place along an axis replaced."""
    if len(like_shape(update)) != len(like_shape(operand)):
        update = expand_dims(update, axis)
    return dynamic_update_slice_in_dim(operand, update, index, axis)


def sort(operand, dimension=-1, is_stable=True, num_keys=1):
    """Return the array sorted along an axis; a tuple of arrays is sorted by its first ``num_keys``."""
    if not isinstance(operand, (tuple, list)):
        from runtime.ops.search import sort as sorted_array
        return sorted_array(operand, dimension)
    order = argsort(operand[0], dimension) if num_keys == 1 else sort_order(operand[:num_keys], dimension)
    from runtime.ops.take import take_along_axis
    return tuple([take_along_axis(x, order, dimension) for x in operand])


def sort_order(keys, dimension):
    """Return the order that sorts by several keys, the first one first in importance."""
    from runtime.ops.search import lexsort
    return lexsort(list(keys)[::-1], dimension)


def index_take(src, idxs, axes):
    """Return the parts of an array at places along several axes, one row each."""
    from runtime import numpy as np
    moved = np.moveaxis(src, tuple(axes), tuple(range(len(axes))))
    return moved[tuple(idxs)]


def _bitcast_infer(x, *, dtype):
    wide, narrow = x.dtype.itemsize, dtype.itemsize
    if wide == narrow:
        return x.with_dtype(dtype)
    if wide > narrow:
        return x.with_dtype(dtype).with_shape(x.shape + (wide // narrow,))
    if not x.shape or x.shape[-1] != narrow // wide:
        raise ValueError(f"bitcast_convert_type: the last axis of shape {x.shape} must have size {narrow // wide} to become "
                         f"{dtype}")
    return x.with_dtype(dtype).with_shape(x.shape[:-1])


_bitcast = Primitive("bitcast_convert_type", _bitcast_infer,
                     lambda block, operands, out_avals, *, dtype: block.op("bitcast_convert", operands, out_avals[0]))


@op(constant=True, elementwise=True)
def bitcast_convert_type(operand, new_dtype):
    """Return the same bits read as another dtype."""
    return _bitcast(as_operand(operand, "bitcast_convert_type"), dtype=canonical_dtype(new_dtype))


@op(linear="operand", vjp={"operand": "lax.reduce_precision(d_out, exponent_bits, mantissa_bits)"}, elementwise=True)
def reduce_precision(operand, exponent_bits, mantissa_bits):
    """Return floats rounded to fewer exponent and mantissa bits."""
    return _precision_kernel(as_operand(operand, "reduce_precision"), exponent=int(exponent_bits), mantissa=int(mantissa_bits))


_precision_kernel = Primitive("reduce_precision", lambda x, *, exponent, mantissa: x,
                              lambda block, operands, out_avals, *, exponent, mantissa: block.op(
                                  "reduce_precision", operands, out_avals[0],
                                  {"exponent_bits": f"{exponent} : i32", "mantissa_bits": f"{mantissa} : i32"}))


@op(constant=True, elementwise=True)
def stop_gradient(x):
    """Return the value, a pytree, as it is; no derivative flows through it."""
    if isinstance(x, (numpy.ndarray, numpy.generic)):
        return as_operand(x, "stop_gradient")
    return x


def optimization_barrier(operand, /):
    """Return a pytree of arrays as it is, each behind a barrier over which XLA moves no computation."""
    return tree_map_1(barrier, operand)


@op(constant=True, unbatched=True)
def padtype_to_pads(in_shape, window_shape, window_strides, padding):
    """Return the (low, high) pairs that a padding name stands for."""
    from runtime.ops.conv import pad_pairs
    ones = (1,) * len(tuple(window_shape))
    return list(pad_pairs(getattr(padding, "name", padding), in_shape, window_shape, window_strides, ones, ones))


@out_sharded
def reduce(operands, init_values, computation, dimensions):
    """Return the reduction over axes by a function of two numbers, or of two pytrees of them, from initial values.

    The fast ones are lax.add, mul, max, min, bitwise_and, bitwise_or and bitwise_xor; others go from element to element.
    """
    from runtime import numpy as np
    from runtime.lax.folds import folded
    from runtime.ops.window import reducer
    how = reducer(computation, operands)
    if how is None:
        return folded(operands, init_values, computation, dimensions)
    axes = tuple(dimensions)
    if how == "add":
        found = np.sum(operands, axes)
    elif how == "multiply":
        found = np.prod(operands, axes)
    elif how == "maximum":
        found = np.max(operands, axes, None, False, least(operands.dtype))
    elif how == "minimum":
        found = np.min(operands, axes, None, False, largest(operands.dtype))
    else:
        found = bits(how, operands, axes)
    return computation(found, init_values)


@op(constant=True, batch=lambda how, x, axes, over=(): bits(how, x, tuple([a + 1 for a in axes])))
def bits(how, x, axes):
    """Return the reduction of bools or integers over axes by "and", "or" or "xor"."""
    from runtime.ops.reduce import reduced
    return reduced(how, as_operand(x, "reduce"), axes)


@out_sharded
def reduce_sum(operand, axes):
    """Return the sum over axes."""
    from runtime import numpy as np
    return np.sum(operand, tuple(axes), None, None, False, None, None, False)


@out_sharded
def reduce_max(operand, axes):
    """Return the largest element over axes."""
    from runtime import numpy as np
    return np.max(operand, tuple(axes))


@out_sharded
def reduce_min(operand, axes):
    """Return the smallest element over axes."""
    from runtime import numpy as np
    return np.min(operand, tuple(axes))


@out_sharded
def reduce_prod(operand, axes):
    """Return the product over axes."""
    from runtime import numpy as np
    return np.prod(operand, tuple(axes), None, None, False, None, None, False)


@out_sharded
def reduce_and(operand, axes):
    """Return the bitwise (or logical) and over axes."""
    return bits("and", operand, tuple(axes))


@out_sharded
def reduce_or(operand, axes):
    """Return the bitwise (or logical) or over axes."""
    return bits("or", operand, tuple(axes))


@out_sharded
def reduce_xor(operand, axes):
    """Return the bitwise (or logical) exclusive or over axes."""
    return bits("xor", operand, tuple(axes))


def batch_matmul(lhs, rhs, precision=None):
    """Return the matrix products over the last two axes."""
    from runtime import numpy as np
    return np.matmul(lhs, rhs, precision=precision)


def argmax(operand, axis, index_dtype):
    """Return the index of the largest element along an axis."""
    from runtime import numpy as np
    return np.astype(np.argmax(operand, axis), index_dtype)


def argmin(operand, axis, index_dtype):
    """Return the index of the smallest element along an axis."""
    from runtime import numpy as np
    return np.astype(np.argmin(operand, axis), index_dtype)


def convert_element_type(operand, new_dtype):
    """Return the array converted to another dtype; of a complex one the real part."""
    from runtime import numpy as np
    if complex_to_bool(operand, new_dtype):
        operand = np.real(operand)
    return np.astype(operand, new_dtype)


@about_types
def complex_to_bool(operand, new_dtype):
    """Tell whether complex numbers become bools: NumPy then asks for either part, XLA for the real one."""
    return new_dtype is not None and canonical_dtype(new_dtype) == bool and kind(aval_of(operand).dtype) == "c"


@about_types
def running_axis(name, x, axis):
    """Return an axis along which to accumulate; TypeError for what has no numbers, ValueError for an axis that is not there."""
    of = aval_of(x)
    check_uniform(name, "iufc", (of,))
    if not -len(of.shape) <= operator.index(axis) < len(of.shape):
        raise ValueError(f"{name}: axis {axis} is out of bounds for array of shape {of.shape}")
    return operator.index(axis) % len(of.shape)


def cumsum(operand, axis=0, reverse=False):
    """Return the running sums along an axis, from its end with ``reverse``."""
    from runtime import numpy as np
    axis = running_axis("cumsum", operand, axis)
    return flip(np.cumsum(flip(operand, axis), axis), axis) if reverse else np.cumsum(operand, axis)


def cumprod(operand, axis=0, reverse=False):
    """Return the running products along an axis, from its end with ``reverse``."""
    from runtime import numpy as np
    axis = running_axis("cumprod", operand, axis)
    return flip(np.cumprod(flip(operand, axis), axis), axis) if reverse else np.cumprod(operand, axis)


def cummax(operand, axis=0, reverse=False):
    """Return the running maxima along an axis, from its end with ``reverse``."""
    from runtime import numpy as np
    axis = running_axis("cummax", operand, axis)
    return running(np.maximum, operand, axis, reverse)


def cummin(operand, axis=0, reverse=False):
    """Return the running minima along an axis, from its end with ``reverse``."""
    from runtime import numpy as np
    axis = running_axis("cummin", operand, axis)
    return running(np.minimum, operand, axis, reverse)


def cumlogsumexp(operand, axis=0, reverse=False):
    """Return the running logarithms of sums of exponentials along an axis, from its end with ``reverse``."""
    from runtime import numpy as np
    axis = running_axis("cumlogsumexp", operand, axis)
    return running(np.logaddexp, operand, axis, reverse)


def running(combine, operand, axis, reverse):
    """Return the running combinations along an axis by an associative function."""
    from runtime.ops.slices import slice_in_dim
    out = flip(operand, axis) if reverse else operand
    size = like_shape(operand)[axis]
    shift = 1
    while shift < size:
        early, late = slice_in_dim(out, 0, size - shift, 1, axis), slice_in_dim(out, shift, size, 1, axis)
        out = join([slice_in_dim(out, 0, shift, 1, axis), combine(early, late)], axis)
        shift = shift * 2
    return flip(out, axis) if reverse else out


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
