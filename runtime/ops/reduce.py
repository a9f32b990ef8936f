"""Reductions over axes: sums, products, extrema, their positions, cumulative forms and statistics."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index, axis_tuple, inner_axis, kept_axes, without_axes
from runtime.ops.elementwise import full, real
from runtime.ops.kernel import about_types, fused, inexact, no_out
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import KEY, aval, canonical_dtype, kind, python_dtype
from runtime.zero import ZERO, Like

NARROW_FLOATS = {"bfloat16", "float16"}


def least(dtype):
    """Return the smallest value of a dtype: -inf for floats."""
    return -math.inf if kind(dtype) in "fc" else False if kind(dtype) == "b" else int(numpy.iinfo(dtype).min)


def largest(dtype):
    """Return the largest value of a dtype: inf for floats."""
    return math.inf if kind(dtype) in "fc" else True if kind(dtype) == "b" else int(numpy.iinfo(dtype).max)


INITIAL = {"add": lambda dtype: 0, "multiply": lambda dtype: 1, "maximum": least, "minimum": largest,
            "or": lambda dtype: 0, "and": lambda dtype: True if kind(dtype) == "b" else -1, "xor": lambda dtype: 0}
LOGICAL = {"add": "or", "multiply": "and", "maximum": "or", "minimum": "and"}


def emit_reduce(block, how, value, axes, keepdims=False):
    """Emit a reduction over axes by an operation that joins two elements; narrow floats are summed in float32."""
    of = value.aval
    if of.dtype.name in NARROW_FLOATS and how in ("add", "multiply"):
        wide = emit_reduce(block, how, block.convert(value, of.with_dtype(numpy.dtype("float32"))), axes, keepdims)
        return block.convert(wide, wide.aval.with_dtype(of.dtype))
    if kind(of.dtype) == "b":
        how = LOGICAL.get(how, how)
    shape = without_axes(of.shape, axes)
    if axes:
        value = block.op("reduce", [value, block.constant(INITIAL[how](of.dtype), of.dtype)], aval(shape, of.dtype),
                         {"dimensions": axes}, [block.binary_region(how, of.dtype)])
    return block.reshape(value, kept_axes(of.shape, axes)) if keepdims else value


def _reduce_infer(x, *, how, axes, keepdims):
    if x.dtype == KEY:
        raise TypeError(f"a reduction by {how} got {x}: random keys are no numbers")
    return aval(kept_axes(x.shape, axes) if keepdims else without_axes(x.shape, axes), x.dtype)


def _reduce_emit(block, operands, out_avals, *, how, axes, keepdims):
    return emit_reduce(block, how, operands[0], axes, keepdims)


_reduce = Primitive("reduce", _reduce_infer, _reduce_emit)


def reduced(how, a, axis, keepdims=False):
    """Reduce an Array over axes."""
    return _reduce(a, how=how, axes=axis_tuple(axis, a.ndim), keepdims=bool(keepdims))


def masked(a, where, value):
    """Return the array with a value where it does not count."""
    from runtime.ops.binary import where as choose
    return choose(where, a, value)


def count_elements(shape, axes):
    return math.prod([shape[i] for i in axes])


def _mean_infer(x, *, axes, keepdims, dtype):
    return aval(_reduce_infer(x, how="add", axes=axes, keepdims=keepdims).shape, dtype)


def wide_float(dtype):
    """Return the dtype in which means are computed: float32 for narrower floats, whose sums overflow."""
    return numpy.dtype("float32") if dtype.name in NARROW_FLOATS else dtype


def _mean_emit(block, operands, out_avals, *, axes, keepdims, dtype):
    x = operands[0]
    total = emit_reduce(block, "add", block.convert(x, x.aval.with_dtype(wide_float(dtype))), axes, keepdims)
    count = count_elements(x.aval.shape, axes)
    mean = block.op("divide", [total, full(block, count, total.aval)], total.aval)
    return block.convert(mean, mean.aval.with_dtype(dtype))


_mean = Primitive("mean", _mean_infer, _mean_emit)


def _position_infer(x, *, axis, keepdims, smallest):
    shape = kept_axes(x.shape, (axis,)) if keepdims else without_axes(x.shape, (axis,))
    return aval(shape, canonical_dtype(int))


def _position_emit(block, operands, out_avals, *, axis, keepdims, smallest):
    x = operands[0]
    of, index = x.aval.strong(), aval(x.aval.shape, out_avals[0].dtype)
    if kind(of.dtype) == "b":
        of = of.with_dtype(numpy.dtype("int8"))
        x = block.convert(x, of)
    places = block.op("iota", [], index, {"iota_dimension": axis})
    worst = largest(of.dtype) if smallest else least(of.dtype)
    cell, place, truth = aval((), of.dtype), aval((), index.dtype), aval((), numpy.dtype(bool))
    region = block.region([cell, place, cell, place])
    a, i, b, j = region.args
    better, same = region.compare("LT" if smallest else "GT", a, b), region.compare("EQ", a, b)
    if kind(of.dtype) == "f":  # the first NaN wins
        lost_a, lost_b = region.compare("NE", a, a), region.compare("NE", b, b)
        better = region.op("and", [region.op("or", [better, lost_a], truth), region.op("not", [lost_b], truth)], truth)
        same = region.op("or", [same, region.op("and", [lost_a, lost_b], truth)], truth)
    keep = region.op("or", [better, region.op("and", [same, region.compare("LT", i, j)], truth)], truth)
    region.ret([region.op("select", [keep, a, b], cell), region.op("select", [keep, i, j], place)])
    shape = without_axes(of.shape, (axis,))
    out = block.op("reduce", [x, places, block.constant(worst, of.dtype), block.constant(0, index.dtype)],
                   [aval(shape, of.dtype), aval(shape, index.dtype)], {"dimensions": (axis,)}, [region])
    return block.reshape(out[1], out_avals[0].shape)


_position = Primitive("argminmax", _position_infer, _position_emit)


# ---- batching ----

def aligned(x, ndim):
    """Insert axes after the batch axis so that a batched operand broadcasts with one of ``ndim`` axes for each example."""
    from runtime import numpy as np
    if x.ndim - 1 >= ndim:
        return x
    return np.reshape(x, x.shape[:1] + (1,) * (ndim - (x.ndim - 1)) + x.shape[1:])


def reduction_operands(a, where, over):
    """Return the operand and mask of a batched reduction, both with the batch axis in front where they need it."""
    from runtime import numpy as np
    if "a" not in over:
        a = np.broadcast_to(a, (where.shape[0],) + a.shape) if "where" in over else np.expand_dims(a, 0)
    if "where" in over:
        where = aligned(where, a.ndim - 1)
    return a, where


def sum_batched(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True, over=()):
    """Sum within each example."""
    if a is ZERO:
        return ZERO
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    if "initial" not in over:
        return np.sum(a, inner_axis(axis, a.ndim), dtype, None, keepdims, initial, where, promote_integers)
    total = np.sum(a, inner_axis(axis, a.ndim), dtype, None, keepdims, None, where, promote_integers)
    return total + np.astype(aligned(initial, total.ndim - 1), total.dtype)


@op(jvp={"a": "np.sum(a_dot, axis=axis, dtype=dtype, keepdims=keepdims, where=where)",
         "initial": "rt.broadcast_like(initial_dot, like=out)"},
    vjp={"a": "rt.unsum(d_out, like=a, axis=axis, keepdims=keepdims, where=where)",
         "initial": "rt.unbroadcast(d_out, like=initial)"}, batch=sum_batched)
def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True):
    """Return the sum over axes (all by default); bools are counted, narrow integers keep to at least 32 bits."""
    if out is not None:
        no_out("sum", out)
    if a is ZERO:
        return ZERO
    a = as_operand(a, "sum")
    if where is not None:
        a = masked(a, where, 0)
    if dtype is not None:
        a = cast(a, dtype)
    elif kind(a.dtype) in "biu" and (promote_integers or kind(a.dtype) == "b"):
        a = cast(a, wide_integer(a.dtype), a.weak_type)
    total = reduced("add", a, axis, keepdims)
    return total if initial is None else total + started("sum", initial, total)


def started(name, initial, like):
    """Return the value that a reduction starts from, in the dtype of its result; ValueError for other than a scalar."""
    initial = as_operand(initial, name)
    if initial.ndim:
        raise ValueError(f"{name}: the initial value must be a scalar, got an array of shape {initial.shape}")
    return cast(initial, like.dtype)


def wide_integer(dtype):
    default = python_dtype(int)
    if kind(dtype) == "u":
        return numpy.dtype(f"uint{8 * max(default.itemsize, dtype.itemsize)}")
    return default if kind(dtype) == "b" or dtype.itemsize < default.itemsize else dtype


def unsum_batched(d, like, axis=None, keepdims=False, where=None, lead=0, over=()):
    """Spread the sum of every example."""
    from runtime import numpy as np
    like = example_like(like, over)
    if "where" in over:
        where = aligned(where, len(like.shape))
    if "d" not in over:
        d = np.expand_dims(d, 0)
    return unsum(d, like, axis, keepdims, where, lead + 1)


@op(constant=True, unbatched=True)
def example_like(like, over):
    """Return the token of one example: ``like`` less its batch axis if it has one."""
    return Like(tuple(like.shape[("like" in over):]), like.dtype)


@op(linear="d", vjp={"d": "np.sum(d_out, axis=rt.led(axis, lead, like=d_out), keepdims=keepdims, where=where)"},
    batch=unsum_batched)
def unsum(d, like, axis=None, keepdims=False, where=None, lead=0):
    """Return the cotangent of ``like`` from that of its sum: spread over the axes that were summed.

    The first ``lead`` axes of ``d`` are batch axes, which ``like`` does not have.
    """
    shape = tuple(numpy.shape(like) if not hasattr(like, "shape") else like.shape)
    spread = _spread(d, shape=shape, axes=axis_tuple(axis, len(shape)), lead=lead, count=1, dtype=_spread_dtype(d, like))
    if where is None:
        return spread
    from runtime.ops.binary import where as choose
    return choose(where, spread, 0)


def _spread_dtype(d, like):
    dtype = getattr(like, "dtype", d.dtype)
    return d.dtype if kind(dtype) not in "fc" or kind(d.dtype) == "c" else dtype


def _spread_infer(d, *, shape, axes, lead, count, dtype):
    return aval(d.shape[:lead] + shape, dtype)


def _spread_emit(block, operands, out_avals, *, shape, axes, lead, count, dtype):
    d = block.convert(operands[0], operands[0].aval.with_dtype(dtype))
    if count != 1:
        d = block.op("divide", [d, full(block, count, d.aval)], d.aval)
    front = d.aval.shape[:lead]
    d = block.reshape(d, front + without_axes(shape, axes))
    places = tuple(range(lead)) + tuple([lead + i for i in range(len(shape)) if i not in axes])
    return block.broadcast(d, front + shape, places)


_spread = Primitive("unsum", _spread_infer, _spread_emit)


def fitted(d, like):
    """Return a cotangent in the dtype of ``like``, where that is a floating one."""
    dtype = getattr(like, "dtype", d.dtype)
    return d if d.dtype == dtype or kind(dtype) not in "fc" or kind(d.dtype) == "c" else cast(d, dtype)


@op(constant=True, unbatched=True)
def led(axis, lead, like):
    """Return an axis argument shifted past ``lead`` batch axes."""
    return axis if lead == 0 or like is ZERO else inner_axis(axis, len(like.shape), lead)


def mean_batched(a, axis=None, dtype=None, out=None, keepdims=False, where=None, over=()):
    """Average within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    return np.mean(a, inner_axis(axis, a.ndim), dtype, None, keepdims, where=where)


