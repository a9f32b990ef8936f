"""Each optimizer takes the steps that jax's takes, eagerly and in a jitted step."""
from __future__ import annotations

import jax.numpy as jnp
import numpy
import pytest
from jax.example_libraries import optimizers as theirs

import xform as jax
import xform.numpy as np
from xform.example_libraries import optimizers

MAKERS = {"sgd": (0.1,), "momentum": (0.1, 0.9), "nesterov": (0.1, 0.9), "adagrad": (0.1,), "rmsprop": (0.01,),
          "rmsprop_momentum": (0.01,), "adam": (0.05,), "adamax": (0.05,), "sm3": (0.05,)}
PARAMS = {"w": numpy.linspace(-1, 1, 6, dtype="f").reshape(2, 3), "b": [numpy.ones(3, "f"), numpy.float32(0.5)]}


def gradients(module, i):
    return {"w": module.asarray(PARAMS["w"]) * (i - 2.0), "b": [module.asarray(PARAMS["b"][0]) * i, module.asarray(0.25)]}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("jitted", [False, True])
def test_steps_are_jaxs(name, jitted):
    init, update, get_params = getattr(optimizers, name)(*MAKERS[name])
    if jitted:
        update = jax.jit(update)
    expected_init, expected_update, expected_params = getattr(theirs, name)(*MAKERS[name])
    state, expected = init(jax.tree.map(np.asarray, PARAMS)), expected_init(PARAMS)
    for i in range(4):
        state = update(i, gradients(np, i), state)
        expected = expected_update(i, gradients(jnp, i), expected)
    found = get_params(state)
    assert list(found) == ["b", "w"] or set(found) == {"b", "w"}
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected_params(expected)), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)


SCHEDULES = {"constant": (0.3,), "exponential_decay": (0.3, 4, 0.5), "inverse_time_decay": (0.3, 4, 0.5, True),
             "polynomial_decay": (0.3, 4, 0.1, 2.0), "piecewise_constant": ([2, 5], [0.3, 0.2, 0.1])}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_jaxs(name):
    ours, other = getattr(optimizers, name)(*SCHEDULES[name]), getattr(theirs, name)(*SCHEDULES[name])
    for i in range(8):
        numpy.testing.assert_allclose(ours(i), other(i), rtol=1e-6)
    init, update, get_params = optimizers.sgd(ours)
    step = jax.jit(lambda i, g, s: update(i, g, s))
    numpy.testing.assert_allclose(get_params(step(3, np.ones(2), init(np.zeros(2)))), -numpy.full(2, other(3)), rtol=1e-6)


def test_a_jitted_training_step_learns():
    init, update, get_params = optimizers.adam(0.1)
    x = np.linspace(-1, 1, 16)

    def loss(params):
        return np.mean((params["a"] * x + params["b"] - (2 * x - 1)) ** 2)

    @jax.jit
    def step(i, state):
        return update(i, jax.grad(loss)(get_params(state)), state)
    state = init({"a": np.zeros(()), "b": np.zeros(())})
    for i in range(200):
        state = step(i, state)
    found = get_params(state)
    numpy.testing.assert_allclose([found["a"], found["b"]], [2, -1], atol=1e-2)


def test_clipping():
    tree = {"a": np.asarray([3.0, 0.0]), "b": np.asarray(4.0)}
    assert float(optimizers.l2_norm(tree)) == 5.0
    clipped = optimizers.clip_grads(tree, 1.0)
    numpy.testing.assert_allclose(clipped["a"], [0.6, 0.0], rtol=1e-6)
    numpy.testing.assert_allclose(optimizers.clip_grads(tree, 10.0)["b"], 4.0)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="step size"):
        optimizers.make_schedule([1.0, 2.0])
    with pytest.raises(ValueError, match="boundary"):
        optimizers.piecewise_constant([1], [1.0])


def test_states_are_unpacked_and_packed():
    init, update, get_params = optimizers.momentum(0.1, 0.9)
    state = update(0, gradients(np, 0), init(jax.tree.map(np.asarray, PARAMS)))
    marked = optimizers.unpack_optimizer_state(state)
    assert isinstance(marked["b"][0], optimizers.JoinPoint)
    numpy.testing.assert_allclose(marked["w"].subtree[1], PARAMS["w"] * -2)
    again = optimizers.pack_optimizer_state(marked)
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for one, other in zip(jax.tree.leaves(get_params(update(1, gradients(np, 1), again))),
                          jax.tree.leaves(get_params(update(1, gradients(np, 1), state))), strict=True):
        numpy.testing.assert_array_equal(one, other)
    with pytest.raises(TypeError, match="JoinPoint"):
        optimizers.pack_optimizer_state({"a": 1.0})
