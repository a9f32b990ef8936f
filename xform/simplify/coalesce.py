"""Give versions of one variable a single name again wherever they do not interfere.

Before::

    y_1 = y
    while y_1 < 10.0:
        y_2 = y_1 * rate
        y_1 = y_2

After::

    while y < 10.0:
        y = y * rate

Two names interfere when one is assigned while the other still holds a value that is read later (Chaitin's test,
copies excepted).
"""
from __future__ import annotations

import gast

from xform.flow import liveness
from xform.names import stem
from xform.syntax import blocks, is_exit, nodes_of, params_of, reads, rename, target_names


def coalesce(tree, temps, fixed=()):
    """Return the body with copy-related and like-named versions merged."""
    body = tree.body
    params = params_of(tree)
    facts = liveness(body)
    clashes = {}

    def clash(a, b):
        if a != b:
            clashes.setdefault(a, set()).add(b)
            clashes.setdefault(b, set()).add(a)

    copies, kin = [], []

    def walk(statements):
        for statement in statements:
            live = facts.after[id(statement)]
            if isinstance(statement, gast.Assign):
                stored = [n for t in statement.targets for n in target_names(t)]
                whole = isinstance(statement.value, gast.Name) and isinstance(statement.targets[0], gast.Name)
                source = statement.value.id if whole else None      # a part of a value is no copy of it
                for target in stored:
                    for other in live:
                        if other != source:
                            clash(target, other)
                    for other in stored:
                        clash(target, other)
                    if source:
                        copies.append((target, source))
                    else:
                        kin.extend((target, n) for n in dict.fromkeys(reads(statement.value))
                                   if _kin(target, n) and target not in temps)
            elif isinstance(statement, gast.For):
                inside = facts.head[id(statement)]
                first = _live_into(statement, facts)
                for target in target_names(statement.target):
                    for other in first | inside:
                        clash(target, other)
            if not is_exit(statement):
                for block in blocks(statement):
                    walk(block)

    walk(body)
    for one in params:
        for other in params:
            clash(one, other)
    entry = _entry(body, facts)
    for one in params:
        for other in entry - {one}:
            if other in params:
                clash(one, other)
    group = {}

    def find(identifier):
        while group.get(identifier, identifier) != identifier:
            identifier = group[identifier]
        return identifier

    def merge(one, other):
        one, other = find(one), find(other)
        if one == other or other in clashes.get(one, ()):
            return
        keep, drop = (one, other) if _rank(one, params, temps) <= _rank(other, params, temps) else (other, one)
        if stops and temps.isdisjoint((keep, drop)) and stem(keep) != stem(drop):
            return      # somebody will look for either
        if drop in params or any(mixed(keep, drop, own, captured) for own, captured in scopes):
            return
        group[drop] = keep
        for third in clashes.pop(drop, set()):
            clashes[third].discard(drop)
            clash(third, keep)

    def mixed(keep, drop, own, captured):
        """Whether a nested function would take a name of its own for one from outside: by what its names are called by now."""
        own, captured = {find(n) for n in own}, {find(n) for n in captured}
        return keep in own and (drop in own or drop in captured) or keep in captured and drop in own

    scopes = list(_scopes(body))
    stops = any(isinstance(n, gast.Name) and n.id == "breakpoint" for s in body for n in nodes_of(s))
    local = set(assigned_names(body)) | set(params)
    for target, source in copies + kin:
        if source in local and target in local:
            merge(target, source)
    mapping = {n: find(n) for n in list(group) if find(n) != n}
    for statement in body:
        rename(statement, mapping)
    body = _drop_self_copies(body)
    return _renumber(body, params, temps, fixed)


def _scopes(body):
    """(own names, captured names) of every nested function."""
    for statement in body:
        for node in nodes_of(statement):
            if isinstance(node, gast.FunctionDef):
                own = set(params_of(node)) | set(assigned_names(node.body))
                yield own, set(reads(node))


def assigned_names(body):
    from xform.syntax import assigned
    return assigned(body)


def _kin(one, other):
    return stem(one) == stem(other)


def _rank(identifier, params, temps):
    return (identifier not in params, identifier in temps, len(identifier), identifier)


def _live_into(loop, facts):
    """Names live at the start of a for loop's body."""
    from xform.flow import Liveness, _block
    return _block(loop.body, facts.head[id(loop)], facts.after[id(loop)], Liveness())


def _entry(body, facts):
    from xform.flow import Liveness, _block
    return _block(body, frozenset(), None, Liveness())


def _drop_self_copies(statements):
    made = []
    for statement in statements:
        if isinstance(statement, gast.Assign) and isinstance(statement.value, gast.Name) and isinstance(
                statement.targets[0], gast.Name) and statement.targets[0].id == statement.value.id:
            continue
        if isinstance(statement, (gast.If, gast.For, gast.While)) and not is_exit(statement):
            statement.body = _drop_self_copies(statement.body)
            statement.orelse = _drop_self_copies(statement.orelse)
            if not statement.body:
                statement.body = [gast.Pass()]
        made.append(statement)
    return made


def _renumber(body, params, temps, fixed=()):
    """Close gaps in clash numbers: y_4 becomes y when no other y is left."""
    used = set(params) | {n.id for s in body for n in nodes_of(s) if isinstance(n, gast.Name)} | set(fixed)
    used |= {stem(n) for n in fixed}
    used |= set(assigned_names(body))
    mapping = {}
    for identifier in assigned_names(body):
        base = stem(identifier)
        if base == identifier or identifier in params or base in ("np", "rt", "lax", "nn", "random"):
            continue
        candidates = [base] + [f"{base}_{k}" for k in range(1, int(identifier.rpartition("_")[2]))]
        for candidate in candidates:
            if candidate not in used and _free_builtin(candidate):
                mapping[identifier] = candidate
                used.discard(identifier)
                used.add(candidate)
                if identifier in temps:
                    temps.add(candidate)
                break
    for statement in body:
        rename(statement, mapping)
    return body


def _free_builtin(candidate):
    from xform.names import RESERVED
    return candidate not in RESERVED
