"""Sharded arrays, computation that follows them, and jit with shardings: values and placements are those of jax."""
import jax
import numpy
import pytest
from jax.sharding import Mesh as JaxMesh
from jax.sharding import NamedSharding as JaxNamedSharding
from jax.sharding import PartitionSpec as JaxP

import xform
import xform.numpy as np
from xform.sharding import Mesh, NamedSharding, P, SingleDeviceSharding

X = numpy.arange(64, dtype=numpy.float32).reshape(8, 8) / 16
MESH = xform.make_mesh((2, 4), ("x", "y"))
JAX_MESH = JaxMesh(numpy.array(jax.devices()[:8]).reshape(2, 4), ("x", "y"))
SPECS = [(), ("x",), (None, "y"), ("y", "x"), (("x", "y"),), (("y", "x"), None), (None, ("x", "y"))]


def put(*spec, x=X, mesh=MESH):
    return xform.device_put(x, NamedSharding(mesh, P(*spec)))


@pytest.mark.parametrize("spec", SPECS)
def test_parts_lie_where_jax_puts_them(spec):
    ours, theirs = put(*spec), jax.device_put(X, JaxNamedSharding(JAX_MESH, JaxP(*spec)))
    assert ours.is_fully_replicated == theirs.is_fully_replicated and ours.is_fully_addressable
    assert len(ours.addressable_shards) == len(ours.global_shards) == 8
    for one, other in zip(sorted(ours.addressable_shards, key=lambda s: s.device.id),
                          sorted(theirs.addressable_shards, key=lambda s: s.device.id), strict=True):
        assert one.device.id == other.device.id and one.index == other.index and one.replica_id == other.replica_id
        numpy.testing.assert_array_equal(one.data, other.data)
    numpy.testing.assert_array_equal(ours, X)
    assert ours.sharding.shard_shape((8, 8)) == theirs.sharding.shard_shape((8, 8))


def test_operations_follow_their_operands():
    a, b = put("x", "y"), put("y")
    numpy.testing.assert_allclose(a @ b, X @ X, rtol=1e-6)
    assert (a + 1).sharding == a.sharding and a.T.sharding.spec == P("y", "x")
    assert np.sin(b).sharding == b.sharding and np.sum(a).sharding.is_fully_replicated
    numpy.testing.assert_array_equal(a[1], X[1])
    moved = xform.device_put(a, NamedSharding(MESH, P(None, "x")))
    assert moved.sharding.spec == P(None, "x")
    numpy.testing.assert_array_equal(moved, X)
    back = xform.device_put(moved, xform.devices()[3])
    assert back.device == xform.devices()[3] and isinstance(back.sharding, SingleDeviceSharding)
    numpy.testing.assert_array_equal(back, X)


def test_random_keys_are_cut_too():
    keys = xform.random.split(xform.random.key(3), 8)
    cut = xform.device_put(keys, NamedSharding(MESH, P("x")))
    numpy.testing.assert_array_equal(xform.random.key_data(cut), xform.random.key_data(keys))
    drawn = xform.jit(xform.vmap(lambda key: xform.random.normal(key, (3,))))(cut)
    assert len(drawn.sharding.device_set) == 8
    numpy.testing.assert_array_equal(drawn, xform.vmap(lambda key: xform.random.normal(key, (3,)))(keys))


