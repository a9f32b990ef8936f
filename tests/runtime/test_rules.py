"""The rules themselves: templates parse, name things that exist, and every op can be batched."""
import ast

import pytest

import runtime as rt
import runtime.numpy as np
from runtime import lax, nn, random
from runtime.op import RULES

NAMES = {"np": np, "rt": rt, "lax": lax, "nn": nn, "random": random}
OPS = [(f"{function.__module__}.{rule.name}", rule) for function, rule in RULES.items()
       if function.__module__.startswith(("runtime.ops", "runtime.numpy", "runtime.lax"))]

# Results whose shape depends on values cannot have a batch.
UNBATCHABLE = {"nonzero", "unique", "intersect1d", "setdiff1d", "setxor1d", "ravel_multi_index", "inverse_permutation"}


def _templates(rule):
    for form in (rule.partials, rule.vjp, rule.jvp):
        if isinstance(form, str):
            yield form
        elif form:
            yield from form.values()


@pytest.mark.parametrize("rule", [r for _, r in OPS], ids=[name for name, _ in OPS])
def test_templates_name_what_exists(rule):
    known = {*rule.params, *(f"{p}_dot" for p in rule.params), "out", "d_out", "arg", "k", *NAMES, *dir(__builtins__)}
    known |= set(__builtins__) if isinstance(__builtins__, dict) else set()
    for text in _templates(rule):
        tree = ast.parse(text, mode="eval")
        bound = {n.id for c in ast.walk(tree) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)
                 if isinstance(n, ast.Name)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in NAMES:
                assert hasattr(NAMES[node.value.id], node.attr), f"{text}: no {node.value.id}.{node.attr}"
            elif isinstance(node, ast.Name):
                assert node.id in known | bound, f"{text}: {node.id} is no parameter of {rule.name}"


@pytest.mark.parametrize("rule", [r for _, r in OPS], ids=[name for name, _ in OPS])
def test_every_op_can_be_batched(rule):
    assert rule.elementwise or rule.unbatched or rule.batch is not None or rule.name in UNBATCHABLE
