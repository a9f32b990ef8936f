"""export: programs as artifacts that give the same results and gradients in this process and in another."""
from __future__ import annotations

import collections
import subprocess
import sys

import jax as oracle
import jax.export as oracle_export
import jax.numpy as jnp
import numpy
import pytest

import xform as jax
import xform.numpy as np
from xform import export

HELD = np.arange(100.0)
X = numpy.random.default_rng(0).normal(size=(3, 3)).astype("float32")
SCALE = numpy.float32(2)


@jax.jit
def solve(x, options):
    for _ in range(3):
        x = np.sin(x) * options["scale"]
    made = np.linalg.cholesky(x @ x.T + 3 * np.eye(3)) + jax.scipy.special.gammaln(2 + abs(x))
    return {"made": made + HELD.sum() + HELD[3], "x": x}


STRUCT = jax.ShapeDtypeStruct((3, 3), "float32"), {"scale": jax.ShapeDtypeStruct((), "float32")}
Pair = collections.namedtuple("Pair", "one two")


def same(found, expected):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        numpy.testing.assert_allclose(one, other, rtol=1e-6)


def test_calls_give_what_the_function_gives():
    made = export.export(solve)(*STRUCT)
    expected = solve(X, {"scale": SCALE})
    same(made.call(X, {"scale": SCALE}), expected)
    read = export.deserialize(made.serialize())
    same(read.call(X, {"scale": SCALE}), expected)
    same(jax.jit(lambda x: read.call(x, {"scale": SCALE})["x"] + read.call(2 * x, {"scale": SCALE})["x"])(X),
         expected["x"] + solve(2 * X, {"scale": SCALE})["x"])
    assert read.fun_name == "solve" and read.platforms == ("cpu",) and read.in_tree == made.in_tree and read.out_tree == made.out_tree
    assert read.in_avals == made.in_avals and read.out_avals == made.out_avals
    assert "stablehlo.cholesky" in read.mlir_module() and "custom_call" not in read.mlir_module()


def test_descriptions_are_those_of_jax():
    def f(x, y):
        return {"r": x * y + 1}
    found = export.export(jax.jit(f))(jax.ShapeDtypeStruct((3,), "float32"), 2.0)
    expected = oracle_export.export(oracle.jit(f))(oracle.ShapeDtypeStruct((3,), "float32"), 2.0)
    for name in ("fun_name", "platforms", "nr_devices", "disabled_safety_checks", "module_kept_var_idx", "uses_global_constants",
                 "ordered_effects", "unordered_effects"):
        assert getattr(found, name) == getattr(expected, name), name
    assert [(a.shape, a.dtype, a.weak_type) for a in found.in_avals] == [(a.shape, a.dtype, a.weak_type) for a in expected.in_avals]
    numpy.testing.assert_allclose(found.call(X[0], 2.0)["r"], expected.call(jnp.asarray(X[0]), 2.0)["r"])
    assert repr(found) == "Exported(fun_name=f, ...)" and export.default_export_platform() == oracle_export.default_export_platform()


def test_another_process_calls_it(tmp_path):
    (tmp_path / "program").write_bytes(export.export(solve)(*STRUCT).serialize(vjp_order=1))
    numpy.save(tmp_path / "x.npy", X)
    code = ("import sys, numpy, xform; from xform import export\n"
            "read = export.deserialize(open(sys.argv[1] + '/program', 'rb').read())\n"
            "x, options = numpy.load(sys.argv[1] + '/x.npy'), {'scale': numpy.float32(2)}\n"
            "print(float(read.call(x, options)['made'].sum()))\n"
            "print(float(read.vjp().call(x, numpy.float32(2), x, x)[0].sum()))\n")
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    value, slope = map(float, run.stdout.split())
    options = {"scale": SCALE}
    numpy.testing.assert_allclose(value, solve(X, options)["made"].sum(), rtol=1e-5)
    numpy.testing.assert_allclose(slope, jax.vjp(solve, X, options)[1]({"made": X, "x": X})[0].sum(), rtol=1e-4)


