"""Records of loops whose number of turns only the running program knows: a few checkpoints, and recomputation.

The forward loop keeps the loop variables of at most ``config.loop_checkpoints`` turns, evenly spaced: when the slots are full, every other one is
dropped and the spacing doubles. Run backwards, each stretch between two checkpoints is run again from its beginning, with
as many finer checkpoints of its own, and each turn from the nearest of those. (Griewank and Walther, "Algorithm 799:
revolve", 2000, treats the optimal schedules for known lengths; here the length is unknown and the schedule plain.)
"""
from __future__ import annotations

import numpy as np

from runtime import varying
from runtime.array import Array, ConcretizationError
from runtime.config import config
from runtime.carried import Carry, as_tuple, settle, variable_names
from runtime.control import staged_while as _stage, test_region, truth
from runtime.hlo import Block, Value, into, tracing
from runtime.primitive import lift, lift_array
from runtime.sequence import Replayable, Zipped, as_sequence
from runtime.spans import INDEX, index_value, row, write_row
from runtime.tree import register_structure
from runtime.types import aval

_BOOL = aval((), np.bool_)
DEEPEST = 2             # loops within one that is recomputed: each order of reverse mode adds one, and multiplies the program


def _sum(block: Block, a: Value, b: Value) -> Value:
    return block.op("add", [a, b], INDEX)


def _minus(block: Block, a: Value, b: Value) -> Value:
    return block.op("subtract", [a, b], INDEX)


def _times(block: Block, a: Value, b: Value) -> Value:
    return block.op("multiply", [a, b], INDEX)


def _over(block: Block, a: Value, b: Value) -> Value:
    return block.op("divide", [a, b], INDEX)


def _number(block: Block, n: int) -> Value:
    return block.constant(n, np.int32)


def _loop(block: Block, start: list[Value], test, turn) -> list[Value]:
    """Emit a while loop: ``test(region, values) -> bool value``, ``turn(region, values) -> values``."""
    types = [v.aval for v in start]

    def regions(axes):
        check, body = block.region(types), block.region(types)
        for region in (check, body):
            for value, own in zip(region.args, axes):
                varying.mark(value, own)
        with into(check):
            check.ret([test(check, check.args)])
        with into(body):
            body.ret(turn(body, body.args))
        return body.returned, [check, body]
    return block.op("while", start, types, regions=varying.settled(start, regions))


def _either(block: Block, test: Value, yes, no, types) -> list[Value]:
    """Emit an if: ``yes(region)`` and ``no(region)`` return values of these types."""
    one, two = block.region(), block.region()
    with into(one):
        one.ret(yes(one))
    with into(two):
        two.ret(no(two))
    return block.op("if", [test], types, regions=[one, two])


def _write(block: Block, slots: list[Value], turn: Value, stride: Value, values: list[Value]) -> list[Value]:
    """Write the variables of a turn to their place if it is a multiple of the stride, else to the spare row at the end.

    Without a branch: one that passes the slots on unchanged would copy them at every turn.
    """
    place = _over(block, turn, stride)
    due = block.compare("EQ", _times(block, place, stride), turn)
    where = block.op("select", [due, place, _number(block, _rows(slots))], INDEX)
    return [write_row(block, s, where, v) for s, v in zip(slots, values)]


def _rows(slots) -> int:
    """The number of checkpoints that slots hold, the spare row not counted."""
    return slots[0].aval.shape[0] - 1


