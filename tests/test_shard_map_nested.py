"""shard_map over some axes of a mesh, and one inside another over other axes: values, derivatives, callbacks; jax is the oracle."""
import jax
import numpy
import pytest

import xform
import xform.numpy as np

X = numpy.random.default_rng(0).normal(size=(8, 8)).astype(numpy.float32)
MESH = xform.make_mesh((2, 4), ("x", "y"))
JAX_MESH = jax.sharding.Mesh(numpy.array(jax.devices()[:8]).reshape(2, 4), ("x", "y"))


def programs(lib, np, mesh):
    """Return functions mapped over some axes of a mesh, written against one library."""
    lax, P = lib.lax, lib.sharding.PartitionSpec

    def over(axis, f, out=None):
        return lib.jit(lib.shard_map(f, mesh=mesh, in_specs=P(axis), out_specs=P(axis) if out is None else out, axis_names={axis}))

    columns = P(None, "y")

    def nested(a):
        return lib.shard_map(lambda b: b - lax.psum(b, ("x", "y")) * lax.axis_index("x"), in_specs=columns, out_specs=columns,
                             axis_names={"y"})(a) + lax.pmean(a, "x")

    def gathering(a):
        return lib.shard_map(lambda b: lax.all_gather(b, "y", axis=1, tiled=True) + lax.axis_index("y"), in_specs=columns,
                             out_specs=columns, axis_names={"y"})(a)

    def drawn(a):
        return a + lib.random.normal(lib.random.fold_in(lib.random.key(0), lax.axis_index("y")), a.shape)
    return {
        "sum": over("x", lambda a: a - lax.psum(a, "x")), "gather": over("y", lambda a: lax.all_gather(a, "y"), P(None, "y")),
        "exchange": over("y", lambda a: lax.all_to_all(a, "y", 1, 0, tiled=True)),
        "ring": over("y", lambda a: lax.ppermute(a, "y", [(0, 1), (1, 2), (2, 3), (3, 0)]) * lax.axis_index("y")),
        "loop": over("y", lambda a: lax.fori_loop(0, 10, lambda i, c: c * 0.5 + lax.psum(c, "y"), a)),
        "solve": over("y", lambda a: np.linalg.inv(a.T @ a + np.eye(8))), "keys": over("y", drawn),
        "nested": over("x", nested), "nested-gather": over("x", gathering),
        "grad": lib.jit(lib.grad(lambda a: lib.shard_map(lambda a: lax.pmean(np.mean(np.tanh(a) ** 2), "x"), mesh=mesh, in_specs=P("x"),
                                                         out_specs=P(), axis_names={"x"})(a))),
        "grad-inside": lib.jit(lib.shard_map(lambda w, a: lib.grad(lambda w: np.mean(np.tanh(a @ w) ** 2))(w), mesh=mesh, in_specs=(
            P(), P("x")), out_specs=P(), axis_names={"x"}))}


OURS, THEIRS = programs(xform, np, MESH), programs(jax, jax.numpy, JAX_MESH)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("spec", [None, ("y", "x")])
def test_values_are_those_of_jax(name, spec):
    given, expected = X, X
    if spec is not None:
        given = xform.device_put(X, xform.sharding.NamedSharding(MESH, xform.P(*spec)))
        expected = jax.device_put(X, jax.sharding.NamedSharding(JAX_MESH, jax.sharding.PartitionSpec(*spec)))
    ours, theirs = (f(*[x] * (2 if name == "grad-inside" else 1)) for f, x in ((OURS[name], given), (THEIRS[name], expected)))
    numpy.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


def test_a_derivative_through_both():
    P = xform.P

    def summed(b):
        return xform.lax.psum(np.sin(b), "y")

    def outer(a):
        rows = xform.shard_map(summed, in_specs=P(None, "y"), out_specs=P(), axis_names={"y"})(a)
        return xform.lax.psum(rows.sum(), "x")
    total = xform.shard_map(outer, mesh=MESH, in_specs=P("x"), out_specs=P(), axis_names={"x"})
    numpy.testing.assert_allclose(xform.jit(xform.grad(total))(X), numpy.cos(X), rtol=1e-5)
    numpy.testing.assert_allclose(xform.jit(xform.vmap(total))(numpy.stack([X, 2 * X])), [numpy.sin(X).sum(), numpy.sin(2 * X).sum()],
                                  rtol=1e-4)


def test_dimensions_in_place_of_specs():
    with MESH:
        halves = xform.jit(xform.smap(lambda a, b: a - xform.lax.psum(a, "x") + b, in_axes=(1, None), out_axes=1, axis_name="x"))
        numpy.testing.assert_allclose(halves(X, 1.0), X - numpy.tile(X[:, :4] + X[:, 4:], 2) + 1, rtol=1e-5, atol=1e-5)
        with pytest.raises(TypeError, match="in_axes must be an int, None"):
            xform.smap(lambda a: a, in_axes="x", out_axes=0, axis_name="x")


def test_constraints_along_other_axes_change_no_value():
    def f(a):
        return xform.lax.with_sharding_constraint(a * 2, xform.P(None, "x")) - xform.lax.psum(a, "y")
    with MESH:
        made = xform.jit(xform.shard_map(f, in_specs=xform.P("y"), out_specs=xform.P("y"), axis_names={"y"}))(X)
    numpy.testing.assert_allclose(made, 2 * X - numpy.tile(X.reshape(4, 2, 8).sum(0), (4, 1)), rtol=1e-5, atol=1e-5)


def test_devices_that_do_the_same_tell_it_once():
    seen = []

    def f(a):
        xform.debug.callback(lambda v, i: seen.append((int(i), float(v))), a.sum(), xform.lax.axis_index("x"))
        return a
    xform.shard_map(f, mesh=MESH, in_specs=xform.P("x"), out_specs=xform.P("x"), axis_names={"x"})(X)
    assert [i for i, _ in sorted(seen)] == [0, 1]
    numpy.testing.assert_allclose([v for _, v in sorted(seen)], X.reshape(2, 32).sum(1), rtol=1e-4)


def test_what_is_refused():
    P = xform.P
    with pytest.raises(ValueError, match="'x' is taken"):
        xform.shard_map(lambda a: xform.shard_map(lambda b: b, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})(a), mesh=MESH,
                        in_specs=P("x"), out_specs=P("x"), axis_names={"x"})(X)
    other = xform.make_mesh((8,), ("z",))
    with pytest.raises(ValueError, match="uses the same mesh"):
        xform.shard_map(lambda a: xform.shard_map(lambda b: b, mesh=other, in_specs=P("z"), out_specs=P("z"))(a), mesh=MESH,
                        in_specs=P("x"), out_specs=P("x"), axis_names={"x"})(X)
