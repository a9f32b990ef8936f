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
from runtime.tree import tree_leaves, tree_map
from xform import parse, resolve
from xform.desugar import contexts, joins, ndarrays, operands, options, picked, rules, spread, written
from xform.desugar.flags import constants, of_nested
from xform.desugar.kinds import function_defaults, function_defaults_of_nested, kind_of_known, with_defaults
from xform.desugar.outer import bound, refuse_as_value
from xform.errors import refuse
from xform.desugar.partials import jit_of_functions, keywords_first, options_of_call
from xform.desugar.rebound import Undecided
from xform.desugar.refused import fails
from xform.desugar.sequence_arguments import as_arrays
from xform.library import STATIC_BUILTINS, canonical, is_runtime, lookup, scalar_type
from xform.resolve import Closure, Custom, Derived, Display, Object, Partial
from xform.syntax import at, call, clone, const, name, reference
from xform.unit import Unit

def transformation(known):
    if isinstance(known, Object):
        try:
            return resolve.TRANSFORMATIONS.get(known.value)
        except TypeError:  # unhashable
            return None
    return None


def one_argument(lowering, node):
    known = lowering.known(node)
    if known is not None and (resolve.is_static(known) or not isinstance(known, Object)):
        return known
    return lowering.atom(node)


class UnitValue(Closure):
    """A unit that captures nothing, as a compile-time value."""

    def __init__(self, unit):
        super().__init__(self)
        self._unit = unit

    def unit(self):
        return self._unit

    def captured(self):
        return ()

    def outer(self):
        return ()

    env = ()


# -- callees --------------------------------------------------------------------------------------------------------

def direct(lowering, known, node, kinds=None, called=False, given=None):
    """Reduce a compile-time function to (unit or object, leading atoms, keyword atoms).

    kinds: (kinds of the positional arguments, of the keywords) of the call of a transformed function, where objects are among them.
    given: (number of positional arguments, names of keywords) of such a call, for functions with *args or **kwargs.
    """
    known = resolve.normal(known)
    if isinstance(known, Closure):
        if not called:
            refuse_as_value(lowering, known, node)
        if given is not None and kinds is None and not isinstance(known.nested, UnitValue) and _variadic(known.nested.signature()):
            from xform.desugar.variadic import spread_nested
            unit = spread_nested(known.nested, *given)
            if unit is not None:
                return unit, [name(n, node) for n in known.env], {}
        unit = known.unit() if kinds is None or isinstance(known.nested, UnitValue) else known.nested.of_kinds(kinds)
        return unit, [name(n, node) for n in known.env], {}
    if isinstance(known, Custom):
        made, captured, _ = rules.rules_of(known, [], {}, lowering, node)
        return made.unit, [name(n, node) for n in captured], {}
    if isinstance(known, Derived):
        from xform import pipeline
        target, prefix, keywords = direct(lowering, known.fn, node, kinds, given=given)
        if not isinstance(target, Unit):
            target = pipeline.unit_of_callable(target.value, lowering, node)
        if target.tree is None:     # it is being read
            if known.kind == "jit":     # and compiled with what calls it
                return target, prefix, keywords
            refuse(node, lowering.unit, f"{target.name} applies {known.kind} to itself", "Write what is transformed as a function of its own, "
                   f"which does not transform {target.name}, and call that from here.")
        if target.writes:
            refuse(node, lowering.unit, f"{target.name}, which is transformed here, changes an object of the function around it",
                   "Return the new value, and assign it where the transformed function is called.")
        if keywords or isinstance(resolve.normal(known.fn), Partial):
            target, prefix = keywords_first(lowering, target, prefix, keywords, node)
        options = options_of_call(known.kind, dict(known.options), target, prefix, given)
        return pipeline.derive(known.kind, target, options, len(prefix)), prefix, {}
    if isinstance(known, Partial):
        args = list(known.args)
        inner = known.fn
        if kinds is not None:
            kinds = (*map(kind_of_argument, args), *kinds[0]), kinds[1]
        if given is not None:
            given = len(args) + given[0], tuple(dict.fromkeys([*dict(known.keywords), *given[1]]))
        if isinstance(inner, Object) and isinstance(inner.value, types.FunctionType) and any(
                not isinstance(a, gast.AST) and resolve.is_static(a) for a in args):
            target, prefix, keywords = _bind_statics(lowering, inner, args, kinds, node)
        else:
            target, prefix, keywords = direct(lowering, inner, node, kinds, given=given)
            prefix = prefix + [atom_of(lowering, a, node) for a in args]
        for key, value in known.keywords:
            keywords[key] = atom_of(lowering, value, node)
        return target, prefix, keywords
    if given is not None and isinstance(known.value, types.FunctionType) and not is_runtime(known.value) and rule_of(known.value) is None:
        kinds = with_defaults(known.value, kinds, *given)
    if kinds is not None and isinstance(known.value, types.FunctionType) and not canonical(known.value) \
            and rule_of(known.value) is None:
        from xform.desugar.functions import of_kinds
        named = [*zip(parse.signature(known.value).parameters, kinds[0]), *kinds[1]]
        return of_kinds(known.value, {p: k for p, k in named if k is not None}), [], {}
    if given is not None and isinstance(known.value, types.FunctionType) and not is_runtime(known.value) and rule_of(
            known.value) is None and _variadic(parse.signature(known.value)):
        from xform import pipeline
        return pipeline.spread(known.value, *given), [], {}
    return known, [], {}


