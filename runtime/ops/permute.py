"""Functions that reorder elements: transposition, reversal, rolling."""
from __future__ import annotations

import operator

from runtime.array import Array
from runtime.op import op
from runtime.ops.axes import axis_index, axis_tuple, inner_axis
from runtime.ops.joining import concatenate
from runtime.ops.shape import reshape
from runtime.ops.slices import slice_in_dim
from runtime.primitive import Primitive, as_operand

_transpose = Primitive("transpose", lambda x, *, axes: x.with_shape(tuple([x.shape[i] for i in axes])),
                       lambda block, operands, out_avals, *, axes: block.op(
                           "transpose", operands, out_avals[0], {"permutation": axes}))
_reverse = Primitive("rev", lambda x, *, axes: x,
                     lambda block, operands, out_avals, *, axes: block.op(
                         "reverse", operands, out_avals[0], {"dimensions": axes}))


def transpose_batched(a, axes=None, over=()):
    """Permute the axes of every example."""
    from runtime import numpy as np
    return np.transpose(a, batched_order(axes, a.ndim))


@op(constant=True, unbatched=True)
def batched_order(axes, ndim):
    """Return a permutation of an example's axes (None: reversed) for a batch, whose first axis stays."""
    if axes is None:
        return (0,) + tuple(range(ndim - 1, 0, -1))
    return (0,) + tuple([axis_index(i, ndim - 1) + 1 for i in axes])


@op(linear="a", vjp={"a": "rt.untranspose(d_out, axes=axes)"}, batch=transpose_batched)
def transpose(a, axes=None):
    """Return the array with its axes permuted: result axis i is axis ``axes[i]``; reversed by default."""
    a = as_operand(a, "transpose")
    if axes is None:
        axes = tuple(range(a.ndim - 1, -1, -1))
    else:
        given = axes if isinstance(axes, (tuple, list, range)) or getattr(axes, "ndim", 0) == 1 else (axes,)
        axes = tuple([axis_index(i, a.ndim) for i in given])
        if sorted(axes) != list(range(a.ndim)):
            raise ValueError(f"transpose: axes {tuple(given)} are no permutation of the axes of an array of shape {a.shape}")
    return a if axes == tuple(range(a.ndim)) else _transpose(a, axes=axes)


@op(linear="d", vjp={"d": "np.transpose(d_out, axes)"}, batch=lambda d, axes=None, over=(): transpose_back(d, axes))
def untranspose(d, axes=None):
    """Return the array with a permutation of its axes undone."""
    if axes is None:
        return transpose(d)
    order = [axis_index(i, d.ndim) for i in axes]
    return transpose(d, tuple([order.index(i) for i in range(d.ndim)]))


def transpose_back(d, axes):
    """Undo a permutation of every example's axes."""
    return untranspose(d, batched_order(axes, d.ndim))


def permute_dims(a, /, axes):
    """Return the array with its axes permuted, as ``transpose`` does; they must be given."""
    return transpose(a, axes)


def matrix_transpose(x, /):
    """Return the array with its last two axes exchanged."""
    from runtime import numpy as np
    return np.swapaxes(x, -1, -2)


@op(linear="a", vjp={"a": "np.swapaxes(d_out, axis1, axis2)"},
    batch=lambda a, axis1, axis2, over=(): swapaxes(a, inner_axis(axis1, a.ndim), inner_axis(axis2, a.ndim)))
def swapaxes(a, axis1, axis2):
    """Return the array with two axes exchanged."""
    a = as_operand(a, "swapaxes")
    order = list(range(a.ndim))
    i, j = axis_index(axis1, a.ndim), axis_index(axis2, a.ndim)
    order[i], order[j] = j, i
    return transpose(a, tuple(order))


@op(linear="a", vjp={"a": "np.moveaxis(d_out, destination, source)"},
    batch=lambda a, source, destination, over=(): moveaxis(a, inner_axis(source, a.ndim), inner_axis(destination, a.ndim)))
def moveaxis(a, source, destination):
    """Return the array with axes moved to new places; the others keep their order."""
    a = as_operand(a, "moveaxis")
    sources = [axis_index(i, a.ndim) for i in (source if isinstance(source, (tuple, list, range)) else (source,))]
    places = [axis_index(i, a.ndim) for i in (destination if isinstance(destination, (tuple, list, range)) else (destination,))]
    if len(sources) != len(places) or len(set(sources)) != len(sources) or len(set(places)) != len(places):
        raise ValueError(f"moveaxis: source {source} and destination {destination} must name equally many different axes")
    order = [i for i in range(a.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources)):
        order.insert(place, axis)
    return transpose(a, tuple(order))


def rollaxis(a, axis, start=0):
    """Return the array with one axis rolled back until it lies before axis ``start``."""
    from runtime import numpy as np
    return np.moveaxis(a, axis, roll_target(axis, start, a.ndim))


@op(constant=True, unbatched=True)
def roll_target(axis, start, ndim):
    """Return the place to which rollaxis moves an axis."""
    axis, start = axis_index(axis, ndim), start + ndim if start < 0 else start
    return start - 1 if axis < start else start


