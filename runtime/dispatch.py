"""The shortest way from a call of a jitted function to its program: Python written for the kinds of its arguments.

A call costs some 4 us in XLA, so each look-up beside it shows. For an array or number and a static argument the code is ::

    def call(*args, **named):
        try:
            a0, a1 = args
            b0 = (a0 if type(a0) is Array else numbers[type(a0)](a0))._v
            home, execute, handlers, unflatten = programs[b0.aval, type(a1), a1]
            known = not named and b0._sharding is home
        except UNKNOWN:
            known = False
        ...

What it does not know (host arrays, keywords, other devices, symbolic arrays, a signature seen for the first time) goes to
the general path. ``programs`` is filled there.
"""
from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from runtime.array import Array, scalar
from runtime.execute import explain
from runtime.tree import LEAVES
from runtime.xla import XlaError

FLAT = 8  # arguments up to which each has a variable of its own
NUMBERS = dict.fromkeys((bool, int, float, complex), scalar)
UNKNOWN = (AttributeError, KeyError, ValueError, TypeError, OverflowError)

_HEAD = """\
def call(*args, **named):
"""
_GUARD = """\
    if holder{i}.get(name{i}) is not value{i}:
        return general(*args, **named)
"""
_FLAT = """\
    try:
        {arguments}, = args
        {read}
        home, execute, handlers, unflatten = programs[{key}]
        known = {known}
    except UNKNOWN:
        known = False
    if not known:
        return general(*args, **named)
    buffers = [{buffers}]
"""
_TREE = """\
    leaves, tree = flatten(args)
    try:
        buffers = list(map(buffer_of, leaves))
        home, execute, handlers, unflatten = programs[(tree, *map(aval_of, buffers))]
        known = not named and list(map(sharding_of, buffers)) == [home] * len(buffers)
    except UNKNOWN:
        known = False
    if not known:
        return general(*args, **named)
"""
_TAIL = """\
    try:
        out = execute(buffers).consume_with_handlers(handlers)
    except (XlaError, ValueError) as error:
        raise explain(error, buffers) from error
    return out[0] if unflatten is None else unflatten(out)
"""
_codes: dict = {}


def kinds(args, static: tuple[int, ...]) -> str | None:
    """Return a letter for each argument ('v' an array or a number, 's' static), '' for containers of arrays, else None."""
    if len(args) <= FLAT:
        found = "".join(["s" if i in static else "v" if type(a) is Array or type(a) in NUMBERS else "?"
                         for i, a in enumerate(args)])
        if "?" not in found and "v" in found:
            return found
    return "" if not static and all(type(leaf) is Array for leaf in LEAVES.flatten(args)[0]) else None


def program_key(kinds: str, args, avals: list):
    """Return the key under which the program of a call is found; ``avals`` are the types of its leaves."""
    if not kinds:
        return (LEAVES.flatten(args)[1], *avals)
    feed = iter(avals)
    parts = []
    for kind, a in zip(kinds, args):
        parts += [type(a), a] if kind == "s" else [next(feed)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def dispatcher(programs: dict, kinds: str, guards, general: Callable) -> Callable:
    """Return the function that runs calls with arguments of these kinds and hands all others to ``general``.

    guards: (namespace, name, value) that hold as long as the programs are those of the user's functions.
    """
    key = kinds, len(guards)
    code = _codes.get(key)
    if code is None:
        code = _codes[key] = compile(_source(*key), f"<dispatch of {kinds or 'containers'}>", "exec")
    names = {"programs": programs, "general": general, "flatten": LEAVES.flatten, "XlaError": XlaError, "explain": explain,
             "buffer_of": attrgetter("_v"), "aval_of": attrgetter("aval"), "sharding_of": attrgetter("_sharding"),
             "Array": Array, "numbers": NUMBERS, "UNKNOWN": UNKNOWN}
    for i, (holder, name, value) in enumerate(guards):
        names.update({f"holder{i}": holder, f"name{i}": name, f"value{i}": value})
    exec(code, names)
    return names["call"]


_READ = "b{i} = (a{i} if type(a{i}) is Array else numbers[type(a{i})](a{i}))._v"


def _source(kinds: str, guards: int) -> str:
    text = _HEAD + "".join([_GUARD.format(i=i) for i in range(guards)])
    if not kinds:
        return text + _TREE + _TAIL
    moving = [i for i, kind in enumerate(kinds) if kind != "s"]
    return text + _FLAT.format(
        arguments=", ".join([f"a{i}" for i in range(len(kinds))]), buffers=", ".join([f"b{i}" for i in moving]),
        read="; ".join([_READ.format(i=i) for i in moving]),
        key=", ".join([f"type(a{i}), a{i}" if kind == "s" else f"b{i}.aval" for i, kind in enumerate(kinds)]),
        known=" and ".join(["not named", *[f"b{i}._sharding is home" for i in moving]])) + _TAIL
