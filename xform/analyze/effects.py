"""Effects: which calls do something beside giving a result (print, assert, raise, call back), and so stay when it is unread.

Before: ``note = logged(x)`` with ``note`` unread.   After: the same, for ``logged`` prints; without the print it goes.
"""
from __future__ import annotations

import types

import gast

import runtime
from xform.errors import TransformError
from xform.library import canonical
from xform.memo import Memo
from xform.syntax import dotted
from xform.unit import Unit

_LIBRARY = runtime.__file__.removesuffix("__init__.py")
CALLED_FOR_EFFECTS = frozenset({"rt.attempted", "print", "input", "breakpoint", "open"})
_found = Memo()


def pure_in(env):
    """A function of a callee's path that says whether a call with an unread result may be dropped, in code with an environment."""
    def pure(path):
        if path.rpartition(".")[2].startswith(("io_callback", "effectful_call")) or path in CALLED_FOR_EFFECTS and path not in env:
            return False
        return not has_effects(env.get(path))
    return pure


def has_effects(target, raising=True) -> bool:
    """Whether a call of a unit or of a user's function has effects; what the library does to check its arguments is none.

    raising: whether to assert and to raise is one, and to compute what a ``try`` wants computed.
    """
    if isinstance(target, types.FunctionType):
        if canonical(target) or target.__code__.co_filename.startswith(_LIBRARY):
            return False
        from xform.desugar.functions import unit_of
        try:
            target = unit_of(target)
        except TransformError:      # it cannot be read: it may do anything
            return True
    if not isinstance(target, Unit):
        return False
    if target.boundary is not None:
        return has_effects(target.boundary.inner, raising)
    if target.tree is None or (target.file or "").startswith(_LIBRARY):
        return False
    key = target, raising
    if key not in _found:
        _found[key] = False     # while a function that calls itself is looked at
        _found[key] = any(_effect(node, target, raising) for statement in target.tree.body for node in gast.walk(statement))
    return _found[key]


def _effect(node, unit, raising):
    if isinstance(node, (gast.Assert, gast.Raise)):
        return raising
    if not isinstance(node, gast.Call):
        return False
    path = dotted(node.func)
    if not raising and path is not None and (path == "rt.attempted" or path in unit.env):
        return path in unit.env and has_effects(unit.env[path], raising)
    return path is not None and not pure_in(unit.env)(path)
