"""Differences, integrals, interpolation and polynomials: plain Python over ops."""
from __future__ import annotations

import math as _math

import numpy as _numpy

from runtime.array import ConcretizationError
from runtime.numpy.math import counts
from runtime.numpy.signal import convolve
from runtime.op import op as _op
from runtime.ops.axes import axis_index, axis_tuple
from runtime.ops.binary import floating
from runtime.ops.kernel import about_types, check_real, inexact, no_out
from runtime.types import aval_of, result_type


# ---- differences, integrals, interpolation ----

def diff(a, n=1, axis=-1, prepend=None, append=None):
    """Return the n-th differences of neighbours along an axis."""
    from runtime import numpy as np
    if n == 0:
        return np.asarray(a)
    place = difference_axis(a, axis, n)
    a = np.asarray(a)
    parts = [a]
    if prepend is not None:
        parts = [edge_of(prepend, a, place)] + parts
    if append is not None:
        parts = parts + [edge_of(append, a, place)]
    if len(parts) > 1:
        a = np.concatenate(parts, place)
    for _ in range(n):
        later = a[(slice(None),) * place + (slice(1, None),)]
        earlier = a[(slice(None),) * place + (slice(None, -1),)]
        a = np.not_equal(later, earlier) if a.dtype == bool else later - earlier
    return a


@about_types
def difference_axis(a, axis, n=1):
    """Return the axis of differences; ValueError for a scalar, and for fewer than none of them."""
    if n < 0:
        raise ValueError(f"diff: order must be non-negative but got {n}")
    shape = aval_of(a).shape
    if not shape:
        raise ValueError("diff requires input that is at least one dimensional; use np.atleast_1d(a)")
    return axis_index(axis, len(shape))


def edge_of(value, a, axis):
    """Return what diff puts before or after an array: a number becomes a slice of it."""
    from runtime import numpy as np
    if np.ndim(value) == 0:
        return np.broadcast_to(np.asarray(value), a.shape[:axis] + (1,) + a.shape[axis + 1:])
    return value


