"""Elementwise functions of one operand: each row states its lowering and its partial derivative."""
from __future__ import annotations

import math

import numpy

from runtime.op import op
from runtime.ops.kernel import about_types, check_real, elementwise, named, no_options, no_out, real_dtype
from runtime.primitive import as_operand, cast
from runtime.types import aval, aval_of, kind
from runtime.zero import ZERO


def full(block, value, of):
    """Emit a constant of an aval's type."""
    return block.constant(value, of.dtype, of.shape)


def _log_base(base):
    def build(block, values, of):
        return block.op("divide", [block.op("log", values, of), full(block, math.log(base), of)], of)
    return build


def _exp2(block, values, of):
    return block.op("exponential", [block.op("multiply", [values[0], full(block, math.log(2), of)], of)], of)


def _square(block, values, of):
    return block.op("multiply", [values[0], values[0]], of)


def _reciprocal(block, values, of):
    return block.op("divide", [full(block, 1, of), values[0]], of)


def _integers_stay(hlo):
    def build(block, values, of):
        return values[0] if kind(of.dtype) in "biu" else block.op(hlo, values, of)
    return build


def _trunc(block, values, of):
    if kind(of.dtype) in "biu":
        return values[0]
    return block.op("multiply", [block.op("sign", values, of),
                                 block.op("floor", [block.op("abs", values, of)], of)], of)


def _rounded(block, values, of):
    if kind(of.dtype) != "c":
        return block.op("round_nearest_even", values, of)
    part = of.with_dtype(real_dtype(of.dtype))
    return block.op("complex", [block.op("round_nearest_even", [block.op(name, values, part)], part) for name in ("real", "imag")], of)


def _absolute(block, values, of):
    return values[0] if kind(of.dtype) in "bu" else block.op("abs", values, of)


def _not(block, values, of):
    return block.op("not", values, of)


def _is_nan(block, values, of):
    x = values[0]
    return block.compare("NE", x, x) if kind(x.aval.dtype) in "fc" else block.constant(False, bool, of.shape)


def _parts(test, join):
    """A test of floats, for complex numbers joined over both parts; for integers its value at zero."""
    def build(block, values, of):
        x = values[0]
        if kind(x.aval.dtype) in "biu":
            return block.constant(join == "and", bool, of.shape)
        if kind(x.aval.dtype) == "c":
            part = x.aval.with_dtype(real_dtype(x.aval.dtype))
            return block.op(join, [test(block, block.op("real", [x], part), of),
                                   test(block, block.op("imag", [x], part), of)], of)
        return test(block, x, of)
    return build


def _finite(block, x, of):
    return block.op("is_finite", [x], of)


def _infinite(block, x, of):
    return block.compare("EQ", block.op("abs", [x], x.aval), full(block, math.inf, x.aval))


def _signed_infinite(value):
    return lambda block, x, of: block.compare("EQ", x, full(block, value, x.aval))


def _signbit(block, values, of):
    x = values[0]
    if kind(x.aval.dtype) in "bu":
        return block.constant(False, bool, of.shape)
    if kind(x.aval.dtype) == "i":
        return block.compare("LT", x, full(block, 0, x.aval))
    bits = aval(x.aval.shape, numpy.dtype(f"int{8 * x.aval.dtype.itemsize}"))
    return block.compare("LT", block.op("bitcast_convert", [x], bits), full(block, 0, bits))


_KERNELS = {}


def kernel(name, build, accepts="biufc", compute="same", result="same", strong=False):
    """Make a primitive and keep it under its name for other families."""
    made = _KERNELS[name] = elementwise(name, build, accepts, compute, result, strong)
    return made


_BY_NAME = {"trunc", "erf", "erfc", "erfinv", "digamma", "gammaln", "sigmoid"}     # NumPy's others take x by its place alone


