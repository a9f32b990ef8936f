"""What ``typeof`` returns: the type of an array together with how it is said to lie on a mesh, its ``sharding``."""
from __future__ import annotations

from runtime.abstract_mesh import AbstractMesh, AxisType
from runtime.array import Array
from runtime.hlo import tracing
from runtime.op import op
from runtime.sharding import NamedSharding, PartitionSpec, get_abstract_mesh
from runtime.types import Aval, aval_of

_UNKNOWN = ("how {what} lies is known once XLA has compiled the program, while the sharding of a type says it before, along axes of type "
            "Explicit: ask for typeof(x).sharding outside of jit, say what you want with out_sharding= or reshard, or make the mesh "
            "of Auto axes (axis_types=(AxisType.Auto,))")


class TypeOf(Aval):
    """The type of one array; equal to all types of the same shape, dtype, weak_type and sharding."""
    __slots__ = ("_laid", "_block")

    def __init__(self, value):
        of = aval_of(value)
        super().__init__(of.shape, of.dtype, of.weak_type)
        held = value._v if isinstance(value, Array) else None
        self._laid = getattr(held, "_sharding", None)     # of an array that is there
        self._block = tracing.block if self._laid is None and held is not None else None

    @property
    def sharding(self) -> NamedSharding:
        """The axes of type Explicit along which the array is cut, over a mesh without its devices.

        Along other axes XLA decides how arrays lie, and no type says it: all dimensions are None there, and without a mesh the
        mesh is one without axes. AttributeError inside jit over a mesh with Explicit axes.
        """
        laid, mesh = self._laid if isinstance(self._laid, NamedSharding) else None, get_abstract_mesh()
        if laid is not None:
            mesh = laid.mesh.abstract_mesh
        elif self._laid is None and self._block is None:    # a number, or an array of NumPy's
            mesh = AbstractMesh((), ())
        elif self._block is not None:
            if mesh.explicit_axes:
                raise AttributeError(_UNKNOWN.format(what=f"an array of type {self!r}"))
            self._block.module.facts["asks for shardings"] = True   # it may be called with arrays over such a mesh: see runtime.partition
        kinds = dict(zip(mesh.axis_names, mesh.axis_types))
        parts: list = [None] * self.ndim
        for i, part in enumerate(laid.spec if laid is not None else ()):
            names = tuple(n for n in PartitionSpec(part).names() if kinds[n] is AxisType.Explicit)
            parts[i] = names[0] if len(names) == 1 else names or None
        return NamedSharding(mesh, PartitionSpec(*parts))

    def _key(self):
        return self.shape, self.dtype, self.weak_type, self.sharding if isinstance(self._laid, NamedSharding) else None

    def __eq__(self, other):
        if type(other) is Aval:
            return self._key() == (other.shape, other.dtype, other.weak_type, None)
        return self._key() == other._key() if isinstance(other, TypeOf) else NotImplemented

    def __hash__(self):
        return hash(self._key()[:3])

    def __reduce__(self):
        return Aval.__reduce__(self)


@op(constant=True, unbatched=True)
def typeof(x):
    """Return the type of an array or number: its shape, dtype, weak_type and sharding. TypeError for anything else."""
    return TypeOf(x)


def check_asked(module, shardings) -> None:
    """Raise AttributeError where a program that asked for shardings of types is called with arrays over a mesh with Explicit axes."""
    if "asks for shardings" in module.facts and any(isinstance(s, NamedSharding) and s.mesh.explicit_axes for s in shardings):
        raise AttributeError(f"{module.name} asks for typeof(x).sharding: " + _UNKNOWN.format(what="an array inside"))


__all__ = ["TypeOf", "check_asked", "typeof"]
