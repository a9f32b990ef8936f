"""The shard_map boundary: one program over the devices of a mesh, entered through rt.shard_map, and what is derived from it.

Before: ``shard_map(f, mesh=..., in_specs=..., out_specs=...)`` in a gradient.   After: both halves under shard_map; each device keeps its
residuals, and the cotangents of what several devices hold alike are shared out (``rt.split_cotangents``) and joined (``rt.join_cotangents``).
"""
from __future__ import annotations

import inspect

from xform.errors import TransformError
from xform.names import Names
from xform.syntax import assign, call, expression, function, name, returns
from xform.transform.boundary import sealed, wrapped
from xform.transform.vjp import Halves
from xform.unit import Unit


def derive(unit, options, prefix):
    """shard_map(f): f with its collectives, entered through rt.shard_map; what it captures all devices have whole."""
    given = {k: v for k, v in options.items() if not (k == "axis_names" and not v or k == "check_vma" and v)}
    if prefix:
        specs = given["in_specs"]
        specs = tuple(specs) if isinstance(specs, (tuple, list)) else (specs,) * (len(unit.params) - prefix)
        given["in_specs"] = (*[None] * prefix, *specs)
    return wrapped(unit, "shard_map", tuple(sorted(given.items())))


def _specs(boundary, count):
    specs = boundary.option("in_specs")
    return list(specs) if isinstance(specs, (tuple, list)) else [specs] * count


def halves(unit, flags):
    """Both halves of a shard_map: each device keeps its residuals; cotangents of what several hold alike are shared out."""
    from runtime.shardmap import PerShard
    from xform.emit import option_text
    from xform.pipeline import halves_of
    boundary = unit.boundary
    inner = sealed(halves_of(boundary.inner, flags))
    options, out_specs, bwd = dict(boundary.options), boundary.option("out_specs"), inner.bwd
    fwd = wrapped(inner.fwd, "shard_map", tuple(sorted({**options, "out_specs": (out_specs, PerShard())}.items())))
    specs = [spec for spec, flag in zip(_specs(boundary, len(flags)), flags) if flag]
    text = option_text(tuple(specs) if len(specs) > 1 else specs[0])
    names = Names({"residuals", "d_out"})
    shares, parts = names.fresh("shares"), names.fresh("parts")
    body = [assign(shares, call("rt.split_cotangents", [name("d_out"), expression(option_text(out_specs), bwd.tree)])),
            assign(parts, call(bwd.name, [name("residuals"), name(shares)])),
            returns(call("rt.join_cotangents", [name(parts), expression(text, bwd.tree)]))]
    made = Unit(f"{bwd.name}_shards", function(f"{bwd.name}_shards", ["residuals", "d_out"], body), {bwd.name: bwd},
                {shares, parts}, bwd.file, bwd.origin)
    made.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY)
                                        for p in ("residuals", "d_out")])
    back = {**options, "in_specs": (PerShard(), out_specs), "out_specs": tuple(specs) if len(specs) > 1 else specs[0]}
    return Halves(fwd, wrapped(made, "shard_map", tuple(sorted(back.items()))))


def jvp(unit, flags):
    """The forward derivative, as one program over the mesh."""
    from xform.pipeline import jvp_of
    boundary = unit.boundary
    options, specs = dict(boundary.options), _specs(boundary, len(flags))
    options["in_specs"] = (*specs, *[spec for spec, flag in zip(specs, flags) if flag])
    options["out_specs"] = (options["out_specs"], options["out_specs"])
    return wrapped(jvp_of(boundary.inner, flags), "shard_map", tuple(sorted(options.items())))


def vmap(unit, flags, axis_name):
    """The batched function, as one program over the mesh; the batch axis is in front of every spec."""
    from xform.pipeline import vmap_of
    boundary = unit.boundary
    inner, out = vmap_of(boundary.inner, flags, axis_name)
    options = dict(boundary.options)
    options["in_specs"] = tuple(_spec_behind(s, flag) for s, flag in zip(_specs(boundary, len(flags)), flags))
    options["out_specs"] = _spec_behind(options["out_specs"], out)
    return wrapped(inner, "shard_map", tuple(sorted(options.items()))), out


def _spec_behind(spec, flag):
    """The spec of a value that has a batch in front where a flag says so."""
    from runtime.shardmap import behind_batch
    from xform.analyze.batched import LIST, is_batched
    if not is_batched(flag):
        return spec
    if flag is True:
        return behind_batch(spec)
    if flag[:1] in ((LIST,), ("ragged",)):
        if flag[1] is True and flag[0] == LIST:
            return behind_batch(spec)
        raise TransformError("vmap of a function mapped by shard_map with partly batched lists is not supported",
                             hint="Batch every array of the list.")
    parts = spec if isinstance(spec, (tuple, list)) else (spec,) * len(flag)
    return tuple(_spec_behind(s, f) for s, f in zip(parts, flag))
