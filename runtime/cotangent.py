"""Helpers of derivative code on arrays: sums of contributions, seeds, zeros, and the undoing of broadcasts."""
from __future__ import annotations

import functools
import math

import numpy

from runtime import varying, xla
from runtime.array import Array
from runtime.config import config
from runtime.hlo import Value, tracing
from runtime.join import UNDEFINED
from runtime.mesh import bound
from runtime.node import Node, children_of, with_children
from runtime.op import op
from runtime.sequence import Turn, is_lazy, mapped
from runtime.types import aval_of
from runtime.zero import ZERO, Like

CONTAINERS = (list, tuple, dict, Node)


@op(constant=True, unbatched=True, batch=lambda like, over=(): shape_of(like)[1:])
def shape_of(like) -> tuple:
    """The shape of an array, a Python scalar or a Like token."""
    shape = getattr(like, "shape", None)
    return tuple(shape) if shape is not None else numpy.shape(like)


@op(constant=True, unbatched=True, batch=lambda like, over=(): dtype_of(like))
def dtype_of(like):
    """The dtype of an array, a Python scalar or a Like token."""
    dtype = getattr(like, "dtype", None)
    return dtype if dtype is not None else aval_of(like).dtype


def _rebuild(container, items):
    """A container of the same kind around new items."""
    if isinstance(container, dict):
        return type(container)(zip(container, items)) if type(container) is not dict else dict(zip(container, items))
    if hasattr(container, "_fields"):
        return type(container)(*items)
    if isinstance(container, (list, tuple)):
        return type(container)(items)
    return with_children(container, items)


def _items(container):
    if isinstance(container, (list, tuple)):
        return list(container)
    return list(container.values()) if isinstance(container, dict) else children_of(container)


def add_batched(a, b, over=()):
    """Add with a batch axis in front of one or both: both have the same shape for each example."""
    return add(a, b)


@op(jvp="rt.add(a_dot, b_dot)", vjp={"a": "d_out", "b": "d_out"}, batch=add_batched)
def add(a, b):
    """Sum two cotangents of one value; ZERO is the neutral element, containers are summed item by item."""
    if a is ZERO:
        return b
    if b is ZERO:
        return a
    if type(a) is not Array and (is_lazy(a) or is_lazy(b)):
        return mapped(add, a, b)
    if isinstance(a, list) and hasattr(b, "last_first"):    # a list that a loop changes, which adds lists to itself
        return b + a
    if isinstance(a, CONTAINERS):
        if isinstance(a, dict):
            return {k: add(a.get(k, ZERO), b.get(k, ZERO)) for k in [*a, *(k for k in b if k not in a)]}
        return _rebuild(a, [add(x, y) for x, y in zip(_items(a), _items(b), strict=True)])
    return a + b


def like_batched(x, lead=0, over=()):
    """The shape of one example."""
    return like(x, lead + 1)


@op(constant=True, unbatched=True, batch=like_batched)
def like(x, lead=0):
    """Return a token with the shape and dtype of ``x`` (container by container), less ``lead`` leading axes."""
    if x is None or x is ZERO or x is UNDEFINED or isinstance(x, Like) and lead == 0:
        return x
    if isinstance(x, CONTAINERS):
        return _rebuild(x, [like(item, lead) for item in _items(x)])
    if is_lazy(x):
        return mapped(lambda item: like(item, lead), x) if lead else x
    if hasattr(x, "stacked_like"):
        return x.stacked_like(lead)
    if isinstance(x, BaseException):
        return None     # what a try caught has no derivative, and holds on to much
    if lead and isinstance(x, int):
        return x        # among batched items it may say how something is done
    if not (hasattr(x, "shape") and hasattr(x, "dtype")) and not isinstance(x, (bool, int, float, complex)):
        return x
    return Like(shape_of(x)[lead:], dtype_of(x), getattr(x, "weak_type", isinstance(x, (bool, int, float, complex))),
                varying.names(x) if bound.checked else None)


def one_like_batched(out, over=()):
    """The seed of every example: a one each, so that the cotangents carry the batch from the start."""
    from runtime import numpy as np
    return np.broadcast_to(one_like(like(out, 1)), shape_of(out)[:1])


