"""The equations behind custom_root and custom_linear_solve, as functions that the compiler specialises to the user's."""
from __future__ import annotations

from runtime import numpy as np
from runtime.lax.implicit import custom_linear_solve
from runtime.trees import tree_map_1
from xform.api import jvp, vjp


def residual(f, x):
    """Return the equation's other side."""
    return f(x)


def root_step(f, tangent_solve, x, y):
    """Return minus the solution of the equation linearised at its root."""
    found = tangent_solve(lambda direction: jvp(f, (x,), (direction,))[1], y)
    return tree_map_1(np.negative, found)


def transposed_solve(matvec, transpose_solve, solve, b, has_aux):
    """Return the solution of the transposed system."""
    zeros = tree_map_1(np.zeros_like, b)

    def vecmat(direction):
        out, pullback = vjp(matvec, zeros)
        return pullback(direction)[0]
    return custom_linear_solve(vecmat, b, transpose_solve, solve, False, has_aux)
