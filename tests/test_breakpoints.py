"""breakpoint() in transformed functions: where it stops, which variables are there to look at, and stepping into the backward half."""
import io
import pdb
import sys

import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap


def session(monkeypatch, call, commands):
    """What pdb prints for commands while a call runs, and the call's result."""
    said = io.StringIO()
    stdin = io.StringIO("\n".join(commands) + "\n" + "c\n" * 20)
    monkeypatch.setattr(sys, "breakpointhook", lambda: pdb.Pdb(
        stdin=stdin, stdout=said, nosigint=True, readrc=False).set_trace(sys._getframe(1)))
    before = sys.gettrace()
    try:
        result = call()
    finally:
        sys.settrace(before)
    return said.getvalue(), result


def straight(x):
    y = np.sin(x)
    breakpoint()
    z = y * 2
    return z * z


def unread(x):
    seen = x * 7
    a, b = x, x + 1
    if x > 0:
        inner = a * 3
        breakpoint()
    return a * b


def merged(x):
    y = x * 2
    if y > 0:
        breakpoint()
        z = y * 3
    else:
        z = y
    return z


def looped(x):
    total = 0.0
    items = []
    for i in range(3):
        items.append(x * i)
        if i == 1:
            breakpoint()
        total = total + np.sin(x) * i
    return total


def inner(t):
    s = np.exp(t)
    breakpoint()
    return s * 2


def calling(x):
    y = x * x
    return inner(y) + y


class Layer:
    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        h = self.w * x
        breakpoint()
        return h * h


def method(x):
    return Layer(3.0)(x) + x


def rebound(x):
    y = x * x
    x = x + y
    breakpoint()
    return x * y


@xform.custom_vjp
def ruled(x):
    return x * 2


def ruled_bwd(x, d):
    e = d * 2
    breakpoint()
    return (e,)


ruled.defvjp(lambda x: (ruled(x), x), ruled_bwd)


def over_three(f):
    return lambda x: vmap(f)(np.stack([x, x, x]))


GRADIENTS = {"grad": grad, "vmap(grad)": lambda f: over_three(grad(f)), "grad(grad)": lambda f: grad(grad(f)), "jit(grad)": lambda f: jit(grad(f))}


@pytest.mark.parametrize("function, commands, expected", [
    (straight, ["p round(float(y), 3)", "p z"], ["0.479", "NameError"]),
    (unread, ["p [float(v) for v in (seen, a, b, inner, x)]"], ["[3.5, 0.5, 1.5, 1.5, 0.5]"]),
    (merged, ["n", "p float(z), float(y)"], ["-> z = y * 3", "(3.0, 1.0)"]),
    (looped, ["p i, [float(v) for v in items], float(total)"], ["(1, [0.0, 0.5], 0.0)"]),
    (calling, ["p round(float(s), 3), float(t)", "up", "p float(y)"], ["(1.284, 0.25)", "inner_fwd(y)", "0.25"]),
    (method, ["p float(h)"], ["1.5"]),
    (rebound, ["list", "p float(x_1), float(y)"], ["breakpoint()  # here x is x_1", "(0.75, 0.25)"]),
    (ruled, ["p float(e)", "where"], ["2.0", "ruled_bwd(", "test_breakpoints.py"]),
], ids=lambda value: getattr(value, "__name__", None))
def test_variables_are_there_to_look_at(monkeypatch, function, commands, expected):
    said, _ = session(monkeypatch, lambda: grad(function)(0.5), commands)
    for text in expected:
        assert text in said, said
    stops = [line for line in session(monkeypatch, lambda: grad(function)(0.5), [])[0].splitlines() if line.startswith("> ")]
    assert len(stops) == 1 and "<xform " in stops[0]


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("function", [straight, unread, looped, rebound], ids=lambda f: f.__name__)
def test_a_stop_changes_no_derivative(monkeypatch, name, function):
    said, found = session(monkeypatch, lambda: GRADIENTS[name](function)(0.5), [])
    assert "(Pdb)" in said
    monkeypatch.setattr(sys, "breakpointhook", lambda: None)
    step = 1e-3
    if name == "grad(grad)":
        expected = (grad(function)(0.5 + step) - grad(function)(0.5 - step)) / (2 * step)
    else:
        expected = (function(0.5 + step) - function(0.5 - step)) / (2 * step)
    assert np.allclose(found, expected, rtol=5e-3, atol=1e-3)


def test_a_breakpoint_in_the_backward_half_can_be_set_by_name(monkeypatch):
    said, _ = session(monkeypatch, lambda: grad(straight)(0.5), ["b straight_bwd", "c", "list", "p float(d_out)", "n", "n", "n", "p round(float(d_z), 3)"])
    assert "straight_bwd()" in said and "z = y * 2" in said and "d_y = d_z * 2.0" in said
    assert "1.0" in said and "1.918" in said


def test_under_jit_the_values_are_staged(monkeypatch):
    said, found = session(monkeypatch, lambda: jit(straight)(0.5), ["p y"])
    assert "Array(<staged>, shape=()" in said and np.allclose(found, 0.91939545)
    with xform.disable_jit():
        said, _ = session(monkeypatch, lambda: jit(straight)(0.5), ["p round(float(y), 3)"])
    assert "0.479" in said


def stepped(x):
    y = np.sin(x)
    xform.debug.breakpoint()
    return np.tanh(y) * x


def test_steps_go_from_generated_code_to_generated_code(monkeypatch):
    said = io.StringIO()
    commands = io.StringIO("p round(float(y), 3)\n" + "s\n" * 8 + "c\n")
    made = pdb.Pdb.__init__
    monkeypatch.setattr(pdb.Pdb, "__init__", lambda self: made(self, stdin=commands, stdout=said, nosigint=True, readrc=False))
    before = sys.gettrace()
    try:
        found = grad(stepped)(0.5)
    finally:
        sys.settrace(before)
    places = [line for line in said.getvalue().splitlines() if line.startswith("> ")]
    assert "stepped_fwd()" in places[0] and "0.479" in said.getvalue()
    assert all("<xform " in place for place in places) and any("stepped_bwd()" in place for place in places), places
    assert np.allclose(found, 0.44578 + 0.5 * (1 - 0.44578 ** 2) * np.cos(0.5), rtol=1e-4)
