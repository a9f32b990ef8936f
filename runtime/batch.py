"""Helpers of batched code: the batch axis is axis 0 of everything that carries one."""
from __future__ import annotations

from runtime.cotangent import CONTAINERS, _items, _rebuild, like, shape_of
from runtime.join import UNDEFINED, BranchTypes
from runtime.op import op
from runtime.sequence import Chain, Turn, an_item, is_lazy, mapped
from runtime.trees import tree_map_1
from runtime.turns import restore
from runtime.zero import ZERO, Like


def is_array(x):
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _leaf_size(value, over, lead=0):
    if is_lazy(value):
        for part in value.parts if isinstance(value, Chain) else [value]:
            with an_item(part) as item:
                found = _leaf_size(item, over if over is True or not over else over[0], _leads(lead, 1)[0])
            if found is not None:
                return found
        return None
    if over is True:
        if isinstance(value, CONTAINERS):
            inner = _items(value)
            for item, own in zip(inner, _leads(lead, len(inner))):
                found = _leaf_size(item, True, own)
                if found is not None:
                    return found
            return None
        return value.shape[lead] if is_array(value) and not isinstance(value, Like) and len(value.shape) > lead else None
    if not over or value is ZERO:
        return None
    inner = _items(value) if isinstance(value, CONTAINERS) else ()
    kinds = _kinds(over, len(inner))
    for item, kind in zip(inner, kinds):
        found = _leaf_size(item, kind, lead)
        if found is not None:
            return found
    return None


def _kinds(known, count):
    """Which of ``count`` items carry the batch: a tuple says it of each, a list of all, a dict of the lanes and the item of a turn."""
    if isinstance(known, dict):
        return list(known.values())
    return known if isinstance(known, tuple) else [known[0] if known else False] * count


def _leads(lead, count):
    """The numbers of batch axes of ``count`` items: one number for all, a tuple of their own, or ("each", what every item has)."""
    if isinstance(lead, int):
        return [lead] * count
    return [lead[1]] * count if lead[:1] == ("each",) else lead


def _deepened(lead):
    """The numbers of batch axes where everything has one more."""
    return lead + 1 if isinstance(lead, int) else tuple([n if n == "each" else _deepened(n) for n in lead])


def _has_zero(x):
    return x is ZERO or isinstance(x, CONTAINERS) and any([_has_zero(item) for item in _items(x)])


@op(constant=True, unbatched=True, batch=lambda x, over_=True, lead=0, over=(): batch_size(x, over_, lead + 1))
def batch_size(x, over_=True, lead=0):
    """Return the length of the batch axis; ``over_`` says which parts of ``x`` carry it, behind ``lead`` other batch axes.

    None where these parts are ZERO, None or containers without items: nothing needs the size then.
    """
    found = _leaf_size(x, over_, lead)
    if found is None and not _has_zero(x) and not _has_no_items(x):
        raise ValueError("vmap must have at least one array with a mapped axis to find the batch size from")
    return found


def _has_no_items(x):
    """Whether a value is None or a container that is empty, or holds one."""
    return x is None or isinstance(x, CONTAINERS) and (not _items(x) or any([_has_no_items(item) for item in _items(x)]))


def check_sizes(name, values, axes):
    """Raise ValueError unless all mapped axes of the arguments have one length; returns it.

    values: {argument name: (value, axis)} with array leaves only.
    """
    sizes = {}
    for argument, (value, axis) in values.items():
        shape = shape_of(value)
        if len(shape) == 0:
            if not isinstance(value, (bool, int, float, complex)) and not hasattr(value, "shape"):
                raise TypeError(f"vmap got {value!r:.60} of type {type(value)} for argument {argument}, which is no array")
            raise ValueError(f"vmap was requested to map its argument {argument} along axis {axis}, which implies that its "
                             f"rank should be at least {max(1, axis + 1)}, but is only 0 (its shape is ())")
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"vmap was requested to map its argument {argument} along axis {axis}, which implies that its "
                             f"rank should be at least {axis + 1 if axis >= 0 else -axis}, but is only {len(shape)} "
                             f"(its shape is {shape})")
        sizes.setdefault(shape[axis], []).append((argument, axis, shape))
    if len(sizes) > 1:
        lines = [f"  {argument} has size {size} along axis {axis} (its shape is {shape})"
                 for size, found in sizes.items() for argument, axis, shape in found]
        raise ValueError(f"vmap got inconsistent sizes for array axes to be mapped over in {name}:\n" + "\n".join(lines))
    return next(iter(sizes), None)


