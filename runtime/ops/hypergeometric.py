"""Hypergeometric functions of real arguments, with derivatives in every argument, and Owen's T function."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.binary import logical_and, logical_or, minimum, where
from runtime.ops.create import full_like
from runtime.ops.elementwise import abs as size
from runtime.ops.elementwise import digamma, erfc, exp, floor, gammaln, log, rint, sign
from runtime.ops.kernel import inexact
from runtime.ops.lanes import computed, epsilon, iterate
from runtime.ops.reduce import wide_float
from runtime.primitive import as_operand, cast
from runtime.types import result_type

_FIRST = "the derivative in a parameter is known to first order only"


def signed_gamma(x):
    """Return the gamma function of real numbers; infinite at its poles."""
    pole = logical_and(x <= 0, x == floor(x))
    sign_of = where(logical_and(x < 0, floor(x) % 2 != 0), -1.0, 1.0)
    return where(pole, numpy.inf, sign_of * exp(gammaln(where(pole, 1.0, x))))


# ---- 1F1 ----

def _kummer(a, b, x, a_dot, b_dot):
    """Return (1F1(a, b, x), its tangent), by the series of 1F1(a, b, x) or of exp(x) 1F1(b - a, b, -x)."""
    left = x < 0
    p, p_dot, y = where(left, b - a, a), where(left, b_dot - a_dot, a_dot), size(x)
    eps = epsilon(x)

    def step(k, total, term, total_dot, term_dot):
        up, down = p + k - 1.0, b + k - 1.0
        ratio = up / down * y / k
        ratio_dot = (p_dot - up / down * b_dot) / down * y / k
        term, term_dot = term * ratio, term_dot * ratio + term * ratio_dot
        going = logical_or(size(term) > 0.5 * eps * size(total), size(term_dot) > 0.5 * eps * size(total_dot))
        return going, total + term, term, total_dot + term_dot, term_dot
    one, zero = full_like(x, 1.0), full_like(x, 0.0)
    total, _, total_dot, _ = iterate(step, one, one, zero, zero)
    scale = where(left, exp(x), 1.0)
    pole = logical_and(b <= 0, b == floor(b))
    return where(pole, numpy.inf, scale * total), where(pole, numpy.nan, scale * total_dot)


def _hyp1f1(a, b, x):
    zero = full_like(x, 0.0)
    return _kummer(a, b, x, zero, zero)[0]


def _hyp1f1_slope(which):
    def slope(a, b, x):
        return _kummer(a, b, x, full_like(x, which == 0), full_like(x, which == 1))[1]
    return slope


_hyp1f1_kernel = computed("hyp1f1", _hyp1f1)
_hyp1f1_slopes = tuple(computed(f"hyp1f1_slope_{i}", _hyp1f1_slope(i)) for i in range(2))


@op(partials={"a": "rt.hyp1f1_slope(a, b, x, 0)", "b": "rt.hyp1f1_slope(a, b, x, 1)",
              "x": "a / b * rt.hyp1f1(a + 1, b + 1, x)"})
def hyp1f1(a, b, x):
    """Return Kummer's confluent hypergeometric function 1F1(a; b; x), elementwise."""
    return _hyp1f1_kernel(a, b, x)


@op(nondifferentiable=_FIRST, elementwise=True)
def hyp1f1_slope(a, b, x, which):
    """Return the derivative of hyp1f1 in its parameter number ``which``, elementwise."""
    return _hyp1f1_slopes[which](a, b, x)


# ---- 2F1 ----

def _gauss_series(a, b, c, x, a_dot, b_dot, c_dot):
    """Return the power series of 2F1 and of its derivative in x, each with its tangent."""
    eps = epsilon(x)

    def step(k, total, term, slope, total_dot, term_dot, slope_dot):
        ua, ub, uc = a + k - 1.0, b + k - 1.0, c + k - 1.0
        ratio = ua * ub / (uc * k)
        ratio_dot = (a_dot * ub + ua * b_dot - ua * ub / uc * c_dot) / (uc * k)
        lower, lower_dot = term * ratio, term_dot * ratio + term * ratio_dot   # coefficient times x**(k - 1)
        new, new_dot = lower * x, lower_dot * x
        going = logical_or(size(k * lower) > 0.5 * eps * size(slope), size(k * lower_dot) > 0.5 * eps * size(slope_dot))
        return (logical_or(going, k < 3), total + new, new, slope + k * lower, total_dot + new_dot, new_dot,
                slope_dot + k * lower_dot)
    one, zero = full_like(x, 1.0), full_like(x, 0.0)
    total, _, slope, total_dot, _, slope_dot = iterate(step, one, one, zero, zero, zero, zero)
    return total, slope, total_dot, slope_dot


