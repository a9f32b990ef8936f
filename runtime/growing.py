"""Lists that a staged loop makes longer, shorter, or changes: their items stacked in a buffer, and how many of them there are."""
from __future__ import annotations

import operator

import numpy as np

from runtime import affine
from runtime.array import Array, ConcretizationError
from runtime.hlo import tracing
from runtime.join import flatten, is_arraylike, is_special, is_symbolic
from runtime.primitive import lift_array
from runtime.sequence import Chain, Rows, Stacked, known_length, reverse, sample
from runtime.spans import index_value, row, write_row
from runtime.tree import CARRIED, register_structure
from runtime.types import TypePromotionError, aval, aval_of, promote_avals
from runtime.zero import ZERO, Like


class Growing:
    """A list in a staged loop: items stacked along the first axis of ``tree``, of which the first ``count`` are there.

    Its pytree has the same types whatever the length, so that a loop can carry it. A leaf of the tree that is ZERO is zero in all items.
    The tree is None while nobody knows what the items are, which only a turn that is tried can meet.

    top: the last item where it is not in the tree yet, else None. What a loop adds to the cotangent of the item that it takes away next
    stays beside the stacked ones, which the loop then only reads.
    """
    __slots__ = ("below", "top", "count", "capacity")

    def __init__(self, tree, count, capacity=None, top=None):
        self.below, self.top, self.count = tree, top, count
        self.capacity = next(leaf.shape[0] for leaf in _flat(tree)[0] if leaf is not ZERO) if capacity is None else capacity

    @property
    def tree(self):
        """The stacked items, the last one too."""
        return self.below if self.top is None else self.flushed().below

    def flushed(self):
        """Return this list with all of its items stacked."""
        if self.top is None:
            return self
        return Growing(self.below, self.count, self.capacity)._put(self.count - 1, self.top, self.count)

    def topped(self):
        """Return this list with its last item beside the stacked ones."""
        return self if self.top is not None else Growing(self.below, self.count, self.capacity, self[-1])

    def counted(self, count):
        """Return the same items as a list of so many."""
        return Growing(self.below, count, self.capacity, self.top)

    def _map(self, function, *others):
        leaves, structure = _flat(self.tree)
        return structure.unflatten([function(*each) for each in zip(leaves, *others, strict=True)])

    def _of(self, tree, count=None):
        return Growing(tree, self.count if count is None else count, self.capacity)

    def _place(self, index):
        """Where the item of an index lies; ConcretizationError for one that may be outside, which a loop that is written out tells."""
        number, count = affine.form(index), affine.form(self.count)
        tried = type(self.count) is int and is_symbolic(index)      # nobody knows yet how many there will be
        if number is None or count is None or tried:
            from runtime import numpy
            return numpy.where(index < 0, index + self.count, index)
        module = tracing.block.module
        low, high = affine.bounds(module, number)
        if affine.bounds(module, count.plus(number, -1))[0] < 1 or affine.bounds(module, count.plus(number))[0] < 0:
            raise ConcretizationError("an index may be outside of a list that a loop changes")
        if low >= 0:
            return index
        if high < 0:
            return self.count + index
        from runtime import numpy
        return numpy.where(index < 0, index + self.count, index)

    def _known(self):
        if self.tree is None:
            raise ConcretizationError("an item of a list that is empty before a loop is read before the loop adds one")

    # -- as a list -------------------------------------------------------------------------------------------------------------

    def __getitem__(self, index):
        if isinstance(index, slice):
            if (index.start, index.stop, index.step) == (None, -1, None):
                return self.shortened(1)
            return self if (index.start, index.stop, index.step) == (None, None, None) else list(self)[index]
        self._known()
        if type(index) is int and index == -1 and self.top is not None:
            return self.top
        place = self._place(index)
        return self._map(lambda leaf: leaf if leaf is ZERO else _row(leaf, place))

    def __len__(self):
        return operator.index(self.count)

    last_first = True       # may be asked for backwards

    def __reversed__(self):
        whole = self._map(lambda leaf: leaf if leaf is ZERO else leaf[:len(self)]) if type(self.count) is int else None
        return reverse(Rows(whole, self.count)) if whole is not None else list(self)[::-1]

    def __iter__(self):
        whole = self.flushed()
        return iter([whole[i] for i in range(len(self))])

    def appended(self, item):
        """Return the list with one more item; behind the loop, for which alone there is room, a plain list."""
        if type(self.count) is int and self.count >= self.capacity:
            return [*self, item]
        return self._put(self.count, item, self.count + 1)

    def setitem(self, index, item):
        """Return the list with another item at an index."""
        self._known()
        return self._put(self._place(index), item, self.count)

    def _put(self, place, item, count):
        parts, structure = _flat(item)
        tree = structure.unflatten([ZERO] * len(parts)) if self.tree is None else self.tree
        leaves, own = _flat(tree)
        if item is ZERO:
            parts = [ZERO] * len(leaves)
        elif own != structure:
            raise ConcretizationError(f"a list that a loop changes holds items of different structures: {own} and {structure}")
        return self._of(own.unflatten([self._with(leaf, part, place) for leaf, part in zip(leaves, parts)]), count)

    def _with(self, leaf, part, place):
        """A leaf with one more row, in the type that has room for both."""
        if part is ZERO and leaf is ZERO:
            return ZERO
        block = tracing.block
        of = _joined(None if leaf is ZERO else _row_type(leaf), None if part is ZERO else aval_of(part))
        whole = of.with_shape((self.capacity, *of.shape))
        buffer = block.zeros(whole) if leaf is ZERO else block.convert(lift_array(block, leaf), whole)
        value = block.zeros(of) if part is ZERO else block.convert(lift_array(block, part), of)
        return Array(write_row(block, buffer, index_value(block, place), value))

    def shortened(self, number):
        """Return the list without so many items at its end."""
        return self._of(self.below if number else self.tree, self.count - number)

    # -- as a cotangent ---------------------------------------------------------------------------------------------------------

    def __add__(self, other):
        from runtime.cotangent import add
        if isinstance(other, One):
            return other.added_to(self)
        if isinstance(other, Growing):
            return self._of(self._map(add, [self._fitted(leaf) for leaf in _flat(other.tree)[0]]))
        if isinstance(other, (list, tuple)) and len(other) <= self.capacity:
            types = common_types(other, other) if len(other) else None
            return add(list(self), list(other)) if types is None else self + buffered(other, *types, self.capacity)
        return NotImplemented

    __radd__ = __add__

    def _fitted(self, leaf):
        """The rows of the same items in another buffer as a leaf of this one: the rows behind the items do not count."""
        if leaf is ZERO or leaf.shape[0] == self.capacity:
            return leaf
        from runtime import numpy
        missing = self.capacity - leaf.shape[0]
        return leaf[:self.capacity] if missing < 0 else numpy.pad(leaf, [(0, missing)] + [(0, 0)] * (leaf.ndim - 1))

    def unindex(self, d, index):
        """Return the cotangent of this list when only one of its items, or all but the last, have one."""
        if isinstance(index, slice) and (index.start, index.stop, index.step) != (None, -1, None):
            raise ConcretizationError("items of a list that a loop changes are taken together")
        if isinstance(index, slice):
            return self._longer(d)
        return One(self, self._place(index), d)

    def listed(self, d):
        """Return a cotangent of this list that was put together item by item in the form of this one."""
        if type(d) is One:
            return d.whole()
        types = common_types(d, d) if is_sequence(d) and len(d) else None
        return d if types is None else buffered(list(d), *types, self.capacity)

    def chosen(self, mask, a, b):
        """Choose between two such lists, either of which may be ZERO, for each example of a batch."""
        from runtime import numpy
        a, b = (self.zeros() if x is ZERO else self.listed(x) for x in (a, b))

        def one(x, y):
            if x is ZERO and y is ZERO:
                return ZERO
            rank = max(numpy.ndim(leaf) for leaf in (x, y) if leaf is not ZERO)
            x, y = (0 if leaf is ZERO else numpy.reshape(leaf, (leaf.shape[0], *(1,) * (rank - leaf.ndim), *leaf.shape[1:])) for leaf in (x, y))
            return numpy.where(numpy.reshape(mask, (1, *mask.shape, *(1,) * (rank - 1 - mask.ndim))), x, y)
        return a._of(a._map(one, _flat(b.tree)[0]), self.count)

    def _longer(self, d):
        """The cotangent of this list from that of all its items but the last."""
        if type(d) is One:
            return One(self, d.place, d.item)
        d = self.listed(d) if d is not ZERO and (type(d) is Growing or len(d)) else self.zeros()
        return d._put(self.count - 1, ZERO, self.count)

    def restore(self, items):
        """Return a list of cotangents in the form of this one."""
        from runtime.ops.records import stack_records
        return Growing(stack_records(list(items)), len(items), self.capacity)

    def stacked_like(self, lead):
        """Describe the list: its cotangent is built after that."""
        return self._of(None if self.tree is None else self._map(lambda leaf: leaf if is_special(leaf) or isinstance(leaf, Like) else Like(
            (leaf.shape[0], *leaf.shape[1 + lead:]), leaf.dtype, leaf.weak_type)))

    def zeros(self):
        """Return a tangent of the list that is zero."""
        return self._of(None if self.tree is None else self._map(lambda leaf: ZERO))

    def filled(self, d, sizes):
        """Return a cotangent of this list with zeros for every ZERO."""
        from runtime.cotangent import filled
        d = self.zeros() if d is ZERO else self.listed(d)
        return d._of(d._map(lambda leaf, like: filled(leaf, Like((like.shape[0], *sizes, *like.shape[1:]), like.dtype)) if leaf is ZERO else leaf,
                            _flat(self.tree)[0]))


