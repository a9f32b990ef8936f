"""Objects made inside transformed functions: methods, properties, operators, inheritance, changes in place."""
import dataclasses
import functools
import operator

import numpy as onp
import pytest

import xform as jax
import xform.numpy as np


@dataclasses.dataclass
class Box:
    width: float
    height: float = 2.0

    def area(self):
        return self.width * self.height

    def scaled(self, by):
        return Box(self.width * by, self.height * by)


@dataclasses.dataclass(frozen=True)
class Gauss:
    mean: float
    scale: float
    weight: float = dataclasses.field(init=False, default=3.0)

    @property
    def variance(self):
        return self.scale ** 2

    def log_density(self, x):
        return -(x - self.mean) ** 2 / (2 * self.variance) - np.log(self.scale)


class Vector:
    kind = "vector"

    def __init__(self, x, y):
        self.x, self.y = x, y
        self.length2 = x * x + y * y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, by):
        return Vector(self.x * by, self.y * by)

    __rmul__ = __mul__

    def __neg__(self):
        return Vector(-self.x, -self.y)

    def __getitem__(self, i):
        return self.x if i == 0 else self.y

    def dot(self, other):
        return self.x * other.x + self.y * other.y

    @staticmethod
    def unit(angle):
        return Vector(np.cos(angle), np.sin(angle))

    @classmethod
    def diagonal(cls, size):
        return cls(size, size)


class Counter:
    def __init__(self, start=0.0):
        self.total = start
        self.count = 0

    def add(self, value):
        self.total = self.total + value
        self.count += 1
        return self.total

    def mean(self):
        return self.total / self.count


class Layer:
    def __init__(self, w, activation=np.tanh):
        self.w, self.activation = w, activation

    def __call__(self, x):
        return self.activation(self.w * x)


class Scaled(Layer):
    def __init__(self, w, scale):
        super().__init__(w)
        self.scale = scale

    def __call__(self, x):
        return self.scale * super().__call__(x)


class Network:
    def __init__(self, ws):
        self.first = Layer(ws[0])
        self.second = Scaled(ws[1], 2.0)
        self.calls = Counter()

    def __call__(self, x):
        self.calls.add(1.0)
        return self.second(self.first(x))


class Optimizer:
    def __init__(self, rate):
        self.rate, self.momentum = rate, 0.0

    def step(self, w, gradient):
        self.momentum = 0.9 * self.momentum + gradient
        return w - self.rate * self.momentum


def method(x):
    return Box(x, x * x).area()


def defaults(x):
    box = Box(width=x)
    return box.area() * box.height


def method_that_makes(x):
    return Box(x).scaled(x).scaled(2.0).area()


def properties(x):
    density = Gauss(0.5, x)
    return density.log_density(2.0) * density.weight + density.variance


def operators(x):
    v = Vector(x, 2.0) + x * Vector(x * x, 1.0) * 3.0
    return v.length2 + (-v).dot(Vector(1.0, x)) + v[0] * v[1]


def class_methods(x):
    return Vector.unit(x).dot(Vector.diagonal(x * 2)) if Vector.kind == "vector" else x


def changed_in_place(x):
    counter = Counter(x)
    for i in range(4):
        if i % 2 == 0:
            counter.add(x * i)
        else:
            counter.total = counter.total * x
    return counter.mean() + counter.add(x)


def passed_along(x):
    counter = Counter()
    fill(counter, x)
    fill(counter, x * x)
    return counter.total * counter.count


def fill(counter, x):
    counter.add(x)
    counter.add(2 * x)


def two_names(x):
    counter = Counter(x)
    same = counter
    same.add(x * x)
    return counter.total


def inherited(x):
    return Scaled(x, 3.0)(x) + Layer(x, np.sin)(2.0)


def network(x):
    net = Network([x, x * x])
    out = net(0.5) + net(x)
    return out * net.calls.total


def trained(x):
    optimizer = Optimizer(0.1)
    w = x
    for _ in range(3):
        w = optimizer.step(w, 2 * (w - 1.0))
    return w * optimizer.momentum


def bound_in_a_loop(x):
    v = Vector(x, 1.0)
    for i in range(3):
        v = Vector(v.y + x, v.x * 0.5)
    return v.x * v.y


