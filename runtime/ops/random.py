"""Random bits by the Threefry-2x32 cipher, bit for bit those of JAX, and the samplers that are one kernel each.

A key is two uint32 numbers. The ops whose names start with ``draw`` take keys of any leading shape, one stream for each key, and so
serve as batching rules of the public samplers, which take one key.
"""
from __future__ import annotations

import math
import operator

import numpy

from runtime.array import Array
from runtime.config import config
from runtime.execute import EXACT
from runtime.op import op
from runtime.ops.create import shape_tuple
from runtime.ops.kernel import fused
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, canonical_dtype, kind

WORD = numpy.dtype("uint32")
PARITY = 0x1BD11BDA  # the constant of the Threefish key schedule, cut to 32 bits
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
UNROLL_FROM = 1 << 14  # words from which straight code pays for its longer compilation


# ---- the cipher ----

def _mix(block, x, y, left, right):
    """One round: add, rotate by ``left`` (``right`` is 32 less that), exclusive or."""
    of = x.aval
    x = block.op("add", [x, y], of)
    turned = block.op("or", [block.op("shift_left", [y, left], of), block.op("shift_right_logical", [y, right], of)], of)
    return x, block.op("xor", [turned, x], of)


def _straight(block, args):
    k0, k1, x, y = args
    of = x.aval

    def number(n):
        return block.constant(n, WORD, of.shape)
    keys = [k0, k1, block.op("xor", [block.op("xor", [k0, k1], of), number(PARITY)], of)]
    x, y = block.op("add", [x, k0], of), block.op("add", [y, k1], of)
    for i in range(5):
        for turn in ROTATIONS[i % 2]:
            x, y = _mix(block, x, y, number(turn), number(32 - turn))
        x = block.op("add", [x, keys[(i + 1) % 3]], of)
        y = block.op("add", [block.op("add", [y, keys[(i + 2) % 3]], of), number(i + 1)], of)
    return [x, y]


def _looped(block, args):
    """The same as a loop of five turns, which carries the key schedule and both sets of rotations in turn."""
    k0, k1, x, y = args
    of, cell, four = x.aval, aval((), WORD), aval((4,), WORD)
    k2 = block.op("xor", [block.op("xor", [k0, k1], of), block.constant(PARITY, WORD, of.shape)], of)
    x, y = block.op("add", [x, k0], of), block.op("add", [y, k1], of)
    start = [block.constant(0, WORD), x, y, k1, k2, k0, block.constant(numpy.array(ROTATIONS[0], WORD)),
             block.constant(numpy.array(ROTATIONS[1], WORD))]
    types = [v.aval for v in start]
    test, body = block.region(types), block.region(types)
    test.ret([test.compare("LT", test.args[0], test.constant(5, WORD))])
    i, x, y, a, b, c, now, later = body.args
    for n in range(4):
        turn = body.reshape(body.op("slice", [now], aval((1,), WORD), {
            "start_indices": (n,), "limit_indices": (n + 1,), "strides": (1,)}), ())
        rest = body.op("subtract", [body.constant(32, WORD), turn], cell)
        x, y = _mix(body, x, y, body.broadcast(turn, of.shape), body.broadcast(rest, of.shape))
    i = body.op("add", [i, body.constant(1, WORD)], cell)
    x = body.op("add", [x, a], of)
    y = body.op("add", [body.op("add", [y, b], of), body.broadcast(i, of.shape)], of)
    body.ret([i, x, y, b, c, a, later, now])
    assert now.aval is four
    return block.op("while", start, types, None, [test, body])[1:3]


def encrypt(block, k0, k1, x, y):
    """Emit the cipher on uint32 values of one shape: keys (k0, k1), text (x, y); return the two words."""
    of = x.aval
    if of.size >= UNROLL_FROM:
        return block.call("threefry2x32", _straight, [k0, k1, x, y], [of, of], "straight")
    return block.call("threefry2x32", _looped, [k0, k1, x, y], [of, of], "looped")


def _words(block, keys):
    """Return both words of keys of shape (..., 2)."""
    lead = keys.aval.shape[:-1]
    words = []
    for n in range(2):
        part = block.op("slice", [keys], aval(lead + (1,), WORD), {
            "start_indices": (0,) * len(lead) + (n,), "limit_indices": lead + (n + 1,), "strides": (1,) * (len(lead) + 1)})
        words.append(block.reshape(part, lead))
    return words


