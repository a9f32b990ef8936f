"""Arguments that a call spreads: ``f(*xs)`` and ``f(**options)`` where the number of items or the keys can be read off the text.

Before::

    pair = (x, x * x)
    options = {"axis": 0}
    y = np.hypot(*pair) + np.sum(z, **options)

After::

    pair = x, product
    item, item_1 = pair
    y = np.hypot(item, item_1) + np.sum(z, axis=0)

Of ``f(x, **options)`` whose keys only the run knows, with ``def f(x, scale, *, shift=0.0)``::

    named = rt.builtins.keywords(options, "f", ("x",), ("scale", "shift"), ("scale",))
    scale = named["scale"]
    shift = rt.builtins.get(named, "shift", 0.0)
    f(x, scale, shift)
"""
from __future__ import annotations

import builtins
import inspect
import types

import gast

from runtime.tree import tree_unflatten
from xform import parse, resolve
from xform.errors import refuse
from xform.library import is_runtime
from xform.resolve import Closure, Derived, Object, Partial
from xform.syntax import assign, at, call, clone, const, name, params_of
from xform.unit import Items

_CHANGES = frozenset("append extend insert pop remove clear update setdefault popitem".split())
_SAME_LENGTH = (builtins.list, builtins.tuple, builtins.reversed, builtins.sorted, builtins.enumerate)


def note(lowering, node):
    """Remember how long a list, or which keys a dict is that a local is bound to once and that nothing changes."""
    target = node.targets[0]
    if len(node.targets) > 1 or getattr(lowering.scope, "generated", False):
        return
    if isinstance(target, gast.Tuple):
        return _note_arguments(lowering, target.elts, node)
    if not isinstance(target, gast.Name) or lowering.counts.get(target.id, 2) != 1 or target.id in changed_containers(lowering):
        return
    extent = keys_of(lowering, node.value) if isinstance(node.value, (gast.Dict, gast.Call)) else _keys_kept(lowering, node.value)
    extent = length(lowering, node.value) if extent is None else {
        k: v if isinstance(v, gast.Constant) else None for k, v in extent.items()}
    if extent is not None:
        lowering.__dict__.setdefault("extents", {})[target.id] = extent


def note_length(lowering, target, count):
    """Remember how many items a local holds that is bound to them here alone, if nothing changes it."""
    if lowering.counts.get(target, 2) == 1 and target not in changed_containers(lowering):
        lowering.__dict__.setdefault("extents", {})[target] = count


def _note_arguments(lowering, targets, node):
    """The same of ``args, kwargs = tree_unflatten(structure, leaves)`` with a structure from outside."""
    call = node.value
    if len(targets) != 2 or not all(isinstance(t, gast.Name) for t in targets) or not isinstance(call, gast.Call) or len(
            call.args) != 2 or call.keywords:
        return
    callee, structure = lowering.known(call.func), lowering.known(call.args[0])
    if not isinstance(callee, Object) or callee.value is not tree_unflatten or not isinstance(structure, Object) or not hasattr(
            structure.value, "node_data"):
        return
    for target, part in zip(targets, structure.value.children()):
        again = lowering.depth == 0 and target.id in params_of(lowering.tree)       # a parameter that is bound anew, for good
        if lowering.counts.get(target.id, 3) > 1 + again or target.id in changed_containers(lowering):
            continue
        kind, keys = part.node_data() or (None, None)
        if kind is tuple or kind is list:
            lowering.__dict__.setdefault("extents", {})[target.id] = len(part.children())
        elif kind is dict and all(isinstance(k, str) for k in keys):
            lowering.__dict__.setdefault("extents", {})[target.id] = dict.fromkeys(keys)


def changed_containers(lowering):
    """The locals on which the function calls a method that changes a container."""
    if "changed" not in lowering.__dict__:
        lowering.changed = {
            n.func.value.id for n in gast.walk(lowering.tree) if isinstance(n, gast.Call) and isinstance(n.func, gast.Attribute)
            and n.func.attr in _CHANGES and isinstance(n.func.value, gast.Name)}
    return lowering.changed