def chosen_by_type(x):
    total = 0.0
    for shape in (Box(x), Vector(x, x)):
        if isinstance(shape, Box):
            total = total + shape.area()
        else:
            total = total + shape.length2
    return total


def in_a_list(x):
    layers = [Layer(x), Scaled(x, 2.0)]
    y = x
    for layer in layers:
        y = layer(y)
    return y


def early_return(x):
    counter = Counter(x)
    for i in range(5):
        counter.add(x)
        if counter.total > 4.0:
            return counter.total * counter.count
    return counter.total


class Scale:
    """Operators that are not those of its numbers."""

    def __init__(self, factor):
        self.factor = factor

    def __mul__(self, x):
        return x * x * self.factor

    __rmul__ = __or__ = __mul__

    def __getitem__(self, x):
        return x ** 3 * self.factor if not isinstance(x, slice) else x.stop

    def __neg__(self):
        return Scale(-self.factor)


SCALE = Scale(0.7)
SCALES = [SCALE, Scale(1.3)]
NAMED = {"a": SCALE, "b": [SCALE]}


def outside(x):
    return SCALE * x + x * SCALE + SCALE[x] + (-SCALE) * x + (SCALE | x) + SCALE[0:2] * x


def outside_in_containers(x):
    for scale, weight in zip(SCALES, (1.0, 2.0)):
        x = scale * x * weight
    for i in range(2):
        x = x * SCALES[i]
    return x + NAMED["a"][x] + NAMED["b"][0] * x + sum([s * x for s in SCALES]) + functools.reduce(operator.mul, SCALES, x)


def outside_as_argument(x):
    def apply(by, y):
        y *= by
        return y
    return apply(SCALE, x) + (lambda s: s[x])(SCALE) + operator.mul(SCALE, x) + operator.getitem(SCALE, x)


PROGRAMS = [outside, outside_in_containers, outside_as_argument, method, defaults, method_that_makes, properties, operators, class_methods, changed_in_place, passed_along, two_names,
            inherited, network, trained, bound_in_a_loop, chosen_by_type, in_a_list, early_return]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program):
    gradient = jax.grad(program)
    x, step = 1.4, 1e-6
    with jax.enable_x64(True):
        wanted = (float(program(onp.float64(x + step))) - float(program(onp.float64(x - step)))) / (2 * step)
        assert float(gradient(x)) == pytest.approx(wanted, rel=1e-6)
    assert float(jax.jvp(program, (x,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-4)
    assert float(jax.jit(gradient)(x)) == pytest.approx(wanted, rel=1e-4)
    rows = [float(gradient(v)) for v in (1.4, 1.1)]
    onp.testing.assert_allclose(jax.vmap(gradient)(np.array([1.4, 1.1])), rows, rtol=1e-5)


def returned_object(x):
    return Box(x)


def missing(x):
    return Box(x).depth


def two_kinds(x):
    v = Box(x)
    if x > 0:
        v = Vector(x, x)
    return v.x


def picked_at_run_time(x, i=1):
    return SCALES[i] * x


def bound_again(x):
    y = SCALE
    y = y * x
    return y


def by_default(x, scale=SCALE):
    return x * scale


def by_default_in_a_call(x):
    return by_default(x)


@pytest.mark.parametrize("program, reason", [
    (by_default, "'scale' is an object of class Scale by default, and Scale.__getitem__ says what its operators do"),
    (by_default_in_a_call, "'scale' is an object of class Scale by default"),
    (picked_at_run_time, "which object of class Scale this is, is found out at run time, and Scale.__getitem__ says"),
    (bound_again, "which object of class Scale this is, is found out at run time"),
    (returned_object, "the class is no pytree"),
    (missing, "'Box' object has no attribute 'depth' here"),
    (two_kinds, "'v' is bound to objects that differ in class or attributes")])
def test_refused(program, reason):
    with pytest.raises(jax.TransformError) as caught:
        jax.grad(program)(1.0)
    assert reason in str(caught.value) and "test_objects.py" in str(caught.value)


def test_a_returned_function_is_refused_at_the_top():
    def make(x):
        return functools.partial(np.multiply, x)
    with pytest.raises(jax.TransformError, match="make returns a function or an object"):
        jax.jit(make)(1.0)
