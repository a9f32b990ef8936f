"""The methods of universal functions (reduce, accumulate, at, reduceat, outer) as plain Python over any function of arrays."""
from __future__ import annotations

from runtime.ops.kernel import about_types, no_out
from runtime.ops.records import stack_records


@about_types
def check_ufunc(name, method, nin, nout):
    """Raise TypeError unless a function has two arguments and one result."""
    if nin != 2 or nout != 1:
        raise TypeError(f"{name}.{method}: only functions of two arguments with one result have it, {name} has nin={nin}, nout={nout}")
    return True


@about_types
def reduced_axes(shape, axis, name, identified):
    """Return the axes of a reduction; ValueError for a reduction of nothing without identity or initial value."""
    axes = tuple(range(len(shape))) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(a % len(shape) if -len(shape) <= a < len(shape) else _wrong(a, shape) for a in axes)
    count = 1
    for a in axes:
        count *= shape[a]
    if not count and not identified:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    return axes


def _wrong(axis, shape):
    raise ValueError(f"axis {axis} is out of bounds for array of dimension {len(shape)}")


@about_types
def without(shape, axes, keepdims):
    """Return a shape after a reduction."""
    return tuple([1 if i in axes else size for i, size in enumerate(shape) if keepdims or i not in axes])


def reduce_with(f, a, axis, dtype, keepdims, initial, where, identity, name):
    """Return the elements along axes combined by ``f`` from the first to the last.

    where: mask of the elements that count; it needs an identity or an initial value.
    """
    from runtime import numpy as np
    a = np.asarray(a) if dtype is None else np.astype(np.asarray(a), dtype)
    start = identity if initial is None else initial
    masked_without_start(name, where, start)
    axes = reduced_axes(a.shape, axis, name, start is not None)
    rest = without(a.shape, axes, False)
    rows = np.reshape(np.moveaxis(a, axes, tuple(range(len(axes)))), (-1,) + rest) if a.size else np.zeros((0,) + rest, a.dtype)
    first = 0
    if start is None:
        total = rows[0]
        first = 1
    else:
        total = np.full(rest, start, a.dtype)
    if where is None:
        for k in range(first, rows.shape[0]):
            total = np.astype(f(total, rows[k]), a.dtype)
    else:
        mask = np.reshape(np.moveaxis(np.broadcast_to(where, a.shape), axes, tuple(range(len(axes)))), (-1,) + rest)
        for k in range(first, rows.shape[0]):
            total = np.where(mask[k], np.astype(f(total, rows[k]), a.dtype), total)
    return np.reshape(total, without(a.shape, axes, keepdims))


@about_types
def masked_without_start(name, where, start):
    """Raise ValueError for a mask without a value to start from."""
    if where is not None and start is None:
        raise ValueError(f"reduction operation {name} does not have an identity, so to use a where mask one has to specify 'initial'")
    return True


@about_types
def one_axis(method, shape, axis):
    """Return an axis counted from the front; ValueError unless it is one axis of the array."""
    if axis is None and len(shape) == 1:
        return 0
    if not isinstance(axis, int):
        raise ValueError(f"{method} does not allow multiple axes, got axis={axis}")
    return axis % len(shape) if -len(shape) <= axis < len(shape) else _wrong(axis, shape)


def accumulate_with(f, a, axis, dtype):
    """Return the running combinations by ``f`` along an axis."""
    from runtime import numpy as np
    a = np.asarray(a) if dtype is None else np.astype(np.asarray(a), dtype)
    place = one_axis("accumulate", a.shape, axis)
    rows = np.moveaxis(a, place, 0)
    if rows.shape[0] == 0:
        return a
    total = rows[0]
    found = [total]
    for k in range(1, rows.shape[0]):
        total = np.astype(f(total, rows[k]), a.dtype)
        found.append(total)
    return np.moveaxis(stack_records(found), 0, place)


@about_types
def values_only(inplace):
    """Raise NotImplementedError for a change in place."""
    if inplace:
        raise NotImplementedError("Because arrays are values, ufunc.at() cannot operate inplace like np.ufunc.at(). Pass inplace=False "
                                  "and use the result: a = np.add.at(a, indices, b, inplace=False)")
    return True


def at_unary(f, a, indices, b, inplace):
    """Return ``a`` with ``f`` of one argument applied at the indices, as often as each is named."""
    from runtime import numpy as np
    values_only(inplace)
    a = np.asarray(a)
    places = np.reshape(np.reshape(np.arange(a.size), a.shape)[indices], (-1,))
    flat = np.reshape(a, (-1,))
    for k in range(places.shape[0]):
        flat = flat.at[places[k]].set(np.astype(f(flat[places[k]]), a.dtype))
    return np.reshape(flat, a.shape)


