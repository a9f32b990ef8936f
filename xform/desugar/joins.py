"""Sequences joined by ``+`` and repeated by ``*``: calls, whose derivative splits or folds a cotangent's items.

Before::

    xs = [x, y]
    ys = xs + [z]
    zs = ys * 2

After: ``ys = rt.extend(xs, [z])`` and ``zs = rt.repeated(ys, 2)``. What holds constants alone stays as it is (``[0.0] * n``).

A function that joins or repeats its parameters is read anew for calls that give it lists or tuples there (``Sequence`` in kinds.py).
"""
from __future__ import annotations

import functools
import types
import weakref

import gast

from xform import parse, resolve
from xform.desugar.kinds import SEQUENCE
from xform.errors import SourceError
from xform.library import is_runtime
from xform.syntax import at, call, clone, dotted

MAKES = frozenset({"rt.append", "rt.extend", "rt.insert", "rt.repeated", "rt.builtins.list", "rt.builtins.tuple", "rt.builtins.sorted",
                   "rt.builtins.zip", "rt.builtins.enumerate", "rt.builtins.map", "rt.builtins.filter"})

CHANGES = frozenset({"rt.setitem", "rt.remove", "rt.reverse", "rt.builtins.in_order"})      # of a list, or of something else

SETS = {gast.BitOr: "rt.with_members", gast.Sub: "rt.without_members", "add": "rt.with_members", "discard": "rt.without_members"}     # changes of a set in place


def note(lowering, target, value):
    """Note whether a local is assigned a sequence, and whether one of constants."""
    found = _is_made(lowering, value)
    lowering.lists.discard(target)
    lowering.constant_lists.discard(target)
    (lowering.sets.add if _is_set(lowering, value) else lowering.sets.discard)(target)
    if isinstance(value, (gast.List, gast.Tuple)) and all(isinstance(e, gast.Constant) for e in value.elts) and (
            value.elts or isinstance(value, gast.Tuple)):
        lowering.constant_lists.add(target)
        found = isinstance(value, gast.List)
    if found:
        lowering.lists.add(target)


def forget(lowering, targets):
    """Note that locals are assigned parts of something: what they were is known no more."""
    lowering.lists.difference_update(targets)
    lowering.constant_lists.difference_update(targets)
    lowering.sets.difference_update(targets)


def _is_set(lowering, value):
    return isinstance(value, gast.Set) or isinstance(value, gast.Name) and value.id in lowering.sets or isinstance(
        value, gast.Call) and dotted(value.func) in ("set", "rt.builtins.set", *SETS.values())


def changed_set(lowering, base, change, members, node):
    """``s |= members`` and ``s -= members`` for a local that was assigned a set, which other names may have, too; None for others."""
    if change not in SETS or not isinstance(base, gast.Name) or base.id not in lowering.sets or base.id not in lowering.counts:
        return None
    return call(SETS[change], [base, members], node=node)


def _is_made(lowering, value):
    if isinstance(value, (gast.List, gast.Tuple)):
        return True
    if isinstance(value, gast.Call):
        return dotted(value.func) in MAKES or dotted(value.func) in CHANGES and is_sequence(lowering, value.args[0])
    of = value.value if isinstance(value, gast.Subscript) and isinstance(value.slice, gast.Slice) else value
    return is_sequence(lowering, of)


def is_sequence(lowering, atom):
    """Whether a local was assigned a list, or a tuple with something in it that is no constant."""
    return isinstance(atom, gast.Name) and atom.id in lowering.lists


def binary(lowering, node, left, right):
    """A call for an operation of a sequence; None for one of numbers."""
    sides = is_sequence(lowering, left), is_sequence(lowering, right)
    if isinstance(node.op, gast.Add) and any(sides):
        other = right if sides[0] else left
        if not all(sides) and isinstance(other, gast.Name) and not hasattr(node, "in_place"):    # xs += v takes anything to loop over
            lowering.out.append(at(gast.Expr(call("rt.joinable", [clone(other)], node=node)), node))
        return call("rt.extend", [left, right], node=node)
    if isinstance(node.op, gast.Mult) and sum(sides) == 1:
        items, times = (left, right) if sides[0] else (right, left)
        if items.id not in lowering.constant_lists:
            return call("rt.repeated", [items, times], node=node)
    return None


