"""The transformations that users call: grad, jit, vmap, pmap and their relatives.

Each returns a callable (see transformed.py) that transforms its function's source on the first call.
"""
from __future__ import annotations

import functools

import runtime
from runtime.array import Array
from runtime.dtypes import float0
from runtime.node import Node
from runtime.tree import tree_flatten, tree_map, tree_unflatten
from runtime.types import KEY, dtype_name
from xform import resolve
from xform.errors import TransformError
from xform.inputs import bind_arguments, differentiable, numeric, without_integers
from xform.memo import Memo
from xform.pullback import Pushforward, pullback_of, pushing
from xform.transformed import Transformed, entries_for, run, source


def _options(given, defaults):
    return {k: v for k, v in given.items() if v != defaults.get(k)}


def grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """Return a function that computes the gradient of the scalar function ``fun``.

    argnums: position or positions of the arguments to differentiate (floating-point arrays or pytrees of them).
    has_aux: ``fun`` returns (value, auxiliary data); the result is (gradient, auxiliary data).
    The gradient has the structure, shapes and dtypes of the arguments. Raises TypeError for a non-scalar or complex
    result and for integer arguments (unless allow_int).
    """
    return Transformed("grad", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic,
                                                  allow_int=allow_int), _GRAD))


def value_and_grad(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False, reduce_axes=()):
    """Return a function that computes ``(fun(*args), gradient)``; the arguments are those of ``grad``."""
    return Transformed("value_and_grad", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux,
                                                            holomorphic=holomorphic, allow_int=allow_int), _GRAD))


_GRAD = dict(argnums=0, has_aux=False, holomorphic=False, allow_int=False)


def _numbers(argnums):
    import operator
    try:
        return operator.index(argnums)
    except TypeError:
        return tuple(operator.index(n) for n in argnums)


def vmap(fun, in_axes=0, out_axes=0, axis_name=None, axis_size=None, spmd_axis_name=None, sum_match=False):
    """Return ``fun`` mapped over array axes, with the loop pushed into its operations.

    in_axes: the axis of each positional argument to map (an int, None for not mapped, or a pytree of these).
    out_axes: where the mapped axis goes in each result. Raises ValueError when mapped axes differ in length.
    sum_match: taken as jax takes it; it is about partial sums, which there are none of here.
    """
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not isinstance(in_axes, (int, tuple, type(None))):
        raise TypeError(f"vmap in_axes must be an int, None, or a tuple of entries corresponding to the positional arguments "
                        f"passed to the function, but got {in_axes}.")
    _check_axes(out_axes)
    return Transformed("vmap", fun, _options(dict(in_axes=in_axes, out_axes=out_axes, axis_name=axis_name,
                                                  axis_size=axis_size),
                                             dict(in_axes=0, out_axes=0, axis_name=None, axis_size=None)))


def _check_axes(axes):
    """TypeError unless out_axes are ints and None, in containers."""
    if axes is None or isinstance(axes, (int, Node)):
        return
    if not isinstance(axes, (tuple, list, dict)):
        raise TypeError(f"vmap out_axes must be an int, None, or (nested) container with those types as leaves, but got {axes}.")
    for inner in axes.values() if isinstance(axes, dict) else axes:
        _check_axes(inner)


_LATER = object()


def jit(fun=_LATER, /, *, static_argnums=None, static_argnames=None, donate_argnums=None, donate_argnames=None,
        keep_unused=False, device=None, backend=None, inline=False, in_shardings=None, out_shardings=None,
        abstracted_axes=None, compiler_options=None):
    """Return ``fun`` compiled by XLA: staged once for each signature of its arguments.

    static_argnums, static_argnames: arguments that are part of the signature and keep their Python values.
    in_shardings, out_shardings: prefixes of the arguments and of the result, with shardings as leaves: how they lie on the
    devices of a mesh. Without them the computation follows the arguments.
    compiler_options: XLA's options by name, for this function's programs.
    Python control flow on traced values becomes XLA control flow.
    """
    options = {k: v for k, v in dict(static_argnums=static_argnums, static_argnames=static_argnames,
                                     donate_argnums=donate_argnums, donate_argnames=donate_argnames,
                                     keep_unused=keep_unused or None, device=device, backend=backend,
                                     inline=inline or None, in_shardings=in_shardings,
                                     out_shardings=out_shardings, compiler_options=compiler_options).items() if v is not None}
    if fun is _LATER:
        return functools.partial(jit, **options)
    return Transformed("jit", fun, options)


