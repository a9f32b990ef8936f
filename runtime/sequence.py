"""What staged loops run over and what they record: ranges with symbolic ends, stacked records, zips, chains, reversals."""
from __future__ import annotations

import builtins
import contextlib
import itertools
import operator
from typing import NamedTuple

import numpy as np

from runtime import affine
from runtime.array import Array, ConcretizationError
from runtime.hlo import Block, Value, into, tracing
from runtime.join import any_symbolic, flatten, is_arraylike, is_symbolic
from runtime.primitive import lift_array
from runtime.spans import INDEX, Span, SymbolicRange, index_value, range_item, row
from runtime.tree import register_structure
from runtime.types import Aval, aval_of
from runtime.zero import ZERO

class Turn(NamedTuple):
    """What describes an item of a list that grew under a mask: its lanes, and the item."""
    lanes: object
    item: object


class Kept(NamedTuple):
    """The records of a staged loop, which a compiled function hands on as they are; those that a user asked for come out as a list."""
    records: object


UNROLL_LIMIT = 8    # sequences of no more items are run over one by one


class Rows:
    """Any pytree of arrays with one leading axis in common, seen as the sequence of its rows; of nothing but zeros, so many."""

    def __init__(self, tree, length: int | None = None):
        self.tree = tree
        self.length = next(leaf for leaf in flatten(tree)[0] if leaf is not ZERO).shape[0] if length is None else length

    def __len__(self):
        return self.length

    def item(self, block, i):
        """Emit row ``i``."""
        leaves, tree = flatten(self.tree)
        return tree.unflatten([leaf if leaf is ZERO else Array(row(block, lift_array(block, leaf), i)) for leaf in leaves])

    def __iter__(self):
        leaves, tree = flatten(self.tree)
        columns = [itertools.repeat(ZERO, self.length) if leaf is ZERO else leaf for leaf in leaves]
        return (tree.unflatten(list(parts)) for parts in builtins.zip(*columns))

    def __getitem__(self, i):
        if isinstance(i, slice) and i.step is None and len(builtins.range(self.length)[i]):
            leaves, tree = flatten(self.tree)
            return Rows(tree.unflatten([leaf if leaf is ZERO else leaf[i] for leaf in leaves]), len(builtins.range(self.length)[i]))
        return reverse(self) if _is_reversal(i) else list(self)[i]

    def __reversed__(self):
        leaves, tree = flatten(self.tree)
        return Rows(tree.unflatten([leaf if leaf is ZERO else flip_rows(leaf) for leaf in leaves]), self.length)


register_structure(Rows, lambda rows: ((rows.tree,), rows.length), lambda length, children: Rows(*children, length))


def _is_reversal(index) -> bool:
    return isinstance(index, slice) and index == slice(None, None, -1)