def length(lowering, node):
    """How many items an expression has, where the text says so; else None."""
    from xform.desugar.sequences import constant, numbers
    if isinstance(node, (gast.Tuple, gast.List)):
        parts = [length(lowering, e.value) if isinstance(e, gast.Starred) else 1 for e in node.elts]
        return None if None in parts else sum(parts)
    if isinstance(node, gast.Name):
        known = lowering.known(node)
        if isinstance(known, Object) and isinstance(known.value, tuple):
            return len(known.value)
        if isinstance(known, Object) and type(known.value) is list:
            view, key = Items(known.value), f"held {id(known.value)} length"     # the code is made anew when the list grows
            lowering.env[key], lowering.unit.reads[key] = len(known.value), (view, "length")
            return len(known.value)
        extent = lowering.__dict__.get("extents", {}).get(node.id)
        return extent if isinstance(extent, int) else None
    if isinstance(node, (gast.ListComp, gast.GeneratorExp)):
        if len(node.generators) != 1 or node.generators[0].ifs:
            return None
        found = numbers(lowering, node.generators[0].iter)
        return length(lowering, node.generators[0].iter) if found is None else len(found)
    if isinstance(node, gast.BinOp) and isinstance(node.op, gast.Mult) and isinstance(node.left, (gast.Tuple, gast.List)):
        times, once = constant(lowering, node.right), length(lowering, node.left)
        return None if once is None or type(times) is not int else once * max(times, 0)
    if isinstance(node, gast.BinOp) and isinstance(node.op, gast.Add):
        sides = length(lowering, node.left), length(lowering, node.right)
        return None if None in sides or not isinstance(node.left, (gast.Tuple, gast.List)) and not isinstance(
            node.right, (gast.Tuple, gast.List)) else sum(sides)
    if isinstance(node, gast.Subscript) and isinstance(node.slice, gast.Slice):
        whole = length(lowering, node.value)
        given = [node.slice.lower, node.slice.upper, node.slice.step]
        parts = [p and constant(lowering, p) for p in given]
        if whole is None or any(p is not None and not isinstance(c, int) for p, c in zip(given, parts)):
            return None
        return len(range(whole)[slice(*parts)])
    if isinstance(node, gast.Call) and not node.keywords and node.args and not any(isinstance(a, gast.Starred) for a in node.args):
        callee = lowering.known(node.func)
        value = callee.value if isinstance(callee, Object) else None
        if any(value is one for one in _SAME_LENGTH) and len(node.args) == 1:
            return length(lowering, node.args[0])
        if value is builtins.zip or value is builtins.map:
            parts = [length(lowering, a) for a in node.args[value is builtins.map:]]
            return None if None in parts or not parts else min(parts)
    return None


def items(lowering, node, one):
    """The arguments that ``*node`` stands for, ``one(expression)`` giving each; None where their number is not known."""
    if isinstance(node, (gast.Tuple, gast.List)):
        made = []
        for element in node.elts:
            inner = items(lowering, element.value, one) if isinstance(element, gast.Starred) else [one(element)]
            if inner is None:
                return None
            made += inner
        return made
    known = lowering.known(node)
    found = None if known is None else resolve.items_of(known)
    if found is not None and found[1] is None:
        return [clone(v) if isinstance(v, gast.AST) else v for v in found[0]]
    count = length(lowering, node)
    if count is None:
        return None
    value = lowering.atom(node)
    names = [lowering.temp("item") for _ in range(count)]
    if count == 1:
        lowering.emit(names[0], at(gast.Subscript(value, const(0, node), gast.Load()), node), node)
    elif count:
        lowering.out.append(assign(names, value, node))
    return [name(n, node) for n in names]


def keys_of(lowering, node):
    """The keyword arguments that ``**node`` stands for: expressions and compile-time values by key; None where these are not known."""
    if isinstance(node, gast.Dict):
        made = {}
        for key, value in zip(node.keys, node.values):
            inner = keys_of(lowering, value) if key is None else {key.value: value} if isinstance(
                key, gast.Constant) and isinstance(key.value, str) else None
            if inner is None:
                return None
            made.update(inner)
        return made
    known = lowering.known(node)
    found = None if known is None else resolve.items_of(known)
    if found is not None and found[1] is not None:
        return {k: clone(v) if isinstance(v, gast.AST) else v for v, k in zip(*found)}
    if isinstance(known, Object) and type(known.value) is dict and all(isinstance(k, str) for k in known.value):
        view = Items(known.value)
        for key in (*known.value, "length"):       # the code is made anew when the dict changes
            lowering.env[f"held {id(known.value)} {key}"] = view.get(key)
            lowering.unit.reads[f"held {id(known.value)} {key}"] = view, key
        return {k: Object(v) for k, v in known.value.items()}
    if isinstance(node, gast.Name) and known is None:
        extent = lowering.__dict__.get("extents", {}).get(node.id)
        if isinstance(extent, dict):
            return {k: at(gast.Subscript(clone(node), const(k, node), gast.Load()), node) if v is None else clone(v)
                    for k, v in extent.items()}
    if isinstance(node, gast.Call) and len(node.args) < 2:
        callee = lowering.known(node.func)
        if isinstance(callee, Object) and callee.value is dict:
            base = _pairs(lowering, node.args[0]) if node.args else {}
            more = keys_of(lowering, at(gast.Dict([None if k.arg is None else const(k.arg, node) for k in node.keywords],
                                                  [k.value for k in node.keywords]), node))
            return None if base is None or more is None else {**base, **more}
    return None


