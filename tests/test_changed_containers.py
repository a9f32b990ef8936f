"""Containers of functions that the function changes: known changes are followed, others are refused, none is missed."""
import collections

import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap


def appended(x):
    fs = [np.sin]
    fs.append(np.cos)
    fs.insert(0, np.exp)
    fs.extend([np.tanh, np.sin])
    last = fs.pop()
    for f in fs:
        x = f(x)
    return last(x) * len(fs)


def popped_option(x):
    return with_options(x, np.sin, scale=3.0, shift=x)


def with_options(x, fn, **options):
    scale = options.pop("scale", 1.0)
    power = options.pop("power", 2)
    return (fn(x) * scale * len(options) + options["shift"]) ** power


def set_option(x):
    return sets_option(x, np.sin, scale=3.0)


def sets_option(x, fn, **options):
    options["scale"] = x * 2
    options["extra"] = x
    return fn(x) * options["scale"] * options["extra"]


def updated_option(x):
    return updates_option(x, np.sin, scale=3.0)


def updates_option(x, fn, **options):
    options.update(scale=x, shift=2.0)
    options.setdefault("shift", 5.0)
    return fn(x) * options["scale"] + options["shift"] * x


PROGRAMS = [appended, popped_option, set_option, updated_option]


@pytest.mark.parametrize("program", PROGRAMS)
def test_derivatives(program):
    x, step = 0.7, 1e-6
    with xform.enable_x64(True):
        wanted = (float(program(x + step)) - float(program(x - step))) / (2 * step)
        assert float(xform.grad(program)(x)) == pytest.approx(wanted, rel=1e-6)
        second = (float(xform.grad(program)(x + step)) - float(xform.grad(program)(x - step))) / (2 * step)
        assert float(xform.grad(xform.grad(program))(x)) == pytest.approx(second, rel=1e-5)
    assert float(xform.jvp(program, (x,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-4)
    assert float(xform.jit(xform.grad(program))(x)) == pytest.approx(wanted, rel=1e-4)
    assert float(xform.vmap(xform.grad(program))(np.array([x]))[0]) == pytest.approx(wanted, rel=1e-4)


def in_a_branch(x):
    fs = [np.sin]
    if x > 0:
        fs.append(np.cos)
    return fs[-1](x)


def adds_to(fs):
    fs.append(np.cos)
    return len(fs)


def of_the_caller(x):
    fs = [np.sin]
    return adds_to(fs) * fs[-1](x)


def two_names(x):
    fs = [np.sin]
    gs = fs
    gs.append(np.cos)
    return fs[-1](x)


@pytest.mark.parametrize("program, reason", [
    (in_a_branch, "'fs', which holds functions or objects, is changed in a branch or loop"),
    (of_the_caller, "'fs', an argument that holds functions or objects, is changed in place"),
    (two_names, "'gs' is changed in place and has another name, 'fs'")])
def test_refused(program, reason):
    with pytest.raises(xform.TransformError, match=reason) as caught:
        xform.grad(program)(1.0)
    assert "test_changed_containers.py" in str(caught.value)


def summed(items):
    total = 0.0
    for item in items:
        total = total + item * item
    return total


def grown_after_a_call(x):
    items = [x]
    before = summed(items)
    items.append(x * 2.0)
    return before + summed(items) * 3.0


def grown_between_calls(x):
    items, total = [x], 0.0
    for i in range(3):
        total = total + sum(items) * items[-1]
        items.append(x * i)
    return total


def grown_after_it_was_kept(x):
    items = [x]
    pairs = [(items, x)]
    items = items + [x * 3.0]
    return sum(sum(held) * scale for held, scale in pairs) + summed(items)


@pytest.mark.parametrize("f", [grown_after_a_call, grown_between_calls, grown_after_it_was_kept])
def test_residuals_keep_the_list_that_a_call_was_given(f):
    slope = (f(1.5 + 1e-3) - f(1.5 - 1e-3)) / 2e-3
    for found in (grad(f)(1.5), jit(grad(f))(1.5), vmap(grad(f))(np.array([1.5]))[0], xform.jvp(f, (1.5,), (1.0,))[1]):
        assert abs(float(found) - slope) < 1e-3


def kept_by_key(x):
    found = {}
    for i, key in enumerate("abab"):
        found.setdefault(key, []).append(x[i])
        found.setdefault(i % 2, {}).update({i: x[i] * 2.0})
    return sum(found["a"]) * sum(found["b"]) + found[1][3]


def sorted_in_two(x):
    low, high = [], []
    for i in range(4):
        (low if i < 2 else high).append(x[i] * x[0])
    return sum(low) * 2 + sum(high)


@pytest.mark.parametrize("f", [kept_by_key, sorted_in_two])
def test_what_an_expression_gives_is_changed_where_it_is_kept(f):
    x, v = np.asarray([0.5, 1.5, -0.7, 2.0], "float32"), np.asarray([1.0, -0.5, 0.3, 0.2], "float32")
    slope = (f(x + 1e-3 * v) - f(x - 1e-3 * v)) / 2e-3
    for found in (grad(f)(x), jit(grad(f))(x), vmap(grad(f))(np.stack([x, x]))[1]):
        assert abs(float(np.dot(found, v) - slope)) < 1e-2


def test_a_change_of_what_a_call_gives_is_refused():
    def other(x):
        dict(a=[x]).get("a").append(x)
        return x
    with pytest.raises(xform.TransformError, match=r"\.append\(\) on what an expression gives is not supported"):
        grad(other)(1.0)


def each_once(x):
    seen, total = set(), 0.0
    for i in (0, 1, 1, 2, 0, 3):
        if i in seen:
            continue
        seen.add(i)
        total = total + x[i] ** 2
    seen |= {7, 8}
    seen.discard(1)
    return total * len(seen)


def grouped_by_a_choice(x):
    groups = collections.defaultdict(list)
    for i in range(4):
        groups["odd" if i % 2 else "even"].append(x[i])
    return sum(groups["odd"]) * sum(groups["even"])


@pytest.mark.parametrize("f", [each_once, grouped_by_a_choice])
def test_sets_and_groups_are_changed(f):
    x = np.asarray([0.5, 1.5, -0.7, 2.0], "float32")
    wanted = [5.0 * 2 * v for v in x] if f is each_once else [x[1] + x[3], x[0] + x[2]] * 2
    for found in (grad(f)(x), jit(grad(f))(x), vmap(grad(f))(np.stack([x, x]))[1], jit(vmap(grad(f)))(np.stack([x, x]))[0]):
        assert np.allclose(found, np.asarray(wanted), atol=1e-5)
    assert np.allclose(jit(f)(x), f(x)) and np.allclose(vmap(f)(np.stack([x, x])), f(x))


def test_a_set_that_is_read_under_another_name_is_refused():
    def both(x):
        seen = {0}
        same = seen
        seen |= {1}
        return x * len(same)

    def added(x):
        seen = {0}
        same = seen
        seen.add(1)
        return x * len(same)
    for f in (both, added):
        for t in (grad(f), jit(f)):
            with pytest.raises(xform.TransformError, match="'same' is read here after it was changed in place as 'seen'"):
                t(1.0)

    def held(x):
        seen = {0}
        both = [seen, x]
        seen.add(1)
        return x * len(both[0])
    for t in (grad(held), jit(held)):
        with pytest.raises(TypeError, match="a set is put into a container here, and is changed in place later"):
            t(1.0)
