"""Staging: functions run once on symbolic arrays; constants, captures, locations and leaks."""
import numpy as np
import pytest

import runtime as rt
from runtime.array import Array, LeakError
from runtime.primitive import Primitive, as_operand
from runtime.stage import ShapeDtypeStruct, eval_shape, trace
from runtime.types import aval

add = Primitive("stage_add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
iota = Primitive("stage_iota", lambda *, size: aval((size,), np.int32),
                 lambda block, operands, outs, size: block.op("iota", [], outs[0], {"iota_dimension": 0}))
SPEC = ShapeDtypeStruct((3,), np.float32)


def test_a_function_runs_once_on_symbolic_arrays():
    seen = []

    def f(x, y):
        seen.append(x)
        return {"sum": add(x, y), "n": 3.0}
    staged = trace(f, (SPEC, SPEC))
    assert len(seen) == 1 and isinstance(seen[0], Array) and seen[0].shape == (3,)
    assert staged.out_avals == (aval((), np.float32, True), aval((3,), np.float32))
    assert '"stablehlo.add"' in staged.module.text() and not staged.captured


def test_large_constants_are_captured_and_small_ones_written_out():
    large, small = as_operand(np.arange(100.0)), as_operand(np.arange(3.0))
    staged = trace(lambda x: (add(x, small), add(large, large), large, large), (SPEC,))
    assert len(staged.captured) == 2  # large + large was computed at once; large itself is there once
    assert "dense<[0.0, 1.0, 2.0]>" in staged.module.text()


def test_concrete_operands_stay_concrete_in_a_trace():
    x = as_operand(2.0)
    found = []

    def f(y):
        found.append(float(add(x, x)))
        return y
    trace(f, (SPEC,))
    assert found == [4.0]


def test_large_results_without_operands_are_left_to_the_program():
    kinds = []

    def f(x):
        kinds.extend([type(iota(size=10)._v).__name__, type(iota(size=100_000)._v).__name__])
        return x
    trace(f, (SPEC,))
    assert kinds == ["ArrayImpl", "Value"]


def test_asking_for_a_value_says_what_to_do():
    for ask in (bool, float, int, np.asarray, lambda x: x.item(), lambda x: [0, 1][x]):
        with pytest.raises(rt.ConcretizationError, match="staged for compilation") as caught:
            trace(lambda x: ask(x), (ShapeDtypeStruct((), np.int32),))
        assert isinstance(caught.value, TypeError)


def test_a_leaked_array_is_recognised():
    kept = []

    def f(x):
        kept.append(x)
        return x
    trace(f, (SPEC,))
    with pytest.raises(LeakError, match="has returned"):
        add(kept[0], kept[0])
    with pytest.raises(LeakError, match="outside"):
        trace(lambda x: add(x, kept[0]), (SPEC,))


def test_results_that_are_no_arrays_are_refused_by_position():
    with pytest.raises(TypeError, match=r"\['b'\]\[1\].*not a valid result"):
        trace(lambda x: {"a": x, "b": (x, "text")}, (SPEC,))


def test_lines_of_the_function_are_in_the_module():
    def f(x):
        return add(x, x)
    text = trace(f, (SPEC,)).module.text()
    assert f'"f"("{__file__}":{f.__code__.co_firstlineno + 1}:' in text


def test_eval_shape_computes_nothing():
    out = eval_shape(lambda x, n: (add(x, x), n), SPEC, 3)
    assert out == (SPEC, ShapeDtypeStruct((), np.int32, weak_type=True))
    assert "float32" in repr(out[0])


def test_eval_shape_inside_a_trace_leaves_nothing_behind():
    def f(x):
        spec = eval_shape(lambda y: add(x, y), x)
        assert spec.shape == (3,)
        return x
    assert "stablehlo.add" not in trace(f, (SPEC,)).module.text()


def test_staging_a_gradient_compiles_nothing(monkeypatch):
    """The cotangent that starts it is a value of the program: what follows from a number would run while the program is put together."""
    import xform
    from runtime import execute
    gradient = xform.jit(xform.value_and_grad(lambda w, x: xform.numpy.mean((w * x) ** 2)))
    gradient.lower(1.0, np.ones((2, 3), np.float32))
    monkeypatch.setattr(execute, "compile_text", lambda *given: pytest.fail("a kernel was compiled"))
    assert "stablehlo" in gradient.lower(1.0, np.ones((17, 23), np.float32)).as_text()
