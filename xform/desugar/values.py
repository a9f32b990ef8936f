"""The compile-time values that calls make: partials, transformed functions, objects, functions that functions return.

Before::

    step = partial(update, 0.1)
    gradient = grad(loss)
    p = Point(x, y)

After: nothing; ``step``, ``gradient`` and ``p`` are known, and calls of them are lowered where they stand (calls.py).
"""
from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import types

import gast

import runtime
from runtime.op import rule_of
from runtime.tree import Partial as TreePartial, tree_map, tree_unflatten
from xform import resolve
from xform.desugar import classes, mixed, mutations, picked, questions, rules, spread, standard
from xform.desugar.calls import UnitValue, arguments, lower, transformation
from xform.errors import refuse
from xform.library import canonical
from xform.resolve import Closure, Derived, Display, Instance, Object, Partial
from xform.shapes import closure_convert
from xform.syntax import assign, at, call, function, name, returns
from xform.unit import Unit, params_of

_LIBRARY = runtime.__file__.removesuffix("__init__.py")


def known_call(lowering, node):
    """The compile-time value of ``partial(f, ...)`` or ``grad(f, ...)``; None for an ordinary call."""
    memo = lowering.__dict__.setdefault("memo", {})
    if id(node) not in memo:
        memo[id(node)] = _known_call(lowering, node), node
    return memo[id(node)][0]


def _known_call(lowering, node):
    if classes.is_definition(node):
        return classes.define(lowering, node)
    if isinstance(node.func, gast.Attribute) and node.func.attr in mutations.CHANGES:
        found = mutations.change(lowering, node.func.value, node.func.attr, node.args, node.keywords, node)
        if isinstance(found, gast.AST):
            lowering.__dict__.setdefault("lowered", {})[id(node)] = found, node
            return None
        if found is not mutations.UNKNOWN:
            return found
    answer = questions.asked(lowering, node) or standard.spelled(lowering, node)
    if isinstance(answer, gast.AST):
        found = lowering.known(answer)
        if found is None:
            lowering.__dict__.setdefault("lowered", {})[id(node)] = lowering.value(answer), node
        return found
    if answer is not None:
        return answer
    callee = None if isinstance(node.func, gast.IfExp) and questions.decided(lowering, node.func.test) is None else questions.callee_of(lowering, node)
    if callee is None:
        return None
    if isinstance(resolve.normal(callee), resolve.Picked):
        return picked.called(lowering, resolve.normal(callee), node)
    held = callee.value if isinstance(callee, Object) else None
    if isinstance(held, functools.partial) and not held.args and transformation(Object(held.func)):
        callee = Partial(Object(held.func), (), tuple((k, Object(v)) for k, v in held.keywords.items()))
    if isinstance(callee, Object) and callee.value in (functools.partial, TreePartial):
        inner = lowering.known(node.args[0]) if node.args else None
        if inner is None:
            return None
        if (transformation(inner) or rules.is_maker(inner)) and len(node.args) == 1:   # its options, not values of the program
            return Partial(inner, (), tuple((k.arg, Object(resolve.literal(k.value, lowering, k.arg))) for k in node.keywords))
        if callee.value is functools.partial and spread.by_run(lowering, node):
            return lowering.known(spread.partial_by_run(lowering, node))
        args, keywords = arguments(lowering, at(gast.Call(node.func, node.args[1:], node.keywords), node))
        if any(isinstance(a, gast.Starred) for a in args):
            refuse(node, lowering.unit, "a Partial of a number of arguments that only the run knows is not supported",
                   "Write the arguments out, or pass them in one container.")
        return Partial(resolve.normal(inner), tuple(args), tuple(keywords.items()), callee.value is TreePartial)
    if isinstance(callee, Object) and callee.value is runtime.batched:
        inner = lowering.known(node.args[0])
        return Object(runtime.batched(inner.value))
    if isinstance(callee, Object) and hasattr(callee.value, "options_first") and not node.args:     # debug.print(ordered=True)("x = {}", x)
        return Partial(callee, (), tuple((k.arg, Object(resolve.literal(k.value, lowering, k.arg))) for k in node.keywords))
    made = rules.made_here(lowering, callee, node)
    if made is not None:
        return made
    kind = transformation(callee)
    if kind in ("vjp", "linearize") and node.args:
        from xform.desugar.transformations import pair_of
        return pair_of(lowering, kind, node)
    if kind and kind not in resolve.DIRECT_KINDS:
        if not node.args:
            return Partial(callee, (), tuple((k.arg, Object(resolve.literal(k.value, lowering, k.arg)))
                                             for k in node.keywords))
        return derive(lowering, callee, node.args[0], node.args[1:], node.keywords, node)
    if isinstance(callee, Partial) and transformation(callee.fn) and node.args:
        return derive(lowering, callee, node.args[0], node.args[1:], node.keywords, node)
    if kind is None:
        from xform.desugar import meshes, objects
        held = meshes.made(lowering, callee, node)
        if held is not None:
            return held
        if isinstance(callee, Object) and any(callee.value is f for f in (copy.copy, copy.deepcopy)) and len(node.args) == 1:
            held = lowering.known(node.args[0])
            return objects.duplicate(lowering, held, node, callee.value is copy.deepcopy) if isinstance(held, Instance) else None
        if isinstance(callee, Object) and callee.value is closure_convert and node.args:
            return _converted(lowering, node)
        held = _replaced_object(lowering, callee, node)
        if held is not None:
            args, keywords = arguments(lowering, node)
            return objects.replaced(lowering, held, keywords, node)
        if isinstance(callee, Object) and resolve.is_user_class(callee.value):
            return objects.make(lowering, callee.value, node)
        if isinstance(callee, Partial) and classes.is_local(callee.fn):
            return objects.make(lowering, callee.fn.value, node, dict(callee.keywords))
        if isinstance(callee, Object) and hasattr(callee.value, "_fields"):
            return objects.make_tuple(lowering, callee.value, node)
        if isinstance(callee, Object) and callee.value is super:
            return objects.super_of(lowering, node)
        return _folded(lowering, callee, node) or _rearranged(lowering, callee, node) or _mapped_tree(lowering, callee, node) or (
            _put_together(lowering, callee, node)) or _returned(lowering, callee, node)
    return None