class Stacked:
    """The records of a staged loop: a sequence whose array leaves are stored stacked, [turns, ...].

    plan: for each leaf of a record, ('row', k): stacked[k][i]; ('all', k): fixed[k], the same in every turn; ('is', x): x;
    ('line', l): a number that grows evenly, see runtime.affine.
    count: the number of records if only the running program knows it, else None: all ``size`` of them.
    """
    __slots__ = ("stacked", "fixed", "count", "plan", "tree", "size", "backwards")

    def __init__(self, stacked, fixed, count, plan, tree, size, backwards=False):
        self.stacked, self.fixed, self.count = list(stacked), list(fixed), count
        self.plan, self.tree, self.size, self.backwards = plan, tree, size, backwards

    def _at(self, fetch, number, columns=None):
        columns = self.stacked if columns is None else columns
        return self.tree.unflatten([fetch(columns[x]) if how == "row" else self.fixed[x] if how == "all" else number(x) if how == "line"
                                    else x for how, x in self.plan])

    def item(self, block, i):
        """Emit record ``i``."""
        if self.backwards:
            last = block.op("subtract", [self.total(block), block.constant(1, np.int32)], INDEX)
            i = block.op("subtract", [last, i], INDEX)
        return self._at(lambda leaf: Array(row(block, lift_array(block, leaf), i)), lambda line: line.emit(block, i, self.fixed))

    def total(self, block) -> Value:
        """Emit the number of records."""
        return index_value(block, self.size if self.count is None else self.count)

    def __len__(self):
        if self.count is not None and is_symbolic(self.count):
            raise ConcretizationError("the number of turns of this loop is known only when the compiled program runs")
        return self.size if self.count is None else int(self.count)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return reverse(self) if _is_reversal(i) else [self[k] for k in builtins.range(len(self))[i]]
        n = len(self)
        i = operator.index(i)
        if not -n <= i < n:
            raise IndexError("list index out of range")
        i = i + n if i < 0 else i
        i = n - 1 - i if self.backwards else i
        return self._at(lambda leaf: leaf[i], lambda line: line.at(i, self.fixed))

    def __iter__(self):
        n = len(self)
        if any_symbolic(self.stacked):
            return (self[i] for i in builtins.range(n))
        columns = [list(leaf)[:n] for leaf in self.stacked]  # reads each array once
        return (self._at(lambda k: k[i], lambda line: line.at(i, self.fixed), columns) for i in (builtins.range(n)[::-1] if self.backwards else builtins.range(n)))

    def __reversed__(self):
        return Stacked(self.stacked, self.fixed, self.count, self.plan, self.tree, self.size, not self.backwards)

    def __repr__(self):
        return f"Stacked({'?' if self.count is not None else self.size} records of {self.tree})"


class _Plan:
    """The static part of Stacked, compared by what it holds."""
    __slots__ = ("parts",)

    def __init__(self, *parts):
        self.parts = parts

    def __eq__(self, other):
        return isinstance(other, _Plan) and self.parts == other.parts

    def __hash__(self):
        return hash((len(self.parts[0]), self.parts[2:]))

    def __repr__(self):
        return f"{self.parts[2]} records of {self.parts[1]}"


register_structure(
    Stacked, lambda s: ((s.stacked, s.fixed, s.count), _Plan(s.plan, s.tree, s.size, s.backwards)),
    lambda aux, children: Stacked(*children, *aux.parts))


def stack_plan(record, inside, counter, first) -> tuple[list, list, tuple, object]:
    """Return (leaves to stack, leaves that every turn shares, plan, treedef) for the record of one turn.

    ``inside(leaf)`` tells whether a symbolic leaf is computed in the loop, whose ``counter`` starts at ``first``.
    """
    leaves, tree = flatten(record)
    stack, fixed, plan = [], [], []
    for leaf in leaves:
        if is_symbolic(leaf) and inside(leaf):
            line = affine.line(leaf, counter, first, fixed)
            plan.append(("row", len(stack)) if line is None else ("line", line))
            stack += [leaf] if line is None else []
        elif isinstance(leaf, Array):
            plan.append(("all", len(fixed)))
            fixed.append(leaf)
        else:
            plan.append(("is", leaf))
    return stack, fixed, tuple(plan), tree


class Chain:
    """Sequences one after the other: records of turns that ran one by one, then of those that ran in a staged loop."""
    __slots__ = ("parts",)

    def __init__(self, parts):
        self.parts = list(parts)

    def __len__(self):
        return sum(len(p) for p in self.parts)

    def __iter__(self):
        return (x for p in self.parts for x in p)

    def __getitem__(self, i):
        if isinstance(i, slice):
            return reverse(self) if _is_reversal(i) else [self[k] for k in builtins.range(len(self))[i]]
        n = len(self)
        i = operator.index(i)
        if not -n <= i < n:
            raise IndexError("list index out of range")
        i = i + n if i < 0 else i
        for part in self.parts:
            if i < len(part):
                return part[i]
            i -= len(part)

    def __reversed__(self):
        return Chain([reverse(p) for p in self.parts[::-1]])


