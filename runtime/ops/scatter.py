"""XLA's scatters as ops: windows of an array replaced, added to, multiplied, or combined by minimum or maximum."""
from __future__ import annotations

from runtime.op import op
from runtime.ops.binary import where
from runtime.ops.create import arange, full, zeros
from runtime.ops.fact import fact
from runtime.ops.shape import like_shape, reshape
from runtime.ops.windows import (emit_scatter, gather, gather_again, shifted_numbers, spread_operands, update_sizes, window_count)

_PLACES = "scatter_indices, dimension_numbers, mode"


def scatter_add_batched(operand, scatter_indices, updates, dimension_numbers, indices_are_sorted=False, unique_indices=False,
                        mode=None, over=()):
    """Scatter into every example."""
    found = spread_operands(operand, scatter_indices, updates, over)
    return scatter_add(found[0], scatter_indices, found[1], shifted_numbers(dimension_numbers, True, "scatter_indices" in over),
                       unique_indices=unique_indices, mode=mode)


@op(jvp={"operand": "operand_dot", "updates": f"rt.scattered(updates_dot, {_PLACES}, like=operand)"},
    vjp={"operand": "d_out", "updates": f"rt.regathered(d_out, {_PLACES}, like=updates)"}, batch=scatter_add_batched)
def scatter_add(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with windows added to.

    ``scatter_indices``: the starts of the windows, one number along the last axis for each axis that is indexed. ``mode`` for
    windows that do not lie within the array: "fill" (or "drop", the default) leaves them out, "clip" moves them inside.
    TypeError where numbers, shapes and dtypes do not fit.
    """
    return emit_scatter("add", operand, scatter_indices, updates, dimension_numbers, unique_indices, mode)


def scatter_batched(operand, scatter_indices, updates, dimension_numbers, indices_are_sorted=False, unique_indices=False,
                    mode=None, over=()):
    """Scatter into every example."""
    found = spread_operands(operand, scatter_indices, updates, over)
    return scatter(found[0], scatter_indices, found[1], shifted_numbers(dimension_numbers, True, "scatter_indices" in over),
                   unique_indices=unique_indices, mode=mode)


@op(jvp={"operand": f"rt.unscattered(operand_dot, {_PLACES}, like=updates)",
         "updates": f"rt.winners(updates_dot, {_PLACES}, like=operand)"},
    vjp={"operand": f"rt.unscattered(d_out, {_PLACES}, like=updates)",
         "updates": f"rt.unwinners(d_out, {_PLACES}, like=updates)"}, batch=scatter_batched)
def scatter(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with windows replaced by updates; where windows meet, one of them wins.

    ``scatter_indices``: the starts of the windows, one number along the last axis for each axis that is indexed. ``mode`` for
    windows that do not lie within the array: "fill" (or "drop", the default) leaves them out, "clip" moves them inside.
    TypeError where numbers, shapes and dtypes do not fit.
    """
    return emit_scatter("set", operand, scatter_indices, updates, dimension_numbers, unique_indices, mode)


def scatter_mul_batched(operand, scatter_indices, updates, dimension_numbers, indices_are_sorted=False, unique_indices=False,
                        mode=None, over=()):
    """Scatter into every example."""
    found = spread_operands(operand, scatter_indices, updates, over)
    return scatter_mul(found[0], scatter_indices, found[1], shifted_numbers(dimension_numbers, True, "scatter_indices" in over),
                       unique_indices=unique_indices, mode=mode)


@op(jvp={"operand": f"operand_dot * rt.factors(updates, {_PLACES}, like=operand)",
         "updates": f"rt.scattered(updates_dot * rt.single(operand, {_PLACES}, unique_indices, updates), {_PLACES}, like=operand)"},
    vjp={"operand": f"d_out * rt.factors(updates, {_PLACES}, like=operand)",
         "updates": f"rt.regathered(d_out, {_PLACES}, like=updates) * rt.single(operand, {_PLACES}, unique_indices, updates)"}, batch=scatter_mul_batched)
def scatter_mul(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with windows multiplied.

    ``scatter_indices``: the starts of the windows, one number along the last axis for each axis that is indexed. ``mode`` for
    windows that do not lie within the array: "fill" (or "drop", the default) leaves them out, "clip" moves them inside.
    TypeError where numbers, shapes and dtypes do not fit.
    """
    return emit_scatter("multiply", operand, scatter_indices, updates, dimension_numbers, unique_indices, mode)


def scatter_min_batched(operand, scatter_indices, updates, dimension_numbers, indices_are_sorted=False, unique_indices=False,
                        mode=None, over=()):
    """Scatter into every example."""
    found = spread_operands(operand, scatter_indices, updates, over)
    return scatter_min(found[0], scatter_indices, found[1], shifted_numbers(dimension_numbers, True, "scatter_indices" in over),
                       unique_indices=unique_indices, mode=mode)


@op(jvp={"operand": f"operand_dot * rt.extremal_share(out, operand, updates, {_PLACES})[0]",
         "updates": f"rt.scattered(updates_dot * rt.extremal_share(out, operand, updates, {_PLACES})[1], {_PLACES}, like=operand)"},
    vjp={"operand": f"d_out * rt.extremal_share(out, operand, updates, {_PLACES})[0]",
         "updates": f"rt.regathered(d_out, {_PLACES}, like=updates) * rt.extremal_share(out, operand, updates, {_PLACES})[1]"}, batch=scatter_min_batched)
def scatter_min(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with windows that are the smaller of themselves and the updates.

    ``scatter_indices``: the starts of the windows, one number along the last axis for each axis that is indexed. ``mode`` for
    windows that do not lie within the array: "fill" (or "drop", the default) leaves them out, "clip" moves them inside.
    TypeError where numbers, shapes and dtypes do not fit.
    """
    return emit_scatter("minimum", operand, scatter_indices, updates, dimension_numbers, unique_indices, mode)


def scatter_max_batched(operand, scatter_indices, updates, dimension_numbers, indices_are_sorted=False, unique_indices=False,
                        mode=None, over=()):
    """Scatter into every example."""
    found = spread_operands(operand, scatter_indices, updates, over)
    return scatter_max(found[0], scatter_indices, found[1], shifted_numbers(dimension_numbers, True, "scatter_indices" in over),
                       unique_indices=unique_indices, mode=mode)


@op(jvp={"operand": f"operand_dot * rt.extremal_share(out, operand, updates, {_PLACES})[0]",
         "updates": f"rt.scattered(updates_dot * rt.extremal_share(out, operand, updates, {_PLACES})[1], {_PLACES}, like=operand)"},
    vjp={"operand": f"d_out * rt.extremal_share(out, operand, updates, {_PLACES})[0]",
         "updates": f"rt.regathered(d_out, {_PLACES}, like=updates) * rt.extremal_share(out, operand, updates, {_PLACES})[1]"}, batch=scatter_max_batched)
def scatter_max(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with windows that are the larger of themselves and the updates.

    ``scatter_indices``: the starts of the windows, one number along the last axis for each axis that is indexed. ``mode`` for
    windows that do not lie within the array: "fill" (or "drop", the default) leaves them out, "clip" moves them inside.
    TypeError where numbers, shapes and dtypes do not fit.
    """
    return emit_scatter("maximum", operand, scatter_indices, updates, dimension_numbers, unique_indices, mode)


def scatter_sub(operand, scatter_indices, updates, dimension_numbers, *, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return the operand with updates subtracted from windows."""
    return scatter_add(operand, scatter_indices, -updates, dimension_numbers, unique_indices=unique_indices, mode=mode)


# ---- helpers of derivatives; ``like`` is the operand or the updates, of which the shape is enough ----

def scattered(d, scatter_indices, dimension_numbers, mode, like):
    """Return zeros like the operand with ``d`` added at the windows."""
    return scatter_add(zeros(like_shape(like), d.dtype), scatter_indices, d, dimension_numbers, mode=mode)


def regathered(d, scatter_indices, dimension_numbers, mode, like):
    """Return the windows of ``d`` in the shape of the updates; zeros for those left out."""
    return gather(d, scatter_indices, gather_again(dimension_numbers), update_sizes(d, like, dimension_numbers),
                  mode="fill" if mode is None else mode, fill_value=0)


def unscattered(d, scatter_indices, dimension_numbers, mode, like):
    """Return ``d`` with zeros at the windows."""
    return scatter(d, scatter_indices, zeros(like_shape(like), d.dtype), dimension_numbers, mode=mode)


def last_written(scatter_indices, dimension_numbers, mode, like_operand, like_updates):
    """Tell which updates of a scatter are those that stay."""
    names = reshape(arange(1, window_count(like_updates)), like_shape(like_updates))
    held = scatter(zeros(like_shape(like_operand), names.dtype), scatter_indices, names, dimension_numbers, mode=mode)
    return regathered(held, scatter_indices, dimension_numbers, mode, like_updates) == names


def winners(d, scatter_indices, dimension_numbers, mode, like):
    """Return zeros like the operand with the tangents of those updates that stay."""
    kept = where(last_written(scatter_indices, dimension_numbers, mode, like, d), d, 0)
    return scattered(kept, scatter_indices, dimension_numbers, mode, like)


def unwinners(d, scatter_indices, dimension_numbers, mode, like):
    """The transpose of ``winners``."""
    return where(last_written(scatter_indices, dimension_numbers, mode, d, like),
                 regathered(d, scatter_indices, dimension_numbers, mode, like), 0)


def factors(updates, scatter_indices, dimension_numbers, mode, like):
    """Return by what every element of the operand of scatter_mul is multiplied."""
    return scatter_mul(full(like_shape(like), 1, updates.dtype), scatter_indices, updates, dimension_numbers, mode=mode)


@fact
def only_unique(unique_indices):
    """NotImplementedError unless indices are promised to be unique."""
    if not unique_indices:
        raise NotImplementedError("the derivative of scatter_mul by its updates needs unique_indices=True: the product of the other "
                                  "updates of an element is not kept")


def single(operand, scatter_indices, dimension_numbers, mode, unique_indices, updates):
    """Return what each update of scatter_mul multiplies; NotImplementedError unless indices are promised to be unique."""
    only_unique(unique_indices)
    return regathered(operand, scatter_indices, dimension_numbers, mode, updates)


def extremal_share(out, operand, updates, scatter_indices, dimension_numbers, mode):
    """Return the parts that the operand and the updates have in the result's derivative: equal ones among all that attain it."""
    stays = where(operand == out, 1.0, 0.0)
    attains = where(regathered(out, scatter_indices, dimension_numbers, mode, updates) == updates, 1.0, 0.0)
    count = stays + scattered(attains, scatter_indices, dimension_numbers, mode, operand)
    theirs = regathered(count, scatter_indices, dimension_numbers, mode, updates)
    return stays / where(count == 0, 1.0, count), where(theirs == 0, 0.0, attains / where(theirs == 0, 1.0, theirs))
