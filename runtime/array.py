"""The immutable Array: one XLA buffer, or a symbolic value while a function is being staged."""
from __future__ import annotations

import numpy as np

from runtime import xla
from runtime.config import config
from runtime.device import default_placement, placement, put, to_numpy
from runtime.types import KEY, Aval, aval, canonical_dtype, dtype_name, kind, python_dtype

ArrayImpl = xla.ArrayImpl


class ConcretizationError(TypeError):
    """A staged (symbolic) array was asked for its value, which exists only when the compiled program runs."""


class TracerBoolConversionError(ConcretizationError):
    """A staged array decided something in Python: ``if x``, ``x and y``, ``bool(x)``."""


class TracerIntegerConversionError(ConcretizationError):
    """A staged array stood where Python wants an index: ``range(x)``, ``a_list[x]``."""


class TracerArrayConversionError(ConcretizationError):
    """A staged array was given to NumPy, or to another library that converts arrays with ``__array__``."""


class NonConcreteBooleanIndexError(ConcretizationError, IndexError):
    """A staged boolean mask stood where its values decide the shape of the result: ``x[mask]``."""


class LeakError(TypeError):
    """A symbolic array outlived the staged function or branch that made it."""


def _library():
    """Return runtime.numpy, which is written in terms of Array and so cannot be imported before it."""
    global _numpy
    if _numpy is None:
        import runtime.numpy
        _numpy = runtime.numpy
    return _numpy


_numpy = None


