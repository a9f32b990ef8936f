"""Neural networks put together from layers: pairs (init_fun, apply_fun) of functions.

``init_fun(rng, input_shape) -> (output_shape, params)`` and ``apply_fun(params, inputs, rng=None) -> outputs``; a shape's first axis
is the batch (-1 where it is not known).
"""
from __future__ import annotations

import functools
import operator

from runtime import lax, nn, random
from runtime import numpy as np
from runtime.lax.layouts import conv_general_shape_tuple, conv_transpose_shape_tuple, reduce_window_shape_tuple
from runtime.nn import elu, gelu, leaky_relu, log_softmax, relu, selu, sigmoid, softmax, softplus, standardize      # noqa: F401
from runtime.nn.initializers import glorot_normal, normal, ones, zeros

glorot, randn, logsoftmax = glorot_normal, normal, log_softmax      # their earlier names


def Dense(out_dim, W_init=glorot_normal(), b_init=normal()):
    """Make a dense layer: ``inputs @ W + b``."""
    def init_fun(rng, input_shape):
        k1, k2 = random.split(rng)
        return (*input_shape[:-1], out_dim), (W_init(k1, (input_shape[-1], out_dim)), b_init(k2, (out_dim,)))

    def apply_fun(params, inputs, rng=None):
        W, b = params
        return np.dot(inputs, W) + b
    return init_fun, apply_fun


def _convolution(dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init, transposed):
    lhs_spec, rhs_spec, out_spec = dimension_numbers
    strides = strides or (1,) * len(filter_shape)
    W_init = W_init or glorot_normal(rhs_spec.index("I"), rhs_spec.index("O"))
    bias_shape = tuple(out_chan if c == "C" else 1 for c in out_spec)

    def init_fun(rng, input_shape):
        sizes = iter(filter_shape)
        kernel = [out_chan if c == "O" else input_shape[lhs_spec.index("C")] if c == "I" else next(sizes) for c in rhs_spec]
        shape = (conv_transpose_shape_tuple if transposed else conv_general_shape_tuple)(
            input_shape, kernel, strides, padding, dimension_numbers)
        k1, k2 = random.split(rng)
        return tuple(shape), (W_init(k1, tuple(kernel)), b_init(k2, bias_shape))

    def apply_fun(params, inputs, rng=None):
        W, b = params
        if transposed:
            return lax.conv_transpose(inputs, W, strides, padding, dimension_numbers=dimension_numbers) + b
        return lax.conv_general_dilated(inputs, W, strides, padding, dimension_numbers=dimension_numbers) + b
    return init_fun, apply_fun


def GeneralConv(dimension_numbers, out_chan, filter_shape, strides=None, padding="VALID", W_init=None, b_init=normal(1e-6)):
    """Make a convolution with a bias, in any layout."""
    return _convolution(dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init, False)


def GeneralConvTranspose(dimension_numbers, out_chan, filter_shape, strides=None, padding="VALID", W_init=None,
                         b_init=normal(1e-6)):
    """Make a transposed convolution with a bias, in any layout."""
    return _convolution(dimension_numbers, out_chan, filter_shape, strides, padding, W_init, b_init, True)


Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(axis=(0, 1, 2), epsilon=1e-5, center=True, scale=True, beta_init=zeros, gamma_init=ones):
    """Make a layer that standardizes over the batch, then scales and shifts by learned values."""
    axis = (axis,) if isinstance(axis, int) else tuple(axis)

    def init_fun(rng, input_shape):
        shape = tuple(d for i, d in enumerate(input_shape) if i not in axis)
        k1, k2 = random.split(rng)
        return input_shape, (beta_init(k1, shape) if center else (), gamma_init(k2, shape) if scale else ())

    def apply_fun(params, x, rng=None):
        beta, gamma = params
        z = nn.standardize(x, axis, epsilon=epsilon)
        if scale:
            z = np.expand_dims(gamma, axis) * z
        if center:
            z = z + np.expand_dims(beta, axis)
        return z
    return init_fun, apply_fun


def elementwise(fun, **fun_kwargs):
    """Make a layer that applies a function to its inputs."""
    fun = functools.partial(fun, **fun_kwargs) if fun_kwargs else fun

    def apply_fun(params, inputs, rng=None):
        return fun(inputs)
    return (lambda rng, input_shape: (input_shape, ())), apply_fun


Tanh, Relu, Exp, LogSoftmax = elementwise(np.tanh), elementwise(nn.relu), elementwise(np.exp), elementwise(nn.log_softmax)
Softmax, Softplus, Sigmoid, Elu = elementwise(nn.softmax), elementwise(nn.softplus), elementwise(nn.sigmoid), elementwise(nn.elu)
LeakyRelu, Selu, Gelu = elementwise(nn.leaky_relu), elementwise(nn.selu), elementwise(nn.gelu)


