"""The Pareto distribution of shape ``b`` from loc + scale on."""
import math


def logpdf(x, b, loc=0, scale=1):
    """Return the logarithm of the density; -inf below loc + scale."""
    from runtime import numpy as np
    outside, y = relative(x, loc, scale)
    return np.where(outside, -math.inf, np.log(b / scale) - (b + 1) * np.log(y))


def relative(x, loc, scale):
    """Return (where a value is out of range, the value relative to ``scale``, 1 out of range)."""
    from runtime import numpy as np
    outside = x < loc + scale
    return outside, np.where(outside, 1.0, (x - loc) / scale)


def pdf(x, b, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, b, loc, scale))


def logsf(x, b, loc=0, scale=1):
    """Return the logarithm of sf."""
    from runtime import numpy as np
    _, y = relative(x, loc, scale)
    return -b * np.log(y)


def sf(x, b, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    from runtime import numpy as np
    return np.exp(logsf(x, b, loc, scale))


def cdf(x, b, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    outside, y = relative(x, loc, scale)
    return np.where(outside, 0.0, 1.0 - y ** -b)


def logcdf(x, b, loc=0, scale=1):
    """Return the logarithm of cdf."""
    from runtime import numpy as np
    outside, y = relative(x, loc, scale)
    return np.where(outside, -math.inf, np.log1p(-np.where(outside, 0.0, y ** -b)))


def ppf(q, b, loc=0, scale=1):
    """Return the value up to which the probability is ``q``; NaN where that is no probability."""
    from runtime import numpy as np
    wrong = np.logical_or(np.isnan(q), np.logical_or(q < 0, q > 1))
    return np.where(wrong, math.nan, loc + scale * (1.0 - np.where(wrong, 0.5, q)) ** (-1.0 / b))
