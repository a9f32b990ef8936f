"""Images sampled between their pixels under SciPy's names."""
from runtime.ops.fact import fact as _fact
from runtime.types import aval_of as _aval_of


@_fact
def check_map(like, count, order, mode):
    """Raise ValueError or NotImplementedError for coordinates, orders and modes that map_coordinates cannot take."""
    ndim = len(_aval_of(like).shape)
    if count != ndim:
        raise ValueError(f"map_coordinates: coordinates must be a sequence of one array for each axis of the input: {count} != {ndim}")
    if order not in (0, 1):
        raise NotImplementedError(f"map_coordinates: order must be 0 or 1, got {order}")
    if mode not in ("constant", "nearest", "wrap", "mirror", "reflect"):
        raise NotImplementedError(f"map_coordinates: mode {mode!r} is not supported; use 'constant', 'nearest', 'wrap', 'mirror' or "
                                  "'reflect'")


def inside(index, size, mode):
    """Return the index in 0 ... size - 1 that stands for an index beyond the edges."""
    from runtime import numpy as np
    if mode == "wrap":
        return index % size
    if mode == "mirror":
        turn = max(size - 1, 1)
        return np.abs((index + turn) % (2 * turn) - turn)
    if mode == "reflect":
        turn = 2 * size
        return (np.abs((2 * index + 1 + turn) % (2 * turn) - turn) - 1) // 2
    return np.clip(index, 0, size - 1)


def rounded(x):
    """Return the nearest integers, halves away from zero."""
    from runtime import numpy as np
    return np.trunc(x + np.copysign(0.5, x))


def map_coordinates(input, coordinates, order, mode="constant", cval=0.0):
    """Return the input at coordinates between its elements: of the nearest (order 0) or by linear interpolation (order 1).

    coordinates: one array for each axis. mode: what lies beyond the edges: "constant" (``cval``), "nearest", "wrap", "mirror" or
    "reflect".
    """
    from runtime import numpy as np
    input = np.asarray(input)
    check_map(input, len(coordinates), order, mode)
    whole = np.issubdtype(input.dtype, np.integer)
    corners = [(1.0, [], True)]
    for axis, size in enumerate(input.shape):
        place = np.asarray(coordinates[axis]) * 1.0
        if order == 0:
            lower = np.astype(rounded(place), int)
            nodes = [(lower, 1.0)]
        else:
            floor = np.floor(place)
            lower, rest = np.astype(floor, int), place - floor
            nodes = [(lower, 1.0 - rest), (lower + 1, rest)]
        grown = []
        for weight, places, valid in corners:
            for index, share in nodes:
                kept = valid
                if mode == "constant":
                    kept = np.logical_and(np.logical_and(index >= 0, index < size), valid)
                grown.append((weight * share, places + [inside(index, size, mode)], kept))
        corners = grown
    total = 0.0
    for weight, places, valid in corners:
        value = input[tuple(places)]
        if mode == "constant":
            value = np.where(valid, value, np.astype(np.asarray(cval), input.dtype))
        total = total + weight * value
    return np.astype(rounded(total) if whole else total, input.dtype)
