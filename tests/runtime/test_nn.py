"""Activations, softmax and its kin, and initializers agree with jax's, and so do their derivatives and batches."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import nn, random
from runtime import numpy as np

X = numpy.concatenate([numpy.linspace(-4, 4, 11), [0, 1e-3]]).astype("f")
M = numpy.random.default_rng(0).normal(size=(3, 4)).astype("f") * 3
MASK = numpy.array([[True, False, True, True], [False, True, True, False], [True, True, True, True]])
SIMPLE = ["relu", "relu6", "sigmoid", "softplus", "silu", "swish", "log_sigmoid", "soft_sign", "sparse_plus", "sparse_sigmoid", "mish",
          "hard_tanh", "elu", "celu", "selu", "leaky_relu", "gelu", "squareplus", "hard_sigmoid", "hard_silu", "hard_swish", "tanh",
          "identity"]


@pytest.mark.parametrize("name", SIMPLE)
def test_activations(name):
    ours, theirs = getattr(nn, name), getattr(jax.nn, name)
    numpy.testing.assert_allclose(ours(X), theirs(X), rtol=2e-6, atol=1e-6)
    assert ours(X).dtype == numpy.float32
    numpy.testing.assert_allclose(xform.grad(lambda x: np.sum(ours(x) * x))(X), jax.grad(lambda x: jnp.sum(theirs(x) * x))(X),
                                  rtol=2e-5, atol=1e-5)
    numpy.testing.assert_allclose(xform.jit(xform.vmap(xform.grad(lambda x: ours(x))))(X[1:5]),
                                  jax.vmap(jax.grad(theirs))(X[1:5]), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("kwargs", [{}, {"axis": 0}, {"axis": (0, 1)}, {"where": MASK}])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp", "logmeanexp"])
def test_softmax_and_kin(name, kwargs):
    ours, theirs = partial(getattr(nn, name), **kwargs), partial(getattr(jax.nn, name), **kwargs)
    numpy.testing.assert_allclose(ours(M), theirs(M), rtol=1e-5, atol=1e-6)

    def f(x):
        out = ours(x)
        return np.sum(np.where(np.isfinite(out), out * out, 0))

    def g(x):
        out = theirs(x)
        return jnp.sum(jnp.where(jnp.isfinite(out), out * out, 0))
    numpy.testing.assert_allclose(xform.grad(f)(M), jax.grad(g)(M), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(xform.jvp(f, (M,), (M * M,))[1], jax.jvp(g, (M,), (M * M,))[1], rtol=1e-4)
    stack = numpy.stack([M, -M])
    numpy.testing.assert_allclose(xform.vmap(xform.grad(f))(stack), jax.vmap(jax.grad(g))(stack), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(xform.jvp(xform.grad(f), (M,), (M,))[1], jax.jvp(jax.grad(g), (M,), (M,))[1], rtol=1e-3, atol=1e-4)


def test_softmax_of_infinities():
    x = numpy.array([[-numpy.inf, 0.0, 1.0]], "f")
    numpy.testing.assert_allclose(nn.softmax(x), jax.nn.softmax(x), rtol=1e-6)
    numpy.testing.assert_allclose(nn.logsumexp(numpy.full(3, -numpy.inf, "f")), -numpy.inf)
    numpy.testing.assert_allclose(nn.logsumexp(numpy.array([numpy.inf, 1.0], "f")), numpy.inf)


def test_logsumexp_with_factors():
    b = numpy.sign(M)
    ours, theirs = nn.logsumexp(M, 1, b=b, return_sign=True), jax.nn.logsumexp(M, 1, b=b, return_sign=True)
    numpy.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    numpy.testing.assert_allclose(ours[1], theirs[1])
    b = numpy.abs(M)
    numpy.testing.assert_allclose(xform.grad(lambda a: np.sum(nn.logsumexp(a, 1, b=b)))(M),
                                  jax.grad(lambda a: jnp.sum(jax.nn.logsumexp(a, 1, b=b)))(M), rtol=1e-5)


def test_gelu_exact_glu_and_standardize():
    numpy.testing.assert_allclose(nn.gelu(X, approximate=False), jax.nn.gelu(X, approximate=False), rtol=1e-5, atol=1e-6)
    numpy.testing.assert_allclose(nn.glu(M), jax.nn.glu(M), rtol=1e-6)
    numpy.testing.assert_allclose(nn.standardize(M), jax.nn.standardize(M), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="divisible by 2"):
        nn.glu(X)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis):
    x = numpy.array([[0, 2], [5, -1]])
    numpy.testing.assert_array_equal(nn.one_hot(x, 4, axis=axis), jax.nn.one_hot(x, 4, axis=axis))
    numpy.testing.assert_array_equal(xform.vmap(lambda x: nn.one_hot(x, 4))(x), jax.vmap(lambda x: jax.nn.one_hot(x, 4))(x))


def test_attention():
    draw = numpy.random.default_rng(1).normal
    q, k, v = [draw(size=(2, 5, 3, 4)).astype("f") for _ in range(3)]
    numpy.testing.assert_allclose(nn.dot_product_attention(q, k, v), jax.nn.dot_product_attention(q, k, v), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(nn.dot_product_attention(q, k, v, is_causal=True),
                                  jax.nn.dot_product_attention(q, k, v, is_causal=True), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform",
                                  "xavier_uniform", "kaiming_normal", "normal", "uniform", "truncated_normal", "orthogonal"])
def test_initializers(name):
    ours = getattr(nn.initializers, name)()(random.PRNGKey(3), (6, 4))
    theirs = getattr(jax.nn.initializers, name)()(jax.random.PRNGKey(3), (6, 4))
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert ours.dtype == numpy.float32


def test_constant_initializers():
    key = random.PRNGKey(0)
    numpy.testing.assert_array_equal(nn.initializers.zeros(key, (2,)), numpy.zeros(2))
    numpy.testing.assert_array_equal(nn.initializers.ones(key, (2,)), numpy.ones(2))
    numpy.testing.assert_array_equal(nn.initializers.constant(2.5)(key, (2,)), numpy.full(2, 2.5))
    with pytest.raises(ValueError, match="at least"):
        nn.initializers.glorot_normal()(key, (2,))


@pytest.mark.parametrize("shape", [(3, 2, 4), (3, 3, 4, 4), (2, 3, 3, 1, 5)])
def test_delta_orthogonal(shape):
    ours = nn.initializers.delta_orthogonal(2.0)(random.PRNGKey(3), shape)
    theirs = jax.nn.initializers.delta_orthogonal(2.0)(jax.random.PRNGKey(3), shape)
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for bad in [(3, 4), (3, 4, 2)]:
        with pytest.raises(ValueError, match="orthogonal|fan_in"):
            nn.initializers.delta_orthogonal()(random.PRNGKey(3), bad)
