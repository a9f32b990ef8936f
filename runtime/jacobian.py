"""Helpers of Jacobian code: standard bases, and the rows or columns of a Jacobian put into shape."""
from __future__ import annotations

import math

import numpy

from runtime.cotangent import dtype_of, joined, shape_of, shared
from runtime.cotangent import like as like_of
from runtime.op import op
from runtime.tree import tree_flatten, tree_map, tree_unflatten
from runtime.types import kind
from runtime.zero import ZERO, Like


def _described(tree):
    """Flatten a pytree of arrays or of tokens that describe arrays."""
    return tree_flatten(tree, is_leaf=lambda x: isinstance(x, Like))


def _sizes(leaves):
    return [math.prod(shape_of(leaf)) for leaf in leaves]


@op(constant=True, batch=lambda x, holomorphic=False, lead=1, inner=(), over=(): basis_batched(x, holomorphic, lead + 1))
def basis_batched(x, holomorphic=False, lead=1, over=()):
    """Return the basis of one example, repeated for every example: ``lead`` leading axes of ``x`` are batches."""
    from runtime import numpy as np
    leaves, tree = _described(x)
    batch = shape_of(leaves[0])[:lead]
    one = basis(tree_unflatten(tree, [Like(shape_of(leaf)[lead:], dtype_of(leaf)) for leaf in leaves]), holomorphic)
    return tree_map(lambda b: np.broadcast_to(b, batch + b.shape), one)


@op(constant=True, batch=basis_batched)
def basis(x, holomorphic=False):
    """Return the standard basis of the space of ``x``, stacked along a new axis 0 of every array in it.

    TypeError unless the numbers in it are real, or complex where the Jacobian is of a holomorphic function.
    """
    from runtime import numpy as np
    leaves, tree = _described(x)
    for leaf in leaves:
        _check_numbers(numpy.dtype(dtype_of(leaf)), holomorphic)
    sizes = _sizes(leaves)
    total, start, made = sum(sizes), 0, []
    for leaf, size in zip(leaves, sizes):
        rows = np.eye(total, size, -start, dtype=dtype_of(leaf))
        made.append(np.reshape(rows, (total,) + shape_of(leaf)))
        start += size
    return tree_unflatten(tree, made)


def _check_numbers(dtype, holomorphic):
    if holomorphic and kind(dtype) != "c":
        raise TypeError("jacfwd and jacrev with holomorphic=True require inputs and outputs with complex dtype, but got "
                        f"{dtype.name}.")
    if not holomorphic and kind(dtype) != "f":
        raise TypeError("jacfwd requires real-valued inputs and jacrev real-valued outputs (a sub-dtype of np.floating), but got "
                        f"{dtype.name}. For holomorphic differentiation, pass holomorphic=True. For differentiation of non-holomorphic "
                        "functions involving complex numbers, or of functions with integer outputs, use jvp or vjp directly.")


def _is_zero(value):
    return value is ZERO


def _filled(value, like, front):
    """The leaves of ``value`` in the order of ``like``'s, zeros with ``front`` axes for ZERO."""
    from runtime import numpy as np
    leaves, tree = _described(like)
    if value is ZERO:
        given = [ZERO] * len(leaves)
    else:
        given = tree_flatten(value, is_leaf=_is_zero)[0]
    made = [np.zeros(front + shape_of(leaf), dtype_of(leaf)) if g is ZERO else g for g, leaf in zip(given, leaves, strict=True)]
    return made, leaves, tree


@op(jvp="rt.columns(columns_dot, like=like, result=result, order=order, lead=lead, sizes=sizes)",
    vjp={"columns": "rt.uncolumns(d_out, like=like, result=result, order=order, lead=lead, sizes=sizes)"},
    batch=lambda columns_, like, result, order=None, lead=0, sizes=(), size=None, over=(): columns(columns_, _one(like, "like", over), _one(
        result, "result", over), order, lead + 1, (size, *sizes)))
def columns(columns, like, result, order=None, lead=0, sizes=()):
    """Arrange forward-mode columns as a Jacobian: for each result array, each input's (result shape + input shape).

    columns: the result's structure with a leading axis over the basis of ``like``. order: permutation of the inputs.
    sizes: of the ``lead`` batch axes in front.
    """
    from runtime import numpy as np
    inputs, in_tree = _described(like)
    counts = _sizes(inputs)
    if columns is ZERO and None in sizes:
        return ZERO
    given, outs, out_tree = _filled(columns, result, (*sizes, sum(counts)))
    made = []
    for column, one in zip(given, outs):
        whole = shape_of(column)[:lead + 1] + shape_of(one)
        if shape_of(column) != whole:   # of a mapped function, in a batch along which nothing varies
            column = np.broadcast_to(column, whole)
        column = np.moveaxis(column, lead, -1)
        parts, start = [], 0
        for leaf, size in zip(inputs, counts):
            part = column[..., start:start + size]
            parts.append(np.reshape(part, part.shape[:-1] + shape_of(leaf)))
            start += size
        made.append(_ordered(tree_unflatten(in_tree, parts), order))
    return tree_unflatten(out_tree, made)


