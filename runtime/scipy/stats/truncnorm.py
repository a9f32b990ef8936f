"""The normal distribution truncated to [a, b], in deviations from ``loc``."""
import math

from runtime.scipy.dtypes import meeting as _meeting
from runtime.scipy.dtypes import strong as _strong
from runtime.scipy.special import log_ndtr, ndtr
from runtime.scipy.stats import norm as _norm


def log_mass(a, b):
    """Return the logarithm of the standard normal probability of [a, b]; -inf where a is not below b."""
    from runtime import numpy as np
    empty = np.logical_not(a < b)
    right = a > 0
    crossing = np.logical_and(np.logical_and(a <= 0, b > 0), np.logical_not(empty))
    # in a tail, the logarithm of the difference of two logarithms' exponentials; the right tail is mirrored
    outer = np.where(empty, -2.0, np.where(crossing, -2.0, np.where(right, -b, a)))
    inner = np.where(empty, -1.0, np.where(crossing, -1.0, np.where(right, -a, b)))
    high = log_ndtr(inner)
    tail = high + np.log1p(-np.exp(log_ndtr(outer) - high))
    low, top = np.where(crossing, a, -1.0), np.where(crossing, b, 1.0)
    middle = np.log1p(-ndtr(low) - ndtr(-top))
    return np.where(empty, -math.inf, np.where(crossing, middle, tail))


def logpdf(x, a, b, loc=0, scale=1):
    """Return the logarithm of the density; -inf outside the interval, NaN where that is empty."""
    from runtime import numpy as np
    z = (x - loc) / scale
    found = _norm.logpdf(x, loc, scale) - log_mass(a, b)
    found = np.where(a >= b, math.nan, np.where(np.logical_or(z < a, z > b), -math.inf, found))
    return _strong(_meeting(found, (x, a, b, loc, scale)))


def pdf(x, a, b, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, a, b, loc, scale))


def logcdf(x, a, b, loc=0, scale=1):
    """Return the logarithm of cdf; NaN where the interval is empty."""
    from runtime import numpy as np
    z = (x - loc) / scale
    inside = np.logical_and(z > a, z < b)
    middle = 0.5 * (np.clip(a, -8.0, 8.0) + np.clip(b, -8.0, 8.0))
    y = np.where(inside, z, middle)
    whole = log_mass(a, b)
    below, above = log_mass(a, y) - whole, log_mass(y, b) - whole
    near_one = below > -0.1
    found = np.where(near_one, np.log1p(-np.exp(np.where(near_one, above, -1.0))), below)
    found = np.where(inside, found, np.where(z >= b, 0.0, -math.inf))
    return _strong(_meeting(np.where(a >= b, math.nan, found), (x, a, b, loc, scale)))


def cdf(x, a, b, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return np.exp(logcdf(x, a, b, loc, scale))


def logsf(x, a, b, loc=0, scale=1):
    """Return the logarithm of sf."""
    return logcdf(-x, -b, -a, -loc, scale)


def sf(x, a, b, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return np.exp(logsf(x, a, b, loc, scale))