def _continued(a, b, c, x, a_dot, b_dot, c_dot):
    """Return (2F1, tangent) for 0 <= x < 1: the series up to one half, then Taylor series of the differential equation's
    solution about points that halve the distance to one."""
    eps = epsilon(x)
    here = minimum(x, 0.5)
    f, g, f_dot, g_dot = _gauss_series(a, b, c, here, a_dot, b_dot, c_dot)

    def hop(_, at, f, g, f_dot, g_dot):
        to = minimum(x, 0.5 * (1.0 + at))
        t = to - at
        p0, q0 = at * (1.0 - at), c - (a + b + 1.0) * at
        q0_dot = c_dot - (a_dot + b_dot) * at

        def step(k, total, slope, u, v, total_dot, slope_dot, u_dot, v_dot):
            n = k - 1.0   # u, v: coefficients n and n + 1, times t to their order
            up, up_dot = (n + a) * (n + b), a_dot * (n + b) + b_dot * (n + a)
            down = ((1.0 - 2.0 * at) * n + q0) * (n + 1.0)
            below = p0 * (n + 2.0) * (n + 1.0)
            w = (up * u * t - down * v) * t / below
            w_dot = (up_dot * u * t + up * u_dot * t - q0_dot * (n + 1.0) * v - down * v_dot) * t / below
            going = logical_or(size((n + 2.0) * w) > 0.25 * eps * size(slope),
                               size((n + 2.0) * w_dot) > 0.25 * eps * size(slope_dot))
            return (logical_or(going, k < 4), total + w, slope + (n + 2.0) * w, v, w, total_dot + w_dot,
                    slope_dot + (n + 2.0) * w_dot, v_dot, w_dot)
        first, first_dot = g * t, g_dot * t
        total, slope, _, _, total_dot, slope_dot, _, _ = iterate(step, f + first, first, f, first, f_dot + first_dot, first_dot,
                                                                 f_dot, first_dot, limit=300)
        moved = t > 0
        safe = where(moved, t, 1.0)
        return (to < x, to, where(moved, total, f), where(moved, slope / safe, g), where(moved, total_dot, f_dot),
                where(moved, slope_dot / safe, g_dot))
    _, f, _, f_dot, _ = iterate(hop, here, f, g, f_dot, g_dot, limit=60)
    return f, f_dot


def _gauss(a, b, c, x, a_dot, b_dot, c_dot):
    left = x < 0
    ends = logical_or(logical_and(a <= 0, a == rint(a)), logical_and(b <= 0, b == rint(b)))   # a polynomial
    pole = logical_and(c <= 0, c == rint(c))
    outside = logical_or(x >= 1, logical_or(pole, x != x))
    y = where(outside, 0.0, x)
    # Pfaff: 2F1(a, b; c; x) = (1 - x)**-a 2F1(a, c - b; c; x / (x - 1))
    q, q_dot = where(left, c - b, b), where(left, c_dot - b_dot, b_dot)
    z = where(left, y / (y - 1.0), y)
    inner, inner_dot = _continued(a, q, where(pole, 1.0, c), z, a_dot, q_dot, c_dot)
    root = log(1.0 - where(left, y, 0.0))
    scale = exp(-a * root)
    out, out_dot = inner * scale, (inner_dot - a_dot * root * inner) * scale
    polynomial, _, polynomial_dot, _ = _gauss_series(a, b, where(pole, 1.0, c), where(logical_and(ends, x > 1), x, 0.0),
                                                     a_dot, b_dot, c_dot)
    d = c - a - b
    at_one = signed_gamma(c) * signed_gamma(d) / (signed_gamma(c - a) * signed_gamma(c - b))
    at_one = where(logical_or(d > 0, ends), at_one, numpy.inf)
    at_one_dot = at_one * (c_dot * (digamma(c) - digamma(c - a) - digamma(c - b)) + (c_dot - a_dot - b_dot) * digamma(d)
                           + a_dot * digamma(c - a) + b_dot * digamma(c - b))
    out = where(x == 1, at_one, where(x > 1, where(ends, polynomial, numpy.inf), out))
    out_dot = where(x == 1, at_one_dot, where(x > 1, where(ends, polynomial_dot, numpy.nan), out_dot))
    return where(pole, numpy.inf, where(x != x, x, out)), where(pole, numpy.nan, out_dot)


