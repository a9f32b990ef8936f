"""Arrays in parts on several devices: putting them there, moving them, and making one of what each device has."""
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from runtime import xla
from runtime.array import Array
from runtime.device import placement, process_index, put, to_numpy
from runtime.primitive import as_operand
from runtime.tiling import check_shape, layout_key, part_index, tiles_of
from runtime.types import Aval, aval, canonical_dtype


class Shard:
    """The part of an array that lies on one device: ``device``, ``index`` (slices), ``replica_id`` and ``data``.

    ``data`` is None where the device belongs to another process.
    """
    __slots__ = ("device", "index", "replica_id", "data")

    def __init__(self, device, index, replica_id, data):
        self.device, self.index, self.replica_id, self.data = device, index, replica_id, data

    def __repr__(self):
        return f"Shard(device={self.device!r}, index={self.index}, replica_id={self.replica_id}, data={self.data})"


def mine(sharding) -> list:
    """Return the devices of a sharding that belong to this process, in its order."""
    own = process_index(sharding._device_assignment[0].platform)
    return [d for d in sharding._device_assignment if d.process_index == own]


def shards_of(buffer) -> list[Shard]:
    """Return the parts of a buffer on all its devices."""
    sharding, shape = buffer._sharding, buffer.aval.shape
    grid, parts = tiles_of(sharding, len(shape))
    own = dict(zip(mine(sharding), pieces_of(buffer)))
    seen: dict[int, int] = {}
    found = []
    for device, part in zip(sharding._device_assignment, parts.tolist()):
        replica = seen[part] = seen.get(part, -1) + 1
        data = Array(own[device]) if device in own else None
        found.append(Shard(device, part_index(shape, grid, part), replica, data))
    return found


