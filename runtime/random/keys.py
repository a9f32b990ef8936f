"""Keys: arrays of an element type of their own, and the numbers that they are made of."""
from __future__ import annotations

from runtime.op import op as _op
from runtime.ops.random import IMPLEMENTATION, PRNGKey, check_impl, is_typed, typed, words_of
from runtime.types import KEY as _KEY


def key(seed, *, impl=None, dtype=None):
    """Return the key of an integer seed: a scalar array whose element type is a key's.

    TypeError for a seed that is no integer scalar; ValueError for an ``impl`` or ``dtype`` (the same, by its newer name) other than
    "threefry2x32" (or None), and for both.
    """
    return typed(PRNGKey(seed, impl=one_of("key", impl, dtype)))


def key_data(keys):
    """Return the uint32 numbers of a key or keys, along a last axis of 2; TypeError for what is no key."""
    return words_of(keys)


@_op(constant=True, unbatched=True)
def one_of(name, impl, dtype):
    """Return the generator that two options name; ValueError where both are given."""
    if impl is not None and dtype is not None:
        raise ValueError(f"Cannot specify both `impl` and `dtype` arguments to random.{name}")
    return impl if dtype is None else dtype


def wrap_key_data(key_bits_array, *, impl=None, dtype=None):
    """Return the keys made of uint32 numbers with a last axis of 2; TypeError for other numbers or shapes."""
    checked(one_of("wrap_key_data", impl, dtype))
    return typed(key_bits_array)


@_op(constant=True, unbatched=True)
def checked(impl):
    """Raise ValueError for a generator that there is not."""
    check_impl(impl)


@_op(constant=True, unbatched=True)
def key_impl(keys):
    """Return the name of the generator of a key."""
    return IMPLEMENTATION


@_op(constant=True, unbatched=True)
def key_dtype(impl_spec=None):
    """Return the element type of the keys of a generator, "threefry2x32" by default."""
    check_impl(impl_spec)
    return _KEY


@_op(constant=True, batch=lambda key, over=(): clone(key))
def clone(key):
    """Return the key, to be used once more."""
    return typed(words_of(key)) if is_typed(key) else key
