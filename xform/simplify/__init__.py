"""Simplify: make transformed code read like the user's; every pass keeps what the code computes."""
from __future__ import annotations

from xform.simplify.coalesce import coalesce
from xform.simplify.dead import remove_dead
from xform.simplify.fold import fold
from xform.syntax import clone


def simplify(tree, temps, live_out=(), pure=None, fixed=()):
    """Run the passes on a FunctionDef in place; ``temps`` are the names that may be folded away, ``fixed``
    names that belong to an enclosing function."""
    tree.body = [clone(statement) for statement in tree.body]    # renaming needs every node in one place only
    tree.body = remove_dead(tree.body, frozenset(live_out), pure)
    tree.body = coalesce(tree, temps, fixed)
    tree.body = remove_dead(tree.body, frozenset(live_out), pure)
    tree.body = fold(tree.body, temps)
    return tree
