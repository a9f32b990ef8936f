"""Calls with *args and **kwargs of a known number, and pytrees taken apart and put together, under every transformation, as jax."""
import collections
import dataclasses
import functools

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.flatten_util
import xform.numpy as np
from xform.errors import TransformError

X, XS = 1.3, [0.5, 1.5, 2.0]
OPTIONS = {"power": 3, "scale": 2.0}
REDUCTION = {"axis": 0, "keepdims": False}


def scaled(x, power=2, scale=1.0):
    return scale * x ** power


def programs(jax, jnp):
    """Functions of one number by name; ``jax`` and ``jnp`` are xform or jax itself."""
    trees, ravel, made = jax.tree_util, jax.flatten_util.ravel_pytree, {}
    made["options of a module"] = lambda x: scaled(x, **OPTIONS)
    made["options of an operation"] = lambda x: jnp.sum(jnp.array([x, x * x]), **REDUCTION)
    made["options merged"] = lambda x: scaled(x, **{**OPTIONS, "scale": x})

    def local_options(x):
        options = {"power": 3, "scale": x}
        other = dict(power=2, scale=x * x)
        return scaled(x, **options) + scaled(x, **other)
    made["local options"] = local_options

    def forwarded(x):
        def inner(y, **more):
            return scaled(y, **more)
        return inner(x, power=3) + inner(x, scale=x)
    made["options passed on"] = forwarded

    def of_list(x):
        xs = [x, x * x]
        return jnp.stack([*xs]).sum() + jnp.maximum(*xs) + jnp.sin(*[x * 2])
    made["a list"] = of_list

    def of_tuple(x):
        pair = (x, 2.0)
        return jnp.power(*pair) * jnp.hypot(*(x, x)) + jnp.where(x > 0, *pair)
    made["a tuple"] = of_tuple

    def passed_on(x):
        def inner(*a):
            return jnp.arctan2(*a) * sum(a) + len(a)
        return inner(x, x * 2)
    made["arguments passed on"] = passed_on

    def comprehension(x):
        ys = [x * i for i in range(1, 3)]
        return jnp.arctan2(*ys) * scaled(*ys[:1], 3)
    made["a comprehension"] = comprehension

    def unknown_number(x):
        rest = [x * 2.0]
        rest.append(x * x)
        return jnp.arctan2(*rest)
    made["a list that grows"] = unknown_number

    def raveled(x):
        flat, unravel = ravel({"w": jnp.ones((2, 3)) * x, "b": jnp.ones(2) * x * x})
        q = unravel(flat * flat)
        return jnp.sum(q["w"]) * 2 + jnp.sum(q["b"] ** 2)
    made["ravel_pytree"] = raveled

    def step(x):
        p = {"w": jnp.ones(3) * x, "b": x}

        def loss(p):
            return jnp.sum(p["w"] ** 2) * p["b"]
        gradient, unravel = ravel(jax.grad(loss)(p))
        flat, _ = ravel(p)
        return loss(unravel(flat - 0.1 * gradient))
    made["a step on the raveled tree"] = step

    def flattened(x):
        leaves, treedef = trees.tree_flatten({"w": jnp.ones(3) * x, "b": [x, x * x]})
        q = trees.tree_unflatten(treedef, [2.0 * leaf * leaf for leaf in leaves])
        return q["w"].sum() + q["b"][1]
    made["tree_flatten"] = flattened

    def method(x):
        leaves, treedef = trees.tree_flatten({"w": jnp.ones(3) * x, "b": x})
        out = []
        for leaf in leaves:
            out.append(jnp.sin(leaf))
        return jnp.sum(treedef.unflatten(out)["w"]) * leaves[0]
    made["unflatten"] = method

    def structure(x):
        q = trees.tree_unflatten(trees.tree_structure({"w": 1, "b": [2, 3]}), (x, x * x, x * 3))
        return q["b"][0] * q["w"] * q["b"][1]
    made["tree_structure"] = structure

    def reduced(x):
        p = {"w": jnp.ones(3) * x, "b": [x, x * x]}
        return trees.tree_reduce(lambda a, b: a + jnp.sum(b), p, 0.0)
    made["tree_reduce"] = reduced

    def pairs(x):
        p = {"w": (x, 2.0), "b": (x * x, x)}
        each = trees.tree_map(lambda t: t[0] * t[1], p, is_leaf=lambda t: isinstance(t, tuple))
        return sum(a * b for a, b in trees.tree_leaves(p, is_leaf=lambda t: isinstance(t, tuple))) + each["w"] * each["b"]
    made["leaves that are tuples"] = pairs

    def stacked(x):
        each = [{"a": x, "b": x}, {"a": x * x, "b": 1.0}]
        one = trees.tree_map(lambda *leaves: jnp.stack(leaves), *each)
        each.append(one)
        return one["a"].sum() * one["b"].sum()
    made["trees stacked"] = stacked

    def summed(x):
        each = [{"a": x * i, "b": x} for i in range(3)]
        total = trees.tree_map(lambda *leaves: sum(leaves), *each)
        both = trees.tree_map(jnp.multiply, *each[:2])
        return total["a"] * total["b"] + both["a"] + both["b"]
    made["trees summed"] = summed
    return made


