"""Reverse mode: a forward half that returns residuals and a backward half that consumes them.

Before::

    def f(x):
        y = np.sin(x)
        out = y * x
        return out

After::

    def f_fwd(x):
        y = np.sin(x)
        return y * x, (x, y)

    def f_bwd(residuals, d_out):
        x, y = residuals
        d_y = d_out * x
        d_x = d_out * y
        d_x = rt.add(d_x, d_y * np.cos(x))
        return d_x

A loop appends a record a turn to a tape; the backward half reads ``for record in reversed(tape)``.
"""
from __future__ import annotations

from dataclasses import dataclass

import gast

from xform.analyze.activity import activity
from xform.analyze.effects import pure_in
from xform.analyze.lists import grown_by, lists
from xform.errors import pointing
from xform.memo import Memo
from xform.names import Names, stem
from xform.operations import Copy, CustomCall, Pack, RuleCall, UnitCall, classify
from xform.simplify import simplify
from xform.simplify.dead import remove_dead
from xform.syntax import (assign, assigned, at, blocks, branch, call, clone, const, dotted, function, is_exit, name, nodes_of,
                          note_derivative, pack, params_of, reads, reference, returns, target_names)
from xform.template import instantiate
from xform.transform.residuals import fill
from xform.transform.strangers import checked
from xform.unit import GUARDED, Unit, in_form
from xform.version import version


@dataclass
class Halves:
    """fwd(*args) -> (out, residuals); bwd(residuals, d_out) -> the cotangents of the active parameters."""
    fwd: Unit
    bwd: Unit


# Elementwise ops whose result may have another dtype than their operand.
DTYPE_CHANGING = frozenset({"abs", "absolute", "real", "imag", "angle", "fabs"})

_memo = Memo()


def vjp(unit, flags) -> Halves:
    """Build both halves of a core unit for the parameters marked active in ``flags``."""
    key = (unit, tuple(flags))
    if key not in _memo:
        fwd = Unit(f"{unit.name}_fwd", None, dict(unit.env), set(), unit.file, unit.origin)
        bwd = Unit(f"{unit.name}_bwd", None, dict(unit.env), set(), unit.file, unit.origin)
        bwd.notes.append("comments")
        bwd.backward = True
        _memo[key] = Halves(fwd, bwd)
        try:
            _build(unit, flags, fwd, bwd)
        except BaseException:
            del _memo[key]
            raise
    return _memo[key]


def halves_made():
    """All halves made so far, by (unit, flags)."""
    return dict(_memo.items())


def _build(unit, flags, fwd, bwd):
    from xform.pipeline import core
    versioned = checked(version(core(in_form(unit, GUARDED))), flags)
    for made in (fwd, bwd):
        made.env, made.reads = dict(versioned.env), dict(versioned.reads)
    run = Backward(versioned, flags)
    last = versioned.tree.body[-1]
    out = last.value
    result = out.id if isinstance(out, gast.Name) else None
    nonzero = {}
    if result in run.facts.active:
        nonzero[result] = None
    d_out = run.cotangent(result) if result in run.facts.active else run.names.fresh("d_out")
    body = run.block(versioned.tree.body[:-1], nonzero)
    wrt = [p for p, flag in zip(versioned.params, flags) if flag]
    finals = [name(run.cotangent(p)) if p in nonzero else reference("rt.ZERO") for p in wrt]
    body.append(returns(finals[0] if len(finals) == 1 else pack(finals), last))
    body = [clone(statement) for statement in remove_dead(body)]
    note_derivative(body)
    fill(run, versioned, body, d_out, fwd, bwd)
    for statement, atom in run.copies.values():
        statement.value = clone(atom)
    for made in (fwd, bwd):
        simplify(made.tree, made.temps, pure=pure_in(made.env))


