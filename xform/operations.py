"""Classify core values: which operation a statement performs, in terms that every pass shares."""
from __future__ import annotations

import builtins
import types
from dataclasses import dataclass, field
from typing import Any

import gast

from runtime.op import Rule, rule_of
from xform import parse
from xform.desugar.functions import unit_of
from xform.desugar.targets import as_expression
from xform.errors import TransformError
from xform.library import BINARY, COMPARE, STATIC_ATTRIBUTES, STATIC_BUILTINS, TEXT_METHODS, UNARY, is_runtime, lookup
from xform.syntax import const, dotted
from xform.unit import Unit


@dataclass
class Copy:
    """``y = x`` or a constant."""
    atom: Any


@dataclass
class Pack:
    """A tuple, list or dict display."""
    node: Any
    items: list


@dataclass
class RuleCall:
    """An op with a rule; ``args`` maps its parameters to atoms (a variadic parameter to a list of atoms)."""
    rule: Rule
    args: dict
    path: str
    node: Any
    given: tuple = ()


@dataclass
class UnitCall:
    """A call of a function that has a unit."""
    callee: Any                 # the object in env, or a runtime library function
    args: list
    node: Any
    path: str = ""
    _unit: Any = None

    @property
    def unit(self) -> Unit:
        if self._unit is None:
            self._unit = self.callee if isinstance(self.callee, Unit) else unit_of(self.callee)
        return self._unit

    @property
    def readable(self) -> bool:
        """Whether the callee can be read: if not, and nothing flows through it that is transformed, it is called as it is."""
        try:
            return self.unit is not None
        except TransformError:
            return False


@dataclass
class CustomCall:
    """A call of a function with user-defined derivatives."""
    custom: Any
    args: list
    node: Any


@dataclass
class Static:
    """No derivative flows: comparisons, shapes, len, print ..."""
    node: Any


@dataclass
class Opaque:
    """Something that the compiler cannot see into; ``what`` names it for an error message."""
    node: Any
    what: str
    hint: str = ""
    operands: list = field(default_factory=list)


def classify(value, unit):
    """The operation that a core value performs."""
    if isinstance(value, (gast.Name, gast.Constant)):
        return Copy(value)
    if isinstance(value, (gast.Tuple, gast.List)):
        return Pack(value, list(value.elts))
    if isinstance(value, gast.Dict):
        return Pack(value, list(value.values))
    if isinstance(value, gast.BinOp):
        return _rule_call(BINARY[type(value.op)], [value.left, value.right], {}, value)
    if isinstance(value, gast.UnaryOp):
        if isinstance(value.op, gast.Not):
            return Static(value)
        return _rule_call(UNARY[type(value.op)], [value.operand], {}, value)
    if isinstance(value, gast.Compare):
        path = COMPARE.get(type(value.ops[0]))
        if path is None:
            return Static(value)    # is, in: never batched or differentiated
        return _rule_call(path, [value.left, value.comparators[0]], {}, value)
    if isinstance(value, gast.Subscript):
        return _rule_call("rt.getitem", [value.value, as_expression(value.slice)], {}, value)
    if isinstance(value, gast.Attribute):
        path = dotted(value)
        if path and lookup(path) is not None and path.split(".")[0] not in unit.params:
            return Copy(value)
        if value.attr in STATIC_ATTRIBUTES:
            return Static(value)
        return _rule_call("rt.attribute", [value.value, const(value.attr)], {}, value)
    if isinstance(value, gast.Call):
        return _call(value, unit)
    if isinstance(value, (gast.JoinedStr, gast.Set)):
        return Static(value)
    raise AssertionError(f"not a core value: {gast.dump(value)[:200]}")


def _call(node, unit):
    args = [a.value if isinstance(a, gast.Starred) else a for a in node.args]
    keywords = {k.arg: k.value for k in node.keywords}
    operands = args + list(keywords.values())
    path = dotted(node.func)
    head = path.split(".")[0]
    if head in ("np", "rt", "lax", "nn", "random") and lookup(path) is not None:
        target = lookup(path)
        if rule_of(target) is not None:
            if any(isinstance(a, gast.Starred) for a in node.args):
                return Opaque(node, f"{path} with *args", "Spell the arguments out.", operands)
            return _rule_call(path, args, keywords, node)
        if path in ("rt.partial", "rt.defaulted"):    # made by desugar.stored
            return Opaque(node, "a function that holds values of its own and is kept in a list or given back", "Keep the values, and call one "
                          "function with them: for k in ks: y = f(y, k). A comprehension of lambdas in place of the loop works, too.", operands)
        if isinstance(target, types.FunctionType):
            return _unit_call(target, node, args, keywords, path)
        return Opaque(node, path, operands=operands)
    if isinstance(node.func, gast.Name):
        target = unit.env.get(path)
        if isinstance(target, types.FunctionType) and rule_of(target) is not None:
            return _rule_call(path, args, keywords, node, rule_of(target))
        if isinstance(target, (Unit, types.FunctionType)):
            return _unit_call(target, node, args, keywords, path)
        if hasattr(type(target), "_xform_custom"):
            return CustomCall(target, args, node)
        if (target is getattr or target is None and path == "getattr") and path not in unit.params and _names_structure(args):
            return Static(node)
        if target is None and hasattr(builtins, path) and path not in unit.params:
            found = getattr(builtins, path)
            if path in STATIC_BUILTINS or isinstance(found, type) and issubclass(found, BaseException):
                return Static(node)
            return Opaque(node, f"{path}()", "Write it out with a loop or with xform.numpy.", operands)
        if target is not None:
            return Opaque(node, f"{path} ({type(target).__name__})", getattr(type(target), "_xform_opaque", ""), operands)
        return Opaque(node, f"{path}, which is a value made at run time",
                      "Define the function where it is called, or pass it to the transformation as an argument of the "
                      "function that is transformed.", operands + [node.func])
    if node.func.attr in TEXT_METHODS:
        return Static(node)
    return Opaque(node, f"method .{node.func.attr}()", "Call a function instead.", operands + [node.func.value])


