"""The geometric distribution: trials of probability ``p`` up to the first success."""
import math

from runtime.scipy.special import xlog1py


def logpmf(k, p, loc=0):
    """Return the logarithm of the probability that the first success is in trial ``k``; -inf below 1."""
    from runtime import numpy as np
    y = k - loc
    return np.where(y <= 0, -math.inf, xlog1py(y - 1, -p) + np.log(p))


def pmf(k, p, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, p, loc))