@pytest.mark.parametrize("order", [0, 1])
def test_gradients(order):
    made = export.export(solve)(*STRUCT)
    program = export.deserialize(made.serialize(vjp_order=1)) if order else made

    def loss(x, scale):
        return np.sum(np.cos(program.call(x, {"scale": scale})["x"])) ** 2

    def plain(x, scale):
        return np.sum(np.cos(solve(x, {"scale": scale})["x"])) ** 2
    for of in (lambda f: jax.grad(f, (0, 1)), lambda f: jax.jit(jax.grad(f, (0, 1)))):
        for one, other in zip(of(loss)(X, SCALE), of(plain)(X, SCALE), strict=True):
            numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    with pytest.raises(jax.TransformError, match="pullback"):
        jax.grad(lambda x: jax.grad(loss)(x, SCALE).sum())(X)
    with pytest.raises(TypeError, match="forward"):
        jax.jvp(lambda x: loss(x, SCALE), (X,), (X,))
    with pytest.raises(jax.TransformError, match="batching"):
        jax.vmap(lambda x: loss(x, SCALE))(np.stack([X, X]))


def test_a_program_without_pullback():
    made = export.export(jax.jit(lambda n: n + 1))(3)
    assert int(made.call(4)) == 5 and not made.has_vjp()
    with pytest.raises(ValueError, match="No VJP"):
        made.vjp()
    program = export.deserialize(export.export(solve)(*STRUCT).serialize())
    assert not program.has_vjp()


def test_arguments_are_checked():
    made = export.export(solve)(*STRUCT)
    for args, words in (((X[:2], {"scale": SCALE}), "Shape mismatch"), ((X.astype("int32"), {"scale": SCALE}), "Dtype mismatch"),
                        ((X,), "pytree structure")):
        with pytest.raises(ValueError, match=words):
            made.call(*args)
    with pytest.raises(ValueError, match="result of `jit`"):
        export.export(lambda x: x)(X)
    with pytest.raises(ValueError, match="platforms"):
        export.export(solve, platforms=("abacus",))
    with pytest.raises(ValueError, match="not written"):
        export.deserialize(b"something else")


def test_platforms():
    made = export.export(jax.jit(np.sin), platforms=("tpu", "cuda"))(X)
    with pytest.raises(ValueError, match="exported for platforms"):
        made.call(X)
    unchecked = export.export(jax.jit(np.sin), platforms=("tpu",), disabled_checks=[export.DisabledSafetyCheck.platform()])(X)
    numpy.testing.assert_allclose(unchecked.call(X), numpy.sin(X), rtol=1e-6)


def test_what_cannot_be_exported():
    def watched(x):
        jax.debug.print("{}", x)
        return x
    with pytest.raises(ValueError, match="calls back"):
        export.export(jax.jit(watched))(X)

    def eigen(x):
        return tuple(np.linalg.eigh(x @ x.T))
    with pytest.raises(ValueError, match="kernels of the platform"):
        export.export(jax.jit(eigen), platforms=("cpu", "cuda"))(X)
    values, _ = export.deserialize(export.export(jax.jit(eigen))(X).serialize()).call(X)
    numpy.testing.assert_allclose(values, numpy.linalg.eigvalsh(X @ X.T), rtol=1e-4, atol=1e-5)


def test_structures_with_classes_are_registered():
    made = export.export(jax.jit(lambda p: Pair(p.two, p.one)))(Pair(X, SCALE))
    with pytest.raises(ValueError, match="register_namedtuple_serialization"):
        made.serialize()
    export.register_namedtuple_serialization(Pair, serialized_name="tests.Pair")
    found = export.deserialize(made.serialize()).call(Pair(X, SCALE))
    assert type(found) is Pair
    numpy.testing.assert_allclose(found.two, X)
    with pytest.raises(ValueError, match="Duplicate"):
        export.register_namedtuple_serialization(Pair, serialized_name="tests.Pair")
