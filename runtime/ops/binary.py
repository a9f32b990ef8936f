"""Elementwise functions of several operands: arithmetic, comparisons, bits, where, clip and rounding."""
from __future__ import annotations

import math

import numpy

from runtime.array import Array
from runtime.op import op
from runtime.ops.elementwise import full, imag, kernel, make_complex, real, real_dtype, rint
from runtime.ops.kernel import about_types, elementwise, fused, inexact, named, no_options, no_out
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval, aval_of, kind, promote_avals, result_type
from runtime.zero import ZERO


def _negated(block, x):
    return block.compare("LT", x, full(block, 0, x.aval))


def _logical_or_arithmetic(arithmetic, logical):
    """Arithmetic on numbers; for bools the logical operation, as NumPy has it."""
    def build(block, values, of):
        return block.op(logical if kind(of.dtype) == "b" else arithmetic, values, of)
    return build


def _larger_or_smaller(extremum):
    """The larger or smaller operand; of complex ones by their real parts first."""
    def build(block, values, of):
        if kind(of.dtype) == "c":
            return block.op("select", [block.ordered("GT" if extremum == "maximum" else "LT", *values), *values], of)
        return block.op({"maximum": "or", "minimum": "and"}[extremum] if kind(of.dtype) == "b" else extremum, values, of)
    return build


def _floats_of(name, build, compute="inexact", accepts="biufc"):
    return elementwise(name, build, accepts, compute)


def _remainder_towards_zero(block, values, of):
    """The remainder with the sign of x; of integers by zero it is zero."""
    rest = block.op("remainder", values, of)
    if kind(of.dtype) == "f":
        return rest
    zero = full(block, 0, of)
    return block.op("select", [block.compare("EQ", values[1], zero), zero, rest], of)


def _remainder(block, values, of):
    x, y = values
    rest = _remainder_towards_zero(block, values, of)
    if kind(of.dtype) == "u":
        return rest
    zero = full(block, 0, of)
    truth = of.with_dtype(numpy.dtype(bool))
    crossed = block.op("and", [block.compare("NE", rest, zero), block.op(
        "xor", [block.compare("LT", rest, zero), block.compare("LT", y, zero)], truth)], truth)
    return block.op("select", [crossed, block.op("add", [rest, y], of), rest], of)


def _floor_divide(block, values, of):
    x, y = values
    if kind(of.dtype) == "u":
        return block.op("divide", values, of)
    truth = of.with_dtype(numpy.dtype(bool))
    rest, zero = block.op("remainder", values, of), full(block, 0, of)
    inexact_turn = block.compare("NE", rest, zero)
    if kind(of.dtype) == "i":
        quotient = block.op("divide", values, of)
        crossed = block.compare("NE", block.op("sign", [x], of), block.op("sign", [y], of))
    else:
        whole = block.op("select", [block.compare("EQ", y, zero), x, block.op("subtract", [x, rest], of)], of)   # x / 0 is infinite
        quotient = block.op("divide", [whole, y], of)
        crossed = block.op("xor", [_negated(block, rest), _negated(block, y)], truth)
    crossed = block.op("and", [inexact_turn, crossed], truth)
    lower = block.op("subtract", [quotient, full(block, 1, of)], of)
    quotient = block.op("select", [crossed, lower, quotient], of)
    return quotient if kind(of.dtype) == "i" else block.op("round_nearest_afz", [quotient], of)


def _by_number(extremum):
    """fmax and fmin: a NaN gives way to the other operand."""
    def build(block, values, of):
        x, y = values
        best = _larger_or_smaller(extremum)(block, values, of)
        if kind(of.dtype) not in "fc":
            return best
        best = block.op("select", [block.compare("NE", x, x), y, best], of)
        return block.op("select", [block.compare("NE", y, y), x, best], of)
    return build


def _hypot(block, values, of):
    x, y = [block.op("abs", [v], of) for v in values]
    large, small = block.op("maximum", [x, y], of), block.op("minimum", [x, y], of)
    zero, one = full(block, 0, of), full(block, 1, of)
    safe = block.op("select", [block.compare("EQ", large, zero), one, large], of)
    ratio = block.op("divide", [small, safe], of)
    root = block.op("sqrt", [block.op("add", [one, block.op("multiply", [ratio, ratio], of)], of)], of)
    value = block.op("multiply", [large, root], of)
    infinite = block.compare("EQ", large, full(block, math.inf, of))
    return block.op("select", [infinite, large, value], of)


