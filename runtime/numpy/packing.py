"""Packed bits, updates under NumPy's names, and sets with named parts."""
from __future__ import annotations

from collections import namedtuple

import numpy

from runtime.op import op
from runtime.ops.kernel import about_types
from runtime.types import aval_of, canonical_dtype, kind

UniqueAllResult = namedtuple("UniqueAllResult", ["values", "indices", "inverse_indices", "counts"])
UniqueCountsResult = namedtuple("UniqueCountsResult", ["values", "counts"])
UniqueInverseResult = namedtuple("UniqueInverseResult", ["values", "inverse_indices"])


# ---- bytes read as another dtype ----

def viewed(x, dtype):
    """Return the bytes of an array as another dtype; ValueError when the last axis is no whole number of its elements."""
    from runtime import lax
    from runtime import numpy as np
    new, old = canonical_dtype(dtype), x.dtype
    if new == old:
        return x
    if kind(old) == "b" or kind(new) == "b":
        if kind(old) == "b":
            return viewed(np.astype(x, numpy.uint8), new)
        return np.not_equal(viewed(x, numpy.uint8), 0)
    if kind(old) == "c":
        pairs = np.stack([np.real(x), np.imag(x)], -1)
        return viewed(np.reshape(pairs, x.shape[:-1] + (2 * x.shape[-1],)), new)
    if kind(new) == "c":
        parts = viewed(x, numpy.float32 if new == numpy.complex64 else numpy.float64)
        if parts.shape[-1] % 2:
            raise ValueError(f"view: the last axis of shape {x.shape} of {old} is no whole number of elements of {new}")
        return lax.complex(parts[..., 0::2], parts[..., 1::2])
    if new.itemsize > old.itemsize:
        ratio = new.itemsize // old.itemsize
        if not x.ndim or x.shape[-1] % ratio:
            raise ValueError(f"view: the last axis of shape {x.shape} of {old} is no whole number of elements of {new}")
        return lax.bitcast_convert_type(np.reshape(x, x.shape[:-1] + (x.shape[-1] // ratio, ratio)), new)
    found = lax.bitcast_convert_type(x, new)
    return found if new.itemsize == old.itemsize else np.reshape(found, x.shape[:-1] + (-1,))


def byteswapped(x):
    """Return an array with the bytes of every element, of complex ones those of either part, in the other order."""
    from runtime import lax
    from runtime import numpy as np
    if kind(x.dtype) == "c":
        return lax.complex(byteswapped(np.real(x)), byteswapped(np.imag(x)))
    if x.dtype.itemsize == 1:
        return x
    return lax.bitcast_convert_type(np.flip(lax.bitcast_convert_type(x, numpy.uint8), -1), x.dtype)


# ---- bits ----

@about_types
def bit_weights(name, a, axis, bitorder, accepted):
    """Return (axis from the front, the value of each bit of a byte); errors for other dtypes, axes and orders."""
    of = aval_of(a)
    if kind(of.dtype) not in accepted or accepted == "u" and of.dtype != numpy.uint8:
        wanted = "uint8" if accepted == "u" else "booleans or integers"
        raise TypeError(f"{name}: expected an array of {wanted}, got {of.dtype}")
    if bitorder not in ("big", "little"):
        raise ValueError(f"{name}: bitorder must be 'big' or 'little', got {bitorder!r}")
    if axis is not None and not -len(of.shape) <= axis < max(len(of.shape), 1):
        raise ValueError(f"{name}: axis {axis} is out of bounds for array of dimension {len(of.shape)}")
    weights = [128, 64, 32, 16, 8, 4, 2, 1] if bitorder == "big" else [1, 2, 4, 8, 16, 32, 64, 128]
    return 0 if axis is None else axis % max(len(of.shape), 1), tuple(weights)


def packbits(a, axis=None, bitorder="big"):
    """Return bytes of eight bits each, which are set where the elements along an axis (of the flattened array) are not zero."""
    from runtime import numpy as np
    place, weights = bit_weights("packbits", a, axis, bitorder, "biu")
    if axis is None:
        return packed(np.ravel(a), weights)
    return np.moveaxis(packed(np.moveaxis(a, place, -1), weights), -1, place)


def packed(bits, weights):
    """Return the bytes of bits along the last axis, zeros appended to whole bytes."""
    from runtime import numpy as np
    size = bits.shape[-1]
    lacking = -size % 8
    whole = np.concatenate([np.not_equal(bits, 0), np.zeros(bits.shape[:-1] + (lacking,), bool)], -1)
    groups = np.reshape(whole, bits.shape[:-1] + ((size + lacking) // 8, 8))
    return np.astype(np.sum(np.astype(groups, np.int32) * np.array(weights, np.int32), axis=-1), np.uint8)


def unpackbits(a, axis=None, count=None, bitorder="big"):
    """Return the bits of bytes along an axis (of the flattened array) as uint8.

    count: how many bits to keep, zeros appended where there are fewer; negative: how many to leave out at the end.
    """
    from runtime import numpy as np
    place, weights = bit_weights("unpackbits", a, axis, bitorder, "u")
    moved = np.ravel(a) if axis is None else np.moveaxis(a, place, -1)
    bits = np.not_equal(np.bitwise_and(np.expand_dims(moved, -1), np.array(weights, np.uint8)), 0)
    size = moved.shape[-1] * 8
    bits = np.astype(np.reshape(bits, moved.shape[:-1] + (size,)), np.uint8)
    if count is not None:
        kept = size + count if count < 0 else count
        bits = bits[..., :kept]
        if kept > size:
            bits = np.concatenate([bits, np.zeros(bits.shape[:-1] + (kept - size,), np.uint8)], -1)
    return bits if axis is None else np.moveaxis(bits, -1, place)


# ---- updates under NumPy's names ----

def _refuse_in_place(name, inplace):
    if inplace:
        raise ValueError(f"{name} cannot modify arrays in-place, because arrays are immutable. Pass inplace=False to get an updated "
                         "array instead.")


def put(a, ind, v, mode=None, *, inplace=True):
    """Return the array with elements of its flattened form replaced; v is repeated if it is shorter than ``ind``.

    mode: what is done with indices out of range: "clip" (None too) or "wrap". The last of several values for an element holds.
    ``inplace`` must be False.
    """
    from runtime import numpy as np
    _refuse_in_place("put", inplace)
    if mode not in (None, "clip", "wrap"):
        raise ValueError(f"put: mode must be 'clip', 'wrap' or None, got {mode!r}")
    places, values = np.ravel(ind), np.ravel(v)
    a = np.asarray(a)
    size, count = a.size, places.shape[0]
    places = places % size if mode == "wrap" else np.clip(np.where(places < 0, places + size, places), 0, size - 1)
    repeated = np.astype(np.take(values, np.arange(count) % values.shape[0]), a.dtype)
    # the number of the value that each element gets, or -1: so a derivative goes to that one alone
    source = np.full(size, -1).at[places].max(np.arange(count))
    flat = np.where(source >= 0, np.take(repeated, np.maximum(source, 0)), np.ravel(a))
    return np.reshape(flat, a.shape)


def place(arr, mask, vals, *, inplace=True):
    """Return the array with the elements where ``mask`` holds replaced by vals, one after the other and from the start again.

    ``inplace`` must be False.
    """
    from runtime import numpy as np
    _refuse_in_place("place", inplace)
    arr, values = np.asarray(arr), np.ravel(vals)
    flat = np.ravel(np.not_equal(mask, 0))
    turn = np.cumsum(np.astype(flat, np.int32)) - 1
    chosen = np.take(values, np.maximum(turn, 0) % values.shape[0])
    return np.reshape(np.where(flat, np.astype(chosen, arr.dtype), np.ravel(arr)), arr.shape)


@op(constant=True, unbatched=True)
def mask_indices(n, mask_func, k=0, *, size=None):
    """Return the indices (rows, columns) where ``mask_func(ones((n, n)), k)`` is not zero."""
    from runtime import numpy as np
    return np.nonzero(mask_func(np.ones((n, n)), k), size=size)


# ---- order and sets ----

def sort_complex(a):
    """Return the elements of an array as complex numbers, sorted along the last axis by real, then imaginary part."""
    from runtime import numpy as np
    found = np.sort(np.asarray(a), axis=-1)
    return np.astype(found, np.result_type(found, np.complex64))


def unique_all(x, /, *, size=None, fill_value=None):
    """Return the sorted distinct elements, where each occurs first, how to rebuild the array, and how often each occurs."""
    from runtime import numpy as np
    values, indices, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False,
                                                 size=size, fill_value=fill_value)
    return UniqueAllResult(values, indices, inverse, counts)


def unique_counts(x, /, *, size=None, fill_value=None):
    """Return the sorted distinct elements and how often each occurs."""
    from runtime import numpy as np
    values, counts = np.unique(x, return_counts=True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueCountsResult(values, counts)


def unique_inverse(x, /, *, size=None, fill_value=None):
    """Return the sorted distinct elements and the indices that rebuild the array of them."""
    from runtime import numpy as np
    values, inverse = np.unique(x, return_inverse=True, equal_nan=False, size=size, fill_value=fill_value)
    return UniqueInverseResult(values, inverse)


def unique_values(x, /, *, size=None, fill_value=None):
    """Return the sorted distinct elements."""
    from runtime import numpy as np
    return np.unique(x, equal_nan=False, size=size, fill_value=fill_value)


__all__ = ["mask_indices", "packbits", "place", "put", "sort_complex", "unique_all", "unique_counts", "unique_inverse",
           "unique_values", "unpackbits"]
