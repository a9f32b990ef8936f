"""Array: operators, methods and protocols behave as jax's and NumPy's."""
import copy
import operator
import pickle

import ml_dtypes
import numpy as np
import pytest

import runtime as rt
from runtime.array import Array
from runtime.primitive import as_operand
from runtime.zero import ZERO

jax = pytest.importorskip("jax")
jnp = jax.numpy

X = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)
N = np.array([[7, 2, 3], [1, 4, 9]], np.int32)


def same(ours, theirs, weak=True):
    """Check value, dtype and weak type (which means nothing for bool) against jax's result."""
    assert isinstance(ours, Array)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert ours.weak_type == theirs.weak_type or ours.dtype == bool or not weak
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6)


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
          operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
INTEGER = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@pytest.mark.parametrize("op", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [2, 2.5, np.float32(2), np.array([2, 1, 3], np.int32)], ids=repr)
def test_binary_operators(op, other):
    for host in (X, N):
        same(op(as_operand(host), other), op(jnp.asarray(host), other))
        if op is not operator.pow or host is N:
            same(op(other, as_operand(host)), op(other, jnp.asarray(host)), weak=op is not operator.pow)


@pytest.mark.parametrize("op", INTEGER, ids=lambda f: f.__name__)
def test_integer_operators(op):
    same(op(as_operand(N), 1), op(jnp.asarray(N), 1))
    same(op(1, as_operand(N)), op(1, jnp.asarray(N)))


def test_unary_operators_matmul_and_divmod():
    x, j = as_operand(X), jnp.asarray(X)
    for op in (operator.neg, operator.pos, abs):
        same(op(x), op(j))
    same(~as_operand(N), ~jnp.asarray(N))
    same(x @ X.T, j @ X.T)
    same(X.T @ x, X.T @ j)
    for ours, theirs in zip(divmod(x, 2), divmod(j, 2)):
        same(ours, theirs)
    same(round(x, 0), round(j, 0))


def test_unknown_operands_get_their_turn():
    x = as_operand(X)
    assert (x + ZERO) is x and (ZERO + x) is x and x * ZERO is ZERO

    class Other:
        def __radd__(self, left):
            return "other"
    assert x + Other() == "other"
    with pytest.raises(TypeError):
        x + "text"
    with pytest.raises(TypeError):
        x + [1, 2, 3]
    assert (x == "text") is False and (x != None) is True  # noqa: E711


@pytest.mark.parametrize("name, args, kwargs", [
    ("sum", (), {}), ("sum", (0,), {}), ("mean", (), {"axis": 1, "keepdims": True}), ("max", (1,), {}), ("min", (), {}),
    ("prod", (), {}), ("std", (), {}), ("var", (0,), {}), ("argmax", (), {"axis": 1}), ("argmin", (), {}), ("any", (), {}),
    ("all", (), {"axis": 0}), ("cumsum", (1,), {}), ("cumprod", (0,), {}), ("clip", (0, 1), {}), ("round", (), {}),
    ("reshape", (3, 2), {}), ("reshape", ((-1,),), {}), ("ravel", (), {}), ("flatten", (), {}), ("transpose", (), {}),
    ("transpose", (1, 0), {}), ("transpose", ((0, 1),), {}), ("swapaxes", (0, 1), {}), ("squeeze", (), {}),
    ("repeat", (2,), {"axis": 1}), ("take", (np.array([1, 0]),), {"axis": 1}), ("dot", (X.T,), {}), ("trace", (), {}),
    ("diagonal", (), {}), ("sort", (), {}), ("argsort", (), {"axis": 0}), ("conj", (), {}), ("ptp", (), {}),
    ("astype", (np.int32,), {}), ("astype", (bool,), {})], ids=lambda v: str(v)[:20])
def test_methods(name, args, kwargs):
    same(getattr(as_operand(X), name)(*args, **kwargs), getattr(jnp.asarray(X), name)(*args, **kwargs))