def _logaddexp(base):
    def build(block, values, of):
        x, y = values
        if kind(of.dtype) == "c":
            return _logaddexp_complex(block, x, y, of, base)
        gap = block.op("subtract", [x, y], of)
        reach = block.op("negate", [block.op("abs", [gap], of)], of)
        if base == 2:
            scaled = block.op("multiply", [reach, full(block, math.log(2), of)], of)
            term = block.op("divide", [block.op("log_plus_one", [block.op("exponential", [scaled], of)], of),
                                       full(block, math.log(2), of)], of)
        else:
            term = block.op("log_plus_one", [block.op("exponential", [reach], of)], of)
        value = block.op("add", [block.op("maximum", [x, y], of), term], of)
        # inf - inf is NaN: equal infinities (and NaN operands) are their own sum
        return block.op("select", [block.compare("NE", gap, gap), block.op("add", [x, y], of), value], of)
    return build


def _logaddexp_complex(block, x, y, of, base):
    """The same of complex numbers, with an angle within half a turn."""
    if base == 2:
        two = full(block, math.log(2), of)
        x, y = [block.op("multiply", [v, two], of) for v in (x, y)]
    large, small = [_larger_or_smaller(how)(block, [x, y], of) for how in ("maximum", "minimum")]
    gap = block.op("subtract", [small, large], of)
    value = block.op("add", [large, block.op("log_plus_one", [block.op("exponential", [gap], of)], of)], of)
    part = of.with_dtype(real_dtype(of.dtype))
    turn = full(block, 2 * math.pi, part)
    angle = block.op("imag", [value], part)
    turns = block.op("round_nearest_even", [block.op("divide", [angle, turn], part)], part)
    value = block.op("complex", [block.op("real", [value], part),
                                 block.op("subtract", [angle, block.op("multiply", [turns, turn], part)], part)], of)
    return block.op("divide", [value, two], of) if base == 2 else value


def _heaviside(block, values, of):
    x, middle = values
    zero, one = full(block, 0, of), full(block, 1, of)
    step = block.op("select", [block.compare("EQ", x, zero), middle,
                               block.op("select", [_negated(block, x), zero, one], of)], of)
    return block.op("select", [block.compare("NE", x, x), x, step], of)


def _copysign(block, values, of):
    x, y = values
    bits = of.with_dtype(numpy.dtype(f"int{8 * of.dtype.itemsize}"))
    as_bits = block.op("bitcast_convert", [y], bits)
    size = block.op("abs", [x], of)
    return block.op("select", [_negated(block, as_bits), block.op("negate", [size], of), size], of)


_add = kernel("add", _logical_or_arithmetic("add", "or"))
_multiply = kernel("mul", _logical_or_arithmetic("multiply", "and"))
_subtract = kernel("sub", "subtract", "iufc")
_divide = kernel("div", "divide", compute="inexact")
_quotient = kernel("div", "divide", "iufc")
_maximum = kernel("max", _larger_or_smaller("maximum"))
_minimum = kernel("min", _larger_or_smaller("minimum"))
_less = elementwise("lt", lambda block, values, of: block.ordered("LT", *values), result="bool")
_equal = elementwise("eq", lambda block, values, of: block.compare("EQ", *values), "biufck", result="bool")


def _binary(name, build, doc, partials=None, accepts="biufc", compute="same", result="same", prim=None, strong=False,
            named_operands=False, nondifferentiable=None, universal=False):
    """Return an op of two operands; a ``universal`` one also has NumPy's options out and where, at their defaults."""
    prim = prim or kernel(name, build, accepts, compute, result, strong)

    def function(x, y, /):
        return prim(x, y)

    def of_names(x1, x2):
        return prim(x1, x2)

    def of_options(x, y, /, *, out=None, where=None):
        if out is not None or where is not None:
            no_options(name, out, where)
        return prim(x, y)
    function = named(of_names if named_operands else of_options if universal else function, name, __name__, doc)
    operands = ("x1", "x2") if named_operands else ("x", "y")
    rule = {"constant": True, "elementwise": True} if partials is None else {"partials": dict(zip(operands, partials))}
    if nondifferentiable is not None:
        rule = {"nondifferentiable": nondifferentiable, "elementwise": True}
    return op(**rule)(function)


