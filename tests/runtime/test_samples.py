"""Every sampled library function against jax: values and dtypes, both derivative modes, vmap and jit."""
import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy
import pytest
from tests.runtime.samples import ARGUMENTS, GROUPS, arguments, samples

import xform

CASES = [(group, expression) for group in GROUPS for expression in samples(group)]
_HEADER = {"xform": "import xform.numpy as np\nfrom xform import lax\n", "jax": "import jax.numpy as np\nfrom jax import lax\n"}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """The samples as functions of two modules that differ in what np and lax are."""
    folder = tmp_path_factory.mktemp("samples")
    made = {}
    for side, header in _HEADER.items():
        lines = [header]
        for number, (_, expression) in enumerate(CASES):
            names = ", ".join(arguments(expression))
            lines.append(f"\n\ndef case_{number}({names}):\n    return {expression}\n")
            lines.append(f"\n\ndef scalar_{number}({names}):\n    return np.sum(np.sin(np.real({expression})))\n")
        path = folder / f"samples_{side}.py"
        path.write_text("".join(lines))
        spec = importlib.util.spec_from_file_location(f"samples_{side}", path)
        made[side] = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = made[side]
        spec.loader.exec_module(made[side])
    return made


def _pair(modules, number):
    name = f"case_{number}"
    return getattr(modules["xform"], name), getattr(modules["jax"], name)


def _close(ours, theirs, what, rtol=2e-5, atol=2e-5):
    ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, jax has {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: dtype {ours.dtype}, jax has {theirs.dtype}"
    if ours.dtype == numpy.float16:
        rtol = atol = 2e-3
    numpy.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=what)


def _values(names):
    return [ARGUMENTS[name] for name in names]


def _float_places(names):
    return tuple(k for k, name in enumerate(names) if ARGUMENTS[name].dtype == numpy.float32)


# jax has no derivative for these, or refuses reverse mode; tests/test_programs.py checks loops against finite differences.
WITHOUT_ORACLE = {"lax.while_loop(lambda r: r < 5.0, lambda r: r * 2.0, s)"}


def _smooth(expression, reference, values):
    out = reference(*[jnp.asarray(v) for v in values])
    return isinstance(out, jax.Array) and out.dtype in (jnp.float32, jnp.complex64)


NUMBERS = range(len(CASES))
IDS = [f"{group}:{expression}" for group, expression in CASES]


def _every(step, numbers):
    """Every ``step``-th sample; the others are left to an exhaustive run (pytest -m exhaustive)."""
    return [pytest.param(n, id=IDS[n], marks=[pytest.mark.exhaustive] if k % step else []) for k, n in enumerate(numbers)]


@pytest.mark.parametrize("number", NUMBERS, ids=IDS)
def test_value(modules, number):
    ours, theirs = _pair(modules, number)
    values = _values(arguments(CASES[number][1]))
    result, expected = ours(*[xform.numpy.asarray(v) for v in values]), theirs(*[jnp.asarray(v) for v in values])
    _close(result, expected, "value")
    assert result.weak_type == expected.weak_type


@pytest.mark.parametrize("number", _every(2, NUMBERS))
def test_derivatives(modules, number):
    ours, theirs = _pair(modules, number)
    expression = CASES[number][1]
    names = arguments(expression)
    values, places = _values(names), _float_places(names)
    if expression in WITHOUT_ORACLE or not places or not _smooth(expression, theirs, values):
        pytest.skip("no derivative")
    rng = numpy.random.default_rng(0)
    out = numpy.asarray(theirs(*[jnp.asarray(v) for v in values]))
    seed = rng.normal(size=out.shape).astype(out.dtype)
    dots = [rng.normal(size=values[k].shape).astype("float32") for k in places]

    def active(function):
        def of(*chosen):
            full = [jnp.asarray(v) for v in values]
            for k, value in zip(places, chosen):
                full[k] = value
            return function(*full)
        return of
    chosen = [values[k] for k in places]
    _, expected_dot = jax.jvp(active(theirs), chosen, dots)
    _, expected_pull = jax.vjp(active(theirs), *chosen)
    expected = expected_pull(jnp.asarray(seed))
    statics = [k for k in range(len(values)) if k not in places]
    wrapped = _bind(ours, [xform.numpy.asarray(v) for v in values], statics)
    chosen = [xform.numpy.asarray(v) for v in chosen]
    out_dot = xform.jvp(wrapped, tuple(chosen), tuple(dots))[1]
    _close(out_dot, expected_dot, "jvp", 2e-4, 2e-4)
    _, pull = xform.vjp(wrapped, *chosen)
    for name, one, other in zip([names[k] for k in places], pull(xform.numpy.asarray(seed)), expected):
        _close(one, other, f"vjp to {name}", 2e-4, 2e-4)


