"""Stage: native control flow becomes runtime control flow, which runs as Python on known values and as XLA on traced ones.

Before::

    def newton(a):
        x = a
        while abs(x * x - a) > 1e-6:
            x = x - (x * x - a) / (2.0 * x)
        return x

After::

    def newton_jit(a):
        def test(x):
            return np.abs(x * x - a) > 1e-06

        def body(x):
            return x - (x * x - a) / (2.0 * x)

        x = a
        x = rt.while_loop(test, body, x)
        return x
"""
from __future__ import annotations

import types

import gast

from xform.analyze.dependence import dependent
from xform.analyze.effects import pure_in
from xform.flow import liveness
from xform.library import is_runtime
from xform.memo import Memo
from xform.names import Names, stem
from xform.operations import CustomCall, UnitCall, classify
from xform.resolve import mentions
from xform.simplify import simplify
from xform.syntax import (assign, assigned, at, blocks, call, clone, const, dotted, function, head_length, is_exit, name,
                          nodes_of, pack, params_of, reads, reference, rename, returns, target_names)
from xform.unit import Unit
from xform.version import version

_memo = Memo()
_COMPARING = frozenset({"runtime.builtins", "runtime.iteration", "runtime.operators"})      # library functions that compare values
_ENTERED = frozenset({"checkpoint", "custom_vmap", "implicit", "attempt", "trial"})         # boundaries that are part of the program


def stage(unit) -> Unit:
    """Return the unit with its control flow, and that of what it calls, in runtime form."""
    if unit not in _memo:
        made = Unit(unit.name, None, dict(unit.env), set(), unit.file, unit.origin, unit.boundary, list(unit.notes),
                    dict(unit.reads))
        made.signature = unit.signature
        _memo[unit] = made
        try:
            _Stage(unit, made).run()
        except BaseException:
            del _memo[unit]
            raise
    return _memo[unit]


def needs_staging(unit, seen=None) -> bool:
    """Whether a unit, or one that it calls, holds what does not work on arrays of the program as it stands: control flow, changes in
    place, numbers out of arrays, calls of NumPy."""
    seen = set() if seen is None else seen
    if unit in seen:
        return False
    seen.add(unit)
    if unit.function is not None and mentions(unit.function, "numpy"):
        return True
    from xform.pipeline import core, unit_of_callable
    read = core(unit)

    def walk(statements):
        for statement in statements:
            if isinstance(statement, (gast.If, gast.For, gast.While)):
                return True
            if isinstance(statement, gast.Assign):
                if isinstance(statement.value, gast.UnaryOp) and isinstance(statement.value.op, gast.Not):
                    return True
                operation = classify(statement.value, read)
                if isinstance(statement.value, gast.Call) and (dotted(statement.value.func) or "").startswith("rt."):
                    return True     # something that Python's own does not do with arrays of the program: x[i] = v, float(x)
                if isinstance(operation, UnitCall) and _stageable(operation, read) and needs_staging(operation.unit, seen):
                    return True
                if isinstance(operation, CustomCall) and needs_staging(unit_of_callable(operation.custom.fun), seen):
                    return True
        return False
    return walk(read.tree.body)


def _stageable(operation, unit):
    """Library functions branch on shapes and options only, but for the builtins that compare values; what cannot be read is called as
    it is where no argument is staged."""
    callee = operation.callee
    if not operation.readable and dependent(unit.tree.body, unit.params).isdisjoint(n for a in operation.args for n in reads(a)):
        return False
    if isinstance(callee, types.FunctionType) and is_runtime(callee):
        return callee.__module__ in _COMPARING
    return not (isinstance(callee, Unit) and callee.boundary is not None and callee.boundary.kind not in _ENTERED)


