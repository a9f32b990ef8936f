"""Primitives: the smallest operations, each a type rule and a lowering; run eagerly or emitted into a trace.

To define one::

    def _same(x, y):                                  # avals in; an Aval out (or a tuple of them), or an error
        return x
    def _emit(block, operands, out_avals):             # hlo Values in; a Value out (or a list of them)
        return block.op("add", operands, out_avals[0])
    add = Primitive("add", _same, _emit)
    add(x, y)                                          # Arrays in, Array out (a tuple if infer returned one)

- A primitive promotes nothing and broadcasts nothing: public functions do that first.
- Operands are positional: Arrays; Python and NumPy numbers and NumPy arrays are accepted (numbers are weakly typed).
- ``**params`` are static and hashable (dtypes, tuples, strings, None ...). A number that is data goes in as an operand: 0.0
  and -0.0 are one dictionary key, and each new value of a param compiles anew.
- With concrete operands the call runs at once, also while a function is being staged: constants stay concrete.
- With a symbolic operand it is emitted into the current block; concrete operands become constants (small ones) or
  hoisted arguments of the staged program.
- A primitive without operands runs eagerly too, but inside a trace it is emitted if its result is large.
"""
from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from runtime import cache, hlo
from runtime.array import Array, ConcretizationError, LeakError, scalar, to_buffer
from runtime.config import config
from runtime.device import default_placement, home_sharding
from runtime.execute import Kernel, check_size, explain, params_key, run_anywhere, store
from runtime.hlo import Value, tracing
from runtime.invalid import check
from runtime.types import KEY, Aval, canonical_dtype, dtype_name
from runtime.xla import ArrayImpl, XlaError

_HUGE = 1 << 40  # elements from which a result may be too large to be counted
INLINE = 16  # elements up to which a concrete array becomes a constant of a staged program
_DIRECT_LIMIT = 4096  # kernels kept for the short way
EMIT_FROM = 1024  # elements from which what is made without operands is left to the staged program, not captured by it

primitives: list[Primitive] = []


class Primitive:
    """One operation with its type rule ``infer(*avals, **params)`` and ``emit(block, operands, out_avals, **params)``."""
    __slots__ = ("__call__", "name", "infer", "emit", "cache", "elsewhere", "direct")

    def __init__(self, name: str, infer: Callable, emit: Callable):
        self.name, self.infer, self.emit = name, infer, emit
        self.cache: dict = {}       # kernels for the default device; and for those that were it before
        self.elsewhere: dict = {}
        self.direct: dict = {}  # type or types -> what _of_one and _of_two run without further questions
        self.__call__ = self.general  # a slot: what it holds is called, with nothing in between
        primitives.append(self)

    def __repr__(self):
        return f"<primitive {self.name}>"

    def general(self, *operands, **params):
        """Run on any operands, or emit into the current block; the shorter ways begin here, too."""
        buffers = [x._v if type(x) is Array else as_operand(x, self.name)._v for x in operands]
        home = home_sharding()
        for b in buffers:
            if type(b) is not ArrayImpl or b._sharding is not home:
                return self._apart(buffers, params)
        avals = tuple([b.aval for b in buffers])
        key = (avals, params_key(params)) if params else avals
        kernel = self.cache.get(key)
        if kernel is None:
            if not buffers and tracing.block is not None:
                made = self.infer(**params)
                if (made.size if type(made) is Aval else sum(m.size for m in made)) > EMIT_FROM:
                    return self._stage(buffers, params)
            kernel = store(self, key, Kernel(self, avals, params, default_placement()))
        if not params and kernel.single and not (settings["debug_nans"] or settings["debug_infs"]):
            self._note(kernel, avals, home)
        try:
            results = kernel.execute(buffers).consume_with_handlers(kernel.handlers)
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
        if settings["debug_nans"] or settings["debug_infs"]:
            check(self.name, results, buffers)
        if kernel.single:
            return Array(results[0])
        return tuple([Array(r) for r in results])

    def _note(self, kernel, avals, home):
        """Keep a kernel of one or two operands where the short way finds it."""
        if 0 < len(avals) <= 2:
            if not self.direct:
                self.__call__ = (_of_one if len(avals) == 1 else _of_two)(self)
            elif len(self.direct) > _DIRECT_LIMIT:
                self.direct.clear()
            self.direct[avals[0] if len(avals) == 1 else avals] = (
                kernel.execute, [handler.wrap(Array) for handler in kernel.handlers], home)

    def _apart(self, buffers, params):
        """Handle operands of which one is symbolic or not on the default device."""
        if any(type(b) is not ArrayImpl for b in buffers):
            return self._stage(buffers, params)
        single, results = run_anywhere(self, buffers, params)
        if settings["debug_nans"] or settings["debug_infs"]:
            check(self.name, results, buffers)
        return Array(results[0]) if single else tuple([Array(r) for r in results])

    def _stage(self, buffers, params):
        block = tracing.block
        if block is None:
            raise LeakError(f"{self.name} got an array of a staged function that has returned. Return such values "
                            "from the function instead of storing them elsewhere.")
        values = [lift(block, b) for b in buffers]
        made = self.infer(*[v.aval for v in values], **params)
        outs = (made,) if type(made) is Aval else tuple(made)
        for of in outs:
            if of.size > _HUGE:
                check_size(self.name, of)
        block.location = user_location()
        results = self.emit(block, values, outs, **params)
        if type(made) is Aval:
            return Array(results if type(results) is Value else results[0])
        return tuple([Array(r) for r in results])


