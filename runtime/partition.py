"""Programs over a mesh: XLA's partitioner cuts one program into a part for each device, following how its arguments lie."""
from __future__ import annotations


import numpy as np

from runtime import cache, xla
from runtime.device import check_usable, placement, put, to_numpy
from runtime.failures import compiled
from runtime.execute import check_usable_buffers, compile_options, explain, kernel_module, let_go, params_key, store
from runtime.hlo import Module
from runtime.layout import Tiled, flight_of, waiting
from runtime.sharding import Mesh, NamedSharding, named, sharding_of
from runtime.shards import pieces_of, place
from runtime.stage import Staged
from runtime.tiling import check_shape
from runtime.tree import tree_leaves, tree_map, tree_structure
from runtime.types import Aval
from runtime.xla import XlaError


class Spread:
    """The devices of a program, in order, and how its arguments lie on them (None: wherever they are, then whole on each)."""
    __slots__ = ("devices", "mesh", "inputs", "key")

    def __init__(self, name: str, buffers: list, given: list, more: list):
        self.devices, self.mesh = None, None
        found = [s for s in given if s is not None] + [
            b._sharding for b in buffers if len(b._sharding._device_assignment) > 1] + more
        found.sort(key=lambda s: not isinstance(s, NamedSharding))  # a mesh says more than tiles do
        for sharding in found:
            if self.devices is None:
                self.devices = sharding._device_assignment
            elif set(sharding._device_assignment) != set(self.devices):
                raise ValueError(f"Received incompatible devices for {name}: one argument or option is on the devices "
                                 f"{[d.id for d in self.devices]} and another on {[d.id for d in sharding._device_assignment]}; "
                                 "move one of them with device_put")
            if isinstance(sharding, NamedSharding) and self.mesh is None and sharding._device_assignment == self.devices:
                self.mesh = sharding.mesh
        self.inputs = []
        for buffer, wanted in zip(buffers, given):
            have, ndim = buffer._sharding, buffer.aval.ndim
            several = len(have._device_assignment) > 1
            if buffer._committed and not several and wanted is None and len(self.devices) > 1:
                raise ValueError(f"Received incompatible devices for {name}: an argument of type {buffer.aval} is on "
                                 f"{have._device_assignment[0]} and others are on the devices {[d.id for d in self.devices]}; "
                                 "move it with device_put")
            if wanted is not None and several and not have.is_equivalent_to(wanted, ndim):
                raise ValueError(f"Sharding passed to {name} does not match the sharding on the respective arg: got {wanted} for "
                                 f"an argument of type {buffer.aval} that lies as {have}. Call device_put first.")
            self.inputs.append(wanted if wanted is not None else have if several else None)
        self.key = self.devices, tuple(self.inputs), tuple(more)


def is_spread(buffers) -> bool:
    """Tell whether some buffer lies on several devices."""
    for buffer in buffers:
        if len(buffer._sharding._device_assignment) > 1:
            return True
    return False


def aligned(sharding, ndim: int, devices: tuple):
    """Return a sharding over the same devices in another order that puts arrays of a rank in the same places."""
    if sharding is None or sharding._device_assignment == devices:
        return sharding
    hlo = sharding._to_xla_hlo_sharding(ndim)
    if hlo.is_replicated():
        return Tiled(xla.DeviceList(devices), hlo)
    order = {device: i for i, device in enumerate(devices)}
    spec = hlo.to_proto()
    spec.tile_assignment_devices = [order[sharding._device_assignment[i]] for i in hlo.tile_assignment_devices()]
    return Tiled(xla.DeviceList(devices), xla.HloSharding.from_proto(spec))


def whole(devices: tuple, mesh: Mesh | None):
    """Return the sharding of arrays that every device has all of."""
    if mesh is not None:
        return NamedSharding(mesh, ())
    spec = xla.OpSharding()
    spec.type = xla.OpSharding.Type.REPLICATED
    return Tiled(xla.DeviceList(devices), xla.HloSharding.from_proto(spec))


