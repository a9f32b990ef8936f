"""Functions that make arrays: from Python values, filled with a value, ranges and identity matrices."""
from __future__ import annotations

import array as buffers
import math
import operator

import numpy

from runtime import xla
from runtime.array import Array, own_scalar, to_buffer
from runtime.cotangent import CONTAINERS
from runtime.device import put
from runtime.dtypes import float0
from runtime.hlo import tracing
from runtime.op import op
from runtime.ops.constrain import out_sharded
from runtime.ops.kernel import about_types, inexact
from runtime.growing import Growing
from runtime.ops.records import nested_records, stack_records, staged_records
from runtime.primitive import EMIT_FROM, Primitive, as_operand, cast
from runtime.sequence import Rows, is_lazy, mapped, sample
from runtime.types import aval, aval_of, canonical_dtype, kind, promote_avals, promote_types, python_dtype, result_type
from runtime.zero import ZERO, Like


def _iota_infer(*, shape, dtype, dimension):
    return aval(shape, dtype)


def _iota_emit(block, operands, out_avals, *, shape, dtype, dimension):
    of = out_avals[0]
    if kind(of.dtype) == "b":
        return block.convert(block.op("iota", [], aval(shape, numpy.dtype("int32")), {"iota_dimension": dimension}), of)
    return block.op("iota", [], of, {"iota_dimension": dimension})


_iota = Primitive("iota", _iota_infer, _iota_emit)


def _fill_infer(x, *, shape, dtype, weak_type):
    return aval(shape, dtype, weak_type)


def _fill_emit(block, operands, out_avals, *, shape, dtype, weak_type):
    value = block.convert(operands[0], operands[0].aval.with_dtype(dtype, weak_type))
    return block.broadcast(value, shape)


_fill = Primitive("full", _fill_infer, _fill_emit)


@op(constant=True, unbatched=True)
def shape_tuple(shape, name: str = "shape") -> tuple[int, ...]:
    """Return a shape argument as a tuple of ints; TypeError for sizes that are not known integers."""
    if type(shape) is tuple and all([type(n) is int for n in shape]):
        found = shape
    else:
        try:
            found = (operator.index(shape),)
        except TypeError:
            try:
                found = tuple([operator.index(n) for n in shape])
            except TypeError:
                raise TypeError(f"{name}: shapes must be 1D sequences of concrete integers, got {shape!r}; sizes that depend "
                                "on staged values are not possible") from None
    for n in found:
        if n < 0:
            raise ValueError(f"{name}: shape {found} has a negative size")
    return found


def filled(shape, value, dtype, weak_type=False) -> Array:
    """Return an array of one Python number; made by the staged program where there is one and the array is large."""
    if tracing.block is not None and math.prod(shape) > EMIT_FROM:
        of = aval(shape, dtype, weak_type)
        return Array(tracing.block.constant(value, dtype, shape, of.weak_type))
    return Array(put(numpy.full(shape, value, dtype), aval(shape, dtype, weak_type), alias=True))


def _float_or(dtype):
    return python_dtype(float) if dtype is None else canonical_dtype(dtype)


def _on(x, device):
    """Return a new array on a device, or under a sharding; None leaves it where it is."""
    if device is None:
        return x
    from runtime.transfer import device_put
    return device_put(x, device)


@out_sharded
@op(constant=True, unbatched=True)
def zeros(shape, dtype=None, *, device=None):
    """Return an array of zeros; float32 by default. With float0, the derivative in a whole number, a NumPy array."""
    if dtype == float0:
        return numpy.zeros(shape_tuple(shape, "zeros"), float0)
    return _on(filled(shape_tuple(shape, "zeros"), 0, _float_or(dtype)), device)


@out_sharded
@op(constant=True, unbatched=True)
def ones(shape, dtype=None, *, device=None):
    """Return an array of ones; float32 by default."""
    return _on(filled(shape_tuple(shape, "ones"), 1, _float_or(dtype)), device)


@out_sharded
def empty(shape, dtype=None, *, device=None):
    """Return an array of zeros: there are no uninitialised arrays."""
    return zeros(shape, dtype, device=device)


