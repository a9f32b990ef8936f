"""Meshes without devices, reshard, auto_axes and explicit_axes, and where results lie by ``out_sharding=``, compared with jax."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
from runtime.ops.kernel import about_types
from xform.sharding import (AbstractMesh, AxisType, Mesh, NamedSharding, P, auto_axes, explicit_axes, get_abstract_mesh, reshard,
                            use_abstract_mesh)

X = numpy.arange(32, dtype=numpy.float32).reshape(8, 4)


@about_types
def manual_axes(*names):
    """Tell whether these are the axes that the shard_map here is over."""
    return int(get_abstract_mesh().manual_axes == names)


def meshes(kind="Auto"):
    """Ours and jax's of the same axes."""
    return [lib.make_mesh((4, 2), ("x", "y"), (getattr(lib.sharding.AxisType, kind),) * 2) for lib in (xform, jax)]


def test_an_abstract_mesh_is_as_in_jax():
    # jax 0.11 makes axes Explicit where no types are given
    made = [lib.sharding.AbstractMesh((4, 2), ("x", "y"), (lib.sharding.AxisType.Auto,) * 2) for lib in (xform, jax)]
    for ask in ("shape", "shape_tuple", "axis_names", "axis_sizes", "size", "empty", "are_all_axes_auto", "auto_axes", "manual_axes"):
        assert getattr(made[0], ask) == getattr(made[1], ask), ask
    for mesh in made:
        other = mesh.update(axis_sizes=(2, 4))
        assert other.shape_tuple == (("x", 2), ("y", 4)) and other != mesh
        assert mesh.update_axis_types({"x": type(mesh.axis_types[0]).Explicit}).explicit_axes == ("x",)
        with pytest.raises(ValueError, match="devices"):
            mesh.devices
    assert repr(made[0]) == repr(made[1])
    assert made[0] == AbstractMesh((4, 2), ("x", "y")) and hash(made[0]) == hash(AbstractMesh((4, 2), ("x", "y")))
    with pytest.raises(ValueError, match="same length"):
        AbstractMesh((4,), ("x", "y"))
    for lib in (xform, jax):
        with pytest.raises(ValueError, match="type"):
            lib.sharding.use_abstract_mesh(3).__enter__()
        abstract = lib.sharding.NamedSharding(lib.sharding.AbstractMesh((4,), ("x",)), lib.sharding.PartitionSpec(None, "x"))
        assert abstract.shard_shape((3, 8)) == (3, 2) and abstract.num_devices == 4 and not abstract.is_fully_replicated
        with pytest.raises(ValueError, match="AbstractMesh"):
            abstract.device_set


def test_the_abstract_mesh_of_a_mesh_and_in_context():
    ours, theirs = meshes("Explicit")
    assert repr(ours.abstract_mesh) == repr(theirs.abstract_mesh)
    assert ours != meshes()[0] and ours == ours.update() and ours.update(axis_names=("a", "b")).axis_names == ("a", "b")
    assert ours.are_all_axes_explicit and ours.local_mesh is ours and not ours.is_scalar
    assert get_abstract_mesh().empty
    with xform.set_mesh(ours):
        assert get_abstract_mesh() == ours.abstract_mesh
        with use_abstract_mesh(AbstractMesh((2,), ("z",))) as inner:
            assert get_abstract_mesh() is inner
        made = xform.shard_map(lambda x: x * manual_axes("x"), in_specs=P("x"), out_specs=P("x"), axis_names={"x"})(X)
        numpy.testing.assert_array_equal(made, X)
    with pytest.raises(NotImplementedError, match="Manual"):
        Mesh(numpy.array(xform.devices()), "x", (AxisType.Manual,))
    with pytest.raises(TypeError, match="AxisType"):
        Mesh(numpy.array(xform.devices()), "x", ("a",))