def pmap(fun, axis_name=None, *, in_axes=0, out_axes=0, static_broadcasted_argnums=(), devices=None, backend=None,
         axis_size=None, donate_argnums=(), global_arg_shapes=None):
    """Return ``fun`` run as one program on several devices, each with its slice of the mapped arguments.

    axis_name: name of the mapped axis for collectives (lax.psum and its relatives).
    """
    given = dict(axis_name=axis_name, in_axes=in_axes, out_axes=out_axes,
                 static_broadcasted_argnums=static_broadcasted_argnums, devices=devices, backend=backend,
                 axis_size=axis_size, donate_argnums=donate_argnums)
    return Transformed("pmap", fun, _options(given, dict(axis_name=None, in_axes=0, out_axes=0,
                                                         static_broadcasted_argnums=(), devices=None, backend=None,
                                                         axis_size=None, donate_argnums=())))


def shard_map(f=None, /, *, out_specs, in_specs, mesh=None, axis_names=frozenset(), check_vma=True):
    """Return ``f`` run on every device of a mesh, each with its part of the arguments; collectives name the mesh's axes.

    in_specs, out_specs: prefixes of the arguments and of the result with PartitionSpecs as leaves. mesh: by default that of the
    enclosing ``with mesh:``. axis_names: those that collectives name, all by default; along the others all devices do the same.
    A result whose spec leaves an axis out must be the same along it: ValueError unless that follows from how it is computed. A
    gradient taken inside is that of the whole, summed over the devices that hold its argument alike. ``check_vma=False``: nothing
    is checked, and a gradient taken inside is that of one device's part.
    """
    given = dict(in_specs=in_specs, out_specs=out_specs, mesh=mesh, axis_names=frozenset(axis_names), check_vma=check_vma)
    if f is None:
        return functools.partial(shard_map, **given)
    return Transformed("shard_map", f, {k: v for k, v in given.items() if v is not None and (
        k != "axis_names" or v) and (k != "check_vma" or not v)})


def jacfwd(fun, argnums=0, has_aux=False, holomorphic=False):
    """Return a function that computes the Jacobian of ``fun`` column by column, in forward mode."""
    return Transformed("jacfwd", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic),
                                               _GRAD))


def jacrev(fun, argnums=0, has_aux=False, holomorphic=False, allow_int=False):
    """Return a function that computes the Jacobian of ``fun`` row by row, in reverse mode."""
    return Transformed("jacrev", fun, _options(dict(argnums=_numbers(argnums), has_aux=has_aux, holomorphic=holomorphic,
                                                    allow_int=allow_int), _GRAD))


jacobian = jacrev


