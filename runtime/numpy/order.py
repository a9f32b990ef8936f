"""Order statistics and correlations: plain Python over ops."""
from __future__ import annotations

import numpy

from runtime.ops.axes import axis_tuple
from runtime.ops.constrain import out_sharded
from runtime.ops.create import array
from runtime.ops.kernel import about_types, inexact
from runtime.ops.reduce import count_elements
from runtime.types import aval_of, kind, result_type


METHODS = ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf")


def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th quantiles over axes, q between 0 and 1; ``method`` says how to choose between two elements.

    weights: of the elements, in the shape of ``a`` or of its reduced axes; for the method "inverted_cdf" alone.
    """
    return quantiles("quantile", a, q, axis, method, keepdims, weights, False, out, overwrite_input)


@out_sharded
def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th percentiles over axes, q between 0 and 100; see quantile."""
    return quantiles("percentile", a, hundredths(q), axis, method, keepdims, weights, False, out, overwrite_input)


def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Return the median over axes: the middle element, or the mean of the two in the middle."""
    return quantiles("median", a, 0.5, axis, "midpoint", keepdims, None, False, out, overwrite_input)


def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th quantiles over axes of the elements that are not NaN; see quantile."""
    return quantiles("nanquantile", a, q, axis, method, keepdims, weights, True, out, overwrite_input)


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None):
    """Return the q-th percentiles over axes of the elements that are not NaN; see quantile."""
    return quantiles("nanpercentile", a, hundredths(q), axis, method, keepdims, weights, True, out, overwrite_input)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """Return the median over axes of the elements that are not NaN."""
    return quantiles("nanmedian", a, 0.5, axis, "midpoint", keepdims, None, True, out, overwrite_input)


def hundredths(q):
    """Return percents as shares; a number stays one."""
    return q / 100.0 if is_number(q) else array(q) / 100.0


@about_types
def is_number(q):
    """Tell whether a value is a Python number, which does not decide the dtype of a result."""
    return isinstance(q, (int, float)) and not isinstance(q, numpy.generic)


def quantiles(name, a, q, axis, method, keepdims, weights, skip_nan, out, overwrite_input):
    """Return what the functions above return: the quantiles in front of the axes that are left."""
    from runtime import numpy as np
    if out is not None or overwrite_input:
        in_place(name)
    check_quantile(name, a, q, axis, method, weights)
    shares = weights
    a = np.astype(a, quantile_dtype(a, weights))
    axes = axis_tuple(axis, a.ndim)
    rest = tuple([i for i in range(a.ndim) if i not in axes])
    lengths = tuple([a.shape[i] for i in rest])
    rows = np.reshape(np.transpose(a, rest + axes), lengths + (size_of(a.shape, axes),))
    if rows.shape[-1] == 0:
        rows = np.full(lengths + (1,), np.nan, a.dtype)
    q = np.astype(q, share_dtype(a, q))
    flat = np.reshape(q, (-1,))
    if method == "inverted_cdf":
        if shares is None:
            shares = np.ones(rows.shape, a.dtype)
        elif np.shape(shares) == a.shape:
            shares = np.reshape(np.transpose(shares, rest + axes), rows.shape)
        else:
            shares = np.broadcast_to(np.ravel(shares), rows.shape)
        found = quantile_by_weight(rows, np.astype(shares, q.dtype), flat)
    elif skip_nan:
        count = np.expand_dims(np.sum(np.logical_not(np.isnan(rows)), -1), -1)
        spot = flat * (count - 1)
        rows = np.sort(rows, -1)
        low = np.floor(spot)
        below = np.take_along_axis(rows, np.astype(np.clip(low, 0, None), np.int32), -1)
        above = np.take_along_axis(rows, np.astype(np.clip(np.ceil(spot), 0, None), np.int32), -1)
        found = chosen_between(np.astype(below, q.dtype), np.astype(above, q.dtype), spot - low, method)
    else:
        spot = flat * (rows.shape[-1] - 1)
        sorted_rows = np.sort(rows, -1)
        low = np.clip(np.floor(spot), 0, rows.shape[-1] - 1)
        below = np.take(sorted_rows, np.astype(low, np.int32), -1)
        above = np.take(sorted_rows, np.astype(np.clip(np.ceil(spot), 0, rows.shape[-1] - 1), np.int32), -1)
        found = chosen_between(np.astype(below, q.dtype), np.astype(above, q.dtype), spot - low, method)
    found = np.astype(found, a.dtype)
    if not skip_nan:
        found = np.where(np.expand_dims(np.any(np.isnan(rows), -1), -1), np.nan, found)
    found = np.moveaxis(found, -1, 0)
    if keepdims:
        kept = tuple([1 if i in axes else n for i, n in enumerate(a.shape)])
        found = np.reshape(found, found.shape[:1] + (kept or (1,)))     # a scalar counts as a vector of one element, as in jax
    return np.reshape(found, q.shape + found.shape[1:])


