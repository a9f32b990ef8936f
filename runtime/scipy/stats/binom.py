"""The binomial distribution: successes in ``n`` trials of probability ``p``."""
import math

from runtime.scipy.special import gammaln, xlog1py, xlogy


def logpmf(k, n, p, loc=0):
    """Return the logarithm of the probability of ``k`` successes."""
    from runtime import numpy as np
    y = k - loc
    inside = np.logical_and(y >= 0, y < n + 1)
    y = np.where(inside, y, 0)
    ways = gammaln(n + 1.0) - gammaln(y + 1.0) - gammaln(n - y + 1.0)
    return np.where(inside, ways + xlogy(y, p) + xlog1py(n - y, -p), -math.inf)


def pmf(k, n, p, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, n, p, loc))
