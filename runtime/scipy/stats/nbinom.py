"""The negative binomial distribution: failures before ``n`` successes of probability ``p``."""
import math

from runtime.scipy.special import gammaln, xlogy


def logpmf(k, n, p, loc=0):
    """Return the logarithm of the probability of ``k`` failures."""
    from runtime import numpy as np
    outside = k < loc
    y = np.where(outside, 0, k - loc)
    found = gammaln(y + n) - gammaln(n) - gammaln(y + 1.0) + xlogy(n, p) + xlogy(y, 1 - p)
    return np.where(outside, -math.inf, found)


def pmf(k, n, p, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, n, p, loc))
