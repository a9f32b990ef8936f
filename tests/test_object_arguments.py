"""Objects as arguments and results of transformed functions: registered classes, dataclasses and named tuples, against jax."""
import dataclasses
import types
from typing import Any, NamedTuple

import jax
import numpy as onp
import pytest

import xform
from runtime.node import Slot


def registered(cls):
    return jax.tree_util.register_pytree_node_class(xform.tree_util.register_pytree_node_class(cls))


def data(cls):
    return jax.tree_util.register_dataclass(xform.tree_util.register_dataclass(dataclasses.dataclass(cls)))


def squash(x):
    return x / (1.0 + x * x)


@data
class Linear:
    w: Any
    b: Any
    activation: Any = dataclasses.field(default=squash, metadata={"static": True})

    def __call__(self, x):
        return self.activation(x @ self.w + self.b)

    @property
    def size(self):
        return (self.w ** 2).sum()

    def scaled(self, by):
        return dataclasses.replace(self, w=self.w * by)


@registered
class Net:
    def __init__(self, layers, scale, depth=2):
        self.layers, self.scale, self.depth = layers, scale, depth

    def tree_flatten(self):
        return (self.layers, self.scale), self.depth

    @classmethod
    def tree_unflatten(cls, depth, children):
        return cls(*children, depth)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        for _ in range(self.depth):
            x = x * self.scale
        return x

    @staticmethod
    def cost(a, b):
        return ((a - b) ** 2).mean()

    def loss(self, x, y):
        return self.cost(self(x), y) + 0.01 * sum(layer.size for layer in self.layers)


class Pair(NamedTuple):
    a: Any
    b: Any

    def dot(self):
        return (self.a * self.b).sum()

    @property
    def mirrored(self):
        return Pair(self.b, self.a)


@registered
class Keyed:
    """The children of a dict that the object stores, under another name than the attribute's."""

    def __init__(self, **entries):
        self.entries = entries

    def tree_flatten(self):
        keys = tuple(sorted(self.entries))
        return tuple(self.entries[k] for k in keys), keys

    @classmethod
    def tree_unflatten(cls, keys, children):
        return cls(**dict(zip(keys, children)))


W = onp.array([[0.3, -0.2, 0.5], [0.1, 0.4, -0.6]], "float32")
V = onp.array([[0.7], [-0.3], [0.2]], "float32")
X = onp.array([[1.0, 2.0], [-0.5, 0.3]], "float32")
Y = onp.array([[0.5], [0.1]], "float32")


def net():
    return Net([Linear(W, onp.zeros(3, "float32")), Linear(V, onp.ones(1, "float32"), None or squash)], onp.float32(1.3))


def linear():
    return Linear(W, onp.array([0.1, 0.2, 0.3], "float32"))


def attributes(p):
    return (p.w * p.w).sum() * p.b.sum() + (p.b ** 3).sum()


def called(p):
    return (p(X) ** 2).sum()


def methods(p):
    return p.scaled(p.b.sum()).size * p.size


def passed_on(p):
    return twice(p, X) + twice(p.scaled(2.0), X)


def twice(p, x):
    return p(x).sum() * p.size


def whole_network(p):
    return p.loss(X, Y)


def in_a_dict(p):
    parts = {"first": p.layers[0], "second": p.layers[1]}
    return parts["second"](parts["first"](X)).sum() * p.scale


def mapped(p):
    other = xform.tree_util.tree_map(lambda x: x * 2.0, p) if isinstance(p.scale, xform.Array) else jax.tree_util.tree_map(
        lambda x: x * 2.0, p)
    return other.loss(X, Y) + p.loss(X, Y)


def rebound(p):
    for i in range(3):
        p = Linear(p.w * 0.9 + 0.1 * i, p.b - p.w.sum(), p.activation)
    return called(p)


def branched(p):
    q = p
    if p.b.sum() > 0:
        q = p.scaled(3.0)
    return called(q) + p.size


def named_tuple(p):
    q = p.mirrored._replace(a=p.a * p.a)
    a, b = q
    return q.dot() + p.dot() * a.sum() + b[0].sum()


def keyed(p):
    return (p.entries["u"] * p.entries["v"]).sum() ** 2


