"""The normal distribution: plain Python over ops, differentiable in the point, the mean and the deviation."""
import math

from runtime.scipy import special
from runtime.scipy.dtypes import strong as _strong


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    z = (x - loc) / scale
    return -0.5 * (z * z + math.log(2 * math.pi)) - np.log(scale)


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    return special.ndtr((x - loc) / scale)


def logcdf(x, loc=0, scale=1):
    """Return the logarithm of cdf, accurately far to the left too."""
    return special.log_ndtr((x - loc) / scale)


def sf(x, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    return _strong(cdf(-x, -loc, scale))


def logsf(x, loc=0, scale=1):
    """Return the logarithm of sf."""
    return logcdf(-x, -loc, scale)


def ppf(q, loc=0, scale=1):
    """Return the value up to which the probability is ``q``."""
    return special.ndtri(q) * scale + loc


def isf(q, loc=0, scale=1):
    """Return the value above which the probability is ``q``."""
    return special.ndtri(1 - q) * scale + loc
