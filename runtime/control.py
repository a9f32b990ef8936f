"""Control flow: plain Python while everything is known, ``if`` and ``while`` of the compiled program where it is not."""
from __future__ import annotations

import numpy as np

from runtime import affine, changed_lists
from runtime.array import Array, ConcretizationError
from runtime.carried import Carry, as_tuple, bare, frozen, settle, variable_names
from runtime.hlo import Block, Value, into, tracing
from runtime.join import BranchTypes, UNDEFINED, Keep, UndefinedError, align, any_symbolic, flatten, is_symbolic, join_leaves, materialise
from runtime.primitive import lift, lift_array
from runtime.sequence import (UNROLL_LIMIT, Chain, Endless, Guarded, Replayable, Same, Stacked, Zipped, as_sequence, divided, known_length, reversed,
                              stack_plan)
from runtime.spans import INDEX, SymbolicRange, index_value, write_row
from runtime.types import Aval, aval

WRITTEN_LIMIT = 200_000  # characters of the program from which a short loop stays a loop: some 2000 operations
WHILE_LIMIT = 16  # turns of a while loop with a known test that run one by one before the loop is staged
_BOOL = aval((), np.bool_)


def truth(block: Block, x, what: str) -> Value:
    """Return a condition as a scalar bool of a block; ValueError if it has more than one element."""
    value = lift_array(block, x)
    if value.aval.size != 1:
        raise ValueError(f"{what}: the truth value of an array of type {value.aval} is ambiguous; use .any() or .all()")
    return block.reshape(block.convert(value, aval(value.aval.shape, np.bool_)), ())


def cond(pred, then, orelse):
    """Return ``then()`` or ``orelse()``; if ``pred`` is symbolic, stage both and join their results.

    The branches take nothing and return pytrees. TypeError (JoinError) naming both types when they cannot be joined.
    """
    known = affine.decided(pred)
    if known is not None or not is_symbolic(pred):
        holds = pred if known is None else known
        out = then() if holds else orelse()
        if tracing.block is not None and type(out) is tuple and BranchTypes in map(type, out):
            _check_types(out, orelse if holds else then)
        return out
    block = tracing.block
    test = truth(block, pred, "if")
    yes, no = block.region(), block.region()
    out_yes, missing = _traced(yes, then)
    out_no, also = _traced(no, orelse)
    if missing is not None and also is not None:
        raise missing
    out_yes, out_no = _align_results(*changed_lists.alike(out_yes, out_no, yes, no))
    leaves_yes, tree = flatten(out_yes)
    leaves_no, _ = flatten(out_no)
    joins = [join_leaves(a, b, _result_name(tree, i)) for i, (a, b) in enumerate(zip(leaves_yes, leaves_no))]
    types = [j for j in joins if type(j) is Aval]
    yes.ret([materialise(yes, a, j) for a, j in zip(leaves_yes, joins) if type(j) is Aval])
    no.ret([materialise(no, b, j) for b, j in zip(leaves_no, joins) if type(j) is Aval])
    results = iter(block.op("if", [test], types, regions=[yes, no]))
    return tree.unflatten([Array(next(results)) if type(j) is Aval else j.value for j in joins])


def _traced(region, branch):
    """Trace one side of a branch: (result, None), or (UNDEFINED, error) for a side that uses what its path never assigned,
    which is therefore never taken."""
    try:
        with into(region):
            return changed_lists.stacked(branch()), None
    except UndefinedError as error:
        return UNDEFINED, error


def _check_types(out, branch):
    """Raise TypeError where ``lax.cond`` would take a branch whose result has other types than the one taken: it is traced and
    dropped."""
    try:
        other, _ = _traced(tracing.block.region(), branch)
    except ConcretizationError:     # values that only the branch taken has
        return
    _agreeing_types(out, other)


def _agreeing_types(a, b):
    """Raise TypeError where the results of two branches are noted to be of types that differ."""
    if type(a) is tuple and type(b) is tuple:
        for x, y in zip(a, b):
            if type(x) is BranchTypes and type(y) is BranchTypes:
                x.agreeing(y)


