"""What is known of a program's whole numbers: sums of multiples of loop counters, and between which bounds those run.

A window whose bounds move with a loop has a size that does not::

    for i in range(n):          # i: 0 ... n - 1
        x[2 * i:2 * i + 3]      # 2 i + 3 - 2 i = 3 items, all of them inside if 2 (n - 1) + 3 <= len(x)

``Block.op`` has the numbers that it emits followed here, so that indexing can ask.
"""
from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np

from runtime.array import Array
from runtime.hlo import Block, Value, tracing
from runtime.types import Aval, kind


class Form(NamedTuple):
    """The number ``constant + sum(coefficient * counter)``; ``terms`` maps the names of counters to their coefficients."""
    constant: int
    terms: dict

    def plus(self, other: Form, times: int = 1) -> Form:
        """Return this number plus a multiple of another one."""
        terms = dict(self.terms)
        for name, coefficient in other.terms.items():
            terms[name] = terms.get(name, 0) + times * coefficient
        return Form(self.constant + times * other.constant, {name: c for name, c in terms.items() if c})


_HOLDS = {"EQ": lambda d: d == 0, "NE": lambda d: d != 0, "LT": lambda d: d < 0, "LE": lambda d: d <= 0, "GT": lambda d: d > 0,
          "GE": lambda d: d >= 0}


def count(value: Value, low: int, high: int) -> None:
    """Note that a value, the counter of a loop, runs from ``low`` to ``high``, both included."""
    module = value.block.module
    module.counters[value.name] = (value, low, high)
    module.numbers[value.name] = Form(0, {value.name: 1})


def follow(name: str, operands, made: Value, attributes) -> None:
    """Note what an emitted operation on whole numbers gives, if it is known of its operands."""
    module = made.block.module
    numbers = module.numbers
    forms = [numbers.get(o.name) for o in operands]
    if None in forms:
        return
    a, b = (*forms, None)[:2]
    if name == "compare":
        how = attributes["comparison_direction"].removesuffix(">")[-2:]
        low, high = bounds(module, a.plus(b, -1))
        answers = {_HOLDS[how](difference) for difference in (low, 0, high) if low <= difference <= high}
        if len(answers) == 1:
            module.decided[made.name], = answers
        return
    if name == "add":
        found = a.plus(b)
    elif name == "subtract":
        found = a.plus(b, -1)
    elif name == "multiply" and (not a.terms or not b.terms):
        factor, other = (a, b) if not a.terms else (b, a)
        found = Form(0, {}).plus(other, factor.constant)
    elif name == "negate":
        found = Form(0, {}).plus(a, -1)
    elif name == "convert":
        found = a
    elif name in ("minimum", "maximum"):
        low, high = bounds(module, a.plus(b, -1))
        if low < 0 < high:
            return
        found = a if (high <= 0) == (name == "minimum") else b
    else:
        return
    of = made.aval.dtype
    low, high = bounds(module, found)
    if kind(of) in "iu" and np.iinfo(of).min <= low and high <= np.iinfo(of).max:     # else it is a float, or has wrapped around
        numbers[made.name] = found


def form(x) -> Form | None:
    """Return what is known of a whole number; None for a symbolic one of which nothing is."""
    if type(x) is not Array or type(x._v) is not Value:
        return Form(operator.index(x), {})
    return x._v.block.module.numbers.get(x._v.name)


def decided(test) -> bool | None:
    """Return the answer of a symbolic comparison that holds, or does not, in every turn of the loops around it; else None."""
    return test._v.block.module.decided.get(test._v.name) if type(test) is Array and type(test._v) is Value else None


def bounds(module, number: Form) -> tuple[int, int]:
    """Return the least and the greatest value of a number."""
    low = high = number.constant
    for name, coefficient in number.terms.items():
        ends = [coefficient * end for end in module.counters[name][1:]]
        low, high = low + min(ends), high + max(ends)
    return low, high


def inside(place, size: int) -> bool:
    """Tell whether a symbolic number is known to be an index of an axis, counted from its start."""
    number = form(place) if type(place) is Array and type(place._v) is Value else None
    if number is None:
        return False
    low, high = bounds(tracing.block.module, number)
    return 0 <= low and high < size


def window(start, stop, step: int, size: int):
    """Return (start, count) of the slice ``start:stop:step`` of an axis where its bounds move together and stay inside; else None."""
    low, high = form(start), form(stop)
    if low is None or high is None or step < 1:
        return None
    module = tracing.block.module
    span = high.plus(low, -1)
    if span.terms or not all([0 <= end <= size for number in (low, high) for end in bounds(module, number)]):
        return None
    return (start if low.terms else low.constant), max(0, -(-span.constant // step))


class Line(NamedTuple):
    """The numbers ``coefficient * i + constant`` for the turns i of a loop, of a type; the loops around it may add ``fixed[rest]``."""
    coefficient: int
    constant: int
    rest: int | None
    of: Aval

    def at(self, i, fixed):
        """Return the number of a turn, or of an array of turns."""
        number = self.coefficient * i + self.constant
        return number if self.rest is None else fixed[self.rest] + number

    def emit(self, block: Block, i: Value, fixed) -> Array:
        """Emit the number of a turn."""
        from runtime.primitive import lift_array
        number = block.convert(i, self.of)
        if self.coefficient != 1:
            number = block.op("multiply", [number, block.constant(self.coefficient, self.of.dtype)], self.of)
        if self.constant:
            number = block.op("add", [number, block.constant(self.constant, self.of.dtype)], self.of)
        if self.rest is not None:
            number = block.op("add", [number, block.convert(lift_array(block, fixed[self.rest]), self.of)], self.of)
        return Array(number)

    def later(self, turns: int) -> Line:
        """Return the line of the same numbers where turns are counted from a later one on."""
        return self._replace(constant=self.constant + self.coefficient * turns)


def line(leaf, counter: Value, first: int, fixed: list) -> Line | None:
    """Return the line on which a number of a loop's turns lies, counted from turn ``first``; None if it is not known to lie on one.

    What the loops around it add is emitted into the present block and put into ``fixed``.
    """
    from runtime.primitive import lift_array
    if leaf.shape or kind(leaf.dtype) not in "iu":
        return None
    number = form(leaf)
    if number is None:
        return None
    block, of, place = tracing.block, leaf._v.aval, None
    others = {name: factor for name, factor in number.terms.items() if name != counter.name}
    if others:
        added = None
        for name, factor in others.items():
            part = block.convert(lift_array(block, Array(block.module.counters[name][0])), of)
            if factor != 1:
                part = block.op("multiply", [part, block.constant(factor, of.dtype)], of)
            added = part if added is None else block.op("add", [added, part], of)
        place = len(fixed)
        fixed.append(Array(added))
    return Line(number.terms.get(counter.name, 0), number.constant, place, of).later(first)
