"""``*args`` and ``**kwargs`` that a function binds again, changes, tests and passes on; decorators of nested functions."""
import functools

import pytest

import xform
import xform.numpy as np


def model(a, b=1.0, c=2.0):
    return a * a * b + c * a * b


def listed(*args):
    args = list(args)
    return model(*args)


def item_assigned(*args):
    args = list(args)
    args[0] = args[0] * 2
    return model(*args)


def comprehended(*args):
    args = tuple(np.sin(a) for a in args)
    return model(*args)


def more_keys(x, **kwargs):
    kwargs = dict(kwargs, c=3.0)
    return model(x, **kwargs)


def key_assigned(x, **kwargs):
    kwargs["c"] = 3.0
    return model(x, **kwargs)


def key_with_a_default(x, **kwargs):
    kwargs.setdefault("c", 3.0)
    return model(x, **kwargs)


def key_popped(x, **kwargs):
    n = kwargs.pop("n", 2)
    return model(x, **kwargs) * n


def one_more_if_short(*args, **kwargs):
    if len(args) < 2:
        args = args + (2.0,)
    return model(*args, **kwargs)


def display(x, **kwargs):
    kwargs = {**kwargs, "c": x}
    return model(x, **kwargs)


def dict_comprehended(x, **kwargs):
    kwargs = {k: v * 2 for k, v in kwargs.items()}
    return model(x, **kwargs)


def rest_of_itself(*args):
    x, *args = args
    return model(x, *args)


def turned_around(*args):
    args = args[::-1]
    return model(*args)


def applied(fn, *args):
    args = [a * 2 for a in args]
    return fn(*args)


def of_a_function(x, y):
    return applied(model, x, y)


def emptiness(*args):
    if not args:
        return 0.0
    return args[0] * 3 if len(args) == 1 else args[0] * args[1]


def key_asked_for(x, **kw):
    if "c" in kw:
        return kw["c"] * x
    return x


def first_or_one(x, *more):
    return x * (more[0] if more else 1.0)


def or_another(*args):
    args = args or (3.0,)
    return model(*args)


def of_nothing(x):
    return or_another() * x


def prefixed_and_mapped(x, *args):
    args = (x,) + args
    args = tuple(map(np.sin, args))
    return model(*args)


def updated(x, **kw):
    kw.update(c=4.0)
    return model(x, **kw)


def taken_apart(*args):
    total = 0.0
    while args:
        total = total + args[0] ** 2
        args = args[1:]
    return total


def in_a_branch(*args):
    if args[0] > 0:
        args = args[::-1]
    return args[0] ** 3 * args[1]


def wrap(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        args = tuple(a * 1.0 for a in args)
        kwargs = dict(kwargs)
        return fn(*args, **kwargs)
    return inner


wrapped_model = wrap(model)


def wrapped(x, y):
    return wrapped_model(x, y, c=1.0)


def wrapped_inside(x, y):
    return wrap(model)(x, b=y)


def key_deleted(x, **kw):
    del kw["n"]
    return model(x, **kw)


def zipped_to_keywords(x, *args):
    args = [np.asarray(a) for a in args]
    kw = dict(zip(("b", "c"), args))
    return model(x, **kw)


def changed_in_a_loop(*xs):
    for i in range(len(xs)):
        xs = xs[:i] + (xs[i] * 2,) + xs[i + 1:]
    return sum(xs) * xs[0]


def extended_in_place(*xs):
    xs += (1.0,)
    return sum(xs) * xs[0]


def a_tuple_still(*xs):
    xs = xs + (1.0,)
    return xs[0] * (3.0 if isinstance(xs, tuple) else 5.0)


def scaled(n):
    def decorate(f):
        def inner(*args):
            return n * f(*args)
        return inner
    return decorate


def decorated(x):
    @scaled(3.0)
    @functools.lru_cache(None)
    @wrap
    def product(y):
        return y * x
    return product(x)


def deleted(x):
    found, items = {"a": x, "b": x * x}, [x, x * x, x]
    del found["a"]
    del items[0]
    return found["b"] + sum(items) + len(found)


CALLS = [
    (listed, (2.0, 3.0), {}), (item_assigned, (2.0, 3.0), {}), (comprehended, (2.0, 3.0), {}), (more_keys, (2.0,), {"b": 3.0}),
    (key_assigned, (2.0,), {"b": 3.0}), (key_with_a_default, (2.0,), {"b": 3.0}), (key_with_a_default, (2.0,), {"c": 5.0}),
    (key_popped, (2.0,), {"b": 3.0}), (key_popped, (2.0,), {"b": 3.0, "n": 4.0}), (one_more_if_short, (2.0,), {}),
    (one_more_if_short, (2.0, 3.0), {"c": 1.0}), (display, (2.0,), {"b": 3.0}), (dict_comprehended, (2.0,), {"b": 3.0}),
    (rest_of_itself, (2.0, 3.0), {}), (turned_around, (2.0, 3.0), {}), (of_a_function, (2.0, 3.0), {}), (emptiness, (2.0,), {}),
    (emptiness, (2.0, 3.0), {}), (key_asked_for, (2.0,), {"c": 3.0}), (key_asked_for, (2.0,), {}), (first_or_one, (2.0,), {}),
    (first_or_one, (2.0, 3.0), {}), (or_another, (2.0,), {}), (of_nothing, (2.0,), {}), (prefixed_and_mapped, (2.0, 3.0), {}),
    (updated, (2.0,), {}), (taken_apart, (2.0, 3.0), {}), (in_a_branch, (2.0, 3.0), {}), (wrapped, (2.0, 3.0), {}),
    (wrapped_inside, (2.0, 3.0), {}), (key_deleted, (2.0,), {"n": 3.0, "b": 2.0}), (zipped_to_keywords, (2.0, 3.0, 4.0), {}),
    (changed_in_a_loop, (2.0, 3.0), {}), (extended_in_place, (2.0, 3.0), {}), (a_tuple_still, (2.0,), {}), (decorated, (3.0,), {}),
    (deleted, (3.0,), {})]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0].__name__}{len(call[1])}{''.join(call[2])}")
def test_gradients(call):
    function, (x, *rest), keywords = call
    step = 1e-3
    want = (float(function(x + step, *rest, **keywords)) - float(function(x - step, *rest, **keywords))) / (2 * step)
    for gradient in (xform.grad(function), xform.grad(xform.jit(function)), xform.jit(xform.grad(function))):
        assert float(gradient(x, *rest, **keywords)) == pytest.approx(want, rel=1e-3)
    over = xform.vmap(xform.grad(lambda one: function(one, *rest, **keywords)))
    if function not in (taken_apart, changed_in_a_loop):    # a loop that takes data apart under vmap has tests of its own
        assert float(over(np.array([x, x]))[1]) == pytest.approx(want, rel=1e-3)
    again = xform.grad(xform.grad(function))(x, *rest, **keywords)
    slopes = [float(xform.grad(function)(x + s, *rest, **keywords)) for s in (step, -step)]
    assert float(again) == pytest.approx((slopes[0] - slopes[1]) / (2 * step), rel=1e-2, abs=1e-2)
