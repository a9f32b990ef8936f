"""Kinds: the classes of the objects that a function is given, for which it is specialised; objects as values of generated code.

Before, for a ``params`` of a registered class ``Linear`` with children w and b::

    def loss(params, x):
        return np.sum(params.apply(x))

After::

    def loss(params, x):
        w = params.w
        b = params.b
        apply = Linear_apply(w, b, x)
        out = np.sum(apply)
        return out
"""
from __future__ import annotations

import enum
import inspect
import types
from dataclasses import dataclass
from typing import Any

import gast
import numpy

from runtime import tree
from runtime.array import Array
from runtime.node import Node, attributes_of, keeps_children, places_of, stored_by
from xform import parse, resolve
from xform.desugar.flags import tested
from xform.desugar.mixed import refuse_mixed
from xform.desugar.perhaps import is_optional
from xform.errors import refuse
from xform.library import ATTRIBUTES, is_runtime
from xform.memo import Memo
from xform.names import Names
from xform.resolve import Display, Instance, Object, Partial
from xform.syntax import assign, at, call, clone, const, function, name, returns
from xform.unit import Unit

PLAIN = {Array, int, float, bool, complex, str, bytes, type(None), numpy.ndarray, types.FunctionType, types.BuiltinFunctionType,
         types.MethodType, type}
DATA = PLAIN - {types.FunctionType, types.BuiltinFunctionType, types.MethodType}


@dataclass(frozen=True)
class Kind:
    """The class of an object, and for each attribute its kind: None for data."""
    cls: type
    fields: tuple


@dataclass(frozen=True)
class Items:
    """The kinds of the items of a tuple or list, or with keys of a dict."""
    cls: type
    items: tuple
    keys: tuple | None = None


SEQUENCE = Items(list, ())      # a list or tuple of data, given to a parameter that the function joins or repeats (joins.py)


class Fixed:
    """A value that is part of a kind: static data of an object, a function that it holds."""

    def __init__(self, value):
        self.value = value
        try:
            hash(value)
            self.key = type(value), value
        except TypeError:
            self.key = type(value), id(value)

    def __eq__(self, other):
        return isinstance(other, Fixed) and self.key == other.key

    def __hash__(self):
        return hash(self.key)


@dataclass(frozen=True)
class Applied:
    """A Partial, or what vjp gives: the function, and the kinds of what it holds by place and by name."""
    function: Fixed
    args: tuple
    keywords: tuple = ()


_open: set = set()      # the objects whose kind is being worked out


# -- kinds of values ------------------------------------------------------------------------------------------------------

def kind_of(value) -> Any:
    """The kind of a value that a function is called with; None for data."""
    cls = type(value)
    if cls in PLAIN:
        return None
    if cls in (list, tuple, dict):
        inner = [kind_of(v) for v in (value.values() if cls is dict else value)]
        return Items(cls, tuple(inner), tuple(value) if cls is dict else None) if any(k is not None for k in inner) else None
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        fields = tuple([(f, kind_of(v)) for f, v in zip(cls._fields, value)])
        return Kind(cls, fields) if has_methods(cls) or any(k is not None for _, k in fields) else None
    if isinstance(value, tree.Partial):
        return applied(value)
    if not resolve.is_user_class(cls) and not (
            resolve.is_read_class(cls) and isinstance(value, Node) and keeps_children(value) and _reads_as_usual(value)):
        return None
    if isinstance(value, Node):
        places, stored = places_of(value), attributes_of(value)
        return Kind(cls, tuple([(a, kind_of(stored[a]) if a in places else _static(stored[a]))
                                for a in stored_by(value) if a in stored]))
    if id(value) in _open:      # an object that holds itself: data from here on
        return None
    _open.add(id(value))
    try:
        return Kind(cls, tuple([(a, _static(v, of_node=False)) for a, v in attributes_of(value).items()]))
    finally:
        _open.discard(id(value))


