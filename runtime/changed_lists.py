"""What staged loops and branches do to lists: a loop carries one that its turns change in a form in which its types stay as they are.

A list of n items that every turn of m makes longer by one is a buffer of n + m rows and a count while the loop runs, and behind it the
sequence of those rows. A turn is tried first, to see what it does to a list::

    out = [x0]
    for i in range(200):
        out.append(f(out[-1], y[i]))        # buffer[count] = f(buffer[count - 1], y[i]); count = count + 1
"""
from __future__ import annotations

import numpy as np

from runtime import affine
from runtime.array import Array, ConcretizationError
from runtime.growing import Growing, One, buffered, common_types, is_records, is_sequence
from runtime.hlo import Value, into, tracing
from runtime.join import flatten, is_special
from runtime.sequence import UNROLL_LIMIT, Stacked, is_lazy, known_length
from runtime.tree import CARRIED
from runtime.zero import ZERO


class Carried:
    """The lists among what a loop carries, in the form in which it can.

    init: what the loop starts with. Each list that a turn makes longer by ``more`` has ``first + more * i`` items in turn i.
    """

    def __init__(self, given: tuple, init: tuple = None, found: dict | None = None, turns: int = 0, topped=frozenset()):
        self.given, self.init, self.found, self.turns = given, given if init is None else init, found or {}, turns
        self.topped = topped    # places of the lists whose last item stays beside the others

    def unprepared(self, out: tuple) -> bool:
        """Tell whether a turn makes a list of what is ZERO before the loop, of which ``carried`` has to know."""
        if self.found:
            return False
        leaves, structure = CARRIED.flatten(self.given, _is_list)
        return any(is_special(leaf) for leaf in leaves) and any(
            type(made) is Growing and is_special(leaf) for made, leaf in zip(structure.flatten_up_to(out), leaves))

    def in_turn(self, variables: tuple, i: Value) -> tuple:
        """Return the variables of the i-th turn of the loop with what is known of the lengths of their lists."""
        if not self.found:
            return variables
        leaves, structure = CARRIED.flatten(variables, _is_list)
        for place, (first, more) in self.found.items():
            leaves[place] = leaves[place].counted(Array(i) * more + first)
        return structure.unflatten(leaves)

    def returned(self, out: tuple) -> tuple:
        """Return what a turn ends with, its lists in the form in which the next one gets them."""
        leaves, structure = CARRIED.flatten(settled(out), _is_list)
        return structure.unflatten([(leaf.topped() if i in self.topped else leaf.flushed()) if type(leaf) is Growing else leaf
                                    for i, leaf in enumerate(leaves)])

    def finished(self, carry: tuple) -> tuple:
        """Return what the loop ends with: the lists that were given another form as sequences of their items."""
        if not self.found:
            return carry
        leaves, structure = CARRIED.flatten(carry, _is_list)
        for place, (first, more) in self.found.items():
            number = first + more * self.turns
            whole = leaves[place] = leaves[place].counted(number).flushed()
            if type(number) is int:
                leaves[place] = [whole[k] for k in range(number)] if number <= UNROLL_LIMIT else _records(whole, number)
        return structure.unflatten(leaves)


def carried(given: tuple, turn, start: int, turns: int, needed: bool = False) -> Carried:
    """Return what a loop of some turns from turn ``start`` on starts with, with the lists that its turns change in the form in which it can carry them.

    turn: runs one turn in a block that is thrown away, with what is known of its lists; returns (values, block, the turn's number there). Lists that nothing changes, and
    those of which items at known places change, stay lists. needed: a turn is tried even where the loop starts with none.
    """
    leaves, structure = CARRIED.flatten(given, _is_list)
    places = [i for i, leaf in enumerate(leaves) if type(leaf) in (list, Growing) or is_records(leaf)]
    if not places and not needed:
        return Carried(given)
    try:
        values, scratch, counter = turn(given)
        out = structure.flatten_up_to(values)
        changed = [i for i in range(len(leaves)) if type(out[i]) is Growing or i in places and is_sequence(out[i]) and len(out[i]) != len(leaves[i])]
    except ConcretizationError:     # reads or writes an item whose number only the program knows
        if all(type(leaves[i]) is Growing for i in places):
            raise
        values, scratch, counter = turn(structure.unflatten([_tried(leaf, turns) if i in places else leaf for i, leaf in enumerate(leaves)]))
        out = structure.flatten_up_to(values)
        changed = [i for i in range(len(leaves)) if type(out[i]) is Growing or i in places]
    made, found = list(leaves), {}
    for i in changed:
        if type(leaves[i]) is Growing:
            more = _difference(out[i], leaves[i])
            if more is not None:
                found[i] = leaves[i].count, more
            continue
        if is_special(leaves[i]):
            found[i] = _line_of(out[i].count, counter, start)
            made[i] = Growing(out[i].zeros().tree, found[i][0], out[i].capacity)
            continue
        more = _difference(out[i], leaves[i]) if type(out[i]) is Growing or is_sequence(out[i]) else None
        if more is None:
            raise ConcretizationError("how many items a turn of a loop adds to a list is known only when the compiled program runs")
        with into(scratch):
            types = common_types(leaves[i], out[i], counter)
        first = len(leaves[i])
        if types is None or first + more * turns < 0:
            raise ConcretizationError("a list that a loop changes holds what cannot be stacked, or fewer items than are taken from it")
        made[i] = buffered(leaves[i], *types, max(first, first + more * turns))
        found[i] = first, more
    if found:
        tracing.block.module.facts["lists carried"] = True
    made = [leaf.flushed() if type(leaf) is Growing else leaf for leaf in made]
    lists = Carried(given, loosened(structure.unflatten(made)), found, turns)
    if not any(more < 0 and type(first) is int for first, more in found.values()):
        return lists
    out = structure.flatten_up_to(turn(lists.init, lists)[0])       # of a list that gets shorter, the last item may stay beside the others
    topped = frozenset(i for i, (first, more) in found.items() if more < 0 and type(first) is int and type(out[i]) is Growing
                       and out[i].top is not None)
    made = [leaf.topped() if i in topped else leaf for i, leaf in enumerate(made)]
    return Carried(given, loosened(structure.unflatten(made)), found, turns, topped)


