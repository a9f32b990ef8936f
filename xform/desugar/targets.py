"""Assignments: unpacking, stores into elements (arrays are values), augmented assignment.

Before::

    (a, b), c = pair
    x[i] = a
    x[i] += b

After::

    item, c = pair
    a, b = item
    x = rt.setitem(x, i, a)
    item_1 = x[i]
    total = item_1 + b
    x = rt.setitem(x, i, total)
"""
from __future__ import annotations

import gast

from xform.desugar import calls, joins, mutations, objects, rebound
from xform.errors import refuse
from xform.library import lookup
from xform.resolve import Instance, Object
from xform.syntax import assign, at, call, clone, dotted, name


def store_to(lowering, target, value, node):
    """Store an atom to any target."""
    if isinstance(target, gast.Name):
        lowering.emit(target.id, value, node)
    elif isinstance(target, (gast.Tuple, gast.List)):
        unpack(lowering, target, value, node)
    elif isinstance(target, gast.Subscript):
        set_element(lowering, target, value, node)
    elif isinstance(target, gast.Attribute):
        known = lowering.known(target.value)
        if isinstance(known, Instance):
            held = target.value.id if isinstance(target.value, gast.Name) else known.cls.__name__.lower()
            return objects.assign_attribute(lowering, known, target.attr, value, node, f"{held}_{target.attr}")
        refuse(target, lowering.unit, "assigning an attribute is not supported in a transformed function",
               "Return the new value, or use dataclasses.replace.")
    else:
        refuse(target, lowering.unit, f"cannot assign to {type(target).__name__}")


def side_by_side(lowering, node):
    """``a, (b, c) = x, y`` as the assignments ``a = x`` and ``b, c = y``, where no value reads a target; None for any other assignment.

    What varies is then known of each by itself.
    """
    target, value = node.targets[0], node.value
    if getattr(lowering.scope, "generated", False) or len(node.targets) > 1 or not isinstance(target, gast.Tuple) or not isinstance(
            value, (gast.Tuple, gast.List)) or len(target.elts) != len(value.elts):
        return None
    parts = [n for n in gast.walk(target) if not isinstance(n, gast.expr_context)]
    names = [n.id for n in parts if isinstance(n, gast.Name)]
    if len(set(names)) < len(names) or not all(isinstance(n, (gast.Name, gast.Tuple, gast.List)) for n in parts) or any(isinstance(e, gast.Starred) for e in value.elts) or any(
            isinstance(n, (gast.NamedExpr, gast.Lambda)) or isinstance(n, gast.Name) and n.id in names for n in gast.walk(value)):
        return None
    return [at(gast.Assign([one], part, None), node) for one, part in zip(target.elts, value.elts)]


def unpack(lowering, target, value, node):
    elements = target.elts
    starred = [i for i, e in enumerate(elements) if isinstance(e, gast.Starred)]
    if starred:
        return unpack_star(lowering, elements, starred[0], value, node)
    names, later = [], []
    for element in elements:
        if isinstance(element, gast.Name) and element.id not in names:
            names.append(element.id)
        else:
            made = lowering.temp("item")
            names.append(made)
            later.append((element, made))
    joins.forget(lowering, names)
    lowering.out.append(assign(names, value, node))
    for element, made in later:
        store_to(lowering, element, name(made, node), node)


def unpack_star(lowering, elements, star, value, node):
    """``a, *b, c = v`` becomes a = v[0]; b = list(v[1:-1]); c = v[-1]."""
    after = len(elements) - star - 1
    for index, element in enumerate(elements):
        if index == star:
            stop = gast.Constant(-after, None) if after else None
            part = at(gast.Subscript(value, gast.Slice(gast.Constant(star, None), stop, None), gast.Load()), node)
            middle = lowering.store_temp(part, "rest", node)
            made = call("rt.builtins.list", [middle], node=node)
            store_to(lowering, element.value, lowering.store_temp(made, "rest", node), node)
        else:
            position = index if index < star else index - len(elements)
            part = at(gast.Subscript(value, gast.Constant(position, None), gast.Load()), node)
            store_to(lowering, element, lowering.store_temp(part, "item", node), node)