@op(constant=True, batch=one_like_batched)
def one_like(out):
    """Return the cotangent that starts a gradient: one, of the dtype of the scalar ``out``.

    Raises TypeError when ``out`` is not a real scalar.
    """
    if type(out) is Array and out.aval.shape == () and out.aval.dtype.kind == "f":
        one = _staged(_one(out.aval.dtype)) if type(out._v) is Value and tracing.block is not None else _one(out.aval.dtype)
        return varying.shared(one, out) if bound.checked else one
    if isinstance(out, CONTAINERS) or out is None:
        raise TypeError(f"Gradient only defined for scalar-output functions. Output was a {type(out).__name__}: {out}. "
                        "Return a scalar; for auxiliary results use has_aux=True.")
    shape, dtype = shape_of(out), numpy.dtype(dtype_of(out))
    if shape != ():
        raise TypeError(f"Gradient only defined for scalar-output functions. Output had shape: {shape}. "
                        "Reduce it (np.sum, np.mean), or use jacrev or vjp.")
    if dtype.kind == "c":
        raise TypeError(f"grad requires real-valued outputs (output dtype that is a sub-dtype of np.floating), but got "
                        f"{dtype.name}. For holomorphic differentiation, pass holomorphic=True. For differentiation of "
                        "non-holomorphic functions involving complex outputs, use vjp directly.")
    if dtype.kind not in "fV":
        raise TypeError(f"grad requires real- or complex-valued outputs (output dtype that is a sub-dtype of np.inexact), "
                        f"but got {dtype.name}.")
    return varying.shared(_one(dtype), out) if bound.checked else _one(dtype)


@op(constant=True, batch=lambda out, over=(): _ones_like_complex(out))
def one_like_complex(out):
    """Return the cotangent that starts a holomorphic gradient: one, of the dtype of the complex scalar ``out``.

    Raises TypeError when ``out`` is not a complex scalar.
    """
    shape, dtype = shape_of(out), numpy.dtype(dtype_of(out))
    if shape != ():
        raise TypeError(f"Gradient only defined for scalar-output functions. Output had shape: {shape}. "
                        "Reduce it (np.sum, np.mean), or use jacrev or vjp.")
    if dtype.kind != "c":
        raise TypeError(f"grad with holomorphic=True requires outputs with complex dtype, but got {dtype.name}.")
    return varying.shared(_one(dtype), out) if bound.checked else _one(dtype)


def _ones_like_complex(out):
    from runtime import numpy as np
    return np.broadcast_to(one_like_complex(like(out, 1)), shape_of(out)[:1])


def _staged(x):
    """Return a known array as a value of the program: what follows from it would run, and be compiled, while that is put together."""
    from runtime.primitive import lift_array
    return Array(lift_array(tracing.block, x))


@functools.lru_cache(maxsize=None)
def _one(dtype):
    from runtime import numpy as np
    return np.ones((), dtype)


config.on_change(lambda option: _one.cache_clear())


@op(jvp="rt.joined(d_dot, like=like)", vjp={"d": "rt.joined(d_out, like=like)"},
    batch=lambda d, like, sizes=(), size=None, over=(): instantiate(d, like, (size, *sizes)))
def instantiate(d, like, sizes=()):
    """Return a finished cotangent of ``like``: with zeros for every ZERO (see ``filled``) and whole (see ``joined``)."""
    return joined(filled(d, like, sizes), like)


@op(linear="d", vjp={"d": "rt.joined(d_out, like=like)"}, batch=lambda d, like, over=(): joined(d, like))
def joined(d, like):
    """Sum a cotangent over the devices of a running shard_map that hold its value alike; elsewhere it is whole already."""
    return varying.joined(d, like) if bound.checked else d


@op(linear="d", vjp={"d": "rt.shared(d_out, like=like)"}, batch=lambda d, like, over=(): shared(d, like))
def shared(d, like):
    """Give each of the devices of a running shard_map that hold a value alike its equal part of the value's cotangent."""
    return varying.shared(d, like) if bound.checked else d


@op(jvp="d_dot", vjp={"d": "d_out"},
    batch=lambda d, like, sizes=(), size=None, over=(): filled(d, like, (size, *sizes)))
def filled(d, like, sizes=()):
    """Replace every ZERO in a (co)tangent by zeros with the shape and dtype of ``like``, behind batch axes of some sizes.

    Where all that carried a batch was ZERO, a batch axis may have length one: it gets its size here.
    """
    if type(d) is Array and not isinstance(like, CONTAINERS):
        if sizes and None not in sizes and d.shape[:len(sizes)] != tuple(sizes):
            from runtime import numpy as np
            d = np.broadcast_to(d, sizes + d.shape[len(sizes):])
        return _weakened(d) if type(like) is Array and like._v.aval.weak_type else d
    from runtime import numpy as np
    if isinstance(like, Turn):
        lanes, item = (ZERO, ZERO) if d is ZERO else d
        return Turn(lanes, filled(item, like.item, sizes))      # which lanes it is of has no inner batch axes
    if isinstance(like, CONTAINERS):
        inner = _items(like)
        given = [ZERO] * len(inner) if d is ZERO else list(d) if hasattr(d, "appended") or is_lazy(d) else _items(d) if not isinstance(d, dict) else [d.get(k, ZERO) for k in like]
        return _rebuild(like, [filled(one, other, sizes) for one, other in zip(given, inner, strict=True)])
    if like is None:
        return None
    if is_lazy(d) and is_lazy(like):
        return mapped(lambda one, other: filled(one, other, sizes), d, like)
    if hasattr(like, "appended"):
        return like.filled(d, sizes)
    if d is ZERO:
        if is_lazy(like):
            return ZERO     # records of a staged loop: a symbolic zero each
        if not (hasattr(like, "shape") and hasattr(like, "dtype")) and not isinstance(like, (bool, int, float, complex)):
            return like     # static data: an object that holds no derivative
        if None in sizes:
            return ZERO     # of a batch of which every part is one: who needs the zeros knows the size
        shape, dtype = shape_of(like), dtype_of(like)
        if numpy.dtype(dtype).kind in "biu":
            dtype = numpy.float32
        made = np.zeros(sizes + shape, dtype)
        return _weakened(made) if type(like) is Array and like._v.aval.weak_type else made
    return d