def chosen_between(below, above, weight, method):
    """Return what a method makes of two neighbours, ``weight`` being how far the quantile is from the lower one."""
    from runtime import numpy as np
    if method == "linear":
        return below * (1 - weight) + above * weight
    if method == "lower":
        return below
    if method == "higher":
        return above
    if method == "midpoint":
        return np.where(weight == 0, below, (below + above) * 0.5)
    return np.where(weight > 0.5, above, below)


def quantile_by_weight(rows, shares, q):
    """Return the first elements, in order, up to which the weights make up the share q of their sum; NaN weighs nothing."""
    from runtime import numpy as np
    shares = np.where(np.isnan(rows), 0, shares)
    order = np.argsort(rows, -1)
    rows, shares = np.take_along_axis(rows, order, -1), np.cumsum(np.take_along_axis(shares, order, -1), -1)
    reached = np.expand_dims(shares, -2) >= np.expand_dims(q, -1) * np.expand_dims(shares[..., -1:], -1)
    return np.take_along_axis(rows, np.argmax(reached, -1), -1)


@about_types
def in_place(name):
    """Raise ValueError: a result is not written anywhere."""
    raise ValueError(f"{name} does not support out or overwrite_input=True: arrays are values; use the result")


@about_types
def size_of(shape, axes):
    """Return how many elements an array of some shape has along axes."""
    return count_elements(shape, axes)


@about_types
def check_quantile(name, a, q, axis, method, weights):
    """Refuse complex numbers, unknown methods, and weights where they have no meaning or do not fit."""
    if kind(aval_of(a).dtype) == "c":
        raise ValueError(f"{name} does not support complex numbers, which have no order; use abs(a), or the real part")
    if len(aval_of(q).shape) > 1:
        raise ValueError(f"{name}: q must be a number or a vector, got shape {aval_of(q).shape}")
    if method not in METHODS:
        raise ValueError(f"{name}: method {method!r} is not supported; use {', '.join(METHODS)}")
    if weights is None:
        return True
    if method != "inverted_cdf":
        raise NotImplementedError(f"{name}: method {method!r} takes no weights; only 'inverted_cdf' does")
    shape, given = aval_of(a).shape, aval_of(weights).shape
    if given not in (shape, tuple([shape[i] for i in axis_tuple(axis, len(shape))])):
        raise ValueError(f"{name}: weights of shape {given} must have the shape {shape} of the array or that of its reduced axes")
    return True


@about_types
def quantile_dtype(a, weights):
    """Return the floating dtype of quantiles: that of the array, with weights the one to which both promote."""
    return inexact(aval_of(a).dtype if weights is None else result_type(a, weights))


@about_types
def share_dtype(a, q):
    """Return the floating dtype in which the place of a quantile between two elements is computed: no narrower than a float."""
    return result_type(aval_of(a).dtype, inexact(aval_of(q).dtype))


def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, dtype=None):
    """Return the covariance matrix of variables given as rows (as columns with rowvar=False), computed in a dtype."""
    from runtime import numpy as np
    if dtype is not None:
        m, y = np.astype(m, dtype), None if y is None else np.astype(y, dtype)
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


def corrcoef(x, y=None, rowvar=True, dtype=None):
    """Return the correlation coefficients of variables given as rows, computed in a dtype."""
    from runtime import numpy as np
    found = cov(x, y, rowvar, dtype=dtype)
    if np.ndim(found) == 0:
        return found / found
    spread = np.sqrt(np.real(np.diagonal(found)))
    return np.clip(found / np.expand_dims(spread, 1) / spread, -1, 1)

__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
