"""Details of the transformations' interface that programs rely on, beside jax."""
import collections
import functools

import jax as reference
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np

Point = collections.namedtuple("Point", "x y")
C = onp.arange(24.0, dtype="float32").reshape(2, 3, 4)


def keyword_is_mapped(jax, np):
    return jax.vmap(lambda x, k=1.0: x * k)(np.ones(3), k=np.arange(3.0))


def default_is_not_mapped(jax, np):
    return jax.vmap(lambda x, k=2.0: x * k)(np.ones(3))


def some_entries_of_a_dict(jax, np):
    return jax.vmap(lambda d: d["a"] * d["b"], in_axes=({"a": 0, "b": None},))({"a": np.arange(3.0), "b": 2.0})


def some_entries_under_a_gradient(jax, np):
    def loss(p, x):
        return ((p["w"] @ x) * p["s"]).sum()
    p = {"w": np.arange(12.0).reshape(2, 2, 3), "s": np.ones(2)}
    return jax.vmap(jax.grad(loss), in_axes=({"w": 0, "s": None}, 0))(p, np.ones((2, 3)))


def index_of_mixed_parts(jax, np):
    c = np.asarray(C)
    return jax.vmap(lambda k, i: c[k - 1, :, i], (0, None))(np.array([1, 2]), np.array([1, 2, 3]))


def index_of_mixed_numbers(jax, np):
    c = np.asarray(C)
    return jax.vmap(lambda k, i: c[k - 1, :, i], (0, None))(np.array([1, 2]), 1)


def applied_in_place(jax, np):
    if jax is reference:    # it has no derivative of apply
        return jax.grad(lambda a: (a.at[0].set(np.sin(a[0])) * a).sum())(np.array([0.5, 2.0]))
    return jax.grad(lambda a: (a.at[0].apply(np.sin) * a).sum())(np.array([0.5, 2.0]))


def pullback_as_a_value(jax, np):
    return jax.grad(lambda x: jax.vjp(np.sin, x)[1](x)[0])(0.5)


def pullback_in_a_loop(jax, np):
    def f(x):
        out, pull = jax.vjp(lambda t: t ** 3, x)
        total = out
        for scale in (1.0, 2.0):
            (d,) = pull(scale)
            total = total + d
        return total
    return jax.grad(f)(0.5)


def linear_map_as_a_value(jax, np):
    return jax.grad(lambda x: jax.linearize(np.sin, x)[1](x))(0.5)


def holomorphic(jax, np):
    return jax.grad(lambda z: z * z * np.exp(z), holomorphic=True)(1.0 + 2.0j)


def branch_without_operands(jax, np):
    return jax.jit(lambda p, k, q: jax.lax.cond(p > 0, lambda: k, lambda: q))(1.0, 2.0, 3.0)


def named_axes(jax, np):
    point = Point(np.ones((2, 3)), np.arange(6.0).reshape(3, 2))
    moved = jax.vmap(lambda p: Point(p.x, p.y * 2), in_axes=(Point(0, 1),), out_axes=Point(1, 0))(point)
    return moved, jax.vmap(lambda t: t[0] + t[1].x * t[1].y, in_axes=((0, Point(1, None)),))((np.ones(2), Point(np.ones((3, 2)), np.ones(3))))


def compiled_with_names(jax, np):
    def f(a, x, *, y=2.0, **more):
        return a * x + y * more.get("z", 1.0)
    return [jax.jit(f).lower(1.0, x=3.0, y=1.0).compile()(1.0, x=4.0, y=2.0), jax.jit(f).lower(y=1.0, z=1.0, x=1.0, a=2.0).compile()(a=3.0, z=5.0, y=7.0, x=1.0),
            jax.jit(f, static_argnames="a").lower(a=2, x=3.0, y=1.0).compile()(x=4.0, y=2.0)]


def samplers_of_keys(jax, np):
    keys = jax.random.split(jax.random.key(0), 3)
    return [jax.vmap(f)(keys) for f in (jax.random.normal, jax.random.uniform, jax.random.bits, jax.random.gumbel)], jax.vmap(
        functools.partial(jax.random.exponential, shape=(2,)))(keys), jax.vmap(jax.lax.dynamic_slice, (0, (0,), None))(C[0], (onp.array([0, 1, 2]),), (2,))


def types_of_staged_arrays(jax, np):
    def f(x):
        like = jax.ShapeDtypeStruct.like(x)
        assert like.shape == (3, 4)
        return jax.pure_callback(lambda v: onp.sin(v), like, x, vmap_method="sequential")
    return jax.jit(f)(C[0]), jax.vmap(f)(C), jax.jit(jax.vmap(f))(C)


