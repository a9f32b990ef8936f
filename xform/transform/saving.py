"""Split a forward half by a policy of checkpoint: what is computed once and kept, and what computes the rest again.

Before, where the policy keeps products of matrices::

    def f_fwd(x, w):
        y = x @ w
        z = np.sin(y)
        return np.tanh(z), (x, w, y, z)

After::

    def f_keep(x, w):
        y = x @ w
        return np.tanh(np.sin(y)), y

    def f_again(x, w, y_kept):
        return x, w, y_kept, np.sin(y_kept)

The calls of other functions are split likewise. A ``for`` loop appends a record a turn to a tape, and runs along it the second time.
Nothing is kept inside ``while`` loops and loops with ``break``: the number of their turns is found out again.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import gast

from xform.analyze.effects import pure_in
from xform.memo import Memo
from xform.names import Names, stem
from xform.operations import RuleCall, UnitCall, classify
from xform.simplify import simplify
from xform.simplify.dead import droppable, remove_dead
from xform.syntax import (assign, assigned, at, blocks, branch, call, clone, const, dotted, function, head_length, is_exit, name,
                          nodes_of, pack, reads, reference, returns, target_names)
from xform.transform.vjp import DTYPE_CHANGING
from xform.unit import GUARDED, Unit, in_form

DOTS = frozenset({"matmul", "dot", "contract", "undot_left", "undot_right", "unmatmul_left", "unmatmul_right"})
UNBATCHED = frozenset({"dot", "undot_left", "undot_right"})
CONVOLUTIONS = frozenset({"convolve", "unconvolve_left", "unconvolve_right"})
FIRST, SECOND, BOTH = "first", "second", "both"     # which of (result, residuals) is wanted of a forward half


@dataclass(frozen=True)
class Split:
    """keep(*args) -> (result, kept); again(*args, kept) -> the result, or of a forward half what of it is wanted."""
    keep: Unit
    again: Unit


_memo = Memo()


def split(unit, policy, kept_part=BOTH, again_part=BOTH):
    """Split a unit; None when the policy keeps nothing in it or in what it calls."""
    if not _keeps(unit, policy, set()):
        return None
    key = (unit, policy, kept_part, again_part)
    if key not in _memo:
        keep, again = (Unit(f"{stem_of(unit)}_{kind}", None, {}, set(), unit.file, unit.origin) for kind in ("keep", "again"))
        if unit.boundary is not None and unit.boundary.kind == "jit":
            _memo[key] = _jitted(unit, policy, kept_part, again_part)
        elif unit.boundary is not None:
            _memo[key] = split(unit.boundary.inner, policy, kept_part, again_part)
        else:
            _memo[key] = Split(keep, again)
            try:
                _Splitter(unit, policy, kept_part, again_part).fill(keep, again)
            except BaseException:
                del _memo[key]
                raise
    return _memo[key]


def stem_of(unit):
    """The name of a forward half without what it ends in."""
    return unit.name.removesuffix("_jit").removesuffix("_fwd")


def _jitted(unit, policy, kept_part, again_part):
    """Both parts of a compiled function, a program each; Python values among what is kept stay what they are."""
    from xform.transform.boundary import wrapped
    from xform.transform.jit import carry_static
    made = split(unit.boundary.inner, policy, kept_part, again_part)
    params, options = [name(p) for p in unit.params], carry_static(unit.boundary)
    names = Names(set(unit.params))
    out, kept = names.fresh("out"), names.fresh("kept")
    parts = []
    for inner, taken, body in (
            (made.keep, unit.params, [assign([out, kept], call(made.keep.name, params)),
                                      returns(pack([name(out), call("rt.seal", [name(kept)])]))]),
            (made.again, [*unit.params, kept], [returns(call(made.again.name, [*map(clone, params), call("rt.unseal", [name(kept)])]))])):
        outer = Unit(inner.name, function(inner.name, taken, body), {inner.name: inner}, {out}, unit.file, unit.origin)
        parts.append(wrapped(outer, "jit", options))
    return Split(*parts)


# -- what is kept ---------------------------------------------------------------------------------------------------------

def decision(policy, operation):
    """True to keep the result of an operation, False to compute it again, "unbatched" to keep it if it is a product without batch
    axes, "ask" to ask the policy when the code runs."""
    rule = operation.rule.name
    if policy.saves is None:
        return "ask" if _computes(operation.rule) else False
    answers = [_answer(kind, names, rule, operation) for kind, names in policy.saves]
    for answer in (True, "ask", "unbatched"):
        if answer in answers:
            return answer
    return False


def _answer(kind, names, rule, operation):
    if kind == "products":
        return rule in DOTS or rule in CONVOLUTIONS
    if kind == "unbatched products":
        return rule in DOTS and (rule in UNBATCHED or "unbatched")
    if rule != "checkpoint_name":
        return kind == "all but" and _computes(operation.rule)
    given = operation.args["name"]
    if not isinstance(given, gast.Constant):
        return "ask"
    return (given.value in names) == (kind == "only")


def _computes(rule):
    """Whether an operation computes something, which the handling of containers and of shapes does not."""
    where = rule.function.__module__
    return not rule.constant and (where.startswith("runtime.ops.") or not where.startswith("runtime."))


def _callee(operation, policy, seen):
    return isinstance(operation, UnitCall) and _keeps(operation.unit, policy, seen)


def _keeps(unit, policy, seen):
    """Whether a policy may keep something of a unit or of what it calls."""
    if unit in seen:
        return False
    seen.add(unit)
    if unit.boundary is not None:
        return unit.boundary.kind in ("jit", "checkpoint") and _keeps(unit.boundary.inner, policy, seen)
    from xform.pipeline import core
    read = core(in_form(unit, GUARDED))

    def walk(statements):
        for statement in statements:
            if isinstance(statement, gast.Assign):
                operation = classify(statement.value, read)
                if isinstance(operation, RuleCall) and decision(policy, operation) or _callee(operation, policy, seen):
                    return True
            elif _followed(statement) and any(map(walk, blocks(statement))):
                return True
        return False
    return walk(read.tree.body)


def _followed(statement):
    """Whether values inside a compound statement can be kept."""
    return isinstance(statement, gast.If) and not is_exit(statement) or isinstance(statement, gast.For) and not head_length(statement)


def _read(statements, pure):
    """The statements without those that only make what they read themselves, as the appends to a tape that goes nowhere."""
    needed, before = set(), None
    while needed != before:
        before = set(needed)
        _needed(statements, needed, pure)
    return _without(statements, needed, pure)


def _assigns(statement, pure):
    return isinstance(statement, gast.Assign) and droppable(statement.value, pure)


def _needed(statements, needed, pure):
    for statement in statements:
        if _assigns(statement, pure):
            if not needed.isdisjoint(target_names(statement.targets[0])):
                needed.update(reads(statement.value))
        elif blocks(statement):
            needed.update(reads(statement.iter if isinstance(statement, gast.For) else statement.test))
            for block in blocks(statement):
                _needed(block, needed, pure)
        else:
            needed.update(reads(statement))


def _without(statements, needed, pure):
    made = []
    for statement in statements:
        if _assigns(statement, pure) and needed.isdisjoint(target_names(statement.targets[0])):
            continue
        if blocks(statement):
            statement.body = _without(statement.body, needed, pure) or [gast.Pass()]
            statement.orelse = _without(statement.orelse, needed, pure)
        made.append(statement)
    return made


def _fused(statements, uses):
    """The statements with what is called and then only unpacked unpacked at once; ``uses`` counts the reads of each name."""
    made = []
    for statement in statements:
        last = made[-1] if made else None
        if isinstance(statement, gast.Assign) and isinstance(statement.targets[0], gast.Tuple) and isinstance(last, gast.Assign) \
                and isinstance(statement.value, gast.Name) and target_names(last.targets[0]) == [statement.value.id] \
                and isinstance(last.value, gast.Call) and uses[statement.value.id] == 1:
            made[-1] = assign(target_names(statement.targets[0]), last.value, last)
            continue
        if blocks(statement):
            statement.body, statement.orelse = _fused(statement.body, uses), _fused(statement.orelse, uses)
        made.append(statement)
    return made


def _sunk(statements, kept, pure):
    """The statements with those that only an ``if kept is None`` needs moved into it: what made a kept value is not made again.

    kept: the names of what may be kept.
    """
    total = _reads_of(statements)

    def asks(statement):
        test = getattr(statement, "test", None)
        return isinstance(test, gast.Compare) and isinstance(test.ops[0], gast.Is) and getattr(test.left, "id", None) in kept

    def movable(statement):
        return _assigns(statement, pure) or asks(statement)

    def sink(block):
        for place in reversed(range(len(block))):
            for inner in blocks(block[place]):
                sink(inner)
            if not asks(block[place]):
                continue
            body = block[place].body
            for earlier in reversed(range(place)):
                one, between = block[earlier], set(assigned(block[earlier + 1:place]))
                made, inside = set(assigned([one])), _reads_of(body)
                if made and movable(one) and all(total[n] == inside[n] for n in made) and between.isdisjoint({*made, *_reads_of([one])}):
                    body.insert(0, one)
                    block[earlier] = gast.Pass()
            sink(body)
    sink(statements)
    return statements


def _reads_of(statements):
    return Counter(n for statement in statements for n in reads(statement))


# -- the two functions ----------------------------------------------------------------------------------------------------

class _Splitter:
    """Writes both functions again and again, with less kept, until all that is kept is read."""

    def __init__(self, unit, policy, kept_part, again_part):
        from xform.pipeline import core
        self.unit, self.policy = core(unit), policy
        uses = Counter(n.id for n in nodes_of(self.unit.tree) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Load))
        self.body = _fused(clone(self.unit.tree.body), uses)
        stores = Counter(n.id for n in nodes_of(self.unit.tree) if isinstance(n, gast.Name) and not isinstance(n.ctx, gast.Load))
        self.assigned_twice = {n for n, count in stores.items() if count > 1}
        self.parts = kept_part, again_part
        found = {n.id for n in nodes_of(self.unit.tree) if isinstance(n, gast.Name)}
        self.names = Names(found | set(self.unit.env) | set(self.unit.params))
        self.made = {}          # (what it is for, statement) -> name
        self.fresh = set()
        self.wanted = None      # the names of what is kept and read; None for all
        self.needs = {}         # statement of a call of a forward half -> which parts are wanted of it, when kept and again
        self.env = {}

    def fill(self, keep, again):
        while True:
            first, second, kept = self.function()
            read = {n for statement in second for n in reads(statement)}
            wanted = {k for k in self.made.values() if k in read}
            needs = {s: (self._part(t, first), self._part(t, second)) for s, t in self._pairs(self.body)}
            if wanted == self.wanted and needs == self.needs:
                break
            self.wanted, self.needs = wanted, needs
        params = self.unit.params
        taken = kept[0] if len(kept) == 1 else self.names.fresh("kept")
        if len(kept) > 1:
            second.insert(0, assign(kept, taken))
        for made, body, own in ((keep, first, params), (again, second, [*params, taken])):
            made.env, made.reads, made.temps = {**self.unit.env, **self.env}, dict(self.unit.reads), self.unit.temps | self.fresh
            made.tree = function(made.name, own, body, self.unit.tree)
            simplify(made.tree, made.temps, pure=pure_in(made.env))

    def function(self):
        """The two bodies and the names of what is kept."""
        first, second, kept = self.block(self.body[:-1])
        last = self.body[-1]
        record = name(kept[0]) if len(kept) == 1 else pack(kept)
        first.append(returns(pack([self._result(last, self.parts[0]), record]), last))
        second.append(returns(self._result(last, self.parts[1]), last))
        pure = pure_in({**self.unit.env, **self.env})
        second = _sunk(remove_dead(_read(second, pure), pure=pure), set(self.made.values()), pure)
        return remove_dead(_read(first, pure), pure=pure), second, kept

    def _result(self, last, part):
        if part == BOTH:
            return clone(last.value)
        found = [s.value for s in self.body if isinstance(s, gast.Assign) and isinstance(last.value, gast.Name)
                 and target_names(s.targets[0]) == [last.value.id]]
        place = 0 if part == FIRST else 1
        if len(found) == 1 and isinstance(found[0], gast.Tuple) and len(found[0].elts) == 2:
            return clone(found[0].elts[place])
        return gast.Subscript(clone(last.value), const(place), gast.Load())

    def _pairs(self, statements):
        """(statement, its two targets) of the calls of forward halves."""
        for statement in statements:
            targets = target_names(statement.targets[0]) if isinstance(statement, gast.Assign) else ()
            if len(targets) == 2 and isinstance(classify(statement.value, self.unit), UnitCall):
                yield statement, targets
            for block in blocks(statement):
                yield from self._pairs(block)

    @staticmethod
    def _part(targets, statements):
        read = {n for statement in statements for n in reads(statement)}
        one, two = (t in read for t in targets)
        return BOTH if one == two else FIRST if one else SECOND

    def name_of(self, what, statement, base):
        key = (what, id(statement))
        if key not in self.made:
            self.made[key] = self.names.fresh(base)
            self.fresh.add(self.made[key])
        return self.made[key]

    def refer(self, unit):
        for key, value in {**self.unit.env, **self.env}.items():
            if value is unit:
                return key
        key = self.names.fresh(unit.name)
        self.env[key] = unit
        return key

    def reads_kept(self, identifier):
        return self.wanted is None or identifier in self.wanted

    def block(self, statements):
        """The statements of both functions, and the names of what the first keeps."""
        first, second, kept = [], [], []
        twins = self._twins(statements)
        for statement in statements:
            if isinstance(statement, gast.Assign):
                done = self.assignment(statement)
            elif isinstance(statement, gast.If) and not is_exit(statement):
                done = self.conditional(statement)
            elif isinstance(statement, gast.For) and _followed(statement):
                done = self.loop(statement)
            else:
                done = None
            one, two, names = done or ([clone(statement)], [self._liked(statement, twins)], [])
            first += one
            second += two
            kept += names
        return first, second, kept

    def _twins(self, statements):
        """Value -> one that is kept and has its shape and dtype, being computed of it alone element by element."""
        results = {}
        for statement in reversed(statements):
            if not isinstance(statement, gast.Assign) or not isinstance(statement.targets[0], gast.Name):
                continue
            operation, target = classify(statement.value, self.unit), statement.targets[0].id
            if not isinstance(operation, RuleCall) or operation.rule.partials is None or operation.rule.name in DTYPE_CHANGING:
                continue
            operands = {a.id for a in operation.args.values() if isinstance(a, gast.Name)}
            plain = all(isinstance(a, gast.Name) or isinstance(getattr(a, "value", None), (int, float)) for a in operation.args.values())
            if len(operands) != 1 or not plain:
                continue
            kept = decision(self.policy, operation) and self.reads_kept(self.made.get(("kept", id(statement))))
            if kept or target in results:
                results[operands.pop()] = target if kept else results[target]
        return results

    def _liked(self, statement, twins):
        """A statement of the second function: of which only shape and dtype is read, that is not computed for it."""
        made = clone(statement)
        if isinstance(made, gast.Assign) and isinstance(made.value, gast.Call) and dotted(made.value.func) == "rt.like" \
                and len(made.value.args) == 1 and getattr(made.value.args[0], "id", None) in twins \
                and not self.assigned_twice & {made.value.args[0].id, twins[made.value.args[0].id]}:
            made.value.args[0] = name(twins[made.value.args[0].id], statement)
        return made

    def assignment(self, statement):
        operation = classify(statement.value, self.unit)
        if isinstance(operation, RuleCall):
            wanted = decision(self.policy, operation)
            return self.rule(statement, operation, wanted) if wanted else None
        return self.unit_call(statement, operation) if _callee(operation, self.policy, set()) else None

    def rule(self, statement, operation, wanted):
        targets = target_names(statement.targets[0])
        kept = self.name_of("kept", statement, f"{stem(targets[0])}_kept")
        if not self.reads_kept(kept):
            return None
        if len(targets) == 1 and isinstance(statement.targets[0], gast.Name):
            made, unpack = targets[0], []
        else:
            made = self.name_of("whole", statement, "whole")
            unpack = [assign(targets, made, statement)]
        run = assign(made, clone(statement.value), statement)
        recorded = name(made, statement)
        if wanted == "unbatched":
            args = operation.args
            operands = [args[p] for p in operation.rule.params[:2]]
            recorded = call("rt.unless_batched", [recorded, *map(clone, operands), clone(args.get("spec", const(None)))], node=statement)
        elif wanted == "ask":
            asked = self.name_of("policy", self.unit, "policy")
            self.env[asked] = self.policy
            operands = [a for v in operation.args.values() for a in (v if isinstance(v, list) else [v]) if isinstance(a, gast.Name)]
            given = operation.args["name"] if operation.rule.name == "checkpoint_name" else const(None)
            recorded = call("rt.if_policy_keeps", [recorded, name(asked), const(operation.rule.name),
                                                   pack([clone(a) for a in operands]), clone(given)], node=statement)
        value = name(kept, statement)
        again = [assign(made, call("rt.fenced_leaf", [value], node=statement) if self.policy.fences else value, statement)]
        if wanted is not True:
            test = gast.Compare(name(kept, statement), [gast.Is()], [const(None, statement)])
            again = [branch(at(test, statement), [clone(run)], again, statement)]
        return [run, *unpack, assign(kept, recorded, statement)], [*again, *map(clone, unpack)], [kept]

    def unit_call(self, statement, operation):
        parts = self.needs.get(statement, (BOTH, BOTH))
        made = split(operation.unit, self.policy, *parts)
        targets = target_names(statement.targets[0])
        kept = self.name_of("kept", statement, f"{stem_of(operation.unit)}_kept")
        paired = len(targets) == 2 or not isinstance(statement.targets[0], gast.Name)

        def unpacked(part, value):
            if not paired:
                return assign(targets[0], value, statement)
            if part != BOTH:
                return assign(targets[part == SECOND], value, statement)
            return assign(targets, value, statement)
        args = operation.args
        result = self.name_of("result", statement, "result")
        first = [assign([result, kept], call(name(self.refer(made.keep), statement), [clone(a) for a in args], node=statement), statement),
                 unpacked(parts[0], result)]
        second = [unpacked(parts[1], call(name(self.refer(made.again), statement), [*(clone(a) for a in args), name(kept)],
                                          node=statement))]
        return first, second, [kept]

    def conditional(self, statement):
        one, one_again, kept = self.block(statement.body)
        two, two_again, kept_else = self.block(statement.orelse)
        kept += kept_else
        inits = [assign(k, reference("rt.UNDEFINED"), statement) for k in kept]
        return ([*inits, branch(clone(statement.test), one, two, statement)],
                [branch(clone(statement.test), one_again, two_again, statement)], kept)

    def loop(self, statement):
        body, again, kept = self.block(statement.body)
        kept = [k for k in kept if self.reads_kept(k)]
        if not kept:
            return None
        tape, pair, record = (self.name_of(n, statement, b) for n, b in (("tape", "kept_tape"), ("pair", "pair"), ("record", "record")))
        value = name(kept[0]) if len(kept) == 1 else pack(kept)
        target = clone(statement.target)
        body.append(assign(tape, call("rt.append", [name(tape), value], node=statement), statement))
        first = [assign(tape, at(gast.List([], gast.Load()), statement), statement),
                 at(gast.For(clone(target), clone(statement.iter), body, [], None), statement)]
        own = kept[0] if len(kept) == 1 else record
        again.insert(0, assign([target.id, own], pair, statement))
        if len(kept) > 1:
            again.insert(1, assign(kept, record, statement))
        both = call("rt.builtins.zip", [clone(statement.iter), name(tape)], node=statement)
        second = [at(gast.For(gast.Name(pair, gast.Store(), None, None), both, again, [], None), statement)]
        return first, second, [tape]
