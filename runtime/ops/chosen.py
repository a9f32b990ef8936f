"""What a mask chooses of an array, also where the mask's values are not known: ``x[mask]`` in code that combines it element by element.

Where the values of a mask are known, ``x[mask]`` has as many elements as the mask has true ones. In a program that is being staged, or
where each example of a batch has a mask of its own, nobody knows how many these are. There what is chosen keeps the shape of the array:
the first chosen element stands in place of those that were not, so that what is computed of them is as finite as what is computed of it,
and none of them counts in sums, nor is put back. The two forms are told apart by their shapes; all chosen, they are the same.

The compiler writes these functions where it sees that nothing else is done with what a mask chose (xform/desugar/chosen.py). ``lead``
counts batch axes in front; ``own`` says that the mask has them, too.
"""
from __future__ import annotations

import builtins
import math

import numpy
from ml_dtypes import iinfo

from runtime.array import Array, NonConcreteBooleanIndexError
from runtime.cotangent import CONTAINERS, like
from runtime.hlo import Value
from runtime.op import op
from runtime.ops.create import zeros
from runtime.ops.index import update
from runtime.ops.kernel import about_types
from runtime.ops.reduce import example_like
from runtime.ops.shape import like_shape
from runtime.primitive import as_operand, cast
from runtime.types import kind
from runtime.zero import ZERO, Like


def _rank(mask, lead, own) -> int:
    """How many axes of one example a mask chooses from; 0 for what is no mask."""
    return len(mask.shape) - lead * own if hasattr(mask, "shape") and kind(mask.dtype) == "b" else 0


def _full(x, mask, lead, own) -> bool:
    """Whether what was chosen has the shape of what it was chosen from."""
    rank = _rank(mask, lead, own)
    return own or rank > 0 and tuple(x.shape[lead:lead + rank]) == tuple(mask.shape)


def _beside(mask, x, lead, own):
    """A mask with axes of size one for those of ``x`` that it lacks: the batch axes in front, and those behind."""
    from runtime import numpy as np
    shape = mask.shape if own else (1,) * lead + mask.shape
    return np.reshape(mask, shape + (1,) * (len(x.shape) - len(shape)))


def _index(mask, lead):
    return (*[builtins.slice(None)] * lead, mask) if lead else mask


def _examples(mask, lead, own, over):
    """The mask under one batch axis more."""
    from runtime import numpy as np
    if "mask" not in over:
        return np.expand_dims(mask, 0) if own else mask
    if own:
        return mask
    if len(mask.shape) == 1:
        raise TypeError("indexing an array with a single bool is not supported; use numpy.where")
    return np.reshape(mask, mask.shape[:1] + (1,) * lead + mask.shape[1:])


def _every(x, size):
    """One value for every example."""
    from runtime import numpy as np
    return np.broadcast_to(x, (size, *x.shape))


# -- choosing ---------------------------------------------------------------------------------------------------------

def _chosen_batched(x, mask, lead=0, own=False, over=()):
    if isinstance(x, CONTAINERS):
        from runtime.containers import getitem_batched
        return getitem_batched(x, mask, tuple(["index" if name == "mask" else name for name in over]))
    x = x if "x" in over else _every(x, mask.shape[0])
    return chosen(x, _examples(mask, lead, own, over), lead + 1, own or "mask" in over)


@op(linear="x", vjp={"x": "rt.unchosen(d_out, mask, lead=lead, own=own, like=x)"}, batch=_chosen_batched)
def chosen(x, mask, lead=0, own=False):
    """Return ``x[mask]``, or ``x`` with the first chosen element in place of those that are not where the mask is not known."""
    from runtime import numpy as np
    if not own and not (type(mask) is Array and type(mask._v) is Value and _rank(mask, lead, own) and not isinstance(x, CONTAINERS)):
        return x[_index(mask, lead)]
    rank = _rank(mask, lead, own)
    if tuple(mask.shape[len(mask.shape) - rank:]) != tuple(x.shape[lead:lead + rank]):
        raise IndexError(f"boolean index did not match shape of indexed array: mask of shape {tuple(mask.shape[lead * own:])} for an array "
                         f"of shape {tuple(x.shape[lead:])}")
    if math.prod(x.shape) == 0:
        return x
    wide = np.broadcast_to(_beside(mask, x, lead, own), x.shape[:lead + rank] + (1,) * (len(x.shape) - lead - rank))
    lanes = np.reshape(wide, (*x.shape[:lead], -1, *wide.shape[lead + rank:]))
    first = np.take_along_axis(np.reshape(x, (*lanes.shape[:lead + 1], *x.shape[lead + rank:])),
                               np.argmax(lanes, axis=lead, keepdims=True), axis=lead)
    return np.where(wide, x, np.reshape(first, (*x.shape[:lead], *[1] * rank, *x.shape[lead + rank:])))


