"""The pmap boundary: one SPMD program for several devices, entered through rt.pmap, and what is derived from it.

Before: ``pmap(f, axis_name='i')`` in a gradient.   After: ``f_fwd_spmd`` keeps each device's residuals on that device and ``f_bwd_spmd`` reads
them there; collectives are transposed within the halves (psum to psum, all_gather to psum_scatter), and the cotangents of an argument that
every device received whole are added up with ``rt.sum_devices``.
"""
from __future__ import annotations

import inspect

from xform.analyze.batched import LIST, is_batched
from xform.errors import TransformError
from xform.syntax import assign, call, function, name, pack, returns
from xform.names import Names
from xform.transform.boundary import sealed, wrapped
from xform.transform.vjp import Halves
from xform.unit import Unit


def derive(unit, options, prefix):
    """pmap(f): one SPMD program, entered through rt.pmap."""
    given = dict(options)
    count = len(unit.params)
    static = given.get("static_broadcasted_argnums", ())
    static = (static,) if isinstance(static, int) else tuple(static)
    axes = given.pop("in_axes", 0)
    axes = list(axes) if isinstance(axes, (tuple, list)) else [axes] * (count - prefix)
    if len(axes) > count - prefix:
        raise ValueError(f"pmap in_axes must have one entry for each of the {count - prefix} positional arguments of {unit.name}, got "
                         f"{tuple(axes)}")
    axes = [None] * prefix + axes + [0] * (count - prefix - len(axes))
    static = tuple(prefix + n for n in static)
    for n in static:
        axes[n] = None
    if any(a != 0 for a in axes):
        given["in_axes"] = tuple(axes)
    if static:
        given["static_broadcasted_argnums"] = static
    return wrapped(unit, "pmap", tuple(sorted(given.items())))


def _axes(boundary, count):
    axes = boundary.option("in_axes", 0)
    return list(axes) if isinstance(axes, tuple) else [axes] * count


def halves(unit, flags):
    """Both halves, an SPMD program each; the residuals stay on their devices."""
    from xform.pipeline import halves_of
    boundary = unit.boundary
    inner = sealed(halves_of(boundary.inner, flags))
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


def _gathered(bwd, summed):
    """The cotangent of an argument that every device received whole is the sum over devices."""
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


def jvp(unit, flags):
    """The forward derivative, as one SPMD program."""
    from xform.pipeline import jvp_of
    boundary = unit.boundary
    options, axes = dict(boundary.options), _axes(boundary, len(flags))
    options["in_axes"] = tuple(axes + [axes[i] for i, flag in enumerate(flags) if flag])
    if all(a == 0 for a in options["in_axes"]):
        del options["in_axes"]
    if boundary.option("out_axes", 0) != 0:
        options["out_axes"] = (boundary.option("out_axes"), boundary.option("out_axes"))
    return wrapped(jvp_of(boundary.inner, flags), "pmap", tuple(sorted(options.items())))


def vmap(unit, flags, axis_name):
    """The batched function, as one SPMD program: the batch axis stays in front outside, so inside a device it comes right after
    the device axis."""
    from xform.pipeline import vmap_of
    boundary = unit.boundary
    inner, out = vmap_of(boundary.inner, flags, axis_name)
    options = dict(boundary.options)
    options["in_axes"] = tuple([_axis_behind(a, flag) for a, flag in zip(_axes(boundary, len(flags)), flags)])
    options["out_axes"] = _axis_behind(boundary.option("out_axes", 0), out)
    return wrapped(inner, "pmap", tuple(sorted(options.items()))), out


def _axis_behind(axis, flag):
    """The mapped axis (or a tree of them) of a value that has a batch in front where a flag says so."""
    if not is_batched(flag):
        return axis
    if isinstance(flag, tuple) and flag[:1] in ((LIST,), ("ragged",)):
        if flag[0] == LIST and (flag[1] is True or not isinstance(flag[1], tuple)):
            return _axis_behind(axis, True)
        raise TransformError("vmap of a pmapped function with partly batched lists is not supported",
                             hint="Batch every array of the list.")
    if isinstance(flag, tuple):
        parts = axis if isinstance(axis, (tuple, list)) else (axis,) * len(flag)
        found = tuple(_axis_behind(a, f) for a, f in zip(parts, flag))
        return found[0] if all(isinstance(a, int) and a == found[0] for a in found) else found
    if isinstance(axis, dict):
        return {k: _axis_behind(v, flag) for k, v in axis.items()}
    if isinstance(axis, (tuple, list)):
        return type(axis)(_axis_behind(a, flag) for a in axis)
    return axis if axis is None or axis < 0 else axis + 1     # a negative one counts from the end, where nothing changes