def _keys_kept(lowering, node):
    """The keys of ``{k: f(v) for k, v in options.items()}`` where those of ``options`` are known, each with None for its value."""
    if not isinstance(node, gast.DictComp) or len(node.generators) != 1 or node.generators[0].ifs:
        return None
    target, source = node.generators[0].target, node.generators[0].iter
    if not isinstance(target, gast.Tuple) or not isinstance(source, gast.Call) or source.args or not isinstance(
            source.func, gast.Attribute) or source.func.attr != "items" or not isinstance(node.key, gast.Name) or not isinstance(
            target.elts[0], gast.Name) or target.elts[0].id != node.key.id:
        return None
    found = keys_of(lowering, source.func.value)
    return None if found is None else dict.fromkeys(found)


def _pairs(lowering, node):
    """What ``dict(node)`` holds: a dict, or a zip of names that are written out and of a sequence."""
    callee = lowering.known(node.func) if isinstance(node, gast.Call) and len(node.args) == 2 and not node.keywords else None
    if not isinstance(callee, Object) or callee.value is not zip:
        return keys_of(lowering, node)
    names, values = node.args
    keys = [e.value for e in names.elts] if isinstance(names, (gast.Tuple, gast.List)) and all(
        isinstance(e, gast.Constant) and isinstance(e.value, str) for e in names.elts) else None
    if keys is None or not isinstance(values, gast.Name) or length(lowering, values) is None and _held(lowering, values) is None:
        return None
    count = length(lowering, values) or len(_held(lowering, values))
    return {k: at(gast.Subscript(clone(values), const(i, node), gast.Load()), node) for i, k in enumerate(keys[:count])}


def _held(lowering, node):
    """The items of a sequence that is known here."""
    known = lowering.known(node)
    found = None if known is None else resolve.items_of(known)
    return None if found is None or found[1] is not None else found[0]


def keywords(lowering, node, spread, one):
    """The arguments that ``**spread`` in a call stands for; refused where the keys are not known."""
    found = keys_of(lowering, spread)
    if found is None:
        refuse(node, lowering.unit, "the keys of **kwargs in this call are not known when the code is transformed",
               "Spell the keyword arguments out, or bind the dict once and change it nowhere.")
    return {k: one(v) if isinstance(v, gast.AST) and not isinstance(v, gast.Constant) else v for k, v in found.items()}


