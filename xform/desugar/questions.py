"""Questions about objects whose class is known: getattr, hasattr, isinstance, type and len are answered when the code is read.

Before::

    if isinstance(p, Point) and hasattr(p, "x"):
        y = getattr(p, "x") * len(p)

After: ``y = p_x * Point_len(p_x)``.
"""
from __future__ import annotations

import builtins
import functools
import inspect
import math
import operator
import types

import gast

from xform.desugar import contexts, mixed, ndarrays, perhaps
from xform.desugar.classes import whole
from xform.errors import refuse
from xform.resolve import Closure, Instance, Object, Partial, is_static, is_user_class, items_of
from xform.syntax import at, clone, const, negate

BUILTINS = {f: f.__name__ for f in (getattr, hasattr, setattr, isinstance, type, len, vars, bool)}
# Builtins that run over what their first argument's __iter__ gives.
OVER = (list, tuple, sum, enumerate, sorted, any, all)
# Builtins that are calls of a method of the object.
METHODS = {abs: "__abs__", round: "__round__", float: "__float__", int: "__int__", complex: "__complex__", divmod: "__divmod__", reversed: "__reversed__",
           math.floor: "__floor__", math.ceil: "__ceil__", math.trunc: "__trunc__", iter: "__iter__", next: "__next__", **contexts.METHODS}
_COMPARE = {gast.Eq: operator.eq, gast.NotEq: operator.ne, gast.Lt: operator.lt, gast.LtE: operator.le, gast.Gt: operator.gt,
            gast.GtE: operator.ge}


def asked(lowering, node):
    """What a question about an object says: an expression to lower in its place, a compile-time value, or None for others."""
    callee = lowering.known(node.func) if isinstance(node.func, (gast.Name, gast.Attribute)) else None
    value = callee.value if isinstance(callee, Object) else None
    if value is inspect.signature and len(node.args) == 1 and not node.keywords:
        return _signature(lowering.known(node.args[0]))
    which = next((own for one, own in BUILTINS.items() if one is value), None)
    method = next((own for one, own in METHODS.items() if one is value), None)
    over = any(one is value for one in OVER) or (value is max or value is min) and len(node.args) == 1
    if which is None and method is None and not over or not node.args or node.keywords or isinstance(node.args[0], gast.Starred):
        return None
    known = lowering.known(node.args[0])
    if over:
        from xform.desugar.sequences import iterated
        items = iterated(lowering, node.args[0])
        return None if items is node.args[0] else at(gast.Call(node.func, [items, *node.args[1:]], []), node)
    if value is contexts.entered or value is contexts.left:
        if not says(known, method):
            contexts.refuse_other(lowering, node)
        if value is contexts.left:
            contexts.check_left(lowering, known, node)
    if which is None:
        return _method(node, method, node.args[1:]) if says(known, method) else None
    if known is None and which == "isinstance" and len(node.args) == 2:
        found = ndarrays.asked(lowering, node)
        if found is not None:
            return found
        kind = lowering.known(node.args[1])
        if isinstance(kind, Object) and getattr(kind.value, "_xform_apart", False):
            return Object(False)
        kinds = [whole(lowering.known(k)) for k in (node.args[1].elts if isinstance(node.args[1], gast.Tuple) else node.args[1:])]
        of_user = all([isinstance(k, Object) and is_user_class(k.value) for k in kinds])
        return Object(False) if of_user and mixed.is_number(lowering, node.args[0], rebound=True) else None
    if which == "getattr" and isinstance(known, Object) and len(node.args) == 2:
        from xform.desugar.sequences import constant
        attr = constant(lowering, node.args[1])
        return at(gast.Attribute(clone(node.args[0]), attr, gast.Load()), node) if isinstance(attr, str) else None
    if which in ("isinstance", "hasattr") and isinstance(known, Object) and is_static(known) and not isinstance(known.value, builtins.type):
        rest = [lowering.known(a) for a in node.args[1:]]
        return Object(value(known.value, *[r.value for r in rest])) if None not in rest and all(isinstance(r, Object) for r in rest) else None
    return getattr(_Answers, which)(lowering, known, node) if isinstance(known, Instance) else None


