"""np.block of nested lists under every pair of transformations, as in jax."""
import jax
import numpy
import pytest

import xform

BLOCKS = {
    "matrices": lambda np: lambda x: np.linalg.det(np.block([[x * np.eye(2), np.ones((2, 1))], [np.ones((1, 2)), x * np.ones((1, 1))]])),
    "numbers": lambda np: lambda x: np.linalg.det(np.block([[x, x * x], [x * x, x]])),
    "row": lambda np: lambda x: np.sum(np.block([x, x * x, 3.0]) ** 2),
    "deep": lambda np: lambda x: np.sum(np.block([[[x], [x * x]], [[2 * x], [1.0]]]) ** 2),
    "array": lambda np: lambda x: np.sum(np.block(x * np.ones(3))),
}
HOWS = {
    "value": lambda xf, f, x: f(x[0]), "grad": lambda xf, f, x: xf.grad(f)(x[0]), "vmap of grad": lambda xf, f, x: xf.vmap(xf.grad(f))(x),
    "twice": lambda xf, f, x: xf.grad(xf.grad(f))(x[0]), "vmap of it": lambda xf, f, x: xf.vmap(xf.grad(xf.grad(f)))(x),
    "jit": lambda xf, f, x: xf.jit(xf.vmap(xf.grad(f)))(x),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", BLOCKS)
def test_as_jax(name, how):
    theirs = HOWS[how](jax, BLOCKS[name](jax.numpy), jax.numpy.array([2.0, 3.0]))
    numpy.testing.assert_allclose(HOWS[how](xform, BLOCKS[name](xform.numpy), xform.numpy.array([2.0, 3.0])), theirs, rtol=1e-4)


@pytest.mark.parametrize("wrong", [[[1.0], 2.0], [[1.0, [2.0]]], []])
def test_nested_unlike(wrong):
    with pytest.raises(ValueError):
        jax.numpy.block(wrong)
    with pytest.raises(ValueError, match="nested alike"):
        xform.numpy.block(wrong)
