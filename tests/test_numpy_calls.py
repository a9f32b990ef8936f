"""NumPy's own functions inside transformed functions, where they are asked about shapes and sequences."""
import functools

import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp

X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


def flat(x):
    return x.reshape(np.prod(x.shape)) * 2


def tail(x):
    return x.reshape((-1, np.prod(x.shape[1:])))


def back(x, order=(1, 0)):
    return jnp.transpose(jnp.transpose(x * x, order), np.argsort(order))


def scaled(x):
    return x / np.sqrt(np.prod(x.shape[:-1])) + np.max([len(x), 3]) + np.sum((1, 2))


def parts(x):
    return jnp.split(x, np.cumsum([1, 2])[:-1], axis=1)[1]


@pytest.mark.parametrize("f", [flat, tail, back, scaled, parts])
def test_numpy_functions_take_sequences(f):
    theirs = getattr(jax.numpy, "asarray")(X)
    expected = _with(jax.numpy, f)(theirs)
    for transformed in (xform.jit(f), xform.jit(xform.jit(f))):
        np.testing.assert_allclose(transformed(X), expected, rtol=1e-6)
    np.testing.assert_allclose(xform.vmap(f)(X[None])[0], expected, rtol=1e-6)
    ours = xform.grad(lambda x: jnp.sum(f(x) ** 2))(X)
    np.testing.assert_allclose(ours, jax.grad(lambda x: jax.numpy.sum(_with(jax.numpy, f)(x) ** 2))(theirs), rtol=1e-5)


def spectrum(x):
    return np.abs(np.fft.rfft(x)) ** 2 + np.fft.fftfreq(4)[:2]


def flattened(x):
    y = x.T.flatten()           # a copy, which x does not see
    y[::2] *= -1
    return y * x.ravel()


def lists_for_arrays(x):
    kernel = [0.25, 0.5, 0.25]
    smooth = np.convolve(x[0], kernel, mode="same") + np.interp(x[1], [0, 2.5, 6.5], WEIGHTS) + np.dot([[1, 0, 2]] * 3, x[0])
    return np.concatenate([[1.0], smooth, np.maximum(x[0], [1.5] * 3), [x[1, 0], 2.0]]) + np.average([x[0, 0], x[1, 1]], weights=[1, 3])


def lists_of_items(x):
    a = np.linalg.solve([[2, 1], [1, 3]], np.hstack([x[0, 1], [x[1, 2]]])) @ np.linalg.inv([[x[1, 1], 1.0], [2.0, x[1, 2]]])
    return np.vstack([np.sin([x[0, 1], x[0, 2]]), np.where(a > 0, [1.0, 2.0], a), np.diag([x[1, 0], 1.0])]) * np.linalg.norm([x[0, 1], x[1, 1]])


def lists_as_indices(x):
    y = np.zeros((3, 2))
    y[[2, 0]] = x.T[[0, 1]]
    x[[0, 1]] = x[[1, 0]]
    return y + x[:, [2]].T + x.T * y[[0, 1, 1]]


WEIGHTS = [1.0, 3.0, 2.0]