def _variadic(signature):
    return any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in signature.parameters.values())


def kind_of_argument(value):
    return None if isinstance(value, gast.AST) else kind_of_known(value)


def kinds_given(lowering, callee, args, keywords):
    """The kinds of the arguments of a call of a transformed or nested function; None where all of them are data."""
    if isinstance(callee, Closure) and not isinstance(callee.nested, UnitValue):
        return joins.taken_by_nested(lowering, callee, args, keywords)
    if not isinstance(callee, (Derived, Partial)):
        return None
    kind_of = joins.kinds_of_arguments(lowering, callee, kind_of_argument)
    positional, named = tuple(map(kind_of, args)), tuple([(k, kind_of(v)) for k, v in keywords.items()])
    return (positional, named) if any(k is not None for k in [*positional, *dict(named).values()]) else None


def atom_of(lowering, value, node):
    if isinstance(value, gast.AST):
        return value
    made = lowering.materialise(value, name("value", node))
    if isinstance(made, (gast.Name, gast.Constant)) or lowering.is_reference(made):
        return made
    return lowering.store_temp(made, "value", node)


def _bind_statics(lowering, inner, args, kinds, node):
    """Specialise a user function to the leading arguments that are functions or objects, and to the kinds of the others."""
    from xform.desugar.functions import specialise
    names = list(parse.signature(inner.value).parameters)
    statics = {names[i]: a for i, a in enumerate(args) if not isinstance(a, gast.AST) and resolve.is_static(a)}
    takes = {} if kinds is None else {p: k for p, k in [*zip(names, kinds[0]), *kinds[1]] if k is not None and p not in statics}
    unit, passed = specialise(lowering, inner.value, statics, node, takes)
    rest = [atom_of(lowering, a, node) for i, a in enumerate(args) if names[i] not in statics]
    return unit, [name(n, node) for n in passed] + rest, {}


# -- calls ----------------------------------------------------------------------------------------------------------

def lower(lowering, node):
    """Lower a call to a core value."""
    made = lowering.__dict__.get("lowered", {}).get(id(node))
    if made is not None:
        return made[0]
    from xform.desugar.methods import method, of_a_form
    from xform.desugar.sequences import call_of_item
    if isinstance(node.func, gast.IfExp):
        return lowering.value(picked.on_either_side(node))
    found = of_a_form(lowering, node) if isinstance(node.func, gast.Attribute) else None
    if found is not None:
        return found
    from xform.desugar.questions import callee_of
    callee = callee_of(lowering, node)
    if callee is None:
        found = call_of_item(lowering, node)
        return method(lowering, node) if found is None else found
    return call_known(lowering, resolve.normal(callee), node)


