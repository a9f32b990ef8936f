"""Python's own control flow under every transformation: the programs are plain arithmetic, so Python floats are the oracle."""
import numpy
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap


def branch(x):
    if x > 1.0:
        y = x * x
    elif x > 0.0:
        y = x + 1.0
    else:
        y = -x * 3.0
    return y * x


def one_sided(x):
    y = x * 2.0
    if x > 0.5:
        y = y * x
    return y


def early_return(x):
    if x < 0.0:
        return x * x
    y = x * 3.0
    if y > 2.0:
        return y * x
    return y + x * x * x


def returns_inside_branches(x):
    if x > 0.0:
        if x > 1.0:
            return x * x * x
        z = x * 2.0
    else:
        z = x * x
    return z * z


def name_bound_in_one_branch(x):
    if x > 0.0:
        y = x * x
    if x > 0.0:
        x = x + y
    return x * 2.0


def conjunctions(x):
    if x > 0.0 and x * x < 2.0 or x < -1.0:
        return x * x
    return x * 5.0 if not (x > 0.3 or x < -0.3) else x * x * x


def chained(x):
    return x * x if -1.0 < x <= 1.0 else x * 4.0


def counted(x):
    y = x
    for i in range(5):
        y = y * 0.5 * x + i
    return y


def counted_with_branch(x):
    y = x
    for i in range(6):
        if y > 1.0:
            y = y * 0.5
        else:
            y = y + x * i
    return y


def until(x):
    y = x * x + 0.5
    while y < 10.0:
        y = y * 1.5 + x * x
    return y


def never_entered(x):
    y = x * x
    while y < -1.0:
        y = y * 100.0
    return y * x


def halving(x):
    n = 0
    while x > 0.2 and n < 4:
        x = x * 0.7
        n = n + 1
    return x * x


def breaking(x):
    y = x * x
    for i in range(8):
        y = y * 1.4 + 0.1
        if y > 3.0:
            break
        y = y + x * 0.1
    return y * x


def continuing(x):
    y = x
    for i in range(6):
        if i % 2 == 1:
            continue
        if y > 2.0:
            continue
        y = y * 1.3 + x * x
    return y


def return_from_loop(x):
    y = x
    for i in range(6):
        y = y * y * 0.5 + x * x
        if y > 2.0:
            return y * x + i
    return y * 0.5


def return_from_two_loops(x):
    y = x
    for i in range(3):
        for j in range(3):
            y = y + x * x * 0.4
            if y > 2.5:
                return y * y + j
        y = y * 0.9
    return y * 3.0


def loop_else(x):
    y = x * x
    for i in range(4):
        y = y * 1.5
        if y > 3.0:
            break
    else:
        y = y * x
    return y


def while_else(x):
    y, n = x * x, 0
    while n < 4:
        y = y * 1.4 + 0.2
        n += 1
        if y > 2.5:
            break
    else:
        y = y - x
    return y * x


def forever(x):
    y = x * x + 0.1
    while True:
        y = y * 1.5
        if y > 4.0:
            return y * x
        y = y + 0.1


def nested(x):
    total = 0.0 * x
    for i in range(3):
        y = x
        for j in range(i + 1):
            y = y * x * 0.5 + j
            if y > 2.0:
                break
        total = total + y
        if total > 5.0:
            continue
        total = total * 1.1
    return total


def collatz(x):
    steps = 0
    y = x * x
    while y > 0.1 and steps < 10:
        y = y * 0.3 if y > 1.0 else y * 0.8 - 0.01 * x
        steps = steps + 1
    return y * x


def fibonacci(x):
    a, b = 0.0 * x, x
    for _ in range(7):
        a, b = b, a + b * x * 0.5
    return a


def newton_root(x):
    a = x * x + 0.5
    y = a
    while abs(y * y - a) > 1e-4:
        y = y - (y * y - a) / (2.0 * y)
    return y


def carried_flag(x):
    y, going = x, True
    for i in range(5):
        if going:
            y = y + x * x
            going = y < 2.0
    return y


def recursive(x):
    return recursive_step(x * x + 0.2, 4)


def recursive_step(y, n):
    if n == 0:
        return y
    return recursive_step(y * y * 0.5 + 0.3, n - 1)


def two_largest(x):
    first = x * 0.3
    second = first
    for i in range(12):
        v = x * (i * 7 % 5) - 0.03 * i * x * x
        if v > first:
            second = first
            first = v
        elif v > second:
            second = v
    return first * 2.0 + second


def asserted(x):
    assert x > -100.0, "too small"
    return x * x


