"""Batching of an expensive branch: the lanes that take it are gathered and run by themselves, some at a time.

Before (x carries the batch, w does not)::

    if x > 0.9:
        y = x
        for i in range(1000):
            y = np.sin(y * w)
    else:
        y = 2.0 * x

After::

    y = 2.0 * x
    rows, count = rt.lanes_of(x > 0.9)
    for k in range(count):
        lanes = rows[k]
        y = rt.put_lanes(y, lanes, f_then_vmap(rt.take_lanes(x, lanes), w), batch)

A side is expensive if it contains a loop, or calls a function that does. It stays with the choice between two computed values if
it cannot be run alone (it grows a list, checks or prints something, or there are collectives over the batch), and in code that
is differentiated or batched again (unit.py).
"""
from __future__ import annotations

import gast

from xform.analyze.batched import LIST, expression_of, is_batched, literal
from xform.analyze.effects import pure_in
from xform.flow import live_in
from xform.operations import CustomCall, RuleCall, UnitCall, classify
from xform.syntax import (assign, assigned, at, blocks, call, clone, const, dotted, function, name, negate, nodes_of, pack, reference,
                          returns)
from xform.unit import Unit

SHORT = 8       # turns of a loop over a written range that do not make a branch expensive


def by_lanes(run, statement, joined, made):
    """Batch a conditional by its lanes, if one side is worth it and both can be; tell whether that was done."""
    sides = [statement.body, statement.orelse]
    costly = [expensive(side, run.unit) for side in sides]
    if not joined or not any(costly) or run.axis_name is not None or any(_lacks_values(run, side) for side in sides):
        return False
    if all(costly) and run.mask is not None:
        return False            # where no lane is left, neither side would give the result its shape
    parts = [_side(run, statement, side, joined, label) if high else None
             for side, high, label in zip(sides, costly, ("then", "else"))]
    if any(part is None for part, high in zip(parts, costly) if high):
        return False
    run.differs = True
    _common(run, sides, costly, joined, statement, made)
    for part, flip in zip(parts, (False, True)):
        if part is not None:
            _turns(run, statement, part, flip, joined, made)
    for n in joined:
        run.flags.add(n, True)
        run.ranks.add(n, None)
    return True


def _lacks_values(run, side):
    """Whether something has no value on a side, or none yet: where no lane takes the other, there would be no array for it."""
    return any(isinstance(n, gast.Attribute) and n.attr in ("UNDEFINED", "ZERO") for s in side for n in nodes_of(s)) or any(
        isinstance(s, gast.Assign) and run.is_undefined(s.value) for s in side)


def expensive(body, unit, seen=()):
    """Whether statements contain a loop worth gathering lanes for, or a recursion that only some lanes go on with, by themselves or in
    what they call."""
    for statement in body:
        if isinstance(statement, gast.While):
            return True
        if isinstance(statement, gast.For) and not _short(statement.iter, body):
            return True
        if any(expensive(block, unit, seen) for block in blocks(statement)):
            return True
        if isinstance(statement, gast.Assign):
            operation = classify(statement.value, unit)
            if isinstance(operation, UnitCall) and operation.unit.boundary is None:
                from xform.pipeline import core
                if operation.unit in seen or expensive(core(operation.unit).tree.body, operation.unit, (*seen, operation.unit)):
                    return True
    return False


def _short(iterable, body):
    """Whether a loop runs over a range of few turns, or over items that were written down."""
    for statement in body:
        if isinstance(statement, gast.Assign) and isinstance(iterable, gast.Name) and iterable.id in assigned([statement]):
            value = statement.value
            if isinstance(value, (gast.Tuple, gast.List)):
                return True
            if isinstance(value, gast.Call) and (dotted(value.func) or "").rpartition(".")[2] == "range":
                return all(isinstance(a, gast.Constant) and isinstance(a.value, int) and abs(a.value) <= SHORT for a in value.args)
    return False


def _separable(body, unit):
    """Whether statements do nothing but compute the values that they assign."""
    for statement in body:
        if isinstance(statement, (gast.Assert, gast.Raise, gast.Expr)) or not all(_separable(b, unit) for b in blocks(statement)):
            return False
        if isinstance(statement, gast.Assign) and isinstance(statement.value, gast.Call):
            operation = classify(statement.value, unit)
            if getattr(operation, "path", None) == "rt.append" or not isinstance(operation, (RuleCall, UnitCall, CustomCall)) or (
                    not pure_in(unit.env)(dotted(statement.value.func) or "")):
                return False
    return True


