"""xform.dtypes and xform.dlpack: categories and limits of element types; exchange with other libraries."""
import itertools

import jax
import ml_dtypes
import numpy
import pytest

import xform
from runtime import dlpack, dtypes, eval_shape
from runtime import numpy as np

NAMES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
         "complex64", "complex128", "bfloat16", "int4", "uint4", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
         "float8_e5m2", "float8_e5m2fnuz", "float8_e3m4", "float8_e4m3", "float8_e8m0fnu"]
TYPES = [numpy.dtype(getattr(ml_dtypes, name, name)) for name in NAMES]


def outcome(promote, a, b):
    try:
        found = promote(a, b)
    except ValueError:      # there is no common type
        return None
    return found if isinstance(found, type) else (numpy.dtype(found[0]), found[1]) if isinstance(found, tuple) else numpy.dtype(found)


@pytest.mark.parametrize("x64", [False, True])
def test_every_pair_of_types(x64):
    with xform.enable_x64(x64), jax.enable_x64(x64):
        for a, b in itertools.product([*TYPES, bool, int, float, complex], repeat=2):
            ours = outcome(lambda a, b: np.result_type(a, b, return_weak_type_flag=True), a, b)
            assert ours == outcome(lambda a, b: jax.dtypes.result_type(a, b, return_weak_type_flag=True), a, b), (a, b)
            if isinstance(a, numpy.dtype) and isinstance(b, numpy.dtype):
                assert outcome(np.promote_types, a, b) == outcome(jax.numpy.promote_types, a, b), (a, b)


@pytest.mark.parametrize("x64", [False, True])
def test_every_pair_of_operands(x64):
    """What jnp.add makes of arrays and weakly typed numbers of all types, both sides."""
    numbers = [True, 2, 1.5, 1j]
    with xform.enable_x64(x64), jax.enable_x64(x64):
        for dtype, number in itertools.product(TYPES, numbers):
            ours, theirs = xform.ShapeDtypeStruct((2,), dtype), jax.ShapeDtypeStruct((2,), dtype)
            found, wanted = [], []
            for of, add, made, shape in ((ours, np.add, found, eval_shape), (theirs, jax.numpy.add, wanted, jax.eval_shape)):
                try:
                    out = shape(lambda x: add(x, number), of)
                    made.append((numpy.dtype(out.dtype), bool(out.weak_type)))
                except (TypeError, ValueError):
                    made.append(None)
            assert found == wanted, (dtype, number)


def test_categories():
    for dtype in TYPES:
        for category in (numpy.generic, numpy.number, numpy.inexact, numpy.floating, numpy.integer, numpy.signedinteger,
                         numpy.unsignedinteger, numpy.complexfloating, numpy.bool_):
            assert dtypes.issubdtype(dtype, category) == jax.dtypes.issubdtype(dtype, category), (dtype, category)
        assert not dtypes.issubdtype(dtype, dtypes.prng_key)
        assert dtypes.itemsize_bits(dtype) == jax.dtypes.itemsize_bits(dtype)
        assert dtypes.canonicalize_dtype(dtype) == jax.dtypes.canonicalize_dtype(dtype)
    key = xform.random.key(0).dtype
    assert dtypes.issubdtype(key, dtypes.prng_key) and dtypes.issubdtype(key, dtypes.extended)
    assert not dtypes.issubdtype(key, numpy.integer) and dtypes.issubdtype(dtypes.prng_key, dtypes.extended)
    assert dtypes.canonicalize_dtype(key, allow_extended_dtype=True) == key
    with pytest.raises(ValueError, match="extended"):
        dtypes.canonicalize_dtype(key)
    assert dtypes.finfo("bfloat16").max == jax.dtypes.finfo("bfloat16").max and dtypes.iinfo("int4").max == 7
    assert all(np.iinfo(d).max == jax.numpy.iinfo(d).max for d in ("int64", "uint64", "uint8", int))
    assert all(np.issubdtype(d, np.bool_) == jax.numpy.issubdtype(d, jax.numpy.bool_) for d in (bool, "bool", np.bool_, np.dtype("bool"), "int8"))
    assert dtypes.scalar_type_of(numpy.float16(1)) is float and dtypes.scalar_type_of(3) is int
    assert dtypes.float0 == jax.dtypes.float0


GRID = numpy.arange(12.0, dtype="f").reshape(3, 4)


@pytest.mark.parametrize("host", [GRID, GRID.T, GRID[::2], numpy.arange(5, dtype="int8"), numpy.float32(3)[None][0:], numpy.zeros((0, 3), "f"),
                                  numpy.array([True, False]), numpy.arange(100000.0, dtype="f")], ids=lambda h: str(h.shape))
def test_dlpack_from_numpy(host):
    for copy in (None, True):
        made = dlpack.from_dlpack(host, copy=copy)
        assert made.dtype == host.dtype and numpy.array_equal(numpy.asarray(made), host)
    before = numpy.array(host)
    made = dlpack.from_dlpack(host, copy=True)
    if host.flags.writeable and host.size:
        host[...] = host[::-1].copy() if host.ndim else 0
        assert numpy.array_equal(numpy.asarray(made), before)
        host[...] = before


def test_dlpack_both_ways():
    x = np.arange(5.0)
    assert numpy.array_equal(numpy.from_dlpack(x), numpy.arange(5.0))
    assert numpy.array_equal(jax.dlpack.from_dlpack(x), numpy.arange(5.0))
    assert dlpack.from_dlpack(x) is x and dlpack.from_dlpack(x, copy=True) is not x
    for dtype in ("int32", "bfloat16", "complex64", "bool"):
        there = jax.numpy.arange(3).astype(dtype)
        here = dlpack.from_dlpack(there) * 1
        assert numpy.array_equal(numpy.asarray(here), numpy.asarray(there * 1))
    assert dlpack.from_dlpack(numpy.arange(3.0)).dtype == "float32"     # as jax: narrowed without enable_x64
    for dtype in TYPES:
        assert dlpack.is_supported_dtype(dtype) == jax.dlpack.is_supported_dtype(dtype), dtype


def test_dlpack_refusals():
    with pytest.raises(TypeError, match="__dlpack__"):
        dlpack.from_dlpack([1.0])
    with pytest.raises(ValueError, match="copy=False"):
        dlpack.from_dlpack(GRID.T, copy=False)


def test_dlpack_from_read_only_memory():
    host = numpy.arange(64, dtype="float32")
    host.flags.writeable = False
    made = dlpack.from_dlpack(host)
    host.flags.writeable = True
    host[:] = 0
    assert float(made.sum()) == 2016
    host.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        dlpack.from_dlpack(host, copy=False)


def test_whether_the_name_of_a_dtype_is_complex():
    for name in ("float32", "complex64", "int32", "bfloat16"):
        ours, theirs = getattr(np, name), getattr(jax.numpy, name)
        assert np.iscomplexobj(ours) is jax.numpy.iscomplexobj(theirs) and np.isrealobj(ours) is jax.numpy.isrealobj(theirs)
