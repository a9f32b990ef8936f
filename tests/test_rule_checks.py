"""What users' derivative rules return is checked: structure, shapes, dtypes, and that there are two results; jax refuses the same."""
import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np

BACKWARD = {
    "shape": lambda r, d: (np.ones(2) * d, r[1]),
    "broadcast": lambda r, d: (d, np.ones(())),
    "turned": lambda r, d: (d, np.ones((3, 1))),
    "no tuple": lambda r, d: d,
    "short": lambda r, d: (d,),
    "long": lambda r, d: (d, r[1], d),
    "nested": lambda r, d: ((d, d), r[1]),
    "list": lambda r, d: [d, r[1]],
    "none": lambda r, d: (None, r[1]),
    "number": lambda r, d: (1.0, r[1]),
}
HOWS = {"grad": lambda xf, g: g(2.0, xf.numpy.arange(3.0)), "jit": lambda xf, g: xf.jit(g)(2.0, xf.numpy.arange(3.0)),
        "vmap": lambda xf, g: xf.vmap(g)(xf.numpy.ones(2), xf.numpy.ones((2, 3)))}


def two(xf, make):
    fun = xf.custom_vjp(lambda x, y: x * xf.numpy.sum(y))
    fun.defvjp(lambda x, y: (x * xf.numpy.sum(y), (x, y)), make)
    return xf.grad(fun, (0, 1))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("rule", BACKWARD)
def test_cotangents_are_checked(rule, how):
    try:
        want = HOWS[how](jax, two(jax, eval_with_jax(BACKWARD[rule])))
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error), match="Custom VJP bwd rule of <lambda>|with_vjp") as caught:
            HOWS[how](xform, two(xform, BACKWARD[rule]))
        assert any("test_rule_checks.py" in note for note in caught.value.__notes__)
        return
    for a, b in zip(want, HOWS[how](xform, two(xform, BACKWARD[rule])), strict=True):
        onp.testing.assert_allclose(b, a)


def eval_with_jax(rule):
    """The same rule over jax.numpy."""
    import types
    return types.FunctionType(rule.__code__, {**rule.__globals__, "np": jnp})


def pytree(xf, back):
    fun = xf.custom_vjp(lambda p: p["a"] * p["b"][0])
    fun.defvjp(lambda p: (p["a"] * p["b"][0], p), back)
    return xf.grad(fun)({"a": 2.0, "b": [3.0, 4.0]})


@pytest.mark.parametrize("back, error", [
    (lambda p, d: ({"a": d},), TypeError), (lambda p, d: ({"a": d, "b": (d, d)},), TypeError),
    (lambda p, d: ({"a": d, "b": [d, np.ones(3)]},), ValueError)])
def test_cotangents_of_pytrees(back, error):
    with pytest.raises(error, match="'p'"):
        pytree(xform, back)
    with pytest.raises(error):
        pytree(jax, eval_with_jax(back))


def test_none_inside_a_pytree():
    found = pytree(xform, lambda p, d: ({"a": d, "b": None},))
    assert found == {"a": 1.0, "b": [0.0, 0.0]}


@pytest.mark.parametrize("back", [lambda n, d: (None, n * d), lambda n, d: (onp.zeros((), xform.float0), n * d),
                                  lambda n, d: (d * 0, n * d)])
def test_whole_numbers_have_no_cotangent(back):
    fun = xform.custom_vjp(lambda n, x: n * x)
    fun.defvjp(lambda n, x: (n * x, n), back)
    assert xform.grad(fun, 1)(3, 2.0) == 3.0


def test_the_forward_rule_gives_a_pair():
    fun = xform.custom_vjp(lambda x: x * x)
    fun.defvjp(lambda x: np.stack([x * x, x]), lambda r, d: (d * r,))
    with pytest.raises(TypeError, match="Custom VJP fwd rule of .* must produce a pair"):
        xform.grad(fun)(2.0)
    keep = lambda x: [x * x, x]         # noqa: E731
    fun.defvjp(lambda x: keep(x), lambda r, d: (3 * d * r,))
    assert xform.grad(fun)(2.0) == 6.0


FORWARD = {"shape": lambda p, t: (np.sin(p[0]), t[0] * np.ones(3)), "no pair": lambda p, t: np.sin(p[0]),
           "tree": lambda p, t: (np.sin(p[0]), (t[0], t[0])), "int": lambda p, t: (np.sin(p[0]), np.int32(1)),
           "half": lambda p, t: (np.sin(p[0]), np.float16(t[0]))}


@pytest.mark.parametrize("rule", FORWARD)
@pytest.mark.parametrize("how", ["jvp", "grad"])
def test_tangents_are_checked(rule, how):
    def call(xf, given):
        fun = xf.custom_jvp(lambda x: xf.numpy.sin(x))
        fun.defjvp(given)
        x = xf.numpy.float32(2.0)
        return xf.jvp(fun, (x,), (x,)) if how == "jvp" else xf.grad(fun)(x)
    with pytest.raises(TypeError):
        call(jax, eval_with_jax(FORWARD[rule]))
    with pytest.raises(TypeError, match="Custom JVP rule of"):
        call(xform, FORWARD[rule])


def test_a_rule_stated_anew_is_the_one_that_counts():
    @xform.custom_vjp
    def fun(x):
        return x * x

    def outer(x):
        return fun(x) + x
    fun.defvjp(lambda x: (x * x, x), lambda x, d: (2 * d * x,))
    assert xform.grad(fun)(3.0) == 6.0 and xform.grad(outer)(3.0) == 7.0
    fun.defvjp(lambda x: (x * x, x), lambda x, d: (10 * d * x,))
    assert xform.grad(fun)(3.0) == 30.0 and xform.grad(outer)(3.0) == 31.0


def test_arguments_named_in_nondiff_argnames():
    def values(xf):
        fun = xf.custom_vjp(lambda f, x, n: f(x) ** n, nondiff_argnames=("n", "f"))
        fun.defvjp(lambda f, x, n: (f(x) ** n, x), lambda f, n, x, d: (d * n * f(x) * 7,))
        forward = xf.custom_jvp(lambda x, scale: scale * x, nondiff_argnames="scale" if xf is xform else ("scale",))
        forward.defjvp(lambda scale, p, t: (scale * p[0], 5 * scale * t[0]))
        return (xf.grad(lambda x: fun(xf.numpy.sin, x, 3))(0.5), xf.grad(lambda x: forward(x, 2.0))(1.5),
                xf.jvp(lambda x: forward(x, 2.0), (1.5,), (1.0,))[1])
    onp.testing.assert_allclose(values(xform), values(jax), rtol=1e-6)

    def inside(x):
        @xform.custom_vjp
        def f(n, y):
            return n * y
        f.defvjp(lambda n, y: (n * y, None), lambda res, d: (None, 9 * d))
        g = xform.custom_vjp(lambda n, y: n * y, nondiff_argnames=("n",))
        g.defvjp(lambda n, y: (n * y, None), lambda n, res, d: (11.0 * n * d,))
        return f(2, x) + g(3, x)
    assert xform.grad(inside)(1.0) == 42.0
    with pytest.raises(ValueError, match="no parameter"):
        xform.custom_vjp(lambda x: x, nondiff_argnames=("y",))
