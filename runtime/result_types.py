"""Questions about a function in transformed code: the types of its result for arguments of one example's types."""
from __future__ import annotations

from runtime.ops.kernel import about_types
from runtime.stage import ShapeDtypeStruct, eval_shape
from runtime.tree import tree_leaves, tree_map
from runtime.zero import Like


def _as_type(leaf):
    """A token of an example as the type that it stands for."""
    return ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=leaf.weak_type) if isinstance(leaf, Like) else leaf


def _split(function, args, given):
    """(function of the arguments whose types alone count, these): a call gave those at the places ``given``.

    The others are what the function closes over and its defaults: they stay the values that they are, except for the tokens among them.
    """
    args = [tree_map(_as_type, a, is_leaf=lambda leaf: isinstance(leaf, Like)) for a in args]
    free = [i for i, a in enumerate(args) if i not in function.static and (
        i in given or any(isinstance(leaf, ShapeDtypeStruct) for leaf in tree_leaves(a)))]

    def of_types(*some):
        values = dict(zip(free, some))
        return function.__wrapped__(*[values.get(i, a) for i, a in enumerate(args)])
    of_types.__name__ = getattr(function, "__name__", "f")
    return of_types, [args[i] for i in free]


@about_types
def result_types(function, args, given):
    """Return the ShapeDtypeStructs of the result of a jitted function, of whose arguments a call gave those at the places ``given``."""
    of_types, types = _split(function, args, given)
    return eval_shape(of_types, *types)


@about_types
def lowered(function, args, given):
    """Return the jitted function, staged for the types of the arguments that a call gave, ready to be compiled."""
    from runtime.jit import jit
    of_types, types = _split(function, args, given)
    return function.lower(*types) if len(types) == len(args) else jit(of_types).lower(*types)
