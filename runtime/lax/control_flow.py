"""Structured control flow as plain Python: the loops and branches are native, and are staged or differentiated as such."""
from __future__ import annotations

import functools
import inspect

import numpy

from runtime.array import Array
from runtime.cotangent import like
from runtime.lax import loop_checks
from runtime.lax.loop_checks import branch_gives, branches_agree, noting, one_bool, one_scalar, one_size, same_types
from runtime.op import op
from runtime.ops.create import array
from runtime.ops.kernel import about_types
from runtime.ops.records import stack_records
from runtime.tree import tree_leaves, tree_map
from runtime.trees import leaves_of, tree_build, tree_map_1


def arrays_of(value):
    """Return a pytree with its numbers and NumPy arrays made arrays."""
    return tree_map(lambda leaf: array(leaf) if isinstance(leaf, (int, float, complex, numpy.ndarray, numpy.generic)) else leaf, value)


def on_array(body):
    """Return the body of a loop over numbers as one over arrays."""
    return lambda i, value: body(array(i), value)


def on_arrays(*operands, index=None, checked=None, finished=None, otherwise=None):
    """Decorate structured control flow: in a call that is not transformed, ``operands`` and the result hold arrays, no numbers.

    index: the parameter that is a function of (index, value). checked: a function of the arguments by name that refuses or
    replaces some. finished: a function of these and the result that replaces it. otherwise: a function of the arguments that gives the
    function to call in the place of this one. What is transformed or staged reads the function itself.
    """
    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            if "operand" in kwargs and "operand" not in names:
                args = *args, kwargs.pop("operand")     # how one operand of a branch was once passed
            other = None if otherwise is None else otherwise(args)
            if other is not None:
                return arrays_of(other(*arrays_of(args)))
            args = [arrays_of(v) if name in operands or name is None else on_array(v) if name == index else v
                    for name, v in zip((*names, *[None] * len(args)), args)]
            kwargs = {name: arrays_of(v) if name in operands else on_array(v) if name == index else v
                      for name, v in kwargs.items()}
            named = {**dict(zip(names, args)), **kwargs, "operands": tuple(args[len(names):])}
            changed = {} if checked is None else checked(named)
            args = [changed.get(name, v) for name, v in zip((*names, *[None] * len(args)), args)]
            kwargs = {name: changed.get(name, v) for name, v in kwargs.items()}
            out = arrays_of(function(*args, **kwargs))
            return out if finished is None else finished(named, out)
        code = function.__code__
        names = code.co_varnames[:code.co_argcount]
        del call.__wrapped__
        call.__signature__ = inspect.signature(function)
        call.reads_as, call.array_operands = function, operands
        return call
    return decorate


def cond_of_operands(pred, true_operand, true_fun, false_operand, false_fun):
    """Return ``true_fun(true_operand)`` if ``pred`` holds, else ``false_fun(false_operand)``: how ``cond`` was once called."""
    if pred:
        out = true_fun(true_operand)
    else:
        out = false_fun(false_operand)
    return out


@on_arrays(checked=lambda given: {"pred": loop_checks.predicate(given["pred"])} if "pred" in given else {}, otherwise=lambda args: (
    cond_of_operands if len(args) == 5 and not (callable(args[1]) and callable(args[2])) and callable(args[2]) and callable(args[4]) else None),
    finished=loop_checks.of_cond)
def cond(pred, true_fun, false_fun, *operands):
    """Return ``true_fun(*operands)`` if ``pred`` holds, else ``false_fun(*operands)``."""
    one_scalar(pred)
    if pred:
        out = true_fun(*operands)
        types = branch_gives("cond", pred, out)
    else:
        out = false_fun(*operands)
        types = branch_gives("cond", pred, out)
    branches_agree(types)
    return out


@on_arrays(checked=lambda given: {"index": loop_checks.branch_index(given["index"], given["branches"])} if "branches" in given else {},
           finished=loop_checks.of_switch)
def switch(index, branches, *operands):
    """Return ``branches[index](*operands)``; an index outside is moved to the nearest branch."""
    place = nearest_index(index, len(branches))
    noted = [noting(branch, place) for branch in branches]
    out, types = noted[place](*operands)
    branches_agree(types)
    return out


@op(constant=True, elementwise=True)
def nearest_index(index, count):
    """Return the index of ``count`` items that is nearest to ``index``; TypeError for floats."""
    loop_checks.whole_index(index)
    if isinstance(index, int):
        return min(max(index, 0), count - 1)
    from runtime import numpy as np
    return np.clip(np.astype(index, "int32"), 0, count - 1)


@on_arrays("init_val", finished=loop_checks.of_while)
def while_loop(cond_fun, body_fun, init_val):
    """Return the value after ``val = body_fun(val)`` has been repeated as long as ``cond_fun(val)`` holds."""
    val = init_val
    while one_bool(cond_fun(val)):
        before = val
        val = body_fun(before)
        same_types("while_loop body", before, val)
    return val


@on_arrays("init_val", index="body_fun", checked=lambda given: {
    **loop_checks.bounds(given["lower"], given["upper"])}, finished=loop_checks.of_fori)
def fori_loop(lower, upper, body_fun, init_val, *, unroll=None):
    """Return the value after ``val = body_fun(i, val)`` for i from ``lower`` up to, not including, ``upper``."""
    val = init_val
    for i in range(lower, upper):
        before = val
        val = body_fun(i, before)
        same_types("fori_loop body", before, val)
    return val


