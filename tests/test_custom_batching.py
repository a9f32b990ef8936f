"""custom_vmap calls the user's rule, sequential_vmap loops; both under the other transformations, beside jax."""
import jax
import numpy as np
import pytest
import xform

X, W = np.linspace(0.2, 1.4, 6, dtype=np.float32).reshape(2, 3), np.array([1, -2, 0.5], np.float32)


def alike(mine, theirs):
    for a, b in zip(xform.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


def marked(lib):
    """A product whose rule says that it was used: it adds ten."""
    @lib.custom_batching.custom_vmap
    def f(x, w):
        return lib.numpy.sin(x) * w

    @f.def_vmap
    def rule(axis_size, in_batched, x, w):
        x_batched, w_batched = in_batched
        assert axis_size == 2
        return lib.numpy.sin(x) * w + 10.0, x_batched or w_batched
    return f


def pair(lib):
    """Two results, of which only one carries the batch."""
    f = lib.custom_batching.custom_vmap(lambda x, w: (x * 2, w * 3))
    f.def_vmap(lambda axis_size, in_batched, *args: ((args[0] * 2, args[1] * 3), (in_batched[0], in_batched[1])))
    return f


def one_by_one(lib):
    return lib.custom_batching.sequential_vmap(lambda x, w: {"a": lib.numpy.cumsum(x, -1) * w, "b": lib.numpy.sum(x)})


QUESTIONS = {
    "plain": lambda lib, f: f(X, W),
    "vmap": lambda lib, f: lib.vmap(f, (0, None))(X, W),
    "other axis": lambda lib, f: lib.vmap(f, (None, 0), 0)(W, X),
    "both": lambda lib, f: lib.vmap(f)(X, X),
    "jit": lambda lib, f: lib.jit(lib.vmap(f, (0, None)))(X, W),
    "inside": lambda lib, f: lib.jit(lambda x: lib.vmap(lambda y: f(y, W))(x * 2))(X),
    "grad of vmap": lambda lib, f: lib.grad(lambda x: sum(leaf.sum() ** 2 for leaf in lib.tree.leaves(lib.vmap(f, (0, None))(x, W))))(X),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("make", [marked, pair, one_by_one])
def test_rules(make, question):
    theirs = unmarked if question == "grad of vmap" and make is one_by_one else make(jax)
    alike(QUESTIONS[question](xform, make(xform)), QUESTIONS[question](jax, theirs))


def unmarked(x, w):
    """What jax differentiates in place of a sequential_vmap, whose loop it cannot."""
    return {"a": jax.numpy.cumsum(x, -1) * w, "b": jax.numpy.sum(x)}


@pytest.mark.parametrize("make", [pair, one_by_one])
def test_vmap_of_derivatives(make):
    def answer(lib, f):
        return lib.vmap(lib.grad(lambda x, w: sum(leaf.sum() for leaf in lib.tree.leaves(f(x, w)))), (0, None))(X, W)
    alike(answer(xform, make(xform)), answer(jax, unmarked if make is one_by_one else lambda x, w: (x * 2, w * 3)))


def test_the_loop_runs_one_example_after_the_other():
    seen = []
    f = xform.custom_batching.sequential_vmap(lambda x: (xform.debug.callback(lambda v: seen.append(float(v)), x), x * 2)[1])
    alike(xform.vmap(f)(X[0]), 2 * X[0])
    assert seen == [pytest.approx(float(x)) for x in X[0]]
    assert "for i in" in xform.source(xform.vmap(xform.custom_batching.sequential_vmap(lambda x: x * 2)))


def test_a_missing_rule():
    for lib in (xform, jax):
        with pytest.raises(Exception, match="No batching rule defined for custom_vmap function .* using def_vmap"):
            lib.vmap(lib.custom_batching.custom_vmap(lambda x: x))(X)