@pytest.mark.parametrize("f", [spectrum, flattened, lists_for_arrays, lists_of_items, lists_as_indices])
def test_plain_programs(f):
    expected = f(np.array(X, np.float64))
    for transformed in (xform.jit(f), lambda x: xform.vmap(f)(x[None])[0], lambda x: xform.jit(xform.vmap(f))(x[None])[0]):
        np.testing.assert_allclose(transformed(X), expected, rtol=1e-5, atol=1e-6)
    step = 1e-6 * np.eye(6).reshape(6, 2, 3)
    slopes = np.stack([(f(X + d) - f(X - d)) / 2e-6 for d in step], -1).reshape(*np.shape(expected), 2, 3)
    for derived in (xform.jacrev(f), xform.jit(xform.jacrev(f)), xform.jacfwd(f)):
        np.testing.assert_allclose(derived(X), slopes, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("f", [lambda x: x + [1.0, 2.0, 3.0], lambda x: [1.0, 2.0, 3.0] + x, lambda x: (1.0, x) + x])
def test_an_array_is_not_joined_with_a_list(f):
    for transformed in (xform.jit, xform.vmap, xform.jacrev):
        with pytest.raises(TypeError, match="unsupported operand"):
            transformed(f)(X)


def _with(module, f):
    """The function with another module in the place of jnp."""
    made = type(f)(f.__code__, {**f.__globals__, "jnp": module}, f.__name__, f.__defaults__)
    return made


@functools.partial(xform.jit, static_argnums=0)
def of_static_shape(shape, x):
    return x.reshape(shape) / np.prod(shape)


def test_a_static_shape_is_multiplied_out():
    np.testing.assert_allclose(of_static_shape((3, 2), X), X.reshape(3, 2) / 6, rtol=1e-6)


def test_jnp_still_refuses_sequences():
    with pytest.raises(TypeError):
        xform.jit(lambda x: x * jnp.sum([1, 2]))(X)


def pair(x):
    return np.array([x, x * 2])


def placed(x):
    y = np.zeros(3)
    y[1] = x
    return y


def whole(x):
    return np.ones(3) * int(4 * x) + float(x) * (not x > 1)


def by_a_local_function(x):
    def inner(y):
        return np.full(2, y)
    return inner(x * 2)


class Scale:
    def __init__(self, size):
        self.size = size

    def both(self, x):
        return np.array([x, self.size])


scale = Scale(2.0)


@pytest.mark.parametrize("helper", [pair, placed, whole, by_a_local_function, scale.both, lambda x: np.array([x, x])])
def test_helpers_without_control_flow_are_compiled_too(helper):
    def f(x):
        return helper(x) * 3.0
    np.testing.assert_allclose(xform.jit(f)(0.7), f(0.7), rtol=1e-6)
    np.testing.assert_allclose(xform.jit(xform.jacfwd(f))(0.7), xform.jacrev(f)(0.7), rtol=1e-6)
    np.testing.assert_allclose(xform.jit(xform.vmap(f))(np.float32([0.7, 0.2])), np.stack([f(0.7), f(0.2)]), rtol=1e-6)


def counted(x):
    y = np.zeros(4)
    np.add.at(y, [0, 1, 1, 3], x)
    np.subtract.at(y, (np.array([2, 2]),), 0.5 * x[:2])
    return (y ** 2).sum()


def bordered(x):
    a = np.outer(x, x)
    np.fill_diagonal(a, 0.3)
    np.put(a, [1, 5], x[:2] * 2)
    np.putmask(a, a > 0.5, a ** 2)
    return (a * np.arange(4.0)).sum()


def copied_into(x):
    y = np.zeros(4)
    np.copyto(y, x)
    np.copyto(y, x ** 2, where=x < 0.2)
    return (y * x).sum()


def add_rows(total, x):
    np.add.at(total, np.array([0, 2, 0]), x[:3])


class Bins:
    def __init__(self):
        self.sums = np.zeros(3)

    def add(self, place, value):
        np.add.at(self.sums, place, value)


def in_helpers_and_objects(x):
    total, bins = np.ones(3), Bins()
    add_rows(total, x)
    for i in range(3):
        bins.add(np.array([i, 0]), x[i:i + 2])
    return (total ** 2).sum() + (bins.sums ** 3).sum()


@pytest.mark.parametrize("f", [counted, bordered, copied_into, in_helpers_and_objects], ids=lambda f: f.__name__)
def test_functions_that_write_into_their_first_argument(f):
    with xform.enable_x64(True):
        x, step = np.array([0.5, 1.5, -0.7, 2.0]), 1e-6
        slopes = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(4)]
        np.testing.assert_allclose(xform.jit(f)(x), f(x.copy()))
        np.testing.assert_allclose(xform.vmap(f)(np.stack([x, x * 2])), [f(x.copy()), f(x * 2)])
        np.testing.assert_allclose(xform.jit(xform.grad(f))(x), slopes, rtol=1e-5)
        np.testing.assert_allclose(xform.vmap(xform.grad(f))(x[None])[0], slopes, rtol=1e-5)


def written_under_another_name(x):
    y = np.zeros(4)
    z = y
    np.add.at(y, [0], x[:1])
    return z.sum() + y.sum()


def test_what_such_functions_change_has_no_other_name():
    with pytest.raises(xform.errors.TransformError, match="'z' is read here after it was changed in place as 'y'"):
        xform.grad(written_under_another_name)(X[0])