def _signature(known):
    """``inspect.signature(f)`` of a function that is known here; None of others."""
    if isinstance(known, Closure) and not any(p.default is not p.empty for p in known.nested.signature().parameters.values()):
        return Object(known.nested.signature())
    if isinstance(known, Partial) and isinstance(known.fn, Object) and callable(known.fn.value) and not known.keywords:
        return Object(inspect.signature(functools.partial(known.fn.value, *[None] * len(known.args))))
    return Object(inspect.signature(known.value)) if isinstance(known, Object) and callable(known.value) else None


class _Answers:
    """One function for each builtin."""

    @staticmethod
    def getattr(lowering, known, node):
        """``getattr(p, "x"[, default])`` with a constant name."""
        attr = name_of(lowering, node)
        if len(node.args) == 3:
            perhaps.refuse_optional(lowering, known, node, "getattr() with a default")
        if len(node.args) == 3 and not has(known, attr):
            return clone(node.args[2])
        return at(gast.Attribute(clone(node.args[0]), attr, gast.Load()), node)

    @staticmethod
    def hasattr(lowering, known, node):
        """``hasattr(p, "x")``."""
        perhaps.refuse_optional(lowering, known, node, "hasattr()")
        return Object(has(known, name_of(lowering, node)))

    @staticmethod
    def setattr(lowering, known, node):
        """A setattr whose result is used."""
        refuse(node, lowering.unit, "the result of setattr() is used", "Write it as a statement of its own.")

    @staticmethod
    def isinstance(lowering, known, node):
        """``isinstance(p, (A, B))``."""
        kinds = node.args[1].elts if len(node.args) == 2 and isinstance(node.args[1], (gast.Tuple, gast.List)) else node.args[1:]
        found = [k.value if isinstance(k, Object) else None for k in map(whole, map(lowering.known, kinds))]
        if not all(isinstance(f, (builtins.type, tuple)) for f in found):
            return None
        is_one = issubclass(known.cls, tuple(found))
        return perhaps.given(known, node) if is_one and perhaps.is_optional(known) else Object(is_one)

    @staticmethod
    def type(lowering, known, node):
        """``type(p)``."""
        perhaps.refuse_optional(lowering, known, node, "type()")
        return Object(known.cls) if len(node.args) == 1 else None

    @staticmethod
    def len(lowering, known, node):
        """``len(p)``."""
        return None if hasattr(known.cls, "_fields") or not hasattr(known.cls, "__len__") else _method(node, "__len__", ())

    @staticmethod
    def vars(lowering, known, node):
        """``vars(p)``."""
        return at(gast.Attribute(clone(node.args[0]), "__dict__", gast.Load()), node)

    @staticmethod
    def bool(lowering, known, node):
        """``bool(p)``."""
        if perhaps.is_optional(known):
            return of_objects(lowering, node.args[0])
        asked = asked_for_truth(known, node.args[0])
        return Object(True) if asked is None else at(gast.Call(node.func, [asked], []), node)


def callee_of(lowering, node):
    """The compile-time value of what is called; of a ``functools.singledispatch`` function what it calls for an object's class."""
    known = lowering.known(node.func)
    dispatch = getattr(known.value, "dispatch", None) if isinstance(known, Object) and hasattr(known.value, "registry") else None
    first = lowering.known(node.args[0]) if dispatch is not None and node.args else None
    return Object(dispatch(first.cls)) if isinstance(first, Instance) else known


def _method(node, method, args):
    """A builtin of an object as the call of its method."""
    return at(gast.Call(at(gast.Attribute(clone(node.args[0]), method, gast.Load()), node), list(args), []), node)


