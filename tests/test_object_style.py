"""Programs in object style: what names share an object, attributes with setters, changes in place of what attributes hold, operators."""
import collections
import contextlib
import copy
import dataclasses
import functools
import math

import numpy as onp
import pytest

import xform
import xform.numpy as np

PROGRAMS, REFUSED = [], []


def program(function):
    """Register a program of four numbers."""
    PROGRAMS.append(function)
    return function


def refused(reason):
    """Register a program that is refused."""
    return lambda function: REFUSED.append((function, reason))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program):
    x, step = onp.array([0.5, 1.5, -0.7, 2.0]), 1e-6
    with xform.enable_x64(True):
        wanted = program(x.copy())
        gradient = [(program(x + step * e) - program(x - step * e)) / (2 * step) for e in onp.eye(4)]
        assert float(xform.jit(program)(x.copy())) == pytest.approx(float(wanted), rel=1e-9)
        onp.testing.assert_allclose(xform.jit(xform.vmap(xform.grad(program)))(onp.stack([x, -x]))[0], gradient, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("program, reason", REFUSED, ids=lambda p: getattr(p, "__name__", None))
def test_refused(program, reason):
    with pytest.raises(xform.TransformError) as caught:
        xform.jit(xform.grad(program))(onp.ones(4, "float32"))
    assert reason in str(caught.value) and "test_object_style.py" in str(caught.value)


# -- one object, whatever names and attributes it is reached by -------------------------------------------------------------------

class Point:
    def __init__(self, x, child=None):
        self.x, self.child = x, child

    def set(self, x):
        self.x = x
        return self

    def me(self):
        return self

    def give(self):
        return self.child

    def bump(self, by):
        self.child.x = self.child.x * by

    def swap(self, other):
        self.x, other.x = other.x, self.x

    def add(self, other):
        self.x = self.x + other.x
        self.y = self.x * other.x

    def detach(self):
        old = self.child
        old.x = old.x * 3
        self.child = Point(1.0)
        return old


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def go(self):
        self.a.x = self.a.x * 2
        return self.b.x


def made(v):
    p = Point(v)
    return p, Pair(p, p)


def bumped(points, by):
    for p in points:
        p.x = p.x * by
    return points[0]


@program
def what_a_method_returns(x):
    p = Point(x[0], Point(x[1]))
    q = p.set(x[1])
    q.x = q.x * 3
    r = q.me()
    r.x = r.x * x[3]
    c = p.give()
    c.x = x[2]
    p.bump(x[3])
    p.set(p.x * 2).set(p.x + 1.0).set(p.x * 2)
    return p.x * c.x + p.child.x


@program
def an_object_at_two_places(x):
    p = Point(x[0])
    pair = Pair(p, p)
    pair.a.x = x[1]
    found = pair.go()
    q, other = made(x[2])
    q.x = x[3] ** 2
    deep = copy.deepcopy(other)
    deep.a.x = deep.b.x * x[0]
    return p.x * pair.b.x + found + other.a.x * other.b.x + deep.b.x


@program
def an_object_given_twice(x):
    p, q = Point(x[0]), Point(x[1])
    p.add(p)
    p.swap(q)
    q.swap(q)
    return p.x * q.x + p.y


@program
def an_object_left_by_another(x):
    p = Point(x[0], Point(x[1]))
    c = p.child
    o = p.detach()
    o.x = o.x + x[2]
    return c.x * o.x + p.child.x * x[3]


@program
def objects_of_nested_functions(x):
    def bump(p, by):
        p.x = p.x * by
        return p

    def get():
        return outer

    def both(o):
        o.x = o.x * 2.0
        return outer.x

    def lifted(o):
        return o if isinstance(o, Point) else Point(o)
    outer = Point(x[0])
    q = bump(outer, x[1])
    bump(q, 2.0)
    get().x = outer.x + x[2]
    a = lifted(x[3])
    b = lifted(a)
    b.x = b.x * x[1]
    return outer.x * both(outer) + a.x * b.x


@program
def objects_in_containers(x):
    points = [Point(v) for v in (x[0], x[1])]
    q = bumped(points, x[2])
    q.x = q.x + 1.0
    table = {"a": points[0], "b": Point(x[3])}
    table["b"] = table["a"]
    table["b"].set(table["b"].x * 2.0)
    best = points[0]
    for p in points[1:]:
        if p.x > best.x:
            best = p
    return points[0].x * points[1].x * table["a"].x + best.x


@program
def names_bound_again(x):
    p, total = Point(x[0]), 0.0
    q = p
    q.x = x[1] * 2.0
    q = Point(x[2])
    a, b = Point(x[3]), q
    a, b = b, a
    a.x = a.x * 3.0
    for v in x:
        r = p.set(p.x + v)
        r.x = r.x * 1.5
        total = total + p.x
    if x[1] > 0.0:
        s = p.set(p.x * 2.0)
        s.x = s.x * x[2]
    return p.x * q.x + a.x * b.x + total


class Total:
    def __init__(self, value):
        self.value = value

    def add(self, v):
        self.value = self.value + v
        return self.value


@program
def read_before_a_call_that_changes_it(x):
    t, pick = Total(x[0]), lambda a, b, c: a * b + c
    y = t.value * t.add(x[1])
    a, b, c = t.value, t.add(x[1]), t.value
    y = y + a * b + c + pick(t.value, t.add(x[2]), t.value)
    d = {"a": t.value, "b": t.add(x[3])}
    t.value += t.add(x[0])
    y = y + sum([t.value, t.add(x[1]), t.value * t.add(x[2])]) + np.sin(t.value) * t.add(t.value * t.add(0.1)) * t.value
    y = y + (1.0 * x[3] if t.value < 0.0 and t.add(x[1]) > 0.0 else t.value)
    y = y + (2.0 * x[3] if t.value > 0.0 and t.add(x[1]) > 0.0 else t.value)
    return y + (x[2] if d["a"] < t.add(x[0]) else x[3]) * d["b"] + t.value


@refused("an object that has another name is bound in a loop in which its attributes are assigned")
def bound_in_a_loop(x):
    p, q, total = Point(0.0), Point(1.0), 0.0
    for v in x:
        p.x = p.x + v
        total = total + q.x
        q = p
    return total


@refused("an attribute of an object that has two names is assigned (Point)")
def bound_in_a_branch(x):
    p, q = Point(x[0]), Point(x[1])
    if x[2] > 0:
        q = p
    q.x = x[3]
    return p.x


@dataclasses.dataclass
class Seeded:
    w: float
    seed: dataclasses.InitVar[float]
    gain: dataclasses.InitVar[float] = 2.0
    b: float = dataclasses.field(init=False)

    def __post_init__(self, seed, gain):
        self.b = seed * gain * self.w


@program
def fields_for_post_init_alone(x):
    p, q = Seeded(x[0], x[1]), Seeded(w=x[2], seed=x[0], gain=x[1] * x[3])
    r = dataclasses.replace(p, seed=x[3], w=x[1])
    return p.b * p.w + q.b + r.b * r.w


@refused("an attribute of an object that has two names is assigned (Point)")
def changed_as_one_of_two(x):
    p, q = Point(x[0]), Point(x[1])
    for v in x:
        one = p if v > 0.0 else q
        one.x = one.x + v
    return p.x * q.x


@refused("loss, which is transformed here, changes an object of the function around it")
def changed_by_what_is_transformed(x):
    class Model:
        def __init__(self):
            self.last = 0.0

        def loss(self, v):
            self.last = v * 2
            return v ** 3
    m = Model()
    return xform.grad(m.loss)(x[1]) + m.last


# -- what classes say of assignments ------------------------------------------------------------------------------------------------

class Temperature:
    def __init__(self, celsius):
        self.celsius, self.sets = celsius, 0

    @property
    def fahrenheit(self):
        return self.celsius * 1.8 + 32.0

    @fahrenheit.setter
    def fahrenheit(self, value):
        self.sets += 1
        self.celsius = (value - 32.0) / 1.8

    @property
    def kelvin(self):
        return self.celsius + 273.0


class Bag:
    def __init__(self, **entries):
        self.__dict__.update(entries)
        self.__dict__["size"] = 2.0


class Named:
    __slots__ = ("a", "b")

    def __init__(self, **entries):
        for key, value in entries.items():
            setattr(self, key, value)


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: float

    def __post_init__(self):
        object.__setattr__(self, "a", self.a * 2.0)


@program
def setters(x):
    t, y = Temperature(x[0]), 2.0
    t.fahrenheit = t.fahrenheit + x[1]
    t.fahrenheit += 3.0
    t.fahrenheit, y = t.fahrenheit * y, y + 1.0
    setattr(t, "fahrenheit", t.fahrenheit * 0.5)
    for t.fahrenheit in (x[2], x[3]):
        y = y + t.celsius
    if x[0] > 0.0:
        t.fahrenheit = 20.0 * x[2]
    return t.celsius * y * t.sets


@program
def attributes_by_name(x):
    bag, named = Bag(a=x[0], b=x[1]), Named(a=x[2], b=x[3])
    bag.b = bag.b * bag.a * bag.size
    named.b = named.b * named.a
    return bag.b + sum(vars(bag).values()) + named.b * Frozen(x[0]).a


class Doubled:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner=None):
        return getattr(instance, self.name)

    def __set__(self, instance, value):
        setattr(instance, self.name, 2 * value)


