"""Helpers of derivatives of solutions of equations: the mark that generated code carries, and a sign."""
from __future__ import annotations

from runtime.op import op
from runtime.tree import tree_map
from runtime.zero import ZERO


def implicit(function):
    """Mark a function of generated code whose derivative is that of the equation that it solves, not that of its own code."""
    return function


@op(linear="d", vjp={"d": "rt.negated(d_out)"}, batch=lambda d, over=(): negated(d))
def negated(d):
    """Return minus a tangent or cotangent: a pytree of arrays and symbolic zeros."""
    return tree_map(lambda x: x if x is ZERO else -x, d, is_leaf=lambda x: x is ZERO)
