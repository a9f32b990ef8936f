"""Functions whose results have a length given by ``size=``, over examples; axes of broadcasts in any order."""
import inspect

import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from xform import lax

np = xform.numpy
EXAMPLES = numpy.array([[1, 0, 2, 0], [0, 0, 3, 1]])


def places(a):
    return np.nonzero(a, size=3)[0]


def chosen(a):
    return np.where(a > 0, size=3, fill_value=-1)[0]


def coordinates(a):
    return np.argwhere(np.reshape(a, (2, 2)), size=3, fill_value=7)


def flat_places(a):
    return np.flatnonzero(a, size=6)


def kept(a):
    return np.compress(a > 0, a, size=2)


def extracted(a):
    return np.extract(a > 0, a, size=2, fill_value=9)


@pytest.mark.parametrize("function", [places, chosen, coordinates, flat_places, kept, extracted])
def test_over_examples(function):
    found = xform.vmap(function)(np.asarray(EXAMPLES))
    wanted = numpy.stack([numpy.asarray(function(np.asarray(row))) for row in EXAMPLES])
    assert numpy.asarray(found).tolist() == wanted.tolist()
    twice = xform.vmap(xform.vmap(function))(np.asarray(EXAMPLES[None]))
    assert numpy.asarray(twice).tolist() == wanted[None].tolist()
    assert numpy.asarray(xform.jit(xform.vmap(function))(np.asarray(EXAMPLES))).tolist() == wanted.tolist()


def test_as_in_jax():
    wanted = jax.vmap(lambda a: jnp.where(a > 0, size=3, fill_value=-1)[0])(EXAMPLES)
    assert numpy.asarray(xform.vmap(chosen)(np.asarray(EXAMPLES))).tolist() == wanted.tolist()


@pytest.mark.parametrize("shape, places", [((3, 2), (1, 0)), ((3, 5, 2), (2, 0)), ((2, 4, 3), (0, 2))])
def test_axes_of_a_broadcast_in_any_order(shape, places):
    x = numpy.arange(6.0, dtype="float32").reshape(2, 3)
    assert numpy.asarray(lax.broadcast_in_dim(np.asarray(x), shape, places)).tolist() == numpy.asarray(
        jax.lax.broadcast_in_dim(x, shape, places)).tolist()


@pytest.mark.parametrize("shape, places", [((4, 3), (0, 1)), ((2, 3), (0, 0)), ((2, 3), (0,)), ((2, 3), (0, 5))])
def test_wrong_axes_of_a_broadcast(shape, places):
    with pytest.raises(TypeError, match="broadcast_in_dim"):
        lax.broadcast_in_dim(np.ones((2, 3)), shape, places)


def test_softmax_of_scipy_is_over_all_axes():
    x = numpy.arange(6.0, dtype="float32").reshape(2, 3)
    for name in ("softmax", "log_softmax"):
        for axis in (None, 0, (0, 1)):
            numpy.testing.assert_allclose(numpy.asarray(getattr(xform.scipy.special, name)(np.asarray(x), axis=axis)),
                                          numpy.asarray(getattr(jax.scipy.special, name)(x, axis=axis)), rtol=1e-5)


def test_callbacks_may_return_doubles():
    def doubled(t):
        return numpy.float64(t) * 2
    out = xform.pure_callback(doubled, xform.ShapeDtypeStruct((), "float32"), 1.5)
    assert out.dtype == "float32" and float(out) == 3


@pytest.mark.parametrize("name", ("logit xlogy xlog1py entr rel_entr kl_div gamma gammasgn loggamma betaln beta multigammaln ndtr ndtri "
                                  "softmax log_softmax").split())
def test_parameters_of_scipy_functions(name):
    own, theirs = [inspect.signature(getattr(module.scipy.special, name)).parameters.values() for module in (xform, jax)]
    assert [(p.name, p.kind) for p in own] == [(p.name, p.kind) for p in theirs]


@pytest.mark.parametrize("shape, shift, axis", [((5,), 2, None), ((5,), [2], None), ((5,), [1, 2], None), ((2, 3), [1, 2], (0, 1)),
                                                ((2, 3), [1, 2], 1), ((2, 3), [1], (0, 1)), ((2, 3), -4, 1), ((0, 3), 1, 1)])
def test_roll_by_arrays(shape, shift, axis):
    x = numpy.arange(numpy.prod(shape), dtype="float32").reshape(shape)
    wanted = jnp.roll(x, jnp.asarray(shift), axis)
    for by in (np.asarray(shift), numpy.asarray(shift)):
        assert numpy.asarray(np.roll(np.asarray(x), by, axis)).tolist() == wanted.tolist()
    assert numpy.roll(np.asarray(x), np.asarray(shift), axis).tolist() == wanted.tolist()


RANGES = {
    "sum": lambda lib, np, x: np.sum(x, range(2)), "mean": lambda lib, np, x: np.mean(x, axis=range(1, x.ndim)), "max": lambda lib, np, x: x.max(range(2)),
    "std": lambda lib, np, x: np.std(x, range(-2, 0)), "expand_dims": lambda lib, np, x: np.expand_dims(x[0, 0], range(2)),
    "flip": lambda lib, np, x: np.flip(x, range(2)), "roll": lambda lib, np, x: np.roll(x, range(1, 3), range(2)),
    "roll one": lambda lib, np, x: np.roll(x, range(1, 2), range(1)), "transpose": lambda lib, np, x: np.transpose(x, range(2, -1, -1)),
    "moveaxis": lambda lib, np, x: np.moveaxis(x, range(2), range(1, 3)), "squeeze": lambda lib, np, x: np.squeeze(x[:, :1, :1], range(1, 3)),
    "softmax": lambda lib, np, x: lib.nn.softmax(x, range(2)), "prod": lambda lib, np, x: np.prod(x, range(1)),
}


@pytest.mark.parametrize("name", RANGES)
def test_axes_as_a_range(name):
    x = numpy.linspace(-1, 2, 24, dtype=numpy.float32).reshape(2, 3, 4)
    seen = []
    for lib, np in ((xform, xform.numpy), (jax, jax.numpy)):
        one = lambda x: RANGES[name](lib, np, x)
        given = np.asarray(x)
        seen.append([one(given), lib.vmap(lib.grad(lambda x: np.sum(np.sin(one(x)))))(np.stack([given, given * 2]))])
    for ours, theirs in zip(*seen):
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