@op(linear="a", vjp={"a": "rt.unmean(d_out, like=a, axis=axis, keepdims=keepdims, where=where)"}, batch=mean_batched)
def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None):
    """Return the mean over axes (all by default); integers give floats."""
    if out is not None:
        no_out("mean", out)
    a = as_operand(a, "mean")
    dtype = inexact(a.dtype) if dtype is None else canonical_dtype(dtype)
    if where is not None:
        a = cast(a, wide_float(dtype))
        return cast(sum(a, axis, None, None, keepdims, None, where) / chosen(where, a, axis, keepdims), dtype)
    return _mean(a, axes=axis_tuple(axis, a.ndim), keepdims=bool(keepdims), dtype=dtype)


def chosen(where, a, axis, keepdims):
    """Return how many elements of a reduction ``where`` chooses."""
    from runtime.ops.shape import broadcast_to
    return sum(broadcast_to(where, a.shape), axis, None, None, keepdims)


def unmean_batched(d, like, axis=None, keepdims=False, where=None, lead=0, over=()):
    """Spread the mean of every example."""
    from runtime import numpy as np
    like = example_like(like, over)
    if "where" in over:
        where = aligned(where, len(like.shape))
    if "d" not in over:
        d = np.expand_dims(d, 0)
    return unmean(d, like, axis, keepdims, where, lead + 1)