def _bind(function, values, statics):
    """A function of the floating arguments alone; the others are closed over."""
    if not statics:
        return function
    if len(values) == 2:
        if statics == [0]:
            first = values[0]
            return lambda b: function(first, b)
        second = values[1]
        return lambda a: function(a, second)
    if len(values) == 3:
        one, two, three = values
        return {(0,): lambda b, c: function(one, b, c), (1,): lambda a, c: function(a, two, c),
                (2,): lambda a, b: function(a, b, three), (0, 1): lambda c: function(one, two, c),
                (0, 2): lambda b: function(one, b, three), (1, 2): lambda a: function(a, two, three)}[tuple(statics)]
    raise NotImplementedError(f"{len(values)} arguments")


@pytest.mark.parametrize("number", _every(4, NUMBERS))
def test_what_is_known_of_ranks(modules, number):
    """A batched result is added to a row that has no batch and to one with an axis more: ranks known wrongly would show."""
    ours, _ = _pair(modules, number)
    values = [xform.numpy.asarray(v) for v in _values(arguments(CASES[number][1]))]
    out = ours(*values)
    row, block = xform.numpy.ones(out.shape[-1:]) * 2, xform.numpy.ones((2, 3, *out.shape)) * 5
    two = {1: lambda a, r: ours(a) + r, 2: lambda a, b, r: ours(a, b) + r, 3: lambda a, b, c, r: ours(a, b, c) + r,
           4: lambda a, b, c, d, r: ours(a, b, c, d) + r}[len(values)]
    batch = [xform.numpy.stack([v, v]) for v in values]
    for other, axis, one in ((row, None, row), (block, 0, block[0])):
        made = xform.vmap(two, in_axes=(*[0] * len(values), axis))(*batch, other)
        expected = numpy.asarray(two(*values, one))
        _close(made, numpy.stack([expected, expected]), "sum")


@pytest.mark.parametrize("number", _every(3, NUMBERS))
def test_vmap(modules, number):
    ours, _ = _pair(modules, number)
    names = arguments(CASES[number][1])
    values = _values(names)
    rng = numpy.random.default_rng(1)
    stacks = []
    for v in values:
        noise = [v, numpy.roll(v, 1) if v.ndim else v, numpy.flip(v) if v.ndim else v]
        if v.dtype.kind in "fc":
            noise = [a * numpy.float32(rng.uniform(0.8, 1.1)) for a in noise]
        stacks.append(numpy.stack(noise).astype(v.dtype))
    choices = [tuple(0 for _ in values)]
    if len(values) > 1:
        choices += [tuple(0 if j == k else None for j in range(len(values))) for k in range(len(values))]
    for axes in choices:
        rows = [ours(*[xform.numpy.asarray(s[b] if a == 0 else s[0]) for s, a in zip(stacks, axes)]) for b in range(3)]
        expected = numpy.stack([numpy.asarray(r) for r in rows])
        got = xform.vmap(ours, in_axes=axes)(*[xform.numpy.asarray(s if a == 0 else s[0]) for s, a in zip(stacks, axes)])
        _close(got, expected, f"vmap over {axes}", 1e-4, 1e-4)


@pytest.mark.parametrize("number", _every(4, NUMBERS))
def test_jit(modules, number):
    ours, _ = _pair(modules, number)
    values = [xform.numpy.asarray(v) for v in _values(arguments(CASES[number][1]))]
    expected = ours(*values)
    got = xform.jit(ours)(*values)
    _close(got, numpy.asarray(expected), "jit", 1e-4, 1e-4)
    assert got.weak_type == expected.weak_type


def _scalar(modules, number):
    name = f"scalar_{number}"
    return getattr(modules["xform"], name), getattr(modules["jax"], name)


def _differentiable(number):
    names = arguments(CASES[number][1])
    return _float_places(names) and CASES[number][0] != "integers" and CASES[number][1] not in WITHOUT_ORACLE


SECOND = [n for n in NUMBERS if _differentiable(n)]


@pytest.mark.parametrize("number", _every(8, SECOND))
def test_second_order(modules, number):
    """Forward over reverse: the gradient's tangent, which runs every helper of the derivative under jvp."""
    ours, theirs = _scalar(modules, number)
    names = arguments(CASES[number][1])
    places, values = _float_places(names), [jnp.asarray(v) for v in _values(names)]
    rng = numpy.random.default_rng(3)
    dots = [jnp.asarray(rng.normal(size=values[k].shape).astype("float32")) for k in places]
    gradient = jax.grad(theirs, argnums=places)

    def along(*chosen):
        full = list(values)
        for k, value in zip(places, chosen):
            full[k] = value
        return gradient(*full)
    _, expected = jax.jvp(along, [values[k] for k in places], dots)
    if not any(numpy.asarray(e).any() for e in expected) and not numpy.asarray(theirs(*values)).dtype.kind == "f":
        pytest.skip("no derivative")
    own = [xform.numpy.asarray(v) for v in _values(names)]
    statics = [k for k in range(len(own)) if k not in places]
    inner = xform.grad(ours, argnums=places)
    if statics:
        inner = xform.grad(_bind(ours, own, statics), argnums=tuple(range(len(places))))
    _, got = xform.jvp(inner, tuple(own[k] for k in places), tuple(xform.numpy.asarray(d) for d in dots))
    for name, one, other in zip([names[k] for k in places], got, expected):
        _close(one, other, f"tangent of the gradient for {name}", 2e-3, 2e-3)


