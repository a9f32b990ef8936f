"""What a temporary is called: after the operation that makes it (``total = a + b``, ``sin = np.sin(x)``)."""
from __future__ import annotations

import gast

from xform.library import BINARY, COMPARE, RESULTS, UNARY
from xform.syntax import dotted


def title(value, node):
    """A name for the result of a core value."""
    path = _callee(value)
    if path:
        return RESULTS.get(path, path.rpartition(".")[2])
    if isinstance(value, gast.Subscript):
        return "item"
    if isinstance(value, gast.Attribute):
        return value.attr
    if isinstance(value, gast.Call) and isinstance(value.func, gast.Name):
        return value.func.id + "_out"
    if isinstance(value, (gast.Tuple, gast.List, gast.Dict)):
        return "items"
    return "value" if not isinstance(value, gast.UnaryOp) else "negated"


def _callee(value):
    if isinstance(value, gast.BinOp):
        return BINARY[type(value.op)]
    if isinstance(value, gast.UnaryOp):
        return UNARY.get(type(value.op))
    if isinstance(value, gast.Compare):
        return COMPARE.get(type(value.ops[0]))
    if isinstance(value, gast.Call) and isinstance(value.func, gast.Attribute):
        return dotted(value.func)
    return None


def title_of(function, own):
    """The name of a function in generated code: ``Layer_call`` for the method ``Layer.__call__``."""
    cls = function.__qualname__.rpartition(".")[0].rpartition(".")[2]
    return f"{cls}_{own.strip('_')}" if own.startswith("__") and own.endswith("__") and own.strip("_") and cls.isidentifier() else own
