"""Sequences that hold functions: loops over them are unrolled, subscripts are resolved, function by function.

Before::

    layers = [dense, np.tanh, dense]
    for layer, w in zip(layers, params):
        x = layer(w, x)
    y = layers[i](w, x)

After::

    w = params[0]
    x = dense(w, x)
    w = params[1]
    ...
    i_1 = rt.checked_index(i, 3)
    if i_1 == 0:
        y = dense(w, x)
    elif i_1 == 1:
        ...
"""
from __future__ import annotations

import builtins
import types

import gast

from xform import parse, resolve
from xform.desugar import mutations, objects, spread as spreading
from xform.desugar.calls import atom_of
from xform.desugar.classes import is_definition
from xform.errors import SourceError, refuse
from xform.library import canonical
from xform.resolve import Display, Object
from xform.syntax import at, branch, call, clone, const, name, rename, returns, target_names
from xform.unit import Items

LONGEST = 256   # turns that a loop is unrolled to


# -- displays ---------------------------------------------------------------------------------------------------------

def display(lowering, node):
    """The compile-time value of a tuple, list or dict literal that holds functions; None for data."""
    memo = lowering.__dict__.setdefault("displays", {})
    if id(node) not in memo:
        memo[id(node)] = _display(lowering, node), node
    return memo[id(node)][0]


def _display(lowering, node):
    if isinstance(node, (gast.ListComp, gast.GeneratorExp)):
        return _comprehended(lowering, node)
    elements = node.values if isinstance(node, gast.Dict) else node.elts
    keys = None
    if any(isinstance(e, gast.Starred) for e in elements) or isinstance(node, gast.Dict) and None in node.keys:
        return None
    found = [lowering.known(e) for e in elements]
    if not any(k is not None and resolve.is_static(k) and not _is_type(k) for k in found):
        return None
    if isinstance(node, gast.Dict):
        keys = tuple(constant(lowering, k) for k in node.keys)
        if None in keys:
            return None
    items = tuple(k if k is not None and resolve.is_static(k) else lowering.atom(e) for k, e in zip(found, elements))
    return Display(items, keys, dict if keys is not None else list if isinstance(node, gast.List) else tuple)


def _is_type(known):
    return isinstance(known, Object) and isinstance(known.value, type)


def _comprehended(lowering, node):
    """``[f(v) for f in functions]``, item by item, where what it runs over holds functions or is *args."""
    if len(node.generators) != 1 or node.generators[0].ifs:
        return None
    generator = node.generators[0]
    found = turns(lowering, generator.iter)
    if found is None and (isinstance(node.elt, gast.Lambda) or _makes_object(lowering, node.elt)) and known_turns(lowering, generator.iter):
        found = _of_literal(lowering, generator.iter)
    if found is None:
        return None
    renames = {n: lowering.temp(n) for n in target_names(generator.target)}
    target, elt = rename(clone(generator.target), renames), rename(clone(node.elt), renames)
    items = []
    for value in found:
        bind(lowering, clone(target), value, node)
        element = clone(elt)
        known = lowering.known(element)
        items.append(known if known is not None and resolve.is_static(known) else lowering.atom(element))
    return Display(tuple(items), None, list)


def _makes_object(lowering, node):
    """Whether an expression is the call of a class whose objects are taken apart."""
    callee = lowering.known(node.func) if isinstance(node, gast.Call) and isinstance(node.func, (gast.Name, gast.Attribute)) else None
    return isinstance(callee, Object) and resolve.is_user_class(callee.value)


def items_of(lowering, known):
    """The items and keys of a sequence that holds functions; the code depends on what a user's container holds."""
    found = None if known is None else resolve.items_of(known)
    if found is not None and isinstance(known, Object) and isinstance(known.value, (list, dict)):
        value = known.value
        view = value if isinstance(value, dict) else Items(value)
        keys = found[1] if found[1] is not None else range(len(value))
        entries = [(k, one.value) for k, one in zip(keys, found[0])]
        for key, entry in [*entries, ("length", len(value))] if isinstance(value, list) else entries:
            lowering.env[f"held {id(value)} {key}"] = entry
            lowering.unit.reads[f"held {id(value)} {key}"] = view, key
    return found


