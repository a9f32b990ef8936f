"""Gradients of batched code: a lane that does not take a branch, or has left a loop, adds nothing, whatever it computes there."""
import numpy as onp
import pytest

import runtime as rt
import xform as jax
import xform.numpy as np


def logarithm(x, w):
    if x > 0:
        y = np.log(x) * w
    else:
        y = x
    return y


def cardinal_sine(x, w):
    if x != 0:
        y = np.sin(x) / x * w
    else:
        y = 1.0 * w
    return y


def nobody(x, w):
    """In the last turn no lane takes the branch: w is read by it alone, and gets nothing."""
    s = 0.0
    for i in range(4):
        if x > i:
            s = s + np.sqrt(x - i) * w
    return s


def nested(x, w):
    if x > 0:
        s = w
        if x < 3:
            s = s / (3 - x)
        for _ in range(5):
            s = np.log(1 + s * x)
    else:
        s = x / (1 - x)
    return s


def inverse(x):
    return 1 / x


def called(x, w):
    if x == 0:
        return 0.0
    return inverse(x) * w


def finished(x, w):
    """A lane that is done divides by zero for as long as others go on."""
    y, n = 1.0, x
    while n > 0:
        y = y * w / n
        n = n - 1
    return y


def collected(x, w):
    pieces = [x, x * x]
    if x > 0:
        pair = (np.sqrt(x), w)
        y = pair[0] * pair[1] + pieces[1]
    else:
        y = pieces[0]
    return y


PROGRAMS = [logarithm, cardinal_sine, nobody, nested, called, finished, collected]
X, W = onp.array([-1.0, 0, 2, 3, 1], "float32"), 1.5


@pytest.mark.parametrize("function", PROGRAMS)
def test_gradients_through_vmap_are_those_of_the_lanes_that_take_a_branch(function):
    slopes = onp.array([jax.grad(function, (0, 1))(float(x), W) for x in X])

    def total(x, w):
        return jax.vmap(function, (0, None))(x, w).sum()
    for compiled in (lambda f: f, jax.jit):
        dx, dw = compiled(jax.grad(total, (0, 1)))(X, W)
        onp.testing.assert_allclose(dx, slopes[:, 0], rtol=1e-5)
        onp.testing.assert_allclose(dw, slopes[:, 1].sum(), rtol=1e-5)
        both = compiled(jax.vmap(jax.grad(total, 1), (None, 0)))(X, np.array([W, W]))
        onp.testing.assert_allclose(both, slopes[:, 1].sum() * onp.ones(2), rtol=1e-5)


@pytest.mark.parametrize("function", PROGRAMS)
def test_second_derivatives_through_vmap_are_those_of_the_lanes_that_take_a_branch(function):
    expected = sum(float(jax.grad(jax.grad(function, 1), 1)(float(x), W)) for x in X)

    def total(w):
        return jax.vmap(function, (0, None))(X, w).sum()
    for second in (jax.grad(jax.grad(total)), jax.jacfwd(jax.grad(total)), jax.jacrev(jax.jacfwd(total))):
        onp.testing.assert_allclose(second(W), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_two_maps_are_those_of_the_lanes_that_take_a_branch():
    table = onp.stack([X, X[::-1] + 0.5])
    slopes = onp.array([[jax.grad(logarithm)(float(x), W) for x in row] for row in table])
    found = jax.grad(lambda t: jax.vmap(jax.vmap(lambda x: logarithm(x, W)))(t).sum())(table)
    onp.testing.assert_allclose(found, slopes, rtol=1e-5)


def finite(x):
    return x * x if x > 0 else np.sin(x)


def sum_of(function, x):
    return jax.vmap(function)(x).sum()


def test_code_that_cannot_be_infinite_or_is_only_run_has_no_guards():
    summed = jax.grad(lambda x: sum_of(lambda y: logarithm(y, W), x))
    total = jax.grad(lambda x: sum_of(finite, x))
    assert "rt.guard" in jax.source(summed) and not any("rt.guard" in jax.source(f) for f in (jax.vmap(logarithm, (0, None)), total))


def test_a_matrix_for_all_lanes_gets_its_cotangent_where_any_lane_counts():
    d = np.arange(4.0).reshape(2, 2)
    for lanes in ([True, False], [False, False]):
        assert np.array_equal(rt.guarded(d, np.array(lanes), False), d * any(lanes))
