"""Flags: a call that gives a constant for a parameter that its function tests gets code without the branches not taken.

Before::

    def layer(w, x, training=False):
        if training:
            x = dropout(x)
        return w * x
    y = layer(w, x)

After, where ``y = layer(w, x)``::

    def layer(w, x):
        return w * x
"""
from __future__ import annotations

import types

import gast

from xform import parse
from xform.errors import SourceError
from xform.resolve import Object

_tested: dict = {}


def constants(function, names, atoms):
    """{parameter: value} of the arguments that are True, False, None or a string and that the function tests."""
    if not any(_is_flag(a) for a in atoms):
        return {}
    found = tested(function)
    return {p: a.value for p, a in zip(names, atoms) if p in found and _is_flag(a)}


def _is_flag(atom):
    return isinstance(atom, gast.Constant) and is_flag(atom.value)


def is_flag(value):
    """Whether code may be made anew for a value of a parameter: None, True, False and strings, which are few."""
    return value is None or type(value) in (bool, str)


def tested(function: types.FunctionType) -> frozenset:
    """The names of a function that tests of its branches ask about."""
    if function.__code__ not in _tested:
        try:
            _tested[function.__code__] = tested_in(parse.parse(function).tree)
        except SourceError:
            return frozenset()
    return _tested[function.__code__]


def tested_in(tree) -> frozenset:
    """The same of a function that is read."""
    from xform.desugar.functions import FUNCTIONS, binding_counts
    counts, found = binding_counts(tree), set()
    stack = [tree.body] if isinstance(tree, gast.Lambda) else list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (gast.If, gast.IfExp)):
            found |= _asks(node.test)
        elif isinstance(node, gast.BoolOp):
            found |= set().union(*map(_asks, node.values[:-1]))
        if not isinstance(node, FUNCTIONS):
            stack.extend(gast.iter_child_nodes(node))
    return frozenset(p for p in found if p in counts)


def of_nested(nested, given):
    """{parameter: compile-time value} of the flags that a call of a nested function gives, or leaves to the defaults."""
    atoms = {**{p: d for p, d in nested.defaults.items() if isinstance(d, gast.AST)}, **given}
    found = tested_in(nested.tree) if any(map(_is_flag, atoms.values())) else ()
    return {p: Object(a.value) for p, a in atoms.items() if p in found and _is_flag(a)}


def _asks(test):
    if isinstance(test, gast.Name):
        return {test.id}
    if isinstance(test, gast.UnaryOp):
        return _asks(test.operand)
    if isinstance(test, gast.BoolOp):
        return set().union(*map(_asks, test.values))
    if isinstance(test, gast.Compare) and len(test.ops) == 1 and isinstance(test.comparators[0], gast.Constant):
        return _asks(test.left)
    return set()
