"""Densities estimated from samples with Gaussian kernels."""
import math

from runtime.tree import register_pytree_node_class


@register_pytree_node_class
class gaussian_kde:
    """A density estimated from samples: one Gaussian kernel for each, of one covariance; immutable, and a pytree.

    dataset: (d, n), or n samples of one variable. bw_method: "scott" (the default), "silverman", a number, or a function of the
    estimate that returns a number. weights: n numbers, which are normalised.
    """
    __slots__ = ("neff", "dataset", "weights", "covariance", "inv_cov")

    def __init__(self, dataset, bw_method=None, weights=None):
        from runtime import numpy as np
        dataset = np.atleast_2d(dataset)
        if np.iscomplexobj(dataset):
            raise NotImplementedError("gaussian_kde does not support complex data")
        d, n = dataset.shape
        if d * n <= 1:
            raise ValueError(f"gaussian_kde: the dataset should have multiple elements, got shape {dataset.shape}")
        dataset = dataset * 1.0
        if weights is None:
            weights = np.full(n, 1.0 / n, dtype=dataset.dtype)
        else:
            weights = np.atleast_1d(weights)
            if weights.shape != (n,):
                raise ValueError(f"gaussian_kde: weights should have shape ({n},), one for each sample, got {weights.shape}")
            weights = weights / np.sum(weights)
        covariance = np.atleast_2d(np.cov(dataset, aweights=weights))
        inverse, effective = np.linalg.inv(covariance), 1 / np.sum(weights * weights)
        self._fill(effective, dataset, weights, covariance, inverse)    # a bandwidth function may ask for these
        factor = _bandwidth(bw_method, self)
        self._fill(effective, dataset, weights, covariance * factor ** 2, inverse / factor ** 2)

    def _fill(self, *arrays):
        for name, value in zip(self.__slots__, arrays):
            object.__setattr__(self, name, value)

    def __setattr__(self, name, value):
        raise AttributeError(f"gaussian_kde is immutable: cannot set {name!r}; make another estimate")

    def tree_flatten(self):
        """Return the arrays and no static part."""
        return tuple([getattr(self, name) for name in self.__slots__]), None

    @classmethod
    def tree_unflatten(cls, aux_data, children):
        """Make an estimate of its arrays."""
        made = object.__new__(cls)
        made._fill(*children)
        return made

    @property
    def d(self):
        """The number of variables."""
        return self.dataset.shape[0]

    @property
    def n(self):
        """The number of samples."""
        return self.dataset.shape[1]

    def evaluate(self, points):
        """Return the density at points, (d, m) or m numbers."""
        from runtime import numpy as np
        return np.exp(self.logpdf(points))

    def __call__(self, points):
        return self.evaluate(points)

    def pdf(self, x):
        """Return the density at points, (d, m) or m numbers."""
        return self.evaluate(x)

    def logpdf(self, x):
        """Return the logarithm of the density at points, (d, m) or m numbers."""
        from runtime import numpy as np
        from runtime.nn.functions import logsumexp
        points = as_points(x, self.dataset.shape[0])
        factor = np.linalg.cholesky(self.inv_cov)
        samples, places = np.matrix_transpose(factor) @ self.dataset, np.matrix_transpose(factor) @ points
        apart = np.expand_dims(places, 2) - np.expand_dims(samples, 1)
        exponent = np.log(self.weights) - 0.5 * np.sum(apart * apart, axis=0)
        constant = np.sum(np.log(np.diagonal(factor))) - 0.5 * self.dataset.shape[0] * math.log(2 * math.pi)
        return logsumexp(exponent, axis=1) + constant

    def integrate_gaussian(self, mean, cov):
        """Return the integral of the density times a Gaussian density of the given mean and covariance."""
        from runtime import numpy as np
        mean, cov, d = np.atleast_1d(np.squeeze(mean)), np.atleast_2d(cov), self.dataset.shape[0]
        if mean.shape != (d,) or cov.shape != (d, d):
            raise ValueError(f"integrate_gaussian: mean must have shape ({d},) and cov ({d}, {d}), got {mean.shape} and {cov.shape}")
        return overlap(self.covariance + cov, self.dataset - np.expand_dims(mean, 1), self.weights)

    def integrate_box_1d(self, low, high):
        """Return the probability between two bounds, for one variable."""
        from runtime import numpy as np
        from runtime.scipy.special import ndtr
        if self.dataset.shape[0] != 1:
            raise ValueError("integrate_box_1d: only handles densities of one variable")
        if np.ndim(low) != 0 or np.ndim(high) != 0:
            raise ValueError("integrate_box_1d: the limits of integration must be scalars")
        deviation = np.sqrt(self.covariance[0, 0])
        low, high = (low - self.dataset[0]) / deviation, (high - self.dataset[0]) / deviation
        return np.sum(self.weights * (ndtr(high) - ndtr(low)))

    def integrate_kde(self, other):
        """Return the integral of the product of two densities."""
        from runtime import numpy as np
        if other.dataset.shape[0] != self.dataset.shape[0]:
            raise ValueError(f"integrate_kde: densities of {self.dataset.shape[0]} and {other.dataset.shape[0]} variables")
        apart = np.expand_dims(self.dataset, 2) - np.expand_dims(other.dataset, 1)
        weights = np.expand_dims(self.weights, 1) * other.weights
        return overlap(self.covariance + other.covariance, np.reshape(apart, (apart.shape[0], -1)), np.ravel(weights))

    def integrate_box(self, low_bounds, high_bounds, maxpts=None):
        """Refuse: only intervals of one variable are integrated."""
        raise NotImplementedError("only 1D box integrations are supported; use integrate_box_1d")

    def set_bandwidth(self, bw_method=None):
        """Refuse: an estimate is immutable."""
        raise NotImplementedError("changing the bandwidth of an estimate is not supported; make another one")

    def resample(self, key, shape=()):
        """Return samples of the density, (d,) + shape."""
        from runtime import numpy as np
        from runtime import random
        pair = random.split(key)
        picked = random.choice(pair[0], self.dataset.shape[1], shape=shape, p=self.weights)
        zeros = np.zeros(self.dataset.shape[0], self.covariance.dtype)
        noise = random.multivariate_normal(pair[1], zeros, self.covariance, shape=shape, dtype=self.dataset.dtype)
        return self.dataset[:, picked] + np.transpose(noise)


