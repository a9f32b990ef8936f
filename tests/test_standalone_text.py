"""What ``xform.source`` shows runs on its own: it imports every name that it needs."""
import builtins
import dis
import importlib

import numpy
import pytest

import xform

ZOO = {name: entry for file in ("programs", "programs_functions", "programs_arrays", "programs_numerics")
       for name, entry in importlib.import_module(file).PROGRAMS.items()}


@pytest.mark.parametrize("name", ZOO)
def test_compiled_programs_run_on_their_own(name):
    function, inputs, options = ZOO[name]
    if not options["jit"]:
        pytest.skip("only the run knows its shapes")
    pushed = xform.jit(function)
    want = pushed(*inputs)
    namespace = {"__name__": "shown"}
    text = xform.source(pushed)
    exec(compile(text, f"<{name}>", "exec"), namespace)
    found = next(namespace[n] for n in namespace if n.endswith("_jit") and n.removesuffix("_jit") in (
        function.__name__, "lambda_"))(*inputs)
    for a, b in zip(xform.tree.leaves(found), xform.tree.leaves(want), strict=True):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ZOO)
def test_gradients_name_nothing_unknown(name):
    function, _, _ = ZOO[name]
    try:
        text = xform.source(xform.grad(function))
    except TypeError:       # the result is written as a container
        pytest.skip("no gradient")
    namespace = {"__name__": "shown", **vars(builtins)}
    exec(compile(text, f"<{name}>", "exec"), namespace)
    codes = [f.__code__ for f in namespace.values() if getattr(getattr(f, "__code__", None), "co_filename", None) == f"<{name}>"]
    read = {i.argval for code in codes for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    assert codes and read <= set(namespace)
