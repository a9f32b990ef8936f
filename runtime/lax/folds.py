"""Reductions by any function of two numbers, one element after the other: plain Python over ops."""
from __future__ import annotations

import itertools
import math

from runtime.ops.axes import axis_tuple
from runtime.ops.kernel import about_types
from runtime.ops.shape import like_shape
from runtime.trees import leaves_of, tree_build, tree_map_1


@about_types
def fold_order(shape, dimensions):
    """Return (the axes with those to be folded in front, the number of elements to fold, the shape that is left)."""
    gone = axis_tuple(tuple(dimensions), len(shape))
    kept = tuple([i for i in range(len(shape)) if i not in gone])
    return gone + kept, math.prod([shape[i] for i in gone]), tuple([shape[i] for i in kept])


def folded(operands, init_values, computation, dimensions):
    """Return ``computation(result so far, element)`` carried over the elements along some axes, from ``init_values``.

    operands: one array, or a pytree of arrays of one shape; ``init_values`` has its structure, and so do what ``computation`` takes
    and returns: arrays of the shape that is left.
    """
    from runtime import numpy as np
    order, count, rest = fold_order(like_shape(leaves_of(operands)[0]), dimensions)
    rows = tree_map_1(lambda leaf: np.reshape(np.transpose(leaf, order), (count,) + rest), operands)
    total = started(operands, init_values, rest)
    for i in range(count):
        total = computation(total, tree_map_1(lambda leaf: leaf[i], rows))
    return total


def started(operands, init_values, shape):
    """Return the initial values as arrays of a shape and of the operands' dtypes."""
    from runtime import numpy as np
    return tree_build([np.full(shape, value, x.dtype) for value, x in zip(leaves_of(init_values), leaves_of(operands))], operands)


@about_types
def window_corners(shape, window, strides, padding, base, dilation):
    """Return the padding of an array, the shape of the windows' results, and a pair of corners for each element of a window."""
    config = [(low, high, step - 1) for (low, high), step in zip(padding, base)]
    wide = [low + high + max(0, (n - 1) * step + 1) for n, (low, high), step in zip(shape, padding, base)]
    sizes = [max(0, (n - (w - 1) * d - 1) // s + 1) for n, w, d, s in zip(wide, window, dilation, strides)]
    corners = []
    for place in itertools.product(*[range(n) for n in window]):
        start = tuple([k * d for k, d in zip(place, dilation)])
        corners.append((start, tuple([at + max(0, (n - 1) * s + 1) for at, n, s in zip(start, sizes, strides)])))
    return config, tuple(sizes), corners


def folded_windows(operands, init_values, computation, window, strides, padding, base, dilation):
    """Return ``computation(result so far, element)`` carried over the elements of every window, from ``init_values``."""
    from runtime import lax
    config, sizes, corners = window_corners(like_shape(leaves_of(operands)[0]), window, strides, padding, base, dilation)
    padded = tree_build([lax.pad(x, value, config) for x, value in zip(
        leaves_of(operands), leaves_of(started(operands, init_values, ())))], operands)
    total = started(operands, init_values, sizes)
    for start, limit in corners:
        total = computation(total, tree_map_1(lambda leaf: lax.slice(leaf, start, limit, strides), padded))
    return total
