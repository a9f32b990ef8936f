"""Taking elements by index arrays along an axis, and windows at dynamic places."""
from __future__ import annotations

import builtins
import inspect
import operator

import numpy

from runtime.array import Array
from runtime.op import op, read_as, with_option
from runtime.ops import gather as lowering
from runtime.ops.axes import axis_index, inner_axis
from runtime.ops.create import zeros
from runtime.ops.index import update
from runtime.ops.kernel import no_out
from runtime.ops.reduce import example_like, led
from runtime.ops.shape import broadcast_to, like_shape, reshape
from runtime.ops.update import index_examples, update_examples
from runtime.primitive import as_operand, cast
from runtime.types import broadcast_shapes, kind
from runtime.zero import ZERO, Like

_MODES = {None: "fill", "fill": "fill", "clip": "clip", "wrap": "wrap", "promise_in_bounds": None, "zero": "zero"}


def _index_array(indices, name):
    indices = as_operand(indices, name)
    if kind(indices.dtype) == "b":
        return cast(indices, numpy.dtype("int32"))
    if kind(indices.dtype) not in "iu":
        raise TypeError(f"{name} requires integer indices, got {indices.dtype}")
    return indices


def take_batched(a, indices, axis=None, out=None, mode=None, unique_indices=False, indices_are_sorted=False, fill_value=None,
                 over=()):
    """Take from every example."""
    from runtime import numpy as np
    if "indices" not in over:
        if axis is None:
            return np.take(np.reshape(a, (a.shape[0], -1)), indices, 1, None, mode, fill_value=fill_value)
        return np.take(a, indices, inner_axis(axis, a.ndim), None, mode, fill_value=fill_value)
    if axis is None:
        a = np.reshape(a, (a.shape[0], -1) if "a" in over else (-1,))
    place = take_axis(axis, a.ndim - ("a" in over))
    spots = bounded(indices, a.shape[place + ("a" in over)], mode)
    found = index_examples(a, full_slices(place) + (spots,), tuple([n for n in (("x",) if "a" in over else ()) + ("index",)]))
    if taken_mode(mode) in ("fill", "zero"):
        good = np.reshape(spots >= 0, spots.shape[:1] + (1,) * place + spots.shape[1:] + (1,) * (
            found.ndim - 1 - place - (spots.ndim - 1)))
        outside = fill_value if fill_value is not None else lowering.filler(found.dtype)
        found = np.where(good, found, np.astype(outside, found.dtype) if taken_mode(mode) == "fill" else 0)
    return found


@op(constant=True, unbatched=True)
def full_slices(count):
    """Return an index of ``count`` full slices."""
    return (slice(None),) * count


@op(constant=True, unbatched=True)
def take_axis(axis, ndim):
    """Return the axis of a take as a number from 0."""
    return 0 if axis is None else axis_index(axis, ndim)


@op(constant=True, unbatched=True)
def taken_mode(mode):
    """Return what a take does with indices outside the array: "fill", "clip", "wrap" or None."""
    if mode not in _MODES:
        raise ValueError(f"take: invalid mode {mode!r}; use 'fill', 'clip' or 'wrap'")
    return _MODES[mode]


@op(constant=True, elementwise=True)
def bounded(indices, size, mode):
    """Return indices brought into the range of an axis as a mode says; "fill" gives -size-1 for those outside."""
    from runtime.ops import binary
    mode = taken_mode(mode)
    if mode == "wrap":
        return binary.remainder(indices, size)
    if mode == "clip":
        return binary.clip(indices, 0, size - 1)
    positive = binary.where(indices < 0, indices + size, indices)
    if mode in ("fill", "zero"):
        return binary.where((positive < 0) | (positive >= size), -size - 1, positive)
    return positive


@op(jvp={"a": "np.take(a_dot, indices, axis=axis, mode=rt.quiet(mode))"}, vjp={"a": "rt.untake(d_out, indices, axis, mode, like=a)"},
    batch=take_batched, vanishes="a")
