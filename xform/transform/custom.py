"""User-defined derivatives in generated code: the user's rules are called like any other function.

Before: ``y = f(x)`` with ``f.defvjp(f_fwd, f_bwd)``.
After: ``y, residuals = f_fwd(x)`` in the forward half, ``(d_x,) = f_bwd(residuals, d_y)`` in the backward half.
"""
from __future__ import annotations

import copy
import inspect
import types

import gast

from xform.custom import call_units
from xform.desugar.kinds import with_data
from xform.desugar.rules import UnitRules
from xform.errors import refuse
from xform.memo import Memo
from xform.syntax import assign, call, clone, dotted, name, pack, reference, target_names
from xform.unit import Unit


def backward(run, operation, variable, cotangent, nonzero, made, statement):
    """Contribute the cotangents of a call of a function with a rule."""
    custom, args = operation.custom, operation.args
    if custom.kind == "hook":
        return _hooked(run, operation, variable, cotangent, nonzero, made, statement)
    _check_static(run, custom, args, run.is_active, statement)
    if custom.kind == "jvp":
        return _backward_of_jvp(run, operation, cotangent, nonzero, made, statement)
    if not _has_rule(custom):
        refuse(statement, run.unit, f"{custom.__name__} is a custom_vjp function without a rule", "Call its defvjp(fwd, bwd).")
    residuals = run.once(("residuals", id(statement)), f"{custom.__name__}_residuals", primal=True)
    static = [args[i] for i in custom.nondiff_argnums]
    places = _places(custom, len(args))
    forward, back = _halves(custom, [run.is_active(args[i]) for i in places])
    run.residual_calls[residuals] = (statement, forward, args)
    parts = [run.once(("part", id(statement), i), f"d_{getattr(args[i], 'id', 'part')}_part") for i in places]
    title = gast.Constant(_title(custom), None)
    value = call(name(run.refer(back), statement), [*map(clone, static), name(residuals), call(
        "rt.instantiate", [cotangent], {"like": name(variable)})], node=statement)
    made.append(assign(parts, call("rt.rule_parts", [value, title, gast.Constant(len(places), None)], node=statement), statement))
    params = list(custom.__signature__.parameters)
    unmapped = getattr(custom, "unmapped", ()) or (False,) * len(places)
    for place, part, shared in zip(places, parts, unmapped):
        # what every example shares gets the sum of the examples' cotangents
        value = call("rt.unspread", [name(part, statement)]) if shared else name(part, statement)
        if run.is_active(args[place]):
            given = [value, clone(title), gast.Constant(params[place], None)]
            value = call("rt.rule_part", given, {"like": run.like(args[place])}, statement)
        run.contribute(args[place], value, nonzero, made, statement)


def _places(custom, count):
    """The arguments in which a function with a rule is differentiable."""
    return [i for i in range(count) if i not in custom.nondiff_argnums]


def _check_static(run, custom, args, is_active, statement):
    """Refuse a derivative through what a rule says nothing about: captured variables and arguments in nondiff_argnums."""
    for place in custom.nondiff_argnums:
        if is_active(args[place]) and place not in getattr(custom, "unread", ()):
            closed = place < getattr(custom, "closed", 0)
            refuse(statement, run.unit, f"Detected differentiation of a custom_{custom.kind} function with respect to "
                   f"{'a closed-over value' if closed else 'an argument in nondiff_argnums'}: {args[place].id!r} of "
                   f"{custom.__name__}; the rule only says how to differentiate with respect to its other arguments",
                   "Make it an argument that the rule differentiates.")


def _title(custom):
    """The name of the user's function."""
    return _title(custom.custom) if isinstance(custom, BatchedCustom) else custom.__name__


def _has_rule(custom):
    if isinstance(custom, (BatchedCustom, UnitRules)):
        return custom.rule_given
    return (custom.fwd if custom.kind == "vjp" else custom.rule) is not None


def _halves(custom, active):
    """The forward and backward unit of a custom_vjp function."""
    if isinstance(custom, (BatchedCustom, UnitRules)):
        return custom.halves(tuple(active))
    static = len(custom.nondiff_argnums)
    return (checked_pair(_rule_of(custom.fwd, len(active) + static), custom.__name__, "Custom VJP fwd", "the residuals"),
            _rule_of(custom.bwd, static + 2))


def _rule_of(function, count):
    """The unit of a function of a rule that is called with ``count`` arguments, some of which it may take as *args."""
    from xform.pipeline import spread, unit_of_callable
    if isinstance(function, types.FunctionType) and function.__code__.co_flags & inspect.CO_VARARGS:
        return spread(function, count, ())
    return with_data(unit_of_callable(function))


