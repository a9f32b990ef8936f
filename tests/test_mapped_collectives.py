"""Collectives over axes that vmap batches: of pytrees, over several axes, with the options of all_gather and all_to_all."""
import jax as oracle
import jax.numpy as ojnp
import numpy as onp
import pytest

import xform
import xform.numpy as np

V = onp.arange(9.0, dtype=onp.float32).reshape(3, 3)
W = onp.arange(18.0, dtype=onp.float32).reshape(3, 3, 2)
T = onp.arange(54.0, dtype="float32").reshape(3, 3, 6)


def over(jax, names, f):
    for name in names:
        f = jax.vmap(f, axis_name=name)
    return f


def step(jax, np):
    def f(params, x):
        slopes = jax.grad(lambda p: (np.dot(p["w"], x) + p["b"][0]) ** 2)(params)
        slopes = jax.lax.pmean(slopes, "i")
        return jax.tree_util.tree_map(lambda p, d: p - 0.1 * d, params, slopes)
    return jax.vmap(f, in_axes=(None, 0), axis_name="i")


PROGRAMS = {
    "both axes": lambda jax, np: lambda: over(jax, "ji", lambda x: x - jax.lax.psum(x, ("i", "j")))(V),
    "mean of both": lambda jax, np: lambda: over(jax, "ji", lambda x: x - jax.lax.pmean(x, ("j", "i")))(V),
    "outer axis": lambda jax, np: lambda: over(jax, "ji", lambda x: x - jax.lax.pmax(x, "i"))(V),
    "size": lambda jax, np: lambda: over(jax, "ji", lambda x: jax.lax.psum(1, ("i", "j")) * x)(V),
    "gradient": lambda jax, np: lambda: jax.grad(lambda v: np.sum(np.sin(jax.vmap(jax.vmap(
        lambda x: x * jax.lax.psum(x, ("i", "j")), axis_name="j"), axis_name="i")(v))))(V),
    "dict": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.psum({"a": x, "b": 2.0}, "i"))(V),
    "dict of the outer axis": lambda jax, np: lambda: over(jax, "ji", lambda x: jax.lax.pmin({"a": x, "b": (x * 2,)}, "i"))(V),
    "step": lambda jax, np: lambda: step(jax, np)({"w": np.ones(2), "b": (np.array(1.0),)}, V[:, :2]),
    "step under jit": lambda jax, np: lambda: jax.jit(step(jax, np))({"w": np.ones(2), "b": (np.array(1.0),)}, V[:, :2]),
    "derivative of step": lambda jax, np: lambda: jax.grad(lambda p: np.sum(step(jax, np)(p, V[:, :2])["w"]))(
        {"w": np.ones(2), "b": (np.array(1.0),)}),
    "gathered": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.all_gather(x, "i", axis=1))(V),
    "gathered in a row": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.all_gather(x, "i", axis=1, tiled=True))(W),
    "swapped": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.pswapaxes(x, "i", 0))(W),
    "shuffled": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.pshuffle(x, "i", [2, 0, 1]))(W),
    "scattered": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.psum_scatter(x, "i"))(W),
    "index of two": lambda jax, np: lambda: over(jax, "ji", lambda x: x + jax.lax.axis_index(("i", "j")) * jax.lax.axis_size(("i", "j")))(V),
    "index of two, turned": lambda jax, np: lambda: over(jax, "ji", lambda x: x + jax.lax.axis_index(("j", "i")))(V),
    "derivative of swapped": lambda jax, np: lambda: jax.grad(lambda v: np.sum(jax.vmap(lambda x: x * jax.lax.pswapaxes(
        x, "i", 0), axis_name="i")(v)))(V),
    "derivative of shuffled": lambda jax, np: lambda: jax.grad(lambda v: np.sum(jax.vmap(lambda x: x * x * jax.lax.pshuffle(
        x, "i", [2, 0, 1]), axis_name="i")(v)))(V),
    "derivatives mapped": lambda jax, np: lambda: over(jax, "i", jax.grad(lambda x: np.sum(x * jax.lax.pshuffle(x, "i", [2, 0, 1]))))(V),
    "exchanged": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.all_to_all(x, "i", 0, 1))(W),
    "tiles exchanged": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.all_to_all(x, "i", 1, 0, tiled=True))(T),
    "tiles scattered": lambda jax, np: lambda: over(jax, "i", lambda x: jax.lax.psum_scatter(x, "i", scatter_dimension=1, tiled=True))(T),
    "derivative of tiles": lambda jax, np: lambda: jax.grad(lambda v: np.sum(jax.vmap(lambda x: jax.lax.all_to_all(
        x, "i", 1, 0, tiled=True), axis_name="i")(v) ** 2))(T),
    **{f"{name} over the outer axis": lambda jax, np, f=f: lambda: jax.vmap(jax.vmap(lambda x: f(jax.lax, x), axis_name="j"), axis_name="i")(
        onp.arange(108.0, dtype="float32").reshape(3, 2, 3, 6)) for name, f in {
            "swap": lambda lax, x: lax.pswapaxes(x, "i", 0), "shuffle": lambda lax, x: lax.pshuffle(x, "i", [2, 0, 1]),
            "gather": lambda lax, x: lax.all_gather(x, "i", axis=1, tiled=True), "gather last": lambda lax, x: lax.all_gather(x, "i", axis=-1),
            "exchange": lambda lax, x: lax.all_to_all(x, "i", 0, 1, tiled=True), "scatter": lambda lax, x: lax.psum_scatter(x, "i"),
            "permute": lambda lax, x: lax.ppermute(x, "i", [(0, 1), (1, 2), (2, 0)])}.items()},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_jax(name):
    found, expected = PROGRAMS[name](xform, np)(), PROGRAMS[name](oracle, ojnp)()
    assert str(xform.tree.structure(found)) == str(oracle.tree.structure(expected))
    for one, other in zip(xform.tree.leaves(found), oracle.tree.leaves(expected), strict=True):
        onp.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_no_permutation_is_refused():
    with pytest.raises(ValueError, match="permutation"):
        over(xform, "i", lambda x: xform.lax.pshuffle(x, "i", [2, 0, 0]))(V)
    with pytest.raises(ValueError, match="multiple"):
        over(xform, "i", lambda x: xform.lax.psum_scatter(x, "i", tiled=True))(onp.ones((3, 4), "float32"))


