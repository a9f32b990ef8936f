"""The barrier over which XLA moves no computation, neither to fuse nor to fold constants."""
from __future__ import annotations

from runtime.op import op
from runtime.primitive import Primitive, as_operand

together = Primitive("optimization_barrier", lambda *operands: operands, lambda block, operands, out_avals: block.op(
    "optimization_barrier", operands, list(out_avals)))


@op(linear="x", vjp={"x": "rt.barrier(d_out)"}, elementwise=True)
def barrier(x):
    """Return an array as it is, behind a barrier for XLA's optimizer."""
    return together(as_operand(x, "optimization_barrier"))[0]
