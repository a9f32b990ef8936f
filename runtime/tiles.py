"""Collectives over the examples of a batch that cut their arrays into tiles, one for each example."""
from __future__ import annotations

from runtime.ops.axes import axis_index
from runtime.ops.kernel import about_types
from runtime.trees import tree_map_1


def scatter_batch(x, dimension=0):
    """Return for each example its tile, along an axis of the examples, of the sum of all: ``psum_scatter`` with ``tiled``."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: _front(np.sum(leaf, axis=0), leaf.shape[0], place_in(leaf, dimension)), x)


def exchange_batch(x, split_axis, concat_axis):
    """Return for each example its tiles, along ``split_axis``, of all, one after the other: ``all_to_all`` with ``tiled``."""
    return tree_map_1(lambda leaf: _exchanged(leaf, place_in(leaf, split_axis), place_in(leaf, concat_axis, False)), x)


@about_types
def place_in(leaf, axis, shared=True):
    """Return an axis of each example, counted from the front; ValueError unless the examples can share it out, if they are to."""
    place = axis_index(axis, leaf.ndim - 1)
    if shared and leaf.shape[1 + place] % leaf.shape[0]:
        raise ValueError(f"a collective with tiled=True cuts axis {axis}, of size {leaf.shape[1 + place]}, into {leaf.shape[0]} tiles, "
                         "one for each place along the mapped axis; the size must be a multiple")
    return place


def _front(x, count, place):
    """Cut an axis into tiles and put the axis that counts them in front."""
    from runtime import numpy as np
    return np.moveaxis(np.reshape(x, x.shape[:place] + (count, x.shape[place] // count) + x.shape[place + 1:]), place, 0)


def _exchanged(x, split, concat):
    from runtime import numpy as np
    rows = np.moveaxis(_front(x, x.shape[0], split + 1), 1, concat + 1)     # (to, the tile's axes with "from" before concat)
    return np.reshape(rows, rows.shape[:concat + 1] + (rows.shape[concat + 1] * rows.shape[concat + 2],) + rows.shape[concat + 3:])