def lowered_for_its_platform(jax, np):
    compiled = jax.jit(lambda x: x * 2).trace(C).lower(lowering_platforms=("cpu",)).compile()
    return compiled(C), onp.ones(compiled.args_info[0][0].shape)


CASES = [samplers_of_keys, types_of_staged_arrays, lowered_for_its_platform, named_axes, compiled_with_names, keyword_is_mapped, default_is_not_mapped, some_entries_of_a_dict, some_entries_under_a_gradient, index_of_mixed_parts,
         index_of_mixed_numbers, applied_in_place, pullback_as_a_value, pullback_in_a_loop, linear_map_as_a_value, holomorphic,
         branch_without_operands]


@pytest.mark.parametrize("case", CASES)
def test_as_jax_does(case):
    ours, theirs = case(xform, np), case(reference, jnp)
    for one, other in zip(xform.tree_util.tree_leaves(ours), reference.tree_util.tree_leaves(theirs), strict=True):
        assert onp.asarray(one).dtype == other.dtype
        onp.testing.assert_allclose(one, other, rtol=1e-5)


def test_derivatives_in_python_numbers_are_weak_as_the_numbers_are():
    def shown(lib, numpy):
        return [repr(r) for r in (lib.grad(numpy.sin)(0.1), lib.jit(lib.grad(numpy.sin))(0.1), lib.grad(lambda d: d["a"] ** 2)({"a": 3.0}),
                                  lib.grad(lambda x, y: numpy.sum(x * y))(2.0, numpy.ones(3)), lib.vmap(lib.grad(numpy.sin))(numpy.ones(2)))]
    ours = shown(xform, np)
    assert ours == shown(reference, jnp) and ours[0].endswith("weak_type=True)")


def test_integers_hold_no_nan_and_have_fractions():
    for x in (2, True, [1, 2], 2.5, [1.5, float("inf")]):
        for name in ("nan_to_num", "modf"):
            ours, theirs = getattr(np, name)(np.asarray(x)), getattr(jnp, name)(jnp.asarray(x))
            for a, b in zip(ours if name == "modf" else [ours], theirs if name == "modf" else [theirs]):
                assert a.dtype == b.dtype
                onp.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("call", [
    lambda lib, np: lib.jacrev(lambda x: x * 1j)(1.0), lambda lib, np: lib.jacfwd(lambda x: x * x)(1 + 1j),
    lambda lib, np: lib.jacrev(lambda x: x * x)(1 + 1j), lambda lib, np: lib.jacfwd(lambda x: x * x, holomorphic=True)(1.0),
    lambda lib, np: lib.jacrev(lambda x: np.int32(1))(1.0), lambda lib, np: lib.grad(lambda x, y: x * y)(x=2.0, y=3.0),
    lambda lib, np: lib.grad(lambda x, y=2.0: x * y, argnums=1)(1.0), lambda lib, np: lib.grad(lambda x: x, argnums=-2)(1.0),
    lambda lib, np: lib.jvp(lambda x: x * 2.0, (1,), (1,)), lambda lib, np: lib.vjp(lambda x: x, 1.0)[1](np.int32(1)),
    lambda lib, np: lib.vjp(lambda x: x, np.float16(1))[1](1.0), lambda lib, np: lib.linearize(lambda x: x, 1.0)[1](np.ones(3)),
    lambda lib, np: lib.vmap(lambda x: x, axis_size=3)(np.ones(2)), lambda lib, np: lib.vmap(lambda x: x)("a"),
    lambda lib, np: lib.jit(lambda x: x, static_argnums=0, donate_argnums=0)(1.0),
    lambda lib, np: lib.jit(lambda x, y: x).lower(1.0, y=2.0).compile()(1.0, z=2.0),
    lambda lib, np: lib.linearize(lambda x: x, 1.0)[1](1.0, 2.0), lambda lib, np: lib.linearize(lambda x: x, np.float32(1))[1](np.int32(1)),
])
def test_types_of_errors(call):
    """What is no derivative in JAX is refused with an error of the same type."""
    with pytest.raises((TypeError, ValueError)) as theirs:
        call(reference, jnp)
    with pytest.raises(theirs.type):
        call(xform, xform.numpy)


