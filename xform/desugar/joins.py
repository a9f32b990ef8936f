"""Sequences joined by ``+`` and repeated by ``*``: calls, whose derivative splits or folds a cotangent's items.

Before::

    xs = [x, y]
    ys = xs + [z]
    zs = ys * 2

After: ``ys = rt.extend(xs, [z])`` and ``zs = rt.repeated(ys, 2)``. What holds constants alone stays as it is (``[0.0] * n``).
"""
from __future__ import annotations

import gast

from xform.syntax import at, call, dotted

MAKES = frozenset({"rt.append", "rt.extend", "rt.insert", "rt.repeated", "rt.builtins.list", "rt.builtins.tuple", "rt.builtins.sorted",
                   "rt.builtins.zip", "rt.builtins.enumerate", "rt.builtins.map", "rt.builtins.filter"})


def note(lowering, target, value):
    """Note whether a local is assigned a sequence, and whether one of constants."""
    found = _is_made(lowering, value)
    lowering.lists.discard(target)
    lowering.constant_lists.discard(target)
    if isinstance(value, (gast.List, gast.Tuple)) and all(isinstance(e, gast.Constant) for e in value.elts) and (
            value.elts or isinstance(value, gast.Tuple)):
        lowering.constant_lists.add(target)
        found = isinstance(value, gast.List)
    if found:
        lowering.lists.add(target)


def _is_made(lowering, value):
    if isinstance(value, (gast.List, gast.Tuple)):
        return True
    if isinstance(value, gast.Call):
        return dotted(value.func) in MAKES
    of = value.value if isinstance(value, gast.Subscript) and isinstance(value.slice, gast.Slice) else value
    return is_sequence(lowering, of)


def is_sequence(lowering, atom):
    """Whether a local was assigned a list, or a tuple with something in it that is no constant."""
    return isinstance(atom, gast.Name) and atom.id in lowering.lists


def binary(lowering, node, left, right):
    """A call for an operation of a sequence; None for one of numbers."""
    sides = is_sequence(lowering, left), is_sequence(lowering, right)
    if isinstance(node.op, gast.Add) and any(sides):
        return call("rt.extend", [left, right], node=node)
    if isinstance(node.op, gast.Mult) and sum(sides) == 1:
        items, times = (left, right) if sides[0] else (right, left)
        if items.id not in lowering.constant_lists:
            return call("rt.repeated", [items, times], node=node)
    return None


def spread(lowering, node):
    """``[*a, b, *c]`` is ``rt.extend(rt.extend([*a], [b]), c)``."""
    kind, parts, plain = type(node), [], []
    for element in node.elts:
        if isinstance(element, gast.Starred):
            parts += [at(gast.List(plain, gast.Load()), node)] if plain else []
            parts.append(element)
            plain = []
        else:
            plain.append(element)
    parts += [at(gast.List(plain, gast.Load()), node)] if plain else []
    first = [parts[0]] if isinstance(parts[0], gast.Starred) else parts[0].elts
    made = lowering.store_temp(lowering.value(at(kind(first, gast.Load()), node)), "items", node)
    for part in parts[1:]:
        more = part.value if isinstance(part, gast.Starred) else part
        made = lowering.store_temp(call("rt.extend", [made, lowering.atom(more)], node=node), "items", node)
    return made


__all__ = ["binary", "is_sequence", "note", "spread"]
