"""Methods of run-time values: array methods are np functions, updates are values, appends rebind.

Before::

    s = x.sum(axis=0)
    xs.append(s)
    y = x.at[0].set(s)

After::

    s = np.sum(x, axis=0)
    xs = rt.append(xs, s)
    y = rt.at_set(x, 0, s)
"""
from __future__ import annotations

import gast

from xform.desugar import asked, calls, joins, mutations
from xform.desugar.calls import arguments, atom_of
from xform.errors import refuse
from xform.library import METHODS, lookup
from xform.resolve import Instance, Object
from xform.syntax import assign, at, call, clone, const, name

CONTAINER_METHODS = {"items": "rt.builtins.items", "values": "rt.builtins.values", "keys": "rt.builtins.keys",
                     "get": "rt.builtins.get"}
MUTATIONS = {"append": "rt.append", "extend": "rt.extend", "insert": "rt.insert", "update": "rt.update", "remove": "rt.remove",
             "clear": "rt.cleared", "reverse": "rt.reverse", "sort": "rt.builtins.in_order"}
# By the number of arguments; these give a value and the changed object.
POPS = {"pop": ("rt.popped", "rt.popped_at", "rt.popped_or"), "setdefault": (None, "rt.set_default", "rt.set_default")}
REFUSED_MUTATIONS = {"popitem": "Build a new dict.", "add": "Build a new set.", "discard": "Build a new set."}
STRUCTURES = {"unflatten": "rt.tree_of_leaves", "flatten_up_to": "rt.leaves_up_to"}      # of a treedef
AT_METHODS = {"set": "rt.at_set", "add": "rt.at_add", "multiply": "rt.at_multiply", "mul": "rt.at_multiply",
              "divide": "rt.at_divide", "min": "rt.at_min", "max": "rt.at_max", "get": "rt.at_get",
              "subtract": "rt.at_subtract", "power": "rt.at_power", "apply": "rt.at_apply"}


def method(lowering, node):
    """A call whose callee is a run-time value: an array or container method, or a function value."""
    if not isinstance(node.func, gast.Attribute):
        function = lowering.atom(node.func)
        args, keywords = arguments(lowering, node)
        args = [atom_of(lowering, a, node) if not isinstance(a, gast.AST) else a for a in args]
        return call(function, args, {k: atom_of(lowering, v, node) for k, v in keywords.items()}, node)
    attr = node.func.attr
    base = lowering.atom(node.func.value)
    if isinstance(base, gast.Constant):
        base = lowering.store_temp(base, "text", node)
    args, keywords = arguments(lowering, node)
    args = [atom_of(lowering, a, node) if not isinstance(a, gast.AST) else a for a in args]
    keywords = {k: atom_of(lowering, v, node) for k, v in keywords.items()}
    if attr in METHODS:
        where = keywords.pop("out_sharding", None)
        if attr in ("reshape", "transpose") and args and not isinstance(args[0], gast.Tuple) and (
                len(args) > 1 or isinstance(args[0], gast.Constant) and isinstance(args[0].value, int)):
            args = [lowering.atom_value(at(gast.Tuple(args, gast.Load()), node))]
        return _placed(lowering, call(f"np.{attr}", [base, *args], keywords, node), where, node)
    if attr in ("flatten", "sort", "compress"):     # whose result is used: of a list, sort has none
        args = [args[0], base, *args[1:]] if attr == "compress" else [base, *args]
        made = call({"flatten": "np.ravel"}.get(attr, f"np.{attr}"), args, keywords, node)
        if attr == "flatten":
            lowering.unit.copied.add(id(made))
        return made
    if attr == "item" and not keywords:
        place = args and (args[0] if len(args) == 1 else lowering.atom_value(at(gast.Tuple(args, gast.Load()), node)))
        return call("rt.builtins.item_at", [base, place], node=node) if args else call("rt.builtins.item", [base], node=node)
    if attr == "tolist" and not args and not keywords:
        return call("rt.builtins.tolist", [base], node=node)
    if attr in CONTAINER_METHODS:
        return call(CONTAINER_METHODS[attr], [base, *args], keywords, node)
    if attr in POPS and isinstance(node.func.value, gast.Name) and node.func.value.id in lowering.counts:
        return popped(lowering, POPS[attr][len(args)], base, args, node)
    held = lowering.known(node.func.value.value) if attr in POPS and isinstance(node.func.value, gast.Attribute) else None
    if isinstance(held, Instance):
        from xform.desugar.objects import change_held
        given = []
        change_held(lowering, held, node.func.value.attr, lambda own: given.append(own) or own, node)
        lowering.out.pop()      # the local as it was
        return popped(lowering, POPS[attr][len(args)], given[0], args, node)
    if (attr in MUTATIONS or attr in REFUSED_MUTATIONS or attr in POPS) and attr != "update":
        refuse(node, lowering.unit, f"the result of .{attr}() is used while it changes its object in place",
               REFUSED_MUTATIONS.get(attr, "Write it as a statement of its own."))
    if attr == "update":    # of a dict, it gives nothing that could be used: this is another object's
        found = lowering.store_temp(call("rt.operators.own_method", [base, const(attr, node)], node=node), attr, node)
        return call(found, args, keywords, node)
    if attr == "_replace" and not args:
        fields = gast.Dict([gast.Constant(k, None) for k in keywords], list(keywords.values()))
        return call("rt.replace_fields", [base, lowering.atom_value(at(fields, node))], node=node)
    if attr in STRUCTURES and len(args) == 1 and not keywords:
        return call(STRUCTURES[attr], [base, args[0]], node=node)
    if attr in ("copy", "block_until_ready"):
        return call(f"rt.builtins.{attr}", [base], node=node)
    if attr == "byteswap" and not args or attr == "view" and len(args) + len(keywords) <= 1 and keywords.keys() <= {"dtype"}:
        return call(f"rt.builtins.{attr}", [base, *args], keywords, node)
    return call(at(gast.Attribute(base, attr, gast.Load()), node), args, keywords, node)


