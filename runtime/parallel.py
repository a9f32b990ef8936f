"""pmap: one program, one replica of it on each device, every replica with its own slice of the mapped arguments.

A pmapped function is staged once per signature into a module that sees one slice. Called inside another pmap, or inside
jit, it joins the program being staged: each replica takes its slice there, and the results are gathered back.
"""
from __future__ import annotations

import functools
from collections.abc import Callable

from runtime import xla
from runtime.array import Array, LeakError
from runtime.config import config
from runtime.device import devices as all_devices
from runtime.device import local_device_count, process_count
from runtime.dispatch import keep, structure
from runtime.hlo import Block, Value, tracing
from runtime.invalid import check, value_checks
from runtime.jit import FastPath, compiled_functions, fast_cache
from runtime.layout import Replicas, layout, mine
from runtime.mesh import Axis, bind, mesh_of
from runtime.ops.collective import gather_value, index_value
from runtime.primitive import as_operand, lift_array
from runtime.stage import Staged, output_values, stage
from runtime.tree import BUFFERS, LEAVES, keystr, tree_flatten_with_path, tree_leaves, tree_map, tree_structure
from runtime.types import Aval


def _spread_axes(what: str, axes, tree) -> list:
    """Return the axis (or None) of every leaf of a tree, from a prefix of it; ValueError if it is no prefix."""
    flat: list = []
    try:
        tree_map(lambda axis, part: flat.extend([axis] * len(tree_leaves(part))), axes, tree, is_leaf=lambda a: a is None)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"pmap {what} specification must be a tree prefix of the corresponding value, got specification "
                         f"{axes} for value tree {tree_structure(tree)}.") from error
    for axis in flat:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise TypeError(f"pmap {what} must be an int, None, or a pytree of these, got {axis!r}")
    return flat


def _mapped_size(name: str, arrays: list[Array], axes: list, args, kwargs, wanted: int | None) -> tuple[int, list]:
    """Return the size of the mapped axis and the axes counted from the left; ValueError where arguments disagree."""
    def describe(i):
        path = tree_flatten_with_path((args, kwargs))[0][i][0]
        return f"argument {keystr(path[1:]) or i} of shape {arrays[i].shape}"
    normal, sizes = [], {}
    for i, (array, axis) in enumerate(zip(arrays, axes)):
        if axis is None:
            normal.append(None)
            continue
        if not -array.ndim <= axis < array.ndim:
            raise ValueError(f"pmap of {name} was requested to map {describe(i)} along axis {axis}, which implies that its "
                             f"rank should be at least {axis + 1 if axis >= 0 else -axis}, but is only {array.ndim}")
        normal.append(axis % array.ndim)
        sizes.setdefault(array.shape[axis], f"{describe(i)} along axis {axis}")
    if len(sizes) > 1:
        raise ValueError(f"pmap got inconsistent sizes for array axes to be mapped over in {name}: "
                         + "; ".join(f"size {size} from {source}" for size, source in sizes.items()))
    if not sizes and wanted is None:
        raise ValueError(f"pmap of {name} requires at least one argument with a mapped axis, or axis_size=")
    size = next(iter(sizes), wanted)
    if wanted is not None and size != wanted:
        raise ValueError(f"pmap of {name}: axis_size={wanted}, but the mapped axes have size {size}")
    return size, normal


def _devices(name: str, chosen, backend, count: int, size: int) -> tuple:
    """Return the devices of a program with ``count`` replicas; ValueError when there are too few."""
    found = tuple(chosen) if chosen is not None else tuple(all_devices(backend))
    if len(found) < count:
        platform = found[0].platform if found else "cpu"
        remedy = (f" Set the environment variable XFORM_CPU_DEVICES={count}, before xform is imported, to have as many CPU "
                  "devices." if chosen is None and platform == "cpu" else "")
        raise ValueError(f"pmap of {name} over an axis of size {size} requires {count} devices (replicas), but only "
                         f"{len(found)} {platform} device{'s are' if len(found) != 1 else ' is'} available.{remedy}")
    return found[:count]


def _drop(block: Block, value: Value, axis: int | None) -> Value:
    """Emit the removal of a mapped axis, of which a replica's slice has length one."""
    return value if axis is None else block.reshape(value, value.aval.shape[:axis] + value.aval.shape[axis + 1:])


def _insert(block: Block, value: Value, axis: int) -> Value:
    return block.reshape(value, value.aval.shape[:axis] + (1,) + value.aval.shape[axis:])


