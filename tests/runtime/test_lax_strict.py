"""lax's elementwise functions refuse what jax.lax refuses: operands of two dtypes, of other kinds or other ranks."""
import jax
import jax.numpy as jnp
import numpy
import pytest
from jax import lax as theirs

import xform
from xform import lax as ours

ONE = ("abs acos acosh asin asinh atan atanh bessel_i0e bessel_i1e bitwise_not cbrt ceil clz conj cos cosh digamma erf erf_inv erfc exp "
       "exp2 expm1 floor imag is_finite lgamma log log1p logistic neg population_count real reciprocal round rsqrt sign sin sinh sqrt "
       "square tan tanh cumsum cumprod cummax cummin").split()
TWO = ("add sub mul div rem max min eq ne lt le gt ge atan2 nextafter bitwise_and bitwise_or bitwise_xor shift_left "
       "shift_right_logical shift_right_arithmetic pow igamma igammac zeta polygamma random_gamma_grad complex").split()
DTYPES = ("float32", "bfloat16", "complex64", "int32", "uint8", "bool")


def _outcome(function, *args):
    try:
        return numpy.asarray(function(*args)).astype(numpy.complex64), str(function(*args).dtype)
    except TypeError:
        return "TypeError"


def _same(function, *args):
    found = _outcome(getattr(ours, function), *[xform.numpy.asarray(x) for x in args])
    wanted = _outcome(getattr(theirs, function), *[jnp.asarray(x) for x in args])
    if wanted == "TypeError" or found == "TypeError":
        assert type(found) is type(wanted), f"{function} of {[str(x.dtype) for x in args]}"
        return
    assert found[1] == wanted[1]
    numpy.testing.assert_allclose(found[0], wanted[0], rtol=2e-2 if "bfloat16" in wanted[1] else 2e-5, atol=1e-6)


@pytest.mark.parametrize("function", ONE)
def test_kinds_of_one_operand(function):
    for dtype in DTYPES:
        if (function, dtype) not in {("cummax", "complex64"), ("cummin", "complex64")}:
            _same(function, numpy.asarray(jnp.array([1, 0, 1], dtype)))


@pytest.mark.parametrize("function", TWO)
def test_kinds_of_two_operands(function):
    for dtype in DTYPES:
        x = numpy.asarray(jnp.array([1, 2, 1], dtype))
        if (function, dtype) not in {("atan2", "complex64"), ("max", "complex64"), ("min", "complex64")}:
            _same(function, x, x)


@pytest.mark.parametrize("function", ["add", "max", "eq", "bitwise_or", "div", "atan2"])
@pytest.mark.parametrize("x, y", [(numpy.ones(3, "float32"), numpy.ones(3, "int32")), (numpy.ones(3, "int8"), numpy.ones(3, "int32")),
                                  (numpy.ones((2, 3), "float32"), numpy.ones(3, "float32")),
                                  (numpy.ones((2, 3), "float32"), numpy.ones((1, 3), "float32")),
                                  (numpy.ones((2, 3), "float32"), numpy.float32(2)),
                                  (numpy.ones((2, 3), "float32"), numpy.ones((2, 2), "float32"))])
def test_dtypes_and_ranks(function, x, y):
    _same(function, x, y)


@pytest.mark.parametrize("x, y", [(1, 1.0), (1, 2), (1.0, 2.0), (True, 1), (numpy.ones(3, "float32"), 1), (numpy.ones(3, "float32"), 1.0),
                                  (numpy.ones(3, "int32"), 2), (numpy.ones(3, "int8"), 2)])
def test_numbers(x, y):
    def outcome(lax):
        try:
            out = lax.add(x, y)
            return str(out.dtype), bool(out.weak_type)
        except TypeError:
            return "TypeError"
    assert outcome(ours) == outcome(theirs)


def test_the_message_names_both_dtypes():
    with pytest.raises(TypeError, match="lax.mul requires arguments to have the same dtypes, got float32, int32"):
        ours.mul(xform.numpy.ones(3), xform.numpy.arange(3))
    with pytest.raises(TypeError, match="lax.sin does not accept dtype int32"):
        ours.sin(xform.numpy.arange(3))


@pytest.mark.parametrize("call", [
    "clamp(0, f, 2)", "clamp(0., f, 2.)", "clamp(f, m, f)", "clamp(m, m, 2.)", "select(b, f, i)", "select(b, f, 1.0)", "select(b, m, m)",
    "select(True, m, m)", "select(f, f, f)", "select_n(i, f, f * 2, f * 3)", "select_n(b, f, f, f)", "select_n(i, f, i)",
    "select_n(i - 9, f, f * 2, f * 3)", "integer_pow(b, 2)", "integer_pow(i, 2)", "pow(f, i)", "pow(f, 2)", "pow(i, 2)",
    "reshape(m, (6,), dimensions=(1, 0))", "transpose(m, permutation=(1, 0))", "squeeze(m[None], dimensions=(0,))",
    "expand_dims(array=m, dimensions=(0,))", "full_like(x=m, fill_value=2)", "full_like(i, 2.5)", "add(x=f, y=f)", "sin(x=f)",
    "dot(lhs=f, rhs=f)", "dot(m, m, dimension_numbers=(((1,), (1,)), ((0,), (0,))))", "squeeze(m)", "transpose(m)",
    "reduce_precision(operand=f, exponent_bits=5, mantissa_bits=3)", "exp(f, accuracy=lax.AccuracyMode.HIGHEST)"])
def test_calls(call):
    def outcome(lax, np):
        names = {"lax": lax, "f": np.ones(3), "i": np.arange(3), "b": np.array([True, False, True]), "m": np.ones((2, 3))}
        try:
            return eval(f"lax.{call}", names)
        except TypeError:
            return "TypeError"
    found, wanted = outcome(ours, xform.numpy), outcome(theirs, jnp)
    if isinstance(wanted, str):
        assert isinstance(found, str)
        return
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    numpy.testing.assert_allclose(numpy.asarray(found), numpy.asarray(wanted), rtol=1e-5)


def test_an_unknown_accuracy_is_refused():
    with pytest.raises(NotImplementedError, match="accuracy='low'"):
        ours.exp(1.0, accuracy="low")


def product_of_shared(x, y):
    return ours.mul(ours.add(x, y), ours.max(x, 0.5))


def of_a_number(x, s):
    return ours.mul(x, ours.exp(s))


def test_examples_and_shared_operands():
    x, y = xform.numpy.arange(6.0).reshape(2, 3), xform.numpy.array([1.0, 2.0, 3.0])
    wanted = numpy.stack([numpy.asarray(product_of_shared(row, y)) for row in x])
    numpy.testing.assert_allclose(numpy.asarray(xform.vmap(product_of_shared, (0, None))(x, y)), wanted)
    found = xform.vmap(xform.vmap(product_of_shared, (0, None)), (None, 0))(x, xform.numpy.stack([y, y + 1]))
    assert found.shape == (2, 2, 3)
    numpy.testing.assert_allclose(numpy.asarray(found[0]), wanted)
    out = xform.vmap(of_a_number)(x, y[:2])
    numpy.testing.assert_allclose(numpy.asarray(out), numpy.asarray(jax.vmap(lambda a, s: a * jnp.exp(s))(
        jnp.asarray(numpy.asarray(x)), jnp.asarray(numpy.asarray(y[:2])))), rtol=1e-6)
    xform.test_util.check_grads(product_of_shared, (x[1], y), 2)
    with pytest.raises(TypeError, match="same dtypes"):
        xform.vmap(ours.add, (0, None))(x, xform.numpy.arange(3))
