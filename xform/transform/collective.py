"""Collectives over the axis that vmap batches: they become reductions and permutations of axis 0.

Before: ``lax.psum(x, 'i')`` under ``vmap(..., axis_name='i')``.   After: ``np.sum(x, axis=0)``.
"""
from __future__ import annotations

import gast

from xform.analyze.batched import is_batched
from xform.errors import refuse
from xform.syntax import call, clone, const, dotted, expression

# collective -> (expression over x, whether the result carries the batch)
TABLE = {"psum": ("np.sum(x, axis=0)", False), "pmean": ("np.mean(x, axis=0)", False), "pmax": ("np.max(x, axis=0)", False),
         "pmin": ("np.min(x, axis=0)", False)}
# these treat every element alike: a batch of operands is one operand
REDUCTIONS = frozenset({"psum", "pmean", "pmax", "pmin"})


def batched_collective(run, operation, statement):
    """(expression, flag) for a collective over the batched axis; None for anything else."""
    args, rule = operation.args, operation.rule.name
    names = _names(run, args.get("axis_name"))
    if names is None or run.axis_name not in names:
        return None
    if not _none(args.get("axis_index_groups")):
        refuse(statement, run.unit, f"{rule} with axis_index_groups over the axis {run.axis_name!r} that vmap batches is not supported",
               "Map two axes, one for the groups and one inside of them.")
    others = tuple([n for n in names if n != run.axis_name])
    if others and rule in ("axis_index", "axis_size"):
        return _of_several(run, rule, names, statement)
    if others and rule not in REDUCTIONS:
        return None
    if rule == "axis_index":
        return call("np.arange", [run.size()], node=statement), True
    if rule == "axis_size":
        return run.size(), False
    x = args.get("x")
    if others:      # over the other axes first
        if not is_batched(run.flags.of(x)):
            inner = call(f"lax.{rule}", [clone(x), _axis(others, statement)], node=statement)
            return _of_shared(run, rule, inner, statement), False
        inner = call(f"lax.{rule}", [run.coerced(x, True, statement), _axis(others, statement)], node=statement)
        if _is_array(run, x):
            return _filled(TABLE[rule][0], inner, statement), False
        return call(f"rt.{rule.removeprefix('p')}_batch", [inner], node=statement), False
    if rule in _MOVED:
        return _MOVED[rule](run.coerced(x, True, statement), args, statement)
    if rule not in TABLE:
        return None
    if rule in REDUCTIONS and not is_batched(run.flags.of(x)):
        return _of_shared(run, rule, clone(x), statement), False
    text, flag = TABLE[rule]
    if not _is_array(run, x):
        return call(f"rt.{rule.removeprefix('p')}_batch", [run.coerced(x, True, statement)], node=statement), flag
    return _filled(text, run.coerced(x, True, statement), statement), flag


def _is_array(run, x):
    """Whether a value is known to be one array, not a container of arrays."""
    if isinstance(run.ranks.of(x), int):
        return True
    found = [s.value for s in run.unit.tree.body if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)
             and isinstance(x, gast.Name) and s.targets[0].id == x.id]
    return len(found) == 1 and (isinstance(found[0], (gast.BinOp, gast.UnaryOp)) or isinstance(found[0], gast.Call) and (
        dotted(found[0].func) or "").startswith("np."))


def over_another_axis(run, operation, node):
    """(call, flag) of a reduction over an axis that is not batched here, of one batched array; None for anything else."""
    x, names = operation.args.get("x"), _names(run, operation.args.get("axis_name"))
    rule = operation.rule.name
    if rule not in REDUCTIONS and rule not in _AXES or names is None or run.axis_name in names or run.flags.of(x) is not True:
        return None
    if rule in REDUCTIONS:
        return clone(node), True
    places = {name: operation.args.get(name, const(0)) for name in _AXES[rule]}
    if not all(isinstance(place, gast.Constant) and isinstance(place.value, int) for place in places.values()):
        return None
    moved = {name: const(place.value + (place.value >= 0)) for name, place in places.items()}
    others = {name: clone(atom) for name, atom in operation.args.items() if name not in (*moved, "x", "axis_name")}
    return call(f"lax.{rule}", [clone(x), clone(operation.args["axis_name"])], {**moved, **others}, node), True


def _names(run, axis):
    """The names of axes that an atom stands for: a constant, or a tuple of constants that was given a name."""
    if isinstance(axis, gast.Name):
        found = [s.value for s in run.unit.tree.body if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)
                 and s.targets[0].id == axis.id]
        axis = found[0] if len(found) == 1 and axis.id in run.unit.temps else None
    if isinstance(axis, gast.Constant):
        return axis.value if isinstance(axis.value, tuple) else (axis.value,)
    if isinstance(axis, (gast.Tuple, gast.List)) and all(isinstance(e, gast.Constant) for e in axis.elts):
        return tuple([e.value for e in axis.elts])
    return None