def early(p):
    if p.b.sum() > 100.0:
        return p.size
    for i in range(2):
        p = p.scaled(0.5)
    return p(X).sum()


PROGRAMS = [(attributes, linear), (called, linear), (methods, linear), (passed_on, linear), (whole_network, net), (in_a_dict, net),
            (rebound, linear), (branched, linear), (named_tuple, lambda: Pair(W, W + 1)),
            (keyed, lambda: Keyed(u=W, v=W * 2)), (early, linear)]
IDS = [program.__name__ for program, _ in PROGRAMS]


def same(found, wanted, rtol=2e-5):
    ours, theirs = xform.tree_util.tree_leaves(found), jax.tree_util.tree_leaves(wanted)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        onp.testing.assert_allclose(onp.asarray(a), onp.asarray(b), rtol=rtol, atol=1e-5)


def stacked(make):
    return [jax.tree_util.tree_map(lambda x: onp.stack([onp.asarray(x), onp.asarray(x) * 1.2, onp.asarray(x) - 0.3]), make())
            for _ in range(2)]


@pytest.mark.parametrize("program, make", PROGRAMS, ids=IDS)
def test_gradients(program, make):
    wanted = jax.grad(program)(make())
    found = xform.grad(program)(make())
    assert type(found) is type(wanted)
    same(found, wanted)
    same(xform.jit(xform.grad(program))(make()), wanted)
    value, gradient = xform.value_and_grad(program)(make())
    same(value, program(make()))
    same(gradient, wanted)
    same(xform.jit(program)(make()), program(make()))
    same(xform.jacrev(program)(make()), wanted)


@pytest.mark.parametrize("program, make", PROGRAMS, ids=IDS)
def test_forward(program, make):
    out, dot = xform.jvp(program, (make(),), (jax.tree_util.tree_map(lambda x: onp.ones_like(x) * 0.5, make()),))
    wanted = jax.jvp(program, (make(),), (jax.tree_util.tree_map(lambda x: onp.ones_like(x) * 0.5, make()),))
    same((out, dot), wanted)


@pytest.mark.parametrize("program, make", PROGRAMS, ids=IDS)
def test_batched(program, make):
    if program in (branched, early):
        pytest.skip("jax has no batched branches")
    ours, theirs = stacked(make)
    same(xform.vmap(program)(ours), jax.vmap(program)(theirs))
    same(xform.vmap(xform.grad(program))(ours), jax.vmap(jax.grad(program))(theirs), rtol=1e-4)
    same(xform.jit(xform.vmap(xform.grad(program)))(ours), jax.vmap(jax.grad(program))(theirs), rtol=1e-4)


@pytest.mark.parametrize("program", [branched, early])
def test_batched_branches(program):
    ours, _ = stacked(linear)
    rows = [jax.grad(program)(jax.tree_util.tree_map(lambda x: x[i], ours)) for i in range(3)]
    same(xform.vmap(xform.grad(program))(ours), jax.tree_util.tree_map(lambda *r: onp.stack(r), *rows), rtol=1e-4)


@pytest.mark.parametrize("program, make", PROGRAMS, ids=IDS)
def test_second_order(program, make):
    def ours(p):
        g = xform.grad(program)(p)
        return sum([(leaf ** 2).sum() for leaf in xform.tree_util.tree_leaves(g)])

    def theirs(p):
        g = jax.grad(program)(p)
        return sum((leaf ** 2).sum() for leaf in jax.tree_util.tree_leaves(g))
    same(xform.grad(ours)(make()), jax.grad(theirs)(make()), rtol=2e-4)
    same(xform.jit(xform.grad(ours))(make()), jax.grad(theirs)(make()), rtol=2e-4)


def trained(x_or_j, p, x, y):
    loss, g = x_or_j.value_and_grad(lambda q: q.loss(x, y))(p)
    return x_or_j.tree_util.tree_map(lambda a, b: a - 0.1 * b, p, g), loss


def trained_by_attributes(p, x, y):
    g = xform.grad(lambda q: q.loss(x, y))(p)
    layers = [Linear(a.w - 0.1 * b.w, a.b - 0.1 * b.b, a.activation) for a, b in zip(p.layers, g.layers)]
    return Net(layers, p.scale - 0.1 * g.scale, p.depth)


