"""Blocks: generated code that runs often has its straight-line array code run as programs, one for each stretch of it.

The text stays what is shown, and what a debugger steps through; this is another way to run it. Of the loop ::

    for inputs, W, b_like, inputs_1 in reversed(tape):
        d_outputs = rt.add(d_outputs, d_inputs * (1 - inputs_1 * inputs_1))
        d_b = rt.unbroadcast(d_outputs, like=b_like)
        d_items.append(d_b)

the body becomes ::

        d_outputs, d_b = block_1(d_outputs, d_inputs, inputs_1, b_like)
        d_items.append(d_b)

where ``block_1`` (a runtime.block.Block) runs the two statements as one program. A block holds assignments of array operations to
names, and nothing that another block or a debugger could see half-done: no changes in place, calls of generated functions, attributes,
branches. What it reads goes in, what is read outside it comes out.
"""
from __future__ import annotations

import ast
import itertools
import math
import sys
import types
from dataclasses import dataclass

from runtime.block import Block
from runtime.hlo import tracing
from runtime.primitive import settings
from xform.alone import alone

HOT = 8         # runs of a module before its blocks are made
LARGEST = 80    # operations of a block
_ALIASES = ("np", "rt", "lax", "nn")
_LIBRARY = ("runtime.numpy", "runtime.ops", "runtime.lax", "runtime.nn", "runtime.cotangent")
_FILES = "runtime.numpy.files"      # what they hold may change from run to run


def wanted(module) -> bool:
    """Whether a loaded module shall run by its blocks now: it has run often, and nobody looks at or stages single operations."""
    module.runs += 1
    return (module.runs > HOT and tracing.block is None and sys.gettrace() is None
            and not (settings["disable_jit"] or settings["debug_nans"] or settings["debug_infs"] or settings["debug_key_reuse"]))


def entry(module, namespace: dict):
    """Return the entry of a module with blocks, or the module's own where there are none."""
    if module.blocks is None:
        module.blocks = _made(module, namespace)
    if module.blocks is namespace:
        module.runs = -math.inf     # not asked for again
    else:
        for name in module.reads:   # read again for this run; decorated functions have them from the module's own namespace
            module.blocks[name] = namespace[name]
    return module.blocks[module.entry]


@alone
def _made(module, namespace):
    defined = [s for s in ast.parse(module.text).body if isinstance(s, ast.FunctionDef)]
    functions = [s for s in defined if not s.decorator_list]    # the others stage what they call
    found: list = []
    if module.entry in [function.name for function in functions]:
        for function in functions:
            _Function(function, namespace, found).rewrite()
    if not found:
        return namespace
    made = types.ModuleType(module.entry)
    made.__dict__.update(namespace)
    code = ast.fix_missing_locations(ast.Module([*found, *functions], []))
    exec(compile(code, namespace["__file__"], "exec"), made.__dict__)
    for function in found:
        made.__dict__[function.name] = Block(made.__dict__[function.name])
    return made.__dict__


@dataclass
class _Stretch:
    """Consecutive statements that may become a block, and the operations in them."""
    statements: list
    operations: int = 0


