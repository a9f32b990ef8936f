"""Functions that callbacks call: they stay Python, whatever becomes of the code around them.

Before: ``debug.callback(lambda v: seen.append(v), x)``.   After: ``watch(callback, (x,), {}, False)`` with ``callback`` the lambda as
Python compiles it.
"""
from __future__ import annotations

import functools

import gast

from xform.errors import refuse
from xform.resolve import Closure, Object, Partial
from xform.syntax import clone, name


def python_function(lowering, known, node):
    """The atom of a function as Python has it; what it reads must be known when the code is transformed."""
    if isinstance(known, gast.AST):
        return known
    value = _value(lowering, known, node)
    wanted = getattr(value, "__name__", "callback")
    return name(lowering.refer(wanted if wanted.isidentifier() else "callback", known if isinstance(known, Object) else Object(value)),
                node)


def _value(lowering, known, node):
    if isinstance(known, Object):
        return known.value
    if isinstance(known, Partial):
        parts = [*known.args, *(v for _, v in known.keywords)]
        if all(isinstance(v, (Object, Closure, Partial, gast.Constant)) for v in parts):
            def one(v):
                return v.value if isinstance(v, gast.Constant) else _value(lowering, v, node)
            return functools.partial(_value(lowering, known.fn, node), *map(one, known.args), **{k: one(v) for k, v in known.keywords})
    if isinstance(known, Closure) and hasattr(known.nested, "tree"):
        return _compiled(lowering, known.nested, node)
    refuse(node, lowering.unit, "this callback is a function made of values that are not known when the code is transformed",
           "Pass the values as arguments of the callback.")


def _compiled(lowering, nested, node):
    if getattr(nested, "python", None) is None:
        from xform.desugar.functions import NestedScope, free
        captured = nested.captured()
        if captured:
            refuse(node, lowering.unit, f"this callback reads {captured[0]!r}, a value of the function around it",
                   "Pass it as an argument of the callback.")
        scope, values = NestedScope(nested.parent, {}), {}
        for identifier in free(nested.tree):
            found = scope.find(identifier, nested.tree)
            if found is not None:
                values[identifier] = _value(lowering, found, node)
        nested.python = _evaluated(nested.tree, values, lowering.unit.file)
    return nested.python


def _evaluated(tree, values, file):
    import ast
    tree = clone(tree)
    params = gast.arguments([gast.Name(n, gast.Param(), None, None) for n in values], [], None, [], [], None, [])
    if isinstance(tree, gast.Lambda):
        body = [gast.Return(tree)]
    else:
        tree.decorator_list = []
        body = [tree, gast.Return(gast.Name(tree.name, gast.Load(), None, None))]
    make = gast.FunctionDef("make", params, body, [], None, None, [])
    module = ast.fix_missing_locations(gast.gast_to_ast(gast.Module([make], [])))
    namespace = {}
    exec(compile(module, file or "<callback>", "exec"), namespace)
    return namespace["make"](**values)