def _comparison(name, direction, doc, accepts="biufc"):
    return _binary(name, lambda block, values, of: block.ordered(direction, *values), doc, accepts=accepts, result="bool")


add = _binary("add", None, "Return x + y, elementwise.", ("1", "1"), prim=_add, universal=True)
subtract = _binary("subtract", None, "Return x - y, elementwise.", ("1", "-1"), prim=_subtract, universal=True)
multiply = _binary("multiply", None, "Return x * y, elementwise.", ("y", "x"), prim=_multiply, universal=True)
divide = _binary("divide", None, "Return x / y, elementwise; integers give floats.", ("1 / y", "-out / y"), prim=_divide)
true_divide = divide
maximum = _binary("maximum", None, "Return the larger of x and y, elementwise; NaN wins. Complex numbers are ordered by real, then imaginary part.",
                  ("rt.larger(x, y)", "rt.larger(y, x)"), prim=_maximum, universal=True)
minimum = _binary("minimum", None, "Return the smaller of x and y, elementwise; NaN wins. Complex numbers are ordered by real, then imaginary part.",
                  ("rt.larger(y, x)", "rt.larger(x, y)"), prim=_minimum, universal=True)
fmax = _binary("fmax", _by_number("maximum"), "Return the larger of x and y, elementwise; a number wins over NaN.",
               ("rt.larger_number(x1, x2)", "1.0 - rt.larger_number(x1, x2)"), named_operands=True)
fmin = _binary("fmin", _by_number("minimum"), "Return the smaller of x and y, elementwise; a number wins over NaN.",
               ("rt.smaller_number(x1, x2)", "1.0 - rt.smaller_number(x1, x2)"), named_operands=True)
floor_divide = _binary("floor_divide", _floor_divide, "Return the largest integer not above x / y, elementwise.",
                       accepts="biuf", compute="number")
remainder = _binary("remainder", _remainder, "Return x - floor_divide(x, y) * y, which has the sign of y, elementwise.",
                    ("1", "-np.floor_divide(x, y)"), "biuf", "number")
fmod = _binary("fmod", _remainder_towards_zero, "Return the remainder of x / y with the sign of x, elementwise.",
               ("1", "-np.trunc(x / y)"), "biuf", "number")
arctan2 = _binary("arctan2", "atan2", "Return the angle of the point (y, x) from the first axis, elementwise.",
                  ("y / (x * x + y * y)", "-x / (x * x + y * y)"), compute="inexact")
hypot = _binary("hypot", _hypot, "Return sqrt(x**2 + y**2) without overflow, elementwise.", ("x / out", "y / out"),
                "biuf", "inexact")
logaddexp = _binary("logaddexp", _logaddexp(math.e), "Return log(exp(x) + exp(y)), elementwise.",
                    ("nn.sigmoid(x - y)", "nn.sigmoid(y - x)"), compute="inexact", universal=True)
logaddexp2 = _binary("logaddexp2", _logaddexp(2), "Return log2(2**x + 2**y), elementwise.",
                     ("nn.sigmoid((x - y) * 0.6931471805599453)", "nn.sigmoid((y - x) * 0.6931471805599453)"), compute="inexact",
                     universal=True)
heaviside = _binary("heaviside", _heaviside, "Return 0 where x < 0, y where x == 0, 1 where x > 0.",
                    ("0.0", "np.where(x == 0, 1.0, 0.0)"), "biuf", "inexact")
copysign = _binary("copysign", _copysign, "Return |x| with the sign of y, elementwise.",
                   ("rt.direction(x) * rt.signs(y)", "0.0"), "biuf", "inexact")
nextafter = _binary("nextafter", "chlo.next_after", "Return the float that follows x in the direction of y.",
                    accepts="biuf", compute="inexact", nondifferentiable="It steps through the numbers that a dtype has")

