"""Functions with a derivative rule of the user's whose parts are known as functions of the program are.

They are made inside a function, called with functions or objects in ``nondiff_argnums``, or state their rule by returning it
(``custom_gradient``) or by looking at which derivatives are zero (``symbolic_zeros``).

Before::

    @custom_vjp
    def f(y): return y * c
    f.defvjp(lambda y: (f(y), y), lambda y, d: (d * y,))
    z = f(x)

After: ``z = f(c, x)``, where the rule of ``f`` consists of units that take the captured ``c`` first.
"""
from __future__ import annotations

import functools
import inspect

import gast

from xform import parse, resolve
from xform.custom import CustomVJPPrimal, SymbolicZero, call_units, custom_gradient, custom_jvp, custom_vjp, with_names
from xform.errors import refuse
from xform.memo import Memo
from xform.resolve import Closure, Custom, Display, Instance, Object, Partial
from xform.syntax import assign, at, call, function, name, pack, returns
from xform.unit import Unit

MAKERS = {custom_vjp: "vjp", custom_jvp: "jvp", custom_gradient: "vjp"}
RULE_PARTS = ("fwd", "bwd", "rule", "symbolic_zeros")
_DEFINED = {"defvjp": ("fwd", "bwd"), "defjvp": ("rule",)}
_known = Memo()
_made = Memo()


# -- where they are made --------------------------------------------------------------------------------------------------

def is_maker(known) -> bool:
    """Whether a compile-time value is custom_vjp, custom_jvp or custom_gradient."""
    return isinstance(known, Object) and isinstance(known.value, (type, type(custom_gradient))) and known.value in MAKERS


def made_here(lowering, callee, node):
    """The compile-time value of ``custom_vjp(f, nondiff_argnums=...)`` or its partial application; None for another call."""
    options = ()
    if isinstance(callee, Partial) and is_maker(callee.fn) and not callee.args:
        callee, options = callee.fn, callee.keywords
    if not is_maker(callee):
        return None
    given = {k: v.value for k, v in options}
    given.update({k.arg: resolve.literal(k.value, lowering, k.arg) for k in node.keywords if k.arg != "fun"})
    if len(node.args) > 1:
        given["nondiff_argnums"] = resolve.literal(node.args[1], lowering, "nondiff_argnums")
    first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "fun"), None)
    if first is None:
        return Partial(callee, (), tuple((k, Object(v)) for k, v in given.items()))
    known = lowering.known(first)
    if known is None:
        refuse(node, lowering.unit, f"{callee.value.__name__} of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, or a lambda.")
    return with_options(callee.value, known, given)


def with_options(maker, known, options):
    """A function with a rule, as a compile-time value; the rule itself is given later."""
    numbers, names = options.get("nondiff_argnums", ()), options.get("nondiff_argnames", ())
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    if names:
        numbers = with_names(_signature(known), numbers, names)
    return Custom(MAKERS[maker], numbers, {"fun": known}, from_closure=maker is custom_gradient)


def watch(unit, key, value):
    """Note in a unit that its code was resolved to the rule that a function has: it is made anew when that is stated anew."""
    for part in RULE_PARTS:
        unit.env[f"held {key} {part}"] = vars(value).get(part)
        unit.reads[f"held {key} {part}"] = vars(value), part


def decorated(lowering, decorator, known):
    """What a decorator of a nested function makes of it, for custom_vjp and its like and ``@f.defjvp``; None for others."""
    owner = lowering.known(decorator.value) if isinstance(decorator, gast.Attribute) else None
    if isinstance(owner, Custom) and decorator.attr in _DEFINED:
        owner.parts[_DEFINED[decorator.attr][0]] = known
        return known
    callee = lowering.known(decorator)
    if is_maker(callee):
        return with_options(callee.value, known, {})
    if isinstance(callee, Partial) and is_maker(callee.fn):
        return with_options(callee.fn.value, known, {k: v.value for k, v in callee.keywords})
    return None


