"""Rematerialization for users: checkpoint (remat), its policies, and names for values."""
from __future__ import annotations

import functools

from runtime.ops.naming import checkpoint_name
from xform import resolve
from xform.transformed import Transformed

__all__ = ["Offloadable", "Recompute", "Saveable", "checkpoint", "checkpoint_name", "checkpoint_policies", "print_saved_residuals",
           "remat"]


class Checkpointed(Transformed):
    """A function whose derivative computes intermediate values again. A call runs the function itself."""
    __slots__ = ()

    def _call(self, *args, **kwargs):
        return self.fun(*args, **kwargs)


_REMOVED = object()


def checkpoint(fun=None, *, prevent_cse=True, policy=None, static_argnums=(), static_argnames=(), concrete=_REMOVED):
    """Return ``fun`` such that reverse mode keeps its arguments and what ``policy`` says, and computes the rest again.

    prevent_cse: put a barrier before the second computation, so that XLA under jit does not merge it with the first.
    policy: says which values are kept beside the arguments: one of ``checkpoint_policies``, or a function ``(operation, *types,
    **params)`` that is asked of each operation by its name when the code runs. Inside ``while`` loops, loops with ``break`` and
    functions mapped over devices nothing is kept.
    static_argnums, static_argnames: accepted; every argument keeps its Python value where it has one. NotImplementedError for
    ``concrete``, which older programs pass.
    """
    if concrete is not _REMOVED:
        raise NotImplementedError("checkpoint: `concrete` is no option any more; every argument keeps its Python value where it has one, so "
                                  "leave it out")
    if fun is None:
        return functools.partial(checkpoint, prevent_cse=prevent_cse, policy=policy, static_argnums=static_argnums,
                                 static_argnames=static_argnames)
    if policy is not None and not callable(policy):
        raise TypeError(f"checkpoint: policy must be one of checkpoint_policies, got {policy!r}")
    options = {}
    if prevent_cse is not True and not (isinstance(prevent_cse, (tuple, list)) and any(prevent_cse)):
        options["prevent_cse"] = False
    if policy is not None:
        options["policy"] = policy
    return Checkpointed("checkpoint", fun, options)


remat = checkpoint
resolve.TRANSFORMATIONS[checkpoint] = "checkpoint"


# -- policies -----------------------------------------------------------------------------------------------------------