@pytest.mark.parametrize("wrap", [lambda f: f, xform.jit], ids=["eager", "jit"])
def test_training_steps(wrap):
    ours = wrap(lambda p, x, y: trained(xform, p, x, y))
    by_attributes = wrap(trained_by_attributes)
    p = q = r = net()
    for _ in range(3):
        p, loss = ours(p, X, Y)
        q, wanted = trained(jax, q, X, Y)
        r = by_attributes(r, X, Y)
        same(loss, wanted)
    assert type(p) is Net and type(p.layers[0]) is Linear and p.layers[0].activation is squash and p.depth == 2
    same(p, q)
    same(r, q)


def test_other_static_data_is_another_program():
    f = xform.jit(lambda p: p(X).sum())
    p = net()
    first = f(p)
    p.depth = 3
    onp.testing.assert_allclose(f(p), first * p.scale, rtol=1e-5)
    onp.testing.assert_allclose(f(net()), first, rtol=1e-6)


def test_a_batch_of_some_arguments():
    ours = xform.vmap(lambda p, x: p(x).sum(), in_axes=(None, 0))(linear(), onp.stack([X, X * 2]))
    same(ours, onp.array([linear()(X).sum(), linear()(X * 2).sum()]))


def test_results_are_objects():
    def make(x):
        return Linear(x, x * 2.0), Pair(x, Linear(x, x))
    linear_out, pair = xform.jit(make)(onp.ones(2, "float32"))
    assert type(linear_out) is Linear and type(pair) is Pair and type(pair.b) is Linear
    batched, _ = xform.vmap(make)(onp.ones((3, 2), "float32"))
    assert batched.b.shape == (3, 2) and batched.activation is squash
    out, dot = xform.jvp(lambda x: make(x)[0], (onp.ones(2, "float32"),), (onp.ones(2, "float32"),))
    same(dot.b, 2 * onp.ones(2))


def test_vjp_of_a_function_that_returns_an_object():
    out, back = xform.vjp(lambda x: Linear(x * x, 3.0 * x), onp.array([1.0, 2.0], "float32"))
    (d,) = back(Linear(onp.ones(2, "float32"), onp.ones(2, "float32")))
    same(d, onp.array([5.0, 7.0]))


class Plain:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, x):
        return x * self.rate


def test_an_object_that_is_not_differentiated_may_be_of_any_class():
    gradient = xform.grad(lambda x, plain: plain(x) ** 2)
    assert float(gradient(2.0, Plain(3.0))) == 36.0
    assert float(gradient(2.0, Plain(1.0))) == 4.0


class Bound:
    """A method read off a Guarded."""

    def __init__(self, func, owner):
        self.__func__, self.__self__ = func, owner

    def __call__(self, *args):
        return self.__func__(self.__self__, *args)


@xform.tree_util.register_pytree_node_class
class Guarded:
    """Made by a __new__ of its own, stored by force, its methods handed out in another form."""

    def __new__(cls, *args):
        return super().__new__(cls)

    def __init__(self, w, scale):
        object.__setattr__(self, "w", w)
        object.__setattr__(self, "scale", scale)

    def __setattr__(self, name, value):
        raise AttributeError("frozen")

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return Bound(found.__func__, self) if isinstance(found, types.MethodType) and not name.startswith("__") else found

    def tree_flatten(self):
        return (self.w,), self.scale

    @classmethod
    def tree_unflatten(cls, scale, children):
        return cls(*children, scale)

    def weight(self):
        return self.w * self.scale

    def __call__(self, x):
        return xform.numpy.sum(self.weight() * x)


@xform.tree_util.register_pytree_node_class
class Doubling(Guarded):
    """Says what an attribute is in a way that no reader of its class would see."""

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        return found * 2 if name == "w" and not isinstance(found, Slot) else found


@xform.tree_util.register_pytree_node_class
class ByType:
    """What is an array is a child, the others are not."""

    def __new__(cls, *args):
        return super().__new__(cls)

    def __init__(self, w):
        self.w = w

    def tree_flatten(self):
        own = isinstance(self.w, (xform.Array, float))
        return (self.w if own else None,), None if own else self.w

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls(children[0] if aux is None else aux)

    def __call__(self, x):
        return self.w * x


