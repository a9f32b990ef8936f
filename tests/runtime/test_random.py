"""Random numbers agree with JAX's bit for bit, alone, batched and staged."""
import jax
import numpy
import pytest

import xform
from runtime import random

KEY, OTHER = random.PRNGKey(42), jax.random.PRNGKey(42)


def same(ours, theirs):
    ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert numpy.array_equal(ours, theirs)


LOGITS = numpy.random.default_rng(0).normal(size=(3, 5)).astype("f")
P = numpy.full(6, 1 / 6, "f")
PLAIN = ["uniform", "normal", "exponential", "laplace", "logistic", "cauchy", "gumbel", "bits", "rademacher"]
DRAWS = [
    ("uniform", (), {"shape": (50,), "minval": -2.3, "maxval": 5.1}),
    ("uniform", (), {"shape": (50,), "dtype": "float16"}),
    ("uniform", (), {"shape": (50,), "dtype": "bfloat16"}),
    ("normal", (), {"shape": (50,), "dtype": "complex64"}),
    ("bits", (), {"shape": (50,), "dtype": "uint8"}),
    ("gumbel", (), {"shape": (50,), "mode": "high"}),
    ("bernoulli", (), {}),
    ("bernoulli", (0.3,), {"shape": (4, 5)}),
    ("bernoulli", (0.3,), {"shape": (40,), "mode": "high"}),
    ("bernoulli", (numpy.linspace(0, 1, 7, dtype="f"),), {}),
    ("randint", ((20,), 0, 10), {}),
    ("randint", ((20,), -100, 2 ** 31 - 1), {}),
    ("randint", ((20,), 5, 5), {}),
    ("randint", ((20,), 0, 256), {"dtype": "uint8"}),
    ("randint", ((20,), -128, 128), {"dtype": "int8"}),
    ("randint", ((20,), 0, 2 ** 31 - 1), {"dtype": "uint32"}),
    ("randint", ((20,), 0.5, 12.5), {}),
    ("categorical", (LOGITS,), {}),
    ("categorical", (LOGITS,), {"axis": 0}),
    ("categorical", (LOGITS,), {"shape": (7, 3)}),
    ("categorical", (LOGITS,), {"shape": (4, 3), "replace": False}),
    ("permutation", (10,), {}),
    ("permutation", (LOGITS,), {}),
    ("permutation", (LOGITS,), {"axis": 1}),
    ("permutation", (LOGITS,), {"axis": 1, "independent": True}),
    ("choice", (10,), {}),
    ("choice", (10, (4, 2)), {}),
    ("choice", (10, (4,), False), {}),
    ("choice", (LOGITS, (2,)), {"axis": 1}),
    ("choice", (6, (4,), True, P), {}),
    ("choice", (6, (4,), False, P), {}),
    ("poisson", (3.0,), {"shape": (20,)}),
    ("poisson", (numpy.array([0.0, 4.0, 25.0, 300.0], "f"),), {}),
]


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("shape", [(), (5,), (0,), (40, 50), (200, 300)])
def test_plain_samplers(name, shape):
    same(getattr(random, name)(KEY, shape), getattr(jax.random, name)(OTHER, shape))


@pytest.mark.parametrize("name,args,kwargs", DRAWS, ids=lambda v: v if isinstance(v, str) else None)
def test_samplers(name, args, kwargs):
    same(getattr(random, name)(KEY, *args, **kwargs), getattr(jax.random, name)(OTHER, *args, **kwargs))


@pytest.mark.parametrize("seed", [0, 1, -1, 2 ** 31 - 1, -2 ** 31])
def test_keys_of_seeds(seed):
    same(random.PRNGKey(seed), jax.random.PRNGKey(seed))
    same(random.key_data(random.key(seed)), jax.random.key_data(jax.random.key(seed)))
    same(random.PRNGKey(numpy.int32(seed)), jax.random.PRNGKey(numpy.int32(seed)))


def test_split_and_fold_in():
    same(random.split(KEY), jax.random.split(OTHER))
    same(random.split(KEY, (2, 3)), jax.random.split(OTHER, (2, 3)))
    for data in (0, 7, 2 ** 31 - 1):
        same(random.fold_in(KEY, data), jax.random.fold_in(OTHER, data))


def two(key, p, shape):
    from xform import random
    first, second = random.split(key)
    a = random.normal(first, shape) + random.uniform(second, shape, minval=p, maxval=2.0)
    return a, random.bernoulli(first, 0.4, shape), random.randint(second, shape, 0, 100), random.fold_in(key, 3)


