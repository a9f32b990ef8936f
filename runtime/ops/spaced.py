"""Evenly spaced values between bounds, as one kernel: how XLA rounds the sum of products decides whether 15 is among 0, 5 ... 25."""
from __future__ import annotations

from runtime.execute import EXACT
from runtime.op import op
from runtime.ops.shape import broadcast_to, like_shape
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval
from runtime.zero import ZERO


def _spaced_infer(low, high, *, parts, endpoint):
    return aval((parts + endpoint, *low.shape), low.dtype)


def _spaced_emit(block, operands, out_avals, *, parts, endpoint):
    low, high = operands
    of = aval((parts, *low.aval.shape), low.aval.dtype)
    own = tuple(range(1, of.ndim))
    steps = block.op("divide", [block.op("iota", [], of, {"iota_dimension": 0}), block.constant(parts, of.dtype, of.shape)], of)
    rest = block.op("subtract", [block.constant(1, of.dtype, of.shape), steps], of)
    made = block.op("add", [block.op("multiply", [block.broadcast(low, of.shape, own), rest], of),
                            block.op("multiply", [block.broadcast(high, of.shape, own), steps], of)], of)
    if endpoint:
        last = block.reshape(high, (1, *high.aval.shape))
        made = block.op("concatenate", [made, last], out_avals[0], {"dimension": 0})
    return made


_spaced = Primitive("linspace", _spaced_infer, _spaced_emit)
EXACT.add("linspace")


def spaced_batched(low, high, parts, endpoint, over=()):
    """Divide every example's interval."""
    from runtime import numpy as np
    size = (low if "low" in over else high).shape[0]
    low = low if "low" in over else np.broadcast_to(low, (size, *low.shape))
    high = high if "high" in over else np.broadcast_to(high, (size, *high.shape))
    return np.moveaxis(spaced(low, high, parts, endpoint), 1, 0)


@op(linear=("low", "high"), vjp={"low": "rt.share_of_low(d_out, parts, endpoint)", "high": "rt.share_of_high(d_out, parts, endpoint)"},
    batch=spaced_batched)
def spaced(low, high, parts, endpoint):
    """Return the ends of ``parts`` equal parts of intervals, along a new first axis; the last ones too with ``endpoint``.

    low, high: arrays of one shape and of one floating or complex dtype.
    """
    if low is ZERO and high is ZERO:
        return ZERO
    known = as_operand(high if low is ZERO else low)
    low, high = [broadcast_to(cast(as_operand(0 if x is ZERO else x), known.dtype), known.shape) for x in (low, high)]
    return _spaced(low, high, parts=int(parts), endpoint=bool(endpoint))


@op(constant=True, unbatched=True)
def shares(parts, like):
    """Return the upper bounds' share in each value, with the axes of the values."""
    from runtime import numpy as np
    shape = like_shape(like)
    return np.astype(np.reshape(np.arange(shape[0]) / parts, (shape[0],) + (1,) * (len(shape) - 1)), like.dtype)


def share_of_high(d, parts, endpoint):
    """Return the cotangent of the upper bounds."""
    from runtime import numpy as np
    if d is ZERO:
        return ZERO
    return np.sum(d * shares(parts, like=d), 0)


def share_of_low(d, parts, endpoint):
    """Return the cotangent of the lower bounds."""
    from runtime import numpy as np
    if d is ZERO:
        return ZERO
    return np.sum(d, 0) - share_of_high(d, parts, endpoint)
