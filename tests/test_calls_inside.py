"""Transformations called inside transformed functions: auxiliary data, defaults, *args, options that a wrapper passes on."""
import functools

import jax as oracle
import jax.numpy as ojnp
import numpy as onp
import pytest

import xform
import xform.numpy as np

X = onp.array([0.3, 0.7, -1.2], onp.float32)


def scaled(x, y, factor=2.0):
    return x * y * factor


def spread_out(*xs, power=2.0):
    return xs[0] * xs[1] ** power


def pushed(jax, np):
    def f(x):
        out, dot, aux = jax.jvp(lambda v: (np.sin(v), v * v), (x,), (np.cos(x),), has_aux=True)
        return np.sum(out * dot + aux)
    return f


def pulled(jax, np):
    def f(x):
        out, pull, aux = jax.vjp(lambda v: (np.sin(v) * v[0], v * v), x, has_aux=True)
        return np.sum(pull(aux)[0] * out)
    return f


def linearized(jax, np):
    def f(x):
        out, push, aux = jax.linearize(lambda v: (np.sin(v), v * v), x, has_aux=True)
        return np.sum(push(aux) * out)
    return f


def keywords(jax, np):
    def f(x):
        out, dot = jax.jvp(np.sin, primals=(x,), tangents=(np.cos(x),))
        return np.sum(out * dot)
    return f


def defaults(jax, np):
    def f(x):
        pull = jax.vjp(scaled, x, x + 1)[1]
        push = jax.linearize(scaled, x, x + 1)[1]
        a, b = pull(x)
        return np.sum(a * b + push(x, x) + jax.jvp(scaled, (x, x), (x, x))[1])
    return f


def variadic(jax, np):
    def f(x):
        a, b = jax.vjp(spread_out, x, x * 2)[1](x)
        slope = jax.grad(lambda *v, weight=1.0: np.sum(v[0] * v[1]) * weight, argnums=1)(x, x)
        return np.sum(a * b * slope) + np.sum(jax.jvp(spread_out, (x, x), (x, x))[1])
    return f


def variadic_closure(jax, np):
    def f(x):
        def total(*values, **options):
            return np.sum(scaled(*values, **options) * x)
        return np.sum(jax.grad(total, argnums=(0, 1))(x, x + 1, factor=3.0)[1] ** 2)
    return f


def unpacked(jax, np):
    def f(x):
        def at(pair):
            a, b = jax.vjp(lambda u, v: u * np.sin(v), *pair)[1](x)
            return np.sum(a * b)
        return at((x, x + 1))
    return f


def constant(jax, np):
    def f(x):
        dot = jax.jvp(lambda v: np.ones(3), (x,), (x,))[1]
        return np.sum(dot + x) + np.sum(jax.linearize(lambda v: np.ones(3), x)[1](x))
    return f


PROGRAMS = {f.__name__: f for f in (pushed, pulled, linearized, keywords, defaults, variadic, variadic_closure, unpacked, constant)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_inside(name):
    ours, theirs = PROGRAMS[name](xform, np), PROGRAMS[name](oracle, ojnp)
    for kind in ("jit", "grad", "jacfwd"):
        found, expected = getattr(xform, kind)(ours)(X), getattr(oracle, kind)(theirs)(X)
        onp.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5, err_msg=kind)
    rows = onp.stack([X, X * 2])
    onp.testing.assert_allclose(xform.vmap(ours)(rows), oracle.vmap(theirs)(rows), rtol=2e-5, atol=1e-5)


def test_number_of_tangents():
    with pytest.raises(xform.TransformError, match="2 primals and 1 tangents"):
        xform.jit(lambda x: xform.jvp(scaled, (x, x), (x,)))(X)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_second_derivative_of_complex_modulus(mode):
    def second(jax, np):
        if mode == "forward":
            return lambda z: jax.jvp(lambda v: jax.jvp(np.abs, (v,), (1 + 2j,))[1], (z,), (0.5 - 1j,))[1]
        return lambda z: jax.vjp(lambda v: jax.vjp(np.abs, v)[1](1.5)[0], z)[1](1 - 2j)[0]
    for z in (0.7 + 0.3j, -2j, 0j):
        z = onp.complex64(z)
        onp.testing.assert_allclose(second(xform, np)(z), second(oracle, ojnp)(z), rtol=1e-5, atol=1e-6)


def slope(f, argnum=0):
    return xform.grad(f, argnums=argnum)


