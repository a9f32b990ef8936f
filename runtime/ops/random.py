"""Random bits by the Threefry-2x32 cipher, bit for bit those of JAX, and the samplers that are one kernel each.

A key is two uint32 numbers. The ops whose names start with ``draw`` take keys of any leading shape, one stream for each key, and so
serve as batching rules of the public samplers, which take one key.
"""
from __future__ import annotations

import math
import operator

import numpy

from runtime.ops.constrain import out_sharded
from runtime.array import Array
from runtime.config import config
from runtime.execute import EXACT
from runtime.op import op
from runtime.ops.create import shape_tuple
from runtime.ops.kernel import fused
from runtime.ops.reuse import check_reuse
from runtime.ops.threefry import WORD, key_lead, paired
from runtime.ops.threefry import fold_numbers as _fold_in
from runtime.ops.threefry import random_bits as _bits
from runtime.ops.threefry import split_keys as _split
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import KEY, aval, canonical_dtype, kind

def _bitcast_infer(x, *, dtype):
    return aval(x.shape, dtype)


_bitcast = Primitive("bitcast_float", _bitcast_infer, lambda block, operands, out_avals, *, dtype: block.op(
    "bitcast_convert", operands, out_avals[0]))


# ---- keys: an array of them has the element type KEY; older programs hold their words in uint32 arrays ----

_typed = Primitive("key_of_words", lambda words: aval(key_lead("random.wrap_key_data", words), KEY),
                   lambda block, operands, out_avals: block.op("bitcast_convert", operands, out_avals[0]))
_raw = Primitive("words_of_key", lambda keys: aval(keys.shape + (2,), WORD),
                 lambda block, operands, out_avals: block.op("bitcast_convert", operands, out_avals[0]))


def is_typed(keys) -> bool:
    """Tell whether keys are an array of their own element type."""
    return isinstance(keys, Array) and keys.dtype == KEY


def raw(keys, name: str = "random") -> Array:
    """Return the words of keys as a uint32 array with a last axis of 2; a uint32 array as it is. TypeError for no keys."""
    if not isinstance(keys, (Array, numpy.ndarray)) and not hasattr(keys, "__jax_array__"):
        raise TypeError(f"{name} needs a key, as random.key(seed) returns; got {keys!r:.80} of type {type(keys).__name__}")
    keys = as_operand(keys, name)
    if keys.dtype != KEY:
        return keys
    if config.debug_key_reuse:
        check_reuse(keys, name)
    return _raw(keys)


def keys_in_buffer(words):
    """Return the buffer of the keys made of a buffer of words."""
    return _typed(Array(words))._v


@op(constant=True, batch=lambda words, over=(): typed(words))
def typed(words):
    """Return the keys made of uint32 numbers with a last axis of 2."""
    return _typed(as_operand(words, "wrap_key_data"))


@op(constant=True, batch=lambda keys, over=(): words_of(keys))
def words_of(keys):
    """Return the uint32 words of keys, with a last axis of 2."""
    keys = raw(keys, "key_data")
    key_lead("random.key_data", keys)
    return keys


def one_key(key, name: str) -> Array:
    """Return the words of a sampler's key; ValueError for several keys, TypeError for what is no key."""
    key = raw(key, name)
    if key.shape == (2,) and key.dtype == WORD:
        return key
    if key_lead(f"random.{name}", key):
        raise ValueError(f"{name} accepts a single key, but was given a key array of shape {key.shape[:-1]} != (). Use vmap for "
                         "batching.")
    return key


IMPLEMENTATION = "threefry2x32"


def check_impl(impl) -> None:
    """Raise ValueError for a generator that there is not."""
    if impl in (None, IMPLEMENTATION) or impl == KEY:
        return
    if impl in ("rbg", "unsafe_rbg", "philox2x32", "philox4x32", "threefry4x32"):
        raise ValueError(f"PRNG implementation {impl!r} is not available here: its streams differ from device to device or are not "
                         f"those of the default; use {IMPLEMENTATION!r}")
    raise ValueError(f'unrecognized PRNG implementation "{impl}"; there is {IMPLEMENTATION!r}')