def _align_results(a, b):
    _agreeing_types(a, b)
    if type(a) is tuple and type(b) is tuple and len(a) == len(b):  # say which result it is
        pairs = [align(x, y, f"result {i} of the branches") for i, (x, y) in enumerate(zip(a, b))]
        return tuple(x for x, _ in pairs), tuple(y for _, y in pairs)
    return align(a, b, "the result of the branches")


def _result_name(tree, i: int) -> str:
    return "the result of the branches" if tree.num_leaves == 1 else f"result {i} of the branches"


def while_loop(test, body, *init, collect: int = 0):
    """Run ``carry = body(*carry)`` while ``test(*carry)``; return the carry (one value bare), then ``collect`` records' lists.

    While the test is known the loop runs in Python; when it is symbolic, the rest becomes one loop of the compiled
    program. Zeros, numbers and weak types settle to the types that the body returns; TypeError naming the variable if
    they do not. With ``collect`` the body returns that many records after the carry.
    """
    carry, count = tuple(init), len(init)
    records: list[list] = [[] for _ in range(collect)]
    staging = tracing.block is not None
    if staging and collect:
        body = frozen(body)
    turns = 0
    while True:
        if staging:
            with into(tracing.block.region()):  # only to see whether the answer is known
                answer = test(*carry)
        else:
            answer = test(*carry)
        if is_symbolic(answer):
            return _staged_while(test, body, carry, records)
        if not answer:
            return bare(carry + tuple(records))
        if staging and not collect and turns >= WHILE_LIMIT and any_symbolic(carry):
            try:
                return _staged_while(test, body, carry, records)
            except Exception:  # the body needs Python values; if the failure is the user's, unrolling shows it
                staging = False
        out = as_tuple(body(*carry), count + collect, "the body of a while loop")
        carry = out[:count]
        for column, item in zip(records, out[count:]):
            column.append(item)
        turns += 1


def staged_while(test, body, init: tuple, collect: int):
    """Stage a while loop whose records are wanted; return (carry, tapes)."""
    from runtime import replay  # it is built on this module
    return replay.staged_while(test, body, init, collect)


def _staged_while(test, body, init: tuple, records: list[list]):
    if records:
        out, tapes = staged_while(test, body, init, len(records))
        return bare(out + tuple(Chain([column, tape]) if column else tape for column, tape in zip(records, tapes)))
    carry = Carry(changed_lists.loosened(changed_lists.stacked(init)), variable_names(body, 0, len(init)))
    block = tracing.block

    def turn(scratch, variables):
        return changed_lists.stacked(as_tuple(body(*variables), len(init), "the body of a while loop")), None
    region, out, _ = settle(carry, turn)
    with into(region):
        region.ret(carry.returned(region, out))
    check = test_region(carry, test)
    results = block.op("while", carry.initial(block), carry.initial_types(), regions=[check, region])
    return bare(carry.with_values(results))


def test_region(carry: Carry, test) -> Block:
    """Return the region of a ``while`` that decides whether another turn runs."""
    check = tracing.block.region()
    variables = carry.arguments(check)
    with into(check):
        check.ret([truth(check, test(*variables), "while")])
    return check