class Described:
    a = Doubled()

    def __init__(self, a):
        self.a = a


@dataclasses.dataclass
class Own:
    a: float

    def __setattr__(self, key, value):
        object.__setattr__(self, key, 2 * value)


@refused("assignments to .a are made by Doubled.__set__, which is not read")
def a_descriptor(x):
    return Described(x[0]).a


@refused("assignments to .a are made by Own.__setattr__, which is not read")
def own_assignments(x):
    return Own(x[0]).a


@refused("cannot assign to field 'a' of Frozen, which is frozen")
def a_frozen_field(x):
    f = Frozen(x[0])
    f.a = x[1]
    return f.a


@refused("property 'kelvin' of 'Temperature' object has no setter")
def no_setter(x):
    t = Temperature(x[0])
    t.kelvin = x[1]
    return t.celsius


# -- changes in place of what attributes hold ---------------------------------------------------------------------------------------

class Box:
    def __init__(self, v):
        self.v, self.items, self.table = v, [], {}

    @property
    def view(self):
        return self.v

    def store(self, i, value):
        self.v[i] = value
        self.table["k"] = value * 2.0

    def push(self, value):
        self.items.append(value)

    def pop(self):
        return self.items.pop()

    def __len__(self):
        return len(self.items)


@dataclasses.dataclass
class History:
    a: float = 1.0
    items: list = dataclasses.field(default_factory=lambda: [1.0])
    box: Box = dataclasses.field(default_factory=lambda: Box([1.0, 2.0]))


