"""The incomplete gamma and beta functions, with derivatives in every argument: series and continued fractions.

Source: NIST Digital Library of Mathematical Functions, 8.7, 8.9 and 8.17; derivatives in the shape parameters carry a tangent
along with every term.
"""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.binary import logical_and, logical_or, where
from runtime.ops.create import full_like
from runtime.ops.elementwise import abs as size
from runtime.ops.elementwise import digamma, exp, gammaln, log, log1p
from runtime.ops.lanes import computed, epsilon, fraction, fraction_dot, iterate, series

_FIRST = "the derivative in the shape parameter is known to first order only"


# ---- gamma ----

def _domain(a, x):
    """Return operands moved to where the methods work, and masks: by series, at zero, at infinity, undefined."""
    undefined = logical_or(logical_or(x < 0, a < 0), logical_or(x != x, a != a))
    undefined = logical_or(undefined, logical_and(a == 0, x == 0))
    infinite = x == numpy.inf
    zero = x == 0
    plain = logical_or(logical_or(undefined, infinite), logical_or(zero, a == 0))
    inside = logical_or(plain, a == numpy.inf)
    return (where(inside, 1.0, a), where(inside, 1.0, x), zero, logical_or(infinite, logical_and(a == 0, x > 0)), undefined)


def _lower(a, x):
    """Return P(a, x) by its series, for x up to max(1, a)."""
    total = series(full_like(x, 1.0), lambda k: x / (a + k))
    return exp(a * log(x) - x - gammaln(a + 1.0)) * total


def _upper_fraction(a, x):
    """Return Q(a, x) / (x**a exp(-x) / gamma(a)) by its continued fraction, for x above max(1, a)."""
    return 1.0 / fraction(lambda k: (k * (a - k), x + 1.0 - a + 2.0 * k), x + 1.0 - a)


def _igamma(a, x):
    return _regularized(a, x, True)


def _igammac(a, x):
    return _regularized(a, x, False)


def _regularized(a, x, lower):
    endless = a == numpy.inf
    a, x, zero, infinite, undefined = _domain(a, x)
    by_series = logical_or(x <= 1, x <= a)
    below = _lower(where(by_series, a, 1.0), where(by_series, x, 1.0))
    b, y = where(by_series, 1.0, a), where(by_series, 2.0, x)
    above = exp(b * log(y) - y - gammaln(b)) * _upper_fraction(b, y)
    out = where(by_series, below, 1.0 - above) if lower else where(by_series, 1.0 - below, above)
    out = where(logical_or(zero, endless), 0.0 if lower else 1.0, out)
    out = where(infinite, 1.0 if lower else 0.0, out)
    return where(undefined, numpy.nan, out)


def _slope_ratio(a, x):
    """Return dP/da divided by x**a exp(-x) / gamma(a)."""
    by_series = logical_or(x <= 1, x <= a)
    p, y = where(by_series, a, 1.0), where(by_series, x, 1.0)
    eps = epsilon(x)

    def step(k, total, term, total_dot, term_dot):
        term = term * y / (p + k)
        term_dot = (term_dot * y - term) / (p + k)   # the product rule on term(k) = term(k - 1) * x / (a + k)
        return size(term_dot) > 0.5 * eps * size(total_dot), total + term, term, total_dot + term_dot, term_dot
    one, zero = full_like(y, 1.0), full_like(y, 0.0)
    total, _, total_dot, _ = iterate(step, one, one, zero, zero)
    below = (total_dot + total * (log(y) - digamma(p + 1.0))) / p
    b, z = where(by_series, 1.0, a), where(by_series, 2.0, x)
    f, f_dot = fraction_dot(lambda k: (k * (b - k), z + 1.0 - b + 2.0 * k, full_like(b, k), full_like(b, -1.0)),
                            z + 1.0 - b, full_like(b, -1.0))
    h = 1.0 / f
    above = -(-f_dot * h * h + h * (log(z) - digamma(b)))
    return where(by_series, below, above)


def _igamma_grad_a(a, x):
    a, x, zero, infinite, undefined = _domain(a, x)
    out = exp(a * log(x) - x - gammaln(a)) * _slope_ratio(a, x)
    return where(undefined, numpy.nan, where(logical_or(zero, infinite), 0.0, out))


_igamma_kernel, _igammac_kernel = computed("igamma", _igamma, strong=False), computed("igammac", _igammac, strong=False)
_grad_kernel = computed("igamma_grad_a", _igamma_grad_a, strong=False)


def gamma_density(a, x):
    """Return the density of the standard gamma distribution, which is the derivative of igamma in x."""
    return exp((a - 1.0) * log(x) - x - gammaln(a))


@op(partials={"a": "rt.igamma_grad_a(a, x)", "x": "rt.gamma_density(a, x)"})
def igamma(a, x):
    """Return the regularized lower incomplete gamma function P(a, x), elementwise."""
    return _igamma_kernel(a, x)


