"""Lists held by objects that grow, loops over objects and over names of attributes, under every transformation."""
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError

X, XS = 1.3, [0.5, 1.5, 2.0]


class Series:
    def __init__(self):
        self.items = []

    def add(self, value):
        self.items.append(value)

    def __iter__(self):
        return iter(self.items)


class Holder:
    def __init__(self, items):
        self.items = items

    def add(self, value):
        self.items.append(value)


class Layer:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __call__(self, x):
        return np.sin(x * self.a) * self.b


def grown(x):
    s = Series()
    s.add(x)
    for i in range(3):
        s.items.append(x * i)
        if i > 1:
            s.items.extend([x * x])
    return sum(s.items) * len(s.items) * x


def looped(x):
    s = Series()
    s.add(x)
    s.add(x * x)
    total = 0.0
    for value in s:
        total = total + value * np.sin(value)
    return total


def by_name(x):
    layer, total = Layer(x, x * x), 0.0
    for name in ("a", "b"):
        total = total + getattr(layer, name) ** 2
        setattr(layer, name, total)
    return total * layer.a * layer(x)


PROGRAMS = [grown, looped, by_name]
RUNS = {
    "grad": lambda f: (xform.grad(f)(X), slope(f, X)),
    "jvp": lambda f: (xform.jvp(f, (X,), (1.0,))[1], slope(f, X)),
    "grad grad": lambda f: (xform.grad(xform.grad(f))(X), slope(lambda x: float(xform.grad(f)(np.asarray(x))), X, 1e-2)),
    "vmap": lambda f: (xform.vmap(f)(np.array(XS)), [f(x) for x in XS]),
    "jit": lambda f: (xform.jit(f)(X), f(X)),
    "vmap grad": lambda f: (xform.vmap(xform.grad(f))(np.array(XS)), [slope(f, x) for x in XS]),
    "jit grad": lambda f: (xform.jit(xform.grad(f))(X), slope(f, X)),
}


def slope(f, x, step=1e-2):
    """The derivative by differences of the fourth order."""
    return (8 * (float(f(x + step)) - float(f(x - step))) - (float(f(x + 2 * step)) - float(f(x - 2 * step)))) / (12 * step)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives(f, run):
    found, expected = RUNS[run](f)
    onp.testing.assert_allclose(found, onp.array([float(e) for e in expected]) if isinstance(expected, list) else expected, rtol=5e-3)


def read_under_an_old_name(x):
    s = Series()
    xs = s.items
    s.items.append(x)
    return sum(xs) * x


def read_after_a_method(x):
    s = Series()
    xs = s.items
    s.add(x)
    return sum(xs) * x


def stored_and_read(x):
    s, xs = Series(), []
    s.items = xs
    s.add(x)
    return sum(xs) * x


def given_and_read(x):
    xs = [x]
    s = Holder(xs)
    s.add(x)
    return sum(xs) * x


@pytest.mark.parametrize("f", [read_under_an_old_name, read_after_a_method, stored_and_read, given_and_read], ids=lambda f: f.__name__)
def test_lists_that_have_two_names_are_refused(f):
    with pytest.raises(TransformError, match="'xs' is read here after it was changed in place"):
        xform.grad(f)(X)


def test_special_methods_are_named_after_their_class():
    text = xform.source(xform.grad(by_name))
    assert "def Layer_call_fwd(" in text and "Layer_init" in text and "__call__" not in text


class Scaled:
    def __init__(self, factor):
        self.factor = factor

    def apply(self, x):
        return x * self.factor


class Squared(Scaled):
    def apply(self, x):
        return x * x * self.factor


STEPS = [Scaled(2.0), Squared(3.0)]


def test_a_method_of_an_object_that_the_run_picks():
    def f(x, first=0):
        for i in (first, 1 - first):
            x = STEPS[i].apply(x)
        return x

    def g(x):
        i = 0
        while i < 2:
            x = STEPS[i].apply(x)
            i += 1
        return x
    for h in (f, g):
        onp.testing.assert_allclose(xform.grad(h)(1.5), 24.0 * 1.5)
        onp.testing.assert_allclose(xform.grad(xform.grad(h))(1.5), 24.0)
        onp.testing.assert_allclose(xform.vmap(xform.grad(h))(np.array([1.5, 2.0])), [36.0, 48.0])
        onp.testing.assert_allclose(xform.jit(xform.grad(h))(1.5), 36.0)