class Common:
    items = []

    def push(self, value):
        self.items.append(value)


@program
def elements_of_attributes(x):
    b = Box(onp.zeros(4))
    b.v[0] = x[0] * x[1]
    b.v[1:3] += x[2:]
    b.store(3, x[3])
    grid = Box([[0.0] * 2 for _ in range(2)])
    for i in range(2):
        for j in range(2):
            grid.v[i][j] = x[i] * x[j + 2]
            grid.v[i][j] += 1.0
    return np.sum(b.v ** 2) + b.table["k"] + grid.v[0][1] * grid.v[1][0]


@program
def a_stack(x):
    stack, total = Box(0.0), 0.0
    for token in [0, 1, "+", 2, "*", 3, "-"]:
        if isinstance(token, int):
            stack.push(x[token])
        else:
            b, a = stack.pop(), stack.pop()
            stack.push(a + b if token == "+" else a * b if token == "*" else a - b)
    for v in x:
        stack.push(v * v)
    while len(stack) > 1:
        total = total * 0.5 + stack.pop()
    return total + stack.items[0]


@program
def factories_make_one_for_each_object(x):
    h, g = History(), History(a=x[0])
    h.items.append(x[1])
    g.items.append(x[2])
    g.box.v[0] = x[3]
    return sum(h.items) * sum(g.items) * g.a + h.box.v[0] * g.box.v[0]


