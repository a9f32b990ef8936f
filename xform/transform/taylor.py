"""jet: the derivatives of a function along a curve, by nested forward derivatives.

The derivative of g(x, x', x'' ...) along the curve is its jvp with the tangents x', x'', x''' ... Before: ``jet(f, (x,), ([x_1, x_2],))``.
After::

    def f_1(x, x_1):
        return f_jvp(x, x_1)

    def f_2(x, x_1, x_2):
        out, out_dot = f_1_jvp(x, x_1, x_1, x_2)
        ...
        return out_0, out_1, out_2

    def f_jet(x, x_1, x_2):
        out, out_1, out_2 = f_2(x, rt.times_number(x_1, 1.0), rt.times_number(x_2, 1.0))
        return out, rt.more_terms(rt.first_terms(out_1), out_2)
"""
from __future__ import annotations

import inspect
import math

from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, returns
from xform.unit import Unit


def derive(unit, options, prefix):
    """The unit of ``jet`` for ``count`` arguments behind the first ``prefix`` parameters: it takes ``order`` terms of each, too."""
    count, order, scaled = options["count"], options["order"], options["scaled"]
    names = Names({*unit.params, unit.name})
    moving = unit.params[prefix:prefix + count]
    terms = [[names.fresh(f"{p}_{k + 1}") for p in moving] for k in range(order)]
    level = unit
    for k in range(order):
        level = _next(unit, level, moving, terms[:k + 1])
    params = [*unit.params, *(p for own in terms for p in own)]
    names = Names({*params, level.name})
    out = [names.fresh("out" if not k else f"out_{k}") for k in range(order + 1)]
    given = [call("rt.times_number", [name(p), const(1.0 if scaled else float(math.factorial(k + 1)))])
             for k, own in enumerate(terms) for p in own]
    made = call(level.name, [*map(name, unit.params), *given])
    lists = names.fresh("terms")
    body = [assign(out if order else out[0], made)]
    if not order:
        body.append(assign(lists, call("rt.lists_like", [name(out[0])])))
    for k in range(1, order + 1):
        term = name(out[k]) if scaled or k == 1 else call("rt.times_number", [name(out[k]), const(1 / math.factorial(k))])
        body.append(assign(lists, call("rt.first_terms", [term]) if k == 1 else call("rt.more_terms", [name(lists), term])))
    body.append(returns(pack([name(out[0]), name(lists)])))
    signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in params])
    return Unit(f"{unit.name}_jet", function(f"{unit.name}_jet", params, body), {level.name: level}, set(out), unit.file, unit.origin,
                signature=signature)


def _next(unit, level, moving, terms):
    """From the function of the lower terms that gives the derivatives below an order, the one that gives that order's as well."""
    from xform import pipeline
    order, active = len(terms), [*moving, *(p for own in terms[:-1] for p in own)]
    derivative = pipeline.jvp_of(level, tuple([p in active for p in level.params]))
    dots = dict(zip(active, [p for own in terms for p in own]))
    names = Names({*level.params, *terms[-1], derivative.name})
    out, dot = names.fresh("out"), names.fresh("out_dot")
    body = [assign([out, dot], call(derivative.name, [*map(name, level.params), *(name(dots[p]) for p in level.params if p in active)]))]
    filled = call("rt.filled", [name(dot)], {"like": name(out)})
    if order == 1:
        body.append(returns(pack([name(out), filled])))
    else:
        values = [names.fresh(f"out_{k}") for k in range(order)]
        last = names.fresh("dots")
        body += [assign(values, name(out)), assign([*[names.fresh("lower") for _ in values[:-1]], last], filled),
                 returns(pack([*map(name, values), name(last)]))]
    own = f"{unit.name}_{order}"
    return Unit(own, function(own, [*level.params, *terms[-1]], body), {derivative.name: derivative}, set(), unit.file, unit.origin)
