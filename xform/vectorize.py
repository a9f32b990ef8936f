"""vectorize and frompyfunc: functions of numbers, or of arrays of few axes, as functions of arrays."""
from __future__ import annotations

import functools

from runtime import numpy as np
from runtime.numpy.ufunc import accumulate_with, at_binary, at_unary, check_ufunc, no_out, outer_with, reduce_with, reduceat_with
from xform import pipeline, resolve
from xform.api import Transformed, run
from xform.inputs import numeric

__all__ = ["fromfunction", "frompyfunc", "ufunc", "vectorize"]


class Vectorized(Transformed):
    """A function mapped over the axes that its signature leaves over."""
    __slots__ = ()

    def _call(self, *args, **kwargs):
        inner, values = self._bound(args, kwargs)
        excluded, offset, given = self.options.get("excluded") or (), len(inner.values), []
        for i, param in enumerate(inner.unit.params[offset:]):
            if i in excluded or param in excluded or not (i < len(args) or param in kwargs) or values[offset + i] is None:
                continue
            values[offset + i] = np.asarray(numeric(values[offset + i]))
            given.append(param)
        extra = {"given": tuple(given)}
        return run(self._entry((inner.unit, *given), inner, extra), values)


def vectorize(pyfunc=None, *, excluded=frozenset(), signature=None):
    """Return a function that maps ``pyfunc`` over all axes of its arguments, which broadcast, but those that it takes itself.

    excluded: positions and names of arguments that are passed on as they are. signature: a generalized ufunc's, like
    ``(m,n),(n)->(m)``: which last axes of the arguments ``pyfunc`` takes, and which its results have; without it, none.
    Keyword arguments that are not excluded are mapped over too. TypeError for a wrong number of arguments, ValueError for shapes
    that do not fit and for a text that is no signature.
    """
    if pyfunc is None:
        return functools.partial(vectorize, excluded=excluded, signature=signature)
    if any(not isinstance(one, (str, int)) for one in excluded):
        raise TypeError(f"excluded={set(excluded)} must hold positions and names of arguments")
    if any(isinstance(one, int) and one < 0 for one in excluded):
        raise ValueError(f"excluded={set(excluded)!r} contains negative numbers")
    options = {}
    if excluded:
        options = {"excluded": tuple(sorted(excluded, key=lambda one: (isinstance(one, str), one))), "shown": repr(frozenset(excluded))}
    if signature is not None:
        from runtime.vectorized import parse_signature
        parse_signature(signature)
        options["signature"] = signature
    return Vectorized("vectorize", pyfunc, options)


def _vectorize(unit, options, prefix):
    from xform.transform import vectorize as transform
    return transform.derive(unit, options, prefix)


resolve.TRANSFORMATIONS[vectorize] = "vectorize"
pipeline.DERIVATIONS["vectorize"] = _vectorize


def fromfunction(function, shape, *, dtype=float, **kwargs):
    """Return the array, or pytree of arrays, whose elements are what a function gives for their coordinates.

    The function is called with one number of the dtype for each axis of ``shape``; the axes of what it returns come after these.
    """
    if len(shape) == 0:
        return function(**kwargs)
    grid = np.indices(shape, dtype)
    return vectorize(function)(*[grid[k] for k in range(len(shape))], **kwargs)


class ufunc:
    """A function of numbers made a function of arrays, with the methods of NumPy's universal functions.

    func: takes ``nin`` numbers and returns one, or a tuple of ``nout``. identity: what a reduction of nothing gives. Every method
    can be differentiated, batched and staged as its own code says.
    """

    def __init__(self, func, /, nin, nout, *, name=None, nargs=None, identity=None):
        if not callable(func):
            raise TypeError(f"ufunc: func must be callable, got {func!r}")
        self.nin, self.nout, self.nargs, self.identity = int(nin), int(nout), nargs or int(nin), identity
        self.__name__ = name or getattr(func, "__name__", "ufunc")
        self.__doc__ = func.__doc__
        self._vectorized = vectorize(func)
        self._at = at_unary if self.nin == 1 else at_binary

    def __repr__(self):
        return f"<xform.numpy.ufunc {self.__name__!r}>"

    def __call__(self, *args, out=None, where=None):
        no_out(self.__name__, out)
        no_out(self.__name__, where, "where")
        return self._vectorized(*args)

    def reduce(self, a, axis=0, dtype=None, out=None, keepdims=False, initial=None, where=None):
        """Return the elements along an axis (all for None) combined from the first to the last."""
        no_out(self.__name__, out)
        check_ufunc(self.__name__, "reduce", self.nin, self.nout)
        return reduce_with(self._vectorized, a, axis, dtype, keepdims, initial, where, self.identity, self.__name__)

    def accumulate(self, a, axis=0, dtype=None, out=None):
        """Return the running combinations along an axis."""
        no_out(self.__name__, out)
        check_ufunc(self.__name__, "accumulate", self.nin, self.nout)
        return accumulate_with(self._vectorized, a, axis, dtype)

    def at(self, a, indices, b=None, /, *, inplace=True):
        """Return ``a`` with the function applied at the indices, one after the other where they repeat; ``inplace=False`` only."""
        return self._at(self._vectorized, a, indices, b, inplace)

    def reduceat(self, a, indices, axis=0, dtype=None, out=None):
        """Return the combinations of the slices of an axis that start at the indices."""
        no_out(self.__name__, out)
        check_ufunc(self.__name__, "reduceat", self.nin, self.nout)
        return reduceat_with(self._vectorized, a, indices, axis, dtype)

    def outer(self, A, B, /):
        """Return the function of every pair of elements, with the axes of A before those of B."""
        check_ufunc(self.__name__, "outer", self.nin, self.nout)
        return outer_with(self._vectorized, A, B)


def frompyfunc(func, /, nin, nout, *, identity=None):
    """Return a ufunc of a function of ``nin`` numbers with ``nout`` results; its methods are those of ``ufunc``."""
    return ufunc(func, nin, nout, identity=identity)
