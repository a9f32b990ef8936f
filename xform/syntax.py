"""Short constructors for gast nodes, and walks over them that the passes share."""
from __future__ import annotations

import gast


def name(identifier, node=None):
    return at(gast.Name(identifier, gast.Load(), None, None), node)


def store(identifier, node=None):
    return at(gast.Name(identifier, gast.Store(), None, None), node)


def const(value, node=None):
    return at(gast.Constant(value, None), node)


def reference(dotted, node=None):
    """``reference('np.sin')`` is the expression np.sin."""
    head, *rest = dotted.split(".")
    out = name(head, node)
    for part in rest:
        out = at(gast.Attribute(out, part, gast.Load()), node)
    return out


def dotted(node):
    """The inverse of ``reference``: 'np.sin', or None for any other expression."""
    if isinstance(node, gast.Name):
        return node.id
    if isinstance(node, gast.Attribute):
        head = dotted(node.value)
        return head and f"{head}.{node.attr}"
    return None


def call(function, args=(), keywords=None, node=None):
    function = reference(function, node) if isinstance(function, str) else function
    pairs = [gast.keyword(k, v) for k, v in (keywords or {}).items()]
    return at(gast.Call(function, list(args), pairs), node)


def assign(target, value, node=None):
    """``target`` is a name, a list of names (unpacking) or a node."""
    if isinstance(target, str):
        target = store(target, node)
    elif isinstance(target, (list, tuple)):
        target = at(gast.Tuple([store(t, node) for t in target], gast.Store()), node)
    value = name(value, node) if isinstance(value, str) else value
    return at(gast.Assign([target], value, None), node)


def pack(items, node=None):
    return at(gast.Tuple([name(i, node) if isinstance(i, str) else i for i in items], gast.Load()), node)


def negate(test, node=None):
    return at(gast.UnaryOp(gast.Not(), test), node)


def returns(value, node=None):
    return at(gast.Return(value), node)


def branch(test, body, orelse=(), node=None):
    return at(gast.If(test, list(body), list(orelse)), node)


def exit_if(test, node=None):
    """The canonical loop exit: ``if test: break``."""
    return branch(test, [at(gast.Break(), node)], [], node)


def expression(text, node=None):
    """Parse one expression."""
    tree = gast.parse(text, mode="eval").body
    for inner in nodes_of(tree):
        at(inner, node, force=True)
    return tree


def function(identifier, params, body, node=None):
    """A FunctionDef with plain positional parameters."""
    args = gast.arguments([gast.Name(p, gast.Param(), None, None) for p in params], [], None, [], [], None, [])
    made = gast.FunctionDef(identifier, args, list(body), [], None, None, [])
    return at(made, node)


def at(made, node, force=False):
    """Give a made node the place of the user's node that it came from, and what was noted of that node.

    derivative: it computes a derivative of what is at its place. back: it is a loop whose turns are the user's, the last one first.
    """
    if node is None and not force:
        return made
    known, facts = {} if node is None else node.__dict__, made.__dict__
    for attribute in ("lineno", "col_offset", "end_lineno", "end_col_offset", "derivative", "back"):
        value = known.get(attribute)
        if force or value is not None:
            facts[attribute] = value
    return made


def note_derivative(statements):
    """Note that statements compute the derivative of what is at their place."""
    for statement in statements:
        for node in nodes_of(statement):
            node.derivative = True


def params_of(definition):
    return [a.id for a in definition.args.args]


_SHARED = (gast.expr_context, gast.operator, gast.unaryop, gast.cmpop, gast.boolop)   # they say nothing but their class


