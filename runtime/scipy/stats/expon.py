"""The exponential distribution from ``loc`` on, of mean ``scale``."""
import math


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density; -inf below ``loc``."""
    from runtime import numpy as np
    return np.where(x < loc, -math.inf, -(x - loc) / scale - np.log(scale))


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return np.where(x < loc, 0.0, -np.expm1((loc - x) / scale))


def logsf(x, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    return np.where(x < loc, 0.0, (loc - x) / scale)


def sf(x, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return np.exp(logsf(x, loc, scale))


def logcdf(x, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.log1p(-sf(x, loc, scale))


def ppf(q, loc=0, scale=1):
    """Return the value up to which the probability is ``q``; NaN where that is no probability."""
    from runtime import numpy as np
    wrong = np.logical_or(np.isnan(q), np.logical_or(q < 0, q > 1))
    return np.where(wrong, math.nan, loc - scale * np.log1p(-q))
