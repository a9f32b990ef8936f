"""Activity: which names a derivative flows through, from the inputs of interest to the result.

A name is *varied* when it depends differentiably on an active input and *useful* when the result depends
differentiably on it; it is active when it is both. The input is in single-assignment form (version.py), so one flow
over the whole function is precise enough.
"""
from __future__ import annotations

from dataclasses import dataclass

import gast

from xform.errors import pointing, refuse
from xform.memo import Memo
from xform.operations import Copy, CustomCall, Opaque, Pack, RuleCall, UnitCall, atoms_of, classify
from xform.syntax import blocks, target_names
from xform.unit import GUARDED, in_form, inside


@dataclass(frozen=True)
class Activity:
    """varied, useful: names; active is their intersection; out: whether the result is varied."""
    varied: frozenset
    useful: frozenset
    out: bool

    @property
    def active(self):
        return self.varied & self.useful


def activity(unit, flags, out_active=None) -> Activity:
    """Analyse a versioned unit; ``flags`` says which parameters are active."""
    edges, refusals = [], []
    _collect(unit.tree.body, unit, edges, refusals, out_active or default_out)
    varied = {p for p, flag in zip(unit.params, flags) if flag}
    grown = True
    while grown:
        grown = False
        for targets, sources, test in edges:
            flowing = varied & set(sources)
            if flowing and not set(targets) <= varied and (test is None or test(varied)):
                varied.update(targets)
                grown = True
    last = unit.tree.body[-1]
    result = last.value.id if isinstance(last.value, gast.Name) else None
    useful = {result} if result else set()
    grown = True
    while grown:
        grown = False
        for targets, sources, test in edges:
            if useful & set(targets) and not set(sources) <= useful and (test is None or test(varied)):
                useful.update(sources)
                grown = True
    for opaque, targets, node in refusals:
        touched = [a.id for a in opaque.operands if isinstance(a, gast.Name) and a.id in varied]
        if touched and (not targets or set(targets) & useful):
            refuse(opaque.node if hasattr(opaque.node, "lineno") else node, unit,
                   f"cannot differentiate {opaque.what}: a derivative flows through {touched[0]!r} here",
                   opaque.hint or "Give it a derivative with custom_vjp or custom_jvp, or write it with xform.numpy.")
    return Activity(frozenset(varied), frozenset(useful), result in varied)


def default_out(unit, flags):
    """Whether a callee's result is active: analysed once per callee and flags; a recursive call is taken as active."""
    if unit.boundary is not None and unit.boundary.kind == "implicit":
        return unit.boundary.option("equation").varies(flags)
    if unit.boundary is not None and unit.boundary.kind == "trial":
        return False
    key = (unit, tuple(map(bool, flags)))
    if key not in _outs:
        _outs[key] = True
        from xform.pipeline import core
        from xform.version import version
        try:    # a boundary's own tree is staged: what its function says stands inside
            _outs[key] = activity(version(core(in_form(inside(unit), GUARDED))), flags).out
        except Exception:
            del _outs[key]      # what is refused now is refused again
            raise
    return _outs[key]


_outs = Memo()


def _names(atoms):
    return [a.id for a in atoms if isinstance(a, gast.Name)]


def _collect(statements, unit, edges, refusals, out_active):
    for statement in statements:
        if isinstance(statement, gast.Assign):
            targets = [n for t in statement.targets for n in target_names(t)]
            _edge(statement, targets, unit, edges, refusals, out_active)
        elif isinstance(statement, gast.For):
            edges.append((target_names(statement.target), _names([statement.iter]), None))
        elif isinstance(statement, gast.Expr):
            operation = classify(statement.value, unit)
            if isinstance(operation, Opaque):       # called for what it does, and what it does may be to its arguments
                hint = operation.hint or f"{operation.what} is called for its effect, perhaps on its arguments: write that out, or return it."
                refusals.append((Opaque(operation.node, operation.what, hint, operation.operands), (), statement))
        for block in blocks(statement):
            _collect(block, unit, edges, refusals, out_active)


def _edge(statement, targets, unit, edges, refusals, out_active):
    operation = classify(statement.value, unit)
    if isinstance(operation, (Copy, Pack)):
        edges.append((targets, _names(atoms_of(operation)), None))
    elif isinstance(operation, RuleCall):
        rule = operation.rule
        if rule.constant:
            return
        if rule.nondifferentiable:
            refusals.append((Opaque(operation.node, operation.path, rule.nondifferentiable,
                                    atoms_of(operation)), targets, statement))
            return
        sources = []
        for param in rule.differentiable():
            atoms = operation.args.get(param)
            if atoms is not None:
                sources += _names(atoms if isinstance(atoms, list) else [atoms])
        edges.append((targets, sources, None))
        for param, reason in rule.refuses.items():
            if param in operation.args:
                refusals.append((Opaque(operation.node, operation.path, reason, [operation.args[param]]), targets, statement))
    elif isinstance(operation, UnitCall):
        sources = _names(operation.args)

        def flows(varied, operation=operation):
            flags = tuple(isinstance(a, gast.Name) and a.id in varied for a in operation.args)
            with pointing(statement, unit):
                return out_active(operation.unit, flags)
        edges.append((targets, sources, flows))
    elif isinstance(operation, CustomCall):
        edges.append((targets, _names(operation.args), None))
    elif isinstance(operation, Opaque):
        edges.append((targets, _names(operation.operands), None))
        refusals.append((operation, targets, statement))