def test_shardings_over_an_abstract_mesh_mean_the_mesh_in_context():
    abstract = AbstractMesh((4, 2), ("x", "y"))
    spread = NamedSharding(abstract, P("x"))
    f = xform.jit(lambda x: xform.lax.with_sharding_constraint(x * 2, spread))
    with pytest.raises(ValueError, match="has no devices, and there is no mesh in context"):
        f(X)
    mesh = meshes()[0]
    with xform.set_mesh(mesh):
        assert f(X).sharding == NamedSharding(mesh, P("x")) == xform.device_put(X, spread).sharding
    double = xform.shard_map(lambda x: x * 2, mesh=abstract, in_specs=P("x"), out_specs=P("x"))
    with pytest.raises(ValueError, match="shard_map.*has no devices"):
        double(X)
    numpy.testing.assert_array_equal(double(xform.device_put(X, NamedSharding(mesh, P("x")))), 2 * X)
    nested = xform.shard_map(lambda x: xform.shard_map(lambda v: v - xform.lax.psum(v, "y"), mesh=get_abstract_mesh(),
                                                       in_specs=P(None, "y"), out_specs=P(None, "y"), axis_names={"y"})(x),
                             mesh=mesh, in_specs=P("x"), out_specs=P("x"), axis_names={"x"})
    with xform.set_mesh(mesh):
        made = xform.jit(nested)(X)
    halves = X.reshape(8, 2, 2)
    numpy.testing.assert_array_equal(made, (halves - halves.sum(1, keepdims=True)).reshape(8, 4))


def test_reshard_and_its_derivative():
    mesh = meshes("Explicit")[0]
    with xform.set_mesh(mesh):
        assert reshard(X, P("x")).sharding.spec == xform.reshard(X, P("x")).sharding.spec == P("x")
        pair = reshard((X, {"a": X[0]}), (P("x", "y"), P("y")))
        assert pair[0].sharding.spec == P("x", "y") and pair[1]["a"].sharding.spec == P("y")
        slope = xform.jit(xform.grad(lambda x: np.sum(reshard(x, P("x")) ** 2)))(X)
        numpy.testing.assert_array_equal(slope, 2 * X)
        numpy.testing.assert_array_equal(xform.vmap(lambda x: reshard(x, P("y")) + 1)(X), X + 1)
    for lib in (xform, jax):
        with pytest.raises(ValueError, match="mesh"):
            lib.sharding.reshard(X, lib.sharding.PartitionSpec("x"))
        with pytest.raises(TypeError, match="only supports instances"):
            lib.sharding.reshard(X, "x")


def test_auto_and_explicit_axes():
    ours, theirs = meshes("Explicit")
    for lib, mesh, number in ((xform, ours, np), (jax, theirs, jnp)):
        spec = lib.sharding.PartitionSpec
        with lib.set_mesh(mesh):
            x = lib.sharding.reshard(X, spec("x", "y"))
            product = lib.sharding.auto_axes(lambda a, b: a @ b, out_sharding=spec("x"))
            assert product(x, x.T).sharding.spec[0] == "x"
            later = lib.sharding.auto_axes(lambda a, b: a @ b)
            assert later(x, x.T, out_sharding=spec(None, "x")).sharding.spec == spec(None, "x")
            with pytest.raises(TypeError, match="Missing required keyword argument: 'out_sharding'"):
                later(x, x.T)
            assert lib.jit(product)(x, x.T).sharding.spec[0] == "x"
            numpy.testing.assert_array_equal(product(x, x.T), X @ X.T)
            if lib is xform:
                numpy.testing.assert_allclose(lib.grad(lambda a: number.sum(product(a, x.T) ** 2))(x), 2 * (X @ X.T) @ X, rtol=1e-5)
    with xform.set_mesh(ours):
        @explicit_axes(axes=("x",), in_sharding=P("x"))
        def twice(x):
            return 2 * x

        @auto_axes(out_sharding=P("y"))
        def thrice(x):
            return 3 * x
        numpy.testing.assert_array_equal(xform.jit(lambda x: thrice(twice(x)))(X), 6 * X)
        assert twice(X).sharding.spec == P("x") and thrice(X).sharding.spec == P("y")


