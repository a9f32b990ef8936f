"""Random numbers from keys: the same streams as JAX's, by samplers that are ops or plain Python over them."""
from __future__ import annotations

import math

import numpy as _numpy

from runtime import numpy as np
from runtime.control import while_loop as _while_loop
from runtime.op import op as _op
from runtime.ops.create import shape_tuple as _shape_tuple
from runtime.ops.fact import fact as _fact
from runtime.ops.random import (PRNGKey, bits, cauchy, draw, draw_bits, draw_gumbel, draw_keys, draw_order, draw_uniform,
                                exponential, float_dtype, fold_in, fold_in_each, gumbel, laplace, logistic, normal, seeded,
                                split, uniform)
from runtime.types import canonical_dtype as _canonical_dtype
from runtime.types import kind as _kind


def key(seed, *, impl=None):
    """Return the key of an integer seed: a uint32 array of shape (2,), like ``PRNGKey``."""
    return PRNGKey(seed, impl=impl)


def key_data(keys):
    """Return the uint32 numbers of a key or keys: here the keys themselves."""
    return keys


def wrap_key_data(key_bits_array, *, impl=None):
    """Return the keys made of uint32 numbers with a last axis of 2: here the numbers themselves."""
    return key_bits_array


def key_impl(keys):
    """Return the name of the generator of a key."""
    return "threefry2x32"


def clone(key):
    """Return the key, to be used once more."""
    return key


# ---- shapes and checks: facts about one example, also where a batch is there ----

def _wanted_batched(name, shape, x=(), y=(), z=(), over=()):
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


# ---- discrete ----

def bernoulli(key, p=0.5, shape=None, mode="low"):
    """Return bools that are true with probability ``p``; ``mode`` "high" resolves tiny probabilities.

    TypeError if ``p`` is not of a float dtype, ValueError if its shape does not broadcast to ``shape``.
    """
    if mode not in ("high", "low"):
        raise ValueError("bernoulli: mode must be 'high' or 'low'")
    shape = wanted_shape("bernoulli", shape, p)
    dtype = probability_dtype(p)
    if mode == "high":
        both = uniform(key, (2,) + shape, dtype)
        return both[1] * smallest_step(dtype) < p - both[0]
    return uniform(key, shape, dtype) < p


def rademacher(key, shape=(), dtype=None):
    """Return -1 or 1 with equal probability, of an integer dtype by default."""
    dtype = int if dtype is None else dtype
    return np.astype(2 * np.astype(bernoulli(key, 0.5, shape), dtype) - 1, dtype)


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


def randint(key, shape, minval, maxval, dtype=None):
    """Return integers from [minval, maxval), slightly biased where the size of that range is no power of 2.

    TypeError for no integer dtype; where maxval <= minval, the result is minval.
    """
    dtypes = integer_dtypes(dtype)
    drawn = dtypes[1]
    shape = wanted_shape("randint", shape, minval, maxval)
    if drawn != dtypes[0]:
        minval = integer_bound(np.astype(minval, drawn), dtypes[0])
        maxval = integer_bound(np.astype(maxval, drawn), dtypes[0], 1)
    keys = split(key)
    word = unsigned_dtype(drawn)
    high, low = bits(keys[0], shape, word), bits(keys[1], shape, word)
    outside = beyond(maxval, drawn)
    minval = np.astype(integer_bound(minval, drawn), drawn)
    maxval = np.astype(integer_bound(maxval, drawn), drawn)
    return np.astype(spread_integers(high, low, minval, maxval, outside, word), dtypes[0])


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


def categorical(key, logits, axis=-1, shape=None, replace=True, mode=None):
    """Return indices along ``axis`` drawn with probabilities softmax(logits).

    ``shape`` is the result's (by default that of ``logits`` without the axis, which it must end in). Without ``replace``,
    the indices drawn along the leading axes of ``shape`` are distinct. ValueError for shapes that do not fit.
    """
    plan = categorical_plan(logits, axis, shape, replace)
    axis, lead, shape = plan[0], plan[1], plan[2]
    if replace:
        noise = gumbel(key, plan[3], logits.dtype, mode)
        return np.argmax(noise + np.expand_dims(logits, plan[4]), axis=axis)
    from runtime import lax
    noise = gumbel(key, logits.shape, logits.dtype, mode)
    scores = np.moveaxis(noise + logits, axis, -1)
    found = lax.top_k(scores, plan[5])[1]
    return np.reshape(np.moveaxis(found, -1, 0), shape)


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


