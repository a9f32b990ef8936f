"""The jit boundary: staged functions, entered through rt.jit, and what is derived from them.

Before: ``jit(f)`` in a gradient.   After: ``f_fwd_jit`` and ``f_bwd_jit``, each half a program of its own.
"""
from __future__ import annotations

from xform.transform.boundary import sealed, wrapped
from xform.transform.vjp import Halves


def derive(unit, options, prefix):
    """jit(f): f with its control flow staged, entered through rt.jit."""
    given = dict(options)
    for key in ("static_argnums", "donate_argnums"):
        if given.get(key) is not None:
            numbers = given[key]
            numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
            own = len(unit.params) - prefix
            given[key] = tuple(prefix + (n + own if n < 0 else n) for n in numbers)
    static = given.get("static_argnums") or ()
    wanted = given.get("in_shardings")
    if prefix and isinstance(wanted, (tuple, list)):
        given["in_shardings"] = (*[None] * (prefix - sum(n < prefix for n in static)), *wanted)
    names = given.pop("static_argnames", None)
    if names is not None:
        names = (names,) if isinstance(names, str) else tuple(names)
        missing = [n for n in names if n not in unit.params]
        if missing:
            raise ValueError(f"jit got invalid argnames: {unit.name} has no parameter {missing[0]!r}, only {unit.params}")
        numbers = [unit.params.index(n) for n in names]
        given["static_argnums"] = tuple(sorted({*(given.get("static_argnums") or ()), *numbers}))
    elif given.get("static_argnums"):
        given["static_argnums"] = tuple(sorted(set(given["static_argnums"])))
    return wrapped(unit, "jit", tuple(sorted(given.items())))


def carry_static(boundary):
    """jit options for a derived function of the same leading parameters: its shardings follow those of the arguments."""
    options = dict(boundary.options)
    for key in ("donate_argnums", "in_shardings", "out_shardings"):
        options.pop(key, None)
    return tuple(sorted(options.items()))


def halves(unit, flags):
    """Both halves, a program each."""
    from xform.pipeline import halves_of
    boundary = unit.boundary
    if any(flags[i] for i in boundary.option("static_argnums") or ()):
        raise TypeError(f"cannot differentiate {boundary.inner.name} with respect to a static argument of jit")
    inner = sealed(halves_of(boundary.inner, flags))
    return Halves(wrapped(inner.fwd, "jit", carry_static(boundary)), wrapped(inner.bwd, "jit", ()))


def jvp(unit, flags):
    """The forward derivative, as one program."""
    from xform.pipeline import jvp_of
    return wrapped(jvp_of(unit.boundary.inner, flags), "jit", carry_static(unit.boundary))


def vmap(unit, flags, axis_name):
    """The batched function, as one program."""
    from xform.pipeline import vmap_of
    inner, out = vmap_of(unit.boundary.inner, flags, axis_name)
    return wrapped(inner, "jit", carry_static(unit.boundary)), out
