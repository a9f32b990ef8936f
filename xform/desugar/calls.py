"""Calls: find the callee at transform time, bind the arguments to its parameters, specialise on functions.

Before::

    y = partial(predict, params)(x)
    z = v.sum(axis=0)
    w = grad(lambda t: np.sum(t * y))(x)

After (``f_lambda_grad`` is a unit of its own)::

    y = predict(params, x)
    z = np.sum(v, axis=0)
    w = f_lambda_grad(y, x)
"""
from __future__ import annotations

import builtins
import functools
import inspect
import types

import gast

import runtime
from runtime.op import rule_of
from runtime.tree import tree_map
from xform import parse, resolve
from xform.errors import refuse
from xform.library import STATIC_BUILTINS, canonical, lookup
from xform.resolve import Closure, Derived, Display, Instance, Object, Partial
from xform.syntax import assign, at, call, clone, const, name, reference
from xform.unit import Unit, params_of

_LIBRARY = runtime.__file__.removesuffix("__init__.py")

# -- compile-time values made by calls ------------------------------------------------------------------------------

def known_call(lowering, node):
    """The compile-time value of ``partial(f, ...)`` or ``grad(f, ...)``; None for an ordinary call."""
    memo = lowering.__dict__.setdefault("memo", {})
    if id(node) not in memo:
        memo[id(node)] = _known_call(lowering, node), node
    return memo[id(node)][0]


def _known_call(lowering, node):
    callee = lowering.known(node.func)
    if callee is None:
        return None
    held = callee.value if isinstance(callee, Object) else None
    if isinstance(held, functools.partial) and not held.args and transformation(Object(held.func)):
        callee = Partial(Object(held.func), (), tuple((k, Object(v)) for k, v in held.keywords.items()))
    if isinstance(callee, Object) and callee.value is functools.partial:
        inner = lowering.known(node.args[0]) if node.args else None
        if inner is None:
            return None
        if transformation(inner) and len(node.args) == 1:   # its options, not values of the program
            return Partial(inner, (), tuple((k.arg, Object(resolve.literal(k.value, lowering, k.arg))) for k in node.keywords))
        return Partial(resolve.normal(inner), tuple(_argument(lowering, a) for a in node.args[1:]),
                       tuple((k.arg, _argument(lowering, k.value)) for k in node.keywords))
    if isinstance(callee, Object) and callee.value is runtime.batched:
        inner = lowering.known(node.args[0])
        return Object(runtime.batched(inner.value))
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
        from xform.desugar import objects
        if isinstance(callee, Object) and resolve.is_user_class(callee.value):
            return objects.make(lowering, callee.value, node)
        if isinstance(callee, Object) and hasattr(callee.value, "_fields"):
            return objects.make_tuple(lowering, callee.value, node)
        if isinstance(callee, Object) and callee.value is super:
            return objects.super_of(lowering, node)
        return _folded(lowering, callee, node) or _returned(lowering, callee, node)
    return None


def _folded(lowering, callee, node):
    """``len``, ``callable`` and ``isinstance`` of what is known at transform time."""
    value = callee.value if isinstance(callee, Object) else None
    if value is isinstance and len(node.args) == 2:
        known, kinds = lowering.known(node.args[0]), lowering.known(node.args[1])
        return Object(issubclass(known.cls, kinds.value)) if isinstance(known, Instance) and isinstance(kinds, Object) else None
    if not isinstance(value, types.BuiltinFunctionType) or value not in (len, callable) or len(node.args) != 1 or node.keywords:
        return None
    known = lowering.known(node.args[0])
    if value is callable:
        if known is None:   # a function that is passed to a library function is always known, so this is data
            data = isinstance(node.args[0], gast.Name) and node.args[0].id in params_of(lowering.tree)
            return Object(False) if data and lowering.unit.file.startswith(_LIBRARY) else None
        return Object(resolve.is_function(known))
    found = None if known is None else resolve.items_of(known)
    return None if found is None else Object(len(found[0]))


