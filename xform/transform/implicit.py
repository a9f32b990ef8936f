"""Solutions of equations: their derivatives come from the equation, by the implicit function theorem, not from the solver.

Before::

    @rt.implicit
    def custom_root(a, x0):          # of lambda x: x * x - a
        return newton(a, x0)

After::

    def custom_root_jvp(a, x0, a_dot):
        x = custom_root(a, x0)
        value, value_dot = residual_jvp(a, x, a_dot)
        x_dot = step(a, x, value_dot)            # minus the solution of the linearised equation
        return x, x_dot
"""
from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import gast

from xform import resolve
from xform.errors import TransformError, refuse
from xform.memo import Memo
from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, reference, returns
from xform.unit import Boundary, Unit


@dataclass(eq=False)
class Equation:
    """What the derivative of a solution needs beside the solver.

    kind: "custom_root" or "custom_linear_solve". has_aux: whether the solver returns (solution, anything).
    sizes: how many leading parameters of the solver's unit are those of each of its functions; the first are the equation's.
    value: unit of the equation's other side, of the equation's parameters and x.
    step: function without arguments: for a root the unit of minus the linearised equation's solution, of the parameters of the
    equation and of tangent_solve, x and y; for a linear system the marked unit itself, with a batch in b where x has one.
    transpose: function without arguments: for a linear system the marked unit of the transposed system.
    """
    kind: str
    has_aux: bool
    sizes: tuple
    value: Unit
    step: Any
    transpose: Any = None

    def varies(self, flags):
        """Whether the solution varies with the flagged parameters: with those of the equation, never with the solver's."""
        return any(flags[:self.sizes[0]]) or self.kind == "custom_linear_solve" and bool(flags[sum(self.sizes)])


_marked = Memo()


