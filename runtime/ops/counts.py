"""Poisson and binomial counts by rejection, from keys of any leading shape and in one kernel for all elements."""
from __future__ import annotations

import math

import numpy

from runtime.control import while_loop
from runtime.execute import EXACT
from runtime.op import op
from runtime.ops.binary import clip, logical_and, logical_or, where
from runtime.ops.elementwise import abs, ceil, floor, gammaln, isinf, isnan, log, log1p, logical_not, sqrt
from runtime.ops.kernel import fused
from runtime.ops.random import _pick, _split, _unit, raw
from runtime.ops.reduce import any_
from runtime.ops.shape import broadcast_to
from runtime.primitive import as_operand, cast

_MOST_TURNS = 2 ** 31 - 1
INT = numpy.dtype("int32")


def _keys(keys, count):
    """Split every key; return a function that picks one of the new ones."""
    made = _split(keys, shape=(count,))
    return lambda n: _pick(made, n, keys.ndim - 1)


def _unfinished(accepted, lead):
    """Tell for every key whether some sample of it is still to be accepted.

    Until then a sample that was accepted before is replaced by a later one, as JAX does it.
    """
    own = tuple(range(lead, accepted.ndim))
    return any_(logical_not(accepted), own, None, True)


def _batched_with(function):
    """Make the batching rule of a sampler of (keys, parameters ...): whatever has no batch axis gets one."""
    def batch(*args, over=()):
        names = function.__code__.co_varnames[:len(args)]
        size = next(x.shape[0] for x, name in zip(args, names) if name in over)
        return function(*[x if name in over else broadcast_to(x, (size,) + x.shape) for x, name in zip(args, names)])
    return batch


# ---- Poisson ----

def draw_poisson(keys, lam):
    """Return Poisson samples of float32 means, one for each, as int32; every key serves the means under it."""
    return _poisson(raw(keys, "poisson"), as_operand(lam, "poisson"))


draw_poisson = op(constant=True, batch=_batched_with(draw_poisson))(draw_poisson)


@fused
def _poisson(keys, lam):
    few = logical_or(isnan(lam), lam < 10)
    found = where(few, _by_products(keys, where(few, lam, 0)), _by_rejection(keys, where(few, 1e5, lam)))
    return where(lam == 0, 0, found)


def _by_products(keys, lam):
    """Count how many uniforms multiply to less than exp(-lam)."""
    shape = lam.shape[keys.ndim - 1:]

    def go_on(turn, count, keys, total):
        return logical_and(any_(total > -lam), turn < _MOST_TURNS)

    def step(turn, count, keys, total):
        pick = _keys(keys, 2)
        count = where(total > -lam, count + 1, count)
        return turn + 1, count, pick(0), total + log(_unit(pick(1), shape, lam.dtype))
    start = as_operand(numpy.int32(0)), cast(lam * 0, INT), keys, where(isnan(lam), 0, lam * 0)
    return while_loop(go_on, step, *start)[1] - 1


def _by_rejection(keys, lam):
    """Hoermann, The transformed rejection method for generating Poisson random variables (1993)."""
    shape = lam.shape[keys.ndim - 1:]
    log_lam = log(lam)
    b = 0.931 + 2.53 * sqrt(lam)
    a = -0.059 + 0.02483 * b
    inv_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)

    def go_on(turn, found, accepted, keys):
        return logical_and(any_(logical_not(accepted)), turn < _MOST_TURNS)

    def step(turn, found, accepted, keys):
        pick = _keys(keys, 3)
        u = _unit(pick(1), shape, lam.dtype) - 0.5
        v = _unit(pick(2), shape, lam.dtype)
        rest = 0.5 - abs(u)
        k = floor((2 * a / rest + b) * u + lam + 0.43)
        s = log(v * inv_alpha / (a / (rest * rest) + b))
        t = -lam + k * log_lam - gammaln(k + 1)
        at_once = logical_and(rest >= 0.07, v <= v_r)
        never = logical_or(k < 0, logical_and(rest < 0.013, v > rest))
        accept = logical_or(at_once, logical_and(logical_not(never), s <= t))
        taken = logical_and(accept, _unfinished(accepted, keys.ndim - 1))
        return turn + 1, where(taken, k, found), logical_or(accepted, accept), pick(0)
    start = as_operand(numpy.int32(0)), lam * 0 - 1, isnan(lam), keys
    return cast(while_loop(go_on, step, *start)[1], INT)


