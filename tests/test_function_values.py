"""Functions as values: in lists and dicts, returned by functions, picked by an index, held by objects."""
import functools
from typing import Callable, NamedTuple

import numpy as onp
import pytest

import xform as jax
import xform.numpy as np
from xform import lax


def layer(w):
    return lambda x: np.tanh(w * x)


def compose(*functions):
    def inner(x):
        for function in functions:
            x = function(x)
        return x
    return inner


def adder(a):
    def multiplied(b):
        return lambda c: a * b + c
    return multiplied


def serial(*layers):
    inits, applies = zip(*layers)

    def init(key):
        return [one(key) for one in inits]

    def apply(params, x):
        for one, p in zip(applies, params):
            x = one(p, x)
        return x
    return init, apply


def dense(n):
    def init(key):
        return 0.5 * n, 0.1

    def apply(params, x):
        w, b = params
        return np.tanh(w * x + b)
    return init, apply


class Net:
    def __init__(self):
        self.layers = [layer(1.5), layer(0.3)]
        self.scale = 2.0

    def __call__(self, x):
        for one in self.layers:
            x = one(x)
        return x * self.scale


FUNCTIONS = (np.sin, layer(3.0), functools.partial(np.power, 2.0))
INIT, APPLY = serial(dense(1), dense(2), (lambda key: (), lambda params, x: x * x))
PARAMS = INIT(0)
NET = Net()


def loop_over_list(x):
    functions = [np.sin, np.cos, lambda t: t * t]
    for function in functions:
        x = function(x)
    return x


def returned(x):
    g = layer(x)
    return g(2.0) * g(x)


def enumerated_global(x):
    total = 0.0
    for i, function in enumerate(FUNCTIONS):
        total = total + i * function(x)
    return total


def picked_at_run_time(x, i=1):
    functions = [np.sin, np.cos, lambda t: t * t]
    return functions[i](x) * x


def picked_by_key(x, key="square"):
    table = {"sin": np.sin, "square": lambda t: t * t}
    return table[key](x) + table["sin"](x)


def network_of_closures(x):
    return APPLY(PARAMS, x)


def pair_of_closures(x):
    init, apply = dense(3)
    return apply(init(0), x)


def switched(x):
    return lax.switch(2, [np.sin, np.cos, lambda t: t ** 3], x)


def generated(x):
    return sum(function(x) for function in (np.sin, np.cos, np.exp))


def piecewise(x):
    return np.piecewise(x, [x < 0, x >= 0], [lambda t: -t, lambda t: t * t])


def held_by_an_object(x):
    return NET(x)


def left_early(x):
    for function in FUNCTIONS:
        if x > 0.75:
            break
        x = function(x)
    return x


def composed(x):
    return compose(np.sin, np.cos)(x)


def reduced(x):
    return functools.reduce(lambda value, function: function(value), [np.sin, np.cos], x)


def curried(x):
    return adder(x)(x * 2)(x * x)


def defaults_of_now(x):
    powers = [lambda t, k=k: t ** k for k in range(1, 4)]
    return powers[0](x) + powers[2](x)


def names_of_later(x):
    powers = [lambda t: t ** k for k in range(1, 4)]
    return powers[0](x) + powers[2](x)


def by_range(x):
    functions = [np.sin, np.cos]
    for i in range(2):
        x = functions[i](x)
    return x


def scaling(k, x):
    def scaled(y):
        return y * k * x
    return scaled


def gathered(x):
    steps = []
    for i in range(2):
        for j in (1.0, 2.0):
            w = x + j
            steps.append(lambda y, w=w, i=i: y * w + i)
    steps.insert(0, np.sin)
    for k in range(2):
        steps.append(scaling(k + 1, x))
    y = x
    for step in steps:
        y = step(y)
    return y + len(steps)


def gathered_with_the_last_of_names(x):
    steps = []
    for k in range(3):
        w = x * k

        def named(y):
            return y + w
        steps.append(lambda y: y * x * k)
        steps.append(named)
    return sum([step(x) for step in steps]) + steps[-2](x)


