"""The StableHLO builder: literals are exact, regions and private functions compile, values are scoped."""
import ml_dtypes
import numpy as np
import pytest

from runtime.array import Array, to_buffer
from runtime.device import default_placement
from runtime.execute import compile_text
from runtime.hlo import Module, location_text, number_text
from runtime.types import aval

F3 = aval((3,), np.float32)
F = aval((), np.float32)


def run(module, outs, *arrays):
    """Compile a module and run it on NumPy arrays."""
    place = default_placement()
    executable = compile_text(module.text(), place)
    results = executable.execute_sharded([to_buffer(a, a.dtype) for a in arrays]).consume_with_handlers(
        [place.handler(o) for o in outs])
    return [np.asarray(Array(r)) for r in results]


@pytest.mark.parametrize("array", [
    np.array([1, -0.0, np.inf, -np.inf, np.nan, 1e-45, 1e20, 1 / 3], np.float32),
    np.array([65504, 6e-8, np.nan], np.float16), np.arange(40, dtype=np.int16) - 20, np.array([True, False, True]),
    np.array([2**32 - 1, 0], np.uint32), np.array([1 + 2j, complex(0, -np.inf)], np.complex64), np.array(7, np.int8),
    np.zeros((0, 3), np.float32), np.linspace(0, 1, 50).astype(np.float32).reshape(5, 10),
    np.arange(30).astype(ml_dtypes.bfloat16), np.array([True] * 40 + [False]), np.full((3, 3), -0.0, np.float32)],
    ids=lambda a: f"{a.dtype}{a.shape}")
def test_constants_are_exact(array):
    module = Module()
    module.results([module.main.constant(array)])
    got, = run(module, [aval(array.shape, array.dtype)])
    assert got.dtype == array.dtype and got.shape == array.shape
    assert got.tobytes() == array.tobytes()


def test_number_text_has_a_point_where_mlir_needs_one():
    assert number_text(1e20, np.dtype("float32")) == "1.0e+20"
    assert number_text(np.float32("nan"), np.dtype("float32")) == "0x7FC00000"


def test_constants_are_emitted_once_per_block():
    module = Module()
    a, b = module.main.constant(2.0, np.float32), module.main.constant(2.0, np.float32)
    assert a is b and module.main.constant(2.0, np.float32, (3,)) is not a
    assert module.main.region().constant(2.0, np.float32) is a


def test_reduce_with_a_region():
    module = Module()
    x = module.argument(F3)
    block = module.main
    total = block.op("reduce", [x, block.constant(0, np.float32)], F, {"dimensions": (0,)},
                     [block.binary_region("add", np.float32)])
    module.results([total])
    assert run(module, [F], np.arange(3, dtype=np.float32))[0] == 3


def test_private_functions_are_shared():
    module = Module()
    x = module.argument(F3)

    def square(block, args):
        return block.op("multiply", [args[0], args[0]], F3)
    y = module.main.call("square", square, [x], F3)
    module.results([module.main.call("square", square, [y], F3)])
    assert module.text().count("func.func private") == 1
    np.testing.assert_array_equal(run(module, [F3], np.array([1, 2, 3], np.float32))[0], [1, 16, 81])


def test_a_private_function_that_returns_another_type_is_refused():
    module = Module()
    x = module.argument(F3)
    with pytest.raises(TypeError, match="declared"):
        module.main.call("bad", lambda block, args: args[0], [x], F)


def test_conversions():
    module = Module()
    x = module.argument(F3)
    block = module.main
    flags = block.convert(x, aval((3,), np.bool_))
    weak = block.convert(x, aval((3,), np.float32, True))
    assert weak.name == x.name and weak.aval.weak_type
    module.results([flags, block.convert(x, aval((3,), np.int32))])
    got = run(module, [flags.aval, aval((3,), np.int32)], np.array([0, 0.5, -2.5], np.float32))
    np.testing.assert_array_equal(got[0], [False, True, True])
    np.testing.assert_array_equal(got[1], [0, 0, -2])


def test_values_are_visible_in_nested_blocks_only():
    module = Module()
    x = module.argument(F3)
    inner = module.main.region([F3])
    assert inner.resolve(x) is x
    assert module.main.resolve(inner.args[0]) is None
    sibling = module.main.region()
    sibling.rebound[inner.args[0].name] = x
    assert sibling.resolve(inner.args[0]).name == x.name


def test_a_region_collects_the_outer_values_it_uses():
    module = Module()
    x = module.argument(F3)
    outer = module.main.region()
    outer.free = {}
    outer.region().resolve(x)
    assert list(outer.free) == [x.name]


def test_an_unfinished_region_is_refused():
    module = Module()
    with pytest.raises(ValueError, match="ret"):
        module.main.op("while", [], [], regions=[module.main.region()])


def test_markers_are_filled_at_the_end():
    module = Module()
    groups = []
    module.attributes["test.groups"] = module.marker(lambda: f"{len(groups)} : i32")
    groups += [1, 2]
    module.results([])
    assert "test.groups = 2 : i32" in module.text()


def test_locations_reach_the_error_message():
    module = Module()
    x = module.argument(F3)
    module.main.location = location_text("user.py", 42)
    module.results([module.main.op("add", [x, x], F)])
    with pytest.raises(RuntimeError, match="user.py:42"):
        compile_text(module.text(), default_placement())
