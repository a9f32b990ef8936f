"""Objects that pass through control flow, containers and transformations called inside, against jax."""
import dataclasses
import functools

import jax
import numpy as onp
import pytest

import xform
from xform import lax
from test_object_arguments import V, W, X, Y, Linear, Net, Pair, linear, net, same


def arrays(p):
    return jax.tree_util.tree_map(jax.numpy.asarray, p)


def both(function, *args, rtol=5e-5):
    """Compare ``function(xform, *args)``, eager and compiled, with ``function(jax, *args)``."""
    wanted = function(jax, *map(arrays, args))
    same(function(xform, *args), wanted, rtol)
    same(xform.jit(functools.partial(function, xform))(*args), wanted, rtol)


def test_a_dict_of_objects():
    parts = {"first": linear(), "second": Linear(V, onp.ones(1, "float32"))}

    def loss(parts, x):
        return (parts["second"](parts["first"](x)) ** 2).sum()
    both(lambda lib, p: lib.grad(loss)(p, X), parts)


def train(lib, p, xs):
    def step(p, x):
        loss, g = lib.value_and_grad(lambda q: q.loss(x, Y))(p)
        return lib.tree_util.tree_map(lambda a, b: a - 0.1 * b, p, g), loss
    return lib.lax.scan(step, p, xs)


def test_scan_over_objects():
    xs = onp.stack([X, X * 2, X])
    both(train, net(), xs)


def test_a_derivative_through_scan_over_objects():
    xs = onp.stack([X, X * 2])
    both(lambda lib, p: lib.grad(lambda q: train(lib, q, xs)[0].loss(X, Y))(p), net(), rtol=5e-4)


def test_loops_and_branches_of_the_library():
    def looped(lib, p):
        return lib.lax.fori_loop(0, 3, lambda i, q: q.scaled(0.5), p)(X).sum()

    def chosen(lib, p, c):
        return lib.lax.cond(c, lambda q: q.scaled(2.0), lambda q: q, p)(X).sum()

    def until(lib, p):
        return lib.lax.while_loop(lambda q: q.size > 0.1, lambda q: q.scaled(0.5), p).size
    same(xform.grad(lambda p: looped(xform, p))(linear()), jax.grad(lambda p: p.scaled(0.125)(X).sum())(linear()))
    both(until, linear())
    for c in (True, False):
        both(lambda lib, p: chosen(lib, p, c), linear())
        same(xform.grad(lambda p: chosen(xform, p, c))(linear()), jax.grad(lambda p: chosen(jax, p, c))(linear()))


def test_a_loop_of_training_steps():
    def run(lib, p):
        for _ in range(3):
            g = lib.grad(lambda q: q.loss(X, Y))(p)
            p = lib.tree_util.tree_map(lambda a, b: a - 0.1 * b, p, g)
        return p, p.loss(X, Y)
    both(run, net())


def test_branches_bind_the_same_kind():
    def run(lib, p):
        if p.b.sum() > 0:
            q = p.scaled(2.0)
        else:
            q = Linear(p.w, p.b * 3.0, p.activation)
        return q(X).sum()
    low = dataclasses.replace(linear(), b=-linear().b)
    for p in (linear(), low):
        same(xform.grad(functools.partial(run, xform))(p), jax.grad(functools.partial(run, jax))(p))
        same(xform.jit(xform.grad(functools.partial(run, xform)))(p), jax.grad(functools.partial(run, jax))(p))


def test_leaves():
    both(lambda lib, p: lib.grad(lambda q: sum([(leaf ** 2).sum() for leaf in lib.tree_util.tree_leaves(q)]))(p), net())


def test_objects_among_arguments_of_every_kind():
    assert xform.grad(lambda x, *, model: model(x).sum())(X, model=linear()).shape == X.shape
    same(xform.grad(lambda *args: args[0](args[1]).sum())(linear(), X), jax.grad(lambda p: p(X).sum())(linear()))
    gradient, aux = xform.grad(lambda p: (p(X).sum(), p.scaled(2.0)), has_aux=True)(linear())
    same(aux, linear().scaled(2.0))
    assert type(gradient) is type(aux) is Linear


def test_transformations_inside():
    both(lambda lib, p: lib.grad(lambda q: lib.vmap(q)(X).sum())(p), linear())
    both(lambda lib, p: lib.grad(lambda q: lib.vmap(Linear.__call__, (None, 0))(q, X).sum())(p), linear())
    both(lambda lib, p: lib.grad(lambda q: lib.checkpoint(lambda r, y: r(y))(q, X).sum())(p), linear())
    both(lambda lib, p: lib.grad(lib.jit(lambda q: q.loss(X, Y)))(p), net())


def test_methods_are_transformed():
    same(xform.grad(Net.loss)(net(), X, Y), jax.grad(Net.loss)(net(), X, Y))
    same(xform.jit(net().loss)(X, Y), net().loss(X, Y))
    same(xform.grad(net().loss)(X, Y), jax.grad(net().loss)(X, Y))


def test_jacobians():
    def cubes(p):
        return (p.w ** 3).sum() * p.b.sum()
    both(lambda lib, p: lib.jacfwd(lambda q: q(X))(p), linear())
    both(lambda lib, p: lib.jacrev(lambda q: q(X))(p), linear())
    both(lambda lib, p: lib.hessian(cubes)(p), linear())
    out, tangent_of = xform.linearize(lambda p: p(X), linear())
    same(tangent_of(linear()), jax.jvp(lambda p: p(X), (linear(),), (linear(),))[1])


def test_questions_about_an_object():
    def asked(p):
        return p(X).sum() if isinstance(p, Linear) and not isinstance(p, Net) else 0.0
    same(xform.grad(asked)(linear()), jax.grad(asked)(linear()))


def test_a_named_tuple_is_still_a_tuple():
    def run(lib, p):
        first, second = p
        rest = [q * 2.0 for q in p]
        return (first * second).sum() + p[0].sum() * rest[1].sum() + len(p) + p._replace(b=first).dot()
    both(lambda lib, p: lib.grad(functools.partial(run, lib))(p), Pair(W, W * 2 + 1))


def test_custom_rules_of_objects():
    @xform.custom_vjp
    def scaled_sum(x, by):
        return (x * by).sum()
    scaled_sum.defvjp(lambda x, by: (scaled_sum(x, by), (x, by)), lambda kept, d: (
        xform.numpy.full_like(kept[0], d * kept[1] * 10.0), (d * kept[0]).sum()))
    found = xform.grad(lambda p: scaled_sum(p.w, p.b.sum()))(linear())
    same(found.w, onp.full(W.shape, linear().b.sum() * 10.0))


def to_another(p):
    q = p
    if p.b.sum() > 0:
        q = p.b
    return q.sum()


@pytest.mark.parametrize("run, reason", [
    (lambda: xform.grad(to_another)(linear()), "'q' is bound to an object and to something else")])
def test_refused(run, reason):
    with pytest.raises(xform.TransformError, match=reason) as caught:
        run()
    assert "test_object_flow.py" in str(caught.value)


def test_scan_reads_like_a_loop():
    step = xform.jit(lambda p: lax.scan(lambda q, x: (q.scaled(0.5), q.size), p, onp.arange(3.0))[1])
    onp.testing.assert_allclose(step(linear()), linear().size * onp.array([1.0, 0.25, 0.0625]), rtol=1e-5)
