"""Objects made inside a transformed function: their attributes become locals, their methods units over these.

Before::

    p = Point(x, 2.0)
    p.scale(3.0)            # self.a = self.a * by
    y = p.norm()

After::

    a = x
    b = 2.0
    a = Point_scale(a, b, 3.0)
    y = Point_norm(a, b)
"""
from __future__ import annotations

import dataclasses
import inspect
import types

import gast

from xform import resolve
from xform.desugar import anew, perhaps, spread
from xform.desugar.classes import captured_by
from xform.desugar.questions import is_cached
from xform.errors import refuse
from xform.library import brackets, lookup
from xform.resolve import Display, Instance, Object, Partial, Super
from xform.syntax import at, call, clone, const, name

OPERATORS = {gast.Add: "add", gast.Sub: "sub", gast.Mult: "mul", gast.Div: "truediv", gast.Pow: "pow", gast.MatMult: "matmul",
             gast.FloorDiv: "floordiv", gast.Mod: "mod", gast.BitAnd: "and", gast.BitOr: "or", gast.BitXor: "xor",
             gast.LShift: "lshift", gast.RShift: "rshift"}
COMPARISONS = {gast.Lt: "__lt__", gast.LtE: "__le__", gast.Gt: "__gt__", gast.GtE: "__ge__", gast.Eq: "__eq__", gast.NotEq: "__ne__"}
SWAPPED = {"__lt__": "__gt__", "__gt__": "__lt__", "__le__": "__ge__", "__ge__": "__le__", "__eq__": "__eq__", "__ne__": "__ne__"}
SIGNS = {gast.USub: "__neg__", gast.UAdd: "__pos__", gast.Invert: "__invert__"}


def make(lowering, cls, node, captured=None):
    """The compile-time value of ``cls(...)``; captured: attributes that it has from the start."""
    from xform.desugar.calls import arguments
    return made_with(lowering, cls, *arguments(lowering, spread.for_callee(lowering, Object(cls), node)), node, captured)


def replaced(lowering, known, keywords, node):
    """The compile-time value of ``dataclasses.replace(p, ...)`` or ``p._replace(...)``."""
    if hasattr(known.cls, "_fields"):
        made = Instance(known.cls, {})
        _bound(lowering, made, [], {**known.fields, **keywords}, node)
        made.written.clear()
        return made
    if not dataclasses.is_dataclass(known.cls):
        refuse(node, lowering.unit, f"replace() needs a dataclass, not an object of class {known.cls.__name__}",
               "Call the class with the new attributes.")
    for field in dataclasses.fields(known.cls):
        if not field.init and field.name in keywords:
            refuse(node, lowering.unit, f"field {field.name} is declared with init=False, it cannot be specified with replace()")
    kept = {f.name: known.fields[f.name] for f in dataclasses.fields(known.cls) if f.init and f.name in known.fields}
    return made_with(lowering, known.cls, [], {**kept, **keywords}, node)


def duplicate(lowering, known, node, deep, objects=None):
    """The compile-time value of ``copy.copy(p)``, or with ``deep`` of ``copy.deepcopy(p)``; objects: those with a copy, and it."""
    objects = {} if objects is None else objects
    if known in objects:
        return objects[known]
    own = next((m for m in ("__copy__", "__deepcopy__", "__reduce__", "__reduce_ex__") if getattr(known.cls, m, None) not in (
        None, getattr(object, m, None))), None)
    if own is not None and not hasattr(known.cls, "_fields"):
        refuse(node, lowering.unit, f"copies of {known.cls.__name__} objects are made by its {own}, which is not read",
               "Call the class with the attributes of the other object.")
    made = objects[known] = Instance(known.cls, {})
    made.birth = lowering.depth
    for attr, value in known.fields.items():
        if isinstance(value, Instance) and deep:
            value = duplicate(lowering, value, node, deep, objects)
        elif isinstance(value, gast.AST):
            value = call(f"rt.builtins.{'deepcopy' if deep else 'copy'}", [clone(value)], node=node) if deep else clone(value)
        store(lowering, made, attr, value, node, attr)
    made.written.clear()
    return made


