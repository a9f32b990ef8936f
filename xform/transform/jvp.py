"""Forward mode: every active value travels with its tangent.

Before::

    def f(x, rate):
        y = x * rate
        return y

After::

    def f_jvp(x, rate, x_dot, rate_dot):
        y_dot = x_dot * rate + x * rate_dot
        y = x * rate
        return y, y_dot
"""
from __future__ import annotations

import gast

from xform.analyze.activity import activity
from xform.analyze.effects import pure_in
from xform.analyze.lists import lists
from xform.analyze.zeros import BARE, KNOWN, flags_of, zeros
from xform.errors import pointing
from xform.memo import Memo
from xform.names import Names, stem
from xform.operations import Copy, CustomCall, Pack, RuleCall, UnitCall, classify
from xform.simplify import simplify
from xform.simplify.algebra import simplified
from xform.syntax import (assign, at, branch, call, clone, function, is_exit, name, nodes_of, note_derivative, pack, reads, reference,
                          returns, target_names)
from xform.template import instantiate
from xform.transform.strangers import checked
from xform.unit import GUARDED, Unit, in_form
from xform.version import version

_memo = Memo()


def jvp(unit, flags) -> Unit:
    """Build ``f_jvp(*primals, *tangents of the active ones) -> (out, out_dot)``."""
    key = (unit, tuple(flags))
    if key not in _memo:
        made = Unit(f"{unit.name}_jvp", None, dict(unit.env), set(), unit.file, unit.origin)
        _memo[key] = made
        try:
            _Forward(unit, flags, made).run()
        except BaseException:
            del _memo[key]
            raise
    return _memo[key]