def take(a, indices, axis=None, out=None, mode=None, unique_indices=False, indices_are_sorted=False, fill_value=None):
    """Return the elements of ``a`` at ``indices`` along an axis (of the flattened array by default).

    Indices outside the array give NaN (the smallest or largest integer) by default; with mode "clip" the nearest element,
    with "wrap" they count on from the other end.
    """
    if out is not None:
        no_out("take", out)
    a, indices = as_operand(a, "take"), _index_array(indices, "take")
    if axis is None:
        a, axis = reshape(a, (a.size,)), 0
    axis = axis_index(axis, a.ndim)
    mode = taken_mode(mode)
    if indices.size == 0:
        return zeros(a.shape[:axis] + indices.shape + a.shape[axis + 1:], a.dtype)
    if a.shape[axis] == 0:
        raise IndexError("take: cannot do a non-empty take from an axis of size 0")
    if mode == "wrap":
        indices, mode = bounded(indices, a.shape[axis], "wrap"), None
    if fill_value is not None and mode in (None, "fill"):
        taken = lowering.gather(a, indices, dims=(axis,), place=axis, lead=0, mode=mode)
        inside = (indices >= -a.shape[axis]) & (indices < a.shape[axis])
        from runtime.ops.binary import where
        inside = reshape(inside, inside.shape + (1,) * (a.ndim - axis - 1))
        return cast(where(inside, taken, fill_value), a.dtype)
    return lowering.gather(a, indices, dims=(axis,), place=axis, lead=0, mode=mode)


def untake_batched(d, indices, axis, mode, like, over=()):
    """Put every example's elements back."""
    from runtime import numpy as np
    own = example_like(like, over)
    size = (d if "d" in over else indices).shape[0]
    if "d" not in over:
        d = np.broadcast_to(d, (size,) + d.shape)
    flat = own.shape if axis is not None else (-1,)
    place = take_axis(axis, len(own.shape))
    blank = np.reshape(np.zeros((size,) + own.shape, d.dtype), (size,) + flat)
    spots = bounded(indices, blank.shape[place + 1], mode)
    kinds = ("x", "values", "index") if "indices" in over else ("x", "values")
    made = update_examples(blank, full_slices(place) + (spots,), d, "add", kinds)
    return np.reshape(made, (size,) + own.shape)


@op(linear="d", vjp={"d": "np.take(d_out, indices, axis, None, rt.quiet(mode))"}, batch=untake_batched)
def untake(d, indices, axis, mode, like):
    """Return the cotangent of ``like`` from that of elements taken from it."""
    shape = like_shape(like)
    indices = _index_array(indices, "take")
    blank = zeros(shape, d.dtype)
    if axis is None:
        blank, axis = reshape(blank, (blank.size,)), 0
    axis = axis_index(axis, blank.ndim)
    mode = taken_mode(mode)
    if mode == "wrap":
        indices, mode = bounded(indices, blank.shape[axis], "wrap"), None
    made = lowering.scatter(blank, d, indices, dims=(axis,), place=axis, lead=0, how="add", mode=mode)
    return reshape(made, shape)


@op(constant=True, unbatched=True)
def quiet(mode):
    """Return the mode in which the derivative of a take reads: elements outside the array have none, so no NaN."""
    return "zero" if taken_mode(mode) == "fill" else mode


def take_along_axis_batched(arr, indices, axis=-1, mode=None, fill_value=None, wrap_negative_indices=None, over=()):
    """Take from every example."""
    from runtime import numpy as np
    size = (arr if "arr" in over else indices).shape[0]
    arr = arr if "arr" in over else np.broadcast_to(arr, (size,) + arr.shape)
    indices = indices if "indices" in over else np.broadcast_to(indices, (size,) + indices.shape)
    if axis is None:
        arr, inner = np.reshape(arr, (size, -1)), 1
    else:
        inner = inner_axis(axis, arr.ndim)
    return np.take_along_axis(arr, indices, inner, mode, fill_value, wrap_negative_indices=wrap_negative_indices)


