"""Meshes of devices, and how arrays are spread over them: ``Mesh``, ``PartitionSpec``, ``NamedSharding``.

Docs and names follow JAX's ``jax.sharding``; what a spec means is stated at ``NamedSharding``.
"""
from __future__ import annotations

import math

import numpy as np

from runtime import xla
from runtime.abstract_mesh import AbstractDevice, AbstractMesh, Axes, AxisType, checked_types
from runtime.device import devices as all_devices
from runtime.hlo import in_context
from runtime.layout import Tiled
from runtime.tiling import answers

SingleDeviceSharding = xla.SingleDevice
GSPMDSharding = Tiled


class _Unconstrained:
    """The entry of a PartitionSpec that leaves a dimension to the compiler."""

    def __repr__(self):
        return "UNCONSTRAINED"


class PartitionSpec:
    """Mesh axes for the dimensions of an array: for each a name, a tuple of names, None, or ``UNCONSTRAINED``.

    Dimensions beyond the last entry are not cut. ``unreduced`` and ``reduced`` are taken empty: arrays here are always summed up
    (NotImplementedError otherwise).
    """
    __slots__ = ("entries",)
    _xform_constant = True  # made of constants it is one, and may be written where the compiler wants an option
    UNCONSTRAINED = _Unconstrained()

    def __init__(self, *partitions, unreduced=frozenset(), reduced=frozenset()):
        for key, axes in (("unreduced", unreduced), ("reduced", reduced)):
            if not isinstance(axes, (set, frozenset)):
                raise TypeError(f"{key} argument of PartitionSpec should be of type `frozenset` or `set`, got {axes!r}")
            if axes:
                raise NotImplementedError(f"PartitionSpec: {key}={set(axes)!r} is not supported: partial sums are no arrays here; sum them "
                                          "with lax.psum in shard_map")
        entries = []
        for part in partitions:
            if isinstance(part, list):
                part = tuple(part)
            if isinstance(part, tuple):
                part = part[0] if len(part) == 1 else part or None
            entries.append(part)
        self.entries = tuple(entries)

    def __iter__(self):
        return iter(self.entries)

    def __len__(self):
        return len(self.entries)

    def __getitem__(self, i):
        return self.entries[i]

    def __eq__(self, other):
        return isinstance(other, PartitionSpec) and self.entries == other.entries

    def __hash__(self):
        return hash(("PartitionSpec", self.entries))

    def __add__(self, other):
        return PartitionSpec(*self.entries, *(other.entries if isinstance(other, PartitionSpec) else other))

    def __repr__(self):
        return f"P({', '.join(map(repr, self.entries))}{',' if len(self.entries) == 1 else ''})"

    def __reduce__(self):
        return PartitionSpec, self.entries

    def names(self) -> tuple:
        """Return the mesh axes that the spec mentions, in order."""
        found = []
        for part in self.entries:
            if part is not None and part is not PartitionSpec.UNCONSTRAINED:
                found += part if isinstance(part, tuple) else (part,)
        return tuple(found)

    def __xform_text__(self, write):
        parts = ("rt.P.UNCONSTRAINED" if p is PartitionSpec.UNCONSTRAINED else repr(p) for p in self.entries)
        return f"rt.P({', '.join(parts)})"


P = PartitionSpec


