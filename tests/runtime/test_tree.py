"""Pytrees: flattening and rebuilding agree with jax's, registered classes and paths work."""
import collections
import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

import runtime as rt
from runtime import tree
from runtime.primitive import as_operand


class Point(NamedTuple):
    x: object
    y: object


class Box:
    def __init__(self, inside, label):
        self.inside, self.label = inside, label


tree.register_pytree_node(Box, lambda b: ((b.inside,), b.label), lambda label, children: Box(children[0], label))


@tree.register_dataclass
@dataclasses.dataclass
class Layer:
    w: object
    b: object
    name: str = dataclasses.field(default="layer", metadata={"static": True})


TREES = [1, None, (), [1, (2, None), {"b": 3, "a": [4]}], Point(1, [2, 3]),
         collections.OrderedDict([("z", 1), ("a", 2)]), {"k": {"j": ()}}, collections.defaultdict(list, {"b": 1, "a": 2})]


@pytest.mark.parametrize("value", TREES, ids=repr)
def test_leaves_and_paths_are_jaxs(value):
    jax = pytest.importorskip("jax")
    leaves, treedef = tree.flatten(value)
    assert leaves == jax.tree.leaves(value)
    assert tree.unflatten(treedef, leaves) == value
    assert type(tree.unflatten(treedef, leaves)) is type(value)
    ours = [(tree.keystr(p), x) for p, x in tree.flatten_with_path(value)[0]]
    assert ours == [(jax.tree_util.keystr(p), x) for p, x in jax.tree_util.tree_flatten_with_path(value)[0]]


def test_map_over_several_trees():
    assert tree.map(lambda a, b: a + b, {"x": (1, 2)}, {"x": (10, 20)}) == {"x": (11, 22)}
    with pytest.raises(ValueError, match="[Kk]ey"):
        tree.map(lambda a, b: a, {"x": 1}, {"y": 1})


def test_registered_classes():
    box = tree.map(lambda x: x * 2, Box([1, 2], "label"))
    assert box.inside == [2, 4] and box.label == "label"
    assert tree.structure(Box(1, "a")) != tree.structure(Box(1, "b"))
    with pytest.raises(ValueError):
        tree.register_pytree_node(Box, lambda b: ((), None), lambda aux, children: None)


def test_dataclasses_have_static_fields_and_attribute_paths():
    layer = Layer(1, [2, 3], "first")
    assert tree.leaves(layer) == [1, 2, 3]
    assert tree.map(lambda x: -x, layer) == Layer(-1, [-2, -3], "first")
    assert tree.keystr(tree.flatten_with_path(layer)[0][1][0]) == ".b[0]"


def test_zero_and_none_have_no_leaves():
    leaves, treedef = tree.flatten((rt.ZERO, None, 1))
    assert leaves == [1]
    assert tree.unflatten(treedef, [2]) == (rt.ZERO, None, 2) and tree.unflatten(treedef, [2])[0] is rt.ZERO
    like = rt.Like((2,), np.dtype("float32"))
    assert tree.structure(like) == tree.structure(rt.Like((2,), np.dtype("float32")))
    assert tree.structure(like) != tree.structure(rt.Like((3,), np.dtype("float32")))


def test_reduce_all_and_transpose():
    assert tree.reduce(lambda a, b: a + b, [1, (2, 3)]) == 6
    assert tree.reduce(lambda a, b: a + b, [], 7) == 7
    assert tree.all([True, (True,)]) and not tree.all({"a": False})
    outer, inner = tree.structure([0, 0, 0]), tree.structure({"a": 0, "b": 0})
    assert tree.transpose(outer, inner, [{"a": i, "b": -i} for i in range(3)]) == {"a": [0, 1, 2], "b": [0, -1, -2]}


def test_arrays_are_leaves_and_nodes_around_their_buffers():
    x = as_operand(np.ones(2))
    assert tree.leaves([x])[0] is x
    assert tree.BUFFERS.flatten([x])[0][0] is x._v


def test_partial_is_a_tree_of_its_arguments():
    p = tree.Partial(max, 3, key=None)
    assert tree.leaves(p) == [3]
    assert tree.map(lambda x: x + 1, p)(2) == 4


def test_is_leaf_stops_early():
    assert tree.leaves([(1, 2), 3], is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2), 3]


def test_levels_and_prefixes_are_jaxs():
    import dataclasses

    import jax

    from runtime import tree as ours
    there = jax.tree_util
    for node in ({"a": 1, "b": [2]}, [3, [4]], (1,), None):
        assert [list(ours.flatten_one_level(node)[0] or ()), ours.flatten_one_level(node)[1]] == [
            list(there.flatten_one_level(node)[0] or ()), there.flatten_one_level(node)[1]]
        assert ours.is_tree_node(type(node)) and there.is_tree_node(type(node))
    assert str(ours.flatten_one_level_with_keys({"a": 1, "b": [2]})) == str(there.flatten_one_level_with_keys({"a": 1, "b": [2]}))
    assert not ours.is_tree_node(int)
    with pytest.raises(ValueError, match="int"):
        ours.flatten_one_level(3)
    full = [{"a": 0, "b": 0}, (0, 0)]
    assert ours.broadcast([1, 2], full) == there.tree_broadcast([1, 2], full) == [{"a": 1, "b": 1}, (2, 2)]
    assert ours.reduce_associative(lambda a, b: a + b, {"x": "a", "y": ["b", "c"]}) == "abc"
    assert ours.reduce_associative(lambda a, b: a + b, [], identity=0) == 0
    with pytest.raises(TypeError, match="identity"):
        ours.reduce_associative(lambda a, b: a + b, [])

    @ours.register_dataclass
    @dataclasses.dataclass
    class Layer:
        weight: float
        name: str = ours.static(default="w")
    assert ours.leaves(Layer(2.0)) == [2.0] and ours.map(lambda x: x + 1, Layer(2.0, "v")) == Layer(3.0, "v")
