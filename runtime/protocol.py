"""NumPy's own functions and universal functions applied to Arrays: they run here, and give Arrays."""
from __future__ import annotations

import numpy as np

# universal functions whose reduction has a function of its own, by their names
REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any"}


def call_ufunc(ufunc, method, inputs, kwargs, known):
    """Return what ``numpy.<ufunc>.<method>(*inputs, **kwargs)`` is; NotImplemented for what has no counterpart here.

    out: host arrays, into which the result is copied. where, dtype: as NumPy's. TypeError for an Array as ``out``, ValueError for
    ``where`` without ``out``, whose other elements would be left to chance.
    """
    from runtime import numpy as library
    name = ufunc.__name__
    out, where, dtype = kwargs.pop("out", None), kwargs.pop("where", True), kwargs.pop("dtype", None)
    out = _host_outputs(f"numpy.{name}", out)
    kwargs = {k: v for k, v in kwargs.items() if v is not np._NoValue and not (k == "casting" and v == "same_kind")}
    function = getattr(library, name, None)
    if method == "reduceat" and len(inputs) == 2:
        inputs = (inputs[0], np.asarray(inputs[1]))
    if function is None or not all(known(x) for x in inputs):
        return NotImplemented
    if method == "__call__":
        if dtype is not None:
            inputs = [library.asarray(x).astype(dtype) for x in inputs]
        found = function(*inputs, **kwargs)
        if where is not True:
            if not out:
                raise ValueError(f"numpy.{name}: where= without out= leaves the other elements undefined; use numpy.where")
            found = library.where(where, found, out[0])
        return _delivered(found, out)
    if method == "at":
        raise TypeError(f"numpy.{name}.at: an Array is immutable; use a = a.at[indices].add(values) and its like, or xform.numpy.{name}"
                        ".at(a, indices, values, inplace=False)")
    if dtype is not None:
        inputs = [library.asarray(inputs[0]).astype(dtype), *inputs[1:]]
    if method == "reduce":
        kwargs.setdefault("axis", 0)    # NumPy's default for a ufunc's reduce
        if where is not True:
            kwargs["where"] = where
        if name in REDUCTIONS:
            return _delivered(getattr(library, REDUCTIONS[name])(*inputs, **kwargs), out)
    step = getattr(function, method, None)
    if step is None:
        return _delivered(_by_hand(function, method, inputs, kwargs), out) if ufunc.nin == 2 and ufunc.nout == 1 else NotImplemented
    return _delivered(step(*inputs, **kwargs), out)


def _by_hand(function, method, inputs, kwargs):
    """A method of a universal function that has none here, step by step."""
    from runtime.numpy import ufunc
    if method == "outer":
        return ufunc.outer_with(function, *inputs)
    axis = kwargs.pop("axis", 0)
    if method == "reduce":
        return ufunc.reduce_with(function, inputs[0], axis, None, kwargs.get("keepdims", False), kwargs.get("initial"), kwargs.get("where"),
                                 None, function.__name__)
    if method == "accumulate":
        return ufunc.accumulate_with(function, inputs[0], axis, None)
    return ufunc.reduceat_with(function, inputs[0], inputs[1], axis, None)


def call_function(func, args, kwargs):
    """Return what a function of NumPy's namespace gives, run here; NotImplemented where there is no such function."""
    from runtime import numpy as library
    space = library
    for part in func.__module__.split(".")[1:]:
        space = getattr(space, part, None)
    function = getattr(space, func.__name__, None)
    if function is None:
        return NotImplemented
    out = _host_outputs(f"numpy.{func.__name__}", kwargs.get("out"))
    return _delivered(function(*args, **{k: v for k, v in kwargs.items() if k != "out"}), out)


def _host_outputs(name, out):
    """The arrays that take results, as a tuple; TypeError for an Array."""
    if out is None:
        return ()
    out = out if isinstance(out, tuple) else (out,)
    if not all(isinstance(one, np.ndarray) or one is None for one in out):
        raise TypeError(f"{name}: out= cannot be an immutable Array; drop it and use the result")
    return () if all(one is None for one in out) else out


def _delivered(found, out):
    """The result, copied into the arrays that take it where there are any."""
    if not out:
        return found
    results = found if isinstance(found, (tuple, list)) else (found,)
    for one, result in zip(out, results, strict=True):
        np.copyto(one, np.asarray(result), casting="same_kind")
    return out[0] if len(out) == 1 else out
