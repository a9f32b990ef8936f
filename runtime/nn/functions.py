"""Activations, softmax and its kin: ops where a rule of its own reads better, plain Python over ops elsewhere."""
from __future__ import annotations

import math

import numpy as _numpy

from runtime.op import op
from runtime.ops.axes import inner_axis
from runtime.ops.binary import logaddexp, where
from runtime.ops.elementwise import erfc, exp, log, sigmoid, tanh
from runtime.ops.fact import fact
from runtime.ops.kernel import fused, inexact
from runtime.ops.reduce import aligned
from runtime.primitive import as_operand, cast
from runtime.types import aval_of, canonical_dtype


@fused
def _relu(x):
    from runtime.ops.binary import maximum
    return maximum(x, 0)


@op(partials={"x": "x > 0"})
def relu(x):
    """Return max(x, 0), elementwise; the derivative at zero is zero."""
    return _relu(as_operand(x, "relu"))


def relu6(x):
    """Return min(max(x, 0), 6), elementwise."""
    from runtime import numpy as np
    return np.minimum(np.maximum(x, 0), 6.0)


def identity(x):
    """Return x."""
    return x


@fused
def _softplus(x):
    return logaddexp(x, 0)


@op(partials={"x": "nn.sigmoid(x)"})
def softplus(x):
    """Return log(1 + exp(x)), elementwise."""
    return _softplus(_inexact(x, "softplus"))


def _inexact(x, name):
    x = as_operand(x, name)
    dtype = inexact(x.dtype)
    return x if x.dtype == dtype else cast(x, dtype)


@fused
def _log1mexp(x):
    from runtime.ops.elementwise import expm1, log1p
    # each form loses its digits where the other keeps them
    return where(x <= math.log(2), log(-expm1(-x)), log1p(-exp(-x)))


@op(partials={"x": "1 / np.expm1(x)"})
def log1mexp(x):
    """Return log(1 - exp(-x)), elementwise: -inf at zero, NaN below; exact for small and large x.

    Maechler, "Accurately computing log(1 - exp(-|a|))", 2012.
    """
    return _log1mexp(_inexact(x, "log1mexp"))


def log_sigmoid(x):
    """Return log(sigmoid(x)), elementwise."""
    return -softplus(-x)


def soft_sign(x):
    """Return x / (1 + |x|), elementwise."""
    from runtime import numpy as np
    return x / (np.abs(x) + 1)


def sparse_plus(x):
    """Return 0 below -1, x above 1, and (x + 1)^2 / 4 between, elementwise."""
    from runtime import numpy as np
    return np.where(x <= -1.0, 0.0, np.where(x >= 1.0, x, (x + 1.0) ** 2 / 4))


def sparse_sigmoid(x):
    """Return (x + 1) / 2 cut to [0, 1], elementwise."""
    from runtime import numpy as np
    return 0.5 * np.clip(x + 1.0, 0.0, 2.0)


@fused
def _silu(x):
    return x * sigmoid(x)


@op(partials={"x": "nn.silu_slope(x)"})
def silu(x):
    """Return x * sigmoid(x), elementwise."""
    return _silu(_inexact(x, "silu"))


def silu_slope(x):
    """Return the derivative of silu."""
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def mish(x):
    """Return x * tanh(softplus(x)), elementwise."""
    from runtime import numpy as np
    return x * np.tanh(softplus(x))


def hard_tanh(x):
    """Return x cut to [-1, 1], elementwise."""
    from runtime import numpy as np
    return np.where(x > 1, 1, np.where(x < -1, -1, x))


def elu(x, alpha=1.0):
    """Return x above zero, alpha * (exp(x) - 1) below, elementwise."""
    from runtime import numpy as np
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0.0, x)))


def celu(x, alpha=1.0):
    """Return max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)), elementwise."""
    from runtime import numpy as np
    return np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0) / alpha)


def selu(x):
    """Return the self-normalising elu: 1.0507 * elu(x, 1.6733), elementwise."""
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def leaky_relu(x, negative_slope=0.01):
    """Return x above zero, negative_slope * x below, elementwise."""
    from runtime import numpy as np
    return np.where(x >= 0, x, negative_slope * x)


def gelu(x, approximate=True):
    """Return x times the normal distribution function, by tanh (``approximate``) or erfc, elementwise."""
    from runtime import numpy as np
    if approximate:
        inner = 0.7978845608028654 * (x + 0.044715 * (x ** 3))
        return x * (0.5 * (1.0 + np.tanh(inner)))
    x = np.astype(x, float_of(x))
    return np.astype(0.5 * x * erfc(-x * 0.7071067811865476), x.dtype)