def test_objects_of_classes_that_make_and_store_in_their_own_way():
    x = xform.numpy.array([1.0, 2.0])
    guarded = Guarded(xform.numpy.array([3.0, 4.0]), 2)
    slope = xform.grad(lambda g, x: g(x) ** 2)(guarded, x)
    assert type(slope) is Guarded
    onp.testing.assert_allclose(slope.w, 2 * 22 * 2 * x)
    onp.testing.assert_allclose(xform.jit(lambda g, x: g(x))(guarded, x), 22)
    onp.testing.assert_allclose(xform.vmap(lambda g, x: g(x), in_axes=(None, 0))(guarded, xform.numpy.stack([x, 2 * x])), [22, 44])
    onp.testing.assert_allclose(xform.vmap(guarded)(xform.numpy.stack([x, 2 * x])), [22, 44])


@pytest.mark.parametrize("given", [Doubling(xform.numpy.array([3.0, 4.0]), 2), ByType(xform.numpy.array(3.0))])
def test_objects_that_cannot_be_read_off_their_class_are_refused(given):
    with pytest.raises(xform.TransformError, match="cannot differentiate"):
        xform.grad(lambda g: xform.numpy.sum(g(2.0)))(given)


class Sampled:
    """Its dtype is found by asking for a sample's type."""

    def __init__(self, scale):
        self.scale = scale

    def sample(self, key):
        return xform.random.normal(key, (2,)) * self.scale

    @property
    def dtype(self):
        return xform.eval_shape(self.sample, xform.random.key(0)).dtype


def test_a_dtype_that_a_property_works_out():
    made = Sampled(3.0)
    assert made.dtype == xform.numpy.float32
    assert float(xform.grad(lambda x: x * xform.numpy.asarray(made.scale, made.dtype))(1.0)) == 3.0


def assigns(p):
    p.w = p.w * 2
    return p.size


def keeps_plain(x):
    return Plain(x)


@pytest.mark.parametrize("run, reason", [
    (lambda: xform.grad(assigns)(linear()), "an attribute of an object that the function was given is assigned"),
    (lambda: xform.jit(keeps_plain)(1.0), "the class is no pytree")])
def test_refused(run, reason):
    with pytest.raises(xform.TransformError, match=reason) as caught:
        run()
    assert "test_object_arguments.py" in str(caught.value)


def test_a_plain_object_cannot_be_differentiated():
    with pytest.raises(TypeError, match="Plain"):
        xform.grad(lambda p: p(2.0))(Plain(1.0))


def test_generated_code_reads_the_attributes():
    gradient = xform.grad(called)
    gradient(linear())
    text = xform.source(gradient)
    assert "p.w, p.b" in text and "rt.unattribute(" in text and "squash" in text


def test_calls_with_objects_are_kept():
    compiled = xform.jit(lambda p, x: p(x).sum())
    p = xform.tree_util.tree_map(xform.numpy.asarray, linear())
    first = compiled(p, X)
    assert len(compiled._calls) == 1
    same(compiled(p.scaled(1.0), X), first)
    low = dataclasses.replace(p, activation=lambda x: x * 0.0)      # other static data: another program
    assert float(compiled(low, X)) == 0.0
    same(compiled(p, X), first)
    assert len(compiled._calls) == 2


def test_an_object_may_hold_itself():
    plain = Plain(3.0)
    plain.parent = plain
    assert float(xform.grad(lambda x, plain: plain(x) * plain.parent.rate)(2.0, plain)) == 9.0


class Scaled:
    def __init__(self, x, on):
        self.x, self.on = x, on

    @xform.jit
    def of(self, y):
        return self.x * y if self.on else y


xform.tree_util.register_pytree_node(Scaled, lambda s: ((s.x,), {"on": s.on}), lambda known, children: Scaled(*children, **known))


def test_static_data_may_be_a_dict():
    scaled = Scaled(2.0, True)
    assert scaled.of(3.0) == 6
    scaled.on = False
    assert scaled.of(3.0) == 3
    assert xform.grad(lambda s: s.of(3.0))(Scaled(2.0, True)).x == 3
    assert xform.vmap(lambda s: s.of(3.0))(Scaled(xform.numpy.arange(3.0), True)).tolist() == [0, 3, 6]