def hessian(fun, argnums=0, has_aux=False, holomorphic=False):
    """Return a function that computes the Hessian of ``fun``: forward mode over reverse mode."""
    return jacfwd(jacrev(fun, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


_direct = Memo()


def jvp(fun, primals, tangents, has_aux=False):
    """Return ``(fun(*primals), derivative of fun at primals along tangents)``.

    primals, tangents: tuples or lists of the same structure, shapes and dtypes.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError("primal and tangent arguments to jvp must be tuples or lists; found "
                        f"{type(primals).__name__} and {type(tangents).__name__}.")
    if len(primals) != len(tangents):
        raise TypeError(f"primal and tangent arguments to jvp must have the same tree structure; got {len(primals)} primals "
                        f"and {len(tangents)} tangents")
    inner, (entry,) = entries_for("jvp", fun, {"count": len(primals)}, _direct, primals)
    values = bind_arguments(inner, primals, {})
    offset = len(inner.values)
    for i in range(len(primals)):
        values[offset + i] = differentiable(values[offset + i], "jvp", inner.unit, inner.unit.params[offset + i], {"allow_int": True})
    dots = []
    for i, tangent in enumerate(tangents):
        dots.append(_tangent(values[offset + i], tangent))
    out, out_dot = run(entry, values + dots)
    if has_aux:
        dot = runtime.filled(out_dot if out_dot is runtime.ZERO else out_dot[0], like=out[0])
        return out[0], without_integers(dot, out[0]), out[1]
    return out, without_integers(runtime.filled(out_dot, like=out), out)


def _tangent(primal, tangent):
    leaves, tree = tree_flatten(primal)
    others, other = tree_flatten(tangent)
    if tree != other:
        raise TypeError("primal and tangent arguments to jvp must have the same tree structure; primals have tree structure "
                        f"{tree} whereas tangents have tree structure {other}.")
    made = []
    for x, t in zip(leaves, others):
        if x.dtype.kind in "biu" or x.dtype == KEY:
            if getattr(t, "dtype", None) != float0:
                raise TypeError("primal and tangent arguments to jvp do not match; dtypes must be equal, or in case of int/bool primal "
                                f"dtype the tangent dtype must be float0; got primal dtype {dtype_name(x.dtype)} and so expected "
                                f"tangent dtype float0, but got {numeric(t).dtype}")
            made.append(runtime.filled(runtime.ZERO, like=x))
            continue
        t = numeric(t)
        if x.shape != t.shape:
            raise ValueError(f"jvp called with different primal and tangent shapes; got primal shape {x.shape} and tangent "
                             f"shape {t.shape}")
        if x.dtype != t.dtype:
            if not (t.weak_type or x.weak_type):
                raise TypeError(f"primal and tangent arguments to jvp do not match; dtypes must be equal; got primal dtype "
                                f"{x.dtype} and tangent dtype {t.dtype}")
            t = t.astype(x.dtype)
        made.append(t)
    return tree_unflatten(tree, made)


def vjp(fun, *primals, has_aux=False, reduce_axes=()):
    """Return ``(fun(*primals), vjp_fun)``: ``vjp_fun(cotangent)`` is the tuple of the primals' cotangents."""
    inner, (forward, backward) = entries_for("halves", fun, {"count": len(primals)}, _direct, primals)
    values = bind_arguments(inner, primals, {})
    offset = len(inner.values)
    for i in range(len(primals)):
        values[offset + i] = differentiable(values[offset + i], "vjp", inner.unit, inner.unit.params[offset + i], {"allow_int": True})
    out, residuals = run(forward, values)
    aux = None
    if has_aux:
        out, aux = out
    given = tuple(values[offset:offset + len(primals)])
    pullback = pullback_of(backward, residuals, out, has_aux, None if without_integers(given, given) is given else given)
    return (out, pullback, aux) if has_aux else (out, pullback)


def linearize(fun, *primals, has_aux=False):
    """Return ``(fun(*primals), fun_jvp)``: ``fun_jvp(*tangents)`` is the derivative at ``primals``."""
    out = target_call(fun, primals)
    if has_aux:
        out, aux = out
    pushforward = Pushforward(pushing(fun, len(primals), has_aux), *primals)
    return (out, pushforward, aux) if has_aux else (out, pushforward)


def target_call(fun, primals):
    primals = [tree_map(numeric, p) for p in primals]
    return fun(*primals)


for _function, _kind in ((grad, "grad"), (value_and_grad, "value_and_grad"), (vmap, "vmap"), (jit, "jit"), (pmap, "pmap"),
                         (shard_map, "shard_map"),
                         (jacfwd, "jacfwd"), (jacrev, "jacrev"), (hessian, "hessian"), (jvp, "jvp"), (vjp, "vjp"),
                         (linearize, "linearize")):
    resolve.TRANSFORMATIONS[_function] = _kind

__all__ = ["grad", "value_and_grad", "vmap", "jit", "pmap", "shard_map", "jacfwd", "jacrev", "jacobian", "hessian", "jvp", "vjp",
           "linearize", "source", "TransformError", "Array"]
