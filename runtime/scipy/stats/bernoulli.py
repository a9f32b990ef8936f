"""The Bernoulli distribution: one trial that succeeds with probability ``p``."""
import math

from runtime.scipy.dtypes import meeting as _meeting
from runtime.scipy.special import xlog1py, xlogy


def logpmf(k, p, loc=0):
    """Return the logarithm of the probability of ``k``; -inf but for 0 and 1 (after subtracting ``loc``)."""
    from runtime import numpy as np
    y = k - loc
    inside = np.logical_not(np.logical_or(y < 0, y > 1))     # NaN stays NaN
    y = np.where(inside, y, 0)
    return np.where(inside, xlogy(y, p) + xlog1py(1 - y, -p), -math.inf)


def pmf(k, p, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, p, loc))


def cdf(k, p):
    """Return the probability of values up to ``k``; NaN where p is no probability."""
    from runtime import numpy as np
    found = np.where(k < 0, 0.0, np.where(k < 1, 1.0 - p, 1.0))
    return _meeting(np.where(undefined(k, p), math.nan, found), (k, p))


def ppf(q, p):
    """Return the least value up to which the probability is ``q``; NaN where an argument is no probability."""
    from runtime import numpy as np
    wrong = np.logical_or(undefined(q, p), np.logical_or(q < 0, q > 1))
    return _meeting(np.where(wrong, math.nan, np.where(q <= 1.0 - p, 0.0, 1.0)), (q, p))


def undefined(x, p):
    """Tell where ``x`` is NaN or ``p`` is no probability."""
    from runtime import numpy as np
    return np.logical_or(np.logical_or(np.isnan(x), np.isnan(p)), np.logical_or(p < 0, p > 1))