@pytest.mark.parametrize("call", [
    lambda lib, np, none: lib.grad(lambda x, i: np.sum(x * i), argnums=(0, 1), allow_int=True)(2.0, onp.arange(3)),
    lambda lib, np, none: lib.value_and_grad(lambda p: p["x"] * p["i"], allow_int=True)({"x": 2.0, "i": 3}),
    lambda lib, np, none: lib.vjp(lambda x, i: x * i, 2.0, 3)[1](1.0),
    lambda lib, np, none: lib.vjp(lambda x: (x * 2, np.int32(3)), 2.0)[1]((1.0, onp.zeros((), none))),
    lambda lib, np, none: lib.jvp(lambda x, i: (x * i, i), (2.0, 3), (1.0, onp.zeros((), none))),
    lambda lib, np, none: lib.grad(lambda x, y=2.0: x * x * y, argnums=-1)(3.0),
    lambda lib, np, none: lib.grad(lambda x: [x * x, 1.0], has_aux=True)(3.0)[0],
])
def test_integers_have_no_derivative(call):
    found, expected = call(xform, xform.numpy, xform.float0), call(reference, jnp, reference.dtypes.float0)
    for one, other in zip(xform.tree.leaves(found), reference.tree.leaves(expected), strict=True):
        assert onp.asarray(one).dtype.kind == onp.asarray(other).dtype.kind and onp.shape(one) == onp.shape(other)
        if onp.asarray(one).dtype.kind == "f":
            onp.testing.assert_allclose(one, other)


# jax 0.11 knows of ``concrete`` no more, and takes None for False
OLDER = pytest.mark.skipif(reference.__version_info__ >= (0, 11), reason="options of jax 0.10")


@pytest.mark.parametrize("call", [
    lambda jax, np: jax.random.choice(jax.random.key(0), 5, shape=5),
    lambda jax, np: jax.P("a", unreduced="b"),
    pytest.param(lambda jax, np: jax.checkpoint(lambda x: x, concrete=True), marks=OLDER),
    lambda jax, np: jax.lax.argmax(np.ones(3), 0),
    lambda jax, np: jax.sharding.AbstractDevice("cpu", 1)])
def test_calls_that_are_refused(call):
    with pytest.raises((TypeError, NotImplementedError)) as theirs:
        call(reference, jnp)
    with pytest.raises(theirs.type):
        call(xform, np)


@pytest.mark.parametrize("transformed", [
    lambda jax, f, x: jax.vmap(f)(x), lambda jax, f, x: jax.grad(lambda x: f(x).sum())(x), lambda jax, f, x: jax.jit(f)(x),
    lambda jax, f, x: jax.jit(lambda x: f(x) * 2)(x)])
def test_compiled_functions_are_not_transformed(transformed):
    for jax in (xform, reference):
        compiled = jax.jit(lambda x: x * 2).lower(C).compile()
        with pytest.raises(TypeError, match="lowered and compiled for"):
            transformed(jax, compiled, C)
        with pytest.raises(TypeError, match=r"Argument 'x' compiled with float32\[2,3,4\] and called with float32\[3,4\]"):
            compiled(C[0])


@pytest.mark.parametrize("call", [
    lambda jax, np: jax.vmap(lambda x: 2 * x, sum_match=False)(C),
    pytest.param(lambda jax, np: np.take_along_axis(C[0], onp.array([[0, -1]]), 1, wrap_negative_indices=None), marks=OLDER),
    lambda jax, np: np.take_along_axis(C[0], onp.array([[0, -1]]), 1, wrap_negative_indices=False),
    lambda jax, np: np.ones(2) * jax.dtypes.issubdtype(a="int32", b=np.integer),
    lambda jax, np: np.ones(2) * len(jax.P("a", None, unreduced=set(), reduced=frozenset())),
    lambda jax, np: np.ones(jax.ShapeDtypeStruct((2,), "float32", manual_axis_type=None).shape)])
def test_keywords(call):
    mine, other = call(xform, np), call(reference, jnp)
    assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
    onp.testing.assert_array_equal(mine, other)


def test_partial_sums_are_no_arrays():
    with pytest.raises(NotImplementedError, match="unreduced=.*lax.psum"):
        xform.P("a", unreduced={"b"})


def test_an_array_as_a_buffer():
    import sys
    if sys.version_info < (3, 12):
        pytest.skip("a Python class can offer a buffer from Python 3.12 on")
    assert bytes(memoryview(np.arange(3, dtype="int32"))) == onp.arange(3, dtype="int32").tobytes()


def test_an_argument_is_differentiated_once():
    with pytest.raises(ValueError, match="twice"):
        xform.grad(lambda x, y: x * y, argnums=(1, -1))(2.0, 3.0)


def test_a_type_with_other_attributes():
    assert xform.ShapeDtypeStruct((2, 3), "float32").update(shape=(4,)) == xform.ShapeDtypeStruct((4,), "float32")


def test_types_for_annotations():
    import typing

    from xform.typing import ArrayLike, DTypeLike

    @xform.jit
    def scaled(x: ArrayLike, dtype: typing.Optional[DTypeLike] = None) -> xform.Array:
        return x * 2.0
    assert float(scaled(1.5)) == 3.0 and isinstance(np.ones(2), ArrayLike) and isinstance(1.0, ArrayLike) and not isinstance("a", ArrayLike)