def _reads_as_usual(value) -> bool:
    """Whether a class's own ``__getattribute__`` gives this object's attributes and methods as they are; what a property gives is not asked."""
    cls = type(value)
    if cls.__getattribute__ is object.__getattribute__:
        return True
    for name in {name for base in cls.__mro__[:-1] for name in vars(base) if not (name.startswith("__") and name.endswith("__"))}:
        found = inspect.getattr_static(cls, name)
        if isinstance(found, types.FunctionType):
            method = getattr(value, name, None)
            if getattr(method, "__func__", None) is not found or getattr(method, "__self__", None) is not value:
                return False
        elif isinstance(found, property):
            return False
    return all(getattr(value, name, None) is stored for name, stored in attributes_of(value).items() if not isinstance(stored, types.MethodType))


def applied(value) -> Applied:
    """The kind of a Partial; what vjp gives says itself which function it stands for."""
    stands_for = getattr(value, "_xform_unit", None)
    if stands_for is not None:
        return Applied(Fixed(stands_for()), ((len(value.args) - 1, kind_of(value.args[-1])),))
    return Applied(Fixed(value.func), tuple([(i, kind_of(v)) for i, v in enumerate(value.args)]),
                   tuple([(k, kind_of(v)) for k, v in value.keywords.items()]))


def holds_partial(kind) -> bool:
    """Whether values of a kind are Partials, or hold some."""
    if isinstance(kind, Items):
        return any(map(holds_partial, kind.items))
    return isinstance(kind, Applied) or isinstance(kind, Kind) and any(holds_partial(k) for _, k in kind.fields)


def with_defaults(fun, kinds, count, names):
    """The kinds of ``count`` arguments and of those with names, with the functions that the call leaves to the parameters' defaults,
    and None where the function asks for it."""
    if not any(v is None or _is_function(v) for v in (*(fun.__defaults__ or ()), *(fun.__kwdefaults__ or {}).values())):
        return kinds
    left = [p for i, p in enumerate(parse.signature(fun).parameters.values())
            if i >= count and p.name not in names and p.default is not p.empty and (
                p.name in tested(fun) if p.default is None else _is_function(p.default))]
    if not left:
        return kinds
    positional, given = kinds or ((None,) * count, tuple([(k, None) for k in names]))
    return positional, (*given, *[(p.name, Fixed(p.default)) for p in left])


def function_defaults(target, args, keywords):
    """The functions that a call of a user's function leaves to the defaults of its parameters, by parameter."""
    if not isinstance(target, types.FunctionType) or is_runtime(target) or any(isinstance(a, gast.Starred) for a in args):
        return {}
    found = with_defaults(target, None, len(args), tuple(keywords))
    return {} if found is None else {p: Object(k.value) for p, k in found[1] if k is not None and k.value is not None}


def function_defaults_of_nested(callee, names, args, keywords):
    """The same of a nested function: its defaults are atoms and compile-time values."""
    if any(isinstance(a, gast.Starred) for a in args):
        return {}
    left = {p: d for p, d in callee.nested.defaults.items() if p not in names[:len(args)] and p not in keywords and not isinstance(d, gast.AST)
            and (_is_function(d.value) if isinstance(d, Object) else resolve.is_function(d))}
    return left if callee.mapping is None else {p: resolve.renamed(d, callee.mapping) for p, d in left.items()}


def has_methods(cls) -> bool:
    """Whether a named tuple has methods or properties of its own, or fields whose names mean something of an array."""
    if not ATTRIBUTES.keys().isdisjoint(cls._fields):
        return True
    own = [v for c in cls.__mro__ if c not in (tuple, object) for k, v in vars(c).items()
           if k not in cls._fields and not k.startswith("__") and k not in ("_make", "_replace", "_asdict")]
    dunder = [k for c in cls.__mro__ if c not in (tuple, object) for k, v in vars(c).items()
              if k.startswith("__") and isinstance(v, types.FunctionType) and k not in (
                  "__new__", "__repr__", "__getnewargs__", "__replace__")]
    return bool(dunder) or any(isinstance(v, (types.FunctionType, property, classmethod, staticmethod)) for v in own)


