"""Which lists an append may change in place: those that a function makes itself and that nothing else holds by then.

``xs = rt.append(xs, x)`` is written ``xs.append(x)`` where no older version of xs is left: none that was packed into a container,
copied to another name, or given to a function whose residuals may hold it.
"""
from __future__ import annotations

import gast

from xform.syntax import dotted, nodes_of, params_of

READS = frozenset({"len", "rt.like", "rt.like_parts", "rt.getitem", "rt.length", "rt.lane_count", "rt.lane_item", "rt.builtins.list",
                   "rt.builtins.tuple", "rt.builtins.sum", "rt.builtins.sorted", "rt.builtins.max", "rt.builtins.min", "rt.append"})


def owned(tree) -> set:
    """The names of these lists in a function that is written out."""
    fresh, other, appends = {}, set(params_of(tree)), {}
    kept, spans, count = {}, [], 0
    inner = []

    def walk(statements):
        nonlocal count
        for statement in statements:
            count += 1
            start = count
            if isinstance(statement, gast.Assign):
                assignment(statement, start)
            elif isinstance(statement, gast.FunctionDef):
                inner.append(statement)
                continue
            elif isinstance(statement, gast.For):
                other.update(n.id for n in nodes_of(statement.target) if isinstance(n, gast.Name))
                note(statement.iter, start)
                if isinstance(statement.iter, gast.Name):
                    kept.setdefault(statement.iter.id, []).append(start + 1)     # while it is run over
            elif isinstance(statement, (gast.If, gast.While)):
                note(statement.test, start)
            else:
                for value in gast.iter_child_nodes(statement):
                    note(value, start)
            for field in ("body", "orelse"):
                walk(getattr(statement, field, None) or [])
            if isinstance(statement, (gast.For, gast.While)):
                count += 1
                spans.append((start, count))

    def assignment(statement, place):
        target, value = statement.targets[0], statement.value
        if not isinstance(target, gast.Name):
            other.update(n.id for n in nodes_of(target) if isinstance(n, gast.Name))
        elif isinstance(value, gast.List):
            fresh.setdefault(target.id, []).append(place)
        elif isinstance(value, gast.Call) and dotted(value.func) == "rt.append" and isinstance(value.args[0], gast.Name) \
                and value.args[0].id == target.id:
            appends.setdefault(target.id, []).append(place)
            for argument in value.args[1:]:
                note(argument, place)
            return
        else:
            other.add(target.id)
        note(value, place)

    def note(value, place, read=False):
        """Note the lists that an expression may keep or give away."""
        if isinstance(value, gast.Name):
            if not read:
                kept.setdefault(value.id, []).append(place)
            return
        if isinstance(value, gast.Call):
            reads = _reads(value.func)
            for child in [*value.args, *[k.value for k in value.keywords]]:
                note(child, place, reads)
            return
        if isinstance(value, gast.Subscript):
            note(value.value, place, True)
            note(value.slice, place, True)
            return
        plain = isinstance(value, (gast.BinOp, gast.Compare, gast.UnaryOp, gast.JoinedStr, gast.FormattedValue))
        for child in gast.iter_child_nodes(value):
            if isinstance(child, gast.AST):
                note(child, place, plain)

    walk(tree.body)
    own, found = {n.id for s in tree.body if not isinstance(s, gast.FunctionDef) for n in _names(s)}, set()
    for function in inner:
        names = {n.id for n in nodes_of(function) if isinstance(n, gast.Name)}
        others = own.union(*[{n.id for n in nodes_of(f) if isinstance(n, gast.Name)} for f in inner if f is not function])
        found |= {n for n in owned(function) if n not in others}
        other |= names      # a closure may see it at any time
    return found | {n for n in fresh if n not in other and not any(
        _after(k, a, spans, fresh[n]) for k in kept.get(n, ()) for a in appends.get(n, ()))}


def _names(statement):
    """The names in a statement, but for those in functions that it defines."""
    stack, found = [statement], []
    while stack:
        node = stack.pop()
        if isinstance(node, gast.Name):
            found.append(node)
        stack += [n for n in gast.iter_child_nodes(node) if not isinstance(n, gast.FunctionDef)]
    return found


def _reads(function):
    """Whether a function only reads lists that it is given."""
    if isinstance(function, gast.Call) and dotted(function.func) == "rt.batched":
        return _reads(function.args[0])
    path = dotted(function)
    return path is not None and (path in READS or path.partition(".")[0] in ("np", "lax", "nn"))


def _after(kept, append, spans, fresh):
    """Whether an append may come when what was kept is still there."""
    if kept < append:
        between = [f for f in fresh if kept < f < append and not any(a < f < b and not a < append < b for a, b in spans)]
        if not between:
            return True
    return any(a < kept < b and a < append < b and not any(a < f < min(kept, append) for f in fresh) for a, b in spans)


__all__ = ["owned"]
