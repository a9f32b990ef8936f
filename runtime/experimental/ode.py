"""Ordinary differential equations: adaptive Runge-Kutta steps of Dormand and Prince, with dense output.

Plain Python: the derivative goes through the steps that were taken, whose sizes count as constants, in either mode and any order.
"""
from __future__ import annotations

from runtime import lax as _lax
from runtime.cotangent import dtype_of as _dtype_of
from runtime.cotangent import shape_of as _shape_of
from runtime.ops.kernel import about_types as _about_types
from runtime.trees import leaves_of as _leaves_of
from runtime.trees import tree_build as _tree_build

__all__ = ["odeint"]

# Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980): times, weights of the stages, and of the error
TIMES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9), (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656), (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84))
ERROR = (35 / 384 - 1951 / 21600, 0, 500 / 1113 - 22642 / 50085, 125 / 192 - 451 / 720, -2187 / 6784 + 12231 / 42400,
         11 / 84 - 649 / 6300, -1 / 60)
# Shampine, "Some practical Runge-Kutta formulas" (1986): the solution in the middle of a step
MIDDLE = (6025192743 / 30085553152 / 2, 0, 51252292925 / 65400821598 / 2, -2691868925 / 45128329728 / 2,
          187940372067 / 1594534317056 / 2, -1776094331 / 19743644256 / 2, 11237099 / 235043384 / 2)


