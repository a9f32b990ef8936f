"""The programs and printed figures of JAX's introductions, carried over by ``import xform as jax`` alone."""
import functools
import os
import subprocess
import sys
from functools import partial

import jax as oracle
import jax.numpy as onp_oracle
import numpy as onp
import pytest

from runtime.tree import tree_leaves
import xform as jax
import xform.numpy as jnp
from xform import grad, hessian, jacfwd, jacrev, jit, lax, pmap, vmap


def close(ours, theirs, rtol=1e-6, atol=1e-6):
    """Compare two trees of arrays, shapes included; a list of numbers is an array."""
    theirs = onp.array(theirs) if isinstance(theirs, list) else theirs
    ours, theirs = tree_leaves(ours), oracle.tree_util.tree_leaves(theirs)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs):
        assert onp.shape(one) == onp.shape(other)
        onp.testing.assert_allclose(onp.asarray(one), onp.asarray(other), rtol=rtol, atol=atol)


def rand(*shape, seed=0):
    return onp.random.default_rng(seed).normal(size=shape).astype(onp.float32)


# -- grad -----------------------------------------------------------------------------------------------------------------

def logistic(x):
    return jnp.exp(x) / (jnp.exp(x) + 1)


def test_grad_of_logistic():
    onp.testing.assert_allclose(grad(logistic)(1.0), 0.19661194, rtol=1e-6)


def tanh(x):  # Define a function
    y = jnp.exp(-2.0 * x)
    return (1.0 - y) / (1.0 + y)


def test_grad_of_tanh_written_out():
    grad_tanh = grad(tanh)
    onp.testing.assert_allclose(grad_tanh(1.0), 0.4199743, rtol=1e-6)


def test_third_derivative_of_tanh_written_out():
    onp.testing.assert_allclose(grad(grad(grad(tanh)))(1.0), 0.62162673, rtol=1e-6)


def test_third_derivative_of_library_tanh():
    onp.testing.assert_allclose(grad(grad(grad(jnp.tanh)))(1.0), 0.62162673, rtol=1e-6)


def test_grad_of_library_function():
    grad_tanh = jax.grad(jax.numpy.tanh)
    onp.testing.assert_allclose(grad_tanh(1.0), 0.4199743, rtol=1e-6)


def test_grads_all_the_way_down():
    from xform.nn import tanh
    fun, theirs = tanh, oracle.nn.tanh
    for _ in range(4):
        fun, theirs = grad(fun), oracle.grad(theirs)
        close(fun(0.7), theirs(0.7), rtol=1e-5)


def abs_val(x):
    if x > 0:
        return x
    else:
        return -x


def absolute_value(x):
    if x >= 0:
        return x
    else:
        return -x


@pytest.mark.parametrize("fun", [abs_val, absolute_value])
@pytest.mark.parametrize("x", [1.0, -1.0])
def test_grad_through_return_in_branches(fun, x):
    assert grad(fun)(x) == x
    assert jit(grad(fun))(x) == x
    assert vmap(grad(fun))(jnp.array([x, -x])).tolist() == [x, -x]


# -- jit ------------------------------------------------------------------------------------------------------------------

def cube(x):
    return x * x * x


def test_jit_of_cube():
    x = jnp.ones((100, 100))
    jit_cube = jit(cube)
    assert jit_cube(x).shape == (100, 100)
    close(jit_cube(x * 2), onp.full((100, 100), 8.0))


def selu(x, alpha=1.67, lmbda=1.05):
    return lmbda * jax.numpy.where(x > 0, x, alpha * jax.numpy.exp(x) - alpha)


def test_jit_of_selu():
    fast_selu = jax.jit(selu)
    x = onp.arange(-2.0, 3.0, dtype=onp.float32)
    expected = 1.05 * onp.where(x > 0, x, 1.67 * onp.exp(x) - 1.67)
    close(fast_selu(x), expected)
    close(fast_selu(x, 1.0, lmbda=2.0), 2 * onp.where(x > 0, x, onp.exp(x) - 1))


def slow_f(x):
    # Element-wise ops see a large benefit from fusion
    return x * x + x * 2.0


def test_slow_and_fast():
    x = jnp.ones((50, 50))
    fast_f = jit(slow_f)
    close(fast_f(x), onp.full((50, 50), 3.0))
    close(slow_f(x), onp.full((50, 50), 3.0))
    assert jit(grad(slow_f))(3.0) == 8.0


