"""Element types, their promotion lattice with weak types, and the interned array types (avals)."""
from __future__ import annotations

import functools
import math
import operator

import ml_dtypes
import numpy as np

from runtime.config import config

bfloat16 = np.dtype(ml_dtypes.bfloat16)
_SMALL_FLOATS = {name: np.dtype(getattr(ml_dtypes, name)) for name in (
    "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e3m4",
    "float8_e4m3", "float8_e8m0fnu", "float4_e2m1fn")}
# A random key is one element of 64 bits, its two words (the first one in the low half); numbers do not mix with it.
KEY = np.dtype([("key<fry>", "<u8")])
int2, uint2, int4, uint4 = [np.dtype(getattr(ml_dtypes, name)) for name in ("int2", "uint2", "int4", "uint4")]

# What the text of a module calls each element type.
ELEMENT_TEXT = {
    np.dtype("bool"): "i1", bfloat16: "bf16", int2: "i2", uint2: "ui2", int4: "i4", uint4: "ui4",
    **{np.dtype(f"int{n}"): f"i{n}" for n in (8, 16, 32, 64)},
    **{np.dtype(f"uint{n}"): f"ui{n}" for n in (8, 16, 32, 64)},
    **{np.dtype(f"float{n}"): f"f{n}" for n in (16, 32, 64)},
    np.dtype("complex64"): "complex<f32>", np.dtype("complex128"): "complex<f64>",
    KEY: "ui64",
    **{dtype: "f" + name.removeprefix("float").replace("_", "").upper() for name, dtype in _SMALL_FLOATS.items()},
}
_KINDS = {KEY: "k", bfloat16: "f", int2: "i", uint2: "u", int4: "i", uint4: "u",
          **{dtype: "f" for dtype in _SMALL_FLOATS.values()}}
_NARROW = {np.dtype(wide): np.dtype(narrow) for wide, narrow in (
    ("int64", "int32"), ("uint64", "uint32"), ("float64", "float32"), ("complex128", "complex64"))}


class TypePromotionError(ValueError):
    """Two types have no common type to which both convert implicitly."""


def kind(dtype) -> str:
    """Return 'b', 'i', 'u', 'f' or 'c' for bool, signed, unsigned, floating (bfloat16 and float8 too) and complex, 'k' for keys."""
    dtype = np.dtype(dtype)
    return _KINDS.get(dtype, dtype.kind)


def dtype_name(dtype) -> str:
    """Return the name of an element type as messages show it."""
    return "key<fry>" if dtype == KEY else dtype.name


def canonical_dtype(dtype) -> np.dtype:
    """Return the dtype that arrays get for ``dtype``: 64-bit types are narrowed unless enable_x64 is set.

    Python's bool, int, float and complex stand for the default types. TypeError for what XLA has no type for.
    """
    if dtype in _PYTHON:
        dtype = _PYTHON[dtype]
    try:
        found = np.dtype(dtype)
    except TypeError:
        inner = getattr(dtype, "dtype", None)
        if inner is None:
            raise TypeError(f"{dtype!r} is not a dtype; use one like numpy.float32 or 'int32'") from None
        found = np.dtype(inner)
    if not found.isnative:
        found = found.newbyteorder("=")
    if found not in ELEMENT_TEXT:
        raise TypeError(f"dtype {found} is not a valid array element type; numbers and bools only")
    return found if config.enable_x64 else _NARROW.get(found, found)


_PYTHON = {bool: np.dtype(bool), int: np.dtype("int64"), float: np.dtype("float64"), complex: np.dtype("complex128")}


def python_dtype(value_type: type) -> np.dtype:
    """Return the dtype of a Python bool, int, float or complex under the current configuration."""
    dtype = _PYTHON[value_type]
    return dtype if config.enable_x64 else _NARROW.get(dtype, dtype)


class Aval:
    """The type of an array: shape, dtype, weak_type. Interned: make it with ``aval``, compare it with ``is``."""
    __slots__ = ("shape", "dtype", "weak_type", "ndim", "size", "text", "__weakref__")

    def __init__(self, shape, dtype, weak_type):
        self.shape, self.dtype, self.weak_type = shape, dtype, weak_type
        self.ndim = len(shape)
        self.size = math.prod(shape)
        self.text = f"tensor<{''.join(f'{n}x' for n in shape)}{ELEMENT_TEXT[dtype]}>"

    def __repr__(self):
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape))}]{'~' if self.weak_type else ''}"

    def __reduce__(self):
        return aval, (self.shape, self.dtype, self.weak_type)

    @property
    def sharding(self):
        """AttributeError: ``typeof`` returns types that have it."""
        raise AttributeError("shardings are no parts of these types: ask for typeof(x).sharding, or an array for its .sharding")

    def with_shape(self, shape) -> Aval:
        """Return the aval of the same dtype and weak type with another shape."""
        return aval(shape, self.dtype, self.weak_type)

    def with_dtype(self, dtype, weak_type=False) -> Aval:
        """Return the aval of the same shape with another dtype."""
        return aval(self.shape, dtype, weak_type)

    def strong(self) -> Aval:
        """Return this aval without the weak type."""
        return aval(self.shape, self.dtype) if self.weak_type else self


