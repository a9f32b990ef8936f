"""The errors that JAX has names for: raised in the same situations, and caught by the same names."""
import jax
import numpy as np
import pytest

import xform
import xform.numpy as jnp

FUNCTIONS = {
    "TracerIntegerConversionError": lambda np, x: [1, 2, 3][x],
    "NonConcreteBooleanIndexError": lambda np, x: np.arange(3)[np.arange(3) > x],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_error_in_the_same_place(name):
    body = FUNCTIONS[name]
    with pytest.raises(getattr(jax.errors, name)):
        jax.jit(lambda x: body(jax.numpy, x))(1)
    with pytest.raises(getattr(xform.errors, name)):
        xform.jit(lambda x: body(jnp, x))(1)


@pytest.mark.parametrize("name, bases", [
    ("TracerBoolConversionError", ("ConcretizationTypeError", TypeError)), ("TracerIntegerConversionError", (TypeError,)),
    ("TracerArrayConversionError", (TypeError,)), ("NonConcreteBooleanIndexError", (IndexError,)),
    ("ConcretizationTypeError", (TypeError,)), ("UnexpectedTracerError", (Exception,)), ("JaxRuntimeError", (RuntimeError,))])
def test_what_catches_them(name, bases):
    for module in (xform, jax):
        for base in bases:
            assert issubclass(getattr(module.errors, name), getattr(module.errors, base) if isinstance(base, str) else base)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="NoSuchError"):
        xform.errors.NoSuchError


def test_the_slope_of_the_absolute_value_at_zero():
    for x in (0.0, -2.0, 3.0):
        assert float(xform.grad(jnp.abs)(x)) == float(jax.grad(jax.numpy.abs)(x))
    np.testing.assert_allclose(xform.vmap(xform.grad(xform.grad(jnp.abs)))(jnp.arange(3.0)), np.zeros(3))


def test_eval_shape_of_a_jitted_function():
    found = xform.jit(lambda x, n: jnp.ones((n, *x.shape)), static_argnums=1).eval_shape(jnp.ones(3), 2)
    assert found.shape == (2, 3)
