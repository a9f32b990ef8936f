"""Batchedness: which values carry the batch axis, by structure.

A flag is False (no batch), True (every array carries it), a tuple of flags (a tuple with these items), ``(LIST, flag)`` (a
list whose items are alike), ``(LIST, ("ragged", flag))`` (a list of (lanes, item) pairs that grew under a mask) or BOTTOM
(nothing known yet: ZERO, or the items of an empty list).
"""
from __future__ import annotations

import gast

LIST = "list"
BOTTOM = "bottom"


def is_batched(flag) -> bool:
    """Whether any part carries the batch."""
    if flag is True:
        return True
    if isinstance(flag, tuple):
        if flag[:1] == (LIST,):
            return is_batched(flag[1])
        if flag[:1] == ("ragged",):
            return True
        return any(is_batched(f) for f in flag)
    return False


def depth(flag) -> int:
    """How deep the structure of a flag is nested."""
    return 1 + max(map(depth, flag), default=0) if isinstance(flag, tuple) else 0


def join(a, b):
    """The least flag that covers both."""
    if a == b or b is BOTTOM:
        return a
    if a is BOTTOM:
        return b
    if _ragged(a) != _ragged(b):    # a list found to grow under a mask after its items were first seen
        ragged, plain = (a, b) if _ragged(a) else (b, a)
        return ("ragged", join(ragged[1], plain))
    if isinstance(a, tuple) and isinstance(b, tuple):
        if a[:1] == (LIST,) and b[:1] == (LIST,):
            return (LIST, join(a[1], b[1]))
        if a[:1] == ("ragged",) and b[:1] == ("ragged",):
            return ("ragged", join(a[1], b[1]))
        if len(a) == len(b) and a[:1] != (LIST,) and b[:1] != (LIST,):
            return tuple(join(x, y) for x, y in zip(a, b))
    if a is False and isinstance(b, tuple) or b is False and isinstance(a, tuple):
        shape = a if isinstance(a, tuple) else b
        if shape[:1] == (LIST,):
            return (LIST, join(shape[1], False)) if shape[1] is not BOTTOM else False
        return tuple(join(x, False) for x in shape) if is_batched(shape) else False
    return True if is_batched(a) or is_batched(b) else False


def _ragged(flag):
    return isinstance(flag, tuple) and flag[:1] == ("ragged",)


def uniform(flag):
    """The flag of an item of a value that is iterated over."""
    if isinstance(flag, tuple) and flag[:1] == (LIST,):
        return flag[1]
    if isinstance(flag, tuple):
        item = BOTTOM
        for f in flag:
            item = join(item, f)
        return item
    return flag


def literal(flag):
    """A flag as it is written in generated code: True, False, tuples, one-item lists for lists, a dict for a ragged list's pairs."""
    if isinstance(flag, tuple):
        if flag[:1] == (LIST,):
            return [literal(flag[1])]
        if flag[:1] == ("ragged",):
            return {"lanes": True, "item": literal(flag[1])}
        return tuple(literal(f) for f in flag)
    return flag is True


def lacking(flag, wanted):
    """What ``rt.spread`` is told of a value with one flag that shall have another: True for the parts that stay as they are."""
    if not is_batched(wanted):
        return True
    if not isinstance(wanted, tuple) or flag is True or wanted[:1] == ("ragged",):
        return literal(flag)
    if wanted[:1] == (LIST,):
        return [lacking(uniform(flag), wanted[1])]
    parts = flag if isinstance(flag, tuple) and len(flag) == len(wanted) and flag[:1] != (LIST,) else (uniform(flag),) * len(wanted)
    return tuple(lacking(f, w) for f, w in zip(parts, wanted))


class Flags:
    """The flags of a function's names, joined over all assignments."""

    def __init__(self, params, flags):
        self.names = dict(zip(params, flags))
        self.changed = False

    def of(self, atom):
        """The flag of an atom."""
        if isinstance(atom, gast.Starred):
            atom = atom.value
        if isinstance(atom, gast.Name):
            return self.names.get(atom.id, False)
        if isinstance(atom, gast.Attribute) and atom.attr in ("ZERO", "UNDEFINED"):
            return BOTTOM
        if isinstance(atom, gast.Constant) and atom.value is None:
            return BOTTOM
        if isinstance(atom, (gast.Tuple, gast.List)):
            return True if any(is_batched(self.of(e)) for e in atom.elts) else False
        if isinstance(atom, gast.Call):
            return True if any(is_batched(self.of(a)) for a in atom.args) else False
        return False

    def add(self, name, flag):
        """Join a flag into a name's."""
        old = self.names.get(name, BOTTOM)
        new = join(old, flag)
        if new != old or name not in self.names:
            self.names[name] = new
            self.changed = self.changed or new != old

    def snapshot(self):
        return dict(self.names)

    def same(self, before):
        """Whether nothing that was known has changed since a snapshot."""
        return all(self.names.get(k) == v for k, v in before.items())


def expression_of(value):
    """A Python literal as an expression."""
    return gast.parse(repr(value), mode="eval").body
