"""Batching of control flow: both sides of a branch and a choice, loops that run until every lane is done.

Before: ``if x > 0: y = a`` ``else: y = b`` with a batched x.   After: ``y = rt.where(x > 0, a, b)``.
"""
from __future__ import annotations

from collections import Counter

import gast

from xform.analyze.batched import BOTTOM, LIST, is_batched
from xform.errors import refuse
from xform.flow import live_in
from xform.names import stem
from xform.syntax import assign, assigned, at, branch, call, clone, const, dotted, exit_if, head_length, is_exit, name, negate, nodes_of, reads, reference, rename
from xform.transform import grown
from xform.transform.grown import is_ragged
from xform.transform.guards import guarded, risky
from xform.transform.lanes import by_lanes
from xform.transform.vmap_values import calls_loops, iterated, recurs
from xform.unit import GUARDED, RUN


def by_lane(run, subject):
    """Whether the truth of a test differs from lane to lane: that of a list is that it has items, the same for all."""
    flag = run.flags.of(subject)
    listed = isinstance(flag, tuple) and flag[:1] == (LIST,)
    return is_batched(flag) and (not listed or is_ragged(flag))


def conditional(run, statement, made):
    test = statement.test
    subject = test.operand if isinstance(test, gast.UnaryOp) else test
    if not by_lane(run, subject):
        made.append(branch(test, run.block(statement.body) or [gast.Pass()], run.block(statement.orelse), statement))
        return
    statement, behind = grown.hoisted(run, statement)
    _conditional(run, statement, test, subject, made)
    for appended in behind:
        run.assignment(appended, made)


def _conditional(run, statement, test, subject, made):
    if is_ragged(run.flags.of(subject)):
        counted = call("rt.lane_count", [clone(subject), run.size()], node=statement)
        subject = _held(run, call("np.greater", [_held(run, counted, "count", statement, made), const(0)], node=statement), "some", statement, made)
        test = statement.test = subject if not isinstance(test, gast.UnaryOp) else negate(subject, statement)
        subject = test.operand if isinstance(test, gast.UnaryOp) else test
    in_body, in_else = assigned(statement.body), assigned(statement.orelse)
    joined = [n for n in dict.fromkeys([*in_body, *in_else]) if n in in_body and n in in_else]
    if run.form == RUN and by_lanes(run, statement, joined, made):
        return
    masks = branch_masks(run, test, subject, statement, made)
    sides, done = [], []
    for side, suffix, mask in ((statement.body, "then", masks[0]), (statement.orelse, "else", masks[1])):
        outer, run.mask = run.mask, mask
        block = []
        block += run.block(guarded(run, side, mask, statement, block))
        run.mask = outer
        mapping = {n: run.once(f"{stem(n)}_{suffix}", n) for n in joined}
        for s in block:
            rename(s, mapping)
        block = _without_copies(block, set(mapping.values()))
        done.append(_while_taken(run, block, mask, mapping, statement) if mask and recurs(side, run.unit) else block)
        sides.append(mapping)
    ragged = [n for n in joined if is_ragged(run.flags.names[n]) and not any(
        _unassigned(side, n, run) for side in (statement.body, statement.orelse))]
    for n in ragged:
        grown.joined(run, sides, done, n, statement)
    shrunk = [n for n in joined if n not in ragged and grown.taken_apart(run, sides, done, n)]
    run.shrunk.update(shrunk)
    made.extend([*done[1], *done[0]] if shrunk else [*done[0], *done[1]])
    one, two = sides if subject is test else reversed(sides)
    for n in joined:
        if stem(n) != n:
            run.made.temps.add(n)       # a version in between: it may be folded into the line that uses it
        missing = [_unassigned(side, n, run) for side in (statement.body, statement.orelse)]
        if missing[0] != missing[1]:    # lanes that take the side without it never read it: nothing to choose
            made.append(assign(n, name(sides[missing[0]][n]), statement))
            continue
        if n in ragged or n in shrunk:
            made.append(assign(n, name(sides[n in ragged][n]), statement))
            continue
        flag = run.flags.names[n]
        merged = _merged(flag)
        run.flags.add(n, merged)
        made.append(assign(n, call("rt.where", [clone(subject), name(one[n]), name(two[n])], node=statement), statement))


def _held(run, value, wanted, statement, made):
    held = run.temp(wanted)
    run.flags.names[held] = True
    made.append(assign(held, value, statement))
    return name(held, statement)


def _while_taken(run, block, mask, mapping, statement):
    """A side that calls its own function again: it is computed while some lane takes it, or the recursion would never end."""
    taken = run.temp("taken")
    run.flags.names[taken] = False
    other = [assign(target, reference("rt.UNDEFINED", statement), statement) for target in mapping.values()]
    return [assign(taken, call("np.any", [name(mask)], node=statement), statement), branch(name(taken, statement), block, other, statement)]


def _unassigned(side, variable, run):
    """Whether a variable is rt.UNDEFINED at the end of one side."""
    for statement in reversed(side):
        if isinstance(statement, gast.Assign) and variable in assigned([statement]):
            return run.is_undefined(statement.value)
        if variable in assigned([statement]):
            return False
    return False


