"""``xform.experimental.shard_map``: shard_map with the arguments that it had before it was public."""
from __future__ import annotations

from xform.api import shard_map as _shard_map


def shard_map(f, mesh, in_specs, out_specs, check_rep: bool = True, auto=frozenset()):
    """Return ``f`` run on every device of a mesh (see ``xform.shard_map``); ``auto`` are the axes that it is not over."""
    names = frozenset(mesh.axis_names) - frozenset(auto) if auto else frozenset()
    return _shard_map(f, mesh=mesh, in_specs=in_specs, out_specs=out_specs, axis_names=names, check_vma=check_rep)


__all__ = ["shard_map"]
