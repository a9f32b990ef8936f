"""Helpers of generated code on containers: elements, updates as values, and the cotangents of both."""
from __future__ import annotations

import operator

import numpy

from runtime import varying
from runtime.array import Array
from runtime.cotangent import CONTAINERS, _items, _rebuild, filled, shape_of, shared
from runtime.join import UNDEFINED, is_symbolic
from runtime.mesh import bound
from runtime.op import op
from runtime.xla import PyTreeDef
from runtime.zero import ZERO, Like, Static


def _is_array(x):
    return isinstance(x, Like) or hasattr(x, "shape") and hasattr(x, "dtype")


# -- reading elements -----------------------------------------------------------------------------------------------

def getitem_batched(x, index, over=()):
    from runtime.ops import update as arrays
    if isinstance(x, CONTAINERS) or not _is_array(x):
        return x[index]
    return arrays.getitem_batched(x, index, over)


@op(linear="x", vjp={"x": "rt.unindex(d_out, index, like=x)"}, batch=getitem_batched)
def getitem(x, index):
    """Return ``x[index]`` for an array or a container."""
    return x[index]


def unindex_batched(d, index, like, over=()):
    from runtime.ops import update as arrays
    return arrays.unindex_batched(d, index, like, over) if _is_array(like) else unindex(d, index, like)


@op(linear="d", vjp={"d": "d_out[index]"}, batch=unindex_batched)
def unindex(d, index, like):
    """Return the cotangent of ``like`` when only ``like[index]`` has one, ``d``."""
    from runtime.ops import index as arrays
    if like is ZERO:  # a symbolic zero of a lower order: nothing flows back into it
        return ZERO
    if isinstance(like, dict):
        return {k: d if k == index else ZERO for k in like}
    if isinstance(like, (list, tuple)):
        items = [ZERO] * len(like)
        if isinstance(index, slice):
            items[index] = list(d)
        else:
            items[index] = d
        return _rebuild(like, items)
    if hasattr(like, "unindex"):
        return like.unindex(d, index)
    return arrays.unindex(d, index, like)


# -- updates as values ----------------------------------------------------------------------------------------------

def setitem_batched(x, index, value, over=()):
    from runtime.ops import update as arrays
    if isinstance(x, CONTAINERS):
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
    if hasattr(x, "setitem"):
        return x.setitem(index, value)
    return arrays.setitem(x, index, value)


def setitem_dot(x, x_dot, index, value_dot):
    """Return the tangent of ``setitem(x, index, value)``."""
    return setitem(instantiate_shell(x_dot, x), index, value_dot if isinstance(x, CONTAINERS) else zero_to_number(value_dot))


def clear_batched(d, index, over=()):
    from runtime.ops import update as arrays
    if isinstance(d, CONTAINERS):
        return clear(d, index)
    return arrays.setitem_batched(d, index, 0, tuple(["x" if name == "d" else name for name in over]))


@op(linear="d", vjp={"d": "rt.clear(d_out, index)"}, batch=clear_batched)
def clear(d, index):
    """Return a cotangent with nothing at ``index``."""
    from runtime.ops import index as arrays
    if isinstance(d, CONTAINERS):
        return setitem(d, index, [ZERO] * len(d[index]) if isinstance(index, slice) else ZERO)
    return arrays.setitem(d, index, 0)


@op(constant=True, batch=lambda x, over=(): x)
def zero_to_number(x):
    """A tangent as an operand of an array update: the symbolic zero becomes 0."""
    return 0 if x is ZERO else x


def _shell_batched(d, like, over=()):
    return instantiate_shell(d, like)


@op(jvp="rt.instantiate_shell(d_dot, like)", vjp={"d": "d_out"}, batch=_shell_batched)
def instantiate_shell(d, like):
    """A ZERO tangent of a container becomes a container of ZEROs; of an array, zeros."""
    if d is not ZERO:
        return d
    if isinstance(like, CONTAINERS):
        return _rebuild(like, [ZERO] * len(_items(like)))
    return filled(d, like)


def _append_batched(items, item, over=()):
    return append(items, item)


@op(jvp="rt.append(rt.instantiate_shell(items_dot, items), item_dot)", vjp={"items": "d_out[:-1]", "item": "d_out[-1]"},
    batch=_append_batched)
def append(items, item):
    """Return the list with one more item. Generated code writes ``items.append(item)`` where it owns the list."""
    return [*items, item]


def _extend_batched(items, more, over=()):
    return extend(items, more)


@op(jvp="rt.extend(rt.instantiate_shell(items_dot, items), rt.instantiate_shell(more_dot, more))",
    vjp={"items": "d_out[:len(items)]", "more": "rt.restore(d_out[len(items):], like=more)"}, batch=_extend_batched)
def extend(items, more):
    """Return the list with all of ``more`` added."""
    return [*items, *more]


def _insert_batched(items, index, item, over=()):
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
    batch=lambda d, more, over=(): update(d, more))
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


