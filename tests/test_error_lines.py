"""Exceptions in transformed functions name the user's own expression, under each transformation."""
import numpy
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, lax, vmap

PROGRAMS = []


def fails(error, at, *args, where="all"):
    """A program that raises at the text ``at``. where: "all" transformations, or "backward": those that take a derivative backwards."""
    def note(function):
        PROGRAMS.append(pytest.param(function, error, at, args, where, id=function.__name__))
        return function
    return note


@fails(ValueError, 'raise ValueError("no threes")', np.ones(3))
def raises(x):
    y = x * 2
    if x.shape[0] == 3:
        raise ValueError("no threes")
    return np.sum(y)


@fails(ZeroDivisionError, "1 / n", 2.0)
def divides(x):
    n = 0
    y = x * 2
    z = 1 / n
    return y * z


@fails(KeyError, "rates['rate']", 2.0)
def looks_up(x):
    rates = {"a": 1.0}
    y = x * 2
    return y * rates['rate']


@fails(IndexError, "values[i]", 2.0)
def indexes(x):
    values = [1.0, 2.0, 3.0]
    total = 0.0
    for i in range(5):
        total = total + x * values[i]
    return total


def product(a, b):
    c = a * 2
    return c @ b


@fails(TypeError, "c @ b", np.ones((2, 3)))
def calls(x):
    y = x + 1
    return np.sum(product(y, np.ones((4, 2))))


@fails(TypeError, "y + np.ones(4)", np.ones(3))
def adds(x):
    y = x * 2
    z = np.sin(y) + np.sum(y + np.ones(4))
    return np.sum(z)


@fails(AssertionError, "y.shape == (4,)", np.ones(3))
def asserts(x):
    y = x * 2
    assert y.shape == (4,), "four are needed"
    return np.sum(y)


class Model:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        h = self.w @ x
        return h + np.ones(7)


@fails(TypeError, "h + np.ones(7)", np.ones(3))
def calls_a_method(x):
    m = Model(np.ones((2, 3)))
    y = x * 2
    return np.sum(m.forward(y))


@fails(TypeError, "np.concatenate([w, y[None]])", np.ones(3))
def comprehends(x):
    ws = [x * k for k in range(3)]
    y = x + 1
    out = [np.concatenate([w, y[None]]) for w in ws]
    return np.sum(out[0])


@fails(TypeError, "+ np.ones(5)", np.ones(3))
def takes_lines(x):
    return np.sum(x * 2
                  + np.sin(x)
                  + np.ones(5))


@fails(KeyError, 'raise KeyError(f"turn {n}")', np.ones(3))
def raises_in_a_loop(x):
    n = 0
    while True:
        n += 1
        x = x * 2
        if n > 3:
            raise KeyError(f"turn {n}")
    return np.sum(x)


@xform.custom_vjp
def ruled(x):
    return x * 2


def ruled_bwd(x, d):
    e = d * 2
    return (e @ np.ones((5, 3)),)


ruled.defvjp(lambda x: (ruled(x), x), ruled_bwd)


@fails(TypeError, "e @ np.ones((5, 3))", np.ones(3), where="backward")
def has_a_rule(x):
    y = x + 1
    return np.sum(ruled(y))


hook = xform.backward_hook(lambda d: d @ np.ones((5, 3)))


@fails(TypeError, "d @ np.ones((5, 3))", np.ones(3), where="backward")
def is_hooked(x):
    y = hook(x * 2)
    return np.sum(y)


@fails(TypeError, "c + np.ones(9)", np.ones(3))
def scans(x):
    def step(c, t):
        d = c * t
        return c + np.ones(9), d
    out, _ = lax.scan(step, x, np.arange(3.0))
    return np.sum(out)


@fails(TypeError, "1 + 'a'", np.ones(3))
def mixes_types(x):
    y = x * 2
    n = 1 + 'a'
    return np.sum(y) * n


@fails(ValueError, "a, b = values", np.ones(3))
def unpacks(x):
    values = [1.0, 2.0, 3.0]
    y = x * 2
    a, b = values
    return np.sum(y) * a


@fails(TypeError, "numpy.reshape(values, (2, 2))", np.ones(3))
def calls_numpy(x):
    values = [1.0, 2.0, 3.0]
    table = numpy.reshape(values, (2, 2))
    return np.sum(x) * table[0, 0]


BACKWARD = {"grad": grad, "jit(grad)": lambda f: jit(grad(f)), "vmap(grad)": lambda f: over_two(grad(f)),
            "grad(grad)": lambda f: grad(lambda x: np.sum(grad(f)(x))), "grad(jit)": lambda f: grad(jit(f))}
ALL = {**BACKWARD, "jit": jit, "vmap": lambda f: over_two(f), "jvp": lambda f: lambda x: xform.jvp(f, (x,), (np.ones_like(x),))}


def over_two(f):
    return lambda x: vmap(f)(np.stack([x, x]))


def marked(note):
    """The text over the carets of a note, its last line."""
    lines = note.split("\n")
    return [text[len(marks) - len(marks.lstrip()):len(marks)] for text, marks in zip(lines, lines[1:]) if set(marks.strip()) == {"^"}][-1]


@pytest.mark.parametrize("function, error, at, args, where", PROGRAMS)
def test_the_expression_is_named(function, error, at, args, where):
    for name, wrap in (ALL if where == "all" else BACKWARD).items():
        with pytest.raises(error) as caught:
            wrap(function)(*args)
        (note,) = [note for note in caught.value.__notes__ if note.startswith("In the code of")]
        assert marked(note).removeprefix("return ") == at and __file__ in note, name
