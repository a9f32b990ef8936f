"""lax's smaller functions agree with jax's, alone, differentiated, batched and staged."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import lax

X = numpy.random.default_rng(0).normal(size=(3, 8)).astype("f")
Z = (X + 1j * X[::-1]).astype("complex64")

CALLS = {
    "split": lambda lax, x: lax.split(x, (2, 1, 5), 1)[2] * 2, "stack": lambda lax, x: lax.stack([x, x * x], 1),
    "unstack": lambda lax, x: lax.unstack(x, 1)[3], "tile": lambda lax, x: lax.tile(x, (2, 1)),
    "broadcast_like": lambda lax, x: lax.broadcast_like(x[0], x), "approx_max_k": lambda lax, x: lax.approx_max_k(x, 2)[0],
    "approx_min_k": lambda lax, x: lax.approx_min_k(x, 2, 0)[0],
    "rfft": lambda lax, x: abs(lax.fft(x, lax.FftType.RFFT, (8,))), "fft": lambda lax, x: lax.fft(x * (1 + 1j), "FFT", (3, 8)).real,
    "ifft": lambda lax, x: lax.fft(x * (1 + 1j), "ifft", (8,)).real, "irfft": lambda lax, x: lax.fft(x * (1 + 1j), "IRFFT", (14,)),
    "barrier": lambda lax, x: lax.optimization_barrier((x, x * 2))[1],
}


@pytest.mark.parametrize("name", CALLS)
def test_values_derivatives_and_batches(name):
    def ours(x):
        return CALLS[name](lax, x)

    def theirs(x):
        return CALLS[name](jax.lax, x)
    found, wanted = ours(X), theirs(X)
    assert found.dtype == wanted.dtype
    numpy.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(xform.jit(ours)(X), wanted, rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(xform.grad(lambda x: (ours(x) ** 2).sum())(X), jax.grad(lambda x: (theirs(x) ** 2).sum())(X),
                                  rtol=1e-3, atol=1e-4)
    many = numpy.stack([X, X[::-1]])
    numpy.testing.assert_allclose(xform.vmap(ours)(many), jax.vmap(theirs)(many), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8", "uint16", "uint32", "int64", "uint64"])
def test_mulhi(dtype):
    info = numpy.iinfo(dtype)
    x = numpy.random.default_rng(1).integers(info.min, info.max, 50, dtype, endpoint=True)
    y = numpy.append(x[1:], numpy.array([info.max], dtype))
    with xform.enable_x64(), jax.enable_x64(True):
        numpy.testing.assert_array_equal(lax.mulhi(x, y), numpy.asarray([int(a) * int(b) >> info.bits for a, b in zip(x, y)], dtype))
    with pytest.raises(TypeError, match="mulhi"):
        lax.mulhi(x, 1.0)


def test_platforms():
    assert lax.platform_dependent(2.0, cpu=lambda x: x + 1, default=lambda x: x) == 3.0
    assert lax.platform_dependent(2.0, tpu=lambda x: x + 1, default=lambda x: x) == 2.0
    with pytest.raises(NotImplementedError, match="cpu"):
        lax.platform_dependent(2.0, tpu=lambda x: x)


def test_questions_of_types():
    assert lax.dtype(X) == jax.lax.dtype(X) and lax.dtype(2.0) == jax.lax.dtype(2.0)
    numpy.testing.assert_array_equal(lax.shape_as_value((2, 3)), jax.lax.shape_as_value((2, 3)))
    assert lax.empty((2, 3), "float32").shape == (2, 3)


def test_refusals():
    for call, text in [(lambda: lax.split(X, (1, 1), 1), "add up"), (lambda: lax.tile(X, (2,)), "reps"),
                       (lambda: lax.fft(X, "FFT", (7,)), "fit"), (lambda: lax.fft(X, "DCT", (8,)), "fft_type")]:
        with pytest.raises(ValueError, match=text):
            call()


def test_windows_that_count_from_the_front_only():
    x = numpy.arange(12.0, dtype="float32").reshape(3, 4)
    cases = [lambda lax, np: lax.dynamic_slice(x, (np.int32(-1), np.int32(-2)), (1, 2), allow_negative_indices=[True, False]),
             lambda lax, np: lax.dynamic_slice(x, np.array([-1, -2]), (1, 2), allow_negative_indices=False),
             lambda lax, np: lax.dynamic_slice_in_dim(x, np.int32(-1), 2, axis=1, allow_negative_indices=False),
             lambda lax, np: lax.dynamic_index_in_dim(x, np.int32(-1), 1, allow_negative_indices=False),
             lambda lax, np: lax.dynamic_update_index_in_dim(x, np.ones(3), np.int32(-1), 1, allow_negative_indices=False)]
    for case in cases:
        wanted = case(jax.lax, jnp)
        numpy.testing.assert_array_equal(case(xform.lax, xform.numpy), wanted)
        numpy.testing.assert_array_equal(xform.jit(lambda: case(xform.lax, xform.numpy))(), wanted)
    with pytest.raises(ValueError, match="before the array"):
        xform.lax.dynamic_slice_in_dim(x, -1, 2, allow_negative_indices=False)


def test_equal_operands_of_fmax_and_fmin():
    for name in ("fmax", "fmin"):
        wanted = jax.grad(lambda x1, x2: getattr(jnp, name)(x1, x2), (0, 1))(2.0, 2.0)
        assert list(map(float, xform.grad(getattr(xform.numpy, name), (0, 1))(2.0, 2.0))) == list(map(float, wanted))