def _along_indices(indices, size, mode, wrap):
    """Return indices that say themselves what the mode makes of those outside an axis."""
    from runtime.ops import binary
    wrap = wrap is None or wrap
    if mode in ("clip", "promise_in_bounds"):
        return binary.clip(binary.where(indices < 0, indices + size, indices) if wrap else indices, 0, builtins.max(size - 1, 0))
    return indices if wrap else binary.where(indices < 0, size, indices)


@op(jvp={"arr": "np.take_along_axis(arr_dot, indices, axis, rt.quiet(mode), wrap_negative_indices=wrap_negative_indices)"},
    vjp={"arr": "rt.untake_along_axis(d_out, indices, axis, like=arr, mode=mode, wrap_negative_indices=wrap_negative_indices)"},
    batch=take_along_axis_batched, vanishes="arr")
def take_along_axis(arr, indices, axis=-1, mode=None, fill_value=None, *, wrap_negative_indices=None):
    """Return, along an axis, the elements at the given indices; other axes of both arrays are broadcast.

    Indices outside give ``fill_value`` (NaN), with mode "clip" the nearest element; negative ones count from the end, or lie outside
    with ``wrap_negative_indices=False``. ValueError for another mode, and unless both arrays have as many axes.
    """
    if arr is ZERO:
        return ZERO
    if mode == "wrap":
        raise ValueError("take_along_axis: unknown mode 'wrap'; use 'fill' or 'clip'")
    arr, indices = as_operand(arr, "take_along_axis"), _index_array(indices, "take_along_axis")
    if axis is None:
        arr, axis = reshape(arr, (arr.size,)), 0
    if arr.ndim != indices.ndim:
        raise ValueError(f"take_along_axis: indices must have the {arr.ndim} axes of arr, got shape {indices.shape}")
    axis = axis_index(axis, arr.ndim)
    size = arr.shape[axis]
    whole = tuple([builtins.max(n, m) if 0 not in (n, m) else 0 for n, m in zip(arr.shape, indices.shape)])
    indices = _along_indices(indices, size, mode, wrap_negative_indices)
    spots = broadcast_to(indices, whole[:axis] + (indices.shape[axis],) + whole[axis + 1:])
    arr = broadcast_to(arr, whole[:axis] + (size,) + whole[axis + 1:])
    if not spots.size:
        return zeros(spots.shape, arr.dtype)
    found = lowering.along(arr, spots, axis=axis, mode=taken_mode(mode))
    if fill_value is None or taken_mode(mode) != "fill":
        return found
    from runtime.ops.binary import where
    return cast(where((spots >= -size) & (spots < size), found, fill_value), arr.dtype)


def untake_along_axis_batched(d, indices, axis, like, lead=0, mode=None, wrap_negative_indices=None, over=()):
    """Put every example's elements back."""
    from runtime import numpy as np
    own = example_like(like, over)
    size = (d if "d" in over else indices).shape[0]
    d = d if "d" in over else np.broadcast_to(d, (size,) + d.shape)
    indices = indices if "indices" in over else np.broadcast_to(indices, (size,) + indices.shape)
    return untake_along_axis(d, indices, axis, own, lead + 1, mode, wrap_negative_indices)


@op(linear="d", vjp={"d": "rt.take_along_axis_again(d_out, indices, axis, lead, mode, wrap_negative_indices)"},
    batch=untake_along_axis_batched)
