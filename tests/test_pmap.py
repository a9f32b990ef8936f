"""pmap composes with grad, jvp, vmap, jit and itself, with jax or arithmetic as the oracle; its source is plain Python."""
import gc
from types import SimpleNamespace

import jax
import numpy
import pytest

import xform
import xform.numpy as np
from runtime.tree import tree_leaves

X = numpy.arange(1, 9, dtype=numpy.float32).reshape(4, 2)


def program(lib, np):
    """Return the functions under test, written against one library."""
    lax = lib.lax

    def normalise(x):
        return x / lax.psum(x, "i")

    def total(x):
        return np.sum(lib.pmap(normalise, axis_name="i")(x) ** 3)

    def shared(w, x):
        def model(w, x):
            return lax.pmean(np.tanh(x * w), "i") + np.sin(w) * x
        return np.sum(lib.pmap(model, axis_name="i", in_axes=(None, 0))(w, x))

    def neighbours(x):
        right = lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3), (3, 0)])
        return np.sum(lax.all_gather(x * right, "i") ** 2) * (1.0 + lax.axis_index("i"))

    def scattered(x):
        return np.sum(lax.psum_scatter(np.outer(np.ones(4), x) * lax.axis_index("i"), "i") ** 2)
    return SimpleNamespace(**{f.__name__: f for f in (normalise, total, shared, neighbours, scattered)})


OURS, THEIRS = program(xform, np), program(jax, jax.numpy)


def close(a, b, rtol=2e-5):
    for one, other in zip(tree_leaves(a), jax.tree.leaves(b), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=rtol, atol=1e-6)


def both(build, *arguments):
    """Compare what both libraries make of a composition."""
    close(build(xform, OURS)(*arguments), build(jax, THEIRS)(*arguments))


@pytest.mark.parametrize("build", [
    lambda lib, f: lib.grad(f.total),
    lambda lib, f: lib.jit(lib.grad(f.total)),
    lambda lib, f: lambda x: lib.jvp(f.total, (x,), (x * x,)),
    lambda lib, f: lib.pmap(lib.grad(lambda x: f.normalise(x).sum()), axis_name="i"),
    lambda lib, f: lib.pmap(lib.grad(f.neighbours), axis_name="i"),
    lambda lib, f: lib.pmap(lib.grad(f.scattered), axis_name="i"),
    lambda lib, f: lib.pmap(lib.vmap(f.normalise), axis_name="i"),
    lambda lib, f: lib.pmap(lib.vmap(lib.grad(lambda x: f.normalise(x) ** 2)), axis_name="i"),
    lambda lib, f: lib.pmap(lib.jit(f.normalise), axis_name="i"),
    lambda lib, f: lambda x: lib.grad(lambda w: f.shared(w, x))(0.3),
    lambda lib, f: lambda x: lib.grad(f.shared, argnums=1)(0.3, x),
], ids=["grad-pmap", "jit-grad-pmap", "jvp-pmap", "pmap-grad", "pmap-grad-neighbours", "pmap-grad-scatter", "pmap-vmap",
        "pmap-vmap-grad", "pmap-jit", "grad-shared", "grad-mapped"])
def test_compositions_match_jax(build):
    both(build, X)


def test_second_derivative_through_devices():
    def f(lib, functions):
        return lambda s: functions.total(X * s + s * s * X[::-1])
    ours = xform.grad(xform.grad(f(xform, OURS)))(1.5)
    step = 1e-2  # central differences of the oracle's first derivative
    theirs = jax.grad(f(jax, THEIRS))
    close(ours, numpy.float32((theirs(1.5 + step) - theirs(1.5 - step)) / (2 * step)), rtol=1e-3)


def inner(x):
    return x * x + xform.lax.axis_index("i")


def outer(x):
    return np.sum(xform.pmap(inner, axis_name="j")(x)) / xform.lax.psum(1.0, "i")


