"""Python's ``math`` for generated code: on Python's numbers, which count and index, what ``math`` gives; on arrays what the library gives."""
from __future__ import annotations

import builtins
import dataclasses
import math

from runtime import numpy as np
from runtime.array import Array
from runtime.join import is_symbolic
from runtime.op import RULES, op


def _is_number(x):
    return isinstance(x, (builtins.int, builtins.float))


def _exact(own, like):
    """The function of ``math`` of a name on Python's numbers, an operation of the library on arrays: with the rule of that."""
    python = getattr(math, own)

    def either(*args):
        for x in args:
            if not _is_number(x):
                return like(*args)
        return python(*args)
    either.__name__ = either.__qualname__ = own
    either.__doc__ = f"Return ``math.{own}``, of arrays, too."
    RULES[either] = dataclasses.replace(RULES[like], name=own, function=either)
    return either


sqrt, cbrt = _exact("sqrt", np.sqrt), _exact("cbrt", np.cbrt)
log, log2, log10 = _exact("log", np.log), _exact("log2", np.log2), _exact("log10", np.log10)
exp2, pow = _exact("exp2", np.exp2), _exact("pow", np.power)


def log_to_base(x, base):
    """Return the logarithm of ``x`` to a base."""
    if both_numbers(x, base):
        return exact_log(x, base)
    return np.log(x) / np.log(base)


@op(constant=True, unbatched=True)
def both_numbers(x, y):
    """Say whether two values are Python's numbers."""
    return _is_number(x) and _is_number(y)


@op(constant=True, elementwise=True)
def exact_log(x, base):
    """Return ``math.log(x, base)`` of Python's numbers."""
    return math.log(x, base)


@op(partials={"x": "out * rt.digamma(x)"})
def gamma(x):
    """Return the gamma function."""
    if _is_number(x):
        return math.gamma(x)
    from runtime.scipy.special import gamma as of_arrays
    return of_arrays(x)


# -- whole numbers ----------------------------------------------------------------------------------------------------

def _whole(x, python, of_arrays):
    """A Python integer where the value is known, an array of integers elsewhere."""
    if _is_number(x):
        return python(x)
    if isinstance(x, Array) and not x.shape and not is_symbolic(x):
        return python(builtins.float(x))
    return np.astype(of_arrays(x), builtins.int)


@op(constant=True, elementwise=True)
def floor(x):
    """Return the largest integer that is no larger than ``x``."""
    return _whole(x, math.floor, np.floor)


@op(constant=True, elementwise=True)
def ceil(x):
    """Return the smallest integer that is no smaller than ``x``."""
    return _whole(x, math.ceil, np.ceil)


@op(constant=True, elementwise=True)
def trunc(x):
    """Return ``x`` without its fraction, as an integer."""
    return _whole(x, math.trunc, np.trunc)


# -- several numbers ----------------------------------------------------------------------------------------------------

def fabs(x):
    """Return the absolute value as a floating-point number."""
    return abs(x) * 1.0


def remainder(x, y):
    """Return what is left of ``x`` by the multiple of ``y`` that is nearest to it (IEEE 754)."""
    return x - y * np.rint(x / y)


def fsum(seq):
    """Return the sum of the items."""
    total = 0.0
    for item in seq:
        total = total + item
    return total


def prod(iterable, *, start=1):
    """Return the product of the items and ``start``."""
    total = start
    for item in iterable:
        total = total * item
    return total


def sumprod(p, q):
    """Return the sum of the products of corresponding items."""
    total = 0
    for a, b in zip(p, q):
        total = total + a * b
    return total


def dist(p, q):
    """Return the distance of two points, given as sequences of coordinates."""
    return np.linalg.norm(np.stack([a - b for a, b in zip(p, q)]))


def hypot(*coordinates):
    """Return the distance of a point from the origin."""
    return np.linalg.norm(np.stack([x * 1.0 for x in coordinates]))


def modf(x):
    """Return (fraction, integer part), both with the sign of ``x``."""
    whole = np.trunc(x)
    return x - whole, whole


def ldexp(x, i):
    """Return ``x * 2 ** i``."""
    return x * 2.0 ** i


def isclose(a, b, *, rel_tol=1e-09, abs_tol=0.0):
    """Say whether two numbers are close to each other: neither is taken for the true one."""
    return (a == b) | (abs(a - b) <= np.maximum(rel_tol * np.maximum(abs(a), abs(b)), abs_tol))
