"""Random numbers from keys: the same streams as JAX's, by samplers that are ops or plain Python over them."""
from __future__ import annotations

from runtime.ops.random import (PRNGKey, bits, cauchy, draw, draw_bits, draw_gumbel, draw_keys, draw_order, draw_uniform,
                                exponential, fold_in, fold_in_each, gumbel, laplace, logistic, normal, seeded, split, uniform)
from runtime.random.continuous import *
from runtime.random.counts import *
from runtime.random.discrete import *
from runtime.random.keys import *
from runtime.random.order import *