def _flattened(g):
    known = type(g.count) is int        # part of the structure, then: what a compiled function returns is as long as it was
    return ((g.below, g.top) if known else (g.below, g.top, g.count)), (g.capacity, g.count if known else None)


register_structure(Growing, _flattened, lambda static, parts: Growing(parts[0], parts[2] if static[1] is None else static[1], static[0], parts[1]))


class One:
    """The cotangent of a list of which one item has one; it becomes a list where it is added to one, or leaves a turn or a branch."""
    __slots__ = ("like", "place", "item")

    def __init__(self, like, place, item):
        self.like, self.place, self.item = like, place, item

    def added_to(self, whole):
        """Return the cotangent of a list with this one added."""
        from runtime.cotangent import add
        if _same(self.place, whole.count - 1):
            item, structure = _flat(whole[-1])
            return Growing(whole.below, whole.count, whole.capacity, structure.unflatten(
                [add(*each) for each in zip(item, structure.flatten_up_to(self.item), strict=True)]))
        block = tracing.block
        leaves, structure = _flat(whole.tree)

        def one(leaf, part):
            if part is ZERO:
                return leaf
            of = aval_of(part)
            buffer = Array(block.zeros(of.with_shape((whole.capacity, *of.shape)))) if leaf is ZERO else leaf
            more = lift_array(block, _row(buffer, self.place) + part)
            return Array(write_row(block, lift_array(block, buffer), index_value(block, self.place), block.convert(more, _row_type(buffer))))
        return whole._of(structure.unflatten([one(*each) for each in zip(leaves, structure.flatten_up_to(self.item), strict=True)]))

    def whole(self):
        """Return this as a list of its own."""
        return self.added_to(self.like.zeros())

    last_first = True

    def __add__(self, other):
        if isinstance(other, list):
            types = common_types(other, other)
            return NotImplemented if types is None else self.added_to(buffered(other, *types, len(other)))
        return self.whole() + (other.whole() if isinstance(other, One) else other)

    __radd__ = __add__

    def appended(self, item):
        """Return the list with one more item."""
        return self.whole().appended(item)

    def setitem(self, index, item):
        """Return the list with another item at an index."""
        return self.whole().setitem(index, item)

    def shortened(self, number):
        """Return the list without so many items at its end."""
        return self.whole().shortened(number)

    def chosen(self, mask, a, b):
        """Choose between two such lists for each example of a batch."""
        return self.whole().chosen(mask, a, b)

    def __getitem__(self, index):
        return self.whole()[index]

    def __len__(self):
        return len(self.like)

    def __iter__(self):
        return iter(self.whole())

    def __reversed__(self):
        return reverse(self.whole())


