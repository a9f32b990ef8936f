"""Records of loops as stacked arrays: what scan and map return."""
from __future__ import annotations

from runtime.array import Array
from runtime.cotangent import CONTAINERS, _items, _rebuild, filled
from runtime.growing import Growing
from runtime.op import op
from runtime.ops.kernel import any_staged
from runtime.primitive import cast
from runtime.sequence import Chain, Rows, Same, Stacked, Zipped, is_lazy, known_length, mapped
from runtime.tree import tree_flatten, tree_unflatten
from runtime.trees import tree_map_1
from runtime.turns import with_front
from runtime.zero import ZERO

UNROLLED = 8  # records up to which a staged loop is unrolled anyway


def _records(ys):
    return ys if isinstance(ys, (list, tuple)) else list(ys)


@op(jvp="rt.stack_records(rt.whole_records(ys_dot, ys), lead)", vjp={"ys": "rt.unstack_records(d_out, ys, lead)"},
    batch=lambda ys, lead=0, over=(): stack_records(ys, lead + 1), vanishes="ys")
def stack_records(ys, lead=0):
    """Return a list of equal pytrees as one pytree whose arrays are stacked along a new axis behind ``lead`` batch axes."""
    from runtime import numpy as np
    if staged_records(ys):
        made = _stacked(ys)
        return tree_map_1(lambda leaf: np.moveaxis(leaf, 0, lead), made) if lead else made
    return _stack_list(_records(ys), lead)


def _stacked(ys):
    """The records of a staged loop, stacked in front."""
    from runtime import numpy as np
    if isinstance(ys, Growing):
        count = len(ys)     # ConcretizationError in a loop that changes it: its items are not all rows of the buffer
        return tree_map_1(lambda leaf: leaf if leaf is ZERO else leaf[:count], ys.tree)
    if isinstance(ys, Rows):
        return ys.tree
    if isinstance(ys, Chain):
        parts = [stack_records(part) for part in ys.parts]
        if any(tree_flatten(part)[1] != tree_flatten(parts[0])[1] for part in parts):
            return _stack_list(_records(ys))
        columns = zip(*[tree_flatten(part)[0] for part in parts])
        return tree_unflatten(tree_flatten(parts[0])[1], [np.concatenate(column) for column in columns])
    if isinstance(ys, Zipped) and known_length(ys):
        from runtime.control import for_loop
        ys = for_loop(lambda item: item, ys, collect=1)     # worked out in one more loop
    if isinstance(ys, Stacked) and ys.count is None:
        return ys.tree.unflatten([_column_of(ys, part) for part in ys.plan])
    return _stack_list(_records(ys))


def nested_records(ys, lead=0):
    """Return records, which may be lists of records themselves, as one array: their axes behind ``lead`` others of each."""
    from runtime import numpy as np
    parts = ys.parts if isinstance(ys, Chain) else [ys]     # the records of parts may be made in different ways
    found = [_nested(stack_records(part), (len(part),)) for part in parts]
    made, depth = np.concatenate([array for array, _ in found]) if len(found) > 1 else found[0][0], found[0][1]
    return np.moveaxis(made, tuple(range(depth)), tuple(range(lead, lead + depth))) if lead else made


def _nested(made, front):
    """Return what records with axes ``front`` hold as one array, and how many axes of lists it has."""
    from runtime import numpy as np
    depth = len(front)
    if isinstance(made, Stacked) and made.count is None:
        return _nested(made.tree.unflatten([_column_of(made, part, front) for part in made.plan]), front + (made.size,))
    if isinstance(made, Chain):
        found = [_nested(part, front) for part in made.parts]
        return np.concatenate([array for array, _ in found], axis=depth), found[0][1]
    if isinstance(made, (list, tuple)):
        found = [_nested(item, front) for item in made]
        return np.stack([array for array, _ in found], axis=depth), found[0][1] + 1
    return made if isinstance(made, Array) else np.broadcast_to(made, front + np.shape(made)), depth


