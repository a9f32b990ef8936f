"""Three batch axes, one inside the other, agree with three Python loops."""
import numpy as onp
import pytest

import xform as jax
import xform.numpy as np

X = onp.linspace(0.5, 1.5, 2 * 3 * 4 * 5, dtype="float32").reshape(2, 3, 4, 5)


def squares(x):
    return (x * x).sum()


def picked(x):
    i = np.array([[0, 1], [4, 2]])
    return (x[i] * x[i]).sum() + x[1] * x[-1]


def updated(x):
    y = x.at[1].set(x[0] * x[2])
    return (y * x).sum()


def looped(x):
    total = 0.0
    for item in x:
        if item > 1.0:
            total = total + item * item
        else:
            total = total + np.sin(item) * x[0]
    return total


def until(x):
    y = x.sum()
    while y < 20.0:
        y = y * 1.5 + x[0]
    return y


def matrix(x):
    m = np.outer(x, x) + np.eye(5)
    return np.linalg.det(m) + (m @ x).mean()


def helped(x):
    pair = (x, x[0])
    return np.sum(pair[0] * pair[1]) + scaled(pair)


def scaled(pair):
    a, b = pair
    return (a / (1 + b)).max()


PROGRAMS = [squares, picked, updated, looped, until, matrix, helped]


def by_loops(function, *arrays):
    return onp.array([[[onp.asarray(function(*(np.asarray(a[i, j, k]) for a in arrays))) for k in range(4)] for j in range(3)]
                      for i in range(2)])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("derived", [lambda f: f, jax.grad, lambda f: jax.grad(lambda x: jax.grad(f)(x).sum())],
                         ids=["value", "grad", "second"])
def test_three_axes(program, derived):
    function = derived(program)
    batched = jax.vmap(jax.vmap(jax.vmap(function)))(X)
    onp.testing.assert_allclose(batched, by_loops(function, X), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("derived", [lambda f: f, jax.grad], ids=["value", "grad"])
def test_axes_of_different_operands(derived):
    def inner(x, i, y):
        return (x[i] * y + (x * y).sum()).sum()
    function = derived(inner)
    x, y = onp.arange(10, dtype="float32").reshape(2, 5) / 10, onp.arange(4, dtype="float32")
    i = onp.arange(6).reshape(3, 2) % 5
    batched = jax.vmap(jax.vmap(jax.vmap(function, (None, 0, None)), (0, None, None)), (None, None, 0))(x, i, y)
    loops = onp.array([[[onp.asarray(function(np.asarray(x[b]), i[c], y[a])) for c in range(3)] for b in range(2)]
                       for a in range(4)])
    onp.testing.assert_allclose(batched, loops, rtol=1e-5)


def test_branches_of_different_ranks():
    def chosen(x, y):
        return y * 1.0 if x > 0 else np.zeros(3) + y
    x = onp.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]], "float32")
    y = onp.arange(18, dtype="float32").reshape(3, 2, 3)
    batched = jax.vmap(jax.vmap(chosen))(x, y)
    onp.testing.assert_array_equal(batched, y)


def test_a_loop_carries_only_what_its_turns_need():
    """A value that each turn makes anew is no state of the masked loop."""
    def newton(x):
        y, error = x, 1.0
        while error > 1e-6:
            following = y - (y * y * y - x) / (3.0 * y * y)
            error = abs(following - y) / abs(y)
            y = following
        return y

    def last_step(x):
        while x > 1.0:
            step = x / 2
            x = x - step
        return step

    def error_is_kept(x):
        y, error = x, 1.0
        while error > 1e-3:
            following = (y + x / y) / 2
            error = abs(following - y)
            y = following
        return y + 100 * error

    def error_steers(x):
        error, total = x, 0.0
        while error > 1.0:
            total += error
            error = error / 2
        return total
    xs = np.array([1.0, 8.0, 27.0, 1000.0])
    onp.testing.assert_allclose(jax.vmap(newton)(xs), onp.cbrt(onp.asarray(xs)), rtol=1e-5)
    assert "def body(y, live):" in jax.source(jax.jit(jax.vmap(newton)))     # only the test reads the error: a done lane stays done
    onp.testing.assert_allclose(jax.vmap(last_step)(xs[1:]), [last_step(float(x)) for x in xs[1:]])
    for loop in error_is_kept, error_steers:
        onp.testing.assert_allclose(jax.vmap(loop)(xs), [loop(float(x)) for x in xs], rtol=1e-4)
        onp.testing.assert_allclose(jax.vmap(jax.grad(loop))(xs), [jax.grad(loop)(float(x)) for x in xs], rtol=1e-4)
    onp.testing.assert_allclose(jax.vmap(jax.grad(newton))(xs), onp.cbrt(onp.asarray(xs)) ** -2 / 3, rtol=1e-4)