def defined(lowering, node) -> bool:
    """Take in a statement ``f.defvjp(fwd, bwd)``, ``f.defjvp(rule)`` or ``f.defjvps(...)``; returns whether it was one."""
    owner = lowering.known(node.func.value) if isinstance(node.func, gast.Attribute) and node.func.attr in (
        *_DEFINED, "defjvps") else None
    if not isinstance(owner, Custom):
        return False
    if node.func.attr == "defjvps":
        owner.parts["rules"] = Display(tuple([_function(lowering, a) for a in node.args]))
        return True
    names = {"fwd": "fwd", "bwd": "bwd", "jvp": "rule"}
    for part, given in zip(_DEFINED[node.func.attr], node.args):
        owner.parts[part] = _function(lowering, given)
    for keyword in node.keywords:
        if keyword.arg in names:
            owner.parts[names[keyword.arg]] = _function(lowering, keyword.value)
        elif keyword.arg == "symbolic_zeros":
            owner.symbolic_zeros = bool(resolve.literal(keyword.value, lowering, "symbolic_zeros"))
    return True


def _function(lowering, node):
    known = lowering.known(node)
    if known is None:
        refuse(node, lowering.unit, "a rule that is not known when the code is transformed", "Give a function by its name, or a lambda.")
    return known


def of_object(value) -> Custom:
    """The compile-time value of a function with a rule that was made outside."""
    parts = {p: getattr(value, p, None) for p in ("fun", "fwd", "bwd", "rule")}
    key = (value, *map(id, parts.values()))
    if key not in _known:
        known = {p: Object(v) for p, v in parts.items() if v is not None}
        made = Custom(value.kind, value.nondiff_argnums, known, getattr(value, "symbolic_zeros", False),
                      getattr(value, "from_closure", False))
        _known[key] = made, value
    return _known[key][0]


# -- where they are called --------------------------------------------------------------------------------------------------

def needs_units(value, args=()) -> bool:
    """Whether a call of a function with a rule cannot be left to the object itself."""
    if getattr(value, "kind", None) not in ("vjp", "jvp") or isinstance(value, UnitRules):
        return False
    return getattr(value, "from_closure", False) or getattr(value, "symbolic_zeros", False) or any(
        i < len(args) and _is_held(args[i]) for i in value.nondiff_argnums)


def _is_held(argument):
    return not isinstance(argument, gast.AST) and resolve.is_static(argument)


def lower_call(lowering, custom, args, keywords, node, where=None):
    """Lower a call of a function with a rule to the call of its units' object."""
    from xform.desugar.calls import atom_of, bind
    rules, captured, signature = rules_of(custom, args, keywords, lowering, node)
    held = rules.held
    own = [p.name for p in signature.parameters.values() if p.name not in held]
    given = dict(zip(signature.parameters, args)) | keywords
    target = Unit(rules.__name__, None, {})
    target.signature = signature.replace(parameters=[p for p in signature.parameters.values() if p.name in own])
    names = list(signature.parameters)
    rest = [atom_of(lowering, a, node) for i, a in enumerate(args) if i >= len(names) or names[i] not in held]
    more = {k: atom_of(lowering, v, node) for k, v in keywords.items() if k not in held}
    del given
    callee = custom.parts["fun"] if isinstance(custom.parts["fun"], Closure) else None
    atoms = bind(lowering, target, rest, more, node, callee)
    key = lowering.refer(rules.__name__, rules)
    if where is not None and where.where is not None:
        lowering.env[f"held {key}"] = where.value
        lowering.unit.reads[f"held {key}"] = where.where
    if where is not None:
        watch(lowering.unit, key, where.value)
    return call(name(key, node), [name(c, node) for c in captured] + atoms, node=node)


def rules_of(custom, args, keywords, lowering=None, node=None):
    """(units' object, captured locals, signature of the function) for a call with these arguments."""
    signature = _signature(custom.parts["fun"], lowering, node)
    names = list(signature.parameters)
    given = dict(zip(names, args)) | keywords
    held = {names[i]: given[names[i]] for i in custom.nondiff_argnums if names[i] in given and _is_held(given[names[i]])}
    captured = list(dict.fromkeys([*resolve.captured_names(custom), *(n for k in held.values() for n in resolve.captured_names(k))]))
    numbers = {}
    key = resolve.shape_of(custom, numbers), tuple([(p, resolve.shape_of(k, numbers)) for p, k in held.items()]), tuple(
        map(numbers.get, captured))
    if key not in _made:
        _made[key] = UnitRules(custom, held, captured, names, signature), custom, held
    return _made[key][0], captured, signature


