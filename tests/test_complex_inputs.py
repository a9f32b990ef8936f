"""Gradients of real functions of complex arguments, which are the conjugates of the steepest direction, as jax has them."""
import jax
import numpy as np
import pytest
import xform

Z = np.array([1 + 2j, -0.5 + 0.3j], np.complex64)


@pytest.mark.parametrize("function", [
    lambda np_: lambda z: np_.sum(np_.abs(z) ** 2), lambda np_: lambda z: np_.sum(np_.real(z * z * (1 + 1j))),
    lambda np_: lambda z: np_.sum(np_.imag(np_.exp(z)) * np_.real(z)), lambda np_: lambda z: np_.linalg.norm(np_.outer(z, np_.conj(z)))])
def test_gradients(function):
    np.testing.assert_allclose(xform.grad(function(xform.numpy))(Z), jax.grad(function(jax.numpy))(Z), rtol=1e-5, atol=1e-5)
    mine, theirs = xform.value_and_grad(function(xform.numpy))(Z), jax.value_and_grad(function(jax.numpy))(Z)
    assert mine[0].dtype == theirs[0].dtype and mine[1].dtype == theirs[1].dtype
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-5)
    np.testing.assert_allclose(xform.jit(xform.grad(function(xform.numpy)))(Z), theirs[1], rtol=1e-5, atol=1e-5)


def test_a_complex_result_is_refused_unless_holomorphic():
    for lib in (xform, jax):
        with pytest.raises(TypeError, match="[Rr]eal"):
            lib.grad(lambda z: z * z)(1 + 2j)
        assert complex(lib.grad(lambda z: z * z, holomorphic=True)(1 + 2j)) == 2 + 4j


@pytest.mark.parametrize("name", ["imag", "real", "conjugate", "nan_to_num"])
def test_pullback_of_pullback(name):
    """A part of a complex number is linear: the cotangent of its cotangent is the part again."""
    def twice(lib, f):
        return lambda z, d, c: lib.vjp(lambda d: lib.vjp(f, z)[1](d)[0], d)[1](c)[0]
    d = np.real(Z) * 3 if name in ("imag", "real") else Z * 3
    found = twice(xform, getattr(xform.numpy, name))(Z, d, Z * 1j)
    np.testing.assert_allclose(found, twice(jax, getattr(jax.numpy, name))(Z, d, Z * 1j), rtol=1e-6)
