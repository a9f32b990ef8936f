"""Code that runs often runs by blocks: the same numbers as operation by operation, from fewer programs."""
import importlib.util
import pdb
import sys

import numpy
import pytest

import runtime.block
import xform
import xform.numpy as np
from tests.test_programs import ZOO, argnums, chosen, close, copied, directions, scalar_of
from xform import blocks


@pytest.fixture
def at_once(monkeypatch):
    """Make blocks for the first run, and their programs for the first types; the list of those made (None: not possible)."""
    found = []
    monkeypatch.setattr(blocks, "HOT", 0)
    monkeypatch.setattr(runtime.block, "AFTER", 1)
    made = runtime.block.Block.made
    monkeypatch.setattr(runtime.block.Block, "made", lambda self, *args: found.append(made(self, *args)) or found[-1])
    return found


def shifted(inputs):
    """The same types with other numbers, near enough to take the same branches in most programs."""
    return xform.tree.map(lambda leaf: (leaf * 1.01).astype(leaf.dtype) if isinstance(leaf, numpy.ndarray) and leaf.dtype.kind == "f"
                          else leaf, inputs)


def transformed(name):
    function, _, inputs, options = ZOO[name]
    tangents = directions(inputs)
    yield xform.grad(scalar_of(function), argnums=argnums(inputs))
    yield lambda *args: xform.jvp(function, args, tangents)
    if options["order"] > 1:
        scalar = scalar_of(function)

        def slope(*args):
            return xform.jvp(scalar, args, tangents)[1]
        yield xform.grad(slope, argnums=argnums(inputs))


@pytest.mark.parametrize("name", chosen(share=0.12))
def test_programs_by_blocks(name, monkeypatch):
    """Each derivative of a program, with numbers that its blocks were made for and with others."""
    inputs = ZOO[name][2]
    for derivative in transformed(name):
        monkeypatch.setattr(blocks, "HOT", 1 << 30)
        expected = [derivative(*copied(inputs)), derivative(*copied(shifted(inputs)))]
        monkeypatch.setattr(blocks, "HOT", 0)
        monkeypatch.setattr(runtime.block, "AFTER", 1)
        for _ in range(2):
            for given, wanted in zip([inputs, shifted(inputs)], expected):
                close(derivative(*copied(given)), wanted, rtol=1e-4, atol=1e-5)


def layers(count=3, width=5):
    rng = numpy.random.default_rng(0)
    return [(np.asarray(rng.normal(size=(width, width)), np.float32), np.zeros(width)) for _ in range(count)]


def loss(params, x, target):
    for W, b in params:
        out = np.dot(x, W) + b
        x = np.tanh(out)
    return np.mean((out - target) ** 2)


def test_the_ninth_run_is_by_blocks():
    gradient = xform.grad(loss)
    args = layers(), np.ones((4, 5)), np.zeros((4, 5))
    first = gradient(*args)
    module = next(iter(gradient._entries.values()))[3]
    for _ in range(blocks.HOT - 1):
        gradient(*args)
    assert module.blocks is None
    for _ in range(3):
        close(gradient(*args), first, rtol=1e-5, atol=1e-6)
    made = [value for value in module.blocks.values() if isinstance(value, runtime.block.Block)]
    assert sorted(len(block.programs) for block in made) == [1, 1, 1, 2]    # the last layer's cotangent begins as a symbolic zero
    assert all(None not in block.programs.values() for block in made)


def test_other_shapes_and_types(at_once):
    gradient = xform.grad(loss)
    for rows, width in [(4, 5), (2, 5), (4, 3), (4, 5)]:
        params = layers(2, width)
        found = gradient(params, np.ones((rows, width)), np.zeros((rows, width)))
        close(found, xform.jit(gradient)(params, np.ones((rows, width)), np.zeros((rows, width))), rtol=1e-5, atol=1e-6)
    with xform.enable_x64():
        params = [(np.asarray(numpy.eye(3)), np.asarray(numpy.ones(3)))]
        assert gradient(params, np.ones((2, 3)), np.zeros((2, 3)))[0][0].dtype == np.float64
    assert at_once and None not in at_once


RATE = 2.0
SHIFT = np.arange(3.0)