def _same(place, last) -> bool:
    """Whether two places are known to be one."""
    numbers = [affine.form(place), affine.form(last)]
    return None not in numbers and numbers[0] == numbers[1]


def _flat(tree):
    """(leaves, treedef) of what a list holds, or of its description."""
    return CARRIED.flatten(tree, lambda x: is_special(x) or isinstance(x, Like))


def is_records(x) -> bool:
    return isinstance(x, (Stacked, Chain, Rows)) and known_length(x) is not None


def is_sequence(x) -> bool:
    return type(x) is list or is_records(x)


def common_types(before, after, counter=None):
    """(treedef, types of the leaves) of the items of a list and of what a turn makes of it; None if they have none in common, or if the turn
    adds integers that are known for each turn when the program is made: they may be asked for there.
    """
    if type(after) is Growing:
        if after.tree is None:
            return None
        leaves, structure = flatten(after.tree)
        types, new = [None if leaf is ZERO else _row_type(leaf) for leaf in leaves], []
    else:
        new = _new(before, after)
        structure, types = flatten(next((item for item in (*before, *new) if item is not ZERO), ZERO))[1], None
    if new and counter is not None and all(_counts(part, counter) for item in new for part in flatten(item)[0]):
        return None
    for item in [*before, *new]:
        if item is ZERO:
            continue
        parts, own = flatten(item)
        if own != structure or not parts or not all(part is ZERO or is_arraylike(part) for part in parts):
            return None
        found = [None if part is ZERO else aval_of(part) for part in parts]
        types = found if types is None else [_joined(a, b) for a, b in zip(types, found)]
    return structure, [None] if types is None else types


