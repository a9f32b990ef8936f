"""Programs as portable artifacts: called, serialized, and read again by another process or release."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from runtime import xla
from runtime.array import Array
from runtime.cotangent import filled
from runtime.device import default_backend
from runtime.op import op
from runtime.primitive import Primitive, as_operand
from runtime.tree import LEAVES, PyTreeDef, tree_flatten
from runtime.types import KEY, Aval, aval, dtype_name

CONVENTION = 1      # of calls and of the serialized form
MAGIC = b"xform exported program\n"
PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
# custom calls that jaxlib keeps from release to release
STABLE = re.compile(r"lapack_|cusolver|cublas|cufft|hip|Sharding|annotate_device_placement|SPMD|TopK|cu_")

_classes: dict = {}     # class -> (name, data to bytes, bytes to data, from children)
_names: dict = {}


class DisabledSafetyCheck:
    """A check that ``export`` and calls leave out."""

    def __init__(self, _impl: str):
        self._impl = _impl

    @classmethod
    def platform(cls):
        """Allow calls on a platform for which the function was not exported."""
        return cls("platform")

    @classmethod
    def custom_call(cls, target_name: str):
        """Allow the custom call, of which it is not known whether later releases have it."""
        return cls(f"custom_call:{target_name}")

    def __repr__(self):
        return f"DisabledSafetyCheck({self._impl})"

    def __eq__(self, other):
        return isinstance(other, DisabledSafetyCheck) and self._impl == other._impl

    def __hash__(self):
        return hash(self._impl)


@dataclass(frozen=True, eq=False)
class Exported:
    """A function staged for arguments of certain types and given as a portable StableHLO module.

    platforms: those on which it may be called. mlir_module_serialized: the artifact. The program runs on one device.
    """
    fun_name: str
    in_tree: PyTreeDef
    in_avals: tuple[Aval, ...]
    out_tree: PyTreeDef
    out_avals: tuple[Aval, ...]
    platforms: tuple[str, ...]
    disabled_safety_checks: tuple[DisabledSafetyCheck, ...]
    mlir_module_serialized: bytes
    calling_convention_version: int = CONVENTION
    nr_devices: int = 1
    ordered_effects: tuple = ()
    unordered_effects: tuple = ()
    uses_global_constants: bool = False
    _get_vjp: Callable | None = None
    _xform_constant = True
    _read: list = field(default_factory=list)

    def __repr__(self):
        return f"Exported(fun_name={self.fun_name}, ...)"

    @property
    def module_kept_var_idx(self) -> tuple:
        """Which arguments the program takes: all of them."""
        return tuple(range(len(self.in_avals)))

    @property
    def in_shardings_hlo(self) -> tuple:
        """None for each argument: nothing is said about where they lie."""
        return (None,) * len(self.in_avals)

    @property
    def out_shardings_hlo(self) -> tuple:
        """None for each result."""
        return (None,) * len(self.out_avals)

    def _module(self):
        if not self._read:
            self._read.append(xla.from_portable(self.mlir_module_serialized))
        return self._read[0]

    def mlir_module(self) -> str:
        """Return the module as StableHLO text."""
        return self._module()[0]

    def has_vjp(self) -> bool:
        """Whether ``vjp`` can be called."""
        return self._get_vjp is not None

    def vjp(self) -> Exported:
        """Return the exported pullback: from the leaves of the arguments and of a cotangent of the result to the arguments' cotangents."""
        if self._get_vjp is None:
            raise ValueError(f"No VJP is available for {self.fun_name}: serialize with vjp_order=1 to have it after deserialize; "
                             "a function of integers has none")
        return self._get_vjp(self)

    def call(self, *args, **kwargs):
        """Run the program. ValueError for arguments of another structure or type, or on a platform that it was not exported for."""
        return called(self, args, kwargs)

    def pulled(self, args, kwargs, cotangent):
        """Return the cotangents of the arguments of a call for a cotangent of its result."""
        return pulled(self, args, kwargs, cotangent)

    def pushed(self, tangents):
        """Refuse forward mode."""
        return pushed(self, tangents)

    def serialize(self, vjp_order: int = 0) -> bytearray:
        """Return the program as bytes, with its derivatives up to an order (the pullback, its pullback ...)."""
        inner = self.vjp().serialize(vjp_order - 1) if vjp_order else b""
        head = {"version": self.calling_convention_version, "name": self.fun_name, "platforms": self.platforms,
                "checks": [check._impl for check in self.disabled_safety_checks],
                "in": [_described(of) for of in self.in_avals], "out": [_described(of) for of in self.out_avals],
                "in_tree": _written(self.in_tree), "out_tree": _written(self.out_tree),
                "size": len(self.mlir_module_serialized)}
        text = json.dumps(head).encode()
        return bytearray(MAGIC + len(text).to_bytes(8, "little") + text + self.mlir_module_serialized + inner)


