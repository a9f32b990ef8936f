"""The chi-squared distribution with ``df`` degrees of freedom."""
import math

from runtime.scipy.special import gammainc, gammaincc, gammaln


def logpdf(x, df, loc=0, scale=1):
    """Return the logarithm of the density; -inf below ``loc``."""
    from runtime import numpy as np
    outside = x < loc
    y, half = np.where(outside, 1.0, (x - loc) / scale), df / 2
    found = (half - 1) * np.log(y) - y / 2 - gammaln(half) - half * math.log(2) - np.log(scale)
    return np.where(outside, -math.inf, found)


def pdf(x, df, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, df, loc, scale))


def cdf(x, df, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return gammainc(df / 2, np.clip((x - loc) / (scale * 2), 0.0, math.inf))


def sf(x, df, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return gammaincc(df / 2, np.clip((x - loc) / (scale * 2), 0.0, math.inf))


def logcdf(x, df, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    return np.log(cdf(x, df, loc, scale))


def logsf(x, df, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    return np.log(sf(x, df, loc, scale))