def made_with(lowering, cls, args, keywords, node, captured=None):
    """The compile-time value of a class called with these arguments."""
    from xform.desugar.calls import call_known_with
    made = Instance(cls, captured_by(lowering, cls) if captured is None else dict(captured))
    made.birth = lowering.depth
    if dataclasses.is_dataclass(cls) and not _has_source(cls.__init__):
        passed = _fill(lowering, made, args, keywords, node)
        if hasattr(cls, "__post_init__"):
            _finish(lowering, call_known_with(lowering, Partial(Object(cls.__post_init__), (made,), ()), passed, {}, node), node)
    elif isinstance(cls.__init__, types.FunctionType):
        value = call_known_with(lowering, Partial(Object(cls.__init__), (made,), ()), args, keywords, node)
        _finish(lowering, value, node)
    elif args or keywords:
        refuse(node, lowering.unit, f"{cls.__name__}() takes no arguments")
    made.written.clear()
    made.stored = False
    return made


def make_tuple(lowering, cls, node):
    """The compile-time value of a named tuple that holds functions; None for one that holds data."""
    from xform.desugar.calls import arguments
    given = [*node.args, *[k.value for k in node.keywords]]
    from xform.desugar.kinds import has_methods
    if not isinstance(cls, type) or not issubclass(cls, tuple) or not has_methods(cls) and not any(
            k is not None and resolve.is_static(k) for k in [lowering.known(a.value if isinstance(a, gast.Starred) else a) for a in given]):
        return None
    args, keywords = arguments(lowering, node)
    made = Instance(cls, {})
    made.birth = lowering.depth
    _bound(lowering, made, args, keywords, node)
    made.written.clear()
    return made


def _bound(lowering, made, args, keywords, node):
    """The fields of a named tuple."""
    try:
        bound = inspect.signature(made.cls).bind(*args, **keywords)
    except TypeError as error:
        refuse(node, lowering.unit, f"{made.cls.__name__}() {error}")
    bound.apply_defaults()
    for field, value in bound.arguments.items():
        store(lowering, made, field, value if isinstance(value, gast.AST) or not isinstance(
            value, (bool, int, float, str, type(None), tuple)) else Object(value), node, field)


def _has_source(function):
    return isinstance(function, types.FunctionType) and not function.__code__.co_filename.startswith("<string>")


def _fill(lowering, made, args, keywords, node):
    """Store the attributes of a dataclass; returns what its fields of type InitVar get, in order."""
    cls = made.cls
    try:
        bound = inspect.signature(cls).bind(*args, **keywords).arguments
    except TypeError as error:
        refuse(node, lowering.unit, f"{cls.__name__}() {error}")
    for field in dataclasses.fields(cls):
        _check_plain(lowering, cls, field.name, node)
        if field.name in bound:
            value = bound[field.name]
        elif field.default is not dataclasses.MISSING:
            value = Object(field.default)
        elif field.default_factory in (list, dict):
            value = at(gast.List([], gast.Load()) if field.default_factory is list else gast.Dict([], []), node)
        elif field.default_factory is not dataclasses.MISSING:
            value = _called(lowering, field.default_factory, node)
        else:
            continue        # set by __post_init__
        store(lowering, made, field.name, value, node, field.name)
    return [bound.get(n, Object(f.default)) for n, f in cls.__dataclass_fields__.items() if f._field_type is dataclasses._FIELD_INITVAR]


def _called(lowering, factory, node):
    """What a factory of a field makes, for this object alone."""
    lowering.statics["factory__"] = Object(factory)
    made = call("factory__", [], node=node)
    known = lowering.known(made)
    return known if known is not None and resolve.is_static(known) else lowering.value(made)


def store(lowering, instance, attr, value, node, wanted):
    """``p.attr = value``: the attribute's local is bound anew."""
    check_assigned(lowering, instance, node)
    instance.written.add(attr)
    instance.empty.discard(attr)
    instance.whole = None
    held = instance.fields.get(attr)
    if not isinstance(value, gast.AST) and resolve.is_static(value):
        if lowering.depth > instance.birth and not (held is not None and same(value, held)):
            refuse(node, lowering.unit, f"attribute .{attr} gets a function or an object in a branch or loop",
                   "Assign it before, on every path.")
        instance.fields[attr] = value
        return
    if isinstance(held, Object) and lowering.depth:
        if isinstance(value, Object) and same(value, held):
            return
        refuse(node, lowering.unit, f"attribute .{attr}, which is {held.value!r} before, is assigned in a branch or loop",
               "Assign it before, on every path.")
    if not isinstance(value, gast.AST):
        value = lowering.materialise(value, node)
    if not isinstance(held, gast.Name):
        made = lowering.names.fresh(wanted)
        lowering.counts[made] = 2
        lowering.temps.add(made)
        held = instance.fields[attr] = name(made, node)
    lowering.emit(held.id, value, node)