def deserialize(blob) -> Exported:
    """Return the program that ``Exported.serialize`` wrote. ValueError for other bytes and for a later convention."""
    blob = bytes(blob)
    if not blob.startswith(MAGIC):
        raise ValueError("deserialize: these bytes were not written by Exported.serialize")
    start = len(MAGIC) + 8
    size = int.from_bytes(blob[len(MAGIC):start], "little")
    head = json.loads(blob[start:start + size])
    if head["version"] > CONVENTION:
        raise ValueError(f"deserialize: the program has calling convention {head['version']}, this release knows those up to {CONVENTION}")
    artifact = blob[start + size:start + size + head["size"]]
    rest = blob[start + size + head["size"]:]
    pullback = deserialize(rest) if rest else None
    return Exported(head["name"], _tree_of(head["in_tree"]), tuple(map(_aval_of, head["in"])), _tree_of(head["out_tree"]),
                    tuple(map(_aval_of, head["out"])), tuple(head["platforms"]), tuple(map(DisabledSafetyCheck, head["checks"])),
                    artifact, head["version"], _get_vjp=None if pullback is None else lambda _: pullback)


def default_export_platform() -> str:
    """Return the platform for which a function is exported when none is named."""
    found = default_backend()
    return {"gpu": "cuda"}.get(found, found)


def check_custom_calls(text: str, name: str, disabled) -> None:
    """ValueError when a module calls what later releases may not have."""
    for target in dict.fromkeys(re.findall(r'call_target_name = "([^"]*)"', text)):
        if not STABLE.match(target) and DisabledSafetyCheck.custom_call(target) not in disabled:
            raise ValueError(f"Cannot serialize the custom call {target!r} of {name}: later releases may not have it, and a callback into Python "
                             "stays behind. Leave it out, or allow it with DisabledSafetyCheck.custom_call.")


@op(jvp={"args": "program.pushed(args_dot)"}, vjp={"args": "program.pulled(args, kwargs, d_out)"})
def called(program, args, kwargs):
    """Return the result of an exported program; ``grad`` of it calls the exported pullback."""
    leaves, tree = tree_flatten((args, kwargs))
    name = program.fun_name
    if tree != program.in_tree:
        raise ValueError(f"The invocation args and kwargs must have the same pytree structure as when the function {name!r} was exported: "
                         f"expected {program.in_tree}, got {tree}")
    arrays = [as_operand(leaf, name) for leaf in leaves]
    for position, (array, of) in enumerate(zip(arrays, program.in_avals)):
        if array.shape != of.shape:
            raise ValueError(f"Shape mismatch for argument {position} of {name}: expected {of.shape} and called with {array.shape}")
        if array.dtype != of.dtype:
            raise ValueError(f"Dtype mismatch for argument {position} of {name}: expected {dtype_name(of.dtype)} and called with "
                             f"{dtype_name(array.dtype)}")
    platform = default_export_platform()
    if platform not in program.platforms and DisabledSafetyCheck.platform() not in program.disabled_safety_checks:
        raise ValueError(f"Function {name!r} was exported for platforms {program.platforms!r} but it is used on {platform!r}")
    results = run_exported(*arrays, program=program)
    return program.out_tree.unflatten([results] if isinstance(results, Array) else list(results))


@op(nondifferentiable="an exported program comes with its pullback, which has no derivative in turn")
def pulled(program, args, kwargs, cotangent):
    """Return the cotangents of the arguments of a call, by the exported pullback."""
    leaves = tree_flatten(filled(cotangent, like=program.out_tree.unflatten(program.out_avals)))[0]
    found = program.vjp().call(*tree_flatten((args, kwargs))[0], *leaves)
    return program.in_tree.unflatten(found)[0]


@op(nondifferentiable="an exported program has no forward derivative")
def pushed(program, tangents):
    """Refuse forward mode."""
    raise TypeError(f"the exported function {program.fun_name} has a pullback and no forward derivative: use grad, vjp or jacrev where it "
                    "is called, not jvp, jacfwd or hessian")


called.takes_objects = pulled.takes_objects = pushed.takes_objects = True      # the program is an argument of the op, not read with it