@op(partials={"a": "-rt.igamma_grad_a(a, x)", "x": "-rt.gamma_density(a, x)"})
def igammac(a, x):
    """Return the regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x), elementwise."""
    return _igammac_kernel(a, x)


@op(nondifferentiable=_FIRST, elementwise=True)
def igamma_grad_a(a, x):
    """Return the derivative of igamma(a, x) in a, elementwise."""
    return _grad_kernel(a, x)


# ---- beta ----

def _beta_terms(a, b, x):
    def terms(k):
        """a_k of the continued fraction 1 / (1 + a_1 / (1 + a_2 / ...)); odd and even ones differ."""
        m = where(k % 2 == 1, (k - 1) / 2, k / 2)
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        return where(k % 2 == 1, odd, even), full_like(x, 1.0)
    return terms


def _beta_terms_dot(a, b, x, a_dot, b_dot):
    def terms(k):
        m = where(k % 2 == 1, (k - 1) / 2, k / 2)
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        odd_dot = (-x * (a_dot * (a + b + m) + (a + m) * (a_dot + b_dot)) / ((a + 2 * m) * (a + 2 * m + 1))
                   - odd * a_dot * (1 / (a + 2 * m) + 1 / (a + 2 * m + 1)))
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        even_dot = m * b_dot * x / ((a + 2 * m - 1) * (a + 2 * m)) - even * a_dot * (1 / (a + 2 * m - 1) + 1 / (a + 2 * m))
        of_odd = k % 2 == 1
        return where(of_odd, odd, even), full_like(x, 1.0), where(of_odd, odd_dot, even_dot), full_like(x, 0.0)
    return terms


def _beta_domain(a, b, x):
    undefined = logical_or(logical_or(a <= 0, b <= 0), logical_or(logical_or(x < 0, x > 1), a + b + x != a + b + x))
    edge = logical_or(undefined, logical_or(x == 0, x == 1))
    a, b, y = where(undefined, 1.0, a), where(undefined, 1.0, b), where(edge, 0.5, x)
    swap = y > (a + 1) / (a + b + 2)
    return where(swap, b, a), where(swap, a, b), where(swap, 1.0 - y, y), swap, undefined


def _beta_front(a, b, x):
    """Return x**a (1 - x)**b / (a B(a, b))."""
    return exp(a * log(x) + b * log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b)) / a


def _betainc(a, b, x):
    p, q, y, swap, undefined = _beta_domain(a, b, x)
    part = _beta_front(p, q, y) / fraction(_beta_terms(p, q, y), full_like(y, 1.0))
    out = where(x <= 0, 0.0, where(x >= 1, 1.0, where(swap, 1.0 - part, part)))
    out = where(undefined, numpy.nan, out)
    inside = (x >= 0) & (x <= 1)        # without one parameter the whole distribution lies at one end
    out = where(inside & (a == 0) & (b > 0), where(x > 0, 1.0, 0.0), out)
    return where(inside & (b == 0) & (a > 0), where(x >= 1, 1.0, 0.0), out)


def _betainc_slope(first):
    """The derivative of betainc in its first or second parameter."""
    def slope(a, b, x):
        p, q, y, swap, undefined = _beta_domain(a, b, x)
        p_dot = where(swap, 0.0 if first else 1.0, 1.0 if first else 0.0) * full_like(y, 1.0)
        q_dot = 1.0 - p_dot
        f, f_dot = fraction_dot(_beta_terms_dot(p, q, y, p_dot, q_dot), full_like(y, 1.0), full_like(y, 0.0))
        part = _beta_front(p, q, y) / f
        both = digamma(p + q)
        change = p_dot * (log(y) + both - digamma(p) - 1.0 / p) + q_dot * (log1p(-y) + both - digamma(q)) - f_dot / f
        out = where(logical_or(x <= 0, x >= 1), 0.0, where(swap, -part * change, part * change))
        return where(undefined, numpy.nan, out)
    return slope


_betainc_kernel = computed("betainc", _betainc, strong=False)
_slope_a_kernel, _slope_b_kernel = computed("betainc_slope_a", _betainc_slope(True)), computed("betainc_slope_b",
                                                                                                _betainc_slope(False))


def beta_density(a, b, x):
    """Return the density of the beta distribution, which is the derivative of betainc in x."""
    return exp((a - 1.0) * log(x) + (b - 1.0) * log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b))


@op(partials={"a": "rt.betainc_slope_a(a, b, x)", "b": "rt.betainc_slope_b(a, b, x)", "x": "rt.beta_density(a, b, x)"})
def betainc(a, b, x):
    """Return the regularized incomplete beta function I_x(a, b), elementwise."""
    return _betainc_kernel(a, b, x)


@op(nondifferentiable=_FIRST, elementwise=True)
def betainc_slope_a(a, b, x):
    """Return the derivative of betainc in a, elementwise."""
    return _slope_a_kernel(a, b, x)


@op(nondifferentiable=_FIRST, elementwise=True)
def betainc_slope_b(a, b, x):
    """Return the derivative of betainc in b, elementwise."""
    return _slope_b_kernel(a, b, x)