@on_arrays("init", "xs", checked=lambda given: {"f": loop_checks.pairing(given["f"])})
def scan(f, init, xs=None, length=None, reverse=False, unroll=1, _split_transpose=False):
    """Return (last carry, stacked ys) of ``carry, y = f(carry, x)`` over the leading axis of the arrays in ``xs``.

    ``length`` is needed when there are no arrays in ``xs``. With ``reverse`` the last row comes first.
    """
    count = scan_length(xs, length)
    if count == 0:
        return scan_of_nothing(f, init, xs)
    carry = init
    ys = []
    if is_single_array(xs):
        rows = xs[::-1] if reverse else xs
        for x in rows:
            before = carry
            carry, y = f(before, x)
            same_types("scan body", before, carry)
            ys.append(y)
    else:
        for i in range(count):
            k = count - 1 - i if reverse else i
            x = tree_map_1(lambda leaf: leaf[k], xs)
            before = carry
            carry, y = f(before, x)
            same_types("scan body", before, carry)
            ys.append(y)
    return carry, stack_records(ys[::-1] if reverse else ys)


def scan_of_nothing(f, init, xs):
    """Return the result of a scan over no rows: ``f`` is asked once, on zeros, of what type its rows are."""
    rest, y = f(init, tree_map_1(zero_row, xs))
    same_types("scan body", init, rest)
    return init, tree_map_1(no_rows, y)


def zero_row(leaf):
    """Return zeros like a row of an array that has none."""
    from runtime import numpy as np
    return np.zeros(np.shape(leaf)[1:], like(leaf).dtype)


def no_rows(leaf):
    """Return an array without rows, which would be like ``leaf``."""
    from runtime import numpy as np
    return np.expand_dims(np.asarray(leaf), 0)[:0]


@on_arrays("xs")
def map(f, xs, *, batch_size=None):
    """Return the stacked results of ``f`` applied to every row of the arrays in ``xs``, one after the other."""
    ys = []
    count = scan_length(xs, None)
    if count == 0:
        return tree_map_1(no_rows, f(tree_map_1(zero_row, xs)))
    if is_single_array(xs):
        for x in xs:
            ys.append(f(x))
    else:
        for i in range(count):
            ys.append(f(tree_map_1(lambda leaf: leaf[i], xs)))
    return stack_records(ys)


@op(constant=True, unbatched=True, batch=lambda xs, length, over=(): scan_length(
    tree_map_1(lambda leaf: leaf[0], xs) if "xs" in over else xs, length))
def scan_length(xs, length):
    """Return the number of turns of a scan; ValueError when the arrays' leading axes differ."""
    sizes = {leaf.shape[0] if getattr(leaf, "shape", ()) else None for leaf in tree_leaves(xs)}
    if None in sizes:
        raise ValueError("scan got value with no leading axis to scan over; every array in xs needs one")
    if length is not None:
        sizes.add(int(length))
    if len(sizes) > 1:
        raise ValueError(f"scan got values with different leading axis sizes: {sorted(sizes)}")
    if not sizes:
        raise ValueError("scan expects a length when there are no arrays in xs")
    return sizes.pop()


@about_types
def is_single_array(xs):
    """Tell whether a value is one array rather than a container of arrays."""
    return hasattr(xs, "shape") and hasattr(xs, "dtype")


@on_arrays("elems", checked=lambda given: {"fn": loop_checks.callable_as("associative_scan", given["fn"])})
def associative_scan(fn, elems, reverse=False, axis=0):
    """Return the running combinations of elements along an axis by an associative function of two pytrees."""
    from runtime import numpy as np
    leaves = leaves_of(elems)
    count = one_size(leaves, axis)
    if reverse:
        elems = tree_map_1(lambda leaf: np.flip(leaf, axis), elems)
    levels = []
    while count > 1:        # pairs of neighbours, pairs of these ...
        levels.append(elems)
        first = tree_map_1(lambda leaf: along(leaf, 0, count - 1, axis, 2), elems)
        second = tree_map_1(lambda leaf: along(leaf, 1, count, axis, 2), elems)
        elems = fn(first, second)
        count = count // 2
    for level in reversed(levels):      # what comes before the second of each pair, and before the first
        size = leaves_of(level)[0].shape[axis]
        heads = tree_map_1(lambda leaf: along(leaf, 0, 1, axis), level)
        if size > 2:
            before = tree_map_1(lambda leaf: along(leaf, 0, (size - 1) // 2, axis), elems)
            rest = fn(before, tree_map_1(lambda leaf: along(leaf, 2, size, axis, 2), level))
            heads = tree_build([np.concatenate([a, b], axis) for a, b in zip(leaves_of(heads), leaves_of(rest))], level)
        elems = tree_build([interleaved(a, b, axis) for a, b in zip(leaves_of(heads), leaves_of(elems))], level)
    if reverse:
        elems = tree_map_1(lambda leaf: np.flip(leaf, axis), elems)
    return elems


def interleaved(a, b, axis):
    """Return the items of two arrays along an axis in turn; the first may have one more."""
    from runtime import numpy as np
    axis = axis % a.ndim
    count = b.shape[axis]
    pairs = np.stack([along(a, 0, count, axis), b], axis + 1)
    joined = np.reshape(pairs, (*b.shape[:axis], 2 * count, *b.shape[axis + 1:]))
    return np.concatenate([joined, along(a, count, count + 1, axis)], axis) if a.shape[axis] > count else joined


def along(leaf, start, stop, axis, stride=1):
    """Return the slice of an array along one axis."""
    from runtime.ops.slices import slice_in_dim
    return slice_in_dim(leaf, start, stop, stride, axis)


__all__ = ["associative_scan", "cond", "fori_loop", "map", "scan", "switch", "while_loop"]
