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
    "no turn of fori_loop": lambda lax, jnp: lax.fori_loop(0, 0, lambda i, c: c + jnp.array(1, "bfloat16"), 0.0),
    "no turn of while_loop": lambda lax, jnp: lax.while_loop(lambda c: c < 0, lambda c: c + 1.0, 0),
    "associative_scan of what is not associative": lambda lax, jnp: [lax.associative_scan(lambda a, b: a * b + b, np.arange(
        1.0, n, dtype=np.float32), reverse=back) for n in (2, 3, 4, 5, 8, 9) for back in (False, True)],
    "associative_scan": lambda lax, jnp: lax.associative_scan(lambda a, b: a * b, np.arange(1, 4, dtype=np.int32), reverse=True),
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


REFUSED = {
    "a scan of no function": lambda jax: jax.lax.scan(42, 0.0, jax.numpy.ones(3)),
    "an associative scan of no function": lambda jax: jax.lax.associative_scan(42, jax.numpy.ones(3)),
    "an associative scan of different lengths": lambda jax: jax.lax.associative_scan(lambda a, b: a, (jax.numpy.ones(3), jax.numpy.ones(2))),
    "an associative scan along no axis": lambda jax: jax.lax.associative_scan(lambda a, b: a + b, jax.numpy.ones(3), axis=1),
    "no predicate": lambda jax: jax.grad(lambda x: jax.lax.cond(None, lambda v: v, lambda v: 2 * v, x))(1.0),
    "two predicates": lambda jax: jax.jit(lambda p: jax.lax.cond(p, lambda v: v, lambda v: v, 1.0))([1, 2]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_with_the_same_error(name):
    with pytest.raises(Exception) as theirs:
        REFUSED[name](jax)
    with pytest.raises(theirs.type):
        REFUSED[name](xform)


def test_second_derivatives_of_a_jitted_switch():
    def chosen(lax, jnp):
        branches = [lambda x: (x, x * x), lambda x: (x, -jnp.sin(x))]
        return lambda x: lax.switch(lax.convert_element_type(x // 1, np.int32), branches, x)
    ours, theirs = xform.jit(chosen(lax, jnp)), jax.jit(chosen(jax.lax, jax.numpy))
    for a, b in zip(xform.jacfwd(xform.jacrev(ours))(1.5), jax.jacfwd(jax.jacrev(theirs))(1.5)):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def until_done(x):
    return lax.while_loop(lambda v: ~v[1], lambda v: (v[0] * 1.5, v[0] > 3), (x, False))[0]


def while_some(x):
    return lax.while_loop(lambda v: v["on"] & ~v["off"], lambda v: {"x": v["x"] * 1.5, "on": v["x"] < 3, "off": v["off"]},
                          init_val={"x": x, "on": True, "off": False})["x"]


@pytest.mark.parametrize("f, slope", [(until_done, 1.5 ** 4), (while_some, 1.5 ** 4)])
def test_truth_values_that_loops_begin_with_are_arrays(f, slope):
    want = f(1.0)
    assert abs(float(want) - slope) < 1e-5
    for found in (xform.jit(f)(1.0), xform.vmap(f)(np.ones(2))[0], xform.grad(f)(1.0), xform.jit(xform.grad(f))(1.0)):
        assert abs(float(found) - slope) < 1e-5
