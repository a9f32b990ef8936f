"""Explain a derivative: what its forward half records and for which line, and which values are inactive and why."""
from __future__ import annotations

import ast
import functools
import linecache
import os
import re
from dataclasses import dataclass, field

import gast

from xform import pipeline
from xform.analyze.activity import activity
from xform.emit import collect
from xform.names import stem
from xform.syntax import assigned, blocks, dotted, nodes_of, reads, target_names
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
    """One value that the forward half keeps. what: 'value', 'shape and dtype', 'condition', 'records of a loop', 'residuals of a call'
    (those that the report on the callee lists) or 'residuals of a rule'."""
    name: str                   # in the generated code
    what: str
    made: Place | None          # None for a parameter
    read: tuple                 # places whose derivative reads it
    turn: bool = False          # whether one is kept for every turn of a loop
    label: str = ""             # the user's name or expression
    head: bool = False          # whether it is a variable of a loop as the turn begins

    def __str__(self):
        made = "an argument" if self.made is None else f"as a turn begins, of {self.made}" if self.head else f"made at {self.made}"
        text = f"{self.label or self.name}: {self.what}{', one a turn' if self.turn else ''}, {made}"
        read = () if self.what == "records of a loop" else self.read
        return "\n".join([text, *[f"    read by the derivative of {place}" for place in read]])


@dataclass(frozen=True)
class Inactive:
    """A value that no derivative flows through."""
    name: str
    reason: str
    made: Place                 # the first place that gives it such a value
    also: tuple = ()            # the others

    def __str__(self):
        return "\n".join([f"{self.name}: {self.reason}, made at {self.made}", *[f"    and at {place}" for place in self.also]])


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
        lines += [f"    {line}" for one in self.inactive for line in str(one).splitlines()]
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
    wrt = tuple(_spelled(versioned, p) for p, flag in zip(versioned.params, flags) if flag)
    rest = tuple(_spelled(versioned, p) for p, flag in zip(versioned.params, flags) if not flag)
    return Half(unit.name, wrt, rest, tuple(_recorded(halves)), tuple(_inactive(versioned, facts)))


def _spelled(unit, identifier):
    """A name of a unit as the user spells it: the fields of an object are parameters of their own, ``self_w`` of ``self.w``."""
    if not _written(unit.file, identifier):
        for node in nodes_of(unit.tree):
            if isinstance(node, gast.Name) and node.id == identifier and (text := _text(unit.file, node)):
                if text.replace(".", "_").endswith(stem(identifier)) and all(part.isidentifier() for part in text.split(".")):
                    return text
        start, _, rest = identifier.partition("_")
        if rest.isidentifier() and re.search(rf"\b{start}\b", linecache.getline(unit.file or "", getattr(unit.tree, "lineno", None) or 0)):
            return f"{start}.{rest}"
    return identifier


@functools.lru_cache(maxsize=256)
def _words(file, size):
    """The words of a file of some number of lines."""
    return frozenset(re.findall(r"\w+", "".join(linecache.getlines(file))))


def _written(file, identifier):
    return bool(file) and identifier in _words(file, len(linecache.getlines(file)))


def _text(file, node):
    """The user's text of a node's place, on one line; None where there is none."""
    if node is None or not file or not getattr(node, "lineno", None) or getattr(node, "end_lineno", None) is None:
        return None
    lines = [linecache.getline(file, n).encode() for n in range(node.lineno, node.end_lineno + 1)]
    lines[-1] = lines[-1][:node.end_col_offset]
    lines[0] = lines[0][node.col_offset:]
    return " ".join(b" ".join(lines).decode(errors="replace").split())


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
        yield _one(fwd, bwd, expression, _readers(bwd.tree.body, read_as), None)
    yield from _loop_records(fwd, bwd, fwd.tree.body, bwd.tree.body)


def _one(fwd, bwd, expression, readers, append):
    """What is known of one value. append: the statement of the loop that records it, where one does."""
    like = isinstance(expression, gast.Call)
    name = expression.args[0].id if like and isinstance(expression.args[0], gast.Name) else getattr(expression, "id", "value")
    found = list(_makers(fwd.tree.body, name, append))
    definition = found[-1] if found else None
    loop = _loop_of(fwd.tree.body, append)
    head = loop is not None and name in assigned(loop.body) and not list(_makers(loop.body, name, append))
    item = loop is not None and isinstance(loop, gast.For) and name in target_names(loop.target)
    what, label = "shape and dtype" if like else "value", stem(name) if head or item else _label(fwd, definition, name)
    if isinstance(definition, gast.Assign):
        if any(_appends(s, name) for s in _statements(fwd.tree.body)):
            what, label = _tape(fwd, definition, name, label)
        elif isinstance(definition.value, gast.Call) and isinstance(definition.targets[0], gast.Tuple) and _residuals(definition, name):
            what = "residuals of a call" if _halved(fwd, definition) else "residuals of a rule"
            label = _value(fwd, definition) or name
    if not like and what == "value" and any(isinstance(s, gast.If) for s in readers):
        what = "condition"
    given = definition is None and name in fwd.params or isinstance(definition, gast.Assign) and any(_unpacks(definition, p) for p in fwd.params)
    made = None if given and not head else Place(
        fwd.file, getattr(loop if head or item else definition, "lineno", None))
    places = dict.fromkeys(Place(bwd.file, s.lineno) for s in readers if getattr(s, "lineno", None))
    return Recorded(name, what, made, tuple(places), append is not None, label, head and not item)


