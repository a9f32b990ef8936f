"""Functions that JAX keeps under ``experimental``; the sub-modules are imported on first use."""
import importlib as _importlib

from runtime.callbacks import io_callback

__all__ = ["io_callback"]

HOMES = {"ode": "runtime.experimental.ode", "mesh_utils": "runtime.experimental.mesh_utils"}     # module -> where it is; what needs the compiler, the compiler adds


def __getattr__(name):
    if name in HOMES:
        return _importlib.import_module(HOMES[name])
    raise AttributeError(f"module 'runtime.experimental' has no attribute {name!r}")
