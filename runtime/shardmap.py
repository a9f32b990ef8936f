"""shard_map: one function run on every device of a mesh with its own part of the arguments, inside a program over the mesh.

The partitioner leaves such a function alone (its arrays are "manual"): it sees local shapes, and the axes of the mesh name
its collectives.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from runtime.abstract_mesh import AbstractMesh
from runtime.array import Array
from runtime.hlo import Block, Value, tracing
from runtime.jit import jit
from runtime.mesh import Axis, bound
from runtime.mesh import Mesh as ProgramMesh
from runtime.op import op
from runtime.ops.collective import gather_value, index_value, psum
from runtime.ops.constrain import use_devices
from runtime.primitive import as_operand, lift_array
from runtime.sharding import Mesh, NamedSharding, PartitionSpec, current_mesh, with_devices
from runtime.stage import output_values
from runtime.tiling import check_shape
from runtime.transfer import device_put
from runtime.tree import keystr, tree_flatten, tree_flatten_with_path, tree_leaves, tree_map, tree_structure
from runtime.types import Aval
from runtime.varying import UNKNOWN, mark
from runtime.varying import of as varying_of
from runtime.zero import ZERO


class PerShard:
    """The spec of a value that every device has one of: outside they stand along a new dimension ``axis``."""
    __slots__ = ("axis",)

    def __init__(self, axis: int = 0):
        self.axis = axis

    def __eq__(self, other):
        return isinstance(other, PerShard) and self.axis == other.axis

    def __hash__(self):
        return hash(("PerShard", self.axis))

    def __repr__(self):
        return f"PerShard({self.axis})"

    def __xform_text__(self, write):
        return f"rt.PerShard({self.axis or ''})"


def behind_batch(spec):
    """Return a spec (or a tree of them) for arrays that have a batch in front."""
    if isinstance(spec, dict):
        return {k: behind_batch(v) for k, v in spec.items()}
    if isinstance(spec, (tuple, list)):
        return type(spec)(map(behind_batch, spec))
    if isinstance(spec, PerShard):
        return PerShard(spec.axis + 1)
    return spec if spec is None else PartitionSpec(None, *spec)


def _spec_of_each(what: str, specs, tree) -> list:
    """Return the spec of every leaf of a tree, from a prefix of it; ValueError if it is no prefix."""
    flat: list = []
    try:
        tree_map(lambda s, part: flat.extend([s] * len(tree_leaves(part))), specs, tree, is_leaf=lambda s: s is None)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"shard_map {what} must be a tree prefix of the corresponding value, got {specs} for the tree "
                         f"{tree_structure(tree)}") from error
    for spec in flat:
        if spec is not None and not isinstance(spec, (PartitionSpec, PerShard)):
            raise TypeError(f"shard_map {what} must be a pytree of PartitionSpecs, got {spec!r}")
    return [PartitionSpec() if s is None else s for s in flat]


def _mesh_of(args: tuple, like: AbstractMesh) -> Mesh | None:
    """Return the mesh of the first argument that is spread over one with the axes of an abstract mesh, if any."""
    for leaf in tree_leaves(args):
        mesh = getattr(getattr(getattr(leaf, "_v", None), "_sharding", None), "mesh", None)
        if mesh is not None and mesh.shape_tuple == like.shape_tuple:
            return mesh
    return None


def _sharding(mesh: Mesh, spec, names: tuple) -> NamedSharding:
    """Return the sharding outside of a value with a spec of a shard_map over the axes ``names``."""
    if isinstance(spec, PerShard):
        spec = PartitionSpec(*[None] * spec.axis, names)
    return NamedSharding(mesh, spec)


def _custom(block: Block, target: str, value: Value, of: Aval, sharding: str) -> Value:
    return block.op("custom_call", [value], of, {"call_target_name": f'"{target}"', "mhlo.sharding": f'"{sharding}"'})


class _Inside:
    """The inside of one shard_map: its axes are bound, and concrete arrays are had whole by every device.

    names: its axes. Along the mesh's other axes all devices do the same, unless a shard_map inside is over them: that one takes
    its parts of what each device has, and puts its results together from all.
    """

    def __init__(self, mesh: Mesh, names: tuple, block: Block, check: bool):
        self.mesh, self.names, self.module, self.check, self.inner = mesh, names, block.module, check, bool(bound.manual)
        if self.inner:
            program = bound.active[0].mesh
        else:
            program = ProgramMesh(partitioned=True)
            program.axes += [Axis(program, size, name) for name, size in zip(mesh.axis_names, mesh.devices.shape)]
        self.axes = {axis.name: axis for axis in program.axes if axis.name in names}

    def __enter__(self):
        self.before = {key: getattr(bound, key) for key in ("names", "active", "manual", "own", "checked", "automatic", "devices")}
        manual = (*bound.manual, *self.names)
        bound.names, bound.active = {**bound.names, **self.axes}, (*bound.active, *self.axes.values())
        bound.manual, bound.own, bound.devices = manual, self.names, self.mesh
        bound.automatic = tuple(n for n in self.mesh.axis_names if n not in manual)
        bound.checked = (*bound.checked, *self.names) if self.check else ()
        if self.mesh.size > 1 and not self.inner:
            everywhere = NamedSharding(self.mesh, PartitionSpec())
            self.module.facts["manual"] = lambda block, value: self.enter(block, value, everywhere)

    def __exit__(self, *error):
        for key, value in self.before.items():
            setattr(bound, key, value)
        if not self.inner:
            self.module.varying = None
            self.module.facts.pop("manual", None)

    def cuts(self, sharding: NamedSharding):
        """Return (dimension, the axes that cut it) for every dimension that is cut."""
        for dimension, part in enumerate(sharding.spec):
            if part is not None:
                yield dimension, tuple(self.axes[n] for n in (part if isinstance(part, tuple) else (part,)))

    def enter(self, block: Block, value: Value, sharding: NamedSharding) -> Value:
        """Emit the part of a value that one device has."""
        of = value.aval.with_shape(sharding.shard_shape(value.aval.shape))
        if not self.inner:
            laid = _custom(block, "Sharding", value, value.aval, str(sharding._to_xla_hlo_sharding(of.ndim)))
            return _custom(block, "SPMDFullToShardShape", laid, of, "{manual}")
        if of.shape == value.aval.shape:
            return value
        starts = [block.constant(0, np.int32)] * of.ndim
        for dimension, axes in self.cuts(sharding):
            index = index_value(block, axes)
            starts[dimension] = block.op("multiply", [index, block.constant(of.shape[dimension], np.int32)], index.aval)
        return block.op("dynamic_slice", [value, *starts], of, {"slice_sizes": of.shape})

    def leave(self, block: Block, value: Value, sharding: NamedSharding) -> Value:
        """Emit the value of which every device has a part."""
        if self.inner:
            for dimension, axes in self.cuts(sharding):
                size = math.prod(axis.size for axis in axes)
                value = gather_value(block, value, axes, (tuple(range(size)),), dimension)
            return value
        grid = sharding._to_xla_hlo_sharding(value.aval.ndim)
        tiles = [1] * value.aval.ndim if grid.is_replicated() else grid.tile_assignment_dimensions()[:value.aval.ndim]
        of = value.aval.with_shape(tuple(n * k for n, k in zip(value.aval.shape, tiles)))
        laid = _custom(block, "Sharding", value, value.aval, "{manual}")
        return _custom(block, "SPMDShardToFullShape", laid, of, str(grid))


class _Sharded:
    """The state behind one function mapped by shard_map."""

    def __init__(self, fun: Callable, mesh, in_specs, out_specs, axis_names: frozenset, check: bool):
        self.axis_names, self.check = axis_names, check
        self.fun, self.name = fun, getattr(fun, "__name__", type(fun).__name__)
        self.mesh, self.in_specs, self.out_specs = mesh, in_specs, out_specs
        self.programs: dict = {}

    def found_mesh(self, args: tuple) -> Mesh:
        mesh = self.mesh if self.mesh is not None else bound.devices if bound.manual else current_mesh()
        if mesh is None:
            raise ValueError(f"shard_map of {self.name} has no mesh: pass mesh=, or call it inside `with mesh:`")
        if isinstance(mesh, AbstractMesh):
            mesh = with_devices(f"shard_map of {self.name}", mesh, bound.devices if bound.manual else _mesh_of(args, mesh))
        if not isinstance(mesh, Mesh):
            raise TypeError(f"shard_map of {self.name}: mesh must be a Mesh, got {mesh!r} of type {type(mesh)}")
        if bound.manual and mesh != bound.devices:
            raise ValueError(f"shard_map of {self.name} over {mesh} inside a shard_map over {bound.devices}: one inside another uses the "
                             "same mesh, and other axes of it")
        return mesh

    def names(self, mesh: Mesh) -> tuple:
        """Return the axes that the shard_map is over, in the mesh's order."""
        unknown = [n for n in self.axis_names if n not in mesh.axis_names]
        taken = [n for n in self.axis_names if n in bound.manual]
        if unknown or taken:
            raise ValueError(f"shard_map of {self.name}: axis_names {set(self.axis_names)} must be a subset of "
                             + (f"the axes of the mesh, {mesh.axis_names}" if unknown else
                                f"those that no shard_map around it is over; {taken[0]!r} is taken"))
        found = tuple(n for n in mesh.axis_names if (n in self.axis_names or not self.axis_names) and n not in bound.manual)
        if not found:
            raise ValueError(f"shard_map of {self.name} inside a shard_map over all axes, {mesh.axis_names}: none is left for it")
        return found

    def check_names(self, what: str, specs: list, names: tuple) -> None:
        """Raise ValueError for a spec that names another axis than the shard_map's."""
        for spec in specs:
            for name in () if isinstance(spec, PerShard) else spec.names():
                if name not in names:
                    raise ValueError(f"shard_map of {self.name}: {what} names {name!r}, which is none of the axes that it is over, {names}")

    def specs(self, args: tuple) -> list:
        specs = tuple(self.in_specs) if isinstance(self.in_specs, list) else self.in_specs
        if isinstance(specs, tuple) and len(specs) != len(args):
            raise ValueError(f"shard_map of {self.name}: in_specs has {len(specs)} entries for {len(args)} arguments: {specs}")
        return _spec_of_each("in_specs", specs, args)

    def __call__(self, *args):
        mesh = self.found_mesh(args)
        if tracing.block is not None:
            return self.inline(mesh, args)
        leaves, tree = tree_flatten(args)
        names, specs = self.names(mesh), self.specs(args)
        self.check_names("in_specs", specs, names)
        placed = [device_put(as_operand(leaf, f"shard_map of {self.name}"), _sharding(mesh, spec, names))
                  for leaf, spec in zip(leaves, specs)]
        program = self.programs.get(mesh)
        if program is None:
            def inside_mesh(*args):
                return self.inline(mesh, args)
            inside_mesh.__name__ = self.name
            inside_mesh.only_staged = True      # collectives are nothing outside a program
            program = self.programs[mesh] = jit(inside_mesh)
        return program(*tree.unflatten(placed))

    def lower(self, *args):
        """Stage the function for the types of these arguments."""
        mesh = self.found_mesh(args)
        return jit(lambda *args: self.inline(mesh, args)).lower(*args)

    def check_results(self, names: tuple, values: list, specs: list, out) -> None:
        """Raise ValueError for a result that may differ along an axis that its spec leaves out."""
        for i, (value, spec) in enumerate(zip(values, specs)):
            axes = varying_of(value)
            extra = [] if isinstance(spec, PerShard) or UNKNOWN in axes else [n for n in names if n in axes and n not in spec.names()]
            if extra:
                path = keystr(tree_flatten_with_path(out)[0][i][0])
                raise ValueError(f"shard_map of {self.name}: out_specs {spec} for the result{path} says that it is the same along the "
                                 f"mesh axes {', '.join(map(repr, extra))}, but that cannot be inferred: it is computed from values "
                                 "that vary along them. Reduce it (psum, pmean, pmax), name the axes in out_specs, or, where it "
                                 "is the same nevertheless, pass check_vma=False")

    def inline(self, mesh: Mesh, args: tuple):
        """Emit the function into the program being staged, with the conversions around it."""
        block, whole, names = tracing.block, mesh.size == 1, self.names(mesh)
        specs = self.specs(args)
        self.check_names("in_specs", specs, names)
        use_devices(block.module, mesh.flat, mesh, f"shard_map of {self.name}")
        leaves, tree = tree_flatten(args)
        parts = []
        if not bound.manual:
            block.module.varying = {} if self.check else None
        inside = _Inside(mesh, names, block, self.check and (not bound.manual or bool(bound.checked)))
        for leaf, spec in zip(leaves, specs):
            value, sharding = lift_array(block, leaf), _sharding(mesh, spec, names)
            check_shape(sharding, value.aval.shape)
            before, value = value, value if whole else inside.enter(block, value, sharding)
            if isinstance(spec, PerShard):
                shape = value.aval.shape
                value = block.reshape(value, shape[:spec.axis] + shape[spec.axis + 1:])
            axes = spec.names() if isinstance(spec, PartitionSpec) else (*names, UNKNOWN)
            parts.append(Array(mark(value, varying_of(before).union(axes))))
        with inside:
            out = self.fun(*tree.unflatten(parts))
            values, out_tree = output_values(block, out, self.name)
            out_specs = _spec_of_each("out_specs", self.out_specs, out)
            self.check_names("out_specs", out_specs, names)
            if inside.check:
                self.check_results(names, values, out_specs, out)
        results = []
        for value, spec in zip(values, out_specs):
            shape, axes = value.aval.shape, varying_of(value)
            if isinstance(spec, PerShard):
                value = block.reshape(value, shape[:spec.axis] + (1,) + shape[spec.axis:])
            elif len(spec) > len(shape):
                raise ValueError(f"shard_map of {self.name}: out_specs has {spec} for a result of rank {len(shape)}")
            value = value if whole else inside.leave(block, value, _sharding(mesh, spec, names))
            results.append(Array(mark(value, axes.difference(names))))
        return out_tree.unflatten(results)


