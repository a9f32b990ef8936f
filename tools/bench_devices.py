"""The rows of the benchmark over several virtual CPU devices: pmap, collectives, and training and products over a mesh."""
import bench_programs as programs
from bench_rows import library, median_time


def pmap_call(side, repetitions):
    """psum over 4 virtual CPU devices"""
    lib, np = library(side)

    def f(x):
        return x / lib.lax.psum(x, "i")
    mapped = lib.pmap(f, axis_name="i")
    x = mapped(np.ones((4, 8)))
    return median_time(lambda: lib.block_until_ready(mapped(x)), repetitions, 50)


def pmap_overhead(side, repetitions):
    """call of a pmap without communication, 8 devices"""
    lib, np = library(side)
    mapped = lib.pmap(lambda x: x + 1)
    x = mapped(np.ones((8, 4)))
    return median_time(lambda: lib.block_until_ready(mapped(x)), repetitions, 50)


def psum_megabyte(side, repetitions):
    """psum of 1 MB on each of 8 devices"""
    lib, np = library(side)
    mapped = lib.pmap(lambda x: lib.lax.psum(x, "i"), axis_name="i")
    x = mapped(np.ones((8, 1 << 18)))
    return median_time(lambda: lib.block_until_ready(mapped(x)), repetitions, 3)


def _mesh(lib, shape, names):
    from importlib import import_module
    sharding = import_module(f"{lib.__name__}.sharding")
    types = {} if lib.__name__ == "xform" else {"axis_types": (sharding.AxisType.Auto,) * len(shape)}
    mesh = lib.make_mesh(shape, names, **types)
    return lambda *spec: sharding.NamedSharding(mesh, sharding.PartitionSpec(*spec))


def _step(lib, np):
    loss, params, inputs, targets = programs.network(np, batch=512)

    def step(params, inputs, targets):
        gradient = lib.grad(loss)(params, inputs, targets)
        return lib.tree_util.tree_map(lambda p, g: p - 0.1 * g, params, gradient)
    return step, params, inputs, targets


def sharded_step(side, repetitions):
    """training step of the 4-layer network, jit over data cut 8 ways"""
    lib, np = library(side)
    on = _mesh(lib, (8,), ("data",))
    step, params, inputs, targets = _step(lib, np)
    step = lib.jit(step)
    params, inputs, targets = lib.device_put(params, on()), lib.device_put(inputs, on("data")), lib.device_put(targets, on("data"))
    return median_time(lambda: lib.block_until_ready(step(params, inputs, targets)), repetitions, 3)


def _scaled(count):
    def row(side, repetitions):
        lib, np = library(side)
        on = _mesh(lib, (count,), ("data",))
        step, params, inputs, targets = _step(lib, np)
        step = lib.jit(step)
        params = lib.device_put(params, on())
        inputs, targets = lib.device_put(inputs, on("data")), lib.device_put(targets, on("data"))
        return median_time(lambda: lib.block_until_ready(step(params, inputs, targets)), repetitions, 3)
    row.__name__ = f"scaled_step_{count}"
    row.__doc__ = f"training step of the 4-layer network on a batch of 512 cut {count} ways"
    return row


def _scaled_sum(count):
    def row(side, repetitions):
        lib, np = library(side)
        mapped = lib.pmap(lambda x: lib.lax.psum(x, "i"), axis_name="i")
        x = mapped(np.ones((count, 1 << 18)))
        return median_time(lambda: lib.block_until_ready(mapped(x)), repetitions, 3)
    row.__name__ = f"scaled_psum_{count}"
    row.__doc__ = f"psum of 1 MB on each of {count} devices"
    return row


def sharded_matmul(side, repetitions):
    """product of 512 x 512 matrices over a 2 x 4 mesh"""
    lib, np = library(side)
    on = _mesh(lib, (2, 4), ("x", "y"))
    a = lib.device_put(np.ones((512, 512)), on("x", None))
    b = lib.device_put(np.ones((512, 512)), on(None, "y"))
    product = lib.jit(lambda a, b: a @ b)
    return median_time(lambda: lib.block_until_ready(product(a, b)), repetitions, 5)


def sharded_call(side, repetitions):
    """call of a jit over an array cut 8 ways"""
    lib, np = library(side)
    on = _mesh(lib, (8,), ("i",))
    f = lib.jit(lambda x: x + 1)
    x = f(lib.device_put(np.ones((8, 4)), on("i")))
    return median_time(lambda: lib.block_until_ready(f(x)), repetitions, 50)


DEVICE_ROWS = {pmap_call: 4, pmap_overhead: 8, psum_megabyte: 8, sharded_call: 8, sharded_matmul: 8, sharded_step: 8,
               **{_scaled(count): count for count in (1, 2, 4, 8)}, **{_scaled_sum(count): count for count in (1, 2, 4)}}
