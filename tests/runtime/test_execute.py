"""Eager dispatch: one kernel per types and attributes, exact scalars, clear errors, devices."""
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import runtime as rt
from runtime.array import scalar
from runtime.primitive import Primitive, as_operand, cast
from runtime.types import aval

add = Primitive("test_add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
two = Primitive("test_two", lambda x: (x, aval((), np.int32)),
                lambda block, operands, outs: [operands[0], block.constant(7, np.int32)])
fill = Primitive("test_fill", lambda *, shape, value: aval(shape, np.float32),
                 lambda block, operands, outs, shape, value: block.constant(value, np.float32, shape))


def test_a_kernel_is_compiled_once_per_type():
    add.cache.clear()
    x = as_operand(np.arange(3, dtype=np.float32))
    add(x, x), add(x, x)
    assert len(add.cache) == 1
    y = as_operand(np.arange(3))
    np.testing.assert_array_equal(np.asarray(add(y, y)), [0, 2, 4])
    assert len(add.cache) == 2


def test_several_results_come_as_a_tuple():
    x, n = two(as_operand(np.ones(2)))
    assert x.shape == (2,) and int(n) == 7


def test_params_of_equal_value_and_other_type_are_told_apart():
    assert float(fill(shape=(), value=1)) == 1 and float(fill(shape=(), value=True)) == 1
    assert len([k for k in fill.cache if k[1][1] == ("value", 1)]) == 2


def test_numbers_are_weak_and_numpy_is_not():
    assert scalar(2).weak_type and scalar(2).dtype == np.int32 and scalar(2.0).dtype == np.float32
    assert not scalar(True).weak_type
    assert not as_operand(np.float32(2)).weak_type
    assert scalar(0.0) is scalar(0.0) and np.signbit(np.asarray(scalar(-0.0)))
    assert not np.signbit(np.asarray(scalar(0.0)))


def test_a_number_that_does_not_fit_is_an_error():
    with pytest.raises(OverflowError, match="too large"):
        scalar(2**40)
    with rt.enable_x64():
        assert int(scalar(2**40)) == 2**40


def test_host_memory_is_never_shared():
    host = np.zeros(1024, np.float32)
    x = as_operand(host)
    host[:] = 1
    assert not np.asarray(x).any()
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(x)[0] = 1


def test_big_endian_input_is_read_right():
    np.testing.assert_array_equal(np.asarray(as_operand(np.arange(4, dtype=">i4"))), np.arange(4))


def test_x64_narrows_or_keeps():
    assert as_operand(np.ones(2)).dtype == np.float32
    with rt.enable_x64():
        assert as_operand(np.ones(2)).dtype == np.float64
        assert cast(as_operand(np.ones(2)), float).dtype == np.float64


def test_deleted_arrays_are_named():
    x = as_operand(np.ones(5, np.float32))
    x.delete()
    with pytest.raises(RuntimeError, match=r"deleted.*float32\[5\]"):
        add(x, x)
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(x)


def test_what_is_no_array_is_refused_with_its_type():
    with pytest.raises(TypeError, match="test_add.*str"):
        add("text", 1.0)


def test_casts():
    x = as_operand(np.array([0.0, 0.5, -1.5], np.float32))
    np.testing.assert_array_equal(np.asarray(cast(x, bool)), [False, True, True])
    np.testing.assert_array_equal(np.asarray(cast(x, np.int32)), [0, 0, -1])
    assert cast(x, np.float32) is x
    z = cast(as_operand(np.array([1 + 2j])), np.float32)
    assert float(np.asarray(z)[0]) == 1


def test_reading_values_does_not_import_jax():
    code = ("import sys, runtime as rt, numpy as np\nfrom runtime.primitive import as_operand\nimport ml_dtypes\n"
            "x = as_operand(np.arange(3.0)); print(x, repr(x), as_operand(np.ones(2, ml_dtypes.bfloat16)))\n"
            "assert 'jax' not in sys.modules, 'jax was imported'")
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment(), capture_output=True)


def _environment(**more):
    root = os.path.dirname(os.path.dirname(rt.__file__))
    return {**os.environ, "PYTHONPATH": root, **more}


