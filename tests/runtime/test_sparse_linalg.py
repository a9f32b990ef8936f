"""Krylov solvers agree with jax's and with direct solutions, under every transformation."""
import jax
import jax.numpy as jnp
import numpy
import pytest

import xform
import xform.numpy as np
import xform.scipy.sparse.linalg as ours

theirs = jax.scipy.sparse.linalg
draw = numpy.random.default_rng(3).normal
GENERAL = (draw(size=(6, 6)) + 5 * numpy.eye(6)).astype("f")
HERMITIAN = (GENERAL @ GENERAL.T / 6).astype("f")
RIGHT, GUESS = draw(size=6).astype("f"), draw(size=6).astype("f")
MATRIX = {"cg": HERMITIAN, "bicgstab": GENERAL, "gmres": GENERAL}
SOLVERS = list(MATRIX)


@pytest.mark.parametrize("name", SOLVERS)
def test_solutions(name):
    a, solve = MATRIX[name], getattr(ours, name)
    wanted = numpy.linalg.solve(a, RIGHT)
    inverse = numpy.diag(1 / numpy.diag(a))
    for options in ({}, {"x0": GUESS}, {"M": inverse}, {"atol": 1e-6}, {"M": lambda v: inverse @ v}):
        x, info = solve(a, RIGHT, **options)
        assert info is None and x.dtype == numpy.float32
        numpy.testing.assert_allclose(x, wanted, rtol=1e-3, atol=1e-4)
    numpy.testing.assert_allclose(solve(lambda v: np.matmul(a, v), RIGHT)[0], wanted, rtol=1e-3, atol=1e-4)
    numpy.testing.assert_allclose(xform.jit(lambda a, b: solve(a, b)[0])(a, RIGHT), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["cg", "bicgstab"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_iterates_are_jax_s(name, steps):
    a = MATRIX[name]
    made = getattr(ours, name)(a, RIGHT, maxiter=steps)[0]
    numpy.testing.assert_allclose(made, getattr(theirs, name)(a, RIGHT, maxiter=steps)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("restart", [1, 2, 4])
def test_restarted_gmres_is_jax_s(restart):
    for method in ("batched", "incremental"):
        made = ours.gmres(GENERAL, RIGHT, restart=restart, maxiter=2, solve_method=method)[0]
        wanted = theirs.gmres(GENERAL, RIGHT, restart=restart, maxiter=2)[0]
        numpy.testing.assert_allclose(made, wanted, rtol=1e-3, atol=1e-4)


def test_gmres_in_a_space_that_closes_early():
    a = numpy.eye(6, dtype="f") * 2
    numpy.testing.assert_allclose(ours.gmres(a, RIGHT)[0], RIGHT / 2, rtol=1e-6)


@pytest.mark.parametrize("name", SOLVERS)
def test_derivatives(name):
    a = MATRIX[name]

    def loss(module, np):
        return lambda a, b: np.sum(np.sin(getattr(module, name)(a, b, tol=1e-7)[0]))
    made = xform.grad(loss(ours, np), argnums=(0, 1))(a, RIGHT)
    wanted = jax.grad(lambda a, b: jnp.sum(jnp.sin(jnp.linalg.solve(a, b))), argnums=(0, 1))(a, RIGHT)
    if name == "cg":    # on symmetric matrices only the symmetric part is determined
        made, wanted = ((made[0] + made[0].T, made[1]), (wanted[0] + wanted[0].T, wanted[1]))
    for one, other in zip(made, wanted):
        numpy.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("name", SOLVERS)
def test_derivatives_through_functions(name):
    a, solve = MATRIX[name], getattr(ours, name)

    def loss(scale, b):
        return np.sum(solve(lambda v: scale * np.matmul(a, v), b, tol=1e-7, M=lambda v: v / scale)[0] ** 2)
    made = xform.grad(loss, argnums=(0, 1))(numpy.float32(1.5), RIGHT)
    wanted = jax.grad(lambda scale, b: jnp.sum(jnp.linalg.solve(scale * a, b) ** 2), argnums=(0, 1))(1.5, RIGHT)
    for one, other in zip(made, wanted):
        numpy.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-4)


@pytest.mark.parametrize("name", SOLVERS)
def test_batches(name):
    a, rights = MATRIX[name], draw(size=(3, 6)).astype("f")
    made = xform.vmap(lambda b: getattr(ours, name)(a, b)[0])(rights)
    numpy.testing.assert_allclose(made, numpy.linalg.solve(a, rights.T).T, rtol=1e-3, atol=1e-4)


def test_trees():
    b = {"u": RIGHT, "v": numpy.ones((2, 2), "f")}
    x, _ = ours.cg(lambda t: {"u": np.matmul(HERMITIAN, t["u"]), "v": 3 * t["v"]}, b)
    numpy.testing.assert_allclose(x["u"], numpy.linalg.solve(HERMITIAN, RIGHT), rtol=1e-3, atol=1e-4)
    numpy.testing.assert_allclose(x["v"], b["v"] / 3, rtol=1e-4)


def test_errors():
    with pytest.raises(ValueError, match="square"):
        ours.cg(GENERAL[:3], RIGHT)
    with pytest.raises(ValueError, match="shape"):
        ours.cg(GENERAL, RIGHT[:3])
    with pytest.raises(ValueError, match="x0"):
        ours.cg(GENERAL, RIGHT, x0=RIGHT[:3])
    with pytest.raises(ValueError, match="solve_method"):
        ours.gmres(GENERAL, RIGHT, solve_method="other")


@pytest.mark.parametrize("name", SOLVERS)
def test_kinds_of_numbers(name):
    solve = getattr(ours, name)
    a = (GENERAL + 1j * draw(size=(6, 6))).astype("complex64")
    a = (a @ a.conj().T).astype("complex64") if name == "cg" else a
    b = (RIGHT + 1j * GUESS).astype("complex64")
    made = solve(a, b, tol=1e-6)[0]
    assert made.dtype == numpy.complex64
    numpy.testing.assert_allclose(made, numpy.linalg.solve(a, b), rtol=1e-3, atol=1e-4)
    twice = 2 * numpy.eye(3, dtype="f")
    numpy.testing.assert_array_equal(solve(twice, numpy.zeros(3, "f"))[0], numpy.zeros(3))
    numpy.testing.assert_allclose(solve(twice, numpy.array([1, 2, 3]))[0], [0.5, 1, 1.5], rtol=1e-6)


@pytest.mark.parametrize("name", ["cg", "bicgstab", "gmres"])
def test_derivatives_are_those_of_jax_to_second_order_and_under_vmap(name):
    matrix, right = numpy.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 5]], "float32"), numpy.array([1.0, 2, 3], "float32")
    rows = numpy.stack([right, 2 * right])

    def derivatives(module, np, solve):
        return [module.grad(lambda m: solve(m, right)[0].sum())(matrix),
                module.grad(module.grad(lambda s: solve(lambda v: s * (np.asarray(matrix) @ v), right)[0].sum()))(2.0),
                module.grad(lambda v: (module.vmap(lambda w: solve(matrix, w)[0])(v) ** 2).sum())(rows)]
    for one, other in zip(derivatives(xform, np, getattr(ours, name)), derivatives(jax, jnp, getattr(theirs, name)), strict=True):
        numpy.testing.assert_allclose(numpy.asarray(one), numpy.asarray(other), rtol=2e-3, atol=1e-5)
