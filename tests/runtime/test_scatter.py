"""lax.gather and the scatters with dimension numbers agree with jax's: values, modes, derivatives and batches."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import lax

_rng = numpy.random.default_rng(3)


def _f(*shape):
    return _rng.normal(size=shape).astype("f")


def _i(*rows):
    return numpy.array(rows, "int32")


GATHERS = {
    "rows": (_f(5, 4), _i([1], [3], [7]), ((1,), (0,), (0,)), (1, 4)),
    "windows": (_f(5, 4), _i([0, 1], [3, 2], [4, 3], [-1, 0]), ((1, 2), (), (0, 1)), (2, 2)),
    "elements": (_f(5, 4), _i([0, 1], [3, 2], [2, 9]), ((), (0, 1), (0, 1)), (1, 1)),
    "swapped": (_f(5, 4), _i([1, 0], [2, 3]), ((), (0, 1), (1, 0)), (1, 1)),
    "scalar index": (_f(6), _i(2), ((0,), (), (0,)), (3,)),
    "batching": (_f(3, 5), _i([1], [4], [0]), ((), (1,), (1,), (0,), (0,)), (1, 1)),
    "columns": (_f(3, 5), _i([[1], [4]], [[0], [0]]), ((0,), (1,), (1,)), (3, 1)),
}


def numbers(module, kind, parts):
    return getattr(module, kind)(*parts)


@pytest.mark.parametrize("mode", [None, "fill", "clip"])
@pytest.mark.parametrize("name", GATHERS)
def test_gather(name, mode):
    x, i, parts, sizes = GATHERS[name]

    def ours(x, i):
        return lax.gather(x, i, numbers(lax, "GatherDimensionNumbers", parts), sizes, mode=mode, fill_value=7.0)

    def theirs(x, i):
        return jax.lax.gather(x, i, numbers(jax.lax, "GatherDimensionNumbers", parts), sizes, mode=mode, fill_value=7.0)
    agree(ours, theirs, (x, i))


def agree(ours, theirs, args, floats=(0,)):
    """Value, cotangents, tangents and the batches over each argument and all of them."""
    numpy.testing.assert_array_equal(ours(*args), theirs(*args))
    numpy.testing.assert_array_equal(xform.jit(ours)(*args), theirs(*args))
    weights = numpy.random.default_rng(5).normal(size=theirs(*args).shape).astype("f")
    for n in floats:
        mine = xform.grad(lambda *a: (ours(*a) * weights).sum(), n)(*args)
        numpy.testing.assert_allclose(mine, jax.grad(lambda *a: (theirs(*a) * weights).sum(), n)(*args), rtol=1e-5, atol=1e-6)
    real = [numpy.cos(args[n]) for n in floats]

    def part(function):
        return lambda *f: function(*[f[floats.index(n)] if n in floats else a for n, a in enumerate(args)])
    start = tuple([args[n] for n in floats])
    tangent, wanted = xform.jvp(part(ours), start, tuple(real))[1], jax.jvp(part(theirs), start, tuple(real))[1]
    numpy.testing.assert_allclose(tangent, wanted, rtol=1e-5, atol=1e-6)
    for axes in [tuple(0 if n == m else None for m in range(len(args))) for n in range(len(args))] + [(0,) * len(args)]:
        many = [numpy.stack([a, a[::-1], numpy.roll(a, 1, 0)]) if axis == 0 else a for a, axis in zip(args, axes)]
        numpy.testing.assert_array_equal(xform.vmap(ours, axes)(*many), jax.vmap(theirs, axes)(*many))
        if axes[0] == 0:
            mine = xform.vmap(xform.grad(lambda *a: (ours(*a) * weights).sum()), axes)(*many)
            numpy.testing.assert_allclose(mine, jax.vmap(jax.grad(lambda *a: (theirs(*a) * weights).sum()), axes)(*many), rtol=1e-5, atol=1e-6)


SCATTERS = {
    "rows": (_f(5, 4), _i([1], [3], [7]), _f(3, 4), ((1,), (0,), (0,))),
    "windows": (_f(5, 4), _i([0, 1], [3, 2], [4, 3]), _f(3, 2, 2), ((1, 2), (), (0, 1))),
    "elements": (_f(5, 4), _i([0, 1], [3, 2], [2, 9]), _f(3), ((), (0, 1), (0, 1))),
    "repeated": (_f(5), _i([1], [1], [3], [1]), _f(4), ((), (0,), (0,))),
    "batching": (_f(3, 5), _i([1], [4], [0]), _f(3), ((), (1,), (1,), (0,), (0,))),
}


@pytest.mark.parametrize("mode", [None, "clip"])
@pytest.mark.parametrize("how", ["scatter", "scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max"])
@pytest.mark.parametrize("name", SCATTERS)
def test_scatter(name, how, mode):
    x, i, updates, parts = SCATTERS[name]
    unique = how == "scatter_mul" and name != "repeated"

    def ours(x, i, u):
        return getattr(lax, how)(x, i, u, numbers(lax, "ScatterDimensionNumbers", parts), mode=mode, unique_indices=unique)

    def theirs(x, i, u):
        return getattr(jax.lax, how)(x, i, u, numbers(jax.lax, "ScatterDimensionNumbers", parts), mode=mode, unique_indices=unique)
    if how == "scatter_mul" and name == "repeated":
        numpy.testing.assert_allclose(ours(x, i, updates), theirs(x, i, updates), rtol=1e-6)
        with pytest.raises(NotImplementedError, match="unique_indices"):
            xform.grad(lambda u: ours(x, i, u).sum())(updates)
        return
    if mode == "clip" and how in ("scatter_min", "scatter_max"):    # jax's derivative overlooks that the windows were moved
        step, x_dot, u_dot = numpy.float32(2.0 ** -9), numpy.cos(x), numpy.cos(updates)
        change = (theirs(x + step * x_dot, i, updates + step * u_dot) - theirs(x - step * x_dot, i, updates - step * u_dot)) / (2 * step)
        tangent = xform.jvp(lambda x, u: ours(x, i, u), (x, updates), (x_dot, u_dot))[1]
        numpy.testing.assert_allclose(tangent, change, atol=2e-3)
        x_bar, u_bar = xform.grad(lambda x, u: (ours(x, i, u) * x_dot).sum(), (0, 1))(x, updates)
        numpy.testing.assert_allclose((tangent * x_dot).sum(), (x_bar * x_dot).sum() + (u_bar * u_dot).sum(), rtol=1e-4)
        return
    agree(ours, theirs, (x, i, updates), (0, 2))


def test_refusals():
    x, i, u = _f(5, 4), _i([1], [2]), _f(2, 4)
    good = lax.GatherDimensionNumbers((1,), (0,), (0,))
    for call, text in [(lambda: lax.gather(x, i, good, (2, 4)), "must be 1"), (lambda: lax.gather(x, i, good, (1, 9)), "do not fit"),
                       (lambda: lax.gather(x, i[0, :0], good, (1, 4)), "last axis"),
                       (lambda: lax.scatter(x, i, u[:1], lax.ScatterDimensionNumbers((1,), (0,), (0,))), "updates of shape"),
                       (lambda: lax.scatter(x, i, u.astype(int), lax.ScatterDimensionNumbers((1,), (0,), (0,))), "dtype")]:
        with pytest.raises(TypeError, match=text):
            call()
    with pytest.raises(ValueError, match="mode"):
        lax.gather(x, i, good, (1, 4), mode="wrap")


def numbers_where(np, put, v, m):
    out = put(np.zeros(4), v > 0.5, 2.0)
    return np.sum(put(out, v < 0.2, v[0] * v[1]) * v) * m[0, 0]


def rows_where(np, put, v, m):
    rows = put(m * 1.0, v > 0.2, v[:2] * 3.0)
    return np.sum(put(rows, m > 1.0, rows * v[2]) ** 2)


@pytest.mark.parametrize("program, orders", [
    (numbers_where, (lambda lib, f: lib.jit(lib.grad(f, (0, 1))), lambda lib, f: lib.jit(lib.hessian(f)),
                     lambda lib, f: lambda v, m: lib.jit(lib.vmap(lib.grad(f, (0, 1)), (0, None)))(numpy.stack([v, 1.5 * v]), m))),
    (rows_where, (lambda lib, f: lib.jit(lib.grad(f, (0, 1))),))])
def test_derivatives_of_writes_where_a_staged_mask_says(program, orders):
    def ours(v, m):
        def put(x, mask, value):
            x[mask] = value
            return x
        return program(xform.numpy, put, v, m)

    def theirs(v, m):
        def put(x, mask, value):
            return jnp.where(jnp.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim)), value, x)
        return program(jnp, put, v, m)
    v = numpy.array([0.3, 0.9, 0.1, 0.7], "float32")
    m = numpy.linspace(0.2, 1.7, 8, dtype="float32").reshape(4, 2)
    for order in orders:
        for one, other in zip(jax.tree.leaves(order(jax, theirs)(v, m)), xform.tree_util.tree_leaves(order(xform, ours)(v, m))):
            numpy.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)