def checked_pair(unit, function, of, second):
    """A unit that returns a pair, as a rule has to: the unit itself where that is written in it, else one that checks it."""
    from xform.pipeline import core
    from xform.syntax import function as function_tree
    from xform.syntax import returns
    last = core(unit).tree.body[-1].value
    found = [s.value for s in core(unit).tree.body if isinstance(s, gast.Assign) and isinstance(last, gast.Name)
             and last.id in target_names(s.targets[0])]
    if len(found) == 1 and isinstance(found[0], (gast.Tuple, gast.List)) and len(found[0].elts) == 2:
        return unit
    if unit not in _checked:
        texts = [gast.Constant(text, None) for text in (function, of, second)]
        body = [assign("pair", call(unit.name, [name(p) for p in unit.params])),
                returns(call("rt.rule_pair", [name("pair"), *texts]))]
        made = Unit(unit.name, function_tree(unit.name, unit.params, body), {unit.name: unit}, {"pair"}, unit.file, unit.origin)
        made.signature = unit.signature
        _checked[unit] = made
    return _checked[unit]


_checked = Memo()


def _hooked(run, operation, variable, cotangent, nonzero, made, statement):
    """Before: ``y = hook(x)``.   After: ``d_x = hook_fun(d_y)``, or the call and then ``d_x = d_y`` if it returns nothing."""
    from xform.pipeline import unit_of_callable
    (arg,), unit = operation.args, unit_of_callable(operation.custom.hook)
    run.copies[id(statement)] = (statement, arg)    # the derivative of the derivative has no hook there
    value = call(name(run.refer(unit), statement), [call("rt.filled", [cotangent], {"like": name(variable)})],
                 node=statement)
    if _returns_nothing(unit):
        made.append(gast.copy_location(gast.Expr(value), statement))
        value = cotangent
    run.contribute(arg, value, nonzero, made, statement)


def _returns_nothing(unit):
    """Whether a hook returns None: it has no return, or what it returns is the call of something that gives nothing."""
    from xform.pipeline import core
    body = core(unit).tree.body
    last = body[-1].value
    for statement in body:
        if isinstance(statement, gast.Assign) and isinstance(last, gast.Name) and last.id in target_names(statement.targets[0]):
            called = statement.value.func if isinstance(statement.value, gast.Call) else None
            return called is not None and (dotted(called) or "").rpartition(".")[2] in ("print", "breakpoint")
    return isinstance(last, gast.Constant) and last.value is None


def _rule_unit(custom, active):
    """``rule(primals, tangents)`` as a unit of plain parameters: ``f_rule(*nondiff, *primals, *tangents)``."""
    if isinstance(custom, (BatchedCustom, UnitRules)):
        return custom.forward_rule(tuple(active))
    count = len(active)
    key = (custom, id(custom.rule), count)
    if key not in _rules:
        from xform.syntax import function, returns
        rule = _rule_of(custom.rule, len(custom.nondiff_argnums) + 2)
        static = [f"static_{i}" for i in range(len(custom.nondiff_argnums))]
        primals = [f"x_{i}" for i in range(count)]
        tangents = [f"x_{i}_dot" for i in range(count)]
        rule = checked_pair(rule, custom.__name__, "Custom JVP", "its tangent")
        body = [assign("pair", call(rule.name, [*map(name, static), pack(primals), pack(tangents)])),
                assign(["out", "out_dot"], "pair"), assign("out_dot", checked_tangent(custom.__name__)),
                returns(pack(["out", "out_dot"]))]
        made = Unit(f"{custom.__name__}_rule", function(f"{custom.__name__}_rule", static + primals + tangents, body),
                    {rule.name: rule}, {"pair", "out", "out_dot"}, rule.file, rule.origin)
        _rules[key] = (made, custom, custom.rule)
    return _rules[key][0]


_rules = Memo()


def checked_tangent(function, out="out", out_dot="out_dot"):
    """The tangent that a rule gave with a result, as an expression that checks it."""
    return call("rt.rule_tangent", [name(out_dot), gast.Constant(function, None)], {"like": name(out)})


def forward(run, operation, statement, tangent, made):
    """Call the user's jvp rule for a value and its tangent."""
    custom, args = operation.custom, operation.args
    if custom.kind == "hook":
        made.append(assign(statement.targets[0].id, clone(args[0]), statement))
        made.append(assign(tangent, run.dot(args[0]), statement))
        return
    if custom.kind == "vjp":
        refuse(statement, run.unit, f"can't apply forward-mode differentiation (jvp) to {custom.__name__}, a custom_vjp "
               "function", "Use reverse mode, or give it a custom_jvp rule.")
    if not _has_rule(custom):
        refuse(statement, run.unit, f"No JVP defined for custom_jvp function {custom.__name__} using defjvp.",
               "Call its defjvp.")
    _check_static(run, custom, args, run.varied, statement)
    places = _places(custom, len(args))
    unit = _rule_unit(custom, [run.varied(args[i]) for i in places])
    key = run.refer(unit)
    static = [clone(args[i]) for i in custom.nondiff_argnums]
    primals = [clone(args[i]) for i in places]
    dots = [call("rt.filled", [run.dot(args[i])], {"like": clone(args[i])}, statement) for i in places]
    made.append(assign([statement.targets[0].id, tangent], call(name(key, statement), static + primals + dots,
                                                                node=statement), statement))


