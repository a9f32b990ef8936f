"""Samplers of bools, categories and integers."""
from __future__ import annotations

from runtime import numpy as np
from runtime.ops.constrain import out_sharded
from runtime.ops.kernel import one_kernel as _one_kernel
from runtime.ops.random import bits, gumbel, split, uniform
from runtime.random.facts import (beyond, categorical_plan, integer_bound, integer_dtypes, integer_sample_dtype,
                                  joint_inexact_dtype, probability_dtype, smallest_step, spread_integers, unsigned_dtype,
                                  wanted_shape)


@out_sharded
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


@out_sharded
def rademacher(key, shape=(), dtype=None):
    """Return -1 or 1 with equal probability, of an integer dtype by default."""
    dtype = int if dtype is None else dtype
    return np.astype(2 * np.astype(bernoulli(key, 0.5, shape), dtype) - 1, dtype)


@out_sharded
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


@out_sharded
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


@out_sharded
@_one_kernel("shape", "dtype")
def geometric(key, p, shape=None, dtype=None):
    """Return the number of trials of probability ``p`` up to the first success, at least 1.

    ValueError for a dtype that is not an integer's, and if the shape of ``p`` does not broadcast to ``shape``.
    """
    dtype = integer_sample_dtype("geometric", dtype)
    shape = wanted_shape("geometric", shape, p)
    p = np.astype(p, joint_inexact_dtype(p, p))
    unit = uniform(key, shape, p.dtype)
    unit = np.where(unit == 0, 1, unit)     # zero has no logarithm
    return np.astype(np.floor(np.log(unit) / np.log1p(-p)) + 1, dtype)
