"""The Dirichlet distribution with concentrations ``alpha``."""
import math

from runtime.ops.kernel import about_types as _about_types
from runtime.scipy.special import gammaln, xlogy
from runtime.types import aval_of as _aval_of


@_about_types
def missing_entries(x, alpha):
    """Return whether ``x`` has one entry less than ``alpha``; ValueError for other shapes than these."""
    shape, known = _aval_of(x).shape, _aval_of(alpha).shape
    if len(known) != 1:
        raise ValueError(f"dirichlet: alpha must be one-dimensional, got shape {known}")
    if not shape or shape[0] not in (known[0], known[0] - 1):
        raise ValueError(f"dirichlet: the first axis of x must have as many entries as alpha, or one fewer; got shapes {shape} "
                         f"and {known}")
    return shape[0] != known[0]


def logpdf(x, alpha):
    """Return the logarithm of the density at points along the first axis of ``x``; -inf off the simplex.

    The last entry may be left out: it is what the others lack to one.
    """
    from runtime import numpy as np
    x = np.asarray(x) * 1.0
    alpha = np.asarray(alpha) * 1.0
    if missing_entries(x, alpha):
        x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)], axis=0)
    weights = np.reshape(alpha, (-1,) + (1,) * (x.ndim - 1))
    found = np.sum(xlogy(weights - 1, x), axis=0) - np.sum(gammaln(alpha)) + gammaln(np.sum(alpha))
    inside = np.logical_and(np.all(x > 0, axis=0), np.abs(np.sum(x, axis=0) - 1) < 1e-6)
    return np.where(inside, found, -math.inf)


def pdf(x, alpha):
    """Return the density."""
    from runtime import numpy as np
    return np.exp(logpdf(x, alpha))