@fact
def float_of(like):
    """Return the floating dtype in which an activation of an array is computed."""
    return inexact(aval_of(like).dtype)


def glu(x, axis=-1):
    """Return the first half along an axis times the sigmoid of the second half; ValueError for an odd size."""
    from runtime import numpy as np
    if x.shape[axis] % 2 != 0:
        raise ValueError("glu: the axis size must be divisible by 2")
    halves = np.split(x, 2, axis=axis)
    return halves[0] * sigmoid(halves[1])


def squareplus(x, b=4):
    """Return (x + sqrt(x^2 + b)) / 2, elementwise."""
    from runtime import numpy as np
    return (x + np.sqrt(np.square(x) + b)) / 2


def hard_sigmoid(x):
    """Return relu6(x + 3) / 6, elementwise."""
    return relu6(x + 3.0) / 6.0


def hard_silu(x):
    """Return x * hard_sigmoid(x), elementwise."""
    return x * hard_sigmoid(x)


swish, hard_swish = silu, hard_silu


# ---- softmax and its kin ----

def _softmax_batched(x, axis=-1, where=None, initial=None, over=()):
    from runtime import numpy as np
    if "x" not in over:
        x = np.expand_dims(x, 0)
    if "where" in over:
        where = aligned(where, x.ndim - 1)
    return softmax(x, inner_axis(axis, x.ndim), where)


@fused
def _softmax(x, where_, *, axis):
    from runtime.ops.reduce import max_, sum
    x = where(where_, x, -math.inf)
    e = exp(x - _finite(max_(x, axis, None, True)))
    return where(where_, e / sum(e, axis, None, None, True), 0)


def _finite(top):
    from runtime.ops.elementwise import isfinite
    return where(isfinite(top), top, 0)


@fused
def _softmax_all(x, *, axis):
    from runtime.ops.reduce import max_, sum
    e = exp(x - max_(x, axis, None, True))
    return e / sum(e, axis, None, None, True)


@op(jvp={"x": "nn.unsoftmax(x_dot, out, axis)"}, vjp={"x": "nn.unsoftmax(d_out, out, axis)"}, batch=_softmax_batched)
def softmax(x, axis=-1, where=None, initial=None):
    """Return exp(x) / sum(exp(x)) over axes; elements that ``where`` does not choose count for nothing and give 0."""
    x = _inexact(x, "softmax")
    axis = tuple(axis) if isinstance(axis, (list, range)) else axis
    return _softmax_all(x, axis=axis) if where is None else _softmax(x, where, axis=axis)


def unsoftmax(d, out, axis=-1):
    """Return the cotangent of softmax's operand (or the tangent of its result: the derivative is symmetric)."""
    from runtime import numpy as np
    scaled = d * out
    return scaled - out * np.sum(scaled, axis=axis, keepdims=True)


def _log_softmax_batched(x, axis=-1, over=()):
    return all_log_softmax(x, inner_axis(axis, x.ndim))


@fused
def _log_softmax_all(x, *, axis):
    from runtime.ops.reduce import max_, sum
    shifted = x - max_(x, axis, None, True)
    return shifted - log(sum(exp(shifted), axis, None, None, True))


@op(jvp={"x": "x_dot - np.sum(np.exp(out) * x_dot, axis=axis, keepdims=True)"},
    vjp={"x": "d_out - np.exp(out) * np.sum(d_out, axis=axis, keepdims=True)"}, batch=_log_softmax_batched)
def all_log_softmax(x, axis=-1):
    """Return log(softmax(x)) over axes."""
    return _log_softmax_all(_inexact(x, "log_softmax"), axis=tuple(axis) if isinstance(axis, (list, range)) else axis)


def log_softmax(x, axis=-1, where=None, initial=None):
    """Return log(softmax(x)) over axes; elements that ``where`` does not choose count for nothing and give -inf."""
    from runtime import numpy as np
    if where is None:
        return all_log_softmax(x, axis)
    inside = np.where(where, x, -math.inf)
    return np.where(where, all_log_softmax(inside, axis), -math.inf)


@fused
def _logsumexp(a, *, axis, keepdims):
    from runtime.ops.axes import axis_tuple, without_axes
    from runtime.ops.reduce import max_, sum
    top = _finite(max_(a, axis, None, True))
    total = log(sum(exp(a - top), axis, None, None, keepdims))
    return total + (top if keepdims else top.reshape(without_axes(a.shape, axis_tuple(axis, a.ndim))))


def _log_total_batched(a, axis=None, keepdims=False, over=()):
    return log_total(a, inner_axis(axis, a.ndim), keepdims)