register_structure(Chain, lambda c: (c.parts, None), lambda _, parts: Chain(parts))


class Zipped:
    """Several sequences side by side: its items are tuples. ``prepare`` it before asking for symbolic items."""

    def __init__(self, sources):
        self.sources, self.parts = tuple(sources), None
        self.length = shortest(self.sources)

    def __len__(self):
        if self.length is None:
            raise ConcretizationError("the number of turns of this loop is known only when the compiled program runs")
        return self.length

    def leaves(self) -> list:
        """Return the sequences that stand side by side, those of inner ones too."""
        return [leaf for s in self.sources for leaf in (s.leaves() if isinstance(s, Zipped) else [s])]

    def replayed(self) -> bool:
        """Tell whether one of them is recomputed, so that the loop has to keep step with it."""
        return any(isinstance(leaf, Replayable) for leaf in self.leaves())

    def stays(self) -> bool:
        """Tell whether a loop over them has to stay one: one of them is the record of such a loop."""
        return any(isinstance(leaf, (Stacked, SymbolicRange, Replayable)) for leaf in self.leaves())

    def prepare(self) -> Zipped | None:
        """Stack what has to be stacked, in the current block; None if some part cannot have symbolic items."""
        self.parts = [as_sequence(s) for s in self.sources]
        return self if all(hasattr(p, "item") for p in self.parts) else None

    def arranged(self, items: tuple):
        """Make an item of one item of each part."""
        return items

    def item(self, block, i):
        """Emit item ``i``."""
        return self.arranged(tuple(p.item(block, i) for p in self.parts))

    def __iter__(self):
        return map(self.arranged, builtins.zip(*self.sources))

    def __getitem__(self, i):
        return reverse(self) if _is_reversal(i) else list(self)[i]

    def like(self, sources):
        """The same of other sequences."""
        return Zipped(sources)

    def __reversed__(self):
        cut = [builtins.range(s.start, s.start + self.length) if isinstance(s, Endless) else
               s if isinstance(s, Same) or self.length is None or len(s) == self.length else list(s)[:self.length] for s in self.sources]
        return self.like([reverse(s) for s in cut])


class Mapped(Zipped):
    """A function of the items of several sequences, item by item: what a loop over them gets is worked out in its turn."""

    def __init__(self, function, sources):
        super().__init__(sources)
        self.function = function

    def arranged(self, items: tuple):
        """Make an item of one item of each part."""
        return self.function(*items)

    def like(self, sources):
        """The same of other sequences."""
        return Mapped(self.function, sources)


def shortest(sources) -> int | None:
    """Return the least length of sequences; None where only the running program knows that of one."""
    lengths = [known_length(s) for s in sources if not isinstance(s, (Endless, Same))]
    return None if None in lengths else min(lengths)


def known_length(sequence) -> int | None:
    """Return the length of a sequence; None if only the running program knows it."""
    if isinstance(sequence, (SymbolicRange, Replayable)):
        return None
    if isinstance(sequence, Stacked) and sequence.count is not None and is_symbolic(sequence.count):
        return None
    if isinstance(sequence, Chain):
        lengths = [known_length(part) for part in sequence.parts]
        return None if None in lengths else sum(lengths)
    return sequence.length if isinstance(sequence, Zipped) else len(sequence)


class Same:
    """One value as often as it is asked for."""

    def __init__(self, value):
        self.value = value

    def item(self, block, i):
        """Return the value."""
        return self.value

    def __iter__(self):
        return itertools.repeat(self.value)


def stays(sources) -> bool:
    """Tell whether a loop over sequences side by side is to stay one: some are arrays or records, and they are long."""
    return tracing.block is not None and any(is_lazy(s) or isinstance(s, Array) for s in sources) and all(
        is_lazy(s) or isinstance(s, (Array, list, tuple, builtins.range, np.ndarray, Same)) for s in sources) and not _short(sources)


