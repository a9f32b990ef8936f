"""The pipeline: derive a unit from a unit, and memoise every stage by unit and options.

    parse -> resolve -> desugar -> ANF -> analyse -> transform -> simplify -> emit -> load
"""
from __future__ import annotations

import inspect

import gast

from xform import parse
from xform.alone import alone
from xform.desugar.functions import unit_of
from xform.desugar.kinds import given_back, with_data
from xform.desugar.variadic import spread as spread_source
from xform.errors import TransformError, refuse
from xform.grammar import check
from xform.memo import Memo
from xform.names import Names
from xform.syntax import assign, call, function, name, pack, reference, returns
from xform.unit import Unit, inside

_cores = Memo()
_derived = Memo()


@alone
def core(unit) -> Unit:
    """The core form of a unit: generated units are read again, exactly as emitted text would be."""
    if unit.core:
        return unit
    if unit not in _cores:
        from xform.anf import Lowering
        from xform.syntax import clone
        made = Unit(unit.name, None, {}, set(), unit.file, unit.origin, unit.boundary, list(unit.notes), dict(unit.reads))
        made.signature, made.strange = unit.signature, unit.strange
        lowering = Lowering(clone(unit.tree), made, _UnitScope(unit))
        lowering.temps |= set(unit.temps)
        lowering.run(unit.params)
        made.core = True
        _cores[unit] = check(made, "reading generated code")
    return _cores[unit]


class _UnitScope:
    """Free names of a generated unit: its environment, the runtime aliases, the builtins."""
    generated = True

    def __init__(self, unit):
        self.unit = unit

    def find(self, identifier, node):
        from xform.desugar.calls import UnitValue
        from xform.library import ALIASES
        from xform.resolve import Object, global_object
        if identifier in self.unit.env:
            value = self.unit.env[identifier]
            if isinstance(value, Unit):
                return UnitValue(value)
            return Object(value, self.unit.reads.get(identifier, ({}, identifier)))
        if identifier in ALIASES:
            import importlib
            return Object(importlib.import_module(ALIASES[identifier]))
        return global_object(identifier, {}, {})


@alone
def unit_of_callable(value, lowering=None, node=None) -> Unit:
    """The unit of anything callable that the compiler can read: functions, ops, library functions."""
    import types

    from runtime.op import rule_of
    from xform.library import canonical, lookup
    path = canonical(value)
    if path is not None:
        value = lookup(path)
    if isinstance(value, Unit):
        return value
    if path is not None and rule_of(value) is not None:
        return _op_unit(value, path)
    if hasattr(type(value), "_xform_custom"):
        return _custom_unit(value)
    if isinstance(value, types.FunctionType):
        return unit_of(value)
    raise TransformError(f"cannot transform {getattr(value, '__name__', value)!r} ({type(value).__name__}): it has no "
                         "Python source and no derivative rule", hint=getattr(
                             type(value), "_xform_opaque", "Write a function that calls xform.numpy instead."))


def _op_unit(value, path):
    from runtime.op import rule_of
    key = ("op", path)
    if key not in _derived:
        signature, ruled = inspect.signature(value), rule_of(value).params
        signature = signature.replace(parameters=[        # an option that the rule knows nothing of keeps its default
            p for p in signature.parameters.values() if p.name in ruled or p.kind is p.VAR_POSITIONAL or p.default is p.empty])
        params = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL]
        args = [name(p) for p in params if signature.parameters[p].kind is not inspect.Parameter.KEYWORD_ONLY]
        keywords = {p: name(p) for p in params if signature.parameters[p].kind is inspect.Parameter.KEYWORD_ONLY}
        variadic = [p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL]
        if variadic:
            raise TransformError(f"cannot transform {path} directly: it takes any number of arguments",
                                 hint="Wrap it in a lambda.")
        body = [assign("out", call(path, args, keywords)), returns(name("out"))]
        unit = Unit(path.rpartition(".")[2], function(path.rpartition(".")[2], params, body), {}, {"out"}, core=True)
        unit.signature = signature
        _derived[key] = unit
    return _derived[key]


