"""Smaller collectives and marks under lax's names: what one replica has for all, axes that change places, tolerances, stages."""
from __future__ import annotations

from runtime import varying
from runtime.array import Array
from runtime.hlo import tracing
from runtime.mesh import bound, lookup
from runtime.op import op
from runtime.ops.collective import all_to_all, axis_index, psum
from runtime.primitive import lift_array
from runtime.tree import tree_map
from runtime.trees import tree_map_1


class Tolerance:
    """Tolerances for unary functions: at most two of atol, rtol and ulps. ValueError for negative ones, and for none."""

    def __init__(self, atol=0.0, rtol=0.0, ulps=0):
        if atol < 0.0 or rtol < 0.0 or ulps < 0.0:
            raise ValueError("Tolerances must be non-negative.")
        if atol == 0.0 and rtol == 0.0 and ulps == 0:
            raise ValueError("At least one of atol, rtol, or ulps must be set.")
        self.atol, self.rtol, self.ulps = atol, rtol, ulps


@op(linear="x", vjp={"x": "lax.broadcast_again(d_out, axis_name, source)"},
    batch=lambda x, axis_name, source, over=(): pbroadcast(x, axis_name, source))
def pbroadcast(x, axis_name, source):
    """Return on every replica along a mapped axis the arrays that the replica ``source`` has."""
    from runtime import numpy as np
    own = axis_index(axis_name) == source
    return psum(tree_map_1(lambda leaf: np.where(own, leaf, np.zeros_like(leaf)), x), axis_name)


def broadcast_again(d, axis_name, source):
    """The transpose of ``pbroadcast``: the replica ``source`` has the sum."""
    from runtime import numpy as np
    own = axis_index(axis_name) == source
    return tree_map_1(lambda leaf: np.where(own, leaf, np.zeros_like(leaf)), psum(d, axis_name))


def _swapped_batched(x, axis_name, axis, axis_index_groups=None, over=()):
    return pswapaxes(x, axis_name, axis + 1 if axis >= 0 else axis, axis_index_groups=axis_index_groups)


@op(linear="x", vjp={"x": "lax.pswapaxes(d_out, axis_name, axis, axis_index_groups=axis_index_groups)"}, batch=_swapped_batched)
def pswapaxes(x, axis_name, axis, *, axis_index_groups=None):
    """Return arrays with a mapped axis and the array axis ``axis``, which is as long, in each other's places."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def _varied(leaf, axes):
    """Return an array as a value of its own, which varies along axes."""
    names = [axis.name for axis in axes if axis.name is not None]
    if tracing.block is None or tracing.block.module.varying is None or not names:
        return leaf
    value = lift_array(tracing.block, leaf)
    return Array(varying.mark(tracing.block.op("convert", [value], value.aval), varying.of(value) | set(names)))


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, axis_name, to, over=(): pcast(x, axis_name, to=to))
def pcast(x, axis_name, *, to):
    """Return arrays as they are, but counted as varying along mapped axes of a shard_map (``to="varying"``).

    A derivative with respect to one is then each device's own, not summed over them. ValueError outside shard_map.
    """
    if to not in ("varying", "unreduced", "reduced"):
        raise ValueError(f"pcast: to must be 'varying', 'unreduced' or 'reduced', got {to!r}")
    if to != "varying":
        raise ValueError(f"pcast: unsupported to={to!r}: sums that are still to be made are not kept as arrays here; use psum")
    if not bound.names:
        raise ValueError("pcast should be called inside shard_map")
    axes = lookup(axis_name)
    return tree_map(lambda leaf: _varied(leaf, axes), x)


def stage(x, /):
    """Return a number or array as an array: inside a staged function it is a value of the program."""
    from runtime import numpy as np
    return np.asarray(x)


__all__ = ["Tolerance", "broadcast_again", "pbroadcast", "pcast", "pswapaxes", "stage"]
