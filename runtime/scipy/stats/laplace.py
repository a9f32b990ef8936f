"""The Laplace (double exponential) distribution."""


def logpdf(x, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    return -np.abs(x - loc) / scale - np.log(2 * scale)


def pdf(x, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, loc, scale))


def cdf(x, loc=0, scale=1):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    z = (x - loc) / scale
    tail = 0.5 * np.exp(-np.abs(z))
    return np.where(z <= 0, tail, 1 - tail)
