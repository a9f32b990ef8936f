"""Samplers of counts: Poisson, binomial and multinomial."""
from __future__ import annotations

import numpy as _numpy

from runtime import numpy as np
from runtime.ops.constrain import out_sharded
from runtime.ops.counts import draw_binomial, draw_poisson
from runtime.ops.random import split
from runtime.random.facts import joint_inexact_dtype, sample_dtype, wanted_shape


@out_sharded
def poisson(key, lam, shape=None, dtype=None):
    """Return Poisson-distributed integers of mean ``lam``: by products of uniforms below 10, by rejection from there.

    ValueError if the shape of ``lam`` does not broadcast to ``shape``.
    """
    dtype = int if dtype is None else dtype
    shape = wanted_shape("poisson", shape, lam)
    return np.astype(draw_poisson(key, np.broadcast_to(np.astype(lam, _numpy.float32), shape)), dtype)


def binomial(key, n, p, shape=None, dtype=None):
    """Return the numbers of successes in ``n`` trials of probability ``p``, as floats.

    ValueError for a dtype that is not a float's, and if the parameters do not broadcast to ``shape``.
    """
    dtype = sample_dtype("binomial", dtype)
    shape = wanted_shape("binomial", shape, n, p)
    work = joint_inexact_dtype(p, p)
    n = np.broadcast_to(np.astype(n, work), shape)
    return np.astype(draw_binomial(key, n, np.broadcast_to(np.astype(p, work), shape)), dtype)


def multinomial(key, n, p, *, shape=None, dtype=None, unroll=1):
    """Return how ``n`` draws are spread over categories of probabilities ``p`` (last axis): binomial counts one after another.

    ``shape`` is that of the result, with the categories last. The dtype is that of the parameters by default.
    """
    from runtime import lax
    work = joint_inexact_dtype(n, p)
    n, p = np.astype(n, work), np.astype(p, work)
    shape = p.shape if shape is None else tuple(shape)
    p = np.moveaxis(np.broadcast_to(p, shape), -1, 0)
    left = lax.cumsum(p, 0, True)
    ratios = np.clip(p / np.where(left == 0, 1, left), 0, 1)
    keys = split(key, shape[-1])

    def draw_one(rest, item):
        count = binomial(item[1], rest, item[0], None, work)
        return rest - count, count
    counts = lax.scan(draw_one, np.broadcast_to(n, shape[:-1]), (ratios, keys))[1]
    return np.astype(np.moveaxis(counts, 0, -1), work if dtype is None else dtype)
