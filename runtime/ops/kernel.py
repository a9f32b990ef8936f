"""Makes primitives: elementwise ones, which promote and broadcast inside their kernel, and Python fused into one kernel."""
from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

import numpy as np

from runtime.array import Array
from runtime.config import config
from runtime.execute import EXACT
from runtime.hlo import Module, Value, into
from runtime.op import op
from runtime.primitive import Primitive, as_operand, lift_array
from runtime.types import aval, aval_of, broadcast_shapes, dtype_name, kind, promote_avals, promote_types, python_dtype

KIND_NAMES = {"b": "bool", "i": "integer", "u": "integer", "f": "floating", "c": "complexfloating"}


def inexact(dtype) -> np.dtype:
    """Return the floating or complex dtype in which a function like sin computes for operands of ``dtype``."""
    return np.dtype(dtype) if kind(dtype) in "fc" else promote_types(dtype, python_dtype(float))


def join_shapes(name: str, avals) -> tuple:
    """Return the shape to which operands broadcast; TypeError naming the function and the shapes if they do not."""
    shape = avals[0].shape
    for other in avals:
        if other.shape != shape:
            if config.numpy_rank_promotion != "allow":
                _rank_promotion(name, avals)
            try:
                return broadcast_shapes(*[a.shape for a in avals])
            except ValueError:
                shapes = ", ".join([str(a.shape) for a in avals])
                raise TypeError(f"{name} got incompatible shapes for broadcasting: {shapes}. Sizes must be equal, or 1, "
                                "counted from the last axis; reshape one operand.") from None
    return shape


def _rank_promotion(name: str, avals) -> None:
    """Warn of arrays of different ranks in one operation, or refuse them, as the configuration says."""
    if len({a.ndim for a in avals if a.ndim}) > 1:
        shapes = ", ".join([str(a.shape) for a in avals])
        if config.numpy_rank_promotion == "raise":
            raise ValueError(f"Operands could not be broadcast together for {name} on shapes {shapes} and with the config option "
                             "numpy_rank_promotion='raise'. Reshape one operand to the rank of the other.")
        warnings.warn(f"Following NumPy automatic rank promotion for {name} on shapes {shapes}. Set the config option "
                      "numpy_rank_promotion='allow' to disable this warning.", stacklevel=4)


def check_kinds(name: str, dtype, accepted: str) -> None:
    """Raise TypeError unless the dtype is of an accepted kind."""
    if kind(dtype) not in accepted:
        wanted = ", ".join(dict.fromkeys(KIND_NAMES[k] for k in accepted))
        raise TypeError(f"{name} does not accept dtype {dtype_name(dtype)}. Accepted dtypes are subtypes of {wanted}; cast with astype.")


def check_real(function, x, error):
    """Raise an error of the given class for complex numbers."""
    if kind(aval_of(x).dtype) == "c":
        raise error(f"{function} is not defined for complex numbers, got {dtype_name(aval_of(x).dtype)}; use abs(x), or the real part")
    return True


def elementwise(name: str, build, accepts: str = "biufc", compute: str = "same", result: str = "same", strong: bool = False) -> Primitive:
    """Make an elementwise primitive whose operands are promoted and broadcast in the kernel.

    ``build``: a StableHLO operation's name, or ``(block, values, aval) -> Value`` on operands of one type, where ``aval``
    is the result's. ``compute``: "same" (the promoted dtype), "number" (bools become integers), "inexact" or "bool".
    ``result``: "same", "bool" or "real". ``strong``: the result is never weakly typed.
    """
    def types(avals):
        dtype, weak = promote_avals(*avals)
        check_kinds(name, dtype, accepts)
        if compute == "inexact":
            dtype = inexact(dtype)
        elif compute == "bool":
            dtype, weak = np.dtype(bool), all([a.weak_type for a in avals])
        elif compute == "number" and kind(dtype) == "b":
            dtype = python_dtype(int)
        out = dtype
        if result == "bool":
            out = np.dtype(bool)
        elif result == "real" and kind(dtype) == "c":
            out = real_dtype(dtype)
        return dtype, out, weak and not strong

    def infer(*avals, **params):
        _, out, weak = types(avals)
        return aval(join_shapes(name, avals), out, weak)

    def emit(block, operands, out_avals, **params):
        dtype, _, _ = types([v.aval for v in operands])
        shape = out_avals[0].shape
        values = [block.broadcast(block.convert(v, v.aval.with_dtype(dtype)), shape) for v in operands]
        if type(build) is str:
            return block.op(build, values, out_avals[0])
        return build(block, values, out_avals[0], **params)
    return Primitive(name, infer, emit)


