"""Distributions and statistics under SciPy's names; a distribution's module is imported on first use."""
import importlib as _importlib

from runtime.scipy.stats.density import gaussian_kde
from runtime.scipy.stats.descriptive import ModeResult, mode, rankdata, sem

_DISTRIBUTIONS = ("bernoulli", "beta", "betabinom", "binom", "cauchy", "chi2", "dirichlet", "expon", "gamma", "gennorm", "geom",
                  "gumbel_l", "gumbel_r", "laplace", "logistic", "multinomial", "multivariate_normal", "nbinom", "norm", "pareto",
                  "poisson", "t", "truncnorm", "uniform", "vonmises", "wrapcauchy")


def __getattr__(name):
    if name in _DISTRIBUTIONS:
        return _importlib.import_module(f"runtime.scipy.stats.{name}")
    raise AttributeError(f"module 'runtime.scipy.stats' has no attribute {name!r}")


def __dir__():
    return sorted([*(name for name in globals() if not name.startswith("_")), *_DISTRIBUTIONS])
