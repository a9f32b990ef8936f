"""Fourier transforms agree with jax's, and so do their derivatives and batches."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import numpy as np

X = numpy.random.default_rng(0).normal(size=(3, 8)).astype("f")
Z = (X + 1j * X[::-1]).astype("complex64")
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
MANY = ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"]
CASES = [(name, kwargs) for name in ONE for kwargs in ({}, {"norm": "ortho"}, {"norm": "forward"}, {"n": 5}, {"n": 11}, {"axis": 0})]
CASES += [(name, kwargs) for name in MANY for kwargs in ({}, {"norm": "ortho"}, {"s": (5, 9)}, {"axes": (1, 0)})]
CASES += [(name, kwargs) for name in ("fftshift", "ifftshift") for kwargs in ({}, {"axes": 0})]


def operand(name):
    return X if name.startswith("r") or name == "ihfft" else Z


@pytest.mark.parametrize("name,kwargs", CASES, ids=[f"{name}-{kwargs}" for name, kwargs in CASES])
def test_values(name, kwargs):
    ours = numpy.asarray(getattr(np.fft, name)(operand(name), **kwargs))
    theirs = numpy.asarray(getattr(jnp.fft, name)(operand(name), **kwargs))
    assert ours.dtype == theirs.dtype
    numpy.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_frequencies():
    for n in (5, 6):
        numpy.testing.assert_allclose(np.fft.fftfreq(n, 0.1), jnp.fft.fftfreq(n, 0.1), rtol=1e-6)
        numpy.testing.assert_allclose(np.fft.rfftfreq(n), jnp.fft.rfftfreq(n), rtol=1e-6)


WEIGHTS = numpy.sin(numpy.arange(200, dtype="f"))


def loss(np, name, kwargs):
    """A real function of a real array, by way of a transform."""
    transform = partial(getattr(np.fft, name), **kwargs)
    real = name.startswith("r") or name == "ihfft"

    def f(x):
        out = transform(x if real else x + 1j * x * x)
        flat = np.ravel(np.real(out) + 2 * np.imag(out))
        return np.sum(flat * flat * WEIGHTS[:flat.shape[0]])
    return f


DERIVED = [(name, kwargs) for name in ("fft", "ifft", "rfft", "irfft", "rfft2", "irfftn", "hfft")
           for kwargs in ({}, {"norm": "ortho"})] + [("rfft", {"n": 5}), ("irfft", {"n": 5}), ("fft", {"n": 11, "axis": 0})]


@pytest.mark.parametrize("name,kwargs", DERIVED, ids=[f"{name}-{kwargs}" for name, kwargs in DERIVED])
def test_derivatives(name, kwargs):
    f, g = loss(np, name, kwargs), loss(jnp, name, kwargs)
    numpy.testing.assert_allclose(xform.grad(f)(X), jax.grad(g)(X), rtol=1e-3, atol=1e-3)
    numpy.testing.assert_allclose(xform.jvp(f, (X,), (X[::-1],))[1], jax.jvp(g, (X,), (X[::-1],))[1], rtol=1e-3)
    stack = numpy.stack([X, 2 * X])
    numpy.testing.assert_allclose(xform.jit(xform.vmap(xform.grad(f)))(stack), jax.vmap(jax.grad(g))(stack), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", ["rfft", "irfft", "fft"])
def test_pullback_of_pullback(name):
    """The cotangent does not depend on the operand: its own derivative by it is zero, by the cotangent the transform."""
    def twice(lib, f):
        return lambda a, d, c: lib.vjp(lambda a, d: lib.vjp(f, a)[1](d)[0], a, d)[1](c)
    a = X if name == "rfft" else X + 0.5j
    d = numpy.asarray(getattr(jnp.fft, name)(a)) * 2
    found, expected = twice(xform, getattr(np.fft, name))(a, d, a), twice(jax, getattr(jnp.fft, name))(a, d, a)
    for one, other in zip(found, expected):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="Invalid norm"):
        np.fft.fft(X, norm="no")
    with pytest.raises(ValueError, match="not defined for complex numbers"):
        np.fft.rfft(Z)
    with pytest.raises(ValueError, match="out of bounds"):
        np.fft.fft(X, axis=2)
    with pytest.raises(ValueError, match="number of data points"):
        np.fft.fft(X, 0)


def test_complex_numbers_have_no_real_transform():
    import jax.numpy
    import xform.numpy
    for np in (jax.numpy, xform.numpy):
        with pytest.raises(ValueError):
            np.fft.rfft(np.ones(3) * 1j)
        with pytest.raises(ValueError):
            np.fft.rfft2(np.ones((3, 3)) * 1j)
