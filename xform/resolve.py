"""Resolve: say what a name or callee is at transform time, without running the user's function.

A ``Known`` is a compile-time value: an object found in globals, closure cells or modules, a nested function with
the locals it closes over, a partial application, or a transformation of one of these.
"""
from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import operator
import sys
import types
from dataclasses import dataclass
from typing import Any

import gast

from xform.errors import refuse
from xform.syntax import name

# Filled by xform.api: transformation function (grad, vmap, ...) -> kind.
TRANSFORMATIONS: dict[Any, str] = {}
# The kinds that are called with (fun, primals, ...) instead of returning a function.
DIRECT_KINDS = frozenset({"jvp", "vjp", "linearize", "jet", "shapes"})


@dataclass(frozen=True, eq=False)
class Object:
    """A Python object: a module, function, class, array or other constant. ``where`` is (namespace, key)."""
    value: Any
    where: tuple | None = None


class Closure:
    """A nested function, lifted: its unit takes the captured locals ``env`` first.

    Both are found on first use, when the enclosing function's later definitions are known too.
    """

    def __init__(self, nested, mapping=None):
        self.nested, self.mapping = nested, mapping

    def unit(self):
        return self.nested.unit()

    @property
    def env(self):
        names = self.nested.captured()
        return tuple(names if self.mapping is None else (self.mapping[n] for n in names))

    def default(self, atom):
        """A default value, evaluated where the function was defined, as seen from here."""
        if self.mapping is not None and isinstance(atom, gast.Name):
            return name(self.mapping[atom.id], atom)
        return atom


@dataclass(frozen=True, eq=False)
class Partial:
    """A function that holds arguments. tree: whether it is data, a container of what it holds; whole: the local that it was read from."""
    fn: Any
    args: tuple
    keywords: tuple
    tree: bool = False
    whole: str | None = None


@dataclass(frozen=True, eq=False)
class Picked:
    """One of two functions or objects, as a local says that nothing else is assigned to."""
    test: Any
    body: Any
    orelse: Any


@dataclass(frozen=True, eq=False)
class Derived:
    """A transformation of a known function; options are the API's keyword arguments."""
    kind: str
    fn: Any
    options: tuple


@dataclass(frozen=True, eq=False)
class Display:
    """A tuple or list (or, with keys, a dict) whose items are atoms and compile-time values.

    This is what *args and **kwargs hold in a function specialised to a call, and what a literal that holds functions is.
    """
    items: tuple
    keys: tuple | None = None
    kind: type = tuple


class Custom:
    """A function with a user's rule: its parts ("fun", "fwd", "bwd", "rule", "rules") are compile-time values (desugar/rules.py)."""

    def __init__(self, kind, nondiff_argnums, parts, symbolic_zeros=False, from_closure=False):
        self.kind, self.nondiff_argnums, self.parts = kind, nondiff_argnums, parts
        self.symbolic_zeros, self.from_closure = symbolic_zeros, from_closure


class Instance:
    """An object made inside the function: the class, and for each attribute the local that holds it or a compile-time value.

    There is one Instance for an object, whatever names and attributes it is reached by.
    """

    def __init__(self, cls, fields):
        self.cls, self.fields = cls, fields
        self.written = set()    # attributes assigned since the function got the object
        self.mutated = set()    # attributes whose objects were changed in place
        self.copied = False     # whether another name has a copy of the attributes
        self.stored = False     # whether the function assigns an attribute of it somewhere
        self.empty = set()      # attributes that hold an empty list or dict, as the text shows
        self.cached = False     # whether a cached property of it was worked out where only the run knows whether that is done
        self.rebound = False    # whether it stands for all the objects that one name is bound to
        self.birth = 0          # how deep in branches and loops the object was made
        self.whole = None       # the local that holds the object as a value, while its attributes are as they were read
        self.merged = ()        # the objects that it stands for one of, and whether each had a copy before
        self.outer = False      # whether the function was given it: its attributes are read, not assigned

    def changed(self):
        return bool(self.written) or any(isinstance(v, Instance) and v.changed() for v in self.fields.values())


@dataclass(frozen=True, eq=False)
class Super:
    """``super()`` in a method of a class."""
    instance: Instance
    cls: type