def test_a_map_of_a_map():
    def both_axes(x):
        return x + xform.lax.psum(x, ("i", "j")) + 10 * xform.lax.axis_index("i") + xform.lax.axis_index("j")
    mapped = xform.pmap(xform.pmap(both_axes, axis_name="j"), axis_name="i")
    expected = X + X.sum() + 10 * numpy.arange(4)[:, None] + numpy.arange(2)
    close(mapped(X), expected)
    close(xform.jit(mapped)(X), expected)
    close(xform.pmap(xform.pmap(both_axes, axis_name="i"), axis_name="j", in_axes=1, out_axes=1)(X), expected)
    close(xform.grad(lambda x: np.sum(mapped(x) ** 2))(X), 2 * expected + 2 * expected.sum())
    thrice = xform.pmap(xform.pmap(xform.pmap(lambda x: x - xform.lax.pmean(x, ("a", "c")), axis_name="c"), axis_name="b"),
                        axis_name="a")
    cube = X.reshape(2, 2, 2)
    close(thrice(cube), cube - cube.mean((0, 2), keepdims=True))
    with pytest.raises(ValueError, match="requires 16 devices"):
        xform.pmap(xform.pmap(lambda x: x))(numpy.ones((4, 4)))


@pytest.mark.parametrize("build, argument", [
    (lambda lib, np: lib.vmap(lib.pmap(lambda x, y: (lib.lax.psum(x, "i") * y, x), axis_name="i", out_axes=(0, 1))), 0),
    (lambda lib, np: lib.vmap(lib.pmap(lambda x, y: {"s": lib.lax.psum(x, "i"), "y": y}, axis_name="i"), in_axes=(0, None)), 1),
    (lambda lib, np: lambda x, y: lib.hessian(lambda x: np.sum(lib.pmap(
        lambda v: lib.lax.psum(np.sin(v), "i") ** 2, axis_name="i")(x)))(x[0]), 0),
    (lambda lib, np: lambda x, y: lib.vmap(lib.grad(lambda w: lib.pmap(
        lambda w, v: lib.lax.pmean(np.sum(w * v) ** 2, "i"), axis_name="i", in_axes=(None, 0))(w, x[0])[0]))(y[0]), 0),
], ids=["tuple", "dict", "hessian", "vmap-grad"])
def test_batches_of_some_results(build, argument):
    cube = numpy.arange(12, dtype=numpy.float32).reshape(2, 2, 3) / 10
    arguments = (cube, cube + 1) if not argument else (cube, cube[0])
    close(build(xform, np)(*arguments), build(jax, jax.numpy)(*arguments), rtol=1e-4)


def test_a_batch_of_a_map_over_the_last_axis():
    cube = numpy.arange(24, dtype=numpy.float32).reshape(2, 3, 4)
    mapped = xform.pmap(lambda v: v - xform.lax.psum(v, "i"), axis_name="i", in_axes=-1, out_axes=-1)
    close(xform.vmap(mapped)(cube), cube - cube.sum(-1, keepdims=True))


def test_options_of_an_outer_jit_hold():
    x = np.asarray(X) + 0
    made = xform.jit(xform.jit(lambda x: x + 1), donate_argnums=0)(x)
    assert x.is_deleted()
    close(made, X + 1)


def test_too_many_axes():
    with pytest.raises(ValueError, match="one entry for each of the 2 positional arguments"):
        xform.pmap(lambda x, y: x, in_axes=(0, 0, 0))(X, X)


def test_nested_maps_and_their_gradient():
    close(xform.pmap(outer, axis_name="i")(X), ((X ** 2).sum(1) + 2 * numpy.arange(4)) / 4)
    close(xform.pmap(xform.grad(outer), axis_name="i")(X), X / 2)


def branchy(x):
    total = x
    for step in range(3):
        if np.sum(total) > 5.0:
            total = total / 2.0
        else:
            total = total + xform.lax.psum(1.0, "i")
    return total


def test_control_flow_inside_a_map():
    def one(row):
        for _ in range(3):
            row = row / 2 if row.sum() > 5 else row + 4
        return row
    close(xform.pmap(branchy, axis_name="i")(X), numpy.stack([one(row) for row in X]))


