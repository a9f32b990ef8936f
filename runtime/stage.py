"""Runs a Python function on symbolic arrays, once, and returns the StableHLO module of what it did."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runtime.array import Array
from runtime.growing import Growing
from runtime.hlo import Block, Module, Value, into, tracing
from runtime.join import is_symbolic
from runtime.primitive import lift_array
from runtime.recursion import explained
from runtime.sequence import Kept, is_lazy, known_length
from runtime.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path
from runtime.types import Aval, aval, aval_of, canonical_dtype, dtype_name


class ShapeDtypeStruct:
    """The shape and dtype of an array without its value."""
    __slots__ = ("shape", "dtype", "weak_type", "sharding")

    def __init__(self, shape, dtype, *, sharding=None, weak_type=False, manual_axis_type=None, vma=None, is_ref=False):
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape, self.dtype = tuple(shape), canonical_dtype(dtype)
        self.weak_type, self.sharding = weak_type, sharding

    @classmethod
    def like(cls, x):
        """Return the shape and dtype of an array or number."""
        of = aval_of(x)
        laid = None if is_symbolic(x) else getattr(x, "sharding", None)      # where a staged array lies is up to the program
        return cls(of.shape, of.dtype, weak_type=of.weak_type, sharding=laid)

    def update(self, **changed) -> ShapeDtypeStruct:
        """Return a copy with some attributes replaced."""
        return ShapeDtypeStruct(**{**{name: getattr(self, name) for name in self.__slots__}, **changed})

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.aval.size

    @property
    def aval(self) -> Aval:
        """The interned type."""
        return aval(self.shape, self.dtype, self.weak_type)

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self):
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={dtype_name(self.dtype)}{weak})"

    def __eq__(self, other):
        return isinstance(other, ShapeDtypeStruct) and self.aval is other.aval

    def __hash__(self):
        return hash((self.shape, self.dtype, self.weak_type))


@dataclass(frozen=True)
class ArgInfo:
    """The type of an argument of a staged function, and whether the argument is donated."""
    _aval: Aval
    donated: bool

    @property
    def shape(self) -> tuple:
        """The sizes of the axes."""
        return self._aval.shape

    @property
    def dtype(self):
        """The type of the elements."""
        return self._aval.dtype


@dataclass(frozen=True)
class Staged:
    """A staged function: its module, the types that go in and come out, and the buffers it captured.

    The program takes ``captured`` first and then one buffer for each of ``in_avals``.
    """
    module: Module
    in_tree: PyTreeDef
    in_avals: tuple[Aval, ...]
    out_tree: PyTreeDef
    out_avals: tuple[Aval, ...]

    @property
    def captured(self) -> list:
        """The concrete buffers that the program takes before its arguments."""
        return [buffer for _, buffer in self.module.captured.values()]


def output_values(block: Block, out, name: str) -> tuple[list[Value], PyTreeDef]:
    """Return the values of a function's result and its structure; TypeError for a leaf that is no array."""
    leaves, tree = tree_flatten(_as_lists(out))
    values = []
    for position, leaf in enumerate(leaves):
        if not isinstance(leaf, (Array, np.ndarray, np.generic, bool, int, float, complex)):
            path = tree_flatten_with_path(out)[0][position][0]
            raise TypeError(f"function {name} returned a value of type {type(leaf)} at output component {keystr(path) or '(whole)'}, "
                            "which is not a valid result of a staged function; return arrays and containers of arrays")
        values.append(lift_array(block, leaf))
    return values, tree


def _as_lists(out):
    """A result with the lists that staged loops made as lists; what one compiled half of a function keeps for the other stays as it is."""
    leaves, tree = tree_flatten(out, lambda x: is_lazy(x) or isinstance(x, (Growing, Kept)))
    return tree.unflatten([[_as_lists(item) for item in leaf] if isinstance(leaf, Growing) or is_lazy(leaf) and known_length(leaf) is not None
                           else leaf for leaf in leaves])


def stage(fn: Callable, in_tree: PyTreeDef, in_avals, name: str = "f", prepare: Callable | None = None) -> Staged:
    """Run ``fn(*args, **kwargs)`` on symbolic arrays; ``in_tree`` is the structure of ``(args, kwargs)``.

    ``prepare(module)`` is called before anything is emitted. Must not be called inside another trace for a function that
    closes over symbolic arrays: the two modules cannot share them (LeakError).
    """
    module = Module("jit_" + name)
    try:
        return _staged(module, fn, in_tree, in_avals, name, prepare)
    except Exception:
        if not module.facts.get("lists carried"):
            raise
    module = Module("jit_" + name)      # something else is done with a list that a loop changes: such loops are written out
    module.facts["lists stay lists"] = True
    return _staged(module, fn, in_tree, in_avals, name, prepare)


def _staged(module, fn, in_tree, in_avals, name, prepare):
    if prepare is not None:
        prepare(module)
    leaves = [Array(module.argument(of)) for of in in_avals]
    args, kwargs = in_tree.unflatten(leaves)
    with into(module.main):
        try:
            out = fn(*args, **kwargs)
        except RecursionError as error:
            said = explained(error)
            if said is None:
                raise
            raise said from None
        values, out_tree = output_values(module.main, out, name)
    module.results(values)
    return Staged(module, in_tree, tuple(in_avals), out_tree, tuple(v.aval for v in values))


def trace(fn: Callable, args: tuple, kwargs: dict | None = None, name: str | None = None) -> Staged:
    """Stage ``fn`` for arguments of these types (arrays, ShapeDtypeStructs, numbers in any pytrees)."""
    leaves, tree = tree_flatten((tuple(args), kwargs or {}))
    return stage(fn, tree, [aval_of(leaf) for leaf in leaves], name or getattr(fn, "__name__", "f"))


def eval_shape(fun: Callable, *args, **kwargs):
    """Return the ShapeDtypeStructs of ``fun``'s result for arguments of these types, computing nothing."""
    leaves, tree = tree_flatten((args, kwargs))
    avals = [aval_of(leaf) for leaf in leaves]
    scratch = Module("shape").main if tracing.block is None else tracing.block.region()
    with into(scratch):
        inner_args, inner_kwargs = tree.unflatten([Array(scratch.argument(of)) for of in avals])
        values, out_tree = output_values(scratch, fun(*inner_args, **inner_kwargs), getattr(fun, "__name__", "f"))
    return out_tree.unflatten([ShapeDtypeStruct(v.aval.shape, v.aval.dtype, weak_type=v.aval.weak_type) for v in values])
