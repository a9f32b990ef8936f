"""The von Mises distribution of angles, with concentration ``kappa``."""
import math

from runtime.ops.special import bessel_i0e as _bessel_i0e


def logpdf(x, kappa):
    """Return the logarithm of the density; NaN where kappa is not positive."""
    from runtime import numpy as np
    found = kappa * (np.cos(x) - 1) - np.log(2 * math.pi * _bessel_i0e(kappa))
    return np.where(kappa > 0, found, math.nan)


def pdf(x, kappa):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, kappa))
