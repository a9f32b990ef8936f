"""Array manipulation that is plain Python over ops: stacking, splitting, tiling, padding, diagonals, sets of indices."""
from __future__ import annotations

import math
import operator

import numpy

from runtime.array import Array, ConcretizationError, concrete
from runtime.ops.constrain import out_sharded
from runtime.op import op
from runtime.ops.kernel import about_types, no_out
from runtime.ops.axes import axis_index, axis_tuple
from runtime.ops.create import arange, array, astype, eye, tri
from runtime.ops.joining import concatenate
from runtime.ops.permute import moveaxis
from runtime.ops.shape import broadcast_to, expand_dims, like_shape, ravel, reshape, widened
from runtime.ops.slices import lax_pad, slice_in_dim
from runtime.ops.take import take
from runtime.primitive import as_operand
from runtime.types import aval_of, dtype_name, kind
from runtime.zero import Like


def vstack(tup, dtype=None):
    """Return arrays joined along the first axis; vectors become rows."""
    return concatenate([widened(x, 2) for x in tup], 0, dtype)


def hstack(tup, dtype=None):
    """Return arrays joined along the second axis; vectors end to end."""
    arrays = [widened(x, 1) for x in tup]
    return concatenate(arrays, 0 if arrays[0].ndim == 1 else 1, dtype)


def dstack(tup, dtype=None):
    """Return arrays joined along the third axis."""
    return concatenate([widened(x, 3) for x in tup], 2, dtype)


def column_stack(tup):
    """Return vectors as the columns of a matrix; matrices are joined along the second axis."""
    arrays = [x if x.ndim > 1 else reshape(x, (-1, 1)) for x in [array(part) for part in tup]]
    return concatenate(arrays, 1)


@op(constant=True, unbatched=True)
def split_bounds(shape, indices_or_sections, axis, equal):
    """Return the (start, stop) bounds of the parts into which an axis is split."""
    size = shape[axis_index(axis, len(shape))]
    if isinstance(indices_or_sections, (tuple, list, numpy.ndarray, Array)):
        cuts = [0] + [min(max(i + size if i < 0 else i, 0), size) for i in map(operator.index, numpy.asarray(
            indices_or_sections).tolist())] + [size]
        return [(a, max(a, b)) for a, b in zip(cuts, cuts[1:])]
    count = operator.index(indices_or_sections)
    if equal and size % count:
        raise ValueError(f"array split does not result in an equal division: axis {axis} of size {size} into {count} parts")
    each, extra = divmod(size, count)
    sizes = [each + 1] * extra + [each] * (count - extra)
    cuts = numpy.cumsum([0] + sizes).tolist()
    return list(zip(cuts, cuts[1:]))


def split(ary, indices_or_sections, axis=0):
    """Return a list of parts of an array along an axis: equally many elements each, or cut at given indices."""
    bounds = split_bounds(like_shape(ary), indices_or_sections, axis, True)
    return [slice_in_dim(ary, start, stop, 1, axis) for start, stop in bounds]


def array_split(ary, indices_or_sections, axis=0):
    """Return a list of parts of an array along an axis, of sizes as equal as possible."""
    bounds = split_bounds(like_shape(ary), indices_or_sections, axis, False)
    return [slice_in_dim(ary, start, stop, 1, axis) for start, stop in bounds]


def vsplit(ary, indices_or_sections):
    """Split along the first axis."""
    return split(ary, indices_or_sections, 0)


def hsplit(ary, indices_or_sections):
    """Split along the second axis (the first one of a vector)."""
    return split(ary, indices_or_sections, 1 if len(like_shape(ary)) > 1 else 0)


def dsplit(ary, indices_or_sections):
    """Split along the third axis."""
    return split(ary, indices_or_sections, 2)


def unstack(x, /, *, axis=0):
    """Return the subarrays along an axis, as a tuple."""
    moved = moveaxis(x, axis, 0)
    return tuple([moved[i] for i in range(moved.shape[0])])