class Array:
    """An immutable n-dimensional array on a device, with NumPy's operators, methods and protocols."""
    __slots__ = ("_v", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, v):
        self._v = v

    @property
    def aval(self) -> Aval:
        """The interned type: shape, dtype, weak_type."""
        return self._v.aval

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self._v.aval.shape

    @property
    def dtype(self) -> np.dtype:
        """The element type."""
        return self._v.aval.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._v.aval.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._v.aval.size

    @property
    def weak_type(self) -> bool:
        """Whether the dtype came from a Python number and gives way to others."""
        return self._v.aval.weak_type

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The size of all elements in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return _library().transpose(self)

    @property
    def mT(self) -> Array:
        """The array with its last two axes exchanged."""
        if self.ndim < 2:
            raise ValueError(f"x.mT requires x to have at least 2 dimensions; got {self.ndim}")
        return _library().swapaxes(self, -1, -2)

    @property
    def real(self) -> Array:
        """The real part."""
        return _library().real(self)

    @property
    def imag(self) -> Array:
        """The imaginary part."""
        return _library().imag(self)

    @property
    def flat(self):
        """The elements in row-major order, to loop over or to index, as an array."""
        return self.reshape(-1)

    @property
    def at(self):
        """Indexed updates that return a new array: ``x.at[i].set(v)``, ``.add``, ``.multiply``, ``.min``, ``.max`` ..."""
        from runtime.ops.at import At
        return At(self)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        if type(self._v) is not ArrayImpl:
            return (self[i] for i in range(self.shape[0]))
        row = self.aval.with_shape(self.shape[1:])
        if self.dtype == KEY:
            return (self[i] for i in range(self.shape[0]))
        home = self._v._sharding
        if self._v._committed and (home.is_fully_replicated or len(home._device_assignment) == 1) and home is not default_placement().sharding:
            return (self[i] for i in range(self.shape[0]))      # the rows stay where they are
        return (Array(put(np.asarray(part), row)) for part in to_numpy(self._v))

    def __reversed__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return iter(_library().flip(self, 0))

    def __contains__(self, value):
        return bool((self == value).any())

    def __getitem__(self, key):
        from runtime.ops import index
        return index.getitem(self, key)

    def __setitem__(self, key, value):
        raise TypeError("arrays are immutable: instead of x[i] = v write x = x.at[i].set(v), which returns the new array "
                        "(inside a function that is transformed, x[i] = v is rewritten so for you)")

    # ---- Python values ----
    def _item(self, what: str, error=ConcretizationError):
        v = concrete(self, what, error)
        if v.aval.dtype == KEY:
            raise TypeError(f"{what}: a random key is no number; use random.key_data(key) for those it is made of")
        if v.aval.shape:
            raise TypeError(f"Only scalar arrays can be converted to Python scalars; got shape {v.aval.shape}. "
                            "Index it, or reduce it, first.")
        return to_numpy(v)[()]

    def __bool__(self):
        v = concrete(self, "bool(x), as in 'if x:' or 'while x:',", TracerBoolConversionError)
        if v.aval.dtype == KEY:
            raise TypeError("a random key has no truth value")
        if v.aval.size != 1:
            raise ValueError("The truth value of an array with "
                             f"{'no elements' if not v.aval.size else 'more than one element'} is ambiguous. "
                             "Use a.any() or a.all()")
        return bool(to_numpy(v).reshape(())[()])

    def __int__(self):
        return int(self._item("int(x)"))

    def __float__(self):
        return float(self._item("float(x)"))

    def __complex__(self):
        return complex(self._item("complex(x)"))

    def __index__(self):
        if kind(self.dtype) not in "iu" or self.shape:
            raise TypeError(f"Only integer scalar arrays can be converted to a scalar index; got {self.aval}")
        return int(self._item("operator.index(x), as in range(x) or a_list[x],", TracerIntegerConversionError))

    def __round__(self, ndigits=None):
        return _library().round(self, 0 if ndigits is None else ndigits)

    def item(self, *args):
        """Return one element as a Python number; an index is needed unless there is just one element."""
        return np.asarray(self).item(*args)

    def tolist(self):
        """Return nested lists of Python numbers."""
        return np.asarray(self).tolist()

    def tobytes(self, order="C") -> bytes:
        """Return the elements' bytes."""
        return np.asarray(self).tobytes(order)

    # ---- NumPy's protocols ----
    def __array__(self, dtype=None, copy=None):
        if self.dtype == KEY:
            raise TypeError("an array of random keys cannot be converted to a NumPy array; use random.key_data(keys) for the "
                            "numbers they are made of")
        host = to_numpy(concrete(self, "numpy.asarray(x)", TracerArrayConversionError))
        if dtype is not None and host.dtype != np.dtype(dtype):
            return host.astype(dtype)
        return host.copy() if copy else host

    def __buffer__(self, flags, /):     # asked by memoryview from Python 3.12 on
        return memoryview(self.__array__())

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        from runtime.protocol import call_ufunc
        return call_ufunc(ufunc, method, inputs, kwargs, _known)

    def __array_function__(self, func, types, args, kwargs):
        from runtime.protocol import call_function
        return call_function(func, args, kwargs)

    def __array_namespace__(self, *, api_version=None, device=None):
        return _library()

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return xla.buffer_to_dlpack(concrete(self, "x.__dlpack__()"))

    def __dlpack_device__(self):
        device = self.device
        return (1, 0) if device.platform == "cpu" else (2, device.local_hardware_id)

    def __reduce__(self):
        if self.dtype == KEY:
            return _unpickle_keys, (np.array(to_numpy(concrete(self, "pickling"))),)
        return _unpickle, (np.asarray(self), self.weak_type)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    # ---- text ----
    def __repr__(self):
        tail = f"dtype={dtype_name(self.dtype)}" + (", weak_type=True)" if self.weak_type else ")")
        if type(self._v) is not ArrayImpl:
            return f"Array(<staged>, shape={self.shape}, {tail}"
        if self._v.is_deleted():
            raise RuntimeError(f"Array has been deleted with shape={self.aval}.")
        if not self.size:
            return f"Array([], shape={self.shape}, {tail}"
        if self.dtype == KEY:
            words = to_numpy(self._v)[..., None].view(np.uint32)
            return f"Array({self.shape}, {tail} overlaying:\n{words}"
        body = np.array2string(to_numpy(self._v), prefix="Array(", suffix=",", separator=", ")
        last = len(body) - body.rfind("\n") - 1
        fits = last + len(tail) + 2 < np.get_printoptions()["linewidth"]
        return f"Array({body},{' ' if fits else ' ' * 6}{tail}"  # jax, too, puts spaces here and no new line

    def __str__(self):
        return str(to_numpy(self._v)) if self.dtype != KEY and type(self._v) is ArrayImpl and not self._v.is_deleted() else repr(self)

    def __format__(self, spec):
        if type(self._v) is not ArrayImpl or self.dtype == KEY:
            return repr(self)       # a number that is not there yet has no digits
        return format(to_numpy(self._v)[()], spec)

    # ---- devices ----
    @property
    def device(self):
        """The device that holds the array (its sharding, if there are several)."""
        found = concrete(self, "x.device")._sharding
        return found._device_assignment[0] if len(found._device_assignment) == 1 else found

    @property
    def sharding(self):
        """How the array is laid out over devices."""
        return concrete(self, "x.sharding")._sharding

    @property
    def committed(self) -> bool:
        """Whether the array was put on its device on purpose."""
        return concrete(self, "x.committed")._committed

    @property
    def is_fully_addressable(self) -> bool:
        """Whether every shard is on a device of this process."""
        return concrete(self, "x.is_fully_addressable")._sharding.is_fully_addressable

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device holds the whole array."""
        found = concrete(self, "x.is_fully_replicated")._sharding
        return found.is_fully_replicated

    @property
    def platform(self) -> str:
        """The platform of the devices that hold the array: "cpu", "gpu", "tpu"."""
        return concrete(self, "x.platform")._sharding._device_assignment[0].platform

    def addressable_data(self, index: int) -> Array:
        """Return the part of the array on one device of this process."""
        return self.addressable_shards[index].data

    @property
    def addressable_shards(self) -> list:
        """The parts of the array on this process's devices."""
        return [shard for shard in self.global_shards if shard.data is not None]

    @property
    def global_shards(self) -> list:
        """The parts of the array on all devices; those of other processes have no ``data``."""
        from runtime.shards import shards_of
        return shards_of(concrete(self, "x.global_shards"))

    def devices(self) -> set:
        """Return the devices that hold a part of the array."""
        return set(concrete(self, "x.devices()")._sharding._device_assignment)

    def block_until_ready(self) -> Array:
        """Wait until the value has been computed, and return the array."""
        if type(self._v) is ArrayImpl:
            if self._v.is_deleted():
                raise RuntimeError(f"Array has been deleted with shape={self.aval}.")
            self._v.block_until_ready()
        return self

    def is_ready(self) -> bool:
        """Tell whether the value has been computed."""
        return concrete(self, "x.is_ready()").is_ready()

    def delete(self) -> None:
        """Free the device memory now; any later use is a RuntimeError."""
        concrete(self, "x.delete()").delete()

    def is_deleted(self) -> bool:
        """Tell whether the device memory has been freed or donated."""
        return type(self._v) is ArrayImpl and self._v.is_deleted()

    def copy_to_host_async(self) -> None:
        """Start copying the value to the host, for a later numpy.asarray."""
        concrete(self, "x.copy_to_host_async()")._copy_single_device_array_to_host_async()

    def unsafe_buffer_pointer(self) -> int:
        """Return the address of the device memory."""
        return concrete(self, "x.unsafe_buffer_pointer()").unsafe_buffer_pointer()

    def on_device_size_in_bytes(self) -> int:
        """Return the bytes taken on the device."""
        return concrete(self, "x.on_device_size_in_bytes()").on_device_size_in_bytes()

    def to_device(self, device, *, stream=None) -> Array:
        """Return the array on another device."""
        from runtime.transfer import device_put
        return device_put(self, device)

    # ---- methods whose arguments differ from the function's ----
    def astype(self, dtype, copy=False, device=None) -> Array:
        """Return the array converted to another dtype."""
        return _library().astype(self, dtype)

    def copy(self, order=None) -> Array:
        """Return a copy that does not share memory with this array."""
        if type(self._v) is not ArrayImpl:
            return Array(self._v)
        buffer = concrete(self, "x.copy()")
        if len(buffer._sharding._device_assignment) > 1:
            from runtime.partition import copied
            return Array(copied(buffer))
        made = put(to_numpy(buffer), self.aval, placement(buffer._sharding._device_assignment[0]))
        return Array(xla.assemble(self.aval, buffer._sharding, [made], committed=buffer._committed))

    def clone(self) -> Array:
        """Return a copy of the array."""
        return self.copy()

    def flatten(self, order="C") -> Array:
        """Return the array with all axes joined into one."""
        return _library().ravel(self, order)

    def reshape(self, *shape, order="C", **kwargs) -> Array:
        """Return the array with another shape, given as one tuple or as separate sizes."""
        return _library().reshape(self, shape[0] if len(shape) == 1 else shape, order, **kwargs)

    def transpose(self, *axes) -> Array:
        """Return the array with its axes permuted, given as one tuple or separately; reversed by default."""
        if not axes or axes == (None,):
            return _library().transpose(self)
        return _library().transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)

    def compress(self, condition, axis=None, *, out=None, size=None, fill_value=0) -> Array:
        """Return the slices along an axis for which a condition holds; see numpy.compress."""
        return (_numpy or _library()).compress(condition, self, axis, size=size, fill_value=fill_value)

    def view(self, dtype=None, type=None) -> Array:
        """Return the same bytes read as another dtype: a narrower or wider one makes the last axis longer or shorter."""
        from runtime.numpy.packing import viewed
        return self if dtype is None else viewed(self, dtype)

    def byteswap(self) -> Array:
        """Return the array with the bytes of every element in the other order."""
        from runtime.numpy.packing import byteswapped
        return byteswapped(self)


_OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "divmod": "divmod", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift"}
_COMPARISONS = {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                "ge": "greater_equal"}
_UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "invert"}
_METHODS = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "conj", "conjugate",
    "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel", "repeat", "round",
    "searchsorted", "sort", "squeeze", "std", "sum", "swapaxes", "take", "trace", "var")

_QUICK = {Array, float, int, bool, complex, np.ndarray}


def _known(x) -> bool:
    """Tell whether an operator takes this operand; others get a chance with their reflected operator."""
    return type(x) in _QUICK or isinstance(x, (Array, int, float, complex, np.generic, np.ndarray))


def _binary(dunder: str, name: str, reflected: bool):
    def operator(self, other):
        if type(other) not in _QUICK and not _known(other):
            return NotImplemented
        function = getattr(_numpy or _library(), name)
        return function(other, self) if reflected else function(self, other)
    operator.__name__ = dunder
    operator.__doc__ = f"numpy.{name}, operands {'reversed' if reflected else 'in order'}."
    return operator


def _delegate(name: str, target: str):
    def method(self, *args, **kwargs):
        return getattr(_numpy or _library(), target)(self, *args, **kwargs)
    method.__name__ = name
    method.__doc__ = f"numpy.{target} of this array."
    return method


for _name, _target in _OPERATORS.items():
    setattr(Array, f"__{_name}__", _binary(f"__{_name}__", _target, False))
    setattr(Array, f"__r{_name}__", _binary(f"__r{_name}__", _target, True))
