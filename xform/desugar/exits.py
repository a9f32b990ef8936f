"""Give a function one exit: return, break and continue become flags and nested ifs.

Before::

    for x in xs:
        if x > 3:
            return x
        total += x
    return total

After (``if broke: break`` at the head of a loop is the one exit that the core language has)::

    returned = False
    broke = False
    for x in xs:
        if broke:
            break
        if x > 3:
            out = x
            returned = True
            broke = True
        else:
            total += x
    if not returned:
        out = total
    return out
"""
from __future__ import annotations

from dataclasses import dataclass

import gast

from xform.syntax import assign, at, branch, const, exit_if, is_exit, name, negate, reads, returns, target_names


@dataclass(frozen=True)
class Jumps:
    """Which jumps out of a statement list are possible, and whether every path through it jumps."""
    may: frozenset = frozenset()
    always: bool = False


@dataclass
class _Loop:
    broke: str | None = None    # the flag that ends the loop, once something needs it


def single_exit(body, names, generated=False):
    """Rewrite a function body so that its only exit is a trailing return of a name or constant.

    generated: the body was made by xform, so that an exit in a loop's head is in its place already.
    Returns (statements, made-up names).
    """
    rewrite = _Rewrite(names)
    rewrite.generated = generated
    last = body[-1]
    if isinstance(last, gast.Return) and "return" not in jumps_of(body[:-1]).may:
        statements = rewrite.block(body[:-1], None)
        value = last.value if last.value is not None else const(None, last)
        if isinstance(value, (gast.Name, gast.Constant)):
            return statements + [returns(value, last)], rewrite.temps
        out = rewrite.fresh("out")
        return statements + [assign(out, value, last), returns(name(out, last), last)], rewrite.temps
    jumps = jumps_of(body)
    if "return" not in jumps.may:
        return rewrite.block(body, None) + [returns(const(None, last), last)], rewrite.temps
    rewrite.out = rewrite.fresh("out")
    if _returns_in_loop(body):
        rewrite.returned = rewrite.fresh("returned")
    statements = rewrite.block(body, None)
    first = [] if jumps.always else [assign(rewrite.out, const(None, body[0]), body[0])]
    if rewrite.returned:
        first.append(assign(rewrite.returned, const(False, body[0]), body[0]))
    return first + statements + [returns(name(rewrite.out, last), last)], rewrite.temps


def jumps_of(statements) -> Jumps:
    """Say which jumps leave a statement list, without changing it."""
    may = set()
    for statement in statements:
        if isinstance(statement, gast.Return):
            return Jumps(frozenset(may | {"return"}), True)
        if isinstance(statement, gast.Break):
            return Jumps(frozenset(may | {"break"}), True)
        if isinstance(statement, gast.Continue):
            return Jumps(frozenset(may | {"continue"}), True)
        if isinstance(statement, gast.Raise):
            return Jumps(frozenset(may), True)
        if isinstance(statement, gast.If):
            body, orelse = jumps_of(statement.body), jumps_of(statement.orelse)
            may |= body.may | orelse.may
            if body.always and orelse.always:
                return Jumps(frozenset(may), True)
        elif isinstance(statement, (gast.For, gast.While)):
            inside = jumps_of(statement.body).may
            may |= inside & {"return"}
            endless = isinstance(statement, gast.While) and isinstance(statement.test, gast.Constant) and statement.test.value
            if endless and "break" not in inside:
                return Jumps(frozenset(may), True)      # it is left by a return only
            may |= jumps_of(statement.orelse).may
    return Jumps(frozenset(may), False)


def _returns_in_loop(statements):
    for statement in statements:
        if isinstance(statement, (gast.For, gast.While)):
            if "return" in jumps_of(statement.body).may or _returns_in_loop(statement.orelse):
                return True
        elif isinstance(statement, gast.If):
            if _returns_in_loop(statement.body) or _returns_in_loop(statement.orelse):
                return True
    return False


def _canonical(loop, generated):
    """Split a loop's body after an exit that is in the core language's place already: (head, rest).

    What a user's ``while True`` does before its break is part of the turn; in generated code it is the test.
    """
    for index, statement in enumerate(loop.body):
        if is_exit(statement) and not statement.orelse:
            endless = generated and isinstance(loop, gast.While) and isinstance(loop.test, gast.Constant) and loop.test.value
            if (endless or isinstance(loop, gast.For) and index == 0
                           and not set(reads(statement.test)) & set(target_names(loop.target))) \
                    and not loop.orelse and not jumps_of(loop.body[:index]).may:
                return loop.body[:index + 1], loop.body[index + 1:]
            return [], loop.body
    return [], loop.body


