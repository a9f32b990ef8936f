"""Rematerialization: the forward half keeps the inputs and what a policy says, the backward half runs the rest of it again.

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

With a policy that keeps something (transform/saving.py)::

    def f_checkpoint_fwd(x):
        out, kept = f_keep_checkpoint(x)
        return out, (x, kept)

    def f_checkpoint_bwd(saved, d_out):
        x, kept = saved
        return f_bwd(f_again(rt.fenced(x), kept), d_out)
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import gast

from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, reads, returns
from xform.transform import saving
from xform.transform.vjp import Halves
from xform.unit import Boundary, Unit


def derive(unit, options, prefix):
    """checkpoint(f): f, marked so that its derivative keeps no intermediate values."""
    policy, given = options.get("policy"), []
    if policy is not None:
        policy = Policy(policy, getattr(policy, "saves", None), bool(options.get("prevent_cse", True)))
        if policy.saves is not None and ("all", ()) in policy.saves:
            return unit
        if policy.saves != ():
            given.append(("policy", policy))
    if not options.get("prevent_cse", True):
        given.append(("prevent_cse", False))
    return wrapped(unit, tuple(given))


@dataclass(frozen=True)
class Policy:
    """A policy of checkpoint.

    saves: what it keeps, as (kind, names) pairs (transform/saving.py); None for a user's own function.
    fences: whether what is kept is read from behind a barrier.
    """
    function: Callable
    saves: tuple | None
    fences: bool

    def __call__(self, operation, *avals, **params):
        """Whether the result of an operation is kept; Recompute is an object like Saveable, but says no."""
        answer = self.function(operation, *avals, **params)
        return bool(answer) and getattr(answer, "name", None) != "Recompute"

    def __xform_text__(self, write):
        return repr(getattr(self.function, "__name__", "policy"))


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
    boundary = unit.boundary
    inner = halves_of(boundary.inner, flags)
    policy = boundary.option("policy")
    parts = policy and saving.split(inner.fwd, policy, saving.FIRST, saving.SECOND)
    if parts:
        return _saving_halves(unit, inner, parts)
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


def _saving_halves(unit, inner, parts):
    """The forward half returns its arguments and what the policy keeps; the backward half starts from them."""
    params = list(unit.params)
    keep = wrapped(parts.keep, unit.boundary.options)
    names = Names(set(params) | {keep.name, parts.again.name, inner.bwd.name})
    read = {n for statement in parts.again.body for n in reads(statement)}
    out, kept, saved, d_out, residuals = (names.fresh(n) for n in ("out", "kept", "saved", "d_out", "residuals"))
    held = [p for p in params if p in read]
    body = [assign([out, kept], call(keep.name, [name(p) for p in params])),
            returns(pack([name(out), pack([name(p) for p in [*held, kept]])]))]
    own = f"{unit.name}_fwd"
    fwd = Unit(own, function(own, params, body), {keep.name: keep}, {out}, unit.file, unit.origin, signature=unit.signature)
    fences = unit.boundary.option("prevent_cse", True)
    given = [(call("rt.fenced", [name(p)]) if fences else name(p)) if p in held else const(None) for p in params]
    body = [assign([*held, kept], saved) if held else assign(kept, _first(saved)),
            assign(residuals, call(parts.again.name, [*given, name(kept)])),
            returns(call(inner.bwd.name, [name(residuals), name(d_out)]))]
    own = f"{unit.name}_bwd"
    bwd = Unit(own, function(own, [saved, d_out], body), {parts.again.name: parts.again, inner.bwd.name: inner.bwd},
               {residuals}, unit.file, unit.origin)
    bwd.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY) for p in (saved, d_out)])
    return Halves(fwd, bwd)


def _first(identifier):
    return gast.Subscript(name(identifier), const(0), gast.Load())


def jvp(unit, flags):
    """The forward derivative of a checkpointed function: its own, marked."""
    from xform.pipeline import jvp_of
    return wrapped(jvp_of(unit.boundary.inner, flags), unit.boundary.options)


def vmap(unit, flags, axis_name):
    """A checkpointed function with a batch axis: the function with a batch axis, marked."""
    from xform.pipeline import vmap_of
    inner, out = vmap_of(unit.boundary.inner, flags, axis_name)
    return wrapped(inner, unit.boundary.options), out
