"""Partial applications under the transformations: Python values stay Python values, keywords find their place."""
import functools

import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform import lax

partial = functools.partial


def tiled(x, n, mode="sum"):
    rows = jnp.ones((n, 2)) * x
    return rows.sum() if mode == "sum" else rows[0, 0] * n


def line(a, b, x, c=1.0):
    return a * x ** b + c


def test_jit_keeps_python_values_of_a_partial():
    assert float(xform.jit(partial(tiled, n=3, mode="sum"))(2.0)) == 12
    assert xform.jit(partial(lambda n, x: jnp.arange(n) + x, 3))(1.0).shape == (3,)
    assert xform.jit(partial(jnp.sum, axis=0))(jnp.ones((2, 3))).shape == (3,)
    later = xform.jit(partial(tiled, n=3), static_argnames="mode")
    assert [float(later(2.0, mode=m)) for m in ("sum", "first", "sum")] == [12, 6, 12]
    assert float(xform.jit(partial(line, 2.0, 3))(2.0, c=4.0)) == 20


def test_jit_takes_arrays_of_a_partial_as_arguments():
    held = jnp.arange(3.0)
    np.testing.assert_allclose(xform.jit(partial(line, held, 2))(2.0), np.arange(3) * 4 + 1)
    np.testing.assert_allclose(xform.jit(partial(lambda p, x: p["w"] * x, {"w": held}))(2.0), np.arange(3) * 2)


def test_eval_shape_of_a_partial_with_options():
    x, k = jnp.ones((1, 1, 8, 8)), jnp.ones((2, 1, 3, 3))
    convolve = partial(lax.conv_general_dilated, window_strides=(1, 1), padding="SAME")
    assert xform.eval_shape(convolve, x, k).shape == (1, 2, 8, 8)
    assert xform.eval_shape(partial(jnp.zeros, (2, 3))).shape == (2, 3)


def test_transformations_of_a_jitted_partial():
    f = xform.jit(partial(tiled, n=3, mode="first"))
    np.testing.assert_allclose(xform.vmap(f)(jnp.arange(2.0)), [0, 3])
    assert float(xform.grad(f)(2.0)) == 3


def inside(x):
    dot = xform.jvp(partial(line, 2.0, 3.0, c=x), (x,), (1.0,))[1]
    return (xform.jit(partial(line, 2.0, 3.0))(x) + xform.grad(partial(line, 2.0, 3))(x) + dot + x
            + xform.jit(partial(tiled, n=2, mode="sum"))(x) + xform.jit(partial(tiled, n=2))(x))


@pytest.mark.parametrize("transform", [lambda f: f, xform.jit, xform.grad, lambda f: lambda x: xform.vmap(f)(jnp.stack([x]))[0]])
def test_partials_inside_transformed_functions(transform):
    def theirs(x):
        def line(a, b, x, c=1.0):
            return a * x ** b + c
        dot = jax.jvp(partial(line, 2.0, 3.0, c=x), (x,), (1.0,))[1]
        return line(2.0, 3.0, x) + jax.grad(partial(line, 2.0, 3))(x) + dot + x + 8 * x
    expected = jax.grad(theirs)(2.0) if transform is xform.grad else theirs(2.0)
    np.testing.assert_allclose(transform(inside)(jnp.float32(2.0)), expected, rtol=1e-6)


def test_a_parameter_given_by_name_is_not_given_again():
    with pytest.raises(xform.errors.TransformError, match="too many positional arguments"):
        xform.jit(lambda x: xform.grad(partial(line, x, b=2.0))(x))(2.0)


def test_static_arguments_decide_branches_of_a_jitted_function_that_is_differentiated():
    def chosen(x, n, mode):
        return x * n if mode == "times" else x

    def f(x):
        return xform.jit(chosen, static_argnums=(1, 2))(x, 3, "times")
    assert float(xform.grad(f)(2.0)) == 3
    assert float(xform.grad(lambda x: f(x) * 2)(2.0)) == 6


def test_arguments_and_options_that_are_handed_on():
    def applied(x, *args, **options):
        return partial(line, *args, **options)(x)
    assert float(xform.grad(lambda x: applied(x, 2.0, 4.0, c=x))(3.0)) == float(jax.grad(lambda x: line(2.0, 4.0, x, c=x))(3.0))
    given = xform.grad(lambda x, rest: partial(line, *rest)(x))(1.0, [2.0, 3.0])
    assert float(given) == float(jax.grad(lambda x: line(2.0, 3.0, x))(1.0))


def test_a_jitted_partial_application_is_specialised_to_functions():
    def step(c, x):
        return c * x, c + x
    scan = xform.jit(partial(xform.lax.scan, unroll=2), static_argnums=(0,))
    assert float(xform.grad(lambda c: scan(step, c, np.arange(1.0, 4.0))[0])(1.0)) == 6.0