@jax.jit
def optimized(x, y, z):
    return jnp.sum(x + y * z)


def test_jit_as_a_decorator_and_of_its_gradient():
    x, y, z = rand(5), rand(5, seed=1), rand(5, seed=2)
    close(optimized(x, y, z), onp.sum(x + y * z), rtol=1e-5)
    close(jit(grad(optimized, argnums=(0, 1, 2)))(x, y, z), (onp.ones(5), z, y))


def test_static_argnums():
    @partial(jit, static_argnums=(1,))
    def power(x, n):
        y = 1.0
        for _ in range(n):
            y = y * x
        return y
    assert power(2.0, 5) == 32.0
    assert power(2.0, 3) == 8.0
    close(grad(power)(2.0, 3), onp.float32(12.0))


def test_static_argnames():
    @partial(jit, static_argnames=("shape",))
    def filled(x, shape):
        return jnp.broadcast_to(x, shape)
    assert filled(1.0, shape=(2, 3)).shape == (2, 3)


# -- vmap -----------------------------------------------------------------------------------------------------------------

def predict_vector(params, input_vec):
    assert input_vec.ndim == 1
    activations = input_vec
    for W, b in params:
        outputs = jnp.dot(W, activations) + b
        activations = jnp.tanh(outputs)
    return outputs


def predict(params, inputs):
    for W, b in params:
        outputs = jnp.dot(inputs, W) + b
        inputs = jnp.tanh(outputs)  # inputs to the next layer
    return outputs                  # no activation on last layer


def loss(params, inputs, targets):
    preds = predict(params, inputs)
    return jnp.sum((preds - targets)**2)


def oracle_predict(params, inputs):
    for W, b in params:
        outputs = onp_oracle.dot(inputs, W) + b
        inputs = onp_oracle.tanh(outputs)
    return outputs


def oracle_loss(params, inputs, targets):
    return onp_oracle.sum((oracle_predict(params, inputs) - targets)**2)


SIZES = [3, 5, 4, 2]
PARAMS = [(rand(m, n, seed=m), rand(n, seed=n)) for m, n in zip(SIZES, SIZES[1:])]
VECTOR_PARAMS = [(rand(n, m, seed=m), rand(n, seed=n)) for m, n in zip(SIZES, SIZES[1:])]
INPUTS, TARGETS = rand(6, 3, seed=10), rand(6, 2, seed=11)


def vector_predictions():
    transposed = [(W.T, b) for W, b in VECTOR_PARAMS]
    return oracle_predict(transposed, INPUTS)


def test_vmap_with_in_axes():
    close(vmap(predict_vector, in_axes=(None, 0))(VECTOR_PARAMS, INPUTS), vector_predictions(), rtol=1e-5)


def test_vmap_of_partial():
    close(vmap(partial(predict_vector, VECTOR_PARAMS))(INPUTS), vector_predictions(), rtol=1e-5)


def test_predictions_one_by_one():
    predictions = jnp.stack(list(map(partial(predict_vector, VECTOR_PARAMS), INPUTS)))
    close(predictions, vector_predictions(), rtol=1e-5)


def test_the_assertion_of_a_mapped_function_sees_one_example():
    with pytest.raises(AssertionError):
        predict_vector(VECTOR_PARAMS, INPUTS)


class Policy:
    """The class whose method is mapped over a batch through a partial."""

    def __init__(self, params):
        self._net_params = params
        self._net_grads = grad(self._net_loss)

    def _net_loss(self, params, inputs):
        return jnp.sum(predict(params, inputs))

    def _flatten_batch(self, tree):
        leaves = jax.tree_util.tree_leaves(tree)
        return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)

    def grads(self, inputs):
        in_grad_partial = partial(self._net_grads, self._net_params)
        grad_vmap = jax.vmap(in_grad_partial)
        rich_grads = grad_vmap(inputs)
        flat_grads = onp.asarray(self._flatten_batch(rich_grads))
        assert flat_grads.ndim == 2 and flat_grads.shape[0] == inputs.shape[0]
        return flat_grads


class MethodPolicy(Policy):
    """The same with ``_net_grads`` an ordinary method."""

    def __init__(self, params):
        self._net_params = params

    def _net_grads(self, params, inputs):
        return grad(self._net_loss)(params, inputs)


