"""Objects as values of generated code: their attributes, and objects made from attributes, with the cotangents of both."""
from __future__ import annotations

import sys

import numpy

from runtime.array import Array
from runtime.node import Node, Slot, children_of, data_of, fill, made_with, places_of, taken, with_children
from runtime.op import op
from runtime.tree import Partial
from runtime.zero import ZERO


@op(jvp="rt.field(x_dot, name)", vjp={"x": "rt.unattribute(d_out, name, like=x)"},
    batch=lambda x, name, over=(): attribute(x, name))
def attribute(x, name):
    """Return an attribute of a value: a field of a named tuple, or whatever an object holds."""
    return ZERO if x is ZERO else getattr(x, name)


@op(linear="x", vjp={"x": "rt.unattribute(d_out, name, like=x)"}, batch=lambda x, name, over=(): field(x, name))
def field(x, name):
    """Return the attribute of a (co)tangent: ZERO for what is static data of the object."""
    return ZERO if isinstance(x, Node) and name not in places_of(x) else getattr(x, name)


@op(linear="d", vjp={"d": "rt.field(d_out, name)"}, batch=lambda d, name, like, over=(): unattribute(d, name, like))
def unattribute(d, name, like):
    """Return the cotangent of ``like`` when only its field ``name`` has one. TypeError for objects without fields."""
    if like is ZERO:
        return ZERO
    if isinstance(like, Node) and name in places_of(like):
        children = [ZERO] * len(children_of(like))
        fill(children, places_of(like)[name], d)
        return with_children(like, children)
    fields = getattr(like, "_fields", None)
    if fields is None:
        raise TypeError(f"cannot differentiate the attribute .{name} of a {type(like).__name__}: arrays, containers, named tuples and "
                        "the children of registered classes carry derivatives; make it a child (tree_util.register_dataclass, "
                        "register_pytree_node_class), or pass the value as an argument")
    return type(like)(*[d if field == name else ZERO for field in fields])


@op(jvp="rt.rebuilt(values_dot, names, like=out)", vjp={"values": "rt.taken_apart(d_out, names)"},
    batch=lambda kind, names, values, over=(): build(kind, names, values))
def build(kind, names, values):
    """Make an object of a registered class that has these attributes. TypeError for a class that is no pytree."""
    return made_with(kind, names, values)


@op(linear="values", vjp={"values": "rt.taken_apart(d_out, names)"},
    batch=lambda values, names, like, over=(): rebuilt(values, names, like))
def rebuilt(values, names, like):
    """Return the (co)tangent of ``like`` from those of its attributes; static attributes have none."""
    if like is ZERO:
        return ZERO
    places, children = places_of(like), [ZERO] * len(children_of(like))
    for name, value in zip(names, values):
        if name in places:
            fill(children, places[name], value)
    return with_children(like, children)


@op(linear="d", vjp={"d": "rt.rebuilt(d_out, names, like=d)"}, batch=lambda d, names, over=(): taken_apart(d, names))
def taken_apart(d, names):
    """Return the cotangents of the attributes of an object, ZERO for static ones and for a child that a former one has."""
    places, children, made = places_of(d), children_of(d), []
    for name in names:
        made.append(taken(children, places.get(name)))
        _clear(children, places.get(name))
    return tuple(made)


def _clear(children, place):
    """Take the children that an attribute consists of out of a list."""
    if isinstance(place, (list, tuple, dict)):
        for item in place.values() if isinstance(place, dict) else place:
            _clear(children, item)
    elif isinstance(place, Slot):
        children[place.index] = ZERO


@op(jvp="rt.spread_data(values_dot, kind, names, size, known, lead)",
    vjp={"values": "rt.unspread_data(d_out, kind, names, known, lead)"},
    batch=lambda values, kind, names, size, known=False, lead=0, over=(): spread_data(values, kind, names, size, known, lead + 1))
def spread_data(values, kind, names, size, known=False, lead=0):
    """Give the attributes that hold children a batch axis; ``known``: which have one. Static attributes stay as they are."""
    from runtime.batch import spread
    if values is ZERO:
        return ZERO
    data, parts = data_of(kind, names, values), known if isinstance(known, tuple) else (known,) * len(names)
    return tuple([spread(v, size, k, lead) if n in data else v for n, v, k in zip(names, values, parts)])


@op(linear="d", vjp={"d": "rt.spread_data(d_out, kind, names, rt.batch_size(d, True, lead), known, lead)"},
    batch=lambda d, kind, names, known=False, lead=0, over=(): unspread_data(d, kind, names, known, lead + 1))
def unspread_data(d, kind, names, known=False, lead=0):
    """The transpose of ``spread_data``."""
    from runtime.batch import unspread
    data, parts = data_of(kind, names, d), known if isinstance(known, tuple) else (known,) * len(names)
    return tuple([unspread(v, k, lead) if n in data else v for n, v, k in zip(names, d, parts)])


@op(jvp="rt.bound(function, args_dot, names)", vjp={"args": "rt.unbound(d_out, function, names)"},
    batch=lambda function, args, names=(), over=(): bound(function, args, names))
def bound(function, args, names=()):
    """Return the Partial of a function that holds these arguments, the last of them by name; ZERO for a zero."""
    if args is ZERO:
        return ZERO
    count = len(args) - len(names)
    return Partial(function, *args[:count], **dict(zip(names, args[count:])))


@op(linear="d", vjp={"d": "rt.bound(function, d_out, names)"}, batch=lambda d, function, names=(), over=(): unbound(d, function, names))
def unbound(d, function, names=()):
    """Return the (co)tangents of what a Partial holds from its own."""
    return ZERO if d is ZERO else (*d.args, *[d.keywords[name] for name in names])


# The operators that code may apply to an object whose class is found when it runs.
_OPERATORS = ("mul", "add", "sub", "truediv", "pow", "matmul", "floordiv", "mod", "getitem", "neg", "lt", "le", "gt", "ge")
_OURS = {"numpy", "runtime", "jax", "jaxlib", "ml_dtypes", *sys.stdlib_module_names} - {"__main__"}
_DATA = (bool, int, float, complex, str, bytes, type(None), slice, range, numpy.ndarray, numpy.generic, Array)


@op(jvp="x_dot", vjp={"x": "d_out"}, batch=lambda x, over=(): data(x))
def data(x):
    """Return a value that is no object with operators of its own, nor holds one; TypeError for such an object: what its operators
    do was not known when the code was transformed."""
    if x is ZERO or isinstance(x, _DATA):
        return x
    if isinstance(x, (list, tuple, set, frozenset)):
        for item in x:
            data(item)
    elif isinstance(x, dict):
        for item in x.values():
            data(item)
    for own in _OPERATORS:
        for method in (f"__{own}__", f"__r{own}__"):
            home = next((c for c in type(x).__mro__ if method in vars(c)), object)
            if home.__module__.split(".")[0] not in _OURS:
                raise TypeError(f"which object of class {type(x).__name__} this is was found out when the code ran, and "
                                f"{home.__name__}.{method} says what its operators do: that was not differentiated or batched. Make the "
                                "object in the function, pick it by a constant, or give it as an argument")
    return x
