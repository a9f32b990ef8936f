"""Fold single-use temporaries back into the line that uses them, and restore `and`, `or`, `x if c else y`, `while test`.

Before::

    dot = np.dot(inputs, W)
    outputs = dot + b

After::

    outputs = np.dot(inputs, W) + b
"""
from __future__ import annotations

import gast

from xform.simplify.algebra import simplified
from xform.syntax import at, blocks, is_exit, reads, target_names

WIDTH = 100


def fold(body, temps):
    """Return the statements with temporaries folded in."""
    counts, stores, captured = {}, {}, {}
    _count(body, counts, stores, captured)
    return _block(body, _Facts(temps, counts, stores, captured))


class _Facts:
    def __init__(self, temps, counts, stores, captured):
        self.temps, self.counts, self.stores = temps, counts, stores
        self.captured = captured        # what nested functions read of the function around them, by their names

    def read_by(self, node):
        """The names that an expression reads, and those that the nested functions read which it may call."""
        found, left = set(), reads(node)
        while left:
            identifier = left.pop()
            if identifier not in found:
                found.add(identifier)
                left += self.captured.get(identifier, ())
        return found

    def single(self, identifier):
        return identifier in self.temps and self.counts.get(identifier) == 1 and self.stores.get(identifier) == 1


def _count(statements, counts, stores, captured):
    for statement in statements:
        nested = blocks(statement)
        own = ([statement.test] if isinstance(statement, (gast.If, gast.While)) else
               [statement.iter] if isinstance(statement, gast.For) else [statement])
        if isinstance(statement, gast.FunctionDef):
            captured.setdefault(statement.name, []).extend(reads(statement))
        for part in own:
            for identifier in reads(part):
                counts[identifier] = counts.get(identifier, 0) + 1
        targets = statement.targets if isinstance(statement, gast.Assign) else (
            [statement.target] if isinstance(statement, gast.For) else [])
        for target in targets:
            for identifier in target_names(target):
                stores[identifier] = stores.get(identifier, 0) + 1
        for block in nested:
            _count(block, counts, stores, captured)


def _block(statements, facts):
    for statement in statements:
        if isinstance(statement, (gast.If, gast.For, gast.While)) and not is_exit(statement):
            statement.body = _block(statement.body, facts)
            statement.orelse = _block(statement.orelse, facts)
    statements = _restore_choices(statements, facts)
    made = []
    for statement in statements:
        _pull_in(statement, made, facts)
        if isinstance(statement, gast.While):
            _restore_test(statement)
        if isinstance(statement, gast.For):
            _restore_target(statement, facts)
        made.append(statement)
    return made


def _pull_in(statement, made, facts):
    """Substitute preceding temporaries into the statement, the nearest first."""
    index, wanted = len(made) - 1, _wanted(statement, facts)
    barrier_writes = set()
    while index >= 0 and wanted:
        before = made[index]
        if not isinstance(before, gast.Assign) or not isinstance(before.targets[0], gast.Name):
            if isinstance(before, gast.Assign):
                barrier_writes.update(n for t in before.targets for n in target_names(t))
                index -= 1
                continue
            break
        target = before.targets[0].id
        if target in wanted and barrier_writes.isdisjoint(facts.read_by(before.value)) and not _in_place(before) and _fits(statement, before):
            _substitute(statement, target, before.value)
            del made[index]
            index, wanted = len(made) - 1, _wanted(statement, facts)
            barrier_writes = set()
            continue
        wanted.discard(target)
        barrier_writes.add(target)
        index -= 1


def _wanted(statement, facts):
    """The temporaries that a statement alone reads."""
    return {n for n in _own_reads(statement) if facts.single(n)}


def _in_place(statement):
    value = statement.value
    return isinstance(value, gast.Call) and isinstance(value.func, gast.Attribute) and isinstance(
        value.func.value, gast.Name) and value.func.value.id == "rt" and value.func.attr in (
            "append", "extend", "insert", "update", "setitem")


def _own_parts(statement):
    if isinstance(statement, (gast.If, gast.While)):
        return ["test"] if isinstance(statement, gast.If) else []
    if isinstance(statement, gast.For):
        return ["iter"]
    if isinstance(statement, (gast.Assign, gast.Expr, gast.Return)):
        return ["value"]
    if isinstance(statement, gast.Assert):
        return ["test"]
    return []