def _short(sources) -> bool:
    length = shortest(sources)
    return length is not None and length <= UNROLL_LIMIT


def is_lazy(x) -> bool:
    """Tell whether a sequence is one that a staged loop runs over, rather than a list or an array."""
    return isinstance(x, (Stacked, Chain, Zipped, Rows, SymbolicRange, Replayable, Guarded))


def mapped(function, *sources):
    """Return the sequence of a function of the items of sequences; ``Same`` stands for one value in every turn."""
    pieces = _pieces(sources)
    if pieces is not None:
        return Chain([mapped(function, *piece) for piece in pieces])
    sources = [list(s) if isinstance(s, Chain) else s for s in sources]
    guarded = next((s for s in sources if isinstance(s, Guarded)), None)
    if guarded is not None:
        items = [s.items if isinstance(s, Guarded) else s for s in sources]
        return Guarded([function(*each) for each in builtins.zip(*items)], guarded.skips)
    if any(is_lazy(s) for s in sources):
        return Mapped(function, sources)
    return [function(*each) for each in builtins.zip(*sources)]


@contextlib.contextmanager
def an_item(sequence):
    """Give an item of a sequence for its structure and types, and samples of its own items: the code that makes it is thrown away."""
    scratch = tracing.block.region()
    with into(scratch):
        yield _sampled(scratch, sequence)


def sample(sequence):
    """Return an item of a sequence, for its structure and types; of its own items, if it is one itself, ``an_item`` knows."""
    with an_item(sequence) as item:
        return item


def _sampled(block: Block, sequence):
    if isinstance(sequence, Chain):
        return _sampled(block, sequence.parts[0])
    if isinstance(sequence, (list, Guarded)):
        return next(iter(sequence if isinstance(sequence, list) else sequence.items))
    if isinstance(sequence, Replayable):
        return sequence.step(block, sequence.begin(block))[0][sequence.which]
    if isinstance(sequence, Zipped):
        return sequence.arranged(tuple(s.value if isinstance(s, Same) else _sampled(block, s) for s in sequence.sources))
    return as_sequence(sequence).item(block, block.constant(0, np.int32))


def _pieces(sources):
    """Cut sequences that stand side by side where the parts of chains among them end; None without such, or where they cannot be cut."""
    chains = [s for s in sources if isinstance(s, Chain)]
    if chains and all(isinstance(s, (Chain, Same)) for s in sources):
        lengths = [list(map(known_length, chain.parts)) for chain in chains]
        if all(one == lengths[0] for one in lengths):
            return list(builtins.zip(*[[s] * len(lengths[0]) if isinstance(s, Same) else s.parts for s in sources]))
    ends = {end for s in sources for end in _ends(s) or ()}
    length = shortest(sources) if ends else None
    if length is None or any(_ends(s) is None for s in sources):
        return None
    ends = sorted({min(end, length) for end in ends} | {length})
    return [[portion(s, start, end) for s in sources] for start, end in builtins.zip([0, *ends], ends) if start < end]


def _ends(sequence):
    """Where the parts of a sequence end that is, or holds, a chain; None if it cannot be cut there."""
    if isinstance(sequence, Chain):
        lengths = [known_length(part) for part in sequence.parts]
        inner = [_ends(part) for part in sequence.parts]
        if None in lengths or None in inner:
            return None
        starts = [0, *itertools.accumulate(lengths)]
        return {start + end for start, ends in builtins.zip(starts, inner) for end in ends} | set(starts[1:])
    if isinstance(sequence, Zipped):
        inner = [_ends(s) for s in sequence.sources]
        return None if None in inner else set().union(*inner)
    return None if isinstance(sequence, Guarded) or not isinstance(sequence, (Same, Endless)) and known_length(sequence) is None else set()


