"""Compilation ahead of time: a staged function that waits to be compiled, and the compiled function for one signature."""
from __future__ import annotations

from typing import NamedTuple

from runtime import xla
from runtime.array import Array
from runtime.device import default_placement, move, placement
from runtime.hlo import Value
from runtime.jit import Program
from runtime.primitive import as_operand
from runtime.stage import ArgInfo, ShapeDtypeStruct, Staged
from runtime.tree import LEAVES
from runtime.types import Aval
from runtime.xla import ArrayImpl


class Spelling(NamedTuple):
    """How calls spell the arguments of a staged function: the structure of theirs, and which of its leaves each staged leaf is."""
    tree: object
    order: list[int]


def by_argument(staged, found: list):
    """Return what belongs to the leaves of a staged function's arguments as ``(args, kwargs)`` of a call."""
    if staged._spelling is None:
        return staged.in_tree.unflatten(found)
    return staged.in_tree.unflatten([found[staged._spelling.order.index(i)] for i in range(staged.in_tree.num_leaves)])


def args_info(made, staged):
    """Return the types of a staged function's arguments and whether each is donated, as a pytree of ArgInfo."""
    donated = staged.module.donated
    return by_argument(made, [ArgInfo(of, i in donated) for i, of in enumerate(staged.in_avals)])


class Lowered:
    """A staged function, ready to be compiled."""
    _spelling = None

    def __init__(self, staged: Staged, state, dynamic):
        self._staged, self._state, self._dynamic = staged, state, dynamic

    def spelled(self, tree, order: list[int]) -> Lowered:
        """Return this for calls whose ``(args, kwargs)`` are of another structure: ``order`` says which of their leaves each
        leaf of the staged function's arguments is."""
        self._spelling = Spelling(tree, order)
        return self

    @property
    def in_tree(self):
        """The structure of ``(args, kwargs)``."""
        return self._staged.in_tree if self._spelling is None else self._spelling.tree

    @property
    def out_tree(self):
        """The structure of the result."""
        return self._staged.out_tree

    @property
    def out_info(self):
        """The result's types, as a pytree."""
        return self._staged.out_tree.unflatten([ShapeDtypeStruct(of.shape, of.dtype, weak_type=of.weak_type) for of in self._staged.out_avals])

    args_info = property(lambda self: args_info(self, self._staged))

    @property
    def platform(self) -> str:
        """The platform that the program is for: 'cpu', 'gpu' or 'tpu'."""
        return placement(self._state.device).platform

    def as_text(self, dialect: str | None = None, *, debug_info: bool = False) -> str:
        """Return the program's StableHLO text, or with ``dialect='hlo'`` XLA's unoptimised HLO."""
        if dialect not in (None, "stablehlo", "hlo"):
            raise ValueError(f"as_text: unknown dialect {dialect!r}; use 'stablehlo' or 'hlo'")
        text = self._staged.module.text()
        return xla.unoptimised_hlo(text) if dialect == "hlo" else text

    def compiler_ir(self, dialect: str | None = None):
        """Return the program as jaxlib's own object: an MLIR module of StableHLO, or with ``dialect='hlo'`` an XlaComputation.

        ValueError for other dialects.
        """
        if dialect not in (None, "stablehlo", "hlo"):
            raise ValueError(f"compiler_ir: unknown dialect {dialect!r}; use 'stablehlo' or 'hlo'")
        text = self._staged.module.text()
        return xla.computation(text) if dialect == "hlo" else xla.mlir_module(text)

    def cost_analysis(self):
        """Return XLA's estimate of the cost of the optimised program."""
        return self.compile().cost_analysis()

    def compile(self, compiler_options: dict | None = None) -> Compiled:
        """Compile for the default device (or the one that jit was given), or for those over which arguments are spread."""
        state, place = self._state, placement(self._state.device)
        spread = state.spread(self._dynamic, [described(leaf) for leaf in LEAVES.flatten(self._dynamic[:2])[0]])
        return Compiled(Program(self._staged, place, compiler_options or state.compiler_options, spread,
                                state.out_shardings), state, self._spelling)


