"""Functions that JAX keeps under ``experimental``; the sub-modules are imported on first use."""
from runtime.callbacks import io_callback

__all__ = ["io_callback"]
