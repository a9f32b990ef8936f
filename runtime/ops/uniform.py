"""lax's elementwise functions: those of the array library for operands of one dtype and as many axes, without promotion."""
from __future__ import annotations

import math

from runtime.op import op, rule_of
from runtime.ops import binary, elementwise, gamma, incomplete, special
from runtime.ops.kernel import KIND_NAMES, named
from runtime.primitive import Primitive, as_operand
from runtime.types import dtype_name, kind

_ACCEPTED = {**KIND_NAMES, "i": "signed integer", "u": "unsigned integer", "F": "float32, float64"}
_KERNELS = elementwise._KERNELS


def _accepts(dtype, kinds: str) -> bool:
    """Tell whether a dtype is of one of the kinds; F stands for the floats of which complex numbers consist."""
    return kind(dtype) in kinds or "F" in kinds and dtype.name in ("float32", "float64")


def check_uniform(name: str, kinds: str, avals) -> None:
    """Raise TypeError unless the operands are of an accepted kind and of one dtype, and have as many axes or none."""
    for place, of in enumerate(avals):
        if not _accepts(of.dtype, kinds):
            wanted = ", ".join([_ACCEPTED[k] for k in kinds])
            where = f" at position {place}" if len(avals) > 1 else ""
            raise TypeError(f"lax.{name} does not accept dtype {dtype_name(of.dtype)}{where}. Accepted dtypes are {wanted}; cast with "
                            "astype, or use the function of xform.numpy or xform.scipy, which converts.")
    if len({of.dtype for of in avals}) > 1:
        dtypes = ", ".join([dtype_name(of.dtype) for of in avals])
        raise TypeError(f"lax.{name} requires arguments to have the same dtypes, got {dtypes}. Cast with astype, or use the function of "
                        "xform.numpy, which promotes.")
    _same_ranks(name, avals)


def _same_ranks(name, avals):
    if len({len(of.shape) for of in avals if of.shape}) > 1:
        shapes = ", ".join([str(of.shape) for of in avals])
        raise TypeError(f"lax.{name}: arrays must have the same number of dimensions, got shapes {shapes}. Reshape one, or use the "
                        "function of xform.numpy, which broadcasts.")


def _strict(name: str, kernel: Primitive, kinds: str) -> Primitive:
    """Return a kernel that refuses what would need promotion."""
    def infer(*avals, **params):
        check_uniform(name, kinds, avals)
        return kernel.infer(*avals, **params)
    return Primitive(name, infer, kernel.emit)


def _ruled_by(base, names: dict | None = None):
    """Register an op that has the rule of another one; ``names``: what its parameters are called here."""
    rule = rule_of(base)
    names = names or {}

    def renamed(templates):
        return templates and {names.get(p, p): text for p, text in templates.items()}
    form = {"partials": renamed(rule.partials)} if rule.partials else {"vjp": renamed(rule.vjp), "elementwise": True}
    if rule.linear:
        form["linear"] = tuple([names.get(p, p) for p in rule.linear])
    for key in ("jvp", "constant", "nondifferentiable"):
        if getattr(rule, key):
            form[key] = getattr(rule, key)
    return op(**form, refuses=renamed(rule.refuses), uniform=True)


def _unary(name: str, base, kinds: str, kernel: Primitive | None = None, doc: str | None = None):
    prim = _strict(name, kernel or _KERNELS[base.__name__], kinds)

    def function(x):
        return prim(x)
    return _ruled_by(base)(named(function, name, __name__, doc or base.__doc__))


def _accuracy(given) -> str:
    """Return the attribute that an accuracy stands for; NotImplementedError for what is none."""
    mode, tolerance = getattr(given, "name", None), ""
    if all(hasattr(given, bound) for bound in ("atol", "rtol", "ulps")):
        mode, tolerance = "TOLERANCE", f"atol = {float(given.atol):e}, rtol = {float(given.rtol):e}, ulps = {int(given.ulps)}, "
    elif mode not in ("HIGHEST", "DEFAULT"):
        raise NotImplementedError(f"accuracy={given!r} is not supported: use lax.AccuracyMode.HIGHEST or DEFAULT, a lax.Tolerance, or None")
    return f"#stablehlo.result_accuracy<{tolerance}mode = #stablehlo.result_accuracy_mode<{mode}>>"


