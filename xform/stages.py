"""The stages of compilation ahead of time: ``jit(f).trace(*args)`` is Traced, its ``lower()`` Lowered, its ``compile()`` Compiled."""
from __future__ import annotations

from runtime.ahead import Compiled, Lowered
from runtime.jit import positions
from runtime.stage import ArgInfo
from runtime.tree import LEAVES
from xform.inputs import bind_arguments
from xform.listing import Listing
from xform.transformed import Transformed as Wrapped

__all__ = ["ArgInfo", "Compiled", "CompilerOptions", "Lowered", "Traced", "Wrapped"]

CompilerOptions = dict[str, str | bool]


class _Place(int):
    """Stands for a leaf of the arguments of a call: its number among them."""


def spelling(transformed, inner, args, kwargs):
    """(structure of ``(args, kwargs)`` without the static ones, which of its leaves each leaf of the bound arguments is) of a call of jit
    that gives arguments by name."""
    nums, names = positions(transformed.fun, transformed.options.get("static_argnums"), transformed.options.get("static_argnames"))
    dynamic = tuple([a for i, a in enumerate(args) if i not in nums]), {k: v for k, v in kwargs.items() if k not in names}
    leaves, tree = LEAVES.flatten(dynamic)
    places, named = tree.unflatten(map(_Place, range(len(leaves))))
    feed = iter(places)
    values = bind_arguments(inner, [a if i in nums else next(feed) for i, a in enumerate(args)], {**kwargs, **named})
    return tree, [int(leaf) for leaf in LEAVES.flatten(values)[0] if isinstance(leaf, _Place)]


class Traced:
    """A function staged for arguments of certain types: they, the types of its result and the generated code."""

    def __init__(self, lowered: Lowered, name: str, text: str):
        self._lowered, self.fun_name, self._text = lowered, name, text

    @property
    def jaxpr(self) -> Listing:
        """The generated code with the types of what it takes and gives."""
        return Listing(self._lowered, self.fun_name, self._text)

    @property
    def in_avals(self):
        """The types of the arguments, as ``(args, kwargs)``."""
        return self.in_tree.unflatten(self._lowered._staged.in_avals)

    @property
    def out_avals(self):
        """The types of the result."""
        return self.out_tree.unflatten(self._lowered._staged.out_avals)

    @property
    def donate_argnums(self) -> tuple:
        """The positions, among the leaves of the arguments, of those that are donated."""
        from runtime.tree import tree_leaves
        return tuple(i for i, info in enumerate(tree_leaves(self.args_info)) if info.donated)

    in_tree = property(lambda self: self._lowered.in_tree)
    out_tree = property(lambda self: self._lowered.out_tree)
    out_info = property(lambda self: self._lowered.out_info)
    args_info = property(lambda self: self._lowered.args_info)

    def lower(self, *, lowering_platforms=None) -> Lowered:
        """Return the StableHLO program, ready to be compiled; NotImplementedError for other ``lowering_platforms`` than jit's own."""
        own = self._lowered.platform
        if lowering_platforms is not None and tuple(lowering_platforms) != (own,):
            raise NotImplementedError(f"lower: lowering_platforms={tuple(lowering_platforms)}; a program is lowered for the platform that "
                                      f"jit is given, {own!r} here. xform.export takes platforms=.")
        return self._lowered
