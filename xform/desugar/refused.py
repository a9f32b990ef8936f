"""Statements and expressions that are refused: why, and what to write instead."""
from __future__ import annotations

import gast

from xform.syntax import at, call, const

REFUSED = {
    gast.Yield: ("a generator (yield) cannot be transformed", "Append to a list and return it."),
    gast.YieldFrom: ("a generator (yield from) cannot be transformed", "Append to a list and return it."),
    gast.Await: ("async code cannot be transformed", "Write a plain function."),
    gast.AsyncFor: ("async code cannot be transformed", "Write a plain loop."),
    gast.AsyncWith: ("async code cannot be transformed", "Write a plain function."),
    gast.AsyncFunctionDef: ("async code cannot be transformed", "Write a plain function."),
    gast.Global: ("assigning globals from a transformed function is not supported", "Return the value instead."),
}


def fails(lowering, node, why):
    """A TypeError where the run comes to an expression that it may never come to: ``mask(x) if callable(mask) else mask``."""
    lowering.out.append(at(gast.Raise(call("TypeError", [const(why, node)], node=node), None), node))
    return const(None, node)