def untake_along_axis(d, indices, axis, like, lead=0, mode=None, wrap_negative_indices=None):
    """Return the cotangent of ``like`` from that of elements taken along an axis; ``lead`` batch axes are in front."""
    from runtime.cotangent import unbroadcast
    shape = like_shape(like)
    indices = _index_array(indices, "take_along_axis")
    front = d.shape[:lead]
    if axis is None:
        size = 1
        for n in shape:
            size *= n
        return reshape(untake_along_axis(d, indices, 0, Like((size,), d.dtype), lead, mode, wrap_negative_indices), front + shape)
    axis = axis_index(axis, len(shape)) + lead
    indices = _along_indices(indices, shape[axis - lead], mode, wrap_negative_indices)
    whole = d.shape[:axis] + (shape[axis - lead],) + d.shape[axis + 1:]
    spots = broadcast_to(indices, d.shape)
    made = lowering.put_along(zeros(whole, d.dtype), d, spots, axis=axis, how="add")
    return unbroadcast(made, Like(shape, d.dtype), lead)


def take_along_axis_again(d, indices, axis, lead=0, mode=None, wrap_negative_indices=None):
    """The transpose of ``untake_along_axis``: take again, with ``lead`` batch axes in front."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    if axis is None:
        d, place = np.reshape(d, d.shape[:lead] + (-1,)), lead
    else:
        place = led(axis, lead, d)
    return np.take_along_axis(d, indices, place, quiet(mode), wrap_negative_indices=wrap_negative_indices)


# ---- windows ----

@op(constant=True, batch=lambda starts, allow, over=(): starts_from_front(starts, allow))
def starts_from_front(starts, allow):
    """Return the starts of windows such that negative ones lie before the array where they are not allowed to count from the end.

    starts: one for each axis, or one. allow: a bool, or one for each axis. ValueError for a number that is not allowed.
    """
    from runtime import numpy as np
    if isinstance(starts, Array) and starts.ndim and not isinstance(allow, builtins.bool):
        starts = [starts[..., i] for i in range(starts.shape[-1])]
    if isinstance(starts, (list, tuple)):
        each = [allow] * len(starts) if isinstance(allow, builtins.bool) else allow
        return [starts_from_front(start, one) for start, one in zip(starts, each)]
    if allow:
        return starts
    if isinstance(starts, (int, numpy.integer)) and starts < 0:
        raise ValueError(f"Index {starts} is out of bounds with allow_negative_indices=False: it lies before the array")
    return np.maximum(starts, 0)


def counting_negatives(function):
    """Give a function of windows the option ``allow_negative_indices``: whether negative starts count from the end.

    The compiler reads the function itself: a call with the option is one with the starts that it makes.
    """
    signature = inspect.signature(read_as(function))
    place = next(i for i, name in enumerate(signature.parameters) if name in STARTS)

    def call(*args, allow_negative_indices=True, **kwargs):
        if allow_negative_indices is not True:
            given = signature.bind(*args, **kwargs).arguments
            given[[*signature.parameters][place]] = starts_from_front([*given.values()][place], allow_negative_indices)
            return function(**given)
        return function(*args, **kwargs)
    return with_option(function, call, "allow_negative_indices", True)


STARTS = ("start_indices", "start_index", "index")


def _start_list(start_indices, ndim, name):
    if isinstance(start_indices, Array) and start_indices.ndim:
        if start_indices.ndim != 1:
            raise ValueError(f"{name}: start_indices must be a 1D sequence, got an array of shape {start_indices.shape}")
        start_indices = [start_indices[i] for i in range(start_indices.shape[0])]
    found = list(start_indices)
    if len(found) != ndim:
        raise ValueError(f"{name}: start_indices must have an entry for each of the {ndim} axes, got {len(found)}")
    if any([isinstance(start, float) or kind(getattr(start, "dtype", "int32")) not in "iu" for start in found]):
        raise TypeError(f"index arguments to {name} must be integers, got {found}")
    return found


def window_index(starts, sizes, shape, batched):
    """Return the index arrays of windows that start at different places in every example."""
    from runtime import numpy as np
    index = []
    for i, (start, size, n) in enumerate(zip(starts, sizes, shape)):
        start = np.clip(np.where(start < 0, start + n, start), 0, n - size)
        own = np.reshape(start, np.shape(start) + (1,) * len(sizes))
        index.append(own + np.reshape(np.arange(size), (size,) + (1,) * (len(sizes) - i - 1)))
    return tuple(index)


def _batched_starts(start_indices, ndim, over, size):
    from runtime import numpy as np
    if isinstance(start_indices, Array) and start_indices.ndim:
        columns = [start_indices[:, i] if "start_indices" in over else start_indices[i] for i in range(ndim)]
    else:
        columns = list(start_indices)
    return [np.broadcast_to(c, (size,)) for c in columns]


def _batch_of(x, name, start_indices, over):
    """The size of the batch of an array or of some of the starts."""
    if name in over:
        return x.shape[0]
    return [s.shape[0] for s in (start_indices if isinstance(start_indices, (list, tuple)) else [start_indices]) if getattr(s, "shape", ())][0]


def dynamic_slice_batched(operand, start_indices, slice_sizes, over=()):
    """Cut a window out of every example."""
    if "start_indices" not in over:
        return dynamic_slice(operand, (0, *_start_list(start_indices, operand.ndim - 1, "dynamic_slice")),
                             (operand.shape[0], *slice_sizes))
    shape = operand.shape[1:] if "operand" in over else operand.shape
    size = _batch_of(operand, "operand", start_indices, over)
    starts = _batched_starts(start_indices, len(shape), over, size)
    return index_examples(operand, window_index(starts, slice_sizes, shape, True),
                          ("x", "index") if "operand" in over else ("index",))


@counting_negatives
@op(linear="operand", vjp={"operand": "rt.undynamic_slice(d_out, start_indices, like=operand)"}, batch=dynamic_slice_batched, merges=True)
def dynamic_slice(operand, start_indices, slice_sizes):
    """Return the window of a given size that starts at ``start_indices``, which may be staged; it is moved to fit."""
    operand = as_operand(operand, "dynamic_slice")
    starts = _start_list(start_indices, operand.ndim, "dynamic_slice")
    sizes = tuple([operator.index(n) for n in slice_sizes])
    if len(sizes) != operand.ndim or any([n > m or n < 0 for n, m in zip(sizes, operand.shape)]):
        raise TypeError(f"dynamic_slice: slice_sizes {sizes} do not fit in an array of shape {operand.shape}")
    dims = tuple([i for i, (n, m) in enumerate(zip(sizes, operand.shape)) if n != m])
    return lowering.window(operand, *[starts[i] for i in dims], dims=dims, sizes=sizes, shape=sizes)


def undynamic_slice_batched(d, start_indices, like, over=()):
    """Put every example's window back."""
    from runtime import numpy as np
    own = example_like(like, over)
    size = _batch_of(d, "d", start_indices, over)
    blank = np.zeros((size,) + own.shape, d.dtype)
    kinds = tuple([{"d": "update"}.get(name, name) for name in over if name != "like"]) + ("operand",)
    return dynamic_update_slice_batched(blank, d, start_indices, kinds)