def _merged(flag):
    """What a value is once lanes are chosen from two versions of it."""
    if is_ragged(flag) or flag == (LIST, BOTTOM):
        return flag
    if isinstance(flag, tuple) and flag[:1] == (LIST,):
        return LIST, _merged(flag[1])
    if isinstance(flag, tuple):
        return tuple(_merged(f) for f in flag)
    return True


def _without_copies(block, targets):
    """End a branch with the value itself: ``y_2 = y * rate; y_then = y_2`` is ``y_then = y * rate``."""
    made = list(block)
    for index in range(len(block) - 1, -1, -1):
        copy = block[index]
        if not (isinstance(copy, gast.Assign) and isinstance(copy.targets[0], gast.Name) and copy.targets[0].id in targets
                and isinstance(copy.value, gast.Name)):
            continue
        source, target = copy.value.id, copy.targets[0].id
        makers = [s for s in block[:index] if isinstance(s, gast.Assign) and source in assigned([s])]
        # a copy at the head of a loop, whose variable has become the target, keeps what the source holds
        ends = sum(target in assigned([s]) for s in made) == 1 and source not in assigned(block[index + 1:])
        if len(makers) == 1 and ends and source not in targets and stem(source) == target.rpartition("_")[0]:
            made.remove(copy)
            for s in made:
                rename(s, {source: target})
    return made


def branch_masks(run, test, subject, statement, made):
    """The lanes of either side; written only where a loop or an append inside needs them."""
    needs = any(isinstance(n, (gast.For, gast.While)) or isinstance(n, gast.Attribute) and n.attr == "append"
                or isinstance(n, gast.Assert) or isinstance(n, gast.Assign) and calls_loops(n.value, run.unit)
                for s in statement.body + statement.orelse for n in gast.walk(s))
    needs = needs or run.form == GUARDED and (risky(statement.body, run.unit) or risky(statement.orelse, run.unit))
    if not needs:
        return ("", "") if run.mask is None else (run.mask, run.mask)
    masks = []
    for flip in (False, True):
        value = clone(subject)
        if flip == (subject is test):
            value = call("np.logical_not", [value], node=statement)
        if run.mask:
            value = call("np.logical_and", [name(run.mask), value], node=statement)
        made_name = run.temp("lanes")
        run.flags.names[made_name] = True
        made.append(assign(made_name, value, statement))
        masks.append(made_name)
    return masks


def while_loop(run, statement, made):
    split = head_length(statement)
    head, exit_statement = statement.body[:split - 1], statement.body[split - 1]
    exit_test = exit_statement.test
    subject = exit_test.operand if isinstance(exit_test, gast.UnaryOp) else exit_test
    missing, seen = _missing(run, statement), set(run.seen)
    while True:
        flags_before, run.seen = run.flags.snapshot(), set(seen)
        head_made = run.block([clone(s) for s in head])
        if is_ragged(run.flags.of(subject)):
            refuse(statement, run.unit, grown.MESSAGE + "the condition of a loop under vmap", "Count its items: while n > 0.")
        masking = by_lane(run, subject) or run.mask
        if not masking:
            body = run.block([clone(s) for s in statement.body[split:]])
        else:
            live = run.temp("live")
            run.made.temps.discard(live)
            run.flags.names[live] = True
            outer, run.mask = run.mask, live
            body = []
            body += run.block(guarded(run, [clone(s) for s in statement.body[split:]], live, statement, body))
            body = masked(run, body, live, statement, missing, _read_by_test(run, statement, split))
            run.mask = outer
        if run.flags.same(flags_before):
            break
    if not masking:
        made.extend(_first_values(run, [*head_made, *body], missing))
        loop = at(gast.While(const(True), [*head_made, exit_if(clone(exit_test), exit_statement), *body], []), statement)
        made.append(loop)
        return
    goes_on = clone(subject) if subject is not exit_test else call("np.logical_not", [clone(subject)])
    if run.mask:
        first = call("np.logical_and", [name(run.mask), clone(goes_on)], node=statement)
    else:
        first = clone(goes_on)
    # the head's temporaries get names of their own where it is repeated, so that either copy can be folded
    tail = [clone(s) for s in head_made]
    local = [n for n in assigned(head_made) if n in run.made.temps and not any(n in reads(s) for s in body)]
    fresh = {n: run.temp(n) for n in local}
    for s in tail:
        rename(s, fresh)
    goes_on_again = rename(clone(goes_on), fresh)
    again = at(gast.BinOp(name(live), gast.BitAnd(), goes_on_again), statement)
    made.extend(_first_values(run, body, missing))
    made.extend(head_made)
    made.append(assign(live, first, statement))
    any_live = call("np.any", [name(live)], node=statement)
    made.append(at(gast.While(const(True), [exit_if(negate(any_live), statement), *body, *tail,
                                            assign(live, again, statement)], []), statement))


