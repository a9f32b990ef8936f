"""Nested functions that assign variables of the function around them, or change its lists, dicts and arrays."""
import pytest

import xform
import xform.numpy as np


def counter(x):
    count = 0.0

    def add(v):
        nonlocal count
        count += v * x
        return count
    y = add(2.0) * add(x)
    for i in range(3):
        add(i)
    return count * y


def early_return(x):
    best, visits = x, 0

    def visit(v):
        nonlocal best, visits
        visits += 1
        if v < best:
            return
        best = v * v
    for v in (x * 0.5, x * 2.0, x * 3.0):
        visit(v)
    return best * visits


def two_levels(x):
    total = 0.0

    def outer(a):
        def inner(b):
            nonlocal total
            total = total + b * x
        inner(a)
        inner(a * 2)
        return a
    outer(x)
    outer(2.0)
    return total


def list_of_the_outer(x):
    seen = []

    def note(v):
        seen.append(v * x)
        return len(seen)
    n = note(1.0) + note(x)
    return sum(seen) * n


def dict_of_the_outer(x):
    state = {"a": x}

    def scale(v):
        state["a"] = state["a"] * v
    scale(3.0)
    scale(x)
    return state["a"]


def array_of_the_outer(x):
    y = np.zeros(3)

    def put(i, v):
        y[i] = v * x
    for i in range(3):
        put(i, x + i)
    return (y * y).sum()


def in_a_branch(x):
    n = 1.0

    def double():
        nonlocal n
        n = n * 2.0 * x
    if x > 0.5:
        double()
    double()
    return n


def takes_a_function(x):
    total = 0.0

    def apply(f, v):
        nonlocal total
        total += f(v)
    apply(np.sin, x)
    apply(lambda v: v * x, 3.0)
    return total


PROGRAMS = [counter, early_return, two_levels, list_of_the_outer, dict_of_the_outer, array_of_the_outer, in_a_branch,
            takes_a_function]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program):
    x, step = 0.7, 1e-6
    with xform.enable_x64(True):
        value = lambda v: float(xform.jit(program)(v)) if program is array_of_the_outer else float(program(v))
        wanted = (value(x + step) - value(x - step)) / (2 * step)
        assert float(xform.grad(program)(x)) == pytest.approx(wanted, rel=1e-6)
        second = (float(xform.grad(program)(x + step)) - float(xform.grad(program)(x - step))) / (2 * step)
        assert float(xform.grad(xform.grad(program))(x)) == pytest.approx(second, rel=1e-5)
    assert float(xform.jvp(program, (x,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-4)
    assert float(xform.jit(xform.grad(program))(x)) == pytest.approx(wanted, rel=1e-4)
    rows = [float(xform.grad(program)(v)) for v in (0.7, 0.6)]
    assert list(map(float, xform.vmap(xform.grad(program))(np.array([0.7, 0.6])))) == pytest.approx(rows, rel=1e-4)
    assert float(xform.vmap(program)(np.array([x]))[0]) == pytest.approx(float(xform.jit(program)(x)), rel=1e-5)


class Total:
    def __init__(self, value):
        self.value = value

    def add(self, v):
        self.value = self.value + v


def changes_an_object(x):
    total = Total(x)

    def add(v):
        total.add(v)
    add(x * x)
    return total.value


def transformed(x):
    n = 0.0

    def g(v):
        nonlocal n
        n = n + v
        return v * v
    return xform.grad(g)(x) + n


def passed_on(x):
    n = 0.0

    def g(v):
        nonlocal n
        n = n + v
        return v * v
    return twice(g, x) + n


def twice(f, x):
    return f(f(x))


TOTAL = 0.0


def assigns_a_global(x):
    global TOTAL
    TOTAL = x
    return x * x


def made_by_closure():
    n = 0.0

    def g(v):
        nonlocal n
        n = n + 1.0
        return v * v
    return g


@pytest.mark.parametrize("program, reason", [
    (changes_an_object, "'total', an object of the function around this one, is changed by a nested function"),
    (transformed, "is transformed, stored or passed on"),
    (passed_on, "is called elsewhere than there|is transformed, stored or passed on"),
    (assigns_a_global, "assigning globals"),
    (made_by_closure(), "assigning a variable of a function that is not transformed")])
def test_refused(program, reason):
    with pytest.raises(xform.TransformError, match=reason) as caught:
        xform.grad(program)(1.0)
    assert "test_outer_variables.py" in str(caught.value)
