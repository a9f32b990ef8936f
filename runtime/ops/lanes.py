"""Special functions computed by Python over ops: elementwise kernels whose loops run until every element has converged."""
from __future__ import annotations

import numpy

from runtime.array import Array
from runtime.control import while_loop
from runtime.hlo import into
from runtime.ops.binary import logical_and, where
from runtime.ops.create import array, full_like
from runtime.ops.elementwise import abs as size
from runtime.ops.kernel import elementwise, real_dtype
from runtime.ops.reduce import any_
from runtime.primitive import Primitive, as_operand, lift_array
from runtime.types import kind


def computed(name: str, function, accepts: str = "biuf", strong: bool = True) -> Primitive:
    """Make an elementwise primitive of a function over ops; its operands arrive promoted, broadcast and of at least 32 bits."""
    def build(block, values, of):
        narrow = of.dtype.itemsize < 4 and kind(of.dtype) == "f"
        if narrow:
            values = [block.convert(v, v.aval.with_dtype(numpy.dtype("float32"))) for v in values]
        with into(block):
            out = lift_array(block, as_operand(function(*[Array(v) for v in values])))
        return block.convert(out, of)
    return elementwise(name, build, accepts, "inexact", strong=strong)


def epsilon(x) -> float:
    """Return the spacing of numbers around one in the dtype of x."""
    return float(numpy.finfo(x.dtype).eps)


def iterate(step, *state, limit: int = 2000) -> tuple:
    """Repeat ``going, *state = step(k, *state)`` for k = 1, 2, ...; an element keeps its state once it no longer goes on."""
    def test(k, going, *current):
        return logical_and(k < limit, any_(going))

    def body(k, going, *current):
        still, *new = step(k, *current)
        return k + 1, logical_and(going, still), *[where(going, n, c) for n, c in zip(new, current)]
    out = while_loop(test, body, array(1.0, real_dtype(state[0].dtype)), full_like(state[0], True, dtype=bool), *state)
    return out[2:]


def fraction(terms, first, limit: int = 2000):
    """Return first + a1 / (b1 + a2 / (b2 + ...)), where ``terms(k)`` is (a_k, b_k): Lentz's method as modified by Thompson
    and Barnett, Journal of Computational Physics 64 (1986)."""
    eps, small = epsilon(first), full_like(first, 1e-30)

    def step(k, h, c, d):
        a, b = terms(k)
        d = b + a * d
        d = 1.0 / where(d == 0, small, d)
        c = b + a / c
        c = where(c == 0, small, c)
        return size(c * d - 1.0) > 2 * eps, h * c * d, c, d
    start = where(first == 0, small, first)
    return iterate(step, start, start, full_like(first, 0.0), limit=limit)[0]


def fraction_dot(terms, first, first_dot, limit: int = 2000):
    """Return (f, tangent of f) for the continued fraction f whose ``terms(k)`` are (a_k, b_k, tangent of a_k, tangent of b_k)."""
    eps, small = epsilon(first), full_like(first, 1e-30)

    def step(k, h, c, d, h_dot, c_dot, d_dot):
        a, b, a_dot, b_dot = terms(k)
        denominator = b + a * d
        denominator = where(denominator == 0, small, denominator)
        d_dot = -(b_dot + a_dot * d + a * d_dot) / (denominator * denominator)
        d = 1.0 / denominator
        c_dot = b_dot + a_dot / c - a * c_dot / (c * c)
        c = b + a / c
        c = where(c == 0, small, c)
        change = c * d
        new = h * change
        new_dot = h_dot * change + h * (c_dot * d + c * d_dot)
        going = (size(change - 1.0) > 2 * eps) | (size(new_dot - h_dot) > 2 * eps * size(new_dot))
        return going, new, c, d, new_dot, c_dot, d_dot
    start = where(first == 0, small, first)
    zero = full_like(first, 0.0)
    h, _, _, h_dot, _, _ = iterate(step, start, start, zero, first_dot, first_dot, zero, limit=limit)
    return h, h_dot


def series(term, ratio, limit: int = 2000):
    """Return term + term * ratio(1) + term * ratio(1) * ratio(2) + ..."""
    eps = epsilon(term)

    def step(k, total, last):
        last = last * ratio(k)
        return size(last) > 0.5 * eps * size(total), total + last, last
    return iterate(step, term, term, limit=limit)[0]
