"""Functions under names that are bound more than once: each is what the name means from there on, as long as that can be read off the text.

Before::

    activation = given or np.tanh
    if scaled:              # known when the code is read
        inner = activation
        activation = lambda v: inner(v) * w
    y = activation(x)

After, where ``given`` is np.sin and ``scaled`` is true: ``y = f_lambda(w, x)``. A name that a branch or a loop binds, where only the run
knows whether it does, is a local of the run from there on::

    activation = np.sin
    if above:
        activation = np.cos

So is one that a nested function reads which stands before a binding: it reads what the name means when it is called.
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.desugar.functions import FUNCTIONS
from xform.resolve import Display, Instance, Object


def prepare(lowering):
    """Take the functions among the arguments as values of the run where their parameters are bound anew in a way that only the run knows."""
    for param, known in lowering.given.items():
        if lowering.counts.get(param, 1) > 1 and lowering.statics.get(param) is known and (
                _is_function(lowering, known) or isinstance(known, Object) and resolve.is_plain(known.value)):
            lowering.settled.add(param)
            if not _in_order(lowering, param):
                forget(lowering, param, lowering.tree)


def take(lowering, identifier, known, node) -> bool:
    """Bind a name to a function for all that follows; returns whether that could be done."""
    from xform.desugar.picked import binds_alone
    if isinstance(known, resolve.Picked) and binds_alone(lowering, identifier, node):
        lowering.statics[identifier] = known
        return True
    if lowering.depth or known is None or not (_is_function(lowering, known) or isinstance(known, Object) and known.value is None) or getattr(
            lowering.scope, "generated", False) or not _in_order(lowering, identifier):
        return False
    lowering.statics[identifier] = known
    lowering.settled.add(identifier)
    return True


def _is_function(lowering, known):
    return not isinstance(known, (Display, Instance)) and lowering.is_static(known) and resolve.is_function(known)


def picked(lowering, node):
    """The function that ``given or np.tanh`` is; None where only the run knows."""
    found = None
    for value in node.values:
        found = lowering.known(value)
        if isinstance(value, gast.Constant) and value.value is None:
            found = Object(None)
        nothing = isinstance(found, Object) and found.value is None
        if found is None or not nothing and not _is_function(lowering, found):
            return None
        if nothing == isinstance(node.op, gast.And):
            break
    return found


def leave(lowering, identifier):
    """A name gets a value of the run."""
    if identifier in lowering.settled:
        lowering.settled.discard(identifier)
        lowering.statics.pop(identifier, None)


def forget(lowering, identifier, node):
    """Make the function that a name means a value of the run."""
    known = lowering.statics[identifier]
    leave(lowering, identifier)
    lowering.emit(identifier, lowering.materialise(known, node), node)


def before_block(lowering, node):
    """The same of the names that a branch or a loop binds which may not be run."""
    if lowering.settled:
        for identifier in _bindings(node):
            if identifier in lowering.settled:
                forget(lowering, identifier, node)


def _bindings(tree):
    """The names that statements bind, and on which lines."""
    found, left = {}, list(gast.iter_child_nodes(tree))
    while left:
        node = left.pop()
        if isinstance(node, gast.Name) and isinstance(node.ctx, gast.Store):
            found.setdefault(node.id, []).append(getattr(node, "lineno", None) or 0)
        elif isinstance(node, (gast.FunctionDef, gast.ClassDef)):
            found.setdefault(node.name, []).append(node.lineno)
        if not isinstance(node, FUNCTIONS):
            left.extend(gast.iter_child_nodes(node))
    return found


def _in_order(lowering, identifier) -> bool:
    """Whether no nested function reads a name that stands before a binding of it, and none binds it."""
    if lowering.order is None:
        readers = {}
        for node in gast.walk(lowering.tree):
            if isinstance(node, FUNCTIONS) and node is not lowering.tree:
                for name in gast.walk(node):
                    if isinstance(name, gast.Name):
                        readers[name.id] = min(node.lineno, readers.get(name.id, node.lineno))
                    elif isinstance(name, gast.Nonlocal):
                        readers.update(dict.fromkeys(name.names, 0))
        lowering.order = readers, {n: max(lines) for n, lines in _bindings(lowering.tree).items()}
    readers, bindings = lowering.order
    return identifier not in readers or readers[identifier] > bindings.get(identifier, 0)
