"""The device mesh of a staged parallel program: its named axes, found while tracing, and the groups of replicas along them.

A program runs as replicas 0 .. n-1. They form a mesh, row-major: the axis bound first varies slowest. Nested maps add axes
while the function is being traced, so strides and groups are known only when the module is complete; until then the
text holds markers (``Module.marker``).
"""
from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.hlo import Module


@dataclass(eq=False)
class Axis:
    """One axis of a mesh: replicas that differ only in their coordinate along it make up a mapped function's devices."""
    mesh: Mesh
    size: int
    name: object = None  # of an axis of a device mesh

    def stride(self) -> int:
        """Return by how much the replica number grows from one coordinate to the next; final once tracing has ended."""
        axes = self.mesh.axes
        return math.prod(axis.size for axis in axes[axes.index(self) + 1:])


@dataclass(eq=False)
class Mesh:
    """The axes of one program, slowest first; ``partitioned``: of devices that share one program over a device mesh."""
    axes: list[Axis] = field(default_factory=list)
    partitioned: bool = False

    @property
    def size(self) -> int:
        """The number of replicas."""
        return math.prod(axis.size for axis in self.axes)

    def axis(self, size: int) -> Axis:
        """Return an axis of this size that no enclosing map uses, adding one if there is none."""
        for axis in self.axes:
            if axis.size == size and axis not in bound.active:
                return axis
        self.axes.append(Axis(self, size))
        return self.axes[-1]

    def groups(self, axes: Sequence[Axis]) -> list[list[int]]:
        """Return the replicas that communicate over these axes: a list for each group, in row-major order of ``axes``."""
        others = [axis for axis in self.axes if axis not in axes]

        def offsets(along):
            return [sum(i * axis.stride() for i, axis in zip(index, along))
                    for index in itertools.product(*[range(axis.size) for axis in along])]
        return [[start + step for step in offsets(axes)] for start in offsets(others)]


class _Bound(threading.local):
    """The axis names that are bound in this thread, innermost last."""

    def __init__(self):
        self.names: dict[object, Axis] = {}
        self.active: tuple[Axis, ...] = ()
        self.manual: tuple = ()  # the axis names of the running shard_maps, one inside another
        self.own: tuple = ()  # those of the innermost
        self.devices = None  # their device mesh
        self.checked: tuple = ()  # the same, where it is known of every value along which of them it varies (runtime.varying)
        self.automatic: tuple = ()  # the names of the mesh's other axes, along which all devices do the same


bound = _Bound()


class bind:
    """A context in which a name means an axis; a map without a name binds a new object that nothing else can say."""

    def __init__(self, name, axis: Axis):
        self.name, self.axis = object() if name is None else name, axis

    def __enter__(self):
        self.before = bound.names, bound.active
        bound.names = {**bound.names, self.name: self.axis}
        bound.active = (*bound.active, self.axis)

    def __exit__(self, *error):
        bound.names, bound.active = self.before


def lookup(axis_name) -> tuple[Axis, ...]:
    """Return the axes that a name, or a tuple of names, is bound to; NameError for a name that is not bound here."""
    names = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    for name in names:
        if name not in bound.names:
            known = ", ".join(repr(n) for n in bound.names if type(n) is not object)
            raise NameError(f"unbound axis name: {name}. "
                            + (f"Bound here: {known}." if known else "Collectives work inside a function mapped by "
                               f"pmap(..., axis_name={name!r})."))
    return tuple(bound.names[name] for name in names)


def mesh_of(module: Module) -> Mesh:
    """Return the mesh of the program being staged, an empty one at first."""
    return module.facts.setdefault("mesh", Mesh())
