"""Random bits by the Threefry-2x32 cipher: new keys from keys, and streams of words."""
from __future__ import annotations

import math

import numpy

from runtime.config import config
from runtime.primitive import Primitive
from runtime.types import aval

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


def key_lead(name, keys):
    if keys.dtype != WORD or not keys.ndim or keys.shape[-1] != 2:
        raise TypeError(f"{name} needs a key, as random.key(seed) returns, or key data: uint32 numbers with a last axis of 2; got "
                        f"{keys.dtype.name} of shape {keys.shape}")
    return keys.shape[:-1]


def _bits_infer(keys, *, width, shape):
    return aval(key_lead("random.bits", keys) + shape, numpy.dtype(f"uint{width}"))


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


random_bits = Primitive("random_bits", _bits_infer, _bits_emit)


def paired(block, first, second):
    of = first.aval.with_shape(first.aval.shape + (1,))
    return block.op("concatenate", [block.reshape(first, of.shape), block.reshape(second, of.shape)],
                    of.with_shape(first.aval.shape + (2,)), {"dimension": first.aval.ndim})


def _split_emit(block, operands, out_avals, *, shape):
    if not config.threefry_partitionable:
        return block.reshape(_halves(block, operands[0], 2 * math.prod(shape)), out_avals[0].shape)
    return paired(block, *_counted(block, operands[0], shape))


split_keys = Primitive("random_split", lambda keys, *, shape: aval(key_lead("random.split", keys) + shape + (2,), WORD), _split_emit)


def _fold_emit(block, operands, out_avals):
    keys, data = operands
    return paired(block, *encrypt(block, *_words(block, keys), block.constant(0, WORD, data.aval.shape), data))


fold_numbers = Primitive("random_fold_in", lambda keys, data: aval(key_lead("random.fold_in", keys) + (2,), WORD), _fold_emit)