DEVICES = """
import numpy as np, runtime as rt
from runtime.primitive import Primitive, as_operand
from runtime.types import aval
add = Primitive("add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
a, b, c = rt.devices()[:3]
x = as_operand(np.arange(4.0))
y = rt.device_put(x, b)
assert y.devices() == {b} and y.committed and not x.committed
z = add(x, y)                                     # uncommitted operands follow committed ones
assert z.devices() == {b}, z.devices()
assert add(z, z).devices() == {b}
np.testing.assert_array_equal(np.asarray(add(z, z)), np.arange(4.0) * 4)
try:
    add(y, rt.device_put(x, c))
except ValueError as error:
    assert "incompatible devices" in str(error)
else:
    raise AssertionError("two committed devices were accepted")
f = rt.jit(lambda x, y: add(x, y))
assert f(x, x).devices() == {a} and f(y, y).devices() == {b} and f(x, y).devices() == {b} and f(x, x).devices() == {a}
assert rt.jit(lambda x: add(x, x), device=c)(x).devices() == {c}
"""


def test_operations_follow_committed_arrays():
    done = subprocess.run([sys.executable, "-c", DEVICES], env=_environment(XFORM_CPU_DEVICES="3"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_forked_children_say_why_they_cannot_compile():
    code = ("import os, numpy as np\nfrom runtime.primitive import Primitive, as_operand\n"
            "add = Primitive('add', lambda x, y: x, lambda b, o, outs: b.op('add', o, outs[0]))\n"
            "x = as_operand(np.ones(3)); pid = os.fork()\n"
            "if pid == 0:\n    try:\n        add(x, x)\n    except RuntimeError as e:\n        os._exit(3 if 'spawn' in str(e) else 4)\n"
            "    os._exit(5)\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3\n")
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_pickling_keeps_value_and_type():
    x = pickle.loads(pickle.dumps(scalar(2.5)))
    assert float(x) == 2.5 and x.weak_type


def test_a_kernel_may_use_large_concrete_arrays():
    from runtime.primitive import lift
    table = as_operand(np.arange(100, dtype=np.float32))
    shifted = Primitive("test_shifted", lambda x: x, lambda block, operands, outs: block.op(
        "add", [operands[0], lift(block, table._v)], outs[0]))
    np.testing.assert_array_equal(np.asarray(shifted(table)), np.arange(100) * 2)


@pytest.fixture
def general_calls(monkeypatch):
    """Return a primitive that adds, and the list of the calls that it did not take the short way."""
    calls = []
    original = Primitive.general

    def counted(self, *operands, **params):
        calls.append(operands)
        return original(self, *operands, **params)
    monkeypatch.setattr(Primitive, "general", counted)
    return Primitive("short_add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0])), calls


def test_known_types_take_the_short_way(general_calls):
    short, calls = general_calls
    x = as_operand(np.arange(3.0))
    for _ in range(4):
        assert short(x, x).tolist() == [0, 2, 4]
        assert float(short(1.0, 2.0)) == 3 and int(short(1, 2)) == 3
    assert len(calls) == 3
    assert short(np.arange(3.0, dtype="float32"), x).tolist() == [0, 2, 4] and len(calls) == 4
    with pytest.raises(OverflowError):
        short(1, 2 ** 40)
    with pytest.raises(TypeError):
        short(x)


def test_the_short_way_asks_again_after_a_change_of_settings(general_calls):
    short, calls = general_calls
    x = as_operand(np.full(3, np.nan))
    short(x, x), short(x, x)
    rt.config.update("debug_nans", True)
    try:
        with pytest.raises(FloatingPointError, match="short_add"):
            short(x, x)
    finally:
        rt.config.update("debug_nans", False)
    assert np.isnan(short(x, x)).all()
    with rt.enable_x64():
        assert short(1.0, 2.0).dtype == np.float64


def test_the_short_way_names_a_deleted_operand_and_leaves_other_devices_alone(general_calls):
    short, calls = general_calls
    x, gone = as_operand(np.arange(3.0)), as_operand(np.arange(3.0))
    short(x, gone)
    gone.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        short(x, gone)
    if rt.device_count() > 1:
        there = rt.device_put(x, rt.devices()[-1])
        assert short(there, there).devices() == {rt.devices()[-1]}
    assert rt.jit(lambda v: short(v, v)).lower(x).as_text().count("stablehlo.add") == 1