@op(constant=True, unbatched=True)
def tile_shapes(shape, reps):
    """Return the shapes for tiling: with an axis of size 1 before each axis, repeated, and joined."""
    reps = (operator.index(reps),) if not isinstance(reps, (tuple, list)) else tuple([operator.index(r) for r in reps])
    count = max(len(shape), len(reps))
    sizes, reps = (1,) * (count - len(shape)) + tuple(shape), (1,) * (count - len(reps)) + reps
    apart = tuple([k for n in sizes for k in (1, n)])
    repeated = tuple([k for r, n in zip(reps, sizes) for k in (r, n)])
    return apart, repeated, tuple([r * n for r, n in zip(reps, sizes)])


def tile(A, reps):
    """Return the array repeated as often along each axis as ``reps`` says."""
    apart, repeated, joined = tile_shapes(like_shape(A), reps)
    return reshape(broadcast_to(reshape(A, apart), repeated), joined)


def repeat_places_batched(repeats, size, total_repeat_length, over=()):
    """Return the index array of every example."""
    from runtime import numpy as np
    if total_repeat_length is None:
        raise ConcretizationError("repeat: numbers that differ from example to example give results of different lengths; give "
                                  "total_repeat_length=")
    counts = np.broadcast_to(np.reshape(repeats, (repeats.shape[0], -1)), (repeats.shape[0], size))
    ends = np.expand_dims(np.cumsum(counts, 1), 1)
    turns = np.reshape(np.arange(total_repeat_length), (1, total_repeat_length, 1))
    return np.clip(np.sum(ends <= turns, 2), 0, size - 1)


@op(constant=True, batch=repeat_places_batched)
def repeat_places(repeats, size, total_repeat_length):
    """Return the index array that repeats each of ``size`` elements its own number of times."""
    if total_repeat_length is not None and isinstance(repeats, Array):
        from runtime import numpy as np
        ends = np.cumsum(np.broadcast_to(repeats, (size,)))
        return np.clip(np.searchsorted(ends, np.arange(total_repeat_length), side="right"), 0, size - 1)
    counts = numpy.broadcast_to(numpy.asarray(repeats), (size,))
    places = numpy.repeat(numpy.arange(size), counts)
    if total_repeat_length is not None:
        places = numpy.concatenate([places, numpy.full(max(0, total_repeat_length - len(places)), places[-1])])
        places = places[:total_repeat_length]
    return array(places)


@about_types
def is_number(x):
    """Tell whether a value is a single Python integer, or a concrete array of one element."""
    return isinstance(x, (int, numpy.integer)) or getattr(x, "shape", None) == ()


@about_types
def whole_number(repeats):
    """Return how often each element is repeated; the number must be the same for every example."""
    if isinstance(repeats, Like):
        raise ConcretizationError("repeat: a number that differs from example to example gives results of different lengths; give "
                                  "total_repeat_length=")
    return operator.index(repeats)


@out_sharded
def repeat(a, repeats, axis=None, *, total_repeat_length=None):
    """Return the array with each element repeated along an axis (of the flattened array by default)."""
    if axis is None:
        a = ravel(a)
        axis = 0
    if is_number(repeats) and total_repeat_length is None:
        count = whole_number(repeats)
        place = axis_index(axis, a.ndim)
        shape = like_shape(a)
        wide = broadcast_to(expand_dims(a, place + 1), shape[:place + 1] + (count,) + shape[place + 1:])
        return reshape(wide, shape[:place] + (shape[place] * count,) + shape[place + 1:])
    return take(a, repeat_places(repeats, like_shape(a)[axis], total_repeat_length), axis)


# ---- diagonals and triangles ----

@op(constant=True, unbatched=True)
def diagonal_places(rows, columns, offset):
    """Return the row and column indices of a diagonal."""
    places = numpy.arange(diagonal_size(rows, columns, offset))
    return array(places - min(offset, 0)), array(places + max(offset, 0))


