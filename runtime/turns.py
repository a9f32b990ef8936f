"""What loops run over, and what is packed and unpacked: items beside their tangents, cotangents put together again."""
from __future__ import annotations

import functools
import types
import typing

import numpy

from runtime import varying
from runtime.array import Array
from runtime.containers import _is_array, extend
from runtime.cotangent import CONTAINERS, _items, _rebuild, filled, shape_of
from runtime.join import UNDEFINED
from runtime.mesh import bound
from runtime.op import op
from runtime.sequence import Guarded, Kept, Rows, Same, Turn, Zipped, is_lazy, mapped, sample, stays
from runtime.sequence import reverse as last_first
from runtime.tree import tree_flatten
from runtime.united import batched_rows, stacked_rows, united
from runtime.xla import PyTreeDef
from runtime.zero import ZERO, Like, Static

def records_too(special):
    """Let a function of lists do something of its own with the records of staged loops; the compiler reads it as it is written.

    special: gets the same arguments, and returns NotImplemented where there are no such records.
    """
    def wrap(function):
        @functools.wraps(function)
        def run(*args, **keywords):
            found = special(*args, **keywords)
            return function(*args, **keywords) if found is NotImplemented else found
        run.reads_as = function
        return run
    return wrap


@op(jvp="rt.parts(d_dot, count)", vjp={"d": "rt.pack(d_out, like=d)"},
    batch=lambda d, count, over=(): parts_lead(d, count, 1), merges=False)
def parts(d, count):
    """Return the tangents of the ``count`` items that a value unpacks into."""
    if d is ZERO or d is UNDEFINED:
        return (d,) * count
    return d if isinstance(d, tuple) else tuple(d[i] for i in range(count))


@op(jvp="rt.pack(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.parts(d_out, len(items))"},
    batch=lambda items, like, over=(): pack_lead(items, like, 1), merges=False)
def pack(items, like):
    """Put the cotangents of unpacked items together again: a container like ``like``, or a stacked array."""
    return restore(items if items is ZERO or is_lazy(items) else list(items), like)


@op(jvp="rt.restore(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.listed(d_out, items)"},
    batch=lambda items, like, over=(): pack_lead(items, like, 1), merges=False)
def restore(items, like):
    """Give a list of cotangents the kind of ``like``: tuple, list, dict, or an array stacked along axis 0."""
    if like is ZERO or items is ZERO:
        return ZERO
    if is_lazy(items) and (_is_array(like) or is_lazy(like)):
        return stacked_rows(items) if _is_array(like) else items
    if isinstance(like, dict):
        return {k: v for k, v in zip(like, items)}
    if isinstance(like, (list, tuple)):
        return _rebuild(like, items)
    if hasattr(like, "restore"):
        return like.restore(items)
    if not _is_array(like):
        return list(items)
    if all(item is ZERO for item in items):
        return ZERO
    from runtime import numpy as np
    return np.stack([filled(item, Like(shape_of(like)[1:], like.dtype)) for item in items])


@op(linear="d", vjp={"d": "rt.restore(d_out, like=d)"},
    batch=lambda d, like, over=(): listed_lead(d, like, 1), merges=False)
def listed(d, like):
    """A cotangent of a container as a list of its items' cotangents."""
    if is_lazy(d):
        return d
    if is_lazy(like) and _is_array(d):
        return Rows(d)
    return _items(d) if isinstance(d, CONTAINERS) else [d[i] for i in range(len(like))]


def _padded(items, like):
    made = list(items)[::-1]
    length = shape_of(like)[0] if _is_array(like) else len(like)
    return extend(made, [ZERO] * (length - len(made)))


@op(jvp="rt.uniter(rt.instantiate_shell(items_dot, items), like=like)", vjp={"items": "rt.reiter(d_out, items, like=like)"},
    batch=lambda items, like, over=(): uniter_lead(items, like, 1), merges=False)
def uniter(items, like):
    """Return the cotangent of an iterable from its turns' cotangents, collected last turn first.

    Turns that a break left out have none.
    """
    if items is ZERO:
        return ZERO
    if hasattr(items, "uniter"):
        return items.uniter(like)
    if is_lazy(items):
        return united(items, like)
    given = _padded(items, like)
    if isinstance(like, (list, tuple)):
        given = [fit(item, one) for item, one in zip(given, like, strict=True)]
    elif _is_array(like):
        row = Like(shape_of(like)[1:], like.dtype)
        given = [fit(item, row) for item in given]
    return restore(given, like)


