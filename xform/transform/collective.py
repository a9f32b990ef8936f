"""Collectives over the axis that vmap batches: they become reductions and permutations of axis 0.

Before: ``lax.psum(x, 'i')`` under ``vmap(..., axis_name='i')``.   After: ``np.sum(x, axis=0)``.
"""
from __future__ import annotations

import gast

from xform.analyze.batched import is_batched
from xform.syntax import call, clone, const, expression

# collective -> (expression over x, whether the result carries the batch)
TABLE = {"psum": ("np.sum(x, axis=0)", False), "pmean": ("np.mean(x, axis=0)", False), "pmax": ("np.max(x, axis=0)", False),
         "pmin": ("np.min(x, axis=0)", False), "all_gather": ("x", False)}


def batched_collective(run, operation, statement):
    """(expression, flag) for a collective over the batched axis; None for anything else."""
    args = operation.args
    axis = args.get("axis_name")
    if not (isinstance(axis, gast.Constant) and axis.value == run.axis_name):
        return None
    name = operation.rule.name
    if name == "axis_index":
        return call("np.arange", [run.size()], node=statement), True
    if name == "axis_size":
        return run.size(), False
    x = args.get("x")
    if name == "ppermute":
        return call("rt.permute_batch", [run.coerced(x, True, statement), clone(args["perm"])], node=statement), True
    if name not in TABLE:
        return None
    text, flag = TABLE[name]
    if not is_batched(run.flags.of(x)):
        if name == "psum":
            return gast.copy_location(gast.BinOp(clone(x), gast.Mult(), run.size()), statement), False
        if name in ("pmean", "pmax", "pmin"):
            return clone(x), False
    value = expression(text, statement)

    class Put(gast.NodeTransformer):
        def visit_Name(self, node):
            return run.coerced(x, True, statement) if node.id == "x" else node
    return Put().visit(value), flag


__all__ = ["batched_collective", "const"]
