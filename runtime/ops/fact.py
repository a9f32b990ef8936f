"""Facts: functions of shapes, dtypes and other static things, the same for every example of a batch."""
from __future__ import annotations

from collections.abc import Callable

from runtime.op import op


def fact(function: Callable) -> Callable:
    """Register a function of static arguments, and of at most one array, named ``like``, of which it reads shape and dtype.

    Under batching, ``like`` is a token of one example, so the function serves as its own batching rule.
    """
    return op(constant=True, unbatched=True, batch=function)(function)
