"""The order of evaluation: what an expression reads before a call that may change an object is read before that call is lowered.

Before, where ``p.add`` changes ``p.total``::

    y = p.total * p.add(x)

After::

    total = p.total
    y = total * p.add(x)

Calls that are given objects are lowered as soon as it is asked what they are, and that may be before their neighbours.
"""
from __future__ import annotations

import copy

import gast

from xform import resolve
from xform.resolve import Display, Instance

_FIELDS = ("value", "test", "iter", "exc")      # of statements: what they evaluate first
_PARTS = {gast.BinOp: ("left", "right"), gast.Compare: ("left", "comparators"), gast.UnaryOp: ("operand",), gast.Tuple: ("elts",),
          gast.List: ("elts",), gast.Set: ("elts",), gast.Call: ("func", "args", "keywords"), gast.keyword: ("value",),
          gast.Subscript: ("value", "slice"), gast.Slice: ("lower", "upper", "step"), gast.Attribute: ("value",), gast.Starred: ("value",),
          gast.FormattedValue: ("value",), gast.JoinedStr: ("values",), gast.Dict: ("keys", "values"), gast.BoolOp: (), gast.IfExp: ("test",)}
_NONE = gast.arguments([], [], None, [], [], None, [])
_LATER = (gast.Lambda, gast.ListComp, gast.GeneratorExp, gast.SetComp, gast.DictComp)


def in_statement(lowering, node):
    """A statement with what it evaluates first in order."""
    if isinstance(node, gast.While) or getattr(lowering.scope, "generated", False):
        return node
    for field in _FIELDS:
        part = getattr(node, field, None)
        if isinstance(part, gast.AST):
            made = in_order(lowering, part)
            if made is not part:
                node = copy.copy(node)
                setattr(node, field, made)
    return node


def in_order(lowering, node):
    """An expression in which what is read before the last call that may change an object is a local, or known."""
    if not _changes(lowering, node):
        return node
    return _pinned(lowering, node)


def _pinned(lowering, node):
    """The same of an expression with such a call in it."""
    parts = [(field, place, part) for field, place, part in _parts(node) if part is not None]
    last = max([i for i, (_, _, part) in enumerate(parts) if _changes(lowering, part)], default=-1)
    if last < 0:
        return node
    node = copy.copy(node)
    for i, (field, place, part) in enumerate(parts[:last + 1]):
        made = _pinned(lowering, part) if i == last else _read(lowering, part)
        if place is None:
            setattr(node, field, made)
        else:
            items = list(getattr(node, field))
            items[place] = made
            setattr(node, field, items)
    return node


def _parts(node):
    """(field, place in it, part) of the parts of an expression that are always evaluated, in order."""
    if isinstance(node, gast.Dict):
        return [(field, i, getattr(node, field)[i]) for i in range(len(node.keys)) for field in ("keys", "values")]
    found = []
    for field in _PARTS.get(type(node), ()):
        value = getattr(node, field)
        found += [(field, i, part) for i, part in enumerate(value)] if isinstance(value, list) else [(field, None, value)]
    if isinstance(node, gast.BoolOp):
        found = [("values", 0, node.values[0])]
    return found


def _read(lowering, node):
    """A part that is read now: an atom, or the expression itself where it is known or no value of its own."""
    if isinstance(node, (gast.Constant, gast.Slice)) or isinstance(node, gast.Name) and node.id in lowering.temps:
        return node
    if isinstance(node, (gast.Starred, gast.keyword)):
        made = copy.copy(node)
        made.value = _read(lowering, node.value)
        return made
    if isinstance(node, gast.Attribute) and lowering.known(node) is None and not isinstance(lowering.known(node.value), Instance):
        return node     # a method of data
    node = in_order(lowering, node)
    known = lowering.known(node)
    return node if known is not None else lowering.atom(node)


def _changes(lowering, node):
    """Whether an expression calls something that is, or is given, an object or a nested function."""
    if isinstance(node, _LATER):
        return False
    if isinstance(node, gast.Call):
        from xform.desugar.functions import free
        if any(_holds_object(lowering, n, node) for n in free(gast.Lambda(_NONE, node))):
            return True
    return any(_changes(lowering, child) for child in gast.iter_child_nodes(node))


def _holds_object(lowering, identifier, node):
    """Whether a name that an expression reads means an object, or something that may have one."""
    if identifier in lowering.counts and identifier not in lowering.statics:
        return False
    known = lowering.statics.get(identifier) or lowering.scope.find(identifier, node)
    if isinstance(known, resolve.Closure):
        return hasattr(known.nested, "parent") and any(isinstance(value, (Instance, Display)) for value in known.nested.parent.statics.values())
    return known is not None and not isinstance(known, str) and any(True for _ in resolve.objects_in(known))