def for_loop(body, xs, *init, stop=None, collect: int = 0):
    """Run ``carry = body(x, *carry)`` for each x; return the carry values, then ``collect`` lists of records.

    ``body`` returns the carry values followed by ``collect`` records, bare if that is one value. ``stop(*carry)``, checked
    before each turn, ends the loop when true. Inside a trace a long loop becomes one loop of the compiled program, unless
    its body needs the items as Python values; the records are then ``Stacked``.
    """
    if collect and tracing.block is not None:
        body, stop = frozen(body), frozen(stop)
    loop = _For(body, stop, len(init), collect)
    xs = divided(xs) if isinstance(xs, Zipped) else xs
    if isinstance(xs, Chain):
        return loop.chain(xs.parts, init)
    if isinstance(xs, Guarded):
        return loop.finish(*loop.python(xs, init))
    block = tracing.block
    if isinstance(xs, Replayable):
        if block is None:
            iter(xs)  # raises: there is no program to recompute them in
        return xs.run(loop, init)
    if isinstance(xs, Zipped) and xs.replayed():
        from runtime import replay  # it is built on this module
        return replay.run_beside(loop, xs, init)
    if block is None or not _worth_staging(xs):
        try:
            return loop.finish(*(loop.python(xs, init) if block is None else loop.written_out(block, xs, init)))
        except _TooLong:
            pass    # stage it
        except ConcretizationError:
            if block is None or stop is None or not hasattr(xs, "__len__"):
                raise
            # a short loop that ends at a turn that only the compiled program knows: stage it
    unknown = known_length(xs) is None if isinstance(xs, Zipped) else (
        isinstance(xs, SymbolicRange) or isinstance(xs, Stacked) and xs.count is not None)
    sequence = as_sequence(xs)
    if not hasattr(sequence, "item"):
        return loop.finish(*loop.python(sequence, init))
    if unknown:
        return loop.finish(*loop.staged(sequence, init))
    first = 0
    items = xs if isinstance(xs, list) else sequence     # one by one, Python's numbers stay what they are
    records: list[list] = [[] for _ in range(collect)]
    carry = tuple(init)
    if not any_symbolic(carry) and not _symbolic_items(sequence):
        carry, records, ended = loop.peel(items, carry, records)  # is anything symbolic here at all?
        first = 1
        if ended or not any_symbolic(carry, records):
            return loop.finish(*loop.python(items, carry, records, first))
    for attempt in (0, 1):
        try:
            out, tapes = loop.staged(sequence, carry, first)
        except ConcretizationError:
            break
        except Exception:  # whatever it is, unrolling either works or raises it again where the user can see it
            if attempt or len(sequence) <= first:
                break
            carry, records, ended = loop.peel(items, carry, records, first)  # one turn may settle the types
            first += 1
            if ended:
                break
            continue
        return loop.finish(out, [Chain([column, tape]) if column else tape for column, tape in zip(records, tapes)])
    loop.large(block, False)
    return loop.finish(*loop.python(items, carry, records, first))


def _worth_staging(xs) -> bool:
    if isinstance(xs, (SymbolicRange, Stacked)) or isinstance(xs, Zipped) and xs.stays():
        return True
    if isinstance(xs, Array):
        return xs.ndim > 0 and xs.shape[0] > UNROLL_LIMIT
    return _countable(xs) and len(xs) > UNROLL_LIMIT


def _countable(xs) -> bool:
    return hasattr(xs, "__len__") and not isinstance(xs, (dict, set, frozenset, str))


class _Unprepared(Exception):
    """A turn makes a list of what is ZERO before the loop."""


class _TooLong(Exception):
    """The turns of a short loop are more text than ought to be written out."""


def _symbolic_items(sequence) -> bool:
    if isinstance(sequence, Stacked):
        return any_symbolic(sequence.stacked, sequence.fixed)
    if isinstance(sequence, Same):
        return any_symbolic(sequence.value)
    parts = getattr(sequence, "parts", None)
    if parts is not None:
        return any(_symbolic_items(p) for p in parts)
    return any_symbolic(getattr(sequence, "tree", ()))