def _converted(lowering, node):
    """``closure_convert(f, *args)``: a function that takes what ``f`` captures behind its own arguments, and a list of these values."""
    from xform.desugar.calls import direct
    known = lowering.known(node.args[0])
    if not isinstance(known, Closure):
        return None if known is None else Display((known, at(gast.List([], gast.Load()), node)))
    unit, held, keywords = direct(lowering, known, node)
    if keywords or not all(isinstance(a, gast.Name) for a in held):
        refuse(node, lowering.unit, "closure_convert of this function is not supported in a transformed function",
               "Write a function that takes what it captures as arguments.")
    order = [*unit.params[len(held):], *unit.params[:len(held)]]
    own = f"{unit.name}_converted"
    body = [returns(call(unit.name, [name(p) for p in unit.params]))]
    made = Unit(own, function(own, order, body), {unit.name: unit}, set(), unit.file, unit.origin, signature=inspect.Signature(
        [inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in order]))
    return Display((UnitValue(made), Display(tuple([name(a.id, node) for a in held]), None, list)))


def _replaced_object(lowering, callee, node):
    """The object that ``dataclasses.replace(p, ...)`` or ``p._replace(...)`` starts from; None for another call."""
    value = callee.value if isinstance(callee, Object) else None
    if isinstance(value, types.FunctionType) and value in (dataclasses.replace, getattr(copy, "replace", None)) and len(node.args) == 1:
        known = lowering.known(node.args[0])
    elif isinstance(node.func, gast.Attribute) and node.func.attr == "_replace" and not node.args:
        known = lowering.known(node.func.value)
        known = known if isinstance(known, Instance) and hasattr(known.cls, "_fields") else None
    else:
        return None
    return known if isinstance(known, Instance) else None


def _folded(lowering, callee, node):
    """``len`` and ``callable`` of what is known at transform time."""
    value = callee.value if isinstance(callee, Object) else None
    if not isinstance(value, types.BuiltinFunctionType) or value not in (len, callable) or len(node.args) != 1 or node.keywords:
        return None
    known = lowering.known(node.args[0])
    if value is callable:
        if known is None:   # a function that is passed to a library function is always known, so this is data
            data = isinstance(node.args[0], gast.Name) and node.args[0].id in params_of(lowering.tree)
            return Object(False) if data and lowering.unit.file.startswith(_LIBRARY) or mixed.is_number(lowering, node.args[0]) else None
        return Object(resolve.is_function(known))
    found = None if known is None else resolve.items_of(known)
    return None if found is None else Object(len(found[0]))