def bound(found, instance, cls, value):
    """A class attribute as read from an object."""
    if isinstance(found, staticmethod):
        return Object(found.__func__)
    if isinstance(found, classmethod):
        return Partial(Object(found.__func__), (Object(cls),), ())
    if isinstance(found, types.FunctionType):
        return Partial(Object(found), (instance,), ())
    if isinstance(found, functools.partialmethod) and isinstance(found.func, types.FunctionType):
        return Partial(Object(found.func), (instance, *map(Object, found.args)), tuple([(k, Object(v)) for k, v in found.keywords.items()]))
    if is_marked(found):
        return Derived(found.kind, Partial(Object(found.fun), (instance,), ()), past_self(found.options))
    return Object(value)


def is_marked(found) -> bool:
    """Whether a class attribute is a method decorated with ``jit`` or ``checkpoint``."""
    return hasattr(type(found), "_xform_known") and found.kind in ("jit", "checkpoint") and isinstance(found.fun, types.FunctionType)


def past_self(options):
    """The options of such a method once it is bound: the positions count from the argument behind ``self``."""
    made = dict(options)
    for key in ("static_argnums", "donate_argnums"):
        numbers = made.pop(key, None)
        numbers = () if numbers is None else (numbers,) if isinstance(numbers, int) else numbers
        kept = tuple(n - 1 if n > 0 else n for n in numbers if n != 0)
        if kept:
            made[key] = kept
    return tuple(sorted(made.items()))


def is_read_class(value) -> bool:
    """Whether objects of a class that are there already are taken apart: plain Python classes, whose attributes are found as usual."""
    return (isinstance(value, type) and not value.__module__.split(".")[0] in ("runtime", "xform", "jaxlib") and value.__module__ not in ("builtins", "functools", "numpy")
            and all(base is object or base.__module__ != "builtins" for base in value.__mro__)
            and "__getattr__" not in dir(value))


def is_user_class(value) -> bool:
    """Whether objects of a class are also made in transformed code: their class makes and stores attributes as usual."""
    return (is_read_class(value) and value.__new__ is object.__new__ and value.__getattribute__ is object.__getattribute__
            and (value.__setattr__ is object.__setattr__ or dataclasses.is_dataclass(value))
            and (dataclasses.is_dataclass(value) or isinstance(value.__init__, types.FunctionType)
                 or value.__init__ is object.__init__))


def says_operators(cls) -> bool:
    """Whether the operators of objects from outside are methods of a user's class (or of the library's), not those of numbers or arrays."""
    root = cls.__module__.split(".")[0]
    if issubclass(cls, type):       # of a class, such as np.float32, that is compared
        return False
    return cls.__module__.startswith("runtime.numpy.") or root not in ("runtime", "xform", "jaxlib", "numpy") and root not in sys.stdlib_module_names


def is_function(known) -> bool:
    """Whether a compile-time value is something to call."""
    if isinstance(known, Object):
        return callable(known.value)
    return known is not None and not isinstance(known, (Display, Instance, Super))


def items_of(known):
    """(items, keys or None) of a sequence or dict that holds functions; None for anything else."""
    if isinstance(known, Display):
        return known.items, known.keys
    if isinstance(known, Instance) and hasattr(known.cls, "_fields"):
        return tuple(known.fields.values()), None
    if isinstance(known, Object) and holds_functions(known.value):
        value = known.value
        if isinstance(value, dict):
            return tuple(map(Object, value.values())), tuple(value)
        return tuple(map(Object, value)), None
    return None


def holds_functions(value, depth=3) -> bool:
    """Whether a Python container holds functions or objects with methods, at any depth."""
    if type(value) is dict:
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return False
    return depth > 0 and any(is_static(Object(v)) or holds_functions(v, depth - 1) for v in value)


def captured_names(known):
    """Locals of the enclosing function that a compile-time value depends on."""
    if isinstance(known, Closure):
        return list(known.env)
    if isinstance(known, Display):
        return _captured_by(known.items)
    if isinstance(known, Custom):
        return _captured_by(known.parts.values())
    if isinstance(known, Instance):
        return _captured_by(known.fields.values())
    if isinstance(known, Partial):
        return captured_names(known.fn) + _captured_by([*known.args, *(v for _, v in known.keywords)])
    if isinstance(known, Derived):
        return captured_names(known.fn)
    if isinstance(known, Picked):
        return _captured_by([known.test, known.body, known.orelse])
    return []