class _Forward:
    def __init__(self, unit, flags, made):
        from xform.pipeline import core
        self.unit = checked(version(core(in_form(unit, GUARDED))), flags)
        self.flags, self.made = flags, made
        made.env, made.reads = dict(self.unit.env), dict(self.unit.reads)
        self.facts = activity(self.unit, flags)
        self.lists = lists(self.unit)
        self.zeros = zeros(self.unit, flags, self.facts.varied)
        self.names = Names({n.id for n in nodes_of(self.unit.tree) if isinstance(n, gast.Name)}
                           | set(self.unit.params) | set(unit.env))
        self.dots = {}
        self.made.temps = set(self.unit.temps)

    def run(self):
        body = self.block(self.unit.tree.body[:-1])
        last = self.unit.tree.body[-1]
        body.append(returns(pack([last.value, self.dot(last.value)]), last))
        params = self.unit.params
        tangents = [self.tangent(p) for p, flag in zip(params, self.flags) if flag]
        self.made.tree = function(self.made.name, params + tangents, body, self.unit.tree)
        simplify(self.made.tree, self.made.temps, pure=pure_in(self.made.env))

    def tangent(self, identifier):
        if identifier not in self.dots:
            self.dots[identifier] = self.names.fresh(stem(identifier) + "_dot")
            if identifier in self.unit.temps:
                self.made.temps.add(self.dots[identifier])
        return self.dots[identifier]

    def varied(self, atom):
        return isinstance(atom, gast.Name) and atom.id in self.facts.varied

    def dot(self, atom):
        """The tangent of an atom, ZERO where it does not vary."""
        return name(self.tangent(atom.id), atom) if self.varied(atom) else reference("rt.ZERO", atom)

    def block(self, statements):
        made = []
        for statement in statements:
            if isinstance(statement, gast.Assign):
                with pointing(statement, self.unit):
                    self.assignment(statement, made)
            elif isinstance(statement, gast.If) and not is_exit(statement):
                made.append(branch(statement.test, self.block(statement.body), self.block(statement.orelse), statement))
            elif isinstance(statement, gast.For):
                made.append(self.for_loop(statement))
            elif isinstance(statement, gast.While):
                made.append(at(gast.While(statement.test, self.block(statement.body), []), statement))
            else:
                made.append(statement)
        return made

    def for_loop(self, statement):
        body = self.block(statement.body)
        target = statement.target.id
        if target not in self.facts.varied:
            return at(gast.For(statement.target, statement.iter, body, [], None), statement)
        pair = self.names.fresh("pair")
        self.made.temps.add(pair)
        body.insert(0, assign([target, self.tangent(target)], pair, statement))
        iterable = call("rt.pairs", [statement.iter, self.dot(statement.iter)], node=statement)
        return at(gast.For(gast.Name(pair, gast.Store(), None, None), iterable, body, [], None), statement)

    def assignment(self, statement, made):
        target = statement.targets[0]
        if isinstance(target, gast.Tuple):
            return self.unpacking(statement, made)
        if target.id not in self.facts.varied:
            made.append(statement)
            return
        operation = classify(statement.value, self.unit)
        tangent = self.tangent(target.id)
        if isinstance(operation, UnitCall):
            self.unit_call(operation, statement, tangent, made)
            return
        if isinstance(operation, CustomCall):
            from xform.transform.custom import forward
            forward(self, operation, statement, tangent, made)
            return
        if isinstance(operation, Copy) and target.id in self.lists.grown and operation.atom.id in self.lists.empty:
            value = at(gast.List([], gast.Load()), statement)       # as many tangents as there will be items
        elif isinstance(operation, Copy) and target.id in self.lists.grown and not self.varied(operation.atom):
            value = call("rt.instantiate_shell", [reference("rt.ZERO", statement), operation.atom], node=statement)
        elif isinstance(operation, Copy):
            value = self.dot(operation.atom)
        elif isinstance(operation, Pack):
            value = self.packing(operation, statement)
        elif isinstance(operation, RuleCall) and operation.path == "rt.append" and target.id in self.lists.grown and self.varied(
                operation.args["items"]):
            value = call("rt.append", [self.dot(operation.args["items"]), self.dot(operation.args["item"])], node=statement)
        elif isinstance(operation, RuleCall):
            value = self.rule(operation, target.id, statement)
        elif target.id not in self.facts.useful:
            value = reference("rt.ZERO", statement)     # it decides about branches, say
        else:
            raise AssertionError(f"{type(operation).__name__} passed the activity analysis")
        step = assign(tangent, value, statement)
        note_derivative([step])
        made.extend([statement, step] if target.id in reads(value) else [step, statement])

    def unpacking(self, statement, made):
        targets = target_names(statement.targets[0])
        made.append(statement)
        if not any(t in self.facts.varied for t in targets):
            return
        from xform.syntax import const
        dots = [self.tangent(t) for t in targets]
        made.append(assign(dots, call("rt.parts", [self.dot(statement.value), const(len(targets))], node=statement),
                           statement))

    def packing(self, operation, statement):
        node = clone(operation.node)
        if isinstance(node, gast.Dict):
            node.values = [self.dot(v) for v in node.values]
            return node
        for place, item in enumerate(node.elts):
            if isinstance(item, gast.Starred):
                parts = call("rt.parts", [self.dot(item.value), call("len", [item.value], node=statement)], node=statement)
                node.elts[place] = at(gast.Starred(parts, gast.Load()), item)
            else:
                node.elts[place] = self.dot(item)
        return node

    def rule(self, operation, variable, statement):
        rule = operation.rule
        mapping = {p: a for p, a in operation.args.items() if not isinstance(a, list)}
        mapping["out"] = name(variable, statement)
        for param in rule.differentiable():
            atom = operation.args.get(param)
            if isinstance(atom, list):
                mapping[param] = pack([clone(a) for a in atom], statement)
                mapping[f"{param}_dot"] = pack([self.dot(a) for a in atom], statement)
            elif atom is not None:
                mapping[f"{param}_dot"] = self.dot(atom)
        if isinstance(rule.jvp, str):
            return instantiate(rule.jvp, mapping, statement)
        if rule.linear:
            return self.linear(operation, statement)
        terms = []
        for param in rule.differentiable():
            atom = operation.args.get(param)
            if atom is None or not self.varied(atom):
                continue
            if rule.partials is not None:
                text = f"{param}_dot * ({rule.partials[param]})" if not terms else f"({rule.partials[param]}) * {param}_dot"
                terms.append(instantiate(text, mapping, statement))
            elif rule.bilinear:
                terms.append(self.substituted(operation, {param: self.dot(atom)}))
            else:
                terms.append(instantiate(rule.jvp[param], mapping, statement))
        value = terms[0]
        for term in terms[1:]:
            if rule.partials is None:
                value = call("rt.add", [value, term], node=statement)
            else:
                value = simplified(at(gast.BinOp(value, gast.Add(), term), statement))
        if rule.elementwise:
            if not self.full(operation, variable, terms):
                value = call("rt.broadcast_like", [value], {"like": name(variable, statement)}, statement)
        return value

    def full(self, operation, variable, terms):
        """Whether the tangent of an elementwise op has the op's shape, whichever of its operands' tangents turn out to be ZERO."""
        operands = {a.id for a in operation.args.values() if isinstance(a, gast.Name)}
        wanted = {a for a in operands if self.zeros.get(a) != BARE}
        if len(operands) < 2:
            return True
        stays, may_vanish = set(), []
        for term in terms:
            found = set(reads(term))
            dots = [a for a in operands if self.dots.get(a) in found]
            covered = operands if variable in found else found | set(dots)
            if all(self.zeros.get(a, KNOWN) == KNOWN for a in dots):
                stays |= covered
            else:
                may_vanish.append(covered)
        return wanted <= stays or not stays and all(wanted <= covered for covered in may_vanish)

    def linear(self, operation, statement):
        rule, replaced = operation.rule, {}
        several = len([p for p in rule.linear if operation.args.get(p) is not None]) > 1 or rule.variadic
        for param in rule.linear:
            atom = operation.args.get(param)
            if atom is None:
                continue
            if isinstance(atom, list):
                replaced[param] = [call("rt.filled", [self.dot(a)], {"like": a}, statement) for a in atom]
            elif several and not isinstance(atom, gast.Constant):
                replaced[param] = call("rt.filled", [self.dot(atom)], {"like": atom}, statement)
            elif isinstance(atom, gast.Constant):
                replaced[param] = gast.Constant(0, None)
            else:
                replaced[param] = self.dot(atom)
                if param.endswith("s") and not several:     # a sequence: zeros may hide inside
                    replaced[param] = call("rt.filled", [replaced[param]], {"like": atom}, statement)
        return self.substituted(operation, replaced)

    def substituted(self, operation, replaced):
        """The same op on other operands."""
        node = clone(operation.node)
        if isinstance(node, gast.Call):
            positional = [p for p in operation.rule.params if p != operation.rule.variadic]
            if operation.rule.variadic and operation.rule.variadic in replaced:
                node.args = replaced[operation.rule.variadic]
            else:
                node.args = [replaced.get(p, a) for p, a in zip(positional, node.args)]
            for keyword in node.keywords:
                keyword.value = replaced.get(keyword.arg, keyword.value)
        elif isinstance(node, gast.BinOp):
            first, second = operation.rule.params[:2]
            node.left, node.right = replaced.get(first, node.left), replaced.get(second, node.right)
        elif isinstance(node, gast.UnaryOp):
            node.operand = replaced.get(operation.rule.params[0], node.operand)
        elif isinstance(node, gast.Attribute):
            return call("rt.field", [replaced.get(operation.rule.params[0], node.value), gast.Constant(node.attr, None)],
                        node=node)
        elif isinstance(node, gast.Subscript):
            node.value = replaced.get(operation.rule.params[0], node.value)
        return node

    def unit_call(self, operation, statement, tangent, made):
        from xform.pipeline import jvp_of
        flags = flags_of(operation.args, self.facts.varied, self.zeros)
        callee = jvp_of(operation.unit, flags)
        key = self.refer(callee)
        args = [clone(a) for a in operation.args] + [self.dot(a) for a, flag in zip(operation.args, flags) if flag]
        made.append(assign([statement.targets[0].id, tangent], call(name(key, statement), args, node=statement), statement))

    def refer(self, unit):
        for key, value in self.made.env.items():
            if value is unit:
                return key
        key = self.names.fresh(unit.name)
        self.made.env[key] = unit
        return key
