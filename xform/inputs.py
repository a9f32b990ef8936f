"""Arguments at the boundary: bind them to parameters, turn numbers into arrays, refuse what has no derivative."""
from __future__ import annotations

import inspect

import numpy

from runtime import numpy as np
from runtime.array import Array, scalar
from runtime.dtypes import float0
from runtime.node import Node
from runtime.tree import tree_flatten, tree_leaves, tree_map, tree_unflatten
from runtime.types import KEY, dtype_name
from xform.errors import excerpt


def bind_arguments(target, args, kwargs):
    """One value a parameter of the target's unit, defaults filled in; *args and **kwargs become a tuple and a dict."""
    unit = target.unit
    values = [*target.values, *args]
    keywords = {**target.keywords, **kwargs}
    signature = unit.signature
    if not keywords and len(values) == len(unit.params) and plain(signature):
        return values
    bound = signature.bind(*values, **keywords)
    bound.apply_defaults()
    return [bound.arguments[p] for p in signature.parameters]


def plain(signature):
    return not any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values())


def numeric(x):
    """A number or host array as an Array; Arrays, tokens and functions as they are."""
    if isinstance(x, Array):
        return x
    if type(x) in (bool, int, float, complex):
        return scalar(x)
    if isinstance(x, (bool, int, float, complex, numpy.ndarray, numpy.generic)):
        return np.asarray(x)
    if isinstance(x, (list, tuple, dict, Node)):
        return tree_map(numeric, x)
    return x


def without_integers(derivative, like):
    """A public derivative whose leaves stand for those of ``like``: integers, bools and keys have none, which float0 says."""
    leaves, tree = tree_flatten(like)
    if all(continuous(leaf) for leaf in leaves):
        return derivative
    given = tree.flatten_up_to(derivative)
    return tree_unflatten(tree, [d if continuous(leaf) else numpy.zeros(numpy.shape(leaf), float0) for d, leaf in zip(given, leaves)])


def continuous(leaf):
    """Tell whether a value has derivatives: integers, bools and keys have none."""
    if isinstance(leaf, (bool, int)):
        return False
    return not hasattr(leaf, "dtype") or leaf.dtype.kind not in "biu" and leaf.dtype != KEY


def differentiable(value, kind, unit, param, options):
    """An argument to differentiate, its leaves as arrays; TypeError unless they are floating-point numbers."""
    made = numeric(value)
    for leaf in [made] if isinstance(made, Array) else tree_leaves(made):
        if not isinstance(leaf, Array):
            raise TypeError(f"{_place(unit)}Argument {param!r} of {unit.name} holds a {type(leaf).__name__} "
                            f"({leaf!r}), which {kind} cannot differentiate. Pass arrays or numbers, or leave the argument "
                            "out of argnums.")
        if options.get("allow_int"):
            continue
        kind_of = leaf.dtype.kind
        if kind_of in "biu" or leaf.dtype == KEY:
            raise TypeError(f"{_place(unit)}{kind} requires real- or complex-valued inputs (input dtype that is a sub-dtype "
                            f"of np.inexact), but got {dtype_name(leaf.dtype)} for argument {param!r} of {unit.name}. Pass a float "
                            "(1.0 instead of 1), or differentiate with allow_int=True.")
    return made


def _place(unit):
    function = unit.function
    if function is None:
        return ""
    line = inspect.unwrap(function).__code__.co_firstlineno
    return excerpt(unit.file, line) + "\n" if unit.file else ""
