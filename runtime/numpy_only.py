"""NumPy's functions that have no namesake in the library, for programs that are written with NumPy alone."""
from __future__ import annotations

import numpy


def ndenumerate(arr):
    """Return the pairs of an index, a tuple of whole numbers, and the element there, in row-major order."""
    return [(index, arr[index]) for index in numpy.ndindex(*arr.shape)]


def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    """Return all windows of a shape: the places of a window come first, and the axes of what it shows last.

    window_shape, axis: whole numbers or tuples of these; without ``axis`` a window has all axes. ValueError where a window does not fit.
    """
    from runtime import numpy as np
    sizes = tuple(window_shape) if hasattr(window_shape, "__len__") else (window_shape,)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = tuple([a % x.ndim for a in (axis if hasattr(axis, "__len__") else (axis,))])
    if len(sizes) != len(axes):
        raise ValueError(f"sliding_window_view: a window of shape {sizes} over axes {axes} of an array of shape {x.shape}: give one size for each axis")
    for size, place in zip(sizes, axes):
        count = x.shape[place] - size + 1
        if size < 0 or count < 1:
            raise ValueError(f"sliding_window_view: a window of size {size} does not fit into axis {place} of an array of shape {x.shape}")
        x = np.moveaxis(np.take(x, np.arange(count)[:, None] + np.arange(size), axis=place), place + 1, -1)
    return x


def ascontiguousarray(a, dtype=None):
    """Return an array with at least one axis; the order of the elements in memory is the compiler's to choose."""
    from runtime import numpy as np
    return np.atleast_1d(np.asarray(a, dtype))


def asfortranarray(a, dtype=None):
    """Return an array; the order of the elements in memory is the compiler's to choose."""
    from runtime import numpy as np
    return np.asarray(a, dtype)