def _custom_unit(value):
    from xform.desugar import rules
    from xform.desugar.rules import RULE_PARTS
    if rules.needs_units(value):
        return rules.rules_of(rules.of_object(value), [], {})[0].unit
    rule = {part: vars(value).get(part) for part in RULE_PARTS}
    key = ("custom", value, *map(id, rule.values()))
    if key not in _derived:
        signature = inspect.signature(value)
        params = list(signature.parameters)
        own = value.__name__
        body = [assign("out", call(own, [name(p) for p in params])), returns(name("out"))]
        unit = Unit(own, function(own + "_call", params, body), {own: value}, {"out"}, core=True)
        unit.signature = signature
        code = getattr(value.fun, "__code__", None)
        if code is not None:
            unit.file = code.co_filename
            for statement in body:
                for node in gast.walk(statement):
                    node.lineno = code.co_firstlineno
        rules.watch(unit, own, value)
        _derived[key] = (unit, value, rule)
    return _derived[key][0]


# -- what the transforms ask for --------------------------------------------------------------------------------------

@alone
def halves_of(unit, flags):
    """The forward and backward half of a callee, through its boundary where it has one."""
    from xform.transform import vjp
    if unit.boundary is None:
        return vjp.vjp(unit, flags)
    key = ("halves", unit, tuple(flags))
    if key not in _derived:
        from xform.transform import boundary
        _derived[key] = boundary.kind_of(unit).halves(unit, flags)
    return _derived[key]


@alone
def jvp_of(unit, flags):
    """The forward derivative of a callee, through its boundary where it has one."""
    from xform.transform import jvp
    if unit.boundary is None:
        return jvp.jvp(unit, flags)
    key = ("jvp", unit, tuple(flags))
    if key not in _derived:
        from xform.transform import boundary
        _derived[key] = boundary.kind_of(unit).jvp(unit, flags)
    return _derived[key]


@alone
def vmap_of(unit, flags, axis_name=None):
    """(batched unit, batchedness of its result) of a callee, through its boundary where it has one."""
    from xform.transform import vmap
    if unit.boundary is None:
        return vmap.vmap(unit, flags, axis_name)
    from xform.transform import boundary
    key = ("vmap", unit, tuple(flags), axis_name)
    if key not in _derived:
        _derived[key] = boundary.kind_of(unit).vmap(unit, flags, axis_name)
    return _derived[key]


# -- the kinds of derived units ------------------------------------------------------------------------------------

@alone
def derive(kind, unit, options, prefix=0):
    """Derive a unit by a transformation; ``prefix`` parameters come before those that the options count from."""
    key = (kind, unit, repr(sorted(options.items(), key=lambda item: item[0])), prefix)
    if key not in _derived:
        plain = with_data(unit)
        made = DERIVATIONS[kind](plain, options, prefix)
        if isinstance(made, Unit):
            made.takes, made.gives = plain.takes, given_back(kind, plain, options, prefix)
        _derived[key] = made
    return _derived[key]


def with_defaults(unit, provided):
    """The unit as a function of the ``provided`` parameters alone; the others have their default values."""
    if tuple(provided) == tuple(unit.params):
        return unit
    key = ("defaults", unit, tuple(provided))
    if key not in _derived:
        from xform.desugar.calls import default_values
        unit = with_data(unit)
        made = Unit(unit.name, None, {unit.name: unit}, set(), unit.file, unit.origin, notes=list(unit.notes))
        args = default_values(unit, provided, made.env)
        body = [assign("out", call(unit.name, args)), returns(name("out"))]
        made.tree = function(unit.name, list(provided), body)
        made.temps = {"out"}
        made.signature = unit.signature.replace(parameters=[
            p for p in unit.signature.parameters.values() if p.name in provided]) if unit.signature is not None else None
        made.takes, made.gives = unit.takes, unit.gives
        _derived[key] = made
    return _derived[key]


