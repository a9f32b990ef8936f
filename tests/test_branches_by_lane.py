"""Expensive branches under vmap: they are run for the lanes that take them alone."""
import numpy as onp
import pytest

import xform as jax
import xform.numpy as np


def one_side(x, w):
    if x > 0.9:
        y = x
        for i in range(20):
            y = np.sin(y * w) + x
    else:
        y = 2 * x
    return y


def two_sides(x, w):
    if x > 0.5:
        y, z = x, 1
        while y < 3:
            y = y * w + 0.3
            z = z + 1
    else:
        y, z = x, 0.5
        for i in range(30):
            y = y * np.cos(w)
            z = z + y
    return y * z


def in_a_loop(x, w):
    s = 0.0
    for i in range(3):
        if x > i * 0.3:
            t = x
            while t < 2:
                t = t * 1.5 * w
            s = s + t
    return s


@pytest.mark.parametrize("function", [one_side, two_sides, in_a_loop])
@pytest.mark.parametrize("count", [3, 260])
def test_an_expensive_branch_runs_for_its_lanes(function, count):
    x = onp.random.default_rng(0).uniform(size=count).astype("float32")
    batched = jax.vmap(function, (0, None))
    values = [float(function(float(v), 1.1)) for v in x[:4]]
    slopes = [float(jax.grad(function)(float(v), 1.1)) for v in x[:4]]

    def total(x):
        return batched(x, 1.1).sum()
    for compiled in (lambda f: f, jax.jit):
        onp.testing.assert_allclose(compiled(batched)(x, 1.1)[:4], values, rtol=1e-4)
        onp.testing.assert_allclose(compiled(jax.vmap(jax.grad(function), (0, None)))(x, 1.1)[:4], slopes, rtol=1e-3)
        onp.testing.assert_allclose(compiled(jax.grad(total))(x)[:4], slopes, rtol=1e-3)
    onp.testing.assert_allclose(jax.jvp(total, (x,), (onp.eye(count, dtype="float32")[0],))[1], slopes[0], rtol=1e-3)


def test_two_maps_of_an_expensive_branch():
    x = onp.random.default_rng(1).uniform(size=(3, 4)).astype("float32")
    w = onp.linspace(1.0, 1.2, 3).astype("float32")
    for function in (one_side, two_sides, in_a_loop):
        table = [[float(function(float(v), u)) for v in row] for row, u in zip(x, w)]
        twice = jax.vmap(jax.vmap(function, (0, None)))
        onp.testing.assert_allclose(twice(x, w), table, rtol=2e-4)
        slopes = jax.vmap(jax.vmap(jax.grad(function), (0, None)))(x, w)
        onp.testing.assert_allclose(jax.grad(lambda x: twice(x, w).sum())(x), slopes, rtol=1e-3)


def test_the_code_shows_the_lanes():
    source = jax.source(jax.vmap(one_side, (0, None)))
    assert "rows, count = rt.lanes_of(x > 0.9)" in source
    assert "y = rt.put_lanes(y, lanes, one_side_then_vmap(rt.take_lanes(x, lanes), w), batch)" in source
    cheap = jax.source(jax.vmap(lambda x: np.sin(x) if x > 0 else x))
    assert "rt.where" in cheap and "lanes" not in cheap


def helper(x, y):
    for _ in range(12):
        x = np.sin(x * y)
    return x


def left_early(x, y):
    x = helper(x, y)
    if x > 0.51:
        y = helper(0.43, x) * -1.19
        n = 0
        while n < 2 and y > 0.54:
            n = n + 1
        return helper(x, y)
    return x * y


def bent(a, b):
    if a > 0.2:
        return a * b
    return np.sin(a) - b * 0.5


def joined_late(x, y):
    """What the branch records is missing where it is not taken."""
    if x > 0.51:
        y = bent(0.43, x) * -1.19
        n = 0
        while n < 2 and y > 0.54:
            n = n + 1
    return bent(bent(y, 1.16), x)


@pytest.mark.parametrize("function", [left_early, joined_late])
def test_derivatives_where_no_lane_takes_an_expensive_branch(function):
    x, y = onp.array([0.2, 0.3, 0.1], "float32"), onp.array([0.9, 0.4, 0.5], "float32")
    slopes = [float(jax.grad(function)(a, b)) for a, b in zip(x, y)]
    onp.testing.assert_allclose(jax.vmap(jax.grad(function))(x, y), slopes, rtol=1e-4)
    onp.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(function)))(x, y), slopes, rtol=1e-4)