def for_callee(lowering, callee, node):
    """The call with what only the run knows of ``*args`` and ``**options`` looked up for each parameter of the callee.

    What is left goes to the callee's own *args and **kwargs, the latter as the keyword "**". The call is returned as it is where the
    text says what it gives, or the parameters are not known.
    """
    spread = [k for k in node.keywords if k.arg is None and keys_of(lowering, k.value) is None]
    counts = [length_given(lowering, a.value) if isinstance(a, gast.Starred) else 1 for a in node.args]
    signature = _parameters(callee) if len(spread) == 1 or None in counts and not spread else None
    if signature is None:
        return node
    given = [k for k in node.keywords if k not in spread]
    taken = {k for one in given for k in ([one.arg] if one.arg else keys_of(lowering, one.value))}
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not spread and by_position([p for p in positional if p.name not in taken], counts, _variadic(parameters)):
        return node
    if maps(callee) and any(p.default is not p.empty and p.name not in taken for p in parameters):
        return node     # which of them are mapped, only the run knows
    counted = None not in counts
    if counted:
        taken |= {p.name for p in positional[:sum(counts)]}
    left = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in taken]
    look_up = left if counted else [p for p in parameters if p in positional or p in left]
    more = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def names(some):
        return lowering.atom_value(at(gast.Tuple([const(n, node) for n in some], gast.Load()), node))
    titled = const(getattr(getattr(callee, "value", None), "__name__", None) or getattr(
        getattr(getattr(callee, "nested", None), "tree", None), "name", "function"), node)
    entries = lowering.atom(spread[0].value if spread else at(gast.Dict([], []), node))
    wanted = const(None, node) if more else names([p.name for p in left])
    if counted:
        args = node.args
        made = call("rt.builtins.keywords", [
            entries, titled, names(sorted(taken)), wanted, names([p.name for p in left if p.default is p.empty])], node=node)
    else:
        xs, args = lowering.atom(at(gast.Tuple(node.args, gast.Load()), node)), []
        made = call("rt.builtins.arguments", [
            xs, entries, titled, names(sorted(taken)), names([p.name for p in positional]), const(_variadic(parameters), node), wanted,
            names([p.name for p in look_up if p.default is p.empty and p.name not in taken])], node=node)
    named = lowering.store_temp(made, "named", node)
    by_name = counted       # as all behind a parameter that is given by name
    for p in look_up:
        by_name = by_name or p.kind is p.KEYWORD_ONLY or p.name in taken
        if p.name in taken:
            continue
        value = at(gast.Subscript(clone(named), const(p.name, node), gast.Load()), node) if p.default is p.empty else _looked_up(
            lowering, callee, named, p, node)
        value = lowering.store_temp(value, p.name, node)
        if by_name:
            given.append(gast.keyword(p.name, value))
        else:
            args.append(value)
    if not counted and _variadic(parameters):
        rest = at(gast.Subscript(xs, gast.Slice(const(len(positional)), None, None), gast.Load()), node) if positional else xs
        args.append(at(gast.Starred(lowering.atom(rest), gast.Load()), node))
    if more:
        names_left = names([p.name for p in look_up])
        rest = named if not look_up else lowering.store_temp(call("rt.builtins.other_keywords", [clone(named), names_left], node=node), "others", node)
        given.append(gast.keyword("**", rest))
    return at(gast.Call(node.func, args, given), node)


def partial_by_run(lowering, node):
    """``partial(f, *args, **options)`` of what only the run knows, as the lambda ``*more, **others: f(*args, *more, **options, **others)``."""
    def held(value):
        return value if lowering.known(value) is not None else lowering.store_temp(lowering.atom(value), "held", node)
    args = [at(gast.Starred(held(a.value), gast.Load()), node) if isinstance(a, gast.Starred) else held(a) for a in node.args[1:]]
    more, others = lowering.temp("more"), lowering.temp("others")
    entries = at(gast.Dict([None if k.arg is None else const(k.arg, node) for k in node.keywords] + [None],
                           [held(k.value) for k in node.keywords] + [name(others, node)]), node)
    body = at(gast.Call(node.args[0], [*args, at(gast.Starred(name(more, node), gast.Load()), node)], [gast.keyword(None, entries)]), node)
    parameter = [at(gast.Name(n, gast.Param(), None, None), node) for n in (more, others)]
    return at(gast.Lambda(gast.arguments([], [], parameter[0], [], [], parameter[1], []), body), node)


def by_run(lowering, node):
    """Whether only the run knows how many arguments, or which keywords, a call gives."""
    return any(k.arg is None and keys_of(lowering, k.value) is None for k in node.keywords) or any(
        isinstance(a, gast.Starred) and length_given(lowering, a.value) is None for a in node.args)


def maps(callee):
    """Whether a transformed function is a vmapped one, or one of that."""
    callee = resolve.normal(callee)
    return isinstance(callee, Derived) and (callee.kind == "vmap" or maps(callee.fn)) or isinstance(callee, Partial) and maps(callee.fn)


def counted(lowering, callee, args, keywords, node):
    """The arguments of a call of a vmapped function with ``*rest`` in them: one for each parameter, for what is given is mapped."""
    from xform.desugar.calls import unstarred
    if not maps(callee) or not any(isinstance(a, gast.Starred) for a in args):
        return args
    inner = resolve.normal(callee)
    while isinstance(inner, Derived):
        inner = resolve.normal(inner.fn)
    signature = _parameters(inner)
    args = args if signature is None else unstarred(lowering, signature, args, keywords, node)
    if any(isinstance(a, gast.Starred) for a in args) and keywords:
        refuse(node, lowering.unit, "a mapped function is called with keywords and a number of arguments that only the run knows",
               "Spell the arguments out, or pass them in one container.")
    return args