equal = _binary("equal", None, "Return whether x == y, elementwise.", prim=_equal)
not_equal = _comparison("not_equal", "NE", "Return whether x != y, elementwise.", "biufck")
less = _binary("less", None, "Return whether x < y, elementwise.", prim=_less)
less_equal = _comparison("less_equal", "LE", "Return whether x <= y, elementwise.")
greater = _comparison("greater", "GT", "Return whether x > y, elementwise.")
greater_equal = _comparison("greater_equal", "GE", "Return whether x >= y, elementwise.")
logical_and = _binary("logical_and", "and", "Return whether both are true, elementwise.", compute="bool", universal=True)
logical_or = _binary("logical_or", "or", "Return whether one is true, elementwise.", compute="bool", universal=True)
logical_xor = _binary("logical_xor", "xor", "Return whether exactly one is true, elementwise.", compute="bool", universal=True)
bitwise_and = _binary("bitwise_and", "and", "Return the bits set in both (logical and for bools).", accepts="biu", universal=True)
bitwise_or = _binary("bitwise_or", "or", "Return the bits set in either (logical or for bools).", accepts="biu", universal=True)
bitwise_xor = _binary("bitwise_xor", "xor", "Return the bits set in exactly one (logical xor for bools).", accepts="biu", universal=True)
left_shift = _binary("left_shift", "shift_left", "Shift bits to the left, elementwise.", accepts="biu", compute="number")
shift_right_logical = _binary("shift_right_logical", "shift_right_logical", "Shift bits right, filling with zeros.",
                              accepts="iu")
shift_right_arithmetic = _binary("shift_right_arithmetic", "shift_right_arithmetic",
                                 "Shift bits right, filling with the sign bit.", accepts="iu")
right_shift = _binary("right_shift", lambda block, values, of: block.op(
    "shift_right_arithmetic" if kind(of.dtype) == "i" else "shift_right_logical", values, of),
    "Shift bits to the right, keeping the sign, elementwise.", accepts="biu", compute="number")


def _quotient_towards_zero(x, y, /):
    return _quotient(x, y)


lax_div = op(partials={"x": "1 / y", "y": "-out / y"})(named(
    _quotient_towards_zero, "div", __name__, "Return x / y, elementwise; integers are divided towards zero."))


def _larger_build(number_wins, least):
    def build(block, values, of):
        x, y = values
        one, zero = full(block, 1, of), full(block, 0, of)
        first = block.ordered("LT" if least else "GT", x, y)
        if number_wins:
            truth = of.with_dtype(numpy.dtype(bool))
            first = block.op("or", [first, block.compare("NE", y, y)], truth)
            return block.op("select", [first, one, zero], of)
        return block.op("select", [first, one, block.op(
            "select", [block.compare("EQ", x, y), full(block, 0.5, of), zero], of)], of)
    return build


_larger = elementwise("larger", _larger_build(False, False), compute="inexact")
_larger_number = elementwise("larger_number", _larger_build(True, False), compute="inexact")
_smaller_number = elementwise("smaller_number", _larger_build(True, True), compute="inexact")


@op(constant=True, elementwise=True)
def larger(x, y):
    """Return 1 where x > y, 0.5 where they are equal, else 0: the share of x in the derivative of maximum(x, y)."""
    return _larger(x, y)


@op(constant=True, elementwise=True)
def larger_number(x, y):
    """Return the share of x in the derivative of fmax(x, y): all or nothing; of equals y has it."""
    return _larger_number(x, y)


@op(constant=True, elementwise=True)
def smaller_number(x, y):
    """Return the share of x in the derivative of fmin(x, y): all or nothing; of equals y has it."""
    return _smaller_number(x, y)


@op(constant=True, elementwise=True)
def signs(x):
    """Return -1 where the sign bit of x is set, else 1."""
    return copysign(1.0, x)


# ---- powers ----

def _power_types(avals):
    dtype, weak = promote_avals(*avals)
    return (numpy.dtype("int32"), weak) if kind(dtype) == "b" else (dtype, weak)


def _power_infer(x, y):
    from runtime.ops.kernel import join_shapes
    dtype, weak = _power_types((x, y))
    return aval(join_shapes("power", (x, y)), dtype, weak)


def _power_emit(block, operands, out_avals):
    of = out_avals[0]
    values = [block.broadcast(block.convert(v, v.aval.with_dtype(of.dtype)), of.shape) for v in operands]
    return _whole_power(block, *values, of) if kind(of.dtype) in "iu" else block.op("power", values, of)