def PRNGKey_batched(seed, impl=None, over=()):
    """Make a key of every seed."""
    return seeded(seed)


@op(constant=True, batch=PRNGKey_batched)
def PRNGKey(seed, *, impl=None):
    """Return the key of an integer seed: a uint32 array of shape (2,).

    TypeError for a seed that is no integer scalar; ValueError for an ``impl`` other than "threefry2x32" (or None).
    """
    check_impl(impl)
    if isinstance(seed, (int, numpy.integer)) and not isinstance(seed, (bool, numpy.bool_)):
        return Array(_host_key(int(seed)))
    seed = as_operand(seed, "PRNGKey")
    if seed.dtype == KEY:
        raise TypeError("PRNGKey accepts a scalar seed, but was given a PRNG key.")
    if seed.ndim:
        raise TypeError(f"PRNGKey accepts a scalar seed, but was given an array of shape {seed.shape} != (). Use vmap for batching")
    if kind(seed.dtype) not in "iu":
        raise TypeError(f"PRNGKey needs an integer seed, got dtype {seed.dtype.name}")
    return seeded(seed)


def _host_key(seed):
    from runtime.array import to_buffer
    numpy.int64(seed)  # raises OverflowError for what has no 64 bits, as JAX does
    high = (seed >> 32) & 0xFFFFFFFF if config.enable_x64 else 0
    return to_buffer(numpy.array([high, seed & 0xFFFFFFFF], WORD))


@op(constant=True, batch=lambda seed, over=(): seeded(seed))
def seeded(seed):
    """Return the key of every seed in an integer array."""
    return _seeded(as_operand(seed, "PRNGKey"))


def _seeded_emit(block, operands, out_avals):
    seed = operands[0]
    of = seed.aval
    low = block.op("convert", [seed], of.with_dtype(WORD))
    if of.dtype.itemsize < 8:
        return paired(block, block.constant(0, WORD, of.shape), low)
    high = block.op("shift_right_logical", [seed, block.constant(32, of.dtype, of.shape)], of)
    return paired(block, block.op("convert", [high], of.with_dtype(WORD)), low)


_seeded = Primitive("random_seed", lambda seed: aval(seed.shape + (2,), WORD), _seeded_emit)


def count_shape(num) -> tuple:
    """Return the shape of keys that ``num``, a number or a shape, asks for."""
    return tuple(map(operator.index, num)) if isinstance(num, (tuple, list)) else (operator.index(num),)


@op(constant=True, batch=lambda key, num=2, over=(): draw_keys(key, num))
def split(key, num=2):
    """Return ``num`` (a number or a shape) new keys, as a uint32 array with a last axis of 2."""
    made = _split(one_key(key, "split"), shape=count_shape(num))
    return typed(made) if is_typed(key) else made


@op(constant=True, batch=lambda keys, num, over=(): draw_keys(keys, num))
def draw_keys(keys, num):
    """Split every key."""
    made = _split(raw(keys, "split"), shape=count_shape(num))
    return typed(made) if is_typed(keys) else made


def fold_in_batched(key, data, over=()):
    """Fold a number into every key, a number of its own if they are batched."""
    from runtime import numpy as np
    if "key" not in over:
        key = np.broadcast_to(key, np.shape(data) + np.shape(key))
    if "data" not in over:
        data = np.broadcast_to(data, keys_shape(key))
    return fold_in_each(key, data)


@op(constant=True, unbatched=True)
def keys_shape(keys):
    """Return the shape of keys: without the last axis, where they are given as words."""
    return tuple(keys.shape) if keys.dtype == KEY else tuple(keys.shape)[:-1]


@op(constant=True, batch=fold_in_batched)
def fold_in(key, data):
    """Return the key made of a key and an integer (taken as a uint32)."""
    data = as_operand(data, "fold_in")
    if data.ndim:
        raise TypeError(f"fold_in accepts a scalar, but was given an array of shape {data.shape} != (). Use vmap for batching.")
    made = _fold_in(one_key(key, "fold_in"), cast(data, WORD))
    return typed(made) if is_typed(key) else made