def by_class(x, table):
    return np.sum(x) * 2 if isinstance(table, np.ndarray) else np.sum(x) * 3


def by_class_in_helper(x, table):
    local = np.zeros(3)
    local[0] = 1.0
    return asked_by_helper(x) * asked_by_helper(table) * asked_by_helper(local)


def asked_by_helper(v):
    return asked_deeper(v)


def asked_deeper(v):
    return 2.0 * np.sum(v ** 2) if isinstance(v, (np.ndarray, list)) else 3.0 * v


def by_class_of_scalars(x, table):
    return (asked_deeper(x[0]) + asked_deeper(np.sum(x)) + asked_deeper(x)) * (2 if isinstance(x[0], (np.ndarray, float)) else 5) + np.sum(table)


@pytest.mark.parametrize("f", [by_class, by_class_in_helper, by_class_of_scalars], ids=lambda f: f.__name__)
def test_arrays_of_every_transformation_are_arrays_of_numpy(f):
    with xform.enable_x64(True):
        x, table, step = np.array([0.5, 1.5, -0.7]), np.arange(2.0), 1e-6
        expected, slopes = f(x, table), [(f(x + step * e, table) - f(x - step * e, table)) / (2 * step) for e in np.eye(3)]
        for args in ((x, table), (jnp.asarray(x), jnp.asarray(table)), (x, jnp.asarray(table))):
            np.testing.assert_allclose(xform.jit(f)(*args), expected)
            np.testing.assert_allclose(xform.jvp(f, args, args)[0], expected)
            np.testing.assert_allclose(xform.vmap(f, in_axes=(0, None))(args[0][None], args[1])[0], expected)
            np.testing.assert_allclose(xform.grad(f)(*args), slopes, rtol=1e-5)
            np.testing.assert_allclose(xform.grad(xform.jit(f))(*args), slopes, rtol=1e-5)


def test_a_number_is_no_array_of_numpy():
    def f(x):
        return 2.0 * x if isinstance(x, np.ndarray) else 3.0 * x
    assert xform.grad(f)(2.0) == xform.jit(xform.grad(f))(2.0) == 3.0
    assert xform.vmap(f)(np.float32([1, 2])).tolist() == [3.0, 6.0]


def lists_into_arrays(x):
    y = np.zeros((3, 3))
    y[0] = [x[0], 2.0, x[1] * x[2]]
    y[1:] = [[1, 2, 3], x]
    y[:, 1] = (x[0], x[1] ** 2, 5)
    rows = [x * 2, x * 3]
    rows[0] = [x[2], 4.0]       # of a list the item is a list
    table = {"a": 0, 1: 0}
    table["a"], table[1] = [x[0], x[1]], [x[1]]
    last = np.ones(3)
    filled(last, x)
    return (y * x * last).sum() + len(rows[0]) * rows[0][0] * table["a"][1] * table[1][0]


def filled(row, x):
    row[:2] = [v * v for v in x[:2]]


def sorted_in_place(x):
    y = np.outer(x, x * x)
    y.sort(axis=0)
    y[1].sort()
    v = -x
    v.sort()
    items, named = [x[0], x[1], x[2]], {"a": [x[0], x[1], x[2]]}
    items.sort(key=lambda v: -v)
    named["a"].sort(reverse=True)
    return (y * np.arange(9.0).reshape(3, 3)).sum() + (v * 2 * x).sum() + items[0] * named["a"][0] * len(items * 2)


def results_into_arrays(x):
    a, total = np.zeros((2, 3)), np.empty(3)
    np.add(x, 2 * x, out=a[0])
    np.multiply(a[0], x, a[1])
    np.exp(a, out=a)
    sums = np.sum(a, axis=0, out=total)
    largest = sums.max()
    total += largest
    np.clip(total, 0.0, 30.0, out=(total,))
    return np.dot(total, x) + into_result(x, np.zeros(3)).sum()


def into_result(x, y):
    return np.sin(x, out=y)


def put_along(x):
    y = np.outer(x, x)
    np.put_along_axis(y, np.array([[0], [2], [1]]), 2 * x[:, None], axis=1)
    return (y * y).sum()


