"""The gamma distribution of shape ``a`` from ``loc`` on."""
import math

from runtime.scipy.special import gammainc, gammaincc, gammaln, xlogy


def logpdf(x, a, loc=0, scale=1):
    """Return the logarithm of the density; -inf below ``loc``."""
    from runtime import numpy as np
    inside = x >= loc
    y = np.where(inside, (x - loc) / scale, 1.0)
    return np.where(inside, xlogy(a - 1, y) - y - gammaln(a) - np.log(scale), -math.inf)


def pdf(x, a, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, a, loc, scale))


def cdf(x, a, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return gammainc(a, np.clip((x - loc) / scale, 0.0, math.inf))


def sf(x, a, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return gammaincc(a, np.clip((x - loc) / scale, 0.0, math.inf))


def logcdf(x, a, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.log(cdf(x, a, loc, scale))


def logsf(x, a, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    return np.log(sf(x, a, loc, scale))
