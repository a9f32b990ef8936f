"""Attempts: a function whose result is (what it raises or None, what it returns), so that the body of a ``try`` is run once.

Before::

    @rt.attempt
    def f_tried_attempt(x):
        return f_tried(x)

After::

    @rt.attempt(failed=(None, None))
    def f_tried_fwd_attempt(x):
        return f_tried_fwd(x)

    def f_tried_attempt_fwd(x):
        failure, (out, residuals) = f_tried_fwd_attempt(x)
        worked = failure is None
        return (failure, out), (worked, residuals)

    def f_tried_attempt_bwd(residuals, d_out):
        worked, kept = residuals
        if worked:
            d_x = f_tried_bwd(kept, d_out[1])
        else:
            d_x = rt.ZERO
        return d_x
"""
from __future__ import annotations

import gast

from xform.analyze.batched import is_batched
from xform.names import Names
from xform.syntax import assign, branch, call, const, function, name, pack, reference, returns
from xform.transform.vjp import Halves
from xform.unit import Boundary, Unit


def derive(unit, options, prefix):
    """attempt(f): f, whose result is what it raises or None, and what it returns."""
    return wrapped(unit)


def wrapped(unit, failed=None):
    """A function that calls ``unit`` and carries the mark."""
    body = [assign("out", call(unit.name, [name(p) for p in unit.params])), returns(name("out"))]
    own = f"{unit.name}_attempt"
    return Unit(own, function(own, unit.params, body), {unit.name: unit}, {"out"}, unit.file, unit.origin,
                Boundary("attempt", unit, () if failed is None else (("failed", failed),)), signature=unit.signature)


def halves(unit, flags):
    """The forward half is attempted; the backward half is run where it succeeded."""
    from xform.pipeline import halves_of
    inner = halves_of(unit.boundary.inner, flags)
    tried, params = wrapped(inner.fwd, (unit.boundary.option("failed"), None)), list(unit.params)
    names = Names(set(params) | {tried.name, inner.bwd.name})
    failure, made, out, kept, worked, residuals, d_out = map(names.fresh, (
        "failure", "made", "out", "kept", "worked", "residuals", "d_out"))
    body = [assign([failure, made], call(tried.name, [name(p) for p in params])), assign([out, kept], name(made)),
            assign(worked, gast.Compare(name(failure), [gast.Is()], [const(None)])),
            returns(pack([pack([name(failure), name(out)]), pack([name(worked), name(kept)])]))]
    own = f"{unit.name}_fwd"
    fwd = Unit(own, function(own, params, body), {tried.name: tried}, {made}, unit.file, unit.origin, signature=unit.signature)
    cotangents = [names.fresh(f"d_{p}") for p, flag in zip(params, flags) if flag]
    given = gast.Subscript(name(d_out), const(1), gast.Load())
    found = assign(cotangents if len(cotangents) > 1 else cotangents[0], call(inner.bwd.name, [name(kept), given]))
    body = [assign([worked, kept], name(residuals)),
            branch(name(worked), [found], [assign(d, reference("rt.ZERO")) for d in cotangents]),
            returns(pack([name(d) for d in cotangents]) if len(cotangents) > 1 else name(cotangents[0]))]
    own = f"{unit.name}_bwd"
    return Halves(fwd, Unit(own, function(own, [residuals, d_out], body), {inner.bwd.name: inner.bwd}, set(), unit.file, unit.origin))


def jvp(unit, flags):
    """The forward derivative, attempted."""
    from xform.pipeline import jvp_of
    inner = jvp_of(unit.boundary.inner, flags)
    tried, params = wrapped(inner, (unit.boundary.option("failed"),) * 2), list(inner.params)
    names = Names(set(params) | {tried.name})
    failure, made, out, out_dot = map(names.fresh, ("failure", "made", "out", "out_dot"))
    body = [assign([failure, made], call(tried.name, [name(p) for p in params])), assign([out, out_dot], name(made)),
            returns(pack([pack([name(failure), name(out)]), pack([reference("rt.ZERO"), name(out_dot)])]))]
    own = f"{unit.name}_jvp"
    return Unit(own, function(own, params, body), {tried.name: tried}, {made}, unit.file, unit.origin)


def vmap(unit, flags, axis_name):
    """A batch is attempted as a whole: a body that raises for some examples alone is refused by the transformation of its branches."""
    from xform.pipeline import vmap_of
    inner, out = vmap_of(unit.boundary.inner, flags, axis_name)
    return wrapped(inner, unit.boundary.option("failed")), (False, out) if is_batched(out) else False
