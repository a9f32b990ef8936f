"""The multinomial distribution: counts of ``n`` trials with probabilities ``p``."""
import math

from runtime.ops.kernel import about_types as _about_types
from runtime.scipy.special import gammaln, xlogy
from runtime.types import aval_of as _aval_of


@_about_types
def check_counts(x, n):
    """Raise ValueError unless counts are integers."""
    if _aval_of(x).dtype.kind not in "biu" or _aval_of(n).dtype.kind not in "biu":
        raise ValueError(f"multinomial: x and n must be of integer type; got x.dtype={_aval_of(x).dtype}, "
                         f"n.dtype={_aval_of(n).dtype}")


def logpmf(x, n, p):
    """Return the logarithm of the probability of counts along the last axis of ``x``; -inf unless they sum to ``n``."""
    from runtime import numpy as np
    check_counts(x, n)
    found = gammaln(n + 1.0) + np.sum(xlogy(x, p) - gammaln(x + 1.0), axis=-1)
    return np.where(np.equal(np.sum(x, axis=-1), n), found, -math.inf)


def pmf(x, n, p):
    """Return the probability of counts along the last axis of ``x``."""
    from runtime import numpy as np
    return np.exp(logpmf(x, n, p))
