"""Objects of registered classes in derivative code: their children, and which attribute holds which child.

A tangent or cotangent of an object is an object of its class around the children's, with the same static data.
"""
from __future__ import annotations

import abc
import functools

from runtime.zero import ZERO

_FORMS: dict[type, tuple] = {}      # class -> (flatten, unflatten)
_places: dict = {}
_stored: dict = {}
_data: dict[type, frozenset] = {}
_given: dict[type, dict] = {}


class Node(abc.ABC):
    """What objects of the classes that users register are instances of."""


class Slot:
    """The place of a child in an object."""
    __slots__ = ("index",)

    def __init__(self, index):
        self.index = index

    def __repr__(self):
        return f"<child {self.index}>"


def add_class(cls: type, flatten, unflatten, attributes=None) -> None:
    """Make objects of a class nodes; ``flatten`` and ``unflatten`` as register_pytree_node takes them.

    attributes: the names of those that hold the children, one each, where ``unflatten`` computes something.
    """
    _FORMS[cls] = flatten, unflatten
    if attributes is not None:
        _given[cls] = {name: Slot(i) for i, name in enumerate(attributes)}
    Node.register(cls)


def _form(x):
    for cls in type(x).__mro__:
        if cls in _FORMS:
            return _FORMS[cls]
    raise TypeError(f"{type(x).__name__} is not registered as a pytree")


def children_of(x) -> list:
    """Return the children of a node."""
    return list(_form(x)[0](x)[0])


def with_children(x, children):
    """Return a node with the class and the static data of ``x`` around new children."""
    flatten, unflatten = _form(x)
    return unflatten(flatten(x)[1], tuple(children))


def attributes_of(x) -> dict:
    """Return the attributes that an object stores, by name."""
    fields = getattr(x, "_fields", None)
    if fields is not None:
        return {name: getattr(x, name) for name in fields}
    if isinstance(x, functools.partial):
        return {"args": x.args, "keywords": x.keywords, **vars(x)}
    slots = [name for cls in reversed(type(x).__mro__) for name in _slots(cls)]
    found = {name: getattr(x, name) for name in slots if hasattr(x, name)}
    return {**found, **getattr(x, "__dict__", {})}


def _slots(cls):
    own = cls.__dict__.get("__slots__", ())
    return [s for s in ((own,) if isinstance(own, str) else own) if s not in ("__dict__", "__weakref__")]


def places_of(x) -> dict:
    """Return, for each attribute that ``tree_unflatten`` fills from children, where these are: a Slot or a container of Slots."""
    if type(x) in _given:
        return _given[type(x)]
    flatten, unflatten = _form(x)
    children, aux = flatten(x)
    count = len(list(children))
    key = type(x), aux, count
    try:
        found = _places.get(key)
    except TypeError:       # static data that has no hash
        key, found = None, None
    if found is None:
        try:
            made = unflatten(aux, tuple([Slot(i) for i in range(count)]))
        except Exception as error:
            raise TypeError(f"the unflatten function of {type(x).__name__} fails for children that are no arrays; it must store what "
                            "it is given and compute nothing") from error
        stored = attributes_of(made)
        found = {name: value for name, value in stored.items() if _slots_in(value)}
        _data[type(x)] = frozenset(found)
        if key is not None:
            _places[key] = found
            _stored[key] = tuple(stored)
    return found


def keeps_children(x) -> bool:
    """Whether a node's children may be anything, zeros and places too: some classes say by the types of values what is a child."""
    flatten, unflatten = _form(x)
    children, aux = flatten(x)
    slots = [Slot(i) for i in range(len(list(children)))]
    try:
        again = list(flatten(unflatten(aux, tuple(slots)))[0])
    except Exception:       # of whatever kind: it computes with its children
        return False
    return len(again) == len(slots) and all(one is other for one, other in zip(again, slots))


def stored_by(x) -> tuple:
    """Return the names of the attributes that an object has after it was flattened and put together again."""
    places_of(x)
    flatten, unflatten = _form(x)
    children, aux = flatten(x)
    children = tuple(children)
    try:
        found = _stored.get((type(x), aux, len(children)))
    except TypeError:       # static data that has no hash
        found = None
    return tuple(attributes_of(unflatten(aux, children))) if found is None else found


def _slots_in(value) -> list:
    if isinstance(value, Slot):
        return [value.index]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [index for item in inner for index in _slots_in(item)]


def data_of(kind: type, names: tuple, values: tuple) -> frozenset:
    """Return the names of the attributes that hold children in objects of a class."""
    if kind not in _data:
        places_of(made_with(kind, names, values))
    return _data[kind]


def made_with(kind: type, names: tuple, values: tuple):
    """Return an object with these attributes, as the code of ``__init__`` left them."""
    if kind not in _FORMS:
        raise TypeError(f"an object of class {kind.__name__} is used as a value, but the class is no pytree; register it with "
                        "tree_util.register_dataclass or tree_util.register_pytree_node_class")
    made = object.__new__(kind)
    for name, value in zip(names, values):
        object.__setattr__(made, name, value)
    return made


def fill(children: list, place, value) -> None:
    """Put the (co)tangent of an attribute into the children that it consists of; what is there already stays."""
    if isinstance(place, Slot):
        if children[place.index] is ZERO:
            children[place.index] = value
    elif value is not ZERO and isinstance(place, (list, tuple, dict)):
        for key in place if isinstance(place, dict) else range(len(place)):
            fill(children, place[key], value[key])


def taken(children: list, place):
    """Return the attribute that consists of these children."""
    if isinstance(place, Slot):
        return children[place.index]
    if isinstance(place, dict):
        return {k: taken(children, v) for k, v in place.items()}
    if isinstance(place, (list, tuple)):
        items = [taken(children, v) for v in place]
        return type(place)(*items) if hasattr(place, "_fields") else type(place)(items)
    return ZERO
