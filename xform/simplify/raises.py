"""Say which expressions may raise as one sees from their text: such a statement stays, though nothing reads what it assigns.

Before: ``z = x.nothing``, ``z = 1 / 0``, ``z = int("a")``, ``z = {"a": x}["b"]`` with ``z`` unread.   After: the same.

Only what needs no value is looked at: attributes that no array has, operations on constants, places that a written container
lacks. What shapes and dtypes decide goes with what nothing reads.
"""
from __future__ import annotations

import ast

import gast

from runtime.array import Array
from xform.library import ALIASES, lookup
from xform.syntax import dotted, nodes_of, target_names

_ARRAY_HAS = frozenset(dir(Array))
_RAISED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_TRIED = (gast.Add, gast.Sub, gast.Div, gast.FloorDiv, gast.Mod)     # what constants of any size take no time for
_CALLED = ("int", "float", "complex", "len", "abs", "round", "ord", "chr")      # a builtin of constants is tried


def written_containers(body):
    """The tuples, lists and dicts of a function's text that its names stand for throughout: name -> display."""
    found, stores = {}, {}
    for node in nodes_of(gast.Module(body, [])):
        if isinstance(node, (gast.Assign, gast.For)):
            for target in node.targets if isinstance(node, gast.Assign) else [node.target]:
                for identifier in target_names(target):
                    stores[identifier] = stores.get(identifier, 0) + 1
                if isinstance(node, gast.Assign) and isinstance(target, gast.Name):
                    value = _spread(node.value)
                    if isinstance(value, (gast.Tuple, gast.List, gast.Dict)):
                        found[target.id] = value
                    elif isinstance(value, gast.Name) and value.id in found:
                        found[target.id] = found[value.id]
    return {identifier: display for identifier, display in found.items() if stores[identifier] == 1}


def may_raise(value, containers):
    """Whether an expression in A-normal form may raise, as its text shows; ``containers`` are those that names stand for."""
    if isinstance(value, gast.Attribute):
        path = dotted(value.value)
        if path is not None and path.split(".")[0] in ALIASES:
            return not hasattr(lookup(path), value.attr)
        return value.attr not in _ARRAY_HAS
    taken = _taken(value)
    if taken is not None:
        held, place = _spread(taken[0]), taken[1]
        return isinstance(place, gast.Constant) and isinstance(held, gast.Name) and _lacks(containers.get(held.id), place.value)
    if isinstance(value, gast.UnaryOp) or isinstance(value, gast.BinOp) and isinstance(value.op, _TRIED):
        return _fails(value)
    if isinstance(value, gast.Call):
        path = (dotted(value.func) or "").removeprefix("rt.builtins.")
        if path in _CALLED and value.args:
            return _fails(gast.Call(gast.Name(path, gast.Load(), None, None), value.args, value.keywords))
        return isinstance(value.func, gast.Attribute) and isinstance(value.func.value, gast.Name) and may_raise(value.func, containers)
    return False


def _spread(value):
    """What a container holds that all examples of a batch are given."""
    return value.args[0] if isinstance(value, gast.Call) and dotted(value.func) == "rt.spread" else value


def _taken(value):
    """(container, place) of an item, batched or not; None for any other expression."""
    if isinstance(value, gast.Subscript):
        return value.value, value.slice
    if isinstance(value, gast.Call) and isinstance(value.func, gast.Call) and [dotted(arg) for arg in value.func.args] == ["rt.getitem"]:
        return value.args[0], value.args[1]
    return None


def _lacks(display, place):
    """Whether a written container has no item at a place."""
    if isinstance(display, gast.Dict):
        return all(isinstance(key, gast.Constant) for key in display.keys) and place not in [key.value for key in display.keys]
    if not isinstance(display, (gast.Tuple, gast.List)) or any(isinstance(item, gast.Starred) for item in display.elts):
        return False
    return not isinstance(place, int) or not -len(display.elts) <= place < len(display.elts)


def _fails(value):
    """Whether an operation on constants raises."""
    operands = [node for node in nodes_of(value) if isinstance(node, (gast.Name, gast.Attribute))]
    if [node.id for node in operands if isinstance(node, gast.Name)] != [value.func.id] if isinstance(value, gast.Call) else operands:
        return False
    text = ast.unparse(gast.gast_to_ast(gast.fix_missing_locations(gast.Expression(value))))
    try:
        eval(compile(text, "<constants>", "eval"), {})
    except _RAISED:
        return True
    return False
