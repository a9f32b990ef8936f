"""The weak types of library functions beside jax's: a number of Python leaves the dtype to others, also through a function."""
import jax
import jax.numpy as jnp
import jax.scipy.stats
import numpy
import pytest

import xform
import xform.numpy as np

X, N = numpy.array([0.3, 0.7], "float32"), numpy.array([2, 3], "int32")


@pytest.mark.parametrize("call", [
    lambda s, l, x, n: s.special.comb(n, 2), lambda s, l, x, n: s.special.factorial(n), lambda s, l, x, n: s.special.gamma(x),
    lambda s, l, x, n: s.special.beta(x, 2.0), lambda s, l, x, n: s.special.poch(x, 2.0), lambda s, l, x, n: s.special.ndtri(x),
    lambda s, l, x, n: s.special.log_ndtr(x), lambda s, l, x, n: s.special.multigammaln(x + 2, 2), lambda s, l, x, n: s.special.i0e(x),
    lambda s, l, x, n: s.special.gammainc(x, 2.0), lambda s, l, x, n: l.betainc(2.0, 0.7, x), lambda s, l, x, n: s.stats.uniform.pdf(x),
    lambda s, l, x, n: s.stats.uniform.cdf(x, 0.1, 2.0), lambda s, l, x, n: s.stats.truncnorm.cdf(x, -1.0, 1.0),
    lambda s, l, x, n: s.stats.vonmises.pdf(x, 2.0), lambda s, l, x, n: s.stats.bernoulli.cdf(n, 0.3),
    lambda s, l, x, n: s.stats.betabinom.logpmf(n, 4, x, 1.0), lambda s, l, x, n: s.stats.gamma.cdf(x, 2.0),
    lambda s, l, x, n: s.stats.norm.isf(0.3, x), lambda s, l, x, n: s.special.poch(2.0, x), lambda s, l, x, n: s.stats.norm.sf(x),
    lambda s, l, x, n: s.signal.fftconvolve(x, x), lambda s, l, x, n: s.signal.stft(jnp.ones(64), 2.0, nperseg=16)[1]
    if s is jax.scipy else s.signal.stft(np.ones(64), 2.0, nperseg=16)[1]])
@pytest.mark.parametrize("x, n", [(X, N), (0.3, 3), (jnp.bfloat16(0.3), 3)])
def test_beside_jax(call, x, n):
    given = np.asarray(numpy.asarray(x)) if isinstance(x, jax.Array) else x
    try:
        other = call(jax.scipy, jax.lax, x, n)
    except TypeError:
        pytest.skip("jax has no such function of bfloat16")
    mine = call(xform.scipy, xform.lax, given, n)
    assert (mine.shape, mine.dtype, mine.weak_type) == (other.shape, other.dtype, other.weak_type)
    tolerance = 2e-2 if other.dtype == jnp.bfloat16 else 2e-5
    numpy.testing.assert_allclose(numpy.asarray(mine, "float32"), numpy.asarray(other, "float32"), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["dct", "idct", "dctn", "idctn"])
def test_cosine_transforms_compute_in_single_precision(name):
    x = jnp.asarray(X, "bfloat16")
    mine, other = getattr(xform.scipy.fft, name)(np.asarray(x)), getattr(jax.scipy.fft, name)(x)
    assert mine.dtype == other.dtype == "float32"
    numpy.testing.assert_allclose(mine, other, rtol=1e-5)


def test_a_staged_number_that_fills_an_array_leaves_the_dtype_to_others():
    def filled(s):
        return np.full((2,), s)
    for number in (1.5, 3):
        mine, other = xform.jit(filled)(number), jax.jit(lambda s: jnp.full((2,), s))(number)
        assert (mine.dtype, mine.weak_type) == (other.dtype, other.weak_type)
        assert xform.jit(lambda s: filled(s) * np.ones(2, "bfloat16"))(1.5).dtype == jnp.bfloat16


def test_a_derivative_of_zero_in_a_number_leaves_the_dtype_to_others():
    for f in (np.floor, lambda x: np.round(x) * 2.0):
        found = xform.grad(f)(2.5)
        assert found.weak_type and (found + np.ones(2, "bfloat16")).dtype == jnp.bfloat16
    assert jax.grad(jnp.floor)(2.5).weak_type
