"""Partial applications under a transformation: keywords find their place, and Python values stay Python values under jit.

    jit(partial(f, n=3))(x)      # def f(x, n)
    ->
    def f_n(n, x): return f(x, n)
    f_n_jit(3, x)                # n static

A jitted function that gets functions is specialised to them, as a plain one is.
"""
from __future__ import annotations

import types

import gast

from xform import parse, resolve
from xform.errors import refuse
from xform.resolve import Closure, Object, Partial
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


def options_of_call(kind, options, unit, prefix, given):
    """The options of a transformed function for a call; given: (number of positional arguments, names of keywords), or None.

    What a call of a vmapped function gives by name is mapped, and so is what it gives a parameter with a default. A negative argnum
    counts from the last argument that the call gives.
    """
    if kind == "jit":
        return options_of_jit(options, unit, prefix)
    if given is None:
        return options
    if kind == "vmap":
        from xform.transform.vmap import with_axes
        return with_axes(unit, options, len(prefix), *given)
    if kind == "vectorize":
        held = len(prefix)
        return {**options, "given": (*unit.params[held:held + given[0]], *given[1])}
    numbers = options.get("argnums", 0)
    if isinstance(numbers, int):
        return options if numbers >= 0 else {**options, "argnums": numbers + given[0]}
    return {**options, "argnums": tuple(n if n >= 0 else n + given[0] for n in numbers)}


def options_of_jit(options, unit, prefix):
    """The options of jit for a function whose leading arguments are held: those that are constants are static."""
    held = [p for p, atom in zip(unit.params, prefix) if isinstance(atom, gast.Constant)]
    if not held:
        return options
    names = options.get("static_argnames") or ()
    names = (names,) if isinstance(names, str) else tuple(names)
    return {**options, "static_argnames": (*names, *[p for p in held if p not in names])}


def _applied(inner):
    """{parameter: value} of a partial application of a plain function that gives Python values by name, and nothing else; else {}."""
    values = dict(inner.keywords) if isinstance(inner, Partial) and isinstance(inner.fn, Object) and not inner.args else {}
    return values if all(isinstance(v, Object) and resolve.is_plain(v.value) for v in values.values()) else {}


def jit_of_functions(lowering, callee, args, keywords, node):
    """(unit, leading atoms, arguments, keywords) of a call of a jitted function with functions or objects among its arguments, which
    it is specialised to; None where there are none."""
    from xform import pipeline
    from xform.desugar.flags import is_flag, tested
    from xform.desugar.functions import specialise
    from runtime.op import rule_of
    inner, options = resolve.normal(callee.fn), dict(callee.options)
    applied = _applied(inner)
    if applied:
        inner = inner.fn
    if isinstance(inner, Object) and isinstance(inner.value, types.FunctionType) and rule_of(inner.value) is None:
        parameters = parse.signature(inner.value).parameters
        names = [p for p in parameters if p not in applied]
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters.values()):
            return None
    elif isinstance(inner, Closure) and hasattr(inner.nested, "specialised"):
        names = list(inner.nested.signature().parameters)
    else:
        return None
    statics = {p: a for p, a in [*zip(names, args), *keywords.items()]
               if p in names and not isinstance(a, gast.AST) and resolve.is_static(a)}
    if applied:
        if not statics:
            return None
        statics.update(applied)
    if isinstance(inner, Object):       # what the call leaves out stays a Python value, and branches that ask for it are decided
        given = {*names[:len(args)], *keywords}
        asked = tested(inner.value) - given
        statics.update({p: Object(parameters[p].default) for p in asked if p in parameters and is_flag(parameters[p].default)})
    if not statics or options.get("in_shardings") is not None or any(isinstance(a, gast.Starred) for a in args):
        return None
    if isinstance(inner, Object):
        unit, passed = specialise(lowering, inner.value, statics, node)
        prefix = [name(n, node) for n in passed]
    else:
        unit, passed = inner.nested.specialised(statics)
        prefix = [name(n, node) for n in [*inner.env, *passed]]
    left = [p for p in names if p not in statics]
    for key in ("static_argnums", "donate_argnums"):
        numbers = options.get(key)
        if numbers is not None:
            numbers = (numbers,) if isinstance(numbers, int) else numbers
            options[key] = tuple([left.index(names[n]) for n in numbers if names[n] not in statics])
    for key in ("static_argnames", "donate_argnames"):
        wanted = options.get(key)
        if wanted is not None:
            options[key] = tuple([n for n in ((wanted,) if isinstance(wanted, str) else wanted) if n not in statics])
    made = pipeline.derive("jit", unit, options_of_jit(options, unit, prefix), len(prefix))
    return (made, prefix, [a for p, a in zip(names, args) if p not in statics] + args[len(names):],
            {k: a for k, a in keywords.items() if k not in statics})