def _ordered(value, order):
    return value if order is None else tuple(value[i] for i in order)


def _disordered(value, order):
    if order is None:
        return value
    made = [None] * len(order)
    for item, place in zip(value, order):
        made[place] = item
    return tuple(made)


@op(constant=True, unbatched=True)
def _one(like, name, over):
    """Describe one example of an operand that may carry the batch axis."""
    if name not in over:
        return like
    leaves, tree = _described(like)
    return tree_unflatten(tree, [like_of(x, 1) for x in leaves])


@op(jvp="rt.uncolumns(d_dot, like=like, result=result, order=order, lead=lead, sizes=sizes)",
    vjp={"d": "rt.columns(d_out, like=like, result=result, order=order, lead=lead, sizes=sizes)"},
    batch=lambda d, like, result, order=None, lead=0, sizes=(), size=None, over=(): uncolumns(d, _one(like, "like", over), _one(
        result, "result", over), order, lead + 1, (size, *sizes)))
def uncolumns(d, like, result, order=None, lead=0, sizes=()):
    """The transpose of ``columns``."""
    from runtime import numpy as np
    if d is ZERO:
        return ZERO
    inputs, _ = _described(like)
    outs, out_tree = _described(result)
    blocks = out_tree.flatten_up_to(d) if hasattr(out_tree, "flatten_up_to") else [d]
    made = []
    for block, one in zip(blocks, outs):
        leaves = tree_flatten(_disordered(block, order), is_leaf=_is_zero)[0]
        rank = lead + len(shape_of(one))
        flat = [np.reshape(part, part.shape[:rank] + (math.prod(shape_of(leaf)),)) if part is not ZERO else
                np.zeros(tuple(sizes) + shape_of(one) + (math.prod(shape_of(leaf)),), dtype_of(one)) for part, leaf in zip(leaves, inputs)]
        made.append(np.moveaxis(np.concatenate(flat, axis=-1), -1, lead))
    return tree_unflatten(out_tree, made)


@op(jvp="rt.rows_of(rows_dot, like=like, result=result, order=order, lead=lead, sizes=sizes)",
    vjp={"rows": "rt.unrows(d_out, like=like, result=result, order=order, lead=lead, sizes=sizes)"},
    batch=lambda rows, like, result, order=None, lead=0, sizes=(), size=None, over=(): rows_of(rows, _one(like, "like", over), _one(
        result, "result", over), order, lead + 1, (size, *sizes)))
def rows_of(rows, like, result, order=None, lead=0, sizes=()):
    """Arrange reverse-mode rows as a Jacobian: for each result array, each input's (result shape + input shape).

    rows: the inputs' structure with a leading axis over the basis of ``result``. sizes: of the ``lead`` batch axes in front.
    """
    from runtime import numpy as np
    outs, out_tree = _described(result)
    counts = _sizes(outs)
    if rows is ZERO and None in sizes:
        return ZERO
    given, inputs, in_tree = _filled(rows, like, (*sizes, sum(counts)))
    made, start = [], 0
    for one, size in zip(outs, counts):
        parts = []
        for row, leaf in zip(given, inputs):
            part = joined(shared(row[(slice(None),) * lead + (slice(start, start + size),)], one), leaf)
            parts.append(np.reshape(part, part.shape[:lead] + shape_of(one) + shape_of(leaf)))
        made.append(_ordered(tree_unflatten(in_tree, parts), order))
        start += size
    return tree_unflatten(out_tree, made)


@op(jvp="rt.unrows(d_dot, like=like, result=result, order=order, lead=lead, sizes=sizes)",
    vjp={"d": "rt.rows_of(d_out, like=like, result=result, order=order, lead=lead, sizes=sizes)"},
    batch=lambda d, like, result, order=None, lead=0, sizes=(), size=None, over=(): unrows(d, _one(like, "like", over), _one(
        result, "result", over), order, lead + 1, (size, *sizes)))
def unrows(d, like, result, order=None, lead=0, sizes=()):
    """The transpose of ``rows_of``."""
    from runtime import numpy as np
    if d is ZERO:
        return ZERO
    outs, out_tree = _described(result)
    inputs, in_tree = _described(like)
    blocks = [tree_flatten(_disordered(block, order), is_leaf=_is_zero)[0] for block in out_tree.flatten_up_to(d)]
    made = []
    for position, leaf in enumerate(inputs):
        parts = []
        for block, one in zip(blocks, outs):
            part = block[position]
            size = math.prod(shape_of(one))
            parts.append(np.zeros((*sizes, size) + shape_of(leaf), dtype_of(leaf)) if part is ZERO else
                         np.reshape(joined(shared(part, one), leaf), part.shape[:lead] + (size,) + shape_of(leaf)))
        made.append(np.concatenate(parts, axis=lead))
    return tree_unflatten(in_tree, made)
