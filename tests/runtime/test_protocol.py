"""Plain NumPy calls on Arrays run here and give Arrays; host arrays of every layout come in; what has no answer is refused."""
import numpy as np
import pytest

import xform
import xform.numpy as xnp

HOST = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
A = xnp.asarray(HOST)


@pytest.mark.parametrize("call", [
    lambda a: np.sum(a, axis=0), lambda a: np.concatenate([np.ones((1, 3), np.float32), a]), lambda a: np.where(a > 2, a, 0),
    lambda a: np.add.reduce(a, axis=1), lambda a: np.add.reduce(a), lambda a: np.multiply.outer(a, a), lambda a: np.maximum.accumulate(a, axis=1),
    lambda a: np.subtract.reduce(a), lambda a: np.subtract.accumulate(a), lambda a: np.add.reduceat(a, [0, 1], axis=1), lambda a: np.hypot.outer(
        a[0], a[1]), lambda a: np.logaddexp.reduce(a, axis=1), lambda a: np.logaddexp.accumulate(a), lambda a: np.divide.reduceat(a, [0, 2], 1),
    lambda a: np.add(a, 1, dtype="float16"), lambda a: np.add.reduce(a, where=a > 2), lambda a: np.linalg.norm(a), lambda a: np.add.reduce(
        a, axis=None, keepdims=True), lambda a: np.float32(2) * a, lambda a: np.maximum.reduce(a, initial=4.0), lambda a: np.einsum("ij->i", a)])
def test_numpy_functions_stay_here(call):
    found, expected = call(A), call(HOST)
    assert isinstance(found, xform.Array) and found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_out_takes_results_where_it_is_a_host_array():
    out = np.zeros((2, 3), np.float32)
    assert np.add(A, 1, out=out) is out
    np.testing.assert_array_equal(out, HOST + 1)
    np.add(A, 10, out=out, where=HOST > 3)
    np.testing.assert_array_equal(out, np.where(HOST > 3, HOST + 10, HOST + 1))
    total = np.zeros(3, np.float32)
    assert np.sum(A, axis=0, out=total) is total
    np.testing.assert_array_equal(total, HOST.sum(0))
    total += A[0]
    np.testing.assert_array_equal(total, HOST.sum(0) + HOST[0])
    fraction, whole = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)
    np.modf(A / 2, out=(fraction, whole))
    np.testing.assert_array_equal(whole, np.modf(HOST / 2)[1])
    with pytest.raises(TypeError, match="immutable Array"):
        np.add(HOST, 1, out=A)
    with pytest.raises(TypeError, match="immutable Array"):
        np.sum(HOST, axis=0, out=A[0])
    with pytest.raises(TypeError, match="[Cc]ast"):
        np.add(A, 1, out=np.zeros((2, 3), np.int32))


def test_refusals():
    with pytest.raises(ValueError, match="where= without out="):
        np.add(A, 1, where=HOST > 3)
    with pytest.raises(TypeError, match="inplace=False"):
        np.add.at(A, 0, 1)
    with pytest.raises(TypeError):
        np.isnat(A)
    with pytest.raises(TypeError, match="no implementation found"):
        np.busday_count(A, A)


@pytest.mark.parametrize("host", [
    np.arange(4, dtype=">f4"), np.arange(4, dtype=">i4"), np.arange(4).astype(">c8"), np.arange(4, dtype=">f2"), HOST[::-1, ::2], HOST.T,
    np.broadcast_to(np.float32(3), (2, 3)), np.frombuffer(b"\0\0\x80\x3f", "f4"), np.zeros((0, 3), np.float32), np.asfortranarray(HOST)],
    ids=lambda h: f"{h.dtype.str}{h.shape}{h.strides}")
def test_host_arrays_of_every_layout(host):
    native = host.astype(host.dtype.newbyteorder("="))
    for found in (xnp.asarray(host), xform.device_put(host), xform.jit(lambda x: x)(host), xnp.asarray(host) + host * 0):
        assert found.dtype == native.dtype and found.shape == host.shape
        np.testing.assert_array_equal(np.asarray(found), native)
    if host.dtype.kind == "f":
        np.testing.assert_array_equal(xform.grad(lambda x: xnp.sum(x * x))(host), 2 * native)
        np.testing.assert_array_equal(xnp.zeros(host.shape, native.dtype).at[...].set(host), native)


def test_later_writes_to_host_arrays_are_not_seen():
    host = np.arange(1024, dtype=np.float32)
    made = xnp.asarray(host), xform.device_put(host), xform.jit(lambda x: x)(host)
    host[:] = -1
    for array in made:
        assert float(array[5]) == 5


def test_empty_arrays():
    empty = xnp.zeros((0, 2))
    np.testing.assert_array_equal(xform.grad(lambda x: x.sum())(empty), empty)
    assert xform.vmap(lambda x: x * 2)(empty).shape == (0, 2) and xform.jit(lambda x: x.T @ x)(empty).shape == (2, 2)
    assert xnp.linalg.inv(xnp.zeros((0, 0))).shape == (0, 0) and float(xnp.sum(empty)) == 0 and np.isnan(float(xnp.mean(empty)))
    for function in (xnp.argmax, xnp.argmin):
        for axis in (None, 0):
            with pytest.raises(ValueError, match="of an empty sequence"):
                function(empty, axis)
    with pytest.raises(ValueError, match="zero-size array to reduction operation max which has no identity"):
        xnp.max(empty)


def test_arrays_too_large_to_be_counted():
    for run in (lambda f: f(A[0, 0]), lambda f: xform.jit(f)(A[0, 0])):
        with pytest.raises(ValueError, match="larger than the maximum possible size"):
            run(lambda x: xnp.broadcast_to(x, (1 << 33, 1 << 33)))
    with pytest.raises((ValueError, MemoryError)):
        xnp.zeros((1 << 20, 1 << 20, 1 << 25))
    with pytest.raises(ValueError, match="negative"):
        xnp.zeros((-1,))


def test_deleted_and_donated_arrays():
    gone, given = xnp.arange(3.0), xnp.arange(3.0)
    gone.delete()
    step = xform.jit(lambda x: x + 1, donate_argnums=0)
    step(given)
    for array in (gone, given):
        for use in (lambda: array + 1, lambda: np.asarray(array), lambda: array[0], lambda: step(array), lambda: xform.jit(lambda x: x)(array),
                    lambda: repr(array)):
            with pytest.raises(RuntimeError, match="deleted"):
                use()
        assert array.shape == (3,)


@pytest.mark.parametrize("dtype", ["S3", "U3", "O", "M8[s]", "longdouble", [("a", "f4")]])
def test_dtypes_that_no_device_has(dtype):
    with pytest.raises(TypeError, match="not a valid array element type"):
        xnp.asarray(np.zeros(2, dtype))
