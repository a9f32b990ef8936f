"""Recursive functions, batched and differentiated: the record of a call holds the record of the call inside it."""
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap

XS = (0.7, 0.3, 1.3)


def counted(y, n):
    if n == 0:
        return y
    return counted(y * y * 0.5 + 0.3, n - 1) * y


def two_calls(x, n):
    if n < 2:
        return np.sin(x) * n + x
    return two_calls(x * 1.1, n - 1) * two_calls(x, n - 2)


def even(x, n):
    if n == 0:
        return x
    return odd(x * x + 0.1, n - 1) * x


def odd(x, n):
    if n == 0:
        return np.cos(x)
    return even(np.sin(x), n - 1) + x


def until(x):
    if x > 3.0:
        return x
    return until(x * 1.5 + 0.5) * x


def adaptive(x, tolerance):
    y = np.sin(x)
    if np.abs(y) < tolerance or tolerance > 10:
        return y
    return adaptive(x / 2, tolerance * 1.7) + y


def determinant(rows):
    if len(rows) == 1:
        return rows[0][0]
    total = 0.0
    for j in range(len(rows)):
        total = total + (-1) ** j * rows[0][j] * determinant([[*r[:j], *r[j + 1:]] for r in rows[1:]])
    return total


def halved(x, n):
    if n == 0:
        return 1.0
    if n % 2:
        return x * halved(x, n - 1)
    y = halved(x, n // 2)
    return y * y


def horner(c, x):
    return c[0] if len(c) == 1 else c[0] + x * horner(c[1:], x)


def tree(t):
    if isinstance(t, tuple):
        return tree(t[0]) * tree(t[1])
    return np.sin(t)


def closed(x):
    def go(y, n):
        return y if n == 0 else go(y * x, n - 1) + y
    return go(x, 3)


def repeated(x, step, *, n):
    def inner(y):
        return repeated(y, step, n=n - 1)
    return x if n == 0 else inner(step(x)) + x


PROGRAMS = {"given": lambda x: repeated(x, lambda y: y * x + 0.1, n=3), "counted": lambda x: counted(x * x + 0.2, 4), "two calls": lambda x: two_calls(x, 5), "mutual": lambda x: even(x, 5),
            "until": until, "adaptive": lambda x: adaptive(x, 0.1), "determinant": lambda x: determinant([[x, 1.0, x * x], [2.0, x, 1.0], [x, 3.0, 1.0]]),
            "halved": lambda x: halved(x, 11), "horner": lambda x: horner([x, x * x, 2.0, x], x), "tree": lambda x: tree(((x, 2 * x), (x, (x, 3.0)))),
            "closed": closed}
BY_VALUE = {"until", "adaptive"}        # how deep they go is seen in the values: no program to compile


@pytest.fixture(autouse=True)
def wide():
    with xform.enable_x64(True):
        yield


@pytest.mark.parametrize("name", PROGRAMS)
def test_batched_derivatives(name):
    f, xs = PROGRAMS[name], np.array(XS)
    values, slopes = onp.array([f(x) for x in XS]), onp.array([(f(x + 1e-5) - f(x - 1e-5)) / 2e-5 for x in XS])
    curvatures = onp.array([grad(grad(f))(x) for x in XS])
    found = {"vmap": vmap(f)(xs), "vmap vmap": vmap(vmap(f))(xs[None])[0]}
    for how, value in found.items():
        onp.testing.assert_allclose(value, values, rtol=1e-7, err_msg=how)
    found = {"vmap grad": vmap(grad(f))(xs), "grad vmap": grad(lambda v: vmap(f)(v).sum())(xs), "vmap vmap grad": vmap(vmap(grad(f)))(xs[None])[0],
             "vmap jvp": vmap(lambda v: xform.jvp(f, (v,), (1.0,))[1])(xs)}
    if name not in BY_VALUE:
        found["jit vmap grad"] = jit(vmap(grad(f)))(xs)
    for how, value in found.items():
        onp.testing.assert_allclose(value, slopes, rtol=1e-6, atol=1e-7, err_msg=how)
    found = {"vmap grad grad": vmap(grad(grad(f)))(xs), "grad vmap grad": grad(lambda v: vmap(grad(f))(v).sum())(xs)}
    for how, value in found.items():
        onp.testing.assert_allclose(value, curvatures, rtol=1e-6, atol=1e-7, err_msg=how)


def test_a_record_of_a_batch_keeps_what_all_lanes_share():
    text = xform.source(vmap(grad(PROGRAMS["counted"])))
    assert "def counted_fwd_vmap(y, n)" in text and "rt.spread" not in text


def by_turns(x):
    return even_turn(x) * 0.5


def even_turn(x):
    if x < 1.0:
        return x
    return by_turns(x / 2.0) + x


@pytest.mark.parametrize("f, name, line", [(until, "until", "return until(x * 1.5 + 0.5) * x"), (by_turns, "turn", "by_turns(x / 2.0) + x|even_turn")])
@pytest.mark.parametrize("of", [lambda f: f, grad, lambda f: grad(grad(f))], ids=["f", "grad", "grad grad"])
def test_a_recursion_that_only_the_run_ends_is_refused_under_jit(f, name, line, of):
    with pytest.raises(RecursionError, match="calls itself without end while it is staged.*as a loop") as caught:
        jit(of(f))(0.7)
    assert name in str(caught.value) and len(caught.traceback) < 20
    (place,) = [n for n in caught.value.__notes__ if n.startswith("In the code of")]
    assert __file__ in place and any(part in place for part in line.split("|")), place