@refused("is read here after it was changed in place")
def read_by_its_other_name(x):
    b = Box(x * 2)
    v = b.v
    b.store(0, x[0])
    return np.sum(v)


@refused("what property .view gives is changed in place")
def changed_through_a_property(x):
    b = Box(x * 2)
    b.view[0] = 4.0
    return np.sum(b.v)


@refused("what .items holds, which was made outside, is changed in place")
def changed_in_the_class(x):
    c = Common()
    c.push(x[0])
    return sum(c.items)


# -- operators and builtins of objects ----------------------------------------------------------------------------------------------

@functools.total_ordering
class Vec:
    def __init__(self, x, y):
        self.x, self.y, self.n = x, y, 0

    def __iadd__(self, other):
        self.x = self.x + other.x * 2
        self.n += 1
        return self

    def __rsub__(self, other):
        return Vec(other - self.x, other - self.y)

    def __abs__(self):
        return np.sqrt(self.x ** 2 + self.y ** 2)

    def __eq__(self, other):
        return self.x == other.x

    def __lt__(self, other):
        return abs(self) < (abs(other) if isinstance(other, Vec) else other)

    def __len__(self):
        return 1 if self.n < 3 else 0

    def __float__(self):
        return float(self.x)

    def __floor__(self):
        return self.x * 3

    def __getitem__(self, i):
        return self.x if i == 0 else self.y

    def __setitem__(self, i, value):
        if i == 0:
            self.x = value
        else:
            self.y = value


class Dual:
    def __init__(self, v, d=0.0):
        self.v, self.d = v, d

    def __mul__(self, other):
        other = other if isinstance(other, Dual) else Dual(other)
        return Dual(self.v * other.v, self.v * other.d + self.d * other.v)

    __rmul__ = __mul__

    def __add__(self, other):
        if not isinstance(other, Dual):
            other = Dual(other)
        return Dual(self.v + other.v, self.d + other.d)


@program
def operators_in_place_and_the_other_way_round(x):
    p, q = Vec(x[0], x[1]), Vec(x[2], x[3])
    p += q
    p += q
    r = abs(p) + (1.0 if p == q else 2.0) + (3.0 if p != q else 4.0) * x[0]
    r = r + (x[1] if p < q else x[2]) + (x[1] if 2.0 > p else x[3])
    if p and not (q and p.n > 5):
        r = r * 2.0
    p[0] = x[1] * x[2]
    p[1] += x[3]
    return r + p[0] * p[1] + p.n + (2.0 - p).x + float(q) * math.floor(q)


@program
def a_loop_adds_in_place(x):
    p = Vec(0.0, 1.0)
    for v in x:
        p += Vec(v, v)
    return p.x * p.y + p.n


@program
def numbers_or_objects(x):
    t = Dual(x[0], 1.0)
    u = 3.0 * t * t + t * x[1] + 1.0
    return u.d * u.v


# -- objects made step by step ------------------------------------------------------------------------------------------------------

class Linear:
    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        return self.w * x


class Sequential:
    def __init__(self, *layers):
        self.layers = list(layers)
        self.total, self.act = 0.0, np.cos

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        self.total = self.total + x
        return x

    def add(self, layer):
        self.layers.append(layer)
        return self

    def use(self, act):
        self.act = act


class Geometry:
    def __init__(self, v):
        self.v, self.calls = v, 0

    @functools.cached_property
    def norm(self):
        self.calls += 1
        return np.sqrt(np.sum(self.v ** 2))

    @property
    def unit(self):
        return self.v / self.norm


@program
def built_in_steps(x):
    m = Sequential()
    m.add(Linear(x[0]))
    m.add(np.tanh).add(Linear(x[1]))
    outer = Sequential(Linear(x[2]), m).add(np.sin)
    for i in range(2):
        m.add(Linear(x[i + 2]))
    m.add(lambda v: v ** 2 + x[0])
    return outer(x[1]) + m.layers[0].w * len(outer.layers) + m.total