def constant(lowering, node):
    """The Python value of an index that is known at transform time; None when it is not."""
    if isinstance(node, gast.Constant):
        return node.value
    if isinstance(node, gast.UnaryOp) and isinstance(node.op, gast.USub) and isinstance(node.operand, gast.Constant):
        return -node.operand.value
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute, gast.Call)) else None
    if isinstance(known, Object) and isinstance(known.value, (int, str)):
        return known.value
    return None


def item(lowering, node):
    """What a subscript of a sequence with functions holds: a compile-time value or an atom; None when it is data."""
    base = lowering.known(node.value)
    found = items_of(lowering, base)
    if found is None:
        return None
    items, keys = found
    if isinstance(node.slice, gast.Slice):
        parts = [p and constant(lowering, p) for p in (node.slice.lower, node.slice.upper, node.slice.step)]
        given = [p for p in (node.slice.lower, node.slice.upper, node.slice.step) if p is not None]
        if keys is not None or len([p for p in parts if p is not None]) != len(given):
            return None
        return Display(tuple(items[slice(*parts)]), None, base.kind if isinstance(base, Display) else type(base.value))
    index = constant(lowering, node.slice)
    if index is None:
        return None
    try:
        return items[index] if keys is None else items[keys.index(index)]
    except (IndexError, ValueError):
        refuse(node, lowering.unit, f"{index!r} is not in this {'list' if keys is None else 'dict'} of functions",
               f"It has {len(items)} items." if keys is None else f"Its keys are {', '.join(map(repr, keys))}.")


def assign_items(lowering, node):
    """``f, g = functions``: bind the names one by one; returns whether the value holds functions."""
    from xform.desugar import targets
    from xform.desugar.kinds import holds_object
    from xform.desugar.rebind import assign_object
    elements, known = node.targets[0].elts, lowering.known(node.value)
    found = None if known is None or not lowering.is_static(known) else resolve.items_of(known)
    if found is None or len(found[0]) != len(elements) or any(isinstance(t, gast.Starred) for t in elements):
        return False
    for target, one in zip(elements, found[0]):
        if isinstance(one, gast.AST):
            targets.store_to(lowering, target, one, node)
        elif isinstance(target, gast.Attribute) and isinstance(lowering.known(target.value), resolve.Instance):
            objects.assign_attribute(lowering, lowering.known(target.value), target.attr, one, node, target.attr)
        elif isinstance(target, gast.Name) and lowering.counts.get(target.id, 2) == 1 and lowering.is_static(one):
            lowering.statics[target.id] = one
        elif isinstance(target, gast.Name) and holds_object(one):
            assign_object(lowering, target.id, one, node)
        else:
            items = resolve.items_of(one)
            if isinstance(target, gast.Name) and items is not None and items[1] is None:
                spreading.note_length(lowering, target.id, len(items[0]))
            targets.store_to(lowering, target, atom_of(lowering, one, node), node)
    return True


def return_function(lowering, known, node):
    """Return what a function value captures; the caller knows the function itself."""
    captured = list(dict.fromkeys(resolve.captured_names(known)))
    lowering.unit.result = known, tuple(captured)
    lowering.unit.lists = frozenset(lowering.lists.intersection(captured))
    value = name(captured[0], node) if len(captured) == 1 else const(None, node)
    if len(captured) > 1:
        items = at(gast.Tuple([name(c, node) for c in captured], gast.Load()), node)
        value = lowering.store_temp(items, "captured", node)
    lowering.out.append(returns(value, node))


_returning: dict = {}


