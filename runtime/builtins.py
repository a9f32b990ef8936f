"""Python's builtins for generated code: the same results, with derivatives and batching."""
from __future__ import annotations

import builtins

from runtime.containers import instantiate_shell
from runtime.cotangent import CONTAINERS
from runtime.join import any_symbolic
from runtime.op import op
from runtime.turns import listed, restore, unpairs
from runtime.zero import ZERO


def sum(iterable, start=0):
    """Add up the items of an iterable, from ``start``."""
    total = start
    for item in iterable:
        total = total + item
    return total


def max(*args):
    """Return the largest item of an iterable or of the arguments."""
    items = args[0] if len(args) == 1 else args
    largest = items[0]
    for item in items[1:]:
        if item > largest:
            largest = item
    return largest


def min(*args):
    """Return the smallest item of an iterable or of the arguments."""
    items = args[0] if len(args) == 1 else args
    smallest = items[0]
    for item in items[1:]:
        if item < smallest:
            smallest = item
    return smallest


def any(iterable):
    """Say whether some item is true."""
    found = False
    for item in iterable:
        if item:
            found = True
    return found


def all(iterable):
    """Say whether every item is true."""
    holds = True
    for item in iterable:
        if not item:
            holds = False
    return holds


def map(function, iterable):
    """Apply a function to every item; returns a list."""
    items = []
    for item in iterable:
        items.append(function(item))
    return items


def reduce(function, iterable, initial):
    """Combine the items from the left, starting with ``initial``."""
    value = initial
    for item in iterable:
        value = function(value, item)
    return value


def reduce_first(function, iterable):
    """Combine the items from the left, starting with the first."""
    value = iterable[0]
    for item in iterable[1:]:
        value = function(value, item)
    return value


def filter(function, iterable):
    """Return the items for which a function is true, as a list."""
    items = []
    for item in iterable:
        if function(item):
            items.append(item)
    return items


def sorted(iterable, reverse=False):
    """Return the items in order, as a list; numbers that only a run knows are sorted as an array."""
    items = list(iterable)
    if only_staged_numbers(items):
        from runtime import numpy as np
        values = np.sort(np.stack(items), descending=reverse)
        made = [values[place] for place in range(len(items))]
    else:
        made = [items[place] for place in order_of(items, reverse)]
    return made


def sorted_by(iterable, key, reverse=False):
    """Return the items in the order of what ``key`` gives for them, as a list."""
    items = list(iterable)
    keys = [key(item) for item in items]
    return [items[place] for place in order_of(keys, reverse)]


@op(constant=True, unbatched=True, batch=lambda items, over=(): builtins.any([hasattr(item, "shape") for item in items]))
def only_staged_numbers(items):
    """Say whether the order of items is not known yet, because they are staged (or a batch of) numbers."""
    return any_symbolic(items)


@op(constant=True, unbatched=True)
def order_of(keys, reverse=False):
    """Return the positions of keys in order, equal ones as they come."""
    return builtins.sorted(builtins.range(len(keys)), key=lambda place: keys[place], reverse=reverse)


@op(jvp="rt.builtins.zip_dot(xs, xs_dot)", vjp={"xs": "rt.unpairs(d_out, k, like=arg)"},
    batch=lambda *xs, over=(): zip(*xs))
def zip(*xs):
    """Return the list of tuples of corresponding items."""
    return list(builtins.zip(*xs))


@op(jvp="rt.builtins.zip_dot(xs, xs_dot_dot)", vjp={"xs_dot": "rt.builtins.unzip(d_out, xs_dot)"},
    batch=lambda xs, xs_dot, over=(): zip_dot(xs, xs_dot))
def zip_dot(xs, xs_dot):
    """The tangent of ``zip(*xs)``."""
    if xs_dot is ZERO:
        xs_dot = builtins.tuple(ZERO for _ in xs)
    return builtins.list(builtins.zip(*[[ZERO] * len(x) if d is ZERO else d for x, d in builtins.zip(xs, xs_dot)]))


@op(linear="d", vjp={"d": "rt.builtins.zip_dot(d, d_out)"}, batch=lambda d, like, over=(): unzip(d, like))
def unzip(d, like):
    """The transpose of ``zip_dot``: one sequence of cotangents for each sequence."""
    return builtins.tuple(unpairs(d, k, one) for k, one in builtins.enumerate(like))


def zip_all(rows):
    """Return ``zip(*rows)`` as a list, of a sequence of sequences whose number only the run knows."""
    count = min([len(row) for row in rows]) if len(rows) else 0
    return [tuple([row[i] for row in rows]) for i in range(count)]


