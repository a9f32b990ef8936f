"""Solutions of equations by a solver that is given: custom_root, custom_linear_solve.

Inside transformed functions the compiler differentiates both by the implicit function theorem, whatever the solver does.
"""
from __future__ import annotations

from runtime.cotangent import dtype_of, shape_of
from runtime.ops.kernel import about_types
from runtime.tree import tree_flatten
from runtime.types import dtype_name
from runtime.zero import Like


@about_types
def check_solution(name, what, found, like):
    """Raise TypeError unless a pytree has the structure and the shapes of another."""
    (given, structure), (wanted, expected) = [tree_flatten(x, is_leaf=lambda x: isinstance(x, Like)) for x in (found, like)]
    if structure != expected:
        raise TypeError(f"{name}: {what} has the structure {structure}; it must be that of the given right-hand side or first guess, "
                        f"{expected}")
    for a, b in zip(given, wanted):
        if shape_of(a) != shape_of(b) or dtype_of(a) != dtype_of(b):
            raise TypeError(f"{name}: {what} holds {dtype_name(dtype_of(a))}{list(shape_of(a))}; its type must be that of the given "
                            f"right-hand side or first guess, {dtype_name(dtype_of(b))}{list(shape_of(b))}")


def custom_root(f, initial_guess, solve, tangent_solve, has_aux=False):
    """Return a root of ``f``, as ``solve`` finds it, differentiable in what ``f`` closes over.

    f: function of a pytree like initial_guess, to one like it. solve: ``solve(f, initial_guess)`` returns the root, with
    ``has_aux`` (root, anything). tangent_solve: ``tangent_solve(g, y)`` solves ``g(x) = y`` for a linear function g; it must be
    linear in y. Derivatives of any order and in either mode are those of the implicit function theorem; none flows through
    ``solve``, the first guess or the auxiliary data. TypeError where structures or types differ.
    """
    out = solve(f, initial_guess)
    if has_aux:
        check_solution("custom_root", "the root", out[0], initial_guess)
    else:
        check_solution("custom_root", "the root", out, initial_guess)
    return out


def custom_linear_solve(matvec, b, solve, transpose_solve=None, symmetric=False, has_aux=False):
    """Return x with ``matvec(x) = b``, as ``solve`` finds it, differentiable in ``b`` and in what ``matvec`` closes over.

    matvec: linear function of a pytree like b, to one like it. solve: ``solve(matvec, b)`` returns x, with ``has_aux`` (x,
    anything). transpose_solve: ``transpose_solve(vecmat, b)`` solves the transposed system; reverse mode needs it, unless
    ``symmetric`` says that the matrix is. Derivatives of any order use the same solvers. TypeError where structures differ.
    """
    out = solve(matvec, b)
    if has_aux:
        check_solution("custom_linear_solve", "the solution", out[0], b)
    else:
        check_solution("custom_linear_solve", "the solution", out, b)
    return out


custom_root.solved_by = "custom_root"                       # what the compiler knows them by
custom_linear_solve.solved_by = "custom_linear_solve"

__all__ = ["custom_linear_solve", "custom_root"]