class Partitioned:
    """A module compiled for several devices; call it with the buffers of its arguments, wherever they are.

    ``inputs`` and ``outputs`` are the shardings of arguments and results (an output None is XLA's choice until compiled).
    """
    __slots__ = ("devices", "executable", "execute", "inputs", "outputs", "captured", "handlers", "flight", "collective", "ends", "donated",
                 "several", "known")

    def __init__(self, module: Module, devices: tuple, mesh: Mesh | None, in_avals, inputs: list, out_avals, outputs: list,
                 small: bool = False, options: dict | None = None):
        check_usable()
        self.devices = module.facts["assignment"] = devices
        self.known: dict = {}  # (input, id of a sharding) -> that sharding, which lays the input as the program wants it
        everywhere = whole(devices, mesh)
        self.inputs = [aligned(s, of.ndim, devices) or everywhere for s, of in zip(inputs, in_avals)]
        outputs = [aligned(s, of.ndim, devices) for s, of in zip(outputs, out_avals)]
        for sharding, of in [*zip(self.inputs, in_avals), *zip(outputs, out_avals)]:
            if sharding is not None:    # XLA would end the process
                check_shape(sharding, of.shape)
        captured = [(value, buffer, aligned(buffer._sharding, buffer.aval.ndim, devices)
                     if len(buffer._sharding._device_assignment) > 1 else everywhere)
                    for value, buffer in module.captured.values()]
        self.captured = [place(buffer, sharding) for _, buffer, sharding in captured]
        several = len(devices) > 1
        if several:
            module.attributes["mhlo.num_partitions"] = f"{len(devices)} : i32"
            module.attributes["mhlo.num_replicas"] = "1 : i32"
            for value, sharding in [*zip(module.main.args, self.inputs), *[(v, s) for v, _, s in captured]]:
                _mark(module.argument_attributes, value.name, sharding, value.aval)
            for i, (sharding, of) in enumerate(zip(outputs, out_avals)):
                if sharding is not None:
                    _mark(module.result_attributes, i, sharding, of)
        text = module.text()
        client = devices[0].client
        if "lapack_" in text and devices[0].platform == "cpu":
            xla.use_lapack()
        functions = module.facts.get("callbacks")
        self.executable, self.execute = compiled(
            functions, len(devices) > 1, cache.compile_or_load, client, text, xla.DeviceList(devices), _options(devices, outputs, small, options),
            "partitions on " + ",".join(str(d.id) for d in devices))
        chosen = self.executable.get_output_shardings() if several else None
        self.outputs = []
        for i, (sharding, of) in enumerate(zip(outputs, out_avals)):
            if sharding is None:
                sharding = everywhere if chosen is None else _user_form(chosen[i], of, devices, mesh)
            self.outputs.append(sharding)
        self.handlers = [xla.result_handler(of, s, True) for of, s in zip(out_avals, self.outputs)]
        self.flight = flight_of(client)
        self.donated, self.several = module.donated, several
        self.collective, self.ends = several and waiting(self.executable, functions), bool(functions)

    def dispatchable(self, buffers: list) -> bool:
        """Whether jaxlib's dispatcher may run the program by itself on arguments that lie like these.

        None has to move, nothing is captured or donated, no collective waits for others.
        """
        return (len(self.devices) > 1 and not (self.collective or self.captured or self.donated)
                and all(b._sharding is s or (i, id(b._sharding)) in self.known for i, (b, s) in enumerate(zip(buffers, self.inputs))))

    def __call__(self, buffers: list) -> list:
        known = self.known
        placed = [b if b._sharding is s or (i, id(b._sharding)) in known else self.laid(i, b, s)
                  for i, (b, s) in enumerate(zip(buffers, self.inputs))]
        if self.several:
            check_usable_buffers(placed, self.donated, self.captured)
        try:
            if self.collective:
                results = self.flight.launch(self.execute, self.captured + placed, self.handlers, self.ends)
            else:
                results = self.execute(self.captured + placed).consume_with_handlers(self.handlers)
        except (XlaError, ValueError) as error:
            raise explain(error, buffers) from error
        if self.donated and self.several:
            let_go(placed, self.donated)
            for position in self.donated:
                if placed[position] is not buffers[position]:       # what had to be moved has been given away, too
                    buffers[position].delete()
        return results

    def laid(self, i: int, buffer, sharding):
        """Return the buffer of an argument as the program wants it, remembering shardings that need no change."""
        have = buffer._sharding
        if have._device_assignment == sharding._device_assignment and have.is_equivalent_to(sharding, buffer.aval.ndim):
            self.known[i, id(have)] = have  # kept, so that the id stays its own
            return buffer
        return place(buffer, sharding)


