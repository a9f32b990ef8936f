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