def _returned(lowering, callee, node):
    """The function that a call of a user function returns, over what the call's result says that it captures."""
    inner = resolve.normal(callee)
    with_object = False
    while isinstance(inner, Partial):
        with_object = with_object or any(isinstance(a, Instance) for a in inner.args)
        inner = resolve.normal(inner.fn)
    if isinstance(inner, Object):
        if not isinstance(inner.value, types.FunctionType) or canonical(inner.value) or rule_of(inner.value) is not None:
            return None
    elif not isinstance(inner, Closure) or isinstance(inner.nested, UnitValue):
        return None
    from xform.desugar.sequences import returns_function
    with_object = with_object or any(isinstance(lowering.known(a), Instance) for a in [
        *node.args, *[k.value for k in node.keywords]] if isinstance(a, (gast.Name, gast.Call)))
    if not with_object and not returns_function(inner):
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
    if not isinstance(target, Unit) or target.result is None:
        return value
    known, captured = target.result
    held = {c: lowering.temp(c) for c in captured}
    if len(captured) == 1:
        lowering.emit(held[captured[0]], value, node)
    elif captured:
        made = lowering.store_temp(value, "captured", node)
        lowering.out.append(assign(list(held.values()), made, node))
    known = resolve.renamed(known, held)
    if not target.writes:
        return known
    from xform.desugar.objects import write_back
    for given, changed in zip(lowering.passed.pop(id(value)), known.items[1:]):
        write_back(lowering, given, changed, node)
    return known.items[0]


def transformation(known):
    if isinstance(known, Object):
        try:
            return resolve.TRANSFORMATIONS.get(known.value)
        except TypeError:  # unhashable
            return None
    return None


def _argument(lowering, node):
    known = lowering.known(node)
    if known is not None and (resolve.is_static(known) or not isinstance(known, Object)):
        return known
    return lowering.atom(node)


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
    callee = lowering.known(decorator)
    kind = transformation(callee.fn if isinstance(callee, Partial) else callee)
    if not kind:
        refuse(decorator, lowering.unit, "this decorator is not supported on a nested function",
               "Call what it decorates directly, or move the function to module level.")
    return derive(lowering, callee, known, (), (), decorator)


class UnitValue(Closure):
    """A unit that captures nothing, as a compile-time value."""

    def __init__(self, unit):
        super().__init__(self)
        self._unit = unit

    def unit(self):
        return self._unit

    def captured(self):
        return ()

    env = ()


# -- callees --------------------------------------------------------------------------------------------------------

def direct(lowering, known, node, statics=None):
    """Reduce a compile-time function to (unit or object, leading atoms, keyword atoms)."""
    known = resolve.normal(known)
    if isinstance(known, Closure):
        return known.unit(), [name(n, node) for n in known.env], {}
    if isinstance(known, Derived):
        from xform import pipeline
        target, prefix, keywords = direct(lowering, known.fn, node)
        if keywords:
            target, prefix, keywords = _reorder(lowering, target, prefix, keywords, known, node)
        if not isinstance(target, Unit):
            target = pipeline.unit_of_callable(target.value, lowering, node)
        return pipeline.derive(known.kind, target, dict(known.options), len(prefix)), prefix, {}
    if isinstance(known, Partial):
        statics, args = {}, list(known.args)
        inner = known.fn
        if isinstance(inner, Object) and isinstance(inner.value, types.FunctionType) and any(
                not isinstance(a, gast.AST) and resolve.is_static(a) for a in args):
            target, prefix, keywords = _bind_statics(lowering, inner, args, dict(known.keywords), node)
        else:
            target, prefix, keywords = direct(lowering, inner, node)
            prefix = prefix + [atom_of(lowering, a, node) for a in args]
        for key, value in known.keywords:
            keywords[key] = atom_of(lowering, value, node)
        return target, prefix, keywords
    return known, [], {}


def atom_of(lowering, value, node):
    if isinstance(value, gast.AST):
        return value
    made = lowering.materialise(value, name("value", node))
    if isinstance(made, (gast.Name, gast.Constant)) or lowering.is_reference(made):
        return made
    return lowering.store_temp(made, "value", node)


