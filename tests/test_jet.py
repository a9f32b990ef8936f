"""experimental.jet: derivatives along a curve, beside jax's Taylor mode."""
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


def test_errors():
    with pytest.raises(ValueError, match=r"all of one length; got 2 lists of the lengths \[1, 2\]"):
        jet(lambda x, y: x, (X, X), ([X], [X, X]))
    with pytest.raises(ValueError, match="has the shape"):
        jet(lambda x: x, (X,), ([X[:1]],))
    with pytest.raises(ValueError, match="has the structure"):
        jet(lambda x: x, (X,), ([(X,)],))