@op(jvp="rt.spread(x_dot, size, known, lead)", vjp={"x": "rt.unspread(d_out, known, lead)"},
    batch=lambda x, size, known=False, lead=0, over=(): spread(x, size, known, _deepened(lead)))
def spread(x, size, known=False, lead=0):
    """Give every array in ``x`` a batch axis of the given size, behind ``lead`` others; ``known``: which parts have one.

    lead: one number, or a tuple of those of the parts where some parts have not the axes of a batch around this one.
    A size None is that of a batch of nothing but zeros and empty lists (``batch_size``): nothing needs the axis then.
    """
    if known is True or size is None or x is None or x is ZERO or x is UNDEFINED:
        return x
    if isinstance(x, Like):     # it describes a value with the batch axis then
        return Like(x.shape[:lead] + (size,) + x.shape[lead:], x.dtype, x.weak_type)
    if isinstance(x, CONTAINERS):
        inner = _items(x)
        parts = zip(inner, _kinds(known, len(inner)), _leads(lead, len(inner)))
        return _rebuild(x, [spread(item, size, kind, own) for item, kind, own in parts])
    if is_lazy(x):
        kind, own = known[0] if known else False, _leads(lead, 1)[0]
        return x if kind is True else mapped(lambda item: spread(item, size, kind, own), x)
    if is_array(x) or isinstance(x, (bool, int, float, complex)):
        from runtime import numpy as np
        shape = shape_of(x)
        one = np.expand_dims(x, lead) if lead else x
        return np.broadcast_to(one, shape[:lead] + (size,) + shape[lead:])
    return x


@op(jvp="rt.unspread(d_dot, known, lead)", vjp={"d": "rt.spread(d_out, rt.batch_size(d, True, lead), known, lead)"},
    batch=lambda d, known=False, lead=0, over=(): unspread(d, known, _deepened(lead)))
def unspread(d, known=False, lead=0):
    """The transpose of ``spread``: sum over the batch axis where one was added."""
    if known is True or d is ZERO or d is None:
        return d
    if isinstance(d, CONTAINERS):
        inner = _items(d)
        kinds, leads = _kinds(known, len(inner)), _leads(lead, len(inner))
        return _rebuild(d, [unspread(item, kind, own) for item, kind, own in zip(inner, kinds, leads)])
    if is_lazy(d):
        kind, own = known[0] if known else False, _leads(lead, 1)[0]
        return d if kind is True else mapped(lambda item: unspread(item, kind, own), d)
    from runtime import numpy as np
    return np.sum(d, axis=lead)


def _where_batched(mask, a, b, lead=1, over=()):
    mask = mask if "mask" in over else spread(mask, 1)
    a = a if "a" in over else spread(a, 1)
    b = b if "b" in over else spread(b, 1)
    return where(mask, a, b, lead + 1)


@op(jvp="rt.where(mask, a_dot, b_dot, lead)",
    vjp={"a": "rt.unbroadcast(rt.where(mask, d_out, rt.ZERO, lead), like=a)",
         "b": "rt.unbroadcast(rt.where(mask, rt.ZERO, d_out, lead), like=b)"}, batch=_where_batched)
