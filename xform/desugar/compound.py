"""Compound statements made simple before anything else: ``match`` becomes if/elif; try and with are made simple elsewhere.

Before::

    match shape:
        case (n,) if n > 1:
            y = n
        case _:
            y = 0

After::

    subject = shape
    if isinstance(subject, (tuple, list)) and len(subject) == 1 and subject[0] > 1:
        n = subject[0]
        y = n
    else:
        y = 0
"""
from __future__ import annotations

import copy

import gast

from xform.desugar import attempts, contexts, standard
from xform.errors import refuse
from xform.resolve import Object
from xform.syntax import assign, at, branch, call, clone, const, name, store

TRIES = tuple([getattr(gast, kind) for kind in ("Try", "TryStar") if hasattr(gast, kind)])


def expand(lowering, statements):
    """Return statements without ``match`` and ``with``, nested ones included."""
    made = []
    for statement in statements:
        if isinstance(statement, (gast.If, gast.For, gast.While)):
            statement = copy.copy(statement)        # the function may be read once more
        for field in ("body", "orelse"):
            if isinstance(statement, (gast.If, gast.For, gast.While)) and getattr(statement, field):
                setattr(statement, field, expand(lowering, getattr(statement, field)))
        endless = standard.counting(lowering, statement) if isinstance(statement, gast.For) else None
        if endless is not None:
            made += endless
        elif isinstance(statement, gast.Match):
            made += _match(lowering, statement)
        elif isinstance(statement, TRIES):
            made += expand(lowering, attempts.expand_try(lowering, statement))
        elif isinstance(statement, gast.With):
            made += expand(lowering, contexts.expand_with(lowering, statement))
        else:
            made.append(statement)
    return made


# -- match --------------------------------------------------------------------------------------------------------------

def _match(lowering, node):
    subject = lowering.names.fresh("subject")
    lowering.counts[subject] = 2
    lowering.temps.add(subject)
    rest = []
    for case in reversed(node.cases):
        tests, bound = [], {}
        _pattern(lowering, case.pattern, name(subject, node), tests, bound, node)
        if case.guard is not None:
            tests.append(_substituted(case.guard, bound))
        body = [at(gast.Assign([store(k, node)], clone(v), None), node) for k, v in bound.items()]
        body += expand(lowering, case.body)
        if not tests:
            rest = body
            continue
        test = tests[0] if len(tests) == 1 else at(gast.BoolOp(gast.And(), tests), node)
        rest = [branch(test, body, rest, node)]
    return [assign(subject, node.subject, node), *rest]


def _pattern(lowering, pattern, value, tests, bound, node):
    """Add the tests that a pattern makes of ``value``, and what it binds."""
    kind = type(pattern).__name__
    if kind == "MatchValue":
        tests.append(at(gast.Compare(clone(value), [gast.Eq()], [pattern.value]), node))
    elif kind == "MatchSingleton":
        tests.append(at(gast.Compare(clone(value), [gast.Is()], [const(pattern.value, node)]), node))
    elif kind == "MatchAs":
        if pattern.pattern is not None:
            _pattern(lowering, pattern.pattern, value, tests, bound, node)
        if pattern.name is not None:
            bound[pattern.name] = value
    elif kind == "MatchOr":
        sides = []
        for side in pattern.patterns:
            own, names = [], {}
            _pattern(lowering, side, value, own, names, node)
            if names:
                refuse(node, lowering.unit, "alternatives that bind names are not supported in a match of a transformed function",
                       "Write a case for each.")
            if not own:
                return
            sides.append(own[0] if len(own) == 1 else at(gast.BoolOp(gast.And(), own), node))
        tests.append(at(gast.BoolOp(gast.Or(), sides), node))
    elif kind == "MatchSequence":
        _sequence(lowering, pattern, value, tests, bound, node)
    elif kind == "MatchMapping":
        if pattern.rest is not None:
            refuse(node, lowering.unit, "**rest in a match of a transformed function is not supported", "Read the keys by name.")
        tests.append(_isinstance(value, name("dict", node), node))
        for key, inner in zip(pattern.keys, pattern.patterns):
            tests.append(at(gast.Compare(clone(key), [gast.In()], [clone(value)]), node))
            _pattern(lowering, inner, at(gast.Subscript(clone(value), clone(key), gast.Load()), node), tests, bound, node)
    elif kind == "MatchClass":
        _class(lowering, pattern, value, tests, bound, node)
    else:
        refuse(node, lowering.unit, f"{kind} is not supported in a match of a transformed function", "Write if/elif.")


def _sequence(lowering, pattern, value, tests, bound, node):
    stars = [i for i, p in enumerate(pattern.patterns) if type(p).__name__ == "MatchStar"]
    count = len(pattern.patterns)
    tests.append(_isinstance(value, at(gast.Tuple([name("tuple", node), name("list", node)], gast.Load()), node), node))
    length = at(gast.Call(name("len", node), [clone(value)], []), node)
    tests.append(at(gast.Compare(length, [gast.GtE() if stars else gast.Eq()], [const(count - len(stars), node)]), node))
    for i, inner in enumerate(pattern.patterns):
        if stars and i == stars[0]:
            if inner.name is not None:
                last = const(i + 1 - count, node) if i + 1 < count else None
                part = at(gast.Subscript(clone(value), gast.Slice(const(i, node), last, None), gast.Load()), node)
                bound[inner.name] = at(gast.Call(name("list", node), [part], []), node)
            continue
        place = const(i if not stars or i < stars[0] else i - count, node)
        _pattern(lowering, inner, at(gast.Subscript(clone(value), place, gast.Load()), node), tests, bound, node)


def _class(lowering, pattern, value, tests, bound, node):
    known = lowering.known(pattern.cls)
    cls = known.value if isinstance(known, Object) else None
    tests.append(_isinstance(value, pattern.cls, node))
    if pattern.patterns:
        if cls in (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple):
            _pattern(lowering, pattern.patterns[0], value, tests, bound, node)
        else:
            fields = getattr(cls, "__match_args__", ())
            if len(pattern.patterns) > len(fields):
                refuse(node, lowering.unit, f"{getattr(cls, '__name__', 'this class')} has {len(fields)} positional fields to match, "
                       f"not {len(pattern.patterns)}", "Match by attribute name.")
            for field, inner in zip(fields, pattern.patterns):
                _pattern(lowering, inner, at(gast.Attribute(clone(value), field, gast.Load()), node), tests, bound, node)
    for field, inner in zip(pattern.kwd_attrs, pattern.kwd_patterns):
        _pattern(lowering, inner, at(gast.Attribute(clone(value), field, gast.Load()), node), tests, bound, node)


def _isinstance(value, kind, node):
    return call("isinstance", [clone(value), kind], node=node)


def _substituted(node, bound):
    """A guard with what the pattern binds in the place of the names."""
    class Put(gast.NodeTransformer):
        def visit_Name(self, inner):
            return clone(bound[inner.id]) if inner.id in bound and isinstance(inner.ctx, gast.Load) else inner
    return Put().visit(clone(node))