def _line_of(count, counter, start):
    """(first, more) of the length first + more * i that a list has before turn start + i, from its length behind a turn."""
    number = affine.form(count)
    if number is None:
        raise ConcretizationError("the length of a list whose derivative begins as zero is known only when the compiled program runs")
    more = number.terms.get(counter.name, 0)
    outer = {name: factor for name, factor in number.terms.items() if name != counter.name}
    return _number(number._replace(constant=number.constant + more * (start - 1), terms=outer)), more


def _number(form):
    """A number that is made of the counters of the loops around, in the present block."""
    module = tracing.block.module
    return sum([Array(module.counters[name][0]) * factor for name, factor in form.terms.items()], form.constant)


def _records(whole, number) -> Stacked:
    parts, tree = flatten(whole.tree)
    rows = [part if number == whole.capacity else part[:number] for part in parts if part is not ZERO]
    feed = iter(range(len(rows)))
    plan = tuple([("is", ZERO) if part is ZERO else ("row", next(feed)) for part in parts])
    return Stacked(rows, [], None, plan, tree, number)


def _difference(after, before) -> int | None:
    """How many items more one list has than another; None where that is not known."""
    counts = [affine.form(x.count if type(x) is Growing else len(x)) for x in (after, before)]
    if None in counts:
        return None
    more = counts[0].plus(counts[1], -1)
    return None if more.terms else more.constant


def _tried(items, turns):
    """A list for a turn that is tried: in the form that a loop carries where its items have a common type."""
    if not len(items):
        return Growing(None, 0, turns)
    types = common_types(items, items)
    return items if types is None else buffered(items, *types, len(items) + turns)


def _is_list(x) -> bool:
    return type(x) in (list, Growing) or is_special(x) or is_records(x)


def loosened(values):
    """Return what a loop starts with, the lengths of its lists as numbers of the program."""
    leaves, structure = CARRIED.flatten(values, _is_list)
    return structure.unflatten([_loose(leaf) if type(leaf) is Growing else leaf for leaf in leaves])


def stacked(values):
    """Return what one side of a branch, or a turn of a loop of unknown length, gave, with all items of its lists stacked."""
    leaves, structure = CARRIED.flatten(settled(values), _is_list)
    return structure.unflatten([leaf.flushed() if type(leaf) is Growing else leaf for leaf in leaves])


def _loose(whole):
    return whole.counted(Array(tracing.block.constant(whole.count, np.int32)) if type(whole.count) is int else whole.count)


def settled(values):
    """Return what a turn, or a side of a branch, returned, its cotangents of lists as lists."""
    leaves, structure = flatten(values)
    if not any(type(leaf) is One for leaf in leaves):
        return values
    return structure.unflatten([leaf.whole() if type(leaf) is One else leaf for leaf in leaves])


def alike(a, b, into_a, into_b):
    """Return what two sides of a branch gave, in their blocks, with lists as the other side has them where that changed them in a loop."""
    (ones, structure), (others, other) = CARRIED.flatten(a, _is_list), CARRIED.flatten(b, _is_list)
    if structure != other or not any(type(x) is Growing or is_lazy(x) for x in (*ones, *others)):
        return a, b
    for i, (x, y) in enumerate(zip(ones, others)):
        if type(x) is not type(y):
            ones[i], others[i] = x, y = _listed(x, into_a), _listed(y, into_b)
        if type(x) is Growing and type(y) is not Growing:
            others[i] = _zeros_like(x, into_b) if is_special(y) else _as_growing(y, x, into_b)
        elif type(y) is Growing and type(x) is not Growing:
            ones[i] = _zeros_like(y, into_a) if is_special(x) else _as_growing(x, y, into_a)
        if type(ones[i]) is type(others[i]) is Growing and type(ones[i].count) is not type(others[i].count):
            with into(into_a):
                ones[i] = _loose(ones[i])
            with into(into_b):
                others[i] = _loose(others[i])
    return structure.unflatten(ones), structure.unflatten(others)


def _listed(records, block):
    """Records as a list, if they are such and their number is known."""
    if not is_lazy(records) or known_length(records) is None:
        return records
    with into(block):
        return list(records)


def _zeros_like(like, block):
    """A list of zeros as long as another, whose length has to be known in both sides."""
    number = affine.form(like.count)
    if number is None:
        raise ConcretizationError("a side of a branch has no derivative of a list that the other side changes in a loop of unknown length")
    with into(block):
        return Growing(like.zeros().tree, _number(number), like.capacity)


def _as_growing(items, like, block):
    if type(items) is not list:
        return items
    leaves, structure = flatten(like.tree)
    with into(block):
        types = common_types(items, items) if any(item is not ZERO for item in items) else (structure, [None] * len(leaves))
        return items if types is None or types[0] != structure or len(items) > like.capacity else buffered(items, *types, like.capacity)


__all__ = ["Carried", "alike", "carried", "loosened", "settled"]