def portion(sequence, start: int, stop: int):
    """Return the items from ``start`` to ``stop`` of a sequence of known length, as one of its kind."""
    if isinstance(sequence, Same):
        return sequence
    if isinstance(sequence, Endless):
        return builtins.range(sequence.start + start, sequence.start + stop)
    if isinstance(sequence, Zipped):
        return sequence.like([portion(s, start, stop) for s in sequence.sources])
    if isinstance(sequence, Chain):
        made, begin = [], 0
        for part in sequence.parts:
            first, last = max(start - begin, 0), min(stop - begin, len(part))
            if first < last:
                made.append(portion(part, first, last))
            begin += len(part)
        return made[0] if len(made) == 1 else Chain(made)
    if isinstance(sequence, Stacked):
        n = len(sequence)
        first, last = (n - stop, n - start) if sequence.backwards else (start, stop)
        plan = tuple([(how, x.later(first) if how == "line" else x) for how, x in sequence.plan])
        return Stacked([leaf[first:last] for leaf in sequence.stacked], sequence.fixed, None, plan, sequence.tree, stop - start,
                       sequence.backwards)
    return sequence[start:stop]


def divided(zipped):
    """Return sequences side by side as a chain where chains are among them."""
    pieces = _pieces(zipped.sources)
    return zipped if pieces is None else Chain([zipped.like(piece) for piece in pieces])


class Endless:
    """The integers from a start on: the first half of enumerate."""

    def __init__(self, start: int):
        self.start = start

    def item(self, block, i):
        """Emit item ``i``."""
        return range_item(block, self.start, 1, i)

    def __iter__(self):
        return itertools.count(self.start)


class Replayable:
    """Base of sequences that a loop can only run over backwards, by recomputing them; see runtime.replay."""
    __slots__ = ()


class Guarded:
    """The records of an unrolled loop of which only the running program knows how many turns ran.

    items: the record of every turn. skips: for each, False, or the staged truth value of its not having run.
    """
    __slots__ = ("items", "skips")

    def __init__(self, items: list, skips: list):
        self.items, self.skips = items, skips

    def __reversed__(self):
        return Guarded(self.items[::-1], self.skips[::-1])

    def __len__(self):
        return len(self.items)

    def uniter(self, like):
        """Return the cotangent of an iterable from these, last turn first: those of turns that did not run are zeros."""
        from runtime.turns import uniter
        return uniter(self.items, like)

    def __iter__(self):
        raise ConcretizationError("the records of a loop with a staged end can only be run over by a for loop of the same staged "
                                  "function; their number is known only when the compiled program runs")


register_structure(Guarded, lambda g: ((g.items, [s for s in g.skips if s is not False]), tuple([s is False for s in g.skips])),
                   lambda sure, parts: Guarded(parts[0], _fill(sure, iter(parts[1]))))


def _fill(sure, staged) -> list:
    return [False if ran else next(staged) for ran in sure]


def _homogeneous(items) -> Rows | None:
    """Return a list of alike pytrees stacked into rows, or None if they are not alike."""
    first, tree = flatten(items[0])
    if not first or not all(leaf is ZERO or is_arraylike(leaf) for leaf in first):
        return None
    types = [_type(leaf) for leaf in first]
    columns = [first]
    for item in items[1:]:
        leaves, other = flatten(item)
        if other != tree or any(_type(leaf) is not of for leaf, of in builtins.zip(leaves, types)):
            return None
        columns.append(leaves)
    block = tracing.block
    return Rows(tree.unflatten([ZERO if of is ZERO else _stack(block, column, of)
                                for column, of in builtins.zip(builtins.zip(*columns), types)]), len(items))


def _type(leaf):
    """The aval of a leaf that arrays can be made of, ZERO for itself, None for anything else."""
    return ZERO if leaf is ZERO else aval_of(leaf) if is_arraylike(leaf) else None