def _signature(known, lowering=None, node=None):
    known = resolve.normal(known)
    if isinstance(known, Closure):
        return known.nested.signature() if hasattr(known.nested, "signature") else known.unit().signature
    if isinstance(known, Object):
        return parse.signature(known.value)
    if isinstance(known, Partial) and not known.keywords:
        inner = _signature(known.fn, lowering, node)
        return inner.replace(parameters=list(inner.parameters.values())[len(known.args):])
    from xform.desugar.calls import direct
    unit, prefix, _ = direct(lowering, known, node)
    return unit.signature.replace(parameters=list(unit.signature.parameters.values())[len(prefix):])


class UnitRules:
    """A function with a rule, as units: each takes the captured values, then what the user's function or rule takes."""
    _xform_custom = True
    __call__ = call_units

    def __init__(self, custom, held, captured, names, signature):
        own = [n for n in names if n not in held]
        mapping = {}
        for one in captured:
            made = one
            while made in names or made in mapping.values():
                made += "_outer"
            mapping[one] = made
        self.custom, self.kind = resolve.renamed(custom, mapping), custom.kind
        self.live = custom      # whose rule may be stated after this was made
        self.mapping = mapping
        self.held = {p: resolve.renamed(k, mapping) for p, k in held.items()}
        self.names, self.own, self.captured = names, own, list(mapping.values())
        self.data = [names[i] for i in custom.nondiff_argnums if names[i] not in held]     # in the order of the rules
        self.nondiff_argnums = (*range(len(captured)), *(len(captured) + own.index(n) for n in self.data))
        self.closed = len(captured)
        read = resolve.captured_names(custom.parts["fun"])
        self.unread = frozenset(i for i, one in enumerate(captured) if one not in read)     # what the rule alone captures
        P = inspect.Parameter
        self.__name__ = _name_of(custom.parts["fun"])
        self.__signature__ = inspect.Signature([P(n, P.POSITIONAL_OR_KEYWORD) for n in [*self.captured, *own]])
        self.called_with = inspect.Signature([p for p in signature.parameters.values() if p.name in own])
        self._halves, self._rules = {}, {}

    def part(self, which):
        """A function of the rule, its captured locals renamed to the units' parameters; None where it was not given."""
        found = self.live.parts.get(which)
        return None if found is None else resolve.renamed(found, self.mapping)

    @property
    def rule_given(self):
        """Whether the user has stated the rule."""
        parts = self.live.parts
        return self.custom.from_closure or ("fwd" in parts if self.kind == "vjp" else "rule" in parts or "rules" in parts)

    @functools.cached_property
    def fun(self):
        if self.custom.from_closure:
            return _of_closure(self)[0]
        return self._unit("fun", self.held, self.own, {})

    @functools.cached_property
    def unit(self):
        """A unit that calls the function, for transformations of it."""
        params = [*self.captured, *self.own]
        body = [assign("out", call(self.__name__, [name(p) for p in params])), returns(name("out"))]
        made = Unit(self.__name__, function(self.__name__ + "_call", params, body), {self.__name__: self}, {"out"}, core=True)
        made.signature = self.called_with     # what is captured comes before, from who calls it
        return made

    def halves(self, active):
        """(forward, backward) units; ``active`` says which of the differentiable arguments have a derivative."""
        key = tuple(active) if self.live.symbolic_zeros else ()
        if key not in self._halves:
            self._halves[key] = self._made_halves(key)
        return self._halves[key]

    def _made_halves(self, active):
        from xform.transform.custom import checked_pair
        if self.custom.from_closure:
            return _of_closure(self)[1:]
        seen = dict(self.held)
        if active:
            flags = dict(zip([n for n in self.own if n not in self.data], active))
            for param in flags:
                made = seen[param] = Instance(CustomVJPPrimal, {"value": name(param), "perturbed": Object(flags[param])})
                made.outer = True
        forward = self._unit("fwd", seen, self.own, dict(zip(self.names, _parameters(self.part("fwd")))))
        forward = checked_pair(forward, self.__name__, "Custom VJP fwd", "the residuals")
        places = _parameters(self.part("bwd"))
        first = [self.names[i] for i in self.live.nondiff_argnums]
        alias = dict(zip(first, places)) | {"residuals": places[len(first)], "d_out": places[len(first) + 1]}
        back = self._unit("bwd", self.held, [*self.data, "residuals", "d_out"], alias)
        return forward, back

    def forward_rule(self, active):
        """The unit of a custom_jvp rule: it takes the captured values, static data, primals and tangents."""
        key = tuple(active) if self.live.symbolic_zeros else ()
        if key not in self._rules:
            self._rules[key] = _rule(self, key)
        return self._rules[key]

    def _unit(self, which, held, own, alias):
        """A part as a unit of the captured values and ``own``; ``alias``: what the part calls its parameters."""
        known = self.part(which)
        unit, prefix = _reduced(known, {alias.get(p, p): k for p, k in held.items() if alias.get(p, p) is not None})
        inner = {n for k in held.values() for n in resolve.captured_names(k)}
        rest = [n for n in own if n not in inner]
        params = [*self.captured, *own]
        return _shell(unit, params, [*prefix, *rest])