def says(known, method) -> bool:
    """Whether a compile-time value is an object whose class writes a method."""
    return isinstance(known, Instance) and isinstance(getattr(known.cls, method, None), types.FunctionType)


def asked_for_truth(known, node):
    """The call that says whether an object counts as true; None for one that always does."""
    found = next((m for m in ("__bool__", "__len__") if says(known, m)), None)
    return found and at(gast.Call(at(gast.Attribute(clone(node), found, gast.Load()), node), [], []), node)


def identity(lowering, node):
    """``type(p) is A``, ``A is B`` and ``p is None`` for what is known here, as an atom; None for another comparison."""
    known = lowering.known(node.left) if isinstance(node.ops[0], (gast.Is, gast.IsNot)) and _is_none(node.comparators[0]) else None
    if perhaps.is_optional(known):
        there = perhaps.given(known, node)
        return there if isinstance(node.ops[0], gast.IsNot) else negate(there, node)
    if isinstance(node.ops[0], (gast.Is, gast.IsNot)) and _is_none(node.comparators[0]) and _is_something(lowering, node.left):
        return const(isinstance(node.ops[0], gast.IsNot), node)
    if isinstance(node.ops[0], (gast.Is, gast.IsNot)) and _is_none(node.comparators[0]) and mixed.is_number(lowering, node.left):
        return const(isinstance(node.ops[0], gast.IsNot), node)
    if not isinstance(node.ops[0], (gast.Is, gast.IsNot, gast.Eq, gast.NotEq)):
        return None
    sides = [whole(lowering.known(side)) for side in (node.left, *node.comparators)]
    classes = [s.value if isinstance(s, Object) and isinstance(s.value, type) else None for s in sides]
    negative = isinstance(node.ops[0], (gast.IsNot, gast.NotEq))
    if None not in classes:
        return const((classes[0] is classes[1]) != negative, node)
    # what the code takes apart where it is one of these is data where its class is not known
    if any(getattr(c, "_xform_apart", False) and _asks_type(lowering, other) for c, other in zip(
            classes, (node.comparators[0], node.left))):
        return const(negative, node)
    return None


def _is_none(node):
    return isinstance(node, gast.Constant) and node.value is None


def _is_something(lowering, node):
    """Whether an expression is a function or an object, and so is not None."""
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute)) else None
    return known is not None and not perhaps.is_optional(known) and (not isinstance(known, Object) or known.value is not None and is_static(known))


def _asks_type(lowering, node):
    callee = lowering.known(node.func) if isinstance(node, gast.Call) and len(node.args) == 1 else None
    return isinstance(callee, Object) and callee.value is type and lowering.known(node.args[0]) is None


def name_of(lowering, node):
    """The name that ``getattr(p, "x")`` and its like ask for."""
    from xform.desugar.sequences import constant
    found = constant(lowering, node.args[1]) if len(node.args) > 1 else None
    if not isinstance(found, str):
        refuse(node, lowering.unit, "the name of an attribute is not known when the code is transformed",
               "Write the name as a literal, or keep the values in a dict.")
    return found


def of_objects(lowering, node):
    """A condition with what objects in it say of their truth: ``if p and x > 0`` with ``p.__bool__()``."""
    if isinstance(node, gast.BoolOp):
        return at(gast.BoolOp(node.op, [of_objects(lowering, v) for v in node.values]), node)
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.Not):
        return at(gast.UnaryOp(node.op, of_objects(lowering, node.operand)), node)
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute, gast.Subscript)) else None
    if not isinstance(known, Instance) or hasattr(known.cls, "_fields"):
        return node
    asked = asked_for_truth(known, node)
    if perhaps.is_optional(known):
        return perhaps.given(known, node) if asked is None else at(gast.BoolOp(gast.And(), [perhaps.given(known, node), asked]), node)
    return asked or const(True, node)


