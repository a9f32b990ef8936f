"""Functions as default values of parameters, and rules of users that take ``*args``."""
import functools

import pytest

import xform
import xform.numpy as np


def layer(x, nonlinearity=np.tanh, *, scale=np.cos):
    return nonlinearity(x) * scale(x)


def network(ws, x, activation=np.sin, final=lambda y: y * y):
    for w in ws:
        x = activation(w * x)
    return final(x)


def named(x, nonlinearity=np.tanh):
    return nonlinearity(x)


CALLS = {
    "default": lambda x: layer(x), "positional": lambda x: layer(x, np.exp), "keyword": lambda x: layer(x, scale=np.sin),
    "loop": lambda x: network([x, 2.0], 0.7), "one given": lambda x: network([x, 2.0], x, np.tanh), "function itself": layer,
    "by itself": named, "partial": functools.partial(network, [0.3, 0.4]), "deeper": lambda x: xform.grad(named)(x)}


@pytest.mark.parametrize("name", CALLS)
def test_functions_as_defaults(name):
    program, x, step = CALLS[name], 0.6, 1e-3
    want = (float(program(x + step)) - float(program(x - step))) / (2 * step)
    assert float(xform.grad(program)(x)) == pytest.approx(want, rel=1e-3)
    assert float(xform.jit(xform.grad(program))(x)) == pytest.approx(want, rel=1e-3)
    assert float(xform.vmap(xform.grad(program))(np.array([x, 0.1]))[0]) == pytest.approx(want, rel=1e-3)
    assert float(xform.jvp(program, (x,), (1.0,))[1]) == pytest.approx(want, rel=1e-3)
    assert float(xform.jit(program)(x)) == pytest.approx(float(program(x)), rel=1e-5)


def test_rules_with_any_number_of_arguments():
    fun = xform.custom_vjp(lambda x, y: x * y)
    fun.defvjp(lambda *args: (args[0] * args[1], args), lambda *args: (args[1] * args[0][1] * 2, args[1] * args[0][0] * 3))
    assert xform.grad(fun, (0, 1))(2.0, 5.0) == (10.0, 6.0)
    forward = xform.custom_jvp(lambda x: x * x)
    forward.defjvp(lambda *args: (args[0][0] ** 2, 7 * args[1][0]))
    assert xform.grad(forward)(2.0) == 7.0 and xform.jvp(forward, (2.0,), (1.0,))[1] == 7.0