def both(build, *arguments):
    """Run a program in both libraries; compare values and the shardings of results."""
    ours = build(xform, np, lambda *spec: NamedSharding(MESH, P(*spec)))(*arguments)
    theirs = build(jax, jax.numpy, lambda *spec: JaxNamedSharding(JAX_MESH, JaxP(*spec)))(*arguments)
    for one, other in zip(xform.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert one.sharding.shard_shape(one.shape) == other.sharding.shard_shape(other.shape)


def inner_jit(lib, one, other):
    return lib.jit(lambda a, b: {"sum": lib.jit(lambda v: v + 1, out_shardings=one)(a), "b": b},
                   out_shardings={"sum": one, "b": other})


@pytest.mark.parametrize("build", [
    lambda lib, np, on: lib.jit(lambda a, b: (a @ b, a + b), in_shardings=(on("x"), None), out_shardings=(on("y"), on())),
    lambda lib, np, on: lib.jit(lambda a, b: a @ b, in_shardings=on("x", "y"), out_shardings=on("x", "y")),
    lambda lib, np, on: lib.jit(lambda a, b: lib.lax.with_sharding_constraint(np.tanh(a * b), on("y")), out_shardings=on("y")),
    lambda lib, np, on: lib.jit(lib.grad(lambda a, b: np.sum(np.tanh(a @ lib.lax.with_sharding_constraint(b, on(None, "y")))
                                                             ** 2)), in_shardings=(on("x"), None), out_shardings=on("x")),
    lambda lib, np, on: lib.jit(lib.vmap(lambda a, b: lib.lax.with_sharding_constraint(a * b, on("x"))),
                                out_shardings=on(None, "x")),
    lambda lib, np, on: inner_jit(lib, on("x"), on("y")),
], ids=["two-results", "matmul", "constraint", "grad", "vmap", "inner-jit"])
def test_jit_with_shardings_is_as_in_jax(build):
    both(build, X, X[::-1].copy())


def test_a_step_of_training_is_the_same_however_it_is_cut():
    generator = numpy.random.default_rng(0)
    params = [(generator.normal(0, 0.3, shape).astype("f"), numpy.zeros(shape[1], "f")) for shape in ((8, 16), (16, 4))]
    images, targets = generator.normal(size=(16, 8)).astype("f"), generator.normal(size=(16, 4)).astype("f")

    def loss(params, images, targets):
        for w, b in params[:-1]:
            images = np.tanh(images @ w + b)
        w, b = params[-1]
        return np.mean((images @ w + b - targets) ** 2)

    @xform.jit
    def step(params, images, targets):
        value, gradient = xform.value_and_grad(loss)(params, images, targets)
        return xform.tree.map(lambda p, g: p - 0.1 * g, params, gradient), value
    alone, value = step(params, images, targets)
    on = lambda *spec: NamedSharding(MESH, P(*spec))
    cut = [tuple(xform.device_put(p, s) for p, s in zip(layer, shardings)) for layer, shardings in
           zip(params, [(on(None, "y"), on("y")), (on("y"), on())])]
    spread, spread_value = step(cut, xform.device_put(images, on("x")), xform.device_put(targets, on("x")))
    for one, other in zip(xform.tree.leaves(spread), xform.tree.leaves(alone), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert len(one.sharding.device_set) == 8
    numpy.testing.assert_allclose(spread_value, value, rtol=1e-6)
    assert spread[0][0].sharding.spec == P(None, "y") and spread[1][0].sharding.spec == P("y")
    text = step.lower(cut, xform.device_put(images, on("x")), xform.device_put(targets, on("x"))).compile().as_text()
    assert "all-reduce" in text


def test_source_names_meshes_and_specs():
    text = xform.source(xform.jit(lambda a: a + 1, in_shardings=NamedSharding(MESH, P("x", None))))
    assert "@rt.jit(in_shardings=rt.NamedSharding(rt.make_mesh((2, 4), ('x', 'y')), rt.P('x', None)))" in text
    inner = xform.jit(lambda a: xform.jit(lambda v: v + 1, out_shardings=NamedSharding(MESH, P("y")))(a))
    assert inner(X).sharding.spec == P("y")
    turned = Mesh(numpy.array(xform.devices()[:2][::-1]), ("i",))
    doubled = xform.jit(lambda a: a * 2, out_shardings=NamedSharding(turned, P("i")))
    assert [s.device.id for s in doubled(X).addressable_shards] == [1, 0] and "devices=" in xform.source(doubled)


def test_donated_and_ahead_of_time():
    a = put("x")
    made = xform.jit(lambda a: a + 1, donate_argnums=0)(a)
    assert a.is_deleted() and made.sharding.spec == P("x")
    compiled = xform.jit(lambda a: a @ a, in_shardings=NamedSharding(MESH, P("x"))).lower(X).compile()
    assert compiled.input_shardings[0][0].spec == P("x")
    numpy.testing.assert_allclose(compiled(X), X @ X, rtol=1e-6)


def test_arrays_of_parts():
    sharding = NamedSharding(MESH, P("x", "y"))
    made = xform.make_array_from_callback((8, 8), sharding, lambda index: X[index])
    numpy.testing.assert_array_equal(made, X)
    joined = xform.make_array_from_single_device_arrays((8, 8), sharding, [s.data for s in made.addressable_shards])
    numpy.testing.assert_array_equal(joined, X)
    numpy.testing.assert_array_equal(xform.make_array_from_process_local_data(sharding, X), X)
    with pytest.raises(ValueError, match=r"must have shape \(4, 2\)"):
        xform.make_array_from_callback((8, 8), sharding, lambda index: X)
    with pytest.raises(ValueError, match="8 arrays are needed"):
        xform.make_array_from_single_device_arrays((8, 8), sharding, [made.addressable_shards[0].data])


def test_specs_of_the_mesh_in_context():
    with MESH:
        made = xform.jit(lambda a: xform.lax.with_sharding_constraint(a + 1, P("y")), out_shardings=P("y"))(X)
    assert made.sharding == NamedSharding(MESH, P("y"))
    with pytest.raises(RuntimeError, match="with mesh:"):
        xform.lax.with_sharding_constraint(np.asarray(X), P("y"))


def test_putting_inside_a_transformed_function():
    rows = NamedSharding(MESH, P("x"))
    numpy.testing.assert_allclose(xform.grad(lambda a: np.sum(xform.device_put(a, rows) ** 2))(X), 2 * X)
    assert xform.jit(lambda a: xform.device_put(a, rows) * 2, out_shardings=rows)(X).sharding == rows
    numpy.testing.assert_allclose(xform.vmap(lambda a: xform.device_put(a, rows) * 2)(X), 2 * X)


def test_drawing(capsys):
    xform.debug.visualize_array_sharding(put("y", "x"))
    drawn = capsys.readouterr().out
    assert [line.replace("│", " ").split() for line in drawn.splitlines()[1::2]] == [
        ["CPU", "0", "CPU", "4"], ["CPU", "1", "CPU", "5"], ["CPU", "2", "CPU", "6"], ["CPU", "3", "CPU", "7"]]
    xform.debug.visualize_sharding((8,), NamedSharding(MESH, P("x")))
    assert "CPU 0,1,2,3" in capsys.readouterr().out
    with pytest.raises(ValueError, match="1 and 2 dimensions"):
        xform.debug.visualize_sharding((1, 2, 3), NamedSharding(MESH, P()))


def test_shardings_that_xla_chooses_are_told():
    seen = []

    def f(a, b):
        product = a @ b
        xform.debug.inspect_array_sharding(product, callback=seen.append)
        return product.sum()
    xform.debug.inspect_array_sharding({"a": put("x")}, callback=seen.append)
    assert seen.pop() == NamedSharding(MESH, P("x"))
    xform.jit(f)(put("x"), put(None, "y"))
    assert seen.pop().is_equivalent_to(NamedSharding(MESH, P("x", "y")), 2) and not seen
    xform.jit(xform.grad(f))(put("x"), put(None, "y"))
    xform.jit(f)(X, X)
    assert [len(s.device_set) for s in seen] == [8, 1]
    with pytest.raises(NotImplementedError, match="in a loop, a branch"):
        xform.pmap(lambda a: (xform.debug.inspect_array_sharding(a, callback=print), a)[1])(X)


def test_new_arrays_lie_where_device_says():
    rows, third = NamedSharding(MESH, P("x")), xform.devices()[3]
    a = put("x")
    for made in (np.zeros((8, 8), device=rows), np.ones(8, device=rows), np.empty(8, device=rows), np.full((8,), 2.0, device=rows),
                 np.full_like(a, 3.0, device=rows), np.zeros_like(a, device=rows), np.ones_like(a, device=rows), np.arange(8, device=rows),
                 np.array(X, device=rows), np.asarray(X, device=rows), np.eye(8, device=rows), np.linspace(0, 1, 8, device=rows),
                 np.astype(np.asarray(X), "int32", device=rows), a.copy()):
        assert made.sharding == rows, made
    assert np.zeros(3, device=third).devices() == {third} == np.array([1.0], device=third).devices()
    numpy.testing.assert_array_equal(np.array(X, device=rows), X)
    assert xform.jit(lambda: np.zeros((8, 8), device=rows) + 1, out_shardings=rows)().sharding == rows


def test_the_mesh_in_context():
    assert xform.sharding.get_mesh().empty
    kept = xform.set_mesh(MESH)
    try:
        assert xform.sharding.get_mesh() == MESH and xform.device_put(X, P("y")).sharding == NamedSharding(MESH, P("y"))
    finally:
        kept.__exit__(None, None, None)
    assert xform.sharding.get_mesh().empty
    with xform.set_mesh(MESH) as mesh:
        assert mesh is MESH is xform.sharding.get_mesh()
    auto = xform.sharding.AxisType.Auto
    assert xform.make_mesh((2, 4), ("x", "y"), axis_types=(auto, auto)).axis_types == (auto, auto) == MESH.axis_types
    with pytest.raises(NotImplementedError, match="Manual inside shard_map only"):
        xform.make_mesh((8,), ("i",), axis_types=(xform.sharding.AxisType.Manual,))
    moved = NamedSharding(MESH, P("x")).update(spec=P("y"))
    assert moved == NamedSharding(MESH, P("y")) and repr(moved.spec) == "P('y',)"


@pytest.mark.parametrize("error, message, run", [
    (ValueError, "not divisible by 4", lambda: put("y", x=X[:6])),
    (ValueError, "not divisible by 4", lambda: xform.jit(lambda a: a[:7], out_shardings=NamedSharding(MESH, P("y")))(X)),
    (ValueError, "not divisible by 4", lambda: xform.jit(lambda a: a, in_shardings=NamedSharding(MESH, P("y")))(X[:7])),
    (ValueError, "dtype float32 .* dtype=float16 was asked for", lambda: xform.make_array_from_callback(
        (8, 8), NamedSharding(MESH, P("x")), lambda index: X[index], dtype="float16")),
    (ValueError, "not found in mesh", lambda: put("z")),
    (ValueError, "duplicate entries", lambda: put("x", "x")),
    (ValueError, "only valid for values of rank at least 2", lambda: put("x", "y", x=X[0])),
    (ValueError, "does not match the sharding", lambda: xform.jit(lambda a: a, in_shardings=NamedSharding(MESH, P("x")))(
        put("y"))),
    (ValueError, "XFORM_CPU_DEVICES=16", lambda: xform.make_mesh((16,), ("i",))),
    (ValueError, "must be distinct", lambda: xform.make_mesh((2, 2), ("i", "i"))),
    (ValueError, "incompatible devices", lambda: put("x") + xform.device_put(X, xform.devices()[3])),
    (ValueError, "incompatible devices", lambda: xform.jit(np.add)(put("x"), put("i", mesh=xform.make_mesh((4,), ("i",))))),
    (ValueError, "tree prefix", lambda: xform.jit(lambda a: a, in_shardings=(NamedSharding(MESH, P()), None))(X)),
    (TypeError, "takes shardings", lambda: xform.jit(lambda a: a, in_shardings="x")(X)),
])
def test_errors(error, message, run):
    with pytest.raises(error, match=message):
        run()


def test_a_sharding_on_one_device():
    device = xform.devices()[1]
    sharding = xform.sharding.make_single_device_sharding(device)
    assert sharding == xform.sharding.SingleDeviceSharding(device)
    assert xform.device_put(1.0, sharding).devices() == {device}
    assert isinstance(xform.device_put(1.0, sharding).addressable_shards[0], xform.Shard)
    with pytest.raises(ValueError, match="memory_kind"):
        xform.sharding.make_single_device_sharding(device, memory_kind="attic")


def test_calls_alike_stay_in_the_dispatcher(monkeypatch):
    """Calls on arrays that lie over a mesh do not come back to the general path; other layouts and types are told apart."""
    from xform.transformed import Transformed
    calls, general = [], Transformed._call
    monkeypatch.setattr(Transformed, "_call", lambda self, *args, **kwargs: calls.append(1) or general(self, *args, **kwargs))

    @xform.jit
    def f(x, parts, scale=2.0):
        return {"y": (x + parts["b"]) * scale}
    parts = {"b": put("x")}
    first = f(put("x"), parts)["y"]
    again = f(first, parts)["y"]
    before = len(calls)
    once_more = f(again, parts)["y"]
    assert len(calls) == before and once_more.sharding.is_equivalent_to(first.sharding, 2)
    numpy.testing.assert_allclose(once_more, X * 22, rtol=1e-6)
    other = f(put(None, "y"), {"b": put(None, "y")})["y"]
    assert other.sharding.spec == P(None, "y")
    single = f(np.asarray(X), {"b": np.asarray(X)})["y"]
    assert len(single.devices()) == 1
    numpy.testing.assert_allclose(single, other)
    numpy.testing.assert_allclose(f(put("x"), parts, scale=3.0)["y"], X * 6, rtol=1e-6)
    numpy.testing.assert_allclose(f(put("x"), parts, scale=4.0)["y"], X * 8, rtol=1e-6)
    with pytest.raises(KeyError, match="b"):
        f(put("x"), {"c": put("x")})
    with xform.disable_jit():
        numpy.testing.assert_allclose(f(put("x"), parts)["y"], X * 4, rtol=1e-6)
