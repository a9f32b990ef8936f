"""Student's distribution with ``df`` degrees of freedom."""
import math

from runtime.scipy.special import gammaln


def logpdf(x, df, loc=0, scale=1):
    """Return the logarithm of the density."""
    from runtime import numpy as np
    z = (x - loc) / scale
    shape = gammaln(df / 2 + 0.5) - gammaln(df / 2) - 0.5 * np.log(math.pi * df * scale * scale)
    return shape - (df / 2 + 0.5) * np.log1p(z * z / df)


def pdf(x, df, loc=0, scale=1):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, df, loc, scale))