def _rearranged(lowering, callee, node):
    """``zip(*transforms)``, ``list(functions)`` and their like: what they give, where it holds functions or objects."""
    value = callee.value if isinstance(callee, Object) else None
    if value not in (zip, list, tuple, reversed, enumerate) if isinstance(value, type) else True:
        return None
    from xform.desugar.sequences import holds_function, turns_of_call
    found = turns_of_call(lowering, node)
    if found is None or not any(map(holds_function, found)):
        return None
    items = tuple([Display(one) if isinstance(one, tuple) else one for one in found])
    return Display(items, None, list if value is list else tuple)


def _mapped_tree(lowering, callee, node):
    """``tree_map(f, p, ...)`` of an object is an object of its class."""
    if not isinstance(callee, Object) or callee.value is not tree_map or len(node.args) < 2:
        return None
    from xform.desugar.kinds import holds_object, kind_of_known, opened
    known = lowering.known(node.args[1])
    if known is None or not holds_object(known) and not (isinstance(known, Partial) and known.tree):
        return None
    made = lower(lowering, node)
    return opened(lowering, lowering.store_temp(made, "mapped", node), kind_of_known(known), node)


def _put_together(lowering, callee, node):
    """``tree_unflatten(structure, leaves)`` of a structure from outside that is one of objects or of functions that hold values."""
    structure = lowering.known(node.args[0]) if isinstance(callee, Object) and callee.value is tree_unflatten and len(node.args) == 2 else None
    if not isinstance(structure, Object) or not hasattr(structure.value, "num_leaves"):
        return None
    from xform.desugar.kinds import kind_of, opened
    kind = kind_of(tree_unflatten(structure.value, [0] * structure.value.num_leaves))
    if kind is None:
        return None
    return opened(lowering, lowering.store_temp(lower(lowering, node), "put_together", node), kind, node)


def _returned(lowering, callee, node):
    """The function that a call of a user function returns, over what the call's result says that it captures."""
    inner = resolve.normal(callee)
    if isinstance(inner, Derived):
        return _returned_value(lowering, node)
    with_object = False
    while isinstance(inner, Partial):
        with_object = with_object or any(isinstance(a, Instance) for a in inner.args)
        inner = resolve.normal(inner.fn)
    if isinstance(inner, Object):
        if not isinstance(inner.value, types.FunctionType) or rule_of(inner.value) is not None:
            return None
    elif not isinstance(inner, Closure) or isinstance(inner.nested, UnitValue):
        return None
    from xform.desugar.kinds import holds_object
    from xform.desugar.sequences import returns_function
    given = [a.value if isinstance(a, gast.Starred) else a for a in [*node.args, *[k.value for k in node.keywords]]]
    with_object = with_object or any(k is not None and holds_object(k) for k in map(lowering.known, given))
    library = isinstance(inner, Object) and canonical(inner.value)
    if not with_object and (library or not returns_function(inner)):
        return None
    before = set(lowering.env)
    value = lower(lowering, node)
    found = result_of_call(lowering, value, node, before)
    if isinstance(found, gast.AST):
        if with_object and isinstance(found, gast.Call):    # now: a later part of the expression may change the object
            found = lowering.store_temp(found, lowering.title(found, node), node)
        lowering.__dict__.setdefault("lowered", {})[id(node)] = found, node
        return None
    return found


def _returned_value(lowering, node):
    """The object that a call of a transformed function gives; None where it gives data."""
    found = result_of_call(lowering, lower(lowering, node), node)
    if isinstance(found, gast.AST):
        lowering.__dict__.setdefault("lowered", {})[id(node)] = found, node
        return None
    return found


