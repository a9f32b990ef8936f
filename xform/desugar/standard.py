"""Calls of Python's standard library that are better written otherwise, before they are lowered: as operators, lambdas, bounded iterables.

Before::

    rows = sorted(pairs, key=operator.itemgetter(0))
    for i, x in zip(itertools.count(1), xs):
        total += math.log(x, 2) * i

After: ``key=lambda obj: obj[0]``, ``zip(rt.iteration.counted(len(xs), 1), xs)`` and ``rt.scalars.log_to_base(x, 2)``.
"""
from __future__ import annotations

import builtins
import collections
import copy
import dataclasses
import functools
import itertools
import math
import operator
import types

import gast

from runtime import builtins as runtime_builtins, collected, iteration, scalars
from runtime.stage import ShapeDtypeStruct
from xform.errors import refuse
from xform.library import TEXT_METHODS
from xform.resolve import Display, Instance, Object
from xform.syntax import at, call, clone, const, name

_IN_PLACE = {operator.isub: gast.Sub, operator.itruediv: gast.Div, operator.ifloordiv: gast.FloorDiv, operator.imod: gast.Mod,
             operator.ipow: gast.Pow, operator.imatmul: gast.MatMult, operator.iand: gast.BitAnd, operator.ior: gast.BitOr,
             operator.ixor: gast.BitXor, operator.ilshift: gast.LShift, operator.irshift: gast.RShift}
_PLAIN = {operator.add: gast.Add, operator.sub: gast.Sub, operator.mul: gast.Mult, operator.truediv: gast.Div, operator.pow: gast.Pow,
          operator.floordiv: gast.FloorDiv, operator.mod: gast.Mod, operator.matmul: gast.MatMult}
_MAPS = {2: iteration.map_2, 3: iteration.map_3, 4: iteration.map_4}
_CLASSES = {collections.deque: collected.Deque, collections.Counter: collected.Counter}
_ENDLESS = {itertools.count: iteration.counted, itertools.cycle: iteration.cycled, itertools.repeat: iteration.repeated}


def value_of(lowering, node):
    """The Python object that an expression is known to be; None for others."""
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute)) else None
    return known.value if isinstance(known, Object) else None