def for_loop(run, statement, made):
    split = head_length(statement)
    target = statement.target.id
    flag = run.flags.of(statement.iter)
    ragged = is_ragged(flag)
    start, stop, step = run.lane_ranges.get(getattr(statement.iter, "id", None), (None, None, None))
    iterable, element = (statement.iter, flag[1][1]) if ragged else iterated(run, statement.iter, statement)
    turn = target if start is None else run.temp("k")
    broke = statement.body[split - 1].test if split else None
    missing, seen = _missing(run, statement), set(run.seen)
    while True:
        flags_before, run.seen = run.flags.snapshot(), set(seen)
        run.flags.add(target, element if start is None else True)
        head_made = run.block([clone(s) for s in statement.body[:split - 1]]) if split else []
        masked_exit = broke is not None and by_lane(run, broke)
        inner, live, lanes = [], None, None
        if ragged or stop or masked_exit:
            live = run.temp("live")
            run.made.temps.discard(live)
            run.flags.names[live] = True
            if masked_exit:
                inner.append(exit_if(call("np.all", [clone(broke)], node=statement), statement))
            parts = []
            if masked_exit:
                parts.append(call("np.logical_not", [clone(broke)], node=statement))
            if ragged:
                lanes = run.temp("lanes")
                run.flags.names[lanes] = True
                parts.append(name(lanes))
            if stop:
                order = gast.Gt() if start is None and step < 0 else gast.Lt()
                parts.append(at(gast.Compare(name(turn), [order], [clone(stop)]), statement))
            if run.mask:
                parts.append(name(run.mask))
            value = parts[0]
            for part in parts[1:]:
                value = call("np.logical_and", [value, part], node=statement)
            inner.append(assign(live, value, statement))
            outer, run.mask = run.mask, live
            body = []
            body += run.block(guarded(run, [clone(s) for s in statement.body[split:]], live, statement, body))
            inner += masked(run, body, live, statement, missing)
            run.mask = outer
        else:
            if broke is not None:
                inner.append(exit_if(clone(broke), statement))
            inner += run.block([clone(s) for s in statement.body[split:]])
        if run.flags.same(flags_before):
            break
    made.extend(_first_values(run, inner, missing))
    loop_target = turn
    after_exit = int(is_exit(inner[0])) if inner else 0
    if start is not None:
        scaled = name(turn) if step == 1 else at(gast.BinOp(name(turn), gast.Mult(), const(step)), statement)
        inner.insert(after_exit, assign(target, at(gast.BinOp(start, gast.Add(), scaled), statement), statement))
    if ragged:
        loop_target = run.temp("turn")
        inner.insert(after_exit, assign([lanes, target], loop_target, statement))
    made.append(at(gast.For(gast.Name(loop_target, gast.Store(), None, None), iterable, [*head_made, *inner], [], None),
                   statement))


def _first_values(run, body, missing):
    """rt.UNDEFINED for what lanes read before any turn has made it: the old value in a choice between old and new."""
    exposed = live_in(body)
    return [assign(head, reference("rt.UNDEFINED")) for head in missing if head in exposed]


def _missing(run, statement):
    """Names that a loop assigns and that nothing before it does, if a later turn or what follows the loop reads them."""
    exposed = live_in(statement.body)
    inside = [n for s in statement.body for n in reads_in(s)]
    return [n for n in assigned(statement.body) if n not in run.seen and (
        n in exposed or run.reads.get(n, 0) > inside.count(n))]


def reads_in(statement):
    """Every read of a name in a statement and the blocks within it."""
    return [n.id for n in nodes_of(statement) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Load)]


def _read_by_test(run, statement, split):
    """Names that nothing but a while loop's test reads: a lane that is done stays so, whatever they are in it."""
    head, body = statement.body[:split - 1], statement.body[split:]
    inside = Counter(n for s in statement.body for n in reads_in(s))
    below = {n for s in body for n in reads_in(s)}
    outside = {n for n in inside if run.reads[n] > inside[n]}
    if set(assigned(head)) & (below | outside):
        return set()
    return set(inside) - below - outside


def masked(run, body, live, statement, missing, free=()):
    """Lanes that are done keep what they carry: the copies to the loop's head names become choices, but for those in ``free``."""
    tails = []
    while body and isinstance(body[-1], gast.Assign) and isinstance(body[-1].targets[0], gast.Name) and isinstance(
            _copied(body[-1].value), gast.Name):
        tails.insert(0, body.pop())
    for tail in tails:
        head = tail.targets[0].id
        if head in free or head not in run.heads and head not in missing:
            continue
        flag = _merged(run.flags.names.get(head, BOTTOM))
        if is_ragged(flag) or grown.carried(run, body, head, getattr(_copied(tail.value), "id", None)):
            continue        # a list that grew under the mask holds its lanes with its items
        run.flags.add(head, flag)
        tail.value = call("rt.where", [name(live), tail.value, name(head)], node=statement)
    return body + tails


def _copied(value):
    """The name that a tail copy copies, through a spread."""
    if isinstance(value, gast.Call) and dotted(value.func) == "rt.spread":
        return value.args[0]
    return value