def _hyp2f1(a, b, c, x):
    zero = full_like(x, 0.0)
    return _gauss(a, b, c, x, zero, zero, zero)[0]


def _hyp2f1_slope(which):
    def slope(a, b, c, x):
        return _gauss(a, b, c, x, *[full_like(x, which == i) for i in range(3)])[1]
    return slope


_hyp2f1_kernel = computed("hyp2f1", _hyp2f1)
_hyp2f1_slopes = tuple(computed(f"hyp2f1_slope_{i}", _hyp2f1_slope(i)) for i in range(3))


@op(partials={"a": "rt.hyp2f1_slope(a, b, c, x, 0)", "b": "rt.hyp2f1_slope(a, b, c, x, 1)",
              "c": "rt.hyp2f1_slope(a, b, c, x, 2)", "x": "a * b / c * rt.hyp2f1(a + 1, b + 1, c + 1, x)"})
def hyp2f1(a, b, c, x):
    """Return Gauss's hypergeometric function 2F1(a, b; c; x) of real numbers x up to 1, elementwise.

    Infinite above 1 unless the series is a polynomial, and where c is zero or a negative whole number.
    """
    return _hyp2f1_kernel(a, b, c, x)


@op(nondifferentiable=_FIRST, elementwise=True)
def hyp2f1_slope(a, b, c, x, which):
    """Return the derivative of hyp2f1 in its parameter number ``which``, elementwise."""
    return _hyp2f1_slopes[which](a, b, c, x)


# ---- Owen's T ----

def _tail(x):
    """Return the probability of a standard normal variable above x."""
    return 0.5 * erfc(x / math.sqrt(2.0))


def _owens_t(h, a):
    """Gauss and Legendre quadrature for |a| up to 1; Owen, Annals of Mathematical Statistics 27 (1956), relates larger ones."""
    h, width = size(h), size(a)
    steep = width > 1
    ratio = where(steep, 1.0 / where(steep, width, 1.0), width)
    height = where(steep, where(h == 0, 0.0, width * h), h)
    total = 0.0 * h
    for node, weight in zip(*numpy.polynomial.legendre.leggauss(40)):
        t = ratio * (0.5 * (node + 1.0))
        total = total + 0.5 * weight * exp(-0.5 * height * height * (1.0 + t * t)) / (1.0 + t * t)
    inner = ratio * total / (2.0 * math.pi)
    above, over = _tail(h), _tail(height)
    # for a > 1: T(h, a) = (Q(h) + Q(ah)) / 2 - Q(h) Q(ah) - T(ah, 1/a), in upper tails Q
    return sign(a) * where(steep, 0.5 * (above + over) - above * over - inner, inner)


_owens_t_kernel = computed("owens_t", _owens_t)


@op(partials={"h": "-0.19947114020071635 * np.exp(-0.5 * h * h) * rt.erf(a * h * 0.7071067811865476)",
              "a": "0.15915494309189535 * np.exp(-0.5 * h * h * (1 + a * a)) / (1 + a * a)"})
def owens_t(h, a):
    """Return Owen's T function, elementwise: the integral of exp(-h**2 (1 + t**2) / 2) / (2 pi (1 + t**2)) for t from 0 to a.

    Narrow floats give float32.
    """
    if wide_float(inexact(result_type(h, a))) != inexact(result_type(h, a)):
        h, a = cast(as_operand(h, "owens_t"), "float32"), cast(as_operand(a, "owens_t"), "float32")
    return _owens_t_kernel(h, a)


__all__ = ["hyp1f1", "hyp2f1", "owens_t"]