@op(jvp="rt.builtins.shell_of(d_dot, x)", vjp={"d": "d_out"}, batch=lambda d, x, over=(): shell_of(d, x))
def shell_of(d, x):
    """A sequence of tangents, also where the tangent is ZERO or ``x`` has no derivative (a range)."""
    if d is ZERO:
        return [ZERO] * len(x)
    return d


@op(jvp="rt.builtins.enumerate_dot(xs, xs_dot)", vjp={"xs": "rt.unpairs(d_out, 1, like=xs)"},
    batch=lambda xs, start=0, over=(): enumerate(xs, start))
def enumerate(xs, start=0):
    """Return the list of (index, item) pairs."""
    return list(builtins.enumerate(xs, start))


@op(jvp="rt.builtins.enumerate_dot(xs, xs_dot_dot)", vjp={"xs_dot": "rt.unpairs(d_out, 1, like=xs_dot)"},
    batch=lambda xs, xs_dot, over=(): enumerate_dot(xs, xs_dot))
def enumerate_dot(xs, xs_dot):
    """The tangent of ``enumerate(xs)``."""
    return [(ZERO, d) for d in shell_of(xs_dot, xs)]


@op(linear="xs", vjp={"xs": "rt.restore(rt.builtins.reversed(d_out), like=xs)"}, batch=lambda xs, over=(): reversed(xs))
def reversed(xs):
    """Return the items of a sequence, last first."""
    from runtime.sequence import reversed as staged
    return staged(xs)


def _sequence_batched(xs, over=()):
    return xs if isinstance(xs, CONTAINERS) or not hasattr(xs, "shape") else [xs[:, i] for i in range(xs.shape[1])]


@op(linear="xs", vjp={"xs": "rt.restore(d_out, like=xs)"}, batch=lambda xs=(), over=(): list(_sequence_batched(xs)))
def list(xs=()):
    """Return the items of an iterable as a list."""
    return builtins.list(xs)


@op(linear="xs", vjp={"xs": "rt.restore(d_out, like=xs)"}, batch=lambda xs=(), over=(): tuple(_sequence_batched(xs)))
def tuple(xs=()):
    """Return the items of an iterable as a tuple."""
    return builtins.tuple(xs)


@op(jvp="rt.builtins.items_dot(d, d_dot)", vjp={"d": "rt.unpairs(d_out, 1, like=d)"}, batch=lambda d, over=(): items(d))
def items(d):
    """Return the (key, value) pairs of a dict."""
    return builtins.list(d.items())


@op(jvp="rt.builtins.items_dot(d, d_dot_dot)", vjp={"d_dot": "rt.unpairs(d_out, 1, like=d_dot)"},
    batch=lambda d, d_dot, over=(): items_dot(d, d_dot))
def items_dot(d, d_dot):
    """The tangent of ``items(d)``: keys have none."""
    return [(ZERO, ZERO if d_dot is ZERO else d_dot[key]) for key in d]


@op(linear="d", vjp={"d": "rt.builtins.unvalues(d_out, d)"}, batch=lambda d, over=(): values(d))
def values(d):
    """Return the values of a dict."""
    return builtins.list(d.values())


@op(linear="d", vjp={"d": "rt.builtins.values(d_out)"}, batch=lambda d, like, over=(): unvalues(d, like))
def unvalues(d, like):
    """Return a dict with the keys of ``like`` from a list of values."""
    return dict(builtins.zip(like, d))


@op(constant=True, batch=lambda d, over=(): keys(d))
def keys(d):
    """Return the keys of a dict."""
    return builtins.list(d)


def get(d, key, default=None):
    """Return ``d[key]``, or ``default`` where the key is missing."""
    if key in d:
        return d[key]
    return default


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, over=(): x)
def copy(x):
    """Return a copy: a new container; arrays are values already."""
    return x.copy() if isinstance(x, CONTAINERS) and hasattr(x, "copy") else x


@op(linear="x", vjp={"x": "d_out"}, elementwise=True)
def block_until_ready(x):
    """Wait for an array to be computed and return it."""
    return x.block_until_ready() if hasattr(x, "block_until_ready") else x


@op(linear="x", vjp={"x": "d_out"}, elementwise=True)
def float(x):
    """Return the value as a floating-point scalar."""
    if hasattr(x, "astype"):
        from runtime import numpy as np
        return np.astype(np.reshape(x, ()), np.result_type(builtins.float))
    return builtins.float(x)


@op(constant=True, elementwise=True)
def int(x):
    """Return the value as an integer."""
    return builtins.int(x)


@op(constant=True)
def range(*bounds):
    """Return a range; its bounds may be staged integers."""
    from runtime.sequence import range as staged
    return staged(*bounds)


__all__ = ["instantiate_shell", "listed", "restore", "unpairs"]