@op(linear="d", vjp={"d": "rt.averaged(d_out, axis=axis, keepdims=keepdims, where=where, lead=lead)"}, batch=unmean_batched)
def unmean(d, like, axis=None, keepdims=False, where=None, lead=0):
    """Return the cotangent of ``like`` from that of its mean; the first ``lead`` axes of ``d`` are batch axes."""
    shape = tuple(numpy.shape(like) if not hasattr(like, "shape") else like.shape)
    axes = axis_tuple(axis, len(shape))
    if where is None:
        return _spread(d, shape=shape, axes=axes, lead=lead, count=max(count_elements(shape, axes), 1),
                       dtype=_spread_dtype(d, like))
    from runtime.ops.shape import broadcast_to, reshape
    spread = broadcast_to(where, d.shape[:lead] + shape)
    count = reshape(sum(spread, led(axis, lead, spread), None, None, keepdims), d.shape)
    return unsum(d / count, Like(shape, d.dtype), axis, keepdims, where, lead)


def averaged(a, axis=None, keepdims=False, where=None, lead=0):
    """Return the mean within each example, the first ``lead`` axes being batch axes."""
    if a is ZERO:
        return ZERO
    return mean(a, led(axis, lead, a), None, None, keepdims, where=where)


# ---- extrema ----