@op(linear="d", vjp={"d": "lax.dynamic_slice(d_out, start_indices, np.shape(d))"}, batch=undynamic_slice_batched, merges=True)
def undynamic_slice(d, start_indices, like):
    """Return zeros like ``like`` with a window set to ``d``."""
    return dynamic_update_slice(zeros(like_shape(like), d.dtype), d, start_indices)


def dynamic_update_slice_batched(operand, update, start_indices, over=()):
    """Put a window into every example."""
    from runtime import numpy as np
    size = update.shape[0] if "update" in over else _batch_of(operand, "operand", start_indices, over)
    operand = operand if "operand" in over else np.broadcast_to(operand, (size,) + operand.shape)
    update = update if "update" in over else np.broadcast_to(update, (size,) + update.shape)
    if "start_indices" not in over:
        starts = _start_list(start_indices, operand.ndim - 1, "dynamic_update_slice")
        return dynamic_update_slice(operand, update, (0, *starts))
    starts = _batched_starts(start_indices, operand.ndim - 1, over, size)
    index = window_index(starts, update.shape[1:], operand.shape[1:], True)
    return update_examples(operand, index, update, "set", ("x", "index", "values"))


@counting_negatives
@op(linear=("operand", "update"), vjp={
    "operand": "rt.clear_window(d_out, start_indices, like=update)",
    "update": "lax.dynamic_slice(d_out, start_indices, np.shape(update))"}, batch=dynamic_update_slice_batched, merges=True)
