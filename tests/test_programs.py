"""Every program of the zoo under every transformation, against an oracle that runs the same text."""
import contextlib
import importlib.util
import inspect
import io
import pathlib
import random

import jax
import numpy
import pytest

import xform
from runtime.tree import tree_leaves, tree_map

HERE = pathlib.Path(__file__).parent
FILES = ["programs.py", "programs_functions.py", "programs_arrays.py", "programs_numerics.py"]


def ours(file):
    spec = importlib.util.spec_from_file_location(f"zoo_{file[:-3]}", HERE / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def theirs(file, oracle):
    """The same text with JAX or NumPy in place of xform."""
    text = (HERE / file).read_text()
    if oracle == "jax":
        text = text.replace("import xform as jax", "import jax").replace("xform.numpy", "jax.numpy").replace("from xform", "from jax")
    else:
        text = text.replace("import xform as jax", "import jax").replace("import xform.numpy as np", "import numpy as np")
        text = text.replace("from xform", "from jax")
    namespace = {"__name__": f"{oracle}_{file[:-3]}"}
    exec(compile(text, f"<{file} for {oracle}>", "exec"), namespace)
    return namespace["PROGRAMS"]


ZOO = {}
for _file in FILES:
    _oracles = {name: theirs(_file, name) for name in ("jax", "numpy")}
    for _name, (_function, _inputs, _options) in ours(_file).PROGRAMS.items():
        assert _name not in ZOO
        ZOO[_name] = _function, _oracles[_options["oracle"]][_name][0], _inputs, _options

NAMES = list(ZOO)


def weigh(out):
    """Reduce a result to a scalar that depends on the place of each element."""
    flat = xform.numpy.ravel(out)
    return xform.numpy.sum(flat * xform.numpy.cos(xform.numpy.arange(flat.size, dtype=xform.numpy.float32)))


def scalar_of(function):
    def one(x):
        return weigh(function(x))

    def two(x, y):
        return weigh(function(x, y))

    def three(x, y, z):
        return weigh(function(x, y, z))
    return {1: one, 2: two, 3: three}[len(inspect.signature(function).parameters)]


def oracle_scalar(function, lib):
    def scalar(*args):
        flat = lib.ravel(function(*args))
        return lib.sum(flat * lib.cos(lib.arange(flat.size)))
    return scalar


def close(one, other, rtol=2e-4, atol=2e-4):
    one, other = tree_leaves(one), jax.tree.leaves(other)
    assert len(one) == len(other)
    for a, b in zip(one, other):
        assert numpy.shape(a) == numpy.shape(b)
        numpy.testing.assert_allclose(numpy.asarray(a), numpy.asarray(b), rtol=rtol, atol=atol)


def copied(inputs, array=numpy.array):
    return tree_map(lambda leaf: array(leaf) if isinstance(leaf, numpy.ndarray) else leaf, inputs)


def doubles(inputs):
    return tree_map(lambda leaf: numpy.array(leaf, dtype=numpy.float64), inputs)


def directions(inputs, seed=3):
    rng = numpy.random.default_rng(seed)
    return tree_map(lambda leaf: rng.normal(size=numpy.shape(leaf)).astype(numpy.float32), inputs)


def along(function, inputs, tangents):
    """t -> function(inputs + t tangents) in double precision, with fresh arrays each time."""
    def at(t):
        return float(function(*tree_map(lambda x, v: numpy.asarray(x, numpy.float64) + t * numpy.asarray(v, numpy.float64),
                                        inputs, tangents)))
    return at


def inner(a, b):
    return sum(float(numpy.vdot(numpy.asarray(x, numpy.float64), numpy.asarray(y, numpy.float64)))
               for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True))


def argnums(inputs):
    return tuple(range(len(inputs)))


def oracle_gradient(function, inputs):
    return jax.grad(oracle_scalar(function, jax.numpy), argnums=argnums(inputs))(*inputs)


def chosen(flag=None, share=1.0, always=()):
    """The names that a test runs on by default, the rest marked exhaustive."""
    names = [n for n in NAMES if flag is None or ZOO[n][3][flag]]
    picked = {*random.Random(0).sample(names, round(share * len(names))), *always}
    return [n if n in picked else pytest.param(n, marks=pytest.mark.exhaustive) for n in names]


