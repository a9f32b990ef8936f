"""Names that are None until a flag says that they hold something: the None goes where nothing reads it.

Before::

    best, found = None, False           (on two lines)
    for v in x:
        if v > 1.0:
            best = 2.0 * v
            found = True
    return best * best if found else 0.0

After: the same without ``best = None``, so that the name has values of one kind alone: under vmap, the examples share an array.

The name must be bound beside each ``found = True``, or under an earlier ``if found:`` for a condition that is computed once; and be
read under the flag, or behind a binding of its own. Whatever else reads it keeps the None.
"""
from __future__ import annotations

import gast

from xform.syntax import children, params_of, target_names

_INNER = (gast.FunctionDef, gast.AsyncFunctionDef, gast.Lambda, gast.ClassDef, gast.ListComp, gast.SetComp, gast.DictComp,
          gast.GeneratorExp, gast.Try, gast.With, gast.Global, gast.Nonlocal, gast.Delete, gast.NamedExpr, gast.Match)


def without_none(lowering, statements):
    """Return a function's statements without the ``name = None`` that nothing can read."""
    candidates = [s for s in statements if _is_none(s)]
    if not candidates or any(isinstance(node, _INNER) for s in statements for node in gast.walk(s)):
        return statements
    for statement in candidates:
        identifier = statement.targets[0].id
        if lowering.counts.get(identifier, 0) > 1 and _never_read(statements, statement, identifier, params_of(lowering.tree)):
            statements = [s for s in statements if s is not statement]
    return statements


def _is_none(node):
    return isinstance(node, gast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], gast.Name) \
        and isinstance(node.value, gast.Constant) and node.value.value is None


def _never_read(statements, start, identifier, params):
    nodes = [node for s in statements for node in gast.walk(s)]
    if any(_is_none(n) and n.targets[0].id == identifier and n is not start for n in nodes):
        return False
    place = statements.index(start)
    flags = {f for f in _asked(nodes) if f not in (identifier, *params) and _set_beside(statements, nodes, f, identifier)}
    return not any(_mentions(s, identifier) for s in statements[:place]) and _guarded(statements[place + 1:], identifier, flags, False)


def _asked(nodes):
    """The names that occur in tests."""
    return {n.id for node in nodes if isinstance(node, (gast.If, gast.IfExp, gast.BoolOp))
            for n in gast.walk(node if isinstance(node, gast.BoolOp) else node.test) if isinstance(n, gast.Name)}


def _set_beside(statements, nodes, flag, identifier):
    """Whether the name is bound wherever a flag that begins as False turns True."""
    bound = [n for n in nodes if isinstance(n, (gast.Assign, gast.AugAssign, gast.AnnAssign, gast.For)) and flag in _targets(n)]
    first = [n for n in bound if isinstance(n, gast.Assign) and isinstance(n.value, gast.Constant) and n.value.value is False]
    if len(first) != 1 or first[0] not in statements:
        return False
    turned = [n for n in bound if n is not first[0]]
    lists = [block for n in [gast.Module(statements, []), *nodes] for field in ("body", "orelse")
             for block in [getattr(n, field, None)] if isinstance(block, list)]
    return bool(turned) and all(any(_beside(block, one, identifier) for block in lists) for one in turned)


def _beside(block, one, identifier):
    """Whether ``flag = True`` stands in a block next to a binding of the name, with plain assignments between."""
    if not any(s is one for s in block) or not (isinstance(one, gast.Assign) and isinstance(one.value, gast.Constant) and one.value.value is True):
        return False
    at = next(i for i, s in enumerate(block) if s is one)
    for step in (-1, 1):
        i = at + step
        while 0 <= i < len(block) and isinstance(block[i], gast.Assign):
            if identifier in _targets(block[i]):
                return step < 0 or not any(_reads(s, identifier) for s in block[at:i + 1])
            i += step
    return False


def _mentions(node, identifier):
    return any(isinstance(n, gast.Name) and n.id == identifier for n in gast.walk(node))


def _reads(node, identifier):
    return any(isinstance(n, gast.Name) and n.id == identifier and isinstance(n.ctx, gast.Load) for n in gast.walk(node))


def _targets(node):
    targets = node.targets if isinstance(node, gast.Assign) else [node.target]
    return [n for target in targets for n in target_names(target)]


def _guarded(block, identifier, flags, given):
    """Whether all reads of the name in a block come where it is bound: under one of the flags, or behind a binding."""
    flags = set(flags)
    for place, node in enumerate(block):
        if given:
            return True
        if isinstance(node, gast.If):
            here, no = _implied(node.test, flags)
            if not _safe(node.test, identifier, flags) or not _guarded(node.body, identifier, flags, here) \
                    or not _guarded(node.orelse, identifier, flags, no):
                return False
            given = no and isinstance(node.body[-1], (gast.Return, gast.Raise, gast.Continue, gast.Break))      # if not found: return
            if isinstance(node.test, gast.Name) and any(isinstance(s, gast.Assign) and identifier in _targets(s) for s in node.body) \
                    and not _stored([*node.body, *node.orelse, *block[place + 1:]], node.test.id):
                flags.add(node.test.id)
        elif isinstance(node, (gast.For, gast.While)):
            if not _safe(node.iter if isinstance(node, gast.For) else node.test, identifier, flags) \
                    or not _guarded(node.body, identifier, flags, False) \
                    or not _guarded(node.orelse, identifier, flags, False):
                return False
        elif not _safe(node, identifier, flags):
            return False
        given = given or isinstance(node, gast.Assign) and identifier in _targets(node)
    return True


def _stored(statements, identifier):
    """Whether statements bind a name anew, or may change in place what it stands for."""
    nodes = [n for s in statements for n in gast.walk(s)]
    return any(isinstance(n, gast.Name) and n.id == identifier and isinstance(n.ctx, gast.Store) for n in nodes) or any(
        isinstance(n, (gast.Attribute, gast.Subscript)) and isinstance(n.value, gast.Name) and n.value.id == identifier for n in nodes)


def _implied(test, flags):
    """(whether a test that holds says that the name is bound, whether one that does not hold says so)."""
    if isinstance(test, gast.Name):
        return test.id in flags, False
    if isinstance(test, gast.UnaryOp) and isinstance(test.op, gast.Not):
        return _implied(test.operand, flags)[::-1]
    if isinstance(test, gast.BoolOp):
        side = 0 if isinstance(test.op, gast.And) else 1
        found = any(_implied(value, flags)[side] for value in test.values)
        return (found, False) if side == 0 else (False, found)
    return False, False


def _safe(node, identifier, flags):
    """Whether an expression or simple statement reads the name only where it is bound."""
    if isinstance(node, gast.Name):
        return node.id != identifier or isinstance(node.ctx, gast.Store)
    if isinstance(node, gast.AugAssign) and identifier in _targets(node):
        return False
    if isinstance(node, gast.IfExp):
        sides = zip(_implied(node.test, flags), (node.body, node.orelse))
        return _safe(node.test, identifier, flags) and all(bound or _safe(side, identifier, flags) for bound, side in sides)
    if isinstance(node, gast.BoolOp):
        for value in node.values:
            if not _safe(value, identifier, flags):
                return False
            if _implied(value, flags)[0 if isinstance(node.op, gast.And) else 1]:
                return True
        return True
    return all(_safe(child, identifier, flags) for child in children(node))
