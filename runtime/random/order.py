"""Random orders and choices."""
from __future__ import annotations

from runtime import numpy as np
from runtime.ops.constrain import out_sharded
from runtime.ops.random import draw_order, gumbel, uniform
from runtime.random.discrete import randint
from runtime.random.facts import choice_plan, is_number, order_shape


@out_sharded
def permutation(key, x, axis=0, independent=False):
    """Return the array in random order along an axis (``independent``: each vector in its own); an integer n stands for arange(n)."""
    shape, axis = order_shape(x, axis)
    if is_number(x):
        return np.astype(draw_order(key, shape, -1), int)
    if independent:
        return np.take_along_axis(x, draw_order(key, shape, axis), axis)
    return np.take(x, draw_order(key, shape[axis:][:1], -1), axis)


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
