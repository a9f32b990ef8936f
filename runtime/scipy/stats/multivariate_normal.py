"""The normal distribution of vectors."""
import math

from runtime.numpy.linalg import cholesky as _cholesky
from runtime.ops.kernel import about_types as _about_types
from runtime.ops.linalg import solve_triangular as _solve_triangular
from runtime.types import aval_of as _aval_of


@_about_types
def check_covariance(mean, cov):
    """Raise ValueError unless a covariance fits the mean."""
    n, shape = _aval_of(mean).shape[-1], _aval_of(cov).shape
    if len(shape) < 2 or shape[-2:] != (n, n):
        raise ValueError(f"multivariate_normal: cov must be a scalar or of shape (..., {n}, {n}) for a mean of shape "
                         f"{_aval_of(mean).shape}, got {shape}")


def logpdf(x, mean, cov, allow_singular=None):
    """Return the logarithm of the density at vectors along the last axis of ``x``.

    mean: (..., n) or a scalar; cov: (..., n, n) positive definite, or a scalar variance.
    """
    from runtime import numpy as np
    if allow_singular is not None:
        raise NotImplementedError("multivariate_normal: allow_singular is not supported; cov must be positive definite")
    difference = x - mean
    if np.ndim(mean) == 0:
        return -0.5 * difference * difference / cov - 0.5 * (math.log(2 * math.pi) + np.log(cov))
    n = np.shape(mean)[-1]
    if np.ndim(cov) == 0:
        return -0.5 * np.sum(difference * difference, axis=-1) / cov - n / 2 * (math.log(2 * math.pi) + np.log(cov))
    check_covariance(mean, cov)
    factor = _cholesky(cov)
    y = np.squeeze(_solve_triangular(factor, np.expand_dims(difference, -1)), -1)
    half = np.sum(np.log(np.diagonal(factor, 0, -2, -1)), axis=-1)
    return -0.5 * np.sum(y * y, axis=-1) - n / 2 * math.log(2 * math.pi) - half


def pdf(x, mean, cov):
    """Return the density at vectors along the last axis of ``x``."""
    from runtime import numpy as np
    return np.exp(logpdf(x, mean, cov))
