"""Pytrees taken apart into leaves and structure, and put together again, in transformed code."""
from __future__ import annotations

from runtime import tree as trees
from runtime.batch import mapped_size, move_axis, spread
from runtime.op import op
from runtime.trees import _up_to, leaves_of, tree_build
from runtime.zero import ZERO


@op(constant=True, unbatched=True, batch=lambda tree, is_leaf=None, over=(): structure_of(tree, is_leaf))
def structure_of(tree, is_leaf=None):
    """Return the structure of a pytree; ``is_leaf`` says what else is a leaf."""
    return trees.tree_structure(tree, is_leaf)


@op(jvp="rt.leaves_up_to(rt.structure_of(tree, is_leaf), tree_dot)",
    vjp={"tree": "rt.tree_of_leaves(rt.structure_of(tree, is_leaf), d_out)"},
    batch=lambda tree, is_leaf=None, over=(): leaves_where(tree, is_leaf))
def leaves_where(tree, is_leaf=None):
    """Return the leaves of a pytree as a list; ``is_leaf`` says what else is a leaf."""
    return trees.tree_leaves(tree, is_leaf)


@op(linear="tree", vjp={"tree": "rt.tree_of_leaves(treedef, d_out)"}, batch=lambda treedef, tree, over=(): leaves_up_to(treedef, tree))
def leaves_up_to(treedef, tree):
    """Return the parts of ``tree`` at the leaves of a structure; ZERO has a ZERO at each. ValueError for another structure."""
    return _up_to(treedef, tree)


def _rows(leaves):
    """The leaves of every example: an array has them along the axis after that of the batch."""
    return [leaves[:, i] for i in range(leaves.shape[1])] if hasattr(leaves, "shape") else leaves


@op(jvp="rt.tree_of_leaves(treedef, rt.instantiate_shell(leaves_dot, leaves))",
    vjp={"leaves": "rt.restore(rt.leaves_up_to(treedef, d_out), like=leaves)"},
    batch=lambda treedef, leaves, over=(): tree_of_leaves(treedef, _rows(leaves)))
def tree_of_leaves(treedef, leaves):
    """Return a pytree with a structure around these leaves. ValueError if their number is wrong."""
    return ZERO if leaves is ZERO else trees.tree_unflatten(treedef, leaves)


def leaves_and_structure(tree, is_leaf=None):
    """Return (leaves, structure) of a pytree."""
    return leaves_where(tree, is_leaf), structure_of(tree, is_leaf)


def tree_map_where(f, each, is_leaf=None):
    """Apply ``f`` to corresponding leaves of any number of trees, which a list holds; ``is_leaf`` says what else is a leaf."""
    treedef = structure_of(each[0], is_leaf)
    parts = [leaves_up_to(treedef, tree) for tree in each]
    return tree_of_leaves(treedef, [f(*[part[i] for part in parts]) for i in range(treedef.num_leaves)])


def map_leaves(x, axes):
    """Move mapped axes to the front, one given for each leaf, and give the leaves that are not mapped the batch axis of those that are."""
    leaves = leaves_of(x)
    size = mapped_size(leaves, axes)
    return tree_build([spread(leaf, size) if axis is None else move_axis(leaf, axis, 0) for leaf, axis in zip(leaves, axes)], x)


__all__ = ["leaves_and_structure", "leaves_up_to", "leaves_where", "map_leaves", "structure_of", "tree_map_where", "tree_of_leaves"]