class _For:
    """One for loop: its body, its early end, and how many values it carries and records."""

    def __init__(self, body, stop, count: int, collect: int):
        self.body, self.stop, self.count, self.collect = body, stop, count, collect

    def finish(self, carry, records):
        """Return the loop's results as its caller expects them."""
        return bare(tuple(carry) + tuple(records))

    def turn(self, x, carry) -> tuple[tuple, tuple]:
        """Run the body once; return (carry, records)."""
        out = as_tuple(self.body(x, *carry), self.count + self.collect, "the body of a for loop")
        return out[:self.count], out[self.count:]

    def ended(self, carry) -> bool:
        """Tell whether the loop ends here; ConcretizationError if only the compiled program knows."""
        return self.stop is not None and bool(self.stop(*carry))

    def peel(self, sequence, carry, records, first=0):
        """Run one turn in Python; return (carry, records, whether the loop had ended)."""
        if self.ended(carry):
            return carry, records, True
        item = next(x for i, x in enumerate(sequence) if i == first)
        carry, new = self.turn(item, carry)
        return carry, [column + [r] for column, r in zip(records, new)], False

    def written_out(self, block, sequence, carry):
        """Run all turns one by one; _TooLong, with nothing emitted, if by the first of them the whole is too much text."""
        turns = (known_length(sequence) or 0) if isinstance(sequence, Zipped) or _countable(sequence) else 0
        large = self.large(block)
        if turns < 2 or large is False:
            return self.python(sequence, carry)
        if large:
            raise _TooLong
        start = block.mark()

        def check():
            if turns * block.written_since(start) > WRITTEN_LIMIT:
                raise _TooLong
        try:
            return self.python(sequence, carry, after_first=check)
        except _TooLong:
            block.undo(start)
            self.large(block, True)
            raise

    def large(self, block, noted: bool | None = None) -> bool | None:
        """Return, or note, whether the body is too much text to be written out turn by turn; False if it has to be."""
        found = block.module.facts.setdefault("large bodies", {})
        code = getattr(self.body, "__code__", None)
        if noted is not None:
            found[code] = noted
        return found.get(code)

    def python(self, sequence, carry, records=None, first=0, after_first=None):
        """Run the turns from ``first`` on one by one; turns that only the compiled program knows to run have guarded records."""
        records = [[] for _ in range(self.collect)] if records is None else records
        guarded = isinstance(sequence, Guarded)
        skips = [False] * first
        for i, x in enumerate(sequence.items if guarded else sequence):
            if i < first:
                continue
            skip = sequence.skips[i] if guarded else False
            done = False if self.stop is None else self.stop(*carry)
            if not is_symbolic(done):
                if done:
                    break
                done = skip
            elif skip is not False:
                done = done | skip
            before = carry
            if done is False:
                carry, new = self.turn(x, carry)
            else:
                out = cond(done, lambda: (*before, *[UNDEFINED] * self.collect), lambda: sum(self.turn(x, before), ()))
                carry, new = out[:self.count], out[self.count:]
            skips.append(done)
            for column, r in zip(records, new):
                column.append(r)
            if after_first is not None and i == 0:
                after_first()
        if any(skip is not False for skip in skips):
            records = [Guarded(column, skips) for column in records]
        return carry, records

    def chain(self, parts, carry):
        """Run over several sequences, one after the other."""
        columns: list[list] = [[] for _ in range(self.collect)]
        for part in parts:
            out = as_tuple(for_loop(self.body, part, *carry, stop=self.stop, collect=self.collect),
                           self.count + self.collect, "a for loop")
            carry = out[:self.count]
            for column, tape in zip(columns, out[self.count:]):
                column.append(tape)
        return self.finish(carry, [Chain(column) for column in columns])

    def staged(self, sequence, init, first: int = 0):
        """Emit the loop from turn ``first`` on as one ``while``; return (carry, records)."""
        block = tracing.block
        total, size = self._total(block, sequence)
        if self.collect and size is None:  # nobody knows how many records there will be
            out = staged_while(*self._as_while(sequence, total), (0, *init), self.collect)
            return out[0][1:], out[1]
        lists = self.with_lists(tuple(init), sequence, size, first)
        carry = Carry(lists.init, variable_names(self.body, 1, self.count))
        start = block.constant(first, np.int32)

        def build(scratch, variables):
            i = scratch.argument(INDEX)
            if size is not None:
                affine.count(i, first, size - 1)
            carry_out, records = self.turn(sequence.item(scratch, i), lists.in_turn(
                variables, scratch.op("subtract", [i, scratch.constant(first, np.int32)], INDEX) if first else i))
            carry_out = lists.returned(carry_out)
            if lists.unprepared(carry_out):
                raise _Unprepared
            return carry_out, (i, [whole(record) for record in records])
        try:
            region, out, (i, records) = settle(carry, build)
        except _Unprepared:
            lists = self.with_lists(tuple(init), sequence, size, first, needed=True)
            carry = Carry(lists.init, variable_names(self.body, 1, self.count))
            region, out, (i, records) = settle(carry, build)
        plans = [stack_plan(r, lambda leaf: within(region, leaf._v), i, first) for r in records]
        with into(region):
            values = carry.returned(region, out)
            slot = region.op("subtract", [i, region.constant(first, np.int32)], INDEX) if first else i
            buffers, written = [], []
            for stack, *_ in plans:
                for leaf in stack:
                    of = leaf.aval.with_shape((size - first, *leaf.shape))
                    buffers.append(of)
                    written.append(write_row(region, region.argument(of), slot, lift_array(region, leaf)))
            after = region.op("add", [i, region.constant(1, np.int32)], INDEX)
            region.ret(values + [after] + written)
        check = block.region()
        variables = carry.arguments(check)
        j = check.argument(INDEX)
        for of in buffers:
            check.argument(of)
        with into(check):
            check.ret([self.unless_ended(check, check.compare("LT", j, total), variables)])
        inputs = carry.initial(block) + [start] + [block.zeros(of) for of in buffers]
        results = block.op("while", inputs, [v.aval for v in inputs], regions=[check, region])
        n = len(carry.initial_types())
        ran = None
        if self.stop is not None or not isinstance(size, int) or getattr(sequence, "count", None) is not None:
            ran = Array(block.op("subtract", [results[n], start], INDEX) if first else results[n])
            if self.stop is None and not first and isinstance(sequence, Stacked):
                ran = sequence.count    # the very same number: these records stand beside those
        feed = iter(results[n + 1:])
        tapes = [Stacked([Array(next(feed)) for _ in stack], fixed, ran, plan, tree, size - first)
                 for stack, fixed, plan, tree in plans]
        return lists.finished(carry.with_values(results[:n])), tapes

    def with_lists(self, init, sequence, size, first, needed=False):
        """Return what the loop starts with, with the lists that its turns change in another form; see ``changed_lists.carried``."""
        if type(size) is not int or self.stop is not None or getattr(sequence, "count", None) is not None or tracing.block.module.facts.get(
                "lists stay lists"):
            if needed:
                raise ConcretizationError("a loop of unknown length changes the derivative of a list")
            return changed_lists.Carried(init)
        block = tracing.block

        def turn(variables, lists=None):
            scratch = block.region()
            i = scratch.argument(INDEX)
            affine.count(i, first, size - 1)
            with into(scratch):
                if lists is not None:
                    variables = lists.in_turn(variables, scratch.op("subtract", [i, scratch.constant(first, np.int32)], INDEX) if first else i)
                return changed_lists.settled(self.turn(sequence.item(scratch, i), variables)[0]), scratch, i
        return changed_lists.carried(init, turn, first, size - first, needed)

    def _as_while(self, sequence, total: Value):
        """Return (test, body) of the while loop that this loop is, with the turn's number as first variable."""
        def test(i, *carry):
            block = tracing.block
            more = block.compare("LT", index_value(block, i), lift(block, total))
            return Array(self.unless_ended(block, more, carry))

        def body(i, *carry):
            block = tracing.block
            now = index_value(block, i)
            out, records = self.turn(sequence.item(block, now), carry)
            return (Array(block.op("add", [now, block.constant(1, np.int32)], INDEX)), *out, *records)
        return test, body

    def unless_ended(self, block: Block, more: Value, carry) -> Value:
        """Return the condition ``more and not stop(*carry)``."""
        if self.stop is None:
            return more
        done = truth(block, self.stop(*carry), "the end of a for loop")
        return block.op("and", [more, block.op("not", [done], _BOOL)], _BOOL)

    def _total(self, block, sequence) -> tuple[Value, int | None]:
        """Return (number of turns as a value, its static bound or None)."""
        if isinstance(sequence, SymbolicRange):
            return sequence.count(block), None
        if isinstance(sequence, Stacked):
            return sequence.total(block), sequence.size
        if isinstance(sequence, Zipped) and sequence.length is None:
            return self._total(block, next(part for part in sequence.parts if not isinstance(part, (Same, Endless)) and known_length(part) is None))
        return index_value(block, len(sequence)), len(sequence)


def whole(record):
    """Work out the sequences in a record that are made item by item, in the turn whose values they are made of."""
    leaves, tree = flatten(record)
    if not any(isinstance(leaf, Zipped) for leaf in leaves):
        return record
    return tree.unflatten([for_loop(lambda item: item, leaf, collect=1) if isinstance(leaf, Zipped) and leaf.length is not None else leaf
                           for leaf in leaves])


def within(block: Block, value) -> bool:
    """Tell whether a value is defined in a block or in one of the blocks it contains."""
    if type(value) is not Value:
        return False
    inner = value.block
    while inner is not None:
        if inner is block:
            return True
        inner = inner.parent
    return False


__all__ = ["Keep", "cond", "for_loop", "reversed", "while_loop"]