def returns_function(callee) -> bool:
    """Whether the source of a compile-time function says that it may return a function: a look at its return statements."""
    if isinstance(callee, resolve.Closure):
        tree = callee.nested.tree
        from xform.desugar.functions import Outside
        outside = Outside(callee.nested.parent)
        return _may_return(tree, lambda identifier: outside.find(identifier, tree))
    function = callee.value
    if function.__code__ not in _returning:
        _returning[function.__code__] = False       # for a function that calls itself
        try:
            tree = parse.parse(function).tree
        except SourceError:
            return False
        namespace = function.__globals__
        _returning[function.__code__] = _may_return(tree, lambda identifier: Object(namespace.get(identifier)))
    return _returning[function.__code__]


def _may_return(tree, find):
    if isinstance(tree, gast.Lambda):
        values, nested, assigned = [tree.body], set(), {}
    else:
        own = [n for s in tree.body for n in _own_nodes(s)]
        nested = {n.name for n in own if isinstance(n, gast.FunctionDef)}
        values = [n.value for n in own if isinstance(n, gast.Return) and n.value is not None]
        assigned = {}
        for n in own:
            if isinstance(n, gast.Assign):
                for identifier in (i for t in n.targets for i in target_names(t)):
                    assigned.setdefault(identifier, []).append(n.value)
    seen = set()

    def may(value):
        if isinstance(value, gast.Lambda):
            return True
        if isinstance(value, gast.Name):
            if value.id in nested:
                return True
            fresh = value.id not in seen
            seen.add(value.id)
            if value.id not in assigned and not any(isinstance(a, gast.Name) and a.id == value.id for a in gast.walk(tree.args)):
                known = find(value.id)      # of the function around
                return isinstance(known, (resolve.Instance, Display, resolve.Partial, resolve.Closure))
            return fresh and any(map(may, assigned.get(value.id, ())))
        if isinstance(value, gast.Call):
            called = value.func.attr if isinstance(value.func, gast.Attribute) else getattr(value.func, "id", None)
            if any(isinstance(v, gast.Call) and is_definition(v) for v in assigned.get(called, ())) or is_definition(value):
                return True
            if called in ("partial", "Partial") or called in {f.__name__ for f in resolve.TRANSFORMATIONS}:
                return True
            if isinstance(value.func, gast.Name) and any(a.id == called for a in tree.args.args):
                return True     # what it is given may be a class
            known = _found(value.func, find)
            if isinstance(known, Object) and resolve.is_user_class(known.value):
                return True
            if isinstance(known, Object) and hasattr(known.value, "_fields"):
                return any(map(may, [*value.args, *[k.value for k in value.keywords]]))
            return isinstance(known, resolve.Closure) or isinstance(known, Object) and isinstance(
                known.value, types.FunctionType) and not canonical(known.value) and returns_function(known)
        if isinstance(value, (gast.Tuple, gast.List)):
            return any(map(may, value.elts))
        if isinstance(value, gast.Dict):
            return any(map(may, value.values))
        if isinstance(value, gast.IfExp):
            return may(value.body) or may(value.orelse)
        return isinstance(value, (gast.ListComp, gast.GeneratorExp)) and may(value.elt)
    return any(map(may, values))


def _found(node, find):
    """What a name or a name of a module means."""
    if isinstance(node, gast.Name):
        return find(node.id)
    base = _found(node.value, find) if isinstance(node, gast.Attribute) else None
    module = isinstance(base, Object) and isinstance(base.value, types.ModuleType)
    return Object(getattr(base.value, node.attr, None)) if module else None


def _own_nodes(node):
    """The nodes of a statement, but for those inside functions that it defines."""
    yield node
    if not isinstance(node, (gast.FunctionDef, gast.Lambda, gast.ClassDef)):
        for child in gast.iter_child_nodes(node):
            yield from _own_nodes(child)


# -- loops ------------------------------------------------------------------------------------------------------------

def turns(lowering, node):
    """What each turn of a loop over ``node`` takes: a compile-time value, an atom or a tuple of these for each.

    None for a loop over data.
    """
    known = lowering.known(node)
    if known is not None:
        found = items_of(lowering, known)
        if found is None:
            return None
        items, keys = found
        return [const(k, node) for k in keys] if keys is not None else list(items)
    return turns_of_call(lowering, node)