@pytest.mark.parametrize("name", NAMES)
def test_value(name):
    function, oracle, inputs, options = ZOO[name]
    expected = oracle(*(copied(inputs, jax.numpy.asarray) if options["oracle"] == "jax" else doubles(inputs)))
    if options["jit"]:
        close(xform.jit(function)(*copied(inputs)), expected)
    value, _ = xform.vjp(function, *copied(inputs))
    close(value, expected)


@pytest.mark.parametrize("name", NAMES)
def test_gradient(name):
    function, oracle, inputs, options = ZOO[name]
    gradient = xform.grad(scalar_of(function), argnums=argnums(inputs))(*copied(inputs))
    if options["oracle"] == "jax":
        close(gradient, oracle_gradient(oracle, inputs))
    else:
        tangents = directions(inputs)
        at = along(oracle_scalar(oracle, numpy), inputs, tangents)
        close(inner(gradient, tangents), (at(1e-5) - at(-1e-5)) / 2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_forward_agrees_with_reverse(name):
    function, _, inputs, _ = ZOO[name]
    tangents = directions(inputs)
    _, tangent = xform.jvp(function, copied(inputs), tangents)
    out, pull = xform.vjp(function, *copied(inputs))
    cotangent = numpy.cos(numpy.arange(out.size, dtype=numpy.float32)).reshape(out.shape)
    close(inner(tangent, cotangent), inner(pull(cotangent), tangents))


@pytest.mark.parametrize("name", chosen("jit", share=0.6))
def test_compiled_gradient(name):
    function, _, inputs, _ = ZOO[name]
    gradient = xform.grad(scalar_of(function), argnums=argnums(inputs))
    close(xform.jit(gradient)(*copied(inputs)), gradient(*copied(inputs)))


@pytest.mark.parametrize("name", chosen(share=0.15, always=("power_iteration", "assign_item", "augment_item", "assign_in_loop")))
def test_reverse_over_forward(name):
    """The gradient of a directional derivative is the derivative of the gradient in that direction."""
    function, _, inputs, options = ZOO[name]
    if options["order"] < 2:
        pytest.skip("not smooth")
    scalar, tangents = scalar_of(function), directions(inputs)

    def slope(*args):
        return xform.jvp(scalar, args, tangents)[1]
    close(xform.grad(slope, argnums=argnums(inputs))(*copied(inputs)), hessian_vector(function, inputs, tangents), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", chosen(share=0.5))
def test_second_derivative(name):
    function, oracle, inputs, options = ZOO[name]
    if options["order"] < 2:
        pytest.skip("not smooth")
    tangents = directions(inputs)
    product = hessian_vector(function, inputs, tangents)
    if options["oracle"] == "jax":
        def slope(*args):
            gradient = jax.grad(oracle_scalar(oracle, jax.numpy), argnums=argnums(inputs))(*args)
            return sum(jax.numpy.sum(g * v) for g, v in zip(jax.tree.leaves(gradient), jax.tree.leaves(tangents)))
        close(product, jax.grad(slope, argnums=argnums(inputs))(*inputs), rtol=1e-3, atol=1e-3)
    else:
        at = along(oracle_scalar(oracle, numpy), inputs, tangents)
        close(inner(product, tangents), (at(1e-4) - 2 * at(0.0) + at(-1e-4)) / 1e-8, rtol=1e-3, atol=1e-3)


def hessian_vector(function, inputs, tangents):
    """Reverse over reverse: the gradient of the first gradient's product with the tangents."""
    first = xform.grad(scalar_of(function), argnums=argnums(inputs))
    _, pull = xform.vjp(first, *copied(inputs))
    return pull(tangents)


def examples(inputs, count=3):
    """Stack perturbed copies of the inputs along a new first axis."""
    rows = [tree_map(lambda leaf: numpy.asarray(leaf, numpy.float32) * (1 + 0.15 * k) + 0.05 * k, inputs)
            for k in range(count)]
    return tree_map(lambda *leaves: numpy.stack(leaves), *rows), rows


@pytest.mark.parametrize("name", chosen("batch"))
def test_batched_value(name):
    function, _, inputs, _ = ZOO[name]
    stacked, rows = examples(inputs)
    expected = [xform.vjp(function, *copied(row))[0] for row in rows]
    close(xform.vmap(function)(*stacked), numpy.stack([numpy.asarray(e) for e in expected]))


@pytest.mark.parametrize("name", chosen("batch", share=0.15, always=("namedtuples", "number_beside_vectors")))
def test_derivatives_of_the_batched(name):
    """Reverse and forward mode over vmap, against the derivatives of each example."""
    function, _, inputs, _ = ZOO[name]
    scalar, tangents = scalar_of(function), directions(inputs)
    stacked, rows = examples(inputs)
    weights = (1.0, 2.0, -1.0)

    def total(*args):
        return xform.numpy.sum(xform.vmap(scalar)(*args) * xform.numpy.array(weights))
    each = [xform.grad(scalar, argnums=argnums(inputs))(*copied(row)) for row in rows]
    weighted = tree_map(lambda *leaves: numpy.stack([w * numpy.asarray(leaf) for w, leaf in zip(weights, leaves)]), *each)
    close(xform.grad(total, argnums=argnums(inputs))(*stacked), weighted)
    dots = tree_map(lambda leaf: numpy.stack([w * leaf for w in weights]), tangents)
    close(xform.jvp(xform.vmap(scalar), stacked, dots)[1], numpy.array([w * inner(g, tangents) for w, g in zip(weights, each)]))


@pytest.mark.parametrize("name", chosen("batch", share=0.06, always=("loop_zip_arrays", "assign_in_loop", "gauss_elimination", "sorting",
                                                                    "splitting")))
def test_batched_second_derivatives(name):
    """Reverse over forward, forward over reverse and forward over forward, for examples that share their tangents."""
    function, _, inputs, options = ZOO[name]
    if options["order"] < 2:
        pytest.skip("not smooth")
    scalar, tangents = scalar_of(function), directions(inputs)
    gradient = xform.grad(scalar, argnums=argnums(inputs))

    def slope(*args):
        return xform.jvp(scalar, args, tangents)[1]
    stacked, rows = examples(inputs)
    wanted = [hessian_vector(function, row, tangents) for row in rows]
    each = tree_map(lambda *leaves: numpy.stack([numpy.asarray(leaf) for leaf in leaves]), *wanted)
    size = max([1.0, *[float(numpy.max(numpy.abs(leaf))) for leaf in tree_leaves(each)]])
    close(xform.vmap(xform.grad(slope, argnums=argnums(inputs)))(*stacked), each, 1e-3, 1e-3 * size)
    close(xform.vmap(lambda *args: xform.jvp(gradient, args, tangents)[1])(*stacked), each, 1e-3, 1e-3 * size)
    close(xform.vmap(lambda *args: xform.jvp(slope, args, tangents)[1])(*stacked),
          numpy.array([inner(one, tangents) for one in wanted]), 1e-3, 1e-3 * size)


@pytest.mark.parametrize("name", chosen("jit", share=0.05, always=("return_from_loop",)))
def test_compiled_forward_over_reverse(name):
    function, _, inputs, options = ZOO[name]
    if options["order"] < 2:
        pytest.skip("not smooth")
    tangents, gradient = tree_map(xform.numpy.asarray, directions(inputs)), xform.grad(scalar_of(function), argnums=argnums(inputs))
    found = xform.jit(lambda *args: xform.jvp(gradient, args, tangents)[1])(*copied(inputs))
    close(found, hessian_vector(function, inputs, tangents), 1e-3, 1e-3)


@pytest.mark.parametrize("name", chosen("batch", share=0.5))
def test_batched_gradient(name):
    function, _, inputs, _ = ZOO[name]
    gradient = xform.grad(scalar_of(function), argnums=argnums(inputs))
    stacked, rows = examples(inputs)
    expected = [gradient(*copied(row)) for row in rows]
    close(xform.vmap(gradient)(*stacked), tree_map(lambda *leaves: numpy.stack([numpy.asarray(e) for e in leaves]), *expected))


@pytest.mark.parametrize("name", chosen("batch", share=0.3))
def test_compiled_batched_gradient(name):
    if not ZOO[name][3]["jit"]:
        pytest.skip("depends on values")
    function, _, inputs, _ = ZOO[name]
    gradient = xform.vmap(xform.grad(scalar_of(function), argnums=argnums(inputs)))
    stacked, _ = examples(inputs)
    close(xform.jit(gradient)(*stacked), gradient(*stacked))


def test_printing_is_kept():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        xform.grad(lambda x: (print("seen"), x * x)[1])(2.0)
    assert out.getvalue() == "seen\n"
