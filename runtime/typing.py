"""Types for annotations: what the library takes for an array, and what for a dtype."""
from __future__ import annotations

from typing import Any, Protocol, Union

import numpy

from runtime.array import Array

__all__ = ["ArrayLike", "DTypeLike"]


class SupportsDType(Protocol):
    """An object that has a dtype."""

    @property
    def dtype(self) -> numpy.dtype: ...


ArrayLike = Union[Array, numpy.ndarray, numpy.bool_, numpy.number, bool, int, float, complex]
DTypeLike = Union[str, type[Any], numpy.dtype, SupportsDType]