def _fold_each_batched(key, data, over=()):
    from runtime import numpy as np
    if "key" not in over:
        key = np.broadcast_to(key, data.shape[:1] + key.shape)
    if "data" not in over:
        data = np.broadcast_to(data, keys_shape(key))
    return fold_in_each(key, data)


@op(constant=True, batch=_fold_each_batched)
def fold_in_each(key, data):
    """Fold one number into each key: keys of shape (..., 2), data of shape (...)."""
    made = _fold_in(raw(key, "fold_in"), cast(as_operand(data), WORD))
    return typed(made) if is_typed(key) else made


# ---- bits and floats ----

@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw_bits(key, shape, dtype))
def bits(key, shape=(), dtype=None):
    """Return uniformly random bits as unsigned integers (uint32 by default).

    TypeError for another dtype.
    """
    return draw_bits(one_key(key, "bits"), shape, dtype)


@op(constant=True, batch=lambda keys, shape, dtype=None, over=(): draw_bits(keys, shape, dtype))
def draw_bits(keys, shape, dtype=None):
    """Draw bits from every key."""
    dtype = WORD if dtype is None else canonical_dtype(dtype)
    if kind(dtype) != "u":
        raise TypeError(f"random.bits: dtype argument must be an unsigned int dtype, got {dtype}")
    return _bits(raw(keys), width=8 * dtype.itemsize, shape=shape_tuple(shape))


def float_dtype(dtype, name: str) -> numpy.dtype:
    """Return the dtype of samples; ValueError if it is not a float's."""
    dtype = canonical_dtype(float if dtype is None else dtype)
    if kind(dtype) != "f":
        raise ValueError(f"dtype argument to `{name}` must be a float dtype, got {dtype}")
    return dtype


def _unit(keys, shape, dtype):
    """Floats in [0, 1): random bits for the mantissa of a number in [1, 2), less 1."""
    from ml_dtypes import finfo
    from runtime.ops.binary import bitwise_or, shift_right_logical
    info = finfo(dtype)
    unsigned = numpy.dtype(f"uint{info.bits}")
    width = 8 if info.nmant < 8 else info.bits  # a short mantissa needs only one byte
    drawn = cast(_bits(keys, width=width, shape=shape), unsigned)
    one = numpy.asarray(1, dtype).view(unsigned)
    mantissa = shift_right_logical(drawn, numpy.asarray(width - info.nmant, unsigned))
    return _bitcast(bitwise_or(mantissa, one), dtype=dtype) - numpy.asarray(1, dtype)


def within(unit, low, high):
    """Return numbers in [0, 1) spread over [low, high)."""
    from runtime import numpy as np
    return np.maximum(low, unit * (high - low) + low)


@fused
def _uniform(keys, low, high, *, shape, dtype):
    return within(_unit(keys, shape, dtype), cast(low, dtype), cast(high, dtype))


def _small(value, dtype):
    """A bound as an operand of the samples' dtype."""
    return float(value) if isinstance(value, (int, float)) else cast(value, dtype)


def uniform_batched(key, shape=(), dtype=None, minval=0.0, maxval=1.0, over=()):
    """Sample for every example; bounds with a batch are aligned with the samples."""
    from runtime import numpy as np
    unit = draw_uniform(key, shape, dtype) if "key" in over else np.expand_dims(uniform(key, shape, dtype), 0)
    if "minval" in over:
        minval = spread_right(minval, unit)
    if "maxval" in over:
        maxval = spread_right(maxval, unit)
    return within(unit, np.astype(minval, unit.dtype), np.astype(maxval, unit.dtype))


def spread_right(bound, unit):
    """Insert axes after the batch axis of a bound until it aligns with samples."""
    from runtime import numpy as np
    return np.reshape(bound, bound.shape[:1] + (1,) * (unit.ndim - bound.ndim) + bound.shape[1:])


_LOWER, _UPPER = "1 - random.uniform(key, shape, dtype)", "random.uniform(key, shape, dtype)"


@out_sharded
@op(jvp={"minval": f"minval_dot * ({_LOWER})", "maxval": f"maxval_dot * {_UPPER}"},
    vjp={"minval": f"rt.unbroadcast(d_out * ({_LOWER}), like=minval)",
         "maxval": f"rt.unbroadcast(d_out * {_UPPER}, like=maxval)"}, batch=uniform_batched)