def poisson(key, lam, shape=None, dtype=None):
    """Return Poisson-distributed integers of mean ``lam``: by products of uniforms below 10, by rejection from there."""
    dtype = int if dtype is None else dtype
    shape = wanted_shape("poisson", shape, lam)
    return np.astype(draw_poisson(key, np.broadcast_to(np.astype(lam, _numpy.float32), shape)), dtype)


def _poisson_batched(key, lam, over=()):
    size = (key if "key" in over else lam).shape[0]
    drawn = [draw_poisson(key[i] if "key" in over else key, lam[i] if "lam" in over else lam) for i in range(size)]
    return np.stack(drawn)


@_op(constant=True, batch=_poisson_batched)
def draw_poisson(key, lam):
    """Return Poisson samples of float32 means, one for each, as int32."""
    few = np.logical_or(np.isnan(lam), lam < 10)
    found = np.where(few, _by_products(key, np.where(few, lam, 0)), _by_rejection(key, np.where(few, 1e5, lam)))
    return np.where(lam == 0, 0, found)


_MOST_TURNS = 2 ** 31 - 1


def _by_products(key, lam):
    """Count how many uniforms multiply to less than exp(-lam)."""
    def go_on(turn, count, key, total):
        return np.logical_and(np.any(total > -lam), turn < _MOST_TURNS)

    def step(turn, count, key, total):
        keys = split(key)
        count = np.where(total > -lam, count + 1, count)
        return turn + 1, count, keys[0], total + np.log(uniform(keys[1], lam.shape, _numpy.float32))
    zero = np.zeros(lam.shape, _numpy.int32)
    return _while_loop(go_on, step, np.asarray(0, _numpy.int32), zero, key, np.zeros(lam.shape, _numpy.float32))[1] - 1


def _by_rejection(key, lam):
    """Hoermann's transformed rejection."""
    from runtime.ops.elementwise import gammaln
    log_lam = np.log(lam)
    b = 0.931 + 2.53 * np.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inv_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)

    def go_on(turn, found, accepted, key):
        return np.logical_and(np.any(np.logical_not(accepted)), turn < _MOST_TURNS)

    def step(turn, found, accepted, key):
        keys = split(key, 3)
        u = uniform(keys[1], lam.shape, lam.dtype) - 0.5
        v = uniform(keys[2], lam.shape, lam.dtype)
        rest = 0.5 - np.abs(u)
        k = np.floor((2 * a / rest + b) * u + lam + 0.43)
        s = np.log(v * inv_alpha / (a / (rest * rest) + b))
        t = -lam + k * log_lam - gammaln(k + 1)
        at_once = np.logical_and(rest >= 0.07, v <= v_r)
        never = np.logical_or(k < 0, np.logical_and(rest < 0.013, v > rest))
        accept = np.logical_or(at_once, np.logical_and(np.logical_not(never), s <= t))
        return turn + 1, np.where(accept, k, found), np.logical_or(accepted, accept), keys[0]
    start = (np.asarray(0, _numpy.int32), np.full(lam.shape, -1, lam.dtype), np.zeros(lam.shape, bool), key)
    return np.astype(_while_loop(go_on, step, *start)[1], _numpy.int32)


# ---- orders and choices ----

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


def permutation(key, x, axis=0, independent=False):
    """Return the array in random order along an axis (``independent``: each vector in its own); an integer n stands for arange(n)."""
    shape, axis = order_shape(x, axis)
    if is_number(x):
        return np.astype(draw_order(key, shape, -1), int)
    if independent:
        return np.take_along_axis(x, draw_order(key, shape, axis), axis)
    return np.take(x, draw_order(key, shape[axis:][:1], -1), axis)


@_fact
def choice_plan(count, shape, replace):
    """Return the shape of samples and their number; ValueError if there are not enough to choose from."""
    shape = _shape_tuple(shape)
    draws = math.prod(shape)
    if count <= 0 and draws:
        raise ValueError("choice: a must be greater than 0 unless no samples are taken")
    if not replace and draws > count:
        raise ValueError(f"Cannot take a larger sample (size {draws}) than population (size {count}) when 'replace=False'")
    return shape, draws


