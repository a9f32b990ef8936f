"""shard_map against jax's (check_vma=False): collectives over a mesh, derivatives, batching, jit, captured values, errors."""
from functools import partial
from types import SimpleNamespace

import jax
import numpy
import pytest
from jax.sharding import Mesh as JaxMesh
from jax.sharding import PartitionSpec as JaxP

import xform
import xform.numpy as np
from xform.sharding import P

X = numpy.arange(64, dtype=numpy.float32).reshape(8, 8) / 64
W = numpy.random.default_rng(0).normal(size=(8, 8)).astype(numpy.float32)
BIG = numpy.arange(64, dtype=numpy.float32).reshape(8, 8) / 10
MESH = xform.make_mesh((2, 4), ("x", "y"))
JAX_MESH = JaxMesh(numpy.array(jax.devices()[:8]).reshape(2, 4), ("x", "y"))


def program(lib, np, P, shard_map):
    """Return the functions under test, written against one library."""
    lax = lib.lax

    def partial_product(a, b):
        return lax.psum(a @ b, "y")
    matmul = shard_map(partial_product, in_specs=(P("x", "y"), P("y", None)), out_specs=P("x", None))

    def everything(a):
        return (a + lax.axis_index("x") * 10 + lax.axis_index("y"), lax.all_gather(a, "y").sum(0),
                lax.ppermute(a, "y", [(0, 1), (1, 2), (2, 3), (3, 0)]),
                lax.psum_scatter(a, "y", scatter_dimension=1, tiled=True), lax.all_to_all(a, "x", 1, 0, tiled=True),
                lax.pmean(a, ("x", "y")), lax.pmax(a, "x"), a * lax.axis_index(("y", "x")))
    collectives = shard_map(everything, in_specs=P("x", None),
                            out_specs=(P("x", "y"), P("x"), P("x", "y"), P("x", "y"), P("x", "y"), P(), P(), P("x", "y")))

    def exchange(a):
        return (lax.ppermute(a, "y", [(0, 1), (1, 2), (2, 3), (3, 0)]) * lax.axis_index("x"),
                lax.psum_scatter(a * a, "y", scatter_dimension=1, tiled=True), lax.all_to_all(a, "x", 1, 0, tiled=True) ** 2)
    moved = shard_map(exchange, in_specs=P("x", None), out_specs=(P("x", "y"), P("x", "y"), P("x", "y")))

    def loss(w, x):
        return np.sum(np.tanh(matmul(x, w)) ** 2)

    def turns(a):
        return lax.fori_loop(0, 3, lambda i, c: c + lax.psum(c, "y") * 0.1, a)
    loop = shard_map(turns, in_specs=P("x", "y"), out_specs=P("x", "y"))

    big = np.asarray(BIG)
    captured = shard_map(lambda a: a @ big, in_specs=P("x"), out_specs=P("x"))
    inside = shard_map(lib.grad(lambda a: np.sum(lax.psum(a ** 2, "y"))), in_specs=P("x", "y"), out_specs=P("x", "y"))

    def mean_loss(params, x):
        w, b = params["w"], params["b"]
        return lax.pmean(np.mean((x @ w + b) ** 2), ("x", "y"))
    shared = shard_map(mean_loss, in_specs=(P(), P(("x", "y"))), out_specs=P())

    def nested(w, x):
        def scaled(a):
            return a * w
        return np.sum(shard_map(scaled, in_specs=P("x"), out_specs=P("x"))(x) ** 2)
    return SimpleNamespace(matmul=matmul, collectives=collectives, moved=moved, loss=loss, loop=loop, captured=captured, inside=inside,
                           shared=shared, nested=nested)


OURS = program(xform, np, P, partial(xform.shard_map, mesh=MESH, check_vma=False))
THEIRS = program(jax, jax.numpy, JaxP, partial(jax.shard_map, mesh=JAX_MESH, check_vma=False))
PARAMS = {"w": W, "b": W[0]}