def popped(lowering, path, base, args, node):
    """``xs.pop(i)`` gives the item and rebinds xs to the rest."""
    made = calls.call_known_with(lowering, Object(lookup(path)), [base, *args], {}, node)
    pair = lowering.store_temp(made, "pair", node)
    item = lowering.temp("item")
    lowering.out.append(assign([item, base.id], pair, node))
    return name(item, node)


def mutation(lowering, value, node):
    """``xs.append(v)`` as a statement rebinds xs; returns whether this was one."""
    function = value.func
    if not isinstance(function, gast.Attribute) or lowering.known(function) is not None:
        return False
    if function.attr in joins.SETS and len(value.args) == 1 and not value.keywords and isinstance(function.value, gast.Name) \
            and function.value.id in lowering.sets:
        members = lowering.store_temp(at(gast.Set([lowering.atom(value.args[0])]), node), "member", node)
        _changed(lowering, function.value.id, joins.changed_set(lowering, name(function.value.id, node), function.attr, members, node), node)
        return True
    if function.attr in REFUSED_MUTATIONS:
        refuse(node, lowering.unit, f".{function.attr}() changes its object in place, which is not supported in a "
               "transformed function", REFUSED_MUTATIONS[function.attr])
    if function.attr not in MUTATIONS:
        return False
    if function.attr == "update" and value.keywords and all(k.arg for k in value.keywords):     # d.update(more, key=v)
        more = gast.Dict([*[None] * len(value.args), *[gast.Constant(k.arg, None) for k in value.keywords]],
                         [*value.args, *[k.value for k in value.keywords]])
        value = at(gast.Call(function, [at(more, node)], []), node)
    base = function.value
    if _in_steps(lowering, value, base, node):
        return True
    if mutations.change(lowering, base, function.attr, value.args, value.keywords, node) is not mutations.UNKNOWN:
        return True
    if not isinstance(base, gast.Name):
        if isinstance(base, gast.Subscript):
            from xform.desugar.targets import store_to
            old = lowering.atom(base)
            args, keywords = arguments(lowering, value)
            made = calls.call_known_with(lowering, Object(lookup(MUTATIONS[function.attr])), [old, *args], keywords, node)
            new = lowering.store_temp(made, "items", node)
            store_to(lowering, at(gast.Subscript(base.value, base.slice, gast.Store()), node), new, node)
            return True
        held = lowering.known(base.value) if isinstance(base, gast.Attribute) else None
        if isinstance(held, Instance):
            from xform.desugar.objects import change_held, gathered
            if gathered(lowering, held, base.attr, function.attr, value.args, value.keywords, node) is not None:
                return True
            args, keywords = arguments(lowering, value)
            change_held(lowering, held, base.attr, lambda own: calls.call_known_with(lowering, Object(lookup(
                MUTATIONS[function.attr])), [own, *args], keywords, node), node)
            return True
        what = "an attribute" if isinstance(base, gast.Attribute) else "what an expression gives"
        refuse(node, lowering.unit, f".{function.attr}() on {what} is not supported in a transformed function",
               "Take the list into a local variable first.")
    if base.id not in lowering.counts:
        refuse(node, lowering.unit, f"{base.id!r} is not a local variable: a transformed function changes no outer object",
               "Make the list inside the function, or return what is to be added.")
    args, keywords = arguments(lowering, value)
    made = calls.call_known_with(lowering, Object(lookup(MUTATIONS[function.attr])), [name(base.id, node), *args], keywords, node)
    _changed(lowering, base.id, made, node)
    return True


