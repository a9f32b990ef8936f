"""Trials: a function that says whether the body of a ``try`` raises. It has no derivative; a batch is tried as a whole."""
from __future__ import annotations

import gast

from xform.errors import refuse
from xform.library import is_runtime
from xform.operations import Opaque, UnitCall, classify
from xform.syntax import assign, blocks, call, function, name, returns
from xform.unit import Boundary, Unit, inside


def derive(unit, options, prefix):
    """trial(f): f, whose result is what it raises, or None."""
    from xform.analyze.effects import has_effects
    if has_effects(unit, raising=False):
        refuse(unit.tree.body[0], unit, "the body of a try calls a function that prints or calls back, which is not supported in a "
               "transformed function: whether the body raises is found out first", "Move the call out of the try.")
    _refuse_unread(unit, set())
    return wrapped(unit)


def _refuse_unread(unit, seen):
    """Refuse calls of what is not read and may do something: the body is run once to find out whether it raises, and then again."""
    from xform.pipeline import core
    if unit in seen or unit.tree is None and not unit.core:
        return
    seen.add(unit)
    read = core(inside(unit))

    def walk(statements):
        for statement in statements:
            if isinstance(statement, (gast.Assign, gast.Expr)):
                operation = classify(statement.value, read)
                if isinstance(operation, UnitCall) and not is_runtime(operation.callee) and operation.readable:
                    _refuse_unread(operation.unit, seen)
                elif isinstance(operation, UnitCall) and not operation.readable or isinstance(operation, Opaque) and not computes(operation, read):
                    what = operation.what if isinstance(operation, Opaque) else operation.path
                    refuse(statement, read, f"a try that makes objects or functions, or that is left by a jump, calls {what}, which is not read: "
                           "whether the body raises is found out first, and so it would be called twice", "Move the call out of the try, or "
                           "assign what the try computes and go on behind it.")
            for block in blocks(statement):
                walk(block)
    walk(read.tree.body)


def computes(operation, unit):
    """Whether something that is not read computes its result and does nothing else."""
    node = operation.node
    target = unit.env.get(node.func.id) if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) else None
    return isinstance(target, type) or getattr(target, "__module__", None) in ("math", "cmath", "_operator", "statistics")


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
