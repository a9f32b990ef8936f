"""Every sampled function of scipy, image and ops against jax: values and dtypes, both derivative modes, vmap and jit."""
import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy
import pytest
from tests.runtime.library_samples import ARGUMENTS, samples

import xform

CASES = samples()
IDS = [f"{group}:{expression}" for group, expression, _ in CASES]
_HEADER = {"xform": "import xform.numpy as np\nfrom xform import flatten_util, image, lax, ops, scipy\n",
           "jax": "import jax.numpy as np\nimport jax.flatten_util, jax.scipy.integrate, jax.scipy.stats, jax.scipy.signal, jax.scipy.fft\n"
                  "import jax.scipy.ndimage, jax.scipy.cluster.vq, jax.scipy.sparse.linalg, jax.scipy.optimize\n"
                  "import jax.scipy.interpolate\nfrom jax import flatten_util, image, lax, ops, scipy\n"}


def arguments(expression):
    """Return the names of the arguments that an expression uses."""
    import ast
    names = [n.id for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Name)]
    return [n for n in dict.fromkeys(names) if n in ARGUMENTS]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The samples as functions of two modules that differ in whose library they import."""
    folder, made = tmp_path_factory.mktemp("library"), {}
    for side, header in _HEADER.items():
        lines = [header]
        for number, (_, expression, _) in enumerate(CASES):
            lines.append(f"\n\ndef case_{number}({', '.join(arguments(expression))}):\n    return {expression}\n")
        path = folder / f"library_samples_{side}.py"
        path.write_text("".join(lines))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        made[side] = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made[side])
    return made


def _pair(modules, number):
    return getattr(modules["xform"], f"case_{number}"), getattr(modules["jax"], f"case_{number}")


def _same(ours, theirs, what, tolerance):
    ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, jax has {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtype {ours.dtype}, jax has {theirs.dtype}"
    scale = numpy.max(numpy.abs(theirs[numpy.isfinite(theirs)]), initial=1e-3) if theirs.dtype.kind in "fc" else 1
    numpy.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * min(1, scale), err_msg=what)


def _inputs(number):
    names = arguments(CASES[number][1])
    values = [ARGUMENTS[name] for name in names]
    return values, [i for i, v in enumerate(values) if v.dtype == numpy.float32]


@pytest.mark.parametrize("number", range(len(CASES)), ids=IDS)
def test_value(modules, number):
    ours, theirs = _pair(modules, number)
    values, _ = _inputs(number)
    got, wanted = ours(*[xform.numpy.asarray(v) for v in values]), theirs(*[jnp.asarray(v) for v in values])
    mine, others = xform.tree_util.tree_leaves(got), jax.tree_util.tree_leaves(wanted)
    assert len(mine) == len(others)
    for one, other in zip(mine, others):
        _same(one, other, "value", 2e-5)


def _some(step, keep):
    chosen = [k for k in range(len(CASES)) if keep(CASES[k][2])]
    return [pytest.param(k, id=IDS[k], marks=[pytest.mark.exhaustive] if i % step else []) for i, k in enumerate(chosen)]


def _floating(values, places, function):
    def of(*chosen):
        full = list(values)
        for place, value in zip(places, chosen):
            full[place] = value
        return function(*full)
    return of


@pytest.mark.parametrize("number", _some(8, lambda marks: not set(marks) & set("vdf")))
def test_derivatives(modules, number):
    ours, theirs = _pair(modules, number)
    values, places = _inputs(number)
    out = theirs(*[jnp.asarray(v) for v in values])
    if not places or not isinstance(out, jax.Array) or out.dtype.kind not in "fc":
        pytest.skip("no derivative")
    rng = numpy.random.default_rng(0)
    seed = rng.normal(size=out.shape).astype(out.dtype)
    chosen, dots = [values[k] for k in places], [rng.normal(size=values[k].shape).astype("float32") for k in places]
    wrapped = _floating([jnp.asarray(v) for v in values], places, theirs)
    _, wanted_dot = jax.jvp(wrapped, chosen, dots)
    wanted = jax.vjp(wrapped, *chosen)[1](jnp.asarray(seed))
    own, mine = [xform.numpy.asarray(v) for v in values], [xform.numpy.asarray(v) for v in chosen]
    if len(places) == len(values):
        got_dot = xform.jvp(ours, tuple(mine), tuple(xform.numpy.asarray(d) for d in dots))[1]
        _same(got_dot, wanted_dot, "jvp", 3e-4)
        for place, one, other in zip(places, xform.vjp(ours, *mine)[1](xform.numpy.asarray(seed)), wanted):
            _same(one, other, f"vjp to argument {place}", 3e-4)
    else:  # integers take part, but no derivative flows through them
        gradient = xform.grad(_weighted(ours, xform.numpy.asarray(seed)), argnums=tuple(places))(*own)
        for place, one, other in zip(places, gradient, wanted):
            _same(one, other, f"gradient for argument {place}", 3e-4)


@pytest.mark.parametrize("number", _some(1, lambda marks: "f" in marks))
def test_derivatives_by_differences(modules, number):
    ours, _ = _pair(modules, number)
    values, places = _inputs(number)
    rng = numpy.random.default_rng(0)
    with xform.enable_x64():
        values = [v.astype("float64") if k in places else v for k, v in enumerate(values)]
        dots = [rng.normal(size=v.shape) for v in values]
        assert len(places) == len(values)
        up = numpy.asarray(ours(*[xform.numpy.asarray(v + 1e-6 * d) for v, d in zip(values, dots)]))
        down = numpy.asarray(ours(*[xform.numpy.asarray(v - 1e-6 * d) for v, d in zip(values, dots)]))
        own = [xform.numpy.asarray(v) for v in values]
        dot = xform.jvp(ours, tuple(own), tuple(xform.numpy.asarray(d) for d in dots))[1]
        _same(dot, (up - down) / 2e-6, "jvp", 1e-6)
        seed = rng.normal(size=up.shape).astype(up.dtype)
        pulled = xform.vjp(ours, *own)[1](xform.numpy.asarray(seed))
        numpy.testing.assert_allclose(sum(numpy.sum(p * d) for p, d in zip(pulled, dots)), numpy.sum(seed * dot).real, rtol=1e-9)


def _weighted(function, weights):
    if function.__code__.co_argcount == 2:
        return lambda one, two: xform.numpy.sum(function(one, two) * weights)
    if function.__code__.co_argcount == 3:
        return lambda one, two, three: xform.numpy.sum(function(one, two, three) * weights)
    return lambda one, two, three, four: xform.numpy.sum(function(one, two, three, four) * weights)


@pytest.mark.parametrize("number", _some(4, lambda marks: "v" not in marks and "b" not in marks))
def test_vmap_and_jit(modules, number):
    ours, _ = _pair(modules, number)
    values, places = _inputs(number)
    if not places:
        pytest.skip("nothing to batch")
    stacks = [numpy.stack([v, v * numpy.float32(0.9)]) if k in places else v for k, v in enumerate(values)]
    rows = [ours(*[xform.numpy.asarray(s[b] if k in places else s) for k, s in enumerate(stacks)]) for b in range(2)]
    axes = tuple(0 if k in places else None for k in range(len(values)))
    got = xform.jit(xform.vmap(ours, in_axes=axes))(*[xform.numpy.asarray(s) for s in stacks])
    leaves = [xform.tree_util.tree_leaves(row) for row in rows]
    for one, *others in zip(xform.tree_util.tree_leaves(got), *leaves):
        _same(one, numpy.stack([numpy.asarray(o) for o in others]), "vmap", 1e-4)
