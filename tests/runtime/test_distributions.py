"""Samplers made of other samplers agree with JAX's bit for bit; gamma samples carry jax's implicit derivative."""
import jax
import numpy
import pytest

import xform
from runtime import lax, random
from runtime import numpy as np

KEY, OTHER = random.PRNGKey(42), jax.random.PRNGKey(42)
A = numpy.array([0.05, 0.3, 0.99, 1.0, 2.5, 30.0, 1000.0], "f")
P = numpy.array([0.2, 0.3, 0.1, 0.4], "f")
DRAWS = [
    ("gamma", (A,), {}), ("gamma", (0.5, (3000,)), {}), ("gamma", (A,), {"dtype": "float16"}), ("loggamma", (A,), {}),
    ("beta", (A, A[::-1]), {}), ("beta", (0.5, 2.0, (4, 50)), {}), ("dirichlet", (A,), {}), ("dirichlet", (A, (3,)), {}),
    ("chisquare", (A,), {}), ("f", (A, A[::-1]), {}), ("t", (A,), {}), ("t", (3.0, (500,)), {}),
    ("generalized_normal", (1.5, (20,)), {}), ("ball", (3,), {}), ("ball", (3, 1.5, (4,)), {}), ("orthogonal", (4,), {}),
    ("orthogonal", (3, (2,), "float32", 5), {}), ("orthogonal", (5, (2,), "float32", 3), {}),
    ("orthogonal", (3, (), "complex64"), {}), ("geometric", (P,), {}), ("geometric", (0.01, (500,)), {"dtype": "int16"}),
    ("wald", (A,), {}), ("wald", (1.0, (500,)), {}), ("rayleigh", (A,), {}), ("pareto", (A,), {}), ("pareto", (3.0, (500,)), {}),
    ("lognormal", (0.5, (500,)), {}), ("weibull_min", (2.0, 3.0, (500,)), {}), ("maxwell", ((500,),), {}),
    ("double_sided_maxwell", (A, 2.0), {}), ("double_sided_maxwell", (0.5, 2.0, (500,)), {}),
    ("triangular", (-1.0, 0.5, 2.0, (500,)), {}), ("triangular", (A - 2, A - 1, A), {}), ("binomial", (10, 0.3, (200,)), {}),
    ("binomial", (numpy.array([5, 100, 1e4, -1, numpy.nan, numpy.inf], "f"), 0.4), {}),
    ("binomial", (1000, numpy.array([0.1, 0.5, 0.7, 1.0, 0.0, numpy.nan], "f")), {}), ("multinomial", (100, P), {}),
    ("multinomial", (50.0, P), {"shape": (2, 4)}), ("poisson", (12.0, (500,)), {}),
    ("truncated_normal", (-2.0, 1.5, (500,)), {}), ("multivariate_normal", (numpy.ones(3, "f"), numpy.eye(3, dtype="f") * 2), {}),
]