# ---- binomial ----

def draw_binomial(keys, n, p):
    """Return binomial samples, floats of the dtype that ``n`` and ``p`` have; every key serves the parameters under it.

    NaN where n is NaN or negative or p is NaN or negative.
    """
    return _binomial(raw(keys, "binomial"), as_operand(n, "binomial"), as_operand(p, "binomial"))


draw_binomial = op(constant=True, batch=_batched_with(draw_binomial))(draw_binomial)


@fused
def _binomial(keys, n, p):
    low = p < 0.5
    q = where(low, p, 1.0 - p)
    no_count = logical_or(isnan(n), n < 0)
    endless = isinf(n)
    no_chance = logical_or(isnan(q), q < 0)
    unknown = isnan(q)
    q = where(no_chance, 0.01, q)
    few = logical_or(no_count, n * q <= 10)
    n = floor(n)
    found = where(few, _by_waiting(keys, where(few, n, 0), q), _by_btrs(keys, where(few, 1e4, n), where(few, 0.5, q)))
    invalid = logical_or(no_chance, no_count)
    found = where(invalid, numpy.asarray(math.nan, p.dtype), found)
    found = where(logical_and(endless, logical_not(invalid)), numpy.asarray(math.inf, p.dtype), found)
    as_drawn = logical_or(logical_or(low, no_count), logical_or(unknown, endless))
    return where(as_drawn, found, n - found)


def _by_waiting(keys, n, p):
    """Count how many geometric waiting times fit into n trials."""
    shape = p.shape[keys.ndim - 1:]
    log_miss = log1p(-p)

    def go_on(times, total, keys):
        return any_(total <= n)

    def step(times, total, keys):
        pick = _keys(keys, 2)
        times = where(total <= n, times + 1, times)
        return times, total + ceil(log(_unit(pick(0), shape, p.dtype)) / log_miss), pick(1)
    return while_loop(go_on, step, p * 0, p * 0, keys)[0] - 1


def _by_btrs(keys, n, p):
    """Hoermann, The generation of binomial random variates, J. Stat. Comput. Simul. 46 (1993): algorithm BTRS."""
    shape = p.shape[keys.ndim - 1:]
    spread = sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    v_r = 0.92 - 4.2 / b
    r = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * spread
    m = floor((n + 1) * p)

    def go_on(found, accepted, keys):
        return any_(logical_not(accepted))

    def step(found, accepted, keys):
        pick = _keys(keys, 3)
        u = _unit(pick(1), shape, p.dtype)
        v = _unit(pick(2), shape, p.dtype)
        u = u - 0.5
        us = 0.5 - abs(u)
        at_once = logical_and(us >= 0.07, v <= v_r)
        k = floor((2 * a / us + b) * u + c)
        never = logical_or(k < 0, k > n)
        v = log(v * alpha / (a / (us * us) + b))
        bound = ((m + 0.5) * log((m + 1) / (r * (n - m + 1))) + (n + 1) * log((n - m + 1) / (n - k + 1))
                 + (k + 0.5) * log(r * (n - k + 1) / (k + 1))
                 + _stirling_rest(m) + _stirling_rest(n - m) - _stirling_rest(k) - _stirling_rest(n - k))
        accept = logical_or(at_once, logical_and(logical_not(never), v <= bound))
        taken = logical_and(accept, _unfinished(accepted, keys.ndim - 1))
        return where(taken, k, found), logical_or(accepted, accept), pick(0)
    return while_loop(go_on, step, p * 0 - 1, isnan(n * p), keys)[0]


# log(k!) less Stirling's formula with k + 1/2 for k, for k from 0 to 9; the asymptotic series serves above.
_STIRLING = (0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
             0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287)


def _stirling_rest(k):
    tabled = k <= 9
    k = clip(k, 0.0, 9.0)
    square = (k + 1) * (k + 1)
    series = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
    table = as_operand(numpy.array(_STIRLING, k.dtype))
    return where(tabled, table[cast(floor(k), INT)], series)


EXACT.update(["_poisson", "_binomial"])