def full_batched(shape, fill_value, dtype=None, device=None, over=()):
    """Fill each example with its own value."""
    from runtime import numpy as np
    shape = shape_tuple(shape)
    inner = fill_value.shape[1:]
    value = np.reshape(fill_value, fill_value.shape[:1] + (1,) * (len(shape) - len(inner)) + inner)
    return np.astype(np.broadcast_to(value, fill_value.shape[:1] + shape), dtype or fill_value.dtype)


@out_sharded
@op(linear="fill_value", vjp={"fill_value": "rt.unbroadcast(d_out, like=fill_value)"}, batch=full_batched)
def full(shape, fill_value, dtype=None, *, device=None):
    """Return an array filled with a value, which is broadcast to the shape; its dtype is the value's by default."""
    shape = shape_tuple(shape, "full")
    if isinstance(fill_value, (bool, int, float, complex)):
        weak = dtype is None and type(fill_value) is not bool
        want = python_dtype(type(fill_value)) if dtype is None else canonical_dtype(dtype)
        fill_value = fitted(fill_value, want)
        return _on(filled(shape, fill_value, want, weak), device)
    value = as_operand(fill_value, "full")
    if value.shape:
        from runtime.ops.shape import broadcast_to
        return _on(broadcast_to(value if dtype is None else cast(value, dtype), shape), device)
    dtype, weak = (value.dtype, value.weak_type) if dtype is None else (canonical_dtype(dtype), False)
    return _on(_fill(value, shape=shape, dtype=dtype, weak_type=weak), device)


def _like_shape(x, shape, lead=0):
    return tuple(aval_of(x).shape) if shape is None else shape_tuple(shape)


def _like(x, dtype):
    of = aval_of(x)
    return (of.dtype, of.weak_type) if dtype is None else (canonical_dtype(dtype), False)


def _beside(x, shape):
    """Return where what is filled like an array lies: where that was put; None for arrays that nobody put somewhere."""
    if type(x) is not Array or tracing.block is not None or type(x._v) is not xla.ArrayImpl or not x._v._committed:
        return None
    alone = len(x._v._sharding._device_assignment) == 1
    return x._v._sharding if alone or shape is None or shape_tuple(shape) == x.shape else None


def _batched_shape(x, shape):
    return None if shape is None else (x.shape[0],) + shape_tuple(shape)


def zeros_like_batched(a, dtype=None, shape=None, device=None, over=()):
    """Zeros for every example."""
    return zeros_like(a, dtype, _batched_shape(a, shape))


@out_sharded
@op(constant=True, batch=zeros_like_batched)
def zeros_like(a, dtype=None, shape=None, *, device=None):
    """Return zeros with the shape and dtype of an array."""
    return _on(filled(_like_shape(a, shape), 0, *_like(a, dtype)), device or _beside(a, shape))


def ones_like_batched(a, dtype=None, shape=None, device=None, over=()):
    """Ones for every example."""
    return ones_like(a, dtype, _batched_shape(a, shape))


@out_sharded
@op(constant=True, batch=ones_like_batched)
def ones_like(a, dtype=None, shape=None, *, device=None):
    """Return ones with the shape and dtype of an array."""
    return _on(filled(_like_shape(a, shape), 1, *_like(a, dtype)), device or _beside(a, shape))


def empty_like(prototype, dtype=None, shape=None, *, device=None):
    """Return zeros with the shape and dtype of an array: there are no uninitialised arrays."""
    return zeros_like(prototype, dtype, shape, device=device)


def full_like_batched(a, fill_value, dtype=None, shape=None, device=None, over=()):
    """Fill each example like its own."""
    from runtime import numpy as np
    inner = (a.shape[1:] if "a" in over else np.shape(a)) if shape is None else shape_tuple(shape)
    dtype = dtype or a.dtype
    if "fill_value" in over:
        return full_batched(inner, fill_value, dtype)
    return np.broadcast_to(full(inner, fill_value, dtype), a.shape[:1] + inner)