def side(lowering, node):
    """What ``p and p.left``, ``p or default`` give where ``p`` is an object that counts as true, or None; else None."""
    first = node.values[0]
    known = lowering.known(first) if isinstance(first, (gast.Name, gast.Attribute)) else None
    true = isinstance(known, Instance) and not perhaps.is_optional(known) and not hasattr(known.cls, "_fields") and asked_for_truth(known, first) is None
    if not true and not (_is_none(first) or isinstance(known, Object) and known.value is None):
        return None
    if true == isinstance(node.op, gast.Or):
        return first
    return node.values[1] if len(node.values) == 2 else at(gast.BoolOp(node.op, node.values[1:]), node)


def decided(lowering, node):
    """The value of a condition where it is known when the code is read, of ``isinstance(p, A)`` and ``p is None`` too; else None."""
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.Not):
        inner = decided(lowering, node.operand)
        return None if inner is None else not inner
    if isinstance(node, gast.Compare) and len(node.ops) == 1:
        found = identity(lowering, node)
        return found.value if isinstance(found, gast.Constant) else truth(lowering, node) if found is None else None
    known = lowering.known(node) if isinstance(node, gast.Call) else None
    return known.value if isinstance(known, Object) and isinstance(known.value, bool) else truth(lowering, node)


def truth(lowering, node):
    """Whether a list, tuple or dict that is known here has items; None for any other expression."""
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.Not):
        inner = truth(lowering, node.operand)
        return None if inner is None else not inner
    if isinstance(node, gast.BoolOp):
        found, stops = [], isinstance(node.op, gast.Or)
        for value in node.values:
            found.append(truth(lowering, value))
            if found[-1] is None or found[-1] == stops:
                return found[-1]
        return found[-1]
    if isinstance(node, gast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (gast.In, gast.NotIn)):
        return _is_key(lowering, node)
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute)) else None
    found = None if known is None else items_of(known)
    return None if found is None or isinstance(known, Instance) else bool(found[0])


def _is_key(lowering, node):
    from xform.desugar.sequences import constant
    known = lowering.known(node.comparators[0]) if isinstance(node.comparators[0], (gast.Name, gast.Attribute)) else None
    key = constant(lowering, node.left)
    if isinstance(known, Object) and isinstance(known.value, types.MappingProxyType) and key is not None:
        return (key in known.value) == isinstance(node.ops[0], gast.In)
    found = None if known is None else items_of(known)
    if found is None or found[1] is None or key is None:
        return None
    return (key in found[1]) == isinstance(node.ops[0], gast.In)


def has(known, attr) -> bool:
    """Whether an object has an attribute."""
    return attr in known.fields or hasattr(known.cls, attr)


def set_attribute(lowering, node):
    """``setattr(p, "x", v)`` as a statement: the assignment that it is; None for other calls."""
    callee = lowering.known(node.func) if isinstance(node.func, gast.Name) else None
    if not isinstance(callee, Object) or callee.value is not builtins.setattr or len(node.args) != 3 or not isinstance(
            lowering.known(node.args[0]), Instance):
        return None
    target = at(gast.Attribute(clone(node.args[0]), name_of(lowering, node), gast.Store()), node)
    return at(gast.Assign([target], node.args[2], None), node)


def compared(node, left, right):
    """The value of a comparison of constants, as a constant; None for any other."""
    if not isinstance(left, gast.Constant) or not isinstance(right, gast.Constant):
        return None
    one, other, by = left.value, right.value, type(node.ops[0])
    if by in (gast.Is, gast.IsNot) and (one is None or other is None or type(one) is type(other) is bool):
        return const((one is other) == (by is gast.Is), node)
    if type(one) is not type(other) or type(one) not in (str, bool, int):
        return None
    return const(_COMPARE[by](one, other), node) if by in _COMPARE else None


def is_cached(found) -> bool:
    """Whether a class attribute is a cached property: what it computes is the same each time."""
    return isinstance(found, functools.cached_property)