def test_the_source_is_plain():
    source = xform.source(xform.pmap(OURS.normalise, axis_name="i"))
    assert "@rt.pmap(axis_name='i')" in source and "def normalise_spmd(x):" in source


def test_a_name_that_no_map_binds():
    with pytest.raises(NameError, match="unbound axis name: i"):
        OURS.normalise(X)


def test_jit_of_a_map_leaves_its_results_on_the_devices():
    def both_kinds(x):
        doubled = xform.pmap(lambda v: v * 2, out_axes=1)(x)
        return doubled, np.sum(doubled), xform.pmap(lambda v: v > 3)(x)
    doubled, total, large = xform.jit(both_kinds)(X)
    numpy.testing.assert_array_equal(doubled, X.T * 2)
    numpy.testing.assert_array_equal(large, X > 3)
    assert float(total) == X.sum() * 2 and len(total.devices()) == 1
    assert len(doubled.devices()) == len(large.devices()) == 4
    assert [s.data.shape for s in doubled.addressable_shards] == [(2, 1)] * 4
    again = xform.jit(lambda v: v + 1)(doubled)
    assert len(again.devices()) == 4
    numpy.testing.assert_array_equal(again, X.T * 2 + 1)


def test_calls_with_collectives_take_the_short_way(monkeypatch):
    """Calls alike do not come back to the general path; functions bound anew, other structures and keywords do."""
    from xform.transformed import Transformed
    calls, general = [], Transformed._call
    monkeypatch.setattr(Transformed, "_call", lambda self, *args, **kwargs: calls.append(1) or general(self, *args, **kwargs))
    mapped = xform.pmap(lambda parts, scale=1.0: parts["x"] / xform.lax.psum(parts["x"], "i") * scale, axis_name="i")
    parts = {"x": np.asarray(X)}
    wanted = X / X.sum(0)
    for _ in range(3):
        numpy.testing.assert_allclose(mapped(parts), wanted, rtol=1e-6)
    assert len(calls) == 1
    numpy.testing.assert_allclose(mapped(parts, np.full(4, 2.0)), wanted * 2, rtol=1e-6)
    numpy.testing.assert_allclose(mapped(parts, scale=np.full(4, 3.0)), wanted * 3, rtol=1e-6)
    numpy.testing.assert_allclose(xform.jit(lambda p: mapped(p) + 1)(parts), wanted + 1, rtol=1e-6)
    before = len(calls)
    numpy.testing.assert_allclose(mapped(parts), wanted, rtol=1e-6)
    xform.clear_caches()
    numpy.testing.assert_allclose(mapped(parts), wanted, rtol=1e-6)
    assert len(calls) <= before + 2


def test_results_that_are_let_go_of_are_freed():
    mapped = xform.pmap(OURS.normalise, axis_name="i")
    x = numpy.ones((4, 777), numpy.float32)     # no other array has this shape

    def alive():
        gc.collect()    # what was staged refers to itself
        return sum(array.shape == x.shape for array in xform.live_arrays())
    result = mapped(x)
    assert alive() == 1
    result = xform.block_until_ready(mapped(x))
    assert alive() == 1
    del result
    assert alive() == 0


def test_donated_and_chosen_devices():
    here = xform.pmap(lambda v: v, devices=xform.devices()[4:8])
    placed = here(X)
    assert placed.devices() == set(xform.devices()[4:8]) and "rt.devices_by_id('cpu', (4,))" in xform.source(here)
    made = xform.pmap(lambda v: v + 1, donate_argnums=0, devices=xform.devices()[4:8])(placed)
    assert placed.is_deleted()
    numpy.testing.assert_array_equal(made, X + 1)