@out_sharded
@op(linear="fill_value", vjp={"fill_value": "rt.unbroadcast(d_out, like=fill_value)"}, batch=full_like_batched)
def full_like(a, fill_value, dtype=None, shape=None, *, device=None):
    """Return an array filled with a value, with the shape and dtype of another array."""
    of, weak = _like(a, dtype)
    device, shape = device or _beside(a, shape), _like_shape(a, shape)
    if isinstance(fill_value, (bool, int, float, complex)):
        return _on(filled(shape, fitted(fill_value, of), of, weak), device)
    return full(shape, fill_value, of, device=device)


def device_objects(object) -> bool:
    """Tell whether a value is an array or nested lists of devices: what ``Mesh`` is made of, in a transformed function too."""
    first = object
    while type(first) in (list, tuple) and first:
        first = first[0]
    if type(first) is numpy.ndarray and first.dtype == numpy.object_ and first.size:
        first = first.flat[0]
    return isinstance(first, xla.Device)


def _leaves(object):
    if isinstance(object, (list, tuple)):
        for item in object:
            yield from _leaves(item)
    else:
        yield object


def array_batched(object, dtype=None, copy=True, order="K", ndmin=0, device=None, over=()):
    """Stack the batched items of nested lists behind the batch axis."""
    return array_examples(object, 1, dtype)


@op(jvp="rt.array_examples_dot(object_dot, object, lead, dtype)",
    vjp={"object": "rt.unarray(d_out, like=rt.like(object, lead), lead=lead, dtype=dtype)"},
    batch=lambda object, lead, dtype=None, over=(): array_examples(object, lead + 1, dtype))
def array_examples(object, lead, dtype=None):
    """Return the arrays that the examples of nested lists make; the arrays in the lists have ``lead`` batch axes in front."""
    if staged_records(object):
        made = nested_records(object, lead)
    else:
        front = max([leaf.shape[:lead] for leaf in _leaves(object) if isinstance(leaf, (Array, numpy.ndarray))], key=len, default=())
        made = _examples(object, front)
    return made if dtype is None else cast(made, canonical_dtype(dtype))


def _examples(object, front):
    from runtime.ops.joining import stack
    from runtime.ops.shape import broadcast_to
    if isinstance(object, (list, tuple)):
        return stack([_examples(item, front) for item in object], axis=len(front))
    leaf = as_operand(object, "array")
    return leaf if leaf.ndim else broadcast_to(leaf, front)     # a number among batched items


def array_examples_dot(object_dot, object, lead, dtype=None):
    """Return the tangent of ``array_examples``; ZERO for an integer dtype."""
    if object_dot is ZERO or not differentiable(dtype):
        return ZERO
    from runtime.cotangent import filled
    return array_examples(filled(object_dot, object), lead, dtype)


@out_sharded
@op(jvp="rt.array_dot(object_dot, object, dtype=dtype)", vjp={"object": "rt.unarray(d_out, like=object, dtype=dtype)"},
    batch=array_batched)
def array(object, dtype=None, copy=True, order="K", ndmin=0, *, device=None):
    """Return an Array made of nested lists, a NumPy array, a number or another Array.

    64-bit types are narrowed unless enable_x64 is set. TypeError for what is no number; devices make an array of NumPy's, for a mesh.
    """
    if device_objects(object):
        return numpy.array(object, dtype=numpy.object_, ndmin=ndmin)
    found = _array(object, None if dtype is None else canonical_dtype(dtype))
    if ndmin > found.ndim:
        from runtime.ops.shape import reshape
        found = reshape(found, (1,) * (ndmin - found.ndim) + found.shape)
    if found is object and copy and tracing.block is None and type(found._v) is xla.ArrayImpl:
        found = found.copy()    # it outlives what is done to the other one, as giving it away
    return _on(found, device)


