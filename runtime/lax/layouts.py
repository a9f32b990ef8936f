"""What lax says about operations: layouts and shapes of convolutions and windows, and the names of algorithms."""
from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from runtime.lax.shapes import Precision
from runtime.op import op
from runtime.ops.conv import out_sizes, pad_pairs, per_axis, transpose_padding
from runtime.ops.window import window_shape


class ConvDimensionNumbers(NamedTuple):
    """Where a convolution finds its axes: positions of (batch, features, space...) in lhs and out, (out, in, space...) in rhs."""
    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


ConvGeneralDilatedDimensionNumbers = tuple[str, str, str] | ConvDimensionNumbers | None
DotDimensionNumbers = tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]]


class AccuracyMode(enum.Enum):
    """How accurately an elementwise function is computed."""
    HIGHEST = 1
    DEFAULT = 2


class RandomAlgorithm(enum.IntEnum):
    """The generators of random bits that XLA has."""
    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2


class DotAlgorithm(NamedTuple):
    """Types and steps of a product of matrices."""
    lhs_precision_type: Any
    rhs_precision_type: Any
    accumulation_type: Any
    lhs_component_count: int = 1
    rhs_component_count: int = 1
    num_primitive_operations: int = 1
    allow_imprecise_accumulation: bool = False


DotAlgorithmPreset = enum.Enum("DotAlgorithmPreset", [
    "DEFAULT", "ANY_F8_ANY_F8_F32", "ANY_F8_ANY_F8_F32_FAST_ACCUM", "ANY_F8_ANY_F8_ANY", "ANY_F8_ANY_F8_ANY_FAST_ACCUM",
    "F16_F16_F16", "F16_F16_F32", "BF16_BF16_BF16", "BF16_BF16_F32", "BF16_BF16_F32_X3", "BF16_BF16_F32_X6", "BF16_BF16_F32_X9",
    "TF32_TF32_F32", "TF32_TF32_F32_X3", "F32_F32_F32", "F64_F64_F64"], module=__name__)
PrecisionLike = str | Precision | DotAlgorithm | DotAlgorithmPreset | None


@op(constant=True, unbatched=True)
def conv_general_permutations(dimension_numbers):
    """Return, for layouts such as ("NHWC", "HWIO", "NHWC"), the positions of (N, C, space...), (O, I, space...), (N, C, space...)."""
    found = []
    for spec, (first, second) in zip(dimension_numbers, ("NC", "OI", "NC"), strict=True):
        if first not in spec or second not in spec or len(set(spec)) != len(spec):
            raise TypeError(f"convolution dimension_numbers {spec!r} must contain {first!r} and {second!r} once, and each spatial "
                            "letter once")
        if sorted(set(spec) - {first, second}) != sorted(set(dimension_numbers[1]) - {"O", "I"}):
            raise TypeError(f"convolution dimension_numbers must have the same spatial letters, got {dimension_numbers}")
        space = [spec.index(c) for c in dimension_numbers[1] if c not in "OI"]
        found.append((spec.index(first), spec.index(second), *space))
    return tuple(found)


@op(constant=True, unbatched=True)
def conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers):
    """Return the positions of a convolution's axes for layouts given by letters, by positions, or not at all (batch first).

    ValueError or TypeError where they do not fit the shapes.
    """
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if len(lhs_shape) != len(rhs_shape):
        raise TypeError(f"convolution requires lhs and rhs ndim to be equal, got {len(lhs_shape)} and {len(rhs_shape)}.")
    if dimension_numbers is None:
        return ConvDimensionNumbers(*(tuple(range(len(lhs_shape))),) * 3)
    if not isinstance(dimension_numbers, (list, tuple)) or len(dimension_numbers) != 3:
        raise TypeError("convolution dimension_numbers must be None, a ConvDimensionNumbers or three strings, got "
                        f"{dimension_numbers!r}")
    for part, spec in zip(("lhs_spec", "rhs_spec", "out_spec"), dimension_numbers):
        if len(spec) != len(lhs_shape):
            raise TypeError(f"convolution {part} {spec!r} needs one letter for each of {len(lhs_shape)} axes")
    return ConvDimensionNumbers(*conv_general_permutations(dimension_numbers))


@op(constant=True, unbatched=True)
def conv_shape_tuple(lhs_shape, rhs_shape, strides, pads, batch_group_count=1):
    """Return the shape of a convolution of (batch, features, space...) with (out, in, space...)."""
    ones = (1,) * len(strides)
    pairs = pad_pairs(pads, lhs_shape[2:], rhs_shape[2:], strides, ones, ones)
    if lhs_shape[0] % batch_group_count:
        raise TypeError(f"conv_shape_tuple: batch_group_count {batch_group_count} must divide the batch of {lhs_shape[0]}")
    return (lhs_shape[0] // batch_group_count, rhs_shape[0], *out_sizes(lhs_shape[2:], rhs_shape[2:], strides, pairs, ones, ones))


@op(constant=True, unbatched=True)
def conv_general_shape_tuple(lhs_shape, rhs_shape, window_strides, padding, dimension_numbers):
    """Return the shape of a convolution of operands in the given layouts."""
    lhs, rhs, out = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    found = conv_shape_tuple([lhs_shape[i] for i in lhs], [rhs_shape[i] for i in rhs], window_strides, padding)
    return tuple([found[out.index(i)] for i in range(len(out))])


@op(constant=True, unbatched=True)
def conv_transpose_shape_tuple(lhs_shape, rhs_shape, window_strides, padding, dimension_numbers):
    """Return the shape of a transposed convolution of operands in the given layouts."""
    lhs, rhs, out = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    size, kernel = [lhs_shape[i] for i in lhs], [rhs_shape[i] for i in rhs]
    pairs = transpose_padding(padding, kernel[2:], window_strides) if isinstance(padding, str) else padding
    ones = (1,) * len(window_strides)
    found = (size[0], kernel[0], *out_sizes(size[2:], kernel[2:], ones, pairs, window_strides, ones))
    return tuple([found[out.index(i)] for i in range(len(out))])


@op(constant=True, unbatched=True)
def reduce_window_shape_tuple(operand_shape, window_dimensions, window_strides, padding, base_dilation=None, window_dilation=None):
    """Return the shape of a reduction over sliding windows."""
    count = len(operand_shape)
    base, dilation = per_axis(base_dilation, count, "base_dilation"), per_axis(window_dilation, count, "window_dilation")
    pairs = pad_pairs(padding, operand_shape, window_dimensions, window_strides, base, dilation)
    return tuple(int(n) for n in numpy.asarray(window_shape(operand_shape, window_dimensions, window_strides, pairs, base, dilation)))


def composite(decomposition: Callable, name: str, version: int = 0):
    """Return the function itself: what is named here is inlined wherever it is used.

    name, version: what other compilers would know the operation by; programs that this package makes do not carry it.
    """
    if not callable(decomposition):
        raise TypeError(f"composite: decomposition must be a function, got {type(decomposition)}")
    return decomposition
