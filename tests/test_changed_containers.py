"""Containers of functions that the function changes: known changes are followed, others are refused, none is missed."""
import pytest

import xform
import xform.numpy as np


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