def max_batched(a, axis=None, out=None, keepdims=False, initial=None, where=None, over=()):
    """Find the largest element within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    if "initial" not in over:
        return np.max(a, inner_axis(axis, a.ndim), None, keepdims, initial, where)
    found = np.max(a, inner_axis(axis, a.ndim), None, keepdims, neutral("max", a), where)
    return np.maximum(found, np.astype(aligned(initial, found.ndim - 1), found.dtype))


def min_batched(a, axis=None, out=None, keepdims=False, initial=None, where=None, over=()):
    """Find the smallest element within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    if "initial" not in over:
        return np.min(a, inner_axis(axis, a.ndim), None, keepdims, initial, where)
    found = np.min(a, inner_axis(axis, a.ndim), None, keepdims, neutral("min", a), where)
    return np.minimum(found, np.astype(aligned(initial, found.ndim - 1), found.dtype))


def _extremum(name, how, a, axis, keepdims, initial, where):
    a = as_operand(a, name)
    if where is not None:
        if initial is None:
            raise ValueError(f"{name}: where= needs initial=, the result where nothing is chosen")
        a = masked(a, where, (least if how == "maximum" else largest)(a.dtype))
    axes = axis_tuple(axis, a.ndim)
    if initial is None and count_elements(a.shape, axes) == 0 and math.prod(without_axes(a.shape, axes)):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity; give initial=")
    found = _reduce(a, how=how, axes=axes, keepdims=bool(keepdims))
    if initial is None:
        return found
    from runtime.ops.binary import maximum, minimum
    return (maximum if how == "maximum" else minimum)(found, started(name, initial, found))


@about_types
def neutral(name, a):
    """Return the value that leaves a maximum ("max") or minimum ("min") of the array's dtype as it is."""
    return least(a.dtype) if name == "max" else largest(a.dtype)


_SHARE = "rt.share(a, out, axis=axis, keepdims=keepdims, where=where)"
_EXTREMUM_RULE = {
    "jvp": {"a": f"np.sum(a_dot * {_SHARE}, axis=axis, keepdims=keepdims)"},
    "vjp": {"a": f"rt.unsum(d_out, like=a, axis=axis, keepdims=keepdims) * {_SHARE}"}}