class _Stage:
    def __init__(self, unit, made):
        from xform.pipeline import core
        self.unit = version(core(unit))
        self.made = made
        made.env = dict(self.unit.env)
        made.reads = dict(self.unit.reads)
        self.facts = liveness(self.unit.tree.body)
        self.names = Names({n.id for n in nodes_of(self.unit.tree) if isinstance(n, gast.Name)} | set(self.unit.env)
                           | set(self.unit.params))
        made.temps = set(self.unit.temps)
        self.kept = []
        self.empty = set()      # names that surely hold a list without items

    def run(self):
        body = self.block(self.unit.tree.body, set(self.unit.params))
        self.made.tree = function(self.made.name, self.unit.params, body, self.unit.tree)
        simplify(self.made.tree, self.made.temps, pure=pure_in(self.made.env))

    def block(self, statements, defined):
        made = []
        for statement in statements:
            if isinstance(statement, gast.Assign):
                self.assignment(statement)
                made.append(statement)
                targets = [n for t in statement.targets for n in target_names(t)]
                defined.update(targets)
                self._note_empty(statement, targets)
            elif isinstance(statement, gast.If) and not is_exit(statement):
                self.conditional(statement, defined, made)
            elif isinstance(statement, gast.For):
                self.for_loop(statement, defined, made)
            elif isinstance(statement, gast.While):
                self.while_loop(statement, defined, made)
            else:
                made.append(statement)
        return made

    def _note_empty(self, statement, targets):
        value = statement.value
        empty = isinstance(value, gast.List) and not value.elts or isinstance(value, gast.Name) and value.id in self.empty
        for target in targets:
            self.empty.add(target) if empty else self.empty.discard(target)

    def assignment(self, statement):
        """Point calls at staged callees; `not` of a traced value is an array operation."""
        value = statement.value
        if isinstance(value, gast.UnaryOp) and isinstance(value.op, gast.Not):
            statement.value = call("rt.logical_not", [value.operand], node=statement)
            return
        operation = classify(value, self.unit)
        callee = None
        if isinstance(operation, UnitCall) and _stageable(operation, self.unit):
            if needs_staging(operation.unit):
                callee = stage(operation.unit)
        elif isinstance(operation, CustomCall):
            from xform.pipeline import unit_of_callable
            callee = stage(unit_of_callable(operation.custom.fun))
        if callee is not None:
            args = [clone(a) for a in operation.args]
            statement.value = call(name(self.refer(callee), statement), args, node=statement)

    def refer(self, unit):
        for key, value in self.made.env.items():
            if value is unit:
                return key
        key = self.names.fresh(unit.name)
        self.made.env[key] = unit
        return key

    # -- branches -------------------------------------------------------------------------------------------------

    def conditional(self, statement, defined, made):
        live = self.facts.after[id(statement)]
        outs = [n for n in assigned([statement]) if n in live]
        body_defined, else_defined = set(defined), set(defined)
        body, orelse = self.block(statement.body, body_defined), self.block(statement.orelse, else_defined)
        if not outs:
            if any(isinstance(s, gast.Expr) for s in (*body, *orelse)) and all(
                    isinstance(s, (gast.Assign, gast.Expr, gast.FunctionDef)) for s in (*body, *orelse)):
                then, other = (self.nested(wanted, [], side, [const(None)], statement)
                               for wanted, side in (("then", body), ("orelse", orelse)))
                made.extend([then, other, at(gast.Expr(call("rt.cond", [statement.test, name(then.name), name(other.name)],
                                                            node=statement)), statement)])
            elif body or orelse:
                made.append(at(gast.If(statement.test, body or [gast.Pass()], orelse), statement))
            return
        then = self.nested("then", [], body, [self._or_undefined(n, body_defined) for n in outs], statement)
        other = self.nested("orelse", [], orelse, [self._or_undefined(n, else_defined) for n in outs], statement)
        test = statement.test
        if isinstance(test, gast.UnaryOp):
            then, other, test = other, then, test.operand
        made.extend([then, other])
        value = call("rt.cond", [test, name(then.name), name(other.name)], node=statement)
        made.append(assign(outs if len(outs) > 1 else outs[0], value, statement))
        defined.update(outs)

    def _or_undefined(self, identifier, defined):
        return name(identifier) if identifier in defined else reference("rt.UNDEFINED")

    def nested(self, wanted, params, body, results, node):
        """A nested function, simplified on its own; names from outside are left as they are."""
        last = results[0] if len(results) == 1 else pack(results)
        identifier = self.names.fresh(wanted)
        tree = function(identifier, params, [*body, returns(last, node)], node)
        local = set(params) | set(assigned(tree.body)) | {s.name for s in body if isinstance(s, gast.FunctionDef)}
        outside = {n for s in tree.body for n in reads(s)} - local
        simplify(tree, self.made.temps, pure=pure_in(self.made.env), fixed=outside)
        # a local that continues a variable from outside gets a name of its own
        taken = {stem(n) for n in outside | set(params)}
        suffix = {"body": "new"}.get(wanted, wanted)
        for local_name in assigned(tree.body):
            if local_name not in params and stem(local_name) in taken:
                made = self.names.fresh(f"{stem(local_name)}_{suffix}")
                for statement in tree.body:
                    rename(statement, {local_name: made})
        self._return_directly(tree)
        return tree

    @staticmethod
    def _return_directly(tree):
        """``x = value; return x`` is ``return value``."""
        if len(tree.body) > 1:
            before, last = tree.body[-2:]
            if isinstance(before, gast.Assign) and isinstance(last.value, gast.Name) and isinstance(
                    before.targets[0], gast.Name) and before.targets[0].id == last.value.id:
                tree.body[-2:] = [returns(before.value, before)]

    # -- loops ----------------------------------------------------------------------------------------------------

    def carried(self, statement):
        """The names that a loop carries from turn to turn or out, in order of assignment."""
        head = self.facts.head[id(statement)]
        targets = target_names(statement.target) if isinstance(statement, gast.For) else []
        return [n for n in assigned(statement.body) if n in head and n not in targets]

    def collected(self, statement, carried):
        """Lists that the loop only appends to, once a turn: {head name: (append statement, tail copy)}."""
        found = {}
        body = statement.body
        for head in carried:
            if head not in self.empty:
                continue
            uses = [s for s in body if _mentions(s, head)]
            appends = [s for s in uses if isinstance(s, gast.Assign) and isinstance(s.value, gast.Call)
                       and isinstance(s.value.func, gast.Attribute) and s.value.func.attr == "append"
                       and isinstance(s.value.args[0], gast.Name) and s.value.args[0].id == head
                       and isinstance(s.targets[0], gast.Name)]
            if len(appends) != 1 or head in reads(appends[0].value.args[1]):
                continue
            made = appends[0].targets[0].id
            tails = [s for s in body if isinstance(s, gast.Assign) and isinstance(s.value, gast.Name)
                     and s.value.id == made and s.targets[0].id == head]
            if made == head and len(uses) == 1:
                found[head] = (appends[0], None)
            elif len(tails) == 1 and len(uses) == 2 and len([s for s in body if _mentions(s, made)]) == 2:
                found[head] = (appends[0], tails[0])
        return found

    def turn(self, statement, body, carried, collected, params, defined):
        """The body function of a loop."""
        records = []
        kept = []
        removed = {id(s) for pair in collected.values() for s in pair if s is not None}
        for inner in body:
            if id(inner) in removed:
                for append, _ in collected.values():
                    if append is inner:
                        record = self.names.fresh("record")
                        self.made.temps.add(record)
                        kept.append(assign(record, append.value.args[1], append))
                        records.append((append, record))
                continue
            kept.append(inner)
        inside = set(defined) | set(params)
        staged = self.block(kept, inside)
        order = {id(append): record for append, record in records}
        results = [self._or_undefined(n, inside) for n in carried]
        results += [name(order[id(append)]) for append, _ in collected.values()]
        return self.nested("body", params, staged, results, statement)

    def copied(self, statements):
        """Copies of statements, with what is known of them."""
        made = [clone(s) for s in statements]

        def carry(olds, news):
            for old, new in zip(olds, news):
                for table in (self.facts.after, self.facts.head):
                    if id(old) in table:
                        table[id(new)] = table[id(old)]
                for one, other in zip(blocks(old), blocks(new)):
                    carry(one, other)
        carry(statements, made)
        self.kept.append(made)      # so that ids stay theirs
        return made

    def for_loop(self, statement, defined, made):
        carried = self.carried(statement)
        collected = self.collected(statement, carried)
        carried = [n for n in carried if n not in collected]
        split = head_length(statement)
        target = statement.target.id
        stop = None
        if split:
            exit_test = statement.body[split - 1].test
            stop = self.nested("stop", list(carried), self.block(statement.body[:split - 1], set(carried)),
                               [clone(exit_test)], statement)
        self.empty -= set(carried)
        body = self.turn(statement, statement.body[split:], carried, collected, [target, *carried], defined)
        made.extend([body] if stop is None else [stop, body])
        keywords = {} if stop is None else {"stop": name(stop.name)}
        self.enter("rt.for_loop", [name(body.name), statement.iter], carried, collected, keywords, statement, defined, made)

    def while_loop(self, statement, defined, made):
        split = head_length(statement)
        head, exit_test = statement.body[:split - 1], statement.body[split - 1].test
        carried = self.carried(statement)
        collected = self.collected(statement, carried)
        carried = [n for n in carried if n not in collected]
        self.empty -= set(carried)
        goes_on = exit_test.operand if isinstance(exit_test, gast.UnaryOp) else call("rt.logical_not", [exit_test])
        if set(assigned(head)) & set(carried):
            # the head assigns what the loop carries (a walrus in the test): its value travels too
            going = self.names.fresh("going")
            first = self.block(self.copied(head), defined)
            made.extend(first)
            made.append(assign(going, clone(goes_on), statement))
            carried = list(dict.fromkeys([*carried, *assigned(head), going]))
            defined.update([*assigned(head), going])
            rest = statement.body[split:] + self.copied(head) + [assign(going, clone(goes_on), statement)]
            test = self.nested("test", list(carried), [], [name(going)], statement)
            body = self.turn(statement, rest, carried, collected, list(carried), defined)
        else:
            test = self.nested("test", list(carried), self.block(self.copied(head), set(defined) | set(carried)),
                               [clone(goes_on)], statement)
            body = self.turn(statement, [*head, *statement.body[split:]], carried, collected, list(carried), defined)
        made.extend([test, body])
        self.enter("rt.while_loop", [name(test.name), name(body.name)], carried, collected, {}, statement, defined, made)

    def enter(self, path, args, carried, collected, keywords, statement, defined, made):
        """Call the loop; its results are the carried names, then the collected lists."""
        args = args + [self._or_undefined(n, defined) for n in carried]
        if collected:
            keywords["collect"] = const(len(collected))
        results = carried + list(collected)
        value = call(path, args, keywords, statement)
        if not results:
            made.append(at(gast.Expr(value), statement))
            return
        made.append(assign(results if len(results) > 1 else results[0], value, statement))
        defined.update(results)
        self.empty -= set(results)


def _mentions(statement, identifier):
    return any(isinstance(n, gast.Name) and n.id == identifier for n in nodes_of(statement))


__all__ = ["stage", "params_of", "blocks"]