def _column_of(made, part, front=()):
    """One leaf of every record as an array, along an axis behind the axes ``front``."""
    from runtime import numpy as np
    how, x = part
    depth = len(front)
    if how == "row":
        column = np.asarray(made.stacked[x])
    elif how == "line":
        column = cast(x.at(np.arange(made.size, dtype=x.of.dtype), [np.expand_dims(np.asarray(leaf), depth) for leaf in made.fixed]), x.of.dtype, x.of.weak_type)
    else:
        leaf = made.fixed[x] if how == "all" else x
        if leaf is ZERO:
            return ZERO
        leaf = np.asarray(leaf) if how == "all" else np.broadcast_to(x, front + np.shape(x))
        leaf = np.expand_dims(leaf, depth)
        return np.broadcast_to(leaf, leaf.shape[:depth] + (made.size,) + leaf.shape[depth + 1:])
    return np.flip(column, depth) if made.backwards else column


def staged_records(ys, d=None) -> bool:
    """Tell whether a sequence is the records of a staged loop, or long enough for its cotangent ``d`` to be kept stacked."""
    return isinstance(ys, (Stacked, Chain, Growing, Rows, Zipped)) or (
        d is not None and isinstance(ys, list) and len(ys) > UNROLLED and any_staged([d]))


def _stack_list(records, lead=0):
    from runtime import numpy as np
    if not records:
        return ()
    flat, structures = zip(*[tree_flatten(y) for y in records])
    if any(structure != structures[0] for structure in structures):
        records = _whole(records)       # cotangents: some turns have no part in what is asked for, or in some of it
        flat, structures = zip(*[tree_flatten(y) for y in records])
    return tree_unflatten(structures[0], [_column([np.asarray(leaf) for leaf in column], lead) for column in zip(*flat)])


def _whole(records):
    """Records with zeros in place of ZERO where another record has arrays."""
    from runtime import numpy as np
    known = [y for y in records if y is not ZERO]
    if not known or not isinstance(known[0], CONTAINERS):
        return [np.zeros_like(known[0]) if y is ZERO and known else y for y in records]
    columns = [_whole(column) for column in zip(*[[ZERO] * len(_items(known[0])) if y is ZERO else _items(y) for y in records], strict=True)]
    return [_rebuild(known[0], list(row)) for row in zip(*columns)] if columns else [known[0]] * len(records)


def _column(leaves, lead):
    from runtime import numpy as np
    return np.stack(with_front(leaves, max([leaf.ndim for leaf in leaves]) - lead, lead) if lead else leaves, lead)


@op(jvp="rt.whole_records(d_dot, ys)", vjp={"d": "d_out"}, batch=lambda d, ys, over=(): whole_records(d, ys))
def whole_records(d, ys):
    """Return the tangents of records with zeros in place of ZERO."""
    if is_lazy(ys):
        return mapped(filled, Same(ZERO) if d is ZERO else d, ys)
    records = _records(ys)
    given = [ZERO] * len(records) if d is ZERO else _records(d)
    return [filled(one, y) for one, y in zip(given, records)]


def _is_zero(leaf):
    return leaf is ZERO


@op(jvp="rt.unstack_records(d_dot, ys, lead)", vjp={"d": "rt.stack_records(d_out, lead)"},
    batch=lambda d, ys, lead=0, over=(): unstack_records(d, ys, lead + 1))
def unstack_records(d, ys, lead=0):
    """Return the cotangents of records from that of their stack, whose records lie behind ``lead`` batch axes."""
    if d is ZERO:
        return ZERO
    from runtime import numpy as np
    leaves, structure = tree_flatten(d, _is_zero)
    count = len(ys)
    rows = [np.moveaxis(leaf, lead, 0) if lead and leaf is not ZERO and np.ndim(leaf) > lead else leaf for leaf in leaves]
    if lead and is_lazy(ys):
        return Rows(structure.unflatten(rows), count)
    if not lead and count > UNROLLED and any_staged([leaf for leaf in leaves if leaf is not ZERO]):
        return Growing(structure.unflatten(rows), count)
    return [tree_unflatten(structure, [leaf if leaf is ZERO or not np.ndim(leaf) else leaf[i] for leaf in rows]) for i in range(count)]
