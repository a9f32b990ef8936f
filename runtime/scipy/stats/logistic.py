"""The logistic distribution."""
from runtime.scipy.special import expit, logit


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    half = (x - loc) / scale / 2
    return -2 * np.logaddexp(half, -half) - np.log(scale)


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    return expit((x - loc) / scale)


def sf(x, loc=0, scale=1):
    """Return the probability of values above ``x``."""
    return expit((loc - x) / scale)


def ppf(x, loc=0, scale=1):
    """Return the value up to which the probability is ``x``."""
    return logit(x) * scale + loc


def isf(x, loc=0, scale=1):
    """Return the value above which the probability is ``x``."""
    return loc - logit(x) * scale