def at_binary(f, a, indices, b, inplace):
    """Return ``a`` with ``f`` applied to the elements at the indices and those of ``b``, one after the other."""
    from runtime import numpy as np
    values_only(inplace)
    a = np.asarray(a)
    places = np.reshape(np.arange(a.size), a.shape)[indices]
    other = np.reshape(np.broadcast_to(np.asarray(b), places.shape), (-1,))
    places = np.reshape(places, (-1,))
    flat = np.reshape(a, (-1,))
    for k in range(places.shape[0]):
        flat = flat.at[places[k]].set(np.astype(f(flat[places[k]], other[k]), a.dtype))
    return np.reshape(flat, a.shape)


def reduceat_with(f, a, indices, axis, dtype):
    """Return for each index the combination by ``f`` of the elements up to the next index; the element alone if that is smaller."""
    from runtime import numpy as np
    a = np.asarray(a) if dtype is None else np.astype(np.asarray(a), dtype)
    place = one_axis("reduceat", a.shape, axis)
    rows = np.moveaxis(a, place, 0)
    starts = np.asarray(indices)
    ends = np.append(starts[1:], rows.shape[0])
    total = rows[starts]
    shape = (starts.shape[0],) + (1,) * (rows.ndim - 1)
    for k in range(rows.shape[0]):
        inside = np.reshape(np.logical_and(k > starts, k < ends), shape)
        total = np.where(inside, np.astype(f(total, rows[k]), a.dtype), total)
    return np.moveaxis(total, 0, place)


def outer_with(f, a, b):
    """Return ``f`` of every pair of elements, with the axes of ``a`` before those of ``b``."""
    from runtime import numpy as np
    a, b = np.asarray(a), np.asarray(b)
    return f(np.reshape(a, a.shape + (1,) * b.ndim), b)


# -- the methods of np.add and its like ------------------------------------------------------------------------------------

def equip(f, identity, reduction=None, running=None, update=None):
    """Give a function of two arrays the methods of a universal function.

    reduction, running: functions that do what its reduce and accumulate do, in one operation. update: the same for at.
    """
    name = f.__name__

    def reduced_stepwise(a, axis, dtype, keepdims, initial, where):
        return reduce_with(f, a, axis, dtype, keepdims, initial, where, identity, name)

    def reduced_at_once(a, axis, dtype, keepdims, initial, where):
        from runtime import numpy as np
        cast = np.asarray(a) if dtype is None else np.astype(np.asarray(a), dtype)
        return reduction(cast, axis=axis, keepdims=keepdims, initial=initial, where=where)

    def accumulated_stepwise(a, axis, dtype):
        return accumulate_with(f, a, axis, dtype)

    def accumulated_at_once(a, axis, dtype):
        from runtime import numpy as np
        cast = np.asarray(a) if dtype is None else np.astype(np.asarray(a), dtype)
        return running(cast, one_axis("accumulate", cast.shape, axis))

    def updated_stepwise(a, indices, b, inplace):
        return at_binary(f, a, indices, b, inplace)

    def updated_at_once(a, indices, b, inplace):
        from runtime import numpy as np
        values_only(inplace)
        return update(np.asarray(a), indices, b)
    reducing = reduced_stepwise if reduction is None else reduced_at_once
    accumulating = accumulated_stepwise if running is None else accumulated_at_once
    updating = updated_stepwise if update is None else updated_at_once

    def reduce(a, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
        """Return the elements along an axis combined from the first to the last."""
        no_out(name, out)
        return reducing(a, axis, dtype, keepdims, initial, where)

    def accumulate(a, axis=0, dtype=None, out=None):
        """Return the running combinations along an axis."""
        no_out(name, out)
        return accumulating(a, axis, dtype)

    def at(a, indices, b=None, /, *, inplace=True):
        """Return ``a`` with the function applied at the indices; ``inplace=False`` only."""
        return updating(a, indices, b, inplace)

    def reduceat(a, indices, axis=0, dtype=None, out=None):
        """Return the combinations of the slices of an axis that start at the indices."""
        no_out(name, out)
        return reduceat_with(f, a, indices, axis, dtype)

    def outer(A, B, /):
        """Return the function of every pair of elements."""
        return outer_with(f, A, B)

    for method in (reduce, accumulate, at, reduceat, outer):
        method.__qualname__ = f"{name}.{method.__name__}"
        setattr(f, method.__name__, method)
    f.nin, f.nout, f.nargs, f.identity = 2, 1, 2, identity


def equip_all(np):
    """Give methods to the functions that have them in JAX."""
    equip(np.add, 0, np.sum, np.cumsum, lambda a, i, b: a.at[i].add(b))
    equip(np.multiply, 1, np.prod, np.cumprod, lambda a, i, b: a.at[i].multiply(b))
    equip(np.maximum, None, np.max, None, lambda a, i, b: a.at[i].max(b))
    equip(np.minimum, None, np.min, None, lambda a, i, b: a.at[i].min(b))
    equip(np.subtract, None, update=lambda a, i, b: a.at[i].subtract(b))
    for f, identity in ((np.bitwise_and, -1), (np.bitwise_or, 0), (np.bitwise_xor, 0), (np.logical_and, True), (np.logical_or, False),
                        (np.logical_xor, False), (np.logaddexp, -np.inf), (np.logaddexp2, -np.inf)):
        equip(f, identity)
