"""Meshes, shardings and devices that a function makes itself and gives to a transformation as options.

Before::

    devs = numpy.array(devices()[:4]).reshape(2, 2)
    mesh = Mesh(devs, ("a", "b"))
    y = shard_map(f, mesh=mesh, in_specs=P("a"), out_specs=P("a"))(x)

After: ``f`` mapped over that mesh; what made it stays where it is, for those who read it as data.
"""
from __future__ import annotations

import builtins
import operator
import types

import gast
import numpy

from runtime import device, make_mesh
from runtime.sharding import Mesh
from xform import parse
from xform.desugar.spread import changed_containers
from xform.errors import SourceError
from xform.library import is_runtime
from xform.resolve import Object, attribute, is_plain
from xform.syntax import at, call, dotted, expression, reference

UNKNOWN = object()      # what only the running program knows
_MAKERS = (make_mesh, Mesh, device.devices, device.local_devices, device.device_count, device.local_device_count, numpy.array,
           numpy.asarray, numpy.reshape, numpy.arange, builtins.len, builtins.list, builtins.tuple, builtins.sorted)
_TITLES = {"rt.make_mesh": "mesh", "rt.devices_by_id": "devices"}
_METHODS = frozenset({"reshape", "flatten", "ravel", "transpose", "update"})
_ATTRIBUTES = frozenset({"T", "shape", "size", "ndim", "devices", "axis_names", "axis_sizes", "id", "mesh", "spec"})
_OPERATORS = {gast.Add: operator.add, gast.Sub: operator.sub, gast.Mult: operator.mul, gast.FloorDiv: operator.floordiv, gast.Mod: operator.mod}


def note(lowering, node):
    """Remember what a local is bound to once, as an expression."""
    target = node.targets[0]
    if isinstance(node.value, (gast.Call, gast.Subscript, gast.BinOp, gast.Attribute, gast.Tuple, gast.List)) and lowering.counts.get(
            target.id, 2) == 1 and not getattr(lowering.scope, "generated", False) and target.id not in changed_containers(lowering):
        lowering.__dict__.setdefault("written", {})[target.id] = node.value


def made(lowering, callee, node):
    """The compile-time value of a call that makes a mesh, a spec or a sharding, whatever the arguments are; None for anything else."""
    if not isinstance(callee, Object) or not (callee.value in (Mesh, make_mesh) if isinstance(callee.value, (type, types.FunctionType)) else False) \
            and not getattr(callee.value, "_xform_constant", False) or getattr(lowering.scope, "generated", False):
        return None
    found = constant(lowering, node)
    return Object(found) if is_layout(found) else None


def is_layout(value) -> bool:
    """Whether a value says how arrays lie: a mesh of devices, a spec or a sharding; one that has a text."""
    return (isinstance(value, Mesh) and not value.empty or getattr(type(value), "_xform_constant", False)) and hasattr(value, "__xform_text__")


def is_made(known) -> bool:
    """Whether a compile-time value is one that the function makes, rather than a global."""
    return isinstance(known, Object) and known.where is None and is_layout(known.value)


def written_out(lowering, value, node):
    """Such a value where a run-time value is wanted: a call that makes it, as ``rt.make_mesh((8,), ('i',))``."""
    from xform.emit import option_text

    def lowered(part):
        if isinstance(part, gast.Call):
            return call(dotted(part.func), [atom(a) for a in part.args], {k.arg: atom(k.value) for k in part.keywords}, node)
        if isinstance(part, gast.Subscript):
            return at(gast.Subscript(atom(part.value), part.slice, gast.Load()), node)
        if isinstance(part, (gast.Tuple, gast.List)):
            return at(type(part)([atom(e) for e in part.elts], gast.Load()), node)
        return reference(dotted(part), node) if isinstance(part, gast.Attribute) else lowering.value(part)

    def atom(part):
        found = lowered(part)
        if isinstance(found, (gast.Name, gast.Constant, gast.Attribute)):
            return found
        return lowering.store_temp(found, _TITLES.get(dotted(found.func), "spec") if isinstance(found, gast.Call) else "axes", node)
    return lowered(expression(option_text(value), node))