def _looked_up(lowering, callee, named, parameter, node):
    """The argument of a parameter with a default."""
    from xform.desugar.calls import _default
    inner = callee
    while isinstance(inner := resolve.normal(inner), Partial):
        inner = inner.fn
    return call("rt.builtins.get", [clone(named), const(parameter.name, node), _default(lowering, parameter.default, inner, node)], node=node)


def _variadic(parameters):
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)


def by_position(left, counts, variadic):
    """Whether ``*rest`` of unknown length in a call can only be for certain parameters.

    left: the parameters that take positional arguments. counts: of the arguments, None for the starred one.
    """
    if counts.count(None) != 1:
        return False
    before = counts.index(None)
    behind = sum(counts[before + 1:])
    before = sum(counts[:before])
    missing = left[before:len(left) - behind]
    if any(p.default is not p.empty for p in left[before:]) or variadic and (behind or before > len(left)):
        return False
    return bool(missing) or variadic


def packed(lowering, signature, args, node):
    """Arguments for ``*args`` as one starred tuple, so that every operand of a call stays an atom."""
    kinds = [p.kind for p in signature.parameters.values()]
    fixed = kinds.index(inspect.Parameter.VAR_POSITIONAL) if inspect.Parameter.VAR_POSITIONAL in kinds else None
    if fixed is None or any(isinstance(a, gast.Starred) for a in args[:fixed]) or len(args) == fixed + 1 and isinstance(args[-1], gast.Starred):
        return args
    rest = lowering.atom_value(at(gast.Tuple(args[fixed:], gast.Load()), node))
    return args[:fixed] + [at(gast.Starred(rest, gast.Load()), node)]


def gathered_keywords(lowering, given, node):
    """What **kwargs holds: the keywords that a call spells out, and those that only the run knows."""
    spelled = {k: v for k, v in given.items() if k != "**"}
    made = lowering.atom_value(at(gast.Dict([const(k, node) for k in spelled], list(spelled.values())), node)) if spelled or not given else None
    if "**" not in given:
        return made
    return given["**"] if made is None else lowering.store_temp(call("rt.update", [made, given["**"]], node=node), "keywords", node)


def length_given(lowering, node):
    """How many arguments ``*node`` stands for; None where only the run knows."""
    known = lowering.known(node)
    found = None if known is None else resolve.items_of(known)
    return len(found[0]) if found is not None and found[1] is None else length(lowering, node)


def _parameters(callee):
    """The signature of a user's function, or of a named tuple, that is called by name; else None."""
    callee = resolve.normal(callee)
    if isinstance(callee, Closure):
        return callee.nested.signature() if hasattr(callee.nested, "signature") else None
    if isinstance(callee, Partial):
        found = _parameters(callee.fn)
        if found is None or any(isinstance(a, gast.Starred) for a in callee.args):
            return None
        left = [p for p in found.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:len(callee.args)]
        return found.replace(parameters=[p for p in found.parameters.values() if p not in left and p.name not in dict(callee.keywords)])
    if isinstance(callee, Derived):
        found = _parameters(callee.fn) if not isinstance(resolve.normal(callee.fn), Partial) else None
        return None if found is None or any(p.kind is p.VAR_KEYWORD for p in found.parameters.values()) else found
    value = callee.value if isinstance(callee, Object) else None
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        return inspect.signature(value)
    if isinstance(value, type) and isinstance(value.__init__, types.FunctionType):
        found = list(inspect.signature(value.__init__).parameters.values())[1:]
        made_later = any(type(p.default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS" for p in found)     # the class makes it
        return None if made_later else inspect.Signature(found)
    return parse.signature(value) if isinstance(value, types.FunctionType) else None


def gathered(signature, args, given):
    """What *args and **kwargs of a nested function hold in a call, as displays by parameter, and the other arguments."""
    kinds, held = {p.kind: p.name for p in signature.parameters.values()}, {}
    if "**" in given:       # only the run knows what they hold
        return {}, args, given
    fixed = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    some = next(iter(signature.parameters.values()), None)
    if some is None or any(isinstance(a, gast.Starred) for a in args):
        return {}, args, given
    if some.VAR_POSITIONAL in kinds:
        held[kinds[some.VAR_POSITIONAL]] = resolve.Display(tuple(args[len(fixed):]))
        args = args[:len(fixed)]
    if some.VAR_KEYWORD in kinds:
        more = {k: v for k, v in given.items() if k not in signature.parameters}
        held[kinds[some.VAR_KEYWORD]] = resolve.Display(tuple(more.values()), tuple(more), dict)
        given = {k: v for k, v in given.items() if k not in more}
    return held, args, given
