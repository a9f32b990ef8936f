"""Python's builtins for generated code: the same results, with derivatives and batching."""
from __future__ import annotations

import builtins
import operator

import numpy

from runtime.array import Array
from runtime.batch import is_array, rows
from runtime.containers import instantiate_shell, is_dict, update
from runtime.cotangent import CONTAINERS, _items, _rebuild
from runtime.join import any_symbolic, is_symbolic
from runtime.op import op
from runtime.primitive import cast
from runtime.sequence import Endless, Same, Zipped, is_lazy, stays
from runtime.sequence import reverse as last_first
from runtime.turns import listed, pack_lead, restore, unpairs, unpairs_lead
from runtime.zero import ZERO, Like


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


def max_by(iterable, key):
    """Return the first item for which ``key`` gives the largest value."""
    best = iterable[0]
    most = key(best)
    for item in iterable[1:]:
        value = key(item)
        if value > most:
            best, most = item, value
    return best


def min_by(iterable, key):
    """Return the first item for which ``key`` gives the smallest value."""
    best = iterable[0]
    least = key(best)
    for item in iterable[1:]:
        value = key(item)
        if value < least:
            best, least = item, value
    return best


def max_or(iterable, default):
    """Return the largest item, or ``default`` if there is none."""
    if len(iterable) == 0:
        return default
    return max(iterable)


def min_or(iterable, default):
    """Return the smallest item, or ``default`` if there is none."""
    if len(iterable) == 0:
        return default
    return min(iterable)


def max_by_or(iterable, key, default):
    """Return the first item for which ``key`` gives the largest value, or ``default`` if there is none."""
    if len(iterable) == 0:
        return default
    return max_by(iterable, key)


def min_by_or(iterable, key, default):
    """Return the first item for which ``key`` gives the smallest value, or ``default`` if there is none."""
    if len(iterable) == 0:
        return default
    return min_by(iterable, key)


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


def in_order(xs, axis=-1, kind=None, order=None, *, reverse=False):
    """Return what ``xs.sort()`` leaves: an array sorted along an axis, or the items of a list in order."""
    if hasattr(xs, "dtype"):
        from runtime import numpy as np
        return np.sort(xs, axis, kind=kind, order=order)
    return sorted(xs, reverse)


def put_into(container, items):
    """Return what ``container[i] = items`` puts into a container: a list or tuple as an array, if the container is one itself."""
    if hasattr(container, "dtype"):
        from runtime import numpy as np
        return np.asarray(items)
    return items


def sorted_by(iterable, key, reverse=False):
    """Return the items in the order of what ``key`` gives for them, as a list."""
    items = list(iterable)
    keys = [key(item) for item in items]
    if only_staged_numbers(keys):
        from runtime import numpy as np
        from runtime.ops.records import stack_records
        from runtime.trees import tree_map_1
        places = np.argsort(np.stack(keys), descending=reverse)
        rows = stack_records(items)
        made = [tree_map_1(lambda leaf: leaf[places[k]], rows) for k in range(len(items))]
    else:
        made = [items[place] for place in order_of(keys, reverse)]
    return made


_LISTED = (builtins.list, builtins.tuple)


@op(constant=True, unbatched=True, batch=lambda items, over=(): builtins.any([hasattr(item, "shape") for item in items]))
def only_staged_numbers(items):
    """Say whether the order of items is not known yet, because they are staged (or a batch of) numbers."""
    return any_symbolic(items) and not (isinstance(items, _LISTED) and isinstance(items[0], _LISTED))    # those are compared item by item


@op(constant=True, unbatched=True)
def order_of(keys, reverse=False):
    """Return the positions of keys in order, equal ones as they come."""
    return builtins.sorted(builtins.range(len(keys)), key=lambda place: keys[place], reverse=reverse)


def _beside(*sources):
    """Sequences side by side: for a staged loop to run over, if they are long and some of them staged, else as a list."""
    if stays(sources):
        return Zipped(sources)
    return list(builtins.zip(*sources))


@op(jvp="rt.builtins.zip_dot(xs, xs_dot)", vjp={"xs": "rt.unpairs(d_out, k, like=arg)"},
    batch=lambda *xs, over=(): zip(*xs))
def zip(*xs):
    """Return the tuples of corresponding items: a list, or what a staged loop runs over."""
    return _beside(*xs)


def zip_dot_batched(xs, dots, over=()):
    if "xs" in over:
        xs = tuple([rows(x) for x in xs])
    if "dots" in over and dots is not ZERO:
        dots = tuple([rows(d) for d in dots])
    return zip_dot(xs, dots)


@op(jvp="rt.builtins.zip_dot(xs, dots_dot)", vjp={"dots": "rt.builtins.unzip(d_out, dots)"}, batch=zip_dot_batched)
def zip_dot(xs, dots):
    """The tangent of ``zip(*xs)``."""
    if dots is ZERO:
        dots = (ZERO,) * len(xs)
    return _beside(*[_dots(d, x) for d, x in builtins.zip(dots, xs)])


def _dots(d, x):
    """The tangents of the items of ``x``."""
    if d is not ZERO:
        return d
    return Same(ZERO) if is_lazy(x) else [ZERO] * len(x)


