"""Order statistics and correlations: plain Python over ops."""
from __future__ import annotations

from runtime.ops.axes import axis_tuple
from runtime.ops.create import array
from runtime.ops.kernel import about_types, inexact
from runtime.types import result_type


def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th quantiles over axes, q between 0 and 1; ``method`` says how to choose between two elements."""
    from runtime import numpy as np
    a = np.astype(a, quantile_dtype(a, q))
    axes = axis_tuple(axis, a.ndim)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    rows = np.reshape(np.transpose(a, rest + axes), tuple([a.shape[i] for i in rest]) + (-1,))
    lost = np.any(np.isnan(rows), -1)
    rows = np.sort(rows, -1)
    count = rows.shape[-1]
    q = np.astype(q, a.dtype)
    flat = np.reshape(q, (-1,))
    spot = flat * (count - 1)
    low = np.clip(np.floor(spot), 0, count - 1)
    high = np.clip(np.ceil(spot), 0, count - 1)
    weight = spot - low
    below = np.take(rows, np.astype(low, np.int32), -1)
    above = np.take(rows, np.astype(high, np.int32), -1)
    if method == "linear":
        found = below * (1 - weight) + above * weight
    elif method == "lower":
        found = below
    elif method == "higher":
        found = above
    elif method == "midpoint":
        found = (below + above) * 0.5
    elif method == "nearest":
        found = np.where(weight > 0.5, above, np.where((weight == 0.5) & (low % 2 == 1), above, below))
    else:
        raise ValueError(f"quantile: method {method!r} is not supported; use linear, lower, higher, midpoint or nearest")
    found = np.where(np.expand_dims(lost, -1), np.nan, found)
    found = np.moveaxis(found, -1, 0)
    if keepdims:
        found = np.reshape(found, found.shape[:1] + tuple([1 if i in axes else n for i, n in enumerate(a.shape)]))
    return np.reshape(found, q.shape + found.shape[1:])


@about_types
def quantile_dtype(a, q):
    """Return the floating dtype in which quantiles are computed."""
    return inexact(result_type(a, q))


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th percentiles over axes, q between 0 and 100."""
    return quantile(a, q / 100.0 if hasattr(q, "shape") or not isinstance(q, (list, tuple)) else array(q) / 100.0, axis, None,
                    False, method, keepdims)


def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Return the median over axes: the middle element, or the mean of the two in the middle."""
    return quantile(a, 0.5, axis, None, False, "midpoint", keepdims)


def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th quantiles over axes of the elements that are not NaN (linear interpolation)."""
    from runtime import numpy as np
    a = np.astype(a, quantile_dtype(a, q))
    axes = axis_tuple(axis, a.ndim)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    rows = np.reshape(np.transpose(a, rest + axes), tuple([a.shape[i] for i in rest]) + (-1,))
    count = np.expand_dims(np.sum(np.logical_not(np.isnan(rows)), -1), -1)
    rows = np.sort(rows, -1)
    q = np.astype(q, a.dtype)
    spot = np.reshape(q, (-1,)) * (count - 1)
    low, high = np.floor(spot), np.ceil(spot)
    weight = spot - low
    below = np.take_along_axis(rows, np.astype(np.clip(low, 0, None), np.int32), -1)
    above = np.take_along_axis(rows, np.astype(np.clip(high, 0, None), np.int32), -1)
    if method == "midpoint":
        found = (below + above) * 0.5
    else:
        found = below * (1 - weight) + above * weight
    found = np.moveaxis(found, -1, 0)
    if keepdims:
        found = np.reshape(found, found.shape[:1] + tuple([1 if i in axes else n for i, n in enumerate(a.shape)]))
    return np.reshape(found, q.shape + found.shape[1:])


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th percentiles over axes of the elements that are not NaN."""
    return nanquantile(a, array(q) / 100.0, axis, None, False, method, keepdims)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Return the median over axes of the elements that are not NaN."""
    return nanquantile(a, 0.5, axis, None, False, "midpoint", keepdims)


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None):
    """Return the covariance matrix of variables given as rows (as columns with rowvar=False)."""
    from runtime import numpy as np
    x = np.reshape(np.asarray(m), (1, -1)) if np.ndim(m) < 2 else np.asarray(m)
    if not rowvar and np.ndim(m) > 1:
        x = x.T
    if y is not None:
        other = np.reshape(np.asarray(y), (1, -1)) if np.ndim(y) < 2 else np.asarray(y)
        x = np.concatenate([x, other.T if not rowvar and np.ndim(y) > 1 else other], 0)
    less = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        weights = np.ones(x.shape[1], x.dtype)
    elif aweights is None:
        weights = np.asarray(fweights)
    elif fweights is None:
        weights = np.asarray(aweights)
    else:
        weights = np.asarray(fweights) * np.asarray(aweights)
    total = np.sum(weights)
    center = np.sum(x * weights, 1, None, None, True) / total
    diff = x - center
    scale = total - less if aweights is None else total - less * np.sum(weights * np.asarray(aweights)) / total
    return np.squeeze(np.dot(diff * weights, np.conjugate(diff).T) / scale)


def corrcoef(x, y=None, rowvar=True):
    """Return the correlation coefficients of variables given as rows."""
    from runtime import numpy as np
    found = cov(x, y, rowvar)
    if np.ndim(found) == 0:
        return found / found
    spread = np.sqrt(np.real(np.diagonal(found)))
    return np.clip(found / np.expand_dims(spread, 1) / spread, -1, 1)

__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