def _check_plain(lowering, cls, attr, node):
    """Refuse an attribute that is assigned by code of the class that only runs."""
    kind = type(inspect.getattr_static(cls, attr, None))
    own = f"{cls.__name__}.__setattr__" if _has_source(cls.__setattr__) else f"{kind.__name__}.__set__" if isinstance(
        getattr(kind, "__set__", None), types.FunctionType) else None
    if own is not None:
        refuse(node, lowering.unit, f"assignments to .{attr} are made by {own}, which is not read", "Write a property, or a method that sets the "
               "attribute.")


def assign_attribute(lowering, instance, attr, value, node, wanted):
    """``p.attr = value`` as a statement of the program: what its class says of assignments is done."""
    from xform.desugar.calls import call_known_with
    cls, found = instance.cls, inspect.getattr_static(instance.cls, attr, None)
    if dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen or hasattr(cls, "_fields"):
        refuse(node, lowering.unit, f"cannot assign to field {attr!r} of {cls.__name__}, which is frozen", "Make a new object: "
               + ("p._replace(...)." if hasattr(cls, "_fields") else "dataclasses.replace(p, ...)."))
    _check_plain(lowering, cls, attr, node)
    if not isinstance(found, property):
        return store(lowering, instance, attr, value, node, wanted)
    if found.fset is None:
        refuse(node, lowering.unit, f"property {attr!r} of {cls.__name__!r} object has no setter", "Assign the attribute that it reads.")
    if isinstance(value, gast.AST) and not isinstance(value, (gast.Name, gast.Constant)):
        value = lowering.store_temp(value, attr, node)
    made = _finish(lowering, call_known_with(lowering, Partial(Object(found.fset), (instance,), ()), [value], {}, node), node)
    if isinstance(made, gast.Call):
        lowering.out.append(at(gast.Expr(made), node))


def set_in_dict(lowering, node):
    """``object.__setattr__(p, "a", v)`` and ``p.__dict__.update(a=v)``, which ask the class nothing; returns whether a call is one of these."""
    from xform.desugar import rebound
    from xform.desugar.questions import name_of
    function = node.func
    if isinstance(function, gast.Attribute) and function.attr == "__setattr__" and len(node.args) == 3:
        known, called = lowering.known(node.args[0]), lowering.known(function)
        if not isinstance(known, Instance) or not isinstance(called, Object) or called.value is not object.__setattr__:
            return False
        held = lowering.known(node.args[2])
        entries = {name_of(lowering, node): held if held is not None and resolve.is_static(held) else lowering.atom(node.args[2])}
    else:
        base = function.value if isinstance(function, gast.Attribute) and function.attr == "update" else None
        known = lowering.known(base.value) if isinstance(base, gast.Attribute) and base.attr == "__dict__" else lowering.known(
            base.args[0]) if isinstance(base, gast.Call) and getattr(lowering.known(base.func), "value", None) is vars and base.args else None
        if not isinstance(known, Instance):
            return False
        found = rebound.display(lowering, at(gast.Call(gast.Name("dict", gast.Load(), None, None), node.args, node.keywords), node))
        if found is None:
            refuse(node, lowering.unit, "which attributes an object gets here is not known when the code is transformed", "Assign them one by one.")
        entries = dict(zip(found.keys, found.items))
    if known.outer:
        refuse(node, lowering.unit, "an attribute of an object that the function was given is assigned",
               "Make a new object (dataclasses.replace) and return it.")
    for attr, value in entries.items():
        store(lowering, known, attr, value, node, attr)
    return True