# -- parameters that are joined or repeated -------------------------------------------------------------------------------------

# function -> (the parameters, {name: what it stood for}): functions that one def makes differ in what their names stand for
_joined = weakref.WeakKeyDictionary()
_open: set = set()      # nested functions that are being looked at


def joined(function) -> frozenset:
    """The parameters of a function that it, or a function that it calls, adds to something or multiplies by something."""
    if not isinstance(function, types.FunctionType) or is_runtime(function):
        return frozenset()
    known = _joined.get(function)
    if known is not None and all([_called(function, name) is value for name, value in known[1].items()]):
        return known[0]
    names, found = {}, frozenset()

    def called(name):
        names[name] = _called(function, name)
        return names[name]
    _joined[function] = found, names        # while this is worked out, a recursive mention adds nothing
    try:
        found = joined_in(parse.parse(function).tree, called)
    except SourceError:     # what has no source joins nothing that is known of
        pass
    _joined[function] = found, names
    return found


def joined_in(tree, called) -> frozenset:
    """The same of a function that is read; called: what a name is bound to outside of it, or None."""
    params = {a.id for a in gast.walk(tree.args) if isinstance(a, gast.Name)}
    nested = {n.name: n for n in gast.walk(tree) if isinstance(n, gast.FunctionDef) and n is not tree}
    held = {p: p for p in params}       # local -> the parameter that it is, or is a part of
    found = set()
    for node in gast.walk(tree):
        if isinstance(node, gast.Assign) and isinstance(node.targets[0], gast.Name):
            of = _root(node.value)
            if of in held:
                held.setdefault(node.targets[0].id, held[of])
    for node in gast.walk(tree):
        operands = []
        if isinstance(node, gast.BinOp) and isinstance(node.op, (gast.Add, gast.Mult)):
            operands = [node.left, node.right]
        elif isinstance(node, gast.AugAssign) and isinstance(node.op, (gast.Add, gast.Mult)):
            operands = [node.target, node.value]
        elif isinstance(node, gast.Call):
            function = node.func
            while isinstance(function, gast.Call) and function.args:    # grad(f)(xs)
                function = function.args[0]
            if isinstance(function, gast.Name):
                operands = _passed(node, nested.get(function.id) or called(function.id), called)
        found |= {held[_root(o)] for o in operands if _root(o) in held}
    return frozenset(found)


def _root(node):
    """The local that an expression is, or is a slice of; None for any other."""
    if isinstance(node, gast.Subscript) and isinstance(node.slice, gast.Slice):
        return _root(node.value)
    if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and node.func.id in ("list", "tuple") and len(node.args) == 1:
        return _root(node.args[0])
    return node.id if isinstance(node, gast.Name) else None


def _called(function, name):
    try:
        place = function.__code__.co_freevars.index(name)
        return function.__closure__[place].cell_contents
    except ValueError:      # no free variable, or one that has no value yet
        return function.__globals__.get(name)


def _plain(fun):
    """(the function that a method, a partial application or a transformed function is of, how many arguments it has already)."""
    skip = 0
    while True:
        if isinstance(fun, types.MethodType):
            fun, skip = fun.__func__, skip + 1
        elif isinstance(fun, functools.partial):
            fun, skip = fun.func, skip + len(fun.args)
        elif hasattr(type(fun), "_xform_known") and hasattr(fun, "fun"):
            fun = fun.fun
        else:
            return fun, skip


def _passed(node, callee, called):
    """The arguments of a call that its function joins or repeats."""
    callee, skip = _plain(callee)
    if isinstance(callee, gast.FunctionDef):
        names, wanted = [a.id for a in callee.args.args], _nested(callee, called)
    elif isinstance(callee, types.FunctionType) and not is_runtime(callee):
        names, wanted = list(parse.signature(callee).parameters)[skip:], joined(callee)
    else:
        return []
    return [a for p, a in [*zip(names, node.args), *[(k.arg, k.value) for k in node.keywords]] if p in wanted]


