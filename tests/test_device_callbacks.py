"""Callbacks in programs over several devices: who calls, with what, and what becomes of errors; jax is the oracle."""
import jax
import numpy
import pytest

import xform
import xform.numpy as np
from xform.experimental import io_callback
from xform.sharding import NamedSharding, P

X = numpy.arange(16, dtype=numpy.float32).reshape(8, 2)
MESH = xform.make_mesh((8,), ("i",))
ROWS = NamedSharding(MESH, P("i"))
JAX_ROWS = jax.sharding.NamedSharding(jax.sharding.Mesh(numpy.array(jax.devices()[:8]), ("i",)), jax.sharding.PartitionSpec("i"))
SEEN: list = []


@pytest.fixture(autouse=True)
def forget():
    SEEN.clear()


def see(*values):
    SEEN.append(values)


def told(lib, run, *arguments):
    """Run a program; return its result and what it has shown."""
    SEEN.clear()
    result = lib.block_until_ready(run(*arguments))
    lib.effects_barrier()
    return result, sorted([numpy.asarray(v).ravel().tolist() for v in values] for values in SEEN)


def program(lib, np, rows):
    """Return programs over eight devices that show what they compute, written against one library."""
    lax, P = lib.lax, lib.sharding.PartitionSpec

    def mapped(x):
        lib.debug.callback(see, x, lax.axis_index("i"))
        return x + lib.pure_callback(numpy.sin, lib.ShapeDtypeStruct(x.shape, x.dtype), x) + lax.psum(x, "i")

    def whole(x):
        lib.debug.callback(see, x.sum(), x)
        return lib.pure_callback(lambda v: (numpy.sin(v), numpy.cos(v)), (lib.ShapeDtypeStruct(x.shape, x.dtype),) * 2, x), x * 2

    def parts(x):
        lib.debug.callback(see, x, partitioned=True)
        return x + 1

    def loop(x):
        def body(i, c):
            lib.debug.callback(see, i, c.sum())
            return c * 2
        return lax.fori_loop(0, 3, body, x)

    def slope(x):
        y = np.sin(x)
        lib.debug.callback(see, y.sum())
        return np.sum(y * y)

    def beside(x):
        lib.debug.callback(see, x)
        return lib.pmap(lambda v: v - lax.psum(v, "i"), axis_name="i")(x)

    def batch(x):
        return lib.vmap(lambda v: lib.pure_callback(numpy.sin, lib.ShapeDtypeStruct(v.shape, v.dtype), v, vmap_method="expand_dims"))(x)
    return {"pmap": lib.pmap(mapped, axis_name="i"), "jit": lib.jit(whole), "parts": lib.jit(parts), "loop": lib.jit(loop),
            "grad": lib.jit(lib.grad(slope)), "batch": lib.jit(batch), "beside": lib.jit(beside),
            "shard_map": lib.shard_map(mapped, mesh=rows.mesh, in_specs=P("i"), out_specs=P("i"))}


@pytest.mark.parametrize("name", ["pmap", "jit", "parts", "loop", "grad", "batch", "beside", "shard_map"])
def test_calls_are_those_of_jax(name):
    plain = name in ("pmap", "beside")
    ours = told(xform, program(xform, np, ROWS)[name], X if plain else xform.device_put(X, ROWS))
    theirs = told(jax, program(jax, jax.numpy, JAX_ROWS)[name], X if plain else jax.device_put(X, JAX_ROWS))
    for one, other in zip(xform.tree.leaves(ours[0]), jax.tree.leaves(theirs[0]), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-5)
    assert len(ours[1]) == len(theirs[1])
    for one, other in zip(ours[1], theirs[1]):
        for a, b in zip(one, other, strict=True):
            numpy.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_chosen_device_calls():
    shape = xform.ShapeDtypeStruct(X.shape, "float32")

    def f(x, sharding):
        return io_callback(lambda v: v * 2, shape, x, sharding=sharding) + 1
    x = xform.device_put(X, ROWS)
    third = xform.sharding.SingleDeviceSharding(xform.devices()[3])
    function = xform.jit(lambda x: f(x, third))
    numpy.testing.assert_array_equal(function(x), 2 * X + 1)
    assert "maximal device=3" in function.lower(x).compile()._program.staged.module.text()
    with pytest.raises(ValueError, match="not among those of the program"):
        xform.jit(lambda x: f(x, third))(xform.device_put(X, NamedSharding(xform.make_mesh((2,), ("i",)), P("i"))))
    with pytest.raises(NotImplementedError, match="must be a SingleDeviceSharding"):
        xform.jit(lambda x: f(x, ROWS))(x)


@pytest.mark.parametrize("run", [lambda f: xform.pmap(lambda x: xform.lax.psum(f(x), "i"), axis_name="i"),
                                 lambda f: xform.jit(lambda x: f(x).sum())])
def test_an_error_ends_the_program_on_all_devices(run):
    def fails(x):
        if x.ravel()[0] == 0:
            raise KeyError("mine")
        return x

    def f(x):
        return xform.pure_callback(fails, xform.ShapeDtypeStruct(x.shape, x.dtype), x)
    function = run(f)
    with pytest.raises(KeyError, match="mine"):
        function(xform.device_put(X, ROWS))
    assert numpy.isfinite(numpy.asarray(function(xform.device_put(X + 1, ROWS)))).all()


def test_what_is_refused():
    shape = xform.ShapeDtypeStruct((2,), "float32")
    with pytest.raises(ValueError, match="ordered=True inside pmap"):
        xform.pmap(lambda x: xform.debug.print("{}", x, ordered=True))(X)
    with pytest.raises(NotImplementedError, match="beside a pmap in one program"):
        xform.jit(lambda x: xform.pmap(lambda v: v * 2)(x) + io_callback(lambda v: v, shape, x[0]))(X)
    again = xform.pmap(lambda v: xform.lax.psum(v, "i"), axis_name="i")
    with pytest.raises(RuntimeError, match="cannot run another program over several devices"):
        xform.pmap(lambda x: xform.pure_callback(lambda v: numpy.asarray(again(X))[0], shape, x))(X)
