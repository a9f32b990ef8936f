"""Tuples and lists as arguments of NumPy's own functions, which take any sequence where the runtime's take arrays.

    n = numpy.prod(x.shape)
    ->
    n = np.prod(np.asarray(x.shape))
"""
from __future__ import annotations

import builtins

import gast

from xform.library import is_runtime
from xform.syntax import call

ON_SHAPES = frozenset("prod cumprod cumsum argsort diff".split())   # what programs ask of shapes and permutations
REDUCTIONS = frozenset("sum max min amax amin mean median std var any all sort argmax argmin sqrt log abs square".split())


def as_arrays(lowering, value, args, node):
    """The arguments of a call, the first one made an array where NumPy's function may be given a sequence there."""
    own = getattr(value, "__name__", None)
    if own not in ON_SHAPES and own not in REDUCTIONS or is_runtime(value) or not isinstance(node, gast.Call) \
            or getattr(builtins, own, None) is value:       # Python's sum adds the items as they are
        return args
    if not node.args or not args or not isinstance(args[0], gast.AST) or isinstance(node.args[0], gast.Starred):
        return args
    first = node.args[0]
    unknown = isinstance(first, gast.Name) or isinstance(first, gast.Subscript) and isinstance(first.slice, gast.Slice)
    if not _sequence(first) and not (unknown and own in ON_SHAPES):
        return args
    return [lowering.store_temp(call("np.asarray", [args[0]], node=node), "asarray", node), *args[1:]]


def _sequence(node):
    """Whether an expression reads like a tuple or a list: a literal, a comprehension, a shape, a part or a sum of these."""
    if isinstance(node, (gast.Tuple, gast.List, gast.ListComp)):
        return True
    if isinstance(node, gast.Attribute):
        return node.attr == "shape"
    if isinstance(node, gast.Subscript):
        return _sequence(node.value) and isinstance(node.slice, gast.Slice)
    if isinstance(node, gast.BinOp):
        return isinstance(node.op, gast.Add) and (_sequence(node.left) or _sequence(node.right))
    return isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and node.func.id in (
        "tuple", "list", "sorted", "range")
