"""Starred arguments whose number only the run knows: maps over lists of trees, zip of rows, functions with *args."""
import typing

import jax as oracle
import jax.numpy as ojnp
import numpy as onp
import pytest

import xform
import xform.numpy as np


def trees(lib):
    return [{"w": lib.arange(3.0) * k, "b": (lib.ones(2) * k,)} for k in (1.0, 2.0, -1.0)]


class State(typing.NamedTuple):
    """A result that is put together out of what a map over trees gives."""
    total: object
    size: object
    rate: object = 0.5


PROGRAMS = {
    "named tuple": lambda jax, np: lambda s: State(*jax.tree.map(lambda x, y: x["w"] * y["w"], (s[0], s[1]), (s[1], s[2]),
                                                                 is_leaf=lambda t: isinstance(t, dict)), s[0]["b"]),
    "named tuple's default": lambda jax, np: lambda s: State(s[0], *jax.tree.map(np.sin, (s[1]["w"],))),
    "stack": lambda jax, np: lambda s: jax.tree.map(lambda *xs: np.stack(xs), *s),
    "first and others": lambda jax, np: lambda s: jax.tree.map(lambda x, *xs: x * sum(xs), *s),
    "fixed": lambda jax, np: lambda s: jax.tree.map(lambda x, y, z: x * y + z, *s),
    "mean": lambda jax, np: lambda s: jax.tree.map(lambda *xs: sum(xs) / len(xs), s[0], *s),
    "six trees": lambda jax, np: lambda s: jax.tree.map(lambda *xs: np.stack(xs), s[0], s[1], s[2], s[0], s[1], s[2]),
    "rows": lambda jax, np: lambda s: [np.stack(list(p)) for p in zip(*[jax.tree.leaves(t) for t in s])],
    "part": lambda jax, np: lambda s: jax.tree.map(lambda *xs: np.array(xs).sum(0), *s[1:]),
    "one": lambda jax, np: lambda s: jax.tree.map(lambda x: x * 2, *s[:1]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_jax(name):
    ours, theirs = PROGRAMS[name](xform, np), PROGRAMS[name](oracle, ojnp)

    def alike(wanted, got):
        for a, b in zip(oracle.tree.leaves(wanted), xform.tree.leaves(got), strict=True):
            onp.testing.assert_allclose(a, b, rtol=1e-5)

    def loss(jax, lib, program):
        return lambda s: sum(lib.sum(lib.sin(x)) for x in jax.tree.leaves(program(s)))
    alike(theirs(trees(ojnp)), xform.jit(ours)(trees(np)))
    wanted = oracle.grad(loss(oracle, ojnp, theirs))(trees(ojnp))
    alike(wanted, xform.grad(loss(xform, np, ours))(trees(np)))
    alike(wanted, xform.jit(xform.grad(loss(xform, np, ours)))(trees(np)))
    batch = oracle.tree.map(lambda x: ojnp.stack([x, x * 2]), trees(ojnp))
    alike(oracle.vmap(theirs)(batch), xform.vmap(ours)(xform.tree.map(onp.asarray, batch)))
    alike(oracle.jvp(loss(oracle, ojnp, theirs), (trees(ojnp),), (trees(ojnp),)),
          xform.jvp(loss(xform, np, ours), (trees(np),), (trees(np),)))


def test_too_many_values_for_the_parameters():
    with pytest.raises((TypeError, ValueError)):
        xform.grad(lambda s: np.sum(xform.tree.map(lambda x: x * 2, *s)["w"]))(trees(np))


def affine(w, b, x):
    return np.sum(np.sin(w * x) + b)


def test_star_before_other_arguments():
    def loss(params, x):
        return affine(*params, x) ** 2
    params = (onp.float32(0.3), onp.float32(-1.2))
    x = onp.arange(3.0, dtype=onp.float32)

    def reference(params, x):
        return ojnp.sum(ojnp.sin(params[0] * x) + params[1]) ** 2
    for kind in ("grad", "jit", "jacfwd"):
        found, expected = getattr(xform, kind)(loss)(params, x), getattr(oracle, kind)(reference)(params, x)
        for one, other in zip(xform.tree.leaves(found), oracle.tree.leaves(expected), strict=True):
            onp.testing.assert_allclose(one, other, rtol=1e-5)
    with pytest.raises(ValueError, match="unpack"):
        xform.grad(loss)((params[0],), x)
