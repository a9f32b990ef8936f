"""Special functions under SciPy's names."""
import math

from runtime.nn.functions import log_softmax, logsumexp, softmax
from runtime.op import op as _op
from runtime.ops.elementwise import digamma, erf, erfc, erfinv, gammaln
from runtime.ops.elementwise import sigmoid as expit
from runtime.ops.special import polygamma, zeta

psi = digamma


def logit(x, /):
    """Return log(x / (1 - x)), elementwise."""
    from runtime import numpy as np
    return np.log(x / (1 - x))


@_op(partials={"x": "np.log(y)", "y": "x / y"})
def xlogy(x, y, /):
    """Return x * log(y), and 0 where x is 0, elementwise."""
    from runtime import numpy as np
    return np.where(x == 0, 0.0, x * np.log(y))


@_op(partials={"x": "np.log1p(y)", "y": "x / (1 + y)"})
def xlog1py(x, y, /):
    """Return x * log(1 + y), and 0 where x is 0, elementwise."""
    from runtime import numpy as np
    return np.where(x == 0, 0.0, x * np.log1p(y))


def entr(x, /):
    """Return -x * log(x), 0 at zero and -inf below, elementwise."""
    from runtime import numpy as np
    return np.where(x < 0, -math.inf, -xlogy(x, x))


def rel_entr(p, q, /):
    """Return p * log(p / q), 0 where p is 0, inf where either is out of range, elementwise."""
    from runtime import numpy as np
    both = np.logical_and(p > 0, q > 0)
    none = np.logical_and(p == 0, q >= 0)
    found = xlogy(np.where(both, p, 1), np.where(both, p, 1)) - xlogy(np.where(both, p, 1), np.where(both, q, 1))
    return np.where(both, found, np.where(none, 0.0, math.inf))


def kl_div(p, q, /):
    """Return rel_entr(p, q) - p + q, elementwise."""
    return rel_entr(p, q) - p + q


@_op(partials={"x": "out * lax.digamma(x)"})
def gamma(x, /):
    """Return the gamma function, elementwise; NaN at negative integers."""
    from runtime import numpy as np
    floor = np.floor(x)
    sign = np.where(np.logical_and(x < 0, floor % 2 != 0), -1.0, 1.0)
    return np.where(np.logical_and(x < 0, x == floor), math.nan, sign * np.exp(gammaln(x)))


def betaln(a, b, /):
    """Return the logarithm of the beta function, elementwise."""
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def beta(a, b, /):
    """Return the beta function of positive numbers, elementwise."""
    from runtime import numpy as np
    return np.exp(betaln(a, b))


def factorial(n, exact=False):
    """Return n!, as a floating-point number, elementwise; 0 for negative numbers."""
    from runtime import numpy as np
    if exact:
        raise NotImplementedError("factorial with exact=True is not supported; use math.factorial")
    return np.where(n < 0, 0.0, np.exp(gammaln(n + 1.0)))


@_op(partials={"x": "0.3989422804014327 * np.exp(-0.5 * x * x)"})
def ndtr(x, /):
    """Return the standard normal distribution function, elementwise."""
    return 0.5 * erfc(-x * math.sqrt(0.5))


def _far_left(x):
    """The logarithm of ndtr far to the left, by its asymptotic series."""
    from runtime import numpy as np
    inverse = 1 / (x * x)
    series = 1 - inverse * (1 - 3 * inverse * (1 - 5 * inverse * (1 - 7 * inverse)))
    return -0.5 * x * x - np.log(-x) - 0.5 * math.log(2 * math.pi) + np.log(series)


@_op(partials={"x": "0.3989422804014327 * np.exp(-0.5 * x * x - out)"})
def log_ndtr(x, /):
    """Return the logarithm of the standard normal distribution function, accurately far to the left too, elementwise."""
    from runtime import numpy as np
    near = np.log(ndtr(np.maximum(x, -9.0)))
    right = np.log1p(-ndtr(-np.maximum(x, 0.0)))
    return np.where(x > 0, right, np.where(x > -9.0, near, _far_left(np.minimum(x, -9.0))))


@_op(partials={"p": "2.5066282746310002 * np.exp(0.5 * out * out)"})
def ndtri(p, /):
    """Return the inverse of the standard normal distribution function, elementwise."""
    return math.sqrt(2.0) * erfinv(2.0 * p - 1.0)


def multigammaln(a, d, /):
    """Return the logarithm of the multivariate gamma function of dimension d, a Python integer, elementwise."""
    total = d * (d - 1) / 4 * math.log(math.pi)
    for j in range(d):
        total = total + gammaln(a - j / 2)
    return total
