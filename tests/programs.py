"""A zoo of small programs: Python's control flow, functions and containers around active values.

The tests run this file's text twice: as it is, and against an oracle (JAX, or plain NumPy where JAX cannot run it).
"""
import functools
import math
import operator
from collections import namedtuple

import numpy as onp
import xform as jax
import xform.numpy as np
from xform import lax

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


# -- straight lines -------------------------------------------------------------------------------------------------------

@program(0.7)
def polynomial(x):
    return 3.0 * x ** 3 - x * x / 2 + 4


@program(0.7, 1.3)
def all_arithmetic(x, y):
    return (x + y) * (x - y) / (1.0 + x * x) - -x ** 2 + +y + x ** y + abs(x - 2 * y)


@program(0.7)
def augmented(x):
    y = x
    y += 1.5
    y *= x
    y -= 0.25
    y /= 2.0 + x
    y **= 3
    return y


@program(0.7)
def reassigned(x):
    x = np.sin(x)
    x = x * x
    x, y = x + 1.0, x * 2.0
    return x * y


@program(0.7)
def chained_assignment(x):
    a = b = x * 2.0
    a = a + 1.0
    return a * b


@program(0.7, 1.3)
def swap(x, y):
    x, y = y, x
    x, y = x * y, x / y
    return x - 3.0 * y


@program(0.7)
def annotated_and_walrus(x):
    y: float = x * 2.0
    if (z := y * y) > 1.0:
        return z * x
    return y


@program(3.7, 1.3, oracle="jax", order=1)
def modulo(x, y):
    return x % y + x // y + (x * y) % 2.0


@program(0.7)
def unused_and_constant(x):
    y = np.exp(x) * 3.0
    z = 2.0
    del y
    return z * x


@program(0.7)
def constant_result_of_part(x):
    return x * 0.0 + 4.0 * (2.0 + 1.0)


# -- branches -------------------------------------------------------------------------------------------------------------

@program(0.7)
def branch(x):
    if x > 0.5:
        y = x * x
    else:
        y = -x
    return y * 3.0


@program(0.7)
def branch_without_else(x):
    y = x
    if x < 1.0:
        y = y * x
    return np.cos(y)


@program(0.7)
def chain_of_branches(x):
    if x > 2.0:
        return x
    elif x > 0.5:
        y = np.sin(x)
    elif x > 0:
        y = x ** 3
    else:
        return -x
    return y * x


@program(0.7)
def early_returns(x):
    if x < 0:
        return x * x
    y = np.exp(x)
    if y > 10.0:
        return y
    z = y * x
    if z > 100.0:
        return z * z
    return z + y


@program(0.7, 1.3)
def nested_branches(x, y):
    if x > 0:
        if y > 1.0:
            out = x * y
        else:
            out = x / y
        out = out + x
    else:
        out = y
        if x < -1.0:
            out = out * 2.0
    return out


@program(0.7, 1.3)
def ternary(x, y):
    return (x * y if x > y else x - y) * (y if x > 0 else 1.0)


@program(0.7, 1.3)
def boolean_operators(x, y):
    if x > 0 and y > 1.0 and not x > y:
        return x * y * y
    if x < 0 or y < 0:
        return x
    return y


@program(0.7)
def chained_comparison(x):
    if 0.0 < x < 1.0:
        return x ** 2
    return x if 1.0 <= x <= 3.0 else -x


@program(0.7, oracle="numpy", jit=False, batch=False)
def values_of_and_or(x):
    y = x or 3.0
    z = x and x * 2.0
    return y * z


@program(0.7)
def branch_on_static(x):
    y = None
    if y is None:
        y = x * x
    flag = "sine"
    if flag == "sine":
        y = np.sin(y)
    return y


# -- loops ----------------------------------------------------------------------------------------------------------------

@program(0.7)
def loop_range(x):
    total = 0.0
    for i in range(5):
        total = total * x + i
    return total


@program(0.7)
def loop_range_step(x):
    total = x
    for i in range(10, 0, -3):
        total = np.sin(total) * i
    return total


