"""A name that means one of several functions or objects, as the run decides: a call of it is a call on either side of a branch.

Before::

    activation = np.tanh if smooth else relu
    y = activation(x)

After::

    if smooth:
        y = np.tanh(x)
    else:
        y = relu(x)

Two objects of one class are merged into one whose attributes are locals that both sides assign; objects of different classes stay two,
and a method is called on either side.
"""
from __future__ import annotations

from types import FunctionType

import gast

from runtime.op import rule_of
from xform import resolve
from xform.desugar import perhaps
from xform.desugar.functions import nested
from xform.library import canonical
from xform.resolve import Display, Instance, Object, Picked
from xform.syntax import at, branch, call, clone, const, name


def ternary(lowering, node):
    """The compile-time value of ``a if test else b``; None where it is data."""
    memo = lowering.__dict__.setdefault("ternaries", {})
    if id(node) not in memo:
        memo[id(node)] = (_ternary(lowering, node) if _may_be(lowering, node) else None), node
    return memo[id(node)][0]


def _ternary(lowering, node):
    test = lowering.test(node.test)
    if isinstance(test, gast.Constant):
        return lowering.known(node.body if test.value else node.orelse)
    if not isinstance(test, gast.Name) or test.id not in lowering.temps or test is node.test:
        test = lowering.store_temp(test, "picks", node)     # its value of now
    found, made = [], []
    for side in (node.body, node.orelse):
        outer, lowering.out = lowering.out, []
        lowering.depth += 1
        nothing = isinstance(side, gast.Constant) and side.value is None
        found.append(Object(None) if nothing else _known(lowering, side))
        lowering.depth -= 1
        made.append(lowering.out)
        lowering.out = outer
    merged = of_two(lowering, test, found, made, node)
    if merged is not None:
        return merged
    target = lowering.temp("choice")
    for side, statements in zip((node.body, node.orelse), made):
        outer, lowering.out = lowering.out, statements
        lowering.emit(target, lowering.value(side), node)
        lowering.out = outer
    lowering.out.append(branch(test, made[0], made[1], node))
    lowering.__dict__.setdefault("chosen", {})[id(node)] = name(target, node), node
    return None


def _known(lowering, node):
    found = item(lowering, node) if isinstance(node, gast.Subscript) else None
    return lowering.known(node) if found is None else found


def of_two(lowering, test, found, made, node):
    """What is one of two compile-time values; None where that is no function or object. made: the statements of both sides."""
    if all(isinstance(one, Instance) or isinstance(one, Object) and one.value is None for one in found) and any(
            isinstance(one, Instance) for one in found):
        merged = _merged(lowering, test, found, made, node)
        if merged is not None:
            return merged
    if not all(_is_pickable(lowering, one) for one in found):
        return None
    if made[0] or made[1]:
        lowering.out.append(branch(test, made[0] or [at(gast.Pass(), node)], made[1], node))
    return found[0] if found[0] is found[1] else Picked(test, *found)


def _merged(lowering, test, found, made, node):
    """One object that has the attributes of the one that is picked; None where they differ in class or in what they hold."""
    from xform.desugar.rebind import keep_unchanged, mismatch, named
    given = [one for one in found if isinstance(one, Instance)]
    if given[0] is given[-1] and len(given) == 2:
        if made[0] or made[1]:
            lowering.out.append(branch(test, made[0] or [at(gast.Pass(), node)], made[1], node))
        return given[0]
    own = perhaps.blank(lowering, perhaps.without_mark(given[0]), "picked", node)
    optional = len(given) < 2 or any(map(perhaps.is_optional, given))
    if optional:
        own.fields[perhaps.MARK] = name(lowering.temp("picked_" + perhaps.MARK), node)
    pairs = [[] for _ in found]
    for one, into in zip(found, pairs):
        if isinstance(one, Instance) and mismatch(perhaps.without_mark(own), perhaps.without_mark(one), into):
            return None
        if optional:
            mark = const(isinstance(one, Instance), node) if not perhaps.is_optional(one) else one.fields[perhaps.MARK]
            into.append((own.fields[perhaps.MARK].id, mark))
    for into, statements in zip(pairs, made):
        outer, lowering.out = lowering.out, statements
        for target, value in into:
            lowering.emit(target, clone(value) if isinstance(value, gast.AST) else lowering.materialise(value, node), node)
        lowering.out = outer
    lowering.out.append(branch(test, made[0] or [at(gast.Pass(), node)], made[1], node))
    shared = [s for one in given for s in named(lowering, one, None)]
    own.merged = tuple([(one, one.copied) for one in shared])
    keep_unchanged(lowering, own, shared, node)
    return own


