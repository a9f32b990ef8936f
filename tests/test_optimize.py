"""scipy.optimize.minimize: the minima are those that jax and SciPy find; under jit, vmap and derivatives too."""
import jax
import jax.scipy.optimize
import numpy as np
import pytest
import scipy.optimize
import xform
import xform.scipy.optimize
from xform.scipy.optimize import OptimizeResults, minimize

LIMITED = "l-bfgs-experimental-do-not-rely-on-this"
METHODS = ("BFGS", LIMITED)


def rosenbrock(x):
    return sum(100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(3))


def himmelblau(x, c):
    return (x[0] ** 2 + x[1] - c) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def bowl(x, c, d):
    return xform.numpy.sum((x - c) ** 4) + d * xform.numpy.sum(xform.numpy.cos(x))


def quadratic(lib):
    matrix = np.array([[3, 1, 0], [1, 2, 0.5], [0, 0.5, 1]], np.float32)
    return lambda x: 0.5 * x @ matrix @ x - lib.numpy.sum(x)


@pytest.mark.parametrize("method", METHODS)
def test_minima(method):
    found = minimize(rosenbrock, np.zeros(4, np.float32), method=method)
    np.testing.assert_allclose(found.x, np.ones(4), atol=2e-3)
    assert float(found.fun) < 1e-6
    mine = minimize(himmelblau, np.ones(2, np.float32), args=(11.0,), method=method)
    theirs = jax.scipy.optimize.minimize(himmelblau, np.ones(2, np.float32), args=(11.0,), method=method)
    np.testing.assert_allclose(mine.x, theirs.x, rtol=1e-4)
    assert mine._fields == theirs._fields and isinstance(mine, OptimizeResults)
    assert bool(mine.success) and int(mine.status) == 0
    for a, b in zip(mine, theirs):
        assert (a is None) == (b is None) and (a is None or (a.shape, a.dtype) == (b.shape, b.dtype))
    best = scipy.optimize.minimize(lambda x: np.sum((x - 0.7) ** 4) + 0.1 * np.sum(np.cos(x)), np.zeros(3), tol=1e-10)
    ours = minimize(bowl, np.zeros(3, np.float32), args=(0.7, 0.1), method=method)
    np.testing.assert_allclose(ours.fun, best.fun, atol=1e-4)


def test_inverse_hessian_of_a_quadratic():
    found = minimize(quadratic(xform), np.zeros(3, np.float32), method="bfgs")
    theirs = jax.scipy.optimize.minimize(quadratic(jax), np.zeros(3, np.float32), method="bfgs")
    np.testing.assert_allclose(found.x, theirs.x, atol=1e-5)
    np.testing.assert_allclose(found.hess_inv @ np.ones(3), theirs.hess_inv @ np.ones(3), atol=2e-2)


@pytest.mark.parametrize("method", METHODS)
def test_transformed(method):
    def f(c):
        return minimize(himmelblau, np.ones(2, np.float32), args=(c,), method=method).x
    cs = np.array([11, 10, 9], np.float32)
    each = np.stack([f(c) for c in cs])
    np.testing.assert_allclose(xform.vmap(f)(cs), each, rtol=1e-3)
    np.testing.assert_allclose(xform.jit(xform.vmap(f))(cs), each, rtol=1e-3)
    np.testing.assert_allclose(xform.jit(f)(10.0), each[1], rtol=1e-4)
    slope = (f(11.1) - f(10.9)) / 0.2
    np.testing.assert_allclose(xform.jacobian(f)(11.0), slope, atol=2e-3)
    np.testing.assert_allclose(xform.jacfwd(f)(11.0), slope, atol=2e-3)


def test_status_and_options():
    start = np.zeros(4, np.float32)
    short = minimize(rosenbrock, start, method="BFGS", options={"maxiter": 3})
    assert (int(short.nit), int(short.status), bool(short.success)) == (3, 1, False)
    assert int(minimize(rosenbrock, start, method=LIMITED, options={"maxfun": 5}).status) == 2
    assert int(minimize(rosenbrock, start, method=LIMITED, options={"maxgrad": 5}).status) == 3
    assert int(minimize(rosenbrock, start, method=LIMITED, options={"ftol": 1e9}).status) == 4
    assert int(minimize(lambda x: x[0], np.zeros(1, np.float32), method="BFGS").status) in (3, 5)      # no minimum
    loose = minimize(rosenbrock, start, method="BFGS", tol=1e-1)
    assert int(loose.nit) < int(minimize(rosenbrock, start, method="BFGS").nit)
    done = minimize(himmelblau, np.array([3, 2], np.float32), args=(11.0,), method="BFGS")
    assert (int(done.nit), int(done.nfev), int(done.status)) == (0, 1, 0)
    assert minimize(lambda x: (x[0] - 2) ** 2, np.array([1]), method="BFGS").x.dtype == np.float32


def test_wrong_arguments():
    start = np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="Method newton not recognized"):
        minimize(rosenbrock, start, method="newton")
    with pytest.raises(TypeError, match="args must be a tuple"):
        minimize(himmelblau, start, args=11.0, method="BFGS")
    with pytest.raises(TypeError, match="has no option 'maxitr'; it has maxiter"):
        minimize(rosenbrock, start, method="BFGS", options={"maxitr": 3})
    with pytest.raises(ValueError, match=r"x0 must be an array of one axis, got shape \(2, 2\)"):
        minimize(rosenbrock, np.zeros((2, 2)), method="BFGS")


def test_found_by_every_path():
    assert xform.scipy.optimize.minimize is minimize
    assert "optimize" in dir(xform.scipy)
