"""Special functions of several arguments that XLA provides."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.binary import maximum, minimum, where
from runtime.ops.elementwise import abs, exp, log, sign, sqrt
from runtime.ops.create import full_like
from runtime.ops.kernel import elementwise
from runtime.ops.lanes import computed, series

_polygamma = elementwise("polygamma", "chlo.polygamma", "biuf", "inexact")
_zeta = elementwise("zeta", "chlo.zeta", "biuf", "inexact")


@op(partials={"x": "rt.polygamma(lax.stop_gradient(n) + 1, x)"}, refuses={"n": "polygamma has no derivative in its order"})
def polygamma(n, x):
    """Return the n-th derivative of digamma at x, elementwise; differentiable in x."""
    return _polygamma(n * 1.0, x)


@op(partials={"x": "rt.zeta_slope(x, q)", "q": "-x * rt.zeta(x + 1, q)"})
def zeta(x, q):
    """Return Hurwitz's zeta function, the sum of (n + q)**-x over n from 0, elementwise."""
    return _zeta(x, q)


_SHIFT = 10   # terms summed one by one before the Euler-Maclaurin formula
_CORRECTIONS = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
                -3617 / 10670622842880000)   # B_2k / (2 k)!


def zeta_slope(x, q):
    """Return the derivative of zeta in its first argument, term by term of the Euler-Maclaurin formula."""
    total = 0.0
    for n in range(_SHIFT):
        total = total - log(q + n) * (q + n) ** -x
    end = q + _SHIFT
    logarithm, power = log(end), end ** -x
    total = total - power * end * (logarithm + 1 / (x - 1)) / (x - 1) - 0.5 * power * logarithm
    rising, growth = x, 1 / x     # x (x + 1) ... (x + 2 k - 2) and the derivative of its logarithm
    power = power / end
    for k, c in enumerate(_CORRECTIONS):
        total = total + c * rising * power * (growth - logarithm)
        low, high = x + 2 * k + 1, x + 2 * k + 2
        rising = rising * low * high
        growth = growth + 1 / low + 1 / high
        power = power / (end * end)
    return total


# Polynomial approximations, relative error below 2e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 9.8.1-9.8.4.
_I0_SMALL = (0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0)
_I0_LARGE = (0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228)
_I1_SMALL = (0.00032411, 0.00301532, 0.02658733, 0.15084934, 0.51498869, 0.87890594, 0.5)
_I1_LARGE = (-0.00420059, 0.01787654, -0.02895312, 0.02282967, -0.01031555, 0.00163801, -0.00362018, -0.03988024, 0.39894228)


def polynomial(coefficients, x):
    """Return a polynomial with given coefficients, highest power first, at x."""
    out = x * 0.0
    for coefficient in coefficients:
        out = out * x + coefficient
    return out


def _scaled_bessel(x, order):
    """exp(-x) I(x) of order 0 or 1 for x not below zero, to double precision: DLMF 10.25.2 and, from 25 on, 10.40.1."""
    small, large = minimum(x, 25.0), maximum(x, 25.0)
    quarter = 0.25 * small * small
    start = exp(-small) * (0.5 * small if order else full_like(x, 1.0))
    near = series(start, lambda k: quarter / (k * (k + order)))
    far = series(full_like(x, 1.0), lambda k: ((2 * k - 1) * (2 * k - 1) - 4.0 * order) / (8 * k * large), limit=40)
    return where(x < 25, near, far * 0.3989422804014327 / sqrt(large))


def _i0e(x):
    size = abs(x)
    if x.dtype.itemsize > 4:
        return _scaled_bessel(size, 0)
    small, large = minimum(size, 3.75), maximum(size, 3.75)
    near = exp(-small) * polynomial(_I0_SMALL, (small / 3.75) ** 2)
    return where(size < 3.75, near, polynomial(_I0_LARGE, 3.75 / large) / sqrt(large))


def _i1e(x):
    size = abs(x)
    if x.dtype.itemsize > 4:
        return sign(x) * _scaled_bessel(size, 1)
    small, large = minimum(size, 3.75), maximum(size, 3.75)
    near = exp(-small) * small * polynomial(_I1_SMALL, (small / 3.75) ** 2)
    return sign(x) * where(size < 3.75, near, polynomial(_I1_LARGE, 3.75 / large) / sqrt(large))


_i0e_kernel, _i1e_kernel = computed("bessel_i0e", _i0e, strong=False), computed("bessel_i1e", _i1e, strong=False)


@op(partials={"x": "rt.bessel_i1e(x) - np.sign(x) * out"})
def bessel_i0e(x):
    """Return exp(-|x|) I0(x), elementwise: the modified Bessel function of order zero, scaled."""
    return _i0e_kernel(x)


@op(partials={"x": "rt.bessel_i1e_slope(x)"})
def bessel_i1e(x):
    """Return exp(-|x|) I1(x), elementwise: the modified Bessel function of order one, scaled."""
    return _i1e_kernel(x)


def bessel_i1e_slope(x):
    """Return the derivative of bessel_i1e: I1' = I0 - I1 / x, one half at zero."""
    zero = x == 0
    safe = where(zero, 1.0, x)
    slope = bessel_i0e(safe) - bessel_i1e(safe) * (sign(safe) + 1.0 / safe)
    return where(zero, 0.5, slope)


def i0(x):
    """Return the modified Bessel function of the first kind of order zero, elementwise."""
    return exp(abs(x)) * bessel_i0e(x)


def i1(x):
    """Return the modified Bessel function of the first kind of order one, elementwise."""
    return exp(abs(x)) * bessel_i1e(x)