def fit(d, like, lead=0):
    """Give a cotangent that was put together as a tuple of parts the kind of ``like``, behind ``lead`` batch axes."""
    if isinstance(d, tuple) and not hasattr(d, "_fields") and not isinstance(like, dict) and like is not None:
        if isinstance(like, (list, tuple)):
            return _rebuild(like, [fit(item, one, lead) for item, one in zip(d, like, strict=True)])
        if _is_array(like):
            row = Like(shape_of(like)[1:], like.dtype)
            given = [fit(item, row, lead) for item in d]
            return pack_lead(given, like, lead) if lead else restore(given, like)
    return d


@op(linear="d", vjp={"d": "rt.uniter(d_out, like=d)"},
    batch=lambda d, items, like=None, over=(): reiter_lead(d, items, like, 1), merges=False)
def reiter(d, items, like=None):
    """The transpose of ``uniter``: the items' cotangents, last turn first. ``like`` describes what the loop ran over."""
    if is_lazy(items):
        return last_first(listed(d, items))
    return listed(d, d)[:len(items)][::-1]


def pairs_batched(xs, dots, over=()):
    return pairs(xs, dots)


@op(jvp="rt.pairs(rt.instantiate_shell(xs_dot, xs), rt.instantiate_shell(dots_dot, dots))",
    vjp={"xs": "rt.unpairs(d_out, 0, like=xs)", "dots": "rt.unpairs(d_out, 1, like=dots)"}, batch=pairs_batched)
def pairs(xs, dots):
    """Iterate over values and their tangents together."""
    if xs is ZERO:
        xs = Same(ZERO) if is_lazy(dots) else [ZERO] * len(dots)
    if is_lazy(xs) or is_lazy(dots):
        return mapped(lambda *pair: pair, xs, Same(ZERO) if dots is ZERO else dots)
    if stays([xs]):
        return Zipped([xs, Same(ZERO) if dots is ZERO else dots])
    if dots is ZERO:
        return [(x, ZERO) for x in xs]
    if isinstance(xs, dict):
        return [(key, ZERO) for key in xs]
    return list(zip(xs, dots, strict=True))


@records_too(lambda xs, dots: mapped(lambda x, dot: (x[0], (x[1], parts(dot, 2)[1])), xs, Same(ZERO) if dots is ZERO else dots)
             if is_lazy(xs) else NotImplemented)
def lane_pairs(xs, dots):
    """Iterate over the items of a list that grew under a mask, (lanes, item), and their tangents together: (lanes, (item, tangent))."""
    return [(lanes, (item, parts(dot, 2)[1])) for (lanes, item), dot in pairs(xs, dots)]


def _part(item, which):
    return ZERO if item is ZERO else item[which]


def _unpaired(d, which, like):
    """One part of every pair; items that a shorter sequence beside theirs left out have none."""
    parts = [_part(item, which) for item in d]
    length = shape_of(like)[0] if _is_array(like) else len(like)
    return extend(parts, [ZERO] * (length - len(parts)))


@op(jvp="rt.unpairs(d_dot, which, like=like)", vjp={"d": "rt.repair(d_out, which, d)"},
    batch=lambda d, which, like, over=(): unpairs_lead(d, which, like, 1), merges=False)
def unpairs(d, which, like):
    """Return the cotangent of one of the sequences that were zipped."""
    if d is ZERO or like is ZERO:
        return ZERO
    if is_lazy(d):
        return united(mapped(lambda item: _part(item, which), d), like, False)
    return restore(_unpaired(d, which, like), like)


@op(linear="d", vjp={"d": "rt.unpairs(d_out, which, like=d)"},
    batch=lambda d, which, like, over=(): repair_lead(d, which, like, 1), merges=False)
def repair(d, which, like):
    """The transpose of ``unpairs``."""
    if is_lazy(like):
        return mapped(lambda x, one: tuple(x if k == which else ZERO for k in range(len(one))), listed(d, like), like)
    width = next((len(item) for item in like if item is not ZERO), 0)   # none where a loop left all of them out
    return [tuple(x if k == which else ZERO for k in range(width)) for x in listed(d, like)[:len(like)]]


# Under vmap the rows of an array lie behind batch axes. What packs and unpacks them are linear ops themselves, each the transpose of
# another, so that what differentiates batched code asks for one of them again, and what a staged loop recorded stays stacked.
# lead: the number of batch axes of what is packed; own: how many of them the description ``like`` has, too.


def _example(like, own=0):
    """Describe one example of what is packed where it is an array; None for a container."""
    return Like(shape_of(like)[own:], like.dtype) if _is_array(like) and not is_lazy(like) else None


@op(jvp="rt.parts_lead(d_dot, count, lead)", vjp={"d": "rt.pack_lead(d_out, like=d, lead=lead, own=lead)"},
    batch=lambda d, count, lead, over=(): parts_lead(d, count, lead + 1), merges=False)
