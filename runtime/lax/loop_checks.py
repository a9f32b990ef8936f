"""What structured control flow refuses in a call that is not transformed: predicates, indices and carries of the wrong type."""
from __future__ import annotations

import numpy

from runtime.array import Array, ConcretizationError
from runtime.hlo import Module, into, tracing
from runtime.join import BranchTypes
from runtime.op import op
from runtime.ops.create import array
from runtime.ops.kernel import about_types
from runtime.tree import tree_flatten, tree_map
from runtime.types import aval_of, kind
from runtime.zero import Like


def _described(leaf):
    try:
        found = leaf if isinstance(leaf, Like) else aval_of(leaf)
    except TypeError:
        return type(leaf).__name__
    return f"{found.dtype.name}[{','.join(str(n) for n in found.shape)}]"


def predicate(pred):
    """Return the predicate of ``cond``; TypeError unless it is a scalar."""
    if not isinstance(pred, (bool, int, float, complex, numpy.generic, numpy.ndarray, Array)) or numpy.shape(pred):
        raise TypeError(f"Pred must be a scalar, got {pred} of type {_described(pred)}")
    return pred


@about_types
def one_scalar(pred):
    """Raise TypeError unless the predicate of ``cond`` is a scalar."""
    if pred is None:
        raise TypeError("cond predicate is None")
    if isinstance(pred, (list, tuple)):
        raise TypeError(f"Pred must be a scalar, got {pred} of type {type(pred)}")
    if _shape(pred):
        raise TypeError(f"Pred must be a scalar, got {_described(pred)}; use .any(), .all() or where")


@about_types
def branch_gives(name, chooses, out):
    """Return of what types the result of a branch is, to be joined with those of the others; None where only one branch runs.

    chooses: the predicate or index, which is a token where each example has one.
    """
    if tracing.block is None and not _is_token(chooses):
        return None
    leaves, tree = tree_flatten(out, _is_token)
    return BranchTypes(name, tree, tuple([_described(leaf) for leaf in leaves]))


branch_gives.takes_objects = True   # whatever the branch gives, as it is


@about_types
def branches_agree(types):
    """Take the joined types of all branches: that they could be joined is what is asked."""
    return True


branches_agree.takes_objects = True


def noting(branch, index):
    """Return a branch of ``switch`` that returns (its result, the types of that)."""
    def noted(*operands):
        out = branch(*operands)
        return out, branch_gives("switch", index, out)
    return noted


def whole_index(index):
    """Raise TypeError unless the index of ``switch`` is an integer."""
    if isinstance(index, (bool, float, complex)) or getattr(index, "dtype", numpy.dtype(int)).kind not in "iu":
        raise TypeError(f"Index type must be an integer, got {_described(index)}")


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
    if isinstance(index, (bool, float, complex)) or numpy.shape(index) or getattr(index, "dtype", numpy.dtype(int)).kind not in "iu":
        raise TypeError(f"Index type must be an integer scalar, got {index} as {_described(index)}")
    return index


def callable_as(name, function):
    """Return what a control-flow function is given to call; TypeError unless it can be called."""
    if not callable(function):
        raise TypeError(f"lax.{name}: the function argument should be callable, got {function!r:.60}.")
    return function


@about_types
def one_size(leaves, axis):
    """Return the length of the arrays of ``associative_scan`` along its axis; ValueError unless they have one, and the same."""
    shapes = [_shape(leaf) for leaf in leaves]
    for shape in shapes:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"axis {axis} is out of bounds for array of dimension {len(shape)}")
    if len({shape[axis] for shape in shapes}) > 1:
        raise ValueError(f"Array inputs to associative_scan must have the same first dimension. (saw: {list(shapes)})")
    return shapes[0][axis]


def pairing(body):
    """Return the body of a scan; calling it raises TypeError where what it gives is no pair. TypeError unless it can be called."""
    callable_as("scan", body)

    def turn(carry, x):
        result = body(carry, x)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise TypeError(f"scan body output must be a pair, got {result}.")
        return result
    return turn


def of_while(given, out):
    """Return the result of a ``while_loop``; where there was no turn, its body is asked for the types that it gives."""
    if tracing.block is None and "init_val" in given and _same_leaves(given["init_val"], out):
        return _asked("while_loop body", lambda val: given["body_fun"](val), out)
    return out


