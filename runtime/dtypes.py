"""Element types under JAX's names: their categories, limits and promotion."""
from __future__ import annotations

import ml_dtypes
import numpy

from runtime import types
from runtime.types import KEY, TypePromotionError, bfloat16, kind, result_type

__all__ = ["TypePromotionError", "bfloat16", "canonicalize_dtype", "extended", "finfo", "float0", "iinfo", "issubdtype",
           "itemsize_bits", "prng_key", "result_type", "scalar_type_of"]

float0 = numpy.dtype([("float0", numpy.void, 0)])
finfo, iinfo = ml_dtypes.finfo, ml_dtypes.iinfo


class extended(numpy.generic):
    """The category of element types that NumPy does not have."""


class prng_key(extended):
    """The category of the element types of random keys."""


def issubdtype(a, b) -> bool:
    """Tell whether a dtype belongs to a category, or is another; bfloat16 counts as floating, keys as ``prng_key``."""
    if b is extended or b is prng_key:
        return isinstance(a, type) and issubclass(a, b) or not isinstance(a, (type, str)) and numpy.dtype(a) == KEY
    if isinstance(a, type) and issubclass(a, extended):
        return b is numpy.generic
    if not isinstance(a, (type, str)) and numpy.dtype(a) == KEY:
        return b is numpy.generic or not isinstance(b, type) and numpy.dtype(b) == KEY
    return types.issubdtype(a, b)


def canonicalize_dtype(dtype, allow_extended_dtype: bool = False) -> numpy.dtype:
    """Return the dtype that arrays get for ``dtype``: 64-bit types are narrowed unless enable_x64 is set.

    TypeError for what is no element type, and for keys unless ``allow_extended_dtype``.
    """
    found = types.canonical_dtype(dtype)
    if found == KEY and not allow_extended_dtype:
        raise ValueError("canonicalize_dtype: a key's dtype is an extended one; pass allow_extended_dtype=True")
    return found


def itemsize_bits(dtype) -> int:
    """Return the size of an element in bits: 4 and 2 for the narrow integers, 8 for bool."""
    dtype = numpy.dtype(dtype)
    if kind(dtype) in "iu":
        return iinfo(dtype).bits
    if kind(dtype) == "f":
        return finfo(dtype).bits
    return 8 * dtype.itemsize


def scalar_type_of(x) -> type:
    """Return Python's bool, int, float or complex, whichever the elements of ``x`` are like; TypeError for others."""
    dtype = types.aval_of(x).dtype if not isinstance(x, (type, str, numpy.dtype)) else types.canonical_dtype(x)
    found = {"b": bool, "i": int, "u": int, "f": float, "c": complex}.get(kind(dtype))
    if found is None:
        raise TypeError(f"Invalid scalar value {x!r:.80}")
    return found