def _counted(block, keys, shape):
    """Encrypt, under every key, the numbers of the elements of an array of a shape."""
    lead = keys.aval.shape[:-1]
    whole = aval(lead + shape, WORD)
    front = tuple(range(len(lead)))
    k0, k1 = [block.broadcast(word, whole.shape, front) for word in _words(block, keys)]
    count = math.prod(shape)
    if count < 1 << 32:
        places = block.op("iota", [], aval((count,), WORD), {"iota_dimension": 0})
        low = block.broadcast(block.reshape(places, shape), whole.shape, tuple(range(len(lead), whole.ndim)))
        high = block.constant(0, WORD, whole.shape)
    else:
        wide = aval((count,), numpy.dtype("uint64"))
        places = block.op("iota", [], wide, {"iota_dimension": 0})
        shifted = block.op("shift_right_logical", [places, block.constant(32, wide.dtype, wide.shape)], wide)
        low, high = [block.broadcast(block.reshape(block.op("convert", [v], aval((count,), WORD)), shape), whole.shape,
                                     tuple(range(len(lead), whole.ndim))) for v in (places, shifted)]
    return encrypt(block, k0, k1, high, low)


def _halves(block, keys, count):
    """Encrypt, under every key, the numbers below ``count``, the first half of them as the words beside the second half's.

    This is how streams are made where ``threefry_partitionable`` is off.
    """
    lead = keys.aval.shape[:-1]
    half = (count + 1) // 2
    whole = aval(lead + (half,), WORD)
    k0, k1 = [block.broadcast(word, whole.shape, tuple(range(len(lead)))) for word in _words(block, keys)]
    first = block.op("iota", [], whole, {"iota_dimension": len(lead)})
    second = block.op("add", [first, block.constant(half, WORD, whole.shape)], whole)
    if count % 2:   # the odd place at the end holds a zero
        inside = block.compare("LT", second, block.constant(count, WORD, whole.shape))
        second = block.op("select", [inside, second, block.constant(0, WORD, whole.shape)], whole)
    both = block.op("concatenate", encrypt(block, k0, k1, first, second), aval(lead + (2 * half,), WORD),
                    {"dimension": len(lead)})
    return _cut(block, both, 0, count)


def _cut(block, x, start, stop):
    """The part of the last axis from ``start`` to ``stop``."""
    lead = x.aval.shape[:-1]
    if (start, stop) == (0, x.aval.shape[-1]):
        return x
    return block.op("slice", [x], x.aval.with_shape(lead + (stop - start,)), {
        "start_indices": (0,) * len(lead) + (start,), "limit_indices": lead + (stop,), "strides": (1,) * (len(lead) + 1)})


