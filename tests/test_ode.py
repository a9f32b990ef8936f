"""experimental.ode.odeint beside SciPy's solution and jax's, under the transformations."""
import jax
import numpy as np
import pytest
import scipy.integrate
import xform
from jax.experimental.ode import odeint as theirs
from xform.experimental.ode import odeint

TIMES = np.linspace(0, 3, 5, dtype=np.float32)


def pendulum(lib, solve):
    def slope(y, t, friction, gravity):
        return {"angle": y["speed"], "speed": -friction * y["speed"] - gravity * lib.numpy.sin(y["angle"]) + 0.1 * t}

    def found(friction, gravity):
        start = {"angle": lib.numpy.asarray(1.0), "speed": lib.numpy.asarray(0.0)}
        return solve(slope, start, TIMES, friction, gravity, rtol=1e-6, atol=1e-6)
    return found


def loss(lib, solve):
    return lambda friction, gravity: lib.numpy.sum(pendulum(lib, solve)(friction, gravity)["angle"] ** 2)


def test_values():
    found = pendulum(xform, odeint)(0.3, 9.8)
    exact = scipy.integrate.solve_ivp(lambda t, y: [y[1], -0.3 * y[1] - 9.8 * np.sin(y[0]) + 0.1 * t], (0, 3), [1, 0], t_eval=TIMES,
                                      rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found["angle"], exact.y[0], atol=2e-5)
    np.testing.assert_allclose(found["speed"], exact.y[1], atol=2e-4)
    assert found["angle"].dtype == np.float32 and found["angle"].shape == (5,)


def test_derivatives():
    with_jax = jax.grad(loss(jax, theirs), (0, 1))(0.3, 9.8)
    np.testing.assert_allclose(xform.grad(loss(xform, odeint), (0, 1))(0.3, 9.8), with_jax, rtol=3e-4, atol=1e-5)
    np.testing.assert_allclose(xform.jit(xform.grad(loss(xform, odeint)))(0.3, 9.8), with_jax[0], rtol=3e-4)
    exact = sum(np.asarray(g) * d for g, d in zip(with_jax, (1.0, 0.5)))
    np.testing.assert_allclose(xform.jvp(loss(xform, odeint), (0.3, 9.8), (1.0, 0.5))[1], exact, rtol=3e-4)


def test_derivatives_in_times_and_start():
    def total(lib, solve):
        return lambda t, y: lib.numpy.sum(solve(lambda y, t: -y * t, y, t, rtol=1e-6, atol=1e-6)[1:])
    y = np.array([1, 2], np.float32)
    mine, other = xform.grad(total(xform, odeint), (0, 1))(TIMES, y), jax.grad(total(jax, theirs), (0, 1))(TIMES, y)
    np.testing.assert_allclose(mine[0][1:], other[0][1:], atol=2e-3)
    np.testing.assert_allclose(mine[1], other[1], atol=1e-3)
    # y(t) = y0 exp(-t^2 / 2)
    np.testing.assert_allclose(mine[1], [np.exp(-TIMES[1:].astype(float) ** 2 / 2).sum()] * 2, atol=1e-3)


def test_batches_and_second_derivatives():
    decays = np.array([0.3, 0.6], np.float32)

    def end(rate):
        return odeint(lambda y, t: -rate * y, np.float32(1.0), TIMES, rtol=1e-6, atol=1e-6)[-1]
    np.testing.assert_allclose(xform.vmap(end)(decays), np.exp(-3 * decays), rtol=1e-4)
    np.testing.assert_allclose(xform.jit(xform.vmap(end))(decays), np.exp(-3 * decays), rtol=1e-4)
    np.testing.assert_allclose(xform.grad(xform.grad(end))(0.3), 9 * np.exp(-0.9), rtol=2e-3)


def test_limits_and_errors():
    far = odeint(lambda y, t: -50 * y, np.float32(1.0), np.array([0, 9], np.float32), mxstep=3, rtol=1e-6, atol=1e-6)
    assert float(far[0]) == 1 and np.isnan(far[1])
    calls = []

    def counted(y, t):
        calls.append(float(t))
        return -y
    odeint(counted, np.float32(1.0), np.array([0, 1], np.float32), hmax=0.1, rtol=1e-6, atol=1e-6)
    assert len(calls) >= 60
    with pytest.raises(TypeError, match="must hold floating-point arrays, got int32"):
        odeint(lambda y, t: y, np.arange(3, dtype=np.int32), TIMES)
    with pytest.raises(ValueError, match="t must be an array of one axis"):
        odeint(lambda y, t: y, np.float32(1.0), np.float32(1.0))
    with pytest.raises(TypeError, match="func must return a pytree like the state"):
        odeint(lambda y, t: (y, y), np.float32(1.0), TIMES)


def test_infinite_defaults_are_written_as_literals():
    def f(x, top=float("inf"), low=float("-inf")):
        return xform.numpy.sum(xform.numpy.clip(x, low, top))
    np.testing.assert_allclose(xform.vmap(xform.grad(f))(np.ones((2, 3), np.float32)), np.ones((2, 3)))
    assert 'top=float("inf")' in xform.source(xform.grad(f))