def _captured_by(values):
    found = []
    for value in values:
        found += [value.id] if isinstance(value, gast.Name) else [] if isinstance(value, gast.AST) else captured_names(value)
    return found


def objects_in(known, path=()):
    """(path, object) of every object in a compile-time value, an object before those that it holds."""
    parts = []
    if isinstance(known, Instance):
        yield path, known
        parts = known.fields.items()
    elif isinstance(known, Display):
        parts = enumerate(known.items)
    elif isinstance(known, Partial):
        parts = [*enumerate((known.fn, *known.args)), *known.keywords]
    elif isinstance(known, Picked):
        parts = [("body", known.body), ("orelse", known.orelse)]
    for place, value in parts:
        if not isinstance(value, gast.AST):
            yield from objects_in(value, (*path, place))


def at_path(known, path):
    """The object that ``objects_in`` found at a path, in another value of the same shape."""
    for place in path:
        if isinstance(known, Instance):
            known = known.fields[place]
        elif isinstance(known, Display):
            known = known.items[place]
        elif isinstance(known, Picked):
            known = getattr(known, place)
        else:
            known = (known.fn, *known.args)[place] if isinstance(place, int) else dict(known.keywords)[place]
    return known


def renamed(known, mapping, objects=None):
    """A compile-time value as seen from a function that receives the captured locals under other names.

    objects: object -> the one that it is there; what an object becomes is added, for it is one object at all its places.
    """
    objects = {} if objects is None else objects
    if isinstance(known, Closure):
        before = known.mapping or {n: n for n in known.nested.captured()}
        return Closure(known.nested, {n: mapping[m] for n, m in before.items()})
    def one(value):
        if isinstance(value, gast.Name):
            return name(mapping.get(value.id, value.id), value)
        return value if isinstance(value, gast.AST) else renamed(value, mapping, objects)

    if isinstance(known, Display):
        return Display(tuple(map(one, known.items)), known.keys, known.kind)
    if isinstance(known, Custom):
        return Custom(known.kind, known.nondiff_argnums, {k: one(v) for k, v in known.parts.items()}, known.symbolic_zeros, known.from_closure)
    if isinstance(known, Instance):
        if known not in objects:
            made = objects[known] = Instance(known.cls, {})
            made.outer, made.mutated, made.empty = known.outer, known.mutated, set(known.empty)
            made.fields.update({k: one(v) for k, v in known.fields.items()})
        return objects[known]
    if isinstance(known, Partial):
        return Partial(renamed(known.fn, mapping, objects), tuple(one(a) for a in known.args),
                       tuple((k, one(v)) for k, v in known.keywords), known.tree)
    if isinstance(known, Derived):
        return Derived(known.kind, renamed(known.fn, mapping, objects), known.options)
    if isinstance(known, Picked):
        return Picked(one(known.test), one(known.body), one(known.orelse))
    return known


def is_plain(value) -> bool:
    """Whether a value is what options are: None, a flag, an integer, a string, or a tuple or list of these."""
    if type(value) in (tuple, list):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, str)


def shape_of(known, numbers=None):
    """What makes two compile-time values lead to the same specialised code; locals and objects count by order of appearance."""
    numbers = {} if numbers is None else numbers

    def local(identifier):
        return numbers.setdefault(identifier, len(numbers))

    def one(value):
        if isinstance(value, gast.AST):
            return local(value.id) if isinstance(value, gast.Name) else gast.dump(value)
        return shape_of(value, numbers)

    if isinstance(known, Object) and known.value is not None and is_plain(known.value):
        return ("constant", repr(known.value))
    if isinstance(known, Object):
        return ("object", id(known.value))
    if isinstance(known, Closure):
        return ("closure", id(known.nested), tuple(map(local, known.env)))
    if isinstance(known, Partial):
        return ("partial", known.tree, shape_of(known.fn, numbers), tuple(map(one, known.args)), tuple((k, one(v)) for k, v in known.keywords))
    if isinstance(known, Display):
        return ("display", tuple(map(one, known.items)), known.keys, known.kind)
    if isinstance(known, Custom):
        return ("custom", known.kind, known.nondiff_argnums, known.symbolic_zeros, known.from_closure,
                tuple((k, one(v)) for k, v in known.parts.items()))
    if isinstance(known, Instance):
        if known in numbers:
            return ("same instance", numbers[known])
        numbers[known] = len(numbers)
        return ("instance", known.cls, known.outer, tuple(sorted(known.empty)), tuple((k, one(v)) for k, v in known.fields.items()))
    if isinstance(known, Picked):
        return ("picked", one(known.test), one(known.body), one(known.orelse))
    return ("derived", known.kind, shape_of(known.fn, numbers), repr(known.options))