def clone(node):
    """Copy a tree. No node of the copy stands in two places, also where one of the original does."""
    if type(node) is list:
        return [clone(item) for item in node]
    if not isinstance(node, gast.AST):
        return node
    made = node.__class__.__new__(node.__class__)
    facts = made.__dict__
    facts.update(node.__dict__)
    if not (node.__class__ is gast.Name and node.annotation is None or node.__class__ is gast.Constant):
        for key, value in node.__dict__.items():
            if type(value) is list:
                facts[key] = [clone(item) for item in value]
            elif isinstance(value, gast.AST) and not isinstance(value, _SHARED):
                facts[key] = clone(value)
    return made


_LEAF_FIELDS = {"id", "ctx", "attr", "op", "ops", "type_comment", "kind"}     # these hold no nodes with nodes in them
_fields: dict = {}


def _child_fields(kind):
    found = _fields.get(kind)
    if found is None:
        found = _fields[kind] = () if kind is gast.Constant else tuple(f for f in kind._fields if f not in _LEAF_FIELDS)
    return found


def children(node):
    """The nodes directly in a node, in order, without contexts and operators: those of ``ast.iter_child_nodes``, faster."""
    return _into([], node)


def _into(found, node):
    facts = node.__dict__
    for field in _child_fields(node.__class__):
        value = facts.get(field)
        if value is None:
            continue
        if type(value) is list:
            for item in value:
                if isinstance(item, gast.AST):
                    found.append(item)
        elif isinstance(value, gast.AST):
            found.append(value)
    return found


def nodes_of(node):
    """The nodes of a tree, the nearer to the root the earlier; without contexts and operators."""
    found = [node]
    for inner in found:
        if not (inner.__class__ is gast.Name and inner.annotation is None):
            _into(found, inner)
    return found


def reads(node):
    """Names that an expression or statement reads (function bodies excluded by construction in core)."""
    found = []
    _reads(node, found)
    return found


def _reads(node, found):
    if node.__class__ is gast.Name:
        if node.ctx.__class__ is gast.Load:
            found.append(node.id)
        return
    if node.__class__ is gast.FunctionDef:
        inner = []
        for statement in node.body:
            _reads(statement, inner)
        own = set(params_of(node)) | set(assigned(node.body))
        found.extend(n for n in inner if n not in own)
        return
    for child in children(node):
        _reads(child, found)


def target_names(target):
    """The names that an assignment target stores to."""
    if target.__class__ is gast.Name:
        return [target.id]
    if isinstance(target, (gast.Tuple, gast.List)):
        return [n for element in target.elts for n in target_names(element)]
    if isinstance(target, gast.Starred):
        return target_names(target.value)
    return []


def assigned(statements):
    """Names stored to anywhere in these statements, in order of first appearance."""
    found = {}
    for statement in statements:
        if isinstance(statement, gast.Assign):
            found.update(dict.fromkeys(n for t in statement.targets for n in target_names(t)))
        elif isinstance(statement, gast.For):
            found.update(dict.fromkeys(target_names(statement.target)))
        elif isinstance(statement, gast.FunctionDef):
            found[statement.name] = None
        for block in blocks(statement):
            found.update(dict.fromkeys(assigned(block)))
    return list(found)


def blocks(statement):
    """The statement lists nested directly in a statement."""
    if isinstance(statement, (gast.If, gast.For, gast.While)):
        return [statement.body, statement.orelse] if statement.orelse else [statement.body]
    return []


def rename(node, mapping):
    """Rename Name nodes in place, loads and stores alike."""
    for inner in nodes_of(node):
        if isinstance(inner, gast.Name) and inner.id in mapping:
            inner.id = mapping[inner.id]
        elif isinstance(inner, gast.FunctionDef) and inner.name in mapping:
            inner.name = mapping[inner.name]
    return node


def is_exit(statement):
    """Whether a statement is the canonical loop exit ``if t: break``."""
    return isinstance(statement, gast.If) and len(statement.body) == 1 and isinstance(statement.body[0], gast.Break)


def head_length(loop):
    """How many statements of a core loop's body form its head (through the exit test)."""
    for index, statement in enumerate(loop.body):
        if is_exit(statement):
            return index + 1
    return 0