def turns_of_call(lowering, node):
    """``turns`` of what ``zip``, ``enumerate``, ``reversed``, ``list``, ``tuple`` and a dict's methods give."""
    if not isinstance(node, gast.Call) or node.keywords:
        return None
    if isinstance(node.func, gast.Attribute) and node.func.attr in ("items", "keys", "values") and not node.args:
        base = lowering.known(node.func.value)
        found = items_of(lowering, base)
        if found is None or found[1] is None:
            return None
        keys = [const(k, node) for k in found[1]]
        return {"keys": keys, "values": list(found[0]), "items": list(zip(keys, found[0]))}[node.func.attr]
    callee = lowering.known(node.func)
    called = callee.value if isinstance(callee, Object) else None
    if called in (builtins.list, builtins.tuple) and len(node.args) == 1:
        return turns(lowering, node.args[0])
    if called is builtins.reversed and len(node.args) == 1:
        found = turns(lowering, node.args[0])
        return None if found is None else found[::-1]
    if called is builtins.enumerate and len(node.args) == 1:
        found = turns(lowering, node.args[0])
        return None if found is None else [(const(i, node), v) for i, v in enumerate(found)]
    if called is builtins.zip and node.args:
        parts = []
        for argument in node.args:
            spread = turns(lowering, argument.value) if isinstance(argument, gast.Starred) else None
            if isinstance(argument, gast.Starred) and (spread is None or not all(map(_items_of_turn, spread))):
                return None
            parts += [turns(lowering, argument)] if spread is None else map(_items_of_turn, spread)
        lengths = [len(p) for p in parts if p is not None]
        if not lengths:
            return None
        for k, part in enumerate(parts):
            if part is None:
                value = lowering.atom(node.args[k])
                if isinstance(value, gast.Name) and value.id not in lowering.lists:
                    lowering.out.append(at(gast.Expr(call("rt.lasts", [clone(value), const(min(lengths), node)], node=node)), node))
                parts[k] = [at(gast.Subscript(clone(value), const(i, node), gast.Load()), node) for i in range(min(lengths))]
        return list(zip(*parts))
    return None


def _items_of_turn(value):
    """The items of one of the sequences that ``zip(*sequences)`` runs over side by side."""
    found = None if isinstance(value, (tuple, gast.AST)) else resolve.items_of(value)
    return list(value) if isinstance(value, tuple) else None if found is None or found[1] is not None else list(found[0])


def numbers(lowering, node):
    """The numbers of a range with known bounds, else None."""
    callee = lowering.known(node.func) if isinstance(node, gast.Call) else None
    if not isinstance(callee, Object) or callee.value is not builtins.range:
        return None
    bounds = [constant(lowering, a) for a in node.args]
    return None if None in bounds else [const(i, node) for i in range(*bounds)]


def known_turns(lowering, node):
    """Whether a loop runs over a literal, or over a range with known bounds."""
    return isinstance(node, (gast.Tuple, gast.List)) and not any(isinstance(e, gast.Starred) for e in node.elts) or (
        isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and numbers(lowering, node) is not None)


def _of_literal(lowering, node):
    """What each turn of a loop with known turns takes."""
    if not isinstance(node, gast.Call):
        return [_of_element(lowering, element) for element in node.elts]
    return [Object(i.value) for i in numbers(lowering, node)]


def _of_element(lowering, element):
    if isinstance(element, (gast.Tuple, gast.List)):
        return tuple([_of_element(lowering, inner) for inner in element.elts])
    return Object(element.value) if isinstance(element, gast.Constant) else lowering.known(element) or lowering.atom(element)


