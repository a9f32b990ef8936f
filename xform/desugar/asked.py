"""Questions about a function inside a transformed function: the types of its result are the same for every example, and carry no derivative.

Before::

    spec = eval_shape(lambda v: v[n:] * w, x)

After (``f_lambda_jit`` is a unit of its own, and the place of ``x`` is 2)::

    spec = rt.result_types(f_lambda_jit, (n, w, x), (2,))
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.desugar.calls import arguments, atom_of, bind, direct, kinds_given, unstarred
from xform.errors import refuse
from xform.resolve import Derived
from xform.syntax import at, call, const, name

METHODS = {"eval_shape": "rt.result_types", "lower": "rt.lowered"}     # of a jitted function


def eval_shape(lowering, node):
    """The value of ``eval_shape(f, *args)``."""
    known = resolve.normal(lowering.known(node.args[0])) if node.args and not isinstance(node.args[0], gast.Starred) else None
    if known is None or not resolve.is_function(known):
        refuse(node, lowering.unit, "eval_shape of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, a lambda or a partial of one.")
    jitted = known if isinstance(known, Derived) and known.kind == "jit" else Derived("jit", known, ())
    return of_function(lowering, "rt.result_types", jitted, at(gast.Call(node.func, node.args[1:], node.keywords), node))


def method(lowering, node):
    """The value of ``jit(f).eval_shape(*args)``; None where this is no such question."""
    if not isinstance(node.func, gast.Attribute) or node.func.attr not in METHODS:
        return None
    known = resolve.normal(lowering.known(node.func.value))
    if not isinstance(known, Derived) or known.kind != "jit":
        return None
    return of_function(lowering, METHODS[node.func.attr], known, node)


def of_function(lowering, path, function, node):
    """The call of a question about a jitted function with the arguments of ``node``."""
    args, keywords = arguments(lowering, node)
    spelled = not any(isinstance(a, gast.Starred) for a in args)
    unit, prefix, held = direct(lowering, function, node, kinds_given(lowering, function, args, keywords), called=True,
                                given=(len(args), tuple(keywords)) if spelled else None)
    args = unstarred(lowering, unit.signature, [atom_of(lowering, a, node) for a in args], keywords, node)
    keywords = {k: atom_of(lowering, v, node) for k, v in keywords.items()}
    own = bind(lowering, unit, args, {**{k: atom_of(lowering, v, node) for k, v in held.items()}, **keywords}, node, function)
    try:
        bound = unit.signature.bind_partial(*args, **keywords).arguments
    except TypeError as error:
        refuse(node, lowering.unit, f"{unit.name}() {error}")
    places = [len(prefix) + i for i, p in enumerate(unit.signature.parameters) if p in bound]
    given = at(gast.Tuple([const(i, node) for i in places], gast.Load()), node)
    values = lowering.atom_value(at(gast.Tuple(prefix + own, gast.Load()), node))
    return call(path, [name(lowering.refer(unit.name, unit), node), values, lowering.atom_value(given)], node=node)
