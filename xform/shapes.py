"""Questions about functions: the types of their results, their transpose, what they close over."""
from __future__ import annotations

import types

from runtime.array import Array
from runtime.stage import ShapeDtypeStruct
from runtime.tree import tree_leaves, tree_map
from xform import resolve
from xform.api import _direct, jit, vjp
from xform.transformed import Transformed


def eval_shape(fun, *args, **kwargs):
    """Return the result of ``fun`` as ShapeDtypeStructs, computing nothing.

    args, kwargs: pytrees of arrays, numbers or ShapeDtypeStructs.
    """
    jitted = fun if isinstance(fun, Transformed) and fun.kind == "jit" else jit(fun)
    return jitted.lower(*args, **kwargs).out_info


resolve.TRANSFORMATIONS[eval_shape] = "shapes"


def linear_transpose(fun, *primals, reduce_axes=()):
    """Return the transpose of a function that is linear in its arguments: a function from a cotangent to a tuple.

    primals: arrays or ShapeDtypeStructs, of which only the types are used. NotImplementedError where the derivative of ``fun``
    depends on its arguments, TypeError for integers and for a cotangent that is not of the result's type.
    """
    from runtime import numpy as np
    zeros = [tree_map(lambda leaf: np.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, ShapeDtypeStruct) else np.zeros_like(leaf), p)
             for p in primals]
    for leaf in tree_leaves(zeros):
        if leaf.dtype.kind in "biu":
            raise TypeError("linear_transpose only supports float and complex inputs, but got "
                            f"{[leaf.dtype.name for leaf in tree_leaves(zeros)]}")
    if not _is_linear(fun, zeros):
        raise NotImplementedError(f"linear_transpose of {getattr(fun, '__name__', fun)}, which is not linear: its derivative depends on its "
                                  "arguments. Take the vjp at the point that you mean.")
    pullback = vjp(fun, *zeros)[1]

    def transposed(cotangent):
        """Return the tuple of the arguments' cotangents."""
        try:
            return pullback(cotangent)
        except ValueError as error:
            raise TypeError(f"cotangent type does not match function output: {error}") from None
    return transposed


def _is_linear(fun, primals):
    """Whether no derivative flows from the arguments of a function to its pullback."""
    from xform.analyze.activity import activity
    from xform.pipeline import core
    from xform.syntax import assign, call, function, name, pack, returns
    from xform.transformed import entries_for
    from xform.unit import Unit
    from xform.version import version
    held, ((forward, *_), (backward, *_)) = entries_for("halves", fun, {"count": len(primals)}, _direct, primals)
    params = forward.params
    body = [assign(["out", "residuals"], call(forward.name, [name(p) for p in params])),
            assign("back", call(backward.name, [name("residuals"), name("d_out")])), returns(name("back"))]
    made = Unit("transposed", function("transposed", [*params, "d_out"], body), {forward.name: forward, backward.name: backward},
                {"out", "residuals", "back"})
    return not activity(version(core(made)), (*[i >= len(held.values) for i in range(len(params))], False)).out


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