def _whole_power(block, x, y, of):
    """Powers of integers by repeated squaring: the six lowest bits of the exponent, beyond which all but 0, 1 and -1 overflow."""
    one, zero, result = full(block, 1, of), full(block, 0, of), full(block, 1, of)
    for bit in range(6):
        if bit:
            y, x = block.op("shift_right_logical", [y, one], of), block.op("multiply", [x, x], of)
        odd = block.compare("NE", block.op("and", [y, one], of), zero)
        result = block.op("select", [odd, block.op("multiply", [result, x], of), result], of)
    return result


_power = Primitive("pow", _power_infer, _power_emit)


def _integer_power_infer(x, *, y):
    if kind(x.dtype) == "b":
        return x.with_dtype(numpy.dtype("int32"))
    if y < 0 and kind(x.dtype) in "iu":
        raise TypeError(f"Integers cannot be raised to negative powers, got power({x}, {y}); make the base a float")
    return x


def _integer_power_emit(block, operands, out_avals, *, y):
    of = out_avals[0]
    base = block.convert(operands[0], of)
    if y == 0:
        return full(block, 1, of)
    result, n = None, y if y > 0 else -y
    while n:
        if n & 1:
            result = base if result is None else block.op("multiply", [result, base], of)
        n >>= 1
        if n:
            base = block.op("multiply", [base, base], of)
    return result if y > 0 else block.op("divide", [full(block, 1, of), result], of)


_integer_power = Primitive("integer_pow", _integer_power_infer, _integer_power_emit)


@op(constant=True, elementwise=True)
def flat_in_exponent(x, y):
    """Tell where ``x ** y`` is taken to have no derivative by ``y``: at the base 0, and where the exponents are whole numbers.

    Those have a tangent of zero, which the logarithm of a negative base would make NaN.
    """
    whole = isinstance(y, (bool, int)) or hasattr(y, "dtype") and kind(y.dtype) in "biu"
    return logical_or(equal(x, 0), whole)


@op(partials={"x": "y * x ** (y - 1)", "y": "out * np.log(np.where(rt.flat_in_exponent(x, y), 1, x))"})
def power(x, y, /):
    """Return x to the power y, elementwise.

    A Python integer as exponent means repeated multiplication and keeps the dtype of x. TypeError for an integer base
    with a negative integer exponent.
    """
    if type(y) is int:
        if type(x) is not Array:
            x = as_operand(x, "power")
        if -1024 <= y <= 1024:
            return _integer_power(x, y=y)
    return _power(x, y)


def floating(x):
    """Return numbers as floating-point ones: integers and bools converted, others as they are."""
    return divide(x, True)


@about_types
def shared_floating(x, y):
    """Return the floating dtype to which two operands promote."""
    return inexact(result_type(x, y))


def float_power(x, y, /):
    """Return x to the power y, elementwise, computed in floating point."""
    dtype = shared_floating(x, y)
    return power(floating_as(x, dtype), floating_as(y, dtype))


def floating_as(x, dtype):
    """Return numbers as floating-point ones of a dtype; those that have it when they are converted alone keep their weak type."""
    from runtime import numpy as np
    return floating(x) if floats_of(x, dtype) else np.astype(x, dtype)


@about_types
def floats_of(x, dtype):
    """Tell whether numbers are of a floating dtype, or become it when they are converted."""
    return inexact(aval_of(x).dtype) == dtype


def pow(x, y, /):
    """Return x to the power y, elementwise."""
    return power(x, y)


def integer_pow(x, y):
    """Return x to a power that is a Python integer, by repeated multiplication."""
    return power(x, y)


# ---- choices ----

def _where_infer(condition, x, y):
    from runtime.ops.kernel import join_shapes
    dtype, weak = promote_avals(x, y)
    return aval(join_shapes("where", (condition, x, y)), dtype, weak)


def _where_emit(block, operands, out_avals):
    of = out_avals[0]
    condition = block.broadcast(block.convert(operands[0], operands[0].aval.with_dtype(numpy.dtype(bool))), of.shape)
    x, y = [block.broadcast(block.convert(v, v.aval.with_dtype(of.dtype)), of.shape) for v in operands[1:]]
    return block.op("select", [condition, x, y], of)


_where = Primitive("select_n", _where_infer, _where_emit)


