"""One thread at a time in the compiler: what it works out is shared, and Python's own parser is for one thread, too."""
from __future__ import annotations

import functools
import threading

_lock = threading.RLock()


def alone(function):
    """Have a function of the compiler wait until no other thread is in one."""
    @functools.wraps(function)
    def call(*args, **kwargs):
        with _lock:
            return function(*args, **kwargs)
    return call
