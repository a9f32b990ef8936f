"""with: what an object's ``__enter__`` and ``__exit__`` do, and what a context manager's function does around its yield, stands around the body.

Before::

    with scaled(state, 2.0) as k:       # @contextmanager: state.push(by); yield state.top(); state.pop()
        y = x * k

After::

    k = scaled_enter(state, 2.0)
    y = x * k
    scaled_exit(state)

The same is done before each jump out of the body. What it would do where the body raises is left out: the call raises then.
"""
from __future__ import annotations

import ast
import contextlib
import inspect
import types
import warnings

import gast
import numpy

from xform import parse
from xform.desugar import attempts
from xform.desugar.exits import jumps_of
from xform.errors import refuse
from xform.resolve import Instance, Object, is_user_class
from xform.syntax import at, call, clone, const, name, target_names
from xform.unit import params_of

INERT = (numpy.errstate, warnings.catch_warnings, contextlib.nullcontext)
_MANAGED = contextlib.contextmanager(lambda: None).__code__
_parts: dict = {}       # code of a generator function, whether what it yields is bound -> its two halves


def entered(manager):
    """Stand for ``manager.__enter__()``."""


def left(manager, *failure):
    """Stand for ``manager.__exit__(*failure)``."""


METHODS = {entered: "__enter__", left: "__exit__"}


def expand_with(lowering, node):
    """The statements that a ``with`` stands for; further compound statements among them are left to the caller."""
    first, *more = node.items
    inner = node.body if not more else [at(gast.With(more, node.body, None), node)]
    context, target = first.context_expr, first.optional_vars
    known = lowering.known(context.func) if isinstance(context, gast.Call) else None
    value = known.value if isinstance(known, Object) else None
    if value is contextlib.suppress and target is None:
        kinds = context.args[0] if len(context.args) == 1 else at(gast.Tuple(context.args, gast.Load()), node)
        return [at(gast.Try(inner, [at(gast.ExceptHandler(kinds, None, [at(gast.Pass(), node)]), node)], [], []), node)]
    if value in INERT or getattr(value, "_xform_inert", False):
        if target is None:
            return inner
        if value is not contextlib.nullcontext or not isinstance(target, gast.Name):
            refuse_other(lowering, node)
        held = context.args[0] if context.args else const(None, node)
        return [at(gast.Assign([target], held, None), node), *inner]
    if getattr(value, "__code__", None) is _MANAGED:
        return _managed(lowering, value.__wrapped__, context, target, inner, node)
    method = inspect.getattr_static(_class_of(lowering, context.func.value), context.func.attr, None) if isinstance(
        context, gast.Call) and isinstance(context.func, gast.Attribute) else None
    if getattr(method, "__code__", None) is _MANAGED:
        whole = at(gast.Call(context.func, [context.func.value, *context.args], context.keywords), context)
        return _managed(lowering, method.__wrapped__, whole, target, inner, node)
    if not (isinstance(context, gast.Call) and (value is None or is_user_class(value)) or isinstance(context, (gast.Name, gast.Attribute))):
        refuse_other(lowering, node)
    manager = _fresh(lowering, "manager")
    lowering.counts[manager] = 1
    lowering.statics.update(entered__=Object(entered), left__=Object(left))
    enter = call("entered__", [name(manager, node)], node=node)
    leave = call("left__", [name(manager, node), *[const(None, node) for _ in range(3)]], node=node)
    return [at(gast.Assign([_store(manager, node)], context, None), node),
            at(gast.Expr(enter) if target is None else gast.Assign([target], enter, None), node),
            *_with_leave(lowering, inner, [at(gast.Expr(leave), node)])]


