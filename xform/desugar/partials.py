"""Partial applications under a transformation: keywords find their place, and Python values stay Python values under jit.

    jit(partial(f, n=3))(x)      # def f(x, n)
    ->
    def f_n(n, x): return f(x, n)
    f_n_jit(3, x)                # n static
"""
from __future__ import annotations

import gast

from xform.errors import refuse
from xform.syntax import call, function, name, returns
from xform.unit import Unit


def keywords_first(lowering, unit, prefix, keywords, node):
    """(unit, leading atoms) for a partial application of a unit that gives some parameters by name."""
    params = list(unit.params)
    for key in keywords:
        if key not in params[len(prefix):]:
            refuse(node, lowering.unit, f"a partial application gives {unit.name} the argument {key!r}, which it does not take",
                   f"{unit.name} takes {', '.join(params)}.")
    held = params[:len(prefix)] + list(keywords)
    order = held + [p for p in params if p not in held]
    signature = unit.signature.replace(parameters=_left(unit.signature, held, keywords))
    own = "_".join([unit.name, *keywords])
    body = [returns(call(unit.name, [name(p) for p in params]))]
    made = Unit(own, function(own, order, body), {unit.name: unit}, set(), unit.file, unit.origin, signature=signature)
    return made, prefix + list(keywords.values())


def _left(signature, held, keywords):
    """The parameters that a call still gives: those behind one given by name can only be given by name, as in Python."""
    left, behind = [], False
    for own, param in signature.parameters.items():
        behind = behind or own in keywords
        if own not in held:
            left.append(param.replace(kind=param.KEYWORD_ONLY) if behind and param.kind is param.POSITIONAL_OR_KEYWORD else param)
    return left


def options_of_jit(options, unit, prefix):
    """The options of jit for a function whose leading arguments are held: those that are constants are static."""
    held = [p for p, atom in zip(unit.params, prefix) if isinstance(atom, gast.Constant)]
    if not held:
        return options
    names = options.get("static_argnames") or ()
    names = (names,) if isinstance(names, str) else tuple(names)
    return {**options, "static_argnames": (*names, *[p for p in held if p not in names])}
