"""Invalid results: which operation gave the first NaN or infinity, and where the infinity came from that a NaN was made of."""
from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Callable

import numpy as np

from runtime.config import config
from runtime.types import kind

_RUNTIME = os.path.dirname(__file__) + os.sep
# frame -> what tells where its code comes from when it is called, or None where it has nothing to say; the compiler's, if it is there
places: list[Callable] = []
_infinite: dict = {}    # id of a buffer with an infinity -> (weak reference, what tells where the first of its line was made)


class _Repeating(threading.local):
    """In this thread, whether a caller repeats calls of programs with invalid results, and whether it is at that."""
    promised = False
    active = False


repeating = _Repeating()


def value_checks() -> bool:
    """Tell whether results are to be checked."""
    settings = config._values
    return settings["debug_nans"] or settings["debug_infs"]


def check(label: str, results, operands=()) -> None:
    """Raise FloatingPointError if a result has a NaN or an infinity; called when debug_nans or debug_infs is set."""
    for buffer in results:
        host = _numbers(buffer)
        if host is None or np.isfinite(host).all():
            continue
        if config.debug_nans and np.isnan(host).any():
            raise _explained(FloatingPointError(f"invalid value (nan) encountered in {label}"), operands)
        if config.debug_infs and np.isinf(host).any():
            raise FloatingPointError(f"invalid value (inf) encountered in {label}")
        _keep(buffer, operands)


def _numbers(buffer):
    """A buffer as float64 or complex128; None where it holds no such numbers, or not all of them here."""
    from runtime.device import to_numpy
    if kind(buffer.aval.dtype) not in "fc" or not buffer._sharding.is_fully_addressable:
        return None
    host = to_numpy(buffer)
    return host.astype(np.complex128 if kind(host.dtype) == "c" else np.float64)


def _keep(buffer, operands):
    """Note where the infinity in a buffer came from: where that in an operand did, or here."""
    known = [_infinite[id(operand)][1] for operand in operands if id(operand) in _infinite]
    _infinite[id(buffer)] = weakref.ref(buffer, lambda _, key=id(buffer): _infinite.pop(key, None)), known[0] if known else _here()


def _here() -> Callable:
    """Return what tells, when it is called, the line that runs now."""
    frame = sys._getframe(3)
    for place in places:
        found = place(frame)
        if found is not None:
            return found
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        frame = frame.f_back
    text = f':\n  File "{frame.f_code.co_filename}", line {frame.f_lineno}'
    return lambda: text


def _explained(error, operands):
    for operand in operands:
        if id(operand) in _infinite:
            error.add_note(f"It was made of an infinity, which came first from{_infinite[id(operand)][1]()}")
            break
        host = _numbers(operand)
        if host is not None and np.isnan(host).any():
            error.add_note("An operand has a NaN already: it was given, or made where nothing is checked.")
            break
    return error


def locate(error, again: Callable) -> None:
    """Repeat a call of which a program had an invalid result, operation by operation, so that what it raises names the line.

    Returns, with a note on the error, where the call does not raise so a second time.
    """
    before = repeating.active
    repeating.active = True
    try:
        with config.override("disable_jit", True):
            again()
    except FloatingPointError as found:
        if hasattr(found, "program"):
            found.add_note(f"({found.program} runs on several devices at once, and only as one program: map the function with vmap in place of "
                           "pmap or shard_map to find the line)")
        raise found from None
    except Exception as other:
        error.add_note(f"(run operation by operation, the same call raises {type(other).__name__}: {other})")
        return
    finally:
        repeating.active = before
    error.add_note("(run operation by operation, the same call gives no such value)")


__all__ = ["check", "locate", "places", "repeating", "value_checks"]