def _pooling(kind, window_shape, strides, padding, spec):
    spec = spec or "NHWC"
    sizes, steps = list(window_shape), list(strides or (1,) * len(window_shape))
    for i in sorted((spec.index("N"), spec.index("C"))):
        sizes.insert(i, 1)
        steps.insert(i, 1)
    sizes, steps = tuple(sizes), tuple(steps)

    def init_fun(rng, input_shape):
        return tuple(reduce_window_shape_tuple(input_shape, sizes, steps, padding)), ()

    def apply_fun(params, inputs, rng=None):
        if kind == "max":
            return lax.reduce_window(inputs, -np.inf, lax.max, sizes, steps, padding)
        total = lax.reduce_window(inputs, 0.0, lax.add, sizes, steps, padding)
        if kind == "sum":
            return total
        return total / lax.reduce_window(np.ones_like(inputs), 0.0, lax.add, sizes, steps, padding)
    return init_fun, apply_fun


def MaxPool(window_shape, strides=None, padding="VALID", spec=None):
    """Make a layer of maxima over sliding windows."""
    return _pooling("max", window_shape, strides, padding, spec)


def SumPool(window_shape, strides=None, padding="VALID", spec=None):
    """Make a layer of sums over sliding windows."""
    return _pooling("sum", window_shape, strides, padding, spec)


def AvgPool(window_shape, strides=None, padding="VALID", spec=None):
    """Make a layer of means over sliding windows, of the elements that are not padding."""
    return _pooling("mean", window_shape, strides, padding, spec)


def _flatten_init(rng, input_shape):
    return (input_shape[0], functools.reduce(operator.mul, input_shape[1:], 1)), ()


def _flatten_apply(params, inputs, rng=None):
    return np.reshape(inputs, (inputs.shape[0], -1))


Flatten = _flatten_init, _flatten_apply


def _same_init(rng, input_shape):
    return input_shape, ()


def _same_apply(params, inputs, rng=None):
    return inputs


Identity = _same_init, _same_apply


def FanOut(num):
    """Make a layer that gives its inputs ``num`` times."""
    def apply_fun(params, inputs, rng=None):
        return [inputs] * num
    return (lambda rng, input_shape: ([input_shape] * num, ())), apply_fun


def _sum_init(rng, input_shape):
    return input_shape[0], ()


def _sum_apply(params, inputs, rng=None):
    return sum(inputs[1:], inputs[0])


FanInSum = _sum_init, _sum_apply


def FanInConcat(axis=-1):
    """Make a layer that joins its inputs along an axis."""
    def init_fun(rng, input_shape):
        place = axis % len(input_shape[0])
        first = input_shape[0]
        return (*first[:place], sum(shape[place] for shape in input_shape), *first[place + 1:]), ()

    def apply_fun(params, inputs, rng=None):
        return np.concatenate(inputs, axis)
    return init_fun, apply_fun


def Dropout(rate, mode="train"):
    """Make a layer that keeps each element with probability ``rate``, scaled up; in any mode but "train" all of them.

    Its ``apply_fun`` needs a key as ``rng`` in training; ValueError without.
    """
    def apply_fun(params, inputs, rng=None):
        if mode != "train":
            return inputs
        if rng is None:
            raise ValueError("Dropout: apply_fun needs a key in training: apply_fun(params, inputs, rng=key)")
        keep = random.bernoulli(rng, rate, inputs.shape)
        return np.where(keep, inputs / rate, 0)
    return _same_init, apply_fun


def serial(*layers):
    """Make one layer of several, each applied to the outputs of the one before."""
    init_funs, apply_funs = [init for init, _ in layers], [apply for _, apply in layers]
    count = len(layers)

    def init_fun(rng, input_shape):
        params = []
        for init in init_funs:
            rng, layer_rng = random.split(rng)
            input_shape, made = init(layer_rng, input_shape)
            params.append(made)
        return input_shape, params

    def apply_fun(params, inputs, rng=None):
        rngs = [None] * count if rng is None else random.split(rng, count)
        for k, apply in enumerate(apply_funs):
            inputs = apply(params[k], inputs, rngs[k])
        return inputs
    return init_fun, apply_fun


def parallel(*layers):
    """Make one layer of several, each applied to its own one of a sequence of inputs."""
    init_funs, apply_funs = [init for init, _ in layers], [apply for _, apply in layers]
    count = len(layers)

    def init_fun(rng, input_shape):
        made = [init(key, shape) for init, key, shape in zip(init_funs, random.split(rng, count), input_shape)]
        return [shape for shape, _ in made], [params for _, params in made]

    def apply_fun(params, inputs, rng=None):
        rngs = [None] * count if rng is None else random.split(rng, count)
        return [apply(params[k], inputs[k], rngs[k]) for k, apply in enumerate(apply_funs)]
    return init_fun, apply_fun


def shape_dependent(make_layer):
    """Make a layer by ``make_layer(input_shape)``, called when the shape is known."""
    def init_fun(rng, input_shape):
        return make_layer(input_shape)[0](rng, input_shape)

    def apply_fun(params, inputs, rng=None):
        return make_layer(inputs.shape)[1](params, inputs, rng)
    return init_fun, apply_fun
