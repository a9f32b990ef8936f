"""vmap whose in_axes and out_axes are trees: dicts, tuples, named tuples and objects of registered classes, as jax takes them."""
import typing

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError


class Pair(typing.NamedTuple):
    a: object
    b: object


def node(module):
    @module.tree_util.register_pytree_node_class
    class Scaled:
        def __init__(self, a, b):
            self.a, self.b = a, b

        def tree_flatten(self):
            return (self.a, self.b), None

        @classmethod
        def tree_unflatten(cls, aux, children):
            return cls(*children)
    return Scaled


OURS, THEIRS = node(xform), node(jax)


def programs(m, p, Node):
    xs, ones = p.array([0.5, 1.5, 2.0]), p.ones((2, 3)) * 2.0
    return {
        "dict": lambda: m.vmap(lambda q, y: q["a"] * y + q["b"], in_axes=({"a": 0, "b": None}, 0))({"a": xs, "b": 2.0}, xs),
        "dict in a tuple": lambda: m.vmap(lambda q: q[0] * q[1]["c"].sum(), in_axes=((0, {"c": 1}),))((xs, {"c": ones})),
        "named tuple": lambda: m.vmap(lambda q: q.a * q.b, in_axes=(Pair(0, None),))(Pair(xs, 3.0)),
        "object": lambda: m.vmap(lambda q: q.a * q.b, in_axes=(Node(0, None),))(Node(xs, 3.0)),
        "object along another axis": lambda: m.vmap(lambda q: q.a.sum() * q.b, in_axes=(Node(1, 0),))(Node(ones, xs)),
        "object in a dict": lambda: m.vmap(lambda q: q["o"].a * q["o"].b * q["c"], in_axes=({"o": Node(0, None), "c": 0},))(
            {"o": Node(xs, 3.0), "c": xs}),
        "gradient by an object": lambda: m.vmap(m.grad(lambda q: q.a ** 2 * q.b), in_axes=(Node(0, None),))(Node(xs, 3.0)),
        "gradient through dicts": lambda: m.grad(lambda x: m.vmap(lambda q: q["a"] * q["b"] ** 2, in_axes=({"a": 0, "b": None},))(
            {"a": xs, "b": x}).sum())(1.5),
        "second gradient through dicts": lambda: m.grad(m.grad(lambda x: m.vmap(lambda q: q["a"] * q["b"] ** 3, in_axes=(
            {"a": 0, "b": None},))({"a": xs, "b": x}).sum()))(1.5),
        "jit": lambda: m.jit(m.vmap(lambda q: q["a"] * q["b"], in_axes=({"a": 0, "b": None},)))({"a": xs, "b": 3.0}),
        "out_axes of a dict": lambda: m.vmap(lambda x: {"y": x * ones, "z": x}, out_axes={"y": 1, "z": 0})(xs),
    }


@pytest.mark.parametrize("name", list(programs(jax, jnp, THEIRS)))
def test_as_jax(name):
    mine, other = programs(xform, np, OURS)[name](), programs(jax, jnp, THEIRS)[name]()
    for a, b in zip(xform.tree_util.tree_leaves(mine), jax.tree_util.tree_leaves(other), strict=True):
        assert a.shape == b.shape
        onp.testing.assert_allclose(a, b, rtol=1e-6)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="inconsistent sizes"):
        xform.vmap(lambda q: q.a * q.b, in_axes=(OURS(0, 0),))(OURS(np.ones(2), np.ones(3)))


def test_objects_in_out_axes_are_refused():
    with pytest.raises(TransformError, match="out_axes that hold a Scaled"):
        xform.vmap(lambda x: OURS(x, x), out_axes=OURS(0, 1))(np.ones((2, 3)))


def test_leaves_with_their_paths():
    def total(of, numpy):
        def f(t):
            found = of.tree_util.tree_leaves_with_path(t, is_leaf=lambda n: isinstance(n, dict) and "z" in n)
            return sum([len(path) * numpy.sum(v["z"] if isinstance(v, dict) else v) for path, v in found])
        return f
    tree = {"a": [1.0, {"z": 2.0}], "b": (3.0, None)}
    assert float(xform.jit(total(xform, np))(tree)) == float(jax.jit(total(jax, jnp))(tree)) == total(xform, np)(tree)
