"""Meshes without devices, ``AbstractMesh``: names and sizes of axes, for programs whose devices are known later."""
from __future__ import annotations

import enum
import math
from collections import OrderedDict
from dataclasses import dataclass


class AxisType(enum.Enum):
    """Who decides how arrays lie along an axis of a mesh: XLA (``Auto``), the types of a program (``Explicit``), or, inside
    ``shard_map``, nobody: each device has its own (``Manual``)."""
    Auto = enum.auto()
    Explicit = enum.auto()
    Manual = enum.auto()

    def __repr__(self):
        return self.name


def checked_types(what: str, given, names: tuple) -> tuple:
    """Return the types of axes, one for each name; Auto where none are given. TypeError or ValueError for others."""
    kinds = (AxisType.Auto,) * len(names) if given is None else (given,) * len(names) if isinstance(given, AxisType) else tuple(given)
    kinds = tuple(AxisType(kind) if isinstance(kind, int) else getattr(AxisType, str(getattr(kind, "name", kind)), kind) for kind in kinds)
    if not all(isinstance(kind, AxisType) for kind in kinds):
        raise TypeError(f"axis_types passed to {what} must be of type AxisType, got {kinds}")
    if len(kinds) != len(names):
        raise ValueError(f"{what}: axis_types {kinds} and axis_names {names} must have the same length")
    return kinds


@dataclass(frozen=True)
class AbstractDevice:
    """What is known of the devices of an abstract mesh: their kind, cores and platform."""
    device_kind: str
    num_cores: int | None
    platform: str

    def __repr__(self):
        return f"device_kind={self.device_kind}, num_cores={self.num_cores}" + (f", platform={self.platform}" if self.platform else "")


class Axes:
    """What a mesh and an abstract one have in common: names, sizes and types of axes."""

    @property
    def shape(self) -> OrderedDict:
        """The size of each axis, by name."""
        return OrderedDict(zip(self.axis_names, self.axis_sizes))

    @property
    def shape_tuple(self) -> tuple:
        """The name and size of each axis."""
        return tuple(zip(self.axis_names, self.axis_sizes))

    def _of(self, kind: AxisType) -> tuple:
        return tuple(name for name, own in zip(self.axis_names, self.axis_types) if own is kind)

    def _all(self, kind: AxisType) -> bool:
        return bool(self.axis_types) and all(own is kind for own in self.axis_types)

    auto_axes = property(lambda self: self._of(AxisType.Auto), doc="The axes of type Auto.")
    explicit_axes = property(lambda self: self._of(AxisType.Explicit), doc="The axes of type Explicit.")
    manual_axes = property(lambda self: self._of(AxisType.Manual), doc="The axes of type Manual.")
    are_all_axes_auto = property(lambda self: self._all(AxisType.Auto), doc="Whether all axes are of type Auto.")
    are_all_axes_explicit = property(lambda self: self._all(AxisType.Explicit), doc="Whether all axes are of type Explicit.")
    are_all_axes_manual = property(lambda self: self._all(AxisType.Manual), doc="Whether all axes are of type Manual.")


class AbstractMesh(Axes):
    """A mesh of which only the axes are known.

    Shardings and ``shard_map`` over it mean the mesh of devices in context, whose axes have to be the same. ValueError when the
    lengths of the arguments differ.
    """
    _xform_constant = True

    def __init__(self, axis_sizes, axis_names, axis_types=None, *, abstract_device=None):
        if isinstance(axis_sizes, int) or isinstance(axis_names, str):
            raise TypeError(f"AbstractMesh takes tuples of sizes and names, got {axis_sizes!r} and {axis_names!r}")
        self.axis_sizes, self.axis_names = tuple(int(n) for n in axis_sizes), tuple(axis_names)
        if len(self.axis_sizes) != len(self.axis_names):
            raise ValueError(f"AbstractMesh: axis_sizes {self.axis_sizes} and axis_names {self.axis_names} must have the same length")
        if len(set(self.axis_names)) != len(self.axis_names):
            raise ValueError(f"AbstractMesh: axis_names={self.axis_names} must be distinct")
        self.axis_types = checked_types("AbstractMesh", axis_types, self.axis_names)
        self.abstract_device = abstract_device
        self._key = self.axis_sizes, self.axis_names, self.axis_types, abstract_device

    size = property(lambda self: math.prod(self.axis_sizes) if self.axis_sizes else 0, doc="The number of devices.")
    empty = property(lambda self: not self.axis_sizes, doc="Whether the mesh has no axes.")
    abstract_mesh = property(lambda self: self, doc="The mesh itself.")

    def update(self, axis_sizes=None, axis_names=None, axis_types=None, **more) -> AbstractMesh:
        """Return a mesh with other sizes, names or types of axes."""
        return AbstractMesh(self.axis_sizes if axis_sizes is None else axis_sizes, self.axis_names if axis_names is None else axis_names,
                            self.axis_types if axis_types is None else axis_types,
                            abstract_device=more.get("abstract_device", self.abstract_device))

    def update_axis_types(self, name_to_type: dict) -> AbstractMesh:
        """Return a mesh with other types of the named axes."""
        return self.update(axis_types=tuple(name_to_type.get(n, own) for n, own in zip(self.axis_names, self.axis_types)))

    def __getattr__(self, name):
        if name in ("devices", "device_ids", "is_multi_process", "local_devices", "local_mesh"):
            raise ValueError(f"AbstractMesh does not implement {name}: it has no devices")
        raise AttributeError(f"'AbstractMesh' object has no attribute {name!r}")

    def __eq__(self, other):
        return isinstance(other, AbstractMesh) and self._key == other._key

    def __hash__(self):
        return hash(("AbstractMesh", self._key))

    def __repr__(self):
        axes = ", ".join(f"{name!r}: {size}" for name, size in self.shape_tuple) or "()"
        device = "" if self.abstract_device is None else f", {self.abstract_device!r}"
        return f"AbstractMesh({axes}, axis_types={self.axis_types}{device})"

    def __reduce__(self):
        return _again, self._key

    def __xform_text__(self, write):
        return f"rt.AbstractMesh({self.axis_sizes!r}, {self.axis_names!r}, {tuple(kind.value for kind in self.axis_types)!r})"


def _again(sizes, names, types, abstract_device):
    return AbstractMesh(sizes, names, types, abstract_device=abstract_device)


__all__ = ["AbstractDevice", "AbstractMesh", "Axes", "AxisType", "checked_types"]