FUNCTIONS = [branch, one_sided, early_return, returns_inside_branches, name_bound_in_one_branch, conjunctions, chained, counted,
             counted_with_branch, until, never_entered, halving, breaking, continuing, return_from_loop, return_from_two_loops,
             loop_else, while_else, forever, nested, collatz, fibonacci, newton_root, carried_flag, recursive, two_largest]
POINTS = numpy.array([-1.3, -0.6, 0.15, 0.45, 0.8, 1.2, 1.7], dtype=numpy.float32)

each = pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)


def values(f):
    return numpy.array([f(float(x)) for x in POINTS])


def slopes(f, step=1e-6):
    return numpy.array([(f(float(x) + step) - f(float(x) - step)) / (2 * step) for x in POINTS])


def curvatures(f, step=1e-4):
    return numpy.array([(f(float(x) + step) - 2 * f(float(x)) + f(float(x) - step)) / step ** 2 for x in POINTS])


def close(one, other, tolerance=1e-3):
    numpy.testing.assert_allclose(numpy.asarray(one, dtype=numpy.float64), other, rtol=tolerance, atol=tolerance)


@each
def test_gradient(f):
    close([grad(f)(x) for x in POINTS], slopes(f))


@each
def test_value_and_gradient(f):
    both = [xform.value_and_grad(f)(x) for x in POINTS]
    close([v for v, _ in both], values(f))
    close([g for _, g in both], slopes(f))


@each
def test_forward_derivative(f):
    both = [xform.jvp(f, (x,), (np.float32(2.0),)) for x in POINTS]
    close([v for v, _ in both], values(f))
    close([d for _, d in both], 2 * slopes(f))


@each
def test_second_derivative(f):
    close([grad(grad(f))(x) for x in POINTS], curvatures(f), 5e-3)


@each
def test_batched(f):
    close(vmap(f)(POINTS), values(f))


@each
def test_batched_gradient(f):
    close(vmap(grad(f))(POINTS), slopes(f))


@each
def test_compiled(f):
    compiled = jit(f)
    close([compiled(x) for x in POINTS], values(f))


@each
def test_compiled_gradient(f):
    compiled = jit(grad(f))
    close([compiled(x) for x in POINTS], slopes(f))


@each
def test_compiled_batched(f):
    close(jit(vmap(f))(POINTS), values(f))


@each
def test_compiled_batched_gradient(f):
    close(jit(vmap(grad(f)))(POINTS), slopes(f))


@each
def test_batched_forward_derivative(f):
    close(vmap(lambda x: xform.jvp(f, (x,), (1.0,))[1])(POINTS), slopes(f))


def test_a_branch_is_staged_and_one_program_serves_both_sides():
    text = jit(branch).lower(np.float32(1.0)).as_text()
    assert "stablehlo.case" in text or "stablehlo.if" in text or "stablehlo.select" in text


def test_a_while_stays_a_loop():
    assert "stablehlo.while" in jit(until).lower(np.float32(1.0)).as_text()


def long_loop(x, n):
    for i in range(n):
        x = x * 0.999 + i * 1e-9
    return x


@pytest.mark.parametrize("transform", [jit, lambda f, **k: jit(grad(f), **k)], ids=["value", "gradient"])
def test_the_program_does_not_grow_with_the_trip_count(transform):
    sizes = [len(transform(long_loop, static_argnums=1).lower(np.float32(1.0), n).as_text()) for n in (200, 20000)]
    assert abs(sizes[1] - sizes[0]) < 100


def nest(x, turns):
    for a in range(turns):
        for b in range(turns):
            for c in range(turns):
                for d in range(turns):
                    if a + c > b:
                        x = np.sin(x * (a - b + 1)) + 0.01 * d
                    x = x + 0.001 * c * np.cos(x)
    return x


def unlike(x, turns):
    for a in range(turns):
        for shape in [(2,), (3,), (2, 2)]:
            for b in range(turns):
                for c in range(turns):
                    x = x + np.sum(np.sin(x * np.ones(shape)) * 0.001 * (a - b + c))
    return x


@pytest.mark.parametrize("f, longest", [(nest, 2500), (unlike, 4500)])
@pytest.mark.parametrize("transform", [lambda f: f, grad], ids=["value", "gradient"])
def test_short_loops_in_loops_are_not_written_out_beyond_measure(f, longest, transform):
    compiled = jit(transform(f), static_argnums=1)
    assert compiled.lower(np.float32(0.7), 6).as_text().count("\n") < longest
    close(compiled(0.7, 4), transform(f)(0.7, 4))


