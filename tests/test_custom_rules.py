"""Derivative rules of the user's whose parts are functions of the program: local ones, functions as arguments, custom_gradient,
symbolic zeros. The same text is run with xform and with jax."""
import functools

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError

X, XS = 0.7, [0.3, 0.9, 1.6]


def programs(jax, jnp):
    """Functions of one number by name; ``jax`` and ``jnp`` are xform or jax itself."""
    partial, made = functools.partial, {}

    @jax.custom_gradient
    def scaled(x):
        return jnp.sin(x) * x, lambda g: (g * 3.0 * x,)

    @jax.custom_gradient
    def product(x, y):
        z = x * y

        def back(g):
            return g * y * 2.0, g * jnp.cos(x)
        return z, back

    @jax.custom_gradient
    def alone(x):
        return x ** 2, lambda g: 5.0 * g * x

    made["custom gradient"] = lambda x: scaled(x) ** 2
    made["custom gradient itself"] = scaled
    made["custom gradient of two"] = lambda x: product(x, jnp.sin(x)) * x
    made["custom gradient without a tuple"] = lambda x: alone(x * 2.0) * x

    def local_gradient(x):
        @jax.custom_gradient
        def inner(y):
            return y * 3.0, lambda g: 5.0 * g * y
        return inner(x * x) * x
    made["local custom gradient"] = local_gradient

    @partial(jax.custom_vjp, nondiff_argnums=(0,))
    def applied(f, x):
        return f(x)
    applied.defvjp(lambda f, x: (f(x), x), lambda f, x, g: (5.0 * g * f(x),))

    @partial(jax.custom_vjp, nondiff_argnums=(0, 2))
    def powered(f, x, n):
        return f(x) ** n
    powered.defvjp(lambda f, x, n: (powered(f, x, n), x), lambda f, n, x, g: (g * n * f(x),))

    made["vjp with a function"] = lambda x: applied(jnp.sin, x) * x
    made["vjp with a lambda"] = lambda x: applied(lambda y: y * y, x) * x
    made["vjp with a function and a number"] = lambda x: powered(lambda y: y + jnp.cos(y), x, 3) * x

    def step(scale, y):
        return scale * jnp.sin(y)
    made["vjp with a partial"] = lambda x: applied(partial(step, 2.0), x)

    def local_vjp(x):
        a, c = x * x, 7.0

        @jax.custom_vjp
        def inner(y):
            return y * c

        def forward(y):
            return inner(y), (y, c)

        def backward(saved, g):
            y, k = saved
            return (g * y * k * jnp.sin(y),)
        inner.defvjp(forward, backward)
        return inner(a) * x + inner(x)
    made["local vjp"] = local_vjp

    def local_with_function(x):
        @partial(jax.custom_vjp, nondiff_argnums=(0,))
        def inner(f, y):
            return f(y)
        inner.defvjp(lambda f, y: (f(y), y), lambda f, y, g: (2.0 * g * f(y),))
        return inner(lambda z: z * z, x) + inner(jnp.sin, x)
    made["local vjp with functions"] = local_with_function

    @partial(jax.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(f, a, guess):
        def unsettled(carry):
            before, x = carry
            return jnp.abs(before - x) > 1e-6
        _, x = jax.lax.while_loop(unsettled, lambda carry: (carry[1], f(a, carry[1])), (guess, f(a, guess)))
        return x

    def fixed_point_forward(f, a, start):
        x = fixed_point(f, a, start)
        return x, (a, x)

    def reverse_step(f, packed, u):
        a, x, d_x = packed
        _, pull = jax.vjp(lambda x: f(a, x), x)
        return d_x + pull(u)[0]

    def fixed_point_backward(f, saved, d_x):
        a, x = saved
        _, pull = jax.vjp(lambda a: f(a, x), a)
        d_a, = pull(fixed_point(partial(reverse_step, f), (a, x, d_x), d_x))
        return d_a, jnp.zeros_like(x)
    fixed_point.defvjp(fixed_point_forward, fixed_point_backward)
    made["fixed point"] = lambda a: fixed_point(lambda a, x: 0.5 * (x + a / x), a, a)

    @jax.custom_vjp
    def seen(x, y):
        return x * y

    def seen_forward(x, y):
        return x.value * y.value, (x.value, y.value, y.perturbed)

    def seen_backward(saved, g):
        x, y, perturbed = saved
        return g * y * 2.0, g * x * 3.0 if perturbed else None
    seen.defvjp(seen_forward, seen_backward, symbolic_zeros=True)
    made["vjp that sees one derivative"] = lambda x: seen(x, 4.0) * x
    made["vjp that sees both derivatives"] = lambda x: seen(x, jnp.sin(x)) * x
    return made


def forward_programs(jax, jnp):
    """Those with custom_jvp, which forward mode takes, too."""
    partial, made = functools.partial, {}

    @partial(jax.custom_jvp, nondiff_argnums=(0,))
    def applied(f, x):
        return f(x)

    @applied.defjvp
    def applied_rule(f, primals, tangents):
        x, = primals
        x_dot, = tangents
        return f(x), 2.0 * x_dot * f(x)
    made["jvp with a function"] = lambda x: applied(jnp.sin, x) * x
    made["jvp with a lambda"] = lambda x: applied(lambda y: y * y + 1.0, x)

    @jax.custom_jvp
    def first(x, y):
        return jnp.sin(x) * y
    first.defjvps(lambda x_dot, out, x, y: jnp.cos(x) * x_dot * y * out, None)
    made["rule of the first argument"] = lambda x: first(x, x * 2.0)

    @jax.custom_jvp
    def second(x, y):
        return jnp.sin(x) * y
    second.defjvps(None, lambda y_dot, out, x, y: jnp.sin(x) * y_dot * 3.0)
    made["rule of the second argument"] = lambda x: second(x, x * 2.0) + x

    def local(x):
        c = 3.0

        @jax.custom_jvp
        def inner(y):
            return y * c

        @inner.defjvp
        def rule(primals, tangents):
            return inner(*primals), tangents[0] * 7.0 * primals[0] * c
        return inner(x * x) * x
    made["local jvp"] = local

    def local_rules(x):
        @jax.custom_jvp
        def inner(y, z):
            return y * z
        inner.defjvps(lambda y_dot, out, y, z: y_dot * z * out, lambda z_dot, out, y, z: 4.0 * y * z_dot)
        return inner(x * x, x) * x
    made["local rules"] = local_rules

    @jax.custom_jvp
    def seen(x, y):
        return x * y

    def seen_rule(primals, tangents):
        x, y = primals
        x_dot, y_dot = tangents
        out = x * y
        total = jnp.zeros_like(out)
        if type(x_dot) is not jax.custom_derivatives.SymbolicZero:
            total = total + 2.0 * x_dot * y
        if not isinstance(y_dot, jax.custom_derivatives.SymbolicZero):
            total = total + 3.0 * x * y_dot
        return out, total
    seen.defjvp(seen_rule, symbolic_zeros=True)
    made["jvp that sees one derivative"] = lambda x: seen(x, 4.0) * x
    made["jvp that sees the other"] = lambda x: seen(4.0, x) * x
    made["jvp that sees both derivatives"] = lambda x: seen(x, jnp.cos(x)) * x
    return made


RUNS = {
    "value": lambda m, f, p: f(X), "grad": lambda m, f, p: m.grad(f)(X), "grad grad": lambda m, f, p: m.grad(m.grad(f))(X),
    "vmap": lambda m, f, p: m.vmap(f)(p.array(XS)), "jit": lambda m, f, p: m.jit(f)(X), "vmap grad": lambda m, f, p: m.vmap(m.grad(f))(p.array(XS)),
    "jit grad": lambda m, f, p: m.jit(m.grad(f))(X), "grad vmap": lambda m, f, p: m.grad(lambda xs: m.vmap(f)(xs).sum())(p.array(XS)),
    "jit vmap grad": lambda m, f, p: m.jit(m.vmap(m.grad(f)))(p.array(XS)),
}
FORWARD = {"jvp": lambda m, f, p: m.jvp(f, (X,), (1.0,)), "jvp grad": lambda m, f, p: m.jvp(m.grad(f), (X,), (1.0,)),
           "vmap jvp": lambda m, f, p: m.vmap(lambda x: m.jvp(f, (x,), (1.0,)))(p.array(XS))}
NAMES, FORWARD_NAMES = list(programs(jax, jnp)), list(forward_programs(jax, jnp))


def compare(run, ours, theirs):
    mine, other = run(xform, ours, np), run(jax, theirs, jnp)
    for a, b in zip(xform.tree_util.tree_leaves(mine), jax.tree_util.tree_leaves(other), strict=True):
        onp.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", NAMES + FORWARD_NAMES)
def test_as_jax(name, run):
    make = programs if name in NAMES else forward_programs
    compare(RUNS[run], make(xform, np)[name], make(jax, jnp)[name])


@pytest.mark.parametrize("run", FORWARD)
@pytest.mark.parametrize("name", FORWARD_NAMES)
def test_forward_mode_as_jax(name, run):
    compare(FORWARD[run], forward_programs(xform, np)[name], forward_programs(jax, jnp)[name])


def test_methods_with_rules():
    class Layer:
        def __init__(self, scale):
            self.scale = scale

        @functools.partial(xform.custom_vjp, nondiff_argnums=(0,))
        def __call__(self, x):
            return x * self.scale

        def forward(self, x):
            return self(x), x

        def backward(self, x, g):
            return (g * x * self.scale * 4.0,)
        __call__.defvjp(forward, backward)

        @functools.partial(xform.custom_jvp, nondiff_argnums=(0,))
        def tilted(self, x):
            return x * self.scale

        @tilted.defjvp
        def tilted_rule(self, primals, tangents):
            return self.tilted(*primals), tangents[0] * self.scale * 3.0

    layer = Layer(2.0)
    onp.testing.assert_allclose(xform.grad(lambda x: layer.tilted(x) * x)(X), 2.0 * X + 6.0 * X, rtol=1e-6)
    onp.testing.assert_allclose(xform.vmap(xform.grad(lambda x: layer.tilted(x) * x))(np.array(XS)), 8.0 * onp.array(XS), rtol=1e-6)
    onp.testing.assert_allclose(xform.grad(Layer.__call__, 1)(layer, X), 8.0 * X, rtol=1e-6)


@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_captured_values_have_no_rule(kind):
    def f(x):
        if kind == "vjp":
            inner = xform.custom_vjp(lambda y: y * x)
            inner.defvjp(lambda y: (y * x, y), lambda y, g: (g * y,))
        else:
            inner = xform.custom_jvp(lambda y: y * x)
            inner.defjvp(lambda primals, tangents: (inner(*primals), tangents[0]))
        return inner(x * 2.0)

    def vjp(x):
        inner = xform.custom_vjp(lambda y: y * x)
        inner.defvjp(lambda y: (y * x, y), lambda y, g: (g * y,))
        return inner(x * 2.0)

    def jvp(x):
        inner = xform.custom_jvp(lambda y: y * x)
        inner.defjvp(lambda primals, tangents: (inner(*primals), tangents[0]))
        return inner(x * 2.0)
    with pytest.raises(TransformError, match="closed-over value: 'x'"):
        xform.grad({"vjp": vjp, "jvp": jvp}[kind])(X)


def test_arguments_without_a_rule_are_refused():
    @functools.partial(xform.custom_vjp, nondiff_argnums=(1,))
    def f(x, y):
        return x * y
    f.defvjp(lambda x, y: (x * y, x), lambda y, x, g: (g * y,))
    onp.testing.assert_allclose(xform.grad(lambda x: f(x, 3.0))(X), 3.0)
    with pytest.raises(TransformError, match="nondiff_argnums: 'x' of f"):
        xform.grad(lambda x: f(x, x))(X)


def test_a_rule_is_called_once_for_each_example():
    @xform.custom_gradient
    def f(x):
        return np.sum(x ** 2), lambda g: g * x
    text = xform.source(xform.grad(lambda x: f(x) * 2.0))
    assert "f_fwd(x)" in text and "f_bwd(" in text


def test_rule_that_unpacks_primals_and_tangents_in_one_line():
    @xform.custom_jvp
    def f(x, y):
        return np.sin(x) * y

    @f.defjvp
    def rule(primals, tangents):
        (x, y), (dx, dy) = primals, tangents
        return f(x, y), 2 * np.cos(x) * y * dx + np.sin(x) * dy
    slope = xform.grad(f, argnums=(0, 1))(0.7, 3.0)
    onp.testing.assert_allclose(slope, (6 * onp.cos(0.7), onp.sin(0.7)), rtol=1e-5)
    onp.testing.assert_allclose(xform.grad(xform.grad(f))(0.7, 3.0), -6 * onp.sin(0.7), rtol=1e-5)
    onp.testing.assert_allclose(xform.jit(xform.vmap(xform.grad(f), (0, None)))(onp.ones(2, onp.float32), 3.0), [6 * onp.cos(1.0)] * 2, rtol=1e-5)


def slope_of_a_local_rule(y):
    @xform.custom_vjp
    def f(x):
        return 2.0 * np.sin(x)

    def fwd(x):
        return f(x), y

    def bwd(kept, d):
        return (3.0 * kept * np.cos(y) * d,)

    f.defvjp(fwd, bwd)
    return xform.grad(f)(1.0)


@pytest.mark.parametrize("transformed, wanted", [
    (xform.jit(slope_of_a_local_rule), lambda y: 3 * y * onp.cos(y)),
    (xform.vmap(slope_of_a_local_rule), lambda y: 3 * y * onp.cos(y)),
    (xform.vmap(xform.jit(slope_of_a_local_rule)), lambda y: 3 * y * onp.cos(y)),
    (xform.vmap(xform.grad(slope_of_a_local_rule)), lambda y: 3 * onp.cos(y) - 3 * y * onp.sin(y))])
def test_gradients_inside_of_functions_whose_rules_capture(transformed, wanted):
    y = onp.array([0.5, 2.0], onp.float32)
    found = transformed(y) if "vmap" in repr(transformed) else onp.array([transformed(v) for v in y])
    onp.testing.assert_allclose(found, wanted(y), rtol=1e-5)


def test_rules_may_take_any_number_of_arguments():
    @xform.custom_vjp
    def f(x, y):
        return x * y
    f.defvjp(lambda *args: (f(*args), args), lambda *given: (given[1] * 5.0, given[0][0] * given[1]))
    onp.testing.assert_allclose(xform.grad(lambda x, y: f(x, y) ** 2, (0, 1))(3.0, 2.0), (60.0, 36.0))

    @xform.custom_jvp
    def g(x):
        return x * x
    g.defjvp(lambda *given: (g(*given[0]), 7.0 * given[1][0]))
    assert xform.grad(g)(2.0) == 7.0


def test_functions_without_their_rule_are_refused_wherever_they_are_called():
    for decorator, words in ((xform.custom_vjp, "No VJP defined for custom_vjp function f using defvjp."),
                             (xform.custom_jvp, "No JVP defined for custom_jvp function f using defjvp.")):
        @decorator
        def f(x):
            return x * x
        with pytest.raises(AttributeError, match=words):
            f(2.0)
        with pytest.raises(TransformError, match="defvjp|defjvp"):
            xform.grad(f)(2.0)


def test_a_rule_that_calls_its_function_with_a_tangent_is_refused_in_reverse_mode():
    @xform.custom_jvp
    def div(x, y):
        return x / y

    @div.defjvp
    def rule(primals, tangents):
        (x, y), (x_dot, _) = primals, tangents
        return div(x, y), div(x_dot, y)
    with pytest.raises(TransformError, match="calls div with a tangent: its reverse mode would need itself"):
        xform.grad(div)(1.0, 2.0)


def test_a_batched_rule_that_fills_like_its_tangent():
    @xform.custom_jvp
    def relu(x):
        return np.maximum(x, 0)

    @relu.defjvp
    def relu_rule(primals, tangents):
        x, = primals
        t, = tangents
        return relu(x), xform.lax.select(x > 0, t, xform.lax.full_like(t, 0))
    found = xform.grad(lambda v: xform.vmap(relu)(v).sum())(np.array([-1.0, 2.0]))
    assert found.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("transform", [xform.grad, lambda f: xform.jit(xform.grad(f))])
def test_closures_converted_inside_a_transformed_function(transform):
    @functools.partial(xform.custom_vjp, nondiff_argnums=(0,))
    def step(f, x, captured):
        return x - f(x, *captured)
    step.defvjp(lambda f, x, captured: (step(f, x, captured), captured), lambda f, captured, d: (0.0 * d, xform.tree.map(lambda c: c * d, captured)))

    def f(y):
        converted, captured = xform.closure_convert(lambda x: x * y, 2.0)
        return step(converted, 2.0, tuple(captured)) * converted(y, *captured)
    # the rule of ``step`` gives y for d/dy of 2 - 2y, so that of the product is y * y**2 + (2 - 2y) * 2y
    assert float(transform(f)(3.0)) == 3.0 * 9.0 + (2.0 - 6.0) * 6.0