def _nested(tree, called):
    if tree in _open:
        return frozenset()
    _open.add(tree)
    try:
        return joined_in(tree, called)
    finally:
        _open.discard(tree)


def taken(lowering, function, names, atoms):
    """{parameter: kind} of the sequences that a call gives to parameters which the function joins or repeats."""
    given = [p for p, a in zip(names, atoms) if is_sequence(lowering, a) or isinstance(a, gast.Constant) and isinstance(a.value, tuple)]
    wanted = joined(function) if given else ()
    return {p: SEQUENCE for p in given if p in wanted}


def taken_by_nested(lowering, callee, args, keywords):
    """(kinds of the positional arguments, of the keywords) of a call of a nested function; None where nothing is joined."""
    if not any(is_sequence(lowering, a) for a in [*args, *keywords.values()]):
        return None
    wanted = joined_in(callee.nested.tree, lambda name: None)
    names = list(callee.nested.signature().parameters)
    positional = tuple([SEQUENCE if p in wanted and is_sequence(lowering, a) else None for p, a in zip(names, args)])
    named = tuple([(p, SEQUENCE if p in wanted and is_sequence(lowering, a) else None) for p, a in keywords.items()])
    return (positional, named) if SEQUENCE in (*positional, *dict(named).values()) else None


def kinds_of_arguments(lowering, callee, kind_of):
    """The function that gives the kind of an argument of a call of a transformed function."""
    while isinstance(callee, (resolve.Derived, resolve.Partial)):
        callee = resolve.normal(callee.fn)
    if not (isinstance(callee, resolve.Object) and joined(callee.value)):
        return kind_of
    return lambda value: SEQUENCE if is_sequence(lowering, value) else kind_of(value)


def kinds_with(fun, kinds, args, kwargs):
    """The kinds of the arguments of a call from outside, with those of the lists and tuples that its function joins or repeats."""
    for value in (*args, *kwargs.values()):
        if type(value) is list or type(value) is tuple:
            break
    else:
        return kinds
    fun, skip = _plain(fun)
    wanted = joined(fun)
    if not wanted:
        return kinds
    names = list(parse.signature(fun).parameters)[skip:]
    positional, named = kinds or ((None,) * len(args), tuple([(k, None) for k in kwargs]))
    positional = tuple([_or_sequence(k, v, p in wanted) for k, v, p in zip(positional, args, [*names, *[None] * len(args)])])
    named = tuple([(p, _or_sequence(k, kwargs[p], p in wanted)) for p, k in named])
    return (positional, named) if any(k is not None for k in (*positional, *dict(named).values())) else kinds


def _or_sequence(kind, value, wanted):
    return SEQUENCE if kind is None and wanted and type(value) in (list, tuple) else kind


def spread(lowering, node):
    """``[*a, b, *c]`` is ``rt.extend(rt.extend([*a], [b]), c)``."""
    kind, parts, plain = type(node), [], []
    for element in node.elts:
        if isinstance(element, gast.Starred):
            parts += [at(gast.List(plain, gast.Load()), node)] if plain else []
            parts.append(element)
            plain = []
        else:
            plain.append(element)
    parts += [at(gast.List(plain, gast.Load()), node)] if plain else []
    first = [parts[0]] if isinstance(parts[0], gast.Starred) else parts[0].elts
    made = lowering.store_temp(lowering.value(at(kind(first, gast.Load()), node)), "items", node)
    for part in parts[1:]:
        more = part.value if isinstance(part, gast.Starred) else part
        made = lowering.store_temp(call("rt.extend", [made, lowering.atom(more)], node=node), "items", node)
    return made


__all__ = ["binary", "is_sequence", "joined", "kinds_of_arguments", "kinds_with", "note", "spread", "taken", "taken_by_nested"]
