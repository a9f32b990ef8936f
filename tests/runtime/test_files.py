"""Files, buffers, printing, small dtypes and what immutable arrays refuse, under NumPy's names."""
import numpy
import pytest

import runtime.numpy as np


def test_a_file_gives_back_what_was_saved(tmp_path):
    x = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "x.npy", x)
    again = np.load(tmp_path / "x.npy")
    assert isinstance(again, np.ndarray) and again.dtype == x.dtype
    numpy.testing.assert_array_equal(again, x)
    np.savez(tmp_path / "both.npz", x, second=x + 1)
    found = np.load(tmp_path / "both.npz")
    numpy.testing.assert_array_equal(found["arr_0"], x)
    numpy.testing.assert_array_equal(found["second"], x + 1)


def test_buffers_and_texts():
    numpy.testing.assert_array_equal(np.frombuffer(b"\x01\x02\x03", dtype=np.uint8, offset=1), [2, 3])
    numpy.testing.assert_array_equal(np.fromstring("1 2.5 3", sep=" "), [1, 2.5, 3])
    for refused in (np.fromfile, np.fromiter):
        with pytest.raises(NotImplementedError, match="asarray"):
            refused([1, 2], float)


def test_print_options_are_numpys():
    with np.printoptions(precision=2):
        assert np.get_printoptions()["precision"] == 2
        assert str(np.ones(1) / 3) == "[0.33]"
    assert str(np.ones(1) / 3) != "[0.33]"


@pytest.mark.parametrize("name", ["int2", "uint2", "int4", "float4_e2m1fn", "float8_e4m3"])
def test_small_dtypes_hold_numbers(name):
    x = np.ones(3, getattr(np, name))
    assert x.dtype.name == name
    numpy.testing.assert_array_equal(np.astype(x, np.float32), numpy.ones(3))


@pytest.mark.parametrize("name", ["int1", "uint1", "float6_e2m3fn", "float6_e3m2fn"])
def test_dtypes_that_xla_lacks_are_refused(name):
    with pytest.raises(TypeError, match="not a valid array element type"):
        np.ones(3, getattr(np, name))


@pytest.mark.parametrize("call, error, words", [
    (lambda: np.put(np.ones(3), np.array([0]), 2.0), ValueError, "inplace=False"),
    (lambda: np.place(np.ones(3), np.array([True, False, True]), 2.0), ValueError, "inplace=False"),
    (lambda: np.put(np.ones(3), np.array([0]), 2.0, "raise", inplace=False), ValueError, "mode"),
    (lambda: np.packbits(np.ones(3)), TypeError, "booleans or integers"), (lambda: np.unpackbits(np.ones(3, int)), TypeError, "uint8"),
    (lambda: np.packbits(np.ones(3, int), bitorder="up"), ValueError, "bitorder"),
    (lambda: np.histogramdd(np.ones(3)), ValueError, "dimensions"), (lambda: np.histogramdd(np.ones((3, 2)), bins=(1, 2, 3)), ValueError, "bins"),
    (lambda: np.roots(np.ones((2, 2))), ValueError, "vector")])
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()