def real_dtype(dtype) -> np.dtype:
    """Return the dtype of the parts of a complex dtype; a real dtype unchanged."""
    return {"complex64": np.dtype("float32"), "complex128": np.dtype("float64")}.get(np.dtype(dtype).name, np.dtype(dtype))


def any_staged(operands) -> bool:
    """Tell whether some operand is a symbolic Array."""
    for x in operands:
        if type(x) is Array and type(x._v) is Value:
            return True
    return False


def fused(function: Callable) -> Callable:
    """Make Python over ops run as one kernel when called with concrete arrays.

    Positional arguments are arrays or numbers, keyword arguments static and hashable. Inside a trace, or on other
    things (pytrees, None), the function itself runs.
    """
    def run(module, avals_or_values, params):
        with into(module.main if isinstance(module, Module) else module):
            return function(*avals_or_values, **params)

    def infer(*avals, **params):
        module = Module(function.__name__)
        out = run(module, [Array(module.argument(of)) for of in avals], params)
        return tuple(as_operand(o).aval for o in out) if isinstance(out, (tuple, list)) else as_operand(out).aval

    def emit(block, operands, out_avals, **params):
        out = run(block, [Array(v) for v in operands], params)
        return [lift_array(block, o) for o in (out if isinstance(out, (tuple, list)) else (out,))]
    prim = Primitive(function.__name__, infer, emit)

    @functools.wraps(function)
    def call(*operands, **params):
        for x in operands:
            if type(x) is Array and type(x._v) is Value:
                return function(*operands, **params)
        return prim(*operands, **params)
    call.__wrapped__ = function
    return call


def one_kernel(*static: str, exact: bool = True) -> Callable:
    """Decorate a library function: on concrete arrays it runs as one kernel, not as one for each op in it.

    ``static`` names the parameters that are no arrays or numbers; they must be hashable. The compiler reads the
    function itself. With ``exact``, the last bits do not depend on the size.
    """
    def decorate(function):
        signature = inspect.signature(function)
        names = tuple(signature.parameters)
        dynamic = tuple([name for name in names if name not in static])

        def whole(*operands, **params):
            return function(**dict(zip(dynamic, operands)), **params)
        whole.__name__ = whole.__qualname__ = function.__name__
        if exact:
            EXACT.add(function.__name__)
        run = fused(whole)

        @functools.wraps(function)
        def call(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            params = {name: _hashable(given[name]) for name in static}
            return run(*[given[name] for name in dynamic], **params)
        del call.__wrapped__
        call.__signature__ = signature
        call.reads_as = function
        return call
    return decorate


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value


def about_types(function: Callable) -> Callable:
    """Register a question about shapes, dtypes or structure; under batching its operands are tokens of one example."""
    return op(constant=True, unbatched=True)(function)


@about_types
def no_out(name: str, value, what: str = "out") -> bool:
    """Raise NotImplementedError for an argument that is accepted for the sake of NumPy's signature alone."""
    if value is not None:
        raise NotImplementedError(f"{name}: {what}={value!r:.60} is not available: arrays are values; use the result, or np.where")
    return True


@about_types
def no_options(name: str, out, where) -> bool:
    """Raise NotImplementedError for NumPy's options of universal functions, unless they are at their defaults."""
    return no_out(name, out) and no_out(name, where, "where")


def named(function: Callable, name: str, module: str, doc: str) -> Callable:
    """Give a function made by a factory the name, home and docstring that its users see."""
    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    function.__doc__ = doc
    return function


check_real = about_types(check_real)
