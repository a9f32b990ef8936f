"""``*args`` and ``**kwargs`` that a function binds again: what they hold is known all the same, item by item.

Before, for a call that gives two values::

    def scaled(*args, **kwargs):
        args = [2.0 * a for a in args]
        kwargs = dict(kwargs, axis=0)
        return model(*args, **kwargs)

After::

    def scaled(args_0, args_1):
        product = 2.0 * args_0
        product_1 = 2.0 * args_1
        return model(product, product_1, axis=0)
"""
from __future__ import annotations

import builtins

import gast

from xform import resolve
from xform.errors import TransformError, refuse
from xform.resolve import Display, Object
from xform.syntax import at, clone, const, name

KINDS = {builtins.list: list, builtins.tuple: tuple, builtins.reversed: list, builtins.map: list}


class Undecided(TransformError):
    """Only the run knows what *args or **kwargs hold from some line on."""


def is_gathered(lowering, identifier) -> bool:
    """Whether a name is *args or **kwargs of a function that was specialised to what they hold."""
    args = lowering.tree.args
    return isinstance(lowering.given.get(identifier), Display) and any(
        a is not None and a.id == identifier for a in (args.vararg, args.kwarg))


def assign(lowering, identifier, expression, node) -> bool:
    """Take in ``args = expression``; returns whether the name is one of those."""
    if not is_gathered(lowering, identifier):
        return False
    check(lowering, identifier, node)
    found = display(lowering, expression)
    if found is None:
        undecided(lowering, identifier, node)
    lowering.statics[identifier] = found
    return True


def check(lowering, identifier, node):
    """Refuse another binding of *args or **kwargs where only the run knows whether it is made."""
    if is_gathered(lowering, identifier) and lowering.depth:
        undecided(lowering, identifier, node)


def undecided(lowering, identifier, node):
    """Say that what *args or **kwargs hold is not known any more."""
    try:
        refuse(node, lowering.unit, f"what {identifier!r} holds from here on is not known when the code is transformed",
               "Bind it outside branches and loops to a list, tuple or dict whose items the text shows, or use another name.")
    except TransformError as error:
        raise Undecided(error.reason, hint=error.hint, file=error.file, line=error.line, column=error.column) from None


def display(lowering, node):
    """What an expression holds, item by item; None where that is not known."""
    from xform.desugar.spread import keys_of
    if isinstance(node, gast.Dict) or isinstance(node, gast.Call) and _called(lowering, node) is dict:
        found = keys_of(lowering, node)
        return None if found is None else Display(tuple([_kept(lowering, v) for v in found.values()]), tuple(found), dict)
    if isinstance(node, gast.DictComp):
        return _mapped(lowering, node)
    if isinstance(node, gast.Call) and _called(lowering, node) in KINDS and not node.keywords:
        inner = _over(lowering, node)
        return None if inner is None or inner.keys is not None else Display(inner.items, None, KINDS[_called(lowering, node)])
    if isinstance(node, (gast.ListComp, gast.GeneratorExp)):
        return _listed(lowering, node)
    if isinstance(node, (gast.Tuple, gast.List)):
        items = []
        for element in node.elts:
            inner = display(lowering, element.value) if isinstance(element, gast.Starred) else Display((_item(lowering, element),))
            if inner is None or inner.keys is not None:
                return None
            items += inner.items
        return Display(tuple(items), None, list if isinstance(node, gast.List) else tuple)
    if isinstance(node, gast.BinOp) and isinstance(node.op, gast.Add):
        sides = display(lowering, node.left), display(lowering, node.right)
        return None if None in sides or sides[0].keys or sides[1].keys else Display(sides[0].items + sides[1].items, None, sides[0].kind)
    if isinstance(node, (gast.IfExp, gast.BoolOp)):
        from xform.desugar.questions import truth
        if isinstance(node, gast.IfExp):
            chosen = truth(lowering, node.test)
            return None if chosen is None else display(lowering, node.body if chosen else node.orelse)
        first = truth(lowering, node.values[0])
        rest = node.values[1] if len(node.values) == 2 else at(gast.BoolOp(node.op, node.values[1:]), node)
        return None if first is None else display(lowering, node.values[0] if first == isinstance(node.op, gast.Or) else rest)
    known = lowering.known(node)
    found = None if known is None else resolve.items_of(known)
    if found is not None:
        kind = known.kind if isinstance(known, Display) else type(known.value) if isinstance(known, Object) else tuple
        return Display(tuple([_kept(lowering, v) for v in found[0]]), found[1], kind)
    return _of_data(lowering, node)


def _called(lowering, node):
    callee = lowering.known(node.func)
    return callee.value if isinstance(callee, Object) and isinstance(callee.value, type) else None