def change_held(lowering, instance, attr, changed, node):
    """``p.attr[i] = v``, ``p.attr.append(v)``: the local that holds the attribute gets ``changed(local)``, the same object still."""
    if instance.outer:
        refuse(node, lowering.unit, f"what .{attr} of an object that the function was given holds is changed in place",
               "Make a new object (dataclasses.replace) and return it.")
    held = instance.fields.get(attr)
    if held is None or isinstance(held, Object) and isinstance(held.value, (list, dict, set)):
        found = inspect.getattr_static(instance.cls, attr, None)
        what = f"what property .{attr} gives" if isinstance(found, property) or is_cached(found) else f"what .{attr} holds, which was made outside,"
        refuse(node, lowering.unit, f"{what} is changed in place", "Change the attribute that holds it." if isinstance(found, property) else
               f"Make a copy in __init__, and assign it to self.{attr}.")
    if isinstance(held, Display):
        refuse(node, lowering.unit, f"what .{attr} holds, with functions or objects among it, is changed like this", "Build a new container.")
    if not isinstance(held, gast.Name):
        store(lowering, instance, attr, held, node, attr)
    own = instance.fields[attr]     # the local itself, so that other names of the object are known to be out of date
    store(lowering, instance, attr, changed(name(own.id, node)), node, attr)
    instance.mutated.add(attr)


def attribute(lowering, instance, attr, node):
    """The value of ``p.attr``: an atom or a compile-time value; refused when the class has no such attribute."""
    if attr in instance.fields:
        return instance.fields[attr]
    if attr in ("__dict__", "__class__"):
        perhaps.refuse_optional(lowering, instance, node, f"the {attr}")
    if attr == "__dict__":
        return Display(tuple(instance.fields.values()), tuple(instance.fields), dict)
    found = inspect.getattr_static(instance.cls, attr, None)
    if isinstance(found, property):
        return _property(lowering, Partial(Object(found.fget), (instance,), ()), node)
    if is_cached(found):
        return _cached(lowering, instance, attr, found, node)
    if found is None and not hasattr(instance.cls, attr):
        if attr == "__class__":
            return Object(instance.cls)
        refuse(node, lowering.unit, f"{instance.cls.__name__!r} object has no attribute {attr!r} here",
               "Assign it in __init__.")
    return resolve.bound(found, instance, instance.cls, getattr(instance.cls, attr))


def read(lowering, instance, attr, node):
    """``p.attr`` as data: a copy, for a later part of the same expression may change the object."""
    found = attribute(lowering, instance, attr, node)
    if isinstance(found, gast.Name) and found.id in lowering.counts:
        return lowering.store_temp(clone(found), attr, node)
    return clone(found)


def _cached(lowering, instance, attr, found, node):
    """A cached property: from now on an attribute; in a branch or loop worked out anew, so that the object has to stay as it is."""
    before = set(instance.written)
    value = _property(lowering, Partial(Object(found.func), (instance,), ()), node)
    if instance.outer:
        return value
    if lowering.depth > instance.birth:
        _keep_cached(lowering, instance, attr, instance.written - before, node)
        return value
    if attr not in instance.fields:
        store(lowering, instance, attr, value, node, attr)
    return instance.fields[attr]


def _keep_cached(lowering, instance, attr, written, node):
    if instance.stored or written:
        refuse(node, lowering.unit, f"cached property .{attr} is first read in a branch or loop, and attributes of its object are assigned",
               "Read it once before, or make it a property.")
    instance.cached = True


def _property(lowering, getter, node):
    memo = lowering.__dict__.setdefault("properties", {})
    if id(node) not in memo:
        from xform.desugar.calls import call_known_with
        memo[id(node)] = _finish(lowering, call_known_with(lowering, getter, [], {}, node), node), node
    found = memo[id(node)][0]
    return clone(found) if isinstance(found, gast.AST) else found


def operator_call(lowering, node):
    """``p + q``, ``-p``, ``p < q`` or ``p[i]`` as the call of a method; None when no object with the method takes part."""
    memo = lowering.__dict__.setdefault("operators", {})
    if id(node) not in memo:
        memo[id(node)] = _operator_call(lowering, node), node
    return memo[id(node)][0]