def set_element(lowering, target, value, node):
    base = target.value
    if objects.stores_item(lowering, target, value, node):
        return
    held = lowering.known(base.value) if isinstance(base, gast.Attribute) else None
    if isinstance(held, Instance) and base.attr == "__dict__" and isinstance(target.slice, gast.Constant) and not held.outer:
        return objects.store(lowering, held, target.slice.value, value, node, target.slice.value)
    if isinstance(held, Instance):
        index = index_value(lowering, target.slice, node)
        return objects.change_held(lowering, held, base.attr, lambda own: call(
            "rt.setitem", [own, index, _put(lowering, own, target.slice, value, node)], node=node), node)
    if isinstance(base, gast.Attribute) and base.attr == "flat":
        refuse(target, lowering.unit, "assigning into .flat is not supported in a transformed function",
               "Write x[np.unravel_index(i, x.shape)] = v.")
    if isinstance(base, gast.Attribute):
        refuse(target, lowering.unit, "assigning into an attribute's value is not supported in a transformed function",
               "Take it into a local variable first.")
    if mutations.store_item(lowering, base, target.slice, value, node):
        return
    index = index_value(lowering, target.slice, node)
    old = lowering.atom(base)
    value = _put(lowering, old, target.slice, value, node)
    new = lowering.temp(getattr(base, "id", "item")) if not isinstance(base, gast.Name) else None
    updated = call("rt.setitem", [old, index, value], node=node)
    if new is None:
        if base.id not in lowering.counts:
            refuse(target, lowering.unit, f"{base.id!r} is not a local variable: a transformed function changes no globals",
                   "Pass it in as an argument.")
        lowering.emit(old.id, updated, node)
    else:
        lowering.emit(new, updated, node)
        store_to(lowering, base, name(new, node), node)


def _put(lowering, container, index, value, node):
    """What is put into a container: a list, as an array where the container is one."""
    listed = isinstance(value, (gast.List, gast.Tuple)) or isinstance(value, gast.Constant) and isinstance(value.value, tuple) or isinstance(
        value, gast.Name) and value.id in lowering.lists | lowering.constant_lists
    if not listed or joins.is_sequence(lowering, container) or isinstance(index, gast.JoinedStr) or isinstance(
            index, gast.Constant) and isinstance(index.value, str) or _is_dict(lowering, container):
        return value
    if isinstance(index, gast.Tuple) and any(isinstance(e, gast.Slice) for e in index.elts):
        made = call("np.asarray", [value], node=node)
    else:
        made = calls.call_known_with(lowering, Object(lookup("rt.builtins.put_into")), [container, value], {}, node)
    return lowering.store_temp(made, "items", node)


def _is_dict(lowering, container):
    """Whether a local was assigned a dict above, in the same block."""
    for statement in reversed(lowering.out):
        if isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Name) and statement.targets[0].id == getattr(
                container, "id", None):
            if not (isinstance(statement.value, gast.Call) and dotted(statement.value.func) in joins.CHANGES):
                return isinstance(statement.value, gast.Dict)
    return False


def index_value(lowering, index, node):
    """An index as an atom: slices become slice objects."""
    return lowering.atom(as_expression(arrays_in(lowering, index)))


def arrays_in(lowering, index):
    """An index with the lists among its items as arrays, unless all of it is constant: ``x[:, [i, j]]`` as x[:, np.asarray([i, j])].

    Every number of a list may differ from example to example, and an array of them is what carries a batch axis. Nothing but an
    array has a list for an index: ``x[[i, j]]`` is NumPy's way to write ``x[[i, j],]``.
    """
    if isinstance(index, gast.List) and index.elts:
        index = at(gast.Tuple([index], gast.Load()), index)
    if not isinstance(index, gast.Tuple) or all(isinstance(n, _CONSTANT) for n in gast.walk(index)):
        return index
    lowering.statics["asarray__"] = Object(lookup("np.asarray"))
    return at(gast.Tuple([call("asarray__", [e], node=e) if isinstance(e, gast.List) and e.elts else e for e in index.elts],
                         gast.Load()), index)