class Described:
    """What is known of an argument that there may be no array for: its type and where it would lie."""
    __slots__ = ("aval", "_sharding", "_committed")

    def __init__(self, of: Aval, sharding):
        self.aval, self._committed = of, sharding is not None
        self._sharding = default_placement().sharding if sharding is None else sharding


def described(leaf):
    """Return an argument's buffer, or what a ShapeDtypeStruct says of it."""
    if isinstance(leaf, ShapeDtypeStruct):
        return Described(leaf.aval, leaf.sharding)
    buffer = as_operand(leaf)._v
    return buffer if type(buffer) is ArrayImpl else Described(buffer.aval, None)


class Compiled:
    """A compiled function for one signature; call it with arguments of exactly those types."""
    _xform_opaque = ("It was lowered and compiled for one signature, which transformations change: transform the function, then "
                     "lower and compile what comes of it.")

    def __init__(self, program: Program, state, spelling: Spelling | None = None):
        self._program, self._state, self._spelling = program, state, spelling

    in_tree = property(lambda self: self._program.staged.in_tree if self._spelling is None else self._spelling.tree)
    out_tree = property(lambda self: self._program.out_tree)
    args_info = property(lambda self: args_info(self, self._program.staged))

    @property
    def input_shardings(self):
        """How the arguments lie, as ``(args, kwargs)``."""
        inputs = getattr(self._program.runner, "inputs", None)
        return by_argument(self, inputs or [self._program.place.sharding] * len(self._program.staged.in_avals))

    @property
    def output_shardings(self):
        """How the results lie."""
        outputs = getattr(self._program.runner, "outputs", None)
        return self.out_tree.unflatten(outputs or [self._program.place.sharding] * len(self._program.staged.out_avals))

    def as_text(self) -> str:
        """Return XLA's optimised HLO."""
        return self._program.executable.hlo_modules()[0].to_string()

    def cost_analysis(self) -> dict:
        """Return XLA's cost estimate: flops, bytes accessed ..."""
        found = self._program.executable.cost_analysis()
        return found[0] if isinstance(found, list) else found

    def memory_analysis(self):
        """Return the bytes taken by arguments, results, temporaries and code."""
        return self._program.executable.get_compiled_memory_stats()

    def runtime_executable(self):
        """Return jaxlib's executable."""
        return self._program.executable

    def __call__(self, *args, **kwargs):
        dyn_args, dyn_kwargs, _, of_dynamic = self._state.split(args, kwargs) if self._state.static_nums and len(
            args) > len(self._program.staged.in_tree.children()[0].children()) else (args, kwargs, (), None)
        leaves, tree = LEAVES.flatten((dyn_args, dyn_kwargs))
        staged = self._program.staged
        if tree != self.in_tree:
            raise TypeError(f"function was compiled for input structure {self.in_tree}, called with {tree}")
        if self._spelling is not None:
            leaves = [leaves[i] for i in self._spelling.order]
            args, kwargs = staged.in_tree.unflatten(leaves)
        given = self._state.own_argument if staged.module.donated else self._state.argument
        arrays = [given(leaf) for leaf in leaves]
        if any([array.shape != of.shape or array.dtype != of.dtype for array, of in zip(arrays, staged.in_avals)]):
            raise TypeError("Argument types differ from the types for which this computation was compiled. The mismatches are:\n" + "\n".join(
                [f"Argument {path!r} compiled with {of} and called with {array.aval}" for path, array, of in zip(
                    self._state.argument_names(staged.in_tree), arrays, staged.in_avals) if array.shape != of.shape or array.dtype != of.dtype]))
        if any(type(a._v) is Value for a in arrays):
            raise TypeError(f"cannot stage {self._state.name} as part of another program. {self._xform_opaque}")
        buffers = [a._v for a in arrays]
        results = self._program.run(buffers if self._program.runner is not None else move(buffers, self._program.place))
        return self._program.out_tree.unflatten([Array(r) for r in results])