def test_attributes():
    x, j = as_operand(X), jnp.asarray(X)
    for name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "weak_type"):
        assert getattr(x, name) == getattr(j, name), name
    for name in ("T", "mT", "real", "imag"):
        same(getattr(x, name), getattr(j, name))
    assert len(x) == 2 and [r.shape for r in x] == [(3,), (3,)] and len(list(reversed(x))) == 2
    assert list(x.flat)[1].shape == ()
    with pytest.raises(TypeError, match="unsized"):
        len(as_operand(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(as_operand(1.0))


def test_indexing_and_updates():
    x, j = as_operand(X), jnp.asarray(X)
    for key in (0, -1, (0, 1), slice(None, None, -1), (..., 1), None, np.array([1, 0]), (np.array([0, 1]), np.array([2, 0]))):
        same(x[key], j[key])
    same(x[X > 0], j[X > 0])
    same(x.at[0, 1].set(9), j.at[0, 1].set(9))
    same(x.at[:, 1].add(2), j.at[:, 1].add(2))
    same(x.at[1].multiply(3), j.at[1].multiply(3))
    with pytest.raises(TypeError, match=r"x\.at\[i\]\.set"):
        x[0] = 1


def test_python_numbers():
    assert int(as_operand(3.7)) == 3 and float(as_operand(2)) == 2 and complex(as_operand(1j)) == 1j
    assert [10, 20, 30][as_operand(1)] == 20 and as_operand(5).item() == 5 and as_operand(N).item(4) == 4
    assert as_operand(N).tolist() == N.tolist()
    assert bool(as_operand(np.array([[2.0]]))) and not as_operand(0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(as_operand(X))
    with pytest.raises(TypeError, match="scalar"):
        float(as_operand(X))
    with pytest.raises(TypeError, match="integer scalar"):
        [1, 2][as_operand(1.0)]
    with pytest.raises(TypeError, match="unhashable"):
        hash(as_operand(1))
    assert 3.0 in as_operand(X) and 77 not in as_operand(X)


VALUES = [X, N, np.float32(2), np.zeros((0, 3), np.float32), np.arange(2000, dtype=np.float32), np.linspace(0, 1, 30), X > 0,
          np.arange(3).astype(ml_dtypes.bfloat16), np.array([1 + 2j], np.complex64), np.ones((2, 2, 2), np.int8)]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}{v.shape}")
def test_text_is_jaxs(value):
    assert repr(as_operand(value)) == repr(jnp.asarray(value))
    assert str(as_operand(value)) == str(jnp.asarray(value))


def test_format_and_weak_text():
    assert f"{as_operand(2.5):.3f}" == "2.500" and repr(as_operand(2.0)) == repr(jnp.asarray(2.0))
    seen = []
    rt.jit(lambda x: seen.append((repr(x), f"{x}")) or x)(X)
    assert "staged" in seen[0][0] and "(2, 3)" in seen[0][1]


def test_numpy_functions_stay_on_the_device():
    x = as_operand(X)
    same(np.add(x, 1), jnp.add(X, 1))
    same(np.exp(x), jnp.exp(X))
    same(X + x, X + jnp.asarray(X))
    same(np.add.reduce(x), jnp.sum(jnp.asarray(X), axis=0))
    same(np.concatenate([x, x]), jnp.concatenate([X, X]))
    same(np.mean(x, axis=0), jnp.mean(X, axis=0))
    with pytest.raises(TypeError, match="out="):
        np.add(X, 1, out=x)


def test_numpy_functions_work_while_staging():
    same(rt.jit(lambda x: np.sum(np.tanh(x) * np.float32(2), axis=0))(X), jnp.sum(jnp.tanh(X) * np.float32(2), axis=0))


def test_asarray_is_read_only_and_casts():
    x = as_operand(X)
    assert not np.asarray(x).flags.writeable and np.array(x).flags.writeable
    assert np.asarray(x, np.float64).dtype == np.float64
    assert x.tobytes() == X.tobytes()


def test_dlpack_both_ways():
    from runtime.dlpack import from_dlpack
    np.testing.assert_array_equal(np.from_dlpack(as_operand(X)), X)
    same(from_dlpack(X), jnp.asarray(X))
    np.testing.assert_array_equal(np.asarray(from_dlpack(as_operand(N))), N)


def test_pickle_and_copy():
    x = as_operand(X)
    for other in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x), x.copy()):
        np.testing.assert_array_equal(np.asarray(other), X)
        assert other is not x
    y = x.copy()
    x.delete()
    assert x.is_deleted() and not y.is_deleted()
    with pytest.raises(RuntimeError, match="deleted"):
        repr(x)
    np.testing.assert_array_equal(np.asarray(y), X)


def test_devices_and_transfers():
    x = rt.device_put({"a": X, "b": (1, 2.0)}, rt.devices()[0])
    assert x["a"].device == rt.devices()[0] and x["a"].devices() == {rt.devices()[0]} and x["a"].committed
    host = rt.device_get(x)
    assert type(host["a"]) is np.ndarray and host["b"][0] == 1
    assert rt.block_until_ready(x) is x
    assert x["a"].block_until_ready() is x["a"] and x["a"].is_ready() and x["a"].is_fully_addressable
    with pytest.raises(TypeError, match="device_put.*str"):
        rt.device_put("text")


def test_places_of_an_array():
    x = as_operand(X)
    assert x.platform == "cpu" and x.is_fully_replicated and x.is_fully_addressable
    np.testing.assert_array_equal(x.addressable_data(0), X)
    np.testing.assert_array_equal(x.clone(), X)


numpy_float64, numpy_int8 = np.float64, np.int8


@pytest.mark.parametrize("make", [
    lambda np: np.asarray(300, "int8"), lambda np: np.array([300, -1], "uint8"), lambda np: np.asarray([2**31]), lambda np: np.uint8(-1),
    lambda np: np.asarray(1e10, "int32"), lambda np: np.asarray(1j, "float32"), lambda np: np.asarray(2**40, "float32"),
    lambda np: np.asarray(float("nan"), "int32"), lambda np: np.asarray([None]), lambda np: np.asarray(None),
    lambda np: np.asarray(numpy_float64(300), "int8"), lambda np: np.asarray([numpy_int8(1), 2]), lambda np: np.asarray([np.int8(1), 2.5]),
    lambda np: np.full(2, 300, "int8"), lambda np: np.full(2, 2**40), lambda np: np.full(2, float("nan"), "int32"),
    lambda np: np.full(2, 1j, "float32"), lambda np: np.full_like(np.arange(2, dtype="int8"), 300), lambda np: np.full(2, 1e10, "int32")])
def test_numbers_that_do_not_fit(make):
    try:
        wanted = make(jnp)
    except (OverflowError, TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            make(rt.numpy)
    else:
        found = make(rt.numpy)
        assert (found.dtype, found.weak_type) == (wanted.dtype, wanted.weak_type)
        np.testing.assert_array_equal(found, wanted)