# -- running -------------------------------------------------------------------------------------------------------------

def _infer(*operands, program):
    return program.out_avals if len(program.out_avals) != 1 else program.out_avals[0]


def _emit(block, operands, out_avals, *, program):
    """Put the functions of the module beside ours, under names of their own, and call its main."""
    functions, module = program._module()[1], block.module
    if (program, "main") not in module.functions:
        names = {symbol: f"exported_{len(module.functions)}_{symbol}" for symbol in functions}
        pattern = re.compile("@(" + "|".join(map(re.escape, names)) + r")\b")
        for symbol, text in functions.items():
            text = pattern.sub(lambda found: "@" + names[found[1]], text).replace("func.func public", "func.func private", 1)
            module.functions[program, symbol] = names[symbol], text + "\n"
    symbol, _ = module.functions[program, "main"]
    return block.op("func.call", operands, list(out_avals), {"callee": f"@{symbol}"})


run_exported = Primitive("call_exported", _infer, _emit)


# -- the serialized form -------------------------------------------------------------------------------------------------

def _described(of: Aval) -> list:
    if of.dtype == KEY:
        raise ValueError("serialize: keys have no serialized form; export a function of jax.random.key_data(key)")
    return [list(of.shape), dtype_name(of.dtype), of.weak_type]


def _aval_of(found) -> Aval:
    shape, dtype, weak = found
    return aval(tuple(shape), dtype, weak)


def register_pytree_node_serialization(nodetype, *, serialized_name: str, serialize_auxdata, deserialize_auxdata, from_children=None):
    """Say how the class of a pytree node is written: its name, and its static data as bytes. ValueError for a name already taken.

    from_children: ``(data, children) -> node``; the class's own way by default.
    """
    _register(nodetype, serialized_name, serialize_auxdata, deserialize_auxdata, from_children)
    return nodetype


def register_namedtuple_serialization(nodetype, *, serialized_name: str):
    """Say under which name a NamedTuple is written. ValueError for a name already taken or another class."""
    if not (issubclass(nodetype, tuple) and hasattr(nodetype, "_fields")):
        raise ValueError(f"register_namedtuple_serialization: {nodetype} is no NamedTuple")
    _register(nodetype, serialized_name, lambda _: b"", lambda _: None, lambda _, children: nodetype(*children))
    return nodetype


def _register(nodetype, name, write, read, build):
    if nodetype in _classes:
        raise ValueError(f"Duplicate serialization registration for type {nodetype}. Previous registration was with name {_classes[nodetype][0]!r}.")
    if name in _names:
        raise ValueError(f"Duplicate serialization registration for serialized_name {name!r}. Previous registration was for type {_names[name]}.")
    _classes[nodetype], _names[name] = (name, write, read, build), nodetype


def _written(tree: PyTreeDef):
    """A structure as JSON."""
    data = tree.node_data()
    if data is None:
        return "leaf" if tree.num_leaves else None
    kind, static = data
    children = [_written(child) for child in tree.children()]
    if kind in (tuple, list):
        return {kind.__name__: children}
    if kind is dict and all(isinstance(key, str) for key in static):
        return {"dict": dict(zip(static, children))}
    if kind not in _classes:
        raise ValueError(f"Cannot serialize a pytree with a node of {kind}. Register its class with register_pytree_node_serialization or "
                         "register_namedtuple_serialization.")
    name, write, _, _ = _classes[kind]
    return {"node": name, "data": bytes(write(static)).hex(), "children": children}


def _tree_of(written) -> PyTreeDef:
    return LEAVES.flatten(_built(written))[1]


def _built(written):
    if written == "leaf":
        return 0
    if written is None:
        return None
    if "node" in written:
        if written["node"] not in _names:
            raise ValueError(f"deserialize: the class written as {written['node']!r} is not registered in this process")
        kind = _names[written["node"]]
        _, _, read, build = _classes[kind]
        data, children = read(bytes.fromhex(written["data"])), [_built(child) for child in written["children"]]
        if build is not None:
            return build(data, children)
        return PyTreeDef.make_from_node_data_and_children(LEAVES, (kind, data), [LEAVES.flatten(c)[1] for c in children]).unflatten(
            [0] * sum(LEAVES.flatten(c)[1].num_leaves for c in children))
    (kind, children), = written.items()
    if kind == "dict":
        return {key: _built(child) for key, child in children.items()}
    return (tuple if kind == "tuple" else list)(map(_built, children))
