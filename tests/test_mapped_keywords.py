"""What calls of mapped functions give by name, or for parameters with defaults, is mapped inside transformed functions too, as by jax."""
import functools

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError


def programs(jx, np):
    """Functions of a matrix and of a tuple of it; ``jx`` and ``np`` are xform or jax itself."""
    vmap, grad, jit = jx.vmap, jx.grad, jx.jit
    def sq(x, y=2.0):
        return np.sum(x * y)

    def tri(x, y=2.0, *, z=1.0):
        return np.sum(x * y * z + z * z)

    def var(x, *ys, **kw):
        return np.sum(x) * sum(np.sum(y) for y in ys) + kw.get("k", 1.0) * np.sum(x)

    class C:
        def __init__(self, w):
            self.w = w

        def at(self, x, y=2.0):
            return np.sum(self.w * x * y)

    partial = functools.partial

    @partial(jx.jit, static_argnames=("n",))
    def st(x, n=2, y=1.0):
        return np.sum(x ** n) * y

    return [
        lambda x, a: np.sum(grad(tri, argnums=-1)(x, x[0, 0])),
        lambda x, a: np.sum(grad(tri, argnums=(-1, 0))(x, x[0, 0], z=x[1, 1])[0]),
        lambda x, a: np.sum(grad(partial(tri, x))(x[0, 0], z=x[1, 1])),
        lambda x, a: np.sum(jx.hessian(tri)(x[0], y=x[0, 0], z=x[1, 0])),
        lambda x, a: np.sum(jx.jacfwd(tri, argnums=-1)(x, x[0], z=x[0, 1])),
        lambda x, a: np.sum(vmap(jx.value_and_grad(tri, argnums=-1))(x, x[:, 0], z=x[:, 1])[1]),
        lambda x, a: np.sum(vmap(partial(st, n=3))(x, y=x[:, 0])),
        lambda x, a: st(x, y=x[0, 0]) + st(x, 3),
        lambda x, a: np.sum(jx.checkpoint(tri)(x, y=x[0, 0], z=x[1, 1])),
        lambda x, a: np.sum(np.vectorize(lambda p, q=2.0: p * q)(x, x[0])),
        lambda x, a: np.sum(np.vectorize(lambda p, q=2.0: p * q)(x)),
        lambda x, a: np.sum(vmap(sq)(x, x[:, 0])),
        lambda x, a: np.sum(vmap(sq, in_axes=(0, None))(x, x[0])),
        lambda x, a: np.sum(vmap(sq, in_axes=(0, 1))(x, x)),
        lambda x, a: np.sum(vmap(sq, in_axes=1)(x, x)),
        lambda x, a: np.sum(vmap(sq, in_axes=1)(x, y=x)),
        lambda x, a: np.sum(vmap(sq)(x)),
        lambda x, a: np.sum(jit(vmap(sq))(x, y=x[:, 0])),
        lambda x, a: np.sum(vmap(jit(sq))(x, y=x[:, 0])),
        lambda x, a: np.sum(vmap(vmap(sq))(x, y=x)),
        lambda x, a: np.sum(vmap(vmap(sq, in_axes=(0, None)), in_axes=(None, 0))(x, x[:, 0])),
        lambda x, a: np.sum(vmap(vmap(sq, in_axes=(0,)), in_axes=(None,))(x, y=np.stack([x[:, 0],x[:, 1]]))),
        lambda x, a: np.sum(vmap(grad(sq))(x, y=x[:, 0]) * x),
        lambda x, a: np.sum(vmap(grad(sq, argnums=1))(x, x[:, 0])),
        lambda x, a: np.sum(vmap(tri)(x, z=x[:, 0])),
        lambda x, a: np.sum(vmap(tri)(x, x[:, 1], z=x[:, 0])),
        lambda x, a: np.sum(vmap(tri, in_axes=(0,))(x, z=x[:, 0])),
        lambda x, a: np.sum(vmap(tri, in_axes=(0,))(x, z=x[:, 0], y=x[:, 2])),
        lambda x, a: np.sum(vmap(partial(tri, z=3.0))(x, y=x[:, 2])),
        lambda x, a: np.sum(vmap(partial(tri, z=x[0, 0]))(x, x[:, 2])),
        lambda x, a: np.sum(vmap(partial(tri, x[0]))(x[:, 0])),
        lambda x, a: np.sum(vmap(partial(tri, x[0]))(z=x[:, 0])),
        lambda x, a: np.sum(vmap(var)(x, x, x)),
        lambda x, a: np.sum(vmap(var, in_axes=(0, 1))(x, x)),
        lambda x, a: np.sum(vmap(var, in_axes=(0, 1))(x, x, k=x[:, 0])),
        lambda x, a: np.sum(vmap(var)(x, k=x[:, 0])),
        lambda x, a: np.sum(vmap(var)(*a)),
        lambda x, a: np.sum(vmap(sq)(*a, y=x[:, 0])),
        lambda x, a: np.sum(vmap(sq)(x, *[x[:, 0]])),
        lambda x, a: np.sum(vmap(sq)(**{"x": x, "y": x[:, 0]})),
        lambda x, a: np.sum(vmap(lambda x, y=2.0: np.sum(x * y))(x, y=x[:, 0])),
        lambda x, a: np.sum(vmap(lambda u, y=2.0: np.sum(u * y * x[0]))(x, x[:, 0])),
        lambda x, a: np.sum(vmap(C(x[0]).at)(x, x[:, 0])),
        lambda x, a: np.sum(vmap(C(x[0]).at)(x, y=x[:, 0])),
        lambda x, a: np.sum(vmap(C(x[0]).at, in_axes=(0,))(x, y=x[:, 0])),
        lambda x, a: np.sum(partial(vmap(sq), y=x[:, 0])(x)),
        lambda x, a: np.sum(partial(vmap(sq), x)(x[:, 0])),
        lambda x, a: np.sum(vmap(sq, in_axes=0, out_axes=0, axis_size=3)(x, y=x[:, 0])),
        lambda x, a: np.sum(jx.value_and_grad(lambda w: np.sum(vmap(sq)(w, y=x[:, 0])))(x)[1]),
        lambda x, a: np.sum(jx.vjp(lambda w: vmap(sq)(w, y=w[:,0]), x)[1](x[:, 0])[0]),
        lambda x, a: np.sum(jx.jvp(lambda w: vmap(sq)(w, y=w[:,0]), (x,), (x,))[1]),
        lambda x, a: np.sum(jx.checkpoint(vmap(sq))(x, x[:, 0])),
        lambda x, a: np.sum(vmap(jx.checkpoint(sq))(x, x[:, 0])),
        lambda x, a: np.sum(jx.lax.map(lambda r: vmap(sq)(x, y=r), x)),
        lambda x, a: np.sum(sum([f(x, y=x[:, 0]) for f in [vmap(sq), vmap(tri)]])),
    ]
    return F


