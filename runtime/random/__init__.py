"""Random numbers from keys: the same streams as JAX's, by samplers that are ops or plain Python over them."""
from __future__ import annotations

from runtime.ops.random import (PRNGKey, bits, cauchy, draw, draw_bits, draw_gumbel, draw_keys, draw_order, draw_uniform,
                                exponential, fold_in, fold_in_each, gumbel, laplace, logistic, normal, seeded, split, uniform)
from runtime.random.continuous import *
from runtime.random.counts import *
from runtime.random.discrete import *
from runtime.random.order import *


def key(seed, *, impl=None):
    """Return the key of an integer seed: a uint32 array of shape (2,), like ``PRNGKey``."""
    return PRNGKey(seed, impl=impl)


def key_data(keys):
    """Return the uint32 numbers of a key or keys: here the keys themselves."""
    return keys


def wrap_key_data(key_bits_array, *, impl=None):
    """Return the keys made of uint32 numbers with a last axis of 2: here the numbers themselves."""
    return key_bits_array


def key_impl(keys):
    """Return the name of the generator of a key."""
    return "threefry2x32"


def clone(key):
    """Return the key, to be used once more."""
    return key