def test_lanes_that_do_not_take_a_branch_do_not_run_it():
    """A loop that would never end for them."""
    def f(x):
        if x > 0:
            y = x
            while y < 10:
                y = y * 2
        else:
            y = x
        return y
    x = onp.array([-1.0, 1.0, -3.0, 5.0], "float32")
    onp.testing.assert_allclose(jax.vmap(f)(x), [-1, 16, -3, 10])
    onp.testing.assert_allclose(jax.vmap(f)(-onp.abs(x)), -onp.abs(x))
    onp.testing.assert_allclose(jax.jit(jax.vmap(jax.vmap(f)))(onp.stack([x, -onp.abs(x)])), [[-1, 16, -3, 10], [-1, -1, -3, -5]])


def climbed(x, step):
    return x if x > 10 else climbed(step * x + 1, step)


def test_a_recursion_goes_on_for_the_lanes_that_need_it():
    x = onp.array([1.0, 5.0, 20.0, 3.0], "float32")
    onp.testing.assert_allclose(jax.vmap(climbed, (0, None))(x, 2.0), [climbed(float(v), 2.0) for v in x])
    table = [[climbed(float(v), s) for v in x] for s in (2.0, 3.0)]
    onp.testing.assert_allclose([jax.vmap(climbed, (0, None))(x, s) for s in (2.0, 3.0)], table)


def nothing_by_default(x):
    found = None
    if x > 0:
        found = x * 2
    return 7.0 if found is None else found


def none_or_twice(x):
    if x > 0:
        return x * 2
    return None


def nothing_given_back(x):
    found = none_or_twice(x)
    return 7.0 if found is None else found


def nothing_yet(x):
    best = None
    for i in range(3):
        v = x + i
        if v > 1.5 and (best is None or v * v < best):
            best = v * v
    return 100.0 if best is None else best


def nothing_in_a_tuple(x):
    chain = None
    for i in range(3):
        if x > i - 0.5:
            chain = (x * i, chain)
    total = 0.0
    while chain is not None:
        v, chain = chain
        total = total * 0.5 + v
    return total


def nothing_of_an_expensive_branch(x):
    y = x
    if x > 0:
        for i in range(20):
            y = np.sin(y) + x
        y = None
    return 7.0 if y is None else y


def nothing_from_a_loop(x):
    left, turns = x, 0
    while left is not None:
        left, turns = left * 0.5, turns + 1
        if left < 0.3:
            left = None
    return x * turns


@pytest.mark.parametrize("function", [nothing_by_default, nothing_given_back, nothing_yet, nothing_in_a_tuple,
                                      nothing_of_an_expensive_branch, nothing_from_a_loop])
def test_none_for_some_lanes_is_refused(function):
    x = onp.array([1.0, -1.0], "float32")
    for run in (jax.vmap(function), jax.jit(jax.vmap(function)), jax.vmap(jax.grad(function)), jax.grad(lambda x: jax.vmap(function)(x).sum())):
        with pytest.raises(TypeError, match="gives None for some examples"):
            run(x)


def found_late(x):
    best = None
    found = False
    for i in range(3):
        if x * i > 0.5:
            best = x * i
            found = True
    if not found:
        return x
    return best * best


def found_under_a_condition(x):
    best = None
    above = x > 0
    if above:
        best = x * x, 3.0 * x
    y = best[0] * best[1] if above else -x
    return y if not above or best[1] > 100.0 else y + best[0]


@pytest.mark.parametrize("function", [found_late, found_under_a_condition])
def test_a_name_is_none_only_where_nothing_reads_it(function):
    x = onp.array([1.0, -1.0, 0.4], "float32")
    for run in (jax.vmap(function), jax.jit(jax.vmap(function))):
        onp.testing.assert_allclose(run(x), [function(v) for v in x], rtol=1e-6)
    onp.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(function)))(x), [jax.grad(function)(v) for v in x], rtol=1e-6)


def read_without_asking(x):
    best = None
    above = x > 0
    if above:
        best = x * x
    return x * best


def flagged_without_a_value(x):
    best, y = None, x
    best = None
    found = False
    for i in range(2):
        if x > i:
            found = True
        if x > i + 0.5:
            best = x
        if found:
            y = best
    return y


def told_of_another_value(x):
    best = None
    above = x > 0
    if above:
        best = x * x
    above = x < 0
    return x * best if above else x


@pytest.mark.parametrize("function", [read_without_asking, flagged_without_a_value, told_of_another_value])
def test_a_name_that_may_be_read_as_none_stays_refused(function):
    with pytest.raises(TypeError, match="gives None for some examples"):
        jax.vmap(function)(onp.array([1.0, -1.0], "float32"))