def test_a_loop_over_a_pair_of_which_one_part_is_batched():
    """The part that all examples share stays one number: it decides when the loop ends."""
    def integrated(rate):
        def body(state):
            return state[0] + 0.125, state[1] - 0.125 * rate * state[1]
        return jax.lax.while_loop(lambda state: state[0] < 1.0, body, (0.0, 1.0))

    rates = np.array([0.0, 1.0, 2.0])
    time, value = jax.vmap(integrated)(rates)
    onp.testing.assert_allclose(time, onp.ones(3))
    onp.testing.assert_allclose(value, (1 - 0.125 * onp.array([0.0, 1.0, 2.0])) ** 8, rtol=1e-5)
    time, value = jax.jit(jax.vmap(integrated, out_axes=(None, 0)))(rates)
    assert time.shape == () and value.shape == (3,)
    slopes = jax.vmap(jax.jacfwd(lambda rate: integrated(rate)[1]))(rates)
    onp.testing.assert_allclose(slopes, -(1 - 0.125 * onp.array([0.0, 1.0, 2.0])) ** 7, rtol=1e-5)


def test_a_named_tuple_of_which_one_field_is_batched():
    from typing import NamedTuple

    class Pair(NamedTuple):
        a: object
        b: object
    shared = Pair(np.eye(2), np.ones(2))
    moved = jax.vmap(lambda q: (lambda p: p.a @ p.b)(shared._replace(b=q * np.ones(2))))(np.array([1.0, 2.0]))
    onp.testing.assert_allclose(moved, [[1.0, 1.0], [2.0, 2.0]])
    rows = jax.vmap(lambda p: p._replace(b=np.arange(2.0)), in_axes=(Pair(0, None),))(Pair(np.ones((3, 2)), np.zeros(2)))
    assert rows.a.shape == (3, 2) and rows.b.shape == (3, 2)


def test_hessians_through_masks_of_matrices():
    """Under a second batch the first is an axis like others: what is shared has the rank of what carries it."""
    k = onp.array([[2.0, 0.5], [0.5, 1.0]], "float32")

    def loss(p):
        return np.log(np.diag(np.linalg.cholesky(k * np.exp(p["a"]) + np.exp(p["b"]) * np.eye(2)))).sum()
    found = jax.hessian(loss)({"a": 0.3, "b": 0.1})
    kernel = k * onp.exp(0.3) + onp.exp(0.1) * onp.eye(2)
    one, two = onp.linalg.solve(kernel, k * onp.exp(0.3)), onp.linalg.solve(kernel, onp.exp(0.1) * onp.eye(2))
    for i, (name, first) in enumerate((("a", one), ("b", two))):
        for j, (other, second) in enumerate((("a", one), ("b", two))):
            wanted = 0.5 * (onp.trace(first) * (i == j) - onp.trace(first @ second))
            onp.testing.assert_allclose(found[name][other], wanted, rtol=1e-3, atol=1e-5)


def loops(v, m):
    total = 0.0
    for e, row in zip(v, m):
        total = total + e * np.sum(row * row) * e
    for i, row in enumerate(m):
        total = total + np.sum(row * row * row) * v[i]
    for _, row in {"a": m[0] * v[1], "b": m[1]}.items():
        total = total + np.sum(row * row * row)
    return total


@pytest.mark.parametrize("inner, outer", [((0, 0, None, None), (None, None, 0, 0)), ((None, None, 0, 0), (0, 0, None, None)),
                                          ((0, None, None, None), (None, 0, 0, 0)), ((None, 0, None, 0), (0, None, 0, None))])
