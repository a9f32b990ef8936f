"""Many threads that transform, compile, run and drop at the same time."""
import sys
import threading

import numpy
import pytest

import xform as jax
import xform.numpy as np
from runtime import cache


def together(work, count=8):
    """Run ``work(number)`` in several threads that take turns often; return what they raised."""
    raised, start = [], threading.Barrier(count)

    def run(number):
        try:
            start.wait()
            work(number)
        except Exception as error:
            raised.append(error)
    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    return raised


def shared(x):
    total = x
    for row in [x, x * 2, np.sin(x)]:
        if np.sum(row) > 1:
            total = total + row * row
    return np.sum(total)


def test_one_function_transformed_by_all_at_once():
    expected, x = numpy.asarray(jax.grad(shared)(np.arange(4.0))), numpy.arange(4, dtype="float32")

    def work(number):
        def own(x):
            return shared(x) * (number + 1)
        for f, times in ((own, number + 1), (shared, 1)):
            numpy.testing.assert_allclose(jax.grad(f)(x), expected * times, rtol=1e-5)
            numpy.testing.assert_allclose(jax.jit(jax.grad(f))(x), expected * times, rtol=1e-5)
            numpy.testing.assert_allclose(jax.vmap(jax.grad(f))(x[None]), expected[None] * times, rtol=1e-5)
            numpy.testing.assert_allclose(jax.vjp(f, x)[1](np.float32(1))[0], expected * times, rtol=1e-5)
    assert together(work) == []


@pytest.mark.parametrize("mapped", [False, True])
def test_programs_that_are_dropped_while_they_run(mapped):
    f = jax.pmap(lambda v: jax.lax.psum(np.sin(v), "i"), axis_name="i") if mapped else jax.jit(lambda v: np.sin(v @ v.T) @ v)
    x = numpy.linspace(0, 1, 8 * 32, dtype="float32").reshape(8, 32)
    expected = numpy.asarray(f(x))

    def work(number):
        for turn in range(20):
            if number == 0:
                for release in cache.releases:
                    release()
            else:
                numpy.testing.assert_allclose(f(x), expected, rtol=1e-5)
    assert together(work, 4) == []


def test_arguments_that_are_given_away_in_one_thread_and_read_in_others():
    step = jax.jit(lambda x, y: (x + y, x @ y.T), donate_argnums=0)

    def work(number):
        y = np.ones((64, 64))
        for turn in range(20):
            x = np.full((64, 64), float(turn)) + 0
            after = step(x, y)
            with pytest.raises(RuntimeError, match="deleted|donated"):
                numpy.asarray(x)
            numpy.testing.assert_allclose(after[0], numpy.full((64, 64), turn + 1.0))
            numpy.testing.assert_allclose(after[1], numpy.full((64, 64), 64.0 * turn), rtol=1e-5)
    assert together(work, 4) == []


def twice(x):
    return x * 2


USES = {"operator": lambda x: x + 1, "jit": jax.jit(lambda x: x + 1), "pmap": jax.pmap(lambda x: x + 1), "reduction": lambda x: x.sum(),
        "copy": lambda x: x.copy(), "shards": lambda x: x.addressable_shards[0].data, "read": numpy.asarray, "row": lambda x: x[2],
        "gradient": jax.grad(lambda x: (x * x).sum()), "moved": lambda x: jax.device_put(x, jax.devices()[3])}


MADE = jax.pmap(lambda x: x + 1)
GIVE = {"jit": jax.jit(twice, donate_argnums=0), "pmap": jax.pmap(twice, donate_argnums=0), "delete": lambda x: x.delete()}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("give", ["jit", "pmap", "delete"])
def test_arrays_over_several_devices_that_are_gone_end_no_process(give, use):
    rows = jax.sharding.NamedSharding(jax.make_mesh((8,), ("x",)), jax.P("x"))
    made = [jax.device_put(numpy.ones((8, 2), "float32"), rows), jax.pmap(lambda x: x + 1)(numpy.ones((8, 2), "float32"))]
    for x in made:
        for _ in range(3):
            USES[use](x)    # what runs by jaxlib's dispatcher from now on
        if give == "pmap":
            x = MADE(x)     # an array that lies as pmap has it is taken over, another one moved
        GIVE[give](x)
        assert x.is_deleted()
        for _ in range(2):
            with pytest.raises(RuntimeError, match="Array has been deleted"):
                USES[use](x)