def unzip_batched(d, like, over=()):
    return tuple([unpairs_lead(d, k, one, 1) for k, one in builtins.enumerate(like)])


@op(linear="d", vjp={"d": "rt.builtins.zip_dot(d, d_out)"}, batch=unzip_batched)
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
    """Return the (index, item) pairs: a list, or what a staged loop runs over."""
    if stays([xs]):
        return Zipped([Endless(operator.index(start)), xs])
    return list(builtins.enumerate(xs, start))


def enumerate_dot_batched(xs, dots, over=()):
    return enumerate_dot(rows(xs) if "xs" in over else xs, rows(dots) if "dots" in over else dots)


@op(jvp="rt.builtins.enumerate_dot(xs, dots_dot)", vjp={"dots": "rt.unpairs(d_out, 1, like=dots)"}, batch=enumerate_dot_batched)
def enumerate_dot(xs, dots):
    """The tangent of ``enumerate(xs)``."""
    if stays([xs]):
        return Zipped([Same(ZERO), dots if dots is not ZERO else [ZERO] * len(xs)])
    return [(ZERO, d) for d in shell_of(dots, xs)]


@op(linear="xs", vjp={"xs": "rt.builtins.unreversed(d_out, xs, lead)"}, batch=lambda xs, lead=0, over=(): reversed(xs, lead + 1),
    merges=False)
def reversed(xs, lead=0):
    """Return the items of a sequence, last first; those of an array lie along the axis behind ``lead`` others."""
    if lead and is_array(xs):
        from runtime import numpy as np
        return np.flip(xs, lead)
    return last_first(xs)


def unreversed_batched(d, like, lead=0, over=()):
    if is_array(d) or not is_array(like):
        return unreversed(d, like, lead + 1)
    return pack_lead(reversed(d), like, lead + 1)


@op(linear="d", vjp={"d": "rt.builtins.reversed(d_out, lead)"}, batch=unreversed_batched)
def unreversed(d, like, lead=0):
    """The transpose of ``reversed``."""
    if d is ZERO or is_array(d):
        return d if d is ZERO else reversed(d, lead)
    return restore(last_first(d), like)


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


@op(jvp="rt.builtins.items_dot(d, dots_dot)", vjp={"dots": "rt.unpairs(d_out, 1, like=dots)"},
    batch=lambda d, dots, over=(): items_dot(d, dots))
def items_dot(d, dots):
    """The tangent of ``items(d)``: keys have none."""
    return [(ZERO, ZERO if dots is ZERO else dots[key]) for key in d]


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


def dict_of(entries, more):
    """Return a dict of another's entries, or of (key, value) pairs, with those of ``more`` added."""
    made = {}
    if is_dict(entries):
        made = update(made, entries)
    else:
        for key, value in entries:
            made[key] = value
    return update(made, more)


def get(d, key, default=None):
    """Return ``d[key]``, or ``default`` where the key is missing."""
    if key in d:
        return d[key]
    return default


@op(linear="d", vjp={"d": "d_out"}, batch=lambda d, function, given, wanted, needed, over=(): keywords(d, function, given, wanted, needed))
def keywords(d, function, given, wanted, needed):
    """Return a dict of keyword arguments, where they suit a function.

    given: parameters that have their arguments. wanted: those that may be among the keywords; None for any. needed: those that must be.
    Raises: TypeError, as a call does.
    """
    for key in d:
        if key in given:
            raise TypeError(f"{function}() got multiple values for argument {key!r}")
        if wanted is not None and key not in wanted:
            raise TypeError(f"{function}() got an unexpected keyword argument {key!r}")
    missing = [key for key in needed if key not in d]
    if missing:
        raise TypeError(f"{function}() missing a required argument: {missing[0]!r}")
    return d


@op(linear="xs", vjp={"xs": "rt.builtins.items_named(d_out, names, len(xs))"},
    batch=lambda xs, names, function="function", given=(), variadic=True, over=(): named_arguments(xs, names, function, given, variadic))
def named_arguments(xs, names, function="function", given=(), variadic=True):
    """Return {name: argument} of the positional arguments of a call, as many as there are names for.

    given: parameters that have their arguments. variadic: whether there may be more arguments than names.
    Raises: TypeError, as a call does.
    """
    if len(xs) > len(names) and not variadic:
        raise TypeError(f"{function}() takes {len(names)} positional argument{'s' * (len(names) != 1)} but {len(xs)} were given")
    for key in names[:len(xs)]:
        if key in given:
            raise TypeError(f"{function}() got multiple values for argument {key!r}")
    return dict(zip(names, xs))


@op(linear="d", vjp={"d": "rt.builtins.named_arguments(d_out, names)"},
    batch=lambda d, names, count, over=(): items_named(d, names, count))
def items_named(d, names, count):
    """The transpose of ``named_arguments``: a tuple of the entries by name, of ``count`` items."""
    return tuple([ZERO if d is ZERO else d.get(key, ZERO) for key in names[:count]]) + (ZERO,) * (count - len(names))


