"""The shortest way from a call of a jitted function to its program: Python written for the structure of its arguments.

A call costs some 4 us in XLA, so each look-up beside it shows. For an array or number, a pair of them in a list, and a
static argument the code is ::

    def call(*args, **named):
        try:
            a0, a1, a2 = args
            b0 = (a0 if type(a0) is Array else numbers[type(a0)](a0))._v
            [x0, x1] = a1
            b1 = ...
            home, execute, handlers, unflatten = programs[b0.aval, b1.aval, b2.aval, type(a2), a2]
            known = not named and type(a1) is list and (home is None or b0._sharding is home and ...)
        except UNKNOWN:
            known = False
        ...

Where a program of that signature runs on several devices, ``home`` is None and ``execute`` the function that jaxlib dispatches: it
tells by itself how its arguments lie.

What it does not know (host arrays, keywords, other devices, symbolic arrays, a signature seen for the first time) goes to
the general path, which fills ``programs``.
"""
from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import numpy

from runtime.array import Array, host_array, scalar
from runtime.execute import explain
from runtime.tree import LEAVES
from runtime.xla import XlaError, jax_is_loaded

NAMED = 40  # leaves up to which each has a variable of its own
NUMBERS = dict.fromkeys((bool, int, float, complex), scalar)
HOST = dict.fromkeys((numpy.ndarray, numpy.float32, numpy.float64, numpy.int32, numpy.int64, numpy.bool_), host_array)
UNKNOWN = (AttributeError, KeyError, IndexError, ValueError, TypeError, OverflowError)
VALUE, STATIC, NOTHING, ANY = "value", "static", "nothing", "any"

_HEAD = """\
def call(*args, **named):
"""
_GUARD = """\
    if holder{i}.get(name{i}) is not value{i}:
        return general(*args, **named)
"""
_READ = """\
    try:
        {read}
        home, execute, handlers, unflatten = programs[{key}]
        known = {known}
    except UNKNOWN:
        known = False
    if not known:
        return general(*args, **named)
    if home is None:
        return execute({args})
    buffers = [{buffers}]
"""
_FLATTEN = """\
    try:
        leaves, tree = flatten(({args},))
        buffers = list(map(buffer_of, leaves))
        home, execute, handlers, unflatten = programs[(tree, *map(aval_of, buffers))]
        known = len(named) == {count} and (home is None or list(map(sharding_of, buffers)) == [home] * len(buffers))
    except UNKNOWN:
        known = False
    if not known:
        return general(*args, **named)
    if home is None:
        return execute({args})
"""
_TAIL = """\
    try:
        out = execute(buffers).consume_with_handlers(handlers)
    except (XlaError, ValueError) as error:
        raise explain(error, buffers) from error
    return out[0] if unflatten is None else unflatten(out)
"""
_codes: dict = {}


def structure(args, static: tuple[int, ...]):
    """Return the structure of positional arguments, hashable; ANY for many leaves or other containers, None for other data."""
    parts = tuple([STATIC if i in static else _structure(a) for i, a in enumerate(args)])
    if None not in parts and 0 < _values(parts) <= NAMED:
        return parts
    return ANY if not static and all(type(leaf) is Array for leaf in LEAVES.flatten(args)[0]) else None


def _structure(x):
    kind = type(x)
    if kind is Array or kind in NUMBERS or kind in HOST and jax_is_loaded():
        return VALUE        # jaxlib's own dispatcher takes host arrays faster, but makes jax's arrays of them where jax is loaded
    if x is None:
        return NOTHING
    if kind is list or kind is tuple:
        parts = tuple(map(_structure, x))
    elif kind is dict and all([type(key) is str for key in x]):
        parts = tuple([(key, _structure(x[key])) for key in sorted(x)])
        return None if any([part is None for _, part in parts]) else ("dict", *parts)
    else:
        return None
    return None if None in parts else (kind.__name__, *parts)


def _values(parts) -> int:
    return (parts == VALUE if isinstance(parts, str) else sum(map(_values, parts)))


