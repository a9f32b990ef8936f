"""The Cauchy distribution."""
import math


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    z = (x - loc) / scale
    return -np.log(math.pi * scale) - np.log1p(z * z)


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return 0.5 + np.arctan((x - loc) / scale) / math.pi


def logcdf(x, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.log(cdf(x, loc, scale))


def sf(x, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    return cdf(-x, -loc, scale)


def logsf(x, loc=0, scale=1):
    """Return the logarithm of sf."""
    return logcdf(-x, -loc, scale)


def ppf(q, loc=0, scale=1):
    """Return the value up to which the probability is ``q``."""
    from runtime import numpy as np
    return np.tan(math.pi * q - math.pi / 2) * scale + loc


def isf(q, loc=0, scale=1):
    """Return the value above which the probability is ``q``."""
    from runtime import numpy as np
    return np.tan(math.pi / 2 - math.pi * q) * scale + loc