def normal(known):
    """Unfold objects that stand for something simpler: partials, bound methods, transformed functions."""
    if isinstance(known, Instance):
        return bound(known.cls.__call__, known, known.cls, known.cls.__call__) if hasattr(known.cls, "__call__") else known
    if isinstance(known, Picked):
        return Picked(known.test, normal(known.body), normal(known.orelse))
    if isinstance(known, Partial) and isinstance(normal(known.fn), Picked):
        fn = normal(known.fn)
        return Picked(fn.test, *[normal(dataclasses.replace(known, fn=side, whole=None)) for side in (fn.body, fn.orelse)])
    if isinstance(known, Derived) and isinstance(known.fn, Picked):
        return Picked(known.fn.test, *[normal(dataclasses.replace(known, fn=side)) for side in (known.fn.body, known.fn.orelse)])
    if not isinstance(known, Object):
        return known
    value = known.value
    if isinstance(value, functools.partial):
        return Partial(normal(Object(value.func)), tuple(map(Object, value.args)),
                       tuple((k, Object(v)) for k, v in value.keywords.items()))
    if isinstance(value, types.MethodType):
        return Partial(normal(Object(value.__func__)), (Object(value.__self__),), ())
    if hasattr(type(value), "_xform_known"):
        return value._xform_known()
    if isinstance(value, functools._lru_cache_wrapper):
        return Object(value.__wrapped__)
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)) and not hasattr(
            type(value), "_xform_custom"):
        method = None if hasattr(type(value), "_xform_opaque") else getattr(type(value), "__call__", None)
        if isinstance(method, types.FunctionType) or is_marked(method):
            return bound(method, known, type(value), method)
    return known


def is_static(known) -> bool:
    """Whether a callee should be specialised to this argument: functions and objects with methods, not data."""
    if isinstance(known, Display):
        return any(not isinstance(item, gast.AST) and is_static(item) for item in known.items)
    if not isinstance(known, Object):
        return known is not None
    value = known.value
    if isinstance(value, types.ModuleType) or holds_functions(value) or is_user_class(value) or getattr(type(value), "_xform_constant", False):
        return True
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, tuple, list, dict, set, type)):
        return False
    return callable(value) or hasattr(value, "__dict__") and (isinstance(inspect.getattr_static(type(value), "dtype", None), property)
                                                              and is_read_class(type(value)) and not hasattr(value, "__array__")
                                                              or not hasattr(value, "dtype"))


def global_object(identifier, cells, namespace):
    """Look a free name up as Python would; None when it is nowhere."""
    if identifier in cells:
        return Object(cells[identifier][0], (cells[identifier][1], identifier))
    if identifier in namespace:
        return Object(namespace[identifier], (namespace, identifier))
    if hasattr(builtins, identifier):
        return Object(getattr(builtins, identifier))
    return None


def _initialise():
    """What ``object.__init__`` does."""


