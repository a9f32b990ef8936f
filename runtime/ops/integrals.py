"""Exponential, trigonometric, Fresnel and error integrals and the dilogarithm.

Source: NIST Digital Library of Mathematical Functions, chapters 6, 7 and 25.12, unless a function says otherwise.
"""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.binary import logical_and, logical_or, maximum, minimum, where
from runtime.ops.create import full_like
from runtime.ops.elementwise import abs as size
from runtime.ops.elementwise import cos, digamma, erfc, exp, floor, imag, log, logical_not, make_complex, real, sign, sin
from runtime.ops.lanes import computed, epsilon, fraction, iterate, series

_EULER = 0.5772156649015329


# ---- exponential integrals ----

def _small_expn(n, x):
    """E_n(x) for x up to 1: a series in which the term of order n - 1 holds the logarithm."""
    last, eps = n - 1.0, epsilon(x)
    start = where(last == 0, -log(x) - _EULER, 1.0 / where(last == 0, 1.0, last))

    def step(k, total, power):
        power = -power * x / k
        at_log = k == last
        change = where(at_log, power * (digamma(n) - log(x)), -power / where(at_log, 1.0, k - last))
        return logical_or(size(change) > 0.5 * eps * size(total), k <= last) & (power != 0), total + change, power
    return iterate(step, start, full_like(x, 1.0))[0]


def _expn(n, x):
    small = x <= 1
    undefined = logical_or(logical_or(n < 0, x < 0), n + x != n + x)
    first = logical_or(n < 0.5, logical_or(undefined, x == 0))   # E_0 is elementary
    order = where(first, 1.0, n)
    near = _small_expn(order, where(first, 1.0, minimum(x, 1.0)))
    far = where(small, 2.0, minimum(x, 1e4))
    f = fraction(lambda k: (-k * (order - 1.0 + k), far + order + 2.0 * k), far + order)
    positive = where(x > 0, x, 1.0)
    out = where(small, near, exp(-where(small, 2.0, x)) / f)
    out = where(n < 0.5, exp(-positive) / positive, out)
    out = where(x == 0, where(n < 1.5, numpy.inf, 1.0 / where(n < 1.5, 1.0, n - 1.0)), out)
    return where(undefined, numpy.nan, out)


def _expi(x):
    y = size(x)
    low = where(logical_and(x > 0, x <= 40), x, 1.0)
    near = _EULER + log(low) + _rising(low)
    far = where(x > 40, minimum(x, 1e30), 50.0)
    tail = exp(where(x > 40, x, 50.0)) / far * series(full_like(x, 1.0), lambda k: k / far, limit=40)
    left = -_expn(full_like(x, 1.0), where(x < 0, y, 1.0))
    out = where(x > 40, tail, where(x > 0, near, left))
    return where(x == 0, -numpy.inf, where(x != x, x, out))


def _rising(x):
    """Return the sum of x**k / (k k!) for k from 1."""
    eps = epsilon(x)

    def step(k, total, power):
        power = power * x / k
        return power / k > 0.25 * eps * total, total + power / k, power
    return iterate(step, full_like(x, 0.0), full_like(x, 1.0))[0]


_expn_kernel, _expi_kernel = computed("expn", _expn), computed("expi", _expi)


@op(partials={"x": "np.exp(x) / x"})
def expi(x):
    """Return the exponential integral Ei, the principal value of the integral of exp(t) / t up to x, elementwise."""
    return _expi_kernel(x)


@op(partials={"x": "-rt.expn(n - 1, x)"}, refuses={"n": "expn has no derivative in its order"})
def expn(n, x):
    """Return the generalized exponential integral E_n(x) of whole order n, elementwise: the integral of exp(-x t) / t**n for t
    from 1; differentiable in x."""
    return _expn_kernel(n, x)


def exp1(x):
    """Return the exponential integral E_1(x), elementwise."""
    return expn(1.0, x)


# ---- sine and cosine integral ----

_TURN = 4.0   # below, the power series; above, the continued fraction of E_1(ix)