def _out_axes(name: str, out_axes, out, values: list[Value]) -> list:
    """Return the position of the mapped axis in every result, counted from the left, or None for a replicated one."""
    axes = _spread_axes("out_axes", out_axes, out)
    for axis, value in zip(axes, values):
        if axis is not None and not -value.aval.ndim - 1 <= axis <= value.aval.ndim:
            raise ValueError(f"pmap of {name}: out_axes={axis} is out of bounds for a result of shape {value.aval.shape}")
    return [None if axis is None else axis % (value.aval.ndim + 1) for axis, value in zip(axes, values)]


def _resized(of: Aval, axis: int | None, size: int) -> Aval:
    """Return an aval with the length of one axis replaced."""
    return of if axis is None else of.with_shape(of.shape[:axis] + (size,) + of.shape[axis + 1:])


class Lowered:
    """A staged pmapped function with the layouts of its arguments and results; ``compile()`` makes it callable."""

    def __init__(self, staged: Staged, devices: tuple, in_axes: list, out_axes: list, size: int):
        self.staged, self.devices, self.size = staged, devices, size
        self.inputs = [layout(devices, of.ndim, axis, 1 if axis is None else size)
                       for of, axis in zip(staged.in_avals, in_axes)]
        self.outputs = [(_resized(of, axis, size), layout(devices, of.ndim, axis, 1 if axis is None else size))
                        for of, axis in zip(staged.out_avals, out_axes)]

    def as_text(self) -> str:
        """Return the StableHLO of one replica."""
        return self.staged.module.text()

    def compile(self) -> Compiled:
        """Compile for the devices."""
        return Compiled(self)


class Compiled:
    """A compiled pmapped function for one signature."""

    def __init__(self, lowered: Lowered):
        self.lowered = lowered
        self.places = lowered.inputs
        self.shared = len(mine(lowered.devices)) != len(lowered.devices)  # among processes, each with its own slices
        self.out_tree = lowered.staged.out_tree
        self.replicas = Replicas(lowered.as_text(), lowered.devices, lowered.staged.captured, lowered.outputs,
                                 lowered.staged.module.facts.get("callbacks"), lowered.staged.module.donated)

    def as_text(self) -> str:
        """Return XLA's optimised HLO."""
        return self.replicas.executable.hlo_modules()[0].to_string()

    def run(self, buffers: list):
        """Run on the buffers of all argument leaves, wherever they are; return the result's pytree."""
        placed = [b if b._sharding is place.sharding else place.place(b) for b, place in zip(buffers, self.places)]
        results = self.replicas.run(placed)
        if value_checks():
            try:
                check(self.lowered.staged.module.name, results)
            except FloatingPointError as error:
                error.program = self.lowered.staged.module.name
                raise
        if self.shared:
            results = [place.own_part(r) for r, (_, place) in zip(results, self.lowered.outputs)]
        return self.out_tree.unflatten([Array(r) for r in results])

    def fast_path(self, buffers: list) -> FastPath | None:
        """Return what the C++ dispatcher needs to run the program by itself on arguments that lie like these, or None.

        It cannot place arguments, wait for an earlier program's collectives, or take a process's own part of a result.
        """
        replicas, places = self.replicas, self.places
        if self.shared or value_checks() or replicas.waits or replicas.donated or replicas.captured or any(
                [b._sharding is not p.sharding for b, p in zip(buffers, places)]):
            return None
        avals, layouts = [of for of, _ in self.lowered.outputs], [where.sharding for _, where in self.lowered.outputs]
        out = self.out_tree.unflatten([Array(...)] * len(avals))
        return FastPath(replicas.executable, BUFFERS.flatten(out)[1], [p.sharding for p in places], layouts, avals,
                        [len(replicas.devices) > 1] * len(avals), [True] * len(buffers), [None] * len(buffers), [])

    def __call__(self, *args, **kwargs):
        leaves, tree = LEAVES.flatten((args, kwargs))
        if tree != self.lowered.staged.in_tree:
            raise TypeError(f"function was compiled for input structure {self.lowered.staged.in_tree}, called with {tree}")
        buffers = [as_operand(leaf, "pmap")._v for leaf in leaves]
        for buffer, of, place in zip(buffers, self.lowered.staged.in_avals, self.places):
            whole = _resized(of, place.dimension, self.lowered.size)
            if buffer.aval.shape != whole.shape or buffer.aval.dtype != whole.dtype:
                raise TypeError("Argument types differ from the types for which this computation was compiled: "
                                f"compiled for {whole}, called with {buffer.aval}")
        return self.run(buffers)