def program_key(of, args, avals: list):
    """Return the key under which the program of a call is found; ``avals`` are the types of its leaves."""
    if of == ANY:
        return (LEAVES.flatten(args)[1], *avals)
    feed, parts = iter(avals), []
    for part, a in zip(of, args):
        parts += [type(a), a] if part == STATIC else [next(feed) for _ in range(_values(part))]
    return parts[0] if len(parts) == 1 else tuple(parts)


def keep(direct: dict, of, args, buffers: list, found: tuple) -> None:
    """Have calls that look like this one run (home, execute, handlers, unflatten); ``direct`` holds the programs by structure."""
    direct.setdefault(of, {})[program_key(of, args, [b.aval for b in buffers])] = found


def dispatcher(programs: dict, of, guards, general: Callable, names: tuple[str, ...] = ()) -> Callable:
    """Return the function that runs calls with arguments of a structure and hands all others to ``general``.

    programs: filled by the general path for calls of this structure. guards: (namespace, name, value) that hold as long as
    the programs are those of the user's functions. names: the last arguments, when they are given by keyword.
    """
    key = of, len(guards), names
    code = _codes.get(key)
    if code is None:
        given = ", ".join(["*args", *[f"named[{n!r}]" for n in names]])
        body = _FLATTEN.format(args=given, count=len(names)) if of == ANY else _Reader(of, names).text()
        text = _HEAD + "".join([_GUARD.format(i=i) for i in range(len(guards))]) + body + _TAIL
        code = _codes[key] = compile(text, "<dispatch>", "exec")
    space = {"programs": programs, "general": general, "flatten": LEAVES.flatten, "XlaError": XlaError, "explain": explain,
             "buffer_of": attrgetter("_v"), "aval_of": attrgetter("aval"), "sharding_of": attrgetter("_sharding"),
             "Array": Array, "numbers": {**NUMBERS, **HOST}, "UNKNOWN": UNKNOWN}
    for i, (holder, name, value) in enumerate(guards):
        space.update({f"holder{i}": holder, f"name{i}": name, f"value{i}": value})
    exec(code, space)
    return space["call"]


class _Reader:
    """Writes the lines that take arguments of one structure apart, in the order in which LEAVES flattens them."""

    def __init__(self, of, keywords):
        self.lines, self.checks, self.places, self.key, self.buffers, self.count = [], [], [], [], [], 0
        self.names = names = [f"a{i}" for i in range(len(of))]
        self.checks.append(f"len(named) == {len(keywords)}" if keywords else "not named")
        self.lines.append(f"[{', '.join(names[:len(of) - len(keywords)])}] = args")
        self.lines += [f"{name} = named[{keyword!r}]" for name, keyword in zip(names[len(of) - len(keywords):], keywords)]
        for name, part in zip(names, of):
            self.read(name, part)

    def fresh(self) -> str:
        self.count += 1
        return f"x{self.count}"

    def read(self, name, part):
        if part == VALUE:
            buffer = f"b{len(self.buffers)}"
            self.lines.append(f"{buffer} = ({name} if type({name}) is Array else numbers[type({name})]({name}))._v")
            self.buffers.append(buffer)
            self.key.append(f"{buffer}.aval")
            self.places.append(f"{buffer}._sharding is home")
        elif part == STATIC:
            self.key += [f"type({name})", name]
        elif part == NOTHING:
            self.checks.append(f"{name} is None")
        elif part[0] == "dict":
            self.checks.append(f"type({name}) is dict and len({name}) == {len(part) - 1}")
            for key, inner in part[1:]:
                item = self.fresh()
                self.lines.append(f"{item} = {name}[{key!r}]")
                self.read(item, inner)
        else:
            self.checks.append(f"type({name}) is {part[0]}")
            items = [self.fresh() for _ in part[1:]]
            self.lines.append(f"[{', '.join(items)}] = {name}")
            for item, inner in zip(items, part[1:]):
                self.read(item, inner)

    def text(self) -> str:
        known = " and ".join([*self.checks, f"(home is None or {' and '.join(self.places)})"])
        return _READ.format(read="\n        ".join(self.lines), key=", ".join(self.key), known=known,
                            args=", ".join(self.names), buffers=", ".join(self.buffers))
