"""Ranges that staged loops run over, whose bounds may be staged, and the rows of arrays, each by the number of the turn."""
from __future__ import annotations

import builtins
import operator

import numpy as np

from runtime.array import Array, ConcretizationError
from runtime.hlo import Block, Value
from runtime.join import any_symbolic, is_symbolic
from runtime.primitive import lift_array
from runtime.types import aval, kind, python_dtype

INDEX = aval((), np.int32)


def index_value(block: Block, n) -> Value:
    """Return an int or an integer array as an i32 scalar of a block."""
    if isinstance(n, Value):
        return block.convert(n, INDEX)
    if isinstance(n, int):
        return block.constant(n, np.int32)
    value = lift_array(block, n)
    if kind(value.aval.dtype) not in "iu" or value.aval.shape:
        raise TypeError(f"range() takes integers; got an array of type {value.aval}")
    return block.convert(value, INDEX)


def row(block: Block, source: Value, i: Value) -> Value:
    """Emit ``source[i]`` along the first axis, for an i32 scalar within bounds."""
    rest = source.aval.shape[1:]
    zero = block.constant(0, np.int32)
    cut = block.op("dynamic_slice", [source, i] + [zero] * len(rest), source.aval.with_shape((1, *rest)),
                   {"slice_sizes": (1, *rest)})
    return block.reshape(cut, rest)


def write_row(block: Block, target: Value, i: Value, value: Value) -> Value:
    """Emit ``target`` with ``target[i]`` replaced."""
    rest = target.aval.shape[1:]
    zero = block.constant(0, np.int32)
    return block.op("dynamic_update_slice", [target, block.reshape(value, (1, *rest)), i] + [zero] * len(rest), target.aval)


class SymbolicRange:
    """A range whose bounds are known only when the compiled program runs; the step is a Python integer."""

    def __init__(self, start, stop, step: int):
        self.start, self.stop, self.step = start, stop, step

    def count(self, block: Block) -> Value:
        """Emit the number of items."""
        low, high = index_value(block, self.start), index_value(block, self.stop)
        if self.step < 0:
            low, high = high, low
        size = abs(self.step)
        span = block.op("subtract", [high, low], INDEX)
        if size > 1:
            span = block.op("add", [span, block.constant(size - 1, np.int32)], INDEX)
            span = block.op("divide", [span, block.constant(size, np.int32)], INDEX)
        return block.op("maximum", [span, block.constant(0, np.int32)], INDEX)

    def item(self, block: Block, i: Value):
        """Emit item ``i``."""
        return range_item(block, self.start, self.step, i)

    def __iter__(self):
        raise ConcretizationError("a range over a symbolic bound cannot be unrolled: the number of turns is known only when "
                                  "the compiled program runs. Use the loop variable only as an array, or make the bound static.")


def range_item(block, start, step, i):
    """Emit the item of turn ``i`` of a range."""
    number = aval((), python_dtype(int), True)
    wide = block.convert(i, number)
    if step != 1:
        wide = block.op("multiply", [wide, block.constant(step, number.dtype)], number)
    if not (isinstance(start, int) and start == 0):
        first = block.constant(start, number.dtype) if isinstance(start, int) else block.convert(
            lift_array(block, start), number)
        wide = block.op("add", [wide, first], number)
    return Array(Value(wide.name, number, wide.block))


def range(*args):
    """Return the builtin range, or a range with symbolic bounds that a staged loop can run over."""
    if not any_symbolic(args):
        return builtins.range(*map(operator.index, args))
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    if is_symbolic(step):
        raise ConcretizationError("range() needs a step that is known when the function is staged; its sign decides which "
                                  "way the loop runs. Make it a Python integer.")
    step = operator.index(step)
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    return SymbolicRange(start, stop, step)


class Span:
    """A builtin range, as a sequence that a staged loop can run over."""

    def __init__(self, numbers: builtins.range):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def item(self, block, i):
        """Emit item ``i``."""
        return range_item(block, self.numbers.start, self.numbers.step, i)

    def __iter__(self):
        return iter(self.numbers)
