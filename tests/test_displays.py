"""Lists and tuples that spread other ones with *, under every transformation."""
import jax
import jax.numpy
import numpy as np
import pytest

import xform
import xform.numpy as jnp


def in_front(x, ys):
    zs = [*ys, x * 2]
    return zs[0] * zs[1] * zs[-1]


def behind(x, ys):
    zs = (x, x * x, *ys)
    return zs[0] * zs[2] + zs[1] * zs[3] ** 2


def between(x, ys):
    zs = (x, *ys, x * 3)
    return sum(zs) * zs[1] * zs[-1]


def shape_of(x, ys):
    return jnp.zeros((2, *jnp.shape(x))).sum() + x * ys[0]


@pytest.mark.parametrize("f", [in_front, behind, between, shape_of])
def test_spreading(f):
    x, ys = jnp.float32(1.5), (jnp.float32(2.0), jnp.float32(-0.5))
    theirs = type(f)(f.__code__, {**f.__globals__, "jnp": jax.numpy}, f.__name__)
    for argnums in (0, 1):
        expected = jax.tree_util.tree_leaves(jax.grad(theirs, argnums)(1.5, (2.0, -0.5)))
        for made in (xform.grad(f, argnums), xform.jit(xform.grad(f, argnums)), xform.jacfwd(f, argnums)):
            np.testing.assert_allclose(xform.tree_util.tree_leaves(made(x, ys)), expected, rtol=1e-6)
    np.testing.assert_allclose(xform.hessian(f)(x, ys), jax.hessian(theirs)(1.5, (2.0, -0.5)), rtol=1e-6)
    many = xform.vmap(xform.value_and_grad(f), in_axes=(0, None))(jnp.array([1.5, 2.5]), ys)
    np.testing.assert_allclose(many[0], [theirs(1.5, (2.0, -0.5)), theirs(2.5, (2.0, -0.5))], rtol=1e-6)
    np.testing.assert_allclose(many[1], [jax.grad(theirs)(v, (2.0, -0.5)) for v in (1.5, 2.5)], rtol=1e-6)
    other = xform.vmap(f, in_axes=(None, 0))(x, (jnp.array([2.0, 1.0]), jnp.array([-0.5, 3.0])))
    np.testing.assert_allclose(other, [theirs(1.5, (2.0, -0.5)), theirs(1.5, (1.0, 3.0))], rtol=1e-6)


def total(first, *rest):
    return first + sum([r * (i + 2) for i, r in enumerate(rest)])


WEIGHTS = np.array([5.0, 6.0], np.float32)
ROWS = {    # of an array x of two rows, written for xform and jax alike
    "behind": lambda np, tree, x: [*x, 1.0][1],
    "in front": lambda np, tree, x: (1.0, *x)[2] * x[0],
    "after an unmapped array": lambda np, tree, x: [*np.asarray(WEIGHTS), *x][1] * x[0],
    "between": lambda np, tree, x: np.stack([x[1], *x, x[0] * 2])[1:3] @ x,
    "arguments": lambda np, tree, x: total(x[0], *x, 3.0) ** 2,
    "of a call of the library": lambda np, tree, x: np.hypot(*x) * np.hstack([*x, 2.0])[1],
    "unflattened": lambda np, tree, x: tree.unflatten(tree.structure((1, 2)), x)[0] * x[1] ** 2,
    "by the structure": lambda np, tree, x: tree.structure({"a": 1, "b": 2}).unflatten(x)["b"] * x[0] ** 2,
}


@pytest.mark.parametrize("name", ROWS)
def test_spreading_rows_of_arrays(name):
    """The mapped axis, as long as the rows are many, is not the one that is spread."""
    seen = []
    for lib, number in ((jax, jax.numpy), (xform, jnp)):
        f, tree = ROWS[name], lib.tree
        one = lambda x: f(number, tree, x)
        every = lib.vmap(one)
        loss = lambda x: number.sum(every(x) ** 2)
        x = number.asarray([[3.0, 1.0], [4.0, 7.0]], number.float32)
        seen.append([every(x), lib.jit(every)(x), lib.vmap(every)(number.stack([x, x + 1])), lib.grad(loss)(x), lib.vmap(lib.grad(one))(x),
                     lib.jit(lib.vmap(lib.jacfwd(one)))(x), *lib.vmap(lambda v: lib.jvp(one, (v,), (v * 2,)))(x), lib.hessian(one)(x[0])])
    for ours, theirs in zip(seen[1], seen[0]):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5)


def test_extremes_of_rows_and_more():
    for f in (lambda np, x: max(*x, 1.5) * x[0], lambda np, x: min(2.0, *x) * x[0]):
        made = [lib.grad(lambda x: f(np, x))(np.array([3.0, 1.0])) for lib in (jax, xform)]
        np.testing.assert_array_equal(*made)
