"""What the compiler knows of the runtime by name: aliases, operators, methods and builtins that are ops."""
from __future__ import annotations

import builtins
import functools
import importlib
import itertools
import math
import operator
import types

import gast

ALIASES = {"np": "runtime.numpy", "rt": "runtime", "lax": "runtime.lax", "nn": "runtime.nn",
           "random": "runtime.random"}

BINARY = {gast.Add: "np.add", gast.Sub: "np.subtract", gast.Mult: "np.multiply", gast.Div: "np.divide",
          gast.Pow: "np.power", gast.MatMult: "np.matmul", gast.FloorDiv: "np.floor_divide", gast.Mod: "np.remainder",
          gast.BitAnd: "np.bitwise_and", gast.BitOr: "np.bitwise_or", gast.BitXor: "np.bitwise_xor",
          gast.LShift: "np.left_shift", gast.RShift: "np.right_shift"}
UNARY = {gast.USub: "np.negative", gast.UAdd: "np.positive", gast.Invert: "np.invert"}
COMPARE = {gast.Lt: "np.less", gast.LtE: "np.less_equal", gast.Gt: "np.greater", gast.GtE: "np.greater_equal",
           gast.Eq: "np.equal", gast.NotEq: "np.not_equal"}

# Array methods that are the np function of the same name with the array as first argument.
METHODS = frozenset("""sum mean prod max min any all argmax argmin var std cumsum cumprod ptp reshape ravel transpose
swapaxes squeeze dot astype clip round take repeat trace diagonal argsort conj conjugate argpartition choose nonzero
searchsorted""".split())
# Methods that strings alone have: what they give depends on no number.
TEXT_METHODS = frozenset("""startswith endswith removeprefix removesuffix split rsplit splitlines partition rpartition strip lstrip rstrip
lower upper title capitalize casefold swapcase join format zfill ljust rjust center find rfind isdigit isalpha isalnum isnumeric isdecimal
isupper islower isspace isidentifier""".split())
ATTRIBUTES = {"T": "np.transpose", "mT": "np.matrix_transpose", "real": "np.real", "imag": "np.imag", "flat": "np.ravel"}
STATIC_ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "size", "weak_type", "itemsize", "nbytes", "sharding"})

# Names for temporaries, after what made them.
RESULTS = {"np.add": "total", "np.subtract": "diff", "np.multiply": "product", "np.divide": "ratio",
           "np.true_divide": "ratio", "np.power": "power", "np.matmul": "product", "np.negative": "minus",
           "np.less": "below", "np.less_equal": "below", "np.greater": "above", "np.greater_equal": "above",
           "np.equal": "same", "np.not_equal": "differs", "np.remainder": "rest", "np.floor_divide": "quotient",
           "rt.getitem": "item", "np.sum": "total", "np.max": "largest", "np.min": "smallest", "np.abs": "size",
           "np.absolute": "size"}

BUILTINS = {abs: "np.abs", round: "np.round", pow: "np.power", divmod: "np.divmod",
            sum: "rt.builtins.sum", min: "rt.builtins.min", max: "rt.builtins.max", any: "rt.builtins.any",
            all: "rt.builtins.all", zip: "rt.builtins.zip", enumerate: "rt.builtins.enumerate",
            reversed: "rt.builtins.reversed", list: "rt.builtins.list", tuple: "rt.builtins.tuple",
            functools.reduce: "rt.builtins.reduce", float: "rt.builtins.float", int: "rt.builtins.int",
            range: "rt.builtins.range", map: "rt.builtins.map", filter: "rt.builtins.filter",
            sorted: "rt.builtins.sorted", complex: "rt.builtins.complex",
            **{getattr(itertools, own): f"rt.iteration.{own}" for own in (
                "chain", "accumulate", "starmap", "pairwise", "zip_longest", "tee", "compress", "filterfalse", "takewhile", "dropwhile",
                "product", "combinations", "combinations_with_replacement", "permutations", "repeat", "batched") if hasattr(itertools, own)},
            itertools.chain.from_iterable: "rt.iteration.chain_of"}
TREES = {"tree_leaves": "rt.leaves_of", "leaves": "rt.leaves_of", "tree_flatten": "rt.leaves_and_structure", "tree_unflatten": "rt.tree_of_leaves",
         "tree_structure": "rt.structure_of"}
# Builtins whose result carries no derivative and that are called as they are.
STATIC_BUILTINS = frozenset({"len", "isinstance", "issubclass", "type", "print", "repr", "str", "bool", "hasattr", "callable", "id",
                             "ord", "chr", "hash", "format", "slice", "range", "breakpoint", "ascii", "bin", "hex", "oct",
                             "bytes", "dir", "input", "open", "object"})

_OPERATOR = {"add": "np.add", "sub": "np.subtract", "mul": "np.multiply", "truediv": "np.divide", "pow": "np.power",
             "neg": "np.negative", "matmul": "np.matmul", "abs": "np.abs", "lt": "np.less", "le": "np.less_equal",
             "gt": "np.greater", "ge": "np.greater_equal", "eq": "np.equal", "ne": "np.not_equal", "mod": "np.remainder",
             "floordiv": "np.floor_divide", "getitem": "rt.getitem", "pos": "np.positive", "and_": "np.bitwise_and",
             "or_": "np.bitwise_or", "xor": "np.bitwise_xor", "lshift": "np.left_shift", "rshift": "np.right_shift",
             "inv": "np.invert", "invert": "np.invert",
             **{own: f"rt.operators.{own}" for own in ("truth", "not_", "is_", "is_not", "contains", "concat")}}
