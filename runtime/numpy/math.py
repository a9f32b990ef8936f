"""Tests, choices, NaN-aware reductions and further elementwise functions: plain Python over ops."""
from __future__ import annotations

import numpy

from runtime.op import op
from runtime.ops.axes import axis_index
from runtime.ops.binary import floating
from runtime.ops.kernel import about_types, check_real, no_out
from runtime.ops.elementwise import kernel, make_complex
from runtime.types import aval_of, kind, python_dtype, result_type


# ---- tests ----

def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Return whether elements are equal within ``atol + rtol * |b|``."""
    from runtime import numpy as np
    a, b = countable(a), countable(b)
    near = np.abs(a - b) <= atol + rtol * np.abs(b)
    near = np.where(np.isfinite(a) & np.isfinite(b), near, np.equal(a, b))
    if equal_nan:
        near = near | (np.isnan(a) & np.isnan(b))
    return near


def countable(x):
    """Return bools as integers, other numbers as they are."""
    from runtime import numpy as np
    return np.astype(x, python_dtype(int)) if holds_bools(x) else x


@about_types
def holds_bools(x):
    """Tell whether a dtype is that of bools."""
    return kind(aval_of(x).dtype) == "b"


def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Return whether all elements are equal within a tolerance."""
    from runtime import numpy as np
    return np.all(isclose(np.asarray(a), np.asarray(b), rtol, atol, equal_nan))


def isreal(x):
    """Return whether the imaginary part is zero, elementwise."""
    from runtime import numpy as np
    return np.equal(np.imag(x), 0)


def iscomplex(x):
    """Return whether the imaginary part is not zero, elementwise."""
    from runtime import numpy as np
    return np.not_equal(np.imag(x), 0)


def isin(element, test_elements, assume_unique=False, invert=False, *, method="auto"):
    """Return whether each element occurs among the test elements."""
    from runtime import numpy as np
    others = np.ravel(test_elements)
    if many(others):
        ordered = np.sort(others)
        places = np.clip(np.searchsorted(ordered, element), 0, ordered.shape[0] - 1)
        found = np.equal(ordered[places], element)
    else:
        found = np.any(np.equal(np.expand_dims(element, -1), others), -1)
    return np.logical_not(found) if invert else found


@about_types
def many(x):
    """Tell whether an array has so many elements that a search among them is faster than a comparison with all."""
    return x.size > 32 and x.dtype.kind != "c"


# ---- choices ----

def select(condlist, choicelist, default=0):
    """Return the element of the first choice whose condition holds, else the default."""
    from runtime import numpy as np
    if len(condlist) != len(choicelist):
        raise ValueError(f"condlist must have length equal to choicelist ({len(condlist)} vs {len(choicelist)})")
    out = np.asarray(default)
    for condition, choice in zip(condlist[::-1], choicelist[::-1]):
        out = np.where(condition, choice, out)
    return out


def piecewise(x, condlist, funclist, *args, **kw):
    """Return the function's value whose condition holds; one more function than conditions is the default."""
    from runtime import numpy as np
    out = np.zeros_like(x)
    if len(funclist) == len(condlist) + 1:
        rest = funclist[-1]
        out = rest(x, *args, **kw) if callable(rest) else np.full_like(x, rest)
    for place, function in enumerate(funclist):
        if place < len(condlist):
            value = function(x, *args, **kw) if callable(function) else function
            out = np.where(condlist[place], value, out)
    return out


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """Return the array with NaN and infinities replaced by numbers (the largest ones by default)."""
    from runtime import numpy as np
    if counts(x):
        return np.asarray(x)
    if np.iscomplexobj(x):
        return make_complex(real_nan_to_num(np.real(x), nan, posinf, neginf), real_nan_to_num(np.imag(x), nan, posinf, neginf))
    return real_nan_to_num(x, nan, posinf, neginf)


def real_nan_to_num(x, nan, posinf, neginf):
    """Replace NaN and infinities in a real array."""
    from runtime import numpy as np
    limits = float_limits(x)
    x = np.where(np.isnan(x), nan, x)
    x = np.where(np.isposinf(x), limits[1] if posinf is None else posinf, x)
    return np.where(np.isneginf(x), limits[0] if neginf is None else neginf, x)


