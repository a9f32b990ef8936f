"""Arrays read from and written to files and buffers, and how arrays are printed: NumPy's functions, on the host."""
from __future__ import annotations

import numpy

from runtime.ops.create import array
from runtime.types import bfloat16

get_printoptions, set_printoptions, printoptions = numpy.get_printoptions, numpy.set_printoptions, numpy.printoptions


def load(file, *args, **kwargs):
    """Return the array of a .npy file; of a .npz archive, NumPy's mapping of names to host arrays.

    NumPy has no name for bfloat16 and writes such an array as one of two raw bytes each: it is read as bfloat16 again.
    """
    found = numpy.load(file, *args, **kwargs)
    if isinstance(found, numpy.ndarray) and found.dtype == "V2":
        found = found.view(bfloat16)
    return array(found) if isinstance(found, numpy.ndarray) else found


def save(file, arr, allow_pickle=True):
    """Write an array to a .npy file."""
    numpy.save(file, numpy.asarray(arr), allow_pickle=allow_pickle)


def savez(file, *args, allow_pickle=True, **kwds):
    """Write several arrays to a .npz archive, under the names of the keyword arguments, or arr_0, arr_1 ..."""
    numpy.savez(file, *[numpy.asarray(a) for a in args], allow_pickle=allow_pickle,
                **{name: numpy.asarray(value) for name, value in kwds.items()})


def frombuffer(buffer, dtype=float, count=-1, offset=0):
    """Return a vector of the elements stored in an object with a buffer, such as bytes."""
    return array(numpy.frombuffer(buffer, dtype=_host(dtype), count=count, offset=offset))


def fromfile(*args, **kwargs):
    """Refuse: reading a file's raw bytes into an array is left to NumPy."""
    raise NotImplementedError("fromfile() is not available, because it may return other things than arrays: use "
                              "xform.numpy.asarray(numpy.fromfile(...)) instead")


def fromiter(*args, **kwargs):
    """Refuse: making an array of an iterator is left to NumPy."""
    raise NotImplementedError("fromiter() is not available, because of its potential side-effects: use "
                              "xform.numpy.asarray(numpy.fromiter(...)) instead")


def fromstring(string, dtype=float, count=-1, *, sep):
    """Return a vector of the numbers written in a text with a separator between them."""
    return array(numpy.fromstring(string, dtype=_host(dtype), count=count, sep=sep))


def _host(dtype):
    """The dtype as NumPy knows it: our names of dtypes carry it."""
    return numpy.dtype(getattr(dtype, "dtype", dtype))


__all__ = ["frombuffer", "fromfile", "fromiter", "fromstring", "get_printoptions", "load", "printoptions", "save", "savez",
           "set_printoptions"]
