"""Structured single assignment: every assignment gets a name of its own; branches and loops join by copies.

Before::

    y = x
    while True:
        below = y < 10.0
        if not below:
            break
        y = y * rate
    return y

After::

    y = x
    y_1 = y
    while True:
        below = y_1 < 10.0
        if not below:
            break
        y_2 = y_1 * rate
        y_1 = y_2
    return y_1

The copies disappear again in simplify/coalesce.py wherever the names do not interfere.
"""
from __future__ import annotations

import gast

from xform.flow import liveness
from xform.names import Names, stem
from xform.syntax import (assign, assigned, at, branch, clone, head_length, is_exit, params_of, reads, reference, rename,
                          target_names)
from xform.unit import Unit


def version(unit) -> Unit:
    """Return the unit in structured single-assignment form."""
    tree = clone(unit.tree)
    run = _Versions(unit, tree)
    body = run.block(tree.body, {p: p for p in params_of(tree)})
    tree.body = body
    return Unit(unit.name, tree, unit.env, run.temps, unit.file, unit.origin, unit.boundary, list(unit.notes),
                dict(unit.reads), True, unit.function, signature=unit.signature, strange=unit.strange)


class _Versions:
    def __init__(self, unit, tree):
        self.facts = liveness(tree.body)
        every = {n.id for n in gast.walk(tree) if isinstance(n, gast.Name)}
        self.names = Names(every | set(unit.env) | set(params_of(tree)))
        self.seen = set(params_of(tree))
        self.temps = set(unit.temps)

    def new(self, variable):
        """A name for one more assignment to ``variable``."""
        if variable not in self.seen:
            self.seen.add(variable)
            return variable
        made = self.names.fresh(stem(variable))
        if variable in self.temps:
            self.temps.add(made)
        return made

    def use(self, node, env):
        return rename(node, {n: env[n] for n in set(reads(node)) if n in env})

    def block(self, statements, env):
        made = []
        for statement in statements:
            self.statement(statement, env, made)
        return made

    def statement(self, statement, env, made):
        if isinstance(statement, gast.Assign):
            statement.value = self.use(statement.value, env)
            for target in statement.targets:
                mapping = {}
                for variable in target_names(target):
                    mapping[variable] = env[variable] = self.new(variable)
                rename(target, mapping)
            made.append(statement)
        elif isinstance(statement, gast.If) and not is_exit(statement):
            made.append(self.conditional(statement, env))
        elif isinstance(statement, (gast.For, gast.While)):
            self.loop(statement, env, made)
        else:
            made.append(self.use(statement, env))

    def conditional(self, statement, env):
        live = self.facts.after[id(statement)]
        test = self.use(statement.test, env)
        env_body, env_else = dict(env), dict(env)
        body = self.block(statement.body, env_body)
        orelse = self.block(statement.orelse, env_else)
        for variable in dict.fromkeys([*env_body, *env_else]):
            one, two = env_body.get(variable), env_else.get(variable)
            if one == two:
                continue
            if variable not in live:
                continue
            joined = self.new(variable)
            for side, source in ((body, one), (orelse, two)):
                side.append(assign(joined, source if source is not None else reference("rt.UNDEFINED"), statement))
            env[variable] = joined
        return branch(test, body or [gast.Pass()], orelse, statement)

    def loop(self, statement, env, made):
        head = self.facts.head[id(statement)]
        targets = target_names(statement.target) if isinstance(statement, gast.For) else []
        if isinstance(statement, gast.For):
            statement.iter = self.use(statement.iter, env)
        inside = dict.fromkeys([*assigned(statement.body), *targets])
        carried = {}
        for variable in inside:
            if variable in head:
                carried[variable] = self.new(variable) if variable in env or variable in self.seen else variable
                self.seen.add(variable)
                if variable in env:
                    made.append(assign(carried[variable], env[variable], statement))
                elif not _surely_assigned(statement.body, variable):
                    made.append(assign(carried[variable], reference("rt.UNDEFINED")))   # a branch may pass it on unset
                env[variable] = carried[variable]
        inner = dict(env)
        for variable in targets:
            fresh = self.new(variable)
            rename(statement.target, {variable: fresh})
            inner[variable] = fresh
        split = head_length(statement)
        body = self.block(statement.body[:split - 1], inner) if split else []
        if split:
            for variable, joined in carried.items():
                if inner[variable] != joined and variable in self.facts.after[id(statement)]:
                    body.append(assign(joined, inner[variable], statement))
                    inner[variable] = joined
            body.append(self.use(statement.body[split - 1], inner))
        body += self.block(statement.body[split:], inner)
        for variable, joined in carried.items():
            if inner[variable] != joined:
                body.append(assign(joined, inner[variable], statement))
        statement.body = body or [at(gast.Pass(), statement)]
        for variable in inside:
            if variable not in carried:
                env.pop(variable, None)
        made.append(statement)


def _surely_assigned(body, variable):
    """Whether the top level of a loop's body assigns the variable."""
    return any(isinstance(s, gast.Assign) and variable in target_names(s.targets[0]) for s in body)