def call_known(lowering, callee, node):
    if isinstance(callee, Object):
        kind = transformation(callee)
        if kind:
            from xform.desugar.transformations import call_direct
            return call_direct(lowering, kind, node)
        node = operands.with_arrays(lowering, callee.value, node)
    return call_known_with(lowering, callee, *arguments(lowering, spread.for_callee(lowering, callee, node)), node)


def call_known_with(lowering, callee, args, keywords, node):
    if isinstance(callee, (Custom, resolve.Picked)):
        return (rules.lower_call if isinstance(callee, Custom) else picked.call_of)(lowering, callee, args, keywords, node)
    if isinstance(callee, Object):
        return call_object(lowering, callee, args, keywords, node)
    if isinstance(callee, Partial):
        return call_known_with(lowering, resolve.normal(callee.fn), [*callee.args, *args],
                               {**dict(callee.keywords), **keywords}, node)
    if isinstance(callee, Closure) and not isinstance(callee.nested, UnitValue):
        found = _specialised_closure(lowering, callee, args, keywords, node)
        if found is not None:
            return found
    found = jit_of_functions(lowering, callee, args, keywords, node) if isinstance(callee, Derived) and callee.kind == "jit" else None
    if found is not None:
        (target, prefix, args, keywords), more = found, {}
    else:
        args = spread.counted(lowering, callee, args, keywords, node)
        spelled = isinstance(callee, Derived) and not any(isinstance(a, gast.Starred) for a in args)
        target, prefix, more = direct(lowering, callee, node, kinds_given(lowering, callee, args, keywords), called=True,
                                      given=(len(args), tuple(keywords)) if spelled else None)
    args = [atom_of(lowering, a, node) for a in args]
    keywords = {k: atom_of(lowering, v, node) for k, v in {**more, **keywords}.items()}
    if isinstance(target, Unit):
        # generated code passes one argument a parameter
        generated = isinstance(callee, Closure) and isinstance(callee.nested, UnitValue) and not keywords
        if not generated and target.boundary is not None:
            provided = _provided(target, args, keywords)
            if provided is not None:    # what a call of a jitted function leaves out stays a Python value
                from xform.transform import boundary
                target = boundary.with_defaults(target, target.params[:len(prefix)] + provided)
        own = args if generated else bind(lowering, target, args, keywords, node, callee)
        given = []
        if isinstance(callee, Closure) and not isinstance(callee.nested, UnitValue):
            given = written.given_back(lowering, callee.nested.written(), list(target.signature.parameters), own)
            target = callee.nested.giving(tuple(p for p, _ in given)) if given else target
        made = call(name(lowering.refer(target.name, target), node), prefix + own, node=node)
        return made if generated or not isinstance(callee, Closure) else bound(lowering, callee, made, node, [n for _, n in given])
    return call_object(lowering, target, prefix + args, keywords, node)


