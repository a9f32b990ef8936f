"""Layouts and shapes are those that jax computes; log1mexp and its derivative keep their digits."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
from xform import lax, nn

LAYOUTS = [("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "NHWC"), ("NCHW", "WHIO", "CNWH"), None]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dimension_numbers(layout):
    shapes = (2, 3, 4, 5), (3, 3, 2, 3)
    assert tuple(lax.conv_dimension_numbers(*shapes, layout)) == tuple(jax.lax.conv_dimension_numbers(*shapes, layout))
    if layout is not None:
        assert lax.conv_general_permutations(layout) == tuple(map(tuple, jax.lax.conv_general_permutations(layout)))
    with pytest.raises(TypeError):
        lax.conv_dimension_numbers(*shapes, ("NCH", "OIH", "NCH"))
    with pytest.raises(TypeError):
        lax.conv_general_permutations(("NCHW", "OIHH", "NCHW"))


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 2), (0, 1))])
@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_shapes_of_convolutions(layout, padding):
    lhs, rhs = {"N": 2, "C": 3, "H": 9, "W": 7}, {"O": 4, "I": 3, "H": 3, "W": 2}
    shapes = [lhs[c] for c in layout[0]], [rhs[c] for c in layout[1]]
    given = (*shapes, (2, 1), padding, layout)
    assert lax.conv_general_shape_tuple(*given) == tuple(jax.lax.conv_general_shape_tuple(*given))
    made = lax.conv_general_dilated(np.ones(shapes[0]), np.ones(shapes[1]), (2, 1), padding, dimension_numbers=layout)
    assert made.shape == lax.conv_general_shape_tuple(*given)
    assert lax.conv_transpose_shape_tuple(*given) == tuple(jax.lax.conv_transpose_shape_tuple(*given))


def test_other_shapes():
    given = (4, 3, 8, 8), (6, 3, 3, 3), (2, 2), ((1, 1), (1, 1))
    assert lax.conv_shape_tuple(*given) == tuple(jax.lax.conv_shape_tuple(*given))
    assert lax.conv_shape_tuple(*given, 2) == tuple(jax.lax.conv_shape_tuple(*given, 2))
    assert lax.reduce_window_shape_tuple((8, 9), (2, 3), (2, 1), ((0, 0), (1, 1))) == tuple(
        jax.lax.reduce_window_shape_tuple((8, 9), (2, 3), (2, 1), ((0, 0), (1, 1))))
    assert lax.composite(np.sin, "my.sine") is np.sin


def test_names():
    for name in ("DotAlgorithmPreset", "RandomAlgorithm", "AccuracyMode"):
        assert [m.name for m in getattr(lax, name)] == [m.name for m in getattr(jax.lax, name)]
    assert lax.DotAlgorithm._fields == jax.lax.DotAlgorithm._fields
    assert isinstance(nn.initializers.lecun_normal(), nn.initializers.Initializer)


def test_log1mexp():
    x = numpy.array([0.0, 1e-6, 1e-3, 0.3, 0.69, 0.7, 1.0, 10.0, 50.0], "float32")
    numpy.testing.assert_allclose(nn.log1mexp(x), jax.nn.log1mexp(x), rtol=1e-6)
    ours = xform.vmap(xform.grad(nn.log1mexp))(x[1:])
    numpy.testing.assert_allclose(ours, 1 / numpy.expm1(x[1:].astype("float64")), rtol=1e-5)
    assert numpy.isnan(nn.log1mexp(-1.0)) and nn.log1mexp(jnp.asarray(1).item()).dtype == numpy.float32
    xform.test_util.check_grads(nn.log1mexp, (np.asarray([0.2, 0.9, 2.0]),), 2)