@refused("attribute .layers gets a function or an object in a branch or loop")
def built_in_a_branch(x):
    m = Sequential(Linear(x[0]))
    if x[1] > 0:
        m.add(Linear(x[1]))
    return m(x[2])


@refused("attribute .act gets a function or an object in a branch or loop")
def a_function_set_in_a_branch(x):
    m = Sequential()
    if x[2] > 0:
        m.use(np.sin)
    return m.act(x[0])


@program
def cached_properties(x):
    g = Geometry(x)
    y = np.sum(g.unit * x) * g.norm
    g.v = g.v * 2.0
    return y + np.sum(g.unit) + g.calls


@refused("cached property .norm is first read in a branch or loop, and attributes of its object are assigned")
def cached_in_a_branch(x):
    g, y = Geometry(x), 0.0
    for _ in range(3):
        y = y + g.norm
    g.v = x * 2
    return y + g.norm


# -- classes that Python's library asks about ---------------------------------------------------------------------------------------

class Sequence:
    def __init__(self, v):
        self.v = v

    def __len__(self):
        return len(self.v)

    def __getitem__(self, i):
        return self.v[i] * 2

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __reversed__(self):
        return [self[i] for i in range(len(self))][::-1]


class Titled:
    def __init__(self, name="n", **rest):
        super().__init__(**rest)
        self.name = name


class Weighted:
    def __init__(self, w=1.0, **rest):
        super().__init__(**rest)
        self.w = w


class Both(Titled, Weighted):
    def __init__(self, v, **rest):
        super().__init__(**rest)
        self.v = v


class Polynomial:
    def __init__(self, coefficients):
        self.coefficients = list(coefficients)

    def __add__(self, other):
        n = max(len(self.coefficients), len(other.coefficients))
        a = self.coefficients + [0.0] * (n - len(self.coefficients))
        b = other.coefficients + [0.0] * (n - len(other.coefficients))
        return Polynomial([u + v for u, v in zip(a, b)])

    def __call__(self, t):
        return functools.reduce(lambda total, c: total * t + c, reversed(self.coefficients), 0.0)


Complex = collections.namedtuple("Complex", "real imag")


@functools.singledispatch
def area(shape):
    raise TypeError("no shape")


@area.register
def _(shape: Box):
    return shape.v ** 2


@area.register(Pair)
def _(shape):
    return shape.a * shape.b


def product(a, b):
    return Complex(a.real * b.real - a.imag * b.imag, a.real * b.imag + a.imag * b.real)


@program
def iterated_and_unpacked(x):
    s, total = Sequence(x), 0.0
    for i, v in enumerate(s):
        total = total + i * v
    first, *rest = s
    for v in reversed(s):
        total = total * 0.5 + v
    return total + first * rest[0] + sum(s) * max(list(s)) + s[-1]


@program
def dispatched_and_cooperating(x):
    units = [Both(x[0], name="ab", w=x[1]), Both(x[2]), Both(v=x[3], w=2.0)]
    shapes = sum(area(s) for s in [Box(x[0]), Pair(x[1], x[2]), Box(x[3])])
    return sum(u.v * u.w * len(u.name) for u in units) + shapes


@program
def joined_lists(x):
    p = Polynomial([x[0], x[1], 1.0]) + Polynomial([x[2], x[3]])
    return p(0.7) * x[3]


@program
def fields_named_as_parts_of_arrays(x):
    z, c = Complex(0.0, 0.0), Complex(x[0] * 0.1, x[1] * 0.1)
    for _ in range(4):
        s = product(z, z)
        z = Complex(s.real + c.real, s.imag + c.imag)
    return sum(w.real * w.imag for w in [z, c]) + product(z, c).real


class Found:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def score(self):
        return self.a * self.b


@program
def none_until_found(x):
    best = low = None
    for v in x:
        if best is None or v > best.a:
            best = Found(v, v * v)
        if not low or v < low.a:
            low = Found(v, v + 1.0)
    return best.score() + best.b * low.b


