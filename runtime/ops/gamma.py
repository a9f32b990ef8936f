"""Gamma-distributed numbers, one key for each, with the implicit derivative of a sample by its shape parameter."""
from __future__ import annotations

import math

import numpy

from runtime.control import while_loop
from runtime.execute import EXACT
from runtime.op import op
from runtime.ops.barrier import together
from runtime.ops.binary import logical_and, logical_or, maximum, where
from runtime.ops.elementwise import abs, digamma, exp, log, logical_not, sqrt
from runtime.ops.kernel import fused
from runtime.ops.random import _pick, _split, _unit, draw, raw
from runtime.ops.reduce import any_
from runtime.ops.shape import broadcast_to
from runtime.primitive import as_operand, cast
from runtime.types import kind

# ---- samples: Marsaglia and Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000) ----


def _refused(x, v, u, d):
    """Tell where a proposal fails the quick test and the exact one."""
    return logical_and(u >= 1 - 0.0331 * (x * x), log(u) >= x * 0.5 + d * ((1 - v) + log(v)))


def _proposals(keys, c):
    """Return normal numbers x and 1 + c x, drawn again where that is not positive."""
    axis = keys.ndim - 1

    def again(keys, x, v):
        return any_(v <= 0)

    def draw_again(keys, x, v):
        pair = _split(keys, shape=(2,))
        fresh = draw("normal", _pick(pair, 1, axis), (), c.dtype)
        wanted = v <= 0
        return (where(wanted[..., None], _pick(pair, 0, axis), keys), where(wanted, fresh, x),
                where(wanted, 1 + fresh * c, v))
    found = while_loop(again, draw_again, keys, c * 0, c * 0 - 1)
    return found[1], found[2]


@fused
def _gamma(keys, a, *, log_space):
    rest = a.shape[keys.ndim - 1:]
    keys, a = together(_split(keys, shape=rest), a)     # constants folded into the loop would change the last bits
    axis = keys.ndim - 1
    third = numpy.asarray(1.0 / 3.0, a.dtype)
    large = a >= 1
    d = where(large, a, a + 1) - third
    c = third / sqrt(d)
    pair = _split(keys, shape=(2,))

    def go_on(keys, x, v, u):
        return any_(_refused(x, v, u, d))

    def propose(keys, x, v, u):
        three = _split(keys, shape=(3,))
        normal, root = _proposals(_pick(three, 1, axis), c)
        refused = _refused(x, v, u, d)
        return (where(refused[..., None], _pick(three, 0, axis), keys), where(refused, normal * normal, x),
                where(refused, root * root * root, v), where(refused, _unit(_pick(three, 2, axis), (), a.dtype), u))
    v = while_loop(go_on, propose, _pick(pair, 0, axis), d * 0, d * 0 + 1, d * 0 + 2)[2]
    spare = _pick(pair, 1, axis)
    if log_space:
        logs = -draw("exponential", spare, (), a.dtype)
        return log(d) + log(v) + where(logical_or(large, logs == 0), 0, logs * (1 / a))
    return d * v * where(large, 1, (1 - _unit(spare, (), a.dtype)) ** (1 / a))


EXACT.update(["_gamma"])


def _gamma_batched(keys, a, log_space=False, over=()):
    """Draw for every example, which has a key of its own or shares one."""
    size = (keys if "keys" in over else a).shape[0]
    keys = keys if "keys" in over else broadcast_to(keys, (size,) + keys.shape)
    a = a if "a" in over else broadcast_to(a, (size,) + a.shape)
    return draw_gamma(keys, a, log_space)


@op(jvp={"a": "a_dot * rt.gamma_slope(out, a, log_space)"}, vjp={"a": "d_out * rt.gamma_slope(out, a, log_space)"},
    batch=_gamma_batched)
def draw_gamma(keys, a, log_space=False):
    """Return gamma samples (their logarithms with ``log_space``) of shape parameters ``a``.

    ``keys`` has leading axes in common with ``a``; every key serves all the elements of ``a`` under it.
    """
    return _gamma(raw(keys, "gamma"), as_operand(a, "gamma"), log_space=bool(log_space))


def gamma_slope(sample, a, log_space):
    """Return the derivative of a gamma sample, or of its logarithm, by the shape parameter."""
    if not log_space:
        return random_gamma_grad(a, sample)
    size = exp(sample)
    size = where(size == 0, tiny_like(size), size)
    return random_gamma_grad(a, size) / size


@op(constant=True, elementwise=True)
def tiny_like(x):
    """Return the smallest normal number of the dtype of an array."""
    from ml_dtypes import finfo
    return numpy.asarray(finfo(x.dtype).tiny).astype(x.dtype)


# ---- the implicit derivative: Figurnov, Mohamed and Mnih, Implicit reparameterization gradients (2018) ----
# With P(a, x) the regularised lower incomplete gamma function and p its density in x, a sample moves by -(dP/da) / p.

