"""Networks of layers give what jax's give for the same parameters, and train."""
from __future__ import annotations

import jax as oracle
import numpy
import pytest
from jax.example_libraries import stax as theirs

import xform as jax
import xform.numpy as np
from xform.example_libraries import stax


def network(m):
    return m.serial(m.Conv(4, (3, 3), padding="SAME"), m.BatchNorm(), m.Relu, m.MaxPool((2, 2), strides=(2, 2)),
                    m.FanOut(2), m.parallel(m.Conv(3, (1, 1)), m.Identity), m.FanInConcat(), m.AvgPool((2, 2), padding="SAME"),
                    m.SumPool((2, 2)), m.Flatten, m.Dense(5), m.Tanh, m.FanOut(2), m.FanInSum, m.LogSoftmax)


X = numpy.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("f")


def test_a_network_is_jaxs():
    init, apply = stax_pair = network(stax)
    their_init, their_apply = network(theirs)
    their_shape, their_params = their_init(oracle.random.PRNGKey(0), X.shape)
    shape, params = init(jax.random.PRNGKey(0), X.shape)
    assert shape == tuple(their_shape) and len(stax_pair) == 2
    assert [p.shape for p in jax.tree.leaves(params)] == [p.shape for p in oracle.tree.leaves(their_params)]
    given = jax.tree.unflatten(jax.tree.structure(params), [np.asarray(numpy.asarray(p)) for p in oracle.tree.leaves(their_params)])
    expected = their_apply(their_params, X)
    numpy.testing.assert_allclose(apply(given, X), expected, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(jax.jit(apply)(given, X), expected, rtol=1e-4, atol=1e-5)


def test_names_are_jaxs():
    for name in "elu gelu leaky_relu log_softmax relu selu sigmoid softmax softplus standardize".split():
        assert getattr(stax, name) is getattr(jax.nn, name)
    assert stax.logsoftmax is jax.nn.log_softmax and stax.glorot is stax.glorot_normal


def test_a_gradient_is_jaxs():
    init, apply = stax.serial(stax.Dense(4), stax.Relu, stax.Dense(1))
    _, their_apply = theirs.serial(theirs.Dense(4), theirs.Relu, theirs.Dense(1))
    _, params = init(jax.random.PRNGKey(1), (-1, 3))
    x = X[0, :, 0, :]
    found = jax.jit(jax.grad(lambda p: np.sum(apply(p, x) ** 2)))(params)
    host = jax.tree.map(numpy.asarray, params)
    expected = oracle.grad(lambda p: (their_apply(p, x) ** 2).sum())(host)
    for one, other in zip(jax.tree.leaves(found), oracle.tree.leaves(expected), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_dropout():
    init, apply = stax.serial(stax.Dense(6), stax.Dropout(0.5))
    shape, params = init(jax.random.PRNGKey(0), (4, 3))
    made = apply(params, np.ones((4, 3)), rng=jax.random.PRNGKey(3))
    assert shape == made.shape == (4, 6) and 0 < int(np.sum(made == 0)) < 24
    with pytest.raises(ValueError, match="key"):
        apply(params, np.ones((4, 3)))
    assert stax.Dropout(0.5, "test")[1]((), X) is X


def test_other_layers():
    for name, layer in (("Softplus", stax.Softplus), ("Sigmoid", stax.Sigmoid), ("Gelu", stax.Gelu), ("Selu", stax.Selu),
                        ("Elu", stax.Elu), ("LeakyRelu", stax.LeakyRelu), ("Exp", stax.Exp), ("Softmax", stax.Softmax)):
        numpy.testing.assert_allclose(layer[1]((), np.asarray(X)), getattr(theirs, name)[1]((), X), rtol=1e-4, atol=1e-5)
    init, apply = stax.shape_dependent(lambda shape: stax.Dense(shape[-1] * 2))
    shape, params = init(jax.random.PRNGKey(0), (2, 3))
    assert shape == apply(params, np.ones((2, 3))).shape == (2, 6)
    init, apply = stax.ConvTranspose(2, (3, 3), strides=(2, 2), padding="SAME")
    shape, params = init(jax.random.PRNGKey(0), X.shape)
    assert shape == apply(params, np.asarray(X)).shape == (2, 16, 16, 2)
