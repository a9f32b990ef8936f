"""Kernel density estimates agree with jax's; distributions keep to their range; bad arguments are refused."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import numpy as np
from runtime import scipy

draw = numpy.random.default_rng(3).normal
ONE, TWO = draw(size=12).astype("f"), draw(size=(2, 9)).astype("f")
WEIGHTS = numpy.abs(draw(size=9)).astype("f") + 0.1
POINTS = draw(size=(2, 5)).astype("f")


def estimates(stats):
    return {"one": stats.gaussian_kde(ONE), "two": stats.gaussian_kde(TWO), "weighted": stats.gaussian_kde(TWO, "silverman", WEIGHTS),
            "number": stats.gaussian_kde(ONE, 0.4), "function": stats.gaussian_kde(TWO, lambda k: 0.5 * k.neff ** (-1.0 / (k.d + 4)))}


OURS, THEIRS = estimates(scipy.stats), estimates(jax.scipy.stats)


@pytest.mark.parametrize("name", OURS)
def test_estimate(name):
    k, other = OURS[name], THEIRS[name]
    x = POINTS if k.d == 2 else POINTS[0]
    assert (k.d, k.n) == (other.d, other.n)
    numpy.testing.assert_allclose(k(x), other(x), rtol=2e-5)
    numpy.testing.assert_allclose(k.logpdf(x), other.logpdf(x), rtol=2e-5, atol=1e-5)
    numpy.testing.assert_allclose(k.integrate_kde(k), other.integrate_kde(other), rtol=2e-5)
    mean, cov = numpy.zeros(k.d, "f"), numpy.eye(k.d, dtype="f")
    numpy.testing.assert_allclose(k.integrate_gaussian(mean, cov), other.integrate_gaussian(mean, cov), rtol=2e-5)
    if k.d == 1:
        numpy.testing.assert_allclose(k.integrate_box_1d(-1.0, 0.5), other.integrate_box_1d(-1.0, 0.5), rtol=2e-5)
    made = xform.grad(lambda x: np.sum(k.logpdf(x)))(x)
    numpy.testing.assert_allclose(made, jax.grad(lambda x: jnp.sum(other.logpdf(x)))(x), rtol=1e-4, atol=1e-4)
    numpy.testing.assert_allclose(xform.jit(lambda x: k.pdf(x))(x), other.pdf(x), rtol=2e-5)
    batched = xform.vmap(lambda shift: k.pdf(x + shift))(np.arange(3.0))
    numpy.testing.assert_allclose(batched[2], other.pdf(x + 2), rtol=2e-4, atol=1e-7)


def test_samples_of_an_estimate():
    key = xform.random.PRNGKey(1)
    drawn = OURS["two"].resample(key, shape=(6,))
    numpy.testing.assert_allclose(drawn, THEIRS["two"].resample(jax.random.PRNGKey(1), shape=(6,)), rtol=1e-4, atol=1e-5)


def test_an_estimate_is_a_pytree():
    leaves, tree = xform.tree_util.tree_flatten(OURS["two"])
    again = xform.tree_util.tree_unflatten(tree, leaves)
    numpy.testing.assert_allclose(again(POINTS), OURS["two"](POINTS))
    with pytest.raises(AttributeError, match="immutable"):
        again.weights = None


@pytest.mark.parametrize("call, error, words", [
    (lambda: scipy.stats.gaussian_kde(numpy.ones(1)), ValueError, "multiple elements"),
    (lambda: scipy.stats.gaussian_kde(ONE, "wide"), ValueError, "bw_method must be"),
    (lambda: scipy.stats.gaussian_kde(ONE, weights=numpy.ones(3)), ValueError, r"shape \(12,\)"),
    (lambda: OURS["two"](numpy.ones((3, 4))), ValueError, "dimension 3"),
    (lambda: OURS["two"].integrate_box_1d(0.0, 1.0), ValueError, "one variable"),
    (lambda: scipy.stats.multinomial.logpmf(numpy.ones(2), 2, numpy.ones(2) / 2), ValueError, "integer type"),
    (lambda: scipy.stats.dirichlet.logpdf(numpy.ones(2), numpy.ones(5)), ValueError, "one fewer"),
    (lambda: scipy.stats.multivariate_normal.logpdf(numpy.ones(2), numpy.ones(2), numpy.ones((3, 3))), ValueError, r"\(..., 2, 2\)"),
    (lambda: scipy.stats.rankdata(ONE, "best"), ValueError, "unknown method 'best'"),
    (lambda: scipy.stats.rankdata(ONE, nan_policy="omit"), NotImplementedError, "remove the NaN"),
    (lambda: scipy.stats.mode(ONE, nan_policy="x"), ValueError, "illegal nan_policy")])
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_ranks_of_nan():
    x = numpy.array([[1, numpy.nan, 2], [3, 1, 1]], "f")
    numpy.testing.assert_array_equal(scipy.stats.rankdata(x, axis=1), [[numpy.nan] * 3, [3, 1.5, 1.5]])
    numpy.testing.assert_array_equal(scipy.stats.rankdata(x, axis=1), jax.scipy.stats.rankdata(x, axis=1))


def test_derivatives_are_finite_out_of_range():
    for name, function, parameters in (("beta", "logpdf", (2.0, 3.0)), ("gamma", "logpdf", (2.0,)), ("pareto", "logpdf", (2.0,)),
                                       ("chi2", "logpdf", (3.0,)), ("pareto", "logcdf", (2.0,)), ("truncnorm", "logcdf", (-1.0, 1.0))):
        density = getattr(getattr(scipy.stats, name), function)
        slope = xform.grad(lambda x, *p: np.sum(np.exp(density(x, *p))))(np.array([-3.0, 0.5, 1.5]), *parameters)
        assert numpy.isfinite(numpy.asarray(slope)).all(), name


def test_discrete_distributions_at_their_edges():
    x = numpy.array([-1.0, 0, 1, numpy.nan, numpy.inf, -numpy.inf], numpy.float32)
    for call in (lambda st: st.bernoulli.logpmf(x, 0.5), lambda st: st.bernoulli.cdf(x.astype("float16"), 0.5),
                 lambda st: st.bernoulli.ppf(numpy.float32([0.2, 0.7]), 0.5), lambda st: st.poisson.entropy(x[:5]),
                 lambda st: st.logistic.ppf(1, 0.5, 2)):
        found, wanted = call(xform.scipy.stats), call(jax.scipy.stats)
        assert (found.dtype, found.weak_type) == (wanted.dtype, wanted.weak_type)
        numpy.testing.assert_allclose(numpy.asarray(found, "float32"), numpy.asarray(wanted, "float32"), rtol=1e-5)
