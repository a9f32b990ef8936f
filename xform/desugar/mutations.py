"""Changes of containers that hold functions or objects: the container is known, so the change is made when the code is read.

Before::

    layers = [np.sin]
    layers.append(np.cos)
    scale = options.pop("scale", 1.0)       # **options
    y = layers[1](x) * scale

After: ``y = np.cos(x) * options_scale``.
"""
from __future__ import annotations

import types

import gast

from xform import resolve
from xform.desugar import rebound
from xform.errors import refuse
from xform.resolve import Display, Object
from xform.syntax import clone

UNKNOWN = object()
CHANGES = frozenset({"append", "extend", "insert", "pop", "clear", "reverse", "update", "setdefault", "remove", "sort", "popitem"})


def gathers(lowering, identifier, value):
    """The known container that an empty one becomes to which functions are added as the code is read; None for data.

    So it is where each of them is added at the top of the function, or in loops there whose turns are known.
    """
    kind = {gast.List: list, gast.Dict: dict}.get(type(value))
    body = getattr(lowering.tree, "body", None)     # of a lambda an expression
    if kind is None or (value.elts if kind is list else value.keys) or lowering.depth or not isinstance(body, list) or identifier in [
            p.id for p in lowering.tree.args.args if isinstance(p, gast.Name)]:
        return None
    found = list(_additions(lowering, identifier, body))
    if not found or not all(settled for _, settled in found) or not any(_is_function(lowering, added) for added, _ in found):
        return None
    return Display((), () if kind is dict else None, kind)


def _additions(lowering, identifier, statements, settled=True):
    """(what a statement adds to a container, whether that happens a known number of times) for all that do."""
    from xform.desugar.sequences import known_turns
    for statement in statements:
        added = added_by(statement, identifier)
        if added is not None:
            yield added, settled
        inner = settled and isinstance(statement, gast.For) and not statement.orelse and known_turns(lowering, statement.iter)
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(statement, (gast.FunctionDef, gast.ClassDef)):
                yield from _additions(lowering, identifier, getattr(statement, field, None) or (), inner and field == "body")


def added_by(statement, identifier=None):
    """The expression that ``xs.append(f)``, ``xs.insert(i, f)`` or ``xs[k] = f`` adds to a container; None for other statements."""
    base = added = None
    if isinstance(statement, gast.Expr) and isinstance(statement.value, gast.Call) and isinstance(statement.value.func, gast.Attribute):
        call = statement.value
        if (call.func.attr, len(call.args)) in (("append", 1), ("insert", 2)):
            base, added = call.func.value, call.args[-1]
    elif isinstance(statement, gast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], gast.Subscript):
        base, added = statement.targets[0].value, statement.value
    return added if isinstance(base, gast.Name) and identifier in (None, base.id) else None


def _is_function(lowering, node):
    """Whether an expression makes a function that may hold values of the program: told by its look, for it is not lowered yet."""
    from xform.desugar.sequences import returns_function
    if isinstance(node, gast.Name):
        return any(isinstance(n, gast.FunctionDef) and n.name == node.id for n in gast.walk(lowering.tree) if n is not lowering.tree)
    if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and (
            node.func.id not in lowering.counts or node.func.id in lowering.statics):
        callee = lowering.known(node.func)
        return isinstance(callee, resolve.Closure) or isinstance(callee, Object) and isinstance(
            callee.value, types.FunctionType) and returns_function(callee)
    return isinstance(node, gast.Lambda)


def adds_functions(lowering, statements):
    """Whether statements, or loops among them, add to a container that is known."""
    for statement in statements:
        added = added_by(statement)
        if added is not None:
            base = statement.value.func.value if isinstance(statement, gast.Expr) else statement.targets[0].value
            if isinstance(lowering.statics.get(base.id), Display):
                return True
        if isinstance(statement, gast.For) and adds_functions(lowering, statement.body):
            return True
    return False


def change(lowering, base, method, args, keywords, node):
    """Make ``base.method(*args)`` on a container that is known; returns what the call gives, UNKNOWN where it is data.

    base: the expression of the container; args, keywords: expressions.
    """
    if not isinstance(base, gast.Name) or not isinstance(lowering.statics.get(base.id), Display):
        return UNKNOWN
    held = lowering.statics[base.id]
    _check(lowering, base.id, held, node)
    found = changed(lowering, held, method, args, keywords, node)
    if found is None:
        refuse(node, lowering.unit, f".{method}() on a {held.kind.__name__} that holds functions or objects is not supported like this",
               "Build a new container.")
    lowering.statics[base.id], result = found
    return result