def _operator_call(lowering, node):
    for operand in (getattr(node, field, None) for field in ("left", "right", "operand", "value")):
        if isinstance(operand, gast.Name):
            _check_default(lowering, operand)
    if isinstance(node, gast.BinOp):
        own = OPERATORS.get(type(node.op))
        for method, base, other in ((f"__{own}__", node.left, node.right), (f"__r{own}__", node.right, node.left)):
            if _has(lowering, base, method):
                return _call(base, method, [other], node)
    elif isinstance(node, gast.UnaryOp):
        method = SIGNS.get(type(node.op))
        if method and _has(lowering, node.operand, method):
            return _call(node.operand, method, [], node)
    elif isinstance(node, gast.Compare) and len(node.ops) == 1:
        if isinstance(node.ops[0], (gast.In, gast.NotIn)) and _has(lowering, node.comparators[0], "__contains__"):
            found = _call(node.comparators[0], "__contains__", [node.left], node)
            return found if isinstance(node.ops[0], gast.In) else at(gast.UnaryOp(gast.Not(), found), node)
        method = COMPARISONS.get(type(node.ops[0]))
        if method and _has(lowering, node.left, method):
            return _call(node.left, method, node.comparators, node)
        if method and _has(lowering, node.comparators[0], SWAPPED[method]):
            return _call(node.comparators[0], SWAPPED[method], [node.left], node)
        if method == "__ne__":      # the other way round
            same = _operator_call(lowering, at(gast.Compare(node.left, [gast.Eq()], node.comparators), node))
            return None if same is None else at(gast.UnaryOp(gast.Not(), same), node)
    elif isinstance(node, gast.Subscript):
        from xform.desugar.targets import as_expression
        known = lowering.known(node.value)
        own = brackets(known.value) if isinstance(known, Object) else None
        if own is not None:
            return _joined(lowering, lookup(own), node)
        if _has(lowering, node.value, "__getitem__"):
            return _call(node.value, "__getitem__", [as_expression(node.slice)], node)
    return None


def in_place(lowering, target, op, value, node):
    """What ``target op= value`` assigns: for an object whose class says so what its method returns."""
    method = f"__i{OPERATORS.get(type(op))}__"
    if _has(lowering, target, method):
        return _call(target, method, [value], node)
    return at(gast.BinOp(target, op, value), node)


def stores_item(lowering, target, value, node):
    """``p[i] = v`` of an object whose class says what that does; returns whether it was one."""
    from xform.desugar.targets import as_expression
    if not _has(lowering, target.value, "__setitem__"):
        return False
    lowering.statement(at(gast.Expr(_call(target.value, "__setitem__", [as_expression(target.slice), value], node)), node))
    return True


def _joined(lowering, own, node):
    """``r_[x, 1:3]`` as a call of the function that joins what stands between the brackets, in the style of the object."""
    lowering.statics["joined__"] = Object(own.joined)
    return call("joined__", [_without_slices(lowering, node.slice, own.numbers), *[const(part, node) for part in own.style]], node=node)


def _without_slices(lowering, index, meaning):
    """What stands between brackets that join arrays: a slice there stands for numbers."""
    if isinstance(index, gast.Tuple):
        return at(gast.Tuple([_without_slices(lowering, part, meaning) for part in index.elts], gast.Load()), index)
    if not isinstance(index, gast.Slice):
        return index
    lowering.statics["numbers_of__"] = Object(meaning)
    parts = [const(None, index) if part is None else part for part in (index.lower, index.upper, index.step)]
    return call("numbers_of__", parts, node=index)


def _has(lowering, node, method):
    """Whether an expression is an object, made here or outside, whose class says in Python what an operator does."""
    known = lowering.known(node)
    if method in SWAPPED:
        perhaps.refuse_optional(lowering, known, node, "the comparison")
    cls = known.cls if isinstance(known, Instance) else type(known.value) if isinstance(known, Object) else None
    return cls is not None and isinstance(getattr(cls, method, None), types.FunctionType) and (
        isinstance(known, Instance) or resolve.says_operators(cls))


