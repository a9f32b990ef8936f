"""Interpolation on grids agrees with jax's, and so do its derivatives in the points."""
import jax
import jax.numpy as jnp
import jax.scipy.interpolate
import numpy
import pytest

import xform
from runtime import numpy as np
from runtime.scipy.interpolate import RegularGridInterpolator

rng = numpy.random.default_rng(5)
GRID = (numpy.array([0, 1, 2.5], "f"), numpy.array([-1, 0, 1, 4], "f"))
VALUES, MORE = rng.normal(size=(3, 4)).astype("f"), rng.normal(size=(3, 4, 2)).astype("f")
POINTS = numpy.array([[0.3, 0.2], [2.2, 3.9], [1, 0.6], [-0.5, 0.0], [2.0, 5.0], [2.5, 4.0]], "f")


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("values", [VALUES, MORE], ids=["numbers", "vectors"])
@pytest.mark.parametrize("fill", [numpy.nan, -3.0, None])
def test_values(method, values, fill):
    ours = RegularGridInterpolator(GRID, values, method, fill_value=fill)
    theirs = jax.scipy.interpolate.RegularGridInterpolator(GRID, values, method, fill_value=fill)
    wanted = theirs(POINTS)
    numpy.testing.assert_allclose(ours(POINTS), wanted, rtol=1e-5, atol=1e-6)
    numpy.testing.assert_allclose(xform.jit(lambda x: ours(x))(POINTS), wanted, rtol=1e-5, atol=1e-6)
    numpy.testing.assert_allclose(xform.vmap(lambda x: ours(x))(POINTS)[:, 0], wanted, rtol=1e-5, atol=1e-6)
    inside = POINTS[:3]
    made = xform.grad(lambda x: np.sum(np.sin(ours(x))))(inside)
    numpy.testing.assert_allclose(made, jax.grad(lambda x: jnp.sum(jnp.sin(theirs(x))))(inside), rtol=1e-4, atol=1e-5)


def test_points_in_other_forms():
    ours, theirs = RegularGridInterpolator(GRID, VALUES), jax.scipy.interpolate.RegularGridInterpolator(GRID, VALUES)
    pair = (POINTS[:3, 0], POINTS[:3, 1])
    numpy.testing.assert_allclose(ours(pair), theirs(pair), rtol=1e-5)
    numpy.testing.assert_allclose(ours(POINTS.reshape(2, 3, 2), "nearest"), theirs(POINTS.reshape(2, 3, 2), "nearest"), rtol=1e-5)
    leaves, tree = xform.tree_util.tree_flatten(ours)
    numpy.testing.assert_allclose(xform.tree_util.tree_unflatten(tree, leaves)(pair), ours(pair))


@pytest.mark.parametrize("call, error, words", [
    (lambda: RegularGridInterpolator(GRID, VALUES, "cubic"), ValueError, "'cubic' is not defined"),
    (lambda: RegularGridInterpolator(GRID, VALUES, bounds_error=True), NotImplementedError, "fill_value"),
    (lambda: RegularGridInterpolator(GRID, VALUES[0]), ValueError, "2 point arrays"),
    (lambda: RegularGridInterpolator(GRID, VALUES.T), ValueError, "3 points and 4 values in dimension 0"),
    (lambda: RegularGridInterpolator(GRID, VALUES)(numpy.ones((2, 3))), ValueError, "2 coordinates")])
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
