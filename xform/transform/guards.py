"""Guards of batched code that is to be differentiated: lanes compute nothing infinite in a branch that they do not take.

A lane that does not take a branch gets a cotangent of zero from it, and zero times infinity is NaN. Before::

    y_then = np.log(x)
    y = rt.where(x > 0, y_then, 0.0)

After::

    lanes = x > 0
    x_2 = rt.guard(x, lanes)        # the first lane that takes the branch stands in for those that do not
    y_then = np.log(x_2)
    y = rt.where(lanes, y_then, 0.0)

A branch or a body that cannot compute anything infinite from finite values (sums, products, sines ...) gets none.
"""
from __future__ import annotations

import gast

from xform.analyze.batched import LIST, expression_of, is_batched, literal
from xform.flow import live_in
from xform.operations import Copy, Pack, RuleCall, Static, UnitCall, atoms_of, classify
from xform.syntax import assign, assigned, blocks, call, clone, name, nodes_of
from xform.unit import GUARDED, inside

# Ops whose results and derivatives are finite wherever their operands are, short of overflow.
FINITE = frozenset("""np.add np.subtract np.multiply np.negative np.positive np.abs np.absolute np.square np.sign np.sin np.cos np.tanh
np.arctan np.maximum np.minimum np.where np.clip np.sum np.mean np.max np.min np.dot np.matmul np.einsum np.reshape np.transpose
np.swapaxes np.moveaxis np.expand_dims np.squeeze np.ravel np.broadcast_to np.stack np.concatenate np.tile np.repeat np.flip np.roll
np.cumsum np.sort np.argsort np.argmax np.argmin np.any np.all np.less np.less_equal np.greater np.greater_equal np.equal
np.not_equal np.logical_and np.logical_or np.logical_not np.isnan np.isinf np.isfinite np.floor np.ceil np.round np.arange np.zeros
np.ones np.full np.zeros_like np.ones_like np.asarray np.array rt.getitem rt.setitem rt.append rt.add rt.where rt.like rt.instantiate
rt.one_like rt.unbroadcast rt.align rt.spread rt.rows rt.builtins.range rt.builtins.zip rt.builtins.enumerate rt.builtins.reversed
rt.builtins.list rt.builtins.tuple rt.builtins.sum rt.builtins.min rt.builtins.max rt.attribute rt.construct""".split())


def guarded(run, body, lanes, statement, made):
    """The statements of a branch or a loop's body, reading guarded values, whose guards are appended to ``made``."""
    if not risky(body, run.unit):
        return body
    run.differs = True
    if run.form != GUARDED:
        return body
    mapping, operands = {}, _operands(body, run.unit)
    for variable in _read_first(body):
        flag = run.flags.names.get(variable, False)
        if _holds_list(flag) or variable in run.lane_ranges or not is_batched(flag) and variable not in operands:
            continue
        fresh = mapping[variable] = run.temp(variable)
        known = [] if flag is True else [expression_of(literal(flag))]
        made.append(assign(fresh, call("rt.guard", [name(variable), name(lanes), *known], node=statement), statement))
        run.flags.names[fresh] = flag
        run.ranks.add(fresh, run.ranks.of(name(variable)))
    return [_reading(clone(s), mapping) for s in body]


def risky(body, unit, seen=()):
    """Whether statements may compute something infinite, or with an infinite derivative, from finite values."""
    for statement in body:
        if any(risky(block, unit, seen) for block in blocks(statement)):
            return True
        if isinstance(statement, gast.Assign):
            operation = classify(statement.value, unit)
            if isinstance(operation, RuleCall):
                if operation.path not in FINITE and not operation.rule.constant and not _by_constant(operation):
                    return True
            elif isinstance(operation, UnitCall):
                from xform.pipeline import core
                inner = inside(operation.unit)
                if inner not in seen and risky(core(inner).tree.body, inner, (*seen, inner)):
                    return True
            elif not isinstance(operation, (Copy, Pack, Static)):
                return True
    return False


def _operands(body, unit):
    """The variables that statements compute with: not those that only say how (axes, shapes, indices)."""
    found = set()
    for statement in body:
        if isinstance(statement, gast.Assign):
            operation = classify(statement.value, unit)
            if isinstance(operation, RuleCall) and not operation.rule.constant:
                found.update(a.id for p, a in operation.args.items() if isinstance(a, gast.Name) and p not in ("index", "axis", "shape"))
            elif isinstance(operation, (UnitCall, Pack)):
                found.update(a.id for a in atoms_of(operation) if isinstance(a, gast.Name))
        found.update(*(_operands(block, unit) for block in blocks(statement)))
    return found


def _by_constant(operation):
    """Whether this is a division by a number, or a power of two or more."""
    if operation.path not in ("np.divide", "np.true_divide", "np.power"):
        return False
    second = list(operation.args.values())[1]
    number = getattr(second, "value", None) if isinstance(second, gast.Constant) else None
    if not isinstance(number, (int, float)):
        return False
    return number >= 2 if operation.path == "np.power" else number != 0


def _holds_list(flag):
    return isinstance(flag, tuple) and (flag[:1] in ((LIST,), ("ragged",)) or any(map(_holds_list, flag)))


def _read_first(body):
    """The variables that a body reads before it assigns them, in order; those assigned anywhere but at its end are left out."""
    end = len(body)
    while end and isinstance(body[end - 1], gast.Assign) and isinstance(body[end - 1].value, gast.Name):
        end -= 1
    free = live_in(body) - set(assigned(body[:end]))
    return [n for n in dict.fromkeys(n.id for s in body for n in nodes_of(s) if isinstance(n, gast.Name)) if n in free]


def _reading(statement, mapping):
    """Read other variables; what is assigned keeps its name."""
    for node in nodes_of(statement):
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Load) and node.id in mapping:
            node.id = mapping[node.id]
    return statement
