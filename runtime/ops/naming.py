"""Names for values, and the questions whether a policy of rematerialization keeps a value."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.dot import split_spec
from runtime.types import aval
from runtime.zero import ZERO


@op(jvp={"x": "x_dot"}, vjp={"x": "d_out"}, batch=lambda x, name, over=(): checkpoint_name(x, name))
def checkpoint_name(x, name):
    """Return ``x`` as it is; policies of ``checkpoint`` know it by ``name``."""
    return x


def _without_batch(x, a, b, spec, over):
    shapes = [getattr(v, "shape", ())[key in over:] for key, v in (("a", a), ("b", b))]
    if spec is not None:
        left, right, out = split_spec(spec)
        batched = set(left) & set(right) & set(out)
    else:       # matmul: axes of size one are broadcast, they are no batch
        lead = zip(reversed(shapes[0][:-2]), reversed(shapes[1][:-2]))
        batched = any(m != 1 and n != 1 for m, n in lead)
    return None if batched else x


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, out, over=(): if_kept(x, out))
def if_kept(x, out):
    """Return ``x``, the tangent or cotangent of ``out``; zero for an ``out`` that was not kept."""
    return ZERO if out is None else x


@op(constant=True, unbatched=True)
def has_batch(a, b, spec, over):
    """Return whether the operands of a product have batch axes in common, beside axis 0 of those in ``over``."""
    shapes = [getattr(v, "shape", ())[int(key in over):] for key, v in (("a", a), ("b", b))]
    if spec is not None:
        left, right, out = split_spec(spec)
        return bool(set(left) & set(right) & set(out))
    lead = zip(reversed(shapes[0][:-2]), reversed(shapes[1][:-2]))      # of matmul: axes of size one are broadcast, they are no batch
    return any(m != 1 and n != 1 for m, n in lead)


def _unless_batched(x, a, b, spec, over=()):
    return None if has_batch(a, b, spec, over) else x


@op(jvp={"x": "rt.if_kept(x_dot, out)"}, vjp={"x": "rt.if_kept(d_out, d_out)"}, batch=_unless_batched)
def unless_batched(x, a, b, spec):
    """Return ``x``, the product of ``a`` and ``b``, or None when they have batch axes in common.

    spec: the letters of the axes, for a contraction; None for a product as ``matmul`` makes it.
    """
    return _unless_batched(x, a, b, spec)


# what JAX calls the operations that have another name here
PRIMITIVES = {"checkpoint_name": "name", "matmul": "dot_general", "dot": "dot_general", "contract": "dot_general", "multiply": "mul",
              "convolve": "conv_general_dilated", "subtract": "sub", "divide": "div", "power": "pow", "negative": "neg",
              "maximum": "max", "minimum": "min", "absolute": "abs", "sum": "reduce_sum"}


class Operation:
    """What a policy is asked about: an operation, known by its name."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name

    def __eq__(self, other):
        return getattr(other, "name", other) == self.name

    def __hash__(self):
        return hash(self.name)


@op(constant=True, unbatched=True)
def policy_keeps(policy, operation, operands, name, lead=0):
    """Return whether a policy keeps the result of an operation on operands, whose first ``lead`` axes are a batch."""
    avals = [aval(v.shape[lead:], v.dtype) for v in operands if hasattr(v, "dtype")]
    known = {} if name is None else {"name": name}
    return bool(policy(Operation(PRIMITIVES.get(operation, operation)), *avals, **known))


def _if_policy_keeps(x, policy, operation, operands, name, over=()):
    return x if policy_keeps(policy, operation, operands, name, 1 if "operands" in over else 0) else None


@op(jvp={"x": "rt.if_kept(x_dot, out)"}, vjp={"x": "rt.if_kept(d_out, d_out)"}, batch=_if_policy_keeps)
def if_policy_keeps(x, policy, operation, operands, name):
    """Return ``x``, the result of an operation on operands, if a policy says that it is to be kept, else None."""
    return _if_policy_keeps(x, policy, operation, operands, name)
