"""tree_map for transformed code: plain Python over the leaves, one function for each number of trees."""
from __future__ import annotations

from runtime.node import Node, children_of
from runtime.op import op
from runtime.tree import tree_flatten, tree_unflatten
from runtime.zero import ZERO, Like


def _leaf(x):
    return x is ZERO or isinstance(x, Like)


def _like(tree):
    return tree_flatten(tree, is_leaf=_leaf)


@op(jvp="rt.leaves_along(tree_dot, tree)", vjp={"tree": "rt.tree_build(d_out, like=tree)"},
    batch=lambda tree, over=(): leaves_of(tree))
def leaves_of(tree):
    """Return the leaves of a pytree as a list."""
    return tree_flatten(tree)[0]


@op(jvp="rt.leaves_along(tree_dot, like)", vjp={"tree": "rt.tree_build(d_out, like=like)"},
    batch=lambda tree, like, over=(): leaves_along(tree, like))
def leaves_along(tree, like):
    """Return the parts of ``tree`` at the leaves of ``like``; ZERO has a ZERO at each. ValueError for another structure."""
    leaves, structure = _like(like)
    return [ZERO] * len(leaves) if tree is ZERO else _up_to(structure, tree)


def _up_to(structure, tree):
    from runtime.tree import treedef_children
    if tree is ZERO:
        return [ZERO] * structure.num_leaves
    children = treedef_children(structure)
    if not children:
        return structure.flatten_up_to(tree)
    inner = list(tree.values()) if isinstance(tree, dict) else list(tree) if isinstance(tree, (list, tuple)) else None
    if isinstance(tree, dict):
        inner = [tree[k] for k in sorted(tree)]
    elif isinstance(tree, Node):
        inner = children_of(tree)
    if inner is None or len(inner) != len(children):
        return structure.flatten_up_to(tree)
    return [leaf for child, part in zip(children, inner) for leaf in _up_to(child, part)]


@op(jvp="rt.tree_build(rt.instantiate_shell(leaves_dot, leaves), like=like)", vjp={"leaves": "rt.leaves_along(d_out, like)"},
    batch=lambda leaves, like, over=(): tree_build(leaves, like))
def tree_build(leaves, like):
    """Return a pytree with the structure of ``like`` around new leaves."""
    if leaves is ZERO:
        return ZERO
    return tree_unflatten(_like(like)[1], leaves)


def tree_map_1(f, tree):
    """Apply ``f`` to every leaf."""
    return tree_build([f(x) for x in leaves_of(tree)], tree)


def tree_map_2(f, tree, other):
    """Apply ``f`` to corresponding leaves of two trees."""
    return tree_build([f(x, y) for x, y in zip(leaves_of(tree), leaves_along(other, tree))], tree)


def tree_map_3(f, tree, other, third):
    """Apply ``f`` to corresponding leaves of three trees."""
    return tree_build([f(x, y, z) for x, y, z in zip(leaves_of(tree), leaves_along(other, tree), leaves_along(third, tree))],
                      tree)


def tree_map_4(f, tree, other, third, fourth):
    """Apply ``f`` to corresponding leaves of four trees."""
    return tree_build([f(x, y, z, w) for x, y, z, w in zip(leaves_of(tree), leaves_along(other, tree),
                                                           leaves_along(third, tree), leaves_along(fourth, tree))], tree)


def tree_map_all(f, trees):
    """Apply ``f`` to corresponding leaves of any number of trees, which a list or tuple holds."""
    first = trees[0]
    columns = [leaves_along(tree, first) for tree in trees]
    return tree_build([f(*[column[i] for column in columns]) for i in range(len(columns[0]))], first)
