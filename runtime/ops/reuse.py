"""Whether a random key has been used before: what the setting debug_key_reuse checks."""
from __future__ import annotations

import weakref

from runtime.hlo import Value

_used: weakref.WeakValueDictionary = weakref.WeakValueDictionary()   # the buffer's number -> the buffer, as long as it lives
_KEEPING = {"key_data", "fold_in", "clone"}     # what may be done with a key any number of times


class KeyReuseError(TypeError):
    """A random key from which numbers, or other keys, have been drawn before."""


def check_reuse(keys, name):
    """Note that numbers are drawn from keys; KeyReuseError if that has been done before. Staged keys are not checked."""
    buffer = keys._v
    if name in _KEEPING or type(buffer) is Value:
        return
    if _used.get(id(buffer)) is buffer:
        raise KeyReuseError(f"{name} got a key that has been used before, so that it would draw the same numbers again; pass one of the keys "
                            "that random.split(key) gives, or random.clone(key)")
    _used[id(buffer)] = buffer
