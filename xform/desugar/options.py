"""Options that a function passes on to a transformation: a call that writes them out gets code of its own.

Before::

    def slope(f, argnum=0):
        return grad(f, argnums=argnum)
    y = slope(loss, 1)(w, x)

After, where ``slope`` is read with ``argnum`` known to be 1::

    y = loss_grad(w, x)
"""
from __future__ import annotations

import functools
import types

import gast

from xform import parse, resolve
from xform.errors import SourceError
from xform.library import is_runtime
from xform.resolve import Object

_found: dict = {}


def parameters_of(function: types.FunctionType) -> frozenset:
    """The parameters of a function that its text gives to transformations as options."""
    if function.__code__ not in _found:
        from xform.desugar.functions import GlobalScope
        _found[function.__code__] = frozenset()      # while this is worked out, a recursive mention adds nothing
        try:
            tree = parse.parse(function).tree
        except SourceError:
            return frozenset()
        _found[function.__code__] = in_tree(tree, GlobalScope(function).find)
    return _found[function.__code__]


def in_tree(tree, find) -> frozenset:
    """The parameters of a function's tree that are options; ``find`` tells what a free name is."""
    from xform.desugar.functions import binding_counts, parameters
    own, given = binding_counts(tree), set()
    for node in gast.walk(tree):
        if isinstance(node, gast.Call):
            for expression in _options(node, lambda e: _known(e, find, own)):
                given |= {n.id for n in gast.walk(expression) if isinstance(n, gast.Name)}
    return frozenset(p for p in parameters(tree) if p in given and own[p] == 1)


def _known(node, find, own):
    if isinstance(node, gast.Name):
        found = find(node.id, node) if node.id not in own else None
        return None if isinstance(found, str) else found
    if isinstance(node, gast.Attribute):
        base = _known(node.value, find, own)
        return resolve.attribute(base, node.attr) if isinstance(base, Object) else None
    return None


def _options(node, known):
    """The expressions that a call gives as options of a transformation, or to a function that passes them on."""
    from xform.desugar.calls import transformation
    callee = known(node.func)
    args, keywords = [a for a in node.args if not isinstance(a, gast.Starred)], {k.arg: k.value for k in node.keywords if k.arg}
    kind = transformation(callee)
    if kind:
        if kind in resolve.DIRECT_KINDS:
            return [e for k, e in keywords.items() if k in ("has_aux", "factorial_scaled")]
        return [*args[1:], *keywords.values()]
    if isinstance(callee, Object) and callee.value is functools.partial:
        return list(keywords.values()) if args and transformation(known(args[0])) else []
    if isinstance(callee, Object) and isinstance(callee.value, types.FunctionType) and not is_runtime(callee.value):
        wanted, names = parameters_of(callee.value), list(parse.signature(callee.value).parameters)
        return [e for p, e in [*zip(names, args), *keywords.items()] if p in wanted]
    return []


def constants(lowering, wanted, given):
    """{parameter: compile-time value} of the arguments in ``wanted`` that are written out: numbers, strings, tuples of them."""
    found = {p: _literal(lowering, a) for p, a in given.items() if p in wanted}
    return {p: made for p, made in found.items() if made is not None}


def defaults(lowering, wanted, given, signature):
    """{parameter: compile-time value} of the options that a call leaves out."""
    left = {p.name: p.default if isinstance(p.default, gast.AST) or isinstance(p.default, Object) else Object(p.default)
            for p in signature.parameters.values() if p.name in wanted - set(given) and p.default is not p.empty}
    return constants(lowering, wanted, left)


def _literal(lowering, atom):
    if isinstance(atom, gast.Name):      # a tuple was stored before the call
        atom = next((s.value for s in reversed(lowering.out) if isinstance(s, gast.Assign) and len(s.targets) == 1
                     and isinstance(s.targets[0], gast.Name) and s.targets[0].id == atom.id and atom.id in lowering.temps), None)
    if isinstance(atom, Object):
        return atom if resolve.is_plain(atom.value) else None
    try:
        value = gast.literal_eval(atom) if isinstance(atom, gast.AST) else None
    except ValueError:
        return None
    return Object(value) if resolve.is_plain(value) and atom is not None else None
