"""jit: signatures, statics, donation, captures, ahead-of-time use, configuration, and life beside jax."""
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import runtime as rt
from runtime.primitive import Primitive, as_operand

add = Primitive("jit_add", lambda x, y: x, lambda block, operands, outs: block.op("add", operands, outs[0]))
X = as_operand(np.arange(4, dtype=np.float32))


def counted(**options):
    """Return a jitted doubling function and the list that grows with each staging."""
    runs = []

    def double(x, n=1, *, flag=False):
        runs.append(n)
        return add(x, x)
    return rt.jit(double, **options), runs


def test_a_function_is_staged_once_per_type():
    f, runs = counted()
    for _ in range(3):
        np.testing.assert_array_equal(np.asarray(f(X)), [0, 2, 4, 6])
    assert len(runs) == 1
    f(as_operand(np.arange(3)))
    f(np.arange(3))
    assert len(runs) == 2
    assert f(2.0).weak_type and not f(np.float32(2)).weak_type
    assert len(runs) == 4


def test_pytrees_in_and_out():
    f = rt.jit(lambda tree: {"first": tree["a"][0], "rest": (tree["b"], None, rt.ZERO, 2)})
    for _ in range(2):
        out = f({"b": X, "a": [1.5]})
        assert float(out["first"]) == 1.5 and out["rest"][1] is None and out["rest"][2] is rt.ZERO
        assert int(out["rest"][3]) == 2 and out["rest"][0].shape == (4,)


def test_decorator_with_and_without_options():
    @rt.jit
    def f(x):
        """Doc."""
        return add(x, x)

    @rt.jit(static_argnames="n")
    def g(x, n):
        return add(x, x) if n > 1 else x
    assert f.__name__ == "f" and f.__doc__ == "Doc." and f.__wrapped__(X).shape == (4,)
    assert float(g(2.0, n=2)) == 4 and float(g(2.0, n=1)) == 2 and float(g(2.0, 2)) == 4


def test_static_arguments_by_position_and_name():
    f, runs = counted(static_argnums=(1,))
    f(X, 2), f(X, 2), f(X, n=2), f(X, 3)
    assert runs == [2, 2, 3]  # by position and by name are two signatures
    with pytest.raises(ValueError, match="[Nn]on-hashable static arguments"):
        f(X, [1])
    with pytest.raises(ValueError, match="static_argnums"):
        rt.jit(lambda x: x, static_argnums=3)
    with pytest.raises(ValueError, match="static_argnames"):
        rt.jit(lambda x: x, static_argnames="y")


def test_statics_of_equal_value_and_other_type_are_told_apart():
    f = rt.jit(lambda x, n: add(x, x) if n is True else x, static_argnums=1)
    assert float(f(2.0, 1)) == 2 and float(f(2.0, True)) == 4


def test_keyword_order_does_not_matter():
    f = rt.jit(lambda **kw: (kw["a"], kw["b"], kw["c"]))
    for order in (dict(c=3, a=1, b=2), dict(b=2, c=3, a=1)):
        assert [int(v) for v in f(**order)] == [1, 2, 3]
    assert f._cache_size() == 1


@pytest.mark.parametrize("number", [lambda: 5.25, lambda: rt.numpy.asarray(5.25), lambda: rt.lax.cond(True, lambda: 5.25, lambda: 1.0)])
def test_numbers_that_are_given_away_stay_what_they_are(number):
    """Arrays of frequent numbers are kept; a program that takes one over gets its own."""
    f = rt.jit(lambda x: add(x, 1.0), donate_argnums=0)
    for _ in range(3):
        assert float(f(number())) == 6.25
    assert float(add(rt.numpy.ones(()), 5.25)) == 6.25
    assert float(f.lower(1.0).compile()(5.25)) == 6.25 == float(f(5.25))
    rt.numpy.asarray(5.25).delete()
    assert float(rt.numpy.asarray(5.25)) == 5.25


def test_donated_arguments_are_deleted():
    f = rt.jit(lambda x, y: add(x, y), donate_argnums=0)
    x, y = as_operand(np.ones(1000)), as_operand(np.ones(1000))
    assert float(np.asarray(f(x, y))[0]) == 2
    assert x.is_deleted() and not y.is_deleted()
    with pytest.raises((RuntimeError, ValueError), match="deleted"):
        f(x, y)


def test_captured_arrays_are_passed_along():
    large = as_operand(np.arange(100.0))
    f = rt.jit(lambda x: (x, add(large, large), large))
    for _ in range(3):
        x, twice, once = f(X)
        np.testing.assert_array_equal(np.asarray(twice), np.arange(100.0) * 2)
        np.testing.assert_array_equal(np.asarray(once), np.arange(100.0))


