"""Activations and what else neural networks are built of, under JAX's names."""
from runtime.nn import initializers
from runtime.nn.functions import (all_log_softmax, celu, elu, gelu, glu, hard_sigmoid, hard_silu,
                                  hard_swish, hard_tanh, identity, kept, leaky_relu, log1mexp, log_sigmoid, log_softmax, log_total,
                                  logmeanexp, logsumexp, mish, one_hot, relu, relu6, selu, sigmoid, silu, silu_slope,
                                  soft_sign, softmax, softplus, sparse_plus, sparse_sigmoid, squareplus, standardize, swish,
                                  tanh, top_of, unsoftmax)
from runtime.nn.attention import dot_product_attention, scaled_matmul
