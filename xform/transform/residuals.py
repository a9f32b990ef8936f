"""Decide what the forward half records, and write both halves: residuals hold exactly what the backward half reads.

A value of which only shape and dtype are read (every use is ``like=``) is recorded as ``rt.like(value)``. A value that is
defined inside a loop goes into the loop's record, one that some paths leave unassigned
enters the record as rt.UNDEFINED.
"""
from __future__ import annotations

import gast

from xform.flow import may_be_undefined
from xform.syntax import (assign, assigned, at, blocks, call, clone, function, head_length, name, nodes_of, pack,
                          reads, reference, rename, returns, target_names)


def fill(run, versioned, backward, d_out, fwd, bwd):
    """Complete the halves: ``backward`` is the generated backward body, without its residuals."""
    forward = versioned.tree.body
    recorder = _Recorder(run, versioned)
    needed = recorder.in_order(recorder.region(backward, None))
    residuals, records = recorder.tokens(needed, backward, set(versioned.params))
    for inserted in recorder.inits(forward[:-1], needed, versioned.params):
        forward.insert(0, inserted)
    _forward_calls(run, forward, recorder.read, fwd)
    last = forward[-1]
    forward[-1] = returns(pack([last.value, records[0] if len(records) == 1 else pack(records)]), last)
    # forward half
    fwd.temps |= versioned.temps
    fwd.tree = function(fwd.name, versioned.params, forward, versioned.tree)
    fwd.signature = versioned.signature
    # backward half
    taken = residuals[0] if len(residuals) == 1 else run.names.fresh("residuals")
    if len(residuals) > 1:
        backward.insert(0, assign(residuals, taken))
    bwd.temps |= run.temps
    bwd.env.update(run.env)
    bwd.tree = function(bwd.name, [taken, d_out], backward, versioned.tree)


