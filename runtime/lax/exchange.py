"""Smaller collectives and marks under lax's names: what one replica has for all, axes that change places, tolerances, stages."""
from __future__ import annotations

from runtime.ops.collective import all_to_all, axis_index, psum
from runtime.ops.kernel import about_types
from runtime.trees import tree_map_1


class Tolerance:
    """Tolerances for unary functions: at most two of atol, rtol and ulps. ValueError for negative ones, and for none."""

    def __init__(self, atol=0.0, rtol=0.0, ulps=0):
        if atol < 0.0 or rtol < 0.0 or ulps < 0.0:
            raise ValueError("Tolerances must be non-negative.")
        if atol == 0.0 and rtol == 0.0 and ulps == 0:
            raise ValueError("At least one of atol, rtol, or ulps must be set.")
        self.atol, self.rtol, self.ulps = atol, rtol, ulps


def pbroadcast(x, axis_name, source):
    """Return on every replica along a mapped axis the arrays that the replica ``source`` has."""
    from runtime import numpy as np
    own = axis_index(axis_name) == source
    return psum(tree_map_1(lambda leaf: np.where(own, leaf, np.zeros_like(leaf)), x), axis_name)


def pswapaxes(x, axis_name, axis, *, axis_index_groups=None):
    """Return arrays with a mapped axis and the array axis ``axis``, which is as long, in each other's places."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


@about_types
def check_cast(to):
    """Raise ValueError for a kind of variation that does not exist."""
    if to not in ("varying", "unreduced", "reduced"):
        raise ValueError(f"pcast: to must be 'varying', 'unreduced' or 'reduced', got {to!r}")
    return True


def pcast(x, axis_name, *, to):
    """Return arrays as they are: which of them vary along a mapped axis is not part of a type here."""
    check_cast(to)
    return x


def stage(x, /):
    """Return a number or array as an array: inside a staged function it is a value of the program."""
    from runtime import numpy as np
    return np.asarray(x)


__all__ = ["Tolerance", "pbroadcast", "pcast", "pswapaxes", "stage"]
