"""Batching of lists that grow in some lanes only: their items stand beside the lanes that have them.

Before, with a batched x::

    if x < limit:
        xs = rt.append(xs, x)

After::

    lanes = x < limit
    xs = rt.append(rt.in_all_lanes(xs, batch), (lanes, x))

Where both sides of a branch append as many items, the list stays one whose items all lanes have: the items are chosen, and appended
behind the branch.
"""
from __future__ import annotations

import gast
from ast import unparse

from xform.analyze.batched import BOTTOM, LIST, expression_of, lacking, uniform
from xform.errors import refuse
from xform.operations import RuleCall, classify
from xform.syntax import assign, assigned, at, blocks, branch, call, clone, const, dotted, is_exit, name, nodes_of

MESSAGE = "a list to which only some of the examples append cannot be "
HINT = "Append in every case (a number that changes nothing), or loop over the list: for, sum, len and an index follow each example."
GROWING = ("rt.append", "rt.spread", "rt.in_all_lanes", "rt.instantiate_shell", "rt.builtins.instantiate_shell")    # what makes a version
FOLLOWED = frozenset({"rt", "math"})     # where functions live that are given the pairs of lanes and items


def is_ragged(flag):
    """Whether a flag is that of a list whose items stand beside their lanes."""
    return isinstance(flag, tuple) and flag[:1] == (LIST,) and isinstance(flag[1], tuple) and flag[1][:1] == ("ragged",)


def holds_ragged(flag):
    """Whether such a list is a value or a part of it."""
    return is_ragged(flag) or isinstance(flag, tuple) and any(map(holds_ragged, flag))


def spread(run, value, own, wanted, node):
    """A value with one flag as one that has at least another."""
    if is_ragged(wanted) and not is_ragged(own):
        kind = lacking(uniform(own), wanted[1][1])
        items = value if kind is True else call("rt.spread", [value, run.size(), expression_of([kind])], node=node)
        return call("rt.in_all_lanes", [items, run.size()], node=node)
    if isinstance(wanted, tuple) and _differ(own, wanted):
        refuse(node, run.unit, MESSAGE + "batched inside of another container here", HINT)
    return call("rt.spread", [value, run.size(), expression_of(lacking(own, wanted))], node=node)


def _differ(own, wanted):
    if is_ragged(wanted):
        return not is_ragged(own) and own is not BOTTOM and own != (LIST, BOTTOM)
    if not isinstance(wanted, tuple):
        return False
    if wanted[:1] == (LIST,):
        return _differ(uniform(own), wanted[1])
    parts = own if isinstance(own, tuple) and len(own) == len(wanted) and own[:1] != (LIST,) else (uniform(own),) * len(wanted)
    return any(map(_differ, parts, wanted))


def appended(run, items, node, flag, made):
    """The name of a list, made one of pairs of lanes and items if it is not yet."""
    if is_ragged(flag) or flag is BOTTOM or flag == (LIST, BOTTOM):
        return items
    held = run.temp("items")
    made.append(assign(held, call("rt.in_all_lanes", [clone(items), run.size()], node=node), node))
    run.flags.names[held] = (LIST, ("ragged", uniform(flag)))
    return name(held, node)


def check(run, path, args, statement):
    """Refuse functions that would take the pairs of lanes and items for the items."""
    home = path.partition(".")[0]
    found = [run.flags.of(a) for value in args.values() for a in (value if isinstance(value, list) else [value])]
    if not any(map(holds_ragged, found)):
        return
    if path == "rt.unindex":
        refuse(statement, run.unit, MESSAGE + "read by an index where its gradient is batched", "Map the function first and differentiate what "
               "is mapped: grad(lambda x: vmap(f)(x).sum()).")
    sliced = path == "rt.getitem" and isinstance(args["index"], gast.Call)
    if home not in FOLLOWED or sliced or path in ("rt.builtins.enumerate", "rt.builtins.zip", "rt.popped", "rt.popped_at", "rt.extend", "rt.insert"):
        refuse(statement, run.unit, MESSAGE + f"given to {path.removeprefix('rt.builtins.').removeprefix('rt.')} under vmap: what the lanes "
               "hold differs in length", HINT)