def pieces_of(buffer) -> list:
    """Return a buffer for each of this process's devices, sharing the memory."""
    sharding = buffer._sharding
    if len(sharding._device_assignment) == 1:
        return [buffer]
    grid, _ = tiles_of(sharding, buffer.aval.ndim)
    of = buffer.aval.with_shape(tuple(n // parts for n, parts in zip(buffer.aval.shape, grid)))
    parts = xla.parts(buffer)
    if parts is None:
        from runtime.execute import deleted
        raise deleted([buffer])
    return [xla.assemble(of, placement(device).sharding, [piece]) for device, piece in zip(mine(sharding), parts)]


def put_parts(host: np.ndarray, of: Aval, sharding):
    """Copy a NumPy array to this process's devices, to each its part."""
    check_shape(sharding, of.shape)
    grid, parts = tiles_of(sharding, of.ndim)
    place = dict(zip(sharding._device_assignment, parts.tolist()))
    own = mine(sharding)
    pieces = [np.ascontiguousarray(host[part_index(of.shape, grid, place[device])]).reshape(
        tuple(n // k for n, k in zip(of.shape, grid))) for device in own]
    # jaxlib can put all pieces at once only along one axis (bad_function_call otherwise): put each piece by itself
    made = [put(piece, of.with_shape(piece.shape), placement(device)) for piece, device in zip(pieces, own)]
    return xla.assemble(of, sharding, made)


def place(buffer, sharding):
    """Return a buffer's value under a sharding; where the parts lie right already nothing is copied."""
    have = buffer._sharding
    if have is sharding and (buffer._committed or len(have._device_assignment) > 1):
        return buffer
    if len(sharding._device_assignment) == 1:
        there = placement(sharding._device_assignment[0])
        from runtime.device import commit, move
        moved = move([buffer], there)[0]
        if type(sharding) is not xla.SingleDevice:
            return xla.assemble(buffer.aval, sharding, [moved])
        return moved if moved._committed else commit(moved, there)
    check_shape(sharding, buffer.aval.shape)
    if layout_key(have, buffer.aval.ndim) == layout_key(sharding, buffer.aval.ndim):
        by_device = dict(zip(mine(have), pieces_of(buffer)))
        return xla.assemble(buffer.aval, sharding, [by_device[device] for device in mine(sharding)])
    away = len(mine(have)) != len(have._device_assignment)
    if away or have._device_assignment[0].platform != "cpu":
        if set(have._device_assignment) == set(sharding._device_assignment):
            from runtime.partition import reshard
            return reshard(buffer, sharding)
        if away and not have.is_fully_replicated:
            raise ValueError(f"device_put: array of type {buffer.aval} spans devices of other processes and can only move "
                             "among the devices it is on")
    return put_parts(to_numpy(buffer), buffer.aval, sharding)




def make_array_from_callback(shape, sharding, data_callback: Callable, dtype=None) -> Array:
    """Return an array whose parts ``data_callback(index)`` gives; ``index`` is a tuple of slices of the whole.

    It is called once for each part on this process's devices. ValueError when a part has a wrong shape.
    """
    from runtime.sharding import sharding_of
    sharding, shape = sharding_of("make_array_from_callback", sharding), tuple(int(n) for n in shape)
    check_shape(sharding, shape)
    local, wanted, made = sharding.shard_shape(shape), sharding.devices_indices_map(shape), {}
    pieces = []
    for device in mine(sharding):
        index = wanted[device]
        key = str(index)
        if key not in made:
            part = as_operand(data_callback(index), "make_array_from_callback")
            part = np.asarray(part)
            if dtype is not None and part.dtype != canonical_dtype(dtype):
                raise ValueError(f"make_array_from_callback: the callback returned an array of dtype {part.dtype} for the index {index}; "
                                 f"dtype={dtype} was asked for: convert it in the callback")
            if part.shape != local:
                raise ValueError(f"make_array_from_callback: the callback returned an array of shape {part.shape} for the "
                                 f"index {index}; it must have shape {local}")
            made[key] = part
        part = made[key]
        pieces.append(put(part, aval(part.shape, part.dtype), placement(device)))
    if not pieces:
        raise ValueError("make_array_from_callback: the sharding has no device of this process")
    return Array(xla.assemble(aval(shape, pieces[0].aval.dtype), sharding, pieces))


def make_array_from_single_device_arrays(shape, sharding, arrays: Sequence[Array], *, dtype=None) -> Array:
    """Return one array of those that lie on this process's devices, one on each; no data are copied.

    ValueError when a device lacks its part, or a part has a wrong shape or dtype.
    """
    from runtime.sharding import sharding_of
    sharding, shape = sharding_of("make_array_from_single_device_arrays", sharding), tuple(int(n) for n in shape)
    local, own = sharding.shard_shape(shape), mine(sharding)
    arrays = [arrays] if isinstance(arrays, Array) else list(arrays)
    by_device = {}
    for array in arrays:
        where = array._v._sharding._device_assignment
        if len(where) != 1:
            raise ValueError(f"make_array_from_single_device_arrays: an array of shape {array.shape} lies on {len(where)} devices")
        if array.shape != local or array.dtype != arrays[0].dtype:
            raise ValueError(f"make_array_from_single_device_arrays: the array on {where[0]} is {array.dtype}{list(array.shape)}; "
                             f"{sharding} of an array of shape {shape} wants {arrays[0].dtype}{list(local)}")
        by_device[where[0]] = array._v
    missing = [d for d in own if d not in by_device]
    if missing or len(by_device) != len(own):
        raise ValueError(f"make_array_from_single_device_arrays: {len(own)} arrays are needed, one on each of {own}; got "
                         f"{len(arrays)} on {sorted(by_device, key=lambda d: d.id)}")
    of = aval(shape, arrays[0].dtype if arrays else canonical_dtype(dtype))
    return Array(xla.assemble(of, sharding, [by_device[d] for d in own]))


def make_array_from_process_local_data(sharding, local_data, global_shape=None) -> Array:
    """Return an array of the data that each process has of it; ``global_shape`` is inferred where it is not given.

    A dimension over which processes differ is the concatenation of theirs; along the others all give the same, whole.
    """
    from runtime.sharding import sharding_of
    sharding = sharding_of("make_array_from_process_local_data", sharding)
    host = np.asarray(local_data)
    grid, parts = tiles_of(sharding, host.ndim)
    own = set(mine(sharding))
    local = [np.unravel_index(int(n), grid) if grid else () for d, n in zip(sharding._device_assignment, parts) if d in own]
    if not local:
        raise ValueError("make_array_from_process_local_data: the sharding has no device of this process")
    low = [min(where[i] for where in local) for i in range(host.ndim)]
    span = [len({where[i] for where in local}) for i in range(host.ndim)]
    given = tuple(global_shape) if global_shape is not None else (None,) * host.ndim
    if len(given) != host.ndim:
        raise ValueError(f"make_array_from_process_local_data: global_shape {given} and the local shape {host.shape} must have "
                         "the same length")
    shape, start = [], []
    for n, want, tiles, covered, first in zip(host.shape, given, grid, span, low):
        if covered == tiles or want == n:       # this process has all of the dimension
            whole, begin = n, 0
        else:
            whole, begin = n * tiles // covered, first * (n // covered)
        if want is not None and want != whole:
            raise ValueError(f"make_array_from_process_local_data: local shape {host.shape} and global_shape {given} do not "
                             f"fit {sharding}: expected {whole} where global_shape has {want}")
        shape.append(whole)
        start.append(begin)

    def part(index):
        where = tuple(slice((s.start or 0) - b, (n if s.stop is None else s.stop) - b)
                      for s, b, n in zip(index, start, shape))
        return host[where]
    return make_array_from_callback(tuple(shape), sharding, part)


__all__ = ["Shard", "make_array_from_callback", "make_array_from_process_local_data",
           "make_array_from_single_device_arrays"]