def _array(object, dtype):
    if type(object) is Array:
        return object if dtype is None else cast(object, dtype)
    if not isinstance(object, (list, tuple, Array)) and staged_records(object):
        made = nested_records(object)
        return made if dtype is None else cast(made, dtype)
    if isinstance(object, range):
        object = list(object)
    elif isinstance(object, (memoryview, bytearray, buffers.array)):
        object = numpy.asarray(object)
    if isinstance(object, (list, tuple)):
        types = {type(leaf) for leaf in _leaves(object)}
        if any([issubclass(found, Array) for found in types]):
            from runtime.ops.joining import stack
            made = stack([_array(item, None) for item in object])
            return cast(made, made.dtype if dtype is None else dtype)
        host = numpy.asarray(object)
        if dtype is None and len(types) > 1 and any([issubclass(found, numpy.generic) for found in types]):
            dtype = promote_avals(*[aval_of(leaf) for leaf in _leaves(object)])[0]
        if type(None) in types:
            raise ValueError(f"array: None is not a valid number of an array; got {object!r:.80}")
        if host.dtype.hasobject or host.dtype.kind not in "biufcV":
            raise TypeError(f"array: {host.dtype} is not a valid array element type; got {object!r:.80}")
        want = canonical_dtype(host.dtype) if dtype is None else dtype
        return Array(to_buffer(host if host.dtype == want else numpy.array(object, want), want))
    if dtype is not None and isinstance(object, (bool, int, float, complex)) and not isinstance(object, numpy.generic):
        return Array(to_buffer(number_of(object, dtype), dtype))
    if dtype is not None and isinstance(object, (numpy.ndarray, numpy.generic)):
        return Array(to_buffer(object, dtype))
    if object is None:
        raise ValueError("array: None is not a valid array; pass numbers, lists of numbers or arrays")
    if isinstance(object, str):
        raise TypeError(f"array: {object!r:.80} is not a valid array; pass numbers, lists of numbers or arrays")
    if tracing.block is None and type(object) in (bool, int, float, complex):
        return own_scalar(object)
    found = as_operand(object, "array")
    return found if dtype is None else cast(found, dtype)


def fitted(value, dtype):
    """Return the Python number that fills an array of a dtype: an integer that does not fit is wrapped, a float moved inside."""
    if kind(dtype) in "iu":
        if isinstance(value, float):
            bounds = numpy.iinfo(dtype)
            value = 0 if math.isnan(value) else min(max(value, bounds.min), bounds.max)
        return numpy.asarray(value).astype(dtype)[()]
    if isinstance(value, complex) and kind(dtype) == "f":
        raise TypeError(f"full: the complex number {value} does not fill an array of {dtype}; take its .real")
    return value


def number_of(value, dtype):
    """Return a Python number as a NumPy scalar array of a dtype; OverflowError where an integer does not fit, TypeError for a
    complex number where the dtype is real.
    """
    if kind(dtype) in "iu" and isinstance(value, float):
        value = int(value)
    with numpy.errstate(over="ignore"):
        return numpy.array(value, dtype)


@out_sharded
def asarray(a, dtype=None, order=None, *, copy=None, device=None):
    """Return the value as an Array, without copying an Array that has the dtype already."""
    return array(a, dtype=dtype, copy=bool(copy), device=device)


@about_types
def differentiable(dtype):
    """Tell whether derivatives flow through arrays of a dtype: floating and complex ones, and None for any."""
    return dtype is None or kind(canonical_dtype(dtype)) in "fc"


def array_dot(object_dot, object, dtype=None):
    """Return the tangent of ``array(object)``; ZERO for an integer dtype."""
    if object_dot is ZERO or not differentiable(dtype):
        return ZERO
    from runtime.cotangent import filled
    return array(filled(object_dot, object), dtype=dtype)


def unarray_batched(d, like, lead=0, dtype=None, over=()):
    """Take apart every example."""
    return unarray(d, like, lead + 1, dtype)


@op(jvp={"d": "rt.unarray(d_dot, like=like, lead=lead, dtype=dtype)"}, vjp={"d": "rt.array_again(d_out, d, lead=lead)"},
    batch=unarray_batched)
def unarray(d, like, lead=0, dtype=None):
    """Return the cotangents of nested lists that an array of some dtype was made of; ``lead`` batch axes are in front."""
    if d is ZERO or not differentiable(dtype):
        return ZERO
    if lead == 0 and staged_records(like, d):
        return Growing(d, d.shape[0])
    if is_lazy(like):
        from runtime.ops.permute import moveaxis
        rows = Rows(moveaxis(d, lead, 0))
        return mapped(lambda part, item: unarray(part, item, lead), rows, like) if isinstance(sample(like), CONTAINERS) or is_lazy(
            sample(like)) else rows
    if isinstance(like, (list, tuple)):
        parts = [unarray(d[(slice(None),) * lead + (i,)], item, lead) for i, item in enumerate(like)]
        return type(like)(parts)
    if isinstance(like, (bool, int)) or not hasattr(like, "dtype") and not isinstance(like, float):
        return ZERO
    from runtime.cotangent import unbroadcast
    return unbroadcast(d, like, lead)