def _axis(names, statement):
    names = [const(n, statement) for n in names]
    return names[0] if len(names) == 1 else gast.copy_location(gast.Tuple(names, gast.Load()), statement)


def _none(atom):
    return atom is None or isinstance(atom, gast.Constant) and atom.value is None


def _true(atom):
    return isinstance(atom, gast.Constant) and atom.value is not None and bool(atom.value)


def _false(atom):
    return _none(atom) or isinstance(atom, gast.Constant) and not atom.value


def _of_shared(run, rule, x, statement):
    """A reduction of what all examples share."""
    return gast.copy_location(gast.BinOp(x, gast.Mult(), run.size()), statement) if rule == "psum" else x


def _filled(text, x, statement):
    class Put(gast.NodeTransformer):
        def visit_Name(self, node):
            return x if node.id == "x" else node
    return Put().visit(expression(text, statement))


def _permuted(x, args, statement):
    return call("rt.permute_batch", [x, clone(args["perm"])], node=statement), True


def _gathered(x, args, statement):
    axis, tiled = args.get("axis"), args.get("tiled")
    if _none(tiled) or isinstance(tiled, gast.Constant) and not tiled.value:
        at_front = _none(axis) or isinstance(axis, gast.Constant) and axis.value == 0
        return x if at_front else call("np.moveaxis", [x, const(0), clone(axis)], node=statement), False
    return call("np.concatenate", [x], {"axis": const(0) if _none(axis) else clone(axis)}, statement), False


def _exchanged(x, args, statement):
    split, joined, tiled = args["split_axis"], args["concat_axis"], args.get("tiled")
    plain = all(isinstance(a, gast.Constant) and isinstance(a.value, int) and a.value >= 0 for a in (split, joined))
    if _true(tiled):
        return call("rt.exchange_batch", [x, clone(split), clone(joined)], node=statement), True
    if not plain or not _false(tiled):
        return None
    front = call("np.moveaxis", [x, const(split.value + 1), const(0)], node=statement)
    return call("np.moveaxis", [front, const(1), const(joined.value + 1)], node=statement), True


def _swapped(x, args, statement):
    return _exchanged(x, {"split_axis": args["axis"], "concat_axis": args["axis"]}, statement)


def _shuffled(x, args, statement):
    return call("rt.permute_batch", [x, call("rt.pairs_of", [clone(args["perm"])], node=statement)], node=statement), True


def _scattered(x, args, statement):
    dimension, tiled = args.get("scatter_dimension"), args.get("tiled")
    if _true(tiled):
        return call("rt.scatter_batch", [x, const(0) if _none(dimension) else clone(dimension)], node=statement), True
    if not _false(tiled):
        return None
    total = call("np.sum", [x], {"axis": const(0)}, statement)
    return call("np.moveaxis", [total, const(0) if _none(dimension) else clone(dimension), const(0)], node=statement), True


def _from_one(x, args, statement):
    return call("np.take", [x, clone(args["source"])], {"axis": const(0)}, statement), False


def _of_several(run, rule, names, statement):
    """The index, or the number of places, along several axes of which one is batched."""
    place = names.index(run.axis_name)
    before, after = names[:place], names[place + 1:]

    def other(function, names):
        return call(f"lax.{function}", [_axis(names, statement)], node=statement)

    def joined(kind, left, right):
        return gast.copy_location(gast.BinOp(left, kind, right), statement)
    if rule == "axis_size":
        return joined(gast.Mult(), run.size(), other(rule, before + after)), False
    made = call("np.arange", [run.size()], node=statement)
    if before:
        made = joined(gast.Add(), joined(gast.Mult(), other(rule, before), run.size()), made)
    if after:
        made = joined(gast.Add(), joined(gast.Mult(), made, other("axis_size", after)), other(rule, after))
    return made, True


_MOVED = {"ppermute": _permuted, "all_gather": _gathered, "all_to_all": _exchanged, "pswapaxes": _swapped, "pshuffle": _shuffled,
          "psum_scatter": _scattered, "pbroadcast": _from_one}

# the axes, of an array without the batch, that these name
_AXES = {"ppermute": (), "pshuffle": (), "pbroadcast": (), "all_gather": ("axis",), "all_to_all": ("split_axis", "concat_axis"),
         "pswapaxes": ("axis",), "psum_scatter": ("scatter_dimension",)}

__all__ = ["batched_collective", "const", "over_another_axis"]