def _mark(attributes: dict, key, sharding, of: Aval) -> None:
    text = f'mhlo.sharding = "{sharding._to_xla_hlo_sharding(of.ndim)}"'
    before = attributes.get(key)
    if before and "mhlo.sharding" in before:
        before = ", ".join(part for part in before.split(", ") if not part.startswith("mhlo.sharding"))
    attributes[key] = f"{before}, {text}" if before else text


def _user_form(spec, of: Aval, devices: tuple, mesh: Mesh | None):
    hlo = xla.HloSharding.from_proto(spec)
    if mesh is not None:
        found = named(mesh, hlo, of.ndim)
        if found is not None:
            return found
    return Tiled(xla.DeviceList(devices), hlo)


def _options(devices: tuple, outputs: list, small: bool, flags: dict | None):
    options = compile_options(small, list((flags or {}).items()))
    count = len(devices)
    assignment = xla.DeviceAssignment.create(np.array([[d.id for d in devices]]))
    build = options.executable_build_options
    options.num_replicas = build.num_replicas = 1
    options.num_partitions = build.num_partitions = count
    options.device_assignment = build.device_assignment = assignment
    if count > 1:
        build.use_spmd_partitioning = True
        build.use_shardy_partitioner = False
        build.allow_spmd_sharding_propagation_to_parameters = [False]
        build.allow_spmd_sharding_propagation_to_output = [s is None for s in outputs] or [False]
    return options


def run_kernel(prim, buffers: list, params: dict) -> tuple[bool, list]:
    """Run a primitive on buffers of which some lie on several devices; return (whether it has one result, results)."""
    spread = Spread(prim.name, buffers, [None] * len(buffers), [])
    avals = tuple([b.aval for b in buffers])
    key = ("spread", spread.key, avals, params_key(params))
    found = prim.cache.get(key)
    if found is None:
        made = prim.infer(*avals, **params)
        outs = (made,) if type(made) is Aval else tuple(made)
        module = kernel_module(prim.name, prim.emit, avals, outs, params)
        program = Partitioned(module, spread.devices, spread.mesh, avals, spread.inputs, outs, [None] * len(outs),
                              small=devices_are_cpus(spread.devices))
        found = store(prim, key, (type(made) is Aval, program))
    return found[0], found[1](buffers)


def devices_are_cpus(devices: tuple) -> bool:
    """Tell whether a program runs on CPUs, where small programs compile with cheaper options."""
    return devices[0].platform == "cpu"


def copied(buffer):
    """Return a copy of an array over several devices, part by part."""
    return xla.assemble(buffer.aval, buffer._sharding, [put(to_numpy(piece), piece.aval, placement(piece._sharding._device_assignment[0]))
                                                        for piece in pieces_of(buffer)])


def reshard(buffer, sharding):
    """Return an array laid out anew over its own devices by a program that only communicates."""
    module = Module("reshard")
    module.results([module.argument(buffer.aval)])
    spread = Spread("device_put", [buffer], [None], [sharding])
    return Partitioned(module, sharding._device_assignment, getattr(sharding, "mesh", None), [buffer.aval], spread.inputs,
                       [buffer.aval], [sharding])([buffer])[0]


