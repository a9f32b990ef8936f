"""Records of loops as stacked arrays: what scan and map return."""
from __future__ import annotations

from runtime.op import op
from runtime.tree import tree_flatten, tree_unflatten
from runtime.trees import leaves_of, tree_build, tree_map_1
from runtime.zero import ZERO


def _records(ys):
    return ys if isinstance(ys, (list, tuple)) else list(ys)


def stack_records_batched(ys, over=()):
    """Stack the records of every example, the batch axis staying in front."""
    from runtime import numpy as np
    records = _records(ys)
    leaves = [leaves_of(y) for y in records]
    stacked = [np.stack([each[k] for each in leaves], 1) for k in range(len(leaves[0]))] if leaves else []
    return tree_build(stacked, records[0]) if records else ()


@op(jvp="rt.stack_records(rt.whole_records(ys_dot, ys))", vjp={"ys": "rt.unstack_records(d_out, ys)"},
    batch=stack_records_batched)
def stack_records(ys):
    """Return a list of equal pytrees as one pytree whose arrays are stacked along a new first axis."""
    from runtime import numpy as np
    if hasattr(ys, "stacked") and ys.count is None:
        return ys._at(lambda leaf: np.flip(leaf, 0) if ys.backwards else leaf) if all(
            [how == "row" for how, _ in ys.plan]) else _stack_list(list(ys))
    return _stack_list(_records(ys))


def _stack_list(records):
    from runtime import numpy as np
    if not records:
        return ()
    flat = [tree_flatten(y)[0] for y in records]
    structure = tree_flatten(records[0])[1]
    return tree_unflatten(structure, [np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*flat)])


@op(jvp="rt.whole_records(d_dot, ys)", vjp={"d": "d_out"}, batch=lambda d, ys, over=(): whole_records(d, ys))
def whole_records(d, ys):
    """Return the tangents of records with zeros in place of ZERO."""
    from runtime.cotangent import instantiate
    records = _records(ys)
    given = [ZERO] * len(records) if d is ZERO else _records(d)
    return [instantiate(one, y) for one, y in zip(given, records)]


def unstack_records_batched(d, ys, over=()):
    """Take the records of every example apart."""
    from runtime import numpy as np
    records = _records(ys)
    if d is ZERO:
        return ZERO
    return [tree_map_1(lambda leaf: leaf[:, i] if np.ndim(leaf) else leaf, d) for i in range(len(records))]


@op(jvp="rt.unstack_records(d_dot, ys)", vjp={"d": "rt.stack_records(d_out)"}, batch=unstack_records_batched)
def unstack_records(d, ys):
    """Return the cotangents of records from that of their stack."""
    if d is ZERO:
        return ZERO
    leaves, structure = tree_flatten(d, lambda leaf: leaf is ZERO)
    count = len(ys)
    return [tree_unflatten(structure, [leaf if leaf is ZERO else leaf[i] for leaf in leaves]) for i in range(count)]
