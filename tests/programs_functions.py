"""A zoo of small programs: functions, containers and transformations inside the function.

The tests run this file's text twice: as it is, and against an oracle (JAX, or plain NumPy where JAX cannot run it).
"""
import functools
import math
import operator
from collections import namedtuple

import numpy as onp
import xform as jax
import xform.numpy as np

PROGRAMS = {}


def program(*inputs, oracle="jax", order=2, batch=True, jit=True):
    """Register a program with its sample inputs, its oracle and what of it to test."""
    def register(function):
        PROGRAMS[function.__name__] = function, inputs, dict(oracle=oracle, order=order, batch=batch, jit=jit)
        return function
    return register


def vec(n, seed=0):
    return onp.random.default_rng(seed).uniform(0.3, 1.7, n).astype(onp.float32)


def mat(m, n, seed=1):
    return onp.random.default_rng(seed).uniform(-1.2, 1.2, (m, n)).astype(onp.float32)


# -- functions ------------------------------------------------------------------------------------------------------------

def square(x):
    return x * x


def weighted(x, weight=2.0, *, bias=0.0):
    return weight * x + bias


def power(x, n):
    if n == 0:
        return 1.0
    return x * power(x, n - 1)


def even(x, n):
    return x if n == 0 else odd(x * 1.5, n - 1)


def odd(x, n):
    return x * x if n == 0 else even(np.sin(x), n - 1)


def total_of(*terms):
    total = 0.0
    for term in terms:
        total = total + term
    return total


def named_total(**terms):
    return terms["a"] * 2.0 + terms["b"]


@program(0.7)
def calls(x):
    return square(square(x) + 1.0) * square(x)


@program(0.7)
def defaults_and_keywords(x):
    return weighted(x) * weighted(x, 3.0) + weighted(x, bias=x) - weighted(bias=1.0, x=x, weight=x)


@program(0.7)
def recursion(x):
    return power(x, 4) + power(x, 0)


@program(0.7)
def mutual_recursion(x):
    return even(x, 5)


@program(0.3, batch=False, jit=False)
def recursion_on_value(x):
    if x > 3.0:
        return x
    return recursion_on_value(x * 1.5 + 0.5) * x


@program(0.7)
def variadic(x):
    return total_of(x, x * x, 3.0) * total_of(*[x, x * 2.0])


@program(0.7)
def keyword_variadic(x):
    return named_total(a=x, b=x * x)


@program(0.7)
def nested_function(x):
    y = np.sin(x)

    def inner(z, scale=2.0):
        return z * y * scale
    return inner(x) + inner(y, scale=x)


@program(0.7)
def closure_sees_later_assignment(x):
    def inner(z):
        return z * factor
    factor = x * 3.0
    return inner(x)


@program(0.7)
def lambdas(x):
    double = lambda z: 2.0 * z
    return (lambda a, b=x: a * b + double(a))(x * x)


@program(0.7)
def higher_order(x):
    def twice(f, z):
        return f(f(z))
    return twice(lambda z: z * x, x) + twice(square, x) + twice(np.sin, x)


@program(0.7)
def function_chosen_by_value(x):
    return (np.sin if x > 0.5 else np.cos)(x) * x


@program(0.7)
def returned_closure(x):
    def make(scale):
        def inner(z):
            return z * scale * x
        return inner
    return make(x * 2.0)(x)


@program(0.7)
def partials(x):
    scaled = functools.partial(weighted, weight=x)
    return scaled(x) + functools.partial(power, n=2)(x)


@program(0.7)
def map_and_reduce(x):
    terms = list(map(lambda c: c * x, [1.0, 2.0, 3.0]))
    return functools.reduce(lambda a, b: a * b, terms, x) + sum(terms)


@program(0.7)
def operators(x):
    return operator.add(operator.mul(x, x), operator.neg(x)) + operator.truediv(x, 3.0)


@program(0.7, oracle="numpy")
def python_math(x):
    return math.sin(x) * math.exp(x) + math.sqrt(x) + math.pi * math.log(x) + math.tanh(x)


@program(vec(3), oracle="numpy")
def plain_numpy(v):
    return onp.sum(onp.sin(v) * v) + onp.dot(v, v)