def _names_structure(args):
    """Tell whether a getattr asks ``getattr(x, "dtype", other)``: what ``x.dtype`` is, a value that no derivative flows through."""
    return len(args) > 1 and isinstance(args[1], gast.Constant) and args[1].value in STATIC_ATTRIBUTES


def _unit_call(target, node, args, keywords, path):
    if keywords or any(isinstance(a, gast.Starred) for a in node.args):
        unit = target if isinstance(target, Unit) else unit_of(target)
        if _star_among_named(unit, node.args):
            return Opaque(node, f"{path} with *args", "Call the function by its name, or spell the arguments out.",
                          args + list(keywords.values()))
        args = _bind(unit, node, keywords)
    elif isinstance(target, types.FunctionType) and is_runtime(target):
        args = _bind(unit_of(target), node, {})
    return UnitCall(target, args, node, path)


def _star_among_named(unit, args):
    """Whether *args stands where parameters with names may still be unbound."""
    named = 0
    for param in unit.signature.parameters.values():
        if param.kind is param.VAR_POSITIONAL:
            return any(isinstance(a, gast.Starred) for a in args[:named])
        named += 1
    return any(isinstance(a, gast.Starred) for a in args)


def _bind(unit, node, keywords):
    """Arguments in parameter order, for calls of library functions that use keywords or defaults."""
    bound = unit.signature.bind(*node.args, **keywords)
    made = []
    for param in unit.signature.parameters.values():
        if param.kind is param.VAR_POSITIONAL:
            rest = bound.arguments.get(param.name, ())
            if len(rest) == 1 and isinstance(rest[0], gast.Starred):
                made.append(rest[0].value)
            else:
                assert not rest, f"arguments for *{param.name} of {unit.name} are not packed"
                made.append(gast.Tuple([], gast.Load()))
        elif param.kind is param.VAR_KEYWORD:
            rest = bound.arguments.get(param.name, {})
            made.append(gast.Dict([const(k) for k in rest], list(rest.values())))
        elif param.name in bound.arguments:
            made.append(bound.arguments[param.name])
        else:
            default = param.default
            made.append(default if isinstance(default, gast.AST) else constant(default))
    assert len(made) == len(parse.signature(unit.function).parameters) if unit.function else True
    return made


def constant(value):
    """A Python constant (numbers, strings, None, tuples of these) as an expression."""
    if isinstance(value, tuple):
        return gast.Tuple([constant(v) for v in value], gast.Load())
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        inf = gast.Attribute(gast.Name("np", gast.Load(), None, None), "inf", gast.Load())
        return inf if value > 0 else gast.UnaryOp(gast.USub(), inf)
    from xform.library import canonical, dtype_path
    if not isinstance(value, (int, float, complex, str, bool, type(None))):
        path = canonical(value)
        path = path or dtype_path(value)
        if path:
            from xform.syntax import reference
            return reference(path)
    return const(value)


def _rule_call(path, args, keywords, node, rule=None):
    rule = rule or rule_of(lookup(path))
    if rule is None:
        return Opaque(node, path, "No derivative or batching rule is registered for it.", args + list(keywords.values()))
    bound, positional = {}, [p for p in rule.params if p != rule.variadic]
    if rule.variadic is not None:
        before = list(rule.params).index(rule.variadic)
        for param, atom in zip(rule.params[:before], args):
            bound[param] = atom
        bound[rule.variadic] = list(args[before:])
    else:
        if len(args) > len(positional):
            return Opaque(node, path, f"{path} takes {len(positional)} arguments.", args)
        bound.update(zip(positional, args))
    strange = [param for param in keywords if param not in rule.params]
    if strange:
        return Opaque(node, path, f"{path} got an unexpected keyword argument {strange[0]!r}.", args)
    bound.update(keywords)
    given = tuple(bound)
    operands = rule.partials is not None or rule.constant and rule.elementwise      # all that such an op has: None is an option left out
    for param in positional:
        if param not in bound and param in rule.defaults and not (operands and rule.defaults[param] is None):
            bound[param] = constant(rule.defaults[param])
    return RuleCall(rule, {p: bound[p] for p in rule.params if p in bound}, path, node, given)


def atoms_of(operation):
    """The atoms that an operation reads (index expressions included)."""
    if isinstance(operation, Copy):
        return [operation.atom]
    if isinstance(operation, Pack):
        return [i.value if isinstance(i, gast.Starred) else i for i in operation.items]
    if isinstance(operation, RuleCall):
        return [a for v in operation.args.values() for a in (v if isinstance(v, list) else [v])]
    if isinstance(operation, (UnitCall, CustomCall)):
        return operation.args
    if isinstance(operation, Opaque):
        return operation.operands
    return []
