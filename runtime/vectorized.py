"""Helpers of vectorized functions: the axes that a generalized ufunc's signature leaves over, joined into one and split again."""
from __future__ import annotations

import math
import re

from runtime.cotangent import shape_of
from runtime.ops.kernel import about_types
from runtime.trees import tree_map_1

_DIMS = r"\((?:\w+(?:,\w+)*)?\)"
_SIGNATURE = re.compile(rf"{_DIMS}(?:,{_DIMS})*->{_DIMS}(?:,{_DIMS})*")


def parse_signature(signature):
    """Return (names of the core axes of each argument, those of each result) of a text like ``(m,n),(n)->(m)``.

    ValueError for any other text.
    """
    text = re.sub(r"\s", "", signature)
    if not _SIGNATURE.fullmatch(text):
        raise ValueError(f"not a valid gufunc signature: {signature}")
    return tuple(tuple(tuple(name for name in one[1:-1].split(",") if name) for one in re.findall(_DIMS, side))
                 for side in text.split("->"))


def _sizes(args, cores, title):
    """The size of each core axis by its name, and the shapes without core axes."""
    sizes, loops = {}, []
    for arg, names in zip(args, cores):
        shape = shape_of(arg)
        if len(shape) < len(names):
            raise ValueError(f"input with shape {shape} does not have enough dimensions for all core dimensions {names} {title}")
        loops.append(shape[:len(shape) - len(names)])
        for name, size in zip(names, shape[len(shape) - len(names):]):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"inconsistent size for core dimension {name!r}: {size} vs {sizes[name]} {title}")
    return sizes, loops


@about_types
def loop_shape(args, cores, title):
    """Return the shape over which a vectorized function is mapped; ValueError for shapes that do not fit."""
    from runtime.types import broadcast_shapes
    _, loops = _sizes(args, cores, title)
    try:
        return broadcast_shapes(*loops)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: {loops} {title}") from None


def flattened(x, loop, core):
    """Return an array with the axes before its ``core`` last ones broadcast to ``loop`` and made one."""
    from runtime import numpy as np
    own = core_shape(x, core)
    return np.reshape(np.broadcast_to(x, loop + own), (math.prod(loop),) + own)


@about_types
def core_shape(x, core):
    """Return the sizes of the last ``core`` axes."""
    shape = shape_of(x)
    return tuple(shape[len(shape) - core:])


@about_types
def check_results(out, args, cores, results, title):
    """Raise TypeError or ValueError unless the results of all calls have the core axes that the signature gives them."""
    sizes, _ = _sizes(args, cores, title)
    if len(results) > 1:
        if not isinstance(out, tuple):
            raise TypeError(f"output must be a tuple when multiple outputs are expected, got: {type(out).__name__} {title}")
        if len(out) != len(results):
            raise TypeError(f"wrong number of output arguments: expected {len(results)}, got {len(out)} {title}")
    for one, names in zip(out if len(results) > 1 else (out,), results):
        if isinstance(one, (tuple, list, dict)):
            raise TypeError(f"output must be an array, got: {type(one).__name__} {title}")
        shape = tuple(shape_of(one)[1:])
        if len(shape) != len(names):
            raise ValueError(f"output shape {shape} does not match core dimensions {names} {title}")
        for name, size in zip(names, shape):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"inconsistent size for core dimension {name!r}: {size} vs {sizes[name]} {title}")
    return True


def unflattened(out, loop):
    """Return results with their leading axis split into the axes of ``loop``."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: np.reshape(leaf, loop + np.shape(leaf)[1:]), out)