# -- branches -----------------------------------------------------------------------------------------------------------------

def hoisted(run, statement):
    """(a branch, what follows it): items that either side appends to the same list are appended behind the branch."""
    body, orelse = [_inside(run, side) for side in (statement.body, statement.orelse)]
    behind = []
    for variable in [n for n in assigned(body) if n in assigned(orelse)]:
        one, two = _chain(body, variable, run), _chain(orelse, variable, run)
        if one is None or two is None or one[0] != two[0] or len(one[1]) != len(two[1]):
            continue
        base, chosen = one[0], [run.temp("item") for _ in one[1]]
        body, orelse = [_kept(side, variable, links, chosen) for side, links in ((body, one[1]), (orelse, two[1]))]
        for index, item in enumerate(chosen):
            target = variable if index == len(chosen) - 1 else run.temp("items")
            behind.append(assign(target, call("rt.append", [name(base), name(item)], node=statement), statement))
            base = target
    return branch(statement.test, body, orelse, statement), behind


def _inside(run, statements):
    made = []
    for statement in statements:
        if isinstance(statement, gast.If) and not is_exit(statement):
            inner, behind = hoisted(run, statement)
            made += [inner, *behind]
        else:
            made.append(statement)
    return made


def _chain(statements, variable, run):
    """(the list that a side begins with, its statements that append to it, first to last, the names of the versions); else None."""
    values = {}
    for statement in statements:
        if isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Name):
            values.setdefault(statement.targets[0].id, []).append(statement)
    links, current = [], variable
    while current in values:
        if len(values[current]) != 1:
            return None
        (statement,) = values[current]
        if isinstance(statement.value, gast.Name):
            current = statement.value.id
            continue
        operation = classify(statement.value, run.unit) if isinstance(statement.value, gast.Call) else None
        if not isinstance(operation, RuleCall) or operation.path != "rt.append" or not isinstance(operation.args["items"], gast.Name):
            return None
        links.insert(0, (statement, operation.args["item"]))
        current = operation.args["items"].id
    return (current, links) if links and current not in assigned(statements) else None


def _kept(statements, variable, links, chosen):
    """A side that keeps what it appends; its own versions of the list stay, for what it reads of them itself."""
    items = {id(s): (item, name) for (s, item), name in zip(links, chosen)}
    made = []
    for statement in statements:
        if isinstance(statement, gast.Assign) and getattr(statement.targets[0], "id", None) == variable and isinstance(statement.value, gast.Name):
            continue
        if id(statement) in items:
            item, held = items[id(statement)]
            made.append(assign(held, clone(item), statement))
            if statement.targets[0].id == variable:
                continue
        made.append(statement)
    return made


def joined(run, sides, made, variable, statement):
    """Let the second side of a branch append to what the first has made of a list: either's lanes stand beside its items."""
    roots = [_roots(block, side[variable], GROWING) for side, block in zip(sides, made)]
    if None in roots or len(_bases(roots)) != 1:
        refuse(statement, run.unit, f"a branch that only some of the examples take makes another list of {variable!r}", HINT)
    first = sides[0][variable]
    for root, _ in roots[1]:
        if dotted(getattr(root.value, "func", None)) == "rt.append":
            root.value.args[0] = name(first, root)
        else:
            root.value = name(first, root)


def taken_apart(run, sides, made, variable):
    """Whether a variable is the cotangent of such a list, whose last items a branch takes: all lanes lose those of both sides then."""
    if not run.backward:
        return False
    roots = [_roots(block, side[variable], ("rt.batched(rt.getitem)",)) for side, block in zip(sides, made)]
    if None in roots or len(_bases(roots)) != 1 or all(isinstance(root.value, gast.Name) for found in roots for root, _ in found):
        return False
    counts = [_times(block, side[variable]) for side, block in zip(sides, made)]
    if counts[0] == counts[1]:
        return False        # their items were chosen before they were appended
    for root, _ in roots[0]:        # what the second side appended last goes first
        if isinstance(root.value, gast.Name):
            root.value = name(sides[1][variable], root)
        else:
            root.value.args[0] = name(sides[1][variable], root)
    before, target = _bases(roots).pop(), sides[1][variable]
    for statement in _all(made[0]):
        for node in nodes_of(statement) if isinstance(statement, gast.Assign) else ():
            if isinstance(node, gast.Name) and node.id == before and isinstance(node.ctx, gast.Load):
                node.id = target
    _unpaired(run, [*made[0], *made[1]], {before, target, sides[0][variable]})
    return True