def _name_of(known):
    known = resolve.normal(known)
    if isinstance(known, Closure):
        found = getattr(getattr(known.nested, "tree", None), "name", None)
        return found or "with_rule"
    if isinstance(known, Partial):
        return _name_of(known.fn)
    found = getattr(getattr(known, "value", None), "__name__", "with_rule")
    return found if found.isidentifier() else "with_rule"


def _parameters(known):
    return list(_signature(known).parameters)


def _reduced(known, held):
    """(unit, names of the values that its leading parameters get) of a part, some parameters of which are known."""
    from xform.desugar.calls import direct
    from xform.desugar.functions import specialise
    from xform.desugar.kinds import with_data
    from xform.pipeline import unit_of_callable
    known = resolve.normal(known)
    if isinstance(known, Partial) and held:
        names = list(_signature(known.fn).parameters)
        more = {n: a for n, a in zip(names, known.args)}
        fixed = {n: a for n, a in more.items() if not isinstance(a, gast.AST)}
        unit, prefix = _reduced(known.fn, {**held, **fixed})
        return unit, [*prefix, *(a.id for a in more.values() if isinstance(a, gast.Name))]
    if isinstance(known, Closure) and held:
        unit, passed = known.nested.specialised(held)
        return with_data(unit), [*known.env, *passed]
    if isinstance(known, Object) and held:
        unit, passed = specialise(None, known.value, held, None)
        return with_data(unit), list(passed)
    if isinstance(known, Object):
        return with_data(unit_of_callable(known.value)), []
    unit, prefix, _ = direct(None, known, None)
    if not isinstance(unit, Unit):
        unit = unit_of_callable(unit.value)
    return with_data(unit), [a.id for a in prefix]


