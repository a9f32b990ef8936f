"""Functions with *args or **kwargs as functions of one parameter for each argument that a call gives.

Before::

    def total(*xs, **scales):
        return sum(xs) * scales["unit"]
    y = total(a, b, unit=3.0)

After::

    def total(xs_0, xs_1, unit):
        ...
    y = total(a, b, 3.0)
"""
from __future__ import annotations

import contextlib
import inspect

import gast

from runtime.op import read_as
from xform import parse, resolve
from xform.desugar.functions import _other, binding_counts, lower_source, names_in
from xform.desugar.rebound import Undecided
from xform.memo import Memo
from xform.syntax import assign, call, function, name, returns
from xform.unit import Unit

_made = Memo()


def spread(function, count, keywords, kinds=None):
    """The unit of a function with *args or **kwargs for calls with ``count`` positional arguments and these keywords.

    Returns (unit, parameters in the unit's order: ("positional", i) or ("keyword", k)); None where only the run knows what
    its *args or **kwargs hold.
    """
    key = (function, "spread", count, tuple(keywords), kinds)
    if key not in _made:
        source = parse.parse(function)
        tree = source.tree
        counts, own = binding_counts(tree), set(binding_counts(tree)) | names_in(tree)
        args = tree.args
        fixed = [a.id for a in args.posonlyargs + args.args]
        named = set(fixed) | {a.id for a in args.kwonlyargs}
        statics, extra, places = {}, [], []
        if args.vararg:
            made = [_other(f"{args.vararg.id}_{i}", own, "") for i in range(max(0, count - len(fixed)))]
            statics[args.vararg.id] = resolve.Display(tuple(map(name, made)))
            extra += made
            places += [("positional", len(fixed) + i) for i in range(len(made))]
        if args.kwarg:
            rest = [k for k in keywords if k not in named]
            made = [_other(k, own, "") for k in rest]
            statics[args.kwarg.id] = resolve.Display(tuple(map(name, made)), tuple(rest), dict)
            extra += made
            places += [("keyword", k) for k in rest]
        unit = None
        with contextlib.suppress(Undecided):
            takes = {} if kinds is None else {**dict(zip([*fixed, *extra], kinds[0])), **dict(kinds[1])}
            takes = {p: k for p, k in takes.items() if k is not None}
            unit = lower_source(source, statics, function, extra, takes)
        if unit is None:
            _made[key] = None
        else:
            unit.function = None
            P = inspect.Parameter
            kept = [p.replace(kind=P.POSITIONAL_OR_KEYWORD) for p in unit.signature.parameters.values() if p.name not in statics]
            kept.sort(key=lambda p: p.default is not p.empty)
            order = [p.name for p in kept]
            unit.tree.args.args.sort(key=lambda a: order.index(a.id) if a.id in order else -1)     # a stable sort
            unit.signature = inspect.Signature([P(e, P.POSITIONAL_OR_KEYWORD) for e in extra] + kept)
            _made[key] = unit, places
    return _made[key]


def spread_call(lowering, function, args, keywords, node):
    """A call of a function with *args or **kwargs, specialised to what the call gives; None where that is not possible."""
    from xform.desugar.calls import bind
    if any(isinstance(a, gast.Starred) for a in args) or "**" in keywords:
        return None
    found = spread(read_as(function), len(args), tuple(keywords))
    if found is None:
        return None
    unit, places = found
    taken = {key for kind, key in places if kind == "keyword"}
    fixed = len(args) - sum(kind == "positional" for kind, _ in places)
    first = [args[key] if kind == "positional" else keywords[key] for kind, key in places]
    own = bind(lowering, unit, first + args[:fixed], {k: v for k, v in keywords.items() if k not in taken}, node)
    return call(name(lowering.refer(unit.name, unit), node), own, node=node)


def spread_nested(nested, count, keywords):
    """The unit of a nested function with *args or **kwargs for calls with ``count`` positional arguments and these keywords:
    after the captured locals it has one parameter for each; None where only the run knows what these hold."""
    key = "spread", count, tuple(keywords)
    made = nested._specialised
    if key not in made:
        signature, own = nested.signature(), set(binding_counts(nested.tree)) | names_in(nested.tree) | set(nested.captured())
        args, found = nested.tree.args, {}
        fixed = [a.id for a in args.posonlyargs + args.args]
        more = [_other(f"{args.vararg.id}_{i}", own, "") for i in range(count - len(fixed))] if args.vararg else []
        if args.vararg:
            found[args.vararg.id] = resolve.Display(tuple(map(name, more)))
        rest = [k for k in keywords if k not in signature.parameters]
        if args.kwarg:
            found[args.kwarg.id] = resolve.Display(tuple([name(_other(k, own, "")) for k in rest]), tuple(rest), dict)
        made[key] = None
        with contextlib.suppress(Undecided):
            made[key] = _reordered(nested, found, [*fixed[:count], *more],
                                   [_other(k, own, "") if k in rest else k for k in keywords])
    return made[key]


def _reordered(nested, statics, positional, keywords):
    """A nested function specialised to what *args and **kwargs hold, with its parameters in the order of the call."""
    inner, passed = nested.specialised(statics)
    env = inner.params[:len(nested.captured())]
    given = dict(zip(inner.params[len(env):], passed))       # what stands for an item of *args or **kwargs -> its name here
    P = inspect.Parameter
    left = [p for p in inner.signature.parameters.values() if p.name not in positional and p.name not in keywords]
    made = [*[P(own, P.POSITIONAL_OR_KEYWORD) for own in positional], *[P(own, P.KEYWORD_ONLY) for own in keywords],
            *[p.replace(kind=P.KEYWORD_ONLY) for p in left]]
    unit = Unit(inner.name, None, {inner.name: inner}, {"out"}, inner.file, inner.origin, notes=list(inner.notes))
    body = [assign("out", call(inner.name, [name(given.get(p, p)) for p in inner.params])), returns(name("out"))]
    unit.tree = function(inner.name, [*env, *[p.name for p in made]], body)
    unit.signature = inspect.Signature(made)
    return unit
