"""Arrangements of devices for meshes: those of one machine, and those of several in blocks."""
from __future__ import annotations

import math

import numpy as np

from runtime.device import devices as all_devices


def create_device_mesh(mesh_shape, devices=None, *, contiguous_submeshes: bool = False, allow_split_physical_axes: bool = False) -> np.ndarray:
    """Return a NumPy array of devices in a shape: the last axes are those whose devices are nearest to each other.

    CPUs and GPUs are taken process by process; the two options are for accelerators with a topology of their own, and change
    nothing here. ValueError when there are more or fewer ``devices`` than the shape has places.
    """
    found = list(all_devices() if devices is None else devices)
    if math.prod(mesh_shape) != len(found):
        raise ValueError(f"Number of devices {len(found)} must equal the product of mesh_shape {tuple(mesh_shape)}")
    return np.array(found, dtype=object).reshape(tuple(mesh_shape))


def create_hybrid_device_mesh(mesh_shape, dcn_mesh_shape, devices=None, *, process_is_granule: bool = False,
                              should_sort_granules_by_key: bool = True, allow_split_physical_axes: bool = False) -> np.ndarray:
    """Return an array of devices in shape ``mesh_shape * dcn_mesh_shape``: the latter counts the granules along each axis.

    A granule is a slice of an accelerator (``slice_index``), or a process: whose devices communicate fast. ValueError when
    their number is not the product of ``dcn_mesh_shape``, or the shapes differ in length.
    """
    found = list(all_devices() if devices is None else devices)
    if len(mesh_shape) != len(dcn_mesh_shape):
        raise ValueError(f"create_hybrid_device_mesh: mesh_shape {tuple(mesh_shape)} and dcn_mesh_shape {tuple(dcn_mesh_shape)} must have "
                         "the same length")
    attribute = "process_index" if process_is_granule else "slice_index"
    if not all(hasattr(device, attribute) for device in found):
        raise ValueError(f"create_hybrid_device_mesh: {found[0]} does not know its {attribute}: pass process_is_granule=True")
    granules: dict = {}
    for device in found:
        granules.setdefault(getattr(device, attribute), []).append(device)
    if math.prod(dcn_mesh_shape) != len(granules):
        raise ValueError(f"Number of slices/granules {len(granules)} must equal the product of dcn_mesh_shape {tuple(dcn_mesh_shape)}")
    order = sorted(granules) if should_sort_granules_by_key else list(granules)
    blocks = np.empty(tuple(dcn_mesh_shape), dtype=object)
    for place, key in zip(np.ndindex(*dcn_mesh_shape), order):
        blocks[place] = create_device_mesh(mesh_shape, granules[key], allow_split_physical_axes=allow_split_physical_axes)
    return np.block(blocks.tolist())


__all__ = ["create_device_mesh", "create_hybrid_device_mesh"]
