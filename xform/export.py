"""Export functions as portable StableHLO programs, which other processes and releases can call and differentiate."""
from __future__ import annotations

import functools

from runtime.exported import (CONVENTION, PLATFORMS, DisabledSafetyCheck, Exported, check_custom_calls, default_export_platform,
                              deserialize, register_namedtuple_serialization, register_pytree_node_serialization)
from runtime.stage import stage
from runtime.tree import tree_flatten
from runtime.xla import to_portable
from xform.api import vjp
from xform.transformed import Transformed

__all__ = ["DisabledSafetyCheck", "Exported", "default_export_platform", "deserialize", "export",
           "maximum_supported_calling_convention_version", "minimum_supported_calling_convention_version",
           "register_namedtuple_serialization", "register_pytree_node_serialization"]

minimum_supported_calling_convention_version = maximum_supported_calling_convention_version = CONVENTION


def export(fun_jit, *, platforms=None, disabled_checks=()):
    """Return a function that exports ``fun_jit``, the result of ``jit``, for arguments of the types that it is called with.

    platforms: names of those on which the program may be called; by default that of the default device. A program that calls
    kernels of one platform (decompositions of matrices) can be exported for that one alone. Arrays that the function closes over
    become part of the program. ValueError for a function that is not jitted, for an unknown platform, and for custom calls that
    later releases may not have, unless they are in ``disabled_checks``.
    """
    if not isinstance(fun_jit, Transformed) or fun_jit.kind != "jit":
        raise ValueError(f"Function to be exported must be the result of `jit` but is: {fun_jit}")
    own = default_export_platform()
    platforms = (own,) if platforms is None else tuple({"gpu": "cuda"}.get(p, p) for p in platforms)
    unknown = [p for p in platforms if p not in PLATFORMS]
    if unknown or not platforms:
        raise ValueError(f"export: platforms={platforms}; each must be one of {PLATFORMS}")

    def exported(*args, **kwargs):
        """Stage the function for arguments of these types (arrays or ShapeDtypeStructs) and return the Exported."""
        lowered = fun_jit.lower(*args, **kwargs)
        dynamic, named, _, of_dynamic = lowered._dynamic
        types = tree_flatten((args, kwargs))[0]
        made = _exported(of_dynamic, lowered._staged.in_tree, lowered._staged.in_avals, fun_jit.__name__, platforms, own, disabled_checks)
        floating = all(of.dtype.kind in "fc" for of in (*made.in_avals, *made.out_avals)) and len(types) == len(made.in_avals)
        return _differentiable(made, fun_jit, own) if floating and not named else made
    functools.update_wrapper(exported, fun_jit, assigned=("__module__", "__name__", "__qualname__"), updated=())
    return exported


def _exported(function, tree, avals, name, platforms, own, disabled_checks):
    staged = stage(function, tree, avals, name, prepare=lambda module: module.facts.update(inline=True))
    if staged.module.facts.get("runner") is not None or staged.module.facts.get("callbacks"):
        raise ValueError(f"export: {name} runs on several devices or calls back into Python; neither can be exported")
    text = staged.module.text()
    check_custom_calls(text, name, disabled_checks)
    if "custom_call" in text and platforms != (own,):
        raise ValueError(f"export: {name} calls kernels of the platform {own!r}; it cannot be exported for {platforms}")
    return Exported(name, staged.in_tree, staged.in_avals, staged.out_tree, staged.out_avals, platforms, tuple(disabled_checks),
                    to_portable(text))


def _differentiable(made, function, own):
    """The program with its pullback, exported when it is asked for."""
    count = len(made.in_avals)

    def pullback(*leaves):
        args, _ = made.in_tree.unflatten(leaves[:count])
        found = vjp(function, *args)[1](made.out_tree.unflatten(leaves[count:]))
        return tuple(tree_flatten(found)[0])

    def get_vjp(_):
        avals = (*made.in_avals, *made.out_avals)
        tree = tree_flatten(((0,) * len(avals), {}))[1]
        name = f"{made.fun_name}_vjp"
        return _exported(pullback, tree, avals, name, made.platforms, own, made.disabled_safety_checks)
    return Exported(made.fun_name, made.in_tree, made.in_avals, made.out_tree, made.out_avals, made.platforms,
                    made.disabled_safety_checks, made.mlir_module_serialized, _get_vjp=get_vjp)