class _Function:
    """Writes the blocks of one function in place."""

    def __init__(self, tree: ast.FunctionDef, namespace: dict, found: list):
        self.tree, self.namespace, self.found = tree, namespace, found
        self.local = {a.arg for a in ast.walk(tree) if isinstance(a, ast.arg)} | {
            n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}

    def fresh(self, prefix) -> str:
        """A name that neither the function nor its module has."""
        taken = {*self.local, *self.namespace, *[function.name for function in self.found]}
        return next(name for i in itertools.count(1) if (name := f"{prefix}_{i}") not in taken)

    def rewrite(self):
        stops = any(isinstance(n, (ast.Nonlocal, ast.Global)) or isinstance(n, ast.Name) and n.id == "breakpoint" for n in ast.walk(self.tree))
        if not stops:
            self.suite(self.tree.body)

    def suite(self, body: list):
        """Replace the stretches of a list of statements, and of the lists in them."""
        for statement in body:
            if isinstance(statement, (ast.If, ast.For, ast.While, ast.With)):
                self.suite(statement.body)
                self.suite(getattr(statement, "orelse", []))
        stretches, current = [], _Stretch([])
        at = 0
        while at < len(body):
            statement = body[at]
            if isinstance(statement, ast.Return) and statement.value is not None:
                hoisted = self.hoisted(statement)
                body[at:at] = hoisted
                current.statements += hoisted
                current.operations += sum([self.operations(s.value) for s in hoisted])
                at += len(hoisted)
            count = self.assignment(statement)
            if count is None or current.operations + count > LARGEST:
                stretches.append(current)
                current = _Stretch([])
            if count is not None:
                current.statements.append(statement)
                current.operations += count
            at += 1
        for stretch in [*stretches, current]:
            self.replace(body, stretch)

    def hoisted(self, statement: ast.Return) -> list:
        """Take the operations out of a result: assignments to names that stand in their place."""
        value = statement.value
        parts = value.elts if isinstance(value, ast.Tuple) else [value]
        made = []
        for i, part in enumerate(parts):
            if self.operations(part) is None and any(isinstance(n, ast.Call) for n in ast.walk(part)):
                break   # what follows might depend on what it does
            if not isinstance(part, ast.Tuple) and self.operations(part):
                name = self.fresh("_result")
                self.local.add(name)
                made.append(ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], part), part))
                ast.fix_missing_locations(made[-1])
                read = ast.copy_location(ast.Name(name, ast.Load()), part)
                if part is value:
                    statement.value = read
                else:
                    parts[i] = read
        return made

    def assignment(self, statement) -> int | None:
        """The operations of a statement that a block may hold; None for others."""
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return None
        target = statement.targets[0]
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        if isinstance(statement.value, ast.Tuple) or not all(isinstance(n, ast.Name) for n in names):
            return None     # containers stay outside
        return self.operations(statement.value)

    def operations(self, node) -> int | None:
        """The array operations of an expression that computes from names and changes nothing; None for others."""
        if isinstance(node, ast.Constant):
            return 0
        if isinstance(node, ast.Name):
            return None if node.id not in self.local and callable(self.namespace.get(node.id)) else 0
        if isinstance(node, ast.Attribute):
            return 0 if isinstance(node.value, ast.Name) and self.runtime(node.value.id) else None
        if isinstance(node, ast.BinOp):
            return self.total([node.left, node.right], 1)
        if isinstance(node, ast.UnaryOp):
            return None if isinstance(node.op, ast.Not) else self.total([node.operand], 1)
        if isinstance(node, ast.Compare):
            plain = len(node.ops) == 1 and not isinstance(node.ops[0], (ast.Is, ast.IsNot, ast.In, ast.NotIn))
            return self.total([node.left, *node.comparators], 1) if plain else None
        if isinstance(node, ast.Tuple):
            return self.total(node.elts, 0)
        if isinstance(node, ast.Subscript):     # one number may select from a container as well
            return None if isinstance(node.slice, (ast.Constant, ast.Name)) else self.total([node.value, *_indices(node.slice)], 1)
        if isinstance(node, ast.Call) and self.operation(node.func):
            lists = [part for a in node.args for part in (a.elts if isinstance(a, ast.List) else [a])]
            return self.total([*lists, *[k.value for k in node.keywords]], 1) if all(k.arg for k in node.keywords) else None
        return None

    def total(self, nodes, start) -> int | None:
        counts = [self.operations(node) for node in nodes]
        return None if None in counts else start + sum(counts)

    def runtime(self, name) -> bool:
        """Whether a name is one of the modules of array operations."""
        held = self.namespace.get(name)
        return name in _ALIASES and name not in self.local and isinstance(held, types.ModuleType)

    def operation(self, function) -> bool:
        """Whether what is called works on arrays (the runtime's operations on containers are elsewhere)."""
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and self.runtime(function.value.id)):
            return False
        called = getattr(self.namespace[function.value.id], function.attr, None)
        return isinstance(called, types.FunctionType) and called.__module__.startswith(_LIBRARY) and called.__module__ != _FILES

    def replace(self, body: list, stretch: _Stretch):
        """Put the call of a block in the place of a stretch of two operations or more."""
        statements = stretch.statements
        while statements and not self.assignment(statements[0]):
            statements = statements[1:]
        while statements and not self.assignment(statements[-1]):
            statements = statements[:-1]
        if stretch.operations < 2:
            return
        read, assigned = _variables(statements, lambda name: self.runtime(name))
        inside = {id(n) for s in statements for n in ast.walk(s)}
        outside = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store) and id(n) not in inside}
        out = [name for name in assigned if name in outside or name in read]
        if not out:
            return
        name = self.fresh(f"{self.tree.name}_block")
        result = ast.Return(ast.List([ast.Name(n, ast.Load()) for n in out], ast.Load()))
        parameters = ast.arguments([], [ast.arg(n) for n in read], None, [], [], None, [])
        function = ast.parse(f"def {name}(): pass").body[0]
        function.args, function.body = parameters, [*statements, ast.copy_location(result, statements[-1])]
        self.found.append(ast.copy_location(function, statements[0]))
        call = ast.Call(ast.Name(name, ast.Load()), [ast.Name(n, ast.Load()) for n in read], [])
        made = ast.Assign([ast.List([ast.Name(n, ast.Store()) for n in out], ast.Store())], call)
        at = next(i for i, s in enumerate(body) if s is statements[0])
        body[at:at + len(statements)] = [ast.fix_missing_locations(ast.copy_location(made, statements[0]))]


def _indices(node):
    """The expressions in an index."""
    if isinstance(node, ast.Tuple):
        return [part for inner in node.elts for part in _indices(inner)]
    return [part for part in (node.lower, node.upper, node.step) if part is not None] if isinstance(node, ast.Slice) else [node]


def _variables(statements, runtime):
    """The names that statements read before they assign them, and those that they assign, in order."""
    read, assigned = {}, {}
    for statement in statements:
        for node in ast.walk(statement.value):
            if isinstance(node, ast.Name) and node.id not in assigned and not runtime(node.id):
                read[node.id] = None
        target = statement.targets[0]
        for node in target.elts if isinstance(target, ast.Tuple) else [target]:
            assigned[node.id] = None
    return list(read), list(assigned)
