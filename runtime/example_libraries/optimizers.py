"""First-order optimizers as triples of functions: init(params), update(step, gradients, state), get_params(state).

Each optimizer is written for one array; ``optimizer`` makes it one for pytrees. All of it is plain Python over ops, so an update
inside a jitted, batched or differentiated step is transformed with the step.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from runtime import numpy as np
from runtime.tree import tree_leaves, tree_map
from runtime.trees import leaves_of, tree_map_1, tree_map_2, tree_map_3


class Optimizer(NamedTuple):
    """The three functions of an optimizer."""
    init_fn: Callable
    update_fn: Callable
    params_fn: Callable


class OptimizerState(NamedTuple):
    """What an optimizer remembers: a pytree like the parameters, with the state of each array in its place.

    like: the structure of the parameters, with an empty array in the place of each.
    """
    packed_state: Any
    like: Any


def optimizer(opt_maker):
    """Make a maker of optimizers for one array one of optimizers for pytrees of arrays; a decorator.

    opt_maker: returns (init, update, get_params) with ``init(x)`` -> state (an array or a tuple), ``update(i, gradient, state)`` ->
    state, ``get_params(state)`` -> x.
    """
    @functools.wraps(opt_maker)
    def tree_opt_maker(*args, **kwargs):
        init, update, get_params = opt_maker(*args, **kwargs)

        def tree_init(x0_tree):
            return OptimizerState(tree_map_1(init, x0_tree), tree_map_1(lambda x: np.zeros((0,)), x0_tree))

        def tree_update(i, grad_tree, opt_state):
            packed = tree_map_3(lambda empty, g, state: update(i, g, state), opt_state.like, grad_tree, opt_state.packed_state)
            return OptimizerState(packed, opt_state.like)

        def tree_get_params(opt_state):
            return tree_map_2(lambda empty, state: get_params(state), opt_state.like, opt_state.packed_state)
        return Optimizer(tree_init, tree_update, tree_get_params)
    return tree_opt_maker


# -- schedules -----------------------------------------------------------------------------------------------------------

def constant(step_size):
    """Return the schedule that is ``step_size`` at each step."""
    def schedule(i):
        return step_size
    return schedule


def exponential_decay(step_size, decay_steps, decay_rate):
    """Return the schedule ``step_size * decay_rate ** (i / decay_steps)``."""
    def schedule(i):
        return step_size * decay_rate ** (i / decay_steps)
    return schedule


def inverse_time_decay(step_size, decay_steps, decay_rate, staircase=False):
    """Return the schedule ``step_size / (1 + decay_rate * i / decay_steps)``; with ``staircase`` in whole steps."""
    def schedule(i):
        if staircase:
            return step_size / (1 + decay_rate * np.floor(i / decay_steps))
        return step_size / (1 + decay_rate * i / decay_steps)
    return schedule


def polynomial_decay(step_size, decay_steps, final_step_size, power=1.0):
    """Return the schedule from ``step_size`` to ``final_step_size``, reached after ``decay_steps`` steps."""
    def schedule(step_num):
        step_num = np.minimum(step_num, decay_steps)
        return (1 - step_num / decay_steps) ** power * (step_size - final_step_size) + final_step_size
    return schedule


def piecewise_constant(boundaries, values):
    """Return the schedule that is ``values[k]`` at the steps between the boundaries k - 1 and k; ValueError where counts differ."""
    limits, levels = np.asarray(boundaries), np.asarray(values)
    if limits.ndim != 1 or levels.ndim != 1 or len(limits) != len(levels) - 1:
        raise ValueError(f"piecewise_constant: {levels.shape} values need one boundary less, got {limits.shape}")

    def schedule(i):
        return levels[np.sum(i > limits)]
    return schedule


def make_schedule(scalar_or_schedule):
    """Return a schedule for a number or a schedule; TypeError for anything else."""
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    if np.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    raise TypeError(f"a step size must be a number or a function of the step, got {type(scalar_or_schedule)}")


# -- optimizers ----------------------------------------------------------------------------------------------------------

def _same(x):
    return x


def _first(state):
    return state[0]


@optimizer
def sgd(step_size):
    """Make stochastic gradient descent: ``x - step_size * g``."""
    schedule = make_schedule(step_size)

    def update(i, g, x):
        return x - schedule(i) * g
    return _same, update, _same


@optimizer
def momentum(step_size, mass):
    """Make gradient descent with momentum ``mass``."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0)

    def update(i, g, state):
        x, velocity = state
        velocity = mass * velocity + g
        return x - schedule(i) * velocity, velocity
    return init, update, _first


@optimizer
def nesterov(step_size, mass):
    """Make gradient descent with Nesterov's momentum."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0)

    def update(i, g, state):
        x, velocity = state
        velocity = mass * velocity + g
        return x - schedule(i) * (mass * velocity + g), velocity
    return init, update, _first


@optimizer
def adagrad(step_size, momentum=0.9):
    """Make Adagrad (Duchi, Hazan, Singer 2011) with momentum."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0), np.zeros_like(x0)

    def update(i, g, state):
        x, g_sq, m = state
        g_sq = g_sq + np.square(g)
        scale = np.where(g_sq > 0, 1.0 / np.sqrt(np.where(g_sq > 0, g_sq, 1.0)), 0.0)
        m = (1.0 - momentum) * (g * scale) + momentum * m
        return x - schedule(i) * m, g_sq, m
    return init, update, _first


