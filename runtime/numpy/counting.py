"""Histograms and counts: plain Python over ops."""
from __future__ import annotations

import operator

import numpy

from runtime.ops.constrain import out_sharded
from runtime.ops.kernel import about_types, inexact
from runtime.types import aval_of, result_type


# ---- counting ----

@about_types
def bin_count(x, minlength, length):
    """Return how many bins bincount has; without ``length`` the values must be concrete."""
    if length is not None:
        return operator.index(length)
    host = numpy.asarray(x)
    return max(int(host.max()) + 1 if host.size else 0, minlength)


@out_sharded
def bincount(x, weights=None, minlength=0, *, length=None):
    """Return how often each non-negative integer occurs, or the sums of the weights that belong to it."""
    from runtime import numpy as np
    count = bin_count(x, minlength, length)
    if weights is None:
        return np.zeros(count, np.int32).at[np.clip(x, 0, None)].add(1)
    return np.zeros(count, weights.dtype).at[np.clip(x, 0, None)].add(weights)


def digitize(x, bins, right=False, *, method=None):
    """Return the number of the bin that each value belongs to; bins rise or fall."""
    from runtime import numpy as np
    side = "left" if right else "right"
    rising = np.searchsorted(bins, x, side=side)
    falling = np.shape(bins)[0] - np.searchsorted(np.flip(bins), x, side=side)
    return np.where(bins[-1] >= bins[0], rising, falling)


def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """Return the edges of a histogram's bins."""
    from runtime import numpy as np
    named_bins(bins)
    dtype = histogram_dtype(a)
    if np.ndim(bins) == 1:
        return np.asarray(bins, dtype)
    low, high = (np.min(a), np.max(a)) if range is None else (range[0], range[1])
    low, high = np.asarray(low, dtype), np.asarray(high, dtype)
    flat = np.equal(low, high)
    return np.linspace(np.where(flat, low - 0.5, low), np.where(flat, high + 0.5, high), bins + 1, dtype=dtype)


@about_types
def histogram_dtype(a, weights=None):
    """Return the floating dtype of the edges of an array's histogram, and of its counts."""
    return inexact(aval_of(a).dtype if weights is None else result_type(a, weights))


@about_types
def check_histogram(a, weights):
    """Raise ValueError unless there is a weight for each element."""
    if weights is not None and aval_of(weights).shape != aval_of(a).shape:
        raise ValueError(f"histogram: weights of shape {aval_of(weights).shape} should have the shape {aval_of(a).shape} of the array")
    return True


@about_types
def named_bins(bins):
    """Raise NotImplementedError for a rule that chooses bins by what the values are."""
    if isinstance(bins, str):
        raise NotImplementedError(f"histogram: bins={bins!r}: the number of bins would depend on the values; give a number, or the edges")
    return True


def histogram(a, bins=10, range=None, weights=None, density=None):
    """Return the counts of values in bins (or weights, or densities) and the bins' edges."""
    from runtime import numpy as np
    check_histogram(a, weights)
    a = np.astype(a, histogram_dtype(a, weights))
    edges = histogram_bin_edges(a, bins, range, weights)
    flat = np.ravel(a)
    each = np.ones(flat.shape, a.dtype) if weights is None else np.astype(np.ravel(weights), a.dtype)
    spot = np.searchsorted(edges, flat, side="right") - 1
    spot = np.where(flat == edges[-1], edges.shape[0] - 2, spot)
    inside = (flat >= edges[0]) & (flat <= edges[-1])
    counts = np.zeros(edges.shape[0] - 1, each.dtype).at[np.where(inside, spot, 0)].add(np.where(inside, each, 0))
    if density:
        counts = counts / np.diff(edges) / np.sum(counts)
    return counts, edges


@about_types
def bins_of(sample, bins, range):
    """Return a list with bins (a number or edges) and the range of each column; ValueError for other numbers of them."""
    shape = aval_of(sample).shape
    if len(shape) != 2:
        raise ValueError(f"histogramdd: sample must be of shape (points, dimensions), got {shape}")
    several = isinstance(bins, (list, tuple))
    each = list(bins) if several else [bins] * shape[1]
    if len(each) != shape[1]:
        raise ValueError(f"histogramdd: bins must be one number, or {shape[1]} numbers or edges, got {len(each)}")
    if range is not None and len(range) != shape[1]:
        raise ValueError(f"histogramdd: range must hold {shape[1]} pairs, got {len(range)}")
    return list(zip(each, [None] * shape[1] if range is None else range))


def histogramdd(sample, bins=10, range=None, weights=None, density=None):
    """Return the counts of points in boxes (or weights, or densities), and a list of the edges along each axis.

    sample: (points, dimensions). bins, range: a number, or one number or array of edges, and a pair, for each dimension.
    """
    from runtime import numpy as np
    sample = np.asarray(sample) * 1.0
    edges = []
    inside = np.ones(sample.shape[0], bool)
    spot = np.zeros(sample.shape[0], np.int32)
    sizes = []
    for k, (number, limits) in enumerate(bins_of(sample, bins, range)):
        column = sample[:, k]
        edge = histogram_bin_edges(column, number, limits)
        count = edge.shape[0] - 1
        here = np.searchsorted(edge, column, side="right") - 1
        here = np.where(np.equal(column, edge[-1]), count - 1, here)
        inside = np.logical_and(inside, np.logical_and(column >= edge[0], column <= edge[-1]))
        spot = spot * count + np.clip(here, 0, count - 1)
        edges.append(edge)
        sizes.append(count)
    each = np.ones(sample.shape[0], np.int32) if weights is None else np.ravel(weights)
    total = 1
    for count in sizes:
        total = total * count
    counts = np.zeros(total, each.dtype).at[np.where(inside, spot, 0)].add(np.where(inside, each, 0))
    counts = np.reshape(counts, tuple(sizes))
    if density:
        counts = counts / np.sum(counts)
        for k, edge in enumerate(edges):
            width = np.reshape(np.diff(edge), (1,) * k + (-1,) + (1,) * (len(sizes) - 1 - k))
            counts = counts / width
    return counts, edges


def histogram2d(x, y, bins=10, range=None, weights=None, density=None):
    """Return (counts of points in rectangles, edges along x, edges along y); see histogramdd.

    bins: a number or edges for both axes, or a pair of them.
    """
    from runtime import numpy as np
    sample = np.stack([np.ravel(x), np.ravel(y)], -1)
    pair = bins if isinstance(bins, (list, tuple)) and len(bins) == 2 else [bins, bins]
    counts, edges = histogramdd(sample, pair, range, weights, density)
    return counts, edges[0], edges[1]


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
