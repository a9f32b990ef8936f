"""Explain a derivative: what its forward half records and for which line, and which values are inactive and why."""
from __future__ import annotations

import linecache
import os
from dataclasses import dataclass, field

import gast

from xform import pipeline
from xform.analyze.activity import activity
from xform.emit import collect
from xform.syntax import assigned, blocks, dotted, reads, target_names
from xform.transform import vjp
from xform.transformed import Transformed, target_of
from xform.unit import GUARDED, in_form
from xform.version import version


@dataclass(frozen=True)
class Place:
    """A line of the user's file."""
    file: str | None
    line: int | None

    def __str__(self):
        if self.line is None:
            return "generated"
        text = linecache.getline(self.file or "", self.line).strip()
        return f"{os.path.basename(self.file or '?')}:{self.line}  {text}"


@dataclass(frozen=True)
class Recorded:
    """One value that the forward half keeps. what: 'value', 'shape and dtype', 'tape' or 'residuals of a call'."""
    name: str
    what: str
    made: Place | None          # None for a parameter
    read: tuple                 # places whose derivative reads it
    turn: bool = False          # whether one is kept for every turn of a loop

    def __str__(self):
        made = "an argument" if self.made is None else f"made at {self.made}"
        text = f"{self.name}: {self.what}{', one a turn' if self.turn else ''}, {made}"
        return "\n".join([text, *[f"    read by the derivative of {place}" for place in self.read]])


@dataclass(frozen=True)
class Inactive:
    """A value that no derivative flows through."""
    name: str
    reason: str
    made: Place

    def __str__(self):
        return f"{self.name}: {self.reason}, made at {self.made}"


@dataclass(frozen=True)
class Half:
    """The report on one differentiated function."""
    name: str
    active: tuple               # parameters that the derivative is taken in
    constant: tuple             # the other parameters
    recorded: tuple = ()
    inactive: tuple = ()

    def __str__(self):
        lines = [f"{self.name}: differentiated in {', '.join(self.active)}"
                 + (f"; constant: {', '.join(self.constant)}" if self.constant else "")]
        lines += ["  recorded for the backward half:" if self.recorded else "  nothing is recorded"]
        lines += [f"    {line}" for one in self.recorded for line in str(one).splitlines()]
        lines += ["  inactive (no derivative flows through):"] if self.inactive else []
        lines += [f"    {one}" for one in self.inactive]
        return "\n".join(lines)


@dataclass(frozen=True)
class Explanation:
    """What ``xform.explain`` found; print it. functions: one Half for each differentiated function, callers first."""
    functions: tuple = field(default=())

    def __str__(self):
        if not self.functions:
            return "No reverse-mode derivative is taken here, so nothing is recorded."
        return "\n\n".join(map(str, self.functions))

    __repr__ = __str__


def explain(fun, *args, **kwargs) -> Explanation:
    """Report what a reverse-mode derivative records, which line reads each value, and what is inactive.

    fun: a function transformed by grad, value_and_grad, jacrev or hessian, or any transformation of one (jit, vmap ...).
    args, kwargs: those of a call, for a function whose code depends on the classes of its arguments and that was not called yet.
    """
    found = []
    while not found and isinstance(fun, Transformed):   # vmap(grad(f)) batches the halves of grad(f)
        derived = _derived(fun, args, kwargs)
        known = {id(halves.fwd): (unit, flags, halves) for (unit, flags), halves in vjp.halves_made().items()}
        units = collect(derived if derived.boundary is None else derived.boundary.inner)
        found = [_report(*known[id(unit)]) for unit in units if id(unit) in known]
        fun = fun.fun
    return Explanation(tuple(found))


def _derived(fun, args, kwargs):
    """The unit of a transformed function: for these arguments, as it was called first, or for arrays."""
    if args or kwargs:
        inner, _ = fun._bound(args, kwargs)
        return fun.derived(inner, options=fun.with_held(inner))
    for unit, *_ in fun._entries.values():
        return unit
    return target_of(fun).unit


def _report(unit, flags, halves):
    versioned = version(pipeline.core(in_form(unit, GUARDED)))
    facts = activity(versioned, flags)
    wrt = tuple(p for p, flag in zip(versioned.params, flags) if flag)
    return Half(unit.name, wrt, tuple(p for p in versioned.params if p not in wrt),
                tuple(_recorded(halves)), tuple(_inactive(versioned, facts)))