@program
def none_before_the_first(x):
    before, t, total = None, None, 0.0
    for v in x:
        now = Found(v, v + 1.0)
        if before is not None:
            total = total + (now.a - before.a) * (now.b + before.b)
        before = now
        t = Found(v, 0.5 if t is None else t.a * v)     # what t was, as one of its new attributes
    return total + t.score()


@program
def none_where_nothing_was_found(x):
    def find(low):
        for v in x:
            if v > low:
                return Found(v, v * v)
        return None
    r, q, total = find(1.0), find(100.0), 0.0
    for i in range(3):
        s = find(0.4 * i)
        total = total + (s.score() if isinstance(s, Found) else 0.0)
    return total + r.score() if q is None else q.a


@program
def none_again_and_in_a_test_of_the_loop(x):
    t, i = None, 0
    while t is None and i < 4:
        if x[i] > 1.0:
            t = Found(x[i], x[i] ** 2)
        i += 1
    s = t.score() if t else x[1]
    if x[0] > 0:
        t = None
    return s * (x[2] if t is None else t.a)


@refused("'t' is bound to None and to objects that differ in class or attributes")
def a_chain_that_grows(x):
    t = None
    for v in x:
        t = Found(v, t)
    return t.a


@refused("'t' is bound to an object and to something else")
def a_number_then_an_object(x):
    t = 1.0
    for v in x:
        t = Found(v, t)
    return t.a


@refused("what is None or an object of class Found, as the run decides, is stored or returned as a value")
def none_in_a_list(x):
    t = None
    for v in x:
        if v > 1.0:
            t = Found(v, v)
    ts = [t, x]
    for i in range(2):
        x = x + len(ts)
    return ts[int(x[0]) * 0].a


@refused("the comparison of a name that is None or an object of class Point, as the run decides")
def none_compared(x):
    t = None
    for v in x:
        if v > 1.0:
            t = Point(v)
    return 1.0 if t == Point(x[0]) else 0.0


# -- with -----------------------------------------------------------------------------------------------------------------------

class Scale:
    def __init__(self, k):
        self.k, self.log = k, 0.0

    def __enter__(self):
        self.log = self.log + 1.0
        return self

    def __exit__(self, kind, error, trace):
        self.log = self.log * self.k


class Swallowing(Scale):
    def __exit__(self, kind, error, trace):
        return True


@contextlib.contextmanager
def times(scale, by=2.0):
    before = scale.k
    scale.k = before * by
    try:
        yield scale
    finally:
        scale.k = before


@contextlib.contextmanager
def pushed(stack, v, *, by=1.0):
    stack.append(v * by)
    yield stack[-1] * 2.0
    stack.pop()


@program
def entered_and_left(x):
    s, total = Scale(x[0]), 0.0
    for v in x:
        with s as t, Scale(v) as u:
            if v < 0:
                continue
            total = total + v * t.log * u.k
            if v > 1.8:
                break

    def early(v):
        with Scale(v * 3.0) as own:
            if v > 0:
                return v * own.log
            v = v * 2.0
        return v + own.log
    return total + s.log + early(x[1]) * early(x[2])


@program
def managed_by_functions(x):
    s, stack, total = Scale(x[0]), [x[0]], 0.0
    for v in x:
        with times(s, v) as t, pushed(stack, v, by=x[3]) as w:
            total = total + t.k * w * len(stack)
            if v < 0:
                continue
    with times(s):
        total = total + s.k
    return total + s.k + sum(stack) * len(stack)


class Scaled:
    def __init__(self):
        self.k, self.log = 1.0, []

    @contextlib.contextmanager
    def by(self, k, plus=0.5):
        before = self.k
        self.k = self.k * k + plus
        try:
            yield self
        finally:
            self.k = before
            self.log.append(k)

    def twice(self, v):
        with self.by(2.0, plus=0.0):
            return self.k * v * v


class Holding:
    def __init__(self, x):
        self.scaled = Scaled()
        self.total = x


@program
def managed_by_methods(x):
    s, t, total = Scaled(), Scaled(), 0.0
    for v in x:
        with s.by(v):
            if v < 0:
                continue
            total = total + s.k * v
        total = total + s.k * v
    with s.by(x[0]) as r, t.by(x[1], plus=x[2]):
        total = total + r.k * t.k
    return total + s.k + t.twice(x[3]) + sum(s.log) * len(t.log)


