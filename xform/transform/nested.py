"""A batch of an op's batching rule, for rules whose own code cannot be batched: both batch axes become one.

Before: ``y = rt.batched(np.concatenate)(parts, 0, over=('arrays',))``, where ``parts`` gets one more batch axis.
After:  ``y = concatenate_nested(parts, 0, ('arrays',))`` with

    def concatenate_nested(arrays, axis, over):
        sizes = rt.found_size(arrays), rt.found_size(arrays, 1)
        arrays = rt.merge_axes(arrays, (True, True), sizes)
        out = rt.batched(np.concatenate)(arrays, axis, over=('arrays',))
        return rt.unmerge_axes(out, (True, True), sizes)
"""
from __future__ import annotations

import inspect

import gast

from xform.analyze.batched import expression_of, is_batched
from xform.library import canonical
from xform.memo import Memo
from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, reference, returns
from xform.unit import Unit

_made = Memo()


def rule_of_batching(unit):
    """The op whose batching rule a unit was read from, or None."""
    from runtime.op import RULES, read_as
    if unit.function is None:
        return None
    return next((rule for rule in RULES.values() if rule.batch and read_as(rule.batch) is unit.function), None)


def nested(unit, rule, flags, inner):
    """(unit, batchedness of its result) of one more batch of a batching rule.

    flags: which arguments carry the outer batch, as a whole; inner: the names of those that carry the inner one.
    """
    key = unit, flags, inner
    if key not in _made:
        _made[key] = _nested(unit, rule, dict(zip(unit.params, flags)), inner)
    return _made[key]


def _nested(unit, rule, outer, inner):
    both = {p: (is_batched(outer[p]), p in inner) for p in unit.params if p != "over" and (is_batched(outer[p]) or p in inner)}
    over = tuple(p for p in both if p != "like")
    names = Names(set(unit.params))
    outer_size, inner_size, sizes, out = [names.fresh(wanted) for wanted in ("outer_size", "inner_size", "sizes", "out")]
    body = [assign(outer_size, _size([(p, 0) for p in over if both[p][0]])),
            assign(inner_size, _size([(p, int(both[p][0])) for p in over if both[p][1]])),
            assign(sizes, pack([outer_size, inner_size]))]
    args = {p: name(p) for p in unit.params if p != "over"}
    for p in both:
        if p == "like":
            args[p] = call("rt.like", [name(p), const(sum(both[p]))])
        else:
            args[p] = call("rt.merge_axes", [name(p), expression_of(both[p]), name(sizes)])
    if "size" in args and "size" not in rule.params:
        args["size"] = gast.BinOp(name(outer_size), gast.Mult(), name(inner_size))
    given = inspect.signature(rule.batch).parameters
    positional = [v for p, v in args.items() if given[p].kind is not inspect.Parameter.KEYWORD_ONLY]
    keywords = {p: v for p, v in args.items() if given[p].kind is inspect.Parameter.KEYWORD_ONLY}
    keywords["over"] = pack([const(p) for p in over])
    path = canonical(rule.function)
    env = {} if path else {rule.name: rule.function}
    body.append(assign(out, call(call("rt.batched", [reference(path or rule.name)]), positional, keywords)))
    if not rule.unbatched:
        body.append(assign(out, call("rt.unmerge_axes", [name(out), expression_of((True, True)), name(sizes)])))
    body.append(returns(name(out)))
    made = Unit(f"{rule.name}_nested", function(f"{rule.name}_nested", unit.params, body), env,
                {outer_size, inner_size, out}, unit.file, unit.origin)
    made.signature = unit.signature
    return made, not rule.unbatched


def _size(places):
    """The size of a batch axis, from the operands that carry it and how many axes are before it."""
    deepest = places if len({lead for _, lead in places}) == 1 else places[:1]
    found = name(deepest[0][0]) if len(deepest) == 1 else pack([p for p, _ in deepest])
    return call("rt.found_size", [found] + ([const(deepest[0][1])] if deepest[0][1] else []))
