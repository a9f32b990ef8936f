"""Functions under SciPy's names, each module of which is imported on first use."""
import importlib as _importlib

# module -> where it is; what needs the compiler, the compiler adds
HOMES = {name: f"runtime.scipy.{name}" for name in (
    "cluster", "fft", "integrate", "interpolate", "linalg", "ndimage", "signal", "sparse", "special", "stats")}


def __getattr__(name):
    if name in HOMES:
        return _importlib.import_module(HOMES[name])
    raise AttributeError(f"module 'runtime.scipy' has no attribute {name!r}")


def __dir__():
    return sorted(HOMES)
