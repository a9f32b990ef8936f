"""The wrapped Cauchy distribution of angles in [0, 2 pi], with parameter ``c`` between 0 and 1."""
import math


def logpdf(x, c):
    """Return the logarithm of the density; -inf outside the interval, NaN where c is out of range."""
    from runtime import numpy as np
    found = np.log(1 - c * c) - math.log(2 * math.pi) - np.log(1 + c * c - 2 * c * np.cos(x))
    inside = np.logical_and(x >= 0, x <= 2 * math.pi)
    return np.where(np.logical_and(c > 0, c < 1), np.where(inside, found, -math.inf), math.nan)


def pdf(x, c):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, c))