class Backward:
    """Generates the statements of the backward half, walking the versioned function in reverse.

    ``nonzero`` is the set of names whose cotangent may be other than zero at the current point, so that a first
    contribution assigns and later ones add, and nothing is emitted for a cotangent that is surely zero.
    """

    def __init__(self, unit, flags):
        self.unit = unit
        self.facts = activity(unit, flags)
        self.lists = lists(unit)
        self.items = {}         # id of an append -> the cotangent of the item, in a loop over those of the whole list
        self.primal = set(assigned(unit.tree.body)) | set(unit.params)
        self.names = Names(self.primal | set(unit.env) | {n.id for n in nodes_of(unit.tree) if isinstance(n, gast.Name)})
        self.d = {}
        self.temps = set()
        self.uses = {}
        for statement in unit.tree.body:
            for identifier in _all_reads(statement):
                self.uses[identifier] = self.uses.get(identifier, 0) + 1
        self.memo = {}
        self.absorbing = set()
        self.loose = set()
        self.definitions = {}
        self.multiple = set()
        self.loop_items = set()     # loop targets that are only unpacked
        self._index(unit.tree.body)
        self.loops = {}         # tape name -> loop in the primal
        self.copies = {}        # statements that the forward half writes as copies: (statement, what is copied)
        self.residual_calls = {}  # residual name -> (statement, forward unit name)
        self.env = {}

    # -- names --------------------------------------------------------------------------------------------------

    def cotangent(self, identifier):
        if identifier not in self.d:
            made = self.names.fresh("d_" + stem(identifier))
            self.d[identifier] = made
            if identifier in self.unit.temps:
                self.temps.add(made)
        return self.d[identifier]

    def once(self, key, wanted, primal=False):
        """A name that stays the same when a loop's body is generated again."""
        if key not in self.memo:
            self.memo[key] = self.names.fresh(wanted)
            if primal:
                self.primal.add(self.memo[key])
            else:
                self.temps.add(self.memo[key])
        return self.memo[key]

    def refer(self, unit):
        for key, value in self.env.items():
            if value is unit:
                return key
        key = self.once(("unit", id(unit)), unit.name)
        self.temps.discard(key)
        self.env[key] = unit
        return key

    def _index(self, statements):
        """Find definitions, names assigned more than once, and temporaries whose producer accepts a cotangent that is
        still broadcast beyond their shape."""
        for statement in statements:
            if isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Name):
                target = statement.targets[0].id
                if target in self.definitions:
                    self.multiple.add(target)
                operation = self.definitions[target] = classify(statement.value, self.unit)
                if target in self.unit.temps and self.uses.get(target) == 1:
                    if isinstance(operation, RuleCall) and operation.rule.absorbs:
                        self.absorbing.add(target)
            elif isinstance(statement, gast.For):
                first = statement.body[0]
                target = statement.target.id
                if target in self.unit.temps and self.uses.get(target) == 1 and isinstance(first, gast.Assign) \
                        and isinstance(first.targets[0], gast.Tuple):
                    self.loop_items.add(target)
            for block in blocks(statement):
                self._index(block)

    def like(self, atom):
        """The earliest value with the same shape and dtype: an elementwise result looks like its one operand."""
        while isinstance(atom, gast.Name) and atom.id not in self.multiple:
            operation = self.definitions.get(atom.id)
            if not isinstance(operation, RuleCall) or operation.rule.partials is None \
                    or operation.rule.name in DTYPE_CHANGING:
                break
            operands = {a.id: a for a in operation.args.values() if isinstance(a, gast.Name)}
            if len(operands) != 1 or any(isinstance(a, gast.Constant) and not isinstance(a.value, (int, float))
                                         for a in operation.args.values()):
                break
            (candidate,) = operands.values()
            if candidate.id in self.multiple or not self.is_active(candidate):
                break       # it may hold another value by the time it is recorded
            atom = candidate
        return clone(atom)

    def tape_of(self, loop):
        """(tape, name of one record) of a loop of the backward half."""
        iterable = loop.iter
        while dotted(iterable.func) == "rt.pairs":
            iterable = iterable.args[0]
        tape = iterable.args[0].id
        return tape, self.memo["record", id(self.loops[tape])]

    # -- statements ---------------------------------------------------------------------------------------------

    def block(self, statements, nonzero):
        made = []
        for index in range(len(statements) - 1, -1, -1):
            statement = statements[index]
            if isinstance(statement, gast.Assign):
                with pointing(statement, self.unit):
                    self.assignment(statement, nonzero, made)
            elif isinstance(statement, gast.If) and not is_exit(statement):
                self.conditional(statement, nonzero, made)
            elif isinstance(statement, (gast.For, gast.While)):
                self.loop(statement, statements[:index], nonzero, made)
        return made

    def conditional(self, statement, nonzero, made):
        one, two = dict(nonzero), dict(nonzero)
        body, orelse = self.block(statement.body, one), self.block(statement.orelse, two)
        union = dict.fromkeys([*one, *two])
        for side, known in ((body, one), (orelse, two)):
            side.extend(self.zero(v) for v in union if v not in known)
        nonzero.clear()
        nonzero.update(union)
        if body or orelse:
            made.append(branch(clone(statement.test), body or [gast.Pass()], orelse, statement))

    def zero(self, variable):
        return assign(self.cotangent(variable), reference("rt.ZERO"))

    def loop(self, statement, before, nonzero, made):
        """The loop over the records, last first; beside each, what the items that its turn appended to lists got."""
        entry = {s.targets[0].id: s.value for s in before if isinstance(s, gast.Assign) and isinstance(s.targets[0], gast.Name)}
        grown = {head: append for head, (append, _) in grown_by(statement, entry, self.unit, self.lists).items() if head in nonzero}
        for head, append in grown.items():
            del nonzero[head]
            self.items[id(append)] = self.once(("item", id(append)), "d_item")
        tape = self.once(("tape", id(statement)), "tape", primal=True)
        self.loops[tape] = statement
        target = statement.target.id if isinstance(statement, gast.For) else None
        collected = None
        head = dict(nonzero)
        while True:
            end = dict(head)
            body = self.block(statement.body, end)
            if target is not None and target in end:
                collected = self.once(("items", id(statement)), f"d_{target}_items" if target not in self.unit.temps
                                      else "d_items")
                self.temps.discard(collected)
                body.append(assign(collected, call("rt.append", [name(collected), name(self.cotangent(target))])))
                del end[target]
            bigger = dict.fromkeys([*head, *end])
            if list(bigger) == list(head):
                break
            head = bigger
        made.extend(self.zero(v) for v in head if v not in nonzero)
        body.extend(self.zero(v) for v in head if v not in end)
        nonzero.clear()
        nonzero.update(head)
        if collected:
            made.append(assign(collected, gast.List([], gast.Load())))
        if not body:
            return
        target_of_loop = self.once(("record", id(statement)), "record")
        iterable = call("reversed", [name(tape)], node=statement)
        for head, append in grown.items():
            last_first = call("rt.builtins.reversed", [name(self.cotangent(head))], node=statement)
            iterable = call("rt.pairs", [iterable, last_first], node=statement)
            pair = self.once(("pair", id(append)), "pair")
            body.insert(0, assign([target_of_loop, self.items[id(append)]], pair, statement))
            target_of_loop = pair
        loop = gast.For(gast.Name(target_of_loop, gast.Store(), None, None), iterable, body, [], None)
        at(loop, statement).back = not getattr(statement, "back", False)
        made.append(loop)
        if collected:
            gathered = call("rt.uniter", [name(collected)], {"like": clone(statement.iter)}, statement)
            self.contribute(statement.iter, gathered, nonzero, made, statement)

    def assignment(self, statement, nonzero, made):
        target = statement.targets[0]
        if isinstance(target, gast.Tuple):
            return self.unpacking(statement, nonzero, made)
        variable = target.id
        if id(statement) in self.items:
            item = classify(statement.value, self.unit).args["item"]
            self.contribute(item, name(self.items[id(statement)], statement), nonzero, made, statement)
            return
        if variable not in nonzero:
            return
        cotangent = name(self.cotangent(variable), statement)
        del nonzero[variable]
        operation = classify(statement.value, self.unit)
        if isinstance(operation, Copy):
            self.contribute(operation.atom, cotangent, nonzero, made, statement)
        elif isinstance(operation, Pack):
            self.packing(operation, cotangent, nonzero, made, statement)
        elif isinstance(operation, RuleCall):
            self.rule(operation, variable, cotangent, nonzero, made, statement)
        elif isinstance(operation, UnitCall):
            self.unit_call(operation, variable, cotangent, nonzero, made, statement)
        elif isinstance(operation, CustomCall):
            from xform.transform.custom import backward
            backward(self, operation, variable, cotangent, nonzero, made, statement)

    def unpacking(self, statement, nonzero, made):
        targets = target_names(statement.targets[0])
        if not any(t in nonzero for t in targets):
            return
        parts = [name(self.cotangent(t), statement) if t in nonzero else reference("rt.ZERO", statement) for t in targets]
        for t in targets:
            nonzero.pop(t, None)
        gathered = pack(parts, statement)
        if statement.value.id not in self.loop_items:
            gathered = call("rt.pack", [gathered], {"like": self.like(statement.value)}, statement)
        self.contribute(statement.value, gathered, nonzero, made, statement)

    def is_active(self, atom):
        return isinstance(atom, gast.Name) and atom.id in self.facts.active

    def contribute(self, atom, value, nonzero, made, node):
        """Add a contribution to an atom's cotangent."""
        if not self.is_active(atom):
            return
        target = self.cotangent(atom.id)
        if atom.id in nonzero:
            value = call("rt.add", [name(target, node), value], node=node)
        nonzero[atom.id] = None
        made.append(assign(target, value, node))

    def packing(self, operation, cotangent, nonzero, made, statement):
        keys = operation.node.keys if isinstance(operation.node, gast.Dict) else None
        stars = [i for i, item in enumerate(operation.items) if isinstance(item, gast.Starred)]
        if len(stars) > 1 and any(self.is_active(operation.items[i].value) for i in stars):
            from xform.errors import refuse
            refuse(statement, self.unit, "cannot differentiate a display that spreads several sequences with *",
                   "Add them one after the other with extend.")
        count = len(operation.items)
        for index, item in enumerate(operation.items):
            if isinstance(item, gast.Starred):
                behind = const(index + 1 - count, statement) if index + 1 < count else None
                part = at(gast.Subscript(clone(cotangent), gast.Slice(const(index, statement), behind, None), gast.Load()), statement)
                self.contribute(item.value, call("rt.restore", [part], {"like": clone(item.value)}, statement), nonzero, made, statement)
                continue
            place = index if not stars or index < stars[0] else index - count   # what stands behind the * counts from the end
            key = keys[index] if keys else const(place, statement)
            part = at(gast.Subscript(clone(cotangent), clone(key), gast.Load()), statement)
            self.contribute(item, part, nonzero, made, statement)

    def rule(self, operation, variable, cotangent, nonzero, made, statement):
        rule = operation.rule
        mapping = {p: a for p, a in operation.args.items() if not isinstance(a, list)}
        mapping.update(out=name(variable, statement), d_out=cotangent)
        others = sum(not isinstance(a, gast.Constant) or isinstance(a.value, complex) for a in mapping.values()) - 2
        params = rule.differentiable()
        # the cotangent that may take over d_out's name goes last
        carried = [p for p in params if isinstance(operation.args.get(p), gast.Name) and (
            stem(operation.args[p].id) == stem(variable) or operation.args[p].id in self.multiple)]
        for param in [*(p for p in params if p not in carried), *carried]:
            atom = operation.args.get(param)
            if isinstance(atom, list):
                for index, one in enumerate(atom):
                    if self.is_active(one):
                        text = rule.vjp[param]
                        value = instantiate(text, {**mapping, "arg": one, "k": const(index)}, statement)
                        self.contribute(one, value, nonzero, made, statement)
                continue
            if not self.is_active(atom):
                continue
            if rule.partials is not None:
                if operation.path == "np.multiply":
                    mapping = {p: _factor(a) for p, a in mapping.items()}
                value = instantiate(f"d_out * ({rule.partials[param]})", mapping, statement)
            else:
                value = self.relike(instantiate(rule.vjp[param], mapping, statement))
            if (rule.elementwise and others > 1) or (variable in self.loose and rule.elementwise):
                if atom.id in self.absorbing:
                    self.loose.add(atom.id)
                else:
                    value = call("rt.unbroadcast", [value], {"like": self.like(atom)}, statement)
            self.contribute(atom, value, nonzero, made, statement)

    def relike(self, value):
        for node in nodes_of(value):
            if isinstance(node, gast.keyword) and node.arg == "like" and isinstance(node.value, gast.Name):
                node.value = self.like(node.value)
        return value

    def unit_call(self, operation, variable, cotangent, nonzero, made, statement):
        from xform.pipeline import halves_of
        flags = tuple(self.is_active(a) for a in operation.args)
        if not any(flags):
            return
        halves = halves_of(operation.unit, flags)
        residuals = self.once(("residuals", id(statement)), f"{operation.unit.name}_residuals", primal=True)
        self.residual_calls[residuals] = (statement, halves.fwd, operation.args)
        value = call(name(self.refer(halves.bwd), statement), [name(residuals), cotangent], node=statement)
        active = [a for a in operation.args if self.is_active(a)]
        if len(active) == 1:
            self.contribute(active[0], value, nonzero, made, statement)
            return
        parts = [self.once(("part", id(statement), k), f"d_{a.id}_part") for k, a in enumerate(active)]
        made.append(assign(parts, value, statement))
        for atom, part in zip(active, parts):
            self.contribute(atom, name(part, statement), nonzero, made, statement)


def _factor(atom):
    """A constant that a cotangent is multiplied by: a whole number would repeat the cotangent of a list instead of failing."""
    if isinstance(atom, gast.Constant) and type(atom.value) is int and atom.value not in (0, 1, -1):
        return at(gast.Constant(float(atom.value), None), atom)
    return atom


def _all_reads(statement):
    if isinstance(statement, (gast.If, gast.For, gast.While)):
        own = statement.iter if isinstance(statement, gast.For) else statement.test
        found = reads(own)
        for block in blocks(statement):
            for inner in block:
                found += _all_reads(inner)
        return found
    return reads(statement)


__all__ = ["vjp", "Halves", "function", "params_of"]
