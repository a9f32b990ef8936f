"""shard_map as it is by default, beside jax's: derivatives taken inside are those of the whole, and out_specs are checked."""
import functools

import jax
import numpy
import pytest
from jax.sharding import Mesh as JaxMesh

import xform
import xform.numpy as np
from xform.experimental.shard_map import shard_map as older

X = numpy.random.default_rng(0).normal(size=(16, 8)).astype(numpy.float32)
W = numpy.random.default_rng(1).normal(size=(8, 4)).astype(numpy.float32)
MESH = xform.make_mesh((2, 4), ("x", "y"))
JAX_MESH = JaxMesh(numpy.array(jax.devices()[:8]).reshape(2, 4), ("x", "y"))
BOTH = ("x", "y")


def programs(lib, np, mesh):
    """Return functions of weights that all devices have and data that are cut up, written against one library."""
    lax, P = lib.lax, lib.sharding.PartitionSpec

    def mapped(f, out=None):
        return lib.shard_map(f, mesh=mesh, in_specs=(P(), P(BOTH)), out_specs=P() if out is None else out)

    def own(w, x):
        return np.mean(np.tanh(x @ w) ** 2)

    def shared(w, x):
        return lax.pmean(own(w, x), BOTH)

    def regular(w, x):
        return shared(w, x) + 0.1 * np.sum(w ** 2)

    def scanned(w, x):
        def turn(c, row):
            c = np.tanh(c + row @ w)
            return c, c.sum()
        return lax.scan(turn, lax.pcast(np.zeros(4), BOTH, to="varying"), x)[1].sum()

    def looped(w, x):
        for i in range(3):
            w = w - lax.pmean(x.T @ (x @ w), "x") * 0.01
        return (w ** 2).sum()

    def branched(w, x):
        return lax.cond(lax.psum(x.sum(), BOTH) > 0, lambda: own(w, x), lambda: own(2 * w, x))

    @lib.custom_vjp
    def clipped(w, x):
        return x @ w
    clipped.defvjp(lambda w, x: (x @ w, (w, x)), lambda kept, d: (lax.psum(kept[1].T @ np.clip(d, -0.01, 0.01), BOTH),
                                                               d @ kept[0].T))

    @lib.custom_jvp
    def doubled(x):
        return np.sin(x)
    doubled.defjvp(lambda primals, tangents: (np.sin(primals[0]), 2 * np.cos(primals[0]) * tangents[0]))

    def pulled(w, x):
        out, pull = lib.vjp(lambda w: np.tanh(x @ w), w)
        total, pull_total = lib.vjp(lambda w: shared(w, x), w)
        return pull(np.ones_like(out))[0], pull_total(np.ones_like(total))[0]

    def over_y(w, x):
        return lib.grad(lambda w: lax.psum(own(w, x), "x"))(w)

    def per_device(w, x):
        return lib.grad(lambda w: own(lax.pcast(w, BOTH, to="varying"), x))(w), lib.grad(own)(lax.pcast(w, BOTH, to="varying"), x)[None]

    def model(params, x):
        def loss(params):
            return np.mean(np.tanh(x @ params["w"] + params["b"]) ** 2)
        value, slope = lib.value_and_grad(loss)(params)
        return lax.pmean(value, BOTH), lib.tree_util.tree_map(lambda p, d: p - d, params, slope)
    def trained(w, x):
        def turn(w, _):
            return w - 0.5 * lib.grad(shared)(w, x), None
        return shared(lax.scan(turn, w, None, length=3)[0], x)

    def ring(w, x):
        def turn(i, c):
            total, key = c
            key = lax.ppermute(key, "y", [(j, (j + 1) % 4) for j in range(4)])
            return total + np.tanh(query * key), key
        query = x @ w
        return lax.psum(lax.fori_loop(0, 4, turn, (query * 0, query))[0].sum(), BOTH)
    return {
        "training": lib.grad(mapped(trained)), "ring": mapped(lib.grad(ring)),
        "jit-in-jit": lib.jit(lib.grad(lib.jit(mapped(lambda w, x: np.sum(lib.grad(shared)(w, x) ** 2))))),
        "gathered": lambda w, x: lib.shard_map(lib.grad(lambda w, x: shared(lax.all_gather(w, "y", tiled=True), x)), mesh=mesh, in_specs=(
            P("y"), P(BOTH)), out_specs=P("y"))(w, x),
        "own": mapped(lib.grad(own)), "shared": mapped(lib.value_and_grad(shared)), "regular": mapped(lib.grad(regular)),
        "data": mapped(lambda w, x: lib.grad(lambda a: np.sum(lax.psum(a ** 2, "y")))(x), P(BOTH)),
        "scan": mapped(lib.grad(scanned)), "loop": mapped(lib.grad(looped)), "branch": mapped(lib.grad(branched)),
        "custom_vjp": mapped(lib.grad(lambda w, x: lax.psum(np.sum(clipped(w, x) ** 2), BOTH))),
        "custom_jvp": mapped(lib.grad(lambda w, x: lax.psum(np.sum(doubled(x @ w)), BOTH))),
        "vjp": mapped(pulled), "one-axis": mapped(over_y), "cast": mapped(per_device, (P(), P(BOTH))),
        "hessian": mapped(lib.hessian(lambda w, x: shared(np.outer(w, w[:4]), x[:, :8]))), "jacrev": mapped(lib.jacrev(
            lambda w, x: lax.psum(np.tanh(x @ w), BOTH).sum(0))),
        "second": mapped(lambda w, x: lib.grad(lambda w: np.sum(lib.grad(shared)(w, x) ** 2))(w)),
        "through": lib.grad(mapped(lambda w, x: np.sum(lib.grad(own)(w, x) ** 2))),
        "through-custom": lib.grad(mapped(lambda w, x: lax.psum(np.sum(clipped(w, x) ** 2), BOTH))),
        "tree": lambda w, x: mapped(model)({"w": w, "b": w[0]}, x),
        "jit": lib.jit(mapped(lib.grad(regular))), "index": mapped(lambda w, x: x * lax.axis_index("x") + lax.axis_index(BOTH), P(BOTH)),
        "batch": lib.vmap(mapped(lib.grad(regular)), in_axes=(0, None)), "checkpoint": mapped(lib.grad(lib.checkpoint(shared)))}