def refuse_picked(lowering, known, node):
    """Refuse that a run picks an object from outside whose operators are methods: they would be read as those of numbers."""
    found = _with_operators(known.value) if isinstance(known, Object) else None
    if found is not None:
        cls, method = found
        refuse(node, lowering.unit, f"which object of class {cls.__name__} this is, is found out at run time, and {cls.__name__}.{method} says "
               "what its operators do", "Pick it by a constant, loop over the objects themselves, or call a method by its name.")


def _check_default(lowering, operand):
    """Refuse an operator of a parameter that is such an object by default: whether a call gives another is not known here."""
    unit = lowering.unit
    param = None if unit.signature is None else unit.signature.parameters.get(operand.id)
    if param is None or lowering.known(operand) is not None or operand.id in unit.takes:
        return
    found = _with_operators(param.default.value if isinstance(param.default, Object) else param.default)
    if found is not None:
        cls, method = found
        refuse(operand, unit, f"{operand.id!r} is an object of class {cls.__name__} by default, and {cls.__name__}.{method} says what its "
               "operators do", "Give it in the call, or read it inside the function.")


def _with_operators(value, depth=3):
    """(class, method) of an object from outside, or in a container of them, whose arithmetic is written in Python; None without."""
    if isinstance(value, (list, tuple, dict)):
        found = (_with_operators(v, depth - 1) for v in (value.values() if isinstance(value, dict) else value)) if depth else ()
        return next((f for f in found if f is not None), None)
    cls = type(value)
    if not hasattr(value, "__dict__") or not resolve.says_operators(cls):
        return None
    methods = ["__getitem__", *SIGNS.values(), *[f"__{side}{own}__" for own in OPERATORS.values() for side in ("", "r")]]
    return next(((cls, m) for m in methods if isinstance(getattr(cls, m, None), types.FunctionType)), None)


def _call(base, method, args, node):
    return at(gast.Call(at(gast.Attribute(base, method, gast.Load()), node), list(args), []), node)


def super_of(lowering, node):
    """The compile-time value of ``super()`` in a method of an object; None elsewhere."""
    if node.args or node.keywords:
        return None
    found = lowering.scope.find("__class__", node)
    first = next(iter(lowering.tree.args.args + lowering.tree.args.posonlyargs), None)
    held = lowering.statics.get(first.id) if first is not None else None
    if isinstance(found, Object) and isinstance(held, Instance):
        return Super(held, found.value)
    return None


# -- calls that change objects --------------------------------------------------------------------------------------------

def give_back(lowering, last):
    """What a function returns that changed objects among its arguments: its result and these, as a compile-time value."""
    lowering.unit.objects = lowering.objects
    changed = [known for known in lowering.objects if known.written]
    if not changed:
        return None
    lowering.unit.writes = tuple([lowering.objects[known] for known in changed])
    known = lowering.known(last.value)
    result = known if known is not None and resolve.is_static(known) else lowering.atom(last.value)
    return Display((result, *changed))


def _finish(lowering, value, node):
    """The result of a call, after what it changed has been written back to the objects that it was given."""
    from xform.desugar.values import result_of_call
    return result_of_call(lowering, value, node)


def write_back(lowering, given, fields, changed, node):
    """Give an object the attributes that a call left it with; changed: the object as the function had it."""
    new = [a for a in fields if a not in given.fields and is_cached(inspect.getattr_static(given.cls, a, None))]
    if new and lowering.depth > given.birth:
        _keep_cached(lowering, given, new[0], changed.written - set(new), node)
        return
    for attr, value in fields.items():
        held = given.fields.get(attr)
        if not isinstance(value, gast.AST):
            if lowering.depth > given.birth and not (held is not None and same(value, held)):
                refuse(node, lowering.unit, f"attribute .{attr} gets a function or an object in a branch or loop",
                       "Assign it before, on every path.")
            given.fields[attr] = value
        elif isinstance(held, gast.Name):
            if held.id != getattr(value, "id", None):
                lowering.emit(held.id, clone(value), node)
                if attr in changed.mutated:
                    lowering.unit.in_place.add(id(lowering.out[-1]))
        else:
            given.fields[attr] = value
            if isinstance(value, gast.Name):
                lowering.counts[value.id] = 2
    check_assigned(lowering, given, node)
    given.whole = None
    given.mutated |= changed.mutated
    given.empty = set(changed.empty) if lowering.depth <= given.birth else given.empty & changed.empty
    given.written |= changed.written | set(fields)


