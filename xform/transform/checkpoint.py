"""Rematerialization: the forward half keeps the inputs alone, the backward half runs the forward half again.

Before::

    @rt.checkpoint
    def f_checkpoint(x):
        return f(x)

After::

    def f_checkpoint_fwd(x):
        return f_checkpoint(x), (x,)

    @rt.checkpoint
    def f_checkpoint_bwd(saved, d_out):
        (x,) = rt.fenced(saved)
        out, residuals = f_fwd(x)
        return f_bwd(residuals, d_out)
"""
from __future__ import annotations

import inspect

from xform.names import Names
from xform.syntax import assign, call, function, name, pack, returns
from xform.unit import Boundary, Unit


def derive(unit, options, prefix):
    """checkpoint(f): f, marked so that its derivative keeps no intermediate values."""
    if getattr(options.get("policy"), "saves_everything", False):
        return unit
    return wrapped(unit, () if options.get("prevent_cse", True) else (("prevent_cse", False),))


def wrapped(unit, options):
    """A function that calls ``unit`` and carries the mark."""
    if unit.boundary is not None and unit.boundary.kind == "checkpoint":
        return unit
    body = [assign("out", call(unit.name, [name(p) for p in unit.params])), returns(name("out"))]
    own = f"{unit.name}_checkpoint"
    return Unit(own, function(own, unit.params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin,
                Boundary("checkpoint", unit, options), signature=unit.signature)


def with_defaults(unit, provided):
    """The same as a function of the provided parameters alone; the others have their default values."""
    from xform import pipeline
    return wrapped(pipeline.with_defaults(unit.boundary.inner, provided), unit.boundary.options)


def halves(unit, flags):
    """The forward half returns its arguments as residuals; the backward half starts from them."""
    from xform.pipeline import halves_of
    from xform.transform.vjp import Halves
    boundary = unit.boundary
    inner = halves_of(boundary.inner, flags)
    params = list(unit.params)
    body = [assign("out", call(unit.name, [name(p) for p in params])),
            returns(pack([name("out"), pack([name(p) for p in params])]))]
    own = f"{unit.name}_fwd"
    fwd = Unit(own, function(own, params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin, signature=unit.signature)
    names = Names(set(params) | {inner.fwd.name, inner.bwd.name})
    saved, d_out, out, residuals = (names.fresh(n) for n in ("saved", "d_out", "out", "residuals"))
    kept = call("rt.fenced", [name(saved)]) if boundary.option("prevent_cse", True) else name(saved)
    body = [assign(params, kept)] if len(params) != 1 else [assign("parts", kept), assign(params[0], _first("parts"))]
    body += [assign([out, residuals], call(inner.fwd.name, [name(p) for p in params])),
             returns(call(inner.bwd.name, [name(residuals), name(d_out)]))]
    own = f"{unit.name}_bwd"
    bwd = Unit(own, function(own, [saved, d_out], body), {inner.fwd.name: inner.fwd, inner.bwd.name: inner.bwd},
               set(), unit.file, unit.origin)
    bwd.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in (saved, d_out)])
    return Halves(fwd, bwd)


def _first(identifier):
    import gast
    return gast.Subscript(name(identifier), gast.Constant(0, None), gast.Load())


def jvp(unit, flags):
    """The forward derivative of a checkpointed function: its own, marked."""
    from xform.pipeline import jvp_of
    return wrapped(jvp_of(unit.boundary.inner, flags), unit.boundary.options)


def vmap(unit, flags, axis_name):
    """A checkpointed function with a batch axis: the function with a batch axis, marked."""
    from xform.pipeline import vmap_of
    inner, out = vmap_of(unit.boundary.inner, flags, axis_name)
    return wrapped(inner, unit.boundary.options), out
