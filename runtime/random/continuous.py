"""Samplers of continuous distributions, plain Python over those that are ops."""
from __future__ import annotations

import math

import numpy as _numpy

from runtime import numpy as np
from runtime.op import op as _op
from runtime.ops.constrain import out_sharded
from runtime.ops.gamma import draw_gamma
from runtime.ops.kernel import one_kernel as _one_kernel
from runtime.ops.random import exponential, normal, split, uniform
from runtime.random.discrete import rademacher
from runtime.random.facts import (check_casts, check_inexact, concentrations_shape, doubled_shape, matrix_count, sample_dtype,
                                  tuple_of, wanted_shape)


@out_sharded
@_one_kernel("shape", "dtype")
def truncated_normal(key, lower, upper, shape=None, dtype=None):
    """Return samples from the standard normal distribution cut to (lower, upper)."""
    from runtime.ops.elementwise import erf, erfinv
    dtype = sample_dtype("truncated_normal", dtype)
    shape = wanted_shape("truncated_normal", shape, lower, upper)
    root = _numpy.asarray(math.sqrt(2), dtype)
    lower, upper = np.asarray(lower, dtype), np.asarray(upper, dtype)
    unit = uniform(key, shape, dtype, erf(lower / root), erf(upper / root))
    return np.clip(root * erfinv(unit), next_to(lower, math.inf), next_to(upper, -math.inf))


@_op(constant=True, elementwise=True)
def next_to(x, towards):
    """Return the next number of the dtype in a direction."""
    return np.nextafter(x, _numpy.asarray(towards, x.dtype))


@out_sharded
@_one_kernel("shape", "dtype", "method")
def multivariate_normal(key, mean, cov, shape=None, dtype=None, method="cholesky"):
    """Return samples with a mean (..., n) and covariance (..., n, n); ``method``: "cholesky", "eigh" or "svd"."""
    mean, cov = np.asarray(mean), np.asarray(cov)
    shape = wanted_shape("multivariate_normal", shape, mean[..., 0], cov[..., 0, 0])
    dtype = mean.dtype if dtype is None else dtype
    if method == "svd":
        found = np.linalg.svd(cov)
        factor = found[0] * np.sqrt(found[1][..., None, :])
    elif method == "eigh":
        values = np.linalg.eigh(cov)
        factor = values[1] * np.sqrt(values[0][..., None, :])
    elif method == "cholesky":
        factor = np.linalg.cholesky(cov)
    else:
        raise ValueError("multivariate_normal: method must be one of 'svd', 'eigh', 'cholesky'")
    noise = normal(key, shape + mean.shape[-1:], dtype)
    return mean + np.einsum("...ij,...j->...i", factor, noise)


@out_sharded
@_one_kernel("shape", "dtype")
def lognormal(key, sigma=1.0, shape=None, dtype=None):
    """Return exp(sigma * z) for standard normal z."""
    dtype = sample_dtype("lognormal", dtype)
    shape = wanted_shape("lognormal", shape, sigma)
    return np.exp(normal(key, shape, dtype) * np.astype(sigma, dtype))


@out_sharded
@_one_kernel("shape", "dtype")
def rayleigh(key, scale, shape=None, dtype=None):
    """Return samples from the Rayleigh distribution."""
    dtype = check_casts("rayleigh", sample_dtype("rayleigh", dtype), scale)
    shape = wanted_shape("rayleigh", shape, scale)
    return np.astype(scale, dtype) * np.sqrt(np.log(uniform(key, shape, dtype)) * -2)


@out_sharded
@_one_kernel("shape", "dtype")
def pareto(key, b, shape=None, dtype=None):
    """Return samples from the Pareto distribution of shape ``b``."""
    dtype = check_casts("pareto", sample_dtype("pareto", dtype), b)
    shape = wanted_shape("pareto", shape, b)
    return np.exp(exponential(key, shape, dtype) / np.astype(b, dtype))