@op(constant=True, unbatched=True)
def diagonal_size(rows, columns, offset):
    """Return how many elements a diagonal of a matrix has."""
    return max(0, min(rows + min(offset, 0), columns - max(offset, 0)))


@about_types
def matrices(function, a):
    """Raise ValueError for an array of fewer than two axes."""
    if len(aval_of(a).shape) < 2:
        raise ValueError(f"{function} requires an array of at least two dimensions, got shape {aval_of(a).shape}")
    return True


def diagonal(a, offset=0, axis1=0, axis2=1):
    """Return a diagonal of each matrix in two axes, as a new last axis; ValueError for fewer than two axes."""
    matrices("diagonal", a)
    moved = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = diagonal_places(moved.shape[-2], moved.shape[-1], offset)
    if diagonal_size(moved.shape[-2], moved.shape[-1], offset) == 0:
        return reshape(moved[..., :0, :0], moved.shape[:-2] + (0,))
    return moved[..., rows, columns]


def diag(v, k=0):
    """Return diagonal ``k`` of a matrix, or a matrix with a vector on it."""
    if len(like_shape(v)) == 2:
        return diagonal(v, k)
    if len(like_shape(v)) != 1:
        raise ValueError(f"diag input must be 1d or 2d, got shape {like_shape(v)}")
    from runtime import numpy as np
    row = lax_pad(v, 0, ((max(0, k), max(0, -k), 0),))
    on = eye(row.shape[0], None, k, bool)
    return np.where(on, np.expand_dims(row, 0), np.zeros((), row.dtype))


def diagflat(v, k=0):
    """Return a matrix with the flattened array on diagonal ``k``."""
    return diag(ravel(v), k)


def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    """Return the sum of a diagonal of each matrix in two axes."""
    if out is not None:
        no_out("trace", out)
    from runtime import numpy as np
    return np.sum(diagonal(a, offset, axis1, axis2), -1, dtype)


def tril(m, k=0):
    """Return the matrices with elements above diagonal ``k`` set to zero."""
    from runtime import numpy as np
    matrices("tril", m)
    mask = tri(m.shape[-2], m.shape[-1], k, bool)
    return np.where(mask, m, np.zeros((), m.dtype))


def triu(m, k=0):
    """Return the matrices with elements below diagonal ``k`` set to zero."""
    from runtime import numpy as np
    matrices("triu", m)
    mask = tri(m.shape[-2], m.shape[-1], k - 1, bool)
    return np.where(mask, np.zeros((), m.dtype), m)


@op(constant=True, unbatched=True)
def tril_indices(n, k=0, m=None):
    """Return the indices of the elements at and below diagonal ``k``."""
    return tuple([array(i) for i in numpy.tril_indices(n, k, m)])


@op(constant=True, unbatched=True)
def triu_indices(n, k=0, m=None):
    """Return the indices of the elements at and above diagonal ``k``."""
    return tuple([array(i) for i in numpy.triu_indices(n, k, m)])


def tril_indices_from(arr, k=0):
    """Return the indices of the lower triangle of a matrix."""
    return tril_indices(arr.shape[-2], k, arr.shape[-1])


def triu_indices_from(arr, k=0):
    """Return the indices of the upper triangle of a matrix."""
    return triu_indices(arr.shape[-2], k, arr.shape[-1])


@op(constant=True, unbatched=True)
def diag_indices(n, ndim=2):
    """Return the indices of the main diagonal of an array of size n in every axis."""
    return (arange(n),) * ndim


def diag_indices_from(arr):
    """Return the indices of the main diagonal of an array."""
    return diag_indices(arr.shape[0], arr.ndim)


def fill_diagonal(a, val, wrap=False, *, inplace=True):
    """Return a copy with the main diagonal set; ``inplace`` must be False, for arrays are immutable."""
    if inplace:
        raise NotImplementedError("fill_diagonal: arrays are immutable; pass inplace=False to get an updated copy")
    if wrap:
        raise NotImplementedError("fill_diagonal: wrap=True is not implemented; use wrap=False")
    length = min(like_shape(a))
    if like_shape(val) != ():
        flat = ravel(val)
        val = take(flat, arange(length) % flat.shape[0], 0)
    a = array(a)
    return a.at[diag_indices(length, a.ndim)].set(val)


