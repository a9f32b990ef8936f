"""User-defined derivatives under the module name that programs import them by."""
from __future__ import annotations

from xform.custom import custom_gradient, custom_jvp, custom_vjp
from xform.shapes import closure_convert

__all__ = ["closure_convert", "custom_gradient", "custom_jvp", "custom_vjp"]
