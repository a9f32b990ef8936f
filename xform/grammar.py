"""The core language as data, and a checker that runs after every pass.

    function   def NAME(NAME, ...): statement* return atom
    statement  NAME = value | NAME, ... = atom | atom.call | if atom | while True with its exit | for NAME in atom
               | assert | raise | pass
    value      atom | op applied to atoms | call of atoms | tuple, list, dict of atoms | atom[index] | atom.name
    atom       NAME | constant | dotted runtime reference (np.pi)
    exit       `if atom: break`, only in the head of a loop
"""
from __future__ import annotations

import builtins

import gast

from xform.library import ALIASES
from xform.syntax import assigned, dotted, head_length, is_exit, params_of, reads

ATOMS = (gast.Name, gast.Constant)
OPAQUE = (gast.JoinedStr, gast.FormattedValue, gast.Set)


class GrammarError(AssertionError):
    """A pass made a tree outside its language: a bug in xform, not in the user's program."""


def check(unit, after):
    """Check that a unit is in the core language; ``after`` names the pass."""
    def fail(node, why):
        raise GrammarError(f"after {after} of {unit.name}: {why}: {gast.dump(node)[:300]}")

    def atom(node):
        return isinstance(node, ATOMS) or (isinstance(node, gast.Attribute) and dotted(node))

    def index(node):
        parts = node.elts if isinstance(node, gast.Tuple) else [node]
        for part in parts:
            if isinstance(part, gast.Slice):
                if not all(p is None or atom(p) for p in (part.lower, part.upper, part.step)):
                    fail(node, "a slice of something that is no atom")
            elif not atom(part):
                fail(node, "an index that is no atom")

    def value(node):
        if atom(node) or isinstance(node, OPAQUE):
            return
        if isinstance(node, gast.Call):
            parts = list(node.args) + [k.value for k in node.keywords]
            parts = [p.value if isinstance(p, gast.Starred) else p for p in parts]
            if not dotted(node.func):
                fail(node, "a callee that is not a name")
        elif isinstance(node, gast.BinOp):
            parts = [node.left, node.right]
        elif isinstance(node, gast.UnaryOp):
            parts = [node.operand]
        elif isinstance(node, gast.Compare):
            if len(node.ops) != 1:
                fail(node, "a chained comparison")
            parts = [node.left, *node.comparators]
        elif isinstance(node, (gast.Tuple, gast.List)):
            parts = [e.value if isinstance(e, gast.Starred) else e for e in node.elts]
        elif isinstance(node, gast.Dict):
            parts = [k for k in node.keys if k is not None] + node.values
        elif isinstance(node, gast.Subscript):
            parts = [node.value]
            index(node.slice)
        elif isinstance(node, gast.Attribute):
            parts = [node.value]
        else:
            fail(node, "not a core value")
        for part in parts:
            if not atom(part):
                fail(part, "an operand that is no atom")

    def block(statements, loop_head):
        for position, statement in enumerate(statements):
            if isinstance(statement, gast.Assign):
                target = statement.targets[0]
                if isinstance(target, gast.Tuple):
                    if not all(isinstance(e, gast.Name) for e in target.elts) or not (
                            atom(statement.value) or isinstance(statement.value, gast.Call)):
                        fail(statement, "a nested unpacking")
                elif not isinstance(target, gast.Name):
                    fail(statement, "a target that is no name")
                value(statement.value)
            elif isinstance(statement, gast.Expr):
                value(statement.value)
            elif isinstance(statement, gast.If):
                if is_exit(statement):
                    if position >= loop_head:
                        fail(statement, "a break outside the head of a loop")
                    continue
                if not (atom(statement.test) or isinstance(statement.test, gast.UnaryOp)):
                    fail(statement.test, "a test that is no atom")
                block(statement.body, 0)
                block(statement.orelse, 0)
            elif isinstance(statement, gast.While):
                if not (isinstance(statement.test, gast.Constant) and head_length(statement)):
                    fail(statement, "a while without a head")
                block(statement.body, head_length(statement))
            elif isinstance(statement, gast.For):
                if not isinstance(statement.target, gast.Name) or not atom(statement.iter):
                    fail(statement, "a for over something that is no atom")
                block(statement.body, head_length(statement))
            elif not isinstance(statement, (gast.Pass, gast.Assert, gast.Raise)):
                fail(statement, "not a core statement")

    if not unit.tree.body or not isinstance(unit.tree.body[-1], gast.Return):
        fail(unit.tree, "no trailing return")
    if not atom(unit.tree.body[-1].value):
        fail(unit.tree.body[-1], "a return of something that is no atom")
    block(unit.tree.body[:-1], 0)
    bound = {*params_of(unit.tree), *assigned(unit.tree.body), *unit.env, *ALIASES, *dir(builtins)}
    for statement in unit.tree.body:
        for read in reads(statement):
            if read not in bound:
                fail(statement, f"the name {read!r} is bound nowhere")
    return unit
