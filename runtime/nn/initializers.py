"""Initial values of weights: functions (key, shape, dtype) -> array, made by functions of their parameters."""
from __future__ import annotations

import math
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Initializer(Protocol):
    """What every initializer is: a function of a key, a shape and a dtype that returns an array."""

    def __call__(self, key, shape, dtype=..., out_sharding=...) -> Any:
        """Return the initial values."""


def zeros(key, shape, dtype=None, out_sharding=None):
    """Return zeros."""
    from runtime import numpy as np
    return np.zeros(shape, float if dtype is None else dtype, out_sharding=out_sharding)


def ones(key, shape, dtype=None, out_sharding=None):
    """Return ones."""
    from runtime import numpy as np
    return np.ones(shape, float if dtype is None else dtype, out_sharding=out_sharding)


def constant(value, dtype=None):
    """Return an initializer that fills with a value."""
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import numpy as np
        return np.full(shape, value, float if dtype is None else dtype)
    return init


def uniform(scale=1e-2, dtype=None):
    """Return an initializer that samples from [0, scale)."""
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import random
        return random.uniform(key, shape, dtype) * scale
    return init


def normal(stddev=1e-2, dtype=None):
    """Return an initializer that samples from a normal distribution of mean zero."""
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import random
        return random.normal(key, shape, dtype) * stddev
    return init


def truncated_normal(stddev=1e-2, dtype=None, lower=-2.0, upper=2.0):
    """Return an initializer that samples from a normal distribution cut at ``lower`` and ``upper`` (before scaling)."""
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import random
        return random.truncated_normal(key, lower, upper, shape, dtype) * stddev
    return init


def fans(shape, in_axis=-2, out_axis=-1, batch_axis=()):
    """Return how many inputs and outputs a unit of a weight has; ValueError for fewer than two axes."""
    if len(shape) < 2:
        raise ValueError(f"Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor. Must be at least 2D.")

    def size(axes):
        return math.prod([shape[axis] for axis in (axes if isinstance(axes, (tuple, list, range)) else (axes,))])
    ins, outs = size(in_axis), size(out_axis)
    field = math.prod(shape) / ins / outs / size(batch_axis)
    return ins * field, outs * field


def variance_scaling(scale, mode, distribution, in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return an initializer whose variance is scale / n, with n by ``mode``: "fan_in", "fan_out", "fan_avg" or "fan_geo_avg".

    ``distribution``: "truncated_normal", "normal" or "uniform". ValueError for other names.
    """
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import numpy as np
        from runtime import random
        ins, outs = fans(tuple(shape), in_axis, out_axis, batch_axis)
        sizes = {"fan_in": ins, "fan_out": outs, "fan_avg": (ins + outs) / 2, "fan_geo_avg": math.sqrt(ins * outs)}
        if mode not in sizes:
            raise ValueError(f"invalid mode for variance scaling initializer: {mode}; use one of {', '.join(sizes)}")
        variance = np.asarray(scale / sizes[mode], dtype=float if dtype is None else dtype)
        if distribution == "truncated_normal":
            # .8796 is the deviation of the standard normal distribution cut at -2 and 2
            return random.truncated_normal(key, -2, 2, shape, dtype) * (np.sqrt(variance) / np.asarray(
                .87962566103423978, dtype=float if dtype is None else dtype))
        if distribution == "normal":
            return random.normal(key, shape, dtype) * np.sqrt(variance)
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1) * np.sqrt(3 * variance)
        raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")
    return init


def glorot_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return Glorot's uniform initializer."""
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


def glorot_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return Glorot's normal initializer."""
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def lecun_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return LeCun's uniform initializer."""
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def lecun_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return LeCun's normal initializer."""
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def he_uniform(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return He's uniform initializer."""
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


def he_normal(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
    """Return He's normal initializer."""
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


def orthogonal(scale=1.0, column_axis=-1, dtype=None):
    """Return an initializer of matrices with orthonormal rows or columns."""
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import numpy as np
        from runtime import random
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        drawn = random.normal(key, (rows, columns) if rows > columns else (columns, rows), dtype)
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diagonal(r))
        if rows < columns:
            q = np.transpose(q)
        rest = tuple([n for i, n in enumerate(shape) if i != column_axis % len(shape)])
        return scale * np.moveaxis(np.reshape(q, rest + (columns,)), -1, column_axis)
    return init


def delta_orthogonal(scale=1.0, column_axis=-1, dtype=None):
    """Return an initializer of convolution kernels (spatial axes, in, out), zero but for an orthogonal matrix in the middle.

    ValueError for other than 3, 4 or 5 axes, and for more inputs than outputs.
    """
    given = dtype

    def init(key, shape, dtype=given):
        from runtime import numpy as np
        if len(shape) not in (3, 4, 5):
            raise ValueError("Delta orthogonal initializer requires a 3D, 4D or 5D shape.")
        if shape[-1] < shape[-2]:
            raise ValueError("`fan_in` must be less or equal than `fan_out`")
        matrix = orthogonal(scale, column_axis, dtype)(key, shape[-2:], dtype)
        middle = tuple([(n - 1) // 2 for n in shape[:-2]])
        return np.zeros(shape, matrix.dtype).at[middle].set(matrix)
    return init


xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal = glorot_uniform, glorot_normal, he_uniform, he_normal
