"""The stages of compilation ahead of time: ``jit(f).lower(*args)`` is Lowered, its ``compile()`` Compiled."""
from __future__ import annotations

from runtime.jit import Compiled, Lowered
from xform.transformed import Transformed as Wrapped

__all__ = ["Compiled", "Lowered", "Wrapped"]
