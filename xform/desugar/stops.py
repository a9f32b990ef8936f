"""Stops: a ``breakpoint()`` reads the variables that were assigned before it, so that they are there to look at.

Before::

    y = np.sin(x)
    breakpoint()
    return x * 2

After, until it is written, as it was, by emit::

    y = np.sin(x)
    breakpoint(x=x, y=y)
    return x * 2
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.syntax import assigned, dotted, name, target_names


def seeing(lowering, value, node):
    """A lowered call of ``breakpoint`` with the data of the function that is surely there as keywords; other calls as they are."""
    if not isinstance(value, gast.Call) or dotted(value.func) != "breakpoint" or value.args or value.keywords:
        return value
    line = getattr(node, "lineno", None)
    if line is None or isinstance(lowering.tree, gast.Lambda):
        return value
    params = [a.id for a in (*lowering.tree.args.posonlyargs, *lowering.tree.args.args, *lowering.tree.args.kwonlyargs)]
    there = assigned(lowering.out)
    for identifier in dict.fromkeys([*params, *_before(lowering.tree.body, line)]):
        if (identifier in params or identifier in there or lowering.depth) and identifier in lowering.counts and _is_data(lowering, identifier):
            value.keywords.append(gast.keyword(identifier, name(identifier, node)))
    return value


def _is_data(lowering, identifier):
    known = lowering.known(name(identifier))
    return known is None or not resolve.is_static(known) and not isinstance(known, resolve.Instance)


def _before(statements, line):
    """The names that the statements assign on every way to a line."""
    found = []
    for statement in statements:
        if statement.lineno <= line <= (statement.end_lineno or line):
            targets = [statement.target] if isinstance(statement, gast.For) else [
                item.optional_vars for item in statement.items if item.optional_vars is not None] if isinstance(statement, gast.With) else []
            found += [n for target in targets for n in target_names(target)]
            for block in ("body", "orelse", "finalbody"):
                inside = getattr(statement, block, None) or []
                if inside and inside[0].lineno <= line <= (inside[-1].end_lineno or line):
                    found += _before(inside, line)
            return found
        targets = statement.targets if isinstance(statement, gast.Assign) else [statement.target] if isinstance(
            statement, (gast.AnnAssign, gast.AugAssign)) and getattr(statement, "value", None) is not None else []
        found += [n for target in targets for n in target_names(target)]
    return found


__all__ = ["seeing"]
