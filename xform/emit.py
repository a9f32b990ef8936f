"""Emit: units become module text with the user's names and one comment with file, line and statement per user line.

The same units give the same text, byte for byte. This is the only module that imports astor.
"""
from __future__ import annotations

import ast
import linecache
import os
import sys
import types
from dataclasses import dataclass, field

import gast

from xform.alone import alone
from xform.names import Names
from xform.owned import owned
from xform.syntax import children, clone, dotted, nodes_of, params_of, rename
from xform.unit import Unit

WIDTH = 120


@dataclass
class Module:
    """Emitted text, the objects that its free names stand for, and the user's line of each emitted line."""
    text: str
    entry: str
    objects: dict
    origins: dict = field(default_factory=dict)     # emitted line -> (file, line)
    statements: dict = field(default_factory=dict)  # emitted line -> the statement whose text begins there
    backward: frozenset = frozenset()               # its functions that are backward halves
    reads: dict = field(default_factory=dict)       # free name -> (namespace, key)
    runs: float = 0                                 # how often its entry was called
    blocks: dict | None = None                      # its functions with blocks (xform.blocks), once it has run often
    counted: dict = field(default_factory=dict)     # its functions with counted loops (xform.counted), once results are checked
    loops: list | None = None                       # its loops, once they were asked for
    tree: ast.Module | None = None

    def parsed(self) -> ast.Module:
        """The text as a tree, which nobody changes."""
        if self.tree is None:
            self.tree = ast.parse(self.text)
        return self.tree


def collect(entry) -> list:
    """The units reachable from an entry, callers before callees, in the order of their calls."""
    seen, ordered = set(), []

    def visit(unit):
        if id(unit) in seen:
            return
        seen.add(id(unit))
        ordered.append(unit)
        for identifier in _free(unit):
            value = _code_of(unit.env.get(identifier))
            if isinstance(value, Unit):
                visit(value)
    visit(entry)
    return ordered


def _code_of(value):
    """What a name of a unit's environment is written as: the unit of a function with a rule of units is what it computes."""
    return value.fun if hasattr(type(value), "_xform_custom") and isinstance(value.fun, Unit) else value


def _free(unit):
    """Free names of a unit in order of appearance."""
    local = set(params_of(unit.tree))
    for node in nodes_of(unit.tree):
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Store):
            local.add(node.id)
        elif isinstance(node, gast.FunctionDef):
            local.update(a.id for a in node.args.args)
            local.add(node.name) if node is not unit.tree else None
    found = {}

    def walk(node):
        if isinstance(node, gast.Name) and node.id not in local:
            found[node.id] = None
        for child in children(node):
            walk(child)
    for statement in unit.tree.body:
        walk(statement)
    return list(found)


@alone
def emit(entry, doc="", imports=None) -> Module:
    """Write one module for an entry unit and all that it calls.

    ``imports(object, name, where it was read)`` returns an import line for a free object of a standalone file; without it the module is
    meant to be loaded in this process and its free names are bound by ``load``.
    """
    units = collect(entry)
    names = Names()
    chosen = {}
    for unit in units:
        chosen[id(unit)] = names.fresh(unit.name)
    objects, reads, object_names = {}, {}, {}
    bodies, aliases = [], set()
    for unit in units:
        tree = clone(unit.tree)
        tree.name = chosen[id(unit)]
        mapping = {}
        local = {n.id for n in nodes_of(tree) if isinstance(n, gast.Name)} | set(params_of(tree))
        for identifier in _free(unit):
            value = _code_of(unit.env.get(identifier))
            if isinstance(value, Unit):
                mapping[identifier] = chosen[id(value)]
            elif identifier in unit.env:
                key = id(value)
                if key not in object_names:
                    object_names[key] = names.fresh(identifier)
                    objects[object_names[key]] = value
                    if identifier in unit.reads:
                        reads[object_names[key]] = unit.reads[identifier]
                mapping[identifier] = object_names[key]
            elif identifier in ("np", "rt", "lax", "nn", "random"):
                aliases.add(identifier)
        clashes = {new for old, new in mapping.items() if new != old} & (local - set(mapping))
        if clashes:
            inner = Names(local | set(mapping.values()))
            rename(tree, {c: inner.fresh(c) for c in clashes})
        for statement in tree.body:
            rename(statement, {k: v for k, v in mapping.items() if k != v})
        aliases |= {d for d in _decorator_aliases(unit)}
        bodies.append((unit, tree))
    lines, origins, statements = [], {}, {}
    if doc:
        lines.append(f'"""{doc}"""')
    lines += _imports(aliases)
    wanted = {imports(value, key, reads.get(key)) if imports is not None else _runtime_import(value, key)
              for key, value in objects.items()}
    lines += sorted(line for line in wanted if line is not None)
    for unit, tree in bodies:
        lines += ["", ""]
        _function(unit, tree, lines, origins, statements)
    backward = frozenset(chosen[id(unit)] for unit in units if unit.backward)
    return Module("\n".join(lines) + "\n", chosen[id(entry)], objects, origins, statements, backward, reads)


