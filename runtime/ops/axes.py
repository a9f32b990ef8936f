"""Axis arithmetic: normal forms of axis arguments, with and without a batch axis in front."""
from __future__ import annotations

import operator

from runtime.op import op


@op(constant=True, unbatched=True)
def axis_index(axis, ndim: int) -> int:
    """Return an axis as a number from 0; ValueError naming it if there is no such axis."""
    try:
        found = operator.index(axis)
    except TypeError:
        raise TypeError(f"axis must be an int, not {type(axis).__name__}: {axis!r}") from None
    if not -ndim <= found < ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return found % ndim


@op(constant=True, unbatched=True)
def axis_tuple(axis, ndim: int) -> tuple[int, ...]:
    """Return the axes of a reduction, in order; None means all. ValueError for repeated or missing axes."""
    if axis is None:
        return tuple(range(ndim))
    if not isinstance(axis, (tuple, list, range)):
        return (axis_index(axis, ndim),)
    found = sorted(axis_index(a, ndim) for a in axis)
    if len(set(found)) != len(found):
        raise ValueError(f"duplicate value in 'axis': {tuple(axis)}")
    return tuple(found)


@op(constant=True, unbatched=True)
def inner_axis(axis, ndim: int, lead: int = 1):
    """Return an axis argument meant for one example, for an array of ``ndim`` axes that has ``lead`` batch axes in front."""
    if axis is None:
        return tuple(range(lead, ndim))
    if isinstance(axis, (tuple, list, range)):
        return tuple([axis_index(a, ndim - lead) + lead for a in axis])
    return axis_index(axis, ndim - lead) + lead


@op(constant=True, unbatched=True)
def new_axis(axis, ndim: int, lead: int = 1) -> int:
    """Return where a new axis of an example goes; ``ndim`` is the example's, before the axis is added."""
    return axis_index(axis, ndim + 1) + lead


@op(constant=True, unbatched=True)
def without_axes(shape: tuple, axes: tuple) -> tuple:
    """Return a shape less some axes."""
    return tuple([n for i, n in enumerate(shape) if i not in axes])


@op(constant=True, unbatched=True)
def kept_axes(shape: tuple, axes: tuple) -> tuple:
    """Return a shape with some axes shrunk to 1."""
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])