@op(linear=("x", "y"), vjp={"x": "np.where(condition, d_out, 0)", "y": "np.where(condition, 0, d_out)"}, elementwise=True)
def where(condition, x=None, y=None, /, *, size=None, fill_value=None):
    """Return x where the condition holds and y elsewhere; the three broadcast.

    With the condition alone: the indices at which it holds (see nonzero). ValueError when only one of x, y is given.
    """
    if x is None or y is None:
        if x is not None or y is not None:
            raise ValueError("Either both or neither of the x and y arguments should be provided to np.where.")
        from runtime.ops.search import nonzero
        return nonzero(condition, size=size, fill_value=fill_value)
    if x is ZERO or y is ZERO:
        if (x is ZERO or type(x) is int and x == 0) and (y is ZERO or type(y) is int and y == 0):
            return ZERO
        return _where(condition, 0 if x is ZERO else x, 0 if y is ZERO else y)
    return _where(condition, x, y)


def clip(arr=None, /, min=None, max=None, *, a=None, a_min=None, a_max=None):
    """Return the array with values below ``min`` raised to it and values above ``max`` lowered to it."""
    out = arr if arr is not None else a
    low = min if min is not None else a_min
    high = max if max is not None else a_max
    check_ordered(out, low, high)
    if low is not None:
        out = maximum(low, out)
    if high is not None:
        out = minimum(high, out)
    return out


@about_types
def check_ordered(x, low, high):
    """Raise ValueError for complex numbers, which have no order."""
    if any([x is not None and kind(aval_of(x).dtype) == "c" for x in (x, low, high)]):
        raise ValueError("clip: complex numbers have no order and cannot be clipped; clip the real and the imaginary part")
    return True


_clamp = elementwise("clamp", lambda block, values, of: block.op("clamp", values, of), "iuf")


@op(partials={"x": "rt.within(min, x, max)", "min": "rt.above(min, x)", "max": "rt.above(x, max)"})
def clamp(min, x, max):
    """Return x limited to the range from ``min`` to ``max``, elementwise; all of one dtype."""
    return _clamp(min, x, max)


@op(constant=True, elementwise=True)
def within(low, x, high):
    """Return 1.0 where low < x < high, else 0.0."""
    return cast(logical_and(less(low, x), less(x, high)), result_type(x))


@op(constant=True, elementwise=True)
def above(x, y):
    """Return 1.0 where x > y, else 0.0."""
    return cast(greater(x, y), result_type(x))


@fused
def _round(x, *, decimals):
    factor = 10.0 ** abs(decimals)
    if decimals >= 0:
        return divide(rint(multiply(x, factor)), factor)
    return multiply(rint(divide(x, factor)), factor)


@op(constant=True, elementwise=True)
def round(a, decimals=0, out=None):
    """Return the array rounded to a number of decimals, halves to even."""
    if out is not None:
        no_out("round", out)
    a = as_operand(a, "round")
    if kind(a.dtype) in "iub":
        if decimals < 0:
            return cast(_round(cast(a, inexact(a.dtype)), decimals=decimals), a.dtype)
        return a
    if kind(a.dtype) == "c":
        return make_complex(round(real(a), decimals), round(imag(a), decimals))
    return rint(a) if decimals == 0 else _round(a, decimals=int(decimals))


def divmod(x, y, /):
    """Return (floor_divide(x, y), remainder(x, y))."""
    return floor_divide(x, y), remainder(x, y)


def angle(z, deg=False):
    """Return the argument of a complex number, in radians or degrees."""
    found = arctan2(imag(z), real(z))
    if deg:
        return found * 57.29577951308232
    return found


def same_floats(name, *operands):
    """Return operands as Arrays of one float dtype and shape; TypeError if they are complex."""
    from runtime.ops.shape import broadcast_to
    from runtime.types import broadcast_shapes
    arrays = [as_operand(x, name) for x in operands]
    dtype = inexact(result_type(*arrays))
    if dtype not in (numpy.dtype("float32"), numpy.dtype("float64")):
        dtype = numpy.dtype("float32")
    shape = broadcast_shapes(*[a.shape for a in arrays])
    return [broadcast_to(cast(a, dtype), shape) for a in arrays]


mod = remainder
around = round
bitwise_left_shift, bitwise_right_shift = left_shift, right_shift
