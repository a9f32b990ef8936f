"""Rules as templates: turn an op's derivative text into an expression over a call's own operands.

``instantiate("2 * x", {"x": <diff>})`` is the expression ``2 * diff``; keywords equal to the callee's defaults are
dropped, so that ``rt.unsum(d_out, like=a, axis=axis, keepdims=keepdims)`` reads ``rt.unsum(d_out, like=a)`` for a plain sum.
"""
from __future__ import annotations

import functools
import inspect

import gast

from xform.library import lookup
from xform.simplify.algebra import simplified
from xform.syntax import at, clone, dotted, nodes_of


@functools.lru_cache(maxsize=None)
def _parsed(text):
    return gast.parse(text, mode="eval").body


class _Substitute(gast.NodeTransformer):
    def __init__(self, mapping):
        self.mapping = mapping

    def visit_Name(self, node):
        found = self.mapping.get(node.id)
        return node if found is None else clone(found)

    def visit_Call(self, node):
        self.generic_visit(node)
        defaults = _defaults(dotted(node.func))
        kept = []
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg in defaults and isinstance(value, gast.Constant) and value.value is defaults[keyword.arg]:
                continue
            kept.append(keyword)
        node.keywords = kept
        return node


@functools.lru_cache(maxsize=None)
def _defaults(path):
    target = lookup(path) if path else None
    if target is None:
        return {}
    try:
        return {p.name: p.default for p in inspect.signature(target).parameters.values() if p.default is not p.empty}
    except (TypeError, ValueError):
        return {}


def instantiate(text, mapping, node=None):
    """Parse a template and substitute operands for its names, then simplify."""
    tree = _Substitute(mapping).visit(clone(_parsed(text)))
    tree = simplified(tree)
    for inner in nodes_of(tree):
        at(inner, node, force=True) if node is not None else None
    return tree


def mentions(text, identifier):
    """Whether a template uses a name."""
    return any(isinstance(n, gast.Name) and n.id == identifier for n in nodes_of(_parsed(text)))


def free_names(text):
    return {n.id for n in nodes_of(_parsed(text)) if isinstance(n, gast.Name)}
