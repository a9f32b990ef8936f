"""Classes defined inside a function: made when the code is read; what their methods capture is kept by each object.

Before::

    def f(x):
        class Scale:
            def __init__(self, by):
                self.by = by
            def __call__(self, y):
                return y * self.by * x
        return Scale(2.0)(x)

After, as if ``x`` were an attribute::

    def f(x):
        by = 2.0
        out = Scale_call(by, x, x)
        return out
"""
from __future__ import annotations

import ast
import functools
import types

import gast

from xform.errors import refuse
from xform.resolve import Instance, Object, Partial

MAKER = "class__"       # what the definition of a class is the call of, in a tree that is read
_definitions: dict = {}     # the text in such a call -> the definition
CAPTURED = "_xform_captured"        # a class's attribute: the attributes of its objects that hold what its methods capture


def taken_out(tree, file):
    """A function's tree with ``P = class__(text, *names)`` for each class defined in it; the names are those that it reads."""
    return _Taken(file).visit(tree) if any(isinstance(n, gast.ClassDef) for n in gast.walk(tree)) else tree


class _Taken(gast.NodeTransformer):
    def __init__(self, file):
        self.file = file

    def visit_ClassDef(self, node):
        text = f"{self.file}:{node.lineno}:{node.col_offset}:{node.name}"
        _definitions[text] = node
        made = gast.Call(gast.Name(MAKER, gast.Load(), None, None), [gast.Constant(text, None), *[
            gast.Name(n, gast.Load(), None, None) for n in _read(node)]], [])
        made = gast.Assign([gast.Name(node.name, gast.Store(), None, None)], made, None)
        for inner in gast.walk(made):
            gast.copy_location(inner, node)
        return made


def _read(node):
    """The names that a class definition takes from outside, in order of appearance."""
    from xform.desugar.functions import free
    found, own = {}, {node.name, "__class__", "super"}
    for part in [*node.decorator_list, *node.bases, *[k.value for k in node.keywords], *node.body]:
        if isinstance(part, gast.FunctionDef):
            inner = [*free(part), *[n.id for d in part.decorator_list for n in gast.walk(d) if isinstance(n, gast.Name)]]
            own.add(part.name)
        else:
            inner = [n.id for n in gast.walk(part) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Load)]
            own |= {n.id for n in gast.walk(part) if isinstance(n, gast.Name) and isinstance(n.ctx, gast.Store)}
        found.update(dict.fromkeys(n for n in inner if n not in own))
    return list(found)


def is_definition(node) -> bool:
    """Whether a call stands for the definition of a class."""
    return isinstance(node.func, gast.Name) and node.func.id == MAKER


def define(lowering, node):
    """The class, as a compile-time value; applied to what it captures where it does."""
    from xform.desugar.functions import binding_counts
    tree = _definitions[node.args[0].value]
    namespace, captured = {"__name__": lowering.unit.origin or "__main__", "__builtins__": __builtins__}, {}
    for original, given in zip(_read(tree), node.args[1:]):
        known = lowering.known(given)
        if isinstance(known, Object):
            namespace[original] = known.value
        elif isinstance(known, Partial) and is_local(known.fn):
            namespace[original] = known.fn.value
            captured.update(known.keywords)
        else:
            if known is None and binding_counts(lowering.tree).get(given.id, 1) != 1:
                refuse(node, lowering.unit, f"class {tree.name}, defined in a function, reads {original!r}, which is assigned more than "
                       "once", "Pass it to the class, or use a name that is assigned once.")
            captured[f"{original}_outer"] = given if known is None else known
    outside = {n: f"{n}_outer" for n in _read(tree) if f"{n}_outer" in captured and n not in namespace}
    cls = _made(lowering, tree, namespace, outside, node)
    return Object(cls) if not captured else Partial(Object(cls), (), tuple(captured.items()))


def is_local(known) -> bool:
    """Whether a compile-time value is a class that was defined in a function and captures locals of it."""
    return isinstance(known, Object) and isinstance(known.value, type) and CAPTURED in vars(known.value)


def captured_by(lowering, cls) -> dict:
    """What an object gets that a method of its class makes: what the method's own object has captured."""
    wanted = vars(cls).get(CAPTURED, ())
    for known in lowering.statics.values() if wanted else ():
        if isinstance(known, Instance) and wanted <= set(known.fields):
            return {attr: known.fields[attr] for attr in wanted}
    return {}


def whole(known):
    """A class without what it captures; anything else as it is."""
    return known.fn if isinstance(known, Partial) and is_local(known.fn) else known


def _made(lowering, tree, namespace, outside, node):
    from xform import parse
    from xform.syntax import clone
    tree = clone(tree)
    for statement in tree.body:
        if isinstance(statement, gast.FunctionDef):
            _read_from_self(lowering, statement, outside)
        elif any(isinstance(n, gast.Name) and n.id in outside for n in gast.walk(statement)):
            refuse(statement, lowering.unit, f"the body of class {tree.name}, defined in a function, reads a variable of the function",
                   "Set the attribute in __init__.")
    module = ast.Module([gast.gast_to_ast(tree)], [])
    try:
        exec(compile(ast.fix_missing_locations(module), lowering.unit.file or "<class>", "exec"), namespace)
    except Exception as error:
        refuse(node, lowering.unit, f"class {tree.name} cannot be made when the code is read: {type(error).__name__}: {error}",
               "Define the class at module level.")
    cls = namespace[tree.name]
    if outside or any(CAPTURED in vars(c) for c in cls.__mro__):
        setattr(cls, CAPTURED, {*outside.values()}.union(*[vars(c).get(CAPTURED, ()) for c in cls.__mro__]))
    methods = {s.name: s for s in tree.body if isinstance(s, gast.FunctionDef)}
    for identifier, found in vars(cls).items():
        function = _function_of(found)
        if function is not None and identifier in methods:
            parse.given(function, methods[identifier])
    return cls


def _function_of(found):
    """The function behind a class attribute."""
    if isinstance(found, property):
        return found.fget
    if isinstance(found, (staticmethod, classmethod)):
        return found.__func__
    if isinstance(found, functools.cached_property):
        return found.func
    return found if isinstance(found, types.FunctionType) else None


def _read_from_self(lowering, method, outside):
    """Read what a method captures from its object."""
    from xform.desugar.functions import free
    wanted = [n for n in free(method) if n in outside]
    if not wanted:
        return
    fixed = method.args.posonlyargs + method.args.args
    marks = {d.id for d in method.decorator_list if isinstance(d, gast.Name)}
    if not fixed or marks & {"staticmethod", "classmethod"}:
        refuse(method, lowering.unit, f"{method.name}, which is called without an object, reads {wanted[0]!r} of the function around its "
               "class", "Pass it as an argument.")
    own = fixed[0].id

    class Read(gast.NodeTransformer):
        def visit_Name(self, node):
            if node.id not in wanted or not isinstance(node.ctx, gast.Load):
                return node
            base = gast.copy_location(gast.Name(own, gast.Load(), None, None), node)
            return gast.copy_location(gast.Attribute(base, outside[node.id], gast.Load()), node)
    method.body[:] = [Read().visit(s) for s in method.body]