RUNS = {
    "value": lambda m, f, p: f(X), "grad": lambda m, f, p: m.grad(f)(X), "grad grad": lambda m, f, p: m.grad(m.grad(f))(X),
    "jvp": lambda m, f, p: m.jvp(f, (X,), (1.0,)), "vmap": lambda m, f, p: m.vmap(f)(p.array(XS)), "jit": lambda m, f, p: m.jit(f)(X),
    "vmap grad": lambda m, f, p: m.vmap(m.grad(f))(p.array(XS)), "jit grad": lambda m, f, p: m.jit(m.grad(f))(X),
    "grad jit": lambda m, f, p: m.grad(m.jit(f))(X),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", list(programs(jax, jnp)))
def test_as_jax(name, run):
    mine, other = RUNS[run](xform, programs(xform, np)[name], np), RUNS[run](jax, programs(jax, jnp)[name], jnp)
    for a, b in zip(xform.tree_util.tree_leaves(mine), jax.tree_util.tree_leaves(other), strict=True):
        onp.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def test_changed_options_are_seen():
    options = {"power": 3}

    def f(x):
        return scaled(x, **options)
    gradient = xform.grad(f)
    onp.testing.assert_allclose(gradient(2.0), 12.0)
    options["power"] = 2
    onp.testing.assert_allclose(gradient(2.0), 4.0)
    options["scale"] = 5.0
    onp.testing.assert_allclose(gradient(2.0), 20.0)


def more_of(x, y=None, **more):
    return x * sum(more.values()) if y is None else x * y + sum(more.values())


Options = collections.namedtuple("Options", "power scale")


def unknown_keys(jax, jnp):
    """Functions of a number and a dict, of which only the run knows the keys."""
    made = {}
    made["parameters"] = lambda x, d: scaled(x, **{k: v * x for k, v in d.items()})
    made["one of them given"] = lambda x, d: scaled(x, 3, **{k: v for k, v in d.items() if k != "power"})
    made["passed on"] = lambda x, d: more_of(x, **d) + more_of(x, x, **d) + more_of(x, z=x, **d)
    made["of a named tuple"] = lambda x, d: (lambda o: o.power * x ** 2 + o.scale)(Options(**d))
    made["of a transformed function"] = lambda x, d: jax.grad(scaled)(x, **d)

    def of_a_nested_function(x, d):
        def inner(y, *, power, scale=1.0, shift=2.0):
            return scale * y ** power + shift * x

        def outer(y, **options):
            return inner(y, **options)
        options = {}
        for key in d:
            options[key] = d[key] + x
        return outer(x, **options)
    made["of a nested function"] = of_a_nested_function
    return made


@pytest.mark.parametrize("name", unknown_keys(jax, jnp))
def test_options_of_which_only_the_run_knows_the_keys(name):
    f, wanted, options = unknown_keys(xform, np)[name], unknown_keys(jax, jnp)[name], {"power": 2.0, "scale": 1.5}
    for run, own in ((jax.grad, xform.grad), (lambda f: jax.grad(f, 1), lambda f: xform.grad(f, 1)), (jax.jit, xform.jit),
                     (lambda f: jax.jit(jax.grad(f)), lambda f: xform.jit(xform.grad(f))), (lambda f: jax.vmap(f, (0, None)), lambda f: xform.vmap(f, (0, None))),
                     (jax.grad, lambda f: lambda x, d: xform.jvp(lambda x: f(x, d), (x,), (1.0,))[1])):
        x = onp.float32([1.3, 0.4]) if "vmap" in run.__code__.co_names else X
        jax.tree.map(lambda one, other: onp.testing.assert_allclose(one, other, rtol=2e-5), own(f)(x, options), run(wanted)(x, options))


@pytest.mark.parametrize("options, reason", [
    ({"powers": 2.0}, "scaled\\(\\) got an unexpected keyword argument 'powers'"), ({"x": 2.0}, "scaled\\(\\) got multiple values for argument 'x'")])
def test_unknown_keys_that_do_not_suit(options, reason):
    with pytest.raises(TypeError, match=reason):
        xform.grad(lambda x, d: scaled(x, **{k: v for k, v in d.items()}))(X, options)
    with pytest.raises(TypeError, match="missing a required argument: 'scale'"):
        xform.jit(lambda x, d: Options(**{k: v for k, v in d.items()}).power * x)(X, {"power": 2.0})


def moved(x, *, a=1.0, b=2.0):
    return np.sum(x * a + b)


def three(a, b, c=2.0):
    return np.sum(a * b * b) * c


def of_any(*xs, **more):
    return sum(np.sum(x * (i + 1)) for i, x in enumerate(xs)) * more.get("a", 1.0)


def passing(f, args, kw):
    return f(*args, **kw)


def twice(f):
    @functools.wraps(f)
    def inner(*args, **kw):
        return 2.0 * f(*args, **kw)
    return inner


class Scaled:
    def __init__(self, w=1.0, **more):
        self.w, self.more = w, more

    def __call__(self, x, a=1.0, **more):
        return np.sum(x * self.w * a) + more.get("b", 0.0) * self.more.get("b", 1.0)

    def of(self, x, a=1.0, b=0.5):
        return np.sum(x * self.w * a) * b


@dataclasses.dataclass
class Line:
    a: float
    b: float = 3.0

    def at(self, x):
        return np.sum(self.a * x * x + self.b)


UNKNOWN = {
    "keyword-only": lambda x, args, kw: moved(*args, **kw) * np.sum(x),
    "any": lambda x, args, kw: of_any(*args, **kw) * np.sum(x),
    "one before": lambda x, args, kw: of_any(x, *args, **kw),
    "one behind, one named": lambda x, args, kw: of_any(*args, x, c=x, **kw),
    "one in the middle named": lambda x, args, kw: three(*args, b=x, **{"c": kw["a"] for _ in kw}) * np.sum(x),
    "passed on": lambda x, args, kw: passing(moved, args, kw) * np.sum(x),
    "a partial passed on": lambda x, args, kw: passing(functools.partial(of_any, x), args, kw),
    "a partial of positions": lambda x, args, kw: functools.partial(of_any, *args)(x, **kw),
    "a partial of names": lambda x, args, kw: functools.partial(moved, **kw)(x),
    "a partial, a name given again": lambda x, args, kw: functools.partial(moved, **kw)(x, b=x[1]),
    "an object": lambda x, args, kw: Scaled(2.0)(*args, **kw) * np.sum(x),
    "a method": lambda x, args, kw: Scaled(x[0]).of(*args, **kw),
    "a constructor": lambda x, args, kw: Scaled(**kw)(x, **kw),
    "a dataclass": lambda x, args, kw: Line(**kw).at(x),
    "a decorated function": lambda x, args, kw: twice(moved)(*args, **kw) * np.sum(x),
    "a decorated function, keys alone": lambda x, args, kw: twice(moved)(x, **kw),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_arguments_that_only_the_run_knows(name):
    f = UNKNOWN[name]
    x = np.arange(3.0) + 1
    args, kw = (x * 0.5,), {"a": np.float32(1.5), "b": np.float32(0.7)}
    grads = xform.grad(f, argnums=(0, 1, 2))(x, args, kw)
    step = 1e-2
    for i in range(3):
        e = onp.eye(3, dtype="float32")[i] * step
        slope = (f(x + e, args, kw) - f(x - e, args, kw)) / (2 * step)
        onp.testing.assert_allclose(grads[0][i], slope, rtol=2e-3, atol=2e-3)
        slope = (f(x, (args[0] + e,), kw) - f(x, (args[0] - e,), kw)) / (2 * step)
        onp.testing.assert_allclose(grads[1][0][i], slope, rtol=2e-3, atol=2e-3)
    for key in kw:
        slope = (f(x, args, {**kw, key: kw[key] + step}) - f(x, args, {**kw, key: kw[key] - step})) / (2 * step)
        onp.testing.assert_allclose(grads[2][key], slope, rtol=2e-3, atol=2e-3)
    batch = np.stack([x, 2 * x]), (np.stack([args[0], args[0] + 1]),), {k: np.stack([v, v + 1]) for k, v in kw.items()}
    mapped = xform.jit(xform.vmap(xform.grad(f, argnums=(0, 1, 2))))(*batch)
    for lane in range(2):
        alone = xform.grad(f, argnums=(0, 1, 2))(*xform.tree.map(lambda leaf: leaf[lane], batch))
        for one, other in zip(xform.tree.leaves(alone), xform.tree.leaves(mapped)):
            onp.testing.assert_allclose(one, other[lane], rtol=1e-5)
    dots = xform.jvp(f, (x, args, kw), (x, args, kw))[1]
    parts = zip(xform.tree.leaves(grads), xform.tree.leaves((x, args, kw)))
    onp.testing.assert_allclose(dots, sum(np.sum(g * v) for g, v in parts), rtol=1e-5)


def test_keywords_of_an_operation_that_only_the_run_knows():
    x = np.arange(6.0).reshape(2, 3)
    f = lambda x, args, kw: np.sum(np.sum(x, **kw) ** 2) + np.sum(np.mean(*args, **kw) * x)
    gradient = xform.grad(f)(x, (x,), {"axis": 0})
    onp.testing.assert_allclose(gradient, 2 * x.sum(0) + x.mean(0) + 0 * x)


@pytest.mark.parametrize("args, kw, message", [
    ((X, X), {}, "moved\\(\\) takes 1 positional argument but 2 were given"),
    ((), {}, "moved\\(\\) missing a required argument: 'x'"),
    ((X,), {"c": 1.0}, "moved\\(\\) got an unexpected keyword argument 'c'"),
    ((X,), {"x": 1.0}, "moved\\(\\) got multiple values for argument 'x'")])
def test_arguments_that_do_not_suit_raise_as_a_call_does(args, kw, message):
    with pytest.raises(TypeError, match=message):
        xform.grad(lambda x, args, kw: x * moved(*args, **kw))(X, args, kw)
