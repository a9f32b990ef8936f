"""pmap and the collectives agree with jax on eight virtual CPU devices, nest, and explain what they refuse."""
import jax
import numpy as np
import pytest

import runtime as rt
from runtime.ops import collective as ours
from runtime.ops.binary import add, divide, multiply
from runtime.parallel import pmap

theirs = jax.lax
X = np.arange(24, dtype=np.float32).reshape(4, 6) ** 1.5


def same(a, b):
    """Compare two pytrees of arrays: structure, shapes, dtypes and values."""
    a, b = rt.tree.tree_leaves(a), jax.tree.leaves(b)
    assert len(a) == len(b)
    for one, other in zip(a, b):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(np.asarray(one, np.complex128), np.asarray(other, np.complex128), rtol=1e-5)


@pytest.mark.parametrize("call", [
    lambda lax, x: lax.psum(x, "i"),
    lambda lax, x: lax.psum({"a": x, "b": (x, 2)}, "i"),
    lambda lax, x: lax.psum(x > 5, "i"),  # counted
    lambda lax, x: lax.psum(x, "i", axis_index_groups=[[0, 2], [1, 3]]),
    lambda lax, x: lax.pmean(x, "i"),
    lambda lax, x: lax.pmax(x, "i"),
    lambda lax, x: lax.pmin(x, "i"),
    lambda lax, x: lax.all_gather(x, "i"),
    lambda lax, x: lax.all_gather(x > 20, "i", axis=1),
    lambda lax, x: lax.all_gather(x, "i", axis=0, tiled=True),
    lambda lax, x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 3)]),
    lambda lax, x: lax.pshuffle(x, "i", [3, 1, 0, 2]),
    lambda lax, x: lax.axis_index("i"),
    lambda lax, x: lax.psum(3.0, "i"),
], ids=["psum", "tree", "bool", "groups", "pmean", "pmax", "pmin", "gather", "gather-bool", "gather-tiled", "ppermute",
        "pshuffle", "index", "constant"])
def test_collectives_match_jax(call):
    same(pmap(lambda x: call(ours, x), axis_name="i")(X), jax.pmap(lambda x: call(theirs, x), axis_name="i")(X))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "float16", "bfloat16", "complex64", "bool"])
def test_psum_takes_every_dtype(dtype):
    x = np.asarray(jax.numpy.asarray(X[:, :2] % 5).astype(dtype))
    same(pmap(lambda x: ours.psum(x, "i"), axis_name="i")(x), jax.pmap(lambda x: theirs.psum(x, "i"), axis_name="i")(x))


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("dims", [(0, 0), (0, 1), (1, 0)])
def test_exchanges_match_jax(tiled, dims):
    x = np.arange(4 * 4 * 4 * 3, dtype=np.float32).reshape(4, 4, 4, 3)
    same(pmap(lambda x: ours.all_to_all(x, "i", *dims, tiled=tiled), axis_name="i")(x),
         jax.pmap(lambda x: theirs.all_to_all(x, "i", *dims, tiled=tiled), axis_name="i")(x))
    same(pmap(lambda x: ours.psum_scatter(x, "i", scatter_dimension=dims[0], tiled=tiled), axis_name="i")(x),
         jax.pmap(lambda x: theirs.psum_scatter(x, "i", scatter_dimension=dims[0], tiled=tiled), axis_name="i")(x))


@pytest.mark.parametrize("in_axis, out_axis", [(0, 0), (1, 1), (1, 2), (-1, -1), (0, -2)])
def test_any_axis_can_be_mapped(in_axis, out_axis):
    x = np.arange(4 * 4 * 4, dtype=np.float32).reshape(4, 4, 4)
    y = {"k": np.arange(8, dtype=np.float32).reshape(4, 2)}

    def f(x, y, scale):
        return add(multiply(x, scale), ours.psum(x, "i")), y["k"]
    out, rest = pmap(f, axis_name="i", in_axes=(in_axis, {"k": 0}, None), out_axes=(out_axis, 0))(x, y, 2.0)
    same(out, np.moveaxis(2 * x + x.sum(in_axis, keepdims=True), in_axis, out_axis))
    same(rest, y["k"])


def test_replicated_results_and_keyword_arguments():
    out = pmap(lambda x, *, y: (ours.psum(x, "i"), add(x, y)), axis_name="i", out_axes=(None, 0))(X, y=X)
    same(out, (X.sum(0), X + X))


def test_results_stay_on_their_devices_and_serve_everything_else():
    double = pmap(lambda x: add(x, x))
    y = double(X)
    assert len(y.devices()) == 4
    sharding = y.sharding
    z = double(y)
    assert z.sharding is sharding
    same(add(z, 1.0), 4 * X + 1)
    same(rt.jit(lambda z: multiply(z, 2.0))(z), 8 * X)
    assert repr(y).startswith("Array([[")


def test_the_function_is_staged_once_for_each_signature():
    calls = []

    def f(x):
        calls.append(x.shape)
        return x
    mapped = pmap(f)
    for x in (X, X + 1, X[:2], X):
        same(mapped(x), x)
    assert calls == [(6,), (6,)]


def test_static_arguments():
    mapped = pmap(lambda n, x: multiply(x, float(n)), static_broadcasted_argnums=0, in_axes=(None, 0))
    same(mapped(3, X), 3 * X)
    same(mapped(4, X), 4 * X)
    with pytest.raises(ValueError, match="Non-hashable static"):
        mapped([1], X)