def result_of_call(lowering, value, node, before=()):
    """The compile-time value that a lowered call gives, after its changes to objects; the call itself when it gives data."""
    target = lowering.env.get(value.func.id) if isinstance(value, gast.Call) and isinstance(value.func, gast.Name) else None
    if isinstance(target, types.FunctionType):
        from xform.desugar.functions import unit_of
        target = unit_of(target)
        if target.result is not None:       # as Python has it, it returns a function: call the unit
            if value.func.id not in before:
                del lowering.env[value.func.id]
            value.func = name(lowering.refer(target.name, target), node)
    if isinstance(target, Unit) and target.gives is not None:
        from xform.desugar.kinds import opened
        return opened(lowering, lowering.store_temp(value, lowering.title(value, node), node), target.gives, node)
    if not isinstance(target, Unit) or target.result is None:
        return value
    known, captured = target.result
    held = {c: lowering.temp(c) for c in captured}
    given = {p: a.id for p, a in zip(target.params, value.args) if isinstance(a, gast.Name)}
    if len(captured) == 1:
        lowering.emit(held[captured[0]], value, node)
    elif captured:
        made = lowering.store_temp(value, "captured", node)
        lowering.out.append(assign(list(held.values()), made, node))
    lowering.lists.update([held[c] for c in captured if c in target.lists])
    same = {held[c]: given[p] for c, p in zip(captured, map(_copied_from(target), captured)) if p in given}
    if same:
        lowering.unit.same[id(lowering.out[-1])] = same
    statics = lowering.passed.pop(id(value), None)
    objects = {one: resolve.at_path(statics, path) for one, path in target.objects.items()} if statics is not None else {}
    parent, captured = target.around or (None, {})
    if parent is lowering:
        objects.update(captured)
    else:
        for _, one in resolve.objects_in(resolve.renamed(Display(tuple(captured)), held, objects)):
            one.copied = True
    if not target.writes:
        return resolve.renamed(known, held, objects)
    from xform.desugar.objects import write_back
    result, *left = known.items
    changed = [(objects[one], one, resolve.renamed(Display(tuple(one.fields.values())), held, objects).items) for one in left]
    for given, one, values in changed:
        write_back(lowering, given, dict(zip(one.fields, values)), one, node)
    return name(held[result.id], node) if isinstance(result, gast.Name) else result if isinstance(result, gast.AST) else resolve.renamed(
        result, held, objects)


def _copied_from(unit):
    """A function from a name to the one that it was copied from, where nothing else is assigned to it, in a unit's own statements."""
    copies = {s.targets[0].id: s.value for s in unit.tree.body if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)} \
        if unit.tree is not None else {}

    def source(identifier):
        seen = set()
        while isinstance(copies.get(identifier), gast.Name) and identifier not in seen:
            seen.add(identifier)
            identifier = copies[identifier].id
        return identifier
    return source


def derive(lowering, callee, function, extra, keywords, node):
    options = {}
    if isinstance(callee, Partial):
        options = {k: v.value for k, v in callee.keywords}
        callee = callee.fn
    api = callee.value
    inner = function if not isinstance(function, gast.AST) else lowering.known(function)
    if inner is None:
        refuse(node, lowering.unit, f"{api.__name__} of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, a lambda or a partial of one.")
    given = [resolve.literal(e, lowering, "an option of " + api.__name__) for e in extra]
    positional = [p for p in inspect.signature(api).parameters][1:]
    options.update(zip(positional, given))
    options.update({k.arg: resolve.literal(k.value, lowering, k.arg) for k in keywords})
    return Derived(resolve.TRANSFORMATIONS[api], resolve.normal(inner), tuple(sorted(options.items())))


def decorate(lowering, decorator, known):
    """Apply a decorator to a nested function at transform time."""
    if _changes_nothing(lowering, decorator):
        return known
    found = rules.decorated(lowering, decorator, known)
    if found is not None:
        return found
    callee = lowering.known(decorator)
    kind = transformation(callee.fn if isinstance(callee, Partial) else callee)
    if kind:
        return derive(lowering, callee, known, (), (), decorator)
    held = lowering.temp("decorated")
    lowering.statics[held] = known
    found = lowering.known(at(gast.Call(decorator, [name(held, decorator)], []), decorator)) if resolve.is_function(callee) else None
    if found is None or not resolve.is_function(found):
        refuse(decorator, lowering.unit, "this decorator is not supported on a nested function",
               "Call what it decorates directly, or move the function to module level.")
    return found


def _changes_nothing(lowering, decorator):
    """Whether a decorator leaves what a function computes as it is: ``functools.wraps(f)``, a cache."""
    called = lowering.known(decorator.func if isinstance(decorator, gast.Call) else decorator)
    value = called.value if isinstance(called, Object) else None
    return value is functools.wraps or value in (functools.lru_cache, functools.cache) if callable(value) and not isinstance(
        value, type) else False