def _decorator_aliases(unit):
    return ["rt"] if unit.boundary is not None else []


def _imports(aliases):
    lines = []
    if "rt" in aliases:
        lines.append("import runtime as rt")
    if "np" in aliases:
        lines.append("import runtime.numpy as np")
    rest = [a for a in ("lax", "nn", "random") if a in aliases]
    if rest:
        lines.append(f"from runtime import {', '.join(rest)}")
    return lines


def _function(unit, tree, lines, origins, statements):
    if unit.boundary is not None and unit.boundary.kind in ("custom_vmap", "implicit"):
        lines.append(f"@rt.{unit.boundary.kind}")
    elif unit.boundary is not None:
        options = ", ".join(f"{k}={option_text(v)}" for k, v in unit.boundary.options)
        lines.append(f"@rt.{unit.boundary.kind}({options})" if options else f"@rt.{unit.boundary.kind}")
    defaults = _defaults(unit)
    params = ", ".join(p + (f"={defaults[p]}" if p in defaults else "") for p in params_of(tree))
    lines.append(f"def {tree.name}({params}):")
    for note in unit.notes:
        if note.startswith("#"):
            lines.append("    " + note)
    writer = _Writer(unit, lines, origins, statements, "comments" in unit.notes)
    writer.block(tree.body, 1)


def _defaults(unit):
    """Literal defaults of trailing parameters, as the user wrote them."""
    if unit.signature is None:
        return {}
    found = {}
    for param in reversed([p for p in params_of(unit.tree)]):
        known = unit.signature.parameters.get(param)
        if known is None or known.default is known.empty or not isinstance(known.default, (int, float, str, bool,
                                                                                         type(None))):
            break
        written = repr(known.default)
        found[param] = f'float("{written}")' if written in ("inf", "-inf", "nan") else written     # a name is no literal
    return found