def element_by_element(x):
    y, a, total = np.zeros((3, 3)), np.outer(x, x), 0.0
    for (i, j), v in np.ndenumerate(a):
        y[i, j] = v * v * (i - j)
    for v in y.T.flat:
        total = total * 0.5 + v
    return total + a.flat[4] * a.flat[-2:].sum() + sum(v ** 3 for v in a.flat) * len(x.flat)


def windows(x):
    a = np.ascontiguousarray(np.outer(x, x * x).T)
    pairs = np.lib.stride_tricks.sliding_window_view(a, (2, 3))
    both = np.lib.stride_tricks.sliding_window_view(a, (3, 2), axis=(1, 0))
    return (pairs ** 2).sum() + (both * np.arange(12.0).reshape(both.shape)).sum() + sliding(x, 2).max(axis=-1).prod()


def sliding(x, size):
    return np.lib.stride_tricks.sliding_window_view(x, size) * np.asfortranarray(x)[0]


@pytest.mark.parametrize("f", [lists_into_arrays, sorted_in_place, results_into_arrays, put_along, element_by_element, windows], ids=lambda f: f.__name__)
def test_programs_that_write_into_arrays(f):
    with xform.enable_x64(True):
        x, step = np.array([0.5, 1.5, -0.7]), 1e-6
        slopes = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(3)]
        np.testing.assert_allclose(xform.jit(f)(x), f(x.copy()))
        np.testing.assert_allclose(xform.vmap(f)(np.stack([x, x * 2])), [f(x.copy()), f(x * 2)])
        np.testing.assert_allclose(xform.grad(f)(x), slopes, rtol=1e-5)
        np.testing.assert_allclose(xform.jit(xform.vmap(xform.grad(f)))(x[None])[0], slopes, rtol=1e-5)


def test_a_result_is_not_lost_inside_an_expression():
    def f(x):
        total = np.zeros(3)
        return 2 * np.sum(x * x, axis=0, out=total) + total
    for transformed in (xform.jit, xform.jacrev, lambda f: lambda x: xform.vmap(f)(x[None])):
        with pytest.raises((NotImplementedError, xform.errors.TransformError), match="out="):
            transformed(f)(X)


@pytest.mark.parametrize("library", [np, jnp], ids=["numpy", "xform"])
def test_dtypes_are_compared(library):
    def f(x):
        i = x.astype(np.int32)
        assert i.dtype == library.int32 and library.float32 == x.dtype
        return (x ** 2).sum() if i.dtype != library.float32 else x.max()
    np.testing.assert_allclose(xform.jit(f)(X), (X ** 2).sum())
    for derived in (xform.grad(f), xform.jit(xform.grad(f)), xform.grad(xform.jit(f)), lambda x: xform.vmap(xform.grad(f))(x[None])[0]):
        np.testing.assert_allclose(derived(X), 2 * X)
    np.testing.assert_allclose(xform.hessian(f)(X).reshape(6, 6), 2 * np.eye(6))


def by_pieces(x):
    return np.piecewise(x, [x < 2, x >= 4], [lambda v: v ** 2, lambda v: 3 * v, 7.0]) + np.piecewise(x, np.stack([x < 1, x > 3]), [np.sin, np.cos, np.exp])


def test_pieces_have_one_more_function_for_the_rest():
    x = X + np.float32(0.1)
    expected, slopes = by_pieces(x), (by_pieces(x + np.float32(1e-2)) - by_pieces(x - np.float32(1e-2))) / 2e-2
    for transformed in (xform.jit, lambda f: lambda x: xform.vmap(f)(x[None])[0]):
        np.testing.assert_allclose(transformed(by_pieces)(x), expected, rtol=1e-5)
        np.testing.assert_allclose(transformed(xform.grad(lambda x: np.sum(by_pieces(x))))(x), slopes, rtol=1e-2)


def side_by_side(x):
    total = 0.0
    for f, v in zip([np.sin, np.cos, np.exp], x):
        total = total + f(v)
    return np.sum(total)


def test_functions_beside_too_few_items_are_refused():
    for transformed in (xform.jit, xform.grad, lambda f: lambda x: xform.vmap(f)(x[None])):
        with pytest.raises(ValueError, match="an array of 2 items is run over beside 3 functions"):
            transformed(side_by_side)(X[0, :2])
    np.testing.assert_allclose(xform.jit(side_by_side)(X.T), side_by_side(X.T), rtol=1e-6)