def same(ours, theirs):
    ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert numpy.array_equal(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("name,args,kwargs", DRAWS, ids=lambda v: v if isinstance(v, str) else None)
def test_samples(name, args, kwargs):
    same(getattr(random, name)(KEY, *args, **kwargs), getattr(jax.random, name)(OTHER, *args, **kwargs))


@pytest.mark.parametrize("name", ["gamma", "loggamma", "poisson", "wald", "t"])
def test_64_bits(name):
    with xform.enable_x64(), jax.enable_x64(True):
        same(getattr(random, name)(KEY, 2.5, (40,)), getattr(jax.random, name)(OTHER, 2.5, (40,)))


BATCHED = {
    "gamma": (lambda k: random.gamma(k, 2.0, (3,)), lambda k: jax.random.gamma(k, 2.0, (3,))),
    "poisson": (lambda k: random.poisson(k, 14.0, (3,)), lambda k: jax.random.poisson(k, 14.0, (3,))),
    "binomial": (lambda k: random.binomial(k, 90, 0.3, (3,)), lambda k: jax.random.binomial(k, 90, 0.3, (3,))),
    "multinomial": (lambda k: random.multinomial(k, 20, P), lambda k: jax.random.multinomial(k, 20, P)),
    "geometric": (lambda k: random.geometric(k, 0.3), lambda k: jax.random.geometric(k, 0.3)),
    "bernoulli": (lambda k: random.bernoulli(k, 0.3), lambda k: jax.random.bernoulli(k, 0.3)),
}


@pytest.mark.parametrize("name", BATCHED)
def test_batched_over_keys(name):
    ours, theirs = BATCHED[name]
    same(xform.vmap(ours)(random.split(KEY, 5)), jax.vmap(theirs)(jax.random.split(OTHER, 5)))
    same(xform.jit(ours)(KEY), jax.jit(theirs)(OTHER))


def test_batched_over_parameters():
    # jax draws for a batch of shape parameters from one key what it draws for a vector's first element, over and over
    ours = xform.vmap(lambda a: random.gamma(KEY, a))(A)
    same(ours, numpy.stack([random.gamma(KEY, a) for a in A]))
    same(xform.vmap(lambda q: random.binomial(KEY, 30, q))(P), numpy.stack([random.binomial(KEY, 30, q) for q in P]))


def test_gradient_of_gamma():
    for name in ("gamma", "loggamma"):
        ours = xform.grad(lambda a: np.sum(getattr(random, name)(KEY, a)))(A)
        theirs = jax.grad(lambda a: jax.numpy.sum(getattr(jax.random, name)(OTHER, a)))(A)
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_gradient_of_what_gamma_makes():
    def ours(a):
        return np.sum(random.dirichlet(KEY, a) ** 2) + np.sum(random.t(KEY, a)) + np.sum(random.beta(KEY, a, 2.0))

    def theirs(a):
        draw = jax.random
        return (draw.dirichlet(OTHER, a) ** 2).sum() + draw.t(OTHER, a).sum() + draw.beta(OTHER, a, 2.0).sum()
    numpy.testing.assert_allclose(xform.grad(ours)(A), jax.grad(theirs)(A), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(xform.jvp(ours, (A,), (A,))[1], jax.jvp(theirs, (A,), (A,))[1], rtol=1e-4)


def test_gradient_of_gamma_in_batches():
    ours = xform.vmap(xform.grad(lambda a, k: random.gamma(k, a)))(A, random.split(KEY, 7))
    theirs = jax.vmap(jax.grad(lambda a, k: jax.random.gamma(k, a)))(A, jax.random.split(OTHER, 7))
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_random_gamma_grad():
    draw = numpy.random.default_rng(0)
    a = numpy.exp(draw.uniform(-4, 7, 500))
    x = numpy.maximum(draw.gamma(a), 1e-30)
    with xform.enable_x64(), jax.enable_x64(True):
        exact = numpy.asarray(jax.lax.random_gamma_grad(a, x))
        numpy.testing.assert_allclose(lax.random_gamma_grad(a, x), exact, rtol=1e-9)
    numpy.testing.assert_allclose(lax.random_gamma_grad(a.astype("f"), x.astype("f")), exact, rtol=2e-3)
    assert numpy.isnan(lax.random_gamma_grad(-1.0, 2.0)) and numpy.isnan(lax.random_gamma_grad(1.0, numpy.nan))
    assert lax.random_gamma_grad(2.0, 0.0) == 0


def test_second_derivative_is_refused():
    with pytest.raises(xform.TransformError, match="random_gamma_grad"):
        xform.grad(xform.grad(lambda a: random.gamma(KEY, a)))(2.0)


@pytest.mark.parametrize("call,error,text", [
    (lambda r, k: r.gamma(k, A, dtype="int32"), ValueError, "float"),
    (lambda r, k: r.gamma(k, A, (3,)), ValueError, "gamma"),
    (lambda r, k: r.dirichlet(k, 2.0), ValueError, "ndim"),
    (lambda r, k: r.geometric(k, 0.5, dtype="float32"), ValueError, "geometric"),
    (lambda r, k: r.beta(k, A, A, dtype="float16"), ValueError, "safely"),
    (lambda r, k: r.orthogonal(k, 2.5), TypeError, "orthogonal|integer")])
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(random, KEY)
    with pytest.raises(error):
        call(jax.random, OTHER)


def test_streams_of_older_versions():
    compiled = xform.jit(lambda k: random.normal(k, (5,)))
    now = numpy.asarray(compiled(KEY))
    compiled(KEY)
    with xform.threefry_partitionable(False), jax.threefry_partitionable(False):
        for dtype in ("uint8", "uint16", "uint32"):
            for shape in [(), (1,), (5,), (3, 4), (0,), (7, 3)]:
                same(random.bits(KEY, shape, dtype), jax.random.bits(OTHER, shape, dtype))
        for count in (1, 2, 3, (2, 3)):
            same(random.split(KEY, count), jax.random.split(OTHER, count))
        same(random.fold_in(KEY, 5), jax.random.fold_in(OTHER, 5))
        same(random.gamma(KEY, A), jax.random.gamma(OTHER, A))
        same(compiled(KEY), jax.random.normal(OTHER, (5,)))
        same(xform.vmap(lambda k: random.normal(k, (3,)))(random.split(KEY, 3)),
             jax.vmap(lambda k: jax.random.normal(k, (3,)))(jax.random.split(OTHER, 3)))
        with xform.enable_x64(), jax.enable_x64(True):
            same(random.bits(KEY, (5,), "uint64"), jax.random.bits(OTHER, (5,), "uint64"))
    same(compiled(KEY), now)
    same(random.normal(KEY, (5,)), jax.random.normal(OTHER, (5,)))
