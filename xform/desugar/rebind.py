"""Names that are bound to objects more than once: each keeps one set of locals, which get the attributes.

Before::

    p = Point(x, 1.0)
    for i in range(3):
        p = Point(p.y, p.x)

After::

    p_x = x
    p_y = 1.0
    for i in range(3):
        x_1 = p_y
        y = p_x
        p_x = x_1
        p_y = y

Outside branches and loops a name may get an object of another class, too: it means that one from there on.
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.desugar import kinds, perhaps
from xform.desugar.kinds import holds_object
from xform.desugar.mixed import refuse_mixed
from xform.desugar.objects import same
from xform.errors import refuse
from xform.resolve import Display, Instance, Object
from xform.syntax import clone, name


def open_parameter(lowering, local, param, kind, tree):
    """What a function is given for a parameter of some kind, as the objects and functions that it holds."""
    again = lowering.counts.get(local, 1) > 1
    if again and kinds.holds_partial(kind):
        return      # which function it is then, is found out at run time
    if isinstance(kind, kinds.Fixed) and kind.value is None:    # a flag, as a call gives it (flags.py)
        lowering.statics[local] = lowering.given[local] = resolve.Object(None)
        return
    known = kinds.opened(lowering, name(local, tree), kind, tree, outer=True)
    if kind is not kinds.SEQUENCE:
        lowering.statics[local] = copied(lowering, known, param, tree) if again else known


def assign_object(lowering, identifier, known, node):
    """``p = <object>`` for a name that is bound more than once; also for a container of objects."""
    own = lowering.statics.get(identifier)
    if own is known:        # p = p.add(q), which returns self
        return
    perhaps.check(lowering, identifier, own, known, node)
    if perhaps.assign(lowering, identifier, known, node):
        return
    shared = _shared(lowering, known, identifier)
    if shared and not any(one.rebound for one in shared) and _bound_here_alone(lowering, identifier) or (
            _bound_in_line(lowering, identifier) and _for_good(lowering, identifier, node)):
        lowering.statics[identifier] = known        # another name of the same object, in every turn
        return
    if own is not None and named(lowering, own, identifier) and not lowering.depth:
        own = None
    if own is None:
        lowering.statics[identifier] = own = copied(lowering, known, identifier, node)
    else:
        pairs = []
        reason = "have other names" if named(lowering, own, identifier) else mismatch(own, known, pairs)
        if reason and _for_good(lowering, identifier, node):
            lowering.statics[identifier] = own = copied(lowering, known, identifier, node)
            reason, pairs = None, []
        if reason:
            refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to objects that {reason}")
        return assign_parts(lowering, own, known, pairs, identifier, node)
    _bound(lowering, own, known, shared, node)


def assign_parts(lowering, own, known, pairs, identifier, node):
    """Give the locals of a name's object what an object holds, all at once; pairs: (local, new value)."""
    shared = _shared(lowering, known, identifier)
    staged = [(target, lowering.store_temp(clone(value) if isinstance(value, gast.AST) else lowering.materialise(value, node),
                                           "value", node)) for target, value in pairs]
    for target, value in staged:
        lowering.emit(target, value, node)
    _bound(lowering, own, known, shared, node)


def _bound(lowering, own, known, shared, node):
    _settle(own)
    keep_unchanged(lowering, own, shared, node)
    if isinstance(known, Instance):
        known.copied = True


def named(lowering, known, identifier):
    """The objects in a compile-time value that are reached by another name than ``identifier``, too."""
    found = {one: None for _, one in resolve.objects_in(known)}
    others = [value for other, value in lowering.statics.items() if other != identifier and not isinstance(value, Object)]
    others += [*lowering.objects, *getattr(lowering.scope, "objects", {}).values()]
    reached = {one for value in others for _, one in resolve.objects_in(value)}
    return [one for one in found if one in reached]


def _shared(lowering, known, identifier):
    """The same, with the objects that were merged into it: ``p = q if c else p`` leaves ``p`` its own attributes to change."""
    found = named(lowering, known, identifier)
    for one, before in known.merged if isinstance(known, Instance) else ():
        if named(lowering, one, identifier):
            found.append(one)
        else:
            one.copied = before
    return found


def _bound_here_alone(lowering, identifier):
    """Whether one place of the text binds a name: in a loop it is bound anew in every turn."""
    return sum(isinstance(n, gast.Name) and n.id == identifier and isinstance(n.ctx, (gast.Store, gast.Param))
               for n in gast.walk(lowering.tree)) == 1