def _unary(name, build, doc, partial=None, accepts="biufc", compute="inexact", result="same", strong=False, **rule):
    prim = kernel(name, build, accepts, compute, result, strong)

    if name in _BY_NAME:
        def function(x):
            return prim(x)
    elif name == "negative":
        def function(x, /, *, out=None, where=None):
            if out is not None or where is not None:
                no_options(name, out, where)
            return prim(x)
    elif name in ("isposinf", "isneginf"):
        def function(x, /, out=None):
            if out is not None:
                no_out(name, out)
            return prim(x)
    else:
        def function(x, /):
            return prim(x)
    named(function, name, __name__, doc)
    if partial is None and not rule:
        rule = {"constant": True, "elementwise": True}
    elif partial is not None:
        rule = {"partials": {"x": partial}}
    return op(**rule)(function)


exp = _unary("exp", "exponential", "Return e to the power x, elementwise.", "out")
exp2 = _unary("exp2", _exp2, "Return 2 to the power x, elementwise.", "out * 0.6931471805599453")
expm1 = _unary("expm1", "exponential_minus_one", "Return exp(x) - 1, accurately for small x.", "out + 1")
log = _unary("log", "log", "Return the natural logarithm, elementwise.", "1 / x")
log1p = _unary("log1p", "log_plus_one", "Return log(1 + x), accurately for small x.", "1 / (1 + x)")
log2 = _unary("log2", _log_base(2), "Return the logarithm to base 2, elementwise.", "1 / (x * 0.6931471805599453)",
              strong=True)
log10 = _unary("log10", _log_base(10), "Return the logarithm to base 10, elementwise.", "1 / (x * 2.302585092994046)",
               strong=True)
sqrt = _unary("sqrt", "sqrt", "Return the square root, elementwise.", "0.5 / out")
rsqrt = _unary("rsqrt", "rsqrt", "Return 1 / sqrt(x), elementwise.", "-0.5 * out / x")
cbrt = _unary("cbrt", "cbrt", "Return the cube root, elementwise.", "1 / (3 * out * out)", "biuf")
square = _unary("square", _square, "Return x * x, elementwise.", "2 * x", compute="number")
reciprocal = _unary("reciprocal", _reciprocal, "Return 1 / x, elementwise.", "-out * out")
sin = _unary("sin", "sine", "Return the sine of an angle in radians, elementwise.", "np.cos(x)")
cos = _unary("cos", "cosine", "Return the cosine of an angle in radians, elementwise.", "-np.sin(x)")
tan = _unary("tan", "tan", "Return the tangent of an angle in radians, elementwise.", "1 + out * out")
arcsin = _unary("arcsin", "chlo.asin", "Return the inverse sine in [-pi/2, pi/2], elementwise.", "1 / np.sqrt(1 - x * x)")
arccos = _unary("arccos", "chlo.acos", "Return the inverse cosine in [0, pi], elementwise.", "-1 / np.sqrt(1 - x * x)")
arctan = _unary("arctan", "chlo.atan", "Return the inverse tangent in [-pi/2, pi/2], elementwise.", "1 / (1 + x * x)")
sinh = _unary("sinh", "chlo.sinh", "Return the hyperbolic sine, elementwise.", "np.cosh(x)")
cosh = _unary("cosh", "chlo.cosh", "Return the hyperbolic cosine, elementwise.", "np.sinh(x)")
tanh = _unary("tanh", "tanh", "Return the hyperbolic tangent, elementwise.", "1 - out * out")
arcsinh = _unary("arcsinh", "chlo.asinh", "Return the inverse hyperbolic sine, elementwise.", "1 / np.sqrt(x * x + 1)")
arccosh = _unary("arccosh", "chlo.acosh", "Return the inverse hyperbolic cosine, elementwise.",
                 "1 / np.sqrt((x - 1) * (x + 1))")
arctanh = _unary("arctanh", "chlo.atanh", "Return the inverse hyperbolic tangent, elementwise.", "1 / (1 - x * x)")
sigmoid = _unary("sigmoid", "logistic", "Return 1 / (1 + exp(-x)), elementwise.", "out * (1 - out)")
erf = _unary("erf", "chlo.erf", "Return the error function, elementwise.", "1.1283791670955126 * np.exp(-x * x)", "biuf")
erfc = _unary("erfc", "chlo.erfc", "Return 1 - erf(x), accurately for large x.", "-1.1283791670955126 * np.exp(-x * x)",
              "biuf")
erfinv = _unary("erfinv", "chlo.erf_inv", "Return the inverse of the error function, elementwise.",
                "0.886226925452758 * np.exp(out * out)", "biuf")