@about_types
def vander_columns(x, N):
    """Return the number of columns of a Vandermonde matrix; ValueError for other than a vector, or fewer than none."""
    shape = aval_of(x).shape
    if len(shape) != 1:
        raise ValueError(f"vander: x must be a one-dimensional array, got shape {shape}")
    if N is not None and operator.index(N) < 0:
        raise ValueError(f"vander: N must be nonnegative, got {N}")
    return shape[0] if N is None else operator.index(N)


def vander(x, N=None, increasing=False):
    """Return the matrix whose columns are powers of a vector, falling by default."""
    from runtime import numpy as np
    count = vander_columns(x, N)
    powers = np.arange(count) if increasing else np.arange(count - 1, -1, -1)
    if x.dtype.kind not in "fc":    # others stay whole numbers, which have no derivative
        powers = np.astype(powers, x.dtype)
    return np.expand_dims(x, 1) ** powers


# ---- grids and coordinates ----

def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Return coordinate arrays over the grid of several vectors; "xy" puts the first one along the second axis."""
    from runtime import numpy as np
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for indexing are 'xy' and 'ij', got {indexing!r}")
    count = len(xi)
    order = grid_order(count, indexing)
    grids = [np.reshape(x, tuple([-1 if k == place else 1 for k in range(count)])) for x, place in zip(xi, order)]
    if sparse:
        return grids
    shape = np.broadcast_shapes(*[g.shape for g in grids])
    return [np.broadcast_to(g, shape) for g in grids]


@op(constant=True, unbatched=True)
def grid_order(count, indexing):
    """Return the axis along which each vector of a grid varies."""
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[0], order[1] = 1, 0
    return order


@op(constant=True, unbatched=True)
def indices(dimensions, dtype=None, sparse=False):
    """Return the coordinates of every element of an array of some shape."""
    found = numpy.indices(tuple(dimensions), dtype=int if dtype is None else numpy.dtype(dtype), sparse=sparse)
    return tuple([array(i, dtype) for i in found]) if sparse else array(found, dtype)


@op(constant=True, unbatched=True)
def ix_(*args):
    """Return index arrays that select the outer product of several index vectors."""
    return tuple([array(i) for i in numpy.ix_(*[numpy.asarray(a) for a in args])])


@op(constant=True, elementwise=True)
def unravel_index(indices, shape):
    """Return the coordinates of flat positions in an array of a shape."""
    from runtime.ops.binary import clip, where
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    total = math.prod(shape)
    spots = array(indices)
    spots = clip(where(spots < 0, spots + total, spots), 0, total - 1)
    found = []
    for n in reversed(shape):
        found.append(spots % n)
        spots = spots // n
    return tuple(found[::-1])


@op(constant=True)
def ravel_multi_index(multi_index, dims, mode="raise", order="C", *, dtype=None):
    """Return the flat positions of coordinates in an array of shape ``dims``; mode "clip" or "wrap" for those outside."""
    spots = 0
    pairs = list(zip(multi_index, dims, strict=True))
    for i, n in pairs if order == "C" else pairs[::-1]:
        i = array(i)
        if mode == "wrap":
            i = i % n
        elif mode == "clip":
            from runtime.ops.binary import clip
            i = clip(i, 0, n - 1)
        elif bool(((i < 0) | (i >= n)).any()):
            raise ValueError("invalid entry in coordinates array; use mode='clip' or 'wrap'")
        spots = spots * n + i
    return spots if dtype is None else astype(spots, dtype)


# ---- rearrangement by values or lists ----

def append(arr, values, axis=None):
    """Return the array with values joined at the end of an axis (both flattened by default)."""
    return concatenate([array(arr), array(values)], axis)


@op(constant=True, unbatched=True)
def kept_places(size, obj):
    """Return the places of an axis that delete leaves."""
    if isinstance(obj, Array):
        obj = numpy.asarray(obj)
    return array(numpy.delete(numpy.arange(size), obj))


def delete(arr, obj, axis=None, *, assume_unique_indices=False):
    """Return the array without some elements along an axis (of the flattened array by default).

    ``assume_unique_indices``: no index occurs twice, so that how many are left is known without their values, under jit too.
    """
    if axis is None:
        arr = ravel(arr)
        axis = 0
    if assume_unique_indices and is_indices(obj):
        return take(arr, places_beside(arr.shape[axis], ravel(obj)), axis)
    return take(arr, kept_places(arr.shape[axis], obj), axis)


@about_types
def is_indices(obj):
    """Tell whether what delete leaves out is given by an array of integers."""
    return not isinstance(obj, (int, slice, list, tuple)) and kind(aval_of(obj).dtype) in "iu"


def places_beside(size, gone):
    """Return the places of an axis beside those in a vector, of which no two are the same."""
    from runtime import numpy as np
    gone = np.sort(np.clip(np.where(gone < 0, gone + size, gone), 0, size))
    left = np.arange(size - gone.shape[0])
    return left + np.sum(left >= np.expand_dims(gone - np.arange(gone.shape[0]), 1), 0)


def resize(a, new_shape):
    """Return an array of another size, filled with repeated copies of this one."""
    from runtime import numpy as np
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    total = math.prod(shape)
    flat = np.ravel(a)
    copies = -(-total // flat.shape[0])
    return np.reshape(np.tile(flat, copies)[:total], shape)


def choose(a, choices, out=None, mode="raise"):
    """Return, for each position, the element of the choice whose number stands there.

    mode: of numbers that no choice has: "raise" a ValueError (for which they must be known: not under jit), "clip" or "wrap" them.
    """
    if out is not None:
        no_out("choose", out)
    from runtime import numpy as np
    count = len(choices)
    check_choices(a, count, mode)
    spots = np.clip(a, 0, count - 1) if mode == "clip" else a % count if mode == "wrap" else a
    out = choices[count - 1]
    for number in range(count - 1):
        out = np.where(spots == number, choices[number], out)
    return np.astype(out, out.dtype)


@op(constant=True, batch=lambda a, count, mode, over=(): check_choices(a, count, mode))
def check_choices(a, count, mode):
    """Raise ValueError for other than integers, unknown modes and, with the mode "raise", numbers that are none of ``count`` choices."""
    if kind(aval_of(a).dtype) not in "iu":
        raise ValueError(f"choose: `a` array must be integer typed, got {dtype_name(aval_of(a).dtype)}")
    if mode not in ("raise", "clip", "wrap"):
        raise ValueError(f"choose: mode={mode!r} not understood. Must be 'raise', 'wrap', or 'clip'")
    if mode == "raise":
        a = as_operand(a, "choose")
        concrete(a, "choose with mode='raise' (not with mode='wrap' or 'clip')")
        given = numpy.asarray(a)
        if count == 0 or given.size and not 0 <= numpy.min(given) <= numpy.max(given) < count:
            raise ValueError(f"choose: invalid entry in choice array: a number below 0 or above {count - 1}; give mode='clip' or 'wrap'")
    return True


def array_equal(a1, a2, equal_nan=False):
    """Return whether two arrays have one shape and equal elements."""
    from runtime import numpy as np
    if np.shape(a1) != np.shape(a2):
        return np.asarray(False)
    same = np.equal(a1, a2)
    if equal_nan:
        same = same | (np.isnan(a1) & np.isnan(a2))
    return np.all(same)


def array_equiv(a1, a2):
    """Return whether two arrays broadcast to equal elements."""
    from runtime import numpy as np
    return np.all(np.equal(a1, a2))


def copy(a, order=None):
    """Return a copy of the array."""
    return array(a)


__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