@alone
def spread(fun, count, keywords, kinds=None):
    """The unit of a function with *args or **kwargs for calls with ``count`` positional arguments and these keywords: one
    parameter for each, in the order of the call."""
    key = ("spread", fun, count, tuple(keywords), kinds)
    if key not in _derived:
        from xform.desugar.calls import default_values
        from xform.syntax import const
        names, P = Names(), inspect.Parameter
        signature = parse.signature(fun)
        fixed = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        variadic = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_POSITIONAL), None)
        positional = [names.fresh(p.name) for p in fixed[:count]]
        positional += [names.fresh(f"{variadic}_{i}") for i in range(count - len(positional))]
        params = positional + [names.take(k) for k in keywords]
        bound = signature.bind(*positional, **{k: k for k in keywords}).arguments
        found = spread_source(fun, count, tuple(keywords), kinds)
        if found is not None:       # inside, *args is then known to hold these parameters
            inner, places = found
            inner = with_data(inner)
            given = {p: name(positional[k] if kind == "positional" else k) for p, (kind, k) in zip(inner.params, places)}
            given.update({p: name(v) for p, v in bound.items() if isinstance(v, str) and p in inner.params})
        else:
            inner = with_data(unit_of(fun))
            given = {p: name(v) for p, v in bound.items() if isinstance(v, str)}
            for p in signature.parameters.values():
                if p.kind is p.VAR_POSITIONAL:
                    given[p.name] = pack([name(v) for v in bound.get(p.name, ())])
                elif p.kind is p.VAR_KEYWORD:
                    rest = bound.get(p.name, {})
                    given[p.name] = gast.Dict([const(k) for k in rest], [name(v) for v in rest.values()])
        made = Unit(inner.name, None, {inner.name: inner}, {"out"}, inner.file, inner.origin)
        defaults = dict(zip(inner.params, default_values(inner, list(given), made.env)))
        args = [given.get(p, defaults[p]) for p in inner.params]
        made.tree = function(inner.name, params, [assign("out", call(inner.name, args)), returns(name("out"))])
        made.signature = inspect.Signature([P(p, P.POSITIONAL_OR_KEYWORD) for p in params])
        made.gives = inner.gives
        _derived[key] = made
    return _derived[key]


def _argnums(unit, argnums, prefix):
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    own = len(unit.params) - prefix
    resolved = []
    for number in numbers:
        if not -own <= number < own:
            raise TransformError(f"differentiating {unit.name} with respect to argnum {number} needs at least "
                                 f"{number + 1 if number >= 0 else -number} positional arguments, but it takes {own}")
        resolved.append(prefix + (number if number >= 0 else number + own))
    return resolved


def _shell(kind, unit, params, body, env, temps=(), signature=True):
    made = Unit(f"{unit.name}_{kind}", None, env, set(temps), unit.file, unit.origin)
    made.tree = function(made.name, params, body)
    made.signature = unit.signature if signature else None
    return made


def _check_result(unit, has_aux):
    """Refuse the gradient of a function whose result is written as a container, before anything runs."""
    made = core(inside(unit))
    last = made.tree.body[-1]
    found = [s.value for s in made.tree.body if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)
             and s.targets[0].id == getattr(last.value, "id", None)]
    if len(found) != 1 or not isinstance(found[0], (gast.Tuple, gast.List, gast.Dict)):
        return
    kind = type(found[0]).__name__.lower()
    node = found[0] if hasattr(found[0], "lineno") else last
    if not has_aux:
        refuse(node, unit, f"Gradient only defined for scalar-output functions. Output was a {kind}",
               "Return a scalar; for auxiliary results use has_aux=True.")
    if not isinstance(found[0], (gast.Tuple, gast.List)) or len(found[0].elts) != 2:
        refuse(node, unit, f"with has_aux=True the function must return a pair (value, auxiliary data); {unit.name} returns a "
               f"{kind} of {len(getattr(found[0], 'elts', getattr(found[0], 'keys', ())))}", "Return two values.")


def grad(unit, options, prefix, with_value=False):
    """``f_grad`` calls the forward half, seeds the backward half with one and fills zeros in."""
    argnums = options.get("argnums", 0)
    wrt = _argnums(unit, argnums, prefix)
    has_aux = options.get("has_aux", False)
    flags = tuple(i in wrt for i in range(len(unit.params)))
    _check_result(unit, has_aux)
    halves = halves_of(unit, flags)
    names = Names(set(unit.params))
    out, residuals = names.fresh("out"), names.fresh("residuals")
    fwd, bwd = halves.fwd.name, halves.bwd.name
    body = [assign([out, residuals], call(fwd, [name(p) for p in unit.params]))]
    temps = set()
    result, seed = name(out), call("rt.one_like_complex" if options.get("holomorphic") else "rt.one_like", [name(out)])
    if has_aux:
        value, aux = names.fresh("value"), names.fresh("aux")
        body.append(assign([value, aux], out))
        seed = pack([call("rt.one_like", [name(value)]), reference("rt.ZERO")])
        result = pack([name(value), name(aux)])
    active = [unit.params[i] for i in sorted(set(wrt))]
    backward = call(bwd, [name(residuals), seed])

    def finished(value, param):
        return call("rt.instantiate", [value], {"like": name(param)})
    if len(active) == 1:
        gradient = finished(backward, active[0])
        if not isinstance(argnums, int):
            gradient = pack([gradient])
    else:
        d = {p: names.fresh("d_" + p) for p in active}
        body.append(assign([d[p] for p in active], backward))
        gradient = pack([finished(name(d[unit.params[i]]), unit.params[i]) for i in wrt])
    if with_value:
        gradient = pack([result, gradient])
    elif has_aux:
        gradient = pack([gradient, name(aux)])
    body.append(returns(gradient))
    kind = "value_and_grad" if with_value else "grad"
    return _shell(kind, unit, unit.params, body, {fwd: halves.fwd, bwd: halves.bwd}, temps)