def _static(value, of_node=True):
    """The kind of an attribute that is no child."""
    inner = kind_of(value)
    if inner is not None:
        return inner
    if value is None or isinstance(value, (bool, str, enum.Enum)) or callable(value):
        return Fixed(value)
    if of_node and isinstance(value, (int, float, complex)) and type(value) in PLAIN:
        return Fixed(value)
    if of_node and isinstance(value, tuple) and all(isinstance(v, (int, float, str, bool, type(None))) for v in value):
        return Fixed(value)
    return None


def kinds_of(args, kwargs, functions=False):
    """(kinds of the positional arguments, of the keywords) of a call, hashable; None where all of them are data.

    functions: whether a function among the arguments is one to specialise to.
    """
    known = DATA if functions else PLAIN
    for value in args:
        if type(value) not in known and (_holds_objects(value) or functions and _is_function(value)):
            break
    else:
        for value in kwargs.values():
            if type(value) not in known and (_holds_objects(value) or functions and _is_function(value)):
                break
        else:
            return None
    of = _kind_or_function if functions else kind_of
    positional, named = tuple(map(of, args)), tuple([(k, of(v)) for k, v in kwargs.items()])
    if not any(k is not None for k in positional) and not any(k is not None for _, k in named):
        return None
    return positional, named


def _is_function(value):
    return callable(value) and not isinstance(value, (Node, type)) and not hasattr(value, "dtype")


def _kind_or_function(value):
    return Fixed(value) if _is_function(value) else kind_of(value)


def _holds_objects(value):
    cls = type(value)
    if cls in PLAIN:
        return False
    if cls is dict:
        return any([_holds_objects(v) for v in value.values()])
    if cls is list or cls is tuple:
        return any([_holds_objects(v) for v in value])
    return not hasattr(value, "dtype")


def kind_of_known(known):
    """The kind of a compile-time value that generated code passes along as a value."""
    if isinstance(known, Instance):
        return Kind(known.cls, tuple([(a, _kind_of_field(v)) for a, v in known.fields.items()]))
    if isinstance(known, Partial) and known.tree:
        function = known.fn.value if isinstance(known.fn, Object) else known.fn.unit()
        return Applied(Fixed(function), tuple([(i, _kind_of_field(v)) for i, v in enumerate(known.args)]),
                       tuple([(k, _kind_of_field(v)) for k, v in known.keywords]))
    if isinstance(known, Display):
        inner = tuple([_kind_of_field(v) for v in known.items])
        return Items(known.kind, inner, known.keys) if any(k is not None for k in inner) else None
    return None


def _kind_of_field(value):
    if isinstance(value, gast.Constant):
        return Fixed(value.value) if value.value is None or isinstance(value.value, (bool, str)) else None
    if isinstance(value, gast.AST):
        return None
    return Fixed(value.value) if isinstance(value, Object) else kind_of_known(value)


def holds_object(known) -> bool:
    """Whether a compile-time value is an object or a container of objects, with nothing in it that is no value at run time."""
    if isinstance(known, Instance):
        return all(isinstance(v, (gast.AST, Object)) or holds_object(v) for v in known.fields.values())
    return isinstance(known, Display) and any(isinstance(v, (Instance, Display)) for v in known.items) and all(
        isinstance(v, gast.AST) or holds_object(v) for v in known.items)


def is_data(known) -> bool:
    """Whether a function may return a compile-time value: objects, and what vjp and linearize give, which is a pytree of what it holds."""
    if isinstance(known, Partial):
        return known.tree and (isinstance(known.fn, Object) or hasattr(known.fn, "unit") and not known.fn.env) and all(
            isinstance(v, (gast.AST, Object)) or is_data(v) for v in (*known.args, *dict(known.keywords).values()))
    if isinstance(known, Display):
        return all(isinstance(v, gast.AST) or is_data(v) for v in known.items)
    return holds_object(known)


# -- values of a known kind -------------------------------------------------------------------------------------------------

