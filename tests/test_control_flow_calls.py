"""lax's control flow called directly: what goes in and comes out are arrays, as under JAX."""
import jax
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform import lax

CALLS = {
    "cond": lambda lax, jnp: lax.cond(True, lambda x, y: x, lambda x, y: y, 1.0, 2.0),
    "cond of constants": lambda lax, jnp: lax.cond(jnp.array(False), lambda: 1, lambda: 2),
    "cond by operand": lambda lax, jnp: lax.cond(True, lambda x: x.astype(jnp.float32), lambda x: x * 1.0, operand=3),
    "switch": lambda lax, jnp: lax.switch(7, [lambda x: x, lambda x: x + 10], 1),
    "while_loop": lambda lax, jnp: lax.while_loop(lambda c: c.astype(jnp.float32) < 10, lambda c: c + 1, 0),
    "fori_loop": lambda lax, jnp: lax.fori_loop(0, 4, lambda i, c: c + i.astype(c.dtype), 0.0),
    "fori_loop by name": lambda lax, jnp: lax.fori_loop(lower=1, upper=4, body_fun=lambda i, c: c * i, init_val=1),
    "scan of NumPy rows": lambda lax, jnp: lax.scan(lambda c, x: (c + x, c.reshape(1)), 0, np.arange(3)),
    "scan options": lambda lax, jnp: lax.scan(lambda c, _: (c * 2, c), 1.0, None, length=3, reverse=True),
    "scan of a dict": lambda lax, jnp: lax.scan(lambda c, x: (c + x["a"], c), 0.0, xs={"a": np.ones(3, np.float32)}),
    "map": lambda lax, jnp: lax.map(lambda x: x[0] + x[1].astype(jnp.int32), (np.arange(3), jnp.arange(3))),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_are_arrays_of_the_same_types(name):
    ours, theirs = CALLS[name](lax, jnp), CALLS[name](jax.lax, jax.numpy)
    ours, theirs = xform.tree_util.tree_leaves(ours), jax.tree_util.tree_leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert isinstance(a, xform.Array) and a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6)


@pytest.mark.parametrize("transform", [xform.jit, xform.grad, lambda f: lambda x: xform.vmap(f)(jnp.stack([x, x]))[1]])
def test_operand_and_index_in_transformed_functions(transform):
    def f(x):
        y = lax.cond(x > 0, lambda v: v * x, lambda v: -v, operand=x)
        return lax.fori_loop(0, 3, lambda i, c: c * x + i.astype(jnp.float32), y)

    def theirs(x):
        y = jax.lax.cond(x > 0, lambda v: v * x, lambda v: -v, operand=x)
        return jax.lax.fori_loop(0, 3, lambda i, c: c * x + i.astype(jax.numpy.float32), y)
    expected = jax.grad(theirs)(1.5) if transform is xform.grad else theirs(1.5)
    np.testing.assert_allclose(transform(f)(jnp.float32(1.5)), expected, rtol=1e-6)


def test_a_policy_of_names_made_inside_a_transformed_function():
    from xform.ad_checkpoint import checkpoint_name

    def layer(w, x):
        return jnp.sin(checkpoint_name(w @ x, "product")).sum()

    def loss(w):
        kept = xform.checkpoint(layer, policy=xform.checkpoint_policies.save_only_these_names("product"))
        return kept(w, jnp.ones(2))
    np.testing.assert_allclose(xform.grad(loss)(jnp.eye(2)), xform.grad(lambda w: layer(w, jnp.ones(2)))(jnp.eye(2)), rtol=1e-6)
