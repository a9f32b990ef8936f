"""``collections.defaultdict`` as a dict that gets its default before a statement that reads a key.

Before::

    groups = defaultdict(list)
    for k, v in pairs:
        groups[k].append(v)

After::

    groups = {}
    for k, v in pairs:
        groups.setdefault(k, [])
        groups[k].append(v)

This is done where a function's source is read, for local names that are bound once. A key that is read in a comprehension, in the
test of a ``while``, by another function or where the same statement reads the whole dict has to be there.
"""
from __future__ import annotations

import collections

import gast

from xform.syntax import at, clone, name

_EMPTY = {list: lambda: gast.List([], gast.Load()), dict: lambda: gast.Dict([], []), **{
    kind: lambda kind=kind: gast.Constant(kind(), None) for kind in (float, int, str, bool)}}
_LATER = (gast.Lambda, gast.ListComp, gast.GeneratorExp, gast.SetComp, gast.DictComp, gast.IfExp, gast.BoolOp)
_PURE = (gast.Name, gast.Constant, gast.Tuple, gast.BinOp, gast.UnaryOp, gast.Attribute, gast.Subscript, gast.IfExp, gast.Compare, gast.BoolOp,
         gast.expr_context, gast.operator, gast.unaryop, gast.cmpop, gast.boolop)


def as_dicts(tree, cells, space):
    """The tree of a function whose free names mean ``cells`` or what is in ``space``, with such dicts as plain ones."""
    def meaning(node):
        if isinstance(node, gast.Name):
            found = cells.get(node.id, space.get(node.id))
            return _BUILTINS.get(node.id) if found is None else found
        return getattr(meaning(node.value), node.attr, None) if isinstance(node, gast.Attribute) else None
    made = {}
    for node in gast.walk(tree):
        if isinstance(node, gast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], gast.Name) and isinstance(
                node.value, gast.Call) and meaning(node.value.func) is collections.defaultdict:
            default = _default(node.value, meaning)
            if default is not None:
                made[node.targets[0].id] = node, default
    if not made:
        return tree
    stored = [n.id for n in gast.walk(tree) if isinstance(n, gast.Name) and not isinstance(n.ctx, gast.Load)]
    whole = {n.id for r in gast.walk(tree) if isinstance(r, gast.Return) and r.value is not None for n in _given_back(r.value)}
    inner = {n.id for f in gast.walk(tree) if isinstance(f, (gast.FunctionDef, gast.Lambda, gast.ClassDef)) and f is not tree
             for n in gast.walk(f) if isinstance(n, gast.Name)}
    made = {d: found for d, found in made.items() if stored.count(d) == 1 and d not in whole and d not in inner}
    for node, _ in made.values():
        node.value = at(gast.Dict([], []), node.value)
    _fill(tree.body, {d: default for d, (_, default) in made.items()})
    return tree


_BUILTINS = {kind.__name__: kind for kind in _EMPTY}


def _default(node, meaning):
    """A function that makes the expression of a default; None where it is not known."""
    if len(node.args) != 1 or node.keywords:
        return None
    factory = node.args[0]
    if isinstance(factory, gast.Lambda) and isinstance(factory.body, gast.Constant):
        return lambda: clone(factory.body)
    kind = meaning(factory)
    return _EMPTY.get(kind) if isinstance(kind, type) else None


def _given_back(value):
    """The names that a result holds as they are."""
    parts = value.elts if isinstance(value, (gast.Tuple, gast.List)) else value.values if isinstance(value, gast.Dict) else [value]
    return [n for part in parts for n in ([part] if isinstance(part, gast.Name) else _given_back(part) if isinstance(
        part, (gast.Tuple, gast.List, gast.Dict)) else [])]


def _fill(statements, defaults):
    """Put a ``setdefault`` before each statement that reads a key."""
    if not isinstance(statements, list):
        return
    place = 0
    while place < len(statements):
        statement = statements[place]
        inner = [getattr(statement, field) for field in ("body", "orelse", "finalbody") if isinstance(getattr(statement, field, None), list)]
        inner += [part.body for part in [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]]
        for block in inner:
            _fill(block, defaults)
        heads = [getattr(statement, field) for field in ("test", "iter", "subject") if getattr(statement, field, None) is not None] if inner else [statement]
        found = [] if isinstance(statement, (gast.While, gast.FunctionDef, gast.ClassDef, gast.Assert)) else [
            part for head in heads for part in _keys_read(head, defaults) if not _is_read_whole(head, part.value.id)]
        for part in found:
            setdefault = at(gast.Attribute(name(part.value.id, part), "setdefault", gast.Load()), part)
            default = at(defaults[part.value.id](), part)
            filled = at(gast.Expr(at(gast.Call(setdefault, [clone(part.slice), default], []), part)), statement)
            statements.insert(place, gast.fix_missing_locations(filled))
            place += 1
        place += 1


def _keys_read(node, defaults):
    """The subscripts of such dicts that are surely read, in order."""
    found = []
    if isinstance(node, _LATER):
        return found
    for child in gast.iter_child_nodes(node):
        found += _keys_read(child, defaults)
    if isinstance(node, gast.AugAssign):
        found += [node.target] if _is_read(node.target, defaults) else []
    elif _is_read(node, defaults) and isinstance(node.ctx, gast.Load):
        found.append(node)
    return found


def _is_read_whole(node, identifier):
    """Whether an expression reads more of a dict than keys: whether the default is there then depends on the order."""
    keyed = {id(n.value) for n in gast.walk(node) if isinstance(n, gast.Subscript)}
    return any(isinstance(n, gast.Name) and n.id == identifier and id(n) not in keyed for n in gast.walk(node))


def _is_read(node, defaults):
    return isinstance(node, gast.Subscript) and isinstance(node.value, gast.Name) and node.value.id in defaults and all(
        isinstance(n, _PURE) for n in gast.walk(node.slice))

