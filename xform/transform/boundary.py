"""Boundaries: functions that the runtime enters specially (jit, pmap, shard_map) or that are derived so (checkpoint, implicit).

A derivative of jit(f) is jit of f's derivative: the boundary moves outward, its inner unit is transformed as it was before staging. Each kind
is a module with the functions ``derive``, ``halves``, ``jvp`` and ``vmap``.
"""
from __future__ import annotations

import importlib

from xform.syntax import assign, call, function, name, pack, returns
from xform.unit import Boundary, Unit

KINDS = {"jit": "jit", "pmap": "spmd", "shard_map": "shards", "checkpoint": "checkpoint", "implicit": "implicit", "custom_vmap": "batching",
         "attempt": "attempt", "trial": "trial"}


def kind_of(unit):
    """The module that transforms the kind of boundary which ``unit`` has."""
    return kind(unit.boundary.kind)


def kind(found):
    """The module of a kind of boundary, by the name of the transformation that makes it."""
    return importlib.import_module("xform.transform." + KINDS[found])


def wrapped(unit, kind, options, inner=None):
    """A unit entered through rt.jit or rt.pmap: its body is the staged form of ``unit``."""
    from xform.transform.stage import stage
    if unit.boundary is not None:
        if unit.boundary.kind == kind == "jit" and not options:
            return unit
        unit = calling(unit)
    staged = stage(unit)
    made = Unit(f"{unit.name}_{'jit' if kind == 'jit' else 'spmd'}", staged.tree, staged.env, staged.temps, unit.file,
                unit.origin, Boundary(kind, unit, options), list(staged.notes), dict(staged.reads))
    made.signature = unit.signature
    return made


def calling(unit):
    """A unit that does no more than to call ``unit``, through its runtime entry."""
    made = Unit(unit.name, function(unit.name, unit.params, [assign("out", call(unit.name, [name(p) for p in unit.params])),
                                                             returns(name("out"))]),
                {unit.name: unit}, {"out"}, unit.file, unit.origin)
    made.signature = unit.signature
    return made


def with_defaults(unit, provided):
    """A boundary around the function of the provided parameters alone; the others have their default values."""
    from xform import pipeline
    if unit.boundary.kind in ("checkpoint", "custom_vmap"):
        return kind_of(unit).with_defaults(unit, provided)
    inner = pipeline.with_defaults(unit.boundary.inner, provided)
    places = {unit.params.index(p): i for i, p in enumerate(provided)}
    options = dict(unit.boundary.options)
    for key in ("static_argnums", "donate_argnums", "static_broadcasted_argnums"):
        if options.get(key):
            options[key] = tuple(places[n] for n in options[key] if n in places)
    if isinstance(options.get("in_axes"), tuple):
        options["in_axes"] = tuple(options["in_axes"][unit.params.index(p)] for p in provided)
    if isinstance(options.get("in_specs"), (tuple, list)) and len(options["in_specs"]) == len(unit.params):
        options["in_specs"] = tuple(options["in_specs"][unit.params.index(p)] for p in provided)
    return wrapped(inner, unit.boundary.kind, tuple(sorted(options.items())))


def sealed(made):
    """Python values among the residuals cross the boundary as what they are, not as arrays."""
    from xform.names import Names
    from xform.transform.vjp import Halves
    fwd, bwd = made.fwd, made.bwd
    names = Names(set(fwd.params))
    out, residuals = names.fresh("out"), names.fresh("residuals")
    body = [assign([out, residuals], call(fwd.name, [name(p) for p in fwd.params])),
            returns(pack([name(out), call("rt.seal", [name(residuals)])]))]
    outer_fwd = Unit(fwd.name, function(fwd.name, fwd.params, body), {fwd.name: fwd}, set(), fwd.file, fwd.origin,
                     signature=fwd.signature)
    body = [returns(call(bwd.name, [call("rt.unseal", [name("residuals")]), name("d_out")]))]
    outer_bwd = Unit(bwd.name, function(bwd.name, ["residuals", "d_out"], body), {bwd.name: bwd}, set(), bwd.file, bwd.origin)
    return Halves(outer_fwd, outer_bwd)
