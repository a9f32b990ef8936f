"""Ranks, modes and standard errors of samples."""
from collections import namedtuple

from runtime.ops.kernel import about_types as _about_types
from runtime.ops.cumulative import cumsum as _cumsum

ModeResult = namedtuple("ModeResult", ["mode", "count"])


@_about_types
def check_policy(name, nan_policy, accepted):
    """Raise ValueError for an unknown policy about NaN, and NotImplementedError for one that a function cannot follow."""
    if nan_policy not in ("propagate", "omit", "raise"):
        raise ValueError(f"{name}: illegal nan_policy value {nan_policy!r}; expected one of 'propagate', 'omit', 'raise'")
    if nan_policy not in accepted:
        raise NotImplementedError(f"{name}: nan_policy={nan_policy!r} is not supported; remove the NaN before")


def runs(ordered):
    """Return (group number, first index, last index) of each element of arrays sorted along the last axis."""
    from runtime import numpy as np
    from runtime import lax
    n = ordered.shape[-1]
    before, after = ordered[..., :-1], ordered[..., 1:]
    both_lost = np.logical_and(np.not_equal(before, before), np.not_equal(after, after))
    changes = np.logical_and(np.not_equal(before, after), np.logical_not(both_lost))
    edge = np.full_like(ordered[..., :1], True, dtype=bool)
    starts, ends = np.concatenate([edge, changes], -1), np.concatenate([changes, edge], -1)
    places = np.arange(n)
    first = lax.cummax(np.where(starts, places, 0), places_axis(ordered))
    last = lax.cummin(np.where(ends, places, n - 1), places_axis(ordered), reverse=True)
    return _cumsum(starts, -1), first, last


@_about_types
def places_axis(x):
    """Return the number of the last axis."""
    return len(x.shape) - 1


def mode(a, axis=0, nan_policy="propagate", keepdims=False):
    """Return the smallest of the most frequent values along an axis, and how often it occurs, as ModeResult(mode, count)."""
    from runtime import numpy as np
    check_policy("mode", nan_policy, ("propagate",))
    x = np.atleast_1d(a)
    if axis is None:
        shape = (1,) * x.ndim
        x = np.ravel(x)
    else:
        x = np.moveaxis(x, axis, -1)
        shape = None
    ordered = np.sort(x, axis=-1)
    _, first, last = runs(ordered)
    length = last - first + 1
    place = np.argmax(length, axis=-1, keepdims=True)
    found, count = np.take_along_axis(ordered, place, -1), np.max(length, axis=-1, keepdims=True)
    if shape is not None:
        wanted = shape if keepdims else ()
        return ModeResult(np.reshape(found, wanted), np.reshape(count, wanted))
    if keepdims:
        return ModeResult(np.moveaxis(found, -1, axis), np.moveaxis(count, -1, axis))
    return ModeResult(np.squeeze(found, -1), np.squeeze(count, -1))


def rankdata(a, method="average", *, axis=None, nan_policy="propagate"):
    """Return the ranks of elements along an axis (of the flattened array by default), from 1.

    method: how equal elements are ranked: "average", "min", "max", "dense" or "ordinal". Where there is NaN, all ranks are NaN.
    """
    from runtime import numpy as np
    check_policy("rankdata", nan_policy, ("propagate",))
    if method not in ("average", "min", "max", "dense", "ordinal"):
        raise ValueError(f"rankdata: unknown method {method!r}; use 'average', 'min', 'max', 'dense' or 'ordinal'")
    x = np.ravel(a) if axis is None else np.moveaxis(a, axis, -1)
    order = np.argsort(x, axis=-1)
    back = np.argsort(order, axis=-1)
    group, first, last = runs(np.take_along_axis(x, order, -1))
    if method == "ordinal":
        rank = back + 1.0
    elif method == "dense":
        rank = np.take_along_axis(group, back, -1) * 1.0
    elif method == "min":
        rank = np.take_along_axis(first, back, -1) + 1.0
    elif method == "max":
        rank = np.take_along_axis(last, back, -1) + 1.0
    else:
        rank = 0.5 * np.take_along_axis(first + last, back, -1) + 1.0
    rank = np.where(np.any(np.isnan(x), axis=-1, keepdims=True), np.nan, rank)
    return np.astype(rank if axis is None else np.moveaxis(rank, -1, axis), float)


def sem(a, axis=0, ddof=1, nan_policy="propagate", *, keepdims=False):
    """Return the standard error of the mean along an axis."""
    from runtime import numpy as np
    check_policy("sem", nan_policy, ("propagate", "omit"))
    x = np.asarray(a) * 1.0
    if nan_policy == "omit":
        count = np.sum(np.logical_not(np.isnan(x)), axis=axis, keepdims=keepdims)
        return np.nanstd(x, axis=axis, ddof=ddof, keepdims=keepdims) / np.sqrt(count * 1.0)
    size = x.size if axis is None else x.shape[axis]
    return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims) / size ** 0.5
