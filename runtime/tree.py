"""Pytrees: nested containers of arrays, flattened to leaves and put together again.

Containers are list, tuple, namedtuple, dict (keys in sorted order), OrderedDict, defaultdict, None (no leaf), the symbolic zero
(no leaf) and classes registered here. Everything else is a leaf. Three registries of jaxlib's hold the same classes: in
``LEAVES`` an Array is a leaf; in ``BUFFERS``, which the compiled dispatch uses, it is a node around its buffer; in ``CARRIED``,
which loops and branches use for their variables and records, a slice is a container of its bounds.
"""
from __future__ import annotations

import builtins
import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

from runtime import xla
from runtime.array import Array
from runtime.node import add_class
from runtime.zero import Like, Static, Zero, ZERO

_ENABLE = dict(enable_none=True, enable_tuple=True, enable_namedtuple=True, enable_list=True, enable_dict=True)
LEAVES = xla.PyTreeRegistry(**_ENABLE)
BUFFERS = xla.PyTreeRegistry(**_ENABLE)
CARRIED = xla.PyTreeRegistry(**_ENABLE)
PyTreeDef = xla.PyTreeDef
_key_functions: dict[type, Callable] = {}
_children: dict[type, Callable] = {}


def _rewrap(_, children):
    return Array(children[0])


BUFFERS.register_node(Array, lambda a: ((a._v,), None), _rewrap)
CARRIED.register_node(slice, lambda s: ((s.start, s.stop, s.step), None), lambda _, bounds: slice(*bounds))


def register_pytree_node(nodetype: type, flatten_func: Callable, unflatten_func: Callable,
                         flatten_with_keys_func: Callable | None = None) -> None:
    """Make a class a container: ``flatten_func(x) -> (children, aux)``, ``unflatten_func(aux, children) -> x``.

    ``aux`` is static: hashable and comparable. ValueError when the class is registered already.
    """
    register_structure(nodetype, flatten_func, unflatten_func, flatten_with_keys_func)
    add_class(nodetype, flatten_func, unflatten_func)


def register_structure(nodetype: type, flatten_func: Callable, unflatten_func: Callable,
                       flatten_with_keys_func: Callable | None = None) -> None:
    """Make a class a container of the registries alone; derivative code takes its objects for values of their own kind."""
    for registry in (LEAVES, BUFFERS, CARRIED):
        registry.register_node(nodetype, flatten_func, unflatten_func)
    _children[nodetype] = flatten_func
    if flatten_with_keys_func is not None:
        _key_functions[nodetype] = flatten_with_keys_func


def register_pytree_with_keys(nodetype: type, flatten_with_keys: Callable, unflatten_func: Callable,
                              flatten_func: Callable | None = None) -> None:
    """Make a class a container whose children have keys: ``flatten_with_keys(x) -> ([(key, child), ...], aux)``."""
    def plain(x):
        pairs, aux = flatten_with_keys(x)
        return [child for _, child in pairs], aux
    register_pytree_node(nodetype, flatten_func or plain, unflatten_func, flatten_with_keys)


def register_pytree_node_class(cls: type) -> type:
    """Class decorator: a container with methods ``tree_flatten`` and (class method) ``tree_unflatten``."""
    register_pytree_node(cls, lambda x: x.tree_flatten(), cls.tree_unflatten)
    return cls


def register_pytree_with_keys_class(cls: type) -> type:
    """Class decorator: like register_pytree_node_class, with a method ``tree_flatten_with_keys``."""
    flatten = (lambda x: x.tree_flatten()) if hasattr(cls, "tree_flatten") else None
    register_pytree_with_keys(cls, lambda x: x.tree_flatten_with_keys(), cls.tree_unflatten, flatten)
    return cls


def register_dataclass(nodetype: type, data_fields=None, meta_fields=None, drop_fields=()) -> type:
    """Make a dataclass a container of its ``data_fields``; ``meta_fields`` are static.

    By default every init field is data unless its metadata says ``static=True``.
    """
    if data_fields is None or meta_fields is None:
        if not dataclasses.is_dataclass(nodetype):
            raise TypeError(f"register_dataclass: {nodetype} is no dataclass; give data_fields and meta_fields")
        fields = [f for f in dataclasses.fields(nodetype) if f.init]
        data_fields = [f.name for f in fields if not f.metadata.get("static", False)]
        meta_fields = [f.name for f in fields if f.metadata.get("static", False)]
    data, meta = tuple(data_fields), tuple(meta_fields)
    if dataclasses.is_dataclass(nodetype):
        init = {f.name for f in dataclasses.fields(nodetype) if f.init} - set(drop_fields)
        if init != {*data, *meta}:
            raise ValueError(f"register_dataclass: data_fields and meta_fields of {nodetype.__name__} must name its init "
                             f"fields {sorted(init)}, not {sorted({*data, *meta})}")

    def flatten(x):
        return [getattr(x, name) for name in data], tuple([getattr(x, name) for name in meta])

    def unflatten(aux, children):
        return nodetype(**dict(zip(meta, aux)), **dict(zip(data, children)))

    def with_keys(x):
        return [(GetAttrKey(name), getattr(x, name)) for name in data], tuple(getattr(x, name) for name in meta)
    register_pytree_node(nodetype, flatten, unflatten, with_keys)
    return nodetype