def attribute(known, attr):
    """An attribute of a known object, where reading it now is what reading it later would give."""
    if isinstance(known, Super):
        order = type.mro(known.instance.cls)
        for cls in order[order.index(known.cls) + 1:]:
            if attr == "__init__" and cls is object:
                return Object(_initialise)
            if attr in vars(cls):
                return bound(vars(cls)[attr], known.instance, known.instance.cls, vars(cls)[attr])
    if isinstance(known, Partial) and isinstance(known.fn, Object) and isinstance(known.fn.value, type):
        known = known.fn        # a class, and what it captures
    if isinstance(known, Partial) and known.tree and attr in ("func", "args", "keywords"):
        return known.fn if attr == "func" else Display(known.args) if attr == "args" else Display(
            tuple([v for _, v in known.keywords]), tuple([k for k, _ in known.keywords]), dict)
    if not isinstance(known, Object):
        return None
    value = known.value
    if isinstance(value, (types.ModuleType, type)):
        found = getattr(value, attr, None)
        return None if found is None and not hasattr(value, attr) else Object(found)
    if getattr(type(value), "_xform_namespace", False):
        return Object(getattr(value, attr))
    if isinstance(value, tuple) and hasattr(value, "_fields") and attr in value._fields and is_static(Object(getattr(value, attr))):
        return Object(getattr(value, attr))
    if isinstance(value, inspect.Signature) and attr == "parameters":
        return Object(value.parameters)
    if not is_static(known):
        return None     # data: its methods are resolved as those of any run-time value
    on_type = inspect.getattr_static(type(value), attr, None)
    if attr not in getattr(value, "__dict__", ()):
        if isinstance(on_type, (staticmethod, classmethod)):
            return Object(getattr(value, attr))
        if isinstance(on_type, types.FunctionType):
            return Object(types.MethodType(on_type, value))
        if hasattr(type(on_type), "_xform_custom"):
            return Object(functools.partial(on_type, value))
        if is_marked(on_type):
            return Derived(on_type.kind, normal(Object(types.MethodType(on_type.fun, value))), past_self(on_type.options))
    if attr in getattr(value, "__dict__", ()) and is_static(Object(value.__dict__[attr])):
        return Object(value.__dict__[attr])
    return None


_COUNTING = (tuple, list, range, len)
_ARITHMETIC = {gast.Add: operator.add, gast.Sub: operator.sub, gast.Mult: operator.mul, gast.FloorDiv: operator.floordiv}


def literal(node, lowering, what):
    """The value of an option (argnums, axis names ...) that must be known at transform time."""
    if isinstance(node, gast.Constant):
        return node.value
    if isinstance(node, (gast.Tuple, gast.List)):
        items = [literal(e, lowering, what) for e in node.elts]
        return tuple(items) if isinstance(node, gast.Tuple) else items
    if isinstance(node, gast.Set):
        return frozenset([literal(e, lowering, what) for e in node.elts])
    if isinstance(node, gast.Dict):
        return {literal(k, lowering, what): literal(v, lowering, what) for k, v in zip(node.keys, node.values)}
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.USub):
        return -literal(node.operand, lowering, what)
    if isinstance(node, gast.Call):
        callee = lowering.known(node.func)
        if isinstance(callee, Object) and getattr(callee.value, "_xform_in_context", False):    # mesh=get_mesh(): what is in context
            return None
        if isinstance(callee, Object) and getattr(callee.value, "_xform_constant", False):     # a spec, a sharding
            return callee.value(*[literal(a, lowering, what) for a in node.args],
                                **{k.arg: literal(k.value, lowering, what) for k in node.keywords})
        if isinstance(callee, Object) and any(callee.value is f for f in _COUNTING) and not node.keywords:      # tuple(range(2))
            return callee.value(*[literal(a, lowering, what) for a in node.args])
    if isinstance(node, gast.BinOp) and type(node.op) in _ARITHMETIC:
        return _ARITHMETIC[type(node.op)](literal(node.left, lowering, what), literal(node.right, lowering, what))
    known = lowering.known(node)
    if isinstance(known, Object):
        return known.value
    from xform.desugar import meshes
    found = meshes.constant(lowering, node)
    if found is not meshes.UNKNOWN:
        return found
    refuse(node, lowering.unit, f"{what} must be known when the function is transformed",
           "Write it as a literal or a global constant.")


def mentions(function, package: str) -> bool:
    """Tell whether the code of a function mentions a module, function or class of a package: NumPy's, if it is written for its arrays."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    cells = dict(zip(code.co_freevars, function.__closure__ or ()))
    for identifier in _mentioned(code):
        try:
            value = cells[identifier].cell_contents if identifier in cells else function.__globals__.get(identifier)
        except ValueError:      # not assigned yet
            continue
        home = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if (isinstance(value, types.ModuleType) or callable(value)) and isinstance(home, str) and f"{home}.".startswith(f"{package}."):
            return True
    return False


def _mentioned(code):
    """The names that code, or that of functions in it, reads from outside."""
    yield from (*code.co_names, *code.co_freevars)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _mentioned(inner)