ZEROS = ["np.split(v, [1, 3])[1]", "np.meshgrid(v, u)[0]", "np.polyadd(v, u)", "np.pad(x, 1, mode='mean')", "v.at[9].set(s)", "np.cumprod(v)"]


@pytest.mark.parametrize("number", [*_every(24, SECOND), *[n for n in SECOND if CASES[n][1] in ZEROS and SECOND.index(n) % 24]])
def test_second_order_of_other_modes(modules, number):
    """Forward over forward, reverse over forward and reverse over reverse: the helpers meet symbolic zeros in other places."""
    ours, theirs = _scalar(modules, number)
    names = arguments(CASES[number][1])
    places, values = _float_places(names), _values(names)
    rng = numpy.random.default_rng(3)
    dots = [rng.normal(size=values[k].shape).astype("float32") for k in places]
    count = tuple(range(len(places)))

    def modes(lib, np, function):
        full = [np.asarray(v) for v in values]
        chosen, along = tuple(full[k] for k in places), tuple(np.asarray(d) for d in dots)
        statics = [k for k in range(len(full)) if k not in places]
        one = _bind(function, full, statics) if statics else function

        def slope(*args):
            return lib.jvp(one, args, along)[1]

        def product(*args):
            total = 0.0
            for part, dot in zip(lib.grad(one, argnums=count)(*args), along):
                total = total + np.sum(part * dot)
            return total
        return lib.jvp(slope, chosen, along)[1], lib.grad(slope, argnums=count)(*chosen), lib.grad(product, argnums=count)(*chosen)
    for mode, got, expected in zip(("ff", "rf", "rr"), modes(xform, xform.numpy, ours), modes(jax, jnp, theirs)):
        for one, other in zip(jax.tree.leaves(expected), xform.tree.leaves(got)):
            _close(other, one, mode, 5e-3, 5e-3)


SHARED = ["np.pad(x, 1, mode='edge')", "np.atleast_2d(v)", "np.gradient(v)"]


@pytest.mark.parametrize("number", [*_every(32, SECOND), *[n for n in SECOND if CASES[n][1] in SHARED and SECOND.index(n) % 32]])
def test_second_order_of_batches(modules, number):
    """The same modes of three examples at once, that share their tangents: as many as many arrays here have rows."""
    ours, _ = _scalar(modules, number)
    names = arguments(CASES[number][1])
    places, full = _float_places(names), [xform.numpy.asarray(v) for v in _values(names)]
    rng, count = numpy.random.default_rng(3), tuple(range(len(places)))
    dots = tuple(xform.numpy.asarray(rng.normal(size=full[k].shape).astype("float32")) for k in places)
    statics = [k for k in range(len(full)) if k not in places]
    one = _bind(ours, full, statics) if statics else ours
    gradient = xform.grad(one, argnums=count)

    def slope(*args):
        return xform.jvp(one, args, dots)[1]

    def bend(*args):
        return xform.jvp(slope, args, dots)[1]

    def turned(*args):
        return xform.jvp(gradient, args, dots)[1]
    rows = [tuple(full[k] * scale for k in places) for scale in (1.0, 1.03, 1.06)]
    for derivative in (bend, turned, xform.grad(slope, argnums=count)):
        got = xform.vmap(derivative)(*[xform.numpy.stack(column) for column in zip(*rows)])
        for leaf, *leaves in zip(xform.tree.leaves(got), *[xform.tree.leaves(derivative(*row)) for row in rows]):
            _close(leaf, numpy.stack([numpy.asarray(one) for one in leaves]), "second order of a batch", 5e-3, 5e-3)


@pytest.mark.parametrize("number", _every(8, SECOND))
def test_batched_gradient(modules, number):
    """The gradient of every example at once, under jit: every helper of the derivative batched and staged."""
    ours, _ = _scalar(modules, number)
    names = arguments(CASES[number][1])
    places = _float_places(names)
    stacks = [numpy.stack([v, numpy.flip(v) if v.ndim else v]) if k in places else v
              for k, v in enumerate(_values(names))]
    axes = tuple(0 if k in places else None for k in range(len(names)))
    gradient = xform.grad(ours, argnums=places)
    rows = [gradient(*[xform.numpy.asarray(s[b] if a == 0 else s) for s, a in zip(stacks, axes)]) for b in range(2)]
    got = xform.jit(xform.vmap(gradient, in_axes=axes))(*[xform.numpy.asarray(s) for s in stacks])
    for k, name in enumerate([names[k] for k in places]):
        _close(got[k], numpy.stack([numpy.asarray(r[k]) for r in rows]), f"gradient for {name}", 1e-3, 1e-3)
