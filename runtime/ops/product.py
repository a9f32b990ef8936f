"""Products over axes and cumulative products, with derivatives that are exact at zero factors."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index, axis_tuple, inner_axis
from runtime.ops.kernel import no_out
from runtime.ops.reduce import aligned, masked, reduced, reduction_operands, started, wide_integer
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import kind


def prod_batched(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True, over=()):
    """Multiply within each example."""
    from runtime import numpy as np
    a, where = reduction_operands(a, where, over)
    if "initial" not in over:
        return np.prod(a, inner_axis(axis, a.ndim), dtype, None, keepdims, initial, where, promote_integers)
    product = np.prod(a, inner_axis(axis, a.ndim), dtype, None, keepdims, None, where, promote_integers)
    return product * np.astype(aligned(initial, product.ndim - 1), product.dtype)


_OTHERS = "rt.other_factors(a, axis=axis, where=where) * (1 if initial is None else initial)"


@op(jvp={"a": f"np.sum(a_dot * ({_OTHERS}), axis=axis, keepdims=keepdims)"},
    vjp={"a": f"rt.unsum(d_out, like=a, axis=axis, keepdims=keepdims) * ({_OTHERS})"}, batch=prod_batched)
def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None, promote_integers=True):
    """Return the product over axes (all by default); narrow integers keep to at least 32 bits."""
    if out is not None:
        no_out("prod", out)
    a = as_operand(a, "prod")
    if where is not None:
        a = masked(a, where, 1)
    if dtype is not None:
        a = cast(a, dtype)
    elif kind(a.dtype) in "biu" and (promote_integers or kind(a.dtype) == "b"):
        a = cast(a, wide_integer(a.dtype))
    product = reduced("multiply", a, axis, keepdims)
    return product if initial is None else product * started("prod", initial, product)


def other_factors(a, axis=None, where=None):
    """Return, for each element, the product of all others over the axes; exact also where factors are zero."""
    from runtime import numpy as np
    if where is not None:
        a = np.where(where, a, 1)
    axes = axis_tuple(axis, a.ndim)
    order = tuple([i for i in range(a.ndim) if i not in axes]) + axes
    kept = len(order) - len(axes)
    moved = np.transpose(a, order)
    rows = np.reshape(moved, moved.shape[:kept] + (-1,))
    before = exclusive_products(rows)
    after = np.flip(exclusive_products(np.flip(rows, -1)), -1)
    others = np.transpose(np.reshape(before * after, moved.shape), inverse_order(order))
    if where is not None:
        others = np.where(where, others, 0)
    return others


@op(constant=True, unbatched=True)
def inverse_order(order):
    """Return the inverse of a permutation."""
    return tuple([int(i) for i in numpy.argsort(order)])


def exclusive_products(rows):
    """Return, along the last axis, the product of all earlier elements."""
    from runtime import numpy as np
    ones = np.ones(rows.shape[:-1] + (1,), rows.dtype)
    return cumprod(np.concatenate([ones, rows], axis=-1), axis=-1)[..., :-1]


def counted(a):
    """Return an array of bools as one of integers, others as they are."""
    from runtime import numpy as np
    a = np.asarray(a)
    return np.astype(a, int) if a.dtype == bool else a


def cumprod(a, axis=None, dtype=None, out=None):
    """Return the products of all elements up to each one along an axis (of the flattened array by default)."""
    if out is not None:
        no_out("cumprod", out)
    from runtime import numpy as np
    if dtype is not None:
        a = np.astype(a, dtype)
    else:
        a = counted(a)
    if axis is None:
        a = np.ravel(a)
        axis = 0
    size = a.shape[axis]
    shift = 1
    while shift < size:
        a = a * delayed(a, shift, axis)
        shift = shift * 2
    return a


def _delayed_batched(a, shift, axis, over=()):
    return delayed(a, shift, inner_axis(axis, a.ndim))


@op(jvp={"a": "rt.delayed_zeros(a_dot, shift, axis)"},
    vjp={"a": "rt.hastened(d_out, shift, axis)"}, batch=_delayed_batched)
def delayed(a, shift, axis):
    """Return the array moved along an axis by ``shift`` places, ones filling the gap."""
    return _delayed(as_operand(a, "cumprod"), shift=shift, axis=axis_index(axis, a.ndim), fill=1)


@op(linear="d", vjp={"d": "rt.delayed_zeros(d_out, shift, axis)"},
    batch=lambda d, shift, axis, over=(): hastened(d, shift, inner_axis(axis, d.ndim)))
def hastened(d, shift, axis):
    """Return the array moved back along an axis by ``shift`` places, zeros filling the gap."""
    return _delayed(d, shift=-shift, axis=axis_index(axis, d.ndim), fill=0)


@op(linear="d", vjp={"d": "rt.hastened(d_out, shift, axis)"},
    batch=lambda d, shift, axis, over=(): delayed_zeros(d, shift, inner_axis(axis, d.ndim)))
def delayed_zeros(d, shift, axis):
    """Return the array moved along an axis by ``shift`` places, zeros filling the gap."""
    return _delayed(d, shift=shift, axis=axis_index(axis, d.ndim), fill=0)


def _delayed_infer(x, *, shift, axis, fill):
    return x


def _delayed_emit(block, operands, out_avals, *, shift, axis, fill):
    of = operands[0].aval
    low = tuple(shift if i == axis else 0 for i in range(of.ndim))
    return block.op("pad", [operands[0], block.constant(fill, of.dtype)], of, {
        "edge_padding_low": low, "edge_padding_high": tuple(-n for n in low), "interior_padding": (0,) * of.ndim})


_delayed = Primitive("delayed", _delayed_infer, _delayed_emit)
