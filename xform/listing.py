"""What a function becomes when it is staged: the generated code, with the types of what it takes and gives."""
from __future__ import annotations

from runtime.array import Array
from runtime.tree import keystr, tree_flatten_with_path
from xform.transformed import Transformed, source


class Listing:
    """A staged function for arguments of certain types. Printing it shows the types and the generated code.

    in_avals, out_avals: the types of the leaves of the arguments and of the result, in their order. consts: the arrays that the
    code refers to beside its arguments.
    """

    def __init__(self, lowered, name: str, text: str):
        staged = lowered._staged
        self.in_avals, self.out_avals = list(staged.in_avals), list(staged.out_avals)
        self.consts = [Array(buffer) for buffer in staged.captured]
        self.name, self.source = name, text
        self._types = _paths(staged.in_tree, staged.in_avals, in_arguments=True), _paths(staged.out_tree, staged.out_avals)

    def __str__(self):
        takes, gives = (", ".join(f"{path}{of}" for path, of in side) for side in self._types)
        consts = "".join(f"# constant: {value.aval}\n" for value in self.consts)
        return f"# {self.name}({takes}) -> ({gives})\n{consts}{self.source}"

    __repr__ = __str__


def _paths(tree, avals, in_arguments=False):
    """(where a leaf is, its type) of a structure; arguments are ``0: ...``, named ones ``name: ...``, what is in them ``0['a']: ...``."""
    found = []
    for (path, _), of in zip(tree_flatten_with_path(tree.unflatten(range(tree.num_leaves)))[0], avals):
        if in_arguments:
            first, rest = path[1], path[2:]
            text = f"{getattr(first, 'idx', getattr(first, 'key', ''))}{keystr(rest)}"
        else:
            text = keystr(path)
        found.append((f"{text}: " if text else "", of))
    return found


def make_jaxpr(fun, static_argnums=(), axis_env=None, return_shape=False):
    """Return a function that gives the staged form of ``fun`` for its arguments: the generated code with its types.

    There are no jaxprs here: what is given prints as the Python that runs under ``jit``. return_shape: give also the result's
    structure with ShapeDtypeStructs as leaves. NotImplementedError for axis_env: bind the names of axes with ``vmap`` or ``pmap``.
    """
    if axis_env is not None:
        raise NotImplementedError("make_jaxpr: axis_env; bind the names of axes with vmap(axis_name=...) or pmap inside the function")
    staged = Transformed("jit", fun, {"static_argnums": static_argnums} if static_argnums not in ((), None) else {})

    def listed(*args, **kwargs):
        """Stage the function for arguments of these types."""
        lowered = staged.lower(*args, **kwargs)
        made = Listing(lowered, getattr(fun, "__name__", "f"), source(staged))
        return (made, lowered.out_info) if return_shape else made
    return listed