_INTERNED: dict = {}


def aval(shape, dtype, weak_type=False) -> Aval:
    """Return the one Aval of this shape, dtype and weak type. The dtype is taken as it is, not narrowed."""
    key = (shape, dtype, weak_type)
    try:
        return _INTERNED[key]
    except (KeyError, TypeError):
        pass  # first time, or a list for a shape
    shape = tuple(operator.index(n) for n in shape)
    dtype = np.dtype(dtype)
    if any(n < 0 for n in shape):
        raise ValueError(f"shape {shape}: dimensions may not be negative")
    if dtype not in ELEMENT_TEXT:
        raise TypeError(f"dtype {dtype} is not a valid array element type; numbers and bools only")
    key = (shape, dtype, bool(weak_type))
    return _INTERNED.setdefault(key, Aval(shape, dtype, bool(weak_type)))


def aval_of(value) -> Aval:
    """Return the aval of an Array, NumPy array or scalar, Python number, or anything with a shape and a dtype."""
    found = getattr(value, "aval", None)
    if type(found) is Aval:
        return found
    if type(value) in _PYTHON:
        return aval((), python_dtype(type(value)), type(value) is not bool)
    if isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic):  # subclasses: IntEnum ...
        base = next(t for t in (bool, int, float, complex) if isinstance(value, t))
        return aval((), python_dtype(base), base is not bool)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return aval(tuple(value.shape), canonical_dtype(value.dtype), bool(getattr(value, "weak_type", False)))
    raise TypeError(f"Cannot interpret value of type {type(value)} as an abstract array; it does not have a dtype "
                    "attribute. Pass an array, a NumPy array or a number.")


# ---- promotion: https://docs.jax.dev/en/latest/type_promotion.html describes this lattice. ----
# A node is a dtype, or one of the strings for Python's scalars, whose width gives way to any array's.
_d = np.dtype
_EDGES = {
    _d("bool"): ("int*",),
    "int*": (_d("uint8"), _d("int8"), int2, uint2, int4, uint4),
    _d("uint8"): (_d("int16"), _d("uint16")), _d("uint16"): (_d("int32"), _d("uint32")),
    _d("uint32"): (_d("int64"), _d("uint64")), _d("uint64"): ("float*",),
    _d("int8"): (_d("int16"),), _d("int16"): (_d("int32"),), _d("int32"): (_d("int64"),), _d("int64"): ("float*",),
    int2: (), uint2: (), int4: (), uint4: (),
    "float*": (bfloat16, _d("float16"), "complex*", *_SMALL_FLOATS.values()),
    bfloat16: (_d("float32"),), _d("float16"): (_d("float32"),), _d("float32"): (_d("float64"), _d("complex64")),
    _d("float64"): (_d("complex128"),), "complex*": (_d("complex64"),), _d("complex64"): (_d("complex128"),),
    _d("complex128"): (), KEY: (), **{dtype: () for dtype in _SMALL_FLOATS.values()},
}
_WEAK = {"b": _d("bool"), "i": "int*", "u": "int*", "f": "float*", "c": "complex*"}
_WEAK_DTYPE = {"int*": int, "float*": float, "complex*": complex}


def _reach(node) -> frozenset:
    return frozenset({node}).union(*(_reach(above) for above in _EDGES[node]))


_ABOVE = {node: _reach(node) for node in _EDGES}


@functools.lru_cache(maxsize=4096)
def _join(nodes: frozenset):
    common = frozenset.intersection(*(_ABOVE[node] for node in nodes))
    least = [node for node in common if common == common & _ABOVE[node]]
    if len(least) != 1:
        names = ", ".join(sorted(node if isinstance(node, str) else dtype_name(node) for node in nodes))
        raise TypePromotionError(f"Input dtypes {names} have no available implicit dtype promotion path. "
                                 "Cast the inputs to the desired output type with astype.")
    return least[0]


def _check_strict(pairs: tuple) -> None:
    """Refuse types that strict promotion keeps apart: only Python's numbers adapt, and only to dtypes that hold their kind."""
    order = "iufc"
    strong = {dtype for dtype, weak in pairs if not weak}
    kinds = [kind(dtype) for dtype, weak in pairs if weak]
    fits = len(strong) <= 1 and all("b" != kind(dtype) and max(map(order.find, kinds), default=0) <= max(order.find(kind(dtype)), 1)
                                    for dtype in (strong if kinds else ()))
    if not fits:
        names = ", ".join(sorted({dtype_name(dtype) + " (weak)" * weak for dtype, weak in pairs}))
        raise TypePromotionError(f"Input dtypes {names} have no available implicit dtype promotion path when "
                                 "numpy_dtype_promotion=strict. Cast the inputs with astype, or set numpy_dtype_promotion=standard.")


