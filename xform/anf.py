"""A-normal form: lower a parsed function to the core language, every operand a name or a constant.

Before::

    def f(x):
        y = np.sin(x) * x if x > 0 else -x
        return y + 1

After::

    def f(x):
        above = x > 0
        if above:
            sin = np.sin(x)
            y = sin * x
        else:
            y = -x
        out = y + 1
        return out
"""
from __future__ import annotations

import builtins
import enum

import gast

from xform import resolve
from xform.desugar import (anew, calls, classes, compound, comprehensions, functions, imports, joins, kinds, loops, meshes, methods, mixed, mutations,
                           objects, order, outer, perhaps, picked, questions, rebind, rebound, rules, sequences, spread, standard, stops, stored, targets,
                           unset, values)
from xform.desugar.exits import single_exit
from xform.desugar.refused import REFUSED
from xform.desugar.titles import title
from xform.errors import pointing, refuse
from xform.library import ALIASES, ATTRIBUTES, canonical, dtype_path, lookup
from xform.names import Names
from xform.resolve import Display, Instance, Object, Picked
from xform.syntax import assign, at, branch, call, clone, const, dotted, function, name, negate, reference, returns, target_names
from xform.unit import Unit


class Lowering:
    """Lowers one function definition; ``scope`` finds names that are not its own locals."""

    def __init__(self, tree, unit, scope, statics=None):
        self.unit, self.scope = unit, scope
        self.tree = tree
        self.counts = functions.binding_counts(tree)
        self.statics = dict(statics or {})
        self.given = dict(self.statics)     # the compile-time values among the arguments
        self.objects = {known: path for path, known in resolve.objects_in(Display(tuple(self.given.values())))}     # those among these
        self.passed = {}        # calls that are given objects: id -> the compile-time values among their arguments
        self.names = Names(self.counts)
        self.names.used |= functions.names_in(tree)
        self.temps = unit.temps
        self.out = []
        self.result = None
        self.depth, self.turning = 0, 0     # the branches and loops around, the loops among them
        self.lists, self.constant_lists, self.sets = set(), set(), set()    # locals that were assigned a list: + of these joins them; a set
        self.env = unit.env
        self.settled, self.order = set(), None      # names that are bound to functions more than once; where these are read
        self.reading = mixed.Reading()
        self.nothing, self.plain = set(), set()     # names that were bound to None, to other data
        self.outer = ()         # variables of the enclosing function that this one writes

    # -- the whole function -------------------------------------------------------------------------------------

    def run(self, params):
        tree = self.tree
        body = [at(gast.Return(tree.body), tree.body)] if isinstance(tree, gast.Lambda) else list(tree.body)
        if body and isinstance(body[0], gast.Expr) and isinstance(body[0].value, gast.Constant):
            body = body[1:]  # a docstring
        body = body or [at(gast.Pass(), tree)]
        renames = functions.avoid_aliases(self)
        if renames:
            from xform.syntax import rename
            body = [rename(statement, renames) for statement in body]
        if not getattr(self.scope, "generated", False):
            body = compound.expand(self, unset.without_none(self, body))
        if tree.args.vararg is not None:
            self.lists.add(tree.args.vararg.id)
        statements, temps = single_exit(body, self.names, getattr(self.scope, "generated", False))
        self.temps |= temps
        self.counts.update({t: 2 for t in temps})
        last = statements[-1]
        self.result = last.value.id if isinstance(last.value, gast.Name) and last.value.id in temps else None
        for param, kind in self.unit.takes.items():
            rebind.open_parameter(self, renames.get(param, param), param, kind, tree)
        for param, known in self.given.items():
            if isinstance(known, Display) and self.unit.takes:      # *args that hold objects
                self.statics[param] = Display(tuple([self.statics.get(getattr(i, "id", None), i) for i in known.items]),
                                              known.keys, known.kind)
        anew.prepare(self)
        self.block(statements[:-1])
        last = order.in_statement(self, last)
        known = objects.give_back(self, last) or self.known(last.value)
        if self.outer:
            if known is not None and not isinstance(known, Object) and resolve.is_static(known) and not kinds.holds_object(known):
                refuse(last, self.unit, "a function that assigns an outer variable returns a function", "Return data.")
            self.out.append(returns(outer.give_back(self, self.outer, self.atom(last.value), last), last))
        elif known is not None and not isinstance(known, Object) and resolve.is_static(known):
            sequences.return_function(self, known, last)
        else:
            self.out.append(returns(self.atom(last.value), last))
        self.unit.tree = function(self.unit.name, [renames.get(p, p) for p in params], [*mixed.checks(self), *self.out], tree)
        return self.unit

    # -- statements ---------------------------------------------------------------------------------------------

    def block(self, statements):
        for statement in statements:
            self.statement(statement)

    def nested(self, statements):
        """Lower statements into a list of their own."""
        outer, self.out = self.out, []
        self.depth += 1
        self.block(statements)
        self.depth -= 1
        made, self.out = self.out, outer
        return made

    def statement(self, node):
        method = getattr(self, "do_" + type(node).__name__, None)
        if method is None:
            why, hint = REFUSED.get(type(node), (f"{type(node).__name__} statements are not supported", ""))
            refuse(node, self.unit, why, hint)
        with pointing(node, self.unit):
            method(order.in_statement(self, node))

    def do_Pass(self, node):
        pass

    def do_Nonlocal(self, node):
        if not isinstance(self.scope, functions.NestedScope):
            refuse(node, self.unit, "assigning a variable of a function that is not transformed is not supported", "Return the value instead.")

    def scope_name(self, identifier):
        """The name under which this function has a local of its own or one that it captured."""
        return identifier if identifier in self.counts else self.scope.find(identifier, self.tree)

    def do_Assign(self, node):
        if perhaps.of_several_names(self, node):
            return self.block([at(gast.Assign([target], node.value, None), node) for target in node.targets])
        for target in node.targets:
            if objects.assigned(self, target, node):
                return
            if isinstance(target, gast.Subscript) and len(node.targets) == 1 and mutations.assigned(self, target, node):
                return
            if isinstance(target, gast.Name) and len(node.targets) == 1 and rebound.assign(self, target.id, node.value, node):
                return
            if isinstance(target, gast.Name) and (self.counts.get(target.id, 2) == 1 or self.is_result(target.id)):
                known = picked.item(self, node.value) if isinstance(node.value, gast.Subscript) else None
                known, empty = known or self.known(node.value), mutations.gathers(self, target.id, node.value)
                if empty or known is not None and (self.is_static(known) or isinstance(node.value, gast.Subscript) or isinstance(
                        node.value, gast.Call) and classes.is_definition(node.value)):
                    self.statics[target.id] = empty or known
                    return
        if isinstance(node.targets[0], (gast.Tuple, gast.List)):
            value = sequences.iterated(self, node.value)
            node = node if value is node.value else at(gast.Assign(node.targets, value, None), node)
        if len(node.targets) == 1 and isinstance(node.targets[0], gast.Tuple) and (
                rebound.unpack(self, node.targets[0], node) or sequences.assign_items(self, node)):
            return
        parts = targets.side_by_side(self, node)
        if parts is not None:
            return self.block(parts)
        if len(node.targets) == 1 and isinstance(node.targets[0], gast.Name):
            spread.note(self, node)
            meshes.note(self, node)
            self.emit(node.targets[0].id, self.value(node.value), node)
            return
        value = self.atom(node.value)
        spread.note(self, node)
        for target in node.targets:
            targets.store_to(self, target, value, node)

    def is_static(self, known):
        if isinstance(known, Instance) or meshes.is_made(known):
            return True
        if resolve.items_of(known) is not None:
            return resolve.is_static(known)
        return resolve.is_function(known) and not (isinstance(known, Object) and isinstance(known.value, type))

    def is_result(self, identifier):
        """Whether a name is the function's result and assigned on the only path that is lowered."""
        return identifier == self.result and self.depth == 0 and not any(
            isinstance(s, gast.Assign) and identifier in target_names(s.targets[0]) for s in self.out)

    def do_AnnAssign(self, node):
        if node.value is not None:
            self.statement(at(gast.Assign([node.target], node.value, None), node))

    def do_AugAssign(self, node):
        targets.augmented(self, node)

    def do_Expr(self, node):
        if isinstance(node.value, gast.Constant):
            return
        if isinstance(node.value, gast.Call) and rules.defined(self, node.value):
            return
        assignment = questions.set_attribute(self, node.value) or standard.statement(self, node.value) if isinstance(node.value, gast.Call) else None
        if assignment is not None:
            return self.statement(assignment)
        if isinstance(node.value, gast.Call) and (objects.set_in_dict(self, node.value) or methods.mutation(self, node.value, node)):
            return
        known = self.known(node.value)
        if known is not None and resolve.is_static(known):      # m.add(layer), which returns m
            return
        value = stops.seeing(self, self.value(node.value), node)
        if not isinstance(value, (gast.Name, gast.Constant)):
            self.out.append(at(gast.Expr(value), node))

    def do_FunctionDef(self, node):
        known = functions.nested(self, node)
        for decorator in reversed(node.decorator_list):
            known = values.decorate(self, decorator, known)
        if self.counts.get(node.name, 2) == 1:
            self.statics[node.name] = known
        elif not anew.take(self, node.name, known, node):
            self.emit(node.name, self.materialise(known, node), node)

    def do_If(self, node):
        test = self.test(node.test)
        if isinstance(test, gast.Constant):
            return self.block(node.body if test.value else node.orelse)
        parts = picked.bound_by_branches(self, node, test)
        if parts is not None:
            return self.block(parts)
        if isinstance(node.test, gast.UnaryOp) and isinstance(node.test.op, gast.Not) and test.id in self.temps \
                and self.out and isinstance(self.out[-1], gast.Assign) and self.out[-1].targets[0].id == test.id \
                and isinstance(self.out[-1].value, gast.UnaryOp):
            test = self.out.pop().value
        anew.before_block(self, node)
        self.out.append(branch(test, self.nested(node.body) or [at(gast.Pass(), node)], self.nested(node.orelse), node))

    def do_While(self, node):
        loops.lower_while(self, node)

    def do_For(self, node):
        loops.lower_for(self, node)

    def do_Assert(self, node):
        test = self.atom(node.test)
        message = self.value(node.msg) if node.msg is not None else None
        if message is not None and not isinstance(message, (gast.Name, gast.Constant, gast.JoinedStr)):
            message = self.store_temp(message, "message", node)
        self.out.append(at(gast.Assert(test, message), node))

    def do_Raise(self, node):
        self.out.append(at(gast.Raise(self.value(node.exc) if node.exc is not None else None, None), node))

    def do_Delete(self, node):
        targets.delete(self, node)

    def do_Import(self, node):
        imports.modules(self, node)

    def do_ImportFrom(self, node):
        imports.members(self, node)

    # -- expressions --------------------------------------------------------------------------------------------

    def temp(self, wanted):
        made = self.names.fresh(wanted)
        self.temps.add(made)
        self.counts[made] = 2
        return made

    def emit(self, target, value, node):
        if target in self.given and rebound.is_gathered(self, target):
            rebound.undecided(self, target, node)
        anew.leave(self, target)
        joins.note(self, target, value)
        (self.nothing if isinstance(value, gast.Constant) and value.value is None else self.plain).add(target)
        self.out.append(assign(target, value, node))

    def store_temp(self, value, wanted, node):
        made = self.temp(wanted)
        self.emit(made, value, node)
        return name(made, node)

    def atom(self, node):
        """Lower an expression to a name, a constant or a runtime reference."""
        value = self.value(node)
        if isinstance(value, (gast.Name, gast.Constant)) or (isinstance(value, gast.Attribute) and self.is_reference(value)):
            return value
        return self.store_temp(value, self.title(value, node), node)

    def test(self, node):
        """Lower a condition to an atom: a constant where it is decided when the code is read."""
        while isinstance(node, gast.Call) and standard.is_truth(self, node):     # if bool(x):
            node = node.args[0]
        node = questions.of_objects(self, node)
        decided = questions.truth(self, node)
        return self.atom(node) if decided is None else const(decided, node)

    def atom_value(self, value):
        """Store a core value in a temporary."""
        return self.store_temp(value, self.title(value, value), value)

    def is_reference(self, node):
        path = dotted(node)
        return bool(path) and path.split(".")[0] in ("np", "rt", "lax", "nn", "random")

    title = staticmethod(title)

    def value(self, node):
        """Lower an expression to a core value: one operation on atoms."""
        known = self.known(node)
        if known is not None:
            return self.materialise(known, node)
        if isinstance(node, (gast.BinOp, gast.UnaryOp, gast.Compare, gast.Subscript)):
            made = objects.operator_call(self, node)
            if made is not None:
                return self.value(made)
        method = getattr(self, "on_" + type(node).__name__, None)
        if method is None:
            why, hint = REFUSED.get(type(node), (f"{type(node).__name__} expressions are not supported", ""))
            refuse(node, self.unit, why, hint)
        return method(node)

    def known(self, node):
        """The compile-time value of an expression, or None."""
        if isinstance(node, gast.Name):
            if node.id in self.statics:
                return self.statics[node.id]
            if node.id in self.counts:
                return None
            found = self.scope.find(node.id, node)
            if found is None:
                refuse(node, self.unit, f"name {node.id!r} is not defined")
            return None if isinstance(found, str) else found
        if isinstance(node, gast.Attribute):
            base = self.known(node.value)
            if isinstance(base, (Instance, Picked)):
                found = self.attribute(base, node)
                return None if isinstance(found, gast.AST) else found
            return None if base is None else resolve.attribute(base, node.attr)
        if isinstance(node, gast.Lambda):
            return functions.nested(self, node)
        if isinstance(node, gast.Call):
            return values.known_call(self, node)
        if isinstance(node, (gast.Tuple, gast.List, gast.Dict, gast.ListComp, gast.GeneratorExp)) and not isinstance(
                getattr(node, "ctx", None), gast.Store):
            return sequences.display(self, node)
        if isinstance(node, (gast.BinOp, gast.UnaryOp, gast.Compare, gast.Subscript)):
            made = objects.operator_call(self, node)
            if made is not None:
                return self.known(made)
        if isinstance(node, gast.IfExp):
            side = questions.decided(self, node.test)
            return picked.ternary(self, node) if side is None else self.known(node.body if side else node.orelse)
        if isinstance(node, gast.BoolOp):
            found, side = anew.picked(self, node), questions.side(self, node)
            return found if found is not None or side is None else self.known(side)
        if isinstance(node, gast.Subscript):
            found = sequences.item(self, node)
            return Object(found.value) if isinstance(found, gast.Constant) else None if isinstance(found, gast.AST) else found
        return None

    def attribute(self, base, node):
        """The attribute of an object: an atom or a compile-time value."""
        return objects.attribute(self, base, node.attr, node) if isinstance(base, Instance) else picked.attribute(self, base, node.attr, node)

    def materialise(self, known, node):
        """A compile-time value where a run-time value is wanted."""
        if isinstance(known, Picked):
            return picked.as_value(self, known, node)
        if isinstance(known, Instance):
            return kinds.as_value(self, known, node)
        if isinstance(known, Display):
            items = [clone(i) if isinstance(i, gast.AST) else calls.atom_of(self, i, node) for i in known.items]
            if known.keys is None:
                return at((gast.List if known.kind is list else gast.Tuple)(items, gast.Load()), node)
            return at(gast.Dict([const(k, node) for k in known.keys], items), node)
        if isinstance(known, Object):
            value = known.value
            if value is None or type(value) in (bool, str) or value is Ellipsis:     # a member of an enum is not its number
                return const(value, node)
            if isinstance(node, gast.Name) and known.where is not None and not callable(value):
                return name(self.refer(node.id, known), node)
            if isinstance(value, (int, float)) and not isinstance(value, enum.Enum) and (
                    known.where is None or not isinstance(node, gast.Name)):
                return const(value, node) if value == value and abs(value) != float("inf") else reference(
                    "np.nan" if value != value else "np.inf" if value > 0 else "rt.NEGATIVE_INFINITY", node)
            if meshes.is_made(known):
                return meshes.written_out(self, value, node)
            if isinstance(value, type) and getattr(builtins, value.__name__, None) is value and value.__name__ not in self.counts:
                return name(value.__name__, node)
            path = self.written_path(node, value) or canonical(value) or dtype_path(value)
            if path:
                return reference(path, node)
            wanted = node.id if isinstance(node, gast.Name) else getattr(node, "attr", None) or "constant"
            return name(self.refer(wanted, known), node)
        return stored.as_value(self, known, node)

    def written_path(self, node, value):
        """The runtime reference that generated code spells out, such as rt.ZERO."""
        path = dotted(node)
        if path and "." in path and path.split(".")[0] in ALIASES and path.split(".")[0] not in self.counts \
                and lookup(path) is value and not callable(value):
            return path
        return None

    def refer(self, wanted, known):
        """Bind an object in the unit's environment; returns its name there."""
        value = known.value if isinstance(known, Object) else known
        for key, bound in self.env.items():
            if bound is value and key.isidentifier() and not isinstance(value, (int, float, complex)):
                return key
        key = wanted
        hides = getattr(builtins, key, value) is not value     # the builtin may be called, too
        if hides or key in self.env or key in self.counts or key in self.names.used and key in self.temps:
            same = key in self.env and self.env[key] is value
            key = key if same else self.names.fresh(wanted)
        self.names.take(key)
        self.env[key] = value
        if isinstance(known, Object) and known.where is not None:
            self.unit.reads[key] = known.where
        return key

    def on_Constant(self, node):
        return const(node.value, node)

    def on_Name(self, node):
        found = self.scope.find(node.id, node) if node.id not in self.counts else node.id
        return name(found, node)

    def on_BinOp(self, node):
        left = self.atom(node.left)
        right = self.atom(node.right)
        return joins.binary(self, node, left, right) or at(gast.BinOp(left, node.op, right), node)

    def on_UnaryOp(self, node):
        operand = self.test(node.operand) if isinstance(node.op, gast.Not) else self.atom(node.operand)
        if isinstance(node.op, gast.USub) and isinstance(operand, gast.Constant) and isinstance(operand.value, (int, float)) \
                and not isinstance(operand.value, bool):
            return const(-operand.value, node)
        if isinstance(node.op, gast.Not) and isinstance(operand, gast.Constant):
            return const(not operand.value, node)
        return at(gast.UnaryOp(node.op, operand), node)

    def on_Compare(self, node):
        if len(node.ops) == 1:
            asked = questions.identity(self, node)
            if asked is not None:
                return asked
            left, right = self.atom(node.left), self.atom(node.comparators[0])
            return questions.compared(node, left, right) or at(gast.Compare(left, node.ops, [right]), node)
        middle = self.atom(node.comparators[0])
        first = at(gast.Compare(node.left, node.ops[:1], [middle]), node)
        rest = at(gast.Compare(middle, node.ops[1:], node.comparators[1:]), node)
        return self.on_BoolOp(at(gast.BoolOp(gast.And(), [first, rest]), node))

    def on_BoolOp(self, node):
        side = questions.side(self, node)
        if side is not None:
            return self.value(side)
        first, *rest = node.values
        decided = questions.truth(self, first)
        if decided is not None and self.known(first) is not None and decided != isinstance(node.op, gast.Or):
            return self.value(rest[0] if len(rest) == 1 else at(gast.BoolOp(node.op, rest), node))
        lowered = self.value(first)
        if decided is not None and self.known(first) is not None:
            return lowered
        if isinstance(lowered, gast.Constant):
            if bool(lowered.value) == isinstance(node.op, gast.Or):
                return lowered
            return self.value(rest[0] if len(rest) == 1 else at(gast.BoolOp(node.op, rest), node))
        target = self.temp("both" if isinstance(node.op, gast.And) else "either")
        self.emit(target, lowered, node)
        outer, self.out = self.out, []
        self.depth += 1
        self.emit(target, self.value(rest[0] if len(rest) == 1 else at(gast.BoolOp(node.op, rest), node)), node)
        self.depth -= 1
        inner, self.out = self.out, outer
        test = name(target, node) if isinstance(node.op, gast.And) else negate(name(target, node), node)
        self.out.append(branch(test, inner, [], node))
        return name(target, node)

    def on_IfExp(self, node):
        chosen = self.__dict__.get("chosen", {}).get(id(node))
        if chosen is not None:
            return chosen[0]
        test = self.test(node.test)
        if isinstance(test, gast.Constant):
            return self.value(node.body if test.value else node.orelse)
        target = self.temp("choice")
        made = []
        for side in (node.body, node.orelse):
            outer, self.out = self.out, []
            self.depth += 1
            self.emit(target, self.value(side), node)
            self.depth -= 1
            made.append(self.out)
            self.out = outer
        self.out.append(branch(test, made[0], made[1], node))
        return name(target, node)

    def on_Tuple(self, node):
        if sum(isinstance(e, gast.Starred) for e in node.elts) > 1:
            return joins.spread(self, node)
        return at(gast.Tuple(self.elements(node.elts), gast.Load()), node)

    def on_List(self, node):
        if sum(isinstance(e, gast.Starred) for e in node.elts) > 1:
            return joins.spread(self, node)
        return at(gast.List(self.elements(node.elts), gast.Load()), node)

    def elements(self, elements):
        return [at(gast.Starred(self.atom(e.value), gast.Load()), e) if isinstance(e, gast.Starred) else self.atom(e)
                for e in elements]

    def on_Set(self, node):
        return at(gast.Set(self.elements(node.elts)), node)

    def on_Dict(self, node):
        if None in node.keys:       # {**a, k: v} is rt.update(a, {k: v})
            made = None
            for key, value in zip(node.keys, node.values):
                part = self.atom(value) if key is None else self.store_temp(
                    at(gast.Dict([self.atom(key)], [self.atom(value)]), node), "items", node)
                made = part if made is None else self.store_temp(call("rt.update", [made, part], node=node), "items", node)
            return made if len(node.keys) > 1 else call("rt.builtins.copy", [made], node=node)
        return at(gast.Dict([k if k is None else self.atom(k) for k in node.keys], self.elements(node.values)), node)

    def on_Subscript(self, node):
        found = sequences.item(self, node)
        if found is not None:
            return clone(found)
        objects.refuse_picked(self, self.known(node.value), node)
        value = self.atom(node.value)
        return at(gast.Subscript(value, self.index(targets.arrays_in(self, node.slice)), gast.Load()), node)

    def index(self, node):
        """Lower an index: an atom, a slice of atoms, or a tuple of these."""
        if isinstance(node, gast.Slice):
            parts = [p if p is None else self.atom(p) for p in (node.lower, node.upper, node.step)]
            return at(gast.Slice(*parts), node)
        if isinstance(node, gast.Tuple) and any(isinstance(e, gast.Slice) for e in node.elts):
            return at(gast.Tuple([self.index(e) for e in node.elts], gast.Load()), node)
        return self.atom(node)

    def on_Attribute(self, node):
        if isinstance(self.known(node.value), Instance):
            return objects.read(self, self.known(node.value), node.attr, node)
        if isinstance(self.known(node.value), Picked):
            found = picked.attribute(self, self.known(node.value), node.attr, node)
            if isinstance(found, gast.AST):
                return found
        value = self.atom(node.value)
        if node.attr in ATTRIBUTES and not isinstance(value, gast.Attribute):
            return call(ATTRIBUTES[node.attr], [value], node=node)
        return at(gast.Attribute(value, node.attr, gast.Load()), node)

    def on_Call(self, node):
        return calls.lower(self, node)

    def on_NamedExpr(self, node):
        self.emit(node.target.id, self.value(node.value), node)
        return name(node.target.id, node)

    def on_ListComp(self, node):
        return comprehensions.lower(self, node)

    on_GeneratorExp = on_DictComp = on_ListComp

    def on_JoinedStr(self, node):
        parts = []
        for part in node.values:
            if isinstance(part, gast.FormattedValue):
                part = at(gast.FormattedValue(self.atom(part.value), part.conversion, part.format_spec), part)
            parts.append(part)
        return at(gast.JoinedStr(parts), node)

    def on_Starred(self, node):
        refuse(node, self.unit, "a starred expression is not supported here", "Spell the elements out.")


__all__ = ["Lowering", "Unit", "target_names"]
