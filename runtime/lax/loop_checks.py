"""What structured control flow refuses in a call that is not transformed: predicates, indices and carries of the wrong type."""
from __future__ import annotations

import numpy

from runtime.array import Array, ConcretizationError
from runtime.hlo import Module, into, tracing
from runtime.tree import tree_flatten, tree_map
from runtime.types import aval_of


def _described(leaf):
    try:
        found = aval_of(leaf)
    except TypeError:
        return type(leaf).__name__
    return f"{found.dtype.name}[{','.join(str(n) for n in found.shape)}]"


def predicate(pred):
    """Return the predicate of ``cond``; TypeError unless it is a scalar."""
    if not isinstance(pred, (bool, int, float, complex, numpy.generic, numpy.ndarray, Array)) or numpy.shape(pred):
        raise TypeError(f"Pred must be a scalar, got {pred} of type {_described(pred)}")
    return pred


def agreeing(name, branches, chosen, operands, out):
    """Return the result of the chosen branch; TypeError unless those of the other branches are of its types.

    What another branch gives is found on operands that have types and no values; a branch that asks for values is not checked.
    """
    if tracing.block is not None:
        return out
    leaves, tree = tree_flatten(out)
    for i, branch in enumerate(branches):
        if i == chosen:
            continue
        try:
            others, other = tree_flatten(_abstract(branch, operands))
        except ConcretizationError:
            continue
        if tree != other:
            raise TypeError(f"{name} branch outputs must have the same pytree structure, but they differ: branch {chosen} gives {tree}, "
                            f"branch {i} {other}.")
        if [_described(leaf) for leaf in leaves] != [_described(leaf) for leaf in others]:
            raise TypeError(f"{name} branches must have equal output types but they differ: branch {chosen} gives "
                            f"{', '.join([_described(leaf) for leaf in leaves])}, branch {i} "
                            f"{', '.join([_described(leaf) for leaf in others])}; use astype or broadcast_to.")
    return out


def _abstract(function, operands):
    """Call a function with arrays that have types and no values."""
    module = Module("branch")
    with into(module.main):
        return function(*tree_map(lambda leaf: Array(module.argument(aval_of(leaf))) if isinstance(leaf, Array) else leaf, operands))


def of_cond(given, out):
    """Return the result of a ``cond`` whose branches agree."""
    if "pred" not in given or not callable(given.get("true_fun")) or not callable(given.get("false_fun")):
        return out
    branches = [given["true_fun"], given["false_fun"]]
    return agreeing("cond", branches, 0 if given["pred"] else 1, given["operands"], out)


def of_switch(given, out):
    """Return the result of a ``switch`` whose branches agree."""
    if "branches" not in given:
        return out
    branches = given["branches"]
    place = min(max(int(given["index"]), 0), len(branches) - 1)
    return agreeing("switch", branches, place, given["operands"], out)


def branch_index(index, branches):
    """Return the index of ``switch``; TypeError unless it is one integer, ValueError where there are no branches."""
    if len(branches) == 0:
        raise ValueError("Empty branch sequence")
    if isinstance(index, (float, complex)) or numpy.shape(index) or getattr(index, "dtype", numpy.dtype(int)).kind not in "biu":
        raise TypeError(f"Index type must be an integer scalar, got {index} as {_described(index)}")
    return index


def asking(cond_fun):
    """Return the condition of ``while_loop``; calling it raises TypeError where it gives anything but one bool."""
    def holds(val):
        found = cond_fun(val)
        if not isinstance(found, bool) and (getattr(found, "dtype", None) != bool or numpy.shape(found)):
            raise TypeError(f"cond_fun must return a boolean scalar, but got output type(s) [{_described(found)}].")
        return found
    return holds


def carrying(body, name, carry_of=None):
    """Return the body of a loop; calling it raises TypeError where what it gives is not of the types of what it got.

    carry_of: the carry in the body's result (by default the result). Numbers that give way to other dtypes may change theirs.
    """
    def turn(carry, *rest):
        result = body(carry, *rest)
        found = result if carry_of is None else carry_of(result)
        leaves, tree = tree_flatten(carry)
        others, other = tree_flatten(found)
        start = f"{name} function carry input and carry output must have "
        if tree != other:
            raise TypeError(f"{start}the same pytree structure, but they differ: the input has {tree}, the output {other}.")
        for before, after in zip(leaves, others):
            if numpy.shape(before) != numpy.shape(after) or not _gives_way(before) and _dtype(before) != _dtype(after):
                raise TypeError(f"{start}equal types, but they differ: the input has {_described(before)} where the output has "
                                f"{_described(after)}.")
        return result
    return turn


def _gives_way(leaf):
    return not hasattr(leaf, "dtype") or getattr(leaf, "weak_type", False)


def _dtype(leaf):
    return getattr(leaf, "dtype", None)


def pair_of(result):
    """Return the carry of what the body of a scan gives; TypeError unless that is a pair."""
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(f"scan body output must be a pair, got {result}.")
    return result[0]


def bounds(lower, upper):
    """Return nothing; TypeError unless the bounds of ``fori_loop`` are integers of one dtype."""
    for bound in (lower, upper):
        if isinstance(bound, (float, complex)) or getattr(bound, "dtype", numpy.dtype(int)).kind not in "iu" or numpy.shape(bound):
            raise TypeError(f"lower and upper arguments to fori_loop must be integer scalars, got {_described(lower)} and {_described(upper)}")
    if hasattr(lower, "dtype") and hasattr(upper, "dtype") and lower.dtype != upper.dtype:
        raise TypeError(f"lower and upper arguments to fori_loop must have equal types, got {lower.dtype.name} and {upper.dtype.name}")
    return {}


def carrying_second(body, name):
    """Return the body of ``fori_loop``, which takes the index first; see ``carrying``."""
    def turn(i, carry):
        def one(carry):
            return body(i, carry)
        return carrying(one, name)(carry)
    return turn