def option_text(value) -> str:
    """An option of a boundary as an expression; what has no literal says itself how it is written (meshes, specs)."""
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        inner = ", ".join(map(option_text, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {option_text(v)}" for k, v in value.items()) + "}"
    write = getattr(value, "__xform_text__", None)
    if write is not None:
        return write(option_text)
    if hasattr(value, "local_hardware_id"):     # a device
        return f"rt.devices_by_id({value.platform!r}, ({value.id},))[0]"
    return repr(value)


class _Writer:
    def __init__(self, unit, lines, origins, statements, comments):
        self.unit, self.lines, self.origins, self.statements, self.comments = unit, lines, origins, statements, comments
        self.last = None
        self.owned = owned(unit.tree)

    def block(self, statements, depth):
        for statement in statements:
            self.statement(statement, depth)

    def statement(self, statement, depth):
        pad = "    " * depth
        line = getattr(statement, "lineno", None)
        compound = isinstance(statement, (gast.If, gast.For, gast.While, gast.FunctionDef))
        if self.comments and line and self.unit.file and not compound and not isinstance(statement, gast.Return):
            if line != self.last:
                text = linecache.getline(self.unit.file, line).strip()
                if text and not text.startswith(("if ", "elif ", "while ")):
                    self.lines.append(f"{pad}# {os.path.basename(self.unit.file)}:{line}  {text}")
                self.last = line
        start = len(self.lines) + 1
        self.statements[start] = statement
        if isinstance(statement, gast.If):
            self.lines.append(f"{pad}if {source(statement.test)}:")
            self.mark(start, line)
            self.block(statement.body, depth + 1)
            orelse = statement.orelse
            while len(orelse) == 1 and isinstance(orelse[0], gast.If):
                self.lines.append(f"{pad}elif {source(orelse[0].test)}:")
                self.statements[len(self.lines)] = orelse[0]
                self.mark(len(self.lines), getattr(orelse[0], "lineno", None))
                self.block(orelse[0].body, depth + 1)
                orelse = orelse[0].orelse
            if orelse:
                self.lines.append(f"{pad}else:")
                self.block(orelse, depth + 1)
        elif isinstance(statement, gast.While):
            self.lines.append(f"{pad}while {source(statement.test)}:")
            self.mark(start, line)
            self.block(statement.body, depth + 1)
        elif isinstance(statement, gast.For):
            self.lines.append(f"{pad}for {source(statement.target)} in {source(statement.iter)}:")
            self.mark(start, line)
            self.block(statement.body, depth + 1)
        elif isinstance(statement, gast.FunctionDef):
            if self.lines[-1] and not self.lines[-1].endswith(":"):
                self.lines.append("")
            self.lines.append(f"{pad}def {statement.name}({', '.join(params_of(statement))}):")
            self.block(statement.body, depth + 1)
            self.lines.append("")
        else:
            for text in _simple(statement, self.owned).split("\n"):
                self.lines.append(pad + text)
            if isinstance(statement, gast.Return) and not isinstance(statement.value, (gast.Name, gast.Constant)):
                line = getattr(statement.value, "lineno", None) or line     # a side of a branch: its own line, not the branch's
            self.mark(start, line)

    def mark(self, start, line):
        for emitted in range(start, len(self.lines) + 1):
            if line and self.unit.file:
                self.origins[emitted] = (self.unit.file, line)


def _simple(statement, owned=frozenset()):
    """A statement without a body; an append to a list of the function's own is written as one."""
    if isinstance(statement, gast.Assign):
        value, target = statement.value, statement.targets[0]
        if isinstance(value, gast.Call) and dotted(value.func) == "rt.append" and isinstance(target, gast.Name) \
                and isinstance(value.args[0], gast.Name) and value.args[0].id == target.id \
                and target.id in owned:
            return f"{target.id}.append({_item(value.args[1])})"
        return f"{source(target)} = {source(value)}"
    if isinstance(statement, gast.Return):
        return f"return {source(statement.value)}"
    if isinstance(statement, gast.Expr):
        return _stop(statement.value) or source(statement.value)
    if isinstance(statement, gast.Assert):
        return f"assert {source(statement.test)}" + (f", {source(statement.msg)}" if statement.msg is not None else "")
    if isinstance(statement, gast.Raise):
        return "raise" + (f" {source(statement.exc)}" if statement.exc is not None else "")
    return {gast.Pass: "pass", gast.Break: "break"}[type(statement)]


def _stop(value):
    """A ``breakpoint()`` without what it sees (desugar/stops.py), but for what has another name there; None for other calls."""
    if not isinstance(value, gast.Call) or dotted(value.func) != "breakpoint" or not all(isinstance(k.value, gast.Name) for k in value.keywords):
        return None
    renamed = [f"{k.arg} is {k.value.id}" for k in value.keywords if k.arg != k.value.id]
    return f"breakpoint()  # here {', '.join(renamed)}" if renamed else "breakpoint()"


def source(node) -> str:
    """One expression as text."""
    if isinstance(node, gast.Tuple) and node.elts:
        inner = ", ".join(_item(e) for e in node.elts)
        return inner + ("," if len(node.elts) == 1 else "") if isinstance(node.ctx, gast.Store) else (
            inner if len(node.elts) > 1 else f"{inner},")
    return _expression(node)


def _item(node):
    text = _expression(node)
    if not isinstance(node, gast.Tuple):
        return text
    return f"({source(node)})"


def _expression(node):
    tree = ast.fix_missing_locations(_Signed().visit(gast.gast_to_ast(clone(node))))
    if any(isinstance(n, ast.JoinedStr) for n in ast.walk(tree)):
        return ast.unparse(tree)    # astor prints f-strings with triple quotes
    import astor    # here: importing it takes milliseconds, which a program that transforms nothing need not pay
    text = astor.to_source(tree, indent_with="    ", pretty_source=_pretty).strip()
    if text.startswith("(") and text.endswith(")") and not isinstance(node, (gast.Tuple, gast.GeneratorExp)):
        stripped = text[1:-1]
        try:
            if ast.dump(ast.parse(stripped, mode="eval")) == ast.dump(ast.parse(text, mode="eval")):
                return stripped
        except SyntaxError:
            return text
    return text


class _Signed(ast.NodeTransformer):
    """A negative constant before ``**``, a dot or a bracket becomes a negation, so that it is printed in parentheses."""

    def visit_BinOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            node.left = _negation(node.left)
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        node.value = _negation(node.value)
        return node

    visit_Subscript = visit_Attribute


def _negation(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, complex)) and repr(node.value).startswith("-"):
        return ast.copy_location(ast.UnaryOp(ast.USub(), ast.Constant(-node.value)), node)
    return node


def _pretty(parts):
    return "".join(parts)


def _runtime_import(value, key):
    """The import line of a function of the runtime; None for other objects, which code that is meant for this process is given."""
    if not isinstance(value, (types.FunctionType, type)) or not (value.__module__ or "").startswith("runtime."):
        return None
    line = importable(value)
    if line is None or getattr(sys.modules[value.__module__], value.__qualname__, None) is not value:
        return None
    return line if line.endswith(f" {key}") else f"{line} as {key}"


def importable(value) -> str | None:
    """The import line under which a standalone file finds an object, or None."""
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}"
    if module and qualname and "." not in qualname and "<" not in qualname and module != "__main__":
        return f"from {module} import {qualname}"
    return None