def _own_reads(statement):
    return [n for part in _own_parts(statement) if getattr(statement, part) is not None
            for n in reads(getattr(statement, part))]


def _fits(statement, before):
    import ast
    text = 0
    for part in _own_parts(statement):
        text += len(ast.unparse(gast.gast_to_ast(_plain(getattr(statement, part)))))
    inner = len(ast.unparse(gast.gast_to_ast(_plain(before.value))))
    if isinstance(statement, gast.Return) and isinstance(statement.value, gast.Name):
        return True
    return text + inner <= WIDTH


def _plain(node):
    from xform.syntax import clone
    return gast.fix_missing_locations(clone(node))


def _substitute(statement, target, value):
    class Put(gast.NodeTransformer):
        def visit_Name(self, node):
            return value if node.id == target and isinstance(node.ctx, gast.Load) else node
    for part in _own_parts(statement):
        old = getattr(statement, part)
        if old is not None:
            setattr(statement, part, simplified(Put().visit(old)))


def _restore_test(loop):
    """``while True: if not test: break; ...`` is ``while test: ...``."""
    first = loop.body[0]
    if not (isinstance(loop.test, gast.Constant) and is_exit(first)):
        return
    test = first.test
    if isinstance(test, gast.UnaryOp) and isinstance(test.op, gast.Not):
        loop.test = test.operand
    elif isinstance(test, gast.Constant):
        if test.value:
            return
    else:
        loop.test = at(gast.UnaryOp(gast.Not(), test), test)
    loop.body = loop.body[1:] or [gast.Pass()]


def _restore_target(loop, facts):
    """``for item in xs: a, b = item`` is ``for a, b in xs``."""
    if not isinstance(loop.target, gast.Name):
        return
    first = loop.body[0]
    if isinstance(first, gast.Assign) and isinstance(first.targets[0], gast.Tuple) and isinstance(first.value, gast.Name) \
            and first.value.id == loop.target.id and facts.counts.get(loop.target.id) == 1 \
            and loop.target.id in facts.temps:
        loop.target = first.targets[0]
        loop.body = loop.body[1:] or [gast.Pass()]


def _restore_choices(statements, facts):
    """Short-circuit and conditional expressions, where each side is a single expression."""
    made = []
    for statement in statements:
        if isinstance(statement, gast.If) and not is_exit(statement):
            choice = _choice(statement, made, facts)
            if choice is not None:
                made.append(choice)
                continue
        made.append(statement)
    return made


def _choice(statement, made, facts):
    body, orelse, test = statement.body, statement.orelse, statement.test

    def only(block):
        return block[0] if len(block) == 1 and isinstance(block[0], gast.Assign) and isinstance(
            block[0].targets[0], gast.Name) and block[0].targets[0].id in facts.temps else None
    one = only(body)
    if one is None:
        return None
    target = one.targets[0].id
    negated = isinstance(test, gast.UnaryOp) and isinstance(test.op, gast.Not)
    subject = test.operand if negated else test
    if not orelse and made and isinstance(subject, gast.Name) and subject.id == target:
        before = made[-1]
        if isinstance(before, gast.Assign) and isinstance(before.targets[0], gast.Name) \
                and before.targets[0].id == target and facts.stores.get(target) == 2:
            op = gast.Or() if negated else gast.And()
            made.pop()
            facts.stores[target] = 1
            facts.counts[target] = facts.counts.get(target, 1) - 1
            values = [v for side in (before.value, one.value) for v in
                      (side.values if isinstance(side, gast.BoolOp) and isinstance(side.op, type(op)) else [side])]
            return gast.copy_location(gast.Assign(one.targets, at(gast.BoolOp(op, values), statement), None), before)
    two = only(orelse)
    if two is not None and two.targets[0].id == target and facts.stores.get(target) == 2:
        facts.stores[target] = 1
        value = at(gast.IfExp(test, one.value, two.value), statement)
        return gast.copy_location(gast.Assign(one.targets, value, None), statement)
    return None


__all__ = ["fold"]
