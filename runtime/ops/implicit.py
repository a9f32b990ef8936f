"""Marks of generated code, for solutions of equations and for functions with a batching rule, and helpers of such code."""
from __future__ import annotations

from runtime.op import op
from runtime.tree import tree_map
from runtime.trees import tree_map_1, tree_map_2
from runtime.zero import ZERO


def implicit(function):
    """Mark a function of generated code whose derivative is that of the equation that it solves, not that of its own code."""
    return function


def custom_vmap(function):
    """Mark a function of generated code that has a batching rule of the user's."""
    return function


def example_of(x, i):
    """Return one example of what carries a batch at axis 0."""
    return tree_map_1(lambda leaf: leaf[i], x)


def spread_where(out, batched, size):
    """Return a result with the batch axis in every array; ``batched`` tells which arrays have it."""
    if isinstance(batched, bool):
        return out if batched else tree_map_1(lambda leaf: spread_leaf(leaf, size, False), out)
    return tree_map_2(lambda leaf, has: spread_leaf(leaf, size, has), out, batched)


def spread_leaf(leaf, size, has):
    """Return an array, with the batch axis put in front unless it has it."""
    from runtime import numpy as np
    if has:
        return leaf
    return np.broadcast_to(leaf, (size,) + np.shape(leaf))


@op(linear="d", vjp={"d": "rt.negated(d_out)"}, batch=lambda d, over=(): negated(d))
def negated(d):
    """Return minus a tangent or cotangent: a pytree of arrays and symbolic zeros."""
    return tree_map(lambda x: x if x is ZERO else -x, d, is_leaf=lambda x: x is ZERO)