def test_tangents_that_all_examples_share(inner, outer):
    """As many examples as columns: what has no batch axis must not be taken for what has one."""
    generator = onp.random.default_rng(0)
    args = [generator.normal(size=(3, *shape)).astype("float32") for shape in [(4,), (4, 3)] * 2]

    def slope(v, m, v_dot, m_dot):
        return jax.jvp(loops, (v, m), (v_dot, m_dot))[1]
    gradient = jax.grad(slope, argnums=(0, 1))
    found = jax.vmap(jax.vmap(gradient, inner), outer)(*args)
    for i in range(3):
        for j in range(3):
            given = [a[i] if at is None else a[j] for a, at in zip(args, inner)]
            for got, wanted in zip(found, gradient(*given)):
                onp.testing.assert_allclose(got[i, j], wanted, rtol=1e-5, atol=1e-5)


def test_a_running_combination_to_second_order():
    def f(x):
        return np.sum(jax.lax.associative_scan(lambda a, b: a * b + a, x) ** 2)
    x = np.asarray([0.3, 0.5, 0.2, 0.9])
    onp.testing.assert_allclose(jax.jacfwd(jax.jacfwd(f))(x), jax.hessian(f)(x), rtol=1e-5)


def test_writes_while_the_tangent_is_still_zero():
    """The first turn writes into a tangent that is a symbolic zero, of an array that no example has for itself."""
    def f(x):
        y = np.zeros(2)
        for i in range(2):
            y[i] = x[i] * x[i] * x[1 - i]
        return np.sum(y * y)

    def slope(x):
        return jax.jvp(f, (x,), (x,))[1]
    x = onp.array([[0.3, 0.5], [1.1, 0.2], [0.7, -0.4]], onp.float32)
    onp.testing.assert_allclose(jax.vmap(jax.grad(slope))(x), [jax.grad(slope)(row) for row in x], rtol=1e-5)


def test_many_tangents_of_a_tangent():
    """Batches of tangents alone: writes into tangents of tangents that are symbolic zeros, and slopes at a Python number."""
    def writes(v):
        out = np.zeros(3)
        for i in range(3):
            out[i] = v[i] * (out[i - 1] + 1.0) + abs(0.5 - v[i])
        return np.sum(out * v)
    x, v = np.asarray([1.0, 2.0, 3.0]), np.asarray([0.5, 1.0, -1.0])

    def bend(along):
        return jax.jvp(lambda y: jax.jvp(writes, (y,), (v,))[1], (x,), (along,))[1]
    many = onp.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    onp.testing.assert_allclose(jax.vmap(bend)(many), [bend(one) for one in many], rtol=1e-5)

    def slope(along):
        return jax.jvp(lambda y: abs(y - 2.0), (0.5,), (along,))[1]
    onp.testing.assert_allclose(jax.vmap(slope)(many[0]), -many[0])


@pytest.mark.parametrize("read", [
    lambda np, lax, x, i: np.roll(x, i), lambda np, lax, x, i: np.roll(x, i, 1), lambda np, lax, x, i: np.roll(x, (i, 1), (0, 1)),
    lambda np, lax, x, i: np.roll(x, np.stack([i, 2 * i]), (0, 1)), lambda np, lax, x, i: np.stack([np.array([i, i + 1]) * x[0, 0]]),
    lambda np, lax, x, i: lax.select(i > 0, x, -x), lambda np, lax, x, i: lax.select_n((i + 2) % 3, x, -x, x * 2)])
def test_a_number_of_each_example(read):
    import jax as oracle
    x, shifts = onp.arange(12, dtype="f").reshape(3, 4), onp.array([1, -2])
    many = onp.stack([x, x + 3])
    found = []
    for lib in (jax, oracle):
        def f(x, i):
            return read(lib.numpy, lib.lax, x, i)

        def total(x, i):
            return (f(x, i) ** 3).sum()
        found.append((lib.vmap(f, (None, 0))(x, shifts), lib.vmap(f)(many, shifts), lib.vmap(lib.vmap(f, (None, 0)), (0, None))(many, shifts),
                      lib.vmap(lib.vmap(f, (0, None)), (None, 0))(many, shifts), lib.vmap(lib.grad(total), (None, 0))(x, shifts),
                      lib.grad(lambda x: lib.vmap(total, (None, 0))(x, shifts).sum())(x)))
    for one, other in zip(*found, strict=True):
        onp.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("inner, slope", [
    (jax.jacfwd, [6.0, 48.0, 0.0]), (jax.jacrev, [6.0, 48.0, 0.0]), (lambda f: jax.hessian(lambda v: f(v).sum()), [6.0, 24.0, 0.0])])