@pytest.mark.parametrize("error, message, run", [
    (ValueError, "size 2 from argument .* size 3 from argument", lambda: xform.pmap(lambda a, b: a + b)(X[:2], X[:3])),
    (ValueError, "requires 9 devices .* only 8 cpu devices are available.*XFORM_CPU_DEVICES=9", lambda: xform.pmap(
        lambda a: a)(numpy.ones((9, 1)))),
    (NameError, "unbound axis name: z. Bound here: 'i'", lambda: xform.pmap(lambda a: xform.lax.psum(a, "z"), axis_name="i")(X)),
])
def test_errors_say_what_differs(error, message, run):
    with pytest.raises(error, match=message):
        run()


def test_calls_alike_stay_in_the_dispatcher(monkeypatch):
    """The second call on results of the first does not come back to Python; other types, caches cleared and settings do."""
    from runtime import parallel
    calls = []
    general = parallel._Mapped.miss
    monkeypatch.setattr(parallel._Mapped, "miss", lambda self, *args: calls.append(1) or general(self, *args))
    mapped = xform.pmap(lambda x, s: (x * s, s), in_axes=(0, 0))
    x = s = xform.pmap(lambda x: x + 1)(np.arange(4.0))
    for _ in range(4):
        x, s = mapped(x, s)
    numpy.testing.assert_array_equal(x, numpy.arange(1.0, 5.0) ** 5)
    before = len(calls)
    mapped(x, s)
    assert len(calls) == before
    wide = mapped(np.stack([x, x], axis=1), np.stack([s, s], axis=1))[0]
    assert wide.shape == (4, 2) and len(calls) > before
    numpy.testing.assert_array_equal(mapped(np.flip(x), s)[0], numpy.arange(1.0, 5.0)[::-1] ** 5 * numpy.arange(1.0, 5.0))
    with xform.default_matmul_precision("highest"):
        again = len(calls)
        mapped(x, s)
        assert len(calls) == again + 1
    assert numpy.asarray(xform.jit(mapped)(x, s)[0]).tolist() == numpy.asarray(mapped(x, s)[0]).tolist()


@pytest.mark.parametrize("how", ["pmap", "pmap with a collective", "sharded jit"])
def test_deleted_arguments_of_programs_that_donate(how):
    """jaxlib would end the process."""
    if how == "sharded jit":
        mesh = xform.make_mesh((4,), ("i",))
        mapped = xform.jit(lambda x: x + 1, donate_argnums=0)
        x = xform.device_put(np.zeros((4, 3)), xform.sharding.NamedSharding(mesh, xform.sharding.PartitionSpec("i")))
    else:
        mapped = xform.pmap(lambda x: x + (1 if how == "pmap" else xform.lax.psum(0.25, "i")), axis_name="i", donate_argnums=0)
        x = np.zeros((4, 3))
    for _ in range(4):
        last, x = x, mapped(x)
    assert last.is_deleted()
    numpy.testing.assert_array_equal(x, numpy.full((4, 3), 4.0))
    with pytest.raises(RuntimeError, match="deleted with shape=float32.4,3."):
        mapped(last)
    numpy.testing.assert_array_equal(mapped(x), numpy.full((4, 3), 5.0))


@pytest.mark.parametrize("donated", [0, 1, (0, 1)])
@pytest.mark.parametrize("transform", [xform.pmap, xform.jit])
def test_donated_arguments_given_twice(transform, donated):
    """jaxlib would end the process here too; what is not used by the call itself may be given as often as one likes."""
    x = xform.pmap(lambda x: x + 1)(np.zeros((4, 30)))
    added = transform(lambda x, y, z: (x + y) * z, donate_argnums=donated)
    with pytest.raises(ValueError, match="is donated, and the same array is used"):
        added(x, x, x)
    y = xform.pmap(lambda x: x * 2)(x)
    z = xform.pmap(lambda x: x * 3)(x)
    numpy.testing.assert_array_equal(added(x, y, z), numpy.full((4, 30), 9.0))
    assert (y if donated == 1 else x).is_deleted() and not (x if donated == 1 else z).is_deleted()
    if transform is xform.jit:
        with pytest.raises(ValueError, match="is donated"):
            xform.jit(lambda x: x + z, donate_argnums=0)(z)
