"""What samplers need to know of shapes and dtypes, as facts about one example also where a batch is there."""
from __future__ import annotations

import math

import numpy as _numpy

from runtime import numpy as np
from runtime.op import op as _op
from runtime.ops.create import shape_tuple as _shape_tuple
from runtime.ops.fact import fact as _fact
from runtime.ops.random import float_dtype
from runtime.types import canonical_dtype as _canonical_dtype
from runtime.types import kind as _kind


def _wanted_batched(name, shape, x=0, y=0, z=0, over=()):
    return wanted_shape(name, shape, *[_example(v, p in over) for p, v in (("x", x), ("y", y), ("z", z))])


def _example(value, batched):
    return _numpy.empty(_numpy.shape(value)[1:], bool) if batched else value


@_op(constant=True, unbatched=True, batch=_wanted_batched)
def wanted_shape(name, shape, x=0, y=0, z=0):
    """Return the shape of samples: ``shape``, or what the parameters broadcast to where it is None.

    ValueError when the parameters do not broadcast to ``shape``.
    """
    given = [tuple(_numpy.shape(v)) for v in (x, y, z)]
    joint = _numpy.broadcast_shapes(*given)
    if shape is None:
        return joint
    shape = _shape_tuple(shape)
    try:
        fits = _numpy.broadcast_shapes(shape, joint) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name} parameters must have shapes that broadcast to the shape argument: parameters of shapes "
                         f"{given}, shape argument {shape}")
    return shape


@_fact
def sample_dtype(name, dtype):
    """Return the float dtype of samples; ValueError for another kind."""
    return float_dtype(dtype, name)


@_fact
def probability_dtype(like):
    """Return the float dtype of a probability; TypeError for another kind."""
    from runtime.types import aval_of
    dtype = aval_of(like).dtype
    if _kind(dtype) != "f":
        raise TypeError(f"bernoulli probability `p` must have a floating dtype, got {dtype}.")
    return dtype


@_fact
def smallest_step(dtype):
    """Return the spacing of a float dtype just above one."""
    from ml_dtypes import finfo
    return 2.0 ** -finfo(dtype).nmant


@_fact
def integer_dtypes(dtype):
    """Return the dtype of random integers and the one in which they are drawn; TypeError for no integer dtype."""
    dtype = _canonical_dtype(int if dtype is None else dtype)
    if _kind(dtype) not in "iu":
        raise TypeError(f"randint only accepts integer dtypes, got {dtype}")
    return dtype, _numpy.dtype("int32") if dtype.itemsize < 4 else dtype


@_op(constant=True, elementwise=True)
def integer_bound(value, dtype, top=0):
    """Return a bound of random integers, cut to the range of a dtype (``top`` more at the upper end) but not yet of it."""
    value = np.asarray(value)
    if _kind(value.dtype) not in "iu":
        value = value.astype(int)
    info, own = _numpy.iinfo(dtype), _numpy.iinfo(value.dtype)
    return np.clip(value, max(int(info.min), int(own.min)), min(int(info.max) + top, int(own.max)))


@_op(constant=True, elementwise=True)
def beyond(value, dtype):
    """Tell where a bound is above what a dtype holds."""
    value = np.asarray(value)
    if _kind(value.dtype) not in "iu":
        value = value.astype(int)
    return value > min(int(_numpy.iinfo(dtype).max), int(_numpy.iinfo(value.dtype).max))


@_fact
def unsigned_dtype(dtype):
    """Return the unsigned dtype of the same width."""
    return _numpy.dtype(f"uint{8 * dtype.itemsize}")


@_op(constant=True, elementwise=True)
def spread_integers(high, low, minval, maxval, outside, word):
    """Return the remainder of (high, low), an integer of twice the width, by the size of [minval, maxval), plus minval."""
    size = np.astype(maxval - minval, word)
    empty = maxval <= minval
    size = np.where(empty, _numpy.asarray(1, word), size)
    size = np.where(np.logical_and(outside, np.logical_not(empty)), size + _numpy.asarray(1, word), size)
    half = _remainder(_numpy.asarray(1 << 4 * word.itemsize, word), size)
    factor = _remainder(half * half, size)  # 2 ** bits, by the size: the weight of the upper word
    offset = _remainder(_remainder(high, size) * factor + _remainder(low, size), size)
    return minval + np.astype(offset, minval.dtype)


def _remainder(x, y):
    """The remainder as the machine takes it: by zero, which stands for the whole range, it is x."""
    return np.where(y == 0, x, np.remainder(x, np.where(y == 0, _numpy.asarray(1, y.dtype), y)))


