"""Transformations of transformations: every pair and many triples, on functions with state, structure and control flow."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
from runtime.tree import tree_leaves

V = numpy.array([0.3, 0.8, 1.4], dtype=numpy.float32)
M = numpy.array([[0.3, 0.8, 1.4], [1.1, 0.2, 0.9]], dtype=numpy.float32)


def close(one, other, rtol=1e-4, atol=1e-5):
    one, other = tree_leaves(one), jax.tree.leaves(other)
    assert len(one) == len(other)
    for a, b in zip(one, other):
        assert numpy.shape(a) == numpy.shape(b)
        numpy.testing.assert_allclose(numpy.asarray(a), numpy.asarray(b), rtol=rtol, atol=atol)


def smooth(np):
    def f(x):
        y = np.sin(x) * x
        for i in range(3):
            y = y * np.cos(x) + i
        return y
    return f


def vectors(np):
    def f(v):
        w = np.tanh(v) * v[0]
        return np.cumsum(w) * np.sum(v * v) + v[::-1]
    return f


def total(np):
    inner = vectors(np)

    def f(v):
        return np.sum(inner(v) ** 2)
    return f


def pulled(lib, f, x, cotangent):
    out, pull = lib.vjp(f, x)
    return pull(cotangent)[0]


def pushed(lib, f, x, tangent):
    out, push = lib.linearize(f, x)
    return push(tangent)


# name -> what to build from a library and a function; each table has its function and argument
SCALAR = {
    "grad-grad": lambda lib, f: lib.grad(lib.grad(f)),
    "grad-grad-grad": lambda lib, f: lib.grad(lib.grad(lib.grad(f))),
    "jit-grad-grad": lambda lib, f: lib.jit(lib.grad(lib.grad(f))),
    "grad-jit": lambda lib, f: lib.grad(lib.jit(f)),
    "grad-jit-grad": lambda lib, f: lib.grad(lib.jit(lib.grad(f))),
    "jvp-grad": lambda lib, f: lambda x: lib.jvp(lib.grad(f), (x,), (1.0,)),
    "grad-jvp": lambda lib, f: lib.grad(lambda x: lib.jvp(f, (x,), (1.0,))[1]),
    "jvp-jvp": lambda lib, f: lambda x: lib.jvp(lambda y: lib.jvp(f, (y,), (1.0,))[1], (x,), (1.0,)),
    "grad-vjp": lambda lib, f: lib.grad(lambda x: pulled(lib, f, x, 1.0)),
    "vjp-grad": lambda lib, f: lambda x: lib.vjp(lib.grad(f), x)[1](1.0),
    "linearize-grad": lambda lib, f: lambda x: lib.linearize(lib.grad(f), x)[1](1.0),
    "value_and_grad-grad": lambda lib, f: lib.value_and_grad(lib.grad(f)),
    "grad-value_and_grad": lambda lib, f: lib.grad(lambda x: lib.value_and_grad(f)(x)[1]),
    "jit-jit": lambda lib, f: lib.jit(lib.jit(f)),
    "jit-value_and_grad": lambda lib, f: lib.jit(lib.value_and_grad(f)),
    "jacfwd-grad": lambda lib, f: lib.jacfwd(lib.grad(f)),
    "jacrev-grad": lambda lib, f: lib.jacrev(lib.grad(f)),
}

MAPPED = {
    "vmap": lambda lib, f: lib.vmap(f),
    "vmap-grad": lambda lib, f: lib.vmap(lib.grad(f)),
    "vmap-grad-grad": lambda lib, f: lib.vmap(lib.grad(lib.grad(f))),
    "jit-vmap-grad": lambda lib, f: lib.jit(lib.vmap(lib.grad(f))),
    "vmap-jit-grad": lambda lib, f: lib.vmap(lib.jit(lib.grad(f))),
    "vmap-value_and_grad": lambda lib, f: lib.vmap(lib.value_and_grad(f)),
    "vmap-jvp": lambda lib, f: lib.vmap(lambda x: lib.jvp(f, (x,), (x * 0 + 1,))),
    "jacrev-vmap": lambda lib, f: lib.jacrev(lib.vmap(f)),
    "jacfwd-vmap": lambda lib, f: lib.jacfwd(lib.vmap(f)),
    "pmap-grad": lambda lib, f: lib.pmap(lib.grad(f)),
}

VECTOR = {
    "jacfwd": lambda lib, f: lib.jacfwd(f),
    "jacrev": lambda lib, f: lib.jacrev(f),
    "jit-jacfwd": lambda lib, f: lib.jit(lib.jacfwd(f)),
    "jit-jacrev": lambda lib, f: lib.jit(lib.jacrev(f)),
    "jacfwd-jacfwd": lambda lib, f: lib.jacfwd(lib.jacfwd(f)),
    "jacfwd-jacrev": lambda lib, f: lib.jacfwd(lib.jacrev(f)),
    "jacrev-jacfwd": lambda lib, f: lib.jacrev(lib.jacfwd(f)),
    "jacrev-jacrev": lambda lib, f: lib.jacrev(lib.jacrev(f)),
    "jvp-jacrev": lambda lib, f: lambda v: lib.jvp(lib.jacrev(f), (v,), (v,)),
    "linearize": lambda lib, f: lambda v: lib.linearize(f, v)[1](v),
    "jvp-linearize": lambda lib, f: lambda v: lib.jvp(lambda u: pushed(lib, f, u, V), (v,), (v,)),
}

TOTAL = {
    "grad": lambda lib, f: lib.grad(f),
    "hessian": lambda lib, f: lib.hessian(f),
    "jit-hessian": lambda lib, f: lib.jit(lib.hessian(f)),
    "forward-over-reverse": lambda lib, f: lambda v: lib.jvp(lib.grad(f), (v,), (v,))[1],
    "reverse-over-forward": lambda lib, f: lib.grad(lambda v: lib.jvp(f, (v,), (V,))[1]),
    "reverse-over-reverse": lambda lib, f: lib.grad(lambda v: (lib.grad(f)(v) * V).sum()),
    "jacrev-grad": lambda lib, f: lib.jacrev(lib.grad(f)),
    "jit-grad-jit": lambda lib, f: lib.jit(lib.grad(lib.jit(f))),
}

ROWS = {
    "vmap-grad": lambda lib, f: lib.vmap(lib.grad(f)),
    "vmap-hessian": lambda lib, f: lib.vmap(lib.hessian(f)),
    "grad-sum-vmap": lambda lib, f: lib.grad(lambda m: lib.vmap(f)(m).sum()),
    "jit-grad-sum-vmap": lambda lib, f: lib.jit(lib.grad(lambda m: lib.vmap(f)(m).sum())),
    "vmap-linearize": lambda lib, f: lib.vmap(lambda v: pushed(lib, f, v, v)),
    "vmap-vjp": lambda lib, f: lib.vmap(lambda v: pulled(lib, f, v, 1.0)),
    "jit-vmap-jvp-grad": lambda lib, f: lib.jit(lib.vmap(lambda v: lib.jvp(lib.grad(f), (v,), (v,))[1])),
    "pmap-vmap": lambda lib, f: lib.pmap(lambda v: f(v)),
    "jit-pmap-free-vmap": lambda lib, f: lib.jit(lib.vmap(f, in_axes=1)),
    "out_axes": lambda lib, f: lib.vmap(lib.grad(f), out_axes=1),
}

CASES = [(name, build, make, argument) for table, make, argument in
         [(SCALAR, smooth, 0.7), (MAPPED, smooth, V), (VECTOR, vectors, V), (TOTAL, total, V), (ROWS, total, M)]
         for name, build in table.items()]


@pytest.mark.parametrize("name, build, make, argument", CASES, ids=[f"{c[2].__name__}-{c[0]}" for c in CASES])
def test_composition_matches_jax(name, build, make, argument):
    close(build(xform, make(np))(argument), build(jax, make(jnp))(argument), rtol=5e-4, atol=5e-4)


# -- structure and arguments ----------------------------------------------------------------------------------------------

def model(params, x, scale=2.0):
    return np.sum(np.tanh(x @ params["w"] + params["b"]) * scale)


PARAMS = {"w": M.T.copy(), "b": numpy.array([0.1, -0.2], dtype=numpy.float32)}


def oracle_model(params, x, scale=2.0):
    return jnp.sum(jnp.tanh(x @ params["w"] + params["b"]) * scale)


@pytest.mark.parametrize("build", [
    lambda lib, f: lib.grad(f)(PARAMS, V),
    lambda lib, f: lib.grad(f, argnums=1)(PARAMS, V),
    lambda lib, f: lib.grad(f, argnums=-1)(PARAMS, V, 3.0),
    lambda lib, f: lib.grad(f, argnums=(0, 1))(PARAMS, V),
    lambda lib, f: lib.grad(f, argnums=[1, 2])(PARAMS, V, 3.0),
    lambda lib, f: lib.grad(f)(PARAMS, V, scale=3.0),
    lambda lib, f: lib.grad(f)(PARAMS, x=V),
    lambda lib, f: lib.value_and_grad(f)(PARAMS, V),
    lambda lib, f: lib.vmap(lib.grad(f), in_axes=(None, 0))(PARAMS, M),
    lambda lib, f: lib.vmap(f, in_axes=({"w": None, "b": 0}, None))({"w": PARAMS["w"], "b": M[:, :2]}, V),
    lambda lib, f: lib.jit(lib.vmap(lib.grad(f), in_axes=(None, 1)))(PARAMS, M.T),
    lambda lib, f: lib.grad(partial(f, scale=4.0))(PARAMS, V),
    lambda lib, f: lib.grad(partial(f, PARAMS))(V),
    lambda lib, f: lib.hessian(f, argnums=1)(PARAMS, V),
    lambda lib, f: lib.jacrev(lib.grad(f))(PARAMS, V)["b"]["w"],
], ids=["dict", "second", "negative", "pair", "list", "keyword", "keyword-array", "value", "vmap-none", "vmap-dict-axes", "jit-vmap-axis-1",
        "partial-keyword", "partial", "hessian-second", "jacobian-of-dict"])
def test_arguments_match_jax(build):
    close(build(xform, model), build(jax, oracle_model))


def test_auxiliary_results():
    def f(x):
        return x ** 2, {"double": 2 * x}
    slope, aux = xform.grad(f, has_aux=True)(3.0)
    assert slope == 6.0 and aux["double"] == 6.0
    (value, aux), slope = xform.value_and_grad(f, has_aux=True)(3.0)
    assert value == 9.0 and slope == 6.0 and aux["double"] == 6.0


def test_a_wrapper_with_any_number_of_arguments():
    def wrapped(*args):
        return np.sum(model(*args)) * 2.0
    close(xform.grad(wrapped)(PARAMS, V), jax.tree.map(lambda g: 2.0 * g, jax.grad(oracle_model)(PARAMS, V)))
    close(xform.grad(wrapped, argnums=1)(PARAMS, V), 2.0 * jax.grad(oracle_model, argnums=1)(PARAMS, V))
    close(xform.vmap(wrapped, in_axes=(None, 0))(PARAMS, M), 2.0 * jax.vmap(oracle_model, in_axes=(None, 0))(PARAMS, M))


def test_a_wrapper_with_keywords():
    def wrapped(params, **options):
        return model(params, **options)
    close(xform.grad(wrapped)(PARAMS, x=V, scale=3.0), jax.grad(oracle_model)(PARAMS, V, 3.0))


class Layer:
    """A callable object whose methods are transformed."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return np.sum(x ** 2) * self.scale

    def apply(self, x, power):
        return np.sum(x ** power) * self.scale


