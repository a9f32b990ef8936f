"""Interpolation on grids under SciPy's names."""
from runtime.ops.kernel import about_types as _about_types
from runtime.tree import register_pytree_node_class as _register
from runtime.types import aval_of as _aval_of


@_register
class RegularGridInterpolator:
    """An interpolation of values on a rectangular grid; a pytree, called with the points at which it is wanted.

    points: a vector of rising coordinates for each dimension. values: an array whose first axes are the grid's. method: "linear" or
    "nearest". fill_value: what points outside the grid get; None extrapolates. ``bounds_error`` must be False.
    """

    def __init__(self, points, values, method="linear", bounds_error=False, fill_value=float("nan")):
        from runtime import numpy as np
        if method not in ("linear", "nearest"):
            raise ValueError(f"RegularGridInterpolator: method {method!r} is not defined; use 'linear' or 'nearest'")
        if bounds_error:
            raise NotImplementedError("RegularGridInterpolator: bounds_error=True is not supported, because values are not known while a "
                                      "function is being compiled; use fill_value")
        grid, values = tuple([np.asarray(p) for p in points]), np.asarray(values)
        if len(grid) > values.ndim:
            raise ValueError(f"there are {len(grid)} point arrays, but values has {values.ndim} dimensions")
        for k, p in enumerate(grid):
            if p.ndim != 1:
                raise ValueError(f"The points in dimension {k} must be 1-dimensional, got shape {p.shape}")
            if values.shape[k] != p.shape[0]:
                raise ValueError(f"There are {p.shape[0]} points and {values.shape[k]} values in dimension {k}")
        self.grid, self.values, self.method, self.bounds_error, self.fill_value = grid, values, method, bounds_error, fill_value

    def tree_flatten(self):
        """Return the arrays, and what is static."""
        return (self.grid, self.values), (self.method, self.bounds_error, self.fill_value)

    @classmethod
    def tree_unflatten(cls, aux_data, children):
        """Make an interpolation of its parts."""
        made = object.__new__(cls)
        made.grid, made.values = children
        made.method, made.bounds_error, made.fill_value = aux_data
        return made

    def __call__(self, xi, method=None):
        return interpolated(self.grid, self.values, xi, self.method if method is None else method, self.fill_value)


@_about_types
def check_points(xi, count):
    """Raise ValueError unless the last axis holds one coordinate for each dimension."""
    shape = _aval_of(xi).shape
    if not shape or shape[-1] != count:
        raise ValueError(f"the requested sample points xi must have {count} coordinates along the last axis, got shape {shape}")


def as_coordinates(xi, count):
    """Return points as one array, the coordinates along the last axis; a tuple holds one array for each dimension."""
    from runtime import numpy as np
    if isinstance(xi, tuple):
        return np.stack(np.broadcast_arrays(*xi), -1)
    xi = np.asarray(xi)
    return np.expand_dims(xi, -1) if xi.ndim == 1 and count == 1 else np.atleast_2d(xi)


def interpolated(grid, values, xi, method, fill_value):
    """Return the values of a grid interpolated at points, by the corners of the cell that holds each."""
    from runtime import numpy as np
    if method not in ("linear", "nearest"):
        raise ValueError(f"RegularGridInterpolator: method {method!r} is not defined; use 'linear' or 'nearest'")
    xi = as_coordinates(xi, len(grid))
    check_points(xi, len(grid))
    corners = [(1.0, [])]
    outside = np.zeros(xi.shape[:-1], bool)
    for k, line in enumerate(grid):
        place = xi[..., k]
        outside = np.logical_or(outside, np.logical_or(place < line[0], place > line[-1]))
        low = np.clip(np.searchsorted(line, place) - 1, 0, line.shape[0] - 2)
        share = (place - line[low]) / (line[low + 1] - line[low])
        if method == "nearest":
            nodes = [(np.where(share <= 0.5, low, low + 1), 1.0)]
        else:
            nodes = [(low, 1.0 - share), (low + 1, share)]
        corners = [(weight * part, places + [index]) for weight, places in corners for index, part in nodes]
    trailing = values.ndim - len(grid)
    total = 0.0
    for weight, places in corners:
        factor = weight if method == "nearest" else np.reshape(weight, np.shape(weight) + (1,) * trailing)
        total = total + factor * values[tuple(places)]
    if fill_value is None:
        return total
    return np.where(np.reshape(outside, outside.shape + (1,) * trailing), fill_value, total)
