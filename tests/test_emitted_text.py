"""What is written means what the tree means: operators, signs and brackets, in every nesting."""
import ast
import itertools

import gast
import numpy
import pytest

import xform
import xform.numpy as np
from xform.emit import source

OPERATORS = [gast.Add, gast.Sub, gast.Mult, gast.Div, gast.Pow, gast.Mod, gast.FloorDiv, gast.MatMult, gast.BitAnd]


def name(text):
    return gast.Name(text, gast.Load(), None, None)


def constant(value):
    return gast.Constant(value, None)


LEAVES = [lambda: name("a"), lambda: constant(-2), lambda: gast.UnaryOp(gast.USub(), name("b")), lambda: constant(-1.5),
          lambda: gast.UnaryOp(gast.Not(), name("b")), lambda: gast.Attribute(constant(-3.0), "real", gast.Load()),
          lambda: gast.IfExp(name("p"), name("q"), name("r")), lambda: gast.Compare(name("p"), [gast.Lt()], [name("q")]),
          lambda: gast.BoolOp(gast.And(), [name("p"), name("q")]), lambda: gast.Subscript(name("x"), constant(-1), gast.Load())]


class Signs(ast.NodeTransformer):
    """A negative constant is what its text is read as: the negation of a positive one."""

    def visit_Constant(self, node):
        if isinstance(node.value, (int, float)) and node.value < 0:
            return ast.UnaryOp(ast.USub(), ast.Constant(-node.value))
        return node


def meaning(tree):
    return ast.dump(Signs().visit(tree))


def nested(inner):
    """Expressions around an expression."""
    yield inner()
    yield gast.UnaryOp(gast.USub(), inner())
    yield gast.Subscript(inner(), constant(0), gast.Load())
    yield gast.Attribute(inner(), "T", gast.Load())
    yield gast.Call(name("f"), [inner()], [gast.keyword("k", inner())])
    yield gast.Compare(inner(), [gast.Gt()], [inner()])
    yield gast.IfExp(inner(), inner(), inner())
    for operator in OPERATORS:
        yield gast.BinOp(inner(), operator(), name("z"))
        yield gast.BinOp(constant(-1), operator(), inner())


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.__name__)
def test_text_is_read_as_the_tree_that_it_was_written_from(operator):
    for left, right in itertools.product(LEAVES, LEAVES):
        for tree in nested(lambda left=left, right=right: gast.BinOp(left(), operator(), right())):
            text = source(tree)
            assert meaning(ast.parse(text, mode="eval").body) == meaning(gast.gast_to_ast(tree)), text


def test_powers_of_minus_one():
    def alternating(x):
        total = 0.0
        for k in range(6):
            total += (-1) ** k * x ** k / (2 * k + 1)
        return total
    expected = sum((-1) ** k * 0.6 ** k / (2 * k + 1) for k in range(6))
    slope = sum((-1) ** k * k * 0.6 ** (k - 1) / (2 * k + 1) for k in range(1, 6))
    for run in (xform.value_and_grad(alternating), xform.jit(xform.value_and_grad(alternating))):
        numpy.testing.assert_allclose([float(part) for part in run(0.6)], [expected, slope], rtol=1e-5)
    numpy.testing.assert_allclose(xform.vmap(alternating)(np.array([0.6, 0.6])), [expected] * 2, rtol=1e-5)