def _reorder(lowering, target, prefix, keywords, known, node):
    """partial(f, k=v) under a transformation: give the keywords their place through a wrapper unit."""
    refuse(node, lowering.unit, f"{known.kind} of a partial with keyword arguments is not supported here",
           "Use a lambda instead of the partial.")


def _bind_statics(lowering, inner, args, keywords, node):
    """Specialise a user function to the leading arguments that are functions or objects."""
    from xform.desugar.functions import specialise
    names = list(parse.signature(inner.value).parameters)
    statics = {names[i]: a for i, a in enumerate(args) if not isinstance(a, gast.AST) and resolve.is_static(a)}
    unit, passed = specialise(lowering, inner.value, statics, node)
    rest = [atom_of(lowering, a, node) for i, a in enumerate(args) if names[i] not in statics]
    return unit, [name(n, node) for n in passed] + rest, {}


# -- calls ----------------------------------------------------------------------------------------------------------

def lower(lowering, node):
    """Lower a call to a core value."""
    made = lowering.__dict__.get("lowered", {}).get(id(node))
    if made is not None:
        return made[0]
    from xform.desugar.methods import at_update, method
    from xform.desugar.sequences import call_of_item
    if isinstance(node.func, gast.IfExp):       # (f if test else g)(x): a call on either side
        sides = [at(gast.Call(f, node.args, node.keywords), node) for f in (node.func.body, node.func.orelse)]
        return lowering.value(at(gast.IfExp(node.func.test, *map(clone, sides)), node))
    if isinstance(node.func, gast.Attribute):
        found = at_update(lowering, node)
        if found is not None:
            return found
    callee = lowering.known(node.func)
    if callee is None:
        found = call_of_item(lowering, node)
        return method(lowering, node) if found is None else found
    return call_known(lowering, resolve.normal(callee), node)


def call_known(lowering, callee, node):
    if isinstance(callee, Object):
        kind = transformation(callee)
        if kind:
            from xform.desugar.transformations import call_direct
            return at(gast.Tuple(call_direct(lowering, kind, node), gast.Load()), node)
    args, keywords = arguments(lowering, node)
    return call_known_with(lowering, callee, args, keywords, node)


def call_known_with(lowering, callee, args, keywords, node):
    if isinstance(callee, Object):
        return call_object(lowering, callee, args, keywords, node)
    if isinstance(callee, Partial):
        return call_known_with(lowering, resolve.normal(callee.fn), [*callee.args, *args],
                               {**dict(callee.keywords), **keywords}, node)
    if isinstance(callee, Closure) and not isinstance(callee.nested, UnitValue):
        found = _specialised_closure(lowering, callee, args, keywords, node)
        if found is not None:
            return found
    target, prefix, more = direct(lowering, callee, node)
    args = [atom_of(lowering, a, node) for a in args]
    keywords = {k: atom_of(lowering, v, node) for k, v in {**more, **keywords}.items()}
    if isinstance(target, Unit):
        # generated code passes one argument a parameter
        generated = isinstance(callee, Closure) and isinstance(callee.nested, UnitValue) and not keywords
        if not generated and target.boundary is not None and not prefix:
            provided = _provided(target, args, keywords)
            if provided is not None:    # what a call of a jitted function leaves out stays a Python value
                from xform.transform import boundary
                target = boundary.with_defaults(target, provided)
        own = args if generated else bind(lowering, target, args, keywords, node, callee)
        return call(name(lowering.refer(target.name, target), node), prefix + own, node=node)
    return call_object(lowering, target, prefix + args, keywords, node)