@_fact
def categorical_plan(like, axis, shape, replace):
    """Return how to draw categories: axis from the right, count of leading axes, result shape, noise shape, axes to insert
    before the logits, and the number of draws without replacement."""
    whole = tuple(like.shape)
    if not -len(whole) <= axis < len(whole):
        raise ValueError(f"categorical: axis {axis} is out of bounds for logits of shape {whole}")
    axis = axis - len(whole) if axis >= 0 else axis
    rest = whole[:axis] + (whole[axis + 1:] if axis != -1 else ())
    shape = rest if shape is None else _shape_tuple(shape)
    lead = len(shape) - len(rest)
    if lead < 0 or _numpy.broadcast_shapes(shape, rest) != shape:
        raise ValueError(f"categorical parameters must have shapes that broadcast to the shape argument: logits of shape {whole} "
                         f"without axis {axis} and shape={shape}")
    draws = math.prod(shape[:lead])
    if not replace and draws > whole[axis]:
        raise ValueError(f"categorical: cannot draw {draws} distinct categories of {whole[axis]}; use replace=True")
    noise = list(shape[lead:])
    noise.insert(len(noise) + 1 + axis, whole[axis])
    return axis, lead, shape, shape[:lead] + tuple(noise), tuple(range(lead)), draws


@_fact
def order_shape(like, axis):
    """Return the shape of an array and an axis counted from the right; a number n stands for the array of 0 ... n - 1."""
    if isinstance(like, (int, _numpy.integer)):
        return (int(like),), -1
    shape = tuple(_numpy.shape(like))
    if not shape:
        if _kind(like.dtype) not in "iu":
            raise TypeError("permutation: x must be an integer or at least 1-dimensional")
        return (int(like),), -1
    if not -len(shape) <= axis < len(shape):
        raise ValueError(f"axis {axis} is out of bounds for an array of shape {shape}")
    return shape, axis - len(shape) if axis >= 0 else axis


@_fact
def is_number(like):
    """Tell whether an argument is a number rather than an array."""
    return len(_numpy.shape(like)) == 0


@_fact
def choice_plan(count, shape, replace):
    """Return the shape of samples and their number; TypeError for a shape that is no sequence, ValueError where too few are there."""
    if not hasattr(shape, "__len__"):
        raise TypeError(f"choice: shape must be a sequence of sizes, got {shape!r}; write shape=({shape},)")
    shape = _shape_tuple(shape)
    draws = math.prod(shape)
    if count <= 0 and draws:
        raise ValueError("choice: a must be greater than 0 unless no samples are taken")
    if not replace and draws > count:
        raise ValueError(f"Cannot take a larger sample (size {draws}) than population (size {count}) when 'replace=False'")
    return shape, draws


@_op(constant=True, unbatched=True)
def joint_inexact_dtype(x, y):
    """Return the float dtype to which two parameters promote together."""
    from runtime.ops.kernel import inexact
    from runtime.types import result_type
    return inexact(result_type(x, y))


@_fact
def integer_sample_dtype(name, dtype):
    """Return the integer dtype of samples; ValueError for another kind."""
    dtype = _canonical_dtype(int if dtype is None else dtype)
    if _kind(dtype) not in "iu":
        raise ValueError(f"dtype argument to `{name}` must be an int dtype, got {dtype}")
    return dtype


@_op(constant=True, unbatched=True)
def check_casts(name, dtype, *parameters):
    """Raise TypePromotionError where a parameter's dtype is wider than that of the samples; numbers fit any."""
    from runtime.types import TypePromotionError, aval_of, promote_types
    for value in parameters:
        of = aval_of(value)
        if not of.weak_type and promote_types(of.dtype, dtype) != dtype:
            raise TypePromotionError(f"In arguments to {name}, cannot safely cast argument of type {of.dtype} to {dtype}")
    return dtype


@_fact
def matrix_count(name, n):
    """Return a number of rows, columns or dimensions; TypeError if it is not a concrete integer."""
    import operator
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{name} needs a concrete integer for a size, got {n!r}") from None


@_fact
def tuple_of(shape):
    """Return a shape argument as a tuple."""
    return _shape_tuple(shape)


@_fact
def check_inexact(name, dtype):
    """Return the dtype of samples that may be complex; ValueError for another kind."""
    dtype = _canonical_dtype(float if dtype is None else dtype)
    if _kind(dtype) not in "fc":
        raise ValueError(f"dtype argument to `{name}` must be a float or complex dtype, got {dtype}")
    return dtype


def _doubled_batched(shape, loc, scale, over=()):
    return doubled_shape(shape, _example(loc, "loc" in over), _example(scale, "scale" in over))


@_op(constant=True, unbatched=True, batch=_doubled_batched)
def doubled_shape(shape, loc, scale):
    """Return the shape that double_sided_maxwell draws: that of the parameters follows ``shape``, or stands for an empty one."""
    own = _numpy.broadcast_shapes(_numpy.shape(loc), _numpy.shape(scale))
    shape = _shape_tuple(shape)
    return (shape or own) + own


def _concentrations_batched(shape, alpha, over=()):
    return concentrations_shape(shape, _example(alpha, "alpha" in over))


@_op(constant=True, unbatched=True, batch=_concentrations_batched)
def concentrations_shape(shape, alpha):
    """Return the shape of the gamma samples for concentrations; ValueError when these are a number, or do not fit ``shape``."""
    own = _numpy.shape(alpha)
    if not own:
        raise ValueError("dirichlet requires alpha.ndim >= 1, got alpha.ndim == 0")
    return wanted_shape("dirichlet", shape, _numpy.empty(own[:-1], bool)) + own[-1:]
