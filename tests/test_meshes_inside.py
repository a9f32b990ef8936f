"""Meshes that a transformed function makes itself, of devices(), as options and as data."""
import numpy
import pytest

import xform as jax
import xform.numpy as np
from xform.errors import TransformError
from xform.sharding import Mesh, NamedSharding, P

X = numpy.arange(8, dtype="float32")


def mapped(x):
    mesh = Mesh(numpy.array(jax.devices()), ("i",))
    return jax.shard_map(lambda v: jax.lax.psum(v * v, "i"), mesh=mesh, in_specs=P("i"), out_specs=P())(x).sum()


def mapped_by_steps(x):
    devices = jax.devices()[:4]
    grid = numpy.asarray(devices).reshape((2, 2))
    mesh = Mesh(grid, axis_names=("a", "b"))
    spec = P("a") if len(devices) == 4 else P("b")
    total = jax.shard_map(lambda v: jax.lax.psum((v * v).sum(), ("a", "b")) / mesh.shape["b"], mesh=mesh, in_specs=P("a"), out_specs=P())
    return total(jax.device_put(x, NamedSharding(mesh, spec)))


def mapped_within(x):
    count = len(jax.devices()) // 2
    mesh = jax.make_mesh((2, count), ("a", "b"))
    rows = P(("a", "b"))

    def inner(v):
        return jax.shard_map(lambda part: part * part, mesh=mesh, in_specs=rows, out_specs=rows)(v)
    return inner(x).sum()


def over(x, mesh, spec):
    return jax.shard_map(lambda part: part * part, mesh=mesh, in_specs=spec, out_specs=spec)(x).sum()


def mapped_by_another(x):
    mesh = Mesh(numpy.array(jax.devices()[::-1]), "i")
    return over(x, mesh, P("i"))


def compiled(x):
    mesh = Mesh(numpy.array(jax.devices()).reshape(4, 2), ("i", "j"))
    rows = NamedSharding(mesh, P("i"))
    return jax.jit(lambda v: v * v, in_shardings=rows, out_shardings=NamedSharding(mesh, P("j")))(x).sum()


def constrained(x):
    mesh = Mesh(numpy.array([d for d in jax.devices() if d.id >= 4]), ("i",))
    return (jax.lax.with_sharding_constraint(x, NamedSharding(mesh, P("i"))) * x).sum()


def moved(x):
    mesh = Mesh(numpy.array(jax.devices()[4:]).reshape(2, 2), ("i", "j"))
    return (jax.device_put(x, NamedSharding(mesh, P("j"))) ** 2).sum()


@pytest.mark.parametrize("function", [mapped, mapped_by_steps, mapped_within, mapped_by_another, compiled, constrained, moved])
def test_a_mesh_made_inside(function):
    expected, slope, batch = (X * X).sum(), 2 * X, numpy.stack([X, 2 * X])
    numpy.testing.assert_allclose(function(X), expected, rtol=1e-6)
    numpy.testing.assert_allclose(jax.jit(function)(X), expected, rtol=1e-6)
    numpy.testing.assert_allclose(jax.grad(function)(X), slope, rtol=1e-6)
    numpy.testing.assert_allclose(jax.jit(jax.grad(function))(X), slope, rtol=1e-6)
    numpy.testing.assert_allclose(jax.jvp(function, (X,), (X,))[1], slope @ X, rtol=1e-6)
    numpy.testing.assert_allclose(jax.vmap(function)(batch), [expected, 4 * expected], rtol=1e-6)
    numpy.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(function)))(batch), 2 * batch, rtol=1e-6)
    numpy.testing.assert_allclose(jax.hessian(function)(X), 2 * numpy.eye(8), rtol=1e-6)


def test_it_is_written_as_a_mesh():
    text = jax.source(jax.grad(moved))
    assert "    mesh = rt.make_mesh((2, 2), ('i', 'j'), devices=rt.devices_by_id('cpu', (4, 5, 6, 7)))" in text
    assert "rt.device_put(x, rt.NamedSharding(mesh, rt.P('j')))" in text
    assert "rt.make_mesh((8,), ('i',))" in jax.source(jax.jit(mapped))


def test_devices_make_an_array_of_numpys():
    found = numpy.array(jax.devices()).reshape(2, 4)
    assert np.array(found.tolist()).tolist() == np.asarray(found).tolist() == found.tolist()
    assert np.array(numpy.array(True)) and np.array([numpy.array(2.0)]).shape == (1,) and np.array([[]]).shape == (1, 0)
    for wrong in ([object()], numpy.array([], object), numpy.array(object())):
        with pytest.raises(TypeError, match="not a valid array element type"):
            np.array(wrong)


def test_a_mesh_that_depends_on_an_argument_is_refused():
    def depends(x, names):
        mesh = Mesh(numpy.array(jax.devices()), names)
        return jax.shard_map(lambda v: v, mesh=mesh, in_specs=P("i"), out_specs=P("i"))(x).sum()
    with pytest.raises(TransformError, match="mesh must be known when the function is transformed"):
        jax.grad(depends)(X, ("i",))


def grid(*names, shape=(2, 4)):
    """A mesh of all devices."""
    found = numpy.array(jax.devices()[:8])
    return Mesh(found.reshape(shape), names)


def placed(lib, *axes):
    return lib.sharding.NamedSharding(grid("x", "y"), lib.sharding.PartitionSpec(*axes))


def test_functions_that_make_meshes_and_shardings():
    inner = jax.grad(lambda a: jax.jit(lambda a: np.sum(a ** 2), in_shardings=placed(jax, "x"))(a))
    numpy.testing.assert_allclose(inner(X), 2 * X)
    both = jax.jit(lambda a: jax.jit(lambda b: b * 2, out_shardings=placed(jax, "y"))(a) + 1, in_shardings=placed(jax, "x"))
    numpy.testing.assert_allclose(both(X), 2 * X + 1)
    total = jax.grad(lambda a: jax.shard_map(lambda v: jax.lax.psum((v * v).sum(), "x"), mesh=grid("x", "y", shape=(4, 2)), in_specs=P("x"),
                                             out_specs=P())(a))
    numpy.testing.assert_allclose(total(X), 2 * X)


def test_inside_a_program_parts_may_be_of_unequal_size():
    def uneven(x):
        return jax.lax.with_sharding_constraint(x * 2, placed(jax, "y"))
    found = jax.jit(uneven)(X[:7])
    assert found.shape == (7,)
    numpy.testing.assert_allclose(found, 2 * X[:7])
    numpy.testing.assert_allclose(jax.jit(jax.grad(lambda x: uneven(x).sum()))(X[:7]), numpy.full(7, 2))
    with pytest.raises(ValueError, match="not divisible by 4"):
        uneven(X[:7])


def test_layouts_of_every_kind_as_data():
    seen = []

    def told(x):
        xform_sharding = jax.sharding.SingleDeviceSharding(jax.devices()[3])
        y = jax.pure_callback(lambda v: (seen.append(v.shape), 2 * v)[1], jax.ShapeDtypeStruct((8,), "float32"), x, sharding=xform_sharding)
        free = P(P.UNCONSTRAINED, ("x", "y"))
        z = jax.lax.with_sharding_constraint(y.reshape(1, 8), NamedSharding(grid("x", "y"), free))
        return jax.device_put(z, jax.sharding.SingleDeviceSharding(jax.devices()[0])) if x.ndim > 1 else z
    numpy.testing.assert_allclose(jax.jit(told)(jax.device_put(X, placed(jax, "x"))), 2 * X[None])
    assert seen == [(8,)]