def two_there(key, p, shape):
    first, second = jax.random.split(key)
    a = jax.random.normal(first, shape) + jax.random.uniform(second, shape, minval=p, maxval=2.0)
    return (a, jax.random.bernoulli(first, 0.4, shape), jax.random.randint(second, shape, 0, 100),
            jax.random.fold_in(key, 3))


@pytest.mark.parametrize("axes", [(0, None), (0, 0), (None, 0)])
def test_vmap(axes):
    ours = random.split(KEY, 4) if axes[0] == 0 else KEY
    theirs = jax.random.split(OTHER, 4) if axes[0] == 0 else OTHER
    p = numpy.linspace(0, 1, 4, dtype="f") if axes[1] == 0 else numpy.float32(0.5)
    made = xform.vmap(lambda key, p: two(key, p, (3, 2)), in_axes=axes)(ours, p)
    wanted = jax.vmap(lambda key, p: two_there(key, p, (3, 2)), in_axes=axes)(theirs, p)
    for one, other in zip(made, wanted):
        numpy.testing.assert_allclose(numpy.asarray(one), numpy.asarray(other), rtol=1e-6, atol=1e-6)


def orders(key, logits):
    from xform import random
    return (random.permutation(key, 6), random.permutation(key, logits), random.categorical(key, logits), random.choice(key, 9, (2,)),
            random.truncated_normal(key, -1.0, 1.0, (3,)), random.gumbel(key, (2,)))


def orders_there(key, logits):
    random = jax.random
    return (random.permutation(key, 6), random.permutation(key, logits), random.categorical(key, logits), random.choice(key, 9, (2,)),
            random.truncated_normal(key, -1.0, 1.0, (3,)), random.gumbel(key, (2,)))


@pytest.mark.parametrize("axes", [(0, None), (0, 0), (None, 0)])
def test_vmap_of_orders(axes):
    ours = random.split(KEY, 3) if axes[0] == 0 else KEY
    theirs = jax.random.split(OTHER, 3) if axes[0] == 0 else OTHER
    made = xform.vmap(orders, in_axes=axes)(ours, LOGITS)
    wanted = jax.vmap(orders_there, in_axes=axes)(theirs, LOGITS)
    for one, other in zip(made, wanted):
        numpy.testing.assert_allclose(numpy.asarray(one), numpy.asarray(other), rtol=1e-6, atol=1e-6)


def test_jit():
    made = xform.jit(lambda key: two(key, 0.5, (3,)))(KEY)
    wanted = jax.jit(lambda key: two_there(key, 0.5, (3,)))(OTHER)
    for one, other in zip(made, wanted):
        numpy.testing.assert_allclose(numpy.asarray(one), numpy.asarray(other), rtol=1e-6, atol=1e-6)
    made = xform.jit(orders)(KEY, LOGITS)
    for one, other in zip(made, jax.jit(orders_there)(OTHER, LOGITS)):
        numpy.testing.assert_allclose(numpy.asarray(one), numpy.asarray(other), rtol=1e-6, atol=1e-6)


def test_jit_of_a_seed():
    same(xform.jit(lambda seed: random.PRNGKey(seed))(5), jax.random.PRNGKey(5))


def test_derivative_through_bounds():
    def total(low):
        from xform import numpy as np
        return np.sum(random.uniform(KEY, (4,), minval=low, maxval=3.0) ** 2)

    def total_there(low):
        return jax.numpy.sum(jax.random.uniform(OTHER, (4,), minval=low, maxval=3.0) ** 2)
    numpy.testing.assert_allclose(xform.grad(total)(1.0), jax.grad(total_there)(1.0), rtol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="accepts a single key"):
        random.normal(random.split(KEY), (3,))
    with pytest.raises(TypeError, match="needs a key"):
        random.normal(numpy.zeros(2, "f"), (3,))
    with pytest.raises(ValueError, match="float dtype"):
        random.uniform(KEY, (3,), "int32")
    with pytest.raises(TypeError, match="integer"):
        random.randint(KEY, (3,), 0, 1, "float32")
    with pytest.raises(TypeError, match="floating"):
        random.bernoulli(KEY, 1)
    with pytest.raises(ValueError, match="larger sample"):
        random.choice(KEY, 3, (4,), False)
    with pytest.raises(ValueError, match="broadcast"):
        random.bernoulli(KEY, numpy.ones(3, "f"), (2,))