for _name, _target in _COMPARISONS.items():
    setattr(Array, f"__{_name}__", _binary(f"__{_name}__", _target, False))
for _name, _target in _UNARY.items():
    setattr(Array, f"__{_name}__", _delegate(f"__{_name}__", _target))
for _name in _METHODS:
    setattr(Array, _name, _delegate(_name, _name))


def _unpickle(host: np.ndarray, weak_type: bool) -> Array:
    return Array(to_buffer(host, host.dtype, weak_type))


def _unpickle_keys(host: np.ndarray) -> Array:
    return Array(put(host, aval(host.shape, KEY)))


def concrete(x: Array, what: str, error=ConcretizationError):
    """Return the buffer of an array; a ConcretizationError, naming what was asked for, if it is symbolic."""
    v = x._v
    if type(v) is not ArrayImpl:
        raise error(
            f"{what} needs the value of an array of type {v.aval}, but it is being staged for compilation and has no "
            "value yet. Compute it outside the jitted function, make the argument static (static_argnums), or use "
            "array operations such as numpy.where instead.")
    return v


_scalars: dict = {}


def scalar(value) -> Array:
    """Return a Python number as a weakly typed scalar Array; frequent ones are kept on the device.

    What users may give away (donate, delete) has to be ``own_scalar``. OverflowError when an int does not fit the default integer type.
    """
    key = (type(value), value if value else repr(value))  # 0.0 and -0.0 are equal
    found = _scalars.get(key)
    if found is not None and not found._v.is_deleted():
        return found
    if len(_scalars) > 4096:
        _scalars.clear()
    made = _scalars[key] = own_scalar(value)
    return made


def own_scalar(value) -> Array:
    """Return a Python number as a weakly typed scalar Array that nobody else holds; errors as of ``scalar``."""
    kind_of = type(value)
    base = kind_of if kind_of in (bool, int, float, complex) else next(
        t for t in (bool, int, float, complex) if isinstance(value, t))
    dtype = python_dtype(base)
    try:
        with np.errstate(over="ignore"):
            host = np.array(base(value), dtype)
    except OverflowError:
        raise OverflowError(f"Python int {value} too large to convert to {dtype}; enable 64-bit types with "
                            "config.update('enable_x64', True), or use an array of a wider dtype") from None
    return Array(put(host, aval((), dtype, base is not bool), alias=True))


def _drop_scalars(option):
    if option in ("enable_x64", "default_device"):
        _scalars.clear()


config.on_change(_drop_scalars)


def host_array(value) -> Array:
    """Copy a NumPy array or scalar to the default device."""
    host = value if type(value) is np.ndarray else np.asarray(value)
    dtype = host.dtype
    return Array(put(host, aval(host.shape, dtype)) if dtype in _KEPT else to_buffer(host))


_KEPT = frozenset(map(np.dtype, ("float32", "int32", "bool")))   # dtypes that arrays have whatever enable_x64 says


def to_buffer(value, dtype=None, weak_type: bool = False, place=None):
    """Copy a NumPy array or nested list to a device; 64-bit types are narrowed unless enable_x64 is set."""
    host = np.asarray(value)
    want = canonical_dtype(host.dtype if dtype is None else dtype)
    if host.dtype != want or not host.dtype.isnative:
        with np.errstate(over="ignore", invalid="ignore"):
            host = host.astype(want)
    return put(host, aval(host.shape, want, weak_type), place)