def _places_batched(mask, lead=0, over=()):
    from runtime import numpy as np
    if len(mask.shape) - lead != 2:
        return np.nonzero(mask)[0]
    return places_of(mask, lead + 1)


@op(constant=True, batch=_places_batched)
def places_of(mask, lead=0):
    """Return ``np.nonzero(mask)[0]`` to index with; of a mask with one axis that is not known, the mask."""
    from runtime import numpy as np
    if lead or type(mask) is Array and type(mask._v) is Value and len(mask.shape) == 1:
        return mask
    return np.nonzero(mask)[0]


def _unchosen_batched(d, mask, lead, own, like, over=()):
    if isinstance(like, CONTAINERS):
        from runtime.containers import unindex
        return unindex(d, mask, like)
    d = d if "d" in over else _every(d, mask.shape[0])
    like = example_like(like, over)
    return unchosen(d, _examples(mask, lead, own, over), lead + 1, own or "mask" in over, like=Like((d.shape[0], *like.shape), like.dtype))


@op(linear="d", vjp={"d": "rt.chosen_again(d_out, mask, lead=lead, own=own, like=d)"}, batch=_unchosen_batched)
def unchosen(d, mask, lead=0, own=False, *, like):
    """Return the cotangent of ``like`` from that of what a mask chose of it."""
    from runtime import numpy as np
    if not _rank(mask, lead, own) or isinstance(like, CONTAINERS):
        from runtime.containers import unindex
        return unindex(d, mask, like)
    if _full(d, mask, lead, own):
        return np.where(_beside(mask, d, lead, own), d, 0)
    return update(zeros(like_shape(like), d.dtype), _index(mask, lead), d, "add")


def _again_batched(x, mask, lead, own, like, over=()):
    x = x if "x" in over else _every(x, mask.shape[0])
    like = example_like(like, over)
    return chosen_again(x, _examples(mask, lead, own, over), lead + 1, own or "mask" in over, like=Like((x.shape[0], *like.shape), like.dtype))


@op(linear="x", vjp={"x": "rt.unchosen(d_out, mask, lead=lead, own=own, like=x)"}, batch=_again_batched)
def chosen_again(x, mask, lead=0, own=False, *, like):
    """Return what a mask chooses of ``x`` in the form of ``like``: with nothing for elements that were not chosen."""
    from runtime import numpy as np
    if not _rank(mask, lead, own) or isinstance(x, CONTAINERS):
        return x[mask]
    if _full(like, mask, lead, own):
        return np.where(_beside(mask, x, lead, own), x, 0)
    return x[_index(mask, lead)]


# -- putting back -----------------------------------------------------------------------------------------------------

def _put_batched(x, mask, value, lead=0, own=False, over=()):
    size = x.shape[0] if "x" in over else mask.shape[0] if "mask" in over else value.shape[0]
    x = x if "x" in over else _every(x, size)
    if "value" not in over and value is not ZERO and hasattr(value, "shape"):
        value = _every(value, size)
    return put_chosen(x, _examples(mask, lead, own, over), value, lead + 1, own or "mask" in over)


@op(jvp="rt.put_chosen_dot(x_dot, mask, value_dot, lead, own, like=x)",
    vjp={"x": "rt.clear_chosen(d_out, mask, lead=lead, own=own)", "value": "rt.chosen_again(d_out, mask, lead=lead, own=own, like=value)"},
    batch=_put_batched)