_numbers = dict.fromkeys((bool, int, float, complex), scalar)
_UNKNOWN = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)


def _of_one(prim: Primitive) -> Callable:
    """Return the short way to kernels of one array on the default device; all else is left to ``general``."""
    direct, general = prim.direct, prim.general

    def call(*operands, **params):
        try:
            buffer = operands[0]._v
            execute, handlers, home = direct[buffer.aval]
            known = buffer._sharding is home and len(operands) == 1 and not params
        except _UNKNOWN:
            known = False
        if not known:
            return general(*operands, **params)
        buffers = [buffer]
        try:
            return execute(buffers).consume_with_handlers(handlers)[0]
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
    return call


def _of_two(prim: Primitive) -> Callable:
    """Return the short way to kernels of two arrays, or an array and a number, on the default device."""
    direct, general = prim.direct, prim.general

    def call(*operands, **params):
        try:
            x, y = operands
            x = (x if type(x) is Array else _numbers[type(x)](x))._v
            y = (y if type(y) is Array else _numbers[type(y)](y))._v
            execute, handlers, home = direct[x.aval, y.aval]
            known = x._sharding is home and y._sharding is home and not params
        except _UNKNOWN:
            known = False
        if not known:
            return general(*operands, **params)
        buffers = [x, y]
        try:
            return execute(buffers).consume_with_handlers(handlers)[0]
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
    return call


_home = config.default_device


def _drop_kernels(option: str) -> None:
    global _home
    for prim in primitives:
        prim.direct.clear()
    if option == "default_device":
        before, _home = _home, config.default_device
        for prim in primitives:
            prim.elsewhere[before] = prim.cache
            prim.cache = prim.elsewhere.pop(_home, {})
    if option in ("enable_x64", "default_matmul_precision", "threefry_partitionable", "numpy_rank_promotion", "numpy_dtype_promotion"):
        for prim in primitives:
            prim.cache.clear()
            prim.elsewhere.clear()


def _drop_all_kernels() -> None:
    for prim in primitives:
        prim.direct.clear()
        prim.cache.clear()
        prim.elsewhere.clear()


config.on_change(_drop_kernels)
cache.releases.append(_drop_all_kernels)


settings = config._values  # read at every operation, so without the attribute look-up


def as_operand(x, name: str = "operation") -> Array:
    """Return an operand as an Array: numbers become weakly typed scalars; TypeError for anything else."""
    if type(x) is float or type(x) is int:
        return scalar(x)
    if isinstance(x, Array):
        return x
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        return scalar(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return Array(to_buffer(x))
    convert_to = getattr(x, "__jax_array__", None)
    if convert_to is not None:
        return as_operand(convert_to(), name)
    if hasattr(x, "__array__"):
        return Array(to_buffer(np.asarray(x)))
    raise TypeError(f"{name} requires ndarray or scalar arguments, got {type(x)} ({x!r:.80}). "
                    "Convert it with numpy.asarray first.")


def lift(block: hlo.Block, v) -> Value:
    """Return the value by which a block refers to a buffer or symbolic value.

    LeakError when the value belongs to a function or branch whose staging has ended.
    """
    if type(v) is Value:
        found = block.resolve(v)
        if found is None:
            raise LeakError(f"an array of type {v.aval} is used outside the staged function or branch that made it. "
                            "Return it from there instead.")
        return found
    if v.aval.size <= INLINE or "inline" in block.module.facts:
        from runtime.device import to_numpy
        return block.constant(to_numpy(v), v.aval.dtype, weak_type=v.aval.weak_type)
    found, inside = block.module.capture(v), block.module.facts.get("manual")
    return found if inside is None else inside(block, found)  # in a shard_map every device has all of it


def lift_array(block: hlo.Block, x) -> Value:
    """Return the value by which a block refers to an Array, NumPy array or number."""
    return lift(block, as_operand(x)._v)


_RUNTIME = __file__.rpartition("primitive.py")[0]
place_of: list[Callable] = []  # (file, line) -> (file, line): maps generated code to the user's line


def user_location() -> str:
    """Return the location text of the innermost frame outside the runtime."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        frame = frame.f_back
    if frame is None:
        return ""
    file, line, scope = frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
    for translate in place_of:
        file, line = translate(file, line)
    return hlo.location_text(file, line, scope if scope.isidentifier() else "")


def _convert_infer(x, *, dtype, weak_type=False):
    return x.with_dtype(dtype, weak_type)


def _convert_emit(block, operands, out_avals, *, dtype, weak_type=False):
    return block.convert(operands[0], out_avals[0])


convert = Primitive("convert_element_type", _convert_infer, _convert_emit)


def cast(x, dtype, weak_type: bool = False) -> Array:
    """Convert an array to a dtype (narrowed unless enable_x64); returns it unchanged if it has that type."""
    x = as_operand(x, "astype")
    dtype = canonical_dtype(dtype)
    of = x._v.aval
    if of.dtype == dtype and of.weak_type == weak_type:
        return x
    if (of.dtype == KEY) != (dtype == KEY):
        raise TypeError(f"astype: {dtype_name(of.dtype)} does not convert to {dtype_name(dtype)}; random.key_data(keys) are the "
                        "numbers of keys, random.wrap_key_data makes keys of numbers")
    return convert(x, dtype=dtype, weak_type=weak_type)


__all__ = ["ConcretizationError", "LeakError", "Primitive", "as_operand", "cast", "convert", "lift", "lift_array",
           "place_of", "primitives", "user_location"]