@_one_kernel("shape", "dtype")
def weibull_min(key, scale, concentration, shape=(), dtype=None):
    """Return samples from the Weibull distribution."""
    unit = uniform(key, shape, sample_dtype("weibull_min", dtype))
    return (-np.log1p(-unit)) ** (1.0 / concentration) * scale


@out_sharded
@_one_kernel("shape", "dtype")
def maxwell(key, shape=(), dtype=None):
    """Return samples from the Maxwell distribution: lengths of standard normal vectors of three components."""
    dtype = sample_dtype("maxwell", dtype)
    return np.linalg.norm(normal(key, tuple_of(shape) + (3,), dtype), None, -1)


@_one_kernel("shape", "dtype")
def double_sided_maxwell(key, loc, scale, shape=(), dtype=None):
    """Return samples from the Maxwell distribution with random signs, scaled and moved; shape is ``shape`` and that of the parameters."""
    dtype = sample_dtype("double_sided_maxwell", dtype)
    shape = doubled_shape(shape, loc, scale)
    keys = split(key)
    return rademacher(keys[1], shape, dtype) * maxwell(keys[0], shape, dtype) * scale + loc


@out_sharded
@_one_kernel("shape", "dtype")
def triangular(key, left, mode, right, shape=None, dtype=None):
    """Return samples from the triangular distribution on [left, right] with its peak at ``mode``."""
    dtype = check_casts("triangular", sample_dtype("triangular", dtype), left, mode, right)
    shape = wanted_shape("triangular", shape, left, mode, right)
    left, mode, right = np.astype(left, dtype), np.astype(mode, dtype), np.astype(right, dtype)
    peak = (mode - left) / (right - left)
    unit = uniform(key, shape, dtype)
    rising = left + np.sqrt(unit * (right - left) * (mode - left))
    falling = right - np.sqrt((1 - unit) * (right - left) * (right - mode))
    return np.where(unit < peak, rising, falling)


@out_sharded
@_one_kernel("shape", "dtype")
def wald(key, mean, shape=None, dtype=None):
    """Return samples from the Wald (inverse Gaussian) distribution of unit scale.

    Michael, Schucany and Haas, Generating random variates using transformations with multiple roots (1976).
    """
    dtype = check_casts("wald", sample_dtype("wald", dtype), mean)
    shape = wanted_shape("wald", shape, mean)
    mean = np.broadcast_to(np.astype(mean, dtype), shape)
    keys = split(key, 2)
    y = normal(keys[0], shape, dtype) ** 2
    unit = uniform(keys[1], shape, dtype)
    root = np.sqrt(4 * mean * y + mean ** 2 * y ** 2)
    x = mean + mean ** 2 * y / 2 - mean / 2 * root
    return np.where(unit <= mean / (mean + x), x, mean ** 2 / x)


# ---- by gamma samples ----

@out_sharded
def gamma(key, a, shape=None, dtype=None):
    """Return samples from the gamma distribution of shape ``a``, differentiable in ``a`` (implicitly).

    ValueError for a dtype that is not a float's, and if the shape of ``a`` does not broadcast to ``shape``.
    """
    dtype = sample_dtype("gamma", dtype)
    shape = wanted_shape("gamma", shape, a)
    return draw_gamma(key, np.broadcast_to(np.astype(a, dtype), shape), False)


@out_sharded
def loggamma(key, a, shape=None, dtype=None):
    """Return the logarithms of samples from the gamma distribution, which do not underflow for tiny ``a``."""
    dtype = sample_dtype("gamma", dtype)
    shape = wanted_shape("gamma", shape, a)
    return draw_gamma(key, np.broadcast_to(np.astype(a, dtype), shape), True)


@out_sharded
@_one_kernel("shape", "dtype")
def beta(key, a, b, shape=None, dtype=None):
    """Return samples from the beta distribution."""
    dtype = check_casts("beta", sample_dtype("beta", dtype), a, b)
    shape = wanted_shape("beta", shape, a, b)
    keys = split(key)
    first, second = loggamma(keys[0], a, shape, dtype), loggamma(keys[1], b, shape, dtype)
    top = np.maximum(first, second)
    first, second = np.exp(first - top), np.exp(second - top)
    return first / (first + second)