def slope_of_slope(f, argnum=0):
    first = slope(f, argnum)
    return xform.jacfwd(first, argnum)


def over(f, axes):
    return xform.vmap(f, in_axes=axes)


def test_options_that_a_wrapper_passes_on():
    def f(x, y):
        return np.sum(x * np.sin(y))

    def local(g, argnum=1):
        return xform.grad(g, argnums=argnum)
    expected = X * onp.cos(X)
    onp.testing.assert_allclose(xform.jit(lambda x: slope(f, 1)(x, x))(X), expected, rtol=1e-5)
    onp.testing.assert_allclose(xform.jit(lambda x: slope(f)(x, x))(X), onp.sin(X), rtol=1e-5)
    onp.testing.assert_allclose(xform.jit(lambda x: slope(f, (0, 1))(x, x))(X)[1], expected, rtol=1e-5)
    onp.testing.assert_allclose(xform.jit(lambda x: slope_of_slope(f, 1)(x, x))(X), onp.diag(-X * onp.sin(X)), rtol=1e-5, atol=1e-6)
    onp.testing.assert_allclose(xform.jit(lambda x: local(f)(x, x) + local(f, 0)(x, x))(X), expected + onp.sin(X), rtol=1e-5)
    onp.testing.assert_allclose(xform.grad(lambda x: np.sum(over(lambda a, b: a * b, (0, None))(x, x) ** 2))(X),
                                xform.grad(lambda x: np.sum((x[:, None] * x) ** 2))(X), rtol=1e-5)


COUNT = 3


def test_options_that_are_counted():
    """argnums and the like may be worked out of what is known: literals, constants, tuple, range, len, arithmetic."""
    def f(x, y, z):
        return x * y * y * z

    def inner(x, y):
        first = xform.grad(f, argnums=tuple(range(COUNT - 1)))(x, y, 2.0)
        second = xform.grad(f, argnums=COUNT - len((0, 1)))(x, y, 2.0)
        return first[0] * first[1] + second
    x, y = 1.5, 2.0     # 2 y^2 * 4 x y is 8 x y^3; 4 x y
    assert xform.grad(inner, argnums=(0, 1))(x, y) == pytest.approx((8 * y ** 3 + 4 * y, 24 * x * y ** 2 + 4 * x), rel=1e-6)


def test_numpy_tangents_are_indexed_by_what_is_staged():
    def f(x):
        return x[np.argmax(x)] ** 3 + np.sum(x)

    def slope(x):
        return xform.jvp(f, (x,), (X,))[1]

    def pulled(x):
        _, pull = xform.vjp(lambda y: y[np.argmin(x)] * x, X)
        return np.sum(pull(x)[0])
    x = onp.array([1.0, 3.0, 2.0], onp.float32)
    assert float(xform.jit(slope)(x)) == pytest.approx(27 * 0.7 + X.sum(), rel=1e-5)
    assert xform.jit(xform.grad(slope))(x).tolist() == pytest.approx([0.0, 18 * 0.7, 0.0], rel=1e-5)
    assert float(xform.jit(pulled)(x)) == pytest.approx(14.0)


def recursive(jax, np):
    @functools.partial(jax.jit, static_argnums=1)
    def power(x, n):
        return x if n == 0 else x * power(x, n - 1)

    @functools.partial(jax.jit, static_argnames="n")
    def twice(x, *, n):
        return x if n == 0 else x * twice(x, n=n - 1) + twice(x, n=0)

    @jax.jit
    def norm(tree):
        return sum([norm(v) for v in tree]) if isinstance(tree, list) else np.sum(tree ** 2)
    return power, twice, norm


def test_jitted_functions_that_call_themselves():
    made = []
    for jax, np in ((xform, xform.numpy), (oracle, ojnp)):
        power, twice, norm = recursive(jax, np)
        x = np.arange(1.0, 4.0)
        made.append([power(x, 3), jax.vmap(lambda x: power(x, 3))(x), jax.grad(jax.grad(power))(2.0, 3), jax.vmap(lambda x: twice(x, n=2))(x),
                     jax.grad(lambda x: twice(x, n=2))(2.0), norm([1.0, [2.0, 3.0]]), *jax.tree.leaves(jax.grad(norm)([1.0, [2.0, 3.0]]))])
    for ours, theirs in zip(*made):
        onp.testing.assert_allclose(ours, theirs, rtol=1e-6)