def wrapped(unit, equation):
    """A function that calls ``unit`` and carries the mark."""
    body = [assign("out", call(unit.name, [name(p) for p in unit.params])), returns(name("out"))]
    own = f"{unit.name}_solution"
    return Unit(own, function(own, unit.params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin,
                Boundary("implicit", unit, (("equation", equation),)), signature=unit.signature)


FUNCTIONS = {"custom_root": ("f", "solve", "tangent_solve"), "custom_linear_solve": ("matvec", "solve", "transpose_solve")}


def specialised(lowering, target, statics, args, keywords, node):
    """(marked unit, its leading parameters' locals) of a call of custom_root or custom_linear_solve."""
    from xform.desugar.functions import specialise
    from xform.equation import residual, root_step
    kind = target.solved_by
    names = list(inspect.signature(target).parameters)
    given = {**dict(zip(names, args)), **keywords}
    functions = {p: statics[p] for p in FUNCTIONS[kind] if p in statics}
    for p in FUNCTIONS[kind]:
        if p not in functions and (p != "transpose_solve" or isinstance(given.get(p), gast.Name)):
            refuse(node, lowering.unit, f"{kind} with a {p} that is not known when the code is transformed",
                   "Pass a function defined or imported by name, a lambda or a partial of one.")

    def flag(option):
        value = given.get(option, const(False))
        if not isinstance(value, gast.Constant):
            refuse(node, lowering.unit, f"{kind} with a {option} that is not known when the code is transformed", "Write True or False.")
        return bool(value.value)
    has_aux = flag("has_aux")
    unit, passed = specialise(lowering, target, functions, node)
    sizes = {p: len(dict.fromkeys(resolve.captured_names(k))) for p, k in functions.items()}
    first, second, third = FUNCTIONS[kind]
    value, _ = specialise(lowering, residual, {"f": functions[first]}, node)
    counts = (sizes[first], sizes[second], sizes.get(third, 0))
    key = unit, has_aux, kind == "custom_linear_solve" and flag("symmetric")
    if key not in _marked:
        equation = Equation(kind, has_aux, counts, value, None)
        if kind == "custom_root":
            step, _ = specialise(lowering, root_step, {"f": functions[first], "tangent_solve": functions[third]}, node)
            equation.step = lambda: step
        else:
            equation.step = lambda: _marked[key]
            equation.transpose = lambda: _marked[key] if key[2] else _transposed(lowering, unit, functions, has_aux, node)
        _marked[key] = wrapped(unit, equation)
    return _marked[key], passed


def _transposed(lowering, unit, functions, has_aux, node):
    """The unit of the transposed system, with the parameters of the system's own."""
    from xform.desugar.functions import specialise
    from xform.equation import transposed_solve
    if "transpose_solve" not in functions:
        raise TransformError("transpose_solve required for backwards mode automatic differentiation of custom_linear_solve",
                             hint="Give custom_linear_solve a transpose_solve, or symmetric=True where the matrix is.")
    statics = {p: functions[p] for p in ("matvec", "transpose_solve", "solve")}
    inner, _ = specialise(lowering, transposed_solve, {**statics, "has_aux": resolve.Object(has_aux)}, node)
    counts = [len(dict.fromkeys(resolve.captured_names(functions[p]))) for p in ("matvec", "solve", "transpose_solve")]
    params = list(unit.params)
    own = params[:sum(counts)]
    matvec, solve, transpose = own[:counts[0]], own[counts[0]:counts[0] + counts[1]], own[counts[0] + counts[1]:]
    b = params[sum(counts)]
    body = [assign("out", call(inner.name, [*map(name, (*matvec, *transpose, *solve)), name(b)])), returns(name("out"))]
    made = f"{unit.name}_transposed"
    return Unit(made, function(made, params, body), {inner.name: inner}, {"out"}, unit.file, unit.origin)


# -- the derivatives ------------------------------------------------------------------------------------------------------

class _Parts:
    """The names of a marked unit's parameters by what they are for."""

    def __init__(self, unit, flags):
        self.unit, self.inner = unit, unit.boundary.inner
        self.equation = unit.boundary.option("equation")
        self.params = list(unit.params)
        first, second, third = self.equation.sizes
        self.own = self.params[:first]
        self.third = self.params[first + second:first + second + third]
        self.at_rhs = first + second + third
        self.own_flags = tuple(flags[:first])
        self.rhs_flag = flags[self.at_rhs] and self.equation.kind == "custom_linear_solve"

    def again(self, rhs):
        """The arguments of the solver for another right-hand side."""
        return [name(rhs) if i == self.at_rhs else name(p) for i, p in enumerate(self.params)]


def _first(value):
    return gast.Subscript(value, const(0), gast.Load())


def jvp(unit, flags):
    """The forward derivative of a solution: the linearised equation, solved."""
    from xform.pipeline import jvp_of
    parts = _Parts(unit, flags)
    equation = parts.equation
    names = Names(set(parts.params) | {unit.name})
    dots = {p: names.fresh(f"{p}_dot") for p, flag in zip(parts.params, flags) if flag}
    env = {unit.name: unit}
    out, x = names.fresh("out"), names.fresh("x")
    body = [assign(out, call(unit.name, [name(p) for p in parts.params])),
            assign(x, _first(name(out)) if equation.has_aux else name(out))]
    change = reference("rt.ZERO")
    if any(parts.own_flags):
        inner = jvp_of(equation.value, (*parts.own_flags, False))
        env[inner.name] = inner
        value, change_name = names.fresh("value"), names.fresh("value_dot")
        body.append(assign([value, change_name], call(inner.name, [*map(name, parts.own), name(x), *[
            name(dots[p]) for p, flag in zip(parts.own, parts.own_flags) if flag]])))
        body.append(assign(change_name, call("rt.filled", [name(change_name)], {"like": name(value)})))
        change = name(change_name)
    if equation.kind == "custom_linear_solve" and (any(parts.own_flags) or parts.rhs_flag):
        b_dot = name(dots[parts.params[parts.at_rhs]]) if parts.rhs_flag else reference("rt.ZERO")
        rhs = names.fresh("rhs")
        minus = call("rt.negated", [change]) if any(parts.own_flags) else reference("rt.ZERO")
        body.append(assign(rhs, call("rt.filled", [call("rt.add", [b_dot, minus])], {"like": name(x)})))
        step = equation.step()
        env[step.name] = step
        solved = call(step.name, parts.again(rhs))
        x_dot = _first(solved) if equation.has_aux else solved
    elif any(parts.own_flags):
        step = equation.step()
        env[step.name] = step
        x_dot = call(step.name, [*map(name, parts.own), *map(name, parts.third), name(x), change])
    else:
        x_dot = reference("rt.ZERO")
    moved = names.fresh("x_dot")
    body.append(assign(moved, x_dot))
    body.append(returns(pack([name(out), pack([name(moved), reference("rt.ZERO")]) if equation.has_aux else name(moved)])))
    own = f"{unit.name}_jvp"
    made = Unit(own, function(own, parts.params + list(dots.values()), body), env, set(), unit.file, unit.origin)
    P = inspect.Parameter
    made.signature = inspect.Signature([P(p, P.POSITIONAL_ONLY) for p in made.params])
    return made


def halves(unit, flags):
    """The backward half solves the transposed linear equation, then goes back through the equation's other side."""
    from xform.pipeline import halves_of
    from xform.transform.vjp import Halves
    parts = _Parts(unit, flags)
    equation, params = parts.equation, parts.params
    body = [assign("out", call(unit.name, [name(p) for p in params])),
            returns(pack([name("out"), pack([name("out"), *[name(p) for p in params]])]))]
    own = f"{unit.name}_fwd"
    fwd = Unit(own, function(own, params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin, signature=unit.signature)
    names, env = Names(set(params)), {}
    saved, d_out, out, x, d_x = (names.fresh(n) for n in ("saved", "d_out", "out", "x", "d_x"))
    body = [assign([out, *params], name(saved))]
    if equation.has_aux:
        body += [assign(x, _first(name(out))), assign(d_out, call("rt.instantiate_shell", [name(d_out), name(out)])),
                 assign(d_x, _first(name(d_out)))]
    else:
        body += [assign(x, name(out)), assign(d_x, name(d_out))]
    body.append(assign(d_x, call("rt.filled", [name(d_x)], {"like": name(x)})))
    found = {}
    if any(parts.own_flags) or parts.rhs_flag:
        d_y = names.fresh("d_y")
        if equation.kind == "custom_root":
            step = halves_of(equation.step(), (False,) * (len(parts.own) + len(parts.third) + 1) + (True,))
            env |= {step.fwd.name: step.fwd, step.bwd.name: step.bwd}
            moved, kept = names.fresh("moved"), names.fresh("step_residuals")
            # the step is linear in y: where its derivative is taken does not matter
            body.append(assign([moved, kept], call(step.fwd.name, [*map(name, parts.own), *map(name, parts.third), name(x), name(d_x)])))
            body.append(assign(d_y, call(step.bwd.name, [name(kept), name(d_x)])))
        else:
            transpose = equation.transpose()
            env[transpose.name] = transpose
            solved = call(transpose.name, parts.again(d_x))
            body.append(assign(d_y, _first(solved) if equation.has_aux else solved))
            found[params[parts.at_rhs]] = name(d_y)
        if any(parts.own_flags):
            value = halves_of(equation.value, (*parts.own_flags, False))
            env |= {value.fwd.name: value.fwd, value.bwd.name: value.bwd}
            image, kept = names.fresh("value"), names.fresh("value_residuals")
            body.append(assign([image, kept], call(value.fwd.name, [*map(name, parts.own), name(x)])))
            seed = name(d_y) if equation.kind == "custom_root" else call("rt.negated", [name(d_y)])
            active = [p for p, flag in zip(parts.own, parts.own_flags) if flag]
            back = [names.fresh(f"d_{p}") for p in active]
            body.append(assign(back if len(back) > 1 else back[0], call(value.bwd.name, [name(kept), seed])))
            found.update({p: name(d) for p, d in zip(active, back)})
    ds = [found.get(p, reference("rt.ZERO")) for p, flag in zip(params, flags) if flag]
    body.append(returns(pack(ds) if len(ds) > 1 else ds[0]))
    own = f"{unit.name}_bwd"
    bwd = Unit(own, function(own, [saved, d_out], body), env, set(), unit.file, unit.origin)
    P = inspect.Parameter
    bwd.signature = inspect.Signature([P(p, P.POSITIONAL_ONLY) for p in (saved, d_out)])
    return Halves(fwd, bwd)


def vmap(unit, flags, axis_name):
    """A solution with a batch axis: the solver and the equation, each with a batch axis."""
    parts = _Parts(unit, (False,) * len(flags))
    return _batched(parts.equation, parts.inner, tuple(flags), parts.at_rhs, axis_name), True


_batches = Memo()


def _batched(equation, inner, flags, at_rhs, axis_name):
    """The marked unit of a solver with a batch axis, in all of its results."""
    from xform.transform.vmap import vmap as with_axis
    key = inner, flags, axis_name
    if key not in _batches:
        solver, _ = with_axis(inner, flags, axis_name, final=True)
        first, second, third = equation.sizes
        own = flags[:first]
        value, _ = with_axis(equation.value, (*own, True), axis_name, final=True)
        made = Equation(equation.kind, equation.has_aux, equation.sizes, value, None)
        if equation.kind == "custom_root":
            step_flags = (*own, *flags[first + second:first + second + third], True, True)
            made.step = lambda: with_axis(equation.step(), step_flags, axis_name, final=True)[0]
        else:
            along = tuple(True if i == at_rhs else flag for i, flag in enumerate(flags))
            made.step = lambda: _batched(equation, inner, along, at_rhs, axis_name)
            made.transpose = lambda: _along(equation.transpose(), along, at_rhs, axis_name)
        _batches[key] = wrapped(solver, made)
    return _batches[key]


def _along(unit, flags, at_rhs, axis_name):
    """The transposed solver with a batch axis: a marked unit, or one that calls such a unit."""
    from xform.pipeline import vmap_of
    from xform.transform.vmap import vmap as with_axis
    if unit.boundary is not None:
        return vmap_of(unit, flags, axis_name)[0]
    return with_axis(unit, flags, axis_name, final=True)[0]