def test_methods_and_callable_objects():
    layer = Layer(3.0)
    close(xform.grad(layer)(V), 6.0 * V)
    close(xform.grad(layer.apply)(V, 3), 9.0 * V ** 2)
    close(xform.jit(xform.grad(layer.apply), static_argnums=1)(V, 2), 6.0 * V)
    close(xform.vmap(xform.grad(layer))(M), 6.0 * M)


def test_an_object_that_changes_is_read_again():
    layer = Layer(1.0)
    gradient = xform.grad(layer)
    close(gradient(V), 2.0 * V)
    layer.scale = 5.0
    close(gradient(V), 10.0 * V)


SCALE = 2.0


def scaled(x):
    return x * SCALE


def test_a_global_that_changes_is_read_again(monkeypatch):
    gradient = xform.grad(scaled)
    assert gradient(1.0) == 2.0
    monkeypatch.setitem(globals(), "SCALE", 7.0)
    assert gradient(1.0) == 7.0


def test_closures_of_one_definition_stay_apart():
    def power(n):
        return xform.grad(lambda x: x ** n)
    assert [float(power(n)(2.0)) for n in (1, 2, 3)] == [1.0, 4.0, 12.0]


def test_a_transformation_of_a_transformation_made_inside():
    def f(x, y):
        def inner(z):
            return xform.grad(lambda w: w ** 3 * z * y)(x)
        return xform.grad(inner)(x)
    # inner(z) = 3 x^2 z y, its slope is 3 x^2 y
    assert xform.grad(f)(2.0, 5.0) == 60.0
    assert xform.grad(f, argnums=1)(2.0, 5.0) == 12.0


