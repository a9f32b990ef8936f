"""Arguments that functions write into: a call gives them back with its result, and the caller binds them anew.

Before::

    def put(b, i, v):
        b[i] = v
    put(b, 0, x)

After::

    def put(b, i, v):
        b = rt.setitem(b, i, v)
        return None, b
    put_out, b = put(b, 0, x)
"""
from __future__ import annotations

import types

import gast

from xform import parse
from xform.desugar.outer import CHANGES
from xform.errors import SourceError, TransformError
from xform.library import ALIASES
from xform.syntax import assign, name

FUNCTIONS = (gast.FunctionDef, gast.Lambda, gast.AsyncFunctionDef)
_written: dict = {}
_in_progress: set = set()


def written_by(function):
    """{parameter: whether it still holds the object at the end} of the parameters that a function changes in place."""
    if not isinstance(function, types.FunctionType) or (function.__module__ or "").split(".")[0] == "runtime":
        return {}
    code = function.__code__
    if code in _in_progress:
        return {}
    if code not in _written:
        from xform.desugar.functions import GlobalScope
        _in_progress.add(code)
        try:
            found = in_tree(parse.parse(function).tree, GlobalScope(function))
        except (SourceError, TransformError):
            found = {}
        finally:
            _in_progress.discard(code)
        if _in_progress:        # a function around it may call itself through this one: asked again when that is known
            return found
        _written[code] = found
    return _written[code]


def in_tree(tree, scope):
    """What ``written_by`` says, of a function's tree; ``scope`` finds the functions that it calls."""
    from xform.desugar.functions import binding_counts
    params = [a.id for a in tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs]
    own = binding_counts(tree)
    first, bound = {}, {}
    for node in _own(tree):
        if isinstance(node, gast.Subscript) and isinstance(node.ctx, gast.Store):
            changed = [_base(node)]
        elif isinstance(node, gast.Expr) and isinstance(node.value, gast.Call):
            changed = _changed(node.value, scope, own)
        elif isinstance(node, gast.Call):
            changed = _changed(node, scope, own, False)
        else:
            if isinstance(node, gast.AugAssign):
                bound.setdefault(getattr(node.target, "id", None), None)    # of an array: in place, too
            elif isinstance(node, gast.Name) and isinstance(node.ctx, gast.Store):
                bound.setdefault(node.id, getattr(node, "lineno", 0))
            continue
        for identifier in changed:
            if identifier in params:
                line = getattr(node, "lineno", 0)
                first[identifier] = min(line, first.get(identifier, line))
    found = {}
    for identifier, line in first.items():
        again = bound.get(identifier)
        if again is None:
            found[identifier] = True
        elif line < again:
            found[identifier] = False
    return found


def _own(tree):
    """The nodes of a function's body, an augmented assignment before its target, without those of functions inside it."""
    stack = [tree.body] if isinstance(tree, gast.Lambda) else list(reversed(tree.body))
    while stack:
        node = stack.pop()
        if isinstance(node, FUNCTIONS):
            continue
        yield node
        if isinstance(node, gast.AugAssign) and isinstance(node.target, gast.Name):
            stack.append(node.value)
        else:
            stack.extend(reversed(list(gast.iter_child_nodes(node))))


def _base(node):
    while isinstance(node, gast.Subscript):
        node = node.value
    return node.id if isinstance(node, gast.Name) else None


def _changed(node, scope, own, statement=True):
    """The names that a call changes in place; ``own``: the names that are no functions of ``scope``."""
    if isinstance(node.func, gast.Attribute) and node.func.attr in CHANGES and statement:
        base = _base(node.func.value)
        if base is not None:
            return [base]
    function = None if _root(node.func) in own else called(node.func, scope)
    found = written_by(function) if function is not None else {}
    return [argument.id for param, argument in _given(function, node) if param in found and isinstance(argument, gast.Name)] if found else []


def _root(func):
    while isinstance(func, gast.Attribute):
        func = func.value
    return getattr(func, "id", None)


def _given(function, node):
    params = list(parse.signature(function).parameters)
    return [*zip(params, node.args), *((k.arg, k.value) for k in node.keywords)]


def called(func, scope):
    """The Python function that a name or a dotted name means; None for anything else."""
    parts = []
    while isinstance(func, gast.Attribute):
        parts.insert(0, func.attr)
        func = func.value
    if not isinstance(func, gast.Name):
        return None
    known = scope.find(func.id, func)
    value = getattr(known, "value", None)
    for part in parts:
        value = getattr(value, part, None) if isinstance(value, types.ModuleType) else None
    return value if isinstance(value, types.FunctionType) else None


def given_back(lowering, found, params, atoms):
    """[(parameter, local)] of the arguments of a call that the caller binds anew; ``found``: what ``written_by`` says of the function."""
    pairs = [(p, a.id) for p, a in zip(params, atoms) if found.get(p) and p not in ALIASES and isinstance(a, gast.Name)
             and a.id in lowering.counts and a.id not in lowering.statics]
    return pairs if len({local for _, local in pairs}) == len(pairs) else []


def bound(lowering, value, locals_, node):
    """The result of a call that gives changed arguments back, after these are bound."""
    pair = lowering.store_temp(value, "results", node)
    out = lowering.temp("result")
    lowering.out.append(assign([out, *locals_], pair, node))
    return name(out, node)