class _Rewrite:
    def __init__(self, names):
        self.names = names
        self.temps = set()
        self.out = None
        self.returned = None
        self.generated = False

    def fresh(self, wanted):
        made = self.names.fresh(wanted)
        self.temps.add(made)
        return made

    def block(self, statements, loop, marks=()):
        """Rewrite a statement list inside ``loop``; every jump also sets the flags ``marks``."""
        made = []
        for index, statement in enumerate(statements):
            if isinstance(statement, (gast.Return, gast.Break, gast.Continue)):
                return made + self.jump(statement, loop, marks)
            rest = statements[index + 1:]
            if isinstance(statement, gast.If):
                if jumps_of([statement]).may or jumps_of([statement]).always:
                    return made + self.conditional(statement, rest, loop, marks)
                made.append(branch(statement.test, self.block(statement.body, loop, marks),
                                   self.block(statement.orelse, loop, marks), statement))
            elif isinstance(statement, (gast.For, gast.While)):
                finished, made_loop = self.loop(statement, rest, loop, marks)
                made += made_loop
                if finished:
                    return made
            else:
                made.append(statement)
        return made

    def jump(self, statement, loop, marks):
        made = []
        if isinstance(statement, gast.Return):
            value = statement.value if statement.value is not None else const(None, statement)
            made.append(assign(self.out, value, statement))
            if loop is not None:
                made.append(assign(self.returned, const(True, statement), statement))
        if loop is not None and not isinstance(statement, gast.Continue):
            made.append(assign(self.broke(loop), const(True, statement), statement))
        return made + [assign(mark, const(True, statement), statement) for mark in marks]

    def conditional(self, statement, rest, loop, marks):
        """An if that may jump; what follows it goes where no jump was made."""
        body, orelse = jumps_of(statement.body), jumps_of(statement.orelse)
        if body.always or orelse.always:
            follow_body = [] if body.always else rest
            follow_else = [] if orelse.always else rest
            # The rest is written once: in the one branch that can reach it.
            return [branch(statement.test,
                           self.block(list(statement.body) + list(follow_body), loop, marks) or [gast.Pass()],
                           self.block(list(statement.orelse) + list(follow_else), loop, marks), statement)]
        jumped = self.fresh("jumped")
        inner = tuple(marks) + (jumped,)
        made = [assign(jumped, const(False, statement), statement),
                branch(statement.test, self.block(statement.body, loop, inner),
                       self.block(statement.orelse, loop, inner), statement)]
        follow = self.block(rest, loop, marks)
        if follow:
            made.append(branch(negate(name(jumped, statement), statement), follow, [], statement))
        return made

    def loop(self, statement, rest, outer, marks):
        """Rewrite a loop and, where it may return or has an else, what follows. Returns (rest is done, statements)."""
        inner = _Loop()
        head, rest_of_body = _canonical(statement, self.generated)
        body = self.block(rest_of_body, inner)
        if head and inner.broke:    # another break inside: the head's is one among several
            inner.broke = None
            body = self.block(statement.body, inner)
        elif head:
            body = head + body
        may_return = "return" in jumps_of(statement.body).may
        made = []
        test = getattr(statement, "test", None)
        if inner.broke:
            made.append(assign(inner.broke, const(False, statement), statement))
            goes_on = negate(name(inner.broke, statement), statement)
            if isinstance(statement, gast.For):
                body = [exit_if(name(inner.broke, statement), statement)] + body
            elif isinstance(test, gast.Constant) and test.value:
                test = goes_on
            else:
                test = at(gast.BoolOp(gast.And(), [goes_on, test]), statement)
        if isinstance(statement, gast.For):
            new = gast.For(statement.target, statement.iter, body, [], None)
        else:
            new = gast.While(test, body, [])
        made.append(at(new, statement))
        if statement.orelse:
            if not inner.broke:
                return True, made + self.block(list(statement.orelse) + list(rest), outer, marks)
            unbroken = branch(negate(name(inner.broke, statement), statement), statement.orelse, [], statement)
            rest = [unbroken] + list(rest)
        if may_return:
            leave = []
            if outer is not None:
                leave.append(assign(self.broke(outer), const(True, statement), statement))
            leave += [assign(mark, const(True, statement), statement) for mark in marks]
            follow = self.block(rest, outer, marks)
            if follow or leave:
                made.append(branch(negate(name(self.returned, statement), statement), follow or [gast.Pass()], leave,
                                   statement))
            return True, made
        if statement.orelse:
            return True, made + self.block(rest, outer, marks)
        return False, made

    def broke(self, loop):
        if loop.broke is None:
            loop.broke = self.fresh("broke")
        return loop.broke
