"""The Poisson distribution of mean ``mu``."""
import math

from runtime.scipy.special import gammaincc, gammaln, xlogy


_TERMS = 250   # enough for means up to 100


def logpmf(k, mu, loc=0):
    """Return the logarithm of the probability of ``k``; -inf below ``loc`` and but for whole numbers."""
    from runtime import numpy as np
    outside = np.logical_or(k < loc, np.not_equal(np.round(k), k))
    y = np.where(outside, 0, k - loc)
    return np.where(outside, -math.inf, xlogy(y, mu) - gammaln(y + 1.0) - mu)


def pmf(k, mu, loc=0):
    """Return the probability of ``k``."""
    from runtime import numpy as np
    return np.exp(logpmf(k, mu, loc))


def cdf(k, mu, loc=0):
    """Return the probability of values up to ``k``."""
    from runtime import numpy as np
    outside = k < loc
    y = np.where(outside, 0, k - loc)
    return np.where(outside, 0.0, gammaincc(np.floor(1.0 + y), mu))


def entropy(mu, loc=0):
    """Return the entropy: by summation for means up to 100, above by its expansion in 1 / mu."""
    from runtime import numpy as np
    mean = mu * 1.0 + 0.0 * loc
    small = np.expand_dims(np.where(np.logical_and(mean > 0, mean < 100), mean, 1.0), -1)
    logs = logpmf(np.arange(_TERMS), small)
    near = -np.sum(np.exp(logs) * logs, axis=-1)
    large = np.maximum(mean, 100.0)
    far = 0.5 * np.log(2 * math.pi * math.e * large) - 1 / (12 * large) - 1 / (24 * large * large)
    return np.where(mean < 0, math.nan, np.where(np.equal(mean, 0), 0.0, np.where(mean < 100, near, far)))
