"""Lists that begin empty and only grow: the records of loops, and what users collect with append.

In single-assignment form such a list is ``xs = []``, copies, and ``rt.append`` of one of its versions. Its tangent is a list of as
many tangents, and each turn of a loop that appends to it once takes one item of its cotangent.
"""
from __future__ import annotations

from dataclasses import dataclass

import gast

from xform.operations import RuleCall, classify
from xform.syntax import blocks, head_length, nodes_of


@dataclass(frozen=True)
class Lists:
    """empty: names that hold ``[]`` and nothing else; grown: names of such lists' versions, the empty ones not among them."""
    empty: frozenset
    grown: frozenset


def lists(unit) -> Lists:
    """Find the lists of a versioned unit that begin empty and only grow."""
    values = {}
    _definitions(unit.tree.body, values)
    empty = {n for n, found in values.items() if all(isinstance(v, gast.List) and not v.elts for v in found)}
    grown = {n for n in values if n not in empty}
    while True:
        kept = {n for n in grown if all(_grows(v, unit, empty, grown) for v in values[n])}
        if kept == grown:
            return Lists(frozenset(empty), frozenset(grown))
        grown = kept


def _definitions(statements, values):
    """Every value that is assigned to each name; None for an item of what is unpacked or iterated over."""
    for statement in statements:
        if isinstance(statement, gast.Assign):
            target = statement.targets[0]
            if isinstance(target, gast.Name):
                values.setdefault(target.id, []).append(statement.value)
            else:
                for node in nodes_of(target):
                    if isinstance(node, gast.Name):
                        values.setdefault(node.id, []).append(None)
        elif isinstance(statement, gast.For):
            values.setdefault(statement.target.id, []).append(None)
        for block in blocks(statement):
            _definitions(block, values)


def _grows(value, unit, empty, grown):
    if isinstance(value, gast.Name):
        return value.id in grown or value.id in empty
    items = appended(value, unit)
    return items is not None and (items.id in grown or items.id in empty)


def appended(value, unit):
    """The name of the list that a value is one more item of; None for any other value."""
    if not isinstance(value, gast.Call):
        return None
    operation = classify(value, unit)
    if isinstance(operation, RuleCall) and operation.path == "rt.append" and isinstance(operation.args["items"], gast.Name):
        return operation.args["items"]
    return None


def grown_by(loop, before, unit, found):
    """The lists that a loop begins with empty and appends to once in every whole turn: {head: (append statement, tail copy)}.

    before: the value that each name has at the loop's entry, where that is known.
    """
    made = {}
    body = loop.body[head_length(loop):]
    for statement in body:
        items = appended(statement.value, unit) if isinstance(statement, gast.Assign) else None
        if items is None or items.id not in found.grown:
            continue
        head, grown = items.id, statement.targets[0].id
        tails = [s for s in body if isinstance(s, gast.Assign) and isinstance(s.value, gast.Name) and s.value.id == grown
                 and isinstance(s.targets[0], gast.Name) and s.targets[0].id == head]
        start = before.get(head)
        if len(tails) == 1 and isinstance(start, gast.Name) and start.id in found.empty and _count(loop.body, head) == 2 \
                and _count(loop.body, grown) == 2:
            made[head] = statement, tails[0]
    return made


def _count(statements, identifier):
    """How often a name is read or written."""
    return sum(isinstance(n, gast.Name) and n.id == identifier for s in statements for n in gast.walk(s))