def _specialised_closure(lowering, callee, args, keywords, node):
    """A call of a nested function with functions among its arguments: specialised to them; else None."""
    statics, args, keywords = spread.gathered(callee.nested.signature(), args, keywords)
    gathered = set(statics)
    names = list(callee.nested.signature().parameters)
    for place, argument in [*zip(names, args), *keywords.items()]:
        if not isinstance(argument, gast.AST) and resolve.is_static(argument):
            statics[place] = argument
    statics.update(function_defaults_of_nested(callee, names, args, keywords))
    if not any(isinstance(a, gast.Starred) for a in args):
        statics.update(of_nested(callee.nested, dict([*zip(names, args), *keywords.items()])))
    wanted = callee.nested.options()
    if wanted:
        given = {**dict(zip(names, args)), **keywords}
        statics.update(options.constants(lowering, wanted, given))
        statics.update(options.defaults(lowering, wanted, given, callee.nested.signature()))
    if not statics:
        return None
    left = {p: a for p, a in [*zip(names, args), *keywords.items()] if p not in statics}
    given = written.given_back(lowering, callee.nested.written(), left.keys(), left.values())
    try:
        unit, passed = callee.nested.specialised(statics, tuple(p for p, _ in given))
    except Undecided:
        if set(statics) > gathered:
            raise
        return None     # *args and **kwargs are data to it
    rest = [atom_of(lowering, a, node) for place, a in zip(names, args) if place not in statics]
    more = {k: atom_of(lowering, a, node) for k, a in keywords.items() if k not in statics}
    own = bind(lowering, unit, rest, more, node, callee)
    prefix = [name(n, node) for n in callee.env] + [name(n, node) for n in passed]
    made = call(name(lowering.refer(unit.name, unit), node), prefix + own, node=node)
    lowering.passed[id(made)] = Display(tuple(statics.values()))
    return bound(lowering, callee, made, node, [n for _, n in given])


def arguments(lowering, node):
    """Argument atoms, or compile-time values for functions; starred arguments stay Starred."""
    args = []
    for argument in node.args:
        if isinstance(argument, gast.Starred):
            inner = argument.value
            found = spread.items(lowering, inner, lambda e: one_argument(lowering, e))
            if found is not None:
                args += found
                continue
            args.append(at(gast.Starred(lowering.atom(inner), gast.Load()), argument))
        else:
            args.append(one_argument(lowering, argument))
    keywords = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            keywords.update(spread.keywords(lowering, node, keyword.value, lambda e: one_argument(lowering, e)))
        else:
            keywords[keyword.arg] = one_argument(lowering, keyword.value)
    return args, keywords


def _extreme(lowering, value, args, keywords, node):
    """What ``max`` or ``min`` with a key or a default calls, and with what."""
    by, given = keywords.pop("key", None), "default" in keywords
    by = None if isinstance(by, gast.Constant) and by.value is None else by
    called = f"{value.__name__}{'_by' if by is not None else ''}{'_or' if given else ''}"
    if len(args) > 1:
        args = [lowering.atom_value(at(gast.Tuple([atom_of(lowering, a, node) for a in args], gast.Load()), node))]
    rest = {**({} if by is None else {"key": by}), **keywords}
    return getattr(runtime.builtins, called), args, rest