def _makers(statements, name, until):
    """The assignments of a name up to a statement, without those that say that there is none yet, or that it stays what it is."""
    for statement in _statements(statements):
        if statement is until:
            return
        if isinstance(statement, gast.For) and name in target_names(statement.target):
            yield statement
        if isinstance(statement, gast.Assign) and name in target_names(statement.targets[0]) and dotted(statement.value) != "rt.UNDEFINED" \
                and not (isinstance(statement.value, gast.Name) and stem(statement.value.id) == stem(name)):
            yield statement


def _label(fwd, definition, name):
    """A variable under the user's name, other values by the expression that makes them."""
    if definition is None:
        return _spelled(fwd, name)
    line = linecache.getline(fwd.file or "", getattr(definition, "lineno", None) or 0).partition("#")[0]
    if name not in fwd.temps:
        for own in (name, stem(name)):
            if re.search(rf"\b{re.escape(own)}\b", line):
                return own
    text = _value(fwd, definition)
    return name if text is None else f"a part of the derivative of {text}" if getattr(definition, "derivative", False) else text


def _value(fwd, definition):
    """The user's expression of what a statement assigns."""
    value = getattr(definition, "value", None)
    text = _text(fwd.file, value if getattr(value, "lineno", None) else definition)
    if (text or "").startswith(("for ", "while ", "if ", "with ")):
        return linecache.getline(fwd.file, definition.lineno).strip().rstrip(":")
    try:
        (tree,) = ast.parse(text or "").body
    except (SyntaxError, ValueError):
        return text
    value = tree.value if isinstance(tree, (ast.Assign, ast.Return, ast.Expr)) else None
    return text if value is None else ast.get_source_segment(text, value) or text


def _tape(fwd, definition, name, label):
    """(what, label) of a list that a loop fills: the records, or a list of the user's own."""
    if name not in fwd.temps and _written(fwd.file, stem(name)) and re.search(
            rf"\b{re.escape(stem(name))}\b", linecache.getline(fwd.file or "", getattr(definition, "lineno", 0) or 0)):
        return "value", stem(name)
    return "records of a loop", "the turns"


def _residuals(definition, name):
    return target_names(definition.targets[0])[-1] == name


def _loop_of(statements, append):
    """The innermost loop around a statement."""
    found = None
    for statement in _statements(statements):
        if append is not None and isinstance(statement, (gast.For, gast.While)) and any(s is append for s in _statements(statement.body)):
            found = statement
    return found


def _loop_records(fwd, bwd, forward, backward):
    """What each turn of each loop appends to its tape."""
    for statement in _statements(forward):
        if not _is_append(statement):
            continue
        tape, record = statement.targets[0].id, statement.value.args[1]
        loop, target = next(((s, t) for s in _statements(backward) if isinstance(s, gast.For)
                             and (t := _record_target(s, tape)) is not None), (None, None))
        if loop is None:
            continue
        fields, first = target_names(target), loop.body[0]
        if isinstance(target, gast.Name) and _unpacks(first, target.id):
            fields = target_names(first.targets[0])
        parts = record.elts if isinstance(record, gast.Tuple) and len(record.elts) == len(fields) else [record]
        for expression, read_as in zip(parts, fields):
            yield _one(fwd, bwd, expression, _readers(loop.body, read_as), statement)


def _record_target(loop, tape):
    """What a loop of the backward half calls the records of a tape, also where others run beside them; None where it runs over no such."""
    def over(iterable, target):
        if not isinstance(iterable, gast.Call):
            return None
        if dotted(iterable.func) == "rt.pairs" and isinstance(target, gast.Tuple):
            return over(iterable.args[0], target.elts[0])
        return target if [getattr(a, "id", None) for a in iterable.args] == [tape] else None
    return over(loop.iter, loop.target)


def _unpacks(statement, name):
    return isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Tuple) \
        and getattr(statement.value, "id", None) == name


def _halved(fwd, definition):
    """Whether an assignment takes the results of a forward half."""
    made = [halves.fwd for halves in vjp.halves_made().values()]
    callee = fwd.env.get(getattr(definition.value.func, "id", None))
    return any(callee is one for one in made)


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
    """The inactive variables of the user's; a variable that is assigned several times is listed once for each reason."""
    found = {}
    for statement in _statements(versioned.tree.body):
        if not isinstance(statement, gast.Assign) or not getattr(statement, "lineno", None):
            continue
        for name in target_names(statement.targets[0]):
            own = name if _written(versioned.file, name) else stem(name)
            if name in facts.active or name in versioned.temps or not _written(versioned.file, own) \
                    or isinstance(statement.value, gast.Name) and stem(statement.value.id) == stem(name):   # another version of itself
                continue
            reason = "depends on nothing that is differentiated" if name not in facts.varied else \
                "the result does not depend on it"
            found.setdefault((own, reason), {})[Place(versioned.file, statement.lineno)] = None
    for (name, reason), places in found.items():
        first, *rest = places
        yield Inactive(name, reason, first, tuple(rest))


__all__ = ["Explanation", "Half", "Inactive", "Place", "Recorded", "explain"]
