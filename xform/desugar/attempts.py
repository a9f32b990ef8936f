"""try: a body that may raise is run as a function of its own, which says what it raised, and a branch goes on from there.

Before::

    try:
        y = table[key] * x
    except KeyError as error:
        y = x

After::

    def tried():
        y = table[key] * x
        return y
    failure, values = attempt(tried)()      # (None, y), or (what it raises, None)
    if failure is None:
        y = values
    elif isinstance(failure, KeyError):
        error = failure
        y = x
    else:
        raise failure

So a derivative flows through the code that runs, and whether it runs depends on no derivative. A body that makes objects or functions,
or is left by a jump before its end, is not run as a function: ``failure = trial(tried)()`` runs it by itself, and it stands again
in the branch.
"""
from __future__ import annotations

import types

import gast

import runtime
from xform import resolve
from xform.desugar.exits import jumps_of
from xform.errors import refuse
from xform.library import is_runtime
from xform.resolve import Closure, Display, Instance, Object
from xform.syntax import assign, at, branch, call, clone, const, name, negate, target_names

resolve.TRANSFORMATIONS.update({runtime.attempt: "attempt", runtime.trial: "trial"})
_FUNCTIONS = (gast.FunctionDef, gast.Lambda, gast.AsyncFunctionDef, gast.ClassDef)
_EFFECTS = frozenset({"print", "input", "breakpoint"})


def expand_try(lowering, node):
    """The statements that a ``try`` stands for; further compound statements among them are left to the caller."""
    if type(node).__name__ == "TryStar" or any(jumps_of([s]).may for s in node.finalbody):
        refuse(node, lowering.unit, "except* and jumps in a finally are not supported in a transformed function",
               "Move the try around the transformed call.")
    if node.finalbody:
        return _finally(lowering, node)
    return _except(lowering, node)


def _except(lowering, node):
    _check_left(lowering, node)
    failure, made, again = _tried(lowering, node.body, node)
    chain = [at(gast.Raise(name(failure, node), None), node)]
    for handler in reversed(node.handlers):
        body = [_reraised(clone(s), failure) for s in handler.body]
        if handler.name is not None:
            caught = handler.name.id if isinstance(handler.name, gast.Name) else handler.name
            lowering.counts[caught] = 2
            body.insert(0, assign(caught, name(failure, node), node))
        if handler.type is None:
            chain = body
        else:
            test = call("isinstance", [name(failure, node), handler.type], node=node)
            chain = [branch(test, body, chain, node)]
    fine = at(gast.Compare(name(failure, node), [gast.Is()], [const(None, node)]), node)
    return [*made, branch(fine, [*again, *node.orelse] or [at(gast.Pass(), node)], chain, node)]


def _finally(lowering, node):
    """The protected code with the last statements before each way out of it."""
    protected = list(node.body)
    if node.handlers:
        protected = [at(gast.Try(node.body, node.handlers, node.orelse, []), node)]
    for identifier in _stored(node.finalbody):
        lowering.counts[identifier] = lowering.counts.get(identifier, 0) + 2
    failure, made, again = _tried(lowering, protected, node)
    failed = negate(at(gast.Compare(name(failure, node), [gast.Is()], [const(None, node)]), node), node)
    last = [*map(clone, node.finalbody), at(gast.Raise(name(failure, node), None), node)]
    return [*made, branch(failed, last, [], node), *before_jumps(lowering, again, node.finalbody, 0), *node.finalbody]


def before_jumps(lowering, statements, last, depth):
    """Statements with what is done last before each jump out of them; depth: how many loops are around them."""
    made = []
    for statement in statements:
        if isinstance(statement, gast.Return) or depth == 0 and isinstance(statement, (gast.Break, gast.Continue)):
            if isinstance(statement, gast.Return) and statement.value is not None:
                held = lowering.names.fresh("out")
                lowering.counts[held] = 2
                lowering.temps.add(held)
                made.append(assign(held, statement.value, statement))
                statement = at(gast.Return(name(held, statement)), statement)
            made += [*map(clone, last), statement]
            continue
        inner = depth + isinstance(statement, (gast.For, gast.While))
        for field in ("body", "orelse", "handlers", "finalbody"):
            if isinstance(statement, _FUNCTIONS) or not getattr(statement, field, None):
                continue
            if field == "handlers":
                for handler in statement.handlers:
                    handler.body = before_jumps(lowering, handler.body, last, depth)
            else:
                setattr(statement, field, before_jumps(lowering, getattr(statement, field), last, inner if field == "body" else depth))
        made.append(statement)
    return made


