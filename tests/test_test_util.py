"""check_grads accepts right derivatives, of any order and structure, and refuses wrong ones."""
from __future__ import annotations

import functools

import pytest

import xform as jax
import xform.numpy as np
from xform.test_util import check_grads, check_jvp, check_vjp

X = np.linspace(0.2, 0.9, 3)


def several(x, y):
    return {"a": np.sin(x) * y, "b": np.sum(x ** 2) * y[0]}


@pytest.mark.parametrize("modes", [("fwd",), ["rev"], ("fwd", "rev"), "rev"])
@pytest.mark.parametrize("order", [1, 2])
def test_right_derivatives_pass(modes, order):
    check_grads(several, (X, 2 * X), order, modes)
    check_grads(lambda tree: tree["w"] ** 3, ({"w": X},), order, modes)


def test_integers_are_left_alone():
    check_grads(lambda x: x[np.asarray([2, 0])] ** 2, (X,), 2)


@jax.custom_jvp
def wrong(x):
    return np.sin(x)


wrong.defjvp(lambda primals, tangents: (wrong(primals[0]), 2.0 * tangents[0]))


@pytest.mark.parametrize("modes, message", [(("fwd",), "JVP tangent"), (("rev",), "VJP cotangent")])
def test_wrong_derivatives_fail(modes, message):
    with pytest.raises(AssertionError, match=message):
        check_grads(wrong, (X,), 1, modes)


def cube(x):
    return x * wrong_square(x)


@jax.custom_jvp
def wrong_square(x):
    return x * x


@wrong_square.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return x * x, 2 * jax.lax.stop_gradient(x) * t


def test_a_wrong_second_derivative_fails_at_order_two_only():
    check_grads(cube, (X,), 1)
    with pytest.raises(AssertionError, match="of"):
        check_grads(cube, (X,), 2)


def test_single_checks():
    check_jvp(np.tanh, functools.partial(jax.jvp, np.tanh), (X,))
    check_vjp(np.tanh, functools.partial(jax.vjp, np.tanh), (X,))
    with pytest.raises(AssertionError, match="mine JVP primal"):
        check_jvp(np.tanh, functools.partial(jax.jvp, np.sin), (X,), err_msg="mine")
    with pytest.raises(ValueError, match="'fwd' and 'rev'"):
        check_grads(np.tanh, (X,), 1, modes=("forward",))