def _backward_of_jvp(run, operation, cotangent, nonzero, made, statement):
    """Reverse mode of a forward rule: the rule is linear in the tangents, so it is transposed by differentiating it in
    reverse with respect to them, at zero."""
    from xform.pipeline import halves_of
    custom, args = operation.custom, operation.args
    if not _has_rule(custom):
        refuse(statement, run.unit, f"No JVP defined for custom_jvp function {custom.__name__} using defjvp.",
               "Call its defjvp.")
    places = _places(custom, len(args))
    active = [run.is_active(args[i]) for i in places]
    unit = _rule_unit(custom, active)
    static = len(custom.nondiff_argnums)
    flags = (False,) * (static + len(places)) + tuple(active)
    halves = halves_of(unit, flags)
    if halves.fwd.tree is None:
        refuse(statement, run.unit, f"the custom_jvp rule of {custom.__name__} calls {custom.__name__} with a tangent: its reverse mode "
               "would need itself", f"Write in the rule what {custom.__name__} does, instead of calling it with a tangent.")
    residuals = run.once(("residuals", id(statement)), f"{custom.__name__}_residuals", primal=True)
    zeros = [call("rt.filled", [reference("rt.ZERO")], {"like": clone(args[i])}, statement) for i in places]
    given = [clone(args[i]) for i in custom.nondiff_argnums] + [clone(args[i]) for i in places] + zeros
    first = _first_of_pair(halves.fwd)
    run.residual_calls[residuals] = (statement, first, given)
    value = call(name(run.refer(halves.bwd), statement), [name(residuals), pack([reference("rt.ZERO"), cotangent])],
                 node=statement)
    touched = [args[i] for i, flag in zip(places, active) if flag]
    if len(touched) == 1:
        run.contribute(touched[0], value, nonzero, made, statement)
        return
    parts = [run.once(("part", id(statement), k), f"d_{a.id}_part") for k, a in enumerate(touched)]
    made.append(assign(parts, value, statement))
    for atom, part in zip(touched, parts):
        run.contribute(atom, name(part, statement), nonzero, made, statement)


def _first_of_pair(unit):
    """The forward half of a rule returns ((out, out_dot), residuals); the primal needs (out, residuals)."""
    if unit not in _firsts:
        from xform.syntax import function, returns
        params = unit.params
        body = [assign(["pair", "residuals"], call(unit.name, [name(p) for p in params])), assign(["out", "out_dot"], "pair"),
                returns(pack(["out", "residuals"]))]
        made = Unit(f"{unit.name}_primal", function(f"{unit.name}_primal", params, body), {unit.name: unit},
                    {"pair", "out", "out_dot"}, unit.file, unit.origin)
        _firsts[unit] = made
    return _firsts[unit]


_firsts = Memo()


_batched = Memo()


def batched(custom, flags, axis_name):
    """A custom function over a batch: its function and rules are batched, so that the rule survives. Returns (it, flag)."""
    from xform.pipeline import unit_of_callable
    from xform.transform.vmap import vmap
    key = (custom, flags, axis_name)
    if key not in _batched and custom.kind == "hook":
        unit, made = with_data(unit_of_callable(custom.hook)), copy.copy(custom)
        made.hook, _ = vmap(unit, flags, axis_name, final=not _returns_nothing(unit))
        _batched[key] = (made, custom)
    if key not in _batched:
        _batched[key] = (BatchedCustom(custom, flags, axis_name), custom)
    return _batched[key][0], True


class BatchedCustom:
    """A function with a user's rule over a batch: its function and rules are batched units, so that the rule survives."""
    _xform_custom = True
    __call__ = call_units

    def __init__(self, custom, flags, axis_name):
        from xform.pipeline import unit_of_callable
        self.custom, self.flags, self.axis_name = custom, flags, axis_name
        self.kind, self.nondiff_argnums = custom.kind, custom.nondiff_argnums
        self.closed = getattr(custom, "closed", 0)
        self.__name__ = f"{custom.__name__}_vmap"
        self.__signature__ = custom.__signature__
        self.fun = self._batch(with_data(unit_of_callable(custom.fun)), flags)
        self.static = tuple(flags[i] for i in custom.nondiff_argnums)
        self.own = tuple(flags[i] for i in _places(custom, len(flags)))
        self.unmapped = tuple(not flag for flag in self.own) if custom.kind == "vjp" else ()
        self._units = {}

    def _batch(self, unit, flags, final=True):
        from xform.transform.vmap import vmap
        made, out = vmap(unit, flags, self.axis_name, final=final)
        return made if final else (made, out)

    @property
    def rule_given(self):
        """Whether the user has stated the rule."""
        return _has_rule(self.custom)

    def halves(self, active):
        """(forward, backward) units over the batch."""
        inner = _halves(self.custom, active)
        if inner not in self._units:
            forward, out = self._batch(inner[0], self.flags, final=False)
            kept = out[1] if isinstance(out, tuple) and len(out) == 2 else True
            self._units[inner] = forward, self._batch(inner[1], (*self.static, kept, True))
        return self._units[inner]

    def forward_rule(self, active):
        """The unit of a custom_jvp rule over the batch."""
        inner = _rule_unit(self.custom, active)
        if inner not in self._units:
            self._units[inner] = self._batch(inner, (*self.static, *self.own, *self.own))
        return self._units[inner]
