"""Aliases: refuse a program that writes into an object under one name and then reads it under another.

Arrays and containers are values in transformed code (``x[i] = v`` rebinds ``x``), so such a read would give the old contents.

Before::

    b = a
    b[0] = v        # a changes too, in Python
    y = a.sum()     # refused here
"""
from __future__ import annotations

import types

import gast

from xform import parse
from xform.errors import refuse
from xform.syntax import dotted, reads, target_names

WRITES = frozenset({"rt.setitem", "rt.append", "rt.extend", "rt.insert", "rt.update"})


def check(unit):
    """Raise TransformError where a unit reads what was changed under another name."""
    _Walk(unit).block(unit.tree.body, _State())
    return unit


class _State:
    """Which names hold the same object, and which hold one that was changed under another name."""

    def __init__(self, classes=None, stale=None):
        self.classes = {} if classes is None else classes       # name -> frozenset of names
        self.stale = {} if stale is None else stale             # name -> (the name it was changed under, line)

    def copy(self):
        return _State(dict(self.classes), dict(self.stale))

    def rebind(self, identifier):
        for other in self.classes.pop(identifier, ()):
            if other in self.classes:
                self.classes[other] = self.classes[other] - {identifier}
        self.stale.pop(identifier, None)

    def alias(self, identifier, of):
        self.rebind(identifier)
        together = self.classes.get(of, frozenset({of})) | {identifier}
        for other in together:
            self.classes[other] = together
        if of in self.stale:
            self.stale[identifier] = self.stale[of]

    def write(self, identifier, node, itself=False):
        for other in self.classes.get(identifier, frozenset({identifier})):
            if itself or other != identifier:
                self.stale[other] = identifier, getattr(node, "lineno", None)

    def join(self, other):
        for identifier in set(self.classes) | set(other.classes):
            one = self.classes.get(identifier, frozenset({identifier}))
            self.classes[identifier] = one | other.classes.get(identifier, frozenset())
        self.stale.update(other.stale)

    def key(self):
        return dict(self.classes), dict(self.stale)


class _Walk:
    def __init__(self, unit):
        self.unit = unit

    def read(self, node, state, at=None):
        for identifier in reads(node):
            if identifier in state.stale:
                other, line = state.stale[identifier]
                how = "changed in place by a call" if other == identifier else f"changed in place as {other!r}"
                refuse(node if hasattr(node, "lineno") else at, self.unit,
                       f"{identifier!r} is read here after it was {how}" + (f" in line {line}" if line else "") +
                       ": arrays and containers are values in transformed code, so it would still have its old contents",
                       f"Read {other!r} instead, or copy before changing it." if other != identifier else
                       "Return the changed object from the function and bind it.")

    def block(self, statements, state):
        for statement in statements:
            self.statement(statement, state)

    def statement(self, node, state):
        if isinstance(node, gast.Assign):
            self.assignment(node, state)
        elif isinstance(node, gast.If):
            self.read(node.test, state, node)
            other = state.copy()
            self.block(node.body, state)
            self.block(node.orelse, other)
            state.join(other)
        elif isinstance(node, (gast.For, gast.While)):
            if isinstance(node, gast.For):
                self.read(node.iter, state, node)
            while True:
                before = state.key()
                turn = state.copy()
                if isinstance(node, gast.For):
                    turn.rebind(node.target.id)
                self.block(node.body, turn)
                state.join(turn)
                if state.key() == before:
                    break
        else:
            self.read(node, state, node)
            for inner in gast.walk(node):
                if isinstance(inner, gast.Call):
                    self.call(inner, state)

    def assignment(self, node, state):
        self.read(node.value, state, node)
        value, targets = node.value, target_names(node.targets[0])
        if id(node) in self.unit.in_place:
            return state.write(targets[0], node)
        if isinstance(value, gast.Name) and isinstance(node.targets[0], gast.Name):
            if value.id != targets[0]:
                state.alias(targets[0], value.id)
            return
        if isinstance(value, gast.Call):
            if dotted(value.func) in WRITES and isinstance(value.args[0], gast.Name) and value.args[0].id == targets[0]:
                state.write(targets[0], node)
                return      # the same object still
            self.call(value, state)
        for identifier in targets:
            state.rebind(identifier)
        for identifier, argument in self.unit.same.get(id(node), {}).items():
            state.alias(identifier, argument)

    def call(self, node, state):
        """A call of a function that writes into its arguments."""
        callee = self.unit.env.get(node.func.id) if isinstance(node.func, gast.Name) else None
        for place in written_params(callee):
            if place < len(node.args) and isinstance(node.args[place], gast.Name):
                state.write(node.args[place].id, node, itself=True)


def written_params(callee):
    """The positions of the parameters that a callee changes in place."""
    from xform.desugar.written import written_by
    special = getattr(callee, "special", None)
    function = callee if isinstance(callee, types.FunctionType) else special or getattr(callee, "function", None)
    found = written_by(function) if function is not None else {}
    if not found:
        return ()
    names = list(parse.signature(function).parameters)
    kept = names if special is None else callee.params      # some of the function's parameters are known: the others are found by name
    return tuple(i for i, param in enumerate(kept) if param in found)