@pytest.mark.parametrize("policy", [Policy, MethodPolicy])
def test_per_example_gradients_of_a_method(policy):
    rich = oracle.vmap(oracle.grad(lambda p, x: onp_oracle.sum(oracle_predict(p, x))), in_axes=(None, 0))(PARAMS, INPUTS)
    flat = onp.concatenate([onp.asarray(leaf).reshape(6, -1) for leaf in oracle.tree_util.tree_leaves(rich)], axis=1)
    close(policy(PARAMS).grads(INPUTS), flat, rtol=1e-5, atol=1e-5)


def test_compiled_gradient():
    grad_fun = jit(grad(loss))  # compiled gradient evaluation function
    close(grad_fun(PARAMS, INPUTS, TARGETS), tuple(oracle.grad(oracle_loss)(PARAMS, INPUTS, TARGETS)), rtol=1e-4, atol=1e-5)


def per_example():
    return tuple(oracle.vmap(oracle.grad(oracle_loss), in_axes=(None, 0, 0))(PARAMS, INPUTS, TARGETS))


def test_fast_per_example_gradients():
    grad_fun = jit(grad(loss))
    perex_grads = jit(vmap(grad_fun, in_axes=(None, 0, 0)))  # fast per-example grads
    close(perex_grads(PARAMS, INPUTS, TARGETS), per_example(), rtol=1e-4, atol=1e-5)


def test_per_example_gradients_of_partial():
    per_example_gradients = vmap(partial(grad(loss), PARAMS))(INPUTS, TARGETS)
    close(per_example_gradients, per_example(), rtol=1e-4, atol=1e-5)


W = rand(128, 128, seed=3) / 10
b = rand(128, seed=4)


def hidden_layer(x):
    return jax.nn.relu(jnp.dot(W, x) + b)


def test_hidden_layer():
    x = rand(128, seed=5)
    close(hidden_layer(x), onp.maximum(W @ x + b, 0), rtol=1e-4, atol=1e-5)