def _rotating(x):
    """Return exp(-ix) / (1 + ix - 1 / (3 + ix - 4 / (5 + ix - ...))), which is E_1(ix)."""
    y = make_complex(full_like(x, 0.0), x)
    f = fraction(lambda k: (make_complex(-k * k + 0.0 * x, full_like(x, 0.0)), 1.0 + y + 2.0 * k), 1.0 + y)
    return make_complex(cos(x), -sin(x)) / f


def _sine_integral(x):
    y = size(x)
    low, far = minimum(y, _TURN), where(y > _TURN, where(y == numpy.inf, 10.0, y), 10.0)
    square, eps = low * low, epsilon(x)

    def step(k, total, power):
        power = -power * square / (2 * k * (2 * k + 1))
        return size(power) > 0.5 * eps * size(total), total + power / (2 * k + 1), power
    near = iterate(step, low, low)[0]
    out = where(y > _TURN, where(y == numpy.inf, 0.5 * math.pi, 0.5 * math.pi + imag(_rotating(far))), near)
    return where(x != x, x, sign(x) * out)


def _cosine_integral(x):
    y = size(x)
    low = where(logical_and(y > 0, y <= _TURN), y, 1.0)
    far = where(y > _TURN, where(y == numpy.inf, 10.0, y), 10.0)
    square, eps = low * low, epsilon(x)

    def step(k, total, power):
        power = -power * square / (2 * k * (2 * k - 1))
        return size(power) > 0.5 * eps * size(total), total + power / (2 * k), power
    near = _EULER + log(low) + iterate(step, full_like(x, 0.0), full_like(x, 1.0))[0]
    out = where(y > _TURN, where(y == numpy.inf, 0.0, -real(_rotating(far))), near)
    return where(x == 0, -numpy.inf, where(logical_or(x == -numpy.inf, x != x), numpy.nan, out))


_sine_kernel, _cosine_kernel = computed("sine_integral", _sine_integral), computed("cosine_integral", _cosine_integral)


@op(partials={"x": "np.sinc(x / 3.141592653589793)"})
def sine_integral(x):
    """Return the integral of sin(t) / t from 0 to x, elementwise."""
    return _sine_kernel(x)


@op(partials={"x": "np.cos(x) / x"})
def cosine_integral(x):
    """Return Euler's constant + log|x| + the integral of (cos(t) - 1) / t from 0 to x, elementwise."""
    return _cosine_kernel(x)


# ---- Fresnel integrals ----

_BEND = 1.3


def _fresnel(sine):
    def part(x):
        y = size(x)
        low, far = minimum(y, _BEND), where(y > _BEND, minimum(y, 1e6), 2.0)
        quarter, eps = 0.5 * math.pi * low * low, epsilon(x)
        start = quarter * low if sine else low
        shift = 1.0 if sine else 0.0   # terms are quarter**(2 k + shift) / (2 k + shift)!

        def step(k, total, power):
            power = -power * quarter * quarter / ((2 * k + shift) * (2 * k + shift - 1))
            return size(power) > 0.5 * eps * size(total), total + power / (4 * k + 2 * shift + 1), power
        near = iterate(step, start / (2 * shift + 1), start)[0]
        angle = math.pi * far * far
        y0 = make_complex(full_like(x, 1.0), -angle)
        zero = full_like(x, 0.0)
        f = fraction(lambda k: (make_complex(-(2 * k - 1) * (2 * k) + zero, zero), y0 + 4.0 * k), y0)
        wave = 1.0 - make_complex(cos(0.5 * angle), sin(0.5 * angle)) * make_complex(far, -far) / f
        whole = make_complex(full_like(x, 0.5), full_like(x, 0.5)) * wave
        out = where(y > _BEND, where(y == numpy.inf, 0.5, imag(whole) if sine else real(whole)), near)
        return where(x != x, x, sign(x) * out)
    return part


_fresnel_sine_kernel, _fresnel_cosine_kernel = computed("fresnel_sine", _fresnel(True)), computed("fresnel_cosine",
                                                                                                  _fresnel(False))


