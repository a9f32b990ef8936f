"""What is known when the code is read: questions about objects, and flags that decide branches."""
import functools
import inspect

import pytest

import xform
import xform.numpy as np


class Base:
    rate = 2.0

    def __init__(self, a, b):
        self.a, self.b = a, b

    def __len__(self):
        return 2

    def __contains__(self, name):
        return name in ("a", "b")

    def __getitem__(self, i):
        return (self.a, self.b)[i]

    @functools.cached_property
    def product(self):
        return self.a * self.b

    @classmethod
    def make(cls, x):
        return cls(x, x * 2)

    @staticmethod
    def half(x):
        return x / 2


class Derived(Base):
    pass


def by_name(x):
    p = Base(x, 2 * x)
    return getattr(p, "a") * getattr(p, "b") * getattr(p, "missing", x) * getattr(np, "sin")(x)


def set_by_name(x):
    p = Base(x, 2 * x)
    setattr(p, "a", x * x)
    return p.a * p.b


def asked(x):
    p = Derived(x, x)
    y = p.a if hasattr(p, "a") and not hasattr(p, "q") else 0.0
    return y * (p.b if isinstance(p, (int, Base)) else 0.0) * (x if type(p) is Derived else 0.0)


def of_the_class(x):
    p = Base.make(x)
    return p.make(x).b * Base.half(x) * p.half(x) * p.rate * Base.rate * p.product * len(p)


def contained(x):
    p = Base(x, x * x)
    return (x if "a" in p else 0.0) * (p[1] if "c" not in p else 0.0) * p[-1]


def flagged(x):
    return helper(x, mode="plain") + helper(x, training=False, mask=None) * helper(x, "plain", (1.0, 2.0))


def helper(x, mode="plain", mask=None, training=False):
    if training:
        return not_there.dropout(x)
    if mode == "other":
        x = open(x).read()
    if mask is not None:
        x = x * len(mask)
    return x * x


PROGRAMS = [by_name, set_by_name, asked, of_the_class, contained, flagged]


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


def test_a_branch_that_a_flag_rules_out_leaves_no_trace():
    gradient = xform.grad(flagged)
    gradient(1.0)
    text = xform.source(gradient)
    assert "dropout" not in text and "open(" not in text and "def helper_fwd(x):" in text


def taken(x):
    return helper(x, training=True)


def unknown_name(x):
    p, total = Base(x, x), 0.0
    for name in sorted(("a", "b")):
        total = total + getattr(p, name)
    return total


def writes(y, x, twice=False):
    y[0] = x
    if twice:
        y[0] = x * 2.0


def written_behind_a_flag(x):
    y = np.zeros(2)
    writes(y, x, twice=True)
    return y.sum()


@pytest.mark.parametrize("program, reason", [(taken, "name 'not_there' is not defined"),
                                             (unknown_name, "the name of an attribute is not known")])
def test_refused(program, reason):
    with pytest.raises(xform.TransformError, match=reason) as caught:
        xform.grad(program)(1.0)
    assert "test_questions.py" in str(caught.value)


def test_a_call_with_a_flag_writes_into_its_argument():
    assert float(xform.grad(written_behind_a_flag)(1.5)) == 2.0
    assert [float(v) for v in xform.jvp(written_behind_a_flag, (1.5,), (1.0,))] == [3.0, 2.0]


def inner_of_flag(x):
    return x * 2.0


def outer_of_flag(x, on=True):
    return inner_of_flag(x) if on else x


def calls_with_flag(x):
    return outer_of_flag(x, True)


def test_a_function_defined_anew_is_used_behind_a_flag(monkeypatch):
    gradient = xform.grad(calls_with_flag)
    assert float(gradient(1.0)) == 2.0
    namespace = {"__name__": __name__}
    exec(compile("def inner_of_flag(x):\n    return x * 5.0\n", "<anew>", "exec"), namespace)
    import linecache
    linecache.cache["<anew>"] = (0, None, ["def inner_of_flag(x):\n", "    return x * 5.0\n"], "<anew>")
    monkeypatch.setitem(globals(), "inner_of_flag", namespace["inner_of_flag"])
    assert float(gradient(1.0)) == 5.0


def scaled_by(x, *, scale):
    return x * scale


class Scaler:
    def by(self, x, factor):
        return x * factor


def asks_for_parameters(x, f):
    wanted = inspect.signature(f).parameters
    if "scale" in inspect.signature(f).parameters:
        return f(x, scale=2.0) * len(wanted)
    return f(x, 3.0)


@pytest.mark.parametrize("f, wanted", [(scaled_by, 4.0), (Scaler().by, 3.0), (lambda x, y: x * y * y, 9.0)])
def test_the_parameters_of_a_function_are_known_when_the_code_is_read(f, wanted):
    def program(x):
        return asks_for_parameters(x, f)
    assert float(xform.grad(program)(1.0)) == float(xform.jit(program)(1.0)) == program(1.0) == wanted
    assert float(xform.grad(lambda x: asks_for_parameters(x, lambda y, scale: y * x * scale))(1.0)) == 8.0