class _Decision:
    """What a policy says of one value."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


Saveable, Recompute = _Decision("Saveable"), _Decision("Recompute")


class Offloadable:
    """Say that a value is kept in another memory."""

    def __init__(self, src, dst):
        self.src, self.dst = src, dst

    def __repr__(self):
        return f"Offloadable(src={self.src!r}, dst={self.dst!r})"


def _is_product(prim, *names):
    return getattr(prim, "name", prim) in names


def _says(*saves):
    """Decorate a policy with what it keeps, in terms that the compiler reads (transform/saving.py)."""
    def decorate(policy):
        policy.saves = saves
        return policy
    return decorate


@_says(("all", ()))
def everything_saveable(*_, **__):
    """Keep every value: no recomputation."""
    return True


@_says()
def nothing_saveable(*_, **__):
    """Keep the arguments alone."""
    return False


@_says(("products", ()))
def dots_saveable(prim, *_, **__):
    """Keep the results of products of matrices and of convolutions."""
    return _is_product(prim, "dot_general", "conv_general_dilated")


@_says(("unbatched products", ()))
def dots_with_no_batch_dims_saveable(prim, *_, dimension_numbers=None, **__):
    """Keep the results of products of matrices without batch axes."""
    return _is_product(prim, "dot_general") and not (dimension_numbers and any(map(len, dimension_numbers[1])))


def _named(kind, names):
    @_says((kind, frozenset(names)))
    def policy(prim, *_, name=None, **__):
        """Decide by the name that checkpoint_name gave."""
        of_name = _is_product(prim, "name")
        if kind == "only":
            return of_name and name in names
        if kind == "but":
            return of_name and name not in names
        return not (of_name and name in names)
    policy.__name__ = f"{kind.replace(' ', '_')}({', '.join(sorted(map(str, names)))})"
    return policy


def _made_at_once(function):
    """A function that makes a policy: the compiler calls it where it reads the call."""
    function._xform_constant = True
    return staticmethod(function)


class _Policies:
    """The policies of checkpoint.

    Those that offload keep the value where it is: the arrays of a program stay in the memory of its device.
    """
    _xform_namespace = True
    everything_saveable = staticmethod(everything_saveable)
    nothing_saveable = staticmethod(nothing_saveable)
    dots_saveable = checkpoint_dots = staticmethod(dots_saveable)
    dots_with_no_batch_dims_saveable = checkpoint_dots_with_no_batch_dims = staticmethod(dots_with_no_batch_dims_saveable)

    @_made_at_once
    def save_only_these_names(*names_which_can_be_saved):
        """Keep the values with these names."""
        return _named("only", names_which_can_be_saved)

    @_made_at_once
    def save_any_names_but_these(*names_not_to_save):
        """Keep the values with names other than these."""
        return _named("but", names_not_to_save)

    @_made_at_once
    def save_anything_except_these_names(*names_not_to_save):
        """Keep every value but those with these names. What a name was given to is a value without one."""
        return _named("all but", names_not_to_save)

    @_made_at_once
    def save_from_both_policies(policy_1, policy_2):
        """Keep what either policy keeps."""
        def policy(*args, **params):
            return bool(_kept(policy_1(*args, **params)) or _kept(policy_2(*args, **params)))
        both = [getattr(p, "saves", None) for p in (policy_1, policy_2)]
        policy.saves = None if None in both else both[0] + both[1]
        policy.__name__ = f"{policy_1.__name__}_or_{policy_2.__name__}"
        return policy

    @_made_at_once
    def save_and_offload_only_these_names(*, names_which_can_be_saved, names_which_can_be_offloaded, offload_src, offload_dst):
        """Keep the values with these names, some of them in another memory."""
        @_says(("only", frozenset([*names_which_can_be_saved, *names_which_can_be_offloaded])))
        def policy(prim, *_, name=None, **__):
            if not _is_product(prim, "name"):
                return Recompute
            if name in names_which_can_be_offloaded:
                return Offloadable(offload_src, offload_dst)
            return Saveable if name in names_which_can_be_saved else Recompute
        return policy

    @_made_at_once
    def offload_dot_with_no_batch_dims(offload_src, offload_dst):
        """Keep products of matrices without batch axes in another memory."""
        @_says(("unbatched products", ()))
        def policy(prim, *args, **params):
            return Offloadable(offload_src, offload_dst) if dots_with_no_batch_dims_saveable(prim, *args, **params) else Recompute
        return policy


def _kept(answer):
    return answer is not Recompute and answer


checkpoint_policies = _Policies()


def saved_residuals(f, *args, **kwargs) -> list:
    """Return (array, origin) for each array that the forward half of ``f`` keeps for the backward half."""
    from runtime.array import Array
    from runtime.tree import tree_leaves
    from xform.inputs import bind_arguments, differentiable
    from xform.transformed import entries_for, run
    if kwargs:
        f = functools.partial(f, **kwargs)
    inner, (forward, _) = entries_for("halves", f, {"count": len(args)}, {})
    values = bind_arguments(inner, args, {})
    for i, name in enumerate(inner.unit.params):
        if i >= len(inner.values) and i < len(inner.values) + len(args):
            values[i] = differentiable(values[i], "vjp", inner.unit, name, {})
    arguments = {id(leaf): name for name, value in zip(inner.unit.params, values) for leaf in tree_leaves(value)}
    _, (kept, *_) = run(forward, values)
    return [(leaf, f"from the argument {arguments[id(leaf)]}" if id(leaf) in arguments else "computed")
            for leaf in tree_leaves(kept) if isinstance(leaf, Array)]


def print_saved_residuals(f, *args, **kwargs):
    """Print the type of each array that the forward half of ``f`` keeps for the backward half."""
    for leaf, origin in saved_residuals(f, *args, **kwargs):
        print(f"{leaf.aval} {origin}")
