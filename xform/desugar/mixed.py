"""Parameters that are taken for numbers, where a function makes one object of None, a function or an object and another of a number.

Before, called with a number that only the run knows::

    def scaled(rate=None):
        if rate is None:
            return identity()
        if callable(rate):
            return by_schedule(rate)
        return by(rate)

After::

    def scaled(rate):
        is_number = rt.operators.is_number(rate)
        assert is_number, "'rate' of scaled was taken for a number, ..."
        return by(rate)
"""
from __future__ import annotations

import dataclasses

import gast

from xform.errors import TransformError, refuse
from xform.syntax import assign, assigned, call, const, name
from xform.unit import params_of


class Mixed(TransformError):
    """A name would mean different objects on different paths."""


def refuse_mixed(unit, node, reason, hint="Use two names."):
    """Refuse a name that means different objects on different paths."""
    try:
        refuse(node, unit, reason, hint)
    except TransformError as error:
        raise _of_kind(Mixed, error) from None


def _of_kind(kind, error):
    return kind(error.reason, hint=error.hint, file=error.file, line=error.line, column=error.column)


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a function is read: whether parameters are taken for numbers, and which names are bound to None as well as to an object."""
    numbers: bool = False
    perhaps: dict = dataclasses.field(default_factory=dict)


def read_twice(read):
    """What ``read(reading)`` makes of a function, with parameters taken for numbers where it is refused without."""
    reading, refused = Reading(), None
    while True:
        try:
            return read(reading)
        except Mixed as error:
            identifier = getattr(error, "identifier", None)
            if identifier is not None and identifier not in reading.perhaps:
                reading = dataclasses.replace(reading, perhaps={**reading.perhaps, identifier: error.known})
            elif not reading.numbers:
                refused = _of_kind(TransformError, error)
                reading = dataclasses.replace(reading, numbers=True)
            else:       # the functions around it are read once more for what is refused in themselves
                raise refused from None


def is_number(lowering, node, rebound=False) -> bool:
    """Whether an expression is a parameter that is taken for a number, no None, function or object: the first line checks that.

    rebound: whether it may be a parameter that is bound again further on.
    """
    if not lowering.reading.numbers or not isinstance(node, gast.Name) or node.id not in params_of(lowering.tree) \
            or lowering.known(node) is not None:
        return False
    if lowering.counts.get(node.id, 1) > 1 and (not rebound or lowering.depth or node.id in assigned(lowering.out)):
        return False
    lowering.__dict__.setdefault("checked", {})[node.id] = None
    return True


def checks(lowering) -> list:
    """The lines that check the parameters that were taken for numbers."""
    made = []
    for param in lowering.__dict__.get("checked", ()):
        holds = lowering.temp("is_number")
        message = f"{param!r} of {lowering.unit.name} was taken for a number, but the run gives None, a function or an object: pass these by name, not in data"
        made += [assign(holds, call("rt.operators.is_number", [name(param)])), gast.Assert(name(holds), const(message))]
    return made