def _tuned(name: str, base, hlo: str, kinds: str = "fc", scale: float | None = None):
    """A function that may be told how accurately it is computed, on devices that offer a choice: an operation of StableHLO,
    of the operand times ``scale``."""
    kernel = _KERNELS[base.__name__]

    def infer(x, *, accuracy=None):
        check_uniform(name, kinds, (x,))
        return kernel.infer(x)

    def emit(block, operands, out_avals, *, accuracy=None):
        of = out_avals[0]
        if accuracy is None:
            return kernel.emit(block, operands, out_avals)
        if scale is not None:
            operands = [block.op("multiply", [operands[0], elementwise.full(block, scale, of)], of)]
        return block.op(hlo, operands, of, {"result_accuracy": accuracy})
    prim = Primitive(name, infer, emit)

    def function(x, accuracy=None):
        return prim(x) if accuracy is None else prim(x, accuracy=_accuracy(accuracy))
    return _ruled_by(base)(named(function, name, __name__, base.__doc__))


def _binary(name: str, base, kinds: str, kernel: Primitive | None = None, doc: str | None = None):
    prim = _strict(name, kernel or _KERNELS[base.__name__], kinds)

    def function(x, y):
        return prim(x, y)
    return _ruled_by(base)(named(function, name, __name__, doc or base.__doc__))


acos = _unary("acos", elementwise.arccos, "fc")
acosh = _unary("acosh", elementwise.arccosh, "fc")
asin = _unary("asin", elementwise.arcsin, "fc")
asinh = _unary("asinh", elementwise.arcsinh, "fc")
atan = _unary("atan", elementwise.arctan, "fc")
atanh = _unary("atanh", elementwise.arctanh, "fc")
sinh = _unary("sinh", elementwise.sinh, "fc")
cosh = _unary("cosh", elementwise.cosh, "fc")
reciprocal = _unary("reciprocal", elementwise.reciprocal, "fc")
cbrt = _tuned("cbrt", elementwise.cbrt, "cbrt", "f")
cos = _tuned("cos", elementwise.cos, "cosine")
exp = _tuned("exp", elementwise.exp, "exponential")
exp2 = _tuned("exp2", elementwise.exp2, "exponential", scale=math.log(2))
expm1 = _tuned("expm1", elementwise.expm1, "exponential_minus_one")
log = _tuned("log", elementwise.log, "log")
log1p = _tuned("log1p", elementwise.log1p, "log_plus_one")
logistic = _tuned("logistic", elementwise.sigmoid, "logistic")
rsqrt = _tuned("rsqrt", elementwise.rsqrt, "rsqrt")
sin = _tuned("sin", elementwise.sin, "sine")
sqrt = _tuned("sqrt", elementwise.sqrt, "sqrt")
tan = _tuned("tan", elementwise.tan, "tan")
tanh = _tuned("tanh", elementwise.tanh, "tanh")

bessel_i0e = _unary("bessel_i0e", special.bessel_i0e, "f", special._i0e_kernel)
bessel_i1e = _unary("bessel_i1e", special.bessel_i1e, "f", special._i1e_kernel)
digamma = _unary("digamma", elementwise.digamma, "f")
erf = _unary("erf", elementwise.erf, "f")
erfc = _unary("erfc", elementwise.erfc, "f")
erf_inv = _unary("erf_inv", elementwise.erfinv, "f")
lgamma = _unary("lgamma", elementwise.gammaln, "f")

abs = _unary("abs", elementwise.absolute, "ifc", _KERNELS["abs"])
neg = _unary("neg", elementwise.negative, "iufc")
sign = _unary("sign", elementwise.sign, "iufc")
square = _unary("square", elementwise.square, "iufc")
floor = _unary("floor", elementwise.floor, "f")
ceil = _unary("ceil", elementwise.ceil, "f")
is_finite = _unary("is_finite", elementwise.isfinite, "f")
real = _unary("real", elementwise.real, "c", _KERNELS["real"])
imag = _unary("imag", elementwise.imag, "c", _KERNELS["imag"])
bitwise_not = _unary("bitwise_not", elementwise.bitwise_not, "biu")
population_count = _unary("population_count", elementwise.population_count, "iu")
clz = _unary("clz", elementwise.clz, "iu")

add = _binary("add", binary.add, "iufc", _KERNELS["add"])
sub = _binary("sub", binary.subtract, "iufc", _KERNELS["sub"])
mul = _binary("mul", binary.multiply, "iufc", _KERNELS["mul"])
div = _binary("div", binary.lax_div, "iufc", _KERNELS["div"])
rem = _binary("rem", binary.fmod, "iuf", elementwise.elementwise("rem", "remainder", "iuf"),
              "Return the remainder of x / y with the sign of x, elementwise.")
