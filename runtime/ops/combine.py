"""Updates that combine values with what an array holds: products, powers, extrema, functions; a repeated index counts each time."""
from __future__ import annotations

import math

from runtime.op import op
from runtime.ops.index import _positions, update
from runtime.ops.kernel import about_types
from runtime.ops.shape import like_shape
from runtime.ops.update import at_add, at_set, index_examples, index_examples_batched, may_repeat, own_index, pick, picked


# ---- a batch axis in front ----

def combined_examples(combine, x, index, values, over):
    """Return every example with ``x[index]`` combined with its values: one update of the elements of all examples in a row.

    combine: at_multiply, at_max or at_min. over: which of "x", "index" and "values" carry the batch axis.
    """
    from runtime import numpy as np
    size, shape = example_sizes(x, index, values, over)
    whole = x if "x" in over else np.broadcast_to(x, (size, *shape))
    spots = flat_spots(shape, index, size, "index" in over and own_index(index))
    if "values" in over:
        values = np.reshape(values, spread_shape(values, spots))
    made = combine(np.reshape(whole, (-1,)), spots, np.broadcast_to(values, np.shape(spots)))
    return np.reshape(made, (size, *shape))


@about_types
def example_sizes(x, index, values, over):
    """Return (how many examples, the shape of x in each)."""
    items = index if isinstance(index, tuple) else (index,)
    sized = {"x": [x], "values": [values], "index": [item for item in items if getattr(item, "shape", ())]}
    size = next(like_shape(item)[0] for name in over for item in sized[name])
    return size, like_shape(x)["x" in over:]


@about_types
def spread_shape(values, spots):
    """Return the shape in which values with a batch axis broadcast against the chosen elements of every example."""
    size, *own = like_shape(values)
    return size, *(1,) * (len(like_shape(spots)) - 1 - len(own)), *own


def flat_spots_batched(shape, index, size, own, over=()):
    """Give every example of a second batch its own places."""
    from runtime import numpy as np
    if own:
        return in_a_row(index_examples_batched(_positions(shape), index, ("index",), "fill", ("index",)), shape, size, 1)
    spots = index_examples(_positions(shape), index, ("index",), "fill")
    return in_a_row(np.repeat(np.expand_dims(spots, 1), size, 1), shape, size, 1)


@op(constant=True, batch=flat_spots_batched)
def flat_spots(shape, index, size, own):
    """Return where ``x[index]`` of each of ``size`` examples of a shape lies when all their elements stand in a row.

    own: whether the index carries the batch axis. What lies outside its example lies outside the row.
    """
    from runtime import numpy as np
    if own:
        return in_a_row(index_examples(_positions(shape), index, ("index",), "fill"), shape, size, 0)
    spots = pick(_positions(shape), index, "fill")
    return in_a_row(np.broadcast_to(spots, (size, *spots.shape)), shape, size, 0)


def in_a_row(spots, shape, size, axis):
    """Return places in an example, where an axis goes over the examples, as places in all of them in a row."""
    from runtime import numpy as np
    count = math.prod(shape)
    offset = np.reshape(np.arange(size) * count, (size,) + (1,) * (np.ndim(spots) - axis - 1))
    return np.where(spots < 0, -count * size - 1, spots + offset)


# ---- products ----

def at_multiply_batched(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None, over=()):
    """Update every example."""
    return combined_examples(at_multiply, x, index, values, over)


def given_factor(x, index, values):
    """Return by what each of the values is multiplied in at_multiply: ``x[index]`` and the other values for the same element.

    Its own derivative is wrong only where a factor of an element with several values is exactly zero.
    """
    from runtime import numpy as np
    if not may_repeat(index):
        return x[index]
    own, lost = np.equal(x, 0), np.equal(values, 0)
    product = at_multiply(np.where(own, 1, x), index, np.where(lost, 1, values))
    zeros = at_add(np.astype(own, x.dtype), index, np.astype(lost, x.dtype))
    others = picked(product, index) / np.where(lost, 1, values)
    return np.where(picked(zeros, index) > np.astype(lost, x.dtype), 0, others)


