"""Collectives: operations between the replicas of a parallel program, along named axes (see runtime.parallel)."""
from __future__ import annotations

import math

import numpy as np

from runtime import varying
from runtime.array import Array
from runtime.batch import unspread
from runtime.hlo import Block, Value, tracing
from runtime.mesh import Axis, lookup
from runtime.op import op
from runtime.ops.binary import true_divide
from runtime.ops.shape import reshape
from runtime.primitive import Primitive, as_operand, cast
from runtime.tree import tree_map
from runtime.types import aval, kind


def _normal_groups(axes: tuple[Axis, ...], index_groups, name: str) -> tuple[tuple[int, ...], ...]:
    """Return the index groups as tuples (one group of everything by default); ValueError unless they partition the axis."""
    size = math.prod(axis.size for axis in axes)
    if index_groups is None:
        return (tuple(range(size)),)
    groups = tuple(tuple(int(i) for i in group) for group in index_groups)
    if sorted(i for group in groups for i in group) != list(range(size)) or len({len(group) for group in groups}) != 1:
        raise ValueError(f"{name}: axis_index_groups={index_groups} must split the indices 0..{size - 1} of the axis into "
                         "groups of one size")
    return groups


def _replica_groups(block: Block, axes, groups) -> str:
    """Return the attribute that names the communicating replicas, to be filled in when the mesh is complete."""
    def fill():
        rows = [[replicas[i] for i in group] for replicas in axes[0].mesh.groups(axes) for group in groups]
        text = ", ".join(f"[{', '.join(map(str, row))}]" for row in rows)
        return f"dense<[{text}]> : tensor<{len(rows)}x{len(rows[0])}xi64>"
    return block.module.marker(fill)


def _stage(primitive: Primitive, x, **params) -> Array:
    """Emit a collective into the running trace, for concrete operands too: every replica takes part."""
    return primitive._stage([as_operand(x, primitive.name)._v], params)


def _channel(block: Block, axes, ids: bool = True) -> dict:
    """Return the attributes of a collective between partitions: a channel of its own, and groups that are of devices."""
    if not axes[0].mesh.partitioned:
        return {}
    channel = {"channel_handle": f"#stablehlo.channel_handle<handle = {block.module.fresh()}, type = 1>"}
    return {**channel, "use_global_device_ids": "unit"} if ids else channel


def index_value(block: Block, axes: tuple[Axis, ...]) -> Value:
    """Emit this replica's row-major index along axes, as an int32 scalar."""
    word, total = aval((), np.uint32), None
    replica = (block.op("partition_id", [], word, {"mhlo.sharding": '"{manual}"'}) if axes[0].mesh.partitioned else
               block.op("replica_id", [], word))
    for axis in axes:
        stride = block.op("constant", [], word, {"value": f"dense<{block.module.marker(lambda a=axis: str(a.stride()))}> "
                                                          ": tensor<ui32>"})
        size = block.constant(axis.size, np.uint32)
        index = block.op("remainder", [block.op("divide", [replica, stride], word), size], word)
        total = index if total is None else block.op("add", [block.op("multiply", [total, size], word), index], word)
    return varying.mark(block.convert(total, aval((), np.int32)), [axis.name for axis in axes])


def gather_value(block: Block, value: Value, axes, groups, dimension: int) -> Value:
    """Emit the concatenation, along an existing dimension, of every replica's value."""
    shape = list(value.aval.shape)
    shape[dimension] *= len(groups[0])
    wide = value.aval
    if kind(wide.dtype) == "b":  # not every backend communicates single bits
        wide = wide.with_dtype(np.dtype(np.uint8))
    made = block.op("all_gather", [block.convert(value, wide)], wide.with_shape(tuple(shape)),
                    {"all_gather_dim": dimension, "replica_groups": _replica_groups(block, axes, groups),
                     **_channel(block, axes)})
    return _varies(block.convert(made, value.aval.with_shape(tuple(shape))), axes)


