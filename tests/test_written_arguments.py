"""Functions that change their arguments in place: what a call writes is seen where the caller reads on, as in NumPy."""
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform import TransformError


def put(b, i, v):
    b[i] = v


def boundary(u, left, right=0.0):
    u[0] = left
    u[-1] = right


def swap(a, i, j):
    a[i], a[j] = a[j], a[i]


def scaled_row(a, i, factor):
    a[i] *= factor
    return factor * 2.0


def relaxed(u, turns):
    for _ in range(turns):
        u[1:-1] = 0.5 * (u[:-2] + u[2:])
        boundary(u, u[1], right=1.0)


def doubled(a):
    a[0] = a[0] + 1.0
    a *= 2.0


def halves(a, low, high):
    """Reverse a part of an array by calls of itself."""
    if high - low > 1:
        swap(a, low, high - 1)
        halves(a, low + 1, high - 1)


def statement(x):
    b = np.zeros(3)
    put(b, 1, x * x)
    put(b, 2, x)
    return b.sum() + b[1]


def keyword(x):
    u = np.ones(4) * x
    boundary(left=x * x, u=u)
    return (u * np.arange(4.0)).sum() + u[0]


def in_loop(x):
    u = np.linspace(0.0, 1.0, 6) * x
    relaxed(u, 3)
    return u @ u


def with_result(x):
    a = np.ones((2, 3)) * x
    total = 0.0
    for i in range(2):
        total = total + scaled_row(a, i, x + i)
    return total + a.sum()


def in_branch(x):
    a = np.arange(3.0) * x
    if x > 0:
        swap(a, 0, 2)
    else:
        put(a, 0, 7.0)
    return (a * np.arange(3.0)).sum()


def augmented(x):
    a = np.ones(2) * x
    doubled(a)
    return a[0] * a[1]


def recursive(x):
    a = np.arange(5.0) * x
    halves(a, 0, 5)
    return (a * np.arange(5.0)).sum()


def listed(x):
    found = []
    collect(found, x)
    collect(found, x * 2)
    return found[0] * found[1] + len(found)


def collect(into, v):
    into.append(v)


def in_expression(x):
    a = np.ones((2, 2)) * x
    return scaled_row(a, 0, x) + a.sum()


PROGRAMS = [statement, keyword, in_loop, with_result, in_branch, augmented, recursive, listed, in_expression]


def by_numpy(program, x):
    """The program with NumPy's own arrays, in double precision."""
    namespace = dict(program.__globals__, np=onp)
    for function in (put, boundary, swap, scaled_row, relaxed, doubled, halves, collect, program):
        namespace[function.__name__] = type(function)(function.__code__, namespace, function.__name__, function.__defaults__)
    return float(namespace[program.__name__](x))


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_numpy(program):
    x, step = 0.7, 1e-6
    assert float(xform.jit(program)(x)) == pytest.approx(by_numpy(program, x), rel=1e-5)
    slope = (by_numpy(program, x + step) - by_numpy(program, x - step)) / (2 * step)
    assert float(xform.grad(program)(x)) == pytest.approx(slope, rel=1e-4)
    assert float(xform.jit(xform.grad(program))(x)) == pytest.approx(slope, rel=1e-4)
    assert float(xform.jvp(program, (x,), (1.0,))[1]) == pytest.approx(slope, rel=1e-4)
    xs = onp.array([0.7, 1.3, -0.4], "float32")
    onp.testing.assert_allclose(xform.vmap(program)(xs), [by_numpy(program, float(v)) for v in xs], rtol=1e-5)


def test_the_generated_code_gives_the_argument_back():
    source = xform.source(xform.jit(statement))
    assert "def put(b, i, v):\n    b = rt.setitem(b, i, v)" in source and "None, b" in source


def lost(a):
    a[0] = 5.0
    a = a * 2.0
    return a.sum()


def reads_the_lost(x):
    a = np.ones(3) * x
    total = lost(a)
    return total + a.sum()


def two_names(x):
    a = np.ones(3) * x
    b = a
    put(a, 0, x * x)
    return b.sum()


def copied_first(x):
    a = np.ones(3) * x
    return works_on_a_copy(a) + a.sum()


def works_on_a_copy(a):
    a = a.copy()
    a[0] = 0.0
    return a.sum()


@pytest.mark.parametrize("program", [reads_the_lost, two_names])
def test_refused(program):
    with pytest.raises(TransformError, match="changed in place"):
        xform.grad(program)(0.7)


def test_a_copy_is_no_argument():
    assert float(xform.grad(copied_first)(0.7)) == 5.0


def test_nested_functions_write_into_their_arguments():
    def program(x):
        def fill(b, v):
            b[1:] = v * x
        b = np.ones(3) * x
        fill(b, 2.0)
        return b.sum()
    assert float(xform.grad(program)(0.7)) == 5.0


def test_nested_functions_that_write_and_call_functions():
    def program(x):
        def apply(f, b):
            b[0] = f(b[0])
            return scale

        def both(b, c):
            nonlocal scale
            scale = scale + 1.0
            put(c, 0, b[0])
            b[1] = x
        scale = 2.0
        b, c = np.ones(3) * x, np.zeros(2)
        total = apply(np.sin, b)
        both(b=b, c=c)
        return total * b.sum() * scale + c.sum()

    def expected(x):
        return 2.0 * (onp.sin(x) + 2 * x) * 3.0 + onp.sin(x)
    assert float(xform.jit(program)(0.7)) == pytest.approx(expected(0.7), rel=1e-5)
    assert float(xform.grad(program)(0.7)) == pytest.approx((expected(0.7 + 1e-5) - expected(0.7 - 1e-5)) / 2e-5, rel=1e-4)
