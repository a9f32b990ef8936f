"""Outer variables: what a nested function assigns in the function around it is passed in, returned and bound there.

Before::

    count = 0.0
    def add(v):
        nonlocal count
        count += v * x
    add(2.0)

After::

    def add(count, x, v):
        count = count + v * x
        return None, count

    count = 0.0
    add_out, count = add(count, x, 2.0)
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.errors import refuse
from xform.resolve import Closure
from xform.syntax import assign, at, name

CHANGES = frozenset({"append", "extend", "insert", "update", "remove", "clear", "reverse", "sort", "pop", "setdefault"})
FUNCTIONS = (gast.FunctionDef, gast.Lambda, gast.AsyncFunctionDef)


def declared(tree):
    """The names that a function declares nonlocal."""
    return [n for node in _own(tree) if isinstance(node, gast.Nonlocal) for n in node.names]


def outer_writes(tree):
    """The names that a function, or one inside it, binds or changes in place though they are not its own, in order of appearance."""
    from xform.desugar.functions import binding_counts
    own = binding_counts(tree)
    found = {}
    for node in _own(tree):
        names = []
        if isinstance(node, gast.Nonlocal):
            names = node.names
        elif isinstance(node, gast.Subscript) and isinstance(node.ctx, gast.Store):
            names = [_base(node)]
        elif isinstance(node, gast.Call) and isinstance(node.func, gast.Attribute) and node.func.attr in CHANGES:
            names = [_base(node.func.value)]
        elif isinstance(node, FUNCTIONS):
            names = outer_writes(node)
        found.update(dict.fromkeys(n for n in names if n is not None and n not in own))
    return list(found)


def _base(node):
    while isinstance(node, gast.Subscript):
        node = node.value
    return node.id if isinstance(node, gast.Name) else None


def _own(tree):
    """The nodes of a function's body; of functions inside it, the definition alone."""
    stack = [tree.body] if isinstance(tree, gast.Lambda) else list(reversed(tree.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            stack.extend(reversed(list(gast.iter_child_nodes(node))))


def written(nested):
    """The locals of the enclosing function that a nested function writes; refused where they are no data."""
    found = []
    for identifier in outer_writes(nested.tree):
        parent = nested.parent
        known = parent.statics.get(identifier)
        if isinstance(known, (resolve.Instance, resolve.Closure, resolve.Partial, resolve.Derived)) and not stored_to(nested.tree, identifier):
            continue        # a method of an object, which is called as those of lists and dicts are
        if known is not None and identifier in parent.counts:
            if identifier in declared(nested.tree) or not isinstance(known, resolve.Object):
                refuse(nested.tree, parent.unit, f"{identifier!r}, which holds a function or an object, is changed by a nested function",
                       "Change it in the function that it belongs to, or return the new value.")
        elif identifier in parent.counts or isinstance(parent.scope.find(identifier, nested.tree), str):
            found.append(identifier)
    return tuple(found)


def stored_to(tree, identifier):
    """Whether a function, or one inside it, assigns a variable or an element of it."""
    return any(isinstance(n, gast.Nonlocal) and identifier in n.names or isinstance(n, gast.Subscript) and isinstance(
        n.ctx, gast.Store) and _base(n) == identifier for n in gast.walk(tree))


def bound(lowering, callee, value, node, given=()):
    """The result of a call of a nested function, after the outer variables that it wrote, and the arguments, are bound."""
    names = callee.nested.outer()
    if not names and not given:
        return value
    if names and lowering is not callee.nested.parent:
        refuse(node, lowering.unit, f"a function that assigns {names[0]!r} of the function around it is called elsewhere than there",
               "Return the value and assign it where the function is called.")
    pair = lowering.store_temp(value, "results", node)
    out = lowering.temp("result")
    mapped = [*[lowering.scope_name(n) for n in names], *given]
    lowering.out.append(assign([out, *mapped], pair, node))
    return name(out, node)


def refuse_as_value(lowering, callee, node):
    """Refuse a function with outer variables where it is no plain call: transformed, stored, passed on."""
    if isinstance(callee, Closure) and callee.nested.outer():
        refuse(node, lowering.unit, f"a function that assigns {callee.nested.outer()[0]!r} of the function around it is transformed, "
               "stored or passed on", "Return the value and assign it where the function is called.")


def give_back(lowering, names, result, node):
    """The result of a nested function and its outer variables, as one value."""
    items = at(gast.Tuple([result, *[name(n, node) for n in names]], gast.Load()), node)
    return lowering.store_temp(items, "results", node)
