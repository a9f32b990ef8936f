"""The uniform distribution on [loc, loc + scale]."""
import math

from runtime.scipy.dtypes import meeting as _meeting
from runtime.scipy.dtypes import strong as _strong


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density; -inf outside the interval."""
    from runtime import numpy as np
    found = np.where(np.logical_or(x > loc + scale, x < loc), -math.inf, -np.log(scale))
    return _meeting(found, (x, loc, scale))


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    found = np.where(x < loc, 0.0, np.where(x > loc + scale, 1.0, (x - loc) / scale))
    return _strong(_meeting(found, (x, loc, scale)))


def ppf(q, loc=0, scale=1):
    """Return the value up to which the probability is ``q``; NaN where that is no probability."""
    from runtime import numpy as np
    wrong = np.logical_or(np.isnan(q), np.logical_or(q < 0, q > 1))
    return np.where(wrong, math.nan, loc + scale * q)
