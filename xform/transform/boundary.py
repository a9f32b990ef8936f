"""Boundaries: functions that the runtime enters specially (jit, pmap) or that are derived so (checkpoint), transformed.

A derivative of jit(f) is jit of f's derivative: the boundary moves outward, its inner unit is transformed as it was
before staging.
"""
from __future__ import annotations

import inspect

from xform.errors import TransformError
from xform.syntax import call, function, name, pack, returns
from xform.transform import checkpoint
from xform.unit import Boundary, Unit


def jit(unit, options, prefix):
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


def pmap(unit, options, prefix):
    """pmap(f): one SPMD program, entered through rt.pmap."""
    given = dict(options)
    count = len(unit.params)
    static = given.get("static_broadcasted_argnums", ())
    static = (static,) if isinstance(static, int) else tuple(static)
    axes = given.pop("in_axes", 0)
    axes = list(axes) if isinstance(axes, (tuple, list)) else [axes] * (count - prefix)
    axes = [None] * prefix + axes + [0] * (count - prefix - len(axes))
    static = tuple(prefix + n for n in static)
    for n in static:
        axes[n] = None
    if any(a != 0 for a in axes):
        given["in_axes"] = tuple(axes)
    if static:
        given["static_broadcasted_argnums"] = static
    return wrapped(unit, "pmap", tuple(sorted(given.items())))


def shard_map(unit, options, prefix):
    """shard_map(f): f with its collectives, entered through rt.shard_map; what it captures all devices have whole."""
    given = {k: v for k, v in options.items() if k not in ("axis_names", "check_vma") or k == "axis_names" and v}
    if prefix:
        specs = given["in_specs"]
        specs = tuple(specs) if isinstance(specs, (tuple, list)) else (specs,) * (len(unit.params) - prefix)
        given["in_specs"] = (*[None] * prefix, *specs)
    return wrapped(unit, "shard_map", tuple(sorted(given.items())))


def _specs(boundary, count):
    specs = boundary.option("in_specs")
    return list(specs) if isinstance(specs, (tuple, list)) else [specs] * count


def _shard_halves(boundary, inner, flags):
    """Both halves of a shard_map: each device keeps its residuals; cotangents of what several hold alike are shared out."""
    from runtime.shardmap import PerShard
    from xform.emit import option_text
    from xform.names import Names
    from xform.syntax import assign, expression
    from xform.transform.vjp import Halves
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


def wrapped(unit, kind, options, inner=None):
    """A unit entered through rt.jit or rt.pmap: its body is the staged form of ``unit``."""
    from xform.transform.stage import stage
    if unit.boundary is not None and unit.boundary.kind == kind == "jit":
        return unit
    staged = stage(unit)
    made = Unit(f"{unit.name}_{'jit' if kind == 'jit' else 'spmd'}", staged.tree, staged.env, staged.temps, unit.file,
                unit.origin, Boundary(kind, unit, options), list(staged.notes), dict(staged.reads))
    made.signature = unit.signature
    return made


def with_defaults(unit, provided):
    """A boundary around the function of the provided parameters alone; the others have their default values."""
    from xform import pipeline
    if unit.boundary.kind == "checkpoint":
        return checkpoint.with_defaults(unit, provided)
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


def _carry_static(boundary, count):
    """jit options for a derived function of the same leading parameters: its shardings follow those of the arguments."""
    options = dict(boundary.options)
    for key in ("donate_argnums", "in_shardings", "out_shardings"):
        options.pop(key, None)
    return tuple(sorted(options.items()))


def halves(unit, flags):
    """Both halves of a boundary: a boundary around each half."""
    from xform.pipeline import halves_of
    from xform.transform.vjp import Halves
    boundary = unit.boundary
    if boundary.kind == "checkpoint":
        return checkpoint.halves(unit, flags)
    inner = _sealed(halves_of(boundary.inner, flags))
    if boundary.kind == "jit":
        static = boundary.option("static_argnums") or ()
        fwd = wrapped(inner.fwd, "jit", _carry_static(boundary, len(flags)))
        if any(flags[i] for i in static):
            raise TypeError(f"cannot differentiate {boundary.inner.name} with respect to a static argument of jit")
        return Halves(fwd, wrapped(inner.bwd, "jit", ()))
    if boundary.kind == "shard_map":
        return _shard_halves(boundary, inner, flags)
    axes = _axes(boundary, len(flags))
    common = {k: v for k, v in boundary.options if k in ("axis_name", "devices", "backend", "axis_size")}
    out_axes = boundary.option("out_axes", 0)
    fwd = wrapped(inner.fwd, "pmap", tuple(sorted({**dict(boundary.options), "out_axes": (out_axes, 0)}.items()))
                  if out_axes != 0 else boundary.options)
    summed = tuple(axes[i] is None for i, flag in enumerate(flags) if flag)
    out = [0 if axes[i] is None else axes[i] for i, flag in enumerate(flags) if flag]
    options = dict(common)
    if out_axes != 0:
        options["in_axes"] = (0, out_axes)
    if any(o != 0 for o in out):
        options["out_axes"] = tuple(out) if len(out) > 1 else out[0]
    bwd = wrapped(inner.bwd, "pmap", tuple(sorted(options.items())))
    return Halves(fwd, _gathered(bwd, summed))