def _may_be(lowering, node):
    """Whether an expression may be a function or an object, as far as can be said without lowering anything."""
    if isinstance(node, gast.IfExp):
        return hasattr(node, "gives_object") or _may_be(lowering, node.body) or _may_be(lowering, node.orelse)
    if isinstance(node, gast.Lambda):
        return True
    if isinstance(node, gast.Subscript):
        return _functions_of(lowering, node) is not None
    if isinstance(node, gast.Attribute):
        base = lowering.known(node.value) if isinstance(node.value, (gast.Name, gast.Attribute)) else None
        if isinstance(base, Instance):
            return node.attr in base.fields and not isinstance(base.fields[node.attr], gast.AST) and _is_pickable(lowering, base.fields[node.attr])
        return base is not None and _is_pickable(lowering, lowering.known(node))
    if isinstance(node, gast.Name):
        return _is_pickable(lowering, lowering.known(node))
    callee = lowering.known(node.func) if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) else None
    return isinstance(callee, Object) and resolve.is_user_class(callee.value)


def _is_pickable(lowering, known):
    """Whether a compile-time value is a function, a class that is read, or an object."""
    if isinstance(known, Object):
        if resolve.is_user_class(known.value):
            return True
        return lowering.is_static(known) and callable(known.value)
    return known is not None and not isinstance(known, (gast.AST, Display, resolve.Super))


# -- what is done with it ---------------------------------------------------------------------------------------------------

def call_with(lowering, callee, args, keywords, node):
    """A call of what was picked, as an expression: a call on either side."""
    def held(value, wanted):
        if isinstance(value, gast.AST):
            return value
        own = lowering.temp(wanted)
        lowering.statics[own] = value
        return name(own, node)

    args = [held(a, "argument") for a in args]
    keywords = [gast.keyword(k, held(v, k)) for k, v in keywords.items()]

    def side(one):
        if isinstance(one, Picked):
            return at(gast.IfExp(name(one.test.id, node), side(one.body), side(one.orelse)), node)
        return at(gast.Call(held(one, "picked"), [clone(a) for a in args], [clone(k) for k in keywords]), node)
    return side(callee)


def call_of(lowering, callee, args, keywords, node):
    """Lower a call of what was picked."""
    return lowering.value(call_with(lowering, callee, args, keywords, node))


def on_either_side(node):
    """``(f if test else g)(x)`` as ``f(x) if test else g(x)``."""
    sides = [clone(at(gast.Call(f, node.args, node.keywords), node)) for f in (node.func.body, node.func.orelse)]
    return at(gast.IfExp(node.func.test, *sides), node)


def called(lowering, callee, node):
    """The compile-time value of a call of what was picked; None where that is data."""
    from xform.desugar.calls import arguments
    if not _gives_object(lowering, callee, node):
        return None
    made = call_with(lowering, callee, *_atoms(lowering, *arguments(lowering, node)), node)
    _mark(made)
    found = lowering.known(made)
    if found is None:
        value = lowering.value(made)
        lowering.__dict__.setdefault("lowered", {})[id(node)] = value, node
    return found


def _gives_object(lowering, callee, node):
    """Whether a call of what was picked may give an object or a function, or change an object."""
    from xform.desugar.sequences import returns_function
    if isinstance(callee, Picked):
        return any(_gives_object(lowering, side, node) for side in (callee.body, callee.orelse))
    given = [a.value if isinstance(a, gast.Starred) else a for a in [*node.args, *[k.value for k in node.keywords]]]
    if any(True for known in (callee, *map(lowering.known, given)) if known is not None for _ in resolve.objects_in(known)):
        return True
    while isinstance(callee, resolve.Partial):
        callee = resolve.normal(callee.fn)
    if isinstance(callee, Object):
        return resolve.is_user_class(callee.value) or isinstance(callee.value, FunctionType) and not canonical(
            callee.value) and rule_of(callee.value) is None and returns_function(callee)
    return isinstance(callee, resolve.Closure) and hasattr(callee.nested, "parent") and returns_function(callee)


def _mark(node):
    """Have all branches of a ternary read for objects."""
    if isinstance(node, gast.IfExp):
        node.gives_object = True
        _mark(node.body)
        _mark(node.orelse)