def test_captured_arrays_and_donation():
    weights = add(np.arange(60, dtype=np.float32), 0.0)  # large enough to be an argument of the program
    mapped = pmap(lambda x: add(x, weights))
    same(mapped(np.zeros((4, 60), np.float32)), np.tile(np.arange(60, dtype=np.float32), (4, 1)))
    x = pmap(lambda x: x)(X)
    same(pmap(lambda x: add(x, 1.0), donate_argnums=0)(x), X + 1)
    assert x.is_deleted()


def test_nested_maps_use_the_product_of_the_axes():
    x = np.arange(8, dtype=np.float32).reshape(4, 2)

    def make(pmap, lax):
        def inner(x):
            return (10 * lax.axis_index("i") + lax.axis_index("j"), lax.psum(x, "j"), lax.psum(x, ("i", "j")),
                    lax.all_gather(x, ("j", "i")), lax.axis_index(("j", "i")))

        def outer(x):
            return pmap(inner, axis_name="j")(x), lax.psum(x, "i"), pmap(lambda x: x - lax.pmean(x, "i"), axis_name="k")(x)
        return pmap(outer, axis_name="i")(x)
    (index, over_j, over_both, gathered, flat), over_i, centred = make(pmap, ours)
    same(index, 10 * np.arange(4, dtype=np.int32)[:, None] + np.arange(2, dtype=np.int32))
    same(over_j, np.repeat(x.sum(1, keepdims=True), 2, 1))
    same(over_both, np.full((4, 2), x.sum(), np.float32))
    same(gathered, np.broadcast_to(x.T.ravel(), (4, 2, 8)).astype(np.float32))
    same(flat, (np.arange(2, dtype=np.int32) * 4 + np.arange(4, dtype=np.int32)[:, None]))
    same(over_i, np.tile(x.sum(0), (4, 1)))
    same(centred, x - x.mean(0))


def test_a_map_inside_jit_makes_the_program_parallel():
    def f(x):
        share = pmap(lambda x: divide(x, ours.psum(x, "i")), axis_name="i")(multiply(x, 2.0))
        return add(share, 1.0)
    same(rt.jit(f)(X), X / X.sum(0) + 1)
    same(add(rt.jit(f)(X), 1.0), X / X.sum(0) + 2)
    assert len(rt.jit(f)(X).devices()) == 1


def test_many_launches_in_a_row_do_not_starve_each_other():
    step = pmap(lambda x: ours.pmean(x, "i"), axis_name="i")
    y = X
    for _ in range(300):
        y = step(y)
    same(y, np.tile(X.mean(0), (4, 1)))


def test_the_program_can_be_read():
    lowered = pmap(lambda x: ours.psum(x, "i"), axis_name="i").lower(X)
    assert "replica_groups = dense<[[0, 1, 2, 3]]> : tensor<1x4xi64>" in lowered.as_text()
    compiled = lowered.compile()
    assert "all-reduce" in compiled.as_text()
    same(compiled(X), np.tile(X.sum(0), (4, 1)))
    with pytest.raises(TypeError, match="compiled for"):
        compiled(X[:2])


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"inconsistent sizes.*size 4 from argument \[0\].*size 3 from argument \[1\]"):
        pmap(lambda x, y: x)(X, X[:3])
    with pytest.raises(ValueError, match="16 devices.*only 8 cpu devices.*XFORM_CPU_DEVICES=16"):
        pmap(lambda x: x)(np.zeros(16))
    with pytest.raises(NameError, match="unbound axis name: k"):
        pmap(lambda x: ours.psum(x, "k"), axis_name="i")(X)
    with pytest.raises(NameError, match="unbound axis name: i"):
        ours.psum(X, "i")
    with pytest.raises(ValueError, match="rank should be at least 1"):
        pmap(lambda x: x)(1.0)
    with pytest.raises(ValueError, match="at least one argument with a mapped axis"):
        pmap(lambda x: x, in_axes=None)(X)
    with pytest.raises(ValueError, match="one entry for each"):
        pmap(lambda x: x, in_axes=(0, 0))(X)
    with pytest.raises(ValueError, match="axis_size=3"):
        pmap(lambda x: x, axis_size=3)(X)
    with pytest.raises(ValueError, match="out_axes=3 is out of bounds"):
        pmap(lambda x: x, out_axes=3)(X)
    with pytest.raises(ValueError, match="distinct indices"):
        pmap(lambda x: ours.ppermute(x, "i", [(0, 1), (0, 2)]), axis_name="i")(X)
    with pytest.raises(ValueError, match="length 6; it must be equal to the axis size 4"):
        pmap(lambda x: ours.psum_scatter(x, "i"), axis_name="i")(X)
    with pytest.raises(ValueError, match="groups of one size"):
        pmap(lambda x: ours.psum(x, "i", axis_index_groups=[[0], [1, 2, 3]]), axis_name="i")(X)
    with pytest.raises(TypeError, match="complex numbers have no order"):
        pmap(lambda x: ours.pmax(x, "i"), axis_name="i")(X.astype(np.complex64))


def test_only_some_devices():
    chosen = rt.devices()[4:8]
    y = pmap(lambda x: ours.psum(x, "i"), axis_name="i", devices=chosen)(X)
    assert y.devices() == set(chosen)
    same(y, np.tile(X.sum(0), (4, 1)))


def test_an_error_in_the_function_leaves_no_axis_bound():
    def fail(x):
        raise KeyError("mine")
    with pytest.raises(KeyError, match="mine"):
        pmap(fail, axis_name="i")(X)
    with pytest.raises(NameError):
        ours.axis_size("i")
