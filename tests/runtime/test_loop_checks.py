"""What structured control flow refuses, with the type of jax's error, and scans over nothing."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np


@pytest.mark.parametrize("call", [
    lambda lax, np: lax.while_loop(lambda c: c, lambda c: c, 1.0),
    lambda lax, np: lax.while_loop(lambda c: np.array([True]), lambda c: c, 1.0),
    lambda lax, np: lax.while_loop(lambda c: (True,), lambda c: c, 1.0),
    lambda lax, np: lax.while_loop(lambda c: c.sum() < 3, lambda c: np.ones(3), np.zeros(2)),
    lambda lax, np: lax.scan(lambda c, x: ((c, c), x), 1.0, np.ones(2)),
    lambda lax, np: lax.scan(lambda c, x: (np.ones(2), x), 1.0, np.ones(2)),
    lambda lax, np: lax.scan(lambda c, x: (c + 1.5, x), np.int32(1), np.ones(2)),
    lambda lax, np: lax.scan(lambda c, x: c, np.ones(3), np.ones(2)),
    lambda lax, np: lax.cond(np.ones(2), lambda: 1, lambda: 2), lambda lax, np: lax.cond("a", lambda: 1, lambda: 2),
    lambda lax, np: lax.switch(1.0, [lambda: 1, lambda: 2]), lambda lax, np: lax.switch(1, []),
    lambda lax, np: lax.switch(True, [lambda: 1, lambda: 2]),
])
def test_errors(call):
    with pytest.raises((TypeError, ValueError)) as theirs:
        call(jax.lax, jnp)
    with pytest.raises(theirs.type):
        call(xform.lax, np)


def test_numbers_in_a_carry_give_way():
    assert xform.lax.scan(lambda c, x: (c + x, c), 0, np.ones(3))[0] == 3
    assert xform.lax.while_loop(lambda c: c < 3, lambda c: c + 1.5, 1) == 4


def test_scan_over_no_rows():
    def turn(c, x):
        return c + x.sum(), (x, c)
    found, expected = xform.lax.scan(turn, 1.0, np.zeros((0, 2))), jax.lax.scan(turn, 1.0, jnp.zeros((0, 2)))
    assert float(found[0]) == float(expected[0])
    for one, other in zip(found[1], expected[1], strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        numpy.testing.assert_array_equal(one, other)


def test_branches_that_are_not_taken_must_agree_too():
    cases = [lambda jax, np: jax.lax.cond(True, lambda a: a, lambda a: a * 1.5, 1),
             lambda jax, np: jax.lax.cond(True, lambda a: (a, a), lambda a: a, 1.0),
             lambda jax, np: jax.lax.cond(False, lambda a: np.ones(2), lambda a: np.ones(3), 1.0),
             lambda jax, np: jax.lax.switch(1, [lambda a: a, lambda a: np.int32(1)], 1.0),
             lambda jax, np: jax.lax.switch(5, [lambda a: a, lambda a: {"a": a}], 1.0),
             lambda jax, np: jax.jit(lambda x: jax.lax.cond(True, lambda a: a, lambda a: (a, a), x))(1.0),
             lambda jax, np: jax.jit(lambda x, n: jax.lax.cond(n > 2, lambda a: a, lambda a: a[None], x), static_argnums=1)(1.0, 3),
             lambda jax, np: jax.jit(lambda x: jax.lax.switch(2, [lambda a: a, lambda a: a[None], lambda a: 2 * a], x))(1.0),
             lambda jax, np: jax.jit(jax.grad(lambda x: jax.lax.cond(False, lambda a: a, lambda a: a.astype("float16"), x)))(1.0)]
    import jax
    import jax.numpy
    for case in cases:
        for module, np in ((xform, xform.numpy), (jax, jax.numpy)):
            with pytest.raises(TypeError, match="equal output types|same pytree structure"):
                case(module, np)
    asked = []

    def asks(a):
        asked.append(a)
        return a if a > 0 else -a
    assert float(xform.lax.cond(True, lambda a: a, asks, 2.0)) == 2.0   # a branch that asks for values is as good as it was
    assert float(xform.lax.cond(True, lambda: 1.0, lambda: xform.numpy.float32(2))) == 1.0


LOOPS = {
    "scan, another dtype": lambda lax, np: lambda a: lax.scan(lambda c, x: (c + 1.5, x), np.int32(0), a)[0],
    "scan, another tree": lambda lax, np: lambda a: lax.scan(lambda c, x: ((c, x), x), 0.0, a)[0],
    "while, another dtype": lambda lax, np: lambda a: lax.while_loop(lambda c: c < 3, lambda c: c + 1.5, np.astype(a.sum(), int) * 0),
    "while, no bool": lambda lax, np: lambda a: lax.while_loop(lambda c: c * 0, lambda c: c, a.sum()),
    "fori, another shape": lambda lax, np: lambda a: lax.fori_loop(0, 3, lambda i, c: np.concatenate([c, c]), a),
    "scan, a number becomes an integer": lambda lax, np: lambda a: lax.scan(lambda c, x: (np.int32(1), x), 0.5, a)[0],
    "fori, a bool becomes an integer": lambda lax, np: lambda a: a * lax.fori_loop(0, 3, lambda i, c: i, False),
    "fori, another tree": lambda lax, np: lambda a: lax.fori_loop(0, 3, lambda i, c: (c, c), a)}


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("how", ["jit", "grad", "vmap"])
def test_carries_in_transformed_functions(name, how):
    def derive(module, f, np):
        if how == "grad":
            return module.grad(lambda a: np.sum(module.tree.leaves(f(a))[0]))(np.ones(3))
        return module.vmap(f)(np.ones((2, 3))) if how == "vmap" else module.jit(f)(np.ones(3))
    for module, np in ((jax, jnp), (xform, xform.numpy)):
        with pytest.raises(TypeError, match="equal types|same pytree structure|boolean scalar|nest deeper"):
            derive(module, LOOPS[name](module.lax, np), np)


@pytest.mark.parametrize("call", [
    lambda lax, np: lambda p, a: lax.cond(p > 0, lambda a: a, lambda a: a > 0, a),
    lambda lax, np: lambda p, a: lax.cond(p > 0, lambda a: (a, a), lambda a: a, a),
    lambda lax, np: lambda p, a: lax.cond(a > 0, lambda a: a, lambda a: a, a), lambda lax, np: lambda p, a: lax.switch(p, [np.sin, np.cos], a)])
def test_staged_branches(call):
    for module, np in ((jax, jnp), (xform, xform.numpy)):
        with pytest.raises(TypeError):
            module.jit(call(module.lax, np))(1.0, np.ones(3))


@pytest.mark.parametrize("call", [
    lambda lax, np: lax.fori_loop(0, 0, lambda i, c: c + 1.5, np.int32(1)), lambda lax, np: lax.fori_loop(0, 0, lambda i, c: (c, c), 1),
    lambda lax, np: lax.while_loop(lambda c: c < 0, lambda c: (c, c), 1), lambda lax, np: lax.scan(lambda c, x: (c + 1.5, x), np.int32(0), None, 0)])
def test_loops_without_a_turn(call):
    for module, np in ((jax, jnp), (xform, xform.numpy)):
        with pytest.raises(TypeError, match="carry"):
            call(module.lax, np)


X = numpy.array([0.3, -0.7], numpy.float32)


@pytest.mark.parametrize("call", [
    lambda jax, np: jax.vmap(lambda x: jax.lax.cond(x > 0, lambda x: x, lambda x: np.int32(1), x))(X),
    lambda jax, np: jax.vmap(lambda x: jax.lax.cond(x > 0, lambda x: x, lambda x: x[None], x))(X),
    lambda jax, np: jax.vmap(lambda x: jax.lax.cond(x > 0, lambda: None, lambda: 2.0))(X),
    lambda jax, np: jax.vmap(lambda x: jax.lax.cond(x > 0, lambda: {"a": x}, lambda: {"b": x}))(X),
    lambda jax, np: jax.vmap(jax.grad(lambda x: jax.lax.cond(x > 0, lambda x: x, lambda x: x[None], x).sum()))(X),
    lambda jax, np: jax.vmap(lambda i: jax.lax.switch(i, [lambda: 1.0, lambda: np.int32(1)]))(np.arange(2)),
    lambda jax, np: jax.jit(lambda i: jax.lax.switch(i, [lambda: 1.0, lambda: 2.0, lambda: np.int32(1)]))(1),
    lambda jax, np: jax.jit(lambda i, x: jax.lax.switch(i, [lambda x: x, lambda x: x[None]], x))(1, X),
    lambda jax, np: jax.jit(lambda i, x: jax.lax.switch(i, [lambda x: x, lambda x: (x, x)], x))(1, X)])
def test_branches_of_which_any_may_be_taken(call):
    for module, np in ((xform, xform.numpy), (jax, jnp)):
        with pytest.raises(TypeError, match="equal output types|same pytree structure"):
            call(module, np)


def test_branches_that_agree():
    def chosen(lax, np):
        return lambda i, x: lax.switch(i, [np.sin, lambda x: lax.cond(x > 0, np.cos, lambda x: 2.0, x), lambda x: x * x], x)
    index, x = numpy.arange(3), numpy.array([1, -2, 3], numpy.float32)
    mine, other = chosen(xform.lax, np), chosen(jax.lax, jnp)
    for wrap in (lambda m, f: m.vmap(f), lambda m, f: m.jit(m.vmap(f)), lambda m, f: m.vmap(m.grad(f, argnums=1)),
                 lambda m, f: m.vmap(m.jit(f))):
        numpy.testing.assert_allclose(wrap(xform, mine)(index, x), wrap(jax, other)(index, x), rtol=1e-6)
    for i in range(3):
        numpy.testing.assert_allclose(xform.jit(xform.grad(mine, argnums=1))(i, x[i]), jax.grad(other, argnums=1)(i, x[i]), rtol=1e-6)
