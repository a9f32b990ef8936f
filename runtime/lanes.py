"""Lanes of batched code that take a branch: they are run by themselves, or what the others compute beside them does no harm."""
from __future__ import annotations

from runtime.batch import _kinds, is_array, spread, where
from runtime.cotangent import CONTAINERS, _items, _rebuild
from runtime.join import UNDEFINED
from runtime.nested import _each, found_size
from runtime.op import op
from runtime.sequence import is_lazy, mapped
from runtime.zero import ZERO

SMALLEST = 128      # lanes run together even where the batch is small: fewer would be no faster
PARTS = 8           # chunks of a large batch: what is run for nobody is at most one of them


def _guard_batched(x, lanes, known=True, lead=1, over=()):
    lanes = lanes if "lanes" in over else spread(lanes, 1)
    return guard(x if "x" in over else spread(x, lanes.shape[0]), lanes, known, lead + 1)


@op(jvp="rt.guarded(x_dot, lanes, known, lead)", vjp={"x": "rt.guarded(d_out, lanes, known, lead)"}, batch=_guard_batched)
def guard(x, lanes, known=True, lead=1):
    """Return ``x`` with its value in the first of these lanes in place of those of all other lanes.

    What the others compute from it is then as finite as what that lane computes, so that no cotangent of zero meets an infinity
    there. lanes: bool, the mask of the last of ``lead`` batch axes. known: which parts of ``x`` carry the batch (see ``spread``);
    the others stay as they are, and get no cotangent if there is no such lane.
    """
    if x is None or x is ZERO or x is UNDEFINED or known is False:
        return x
    if isinstance(x, CONTAINERS):
        inner = _items(x)
        return _rebuild(x, [guard(item, lanes, kind, lead) for item, kind in zip(inner, _parts(known, len(inner)))])
    if is_lazy(x):
        return mapped(lambda item: guard(item, lanes, known if known is True else known[0], lead), x)
    if not is_array(x):
        return x
    from runtime import numpy as np
    first = np.expand_dims(np.argmax(lanes, axis=lead - 1, keepdims=True), tuple(range(lead, len(x.shape))))
    return where(lanes, x, np.take_along_axis(x, first, axis=lead - 1), lead)


def _parts(known, count):
    return [True] * count if known is True else _kinds(known, count)


def _guarded_batched(d, lanes, known=True, lead=1, over=()):
    lanes = lanes if "lanes" in over else spread(lanes, 1)
    return guarded(d if "d" in over else spread(d, 1), lanes, known, lead + 1)


@op(linear="d", vjp={"d": "rt.guarded(d_out, lanes, known, lead)"}, batch=_guarded_batched)
def guarded(d, lanes, known=True, lead=1):
    """Return a cotangent of ``guard``'s argument: that of its result in these lanes, zeros in all others."""
    if d is None or d is ZERO:
        return d
    if isinstance(d, CONTAINERS):
        inner = _items(d)
        return _rebuild(d, [guarded(item, lanes, kind, lead) for item, kind in zip(inner, _parts(known, len(inner)))])
    if is_lazy(d):
        return mapped(lambda item: guarded(item, lanes, known if known is True else known[0], lead), d)
    if known is False:
        from runtime import numpy as np
        return where(np.any(lanes, axis=lead - 1), d, ZERO, lead - 1)
    return where(lanes, d, ZERO, lead)


@op(constant=True)
def lanes_of(taken):
    """Return (rows, count): the indices of the lanes where ``taken`` is true, chunk by chunk, and how many rows hold any.

    taken: bool[batch]. rows: int32[chunks, lanes of a chunk]; where the lanes run out they hold the batch size, which is no lane.
    """
    from runtime import numpy as np
    size = taken.shape[0]
    chunk = max(1, min(size, max(SMALLEST, -(-size // PARTS))))
    chunks = -(-size // chunk)
    place = np.where(taken, np.cumsum(taken) - 1, chunks * chunk)
    rows = np.full(chunks * chunk, size).at[place].set(np.arange(size), mode="drop")
    return np.reshape(rows, (chunks, chunk)), (np.sum(taken) + (chunk - 1)) // chunk


@op(nondifferentiable="code that runs lanes by themselves is made anew to be differentiated")
def take_lanes(x, lanes, known=True):
    """Return these lanes of every array in ``x``; a place without a lane repeats the first, so that nothing new is computed.

    known: which parts of ``x`` carry the batch; the others stay as they are.
    """
    if known is False:
        return x
    if known is not True and isinstance(x, CONTAINERS):
        inner = _items(x)
        return _rebuild(x, [take_lanes(item, lanes, kind) for item, kind in zip(inner, _parts(known, len(inner)))])
    if known is not True and is_lazy(x):
        return mapped(lambda item: take_lanes(item, lanes, known[0]), x)
    from runtime import numpy as np
    size = found_size(x)
    if size is None:        # nothing but symbolic zeros
        return x
    chosen = np.where(lanes < size, lanes, lanes[0])
    return _each(x, lambda leaf: np.take(leaf, chosen, axis=0) if is_array(leaf) else leaf)


@op(nondifferentiable="code that runs lanes by themselves is made anew to be differentiated")
def put_lanes(x, lanes, part, size):
    """Return ``x`` with these lanes replaced by those of ``part``; what stands at a place without a lane is dropped.

    size: that of the batch, for an ``x`` that is rt.UNDEFINED yet.
    """
    from runtime import numpy as np
    if isinstance(part, CONTAINERS):
        items = _items(x) if isinstance(x, CONTAINERS) else [x] * len(part)
        return _rebuild(part, [put_lanes(one, lanes, two, size) for one, two in zip(items, _items(part))])
    if part is ZERO and x is not ZERO and x is not UNDEFINED:
        part = _each(take_lanes(x, lanes), np.zeros_like)
        return put_lanes(x, lanes, part, size)
    if not is_array(part):
        return part
    if x is UNDEFINED or x is ZERO:
        x = np.zeros((size,) + part.shape[1:], part.dtype)
    dtype = np.result_type(x, part)
    return np.asarray(x, dtype).at[lanes].set(np.asarray(part, dtype), mode="drop")


def in_all_lanes(items, size):
    """Return the items of a list beside lanes that all have them: what a list is before some lanes append to it."""
    from runtime import numpy as np
    lanes, pairs = np.ones(size, bool), []
    for item in items:
        pairs.append((lanes, item))
    return pairs


def lane_count(pairs, size):
    """Return how many items each lane has of a list that grew in some lanes only. int[size]"""
    from runtime import numpy as np
    count = np.zeros(size, int)
    for lanes, item in pairs:
        count = count + lanes
    return count


def lane_item(pairs, index, size):
    """Return each lane's item at an index, from the end if it is negative, of a list that grew in some lanes only.

    A lane that has no such item gets one of its last lane's: nothing is known of it then.
    """
    from runtime import numpy as np
    found, before = UNDEFINED, np.zeros(size, int)
    wanted = index
    if index < 0:
        wanted = lane_count(pairs, size) + index
    for lanes, item in pairs:
        found = where(np.logical_and(lanes, before == wanted), item, found)
        before = before + lanes
    return found