def indexes(lowering, node):
    """The turns of ``for i in range(n)`` where the body takes function i of a sequence."""
    if _names_attributes(lowering, node):
        found = turns(lowering, node.iter)
        return found if found is not None or isinstance(node.iter, gast.Call) else [Object(e.value) for e in node.iter.elts]
    found = numbers(lowering, node.iter) if isinstance(node.target, gast.Name) else None
    if found is None or not any(
            isinstance(n, gast.Subscript) and isinstance(n.slice, gast.Name) and n.slice.id == node.target.id
            and lowering.known(n.value) is not None and resolve.items_of(lowering.known(n.value)) is not None
            for s in node.body for n in gast.walk(s) if isinstance(n, gast.Subscript) and isinstance(n.value, (
                gast.Name, gast.Attribute))):
        return None
    return [Object(i.value) for i in found]


def _names_attributes(lowering, node):
    """Whether a loop runs over strings, or the keys of a dict, that its body takes for names of attributes of objects that are known here."""
    literal = isinstance(node.iter, (gast.Tuple, gast.List)) and isinstance(node.target, gast.Name) and node.iter.elts and all(
        isinstance(e, gast.Constant) and isinstance(e.value, str) for e in node.iter.elts)
    if not literal and not (isinstance(node.iter, gast.Call) and isinstance(node.iter.func, gast.Attribute) and node.iter.func.attr in (
            "items", "keys")):
        return False
    own = target_names(node.target)
    asked = [n for s in node.body for n in gast.walk(s) if isinstance(n, gast.Call) and isinstance(n.func, gast.Name) and n.func.id in (
        "getattr", "setattr", "hasattr") and len(n.args) > 1 and isinstance(n.args[1], gast.Name) and n.args[1].id in own]
    return any(isinstance(n.args[0], (gast.Name, gast.Attribute)) and isinstance(lowering.known(n.args[0]), resolve.Instance)
               for n in asked)


def iterated(lowering, node):
    """What a loop runs over: for an object with ``__iter__`` what that returns."""
    known = lowering.known(node)
    if not isinstance(known, resolve.Instance) or hasattr(known.cls, "_fields") or not isinstance(
            getattr(known.cls, "__iter__", None), types.FunctionType):
        return node
    return at(gast.Call(at(gast.Attribute(node, "__iter__", gast.Load()), node), [], []), node)


def unroll(lowering, node):
    """Lower a loop over a sequence that holds functions, turn by turn; returns whether ``node`` was such a loop."""
    node.iter = iterated(lowering, node.iter)
    found = turns_of_functions(lowering, node.iter)
    if found is None:
        found = indexes(lowering, node)
    if found is None and (mutations.adds_functions(lowering, node.body) or _hands_objects(lowering, node.body)) and known_turns(lowering, node.iter):
        found = _of_literal(lowering, node.iter)
    if found is None:
        return False
    _short(lowering, found, node)
    _turn(lowering, node, found)
    return True


def _hands_objects(lowering, statements):
    """Whether statements give functions or objects that they make to methods of objects: ``m.add(Layer(w))``."""
    calls = [s.value for s in statements if isinstance(s, gast.Expr) and isinstance(s.value, gast.Call) and isinstance(s.value.func, gast.Attribute)]
    return any(isinstance(c.func.value, gast.Name) and isinstance(lowering.statics.get(c.func.value.id), resolve.Instance) and any(
        isinstance(a, gast.Lambda) or _makes_object(lowering, a) for a in c.args) for c in calls)


def turns_of_functions(lowering, node):
    """What each turn of a loop over a sequence that holds functions takes; None for other loops."""
    found = turns(lowering, node)
    if found is None or not any(holds_function(value) for value in found):
        return None
    _short(lowering, found, node)
    return found


def _short(lowering, found, node):
    if len(found) > LONGEST:
        refuse(node, lowering.unit, f"a loop over {len(found)} functions is not unrolled", "Loop over data instead.")


def holds_function(value):
    """Whether what a turn takes holds a function or an object."""
    if isinstance(value, tuple):
        return any(map(holds_function, value))
    return not isinstance(value, gast.AST)


