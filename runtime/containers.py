"""Helpers of generated code on containers: elements, updates as values, and the cotangents of both."""
from __future__ import annotations

import functools
import operator

from runtime.cotangent import CONTAINERS, _items, _rebuild, add, filled
from runtime.join import is_symbolic
from runtime.op import op
from runtime.sequence import Turn, is_lazy
from runtime.sequence import reverse as last_first
from runtime.zero import ZERO, Like


def _is_array(x):
    return isinstance(x, Like) or hasattr(x, "shape") and hasattr(x, "dtype")


# -- reading elements -----------------------------------------------------------------------------------------------

def getitem_batched(x, index, over=()):
    from runtime.ops import update as arrays
    if isinstance(x, CONTAINERS) or not _is_array(x):
        if "index" in over and isinstance(x, (list, tuple)):
            raise TypeError(f"a {type(x).__name__} of {len(x)} items is read at an index that differs from example to example; make it an "
                            "array (np.stack), which can be")
        return x[index]
    return arrays.getitem_batched(x, index, over)


@op(linear="x", vjp={"x": "rt.unindex(d_out, index, like=x)"}, batch=getitem_batched)
def getitem(x, index):
    """Return ``x[index]`` for an array or a container."""
    return x[index]


def unindex_batched(d, index, like, over=()):
    from runtime.ops import update as arrays
    return arrays.unindex_batched(d, index, like, over) if _is_array(like) else unindex(d, index, like)


def _reindex_batched(x, index, like, over=()):
    return reindex(x, index, like) if isinstance(x, CONTAINERS) or not _is_array(x) else getitem_batched(x, index, over)


@op(linear="x", vjp={"x": "rt.unindex(d_out, index, like=like)"}, batch=_reindex_batched)
def reindex(x, index, like):
    """Return ``x[index]`` of a cotangent of ``like``; of a list that grew in some lanes only, the item that each lane has there."""
    if isinstance(x, list) and _grew_in_lanes(like):
        from runtime.batch import where
        found = ZERO
        for here, item in zip(_lanes_at(index, like), x):
            found = where(here, item if item is ZERO else item[1], found)
        return found
    return (like.listed(x) if hasattr(like, "appended") else x)[index]


def _grew_in_lanes(like):
    return type(like) is list and like and type(like[0]) is Turn


def _lanes_at(index, like):
    """For each item of a list that grew in some lanes only, the lanes that have it at an index."""
    from runtime import numpy as np
    if isinstance(index, slice) or any([isinstance(turn.lanes, Like) for turn in like]):
        raise TypeError("the gradient of an item of a list that grew in some of the examples only cannot be batched twice; map the function "
                        "first and differentiate what is mapped: grad(lambda x: vmap(f)(x).sum())")
    before = np.cumsum(np.stack([turn.lanes for turn in like]), axis=0)
    wanted = index if index >= 0 else before[-1] + index
    return [np.logical_and(turn.lanes, count - 1 == wanted) for turn, count in zip(like, before)]


@op(linear="d", vjp={"d": "rt.reindex(d_out, index, like=like)"}, batch=unindex_batched)
def unindex(d, index, like):
    """Return the cotangent of ``like`` when only ``like[index]`` has one, ``d``."""
    from runtime.ops import index as arrays
    if like is ZERO:  # a symbolic zero of a lower order: nothing flows back into it
        return ZERO
    if isinstance(like, dict):
        return {k: d if k == index else ZERO for k in like}
    if _grew_in_lanes(like):
        from runtime.batch import where
        return [(ZERO, where(here, d, ZERO)) for here in _lanes_at(index, like)]     # its items are (lanes, item)
    if isinstance(like, (list, tuple)):
        items = [ZERO] * len(like)
        if isinstance(index, slice):
            items[index] = list(d)
        else:
            items[index] = d
        return _rebuild(like, items)
    if is_lazy(like):
        if isinstance(index, slice) and index == slice(None, None, -1):
            return last_first(d)
        return unindex(d, index, [ZERO] * len(like))
    if hasattr(like, "unindex"):
        return like.unindex(d, index)
    return arrays.unindex(d, index, like)


