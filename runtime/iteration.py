"""Python's ``itertools`` for generated code: lists of the same items, with derivatives and batching."""
from __future__ import annotations

import itertools

from runtime.op import op


def chain(*iterables):
    """Return the items of one iterable after the other."""
    return chain_of(iterables)


def chain_of(iterables):
    """Return the items of one iterable after the other (``chain.from_iterable``)."""
    items = []
    for one in iterables:
        items.extend(list(one))
    return items


def accumulate(iterable):
    """Return the sums of the first items."""
    items = list(iterable)
    totals = items[:1]
    for item in items[1:]:
        totals.append(totals[-1] + item)
    return totals


def accumulate_by(iterable, func):
    """Return what a function makes of the first items, from the left."""
    items = list(iterable)
    totals = items[:1]
    for item in items[1:]:
        totals.append(func(totals[-1], item))
    return totals


def accumulate_from(iterable, initial):
    """Return ``initial`` and its sums with the first items."""
    return accumulate([initial, *list(iterable)])


def accumulate_by_from(iterable, func, initial):
    """Return ``initial`` and what a function makes of it and the first items."""
    return accumulate_by([initial, *list(iterable)], func)


def starmap(function, iterable):
    """Apply a function to the items of every item."""
    return [function(*row) for row in iterable]


def map_2(function, xs, ys):
    """Apply a function to corresponding items of two iterables."""
    return [function(x, y) for x, y in zip(xs, ys)]


def map_3(function, xs, ys, zs):
    """Apply a function to corresponding items of three iterables."""
    return [function(x, y, z) for x, y, z in zip(xs, ys, zs)]


def map_4(function, ws, xs, ys, zs):
    """Apply a function to corresponding items of four iterables."""
    return [function(w, x, y, z) for w, x, y, z in zip(ws, xs, ys, zs)]


def pairwise(iterable):
    """Return the pairs of neighbouring items."""
    items = list(iterable)
    return [(items[i], items[i + 1]) for i in places(len(items) - 1)]


def zip_longest(*iterables, fillvalue=None):
    """Return the tuples of corresponding items of iterables, the shorter ones filled up."""
    pools = [list(one) for one in iterables]
    rows = []
    for i in places(max([len(pool) for pool in pools])):
        rows.append(tuple([pool[i] if i < len(pool) else fillvalue for pool in pools]))
    return rows


def islice(iterable, start, stop, step=1):
    """Return the items of a slice."""
    return list(iterable)[start:stop:step]


def islice_to(iterable, stop):
    """Return the first items."""
    return list(iterable)[:stop]


def batched(iterable, n):
    """Return the items as tuples of ``n``; the last may be shorter."""
    items = list(iterable)
    return [tuple([items[i] for i in row]) for row in places_in_batches(len(items), n)]


def tee(iterable, n=2):
    """Return a tuple that holds the items ``n`` times."""
    items = list(iterable)
    return tuple([items for _ in places(n)])


def compress(data, selectors):
    """Return the items of ``data`` whose selector is true."""
    items = []
    for item, wanted in zip(data, selectors):
        if wanted:
            items.append(item)
    return items


def filterfalse(function, iterable):
    """Return the items for which a function is false."""
    items = []
    for item in iterable:
        if not function(item):
            items.append(item)
    return items


def takewhile(function, iterable):
    """Return the items before the first for which a function is false."""
    items = []
    for item in list(iterable):
        if not function(item):
            break
        items.append(item)
    return items


def dropwhile(function, iterable):
    """Return the items from the first on for which a function is false."""
    items, dropping = [], True
    for item in list(iterable):
        dropping = dropping and function(item)
        if not dropping:
            items.append(item)
    return items


def groupby(iterable):
    """Return (item, items) for every run of equal items."""
    items = list(iterable)
    return [(items[run[0]], [items[i] for i in run]) for run in runs(items)]


def groupby_by(iterable, key):
    """Return (key, items) for every run of items with the same key."""
    items = list(iterable)
    keys = [key(item) for item in items]
    return [(keys[run[0]], [items[i] for i in run]) for run in runs(keys)]


def first(items):
    """Return the first of the items that ``next`` is asked for."""
    if len(items) == 0:
        raise StopIteration
    return items[0]


def first_or(items, default):
    """Return the first of the items that ``next`` is asked for, or a default."""
    if len(items) == 0:
        return default
    return items[0]


# -- which items stand together ---------------------------------------------------------------------------------------------------

def product(*iterables, repeat=1):
    """Return the tuples of an item of each iterable."""
    pools = [list(one) for one in iterables]
    return [tuple([pools[k][i] for k, i in row]) for row in places_in_product([len(pool) for pool in pools], repeat)]


def combinations(iterable, r):
    """Return the tuples of ``r`` items at different places, in their order."""
    items = list(iterable)
    return [tuple([items[i] for i in row]) for row in places_in_combinations(len(items), r)]


def combinations_with_replacement(iterable, r):
    """Return the tuples of ``r`` items, in their order."""
    items = list(iterable)
    return [tuple([items[i] for i in row]) for row in places_with_replacement(len(items), r)]


def permutations(iterable, r=None):
    """Return the tuples of ``r`` items at different places, in every order."""
    items = list(iterable)
    return [tuple([items[i] for i in row]) for row in places_in_permutations(len(items), r)]


@op(constant=True, unbatched=True)
def places(count):
    """Return the first integers, as a list."""
    return list(range(count))


@op(constant=True, unbatched=True)
def places_in_product(lengths, repeat):
    """Return (iterable, place) for each item of each tuple of ``product``."""
    return [list(enumerate_cyclic(row, len(lengths))) for row in itertools.product(*map(range, lengths), repeat=repeat)]


def enumerate_cyclic(row, period):
    """Yield (k modulo ``period``, item k) of a row."""
    for k, item in enumerate(row):
        yield k % period, item


@op(constant=True, unbatched=True)
def places_in_combinations(count, r):
    """Return the places of the items of each tuple of ``combinations``."""
    return [list(row) for row in itertools.combinations(range(count), r)]


@op(constant=True, unbatched=True)
def places_with_replacement(count, r):
    """Return the places of the items of each tuple of ``combinations_with_replacement``."""
    return [list(row) for row in itertools.combinations_with_replacement(range(count), r)]


@op(constant=True, unbatched=True)
def places_in_permutations(count, r):
    """Return the places of the items of each tuple of ``permutations``."""
    return [list(row) for row in itertools.permutations(range(count), r)]


@op(constant=True, unbatched=True)
def places_in_batches(count, n):
    """Return the places of the items of each tuple of ``batched``."""
    return [list(range(at, min(at + n, count))) for at in range(0, count, n)]


@op(constant=True, unbatched=True)
def runs(keys):
    """Return the places of the items of each run of equal keys."""
    return [list(run) for _, run in itertools.groupby(range(len(keys)), key=lambda place: keys[place])]


# -- iterables without an end, beside some that have one ------------------------------------------------------------------------------

def counted(number, start=0, step=1):
    """Return the first numbers of ``count(start, step)``."""
    return [start + step * i for i in places(number)]


def cycled(number, iterable):
    """Return the first items of ``cycle(iterable)``."""
    items = list(iterable)
    return [items[i % len(items)] for i in places(number)]


def repeated(number, item):
    """Return an item a number of times."""
    return [item for _ in places(number)]


def repeat(item, times):
    """Return an item a number of times."""
    return [item for _ in places(times)]