def _tried(lowering, body, node):
    """(name of the failure, statements that run the body and find it out, those that come where there is none)."""
    if not _is_data(lowering, body):
        failure, made = _tried_before(lowering, body, node)
        return failure, made, body
    failure, values = lowering.names.fresh("failure"), lowering.names.fresh("values")
    lowering.counts.update({failure: 2, values: 2})
    lowering.temps |= {failure, values}
    result = body[-1] if isinstance(body[-1], gast.Return) else None
    inner = body if result is None else body[:-1]
    changed, sure = _changed(inner), set()
    exposed = may_read(body, sure)
    own = {id(n) for s in body for n in gast.walk(s)}
    others = [n for n in gast.walk(lowering.tree) if isinstance(n, gast.Name) and id(n) not in own]
    before = {n.id for n in others if not isinstance(n.ctx, gast.Load) and getattr(n, "lineno", 0) <= node.lineno}
    read = {n.id for n in others if isinstance(n.ctx, gast.Load)}
    given = [n for n in changed if n in lowering.counts and (n in exposed and n in _bound(others) or n in before and n in read and n not in sure)]
    wanted = [n for n in changed if n in read or n in given]
    copied = [assign(n, const(None, node), node) for n in wanted if n not in sure and n not in given]
    copied += _ended(inner, 0, {n for n in wanted if _stores(inner, n) == 1})
    out, gives = None, [name(n, node) for n in wanted]
    if result is not None and result.value is not None:
        out = lowering.names.fresh("out")
        lowering.counts[out] = 2
        lowering.temps.add(out)
        gives.insert(0, result.value)
    copied.append(at(gast.Return(_packed(gives, node)), node))
    function, asked = _function(lowering, "attempt__", given, copied, node)
    pair = at(gast.Tuple([_store(failure, node), _store(values, node)], gast.Store()), node)
    targets = [_store(n, node) for n in ([out] if out is not None else []) + wanted]
    again = [at(gast.Assign([targets[0] if len(targets) == 1 else at(gast.Tuple(targets, gast.Store()), node)], name(values, node), None),
                node)] if targets else []
    if result is not None:
        again.append(at(gast.Return(None if out is None else name(out, node)), result))
    return failure, [function, at(gast.Assign([pair], asked, None), node)], again


def _bound(nodes):
    return {n.id for n in nodes if not isinstance(n.ctx, gast.Load)}


def _store(identifier, node):
    return at(gast.Name(identifier, gast.Store(), None, None), node)


def _packed(items, node):
    if len(items) < 2:
        return items[0] if items else const(None, node)
    return at(gast.Tuple(items, gast.Load()), node)


def _function(lowering, mark, params, body, node):
    """(definition of a function of what a body changes, call of it)."""
    tried = lowering.names.fresh("tried")
    lowering.counts[tried] = 1
    lowering.statics.update(attempt__=Object(runtime.attempt), trial__=Object(runtime.trial), attempted__=Object(runtime.attempted))
    arguments = gast.arguments([at(gast.Name(p, gast.Param(), None, None), node) for p in params], [], None, [], [], None, [])
    function = at(gast.FunctionDef(tried, arguments, body, [name(mark, node)], None, None, []), node)
    return function, at(gast.Call(name(tried, node), [name(p, node) for p in params], []), node)


def _is_data(lowering, body):
    """Whether a body computes data alone, and leaves at its end alone: then it is run as a function of its own."""
    from xform.desugar.calls import UnitValue
    from xform.desugar.sequences import returns_function
    jumps = jumps_of(body[:-1] if isinstance(body[-1], gast.Return) else body)
    if jumps.may or _hidden_jumps(body[:-1] if isinstance(body[-1], gast.Return) else body):
        return False
    called = {id(n.func) for s in body for n in gast.walk(s) if isinstance(n, gast.Call)}
    for node in (n for s in body for n in gast.walk(s)):
        if isinstance(node, (gast.FunctionDef, gast.ClassDef, gast.Nonlocal, gast.Import, gast.ImportFrom)):
            return False
        if isinstance(node, gast.Assign) and isinstance(node.value, gast.Lambda) or isinstance(node, gast.Attribute) and isinstance(
                node.ctx, gast.Store):
            return False
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Load):
            known = lowering.known(node) if node.id not in lowering.counts or node.id in lowering.statics else None
            if isinstance(known, Instance) or isinstance(known, Display):
                return False
            if known is not None and id(node) not in called and resolve.is_static(known) and not (
                    isinstance(known, Object) and isinstance(known.value, (type, types.ModuleType))):
                return False
        if isinstance(node, gast.Call) and isinstance(node.func, (gast.Name, gast.Attribute)):
            root = node.func
            while isinstance(root, gast.Attribute):
                root = root.value
            if not isinstance(root, gast.Name) or root.id in lowering.counts and root.id not in lowering.statics:
                continue
            callee = lowering.known(node.func)
            value = callee.value if isinstance(callee, Object) else None
            if isinstance(value, type) and (resolve.is_user_class(value) or hasattr(value, "_fields")):
                return False
            if isinstance(callee, Closure) and not isinstance(callee.nested, UnitValue) and (
                    callee.nested.outer() or returns_function(callee)):
                return False
            if isinstance(value, types.FunctionType) and not is_runtime(value) and returns_function(callee):
                return False
    return True