max = _binary("max", binary.maximum, "biufc", _KERNELS["max"])
min = _binary("min", binary.minimum, "biufc", _KERNELS["min"])
eq = _binary("eq", binary.equal, "biufck", binary._equal)
ne = _binary("ne", binary.not_equal, "biufck")
lt = _binary("lt", binary.less, "biuf", binary._less)
le = _binary("le", binary.less_equal, "biuf")
gt = _binary("gt", binary.greater, "biuf")
ge = _binary("ge", binary.greater_equal, "biuf")
atan2 = _binary("atan2", binary.arctan2, "fc")
bitwise_and = _binary("bitwise_and", binary.bitwise_and, "biu")
bitwise_or = _binary("bitwise_or", binary.bitwise_or, "biu")
bitwise_xor = _binary("bitwise_xor", binary.bitwise_xor, "biu")
shift_left = _binary("shift_left", binary.left_shift, "iu")
shift_right_logical = _binary("shift_right_logical", binary.shift_right_logical, "iu")
shift_right_arithmetic = _binary("shift_right_arithmetic", binary.shift_right_arithmetic, "iu")

_complex = _strict("complex", elementwise._complex, "F")
_igamma = _strict("igamma", incomplete._igamma_kernel, "f")
_igammac = _strict("igammac", incomplete._igammac_kernel, "f")
_igamma_grad_a = _strict("igamma_grad_a", incomplete._grad_kernel, "f")
_betainc = _strict("betainc", incomplete._betainc_kernel, "f")
_polygamma = _strict("polygamma", special._polygamma, "f")
_zeta = _strict("zeta", special._zeta, "f")


@_ruled_by(elementwise.make_complex, {"real": "x", "imag": "y"})
def complex(x, y):
    """Return the complex array with the given real and imaginary parts, of one float dtype."""
    return _complex(x, y)


@_ruled_by(incomplete.igamma)
def igamma(a, x):
    """Return the regularized lower incomplete gamma function P(a, x), elementwise."""
    return _igamma(a, x)


@_ruled_by(incomplete.igammac)
def igammac(a, x):
    """Return the regularized upper incomplete gamma function Q(a, x) = 1 - P(a, x), elementwise."""
    return _igammac(a, x)


@_ruled_by(incomplete.igamma_grad_a)
def igamma_grad_a(a, x):
    """Return the derivative of igamma(a, x) in a, elementwise."""
    return _igamma_grad_a(a, x)


@_ruled_by(gamma.random_gamma_grad)
def random_gamma_grad(a, x):
    """Return the derivative of a sample ``x`` of the gamma distribution by its shape parameter ``a``, elementwise."""
    a, x = as_operand(a, "random_gamma_grad"), as_operand(x, "random_gamma_grad")
    check_uniform("random_gamma_grad", "f", (a.aval, x.aval))
    return gamma.random_gamma_grad(a, x)


@_ruled_by(incomplete.betainc)
def betainc(a, b, x):
    """Return the regularized incomplete beta function I_x(a, b), elementwise."""
    return _betainc(a, b, x)


_nextafter = _strict("nextafter", _KERNELS["nextafter"], "f")


@_ruled_by(binary.nextafter)
def nextafter(x1, x2):
    """Return the float that follows x1 in the direction of x2, elementwise."""
    return _nextafter(x1, x2)


@op(partials={"x": "rt.polygamma(lax.stop_gradient(m) + 1, x)"}, refuses={"m": "polygamma has no derivative in its order"}, uniform=True)
def polygamma(m, x):
    """Return the m-th derivative of digamma at x, elementwise; differentiable in x."""
    return _polygamma(m, x)


@_ruled_by(special.zeta)
def zeta(x, q):
    """Return Hurwitz's zeta function, the sum of (n + q)**-x over n from 0, elementwise."""
    return _zeta(x, q)


@_ruled_by(binary.power)
def pow(x, y):
    """Return x to the power y, elementwise: a floating base, a number or an array of its dtype or of integers as the exponent."""
    x, y = as_operand(x, "pow"), y if type(y) is int else as_operand(y, "pow")
    if type(y) is int:
        check_uniform("pow", "fc", (x.aval,))
    elif kind(y.dtype) in "iu":
        check_uniform("pow", "fc", (x.aval,))
        _same_ranks("pow", (x.aval, y.aval))
    else:
        check_uniform("pow", "fc", (x.aval, y.aval))
    return binary.power(x, y)