_MOST_TERMS = 2000


@op(nondifferentiable="the derivative of a gamma sample has no derivative rule of its own; differentiate gamma samples once",
    elementwise=True)
def random_gamma_grad(a, x):
    """Return the derivative of a sample ``x`` of the gamma distribution by its shape parameter ``a``, elementwise.

    NaN where an argument is NaN, or x is negative, or a is not positive. TypeError for other than floats.
    """
    a, x = as_operand(a, "random_gamma_grad"), as_operand(x, "random_gamma_grad")
    from runtime.types import result_type
    dtype = result_type(a, x)
    if kind(dtype) != "f":
        raise TypeError(f"random_gamma_grad needs floats, got {a.dtype} and {x.dtype}")
    work = numpy.dtype("float32") if dtype.itemsize < 4 else dtype
    return cast(_slope(cast(a, work), cast(x, work)), dtype)


@fused
def _slope(a, x):
    a, x = a + x * 0, x + a * 0
    valid = logical_and(x >= 0, a > 0)
    fraction = logical_and(x > 1, x > a)
    inside = logical_and(valid, x > 0)
    one = numpy.asarray(1, a.dtype)
    near = _by_series(where(logical_and(inside, logical_not(fraction)), a, one),
                      where(logical_and(inside, logical_not(fraction)), x, one))
    far = _by_fraction(where(logical_and(inside, fraction), a, one), where(logical_and(inside, fraction), x, one + 1))
    found = where(inside, where(fraction, far, near), 0)
    return where(valid, found, numpy.asarray(math.nan, a.dtype))


def _by_series(a, x):
    """From P = x**a exp(-x) / gamma(a + 1) * (1 + x / (a + 1) + x**2 / ((a + 1) (a + 2)) + ...), term by term."""
    eps = numpy.finfo(a.dtype).eps

    def go_on(n, term, term_da, total, total_da):
        small = logical_and(term <= eps * total, abs(term_da) <= eps * abs(total_da))
        return logical_and(any_(logical_not(small)), n < _MOST_TERMS)

    def add_one(n, term, term_da, total, total_da):
        step = x / (a + n)
        term_da = step * term_da - step * term / (a + n)
        term = term * step
        return n + 1, term, term_da, total + term, total_da + term_da
    start = numpy.asarray(1, a.dtype), a * 0 + 1, a * 0, a * 0 + 1, a * 0
    found = while_loop(go_on, add_one, *[as_operand(v) for v in start])
    total, total_da = found[3], found[4]
    return -(total_da + total * (log(x) - digamma(a + 1))) * (x / a)


def _by_fraction(a, x):
    """From 1 - P = x**a exp(-x) / gamma(a) * h, where h is a continued fraction, by its convergents.

    With y = 1 - a they are 1 / x, (x + 1) / (x (x + y + 1)), and so on by the recurrence (n counts them from 1)
    p[n+1] = (x + y + 1 + 2 n) p[n] - n (y + n) p[n-1]. Numerators, denominators and their derivatives by a are scaled
    down together when they have grown large.
    """
    eps = numpy.finfo(a.dtype).eps
    big = 1 / eps

    def go_on(n, p1, q1, p2, q2, dp1, dq1, dp2, dq2, value, slope, moved):
        return logical_and(any_(moved > eps), n < _MOST_TERMS)

    def step(n, p1, q1, p2, q2, dp1, dq1, dp2, dq2, value, slope, moved):
        z, weight = x + 2 - a + 2 * n, n * (n + 1 - a)
        p, q = p1 * z - p2 * weight, q1 * z - q2 * weight
        dp, dq = dp1 * z - p1 - dp2 * weight + p2 * n, dq1 * z - q1 - dq2 * weight + q2 * n
        going = moved > eps      # later turns, for the sake of other elements, would add nothing but rounding errors
        whole = logical_and(q != 0, going)
        bottom = where(whole, q, 1)
        new_value = where(whole, p / bottom, value)
        new_slope = where(whole, (dp - new_value * dq) / bottom, slope)
        moved = where(whole, maximum(abs(new_slope - slope) / maximum(abs(new_slope), eps),
                                     abs(new_value - value) / abs(new_value)), where(going, 1, moved))
        scale = where(abs(p) > big, eps, 1)
        return (n + 1, p * scale, q * scale, p1 * scale, q1 * scale, dp * scale, dq * scale, dp1 * scale, dq1 * scale,
                new_value, new_slope, moved)
    zero = a * 0
    bottom = (x + 2 - a) * x
    start = (numpy.asarray(1, a.dtype), x + 1, bottom, zero + 1, x, zero, -x, zero, zero, (x + 1) / bottom,
             (x + 1) * x / (bottom * bottom), zero + 1)
    found = while_loop(go_on, step, *[as_operand(v) for v in start])
    return x * (found[9] * (log(x) - digamma(a)) + found[10])