@pytest.mark.parametrize("build, arguments", [
    (lambda lib, f: f.matmul, (X, W)),
    (lambda lib, f: f.collectives, (X,)),
    (lambda lib, f: f.loop, (X,)),
    (lambda lib, f: f.captured, (X,)),
    (lambda lib, f: f.inside, (X,)),
    (lambda lib, f: lib.jit(lambda x, w: f.matmul(x, w) + f.loop(x)), (X, W)),
    (lambda lib, f: lib.grad(f.loss, argnums=(0, 1)), (W, X)),
    (lambda lib, f: lib.jit(lib.value_and_grad(f.loss)), (W, X)),
    (lambda lib, f: lambda w, x: lib.jvp(lambda w: f.loss(w, x), (w,), (x,)), (W, X)),
    (lambda lib, f: lib.jit(lib.grad(lambda w, x: lib.grad(f.loss)(w, x).sum())), (W, X)),
    (lambda lib, f: lib.vmap(f.matmul, in_axes=(0, None)), (numpy.stack([X, X * 2]), W)),
    (lambda lib, f: lib.vmap(lib.grad(f.loss), in_axes=(None, 0)), (W, numpy.stack([X, X * 2]))),
    (lambda lib, f: lib.grad(f.shared), (PARAMS, X)),
    (lambda lib, f: lib.grad(lambda a: f.moved(a)[0].sum() * f.moved(a)[1][0, 0] + f.moved(a)[2][1, 1]), (X,)),
    (lambda lib, f: lib.jit(lib.grad(f.nested)), (2.0, X)),
], ids=["matmul", "collectives", "loop", "captured", "grad-inside", "jit", "grad", "jit-value-and-grad", "jvp", "second",
        "vmap", "vmap-grad", "grad-shared", "grad-collectives", "closure"])
def test_values_are_those_of_jax(build, arguments):
    ours, theirs = build(xform, OURS)(*arguments), build(jax, THEIRS)(*arguments)
    for one, other in zip(xform.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


def test_results_lie_as_out_specs_say():
    assert OURS.matmul(X, W).sharding.spec == P("x")
    first, *_, mean, _, last = OURS.collectives(X)
    assert first.sharding.spec == last.sharding.spec == P("x", "y") and mean.sharding.is_fully_replicated


def test_source_shows_collectives_and_specs():
    text = xform.source(xform.grad(OURS.loss))
    assert "@rt.shard_map(check_vma=False, in_specs=(rt.P('x', 'y'), rt.P('y', None)), mesh=rt.make_mesh((2, 4), ('x', 'y'))" in text
    assert "lax.psum(" in text and "rt.join_cotangents(" in text


def test_one_device_and_mesh_in_context():
    alone = xform.make_mesh((1,), ("i",))
    doubled = xform.shard_map(lambda a: xform.lax.psum(a, "i") * 2, in_specs=P("i"), out_specs=P("i"))
    with alone:
        numpy.testing.assert_array_equal(doubled(X), X * 2)
    with pytest.raises(ValueError, match="has no mesh"):
        doubled(X)


@pytest.mark.parametrize("error, message, run", [
    (ValueError, "not divisible by 4", lambda: OURS.matmul(X[:, :6], W)),
    (ValueError, "in_specs has 2 entries for 1 arguments", lambda: xform.shard_map(
        lambda a, b=1.0: a, mesh=MESH, in_specs=(P(), P()), out_specs=P())(X)),
    (NameError, "unbound axis name: z", lambda: xform.shard_map(
        lambda a: xform.lax.psum(a, "z"), mesh=MESH, in_specs=P("x"), out_specs=P())(X)),
    (ValueError, "must be a subset of the axes of the mesh", lambda: xform.shard_map(
        lambda a: a, mesh=MESH, in_specs=P("x"), out_specs=P("x"), axis_names={"q"})(X)),
    (ValueError, "in_specs names 'y', which is none of the axes that it is over", lambda: xform.shard_map(
        lambda a: a, mesh=MESH, in_specs=P("y"), out_specs=P("x"), axis_names={"x"})(X)),
    (TypeError, "mesh must be a Mesh, got 3", lambda: xform.shard_map(lambda a: a, mesh=3, in_specs=P("x"), out_specs=P("x"))(X)),
    (ValueError, "with_sharding_constraint inside shard_map: .* names 'x'", lambda: xform.shard_map(
        lambda a: xform.lax.with_sharding_constraint(a, xform.sharding.NamedSharding(MESH, P("x"))), mesh=MESH, in_specs=P("x"), out_specs=P("x"))(X)),
    (ValueError, "none is left for it", lambda: xform.shard_map(
        lambda a: OURS.captured(a), mesh=MESH, in_specs=P(), out_specs=P())(X)),
    (ValueError, "tree prefix", lambda: xform.shard_map(
        lambda a: a, mesh=MESH, in_specs=P("x"), out_specs=(P("x"), P()))(X)),
    (ValueError, "pmap .* inside a program over a mesh", lambda: xform.jit(
        lambda a: xform.pmap(lambda v: v)(OURS.captured(a)))(X)),
])
def test_errors(error, message, run):
    with pytest.raises(error, match=message):
        run()