def _over(lowering, node):
    called = _called(lowering, node)
    if called is builtins.map:
        parts = [display(lowering, a) for a in node.args[1:]]
        if not parts or any(p is None or p.keys is not None for p in parts):
            return None
        calls = [at(gast.Call(clone(node.args[0]), [_expression(lowering, v, node) for v in values], []), node)
                 for values in zip(*[p.items for p in parts])]
        return Display(tuple([_item(lowering, c) for c in calls]))
    if not node.args:
        return Display(())
    inner = display(lowering, node.args[0])
    if inner is None or called is not builtins.reversed:
        return inner
    return None if inner.keys is not None else Display(inner.items[::-1])


def _turns(lowering, node):
    """What each turn of a comprehension's only generator takes; None where that is not known."""
    from xform.desugar.sequences import numbers, turns
    if len(node.generators) != 1 or node.generators[0].ifs:
        return None
    over = node.generators[0].iter
    found = turns(lowering, over)
    return numbers(lowering, over) if found is None else found


def _turn_by_turn(lowering, node, parts):
    """The items that each part of a comprehension gives, turn by turn."""
    from xform.desugar.sequences import bind
    from xform.syntax import rename, target_names
    found = _turns(lowering, node)
    if found is None:
        return None
    renames = {n: lowering.temp(n) for n in target_names(node.generators[0].target)}
    target, parts = rename(clone(node.generators[0].target), renames), [rename(clone(p), renames) for p in parts]
    made = []
    for value in found:
        bind(lowering, clone(target), value, node)
        made.append([clone(p) for p in parts])
        made[-1] = [_item(lowering, p) for p in made[-1]]
    return made


def _listed(lowering, node):
    found = _turn_by_turn(lowering, node, [node.elt])
    return None if found is None else Display(tuple([item for item, in found]), None, list)


def _mapped(lowering, node):
    found = _turn_by_turn(lowering, node, [node.key, node.value])
    keys = None if found is None else [k.value if isinstance(k, (gast.Constant, Object)) else None for k, _ in found]
    return None if keys is None or None in keys else Display(tuple([v for _, v in found]), tuple(keys), dict)


def _of_data(lowering, node):
    """A list or tuple of data whose length the text shows."""
    from xform.desugar.spread import items, keys_of
    found = items(lowering, node, lambda e: _item(lowering, e))
    if found is not None:
        return Display(tuple(found), None, tuple)
    if isinstance(node, gast.Name):
        keyed = keys_of(lowering, node)
        return None if keyed is None else Display(tuple([_kept(lowering, v) for v in keyed.values()]), tuple(keyed), dict)
    return None


def _item(lowering, expression):
    known = lowering.known(expression)
    if known is not None and (resolve.is_static(known) or isinstance(known, Object) and known.where is None):
        return known
    return _kept(lowering, lowering.atom(expression))


def _kept(lowering, value):
    """An item under a name that keeps its value."""
    if isinstance(value, gast.AST):
        if not isinstance(value, (gast.Name, gast.Constant)):
            value = lowering.atom(value)
        if isinstance(value, gast.Name) and lowering.counts.get(value.id, 1) > 1 and value.id not in lowering.temps:
            return lowering.store_temp(clone(value), value.id, value)
    return value


def _expression(lowering, value, node):
    if isinstance(value, gast.AST):
        return clone(value)
    held = lowering.temp("item")
    lowering.statics[held] = value
    return name(held, node)


def unpack(lowering, target, node) -> bool:
    """``x, *args = args`` where the right side is known item by item; returns whether it was taken in."""
    from xform.desugar.targets import store_to
    stars = [i for i, e in enumerate(target.elts) if isinstance(e, gast.Starred)]
    names = [e.value if isinstance(e, gast.Starred) else e for e in target.elts]
    if not any(isinstance(e, gast.Name) and is_gathered(lowering, e.id) for e in names):
        return False
    found = display(lowering, node.value)
    own = next(e.id for e in names if isinstance(e, gast.Name) and is_gathered(lowering, e.id))
    check(lowering, own, node)
    if found is None or len(stars) > 1 or len(found.items) < len(names) - len(stars) or not stars and len(found.items) != len(names):
        undecided(lowering, own, node)
    items = list(found.items if found.keys is None else [const(k, node) for k in found.keys])
    if stars:
        behind = len(names) - stars[0] - 1
        middle = items[stars[0]:len(items) - behind]
        items[stars[0]:len(items) - behind] = [Display(tuple(middle), None, list)]
    for one, value in zip(names, items):
        if isinstance(one, gast.Name) and is_gathered(lowering, one.id):
            if not isinstance(value, Display):
                undecided(lowering, one.id, node)
            lowering.statics[one.id] = value
        else:
            atom = value if isinstance(value, gast.AST) else lowering.atom_value(lowering.materialise(value, node))
            store_to(lowering, one, clone(atom), node)
    return True