_MATH = {"sin": "np.sin", "cos": "np.cos", "tan": "np.tan", "exp": "np.exp", "tanh": "np.tanh", "sinh": "np.sinh", "cosh": "np.cosh",
         "asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan", "asinh": "np.arcsinh", "acosh": "np.arccosh",
         "atanh": "np.arctanh", "atan2": "np.arctan2", "log1p": "np.log1p", "expm1": "np.expm1", "copysign": "np.copysign",
         "degrees": "np.degrees", "radians": "np.radians", "fmod": "np.fmod", "isnan": "np.isnan", "isinf": "np.isinf",
         "isfinite": "np.isfinite", "nextafter": "np.nextafter", "frexp": "np.frexp", "erf": "rt.erf", "erfc": "rt.erfc",
         "lgamma": "rt.gammaln",
         **{own: f"rt.scalars.{own}" for own in (    # exact on Python's numbers, which may count and index
             "sqrt", "cbrt", "log", "log2", "log10", "exp2", "pow", "gamma", "floor", "ceil", "trunc", "fabs", "remainder", "fsum", "prod",
             "sumprod", "dist", "hypot", "modf", "ldexp", "isclose")}}


@functools.lru_cache(maxsize=None)
def _module(alias):
    return importlib.import_module(ALIASES[alias])


def lookup(reference: str):
    """The runtime object that a canonical reference such as 'np.sin' names, or None."""
    head, *rest = reference.split(".")
    if head not in ALIASES:
        return None
    found = _module(head)
    for part in rest:
        found = getattr(found, part, None)
    return found


@functools.lru_cache(maxsize=None)
def _homes():
    homes = {}
    for alias in ("rt", "random", "nn", "lax", "np"):  # later entries win: np is what users read best
        module = importlib.import_module(ALIASES[alias])
        for key, value in vars(module).items():
            if callable(value) and not key.startswith("_") and _hashable(value) and not isinstance(value, type):
                homes[value] = f"{alias}.{key}" if alias == "rt" or value not in homes or len(key) <= len(
                    homes[value]) or not homes[value].startswith(alias) else homes[value]
        if alias == "rt":
            for inner in (module.builtins, module.iteration, module.numpy_only, module.operators, module.scalars):
                for key, value in vars(inner).items():
                    if isinstance(value, types.FunctionType) and not key.startswith("_") and (
                            value.__module__ == inner.__name__ or key in getattr(inner, "__all__", ())):
                        homes[value] = f"rt.{inner.__name__.rpartition('.')[2]}.{key}"
        for sub in ("linalg", "fft", "initializers"):
            inner = getattr(module, sub, None)
            if isinstance(inner, types.ModuleType):
                for key, value in vars(inner).items():
                    if isinstance(value, types.FunctionType) and not key.startswith("_"):
                        homes.setdefault(value, f"{alias}.{sub}.{key}")
    for value in list(homes):
        # the function's own name is the canonical one where several are bound to it
        alias = homes[value].rpartition(".")[0]
        own = f"{alias}.{getattr(value, '__name__', '')}"
        if lookup(own) is value:
            homes[value] = own
    return homes


def _hashable(value):
    return getattr(type(value), "__hash__", None) is not None


def canonical(value) -> str | None:
    """The reference under which generated code names a runtime function (or what replaces a builtin or NumPy
    function), or None for anything else."""
    if not _hashable(value):
        return None
    try:
        if value in BUILTINS:
            return BUILTINS[value]
        found = _homes().get(value)
    except TypeError:
        return None
    if found:
        return found
    module = getattr(value, "__module__", None)
    own = getattr(value, "__name__", None)
    if module == "runtime.tree" and own in TREES:
        return TREES[own]
    if isinstance(value, types.BuiltinFunctionType):
        if module == "math" and getattr(math, own, None) is value:
            return _MATH.get(own)
        if module == "_operator" and getattr(operator, own, None) is value:
            return _OPERATOR.get(own)
    import numpy
    if isinstance(own, str) and numpy.__dict__.get(own) is value and value is not getattr(builtins, own, None):
        if not isinstance(value, type) and lookup(f"np.{own}") is not None:
            return f"np.{own}"
    if value in (numpy.ndenumerate, numpy.ascontiguousarray, numpy.asfortranarray, numpy.lib.stride_tricks.sliding_window_view):
        return f"rt.numpy_only.{own}"
    for inner in (numpy.linalg, numpy.fft):
        path = f"np.{inner.__name__.rpartition('.')[2]}.{own}"
        if isinstance(own, str) and getattr(inner, own, None) is value and lookup(path) is not None:
            return path
    return None


def brackets(value):
    """The library's name of what joins arrays between brackets (``np.r_``, NumPy's too); None for anything else."""
    import numpy
    return next((f"np.{own}" for own in ("r_", "c_") if value is getattr(numpy, own) or value is lookup(f"np.{own}")), None)


def is_runtime(value) -> bool:
    """Whether an object is defined by the runtime package."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and (module == "runtime" or module.startswith("runtime."))


def scalar_type(value):
    """The library's class of scalars for such a class of the library or of NumPy; None for anything else."""
    import numpy
    if isinstance(value, type) and issubclass(value, numpy.generic):
        value = lookup(dtype_path(value) or "np.none")
    return value if isinstance(value, lookup("np.types").ScalarType) else None


def dtype_path(value):
    """The library's name of a dtype or of a class of NumPy's scalars, such as ``np.float32``; None for anything else."""
    import numpy
    own = getattr(value, "__name__", None)
    if isinstance(value, type) and issubclass(value, numpy.generic):
        own = {"bool": "bool_"}.get(own, own)
    scalar = isinstance(value, type) and issubclass(value, numpy.generic)
    return f"np.{own}" if own and (scalar or hasattr(value, "dtype")) and lookup(f"np.{own}") is not None else None
