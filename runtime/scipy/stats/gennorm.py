"""The generalized normal distribution of shape ``beta``."""
from runtime.scipy.special import gammainc, gammaln


def logpdf(x, beta):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    return np.log(0.5 * beta) - gammaln(1 / beta) - np.abs(x) ** beta


def pdf(x, beta):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, beta))


def cdf(x, beta):
    """Return the probability of values up to ``x``."""
    from runtime import numpy as np
    return 0.5 * (1 + np.sign(x) * gammainc(1 / beta, np.abs(x) ** beta))
