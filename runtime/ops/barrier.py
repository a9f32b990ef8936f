"""The barrier over which XLA moves no computation, neither to fuse nor to fold constants, and rematerialization with it."""
from __future__ import annotations

from runtime.array import Array
from runtime.hlo import tracing
from runtime.op import op
from runtime.primitive import Primitive, as_operand
from runtime.trees import tree_map_1

together = Primitive("optimization_barrier", lambda *operands: operands, lambda block, operands, out_avals: block.op(
    "optimization_barrier", operands, list(out_avals)))


@op(linear="x", vjp={"x": "rt.barrier(d_out)"}, elementwise=True)
def barrier(x):
    """Return an array as it is, behind a barrier for XLA's optimizer."""
    return together(as_operand(x, "optimization_barrier"))[0]


@op(linear="x", vjp={"x": "d_out"}, elementwise=True)
def fenced_leaf(x):
    """Return a value as it is; in a staged program an array comes back from behind a barrier.

    Eager operations are never merged, so nothing has to keep them apart.
    """
    return barrier(x) if isinstance(x, Array) and tracing.block is not None else x


def fenced(tree):
    """Return the values of a pytree, such that XLA does not see that they are those it has seen before.

    What is computed from them a second time is then not replaced by the result of the first.
    """
    return tree_map_1(fenced_leaf, tree)


def checkpoint(fun=None, *, policy=None, prevent_cse=True):
    """Mark a generated function whose derivative computes again what the policy does not keep; calls run it as it is."""
    return fun if fun is not None else lambda fun: fun
