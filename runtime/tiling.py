"""Which part of an array lies on which device: questions that every sharding answers from its tiling."""
from __future__ import annotations

import math

import numpy as np


def tiles_of(sharding, ndim: int) -> tuple[tuple[int, ...], np.ndarray]:
    """Return into how many parts each dimension is cut, and for every device, in its order, the number of its part."""
    count = len(sharding._device_assignment)
    whole = (1,) * ndim
    if count == 1:
        return whole, np.zeros(1, int)
    spec = sharding._to_xla_hlo_sharding(ndim)
    if spec.is_replicated():
        return whole, np.zeros(count, int)
    grid = tuple(spec.tile_assignment_dimensions()[:ndim])
    copies = count // math.prod(grid)
    parts = np.empty(count, int)
    parts[np.array(list(spec.tile_assignment_devices()), int)] = np.arange(count) // copies
    return grid, parts


def check_shape(sharding, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless every dimension divides evenly among the devices along it."""
    grid, _ = tiles_of(sharding, len(shape))
    for dimension, (length, parts) in enumerate(zip(shape, grid)):
        if length % parts:
            raise ValueError(f"Sharding {sharding} implies that dimension {dimension} of an array of shape {tuple(shape)} "
                             f"is cut into {parts} parts, but its length {length} is not divisible by {parts}. Pad it, or "
                             "shard another dimension.")


def part_index(shape, grid, number: int) -> tuple[slice, ...]:
    """Return the slices of one part of an array; a dimension that is not cut has ``slice(None)``."""
    where = np.unravel_index(number, grid) if grid else ()
    return tuple(slice(None) if parts == 1 else slice(int(i) * (n // parts), (int(i) + 1) * (n // parts))
                 for i, n, parts in zip(where, shape, grid))


def _device_set(self) -> set:
    """The devices over which arrays are spread."""
    return set(self._device_assignment)


def _addressable(self) -> list:
    mine = self._device_assignment[0].client.process_index()
    return [device for device in self._device_assignment if device.process_index == mine]


def _addressable_devices(self) -> set:
    """Those of the devices that belong to this process."""
    return set(_addressable(self))


def _num_devices(self) -> int:
    """The number of devices."""
    return len(self._device_assignment)


def _is_fully_addressable(self) -> bool:
    """Whether all devices belong to this process."""
    return len(_addressable(self)) == len(self._device_assignment)


def _is_fully_replicated(self) -> bool:
    """Whether every device holds all of an array."""
    return len(self._device_assignment) == 1 or self._hlo_sharding.is_replicated()


def _devices_indices_map(self, global_shape) -> dict:
    """Return, for every device, the slices of its part of an array of a shape."""
    shape = tuple(global_shape)
    check_shape(self, shape)
    grid, parts = tiles_of(self, len(shape))
    return {device: part_index(shape, grid, int(n)) for device, n in zip(self._device_assignment, parts)}


def _addressable_devices_indices_map(self, global_shape) -> dict:
    """Return, for every device of this process, the slices of its part of an array of a shape."""
    found = _devices_indices_map(self, global_shape)
    return {device: found[device] for device in _addressable(self)}


def _shard_shape(self, global_shape) -> tuple[int, ...]:
    """Return the shape of one device's part of an array of a shape."""
    shape = tuple(global_shape)
    check_shape(self, shape)
    return tuple(n // parts for n, parts in zip(shape, tiles_of(self, len(shape))[0]))


def _is_equivalent_to(self, other, ndim: int) -> bool:
    """Tell whether arrays of a rank lie in the same way under another sharding."""
    return self is other or layout_key(self, ndim) == layout_key(other, ndim)


def layout_key(sharding, ndim: int) -> tuple:
    """Return what two shardings have in common that put arrays of a rank in the same places."""
    devices = sharding._device_assignment
    grid, parts = tiles_of(sharding, ndim)
    placed = sorted(zip([(d.platform, d.id) for d in devices], parts.tolist()))
    return grid, tuple(placed)


def answers(cls):
    """Give a sharding class (of jaxlib's own, which take no second base) the methods of this module."""
    cls.device_set = property(_device_set)
    cls.addressable_devices = property(_addressable_devices)
    cls.num_devices = property(_num_devices)
    cls.is_fully_addressable = property(_is_fully_addressable)
    if "is_fully_replicated" not in vars(cls):
        cls.is_fully_replicated = property(_is_fully_replicated)
    cls.devices_indices_map = _devices_indices_map
    cls.addressable_devices_indices_map = _addressable_devices_indices_map
    cls.shard_shape = _shard_shape
    cls.is_equivalent_to = _is_equivalent_to
    return cls
