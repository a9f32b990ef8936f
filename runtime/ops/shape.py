"""Functions that change the shape and keep the elements in order: reshape, new axes, broadcasting."""
from __future__ import annotations

import math
import operator

import numpy

from runtime.ops.constrain import out_sharded, placed
from runtime.op import op
from runtime.ops.axes import axis_index, axis_tuple, without_axes
from runtime.ops.create import shape_tuple
from runtime.ops.reduce import example_like
from runtime.primitive import Primitive, as_operand
from runtime.zero import ZERO, Like

make_shape = Primitive("reshape", lambda x, *, shape: x.with_shape(shape),
                     lambda block, operands, out_avals, *, shape: block.reshape(operands[0], shape))
_broadcast = Primitive("broadcast_in_dim", lambda x, *, shape, dims: x.with_shape(shape),
                       lambda block, operands, out_avals, *, shape, dims: block.op(
                           "broadcast_in_dim", operands, out_avals[0], {"broadcast_dimensions": dims}))


@op(constant=True, unbatched=True)
def like_shape(like) -> tuple:
    """Return the shape of an array, a number or a token."""
    shape = getattr(like, "shape", None)
    return numpy.shape(like) if shape is None else tuple(shape)


# ---- reshape ----

def _sizes(shape, size, old, name):
    if not isinstance(shape, (int, numpy.integer)) or isinstance(shape, bool):
        try:
            shape = tuple(shape)
        except TypeError:
            pass
    shape = shape if isinstance(shape, tuple) else (shape,)
    try:
        found = [operator.index(n) for n in shape]
    except TypeError:
        raise TypeError(f"{name}: shapes must be 1D sequences of concrete integers, got {shape!r}") from None
    unknown = [i for i, n in enumerate(found) if n == -1]
    if len(unknown) == 1:
        rest = -math.prod(found)
        if rest and size % rest == 0:
            found[unknown[0]] = size // rest
        elif not rest and not size:
            found[unknown[0]] = 0
    if any(n < 0 for n in found) or math.prod(found) != size:
        raise TypeError(f"cannot reshape array of shape {old} (size {size}) into shape {tuple(shape)} "
                        f"(size {math.prod(found)}); the sizes must be equal, and one may be -1")
    return tuple(found)


def reshape_batched(a, shape=None, order="C", copy=None, out_sharding=None, over=()):
    """Reshape every example."""
    from runtime import numpy as np
    inner = example_shape(shape, a)
    if order == "F":
        return np.moveaxis(np.reshape(np.moveaxis(a, 0, -1), inner + a.shape[:1], "F"), -1, 0)
    return np.reshape(a, a.shape[:1] + inner)


@op(constant=True, unbatched=True)
def example_shape(shape, a):
    """Return the sizes that a reshape gives to one example of a batch."""
    return _sizes(shape, math.prod(a.shape[1:]), a.shape[1:], "reshape")


@op(linear="a", vjp={"a": "rt.reshape_like(d_out, like=a, order=order)"}, batch=reshape_batched)
def reshape(a, shape=None, order="C", *, copy=None, out_sharding=None):
    """Return the array with another shape of the same size; one size may be -1, and is then worked out.

    ``order`` "C" reads and writes with the last axis changing fastest, "F" with the first.
    """
    if out_sharding is not None:
        return placed(reshape(a, shape, order), out_sharding)
    if type(a) is numpy.ndarray and a.dtype == numpy.object_:     # devices, for a mesh
        return a.reshape(shape, order=order)
    a = as_operand(a, "reshape")
    if shape is None:
        raise TypeError("reshape: give a shape")
    shape = _sizes(shape, a.size, a.shape, "reshape")
    if order == "F":
        from runtime.ops.permute import transpose
        return transpose(make_shape(transpose(a), shape=shape[::-1]))
    if order not in ("C", "A"):
        raise ValueError(f"reshape: order must be 'C' or 'F', got {order!r}")
    return a if a.shape == shape else make_shape(a, shape=shape)


def reshape_like_batched(d, like, order="C", lead=0, over=()):
    """Give every example its shape."""
    return reshape_like(d, example_like(like, over), order, lead + 1)


@op(linear="d", vjp={"d": "rt.reshape_again(d_out, like=d, order=order, lead=lead)"}, batch=reshape_like_batched)
def reshape_like(d, like, order="C", lead=0):
    """Return the array with the shape of ``like``; the first ``lead`` axes are batch axes, which ``like`` does not have."""
    if lead and order == "F":
        from runtime.ops.permute import moveaxis
        front = d.shape[:lead]
        rows = reshape(d, (math.prod(front),) + d.shape[lead:])
        return reshape(moveaxis(reshape(moveaxis(rows, 0, -1), like_shape(like) + rows.shape[:1], "F"), -1, 0),
                       front + like_shape(like))
    return reshape(d, d.shape[:lead] + like_shape(like), order)


def reshape_again(d, like, order="C", lead=0):
    """The transpose of ``reshape_like``: ``like`` has the batch axes too."""
    if d is ZERO or like is ZERO:
        return ZERO
    return reshape_like(d, Like(like_shape(like)[lead:], like.dtype), order, lead)


@out_sharded
def ravel(a, order="C"):
    """Return the array with all its axes joined into one."""
    from runtime import numpy as np
    return np.reshape(a, (-1,), order)


# ---- new axes, broadcasting ----