_CONSTANT = (gast.Constant, gast.UnaryOp, gast.USub, gast.Slice, gast.List, gast.Tuple, gast.Load)


def as_expression(index):
    """An index as an ordinary expression."""
    if isinstance(index, gast.Slice):
        parts = [p if p is not None else gast.Constant(None, None) for p in (index.lower, index.upper, index.step)]
        made = call("slice", parts, node=index.lower or index.upper or index.step)
        return made
    if isinstance(index, gast.Tuple):
        return at(gast.Tuple([as_expression(e) for e in index.elts], gast.Load()), index)
    return index


def augmented(lowering, node):
    """``x op= v``: rebind x; for an element, read, combine and store."""
    if isinstance(node.target, gast.Attribute) and isinstance(lowering.known(node.target.value), Instance):
        read = at(gast.Attribute(clone(node.target.value), node.target.attr, gast.Load()), node)
        value = objects.in_place(lowering, read, node.op, node.value, node)
        return lowering.statement(at(gast.Assign([node.target], value, None), node))
    target = node.target
    if isinstance(target, gast.Name):
        if target.id not in lowering.counts:
            refuse(target, lowering.unit, f"{target.id!r} is not a local variable")
        if rebound.assign(lowering, target.id, at(gast.BinOp(name(target.id, node), node.op, node.value), node), node):
            return
        if isinstance(lowering.known(name(target.id, node)), Instance):
            value = objects.in_place(lowering, name(target.id, node), node.op, node.value, node)
            return lowering.statement(at(gast.Assign([target], value, None), node))
        combined = at(gast.BinOp(name(target.id, node), node.op, node.value), node)
        combined.in_place = True
        made = None
        if target.id in lowering.sets and type(node.op) in joins.SETS:
            made = joins.changed_set(lowering, name(target.id, node), type(node.op), lowering.atom(node.value), node)
        lowering.emit(target.id, made or lowering.value(combined), node)
        (lowering.unit.in_place if made else lowering.unit.augmented).add(id(lowering.out[-1]))
        return
    if not isinstance(target, gast.Subscript):
        refuse(target, lowering.unit, "augmented assignment to an attribute is not supported in a transformed function",
               "Use a local variable and return it.")
    if isinstance(lowering.known(target.value), Instance):
        index = index_value(lowering, target.slice, node)
        read = at(gast.Subscript(target.value, clone(index), gast.Load()), node)
        value = objects.in_place(lowering, read, node.op, node.value, node)
        return lowering.statement(at(gast.Assign([at(gast.Subscript(target.value, index, gast.Store()), node)], value, None), node))
    base = lowering.atom(target.value)
    index = index_value(lowering, target.slice, node)
    old = lowering.store_temp(at(gast.Subscript(base, clone(index), gast.Load()), node), "item", node)
    value = lowering.atom(node.value)
    new = at(gast.BinOp(old, node.op, value), node)
    new = lowering.store_temp(new, lowering.title(new, node), node)
    pinned = at(gast.Subscript(target.value, index, gast.Store()), node)
    set_element(lowering, pinned, new, node)
    lowering.unit.augmented.add(id(lowering.out[-1]))


def delete(lowering, node):
    """``del x[k]`` is ``x.pop(k)``; ``del x`` does nothing."""
    for target in node.targets:
        if isinstance(target, gast.Subscript) and not isinstance(target.slice, (gast.Slice, gast.Tuple)) and isinstance(
                target.value, gast.Name):
            pop = at(gast.Attribute(clone(target.value), "pop", gast.Load()), target)
            lowering.statement(at(gast.Expr(at(gast.Call(pop, [target.slice], []), target)), node))
        elif not isinstance(target, gast.Name):
            refuse(target, lowering.unit, "del of several elements, of one inside another container, or of an attribute is not supported",
                   "Build a new container without it.")
