"""The shape of a function's result, where it follows from the shapes of its arguments without running anything.

A shape is a tuple of sizes, a list of shapes for a tuple, BOTTOM (no definition seen yet) or None (unknown). Only what is certain counts: an
operation that the table below does not know has an unknown result. ``grad`` uses it to refuse a function whose result cannot be a scalar.
"""
from __future__ import annotations

import types

import gast
import numpy

from xform.analyze.ranks import FLATTENING, LIKE_FIRST, REDUCTIONS
from xform.operations import Copy, Pack, RuleCall, UnitCall, atoms_of, classify
from xform.pipeline import core
from xform.syntax import reads

BOTTOM = "bottom"
VIEWS = {"getitem": lambda x, index: x[index], "transpose": numpy.transpose, "swapaxes": numpy.swapaxes,
         "expand_dims": numpy.expand_dims, "squeeze": numpy.squeeze}
_running: set = set()


def result_shape(unit, shapes):
    """The shape of what ``unit`` returns for arguments of these shapes."""
    if unit.boundary is not None:
        if unit.boundary.kind != "jit":
            return None
        unit = unit.boundary.inner
    unit = core(unit)
    if unit in _running or unit.result is not None:     # recursion
        return None
    _running.add(unit)
    try:
        return _settle(unit, dict(zip(unit.params, shapes)))
    finally:
        _running.discard(unit)


def _settle(unit, params):
    """Join the shapes of all definitions of the names that the result needs, until nothing changes."""
    definitions, opaque = _definitions(unit.tree.body)
    returned = unit.tree.body[-1].value
    needed, wanted = [], [returned.id] if isinstance(returned, gast.Name) else []
    while wanted:
        found = wanted.pop()
        if found in needed or found not in definitions:
            continue
        needed.append(found)
        for value in definitions[found]:
            wanted += [node.id for node in gast.walk(value) if isinstance(node, gast.Name)]
    known = {found: BOTTOM for found in definitions}
    known.update(dict.fromkeys(opaque))
    for free in {n for found in needed for value in definitions[found] for n in reads(value)} - set(known):
        known[free] = _outer_shape(unit, free)
    for param, shape in params.items():
        known[param] = shape
    operations = {found: [classify(value, unit) for value in definitions[found]] for found in needed}
    for _ in range(len(needed) + 2):
        changed = False
        for found in reversed(needed):
            for operation in operations[found]:
                new = _join(known[found], _of_operation(operation, known))
                changed, known[found] = changed or new != known[found], new
        if not changed:
            result = _of_atom(returned, known)
            return None if result is BOTTOM else result
    return None


def _outer_shape(unit, free):
    """The shape of an array or number outside the function, as it is now."""
    value, (where, key) = unit.env.get(free), unit.reads.get(free, (None, None))
    if isinstance(where, dict):
        value = where.get(key, value)
    elif isinstance(where, types.FunctionType) and key in where.__code__.co_freevars:
        value = where.__closure__[where.__code__.co_freevars.index(key)].cell_contents
    if isinstance(value, (bool, int, float, complex)):
        return ()
    shape = getattr(value, "shape", None)
    return shape if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape) else None


def _definitions(statements):
    """(single-name definitions, names that are unpacked or iterated)."""
    found, opaque = {}, set()
    for statement in statements:
        for node in gast.walk(statement):
            if isinstance(node, gast.Assign) and isinstance(node.targets[0], gast.Name):
                found.setdefault(node.targets[0].id, []).append(node.value)
            elif isinstance(node, gast.Assign):
                opaque |= {target.id for target in node.targets[0].elts}
            elif isinstance(node, gast.For):
                opaque.add(node.target.id)
    return found, opaque


def _join(a, b):
    if a is BOTTOM or a == b:
        return b
    if b is BOTTOM:
        return a
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [_join(x, y) for x, y in zip(a, b)]
    return None


def _of_atom(atom, known):
    if isinstance(atom, gast.Constant):
        return () if isinstance(atom.value, (bool, int, float, complex)) else None
    return known.get(atom.id) if isinstance(atom, gast.Name) else None