def expand_dims_batched(a, axis, over=()):
    """Insert axes into every example."""
    return expand_dims(a, expanded_axes(axis, a.ndim - 1, 1))


@op(constant=True, unbatched=True)
def expanded_axes(axis, ndim, lead=0):
    """Return the places of new axes in the result of expand_dims on an array of ``ndim`` axes."""
    given = axis if isinstance(axis, (tuple, list, range)) else (axis,)
    places = tuple([axis_index(i, ndim + len(given)) + lead for i in given])
    if len(set(places)) != len(places):
        raise ValueError(f"repeated axis in expand_dims: {axis}")
    return places


@op(linear="a", vjp={"a": "rt.reshape_like(d_out, like=a)"}, batch=expand_dims_batched)
def expand_dims(a, axis):
    """Return the array with new axes of size 1 at the given places of the result."""
    a = as_operand(a, "expand_dims")
    places = expanded_axes(axis, a.ndim)
    sizes = iter(a.shape)
    return make_shape(a, shape=tuple([1 if i in places else next(sizes) for i in range(a.ndim + len(places))]))


def squeeze_batched(a, axis=None, over=()):
    """Remove axes of size 1 from every example."""
    return squeeze(a, single_axes(a.shape, axis, 1))


@op(constant=True, unbatched=True)
def single_axes(shape, axis, lead=0):
    """Return the axes that squeeze removes."""
    if axis is None:
        return tuple([i for i, n in enumerate(shape) if n == 1 and i >= lead])
    axes = axis_tuple(axis, len(shape) - lead)
    return tuple([i + lead for i in axes])


@op(linear="a", vjp={"a": "rt.reshape_like(d_out, like=a)"}, batch=squeeze_batched)
def squeeze(a, axis=None):
    """Return the array without its axes of size 1 (all such axes by default)."""
    a = as_operand(a, "squeeze")
    axes = single_axes(a.shape, axis)
    wrong = [a.shape[i] for i in axes if a.shape[i] != 1]
    if wrong:
        raise ValueError(f"cannot select an axis to squeeze out which has size not equal to one, got shape={a.shape} and "
                         f"axis={axis}")
    return reshape(a, without_axes(a.shape, axes))


def broadcast_to_batched(array, shape, out_sharding=None, over=()):
    """Broadcast every example."""
    from runtime import numpy as np
    shape = shape_tuple(shape)
    padded = array.shape[:1] + (1,) * (len(shape) - (array.ndim - 1)) + array.shape[1:]
    return np.broadcast_to(np.reshape(array, padded), array.shape[:1] + shape)


@op(linear="array", vjp={"array": "rt.unbroadcast(d_out, like=array)"}, batch=broadcast_to_batched)
def broadcast_to(array, shape, *, out_sharding=None):
    """Return the array broadcast to a shape; ValueError if that is not possible."""
    if out_sharding is not None:
        return placed(broadcast_to(array, shape), out_sharding)
    array = as_operand(array, "broadcast_to")
    own, shape = array.shape, shape_tuple(shape, "broadcast_to")
    if own == shape:
        return array
    extra = len(shape) - len(own)
    if extra < 0 or any([n != 1 and n != shape[extra + i] for i, n in enumerate(own)]):
        raise ValueError(f"Incompatible shapes for broadcasting: {own} and requested shape {shape}; sizes must be equal, or "
                         "1 in the array, counted from the last axis")
    return _broadcast(array, shape=shape, dims=tuple(range(extra, len(shape))))


def broadcast_arrays(*args):
    """Return the arrays broadcast against each other, as a list."""
    from runtime import numpy as np
    shape = np.broadcast_shapes(*[np.shape(a) for a in args])
    return [np.broadcast_to(a, shape) for a in args]


def _atleast(ndim, place):
    def one(x):
        x = as_operand(x, f"atleast_{ndim}d")
        return x if x.ndim >= ndim else reshape(x, place(x.shape))
    return one


_wide = {1: _atleast(1, lambda s: (1,)), 2: _atleast(2, lambda s: (1,) * (2 - len(s)) + s),
         3: _atleast(3, lambda s: s + (1,) if len(s) == 2 else (1,) * (2 - len(s)) + s + (1,))}


@op(linear="x", vjp={"x": "rt.reshape_like(d_out, like=x)"}, batch=lambda x, ndim, over=(): widened_batched(x, ndim))
def widened(x, ndim):
    """Return the array with at least ``ndim`` axes, placed as NumPy's atleast functions do."""
    return _wide[ndim](x)


def widened_batched(x, ndim):
    """Widen every example."""
    missing = max(0, ndim - (x.ndim - 1))
    inner = x.shape[1:]
    if ndim == 3 and missing:
        inner = inner + (1,) if missing == 1 else (1,) * (missing - 1) + inner + (1,)
    else:
        inner = (1,) * missing + inner
    return reshape(x, x.shape[:1] + inner)


def atleast_1d(*arys):
    """Return each array with at least one axis; a single one bare."""
    if len(arys) == 1:
        return widened(arys[0], 1)
    return [widened(x, 1) for x in arys]


def atleast_2d(*arys):
    """Return each array with at least two axes; a single one bare."""
    if len(arys) == 1:
        return widened(arys[0], 2)
    return [widened(x, 2) for x in arys]


def atleast_3d(*arys):
    """Return each array with at least three axes; a single one bare."""
    if len(arys) == 1:
        return widened(arys[0], 3)
    return [widened(x, 3) for x in arys]