def _class_of(lowering, node):
    """The class of the object that an expression is, before the statements that make it are lowered; None for others."""
    known = lowering.known(node) if isinstance(node, (gast.Name, gast.Attribute)) else None
    if isinstance(known, Instance):
        return known.cls
    if known is not None or not isinstance(node, gast.Name) or node.id not in lowering.counts:
        return None
    pairs = [(t, s.value) for s in gast.walk(lowering.tree) if isinstance(s, gast.Assign) for t in s.targets]
    made = [v for target, value in pairs for t, v in (zip(target.elts, value.elts) if isinstance(target, gast.Tuple) and isinstance(
        value, gast.Tuple) and len(target.elts) == len(value.elts) and not any(
            isinstance(e, gast.Starred) for e in [*target.elts, *value.elts]) else [(target, value)]) if node.id in target_names(t)]
    found = {getattr(lowering.known(v.func), "value", None) if isinstance(v, gast.Call) and isinstance(v.func, gast.Name) else None for v in made}
    cls = found.pop() if len(found) == 1 and len(made) == lowering.counts[node.id] else None
    return cls if is_user_class(cls) else None


def refuse_other(lowering, node):
    """Refuse what does more than can be seen."""
    refuse(node, lowering.unit, "this with is not supported in a transformed function: what it sets up would not be in force "
           "in the derivative's code", "Move the with around the transformed call.")


def check_left(lowering, known, node):
    """Refuse an ``__exit__`` that may swallow what the body raises."""
    function = known.cls.__exit__
    for inner in gast.walk(parse.parse(function).tree):
        if isinstance(inner, gast.Return) and inner.value is not None and not (isinstance(inner.value, gast.Constant) and not inner.value.value):
            refuse(node, lowering.unit, f"{known.cls.__name__}.__exit__ returns something, so that it may swallow what the body raises",
                   "Let it return nothing, and write try/except where the body may raise.")


def _fresh(lowering, wanted):
    made = lowering.names.fresh(wanted)
    lowering.counts[made] = 2
    lowering.temps.add(made)
    return made


def _store(identifier, node):
    return at(gast.Name(identifier, gast.Store(), None, None), node)


def _with_leave(lowering, body, leave):
    """A body that is left by some statements, whichever way."""
    return [*attempts.before_jumps(lowering, body, leave, 0), *(() if jumps_of(body).always else leave)]


def check_called(lowering, value, node):
    """Refuse the call of a context manager's function where no ``with`` was read that it belongs to."""
    if getattr(value, "__code__", None) is _MANAGED:
        refuse(node, lowering.unit, f"the context manager {value.__name__} is a method of what is not known to be an object of one class where "
               "the with is read, or is called outside a with", "Give the object a name that is bound once: s = self.scale, then with s.by(2.0).")


# -- functions with @contextmanager ---------------------------------------------------------------------------------------------------------

def _managed(lowering, generator, context, target, body, node):
    enter, leave, kept, asked = _halves(lowering, generator, node, target is not None)
    try:
        bound = inspect.signature(generator).bind(*context.args, **{k.arg: k.value for k in context.keywords})
    except TypeError as error:
        refuse(context, lowering.unit, f"{generator.__name__}() {error}")
    if any(isinstance(a, gast.Starred) for a in context.args) or any(k.arg is None for k in context.keywords) or any(
            p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in bound.signature.parameters.values()):
        refuse(context, lowering.unit, "a context manager whose arguments are spread is not supported in a transformed function",
               "Write the arguments out.")
    assigned = {n.id for s in body for n in gast.walk(s) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Store)}
    made, given = [], {}
    for param, value in bound.arguments.items():
        if isinstance(value, gast.Name) and value.id in assigned and param in asked:
            refuse(node, lowering.unit, f"{value.id!r} is given to the context manager and assigned in the body of the with",
                   "Assign another name in the body.")
        if not isinstance(value, (gast.Name, gast.Constant)):
            held = _fresh(lowering, param)
            lowering.counts[held] = 1
            made.append(at(gast.Assign([_store(held, node)], value, None), node))
            value = name(held, node)
        given[param] = value
    for param in asked:
        default = bound.signature.parameters[param].default if param in bound.signature.parameters else None
        if param not in given and param not in kept:
            if not isinstance(default, (bool, int, float, str, type(None))):
                refuse(context, lowering.unit, f"the default of {param!r} is not known here", "Give it in the call.")
            given[param] = const(default, node)
    places = {k: _fresh(lowering, k) for k in kept}
    entering, leaving = f"{generator.__name__}_enter__{target is not None}", f"{generator.__name__}_exit__"
    lowering.statics.update({entering: Object(enter), leaving: Object(leave)})
    result = call(entering, [], {p: clone(v) for p, v in given.items() if p in bound.arguments}, node)
    targets = [target if target is not None else _store(_fresh(lowering, "entered"), node), *[_store(p, node) for p in places.values()]]
    made.append(at(gast.Assign([targets[0] if not kept else at(gast.Tuple(targets, gast.Store()), node)], result, None), node))
    last = at(gast.Expr(call(leaving, [name(places[p], node) if p in places else clone(given[p]) for p in asked], node=node)), node)
    return [*made, *_with_leave(lowering, body, [last])]