def arguments(xs, d, function, given, names, variadic, wanted, needed):
    """Return {parameter: argument} of a call ``function(*xs, **d)``.

    given: parameters that have their arguments. names: those that take positional arguments, in order. variadic: whether others may
    follow. wanted, needed: as for ``keywords``.
    """
    taken = names[:len(xs)]
    positional = named_arguments(xs, names, function, given, variadic)
    return update(positional, keywords(d, function, given + taken, wanted, [key for key in needed if key not in taken]))


@op(jvp="rt.builtins.other_keywords(rt.instantiate_shell(d_dot, d), names)", vjp={"d": "rt.entries(d_out, d, names)"},
    batch=lambda d, names, over=(): other_keywords(d, names))
def other_keywords(d, names):
    """Return the entries of a dict whose keys are not among ``names``."""
    return {key: d[key] for key in d if key not in names}


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, over=(): x)
def copy(x):
    """Return a copy: a new container; arrays are values already."""
    return x.copy() if isinstance(x, CONTAINERS) and hasattr(x, "copy") else x


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, over=(): deepcopy(x))
def deepcopy(x):
    """Return a copy with containers of its own within; arrays are values already."""
    return _rebuild(x, [deepcopy(item) for item in _items(x)]) if isinstance(x, CONTAINERS) else copy(x)


@op(linear="x", vjp={"x": "d_out"}, elementwise=True)
def block_until_ready(x):
    """Wait for an array to be computed and return it."""
    return x.block_until_ready() if hasattr(x, "block_until_ready") else x


def _float_batched(x, over=()):
    from runtime import numpy as np
    return np.astype(_numbers("float", x), np.result_type(builtins.float))


def _numbers(asked, x):
    """A batch of numbers: each example has to be one."""
    if builtins.any(n != 1 for n in x.shape[1:]):
        raise TypeError(f"{asked}() of an array of shape {x.shape[1:]}: only arrays with one element are numbers. Index it, or reduce it, first.")
    return x.reshape(x.shape[:1])


@op(linear="x", vjp={"x": "rt.broadcast_like(rt.reshape_like(d_out, like=x), like=x)"}, batch=_float_batched)
def float(x):
    """Return the value as a floating-point scalar."""
    if hasattr(x, "astype"):
        from runtime import numpy as np
        return np.astype(np.reshape(x, ()), np.result_type(builtins.float))
    return builtins.float(x)


@op(constant=True, batch=lambda x, over=(): _whole(_numbers("int", x)))
def int(x):
    """Return the value as an integer: a number of Python's, where it is known."""
    return _whole(_numbers("int", x[None])[0]) if is_symbolic(x) else builtins.int(x)


def _whole(x):
    """Numbers without their fractions, as promotion takes Python's integers."""
    from runtime import numpy as np
    return cast(np.trunc(x), builtins.int, weak_type=True)


def complex(real, imag=0):
    """Return the value as a complex number."""
    return real + imag * 1j


@op(linear="x", vjp={"x": "rt.broadcast_like(rt.reshape_like(d_out, like=x), like=x)"}, batch=lambda x, over=(): _numbers("item", x))
def item(x):
    """Return the one element of an array: a number of Python's, where the value is known."""
    return x.reshape(()) if any_symbolic(x) else x.item()


def item_at(x, place):
    """Return the element of an array at a place, counted in its flat form, or at a tuple of indices, as ``item`` does."""
    from runtime import numpy as np
    if is_tuple(place):
        return item(x[place])
    return item(np.ravel(x)[place])


@op(constant=True, unbatched=True)
def is_tuple(x):
    """Say whether a value is a tuple."""
    return isinstance(x, builtins.tuple)


def tolist(x):
    """Return the elements of an array as nested lists."""
    if x.ndim == 0:
        return item(x)
    return [tolist(row) for row in list(x)]


def view(x, dtype=None):
    """Return what the method of this name gives: the bytes of an array read as another dtype."""
    from runtime.numpy.packing import viewed
    if not is_device_array(x):
        return x.view() if dtype is None else x.view(dtype)
    return x if dtype is None else viewed(x, dtype)


@op(constant=True, unbatched=True)
def is_device_array(x):
    """Say whether a value is an array on a device, or stands for one."""
    return isinstance(x, (Array, Like))


def is_ndarray(x):
    """Say whether a value is what NumPy's ``ndarray`` holds: an array with an axis, for a number alone is one of NumPy's scalars."""
    return is_ndarray_or_scalar(x) and x.ndim > 0


@op(constant=True, unbatched=True)
def is_ndarray_or_scalar(x):
    """Say whether a value is an array, be it of NumPy's or on a device, with axes or without."""
    return isinstance(x, (Array, Like, numpy.ndarray))


def byteswap(x):
    """Return what the method of this name gives: the bytes of every element in the other order."""
    from runtime.numpy.packing import byteswapped
    return byteswapped(x) if is_device_array(x) else x.byteswap()


@op(constant=True)
def range(*bounds):
    """Return a range; its bounds may be staged integers."""
    from runtime.spans import range as staged
    return staged(*bounds)


__all__ = ["instantiate_shell", "listed", "restore", "unpairs"]