def constant(lowering, node):
    """The mesh, sharding, device or number that an expression is, whatever the arguments are; else ``UNKNOWN``."""
    if isinstance(node, gast.Constant):
        return node.value
    if isinstance(node, (gast.Tuple, gast.List)):
        items = [constant(lowering, e) for e in node.elts]
        return UNKNOWN if any(i is UNKNOWN for i in items) else tuple(items) if isinstance(node, gast.Tuple) else items
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.USub):
        operand = constant(lowering, node.operand)
        return -operand if isinstance(operand, int) else UNKNOWN
    if isinstance(node, gast.BinOp) and type(node.op) in _OPERATORS:
        sides = constant(lowering, node.left), constant(lowering, node.right)
        return _OPERATORS[type(node.op)](*sides) if all(isinstance(s, int) for s in sides) else UNKNOWN
    if isinstance(node, gast.Slice):
        parts = [None if p is None else constant(lowering, p) for p in (node.lower, node.upper, node.step)]
        return UNKNOWN if any(p is UNKNOWN for p in parts) else slice(*parts)
    if isinstance(node, gast.Name):
        return _named(lowering, node)
    if isinstance(node, gast.Call):
        return _called(lowering, node)
    if isinstance(node, (gast.Attribute, gast.Subscript)):
        base = constant(lowering, node.value)
        if _is_followed(base) and isinstance(node, gast.Subscript):
            index = constant(lowering, node.slice)
            return UNKNOWN if index is UNKNOWN else base[index]
        if _is_followed(base) and node.attr in _ATTRIBUTES and hasattr(base, node.attr):
            return getattr(base, node.attr)
        known = lowering.known(node) if isinstance(node, gast.Attribute) else None
        return known.value if isinstance(known, Object) and _is_followed(known.value) else UNKNOWN
    return UNKNOWN


def _is_followed(value):
    """Whether a value is one of those that are followed: devices, arrays of them, meshes, specs, numbers, names of axes."""
    return value is not UNKNOWN and (is_plain(value) or isinstance(value, (Mesh, numpy.ndarray)) or hasattr(value, "local_hardware_id")
                                     or getattr(type(value), "_xform_constant", False) or hasattr(value, "_member_map_")
                                     or isinstance(value, (list, tuple)) and all(map(_is_followed, value)))


def _named(lowering, node):
    from xform.desugar.functions import NestedScope
    while True:
        if node.id in lowering.statics or node.id not in lowering.counts and not isinstance(lowering.scope, NestedScope):
            known = lowering.known(node)
            return known.value if isinstance(known, Object) and _is_followed(known.value) else UNKNOWN
        if node.id in lowering.counts:
            written = lowering.__dict__.get("written", {}).get(node.id)
            return UNKNOWN if written is None else constant(lowering, written)
        lowering = lowering.scope.parent


def _called(lowering, node):
    args = [a for each in node.args for a in _arguments(lowering, each)]
    keywords = {k.arg: constant(lowering, k.value) for k in node.keywords}
    if any(value is UNKNOWN for value in (*args, *keywords.values())) or None in keywords:
        return UNKNOWN
    if isinstance(node.func, gast.Attribute) and node.func.attr in _METHODS:
        base = constant(lowering, node.func.value)
        if isinstance(base, (numpy.ndarray, Mesh)) and hasattr(base, node.func.attr):
            return getattr(base, node.func.attr)(*args, **keywords)
    callee = lowering.known(node.func)
    made = callee.value if isinstance(callee, Object) else None
    if any(made is one for one in _MAKERS) or getattr(made, "_xform_constant", False):
        return made(*args, **keywords)
    return _returned(made, args, keywords) if isinstance(made, types.FunctionType) and not is_runtime(made) else UNKNOWN


def _arguments(lowering, node):
    if isinstance(node, gast.Starred):
        items = constant(lowering, node.value)
        return items if isinstance(items, (list, tuple)) else [UNKNOWN]
    known = lowering.known(node) if isinstance(node, gast.Name) else None
    module = isinstance(known, Object) and isinstance(known.value, types.ModuleType)
    return [known.value if module else constant(lowering, node)]


class _Reader:
    """What reading a user's function, of arguments that are known, needs of a lowering."""

    def __init__(self, function, given):
        from xform.desugar.functions import GlobalScope
        self.scope, self.counts, self.written = GlobalScope(function), {}, {}
        self.statics = {p: Object(value) for p, value in given.items()}

    def known(self, node):
        if isinstance(node, gast.Name):
            found = self.statics.get(node.id) or self.scope.find(node.id, node)
            return found if isinstance(found, Object) else None
        if isinstance(node, gast.Attribute):
            base = self.known(node.value)
            return None if base is None else attribute(base, node.attr)
        return None


_reading: list = []


def _returned(function, args, keywords):
    """What a function of a few assignments and a return gives for arguments that are known."""
    try:
        tree, given = parse.parse(function).tree, parse.signature(function).bind(*args, **keywords)
    except (SourceError, TypeError):
        return UNKNOWN
    given.apply_defaults()
    reader, body = _Reader(function, given.arguments), [s for s in tree.body if not isinstance(s, gast.Expr) or not isinstance(s.value, gast.Constant)]
    if function in _reading or not body or not isinstance(body[-1], gast.Return) or body[-1].value is None:
        return UNKNOWN
    _reading.append(function)
    try:
        for statement in body[:-1]:
            if not isinstance(statement, gast.Assign) or len(statement.targets) > 1 or not isinstance(statement.targets[0], gast.Name):
                return UNKNOWN
            value = constant(reader, statement.value)
            if value is UNKNOWN:
                return UNKNOWN
            reader.statics[statement.targets[0].id] = Object(value)
        return constant(reader, body[-1].value)
    finally:
        _reading.pop()
