"""Arrays shared with other libraries by DLPack."""
from __future__ import annotations

import numpy

from runtime import xla
from runtime.array import Array, to_buffer
from runtime.device import default_placement, placement
from runtime.types import aval, bfloat16, canonical_dtype, kind

__all__ = ["from_dlpack", "is_supported_dtype"]
_CPU = 1


def is_supported_dtype(dtype) -> bool:
    """Tell whether arrays of a dtype can be exchanged."""
    try:
        dtype = canonical_dtype(dtype)
    except TypeError:
        return False
    return kind(dtype) in "bc" or dtype == bfloat16 or dtype.kind in "iu" or dtype.kind == "f" and dtype.itemsize > 1


def from_dlpack(external_array, device=None, copy=None) -> Array:
    """Return the array of another library that has ``__dlpack__`` and ``__dlpack_device__``, without copying where that can be.

    ``copy``: True for a copy always, False to raise a ValueError where one would be needed, None for one only if needed (other
    device, strided or unaligned memory, 64-bit elements without enable_x64). TypeError for what has no DLPack methods.
    """
    if isinstance(external_array, Array):
        return external_array.copy() if copy else external_array
    if not hasattr(external_array, "__dlpack__") or not hasattr(external_array, "__dlpack_device__"):
        raise TypeError("from_dlpack needs an array with the methods __dlpack__ and __dlpack_device__ (a bare capsule does not say "
                        f"on which device it is), got {type(external_array).__name__}")
    where = int(external_array.__dlpack_device__()[0])
    place = default_placement() if device is None else placement(device)
    if where != _CPU and place.platform == "cpu":
        raise ValueError("from_dlpack: the array is on an accelerator that this process does not use; move it to the CPU first")
    if place.platform == "cpu":
        return _from_host(external_array, place, copy)
    if where == _CPU:
        if copy is False:
            raise ValueError(f"from_dlpack: copy=False, but the array has to be moved to {place.device}")
        from runtime.transfer import device_put
        return device_put(numpy.from_dlpack(external_array), place.device)
    return _wrapped(external_array, place)


def _from_host(external_array, place, copy):
    if isinstance(external_array, numpy.ndarray) and not external_array.flags.writeable:
        if copy is False:
            raise ValueError("from_dlpack: copy=False, but a read-only array of NumPy's has to be copied")
        return Array(to_buffer(external_array, place=place))
    try:
        view = numpy.from_dlpack(external_array)
    except (BufferError, RuntimeError):
        view = None     # an element type that NumPy lacks, like bfloat16
    if view is None:
        made = _without_view(external_array, place, copy)
        return made.copy() if copy else made
    aligned = view.ctypes.data % 64 == 0 and view.flags.c_contiguous and canonical_dtype(view.dtype) == view.dtype
    if copy is False and not aligned:
        raise ValueError("from_dlpack: copy=False, but memory that is strided, not aligned to 64 bytes or of 64-bit elements that are to be "
                         "narrowed has to be copied")
    if aligned and not copy:
        return _wrapped(external_array, place)
    return Array(to_buffer(view, place=place))


def _without_view(external_array, place, copy):
    """Return an array of which NumPy has no view; memory with gaps is copied by the library that it belongs to."""
    try:
        return _wrapped(external_array, place)
    except xla.XlaError:
        if copy is False:
            raise ValueError("from_dlpack: copy=False, but memory with gaps has to be copied") from None
        return _wrapped(external_array, place, copy=True)


def _wrapped(external_array, place, **options):
    buffer = xla.dlpack_to_buffer(external_array.__dlpack__(**options), place.device)
    host = xla.read(buffer)
    return Array(xla.assemble(aval(host.shape, host.dtype), place.sharding, [buffer], committed=True))
