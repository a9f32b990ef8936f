"""Functions with derivative rules of the user's, under the names of jax.custom_derivatives."""
from __future__ import annotations

from runtime import numpy as np
from runtime.tree import tree_map
from xform.custom import CustomVJPPrimal, SymbolicZero, custom_gradient, custom_jvp, custom_vjp
from xform.shapes import closure_convert


def custom_vjp_primal_tree_values(tree):
    """Return a tree of CustomVJPPrimals as the tree of their values."""
    return tree_map(lambda leaf: leaf.value, tree, is_leaf=lambda x: isinstance(x, CustomVJPPrimal))


def zero_from_primal(val, symbolic_zeros: bool = False):
    """Return the zero of the tangents of a value: an array, or with ``symbolic_zeros`` a SymbolicZero."""
    return SymbolicZero(val) if symbolic_zeros else np.zeros_like(val)


__all__ = ["CustomVJPPrimal", "SymbolicZero", "closure_convert", "custom_gradient", "custom_jvp", "custom_vjp",
           "custom_vjp_primal_tree_values", "zero_from_primal"]
