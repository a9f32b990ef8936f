"""What code that is not read gives: data is used as it is, objects with operators are refused where they meet what is transformed."""
import collections
import types

import numpy as onp
import pytest

import xform
import xform.numpy as np

Pair = collections.namedtuple("Pair", "a b")
UNREAD = """
class Scale:
    def __init__(self, k): self.k = k
    def __mul__(self, x): return np.sin(x) * self.k
    def __rmul__(self, x): return np.cos(x) * self.k
    def __getitem__(self, x): return np.exp(x)
    def __lt__(self, x): return x * x

def pick(k): return Scale(k)
def number(k): return onp.float32(k)
def numbers(k): return [k, k + 1.0]
def settings(k): return types.SimpleNamespace(rate=k, table={"a": np.ones(2)}, pair=Pair(k, 1.0), scale=Scale(k))
"""
exec(UNREAD)    # no source: what it defines is called as it is
OBJECTS = {"a": pick(2.0)}      # noqa: F821
HOLDER = types.SimpleNamespace(scale=pick(3.0))      # noqa: F821


def product(k, x):
    return k * x


def rate_of(c, x):
    return c.rate * x


def scaled_by(c, x):
    return c.scale * x


DATA = {
    "number": lambda x: number(2.0) * x + x * number(3.0),
    "items": lambda x: sum([v * x for v in numbers(2.0)]),
    "attribute": lambda x: settings(2.0).rate * x + settings(2.0).pair.b * x,
    "attribute in a call": lambda x: rate_of(settings(2.0), x),
    "argument": lambda x: product(number(2.0), x) + xform.jit(product)(number(2.0), x) + xform.checkpoint(product)(number(2.0), x),
    "table": lambda x: np.sum(settings(1.0).table["a"] * x),
    "captured": lambda x: xform.grad(lambda z: number(2.0) * z * z * x)(x),
}


@pytest.mark.parametrize("name", DATA)
def test_data_is_used_as_it_is(name):
    f = DATA[name]
    wanted = (float(f(np.array(0.71))) - float(f(np.array(0.69)))) / 0.02
    found = [xform.grad(f)(0.7), xform.jvp(f, (0.7,), (1.0,))[1], xform.vmap(xform.grad(f))(np.array([0.7]))[0], xform.jit(xform.grad(f))(0.7)]
    onp.testing.assert_allclose(found, wanted, rtol=1e-3)


def in_a_list(x):
    items = [pick(2.0)]
    items.append(x)
    return items[0] * items[1]


def in_a_loop(x):
    for name, item in sorted(OBJECTS.items(), key=lambda pair: pair[0]):
        x = x * item
    return x


OF_OBJECTS = {
    "left": lambda x: pick(2.0) * x, "right": lambda x: x * pick(2.0), "item": lambda x: pick(2.0)[x],
    "compared": lambda x: (pick(2.0) < x) * 1.0,
    "argument": lambda x: product(pick(2.0), x), "checkpoint": lambda x: xform.checkpoint(product)(pick(2.0), x),
    "captured": lambda x: (lambda k: (lambda z: k * z)(x))(pick(2.0)),
    "attribute": lambda x: settings(2.0).scale * x, "attribute in a call": lambda x: scaled_by(settings(2.0), x),
    "get": lambda x: OBJECTS.get("a") * x, "vars": lambda x: vars(HOLDER)["scale"] * x,
    "list": in_a_list, "loop": in_a_loop,
}


@pytest.mark.parametrize("name", OF_OBJECTS)
def test_objects_with_operators_are_refused(name):
    f = OF_OBJECTS[name]
    for transformed in (xform.grad(f), lambda x: xform.jvp(f, (x,), (1.0,)), lambda x: xform.vmap(f)(np.array([x]))):
        with pytest.raises(TypeError, match="which object of class Scale this is was found out when the code ran"):
            transformed(0.7)


def test_an_attribute_asked_for_by_name_is_one():
    source = types.SimpleNamespace(scale=Sine(3.0))
    for f in (lambda x: getattr(source, "scale") * x, lambda x: source.scale * x):
        onp.testing.assert_allclose(xform.grad(f)(0.7), 3.0 * onp.cos(0.7), rtol=1e-5)


class Sine:
    def __init__(self, k):
        self.k = k

    def __mul__(self, x):
        return np.sin(x) * self.k


def test_what_cannot_be_read_is_called_as_it_is_where_nothing_flows():
    def counted(n):
        def each():
            yield from range(n)
        return float(sum(each()))

    def f(x, n):
        return x * counted(3) + n
    assert xform.grad(f)(2.0, 1.0) == xform.jit(xform.grad(f))(2.0, 1.0) == xform.vmap(xform.grad(f), (0, None))(np.ones(1), 1.0)[0] == 3.0
    assert xform.jit(f)(2.0, 1.0) == 7.0
    with pytest.raises(xform.TransformError, match="a generator"):
        xform.jit(lambda n: counted(n))(3)