@out_sharded
@_one_kernel("shape", "dtype")
def dirichlet(key, alpha, shape=None, dtype=None):
    """Return samples from the Dirichlet distribution with concentrations ``alpha`` (last axis).

    ``shape`` is that of the result without the last axis. ValueError when ``alpha`` is a number.
    """
    from runtime import nn
    dtype = sample_dtype("dirichlet", dtype)
    shape = concentrations_shape(shape, alpha)
    return nn.softmax(loggamma(key, alpha, shape, dtype), -1)


@out_sharded
@_one_kernel("shape", "dtype")
def chisquare(key, df, shape=None, dtype=None):
    """Return samples from the chi-square distribution with ``df`` degrees of freedom."""
    dtype = check_casts("chisquare", sample_dtype("chisquare", dtype), df)
    shape = wanted_shape("chisquare", shape, df)
    return np.exp(loggamma(key, np.astype(df, dtype) / 2, shape, dtype)) * 2


@out_sharded
@_one_kernel("shape", "dtype")
def f(key, dfnum, dfden, shape=None, dtype=None):
    """Return samples from the F distribution with ``dfnum`` and ``dfden`` degrees of freedom."""
    dtype = check_casts("f", sample_dtype("f", dtype), dfnum, dfden)
    shape = wanted_shape("f", shape, dfnum, dfden)
    dfnum, dfden = np.astype(dfnum, dtype), np.astype(dfden, dtype)
    keys = split(key)
    return (chisquare(keys[1], dfnum, shape, dtype) / dfnum) / (chisquare(keys[0], dfden, shape, dtype) / dfden)


@out_sharded
@_one_kernel("shape", "dtype")
def t(key, df, shape=None, dtype=None):
    """Return samples from Student's t distribution with ``df`` degrees of freedom."""
    dtype = check_casts("t", sample_dtype("t", dtype), df)
    shape = wanted_shape("t", shape, df)
    half = np.astype(df, dtype) / 2
    keys = split(key)
    return normal(keys[0], shape, dtype) * np.sqrt(half / gamma(keys[1], half, shape, dtype))


@out_sharded
@_one_kernel("shape", "dtype")
def generalized_normal(key, p, shape=(), dtype=None):
    """Return samples with density proportional to exp(-|x|**p)."""
    dtype = sample_dtype("generalized_normal", dtype)
    keys = split(key)
    size = gamma(keys[0], 1 / p, shape, dtype)
    return rademacher(keys[1], shape, dtype) * size ** (1 / p)


@out_sharded
@_one_kernel("d", "shape", "dtype")
def ball(key, d, p=2, shape=(), dtype=None):
    """Return points that are uniformly distributed in the unit ball of the p-norm in ``d`` dimensions.

    Barthe, Guedon, Mendelson and Naor, A probabilistic approach to the geometry of the l_p^n-ball (2005).
    """
    dtype = sample_dtype("ball", dtype)
    shape = tuple_of(shape)
    keys = split(key)
    found = generalized_normal(keys[0], p, shape + (matrix_count("ball", d),), dtype)
    rest = exponential(keys[1], shape, dtype)
    return found / ((np.sum(np.abs(found) ** p, -1) + rest) ** (1 / p))[..., None]


@out_sharded
@_one_kernel("n", "shape", "dtype", "m")
def orthogonal(key, n, shape=(), dtype=None, m=None):
    """Return random orthogonal matrices of shape (..., n, m), uniform by Haar's measure; semi-orthogonal where m is not n.

    Mezzadri, How to generate random matrices from the classical compact groups (2007).
    """
    dtype = check_inexact("orthogonal", dtype)
    n = matrix_count("orthogonal", n)
    m = n if m is None else matrix_count("orthogonal", m)
    found = np.linalg.qr(normal(key, tuple_of(shape) + (max(n, m), min(n, m)), dtype))
    signs = np.sign(np.diagonal(found[1], 0, -2, -1))
    made = found[0] * signs[..., None, :]
    return np.matrix_transpose(made) if n < m else made