def _shell(unit, params, passed):
    """A unit with some parameters that calls another with some of them; that one itself where these are the same."""
    if passed == params:
        return unit
    body = [assign("out", call(unit.name, [name(p) for p in passed])), returns(name("out"))]
    return Unit(unit.name, function(unit.name, params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin)


# -- rules that are put together ----------------------------------------------------------------------------------------------

def _lowering(rules, identifier, params, statics):
    """A lowering of generated text that calls functions of the program."""
    from xform.anf import Lowering
    tree = gast.parse(f"def {identifier}({', '.join(params)}): pass").body[0]
    known = rules.part("fun")
    unit = Unit(identifier, None, {}, set(), None, getattr(getattr(known, "value", None), "__module__", "") or "", core=True)
    lowering = Lowering(tree, unit, _Builtins(), statics)
    for param in params:
        lowering.names.take(param)
    return lowering, unit


class _Builtins:
    """The scope of generated text: Python's own names."""

    @staticmethod
    def find(identifier, node):
        return resolve.global_object(identifier, {}, {})


def _of_closure(rules):
    """(function, forward, backward) of a function that returns (out, vjp_fun): residuals are what vjp_fun captures."""
    if "_closed" in rules.__dict__:
        return rules._closed
    from xform.grammar import check
    params, own = [*rules.captured, *rules.own], rules.__name__
    statics = {"fun__": rules.part("fun"), **rules.held}
    asked = gast.parse(f"fun__({', '.join(rules.names)})", mode="eval").body
    made = []
    for kept in (False, True):
        lowering, unit = _lowering(rules, own + "_fwd" * kept, params, statics)
        found = lowering.known(asked)
        if not isinstance(found, Display) or len(found.items) != 2 or isinstance(found.items[1], gast.AST):
            refuse(None, unit, f"custom_gradient: {own} must return a pair (output, function of the output's cotangent), whose "
                   "function is known when the code is transformed", "End it with `return out, vjp_fun`.")
        out, back = found.items
        if not isinstance(out, gast.AST):
            out = lowering.atom_value(lowering.materialise(out, asked))
        captured = list(dict.fromkeys(resolve.captured_names(back)))
        if kept:
            residuals = lowering.store_temp(pack([name(c) for c in captured]), "residuals", asked)
            out = lowering.store_temp(pack([out, residuals]), "pair", asked)
        lowering.out.append(returns(out))
        unit.tree = function(unit.name, params, lowering.out)
        made.append(check(unit, "reading a custom gradient"))
    params = [*rules.captured, *rules.data, "residuals", "d_out"]
    lowering, unit = _lowering(rules, own + "_bwd", params, {})
    held = {c: lowering.temp(c) for c in captured}
    if len(held) == 1:
        lowering.emit(held[captured[0]], at(gast.Subscript(name("residuals"), gast.Constant(0, None), gast.Load()), asked), asked)
    elif held:
        lowering.out.append(assign(list(held.values()), name("residuals")))
    lowering.statics["back__"] = resolve.renamed(back, held)
    value = lowering.atom(gast.parse("back__(d_out)", mode="eval").body)
    parts = lowering.store_temp(call("rt.parts_given", [value]), "parts", asked)
    lowering.out.append(returns(parts))
    unit.tree = function(unit.name, params, lowering.out)
    rules._closed = (*made, check(unit, "reading a custom gradient"))
    return rules._closed


def _rule(rules, active):
    """The unit of a custom_jvp rule, put together from defjvps or specialised to which tangents are zero."""
    from xform.grammar import check
    from xform.transform.custom import checked_tangent
    places = [n for n in rules.own if n not in rules.data]
    tangents = {p: f"{p}_dot" for p in places}
    while any(t in rules.captured or t in rules.names for t in tangents.values()):
        tangents = {p: t + "_" for p, t in tangents.items()}
    params = [*rules.captured, *rules.data, *places, *tangents.values()]
    own = rules.__name__ + "_rule"
    first = [rules.names[i] for i in rules.live.nondiff_argnums]
    if rules.part("rule") is not None:
        known = rules.part("rule")
        statics = {**rules.held, "primals__": Display(tuple(map(name, places)))}
        dots = tuple([_zero(p) if active and not flag else name(tangents[p])
                      for p, flag in zip(places, active or (True,) * len(places))])
        statics["tangents__"] = Display(dots)
        lowering, unit = _lowering(rules, own, params, {"rule__": known, **statics})
        text = f"rule__({', '.join([*first, 'primals__', 'tangents__'])})"
        value = lowering.value(gast.parse(text, mode="eval").body)
        pair = lowering.store_temp(value, "pair", value)
        texts = [gast.Constant(t, None) for t in (rules.__name__, "Custom JVP", "its tangent")]
        pair = lowering.store_temp(call("rt.rule_pair", [pair, *texts]), "pair", value)
    else:
        from runtime.numpy import zeros_like
        each = rules.part("rules").items
        statics = {**rules.held, "fun__": resolve.renamed(rules.live, rules.mapping), "zeros_like": Object(zeros_like)}
        statics |= {f"rule_{i}__": k for i, k in enumerate(each)}
        lowering, unit = _lowering(rules, own, params, statics)
        lowering.emit("out", lowering.value(gast.parse(f"fun__({', '.join(rules.names)})", mode="eval").body), None)
        lowering.counts["out"] = 2
        terms = [f"rule_{i}__({', '.join([tangents[p], 'out', *places])})" for i, p in enumerate(places)
                 if i < len(each) and not (isinstance(each[i], Object) and each[i].value is None)]
        total = gast.parse(" + ".join(terms) or "zeros_like(out)", mode="eval").body
        pair = lowering.store_temp(pack([name("out"), lowering.atom(total)]), "pair", total)
    parts = lowering.temp("result"), lowering.temp("result_dot")
    lowering.out.append(assign(list(parts), pair))
    tangent = lowering.store_temp(checked_tangent(rules.__name__, *parts), "result_dot", pair)
    lowering.out.append(returns(lowering.store_temp(pack([name(parts[0]), tangent]), "pair", pair)))
    unit.tree = function(own, params, lowering.out)
    return check(unit, "reading a rule")


def _zero(param):
    made = Instance(SymbolicZero, {"like": name(param)})
    made.outer = True
    return made