def _recorded(halves):
    """Residuals by position: the forward half's expressions beside the names that the backward half gives them."""
    fwd, bwd = halves.fwd, halves.bwd
    kept = fwd.tree.body[-1].value.elts[1]
    first = bwd.tree.body[0]
    packed = _unpacks(first, bwd.params[0])
    fields = target_names(first.targets[0]) if packed else [bwd.params[0]]
    parts = kept.elts if packed else [kept]
    if isinstance(kept, gast.Tuple) and not kept.elts:
        return
    for expression, read_as in zip(parts, fields):
        yield _one(fwd, bwd, expression, _readers(bwd.tree.body, read_as), False)
    yield from _loop_records(fwd, bwd, fwd.tree.body, bwd.tree.body)


def _one(fwd, bwd, expression, readers, turn):
    like = isinstance(expression, gast.Call)
    name = expression.args[0].id if like and isinstance(expression.args[0], gast.Name) else getattr(expression, "id", "value")
    found = [s for s in _statements(fwd.tree.body) if name in assigned([s])]
    definition = next((s for s in found if isinstance(s, gast.Assign) and dotted(s.value) != "rt.UNDEFINED"), found[0] if found else None)
    what = "shape and dtype" if like else "value"
    if definition is not None and isinstance(definition, gast.Assign):
        if isinstance(definition.value, gast.List) and any(_appends(s, name) for s in _statements(fwd.tree.body)):
            what = "tape (the records of a loop)"
        elif isinstance(definition.value, gast.Call) and _halved(fwd, definition, name):
            what = "residuals of a call"
    made = None if definition is None and name in fwd.params else Place(fwd.file, getattr(definition, "lineno", None))
    places = dict.fromkeys(Place(bwd.file, s.lineno) for s in readers if getattr(s, "lineno", None))
    return Recorded(name, what, made, tuple(places), turn)


def _loop_records(fwd, bwd, forward, backward):
    """What each turn of each loop appends to its tape."""
    for statement in _statements(forward):
        if not _is_append(statement):
            continue
        tape, record = statement.targets[0].id, statement.value.args[1]
        loop = next((s for s in _statements(backward) if isinstance(s, gast.For) and isinstance(s.iter, gast.Call)
                     and [getattr(a, "id", None) for a in s.iter.args] == [tape]), None)
        if loop is None:
            continue
        fields, first = target_names(loop.target), loop.body[0]
        if isinstance(loop.target, gast.Name) and _unpacks(first, loop.target.id):
            fields = target_names(first.targets[0])
        parts = record.elts if isinstance(record, gast.Tuple) and len(record.elts) == len(fields) else [record]
        for expression, read_as in zip(parts, fields):
            yield _one(fwd, bwd, expression, _readers(loop.body, read_as), True)


def _unpacks(statement, name):
    return isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Tuple) \
        and getattr(statement.value, "id", None) == name


def _halved(fwd, definition, name):
    """Whether a name is the second result of a forward half."""
    made = [halves.fwd for halves in vjp.halves_made().values()]
    callee = fwd.env.get(getattr(definition.value.func, "id", None))
    return any(callee is one for one in made) and target_names(definition.targets[0])[-1] == name


def _is_append(statement):
    return isinstance(statement, gast.Assign) and isinstance(statement.value, gast.Call) \
        and getattr(statement.value.func, "attr", None) == "append" and len(statement.value.args) == 2


def _appends(statement, tape):
    return _is_append(statement) and statement.targets[0].id == tape


def _readers(statements, name):
    found = []
    for statement in _statements(statements):
        own = statement.test if isinstance(statement, gast.If) else statement.iter if isinstance(statement, gast.For) else statement
        unpacked = isinstance(own, gast.Assign) and isinstance(own.targets[0], gast.Tuple) and isinstance(own.value, gast.Name)
        if name in reads(own) and not unpacked:
            found.append(statement)
    return found


def _statements(statements):
    for statement in statements:
        yield statement
        for block in blocks(statement):
            yield from _statements(block)


def _inactive(versioned, facts):
    seen = set()
    for statement in _statements(versioned.tree.body):
        if not isinstance(statement, gast.Assign):
            continue
        for name in target_names(statement.targets[0]):
            if name in facts.active or name in versioned.temps or name in seen or not hasattr(statement, "lineno"):
                continue
            seen.add(name)
            reason = "depends on nothing that is differentiated" if name not in facts.varied else \
                "the result does not depend on it"
            yield Inactive(name, reason, Place(versioned.file, statement.lineno))


__all__ = ["Explanation", "Half", "Inactive", "Place", "Recorded", "explain"]