@op(partials={"x": "np.sin(1.5707963267948966 * x * x)"})
def fresnel_sine(x):
    """Return the integral of sin(pi t**2 / 2) from 0 to x, elementwise."""
    return _fresnel_sine_kernel(x)


@op(partials={"x": "np.cos(1.5707963267948966 * x * x)"})
def fresnel_cosine(x):
    """Return the integral of cos(pi t**2 / 2) from 0 to x, elementwise."""
    return _fresnel_cosine_kernel(x)


# ---- error functions ----

def _erfcx(x):
    y = size(x)
    low, far = minimum(y, 2.5), where(y > 2.5, minimum(y, 1e18), 3.0)
    positive = where(y > 2.5, 0.5641895835477563 / fraction(lambda k: (0.5 * k + 0.0 * far, far), far), exp(low * low) * erfc(low))
    positive = where(y == numpy.inf, 0.0, positive)
    return where(x != x, x, where(x < 0, 2.0 * exp(x * x) - positive, positive))


_SPACING = 0.2   # of Rybicki's sum, Computers in Physics 3 (1989): its error is exp(-(pi / (2 * 0.2))**2), about 1e-27


def _dawsn(x):
    y = size(x)
    near, far = minimum(y, 10.0), maximum(y, 10.0)
    even = 2.0 * floor(0.5 * near / _SPACING + 0.5)
    rest = near - even * _SPACING
    up, total = exp(2.0 * rest * _SPACING), 0.0 * near
    square = up * up
    for i in range(17):
        weight = math.exp(-((2 * i + 1) * _SPACING) ** 2)
        total = total + weight * (up / (even + 1.0 + 2 * i) + 1.0 / ((even - 1.0 - 2 * i) * up))
        up = up * square
    middle = 0.5641895835477563 * exp(-rest * rest) * total
    small = minimum(y, 0.3)
    t = small * small
    low = full_like(x, 1.0)
    for k in range(12, 0, -1):   # nested form of the series: the term ratio is -2 x**2 / (2 k + 1)
        low = 1.0 - 2.0 * t / (2 * k + 1) * low
    inverse = 0.5 / (minimum(far, 1e15) ** 2)
    high = full_like(x, 1.0)
    for k in range(8, 0, -1):
        high = 1.0 + (2 * k - 1) * inverse * high
    out = where(y < 0.3, small * low, where(y < 10, middle, 0.5 / far * high))
    return where(x != x, x, sign(x) * out)


_POINTS = 12   # of the trapezoidal rules of Al Azah and Chandler-Wilde, Numerical Algorithms 87 (2021): errors below 1e-14
_STEP = math.sqrt(math.pi / _POINTS)


def _upper_wofz(x, y):
    """Return w(x + iy) for x and y not below zero."""
    z = make_complex(x, y)
    square = z * z
    even = odd = 0.0 * z
    for k in range(_POINTS):
        t = (k + 0.5) * _STEP
        odd = odd + math.exp(-t * t) / (square - t * t)
        t = (k + 1) * _STEP
        even = even + math.exp(-t * t) / (square - t * t)
    place = x / _STEP
    place = place - floor(place)
    limit = math.pi / _STEP
    between = logical_and(y < x, logical_and(place >= 0.25, place <= 0.75))   # far from the points k h, near (k + 1/2) h
    scale = make_complex(0.0 * x, full_like(x, 2.0 * _STEP / math.pi)) * z
    out = scale * where(between, even, odd)
    out = out + where(between, make_complex(0.0 * x, full_like(x, _STEP / math.pi)) / where(z == 0, 1.0, z), 0.0)
    # what the poles between the real line and the contour give; negligible far from the line
    low = minimum(y, limit)
    turn = exp(make_complex(2.0 * math.pi * low / _STEP, -2.0 * math.pi * x / _STEP))
    bell = exp(make_complex((low - x) * (low + x), -2.0 * x * low))
    poles = 2.0 * bell / where(between, 1.0 - turn, 1.0 + turn)
    near = logical_and(logical_not(y >= maximum(x, limit)), y < limit)
    return out + where(near, poles, 0.0)


