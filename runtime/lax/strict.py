"""lax's functions that are the array library's under other argument names, or for one dtype and shape alone."""
from __future__ import annotations

import operator

import numpy

from runtime.ops import binary, uniform
from runtime.ops.binary import where
from runtime.ops.constrain import out_sharded
from runtime.ops.create import astype
from runtime.ops.create import full as filled
from runtime.ops.create import full_like as filled_like
from runtime.ops.dot import dot as product
from runtime.ops.dot import dot_general
from runtime.ops.elementwise import conjugate, rint, round_away
from runtime.ops.kernel import about_types
from runtime.ops.permute import transpose as permuted
from runtime.ops.shape import expand_dims as widened
from runtime.ops.shape import reshape as reshaped
from runtime.ops.shape import squeeze as squeezed
from runtime.ops.uniform import check_uniform
from runtime.types import aval_of, dtype_name, kind


def _avals(*operands):
    return [aval_of(x) for x in operands]


@about_types
def complex_of(x):
    """Return the complex dtype of which conj's result is; TypeError for what has no complex numbers."""
    (of,) = _avals(x)
    if kind(of.dtype) != "c":
        check_uniform("conj", "F", (of,))
    return numpy.result_type(of.dtype, numpy.complex64)


def conj(x):
    """Return the complex conjugate, elementwise; of a real array too as complex numbers. TypeError for other than them."""
    return conjugate(astype(x, complex_of(x)))


@about_types
def floats_only(name, x):
    """Raise TypeError for other than floats."""
    check_uniform(name, "f", _avals(x))
    return True


def round(x, rounding_method=0):
    """Return the nearest integers, halves away from zero or, with RoundingMethod.TO_NEAREST_EVEN (1), to even."""
    floats_only("round", x)
    return rint(x) if rounding_method == 1 else round_away(x)


def mul(x, y, *, out_dtype=None):
    """Return x * y, elementwise; in another dtype, the operands are converted to it before."""
    if out_dtype is None:
        return uniform.mul(x, y)
    return uniform.mul(astype(x, out_dtype), astype(y, out_dtype))


@about_types
def integer_exponent(x, y):
    """Return an exponent as a Python integer; TypeError for a base that is no number."""
    check_uniform("integer_pow", "iufc", _avals(x))
    return operator.index(y)


def integer_pow(x, y):
    """Return x to a power that is a Python integer, by repeated multiplication."""
    return binary.power(x, integer_exponent(x, y))


@about_types
def check_clamp(low, x, high):
    """Raise TypeError unless the bounds are of the dtype of x, and scalars or of its shape."""
    avals = _avals(low, x, high)
    if len({of.dtype for of in avals}) > 1:
        raise TypeError(f"lax.clamp requires arguments to have the same dtypes, got {', '.join([dtype_name(of.dtype) for of in avals])}. "
                        "Cast with astype, or use np.clip, which promotes.")
    for name, bound in (("min", avals[0]), ("max", avals[2])):
        if bound.shape and bound.shape != avals[1].shape:
            raise TypeError(f"lax.clamp: {name} must be a scalar or have the shape of x, {avals[1].shape}, got {bound.shape}")
    return True


def clamp(min, x, max):
    """Return x limited to the range from ``min`` to ``max``, elementwise; all of one dtype, the bounds scalars or of the shape of x."""
    check_clamp(min, x, max)
    return binary.clamp(min, x, max)


@about_types
def check_cases(which, cases):
    """Raise TypeError unless the cases are of one type, and as many as ``which`` may choose from; tell whether it is of bools."""
    which, *cases = [aval_of(x) for x in (which, *cases)]
    if kind(which.dtype) not in "biu":
        raise TypeError(f"select: the predicate must be of bools or integers, got {dtype_name(which.dtype)}; compare it with something")
    if len({of.dtype for of in cases}) > 1:
        raise TypeError(f"lax.select requires arguments to have the same dtypes, got {', '.join([dtype_name(of.dtype) for of in cases])}. "
                        "Cast with astype, or use np.where, which promotes.")
    if len({of.shape for of in cases}) > 1:
        raise TypeError(f"select: the cases must have the same shapes, got {', '.join([str(of.shape) for of in cases])}; use np.where, "
                        "which broadcasts")
    if which.shape and which.shape != cases[0].shape:
        raise TypeError(f"select: the predicate must be a scalar or have the shape of the cases, {cases[0].shape}, got {which.shape}")
    if kind(which.dtype) == "b" and len(cases) > 2:
        raise TypeError(f"select: a predicate of bools chooses between two cases, got {len(cases)}; use integers")
    return kind(which.dtype) == "b"


def select(pred, on_true, on_false):
    """Return ``on_true`` where ``pred`` holds, else ``on_false``; both of one type, the predicate a scalar or of their shape."""
    check_cases(pred, (on_false, on_true))
    return where(pred, on_true, on_false)


def select_n(which, *cases):
    """Return, for each element, the case whose number (or False/True) stands there; all of one type."""
    if check_cases(which, cases) and len(cases) == 2:
        return where(which, cases[1], cases[0])
    out = cases[-1]
    for number in range(len(cases) - 2, -1, -1):
        out = where(which <= number, cases[number], out)
    return out


@out_sharded
def reshape(operand, new_sizes, dimensions=None):
    """Return the array with another shape of the same size; its axes are put into the order ``dimensions`` before."""
    return reshaped(operand if dimensions is None else permuted(operand, dimensions), new_sizes)


def transpose(operand, permutation):
    """Return the array with its axes in another order."""
    return permuted(operand, permutation)


def squeeze(array, dimensions):
    """Return the array without the given axes, which have size 1."""
    return squeezed(array, dimensions)


def expand_dims(array, dimensions):
    """Return the array with new axes of size 1 at the given places of the result."""
    return widened(array, tuple(dimensions))


def full(shape, fill_value, dtype=None, *, sharding=None):
    """Return an array filled with a value, on a device or under a sharding."""
    return filled(shape, fill_value, dtype, device=sharding)


def full_like(x, fill_value, dtype=None, shape=None, sharding=None):
    """Return an array filled with a value, with the shape and dtype of another array."""
    return filled_like(x, fill_value, dtype, shape, device=sharding)


@out_sharded
def dot(lhs, rhs, *, dimension_numbers=None, precision=None, preferred_element_type=None):
    """Return the product of vectors and matrices, or with dimension numbers the general one (see dot_general)."""
    if dimension_numbers is None:
        return product(lhs, rhs, precision=precision, preferred_element_type=preferred_element_type)
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


__all__ = ["clamp", "conj", "dot", "expand_dims", "full", "full_like", "integer_pow", "mul", "reshape", "round", "select", "select_n", "squeeze",
           "transpose"]