@functools.lru_cache(maxsize=8192)
def _promote(pairs: tuple, x64: bool, promotion: str = "standard") -> tuple[np.dtype, bool]:
    dtypes = {dtype for dtype, _ in pairs}
    weak = [w for _, w in pairs]
    if promotion == "strict":
        _check_strict(pairs)
    if len(pairs) == 1:
        return canonical_dtype(pairs[0][0]), pairs[0][1]
    if len(dtypes) == 1 and not all(weak):
        return canonical_dtype(pairs[0][0]), False
    if all(weak):  # the strong counterparts decide, so that weak int16 and the like cannot arise
        return canonical_dtype(_join(frozenset(dtypes))), True
    node = _join(frozenset(_WEAK[kind(d)] if w else d for d, w in pairs))
    if isinstance(node, str):
        return canonical_dtype(_WEAK_DTYPE[node]), True
    return canonical_dtype(node), False


def _dtype_and_weak(value) -> tuple[np.dtype, bool]:
    if type(value) is type and value in _PYTHON:
        return python_dtype(value), value is not bool
    if isinstance(value, (str, type, np.dtype)):
        return canonical_dtype(value), False
    found = aval_of(value)
    return found.dtype, found.weak_type and found.dtype != bool


def result_type(*args, return_weak_type_flag: bool = False):
    """Return the dtype to which arrays, scalars and dtypes promote together.

    With ``return_weak_type_flag``, return ``(dtype, weak_type)``. ValueError (TypePromotionError) when there is none.
    """
    if not args:
        raise ValueError("result_type: at least one array or dtype is required")
    found = _promote(tuple(_dtype_and_weak(arg) for arg in args), config.enable_x64, config.numpy_dtype_promotion)
    return found if return_weak_type_flag else found[0]


def promote_types(a, b) -> np.dtype:
    """Return the dtype to which two dtypes promote; Python's scalar types are weak. 64-bit types only come from such."""
    nodes = []
    for dtype in (a, b):
        if isinstance(dtype, type) and dtype in _PYTHON:
            nodes.append(_WEAK[_PYTHON[dtype].kind])
        else:
            nodes.append(np.dtype(getattr(dtype, "dtype", dtype)))
    node = _join(frozenset(nodes))
    if isinstance(node, str):
        return _PYTHON[_WEAK_DTYPE[node]]
    return node if any(n in _NARROW for n in nodes) else canonical_dtype(node)


def promote_avals(*avals: Aval) -> tuple[np.dtype, bool]:
    """Return ``(dtype, weak_type)`` for avals that meet in one operation."""
    return _promote(tuple([(a.dtype, a.weak_type and a.dtype != bool) for a in avals]), config.enable_x64,
                    config.numpy_dtype_promotion)


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """Return the shape to which shapes broadcast together; ValueError naming them when they do not."""
    ndim = max((len(s) for s in shapes), default=0)
    out = []
    for i in range(-ndim, 0):
        sizes = {s[i] for s in shapes if len(s) >= -i} - {1}
        if len(sizes) > 1:
            raise ValueError(f"Incompatible shapes for broadcasting: {', '.join(str(tuple(s)) for s in shapes)}; "
                             "sizes must be equal, or 1, counted from the last axis")
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


def issubdtype(a, b) -> bool:
    """Tell whether dtype ``a`` belongs to the NumPy category or dtype ``b``; bfloat16 counts as floating."""
    if isinstance(a, (type, str)) and a in _PYTHON:
        a = _PYTHON[a]
    if not (isinstance(a, type) and issubclass(a, np.generic) and a.__subclasses__()):  # no abstract category
        a = np.dtype(getattr(a, "dtype", a) if not isinstance(a, type) else a)
    if b == np.bool_:       # as the library's own bool_ is, too
        b = np.bool_
    if b in (np.generic, np.number, np.inexact, np.floating, np.integer, np.signedinteger, np.unsignedinteger,
             np.complexfloating, np.bool_):
        if isinstance(a, type):
            return np.issubdtype(a, b)
        categories = {"b": np.bool_, "i": np.signedinteger, "u": np.unsignedinteger, "f": np.floating,
                      "c": np.complexfloating}
        return issubclass(categories[kind(a)], b) if kind(a) in categories else np.issubdtype(a, b)
    b = _PYTHON.get(b, b) if isinstance(b, type) else b
    try:
        return np.issubdtype(a, b)
    except TypeError:
        return np.dtype(a) == np.dtype(getattr(b, "dtype", b))
