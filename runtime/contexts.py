"""Contexts around computations: settings for a while, guards of transfers, names of scopes; and facts of the process."""
from __future__ import annotations

import contextlib
import functools
import platform as _platform
import types

from runtime import device as devices
from runtime.config import config
from runtime.hlo import tracing
from runtime.xla import submodule, transfer_guards


def _switch(name: str, default, text: str):
    def context(new_val=default):
        return config.override(name, new_val)
    context.__name__ = context.__qualname__ = name
    context.__doc__ = text
    return context


debug_nans = _switch("debug_nans", True, "Return a context in which a result with a NaN raises FloatingPointError.")
debug_infs = _switch("debug_infs", True, "Return a context in which a result with an infinity raises FloatingPointError.")
log_compiles = _switch("log_compiles", True, "Return a context in which each compilation is logged.")
explain_cache_misses = _switch("explain_cache_misses", True, "Return a context in which jit logs why it stages a function again.")
checking_leaks = _switch("check_tracer_leaks", True, "Return a context for programs that look for leaks. It changes nothing: an "
                         "array used after the staging that made it always raises LeakError.")
check_tracer_leaks = checking_leaks
numpy_rank_promotion = _switch("numpy_rank_promotion", "allow", "Return a context in which operands of different rank are "
                               "broadcast ('allow'), with a warning ('warn'), or refused ('raise').")
numpy_dtype_promotion = _switch("numpy_dtype_promotion", "standard", "Return a context in which arrays of different dtypes have a "
                                "common one ('standard') or none ('strict').")
default_matmul_precision = _switch("default_matmul_precision", None, "Return a context in which products of matrices without a "
                                   "precision of their own have this one.")
default_device = _switch("default_device", None, "Return a context in which new arrays are put on a device.")


def transfer_guard_host_to_device(new_val: str):
    """Return a context that allows, logs or disallows transfers to devices: see ``transfer_guard``."""
    return _guard(new_val, "host_to_device")


def transfer_guard_device_to_host(new_val: str):
    """Return a context that allows, logs or disallows transfers from devices (CPU arrays share the host's memory)."""
    return _guard(new_val, "device_to_host")


def transfer_guard_device_to_device(new_val: str):
    """Return a context that allows, logs or disallows transfers between devices."""
    return _guard(new_val, "device_to_device")


def transfer_guard(new_val: str):
    """Return a context that allows, logs or disallows transfers in this thread.

    new_val: "allow", "log" or "disallow" (implicit transfers: device_put and device_get stay allowed), "log_explicit" or
    "disallow_explicit" (these as well). A disallowed transfer raises RuntimeError. ValueError for another level.
    """
    return _guard(new_val, "host_to_device", "device_to_host", "device_to_device")


@contextlib.contextmanager
def _guard(level, *directions):
    levels = transfer_guards.TransferGuardLevel.__members__
    if not isinstance(level, str) or level.upper() not in levels:
        raise ValueError(f"transfer_guard takes one of {', '.join(repr(n.lower()) for n in levels)}, not {level!r}")
    state = transfer_guards.thread_local_state()
    before = {direction: getattr(state, direction) for direction in directions}
    for direction in directions:
        setattr(state, direction, levels[level.upper()])
    try:
        yield
    finally:
        for direction, old in before.items():
            setattr(state, direction, old)


class ensure_compile_time_eval(contextlib.ContextDecorator):
    """A context in which operations on known values run at once, under jit too, instead of becoming part of the program.

    Inside a transformed function it changes nothing: there, operations on known values always run at once.
    """
    _xform_inert = True

    def __enter__(self):
        self._before, tracing.block = tracing.block, None

    def __exit__(self, *error):
        tracing.block = self._before


class named_scope:
    """A context, or a decorator, that names a part of a computation in profiles of eager code.

    Generated code carries the user's file, line and function instead: inside a transformed function the name is not kept.
    """
    _xform_inert = True

    def __init__(self, name: str):
        if not isinstance(name, str):
            raise TypeError(f"named_scope name argument must be a string; got {type(name)}")
        self.name = name

    def __enter__(self):
        self._annotation = submodule("_profiler").TraceMe(self.name)
        self._annotation.__enter__()
        return self.name

    def __exit__(self, *error):
        self._annotation.__exit__(*error)

    def __call__(self, fun):
        """Return ``fun``, called in the scope; the compiler reads ``fun`` itself, which may be a method."""
        if not isinstance(fun, types.FunctionType):
            return named_call(fun, name=self.name)

        @functools.wraps(fun)
        def called(*args, **kwargs):
            with named_scope(self.name):
                return fun(*args, **kwargs)
        called.reads_as = fun
        return called


def named_call(fun, *, name: str | None = None):
    """Return ``fun``, called inside ``named_scope(name)``; what is transformed is ``fun`` itself."""
    if not callable(fun):
        raise TypeError(f"named_call: expected a function, got {type(fun)}")
    def called(*args, **kwargs):
        with named_scope(name or getattr(fun, "__name__", "call")):
            return fun(*args, **kwargs)
    made = _Named(called, fun)
    functools.update_wrapper(made, fun, updated=())
    return made


class _Named(functools.partial):
    """A function in a named scope: a partial of the function for the compiler, which reads what it wraps."""

    def __new__(cls, called, fun):
        made = super().__new__(cls, fun)
        made.called = called
        return made

    def __call__(self, *args, **kwargs):
        return self.called(*args, **kwargs)


def host_id(backend: str | None = None) -> int:
    """Return this process's number; the older name of ``process_index``."""
    return devices.process_index(backend)


def host_count(backend: str | None = None) -> int:
    """Return the number of processes; the older name of ``process_count``."""
    return devices.process_count(backend)


def process_indices(backend: str | None = None) -> list[int]:
    """Return the numbers of the processes that have devices of a backend."""
    return sorted({device.process_index for device in devices.devices(backend)})


host_ids = process_indices


def print_environment_info(return_string: bool = False) -> str | None:
    """Print (or return) the versions of the packages, Python, the devices and the platform."""
    import numpy

    from runtime.xla import version
    local = devices.local_devices()
    lines = [f"jaxlib: {version}", f"numpy:  {numpy.__version__}", f"python: {_platform.python_version()}",
             f"device info: {local[0].device_kind}-{len(devices.devices())}, {len(local)} local devices",
             f"process_count: {devices.process_count()}", f"platform: {_platform.uname()}"]
    text = "\n".join(lines)
    if return_string:
        return text
    print(text)
    return None


def effects_barrier() -> None:
    """Wait until all side effects of what was started have happened."""
    from runtime.transfer import block_until_ready, live_arrays
    block_until_ready(live_arrays())


def copy_to_host_async(x):
    """Start copying the arrays of a pytree to the host, and return it; a later device_get finds them there."""
    from runtime.array import Array
    from runtime.tree import tree_leaves
    from runtime.xla import ArrayImpl
    for leaf in tree_leaves(x):
        if isinstance(leaf, Array) and type(leaf._v) is ArrayImpl and len(leaf._v._sharding._device_assignment) == 1:
            leaf._v._copy_single_device_array_to_host_async()
    return x