def test_fifth_derivative_of_a_loop():
    def f(x):
        y = 1.0
        for _ in range(6):
            y = y * x
        return y
    for expected in (64.0, 192.0, 480.0, 960.0, 1440.0, 1440.0):
        assert f(2.0) == expected
        f = xform.grad(f)


def test_transformed_functions_keep_their_name_and_signature():
    assert xform.grad(model).__name__ == "model" and xform.jit(model).__wrapped__ is model


def test_the_same_source_in_any_order():
    first, second = xform.source(xform.grad(model)), xform.source(xform.vmap(model))
    assert xform.source(xform.grad(model)) == first and xform.source(xform.vmap(model)) == second


def powers_in_turn(x):
    return sum(v ** k for k, v in enumerate(x, 1))


def test_whole_exponents_of_a_loop_have_no_tangent():
    x = numpy.array([0.5, 1.5, -0.7, 2.0])
    for hessian in (xform.hessian(powers_in_turn), xform.jit(xform.hessian(powers_in_turn)), xform.jacrev(xform.jacfwd(powers_in_turn))):
        numpy.testing.assert_allclose(hessian(x), numpy.diag([0.0, 2.0, 6 * -0.7, 12 * 2.0 ** 2]), rtol=1e-5)


def cut(x, start):
    rest = slice(start, None)
    return x[..., 0].sum() * np.trace(x[:, rest][..., None][..., 0]) + (np.diff(x) ** 2).sum() + (x[..., rest] ** 3).sum()


