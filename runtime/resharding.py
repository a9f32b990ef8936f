"""Arrays put under other shardings, and functions of arrays that are: ``reshard``, ``auto_axes``, ``explicit_axes``."""
from __future__ import annotations

import functools

from runtime.op import op
from runtime.ops.constrain import with_sharding_constraint
from runtime.sharding import AbstractSharding, NamedSharding, PartitionSpec, current_mesh
from runtime.tree import tree_leaves


@op(constant=True, unbatched=True)
def checked_shardings(out_shardings):
    """Return shardings that arrays can be put under; TypeError for other things, ValueError for specs without a mesh."""
    for sharding in tree_leaves(out_shardings):
        if not isinstance(sharding, (NamedSharding, AbstractSharding, PartitionSpec)):
            raise TypeError("`out_sharding` argument of reshard only supports instances of `NamedSharding` or `PartitionSpec`, got "
                            f"{sharding} of type {type(sharding)}")
        if isinstance(sharding, PartitionSpec) and current_mesh() is None:
            raise ValueError(f"reshard got {sharding}, which names axes of a mesh, but there is none here: call it inside "
                             "`with set_mesh(mesh):`, or pass a NamedSharding")
    return out_shardings


@op(constant=True, unbatched=True)
def needed(name, sharding):
    """Return the sharding; TypeError where there is none."""
    if sharding is None:
        raise TypeError(f"Missing required keyword argument: {name!r}")
    return sharding


def reshard(xs, out_shardings):
    """Return a pytree of arrays that lie as the shardings say (a prefix tree, or specs of the mesh in context).

    In the derivative, cotangents lie as their arrays do.
    """
    return with_sharding_constraint(xs, checked_shardings(out_shardings))


def auto_axes(f=None, /, *, axes=None, out_sharding=None):
    """Return a function whose results lie as ``out_sharding`` says; inside, XLA decides, as it does along axes of any type here.

    ``axes`` are those that are Auto inside, all by default. The function takes positional arguments, and ``out_sharding`` where
    it is not given here.
    """
    if f is None:
        return functools.partial(auto_axes, axes=axes, out_sharding=out_sharding)
    outside = out_sharding

    def with_auto_axes(*args, out_sharding=None):
        out, where = f(*args), outside if out_sharding is None else out_sharding
        return reshard(out, needed("out_sharding", where))
    return with_auto_axes


def explicit_axes(f=None, /, *, axes=None, in_sharding=None):
    """Return a function whose arguments lie as ``in_sharding`` (a prefix of the tuple of them) says.

    ``axes`` are those that are Explicit inside, all by default. The function takes positional arguments, and ``in_sharding``
    where it is not given here.
    """
    if f is None:
        return functools.partial(explicit_axes, axes=axes, in_sharding=in_sharding)
    inside = in_sharding

    def with_explicit_axes(*args, in_sharding=None):
        where = inside if in_sharding is None else in_sharding
        return f(*reshard(args, needed("in_sharding", where)))
    return with_explicit_axes


__all__ = ["auto_axes", "explicit_axes", "reshard"]
