"""Linear algebra agrees with jax's, and so do its derivatives and batches."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
from runtime import numpy as np

draw = numpy.random.default_rng(0).normal
A = draw(size=(2, 4, 4)).astype("f")
S = A @ A.swapaxes(-1, -2) + 4 * numpy.eye(4, dtype="f")
TALL, B, V = draw(size=(5, 3)).astype("f"), draw(size=(2, 4, 2)).astype("f"), draw(size=4).astype("f")
WIDE = TALL.T.copy()
C = (A + 1j * draw(size=A.shape)).astype("complex64")
FLAT = draw(size=5).astype("f")

VALUES = [
    ("cholesky", (S,)), ("inv", (A,)), ("inv", (C,)), ("solve", (A, B)), ("solve", (A[0], V)), ("solve", (A, V)), ("solve", (C, B)),
    ("det", (A,)), ("det", (C,)), ("slogdet", (A,)), ("slogdet", (C,)), ("eigvalsh", (S,)), ("pinv", (TALL,)), ("pinv", (WIDE,)),
    ("matrix_power", (A, 3)), ("matrix_power", (A, -2)), ("matrix_power", (A, 0)), ("matrix_rank", (A,)),
    ("norm", (A,)), ("norm", (V, 1)), ("norm", (V, 3)), ("norm", (V, numpy.inf)), ("norm", (V, -numpy.inf)), ("norm", (V, 0)),
    ("norm", (A[0], 2)), ("norm", (A[0], "nuc")), ("norm", (A[0], "fro")), ("norm", (A, 1, (1, 2))), ("norm", (A, None, 1)),
    ("cond", (A,)), ("svdvals", (TALL,)), ("multi_dot", ([A[0], A[1], V],)), ("eigvals", (numpy.triu(A[0]),)),
    ("tensorinv", (draw(size=(4, 6, 8, 3)).astype("f"),)), ("lstsq", (TALL, FLAT)), ("lstsq", (TALL, draw(size=(5, 2)).astype("f"))),
    ("vector_norm", (A,)), ("matrix_norm", (A,)), ("diagonal", (A,)), ("trace", (A,)), ("outer", (V, V)), ("cross", (V[:3], V[1:])),
]


@pytest.mark.parametrize("name,args", VALUES, ids=[f"{name}{i}" for i, (name, _) in enumerate(VALUES)])
def test_values(name, args):
    ours, theirs = getattr(np.linalg, name)(*args), getattr(jnp.linalg, name)(*args)
    if not isinstance(theirs, tuple):
        ours, theirs = (ours,), (theirs,)
    for one, other in zip(ours, theirs, strict=True):
        one, other = numpy.asarray(one), numpy.asarray(other)
        assert one.dtype == other.dtype and one.shape == other.shape
        assert numpy.abs(one - other).max(initial=0) <= 2e-4 * (1 + numpy.abs(other).max(initial=0))


@pytest.mark.parametrize("x", [TALL, WIDE, A, C], ids=["tall", "wide", "stack", "complex"])
@pytest.mark.parametrize("full", [False, True])
def test_factors_multiply_to_the_matrix(x, full):
    u, s, vh = [numpy.asarray(part) for part in np.linalg.svd(x, full_matrices=full)]
    k = s.shape[-1]
    numpy.testing.assert_allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x, atol=1e-5)
    assert u.shape == jnp.linalg.svd(x, full_matrices=full)[0].shape
    q, r = [numpy.asarray(part) for part in np.linalg.qr(x, "complete" if full else "reduced")]
    numpy.testing.assert_allclose(q @ r, x, atol=1e-5)
    numpy.testing.assert_allclose(q.conj().swapaxes(-1, -2) @ q, numpy.broadcast_to(
        numpy.eye(q.shape[-1]), q.shape[:-2] + (q.shape[-1],) * 2), atol=1e-5)


def test_eigenvectors():
    h = C + C.conj().swapaxes(-1, -2)
    w, v = [numpy.asarray(part) for part in np.linalg.eigh(h)]
    numpy.testing.assert_allclose(h @ v, v * w[..., None, :], atol=1e-4)
    w, v = [numpy.asarray(part) for part in np.linalg.eig(A)]
    numpy.testing.assert_allclose(A @ v, v * w[..., None, :], atol=1e-4)


def test_failures_are_nan_and_errors_name_shapes():
    assert numpy.isnan(numpy.asarray(np.linalg.cholesky(-numpy.eye(2, dtype="f")))).any()
    assert float(np.linalg.det(numpy.ones((2, 2), "f"))) == 0
    with pytest.raises(ValueError, match=r"square.*\(2, 3\)"):
        np.linalg.inv(numpy.ones((2, 3), "f"))
    with pytest.raises(ValueError, match="do not match"):
        np.linalg.solve(numpy.eye(2, dtype="f"), numpy.ones((3, 1), "f"))
    with pytest.raises(ValueError, match="order"):
        np.linalg.norm(numpy.eye(2, dtype="f"), 7)


def functions(np):
    """The same functions of one matrix, over either library."""
    def eigh_all(a):
        w, v = np.linalg.eigh(a)
        return np.sum(np.sin(w)) + np.sum(np.cos(v * v * np.arange(4.0)))

    def svd_all(a):
        u, s, vh = np.linalg.svd(a, full_matrices=False)
        return np.sum(np.sin(s)) + np.sum((u * np.cos(s)) @ vh * a)

    def qr_all(a):
        q, r = np.linalg.qr(a)
        return np.sum(np.sin(q)) + np.sum(np.cos(r))

    def slogdet_all(a):
        return np.linalg.slogdet(a)[1]
    return {
        "cholesky": (S[0], lambda a: np.sum(np.sin(np.linalg.cholesky(a)))),
        "inv": (A[0], lambda a: np.sum(np.sin(np.linalg.inv(a)))),
        "solve": (A[0], lambda a: np.sum(np.sin(np.linalg.solve(a, a[0] * 2)))),
        "det": (A[0], lambda a: np.sin(np.linalg.det(a))),
        "slogdet": (A[0], slogdet_all),
        "eigh": (S[0], eigh_all),
        "eigvalsh": (S[0], lambda a: np.sum(np.sin(np.linalg.eigvalsh(a)))),
        "svd": (TALL, svd_all), "svd_wide": (WIDE, svd_all), "svd_square": (A[0], svd_all),
        "qr": (TALL, qr_all), "qr_square": (A[0], qr_all),
        "pinv": (TALL, lambda a: np.sum(np.sin(np.linalg.pinv(a)))),
        "pinv_wide": (WIDE, lambda a: np.sum(np.sin(np.linalg.pinv(a)))),
        "matrix_power": (A[0], lambda a: np.sum(np.sin(np.linalg.matrix_power(a, 3)))),
        "norm": (A[0], lambda a: np.linalg.norm(a)),
        "norm_nuc": (A[0], lambda a: np.linalg.norm(a, "nuc")),
        "norm_1": (A[0], lambda a: np.linalg.norm(a, 1)),
        "cond": (A[0], lambda a: np.linalg.cond(a)),
    }


OURS, THEIRS = functions(np), functions(jnp)


def close(one, other):
    one, other = numpy.asarray(one), numpy.asarray(other)
    assert one.shape == other.shape
    assert numpy.abs(one - other).max() <= 2e-3 * (1 + numpy.abs(other).max())


@pytest.mark.parametrize("name", OURS)
def test_gradient(name):
    x, f = OURS[name]
    close(xform.grad(f)(x), jax.grad(THEIRS[name][1])(x))


@pytest.mark.parametrize("name", OURS)
def test_tangent(name):
    x, f = OURS[name]
    direction = numpy.cos(numpy.arange(x.size, dtype="f")).reshape(x.shape)
    if name in ("cholesky", "eigh", "eigvalsh"):
        direction = direction + direction.T
    close(xform.jvp(f, (x,), (direction,))[1], jax.jvp(THEIRS[name][1], (x,), (direction,))[1])


@pytest.mark.parametrize("name", OURS)
def test_batch_of_gradients_under_jit(name):
    x, f = OURS[name]
    stack = numpy.stack([x, x * 1.25, x.copy()])
    close(xform.jit(xform.vmap(xform.grad(f)))(stack), jax.vmap(jax.grad(THEIRS[name][1]))(stack))


@pytest.mark.parametrize("name", ["inv", "solve", "cholesky", "det", "eigvalsh"])
def test_second_derivative(name):
    x, f = OURS[name]
    g, h = THEIRS[name][1], numpy.cos(numpy.arange(x.size, dtype="f")).reshape(x.shape)
    if name in ("cholesky", "eigvalsh"):
        h = h + h.T
    close(xform.jvp(xform.grad(f), (x,), (h,))[1], jax.jvp(jax.grad(g), (x,), (h,))[1])


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_solve_batched(axes):
    a = A if axes[0] == 0 else A[0]
    b = B if axes[1] == 0 else B[0]
    close(xform.vmap(lambda a, b: np.linalg.solve(a, b), in_axes=axes)(a, b), jax.vmap(jnp.linalg.solve, in_axes=axes)(a, b))


def complex_functions(np):
    return (lambda a: np.sum(np.abs(np.linalg.inv(a)) ** 2) + np.real(np.linalg.det(a)),
            lambda a: np.sum(np.abs(np.linalg.cholesky(a)) ** 3) + np.sum(np.sin(np.linalg.eigvalsh(a))),
            lambda a: np.linalg.slogdet(a)[1] + np.real(np.linalg.slogdet(a)[0]),
            lambda a: np.sum(np.sin(np.linalg.svd(a)[1])),
            lambda a: np.sum(np.abs(np.linalg.qr(a)[1]) ** 3) + np.sum(np.real(np.linalg.qr(a)[0]) ** 3),
            lambda a: np.sum(np.abs(np.linalg.eigh(a)[1]) ** 3))


@pytest.mark.parametrize("i", range(6))
def test_complex_gradients(i):
    h = C[0] @ C[0].conj().T + 4 * numpy.eye(4, dtype="complex64")
    f, g = complex_functions(np)[i], complex_functions(jnp)[i]
    for turn in (1, 1j):
        close(xform.grad(lambda x: f(h + turn * x))(A[1]), jax.grad(lambda x: g(h + turn * x))(A[1]))


def test_undefined_derivatives_are_refused():
    with pytest.raises(NotImplementedError, match="full_matrices"):
        xform.grad(lambda a: np.sum(np.linalg.svd(a)[0]))(TALL)
    with pytest.raises(ValueError, match="rows"):
        xform.grad(lambda a: np.sum(np.linalg.qr(a)[0]))(WIDE)


UNREAD = {"cholesky": lambda x: {"unread": np.linalg.cholesky(x), "read": x * 2},
          "solve": lambda x: {"unread": np.linalg.solve(x, x), "read": x * 2},
          "solve_triangular": lambda x: {"unread": xform.scipy.linalg.solve_triangular(x, x), "read": x * 2}}


@pytest.mark.parametrize("name", UNREAD)
def test_the_gradient_of_what_stands_beside_an_unread_decomposition(name):
    pair, compiled = UNREAD[name], xform.jit(UNREAD[name])
    x = numpy.eye(3, dtype="float32") + 0.1
    numpy.testing.assert_allclose(xform.grad(lambda x: np.sum(pair(x)["read"] ** 2))(x), 8 * x, rtol=1e-6)
    numpy.testing.assert_allclose(xform.grad(lambda x: np.sum(compiled(x)["read"] ** 2))(x), 8 * x, rtol=1e-6)


def test_gradients_of_systems_whose_solution_has_several_uses():
    """A cotangent that is zero for one use passes through the solvers as the symbolic zero."""
    def filtered(jax, jnp):
        def loss(a):
            def step(carry, y):
                m, p = carry
                p = a @ p @ a.T
                gain = jnp.linalg.solve(p, a).T
                r = y - m[:1]
                return (m + gain[0] * r, p), r @ r + jnp.linalg.slogdet(p)[1]
            return jax.lax.scan(step, (jnp.zeros(2), jnp.eye(2)), jnp.ones((4, 1)))[1].sum()
        return jax.grad(loss)(jnp.array([[1.0, 0.1], [0.0, 1.0]]))

    def posterior(jax, jnp):
        k, y = jnp.array([[2.0, 0.5], [0.5, 1.0]]), jnp.array([1.0, -1.0])
        return jax.hessian(lambda p: y @ jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(k * jnp.exp(p)), True), y))(0.3)
    for program in (filtered, posterior):
        numpy.testing.assert_allclose(program(xform, xform.numpy), program(jax, jnp), rtol=1e-4, atol=1e-5)


def test_a_chain_of_matrices_is_multiplied_in_the_cheapest_order():
    sizes = (40, 2, 30, 3, 50)
    chain = [draw(size=pair).astype("f") for pair in zip(sizes, sizes[1:])]
    numpy.testing.assert_allclose(np.linalg.multi_dot(chain), numpy.linalg.multi_dot(chain), rtol=1e-4, atol=1e-3)
    program = xform.jit(np.linalg.multi_dot).lower(chain).as_text()
    ends = [line.rpartition("->")[2] for line in program.splitlines() if "dot_general" in line]
    assert len(ends) == 3 and not any("40x30" in end or "30x50" in end for end in ends)
    slopes = xform.grad(lambda chain: np.sum(np.linalg.multi_dot(chain) ** 2))(chain)
    wanted = jax.grad(lambda chain: jnp.sum(jnp.linalg.multi_dot(chain) ** 2))(chain)
    for one, other in zip(slopes, wanted, strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-1)