class Mesh(Axes):
    """An array of devices with a name for each of its axes; also a context for specs without a mesh.

    ``axis_types`` are kept, but no operation reckons with the shardings of types: along axes of any type XLA decides how arrays lie, but
    where ``out_sharding=``, ``reshard`` and ``with_sharding_constraint`` say so. ValueError when the number of names is not the
    number of axes, or a name occurs twice. NotImplementedError for axes of type Manual, which are those inside ``shard_map``.
    """

    def __init__(self, devices, axis_names, axis_types=None):
        if isinstance(axis_names, str):
            axis_names = (axis_names,)
        self.devices = np.array(devices, dtype=object)
        self.axis_names = tuple(axis_names)
        if self.devices.ndim != len(self.axis_names) and (self.devices.size or self.axis_names):
            raise ValueError(f"Mesh requires the ndim of its first argument (`devices`) to equal the length of its second "
                             f"argument (`axis_names`), but got devices.ndim == {self.devices.ndim} and "
                             f"len(axis_names) == {len(self.axis_names)}.")
        if len(set(self.axis_names)) != len(self.axis_names):
            raise ValueError(f"Mesh: axis_names={self.axis_names} must be distinct")
        self.flat = tuple(self.devices.flat)
        self.axis_types = checked_types("Mesh", axis_types, self.axis_names)
        if AxisType.Manual in self.axis_types:
            raise NotImplementedError(f"Mesh: axis_types={self.axis_types}: axes are Manual inside shard_map only; make the mesh of "
                                      "Auto axes and call shard_map")
        self._key = self.axis_names, self.devices.shape, self.flat, self.axis_types
        self._hash = hash(self._key)
        self._befores: list = []

    @property
    def axis_sizes(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.devices.shape

    @property
    def size(self) -> int:
        """The number of devices."""
        return len(self.flat)

    @property
    def empty(self) -> bool:
        """Whether the mesh has no devices."""
        return not self.flat

    @property
    def device_ids(self) -> np.ndarray:
        """The numbers of the devices, in the shape of the mesh."""
        return np.array([d.id for d in self.flat]).reshape(self.devices.shape)

    @property
    def local_devices(self) -> list:
        """The devices of this process."""
        return [d for d in self.flat if d.process_index == d.client.process_index()]

    @property
    def is_multi_process(self) -> bool:
        """Whether some devices belong to other processes."""
        return len(self.local_devices) != len(self.flat)

    @property
    def is_scalar(self) -> bool:
        """Whether the mesh is one device without axes."""
        return self.size == 1 and not self.axis_names

    @property
    def abstract_mesh(self) -> AbstractMesh:
        """The mesh without its devices."""
        kind = AbstractDevice(self.flat[0].device_kind, None, self.flat[0].platform) if self.flat else None
        return AbstractMesh(self.axis_sizes if self.flat else (), self.axis_names, self.axis_types, abstract_device=kind)

    @property
    def local_mesh(self) -> Mesh:
        """The mesh of this process's devices."""
        if not self.is_multi_process:
            return self
        local = np.vectorize(lambda d: d.process_index == d.client.process_index(), otypes=[bool])(self.devices)
        ranges = [np.unique(places) for places in np.nonzero(local)]
        part = self.devices[np.ix_(*ranges)]
        if part.size != local.sum():
            raise ValueError(f"{self}: the devices of this process are no mesh by themselves")
        return Mesh(part, self.axis_names, self.axis_types)

    def update(self, devices=None, axis_names=None, axis_types=None) -> Mesh:
        """Return a mesh with other devices, names or types of axes."""
        return Mesh(self.devices if devices is None else devices, self.axis_names if axis_names is None else axis_names,
                    self.axis_types if axis_types is None else axis_types)

    def __eq__(self, other):
        return self is other or isinstance(other, Mesh) and self._key == other._key

    def __hash__(self):
        return self._hash

    def __enter__(self):
        self._befores.append(in_context.mesh)
        in_context.mesh = self
        return self

    def __exit__(self, *error):
        in_context.mesh = self._befores.pop()

    def __repr__(self):
        sizes = ", ".join(f"{name!r}: {size}" for name, size in self.shape.items())
        return f"Mesh({sizes}, device_ids={[d.id for d in self.flat]})"

    def __xform_text__(self, write):
        text = f"rt.make_mesh({self.devices.shape!r}, {self.axis_names!r}"
        if not self.are_all_axes_auto and self.axis_names:
            text += f", axis_types={tuple(kind.value for kind in self.axis_types)!r}"
        if list(self.flat) == all_devices()[:len(self.flat)]:
            return text + ")"
        return f"{text}, devices=rt.devices_by_id({self.flat[0].platform!r}, {tuple(d.id for d in self.flat)!r}))"


def current_mesh() -> Mesh | None:
    """Return the mesh of the innermost ``with mesh:``, or None."""
    return in_context.mesh


def get_mesh() -> Mesh:
    """Return the mesh of the innermost ``with mesh:`` or ``set_mesh``; one without devices where there is none."""
    return in_context.mesh if in_context.mesh is not None else Mesh(np.empty(0, object), ())


def get_abstract_mesh() -> AbstractMesh:
    """Return the abstract mesh of ``use_abstract_mesh``, else that of the mesh in context; one without axes where there is none.

    Inside ``shard_map`` the axes that it is over are of type Manual.
    """
    from runtime.mesh import bound
    if bound.manual:
        return bound.devices.abstract_mesh.update_axis_types(dict.fromkeys(bound.manual, AxisType.Manual))
    return in_context.abstract if in_context.abstract is not None else get_mesh().abstract_mesh


get_mesh._xform_in_context = get_abstract_mesh._xform_in_context = True     # as an option: None, which is what is in context


class use_abstract_mesh:
    """A context in which ``get_abstract_mesh`` gives this mesh; shardings over it mean the mesh of devices in context."""

    def __init__(self, mesh: AbstractMesh):
        if not isinstance(mesh, AbstractMesh):
            raise ValueError(f"Expected mesh of type AbstractMesh, got {type(mesh)}")
        self.mesh = mesh

    def __enter__(self):
        self.before, in_context.abstract = in_context.abstract, self.mesh
        return self.mesh

    def __exit__(self, *error):
        in_context.abstract = self.before


def with_devices(what: str, mesh, given: Mesh | None = None) -> Mesh:
    """Return a mesh of devices for an abstract one: the mesh in context (or ``given``), which has to have the same axes."""
    if not isinstance(mesh, AbstractMesh):
        return mesh
    found = given or current_mesh()
    if found is None or found.shape_tuple != mesh.shape_tuple:
        raise ValueError(f"{what} got {mesh}, which has no devices, and {'there is no mesh' if found is None else f'{found} is'} in context: "
                         "call it inside `with set_mesh(mesh):`, with a mesh of devices that has these axes")
    return found


class set_mesh:
    """Have specs without a mesh mean this one from now on, or, as a context (``with set_mesh(mesh):``), inside it."""

    def __init__(self, mesh: Mesh):
        if not isinstance(mesh, Mesh):
            raise ValueError(f"Expected mesh of type Mesh, one of devices, got {type(mesh)}")
        self.mesh, self.before = mesh, in_context.mesh
        in_context.mesh = None if mesh.empty else mesh

    def __enter__(self):
        return self.mesh

    def __exit__(self, *error):
        in_context.mesh = self.before


use_mesh = set_mesh


def make_single_device_sharding(device, *, memory_kind=None):
    """Return the sharding of arrays on one device. ValueError for a ``memory_kind`` other than the device's default."""
    default = device.default_memory().kind
    if memory_kind not in (None, default):
        raise ValueError(f"make_single_device_sharding: memory_kind={memory_kind!r}; arrays lie in the default memory, {default!r}")
    return SingleDeviceSharding(device)


def make_mesh(axis_shapes, axis_names, axis_types=None, *, devices=None) -> Mesh:
    """Return a mesh of the first devices in row-major order, or of ``devices``.

    ValueError when there are fewer devices than the product of ``axis_shapes``.
    """
    shape = tuple(int(n) for n in ((axis_shapes,) if isinstance(axis_shapes, int) else axis_shapes))
    axis_names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
    if len(shape) != len(axis_names):
        raise ValueError(f"make_mesh: axis_shapes {shape} and axis_names {axis_names} must have the same length")
    found = list(all_devices() if devices is None else np.asarray(devices, dtype=object).flat)
    count = math.prod(shape)
    if len(found) < count or devices is not None and len(found) != count:
        remedy = (f" Set the environment variable XFORM_CPU_DEVICES={count}, before xform is imported, to have as many CPU "
                  "devices." if devices is None and found and found[0].platform == "cpu" else "")
        raise ValueError(f"make_mesh: the number of devices {len(found)} must be "
                         f"{'>= ' if devices is None else ''}the product of mesh_shape {shape}, {count}.{remedy}")
    return Mesh(np.array(found[:count], dtype=object).reshape(shape), axis_names, axis_types)


def devices_by_id(platform: str, ids) -> list:
    """Return devices by their numbers, as generated code names them."""
    known = {d.id: d for d in all_devices(platform)}
    return [known[i] for i in ids]


def spread(mesh: Mesh, spec: PartitionSpec, ndim: int):
    """Return XLA's form of a spec for arrays of a rank: tiles over the mesh's devices, counted in its own order."""
    shape, place = mesh.devices.shape, {name: i for i, name in enumerate(mesh.axis_names)}
    by_dimension = [() if p is None or p is PartitionSpec.UNCONSTRAINED else p if isinstance(p, tuple) else (p,) for p in spec]
    by_dimension += [()] * (ndim - len(by_dimension))
    axes = [[place[name] for name in names if shape[place[name]] > 1] for names in by_dimension]
    made = xla.OpSharding()
    used = [a for names in axes for a in names]
    if not used:
        made.type = xla.OpSharding.Type.REPLICATED
        return xla.HloSharding.from_proto(made)
    made.type = xla.OpSharding.Type.OTHER
    tiles = [math.prod(shape[a] for a in names) for names in axes]
    rest = [a for a in range(len(shape)) if a not in used]
    copies = math.prod(shape[a] for a in rest)
    if copies > 1:
        tiles.append(copies)
        made.replicate_on_last_tile_dim = True
    made.tile_assignment_dimensions = tiles
    made.tile_assignment_devices = np.arange(mesh.size).reshape(shape).transpose(used + rest).ravel().tolist()
    return xla.HloSharding.from_proto(made)


def _everywhere():
    spec = xla.OpSharding()
    spec.type = xla.OpSharding.Type.REPLICATED
    return xla.HloSharding.from_proto(spec)


class AbstractSharding:
    """What ``NamedSharding(mesh, spec)`` is over an abstract mesh: ``mesh``, ``spec`` and the shapes of parts."""
    _xform_constant = True

    def __init__(self, mesh: AbstractMesh, spec: PartitionSpec):
        self.mesh, self.spec = mesh, _checked_spec(mesh, spec)

    num_devices = property(lambda self: self.mesh.size, doc="The number of devices.")
    says_nothing = property(lambda self: not self.spec.names() and not self.mesh.explicit_axes,
                            doc="Whether the compiler decides how arrays lie, as the types of arrays say where no axis is Explicit.")

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device holds all of an array."""
        return all(self.mesh.shape[name] == 1 for name in self.spec.names())

    def shard_shape(self, global_shape) -> tuple:
        """Return the shape of the part that each device has; ValueError where a dimension does not divide."""
        parts = [math.prod(self.mesh.shape[n] for n in PartitionSpec(p).names()) for p in self.spec]
        if len(parts) > len(global_shape) or any(n % k for n, k in zip(global_shape, parts)):
            raise ValueError(f"{self} does not divide an array of shape {tuple(global_shape)}")
        return tuple(n // k for n, k in zip(global_shape, parts)) + tuple(global_shape[len(parts):])

    def __getattr__(self, name):
        if name in ("device_set", "addressable_devices", "is_fully_addressable", "devices_indices_map", "addressable_devices_indices_map"):
            raise ValueError(f"{name} is not implemented for an AbstractMesh: it has no devices")
        raise AttributeError(f"'AbstractSharding' object has no attribute {name!r}")

    def __eq__(self, other):
        return isinstance(other, AbstractSharding) and (self.mesh, self.spec) == (other.mesh, other.spec)

    def __hash__(self):
        return hash((self.mesh, self.spec))

    def __repr__(self):
        return f"NamedSharding(mesh={self.mesh!r}, spec={self.spec!r})"

    def __reduce__(self):
        return AbstractSharding, (self.mesh, self.spec)

    def __xform_text__(self, write):
        return f"rt.NamedSharding({write(self.mesh)}, {write(self.spec)})"


def _checked_spec(mesh, spec) -> PartitionSpec:
    spec = spec if isinstance(spec, PartitionSpec) else PartitionSpec(*spec) if isinstance(spec, (tuple, list)) else spec
    if not isinstance(spec, PartitionSpec):
        raise TypeError(f"NamedSharding: spec must be a PartitionSpec, got {spec!r}")
    names = spec.names()
    for name in names:
        if name not in mesh.axis_names:
            raise ValueError(f"Resource axis: {name} of {spec} is not found in mesh: {mesh.axis_names}.")
    if len(set(names)) != len(names):
        raise ValueError(f"A single NamedSharding spec specification can map every mesh axis to at most one positional "
                         f"dimension, but {spec} has duplicate entries")
    return spec


@answers
class NamedSharding(xla.GSPMDSharding):
    """How arrays lie on a mesh: each dimension is cut along the axes that the spec names for it, row-major.

    Devices along axes that the spec does not name hold copies. ValueError for a name that the mesh lacks or that occurs
    twice.
    """

    _xform_constant = True

    def __new__(cls, mesh, spec=None, *, memory_kind=None):
        """Return the sharding; over an abstract mesh one of another class."""
        return AbstractSharding(mesh, spec) if isinstance(mesh, AbstractMesh) else super().__new__(cls)

    def __init__(self, mesh: Mesh, spec: PartitionSpec, *, memory_kind=None):
        if not isinstance(mesh, Mesh):
            raise TypeError(f"NamedSharding: mesh must be a Mesh, got {type(mesh)}")
        spec = _checked_spec(mesh, spec)
        # jaxlib's class wants tiles at once; its code asks for those of a rank (a direct subclass of its Sharding would
        # have it look for jax)
        super().__init__(xla.DeviceList(mesh.flat), _everywhere())
        self.mesh, self.spec = mesh, spec
        self._hash = hash((mesh, spec))
        self._by_rank: dict = {}

    memory_kind = property(lambda self: self._memory_kind)
    _device_assignment = property(lambda self: self.mesh.flat)

    def _to_xla_hlo_sharding(self, ndim: int):
        found = self._by_rank.get(ndim)
        if found is None:
            if ndim < len(self.spec):
                raise ValueError(f"Sharding {self} is only valid for values of rank at least {len(self.spec)}, but was "
                                 f"applied to a value of rank {ndim}")
            found = self._by_rank[ndim] = spread(self.mesh, self.spec, ndim)
        return found

    def check_compatible_aval(self, aval_shape) -> None:
        """Raise ValueError for a shape with fewer dimensions than the spec speaks of."""
        self._to_xla_hlo_sharding(len(aval_shape))

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device holds all of an array."""
        return all(self.mesh.shape[name] == 1 for name in self.spec.names())

    def update(self, *, mesh: Mesh | None = None, spec: PartitionSpec | None = None, memory_kind=None) -> NamedSharding:
        """Return a sharding with another mesh or spec."""
        return NamedSharding(self.mesh if mesh is None else mesh, self.spec if spec is None else spec, memory_kind=memory_kind)

    def __eq__(self, other):
        return self is other or (isinstance(other, NamedSharding) and self.mesh == other.mesh and self.spec == other.spec)

    def __hash__(self):
        return self._hash

    def __repr__(self):
        return f"NamedSharding(mesh={self.mesh!r}, spec={self.spec!r})"

    def __reduce__(self):
        raise TypeError("a NamedSharding cannot be pickled: devices belong to their process; pickle its spec")

    def __xform_text__(self, write):
        return f"rt.NamedSharding({write(self.mesh)}, {write(self.spec)})"


def named(mesh: Mesh, hlo, ndim: int) -> NamedSharding | None:
    """Return the sharding over a mesh that XLA's form of it stands for; None if no spec says it."""
    if hlo.is_replicated():
        return NamedSharding(mesh, PartitionSpec())
    wanted = list(hlo.tile_assignment_dimensions())[:ndim]

    def choices(dimension, free):
        if dimension == ndim:
            yield ()
            return
        def sequences(size, names, left):
            if size == 1:
                yield names
            for name in left:
                if mesh.shape[name] > 1 and size % mesh.shape[name] == 0:
                    yield from sequences(size // mesh.shape[name], (*names, name), [n for n in left if n != name])
        for names in sequences(wanted[dimension], (), free):
            for rest in choices(dimension + 1, [n for n in free if n not in names]):
                yield (names or None, *rest)
    for entries in choices(0, list(mesh.axis_names)):
        while entries and entries[-1] is None:
            entries = entries[:-1]
        made = NamedSharding(mesh, PartitionSpec(*entries))
        if made._to_xla_hlo_sharding(ndim) == hlo:
            return made
    return None


def sharding_of(what: str, given, mesh: Mesh | None = None):
    """Return a sharding given as one, as a spec (of ``mesh`` or the mesh in context) or as a device; TypeError otherwise."""
    if isinstance(given, xla.Sharding):
        return given
    if isinstance(given, AbstractSharding):
        if given.mesh.empty:
            raise ValueError(f"{what} got an empty NamedSharding, {given}, which puts arrays nowhere: make one of a mesh of devices")
        return NamedSharding(with_devices(what, given.mesh, mesh), given.spec)
    if isinstance(given, PartitionSpec):
        mesh = mesh or current_mesh()
        if mesh is None:
            kind = ValueError if what == "device_put" else RuntimeError
            raise kind(f"{what} got {given}, which names axes of a mesh, but there is none here: call it inside "
                               "`with mesh:`, or pass a NamedSharding")
        return NamedSharding(mesh, given)
    if isinstance(given, xla.Device):
        return xla.SingleDevice(given)
    raise TypeError(f"{what} takes shardings, got {given!r} of type {type(given)}; use NamedSharding(mesh, PartitionSpec(...))")


Sharding = xla.Sharding

__all__ = ["AbstractDevice", "AbstractMesh", "AxisType", "GSPMDSharding", "Mesh", "NamedSharding", "P", "PartitionSpec", "Sharding",
           "SingleDeviceSharding", "auto_axes", "explicit_axes", "get_abstract_mesh", "get_mesh", "make_single_device_sharding",
           "reshard", "set_mesh", "use_abstract_mesh", "use_mesh"]


def __getattr__(name):
    if name in ("auto_axes", "explicit_axes", "reshard"):   # they are made of operations
        from runtime import resharding
        return getattr(resharding, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
