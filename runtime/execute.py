"""Compiles StableHLO text and runs operations eagerly: one cached executable per operation, types and attributes."""
from __future__ import annotations

import threading

import numpy as np

from runtime import cache, xla
from runtime.config import config
from runtime.device import Placement, check_usable, default_placement, move, placement_of
from runtime.hlo import Module, Value
from runtime.types import Aval

ArrayImpl = xla.ArrayImpl
SMALL = 1 << 14  # elements up to which a kernel's compile time matters more than its speed
EXACT: set[str] = set()  # kernels whose last bits may not depend on their size: always compiled with XLA's own options
_CACHE_LIMIT = 8192
_lock = threading.Lock()
# Flags that more than halve the compile time of a small CPU program (a version of XLA that lacks one gets none of them).
CHEAP: list[tuple[str, object]] = [("xla_backend_optimization_level", 0)]
if xla.parsed < (0, 11):
    CHEAP.append(("xla_cpu_use_fusion_emitters", False))    # later versions have no such option


def compile_options(small: bool = False, flags=()) -> xla.CompileOptions:
    """Return XLA's options: for small kernels the ones that compile fast; ``flags`` are (name, value) pairs."""
    options = xla.CompileOptions()
    overrides = [*flags, *(CHEAP if small else ())]
    if overrides:
        options.env_option_overrides = overrides
    return options


def compile_text(text: str, place: Placement, options=None, callbacks=None):
    """Compile a StableHLO module for one device, or load it from the on-disk cache; return the executable.

    ``callbacks``: the Python functions that the module calls by number; such a module is not kept on disk.
    """
    check_usable()
    if "lapack_" in text and place.platform == "cpu":
        xla.use_lapack()
    options = options or compile_options()
    if config.log_compiles:
        import logging
        logging.getLogger(__name__).warning("Compiling %s for %s", text.partition("{")[0].removeprefix("module @").strip(), place.device)
    try:
        return _compile(text, place, options, callbacks)
    except xla.XlaError as error:
        if "No such compile option" not in str(error) or not CHEAP or not set(CHEAP) & set(options.env_option_overrides):
            raise
        options.env_option_overrides = [flag for flag in options.env_option_overrides if flag not in CHEAP]
        CHEAP.clear()
        return _compile(text, place, options, callbacks)


def _compile(text: str, place: Placement, options, callbacks=None):
    if place.device.id != place.client.local_devices()[0].id:  # XLA assumes the first device otherwise
        assignment = xla.DeviceAssignment.create(np.array([[place.device.id]]))
        options.device_assignment = options.executable_build_options.device_assignment = assignment
    return cache.compile_or_load(place.client, text, place.devices, options, str(place.device.id), callbacks)


def kernel_module(name: str, emit, avals, out_avals, params) -> Module:
    """Return the one-operation module of an eager call."""
    module = Module(name)
    args = [module.argument(of) for of in avals]
    made = emit(module.main, args, out_avals, **params)
    module.results([made] if isinstance(made, Value) else made)
    return module


def check_size(name: str, of: Aval) -> None:
    """Raise ValueError for an array of more bytes than an address can count: XLA would end the process."""
    if of.size >= _ADDRESSES:
        raise ValueError(f"{name}: the result, of shape {of.shape} and dtype {of.dtype}, is larger than the maximum possible size; reshape or "
                         "reduce the operands first")


_ADDRESSES = 1 << 59    # elements, of up to sixteen bytes each


class Kernel:
    """The compiled form of one primitive for fixed types, attributes and device; call it with buffers."""
    __slots__ = ("execute", "handlers", "single", "place", "label", "executable")

    def __init__(self, prim, avals: tuple[Aval, ...], params: dict, place: Placement):
        made = prim.infer(*avals, **params)
        self.single = type(made) is Aval
        outs = (made,) if self.single else tuple(made)
        for of in outs:
            check_size(prim.name, of)
        self.label = prim.name
        module = kernel_module(prim.name, prim.emit, avals, outs, params)
        small = place.platform == "cpu" and prim.name not in EXACT and sum(a.size for a in avals) + sum(o.size for o in outs) <= SMALL
        try:
            self.executable = compile_text(module.text(), place, compile_options(small))
        except xla.XlaError as error:
            error.add_note(f"while compiling {prim.name}({', '.join(map(repr, avals))}) {params or ''}")
            raise
        self.execute = self.executable.execute_sharded
        captured = move([buffer for _, buffer in module.captured.values()], place)
        if captured:  # emit used concrete arrays that are too large to be written out
            self.execute = lambda buffers: self.executable.execute_sharded(captured + buffers)
        self.handlers = [place.handler(o) for o in outs]
        self.place = place

    def __call__(self, buffers):
        return self.execute(buffers).consume_with_handlers(self.handlers)


def run_anywhere(prim, buffers: list, params: dict):
    """Run a primitive on buffers that are not all on the default device; return (whether it has one result, results)."""
    for buffer in buffers:
        if len(buffer._sharding._device_assignment) > 1:
            from runtime.partition import run_kernel
            return run_kernel(prim, buffers, params)
    place = placement_of(buffers)
    key = ("at", place.device.id, place.platform, tuple([b.aval for b in buffers]), params_key(params))
    kernel = prim.cache.get(key)
    if kernel is None:
        kernel = store(prim, key, Kernel(prim, tuple(b.aval for b in buffers), params, place))
    results = kernel(move(buffers, place))
    if place is not default_placement():  # stays there: later operations follow it
        results = [xla.assemble(r.aval, place.sharding, [r], committed=True) for r in results]
    return kernel.single, results


def params_key(params: dict) -> tuple:
    """Return the hashable form of attributes; types are part of it, for 1 == 1.0 == True."""
    return (*params.items(), *map(type, params.values()))


def store(prim, key, kernel: Kernel) -> Kernel:
    """Keep a kernel; the cache of a primitive is emptied when it grows beyond all reason."""
    with _lock:
        if len(prim.cache) >= _CACHE_LIMIT:
            prim.cache.clear()
        return prim.cache.setdefault(key, kernel)


def deleted(buffers) -> RuntimeError | None:
    """Return the error that names the first deleted one of some buffers, or None."""
    for buffer in buffers:
        if buffer.is_deleted():
            return RuntimeError(f"Array has been deleted with shape={buffer.aval}. It was donated to a jitted call "
                                "or delete() was called on it.")
    return None


def check_usable_buffers(buffers: list, donated, captured: list) -> None:
    """RuntimeError or ValueError where a program over several devices cannot run on its arguments, or take over those at some positions.

    On one device jaxlib refuses a deleted argument, and one that is given twice; on several it ends the process.
    """
    error = deleted(buffers)
    if error is not None:
        raise error
    given = [id(b) for b in (*buffers, *captured)]
    for position in donated:
        if given.count(given[position]) > 1:
            raise ValueError(f"argument {position} of {buffers[position].aval} is donated, and the same array is used by the same "
                             "call in another place too (f(donate(x), x), or a closure over x); pass a copy")


def let_go(buffers: list, donated) -> None:
    """Have arrays over several devices that a program has taken over know of it: jaxlib's dispatcher asks only those on one device."""
    for position in donated:
        if buffers[position].is_deleted():
            buffers[position].delete()


def explain(error: Exception, buffers) -> Exception:
    """Return a clearer exception for a failed execution: deleted operands are named."""
    found = deleted(buffers)
    if found is not None:
        return found
    if "Gloo" in str(error):
        return RuntimeError("a collective failed because a process of this distributed program has died or left; see what that "
                            f"process printed, and start the program again. XLA says: {error}")
    return error