@about_types
def counts(x):
    """Tell whether a dtype is of integers or bools, which hold neither NaN nor infinity."""
    return kind(aval_of(x).dtype) in "biu"


@about_types
def float_limits(x):
    """Return the smallest and largest finite number of an array's dtype."""
    from runtime.numpy.types import finfo, iinfo
    dtype = aval_of(x).dtype
    found = iinfo(dtype) if kind(dtype) in "iu" else None if kind(dtype) == "b" else finfo(dtype)
    return (0, 1) if found is None else (found.min.item(), found.max.item()) if hasattr(found.min, "item") else (
        found.min, found.max)


# ---- NaN-aware reductions ----

def nansum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """Return the sum over axes, NaN counting as zero."""
    if out is not None:
        no_out("nansum", out)
    from runtime import numpy as np
    return np.sum(np.where(np.isnan(a), 0, a), axis, dtype, None, keepdims, initial, where)


def nanprod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None):
    """Return the product over axes, NaN counting as one."""
    if out is not None:
        no_out("nanprod", out)
    from runtime import numpy as np
    return np.prod(np.where(np.isnan(a), 1, a), axis, dtype, None, keepdims, initial, where)


def nanmax(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Return the largest element over axes that is not NaN; NaN if there is none."""
    if out is not None:
        no_out("nanmax", out)
    from runtime import numpy as np
    if counts(a):
        return np.max(a, axis, None, keepdims, initial, where)
    lost = np.isnan(a)
    found = np.max(np.where(lost, -np.inf, a), axis, None, keepdims, initial, where)
    if initial is not None:
        return found
    return np.where(np.all(lost, axis, None, keepdims), np.nan, found)


def nanmin(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """Return the smallest element over axes that is not NaN; NaN if there is none."""
    if out is not None:
        no_out("nanmin", out)
    from runtime import numpy as np
    if counts(a):
        return np.min(a, axis, None, keepdims, initial, where)
    lost = np.isnan(a)
    found = np.min(np.where(lost, np.inf, a), axis, None, keepdims, initial, where)
    if initial is not None:
        return found
    return np.where(np.all(lost, axis, None, keepdims), np.nan, found)


def nanmean(a, axis=None, dtype=None, out=None, keepdims=False, where=None):
    """Return the mean over axes of the elements that are not NaN."""
    if out is not None:
        no_out("nanmean", out)
    from runtime import numpy as np
    good = np.logical_not(np.isnan(a))
    if where is not None:
        good = good & where
    return np.mean(np.where(np.isnan(a), 0, a), axis, dtype, None, keepdims, where=good)


def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """Return the variance over axes of the elements that are not NaN."""
    if out is not None:
        no_out("nanvar", out)
    from runtime import numpy as np
    good = np.logical_not(np.isnan(a))
    if where is not None:
        good = good & where
    found = np.var(np.where(np.isnan(a), 0, a), axis, dtype, None, ddof, keepdims, where=good, mean=mean)
    return found if dtype is None else np.astype(found, dtype)


def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """Return the standard deviation over axes of the elements that are not NaN."""
    if out is not None:
        no_out("nanstd", out)
    from runtime import numpy as np
    return np.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where, mean))


def nanargmax(a, axis=None, out=None, keepdims=None):
    """Return the index of the largest element that is not NaN; -1 where there is none."""
    if out is not None:
        no_out("nanargmax", out)
    from runtime import numpy as np
    lost = np.isnan(a)
    found = np.argmax(np.where(lost, -np.inf, a), axis, None, keepdims)
    return np.where(np.all(lost, axis, None, bool(keepdims)), -1, found)


def nanargmin(a, axis=None, out=None, keepdims=None):
    """Return the index of the smallest element that is not NaN; -1 where there is none."""
    if out is not None:
        no_out("nanargmin", out)
    from runtime import numpy as np
    lost = np.isnan(a)
    found = np.argmin(np.where(lost, np.inf, a), axis, None, keepdims)
    return np.where(np.all(lost, axis, None, bool(keepdims)), -1, found)


def nancumsum(a, axis=None, dtype=None, out=None):
    """Return the running sums, NaN counting as zero."""
    if out is not None:
        no_out("nancumsum", out)
    from runtime import numpy as np
    return np.cumsum(np.where(np.isnan(a), 0, a), axis, dtype)


def nancumprod(a, axis=None, dtype=None, out=None):
    """Return the running products, NaN counting as one."""
    if out is not None:
        no_out("nancumprod", out)
    from runtime import numpy as np
    return np.cumprod(np.where(np.isnan(a), np.ones_like(a), a), axis, dtype)


@about_types
def cumulative_axis(what, x, axis):
    """Return the axis along which to accumulate; ValueError for a scalar, or where there are several to choose from."""
    shape = aval_of(x).shape
    if not shape:
        raise ValueError(f"The input must be non-scalar to take a cumulative {what}; use np.atleast_1d(x)")
    if axis is None and len(shape) != 1:
        raise ValueError(f"cumulative {what}: the array has {len(shape)} dimensions, shape {shape}; give axis=, it is optional for vectors only")
    return axis_index(0 if axis is None else axis, len(shape))


@about_types
def summed_dtype(x):
    """Return the dtype of sums of an array's elements."""
    from runtime.ops.reduce import wide_integer
    dtype = aval_of(x).dtype
    return wide_integer(dtype) if kind(dtype) in "biu" else dtype


@about_types
def one_long(x, axis):
    """Return the shape of an array with one element along an axis."""
    shape = aval_of(x).shape
    return tuple([1 if i == axis % len(shape) else size for i, size in enumerate(shape)])


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Return the running sums along an axis, on request with a leading zero; ValueError for a scalar, and without axis for matrices."""
    from runtime import numpy as np
    axis = cumulative_axis("sum", x, axis)
    out = np.cumsum(x, axis, summed_dtype(x) if dtype is None else dtype)
    if include_initial:
        out = np.concatenate([np.zeros(one_long(out, axis), out.dtype), out], axis)
    return out


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Return the running products along an axis, on request with a leading one; ValueError for a scalar, and without axis for matrices."""
    from runtime import numpy as np
    axis = cumulative_axis("product", x, axis)
    out = np.cumprod(x, axis, dtype)
    if include_initial:
        out = np.concatenate([np.ones(one_long(out, axis), out.dtype), out], axis)
    return out


# ---- further elementwise functions ----

def sinc(x, /):
    """Return sin(pi x) / (pi x), 1 at zero, elementwise."""
    from runtime import numpy as np
    x = floating(x)
    zero = np.equal(x, 0)
    angle = np.where(zero, 1.0, x) * np.pi
    return np.where(zero, sinc_near_zero(x), np.sin(angle) / angle)


def sinc_near_zero(x):
    """Return the first terms of sinc's series, which give its derivatives at zero."""
    from runtime import numpy as np
    square = (x * np.pi) ** 2
    return 1.0 - square / 6.0 + square * square / 120.0


def modf(x, /, out=None):
    """Return the fractional and the integral part, both with the sign of x."""
    if out is not None:
        no_out("modf", out)
    from runtime import numpy as np
    x = floating(x)
    whole = np.trunc(x)
    return x - whole, whole


@about_types
def check_ldexp(x1, x2):
    """Raise ValueError for exponents that are no integers."""
    dtypes = aval_of(x1).dtype, aval_of(x2).dtype
    if kind(dtypes[1]) not in "biu" or kind(dtypes[0]) == "c":
        raise ValueError(f"ldexp not supported for input types {dtypes[0]} and {dtypes[1]}: the exponents are integers, and the first "
                         "operand real")
    return True


def ldexp(x1, x2, /):
    """Return x1 * 2**x2; ValueError for exponents that are not of integers."""
    from runtime import numpy as np
    check_ldexp(x1, x2)
    return x1 * np.exp2(np.astype(x2, np.result_type(float)))


@op(nondifferentiable="frexp takes a number apart into mantissa and exponent", elementwise=True)
def frexp(x, /):
    """Return (mantissa, exponent) with x = mantissa * 2**exponent and 0.5 <= |mantissa| < 1."""
    from runtime.ops.binary import where
    from runtime.ops.create import astype
    from runtime.ops.create import asarray
    from runtime.ops.elementwise import abs, exp2, floor, isfinite, log2
    check_real("frexp", x, TypeError)
    x = floating(asarray(x))
    special = (x == 0) | (isfinite(x) == False)  # noqa: E712  (an array comparison)
    size = where(special, 1.0, abs(x))
    exponent = floor(log2(size)) + 1
    mantissa = x / exp2(exponent)
    up, down = abs(mantissa) >= 1, abs(mantissa) < 0.5
    exponent = exponent + where(up, 1.0, where(down, -1.0, 0.0))
    mantissa = where(special, x, x / exp2(exponent))
    return mantissa, astype(where(special, 0.0, exponent), "int32")


def spacing(x, /):
    """Return the distance to the next float away from zero, elementwise."""
    from runtime import numpy as np
    check_real("spacing", x, ValueError)
    x = np.asarray(floating(x))
    if is_half(x):
        return np.nextafter(x, np.inf) - x
    found = np.nextafter(x, np.copysign(np.inf, x)) - x
    return np.where(found == 0, np.copysign(np.finfo(x.dtype).smallest_subnormal, x), found)


@about_types
def is_half(x):
    """Tell whether a dtype is float16: its steps go up for negative numbers too."""
    return aval_of(x).dtype == numpy.float16


def _gcd_emit(block, values, of):
    a, b = [block.op("abs", [v], of) if kind(of.dtype) == "i" else v for v in values]
    zero = block.constant(0, of.dtype, of.shape)
    one = block.constant(1, of.dtype, of.shape)
    truth = of.with_dtype(numpy.dtype(bool))
    test = block.region([of, of])
    live = test.op("compare", [test.args[1], zero], truth, {
        "comparison_direction": "#stablehlo<comparison_direction NE>"})
    scalar = truth.with_shape(())
    some = live if not of.ndim else test.op("reduce", [live, test.constant(False, bool)], scalar, {
        "dimensions": tuple(range(of.ndim))}, [test.binary_region("or", numpy.dtype(bool))])
    test.ret([some])
    body = block.region([of, of])
    x, y = body.args
    done = body.compare("EQ", y, zero)
    safe = body.op("select", [done, one, y], of)
    rest = body.op("remainder", [x, safe], of)
    body.ret([body.op("select", [done, x, y], of), body.op("select", [done, zero, rest], of)])
    return block.op("while", [a, b], [of, of], regions=[test, body])[0]


_gcd = kernel("gcd", _gcd_emit, "iu")


@about_types
def check_integers(function, x1, x2):
    """Raise ValueError unless two operands promote to integers."""
    if kind(result_type(x1, x2)) not in "iu":
        raise ValueError(f"Arguments to np.{function} must be integers, got {aval_of(x1).dtype} and {aval_of(x2).dtype}; cast with astype")
    return True


@op(constant=True, elementwise=True)
def gcd(x1, x2):
    """Return the greatest common divisor, elementwise; ValueError for other than integers."""
    check_integers("gcd", x1, x2)
    return _gcd(x1, x2)


def lcm(x1, x2):
    """Return the least common multiple, elementwise; ValueError for other than integers."""
    from runtime import numpy as np
    check_integers("lcm", x1, x2)
    divisor = gcd(x1, x2)
    return np.where(divisor == 0, 0, np.abs(x1 // np.where(divisor == 0, 1, divisor) * x2))


def i0(x):
    """Return the modified Bessel function of the first kind and order zero; ValueError for complex numbers."""
    check_real("i0", x, ValueError)
    from runtime.ops import special
    return special.i0(x)


def array_repr(arr, max_line_width=None, precision=None, suppress_small=None):
    """Return the text that repr gives."""
    return repr(arr)


def array_str(a, max_line_width=None, precision=None, suppress_small=None):
    """Return the text that str gives."""
    return str(a)

__all__ = [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_") and getattr(
    value, "__module__", None) == __name__]