def _specialised_closure(lowering, callee, args, keywords, node):
    """A call of a nested function with functions among its arguments: specialised to them; else None."""
    statics, names = {}, list(callee.nested.signature().parameters)
    for place, argument in [*zip(names, args), *keywords.items()]:
        if not isinstance(argument, gast.AST) and resolve.is_static(argument):
            statics[place] = argument
    if not statics:
        return None
    unit, passed = callee.nested.specialised(statics)
    rest = [atom_of(lowering, a, node) for place, a in zip(names, args) if place not in statics]
    more = {k: atom_of(lowering, a, node) for k, a in keywords.items() if k not in statics}
    own = bind(lowering, unit, rest, more, node, callee)
    prefix = [name(n, node) for n in callee.env] + [name(n, node) for n in passed]
    return call(name(lowering.refer(unit.name, unit), node), prefix + own, node=node)


def arguments(lowering, node):
    """Argument atoms, or compile-time values for functions; starred arguments stay Starred."""
    args = []
    for argument in node.args:
        if isinstance(argument, gast.Starred):
            inner = argument.value
            known = lowering.known(inner)
            found = None if known is None else resolve.items_of(known)
            if found is not None and found[1] is None:
                args += [clone(v) if isinstance(v, gast.AST) else v for v in found[0]]
                continue
            if isinstance(inner, (gast.Tuple, gast.List)) and not any(isinstance(e, gast.Starred) for e in inner.elts):
                args += [_argument(lowering, e) for e in inner.elts]
                continue
            args.append(at(gast.Starred(lowering.atom(inner), gast.Load()), argument))
        else:
            args.append(_argument(lowering, argument))
    keywords = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            known = lowering.known(keyword.value)
            found = None if known is None else resolve.items_of(known)
            if found is not None and found[1] is not None:
                keywords.update({k: clone(v) if isinstance(v, gast.AST) else v for v, k in zip(*found)})
                continue
            if not isinstance(keyword.value, gast.Dict):
                refuse(node, lowering.unit, "a call with **kwargs is not supported in a transformed function yet",
                       "Spell the keyword arguments out.")
            for key, value in zip(keyword.value.keys, keyword.value.values):
                keywords[key.value] = _argument(lowering, value)
        else:
            keywords[keyword.arg] = _argument(lowering, keyword.value)
    return args, keywords