def shard_map(f: Callable | None = None, /, *, out_specs, in_specs, mesh: Mesh | None = None, axis_names=frozenset(),
              check_vma: bool = True):
    """Return a function that runs ``f`` on every device of a mesh, each with its part of the arguments.

    ``in_specs`` and ``out_specs`` are prefixes of the arguments and of the result with PartitionSpecs as leaves: an axis that a
    spec names cuts that dimension; along others every device has the same. Inside, the axes name collectives: those of the mesh,
    or ``axis_names`` alone: then all devices along the others do the same, unless a shard_map inside is over those. A result
    whose spec leaves an axis out must be equal along it: ValueError where that does not follow from how it is computed. A
    derivative taken inside is that of the whole: a gradient with respect to what all devices have alike is summed over them.
    With ``check_vma=False`` neither holds: nothing is checked, and a derivative inside is that of one device's part, with
    ``psum`` transposed to ``psum``. ValueError where shapes do not divide.
    """
    if f is None:
        return functools.partial(shard_map, out_specs=out_specs, in_specs=in_specs, mesh=mesh, axis_names=axis_names,
                                 check_vma=check_vma)
    state = _Sharded(f, mesh, in_specs, out_specs, frozenset(axis_names), check_vma)

    @functools.wraps(f)
    def sharded(*args):
        return state(*args)
    sharded.lower = state.lower
    sharded.clear_cache = state.programs.clear
    return sharded


