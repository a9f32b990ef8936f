"""Strangers: what code that is not read gave, checked to be data where it meets a value that is differentiated or batched.

What the operators of an object do is known for the objects that the compiler sees made or given. An object that a call of something else
returns (a function without source, ``dict.get``, ``vars``) would be taken for a number, and ``pick(0) * x`` for a product of numbers.

Before::

    scale = pick(0)
    y = scale * x

After::

    scale = pick(0)
    y = rt.data(scale) * x      # TypeError where it is an object that says in Python what * does
"""
from __future__ import annotations

import dataclasses
import types

import gast

from xform import resolve
from xform.analyze.dependence import dependent
from xform.library import is_runtime
from xform.memo import Memo
from xform.names import Names
from xform.operations import Copy, Opaque, Pack, RuleCall, UnitCall, atoms_of, classify
from xform.syntax import assign, blocks, call, name, reads, rename, target_names
from xform.unit import Unit, inside

# Modules of Python and NumPy whose functions return numbers, arrays and containers of them.
OF_NUMBERS = frozenset({"math", "cmath", "time", "random", "numpy", "statistics"})
LIBRARY = ("np", "lax", "nn", "random")

_given = Memo()
_results = Memo()
_assumed: dict = {}     # results of units that are being looked at
_touched: set = set()   # those that were asked for meanwhile


def checked(unit, flags) -> Unit:
    """A versioned unit with the checks that it needs where the parameters in ``flags`` are differentiated or batched."""
    strangers = _Strangers(unit, flags)
    if strangers.found:
        unit.env = dict(unit.env)
        strangers.check(unit.tree.body)
    return unit


def given(unit, params) -> Unit:
    """The unit of a callee where the arguments for these parameters come from code that is not read."""
    params = frozenset(params) | unit.strange
    if params == unit.strange:
        return unit
    key = unit, params
    if key not in _given:
        made = _given[key] = dataclasses.replace(unit, strange=params, env=dict(unit.env))
        if unit.form is not None:
            made.form = lambda wanted: given(unit.form(wanted), params)
    return _given[key]


def returns_stranger(unit, strange) -> bool:
    """Whether a call of a unit may return what code that is not read gave."""
    key = unit, tuple(strange)
    if key in _results:
        return _results[key]
    if key in _assumed:
        _touched.add(key)
        return _assumed[key]
    from xform.pipeline import core
    inner = inside(unit)
    own = core(given(inner, [p for p, one in zip(inner.params, strange) if one]))
    last, before = own.tree.body[-1].value, set(_touched)
    _assumed[key] = False
    try:
        found = isinstance(last, gast.Name) and last.id in _Strangers(own, ()).found
    finally:
        del _assumed[key]
        _touched.discard(key)
        settled = _touched <= before
    if settled:     # it rests on no assumption about a caller that is still looked at
        _results[key] = found
    return found