def register_static(cls: type) -> type:
    """Make a class a container without leaves: its instances are part of the structure, compared with ==."""
    register_structure(cls, lambda x: ((), x), lambda aux, _: aux)
    return cls


def tree_flatten(tree, is_leaf: Callable | None = None) -> tuple[list, PyTreeDef]:
    """Return ``(leaves, treedef)``."""
    return LEAVES.flatten(tree, is_leaf)


def tree_unflatten(treedef: PyTreeDef, leaves: Iterable):
    """Put leaves together again; ValueError if their number is wrong."""
    return treedef.unflatten(leaves)


def tree_leaves(tree, is_leaf: Callable | None = None) -> list:
    """Return the leaves in order."""
    return LEAVES.flatten(tree, is_leaf)[0]


def tree_structure(tree, is_leaf: Callable | None = None) -> PyTreeDef:
    """Return the structure without the leaves."""
    return LEAVES.flatten(tree, is_leaf)[1]


def tree_map(f: Callable, tree, *rest, is_leaf: Callable | None = None):
    """Apply ``f`` to corresponding leaves; ValueError where the structure of ``rest`` does not begin with ``tree``'s."""
    leaves, treedef = LEAVES.flatten(tree, is_leaf)
    if not rest:
        return treedef.unflatten([f(leaf) for leaf in leaves])
    columns = [leaves] + [treedef.flatten_up_to(other) for other in rest]
    return treedef.unflatten([f(*row) for row in zip(*columns)])


def tree_reduce(function: Callable, tree, initializer: Any = ..., is_leaf: Callable | None = None):
    """Combine the leaves from left to right with ``function``."""
    leaves = tree_leaves(tree, is_leaf)
    return functools.reduce(function, leaves) if initializer is ... else functools.reduce(function, leaves, initializer)


def tree_all(tree, *, is_leaf: Callable | None = None) -> bool:
    """Tell whether every leaf is true."""
    return builtins.all(tree_leaves(tree, is_leaf))


def tree_transpose(outer_treedef: PyTreeDef, inner_treedef: PyTreeDef, pytree_to_transpose):
    """Turn a tree of trees inside out: an outer tree of inner trees becomes an inner tree of outer trees."""
    leaves, treedef = tree_flatten(pytree_to_transpose)
    if inner_treedef is None:
        inner_treedef = tree_structure(outer_treedef.flatten_up_to(pytree_to_transpose)[0])
    outer_size, inner_size = outer_treedef.num_leaves, inner_treedef.num_leaves
    if treedef.num_leaves != outer_size * inner_size:
        raise TypeError(f"tree_transpose: a tree of {treedef.num_leaves} leaves is no {outer_treedef} of {inner_treedef}")
    rows = [leaves[i * inner_size:(i + 1) * inner_size] for i in range(outer_size)]
    return inner_treedef.unflatten([outer_treedef.unflatten(column) for column in zip(*rows)])


def all_leaves(iterable: Iterable, is_leaf: Callable | None = None) -> bool:
    """Tell whether every item is a leaf."""
    items = list(iterable)
    found = tree_leaves(items, is_leaf)
    return len(items) == len(found) and builtins.all(a is b for a, b in zip(items, found))


def treedef_is_leaf(treedef: PyTreeDef) -> bool:
    """Tell whether a structure is a single leaf."""
    return treedef.num_nodes == 1


def treedef_tuple(treedefs: Iterable[PyTreeDef]) -> PyTreeDef:
    """Return the structure of a tuple of trees with these structures."""
    return tree_structure(tuple(t.unflatten([0] * t.num_leaves) for t in treedefs))


def treedef_children(treedef: PyTreeDef) -> list[PyTreeDef]:
    """Return the structures of a structure's children."""
    return treedef.children()


def build_tree(treedef: PyTreeDef, xs):
    """Put a tree together whose leaves are themselves given as trees."""
    return treedef.unflatten(xs)


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """The position of a child in a list or tuple."""
    idx: int

    def __str__(self):
        return f"[{self.idx!r}]"


@dataclasses.dataclass(frozen=True)
class DictKey:
    """The key of a child in a dict."""
    key: Any

    def __str__(self):
        return f"[{self.key!r}]"


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """The attribute name of a child."""
    name: str

    def __str__(self):
        return f".{self.name}"


@dataclasses.dataclass(frozen=True)
class FlattenedIndexKey:
    """The number of a child of a class registered without keys."""
    key: int

    def __str__(self):
        return f"[<flat index {self.key}>]"