def _is_empty(lowering, node):
    """Whether an expression is an empty list or dict: ``[]``, ``{}``, or ``list(layers)`` of no ``*layers``."""
    if isinstance(node, gast.Call) and len(node.args) == 1 and isinstance(node.args[0], gast.Name) and not node.keywords:
        callee, known = lowering.known(node.func), lowering.statics.get(node.args[0].id)
        return isinstance(callee, Object) and callee.value is list and isinstance(known, Display) and not known.items
    return isinstance(node, gast.List) and not node.elts or isinstance(node, gast.Dict) and not node.keys


def gathered(lowering, instance, attr, method, args, keywords, node):
    """``p.layers.append(layer)``: the attribute holds objects or functions from now on, one by one; None for a container of data."""
    from xform.desugar import mutations
    held = instance.fields.get(attr)
    if attr in instance.empty and method in ("append", "insert", "extend", "update") and any(
            k is not None and resolve.is_static(k) for k in map(lowering.known, args)):
        held = Display((), None, list) if method != "update" else Display((), (), dict)
    if not isinstance(held, Display) or instance.outer:
        return None
    found = mutations.changed(lowering, held, method, args, keywords, node)
    if found is None:
        return None
    if lowering.depth > instance.birth:
        refuse(node, lowering.unit, f"what .{attr} holds, with functions or objects among it, is changed in a branch or loop",
               "Add them one by one outside, or keep the functions out of it.")
    instance.empty.discard(attr)
    instance.fields.pop(attr, None)
    store(lowering, instance, attr, found[0], node, attr)
    return found[1]


def check_assigned(lowering, instance, node):
    """Note that an object gets another attribute; refused where another name has a copy of it."""
    if instance.copied:
        refuse(node, lowering.unit, f"an attribute of an object that has two names is assigned ({instance.cls.__name__})",
               "Return a new object instead.")
    if instance.cached:
        refuse(node, lowering.unit, f"an attribute is assigned of an object whose cached property was first read in a branch or loop "
               f"({instance.cls.__name__})", "Read the property once before, or make it a property that is not cached.")
    instance.stored = True


def assigned(lowering, target, node):
    """Lower ``p = <object>`` for a name bound more than once and ``p.attr = value``; returns whether this was one."""
    if perhaps.assign_nothing(lowering, target, node.value, node):
        return True
    if isinstance(target, gast.Name) and lowering.counts.get(target.id, 2) > 1 and not lowering.is_result(target.id):
        from xform.desugar.kinds import holds_object
        from xform.desugar.rebind import assign_object, refuse_other
        known = lowering.known(node.value)
        if isinstance(known, Instance) or isinstance(known, Display) and holds_object(known):
            assign_object(lowering, target.id, known, node)
            return True
        if len(node.targets) == 1 and anew.take(lowering, target.id, known, node):
            return True
        refuse_other(lowering, target.id, node)
        refuse_picked(lowering, known, node)
    if isinstance(target, gast.Attribute) and len(node.targets) == 1:
        held = lowering.known(target.value)
        if isinstance(held, Instance):
            if held.outer:
                refuse(node, lowering.unit, f"an attribute of an object that the function was given is assigned "
                       f"({held.cls.__name__}.{target.attr})", "Make a new object (dataclasses.replace) and return it.")
            value = lowering.known(node.value)
            value = value if value is not None and resolve.is_static(value) else lowering.value(node.value)
            wanted = f"{target.value.id}_{target.attr}" if isinstance(target.value, gast.Name) else target.attr
            empty = _is_empty(lowering, node.value)
            assign_attribute(lowering, held, target.attr, value, node, wanted)
            if empty and target.attr in held.fields and lowering.depth <= held.birth:
                held.empty.add(target.attr)
            return True
    return False


def same(one, other):
    """Whether two attributes are the same function or static value."""
    if isinstance(one, Object) and isinstance(other, Object):
        return one.value is other.value or type(one.value) is type(other.value) and type(one.value) in (
            bool, int, float, str, tuple) and one.value == other.value
    return one is other or not isinstance(other, gast.AST) and resolve.shape_of(one) == resolve.shape_of(other)