def where(mask, a, b, lead=1):
    """Choose per lane: ``a`` where the mask is true, else ``b``; the mask covers leading axes, containers item by item.

    lead: the number of batch axes, behind which operands of lower rank get axes of length one.

    A value that one side does not have (UNDEFINED, ZERO) is taken from the other or is zero; None is a value like any other.
    """
    if a is b or b is UNDEFINED:
        return a
    if a is UNDEFINED:
        return b
    if a is None or b is None:
        if not is_array(mask):
            return a if mask else b
        if a is ZERO or b is ZERO:
            return None
        raise TypeError("a branch or loop on a batched condition gives None for some examples and "
                        f"{_told(b if a is None else a)} for others; the examples of a batch are one array: give both cases equal output types, "
                        "a number in place of None (np.nan, np.inf), and ask a flag beside it (found = False, then found = True) instead of `is None`")
    if type(a) is BranchTypes and type(b) is BranchTypes:
        return a.agreeing(b)
    if not is_array(mask):      # one for all examples, though its place may carry a batch (the key of a pair of a mapped dict)
        return a if mask else b
    from runtime import numpy as np
    if hasattr(a, "appended") or hasattr(b, "appended"):     # a list that a staged loop changes
        return (a if hasattr(a, "appended") else b).chosen(mask, a, b)
    if isinstance(a, CONTAINERS) or isinstance(b, CONTAINERS):
        shell, other = (a, b) if isinstance(a, CONTAINERS) else (b, a)
        if other is not ZERO and not isinstance(other, CONTAINERS):
            raise TypeError(f"a branch on a batched condition gives a {type(shell).__name__} of {len(shell)} items on one side and "
                            f"{_told(other)} on the other; make both the same: a {type(shell).__name__} of as many items, or an "
                            "array (np.stack)")
        one = _items(a) if a is not ZERO else [ZERO] * len(shell)
        two = _items(b) if b is not ZERO else [ZERO] * len(shell)
        if len(one) != len(two):
            raise TypeError(f"a branch on a batched condition gives containers of lengths {len(one)} and {len(two)}; both sides must have "
                            "the same structure (where this is a gradient of a list that grows in some cases only, map the function "
                            "first and differentiate what is mapped: grad(lambda x: vmap(f)(x).sum()))")
        return _rebuild(shell, [where(mask, x, y, lead) for x, y in zip(one, two)])
    if a is ZERO:
        a = 0
    if b is ZERO:
        b = 0
    one, two = shape_of(a), shape_of(b)
    if lead and min(len(one), len(two)) >= lead and one[lead:] != two[lead:]:     # a bare number is what a lane gets that does not count
        raise TypeError(f"a branch or loop on a batched condition gives shape {one[lead:]} in one case and {two[lead:]} in the other; "
                        "the examples of a batch have one shape: give both cases equal output types, padded or broadcast")
    rank = max(len(one), len(two), mask.ndim)
    mask = np.reshape(mask, mask.shape + (1,) * (rank - mask.ndim))
    return np.where(mask, _padded(a, rank, lead), _padded(b, rank, lead))


def _told(x):
    return f"an array of shape {shape_of(x)}" if hasattr(x, "shape") else f"a value of type {type(x).__name__}"


def _padded(x, rank, lead):
    lead = min(lead, len(shape_of(x)))
    return pad_axes(x, rank - lead, lead)


@op(linear="x", vjp={"x": "np.reshape(d_out, rt.shape_of(x))"}, batch=lambda x, rank, lead, over=(): pad_axes(x, rank, lead + 1))
def pad_axes(x, rank, lead):
    """Insert axes of length one after the ``lead`` batch axes until one example has ``rank`` axes."""
    shape = shape_of(x)
    missing = rank - (len(shape) - lead)
    if missing <= 0:
        return x
    if isinstance(x, Like):
        return Like(shape[:lead] + (1,) * missing + shape[lead:], x.dtype, x.weak_type)
    from runtime import numpy as np
    return np.reshape(x, shape[:lead] + (1,) * missing + shape[lead:])


@op(jvp="rt.align_like(xs_dot, xs, lead)", vjp={"xs": "rt.unalign(d_out, like=xs)"},
    batch=lambda xs, lead, over=(): align(xs, leads_batched(lead, over, "xs")))
def align(xs, lead):
    """Give operands ranks that broadcast example by example.

    lead: for each operand the number of its batch axes, the innermost ones; or for one that lacks some of the axes inside its own a
    tuple with a 1 for each axis that it has, outermost first (``(1, 0)``: the outer of two).
    """
    return align_like(xs, xs, lead)


def _deeper(lead, batched):
    if not batched:
        return lead
    levels = [(1,) * n if isinstance(n, int) else n for n in lead]
    depth = max([len(n) for n in levels])
    return tuple([depth + 1 if sum(n) == depth else (1, *(0,) * (depth - len(n)), *n) for n in levels])


@op(constant=True, unbatched=True)
def leads_batched(lead, over, name):
    """Return the batch axes of operands that have one more."""
    return _deeper(lead, name in over)


