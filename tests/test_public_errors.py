"""Calls of the public functions that jax refuses are refused with the same type of error; rarer forms of calls give what they give there."""
import jax
import numpy as onp
import pytest

import xform

REFUSED = {
    "jacrev of integers": lambda xf, np, x: xf.jacrev(lambda n: n * 2.0)(np.arange(3)),
    "product of arguments": lambda xf, np, x: xf.linear_transpose(np.sin, x)(x),
    "cotangent of another shape": lambda xf, np, x: xf.linear_transpose(lambda v: 2 * v, x)(np.ones(4)),
    "bounds of two dtypes": lambda xf, np, x: xf.lax.fori_loop(onp.int8(0), onp.int32(3), lambda i, c: c + 1, 0),
    "array as a bound": lambda xf, np, x: xf.lax.fori_loop(0, np.arange(2), lambda i, c: c + 1, 0),
    "carry that grows": lambda xf, np, x: xf.lax.fori_loop(0, 3, lambda i, c: (c, c), 0),
    "float bound under jit": lambda xf, np, x: xf.jit(lambda n: xf.lax.fori_loop(0, n, lambda i, c: c + 1, 0))(3.0),
    "jit of nothing": lambda xf, np, x: xf.jit(None),
    "jit of a number": lambda xf, np, x: xf.jit(3),
    "too many out_axes": lambda xf, np, x: xf.vmap(lambda v: (v, v), out_axes=(0, 0, 0))(x),
    "too few out_axes": lambda xf, np, x: xf.vmap(lambda v: (v, v), out_axes=(0,))(x),
    "out_axes of a leaf": lambda xf, np, x: xf.vmap(lambda v: v, out_axes=(0, 0))(x),
    "other keys in out_axes": lambda xf, np, x: xf.vmap(lambda v: {"a": v}, out_axes={"b": 0})(x),
    "a string in out_axes": lambda xf, np, x: xf.vmap(lambda v: v, out_axes="a")(x),
    "out_axes None": lambda xf, np, x: xf.vmap(lambda v: v, out_axes=None)(x),
    "too many in_axes": lambda xf, np, x: xf.vmap(lambda v: v[0], in_axes=((0, 0, 0),))((x, x)),
    "other keys in in_axes": lambda xf, np, x: xf.vmap(lambda v: v["a"], in_axes=({"b": 0},))({"a": x}),
    "inner in_axes": lambda xf, np, x: xf.jit(lambda v: xf.vmap(lambda w: (w, w), out_axes=(0, (0, 0)))(v))(x),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_by_jax(name):
    with pytest.raises(Exception) as theirs:
        REFUSED[name](jax, jax.numpy, jax.numpy.arange(3.0))
    with pytest.raises(Exception) as ours:
        REFUSED[name](xform, xform.numpy, xform.numpy.arange(3.0))
    assert isinstance(ours.value, type(theirs.value)), (ours.value, theirs.value)


ROWS = onp.zeros((0, 4), onp.float32)
ACCEPTED = {
    "affine": lambda xf, np, x: xf.linear_transpose(lambda v: v + 1, x)(x),
    "linear": lambda xf, np, x: xf.linear_transpose(lambda d: 2 * d["a"] + d["b"].sum(), {"a": x, "b": x})(x),
    "constant": lambda xf, np, x: xf.linear_transpose(lambda v: np.ones(3), x)(x),
    "Jacobian by integers": lambda xf, np, x: xf.jacrev(lambda d: d["a"] * d["n"], allow_int=True)({"a": x, "n": np.arange(3)}),
    "operands of branches": lambda xf, np, x: (xf.lax.cond(True, 3.0, lambda a: a * 2, 4.0, lambda b: b * 3),
                                               xf.lax.cond(False, 3.0, lambda a: a * 2, 4.0, lambda b: b * 3)),
    "their gradient": lambda xf, np, x: [xf.grad(lambda v: xf.lax.cond(v > 0, v, lambda a: a * 2, v * v, lambda b: b * 3))(s)
                                         for s in (2.0, -2.0)],
    "under jit": lambda xf, np, x: xf.jit(lambda v: xf.lax.cond(v > 0, v, lambda a: a * 2, v * v, lambda b: b * 3))(-2.0),
    "no rows": lambda xf, np, x: xf.lax.scan(lambda c, r: (c + r.sum(), (r * c, c)), 0.0, np.asarray(ROWS)),
    "no rows under jit": lambda xf, np, x: xf.jit(lambda xs: xf.lax.scan(lambda c, r: (c + r.sum(), (r * c, c)), 0.0, xs))(np.asarray(ROWS)),
    "no turns": lambda xf, np, x: xf.lax.scan(lambda c, r: (c + 1, c * 2), 0.0, None, length=0),
    "gradient over no rows": lambda xf, np, x: xf.grad(lambda xs, c: xf.lax.scan(lambda c, r: (c * 2, c * r), c, xs)[0], (0, 1))(
        np.asarray(ROWS)[:, 0], 1.0),
    "gradient over no rows under jit": lambda xf, np, x: xf.jit(xf.grad(lambda c, xs: xf.lax.scan(
        lambda c, r: (c * 2, c * r), c, xs)[0] ** 2))(3.0, np.asarray(ROWS)[:, 0]),
    "map of no rows": lambda xf, np, x: xf.lax.map(lambda r: (r * 2, r.sum()), np.asarray(ROWS)),
    "map of no rows under jit": lambda xf, np, x: xf.jit(lambda xs: xf.lax.map(lambda r: (r * 2, r.sum()), xs))(np.asarray(ROWS)),
    "some out_axes": lambda xf, np, x: xf.vmap(lambda v: (v, {"a": np.ones(2) * v}), out_axes=(0, {"a": 1}))(x),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_as_by_jax(name):
    theirs = jax.tree.leaves(ACCEPTED[name](jax, jax.numpy, jax.numpy.arange(3.0)))
    ours = xform.tree.leaves(ACCEPTED[name](xform, xform.numpy, xform.numpy.arange(3.0)))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        onp.testing.assert_allclose(a, b, rtol=1e-6)
        assert a.dtype == b.dtype and a.shape == b.shape
