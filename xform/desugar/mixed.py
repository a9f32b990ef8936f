"""Parameters that are taken for numbers, where a factory makes one object of None or of a function and another of a number.

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

import gast

from xform.errors import TransformError, refuse
from xform.syntax import assign, call, const, name
from xform.unit import params_of


class Mixed(TransformError):
    """A name would mean different objects on different paths."""


def refuse_mixed(lowering, node, reason):
    """Refuse a name that means different objects on different paths."""
    try:
        refuse(node, lowering.unit, reason, "Use two names.")
    except TransformError as error:
        raise Mixed(error.reason, hint=error.hint, file=error.file, line=error.line, column=error.column) from None


def is_number(lowering, node) -> bool:
    """Whether an expression is a parameter that is taken for a number, neither None nor a function: the first line checks that."""
    if not lowering.__dict__.get("numbers") or not isinstance(node, gast.Name) or node.id not in params_of(lowering.tree) \
            or lowering.counts.get(node.id, 1) > 1 or lowering.known(node) is not None:
        return False
    lowering.__dict__.setdefault("checked", {})[node.id] = None
    return True


def checks(lowering) -> list:
    """The lines that check the parameters that were taken for numbers."""
    made = []
    for param in lowering.__dict__.get("checked", ()):
        holds = lowering.temp("is_number")
        message = f"{param!r} of {lowering.unit.name} was taken for a number, but the run gives None or a function: pass these by name, not in data"
        made += [assign(holds, call("rt.operators.is_number", [name(param)])), gast.Assert(name(holds), const(message))]
    return made