def assigned(lowering, target, node):
    """``xs[k] = f`` for a function or an object on a container that is known; returns whether it was one."""
    known = lowering.known(node.value) if isinstance(target.value, gast.Name) and isinstance(
        lowering.statics.get(target.value.id), Display) else None
    return known is not None and resolve.is_static(known) and store_item(lowering, target.value, target.slice, known, node)


def store_item(lowering, base, index, value, node):
    """``base[index] = value`` on a container that is known; returns whether it was one."""
    if not isinstance(base, gast.Name) or not isinstance(lowering.statics.get(base.id), Display):
        return False
    from xform.desugar.sequences import constant
    held, key = lowering.statics[base.id], constant(lowering, index)
    _check(lowering, base.id, held, node)
    if key is None:
        refuse(node, lowering.unit, f"an element of {base.id!r}, which holds functions or objects, is assigned under an index that only "
               "the run knows", "Use a constant index or key.")
    lowering.statics[base.id] = _with(lowering, held, key, value, node)
    return True


def _check(lowering, identifier, held, node):
    """Refuse a change that others would see."""
    rebound.check(lowering, identifier, node)
    if lowering.depth:
        refuse(node, lowering.unit, f"{identifier!r}, which holds functions or objects, is changed in a branch or loop",
               "Build it before, or keep the functions out of it.")
    kwarg = getattr(lowering.tree.args, "kwarg", None)
    if lowering.statics[identifier] is lowering.given.get(identifier) and not (kwarg is not None and kwarg.id == identifier):
        refuse(node, lowering.unit, f"{identifier!r}, an argument that holds functions or objects, is changed in place",
               "Build a new container and return it.")
    for other, known in lowering.statics.items():
        if other != identifier and (known is held or isinstance(known, Display) and held in known.items):
            refuse(node, lowering.unit, f"{identifier!r} is changed in place and has another name, {other!r}", "Use one name.")


def _value(lowering, expression):
    known = lowering.known(expression)
    return known if known is not None and resolve.is_static(known) else lowering.atom(expression)


def _with(lowering, held, key, value, node):
    if held.keys is None:
        if not isinstance(key, int) or not -len(held.items) <= key < len(held.items) or held.kind is tuple:
            refuse(node, lowering.unit, f"{key!r} is no place in this {held.kind.__name__} of {len(held.items)} items")
        items = list(held.items)
        items[key] = value
        return Display(tuple(items), None, held.kind)
    entries = dict(zip(held.keys, held.items))
    entries[key] = value
    return Display(tuple(entries.values()), tuple(entries), held.kind)


def changed(lowering, held, method, args, keywords, node):
    """(the container after the call, the call's result); None for a call that is not understood."""
    from xform.desugar.sequences import constant
    nothing = Object(None)
    if held.keys is not None:
        entries = dict(zip(held.keys, held.items))
        key = constant(lowering, args[0]) if args else None
        if method in ("pop", "setdefault") and key is not None and len(args) <= 2:
            if key not in entries and method == "pop" and len(args) == 1:
                refuse(node, lowering.unit, f"{key!r} is not in this dict", f"Its keys are {', '.join(map(repr, entries))}.")
            result = entries.get(key)
            if key not in entries:
                result = _value(lowering, args[1]) if len(args) == 2 else nothing
            if method == "pop":
                entries.pop(key, None)
            else:
                entries[key] = result
            return Display(tuple(entries.values()), tuple(entries), held.kind), clone(result) if isinstance(result, gast.AST) else result
        if method == "update" and (not args or isinstance(args[0], gast.Dict) and None not in args[0].keys):
            for k, v in zip(args[0].keys if args else (), args[0].values if args else ()):
                if constant(lowering, k) is None:
                    return None
                entries[constant(lowering, k)] = _value(lowering, v)
            entries.update({k.arg: _value(lowering, k.value) for k in keywords})
            return Display(tuple(entries.values()), tuple(entries), held.kind), nothing
        return None
    items = list(held.items)
    if held.kind is not list or keywords:
        return None
    result = nothing
    if method == "append" and len(args) == 1:
        items.append(_value(lowering, args[0]))
    elif method == "insert" and len(args) == 2 and isinstance(constant(lowering, args[0]), int):
        items.insert(constant(lowering, args[0]), _value(lowering, args[1]))
    elif method == "extend" and len(args) == 1:
        known = lowering.known(args[0])
        found = None if known is None else resolve.items_of(known)
        if found is None or found[1] is not None:
            return None
        items.extend(found[0])
    elif method == "pop" and len(args) <= 1 and (not args or isinstance(constant(lowering, args[0]), int)):
        result = items.pop(*[constant(lowering, a) for a in args])
    elif method == "reverse" and not args:
        items.reverse()
    elif method == "clear" and not args:
        items.clear()
    else:
        return None
    return Display(tuple(items), None, list), result
