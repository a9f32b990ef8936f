"""Objects of the user's classes that a transformed function finds outside: operators and subscripts are calls of their methods; and
``np.r_`` and ``np.c_``, whose subscripts join arrays."""
import jax
import numpy
import pytest

import xform
import xform.numpy as np


class Weighted:
    """Every operation gives another multiple."""

    def __getitem__(self, v):
        return v * 2

    def __add__(self, other):
        return other * 3

    def __radd__(self, other):
        return other * 5

    def __call__(self, v):
        return v * 7

    def __contains__(self, v):
        return True

    def __len__(self):
        return 3

    def __lt__(self, other):
        return other * 11


HELD = Weighted()
TABLE = {"held": HELD}
PROGRAMS = {
    "subscript": (lambda x: HELD[x], 2.0), "left": (lambda x: HELD + x, 3.0), "right": (lambda x: x + HELD, 5.0),
    "call": (lambda x: HELD(x), 7.0), "in": (lambda x: x if x in HELD else 0.0 * x, 1.0), "in a dict": (lambda x: TABLE["held"][x], 2.0),
    "length": (lambda x: x * len(HELD), 3.0), "compared": (lambda x: HELD < x, 11.0)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_methods_are_called(name):
    program, slope = PROGRAMS[name]
    assert xform.grad(program)(2.0) == slope
    assert xform.jvp(program, (2.0,), (1.0,))[1] == slope
    assert xform.jit(xform.grad(program))(2.0) == slope


C = numpy.ones((1, 2), numpy.float32)
JOINED = {
    "rows": lambda np, x: np.r_[x[0], 2.0 * x[1], 3.0],
    "rows of matrices": lambda np, x: np.r_[x, C, x * x],
    "with a range": lambda np, x: np.r_[x[0], 1:4, x[1]],
    "one": lambda np, x: np.r_[x],
    "columns": lambda np, x: np.c_[x[0], x[1] * 2.0],
    "columns of matrices": lambda np, x: np.c_[x, C.T, x],
    "flattened": lambda np, x: (x * 2).flatten(),
}


@pytest.mark.parametrize("name", JOINED)
def test_joined_as_in_jax(name):
    made = JOINED[name]
    x = numpy.array([[1.0, 2.0], [3.0, 4.0]], numpy.float32)

    def derivatives(xf, np):
        def loss(v):
            return np.sum(made(np, v) ** 3)
        value = np.asarray(x)
        return [made(np, value), xf.grad(loss)(value), xf.jvp(loss, (value,), (value,))[1], xf.hessian(loss)(value),
                xf.grad(lambda v: xf.jvp(loss, (v,), (v,))[1])(value), xf.vmap(xf.grad(loss))(np.stack([value, value * 2]))]
    for a, b in zip(derivatives(xform, np), derivatives(jax, jax.numpy), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5)


def test_directives_are_refused():
    with pytest.raises(xform.TransformError, match="directives"):
        xform.grad(lambda x: np.sum(np.r_["0,2", x, x]))(np.ones(2))