OURS, THEIRS = programs(xform, np), programs(jax, jnp)
X = onp.arange(9.0, dtype="float32").reshape(3, 3) ** 1.5 + 1


@pytest.mark.parametrize("number", range(len(OURS)))
def test_as_jax(number):
    ours, theirs = OURS[number], THEIRS[number]
    x, other = np.array(X), jnp.array(X)
    onp.testing.assert_allclose(xform.grad(ours)(x, (x,)), jax.grad(theirs)(other, (other,)), rtol=1e-5)
    x, other = np.stack([x, 2 * x]), jnp.stack([other, 2 * other])
    onp.testing.assert_allclose(xform.vmap(xform.grad(ours))(x, (x,)), jax.vmap(jax.grad(theirs))(other, (other,)), rtol=1e-5)


@pytest.mark.parametrize("call", [
    lambda f, x, a: xform.vmap(f)(*a, k=x[:, 0]),
    lambda f, x, a: xform.vmap(lambda u, y=2.0: u * y)(*a, x[:, 0])])
def test_what_the_text_does_not_count_is_refused(call):
    def variadic(x, *ys, **kw):
        return np.sum(x) * len(ys) + kw["k"]
    x = np.array(X)
    with pytest.raises(TransformError, match="only the run knows|is not known when the code is transformed"):
        xform.grad(lambda x, a: np.sum(call(variadic, x, a)))(x, (x,))
