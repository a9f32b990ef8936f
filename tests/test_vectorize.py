"""vectorize, frompyfunc and the methods of universal functions beside jax, under the transformations too."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xform
import xform.numpy as xnp

A = (np.arange(6, dtype=np.float32).reshape(2, 3) + 1) / 3
STACK = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4) / 9
ROWS = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)


def alike(mine, theirs):
    for a, b in zip(xform.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def product(lib):
    return lib.numpy.vectorize(lambda a, b: a @ b, signature="(n,m),(m)->(n)")


def branchy(lib):
    return lib.numpy.vectorize(lambda a, b: lib.numpy.where(a > b, a * b, a + b))


def two(lib):
    return lib.numpy.vectorize(lambda a, b: (lib.numpy.outer(a, b), a.sum()), signature="(n),(m)->(n,m),()")


QUESTIONS = {
    "value": lambda lib, f, a, b: f(a, b),
    "grad": lambda lib, f, a, b: lib.grad(lambda a, b: sum(lib.numpy.sum(leaf ** 2) for leaf in lib.tree.leaves(f(a, b))), (0, 1))(a, b),
    "jvp": lambda lib, f, a, b: lib.jvp(f, (a, b), (a * a, b)),
    "jit": lambda lib, f, a, b: lib.jit(f)(a, b),
    "vmap": lambda lib, f, a, b: lib.vmap(f, (0, None))(a, b),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("make, a, b", [(product, STACK, ROWS), (branchy, A[:, :1], A), (two, A, ROWS[:, None]), (branchy, A[:, 0], 0.5)])
def test_vectorize(make, a, b, question):
    alike(QUESTIONS[question](xform, make(xform), a, b), QUESTIONS[question](jax, make(jax), a, b))


def test_vectorize_inside_a_transformed_function_over_what_it_closes():
    def f(lib):
        return lambda x: lib.numpy.sum(lib.numpy.vectorize(lambda a, b: a * b + x ** 2)(lib.numpy.arange(3.0), x))
    alike(xform.grad(xform.grad(f(xform)))(2.0), jax.grad(jax.grad(f(jax)))(2.0))


def test_excluded_and_keywords():
    power = xnp.vectorize(lambda n, x, scale=1.0: scale * x ** n if isinstance(n, int) else None, excluded={0})
    alike(power(2, A), jnp.asarray(A ** 2))
    alike(power(2, A, scale=A[0]), jnp.asarray(A[0] * A ** 2))      # numpy maps over keyword arguments; jax drops them
    named = xnp.vectorize(lambda x, mode: x if mode == "keep" else -x, excluded={"mode"})
    alike(named(A, mode="keep"), jnp.asarray(A))
    alike(named(A, mode="turn"), jnp.asarray(-A))
    assert power.__name__ == "<lambda>" and branchy(xform)(1, 2).dtype == np.int32


@pytest.mark.parametrize("signature, args, kind", [
    ("(n),(n)->()", (np.ones((2, 3)), np.ones(4)), ValueError), ("(n),(n)->()", (1.0, np.ones(4)), ValueError),
    ("(n),(n->()", (), ValueError), ("(n),(n)->(n)", (np.ones((2, 3)), np.ones(3)), ValueError),
    ("(n),(n)->(),()", (np.ones((2, 3)), np.ones(3)), TypeError), ("(n)->()", (np.ones((2, 3)), np.ones(3)), TypeError),
    (None, (np.ones((2, 3)), np.ones(4)), ValueError)])
def test_what_vectorize_refuses(signature, args, kind):
    messages = []
    for lib in (xform, jax):
        with pytest.raises(kind) as caught:
            lib.numpy.vectorize(lib.numpy.dot, signature=signature)(*[a.astype("f") if hasattr(a, "dtype") else a for a in args])
        messages.append(str(caught.value).splitlines()[0][:25])
    assert messages[0] == messages[1]
    with pytest.raises(ValueError, match="contains negative numbers"):
        xnp.vectorize(xnp.dot, excluded={-1})


METHODS = {
    "call": lambda lib, u, a: u(a, 2),
    "reduce": lambda lib, u, a: u.reduce(a),
    "reduce all": lambda lib, u, a: u.reduce(a, axis=None, keepdims=True),
    "reduce where": lambda lib, u, a: u.reduce(a, axis=1, where=a > 1, initial=0.5),
    "accumulate": lambda lib, u, a: u.accumulate(a, axis=1),
    "outer": lambda lib, u, a: u.outer(a, a[0]),
    "at": lambda lib, u, a: u.at(a[0], lib.numpy.array([0, 0, 2]), lib.numpy.array([2.0, 3.0, 4.0]), inplace=False),
    "reduceat": lambda lib, u, a: u.reduceat(a, lib.numpy.array([0, 1, 0]), axis=1),
}


def made(lib):
    return lib.numpy.frompyfunc(lambda x, y: x * y + x, 2, 1, identity=1)


UFUNCS = {"made": made, **{name: lambda lib, name=name: getattr(lib.numpy, name) for name in (
    "add", "multiply", "subtract", "maximum", "logaddexp")}}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("function", UFUNCS)
def test_methods(function, method):
    def answers(lib):
        u = UFUNCS[function](lib)
        return [lib.grad(lambda a: lib.numpy.sum(METHODS[method](lib, u, a) ** 2))(A), METHODS[method](lib, u, lib.numpy.asarray(A)),
                lib.jit(lambda a: METHODS[method](lib, u, a))(A), lib.vmap(lambda a: METHODS[method](lib, u, a))(np.stack([A, 2 * A]))]
    alike(answers(xform), answers(jax))


def test_at_with_rows():
    rows = (np.array([1, 1, 0]), slice(1, None))
    expected = A.copy()
    np.logaddexp.at(expected, rows, A[0, :2])
    np.testing.assert_allclose(xnp.logaddexp.at(A, rows, A[0, :2], inplace=False), expected, rtol=1e-5)
    added = A.copy()
    np.add.at(added, rows, A[0, :2])
    np.testing.assert_allclose(xnp.add.at(A, rows, A[0, :2], inplace=False), added, rtol=1e-5)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "logical_or", "logical_xor"])
def test_methods_of_logic(name):
    n = np.array([[5, 3, 0], [6, 2, 7]], np.int32)
    mine, theirs = getattr(xnp, name), getattr(jnp, name)
    if name.startswith("logical"):
        n = n > 2
    alike(mine.reduce(n, axis=1), theirs.reduce(n, axis=1))
    alike(mine.outer(n, n[0]), theirs.outer(n, n[0]))
    alike(mine.accumulate(n, axis=1), theirs.accumulate(n, axis=1))


def test_what_ufuncs_refuse():
    u = xnp.frompyfunc(lambda x: -x, 1, 1)
    alike(u(A), jnp.asarray(-A))
    alike(u.at(A[0], np.array([0, 0, 1]), inplace=False), jnp.asarray(A[0] * np.array([1, -1, 1], np.float32)))
    with pytest.raises(TypeError, match="reduce: only functions of two arguments"):
        u.reduce(A)
    with pytest.raises(NotImplementedError, match="inplace=False"):
        xnp.add.at(A, 0, 1.0)
    with pytest.raises(ValueError, match="zero-size array to reduction operation subtract which has no identity"):
        xnp.subtract.reduce(np.zeros(0))
    with pytest.raises(ValueError, match="accumulate does not allow multiple axes"):
        xnp.subtract.accumulate(A, axis=None)
    with pytest.raises(ValueError, match="does not have an identity, so to use a where mask"):
        xnp.subtract.reduce(A, where=A > 0)
    with pytest.raises(ValueError, match="axis 2 is out of bounds"):
        xnp.subtract.reduce(A, axis=2)
    with pytest.raises(NotImplementedError, match="out="):
        xnp.add.reduce(A, out=A)
    assert float(made(xform).reduce(np.zeros(0, np.float32))) == 1 and xnp.add.identity == 0
