"""Two batch axes as one: what lets an op's batching rule run under a second batch."""
from __future__ import annotations

from runtime.batch import _leaf_size, is_array
from runtime.cotangent import CONTAINERS, _items, _rebuild, shape_of
from runtime.join import UNDEFINED
from runtime.op import op
from runtime.sequence import is_lazy, mapped
from runtime.zero import ZERO, Like


def _each(x, function):
    """Apply a function to every array and number in ``x``."""
    if isinstance(x, CONTAINERS):
        return _rebuild(x, [_each(item, function) for item in _items(x)])
    if is_lazy(x):
        return mapped(lambda item: _each(item, function), x)
    if x is None or x is ZERO or x is UNDEFINED or isinstance(x, Like):
        return x
    return function(x) if is_array(x) or isinstance(x, (bool, int, float, complex)) else x


@op(constant=True, unbatched=True, batch=lambda x, lead=0, over=(): found_size(x, lead + 1))
def found_size(x, lead=0):
    """Return the length of the batch axis behind ``lead`` others; None when all of ``x`` is ZERO."""
    return _leaf_size(x, True, lead)


@op(linear="x", vjp={"x": "rt.unmerge_axes(d_out, has, sizes, lead)"},
    batch=lambda x, has, sizes, lead=0, over=(): merge_axes(x, has, sizes, lead + 1))
def merge_axes(x, has, sizes, lead=0):
    """Join the outer and the inner batch axis of every array in ``x`` into one.

    has: whether ``x`` has (the outer, the inner) axis; an axis that it lacks is broadcast. sizes: of both.
    lead: the number of batch axes before them.
    """
    from runtime import numpy as np
    constant = any([there and size is None for there, size in zip(has, sizes)])

    def merged(leaf):
        if constant:    # all that has the axis was ZERO: this is the cotangent of it
            return ZERO
        own = has if shape_of(leaf)[lead:] else (False, False)      # a number among batched items
        shape = shape_of(leaf)
        front, given, rest = shape[:lead], iter(shape[lead:lead + sum(own)]), shape[lead + sum(own):]
        given = tuple([next(given, 1) if there else 1 for there in own])     # 1, too, where nothing in it varies along the axis
        if given != tuple(sizes):
            leaf = np.broadcast_to(np.reshape(leaf, front + given + rest), front + tuple(sizes) + rest)
        return np.reshape(leaf, front + (sizes[0] * sizes[1],) + rest)
    return _each(x, merged)


@op(linear="d", vjp={"d": "rt.merge_axes(d_out, has, sizes, lead)"},
    batch=lambda d, has, sizes, lead=0, over=(): unmerge_axes(d, has, sizes, lead + 1))
def unmerge_axes(d, has, sizes, lead=0):
    """The transpose of ``merge_axes``: part the axes, and sum over those that were broadcast."""
    from runtime import numpy as np
    missing = tuple([lead + i for i, there in enumerate(has) if not there])

    def parted(leaf):
        shape = shape_of(leaf)
        if not shape[lead:]:
            return leaf
        leaf = np.reshape(leaf, shape[:lead] + tuple(sizes) + shape[lead + 1:])
        return np.sum(leaf, axis=missing) if missing else leaf
    return _each(d, parted)