OURS, THEIRS = programs(xform, np, MESH), programs(jax, jax.numpy, JAX_MESH)


@pytest.mark.parametrize("name", OURS)
def test_derivatives_inside_are_those_of_jax(name):
    weights = {"batch": numpy.stack([W, 2 * W]), "hessian": W[:, 0]}.get(name, W)
    ours, theirs = OURS[name](weights, X), THEIRS[name](weights, X)
    for one, other in zip(xform.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_without_checks_a_derivative_is_that_of_one_part():
    P = xform.P
    inside = xform.shard_map(xform.grad(lambda w, x: np.sum(x @ w)), mesh=MESH, in_specs=(P(), P(BOTH)), out_specs=P(BOTH), check_vma=False)
    numpy.testing.assert_allclose(inside(W, X), numpy.repeat(X.reshape(8, 2, 8).sum(1).reshape(64, 1), 4, 1), rtol=1e-5)


@pytest.mark.parametrize("body, in_spec, out_spec, message", [
    (lambda a: a * 2, ("x",), (), "out_specs .* the same along the mesh axes 'x'"),
    (lambda a: xform.lax.all_gather(a, "x", tiled=True), ("x", "y"), (None, "y"), "cannot be inferred"),
    (lambda a: xform.lax.psum(a, "x"), BOTH, (), "mesh axes 'y'"),
    (lambda a: {"k": a + xform.lax.axis_index("y")}, ("x",), ("x",), r"the result\['k'\]"),
    (lambda a: xform.lax.fori_loop(0, 3, lambda i, c: c + a, np.zeros((8, 8))), ("x",), (), "mesh axes 'x'"),
    (lambda a: np.where(xform.lax.ppermute(a, "y", [(0, 1)]) > 0, 1.0, 0.0), (), (), "mesh axes 'y'"),
    (lambda a: a, ("x",), ("z",), "out_specs names 'z', which is none of the axes"),
])
def test_results_that_may_differ_are_refused(body, in_spec, out_spec, message):
    with pytest.raises(ValueError, match=message):
        xform.shard_map(body, mesh=MESH, in_specs=xform.P(*in_spec), out_specs=xform.P(*out_spec))(X)


def test_what_is_computed_alike_passes():
    P = xform.P
    made = xform.shard_map(lambda a: (np.ones(3), xform.lax.psum(a, "x"), xform.lax.pmax(a, "x").sum()), mesh=MESH, in_specs=P("x"),
                           out_specs=P())(X)
    assert all(leaf.sharding.is_fully_replicated for leaf in made)
    gathered = xform.shard_map(lambda a: xform.lax.all_gather(a, "x", tiled=True), mesh=MESH, in_specs=P("x"), out_specs=P(), check_vma=False)
    numpy.testing.assert_array_equal(gathered(X), X)
    alike = xform.shard_map(lambda a: xform.lax.all_gather(a, "x", tiled=True, to="invarying"), mesh=MESH, in_specs=P("x"), out_specs=P())
    numpy.testing.assert_array_equal(alike(X), X)
    numpy.testing.assert_array_equal(xform.grad(lambda a: (alike(a) ** 2).sum())(X), 2 * X)
    assert "check_vma=False" in xform.source(gathered)


def test_the_older_name():
    P = xform.P
    made = older(lambda a: a * 2, MESH, (P("x"),), P("x"), check_rep=False)
    numpy.testing.assert_array_equal(made(X), 2 * X)
    halved = functools.partial(xform.shard_map, mesh=MESH, in_specs=P("x"), out_specs=P("x"))(lambda a: a / 2)
    numpy.testing.assert_array_equal(halved(X), X / 2)
