"""Products of matrices by groups of rows (ragged_dot), by scaled blocks (scaled_dot), and convolutions with a kernel for each place."""
from __future__ import annotations

from dataclasses import dataclass

from runtime.cotangent import shape_of
from runtime.ops.constrain import out_sharded
from runtime.ops.conv import conv_general_dilated_patches
from runtime.ops.dot import dot_general
from runtime.ops.kernel import about_types


@dataclass(frozen=True)
class RaggedDotDimensionNumbers:
    """What the axes of a ragged product are for.

    dot_dimension_numbers: as for dot_general. lhs_ragged_dimensions: the one axis of lhs that is cut into groups.
    rhs_group_dimensions: the axis of rhs that numbers the groups, where rhs has one.
    """
    dot_dimension_numbers: tuple
    lhs_ragged_dimensions: tuple
    rhs_group_dimensions: tuple


@about_types
def check_ragged(lhs, rhs, sizes, group_offset):
    """Raise TypeError and NotImplementedError for operands that ragged_dot does not take."""
    shapes = shape_of(lhs), shape_of(rhs), shape_of(sizes)
    if [len(s) for s in shapes] != [2, 3, 1] or shapes[0][1] != shapes[1][1] or shapes[1][0] != shapes[2][0]:
        raise TypeError(f"ragged_dot: lhs (m, k), rhs (g, k, n) and group_sizes (g,) are needed, got the shapes {shapes[0]}, {shapes[1]} "
                        f"and {shapes[2]}")
    offset_refused(group_offset)
    return True


@about_types
def offset_refused(group_offset):
    """Raise NotImplementedError for group_offset, as JAX does."""
    if group_offset is not None:
        raise NotImplementedError("ragged_dot: group_offset is not available; slice rhs and group_sizes")
    return True


def members(group_sizes, size, dtype):
    """Return ones (groups, size) where an index belongs to a group; groups follow each other from index 0."""
    from runtime import numpy as np
    ends = np.expand_dims(np.cumsum(group_sizes), -1)
    starts = ends - np.expand_dims(group_sizes, -1)
    places = np.arange(size)
    return np.astype(np.logical_and(places >= starts, places < ends), dtype)


@out_sharded
def ragged_dot(lhs, rhs, group_sizes, precision=None, preferred_element_type=None, group_offset=None):
    """Return (m, n): each row of lhs (m, k) times the matrix of its group in rhs (g, k, n).

    group_sizes: (g,) integers: the first rows belong to the first group, and so on; rows past all groups give zero.
    """
    from runtime import numpy as np
    check_ragged(lhs, rhs, group_sizes, group_offset)
    own = np.expand_dims(members(group_sizes, np.shape(lhs)[0], lhs.dtype), -1) * np.expand_dims(lhs, 0)
    return dot_general(own, rhs, (((0, 2), (0, 1)), ((), ())), precision, preferred_element_type)


@about_types
def ragged_plan(lhs, rhs, sizes, numbers, group_offset):
    """Return (kind, the ragged axis of lhs, its size, the product's dimension numbers with groups in front of lhs)."""
    offset_refused(group_offset)
    (left, right), (left_batch, right_batch) = numbers.dot_dimension_numbers
    (ragged,), groups = tuple(numbers.lhs_ragged_dimensions), tuple(numbers.rhs_group_dimensions)
    if len(shape_of(sizes)) != 1:
        raise NotImplementedError(f"ragged_dot_general: group_sizes of shape {shape_of(sizes)} are not available; give one axis, and "
                                  "map over the others with vmap")
    left, left_batch = [tuple(a + 1 for a in axes) for axes in (left, left_batch)]
    size = shape_of(lhs)[ragged]
    if ragged + 1 in left:
        kind = "contracting"
    elif ragged + 1 in left_batch:
        kind = "batch"
    else:
        kind = "rows"
    if (kind == "rows") != (len(groups) == 1):
        raise TypeError(f"ragged_dot_general: rhs_group_dimensions={groups} with a ragged {kind} axis; exactly a ragged axis of rows "
                        "needs one group axis in rhs")
    if kind == "rows":
        return kind, ragged, size, (((0, *left), (groups[0], *right)), (left_batch, tuple(right_batch)))
    return kind, ragged, size, ((left, tuple(right)), (left_batch, tuple(right_batch)))