def _one_stream(block, keys, of, width, shape):
    """Bits of the undivided stream: 64-bit words from its halves, bytes and 16-bit words from the parts of its words."""
    lead = keys.aval.shape[:-1]
    size = math.prod(shape)
    words = -(-width * size // 32)
    drawn = _halves(block, keys, words)
    if width == 32:
        return block.reshape(drawn, of.shape)
    if width == 64:
        wide = aval(lead + (size,), of.dtype)
        high, low = [block.op("convert", [_cut(block, drawn, n * size, (n + 1) * size)], wide) for n in range(2)]
        shifted = block.op("shift_left", [high, block.constant(32, of.dtype, wide.shape)], wide)
        return block.reshape(block.op("or", [shifted, low], wide), of.shape)
    parts = drawn.aval.with_shape(lead + (words, 32 // width))
    spread = block.broadcast(drawn, parts.shape, tuple(range(len(lead) + 1)))
    places = block.op("iota", [], parts, {"iota_dimension": len(lead) + 1})
    places = block.op("multiply", [places, block.constant(width, WORD, parts.shape)], parts)
    shifted = block.op("shift_right_logical", [spread, places], parts)
    masked = block.op("and", [shifted, block.constant((1 << width) - 1, WORD, parts.shape)], parts)
    narrow = block.op("convert", [masked], parts.with_dtype(of.dtype))
    return block.reshape(_cut(block, block.reshape(narrow, lead + (words * 32 // width,)), 0, size), of.shape)


def _key_lead(name, keys):
    if keys.dtype != WORD or not keys.ndim or keys.shape[-1] != 2:
        raise TypeError(f"{name} needs a key: a uint32 array of shape (2,), as random.key(seed) returns; got "
                        f"{keys.dtype.name} of shape {keys.shape}")
    return keys.shape[:-1]


def _bits_infer(keys, *, width, shape):
    return aval(_key_lead("random.bits", keys) + shape, numpy.dtype(f"uint{width}"))


def _bits_emit(block, operands, out_avals, *, width, shape):
    of = out_avals[0]
    if not config.threefry_partitionable:
        return _one_stream(block, operands[0], of, width, shape)
    high, low = _counted(block, operands[0], shape)
    if width == 64:
        high, low = block.op("convert", [high], of), block.op("convert", [low], of)
        return block.op("or", [block.op("shift_left", [high, block.constant(32, of.dtype, of.shape)], of), low], of)
    word = block.op("xor", [high, low], high.aval)
    return word if width == 32 else block.op("convert", [word], of)


_bits = Primitive("random_bits", _bits_infer, _bits_emit)


def _paired(block, first, second):
    of = first.aval.with_shape(first.aval.shape + (1,))
    return block.op("concatenate", [block.reshape(first, of.shape), block.reshape(second, of.shape)],
                    of.with_shape(first.aval.shape + (2,)), {"dimension": first.aval.ndim})


def _split_emit(block, operands, out_avals, *, shape):
    if not config.threefry_partitionable:
        return block.reshape(_halves(block, operands[0], 2 * math.prod(shape)), out_avals[0].shape)
    return _paired(block, *_counted(block, operands[0], shape))


_split = Primitive("random_split", lambda keys, *, shape: aval(_key_lead("random.split", keys) + shape + (2,), WORD), _split_emit)


def _fold_emit(block, operands, out_avals):
    keys, data = operands
    return _paired(block, *encrypt(block, *_words(block, keys), block.constant(0, WORD, data.aval.shape), data))


_fold_in = Primitive("random_fold_in", lambda keys, data: aval(_key_lead("random.fold_in", keys) + (2,), WORD), _fold_emit)


def _bitcast_infer(x, *, dtype):
    return aval(x.shape, dtype)


_bitcast = Primitive("bitcast_float", _bitcast_infer, lambda block, operands, out_avals, *, dtype: block.op(
    "bitcast_convert", operands, out_avals[0]))


# ---- keys ----

def one_key(key, name: str) -> Array:
    """Return a sampler's key as an Array; ValueError for several keys, TypeError for what is no key."""
    key = as_operand(key, name)
    if key.shape == (2,) and key.dtype == WORD:
        return key
    if _key_lead(f"random.{name}", key):
        raise ValueError(f"{name} accepts a single key, but was given a key array of shape {key.shape[:-1]} != (). Use vmap for "
                         "batching.")
    return key


def PRNGKey_batched(seed, impl=None, over=()):
    """Make a key of every seed."""
    return seeded(seed)


@op(constant=True, batch=PRNGKey_batched)
def PRNGKey(seed, *, impl=None):
    """Return the key of an integer seed: a uint32 array of shape (2,).

    TypeError for a seed that is no integer scalar; ValueError for an ``impl`` other than "threefry2x32" (or None).
    """
    if impl not in (None, "threefry2x32"):
        raise ValueError(f"PRNGKey: impl {impl!r} is not supported; use 'threefry2x32', the default")
    if isinstance(seed, (int, numpy.integer)) and not isinstance(seed, (bool, numpy.bool_)):
        return Array(_host_key(int(seed)))
    seed = as_operand(seed, "PRNGKey")
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
        return _paired(block, block.constant(0, WORD, of.shape), low)
    high = block.op("shift_right_logical", [seed, block.constant(32, of.dtype, of.shape)], of)
    return _paired(block, block.op("convert", [high], of.with_dtype(WORD)), low)


_seeded = Primitive("random_seed", lambda seed: aval(seed.shape + (2,), WORD), _seeded_emit)


def count_shape(num) -> tuple:
    """Return the shape of keys that ``num``, a number or a shape, asks for."""
    return tuple(map(operator.index, num)) if isinstance(num, (tuple, list)) else (operator.index(num),)


@op(constant=True, batch=lambda key, num=2, over=(): draw_keys(key, num))
def split(key, num=2):
    """Return ``num`` (a number or a shape) new keys, as a uint32 array with a last axis of 2."""
    return _split(one_key(key, "split"), shape=count_shape(num))


@op(constant=True, batch=lambda keys, num, over=(): draw_keys(keys, num))
def draw_keys(keys, num):
    """Split every key."""
    return _split(as_operand(keys, "split"), shape=count_shape(num))


def fold_in_batched(key, data, over=()):
    """Fold a number into every key, a number of its own if they are batched."""
    from runtime import numpy as np
    if "key" not in over:
        key = np.broadcast_to(key, np.shape(data) + (2,))
    if "data" not in over:
        data = np.broadcast_to(data, key.shape[:-1])
    return fold_in_each(key, data)


@op(constant=True, batch=fold_in_batched)
def fold_in(key, data):
    """Return the key made of a key and an integer (taken as a uint32)."""
    data = as_operand(data, "fold_in")
    if data.ndim:
        raise TypeError(f"fold_in accepts a scalar, but was given an array of shape {data.shape} != (). Use vmap for batching.")
    return _fold_in(one_key(key, "fold_in"), cast(data, WORD))


def _fold_each_batched(key, data, over=()):
    from runtime import numpy as np
    if "key" not in over:
        key = np.broadcast_to(key, data.shape[:1] + key.shape)
    if "data" not in over:
        data = np.broadcast_to(data, key.shape[:-1])
    return fold_in_each(key, data)


@op(constant=True, batch=_fold_each_batched)
def fold_in_each(key, data):
    """Fold one number into each key: keys of shape (..., 2), data of shape (...)."""
    return _fold_in(as_operand(key), cast(as_operand(data), WORD))


# ---- bits and floats ----

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
    return _bits(as_operand(keys), width=8 * dtype.itemsize, shape=shape_tuple(shape))


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
    return _uniform(as_operand(keys), float(low), float(high), shape=shape_tuple(shape), dtype=dtype)


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
    return _KERNELS[name](as_operand(keys), shape=shape_tuple(shape), dtype=dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("normal", key, shape, dtype))
def normal(key, shape=(), dtype=None):
    """Return samples from the standard normal distribution, of a float or complex dtype."""
    return draw("normal", one_key(key, "normal"), shape, dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("exponential", key, shape, dtype))
def exponential(key, shape=(), dtype=None):
    """Return samples from the exponential distribution with mean 1."""
    return draw("exponential", one_key(key, "exponential"), shape, dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("laplace", key, shape, dtype))
def laplace(key, shape=(), dtype=None):
    """Return samples from the Laplace distribution with mean 0 and scale 1."""
    return draw("laplace", one_key(key, "laplace"), shape, dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("logistic", key, shape, dtype))
def logistic(key, shape=(), dtype=None):
    """Return samples from the logistic distribution with mean 0 and scale 1."""
    return draw("logistic", one_key(key, "logistic"), shape, dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, over=(): draw("cauchy", key, shape, dtype))
def cauchy(key, shape=(), dtype=None):
    """Return samples from the Cauchy distribution with location 0 and scale 1."""
    return draw("cauchy", one_key(key, "cauchy"), shape, dtype)


@op(constant=True, batch=lambda key, shape=(), dtype=None, mode=None, over=(): draw_gumbel(key, shape, dtype, mode))
def gumbel(key, shape=(), dtype=None, mode=None):
    """Return samples from the Gumbel distribution; mode "high" reaches further into the tail than "low", the default."""
    return draw_gumbel(one_key(key, "gumbel"), shape, dtype, mode)


@op(constant=True, batch=lambda keys, shape, dtype=None, mode=None, over=(): draw_gumbel(keys, shape, dtype, mode))
def draw_gumbel(keys, shape, dtype=None, mode=None):
    """Sample from the Gumbel distribution from every key."""
    if mode not in (None, "low", "high"):
        raise ValueError(f"gumbel: mode {mode!r}; use 'low' or 'high'")
    return _gumbel(as_operand(keys), shape=shape_tuple(shape), dtype=float_dtype(dtype, "gumbel"), mode=mode or "low")


@op(constant=True, batch=lambda keys, shape, axis, over=(): draw_order(keys, shape, axis))
def draw_order(keys, shape, axis):
    """Return from every key a random order along an axis, counted from the right: int32 places of the given shape.

    It is that of repeated sorting by random words, as often as makes equal words unlikely to matter.
    """
    return _order(as_operand(keys), shape=shape_tuple(shape), axis=axis)


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