@op(**_EXTREMUM_RULE, batch=max_batched, name="max")
def max_(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Return the largest element over axes (all by default); NaN wins; complex numbers are ordered by real, then
    imaginary part. Ties share the derivative equally."""
    if out is not None:
        no_out("max", out)
    return _extremum("max", "maximum", a, axis, keepdims, initial, where)


@op(**_EXTREMUM_RULE, batch=min_batched, name="min")
def min_(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Return the smallest element over axes (all by default); NaN wins; complex numbers are ordered by real, then
    imaginary part. Ties share the derivative equally."""
    if out is not None:
        no_out("min", out)
    return _extremum("min", "minimum", a, axis, keepdims, initial, where)


max_.__name__, min_.__name__ = "max", "min"


def share_batched(a, out, axis=None, keepdims=False, where=None, lead=0, over=()):
    """Find the shares within each example."""
    from runtime import numpy as np
    size = (a if "a" in over else out).shape[0]
    if "a" not in over:
        a = np.broadcast_to(np.expand_dims(a, 0), (size,) + a.shape)
    if "out" not in over:
        out = np.broadcast_to(np.expand_dims(out, 0), (size,) + out.shape)
    if "where" in over:
        where = aligned(where, a.ndim - 1)
    return share(a, out, axis, keepdims, where, lead + 1)


@op(constant=True, batch=share_batched)
def share(a, out, axis=None, keepdims=False, where=None, lead=0):
    """Return the part of each element in the extremum ``out`` of ``a``: 1 for a single one, 1/n for n equal ones."""
    axes = axis_tuple(led(axis, lead, a), a.ndim)
    return _share(a, out, True if where is None else where, axes=axes)


@fused
def _share(a, out, where, *, axes):
    from runtime.ops.binary import equal, logical_and, maximum
    from runtime.ops.shape import reshape
    best = reshape(out, kept_axes(a.shape, axes))
    hit = logical_and(equal(a, best), where)
    mask = cast(hit, inexact(a.dtype))
    return mask / maximum(reduced("add", mask, axes, True), 1)


def argmax_batched(a, axis=None, out=None, keepdims=None, over=()):
    """Find the position of the largest element within each example."""
    from runtime import numpy as np
    if axis is None:
        found = np.argmax(np.reshape(a, (a.shape[0], -1)), 1)
        return np.reshape(found, a.shape[:1] + (1,) * (a.ndim - 1)) if keepdims else found
    return np.argmax(a, inner_axis(axis, a.ndim), None, keepdims)


def argmin_batched(a, axis=None, out=None, keepdims=None, over=()):
    """Find the position of the smallest element within each example."""
    from runtime import numpy as np
    if axis is None:
        found = np.argmin(np.reshape(a, (a.shape[0], -1)), 1)
        return np.reshape(found, a.shape[:1] + (1,) * (a.ndim - 1)) if keepdims else found
    return np.argmin(a, inner_axis(axis, a.ndim), None, keepdims)


def _argextremum(name, a, axis, keepdims, smallest):
    a = as_operand(a, name)
    if kind(a.dtype) == "c":
        raise TypeError(f"{name} does not order complex numbers; use abs(x), or the real part")
    if a.size == 0 and (axis is None or a.shape[axis_index(axis, a.ndim)] == 0):
        raise ValueError(f"attempt to get {name} of an empty sequence")
    if axis is None:
        from runtime.ops.shape import reshape
        found = _position(reshape(a, (-1,)), axis=0, keepdims=False, smallest=smallest)
        return reshape(found, (1,) * a.ndim) if keepdims else found
    axis = axis_index(axis, a.ndim)
    return _position(a, axis=axis, keepdims=bool(keepdims), smallest=smallest)


@op(constant=True, batch=argmax_batched)
def argmax(a, axis=None, out=None, keepdims=None):
    """Return the index of the (first) largest element along an axis, or in the flattened array; NaN counts as largest."""
    if out is not None:
        no_out("argmax", out)
    return _argextremum("argmax", a, axis, keepdims, False)


@op(constant=True, batch=argmin_batched)
def argmin(a, axis=None, out=None, keepdims=None):
    """Return the index of the (first) smallest element along an axis, or in the flattened array; NaN counts as smallest."""
    if out is not None:
        no_out("argmin", out)
    return _argextremum("argmin", a, axis, keepdims, True)


def any_batched(a, axis=None, out=None, keepdims=False, where=None, over=()):
    """Look for a true element within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    return np.any(a, inner_axis(axis, a.ndim), None, keepdims, where=where)


def all_batched(a, axis=None, out=None, keepdims=False, where=None, over=()):
    """Look whether all elements are true within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    return np.all(a, inner_axis(axis, a.ndim), None, keepdims, where=where)


def truths(a, name):
    """Return which elements are not zero; of complex ones the real part decides, as where jax converts them to bool."""
    a = as_operand(a, name)
    return cast(real(a) if kind(a.dtype) == "c" else a, bool)


@op(constant=True, batch=any_batched, name="any")
def any_(a, axis=None, out=None, keepdims=False, *, where=None):
    """Return whether some element over axes (all by default) is true."""
    if out is not None:
        no_out("any", out)
    a = truths(a, "any")
    return reduced("or", a if where is None else masked(a, where, False), axis, keepdims)


@op(constant=True, batch=all_batched, name="all")
def all_(a, axis=None, out=None, keepdims=False, *, where=None):
    """Return whether every element over axes (all by default) is true."""
    if out is not None:
        no_out("all", out)
    a = truths(a, "all")
    return reduced("and", a if where is None else masked(a, where, True), axis, keepdims)


any_.__name__, all_.__name__ = "any", "all"


def bits_reduced(how, a, axes):
    """Reduce bools or integers over axes by a bit operation ("and", "or", "xor")."""
    return reduced(how, as_operand(a, how), axes)