@program(0.7)
def loop_list(x):
    y = x
    for c in [0.5, -1.0, 2.0]:
        y = c * y * y + x
    return y


@program(0.7)
def loop_zip_enumerate(x):
    total = x
    for i, (a, b) in enumerate(zip([1.0, 2.0, 3.0], (x, x * x, 2.0))):
        total = total + a * b * (i + 1) * x
    return total


@program(0.7)
def loop_reversed(x):
    y = x
    for c in reversed([1.0, 2.0, 3.0]):
        y = y * x + c
    return y


@program(vec(4))
def loop_array(v):
    total = 0.0
    product = 1.0
    for e in v:
        product = product * e
        total = total + product
    return total


@program(mat(3, 2))
def loop_rows(m):
    total = np.zeros(2)
    for row in m:
        total = np.tanh(total + row)
    return total


@program(vec(4), mat(4, 3))
def loop_zip_arrays(v, m):
    total = 0.0
    for e, row in zip(v, m):
        total = total + e * np.sum(row * row) * e
    return total


@program(0.7)
def loop_dict_items(x):
    table = {"a": x, "b": x * x, "c": 2.0}
    total = 1.0
    for key, value in table.items():
        total = total * (value + len(key))
    return total


@program(0.7)
def while_loop(x):
    while x < 10.0:
        x = x * 1.7 + 0.3
    return x


@program(0.7)
def while_with_counter(x):
    n, y = 0, x
    while n < 6:
        y = np.sin(y) + x
        n += 1
    return y


@program(0.7)
def while_else(x):
    y = x
    while y < 5.0:
        y = y * 2.0
    else:
        y = y + x * x
    return y


@program(0.7)
def for_else_with_break(x):
    y = x
    for i in range(8):
        y = y * 1.5
        if y > 3.0:
            break
    else:
        y = y * 100.0
    return y * x


@program(0.7)
def for_else_without_break(x):
    y = x
    for i in range(3):
        y = y * 1.1
        if y > 30.0:
            break
    else:
        y = y * y
    return y


@program(0.7)
def loop_continue(x):
    total = x
    for i in range(6):
        if i % 2 == 0:
            continue
        if total > 4.0:
            continue
        total = total * (1.0 + x)
    return total


@program(0.7)
def while_true_break(x):
    y = x
    while True:
        y = y * y + 0.6
        if y > 4.0:
            break
        y = y + 0.1 * x
    return y


@program(0.7)
def return_from_loop(x):
    for i in range(10):
        x = x * 1.4
        if x > 3.0:
            return x * i
    return -x


@program(0.7)
def return_from_nested_loops(x):
    y = x
    for i in range(4):
        for j in range(3):
            y = y * 1.2 + j
            if y > 9.0:
                return y * x
        y = y - i * x
    return y


@program(0.7)
def nested_loops(x):
    total = 0.0
    for i in range(3):
        inner = x
        for j in range(i + 1):
            inner = inner * x + j
        total = total + inner
    return total


@program(0.7)
def nested_while(x):
    y, i = x, 0
    while i < 3:
        z = y
        while z < 4.0:
            z = z * 1.5 + x * 0.1
        y = y + z * 0.1
        i = i + 1
    return y


@program(0.7)
def break_outer_by_flag(x):
    y, done = x, False
    for i in range(5):
        for j in range(5):
            y = y + 0.3 * x
            if y > 2.0:
                done = True
                break
        if done:
            break
    return y * y


@program(0.7)
def loop_variable_after(x):
    for i in range(4):
        y = x * i
    return y * i


@program(0.7)
def loop_not_entered(x):
    y = x
    for i in range(0):
        y = y * 100.0
    while y > 1000.0:
        y = y / 2.0
    return y * 3.0


@program(0.7)
def newton(a):
    x = a
    while abs(x * x - a) > 1e-4:
        x = x - (x * x - a) / (2.0 * x)
    return x


@program(0.7)
def two_carries(x):
    a, b = x, 1.0
    for _ in range(5):
        a, b = b * x, a + b
    return a * b


@program(0.7)
def type_changes_in_loop(x):
    total = 0
    for i in range(3):
        total = total + x
    return total * total


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
