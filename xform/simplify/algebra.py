"""Algebra that never changes a value: products with one, double negation, constants folded.

Before: ``d * 1``, ``d * -1``, ``2 * x ** (2 - 1)``.   After: ``d``, ``-d``, ``2 * x``.
"""
from __future__ import annotations

import operator

import gast

FOLD = {gast.Add: operator.add, gast.Sub: operator.sub, gast.Mult: operator.mul}


def simplified(tree):
    """Simplify an expression tree (a new tree is returned)."""
    return _Algebra().visit(tree)


def _number(node):
    return isinstance(node, gast.Constant) and type(node.value) in (int, float)


def _is(node, value):
    return _number(node) and node.value == value


class _Algebra(gast.NodeTransformer):
    def visit_BinOp(self, node):
        self.generic_visit(node)
        left, right, op = node.left, node.right, type(node.op)
        if _number(left) and _number(right) and op in FOLD:
            return gast.copy_location(gast.Constant(FOLD[op](left.value, right.value), None), node)
        if op is gast.Mult:
            if isinstance(right, gast.Constant) and right.value == 1 and type(right.value) is int:
                return left
            if isinstance(left, gast.Constant) and left.value == 1 and type(left.value) is int:
                return right
            if _is(right, -1) and type(right.value) is int:
                return gast.copy_location(gast.UnaryOp(gast.USub(), left), node)
            if isinstance(right, gast.UnaryOp) and isinstance(right.op, gast.USub) and not _number(right.operand):
                product = gast.copy_location(gast.BinOp(left, gast.Mult(), right.operand), node)
                return gast.copy_location(gast.UnaryOp(gast.USub(), product), node)
            if isinstance(right, gast.BinOp) and isinstance(right.op, gast.Div) and _is(right.left, 1):
                return gast.copy_location(gast.BinOp(left, gast.Div(), right.right), node)
        if op is gast.Add and isinstance(right, gast.UnaryOp) and isinstance(right.op, gast.USub):
            return gast.copy_location(gast.BinOp(left, gast.Sub(), right.operand), node)
        if op is gast.Pow and isinstance(right, gast.Constant) and right.value == 1 and type(right.value) is int:
            return left
        if op in (gast.Mult, gast.Div) and isinstance(left, gast.UnaryOp) and isinstance(left.op, gast.USub) \
                and not _number(left.operand):
            inner = gast.copy_location(gast.BinOp(left.operand, node.op, right), node)
            return gast.copy_location(gast.UnaryOp(gast.USub(), inner), node)
        return node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, gast.USub):
            if _number(node.operand):
                return gast.copy_location(gast.Constant(-node.operand.value, None), node)
            if isinstance(node.operand, gast.UnaryOp) and isinstance(node.operand.op, gast.USub):
                return node.operand.operand
        return node
