"""One level of a pytree at a time, trees as prefixes of others, and reductions that may associate in any way."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from runtime import tree as trees


def flatten_one_level_with_keys(tree) -> tuple:
    """Return ([(key, child), ...], aux) of a container; ValueError for a leaf."""
    named = trees._named_children(tree)
    if named is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    return tuple(named), flatten_one_level(tree)[1]


def flatten_one_level(tree) -> tuple:
    """Return (children, aux) of a container, where ``aux`` holds what is not in the children; ValueError for a leaf."""
    found = trees.LEAVES.flatten_one_level(tree)
    if found is None:
        raise ValueError(f"can't tree-flatten type: {type(tree)}")
    return found


def is_tree_node(typ: type) -> bool:
    """Tell whether the instances of a class are containers."""
    return typ in trees._children or typ in (list, tuple, dict, type(None)) or issubclass(typ, tuple) and hasattr(typ, "_fields")


def tree_broadcast(prefix_tree, full_tree, is_leaf: Callable | None = None):
    """Return a tree of the structure of ``full_tree`` with the leaves of a tree that is a prefix of it, repeated.

    ValueError where it is no prefix.
    """
    leaves, structure = trees.tree_flatten(prefix_tree, is_leaf)
    parts = structure.flatten_up_to(full_tree)
    return structure.unflatten([trees.tree_map(lambda _: leaf, part) for leaf, part in zip(leaves, parts)])


def tree_reduce_associative(operation: Callable, tree, *, identity: Any = ..., is_leaf: Callable | None = None):
    """Combine the leaves by an associative operation, neighbours first; ``identity`` stands for no leaves.

    TypeError for a tree without leaves and no ``identity``.
    """
    items = trees.tree_leaves(tree, is_leaf)
    if not items:
        if identity is ...:
            raise TypeError("tree_reduce_associative: the tree has no leaves; give an identity")
        return identity
    while len(items) > 1:
        pairs = [operation(items[n], items[n + 1]) for n in range(0, len(items) - 1, 2)]
        items = pairs + items[len(pairs) * 2:]
    return items[0]


def static(**kwargs):
    """Return a dataclass field that register_dataclass takes for static; the arguments are those of dataclasses.field."""
    metadata = dict(kwargs.pop("metadata", None) or {})
    return dataclasses.field(metadata={**metadata, "static": True}, **kwargs)
