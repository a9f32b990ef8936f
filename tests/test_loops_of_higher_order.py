"""Derivatives of second and third order through loops: eager, compiled, of batches; loops stay loops."""
import functools

import numpy as onp
import pytest

import xform as jax
import xform.numpy as np
from runtime.array import ConcretizationError


def newton(a):
    x = a
    while abs(x * x - a) > 1e-5:
        x = 0.5 * (x + a / x)
    return x


def counted(a, n=3):
    s = a
    for i in range(n):
        s = np.sin(s) * a
    return s


def ended(a):
    s, k = a, 0
    while s < 5:
        s = s * 1.3 + np.sin(a)
        k += 1
        if k > 6:
            break
    return s


ORDERS = {"forward over reverse": jax.hessian, "reverse over reverse": lambda f: jax.grad(jax.grad(f)),
          "forward over forward": lambda f: jax.jacfwd(jax.jacfwd(f)), "reverse over forward": lambda f: jax.jacrev(jax.jacfwd(f))}


@pytest.mark.parametrize("order, function", [*[(order, ended) for order in ORDERS], ("forward over reverse", newton), ("reverse over reverse", newton)])
def test_second_order_agrees_eager_compiled_and_batched(order, function):
    second, x = ORDERS[order](function), onp.array([2.0, 0.5], "float32")
    step = 1e-2
    slopes = [(float(jax.grad(function)(v + step)) - float(jax.grad(function)(v - step))) / (2 * step) for v in x]
    one_by_one = [float(second(v)) for v in x]
    onp.testing.assert_allclose(one_by_one, slopes, rtol=5e-2, atol=5e-3)
    onp.testing.assert_allclose(jax.jit(second)(x[0]), one_by_one[0], rtol=1e-3, atol=1e-5)
    onp.testing.assert_allclose(jax.vmap(second)(x), one_by_one, rtol=1e-3, atol=1e-5)
    onp.testing.assert_allclose(jax.jit(jax.vmap(second))(x), one_by_one, rtol=1e-3, atol=1e-5)


def shrunk(v):
    while (v * v).sum() > 1.0:
        v = v * 0.7 + 0.1 * np.sin(v)
    return (v ** 3).sum()


@pytest.mark.parametrize("order", ORDERS)
def test_hessians_of_a_loop_that_every_example_leaves_in_its_own_turn(order):
    second = ORDERS[order](shrunk) if order != "reverse over reverse" else jax.grad(lambda v: jax.grad(shrunk)(v).sum())
    vs = onp.array([[2.0, 0.5, 1.0], [0.3, 0.1, 0.2]], "float32")
    one_by_one = onp.stack([second(v) for v in vs])
    onp.testing.assert_allclose(jax.vmap(second)(vs), one_by_one, rtol=1e-4, atol=1e-6)
    onp.testing.assert_allclose(jax.jit(jax.vmap(second))(vs), one_by_one, rtol=1e-4, atol=1e-6)


def test_a_number_of_turns_that_only_the_program_knows():
    second = jax.hessian(counted)
    for n in (0, 3):
        onp.testing.assert_allclose(jax.jit(second)(0.7, n), second(0.7, n), rtol=1e-4)
        onp.testing.assert_allclose(jax.jit(jax.grad(jax.grad(counted)))(0.7, n), second(0.7, n), rtol=1e-4)


def left_from_within(y):
    n = 0
    while n < 2:
        n = n + 1
        a = y
        for k in range(3):
            if a > 0.9:
                break
            a = np.cos(a) * y + 0.1 * k
        v = np.tanh(a)
        if y > 0.3:
            return v * y
    return y


def looping(a, b):
    for k in range(3):
        if a > 0.9:
            break
        a = np.cos(a) * b + 0.1 * k
    return np.tanh(a)


def left_behind_a_call(y):
    n = 0
    while n < 2:
        n = n + 1
        v = looping(y, y)
        if y > 0.3:
            return v * y
    return y


