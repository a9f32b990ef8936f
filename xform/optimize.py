"""Minimization under SciPy's names: BFGS with a dense inverse Hessian, and L-BFGS, which keeps a few recent steps.

Plain Python whose gradients the compiler takes; it runs eagerly, and under jit and vmap like any other function.
"""
from __future__ import annotations

from typing import NamedTuple

from runtime import numpy as np
from runtime.array import Array
from runtime.op import op
from xform.api import value_and_grad

__all__ = ["OptimizeResults", "minimize"]


class OptimizeResults(NamedTuple):
    """What a minimization found.

    x: the minimum. success: whether the gradient is small enough there. status: 0 for success; BFGS: 1 for maxiter, 3 and 5 for
    a line search that failed or used up its steps; L-BFGS: 1 for maxiter, 2 for maxfun, 3 for maxgrad, 4 for a decrease below
    ftol, 5 for a line search that failed. fun, jac: value and gradient at x. hess_inv: BFGS's estimate of the inverse Hessian,
    or None. nfev, njev, nit: evaluations of the function and of its gradient, and steps.
    """
    x: Array
    success: Array
    status: Array
    fun: Array
    jac: Array
    hess_inv: Array | None
    nfev: Array
    njev: Array
    nit: Array


LIMITED = "l-bfgs-experimental-do-not-rely-on-this"
DEFAULTS = {
    "bfgs": {"maxiter": None, "norm": float("inf"), "gtol": 1e-5, "line_search_maxiter": 10},
    LIMITED: {"maxiter": None, "norm": float("inf"), "maxcor": 10, "ftol": 2.220446049250313e-09, "gtol": 1e-5, "maxfun": None,
              "maxgrad": None, "maxls": 20},
}


@op(constant=True, unbatched=True)
def settings(method, args, size, tol, options):
    """Return (whether the method is BFGS, its options in the order of DEFAULTS); ValueError and TypeError for what is wrong."""
    if not isinstance(args, tuple):
        raise TypeError(f"minimize: args must be a tuple, got {type(args).__name__}; write args=(a,) for one argument")
    if not isinstance(method, str) or method.lower() not in DEFAULTS:
        raise ValueError(f"Method {method} not recognized. minimize knows 'BFGS' and {LIMITED!r}")
    known = DEFAULTS[method.lower()]
    options = dict(options or {})
    unknown = [key for key in options if key not in known]
    if unknown:
        raise TypeError(f"minimize: {method} has no option {unknown[0]!r}; it has {', '.join(known)}")
    if tol is not None:
        options.setdefault("gtol", tol)
    made = {**known, **options}
    for key, times in (("maxiter", 200), ("maxfun", 1000), ("maxgrad", 1000)):
        if key in made and made[key] is None:
            made[key] = times * size
    return (method.lower() == "bfgs", *made.values())


@op(constant=True, unbatched=True)
def check_start(shape):
    """Raise ValueError unless the starting point is a vector."""
    if len(shape) != 1:
        raise ValueError(f"minimize: x0 must be an array of one axis, got shape {tuple(shape)}; use flatten_util.ravel_pytree")
    return True


def minimize(fun, x0, args=(), *, method, tol=None, options=None):
    """Minimize a scalar function of a vector from a starting point; return OptimizeResults.

    fun: ``fun(x, *args)``. x0: array of one axis. args: tuple. method: "BFGS" (Nocedal and Wright, Numerical Optimization,
    algorithm 6.1), or "l-bfgs-experimental-do-not-rely-on-this" (algorithm 7.5); letter case does not matter. tol: the gradient's
    norm at the end, unless options has gtol. options: those in SciPy's sense: maxiter, norm, gtol, line_search_maxiter for
    BFGS; maxiter, norm, maxcor, ftol, gtol, maxfun, maxgrad, maxls for the other. TypeError for args that are no tuple or
    an unknown option, ValueError for an unknown method or a starting point that is no vector.
    """
    start = np.asarray(x0)
    start = start if np.issubdtype(start.dtype, np.inexact) else start * 1.0
    check_start(start.shape)
    chosen = settings(method, args, start.size, tol, options)
    measure = value_and_grad(fun)
    if chosen[0]:
        return bfgs(measure, args, start, chosen[1], chosen[2], chosen[3], chosen[4])
    return limited_bfgs(measure, args, start, chosen[1], chosen[2], chosen[3], chosen[4], chosen[5], chosen[6], chosen[7], chosen[8])