def test_the_trip_count_may_be_traced():
    def power(x, n):
        y = 1.0
        for _ in range(n):
            y = y * x
        return y
    compiled = jit(power)
    assert [float(compiled(2.0, n)) for n in (0, 1, 5, 10)] == [1.0, 2.0, 32.0, 1024.0]
    slope = jit(grad(power))
    assert [float(slope(2.0, n)) for n in (0, 1, 5)] == [0.0, 1.0, 80.0]


def test_reverse_of_a_long_loop_with_an_unknown_trip_count():
    def decay(x):
        n = 0
        while x > 0.01:
            x = x * 0.99
            n = n + 1
        return x
    x = 1.0
    trips = 0
    y = numpy.float32(x)
    while y > 0.01:
        y, trips = numpy.float32(y * numpy.float32(0.99)), trips + 1
    close(jit(grad(decay))(x), 0.99 ** trips)


def test_examples_leave_the_loop_at_their_own_turn():
    def count(x):
        n = 0
        while x < 10.0:
            x = x * 2.0
            n = n + 1
        return n
    assert vmap(count)(np.array([20.0, 6.0, 3.0, 1.0])).tolist() == [0, 1, 2, 4]


def test_a_finished_example_takes_no_part_in_later_turns():
    def f(x):
        while x > 1.0:
            x = 1.0 / (x - 2.0) if x > 3.0 else x - 1.0   # 1/0 for an example that had gone on from 2
        return x
    close(vmap(f)(np.array([2.0, 5.0])), [1.0, 1.0 / 3.0])
    close(vmap(grad(f))(np.array([2.0, 5.0])), [1.0, -1.0 / 9.0])


def test_the_branch_not_taken_does_not_spoil_a_gradient():
    def safe(x):
        if x > 0.0:
            return np.sqrt(x)
        return 0.0 * x
    assert vmap(grad(safe))(np.array([0.0, 4.0])).tolist() == [0.0, 0.25]
    assert jit(grad(safe))(0.0) == 0.0


def test_assertions_hold_in_eager_code():
    with pytest.raises(AssertionError, match="too small"):
        grad(asserted)(-200.0)
    assert grad(asserted)(3.0) == 6.0


def scalar_or_row(x):
    t = 1.0
    if np.sum(x) > 0:
        t = x
    return np.sum(t)


def rows_added(x):
    s = 0.0
    while np.sum(s) < np.sum(x):
        s = s + x
    return np.sum(s)


@pytest.mark.parametrize("function", [scalar_or_row, rows_added])
@pytest.mark.parametrize("transformed", [xform.vmap, lambda f: xform.jit(xform.vmap(f)), lambda f: xform.vmap(xform.grad(f))])
def test_examples_of_two_shapes_are_refused(function, transformed):
    """A branch or loop on batched values: the shorter one was broadcast, and np.sum gave 3.0 where the function gives 1.0."""
    with pytest.raises(TypeError, match=r"gives shape \((3,)?\) in one case and \((3,)?\) in the other; the examples of a batch have one shape"):
        transformed(function)(np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]]))


def test_assertions_on_staged_values_are_refused():
    with pytest.raises(TypeError, match="being staged for compilation"):
        jit(asserted)(3.0)


def test_a_replayed_loop_sees_the_variables_of_its_own_time():
    """The loop's turns are run again for the gradient, after a later loop has assigned a variable that they read."""
    def later_assignment(x, y):
        y = y * 1.0
        n = 0
        while n < 3 and y > -0.86:
            n = n + 1
            x = np.sin(y + y) * y
        for item in reversed([-0.75, x]):
            y = -(item / (1.5 + item * item))
        return np.tanh(x + y)
    gradient = xform.grad(later_assignment, argnums=(0, 1))
    for x, y in ((0.5, 0.3), (0.2, 0.9), (-0.4, -0.3), (0.4, -1.0)):
        expected = [float(d) for d in gradient(x, y)]
        numpy.testing.assert_allclose([float(d) for d in xform.jit(gradient)(x, y)], expected, rtol=1e-5)


def test_containers_without_arrays_under_vmap():
    def gathered(x):
        sums = {}
        for i in range(4):
            key = "even" if i % 2 == 0 else "odd"
            sums[key] = sums.get(key, 0.0) + x * i

        def total(node):
            return 0.0 if node is None else node["value"] + total(node["left"])
        return sums["even"] * sums["odd"] + total({"value": x, "left": {"value": x * x, "left": None}})
    close(vmap(gathered)(POINTS), [gathered(float(x)) for x in POINTS])
    close(jit(vmap(grad(gathered)))(POINTS), slopes(gathered))