def _of_operation(operation, known):
    if isinstance(operation, Copy):
        return _of_atom(operation.atom, known)
    if isinstance(operation, Pack):
        plain = isinstance(operation.node, gast.Tuple) and not any(isinstance(i, gast.Starred) for i in operation.items)
        return [_of_atom(i, known) for i in operation.items] if plain else None
    if isinstance(operation, UnitCall):
        shapes = [_of_atom(a, known) for a in operation.args]
        if any(s is BOTTOM for s in shapes):
            return BOTTOM
        return result_shape(operation.unit, shapes) if any(isinstance(s, tuple) for s in shapes) and operation.readable else None
    if not isinstance(operation, RuleCall):
        return None
    return _of_rule(operation, known)


def _of_rule(operation, known):
    rule, args = operation.rule, operation.args
    shapes = [_of_atom(a, known) for a in atoms_of(operation)]
    if any(s is BOTTOM for s in shapes):
        return BOTTOM
    if rule.elementwise:
        return _broadcast([_of_atom(a, known) for p, a in args.items() if p != "dtype" and not isinstance(a, list)])
    if rule.name in ("instantiate", "filled"):
        return _of_atom(args["like"], known)
    if rule.name in LIKE_FIRST and (rule.name not in FLATTENING or _integer(args.get("axis"))):
        return shapes[0]
    if rule.name in REDUCTIONS:
        return _reduced(shapes[0], args.get("axis"), args.get("keepdims"))
    if rule.name in ("matmul", "dot") and all(isinstance(s, tuple) for s in shapes[:2]):
        alike = rule.name == "matmul" or max(map(len, shapes[:2])) <= 2     # dot pairs the axes of larger operands otherwise
        return _product(*shapes[:2]) if alike else None
    if rule.name in VIEWS and isinstance(shapes[0], tuple):
        return _view(rule.name, shapes[0], list(args.values())[1:])
    return None


def _view(kind, shape, rest):
    """The shape of an index or a permutation of axes with literal operands, as NumPy finds it on a view of a single number."""
    try:
        literals = [_literal(a) for a in rest]
        return VIEWS[kind](numpy.broadcast_to(numpy.float32(0), shape), *literals).shape
    except (IndexError, TypeError, ValueError):     # known only when it runs, or wrong: then running it says so
        return None


def _literal(node):
    """The value of a literal index: numbers, None, slices and tuples of these; ValueError for anything else."""
    if isinstance(node, gast.Constant):
        return node.value
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.USub):
        return -_literal(node.operand)
    if isinstance(node, gast.Tuple):
        return tuple(map(_literal, node.elts))
    if isinstance(node, gast.Call) and getattr(node.func, "id", None) == "slice":
        return slice(*map(_literal, node.args))
    raise ValueError("not a literal")


def _integer(atom):
    return isinstance(atom, gast.Constant) and isinstance(atom.value, int)


def _broadcast(shapes):
    if not all(isinstance(s, tuple) for s in shapes):
        return None
    try:
        return numpy.broadcast_shapes(*shapes)
    except ValueError:      # running it says which operands do not fit
        return None


def _reduced(shape, axis, keepdims):
    constants = all(a is None or isinstance(a, gast.Constant) for a in (axis, keepdims))
    if not isinstance(shape, tuple) or not constants:
        return None
    axis, keep = axis and axis.value, keepdims is not None and keepdims.value
    if axis is None:
        return (1,) * len(shape) if keep else ()
    if not isinstance(axis, int) or not -len(shape) <= axis < len(shape):
        return None
    axis %= len(shape)
    return shape[:axis] + ((1,) if keep else ()) + shape[axis + 1:]


def _product(a, b):
    if not a or not b:
        return None
    left, right = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    try:
        batch = numpy.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        return None
    return batch + ((left[-2],) if len(a) > 1 else ()) + ((right[-1],) if len(b) > 1 else ())