def _bandwidth(method, estimate):
    """Return the factor by which the samples' deviations are scaled; ValueError for an unknown rule."""
    d = estimate.d
    if callable(method):
        return method(estimate)
    if method is None or isinstance(method, str) and method == "scott":
        return estimate.neff ** (-1.0 / (d + 4))
    if not isinstance(method, str):
        return method
    if method == "silverman":
        return (estimate.neff * (d + 2) / 4.0) ** (-1.0 / (d + 4))
    raise ValueError(f"gaussian_kde: bw_method must be 'scott', 'silverman', a number or a function, got {method!r}")


def as_points(points, d):
    """Return points as (d, m); ValueError for another number of variables."""
    from runtime import numpy as np
    if np.iscomplexobj(points):
        raise NotImplementedError("gaussian_kde does not support complex coordinates")
    points = np.atleast_2d(points)
    if points.shape[0] != d:
        if points.shape != (1, d):
            raise ValueError(f"gaussian_kde: points have dimension {points.shape[0]}, the dataset has dimension {d}")
        points = np.reshape(points, (d, 1))
    return points


def overlap(covariance, apart, weights):
    """Return the weighted sum of a Gaussian density at the columns of ``apart``."""
    from runtime import numpy as np
    from runtime.ops.linalg import solve_triangular
    factor = np.linalg.cholesky(covariance)
    z = solve_triangular(factor, apart)
    scale = (2 * math.pi) ** (-0.5 * covariance.shape[0]) / np.prod(np.diagonal(factor))
    return scale * np.sum(weights * np.exp(-0.5 * np.sum(z * z, axis=0)))