def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0):
    """Return samples from [minval, maxval), of a float dtype.

    ValueError if the dtype is not a float's.
    """
    dtype = float_dtype(dtype, "uniform")
    return _uniform(one_key(key, "uniform"), _small(minval, dtype), _small(maxval, dtype), shape=shape_tuple(shape), dtype=dtype)


@op(constant=True, batch=lambda keys, shape, dtype=None, low=0.0, high=1.0, over=(): draw_uniform(keys, shape, dtype, low, high))
def draw_uniform(keys, shape, dtype=None, low=0.0, high=1.0):
    """Sample from [low, high), two numbers, from every key."""
    dtype = float_dtype(dtype, "uniform")
    return _uniform(raw(keys), float(low), float(high), shape=shape_tuple(shape), dtype=dtype)


# ---- samplers that take nothing but a key ----

def _tiny(dtype):
    from ml_dtypes import finfo
    return numpy.asarray(finfo(dtype).tiny)


@fused
def _normal(keys, *, shape, dtype):
    from runtime.ops.elementwise import erfinv, make_complex
    if kind(dtype) == "c":
        pair = _split(keys, shape=(2,))
        part = numpy.dtype("float64" if dtype == numpy.complex128 else "float32")
        lead = pair.shape[:-2]
        first, second = [_normal(_pick(pair, n, len(lead)), shape=shape, dtype=part) for n in range(2)]
        return make_complex(first, second) / numpy.asarray(math.sqrt(2), dtype)
    low = numpy.nextafter(numpy.asarray(-1, dtype), numpy.asarray(0, dtype))
    unit = within(_unit(keys, shape, dtype), low, numpy.asarray(1, dtype))
    return numpy.asarray(math.sqrt(2), dtype) * erfinv(unit)


def _pick(pair, n, axis):
    """One of the keys that a split of every key has made."""
    from runtime.ops.slices import slice_in_dim
    return slice_in_dim(pair, n, n + 1, axis=axis).reshape(pair.shape[:axis] + (2,))


@fused
def _exponential(keys, *, shape, dtype):
    from runtime.ops.elementwise import log1p
    return -log1p(-_unit(keys, shape, dtype))


@fused
def _gumbel(keys, *, shape, dtype, mode):
    from ml_dtypes import finfo
    from runtime.ops.binary import where
    from runtime.ops.elementwise import log, log1p
    if mode == "low":
        tiny, one = _tiny(dtype), numpy.asarray(1, dtype)
        return -log(-log(within(_unit(keys, shape, dtype), tiny, one)))
    # two draws: where the first is small, the second adds the bits that its mantissa lacks
    both = _unit(keys, (2,) + shape, dtype)
    lead = keys.ndim - 1
    high, low = [_half(both, n, lead) for n in range(2)]
    fine = numpy.asarray(2.0 ** -finfo(dtype).nmant, dtype)
    return -log(-log1p(-where(high >= 0.5, high, high + fine * low + _tiny(dtype))))


def _half(both, n, axis):
    from runtime.ops.slices import slice_in_dim
    return slice_in_dim(both, n, n + 1, axis=axis).reshape(both.shape[:axis] + both.shape[axis + 1:])


@fused
def _laplace(keys, *, shape, dtype):
    from ml_dtypes import finfo
    from runtime.ops.elementwise import absolute, log1p, sign
    low = numpy.asarray(-1.0 + float(finfo(dtype).epsneg), dtype)
    unit = within(_unit(keys, shape, dtype), low, numpy.asarray(1, dtype))
    return sign(unit) * log1p(-absolute(unit))


@fused
def _logistic(keys, *, shape, dtype):
    from runtime.ops.elementwise import log, log1p
    unit = within(_unit(keys, shape, dtype), _tiny(dtype), numpy.asarray(1, dtype))
    return log(unit) - log1p(-unit)


@fused
def _cauchy(keys, *, shape, dtype):
    from ml_dtypes import finfo
    from runtime.ops.elementwise import tan
    unit = within(_unit(keys, shape, dtype), numpy.asarray(finfo(dtype).eps), numpy.asarray(1, dtype))
    return tan(numpy.asarray(math.pi, dtype) * (unit - numpy.asarray(0.5, dtype)))