def test_derivatives_of_jacobians_of_a_part(inner, slope):
    """Two tangents of one name with ranks that nobody knows were taken to agree: (3, 2) met (2, 2)."""
    def weighed(x):
        return (inner(lambda v: v * v * v)(x[:2]) * np.array([[1.0, 2.0], [3.0, 4.0]])).sum()
    x = np.array([1.0, 2.0, 3.0])
    forward, reverse = jax.jacfwd(weighed)(x), jax.grad(weighed)(x)
    onp.testing.assert_allclose(forward, reverse, rtol=1e-6)
    onp.testing.assert_allclose(reverse, slope, rtol=1e-6)
    second = jax.jacfwd(jax.grad(weighed))(x)
    onp.testing.assert_allclose(second, jax.jacfwd(jax.jacfwd(weighed))(x), rtol=1e-6)


def test_a_number_beside_a_jacobian_of_a_jacobian_keeps_its_shape():
    """What has no batch was given an axis for each of the batches: the result had shape (3, 1), and sums of it were wrong."""
    def scaled(p, q, s=1.3):
        return p * p * q * s
    x = np.array([1.0, 2.0, 3.0])
    second = jax.vmap(jax.jacfwd(jax.jacfwd(scaled)))(x, q=x * 0.2)
    onp.testing.assert_allclose(second, 0.52 * onp.array(x), rtol=1e-6)
    weighed = jax.grad(lambda x: (x * jax.vmap(jax.jacfwd(jax.jacfwd(scaled)))(x, q=x * 0.2)).sum())(x)
    onp.testing.assert_allclose(weighed, 1.04 * onp.array(x), rtol=1e-6)


def test_cotangents_that_are_nothing_but_zero():
    """The third derivative of a Jacobian that does not depend on its argument, mapped twice."""
    def product(p, q=0.7, s=1.3):
        return p * q * s + p * p * q

    def slope(f):
        return lambda *args, **more: jax.value_and_grad(f)(*args, **more)[1]

    def mapped(x):
        return np.cos(jax.vmap(slope(slope(jax.jacfwd(product))))(x * 0.5, q=x * 0.2)).sum()
    x = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    onp.testing.assert_allclose(jax.vmap(jax.grad(mapped))(x), onp.zeros((2, 3)))


def test_a_lambda_called_inside_a_lambda_that_is_derived():
    """KeyError: the parameters of the inner one were looked up in the function around."""
    def weighed(p, w):
        return (p * w * w).sum()

    def outer(x):
        p, w = x * 0.5, x * 0.8
        return jax.grad(lambda q: (lambda p, w: weighed(p, w))(p, q))(w).sum() + jax.jvp(lambda q: (lambda w: weighed(p, w))(q), (w,), (w,))[1]
    x = np.array([1.0, 2.0, 3.0])
    onp.testing.assert_allclose(jax.grad(outer)(x), 1.6 * onp.array(x) + 1.92 * onp.array(x) ** 2, rtol=1e-6)


def test_an_update_of_which_nothing_is_asked():
    """The fourth derivative of an update: its cotangent is ZERO."""
    def updated(p, w):
        return (w.at[1].set(p.sum()) * w[::-1]).sum()

    def pulled(p, w):
        out, pull = jax.vjp(lambda q: updated(p, q), w)
        return (pull(np.cos(out))[0] * w).sum()

    def f(x):
        return np.cos(np.sin(jax.jacrev(jax.grad(pulled))(x * 0.5, x * 0.8 + 0.1))).sum()
    x = np.array([0.3, 0.7, 1.1])
    gradient = jax.grad(f)(x)
    step = 1e-2
    slopes = [(f(x + e) - f(x - e)) / (2 * step) for e in np.eye(3) * step]
    onp.testing.assert_allclose(gradient, onp.array(slopes), rtol=2e-2)
