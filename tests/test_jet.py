"""experimental.jet: derivatives along a curve, beside jax's Taylor mode."""
import functools

import jax
import numpy as np
import pytest
import xform
from jax.experimental.jet import jet as theirs
from xform.experimental.jet import jet

X = np.array([0.5, 1.0], np.float32)


def alike(mine, other):
    for a, b in zip(xform.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("function, primals, series", [
    (lambda np: lambda x: np.exp(x) * np.sin(x), (X,), ([X * 0 + 1, X + 2, X],)),
    (lambda np: lambda x, y: (x * y, np.tanh(y)), (X, 2 * X), ([X, X], [X, X * X])),
    (lambda np: np.sin, (0.3,), ([1.0, 0.0, 0.0, 0.0, 0.0],)),
    (lambda np: lambda x: {"a": np.sum(x ** 3)}, (X,), ([X, X, X, X],)),
    (lambda np: lambda x, y, z, w: x * y + z / w, (X, X, X, X), ([X], [X], [2 * X], [X * X]))])
def test_beside_jax(function, primals, series):
    mine, other = jet(function(xform.numpy), primals, series), theirs(function(jax.numpy), primals, series)
    alike(mine, other)
    assert xform.tree.structure(mine).num_leaves == jax.tree.structure(other).num_leaves and type(mine[1]) is type(other[1])


def test_control_flow_and_pytrees():
    def f(p):
        total = 0.0
        for _ in range(3):
            total = total + p["a"] * p["b"]
        return total if p["a"] > 0 else -total
    value, terms = jet(f, ({"a": 2.0, "b": 3.0},), ([{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}],))
    assert (float(value), *map(float, terms)) == (18, 9, 6)


def along(np, jet):
    """Functions that call jet, as xform's or as jax's."""
    def twice(x, y):
        return np.sin(x) * y, x / (1 + y * y)

    def of_one(x):
        return jet(lambda t: np.tanh(t) * t, (x,), ([2 * x, x * 0 + 1, x],))[1][2]

    def of_two(x):
        series = [[x, x * x], [np.ones_like(x), np.cos(x)]]
        value, terms = jet(twice, (x, 2 * x), series)
        return sum(terms[0]) * value[1] + terms[1][1]

    def repeated(x):
        return jet(lambda t: np.exp(x * t), (x,), ([np.ones_like(x)] + [np.zeros_like(x)] * 2,), factorial_scaled=False)[1][1]

    def counted(x, series):
        value, terms = jet(lambda t: t ** 3 - t, (x,), (series,))
        return value + terms[-1]
    return of_one, of_two, repeated, lambda x: counted(x, [x, x]), lambda x: jet(np.sin, (x,), ([],))[0]


@pytest.mark.parametrize("which", range(5))
def test_inside_transformed_functions(which):
    mine, other = along(xform.numpy, jet)[which], along(jax.numpy, theirs)[which]
    alike(mine(X), other(X))
    alike(xform.jit(mine)(X), jax.jit(other)(X))
    alike(xform.vmap(mine)(X), jax.vmap(other)(X))
    alike(xform.grad(lambda x: mine(x).sum())(X), jax.grad(lambda x: other(x).sum())(X))
    if which in (2, 4):     # of longer series the code of second derivatives is long
        alike(xform.jit(xform.vmap(xform.grad(mine)))(X), jax.vmap(jax.grad(other))(X))
        alike(xform.hessian(lambda x: mine(x).sum())(X), jax.hessian(lambda x: other(x).sum())(X))
    alike(xform.jvp(mine, (X,), (X,)), jax.jvp(other, (X,), (X,)))


def test_of_orders_that_a_call_tells():
    def cube(x):
        return x ** 3
    for order in range(5):
        series = ([X] * order,)
        alike(xform.jit(lambda primals, series: jet(cube, primals, series))((X,), series), theirs(cube, (X,), series))
        alike(xform.jit(functools.partial(jet, cube))((X,), series), theirs(cube, (X,), series))
    with pytest.raises(ValueError, match="more than 4 terms must be written out"):
        xform.jit(functools.partial(jet, cube))((X,), ([X] * 5,))
    with pytest.raises(xform.TransformError, match="all of one length"):
        xform.jit(lambda x: jet(lambda x, y: x * y, (x, x), ([x], [x, x])))(X)
    alike(xform.jit(functools.partial(jet, cube, factorial_scaled=False))((X,), ([X, X],)), theirs(cube, (X,), ([X, X],), factorial_scaled=False))


def test_jvp_of_a_partial():
    alike(xform.jit(functools.partial(xform.jvp, xform.numpy.sin))((X,), (X,)), jax.jvp(jax.numpy.sin, (X,), (X,)))


def test_errors():
    with pytest.raises(ValueError, match=r"must be of one length; got 2 lists of the lengths \[1, 2\]"):
        jet(lambda x, y: x, (X, X), ([X], [X, X]))
    with pytest.raises(ValueError, match="has the shape"):
        jet(lambda x: x, (X,), ([X[:1]],))
    with pytest.raises(ValueError, match="has the structure"):
        jet(lambda x: x, (X,), ([(X,)],))