def _halves(lowering, generator, node, bound):
    """(function of what comes before the yield, of what comes behind, locals that the first gives the second, what that takes).

    bound: whether the with gives what is yielded a name.
    """
    found = _parts.get((generator.__code__, bound))
    if found is None:
        found = _parts[generator.__code__, bound] = _split(lowering, generator, node, bound)
    return found


def _split(lowering, generator, node, bound):
    def other(why):
        refuse(node, lowering.unit, f"the context manager {generator.__name__} {why}, which is not supported in a transformed function",
               "Write one yield at the top of the function, alone or in a try with a finally.")
    if generator.__closure__ or not inspect.isgeneratorfunction(generator):
        other("reads variables of a function around it")
    tree = parse.parse(generator).tree
    places = [i for i, s in enumerate(tree.body) if _yielded(s) is not None]
    if len(places) != 1 or sum(isinstance(n, (gast.Yield, gast.YieldFrom)) for n in gast.walk(tree)) != 1:
        other("yields otherwise than once")
    before, middle, after = tree.body[:places[0]], tree.body[places[0]], tree.body[places[0] + 1:]
    if isinstance(middle, gast.Try):
        after = [*middle.body[1:], *middle.finalbody, *after]
    if jumps_of(before).may or jumps_of(after).may:
        other("is left by a jump")
    params = params_of(tree)
    stored = {n.id for s in before for n in gast.walk(s) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Store)}
    read = {n.id for s in after for n in gast.walk(s) if isinstance(n, gast.Name)}
    kept = [n for n in sorted(stored) if n in read]
    asked = [*[p for p in params if p in read and p not in stored], *kept]
    value = _yielded(middle).value
    if value is None or not bound and isinstance(value, gast.Name):     # else an object would get another name
        value = const(None, middle)
    gives = value if not kept else at(gast.Tuple([value, *[name(k, middle) for k in kept]], gast.Load()), middle)
    enter = _function(generator, "enter", tree.args, [*before, at(gast.Return(gives), middle)])
    enter.__defaults__, enter.__kwdefaults__ = generator.__defaults__, generator.__kwdefaults__
    arguments = gast.arguments([at(gast.Name(p, gast.Param(), None, None), middle) for p in asked], [], None, [], [], None, [])
    return enter, _function(generator, "exit", arguments, after or [at(gast.Pass(), middle)]), kept, asked


def _yielded(statement):
    """The yield that a statement is, alone or first in a try that ends with a finally; None for others."""
    if isinstance(statement, gast.Try) and not statement.handlers and not statement.orelse:
        statement = statement.body[0]
    return statement.value if isinstance(statement, gast.Expr) and isinstance(statement.value, gast.Yield) else None


def _function(generator, part, arguments, body):
    """A function of a part of a generator function, in its module."""
    whole = parse.parse(generator).tree
    tree = gast.fix_missing_locations(at(gast.FunctionDef(f"{generator.__name__}_{part}", arguments, body, [], None, None, []), whole))
    module = ast.fix_missing_locations(gast.gast_to_ast(gast.Module([clone(tree)], [])))
    code = next(c for c in compile(module, generator.__code__.co_filename, "exec").co_consts if isinstance(c, types.CodeType))
    made = types.FunctionType(code, generator.__globals__, tree.name)
    made.__module__ = generator.__module__
    parse.given(made, tree)
    return made