# -- updates as values ----------------------------------------------------------------------------------------------

def _together(container, value, batched, also):
    """A container and what is put into it, with the batch in both of them where one of them has it."""
    if batched is also:
        return container, value
    from runtime.batch import spread
    from runtime.nested import found_size
    size = found_size(container if batched else value)
    if size is None:
        return container, value
    return (container, spread(value, size)) if batched else (spread(container, size), value)


def setitem_batched(x, index, value, over=()):
    from runtime.ops import update as arrays
    if isinstance(x, CONTAINERS) or is_lazy(x):
        if "index" in over and isinstance(x, list):
            raise TypeError(f"a list of {len(x)} items is changed at an index that differs from example to example; make it an array "
                            "(np.stack), which can be")
        x, value = _together(x, value, "x" in over, "value" in over)
        return setitem(x, index, value)
    return arrays.setitem_batched(x, index, value, over)


@op(jvp="rt.setitem_dot(x, x_dot, index, value_dot)",
    vjp={"x": "rt.clear(d_out, index)", "value": "rt.unbroadcast(rt.won(d_out, index), like=value)"}, batch=setitem_batched)
def setitem(x, index, value):
    """Return ``x`` with ``x[index] = value``; ``x`` itself does not change."""
    from runtime.ops import index as arrays
    if isinstance(x, dict):
        return {**x, index: value}
    if isinstance(x, list):
        items = list(x)
        items[index] = value
        return items
    if isinstance(x, tuple):
        raise TypeError("'tuple' object does not support item assignment")
    if is_lazy(x):
        return setitem(list(x), index, value)
    if hasattr(x, "setitem"):
        return x.setitem(index, value)
    return arrays.setitem(x, index, value)


def setitem_dot(x, x_dot, index, value_dot):
    """Return the tangent of ``setitem(x, index, value)``."""
    if x_dot is ZERO and value_dot is ZERO:
        return ZERO
    return setitem(instantiate_shell(x_dot, x), index, value_dot if isinstance(x, CONTAINERS) or is_lazy(x) or hasattr(x, "appended") else zero_to_number(value_dot))


def clear_batched(d, index, over=()):
    from runtime.ops import update as arrays
    if isinstance(d, CONTAINERS) or is_lazy(d):
        return clear(d, index)
    return arrays.setitem_batched(d, index, 0, tuple(["x" if name == "d" else name for name in over]))


@op(linear="d", vjp={"d": "rt.clear(d_out, index)"}, batch=clear_batched)
def clear(d, index):
    """Return a cotangent with nothing at ``index``."""
    from runtime.ops import index as arrays
    if isinstance(d, CONTAINERS) or is_lazy(d) or hasattr(d, "appended"):
        return setitem(d, index, [ZERO] * len(d[index]) if isinstance(index, slice) else ZERO)
    return arrays.setitem(d, index, 0)


def _number_batched(x, size=None, over=()):
    from runtime.batch import spread
    return spread(0, size) if x is ZERO else x


@op(jvp={"x": "x_dot"}, vjp={"x": "d_out"}, batch=_number_batched)
def zero_to_number(x):
    """A tangent as an operand of an array update: the symbolic zero becomes 0."""
    return 0 if x is ZERO else x


def _shell_batched(d, like, sizes=(), size=None, over=()):
    return instantiate_shell(d, like, (size, *sizes))


@op(jvp="rt.instantiate_shell(d_dot, like, sizes)", vjp={"d": "d_out"}, batch=_shell_batched)
def instantiate_shell(d, like, sizes=()):
    """A ZERO tangent of a container becomes a container of ZEROs; of an array, zeros, behind batch axes of some sizes."""
    if d is not ZERO:
        return d
    if isinstance(like, CONTAINERS):
        return _rebuild(like, [ZERO] * len(_items(like)))
    if is_lazy(like) and not sizes:
        return [ZERO] * len(like)
    return like.zeros() if hasattr(like, "appended") else filled(d, like, sizes)