def spelled(lowering, node):
    """The expression that a call stands for; None for a call that is lowered as it is."""
    if any(isinstance(a, gast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        return None
    text = _text(node)
    if text is not None:
        return text
    value = value_of(lowering, node.func)
    if getattr(value, "__module__", None) == "pdb" and getattr(value, "__name__", None) == "set_trace" and not node.args:
        return at(gast.Call(name("breakpoint", node), [], []), node)
    if any(value is theirs for theirs in _CLASSES):
        from xform.desugar import objects
        return objects.make(lowering, _CLASSES[value], node)
    if (value is dataclasses.asdict or value is dataclasses.astuple) and len(node.args) == 1 and not node.keywords:
        return _of_fields(lowering, node.args[0], lowering.known(node.args[0]), value is dataclasses.asdict, node)
    if value is collections.defaultdict:
        refuse(node, lowering.unit, "this collections.defaultdict cannot be made in a transformed function: it is no local variable that is bound "
               "once, is returned as it is, is given entries, or its factory is no float, int, str, bool, list, dict or lambda of a constant",
               "Use a dict with setdefault or get.")
    if isinstance(value, types.MethodType) and value.__name__ == "_make" and hasattr(value.__self__, "_fields") and isinstance(node.func, gast.Attribute):
        return _made_of(lowering, node, value.__self__._fields)
    try:
        rule = _CALLS.get(value) if value is not None else None
    except TypeError:       # unhashable
        return None
    return None if rule is None else rule(lowering, node, value)


def _text(node):
    """What a method of a string that is written out gives, where its arguments are, too: ``"a b".split()`` is ``["a", "b"]``."""
    if not (isinstance(node.func, gast.Attribute) and isinstance(node.func.value, gast.Constant) and isinstance(node.func.value.value, str)
            and node.func.attr in TEXT_METHODS and not node.keywords and all(isinstance(a, gast.Constant) for a in node.args)):
        return None
    try:
        made = getattr(node.func.value.value, node.func.attr)(*[a.value for a in node.args])
    except (TypeError, ValueError):     # raised where it is run
        return None
    if isinstance(made, (list, tuple)):
        return at((gast.List if isinstance(made, list) else gast.Tuple)([const(m, node) for m in made], gast.Load()), node)
    return const(made, node)


def _named(lowering, function):
    """A name for a function of the runtime."""
    identifier = f"{function.__name__}__"
    lowering.statics[identifier] = Object(function)
    return identifier


def _call(lowering, function, args, node, keywords=()):
    return at(gast.Call(name(_named(lowering, function), node), list(args), list(keywords)), node)


# -- operator ---------------------------------------------------------------------------------------------------------------------

def _reader(node, body):
    """A lambda of one argument."""
    arguments = gast.arguments([at(gast.Name("obj", gast.Param(), None, None), node)], [], None, [], [], None, [])
    return at(gast.Lambda(arguments, body), node)


def _getter(lowering, node, value):
    made = [at(gast.Subscript(name("obj", node), clone(place), gast.Load()), node) for place in node.args]
    return _reader(node, made[0] if len(made) == 1 else at(gast.Tuple(made, gast.Load()), node))


def _attribute_getter(lowering, node, value):
    made = []
    for path in node.args:
        if not isinstance(path, gast.Constant):
            return None
        part = name("obj", node)
        for attr in path.value.split("."):
            part = at(gast.Attribute(part, attr, gast.Load()), node)
        made.append(part)
    return _reader(node, made[0] if len(made) == 1 else at(gast.Tuple(made, gast.Load()), node))


def _method_caller(lowering, node, value):
    if not node.args or not isinstance(node.args[0], gast.Constant):
        return None
    method = at(gast.Attribute(name("obj", node), node.args[0].value, gast.Load()), node)
    return _reader(node, at(gast.Call(method, [clone(a) for a in node.args[1:]], [clone(k) for k in node.keywords]), node))


def _binary(lowering, node, value):
    return at(gast.BinOp(node.args[0], {**_IN_PLACE, **_PLAIN}[value](), node.args[1]), node) if len(node.args) == 2 else None


def _compared(kind, swapped=False):
    def rule(lowering, node, value):
        left, right = reversed(node.args) if swapped else node.args
        return at(gast.Compare(left, [kind()], [right]), node)
    return rule


# -- itertools ----------------------------------------------------------------------------------------------------------------------

def _options(node, *names):
    """The arguments of a call by parameter."""
    return {**dict(zip(names, node.args)), **{k.arg: k.value for k in node.keywords}}


def _none(node):
    return node is None or isinstance(node, gast.Constant) and node.value is None


def _accumulate(lowering, node, value):
    given = _options(node, "iterable", "func")
    by, initial = [None if _none(given.get(k)) else given[k] for k in ("func", "initial")]
    function = {(False, False): iteration.accumulate, (True, False): iteration.accumulate_by, (False, True): iteration.accumulate_from,
                (True, True): iteration.accumulate_by_from}[by is not None, initial is not None]
    return _call(lowering, function, [a for a in (given.get("iterable"), by, initial) if a is not None], node)


def _islice(lowering, node, value):
    iterable, *bounds = node.args
    source = _endless(lowering, iterable)
    if source is not None:
        last = bounds[0] if len(bounds) == 1 else bounds[1]
        iterable = _bounded(lowering, iterable, source, last)
    return _call(lowering, iteration.islice_to if len(bounds) == 1 else iteration.islice, [iterable, *bounds], node)


def _groupby(lowering, node, value):
    given = _options(node, "iterable", "key")
    if _none(given.get("key")):
        return _call(lowering, iteration.groupby, [given["iterable"]], node)
    return _call(lowering, iteration.groupby_by, [given["iterable"], given["key"]], node)


def _filterfalse(lowering, node, value):
    if len(node.args) == 2 and _none(node.args[0]):
        return _call(lowering, iteration.filterfalse, [at(gast.Name("bool", gast.Load(), None, None), node), node.args[1]], node)
    return None


def _endless(lowering, node):
    """The kind of iterable without an end that an expression makes, or None."""
    value = value_of(lowering, node.func) if isinstance(node, gast.Call) else None
    found = value if isinstance(value, type) and value in _ENDLESS else None
    return None if found is itertools.repeat and len(node.args) + len(node.keywords) != 1 else found


def _bounded(lowering, node, kind, number):
    """The first items of an iterable without an end."""
    return _call(lowering, _ENDLESS[kind], [number, *node.args], node, node.keywords)


def _zip(lowering, node, value):
    """``zip`` of iterables without an end and at least one with: as many of their items as that one has."""
    kinds = [_endless(lowering, a) for a in node.args]
    ends = [i for i, kind in enumerate(kinds) if kind is None]
    if not ends or len(ends) == len(kinds) or node.keywords:
        return None
    args = list(node.args)
    args[ends[0]] = lowering.atom(args[ends[0]])
    number = at(gast.Call(name("len", node), [clone(args[ends[0]])], []), node)
    args = [a if kind is None else _bounded(lowering, a, kind, number) for a, kind in zip(args, kinds)]
    return at(gast.Call(node.func, args, []), node)


def _map(lowering, node, value):
    if len(node.args) < 3:
        return None
    if len(node.args) - 1 in _MAPS:
        return _call(lowering, _MAPS[len(node.args) - 1], node.args, node)
    return _call(lowering, iteration.starmap, [node.args[0], at(gast.Call(name("zip", node), node.args[1:], []), node)], node)


def _next(lowering, node, value):
    """``next(x for x in xs if ...)`` and ``next(iter(xs))``, with or without a default."""
    items = node.args[0]
    if isinstance(items, gast.Call) and value_of(lowering, items.func) is iter and len(items.args) == 1 and not (
            _moves_on(lowering, items.args[0])):
        items = call("list", items.args, node=node)
        return _call(lowering, iteration.first if len(node.args) == 1 else iteration.first_or, [items, *node.args[1:]], node)
    if not isinstance(items, gast.GeneratorExp):
        refuse(node, lowering.unit, "next() of an iterator is not supported in a transformed function", "Loop over the sequence, or index it.")
    items = at(gast.ListComp(items.elt, items.generators), node)
    return _call(lowering, iteration.first if len(node.args) == 1 else iteration.first_or, [items, *node.args[1:]], node)


def _moves_on(lowering, node):
    """Whether an expression may be an iterator, which would stand at its second item then."""
    if isinstance(lowering.known(node), Instance):
        return True
    if not isinstance(node, gast.Name):
        return False
    bound = [n.value for n in gast.walk(lowering.tree) if isinstance(n, gast.Assign) and any(
        isinstance(t, gast.Name) and t.id == node.id for t in n.targets)]
    return any(isinstance(v, gast.GeneratorExp) or isinstance(v, gast.Call) and value_of(lowering, v.func) in (
        iter, zip, map, filter, enumerate, reversed) for v in bound)


def _from_keys(lowering, node, value):
    """``dict.fromkeys(keys, v)`` as ``{k: v for k in keys}``, ``v`` being worked out once."""
    if node.keywords or len(node.args) not in (1, 2):
        return None
    held = node.args[1] if len(node.args) == 2 else const(None, node)
    if not (isinstance(held, (gast.Name, gast.Attribute)) and lowering.known(held) is not None):
        held = lowering.atom(held)
    keys = node.args[0]
    if isinstance(keys, gast.Constant) and isinstance(keys.value, str):
        return at(gast.Dict([const(k, node) for k in keys.value], [clone(held) for _ in keys.value]), node)
    if isinstance(keys, (gast.List, gast.Tuple)) and not any(isinstance(k, gast.Starred) for k in keys.elts):
        return at(gast.Dict(list(keys.elts), [clone(held) for _ in keys.elts]), node)
    key = lowering.temp("key")
    turn = gast.comprehension(at(gast.Name(key, gast.Store(), None, None), node), node.args[0], [], 0)
    return at(gast.DictComp(name(key, node), held, [turn]), node)


def _made_of(lowering, node, fields):
    """``Point._make(items)`` as ``Point(x, y)``, after ``x, y = items``."""
    if node.keywords or len(node.args) != 1:
        return None
    parts = [lowering.temp(field) for field in fields]
    lowering.statement(at(gast.Assign([at(gast.Tuple([at(gast.Name(p, gast.Store(), None, None), node) for p in parts], gast.Store()), node)],
                                      node.args[0], None), node))
    return at(gast.Call(node.func.value, [name(p, node) for p in parts], []), node)


def _copied(lowering, node, value):
    """A copy of a value; one of an object is known (values.py)."""
    if len(node.args) != 1 or not isinstance(lowering.known(node.args[0]), (type(None), Object)):
        return None
    return _call(lowering, runtime_builtins.copy if value is copy.copy else runtime_builtins.deepcopy, node.args, node)


# -- functools -------------------------------------------------------------------------------------------------------------------------

def _reduced(lowering, node, value):
    """``reduce(f, items, first)`` of objects: calls of ``f``, in a loop over data; None where it is one of data."""
    if node.keywords or len(node.args) not in (2, 3):
        return None
    combine, items, *first = node.args
    known, start = lowering.known(items), lowering.known(first[0]) if first else None
    parts = list(known.items) if isinstance(known, Display) and known.keys is None else []
    if not isinstance(start, Instance) and not any(isinstance(part, Instance) for part in parts):
        return None
    made = lowering.temp("reduced")
    if not parts and known is None:
        item = lowering.temp("item")
        step = at(gast.Call(combine, [name(made, node), name(item, node)], []), node)
        lowering.statement(at(gast.Assign([_stored(made, node)], first[0], None), node))
        lowering.statement(at(gast.For(_stored(item, node), items, [at(gast.Assign([_stored(made, node)], step, None), node)], [], None), node))
        return name(made, node)
    found = first[0] if first else None
    for part in parts:
        held = lowering.temp("item")
        lowering.counts[held] = 1
        if isinstance(part, gast.AST):
            lowering.emit(held, clone(part), node)
        else:
            lowering.statics[held] = part
        found = name(held, node) if found is None else at(gast.Call(combine, [found, name(held, node)], []), node)
    return found


def _stored(identifier, node):
    return at(gast.Name(identifier, gast.Store(), None, None), node)


# -- math ---------------------------------------------------------------------------------------------------------------------------

def _log(lowering, node, value):
    return _call(lowering, scalars.log_to_base, node.args, node) if len(node.args) == 2 else None


# -- types of arrays ----------------------------------------------------------------------------------------------------------------

def _type_like(lowering, node, value):
    """``ShapeDtypeStruct.like(x)`` is the type that x has here: of one example, in code that is batched."""
    if len(node.args) != 1 or node.keywords or not isinstance(node.func, gast.Attribute):
        return None
    of = lowering.atom(node.args[0])
    if isinstance(of, gast.Constant):
        return None
    shape, dtype = [at(gast.Attribute(clone(of), own, gast.Load()), node) for own in ("shape", "dtype")]
    weak = gast.keyword("weak_type", at(gast.Attribute(clone(of), "weak_type", gast.Load()), node))
    return at(gast.Call(node.func.value, [shape, dtype], [weak]), node)


_CALLS = {operator.itemgetter: _getter, operator.attrgetter: _attribute_getter, operator.methodcaller: _method_caller,
          operator.not_: lambda lowering, node, value: at(gast.UnaryOp(gast.Not(), node.args[0]), node),
          operator.truth: lambda lowering, node, value: at(gast.Call(name("bool", node), node.args, []), node),
          operator.is_: _compared(gast.Is), operator.is_not: _compared(gast.IsNot), operator.contains: _compared(gast.In, swapped=True),
          operator.concat: lambda lowering, node, value: at(gast.BinOp(node.args[0], gast.Add(), node.args[1]), node),
          operator.getitem: lambda lowering, node, value: at(gast.Subscript(*node.args, gast.Load()), node),
          **dict.fromkeys([*_IN_PLACE, *_PLAIN], _binary), itertools.accumulate: _accumulate, itertools.islice: _islice, itertools.groupby: _groupby,
          itertools.filterfalse: _filterfalse, builtins.zip: _zip, builtins.map: _map, builtins.next: _next, math.log: _log, copy.copy: _copied,
          copy.deepcopy: _copied, functools.reduce: _reduced, dict.fromkeys: _from_keys, ShapeDtypeStruct.like: _type_like}
if hasattr(operator, "call"):
    _CALLS[operator.call] = lambda lowering, node, value: at(gast.Call(node.args[0], node.args[1:], node.keywords), node)


def is_truth(lowering, node):
    """Whether a call asks for nothing but the truth of its argument, as a branch does."""
    return len(node.args) == 1 and not node.keywords and value_of(lowering, node.func) in (bool, operator.truth)


# -- statements ---------------------------------------------------------------------------------------------------------------------

_CHANGES = {kind: {getattr(kind, method): method for method in methods} for kind, methods in (
    (list, ("append", "extend", "insert", "remove", "clear", "reverse", "sort")), (dict, ("update", "clear")))}


@functools.cache
def _unbound():
    return {function: method for table in _CHANGES.values() for function, method in table.items()}


def statement(lowering, node):
    """The statement that a call for its effect stands for: ``operator.setitem(xs, i, v)`` is ``xs[i] = v``; None for others."""
    value = value_of(lowering, node.func)
    if value in (operator.setitem, operator.delitem) and not node.keywords and len(node.args) in (2, 3):
        if value is operator.delitem:
            return at(gast.Delete([at(gast.Subscript(node.args[0], node.args[1], gast.Del()), node)]), node)
        return at(gast.Assign([at(gast.Subscript(node.args[0], node.args[1], gast.Store()), node)], node.args[2], None), node)
    method = _unbound().get(value) if type(value) is type(list.append) and node.args else None
    if method is not None:
        function = at(gast.Attribute(node.args[0], method, gast.Load()), node)
        return at(gast.Expr(at(gast.Call(function, node.args[1:], node.keywords), node)), node)
    return None


def counting(lowering, node):
    """``for i in itertools.count(a, s)`` as a loop without an end; None for other loops."""
    if not isinstance(node.iter, gast.Call) or _endless(lowering, node.iter) is not itertools.count:
        return None
    given = _options(node.iter, "start", "step")
    step = given.get("step", const(1, node))
    place = lowering.names.fresh("place")
    lowering.counts[place] = 2
    lowering.temps.add(place)
    first = at(gast.Assign([at(gast.Name(place, gast.Store(), None, None), node)], given.get("start", const(0, node)), None), node)
    take = at(gast.Assign([node.target], name(place, node), None), node)
    more = at(gast.Assign([at(gast.Name(place, gast.Store(), None, None), node)], at(gast.BinOp(
        name(place, node), gast.Add(), clone(step)), node), None), node)
    return [first, at(gast.While(const(True, node), [take, more, *node.body], node.orelse), node)]


__all__ = ["counting", "is_truth", "spelled", "statement"]


def _of_fields(lowering, object, known, named, node):
    """The dict, or tuple, of copies of what the fields of a dataclass's object hold; None where that is not known."""
    if not isinstance(object, (gast.Name, gast.Attribute)) or not isinstance(known, Instance) or not dataclasses.is_dataclass(known.cls):
        return None
    items = []
    for field in dataclasses.fields(known.cls):
        held, value = known.fields.get(field.name), at(gast.Attribute(clone(object), field.name, gast.Load()), node)
        if isinstance(held, Instance) and dataclasses.is_dataclass(held.cls):
            items.append(_of_fields(lowering, value, held, named, node))
        elif isinstance(held, gast.AST) or isinstance(held, Object) and isinstance(held.value, (bool, int, float, complex, str, type(None))):
            items.append(value if not isinstance(held, gast.Name) else _call(lowering, copy.deepcopy, [value], node))
        else:
            return None
        if items[-1] is None:
            return None
    if named:
        return at(gast.Dict([const(f.name, node) for f in dataclasses.fields(known.cls)], items), node)
    return at(gast.Tuple(items, gast.Load()), node)
