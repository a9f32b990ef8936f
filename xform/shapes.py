"""Questions about functions: the types of their results, their transpose, what they close over."""
from __future__ import annotations

import types

from runtime.array import Array
from runtime.stage import ShapeDtypeStruct
from runtime.tree import tree_leaves, tree_map
from runtime.types import aval_of
from xform.api import jit, vjp


def typeof(x):
    """Return the type of an array or number: its shape, dtype and weak_type. TypeError for anything else."""
    return aval_of(x)


def eval_shape(fun, *args, **kwargs):
    """Return the result of ``fun`` as ShapeDtypeStructs, computing nothing.

    args, kwargs: pytrees of arrays, numbers or ShapeDtypeStructs.
    """
    return jit(fun).lower(*args, **kwargs).out_info


def linear_transpose(fun, *primals, reduce_axes=()):
    """Return the transpose of a function that is linear in its arguments: a function from a cotangent to a tuple.

    primals: arrays or ShapeDtypeStructs, of which only the types are used. That ``fun`` is linear is not checked: for another
    function the result is the transpose of its derivative at zero.
    """
    from runtime import numpy as np
    zeros = [tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, ShapeDtypeStruct) else np.zeros_like(leaf), p)
             for p in primals]
    for leaf in tree_leaves(zeros):
        if leaf.dtype.kind in "biu":
            raise TypeError("linear_transpose only supports float and complex inputs, but got "
                            f"{[leaf.dtype.name for leaf in tree_leaves(zeros)]}")
    return vjp(fun, *zeros)[1]


def closure_convert(fun, *example_args):
    """Return ``(converted, consts)``: ``converted(*args, *consts)`` is ``fun(*args)``, its captured arrays being arguments.

    consts: the floating-point arrays that ``fun`` closes over. A function that closes over none is returned as it is. The compiler
    differentiates through closures by itself; this serves functions that pass what they close over to a custom rule.
    """
    consts, places = [], []
    for number, cell in enumerate(getattr(fun, "__closure__", None) or ()):
        held = cell.cell_contents
        if isinstance(held, Array) and held.dtype.kind in "fcV":
            consts.append(held)
            places.append(number)
    if not consts:
        return fun, []
    count = len(consts)

    def converted(*args):
        given, held = args[:len(args) - count], args[len(args) - count:]
        cells = list(fun.__closure__)
        for number, value in zip(places, held):
            cells[number] = types.CellType(value)
        inner = types.FunctionType(fun.__code__, fun.__globals__, fun.__name__, fun.__defaults__, tuple(cells))
        inner.__kwdefaults__ = fun.__kwdefaults__
        return inner(*given)
    return converted, consts