def _stack(block: Block, leaves, of: Aval) -> Array:
    whole = of.with_shape((len(leaves), *of.shape))
    if not any(is_symbolic(leaf) for leaf in leaves):
        from runtime.array import to_buffer
        return Array(to_buffer(np.stack([np.asarray(leaf, of.dtype) for leaf in leaves]), of.dtype, of.weak_type))
    rows = [block.reshape(lift_array(block, leaf), (1, *of.shape)) for leaf in leaves]
    return Array(block.op("concatenate", rows, whole, {"dimension": 0}))


def as_sequence(xs, stack_lists: bool = True):
    """Return a sequence with ``len`` and ``item(block, i)``, or a plain list if the items have no common type."""
    if isinstance(xs, Zipped):
        prepared = xs.prepare()
        return list(xs) if prepared is None else prepared   # which may not know its length
    if isinstance(xs, (SymbolicRange, Rows, Stacked, Endless, Same, Span, Chain, Replayable)):
        return xs
    if isinstance(xs, builtins.range):
        return Span(xs)
    if isinstance(xs, np.ndarray) and xs.ndim and xs.dtype != object:
        from runtime.primitive import as_operand
        return Rows(as_operand(xs))
    if isinstance(xs, Array):
        if not xs.ndim:
            raise TypeError("iteration over a 0-d array")
        return Rows(xs)
    items = list(xs)
    return (_homogeneous(items) if stack_lists and items else None) or items


def reverse(xs):
    """Return a sequence backwards: lists, tuples, ranges, arrays, zips and the records of loops."""
    if isinstance(xs, Same):
        return xs
    if isinstance(xs, (Stacked, Chain, Zipped, Rows, Replayable, Guarded)) or hasattr(xs, "last_first"):
        return xs.__reversed__()
    if isinstance(xs, SymbolicRange):
        block = tracing.block
        last = block.op("subtract", [xs.count(block), block.constant(1, np.int32)], INDEX)
        start = index_value(block, xs.start)
        step = block.constant(xs.step, np.int32)
        end = block.op("add", [start, block.op("multiply", [last, step], INDEX)], INDEX)
        return SymbolicRange(Array(end), Array(block.op("subtract", [start, step], INDEX)), -xs.step)
    if isinstance(xs, (builtins.range, list, tuple)):
        return xs[::-1]
    if isinstance(xs, Span):
        return Span(xs.numbers[::-1])
    if isinstance(xs, np.ndarray):
        return xs[::-1]
    if isinstance(xs, Array):
        return flip_rows(xs)
    return list(xs)[::-1]


def flip_rows(x: Array) -> Array:
    """Return an array with its first axis reversed."""
    from runtime import numpy
    return numpy.flip(x, 0)


def zip(*xs, strict: bool = False):
    """Return the builtin zip, or inside a trace a sequence of tuples that a staged loop can run over."""
    if tracing.block is None or not xs or any(hasattr(x, "__next__") for x in xs):
        return builtins.zip(*xs, strict=strict)
    if any(isinstance(x, (SymbolicRange, Replayable)) or not hasattr(x, "__len__") and not isinstance(x, Endless)
           or isinstance(x, Stacked) and x.count is not None for x in xs):
        return builtins.zip(*xs, strict=strict)
    lengths = {len(x) for x in xs if not isinstance(x, Endless)}
    if strict and len(lengths) > 1:
        raise ValueError(f"zip() arguments have different lengths: {sorted(lengths)}")
    return Zipped(xs)


def enumerate(xs, start: int = 0):
    """Return the builtin enumerate, or inside a trace a sequence of pairs that a staged loop can run over."""
    if tracing.block is None or hasattr(xs, "__next__"):
        return builtins.enumerate(xs, start)
    zipped = zip(Endless(operator.index(start)), xs)
    return zipped if isinstance(zipped, Zipped) else builtins.enumerate(xs, start)


reversed = reverse
