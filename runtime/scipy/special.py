"""Special functions under SciPy's names."""
import math

from runtime.nn.functions import log_softmax as _log_softmax
from runtime.nn.functions import logsumexp
from runtime.nn.functions import softmax as _softmax
from runtime.ops.axes import axis_tuple as _axis_tuple
from runtime.ops.kernel import about_types as _about_types
from runtime.op import op as _op
from runtime.ops.elementwise import digamma, erf, erfc, erfinv, gammaln
from runtime.ops.elementwise import sigmoid as expit
from runtime.ops.hypergeometric import hyp1f1, hyp2f1, owens_t
from runtime.ops.incomplete import betainc
from runtime.ops.incomplete import igamma as gammainc
from runtime.ops.incomplete import igammac as gammaincc
from runtime.ops.integrals import dawsn, erfcx, exp1, expi, expn, spence
from runtime.ops.integrals import cosine_integral as _cosine_integral
from runtime.ops.integrals import faddeeva as _faddeeva
from runtime.ops.integrals import fresnel_cosine as _fresnel_cosine
from runtime.ops.integrals import fresnel_sine as _fresnel_sine
from runtime.ops.integrals import sine_integral as _sine_integral
from runtime.ops.special import bessel_i0e as i0e
from runtime.ops.special import bessel_i1e as i1e
from runtime.ops.special import i0, i1, polygamma
from runtime.ops.special import zeta as _zeta
from runtime.scipy.dtypes import meeting as _meeting
from runtime.scipy.dtypes import strong as _strong
from runtime.scipy.harmonics import bernoulli, bessel_jn, sph_harm_y

psi = digamma


@_about_types
def every_axis(x, axis):
    """Return an axis argument, where None stands for all axes."""
    return _axis_tuple(axis, len(x.shape)) if axis is None else axis


def softmax(x, /, *, axis=None):
    """Return exp(x) / sum(exp(x)) over axes (all by default)."""
    return _softmax(x, every_axis(x, axis))


def log_softmax(x, /, *, axis=None):
    """Return log(softmax(x)) over axes (all by default)."""
    return _log_softmax(x, every_axis(x, axis))


def logit(x):
    """Return log(x / (1 - x)), elementwise."""
    from runtime import numpy as np
    return np.log(np.divide(x, 1 - x))


@_op(partials={"x": "np.log(y)", "y": "x / y"})
def xlogy(x, y):
    """Return x * log(y), and 0 where x is 0, elementwise."""
    from runtime import numpy as np
    return np.where(x == 0, 0.0, x * np.log(y))


@_op(partials={"x": "np.log1p(y)", "y": "x / (1 + y)"})
def xlog1py(x, y):
    """Return x * log(1 + y), and 0 where x is 0, elementwise."""
    from runtime import numpy as np
    return np.where(x == 0, 0.0, x * np.log1p(y))


def entr(x):
    """Return -x * log(x), 0 at zero and -inf below, elementwise."""
    from runtime import numpy as np
    return np.where(x < 0, -math.inf, -xlogy(x, x))


def rel_entr(p, q):
    """Return p * log(p / q), 0 where p is 0, inf where either is out of range, elementwise."""
    from runtime import numpy as np
    both = np.logical_and(p > 0, q > 0)
    none = np.logical_and(p == 0, q >= 0)
    found = xlogy(np.where(both, p, 1), np.where(both, p, 1)) - xlogy(np.where(both, p, 1), np.where(both, q, 1))
    return np.where(both, found, np.where(none, 0.0, math.inf))


def kl_div(p, q):
    """Return rel_entr(p, q) - p + q, elementwise."""
    return rel_entr(p, q) - p + q


@_op(partials={"x": "out * rt.digamma(x)"})
def gamma(x):
    """Return the gamma function, elementwise; NaN at negative integers."""
    from runtime import numpy as np
    floor = np.floor(x)
    sign = np.where(np.logical_and(x < 0, floor % 2 != 0), -1.0, 1.0)
    return _strong(np.where(np.logical_and(x < 0, x == floor), math.nan, sign * np.exp(gammaln(x))))


def gammasgn(x):
    """Return the sign of the gamma function, elementwise; NaN at negative integers."""
    from runtime import numpy as np
    floor = np.floor(x)
    below = np.where(np.equal(floor, x), math.nan, np.where(floor % 2 != 0, -1.0, 1.0))
    at_zero = np.where(np.signbit(x), -1.0, 1.0)
    sign = np.where(x < 0, below, np.where(np.equal(x, 0), at_zero, 1.0))
    return _strong(np.where(np.isnan(x), math.nan, sign) + np.zeros_like(x))


def loggamma(x):
    """Return the logarithm of the gamma function of real numbers, elementwise; NaN where that is negative or undefined."""
    from runtime import numpy as np
    return np.where(x > 0, gammaln(x), math.nan)


