"""The Gumbel distribution of the smallest of many values: NaN where ``scale`` is not positive."""
import math


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    z = (x - loc) / scale
    return np.where(scale > 0, z - np.exp(z) - np.log(scale), math.nan)


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def logsf(x, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    return np.where(scale > 0, -np.exp((x - loc) / scale), math.nan)


def sf(x, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return np.exp(logsf(x, loc, scale))


def logcdf(x, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.where(scale > 0, np.log(-np.expm1(-np.exp((x - loc) / scale))), math.nan)


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return np.exp(logcdf(x, loc, scale))


def ppf(p, loc=0, scale=1):
    """Return the value up to which the probability is ``p``; NaN but strictly between 0 and 1."""
    from runtime import numpy as np
    inside = np.logical_and(p > 0, p < 1)
    q = np.where(inside, p, 0.5)
    return np.where(inside, loc + scale * np.log(-np.log1p(-q)), math.nan)