def _atoms(lowering, args, keywords):
    """Arguments that are evaluated before the branch."""
    from xform.desugar.calls import atom_of

    def one(value):
        if not isinstance(value, gast.AST):
            return value
        if isinstance(value, (gast.Name, gast.Constant, gast.Starred)):
            return value
        return atom_of(lowering, value, value)
    return [one(a) for a in args], {k: one(v) for k, v in keywords.items()}


def attribute(lowering, known, attr, node):
    """``p.attr`` of what was picked: a compile-time value or an atom; None for what only the run can read."""
    memo = lowering.__dict__.setdefault("picked", {})
    if id(node) not in memo:
        memo[id(node)] = _attribute(lowering, known, attr, node), node
    return memo[id(node)][0]


def _attribute(lowering, known, attr, node):
    from xform.desugar import objects

    def of(one):
        if isinstance(one, Picked):
            return _attribute(lowering, one, attr, node)
        if isinstance(one, Instance):
            return objects.attribute(lowering, one, attr, at(gast.Attribute(name("picked", node), attr, gast.Load()), node))
        return resolve.attribute(one, attr)
    found, made = [], []
    for one in (known.body, known.orelse):
        outer, lowering.out = lowering.out, []
        lowering.depth += 1
        found.append(of(one))
        lowering.depth -= 1
        made.append(lowering.out)
        lowering.out = outer
    if all(f is not None and not isinstance(f, gast.AST) and resolve.is_static(f) for f in found):
        return of_two(lowering, known.test, found, made, node)
    if any(f is None for f in found):
        return None
    target = lowering.temp(attr)
    for value, statements in zip(found, made):
        outer, lowering.out = lowering.out, statements
        lowering.emit(target, clone(value) if isinstance(value, gast.AST) else lowering.materialise(value, node), node)
        lowering.out = outer
    lowering.out.append(branch(known.test, made[0], made[1], node))
    return name(target, node)


def as_value(lowering, known, node):
    """What was picked as a value of the run."""
    target, made = lowering.temp("choice"), []
    for one in (known.body, known.orelse):
        outer, lowering.out = lowering.out, []
        lowering.emit(target, lowering.materialise(one, node), node)
        made.append(lowering.out)
        lowering.out = outer
    lowering.out.append(branch(name(known.test.id, node), made[0], made[1], node))
    return name(target, node)


def _functions_of(lowering, node):
    """The items and keys of what a subscript reads, where all are functions or objects; None for other subscripts."""
    from xform.desugar.sequences import items_of
    if isinstance(node.slice, (gast.Slice, gast.Tuple)) or not isinstance(node.value, (gast.Name, gast.Attribute, gast.Dict, gast.List, gast.Tuple)):
        return None
    found = items_of(lowering, lowering.known(node.value))
    return None if found is None or not found[0] or not all(_is_pickable(lowering, one) for one in found[0]) else found


def item(lowering, node):
    """The compile-time value of ``functions[key]`` with a key that only the run knows; None for other items."""
    from xform.desugar.sequences import constant
    found = _functions_of(lowering, node)
    if found is None or len(found[0]) < 2 or constant(lowering, node.slice) is not None:
        return None
    items, keys = found
    index = lowering.atom(node.slice)
    names = list(range(len(items))) if keys is None else list(keys)
    checked = call("rt.checked_index", [index, const(len(items), node)], node=node) if keys is None else call(
        "rt.checked_key", [index, lowering.atom(at(gast.Tuple([const(k, node) for k in keys], gast.Load()), node))], node=node)
    place = lowering.store_temp(checked, "place", node)
    made = items[-1]
    tests = [lowering.store_temp(at(gast.Compare(name(place.id, node), [gast.Eq()], [const(k, node)]), node), "picks", node) for k in names[:-1]]
    for test, one in reversed(list(zip(tests, items))):
        made = Picked(test, one, made)
    return made


# -- branches that bind names to functions ----------------------------------------------------------------------------------

def bound_by_branches(lowering, node, test):
    """``if test: f = a`` / ``else: f = b`` as ``f = a if test else b``, behind what else stands in the branches; None where that is no function."""
    if getattr(lowering.scope, "generated", False):
        return None
    sides = [_split(lowering, node.body), _split(lowering, node.orelse)]
    ends = [_ends(statements) for statements, _ in sides]
    if any(ends):
        return None if all(ends) else _after_raise(lowering, node, test, sides, ends)
    both = [n for n in dict.fromkeys([*sides[0][1], *sides[1][1]]) if all(
        n in bound or not block and n in lowering.settled for (_, bound), block in zip(sides, (node.body, node.orelse)))]
    if not both or any(set(bound) - set(both) for _, bound in sides):
        return None
    rest = [statements for statements, _ in sides]
    if test.id not in lowering.temps:
        test = lowering.store_temp(test, "picks", node)
    made = []
    if rest[0] or rest[1]:
        made.append(at(gast.If(name(test.id, node), rest[0] or [at(gast.Pass(), node)], rest[1]), node))
    for identifier in both:
        values = [bound.get(identifier, name(identifier, node)) for _, bound in sides]
        made.append(_binding(identifier, at(gast.IfExp(name(test.id, node), *values), node), node))
    return made