gammaln = _unary("gammaln", "chlo.lgamma", "Return the logarithm of |gamma(x)|, elementwise.", "rt.digamma(x)", "biuf")
digamma = _unary("digamma", "chlo.digamma", "Return the derivative of gammaln, elementwise.", "rt.polygamma(1, x)", "biuf")

negative = _unary("negative", "negate", "Return -x, elementwise.", "-1", "iufc", "same")
positive = _unary("positive", lambda block, values, of: values[0], "Return +x, elementwise.", "1", compute="same")
degrees = _unary("degrees", lambda block, values, of: block.op(
    "multiply", [values[0], full(block, 180 / math.pi, of)], of), "Convert radians to degrees, elementwise.",
    "57.29577951308232")
radians = _unary("radians", lambda block, values, of: block.op(
    "multiply", [values[0], full(block, math.pi / 180, of)], of), "Convert degrees to radians, elementwise.",
    "0.017453292519943295")

def _sign(block, values, of):
    if kind(of.dtype) == "u":
        return block.op("minimum", [values[0], full(block, 1, of)], of)
    return block.op("sign", values, of)


sign = _unary("sign", _sign, "Return -1, 0 or 1 by the sign of x (x / |x| for complex x), elementwise.",
              accepts="iufc", compute="same")
floor = _unary("floor", _integers_stay("floor"), "Return the largest integer not above x, elementwise.",
               accepts="biuf", compute="same")
ceil = _unary("ceil", _integers_stay("ceil"), "Return the smallest integer not below x, elementwise.",
              accepts="biuf", compute="same")
trunc = _unary("trunc", _trunc, "Return x without its fractional part, elementwise.", accepts="biuf", compute="same")
rint = _unary("rint", _rounded, "Return the nearest integer, halves to even, elementwise; of complex numbers both parts.")
round_away = _unary("round_away", "round_nearest_afz", "Return the nearest float without fraction, halves away from zero, elementwise.",
                    accepts="f", compute="same")
isnan = _unary("isnan", _is_nan, "Test for NaN, elementwise; returns bools.", compute="same", result="bool")
isinf = _unary("isinf", _parts(_infinite, "or"), "Test for infinity, elementwise; returns bools.",
               compute="same", result="bool", strong=True)
isfinite = _unary("isfinite", _parts(_finite, "and"), "Test for neither NaN nor infinity, elementwise; returns bools.",
                  compute="same", result="bool")
isposinf = _unary("isposinf", _parts(_signed_infinite(math.inf), "or"), "Test for +infinity, elementwise; returns bools.",
                  accepts="biuf", compute="same", result="bool", strong=True)
isneginf = _unary("isneginf", _parts(_signed_infinite(-math.inf), "or"), "Test for -infinity, elementwise; returns bools.",
                  accepts="biuf", compute="same", result="bool", strong=True)
signbit = _unary("signbit", _signbit, "Test whether the sign bit is set, elementwise; returns bools.",
                 accepts="biuf", compute="same", result="bool", strong=True)
bitwise_not = _unary("bitwise_not", _not, "Invert every bit (logical not for bools), elementwise.",
                     accepts="biu", compute="same")
logical_not = _unary("logical_not", _not, "Return whether x is false, elementwise.", compute="bool")
population_count = _unary("population_count", "popcnt", "Return the number of set bits, elementwise.",
                          accepts="iu", compute="same")
clz = _unary("clz", "count_leading_zeros", "Return the number of leading zero bits, elementwise.", accepts="iu", compute="same")
invert = bitwise_invert = bitwise_not

_absolute_kernel = kernel("abs", _absolute, result="real")


@op(constant=True, elementwise=True)
def bitwise_count(x, /):
    """Return the number of set bits of |x| as uint8, elementwise."""
    x = as_operand(x, "bitwise_count")
    return cast(x if kind(x.dtype) == "b" else population_count(absolute(x)), numpy.uint8)


@op(elementwise=True, jvp={"x": "rt.absolute_dot(x_dot, x)"}, vjp={"x": "d_out * rt.direction(x)"})
def absolute(x, /):
    """Return the absolute value (modulus, for complex x), elementwise; the derivative of a real one at zero is one."""
    return _absolute_kernel(x)


