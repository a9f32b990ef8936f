"""shard_map by other names: ``experimental.shard_map``, with the arguments that it had before it was public, and ``smap``."""
from __future__ import annotations

import functools

from runtime.sharding import PartitionSpec
from runtime.tree import tree_map
from xform.api import shard_map as _shard_map


def shard_map(f, mesh, in_specs, out_specs, check_rep: bool = True, auto=frozenset()):
    """Return ``f`` run on every device of a mesh (see ``xform.shard_map``); ``auto`` are the axes that it is not over."""
    names = frozenset(mesh.axis_names) - frozenset(auto) if auto else frozenset()
    return _shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, axis_names=names, check_vma=check_rep)


def smap(f=None, /, *, in_axes=0, out_axes, axis_name, check_vma: bool = True):
    """Return ``f`` mapped over one axis of the mesh in context, as ``shard_map`` maps it, with numbers of dimensions in place of specs.

    in_axes, out_axes: prefixes of the arguments and of the result with, as leaves, the dimension that is cut, or None.
    """
    if f is None:
        return functools.partial(smap, in_axes=in_axes, out_axes=out_axes, axis_name=axis_name, check_vma=check_vma)
    if not isinstance(axis_name, str):
        raise TypeError(f"smap: axis_name should be a string, got {axis_name!r}")

    def specs(what, axes):
        def one(axis):
            if axis is not None and not isinstance(axis, int):
                raise TypeError(f"smap {what} must be an int, None, or a pytree of these, got {axis!r}")
            if axis is not None and axis < 0:
                raise NotImplementedError(f"smap {what}: count the dimension from the left, {axis} is negative")
            return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, axis_name)
        return tree_map(one, axes, is_leaf=lambda axis: axis is None)
    return _shard_map(f, in_specs=specs("in_axes", tuple(in_axes) if isinstance(in_axes, list) else in_axes),
                      out_specs=specs("out_axes", out_axes), axis_names={axis_name}, check_vma=check_vma)


__all__ = ["shard_map", "smap"]
