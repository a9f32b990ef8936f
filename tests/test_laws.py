"""The laws of the design: the compiler reads and does not run; every helper of generated code has its rules."""
from __future__ import annotations

import inspect
import types

import pytest

import runtime
import xform as jax
import xform.numpy as np
from runtime.op import RULES, rule_of
from xform.desugar.functions import unit_of

RUNS = []


def counts_runs(x):
    RUNS.append(x)
    return np.sin(x) * x


def raises(x):
    return x * fails(x)


def fails(x):
    raise RuntimeError("this function must not run")


@pytest.mark.parametrize("transform", [jax.grad, jax.value_and_grad, jax.vmap, jax.jit, jax.jacfwd, jax.jacrev, jax.hessian,
                                       lambda f: jax.grad(jax.grad(f)), lambda f: jax.jit(jax.vmap(jax.grad(f))),
                                       lambda f: jax.pmap(f, axis_name="i")])
@pytest.mark.parametrize("function", [counts_runs, raises])
def test_transforming_never_executes_the_function(transform, function):
    if function is counts_runs:
        with pytest.raises(jax.TransformError, match="outer object"):
            jax.source(transform(function))     # it changes a global list: refused, and not run to find out
    else:
        assert "def raises" in jax.source(transform(function))
    assert RUNS == []


def helpers():
    """The functions of the rt namespace that generated code may call."""
    modules = {"runtime.cotangent", "runtime.containers", "runtime.batch", "runtime.jacobian", "runtime.trees"}
    for key, value in vars(runtime).items():
        if isinstance(value, types.FunctionType) and value.__module__ in modules and not key.startswith("_"):
            if key != "check_sizes":    # called by the API, never by generated code
                yield pytest.param(value, id=key)


@pytest.mark.parametrize("helper", list(helpers()))
def test_every_helper_has_a_rule_or_can_be_read(helper):
    rule = rule_of(helper)
    if rule is None:
        assert unit_of(helper).params == list(inspect.signature(helper).parameters)
        return
    assert rule.elementwise or rule.batch is not None, f"{rule.name} has no batching rule"
    assert rule.constant or rule.nondifferentiable or rule.differentiable(), f"{rule.name} has no derivative"


def templates():
    for function, rule in RULES.items():
        for form in ("partials", "vjp", "jvp"):
            table = getattr(rule, form) or {}
            for param, text in ({"": table} if isinstance(table, str) else table).items():
                yield pytest.param(rule, text, id=f"{function.__module__}.{rule.name}-{form}-{param}")


@pytest.mark.parametrize("rule, text", list(templates()))
def test_every_template_speaks_of_its_own_names(rule, text):
    import builtins

    from xform.library import lookup
    from xform.template import free_names
    known = {*rule.params, *(f"{p}_dot" for p in rule.params), "out", "d_out", "arg", "k", "v", "np", "rt", "lax", "nn", "random"}
    assert free_names(text) <= known | set(dir(builtins)), text
    import ast
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            path = ast.unparse(node.func)
            if path.split(".")[0] in ("np", "rt", "lax", "nn"):
                assert lookup(path) is not None, f"{path} in {text!r} does not exist"


def test_redefined_helpers_and_globals_are_seen():
    namespace = globals()
    namespace["SCALE"] = 2.0
    derivative = jax.grad(uses_a_global)
    assert float(derivative(3.0)) == 2.0
    namespace["SCALE"] = 5.0
    assert float(derivative(3.0)) == 5.0
    old = namespace["helper"]
    try:
        namespace["helper"] = other_helper
        assert float(derivative(3.0)) == 50.0
    finally:
        namespace["helper"] = old


SCALE = 1.0


def helper(x):
    return x


def other_helper(x):
    return 10.0 * x


def uses_a_global(x):
    return helper(x) * SCALE
