"""Calls whose results nothing reads stay where they have effects, under every transformation."""
import pytest

import xform
import xform.numpy as np


def logged(x):
    print("logged")
    return x * 2.0


def nested(x):
    return logged(x) + 1.0


def checked(x):
    assert x < 5.0, "too large"
    return x


def silent(x):
    return np.sin(x) * 3.0


def square(x):
    note = nested(x)
    more = note * 3.0
    return x * x


def guarded(x):
    checked(x)
    unread = checked(x)
    return x ** 3


def in_a_loop(x):
    y = x
    for i in range(3):
        note = logged(y)
        y = y * x
    return y


def quiet(x):
    unread = silent(x)
    return x * x


@pytest.mark.parametrize("run, wanted", [
    (lambda: xform.grad(square)(3.0), 6.0), (lambda: xform.grad(xform.grad(square))(3.0), 2.0),
    (lambda: xform.jvp(square, (3.0,), (1.0,))[1], 6.0), (lambda: xform.jit(square)(3.0), 9.0),
    (lambda: xform.jit(xform.grad(square))(3.0), 6.0), (lambda: xform.vmap(xform.grad(square))(np.array([3.0]))[0], 6.0)])
def test_a_print_in_a_helper_stays(run, wanted, capsys):
    assert float(run()) == wanted
    assert "logged" in capsys.readouterr().out


def test_a_print_in_a_loop_stays(capsys):
    assert float(xform.grad(in_a_loop)(2.0)) == 32.0
    assert capsys.readouterr().out.count("logged") == 3


def test_an_assertion_in_a_helper_stays():
    assert float(xform.grad(guarded)(2.0)) == 12.0
    for run in (lambda: xform.grad(guarded)(6.0), lambda: xform.jvp(guarded, (6.0,), (1.0,))):
        with pytest.raises(AssertionError, match="too large"):
            run()


def test_a_helper_without_effects_goes():
    gradient = xform.grad(quiet)
    assert float(gradient(3.0)) == 6.0
    assert "silent" not in xform.source(gradient)


def test_a_loop_of_effects_runs_as_often_as_only_the_program_knows(capfd):
    @xform.jit
    def counted(n):
        for i in range(n):
            xform.debug.print("turn {}", i)
        return n * 2
    assert counted(3) == 6 and counted(0) == 0
    xform.effects_barrier()
    assert capfd.readouterr().out == "turn 0\nturn 1\nturn 2\n"


def test_two_functions_named_print(capfd):
    @xform.jit
    def both(x):
        for i in range(2):
            print("staged", i)
        for v in x:
            xform.debug.print("item {}", v)
        return x
    both(np.arange(2.0))
    xform.effects_barrier()
    assert capfd.readouterr().out == "staged 0\nstaged 1\nitem 0.0\nitem 1.0\n"


def attribute_that_arrays_lack(x):
    z = x.nothing
    return np.sum(x * x)


def method_that_arrays_lack(x):
    z = np.transpose(x).nothing()
    return np.sum(x * x)


def name_that_modules_lack(x):
    z = np.nothing_here
    return np.sum(x * x)


def division_of_constants(x):
    z = 1 / 0
    return np.sum(x * x)


def number_in_no_text(x):
    z = int("a")
    return np.sum(x * x)


def absent_key(x):
    d = {"a": 1.0}
    z = d["b"]
    return np.sum(x * x)


def absent_place(x):
    pair = x, 2.0 * x
    z = pair[2]
    return np.sum(x * x)


@pytest.mark.parametrize("f, error", [
    (attribute_that_arrays_lack, AttributeError), (name_that_modules_lack, AttributeError),
    (method_that_arrays_lack, (AttributeError, xform.TransformError)),      # vmap asks what the method is before anything runs
    (division_of_constants, ZeroDivisionError), (number_in_no_text, ValueError), (absent_key, KeyError), (absent_place, IndexError)])
def test_what_raises_stays_though_nothing_reads_it(f, error):
    x = np.arange(2.0)
    for run in (f, xform.jit(f), xform.grad(f), xform.jit(xform.grad(f)), lambda x: xform.vmap(f)(np.stack([x, x])),
                lambda x: xform.jvp(f, (x,), (x,))):
        with pytest.raises(error):
            run(x)
