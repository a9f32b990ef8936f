"""Remove assignments that nothing reads, branches that do nothing, and loops that only count.

Before: ``t = np.cos(x)`` with t unread.   After: nothing. Statements with effects (print, asserts, calls of functions
that the compiler does not know) stay, and so do those that raise (``t = x.nothing``).
"""
from __future__ import annotations

import gast

from xform.analyze.effects import pure_in
from xform.flow import liveness
from xform.simplify.raises import may_raise, written_containers
from xform.syntax import assigned, dotted, is_exit, nodes_of, target_names


def remove_dead(body, live_out=frozenset(), pure=None):
    """Return the statements without dead code; ``pure(path)`` says whether a callee may be dropped (default: all but those that
    are called for their effects)."""
    while True:
        facts = liveness(body, live_out)
        changed = [False]
        body = _block(body, facts, pure or pure_in({}), changed, written_containers(body))
        if not changed[0]:
            return body


def _block(statements, facts, pure, changed, containers):
    made = []
    for statement in statements:
        if isinstance(statement, gast.Pass):
            continue
        if isinstance(statement, gast.Assign):
            stored = [n for t in statement.targets for n in target_names(t)]
            live = facts.after[id(statement)]
            copies_itself = isinstance(statement.value, gast.Name) and isinstance(statement.targets[0], gast.Name) and stored == [
                statement.value.id]     # not so ``t, = t``
            if copies_itself or not (live & set(stored)):
                if copies_itself or _goes(statement.value, pure, containers):
                    changed[0] = True
                    continue
        elif isinstance(statement, gast.FunctionDef):
            if statement.name not in facts.after[id(statement)]:
                changed[0] = True
                continue
        elif isinstance(statement, gast.If) and not is_exit(statement):
            statement.body = _block(statement.body, facts, pure, changed, containers)
            statement.orelse = _block(statement.orelse, facts, pure, changed, containers)
            if not statement.body and not statement.orelse and droppable(statement.test, pure):
                changed[0] = True
                continue
            if not statement.body:
                statement.body, statement.orelse = statement.orelse, []
                negated = isinstance(statement.test, gast.UnaryOp) and isinstance(statement.test.op, gast.Not)
                statement.test = statement.test.operand if negated else gast.copy_location(
                    gast.UnaryOp(gast.Not(), statement.test), statement.test)
                if not statement.body:
                    statement.body = [gast.Pass()]
        elif isinstance(statement, (gast.For, gast.While)):
            statement.body = _block(statement.body, facts, pure, changed, containers)
            if isinstance(statement, gast.For) and _does_nothing(statement.body, pure, containers) and not (
                    {*target_names(statement.target), *assigned(statement.body)} & facts.after[id(statement)]):
                changed[0] = True
                continue
            statement.body = statement.body or [gast.Pass()]
        made.append(statement)
    return made


def _does_nothing(body, pure, containers):
    """Whether statements only compute values: assignments, branches, exits and loops over sequences of such."""
    for statement in body:
        if isinstance(statement, gast.Assign):
            if not _goes(statement.value, pure, containers):
                return False
        elif isinstance(statement, gast.If):
            if not is_exit(statement) and not _does_nothing(statement.body + statement.orelse, pure, containers) \
                    or not droppable(statement.test, pure):
                return False
        elif isinstance(statement, gast.For):
            if not _does_nothing(statement.body, pure, containers):
                return False
        elif not isinstance(statement, gast.Pass):
            return False
    return True


def _goes(value, pure, containers):
    """Whether a statement that assigns an expression can go when its value is not read."""
    return droppable(value, pure) and not may_raise(value, containers)


def droppable(value, pure):
    """Whether to compute an expression has no effects."""
    for node in nodes_of(value):
        if isinstance(node, gast.Call):
            path = dotted(node.func.func if isinstance(node.func, gast.Call) else node.func)
            if path is None or not pure(path):
                return False
    return True
