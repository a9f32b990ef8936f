"""Element types under NumPy's names, and questions about them."""
from __future__ import annotations

import math

import ml_dtypes
import numpy

from runtime import dtypes
from runtime.array import Array
from runtime.op import op
from runtime.ops.axes import axis_tuple
from runtime.ops.kernel import about_types
from runtime.types import aval_of, broadcast_shapes, canonical_dtype, kind, promote_types, result_type


class ScalarType(type):
    """The type of the dtype names: calling one makes an array, comparing it with a dtype works."""

    def __call__(cls, x=0):
        from runtime.ops.create import array
        return array(x, dtype=cls.dtype)

    def __eq__(cls, other):
        return cls is other or cls.dtype == other if not isinstance(other, ScalarType) else cls is other

    def __ne__(cls, other):
        return not cls == other

    def __hash__(cls):
        return hash(cls.dtype.type)

    def __repr__(cls):
        return f"<class 'numpy.{cls.__name__}'>"


def _scalar(name, base):
    return ScalarType(name, (), {"dtype": numpy.dtype(base), "__doc__": f"The element type {name}; called, it makes an array.",
                                 "__module__": __name__})


_SIZED = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
          "complex64", "complex128")
_EXTRA = ("bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e4m3b11fnuz", "float8_e5m2",
          "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "int1", "int2", "int4", "uint1",
          "uint2", "uint4")
for _name in _SIZED:
    globals()[_name] = _scalar(_name, getattr(numpy, _name))
for _name in _EXTRA:
    globals()[_name] = _scalar(_name, getattr(ml_dtypes, _name))
bool_ = _scalar("bool_", numpy.bool_)
globals()["bool"] = bool_
single, double, csingle, cdouble = (globals()[n] for n in ("float32", "float64", "complex64", "complex128"))
int_, uint, float_, complex_ = (globals()[n] for n in ("int64", "uint64", "float64", "complex128"))

dtype = numpy.dtype
generic, number, integer, signedinteger, unsignedinteger = (
    numpy.generic, numpy.number, numpy.integer, numpy.signedinteger, numpy.unsignedinteger)
inexact, floating, complexfloating, character, flexible, object_ = (
    numpy.inexact, numpy.floating, numpy.complexfloating, numpy.character, numpy.flexible, numpy.object_)


@about_types
def finfo(dtype):
    """Return the limits of a floating dtype."""
    return ml_dtypes.finfo(canonical_dtype(getattr(dtype, "dtype", dtype)))


@about_types
def iinfo(dtype):
    """Return the limits of an integer dtype, 64-bit ones as they are."""
    return ml_dtypes.iinfo(getattr(dtype, "dtype", dtype))


@op(constant=True, batch=lambda a, over=(): shape(a)[1:], unbatched=True)
def shape(a):
    """Return the sizes of the axes."""
    return tuple(aval_of(_arrayed(a)).shape)


@op(constant=True, batch=lambda a, over=(): ndim(a) - 1, unbatched=True)
def ndim(a):
    """Return the number of axes."""
    return aval_of(_arrayed(a)).ndim


def _size_batched(a, axis=None, over=()):
    lengths = aval_of(_arrayed(a)).shape[1:]
    return math.prod(lengths) if axis is None else math.prod([lengths[i] for i in axis_tuple(axis, len(lengths))])


@op(constant=True, batch=_size_batched, unbatched=True)
def size(a, axis=None):
    """Return the number of elements, of the whole array or along axes."""
    found = aval_of(_arrayed(a))
    return found.size if axis is None else math.prod([found.shape[i] for i in axis_tuple(axis, found.ndim)])


def _arrayed(a):
    return numpy.asarray(a) if isinstance(a, (list, tuple)) else a


@op(constant=True, unbatched=True)
def isscalar(element):
    """Tell whether a value is a number or an array without axes."""
    if isinstance(element, (int, float, complex, str, bytes)) or numpy.isscalar(element):
        return True
    return isinstance(element, (Array, numpy.ndarray)) and element.ndim == 0


@about_types
def iscomplexobj(x):
    """Tell whether an array has a complex dtype; of a name of a dtype, such as ``np.complex64``, whether it is complex."""
    if isinstance(x, ScalarType):
        return x.dtype.kind == "c"
    return kind(aval_of(_arrayed(x)).dtype) == "c"


@about_types
def isrealobj(x):
    """Tell whether an array has a dtype that is not complex."""
    return not iscomplexobj(x)


@about_types
def issubdtype(arg1, arg2):
    """Tell whether a dtype belongs to a category, or is another; bfloat16 counts as floating, keys as ``dtypes.prng_key``."""
    return dtypes.issubdtype(arg1, arg2)


@about_types
def isdtype(dtype, kind):
    """Tell whether a dtype belongs to a kind such as "real floating", or to one of several."""
    groups = {"bool": numpy.bool_, "signed integer": numpy.signedinteger, "unsigned integer": numpy.unsignedinteger,
              "integral": numpy.integer, "real floating": numpy.floating, "complex floating": numpy.complexfloating,
              "numeric": numpy.number}
    kinds = kind if isinstance(kind, tuple) else (kind,)
    found = False
    for one in kinds:
        if isinstance(one, str):
            if one not in groups:
                raise ValueError(f"Unrecognized kind {one!r}; use one of {sorted(groups)}")
            found = found or issubdtype(dtype, groups[one])
        else:
            found = found or numpy.dtype(dtype) == numpy.dtype(one)
    return found


@about_types
def can_cast(from_, to, casting="safe"):
    """Tell whether a dtype can be cast to another under NumPy's casting rule."""
    return numpy.can_cast(numpy.dtype(getattr(from_, "dtype", from_)), numpy.dtype(getattr(to, "dtype", to)), casting)


@about_types
def iterable(y):
    """Tell whether a value can be iterated over."""
    try:
        iter(y)
    except TypeError:
        return False
    return True


for _function in (broadcast_shapes, dtypes.issubdtype, promote_types, result_type):
    about_types(_function)

__all__ = [*_SIZED, *_EXTRA, "issubdtype", "bool", "bool_", "single", "double", "csingle", "cdouble", "int_", "uint", "float_", "complex_",
           "dtype", "generic", "number", "integer", "signedinteger", "unsignedinteger", "inexact", "floating",
           "complexfloating", "character", "flexible", "object_", "finfo", "iinfo", "shape", "ndim", "size", "isscalar",
           "iscomplexobj", "isrealobj", "isdtype", "can_cast", "iterable"]