def put_chosen(x, mask, value, lead=0, own=False):
    """Return ``x`` with ``x[mask] = value``, where ``value`` was computed of what the mask chose."""
    from runtime import numpy as np
    if not _rank(mask, lead, own):
        from runtime.containers import setitem
        return setitem(x, mask, value)
    x, value = as_operand(x, "indexed update"), as_operand(0 if value is ZERO else value, "indexed update")
    if own or value.ndim and _full(value, mask, lead, own):
        if kind(value.dtype) == "c" and kind(x.dtype) != "c":
            raise TypeError(f"indexed update: cannot put {value.dtype} values into an array of {x.dtype}; take .real first")
        return cast(np.where(_beside(mask, x, lead, own), value, x), x.dtype)
    return update(x, _index(mask, lead), value, "set")


def _clear_batched(d, mask, lead=0, own=False, over=()):
    d = d if "d" in over else _every(d, mask.shape[0])
    return clear_chosen(d, _examples(mask, lead, own, over), lead + 1, own or "mask" in over)


@op(linear="d", vjp={"d": "rt.clear_chosen(d_out, mask, lead=lead, own=own)"}, batch=_clear_batched)
def clear_chosen(d, mask, lead=0, own=False):
    """Return a cotangent with nothing for the elements that a mask chooses."""
    if not _rank(mask, lead, own) or isinstance(d, CONTAINERS):
        from runtime.containers import clear
        return clear(d, mask)
    return put_chosen(d, mask, 0, lead, own)


def put_chosen_dot(x_dot, mask, value_dot, lead, own, like):
    """Return the tangent of ``put_chosen``."""
    from runtime.cotangent import filled
    if x_dot is ZERO and value_dot is ZERO:
        return ZERO
    return put_chosen(filled(x_dot, like), mask, 0 if value_dot is ZERO else value_dot, lead, own)


# -- sums and counts --------------------------------------------------------------------------------------------------

def _kept_batched(w, mask, neutral="sum", lead=0, own=False, over=()):
    if w is ZERO:
        return w
    w = w if "w" in over else _every(w, mask.shape[0])
    return kept(w, _examples(mask, lead, own, over), neutral, lead + 1, own or "mask" in over)


@op(jvp={"w": "rt.kept(w_dot, mask, lead=lead, own=own)"}, vjp={"w": "rt.kept(d_out, mask, lead=lead, own=own)"}, batch=_kept_batched)
def kept(w, mask, neutral="sum", lead=0, own=False):
    """Return what was chosen, with the neutral element of "sum", "prod", "max" or "min" in place of what was not."""
    from runtime import numpy as np
    if w is ZERO or not own and not _full(w, mask, lead, own):
        return w
    return np.where(_beside(mask, w, lead, own), w, cast(as_operand(_neutral(neutral, w.dtype)), w.dtype))


def _neutral(name, dtype):
    if name in ("sum", "prod"):
        return name == "prod"
    if kind(dtype) == "b":
        return name == "min"
    if kind(dtype) in "iu":
        return iinfo(dtype).min if name == "max" else iinfo(dtype).max
    return -math.inf if name == "max" else math.inf


def _count_batched(mask, like, whole=False, lead=0, over=()):
    return count_chosen(_examples(mask, lead, lead > 0, over), like, whole, lead + 1)


@op(constant=True, batch=_count_batched)
def count_chosen(mask, like, whole=False, lead=0):
    """Return how many items ``like``, one example of what a mask chose, has; with ``whole``, how many elements."""
    from runtime import numpy as np
    if not hasattr(like, "shape"):
        return len(like)
    if not _full(like, mask, 0, lead > 0):
        return math.prod(like.shape) if whole else like.shape[0]
    rank = _rank(mask, lead, lead > 0)
    return np.sum(mask, axis=tuple(range(lead, len(mask.shape))), dtype=int) * (math.prod(like.shape[rank:]) if whole else 1)


def _ratio_batched(mask, like, lead=0, over=()):
    return chosen_ratio(_examples(mask, lead, lead > 0, over), like, lead + 1)


@op(constant=True, batch=_ratio_batched)
def chosen_ratio(mask, like, lead=0):
    """Return what the mean over ``like``, with zeros for what was not chosen, is to be multiplied by: the inverse of the chosen share."""
    from runtime import numpy as np
    if not hasattr(like, "shape") or not _full(like, mask, 0, lead > 0):
        return 1.0
    axes = tuple(range(lead, len(mask.shape)))
    kinds = like.dtype if kind(like.dtype) in "fc" else float
    return cast(math.prod(mask.shape[lead:]) / as_operand(np.sum(mask, axis=axes, dtype=int)), as_operand(np.zeros((), kinds)).dtype)