def _append_batched(items, item, over=()):
    return append(items, item)


@op(jvp="rt.append(rt.instantiate_shell(items_dot, items), item_dot)", vjp={"items": "d_out[:-1]", "item": "d_out[-1]"},
    batch=_append_batched)
def append(items, item):
    """Return the list with one more item. Generated code writes ``items.append(item)`` where it owns the list."""
    return items.appended(item) if hasattr(items, "appended") else [*items, item]


def _extend_batched(items, more, over=()):
    items, more = _together(items, more, "items" in over, "more" in over)
    return extend(items, [more[:, i] for i in range(more.shape[1])] if _is_array(more) else more)


@op(jvp="rt.extend(rt.instantiate_shell(items_dot, items), rt.instantiate_shell(more_dot, more))",
    vjp={"items": "rt.first_items(d_out, like=more)", "more": "rt.restore(rt.last_items(d_out, like=more), like=more)"}, batch=_extend_batched)
def extend(items, more):
    """Return the list or tuple with all of ``more`` added."""
    if hasattr(items, "appended"):
        return functools.reduce(append, more, items)
    return (*items, *more) if isinstance(items, tuple) else [*items, *more]


@op(linear="d", vjp={"d": "rt.followed(d_out, like=like)"}, batch=lambda d, like, over=(): first_items(d, like))
def first_items(d, like):
    """Return a list without its last items, as many as ``like`` has."""
    return d.shortened(len(like)) if hasattr(d, "shortened") else d[:len(d) - len(like)]


@op(linear="d", vjp={"d": "rt.first_items(d_out, like=like)"}, batch=lambda d, like, over=(): followed(d, like))
def followed(d, like):
    """The transpose of ``first_items``."""
    return extend(d, [ZERO] * len(like))


@op(linear="d", vjp={"d": "rt.preceded(d_out, like=d)"}, batch=lambda d, like, over=(): last_items(d, like))
def last_items(d, like):
    """Return the last items of a list, as many as ``like`` has."""
    return [d[k - len(like)] for k in range(len(like))] if hasattr(d, "shortened") else d[len(d) - len(like):]


@op(linear="d", vjp={"d": "rt.last_items(d_out, like=d)"}, batch=lambda d, like, over=(): preceded(d, like))
def preceded(d, like):
    """The transpose of ``last_items``: what is as long as ``like``, and zero before its last items."""
    if hasattr(like, "shortened"):
        return extend(like.zeros().shortened(len(d)), d)
    return extend([ZERO] * (len(like) - len(d)), d)


@op(constant=True, unbatched=True, batch=lambda x, over=(): joinable(x))
def joinable(x) -> bool:
    """Raise TypeError if ``x``, which ``+`` joins with a list or tuple, is an array: with NumPy's they would be added, item by item."""
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        raise TypeError(f"unsupported operand type(s) for +: an array of shape {tuple(x.shape)} and a list or tuple. To add them, make the list "
                        "an array first, as np.asarray(items); to join them, write [*items, *x].")
    return True


def _lasts_batched(xs, count, over=()):
    return lasts(xs[0] if "xs" in over and _is_array(xs) else xs, count)


@op(constant=True, unbatched=True, batch=_lasts_batched)
def lasts(xs, count) -> bool:
    """Raise ValueError if ``xs`` is an array of fewer than ``count`` items, of which a loop takes as many: an index past the end reads the last."""
    if hasattr(xs, "shape") and hasattr(xs, "dtype") and xs.shape[0] < count:
        raise ValueError(f"zip: an array of {xs.shape[0]} items is run over beside {count} functions or objects. Give it one item for each; to stop "
                         "early, cut what holds these.")
    return True


def _repeated_batched(items, times, over=()):
    return repeated([items[:, i] for i in range(items.shape[1])] if _is_array(items) else items, times)


