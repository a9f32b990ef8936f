"""Joins the values that reach one point of a program on different paths: the two sides of a branch, the turns of a loop.

A symbolic zero joined with an array is an array of zeros; numbers promote as in arithmetic; ``UNDEFINED`` (a variable not
assigned on that path) joined with anything is the other side; what is no array must be equal on all paths.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.array import Array
from runtime.hlo import Block, Value
from runtime.primitive import lift_array
from runtime.tree import CARRIED, register_static
from runtime.types import Aval, TypePromotionError, aval, aval_of, promote_avals
from runtime.zero import ZERO


class UndefinedError(UnboundLocalError):
    """A path computes with a variable that it has not assigned; tracing may meet such a path, running never does."""


class Undefined:
    """The value of a variable on a path that does not assign it."""
    __slots__ = ()

    def __repr__(self):
        return "UNDEFINED"

    def __reduce__(self):
        return "UNDEFINED"

    def __array__(self, dtype=None, copy=None):
        raise UndefinedError("a variable is used on a path that has not assigned it")

    def __bool__(self):
        raise UndefinedError("a variable is used on a path that has not assigned it")

    __iter__ = __len__ = __bool__

    def _undefined(self, other=None):
        return self     # only a path that is traced and never taken computes with it

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _undefined
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __getitem__ = _undefined
    __lt__ = __le__ = __gt__ = __ge__ = _undefined


UNDEFINED = Undefined()
register_static(Undefined)


@dataclass(frozen=True)
class BranchTypes:
    """Of what structure and types the result of a branch of ``cond`` or ``switch`` is; the branches of a call must agree."""
    function: str
    structure: object
    types: tuple[str, ...]

    def agreeing(self, other) -> BranchTypes:
        """Return these types; TypeError where those of another branch differ."""
        if self.structure != other.structure:
            raise TypeError(f"{self.function} branch outputs must have the same pytree structure, but they differ: one branch gives "
                            f"{self.structure}, another {other.structure}.")
        if self.types != other.types:
            raise TypeError(f"{self.function} branches must have equal output types but they differ: one branch gives "
                            f"{', '.join(self.types)}, another {', '.join(other.types)}; use astype or broadcast_to.")
        return self


register_static(BranchTypes)    # what a compiled part of a program hands on with its values


@dataclass(frozen=True)
class Keep:
    """The join of two values that are the same: nothing has to be computed."""
    value: object


class JoinError(TypeError):
    """Two paths bring values that have no common type."""


def is_special(x) -> bool:
    """Tell whether a value is the symbolic zero or UNDEFINED, which stand for arrays or whole containers."""
    return x is ZERO or x is UNDEFINED


def is_arraylike(x) -> bool:
    """Tell whether a leaf is data (an array or a number), not a static object."""
    return isinstance(x, (Array, np.ndarray, np.generic, bool, int, float, complex))


def is_symbolic(x) -> bool:
    """Tell whether a leaf is an array without a value yet."""
    return isinstance(x, Array) and type(x._v) is Value


def any_symbolic(*trees) -> bool:
    """Tell whether any leaf of pytrees is symbolic."""
    return any(is_symbolic(leaf) for leaf in CARRIED.flatten(trees)[0])


def flatten(tree) -> tuple[list, object]:
    """Return (leaves, treedef), with the symbolic zero and UNDEFINED as leaves."""
    return CARRIED.flatten(tree, is_special)


def describe(x) -> str:
    """Return the type of a value for an error message."""
    if is_special(x):
        return repr(x)
    leaves, tree = flatten(x)
    if tree.num_nodes == 1 and leaves:
        return repr(aval_of(x)) if is_arraylike(x) else f"{x!r:.60} ({type(x).__name__})"
    if type(x) in (tuple, list):
        inner = ", ".join(map(describe, x[:8])) + (", ..." if len(x) > 8 else "")
        return f"[{inner}]" if type(x) is list else f"({inner})"
    if type(x) is dict:
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in list(x.items())[:8]) + "}"
    return f"{type(x).__name__} of {len(leaves)} leaves"


def align(a, b, where: str):
    """Return both values with special leaves expanded, so that their structures are equal; JoinError if they cannot be."""
    if is_special(a) or is_special(b):
        if is_special(a) and is_special(b):
            return a, b
        if any(hasattr(leaf, "appended") for leaf in CARRIED.flatten(b if is_special(a) else a, lambda x: hasattr(x, "appended"))[0]):
            raise JoinError(f"{where} is a list that a loop changes on one path and has no length on the other")
        if is_special(a):
            leaves, tree = flatten(b)
            return tree.unflatten([a] * len(leaves)), b
        leaves, tree = flatten(a)
        return a, tree.unflatten([b] * len(leaves))
    ta, tb = flatten(a)[1], flatten(b)[1]
    if ta == tb:
        return a, b
    children_a, level_a = CARRIED.flatten(a, lambda x: x is not a)
    children_b, level_b = CARRIED.flatten(b, lambda x: x is not b)
    if level_a != level_b or level_a.num_nodes == 1:
        grown = isinstance(a, list) and isinstance(b, list)
        raise JoinError(f"{where} has different structures on different paths: {describe(a)} and {describe(b)}; "
                        + ("a compiled program holds no list whose length a staged value decides: keep an array and a count "
                           "(xs = xs.at[n].set(x); n = n + 1), or leave jit out" if grown else "make both the same containers of the same length"))
    pairs = [align(x, y, where) for x, y in zip(children_a, children_b)]
    return level_a.unflatten([x for x, _ in pairs]), level_b.unflatten([y for _, y in pairs])


def join_leaves(a, b, where: str, numbers_static: bool = True) -> Aval | Keep:
    """Return the common type of two leaves, or Keep(value) if they are the same.

    With ``numbers_static`` equal Python numbers stay Python numbers. JoinError naming both types if there is none.
    """
    if type(a) is BranchTypes and type(b) is BranchTypes:
        return Keep(a.agreeing(b))
    if a is b and (numbers_static or not isinstance(a, (bool, int, float, complex))):
        return Keep(a)
    if isinstance(a, Array) and isinstance(b, Array) and a._v is b._v:
        return Keep(a)
    if is_special(a) or is_special(b):
        if is_special(a) and is_special(b):
            return Keep(ZERO)
        other = b if is_special(a) else a
        # a number that one path alone gives is asked for on that path alone
        one_sided = numbers_static and (a is UNDEFINED or b is UNDEFINED) and type(other) in (bool, int, float, complex)
        return aval_of(other) if is_arraylike(other) and not one_sided else Keep(other)
    if is_arraylike(a) and is_arraylike(b):
        if numbers_static and type(a) is type(b) and type(a) in (bool, int, float, complex) and repr(a) == repr(b):
            return Keep(a)
        one, two = aval_of(a), aval_of(b)
        if one.shape != two.shape:
            raise JoinError(f"{where} has different shapes on different paths: {one!r} and {two!r}; an array in a staged "
                            "program has one shape, so pad or broadcast it to the same one")
        try:
            dtype, weak = promote_avals(one, two)
        except TypePromotionError as error:
            raise JoinError(f"{where} has types without a common one on different paths: {one!r} and {two!r}") from error
        return aval(one.shape, dtype, weak)
    if type(a) is type(b) and not is_arraylike(a):
        try:
            if bool(a == b):
                return Keep(a)
        except (TypeError, ValueError):
            pass  # not comparable, so certainly not known to be equal
    raise JoinError(f"{where} has different static values on different paths: {describe(a)} and {describe(b)}; only arrays "
                    "and numbers can differ in a staged program")


def materialise(block: Block, leaf, of: Aval) -> Value:
    """Return a leaf as a value of a type, emitting conversions into a block; special leaves are zeros."""
    if is_special(leaf):
        return block.zeros(of)
    return block.convert(lift_array(block, leaf), of)