EXACT.update(["_uniform", "_normal", "_exponential", "_gumbel", "_laplace", "_logistic", "_cauchy"])
_KERNELS = {"normal": _normal, "exponential": _exponential, "laplace": _laplace, "logistic": _logistic, "cauchy": _cauchy}


@op(constant=True, batch=lambda name, keys, shape, dtype=None, over=(): draw(name, keys, shape, dtype))
def draw(name, keys, shape, dtype=None):
    """Sample from a standard distribution from every key."""
    dtype = canonical_dtype(float if dtype is None else dtype)
    if kind(dtype) not in ("fc" if name == "normal" else "f"):
        what = "float or complex" if name == "normal" else "float"
        raise ValueError(f"dtype argument to `{name}` must be a {what} dtype, got {dtype}")
    return _KERNELS[name](raw(keys), shape=shape_tuple(shape), dtype=dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("normal", key, shape, dtype))
def normal(key, shape=(), dtype=None):
    """Return samples from the standard normal distribution, of a float or complex dtype."""
    return draw("normal", one_key(key, "normal"), shape, dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("exponential", key, shape, dtype))
def exponential(key, shape=(), dtype=None):
    """Return samples from the exponential distribution with mean 1."""
    return draw("exponential", one_key(key, "exponential"), shape, dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("laplace", key, shape, dtype))
def laplace(key, shape=(), dtype=None):
    """Return samples from the Laplace distribution with mean 0 and scale 1."""
    return draw("laplace", one_key(key, "laplace"), shape, dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("logistic", key, shape, dtype))
def logistic(key, shape=(), dtype=None):
    """Return samples from the logistic distribution with mean 0 and scale 1."""
    return draw("logistic", one_key(key, "logistic"), shape, dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("cauchy", key, shape, dtype))
def cauchy(key, shape=(), dtype=None):
    """Return samples from the Cauchy distribution with location 0 and scale 1."""
    return draw("cauchy", one_key(key, "cauchy"), shape, dtype)


@out_sharded
@op(constant=True, batch=lambda key, shape=(), dtype=None, mode=None, over=(): draw_gumbel(key, shape, dtype, mode))
def gumbel(key, shape=(), dtype=None, mode=None):
    """Return samples from the Gumbel distribution; mode "high" reaches further into the tail than "low", the default."""
    return draw_gumbel(one_key(key, "gumbel"), shape, dtype, mode)


@op(constant=True, batch=lambda keys, shape, dtype=None, mode=None, over=(): draw_gumbel(keys, shape, dtype, mode))
def draw_gumbel(keys, shape, dtype=None, mode=None):
    """Sample from the Gumbel distribution from every key."""
    if mode not in (None, "low", "high"):
        raise ValueError(f"gumbel: mode {mode!r}; use 'low' or 'high'")
    return _gumbel(raw(keys), shape=shape_tuple(shape), dtype=float_dtype(dtype, "gumbel"), mode=mode or "low")


@op(constant=True, batch=lambda keys, shape, axis, over=(): draw_order(keys, shape, axis))
def draw_order(keys, shape, axis):
    """Return from every key a random order along an axis, counted from the right: int32 places of the given shape.

    It is that of repeated sorting by random words, as often as makes equal words unlikely to matter.
    """
    return _order(raw(keys), shape=shape_tuple(shape), axis=axis)


@fused
def _order(keys, *, shape, axis):
    from runtime.ops.create import broadcasted_iota
    from runtime.ops.search import argsort
    from runtime.ops.take import take_along_axis
    lead = keys.ndim - 1
    order = broadcasted_iota(numpy.dtype("int32"), keys.shape[:-1] + shape, lead + len(shape) + axis)
    turns = math.ceil(3 * math.log(max(1, math.prod(shape))) / math.log(0xFFFFFFFF))
    for _ in range(turns):
        pair = _split(keys, shape=(2,))
        keys, subkeys = _pick(pair, 0, lead), _pick(pair, 1, lead)
        order = take_along_axis(order, argsort(_bits(subkeys, width=32, shape=shape), axis=axis), axis)
    return order