@op(jvp="rt.repeated(rt.instantiate_shell(items_dot, items), times)", vjp={"items": "rt.unrepeated(d_out, times, like=items)"},
    batch=_repeated_batched)
def repeated(items, times):
    """Return a list or tuple a number of times, one behind the other."""
    return list(items) * times if is_lazy(items) else items * times


@op(linear="d", vjp={"d": "rt.repeated(rt.instantiate_shell(d_out, like), times)"}, batch=lambda d, times, like, over=(): unrepeated(d, times, like))
def unrepeated(d, times, like):
    """The transpose of ``repeated``: the sums of the cotangents of the same item."""
    count = len(like)
    return _rebuild([] if is_lazy(like) else like, [functools.reduce(add, [d[at + k * count] for k in range(len(d) // count)], ZERO) for at in range(count)])


def _insert_batched(items, index, item, over=()):
    items, item = _together(items, item, "items" in over, "item" in over)
    return insert(items, index, item)


@op(jvp="rt.insert(rt.instantiate_shell(items_dot, items), index, item_dot)",
    vjp={"items": "rt.without(d_out, index)", "item": "d_out[index]"}, batch=_insert_batched)
def insert(items, index, item):
    """Return the list with ``item`` inserted before ``index``."""
    if items is ZERO and item is ZERO:
        return ZERO
    made = list(items)
    made.insert(index, item)
    return made


@op(linear="d", vjp={"d": "rt.insert(d_out, index, rt.ZERO)"}, batch=lambda d, index, over=(): without(d, index))
def without(d, index):
    """Return the list without the item at ``index``."""
    return [item for position, item in enumerate(d) if position != (index if index >= 0 else len(d) - 1 + index)]


@op(jvp="rt.update(rt.instantiate_shell(d_dot, d), rt.instantiate_shell(more_dot, more))",
    vjp={"d": "rt.entries(d_out, d, more)", "more": "rt.entries(d_out, more, {})"},
    batch=lambda d, more, over=(): update(*_together(d, more, "d" in over, "more" in over)))
def update(d, more):
    """Return the dict with the entries of ``more``."""
    return {**d, **more}


@op(linear="d", vjp={"d": "rt.entries(d_out, like, but)"}, batch=lambda d, like, but, over=(): entries(d, like, but))
def entries(d, like, but):
    """Return the entries of a dict of cotangents for the keys of ``like``, ZERO for those that ``but`` has too."""
    return {k: ZERO if k in but else d.get(k, ZERO) for k in like}


@op(jvp="rt.construct(kind, rt.instantiate_shell(items_dot, items))", vjp={"items": "rt.parts(d_out, len(items))"},
    batch=lambda kind, items, over=(): construct(kind, items))
def construct(kind, items):
    """Make a named tuple of the given kind from its fields' values."""
    return kind(*items)


def _replace_fields_batched(x, fields, over=()):
    from runtime.batch import batch_size, spread
    if "x" not in over:
        x = spread(x, batch_size(fields))
    if "fields" not in over:
        fields = spread(fields, batch_size(x))
    return replace_fields(x, fields)


@op(jvp="rt.replace_fields(rt.instantiate_shell(x_dot, x), rt.instantiate_shell(fields_dot, fields))",
    vjp={"x": "rt.without_fields(d_out, fields)", "fields": "rt.only_fields(d_out, fields)"},
    batch=_replace_fields_batched)
def replace_fields(x, fields):
    """Return the named tuple with the given fields replaced."""
    return x._replace(**fields)


@op(linear="d", vjp={"d": "rt.without_fields(d_out, fields)"}, batch=lambda d, fields, over=(): without_fields(d, fields))
def without_fields(d, fields):
    """Return a named tuple of cotangents with ZERO for the given fields."""
    return d._replace(**{field: ZERO for field in fields})


@op(jvp="rt.only_fields(d_dot, fields)", vjp={"d": "rt.fields_of(d_out, d)"},
    batch=lambda d, fields, over=(): only_fields(d, fields))
def only_fields(d, fields):
    """Return the given fields of a named tuple as a dict."""
    return {field: ZERO if d is ZERO else getattr(d, field) for field in fields}


@op(linear="d", vjp={"d": "rt.only_fields(d_out, d)"}, batch=lambda d, like, over=(): fields_of(d, like))
def fields_of(d, like):
    """The transpose of ``only_fields``."""
    return type(like)(*[d.get(field, ZERO) for field in like._fields])


@op(jvp="rt.without_key(rt.instantiate_shell(d_dot, d), key)", vjp={"d": "rt.entries(d_out, d, (key,))"},
    batch=lambda d, key, over=(): without_key(d, key))
def without_key(d, key):
    """Return the dict without one of its keys; KeyError when it does not have it."""
    if key not in d:
        raise KeyError(key)
    return {k: v for k, v in d.items() if k != key}


@op(constant=True, unbatched=True, batch=lambda x, over=(): isinstance(x, dict))
def is_dict(x):
    """Say whether a container is a dict."""
    return isinstance(x, dict)


@op(constant=True, unbatched=True, batch=lambda items, item, over=(): place_of(items, item))
def place_of(items, item):
    """Return the position of an item of a list; ValueError when it is not there."""
    return items.index(item)


@op(constant=True, unbatched=True, batch=lambda items, over=(): len(items))
def count_of(items):
    """Return how many items a list has; IndexError when it is empty."""
    if not items:
        raise IndexError("pop from empty list")
    return len(items)


def popped(items):
    """Return the last item of a list, and the list without it."""
    count = count_of(items)
    return items[count - 1], without(items, count - 1)


def popped_at(items, key):
    """Return an item of a list or an entry of a dict, and the container without it."""
    if is_dict(items):
        rest = without_key(items, key)
    else:
        rest = without(items, key)
    return items[key], rest


def popped_or(d, key, default):
    """Return the entry of a dict and the dict without it; the default and the dict when it has none."""
    if contains(d, key):
        found, rest = d[key], without_key(d, key)
    else:
        found, rest = default, d
    return found, rest


def set_default(d, key, default=None):
    """Return the entry of a dict, and the dict with the default in its place where it has none."""
    if not contains(d, key):
        d = update(d, {key: default})
    return d[key], d


def remove(items, item):
    """Return the list without the first occurrence of an item."""
    return without(items, place_of(items, item))


def cleared(items):
    """Return an empty container of the same kind."""
    return {} if is_dict(items) else []


@op(constant=True, unbatched=True, batch=lambda items, more, over=(): with_members(items, more))
def with_members(items, more):
    """Return the set with the members of another."""
    return items | more


@op(constant=True, unbatched=True, batch=lambda items, more, over=(): without_members(items, more))
def without_members(items, more):
    """Return the set without the members of another."""
    return items - more


def reverse(items):
    """Return the list, last item first."""
    return items[::-1]


@op(constant=True, unbatched=True, batch=lambda items, item, over=(): contains(items, item))
def contains(items, item):
    """Say whether a container has an item (a dict, a key)."""
    if _is_array(items):
        raise TypeError("`in` an array depends on the values of the examples, which cannot be batched; use np.any(x == item)")
    return item in items


@op(constant=True, elementwise=True)
def checked_index(index, count):
    """Return an index into ``count`` items counted from the front; IndexError for a concrete index that is outside."""
    if _is_array(index) and is_symbolic(index):
        from runtime import numpy as np
        return np.where(index < 0, index + count, index)
    if _is_array(index) and index.ndim:
        from runtime import numpy as np
        return np.where(index < 0, index + count, index)
    place = operator.index(index)
    if not -count <= place < count:
        raise IndexError(f"list index out of range: {place}, of {count} items")
    return place + count if place < 0 else place


@op(constant=True, unbatched=True, batch=lambda key, keys, over=(): checked_key(key, keys))
def checked_key(key, keys):
    """Return a key that is one of ``keys``; KeyError for any other."""
    if key not in keys:
        raise KeyError(key)
    return key