def array_again(d, like, lead=0):
    """The transpose of ``unarray``: stack the cotangents of its parts."""
    if d is ZERO or like is ZERO:
        return ZERO
    from runtime import numpy as np
    if staged_records(d):
        return np.moveaxis(stack_records(d), 0, lead)
    if not isinstance(d, (list, tuple)):
        return d
    size = like.shape[lead + 1:]
    parts = [array_again(part, Like(like.shape[:lead] + size, like.dtype), lead) for part in d]
    blank = np.zeros(like.shape[:lead] + size, like.dtype)
    return np.stack([blank if part is ZERO else part for part in parts], axis=lead)


@op(jvp={"x": "rt.astype_dot(x_dot, dtype)"}, vjp={"x": "rt.unastype(d_out, dtype, like=x)"}, elementwise=True)
def astype(x, dtype, /, *, copy=False, device=None):
    """Return the array converted to another dtype; complex values lose their imaginary part with a real dtype."""
    return _on(cast(x, python_dtype(float) if dtype is None else dtype), device)


def astype_dot(x_dot, dtype):
    """Return the tangent of a conversion: ZERO for an integer dtype."""
    if x_dot is ZERO or not differentiable(dtype):
        return ZERO
    return astype(x_dot, dtype)


def unastype(d, dtype, like):
    """Return the cotangent of ``like`` from that of its conversion to a dtype: ZERO for an integer dtype."""
    if not differentiable(dtype):
        return ZERO
    return astype_like(d, like)


@op(linear="d", vjp={"d": "rt.astype_like(d_out, like=d)"}, elementwise=True)
def astype_like(d, like):
    """Return a cotangent converted to the dtype of ``like``."""
    from runtime.cotangent import dtype_of
    return cast(d, dtype_of(like))


def _range_dtype(*bounds):
    return result_type(*bounds)


@out_sharded
@op(constant=True, unbatched=True)
def arange(start, stop=None, step=None, dtype=None, *, device=None):
    """Return evenly spaced values from ``start`` (0 if only one bound is given) up to, not including, ``stop``.

    The bounds must be concrete: they decide the shape.
    """
    bounds = [b for b in (start, stop, step) if b is not None]
    for b in bounds:
        if aval_of(b).shape:
            raise ValueError(f"arange: bounds must be scalars, got shape {aval_of(b).shape}")
    dtype = result_type(*bounds) if dtype is None else canonical_dtype(dtype)
    host = [b.item() if isinstance(b, (Array, numpy.generic, numpy.ndarray)) else b for b in bounds]
    if stop is None:
        low, high, by = 0, host[0], 1
    else:
        low, high = host[0], host[1]
        by = host[2] if step is not None else 1
    if by == 0:
        raise ZeroDivisionError("arange: step must not be zero")
    count = max(0, math.ceil((high - low) / by))
    return _on(ramp(count, low, by, dtype), device)


def ramp(count, low, by, dtype) -> Array:
    """Return ``low + by * i`` for i below ``count``; made by the staged program where there is one and it is large."""
    if tracing.block is not None and count > EMIT_FROM and kind(dtype) in "iuf":
        made = _iota(shape=(count,), dtype=dtype, dimension=0)
        if by != 1:
            made = made * by
        return made + low if low != 0 else made
    wide = numpy.float64 if kind(dtype) in "f" else numpy.int64
    if kind(dtype) == "c":
        wide = numpy.complex128
    host = numpy.arange(count, dtype=wide) * wide(by) + wide(low) if kind(dtype) != "b" else numpy.arange(count)
    return Array(put(host.astype(dtype), aval((count,), dtype), alias=True))


def iota(dtype, size):
    """Return the integers from 0 to ``size`` - 1 in the given dtype."""
    return arange(size, dtype=dtype)