def _hidden_jumps(body):
    """Whether jumps leave a body from inside a nested try."""
    def leaves(statements, depth):
        for statement in statements:
            if isinstance(statement, gast.Return) or not depth and isinstance(statement, (gast.Break, gast.Continue)):
                return True
            if isinstance(statement, _FUNCTIONS):
                continue
            inner = depth or isinstance(statement, (gast.For, gast.While))
            for field in ("body", "orelse", "finalbody"):
                if leaves(getattr(statement, field, None) or (), inner if field == "body" else depth):
                    return True
            for handler in getattr(statement, "handlers", None) or getattr(statement, "cases", None) or ():
                if leaves(handler.body, depth):
                    return True
        return False
    return leaves(body, 0)


def _changed(statements):
    """The names that statements bind in the function itself, and those of containers that they change."""
    inner = set()
    for node in (n for s in statements for n in gast.walk(s)):
        if isinstance(node, gast.comprehension):
            inner.update(target_names(node.target))
        elif isinstance(node, gast.ExceptHandler) and node.name is not None:
            inner.add(getattr(node.name, "id", node.name))
    return [n for n in _stored(statements) if n not in inner or _stores(statements, n) > 1]


def _stores(statements, identifier):
    return sum(isinstance(n, gast.Name) and n.id == identifier and isinstance(n.ctx, gast.Store) for s in statements for n in gast.walk(s))


def _tried_before(lowering, body, node):
    """(name of the failure, statements that find it out): the body, run by itself before it is run."""
    for inner in (n for s in body for n in gast.walk(s)):
        if isinstance(inner, gast.Call) and isinstance(inner.func, gast.Name) and inner.func.id in _EFFECTS \
                and inner.func.id not in lowering.counts:
            refuse(inner, lowering.unit, f"{inner.func.id}() inside a try that makes objects or functions, or that is left by a jump, is "
                   "not supported in a transformed function: whether the body raises is found out first", "Move it out of the try.")
    failure = lowering.names.fresh("failure")
    lowering.counts[failure] = 2
    lowering.temps.add(failure)
    changed, exposed = _stored(body), may_read(body)
    own = {id(n) for s in body for n in gast.walk(s)}
    outside = {n.id for n in gast.walk(lowering.tree) if isinstance(n, gast.Name) and not isinstance(n.ctx, gast.Load) and id(n) not in own}
    params = [n for n in changed if n in exposed and n in lowering.counts and n in outside]
    function, asked = _function(lowering, "trial__", params, _ended([clone(s) for s in body], 0), node)
    return failure, [function, assign(failure, asked, node)]


def _ended(statements, depth, settled=()):
    """A body as that of a function of its own: what it computes is wanted although nothing reads it, and jumps end it."""
    made = []
    for statement in statements:
        if isinstance(statement, gast.Return):
            if statement.value is not None:
                made.append(_wanted(statement.value, statement))
            return [*made, at(gast.Return(const(None, statement)), statement)]
        if depth == 0 and isinstance(statement, (gast.Break, gast.Continue)):
            return [*made, at(gast.Return(const(None, statement)), statement)]
        called = statement.value.func if isinstance(statement, gast.Expr) and isinstance(statement.value, gast.Call) else None
        if isinstance(statement, gast.Expr) and not (
                isinstance(called, gast.Attribute) and _stored([statement])) and getattr(called, "id", None) not in ("attempted__", *_EFFECTS):
            made.append(_wanted(statement.value, statement))
            continue
        if not isinstance(statement, _FUNCTIONS):
            inner = depth + isinstance(statement, (gast.For, gast.While))
            for field in ("body", "orelse", "finalbody"):
                if getattr(statement, field, None):
                    setattr(statement, field, _ended(getattr(statement, field), inner if field == "body" else depth, settled))
            for handler in getattr(statement, "handlers", ()):
                handler.body = _ended(handler.body, depth, settled)
        made.append(statement)
        if isinstance(statement, (gast.Assign, gast.AugAssign, gast.AnnAssign)) or called is not None:
            made += [_wanted(name(n, statement), statement) for n in _stored([statement]) if n not in settled]
    return made


def _wanted(value, node):
    return at(gast.Expr(at(gast.Call(name("attempted__", node), [value], []), node)), node)


def _reraised(statement, failure):
    """A handler's statement with ``raise`` naming what it raises again."""
    for inner in gast.walk(statement):
        if isinstance(inner, gast.Raise) and inner.exc is None:
            inner.exc = name(failure, inner)
    return statement


# -- what a body that fails may have left behind -------------------------------------------------------------------------------