def ediff1d(ary, to_end=None, to_begin=None):
    """Return the differences of neighbours in the flattened array, with values put at the end and the beginning."""
    from runtime import numpy as np
    flat = np.ravel(ary)
    parts = [flat[1:] - flat[:-1]]
    if to_begin is not None:
        parts = [np.astype(np.ravel(to_begin), flat.dtype)] + parts
    if to_end is not None:
        parts = parts + [np.astype(np.ravel(to_end), flat.dtype)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def gradient(f, *varargs, axis=None, edge_order=None):
    """Return central differences (one-sided at the ends) along axes; spacings are numbers or coordinate vectors.

    ValueError for an axis of fewer than two elements.
    """
    from runtime import numpy as np
    if edge_order is not None:
        no_out("gradient", edge_order, "edge_order")
    f = floating(np.asarray(f))
    axes = list(axis_tuple(axis, f.ndim)) if not isinstance(axis, (tuple, list, range)) else [axis_index(i, f.ndim) for i in axis]
    enough_for_gradient(f, axes, varargs)
    spacings = list(varargs) if len(varargs) == len(axes) else [varargs[0] if varargs else 1.0] * len(axes)
    found = [gradient_along(f, h, i) for h, i in zip(spacings, axes)]
    return found[0] if len(axes) == 1 else found


@about_types
def enough_for_gradient(f, axes, spacings):
    """Raise ValueError for an axis of fewer than two elements or other than its coordinates, TypeError for too many spacings or too few."""
    if len(spacings) not in (0, 1, len(axes)):
        raise TypeError(f"gradient: Invalid number of spacing arguments {len(spacings)} for {len(axes)} axes; give one for all, or one for each")
    for h, i in zip(spacings if len(spacings) == len(axes) else spacings * len(axes), axes):
        of = aval_of(h)
        if len(of.shape) > 1 or of.shape and of.shape[0] != aval_of(f).shape[i]:
            raise ValueError("gradient: Spacing arrays must have the same length as the dimension along which the gradient is calculated, "
                             f"or be scalars; got shape {of.shape} for {aval_of(f).shape[i]} elements")
    if any(aval_of(f).shape[i] < 2 for i in axes):
        raise ValueError(f"gradient: shape {aval_of(f).shape} is too small to calculate a numerical gradient, at least 2 elements are "
                         "required along each axis")
    return True


def gradient_along(f, h, axis):
    """Return the central differences along one axis."""
    from runtime import numpy as np
    g = np.moveaxis(f, axis, 0)
    if np.ndim(h) == 0:
        middle = (g[2:] - g[:-2]) * 0.5 / h
        first, last = (g[1:2] - g[0:1]) / h, (g[-1:] - g[-2:-1]) / h
    else:
        steps = np.reshape(np.diff(h), (-1,) + (1,) * (g.ndim - 1))
        left, right = steps[:-1], steps[1:]
        middle = (left * left * g[2:] + (right * right - left * left) * g[1:-1] - right * right * g[:-2]) / (
            left * right * (left + right))
        first, last = (g[1:2] - g[0:1]) / steps[:1], (g[-1:] - g[-2:-1]) / steps[-1:]
    return np.moveaxis(np.concatenate([first, middle, last]), 0, axis)


def trapezoid(y, x=None, dx=1.0, axis=-1):
    """Return the integral along an axis by the trapezoidal rule."""
    from runtime import numpy as np
    rows = np.moveaxis(floating(y), axis, -1)
    if x is None:
        return dx * (np.sum(rows, -1) - 0.5 * (rows[..., 0] + rows[..., -1]))
    steps = np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return 0.5 * np.sum(steps * (rows[..., 1:] + rows[..., :-1]), -1)


def interp(x, xp, fp, left=None, right=None, period=None):
    """Return the piecewise linear function through the points (xp, fp), xp rising, at x; constant outside by default."""
    from runtime import numpy as np
    check_points(x, xp, fp)
    x, xp, fp = np.astype(x, shared_float(x, xp)), np.astype(xp, shared_float(x, xp)), floating(np.asarray(fp))
    if period is not None:
        x, xp = x % period, xp % period
        order = np.argsort(xp)
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
    i = np.clip(np.searchsorted(xp, x, side="right"), 1, xp.shape[0] - 1)
    rise, run, offset = fp[i] - fp[i - 1], xp[i] - xp[i - 1], x - xp[i - 1]
    flat = np.abs(run) <= no_run(xp)
    value = np.where(flat, fp[i - 1], fp[i - 1] + offset / np.where(flat, 1, run) * rise)
    if not extrapolated("left", left) and period is None:
        value = np.where(x < xp[0], fp[0] if left is None else left, value)
    if not extrapolated("right", right) and period is None:
        value = np.where(x > xp[-1], fp[-1] if right is None else right, value)
    return value


@about_types
def check_points(x, xp, fp):
    """Raise ValueError for complex places, and unless the points are two vectors of one length."""
    check_real("interp", x, ValueError)
    check_real("interp", xp, ValueError)
    if len(aval_of(xp).shape) != 1 or aval_of(fp).shape != aval_of(xp).shape:
        raise ValueError(f"interp: xp and fp must be one-dimensional and of one length, got shapes {aval_of(xp).shape} and {aval_of(fp).shape}")
    return True


@about_types
def shared_float(a, b):
    """Return the floating dtype to which two operands promote together."""
    return inexact(result_type(a, b))


@about_types
def no_run(xp):
    """Return the distance of two places from which on a line through them has a slope."""
    from runtime.numpy.types import finfo
    dtype = aval_of(xp).dtype
    return float(_numpy.spacing(_numpy.asarray(finfo(dtype).eps, dtype))) if dtype.name != "bfloat16" else 2.0 ** -14


@about_types
def extrapolated(side, value):
    """Tell whether interp goes on along its first or last line; ValueError for another word."""
    if isinstance(value, str) and value != "extrapolate":
        raise ValueError(f"interp: the only valid string value of {side} is 'extrapolate', but got {value!r}")
    return isinstance(value, str)


def unwrap(p, discont=None, axis=-1, period=2 * _math.pi):
    """Return angles without jumps of more than half a period along an axis."""
    from runtime import numpy as np
    check_real("unwrap", p, ValueError)
    rows = np.moveaxis(np.astype(p, np.result_type(p, period)), axis, -1)
    half = period // 2 if counts(rows) else period / 2
    jump = rows[..., 1:] - rows[..., :-1]
    turned = (jump + half) % period - half
    turned = np.where((turned == -half) & (jump > 0), half, turned)
    correction = np.where(np.abs(jump) < (period / 2 if discont is None else discont), 0, turned - jump)
    rest = rows[..., 1:] + np.cumsum(correction, -1)
    return np.moveaxis(np.concatenate([rows[..., :1], rest], -1), -1, axis)


# ---- polynomials ----

def polyval(p, x, *, unroll=16):
    """Return the polynomial with coefficients ``p``, highest power first, at x (Horner's rule)."""
    from runtime import numpy as np
    out = np.zeros_like(x)
    for i in range(np.shape(p)[0]):
        out = out * x + p[i]
    return out


def polyadd(a1, a2):
    """Return the sum of two polynomials."""
    from runtime import numpy as np
    a1, a2 = np.asarray(a1), np.asarray(a2)
    if a1.shape[0] >= a2.shape[0]:
        return np.concatenate([np.astype(a1[:a1.shape[0] - a2.shape[0]], dtype_of_both(a1, a2)), a1[a1.shape[0] - a2.shape[0]:] + a2])
    return np.concatenate([np.astype(a2[:a2.shape[0] - a1.shape[0]], dtype_of_both(a1, a2)), a1 + a2[a2.shape[0] - a1.shape[0]:]])


@about_types
def dtype_of_both(a, b):
    """Return the dtype of sums of two arrays."""
    return result_type(a, b)


@about_types
def float_dtype(*arrays):
    """Return the floating or complex dtype in which arrays are computed with."""
    return inexact(result_type(*arrays))


def polysub(a1, a2):
    """Return the difference of two polynomials."""
    from runtime import numpy as np
    dtype = dtype_of_both(a1, a2)
    return polyadd(np.astype(np.asarray(a1), dtype), -np.astype(np.asarray(a2), dtype))


def polymul(a1, a2, *, trim_leading_zeros=False):
    """Return the product of two polynomials; ``trim_leading_zeros`` of both first, which needs concrete values."""
    from runtime import numpy as np
    a1, a2 = np.astype(a1, float_dtype(a1, a2)), np.astype(a2, float_dtype(a1, a2))
    first, second = leading_zeros(a1, trim_leading_zeros), leading_zeros(a2, trim_leading_zeros)
    return convolve(a1[min(first, a1.shape[0] - 1):], a2[min(second, a2.shape[0] - 1):])


def polydiv(u, v, *, trim_leading_zeros=False):
    """Return (quotient, remainder) of two polynomials, highest power first.

    The remainder keeps u's length unless ``trim_leading_zeros``, which needs concrete values.
    """
    from runtime import numpy as np
    u, v = np.astype(np.atleast_1d(u), float_dtype(u, v)), np.astype(np.atleast_1d(v), float_dtype(u, v))
    n, m = u.shape[0], v.shape[0]
    terms = []
    rest = u
    for k in range(n - m + 1):
        factor = rest[k] / v[0]
        terms.append(factor)
        rest = rest.at[k:k + m].add(-factor * v)
    quotient = np.stack(terms) if n >= m else np.zeros(1, u.dtype)
    return quotient, rest[leading_zeros(rest, trim_leading_zeros):]


def _leading_zeros_batched(p, trim, over=()):
    if trim:
        raise ConcretizationError("trim_leading_zeros=True gives polynomials of different lengths; it cannot be batched")
    return 0


@_op(constant=True, unbatched=True, batch=_leading_zeros_batched)
def leading_zeros(p, trim):
    """Return how many coefficients at the start of a concrete polynomial are zero; without ``trim``, 0."""
    return zeros_around(p)[0] if trim else 0


@_op(constant=True, unbatched=True)
def zeros_around(p):
    """Return how many coefficients at the start and at the end of a concrete polynomial are zero."""
    host = _numpy.asarray(p)
    places = _numpy.flatnonzero(host)
    return (int(places[0]), len(host) - 1 - int(places[-1])) if len(places) else (len(host), 0)


def roots(p, *, strip_zeros=True):
    """Return the roots of the polynomial with coefficients p, highest power first: eigenvalues of its companion matrix.

    strip_zeros: leave out leading zeros, which needs concrete coefficients; without it, there is a root of NaN for each of them.
    """
    from runtime import numpy as np
    p = np.atleast_1d(p) * 1.0
    if p.ndim != 1:
        raise ValueError(f"roots: p must be a vector, got shape {p.shape}")
    if strip_zeros:
        first, last = zeros_around(p)
        found = companion_roots(p[first:p.shape[0] - last])
        return np.concatenate([np.zeros(last, found.dtype), found])
    size = p.shape[0]
    lead = np.argmax(np.not_equal(p, 0))
    found = companion_roots(np.take(p, (np.arange(size) + lead) % size))
    found = np.take(found, np.argsort(np.equal(found, 0)))     # those of the zeros that have moved to the end come last
    return np.where(np.arange(size - 1) < size - 1 - lead, found, np.nan)


def companion_roots(p):
    """Return the roots of a polynomial whose first coefficient is not zero."""
    from runtime import numpy as np
    n = p.shape[0] - 1
    if n < 1:
        return np.zeros(0, np.result_type(p, np.complex64))
    return np.linalg.eigvals(np.concatenate([np.expand_dims(-p[1:] / p[0], 0), np.eye(n - 1, n, dtype=p.dtype)], 0))


def polyder(p, m=1):
    """Return the m-th derivative of a polynomial."""
    from runtime import numpy as np
    p = np.astype(p, float_dtype(p))
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1)
    return p


