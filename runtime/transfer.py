"""Moves pytrees of arrays between host and devices, and waits for them."""
from __future__ import annotations

import numpy as np

from runtime import xla
from runtime.array import Array
from runtime.device import client, commit, default_placement, move, placement, to_numpy
from runtime.op import op
from runtime.primitive import as_operand
from runtime.tree import tree_leaves, tree_map
from runtime.types import KEY
from runtime.xla import ArrayImpl, transfer_guards


def _put_batched(x, device=None, *, src=None, donate=False, may_alias=None, over=()):
    return x if hasattr(device, "spec") or device is None else device_put(x, device)


@op(linear="x", vjp={"x": "d_out"}, batch=_put_batched)
def device_put(x, device=None, *, src=None, donate=False, may_alias=None):
    """Return a pytree of arrays on a device, or under a sharding; with None, unplaced values go to the default device.

    ``device`` may be a pytree of these that is a prefix of ``x``. Arrays put somewhere stay there: operations on them run
    there. TypeError for leaves that are no arrays, ValueError for a dimension that does not divide among its devices.
    """
    if device is not None and not isinstance(device, (xla.Device, str, xla.SingleDevice)):
        from runtime.partition import along
        from runtime.shards import place as lay
        where = iter(along("device_put", device, x))

        def spread(leaf):
            array, sharding = as_operand(leaf, "device_put"), next(where)
            if sharding is None:
                return array
            if type(array._v) is not ArrayImpl:     # being staged: where the program's value is to lie
                from runtime.ops.constrain import with_sharding_constraint
                return with_sharding_constraint(array, sharding)
            return Array(lay(array._v, sharding))
        return tree_map(spread, x)
    if isinstance(device, xla.SingleDevice):
        device = device._device_assignment[0]
    place = None if device is None else placement(device)

    def one(leaf):
        array = as_operand(leaf, "device_put")
        if place is None or type(array._v) is not ArrayImpl:
            return array
        buffer = move([array._v], place)[0]
        return Array(buffer if buffer._committed else commit(buffer, place))
    guard = transfer_guards.thread_local_state()
    before, guard.explicit_device_put = guard.explicit_device_put, True
    try:
        return tree_map(one, x)
    finally:
        guard.explicit_device_put = before


def device_get(x):
    """Return a pytree with its arrays as NumPy arrays; other leaves stay as they are."""
    leaves = [leaf for leaf in tree_leaves(x) if isinstance(leaf, Array) and type(leaf._v) is ArrayImpl]
    for leaf in leaves:
        if len(leaf._v._sharding._device_assignment) == 1 and not leaf._v.is_deleted():
            leaf._v._copy_single_device_array_to_host_async()
    guard = transfer_guards.thread_local_state()
    before, guard.explicit_device_get = guard.explicit_device_get, True
    try:
        return tree_map(lambda leaf: np.asarray(leaf) if isinstance(leaf, Array) and leaf.dtype != KEY else leaf, x)
    finally:
        guard.explicit_device_get = before


def block_until_ready(x):
    """Wait for all arrays of a pytree, and return it."""
    xla.block_until_ready([leaf._v for leaf in tree_leaves(x) if isinstance(leaf, Array) and type(leaf._v) is ArrayImpl])
    return x


def live_arrays(platform=None) -> list[Array]:
    """Return the arrays that hold memory on the devices of a platform (default: the default device's)."""
    found = default_placement().client if platform is None else client(platform)
    return [Array(v) for v in found.live_arrays() if not v.is_deleted() and v.aval is not None]


__all__ = ["block_until_ready", "device_get", "device_put", "live_arrays", "to_numpy"]