@op(jvp={"x": "rt.at_multiply(x_dot, index, values)",
         "values": "rt.unindex(rt.given_factor(x, index, values) * values_dot, index, like=x)"},
    vjp={"x": "rt.at_multiply(d_out, index, values)",
         "values": "rt.unbroadcast(rt.picked(d_out, index) * rt.given_factor(x, index, values), like=values)"},
    batch=at_multiply_batched, vanishes="x")
def at_multiply(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` multiplied by values."""
    return update(x, index, values, "multiply", mode)


def at_divide(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` divided by values."""
    from runtime import numpy as np
    return x / at_multiply(np.ones_like(x), index, values, indices_are_sorted, unique_indices, mode)


def at_power(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` raised to a power."""
    from runtime import numpy as np
    return np.power(x, at_multiply(np.ones_like(x), index, values, indices_are_sorted, unique_indices, mode))


# ---- functions ----

def at_apply(x, index, func, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with a function applied to ``x[index]``: to an element that the index names n times, n times.

    func: takes and gives arrays, elementwise.
    """
    from runtime import numpy as np
    found = np.astype(func(x[index]), x.dtype)
    if not unique_indices and may_repeat(index):
        times = times_named(like_shape(x), index)
        for turn in range(1, np.max(times, initial=0)):
            found = np.where(times > turn, np.astype(func(found), x.dtype), found)
    return at_set(x, index, found, indices_are_sorted, unique_indices, mode)


def times_named(shape, index):
    """Return, for each element of ``x[index]`` of an array of a shape, how often the index names that element."""
    from runtime import numpy as np
    return at_add(np.zeros(shape, "int32"), index, 1)[index]


# ---- extrema ----

def at_max_batched(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None, over=()):
    """Update every example."""
    return combined_examples(at_max, x, index, values, over)


def at_min_batched(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None, over=()):
    """Update every example."""
    return combined_examples(at_min, x, index, values, over)


def _ties(x, index, values, out):
    """Return how many of an element and the values for it are the extremum of them all; at least one."""
    from runtime import numpy as np
    own, given = np.equal(x, out), np.equal(values, picked(out, index))
    return np.maximum(at_add(np.astype(own, out.dtype), index, np.astype(given, out.dtype)), 1)


def kept_share(x, index, values, out):
    """Return the share of ``x`` in the derivative of at_max and at_min: one, divided among equals, where it is the extremum."""
    from runtime import numpy as np
    return np.equal(x, out) / _ties(x, index, values, out)


def given_share(x, index, values, out):
    """Return the share of ``values`` in the derivative of at_max and at_min."""
    from runtime import numpy as np
    return np.equal(values, picked(out, index)) / np.maximum(picked(_ties(x, index, values, out), index), 1)


_EXTREMUM_RULE = {
    "jvp": {"x": "x_dot * rt.kept_share(x, index, values, out)",
            "values": "rt.unindex(values_dot * rt.given_share(x, index, values, out), index, like=x)"},
    "vjp": {"x": "d_out * rt.kept_share(x, index, values, out)",
            "values": "rt.unbroadcast(rt.picked(d_out, index) * rt.given_share(x, index, values, out), like=values)"}}


@op(**_EXTREMUM_RULE, batch=at_max_batched)
def at_max(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` raised to values where these are larger; equals share the derivative."""
    return update(x, index, values, "maximum", mode)


@op(**_EXTREMUM_RULE, batch=at_min_batched)
def at_min(x, index, values, indices_are_sorted=False, unique_indices=False, mode=None):
    """Return ``x`` with ``x[index]`` lowered to values where these are smaller; equals share the derivative."""
    return update(x, index, values, "minimum", mode)
