"""Typed keys: arrays of an element type of their own, which act as jax's under indexing, transformations and staging."""
import copy
import pickle

import jax
import numpy
import pytest

import xform
from runtime import dtypes, lax, random
from runtime import numpy as np

KEY, OTHER = random.key(42), jax.random.key(42)
KEYS, OTHERS = random.split(KEY, (2, 3)), jax.random.split(OTHER, (2, 3))
MASK = numpy.array([[True, False, True], [False, False, True]])


def same(ours, theirs):
    if dtypes.issubdtype(ours.dtype, dtypes.prng_key):
        ours, theirs = random.key_data(ours), jax.random.key_data(theirs)
    assert ours.shape == theirs.shape
    assert numpy.array_equal(numpy.asarray(ours), numpy.asarray(theirs))


SHAPES = {
    "element": lambda k, np: k[1, 2], "new axis": lambda k, np: k[:, None, 1:], "reverse": lambda k, np: k[::-1],
    "places": lambda k, np: k[np.array([1, 0, 1])], "T": lambda k, np: k.T, "reshape": lambda k, np: k.reshape(-1),
    "ravel": lambda k, np: np.ravel(k), "stack": lambda k, np: np.stack([k[0], k[1]], 1),
    "concatenate": lambda k, np: np.concatenate([k, k]), "where": lambda k, np: np.where(MASK, k, k[0, 0]),
    "broadcast": lambda k, np: np.broadcast_to(k[0, 0], (3,)), "expand": lambda k, np: np.expand_dims(k, 0),
    "swap": lambda k, np: k.swapaxes(0, 1), "set": lambda k, np: k.at[0].set(k[1]), "equal": lambda k, np: k == k[0],
    "unequal": lambda k, np: k != k[0], "squeeze": lambda k, np: k[:1].squeeze(), "zeros": lambda k, np: np.zeros(3, k.dtype),
    "second": lambda k, np: list(k)[1], "take": lambda k, np: np.take(k, np.array([2, 0]), axis=1),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    same(SHAPES[name](KEYS, np), SHAPES[name](OTHERS, jax.numpy))


@pytest.mark.parametrize("name", ["element", "new axis", "T", "reshape", "broadcast", "set"])
def test_shapes_staged_and_batched(name):
    function = SHAPES[name]
    same(xform.jit(lambda k: function(k, np))(KEYS), function(OTHERS, jax.numpy))
    same(xform.vmap(lambda k: function(k, np))(np.stack([KEYS, KEYS])),
         jax.vmap(lambda k: function(k, jax.numpy))(jax.numpy.stack([OTHERS, OTHERS])))


@pytest.mark.parametrize("name,args", [("normal", ((3,),)), ("gamma", (2.0,)), ("poisson", (3.0,)), ("permutation", (5,)), (
    "fold_in", (3,)), ("split", (4,)), ("bits", ()), ("choice", (5, (3,))), ("ball", (3,)), ("categorical", (numpy.ones(4, "f"),))])
def test_samplers_take_them(name, args):
    same(getattr(random, name)(KEY, *args), getattr(jax.random, name)(OTHER, *args))


def ours(w, k):
    for _ in range(3):
        k, sub = random.split(k)
        w = w * random.normal(sub)
    return w


def theirs(w, k):
    for _ in range(3):
        k, sub = jax.random.split(k)
        w = w * jax.random.normal(sub)
    return w


def test_transformations():
    same(xform.jit(ours)(1.0, KEY), jax.jit(theirs)(1.0, OTHER))
    same(xform.grad(ours)(1.0, KEY), jax.grad(theirs)(1.0, OTHER))
    same(xform.vmap(ours, (None, 0))(1.0, KEYS[0]), jax.vmap(theirs, (None, 0))(1.0, OTHERS[0]))
    same(xform.jit(xform.vmap(xform.grad(ours), (None, 0)))(1.0, KEYS[0]), jax.vmap(jax.grad(theirs), (None, 0))(1.0, OTHERS[0]))
    same(xform.vmap(xform.vmap(random.split))(KEYS), jax.vmap(jax.vmap(jax.random.split))(OTHERS))
    same(xform.vmap(random.fold_in)(KEYS[0], numpy.arange(3)), jax.vmap(jax.random.fold_in)(OTHERS[0], numpy.arange(3)))
    same(xform.vmap(lambda i: random.fold_in(KEY, i))(numpy.arange(3)), jax.vmap(lambda i: jax.random.fold_in(OTHER, i))(numpy.arange(3)))
    same(xform.vmap(lambda i: random.normal(random.key(i)))(numpy.arange(3)),
         jax.vmap(lambda i: jax.random.normal(jax.random.key(i)))(numpy.arange(3)))
    same(xform.vmap(lambda k: random.normal(k, (3,)) + len(k.shape))(KEYS[0]), jax.vmap(lambda k: jax.random.normal(k, (3,)))(OTHERS[0]))


def test_loops():
    def draws(q):
        return lax.scan(lambda c, k: (c + random.normal(k), c), 0.0, q)[1]

    def draws_there(q):
        return jax.lax.scan(lambda c, k: (c + jax.random.normal(k), c), 0.0, q)[1]

    def until(x, k):
        while x < 10.0:
            k, sub = random.split(k)
            x = x + 1 + random.uniform(sub)
        return x

    def until_there(x, k):
        def step(c):
            k, sub = jax.random.split(c[1])
            return c[0] + 1 + jax.random.uniform(sub), k
        return jax.lax.while_loop(lambda c: c[0] < 10.0, step, (x, k))[0]
    same(draws(KEYS[0]), draws_there(OTHERS[0]))
    same(xform.jit(draws)(KEYS[0]), draws_there(OTHERS[0]))
    same(xform.jit(until)(0.0, KEY), until_there(0.0, OTHER))
    same(xform.vmap(until, (None, 0))(0.0, KEYS[0]), jax.vmap(until_there, (None, 0))(0.0, OTHERS[0]))


def test_numbers_of_keys():
    same(random.wrap_key_data(random.key_data(KEYS)), OTHERS)
    same(random.key_data(random.PRNGKey(3)), jax.random.key_data(jax.random.PRNGKey(3)))
    assert random.key_impl(KEY) == jax.random.key_impl(OTHER) == random.key_impl(random.PRNGKey(0))
    assert random.key_dtype() == KEY.dtype and KEYS.nbytes == OTHERS.nbytes and KEY.shape == ()
    assert repr(KEYS) == repr(OTHERS) and repr(KEY.aval) == "key<fry>[]"
    same(random.clone(KEY), OTHER)


def test_copies():
    for made in (pickle.loads(pickle.dumps(KEYS)), copy.deepcopy(KEYS), KEYS.copy(), xform.device_put(KEYS), xform.device_get(KEYS)):
        same(made, OTHERS)


@pytest.mark.parametrize("call,error,text", [
    (lambda k: k + 1, ValueError, "promotion"), (lambda k: k + k, TypeError, "key<fry>"), (lambda k: numpy.asarray(k), TypeError, "key_data"),
    (lambda k: bool(k), TypeError, "truth"), (lambda k: float(k), TypeError, "key_data"), (lambda k: k[None].sum(), TypeError, "numbers"),
    (lambda k: k.astype("uint32"), TypeError, "key_data"), (lambda k: np.sin(k), TypeError, "sin"), (lambda k: np.sort(k[None]), TypeError, "order"),
    (lambda k: k < k, TypeError, "lt"), (lambda k: xform.grad(lambda k: 1.0)(k), TypeError, "key<fry>"),
    (lambda k: random.normal(KEYS), ValueError, "single key"), (lambda k: random.normal(3), TypeError, "needs a key"),
    (lambda k: random.normal(np.zeros(3, "uint32")), TypeError, "last axis of 2"), (lambda k: random.PRNGKey(k), TypeError, "PRNG key"),
    (lambda k: random.wrap_key_data(np.zeros((2,), "int32")), TypeError, "uint32"),
    (lambda k: random.key(1.5), TypeError, "integer"), (lambda k: random.key(0, impl="rbg"), ValueError, "not available"),
    (lambda k: random.key(0, impl="nope"), ValueError, "unrecognized")])
def test_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(KEY)


def test_keys_on_other_devices_and_cut_over_several():
    other = jax.devices()[1]
    key = xform.device_put(xform.random.key(3), xform.devices()[1])
    assert key.devices() == {xform.devices()[1]} and other.id == 1
    expected = numpy.asarray(jax.random.normal(jax.random.key(3), (4,)))
    numpy.testing.assert_allclose(xform.random.normal(key, (4,)), expected, rtol=1e-6)
    keys, theirs = xform.random.split(xform.random.key(0), 4), jax.random.split(jax.random.key(0), 4)
    drawn = [numpy.asarray(jax.random.uniform(k)) for k in theirs]
    numpy.testing.assert_allclose(xform.pmap(lambda k: xform.random.uniform(k))(keys), drawn, rtol=1e-6)
    cut = xform.device_put(keys, xform.NamedSharding(xform.make_mesh((4,), ("i",)), xform.P("i")))
    assert cut.sharding.spec == xform.P("i") and len(cut.addressable_shards) == 4
    numpy.testing.assert_allclose(xform.jit(xform.vmap(lambda k: xform.random.uniform(k)))(cut), drawn, rtol=1e-6)
    assert (xform.random.key_data(xform.device_put(cut, xform.devices()[2])) == xform.random.key_data(keys)).all()


def test_keys_that_are_used_twice_are_found_on_request():
    random = xform.random
    key = random.key(0)
    random.normal(key)
    random.normal(key)
    xform.config.update("jax_debug_key_reuse", True)
    try:
        key = random.key(1)
        random.fold_in(key, 1), random.key_data(key), random.normal(random.clone(key))
        first, second = random.split(key)
        random.normal(first), random.normal(second)
        for again in (lambda: random.normal(first), lambda: random.split(key), lambda: random.bits(second)):
            with pytest.raises(xform.errors.KeyReuseError, match="used before"):
                again()
    finally:
        xform.config.update("jax_debug_key_reuse", False)