@program(0.7)
def decorated(x):
    return cached_square(x) * x


@functools.lru_cache(maxsize=None)
def _cached(n):
    return n * 2.0


@jax.jit
def cached_square(x):
    return x * x


@program(0.7)
def printing(x):
    label = f"x has {len([1, 2])} parts"
    assert label, "there is a label"
    print(end="")
    return x * len(label)


@program(0.7)
def docstring_and_pass(x):
    """This program has a docstring."""
    pass
    if x > 0:
        pass
    return x * 2.0 * x


# -- containers -----------------------------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


@program(0.7)
def tuples(x):
    pair = (x, x * x)
    a, b = pair
    (c, d), e = (a * b, 2.0), pair[1]
    return a + b * c - d * e + pair[-1]


@program(0.7)
def starred(x):
    first, *rest = [x, x * 2.0, x * 3.0, 4.0]
    *start, last = rest
    return first * rest[0] + start[1] * last


@program(0.7)
def lists(x):
    items = [x, 1.0]
    items.append(x * x)
    items = items + [x]
    items[1] = items[0] * 5.0
    return sum(items) + items[-1] * len(items)


@program(0.7)
def append_in_loop(x):
    trace = []
    y = x
    for i in range(4):
        y = np.sin(y) + i
        trace.append(y)
    return trace[0] * trace[-1] + sum(trace)


@program(0.7, batch=False, jit=False)
def append_in_while(x):
    trace = [x]
    while trace[-1] < 5.0:
        trace.append(trace[-1] * 2.0)
    total = 0.0
    for i, item in enumerate(trace):
        total = total + item * (i + 1)
    return total


@program(0.7)
def dicts(x):
    params = {"w": x, "b": x * x}
    params["c"] = params["w"] * 2.0
    params = {**params, "b": params["b"] + 1.0}
    return params["w"] * params["b"] + params["c"] * params.get("b")


@program(0.7)
def comprehensions(x):
    powers = [x ** n for n in range(4) if n != 2]
    table = {n: p * 2.0 for n, p in enumerate(powers)}
    return sum(p * p for p in powers) + table[1] * sum([a * b for a in powers for b in powers])


@program(0.7)
def min_max_abs(x):
    return max(x, 0.5) * min(x, 2.0, x * x) + abs(-x) + max([x, 0.1])


@program(0.7)
def namedtuples(x):
    p = Point(x, x * x)
    q = p._replace(x=p.y * 2.0)
    return q.x * p.x + q.y


@program({"w": vec(3), "b": 0.5}, vec(3, 5))
def dict_argument(params, x):
    return np.sum(np.tanh(params["w"] * x + params["b"]))


@program(Point(0.7, 1.3))
def namedtuple_argument(p):
    return p.x * p.y + p[0] * 2.0


@program([(mat(3, 4), vec(4)), (mat(4, 2, 5), vec(2))], vec(3, 7))
def network(params, x):
    for weights, bias in params:
        outputs = np.dot(x, weights) + bias
        x = np.tanh(outputs)
    return outputs


@program([0.7, 1.3, 0.2])
def sum_of_list_argument(items):
    total = 0.0
    for item in items:
        total = total + item * item
    return total * items[0]


# -- transformations inside -----------------------------------------------------------------------------------------------

@program(0.7)
def gradient_inside(x):
    return jax.grad(lambda y: np.sin(y) * y)(x) * x


@program(0.7)
def perturbations_stay_apart(x):
    return x * jax.grad(lambda y: x * y * y)(2.0 * x)


@program(0.7)
def forward_perturbations_stay_apart(x):
    def inner(y):
        return x + y
    out, tangent = jax.jvp(inner, (1.0,), (1.0,))
    return x * tangent * out


@program(vec(3), 0.7)
def batched_inside(v, s):
    return np.sum(jax.vmap(lambda e: np.sin(e * s) * e)(v))


@program(vec(3))
def jacobian_inside(v):
    return np.sum(jax.jacfwd(lambda u: np.sin(u) * u[0])(v) ** 2)


@program(vec(3))
def compiled_inside(v):
    return jax.jit(lambda u: np.sum(u ** 3))(v)


