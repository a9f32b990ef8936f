"""The beta distribution with shape parameters ``a`` and ``b`` on [loc, loc + scale]."""
import math

from runtime.scipy.special import betainc, betaln, xlog1py, xlogy


def logpdf(x, a, b, loc=0, scale=1):
    """Return the logarithm of the density; -inf outside the interval, NaN for parameters that are not positive."""
    from runtime import numpy as np
    outside = np.logical_or(x > loc + scale, x < loc)
    y = np.where(outside, 0.5, (x - loc) / scale)
    found = xlogy(a - 1, y) + xlog1py(b - 1, -y) - betaln(a, b) - np.log(scale)
    wrong = np.logical_or(np.logical_or(a <= 0, b <= 0), scale <= 0)
    return np.where(wrong, math.nan, np.where(outside, -math.inf, found))


def pdf(x, a, b, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, a, b, loc, scale))


def cdf(x, a, b, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return betainc(a, b, np.clip((x - loc) / scale, 0.0, 1.0))


def sf(x, a, b, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return betainc(b, a, 1.0 - np.clip((x - loc) / scale, 0.0, 1.0))


def logcdf(x, a, b, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.log(cdf(x, a, b, loc, scale))


def logsf(x, a, b, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    return np.log(sf(x, a, b, loc, scale))
