"""Functions with a batching rule of the user's: vmap calls the rule instead of batching the function's code.

Before: ``y = f(x, w)`` with ``f.def_vmap(rule)``, where x carries the batch.
After::

    def f_vmap(x, w):
        size = rt.found_size(x)
        out, out_batched = rule(size, (True, False), x, w)
        return rt.spread_where(out, out_batched, size)
"""
from __future__ import annotations

import inspect

import gast

from xform.analyze.batched import expression_of, is_batched
from xform.errors import TransformError
from xform.memo import Memo
from xform.names import Names
from xform.syntax import assign, call, function, name, pack, returns
from xform.unit import Boundary, Unit


def derive(unit, options, prefix):
    """custom_vmap(f): f, marked with its rule."""
    return wrapped(unit, options.get("rule"), prefix)


def wrapped(unit, rule, prefix):
    """A function that calls ``unit`` and carries the mark; ``prefix`` parameters are what the function closes over."""
    body = [assign("out", call(unit.name, [name(p) for p in unit.params])), returns(name("out"))]
    own = f"{unit.name}_custom_vmap"
    return Unit(own, function(own, unit.params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin,
                Boundary("custom_vmap", unit, (("rule", rule), ("prefix", prefix))), signature=unit.signature)


def with_defaults(unit, provided):
    """The same as a function of the provided parameters alone; the others have their default values."""
    from xform import pipeline
    boundary = unit.boundary
    return wrapped(pipeline.with_defaults(boundary.inner, provided), boundary.option("rule"), boundary.option("prefix"))


def halves(unit, flags):
    """The derivative of the function's own code."""
    from xform.pipeline import halves_of
    return halves_of(unit.boundary.inner, flags)


def jvp(unit, flags):
    """The derivative of the function's own code."""
    from xform.pipeline import jvp_of
    return jvp_of(unit.boundary.inner, flags)


_made = Memo()


def vmap(unit, flags, axis_name):
    """The user's rule for these arguments, its result with the batch everywhere."""
    key = unit, tuple(flags), axis_name
    if key not in _made:
        _made[key] = _vmap(unit, tuple(flags), axis_name)
    return _made[key], True


def _vmap(unit, flags, axis_name):
    from xform import pipeline
    boundary, inner = unit.boundary, unit.boundary.inner
    rule, prefix = boundary.option("rule"), boundary.option("prefix")
    if rule is None:
        raise TransformError(f"No batching rule defined for custom_vmap function {inner.name} using def_vmap.", hint="Call its def_vmap.")
    if any(is_batched(f) for f in flags[:prefix]):
        raise TransformError(f"{inner.name} closes over a batched value, which a rule of custom_vmap does not see",
                             hint="Pass it as an argument.")
    names = Names({*unit.params, inner.name})
    size, out = names.fresh("size"), names.fresh("out")
    carriers = [p for p, f in zip(unit.params, flags) if is_batched(f)]
    body = [assign(size, call("rt.found_size", [pack(carriers) if len(carriers) > 1 else name(carriers[0])]))]
    if rule == "sequential":
        if any(f is not True and is_batched(f) for f in flags):
            raise TransformError(f"sequential_vmap of {inner.name} over containers of which only parts carry the batch is not supported",
                                 hint="Batch every array of the container.")
        ys, i = names.fresh("ys"), names.fresh("i")
        args = [call("rt.example_of", [name(p), name(i)]) if f is True else name(p) for p, f in zip(unit.params, flags)]
        turn = names.fresh("y")
        one = [assign(turn, call(inner.name, args)), assign(ys, call("rt.append", [name(ys), name(turn)]))]
        loop = gast.For(gast.Name(i, gast.Store(), None, None), call("range", [name(size)]), one, [], None)
        body += [assign(ys, gast.List([], gast.Load())), loop, assign(out, call("rt.stack_records", [name(ys)])), returns(name(out))]
        env = {inner.name: inner}
    else:
        given = unit.params[prefix:]
        found = pipeline.spread(rule, 2 + len(given), ()) if _variadic(rule) else pipeline.unit_of_callable(rule)
        which, pair = names.fresh("out_batched"), names.fresh("pair")
        batched = expression_of(tuple(f if isinstance(f, (bool, tuple)) else is_batched(f) for f in flags[prefix:]))
        body += [assign(pair, call(found.name, [name(size), batched, *map(name, given)])), assign([out, which], name(pair)),
                 returns(call("rt.spread_where", [name(out), name(which), name(size)]))]
        env = {found.name: found}
    own = f"{unit.name}_vmap"
    made = Unit(own, function(own, unit.params, body), env, set(), unit.file, unit.origin)
    made.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in unit.params])
    return made


def _variadic(rule):
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(rule).parameters.values())
