"""Policies of checkpoint: the backward half has what the policy keeps, computes the rest again, and the derivative stays the same."""
from __future__ import annotations

import jax as oracle
import jax.ad_checkpoint as oracle_checkpoint
import jax.numpy as jnp
import numpy
import pytest
from jax._src.ad_checkpoint import saved_residuals as oracle_residuals

import xform as jax
import xform.numpy as np
from xform.ad_checkpoint import checkpoint_name, saved_residuals

RNG = numpy.random.default_rng(0)
X = np.asarray(RNG.normal(size=(3, 3)).astype("float32")) * 0.5
W = np.asarray(RNG.normal(size=(2, 3, 3)).astype("float32")) * 0.7


def network(x, ws):
    for i in range(2):
        x = np.tanh(checkpoint_name(x @ ws[i], "pre"))
        x = checkpoint_name(np.sin(x), "act") * 2
    return np.sum(x ** 2)


def network_of_jax(x, ws):
    for i in range(2):
        x = jnp.tanh(oracle_checkpoint.checkpoint_name(x @ ws[i], "pre"))
        x = oracle_checkpoint.checkpoint_name(jnp.sin(x), "act") * 2
    return jnp.sum(x ** 2)


def branches(x, ws):
    w, turns = ws[0], 0
    if np.sum(x) > 0:
        y = np.tanh(x @ w)
    else:
        y = np.sin(w @ x) @ x
    while np.sum(y) < 5 and turns < 4:
        y = y * 1.5 + np.sin(y @ w)
        turns += 1
    return np.sum(np.sin(y @ w))


def scanned(x, ws):
    def turn(carry, w):
        carry = np.tanh(carry @ w)
        return carry, np.sum(carry)
    carry, ys = jax.lax.scan(turn, x, ws)
    return np.sum(carry * carry) + np.sum(ys)


@jax.jit
def compiled(x, w):
    return np.sin(x @ w)


def calls(x, ws):
    return np.sum(np.cos(compiled(np.tanh(compiled(x, ws[0])), ws[1]) @ ws[0]))


def contractions(x, ws):
    y = np.einsum("ij,jk->ik", np.sin(x), ws[0])
    z = np.einsum("bij,bjk->bik", np.stack([np.sin(y), y]), ws)
    return np.sum(np.tanh(z) ** 2)


def policies(of):
    return {"dots": of.dots_saveable, "unbatched": of.dots_with_no_batch_dims_saveable, "only": of.save_only_these_names("pre"),
            "but": of.save_any_names_but_these("pre"), "except": of.save_anything_except_these_names("pre"),
            "both": of.save_from_both_policies(of.dots_saveable, of.save_only_these_names("act")),
            "own": lambda prim, *_, **params: prim.name == "tanh"}


POLICIES = policies(jax.checkpoint_policies)
TRANSFORMS = {
    "jit(grad)": lambda f: jax.jit(jax.grad(f, (0, 1))),
    "vmap(grad)": lambda f: lambda x, w: jax.vmap(jax.grad(f), (0, None))(np.stack([x, x * 2]), w),
    "grad(vmap)": lambda f: jax.grad(lambda x, w: np.sum(jax.vmap(f, (0, None))(np.stack([x, x * 2]), w))),
    "grad(grad)": lambda f: jax.grad(lambda x, w: np.sum(np.sin(jax.grad(f)(x, w))), (0, 1)),
    "jvp(grad)": lambda f: lambda x, w: jax.jvp(lambda x: jax.grad(f)(x, w), (x,), (x,))[1],
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("function", [network, branches, scanned, calls, contractions], ids=lambda f: f.__name__)
def test_derivatives_are_those_of_the_plain_function(function, policy):
    marked = jax.checkpoint(function, policy=POLICIES[policy])
    for transform, of in TRANSFORMS.items():
        found, expected = jax.tree.leaves(of(marked)(X, W)), jax.tree.leaves(of(function)(X, W))
        for one, other in zip(found, expected, strict=True):
            numpy.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5, err_msg=transform)


@pytest.mark.parametrize("policy", ["dots", "unbatched", "only", "but", "both", "own"])
def test_as_many_residuals_as_jax_keeps(policy):
    theirs = oracle.checkpoint(network_of_jax, policy=policies(oracle.checkpoint_policies)[policy])
    expected = [of.shape for of, _ in oracle_residuals(theirs, jnp.asarray(numpy.asarray(X)), jnp.asarray(numpy.asarray(W)))]
    found = [leaf.shape for leaf, _ in saved_residuals(jax.checkpoint(network, policy=POLICIES[policy]), X, W)]
    assert sorted(found) == sorted(expected)


def count(function, operation):
    return jax.jit(jax.grad(function)).lower(X, W).as_text().count(f"stablehlo.{operation}\"")


def straight(x, ws):
    return np.sum(np.tanh(checkpoint_name(np.sin(x @ ws[0]), "inner") @ ws[1]))


def test_what_is_kept_is_not_computed_again():
    def counts(policy):
        marked = jax.checkpoint(straight, policy=policy)
        return count(marked, "dot_general"), count(marked, "sine"), count(marked, "tanh")
    of, plain = jax.checkpoint_policies, tuple(count(straight, n) for n in ("dot_general", "sine", "tanh"))
    assert counts(of.everything_saveable) == plain
    dots, sines, tanhs = plain
    assert counts(of.nothing_saveable) == (dots + 2, sines + 1, tanhs + 1)
    assert counts(of.dots_saveable) == (dots, sines + 1, tanhs + 1)
    assert counts(of.save_only_these_names("inner")) == (dots + 2, sines, tanhs + 1)      # cos needs the first product once more


def test_what_only_a_kept_value_needs_is_not_computed_again():
    def function(x, ws):
        return np.sum(np.exp(np.tanh(x @ ws[0]) @ ws[1]))
    marked = jax.checkpoint(function, policy=lambda prim, *_, **__: prim.name == "tanh")
    assert count(marked, "dot_general") == count(function, "dot_general") + 1
    assert count(marked, "tanh") == count(function, "tanh")
    assert count(marked, "exponential") == count(function, "exponential") + 1


def test_the_generated_code_says_what_is_kept():
    text = jax.source(jax.grad(jax.checkpoint(straight, policy=jax.checkpoint_policies.dots_saveable)))
    again = text.partition("def straight_again(")[2].partition("\n\n\n")[0]
    assert "rt.fenced_leaf(" in again and "@" not in again and "np.sin(" in again
    assert "@rt.checkpoint(policy='dots_saveable')" in text


def test_a_policy_sees_operations_types_and_names():
    seen = set()

    def policy(prim, *types, **params):
        seen.add((prim.name, tuple(of.shape for of in types), params.get("name")))
        return False
    jax.grad(jax.checkpoint(straight, policy=policy))(X, W)
    assert {("dot_general", ((3, 3), (3, 3)), None), ("name", ((3, 3),), "inner"), ("tanh", ((3, 3),), None)} <= seen
