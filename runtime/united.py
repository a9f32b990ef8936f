"""The cotangent of what a staged loop ran over, from those of its turns, without unrolling them."""
from __future__ import annotations

from runtime.array import Array, ConcretizationError
from runtime.cotangent import instantiate, shape_of
from runtime.sequence import Chain, Replayable, Stacked, Zipped, is_lazy, known_length, mapped, reverse, sample
from runtime.zero import ZERO, Like


def united(items, like, last_first: bool = True):
    """Return the cotangent of ``like``, an iterable, from the sequence of its turns' cotangents; turns that did not run have none.

    last_first: the order of ``items``.
    """
    from runtime.turns import restore, uniter
    if hasattr(like, "shape"):
        return stacked_rows(reverse(items) if last_first else items, like)
    if not is_lazy(like):
        given = list(items)
        return uniter(given if last_first else given[::-1], like)
    forward = reverse(items) if last_first else items
    if _turns(forward) != _turns(like):
        raise ConcretizationError("the cotangents of a loop that ended early cannot be given to records whose number is known only when "
                                  "the compiled program runs; run over them without break")
    return restore(forward, like)


def _turns(sequence):
    """What is the same for sequences of one length: the length, or the number or loop that decides it."""
    length = known_length(sequence)
    if length is not None:
        return length
    if isinstance(sequence, Zipped):
        return next(_turns(leaf) for leaf in sequence.leaves() if known_length(leaf) is None)
    if isinstance(sequence, Chain):
        return tuple(map(_turns, sequence.parts))
    if isinstance(sequence, Replayable):
        return id(sequence.span)
    count = getattr(sequence, "count", None)
    return getattr(getattr(count, "_v", None), "name", None)


def stacked_rows(items, like=None):
    """Return a sequence of rows as one array, with zero rows at the end up to the length of ``like``."""
    from runtime import numpy as np
    from runtime.turns import fit
    from runtime.control import for_loop
    if _no_cotangents(items):
        return ZERO
    if like is not None:
        row = Like(shape_of(like)[1:], like.dtype)
        items = mapped(lambda item: instantiate(fit(item, row), row), items) if not _are_rows(items, row) else items
    if not _are_rows(items):
        items = for_loop(lambda x: x, items, collect=1)
    parts = [_rows(part) for part in (items.parts if isinstance(items, Chain) else [items]) if not isinstance(part, list) or part]
    length = None if like is None else shape_of(like)[0]
    if all(isinstance(count, int) for _, count in parts):
        made = parts[0][0] if len(parts) == 1 else np.concatenate([rows for rows, _ in parts])
    else:
        made = _placed(parts)
    if length is None or made.shape[0] == length:
        return made
    if made.shape[0] > length:
        return made[:length]
    return np.concatenate([made, np.zeros((length - made.shape[0],) + made.shape[1:], made.dtype)])


def _no_cotangents(items) -> bool:
    """Tell whether every item is a symbolic zero, without working one out again."""
    parts = items.parts if isinstance(items, Chain) else [items]
    return not any(isinstance(part, Replayable) for part in parts) and all(sample(part) is ZERO for part in parts)


def batched_rows(items, like, lead):
    """The same for items with ``lead`` batch axes, or some of them: those of the result are in front of its rows."""
    from runtime import numpy as np
    from runtime.turns import fit, in_front
    if _no_cotangents(items):
        return ZERO
    row = Like(shape_of(like)[1:], like.dtype)
    rank = len(row.shape)

    def whole(item):
        return instantiate(fit(item, row, lead), row)
    found = [shape_of(sample(mapped(whole, part))) for part in (items.parts if isinstance(items, Chain) else [items])]
    front = next((shape[:lead] for shape in found if len(shape) == rank + lead), (1,) * lead)
    rows = stacked_rows(mapped(lambda item: in_front(whole(item), front, rank), items), Like(shape_of(like)[:1] + front + row.shape, like.dtype))
    return np.moveaxis(rows, 0, lead)


def _placed(parts):
    """Rows behind each other, of parts whose number of rows only the running program knows: behind those are zeros."""
    from runtime import numpy as np
    from runtime.lax import dynamic_update_slice_in_dim
    first = parts[0][0]
    made = np.zeros((sum(rows.shape[0] for rows, _ in parts),) + first.shape[1:], first.dtype)
    start = 0
    for rows, count in parts:
        made = dynamic_update_slice_in_dim(made, rows, start, 0)
        start = start + count
    return made


def _are_rows(items, row=None) -> bool:
    """Tell whether a sequence is one array's rows already, of a given shape and dtype."""
    if isinstance(items, Chain):
        return all(_are_rows(part, row) for part in items.parts)
    if isinstance(items, list):
        return all(isinstance(item, Array) and (row is None or (item.shape, item.dtype) == (row.shape, row.dtype)) for item in items)
    return isinstance(items, Stacked) and items.plan == (("row", 0),) and items.tree.num_nodes == 1 and (
        row is None or (items.stacked[0].shape[1:], items.stacked[0].dtype) == (row.shape, row.dtype))


def _alike(part):
    """The rows of records that are the same in every turn, or numbers that grow evenly."""
    from runtime import numpy as np
    (how, x), = part.plan
    if how == "line":
        return x.at(np.arange(part.size, dtype=x.of.dtype), part.fixed)
    row = np.asarray(part.fixed[x] if how == "all" else x)
    return np.broadcast_to(row, (part.size,) + row.shape)


def _rows(part):
    """(rows, how many of them there are) of one part; rows that are none are zeros, and last."""
    from runtime import numpy as np
    if isinstance(part, list):
        return np.stack(part), len(part)
    known = known_length(part)
    rows = part.stacked[0] if part.stacked else _alike(part)
    if not part.backwards:
        return rows, part.size if known is not None else part.count
    rows = np.flip(rows, 0)
    if part.count is None:
        return rows, part.size
    from runtime.lax import dynamic_slice_in_dim
    return dynamic_slice_in_dim(np.concatenate([rows, np.zeros_like(rows)]), part.size - part.count, part.size, 0), part.count
