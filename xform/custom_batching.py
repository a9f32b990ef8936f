"""Batching rules for users: custom_vmap, whose rule the user gives, and sequential_vmap, which maps one example after the other."""
from __future__ import annotations

from xform import resolve
from xform.transformed import Transformed

__all__ = ["custom_vmap", "sequential_vmap"]


class custom_vmap(Transformed):
    """Give a function a batching rule of its own.

    ``f.def_vmap(rule)``: ``rule(axis_size, in_batched, *args) -> (out, out_batched)``. in_batched: for each argument whether it
    carries the batch, at axis 0: a bool, or a tuple of such for a tuple of which only parts do; out_batched: the same for the
    result, a bool for each array. A derivative that is taken before batching is that of the function's own code, and is batched as
    any code; a derivative of the batched function is that of the rule.
    """
    __slots__ = ()
    rule = None

    def __init__(self, fun):
        super().__init__("custom_vmap", fun, {})

    def _call(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    def def_vmap(self, vmap_rule):
        """Set the rule; returns it, so that this works as a decorator."""
        self.options = {"rule": vmap_rule}
        return vmap_rule


class sequential_vmap(Transformed):
    """Map a function, under vmap, over one example after the other: a loop in the place of batched operations."""
    __slots__ = ()

    def __init__(self, f):
        super().__init__("custom_vmap", f, {"rule": "sequential"})

    def _call(self, *args, **kwargs):
        return self.fun(*args, **kwargs)


resolve.TRANSFORMATIONS[custom_vmap] = "custom_vmap"
