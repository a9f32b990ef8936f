"""Questions whether a part of an array or container shares what it holds: asked where one of them is changed in place while both are in use.

In NumPy ``y = x[1:]`` is a view: ``x[2] = 0.0`` changes ``y``, and ``y[0] = 1.0`` changes ``x``. Arrays are values here, so such a
program would get other numbers. What can be told from its text is refused there; the rest depends on shapes, and is refused here.
"""
from __future__ import annotations

import builtins

import numpy

from runtime.array import Array
from runtime.ops.kernel import about_types

_ADVICE = "Arrays and containers are values here, so that only one would change. Keep a copy, as x[i].copy(), or read the array again."


def _is_array(x) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _changes(x) -> bool:
    """Whether an object can be changed in place: a container or an array with axes, or a tuple of such."""
    return isinstance(x, (list, dict, set)) or _is_array(x) and len(x.shape) > 0 or isinstance(x, tuple) and any([_changes(item) for item in x])


@about_types
def no_view(x, index) -> bool:
    """Raise TypeError if ``x[index]`` is a view of an array: basic indexing that leaves axes."""
    if not _is_array(x):
        return True     # of a list: a slice is a copy, an item is what it is
    items = index if isinstance(index, tuple) else (index,)
    left = len(x.shape)
    for item in items:
        if isinstance(item, list) or _is_array(item) and (len(item.shape) or numpy.dtype(item.dtype).kind == "b"):
            return True     # advanced indexing copies
        if item is None:
            left += 1
        elif item is not Ellipsis and not isinstance(item, builtins.slice):
            left -= 1
    if left > 0:
        raise TypeError(f"a part of an array of shape {tuple(x.shape)} is kept here, and one of both is changed in place while the other "
                        f"is in use: in NumPy the part is a view, and both change. {_ADVICE}")
    return True


@about_types
def not_shared(x, index) -> bool:
    """Raise TypeError if ``x[index]`` is an object that a container goes on holding, or a view of an array."""
    if _is_array(x):
        return no_view(x, index)
    if isinstance(x, (list, tuple, dict)) and not isinstance(index, builtins.slice):
        if isinstance(index, Array):
            index = int(index)
        if _changes(x[index]):
            raise TypeError("an item of a container is changed in place here while the container is in use, which in Python holds the same "
                            f"object. {_ADVICE}")
    return True


@about_types
def not_shared_items(x, index) -> bool:
    """Raise TypeError if ``x[index]``, an item of which is changed, is or shares what a container goes on holding."""
    if isinstance(index, builtins.slice) and isinstance(x, (list, tuple)):
        return no_items(x[index])
    return not_shared(x, index)


@about_types
def unshared(x, holder=None) -> bool:
    """Raise TypeError if ``x``, which a container gets to hold, is an object that can be changed in place."""
    if _changes(x) and not _is_array(holder):
        what = f"an array of shape {tuple(x.shape)}" if _is_array(x) else f"a {type(x).__name__}"
        raise TypeError(f"{what} is put into a container here, and is changed in place later under its own name or in the container, while the "
                        f"other is in use: in Python both are the same object. {_ADVICE}")
    return True


@about_types
def no_array(x) -> bool:
    """Raise TypeError if ``x``, which has two names, is an array with axes: ``x += v`` changes that under both in NumPy."""
    if _is_array(x) and len(x.shape):
        raise TypeError(f"an array of shape {tuple(x.shape)} has two names here and is changed by an augmented assignment under one of them while "
                        f"the other is in use: in NumPy both change. {_ADVICE}")
    return True


@about_types
def no_items(x) -> bool:
    """Raise TypeError if the items of ``x`` are objects that it goes on holding, or views of an array."""
    for item in x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else ():
        if _changes(item):
            raise TypeError("an item of a container is changed in place, in a loop over it or in a copy that has the same items, while the "
                            f"container is in use, which in Python holds the same object. {_ADVICE}")
    return no_rows(x)


@about_types
def no_common_items(x) -> bool:
    """Raise TypeError if ``x``, a container of whose items there is a copy, holds objects that can be changed in place."""
    return _is_array(x) or no_items(x)


@about_types
def only_keys(x) -> bool:
    """Raise TypeError if ``x``, whose items are set while a loop runs over it, is no dict: a loop runs over what there was at its start."""
    if isinstance(x, dict):
        return True
    raise TypeError("an array or list is changed in place while a loop runs over it: in Python the later turns see the change, here a loop runs "
                    "over what there was at its start. Run over the numbers, for i in range(len(x)), and read x[i] in the loop; or run over "
                    "a copy")


@about_types
def no_rows(x) -> bool:
    """Raise TypeError if the items of ``x`` are views of an array: rows with axes of their own."""
    if _is_array(x) and len(x.shape) > 1:
        raise TypeError(f"a loop runs over the rows of an array of shape {tuple(x.shape)}, and a row or the array is changed in place while "
                        f"the other is in use: in NumPy rows are views, and both change. {_ADVICE}")
    return True
