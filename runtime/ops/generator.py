"""XLA's own generators of random bits: rng_bit_generator, whose state is a value, and rng_uniform, whose state is XLA's."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, kind, promote_types

NAMES = ("DEFAULT", "THREE_FRY", "PHILOX")
WIDE = numpy.dtype("uint64")


def _bits_emit(block, operands, out_avals, *, algorithm):
    state, bits = out_avals
    key = operands[0]
    narrow = state.dtype.itemsize == 4
    of = aval((state.size // 2,), WIDE) if narrow else state
    if narrow:      # two words are one of XLA's
        key = block.op("bitcast_convert", [block.reshape(key, (of.size, 2))], of)
    made = block.op("rng_bit_generator", [key], [of, bits], {"rng_algorithm": f"#stablehlo<rng_algorithm {algorithm}>"})
    following = made[0]
    if narrow:
        following = block.reshape(block.op("bitcast_convert", [following], aval((of.size, 2), state.dtype)), state.shape)
    return [following, made[1]]


_bits_kernel = Primitive("rng_bit_generator", lambda key, *, shape, dtype, algorithm: (key.strong(), aval(shape, dtype)),
                         lambda block, operands, out_avals, *, shape, dtype, algorithm: _bits_emit(
                             block, operands, out_avals, algorithm=algorithm))


def bits_of_examples(key, shape, dtype="uint32", algorithm=0, *, out_sharding=None, over=()):
    """Generate bits from every example's key."""
    from runtime import numpy as np
    made = [rng_bit_generator(key[i], shape, dtype, algorithm) for i in range(key.shape[0])]
    return np.stack([state for state, _ in made]), np.stack([bits for _, bits in made])


@op(constant=True, batch=bits_of_examples)
def rng_bit_generator(key, shape, dtype="uint32", algorithm=0, *, out_sharding=None):
    """Return (the following key, random bits of a shape and unsigned dtype): XLA's generator, fast, not the same on every platform.

    key: four uint32 or two uint64 words. algorithm: a RandomAlgorithm. TypeError for other keys and dtypes.
    """
    key = as_operand(key, "rng_bit_generator")
    dtype = numpy.dtype(dtype)
    if (key.dtype, key.shape) not in ((numpy.dtype("uint32"), (4,)), (WIDE, (2,))):
        raise TypeError(f"rng_bit_generator: the key must hold four uint32 or two uint64 words, got {key.dtype}{list(key.shape)}")
    if kind(dtype) != "u":
        raise TypeError(f"rng_bit_generator: dtype must be uint8, uint16, uint32 or uint64, got {dtype}; convert the bits")
    state, bits = _bits_kernel(key, shape=tuple(shape), dtype=dtype, algorithm=NAMES[int(algorithm)])
    return state, bits


def _uniform_emit(block, operands, out_avals, *, shape):
    sizes = block.constant(numpy.array(shape, "int64"), numpy.dtype("int64"), (len(shape),))
    return block.op("rng", [*operands, sizes], out_avals[0], {"rng_distribution": "#stablehlo<rng_distribution UNIFORM>"})


_uniform_kernel = Primitive("rng_uniform", lambda a, b, *, shape: aval(shape, a.dtype), _uniform_emit)


@op(constant=True, batch=lambda a, b, shape, over=(): _uniform_of_examples(a, b, shape, over))
def rng_uniform(a, b, shape):
    """Return uniform random numbers of a shape in [a, b), from a generator that XLA keeps: other numbers at every call.

    a, b: scalars of one float or integer dtype. Use ``random.uniform`` for numbers that a key determines.
    """
    a, b = as_operand(a, "rng_uniform"), as_operand(b, "rng_uniform")
    dtype = promote_types(a.dtype, b.dtype)
    if a.shape or b.shape or kind(dtype) not in "fiu":
        raise TypeError(f"rng_uniform: a and b must be real scalars, got {a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}")
    return _uniform_kernel(cast(a, dtype), cast(b, dtype), shape=tuple(shape))


def _uniform_of_examples(a, b, shape, over):
    from runtime import numpy as np
    size = (a if "a" in over else b).shape[0]
    return np.stack([rng_uniform(a[i] if "a" in over else a, b[i] if "b" in over else b, shape) for i in range(size)])