@op(jvp="rt.align_like(xs_dot, like, lead, own)", vjp={"xs": "rt.unalign(d_out, like=xs)"},
    batch=lambda xs, like, lead, own=None, over=(): align_like(
        xs, like, leads_batched(lead, over, "xs"), leads_batched(lead if own is None else own, over, "like")))
def align_like(xs, like, lead, own=None):
    """Insert the axes that ``align(like, own)`` inserts, own being ``lead`` unless given; a ZERO stays one.

    So does an UNDEFINED: the item of a list in which no lane has one yet.
    """
    if xs is ZERO:
        return (ZERO,) * len(like)
    rank = max([len(shape_of(x)) - _count(n) for x, n in zip(like, lead if own is None else own) if x is not UNDEFINED], default=0)
    deepest = max([n if isinstance(n, int) else len(n) for n in lead])
    alone = any([x is ZERO for x in xs])
    return tuple([_aligned(x, n, rank, deepest, alone) for x, n in zip(xs, lead)])


def _aligned(x, n, rank, deepest, alone):
    """One operand of ``align``; what has no batch gets one axis for the batch that ``align`` was written for, for ranks agree then.

    It gets none for batches around that one: code that is batched again takes it for a value without them.

    alone: some other is ZERO, whose outer axes it will not be broadcast against: it gets them here, of length one.
    """
    if n == 0:
        return pad_axes(x, rank + 1, 0) if is_array(x) or isinstance(x, (Like, bool, int, float, complex)) else x
    if x is ZERO or x is UNDEFINED:
        return x
    count = n if isinstance(n, int) else len(n)
    made = pad_axes(x if isinstance(n, int) else _opened(x, n), rank, count)
    return pad_axes(made, rank + deepest, 0) if alone and count < deepest and shape_of(x) else made


def _count(n):
    return n if isinstance(n, int) else sum(n)


def _opened(x, has):
    """Insert axes of length one for the batch axes that an operand lacks."""
    if not shape_of(x):     # a number among batched items
        return x
    from runtime import numpy as np
    return np.expand_dims(x, tuple([i for i, own in enumerate(has) if not own]))


@op(jvp="rt.unalign(d_dot, like=like, sizes=sizes)", vjp={"d": "rt.align_back(d_out, like=d)"},
    batch=lambda d, like, sizes=(), over=(): unalign(d, like, (_leading(d), *sizes)))
def unalign(d, like, sizes=()):
    """Take the axes that ``align`` inserted out of cotangents again; ``sizes`` are those of batch axes that ``like`` lacks."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    # nothing flows back into a symbolic zero
    return tuple([ZERO if x is ZERO or one is ZERO else np.reshape(x, sizes + shape_of(one)) for x, one in zip(d, like)])


@op(constant=True, unbatched=True, batch=lambda d, lead=0, over=(): _leading(d, lead + 1))
def _leading(d, lead=0):
    return None if d is ZERO else next((x.shape[lead] for x in d if x is not ZERO), None)      # of nothing but zeros, nothing is reshaped


@op(linear="d", vjp={"d": "rt.unalign(d_out, like=d)"},
    batch=lambda d, like, sizes=(), over=(): align_back(d, like, (_leading(d), *sizes)))
def align_back(d, like, sizes=()):
    """The transpose of ``unalign``."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    return tuple([x if x is ZERO or one is ZERO else np.reshape(x, sizes + shape_of(one)) for x, one in zip(d, like)])


@op(linear="x", vjp={"x": "rt.rows(d_out, lead)"}, batch=lambda x, lead=0, over=(): rows(x, lead + 1))
def rows(x, lead=0):
    """Iterate over a batched value as its examples are iterated over: arrays along axis 1, containers as they are."""
    if isinstance(x, CONTAINERS) or not is_array(x):
        return x
    from runtime import numpy as np
    return np.swapaxes(x, lead, lead + 1)


@op(constant=True, unbatched=True, batch=lambda x, lead=1, over=(): length(x, lead + 1))
def length(x, lead=1):
    """Return the length of one example of a batched sequence."""
    return x.shape[lead] if is_array(x) else len(x)


@op(linear="x", vjp={"x": "rt.move_axis(d_out, destination, source)"},
    batch=lambda x, source, destination, over=(): _move(x, source, destination))
