"""Types: promotion and weak types agree with jax's; avals are interned."""
import itertools
import pickle

import ml_dtypes
import numpy as np
import pytest

from runtime import enable_x64
from runtime.types import (TypePromotionError, aval, aval_of, broadcast_shapes, canonical_dtype, issubdtype, kind,
                           promote_types, result_type)

jax = pytest.importorskip("jax")

DTYPES = [np.dtype(d) for d in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
                                "float32", "float64", "complex64", "complex128")] + [np.dtype(ml_dtypes.bfloat16)]


@pytest.mark.parametrize("x64", [False, True])
def test_promotion_of_all_pairs_is_jaxs(x64):
    with enable_x64(x64), jax.enable_x64(x64):
        for a, b in itertools.product(DTYPES, DTYPES):
            assert promote_types(a, b) == jax.numpy.promote_types(a, b), (a, b)


@pytest.mark.parametrize("x64", [False, True])
def test_python_numbers_are_weak_as_in_jax(x64):
    with enable_x64(x64), jax.enable_x64(x64):
        for dtype, number in itertools.product(DTYPES, (True, 3, 2.5, 1j)):
            ours = result_type(np.ones(2, dtype), number)
            assert ours == jax.numpy.result_type(np.ones(2, dtype), number), (dtype, number)
        for a, b in itertools.product((True, 3, 2.5, 1j), repeat=2):
            want = jax._src.dtypes.result_type(a, b, return_weak_type_flag=True)
            assert result_type(a, b, return_weak_type_flag=True) == want, (a, b)


def test_no_common_type_is_an_error_that_names_both():
    with pytest.raises(TypePromotionError, match="float8_e4m3fn.*float8_e5m2|float8_e5m2.*float8_e4m3fn"):
        promote_types(ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)


def test_avals_are_interned_and_survive_pickling():
    a = aval((2, 3), np.float32)
    assert a is aval([2, 3], "float32") and a is pickle.loads(pickle.dumps(a))
    assert a is not aval((2, 3), np.float32, True)
    assert a.text == "tensor<2x3xf32>" and a.size == 6 and a.ndim == 2


def test_aval_of_numbers_and_arrays():
    assert aval_of(3) is aval((), np.int32, True)
    assert aval_of(True) is aval((), np.bool_)
    assert aval_of(np.float64(3)) is aval((), np.float32)
    assert aval_of(np.zeros((2, 0))) is aval((2, 0), np.float32)
    with pytest.raises(TypeError, match="abstract array"):
        aval_of("text")


def test_canonical_dtype_narrows_unless_x64():
    assert canonical_dtype(float) == np.float32 and canonical_dtype("int64") == np.int32
    with enable_x64():
        assert canonical_dtype(float) == np.float64 and canonical_dtype(">i8") == np.dtype("int64")
    with pytest.raises(TypeError, match="datetime64"):
        canonical_dtype("datetime64[s]")


def test_broadcast_shapes():
    assert broadcast_shapes((3, 1), (4,), ()) == (3, 4)
    assert broadcast_shapes((0, 1), (1, 5)) == (0, 5)
    with pytest.raises(ValueError, match=r"\(3,\), \(4,\)"):
        broadcast_shapes((3,), (4,))


def test_kinds_know_bfloat16():
    assert kind(ml_dtypes.bfloat16) == "f" and kind(np.uint8) == "u"
    assert issubdtype(ml_dtypes.bfloat16, np.floating) and not issubdtype(np.int32, np.floating)
    assert issubdtype(np.float32, np.inexact) and issubdtype(np.int8, np.integer)
