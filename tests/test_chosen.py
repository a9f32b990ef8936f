"""What masks choose, summed up, combined and put back, where the masks' values are not known: under jit, and with a mask for each example."""
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform import grad, jit, jvp, vmap


def scaled(x, c):
    y = x * 1.5
    y[x > c] += 2.0
    y[(y < 0.3) & ~(x > 0.9)] *= c
    return y.sum()


def computed(x, c):
    y = x * 1.5
    m = x > 0.1
    y[m] = np.sin(y[m]) * c + x[m] ** 2
    y[~m] = np.exp(y[~m])
    return (y * y).sum()


def safe(x, c):
    y = x * 1.5
    y[y > 0] = np.sqrt(y[y > 0])
    return y.sum() + c * np.log(x[x > 0.0]).sum()


def summed(x, c):
    v = x[x < c]
    return v @ v + np.dot(v, x[x < c] ** 2) + v.sum() + v.mean() * v.max() - v.min() + v.std() + np.linalg.norm(v) + np.prod(v) + v.var(ddof=1)


def counted(x, c):
    v = x[x < c]
    total = 0.0
    if len(v) > 2:
        total = (v * v).sum() / v.size
    return total + v.shape[0] * c + np.any(v > 0.4) * c + np.all(v > -9.0) * c


def placed(x, c):
    y = x * 1.5
    at = np.where(x > c)[0]
    y[at] *= x[at]
    y[np.nonzero(y < 0)] = c
    return y.sum() + x[at].sum()


def helper(v, c):
    w = np.tanh(v)
    return w * c + w


def called(x, c):
    y = x * 1.5
    m = x > c
    y[m] = helper(y[m], c)
    return y.sum()


def looped(x, c):
    y = x * 1.5
    for i in range(3):
        m = y > c
        y[m] -= 0.5 * y[m]
        c = c + 0.1 * y[m].sum()
    return y.sum() + c


def rows(x, c):
    y = np.outer(x, np.array([1.0, 2.0, 3.0]))
    m = x > c
    y[m] *= np.array([2.0, 3.0, 4.0])
    return (y[m].sum(axis=0) * np.array([1.0, 0.5, 0.25])).sum() + y[m].mean() + (y ** 2).sum()


def whole(x, c):
    y = np.outer(x, x)
    y[y > c] -= y[y > c] ** 2
    return y.sum() + y[y < 0].mean() + len(y[y < 0]) * c


PROGRAMS = [scaled, computed, safe, summed, counted, placed, called, looped, rows, whole]
X = np.array([[0.11, -0.72, 0.31, 0.95, -0.56, 0.23], [0.7, 0.4, -0.91, -0.15, 0.26, 1.3], [-0.3, 0.21, 0.52, 0.33, 0.81, -1.1]])
C = np.array([0.45, 0.32, 0.28])


@pytest.fixture(autouse=True)
def doubles():
    with xform.enable_x64(True):
        yield