def along(what: str, prefix, tree) -> list:
    """Return the sharding (or None) of every leaf of a tree, from a prefix of it; ValueError if it is no prefix."""
    flat: list = []
    try:
        tree_map(lambda s, part: flat.extend([s] * len(tree_leaves(part))), prefix, tree, is_leaf=lambda s: s is None)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{what} must be a tree prefix of the corresponding value, got {prefix} for the tree "
                         f"{tree_structure(tree)}") from error
    return [None if s is None else sharding_of(what, s) for s in flat]


def given_for(name: str, args: tuple, kwargs: dict, in_shardings) -> list:
    """Return the sharding (or None) that ``in_shardings`` has for every leaf of a call's arguments."""
    if in_shardings is None:
        return [None] * len(tree_leaves((args, kwargs)))
    if isinstance(in_shardings, list):
        in_shardings = tuple(in_shardings)
    return along(f"{name} in_shardings", in_shardings, args) + [None] * len(tree_leaves(kwargs))


def spread_of(name: str, args: tuple, kwargs: dict, buffers: list, in_shardings, out_shardings) -> Spread | None:
    """Return how the arguments of a call lie on a mesh; None when no option says anything and nothing is spread."""
    given = given_for(name, args, kwargs, in_shardings)
    more = [sharding_of(f"{name} out_shardings", s) for s in tree_leaves(out_shardings)]
    if not is_spread(buffers) and not more and not any(s is not None for s in given):
        return None
    return Spread(name, buffers, given, more)


def of_staged(staged: Staged, spread: Spread | None = None, out_shardings=None, options: dict | None = None) -> Partitioned:
    """Compile a staged function for the devices of its arguments, or of the mesh that its code names."""
    from runtime.ops.typeof import check_asked
    module, wanted = staged.module, staged.module.facts.get("devices")
    if spread is None:
        devices, mesh, inputs = wanted, None, [None] * len(staged.in_avals)
    else:
        devices, mesh, inputs = spread.devices, spread.mesh, spread.inputs
        check_asked(module, inputs)
        if wanted is not None and set(wanted) != set(devices):
            raise ValueError(f"{module.name}: its arguments are on the devices {[d.id for d in devices]}, but its code names "
                             f"a mesh of the devices {[d.id for d in wanted]}; move the arguments with device_put")
    mesh = module.facts.get("device mesh") or mesh
    outputs: list = [None] * len(staged.out_avals)
    if out_shardings is not None:
        outputs = along(f"{module.name} out_shardings", out_shardings, staged.out_tree.unflatten(list(staged.out_avals)))
    devices = wanted or devices
    inspected = module.facts.pop("inspected", None)
    if inspected:
        values, results = [value for _, value in inspected], list(module._results)
        module.results(results + values)
        trial = Partitioned(module, devices, mesh, staged.in_avals, inputs, [v.aval for v in module._results], outputs + [None] * len(values))
        module.results(results)
        for (callback, _), sharding in zip(inspected, trial.outputs[len(results):]):
            callback(sharding)
    return Partitioned(module, devices, mesh, staged.in_avals, inputs, staged.out_avals, outputs, options=options)


of_staged.takes_spread = True


def constrained(function, args: tuple, kwargs: dict):
    """Call a jitted function inside a trace: its shardings are constraints there."""
    from runtime.ops.constrain import with_sharding_constraint
    dynamic, rest, _, fun = function.split(args, kwargs)
    leaves = iter(given_for(function.name, dynamic, rest, function.in_shardings))

    def one(x):
        sharding = next(leaves)
        return x if sharding is None else with_sharding_constraint(x, sharding)
    dynamic, rest = tree_map(one, (dynamic, rest))
    out = fun(*dynamic, **rest)
    if function.out_shardings is not None:
        leaves = iter(along(f"{function.name} out_shardings", function.out_shardings, out))
        out = tree_map(one, out)
    return out