@pytest.mark.parametrize("function", [left_from_within, left_behind_a_call])
def test_records_of_a_first_turn_stand_before_those_of_the_rest(function):
    second, x = jax.grad(jax.grad(function)), onp.array([0.2, 0.5, 0.95], "float32")
    step = 1e-2
    slopes = [(float(jax.grad(function)(v + step)) - float(jax.grad(function)(v - step))) / (2 * step) for v in x]
    onp.testing.assert_allclose([jax.jit(second)(v) for v in x], slopes, rtol=5e-2, atol=5e-3)


def test_third_order_reverse_mode_of_such_a_loop_is_refused():
    third = jax.grad(jax.grad(jax.grad(counted)))
    assert onp.isfinite(third(0.7, 3))
    with pytest.raises(ConcretizationError, match="reverse mode of the third order .* take the outer derivatives in forward mode"):
        jax.jit(third)(0.7, 3)


@pytest.mark.parametrize("function", [counted, ended])
def test_third_order(function):
    forward = jax.jacfwd(jax.jacfwd(jax.jacfwd(function)))(2.0)
    onp.testing.assert_allclose(jax.grad(jax.hessian(function))(2.0), forward, rtol=1e-3)
    onp.testing.assert_allclose(jax.jacfwd(jax.hessian(function))(2.0), forward, rtol=1e-3)
    onp.testing.assert_allclose(jax.grad(jax.grad(jax.grad(function)))(2.0), forward, rtol=1e-3)


def over_rows(w, xs):
    h = w
    for x in xs:
        h = np.tanh(h * w + x)
    return h


@pytest.mark.parametrize("derivative", [lambda f: jax.grad(f, 1), lambda f: jax.grad(jax.grad(f)), jax.hessian])
def test_programs_do_not_grow_with_the_number_of_turns(derivative):
    made = derivative(over_rows)
    sizes = [len(jax.jit(made).lower(0.3, np.ones(n)).as_text()) for n in (40, 120)]
    assert abs(sizes[1] - sizes[0]) < 0.02 * sizes[0]
    xs = onp.linspace(-1, 1, 12).astype("float32")
    onp.testing.assert_allclose(jax.jit(made)(0.3, xs), made(0.3, xs), rtol=1e-4, atol=1e-5)


def test_the_cotangent_of_rows_that_a_break_left_out_is_zero():
    def until(xs, limit):
        s = 0.0
        for x in xs:
            if s > limit:
                break
            s = s + x * x
        return s
    xs = onp.linspace(0.1, 2, 15).astype("float32")
    for limit in (0.0, 1.0, 3.0, 100.0):
        onp.testing.assert_allclose(jax.jit(jax.grad(until))(xs, limit), jax.grad(until)(xs, limit), rtol=1e-5)


def test_what_turns_append_gets_its_cotangent_beside_the_records():
    """The cotangent of a list that a loop made is run over, not taken apart item by item."""
    source = jax.source(jax.grad(jax.grad(newton)))
    assert "in rt.pairs(reversed(tape), rt.builtins.reversed(d_tape)):" in source
    assert "d_tape[:-1]" not in source
    tangents = jax.source(jax.jacfwd(jax.grad(newton)))
    assert "tape_dot = []" in tangents and "instantiate_shell" not in tangents


def test_the_hessian_of_a_mapped_loop_under_another_map():
    def f(x, w):
        y = x
        for i in range(4):
            y = np.sin(y * w) + x
        return y
    xs = onp.random.default_rng(0).uniform(size=(3, 2)).astype("float32")
    second = jax.hessian(lambda x: jax.vmap(f, (0, None))(x, 1.1).sum())
    onp.testing.assert_allclose(jax.vmap(second)(xs), onp.stack([second(x) for x in xs]), rtol=1e-4)


def scanned(w, xs):
    def body(c, x):
        c = np.sin(c * w + x)
        return c, (c, c * x)
    c, (u, z) = jax.lax.scan(body, 0.0, xs, reverse=True)
    return (u * z).sum() + c


def listed(w, xs):
    items, s = [], w
    for x in xs:
        s = np.sin(s) + x * w
        items.append(s * s)
    return sum(items) + np.stack(items).max()


def backwards(w, xs):
    h = w
    for k, (x, y) in enumerate(zip(reversed(xs), xs * xs)):
        h = np.tanh(h * w + x * y * (k % 3))
    return h