def _weakened(d):
    """The derivative in a Python number, whose dtype gives way to any array's as the number's does: the same data, by another name."""
    v = d._v
    if v.aval.weak_type or v.aval.dtype.kind not in "fc":
        return d
    of = v.aval.with_dtype(v.aval.dtype, True)
    if type(v) is Value:
        return Array(Value(v.name, of, v.block))
    if len(v._sharding._device_assignment) > 1:
        return d
    return Array(xla.assemble(of, v._sharding, [v], committed=v._committed))


def _same_length(d, like):
    """A container's cotangent has its items; + of two containers does not split it."""
    if isinstance(d, CONTAINERS) and isinstance(like, CONTAINERS) and len(_items(d)) != len(_items(like)):
        raise TypeError(f"cannot differentiate + of a {type(like).__name__} of {len(like)} items and another container; write "
                        "[*a, *b], or use extend or append")
    return d


def unbroadcast_batched(d, like, lead=0, inner=0, over=()):
    return unbroadcast(d, like, lead + 1, inner)


@op(linear="d", vjp={"d": "rt.broadcast_like(d_out, like=d, inner=lead + inner)"}, batch=unbroadcast_batched)
def unbroadcast(d, like, lead=0, inner=0):
    """Sum a cotangent down to the shape and dtype of ``like``.

    lead: how many leading axes of ``d`` are batch axes that ``like`` does not have.
    inner: how many leading axes of ``like`` are batch axes that ``d`` has next.
    """
    if type(d) is Array and not lead and type(like) in (Array, Like):
        own = d.aval
        if own.shape == like.shape and own.dtype == like.dtype:
            return d
    if like is UNDEFINED:       # lanes that were chosen in its place have the cotangent
        return ZERO
    if isinstance(d, CONTAINERS) or isinstance(like, CONTAINERS) or like is ZERO or like is None or hasattr(d, "appended"):
        return _same_length(d, like)
    from runtime import numpy as np
    front = lead + inner
    shape, own = shape_of(like)[inner:], shape_of(d)[front:]
    if own != shape:
        extra = len(own) - len(shape)
        axes = tuple(range(front, front + max(extra, 0))) + tuple(
            front + extra + i for i, n in enumerate(shape) if extra + i >= 0 and n == 1 and own[extra + i] != 1)
        if axes:
            d = np.sum(d, axis=axes)
        if shape_of(d)[front:] != shape:
            kept = shape_of(d)[:front]
            d = np.reshape(d, kept + shape) if d.size == math.prod(kept + shape) else broadcast_like(
                d, Like(kept + shape, d.dtype), 0, front)
    dtype = dtype_of(like)
    if dtype_of(d) != dtype and numpy.dtype(dtype).kind not in "biu":
        complex_to_real = numpy.dtype(dtype).kind != "c" and numpy.dtype(dtype_of(d)).kind == "c"
        d = np.astype(np.real(d) if complex_to_real else d, dtype)
    return d


def broadcast_like_batched(x, like, lead=0, inner=0, over=()):
    return broadcast_like(x, like, lead + 1, inner)


@op(linear="x", vjp={"x": "rt.unbroadcast(d_out, like=x, inner=lead + inner)"}, batch=broadcast_like_batched)
def broadcast_like(x, like, lead=0, inner=0):
    """Broadcast to the shape of ``like`` and cast to its dtype.

    lead: how many leading axes of ``x`` are batch axes that ``like`` does not have; the result has them too.
    inner: how many leading axes of ``like`` are batch axes that ``x`` has next.
    """
    if like is ZERO or like is None or isinstance(like, CONTAINERS) or hasattr(x, "appended"):
        return _same_length(x, like)
    from runtime import numpy as np
    own, front = shape_of(x), lead + inner
    target = own[:lead] + shape_of(like)
    if own != target:
        missing = len(target) - len(own)
        if front and missing:
            x = np.reshape(x, own[:front] + (1,) * missing + own[front:])
        x = np.broadcast_to(x, target)
    dtype = dtype_of(like)
    if dtype_of(x) != dtype and numpy.dtype(dtype).kind in "fcV":
        x = np.astype(x, dtype)
    return x
