"""Blocks: straight-line array code of a generated function, run as one program where its operands are concrete.

Run operation by operation, ``y = np.tanh(np.dot(x, W) + b)`` is three programs, and each costs some 8 us before it does anything.
Written as a block it is one::

    block_1 = block(lambda x, W, b: (np.tanh(np.dot(x, W) + b),))
    y, = block_1(x, W, b)

The function of a block computes from its arguments alone and changes nothing. Its program is made for the types of the arrays and
for the other arguments as they are (symbolic zeros, tokens of a shape, Python numbers), the second time that they are seen; where
they differ from call to call, or what is computed cannot be staged, the function runs operation by operation, as it would anyway.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable

from runtime import cache
from runtime.array import Array
from runtime.config import config
from runtime.device import default_placement, home_sharding
from runtime.execute import explain
from runtime.hlo import Value, tracing
from runtime.jit import Program
from runtime.join import UNDEFINED
from runtime.stage import stage
from runtime.tree import LEAVES
from runtime.xla import ArrayImpl, XlaError
from runtime.zero import ZERO, Like

AFTER = 2       # times that types are seen before a program is made for them
PROGRAMS = 16   # kept for one block
PYTHON = 4      # of them, for different Python numbers: a loop's counter must not have a program for each turn
_SCALARS = frozenset((bool, int, float, complex, str, bytes, type(None)))
_TOKENS = frozenset((Like, type(ZERO), type(UNDEFINED)))

_blocks: weakref.WeakSet = weakref.WeakSet()


class Block:
    """A function of a block; call it with the values of the variables that it reads, for a list of those that it assigns."""
    __slots__ = ("function", "programs", "seen", "python", "__weakref__")

    def __init__(self, function: Callable):
        self.function = function
        self.programs: dict = {}    # key -> (execute, handlers, finish, home), or None: operation by operation
        self.seen: dict = {}        # key -> how often
        self.python: set = set()    # Python values among the arguments, so far
        _blocks.add(self)

    def __call__(self, *args):
        if tracing.block is not None:
            return self.function(*args)
        home, key, buffers = home_sharding(), [config.signature], []
        for a in args:
            kind = type(a)
            if kind is Array:
                buffer = a._v
                if type(buffer) is not ArrayImpl or buffer._sharding is not home:
                    return self.function(*args)
                key.append(buffer.aval)
                buffers.append(buffer)
            elif kind in _TOKENS:
                key.append(a)
            elif kind in _SCALARS:
                key += (kind, repr(a))  # 0.0 is -0.0 and 1 is True as a key
            else:
                return self.function(*args)
        key = tuple(key)
        try:
            program = self.programs[key]
        except KeyError:
            program = self.meet(key, args, buffers)
        if program is None or program[3] is not home:
            return self.function(*args)
        execute, handlers, finish, _ = program
        try:
            results = execute(buffers).consume_with_handlers(handlers)
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
        return results if finish is None else finish(results, args)

    def meet(self, key: tuple, args: tuple, buffers: list):
        """Return the program of arguments without one, made now, or None: they run operation by operation."""
        values = tuple([(type(a), repr(a)) for a in args if type(a) in _SCALARS])
        if values not in self.python:
            if len(self.python) >= PYTHON:
                return None
            self.python.add(values)
        count = self.seen[key] = self.seen.get(key, 0) + 1
        if count < AFTER or len(self.programs) >= PROGRAMS:
            if len(self.seen) > 2 * PROGRAMS:
                self.seen.clear()
            return None
        self.programs[key] = program = self.made(args, buffers) if buffers else None
        return program

    def made(self, args: tuple, buffers: list):
        """Stage and compile the function for arguments; None where it asks for numbers that only a run has."""
        found: list = []

        def run(*arrays):
            feed = iter(arrays)
            full = [next(feed) if type(a) is Array else a for a in args]
            own: dict = {}
            given = {id(a._v): i for i, a in enumerate(full) if type(a) is Array}
            found[:] = [_template(value, given, own) for value in self.function(*full)]
            return tuple(own.values())
        try:
            tree = LEAVES.flatten((tuple([Array(b) for b in buffers]), {}))[1]
            staged = stage(run, tree, [b.aval for b in buffers], "block")
            if staged.module.facts or None in found or not staged.out_avals:
                return None
            program = Program(staged, default_placement())
        except Exception:   # of whatever kind: the same code runs operation by operation next, and raises what is to be raised
            return None
        handlers = [handler.wrap(Array) for handler in program.handlers]
        plain = all(type(part) is _Result and part.index == i for i, part in enumerate(found))
        return program.direct, handlers, None if plain else _finisher(found), home_sharding()


class _Result:
    """The place of a value among the results of a program."""
    __slots__ = ("index",)

    def __init__(self, index):
        self.index = index


class _Given(_Result):
    """The place of a value among the arguments, of which it is one."""
    __slots__ = ()


class _Fixed(_Result):
    """A value that follows from the types alone."""
    __slots__ = ()


def _template(value, given: dict, own: dict):
    """Return how a value is found again after each run, adding what the program computes to ``own``; None if it cannot be."""
    kind = type(value)
    if kind is Array:
        if id(value._v) in given:
            return _Given(given[id(value._v)])
        if type(value._v) is not Value:
            return _Fixed(value)
        if id(value._v) not in own:
            own[id(value._v)] = value
        return _Result(list(own).index(id(value._v)))
    if kind in _SCALARS or kind in _TOKENS:
        return _Fixed(value)
    if kind is tuple or kind is list:
        parts = kind([_template(item, given, own) for item in value])
        return None if None in parts else parts
    return None


def _finisher(templates: list):
    def fill(part, results, args):
        kind = type(part)
        if kind is _Result:
            return results[part.index]
        if kind is _Given:
            return args[part.index]
        return part.index if kind is _Fixed else kind([fill(inner, results, args) for inner in part])
    return lambda results, args: [fill(part, results, args) for part in templates]


def _forget() -> None:
    for one in list(_blocks):
        one.programs.clear()


cache.releases.append(_forget)

__all__ = ["Block"]