class _Mapped:
    """The state behind one pmapped function."""

    def __init__(self, fun, axis_name, in_axes, out_axes, static, devices, backend, axis_size, donate):
        if not callable(fun):
            raise TypeError(f"Expected a callable value, got {fun!r}")
        self.fun, self.name, self.axis_name = fun, getattr(fun, "__name__", type(fun).__name__), axis_name
        self.in_axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
        if not (self.in_axes is None or isinstance(self.in_axes, (int, tuple, dict))):
            raise TypeError(f"pmap in_axes must be an int, None, or a tuple of entries for the positional arguments, got "
                            f"{in_axes!r}")
        self.out_axes, self.backend, self.axis_size = out_axes, backend, axis_size
        self.static = (static,) if isinstance(static, int) else tuple(static)
        self.donate = (donate,) if isinstance(donate, int) else tuple(donate)
        self.devices = None if devices is None else tuple(devices)
        self.programs: dict = {}
        self.quick: dict = {}
        self.function, self.direct = None, {}   # what jaxlib dispatches; what runtime.dispatch hands to it

    def forget(self) -> None:
        """Have the calls of all structures take the general path once more."""
        self.quick.clear()
        for known in self.direct.values():
            known.clear()

    def split(self, args):
        """Return (dynamic arguments, their in_axes, static key, function of the dynamic ones)."""
        static = {i % len(args) for i in self.static if -len(args) <= i < len(args)} if args else set()
        axes = self.in_axes if isinstance(self.in_axes, tuple) else (self.in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"pmap in_axes must have one entry for each of the {len(args)} positional arguments of "
                             f"{self.name}, got {self.in_axes}")
        if not static:
            return args, axes, (), self.fun
        fixed, total, fun = {i: args[i] for i in static}, len(args), self.fun
        for i, value in fixed.items():
            try:
                hash(value)
            except TypeError:
                raise ValueError(f"Non-hashable static arguments are used in a pmapped function: argument {i} of "
                                 f"{self.name} has type {type(value)}.") from None

        def of_dynamic(*dynamic, **kwargs):
            feed = iter(dynamic)
            return fun(*[fixed[i] if i in fixed else next(feed) for i in range(total)], **kwargs)
        keep = [i for i in range(total) if i not in static]
        return (tuple(args[i] for i in keep), tuple(axes[i] for i in keep),
                tuple((i, type(v), v) for i, v in fixed.items()), of_dynamic)

    def flatten(self, args, kwargs):
        """Return (arrays, their axes, tree, static key, function, size of the mapped axis)."""
        dynamic, in_axes, key, fun = self.split(args)
        leaves, tree = LEAVES.flatten((dynamic, kwargs))
        axes = _spread_axes("in_axes", in_axes, dynamic) + [0] * len(tree_leaves(kwargs))
        arrays = [as_operand(leaf, f"pmapped function {self.name}") for leaf in leaves]
        processes = self.processes()
        wanted = self.axis_size
        if wanted is not None and processes > 1:  # the whole axis; arguments hold this process's slices
            wanted //= processes
        size, axes = _mapped_size(self.name, arrays, axes, dynamic, kwargs, wanted)
        if processes > 1 and tracing.block is None:
            if size != local_device_count(self.backend):
                raise ValueError(f"pmap of {self.name} in a program of {processes} processes takes in each of them as many slices "
                                 f"as it has devices, {local_device_count(self.backend)}, but the mapped axis has size {size}")
            size *= processes
        return arrays, axes, tree, key, fun, size

    def processes(self) -> int:
        """Return among how many processes the devices are; 1 when they were chosen by the caller."""
        return process_count(self.backend) if self.devices is None else 1

    def lower(self, *args, **kwargs) -> Lowered:
        """Stage the function for the types of these arguments."""
        arrays, axes, tree, _, fun, size = self.flatten(args, kwargs)
        return self.stage(arrays, axes, tree, fun, size, args)

    def stage(self, arrays, axes, tree, fun, size, args) -> Lowered:
        module_facts, found = {}, {}

        def prepare(module):
            module_facts.update(mesh=mesh_of(module), module=module)

        def replica(*inner_args, **inner_kwargs):
            block = tracing.block
            leaves = [Array(_drop(block, leaf._v, axis))
                      for leaf, axis in zip(LEAVES.flatten((inner_args, inner_kwargs))[0], axes)]
            mapped_args, mapped_kwargs = tree.unflatten(leaves)
            with bind(self.axis_name, module_facts["mesh"].axis(size)):
                out = fun(*mapped_args, **mapped_kwargs)
                values, out_tree = output_values(block, out, self.name)
            found["axes"] = _out_axes(self.name, self.out_axes, out, values)
            return out_tree.unflatten([Array(v if axis is None else _insert(block, v, axis))
                                       for v, axis in zip(values, found["axes"])])
        slices = [_resized(a.aval, axis, 1) for a, axis in zip(arrays, axes)]
        staged = stage(replica, tree, slices, "pmap_" + self.name, prepare)
        mesh, module = module_facts["mesh"], module_facts["module"]
        module.attributes["mhlo.num_replicas"] = f"{mesh.size} : i32"
        for i in self.donated(args):
            module.donate(i)
        devices = _devices(self.name, self.devices, self.backend, mesh.size, size)
        return Lowered(staged, devices, axes, found["axes"], size)

    def donated(self, args) -> list[int]:
        """Return the positions, among the dynamic leaves, of donated arguments."""
        marks = [i in self.donate for i, arg in enumerate(args) if i not in self.static for _ in tree_leaves(arg)]
        return [i for i, mark in enumerate(marks) if mark]

    def miss(self, *args, **kwargs):
        """Handle a call the C++ dispatcher cannot; return the result, and what it needs for the next one like it."""
        if tracing.block is not None:
            return self.inline(args, kwargs), None, False
        if not self.static:  # the argument checks depend on structure and types alone: done once for each
            leaves, tree = LEAVES.flatten((args, kwargs))
            buffers = [leaf._v if type(leaf) is Array else as_operand(leaf, self.name)._v for leaf in leaves]
            key = (tree, tuple([b.aval for b in buffers]), config.signature)
            program = self.quick.get(key)
            if program is None:
                program = self.quick[key] = self.compiled(args, kwargs)[0]
                of = None if kwargs else structure(args, ())
                if of is not None:
                    keep(self.direct, of, args, buffers, (None, self.function, None, None))
            return program.run(buffers), program.fast_path(buffers), False
        program, arrays = self.compiled(args, kwargs)
        return program.run([a._v for a in arrays]), None, False

    def compiled(self, args, kwargs):
        """Return the compiled program for these arguments, and the arguments' arrays."""
        arrays, axes, tree, static, fun, size = self.flatten(args, kwargs)
        for array in arrays:
            if type(array._v) is not xla.ArrayImpl:
                raise LeakError(f"pmapped function {self.name} got an array of a staged function that has returned. Return "
                                "such values instead of storing them elsewhere.")
        key = (tree, tuple([a.aval for a in arrays]), tuple(axes), static, config.signature)
        program = self.programs.get(key)
        if program is None:
            program = self.programs[key] = self.stage(arrays, axes, tree, fun, size, args).compile()
        return program, arrays

    def inline(self, args, kwargs):
        """Run as a part of the program being staged: slice by the replica's index, run, gather the results."""
        arrays, axes, tree, _, fun, size = self.flatten(args, kwargs)
        block = tracing.block
        if "devices" in block.module.facts:
            raise ValueError(f"pmap of {self.name} inside a program over a mesh (shard_map, with_sharding_constraint) is not "
                             "supported; use shard_map in its place")
        axis = mesh_of(block.module).axis(size)
        block.module.facts.setdefault("runner", functools.partial(_Replicated, self.name, self.devices, self.backend))
        with bind(self.axis_name, axis):
            index = index_value(block, (axis,))
            leaves = [Array(_own_slice(block, lift_array(block, a), index, dimension))
                      for a, dimension in zip(arrays, axes)]
            inner_args, inner_kwargs = tree.unflatten(leaves)
            out = fun(*inner_args, **inner_kwargs)
            values, out_tree = output_values(block, out, self.name)
        out_axes = _out_axes(self.name, self.out_axes, out, values)
        return out_tree.unflatten([Array(_gathered(block, value, axis, dimension))
                                   for value, dimension in zip(values, out_axes)])


