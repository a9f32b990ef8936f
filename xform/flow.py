"""Liveness over structured code: which names are read again after each statement.

Works on the core language and on the readable form that transforms produce (nested expressions are fine).
"""
from __future__ import annotations

from dataclasses import dataclass, field

import gast

from xform.syntax import is_exit, reads, target_names


@dataclass
class Liveness:
    """after: id(statement) -> names live after it; head: id(loop) -> names live at the loop's head."""
    after: dict = field(default_factory=dict)
    head: dict = field(default_factory=dict)


def liveness(body, live_out=frozenset()) -> Liveness:
    facts = Liveness()
    _block(body, frozenset(live_out), None, facts)
    return facts


def _block(statements, live, exit_live, facts):
    for statement in reversed(statements):
        facts.after[id(statement)] = live
        live = _before(statement, live, exit_live, facts)
    return live


def _before(statement, live, exit_live, facts):
    if isinstance(statement, gast.Assign):
        stored = [n for t in statement.targets for n in target_names(t)]
        return (live - frozenset(stored)) | frozenset(reads(statement.value))
    if isinstance(statement, gast.If):
        if is_exit(statement):
            return live | exit_live | frozenset(reads(statement.test))
        body = _block(statement.body, live, exit_live, facts)
        orelse = _block(statement.orelse, live, exit_live, facts)
        return body | orelse | frozenset(reads(statement.test))
    if isinstance(statement, (gast.For, gast.While)):
        after = live
        own = frozenset(reads(statement.iter if isinstance(statement, gast.For) else statement.test))
        targets = frozenset(target_names(statement.target)) if isinstance(statement, gast.For) else frozenset()
        # a while True leaves through its exit only; any other loop may end at its head
        endless = isinstance(statement, gast.While) and isinstance(statement.test, gast.Constant)
        head = frozenset() if endless else after
        if isinstance(statement, gast.While):
            head = head | own
        while True:
            inside = _block(statement.body, head, after, facts)
            bigger = head | (inside - targets)
            if bigger == head:
                break
            head = bigger
        facts.head[id(statement)] = head
        return head | (own if isinstance(statement, gast.For) else frozenset())
    if isinstance(statement, gast.FunctionDef):
        return (live - {statement.name}) | frozenset(reads(statement))
    return live | frozenset(reads(statement))


def live_in(body) -> frozenset:
    """Names that the statements read before they assign them."""
    return _block(body, frozenset(), frozenset(), Liveness())


def may_be_undefined(body, name):
    """Whether some path through the statements leaves ``name`` unassigned."""
    for statement in body:
        if isinstance(statement, gast.Assign) and name in [n for t in statement.targets for n in target_names(t)]:
            return False
        if isinstance(statement, gast.If) and statement.orelse and not is_exit(statement):
            if not may_be_undefined(statement.body, name) and not may_be_undefined(statement.orelse, name):
                return False
        if isinstance(statement, gast.While) and not may_be_undefined(_until_exit(statement.body), name):
            return False
    return True


def _until_exit(body):
    """The part of a core loop's body that runs even when the loop takes no turn."""
    for index, statement in enumerate(body):
        if is_exit(statement):
            return body[:index]
    return []