def betaln(a, b):
    """Return the logarithm of the absolute value of the beta function, elementwise."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def beta(a, b):
    """Return the beta function, elementwise."""
    from runtime import numpy as np
    return _strong(_meeting(gammasgn(a) * gammasgn(b) * gammasgn(a + b) * np.exp(betaln(a, b)), (a, b)))


def comb(N, k, *, repetition=False):
    """Return the number of ways to choose k of N things, as a floating-point number, elementwise; 0 where there are none.

    With ``repetition`` a thing may be chosen again.
    """
    from runtime import numpy as np
    if repetition:
        some = np.logical_and(np.equal(k, 0), N >= 0)
        return _meeting(np.where(some, 1.0, comb(N + k - 1, k)), (N, k))
    some = np.logical_and(np.logical_and(k <= N, N >= 0), k >= 0)
    n, m = np.where(some, N, 0) * 1.0, np.where(some, k, 0) * 1.0
    return _meeting(np.where(some, np.exp(gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)), 0.0), (N, k))


@_op(partials={"z": "out * (rt.digamma(z + m) - rt.digamma(z))", "m": "out * rt.digamma(z + m)"})
def poch(z, m):
    """Return Pochhammer's symbol gamma(z + m) / gamma(z), elementwise."""
    from runtime import numpy as np
    return _strong(_meeting(np.where(np.equal(m, 0), 1.0, gamma(z + m) / gamma(z)), (z, m)))


def boxcox(x, lmbda):
    """Return (x**lmbda - 1) / lmbda, and log(x) where lmbda is 0, elementwise."""
    from runtime import numpy as np
    return _powered(np.log(x), lmbda)


def boxcox1p(x, lmbda):
    """Return ((1 + x)**lmbda - 1) / lmbda, and log(1 + x) where lmbda is 0, elementwise."""
    from runtime import numpy as np
    return _powered(np.log1p(x), lmbda)


def _powered(logarithm, lmbda):
    from runtime import numpy as np
    zero = np.equal(lmbda, 0)
    power = np.where(zero, 1.0, lmbda)
    return np.where(zero, logarithm, np.expm1(power * logarithm) / power)


def zeta(x, q=None):
    """Return Hurwitz's zeta function, the sum of (n + q)**-x over n from 0, elementwise."""
    if q is None:
        raise NotImplementedError("zeta without q (Riemann's zeta function) is not supported; pass q=1")
    return _zeta(x, q)


def sici(x):
    """Return (sine integral, cosine integral), elementwise; the second is that of |x|."""
    return _sine_integral(x), _cosine_integral(x)


def fresnel(x):
    """Return the Fresnel integrals (S, C), elementwise: integrals of sin(pi t**2 / 2) and cos(pi t**2 / 2) from 0 to x."""
    return _fresnel_sine(x), _fresnel_cosine(x)


def wofz(z):
    """Return the Faddeeva function exp(-z**2) erfc(-iz), elementwise; complex."""
    return _faddeeva(z + 0j)


def factorial(n, exact=False):
    """Return n!, as a floating-point number, elementwise; 0 for negative numbers."""
    from runtime import numpy as np
    if exact:
        raise NotImplementedError("factorial with exact=True is not supported; use math.factorial")
    return _meeting(np.where(n < 0, 0.0, np.exp(gammaln(n + 1.0))), (n,))


@_op(partials={"x": "0.3989422804014327 * np.exp(-0.5 * x * x)"})
def ndtr(x):
    """Return the standard normal distribution function, elementwise."""
    return 0.5 * erfc(-x * math.sqrt(0.5))


def _far_left(x, series_order):
    """The logarithm of ndtr far to the left, by its asymptotic series."""
    from runtime import numpy as np
    inverse = 1 / (x * x)
    series = 1.0
    for k in range(series_order, 0, -1):
        series = 1 - (2 * k - 1) * inverse * series
    return -0.5 * x * x - np.log(-x) - 0.5 * math.log(2 * math.pi) + np.log(series)


@_op(partials={"x": "0.3989422804014327 * np.exp(-0.5 * x * x - out)"})
def log_ndtr(x, series_order=3):
    """Return the logarithm of the standard normal distribution function, accurately far to the left too, elementwise.

    ``series_order``: terms of the asymptotic series to the left of -10 (double precision: -20), from 1 to 30.
    """
    from runtime import numpy as np
    if not isinstance(series_order, int):
        raise TypeError(f"log_ndtr: series_order must be a Python integer, got {series_order!r}")
    if not 1 <= series_order <= 30:
        raise ValueError(f"log_ndtr: series_order must be from 1 to 30, got {series_order}")
    x = np.asarray(x) * 1.0
    edge = -20.0 if x.dtype.itemsize == 8 else -10.0
    near = np.log(ndtr(np.maximum(x, edge)))
    right = np.log1p(-ndtr(-np.maximum(x, 0.0)))
    return _strong(np.where(x > 0, right, np.where(x > edge, near, _far_left(np.minimum(x, edge), series_order))))


@_op(partials={"p": "2.5066282746310002 * np.exp(0.5 * out * out)"})
def ndtri(p):
    """Return the inverse of the standard normal distribution function, elementwise."""
    return _strong(math.sqrt(2.0) * erfinv(2.0 * p - 1.0))


def multigammaln(a, d):
    """Return the logarithm of the multivariate gamma function of dimension d, a Python integer, elementwise."""
    total = d * (d - 1) / 4 * math.log(math.pi)
    for j in range(d):
        total = total + gammaln(a - j / 2)
    return _strong(total)
