"""Zeros: which tangents may be the symbolic zero when the code runs, though a derivative flows through their variables.

::

    c = np.ones(3)              # c_dot is ZERO here ...
    for i in range(n):
        y = x + c               # ... so x_dot + c_dot may be x_dot alone, which has not the shape of y where x is a number
        c = c * x               # ... and has an array from here on

A tangent is KNOWN to be an array (or arrays, of a container), BARE where it can be ZERO only while its variable is a plain number,
which no sum is enlarged by, and LOOSE otherwise.
"""
from __future__ import annotations

import gast

from xform.memo import Memo
from xform.operations import Copy, Pack, RuleCall, UnitCall, atoms_of, classify
from xform.syntax import blocks, dotted, target_names
from xform.unit import GUARDED, in_form, inside

# Flags of parameters: all but the last are true, so what asks only whether a parameter is active need not tell them apart.
KNOWN, BARE, LOOSE, CONSTANT = True, "bare", "loose", False

_RANK = {KNOWN: 0, BARE: 1, LOOSE: 2}


def zeros(unit, flags, varied) -> dict:
    """Return BARE or LOOSE for every varied name of a versioned unit whose tangent is not known to be an array."""
    found, steps = {p: flag for p, flag in zip(unit.params, flags) if flag in (BARE, LOOSE)}, []
    _collect(unit.tree.body, unit, varied, steps)
    grown = True
    while grown:
        grown = False
        for targets, value in steps:
            state = _state(value, varied, found) if isinstance(value, gast.AST) else _of_operation(value, varied, found)
            for target in targets:
                if _RANK[state] > _RANK[found.get(target, KNOWN)]:
                    found[target], grown = state, True
    return found


def zeros_out(unit, flags):
    """What the tangent of a callee's result is: KNOWN, BARE or LOOSE; of a recursive call LOOSE."""
    if unit.boundary is not None and unit.boundary.kind in ("implicit", "trial"):
        return LOOSE
    key = unit, tuple(flags)
    if key not in _outs:
        _outs[key] = LOOSE
        from xform.analyze.activity import activity
        from xform.pipeline import core
        from xform.version import version
        own = version(core(in_form(inside(unit), GUARDED)))
        varied = activity(own, flags).varied
        _outs[key] = _state(own.tree.body[-1].value, varied, zeros(own, flags, varied))
    return _outs[key]


_outs = Memo()


def _state(atom, varied, found):
    """What the tangent of an atom is."""
    if isinstance(atom, gast.Name) and atom.id in varied:
        return found.get(atom.id, KNOWN)
    number = isinstance(atom, gast.Constant) and isinstance(atom.value, (bool, int, float, complex))
    return BARE if number or dotted(atom) == "rt.ZERO" else LOOSE


def _collect(statements, unit, varied, steps):
    """Note (varied targets, operation) of every assignment, and of every loop what it runs over."""
    for statement in statements:
        if isinstance(statement, gast.Assign):
            targets = [n for t in statement.targets for n in target_names(t) if n in varied]
            if targets:
                steps.append((targets, classify(statement.value, unit)))
        elif isinstance(statement, gast.For):
            steps.append(([n for n in target_names(statement.target) if n in varied], statement.iter))
        for block in blocks(statement):
            _collect(block, unit, varied, steps)


def _of_operation(operation, varied, found):
    if isinstance(operation, Copy):
        return _state(operation.atom, varied, found)
    if isinstance(operation, Pack):
        return _worst([_state(a, varied, found) for a in atoms_of(operation)])
    if isinstance(operation, RuleCall):
        return _of_rule(operation, varied, found)
    if isinstance(operation, UnitCall):
        return zeros_out(operation.unit, flags_of(operation.args, varied, found))
    return LOOSE


def _of_rule(operation, varied, found):
    rule, states = operation.rule, []
    if rule.constant:
        return LOOSE
    for param in rule.differentiable():
        atoms = operation.args.get(param)
        if atoms is not None:
            states += [_state(a, varied, found) for a in (atoms if isinstance(atoms, list) else [atoms])]
    if isinstance(rule.jvp, str) and operation.path != "rt.add":
        return _worst(states)       # a container's tangent, say, which holds the tangents of its items
    if KNOWN in states:
        return KNOWN                # a sum of terms, of which this one stays
    return _worst(states)


def _worst(states):
    return max(states, key=_RANK.get, default=KNOWN)


def flags_of(atoms, varied, found):
    """The flags of a call's parameters."""
    return tuple([_state(a, varied, found) if isinstance(a, gast.Name) and a.id in varied else CONSTANT for a in atoms])
