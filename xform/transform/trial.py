"""Trials: a function that says whether the body of a ``try`` raises. It has no derivative; a batch is tried as a whole."""
from __future__ import annotations

from xform.errors import refuse
from xform.syntax import assign, call, function, name, returns
from xform.unit import Boundary, Unit


def derive(unit, options, prefix):
    """trial(f): f, whose result is what it raises, or None."""
    from xform.analyze.effects import has_effects
    if has_effects(unit, raising=False):
        refuse(unit.tree.body[0], unit, "the body of a try calls a function that prints or calls back, which is not supported in a "
               "transformed function: whether the body raises is found out first", "Move the call out of the try.")
    return wrapped(unit)


def wrapped(unit):
    """A function that calls ``unit`` and carries the mark."""
    body = [assign("out", call(unit.name, [name(p) for p in unit.params])), returns(name("out"))]
    own = f"{unit.name}_trial"
    return Unit(own, function(own, unit.params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin,
                Boundary("trial", unit, ()), signature=unit.signature)


def vmap(unit, flags, axis_name):
    """A batch is tried as a whole: a body that raises for some examples alone is refused by the transformation of its branches."""
    from xform.pipeline import vmap_of
    inner, _ = vmap_of(unit.boundary.inner, flags, axis_name)
    return wrapped(inner), False