def call_object(lowering, callee, args, keywords, node):
    """A call of a Python object known at transform time."""
    value = callee.value
    contexts.check_called(lowering, value, node)
    from xform.desugar.functions import specialise, unit_of
    if rules.needs_units(value, args):
        return rules.lower_call(lowering, rules.of_object(value), args, keywords, node, callee)
    if value is tree_map and not keywords and (len(args) > 5 or any(isinstance(a, gast.Starred) for a in args[1:])):
        value, args = runtime.tree_map_all, [args[0], lowering.atom_value(at(gast.List(args[1:], gast.Load()), node))]
    if value is tree_map and "is_leaf" in keywords:
        value, args = runtime.tree_map_where, [args[0], lowering.atom_value(at(gast.List(
            [atom_of(lowering, a, node) for a in args[1:]], gast.Load()), node))]
    if value is tree_leaves and len(args) + len(keywords) > 1:
        value = runtime.leaves_where
    if value is tree_map and not keywords and 2 <= len(args) <= 5:
        value = getattr(runtime, f"tree_map_{len(args) - 1}")
    if value is functools.reduce and len(args) == 2:
        value = runtime.builtins.reduce_first
    if len(args) == 1 and not keywords and scalar_type(value) is not None:
        value, keywords = runtime.numpy.asarray, {"dtype": Object(scalar_type(value))}
    if value is zip and len(args) == 1 and isinstance(args[0], gast.Starred) and not keywords:
        value, args = runtime.builtins.zip_all, [args[0].value]
    if value in (sorted, runtime.builtins.sorted, runtime.builtins.in_order) and "key" in keywords:
        by = keywords.pop("key")
        if not (isinstance(by, gast.Constant) and by.value is None):
            value, args = runtime.builtins.sorted_by, [*args, by]
    if value is dict and len(args) == 1 and not isinstance(args[0], gast.Starred):
        more = at(gast.Dict([const(k, node) for k in keywords], [atom_of(lowering, a, node) for a in keywords.values()]), node)
        value, args, keywords = runtime.builtins.dict_of, [args[0], lowering.atom_value(more)], {}
    if value in (max, min) and keywords:
        value, args, keywords = _extreme(lowering, value, args, keywords, node)
    if value is iter and len(args) == 1 and getattr(lowering.tree, "name", None) == "__iter__":     # what a loop over the object runs over
        value = list
    if "out_sharding" in keywords and is_runtime(value) and value is not runtime.placed:    # a call, and one that places its result
        where = atom_of(lowering, keywords["out_sharding"], node)
        made = call_object(lowering, callee, args, {k: a for k, a in keywords.items() if k != "out_sharding"}, node)
        return call_object(lowering, Object(runtime.placed), [lowering.atom_value(made), where], {}, node)
    if "allow_negative_indices" in keywords and is_runtime(value):
        from runtime.ops.take import STARTS
        allow = atom_of(lowering, keywords["allow_negative_indices"], node)
        keywords = {k: a for k, a in keywords.items() if k != "allow_negative_indices"}
        place, start = next((i, n) for i, n in enumerate(parse.signature(value).parameters) if n in STARTS)
        given = keywords[start] if start in keywords else args[place]
        made = lowering.atom_value(call_object(lowering, Object(runtime.starts_from_front), [given, allow], {}, node))
        args = args if start in keywords else [*args[:place], made, *args[place + 1:]]
        keywords = {**keywords, start: made} if start in keywords else keywords
    if is_runtime(value) and ("operand" in keywords or len(args) == 5):
        from runtime.lax import control_flow
        if "operand" in keywords and value in (control_flow.cond, control_flow.switch):  # how one operand was once passed
            args = [*args, keywords.pop("operand")]
        if value is control_flow.cond and len(args) == 5 and isinstance(args[1], gast.AST) and not any(
                isinstance(a, gast.AST) for a in (args[2], args[4])):       # an operand for each branch
            value = control_flow.cond_of_operands
    path = canonical(value)
    args, keywords = as_arrays(lowering, value, args, keywords, node) if path else (args, keywords)
    target = lookup(path) if path else value
    if getattr(value, "takes_python", False):
        from xform.desugar.callbacks import python_function
        args = [python_function(lowering, args[0], node), *args[1:]]
    static = {i: a for i, a in enumerate(args) if not isinstance(a, gast.AST)}
    named = {k: a for k, a in keywords.items() if not isinstance(a, gast.AST)}
    is_op = rule_of(target) is not None and (path or hasattr(target, "takes_objects"))
    left = {} if path else function_defaults(target, args, keywords)
    if (static or named or left) and isinstance(target, types.FunctionType) and not is_op and not hasattr(value, "_xform_custom"):
        args, keywords, variadic = _gathered(target, args, keywords)
        names = list(parse.signature(target).parameters)
        statics = {names[i]: a for i, a in enumerate(args) if not isinstance(a, gast.AST) and resolve.is_static(a)}
        statics.update({k: a for k, a in keywords.items() if not isinstance(a, gast.AST) and resolve.is_static(a)})
        statics.update({**variadic, **left})
        if statics:
            given = set(names[:len(args)]) | set(keywords)
            statics.update({p.name: Object(p.default) for p in parse.signature(target).parameters.values()
                            if p.name not in given and p.default is not p.empty and resolve.is_static(Object(p.default))})
            statics.update(_options_in(lowering, target, names, args, keywords, variadic))
            if hasattr(target, "solved_by"):
                from xform.transform.implicit import specialised
                unit, passed = specialised(lowering, target, statics, args, keywords, node)
            else:
                unit, passed = specialise(lowering, target, statics, node)
            rest = [atom_of(lowering, a, node) for i, a in enumerate(args) if names[i] not in statics]
            more = {k: atom_of(lowering, a, node) for k, a in keywords.items() if k not in statics}
            own = bind(lowering, unit, rest, more, node, callee)
            made = call(name(lowering.refer(unit.name, unit), node), [name(n, node) for n in passed] + own, node=node)
            lowering.passed[id(made)] = Display(tuple(statics.values()))
            return made
    args = [atom_of(lowering, a, node) for a in args]
    keywords = {k: atom_of(lowering, a, node) for k, a in keywords.items()}
    if is_op and _takes_exactly(parse.signature(target), args, keywords):
        args = unstarred(lowering, parse.signature(target), args, keywords, node)
    if path:
        if not is_op and isinstance(target, types.FunctionType):
            args = spread.packed(lowering, parse.signature(target), args, node)
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
            from xform.desugar.variadic import spread_call
            found = spread_call(lowering, value, args, keywords, node)
            if found is not None:
                return found
        if kinds & {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} or ndarrays.asks(value):
            callee = unit_of(value)     # generated calls pass every parameter by position
        own = bind(lowering, _Signature(value), args, keywords, node, callee)
        names = list(parse.signature(value).parameters)
        plain = rule_of(value) is None and not is_runtime(value) and not kinds & {
            inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        flags = {p: Object(v) for p, v in constants(value, names, own).items()} if plain else {}
        if plain:
            flags.update(_options_in(lowering, value, names, own, {}, {}))
        given = written.given_back(lowering, written.written_by(value), names, own) if plain else []
        takes = joins.taken(lowering, value, names, own) if plain else {}
        if flags or given or takes:
            callee, _ = specialise(lowering, value, flags, node, takes, tuple(p for p, _ in given))
            wanted, own = callee.name, [a for p, a in zip(names, own) if p not in flags]
        made = call(name(lowering.refer(wanted, callee), node), own, node=node)
        return written.bound(lowering, made, [local for _, local in given], node) if given else made
    if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
        args = unstarred(lowering, parse.signature(value), args, keywords, node)
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
        rules.watch(lowering.unit, key, value)
        own = bind(lowering, _Signature(value), args, keywords, node, callee)
        return call(name(key, node), own, node=node)
    if not callable(value):
        return fails(lowering, node, f"'{type(value).__name__}' object is not callable")
    wanted = getattr(value, "__name__", "function")
    return call(name(lowering.refer(wanted if wanted.isidentifier() else "function", callee), node), args, keywords, node)


def _options_in(lowering, function, names, args, keywords, variadic):
    """{parameter: compile-time value} of the options of transformations among the arguments of a call of a function."""
    wanted = frozenset() if is_runtime(function) else options.parameters_of(function)
    if not wanted:
        return {}
    given = {**dict(zip(names, args)), **keywords}
    return {**options.constants(lowering, wanted, given),
            **options.defaults(lowering, wanted, {**given, **variadic}, parse.signature(function))}


def _gathered(function, args, keywords):
    """The arguments of a call less those for *args and **kwargs, and these as displays by parameter."""
    parameters = parse.signature(function).parameters.values()
    rest, variadic = {p.kind: p.name for p in parameters}, {}
    if inspect.Parameter.VAR_POSITIONAL in rest and not any(isinstance(a, gast.Starred) for a in args):
        fixed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        variadic[rest[inspect.Parameter.VAR_POSITIONAL]] = Display(tuple(args[len(fixed):]))
        args = args[:len(fixed)]
    if inspect.Parameter.VAR_KEYWORD in rest and "**" not in keywords:
        more = {k: v for k, v in keywords.items() if k not in {p.name for p in parameters}}
        variadic[rest[inspect.Parameter.VAR_KEYWORD]] = Display(tuple(more.values()), tuple(more), dict)
        keywords = {k: v for k, v in keywords.items() if k not in more}
    return args, keywords, variadic


class _Signature:
    """What ``bind`` needs of a callee that has no unit."""

    def __init__(self, function):
        self.signature = parse.signature(function)
        self.name = getattr(function, "__name__", "function")


def bind(lowering, unit, args, keywords, node, callee=None):
    """Bind call arguments to the parameters of a unit: one atom a parameter, defaults filled in."""
    args = unstarred(lowering, unit.signature, args, keywords, node)
    try:
        bound = unit.signature.bind(*args, **keywords)
    except TypeError as error:
        refuse(node, lowering.unit, f"{unit.name}() {error}")
    made = []
    for param in unit.signature.parameters.values():
        if param.kind is param.VAR_POSITIONAL:
            items = bound.arguments.get(param.name, ())
            whole = len(items) == 1 and isinstance(items[0], gast.Starred)
            made.append(items[0].value if whole else lowering.atom_value(at(gast.Tuple(list(items), gast.Load()), node)))
        elif param.kind is param.VAR_KEYWORD:
            made.append(spread.gathered_keywords(lowering, bound.arguments.get(param.name, {}), node))
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
        whole = unit.signature.parameters[param]
        default = () if whole.kind is whole.VAR_POSITIONAL else {} if whole.kind is whole.VAR_KEYWORD else whole.default
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


def _takes_exactly(signature, args, keywords):
    """Whether ``*rest`` in last place has to hold one value for each parameter that is left."""
    if not args or not isinstance(args[-1], gast.Starred):
        return False
    parameters = signature.parameters.values()
    left = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in keywords][len(args) - 1:]
    return bool(left) and all(p.default is p.empty for p in left) and not any(p.kind is p.VAR_POSITIONAL for p in parameters)


