"""Slices whose bounds move with a loop: under jit the loop stays one, the values and derivatives are those of Python's loop."""
import numpy
import numpy as np
import pytest

import xform
from xform import grad, jit, vmap

X = numpy.random.default_rng(0).normal(size=(24, 24)).astype("float32")
W = numpy.random.default_rng(1).normal(size=5).astype("float32")


def convolved(x, w, turns):
    size = w.shape[0]
    out = np.zeros(turns)
    for i in range(turns):
        out[i] = np.sum(x[0, i:i + size] * w)
    return np.sum(out ** 2)


def batches(x, w, turns):
    w = w[:3]
    for k in range(turns):
        part = x[k * 2:(k + 1) * 2, 1:4]
        w = w - 0.01 * part.T @ (part @ w)
    return np.sum(w)


def stepped(x, w, turns):
    size = 2
    for start in range(0, size * turns, size):
        x[start:start + size, ::2] *= 0.5 + 0.1 * start
        x[3, start:start + size] += w[:size]
    return np.sum(np.sin(x))


def strided(x, w, turns):
    total = 0.0
    for i, row in enumerate(x[:turns]):
        total = total + np.sum(row[:3] * x[i:i + 6:2, 2]) - np.sum(x[np.array([0, 2]), i:i + 2] * w[1])
    return total


def nested(x, w, turns):
    for i in range(1, turns):
        for j in range(1, turns):
            x[i, j] = np.sum(x[i - 1:i + 2, j - 1:j + 2]) * 0.05 + w[0] * x[turns - i, j]
    return np.sum(x * x)


def backwards(x, w, turns):
    total = 0.0
    for i in range(turns - 1, -1, -1):
        window = x[i, i:min(i + 3, 24)]
        total = total * 0.9 + np.sum(window[::-1] ** 2) * w[1]
    return total


def collected(x, w, turns):
    places, parts = [], []
    for i in range(turns):
        places.append(2 * i + 1)
        parts.append(x[-12:, i:i + 2] * w[0])
    return np.sum(np.array(places) * np.sum(np.stack(parts), axis=(1, 2)))


PROGRAMS = [convolved, batches, stepped, strided, nested, backwards, collected]


def close(a, b):
    numpy.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("f", PROGRAMS)
def test_compiled_values_and_gradients_are_those_of_the_loop(f):
    want = f(numpy.array(X), W, 11)
    close(jit(f, static_argnums=2)(X, W, 11), want)
    slopes = grad(f, (0, 1))(X, W, 11)
    for got, slope in zip(jit(grad(f, (0, 1)), static_argnums=2)(X, W, 11), slopes):
        close(got, slope)
    step = 1e-2
    moved = [f(numpy.array(X, "float64") + s * step * numpy.cos(X), W.astype("float64"), 11) for s in (1, -1)]
    close(numpy.sum(numpy.cos(X) * slopes[0]), (moved[0] - moved[1]) / (2 * step))


@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("transform", [lambda f: f, grad, lambda f: vmap(grad(f), (0, None, None))], ids=["value", "gradient", "batch"])
def test_the_loop_stays_one(f, transform):
    x = numpy.stack([X, X]) if "vmap" in transform.__code__.co_names else X
    sizes = [jit(transform(f), static_argnums=2).lower(x, W, turns).as_text().count("\n") for turns in (10, 12)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("f", [convolved, nested, collected])
def test_second_order(f):
    def along(x, w, turns):
        return np.sum(grad(f)(x, w, turns) * np.sin(x))
    close(jit(grad(along), static_argnums=2)(X, W, 10), grad(along)(X, W, 10))


def test_a_window_that_leaves_the_array_is_cut_off_there_as_by_numpy():
    def sums(x, n):
        found = np.zeros(n)
        for i in range(n):
            found[i] = np.sum(x[i:i + 4])
        return found
    close(jit(sums, static_argnums=1)(X[0], 24), sums(X[0], 24))


def test_numbers_that_wrap_around_are_what_they_are():
    def f(x):
        places, total = [], x[0] * 0.0
        for i in range(20):
            small = np.multiply(i, 20).astype(np.int8).astype(np.int32)
            places.append(small)
            if small < 0:
                total = total + x[i]
        return np.array(places), total
    places = (numpy.arange(20) * 20).astype("int8")
    found, total = jit(f)(X[0])
    close(found, places)
    close(total, numpy.sum(X[0, :20][places < 0]))


def test_bounds_that_only_the_program_knows_are_refused():
    def f(x, n):
        return np.sum(x[n:n + 4])
    with pytest.raises(xform.errors.ConcretizationTypeError, match="ones that move together with a loop and stay inside the array"):
        jit(f)(X[0], 3)


def test_writes_at_counters_are_windows_and_not_scatters():
    def f(x):
        for i in range(20):
            for j in range(20):
                x[i, j + 1] = x[i + 1, j] * 0.5
        return x
    assert "scatter" not in jit(f).lower(X).as_text()
    close(jit(f)(X), f(numpy.array(X)))