def slopes(f, x, c, step=1e-6):
    return np.array([(f(x + step * e, c) - f(x - step * e, c)) / (2 * step) for e in np.eye(len(x))])


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values(f):
    wanted = [f(x, c) for x, c in zip(X, C)]
    np.testing.assert_allclose([jit(f)(jnp.asarray(x), c) for x, c in zip(X, C)], wanted, rtol=1e-9)
    np.testing.assert_allclose(vmap(f)(X, C), wanted, rtol=1e-9)
    np.testing.assert_allclose(jit(vmap(f))(X, C), wanted, rtol=1e-9)


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives(f):
    wanted = np.array([slopes(f, x, c) for x, c in zip(X, C)])
    np.testing.assert_allclose(grad(f)(X[0], C[0]), wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jit(grad(f))(X[0], C[0]), wanted[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jit(vmap(grad(f)))(X, C), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(grad(lambda x: vmap(f)(x, C).sum())(X), wanted, rtol=1e-4, atol=1e-5)
    tangents = vmap(lambda x, c: jvp(lambda v: f(v, c), (x,), (x,))[1])(X, C)
    np.testing.assert_allclose(tangents, (wanted * X).sum(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("f", [computed, whole], ids=lambda f: f.__name__)
def test_second_derivatives_agree(f):
    def along(x, c):
        return (grad(f)(x, c) * x).sum()
    wanted = np.array([slopes(lambda x, c: float(along(x, c)), x, c) for x, c in zip(X, C)])
    np.testing.assert_allclose(jit(vmap(grad(along)))(X, C), wanted, rtol=1e-4, atol=1e-4)


def test_batches_of_batches_and_shared_masks():
    def put(x, m):
        y = x * 1.0
        known = m > 0
        y[known] += y[known].mean()
        return y.sum() * y[known].max()
    m = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 0, 1]])
    wanted = [[put(x, k) for x in X] for k in m]
    both = vmap(vmap(put, (0, None)), (None, 0))
    np.testing.assert_allclose(both(X, m), wanted)
    np.testing.assert_allclose(jit(both)(X, m), wanted)
    np.testing.assert_allclose(jit(vmap(put, (0, None)))(X, m[0]), wanted[0])
    wanted = [[slopes(put, x, k) for x in X] for k in m]
    np.testing.assert_allclose(jit(vmap(vmap(grad(put), (0, None)), (None, 0)))(X, m), wanted, rtol=1e-5)


def positive(x):
    return np.logical_not(x <= 0)


def test_masks_that_functions_make_and_arguments_that_are_made_masks():
    def f(x, chosen):
        chosen = chosen.astype(bool)
        return x[chosen].mean() + x[positive(x)].sum()
    wanted = X[0][[True, False] * 3].mean() + X[0][X[0] > 0].sum()
    np.testing.assert_allclose(jit(f)(X[0], np.array([1, 0] * 3)), wanted)


def test_nothing_chosen():
    def f(x):
        return np.log(x[x > 99.0]).sum() + x.sum() + len(x[x > 99.0])
    np.testing.assert_allclose(jit(f)(X[0]), X[0].sum())
    np.testing.assert_array_equal(jit(grad(f))(X[0]), np.ones(6))
    assert np.isnan(jit(lambda x: x[x > 99.0].mean())(X[0]))


def test_whole_numbers_keep_their_type():
    def f(n):
        n = n.copy()
        n[n > 3] *= 10
        n[n % 2 == 0] //= 2
        return n, n[n > 3].max(), n[n > 3].sum()
    for got, wanted in zip(jit(f)(np.arange(7)), f(np.arange(7))):
        assert got.dtype.kind == "i"
        np.testing.assert_array_equal(got, wanted)


def test_numbers_are_put_at_masks_beside_slices():
    def f(x):
        y = np.zeros((2, 6, 3))
        y[..., x > 0.5, 1] = 3.0
        y[1, x > 0.2] = 1.0
        y[:, x < 0.3, 2:] = 2.0
        y[0, :, x[:3] > 0] = 7.0
        return y
    np.testing.assert_array_equal(jit(f)(X[0]), f(X[0]))


def beside(x, w):
    y = x * 1.0
    y[x > 0] += w
    return y.sum()


@pytest.mark.parametrize("run", [jit(beside), lambda x, w: vmap(beside)(x[None], w[None])], ids=["jit", "vmap"])
def test_a_value_for_each_element_is_refused(run):
    with pytest.raises(xform.errors.NonConcreteBooleanIndexError, match=r"\(number of true elements\) meets an operand of shape \(6,\)"):
        run(X[0], X[1])
    np.testing.assert_allclose(grad(beside)(X[0] ** 2, X[1]), np.ones(6))       # all chosen, and known


def rows_times_chosen(x, table):
    v = x[x > 0.3]
    return (table * v).sum() + len(table * v) * v.max()


@pytest.mark.parametrize("rows", [2, 5])
def test_tables_beside_known_masks(rows):
    table = np.arange(rows * 2.0).reshape(rows, 2)
    wanted = slopes(lambda x, c: rows_times_chosen(x, table), X[0], 0)
    np.testing.assert_allclose(grad(rows_times_chosen)(X[0], table), wanted, atol=1e-6)


def test_a_table_with_a_row_for_each_element_of_a_known_mask_is_refused():
    with pytest.raises(xform.errors.NonConcreteBooleanIndexError, match=r"shape \(2,\) meets an operand of shape \(6, 2\)"):
        grad(rows_times_chosen)(X[0], np.ones((6, 2)))
    with pytest.raises(xform.errors.NonConcreteBooleanIndexError, match=r"shape \(1,\) meets an operand of shape \(6,\)"):
        grad(lambda x: (x[x > 0.9] * x).sum())(X[0])
    taken = grad(lambda x: (np.take(x, np.flatnonzero(x > 0.9)) * x).sum())(X[0])
    np.testing.assert_allclose(taken, X[0][3] + np.where(X[0] > 0.9, X[0].sum(), 0.0))


def test_what_needs_a_shape_is_left_alone():
    def f(x):
        v = x[x > 0]
        return np.sort(v)[0] + v.sum()
    np.testing.assert_allclose(grad(f)(X[0]), slopes(lambda x, c: f(x), X[0], 0), atol=1e-6)
    with pytest.raises(xform.errors.NonConcreteBooleanIndexError, match="decide the shape"):
        jit(f)(X[0])


def count_places(x):
    return np.nonzero(x > 0.2)[0].sum()


def test_places_that_differ_between_examples_are_refused():
    with pytest.raises(xform.errors.ConcretizationTypeError, match="which may differ from example to example"):
        vmap(count_places)(X)
