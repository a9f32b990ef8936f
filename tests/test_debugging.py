"""Looking into a derivative: explain, hooks, rules as templates, NaNs, breakpoints and reasons to stage again."""
import dataclasses
import io
import logging
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, jvp, vmap


def layer(w, x):
    return np.tanh(w @ x)


def loss(params, x, y):
    scale = np.sum(y) * 2
    unused = np.sum(params[0])
    h = x
    for w in params:
        h = layer(w, h)
        if np.sum(h) > 0:
            h = h * 2
    return np.sum((h - y) ** 2) * scale


# -- explain --------------------------------------------------------------------------------------------------------------

def test_explain_names_what_is_recorded_and_why():
    report = xform.explain(grad(loss))
    outer, inner = report.functions
    assert outer.name == "loss" and outer.active == ("params",) and outer.constant == ("x", "y")
    recorded = {one.name: one for one in outer.recorded}
    assert "scale = np.sum(y) * 2" in str(recorded["scale"].made)
    assert "return np.sum((h - y) ** 2) * scale" in str(recorded["scale"].read[0])
    assert recorded["layer_residuals"].turn and not recorded["scale"].turn
    assert "h = layer(w, h)" in str(recorded["layer_residuals"].read[0])
    assert "if np.sum(h) > 0:" in str(recorded["above"].read[0])
    assert recorded["params"].made is None
    assert {one.name: one.reason for one in outer.inactive} == {
        "scale": "depends on nothing that is differentiated", "unused": "the result does not depend on it",
        "h": "depends on nothing that is differentiated"}
    assert inner.name == "layer" and [one.name for one in inner.recorded] == ["w", "x", "out"]
    assert "test_debugging.py" in str(report) and "no derivative flows through" in str(report)


def test_explain_sees_through_jit_and_vmap():
    for transformed in (jit(grad(loss)), vmap(grad(loss), in_axes=(None, 0, 0))):
        assert [one.name for one in xform.explain(transformed).functions] == ["loss", "layer"]
    assert "nothing is recorded" in str(xform.explain(jit(layer)))
    assert [one.recorded for one in xform.explain(grad(lambda x: x * 3.0)).functions] == [()]


@xform.tree_util.register_dataclass
@dataclasses.dataclass
class Scale:
    factor: xform.Array

    def __call__(self, x):
        return np.tanh(x * self.factor)


def test_explain_knows_the_classes_of_a_call():
    gradient = grad(lambda scale, x: np.sum(scale(x)))
    given = Scale(np.ones(3)), np.ones(3)
    expected = str(xform.explain(gradient, *given))
    assert "return np.tanh(x * self.factor)" in expected
    gradient(*given)
    assert str(xform.explain(gradient)) == expected


# -- hooks ----------------------------------------------------------------------------------------------------------------

clip = xform.backward_hook(lambda d: np.clip(d, -1.0, 1.0))
show = xform.backward_hook(lambda d: print("d =", d))


def hooked(x):
    y = clip(x * 3)
    y = show(y)
    return np.sum(y ** 2)


def test_a_hook_changes_the_cotangent_and_nothing_else(capsys):
    assert clip(2.0) == 2.0 and hooked(2.0) == 36.0
    assert grad(hooked)(2.0) == 3.0
    assert capsys.readouterr().out == "d = 12.0\n"
    assert numpy.isclose(grad(hooked)(0.01), 0.18)
    assert numpy.isclose(grad(grad(hooked))(0.01), 18.0)
    assert jvp(hooked, (2.0,), (1.0,))[1] == 36.0
    numpy.testing.assert_allclose(vmap(grad(hooked))(np.array([2.0, 0.01])), [3.0, 0.18], rtol=1e-6)
    numpy.testing.assert_allclose(grad(lambda v: np.sum(vmap(hooked)(v)))(np.array([2.0, 0.01])), [3.0, 0.18], rtol=1e-6)
    assert jit(grad(hooked))(2.0) == 3.0
    assert jit(hooked)(2.0) == 36.0 and xform.checkpoint(jit(hooked))(2.0) == 36.0
    numpy.testing.assert_allclose(jit(vmap(hooked))(np.array([2.0, 3.0])), [36.0, 81.0])


def test_a_hook_in_a_loop_sees_every_turn(capsys):
    def looped(x):
        for _ in range(3):
            x = show(x * 2)
        return x
    assert grad(looped)(1.0) == 8.0
    assert capsys.readouterr().out == "d = 1.0\nd = 2.0\nd = 4.0\n"


# -- rules as templates ---------------------------------------------------------------------------------------------------

@xform.op(partials={"x": "1 / (1 + x * x)"})
def atan(x):
    return np.arctan(x)


