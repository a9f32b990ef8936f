"""Names that are bound to None and to objects of one class: the attributes are locals, and so is whether there is an object.

Before::

    best = None
    for v in x:
        if best is None or v > best.score:
            best = Found(v, v * v)

After::

    is_given = False
    for v in x:
        either = not is_given
        ...
        if either:
            best_score = v
            best_value = v * v
            is_given = True

That a name is one of these is found out where it gets its object in a branch or loop: the function is then read again.
"""
from __future__ import annotations

import gast

from xform.desugar.attempts import may_read
from xform.desugar.mixed import Mixed, refuse_mixed
from xform.errors import TransformError, refuse
from xform.resolve import Display, Instance, Object
from xform.syntax import clone, const, name

MARK = "is_given"        # beside the attributes: the local that says whether there is an object


class Perhaps(Mixed):
    """A name is bound to None as well as to an object."""
    identifier = known = None


def is_optional(known) -> bool:
    """Whether a compile-time value is an object that may be None."""
    return isinstance(known, Instance) and MARK in known.fields


def given(known, node):
    """The local that says whether there is an object."""
    return name(known.fields[MARK].id, node)


def check(lowering, identifier, own, known, node):
    """Before a name gets an object: read the function again, or refuse it, where the name may have been bound to something else."""
    if identifier in lowering.reading.perhaps or getattr(lowering.scope, "generated", False):
        return
    if isinstance(own, Instance) and is_optional(known) and not is_optional(own):
        _again(lowering, identifier, known, node)
    if own is not None or not lowering.depth or identifier not in lowering.nothing | lowering.plain:
        return
    if identifier in lowering.temps or _may_be_read(lowering.tree, identifier, node):
        if identifier in lowering.plain:
            refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to an object and to something else")
        _again(lowering, identifier, known, node)


def _again(lowering, identifier, known, node):
    if not isinstance(known, Instance) or hasattr(known.cls, "_fields") or hasattr(known.cls, MARK):
        refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to an object and to None")
    try:
        refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to an object and to None")
    except TransformError as error:
        again = Perhaps(error.reason, hint=error.hint, file=error.file, line=error.line, column=error.column)
        again.identifier, again.known = identifier, known
        raise again from None


def _may_be_read(tree, identifier, node):
    """Whether what a name was bound to before a branch or loop may be read in there or behind, where the object may be, too."""
    line = getattr(node, "lineno", None)
    left = [tree.body] if isinstance(getattr(tree, "body", None), list) else []
    while left:
        statements = left.pop()
        for place, statement in enumerate(statements):
            inner = [getattr(statement, field) for field in ("body", "orelse", "finalbody") if getattr(statement, field, None)]
            inner += [h.body for h in [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]]
            if not inner or isinstance(statement, (gast.FunctionDef, gast.ClassDef, gast.Lambda)):
                continue
            if any(getattr(n, "lineno", None) == line for n in gast.walk(statement)):
                if identifier in may_read(statements[place:]):
                    return True
                left += inner
    return False


def of_several_names(lowering, node):
    """Whether ``p = q = <object or None>`` binds several names to one object."""
    if len(node.targets) == 1 or getattr(lowering.scope, "generated", False):
        return False
    known = lowering.known(node.value)
    return isinstance(known, Instance) or isinstance(node.value, gast.Constant) and node.value.value is None


def assign_nothing(lowering, target, value, node):
    """``p = None`` for a name that gets objects, too; returns whether this was one."""
    if not isinstance(target, gast.Name) or not isinstance(value, gast.Constant) or value.value is not None:
        return False
    own = lowering.statics.get(target.id)
    if target.id not in lowering.reading.perhaps:
        if lowering.depth and lowering.counts.get(target.id, 2) > 1 and isinstance(own, Instance) and target.id not in lowering.given:
            _again(lowering, target.id, own, node)
        return False
    from xform.desugar.rebind import named
    own = _own(lowering, target.id, node)
    if named(lowering, own, target.id):
        refuse_mixed(lowering.unit, node, f"{target.id!r} is bound to an object that has other names, and to None")
    lowering.emit(own.fields[MARK].id, const(False, node), node)
    return True


def assign(lowering, identifier, known, node):
    """``p = <object>`` for such a name; returns whether it was one."""
    if identifier not in lowering.reading.perhaps:
        return False
    from xform.desugar.rebind import assign_parts, mismatch, named
    own = _own(lowering, identifier, node)
    pairs, there = [], known.fields.get(MARK) if isinstance(known, Instance) else None
    reason = "have other names" if named(lowering, own, identifier) else mismatch(without_mark(own), without_mark(known), pairs)
    if reason:
        refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to None and to objects that {reason}")
    pairs.append((own.fields[MARK].id, const(True, node) if there is None else clone(there)))
    assign_parts(lowering, own, known, pairs, identifier, node)
    return True


def without_mark(known):
    return Instance(known.cls, {a: v for a, v in known.fields.items() if a != MARK}) if isinstance(known, Instance) else known


def _own(lowering, identifier, node):
    """The object in locals of its own that a name stands for."""
    own = lowering.statics.get(identifier)
    if not is_optional(own):
        own = lowering.statics[identifier] = blank(lowering, lowering.reading.perhaps[identifier], identifier, node, {})
        own.fields[MARK] = name(lowering.temp(f"{identifier}_{MARK}"), node)
        own.birth, own.rebound = lowering.depth, True
    return own


def blank(lowering, known, wanted, node, objects=None):
    """An object like another whose attributes are locals that nothing is assigned to yet."""
    objects = {} if objects is None else objects
    if isinstance(known, Instance):
        if known not in objects:
            made = objects[known] = Instance(known.cls, {})
            made.fields.update({a: blank(lowering, v, f"{wanted}_{a.strip('_')}", node, objects) for a, v in known.fields.items()})
            made.birth, made.rebound = lowering.depth, True
        return objects[known]
    if isinstance(known, Display):
        return Display(tuple([blank(lowering, v, wanted, node, objects) for v in known.items]), known.keys, known.kind)
    if isinstance(known, gast.AST) or isinstance(known, Object) and not lowering.is_static(known):
        return name(lowering.temp(wanted), node)
    return known


def refuse_optional(lowering, known, node, what):
    """Refuse a question that None answers otherwise than an object."""
    if is_optional(known):
        refuse(node, lowering.unit, f"{what} of a name that is None or an object of class {known.cls.__name__}, as the run decides",
               "Ask `is None` first, or use two names.")