def _ends(statements):
    return bool(statements) and isinstance(statements[-1], gast.Raise)


def _after_raise(lowering, node, test, sides, ends):
    """The same where one side raises: what the other binds is what follows."""
    bound = sides[ends.index(False)][1]
    if not bound:
        return None
    made = [at(gast.If(test, sides[0][0] or [at(gast.Pass(), node)], sides[1][0]), node)]
    for identifier, value in bound.items():
        made.append(_binding(identifier, value, node))
    return made


def _binding(identifier, value, node):
    made = at(gast.Assign([at(gast.Name(identifier, gast.Store(), None, None), node)], value, None), node)
    made.lines = {n.lineno for n in gast.walk(node) if hasattr(n, "lineno")}
    return made


def _split(lowering, statements):
    """The statements of a branch before those that bind names to functions at its end, and what these bind: {name: expression}."""
    bound, count = {}, len(statements)
    while count:
        one = statements[count - 1]
        if isinstance(one, gast.Assign) and len(one.targets) == 1 and isinstance(one.targets[0], gast.Name):
            identifier, value = one.targets[0].id, one.value
        elif isinstance(one, gast.FunctionDef) and not one.decorator_list and not one.args.defaults and not one.args.kw_defaults:
            identifier, value = one.name, _defined(lowering, one)
        elif isinstance(one, gast.If) and not bound:
            sides = [_split(lowering, one.body), _split(lowering, one.orelse)]
            ends = [_ends(rest) for rest, _ in sides]
            if any(ends) and not all(ends) and sides[ends.index(False)][1]:
                rest = at(gast.If(one.test, sides[0][0] or [at(gast.Pass(), one)], sides[1][0]), one)
                return [*statements[:count - 1], rest], sides[ends.index(False)][1]
            if len(sides[0][1]) != 1 or set(sides[0][1]) != set(sides[1][1]):
                break
            identifier = next(iter(sides[0][1]))
            test, before = one.test, []
            if sides[0][0] or sides[1][0]:
                test = name(lowering.temp("picks"), one)
                before = [at(gast.Assign([at(gast.Name(test.id, gast.Store(), None, None), one)], one.test, None), one),
                          at(gast.If(clone(test), sides[0][0] or [at(gast.Pass(), one)], sides[1][0]), one)]
            value = at(gast.IfExp(test, sides[0][1][identifier], sides[1][1][identifier]), one)
            return [*statements[:count - 1], *before], {identifier: value}
        else:
            break
        if identifier in bound or not _is_function_of_text(lowering, value):
            break
        bound = {identifier: value, **bound}
        count -= 1
    return statements[:count], bound


def _defined(lowering, node):
    """A function that a branch defines, as an expression."""
    own = f"{node.name} of line {node.lineno}"
    lowering.statics[own] = nested(lowering, node)
    return name(own, node)


def _is_function_of_text(lowering, node):
    if isinstance(node, gast.IfExp):
        return _is_function_of_text(lowering, node.body) and _is_function_of_text(lowering, node.orelse)
    if isinstance(node, (gast.Name, gast.Attribute)) and isinstance(lowering.known(node), Instance):
        return False
    return not isinstance(node, gast.Call) and _may_be(lowering, node)


def binds_alone(lowering, identifier, node) -> bool:
    """Whether no other statement binds a name, and none reads it that stands before this one: it means the same wherever it is read."""
    lines = getattr(node, "lines", {node.lineno})
    for one in gast.walk(lowering.tree):
        if isinstance(one, (gast.FunctionDef, gast.ClassDef)) and one is not lowering.tree and one.name == identifier and one.lineno not in lines:
            return False
        if isinstance(one, (gast.Nonlocal, gast.Global)) and identifier in one.names:
            return False
        if isinstance(one, gast.Name) and one.id == identifier and one.lineno not in lines and (
                not isinstance(one.ctx, gast.Load) or one.lineno < min(lines)):
            return False
    return True