def dynamic_update_slice(operand, update, start_indices):
    """Return the array with a window replaced that starts at ``start_indices``, which may be staged; it is moved to fit."""
    if operand is ZERO or update is ZERO:
        if operand is update:
            return ZERO
        raise TypeError("dynamic_update_slice: a symbolic zero has no shape; instantiate it")
    operand, update = as_operand(operand, "dynamic_update_slice"), as_operand(update, "dynamic_update_slice")
    starts = _start_list(start_indices, operand.ndim, "dynamic_update_slice")
    if update.ndim != operand.ndim or any([n > m for n, m in zip(update.shape, operand.shape)]):
        raise TypeError(f"dynamic_update_slice: update of shape {update.shape} does not fit in an array of shape {operand.shape}")
    if update.dtype != operand.dtype and not update.weak_type:
        raise TypeError(f"dynamic_update_slice requires arguments to have the same dtypes, got {operand.dtype} and {update.dtype}; use astype")
    dims = tuple([i for i, (n, m) in enumerate(zip(update.shape, operand.shape)) if n != m])
    return lowering.put_window(operand, cast(update, operand.dtype), *[starts[i] for i in dims], dims=dims,
                               sizes=update.shape, how="set")


def clear_window_batched(d, start_indices, like, over=()):
    """Clear every example's window."""
    own = example_like(like, over)
    kinds = tuple([{"d": "operand"}.get(name, name) for name in over if name != "like"])
    return dynamic_update_slice_batched(d, zeros(own.shape, d.dtype), start_indices, kinds)


@op(linear="d", vjp={"d": "rt.clear_window(d_out, start_indices, like=like)"}, batch=clear_window_batched, merges=True)
def clear_window(d, start_indices, like):
    """Return ``d`` with zeros in a window of the shape of ``like``: the cotangent of what the window was put into."""
    return dynamic_update_slice(d, zeros(like_shape(like), d.dtype), start_indices)


def along_index_batched(indices, axis, shape, over=()):
    """Return the coordinates in every example."""
    from runtime import numpy as np
    return tuple([np.broadcast_to(i, indices.shape) if k != axis else indices
                  for k, i in enumerate(along_index(indices[0], axis, shape))])


@op(constant=True, batch=along_index_batched)
def along_index(indices, axis, shape):
    """Return the index arrays of the elements that take_along_axis reads."""
    from runtime.ops.create import broadcasted_iota
    indices = broadcast_to(_index_array(indices, "put_along_axis"), shape)
    return tuple([indices if i == axis else broadcasted_iota("int32", shape, i) for i in range(len(shape))])


@op(constant=True, unbatched=True)
def along_shape(shape, indices, axis):
    """Return the shape of what take_along_axis reads from an array of some shape."""
    joined = broadcast_shapes(shape[:axis] + (1,) + shape[axis + 1:], indices[:axis] + (1,) + indices[axis + 1:])
    return joined[:axis] + (indices[axis],) + joined[axis + 1:]


def put_along_axis(arr, indices, values, axis, inplace=True, *, mode=None):
    """Return ``arr`` with values put at indices along an axis; ``inplace`` must be False, for arrays are immutable."""
    from runtime import numpy as np
    from runtime.ops.update import at_set
    if inplace:
        raise ValueError("put_along_axis: arrays are immutable; pass inplace=False to get an updated copy")
    place = axis_index(axis, arr.ndim)
    shape = along_shape(like_shape(arr), like_shape(indices), place)
    return at_set(arr, along_index(indices, place, shape), np.broadcast_to(values, shape))


__all__ = ["dynamic_slice", "dynamic_update_slice", "take", "take_along_axis", "update"]