def parts_lead(d, count, lead):
    """Return the ``count`` items that the values of a batch unpack into."""
    if d is ZERO or d is UNDEFINED:
        return (d,) * count
    return tuple(d) if isinstance(d, CONTAINERS) else tuple(d[(slice(None),) * lead + (i,)] for i in range(count))


@op(jvp="rt.pack_lead(rt.instantiate_shell(items_dot, items), like=like, lead=lead, own=own)",
    vjp={"items": "rt.listed_lead(d_out, items, lead)"},
    batch=lambda items, like, lead, own=0, over=(): pack_lead(items, like, lead + 1, own), merges=False)
def pack_lead(items, like, lead, own=0):
    """Give the items of a batch the kind of ``like``: a container, or an array with the rows stacked behind ``lead`` axes."""
    example, items = _example(like, own), _every_turn(items)
    if items is ZERO or example is None:
        return restore(items, like)
    if is_lazy(items):
        return batched_rows(items, example, lead)
    if all(item is ZERO for item in items):
        return ZERO
    from runtime import numpy as np
    row = Like(example.shape[1:], example.dtype)
    return np.stack(with_front([filled(fit(item, row, lead), row) for item in items], len(row.shape), lead), axis=lead)


def _every_turn(items):
    """The records of all turns of an unrolled loop of which some may not run: what these give is zero."""
    return items.items if isinstance(items, Guarded) else items


def with_front(items, rank, lead):
    """Give all arrays the ``lead`` batch axes that some have in front of ``rank`` others."""
    front = next((item.shape[:lead] for item in items if item.ndim == rank + lead), (1,) * lead)
    return [in_front(item, front, rank) for item in items]


def in_front(item, front, rank):
    """Give an item all batch axes; the ones that it may lack are the inner ones: a batch gives every item its own axis."""
    has = item.ndim - rank
    if has == len(front):
        return item
    from runtime import numpy as np
    inner = np.reshape(item, item.shape[:has] + (1,) * (len(front) - has) + item.shape[has:])
    return np.broadcast_to(inner, front + item.shape[has:])


@op(linear="d", vjp={"d": "rt.pack_lead(d_out, like=d, lead=lead, own=lead)"},
    batch=lambda d, like, lead, over=(): listed_lead(d, like, lead + 1), merges=False)
def listed_lead(d, like, lead):
    """The transpose of ``pack_lead``: the cotangents of its items, a tuple for a tuple."""
    if is_lazy(d) or isinstance(d, CONTAINERS):
        return listed(d, like)
    if is_lazy(like):
        from runtime import numpy as np
        return Rows(np.moveaxis(d, lead, 0))
    rows = [d[(slice(None),) * lead + (i,)] for i in range(len(like))]
    return tuple(rows) if type(like) is tuple else rows


@op(jvp="rt.uniter_lead(rt.instantiate_shell(items_dot, items), like=like, lead=lead, own=own)",
    vjp={"items": "rt.reiter_lead(d_out, items, like=like, lead=lead)"},
    batch=lambda items, like, lead, own=0, over=(): uniter_lead(items, like, lead + 1, own), merges=False)
def uniter_lead(items, like, lead, own=0):
    """Return the cotangents of an iterable from its turns' cotangents in a batch, collected last turn first."""
    example = _example(like, own)
    if items is ZERO or example is None:
        return uniter(items, like)
    items = _every_turn(items)
    return pack_lead(last_first(items) if is_lazy(items) else _padded(items, example), example, lead)


@op(linear="d", vjp={"d": "rt.uniter_lead(d_out, like=d, lead=lead, own=lead)"},
    batch=lambda d, items, like=None, lead=0, over=(): reiter_lead(d, items, like, lead + 1), merges=False)
def reiter_lead(d, items, like=None, lead=0):
    """The transpose of ``uniter_lead``: the items' cotangents, last turn first."""
    if is_lazy(items):
        return last_first(listed_lead(d, items, lead))
    return list(listed_lead(d, items, lead))[:len(items)][::-1]


@op(jvp="rt.unpairs_lead(d_dot, which, like=like, lead=lead, own=own)", vjp={"d": "rt.repair_lead(d_out, which, d, lead)"},
    batch=lambda d, which, like, lead, own=0, over=(): unpairs_lead(d, which, like, lead + 1, own), merges=False)