@program(0.7)
def value_and_gradient_inside(x):
    value, slope = jax.value_and_grad(lambda y: y ** 3 * x)(x)
    return value * slope


@program(vec(3))
def descent(v):
    loss = lambda u: np.sum((u - 1.0) ** 4)
    for _ in range(3):
        v = v - 0.1 * jax.grad(loss)(v)
    return np.sum(v * v)


@program(mat(5, 2, 7), mat(2, 2, 8), oracle="numpy")
def clusters(points, centres):
    for _ in range(2):
        nearest = np.argmin(((points[:, None, :] - centres[None]) ** 2).sum(-1), axis=1)
        moved = []
        for k in range(2):
            mask = nearest == k
            if mask.sum() > 0:
                moved.append((points * mask[:, None]).sum(axis=0) / mask.sum())
            else:
                moved.append(centres[k])
        centres = np.stack(moved)
    return ((points[:, None, :] - centres[None]) ** 2).sum(-1).min(axis=1)


@program([0.5, 1.5], [0.7], oracle="numpy", batch=False)
def joined_arguments(xs, ys):
    both = xs + ys * 2
    return sum(x * y * (i + 1) for i, (x, y) in enumerate(zip(both, both[1:])))


def only_item(pair):
    pair, = pair
    return pair * np.sum(pair)


@program(vec(2))
def unpacked_into_its_own_name(v):
    return only_item((v,)) + only_item([2.0 * v])


def squared(v):
    return v * v


SHAPES = {"squared": squared, "sine": np.sin, "tanh": np.tanh}


def shaped(act, x):
    return 2.0 * act(x)


def activated(x, name, smooth):
    act = {"squared": squared, "sine": np.sin}[name]
    post = np.tanh if smooth else (lambda v: v * x[0])
    return post(act(x)) + shaped(SHAPES[name] if smooth else squared, x)


@program(vec(3))
def functions_picked_by_flags(x):
    total = 0.0
    for name in ["sine", "squared"]:
        total = total + np.sum(activated(x, name, name == "sine"))
    return total


@program(vec(4), oracle="numpy")
def functions_picked_in_turns(x):
    total = 0.0
    for i in range(4):
        if x[i] > 1.2:
            step = np.sin
        elif x[i] > 0.7:
            k = x[i] * 2.0

            def step(v):
                return v * v * k
        else:
            step = squared
        inner = step if x[0] > 0.6 else np.cos
        total = total + step(x[i]) * np.sum(np.stack([inner(v) for v in x]))
    return total


class Slope:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def at(self, x):
        return self.a * x + self.b

    def add(self, v):
        self.a = self.a + v
        return self


class Bend(Slope):
    def at(self, x):
        return self.a * x * x + self.b

    def add(self, v):
        self.a = self.a * v
        return self


class Lines:
    def __init__(self, x):
        self.low, self.high = Slope(x[0], x[1]), Slope(x[2], 1.0)

    def pick(self, above):
        return self.high if above else self.low


def line(x, given=None):
    given = Slope(x[0], 2.0) if given is None else given
    return given.at(x[1]) * given.b


@program(vec(4), oracle="numpy")
def objects_picked(x):
    lines = Lines(x)
    one = lines.low if x[3] > 1.0 else lines.high
    best = Slope(x[0], x[1])
    for i in range(4):
        new = Slope(x[i], 1.0 * i)
        best = new if new.at(x[3]) > best.at(x[3]) else best
    perhaps = Slope(x[1], x[2]) if x[0] > 0.5 else None
    last = perhaps.at(x[1]) if perhaps is not None else x[3]
    return one.at(x[1]) * lines.pick(x[0] > 0.8).a + best.a * best.b + last + line(x) * line(x, lines.low)


@program(vec(4), oracle="numpy")
def objects_of_two_classes_picked(x):
    a, b = Slope(x[0], x[1]), Bend(x[2], x[3])
    for i in range(4):
        one = a if x[i] > 0.9 else b
        one.add(x[i] * x[i])
    total = one.a + one.at(x[0]) * one.add(x[1]).a
    cls = Slope if x[0] > 1.0 else Bend
    return a.a * 3.0 + b.a + total + cls(x[0], x[1]).at(x[2])