@xform.op(linear="x", vjp={"x": "np.flip(d_out)"}, batch=lambda x, over: np.flip(x, 1))
def turned(x):
    return np.flip(x)


@xform.op(jvp={"a": "b * a_dot", "b": "a * b_dot"}, vjp={"a": "b * d_out", "b": "a * d_out"}, elementwise=True)
def product(a, b):
    return a * b


def test_rules_written_as_templates():
    def ours(x):
        return np.sum(turned(product(atan(x), x)) * np.arange(3.0))

    def theirs(x):
        return jnp.sum(jnp.flip(jnp.arctan(x) * x) * jnp.arange(3.0))
    x = numpy.array([0.1, 0.2, 0.3], "float32")
    numpy.testing.assert_allclose(grad(ours)(x), jax.grad(theirs)(x), rtol=1e-5)
    numpy.testing.assert_allclose(xform.hessian(ours)(x), jax.hessian(theirs)(x), rtol=1e-4, atol=1e-6)
    numpy.testing.assert_allclose(jit(vmap(grad(ours)))(numpy.stack([x, 2 * x])),
                                  jax.vmap(jax.grad(theirs))(numpy.stack([x, 2 * x])), rtol=1e-5)
    assert "1 / (1 + x * x)" in xform.source(grad(lambda x: atan(x)))


def test_templates_are_checked_where_they_are_written():
    with pytest.raises(ValueError, match=r"'cosh\(y\)' of f uses 'cosh'; it may use the parameters \(x\)"):
        @xform.op(partials={"x": "cosh(y)"})
        def f(x):
            return x
    with pytest.raises(ValueError, match="is not an expression"):
        xform.op(partials={"x": "1 +"})(lambda x: x)
    with pytest.raises(TypeError, match="exactly one of partials"):
        xform.op(partials={"x": "1"}, constant=True)(lambda x: x)


# -- NaNs, breakpoints ----------------------------------------------------------------------------------------------------

def singular(x):
    y = x * 2
    root = np.sqrt(y)
    return np.sum(root * 0.0)


@pytest.mark.parametrize("wrap", [lambda f: f, jit], ids=["eager", "jit"])
def test_debug_nans_names_the_statement_whose_derivative_is_nan(wrap):
    with xform.debug_nans():
        assert wrap(singular)(np.zeros(2)) == 0.0
        with pytest.raises(FloatingPointError, match="nan") as caught:
            wrap(grad(singular))(np.zeros(2))
    assert "root = np.sqrt(y)" in "".join(caught.value.__notes__)