def fabs(x, /):
    """Return the absolute value as a floating-point number, elementwise; TypeError for complex ones."""
    from runtime.ops.binary import floating
    check_real("fabs", x, TypeError)
    return absolute(floating(x))


@op(elementwise=True, jvp={"x": "rt.direction_dot(x_dot, x)"}, vjp={"x": "rt.direction_dot(d_out, x)"})
def direction(x):
    """Return the slope of the absolute value: the sign, 1 at zero, and conjugated for complex x."""
    x = as_operand(x, "direction")      # a Python number, beside a tangent that is an array
    if kind(x.dtype) == "c":
        return conjugate(sign(x))
    return cast(x >= 0, x.dtype) * 2 - 1


def absolute_dot(x_dot, x):
    """Return the tangent of the absolute value."""
    if x_dot is ZERO:
        return ZERO
    return real(x_dot * direction(x))


def direction_dot(d, x):
    """Return the tangent of the slope of the absolute value, or its cotangent: the map is its own transpose."""
    if d is ZERO or not has_complex(x):
        return ZERO
    slope, size = direction(x), absolute(x)
    return (conjugate(d) - slope * real(d * slope)) / (size + (size == 0))


@about_types
def has_complex(x):
    """Return whether the elements are complex numbers."""
    return kind(aval_of(x).dtype) == "c"


def _part(name):
    def build(block, values, of):
        x = values[0]
        if kind(x.aval.dtype) == "c":
            return block.op(name, [x], of)
        return x if name == "real" else full(block, 0, of)
    return build


_real, _imag = kernel("real", _part("real"), result="real"), kernel("imag", _part("imag"), result="real")
_complex = elementwise("complex", lambda block, values, of: block.op("complex", values, of.with_dtype(
    numpy.dtype("complex128" if values[0].aval.dtype == numpy.float64 else "complex64"))), "f")


def _conjugate_build(block, values, of):
    x = values[0]
    if kind(of.dtype) != "c":
        return x
    part = of.with_dtype(real_dtype(of.dtype))
    return block.op("complex", [block.op("real", [x], part),
                                block.op("negate", [block.op("imag", [x], part)], part)], of)


_conjugate = kernel("conj", _conjugate_build)


@op(linear="x", vjp={"x": "rt.unreal(d_out, like=x)"}, elementwise=True)
def real(x, /):
    """Return the real part, elementwise."""
    return _real(x)


@op(linear="x", vjp={"x": "rt.unimag(d_out, like=x)"}, elementwise=True)
def imag(x, /):
    """Return the imaginary part (zero for a real array), elementwise."""
    return _imag(x)


@op(linear="x", vjp={"x": "np.conjugate(d_out)"}, elementwise=True)
def conjugate(x, /):
    """Return the complex conjugate (a real array unchanged), elementwise."""
    return _conjugate(x)


def _complex_infer(x, y):
    of = _parts_infer(x, y)
    return of.with_dtype(numpy.dtype("complex128" if of.dtype == numpy.float64 else "complex64"), of.weak_type)


_parts_infer, _complex.infer = _complex.infer, _complex_infer


@op(linear=("real", "imag"), vjp={"real": "np.real(d_out)", "imag": "-np.imag(d_out)"}, elementwise=True)
def make_complex(real, imag):
    """Return the complex array with the given real and imaginary parts, of one float dtype and shape."""
    from runtime.ops.binary import same_floats
    return _complex(*same_floats("complex", real, imag))


@op(linear="d", vjp={"d": "np.real(d_out)"}, elementwise=True)
def unreal(d, like):
    """Return the cotangent of x given that of its real part."""
    return make_complex(d, d * 0) if kind(like.dtype) == "c" else d


@op(linear="d", vjp={"d": "np.imag(d_out)"}, elementwise=True)
def unimag(d, like):
    """Return the cotangent of x given that of its imaginary part."""
    return make_complex(d * 0, -d) if kind(like.dtype) == "c" else d * 0


abs = absolute
acos, acosh, asin, asinh, atan, atanh = arccos, arccosh, arcsin, arcsinh, arctan, arctanh
conj, deg2rad, rad2deg = conjugate, radians, degrees