def call_object(lowering, callee, args, keywords, node):
    """A call of a Python object known at transform time."""
    value = callee.value
    from xform.desugar.functions import specialise, spread_call, unit_of
    if value is tree_map and not keywords and 2 <= len(args) <= 5:
        value = getattr(runtime, f"tree_map_{len(args) - 1}")
    if value is functools.reduce and len(args) == 2:
        value = runtime.builtins.reduce_first
    if value in (sorted, runtime.builtins.sorted) and "key" in keywords:
        by = keywords.pop("key")
        if not (isinstance(by, gast.Constant) and by.value is None):
            value, args = runtime.builtins.sorted_by, [*args, by]
    path = canonical(value)
    target = lookup(path) if path else value
    if getattr(value, "takes_python", False):
        from xform.desugar.callbacks import python_function
        args = [python_function(lowering, args[0], node), *args[1:]]
    static = {i: a for i, a in enumerate(args) if not isinstance(a, gast.AST)}
    named = {k: a for k, a in keywords.items() if not isinstance(a, gast.AST)}
    is_op = path and rule_of(target) is not None
    if (static or named) and isinstance(target, types.FunctionType) and not is_op and not hasattr(value, "_xform_custom"):
        args, keywords, variadic = _gathered(target, args, keywords)
        names = list(parse.signature(target).parameters)
        statics = {names[i]: a for i, a in enumerate(args) if not isinstance(a, gast.AST) and resolve.is_static(a)}
        statics.update({k: a for k, a in keywords.items() if not isinstance(a, gast.AST) and resolve.is_static(a)})
        statics.update(variadic)
        if statics:
            given = set(names[:len(args)]) | set(keywords)
            statics.update({p.name: Object(p.default) for p in parse.signature(target).parameters.values()
                            if p.name not in given and p.default is not p.empty and resolve.is_static(Object(p.default))})
            if hasattr(target, "solved_by"):
                from xform.transform.implicit import specialised
                unit, passed = specialised(lowering, target, statics, args, keywords, node)
            else:
                unit, passed = specialise(lowering, target, statics, node)
            rest = [atom_of(lowering, a, node) for i, a in enumerate(args) if names[i] not in statics]
            more = {k: atom_of(lowering, a, node) for k, a in keywords.items() if k not in statics}
            own = bind(lowering, unit, rest, more, node, callee)
            made = call(name(lowering.refer(unit.name, unit), node), [name(n, node) for n in passed] + own, node=node)
            lowering.passed[id(made)] = [statics[p] for p in unit.writes]
            return made
    args = [atom_of(lowering, a, node) for a in args]
    keywords = {k: atom_of(lowering, a, node) for k, a in keywords.items()}
    if path:
        if not is_op and isinstance(target, types.FunctionType):
            args = _pack_variadic(lowering, target, args, node)
        return call(reference(path, node), args, keywords, node)
    if value is dict and not args:
        return at(gast.Dict([const(k, node) for k in keywords], list(keywords.values())), node)
    if value is getattr and len(args) == 2 and isinstance(args[1], gast.Constant):
        return lowering.value(at(gast.Attribute(node.args[0], args[1].value, gast.Load()), node))
    if getattr(value, "__name__", None) in STATIC_BUILTINS and getattr(builtins, value.__name__, None) is value:
        return call(name(value.__name__, node), args, keywords, node)
    if isinstance(value, types.FunctionType):
        wanted = getattr(value, "__name__", "function").replace("<lambda>", "lambda_")
        kinds = {p.kind for p in parse.signature(value).parameters.values()}
        if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            found = spread_call(lowering, value, args, keywords, node)
            if found is not None:
                return found
        if kinds & {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            callee = unit_of(value)     # generated calls pass every parameter by position
        key = lowering.refer(wanted, callee)
        own = bind(lowering, _Signature(value), args, keywords, node, callee)
        return call(name(key, node), own, node=node)
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        try:
            bound = inspect.signature(value).bind(*args, **keywords)
        except TypeError as error:
            refuse(node, lowering.unit, f"{value.__name__}() {error}")
        bound.apply_defaults()
        items = [v if isinstance(v, gast.AST) else atom_of(lowering, Object(v), node) for v in bound.arguments.values()]
        kind = name(lowering.refer(value.__name__, callee), node)
        return call("rt.construct", [kind, lowering.atom_value(at(gast.Tuple(items, gast.Load()), node))], node=node)
    if isinstance(value, type) and isinstance(getattr(builtins, value.__name__, None), type):
        return call(name(value.__name__, node), args, keywords, node)
    if hasattr(type(value), "_xform_custom"):
        key = lowering.refer(getattr(value, "__name__", "function"), callee)
        own = bind(lowering, _Signature(value), args, keywords, node, callee)
        return call(name(key, node), own, node=node)
    if not callable(value):
        refuse(node, lowering.unit, f"{type(value).__name__} object is not callable")
    wanted = getattr(value, "__name__", "function")
    return call(name(lowering.refer(wanted if wanted.isidentifier() else "function", callee), node), args, keywords, node)


def _gathered(function, args, keywords):
    """The arguments of a call less those for *args and **kwargs, and these as displays by parameter."""
    parameters = parse.signature(function).parameters.values()
    rest, variadic = {p.kind: p.name for p in parameters}, {}
    if inspect.Parameter.VAR_POSITIONAL in rest and not any(isinstance(a, gast.Starred) for a in args):
        fixed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        variadic[rest[inspect.Parameter.VAR_POSITIONAL]] = Display(tuple(args[len(fixed):]))
        args = args[:len(fixed)]
    if inspect.Parameter.VAR_KEYWORD in rest:
        more = {k: v for k, v in keywords.items() if k not in {p.name for p in parameters}}
        variadic[rest[inspect.Parameter.VAR_KEYWORD]] = Display(tuple(more.values()), tuple(more), dict)
        keywords = {k: v for k, v in keywords.items() if k not in more}
    return args, keywords, variadic


def _pack_variadic(lowering, function, args, node):
    """Arguments for ``*args`` of a library function as one starred tuple: every operand of a call stays an atom."""
    kinds = [p.kind for p in parse.signature(function).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL not in kinds or any(isinstance(a, gast.Starred) for a in args):
        return args
    fixed = kinds.index(inspect.Parameter.VAR_POSITIONAL)
    rest = lowering.atom_value(at(gast.Tuple(args[fixed:], gast.Load()), node))
    return args[:fixed] + [at(gast.Starred(rest, gast.Load()), node)]


def _hashable(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


class _Signature:
    """What ``bind`` needs of a callee that has no unit."""

    def __init__(self, function):
        self.signature = parse.signature(function)
        self.name = getattr(function, "__name__", "function")


def bind(lowering, unit, args, keywords, node, callee=None):
    """Bind call arguments to the parameters of a unit: one atom a parameter, defaults filled in."""
    args = _unstar(lowering, unit.signature, args, keywords, node)
    try:
        bound = unit.signature.bind(*args, **keywords)
    except TypeError as error:
        refuse(node, lowering.unit, f"{unit.name}() {error}")
    made = []
    for param in unit.signature.parameters.values():
        if param.kind is param.VAR_POSITIONAL:
            made.append(lowering.atom_value(at(gast.Tuple(list(bound.arguments.get(param.name, ())), gast.Load()), node)))
        elif param.kind is param.VAR_KEYWORD:
            items = bound.arguments.get(param.name, {})
            made.append(lowering.atom_value(at(gast.Dict([const(k, node) for k in items], list(items.values())), node)))
        elif param.name in bound.arguments:
            made.append(bound.arguments[param.name])
        else:
            made.append(_default(lowering, param.default, callee, node))
    return made


def _default(lowering, default, callee, node):
    if isinstance(default, gast.AST):
        return callee.default(default) if isinstance(callee, Closure) else default
    if default is None or type(default) in (bool, int, float, str):
        return const(default, node)
    known = default if isinstance(default, (Object, Closure, Partial, Derived)) else Object(default)
    return atom_of(lowering, known, node)


def default_values(unit, provided, env):
    """The arguments of a call of ``unit`` by its provided parameters: names for these, default values for the others."""
    args = []
    for param in unit.params:
        if param in provided:
            args.append(name(param))
            continue
        default = unit.signature.parameters[param].default
        if default is None or type(default) in (bool, int, float, str):
            args.append(const(default))
        else:
            key = f"{param}_default"
            env[key] = default.value if isinstance(default, Object) else default
            args.append(name(key))
    return args


def _provided(unit, args, keywords):
    """The parameters that a call gives, where it leaves some to their defaults; else None."""
    try:
        bound = unit.signature.bind(*args, **keywords)
    except TypeError:
        return None     # bind reports it
    names = [p for p in unit.signature.parameters if p in bound.arguments]
    return names if len(names) < len(unit.signature.parameters) else None


def _unstar(lowering, signature, args, keywords, node):
    """Spread ``*rest`` over the parameters that are still unbound."""
    stars = [i for i, a in enumerate(args) if isinstance(a, gast.Starred)]
    if not stars:
        return args
    if len(stars) > 1 or stars[0] != len(args) - 1:
        refuse(node, lowering.unit, "only one starred argument, in last place, is supported in a transformed function",
               "Spell the arguments out.")
    *args, star = args
    positional = [p for p in signature.parameters.values()
                  if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in keywords]
    missing = positional[len(args):]
    if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()) or any(
            p.default is not p.empty for p in missing) or not missing:
        refuse(node, lowering.unit, "how many values *args holds here is not known when the code is transformed",
               "Call a function with a fixed number of parameters, or spell the arguments out.")
    names = [lowering.temp(p.name) for p in missing]
    if len(names) == 1:
        lowering.emit(names[0], at(gast.Subscript(star.value, const(0), gast.Load()), node), node)
    else:
        lowering.out.append(assign(names, star.value, node))
    return args + [name(n, node) for n in names]