def buffered(items, structure, types, capacity):
    """The items of a list in a buffer that has room for so many."""
    columns = list(zip(*[[ZERO] * len(types) if item is ZERO else flatten(item)[0] for item in items])) if len(items) else [()] * len(types)
    return Growing(structure.unflatten([ZERO if of is None else _stack(tracing.block, column, of, capacity)
                                        for of, column in zip(types, columns)]), len(items), capacity)


def _new(before, after) -> list:
    """The items, or one that stands for them, that a turn added."""
    if type(after) is list:
        return after[len(before):] if len(after) > len(before) else after
    return [sample(after)] if len(after) else []


def _counts(part, counter) -> bool:
    """Whether a part of an item is an integer that is known for each turn."""
    if part is ZERO or aval_of(part).dtype.kind not in "iub":
        return False
    return not is_symbolic(part) or affine.line(part, counter, 0, []) is not None


def _stack(block, column, of, capacity):
    whole = of.with_shape((capacity, *of.shape))
    if all(part is ZERO for part in column):
        return Array(block.zeros(whole))
    if not any(is_symbolic(part) for part in column):
        known = np.zeros(whole.shape, whole.dtype)
        for i, part in enumerate(column):
            known[i] = 0 if part is ZERO else part
        return Array(block.convert(lift_array(block, known), whole))
    rows, empty = [], 0
    for part in [*column, None]:
        if part is ZERO:
            empty += 1
            continue
        if part is None:
            empty += capacity - len(column)
        if empty:
            rows.append(block.zeros(of.with_shape((empty, *of.shape))))
            empty = 0
        if part is not None:
            rows.append(block.reshape(block.convert(lift_array(block, part), of), (1, *of.shape)))
    return Array(block.op("concatenate", rows, whole, {"dimension": 0}))


def _row_type(leaf):
    whole = aval(tuple(leaf.shape), leaf.dtype, leaf.weak_type)
    return whole.with_shape(whole.shape[1:])


def _joined(a, b):
    """The type that has room for two."""
    if a is None or b is None:
        return b if a is None else a
    if a.shape != b.shape:
        raise ConcretizationError(f"a list that a loop changes holds items of different shapes: {a!r} and {b!r}")
    try:
        dtype, weak = promote_avals(a, b)
    except TypePromotionError as error:
        raise ConcretizationError(str(error)) from error
    return aval(a.shape, dtype, weak)


def _row(leaf, place):
    block = tracing.block
    if block is None:
        return leaf[place]
    return Array(row(block, lift_array(block, leaf), index_value(block, place)))


__all__ = ["Growing", "One", "buffered", "common_types", "is_records", "is_sequence"]