def _bound_in_line(lowering, identifier):
    """Whether a name is bound outside branches and loops alone."""
    inside = [n for s in lowering.tree.body if not isinstance(s, (gast.Assign, gast.Expr)) for n in gast.walk(s)]
    return identifier not in lowering.given and not any(isinstance(n, gast.Name) and n.id == identifier and isinstance(
        n.ctx, gast.Store) for n in inside)


def keep_unchanged(lowering, own, shared, node):
    """Keep the objects of a name from being changed that are copies of others: neither would see what is assigned to the other."""
    if not shared:
        return
    copies = [one for _, one in resolve.objects_in(own)]
    if lowering.turning and any(one.stored for one in (*copies, *shared)):
        refuse(node, lowering.unit, "an object that has another name is bound in a loop in which its attributes are assigned",
               "Use one name, or make a copy (copy.copy).")
    for one in (*copies, *shared):
        one.copied = True


def _for_good(lowering, identifier, node) -> bool:
    """Whether a name means its new object wherever it is read from here on: no branch or loop around, no earlier function that reads it."""
    line = getattr(node, "lineno", None)
    if lowering.depth or line is None:
        return False
    earlier = [n for n in gast.walk(lowering.tree) if isinstance(n, (gast.FunctionDef, gast.Lambda, gast.ClassDef)) and n is not lowering.tree
               and getattr(n, "lineno", 0) <= line]
    return not any(isinstance(n, gast.Name) and n.id == identifier for one in earlier for n in gast.walk(one))


def refuse_other(lowering, identifier, node):
    """Refuse what is no object for a name that is bound to an object elsewhere."""
    own = lowering.statics.get(identifier)
    if own is not None and _for_good(lowering, identifier, node) and identifier not in lowering.given:
        del lowering.statics[identifier]
        return
    if lowering.counts.get(identifier, 0) > 1 and (isinstance(own, Instance) or isinstance(own, Display) and holds_object(own)):
        refuse_mixed(lowering.unit, node, f"{identifier!r} is bound to an object and to something else")


def _settle(known):
    """What is assigned from here on is a change of the object that the name has now."""
    if isinstance(known, Instance):
        known.written.clear()
        known.whole = None
        for value in known.fields.values():
            _settle(value)
    elif isinstance(known, Display):
        for value in known.items:
            _settle(value)


def copied(lowering, known, wanted, node, objects=None):
    """An object in locals of its own, for its static data, too: they may change."""
    objects = {} if objects is None else objects
    if isinstance(known, Instance):
        if known not in objects:
            made = objects[known] = Instance(known.cls, {})
            made.fields.update({a: copied(lowering, v, f"{wanted}_{a.strip('_')}", node, objects) for a, v in known.fields.items()})
            made.outer, made.birth, made.rebound = known.outer, lowering.depth, True
        return objects[known]
    if isinstance(known, Display):
        return Display(tuple([copied(lowering, v, wanted, node, objects) for v in known.items]), known.keys, known.kind)
    if isinstance(known, Object) and not resolve.is_static(known):
        known = lowering.materialise(known, node)
    if not isinstance(known, gast.AST):
        return known
    made = lowering.temp(wanted)
    lowering.emit(made, clone(known), node)
    return name(made, node)


def mismatch(own, known, pairs, objects=None):
    """Collect (local, new value) of the parts of an object; the reason where two objects cannot share a name."""
    objects = {} if objects is None else objects
    if isinstance(own, Instance) or isinstance(known, Instance):
        if not isinstance(own, Instance) or not isinstance(known, Instance) or own.cls is not known.cls \
                or set(own.fields) != set(known.fields):
            return "differ in class or attributes"
        if own in objects or known in objects.values():
            return None if objects.get(own) is known else "differ in which of their parts are one object"
        objects[own] = known
        return _first(mismatch(own.fields[a], v, pairs, objects) for a, v in known.fields.items())
    if isinstance(own, Display) and isinstance(known, Display) and (own.kind, own.keys, len(own.items)) == (
            known.kind, known.keys, len(known.items)):
        return _first(mismatch(o, k, pairs, objects) for o, k in zip(own.items, known.items))
    if isinstance(own, gast.Name) and (isinstance(known, gast.AST) or isinstance(known, Object) and not resolve.is_static(known)):
        pairs.append((own.id, known))
        return None
    return None if not isinstance(known, gast.AST) and same(known, own) else "hold different functions or objects"


def _first(reasons):
    return next((reason for reason in reasons if reason), None)
