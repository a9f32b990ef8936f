"""Ragged and scaled products, local convolutions, attention and XLA's generators beside jax's."""
import functools

import jax
import numpy
import pytest

import xform

_rng = numpy.random.default_rng(4)
SIZES = numpy.array([2, 3], "i4")


def f(*shape):
    return _rng.normal(size=shape).astype("f")


def alike(ours, theirs, tolerance=2e-5):
    for a, b in zip(xform.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        numpy.testing.assert_allclose(numpy.asarray(a, "f8"), numpy.asarray(b, "f8"), rtol=tolerance, atol=tolerance)


def both(question, tolerance=2e-5):
    with jax.default_matmul_precision("highest"):
        alike(question(xform, xform.lax, xform.numpy), question(jax, jax.lax, jax.numpy), tolerance)


ROWS, GROUPS = f(6, 3), f(2, 3, 4)


def test_ragged_dot():
    both(lambda lib, lax, np: lax.ragged_dot(ROWS, GROUPS, SIZES))
    both(lambda lib, lax, np: lib.grad(lambda a, b: (lax.ragged_dot(a, b, SIZES) ** 2).sum(), (0, 1))(ROWS, GROUPS))
    both(lambda lib, lax, np: lib.jvp(lambda a: lax.ragged_dot(a, GROUPS, SIZES), (ROWS,), (ROWS ** 2,)))
    both(lambda lib, lax, np: lib.jit(lax.ragged_dot)(ROWS, GROUPS, SIZES))
    stack = numpy.stack([ROWS, 2 * ROWS])
    each = xform.vmap(xform.lax.ragged_dot, (0, None, None))(stack, GROUPS, SIZES)
    alike(each, numpy.stack([xform.lax.ragged_dot(row, GROUPS, SIZES) for row in stack]))
    with pytest.raises(TypeError, match=r"lhs \(m, k\)"):
        xform.lax.ragged_dot(ROWS, ROWS, SIZES)


@pytest.mark.parametrize("numbers, left, right", [
    ((((1,), (1,)), ((), ())), (6, 3), (2, 3, 4)), ((((1,), (0,)), ((), ())), (4, 6), (6, 3)), ((((2,), (1,)), ((0,), (0,))), (5, 2, 3), (5, 3, 4)),
    ((((2,), (1,)), ((0,), (0,))), (2, 3, 5), (2, 5, 4)), ((((2,), (2,)), ((0,), (1,))), (2, 5, 3), (2, 2, 3, 4))])
def test_ragged_dot_general(numbers, left, right):
    a, b = f(*left), f(*right)
    ragged = {(6, 3): ([0], [0]), (4, 6): ([1], []), (5, 2, 3): ([0], []), (2, 3, 5): ([2], []), (2, 5, 3): ([1], [0])}[left]
    both(lambda lib, lax, np: lax.ragged_dot_general(a, b, SIZES, lax.RaggedDotDimensionNumbers(numbers, *ragged)))
    both(lambda lib, lax, np: lib.grad(lambda a: (lax.ragged_dot_general(
        a, b, SIZES, lax.RaggedDotDimensionNumbers(numbers, *ragged)) ** 2).sum())(a), 2e-4) if left == (6, 3) else None


def test_scaled_products():
    def operands(np):
        return (np.asarray(f8 * 1.5, "float8_e4m3fn"), np.asarray(f8.T, "float8_e4m3fn"), np.asarray(scale, "float8_e8m0fnu"),
                np.asarray(scale.T, "float8_e8m0fnu"))
    f8, scale = numpy.round(f(4, 64) * 4) / 4, 2.0 ** numpy.arange(8).reshape(4, 2)

    def product(lib, lax, np):
        a, b, sa, sb = operands(np)
        return lax.scaled_dot(a, b, lhs_scale=sa, rhs_scale=sb)
    both(product, 1e-2)
    a, b, sa, sb = operands(xform.numpy)
    exact = (numpy.asarray(a, "f4") * numpy.repeat(scale, 32, 1)) @ (numpy.asarray(b, "f4") * numpy.repeat(scale.T, 32, 0))
    found = xform.nn.scaled_matmul(a[None], b.T[None], sa[None], sb.T[None])
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found[0], exact, rtol=1e-5)
    with pytest.raises(ValueError, match="scaled_matmul: lhs"):
        xform.nn.scaled_matmul(a, b, sa, sb)
    with pytest.raises(TypeError, match="must have a multiple"):
        xform.lax.scaled_dot(a, b, lhs_scale=sa[:3])


