"""Statistics over axes: plain Python over reductions."""
from __future__ import annotations

import math

from runtime.op import op
from runtime.ops.axes import axis_tuple
from runtime.ops.kernel import about_types, inexact, no_out, real_dtype
from runtime.ops.reduce import chosen, count_elements, wide_float
from runtime.types import aval_of, canonical_dtype, dtype_name, kind, result_type


@op(constant=True, unbatched=True)
def count_over(shape, axis=None):
    """Return the number of elements over axes of an array of some shape."""
    return count_elements(shape, axis_tuple(axis, len(shape)))


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """Return the variance over axes (all by default), with ``ddof`` taken from the divisor."""
    if out is not None:
        no_out("var", out)
    from runtime import numpy as np
    if correction is not None and ddof != 0:
        both_corrections()
    less = ddof if correction is None else correction
    wanted = variance_dtype(a, dtype)
    a = np.astype(a, computed_dtype(wanted))
    center = np.mean(a, axis, a.dtype, None, True, where=where) if mean is None else np.astype(mean, a.dtype)
    diff = a - center
    squares = np.real(diff * np.conjugate(diff)) if is_complex(a) else diff * diff
    if is_whole(wanted):
        free = (count_over(a.shape, axis) if where is None else chosen(where, a, axis, keepdims)) - int(less)
        return np.where(free > 0, np.sum(squares, axis, a.dtype, None, keepdims, None, where) // np.maximum(free, 1), np.nan)
    if where is not None:
        free = chosen(where, a, axis, keepdims) - less
        found = np.sum(squares, axis, None, None, keepdims, None, where) / np.where(free > 0, free, np.nan)
    elif less == 0:
        found = np.mean(squares, axis, None, None, keepdims)
    else:
        found = np.sum(squares, axis, None, None, keepdims) / freedom(count_over(a.shape, axis), less)
    return np.astype(found, variance_result(wanted, dtype))


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None, mean=None, correction=None):
    """Return the standard deviation over axes (all by default), with ``ddof`` taken from the divisor."""
    if out is not None:
        no_out("std", out)
    from runtime import numpy as np
    check_floating("std", dtype)
    return np.sqrt(np.var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


@about_types
def both_corrections():
    """Raise ValueError: two names for one number."""
    raise ValueError("var and std: ddof and correction cannot both be given; correction is ddof under another name")


@about_types
def variance_dtype(a, dtype):
    """Return the dtype of deviations; ValueError for a real one where the numbers are complex."""
    of = aval_of(a).dtype
    if dtype is not None and kind(of) == "c" and kind(canonical_dtype(dtype)) != "c":
        raise ValueError(f"var: complex numbers have no variance of the real dtype {dtype_name(canonical_dtype(dtype))}; take the real part, "
                         "or leave the dtype out")
    return inexact(of) if dtype is None else canonical_dtype(dtype)


@about_types
def computed_dtype(dtype):
    """Return the dtype in which statistics of another one are computed."""
    return wide_float(dtype)


@about_types
def variance_result(computed, dtype):
    """Return the dtype of a variance: real, unless a complex one is asked for."""
    return real_dtype(computed) if dtype is None else inexact(computed)


@about_types
def is_whole(dtype):
    """Tell whether a dtype is one of integers, in which a variance that is asked for in it is computed throughout."""
    return kind(dtype) in "biu"


@about_types
def freedom(count, less):
    """Return how many of a number of elements are free to vary, NaN if none is."""
    return count - less if count > less else math.nan


@about_types
def check_floating(name, dtype):
    """Raise ValueError for a dtype in which a statistic is not computed."""
    if dtype is not None and kind(canonical_dtype(dtype)) not in "fc":
        raise ValueError(f"{name}: the dtype must be a floating or complex one, got {dtype_name(canonical_dtype(dtype))}")
    return True


@about_types
def is_complex(a):
    """Tell whether an array has complex elements."""
    return kind(aval_of(a).dtype) == "c"


@about_types
def real_part_dtype(a):
    """Return the dtype of the real part."""
    return real_dtype(aval_of(a).dtype)


def ptp(a, axis=None, out=None, keepdims=False):
    """Return the largest less the smallest element over axes."""
    if out is not None:
        no_out("ptp", out)
    from runtime import numpy as np
    return np.max(a, axis, None, keepdims) - np.min(a, axis, None, keepdims)


def count_nonzero(a, axis=None, keepdims=False):
    """Return how many elements over axes are not zero."""
    from runtime import numpy as np
    return np.sum(np.not_equal(a, 0), axis, None, None, keepdims)


@about_types
def averaging_dtype(a, weights):
    """Return the floating or complex dtype of a weighted mean."""
    return inexact(result_type(a, weights))


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """Return the weighted mean over axes; with ``returned``, also the sum of the weights."""
    from runtime import numpy as np
    if weights is None:
        out = np.mean(a, axis, None, None, keepdims)
        if returned:
            return out, np.full_like(out, count_over(a.shape, axis))
        return out
    w = weights
    if w.ndim != a.ndim:
        w = np.reshape(w, tuple([n if i == axis % a.ndim else 1 for i, n in enumerate(a.shape)]))
    w = np.astype(np.broadcast_to(w, a.shape), averaging_dtype(a, weights))
    total = np.sum(w, axis, None, None, keepdims)
    out = np.sum(a * w, axis, None, None, keepdims) / total
    if returned:
        return out, np.broadcast_to(total, out.shape)
    return out
