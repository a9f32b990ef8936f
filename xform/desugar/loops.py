"""Loops: their heads test and leave, their bodies are lowered behind.

Before::

    while f(x) > 0:
        x = g(x)

After::

    while True:
        f_out = f(x)
        above = f_out > 0
        if not above:
            break
        x = g(x)
"""
from __future__ import annotations

import gast

from xform.desugar import anew, joins, order, questions, rebound, sequences, targets
from xform.syntax import assign, assigned, at, branch, const, exit_if, is_exit, name, negate


def lower_while(lowering, node):
    """Lower a ``while``."""
    _turning(lowering, _while, node)


def lower_for(lowering, node):
    """Lower a ``for``: turn by turn where it runs over functions or objects."""
    if not sequences.unroll(lowering, node):
        _turning(lowering, _for, node)


def _turning(lowering, lower, node):
    anew.before_block(lowering, node)
    lowering.depth, lowering.turning = lowering.depth + 1, lowering.turning + 1
    lower(lowering, node)
    lowering.depth, lowering.turning = lowering.depth - 1, lowering.turning - 1


def _while(lowering, node):
    head = []
    outer, lowering.out = lowering.out, head
    exits = [i for i, s in enumerate(node.body) if is_exit(s)]
    if exits:       # generated code: the exit stands in the body already
        lowering.block(node.body[:exits[0]])
        leave = node.body[exits[0]]
        test = lowering.value(leave.test)
        if not isinstance(test, (gast.Name, gast.Constant, gast.UnaryOp)):
            test = lowering.store_temp(test, lowering.title(test, leave), leave)
        lowering.out.append(exit_if(test, leave))
        lowering.block(node.body[exits[0] + 1:])
        lowering.out = outer
        lowering.out.append(at(gast.While(const(True, node), head, []), node))
        return
    test = lowering.atom(order.in_order(lowering, questions.of_objects(lowering, node.test)))
    if not set(assigned(head)) <= lowering.temps:
        lowering.out = outer        # the test assigns a variable (a walrus): it runs as part of the turn
        return _by_flag(lowering, node, head, test)
    lowering.out.append(exit_if(negate(test, node.test) if not isinstance(test, gast.Constant)
                                else const(not test.value, node.test), node.test))
    lowering.block(node.body)
    lowering.out = outer
    lowering.out.append(at(gast.While(const(True, node), head, []), node))


def _by_flag(lowering, node, head, test):
    """``while (y := f(y)) > 0: body`` with a flag, so that the head of the loop only tests."""
    going = lowering.temp("going")
    lowering.emit(going, const(True, node), node)
    body = [*head, branch(test, lowering.nested(node.body) or [gast.Pass()], [assign(going, const(False, node), node)], node)]
    leave = exit_if(negate(name(going, node), node), node)
    lowering.out.append(at(gast.While(const(True, node), [leave, *body], []), node))


def _for(lowering, node):
    iterable = lowering.atom(node.iter)
    body = node.body
    outer, lowering.out = lowering.out, []
    if body and isinstance(body[0], gast.If) and isinstance(body[0].body[0], gast.Break):
        lowering.out.append(exit_if(lowering.atom(body[0].test), body[0]))
        body = body[1:]
    if isinstance(node.target, gast.Name):
        target = node.target.id
        rebound.check(lowering, target, node)
        joins.forget(lowering, [target])
    else:
        target = lowering.temp("item")
        targets.store_to(lowering, node.target, name(target, node), node)
    lowering.block(body)
    body, lowering.out = lowering.out, outer
    made = gast.For(at(gast.Name(target, gast.Store(), None, None), node.target), iterable, body or [gast.Pass()], [],
                    None)
    lowering.out.append(at(made, node))