class _Recorder:
    def __init__(self, run, versioned):
        self.run, self.versioned = run, versioned
        self.read = set()       # every primal name that the backward half reads

    def region(self, statements, loop):
        """Primal names that a region of the backward half takes from its record; fills nested loops' records."""
        found = {}
        self._collect(statements, found)
        self.read |= set(found)
        return list(found)

    def in_order(self, needed):
        """Names in the order in which the primal defines them, parameters first."""
        order = {n: i for i, n in enumerate(
            [*self.versioned.params, *_definition_order(self.versioned.tree.body, self.run)])}
        return sorted(needed, key=lambda n: order.get(n, len(order)))

    def _collect(self, statements, found):
        for statement in statements:
            own = ([statement.test] if isinstance(statement, (gast.If, gast.While)) else
                   [statement.iter] if isinstance(statement, gast.For) else [statement])
            for part in own:
                found.update(dict.fromkeys(n for n in reads(part) if n in self.run.primal))
            if isinstance(statement, gast.For):
                tape, record = self.run.tape_of(statement)
                found.update(dict.fromkeys(n for n in reads(statement.iter) if n in self.run.primal and n != tape))
                self._loop(statement, self.run.loops[tape], tape, record, found)
            else:
                for block in blocks(statement):
                    self._collect(block, found)

    def _loop(self, backward, forward, tape, record_name, found):
        """Write the record of one loop: the append in the forward half, the unpacking in the backward half."""
        inner = {}
        self._collect(backward.body, inner)
        defined = set(assigned(forward.body)) | set(
            target_names(forward.target) if isinstance(forward, gast.For) else [])
        defined |= {r for r, (s, _, _) in self.run.residual_calls.items() if _contains(forward.body, s)}
        defined |= {t for t, loop in self.run.loops.items() if _contains(forward.body, loop)}
        own = self.in_order([n for n in inner if n in defined])
        self.read |= set(own)
        found.update(dict.fromkeys(n for n in inner if n not in defined))
        fields, record = self.tokens(own, backward.body, set())
        value = record[0] if len(record) == 1 else pack(record)
        head = head_length(forward)
        at_index = self._position(forward, own, head)
        forward.body.insert(at_index, assign(tape, call("rt.append", [name(tape), value], node=forward), forward))
        for inserted in self.inits(forward.body[head:at_index], own, ()):
            forward.body.insert(head, inserted)
        self._insert_before(self.versioned.tree.body, forward,
                            assign(tape, at(gast.List([], gast.Load()), forward), forward))
        if len(fields) == 1:
            rename(backward.target, {record_name: fields[0]})
            for statement in backward.body:
                rename(statement, {record_name: fields[0]})
        elif fields:
            place = next((i + 1 for i, s in enumerate(backward.body) if isinstance(s, gast.Assign) and record_name in assigned([s])), 0)
            backward.body.insert(place, assign(fields, record_name, backward))

    def _position(self, forward, own, head):
        """The earliest point of the loop's body at which everything recorded has been assigned."""
        wanted, position = set(own), head
        tails = self._tail_copies(forward)
        for index, statement in enumerate(forward.body):
            if index < head or index in tails:
                continue
            made = set(assigned([statement]))
            for residual, (origin, _, _) in self.run.residual_calls.items():
                if residual in wanted and (origin is statement or _contains([statement], origin)):
                    made.add(residual)
            for tape, loop in self.run.loops.items():
                if tape in wanted and (loop is statement or _contains([statement], loop)):
                    made.add(tape)
            if made & wanted:
                position = index + 1
        return position

    @staticmethod
    def _tail_copies(forward):
        """Indices of the copies to the loop's head names that end its body."""
        found, index = set(), len(forward.body) - 1
        while index >= 0:
            statement = forward.body[index]
            if not (isinstance(statement, gast.Assign) and isinstance(statement.value, gast.Name)
                    and isinstance(statement.targets[0], gast.Name)):
                break
            found.add(index)
            index -= 1
        return found

    def inits(self, statements, needed, params):
        """``name = rt.UNDEFINED`` for what some paths leave unassigned."""
        made = []
        own = set(assigned(statements))
        for identifier in needed:
            if identifier in params:
                continue
            call_of, loop = self.run.residual_calls.get(identifier), self.run.loops.get(identifier)
            if call_of is not None:     # residuals are defined where their call's result is
                missing = _contains(statements, call_of[0]) and call_of[0] not in statements
            elif loop is not None:      # a tape is made just before its loop
                missing = _contains(statements, loop) and loop not in statements
            else:
                missing = identifier in own and may_be_undefined(statements, identifier)
            if missing:
                made.append(assign(identifier, reference("rt.UNDEFINED")))
        return made

    def tokens(self, needed, statements, params):
        """Names and record expressions; a name read only as ``like=`` is recorded as rt.like(name)."""
        fields, record = [], []
        for identifier in needed:
            if identifier not in params and self._only_like(statements, identifier):
                token = self.run.names.fresh(f"{identifier}_like")
                for statement in statements:
                    rename(statement, {identifier: token})
                fields.append(token)
                record.append(call("rt.like", [name(identifier)]))
            else:
                fields.append(identifier)
                record.append(name(identifier))
        return fields, record

    def _only_like(self, statements, identifier):
        likes = total = 0
        for statement in statements:
            for node in nodes_of(statement):
                if isinstance(node, gast.keyword) and node.arg == "like" and isinstance(node.value, gast.Name):
                    likes += node.value.id == identifier
                elif isinstance(node, gast.Name) and isinstance(node.ctx, gast.Load):
                    total += node.id == identifier
        return likes == total

    def _insert_before(self, statements, wanted, made):
        for index, statement in enumerate(statements):
            if statement is wanted:
                statements.insert(index, made)
                return True
            if any(self._insert_before(block, wanted, made) for block in blocks(statement)):
                return True
        return False


def _definition_order(statements, run):
    """Names in definition order; residuals and tapes stand where they are made."""
    made = []
    residuals = {id(s): r for r, (s, _, _) in run.residual_calls.items()}
    tapes = {id(loop): tape for tape, loop in run.loops.items()}
    for statement in statements:
        if isinstance(statement, gast.Assign):
            made += [n for t in statement.targets for n in target_names(t)]
            if id(statement) in residuals:
                made.append(residuals[id(statement)])
        elif isinstance(statement, gast.For):
            made += target_names(statement.target)
        for block in blocks(statement):
            made += _definition_order(block, run)
        if id(statement) in tapes:
            made.append(tapes[id(statement)])
    return list(dict.fromkeys(made))


def _contains(statements, wanted):
    for statement in statements:
        if statement is wanted or any(_contains(block, wanted) for block in blocks(statement)):
            return True
    return False


def _forward_calls(run, statements, read, fwd):
    """Calls whose residuals the backward half reads become calls of the callee's forward half."""
    by_statement = {id(s): (residual, unit, args) for residual, (s, unit, args) in run.residual_calls.items()
                    if residual in read}

    def walk(block):
        for index, statement in enumerate(block):
            found = by_statement.get(id(statement))
            if found:
                residual, unit, args = found
                key = _refer(fwd, run, unit)
                block[index] = assign([statement.targets[0].id, residual],
                                      call(name(key, statement), [clone(a) for a in args], node=statement), statement)
            for inner in blocks(statement):
                walk(inner)
    walk(statements)


def _refer(fwd, run, unit):
    for key, value in fwd.env.items():
        if value is unit:
            return key
    key = run.names.fresh(unit.name)
    fwd.env[key] = unit
    return key