def line_search(measure, args, x, direction, value, gradient, limit):
    """Return (step, value, gradient, whether it meets the strong Wolfe conditions, evaluations) along a direction.

    A bracket is grown by doubling, then narrowed by safeguarded quadratic interpolation (Nocedal and Wright, algorithms 3.5, 3.6).
    What comes back when the limit is reached is the best step that decreases the value enough, or zero.
    """
    slope = np.vdot(gradient, direction)
    zero = np.zeros_like(value)
    low, low_value, low_slope, low_gradient = zero, value, slope, gradient
    high, high_value = zero, value
    step = np.ones_like(value)
    bracketed = np.asarray(False)
    found = np.asarray(False)
    count = np.asarray(0)
    while np.logical_and(np.logical_not(found), count < limit):
        there, uphill = measure(x + step * direction, *args)
        incline = np.vdot(uphill, direction)
        too_high = np.logical_not(np.logical_and(there <= value + 1e-4 * step * slope, np.logical_or(there < low_value, low == 0)))
        found = np.logical_and(np.logical_not(too_high), np.abs(incline) <= -0.9 * slope)
        turned = np.where(bracketed, incline * (high - low) >= 0, incline >= 0)
        keep = np.logical_not(too_high)
        # the new point is either one end of the bracket or, when it is better, the low end; then the old one may be the other end
        to_high = np.logical_and(keep, turned)
        high = np.where(too_high, step, np.where(to_high, low, high))
        high_value = np.where(too_high, there, np.where(to_high, low_value, high_value))
        low_gradient = np.where(keep, uphill, low_gradient)
        low = np.where(keep, step, low)
        low_value = np.where(keep, there, low_value)
        low_slope = np.where(keep, incline, low_slope)
        bracketed = np.logical_or(bracketed, np.logical_or(too_high, turned))
        width = high - low
        curve = 2 * (high_value - low_value - low_slope * width)
        inner = -low_slope * width / np.where(curve == 0, 1.0, curve)
        # a fraction of the width, away from both ends; the middle without curvature or a finite value at the other end
        good = np.logical_and(curve > 0, np.isfinite(high_value))
        inner = np.where(good, np.clip(inner, 0.1, 0.9), 0.5)
        step = np.where(found, step, np.where(bracketed, low + inner * width, 2 * step))
        count = count + 1
    return low, low_value, low_gradient, found, count


def bfgs(measure, args, x, maxiter, norm, gtol, searches):
    """Minimize with an estimate of the inverse Hessian, which every step corrects."""
    value, gradient = measure(x, *args)
    identity = np.eye(x.size, dtype=x.dtype)
    inverse = identity
    steps = np.asarray(0)
    evaluations = np.asarray(1)
    converged = np.linalg.norm(gradient, norm) < gtol
    failed = np.asarray(False)
    exhausted = np.asarray(False)
    while np.logical_and(np.logical_not(np.logical_or(converged, failed)), steps < maxiter):
        direction = -(inverse @ gradient)
        step, value, following, found, count = line_search(measure, args, x, direction, value, gradient, searches)
        move = step * direction
        change = following - gradient
        x = x + move
        product = np.vdot(change, move)
        good = product > 0
        rho = np.where(good, 1.0, 0.0) / np.where(good, product, 1.0)
        turn = identity - rho * np.outer(move, change)
        inverse = np.where(good, turn @ inverse @ turn.T + rho * np.outer(move, move), inverse)
        gradient = following
        converged = np.linalg.norm(gradient, norm) < gtol
        failed = np.logical_and(np.logical_not(found), np.logical_not(converged))
        exhausted = count >= searches
        steps = steps + 1
        evaluations = evaluations + count
    status = np.where(converged, 0, np.where(failed, np.where(exhausted, 5, 3), 1))
    return OptimizeResults(x, converged, status, value, gradient, inverse, evaluations, evaluations, steps)


def limited_bfgs(measure, args, x, maxiter, norm, kept, ftol, gtol, maxfun, maxgrad, searches):
    """Minimize with the last ``kept`` steps in the place of a matrix."""
    value, gradient = measure(x, *args)
    moves = np.zeros((kept, x.size), x.dtype)
    changes = np.zeros((kept, x.size), x.dtype)
    inverses = np.zeros(kept, x.dtype)
    scale = np.ones_like(value)
    steps = np.asarray(0)
    evaluations = np.asarray(1)
    converged = np.linalg.norm(gradient, norm) < gtol
    status = np.asarray(0)
    while np.logical_and(np.logical_not(converged), status == 0):
        direction = two_loops(gradient, moves, changes, inverses, scale)
        before = value
        step, value, following, found, count = line_search(measure, args, x, direction, value, gradient, searches)
        move = step * direction
        change = following - gradient
        x = x + move
        product = np.vdot(change, move)
        good = product > 0
        rho = np.where(good, 1.0, 0.0) / np.where(good, product, 1.0)
        moves = np.where(good, np.concatenate([moves[1:], np.expand_dims(move, 0)]), moves)
        changes = np.where(good, np.concatenate([changes[1:], np.expand_dims(change, 0)]), changes)
        inverses = np.where(good, np.concatenate([inverses[1:], np.expand_dims(rho, 0)]), inverses)
        length = np.vdot(change, change)
        scale = np.where(good, product / np.where(length == 0, 1.0, length), scale)
        gradient = following
        steps = steps + 1
        evaluations = evaluations + count
        converged = np.linalg.norm(gradient, norm) < gtol
        status = np.where(before - value < ftol, 4, 0)
        status = np.where(evaluations >= maxgrad, 3, status)
        status = np.where(evaluations >= maxfun, 2, status)
        status = np.where(steps >= maxiter, 1, status)
        status = np.where(found, status, 5)
        status = np.where(converged, 0, status)
    return OptimizeResults(x, converged, status, value, gradient, None, evaluations, evaluations, steps)


def two_loops(gradient, moves, changes, inverses, scale):
    """Return minus the estimated inverse Hessian times the gradient, from the recent steps; those not yet made are zero."""
    kept = moves.shape[0]
    weights = np.zeros(kept, moves.dtype)
    rest = gradient
    for i in range(kept):
        k = kept - 1 - i
        weight = inverses[k] * np.vdot(moves[k], rest)
        rest = rest - weight * changes[k]
        weights = weights.at[k].set(weight)
    rest = scale * rest
    for i in range(kept):
        rest = rest + moves[i] * (weights[i] - inverses[i] * np.vdot(changes[i], rest))
    return -rest