def move_axis(x, source, destination):
    """Move an axis of every array in ``x``."""
    if isinstance(x, CONTAINERS):
        return _rebuild(x, [move_axis(item, source, destination) for item in _items(x)])
    if x is None or x is ZERO:
        return x
    from runtime import numpy as np
    return np.moveaxis(x, source, destination)


def _move(x, source, destination):
    return move_axis(x, source + 1 if source >= 0 else source, destination + 1 if destination >= 0 else destination)


@op(constant=True, elementwise=True)
def logical_not(x):
    """Return ``not x``: of a Python value as Python does, of an array element by element."""
    if is_array(x):
        from runtime import numpy as np
        return np.logical_not(x)
    return not x


@op(constant=True, unbatched=True, batch=lambda x, over_, over=(): like_parts(like_parts(x, True), over_))
def like_parts(x, over_):
    """Describe one example of a value of which only some parts carry the batch."""
    from runtime.cotangent import like
    if over_ is False:
        return x    # a plain number stays one
    if over_ is True or x is ZERO or x is None or x is UNDEFINED:
        return like(x, 1 if over_ is True else 0)
    if is_lazy(x):
        return mapped(lambda item: like_parts(item, over_[0]), x)
    kinds = _kinds(over_, len(x))
    if isinstance(over_, dict):     # the lanes themselves: an item's place in each follows from them
        return Turn(x[0], like_parts(x[1], kinds[1]))
    return _rebuild(x, [like_parts(item, kind) for item, kind in zip(_items(x), kinds)])


def turns_of(span, step):
    """Return how many steps lead through a span: the turns of a range, or a number below zero where it has none."""
    from runtime import numpy as np
    return np.negative(np.floor_divide(np.negative(span), step))


def move_axes(x, axes):
    """Move the mapped axis of each part of ``x`` to the front; ``axes`` has the structure of ``x``, None for unmapped."""
    if axes is None or axes == 0:
        return x
    if isinstance(axes, int):
        return move_axis(x, axes, 0)
    if isinstance(axes, dict):
        return {k: move_axes(x[k], axes[k]) for k in x}
    return _rebuild(x, [move_axes(item, axis) for item, axis in zip(x, axes)])


def map_entries(x, axes):
    """Move mapped axes to the front, and give the entries of a dict that are not mapped the batch axis of those that are."""
    return _mapped(x, axes, mapped_size(x, axes))


def _mapped(x, axes, size):
    if axes is None:
        return spread(x, size)
    if isinstance(axes, int):
        return move_axis(x, axes, 0)
    if isinstance(axes, dict):
        return {k: _mapped(x[k], axes[k], size) for k in x}
    return restore([_mapped(item, axis, size) for item, axis in zip(x, axes)], x)


@op(constant=True, unbatched=True, batch=lambda x, axes, over=(): mapped_size(like(x, 1), axes))
def mapped_size(x, axes):
    """Return the length of the mapped axes of a value, given as ``in_axes`` gives them."""
    if axes is None:
        return None
    if isinstance(axes, int):
        items = [x]
        while items:
            item = items.pop()
            if isinstance(item, CONTAINERS):
                items += _items(item)
            elif item is not ZERO:
                return item.shape[axes]
        return None
    pairs = [(x[k], a) for k, a in axes.items()] if isinstance(axes, dict) else list(zip(x, axes))
    return next((size for size in [mapped_size(item, axis) for item, axis in pairs] if size is not None), None)


def sum_batch(x):
    """Return a pytree with its arrays summed over the examples."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: np.sum(leaf, axis=0), x)


def mean_batch(x):
    """Return a pytree with its arrays averaged over the examples."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: np.mean(leaf, axis=0), x)


def max_batch(x):
    """Return a pytree with the largest of the examples in its arrays."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: np.max(leaf, axis=0), x)


def min_batch(x):
    """Return a pytree with the smallest of the examples in its arrays."""
    from runtime import numpy as np
    return tree_map_1(lambda leaf: np.min(leaf, axis=0), x)


def permute_batch(x, perm):
    """Send example ``source`` to place ``destination`` for each pair of ``perm``; other places become zero."""
    return tree_map_1(lambda leaf: permute_rows(leaf, perm), x)


def permute_rows(x, perm):
    """Return an array with its rows sent from place to place."""
    from runtime import numpy as np
    out = np.zeros_like(x)
    for source, destination in perm:
        out = out.at[destination].set(x[source])
    return out
