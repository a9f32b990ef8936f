"""Krylov solvers of linear systems under SciPy's names: plain Python whose loops stop at convergence.

The matrix is an array or a function of a vector shaped like ``b``. Derivatives, of any order, are those of the solution: they
solve a system with the matrix, or its transpose, by the same iteration.
"""
from runtime.ops.kernel import about_types as _about_types
from runtime.tree import tree_structure as _tree_structure
from runtime.trees import leaves_of as _leaves_of
from runtime.trees import tree_build as _tree_build
from runtime.trees import tree_map_1 as _tree_map_1
from runtime.types import aval_of as _aval_of

__all__ = ["bicgstab", "cg", "gmres"]


@_about_types
def check_matrix(solver, name, matrix, b):
    """Raise ValueError unless a matrix that is no function is square and b a vector of its length."""
    shape, vector = _aval_of(matrix).shape, _aval_of(b).shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{solver}: {name} must be a function or a square matrix, got shape {shape}")
    if vector != shape[1:]:
        raise ValueError(f"{solver}: {name} of shape {shape} needs a vector b of shape {shape[1:]}, got {vector}")


@_about_types
def check_alike(solver, name, tree, b):
    """Raise ValueError unless two pytrees have the same structure and shapes."""
    if _tree_structure(tree) != _tree_structure(b):
        raise ValueError(f"{solver}: {name} and b must have matching tree structure, got {_tree_structure(tree)} and "
                         f"{_tree_structure(b)}")
    found, wanted = [[_aval_of(leaf).shape for leaf in _leaves_of(x)] for x in (tree, b)]
    if found != wanted:
        raise ValueError(f"{solver}: arrays in {name} and b must have matching shapes, got {found} and {wanted}")


def _times(solver, name, matrix, vector, b):
    """Return the flat product of a matrix, a function of pytrees like b, or None for the identity with a flat vector."""
    from runtime import numpy as np
    if matrix is None:
        return vector
    if callable(matrix):
        out = matrix(_shaped(vector, b))
        check_alike(solver, f"the result of {name}", out, b)
        return _flat(out)
    check_matrix(solver, name, matrix, b)
    return np.matmul(matrix, vector)


@_about_types
def check_system(solver, A, b):
    """Raise ValueError unless A is a function, or a matrix that fits b."""
    if not callable(A):
        check_matrix(solver, "A", A, b)


def _of_numbers(leaf):
    """Return an array, of floating-point numbers if it holds others."""
    from runtime import numpy as np
    return np.multiply(leaf, 1.0)


def _product(A, vector):
    from runtime import numpy as np
    if callable(A):
        return A(vector)
    return np.matmul(A, vector)


def _flat(tree):
    from runtime import numpy as np
    return np.concatenate([np.ravel(leaf) for leaf in _leaves_of(tree)])


def _shaped(vector, like):
    """Return a flat vector as a pytree; its numbers are of the vector's type."""
    from runtime import numpy as np
    leaves = []
    start = 0
    for leaf in _leaves_of(like):
        leaves.append(np.reshape(vector[start:start + np.size(leaf)], np.shape(leaf)))
        start = start + np.size(leaf)
    return _tree_build(leaves, like)


def _start(solver, x0, b, vector):
    from runtime import numpy as np
    if x0 is None:
        return np.zeros_like(vector)
    check_alike(solver, "x0", x0, b)
    return np.astype(_flat(x0), vector.dtype)


def _square(vector):
    from runtime import numpy as np
    return np.real(np.vdot(vector, vector))


def _inexact(b):
    """Return b as a flat vector of floating-point or complex numbers."""
    from runtime import numpy as np
    vector = _flat(b)
    return vector if np.issubdtype(vector.dtype, np.inexact) else vector * 1.0


def cg(A, b, x0=None, *, tol=1e-5, atol=0.0, maxiter=None, M=None):
    """Solve A x = b for a Hermitian positive definite A by conjugate gradients; return (x, None).

    A, M: square matrices, or functions from a pytree like b to another; M approximates the inverse of A. The iteration ends when
    the norm of the residual is at most max(tol * norm(b), atol), or after maxiter (10 times the size of b) steps. ValueError
    for shapes or structures that do not match. The derivative in A is determined in Hermitian directions only, as the solution is.
    """
    from runtime import lax
    rhs = _tree_map_1(_of_numbers, b)
    check_system("cg", A, rhs)

    def times(vector):
        return _product(A, vector)

    def solve(matvec, right):
        return _cg(matvec, right, x0, tol, atol, maxiter, M)
    return lax.custom_linear_solve(times, rhs, solve, solve), None


def _cg(A, b, x0, tol, atol, maxiter, M):
    """Return the solution, as the iteration finds it."""
    from runtime import numpy as np
    vector = _inexact(b)
    limit = 10 * vector.size if maxiter is None else maxiter
    bound = np.maximum(tol ** 2 * _square(vector), atol ** 2)
    x = _start("cg", x0, b, vector)
    residual = vector - _times("cg", "A", A, x, b)
    better = _times("cg", "M", M, residual, b)
    direction = better
    gamma = np.real(np.vdot(residual, better))
    k = 0
    while np.logical_and(_square(residual) > bound, k < limit):
        image = _times("cg", "A", A, direction, b)
        step = gamma / np.real(np.vdot(direction, image))
        x = x + step * direction
        residual = residual - step * image
        better = _times("cg", "M", M, residual, b)
        previous = gamma
        gamma = np.real(np.vdot(residual, better))
        direction = better + gamma / previous * direction
        k = k + 1
    return _shaped(x, b)


