"""Gradients through training steps with optimizers that are named tuples of closures, pairs of closures, and chains of these."""
from typing import Any, Callable, NamedTuple

import pytest

import xform
import xform.numpy as np
from xform import grad



class Opt(NamedTuple):
    init: Callable
    update: Callable


class State(NamedTuple):
    count: Any
    mu: Any
    nu: Any


def adam(lr, b1=0.9, b2=0.999, eps=1e-08):

    def init(params):
        return State(0, xform.tree.map(np.zeros_like, params), xform.tree.map(np.zeros_like, params))

    def update(g, state, params=None):
        mu = xform.tree.map(lambda m, gi: b1 * m + (1 - b1) * gi, state.mu, g)
        nu = xform.tree.map(lambda v, gi: b2 * v + (1 - b2) * gi ** 2, state.nu, g)
        c = state.count + 1
        mh = xform.tree.map(lambda m: m / (1 - b1 ** c), mu)
        nh = xform.tree.map(lambda v: v / (1 - b2 ** c), nu)
        up = xform.tree.map(lambda m, v: -lr * m / (np.sqrt(v + 1e-06) + eps), mh, nh)
        return (up, State(c, mu, nu))
    return Opt(init, update)


def sgd(lr, mom=0.9):

    def init(p):
        return xform.tree.map(np.zeros_like, p)

    def update(g, s, p=None):
        s = xform.tree.map(lambda m, gi: mom * m + gi, s, g)
        return (xform.tree.map(lambda m: -lr * m, s), s)
    return (init, update)


def chain(*ts):
    inits, updates = zip(*ts)

    def init(p):
        return tuple((i(p) for i in inits))

    def update(g, s, p=None):
        new = []
        for u, si in zip(updates, s):
            g, si = u(g, si, p)
            new.append(si)
        return (g, tuple(new))
    return Opt(init, update)


def chain2(*ts):
    init_fns, update_fns = zip(*ts)

    def init(p):
        return tuple((fn(p) for fn in init_fns))

    def update(g, state, params=None):
        if len(update_fns) != len(state):
            raise ValueError("n")
        new_state = []
        for s, fn in zip(state, update_fns):
            g, new_s = fn(g, s, params)
            new_state.append(new_s)
        return (g, tuple(new_state))
    return Opt(init, update)


def clip(c):

    def init(p):
        return ()

    def update(g, s, p=None):
        n = np.sqrt(sum((np.sum(x ** 2) for x in xform.tree.leaves(g))))
        return (xform.tree.map(lambda x: x * np.minimum(1.0, c / n), g), s)
    return Opt(init, update)


X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]])
Y = np.array([1.0, 0.0, 2.0])
P = {"w": np.array([0.1, 0.2]), "b": np.array(0.3)}


def loss(p):
    return np.mean((X @ p["w"] + p["b"] - Y) ** 2)


def apply(p, u):
    return xform.tree.map(lambda a, b: a + b, p, u)


def one_step(lr):
    init, update = adam(lr)
    p = P
    s = init(p)
    g = grad(loss)(p)
    u, s = update(g, s)
    return loss(apply(p, u))


def several_steps(lr):
    opt = adam(lr)
    p = P
    s = opt.init(p)
    for _ in range(3):
        g = grad(loss)(p)
        u, s = opt.update(g, s, p)
        p = apply(p, u)
    return loss(p)


def pair_of_closures(lr):
    init, update = sgd(lr)
    p = P
    s = init(p)
    for _ in range(3):
        u, s = update(grad(loss)(p), s)
        p = apply(p, u)
    return loss(p)


def chained(lr):
    opt = chain(clip(1.0), sgd(lr))
    p = P
    s = opt.init(p)
    u, s = opt.update(grad(loss)(p), s, p)
    p = apply(p, u)
    return loss(p)


def chained_and_checked(lr):
    opt = chain2(clip(1.0), adam(lr))
    p = P
    s = opt.init(p)
    for _ in range(2):
        u, s = opt.update(grad(loss)(p), s, p)
        p = apply(p, u)
    return loss(p)


def steps_of_a_scan(lr):
    opt = adam(lr)
    s = opt.init(P)

    def step(c, _):
        p, s = c
        u, s = opt.update(grad(loss)(p), s)
        return ((apply(p, u), s), loss(p))
    (p, s), ls = xform.lax.scan(step, (P, s), None, length=3)
    return loss(p)


def passed_to_a_function(lr):

    def train(opt):
        s = opt.init(P)
        p = P
        u, s = opt.update(grad(loss)(p), s)
        return apply(p, u)
    return loss(train(adam(lr))) + loss(train(clip(lr)))


def kept_in_a_dict(lr):
    opts = {"a": adam(lr), "s": Opt(*sgd(lr))}
    p = P
    for k, o in opts.items():
        s = o.init(p)
        u, s = o.update(grad(loss)(p), s)
        p = apply(p, u)
    return loss(p)


PROGRAMS = [one_step, several_steps, pair_of_closures, chained, chained_and_checked, steps_of_a_scan, passed_to_a_function, kept_in_a_dict]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_by_the_learning_rate(program):
    rate, step = 0.1, 3e-3
    want = (float(program(rate + step)) - float(program(rate - step))) / (2 * step)
    first = grad(program)
    assert float(first(rate)) == pytest.approx(want, rel=3e-2)
    assert float(xform.jit(first)(rate)) == pytest.approx(want, rel=3e-2)
    assert float(xform.vmap(first)(np.array([rate, 0.2]))[0]) == pytest.approx(want, rel=3e-2)


@pytest.mark.parametrize("program", [one_step, steps_of_a_scan, chained_and_checked], ids=lambda f: f.__name__)
def test_twice(program):
    rate, step = 0.1, 3e-3
    slope = (float(grad(program)(rate + step)) - float(grad(program)(rate - step))) / (2 * step)
    assert float(grad(grad(program))(rate)) == pytest.approx(slope, rel=3e-2)
