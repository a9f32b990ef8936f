"""Lists and tuples that a function is given: + joins them and * repeats them, in gradients too."""
import functools

import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap
from xform.tree_util import tree_leaves, tree_map


def repeated(xs):
    return sum(x * x * (i + 1.0) for i, x in enumerate(xs * 2))


def repeated_from_the_left(xs):
    total = 1.0
    for x in 3 * xs:
        total = total * x + x
    return total


def joined(xs, ys):
    both = xs + ys
    return both[0] * both[-1] + np.sum(np.stack(both) ** 3) * len(both)


def grown_by_assignment(xs, ys):
    xs += ys
    return sum(x ** i for i, x in enumerate(xs))


def parts(xs):
    rest = xs[1:] + xs[:1]
    return sum(a * b * (i + 1.0) for i, (a, b) in enumerate(zip(xs, rest)))


def by_a_function(x, y):
    return joined([x, x * y], [y]) + joined((y,), (x, y)) * 2.0


def passed_on(xs, ys):
    return joined(ys, xs) * 0.5


def by_a_nested_function(x, y):
    def chain(a, b):
        return a + b * 2

    total = 0.0
    for i, v in enumerate(chain([x, y], [x * y])):
        total = total + v ** (i + 1)
    return total


def recursive(xs):
    if len(xs) == 1:
        return xs[0] ** 2
    return xs[0] * recursive(xs[2:] + xs[1:2]) + xs[1]


def arrays(xs, ys):
    return np.sum((xs[0] + ys[0]) * ys[0]) + np.sum(xs[1] * 2.0)


PROGRAMS = {
    "repeated": (repeated, ([0.5, 1.5],)), "tuple": (repeated, ((0.5, 1.5),)), "left": (repeated_from_the_left, ([0.5, 1.2],)),
    "joined": (joined, ([0.5, 1.5], [0.7])), "joined tuples": (joined, ((0.5, 1.5), (0.7,))), "+=": (grown_by_assignment, ([0.5, 1.5], [0.7])),
    "parts": (parts, ([0.5, 1.5, 0.8],)), "by a function": (by_a_function, (0.5, 1.5)), "passed on": (passed_on, ([0.5, 1.5], [0.7])),
    "by a nested function": (by_a_nested_function, (0.5, 1.5)), "recursive": (recursive, ([0.5, 1.5, 0.8],)),
    "arrays": (arrays, ([0.5, 1.5], [0.3])), "partial": (functools.partial(joined, [0.5, 1.5]), ([0.7],))}


@pytest.fixture(autouse=True)
def wide():
    with xform.enable_x64(True):
        yield


def slopes(f, args):
    """Central differences, leaf by leaf."""
    leaves, tree = xform.tree_util.tree_flatten(args)
    found = []
    for i in range(len(leaves)):
        sides = [f(*tree.unflatten([v + (h if i == k else 0.0) for k, v in enumerate(leaves)])) for h in (1e-6, -1e-6)]
        found.append((float(sides[0]) - float(sides[1])) / 2e-6)
    return found


def around(f, derivative, count):
    """(f of the last example of a batch, the sum of a gradient's leaves) as functions of as many arguments."""
    if count == 1:
        return lambda a: vmap(f)(a)[1], lambda a: sum(tree_leaves(derivative(a)))
    return lambda a, b: vmap(f)(a, b)[1], lambda a, b: sum(tree_leaves(derivative(a, b)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients(name):
    f, args = PROGRAMS[name]
    every = tuple(range(len(args)))
    derivative, wanted = grad(f, argnums=every), slopes(f, args)
    batch = tree_map(lambda x: np.array([1.0, x]), args)
    mapped, total = around(f, derivative, len(args))
    ways = {"grad": derivative(*args), "jit": jit(derivative)(*args), "vjp": xform.vjp(f, *args)[1](1.0),
            "vmap": tree_map(lambda d: d[1], vmap(derivative)(*batch)), "of vmap": tree_map(lambda d: d[1], grad(mapped, argnums=every)(*batch))}
    for way, found in ways.items():
        assert type(found[0]) is type(args[0]) or not isinstance(args[0], (list, tuple))
        assert tree_leaves(found) == pytest.approx(wanted, rel=1e-6, abs=1e-8), way
    ones = tree_map(lambda x: 1.0, args)
    assert float(xform.jvp(f, args, ones)[1]) == pytest.approx(sum(wanted), rel=1e-6)
    assert tree_leaves(grad(total, argnums=every)(*args)) == pytest.approx(slopes(total, args), rel=1e-5, abs=1e-6)


def test_functions_that_one_def_makes():
    """Whether a wrapper's lists are joined depends on the function that it wraps."""
    def wrapped(function):
        def two(xs, ys):
            return function(xs, ys)
        return two

    def added(xs, ys):
        return sum(xs) * sum(ys)

    def joined(xs, ys):
        return sum([z * z for z in xs + ys * 2])
    for _ in range(2):
        assert xform.grad(wrapped(added), argnums=(0, 1))([1.0, 2.0], [3.0]) == ([3.0, 3.0], [3.0])
        assert xform.grad(wrapped(joined), argnums=(0, 1))([1.0, 2.0], [3.0]) == ([2.0, 4.0], [12.0])