def _sealed(made):
    """Python values among the residuals cross the boundary as what they are, not as arrays."""
    from xform.names import Names
    from xform.syntax import assign
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


def _gathered(bwd, summed):
    """The cotangent of an argument that every device received whole is the sum over devices."""
    from xform.names import Names
    from xform.syntax import assign
    if not any(summed):
        return bwd
    names = Names({"residuals", "d_out"})
    body = []
    if len(summed) == 1:
        body.append(returns(call("rt.sum_devices", [call(bwd.name, [name("residuals"), name("d_out")])])))
    else:
        parts = [names.fresh(f"part_{i}") for i in range(len(summed))]
        body.append(assign(parts, call(bwd.name, [name("residuals"), name("d_out")])))
        body.append(returns(pack([call("rt.sum_devices", [name(p)]) if flag else name(p) for p, flag in zip(parts, summed)])))
    made = Unit(f"{bwd.name}_summed", function(f"{bwd.name}_summed", ["residuals", "d_out"], body), {bwd.name: bwd}, set(),
                bwd.file, bwd.origin)
    made.signature = inspect.Signature([inspect.Parameter(p, inspect.Parameter.POSITIONAL_ONLY)
                                        for p in ("residuals", "d_out")])
    return made


def _axes(boundary, count):
    axes = boundary.option("in_axes", 0)
    return list(axes) if isinstance(axes, tuple) else [axes] * count


def jvp(unit, flags):
    """The forward derivative of a boundary: a boundary around the inner one's."""
    from xform.pipeline import jvp_of
    boundary = unit.boundary
    if boundary.kind == "checkpoint":
        return checkpoint.jvp(unit, flags)
    inner = jvp_of(boundary.inner, flags)
    if boundary.kind == "jit":
        return wrapped(inner, "jit", _carry_static(boundary, len(flags)))
    options = dict(boundary.options)
    if boundary.kind == "shard_map":
        specs = _specs(boundary, len(flags))
        options["in_specs"] = (*specs, *[spec for spec, flag in zip(specs, flags) if flag])
        options["out_specs"] = (options["out_specs"], options["out_specs"])
        return wrapped(inner, "shard_map", tuple(sorted(options.items())))
    axes = _axes(boundary, len(flags))
    options["in_axes"] = tuple(axes + [axes[i] for i, flag in enumerate(flags) if flag])
    if all(a == 0 for a in options["in_axes"]):
        del options["in_axes"]
    if boundary.option("out_axes", 0) != 0:
        options["out_axes"] = (boundary.option("out_axes"), boundary.option("out_axes"))
    return wrapped(inner, "pmap", tuple(sorted(options.items())))


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


def vmap(unit, flags, axis_name):
    """A boundary with a batch axis: a boundary around the inner function with a batch axis."""
    from xform.pipeline import vmap_of
    boundary = unit.boundary
    if boundary.kind == "checkpoint":
        return checkpoint.vmap(unit, flags, axis_name)
    if boundary.kind == "jit":
        inner, out = vmap_of(boundary.inner, flags, axis_name)
        return wrapped(inner, "jit", _carry_static(boundary, len(flags))), out
    # The batch axis stays in front outside, so inside a device it comes right after the device axis.
    inner, out = vmap_of(boundary.inner, flags, axis_name)
    if boundary.kind == "shard_map":
        options = dict(boundary.options)
        options["in_specs"] = tuple(_spec_behind(s, flag) for s, flag in zip(_specs(boundary, len(flags)), flags))
        options["out_specs"] = _spec_behind(options["out_specs"], out)
        return wrapped(inner, "shard_map", tuple(sorted(options.items()))), out
    axes = _axes(boundary, len(flags))
    shifted = [a if a is None else (a + 1 if flag else a) for a, flag in zip(axes, flags)]
    if any(flag not in (True, False) for flag in flags) or out is not True:
        raise TransformError("vmap of a pmapped function with partly batched containers is not supported",
                             hint="Batch every array of the container.")
    options = dict(boundary.options)
    options["in_axes"] = tuple(shifted)
    options["out_axes"] = boundary.option("out_axes", 0) + 1
    return wrapped(inner, "pmap", tuple(sorted(options.items()))), out
