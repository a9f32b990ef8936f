"""A transformer over characters, and a step of its training, as one writes them for either library.

``build(jax, np)`` returns the functions for xform or for jax and their numpy: the benchmark runs both.
"""
import math
from types import SimpleNamespace

import numpy


def parameters(characters, layers=4, width=128, length=64, seed=0):
    """Return the parameters as host arrays: a dict with a list of one dict a layer."""
    generator = numpy.random.default_rng(seed)

    def matrix(rows, columns):
        return (generator.normal(size=(rows, columns)) / math.sqrt(rows)).astype(numpy.float32)

    def layer():
        return {"norm1": numpy.ones(width, numpy.float32), "norm2": numpy.ones(width, numpy.float32),
                "query": matrix(width, width), "key": matrix(width, width), "value": matrix(width, width),
                "out": matrix(width, width), "up": matrix(width, 4 * width), "down": matrix(4 * width, width)}
    return {"embed": matrix(characters, width), "place": 0.1 * matrix(length, width), "norm": numpy.ones(width, numpy.float32),
            "layers": [layer() for _ in range(layers)]}


def build(jax, np, heads=4, rate=1e-3):
    """Return the model's functions: logits, loss, step."""

    def norm(x, scale):
        centred = x - np.mean(x, axis=-1, keepdims=True)
        return scale * centred / np.sqrt(np.mean(centred ** 2, axis=-1, keepdims=True) + 1e-5)

    def attention(layer, x):
        batch, length, width = x.shape
        q, k, v = [np.reshape(x @ layer[name], (batch, length, heads, width // heads)) for name in ("query", "key", "value")]
        scores = np.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(width // heads)
        future = np.triu(np.ones((length, length), bool), 1)
        weights = jax.nn.softmax(np.where(future, -1e9, scores), axis=-1)
        return np.reshape(np.einsum("bhqk,bkhd->bqhd", weights, v), (batch, length, width)) @ layer["out"]

    def logits(params, tokens):
        x = params["embed"][tokens] + params["place"][:tokens.shape[1]]
        for layer in params["layers"]:
            x = x + attention(layer, norm(x, layer["norm1"]))
            x = x + jax.nn.gelu(norm(x, layer["norm2"]) @ layer["up"]) @ layer["down"]
        return norm(x, params["norm"]) @ params["embed"].T

    def loss(params, tokens):
        """Mean cross entropy of each character, given those before it."""
        likely = jax.nn.log_softmax(logits(params, tokens[:, :-1]))
        return -np.mean(np.take_along_axis(likely, tokens[:, 1:, None], axis=-1))

    def step(params, moments, count, tokens):
        """One step of Adam; returns (params, moments, loss)."""
        value, gradient = jax.value_and_grad(loss)(params, tokens)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradient)
        second = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g * g, moments[1], gradient)
        scale = rate * np.sqrt(1 - 0.99 ** count) / (1 - 0.9 ** count)
        params = jax.tree.map(lambda p, m, v: p - scale * m / (np.sqrt(v) + 1e-8), params, first, second)
        return params, (first, second), value
    return SimpleNamespace(logits=logits, loss=loss, step=step)