@op(jvp={"a": "np.sum(a_dot * np.exp(a - nn.kept(out, a, axis, keepdims)), axis=axis, keepdims=keepdims)"},
    vjp={"a": "rt.unsum(d_out, like=a, axis=axis, keepdims=keepdims) * np.exp(a - nn.kept(out, a, axis, keepdims))"},
    batch=_log_total_batched)
def log_total(a, axis=None, keepdims=False):
    """Return log(sum(exp(a))) over axes (all by default)."""
    a = _inexact(a, "logsumexp")
    return _logsumexp(a, axis=tuple(axis) if isinstance(axis, (list, range)) else axis, keepdims=bool(keepdims))


def kept(out, a, axis, keepdims):
    """Return the result of a reduction with the reduced axes kept."""
    from runtime import numpy as np
    if keepdims:
        return out
    return np.reshape(out, kept_shape(a, axis))


@fact
def kept_shape(like, axis):
    """Return the shape of a reduction that keeps its axes."""
    from runtime.ops.axes import axis_tuple, kept_axes
    return kept_axes(tuple(like.shape), axis_tuple(axis, len(like.shape)))


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, where=None):
    """Return log(sum(b * exp(a))) over axes (all by default); with ``return_sign``, of the absolute value, and the sign.

    Elements that ``where`` does not choose count for nothing.
    """
    from runtime import numpy as np
    if where is not None:
        a = np.where(where, a, -math.inf)
    if b is None:
        found = log_total(a, axis, keepdims)
        return (found, np.where(np.isnan(found), found, np.where(np.isneginf(found), 0.0, 1.0))) if return_sign else found
    a = np.where(b == 0, -math.inf, a)
    top = top_of(a, axis)
    total = np.sum(b * np.exp(a - top), axis=axis, keepdims=keepdims)
    if not keepdims:
        top = np.reshape(top, total.shape)
    if return_sign:
        return np.log(np.abs(total)) + top, np.sign(total)
    return np.log(np.where(total < 0, math.nan, total)) + top


@op(constant=True, batch=lambda a, axis, over=(): top_of(a, inner_axis(axis, a.ndim)))
def top_of(a, axis):
    """Return the largest element over axes, which are kept; zero where it is not finite."""
    from runtime.ops.reduce import max_
    return _finite(max_(as_operand(a), axis, None, True))


def logmeanexp(x, axis=None, where=None, keepdims=False):
    """Return log(mean(exp(x))) over axes (all by default)."""
    from runtime import numpy as np
    total = logsumexp(x, axis=axis, keepdims=keepdims, where=where)
    count = np.sum(np.ones_like(x), axis=axis, keepdims=keepdims, where=where)
    return total - np.log(count)


def standardize(x, axis=-1, mean=None, variance=None, epsilon=1e-5, where=None, *, algorithm="fast"):
    """Return (x - mean) / sqrt(variance + epsilon), with mean and variance over axes unless given.

    algorithm: the variance as the mean of squares less the square of the mean ("fast"), or the mean of the squared distances
    ("stable"); ValueError for another.
    """
    from runtime import numpy as np
    if mean is None:
        mean = np.mean(x, axis, keepdims=True, where=where)
    if algorithm not in ("fast", "stable"):
        raise ValueError(f"standardize: unknown algorithm {algorithm!r}; use 'fast' or 'stable'")
    if variance is None and algorithm == "stable":
        variance = np.mean(np.square(x - mean), axis, keepdims=True, where=where)
    elif variance is None:
        variance = np.clip(np.mean(np.square(x), axis, keepdims=True, where=where) - np.square(mean), 0)
    return (x - mean) * (1 / np.sqrt(variance + epsilon))


def _one_hot_batched(x, num_classes, dtype=None, axis=-1, over=()):
    return one_hot(x, num_classes, dtype=dtype, axis=axis if axis < 0 else axis + 1)


@op(constant=True, batch=_one_hot_batched)
def one_hot(x, num_classes, *, dtype=None, axis=-1):
    """Return ones where the new axis's index equals x, zeros elsewhere; all zeros for x out of range."""
    from runtime.ops.binary import equal
    from runtime.ops.create import arange
    from runtime.ops.permute import moveaxis
    from runtime.ops.shape import expand_dims
    x = as_operand(x, "one_hot")
    hot = equal(expand_dims(x, -1), arange(int(num_classes), None, None, x.dtype))
    hot = cast(hot, canonical_dtype(float if dtype is None else dtype))
    return hot if axis in (-1, x.ndim) else moveaxis(hot, -1, axis)