@_about_types
def check_problem(y0, t, rtol, atol):
    """Raise TypeError and ValueError for an initial state or times that odeint does not take."""
    for leaf in _leaves_of(y0):
        if _dtype_of(leaf).kind not in "fV":
            raise TypeError(f"odeint: the initial state must hold floating-point arrays, got {_dtype_of(leaf)}; convert it (complex "
                            "states: integrate real and imaginary parts)")
    if len(_shape_of(t)) != 1 or not _shape_of(t)[0]:
        raise ValueError(f"odeint: t must be an array of one axis with at least the initial time, got shape {_shape_of(t)}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not isinstance(value, (int, float)) and _shape_of(value):
            raise TypeError(f"odeint: {name} must be a number")
    return True


@_about_types
def check_slope(slope, y0):
    """Raise TypeError unless the derivative of a state has its structure and shapes."""
    from runtime.tree import tree_flatten
    from runtime.zero import Like
    (given, structure), (wanted, expected) = [tree_flatten(x, is_leaf=lambda x: isinstance(x, Like)) for x in (slope, y0)]
    if structure != expected or [_shape_of(a) for a in given] != [_shape_of(b) for b in wanted]:
        raise TypeError(f"odeint: func must return a pytree like the state, {expected} of the shapes {[_shape_of(b) for b in wanted]}; it "
                        f"returned {structure} of the shapes {[_shape_of(a) for a in given]}")
    return True


def _flat(tree):
    from runtime import numpy as np
    return np.concatenate([np.ravel(leaf) for leaf in _leaves_of(tree)])


def _shaped(vector, like):
    """Return the last axis of a vector, or of rows of vectors, as a pytree."""
    from runtime import numpy as np
    leaves = []
    start = 0
    for leaf in _leaves_of(like):
        part = vector[..., start:start + np.size(leaf)]
        leaves.append(np.reshape(part, np.shape(vector)[:-1] + np.shape(leaf)))
        start = start + np.size(leaf)
    return _tree_build(leaves, like)


def _combined(slopes, weights):
    """Return a weighted sum of slopes."""
    from runtime import numpy as np
    return np.tensordot(np.asarray(weights, slopes[0].dtype), np.stack(slopes), 1)


def _size(error, tolerance):
    """Return the root mean square of a vector in units of the tolerance."""
    from runtime import numpy as np
    ratio = error / tolerance
    return np.sqrt(np.mean(ratio * ratio))


def _first_step(slope_at, y, slope, time, rtol, atol):
    """Return the size of a first step (Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4)."""
    from runtime import numpy as np
    tolerance = atol + np.abs(y) * rtol
    size, steep = _size(y, tolerance), _size(slope, tolerance)
    small = np.logical_or(size < 1e-5, steep < 1e-5)
    first = np.where(small, 1e-6, 0.01 * size / np.where(small, 1.0, steep))
    bend = _size(slope_at(y + first * slope, time + first) - slope, tolerance) / first
    most = np.maximum(steep, bend)
    flat = most <= 1e-15
    second = np.where(flat, np.maximum(1e-6, first * 1e-3), (0.01 / np.where(flat, 1.0, most)) ** 0.2)
    return np.minimum(100 * first, second)


def odeint(func, y0, t, *args, rtol=1.4e-8, atol=1.4e-8, mxstep=float("inf"), hmax=float("inf")):
    """Return the solution of ``dy/dt = func(y, t, *args)`` with ``y = y0`` at ``t[0]``, at all times t, along a new first axis.

    func: returns a pytree like y0, of floating-point arrays. t: ascending times. rtol, atol: what the error of a step may be, relative
    and absolute. mxstep: the most steps between two times; hmax: the largest step. TypeError and ValueError for other states and
    times, NaN beyond mxstep steps.
    """
    from runtime import numpy as np
    check_problem(y0, t, rtol, atol)
    times = np.asarray(t)

    def slope_at(vector, now):
        slope = func(_shaped(vector, y0), now, *args)
        check_slope(slope, y0)
        return _flat(slope)
    y = _flat(y0)
    time = np.astype(times[0], np.result_type(times.dtype, y.dtype))
    slope = slope_at(y, time)
    step = _lax.stop_gradient(np.minimum(_first_step(slope_at, y, slope, time, rtol, atol), hmax))
    # the last step, as a polynomial of the part of it that has passed
    last = time
    width = step
    p0, p1, p2, p3, p4 = y, np.zeros_like(y), np.zeros_like(y), np.zeros_like(y), np.zeros_like(y)
    ys = [y]
    for k in range(1, times.shape[0]):
        target = times[k]
        count = np.asarray(0)
        while np.logical_and(time < target, count < mxstep):
            k1 = slope
            k2 = slope_at(y + step * _combined([k1], STAGES[0]), time + TIMES[0] * step)
            k3 = slope_at(y + step * _combined([k1, k2], STAGES[1]), time + TIMES[1] * step)
            k4 = slope_at(y + step * _combined([k1, k2, k3], STAGES[2]), time + TIMES[2] * step)
            k5 = slope_at(y + step * _combined([k1, k2, k3, k4], STAGES[3]), time + TIMES[3] * step)
            k6 = slope_at(y + step * _combined([k1, k2, k3, k4, k5], STAGES[4]), time + TIMES[4] * step)
            following = y + step * _combined([k1, k2, k3, k4, k5, k6], STAGES[5])
            k7 = slope_at(following, time + step)
            slopes = [k1, k2, k3, k4, k5, k6, k7]
            error = step * _combined(slopes, ERROR)
            ratio = _lax.stop_gradient(_size(error, atol + rtol * np.maximum(np.abs(y), np.abs(following))))
            good = ratio <= 1
            middle = y + step * _combined(slopes, MIDDLE)
            rise, fall = step * k1, step * k7
            p4 = np.where(good, 2 * (fall - rise) - 8 * (y + following) + 16 * middle, p4)
            p3 = np.where(good, 5 * rise - 3 * fall + 18 * y + 14 * following - 32 * middle, p3)
            p2 = np.where(good, fall - 4 * rise - 11 * y - 5 * following + 16 * middle, p2)
            p1 = np.where(good, rise, p1)
            p0 = np.where(good, y, p0)
            last = np.where(good, time, last)
            width = np.where(good, step, width)
            time = np.where(good, time + step, time)
            y = np.where(good, following, y)
            slope = np.where(good, k7, slope)
            # a step that kept the tolerance does not make the next one smaller
            factor = np.clip(0.9 * np.where(ratio == 0, 1e-10, ratio) ** -0.2, np.where(good, 1.0, 0.2), 10.0)
            step = np.minimum(step * np.where(np.isfinite(ratio), factor, 0.2), hmax)
            count = count + 1
        part = (target - last) / width
        found = p0 + part * (p1 + part * (p2 + part * (p3 + part * p4)))
        ys.append(np.where(time < target, np.nan, found))
    return _shaped(np.stack(ys), y0)
