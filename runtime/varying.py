"""Along which axes of a running shard_map a staged value varies: what ``check_vma`` checks, and what derivatives inside need.

Inside, the cotangent of a value that n devices hold alike is had in n parts, which add up to it: so every operation's rule is the
same as elsewhere, psum's transpose is psum, and only where a derivative starts and ends (``shared``, ``joined``) does it matter
what varies. The module being staged keeps the axes of every value (``Module.varying``); operations pass on those of their operands.
"""
from __future__ import annotations

from runtime.array import Array
from runtime.hlo import Value, tracing
from runtime.mesh import bound
from runtime.tree import register_structure
from runtime.zero import ZERO, Like

UNKNOWN = "(unknown)"   # in place of axes: residuals of a derivative's forward half, which has left its shard_map


def of(x) -> frozenset:
    """Return the axes along which a value, an Array or a number varies."""
    v = x._v if isinstance(x, Array) else x
    known = None if tracing.block is None else tracing.block.module.varying
    return known.get(v.name, frozenset()) if known and type(v) is Value else frozenset()


def mark(value: Value, axes) -> Value:
    """Say along which axes a value varies; return it."""
    known = value.block.module.varying
    if known is not None:
        known[value.name] = frozenset(axes)
    return value


def spread(known: dict, name: str, operands, regions, results) -> None:
    """Note what the results of an operation vary along: what its operands do, and for control flow what its regions return."""
    union = frozenset().union(*[known.get(o.name, ()) for o in operands])
    if name == "stablehlo.while":
        tested = known.get(regions[0].returned[0].name, frozenset())
        own = [known.get(o.name, frozenset()) | known.get(r.name, frozenset()) | tested
               for o, r in zip(operands, regions[1].returned)]
    elif name in ("stablehlo.if", "stablehlo.case"):
        own = [union.union(*[known.get(r.returned[i].name, ()) for r in regions]) for i in range(len(results))]
    else:
        own = [union] * len(results)
    for value, axes in zip(results, own):
        if axes:
            known[value.name] = axes


class Told:
    """An array among residuals, and along which axes it varied where it was computed."""
    __slots__ = ("value", "axes")

    def __init__(self, value, axes: tuple):
        self.value, self.axes = value, axes

    def again(self):
        """Return the array, in the shard_map of the backward half."""
        v = getattr(self.value, "_v", None)
        if type(v) is Value:
            mark(v, self.axes)
        return self.value


register_structure(Told, lambda t: ((t.value,), t.axes), lambda axes, children: Told(*children, axes))


def settled(start: list[Value], build):
    """Call ``build(axes of every variable)`` -> (values after a turn, result) until the axes stay; return the last result."""
    axes = [of(v) for v in start]
    while True:
        after, result = build(axes)
        wider = [a | of(v) for a, v in zip(axes, after)]
        if wider == axes:
            return result
        axes = wider


def names(x) -> tuple | None:
    """Return the axes along which an array, or the array that a token stands for, varies; None for a token that does not say."""
    return x.varying if isinstance(x, Like) else tuple(sorted(of(x), key=str))


def missing(x) -> tuple:
    """Return the axes of the running shard_map along which an array (or what a token stands for) is the same."""
    known = names(x)
    if known is None or UNKNOWN in known:
        raise NotImplementedError("a derivative inside a shard_map needs to know along which axes a value varies that was computed by the "
                                  "forward half of another derivative; pass check_vma=False to shard_map, and sum with psum what "
                                  "the devices contribute")
    return tuple(n for n in bound.checked if n not in known)


def joined(d, like):
    """Return the sum of a cotangent over the devices that hold its value alike."""
    from runtime.ops.collective import psum
    return _each(lambda leaf, axes: psum(leaf, axes), d, like)


def shared(d, like):
    """Return the equal part of a cotangent for each of the devices that hold its value alike."""
    def one(leaf, axes):
        count = 1
        for name in axes:
            count *= bound.names[name].size
        return leaf if count == 1 else leaf / count
    return _each(one, d, like)


def _each(one, d, like):
    from runtime.cotangent import CONTAINERS, _items, _rebuild
    if d is ZERO or d is None or like is None:
        return d
    if isinstance(d, CONTAINERS):
        parts = [like.get(k) for k in d] if isinstance(d, dict) else _items(like)
        return _rebuild(d, [_each(one, x, y) for x, y in zip(_items(d), parts, strict=True)])
    if not hasattr(d, "dtype") and not isinstance(d, (float, complex)) or getattr(d, "dtype", None) is not None and d.dtype.kind not in "fcV":
        return d    # the derivative in an integer
    axes = missing(like)
    return one(d, axes) if axes else d
