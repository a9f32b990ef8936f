"""Functions under SciPy's names, each module of which is imported on first use."""
import importlib as _importlib

_MODULES = ("cluster", "fft", "integrate", "interpolate", "linalg", "ndimage", "signal", "sparse", "special",
            "stats")


def __getattr__(name):
    if name in _MODULES:
        return _importlib.import_module(f"runtime.scipy.{name}")
    raise AttributeError(f"module 'runtime.scipy' has no attribute {name!r}")


def __dir__():
    return sorted(_MODULES)