def _side(run, statement, side, joined, label):
    """(batched unit, its parameters, their flags) of one side as a function of what it reads; None if it cannot be one."""
    from xform.transform.vmap import vmap
    if not _separable(side, run.unit):
        return None
    outer = _read(side, joined, run)
    flags = tuple(run.flags.of(name(n)) for n in outer)
    if not any(is_batched(f) for f in flags) or any(isinstance(f, tuple) and f[:1] in ((LIST,), ("ragged",)) for f in flags) or (
            set(outer) & set(run.lane_ranges)):
        return None
    own = f"{run.unit.name}_{label}"
    result = name(joined[0]) if len(joined) == 1 else pack(joined)
    body = [*[clone(s) for s in side], assign("results", result, statement), returns(name("results"), statement)]
    unit = Unit(own, function(own, outer, body), dict(run.unit.env), {*run.unit.temps, "results"}, run.unit.file, run.unit.origin,
                reads=dict(run.unit.reads), core=True)
    ranks = tuple(run.ranks.of(name(n)) for n in outer)
    if not _plain(vmap(unit, flags, None, ranks)[1]):
        return None
    return vmap(unit, flags, None, ranks, final=True)[0], outer, flags


def _plain(flag):
    """Whether a value is made of arrays and tuples."""
    return isinstance(flag, bool) or isinstance(flag, tuple) and flag[:1] not in ((LIST,), ("ragged",)) and all(map(_plain, flag))


def _read(side, joined, run):
    """The variables that a side reads, in the order in which it does."""
    whole = [*[clone(s) for s in side], returns(pack(joined))]
    free = live_in(whole)
    found = dict.fromkeys(n.id for s in whole for n in nodes_of(s) if isinstance(n, gast.Name))
    return [n for n in found if n in free and n in run.flags.names]


def _common(run, sides, costly, joined, statement, made):
    """What the lanes start from: the side that is cheap, for all of them."""
    if all(costly):
        made.extend(assign(n, reference("rt.UNDEFINED"), statement) for n in joined)
        return
    made.extend(run.block([clone(s) for s in sides[costly.index(False)]]))
    for n in joined:
        if run.flags.of(name(n)) is not True:
            made.append(assign(n, run.coerced(name(n), True, statement), statement))


def _turns(run, statement, part, flip, joined, made):
    """The loop over the lanes that take one side."""
    batched, outer, flags = part
    taken = clone(statement.test)
    if flip:
        taken = negate(taken)
    if isinstance(taken, gast.UnaryOp):
        taken = call("np.logical_not", [taken.operand], node=statement)
    if run.mask:
        taken = call("np.logical_and", [name(run.mask), taken], node=statement)
    rows, count, k, lanes, turns = [run.temp(n) for n in ("rows", "count", "k", "lanes", "turns")]
    made.append(assign([rows, count], call("rt.lanes_of", [taken], node=statement), statement))
    made.append(assign(turns, call("rt.builtins.range", [name(count)], node=statement), statement))
    body = [assign(lanes, at(gast.Subscript(name(rows), name(k), gast.Load()), statement), statement)]
    args = []
    for n, flag in zip(outer, flags):
        args.append(name(n))
        if is_batched(flag):
            args[-1] = name(run.temp(n))
            known = [] if flag is True else [expression_of(literal(flag))]
            body.append(assign(args[-1].id, call("rt.take_lanes", [name(n), name(lanes), *known], node=statement), statement))
    result = run.temp("part")
    body.append(assign(result, call(name(run.refer(batched, batched.name), statement), args, node=statement), statement))
    for i, n in enumerate(joined):
        piece = name(result)
        if len(joined) > 1:
            piece = name(run.temp(n))
            body.append(assign(piece.id, at(gast.Subscript(name(result), const(i), gast.Load()), statement), statement))
        body.append(assign(n, call("rt.put_lanes", [name(n), name(lanes), piece, run.size()], node=statement), statement))
    made.append(at(gast.For(gast.Name(k, gast.Store(), None, None), name(turns), body, [], None), statement))