def unpairs_lead(d, which, like, lead, own=0):
    """Return the cotangents of one of the sequences that were zipped in a batch."""
    example = _example(like, own)
    if d is ZERO or example is None:
        return unpairs(d, which, like)
    d = _every_turn(d)
    return pack_lead(mapped(lambda item: _part(item, which), d) if is_lazy(d) else _unpaired(d, which, example), example, lead)


@op(linear="d", vjp={"d": "rt.unpairs_lead(d_out, which, like=d, lead=lead, own=lead)"},
    batch=lambda d, which, like, lead, over=(): repair_lead(d, which, like, lead + 1), merges=False)
def repair_lead(d, which, like, lead):
    """The transpose of ``unpairs_lead``."""
    return repair(listed_lead(d, like, lead), which, like)


class Bounds(typing.NamedTuple):
    """A slice among sealed residuals: its bounds may be arrays."""
    start: object
    stop: object
    step: object


def _is_static(x):
    return isinstance(x, Static)


@op(jvp="rt.seal(residuals_dot)", vjp={"residuals": "rt.unseal(d_out)"},
    batch=lambda residuals, over=(): seal(residuals))
def seal(residuals):
    """Wrap the Python values among residuals, so that they pass through a compiled function as they are.

    What is wrapped for a function inside another is wrapped once more.
    """
    if isinstance(residuals, (bool, int, float, complex, str, PyTreeDef, numpy.dtype, Static, types.EllipsisType)) or getattr(
            type(residuals), "_xform_constant", False):
        return Static(residuals)
    if isinstance(residuals, slice):
        return Bounds(seal(residuals.start), seal(residuals.stop), seal(residuals.step))
    if isinstance(residuals, varying.Told):
        return varying.Told(residuals, ())
    if is_lazy(residuals) or hasattr(residuals, "appended"):
        from runtime.control import whole
        leaves, tree = tree_flatten(whole(residuals), _is_static)
        return Kept(tree.unflatten([seal(leaf) for leaf in leaves]))       # of turns before the loop, too
    if bound.checked and isinstance(residuals, Array):
        return varying.Told(residuals, varying.names(residuals))
    return _rebuild(residuals, [seal(item) for item in _items(residuals)]) if isinstance(residuals, CONTAINERS) else residuals


@op(jvp="rt.unseal(residuals_dot)", vjp={"residuals": "rt.seal(d_out)"},
    batch=lambda residuals, over=(): unseal(residuals))
def unseal(residuals):
    """Undo ``seal``."""
    if isinstance(residuals, Static):
        return residuals.value
    if isinstance(residuals, Kept):
        leaves, tree = tree_flatten(residuals.records, _is_static)
        return tree.unflatten([unseal(leaf) for leaf in leaves])
    if isinstance(residuals, varying.Told):
        return residuals.again()
    if isinstance(residuals, Bounds):
        return slice(*map(unseal, residuals))
    return _rebuild(residuals, [unseal(item) for item in _items(residuals)]) if isinstance(residuals, CONTAINERS) else residuals


@op(constant=True, unbatched=True, batch=lambda like, over=(): holds_turns(like))
def holds_turns(like):
    """Tell whether a description is that of a list that grew under a mask."""
    return isinstance(sample(like) if is_lazy(like) else like[0] if isinstance(like, list) and like else None, Turn)


@records_too(lambda items, like: NotImplemented if not is_lazy(items) else items if holds_turns(like) else _chosen(items))
def lanes_filled(items, like):
    """Turn a list of (lanes, cotangent) pairs into cotangents of all lanes, ZERO where a lane took no turn.

    Unless they are those of a list of such pairs themselves, which ``like`` describes.
    """
    from runtime.batch import where
    if holds_turns(like):
        return items
    return [where(lanes, item, ZERO) for lanes, item in items]


@records_too(lambda cotangents, items, like: NotImplemented if not is_lazy(items) else cotangents if holds_turns(like) else mapped(
    lambda pair, d: (pair[0], d), items, Same(ZERO) if cotangents is ZERO else cotangents))
def lanes_again(cotangents, items, like):
    """The transpose of ``lanes_filled``: the cotangents of (lanes, item) are such pairs, too."""
    if cotangents is ZERO or holds_turns(like):
        return cotangents
    return [(pair[0], d) for pair, d in zip(items, cotangents)]


def _chosen(items):
    from runtime.batch import where
    return mapped(lambda pair: where(pair[0], pair[1], ZERO), items)


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, over=(): as_arrays(x))
def as_arrays(x):
    """Turn the numbers in a cotangent into arrays."""
    if isinstance(x, CONTAINERS):
        return _rebuild(x, [as_arrays(item) for item in _items(x)])
    if isinstance(x, (bool, int, float, complex)):
        from runtime import numpy as np
        return np.asarray(x)
    return x
