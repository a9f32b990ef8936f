"""The symbolic zero, and tokens that stand for a value of which only shape and dtype are needed."""
from __future__ import annotations

import math
from dataclasses import dataclass


class Zero:
    """A tangent or cotangent known to be zero, of any shape: products with it vanish, sums ignore it."""
    __slots__ = ()
    __array_ufunc__ = None  # numpy arrays defer to the reflected operators below

    def __repr__(self):
        return "ZERO"

    def __reduce__(self):
        return "ZERO"

    def _vanish(self, other=None):
        return self

    __mul__ = __rmul__ = __truediv__ = __matmul__ = __rmatmul__ = __neg__ = __pos__ = _vanish
    __getitem__ = _vanish
    __iter__ = None     # it has no length: iterating would never end

    def __add__(self, other):
        return other
    __radd__ = __add__

    def __sub__(self, other):
        return -other

    def __rsub__(self, other):
        return other

    def astype(self, dtype):
        return self

    def __bool__(self):
        raise TypeError("a symbolic zero derivative has no truth value")


ZERO = Zero()


@dataclass(frozen=True)
class Like:
    """The shape, dtype and weak type of an array that was not kept."""
    shape: tuple
    dtype: object
    weak_type: bool = False
    varying: tuple | None = None    # in a shard_map that checks it: the axes along which the array differed (runtime.varying)

    @property
    def ndim(self):
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self):
        """The number of elements."""
        return math.prod(self.shape)

    def __len__(self):
        return self.shape[0]


@dataclass(frozen=True)
class Static:
    """A Python value inside a pytree of arrays: structure, not data, for what is compiled."""
    value: object