def _changed(lowering, identifier, made, node):
    """Rebind a local to what a change in place makes of it."""
    lowering.emit(identifier, made, node)
    lowering.unit.in_place.add(id(lowering.out[-1]))


def _in_steps(lowering, value, base, node):
    """``(xs if c else ys).append(v)`` as a branch, ``d.setdefault(k, []).append(v)`` as two changes of ``d``; returns whether it was one."""
    def on(held):
        return at(gast.Expr(at(gast.Call(at(gast.Attribute(held, value.func.attr, gast.Load()), node), clone(value.args), clone(value.keywords)), node)), node)

    if isinstance(base, gast.IfExp):
        lowering.statement(at(gast.If(base.test, [on(base.body)], [on(base.orelse)]), node))
        return True
    if not (isinstance(base, gast.Call) and isinstance(base.func, gast.Attribute) and base.func.attr == "setdefault" and len(base.args) == 2
            and not base.keywords and isinstance(base.func.value, gast.Name) and base.func.value.id in lowering.counts):
        return False
    key = atom_of(lowering, lowering.atom(base.args[0]), node)
    lowering.statement(at(gast.Expr(at(gast.Call(base.func, [key, base.args[1]], []), node)), node))
    lowering.statement(on(at(gast.Subscript(clone(base.func.value), clone(key), gast.Load()), node)))
    return True


def _says(node, *values):
    return isinstance(node, gast.Constant) and any([node.value is v or node.value == v for v in values])


def of_a_form(lowering, node):
    """The value of ``x.at[i].set(v)`` or ``jit(f).eval_shape(x)``; None of a call that is written otherwise."""
    found = at_update(lowering, node)
    return asked.method(lowering, node) if found is None else found


def at_update(lowering, node):
    """``x.at[i].set(v)`` is rt.at_set(x, i, v); None when the call is no such update."""
    function = node.func
    inner = function.value
    if not (isinstance(inner, gast.Subscript) and isinstance(inner.value, gast.Attribute) and inner.value.attr == "at"
            and function.attr in AT_METHODS):
        return None
    from xform.desugar.targets import index_value
    base = lowering.atom(inner.value.value)
    index = index_value(lowering, inner.slice, node)
    args, keywords = arguments(lowering, node)
    wrap, mode = keywords.pop("wrap_negative_indices", gast.Constant(True, None)), keywords.get("mode", gast.Constant(None, None))
    if not (_says(wrap, True) and _says(mode, None, "drop", "fill", "promise_in_bounds")):
        options = {"reading": gast.Constant(True, None)} if function.attr == "get" else {}
        placed = call("rt.placed_index", [index, mode, wrap, base], options, node)
        index = lowering.store_temp(placed, "index", node)
    if function.attr == "apply":
        known = lowering.known(node.args[0]) if node.args else None
        if known is None:
            refuse(node, lowering.unit, "the function that .at[].apply() applies is not known when the code is transformed",
                   "Apply a function defined or imported by name, or a lambda.")
    where = keywords.pop("out_sharding", None)
    if function.attr == "apply":
        made = calls.call_known_with(lowering, Object(lookup(AT_METHODS["apply"])), [base, index, *args], keywords, node)
    else:
        made = call(AT_METHODS[function.attr], [base, index, *args], keywords, node)
    return _placed(lowering, made, where, node)


def _placed(lowering, made, where, node):
    """A call whose ``out_sharding=`` says where the result lies: a call, and one that places it."""
    if where is None:
        return made
    return call("rt.placed", [lowering.store_temp(made, "made", node), atom_of(lowering, where, node)], node=node)