class _Strangers:
    """found: the names that may hold what code that is not read gave; moving: those that depend on what is differentiated or batched."""

    def __init__(self, unit, flags):
        self.unit = unit
        self.found = {p for p in unit.params if p in unit.strange} | {n for n, value in unit.env.items() if _holds_objects(value)}
        self.moving, self.fresh = set(), None
        self.operations = {}
        self._classify(unit.tree.body)
        if self.found or any(self.gives(statement, operation) for statement, operation in self.operations.values()):
            self.moving = dependent(unit.tree.body, [p for p, flag in zip(unit.params, flags) if flag])
            before = -1
            while before != len(self.found):
                before = len(self.found)
                self.flow(unit.tree.body)

    def _classify(self, statements):
        for statement in statements:
            if isinstance(statement, gast.Assign):
                self.operations[id(statement)] = statement, classify(statement.value, self.unit)
            for block in blocks(statement):
                self._classify(block)

    def flow(self, statements):
        for statement in statements:
            if isinstance(statement, gast.Assign):
                if self.gives(*self.operations[id(statement)]):
                    self.found.update(n for t in statement.targets for n in target_names(t))
            elif isinstance(statement, gast.For) and not self.found.isdisjoint(reads(statement.iter)):
                self.found.update(target_names(statement.target))
            for block in blocks(statement):
                self.flow(block)

    def strange(self, atom):
        return isinstance(atom, gast.Name) and atom.id in self.found

    def gives(self, statement, operation):
        """Whether what an operation gives may be a stranger."""
        if isinstance(operation, Opaque):
            return not self._numbers(operation)
        if isinstance(operation, UnitCall):
            if isinstance(operation.callee, types.FunctionType) and is_runtime(operation.callee):
                return operation.path.split(".")[0] not in LIBRARY and any(map(self.strange, operation.args))
            return not operation.readable or returns_stranger(operation.unit, [self.strange(a) for a in operation.args])
        if isinstance(operation, RuleCall) and operation.path.split(".")[0] in LIBRARY and isinstance(statement.value, gast.Call):
            return False
        if isinstance(statement.value, (gast.BinOp, gast.Compare)) and self.moves(statement.value):
            return False        # its operands are checked
        return isinstance(operation, (Copy, Pack, RuleCall)) and any(map(self.strange, atoms_of(operation)))

    def _numbers(self, operation):
        """Whether something that is not read is known to return numbers, arrays or containers of them."""
        node = operation.node
        target = self.unit.env.get(node.func.id) if isinstance(node, gast.Call) and isinstance(node.func, gast.Name) else None
        home = getattr(target, "__module__", None) or type(getattr(target, "__self__", None)).__module__
        return _of_runtime(self.unit) or isinstance(home, str) and home.split(".")[0] in OF_NUMBERS | {"runtime"}

    # -- checks ---------------------------------------------------------------------------------------------------

    def moves(self, node):
        return not self.moving.isdisjoint(reads(node))

    def check(self, statements):
        place = 0
        while place < len(statements):
            statement = statements[place]
            for atom in self.to_check(statement) if isinstance(statement, gast.Assign) else ():
                held = self.names().fresh("data")
                self.unit.temps.add(held)
                statements.insert(place, assign(held, call("rt.data", [name(atom)], node=statement), statement))
                rename(statement.value, {atom: held})
                place += 1
            for block in blocks(statement):
                self.check(block)
            place += 1

    def to_check(self, statement):
        """The names that a statement may not read as they are."""
        value, (_, operation) = statement.value, self.operations[id(statement)]
        if isinstance(operation, UnitCall) and any(map(self.moves, operation.args)):
            strange = [a.id for a in operation.args if self.strange(a)]
            if strange and (not isinstance(value.func, gast.Name) or operation.unit.boundary is not None):
                return dict.fromkeys(strange)
            if strange and not _of_runtime(operation.unit):
                self.refer(value, operation)
        elif isinstance(value, gast.Subscript):
            return [value.value.id] if self.strange(value.value) and self.moves(value.slice) else ()
        elif isinstance(value, (gast.BinOp, gast.Compare)) and self.moves(value):
            return dict.fromkeys(n for n in reads(value) if n in self.found)
        return ()

    def refer(self, value, operation):
        """Call the callee's own unit for what it is given."""
        made = given(operation.unit, [p for p, a in zip(operation.unit.params, operation.args) if self.strange(a)])
        key = next((k for k, v in self.unit.env.items() if v is made), None)
        if key is None:
            key = self.names().fresh(made.name)
            self.unit.env[key] = made
        value.func.id = key

    def names(self):
        if self.fresh is None:
            self.fresh = Names({n.id for n in gast.walk(self.unit.tree) if isinstance(n, gast.Name)} | set(self.unit.params)
                               | set(self.unit.env))
        return self.fresh


def _of_runtime(unit):
    """Whether a unit was made of the runtime's own code, which makes no strangers; its rules are known by what they are, so they are
    not made anew for some arguments."""
    return (unit.origin or "").split(".")[0] == "runtime"


def _holds_objects(value, depth=3):
    """Whether a value from outside has operators that are methods of a class, or holds such values."""
    if isinstance(value, (Unit, type, types.FunctionType, types.ModuleType)) or not depth:
        return False
    if isinstance(value, (list, tuple, set, dict)):
        return any(_holds_objects(v, depth - 1) for v in (value.values() if isinstance(value, dict) else value))
    return hasattr(value, "__dict__") and resolve.is_user_class(type(value)) and (
        resolve.says_operators(type(value)) or any(_holds_objects(v, depth - 1) for v in vars(value).values()))