def test_globals_are_read_again(at_once):
    gradient = xform.grad(lambda x: np.sum(RATE * x * x + np.sin(x) * SHIFT))
    x = np.ones(3)
    for rate, shift in [(2.0, np.arange(3.0)), (3.0, np.arange(3.0)), (3.0, np.ones(3)), (2.0, np.zeros(3))]:
        globals().update(RATE=rate, SHIFT=shift)
        numpy.testing.assert_allclose(gradient(x), 2 * rate * numpy.ones(3) + numpy.cos(1.0) * numpy.asarray(shift), rtol=1e-6)


def test_globals_are_read_again_by_what_stays_as_it_is(at_once):
    """A body that may raise is called by code that has no blocks."""
    def f(x):
        try:
            y = x * RATE * x
        except ValueError:
            y = x
        return np.sum(np.sin(y) + y)
    gradient = xform.grad(f)
    for rate in (2.0, 3.0, 2.0):
        globals().update(RATE=rate)
        numpy.testing.assert_allclose(gradient(np.ones(3)), 2 * rate * (1 + numpy.cos(rate)) * numpy.ones(3), rtol=1e-5)


def test_python_numbers_that_differ_from_run_to_run_have_no_program_each(at_once):
    def f(x, n):
        y = x * n + n
        return np.sum(np.sin(y) * n)
    gradient = xform.grad(f)
    for n in range(12):
        numpy.testing.assert_allclose(gradient(np.ones(2), n), n * n * numpy.cos(2.0 * n) * numpy.ones(2), rtol=1e-5, atol=1e-5)
    assert 0 < len(at_once) <= 3 * runtime.block.PYTHON


def test_numbers_of_another_type_are_other_numbers(at_once):
    def f(x, p):
        return np.sum((x * p) ** p + p)
    gradient = xform.grad(f)
    x = np.asarray([0.5, 2.0])
    for p in (1, 1.0, 2, 2.0, True):
        numpy.testing.assert_allclose(gradient(x, p), float(p) * float(p) ** p * numpy.asarray(x) ** (float(p) - 1), rtol=1e-5)


def test_errors_are_those_of_the_single_operations(at_once):
    def f(x, y):
        z = x * y
        return np.sum(z @ y + z)
    gradient = xform.grad(f)
    gradient(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises((TypeError, ValueError), match="shape") as caught:
        gradient(np.ones((2, 3)), np.ones((2, 3)))
    assert "z @ y" in "".join(caught.value.__notes__)


def test_whoever_looks_at_single_operations_sees_them(at_once):
    gradient = xform.grad(lambda x: np.sum(np.log(x) * x + x))
    gradient(np.ones(2))
    before = len(at_once)
    assert before
    with xform.debug_nans(), pytest.raises(FloatingPointError):
        gradient(np.zeros(2))
    seen = []

    def tracer(frame, event, arg):
        seen.append(frame.f_code.co_name)
        return tracer
    before_tracing, fresh = sys.gettrace(), xform.grad(lambda x: np.sum(np.log(x) * x + x * x))
    sys.settrace(tracer)
    try:
        fresh(np.ones(2))
    finally:
        sys.settrace(before_tracing)
    assert len(at_once) == before and not [name for name in seen if "_block_" in name]
    with xform.disable_jit():
        fresh(np.ones(2))
    assert len(at_once) == before


def by_breakpoint(x):
    y = x * x + 1
    breakpoint()
    return np.sum(np.sin(y) * y)


def by_pdb(x):
    y = x * x + 1
    pdb.set_trace()
    return np.sum(np.sin(y) * y)


@pytest.mark.parametrize("f", [by_breakpoint, by_pdb])
def test_code_that_stops_for_a_debugger_keeps_its_lines(at_once, monkeypatch, f):
    stops = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stops.append(1))
    spec = importlib.util.spec_from_file_location("pdb", pdb.__file__)      # pytest has put its own function in its place
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    monkeypatch.setattr(pdb, "set_trace", module.set_trace)
    xform.grad(f)(np.ones(2))
    module_blocks = len(at_once)
    assert stops and module_blocks <= 1     # the backward half, which does not stop


def test_other_devices(at_once):
    gradient = xform.grad(lambda x: np.sum(np.sin(x) * x + x))
    x = np.ones(3)
    expected = gradient(x)
    device = xform.devices()[1]
    with xform.default_device(device):
        moved = gradient(np.ones(3))
        assert moved.device == device
    close(moved, expected)
    assert gradient(xform.device_put(x, device)).device == device
    close(gradient(x), expected)