def value_and_grad(unit, options, prefix):
    return grad(unit, options, prefix, True)


def jvp(unit, options, prefix):
    flags = tuple(prefix <= i < prefix + options["count"] for i in range(len(unit.params)))
    return jvp_of(unit, flags)


def halves(unit, options, prefix):
    """(forward, backward) for vjp: the backward unit returns a tuple of instantiated cotangents."""
    places = options.get("argnums") or range(prefix, prefix + options["count"])
    made = halves_of(unit, tuple(i in places for i in range(len(unit.params))))
    names = Names(set(unit.params))
    out, kept = names.fresh("out"), names.fresh("residuals")
    wrt = [p for i, p in enumerate(unit.params) if i in places]
    body = [assign([out, kept], call(made.fwd.name, [name(p) for p in unit.params])),
            returns(pack([name(out), pack([name(kept), *(call("rt.like", [name(p)]) for p in (out, *wrt))])]))]
    forward = _shell("vjp_fwd", unit, unit.params, body, {made.fwd.name: made.fwd})
    likes = [names.fresh(p + "_like") for p in wrt]
    ds = [names.fresh("d_" + p) for p in wrt]
    d_out, out_like = names.fresh("d_out"), names.fresh(out + "_like")
    backward = call(made.bwd.name, [name(kept), call("rt.shared", [call("rt.as_arrays", [name(d_out)])], {"like": name(out_like)})])
    body = [assign([kept, out_like, *likes], "saved")]
    body.append(assign(ds, backward) if len(ds) > 1 else assign(ds[0], backward))
    body.append(returns(pack([call("rt.instantiate", [name(d)], {"like": name(k)}) for d, k in zip(ds, likes)])))
    back = _shell("vjp_bwd", unit, ["saved", d_out], body, {made.bwd.name: made.bwd}, signature=False)
    back.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in ("saved", d_out)])
    return forward, back


def without_aux(backward):
    """The backward half of a function with auxiliary data, for cotangents of its value alone."""
    key = "without aux", backward
    if key not in _derived:
        saved, d_out = backward.params
        body = [returns(call(backward.name, [name(saved), pack([name(d_out), reference("rt.ZERO")])]))]
        made = _shell("value", backward, backward.params, body, {backward.name: backward})
        _derived[key] = made
    return _derived[key]


def pushforward(unit, options, prefix):
    """The linear map of ``linearize``: the tangent result of a jvp unit."""
    names = Names(set(unit.params))
    out, out_dot = names.fresh("out"), names.fresh("out_dot")
    result = call("rt.filled", [name(out_dot)], {"like": name(out)})
    if options.get("has_aux"):
        result = gast.Subscript(result, gast.Constant(0, None), gast.Load())
    body = [assign([out, out_dot], call(unit.name, [name(p) for p in unit.params])), returns(result)]
    made = _shell("push", unit, unit.params, body, {unit.name: unit}, signature=False)
    made.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in unit.params])
    return made


def vmap(unit, options, prefix):
    from xform.transform import vmap as transform
    return transform.derive(unit, options, prefix)


def _boundary(kind):
    def derived(unit, options, prefix):
        from xform.transform import boundary
        return boundary.kind(kind).derive(unit, options, prefix)
    return derived


def jacfwd(unit, options, prefix):
    from xform.transform import jacobian
    return jacobian.forward(unit, options, prefix)


def jacrev(unit, options, prefix):
    from xform.transform import jacobian
    return jacobian.reverse(unit, options, prefix)


def hessian(unit, options, prefix):
    return derive("jacfwd", derive("jacrev", unit, options, prefix), options, prefix)


DERIVATIONS = {"grad": grad, "value_and_grad": value_and_grad, "jvp": jvp, "halves": halves, "pushforward": pushforward,
               "vmap": vmap, "jacfwd": jacfwd, "jacrev": jacrev, "hessian": hessian,
               **{kind: _boundary(kind) for kind in ("jit", "pmap", "shard_map", "checkpoint", "custom_vmap", "attempt", "trial")}}