def _own_slice(block: Block, value: Value, index: Value, dimension: int | None) -> Value:
    """Emit the slice of a mapped argument that belongs to this replica."""
    if dimension is None:
        return value
    zero = block.constant(0, index.aval.dtype)
    shape = value.aval.shape
    sizes = shape[:dimension] + (1,) + shape[dimension + 1:]
    part = block.op("dynamic_slice", [value, *[index if i == dimension else zero for i in range(len(shape))]],
                    value.aval.with_shape(sizes), {"slice_sizes": sizes})
    return _drop(block, part, dimension)


def _gathered(block: Block, value: Value, axis: Axis, dimension: int | None) -> Value:
    """Emit the results of all replicas along an axis, stacked at a dimension."""
    if dimension is None:
        return value
    part = _insert(block, value, dimension)
    whole = gather_value(block, part, (axis,), (tuple(range(axis.size)),), dimension)
    block.module.facts.setdefault("gathered", {})[whole.name] = part, axis, dimension
    return whole


class _Replicated:
    """Runs a jitted program that calls pmapped functions: every replica gets all arguments and has all results.

    What a pmapped function of the only axis returns and the program returns as it is stays in parts on the devices.
    """

    def __init__(self, name: str, devices, backend, staged: Staged):
        mesh = mesh_of(staged.module)
        devices = _devices(name, devices, backend, mesh.size, mesh.axes[0].size)
        staged.module.attributes["mhlo.num_replicas"] = f"{mesh.size} : i32"
        self.places = [layout(devices, of.ndim) for of in staged.in_avals]
        outputs = [(of, layout(devices, of.ndim)) for of in staged.out_avals]
        self.home: list = [layout(devices[:1], of.ndim) for of in staged.out_avals]
        results, gathered = staged.module._results, staged.module.facts.get("gathered", {})
        for i, (value, of) in enumerate(zip(results, staged.out_avals)):
            if value.name in gathered and len(mesh.axes) == 1 and len(devices) > 1:
                part, axis, dimension = gathered[value.name]
                results[i], outputs[i], self.home[i] = part, (of, layout(devices, of.ndim, dimension, axis.size)), None
        if "once" in staged.module.facts and len(devices) > 1:
            raise NotImplementedError(f"{staged.module.facts['once']} beside a pmap in one program is not available where it returns "
                                      "values: every replica would call it; call it outside jit, or inside the pmapped function")
        self.replicas = Replicas(staged.module.text(), devices, staged.captured, outputs, staged.module.facts.get("callbacks"),
                                 staged.module.donated)
        self.executable = self.replicas.executable

    def __call__(self, buffers: list) -> list:
        results = self.replicas.run([place.place(b) for b, place in zip(buffers, self.places)])
        return [r if home is None else xla.assemble(r.aval, home.sharding, [_first(r)], committed=False)
                for r, home in zip(results, self.home)]