def choice(key, a, shape=(), replace=True, p=None, axis=0, mode=None):
    """Return random elements of ``a`` along an axis (an integer n stands for arange(n)), with probabilities ``p`` if given.

    ValueError when more are wanted without ``replace`` than there are.
    """
    from runtime import lax
    whole, axis = order_shape(a, axis)
    count = whole[axis]
    shape, draws = choice_plan(count, shape, replace)
    if p is None:
        if replace:
            found = randint(key, shape, 0, count)
        else:
            found = draw_order(key, (count,), -1)[:draws]
    elif replace:
        sums = np.cumsum(p)
        found = np.searchsorted(sums, sums[-1] * (1 - uniform(key, shape, sums.dtype)))
    else:
        found = lax.top_k(gumbel(key, (count,), p.dtype, mode) + np.log(p), draws)[1]
    found = np.reshape(np.astype(found, int), shape)
    return found if is_number(a) else np.take(a, found, axis)


# ---- continuous ----

def truncated_normal(key, lower, upper, shape=None, dtype=None):
    """Return samples from the standard normal distribution cut to (lower, upper)."""
    from runtime.ops.elementwise import erf, erfinv
    dtype = sample_dtype("truncated_normal", dtype)
    shape = wanted_shape("truncated_normal", shape, lower, upper)
    root = _numpy.asarray(math.sqrt(2), dtype)
    lower, upper = np.asarray(lower, dtype), np.asarray(upper, dtype)
    unit = uniform(key, shape, dtype, erf(lower / root), erf(upper / root))
    return np.clip(root * erfinv(unit), next_to(lower, math.inf), next_to(upper, -math.inf))


@_op(constant=True, elementwise=True)
def next_to(x, towards):
    """Return the next number of the dtype in a direction."""
    return np.nextafter(x, _numpy.asarray(towards, x.dtype))


def multivariate_normal(key, mean, cov, shape=None, dtype=None, method="cholesky"):
    """Return samples with a mean (..., n) and covariance (..., n, n); ``method``: "cholesky", "eigh" or "svd"."""
    mean, cov = np.asarray(mean), np.asarray(cov)
    shape = wanted_shape("multivariate_normal", shape, mean[..., 0], cov[..., 0, 0])
    dtype = mean.dtype if dtype is None else dtype
    if method == "svd":
        found = np.linalg.svd(cov)
        factor = found[0] * np.sqrt(found[1][..., None, :])
    elif method == "eigh":
        values = np.linalg.eigh(cov)
        factor = values[1] * np.sqrt(values[0][..., None, :])
    elif method == "cholesky":
        factor = np.linalg.cholesky(cov)
    else:
        raise ValueError("multivariate_normal: method must be one of 'svd', 'eigh', 'cholesky'")
    noise = normal(key, shape + mean.shape[-1:], dtype)
    return mean + np.einsum("...ij,...j->...i", factor, noise)


def lognormal(key, sigma=1.0, shape=None, dtype=None):
    """Return exp(sigma * z) for standard normal z."""
    shape = wanted_shape("lognormal", shape, sigma)
    return np.exp(normal(key, shape, sample_dtype("lognormal", dtype)) * sigma)


def rayleigh(key, scale, shape=None, dtype=None):
    """Return samples from the Rayleigh distribution."""
    shape = wanted_shape("rayleigh", shape, scale)
    return scale * np.sqrt(np.log(uniform(key, shape, sample_dtype("rayleigh", dtype))) * -2)


def pareto(key, b, shape=None, dtype=None):
    """Return samples from the Pareto distribution of shape ``b``."""
    shape = wanted_shape("pareto", shape, b)
    return np.exp(exponential(key, shape, sample_dtype("pareto", dtype)) / b)


def weibull_min(key, scale, concentration, shape=(), dtype=None):
    """Return samples from the Weibull distribution."""
    unit = uniform(key, shape, sample_dtype("weibull_min", dtype))
    return (-np.log1p(-unit)) ** (1.0 / concentration) * scale