def test_a_breakpoint_stops_in_the_generated_code(tmp_path):
    script = tmp_path / "stops.py"
    script.write_text(textwrap.dedent("""
        import xform, xform.numpy as np
        stop = xform.backward_hook(lambda d: breakpoint())

        def f(x):
            y = np.sin(x)
            breakpoint()
            z = stop(y * 2)
            return z * z
        print("gradient", xform.grad(f)(0.5))
    """))
    done = subprocess.run([sys.executable, str(script)], input="p y\nc\np d\nup\nlist\nc\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "0.4794255" in done.stdout and "d_x = d_y * np.cos(x)" in done.stdout and "gradient 3.36" in done.stdout


# -- why jit stages again -------------------------------------------------------------------------------------------------

def test_cache_misses_are_explained_argument_by_argument(caplog):
    @jit
    def step(params, x):
        return np.sum(params["w"] * x)
    with caplog.at_level(logging.WARNING), xform.explain_cache_misses():
        step({"w": np.ones(3)}, np.ones(3))
        step({"w": np.ones(3)}, np.ones((2, 3)))
        step({"w": np.ones(3, "int32")}, np.ones(3))
        step({"w": np.ones(3)}, np.ones(3))
        step({"w": np.ones(3), "b": 1.0}, np.ones(3))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 4
    assert said[1].endswith("x is float32[2,3], it was float32[3]")
    assert said[2].endswith("params['w'] is int32[3], it was float32[3]")
    assert "the structure of the arguments is" in said[3]


def test_an_explanation_prints():
    out = io.StringIO()
    print(xform.explain(grad(singular)), file=out)
    assert out.getvalue().startswith("singular: differentiated in x\n")


# -- what is kept ---------------------------------------------------------------------------------------------------------

def test_the_forward_half_keeps_no_more_than_jax():
    from xform.ad_checkpoint import saved_residuals

    def network(np):
        def loss(params, inputs, targets):
            for W, b in params:
                outputs = np.dot(inputs, W) + b
                inputs = np.tanh(outputs)
            return np.mean((outputs - targets) ** 2)
        return loss
    sizes = [5, 16, 16, 3]
    params = [(numpy.ones((m, n), "float32"), numpy.ones(n, "float32")) for m, n in zip(sizes, sizes[1:])]
    inputs, targets = numpy.ones((7, 5), "float32"), numpy.ones((7, 3), "float32")

    def kept(leaves, given):
        given = {a.unsafe_buffer_pointer() for a in given}
        return sum({a.unsafe_buffer_pointer(): a.nbytes for a in leaves if a.unsafe_buffer_pointer() not in given}.values())
    mine = xform.tree.map(np.asarray, params)
    ours = kept([a for a, _ in saved_residuals(lambda p: network(np)(p, inputs, targets), mine)], xform.tree.leaves(mine))
    theirs = jax.tree.map(jnp.asarray, params)
    given = [jnp.asarray(inputs), jnp.asarray(targets)]
    pull = jax.vjp(lambda p: network(jnp)(p, *given), theirs)[1]
    assert 0 < ours <= kept(jax.tree.leaves(pull), jax.tree.leaves((theirs, given)))


def raised(x, n):
    if n == 0:
        return 1.0
    return x * raised(x, n - 1)


def test_explain_names_where_calls_in_branches_are_made():
    text = str(xform.explain(xform.grad(raised)))
    assert "raised(x, n - 1): residuals of a call, made at test_debugging.py" in text and "made at generated" not in text


def recurrent(W, U, xs):
    h = np.zeros(3)
    total = 0.0
    for x in xs:
        h = np.tanh(W @ h + U @ x)
        total = total + np.sum(h ** 2)
    return total


def newton(x):
    y = x
    n = 0
    while abs(y * y - x) > 1e-3:
        y = (y + x / y) / 2
        n += 1
    return y * n


class Model:
    def __init__(self, w, b):
        self.w, self.b = w, b

    def hidden(self, x):
        return np.tanh(self.w @ x + self.b)


def of_an_object(w, x):
    model = Model(w, np.zeros(3))
    h = model.hidden(x)
    return np.sum(h * h)


def closed(x, y):
    scale = x * y

    def inner(t):
        return np.sin(t) * scale
    return inner(x) + inner(y)


@xform.custom_vjp
def floor(x):
    return np.maximum(x, 0.5)


floor.defvjp(lambda x: (floor(x), x > 0.5), lambda above, d: (d * above,))


def ruled(x):
    z = floor(x * 2)
    return np.sum(z * z)


def updated(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = x[i] * x[i]
    return np.sum(y ** 2)


def comprehended(x):
    parts = [np.sin(x * r) for r in [0.1, 0.2]]
    return sum(p @ p for p in parts if p[0] > 0)


@pytest.mark.parametrize("function, expected", [
    (recurrent, ["W: value", "the turns: records of a loop", "h: value, one a turn, as a turn begins", "W @ h + U @ x: shape and dtype, one a turn",
                 "h: value, one a turn, made at test_debugging.py"]),
    (newton, ["x: value, an argument", "y: value, made at", "n: value, made at", "y: value, one a turn, as a turn begins", "x / y: value, one a turn"]),
    (of_an_object, ["hidden: differentiated in self.w, self.b; constant: x", "model.hidden(x): residuals of a call", "self.b: shape and dtype, an argument",
                    "np.tanh(self.w @ x + self.b): value"]),
    (closed, ["inner(x): residuals of a call", "inner(y): residuals of a call", "np.sin(t): value", "scale: value, an argument"]),
    (ruled, ["floor(x * 2): residuals of a rule", "z: value, made at"]),
    (updated, ["x[i]: value, one a turn", "i: value, one a turn", "y: value, made at"]),
    (comprehended, ["x * r: value, one a turn", "r: value, one a turn", "p: value, one a turn", "p[0] > 0: condition, one a turn"]),
], ids=lambda value: getattr(value, "__name__", None))
def test_what_is_recorded_has_the_users_names(function, expected):
    lines = [line.strip() for line in str(xform.explain(grad(function))).splitlines()]
    for start in expected:
        assert any(line.startswith(start) for line in lines), (start, lines)
    made_up = [line for line in lines if line.split(":")[0].split("_")[-1].isdigit() or "_residuals" in line or "captured" in line]
    assert not made_up and "made at generated" not in "".join(lines)


def test_inactive_variables_are_told_once():
    (half,) = xform.explain(grad(newton)).functions
    (n,) = half.inactive
    assert n.name == "n" and "n = 0" in str(n.made) and ["n += 1" in str(place) for place in n.also] == [True]


def test_the_second_derivative_is_explained_in_the_same_words():
    halves = xform.explain(grad(grad(newton))).functions
    second = next(half for half in halves if half.name == "newton_bwd")
    assert any(one.label.startswith("a part of the derivative of") for one in second.recorded)
    assert any("y = (y + x / y) / 2" in str(one) for one in second.recorded)