@optimizer
def rmsprop(step_size, gamma=0.9, eps=1e-8):
    """Make RMSProp: gradients divided by the root of a running mean of their squares."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0)

    def update(i, g, state):
        x, mean = state
        mean = mean * gamma + np.square(g) * (1.0 - gamma)
        return x - schedule(i) * g / np.sqrt(mean + eps), mean
    return init, update, _first


@optimizer
def rmsprop_momentum(step_size, gamma=0.9, eps=1e-8, momentum=0.9):
    """Make RMSProp with momentum."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0), np.zeros_like(x0)

    def update(i, g, state):
        x, mean, mom = state
        mean = mean * gamma + np.square(g) * (1.0 - gamma)
        mom = momentum * mom + schedule(i) * g / np.sqrt(mean + eps)
        return x - mom, mean, mom
    return init, update, _first


@optimizer
def adam(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Make Adam (Kingma, Ba 2015)."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0), np.zeros_like(x0)

    def update(i, g, state):
        x, m, v = state
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * np.square(g) + b2 * v
        fair_m = m / (1 - np.asarray(b1, m.dtype) ** (i + 1))
        fair_v = v / (1 - np.asarray(b2, m.dtype) ** (i + 1))
        return x - schedule(i) * fair_m / (np.sqrt(fair_v) + eps), m, v
    return init, update, _first


@optimizer
def adamax(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Make Adamax (Kingma, Ba 2015): Adam with the maximum norm."""
    schedule = make_schedule(step_size)

    def init(x0):
        return x0, np.zeros_like(x0), np.zeros_like(x0)

    def update(i, g, state):
        x, m, u = state
        m = (1 - b1) * g + b1 * m
        u = np.maximum(b2 * u, np.abs(g))
        return x - (schedule(i) / (1 - np.asarray(b1, m.dtype) ** (i + 1))) * m / (u + eps), m, u
    return init, update, _first


@optimizer
def sm3(step_size, momentum=0.9):
    """Step by gradients scaled with sums of squares, of which each row of each axis keeps one (Anil et al., arXiv:1901.11150)."""
    step_size = make_schedule(step_size)

    def init(x0):
        m = np.zeros_like(np.atleast_1d(x0))
        return x0, m, [np.zeros(size, m.dtype) for size in m.shape]

    def update(i, g, state):
        x, m, sums = state
        g = np.atleast_1d(g)
        bound = _along(sums[0], 0, g.ndim)
        for axis in range(1, g.ndim):
            bound = np.minimum(bound, _along(sums[axis], axis, g.ndim))
        total = bound + g * g
        scale = np.where(total > 0, 1 / np.sqrt(np.where(total > 0, total, 1)), 0)
        m = (1 - momentum) * (g * scale) + momentum * m
        sums = [np.max(total, axis=tuple(other for other in range(g.ndim) if other != axis)) for axis in range(g.ndim)]
        return x - step_size(i) * np.reshape(m, x.shape), m, sums
    return init, update, _first


def _along(values, axis, ndim):
    return np.reshape(values, (1,) * axis + (-1,) + (1,) * (ndim - axis - 1))


# -- states to be stored --------------------------------------------------------------------------------------------------

class JoinPoint:
    """A leaf of one pytree that holds another: the state of the optimizer for one array of the parameters."""

    def __init__(self, subtree):
        self.subtree = subtree

    def __iter__(self):
        yield self.subtree


def unpack_optimizer_state(opt_state):
    """Return a pytree like the parameters, with a JoinPoint that holds the state of each array in its place."""
    return tree_map(lambda empty, state: JoinPoint(state), opt_state.like, opt_state.packed_state)


def pack_optimizer_state(marked_pytree):
    """Return the state of which ``unpack_optimizer_state`` made a pytree of JoinPoints. TypeError for other leaves."""
    for leaf in tree_leaves(marked_pytree):
        if not isinstance(leaf, JoinPoint):
            raise TypeError(f"pack_optimizer_state: each leaf must be a JoinPoint, got {type(leaf).__name__}")
    return OptimizerState(tree_map(lambda point: point.subtree, marked_pytree), tree_map(lambda point: np.zeros((0,)), marked_pytree))


# -- gradients -----------------------------------------------------------------------------------------------------------

def l2_norm(tree):
    """Return the Euclidean norm of all elements of a pytree."""
    return np.sqrt(sum([np.vdot(leaf, leaf) for leaf in leaves_of(tree)]))


def clip_grads(grad_tree, max_norm):
    """Return gradients scaled down such that their ``l2_norm`` is at most ``max_norm``."""
    norm = l2_norm(grad_tree)
    return tree_map_1(lambda g: np.where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)
