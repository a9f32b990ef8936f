"""Python's builtins over arrays, and what is collected from loops, under every pair of transformations: against a loop and differences."""
import functools
import operator

import numpy as onp
import pytest

import xform as jax
import xform.numpy as np


def reversed_loop(x):
    s = 0.0
    for a in reversed(x):
        s = s * 0.5 + a * a
    return s


def reversed_list(x):
    items = list(reversed(x))
    return items[0] * 2 + items[1] * items[2]


def listed(x):
    items = list(x)
    return items[0] * 2 + items[1]


def tupled(x):
    items = tuple(x)
    return items[0] * items[1] + items[-1]


def summed(x):
    return sum(x) * x[0]


def largest(x):
    return max(x) * x[0]


def smallest(x):
    return min(x) + x[1]


def largest_by(x):
    return max(x, key=lambda a: -a) * x[0] + min(x[0], x[1] * x[2], key=abs) + max([], default=x[0])


def in_order(x):
    items = sorted(x)
    return items[0] * 2 + items[1] * items[2]


def in_order_of(x):
    items = sorted(x, key=lambda a: -a, reverse=True)
    pairs = sorted([(a, a * a) for a in x], key=lambda pair: pair[1])
    return items[0] * 2 + items[1] * items[2] + pairs[0][1] * pairs[1][0]


def mapped(x):
    items = list(map(lambda a: a * a, x))
    return items[0] - items[1]


def neighbours(x):
    s = 0.0
    for a, b in zip(x, x[1:]):
        s = s + a * b
    return s


def zipped(x):
    s = 0.0
    for a, b, c in zip(x, reversed(x), range(10)):
        s = s * c + a * b
    return s


def numbered(x):
    s = 0.0
    for i, a in enumerate(x[::-1], 3):
        s = s + a * i * a
    return s


def numbered_backwards(x):
    s = 0.0
    for i, a in reversed(list(enumerate(x))):
        s = s * a + a * i
    return s


def reduced(x):
    return functools.reduce(lambda a, b: a * 0.5 + b, x) + functools.reduce(operator.mul, x, 2.0)


def some(x):
    return 1.0 * x[0] if any([a > 1 for a in x]) else x[1] * 2


def comprehended(x):
    return np.array([a * a for a in x]).sum() * x[0]


def table(x):
    return np.array([[a * b, 1.0] for a in x for b in reversed(x)])[1].sum()


def entries(x):
    d = {i: a for i, a in enumerate(x)}
    s = 0.0
    for k, v in d.items():
        s = s + k * v
    for v in d.values():
        s = s * v
    return s


def dicts_made(x):
    d = dict(zip("abc", x), d=x[0])
    e = dict(d)
    e["a"] = x[1]
    return d["a"] * e["a"] - d["b"] * d["c"] + dict(enumerate(x))[2] * e["d"]


def starred(x):
    a, *b = x
    return a * b[0] + b[-1]


def unzipped(x):
    pairs = [(a, a * a) for a in x]
    u, v = zip(*pairs)
    return u[0] * v[1] + u[2]


def edited(x):
    items = list(x)
    items.reverse()
    items.append(x[0] * x[1])
    items.insert(1, x[2])
    items.pop()
    items.extend(x)
    return sum([a * a * i for i, a in enumerate(items)])


def sliced(x):
    items = list(x)[::-1]
    return items[0] * 3 + items[1]


def deep(x):
    s = 0.0
    for i, (a, b) in enumerate(zip(x, reversed(x))):
        s = s * 0.3 + a * b * (i + 1)
    return s


def collected(x):
    items = []
    for a in x:
        items.append(np.sin(a))
    return np.dot(np.array(items[::-1]), x) + np.dot(np.stack(list(reversed(items))), x)


def scanned(x):
    def body(c, a):
        c = np.sin(c + a)
        return c, (c * a, a)
    c, (one, two) = jax.lax.scan(body, 1.0, x, reverse=True)
    return c + (one * two).sum()


def counted(x):
    s, i = 0.0, 0
    while i < len(x):
        s = np.sin(s + x[i]) * x[i]
        i += 1
    return s


PROGRAMS = [reversed_loop, reversed_list, listed, tupled, summed, largest, smallest, largest_by, in_order, in_order_of, mapped, neighbours, zipped,
            dicts_made, numbered, numbered_backwards, reduced, some, comprehended, table, entries, starred, unzipped, edited, sliced, deep,
            collected, scanned, counted]
X = onp.array([[1.1, 0.85, 1.4], [1.8, 1.1, 0.4], [0.7, 1.05, 1.6], [0.3, 2.1, 1.5]], "float32")