def carried(run, body, head, last):
    """Whether a loop's turns take the last items off such a cotangent: they do for all lanes, also those that are done."""
    roots = _roots(body, last, ("rt.batched(rt.getitem)",)) if run.backward and last is not None else None
    if not roots or _bases([roots]) != {head} or not _times(body, last):
        return False
    _unpaired(run, body, {head, last})
    return True


def _unpaired(run, statements, versions):
    """Note the names of such a cotangent, and take the items' parts of its items, which are of pairs of lanes and items."""
    assignments = [s for s in _all(statements) if isinstance(s, gast.Assign)]
    versions |= {s.targets[0].id for s in assignments if isinstance(s.value, gast.Call) and _way(s.value) == "rt.batched(rt.getitem)"}
    run.shrunk |= versions
    for statement in assignments:
        if _taken(statement.value, versions):
            statement.value = item_of(statement.value, statement)


def item_of(pair, node):
    """The item's part of the cotangent of (lanes, item)."""
    return at(gast.Subscript(call("rt.parts", [pair, const(2)], node=node), const(1), gast.Load()), node)


def _times(block, target):
    """How often a side takes the last item off a list; None if that is not written out."""
    values = {s.targets[0].id: s.value for s in block if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)}
    if any(target in assigned([s]) for s in block if not isinstance(s, gast.Assign)):
        return None
    count = 0
    while target in values:
        taken = isinstance(values[target], gast.Call)
        count += taken
        target = values[target].args[0].id if taken else values[target].id
    return count


def _taken(value, versions):
    """Whether a value is the last item of one of a list's versions."""
    return isinstance(value, gast.Call) and _is_getitem(value) and isinstance(value.args[0], gast.Name) and value.args[0].id in versions \
        and unparse(value.args[1]) == "-1"


def _bases(roots):
    return {base for found in roots for _, base in found}


def _roots(block, target, ways):
    """[(statement that reads the list that a block begins with, the list)]; None where a version of it is made in another way."""
    versions, found, before = {target}, {}, None
    inside = assigned(block)
    while before != (len(versions), len(found)):
        before = len(versions), len(found)
        for statement in _all(block):
            if not isinstance(statement, gast.Assign) or not isinstance(statement.targets[0], gast.Name) \
                    or statement.targets[0].id not in versions:
                continue
            source = statement.value
            while isinstance(source, gast.Call) and _way(source) in ways:
                source = source.args[0]
            if not isinstance(source, gast.Name):
                return None
            if source.id in inside:
                versions.add(source.id)
            else:
                found[id(statement)] = statement, source.id
    return list(found.values())


def _way(value):
    """What a list is made by: rt.batched(rt.getitem) where that is all but the last item."""
    return dotted(value.func) or ("rt.batched(rt.getitem)" if _is_getitem(value) and isinstance(value.args[1], gast.Call) and [
        unparse(a) for a in value.args[1].args] == ["None", "-1", "None"] else None)


def _is_getitem(value):
    inner = value.func.args[0] if isinstance(value.func, gast.Call) and dotted(value.func.func) == "rt.batched" else None
    return inner is not None and dotted(inner) == "rt.getitem"


def _all(statements):
    return [inner for s in statements for inner in (s, *(x for block in blocks(s) for x in _all(block)))]


__all__ = ["appended", "carried", "check", "hoisted", "holds_ragged", "is_ragged", "item_of", "joined", "spread", "taken_apart"]