def test_compiled_functions_keep_the_slices_of_their_indices():
    def theirs(x):
        return x[..., 0].sum() * jnp.trace(x[:, 1:]) + (jnp.diff(x) ** 2).sum() + (x[..., 1:] ** 3).sum()
    ours = xform.jit(cut, static_argnums=1)
    close(xform.grad(ours)(M, 1), jax.grad(theirs)(M))
    close(xform.jit(xform.grad(lambda x: xform.grad(lambda y: ours(y, 1))(x).sum()))(M), jax.grad(lambda x: jax.grad(theirs)(x).sum())(M))
    close(xform.vmap(xform.grad(lambda x: ours(x, 1)))(M[None]), jax.vmap(jax.grad(theirs))(M[None]))


def test_gradient_of_a_compiled_loop_whose_first_turn_stands_alone():
    """What its sums were taken along stays a Python value on the way from the one compiled half to the other."""
    def total(jx, lib):
        def summed(w):
            def run(p):
                return jx.lax.fori_loop(0, 10, lambda i, t: t + lib.sum(p * t * w), 0.01)
            return jx.vmap(run)(lib.array([[0.1, 0.2], [0.3, 0.1]])).sum()
        return jx.jit(summed)
    w = numpy.array([0.5, -0.3], "float32")
    ours, wanted = total(xform, np), jax.grad(total(jax, jnp))(w)
    close(xform.grad(ours)(w), wanted)
    close(xform.grad(xform.jit(lambda w: ours(w) * 2.0))(w), 2.0 * wanted)