@pytest.mark.parametrize("function", PROGRAMS)
def test_first_derivatives(function):
    values = onp.array([function(np.asarray(x)) for x in X])
    slopes = onp.array([_differences(lambda x: float(function(np.asarray(x, "float32"))), x) for x in X])
    close = functools.partial(onp.testing.assert_allclose, rtol=2e-2, atol=2e-2)
    close([jax.grad(function)(x) for x in X], slopes)
    close(jax.vmap(jax.grad(function))(X), slopes)
    close(jax.jit(jax.vmap(jax.grad(function)))(X), slopes)
    close(jax.grad(lambda X: jax.vmap(function)(X).sum())(X), slopes)
    close(jax.jacfwd(function)(X[0]), slopes[0])
    close(jax.jacrev(function)(X[0]), slopes[0])
    onp.testing.assert_allclose(jax.vmap(function)(X), values, rtol=1e-5)
    onp.testing.assert_allclose(jax.vmap(jax.vmap(function))(onp.stack([X, X])), [values, values], rtol=1e-5)


def _differences(function, x, step=1e-2):
    """Central differences along every axis."""
    steps = step * onp.eye(len(x), dtype="float32")
    return onp.array([(onp.asarray(function(x + h), "float64") - onp.asarray(function(x - h))) / (2 * step) for h in steps])


@pytest.mark.parametrize("function", PROGRAMS)
def test_second_derivatives(function):
    tables = onp.array([_differences(jax.grad(function), x) for x in X[:2]])
    close = functools.partial(onp.testing.assert_allclose, rtol=3e-2, atol=3e-2)
    for second in (jax.hessian(function), jax.jacfwd(jax.jacfwd(function)), jax.jacrev(jax.jacrev(function)),
                   jax.jacrev(jax.jacfwd(function))):
        close(second(X[0]), tables[0])
    close(jax.vmap(jax.hessian(function))(X[:2]), tables)
    close(jax.jit(lambda x, v: jax.jvp(jax.grad(function), (x,), (v,))[1])(X[0], X[1]), tables[0] @ X[1])


LONG = onp.linspace(0.4, 1.3, 10).astype("float32")     # more rows than are run over one by one under jit


@pytest.mark.parametrize("function", [
    reversed_loop, in_order, in_order_of, neighbours, zipped, numbered, numbered_backwards, reduced, comprehended, table, entries,
    dicts_made, edited, deep, collected, scanned, counted])
def test_long_rows_under_jit(function):
    close = functools.partial(onp.testing.assert_allclose, rtol=3e-2, atol=3e-2)
    both = onp.stack([LONG, LONG[::-1]])
    close(jax.jit(function)(LONG), function(np.asarray(LONG)))
    close(jax.jit(jax.vmap(function))(both), [function(np.asarray(x)) for x in both])
    close(jax.jit(jax.vmap(jax.grad(function)))(both), [jax.grad(function)(x) for x in both])
    close(jax.jit(jax.grad(lambda x: jax.vmap(function)(x).sum()))(both), [jax.grad(function)(x) for x in both])
    hessian = jax.hessian(function)(LONG)
    close(jax.jit(jax.hessian(function))(LONG), hessian)
    close(jax.jit(lambda x: jax.jvp(jax.grad(function), (x,), (x,))[1])(LONG), hessian @ LONG)
    if function is not in_order_of:     # reverse over reverse of an order by staged keys is refused
        close(jax.jit(jax.grad(lambda x, v: jax.grad(function)(x) @ v))(LONG, both[1]), hessian @ both[1])
    four = onp.stack([both, both + 0.25])
    close(jax.jit(jax.vmap(jax.vmap(function)))(four), [[function(np.asarray(x)) for x in two] for two in four])


def running(x, y):
    s = 0.0
    for i, (a, b) in enumerate(zip(x, reversed(y))):
        s = np.sin(s * a + b) * i
    return s


def carried(x, y):
    def body(c, row):
        c = np.sin(c * row["x"] + row["y"])
        return c, (c, row["x"])
    c, (one, two) = jax.lax.scan(body, 0.0, {"x": x, "y": y})
    return c + (one * two).sum()


def gathered(x, y):
    items = []
    for a, b in zip(x, y):
        items.append(a * b)
    return np.sin(np.array(items[::-1])).sum()


@pytest.mark.parametrize("function", [running, carried, gathered])
@pytest.mark.parametrize("transform", [
    jax.jit, lambda f: jax.jit(jax.grad(f, (0, 1))), lambda f: jax.jit(lambda x, y: jax.jvp(f, (x, y), (x, y)))])
def test_programs_do_not_grow_with_the_rows(function, transform):
    sizes = [len(transform(function).lower(x, x).as_text()) for x in (LONG[:9], onp.tile(LONG, 6))]
    assert sizes[1] < 1.1 * sizes[0]
