"""What is written between brackets: grids of numbers (``mgrid[0:3, 0:4]``), and arrays end to end (``r_[x, 0, y]``)."""
from __future__ import annotations

import numpy

from runtime.numpy.types import ndim, shape
from runtime.op import op
from runtime.ops.create import arange, asarray, linspace
from runtime.ops.joining import concatenate, stack
from runtime.ops.permute import transpose
from runtime.ops.shape import expand_dims, reshape

__all__ = ["c_", "index_exp", "mgrid", "ogrid", "r_", "s_"]


def numbers_of(start, stop, step):
    """Return the numbers that ``start:stop:step`` stands for; an imaginary step counts them, the last included."""
    start = 0 if start is None else start
    step = 1 if step is None else step
    if isinstance(step, complex):
        return linspace(start, stop, int(abs(step)))
    return arange(start, stop, step)


def between(part):
    """Return the numbers that a slice stands for."""
    return numbers_of(part.start, part.stop, part.step)


@op(constant=True, unbatched=True)
def grid(key, sparse):
    """Return the coordinates of a grid, one array (or, if sparse, a list of arrays) for the axes that slices describe."""
    if isinstance(key, slice):
        return between(key)
    from runtime import numpy as np
    axes = [between(part) for part in key]
    if not axes:
        return [] if sparse else arange(0)
    dtype = np.result_type(*axes)
    found = np.meshgrid(*[axis.astype(dtype) for axis in axes], indexing="ij", sparse=sparse)
    return list(found) if sparse else stack(found, 0)


class _Grid:
    def __init__(self, sparse):
        self.sparse = sparse

    def __getitem__(self, key):
        return grid(key, self.sparse)


@op(constant=True, unbatched=True)
def directed(items, axis, ndmin, spot):
    """Return (axis, fewest axes, where those of an array go, the axis that a matrix gets or -1, items that say so) as a directive has it."""
    text = items[0]
    if not isinstance(text, str):
        return axis, ndmin, spot, -1, 0
    if text in ("r", "c"):
        return axis, ndmin, spot, 0 if text == "r" else 1, 1
    try:
        given = [int(number) for number in text.split(",")][:3]
    except ValueError as error:
        raise ValueError(f"could not understand directive {text!r}") from error
    return *given, *(axis, ndmin, spot)[len(given):], -1, 1


def piece(item, ndmin, spot):
    """Return an item between the brackets as an array of at least ``ndmin`` axes, in which its own come as a directive says."""
    x = asarray(item)
    own = ndim(x)
    x = reshape(x, (1,) * (ndmin - ndim(x)) + shape(x))
    if spot != -1 and own < ndmin:
        turns = ndmin - abs(ndmin + spot + 1) % ndmin
        x = transpose(x, tuple([(axis + turns) % ndmin for axis in range(ndmin)]))
    return x


def joined(key, axis, ndmin, spot):
    """Return what stands between the brackets of ``r_`` or ``c_`` as one array."""
    items = key if isinstance(key, tuple) else (key,)
    axis, ndmin, spot, matrix, first = directed(items, axis, ndmin, spot)
    made = concatenate([piece(item, ndmin, spot) for item in items[first:]], axis)
    if matrix >= 0 and made.ndim == 1:
        made = expand_dims(made, matrix)
    return made


class _Joined:
    joined, numbers = staticmethod(joined), staticmethod(numbers_of)    # what the compiler reads in place of the brackets and slices

    def __init__(self, axis, ndmin, spot):
        self.style = axis, ndmin, spot

    def __getitem__(self, key):
        items = key if isinstance(key, tuple) else (key,)
        return joined(tuple([between(item) if isinstance(item, slice) else item for item in items]), *self.style)


mgrid, ogrid = _Grid(False), _Grid(True)
r_, c_ = _Joined(0, 1, -1), _Joined(-1, 2, 0)
s_, index_exp = numpy.s_, numpy.index_exp