def comprehended(w, xs):
    return sum([np.tanh(w * x) * y for x, y in zip(xs, map(np.sin, xs))])


def over_rows_second(w, xs):
    """The sum of the squares of the second derivatives by what the loop runs over."""
    return (jax.hessian(over_rows, 1)(w, xs) ** 2).sum()


BY_ROWS = [*[(jax.hessian, function) for function in (over_rows, backwards, scanned, listed, comprehended)],
           (lambda f, _: jax.jacfwd(jax.jacfwd(f, 1), 1), scanned), (lambda f, _: jax.jacfwd(jax.jacfwd(f, 1), 1), listed),
           (lambda f, _: jax.jacrev(jax.jacfwd(f, 1), 1), scanned), (lambda f, _: jax.jacrev(jax.jacrev(f, 1), 1), listed),
           (lambda f, _: lambda w, xs: jax.vmap(jax.hessian(f, 1))(np.stack([w, w * w]), np.stack([xs, xs * 0.5])), listed),
           (lambda f, _: lambda w, xs: jax.vmap(jax.hessian(f, 1), (0, None))(np.stack([w, w * w]), xs), scanned), (jax.grad, over_rows_second)]


@pytest.mark.parametrize("derivative, function", BY_ROWS)
def test_derivatives_by_the_rows_stay_loops(derivative, function):
    """Cotangents and tangents of what a loop runs over, and of what it collects, stay stacked under two maps."""
    made = derivative(function, 1)
    sizes = [len(jax.jit(made).lower(0.3, np.ones(n)).as_text()) for n in (40, 120)]
    assert abs(sizes[1] - sizes[0]) < 0.02 * sizes[0]
    xs = onp.linspace(-1, 1, 11).astype("float32")
    onp.testing.assert_allclose(jax.jit(made)(0.3, xs), made(0.3, xs), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("function", [scanned, listed])
def test_what_loops_collect(function):
    """Stacked by scan, turned around, added up and stacked: to second order, compiled as eager."""
    xs = onp.linspace(-1, 1, 12).astype("float32")
    for derivative in (lambda f: jax.grad(f, (0, 1)), jax.hessian, lambda f: jax.grad(jax.grad(f)), lambda f: jax.hessian(f, 1)):
        made = derivative(function)
        for one, two in zip(jax.tree.leaves(jax.jit(made)(0.7, xs)), jax.tree.leaves(made(0.7, xs))):
            onp.testing.assert_allclose(one, two, rtol=2e-3, atol=1e-4)
    for place in (0, 1):
        second = jax.vmap(jax.hessian(function, place), (0, None))
        onp.testing.assert_allclose(jax.jit(second)(onp.array([0.7, 0.2], "float32"), xs),
                                    [jax.hessian(function, place)(w, xs) for w in (0.7, 0.2)], rtol=2e-3, atol=1e-3)


def test_hessian_vector_products_of_a_recurrent_network():
    def loss(p, xs):
        h = np.zeros(4)
        for x in xs:
            h = np.tanh(p @ h + x)
        return (h ** 2).sum()
    rng = onp.random.default_rng(0)
    p, v = [rng.normal(size=(4, 4)).astype("float32") * 0.4 for _ in range(2)]
    xs = rng.normal(size=(30, 4)).astype("float32")

    def forward(p, v):
        return jax.jvp(jax.grad(lambda p: loss(p, xs)), (p,), (v,))[1]

    def backward(p, v):
        return jax.grad(lambda p: (jax.grad(lambda p: loss(p, xs))(p) * v).sum())(p)
    expected = forward(p, v)
    for product in (backward, jax.jit(forward), jax.jit(backward)):
        onp.testing.assert_allclose(product(p, v), expected, rtol=1e-3, atol=1e-4)


def early(x, y):
    for i in (x, y, x):
        if x > 0.24:
            break
        x = np.sin(i * x) * y
    return np.tanh(x + y)


def numbered(x, y):
    for k, i in enumerate((x, 0.5 * y)):
        if x > 0.24:
            break
        x = np.sin(i * x) * y + 0.1 * k
    return np.tanh(x + y)


@pytest.mark.parametrize("f", [early, numbered])
def test_every_lane_has_its_own_cotangents_of_a_loop_that_ends_early(f):
    slope = jax.grad(lambda x, y: jax.grad(f)(x, y) ** 2)
    xs, ys = np.array([0.3, -0.5, 0.2, 0.1]), np.array([0.2, 0.4, -0.7, 1.1])
    expected = [slope(x, y) for x, y in zip(xs, ys)]
    step = 1e-2     # of a central difference, in single precision
    square = lambda x, y: jax.grad(f)(x, y) ** 2
    for x, y, one in list(zip(xs, ys, expected))[1:]:
        onp.testing.assert_allclose(one, (square(x + step, y) - square(x - step, y)) / (2 * step), rtol=2e-2, atol=2e-3)
    onp.testing.assert_allclose(jax.vmap(slope)(xs, ys), expected, rtol=1e-5, atol=1e-7)


def rows_of_rows(x, n):
    rows = []
    for i in range(n):
        row = []
        for j in range(n):
            row.append(x * i + j)
        rows.append(row)
    return np.sum(np.array(rows) ** 2 * np.arange(n))


def planes(x, n):
    out = []
    for i in range(n):
        plane = []
        for j in range(n):
            row = []
            for k in range(n):
                row.append([x * i + j, 1.0, x * k])
            plane.append(row)
        out.append(plane)
    return np.sum(np.array(out) ** 2 * np.arange(3) * np.arange(n)[:, None, None])


def comprehended_rows(x, n):
    m = [[x * np.ones(2) * i + j for j in range(n)] for i in range(n)]
    return np.sum(np.stack([np.stack(r) for r in m]) ** 2) + m[2][2][1] + sum(m[1])[0]


@pytest.mark.parametrize("f", [rows_of_rows, planes, comprehended_rows])
def test_lists_of_lists_that_compiled_loops_make(f):
    x, n = 0.5, 10
    value, slope, curve = f(x, n), jax.grad(f)(x, n), jax.grad(jax.grad(f))(x, n)
    close = functools.partial(onp.testing.assert_allclose, rtol=1e-4)
    close(jax.jit(f, static_argnums=1)(x, n), value)
    close(jax.jit(jax.grad(f), static_argnums=1)(x, n), slope)
    close(jax.jit(jax.hessian(lambda x: f(x, n)))(x), curve)
    xs = onp.float32([x, x])
    close(jax.jit(jax.vmap(lambda x: f(x, n)))(xs), [value, value])
    close(jax.jit(jax.vmap(jax.grad(lambda x: f(x, n))))(xs), [slope, slope])


def squares_of_products(w):
    return jax.lax.scan(lambda c, v: (c * v, c * c), 1.0, w)[1].sum()


def pairs_of_products(w):
    return jax.lax.scan(lambda c, v: (c * v, {"a": c * c, "b": (v, c)}), 1.0, w)[1]


@pytest.mark.parametrize("jitted", [False, True])
def test_records_of_which_the_first_does_not_depend_on_the_input(jitted):
    """The cotangent of the records had ZERO in its first place, and all of them were taken for zero."""
    w = np.array([1.0, 2.0, 3.0])
    wrapped = jax.jit if jitted else lambda f: f
    outer = wrapped(jax.grad(lambda w: jax.grad(lambda u: squares_of_products(u) ** 2)(w).sum()))(w)
    onp.testing.assert_allclose(outer, jax.hessian(lambda u: squares_of_products(u) ** 2)(w).sum(0), rtol=1e-6)
    onp.testing.assert_allclose(jax.jacfwd(jax.grad(lambda u: squares_of_products(u) ** 2))(w).sum(0), outer, rtol=1e-6)

    def weighed(u):
        made = pairs_of_products(u)
        return (made["a"].sum() * made["b"][0][1] + made["b"][1].prod()) ** 2
    outer = wrapped(jax.grad(lambda w: jax.grad(weighed)(w).sum()))(w)
    onp.testing.assert_allclose(outer, jax.jacfwd(jax.jacfwd(weighed))(w).sum(0), rtol=1e-5)