def flip_batched(m, axis=None, over=()):
    """Reverse every example."""
    return flip(m, inner_axis(axis, m.ndim))


@op(linear="m", vjp={"m": "np.flip(d_out, axis)"}, batch=flip_batched)
def flip(m, axis=None):
    """Return the array with the order of elements along axes (all by default) reversed."""
    m = as_operand(m, "flip")
    axes = axis_tuple(axis, m.ndim)
    return _reverse(m, axes=axes) if axes else m


def fliplr(m):
    """Return the array with its second axis reversed."""
    from runtime import numpy as np
    return np.flip(m, 1)


def flipud(m):
    """Return the array with its first axis reversed."""
    from runtime import numpy as np
    return np.flip(m, 0)


def rot90(m, k=1, axes=(0, 1)):
    """Return the array turned by 90 degrees ``k`` times in the plane of two axes, from the first towards the second."""
    from runtime import numpy as np
    turns = k % 4
    if turns == 0:
        return m
    if turns == 2:
        return np.flip(m, axes)
    if turns == 1:
        return np.swapaxes(np.flip(m, axes[1]), axes[0], axes[1])
    return np.flip(np.swapaxes(m, axes[0], axes[1]), axes[1])


def roll_batched(a, shift, axis=None, over=()):
    """Roll every example."""
    if "shift" in over:
        return roll_examples(a, shift, axis, "a" in over)
    if axis is None:
        flat = roll(reshape(a, (a.shape[0], -1)), shift, 1)
        return reshape(flat, a.shape)
    return roll(a, shift, inner_axis(axis, a.ndim))


def roll_examples(a, shift, axis, own):
    """Roll every example by a shift of its own; ``own``: the examples differ, else there is one array."""
    from runtime import numpy as np
    pairs = example_shifts(shift, 0 if axis is None else axis)
    if not own:
        a = np.broadcast_to(a, np.shape(pairs[0][0]) + np.shape(a))
    whole = np.shape(a)
    if axis is None:
        a = np.reshape(a, (whole[0], -1))
    for by, i in pairs:
        k = inner_axis(i, np.ndim(a))
        size = np.shape(a)[k]
        places = (np.arange(size) - np.expand_dims(by, 1)) % max(size, 1)
        a = np.take_along_axis(a, np.expand_dims(places, tuple([j for j in range(1, np.ndim(a)) if j != k])), k)
    return np.reshape(a, whole)


@op(constant=True, batch=lambda shift, axis, lead=0, over=(): example_shifts(shift, axis, lead + 1))
def example_shifts(shift, axis, lead=0):
    """Return pairs of a shift for each example and the axis along which it is; ``lead``: further batch axes in front."""
    axes = tuple(axis) if isinstance(axis, (tuple, list, range)) else (axis,)
    if isinstance(shift, (tuple, list, range)):
        shifts = list(shift)
    elif shift.ndim > lead + 1:
        shifts = [shift[..., k] for k in range(shift.shape[-1])]
    else:
        shifts = [shift]
    return list(zip(shifts * len(axes) if len(shifts) == 1 else shifts, axes * len(shifts) if len(axes) == 1 else axes, strict=True))


@op(linear="a", vjp={"a": "rt.unroll(d_out, shift, axis=axis)"}, batch=roll_batched)
def roll(a, shift, axis=None):
    """Return the array with elements moved along axes by ``shift`` places, those pushed out coming in at the other end."""
    a = as_operand(a, "roll")
    if axis is None:
        return reshape(roll(reshape(a, (-1,)), shift, 0), a.shape)
    axes = tuple(axis) if isinstance(axis, (tuple, list, range)) else (axis,)
    if getattr(shift, "ndim", 0) == 1:
        shift = [shift[k] for k in range(shift.shape[0])]
    shifts = tuple(shift) if isinstance(shift, (tuple, list, range)) else (shift,) * len(axes)
    shifts = shifts * len(axes) if len(shifts) == 1 else shifts
    if len(axes) == 1 and len(shifts) > 1:
        axes = axes * len(shifts)
    for by, i in zip(shifts, axes, strict=True):
        i = axis_index(i, a.ndim)
        size = a.shape[i]
        if size == 0:
            continue
        if isinstance(by, Array):
            from runtime.ops.create import arange
            from runtime.ops.take import take
            a = take(a, (arange(size) - by) % size, i)
            continue
        by = operator.index(by) % size
        if by:
            a = concatenate([slice_in_dim(a, size - by, size, axis=i), slice_in_dim(a, 0, size - by, axis=i)], i)
    return a


@op(linear="d", vjp={"d": "np.roll(d_out, shift, axis)"}, batch=lambda d, shift, axis=None, over=(): unroll_batched(
    d, shift, axis, over))
def unroll(d, shift, axis=None):
    """Return the array rolled back."""
    return roll(d, backwards(shift), axis)


def unroll_batched(d, shift, axis, over):
    """Roll every example back."""
    return roll_batched(d, backwards(shift), axis, tuple(["a" if name == "d" else name for name in over]))


def backwards(shift):
    """Return a shift, or several, negated."""
    return tuple([-s for s in shift]) if isinstance(shift, (tuple, list, range)) else -shift
