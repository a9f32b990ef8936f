"""The beta-binomial distribution: ``n`` trials whose probability is beta distributed."""
import math

from runtime.scipy.dtypes import meeting as _meeting
from runtime.scipy.special import betaln


def logpmf(k, n, a, b, loc=0):
    """Return the logarithm of the probability of ``k`` successes; NaN for parameters out of range."""
    from runtime import numpy as np
    y = np.floor(k * 1.0) - loc
    outside = np.logical_or(np.logical_or(y < -loc, y > n), y + a <= 0)
    y = np.where(outside, 0.0, y)
    ways = -np.log1p(n) - betaln(n - y + 1, y + 1)
    found = ways + betaln(y + a, n - y + b) - betaln(a, b)
    found = np.where(outside, -math.inf, np.where(np.logical_and(np.equal(y, 0), np.equal(n, 0)), 0.0, found))
    wrong = np.logical_or(np.logical_or(n < 0, a <= 0), b <= 0)
    return _meeting(np.where(wrong, math.nan, found), (k, n, a, b, loc))


def pmf(k, n, a, b, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, n, a, b, loc))