def _varies(value: Value, axes) -> Value:
    """Say that the result of a collective varies along its axes."""
    return varying.mark(value, varying.of(value) | {axis.name for axis in axes})


# ---- primitives; axes and groups are static ----

def _reduce_infer(x, *, axes, groups, how):
    return x


def _reduce_emit(block, operands, out_avals, *, axes, groups, how):
    made = block.op("all_reduce", operands, out_avals[0],
                    {"replica_groups": _replica_groups(block, axes, groups), **_channel(block, axes)},
                    [block.binary_region(how, out_avals[0].dtype)])
    if len(groups) > 1:
        return _varies(made, axes)
    return varying.mark(made, varying.of(made) - {axis.name for axis in axes})


def _gather_infer(x, *, axes, groups, dimension, alike):
    return x.with_shape(x.shape[:dimension] + (x.shape[dimension] * len(groups[0]),) + x.shape[dimension + 1:])


def _gather_emit(block, operands, out_avals, *, axes, groups, dimension, alike):
    made = gather_value(block, operands[0], axes, groups, dimension)
    return varying.mark(made, varying.of(made) - {axis.name for axis in axes}) if alike else made


def _scatter_infer(x, *, axes, groups, dimension):
    return x.with_shape(x.shape[:dimension] + (x.shape[dimension] // len(groups[0]),) + x.shape[dimension + 1:])


def _scatter_emit(block, operands, out_avals, *, axes, groups, dimension):
    made = block.op("reduce_scatter", operands, out_avals[0],
                    {"scatter_dimension": dimension, "replica_groups": _replica_groups(block, axes, groups),
                     **_channel(block, axes)},
                    [block.binary_region("add", out_avals[0].dtype)])
    return _varies(made, axes)


def _permute_infer(x, *, axes, perm):
    return x


def _permute_emit(block, operands, out_avals, *, axes, perm):
    if not perm:
        return block.zeros(out_avals[0])

    def fill():
        pairs = [[replicas[a], replicas[b]] for replicas in axes[0].mesh.groups(axes) for a, b in perm]
        return f"dense<{pairs}> : tensor<{len(pairs)}x2xi64>"
    made = block.op("collective_permute", operands, out_avals[0],
                    {"source_target_pairs": block.module.marker(fill), **_channel(block, axes, ids=False)})
    return _varies(made, axes)


def _exchange_infer(x, *, axes, groups, split, concat, tiled):
    shape = list(x.shape)
    if tiled:
        shape[split] //= len(groups[0])
        shape[concat] *= len(groups[0])
    else:
        shape.insert(concat, shape.pop(split))
    return x.with_shape(tuple(shape))


def _exchange_emit(block, operands, out_avals, *, axes, groups, split, concat, tiled):
    attributes = {"split_dimension": split, "concat_dimension": concat if tiled else split,
                  "split_count": len(groups[0]), "replica_groups": _replica_groups(block, axes, groups),
                  **_channel(block, axes, ids=False)}
    if tiled:
        return _varies(block.op("all_to_all", operands, out_avals[0], attributes), axes)
    # what is received takes the place of the dimension that was dealt out, and is then moved
    made = _varies(block.op("all_to_all", operands, operands[0].aval, attributes), axes)
    order = [i for i in range(made.aval.ndim) if i != split]
    order.insert(concat, split)
    return made if split == concat else block.op("transpose", [made], out_avals[0], {"permutation": tuple(order)})


def _index_infer(*, axes):
    return aval((), np.int32)


def _index_emit(block, operands, out_avals, *, axes):
    return index_value(block, axes)


_reduce = Primitive("all_reduce", _reduce_infer, _reduce_emit)
_gather = Primitive("all_gather", _gather_infer, _gather_emit)
_scatter = Primitive("reduce_scatter", _scatter_infer, _scatter_emit)
_permute = Primitive("ppermute", _permute_infer, _permute_emit)
_exchange = Primitive("all_to_all", _exchange_infer, _exchange_emit)
_index = Primitive("axis_index", _index_infer, _index_emit)


# ---- what users call ----

def _reduce_leaf(name: str, how: str, x, axis_name, index_groups):
    axes = lookup(axis_name)
    groups = _normal_groups(axes, index_groups, name)
    x = as_operand(x, name)
    if kind(x.dtype) == "b":
        x = cast(x, np.int32)
    if kind(x.dtype) == "c" and how != "add":
        raise TypeError(f"{name} does not accept dtype {x.dtype}: complex numbers have no order; reduce abs(x) instead")
    return _stage(_reduce, x, axes=axes, groups=groups, how=how)


def _dimension(name: str, x: Array, dimension: int, extra: int = 0) -> int:
    """Return a dimension counted from the left; ValueError when the array has no such dimension."""
    ndim = x.ndim + extra
    if not -ndim <= dimension < ndim:
        raise ValueError(f"{name}: dimension {dimension} is out of bounds for an array of shape {x.shape}")
    return dimension % ndim


def _divisible(name: str, x: Array, dimension: int, size: int, tiled: bool) -> None:
    """Raise ValueError unless a dimension can be dealt out to ``size`` replicas."""
    length = x.shape[dimension]
    if length % size or not tiled and length != size:
        wanted = f"a multiple of the axis size {size}" if tiled else f"equal to the axis size {size} (or use tiled=True)"
        raise ValueError(f"{name}: dimension {dimension} of shape {x.shape} has length {length}; it must be {wanted}")


def _psum_batched(x, axis_name, axis_index_groups=None, over=()):
    return psum(x, axis_name, axis_index_groups=axis_index_groups)


@op(linear="x", vjp={"x": "lax.psum(d_out, axis_name, axis_index_groups=axis_index_groups)"}, batch=_psum_batched)
def psum(x, axis_name, *, axis_index_groups=None):
    """Sum every array of a pytree over a mapped axis (a name or a tuple of names); all replicas get the sum.

    Bools count as int32. A Python number is multiplied by the axis size, so ``psum(1, 'i')`` is that size.
    """
    def one(leaf):
        if isinstance(leaf, (int, float, complex)) and not isinstance(leaf, np.generic):
            return leaf * len(_normal_groups(lookup(axis_name), axis_index_groups, "psum")[0])
        return _reduce_leaf("psum", "add", leaf, axis_name, axis_index_groups)
    return tree_map(one, x)


def _pmean_batched(x, axis_name, axis_index_groups=None, over=()):
    return pmean(x, axis_name, axis_index_groups=axis_index_groups)


@op(linear="x", vjp={"x": "lax.pmean(d_out, axis_name, axis_index_groups=axis_index_groups)"}, batch=_pmean_batched)
def pmean(x, axis_name, *, axis_index_groups=None):
    """Average every array of a pytree over a mapped axis; all replicas get the mean."""
    size = len(_normal_groups(lookup(axis_name), axis_index_groups, "pmean")[0])
    return tree_map(lambda leaf: true_divide(psum(leaf, axis_name, axis_index_groups=axis_index_groups), size), x)


def _pmax_batched(x, axis_name, axis_index_groups=None, over=()):
    return pmax(x, axis_name, axis_index_groups=axis_index_groups)


@op(nondifferentiable="pmax has no derivative; take all_gather(x, axis_name).max(axis=0), which has one",
    batch=_pmax_batched)
def pmax(x, axis_name, *, axis_index_groups=None):
    """Take the elementwise maximum of every array of a pytree over a mapped axis."""
    return tree_map(lambda leaf: _reduce_leaf("pmax", "maximum", leaf, axis_name, axis_index_groups), x)


def _pmin_batched(x, axis_name, axis_index_groups=None, over=()):
    return pmin(x, axis_name, axis_index_groups=axis_index_groups)


@op(nondifferentiable="pmin has no derivative; take all_gather(x, axis_name).min(axis=0), which has one",
    batch=_pmin_batched)
def pmin(x, axis_name, *, axis_index_groups=None):
    """Take the elementwise minimum of every array of a pytree over a mapped axis."""
    return tree_map(lambda leaf: _reduce_leaf("pmin", "minimum", leaf, axis_name, axis_index_groups), x)


def _under_batch(dimension: int) -> int:
    """Return where a dimension of one example is once a batch axis stands in front."""
    return dimension + 1 if dimension >= 0 else dimension


def _all_gather_batched(x, axis_name, axis_index_groups=None, axis=0, tiled=False, to="varying", over=()):
    return all_gather(x, axis_name, axis_index_groups=axis_index_groups, axis=_under_batch(axis), tiled=tiled, to=to)


@op(linear="x", vjp={"x": "lax.psum_scatter(d_out, axis_name, scatter_dimension=axis, "
                          "axis_index_groups=axis_index_groups, tiled=tiled)"}, batch=_all_gather_batched)
def all_gather(x, axis_name, *, axis_index_groups=None, axis=0, tiled=False, to="varying"):
    """Collect every replica's array on all replicas, along a new dimension ``axis`` (``tiled``: along an existing one).

    ``to="invarying"``: the result counts as what it is, the same along the axis, where shard_map checks that.
    """
    if to not in ("varying", "invarying", "reduced"):
        raise ValueError(f"Got unexpected `to` value for `jax.lax.all_gather`: {to!r}; it may be 'varying' or 'invarying'")
    if to == "reduced" or to == "invarying" and axis_index_groups is not None:
        raise NotImplementedError(f"all_gather: to={to!r} is not supported" + (" with axis_index_groups" if to == "invarying" else
                                  ": sums that are still to be made are not kept as arrays here; use 'invarying'"))
    axes = lookup(axis_name)
    groups = _normal_groups(axes, axis_index_groups, "all_gather")

    def one(leaf):
        leaf = as_operand(leaf, "all_gather")
        dimension = _dimension("all_gather", leaf, axis, 0 if tiled else 1)
        if not tiled:
            leaf = reshape(leaf, leaf.shape[:dimension] + (1,) + leaf.shape[dimension:])
        return _stage(_gather, leaf, axes=axes, groups=groups, dimension=dimension, alike=to == "invarying")
    return tree_map(one, x)


def _psum_scatter_batched(x, axis_name, scatter_dimension=0, axis_index_groups=None, tiled=False, over=()):
    return psum_scatter(x, axis_name, scatter_dimension=_under_batch(scatter_dimension),
                        axis_index_groups=axis_index_groups, tiled=tiled)


@op(linear="x", vjp={"x": "lax.all_gather(d_out, axis_name, axis_index_groups=axis_index_groups, "
                          "axis=scatter_dimension, tiled=tiled)"}, batch=_psum_scatter_batched)
def psum_scatter(x, axis_name, *, scatter_dimension=0, axis_index_groups=None, tiled=False):
    """Sum over a mapped axis and keep, on replica i, only part i of ``scatter_dimension``.

    The dimension is as long as the axis and disappears; ``tiled``: it is a multiple and each replica keeps a slice.
    """
    axes = lookup(axis_name)
    groups = _normal_groups(axes, axis_index_groups, "psum_scatter")

    def one(leaf):
        leaf = as_operand(leaf, "psum_scatter")
        dimension = _dimension("psum_scatter", leaf, scatter_dimension)
        _divisible("psum_scatter", leaf, dimension, len(groups[0]), tiled)
        made = _stage(_scatter, leaf, axes=axes, groups=groups, dimension=dimension)
        return made if tiled else reshape(made, made.shape[:dimension] + made.shape[dimension + 1:])
    return tree_map(one, x)


@op(constant=True)
def inverse_permutation(perm):
    """Return the (destination, source) pairs of (source, destination) pairs."""
    return tuple((b, a) for a, b in perm)


def _ppermute_batched(x, axis_name, perm, over=()):
    return ppermute(x, axis_name, perm)


@op(linear="x", vjp={"x": "lax.ppermute(d_out, axis_name, rt.inverse_permutation(perm))"}, batch=_ppermute_batched)
def ppermute(x, axis_name, perm):
    """Send every array of a pytree from replica a to replica b for each (a, b) of ``perm``; others receive zeros.

    ValueError when a source or a destination occurs twice or does not exist.
    """
    axes = lookup(axis_name)
    size = math.prod(axis.size for axis in axes)
    pairs = tuple((int(a), int(b)) for a, b in perm)
    for ends in zip(*pairs):
        if len(set(ends)) != len(ends) or not set(ends) <= set(range(size)):
            raise ValueError(f"ppermute: sources and destinations must be distinct indices 0..{size - 1}, got {perm}")
    return tree_map(lambda leaf: _stage(_permute, leaf, axes=axes, perm=pairs), x)


@op(constant=True, unbatched=True)
def pairs_of(perm):
    """Return the (source, destination) pairs of a permutation that says where each replica's arrays come from."""
    if sorted(perm) != list(range(len(perm))):
        raise ValueError(f"pshuffle: `perm` does not represent a permutation: {perm}")
    return tuple(zip(perm, range(len(perm))))


@op(linear="x", vjp={"x": "lax.ppermute(d_out, axis_name, rt.inverse_permutation(rt.pairs_of(perm)))"},
    batch=lambda x, axis_name, perm, over=(): pshuffle(x, axis_name, perm))
def pshuffle(x, axis_name, perm):
    """Let replica i receive the arrays of replica ``perm[i]``; ``perm`` is a permutation of the axis's indices."""
    size = axis_size(axis_name)
    if sorted(perm) != list(range(size)):
        raise ValueError(f"pshuffle: perm={perm} must be a permutation of 0..{size - 1}")
    return ppermute(x, axis_name, pairs_of(perm))


def _all_to_all_batched(x, axis_name, split_axis, concat_axis, axis_index_groups=None, tiled=False, over=()):
    return all_to_all(x, axis_name, _under_batch(split_axis), _under_batch(concat_axis),
                      axis_index_groups=axis_index_groups, tiled=tiled)


@op(linear="x", vjp={"x": "lax.all_to_all(d_out, axis_name, concat_axis, split_axis, "
                          "axis_index_groups=axis_index_groups, tiled=tiled)"}, batch=_all_to_all_batched)
def all_to_all(x, axis_name, split_axis, concat_axis, *, axis_index_groups=None, tiled=False):
    """Deal out ``split_axis`` to the replicas and put what is received together along ``concat_axis``.

    ``split_axis`` is as long as the axis and disappears, and ``concat_axis`` is new in the result; ``tiled``: both are
    existing dimensions and keep their places.
    """
    axes = lookup(axis_name)
    groups = _normal_groups(axes, axis_index_groups, "all_to_all")

    def one(leaf):
        leaf = as_operand(leaf, "all_to_all")
        split, concat = _dimension("all_to_all", leaf, split_axis), _dimension("all_to_all", leaf, concat_axis)
        _divisible("all_to_all", leaf, split, len(groups[0]), tiled)
        return _stage(_exchange, leaf, axes=axes, groups=groups, split=split, concat=concat, tiled=tiled)
    return tree_map(one, x)


@op(constant=True, unbatched=True)
def axis_index(axis_name):
    """Return this replica's index along a mapped axis (row-major for a tuple of names), an int32 scalar."""
    axes = lookup(axis_name)
    if tracing.block is None:
        raise NameError(f"unbound axis name: {axis_name}")
    return _index._stage([], {"axes": axes})


@op(constant=True, unbatched=True)
def axis_size(axis_name):
    """Return the number of replicas along a mapped axis (the product, for a tuple of names), an int."""
    return math.prod(axis.size for axis in lookup(axis_name))


@op(linear="x", vjp={"x": "rt.spread(d_out, rt.batch_size(x))"}, batch=lambda x, over=(): unspread(x, False, 1))
def sum_devices(x):
    """Sum every array over its leading axis: joins the cotangents of an argument that every device received whole."""
    return unspread(x)