def _first(buffer):
    """Return the first device's copy of a replicated buffer."""
    return xla.parts(buffer)[0] if len(buffer._sharding._device_assignment) > 1 else buffer


def pmap(fun: Callable | None = None, axis_name=None, *, in_axes=0, out_axes=0, static_broadcasted_argnums=(),
         devices=None, backend: str | None = None, axis_size: int | None = None, donate_argnums=(),
         global_arg_shapes=None):
    """Return a function that runs ``fun`` on many devices at once, each with one slice of the mapped arguments.

    ``in_axes`` says along which axis each argument is cut (None: all devices get all of it), ``out_axes`` where the axis
    stands in the results (None: the first device's result, which should be the same everywhere). Keyword arguments are
    cut along axis 0. Inside ``fun``, ``axis_name`` names the axis for collectives such as ``lax.psum``. Results stay on
    their devices. ValueError when sizes disagree or there are fewer devices than slices.
    """
    options = dict(axis_name=axis_name, in_axes=in_axes, out_axes=out_axes, devices=devices, backend=backend,
                   static_broadcasted_argnums=static_broadcasted_argnums, axis_size=axis_size,
                   donate_argnums=donate_argnums, global_arg_shapes=global_arg_shapes)
    if fun is None:
        return functools.partial(pmap, **options)
    if global_arg_shapes is not None:
        raise TypeError("pmap: global_arg_shapes is not supported; pass arguments of this process's devices")
    state = _Mapped(fun, axis_name, in_axes, out_axes, static_broadcasted_argnums, devices, backend, axis_size,
                    donate_argnums)

    xla.settle_states(config.enable_x64)
    mapped = xla.cpp_jit(state.name, fun, state.miss, [], [], object(), BUFFERS, _unplaced, fast_cache)
    state.function = mapped
    functools.update_wrapper(mapped, fun)
    mapped.lower = state.lower
    mapped.direct, mapped.static = None if state.static else state.direct, ()

    def clear_cache():
        """Forget all compiled programs of this function."""
        state.programs.clear()
        state.forget()
        mapped._clear_cache()
    mapped.clear_cache = clear_cache
    mapped.forget = state.forget
    compiled_functions.add(mapped)
    return mapped


def _unplaced(x, sharding, layout):
    raise AssertionError(f"the dispatcher was to place an argument of {x.aval} that lies as {x._sharding}")


__all__ = ["Compiled", "Lowered", "pmap"]
