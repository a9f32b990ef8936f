"""Methods decorated with jit and checkpoint, called inside transformed functions."""
from __future__ import annotations

import functools

import numpy
import pytest

import xform as jax
import xform.numpy as np


class Layer:
    def __init__(self, w):
        self.w = w

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def compiled(self, x, turns):
        for _ in range(turns):
            x = np.sin(x @ self.w)
        return x

    @functools.partial(jax.checkpoint, policy=jax.checkpoint_policies.dots_saveable)
    def marked(self, x):
        return np.tanh(self.compiled(x, 2) @ self.w)

    @jax.checkpoint
    def __call__(self, x):
        return np.cos(x @ self.w) @ self.w

    def plain(self, x):
        for _ in range(2):
            x = np.sin(x @ self.w)
        return np.tanh(x @ self.w)

    def plain_call(self, x):
        return np.cos(x @ self.w) @ self.w


X = np.linspace(-1, 1, 6).reshape(2, 3)
W = np.linspace(0.1, 0.9, 9).reshape(3, 3)
LAYER = Layer(W)

KNOWN = {"method": (lambda x: np.sum(LAYER.marked(x)), lambda x: np.sum(LAYER.plain(x))),
         "compiled": (lambda x: np.sum(np.tanh(LAYER.compiled(x, 2) @ W)), lambda x: np.sum(LAYER.plain(x))),
         "call": (lambda x: np.sum(LAYER(x)), lambda x: np.sum(LAYER.plain_call(x))),
         "made inside": (lambda x: np.sum(Layer(x.T @ x).marked(x)), lambda x: np.sum(Layer(x.T @ x).plain(x))),
         "called inside": (lambda x: np.sum(Layer(x.T @ x)(x)), lambda x: np.sum(Layer(x.T @ x).plain_call(x)))}


@pytest.mark.parametrize("of", [jax.grad, lambda f: jax.jit(jax.grad(f)), lambda f: jax.grad(lambda x: np.sum(jax.grad(f)(x) ** 2)),
                                lambda f: lambda x: jax.vmap(jax.grad(f))(np.stack([x, x]))], ids=["grad", "jit", "second", "vmap"])
@pytest.mark.parametrize("name", KNOWN)
def test_gradients_are_those_of_plain_methods(name, of):
    found, expected = (of(f)(X) for f in KNOWN[name])
    numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_mark_is_kept():
    assert "@rt.checkpoint(policy='dots_saveable')" in jax.source(jax.grad(KNOWN["method"][0]))
    assert "@rt.jit(" in jax.source(jax.grad(KNOWN["compiled"][0]))