def opened(lowering, atom, kind, node, outer=False):
    """The compile-time value of a run-time value of a kind: its attributes are read into locals."""
    if kind is None:
        return atom
    if isinstance(kind, Fixed):
        return Object(kind.value)
    if kind is SEQUENCE:
        lowering.lists.add(atom.id)
        return atom
    if isinstance(kind, Items):
        keys = kind.keys if kind.keys is not None else range(len(kind.items))
        parts = []
        for key, inner in zip(keys, kind.items):
            value = at(gast.Subscript(clone(atom), const(key, node), gast.Load()), node)
            parts.append(_part(lowering, value, inner, "item", node, outer))
        return Display(tuple(parts), kind.keys, kind.cls)
    if isinstance(kind, Applied):
        return _opened_partial(lowering, atom, kind, node, outer)
    fields = {}
    for attr, inner in kind.fields:
        value = at(gast.Attribute(clone(atom), attr, gast.Load()), node)
        fields[attr] = _part(lowering, value, inner, attr, node, outer)
    made = Instance(kind.cls, fields)
    made.whole, made.outer = atom.id, outer
    return made


def _opened_partial(lowering, atom, kind, node, outer):
    """A Partial of a run-time value: what it holds is read into locals."""
    def held(attr, entries):
        base = lowering.store_temp(at(gast.Attribute(clone(atom), attr, gast.Load()), node), attr, node) if entries else None
        return [(key, _part(lowering, at(gast.Subscript(clone(base), const(key, node), gast.Load()), node), inner, "held", node, outer))
                for key, inner in entries]
    from xform.desugar.calls import UnitValue
    function = kind.function.value
    known = UnitValue(function) if isinstance(function, Unit) else resolve.normal(Object(function))
    return Partial(known, tuple([value for _, value in held("args", kind.args)]), tuple(held("keywords", kind.keywords)), True, atom.id)


def _part(lowering, value, kind, wanted, node, outer):
    if isinstance(kind, Fixed):
        return Object(kind.value)
    return opened(lowering, lowering.store_temp(value, wanted if not wanted.startswith("_") else wanted.strip("_") or "item", node),
                  kind, node, outer)


def as_value(lowering, known, node):
    """An object as a run-time value: what it was read from, or an object made of its attributes."""
    if known.whole is not None:
        return name(known.whole, node)
    return made_of(known, lowering.unit, node, lambda value: (
        clone(value) if isinstance(value, gast.AST) else _atom(lowering, value, node)),
        lambda value: lowering.atom_value(value), lambda cls: name(lowering.refer(cls.__name__, Object(cls)), node))


def _atom(lowering, value, node):
    from xform.desugar.calls import atom_of
    return atom_of(lowering, value, node)


def made_of(known, unit, node, atom, stored, refer):
    """The call that makes an object; refused where its class is no pytree."""
    cls = known.cls
    if is_optional(known):
        refuse(node, unit, f"what is None or an object of class {cls.__name__}, as the run decides, is stored or returned as a value",
               "Return its attributes where it is not None.")
    if hasattr(cls, "_fields"):
        items = stored(at(gast.Tuple([atom(known.fields[f]) for f in cls._fields], gast.Load()), node))
        return call("rt.construct", [refer(cls), items], node=node)
    if not issubclass(cls, Node):
        refuse_mixed(unit, node, f"an object of class {cls.__name__} that is made here is stored or returned as a value, but the class is "
               "no pytree", "Register it (tree_util.register_dataclass, tree_util.register_pytree_node_class), return its "
               "attributes, or use a NamedTuple.")
    names = stored(at(gast.Tuple([const(a, node) for a in known.fields], gast.Load()), node))
    values = stored(at(gast.Tuple([atom(v) for v in known.fields.values()], gast.Load()), node))
    return call("rt.build", [refer(cls), names, values], node=node)


def _title(function):
    wanted = (getattr(function, "name", None) or getattr(function, "__name__", "function")).replace("<lambda>", "lambda_")
    return wanted if wanted.isidentifier() else "function"