@out_sharded
@op(constant=True, unbatched=True)
def broadcasted_iota(dtype, shape, dimension):
    """Return an array in which each element is its index along one axis."""
    return _iota(shape=shape_tuple(shape), dtype=canonical_dtype(dtype), dimension=operator.index(dimension) % len(shape))


@op(constant=True, unbatched=True)
def eye(N, M=None, k=0, dtype=None, *, device=None):
    """Return an N x M matrix with ones on diagonal ``k`` and zeros elsewhere."""
    rows = operator.index(N)
    columns = rows if M is None else operator.index(M)
    dtype = _float_or(dtype)
    if tracing.block is not None and rows * columns > EMIT_FROM:
        row, column = (_iota(shape=(rows, columns), dtype=numpy.dtype("int32"), dimension=d) for d in (0, 1))
        return _on(cast(column - row == operator.index(k), dtype), device)
    return _on(Array(put(numpy.eye(rows, columns, operator.index(k), dtype), aval((rows, columns), dtype), alias=True)), device)


def identity(n, dtype=None):
    """Return the n x n identity matrix."""
    return eye(n, dtype=dtype)


@op(constant=True, unbatched=True)
def tri(N, M=None, k=0, dtype=None):
    """Return an N x M matrix with ones at and below diagonal ``k`` and zeros above."""
    rows = operator.index(N)
    columns = rows if M is None else operator.index(M)
    dtype = _float_or(dtype)
    if tracing.block is not None and rows * columns > EMIT_FROM:
        row, column = (_iota(shape=(rows, columns), dtype=numpy.dtype("int32"), dimension=d) for d in (0, 1))
        return cast(column - row <= operator.index(k), dtype)
    return Array(put(numpy.tri(rows, columns, operator.index(k), dtype), aval((rows, columns), dtype), alias=True))


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0, *, device=None):
    """Return ``num`` evenly spaced values from ``start`` to ``stop``, along a new axis when the bounds are arrays.

    ValueError for a negative number. The last value is ``stop`` itself where the ``endpoint`` counts.
    """
    from runtime import numpy as np
    from runtime.ops.spaced import spaced
    if num < 0:
        raise ValueError(f"linspace: Number of samples, {num}, must be non-negative.")
    kind_of = linspace_dtype(start, stop, dtype)
    low, high = np.astype(start, kind_of), np.astype(stop, kind_of)
    parts = num - 1 if endpoint else num
    shape = np.broadcast_shapes(low.shape, high.shape)
    low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    if num == 0:
        out = np.zeros((0,) + shape, kind_of)
    elif parts == 0:
        out = np.expand_dims(low, 0)
    else:
        out = spaced(low, high, parts, endpoint)
    out = np.moveaxis(out, 0, axis)
    if dtype is not None:
        out = np.astype(np.floor(out) if is_integer(dtype) else out, dtype)
    if device is not None:
        out = np.asarray(out, device=device)
    if retstep:
        return out, (high - low) / parts if parts else np.full(shape, np.nan, kind_of)
    return out


@about_types
def linspace_dtype(start, stop, dtype):
    """Return the floating dtype in which linspace computes."""
    return inexact(result_type(start, stop) if dtype is None else canonical_dtype(dtype))


@about_types
def is_integer(dtype):
    """Tell whether a dtype is an integer or bool one."""
    return kind(canonical_dtype(dtype)) in "biu"


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """Return ``num`` values from base**start to base**stop, evenly spaced on a logarithmic scale."""
    from runtime import numpy as np
    out = np.power(base, linspace(start, stop, num, endpoint, False, None, axis))
    if dtype is not None:
        out = np.astype(out, dtype)
    return out


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """Return ``num`` values from start to stop that form a geometric progression."""
    from runtime import numpy as np
    sign = np.sign(start)
    out = sign * np.exp(linspace(np.log(start * sign), np.log(stop * sign), num, endpoint, False, None, axis))
    if dtype is not None:
        out = np.astype(out, dtype)
    return out


__all__ = ["arange", "array", "asarray", "astype", "empty", "empty_like", "eye", "full", "full_like", "identity",
           "linspace", "ones", "ones_like", "promote_types", "tri", "zeros", "zeros_like"]
