"""Batched control flow that differs from lane to lane: ranges with batched ends, calls in branches."""
import numpy as onp
import pytest

import xform as jax
import xform.numpy as np


def ends(x, a, b):
    s = x
    for i in range(b):
        s = s * 1.5 + i
    return s


def both_ends(x, a, b):
    s = x
    for i in range(a, b, 2):
        if s > 30:
            break
        s = s * 1.5 + i
    else:
        s = s + 100
    return s


def nested(x, a, b):
    s, i = x, 0
    for i in range(b, 0, -1):
        for j in range(i, a):
            s = s * 1.1 + i - j
    return s + i


def collected(x, a, b):
    history, s = [], x
    for i in range(b):
        s = np.sin(s) * i
        history.append(s)
    return s


X, A, B = onp.array([1.0, 2, 3], "float32"), onp.array([1, 0, 3]), onp.array([4, 9, 1])


@pytest.mark.parametrize("function", [ends, both_ends, nested, collected])
def test_ranges_whose_ends_differ_from_lane_to_lane(function):
    values = [float(function(x.item(), a.item(), b.item())) for x, a, b in zip(X, A, B)]
    slopes = [float(jax.grad(function)(x.item(), a.item(), b.item())) for x, a, b in zip(X, A, B)]
    for compiled in (lambda f: f, jax.jit):
        onp.testing.assert_allclose(compiled(jax.vmap(function))(X, A, B), values, rtol=1e-4)
        onp.testing.assert_allclose(compiled(jax.vmap(jax.grad(function)))(X, A, B), slopes, rtol=1e-4)
        onp.testing.assert_allclose(compiled(jax.grad(lambda x: jax.vmap(function)(x, A, B).sum()))(X), slopes, rtol=1e-4)
    table = [[float(function(x.item(), a.item(), b.item())) for a in A] for x, b in zip(X, B)]
    onp.testing.assert_allclose(jax.vmap(jax.vmap(function, (None, 0, None)), (0, None, 0))(X, A, B), table, rtol=1e-4)


def test_a_range_that_differs_is_only_for_loops():
    with pytest.raises(jax.TransformError, match="a range that differs from example to example can only be run over by a for loop"):
        jax.vmap(lambda n: sum(list(range(n))))(B)


def cube_root(x):
    y, error = x, 1.0
    while error > 1e-6:
        following = y - (y * y * y - x) / (3.0 * y * y)
        error, y = abs(following - y), following
    return y


def doubled(x):
    while x < 10:
        x = x * 2
    return x


def guarded(x):
    s = 0.0
    for i in range(2):
        if x > 0.3 * i:
            s = s + doubled(x)
    return s


@pytest.mark.parametrize("function", [guarded, lambda x: cube_root(x) if x > 0 else x])
def test_a_function_called_in_a_branch_runs_for_the_lanes_that_take_it(function):
    """Its loop would not end for the others."""
    x = onp.array([-1.0, 0.2, 0.5, 0.7], "float32")
    values = [float(function(v)) for v in x]
    slopes = [float(jax.grad(function)(v)) for v in x]
    for compiled in (lambda f: f, jax.jit):
        onp.testing.assert_allclose(compiled(jax.vmap(function))(x), values, rtol=1e-4)
        onp.testing.assert_allclose(compiled(jax.vmap(jax.grad(function)))(x), slopes, rtol=1e-4)
        onp.testing.assert_allclose(compiled(jax.grad(lambda x: jax.vmap(function)(x).sum()))(x), slopes, rtol=1e-4)


def scaled(a):
    if a > 0.2:
        return a * a
    return np.sin(a)


def read_before_and_after_a_loop(x):
    if x > 0.22:
        return x * 0.5
    v = scaled(x)
    x = np.sin(v)
    for _ in range(2):
        v = v * x
    return v + x


def test_a_loop_in_a_branch_keeps_what_its_variable_was_before():
    xs = np.array([-0.767, 0.5, 0.1, -1.2])
    for made in (jax.vmap(jax.grad(read_before_and_after_a_loop)), jax.jit(jax.vmap(jax.grad(read_before_and_after_a_loop)))):
        onp.testing.assert_allclose(made(xs), [jax.grad(read_before_and_after_a_loop)(x) for x in xs], rtol=1e-6)


def test_lanes_put_where_a_value_is_zero_or_into_one():
    from runtime.lanes import put_lanes
    from runtime.zero import ZERO
    lanes, x = np.array([2, 0]), np.array([1.0, 2.0, 3.0])
    onp.testing.assert_array_equal(put_lanes(ZERO, lanes, np.array([5.0, 7.0]), 3), [7, 0, 5])
    onp.testing.assert_array_equal(put_lanes((x, ZERO), lanes, (ZERO, ZERO), 3)[0], [0, 2, 0])
    whole = put_lanes((x, x), lanes, ZERO, 3)
    onp.testing.assert_array_equal(whole[1], [0, 2, 0])
    assert put_lanes(ZERO, lanes, ZERO, 3) is ZERO


def slowly(p, y):
    n = 0
    while n < 3:
        n = n + 1
        y = np.sin(y) * np.sum(p[0]) + p[1]
    return y


def with_weights_beside(x, w):
    p = (w * 2.0, x)
    if x > 0.3:
        return slowly(p, x)
    return x


@pytest.mark.parametrize("size", [3, 4])    # four: as many weights as lanes
def test_what_all_lanes_share_stays_whole_beside_what_they_do_not(size):
    xs, w = np.array([0.6, -0.7, 0.9, 0.1]), np.linspace(0.1, 0.4, size)
    for compiled in (lambda f: f, jax.jit):
        onp.testing.assert_allclose(compiled(jax.vmap(with_weights_beside, in_axes=(0, None)))(xs, w),
                                    [with_weights_beside(x, w) for x in xs], rtol=1e-6)
        onp.testing.assert_allclose(compiled(jax.vmap(jax.grad(with_weights_beside), in_axes=(0, None)))(xs, w),
                                    [jax.grad(with_weights_beside)(x, w) for x in xs], rtol=1e-5)