def _named_children(node) -> list | None:
    """Return the (key, child) pairs of a container, or None for a leaf."""
    cls = type(node)
    if cls in _key_functions:
        return list(_key_functions[cls](node)[0])
    if node is None:
        return []
    if cls in _children:
        return [(FlattenedIndexKey(i), child) for i, child in enumerate(_children[cls](node)[0])]
    if cls is dict:
        return [(DictKey(k), node[k]) for k in sorted(node)]
    if cls is list or cls is tuple:
        return [(SequenceKey(i), child) for i, child in enumerate(node)]
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return [(GetAttrKey(name), getattr(node, name)) for name in node._fields]
    return None


def tree_flatten_with_path(tree, is_leaf: Callable | None = None, is_leaf_takes_path: bool = False) -> tuple[list, PyTreeDef]:
    """Return ``([(path, leaf), ...], treedef)``; a path is a tuple of keys.

    ``is_leaf_takes_path``: the predicate is called with (path, node), not with the node alone.
    """
    found, ends = [], []

    def ended(path, node):
        ends.append(bool(is_leaf(path, node) if is_leaf_takes_path else is_leaf(node)))
        return ends[-1]

    def walk(node, path):
        named = None if is_leaf is not None and ended(path, node) else _named_children(node)
        if named is None:
            found.append((path, node))
            return
        for key, child in named:
            walk(child, (*path, key))
    walk(tree, ())
    again = iter(ends)      # flattening asks about the same nodes in the same order
    return found, tree_structure(tree, None if is_leaf is None else lambda node: next(again))


def tree_leaves_with_path(tree, is_leaf: Callable | None = None, is_leaf_takes_path: bool = False) -> list:
    """Return ``[(path, leaf), ...]``."""
    return _leaves_under(tree, (), is_leaf, is_leaf_takes_path)


def _leaves_under(node, path, is_leaf, takes_path):
    if is_leaf is not None:
        given = (path, node) if takes_path else (node,)
        if is_leaf(*given):
            return [(path, node)]
    named = _named_children(node)
    if named is None:
        return [(path, node)]
    return [pair for key, child in named for pair in _leaves_under(child, (*path, key), is_leaf, takes_path)]


def tree_map_with_path(f: Callable, tree, *rest, is_leaf: Callable | None = None, is_leaf_takes_path: bool = False):
    """Apply ``f(path, leaf, ...)`` to corresponding leaves."""
    pairs, treedef = tree_flatten_with_path(tree, is_leaf, is_leaf_takes_path)
    columns = [[p for p, _ in pairs], [leaf for _, leaf in pairs]] + [treedef.flatten_up_to(other) for other in rest]
    return treedef.unflatten([f(*row) for row in zip(*columns)])


def keystr(keys, *, simple: bool = False, separator: str = "") -> str:
    """Return a path as text, as one would write it in Python."""
    def plain(key):
        return str(next(iter(dataclasses.asdict(key).values()))) if dataclasses.is_dataclass(key) else str(key)
    return separator.join(plain(k) if simple else str(k) for k in keys)


class Partial(functools.partial):
    """A functools.partial that is a container: bound arguments are children, the function is static."""


def _partial_flatten(p):
    return (p.args, p.keywords), p.func


def _partial_again(aux, children):
    func, count, names = aux
    args, keywords = children
    return Partial(func, *((ZERO,) * count if args is ZERO else args), **(dict.fromkeys(names, ZERO) if keywords is ZERO else keywords))


register_structure(Partial, _partial_flatten, lambda func, children: Partial(func, *children[0], **children[1]))
add_class(Partial, lambda p: ((p.args, p.keywords), (p.func, len(p.args), tuple(p.keywords))), _partial_again, ("args", "keywords"))
register_structure(collections.OrderedDict, lambda d: (list(d.values()), tuple(d)),
                     lambda keys, values: collections.OrderedDict(zip(keys, values)),
                     lambda d: ([(DictKey(k), v) for k, v in d.items()], tuple(d)))
register_structure(collections.defaultdict, lambda d: ([d[k] for k in sorted(d)], (d.default_factory, tuple(sorted(d)))),
                     lambda aux, values: collections.defaultdict(aux[0], zip(aux[1], values)),
                     lambda d: ([(DictKey(k), d[k]) for k in sorted(d)], (d.default_factory, tuple(sorted(d)))))
register_structure(Zero, lambda z: ((), None), lambda aux, _: ZERO)
register_static(Like)
register_static(Static)

# The short names of ``tree`` and the long ones of ``tree_util`` mean the same functions.
flatten, unflatten, leaves, structure, map = tree_flatten, tree_unflatten, tree_leaves, tree_structure, tree_map
reduce, all, transpose = tree_reduce, tree_all, tree_transpose
flatten_with_path, leaves_with_path, map_with_path = tree_flatten_with_path, tree_leaves_with_path, tree_map_with_path

KeyEntry = Any
KeyPath = tuple[KeyEntry, ...]
default_registry = LEAVES

from runtime.treelevels import (flatten_one_level, flatten_one_level_with_keys, is_tree_node, static, tree_broadcast,
                                tree_reduce_associative)

broadcast, reduce_associative = tree_broadcast, tree_reduce_associative
