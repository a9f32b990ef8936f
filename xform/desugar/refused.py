"""Statements and expressions that are refused: why, and what to write instead."""
from __future__ import annotations

import gast

REFUSED = {
    gast.Yield: ("a generator (yield) cannot be transformed", "Append to a list and return it."),
    gast.YieldFrom: ("a generator (yield from) cannot be transformed", "Append to a list and return it."),
    gast.Await: ("async code cannot be transformed", "Write a plain function."),
    gast.AsyncFor: ("async code cannot be transformed", "Write a plain loop."),
    gast.AsyncWith: ("async code cannot be transformed", "Write a plain function."),
    gast.AsyncFunctionDef: ("async code cannot be transformed", "Write a plain function."),
    gast.Global: ("assigning globals from a transformed function is not supported", "Return the value instead."),
}