def _turn(lowering, node, left):
    if not left:
        return
    body = [clone(s) for s in node.body]
    leave = body[0].test if isinstance(body[0], gast.If) and isinstance(body[0].body[0], gast.Break) else None
    if leave is None:
        bind(lowering, clone(node.target), left[0], node)
        lowering.block(body)
        return _turn(lowering, node, left[1:])
    test = lowering.atom(leave)
    outer, lowering.out = lowering.out, []
    lowering.depth += 1
    bind(lowering, clone(node.target), left[0], node)
    lowering.block(body[1:])
    _turn(lowering, node, left[1:])
    lowering.depth -= 1
    rest, lowering.out = lowering.out, outer
    lowering.out.append(branch(test, [at(gast.Pass(), node)], rest, node))


def bind(lowering, target, value, node):
    """Bind a loop's target to what one turn takes."""
    from xform.desugar import targets
    if isinstance(target, (gast.Tuple, gast.List)):
        if not isinstance(value, (tuple, gast.AST)):
            found = resolve.items_of(value)
            value = tuple(found[0]) if found is not None else value
        if isinstance(value, tuple) and len(value) == len(target.elts) and not any(
                isinstance(e, gast.Starred) for e in target.elts):
            for element, one in zip(target.elts, value):
                bind(lowering, element, one, node)
            return
    if isinstance(target, gast.Name) and isinstance(value, gast.Constant):
        value = Object(value.value)
    if isinstance(target, gast.Name) and not isinstance(value, (tuple, gast.AST)):
        lowering.statics[target.id] = value
        return
    if isinstance(value, tuple):
        value = at(gast.Tuple([clone(v) if isinstance(v, gast.AST) else lowering.materialise(v, node) for v in value],
                              gast.Load()), node)
    lowering.statics.pop(getattr(target, "id", None), None)
    atom = value if isinstance(value, (gast.Name, gast.Constant)) else lowering.store_temp(value, "item", node)
    targets.store_to(lowering, target, atom, node)


# -- calls ------------------------------------------------------------------------------------------------------------

def call_of_item(lowering, node):
    """``functions[i](x)`` or ``objects[i].method(x)`` with an index that only the run knows: one branch for each. None for other calls."""
    attr = node.func.attr if isinstance(node.func, gast.Attribute) else None
    taken = node.func if attr is None else node.func.value
    if not isinstance(taken, gast.Subscript) or isinstance(taken.slice, (gast.Slice, gast.Tuple)):
        return None
    base = lowering.known(taken.value) if attr is None or isinstance(taken.value, (gast.Name, gast.Attribute)) else None
    found = items_of(lowering, base)
    if found is None or not found[0]:
        return None
    items, keys = found
    if attr is not None and any(isinstance(i, gast.AST) or not resolve.is_static(i) for i in items):
        return None
    index = lowering.atom(taken.slice)
    if isinstance(index, gast.Constant):    # an item that is data
        return None
    names = list(range(len(items))) if keys is None else list(keys)
    checked = call("rt.checked_index", [index, const(len(items), node)], node=node) if keys is None else call(
        "rt.checked_key", [index, lowering.atom(at(gast.Tuple([const(k, node) for k in keys], gast.Load()), node))], node=node)
    place = lowering.store_temp(checked, "place", node)
    args = [a if isinstance(a, gast.Starred) or lowering.known(a) is not None else lowering.atom(a) for a in node.args]
    keywords = [gast.keyword(k.arg, k.value if k.arg is None or lowering.known(k.value) is not None else lowering.atom(k.value))
                for k in node.keywords]
    choice = None
    for key in reversed(names):
        function = at(gast.Subscript(clone(taken.value), const(key, node), gast.Load()), node)
        function = function if attr is None else at(gast.Attribute(function, attr, gast.Load()), node)
        made = at(gast.Call(function, [clone(a) for a in args], [clone(k) for k in keywords]), node)
        if choice is None:
            choice = made
        else:
            test = at(gast.Compare(name(place.id, node), [gast.Eq()], [const(key, node)]), node)
            choice = at(gast.IfExp(test, made, choice), node)
    return lowering.value(choice)