def bicgstab(A, b, x0=None, *, tol=1e-5, atol=0.0, maxiter=None, M=None):
    """Solve A x = b by stabilized bi-conjugate gradients; return (x, None).

    Arguments and errors are those of ``cg``, but that A may be any regular matrix. The iteration also ends when it breaks down.
    """
    from runtime import lax
    rhs = _tree_map_1(_of_numbers, b)
    check_system("bicgstab", A, rhs)

    def times(vector):
        return _product(A, vector)

    def solve(matvec, right):
        return _bicgstab(matvec, right, x0, tol, atol, maxiter, M)
    return lax.custom_linear_solve(times, rhs, solve, solve), None


def _bicgstab(A, b, x0, tol, atol, maxiter, M):
    """Return the solution, as the iteration finds it."""
    from runtime import numpy as np
    vector = _inexact(b)
    limit = 10 * vector.size if maxiter is None else maxiter
    bound = np.maximum(tol ** 2 * _square(vector), atol ** 2)
    x = _start("bicgstab", x0, b, vector)
    residual = vector - _times("bicgstab", "A", A, x, b)
    shadow = residual
    direction = residual
    rho = np.vdot(shadow, residual)
    going = _square(residual) > bound
    k = 0
    while np.logical_and(going, k < limit):
        toward = _times("bicgstab", "M", M, direction, b)
        image = _times("bicgstab", "A", A, toward, b)
        alpha = rho / np.vdot(shadow, image)
        half = residual - alpha * image
        beyond = _times("bicgstab", "M", M, half, b)
        turned = _times("bicgstab", "A", A, beyond, b)
        length = _square(turned)
        early = _square(half) <= bound          # the half step is the solution: what follows would divide by nothing
        omega = np.where(early, 0.0, np.vdot(turned, half) / np.where(early, 1.0, length))
        x = x + alpha * toward + omega * beyond
        residual = half - omega * turned
        following = np.vdot(shadow, residual)
        broken = np.logical_or(following == 0, omega == 0)
        beta = following / rho * (alpha / np.where(broken, 1.0, omega))
        direction = np.where(broken, residual, residual + beta * (direction - omega * image))
        going = np.logical_and(_square(residual) > bound, np.logical_not(broken))
        rho = following
        k = k + 1
    return _shaped(x, b)


def gmres(A, b, x0=None, *, tol=1e-5, atol=0.0, restart=20, maxiter=None, M=None, solve_method="batched"):
    """Solve A x = b by generalized minimal residuals, restarted; return (x, None).

    Arguments and errors are those of ``cg``, but that A may be any regular matrix. restart: dimension of the Krylov space.
    maxiter: how many such spaces at most. solve_method: 'batched' or 'incremental'; both solve the same small least-squares
    problem, which is done here once a space. ValueError for another one.
    """
    from runtime import lax
    if solve_method not in ("batched", "incremental"):
        raise ValueError(f"gmres: solve_method must be 'batched' or 'incremental', got {solve_method!r}")
    rhs = _tree_map_1(_of_numbers, b)
    check_system("gmres", A, rhs)

    def times(vector):
        return _product(A, vector)

    def solve(matvec, right):
        return _gmres(matvec, right, x0, tol, atol, restart, maxiter, M)
    return lax.custom_linear_solve(times, rhs, solve, solve), None


def _gmres(A, b, x0, tol, atol, restart, maxiter, M):
    """Return the solution, as the iteration finds it."""
    from runtime import numpy as np
    vector = _inexact(b)
    limit = 10 * vector.size if maxiter is None else maxiter
    size = min(restart, vector.size)
    # the residual is measured after M, as b is
    bound = np.maximum(tol ** 2 * _square(_times("gmres", "M", M, vector, b)), atol ** 2)
    x = _start("gmres", x0, b, vector)
    residual = _times("gmres", "M", M, vector - _times("gmres", "A", A, x, b), b)
    k = 0
    while np.logical_and(_square(residual) > bound, k < limit):
        x = x + _krylov_step(A, M, b, residual, size)
        residual = _times("gmres", "M", M, vector - _times("gmres", "A", A, x, b), b)
        k = k + 1
    return _shaped(x, b)


def _krylov_step(A, M, b, residual, size):
    """Return the vector of the Krylov space of a residual whose image is nearest to the residual: Arnoldi's basis by two
    Gram-Schmidt sweeps, then a small triangular system."""
    from runtime import numpy as np
    from runtime.scipy.linalg import solve_triangular
    length = np.sqrt(_square(residual))
    basis = np.zeros((size + 1, residual.size), residual.dtype).at[0].set(residual / length)
    hessenberg = np.zeros((size, size + 1), residual.dtype)       # column k of the matrix is row k here
    tiny = np.finfo(residual.dtype).eps
    for k in range(size):
        image = _times("gmres", "M", M, _times("gmres", "A", A, basis[k], b), b)
        before = _square(image)
        first = np.matmul(np.conj(basis), image)
        image = image - np.matmul(first, basis)
        second = np.matmul(np.conj(basis), image)
        image = image - np.matmul(second, basis)
        after = _square(image)
        dead = after <= (tiny ** 2) * before                      # the space is closed: what follows is zero
        norm = np.sqrt(np.where(dead, 1.0, after))
        basis = basis.at[k + 1].set(np.where(dead, 0.0, 1.0) * image / norm)
        column = (first + second).at[k + 1].add(np.where(dead, 0.0, norm))
        # a vector that is zero gets a coefficient of zero
        hessenberg = hessenberg.at[k].set(column.at[k].add(np.where(before == 0, 1.0, 0.0)))
    orthogonal, triangular = np.linalg.qr(np.transpose(hessenberg))
    weights = solve_triangular(triangular, length * np.conj(orthogonal[0]))
    return np.matmul(weights, basis[:size])