def _thin(block: Block, slots: list[Value], stride: Value) -> list[Value]:
    """Keep every other checkpoint; return the slots and the wider stride."""
    made = []
    for s in slots:
        count, rest = s.aval.shape[0] - 1, s.aval.shape[1:]
        halved = block.op("slice", [s], s.aval.with_shape((count // 2, *rest)), {
            "start_indices": (0,) * s.aval.ndim, "limit_indices": (count, *rest), "strides": (2,) + (1,) * len(rest)})
        spare = block.op("slice", [s], s.aval.with_shape((1, *rest)), {
            "start_indices": (0,) * s.aval.ndim, "limit_indices": (1, *rest), "strides": (1,) * s.aval.ndim})
        made.append(block.op("concatenate", [halved, halved, spare], s.aval, {"dimension": 0}))
    return [*made, _sum(block, stride, stride)]


class _Source:
    """What is static about a replayed loop: its body, its variables' structure, the outer values the body uses, its depth."""
    __slots__ = ("body", "carry", "collect", "free", "depth")

    def __init__(self, body, carry: Carry, collect: int, free: list[Value], depth: int):
        self.body, self.carry, self.collect, self.free, self.depth = body, carry, collect, free, depth


class Replayed(Replayable):
    """The records of a staged while loop, recomputed from checkpoints when a loop inside the same trace runs over them.

    slots: the loop variables' checkpoints, [config.loop_checkpoints + 1, ...] each. total: the number of turns. stride: turns between checkpoints.
    outer: what the values of enclosing blocks that the body uses are here and now.
    """
    __slots__ = ("slots", "total", "stride", "outer", "source", "which", "backwards", "span")

    def __init__(self, slots, total, stride, outer, source: _Source, which: int, backwards: bool = False, span=None):
        self.slots, self.total, self.stride, self.outer = slots, total, stride, outer
        self.source, self.which, self.backwards = source, which, backwards
        self.span = source if span is None else span    # the loop that decided how many records there are

    def __reversed__(self):
        return Replayed(self.slots, self.total, self.stride, self.outer, self.source, self.which, not self.backwards, self.span)

    def __iter__(self):
        raise ConcretizationError("the records of this loop can only be run over by a for loop of the same staged function; "
                                  "their number is known only when the compiled program runs")

    def _turn(self, block: Block, values: list[Value]) -> tuple[list[Value], tuple]:
        """Emit one turn of the original loop; return (variables after it, its records)."""
        source = self.source
        for old, new in zip(source.free, self.outer):
            if isinstance(new, Array) and block.resolve(old) is None:
                block.rebound[old.name] = lift_array(block, new)
        count = len(source.carry.names)
        with into(block):
            out = as_tuple(source.body(*source.carry.with_values(values)), count + source.collect, "the body of a while loop")
            return source.carry.returned(block, out[:count]), out[count:]

    def _advance(self, block: Block, values: list[Value], turns: Value) -> list[Value]:
        """Emit a number of turns of the original loop."""
        start = [_number(block, 0), *values]
        return _loop(block, start, lambda region, now: region.compare("LT", now[0], turns),
                     lambda region, now: [_sum(region, now[0], _number(region, 1)), *self._turn(region, now[1:])[0]])[1:]

    def run(self, loop, init: tuple):
        """Run a for loop over the records; return what the loop returns."""
        if self.backwards and not loop.collect:
            return self._run_backwards(loop, init)
        return run_beside(loop, self, init)

    def _run_backwards(self, loop, init):
        outer = tracing.block
        total, stride = index_value(outer, self.total), index_value(outer, self.stride)
        slots = [lift_array(outer, s) for s in self.slots]
        count = _rows(slots)
        fine = _over(outer, _sum(outer, stride, _number(outer, count - 1)), _number(outer, count))
        last = _minus(outer, total, _number(outer, 1))
        return self._backwards(loop, init, Array(last), stride, fine, slots)

    def _stretch(self, region: Block, here: Value, offset: Value, fine: Value, slots: list[Value]) -> list[Value]:
        """Emit the run of a stretch from its checkpoint to the turn at ``offset``, keeping every ``fine``-th turn."""
        begin = [row(region, s, here) for s in slots]

        def step(inner, state):
            u, values, kept = state[0], state[1:1 + len(begin)], state[1 + len(begin):]
            kept = _write(inner, kept, u, fine, values)
            return [_sum(inner, u, _number(inner, 1)), *self._turn(inner, values)[0], *kept]
        end = _loop(region, [_number(region, 0), *begin, *[region.zeros(s.aval) for s in slots]],
                    lambda inner, state: inner.compare("LE", state[0], offset), step)
        return end[1 + len(begin):]

    def _record(self, block: Block, near: list[Value], offset: Value, fine: Value):
        """Emit the turn at ``offset`` of a stretch from the nearest of its checkpoints; return its records."""
        place = _over(block, offset, fine)
        values = self._advance(block, [row(block, k, place) for k in near], _minus(block, offset, _times(block, place, fine)))
        return self._turn(block, values)[1]

    def _backwards(self, loop, init, last, stride, fine, slots):
        """Two loops: over the stretches, and over the turns of each. Each stretch is run once."""
        def more(turn, least, carry):
            block = tracing.block
            return Array(loop.unless_ended(block, block.compare("GE", index_value(block, turn), least), carry))

        def stretch(turn, *carry):
            block = tracing.block
            now, pace, near_pace = index_value(block, turn), lift(block, stride), lift(block, fine)
            here = _over(block, now, pace)
            first = _times(block, here, pace)
            near = self._stretch(block, here, _minus(block, now, first), near_pace, [lift(block, s) for s in slots])

            def body(turn, *carry):
                inner = tracing.block
                now = index_value(inner, turn)
                offset = _minus(inner, now, lift(inner, first))
                records = self._record(inner, [lift(inner, k) for k in near], offset, lift(inner, near_pace))
                out, _ = loop.turn(records[self.which], carry)
                return (Array(_minus(inner, now, _number(inner, 1))), *out)
            after, _ = _stage(lambda turn, *carry: more(turn, lift(tracing.block, first), carry), body, (turn, *carry), 0)
            return after
        return _finish(loop, 1, lambda turn, *carry: more(turn, _number(tracing.block, 0), carry), stretch, (last, *init))

    # -- one record after the other, for a loop that keeps more than this in step ---------------------------------------

    def begin(self, block: Block) -> tuple:
        """Return what such a loop carries for these records."""
        first = [lift_array(block, s) for s in self.slots]
        if not self.backwards:
            return Array(_number(block, 0)), tuple(Array(row(block, s, _number(block, 0))) for s in first)
        last = _minus(block, index_value(block, self.total), _number(block, 1))
        return Array(last), Array(_number(block, -1)), tuple(Array(block.zeros(s.aval)) for s in first)

    def more(self, block: Block, state) -> Value:
        """Emit whether another turn follows."""
        turn = index_value(block, state[0])
        return block.compare("GE", turn, _number(block, 0)) if self.backwards else block.compare("LT", turn, index_value(block, self.total))

    def step(self, block: Block, state) -> tuple[tuple, tuple]:
        """Emit the records of a turn; return (records, state for the next)."""
        now = index_value(block, state[0])
        if not self.backwards:
            values, records = self._turn(block, [lift_array(block, v) for v in state[1]])
            return records, (Array(_sum(block, now, _number(block, 1))), tuple(map(Array, values)))
        # a stretch is run where its last turn comes up; through lift, so that a loop that replays this one in turn knows the
        # outer values it needs
        pace, slots = lift(block, index_value(block, self.stride)), [lift_array(block, s) for s in self.slots]
        count = _rows(slots)
        fine = _over(block, _sum(block, pace, _number(block, count - 1)), _number(block, count))
        here = _over(block, now, pace)
        offset = _minus(block, now, _times(block, here, pace))
        moved = block.compare("NE", here, index_value(block, state[1]))
        kept = _either(block, moved, lambda region: self._stretch(region, here, offset, fine, slots),
                       lambda region: [lift_array(region, k) for k in state[2]], [s.aval for s in slots])
        records = self._record(block, kept, offset, fine)
        return records, (Array(_minus(block, now, _number(block, 1))), Array(here), tuple(map(Array, kept)))

    def loop_of(self) -> tuple:
        """Return what two records of the same turns have in common."""
        return id(self.source), self.backwards, _value_names(self.slots), _value_names([self.total, self.stride])


def _value_names(arrays) -> tuple:
    """Return the names of the values of arrays: equal where they are the same."""
    return tuple(getattr(a._v, "name", id(a._v)) for a in arrays)


def run_beside(loop, sequence, init):
    """Run a for loop over records that are recomputed and what stands beside them, in step; return what the loop returns.

    Records of the same turns of one loop are recomputed together.
    """
    outer = tracing.block
    leaves = sequence.leaves() if isinstance(sequence, Zipped) else [sequence]
    prepared = [leaf if isinstance(leaf, Replayable) else as_sequence(leaf) for leaf in leaves]
    walked = {leaf.loop_of(): leaf for leaf in leaves if isinstance(leaf, Replayable)}
    lead = next(iter(walked.values()))

    def items(block, turn, records):
        feed = iter([records[leaf.loop_of()][leaf.which] if isinstance(leaf, Replayable) else each.item(block, turn)
                     for leaf, each in zip(leaves, prepared)])
        return _arranged(sequence, feed)

    def test(turn, states, *carry):
        block = tracing.block
        return Array(loop.unless_ended(block, lead.more(block, states[0]), carry))

    def body(turn, states, *carry):
        block = tracing.block
        now = index_value(block, turn)
        records, after = {}, []
        for (key, leaf), state in zip(walked.items(), states):
            records[key], following = leaf.step(block, state)
            after.append(following)
        out, made = loop.turn(items(block, now, records), carry)
        return (Array(_sum(block, now, _number(block, 1))), tuple(after), *out, *made)
    states = tuple(leaf.begin(outer) for leaf in walked.values())
    return _finish(loop, 2, test, body, (Array(_number(outer, 0)), states, *init), lead.span,
                   1 + max(leaf.source.depth for leaf in walked.values()))


def _arranged(sequence, feed):
    """One item of a sequence, from those of its leaves."""
    if not isinstance(sequence, Zipped):
        return next(feed)
    return sequence.arranged(tuple(_arranged(s, feed) for s in sequence.sources))


def _finish(loop, internal: int, test, body, init, span=None, depth: int = 0):
    carry, tapes = staged_while(test, body, init, loop.collect, depth)
    if loop.stop is None and span is not None:
        for tape in tapes:
            tape.span = span
    return loop.finish(carry[internal:], tapes)


class _Static:
    """The static part of Replayed; two are equal only if they come from the same loop."""
    __slots__ = ("parts",)

    def __init__(self, *parts):
        self.parts = parts

    def __eq__(self, other):
        return isinstance(other, _Static) and self.parts[0] is other.parts[0] and self.parts[1:] == other.parts[1:]

    def __hash__(self):
        return hash((id(self.parts[0]), *self.parts[1:]))


register_structure(
    Replayed, lambda r: ((r.slots, r.total, r.stride, r.outer), _Static(r.source, r.which, r.backwards, r.span)),
    lambda aux, children: Replayed(*children, *aux.parts))


def staged_while(test, body, init: tuple, collect: int, depth: int = 0) -> tuple[tuple, list[Replayed]]:
    """Stage a while loop; return (variables after it, one tape for each of ``collect`` records).

    depth: how many loops are recomputed within its turns, whose checkpoints its own hold: the deeper, the fewer these are.
    The body returns the variables followed by the records. JoinError when the variables' types do not settle.
    """
    carry = Carry(tuple(init), variable_names(body, 0, len(init)))
    block = tracing.block
    count = len(init)

    def build(scratch, variables):
        scratch.free = {}
        out = as_tuple(body(*variables), count + collect, "the body of a while loop")
        return out[:count], None
    region, out, _ = settle(carry, build)
    if collect == 0:
        with into(region):
            region.ret(carry.returned(region, out))
        results = block.op("while", carry.initial(block), carry.initial_types(), regions=[test_region(carry, test), region])
        return carry.with_values(results), []
    variables = list(region.args)
    types = carry.initial_types()
    if depth > DEEPEST:
        raise ConcretizationError("reverse mode of the third order through a loop whose number of turns only the compiled program knows is "
                                  "not supported; take the outer derivatives in forward mode (jacfwd, jvp), or differentiate outside jit")
    budget = max(2, config.loop_checkpoints >> 2 * depth)
    kept = [of.with_shape((budget + 1, *of.shape)) for of in types]
    every = [*types, INDEX, INDEX, *kept]
    with into(region):
        values = carry.returned(region, out)
        turn, stride = region.argument(INDEX), region.argument(INDEX)
        slots = _write(region, [region.argument(of) for of in kept], turn, stride, variables)
        region.ret([*values, _sum(region, turn, _number(region, 1)), stride, *slots])
    # a loop of loops: the inner one fills the slots, the outer one thins them out
    filling = block.region(every)
    with into(filling):
        check = filling.region(every)
        with into(check):
            goes_on = truth(check, test(*carry.with_values(carry.marked(check.args[:len(types)]))), "while")
            room = check.compare("LT", check.args[len(types)], _times(check, check.args[len(types) + 1], _number(check, budget)))
            check.ret([check.op("and", [goes_on, room], _BOOL)])
        now = filling.op("while", list(filling.args), every, regions=[check, region])
        turn, stride, *slots = now[len(types):]
        full = filling.compare("EQ", turn, _times(filling, stride, _number(filling, budget)))
        *slots, stride = _either(filling, full, lambda inner: _thin(inner, slots, stride), lambda inner: [*slots, stride],
                                 [*kept, INDEX])
        filling.ret([*now[:len(types)], turn, stride, *slots])
    check = test_region(carry, test)
    for of in every[len(types):]:
        check.argument(of)
    inputs = [*carry.initial(block), _number(block, 0), _number(block, 1), *[block.zeros(of) for of in kept]]
    results = block.op("while", inputs, every, regions=[check, filling])
    n = len(types)
    free = list(region.free.values())
    source = _Source(body, carry, collect, free, depth)
    tapes = [Replayed([Array(r) for r in results[n + 2:]], Array(results[n]), Array(results[n + 1]),
                      [Array(v) for v in free], source, which) for which in range(collect)]
    return carry.with_values(results[:n]), tapes