# -- packing, iterating ---------------------------------------------------------------------------------------------

def parts_batched(d, count, over=()):
    if d is ZERO or isinstance(d, CONTAINERS):
        return parts(d, count)
    return tuple(d[:, i] for i in range(count))


@op(jvp="rt.parts(d_dot, count)", vjp={"d": "rt.pack(d_out, like=d)"}, batch=parts_batched)
def parts(d, count):
    """Return the tangents of the ``count`` items that a value unpacks into."""
    if d is ZERO or d is UNDEFINED:
        return (d,) * count
    return d if isinstance(d, tuple) else tuple(d[i] for i in range(count))


def pack_batched(items, like, over=()):
    if isinstance(like, CONTAINERS):
        return pack(items, like)
    if all([item is ZERO for item in items]):
        return ZERO
    from runtime import numpy as np
    given = [filled(item, Like(shape_of(like)[1:], like.dtype)) for item in items]
    size = max(one.shape[0] if one.ndim == len(shape_of(like)) else 1 for one in given)
    given = [one if one.ndim == len(shape_of(like)) else np.broadcast_to(one, (size,) + one.shape) for one in given]
    return np.stack(given, axis=1)


@op(jvp="rt.pack(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.parts(d_out, len(items))"},
    batch=pack_batched)
def pack(items, like):
    """Put the cotangents of unpacked items together again: a container like ``like``, or a stacked array."""
    return restore(items if items is ZERO else list(items), like)


@op(jvp="rt.restore(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.listed(d_out, items)"},
    batch=pack_batched)
def restore(items, like):
    """Give a list of cotangents the kind of ``like``: tuple, list, dict, or an array stacked along axis 0."""
    if like is ZERO or items is ZERO:
        return ZERO
    if isinstance(like, dict):
        return {k: v for k, v in zip(like, items)}
    if isinstance(like, (list, tuple)):
        return _rebuild(like, items)
    if hasattr(like, "restore"):
        return like.restore(items)
    if not _is_array(like):
        return list(items)
    if all(item is ZERO for item in items):
        return ZERO
    from runtime import numpy as np
    return np.stack([filled(item, Like(shape_of(like)[1:], like.dtype)) for item in items])


def listed_batched(d, like, over=()):
    if isinstance(d, CONTAINERS) or "d" not in over:
        return listed(d, like)
    return [d[:, i] for i in range(d.shape[1])]


@op(linear="d", vjp={"d": "rt.restore(d_out, like=d)"}, batch=listed_batched)
def listed(d, like):
    """A cotangent of a container as a list of its items' cotangents."""
    return _items(d) if isinstance(d, CONTAINERS) else [d[i] for i in range(len(like))]


def uniter_batched(items, like, over=()):
    return pack_batched(_padded(items, like), like, over) if _is_array(like) else uniter(items, like)


def _padded(items, like):
    made = list(items)[::-1]
    length = shape_of(like)[0] if _is_array(like) else len(like)
    return made + [ZERO] * (length - len(made))


@op(jvp="rt.uniter(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.reiter(d_out, items)"},
    batch=uniter_batched)
def uniter(items, like):
    """Return the cotangent of an iterable from its turns' cotangents, collected last turn first.

    Turns that a break left out have none.
    """
    if items is ZERO:
        return ZERO
    if hasattr(items, "uniter"):
        return items.uniter(like)
    given = _padded(items, like)
    if isinstance(like, (list, tuple)):
        given = [fit(item, one) for item, one in zip(given, like, strict=True)]
    elif _is_array(like):
        row = Like(shape_of(like)[1:], like.dtype)
        given = [fit(item, row) for item in given]
    return restore(given, like)


def fit(d, like):
    """Give a cotangent that was put together as a tuple of parts the kind of ``like``."""
    if isinstance(d, tuple) and not hasattr(d, "_fields") and not isinstance(like, dict) and like is not None:
        if isinstance(like, (list, tuple)):
            return _rebuild(like, [fit(item, one) for item, one in zip(d, like, strict=True)])
        if _is_array(like):
            row = Like(shape_of(like)[1:], like.dtype)
            return restore([fit(item, row) for item in d], like)
    return d


def reiter_batched(d, items, over=()):
    return reiter(listed_batched(d, items, over), items)


@op(linear="d", vjp={"d": "rt.uniter(d_out, like=d)"}, batch=reiter_batched)
def reiter(d, items):
    """The transpose of ``uniter``: the items' cotangents, last turn first."""
    return listed(d, d)[:len(items)][::-1]


def pairs_batched(xs, xs_dot, over=()):
    return pairs(xs, xs_dot)


@op(jvp="rt.pairs(rt.instantiate_shell(xs_dot, xs), rt.instantiate_shell(xs_dot_dot, xs_dot))",
    vjp={"xs": "rt.unpairs(d_out, 0, like=xs)", "xs_dot": "rt.unpairs(d_out, 1, like=xs_dot)"}, batch=pairs_batched)