def unstarred(lowering, signature, args, keywords, node):
    """Spread ``*rest`` over the parameters that are still unbound."""
    stars = [i for i, a in enumerate(args) if isinstance(a, gast.Starred)]
    if not stars:
        return args
    packed = spread.packed(lowering, signature, args, node)
    if packed is not args:
        return packed
    if len(stars) > 1:
        refuse(node, lowering.unit, "only one starred argument whose length is not known is supported in a call", "Spell the arguments out.")
    args, star, behind = args[:stars[0]], args[stars[0]], args[stars[0] + 1:]
    positional = [p for p in signature.parameters.values()
                  if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in keywords]
    missing = positional[len(args):len(positional) - len(behind)]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())
    if not spread.by_position(positional, [1] * len(args) + [None] + [1] * len(behind), variadic):
        refuse(node, lowering.unit, "how many values *args holds here is not known when the code is transformed",
               "Call a function with a fixed number of parameters, or spell the arguments out.")
    names = [lowering.temp(p.name) for p in missing]
    if variadic:        # the parameters get the first values, and *args the others
        for i, made in enumerate(names):
            lowering.emit(made, at(gast.Subscript(star.value, const(i), gast.Load()), node), node)
        rest = at(gast.Subscript(clone(star.value), gast.Slice(const(len(names)), None, None), gast.Load()), node) if names else star.value
        rest = lowering.atom_value(call("rt.builtins.tuple", [lowering.atom(rest)], node=node))
        return args + [name(n, node) for n in names] + [at(gast.Starred(rest, gast.Load()), node)]
    if names:
        lowering.statement(at(gast.Assign([at(gast.Tuple([at(gast.Name(n, gast.Store(), None, None), node) for n in names],
                                                         gast.Store()), node)], star.value, None), node))
    return args + [name(n, node) for n in names] + behind