def _check_left(lowering, node):
    """Refuse a body that assigns what is read after it failed: its code then seems not to have run at all."""
    done = _done_last(node.body[-1])
    inner = [n for s in node.body[:-1] for n in _stored([s])] + [
        n for part in gast.iter_child_nodes(node.body[-1]) for n in _stored([part])]
    at_risk = [n for n in _stored(node.body) if n not in done or inner.count(n) > 1 or n in _stored(node.body[:-1])]
    own = {id(n) for s in node.body for n in gast.walk(s)}
    inside = {id(n) for h in node.handlers for n in gast.walk(h)}
    for identifier in at_risk:
        elsewhere = any(isinstance(n, gast.Name) and n.id == identifier and isinstance(n.ctx, gast.Load)
                        and id(n) not in own and id(n) not in inside for n in gast.walk(lowering.tree))
        for handler in node.handlers:
            settled = identifier in _surely(handler.body)
            if identifier in may_read(handler.body) or elsewhere and not settled and not jumps_of(handler.body).always:
                refuse(node, lowering.unit, f"{identifier!r} is assigned in the try, before it may fail, and read after that",
                       "Assign it in the last statement of the try, in every except, or in the else.")


def _done_last(statement):
    """The names that a statement changes after everything in it that may fail."""
    if isinstance(statement, gast.Assign):
        return [n for t in statement.targets for n in _stored([t])]
    if isinstance(statement, gast.AugAssign):
        return target_names(statement.target)
    called = statement.value.func if isinstance(statement, gast.Expr) and isinstance(statement.value, gast.Call) else None
    return [called.value.id] if isinstance(called, gast.Attribute) and isinstance(called.value, gast.Name) else []


def _surely(statements):
    """The names that the statements themselves assign, whatever branches within do."""
    return {n for s in statements if isinstance(s, gast.Assign) for t in s.targets for n in target_names(t)}


def _stored(statements):
    """The names that statements bind, and those of containers that they change."""
    from xform.desugar.methods import MUTATIONS, POPS
    found = {}
    for node in (n for s in statements for n in gast.walk(s)):
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Store):
            found[node.id] = None
        elif isinstance(node, gast.AugAssign):
            found.update(dict.fromkeys(target_names(node.target)))
        base = None
        if isinstance(node, gast.Subscript) and isinstance(node.ctx, gast.Store):
            base = node.value
        elif isinstance(node, gast.Call) and isinstance(node.func, gast.Attribute) and node.func.attr in (*MUTATIONS, *POPS):
            base = node.func.value
        while isinstance(base, (gast.Subscript, gast.Attribute)):
            base = base.value
        if isinstance(base, gast.Name):
            found[base.id] = None
    return list(found)


def may_read(statements, assigned=None):
    """The names that statements may read before they assign them; adds to ``assigned`` what they surely assign."""
    assigned, found = set() if assigned is None else assigned, set()
    for statement in statements:
        if isinstance(statement, (gast.If, gast.For, gast.While)):
            head = statement.iter if isinstance(statement, gast.For) else statement.test
            found |= _loads(head) - assigned
            inner = assigned | set(target_names(statement.target) if isinstance(statement, gast.For) else ())
            body, orelse = set(inner), set(assigned)
            found |= may_read(statement.body, body) | may_read(statement.orelse, orelse)
            if isinstance(statement, gast.If):
                assigned |= body & orelse
        elif hasattr(statement, "handlers"):
            body = set(assigned)
            found |= may_read(statement.body, body) | may_read(statement.orelse, body)
            ways = [body]
            for handler in statement.handlers:
                caught = {getattr(handler.name, "id", handler.name)} - {None}
                found |= (_loads(handler.type) if handler.type is not None else set()) - assigned
                handled = assigned | caught
                found |= may_read(handler.body, handled)
                ways += [] if jumps_of(handler.body).always else [handled]
            found |= may_read(statement.finalbody, set(assigned))
            assigned |= set.intersection(*ways)
            may_read(statement.finalbody, assigned)
        else:
            found |= _loads(statement) - assigned
            if isinstance(statement, gast.AugAssign):
                found |= set(target_names(statement.target)) - assigned
            elif isinstance(statement, gast.Assign):
                assigned |= _surely([statement])
            elif isinstance(statement, gast.FunctionDef):
                assigned.add(statement.name)
    return found


def _loads(node):
    """The names that an expression or simple statement reads, but for those that its comprehensions and functions bind."""
    nodes = list(gast.walk(node))
    bound = {n for c in nodes if isinstance(c, gast.comprehension) for n in target_names(c.target)}
    bound |= {a.id for f in nodes if isinstance(f, gast.arguments) for a in [*f.args, *f.posonlyargs, *f.kwonlyargs]}
    return {n.id for n in nodes if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Load)} - bound
