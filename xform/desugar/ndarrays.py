"""Questions whether a value is an array of NumPy's, of which the arrays of a transformed function are none.

Before::

    if isinstance(x, (np.ndarray, list)):       # import numpy as np

After::

    if rt.builtins.is_ndarray(x) or isinstance(x, list):

A function that asks this, or calls one that does, is never called as it is written.
"""
from __future__ import annotations

import numbers
import types
import weakref

import gast
import numpy

from xform import parse
from xform.errors import SourceError
from xform.library import is_runtime, lookup
from xform.resolve import Object
from xform.syntax import at, call

_asks = weakref.WeakKeyDictionary()


def asked(lowering, node):
    """The expression for ``isinstance(x, K)`` where K is, or has in it, ``numpy.ndarray``; None for other classes."""
    kinds = node.args[1].elts if isinstance(node.args[1], (gast.Tuple, gast.List)) else [node.args[1]]
    values = [_class(lowering.known(k)) for k in kinds]
    if not any([v is numpy.ndarray for v in values]):
        return None
    rest = [k for k, v in zip(kinds, values) if v is not numpy.ndarray]
    scalars = any([isinstance(v, type) and issubclass(v, (numbers.Number, numpy.generic)) for v in values])
    own = "is_ndarray_or_scalar" if scalars else "is_ndarray"
    lowering.statics[own + "__"] = Object(lookup(f"rt.builtins.{own}"))
    found = call(own + "__", [node.args[0]], node=node)
    if not rest:
        return found
    other = at(gast.Call(node.func, [node.args[0], at(gast.Tuple(rest, gast.Load()), node)], []), node)
    return at(gast.BoolOp(gast.Or(), [found, other]), node)


def _class(known):
    return known.value if isinstance(known, Object) else None


def asks(function) -> bool:
    """Whether a user's function, or one that it calls by name, has such a question in it."""
    if not isinstance(function, types.FunctionType) or is_runtime(function):
        return False
    code = function.__code__
    if code not in _asks:
        _asks[code] = False         # while this is worked out, a recursive mention adds nothing
        try:
            _asks[code] = _in(parse.parse(function).tree, *parse.free_names(function))
        except SourceError:         # what has no source is called as it is
            pass
    return _asks[code]


def _in(tree, cells, space):
    def find(key):
        return cells.get(key, space.get(key))
    for node in gast.walk(tree):
        if not isinstance(node, gast.Call):
            continue
        if isinstance(node.func, gast.Name) and node.func.id == "isinstance" and len(node.args) == 2:
            if any([_value(n, find) is numpy.ndarray for n in gast.walk(node.args[1])]):
                return True
        elif asks(_value(node.func, find)):
            return True
    return False


def _value(node, find):
    """What a dotted name means outside the function; None for anything else."""
    if isinstance(node, gast.Name):
        return find(node.id)
    if isinstance(node, gast.Attribute):
        found = _value(node.value, find)
        return getattr(found, node.attr, None) if isinstance(found, types.ModuleType) else None
    return None