def test_groups_are_refused():
    with pytest.raises(xform.TransformError, match="axis_index_groups"):
        over(xform, "i", lambda x: xform.lax.psum(x, "i", axis_index_groups=[[0, 1], [2]]))(V)


def test_one_array_is_summed_in_the_open():
    f = xform.vmap(lambda x: x - xform.lax.psum(x, "i"), axis_name="i")
    f(V)
    assert "np.sum(x, axis=0)" in xform.source(f)


def total_of(x):
    return xform.lax.psum(x, "i")


def total_below(x, n):
    return total_of(x) if n == 0 else total_below(x, n - 1) + x


@pytest.mark.parametrize("called, times", [(total_of, 4), (xform.jit(total_of), 4), (xform.checkpoint(total_of), 4), (lambda x: total_below(x, 2), 6)])
def test_what_is_called_with_what_all_examples_share_knows_how_many_they_are(called, times):
    def f(x):
        return xform.vmap(lambda a, x: a * called(x), in_axes=(0, None), axis_name="i")(np.arange(4.0), x)
    onp.testing.assert_allclose(f(2.0), 2.0 * times * onp.arange(4.0))
    assert xform.grad(lambda x: f(x).sum())(2.0) == 6.0 * times


def test_a_rule_that_sums_what_all_examples_share():
    @xform.custom_jvp
    def total(x):
        return xform.lax.psum(x, "i")
    total.defjvp(lambda xs, ts: (xform.lax.psum(xs[0], "i"), ts[0]))
    found = xform.vmap(lambda a, x: (total(x), xform.grad(total)(x), xform.jvp(total, (x,), (a,))[1]), in_axes=(0, None), axis_name="i")(np.arange(4.0), 2.0)
    for one, wanted in zip(found, (8.0, 1.0, onp.arange(4.0))):
        onp.testing.assert_allclose(one, onp.broadcast_to(wanted, 4))


def test_an_axis_that_no_argument_has():
    sized = {"axis_name": "i", "axis_size": 3}
    onp.testing.assert_array_equal(xform.vmap(lambda: xform.lax.axis_index("i"), **sized)(), onp.arange(3))
    assert xform.vmap(lambda: xform.lax.scan(lambda c, _: (c + xform.lax.psum(1, "i"), None), 0, None, length=2)[0], out_axes=None, **sized)() == 6