def test_calls_inside_a_trace_are_inlined():
    inner, runs = counted()
    f = rt.jit(lambda x: inner(inner(x)))
    np.testing.assert_array_equal(np.asarray(f(X)), [0, 4, 8, 12])
    assert f.lower(X).as_text().count("stablehlo.add") == 2


def test_what_is_no_array_is_refused():
    with pytest.raises(TypeError, match="abstract array.*static_argnums"):
        rt.jit(lambda x: x)("text")
    with pytest.raises(TypeError, match="callable"):
        rt.jit(3)


def test_an_error_while_staging_says_so_and_leaves_no_trace():
    def f(x):
        raise KeyError("mine")
    with pytest.raises(KeyError, match="mine") as caught:
        rt.jit(f)(X)
    assert "staged" in caught.value.__notes__[0]
    np.testing.assert_array_equal(np.asarray(add(X, X)), [0, 2, 4, 6])


def test_disable_jit_runs_plain_python():
    f, runs = counted()
    f(X)
    with rt.disable_jit():
        f(X), f(X)
    f(X)
    assert len(runs) == 3


def test_x64_makes_other_programs():
    f, _ = counted()
    assert f(np.ones(2)).dtype == np.float32
    with rt.enable_x64():
        assert f(np.ones(2)).dtype == np.float64 and f(2.0).dtype == np.float64
    assert f(np.ones(2)).dtype == np.float32 and f(2.0).dtype == np.float32


def test_ahead_of_time():
    f, runs = counted(static_argnames="flag")
    lowered = f.lower(rt.ShapeDtypeStruct((4,), np.float32), flag=True)
    assert "stablehlo.add" in lowered.as_text() and "HloModule" in lowered.as_text("hlo")
    assert "stablehlo.add" in str(lowered.compiler_ir()) and "HloModule" in lowered.compiler_ir(dialect="hlo").as_hlo_text()
    compiled = lowered.compile()
    np.testing.assert_array_equal(np.asarray(compiled(X)), [0, 2, 4, 6])
    assert "fusion" in compiled.as_text() or "add" in compiled.as_text()
    assert compiled.cost_analysis()["flops"] == 4
    assert compiled.memory_analysis().argument_size_in_bytes == 16
    with pytest.raises(TypeError, match=r"float32\[4\].*float32\[3\]"):
        compiled(np.ones(3))
    with pytest.raises(TypeError, match="structure"):
        compiled(X, X)
    assert lowered.out_info == rt.ShapeDtypeStruct((4,), np.float32)


def test_clear_cache_stages_again():
    f, runs = counted()
    f(X)
    f.clear_cache()
    f(X)
    assert len(runs) == 2


def test_methods_take_their_object_as_an_argument():
    class Model:
        @rt.jit
        def call(self, x):
            return x

        @rt.jit(static_argnums=0)
        def double(self, x):
            return add(x, x)
    assert float(Model().double(3.0)) == 6
    with pytest.raises(TypeError, match="Model"):
        Model().call(3.0)


def test_threads():
    f, runs = counted()
    results = []

    def work(n):
        for _ in range(50):
            results.append(float(np.asarray(f(as_operand(np.full(4, float(n), np.float32))))[0]) == 2 * n)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(results) == 200 and all(results) and len(runs) == 1


BESIDE = """
import sys
if ORDER == 'jax first':
    import jax
import numpy as np, runtime as rt
from runtime.primitive import Primitive, as_operand
add = Primitive('add', lambda x, y: x, lambda b, o, outs: b.op('add', o, outs[0]))
f = rt.jit(lambda x, y: add(x, y))
x = as_operand(np.ones(3))
def ours():
    assert f(x, x).tolist() == [2, 2, 2] and f(2.0, 3.0).tolist() == 5
    assert f(np.ones(3), np.ones(3)).dtype == np.float32
    with rt.enable_x64():
        for _ in range(2):
            assert f(np.ones(3), np.ones(3)).dtype == np.float64 and f(1.0, 2.0).dtype == np.float64
ours(); ours()
if ORDER == 'jax later':
    assert 'jax' not in sys.modules
    import jax
ours(); ours()
assert float(jax.jit(lambda v: v * 2)(3)) == 6 and float(jax.grad(lambda v: v ** 2)(3.0)) == 6
with jax.enable_x64(True):
    assert jax.jit(lambda v: v)(np.ones(2)).dtype == np.float64
    assert f(np.ones(3), np.ones(3)).dtype == np.float32
ours()
assert jax.jit(lambda v: v)(np.ones(2)).dtype == np.float32
"""


@pytest.mark.parametrize("order", ["jax first", "jax later"])
def test_both_libraries_live_in_one_process(order):
    pytest.importorskip("jax")
    root = os.path.dirname(os.path.dirname(rt.__file__))
    done = subprocess.run([sys.executable, "-c", BESIDE.replace("ORDER", repr(order))], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == 0, done.stderr