def test_jacobian_of_hidden_layer():
    x = rand(128, seed=5)
    expected = W * ((W @ x + b) > 0)[:, None]
    close(jacrev(hidden_layer)(x), expected, rtol=1e-4, atol=1e-5)
    close(jacfwd(hidden_layer)(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("in_axes", [0, (0,)])
def test_batched_hidden_layer(in_axes):
    x = rand(32, 128)
    batch_hidden_layer = vmap(hidden_layer, in_axes=in_axes)
    assert batch_hidden_layer(x).shape == (32, 128)
    close(batch_hidden_layer(x), onp.maximum(x @ W.T + b, 0), rtol=1e-4, atol=1e-4)


# -- Jacobians ------------------------------------------------------------------------------------------------------------

def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def oracle_rosenbrock(x):
    return onp_oracle.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def hessian_of(fun):
    return jit(jacfwd(jacrev(fun)))


@pytest.mark.parametrize("make", [hessian_of, hessian, lambda f: jacrev(jacfwd(f)), lambda f: jacrev(jacrev(f))],
                         ids=["jit-fwd-rev", "hessian", "rev-fwd", "rev-rev"])
def test_hessian(make):
    x = rand(5, seed=6)
    close(make(rosenbrock)(x), oracle.hessian(oracle_rosenbrock)(x), rtol=1e-4, atol=1e-3)


def test_jvp_vjp_and_linearize_agree():
    x, v = rand(5, seed=6), rand(5, seed=7)
    value, tangent = jax.jvp(rosenbrock, (x,), (v,))
    again, pull = jax.vjp(rosenbrock, x)
    linear_value, push = jax.linearize(rosenbrock, x)
    expected = onp.vdot(oracle.grad(oracle_rosenbrock)(x), v)
    close((value, again, linear_value), (oracle_rosenbrock(x),) * 3, rtol=1e-5)
    close((tangent, push(v), onp.vdot(onp.asarray(pull(jnp.float32(1.0))[0]), v)), (expected,) * 3, rtol=1e-4)


# -- custom rules ---------------------------------------------------------------------------------------------------------

@jax.custom_vjp
def clip_gradient(lo, hi, x):
    return x


def clip_gradient_fwd(lo, hi, x):
    return x, (lo, hi)


def clip_gradient_bwd(residuals, g):
    lo, hi = residuals
    return None, None, jnp.clip(g, lo, hi)


clip_gradient.defvjp(clip_gradient_fwd, clip_gradient_bwd)


def test_custom_vjp():
    f = lambda x: jnp.sum(jnp.sin(clip_gradient(-0.75, 0.75, x)))
    x = onp.linspace(0, 6, 7).astype(onp.float32)
    close(grad(f)(x), onp.clip(onp.cos(x), -0.75, 0.75))
    close(jit(grad(f))(x), onp.clip(onp.cos(x), -0.75, 0.75))
    close(vmap(grad(lambda x: jnp.sin(clip_gradient(-0.75, 0.75, x))))(x), onp.clip(onp.cos(x), -0.75, 0.75))


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1. + jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    x, = primals
    x_dot, = tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * x_dot


def test_custom_jvp():
    assert log1pexp(3.0) == pytest.approx(3.0485873, rel=1e-6)
    assert grad(log1pexp)(100.0) == 1.0  # the derivative as first written is nan here
    close(jit(grad(log1pexp))(3.0), onp.float32(0.95257413))
    close(vmap(jit(grad(log1pexp)))(jnp.arange(4.)), [0.5, 0.7310586, 0.880797, 0.95257413])


# -- pmap -----------------------------------------------------------------------------------------------------------------

def test_pmap_of_random_matrices():
    count, shape = 8, (50, 60)
    keys = jax.random.split(jax.random.PRNGKey(0), count)
    mats = pmap(lambda key: jax.random.normal(key, shape))(keys)
    result = pmap(lambda x: jnp.dot(x, x.T))(mats)
    means = pmap(jnp.mean)(result)
    assert result.shape == (8, 50, 50)
    theirs = oracle.random.split(oracle.random.PRNGKey(0), count)
    expected = onp.stack([onp.asarray(oracle.random.normal(key, shape)) for key in theirs])
    close(mats, expected, rtol=1e-5)
    close(means, onp.mean(expected @ expected.transpose(0, 2, 1), axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_pmap_on_two_devices():
    keys = jax.random.split(jax.random.PRNGKey(0), 2)
    matrices = pmap(lambda key: jax.random.normal(key, (20, 30)))(keys)
    outputs = pmap(lambda x: jnp.dot(x, x.T))(matrices)
    means = pmap(jnp.mean)(outputs)
    assert means.shape == (2,)
    mats = onp.asarray(matrices)
    close(means, [onp.mean(m @ m.T) for m in mats], rtol=1e-4)


def test_pmap_of_a_layer_and_of_its_batched_form():
    x = rand(4, 128)
    close(pmap(hidden_layer)(x), onp.maximum(x @ W.T + b, 0), rtol=1e-4, atol=1e-4)
    outputs = pmap(vmap(hidden_layer))(rand(4, 3, 128))
    assert outputs.shape == (4, 3, 128)
    close(outputs, onp.maximum(rand(4, 3, 128) @ W.T + b, 0), rtol=1e-4, atol=1e-4)


@partial(pmap, axis_name="i")
def normalize(x):
    return x / lax.psum(x, "i")


def test_normalize():
    out = normalize(jnp.arange(4.))
    assert str(onp.asarray(out)) == "[0.         0.16666667 0.33333334 0.5       ]"


@partial(pmap, axis_name="i")
def f(x):
    y = jnp.sin(x)

    @pmap
    def g(z):
        return jnp.cos(z) * jnp.tan(y.sum()) * jnp.tanh(x).sum()
    return grad(lambda w: jnp.sum(g(w)))(x)


def test_nested_pmap():
    x = jnp.arange(8.).reshape(4, 2)
    close(f(x), [[0., -0.7170853], [-3.1085174, -0.4824318], [10.366636, 13.135289], [0.22163185, -0.52112055]], rtol=3e-5)


def test_gradient_of_nested_pmap():
    x = jnp.arange(8.).reshape(4, 2)
    close(grad(lambda x: jnp.sum(f(x)))(x),
          [[-3.2369726, -1.6356447], [4.7572474, 11.606951], [-98.524414, 42.76499], [-1.6007166, -1.2568436]], rtol=3e-5)


# -- the library ----------------------------------------------------------------------------------------------------------

def test_relu():
    close(jax.nn.relu(jnp.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 2.0])
    close(vmap(grad(jax.nn.relu))(jnp.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 1.0])


def test_svd():
    from xform.scipy.linalg import svd
    x = rand(5, 3)
    u, s, vt = svd(x, full_matrices=False)
    close(jnp.dot(u * s, vt), x, rtol=1e-4, atol=1e-5)
    close(s, onp.linalg.svd(x, compute_uv=False), rtol=1e-5)


def test_convolution():
    images, filters = rand(2, 3, 8, 8), rand(4, 3, 3, 3, seed=1)
    ours = lax.conv(images, filters, (1, 1), "SAME")
    close(ours, oracle.lax.conv(images, filters, (1, 1), "SAME"), rtol=1e-4, atol=1e-4)
    ours = grad(lambda w: jnp.sum(lax.conv(images, w, (1, 1), "VALID") ** 2))(filters)
    theirs = oracle.grad(lambda w: onp_oracle.sum(oracle.lax.conv(images, w, (1, 1), "VALID") ** 2))(filters)
    close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_functional_update_leaves_the_original():
    x = jnp.zeros(4)
    y = x.at[1].set(3.0)
    assert x.tolist() == [0, 0, 0, 0] and y.tolist() == [0, 3, 0, 0]
    assert y.at[1:].add(1.0).tolist() == [0, 4, 1, 1]
    close(grad(lambda v: jnp.sum(x.at[2].set(v) ** 2))(3.0), onp.float32(6.0))


def test_updates_in_place_are_supported_inside_a_transformed_function():
    def fill(y):
        x = jnp.zeros(3)
        x[1] += y
        x[2] = y * y
        return jnp.sum(x)
    assert grad(fill)(3.0) == 7.0 and jit(grad(fill))(3.0) == 7.0


def test_random_numbers_need_a_key():
    key = jax.random.PRNGKey(42)
    close(jax.random.normal(key, (3,)), oracle.random.normal(oracle.random.PRNGKey(42), (3,)), rtol=1e-5)


def test_promotion_differs_from_numpy():
    assert jnp.add(1, onp.array([2], onp.float32)).dtype == onp.float32


# -- precision ------------------------------------------------------------------------------------------------------------

def python(code, **environment):
    """Run a program in a process of its own and return what it prints."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    clean = {k: v for k, v in os.environ.items() if k not in ("JAX_ENABLE_X64", "XFORM_ENABLE_X64")}
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run([sys.executable, "-c", code], env={**clean, **environment, "PYTHONPATH": path}, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


DTYPES = "import xform.numpy as jnp; x = jnp.arange(3.); print(x.dtype, jnp.sin(x).dtype, jnp.arange(3).dtype)"


@pytest.mark.parametrize("environment, code, expected", [
    ({}, "", "float32 float32 int32"),
    ({"XFORM_ENABLE_X64": "1"}, "", "float64 float64 int64"),
    ({"JAX_ENABLE_X64": "True"}, "", "float64 float64 int64"),
    ({}, "import xform as jax; jax.config.update('jax_enable_x64', True); ", "float64 float64 int64"),
], ids=["default", "XFORM_ENABLE_X64", "JAX_ENABLE_X64", "config"])
def test_double_precision_is_chosen_at_startup(environment, code, expected):
    assert python(code + DTYPES, **environment) == expected.split()


def test_third_derivative_in_double_precision(tmp_path):
    program = tmp_path / "third.py"
    program.write_text("import xform as jax, xform.numpy as jnp\n"
                       "def f(x):\n    return jnp.tanh(x)\n"
                       "print(float(jax.grad(jax.grad(jax.grad(f)))(1.0)))\n")
    out, = python(f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')", XFORM_ENABLE_X64="1")
    t = onp.tanh(1.0)
    assert float(out) == pytest.approx(-2 * (1 - t * t) * (1 - 3 * t * t), rel=1e-12)


# -- what the introductions say of the transformations --------------------------------------------------------------------

def recursive_power(x, n):
    return 1.0 if n == 0 else x * recursive_power(x, n - 1)


def loop_and_branch(x, n):
    total = 0.0
    while n > 0:
        if n % 2:
            total = total + x ** n
        n -= 1
    return total


def scaled_by(factor):
    def inner(x):
        return jnp.sin(x * factor)
    return inner


@pytest.mark.parametrize("fun, expected", [
    (lambda x: recursive_power(x, 3), [8.0, 12.0, 12.0, 6.0]),
    (lambda x: loop_and_branch(x, 3), [10.0, 13.0, 12.0, 6.0]),
    (scaled_by(2.0), [onp.sin(4.0), 2 * onp.cos(4.0), -4 * onp.sin(4.0), -8 * onp.cos(4.0)]),
], ids=["recursion", "loops-and-branches", "closure"])
def test_derivatives_of_derivatives_of_derivatives(fun, expected):
    for value in expected:
        assert fun(2.0) == pytest.approx(float(value), rel=1e-4)
        fun = functools.partial(grad(fun))