def polyint(p, m=1, k=None):
    """Return the m-th antiderivative of a polynomial, with integration constants ``k`` (zero by default)."""
    from runtime import numpy as np
    for i in range(m):
        constant = np.zeros(1, p.dtype) if k is None else np.reshape(np.asarray(k), (-1,))[i:i + 1]
        p = np.concatenate([p / np.arange(p.shape[0], 0, -1), constant])
    return p


def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """Return the coefficients, highest power first, of the least-squares polynomial of some degree through points.

    full: return (coefficients, residuals, rank, singular values, rcond) instead.
    cov: return (coefficients, their covariance) instead; "unscaled" leaves the variance of the residuals out.
    """
    from runtime import numpy as np
    x = np.astype(x, float_dtype(x))
    if rcond is None:
        rcond = x.shape[0] * np.finfo(x.dtype).eps
    matrix = np.vander(x, deg + 1)
    target = np.astype(y, float_dtype(y))
    if w is not None:
        matrix = matrix * np.expand_dims(w, 1)
        target = target * (w if np.ndim(target) == 1 else np.expand_dims(w, 1))
    scale = np.sqrt(np.sum(matrix * matrix, 0))
    found, residuals, rank, values = np.linalg.lstsq(matrix / scale, target, rcond)
    found = found / (scale if np.ndim(found) == 1 else np.expand_dims(scale, 1))
    if full:
        return found, residuals, rank, values, np.asarray(rcond)
    if not cov:
        return found
    base = np.linalg.inv(np.dot(np.transpose(matrix), matrix) / np.outer(scale, scale)) / np.outer(scale, scale)
    if cov == "unscaled":
        factor = 1
    else:
        if x.shape[0] <= deg + 1:
            raise ValueError(f"polyfit: the covariance needs more than {deg + 1} points for degree {deg}, got {x.shape[0]}")
        factor = residuals / (x.shape[0] - deg - 1)
    return found, base * factor if np.ndim(found) == 1 else np.expand_dims(base, -1) * factor


def poly(seq_of_zeros):
    """Return the polynomial with the given roots (the eigenvalues, for a matrix)."""
    from runtime import numpy as np
    given = np.atleast_1d(seq_of_zeros)
    given = np.astype(given, float_dtype(given))
    roots = np.linalg.eigvals(given) if given.ndim == 2 else given
    p = np.ones(1, roots.dtype)
    for i in range(roots.shape[0]):
        p = np.pad(p, (0, 1)) - roots[i] * np.pad(p, (1, 0))
    return p


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
