"""Classes defined inside a transformed function: their methods may read the function's variables."""
import dataclasses
from typing import NamedTuple

import pytest

import xform
import xform.numpy as np

G = 3.0




def called_object(x):

    class Scale:

        def __init__(self, by):
            self.by = by

        def __call__(self, y):
            return y * self.by * x * G
    return Scale(2.0)(x)


def dataclass_with_a_property(x):

    @dataclasses.dataclass
    class P:
        a: float
        b: float = 2.0

        def norm(self):
            return self.a ** 2 + self.b * x

        @property
        def twice(self):
            return 2 * self.a
    p = P(x)
    return p.norm() * p.twice


def inherited(x):

    class A:
        k = 3.0

        def f(self, y):
            return y * self.k

    class B(A):

        def __init__(self, v):
            self.v = v

        def f(self, y):
            return super().f(y) * self.v + x
    b = B(x)
    return b.f(x) * (2.0 if isinstance(b, A) else 1.0)


def named_tuple(x):

    class P(NamedTuple):
        a: float
        b: float
    p = P(x, x * x)
    a, b = p
    return p.a * b


def method_of_a_nested_function(x):

    def h(y):
        return y * x

    class C:

        def run(self, y):
            return h(y) + np.sin(y)

        @staticmethod
        def s(y):
            return y * y
    c = C()
    return c.run(x) * C.s(x)


def accumulator(x):

    class Acc:

        def __init__(self):
            self.items = []
            self.t = 0.0

        def add(self, v):
            self.items.append(v)
            self.t = self.t + v * x
    a = Acc()
    for i in range(3):
        a.add(x * i)
    return a.t + sum(a.items)


def made_by_a_function(x):

    def make(y):

        class K:

            def __init__(self):
                self.y = y

            def go(self):
                return self.y * y * x
        return K()
    return make(x * 2).go() + make(x).go()


def operators(x):

    class V:

        def __init__(self, a):
            self.a = a

        def __add__(self, o):
            return V(self.a + o.a)

        def __mul__(self, s):
            return V(self.a * s * x)
    return ((V(x) + V(2.0)) * 3.0).a


def in_a_branch(x):
    if x > 0:

        class Q:

            def f(self):
                return x * 2
        return Q().f()
    return x


def exception_class(x):

    class E(Exception):
        pass
    try:
        if False:
            raise E("a")
        return x * x
    except E:
        return x


def pytree(x):

    @xform.tree_util.register_pytree_node_class
    class N:

        def __init__(self, a):
            self.a = a

        def tree_flatten(self):
            return ((self.a,), None)

        @classmethod
        def tree_unflatten(cls, aux, ch):
            return cls(*ch)
    n = N(x)
    m = xform.tree.map(lambda v: v * 2, n)
    return m.a * xform.grad(lambda n: n.a ** 2)(n).a


PROGRAMS = [called_object, dataclass_with_a_property, inherited, named_tuple, method_of_a_nested_function, accumulator, made_by_a_function,
            operators, in_a_branch, exception_class, pytree]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives(program):
    x, step = 1.5, 1e-3
    want = (float(program(x + step)) - float(program(x - step))) / (2 * step)
    first = xform.grad(program)
    assert float(first(x)) == pytest.approx(want, rel=1e-3)
    assert float(xform.jit(first)(x)) == pytest.approx(want, rel=1e-3)
    assert float(xform.vmap(first)(np.array([x, 0.5]))[0]) == pytest.approx(want, rel=1e-3)
    assert float(xform.jvp(program, (x,), (1.0,))[1]) == pytest.approx(want, rel=1e-3)
    slope = (float(first(x + 10 * step)) - float(first(x - 10 * step))) / (20 * step)
    assert float(xform.grad(first)(x)) == pytest.approx(slope, rel=1e-2, abs=1e-2)