def bound(known, function, atoms, stored, node):
    """The call that makes a Partial of a function and of what it holds."""
    held = stored(at(gast.Tuple(list(atoms), gast.Load()), node))
    names = [stored(at(gast.Tuple([const(k, node) for k, _ in known.keywords], gast.Load()), node))] if known.keywords else []
    return call("rt.bound", [function, held, *names], node=node)


_with_data = Memo()


def with_data(unit):
    """The unit of a function that returns an object as one that returns it as a value; refused for one that returns a function."""
    if unit.result is None:
        return unit
    if unit not in _with_data:
        known, captured = unit.result
        last = unit.tree.body[-1]
        if not isinstance(known, gast.AST) and not is_data(known):
            refuse(last, unit, f"{unit.name} returns a function or an object, not arrays",
                   "Return arrays or containers of them; transform the function that it returns.")
        made = Unit(unit.name, None, {unit.name: unit}, set(), unit.file, unit.origin, notes=list(unit.notes))
        names = Names({unit.name, *unit.params, *captured})
        held = {c: names.fresh(c + "_out" if c in unit.params else c) for c in captured}
        made.temps |= set(held.values())
        value = call(unit.name, [name(p) for p in unit.params], node=last)
        body = []
        if len(captured) == 1:
            body.append(assign(held[captured[0]], value, last))
        elif captured:
            body.append(assign(list(held.values()), value, last))
        known = known if isinstance(known, gast.AST) else resolve.renamed(known, held)

        def stored(value, wanted="value"):
            temp = names.fresh(wanted)
            made.temps.add(temp)
            body.append(assign(temp, value, last))
            return name(temp, last)

        def refer(cls):
            key = cls.__name__ if made.env.get(cls.__name__, cls) is cls else names.fresh(cls.__name__)
            made.env[key] = cls
            return name(key, last)

        def atom(value):
            if isinstance(value, gast.AST):
                return clone(value)
            if isinstance(value, Object):
                if value.value is None or type(value.value) in (bool, int, float, str):
                    return const(value.value, last)
                key = names.fresh(getattr(value.value, "__name__", "constant").replace("<lambda>", "lambda_"))
                made.env[key] = value.value
                return name(key, last)
            if isinstance(value, Display):
                items = [atom(v) for v in value.items]
                if value.keys is not None:
                    return stored(at(gast.Dict([const(k, last) for k in value.keys], items), last))
                return stored(at((gast.List if value.kind is list else gast.Tuple)(items, gast.Load()), last))
            if isinstance(value, Partial):
                function = value.fn.value if isinstance(value.fn, Object) else value.fn.unit()
                key = names.fresh(_title(function))
                made.env[key] = function
                return stored(bound(value, name(key, last), map(atom, [*value.args, *dict(value.keywords).values()]), stored, last), "partial")
            return stored(made_of(value, unit, last, atom, stored, refer))
        result = atom(known)
        body.append(returns(result if isinstance(result, gast.Name) else stored(result), last))
        made.tree = function(unit.name, unit.params, body, unit.tree)
        made.signature, made.takes, made.gives = unit.signature, unit.takes, kind_of_known(known)
        _with_data[unit] = made
    return _with_data[unit]


def given_back(kind, unit, options, prefix):
    """The kind of what a transformation of a unit returns, as far as it is known: a gradient has the kind of its argument."""
    if kind in ("jit", "vmap", "checkpoint"):
        return unit.gives
    if kind not in ("grad", "value_and_grad"):
        return None
    argnums, own = options.get("argnums", 0), len(unit.params) - prefix
    found = [unit.takes.get(unit.params[prefix + (n if n >= 0 else n + own)])
             for n in ((argnums,) if isinstance(argnums, int) else argnums)]
    gradient = found[0] if isinstance(argnums, int) else _pair(*found)
    if kind == "value_and_grad":
        aux = unit.gives if options.get("has_aux") else None
        return _pair(aux, gradient)
    if options.get("has_aux"):
        aux = unit.gives.items[1] if isinstance(unit.gives, Items) else None
        return _pair(gradient, aux)
    return gradient


def _pair(*kinds):
    return Items(tuple, tuple(kinds)) if any(k is not None for k in kinds) else None