def _wofz(z):
    x, y = real(z), imag(z)
    first = _upper_wofz(size(x), size(y))
    mirrored = make_complex(real(first), -imag(first))   # w(-conj z) = conj w(z)
    w, w_of_minus = where(x < 0, mirrored, first), where(x > 0, mirrored, first)   # w(z) = 2 exp(-z**2) - w(-z)
    bell = exp(make_complex((y - x) * (y + x), -2.0 * x * y))
    reflected = 2.0 * bell - w_of_minus
    return where(y < 0, reflected, w)


_erfcx_kernel, _dawsn_kernel = computed("erfcx", _erfcx), computed("dawsn", _dawsn)
_wofz_kernel = computed("wofz", _wofz, "c")


@op(partials={"x": "2 * x * out - 1.1283791670955126"})
def erfcx(x):
    """Return exp(x**2) * erfc(x), elementwise."""
    return _erfcx_kernel(x)


@op(partials={"x": "1 - 2 * x * out"})
def dawsn(x):
    """Return Dawson's integral, exp(-x**2) times the integral of exp(t**2) from 0 to x, elementwise."""
    return _dawsn_kernel(x)


@op(partials={"z": "1.1283791670955126j - 2 * z * out"})
def faddeeva(z):
    """Return w(z) = exp(-z**2) erfc(-iz) of complex numbers, elementwise."""
    return _wofz_kernel(z)


# ---- dilogarithm ----

def _bernoulli_terms(count: int) -> list[float]:
    """Return B_2k / (2 k + 1)! for k from 1 to ``count``."""
    numbers = bernoulli_numbers(2 * count)
    return [float(numbers[2 * k] / math.factorial(2 * k + 1)) for k in range(1, count + 1)]


def bernoulli_numbers(n: int) -> list:
    """Return the Bernoulli numbers B_0 ... B_n, of which B_1 is -1/2, as fractions."""
    from fractions import Fraction
    found: list[Fraction] = []
    for m in range(n + 1):
        known = sum((math.comb(m + 1, k) * b for k, b in enumerate(found)), Fraction(0))
        found.append(Fraction(1) if m == 0 else -known / (m + 1))
    return found


def _spence(x):
    low, high = x < 0.5, x > 2
    # arguments y of spence in [0.5, 2] to which the reflection x -> 1 - x and the inversion x -> x / (x - 1) lead
    safe = where(logical_or(x < 0, x == numpy.inf), 1.0, x)
    y = where(low, 1.0 - safe, where(high, safe / where(high, safe - 1.0, 1.0), safe))
    u = -log(where(y <= 0, 1.0, y))
    square, total = u * u, 0.0 * u
    for c in _bernoulli_terms(10)[::-1]:
        total = (total + c) * square
    found = u - 0.25 * square + u * total
    inner = where(logical_and(low, safe > 0), safe, 1.0)
    reflected = math.pi ** 2 / 6 - log(1.0 - where(low, inner, 0.0)) * log(inner) - found
    tall = log(where(high, safe - 1.0, 1.0))
    inverted = -math.pi ** 2 / 6 - 0.5 * tall * tall - found
    out = where(low, where(x == 0, math.pi ** 2 / 6, reflected), where(high, inverted, found))
    return where(x < 0, numpy.nan, where(x == numpy.inf, -numpy.inf, out))


_spence_kernel = computed("spence", _spence)


def spence_slope(x):
    """Return the derivative of the dilogarithm, log(x) / (1 - x), and -1 at one."""
    one = x == 1
    return where(one, -1.0, log(x) / where(one, 1.0, 1 - x))


@op(partials={"x": "rt.spence_slope(x)"})
def spence(x):
    """Return the dilogarithm, the integral of log(t) / (1 - t) from 1 to x, elementwise; NaN below zero."""
    return _spence_kernel(x)


