"""Statements and methods of Python that change or inspect containers: match, pop, setdefault, sort, filter, with."""
import contextlib
import functools
import operator

import numpy as onp
import pytest

import xform as jax
import xform.numpy as np


def pop_last(x):
    values = [x, 2 * x, x * x]
    last = values.pop()
    return last * len(values) + values[1]


def pop_first(x):
    values = [x * x, 2 * x]
    first = values.pop(0)
    return first * values[0]


def pop_key(x):
    table = {"a": x * x, "b": 2.0}
    y = table.pop("a")
    z = table.pop("c", x)
    return y * len(table) + z


def set_default(x):
    table = {"a": x}
    y = table.setdefault("b", x * x)
    z = table.setdefault("a", 5.0)
    return y * z + table["b"]


def reversed_in_place(x):
    values = [3.0, x, x * x]
    values.reverse()
    return values[0] * 2 + values[1] * values[2]


def sorted_in_place(x):
    values = [x * 2, x * x, x]
    values.sort()
    return values[0] + 2 * values[1] + 3 * values[2]


def sorted_by_key(x):
    pairs = sorted([(2, x), (1, x * x)], key=lambda pair: pair[0])
    return pairs[0][1] * 3 + pairs[1][1]


def sorted_names(x):
    table = {"b": x, "a": x * x}
    total = 0.0
    for place, key in enumerate(sorted(table)):
        total = total + (place + 1) * table[key]
    return total


def sorted_downwards(x):
    values = sorted([x, x * x, 2 * x], reverse=True)
    return values[0] + 2 * values[2]


def removed(x):
    words = ["a", "b"]
    words.remove("a")
    return x * len(words)


def cleared(x):
    values = [x, x]
    values.clear()
    values.append(x * x)
    return values[0] * len(values)


def filtered(x):
    return sum(filter(lambda t: t > 0, [x, -x, x * x]))


def reduced_from_the_first(x):
    return functools.reduce(operator.mul, [x, x + 1, x * x])


def matched_shape(x):
    match np.shape(x):
        case ():
            y = x * 2
        case (n,) if n > 1:
            y = x.sum() * n
        case _:
            y = x * 0
    return y


def matched_structure(x):
    total = 0.0
    for step in [("scale", 2.0), ("shift", 1.0, 3.0), {"kind": "power", "by": 3}, "twice", None]:
        match step:
            case ("scale", factor):
                total = total + factor * x
            case ("shift", *rest) if len(rest) == 2:
                total = total + rest[0] * rest[1] * x
            case {"kind": "power", "by": n}:
                total = total + x ** n
            case "twice" | "double":
                total = total * 2
            case None:
                return total * x
            case _:
                total = 0.0
    return total


def matched_class(x):
    match (3, 2.5):
        case (int(n), float(v)):
            return x * n + v * x * x
        case _:
            return x


def inert_with(x):
    with onp.errstate(divide="ignore"), contextlib.nullcontext(x) as y:
        z = x * y
        if z > 100.0:
            return x
    return z


PROGRAMS = [pop_last, pop_first, pop_key, set_default, reversed_in_place, sorted_in_place, sorted_by_key, sorted_names,
            sorted_downwards, removed, cleared, filtered, reduced_from_the_first, matched_shape, matched_structure,
            matched_class, inert_with]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program):
    gradient = jax.grad(program)
    x, step = 1.4, 1e-6
    with jax.enable_x64(True):
        wanted = (float(program(onp.float64(x + step))) - float(program(onp.float64(x - step)))) / (2 * step)
        assert float(gradient(x)) == pytest.approx(wanted, rel=1e-6)
    assert float(jax.jvp(program, (x,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-4)
    if program is filtered:     # how many items a filter keeps must be known when the code is compiled or batched
        return
    assert float(jax.jit(gradient)(x)) == pytest.approx(wanted, rel=1e-4)
    rows = [float(gradient(v)) for v in (1.4, 1.6)]
    onp.testing.assert_allclose(jax.vmap(gradient)(np.array([1.4, 1.6])), rows, rtol=1e-5)


def test_errors_are_pythons():
    with pytest.raises(IndexError, match="pop from empty list"):
        jax.grad(lambda x: pop_from([], x))(1.0)
    with pytest.raises(KeyError):
        jax.grad(lambda x: {"a": x}.get("a") + drop({"a": x}, "b"))(1.0)


def pop_from(values, x):
    last = values.pop()
    return x * last


def drop(table, key):
    value = table.pop(key)
    return value