CALLS = {
    "zeros": lambda lib, np, s: np.zeros((8, 4), out_sharding=s), "ones": lambda lib, np, s: np.ones((8, 4), out_sharding=s),
    "full": lambda lib, np, s: np.full((8, 4), 2.0, out_sharding=s), "arange": lambda lib, np, s: np.arange(8, out_sharding=s),
    "array": lambda lib, np, s: np.array(X, out_sharding=s), "asarray": lambda lib, np, s: np.asarray(X, out_sharding=s),
    "zeros_like": lambda lib, np, s: np.zeros_like(X, out_sharding=s),
    "dot": lambda lib, np, s: np.dot(X, X.T, out_sharding=s), "matmul": lambda lib, np, s: np.matmul(X, X.T, out_sharding=s),
    "einsum": lambda lib, np, s: np.einsum("ij,kj->ik", X, X, out_sharding=s),
    "tensordot": lambda lib, np, s: np.tensordot(X, X.T, 1, out_sharding=s),
    "reshape": lambda lib, np, s: np.reshape(X, (16, 2), out_sharding=s),
    "method": lambda lib, np, s: np.asarray(X).reshape((16, 2), out_sharding=s),
    "ravel": lambda lib, np, s: np.ravel(X, out_sharding=s), "repeat": lambda lib, np, s: np.repeat(X, 2, 0, out_sharding=s),
    "broadcast_to": lambda lib, np, s: np.broadcast_to(X[0], (8, 4), out_sharding=s),
    "at": lambda lib, np, s: np.asarray(X).at[np.arange(8)].get(out_sharding=s),
    "iota": lambda lib, np, s: lib.lax.broadcasted_iota("int32", (8, 4), 0, out_sharding=s),
    "dot_general": lambda lib, np, s: lib.lax.dot_general(X, X, (((1,), (1,)), ((), ())), out_sharding=s),
    "normal": lambda lib, np, s: lib.random.normal(lib.random.key(0), (8, 4), out_sharding=s),
    "uniform": lambda lib, np, s: lib.random.uniform(lib.random.key(0), (8, 4), out_sharding=s),
    "randint": lambda lib, np, s: lib.random.randint(lib.random.key(0), (8, 4), 0, 9, out_sharding=s),
    "bernoulli": lambda lib, np, s: lib.random.bernoulli(lib.random.key(0), 0.5, (8, 4), out_sharding=s),
    "truncated_normal": lambda lib, np, s: lib.random.truncated_normal(lib.random.key(0), -1, 1, (8, 4), out_sharding=s),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_lie_as_out_sharding_says(name):
    ours, theirs = meshes("Explicit")
    call = CALLS[name]
    with jax.set_mesh(theirs):
        expected = call(jax, jnp, jax.sharding.PartitionSpec("x"))
    with xform.set_mesh(ours):
        spec = P("x")
        for made in (call(xform, np, spec), xform.jit(lambda: call(xform, np, spec))(), call(xform, np, NamedSharding(ours, spec))):
            assert made.sharding.is_equivalent_to(NamedSharding(ours, spec), made.ndim) and made.dtype == expected.dtype
            numpy.testing.assert_allclose(made, expected, rtol=1e-6)
    assert name == "asarray" or expected.sharding.spec[0] == "x"    # jax leaves what is a NumPy array where it is


def test_out_sharding_under_derivatives_and_vmap():
    mesh = meshes()[0]
    spread = NamedSharding(mesh, P("x"))
    loss = lambda w, x: np.sum(np.tanh(np.dot(x, w, out_sharding=spread)) ** 2)
    plain = lambda w, x: np.sum(np.tanh(np.dot(x, w)) ** 2)
    w = numpy.linspace(-1, 1, 12, dtype=numpy.float32).reshape(4, 3) / 9
    numpy.testing.assert_allclose(xform.jit(xform.grad(loss))(w, X), xform.grad(plain)(w, X), rtol=1e-5)
    assert "placed" in xform.source(xform.grad(loss))
    batched = xform.jit(xform.vmap(lambda x: np.dot(x, w, out_sharding=spread), in_axes=1))(numpy.stack([X, 2 * X], 1))
    numpy.testing.assert_allclose(batched, numpy.stack([X @ w, 2 * X @ w]), rtol=1e-5)
    assert batched.sharding.spec[1] == "x"


@pytest.mark.parametrize("kind", ["none", "Auto", "Explicit"])
def test_the_sharding_of_a_type_is_that_of_jax(kind):
    seen = []
    for lib, number, mesh in zip((xform, jax), (np, jnp), meshes(kind) if kind != "none" else (None, None)):
        own = lib.sharding
        x = number.asarray(X)
        values = [x, 1.5, X[0], lib.random.key(0)]
        if mesh is not None:
            values += [lib.device_put(x, own.NamedSharding(mesh, spec)) for spec in (own.PartitionSpec("x"), own.PartitionSpec(None, ("y",)),
                                                                                     own.PartitionSpec(("x", "y")))]
        types = [lib.typeof(value) for value in values]
        found = [(repr(t.sharding), t.sharding.is_fully_replicated, t.sharding.mesh.empty, t.sharding.spec == own.PartitionSpec(None, None))
                 for t in types]
        found += [[a == b for a in types] for b in types] + [types[0] == x.aval, len(set(types)) > 1]
        inside = lambda x: x * len(lib.typeof(x).sharding.spec)
        if kind != "Explicit":      # there, what has been put is of a type that we have no word for: see below
            found += [float(lib.jit(inside)(v)[0, 0]) for v in (x + 1, *[v + 1 for v in values[4:]])]
        found.append(float(lib.vmap(inside)(x + 1)[0, 0]))
        if mesh is not None:
            with lib.set_mesh(mesh):
                found += [repr(lib.typeof(value).sharding) for value in (number.ones(3), lib.random.key(0), 1.5, X, *values[4:])]
        seen.append(found)
    assert seen[0] == seen[1]


def test_out_sharding_that_a_type_says():
    """As in jax: a type that says nothing leaves results where they are; elsewhere it puts nothing anywhere."""
    for lib, number in ((xform, np), (jax, jnp)):
        empty = lib.typeof(X).sharding
        key = lib.random.key(0)
        for made in (lib.random.normal(key, (8, 4), out_sharding=empty), number.dot(X, X.T, out_sharding=lib.typeof(X).sharding),
                     lib.jit(lambda x: number.reshape(x, (4, 8), out_sharding=lib.typeof(x).sharding))(X)):
            assert len(made.sharding.device_set) == 1
        for call in (lambda: lib.jit(lambda x: lib.lax.with_sharding_constraint(x, lib.typeof(x).sharding))(X),
                     lambda: lib.jit(lambda x: x, out_shardings=empty)(X)):
            with pytest.raises(ValueError, match="got an empty NamedSharding"):
                call()
        with pytest.raises(ValueError):
            lib.device_put(X, empty)
    mesh = meshes("Explicit")[0]
    x = xform.device_put(X, NamedSharding(mesh, P("x")))
    with xform.set_mesh(mesh):
        assert xform.random.uniform(key := xform.random.key(1), (8, 4), out_sharding=xform.typeof(x).sharding).sharding.spec == P("x", None)
        assert xform.typeof(key).sharding.mesh.explicit_axes == ("x", "y")


def test_the_sharding_of_a_type_inside_jit_over_explicit_axes_is_refused():
    mesh = meshes("Explicit")[0]
    x = xform.device_put(X, NamedSharding(mesh, P("x")))
    f = xform.jit(lambda x: x * len(xform.typeof(x).sharding.spec))
    with pytest.raises(AttributeError, match="known once XLA has compiled"):
        f(x)
    with xform.set_mesh(mesh), pytest.raises(AttributeError, match="known once XLA has compiled.*outside of jit"):
        f(x + 1)
    with pytest.raises(AttributeError, match=r"typeof\(x\)"):
        x.aval.sharding
    numpy.testing.assert_array_equal(f(X), 2 * X)
