"""Distinct elements and sets: results as long as the values make them, or of a stated length as plain Python over ops."""
from __future__ import annotations

import math

from runtime.ops.axes import axis_index
from runtime.ops.kernel import about_types
from runtime.types import aval_of, kind


@about_types
def check_filled(ar, axis, size, fill_value):
    """Raise ValueError where elements are asked for that an empty array does not hold; return the axis, counted from the first."""
    shape = aval_of(ar).shape
    if axis is not None:
        axis = axis_index(axis, len(shape))
    count = aval_of(ar).size if axis is None else shape[axis]
    if count == 0 and size and fill_value is None:
        raise ValueError("unique: for zero-sized input with nonzero size argument, fill_value must be specified")
    return axis


@about_types
def may_be_nan(x):
    """Tell whether an array's dtype has NaN."""
    return kind(aval_of(x).dtype) in "fc"


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, size=None,
           fill_value=None, sorted=True):
    """Return the distinct elements, sorted; on request also where they occur, how to rebuild the array, and counts.

    With ``axis``, rows along it are the elements. With ``size``, these are cut or filled up to this number (with ``fill_value``, or
    the first), which also works on staged arrays. ValueError when an empty array is to be filled up without a ``fill_value``.
    """
    from runtime import numpy as np
    whole = np.asarray(ar)
    place = check_filled(whole, axis, size, fill_value)
    items = np.ravel(whole) if place is None else np.moveaxis(whole, place, 0)
    count = items.shape[0]
    if count == 0:
        length = size or 0
        values = np.full((length, *items.shape[1:]), 0 if fill_value is None else fill_value, whole.dtype)
        first, counts, inverse = np.zeros(0, int), np.zeros(length, int), np.zeros(whole.shape if place is None else 0, int)
    else:
        rows = np.reshape(items, (count, math.prod(items.shape[1:])))
        width = rows.shape[1]
        order = np.lexsort([rows[:, k] for k in range(width - 1, -1, -1)]) if width else np.arange(count)
        ordered = rows[order]
        differ = np.not_equal(ordered[1:], ordered[:-1])
        if equal_nan and may_be_nan(rows):
            differ = differ & np.logical_not(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
        new = np.concatenate([np.ones(1, bool), np.any(differ, axis=1)])
        rank = np.cumsum(new) - 1
        starts = np.nonzero(new, size=size)[0]
        first = order[starts]
        values = items[first]
        if size is not None and fill_value is not None:
            valid = np.reshape(np.arange(size) <= rank[-1], (size,) + (1,) * (values.ndim - 1))
            values = np.where(valid, values, np.astype(fill_value, values.dtype))
        inverse = np.zeros(count, order.dtype).at[order].set(np.astype(rank, order.dtype))
        inverse = np.reshape(inverse, whole.shape) if place is None else inverse
        counts = np.zeros(starts.shape, order.dtype).at[rank].add(1, mode="drop")
    if place is not None:
        values = np.moveaxis(values, 0, place)
    made = [values]
    if return_index:
        made.append(first)
    if return_inverse:
        made.append(inverse)
    if return_counts:
        made.append(counts)
    return tuple(made) if len(made) > 1 else values


# ---- sets ----

@about_types
def joined_dtype(ar1, ar2):
    """Return the dtype in which elements of two arrays are compared."""
    from runtime import numpy as np
    return np.result_type(ar1, ar2)


def both_flat(ar1, ar2):
    """Return two arrays flat and of one dtype."""
    from runtime import numpy as np
    dtype = joined_dtype(ar1, ar2)
    return np.astype(np.ravel(ar1), dtype), np.astype(np.ravel(ar2), dtype)


def kept_first(values, kept, size, fill_value):
    """Return the values that are kept; with ``size``, as many as this, filled up with ``fill_value``."""
    from runtime import numpy as np
    found = values[np.nonzero(kept)[0]] if size is None else values[np.nonzero(kept, size=size)[0]]
    if size is None:
        return found
    return np.where(np.arange(size) < np.sum(kept), found, np.astype(fill_value, values.dtype))


def first_kept(values, kept):
    """Return the first of the values that is kept, or 0."""
    from runtime import numpy as np
    return np.where(np.any(kept), values[np.argmax(kept)], 0)


def first_of_equals(ordered):
    """Tell for each element of a sorted array whether it is the first of its equals."""
    from runtime import numpy as np
    return np.concatenate([np.ones(ordered.shape, bool)[:1], np.not_equal(ordered[1:], ordered[:-1])])


def union1d(ar1, ar2, *, size=None, fill_value=None):
    """Return the sorted distinct elements that occur in either array; with ``size``, as many as this (see unique)."""
    from runtime import numpy as np
    return np.unique(np.concatenate([np.ravel(ar1), np.ravel(ar2)]), size=size, fill_value=fill_value)


def intersect1d(ar1, ar2, assume_unique=False, return_indices=False, *, size=None, fill_value=None):
    """Return the sorted distinct elements that occur in both arrays, and on request where each occurs first in either.

    With ``size``, the elements are cut or filled up to this number, which also works on staged arrays; indices are filled up
    with the sizes of the arrays.
    """
    from runtime import numpy as np
    first, second = both_flat(ar1, ar2)
    order = np.argsort(first)
    ordered = first[order]
    kept = np.isin(ordered, second)
    if not assume_unique:
        kept = kept & first_of_equals(ordered)
    values = kept_first(ordered, kept, size, first_kept(ordered, kept) if fill_value is None else fill_value)
    if not return_indices:
        return values
    there = np.argsort(second)
    places = there[np.clip(np.searchsorted(second[there], ordered), 0, second.shape[0] - 1)]
    return values, kept_first(order, kept, size, first.shape[0]), kept_first(places, kept, size, second.shape[0])


def setdiff1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """Return the sorted distinct elements of the first array that do not occur in the second; all as they are, in their order, if
    they are said to be unique.

    With ``size``, the elements are cut or filled up to this number (with ``fill_value``, or 0), also on staged arrays.
    """
    from runtime import numpy as np
    first = np.ravel(ar1)
    if assume_unique:
        kept = np.isin(first, ar2, invert=True)
    else:
        first = np.sort(first)
        kept = first_of_equals(first) & np.isin(first, ar2, invert=True)
    return kept_first(first, kept, size, 0 if fill_value is None else fill_value)


def setxor1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """Return the sorted distinct elements that occur in exactly one array.

    With ``size``, the elements are cut or filled up to this number, which also works on staged arrays.
    """
    from runtime import numpy as np
    first, second = both_flat(ar1, ar2)
    first, second = np.sort(first), np.sort(second)
    kept = np.concatenate([np.isin(first, second, invert=True), np.isin(second, first, invert=True)])
    if not assume_unique:
        kept = kept & np.concatenate([first_of_equals(first), first_of_equals(second)])
    values = np.concatenate([first, second])
    order = np.argsort(values)
    values, kept = values[order], kept[order]
    return kept_first(values, kept, size, first_kept(values, kept) if fill_value is None else fill_value)


__all__ = ["intersect1d", "setdiff1d", "setxor1d", "union1d", "unique"]