@out_sharded
def ragged_dot_general(lhs, rhs, group_sizes, ragged_dot_dimension_numbers, precision=None, preferred_element_type=None,
                       group_offset=None):
    """Return a product of arrays of which one axis of lhs is cut into groups.

    A ragged axis of rows: each row meets its group in rhs, which numbers groups by an axis of its own. A ragged summed axis: the
    result has one product for each group, along a new first axis. A ragged batch axis: the groups do not matter. group_sizes:
    (g,) integers.
    """
    from runtime import numpy as np
    plan = ragged_plan(lhs, rhs, group_sizes, ragged_dot_dimension_numbers, group_offset)
    if plan[0] == "batch":
        return dot_general(lhs, rhs, ragged_dot_dimension_numbers.dot_dimension_numbers, precision, preferred_element_type)
    mask = members(group_sizes, plan[2], lhs.dtype)
    shape = spread_shape(np.shape(group_sizes)[0], np.ndim(lhs), plan[1], plan[2])
    own = np.reshape(mask, shape) * np.expand_dims(lhs, 0)
    found = dot_general(own, rhs, plan[3], precision, preferred_element_type)
    return np.moveaxis(found, len(plan[3][1][0]), 0) if plan[0] == "contracting" else found


@about_types
def spread_shape(groups, ndim, axis, size):
    """Return the shape of a mask (groups, size) beside an operand with a new first axis."""
    return (groups, *[size if a == axis else 1 for a in range(ndim)])


@about_types
def repeats(x, scale, name):
    """Return how often each element of a scale stands along each axis; TypeError where sizes are not multiples."""
    shape, scales = shape_of(x), shape_of(scale)
    if len(shape) != len(scales) or any(not s or n % s for n, s in zip(shape, scales)):
        raise TypeError(f"{name} of shape {scales} do not divide the operand's shape {shape}; each axis must have a multiple of the "
                        "scales' size")
    return tuple(n // s for n, s in zip(shape, scales))


def unscaled(x, scale, dtype, name):
    """Return elements times the scales of their blocks."""
    from runtime import numpy as np
    x = np.astype(x, dtype)
    if scale is None:
        return x
    times = repeats(x, scale, name)
    scale = np.astype(scale, dtype)
    for axis in range(len(times)):
        scale = np.repeat(scale, times[axis], axis)
    return x * scale


def scaled_dot(lhs, rhs, *, lhs_scale=None, rhs_scale=None, dimension_numbers=None, preferred_element_type=None):
    """Return the product of operands whose blocks have scales of their own.

    lhs, rhs: arrays, of any float dtype. lhs_scale, rhs_scale: of the same ranks, each axis a divisor of the operand's: one scale for
    each block. dimension_numbers: as for dot_general, a product of matrices by default. preferred_element_type: of the result;
    bfloat16 by default. Sums are taken in float32.
    """
    from runtime import numpy as np
    a, b = unscaled(lhs, lhs_scale, "float32", "lhs_scale"), unscaled(rhs, rhs_scale, "float32", "rhs_scale")
    numbers = (((np.ndim(lhs) - 1,), (np.ndim(rhs) - 2,)), ((), ())) if dimension_numbers is None else dimension_numbers
    return np.astype(dot_general(a, b, numbers), "bfloat16" if preferred_element_type is None else preferred_element_type)


@about_types
def local_numbers(dimension_numbers, ndim):
    """Return (the layout of lhs, that of the kernels, where the result's axes are in the product)."""
    from runtime.ops.conv import layouts
    lhs, rhs, out = layouts(dimension_numbers, ndim)
    made = (ndim - 2, ndim - 1, *range(ndim - 2))       # where the product has batch, features and places
    return lhs, rhs, tuple(made[axis] for axis in out)


def conv_general_dilated_local(lhs, rhs, window_strides, padding, filter_shape, lhs_dilation=None, rhs_dilation=None,
                               dimension_numbers=None, precision=None):
    """Return a convolution whose kernel differs from place to place.

    rhs: like the kernel of conv_general_dilated, with the places of the result as its spatial axes, and in the place of the input
    features all elements of a patch (features times filter_shape, features changing slowest). Other arguments are those of
    conv_general_dilated_patches.
    """
    from runtime import numpy as np
    lhs_axes, rhs_axes, order = local_numbers(dimension_numbers, np.ndim(lhs))
    patches = conv_general_dilated_patches(lhs, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation, patch_layout(
        dimension_numbers, np.ndim(lhs)), precision)
    # patches are laid out batch, features, places; the kernels result features, patch, places
    kernels = np.transpose(rhs, rhs_axes)
    places = tuple(range(2, np.ndim(lhs)))
    found = dot_general(patches, kernels, (((1,), (1,)), (places, places)), precision)
    return np.transpose(found, order)


@about_types
def patch_layout(dimension_numbers, ndim):
    """Return dimension numbers whose result has batch and features in front."""
    from runtime.lax.layouts import ConvDimensionNumbers
    from runtime.ops.conv import layouts
    lhs, rhs, _ = layouts(dimension_numbers, ndim)
    return ConvDimensionNumbers(tuple(lhs), tuple(rhs), tuple(range(ndim)))


__all__ = ["RaggedDotDimensionNumbers", "conv_general_dilated_local", "ragged_dot", "ragged_dot_general", "scaled_dot"]