# ---- derivatives: a value that n devices hold alike counts once ----

def _unmentioned(spec) -> tuple:
    """Return the axes of the running shard_map along which a value with this spec is the same."""
    return () if isinstance(spec, PerShard) else tuple(n for n in bound.own if n not in spec.names())


def _each(one, specs, x):
    if x is ZERO:
        return x
    given = iter(_spec_of_each("specs", specs, x))
    return tree_map(lambda leaf: one(leaf, next(given)), x)


@op(linear="x", vjp={"x": "rt.split_cotangents(d_out, specs)"}, batch=lambda x, specs, over=(): split_cotangents(x, specs))
def split_cotangents(x, specs):
    """Give each of the devices that hold a result alike its equal part of the result's cotangent."""
    def one(leaf, spec):
        count = 1
        for name in _unmentioned(spec):
            count *= bound.names[name].size
        return leaf if count == 1 else leaf / count
    return _each(one, specs, x)


@op(linear="x", vjp={"x": "rt.join_cotangents(d_out, specs)"}, batch=lambda x, specs, over=(): join_cotangents(x, specs))
def join_cotangents(x, specs):
    """Sum the cotangents of an argument over the devices that were given it alike."""
    def one(leaf, spec):
        names = _unmentioned(spec)
        return psum(leaf, names) if names else leaf
    return _each(one, specs, x)


__all__ = ["shard_map"]