@refused("the context manager by is a method of what is not known to be an object of one class where the with is read")
def managed_by_a_method_of_an_attribute(x):
    h = Holding(x[0])
    with h.scaled.by(x[1]):
        y = h.scaled.k
    return y * h.total


@refused("Swallowing.__exit__ returns something, so that it may swallow what the body raises")
def swallowing(x):
    with Swallowing(x[0]) as s:
        y = s.k
    return y


@refused("'s' is given to the context manager and assigned in the body of the with")
def bound_again_inside(x):
    s = Scale(x[0])
    with times(s):
        s = Scale(x[1])
    return s.k


# -- of the standard library ---------------------------------------------------------------------------------------------------------

@program
def queues(x):
    edges, reached, queue = {0: [1, 2], 1: [3], 2: [3], 3: []}, {0: x[0]}, collections.deque([0])
    while queue:
        node = queue.popleft()
        for other in edges[node]:
            if other not in reached:
                reached[other] = reached[node] * x[other] + 1.0
                queue.append(other)
    recent, total = collections.deque([0.0, 0.0], maxlen=2), sum(reached.values())
    for v in x:
        recent.append(v * v)
        total = total + recent[0] * recent[-1] + len(recent)
    recent.rotate(1)
    recent.appendleft(x[3])
    return total + recent[0] * recent[1] + sum(v * 2 for v in recent) + max(recent)


@program
def dicts_with_defaults(x):
    groups = collections.defaultdict(list)
    sums = collections.defaultdict(float)
    products = collections.defaultdict(lambda: 1.0)
    for i, (k, v) in enumerate(zip("abca", x)):
        groups[k].append(v * v)
        sums[i % 2] += v if v > 0 else 0.0
        products[k] *= v
    sums["n"] = sums["more"] + x[2]
    count = len(groups) + (1.0 if "z" in groups else 0.0) + len(sums)
    return sum([sum(g) * len(g) for g in groups.values()]) + sums[0] * sums[1] + products["a"] + products["q"] + count


@program
def counted_and_reduced(x):
    votes = collections.Counter(["a", "b", "a"])
    votes.update(["b", "b"])
    votes["z"] += 1
    total = votes["a"] * x[0] + votes["b"] * x[1] + votes.total() * x[2] + sum(votes.values()) + votes["nobody"]
    both = functools.reduce(lambda p, q: Found(p.a + q.a, p.b * q.b), [Found(v, v + 1.0) for v in (x[0], x[1], x[3])])
    run = functools.reduce(lambda p, v: Found(p.a + v, p.b * v), x, Found(0.0, 1.0))
    return total + both.score() + run.score() + Powers(x[0]).squared(x[1])


class Powers:
    def __init__(self, k):
        self.k = k

    def power(self, v, n):
        return self.k * v ** n
    squared = functools.partialmethod(power, n=2)


@refused("this collections.defaultdict cannot be made in a transformed function")
def a_dict_that_a_nested_function_writes(x):
    d = collections.defaultdict(float)

    def put(k, v):
        d[k] = v
    put("a", x[0])
    return d["a"] + d["b"]


@dataclasses.dataclass
class Reading:
    value: float
    weight: float = 2.0
    parts: list = dataclasses.field(default_factory=list)
    name: str = "plain"


@dataclasses.dataclass
class Station:
    reading: Reading
    height: float = 1.0


@program
def fields_as_dicts_and_tuples(x):
    reading = Reading(x[0], x[1], [x[2]])
    station = Station(reading)
    held, (value, weight, parts, name) = dataclasses.asdict(station), dataclasses.astuple(reading)
    reading.value = 5.0
    reading.parts.append(1.0)       # the copies keep what they hold
    held["reading"]["parts"].append(x[3] * 2.0)
    first = held["reading"]
    return (first["value"] ** 2 * first["weight"] * sum(first["parts"]) + held["height"] + len(held) + value * weight * sum(parts)
            + len(name) + reading.value * sum(reading.parts) * station.reading.weight)
