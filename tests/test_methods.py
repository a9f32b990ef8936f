"""Methods of arrays and of strings inside transformed functions."""
import collections

import jax
import numpy
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap

X = numpy.array([[0.3, -1.2, 0.8], [1.5, 0.1, -0.4]], numpy.float32)

METHODS = {
    "flatten": lambda x: x.flatten()[2] * x[0, 0], "sort": lambda x: (x.sort(axis=1) * x).sum(), "compress": lambda x: (
        x.compress(numpy.array([True, False, True]), axis=1) ** 2).sum(), "argpartition": lambda x: (x * x.argpartition(1)).sum(),
    "choose": lambda x: (x > 0).astype(int).choose((x * x, x), mode="clip").sum()}


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_arrays(name):
    f = METHODS[name]
    numpy.testing.assert_allclose(f(np.array(X)), f(jax.numpy.array(X)), rtol=1e-6)
    wanted = jax.grad(f)(jax.numpy.array(X))
    for found in (grad(f)(X), jit(grad(f))(X), vmap(grad(f))(X[None])[0]):
        numpy.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=name)


def by_key(params):
    total = 0.0
    for key, value in params.items():
        if key.startswith("w"):
            total = total + np.sum(value ** 2)
        elif key.split("_")[-1].isdigit():
            total = total + np.sum(np.sin(value)) * float(key.split("_")[-1])
    return total + sum(np.sum(v ** 3) for k, v in params.items() if not k.endswith("1") and k.upper() != "B_2")


def test_methods_of_strings():
    params = {"w1": X, "b_2": X[0], "b_x": X[1]}
    wanted = {"w1": 2 * X, "b_2": 2 * numpy.cos(X[0]), "b_x": 3 * X[1] ** 2}
    batch = {key: numpy.stack([value, value]) for key, value in params.items()}
    for found in (grad(by_key)(params), jit(grad(by_key))(params), xform.tree_util.tree_map(lambda a: a[1], vmap(grad(by_key))(batch))):
        for key, value in wanted.items():
            numpy.testing.assert_allclose(found[key], value, rtol=1e-5)
    second = grad(lambda p: sum(np.sum(v ** 2) for k, v in grad(by_key)(p).items() if k.startswith("w")))(params)
    numpy.testing.assert_allclose(second["w1"], 8 * X, rtol=1e-6)


def test_dot_of_numbers():
    assert grad(np.dot, argnums=(0, 1))(2.0, 3.0) == (3.0, 2.0)
    assert xform.vjp(lambda x, y: np.dot(x, y), 2.0, 3.0)[1](1.0) == (3.0, 2.0)


def test_strings_that_are_written_out():
    table = {"square": lambda v: v * v, "sin": np.sin, "half": lambda v: v / 2}

    def f(x, separator):
        for word in "square sin half".split():
            x = table[word](x)
        return x * len("a-b-c".split(separator))

    for found in (grad(f)(1.5, "-"), vmap(grad(lambda x: f(x, "-")))(np.array([1.5]))[0], jit(grad(lambda x: f(x, "-")))(1.5)):
        assert abs(float(found) - 3 * numpy.cos(2.25) * 1.5) < 1e-5


def test_containers_that_are_refused():
    def binned(x, factory=lambda: float(3)):
        bins = collections.defaultdict(factory)
        bins[0] += x * x
        return bins[0]

    with pytest.raises(xform.errors.TransformError, match="defaultdict cannot be made.*\n.*setdefault"):
        grad(binned)(1.0)


def test_a_list_at_an_index_that_differs():
    def f(x):
        items, k = [x, 2.0 * x], 0
        while x < 3.0:
            x, k = x * 2.0, 1
        return items[k]

    with pytest.raises(TypeError, match="list of 2 items is read at an index that differs from example to example"):
        vmap(f)(np.array([1.0, 5.0]))


class Counted:
    def update(self, count, step=1.0):
        return count + step


COUNTED = {"a": Counted(), "b": Counted()}


def test_an_update_whose_result_is_used_is_no_update_of_a_dict():
    def f(x, counts, step):
        after = {k: one.update(counts[k], step=step) for k, one in COUNTED.items()}
        return x * after["a"] * after["b"]

    def merged(x, d, more):
        return (d.update(more) or d)["a"] * x
    assert float(jit(f)(2.0, {"a": 1.0, "b": 2.0}, 2.0)) == 24.0
    with pytest.raises(TypeError, match=r"the result of dict.update\(\), which is None, is used"):
        jit(merged)(1.0, {"a": 2.0}, {"a": 3.0})


class Picking:
    """A method with *args and **kwargs that passes both, as they are, to a method which only the run knows."""

    def __init__(self, first):
        self.first = first

    def doubled(self, x, args, kwargs):
        return product(x, *args, **kwargs) * 2

    def tripled(self, x, args, kwargs):
        return product(x, *args, **kwargs) * 3

    def picked(self, x, *args, **kwargs):
        f = self.doubled if self.first else self.tripled
        return f(x, args, kwargs)


def product(x, y=5.0):
    return x * y


@pytest.mark.parametrize("args, kwargs, wanted", [((), {}, 20.0), ((3.0,), {}, 12.0), ((), {"y": 3.0}, 12.0)])
def test_what_a_call_leaves_out_of_args_and_kwargs_is_empty(args, kwargs, wanted):
    assert float(jit(Picking(True).picked)(2.0, *args, **kwargs)) == wanted
    assert float(jit(Picking(False).picked)(2.0, *args, **kwargs)) == 1.5 * wanted