PROGRAMS = [gathered, gathered_with_the_last_of_names, loop_over_list, returned, enumerated_global, picked_at_run_time, picked_by_key, network_of_closures, pair_of_closures,
            switched, generated, piecewise, held_by_an_object, left_early, composed, reduced, curried, defaults_of_now,
            names_of_later, by_range]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program):
    gradient = jax.grad(program)
    with jax.enable_x64(True):
        x, step = onp.float64(0.7), 1e-6
        wanted = (float(program(x + step)) - float(program(x - step))) / (2 * step)
        assert abs(float(gradient(x)) - wanted) < 1e-6 * max(1.0, abs(wanted))
    x = 0.7
    assert float(jax.jvp(program, (x,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-4)
    assert float(jax.jit(gradient)(x)) == pytest.approx(wanted, rel=1e-4)
    rows = [float(gradient(v)) for v in (0.7, 0.8)]
    onp.testing.assert_allclose(jax.vmap(gradient)(np.array([0.7, 0.8])), rows, rtol=1e-5)
    second = jax.grad(gradient)
    about = (float(gradient(x + 1e-2)) - float(gradient(x - 1e-2))) / 2e-2
    assert float(second(x)) == pytest.approx(about, rel=2e-2, abs=2e-2)


def test_an_index_outside_is_an_error():
    with pytest.raises(IndexError, match="list index out of range: 3, of 3 items"):
        jax.grad(picked_at_run_time)(0.7, 3)
    with pytest.raises(KeyError, match="tan"):
        jax.grad(picked_by_key)(0.7, "tan")


def test_a_traced_index_switches():
    picked = jax.jit(jax.grad(picked_at_run_time))
    for i in range(3):
        assert float(picked(0.7, i)) == pytest.approx(float(jax.grad(picked_at_run_time)(0.7, i)), rel=1e-5)
    rows = jax.vmap(jax.grad(picked_at_run_time), (None, 0))(0.7, np.arange(3))
    onp.testing.assert_allclose(rows, [float(jax.grad(picked_at_run_time)(0.7, i)) for i in range(3)], rtol=1e-5)


CHANGING = [np.sin, np.cos]


def over_changing(x):
    for function in CHANGING:
        x = function(x)
    return x


def test_a_list_that_changes():
    gradient = jax.grad(over_changing)
    assert float(gradient(0.7)) == pytest.approx(-float(np.sin(np.sin(0.7)) * np.cos(0.7)), rel=1e-5)
    CHANGING.pop()
    try:
        assert float(gradient(0.7)) == pytest.approx(float(np.cos(0.7)), rel=1e-5)
        CHANGING[0] = np.cos
        assert float(gradient(0.7)) == pytest.approx(-float(np.sin(0.7)), rel=1e-5)
    finally:
        CHANGING[:] = [np.sin, np.cos]


class Optimizer(NamedTuple):
    init: object
    update: object
    rate: float = 0.5


def descent(rate):
    def init(params):
        return params * 1.0

    def update(gradient, params):
        return params - rate * gradient
    return Optimizer(init, update)


GLOBAL = descent(0.1)


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper


@logged
def decorated(x, k=2.0):
    return x * x * k


def with_global_optimizer(x):
    state = GLOBAL.init(x)
    for _ in range(3):
        state = GLOBAL.update(jax.grad(lambda q: q ** 3)(state), state)
    return state


def with_own_optimizer(x):
    optimizer = descent(x)
    init, update, rate = optimizer
    return update(init(x), optimizer.update(x, 1.0)) * rate


def calls_decorated(x):
    return decorated(x) + decorated(x, k=3.0)


@pytest.mark.parametrize("program", [with_global_optimizer, with_own_optimizer, decorated, calls_decorated])
def test_named_tuples_and_decorators(program):
    wanted = (float(program(0.7 + 1e-2)) - float(program(0.7 - 1e-2))) / 2e-2
    assert float(jax.grad(program)(0.7)) == pytest.approx(wanted, rel=1e-2)
    assert float(jax.jit(jax.grad(program))(0.7)) == pytest.approx(float(jax.grad(program)(0.7)), rel=1e-5)


@functools.partial(jax.jit, static_argnums=(0, 3), static_argnames="rule")
def stepped(f, y, rate, count, *, rule=None):
    for _ in range(count):
        y = y + 0.1 * f(y, rate)
    return y if rule is None else rule(y)


def test_jitted_functions_of_functions():
    """A jitted function is specialised to the functions that it gets, under every transformation of the caller."""
    def decay(y, rate):
        return -rate * y

    def final(rate):
        return stepped(decay, 1.0, rate, 3) + stepped(lambda y, r: r * y * rate, 1.0, rate, rule=np.log, count=2)

    def expected(rate):
        return (1 - 0.1 * rate) ** 3 + 2 * onp.log(1 + 0.1 * rate ** 2)
    rates = onp.array([0.5, 1.0, 2.0], "float32")
    slopes = -0.3 * (1 - 0.1 * rates) ** 2 + 0.4 * rates / (1 + 0.1 * rates ** 2)
    onp.testing.assert_allclose(jax.vmap(final)(rates), expected(rates), rtol=1e-5)
    onp.testing.assert_allclose(jax.vmap(jax.grad(final))(rates), slopes, rtol=1e-5)
    onp.testing.assert_allclose(jax.jit(jax.grad(final))(rates[0]), slopes[0], rtol=1e-5)
    onp.testing.assert_allclose(jax.jvp(final, (rates[1],), (1.0,)), (expected(rates[1]), slopes[1]), rtol=1e-5)


@functools.partial(jax.jit, static_argnums=(0, 2), static_argnames="last")
def descended(f, x, count, last=np.sin):
    slope = jax.grad(f)

    def turn(y, _):
        return y - 0.1 * jax.vmap(slope)(y), last(y)
    return jax.lax.scan(turn, x, None, length=count)


def test_transformations_of_a_jitted_functions_static_functions():
    """A call from outside specialises a jitted function to the functions that it gets, too: in turn, as methods, and by name."""
    class Bowl:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return self.k * x ** 2

        def steep(self, x):
            return self.k * x ** 4
    two, three = Bowl(2.0), Bowl(3.0)
    x = np.array([1.0, -0.5])
    for f, slope in [(two, 4.0), (three, 6.0), (two, 4.0), (lambda v: 0.5 * v ** 2, 1.0)]:
        end, ys = descended(f, x, 2)
        onp.testing.assert_allclose(end, (1 - 0.1 * slope) ** 2 * x, rtol=1e-5)
        onp.testing.assert_allclose(ys[0], onp.sin(x), rtol=1e-5)
    onp.testing.assert_allclose(descended(three.steep, x, 1)[0], x - 1.2 * onp.asarray(x) ** 3, rtol=1e-5)
    onp.testing.assert_allclose(descended(f=two, x=x, count=1, last=np.cos)[1][0], onp.cos(x), rtol=1e-5)
    with pytest.raises(TypeError, match="static"):
        jax.jit(lambda f, x: jax.grad(f)(x))(np.sin, 1.0)


def test_nested_jitted_functions_of_functions():
    def outer(x):
        @functools.partial(jax.jit, static_argnums=1)
        def inner(y, f):
            return f(y) * x
        return inner(x, lambda v: v * x) + inner(2.0, np.sin)
    x = 0.75
    onp.testing.assert_allclose(outer(x), x ** 3 + x * onp.sin(2.0), rtol=1e-6)
    onp.testing.assert_allclose(jax.grad(outer)(x), 3 * x ** 2 + onp.sin(2.0), rtol=1e-6)


def test_a_function_in_a_list_keeps_its_defaults():
    def gathered(x):
        fs, i = [], 0
        while i < 3:
            fs.append(lambda z, i=i, *, k=x: z * i + k)
            i += 1
        return sum(f(x) for f in fs)
    assert float(jax.jit(gathered)(2.0)) == gathered(2.0) == 12.0


class Pair(NamedTuple):
    make: Callable
    take: Callable


class Wide(Pair):
    """A pair whose second function takes options, too."""


def widened(pair):
    if isinstance(pair, Wide):
        return pair
    return Wide(pair.make, lambda x, **options: pair.take(x))


def pair_of(k, wide=False):
    return Wide(lambda x: x * k, lambda x, **options: x * k + sum(options.values())) if wide else Pair(lambda x: x * k, lambda x: x + k)


def masked(pair, mask):
    pair = widened(pair)

    def make(x):
        taken = mask(x) if is_mask(mask) else mask
        return {k: pair.make(x) if v else x for k, v in taken.items()}
    return Wide(make, lambda x, **options: pair.take(x, **options))


def is_mask(mask):
    return all([callable(leaf) for leaf in [mask]])


PAIRS = {"narrow": pair_of(2.0), "wide": pair_of(3.0, wide=True)}
MASK = {"a": True, "b": False}


def made_by_all(x):
    return {k: masked(pair, MASK).make(x)["a"] for k, pair in PAIRS.items()}


def taken_by_all(x):
    for pair in PAIRS.values():
        x = masked(pair, lambda x: MASK).take(x * x, shift=x)
    return x


@pytest.mark.parametrize("f", [
    lambda x: sum([masked(pair, MASK).make(x)["a"] for pair in PAIRS.values() if pair is not None]),
    lambda x: sum([pair.make(x) * y for pair in PAIRS.values() for y in (2.0, x)]),
    lambda x: made_by_all(x)["wide"] * x, taken_by_all,
    lambda x: masked(PAIRS["narrow"], lambda x: {"a": x > 0.0}).make(x)["a"]], ids=["list", "two loops", "dict", "loop", "mask"])
def test_comprehensions_over_objects_and_objects_made_in_them(f):
    slope = (f(1.301) - f(1.299)) / 0.002
    onp.testing.assert_allclose(jax.grad(f)(1.3), slope, rtol=1e-3)
    onp.testing.assert_allclose(jax.jit(f)(1.3), f(1.3), rtol=1e-5)
    onp.testing.assert_allclose(jax.jvp(f, (1.3,), (1.0,))[1], slope, rtol=1e-3)


def test_data_that_is_called():
    given = MASK

    def f(x):
        return masked(PAIRS["wide"], MASK).make(x)["a"] * (given(x) if x > 1.0 else x)
    onp.testing.assert_allclose(jax.grad(f)(0.5), 3.0)
    with pytest.raises(TypeError, match="'dict' object is not callable"):
        jax.grad(f)(1.5)


def choice(k):
    if k > 1:
        return lambda x, p=None: x * k if p is None else x * k * p
    return lambda x, p=3.0: x + p


def of_options(x, factor=1.0, *, shift=0.0):
    return x * factor + shift


@pytest.mark.parametrize("f, wanted", [
    (lambda x, k: (lambda h: h(x, 3.0) + h(x) + h(x, p=2.0))(choice(k)), 18.0),
    (lambda x, k: (functools.partial(of_options, shift=x) if k > 1.0 else abs)(x) * k, 6.0),
    (lambda x, k: (functools.partial(of_options, factor=x, shift=k) if k > 1.0 else abs)(x), 5.5)], ids=["default", "keyword", "keywords"])
def test_functions_with_defaults_and_keywords_as_values(f, wanted):
    assert float(jax.jit(f, static_argnums=1)(2.0, 1.5)) == wanted == f(2.0, 1.5)


def step_of(rate=None):
    if rate is None:
        return Pair(np.cos, lambda g: g)
    if callable(rate):
        return Pair(np.sin, lambda g: g * rate(g))
    return Pair(np.sin, lambda g: g * rate)


def test_a_factory_that_takes_numbers_functions_or_nothing():
    def f(g, settings):
        return step_of(settings["rate"]).take(g)
    found = [jax.jit(f)(2.0, {"rate": 3.0}), jax.grad(f, 1)(2.0, {"rate": 3.0})["rate"], jax.vmap(f, (0, None))(np.ones(2), {"rate": 3.0})[1],
             jax.grad(lambda g: step_of(np.sin).take(g))(0.0), jax.grad(lambda g: step_of().take(g))(2.0)]
    onp.testing.assert_allclose(found, [6.0, 2.0, 3.0, 0.0, 1.0])
    for run in (jax.jit, jax.grad, lambda f: jax.jit(jax.grad(f))):
        with pytest.raises(AssertionError, match="'rate' of step_of was taken for a number, but the run gives None"):
            run(f)(2.0, {"rate": None})


def _or_default(x, f=None):
    f = f or np.sin
    return jax.tree.map(lambda v: f(v), x)


def _default_bound_anew(x, f=np.sin, g=np.sin):
    y = g(x)
    g = np.cos
    return g(y) + f(x)


def _wrapped(x, f=None):
    inner = f
    if f is not None:
        f = lambda v: inner(v) * x      # noqa: E731
    else:
        f = lambda v: v * 5     # noqa: E731
    return f(x)


def _late(x, f=None):
    w = x * 2
    s = lambda v: v * w     # noqa: E731
    w = x * 5
    before = s
    s = lambda v: before(v) + w     # noqa: E731
    return s(x)


def _defined_by_case(x, f=None):
    if f is None:
        def g(v):
            return v * 3
    else:
        def g(v):
            return f(v) + 1
    y = g(x)

    def g(v):   # noqa: F811
        return v * y
    return g(x)


def _data_and_functions(x, f=None):
    s = 2.0
    y = x * s
    s = lambda v: v * y     # noqa: E731
    z = s(x)
    s = z * 3
    return s * z


def _default_of_an_inner_function(x, f=None):
    def inner(v, g=None, h=None):
        g = np.tanh if g is None else g
        if h is not None:
            v = h(v)
        return g(v)
    return inner(x) * inner(x, np.cos) + inner(x, h=np.exp, g=np.sin) + (x if f is None else inner(x, f))


@pytest.mark.parametrize("given", [None, lambda v: v * v], ids=["none", "square"])
@pytest.mark.parametrize("f", [_or_default, _wrapped, _late, _defined_by_case, _data_and_functions, _default_of_an_inner_function])
def test_names_bound_to_functions_more_than_once(f, given):
    def called(x):
        return f(x, given)
    x, h = 0.7, 1e-3
    slope = (called(x + h) - called(x - h)) / (2 * h)
    onp.testing.assert_allclose(jax.jit(called)(x), called(x), rtol=1e-5)
    onp.testing.assert_allclose(jax.grad(called)(x), slope, rtol=2e-3)
    onp.testing.assert_allclose(jax.vmap(jax.grad(called))(np.array([x])), [slope], rtol=2e-3)


def test_a_function_by_default_bound_anew():
    onp.testing.assert_allclose(jax.jit(lambda x: _default_bound_anew(x, lambda v: v * v))(2.0), _default_bound_anew(2.0, lambda v: v * v),
                                rtol=1e-5)


def _chosen(x):
    if x > 0:
        def f(v):
            return v * 2
    else:
        def f(v):
            return v * 3
    return f(x)


def _redefined(x):
    def f(v):
        return v

    def g(v):
        return f(v)
    y = g(x)

    def f(v):       # noqa: F811
        return v * 5
    return g(x) + y


def _defined_in_turns(x):
    def f(v):
        return v
    for _ in range(2):
        x = f(x)

        def f(v):       # noqa: F811
            return v * 5
    return f(x)


@pytest.mark.parametrize("f", [_chosen, _redefined, _defined_in_turns])
def test_a_function_that_only_the_run_knows_is_never_taken_for_the_last_one_of_its_name(f):
    for transformed, wanted in ((jax.jit(f), f(2.0)), (jax.grad(f), (f(2.001) - f(2.0)) / 0.001), (jax.vmap(f), [f(2.0)])):
        try:
            found = transformed(np.array([2.0]) if wanted == [f(2.0)] else 2.0)
        except (jax.TransformError, TypeError):
            continue
        onp.testing.assert_allclose(found, wanted, rtol=1e-3)