def of_fori(given, out):
    """Return the result of a ``fori_loop``; where there was no turn, its body is asked for the types that it gives."""
    if tracing.block is None and "init_val" in given and _same_leaves(given["init_val"], out):
        return _asked("fori_loop body", lambda val: given["body_fun"](numpy.int32(0), val), out)
    return out


def _same_leaves(one, other):
    leaves, others = tree_flatten(one)[0], tree_flatten(other)[0]
    return len(leaves) == len(others) and all([a is b for a, b in zip(leaves, others)])


def _asked(name, body, val):
    try:
        after = _abstract(body, (val,))
    except ConcretizationError:     # a body that asks for values is not checked
        return val
    same_types(name, val, after)
    return as_given(val, after)


def as_given(val, after):
    """Return a value with the dtypes of what a turn of the loop gives: numbers, which give way to them, may have got no turn."""
    return tree_map(lambda old, new: old if _dtype(old) == _dtype(new) and getattr(old, "weak_type", False) == getattr(new, "weak_type", False)
                    else array(old, dtype=new.dtype), val, after)


@about_types
def same_types(name, before, after):
    """Raise TypeError where what the body of a loop gives is not of the types of what it got; numbers may give way to other dtypes."""
    leaves, tree = tree_flatten(before, _is_token)
    others, other = tree_flatten(after, _is_token)
    start = f"{name} function carry input and carry output must have "
    if tree != other:
        raise TypeError(f"{start}the same pytree structure, but they differ: the input has {tree}, the output {other}.")
    for old, new in zip(leaves, others):
        if _shape(old) != _shape(new) or _dtype(old) != _dtype(new) and not _gives_way(old, new):
            raise TypeError(f"{start}equal types, but they differ: the input has {_described(old)} where the output has {_described(new)}.")


def _is_token(value):
    return isinstance(value, Like)


def _shape(leaf):
    shape = getattr(leaf, "shape", None)
    return numpy.shape(leaf) if shape is None else tuple(shape)


@about_types
def check_bools(found):
    """Raise TypeError unless there is one bool for each example."""
    if found.dtype != bool or len(found.shape) != 1:
        one = Like(tuple(found.shape[1:]), found.dtype)
        raise TypeError(f"cond_fun must return a boolean scalar, but got output type(s) [{_described(one)}].")


def one_bool_batched(found, over=()):
    """Check the answer for one example."""
    check_bools(found)
    return found


@op(constant=True, batch=one_bool_batched)
def one_bool(found):
    """Return what the condition of ``while_loop`` gives; TypeError unless it is one bool."""
    if not isinstance(found, bool) and (getattr(found, "dtype", None) != bool or _shape(found)):
        raise TypeError(f"cond_fun must return a boolean scalar, but got output type(s) [{_described(found)}].")
    return found


def _gives_way(old, new):
    """Tell whether a number becomes what another dtype has in arithmetic: an integer a float, a float no integer, a bool nothing else."""
    before, after = _dtype(old), _dtype(new)
    if not isinstance(before, numpy.dtype) or not isinstance(after, numpy.dtype):
        return not hasattr(old, "dtype")
    order = {"i": 1, "u": 1, "f": 2, "c": 3}
    return (not hasattr(old, "dtype") or getattr(old, "weak_type", False)) and 0 < order.get(kind(before), 0) <= order.get(kind(after), 0)


def _dtype(leaf):
    if hasattr(leaf, "dtype"):
        return leaf.dtype
    try:
        return aval_of(leaf).dtype
    except TypeError:
        return type(leaf)


def bounds(lower, upper):
    """Return nothing; TypeError unless the bounds of ``fori_loop`` are integers of one dtype."""
    for bound in (lower, upper):
        if isinstance(bound, (float, complex)) or getattr(bound, "dtype", numpy.dtype(int)).kind not in "iu" or numpy.shape(bound):
            raise TypeError(f"lower and upper arguments to fori_loop must be integer scalars, got {_described(lower)} and {_described(upper)}")
    if hasattr(lower, "dtype") and hasattr(upper, "dtype") and lower.dtype != upper.dtype:
        raise TypeError(f"lower and upper arguments to fori_loop must have equal types, got {lower.dtype.name} and {upper.dtype.name}")
    return {}
