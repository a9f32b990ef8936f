"""The library's surface and its error messages."""
import numpy
import pytest

import runtime as rt
import runtime.numpy as np
from runtime import lax

# What jax.numpy has and we have not: the first three come from the compiler, of which this package knows nothing; the others are new in jax 0.11.
MISSING = {"fromfunction", "frompyfunc", "ufunc", "vectorize", "minmax", "top_k"}


def test_jax_numpys_names():
    import jax.numpy as jnp
    ours = {n for n in dir(np) if not n.startswith("_")}
    assert {n for n in dir(jnp) if not n.startswith("_")} - ours - MISSING - {"_type", "core", "util"} <= {"strings", "fft", "linalg"}


@pytest.mark.parametrize("call, error, words", [
    (lambda: np.ones(3) + np.ones(4), TypeError, r"add got incompatible shapes for broadcasting: \(3,\), \(4,\)"),
    (lambda: np.sum(np.ones(3), axis=2), ValueError, "axis 2 is out of bounds for array of dimension 1"),
    (lambda: np.array([True]) - np.array([True]), TypeError, "sub does not accept dtype bool"),
    (lambda: -np.array([True]), TypeError, "does not accept dtype bool"),
    (lambda: np.array([1, 2]) ** -1, TypeError, "Integers cannot be raised to negative powers"),
    (lambda: np.sin([1.0]), TypeError, "sin requires ndarray or scalar arguments"),
    (lambda: np.sin("a"), TypeError, "sin requires"),
    (lambda: np.dot(np.ones((2, 3)), np.ones((2, 3))), TypeError, r"contracting dimensions.*\(3,\) and \(2,\)"),
    (lambda: np.matmul(1.0, np.ones(2)), ValueError, "at least 1-dimensional"),
    (lambda: np.reshape(np.ones((2, 3)), (4,)), TypeError, r"cannot reshape array of shape \(2, 3\) \(size 6\) into shape \(4,\)"),
    (lambda: np.concatenate([np.ones(3), np.ones((3, 3))]), TypeError, "different numbers of dimensions"),
    (lambda: np.concatenate([]), ValueError, "at least one array"),
    (lambda: np.stack([np.ones(2), np.ones(3)]), ValueError, "same shape"),
    (lambda: np.transpose(np.ones((2, 3)), (0,)), ValueError, "no permutation"),
    (lambda: np.broadcast_to(np.ones(3), (4,)), ValueError, "Incompatible shapes for broadcasting"),
    (lambda: np.squeeze(np.ones((2, 3)), 0), ValueError, "size not equal to one"),
    (lambda: np.where(np.ones(3), 1.0), ValueError, "both or neither"),
    (lambda: np.max(np.zeros(0)), ValueError, "zero-size array"),
    (lambda: np.arange(0, 5, 0), ZeroDivisionError, "step"),
    (lambda: np.array("text"), TypeError, "not a valid array"),
    (lambda: np.einsum("ij,jk", np.ones((2, 3)), np.ones(3)), ValueError, "does not fit an operand of shape"),
    (lambda: np.split(np.ones(5), 2), ValueError, "equal division"),
    (lambda: lax.conv(np.ones((1, 2, 5, 5)), np.ones((3, 4, 2, 2)), (1, 1), "SAME"), ValueError, "input features"),
    (lambda: lax.scan(lambda c, x: (c, x), 0.0, (np.ones(3), np.ones(4))), ValueError, "different leading axis sizes"),
    (lambda: lax.top_k(np.ones(3), 5), ValueError, "k=5"),
    (lambda: np.cumsum(np.ones(3), axis=1), ValueError, "out of bounds")])
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_numpys_own_functions_stay_on_the_device():
    x = np.arange(3.0)
    assert isinstance(numpy.sin(x), rt.Array)
    assert isinstance(numpy.concatenate([x, x]), rt.Array)
    assert isinstance(numpy.add.reduce(x), rt.Array)


def test_dtype_names():
    assert np.float32 == numpy.float32 and np.zeros(3).dtype == np.float32
    assert np.float32(1.5).dtype == numpy.float32 and np.int8(3).dtype == numpy.int8
    assert np.zeros(2, np.bfloat16).dtype.name == "bfloat16"
    assert np.issubdtype(np.zeros(2).dtype, np.floating)


def test_sums_of_half_precision_are_exact_enough():
    x = np.full(5000, 0.1, np.float16)
    assert abs(float(np.sum(x)) - 500) < 1


def test_a_long_scan_stays_one_loop_in_its_gradient(tmp_path):
    import importlib.util
    import xform
    path = tmp_path / "recurrent.py"
    path.write_text("""
import xform.numpy as np
from xform import lax

def by_scan(w, xs):
    def step(h, x):
        h = np.tanh(h @ w + x)
        return h, np.sum(h)
    h, ys = lax.scan(step, np.zeros(3), xs)
    return np.sum(ys * ys)

def by_list(w, xs):
    h = np.zeros(3)
    ys = []
    for x in xs:
        h = np.tanh(h @ w + x)
        ys.append(h)
    return np.sum(np.stack(ys) ** 2)
""")
    spec = importlib.util.spec_from_file_location("recurrent", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = numpy.random.default_rng(0)
    w, xs = np.asarray(rng.normal(size=(3, 3)).astype("float32")), np.asarray(rng.normal(size=(100, 3)).astype("float32"))
    for function in (module.by_scan, module.by_list):
        gradient = xform.grad(function)
        staged = xform.jit(gradient)
        numpy.testing.assert_allclose(numpy.asarray(staged(w, xs)), numpy.asarray(gradient(w, xs)), rtol=1e-4, atol=1e-4)
        assert len(staged.lower(w, xs).as_text().splitlines()) < 600