def pairs(xs, xs_dot):
    """Iterate over values and their tangents together."""
    if xs_dot is ZERO:
        return [(x, ZERO) for x in xs]
    if isinstance(xs, dict):
        return [(key, ZERO) for key in xs]
    return list(zip(xs, xs_dot, strict=True))


def unpairs_batched(d, which, like, over=()):
    if not _is_array(like):
        return unpairs(d, which, like)
    return pack_batched(_unpaired(d, which, like), like, over)


def _unpaired(d, which, like):
    """One part of every pair; items that a shorter sequence beside theirs left out have none."""
    parts = [ZERO if item is ZERO else item[which] for item in d]
    length = shape_of(like)[0] if _is_array(like) else len(like)
    return parts + [ZERO] * (length - len(parts))


@op(jvp="rt.unpairs(d_dot, which, like=like)", vjp={"d": "rt.repair(d_out, which, d)"}, batch=unpairs_batched)
def unpairs(d, which, like):
    """Return the cotangent of one of the sequences that were zipped."""
    if d is ZERO or like is ZERO:
        return ZERO
    return restore(_unpaired(d, which, like), like)


def repair_batched(d, which, like, over=()):
    return repair(listed_batched(d, like, over), which, like)


@op(linear="d", vjp={"d": "rt.unpairs(d_out, which, like=d)"}, batch=repair_batched)
def repair(d, which, like):
    """The transpose of ``unpairs``."""
    width = next(len(item) for item in like if item is not ZERO)
    return [tuple(x if k == which else ZERO for k in range(width)) for x in listed(d, like)[:len(like)]]


def rule_parts(parts, count):
    """Return the cotangents that a user's backward rule gave: ``count`` of them, None meaning zero."""
    if not isinstance(parts, (tuple, list)) or len(parts) != count:
        raise TypeError("Custom VJP bwd rule must produce a tuple with one entry for each differentiable argument of the "
                        f"function: expected {count}, got {parts!r}")
    return tuple([ZERO if part is None else shared(part, part) for part in parts])


def parts_given(parts):
    """Return what the function of a custom gradient gave as a tuple: it may be the one argument's cotangent itself."""
    return parts if isinstance(parts, (tuple, list, dict)) or parts is None else (parts,)


@op(jvp="rt.seal(residuals_dot)", vjp={"residuals": "rt.unseal(d_out)"}, batch=lambda residuals, over=(): seal(residuals))
def seal(residuals):
    """Wrap the Python values among residuals, so that they pass through a compiled function as they are.

    What is wrapped for a function inside another is wrapped once more.
    """
    if isinstance(residuals, (bool, int, float, complex, str, PyTreeDef, numpy.dtype, Static)) or getattr(type(residuals), "_xform_constant", False):
        return Static(residuals)
    if isinstance(residuals, varying.Told):
        return varying.Told(residuals, ())
    if bound.checked and isinstance(residuals, Array):
        return varying.Told(residuals, varying.names(residuals))
    return _rebuild(residuals, [seal(item) for item in _items(residuals)]) if isinstance(residuals, CONTAINERS) else residuals


@op(jvp="rt.unseal(residuals_dot)", vjp={"residuals": "rt.seal(d_out)"}, batch=lambda residuals, over=(): unseal(residuals))
def unseal(residuals):
    """Undo ``seal``."""
    if isinstance(residuals, Static):
        return residuals.value
    if isinstance(residuals, varying.Told):
        return residuals.again()
    return _rebuild(residuals, [unseal(item) for item in _items(residuals)]) if isinstance(residuals, CONTAINERS) else residuals


def items_batched(d):
    """The items of a batched cotangent: of an array along axis 1."""
    return _items(d) if isinstance(d, CONTAINERS) or d is ZERO else [d[:, i] for i in range(d.shape[1])]


def _unpairs_batched(d, which, like, over):
    if d is ZERO or not _is_array(like):
        return unpairs(d, which, like)
    return pack_batched(_unpaired(d, which, like), like, over)


def _repair_batched(d, which, like, over):
    width = next(len(item) for item in like if item is not ZERO)
    return [tuple(x if k == which else ZERO for k in range(width)) for x in items_batched(d)[:len(like)]]


def lanes_filled(items):
    """Turn a list of (lanes, cotangent) pairs into cotangents of all lanes, ZERO where a lane took no turn."""
    from runtime.batch import where
    return [where(lanes, item, ZERO) for lanes, item in items]


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, over=(): as_arrays(x))
def as_arrays(x):
    """Turn the numbers in a cotangent into arrays."""
    if isinstance(x, CONTAINERS):
        return _rebuild(x, [as_arrays(item) for item in _items(x)])
    if isinstance(x, (bool, int, float, complex)):
        from runtime import numpy as np
        return np.asarray(x)
    return x