@about_types
def chosen_axes(mask, like, axis):
    """Return the axes of ``like``, what a mask chose, that stand for axis 0 of ``x[mask]``; None for all of them."""
    if axis is None or not hasattr(like, "shape"):
        return axis
    rank = _rank(mask, 0, False)
    return tuple(range(rank)) if rank and tuple(like.shape[:rank]) == tuple(mask.shape) else 0


def _joint(one, other) -> tuple[int, ...]:
    """The shape to which two broadcast; () where they do not, which the operation itself will say."""
    try:
        return numpy.broadcast_shapes(one, other)
    except ValueError:
        return ()


@about_types
def no_rows_beside(other, w, mask, chosen_too=False) -> bool:
    """Raise NonConcreteBooleanIndexError if ``other`` has more axes than an operand of ``w``, what a mask chose, may have.

    Where the mask is not known it may have none but those behind the chosen elements. Where it is known it may have any, as long as what
    is computed of both does not look as if it had an element for each of the mask's.
    """
    rank, shape = _rank(mask, 0, False), tuple(other.shape if hasattr(other, "shape") else numpy.shape(other))
    if not hasattr(w, "shape") or not rank:
        return True
    if tuple(w.shape[:rank]) != tuple(mask.shape):
        if _joint(shape, tuple(w.shape))[:rank] == tuple(mask.shape):
            raise NonConcreteBooleanIndexError(
                f"x[mask] of shape {tuple(w.shape)} meets an operand of shape {shape}, and what is computed of both has as many rows as the mask "
                f"of shape {tuple(mask.shape)} has elements. Write np.take(x, np.flatnonzero(mask)) for x[mask]")
        return True
    known = isinstance(mask, numpy.ndarray) or type(mask) is Array and type(mask._v) is not Value
    if not known and (len(shape) != len(w.shape) if chosen_too else len(shape) > len(w.shape) - rank):
        found = ", ".join(["number of true elements", *map(str, w.shape[rank:])])
        raise NonConcreteBooleanIndexError(
            f"x[mask] of shape ({found}) meets an operand of shape {shape}; how many elements a mask chooses is not known while a program is "
            "staged, or differs between examples. Choose of that operand, too: x[mask] + y[mask]")
    return True


def chosen_mean(w, mask, axis=None):
    """Return the mean of what a mask chose."""
    from runtime import numpy as np
    form = like(w)
    return np.mean(kept(w, mask), axis=chosen_axes(mask, form, axis)) * chosen_ratio(mask, form)


def chosen_var(w, mask, axis=None, ddof=0):
    """Return the variance of what a mask chose."""
    from runtime import numpy as np
    centred = w - chosen_mean(w, mask, axis)
    mean = chosen_mean(np.real(centred * np.conj(centred)), mask, axis)
    if ddof == 0:
        return mean
    count = count_chosen(mask, like(w), axis is None)
    return mean * (count / (count - ddof))


def chosen_std(w, mask, axis=None, ddof=0):
    """Return the standard deviation of what a mask chose."""
    from runtime import numpy as np
    return np.sqrt(chosen_var(w, mask, axis, ddof))


def chosen_norm(w, mask):
    """Return the Euclidean norm of what a mask chose."""
    from runtime import numpy as np
    return np.linalg.norm(np.ravel(kept(w, mask)))


@about_types
def keeps_shape(mask, like) -> bool:
    """Whether ``like``, what a mask chose, has the shape of the mask; NonConcreteBooleanIndexError if it has that and axes behind."""
    rank = _rank(mask, 0, False)
    if not rank or not hasattr(like, "shape") or tuple(like.shape[:rank]) != tuple(mask.shape):
        return False
    if len(like.shape) > rank:
        raise NonConcreteBooleanIndexError("the dot product of rows that a mask chooses needs the values of the mask. Use np.einsum with "
                                           "np.where(mask[:, None], x, 0).")
    return True


def chosen_dot(v, w, mask):
    """Return the dot product of what a mask chose of two arrays."""
    from runtime import numpy as np
    if keeps_shape(mask, like(v)) and keeps_shape(mask, like(w)):
        product = np.sum(kept(v * w, mask))
    else:
        product = np.dot(v, w)
    return product
