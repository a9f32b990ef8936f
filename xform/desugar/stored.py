"""Functions as values of the run: where one is kept in a container, given back, or picked by a branch.

Before::

    steps.append(lambda y, p=None: y * x)

After::

    f_lambda_1 = rt.defaulted(f_lambda, (None,))
    partial = rt.partial(f_lambda_1, x)
    steps = rt.append(steps, partial)
"""
from __future__ import annotations

import gast

from xform.desugar.calls import atom_of, direct
from xform.desugar.kinds import bound
from xform.errors import refuse
from xform.resolve import Closure, Object, Partial
from xform.syntax import at, call, name
from xform.unit import Unit


def _defaults(lowering, known, unit, prefix, node):
    """The default values of a nested function's parameters, by the names that these have in its unit."""
    if not isinstance(known, Closure) or not getattr(known.nested, "defaults", None):
        return {}
    given = zip(unit.params[len(prefix):], known.nested.signature().parameters)
    return {own: atom_of(lowering, known.default(known.nested.defaults[p]), node) for own, p in given if p in known.nested.defaults}


def _all_behind(lowering, unit, count, keywords, node):
    """The keywords of a partial, and those parameters behind them that have defaults: generated functions have none."""
    left = [(own, p) for own, p in zip(unit.params[count:], list(unit.signature.parameters.values())[-(len(unit.params) - count):])]
    first = next((i for i, (own, p) in enumerate(left) if p.name in keywords), len(left))
    if any(p.default is not p.empty for _, p in left[:first]) or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for _, p in left) or any(
            isinstance(p.default, gast.AST) for _, p in left):
        refuse(node, lowering.unit, "this function value cannot be stored", "Call it where it is made.")
    return {own: keywords[p.name] if p.name in keywords else atom_of(lowering, Object(p.default), node)
            for own, p in left[first:] if p.name in keywords or p.default is not p.empty}


def as_value(lowering, known, node):
    """A function as a run-time value: its name, or a partial over the captured locals."""
    if isinstance(known, Partial) and known.whole is not None:
        return name(known.whole, node)
    if isinstance(known, Partial) and known.tree:
        held = [atom_of(lowering, v, node) for v in (*known.args, *dict(known.keywords).values())]
        path = as_value(lowering, known.fn, node)
        prefix = list(path.args[1:]) if isinstance(path, gast.Call) else []     # what a nested function captures is held, too
        return bound(known, path.args[0] if prefix else path, prefix + held, lowering.atom_value, node)
    if isinstance(known, (Closure, Partial)) or not isinstance(known, Object):
        unit, prefix, keywords = direct(lowering, known, node)
        if keywords and isinstance(unit, Unit):
            keywords = _all_behind(lowering, unit, len(prefix), keywords, node)
        path = name(lowering.refer(unit.name, unit), node) if isinstance(unit, Unit) else lowering.atom_value(
            lowering.materialise(unit, node))
        defaults = _defaults(lowering, known, unit, prefix, node)
        if defaults and list(defaults) == unit.params[-len(defaults):]:     # which a call may give by position, too
            values = lowering.atom_value(at(gast.Tuple(list(defaults.values()), gast.Load()), node))
            path, defaults = lowering.store_temp(call("rt.defaulted", [path, values], node=node), unit.name, node), {}
        if not prefix and not defaults and not keywords:
            return path
        return call("rt.partial", [path, *prefix], {**defaults, **keywords}, node)
    wanted = getattr(known.value, "__name__", "function").replace("<lambda>", "lambda_")
    return name(lowering.refer(wanted, known), node)