def test_local_convolution():
    x, w = f(2, 3, 7), f(5, 6, 6)
    both(lambda lib, lax, np: lax.conv_general_dilated_local(x, w, (1,), "VALID", (2,)), 1e-4)
    both(lambda lib, lax, np: lib.grad(lambda w: (lax.conv_general_dilated_local(x, w, (1,), "VALID", (2,)) ** 2).sum())(w), 1e-3)
    x2, w2 = f(2, 5, 6, 3), f(3, 3, 12, 4)
    both(lambda lib, lax, np: lax.conv_general_dilated_local(x2, w2, (2, 2), "SAME", (2, 2), dimension_numbers=("NHWC", "HWIO", "NHWC")), 1e-4)


QUERY, KEY, VALUE = f(2, 5, 4, 8), f(2, 6, 2, 8), f(2, 6, 2, 8)


@pytest.mark.parametrize("options", [
    {}, {"is_causal": True}, {"local_window_size": 1}, {"local_window_size": (2, 0)}, {"return_residual": True}, {"scale": 0.2},
    {"query_seq_lengths": numpy.array([3, 5], "i4"), "key_value_seq_lengths": numpy.array([4, 6], "i4")},
    {"bias": f(1, 4, 5, 6), "mask": f(2, 1, 5, 6) > -1}], ids=str)
def test_attention(options):
    both(lambda lib, lax, np: lib.nn.dot_product_attention(QUERY, KEY, VALUE, **options))

    def loss(lib):
        attend = functools.partial(lib.nn.dot_product_attention, **options)
        if "return_residual" in options:
            return lambda q, k, v: sum((out ** 2).sum() for out in attend(q, k, v))
        return lambda q, k, v: (attend(q, k, v) ** 2).sum()
    both(lambda lib, lax, np: lib.grad(loss(lib), (0, 1, 2))(QUERY, KEY, VALUE), 1e-4)


def test_attention_of_narrow_and_wrong_operands():
    both(lambda lib, lax, np: lib.nn.dot_product_attention(*[np.asarray(x, "bfloat16") for x in (QUERY, KEY, VALUE)]), 2e-2)
    both(lambda lib, lax, np: lib.nn.dot_product_attention(QUERY[0], KEY[0], VALUE[0]))
    with pytest.raises(ValueError, match="N a multiple of K"):
        xform.nn.dot_product_attention(QUERY[:, :, :3], KEY, VALUE)
    with pytest.raises(ValueError, match="Unsupported implementation"):
        xform.nn.dot_product_attention(QUERY, KEY, VALUE, implementation="flash")


def test_random_bits_of_xla():
    words = numpy.array([1, 2, 3, 4], "u4")
    for dtype in ("uint32", "uint8", "uint16"):
        both(lambda lib, lax, np: lax.rng_bit_generator(words, (3, 2), dtype))
    both(lambda lib, lax, np: lax.rng_bit_generator(words, (5,), "uint32", lax.RandomAlgorithm.RNG_PHILOX))
    both(lambda lib, lax, np: lib.jit(lambda k: lax.rng_bit_generator(k, (5,)))(words))
    keys = numpy.stack([words, words + 1])
    alike(xform.vmap(lambda k: xform.lax.rng_bit_generator(k, (5,)))(keys)[1], numpy.stack([xform.lax.rng_bit_generator(k, (5,))[1] for k in keys]))
    with pytest.raises(TypeError, match="four uint32"):
        xform.lax.rng_bit_generator(words[:2], (3,))
    drawn = numpy.asarray(xform.lax.rng_uniform(2.0, 3.0, (1000,)))
    assert drawn.dtype == numpy.float32 and 2 <= drawn.min() and drawn.max() < 3 and drawn.std() > 0.25
    whole = numpy.asarray(xform.jit(lambda: xform.lax.rng_uniform(0, 9, (1000,)))())
    assert whole.dtype == numpy.int32 and set(whole) == set(range(9))


def test_collectives_over_pmap():
    x = f(4, 4, 2)
    both(lambda lib, lax, np: lib.pmap(lambda v: lax.pswapaxes(v, "i", 0), axis_name="i")(x))
    sent = xform.pmap(lambda v: xform.lax.pbroadcast({"a": v}, "i", 2), axis_name="i")(x)["a"]      # jax has it on GPU alone
    alike(sent, numpy.broadcast_to(x[2], x.shape))


def test_marks():
    with pytest.raises(ValueError, match="At least one of atol"):
        xform.lax.Tolerance()
    with pytest.raises(ValueError, match="non-negative"):
        xform.lax.Tolerance(atol=-1.0)
    assert xform.lax.Tolerance(rtol=1e-3).rtol == 1e-3
    assert float(xform.grad(lambda x: xform.lax.stage(x) ** 2)(3.0)) == 6
    with pytest.raises(ValueError, match="inside shard_map"):
        xform.lax.pcast(1.0, "i", to="varying")
    with pytest.raises(ValueError, match="pcast: to must be"):
        xform.lax.pcast(1.0, "i", to="other")
