"""Batchedness: which values carry the batch axis, by structure.

A flag is False (no batch), True (every array carries it), a tuple of flags (a tuple with these items), ``(LIST, flag)`` (a
list whose items are alike), ``(LIST, ("ragged", flag))`` (a list of (lanes, item) pairs that grew under a mask), BOTTOM
(nothing known yet: ZERO, or the items of an empty list) or a Recursive flag: the record of a recursive function holds the record of
the call inside it. Names never have a Recursive flag but what it stands for; it stands inside of tuples alone.
"""
from __future__ import annotations

import gast

LIST = "list"
BOTTOM = "bottom"
DEEPEST = 24    # what nests deeper is taken to nest without end


class Recursive:
    """The flag that stands for ``body``, in which it occurs."""

    def __init__(self):
        self.body, self.open = BOTTOM, False


def opened(flag):
    """A flag, or what a Recursive one stands for."""
    return flag.body if isinstance(flag, Recursive) else flag


def folded(flag, recursive):
    """A flag with a Recursive one wherever what it stands for occurs."""
    if not isinstance(flag, tuple):
        return flag
    made = tuple([folded(f, recursive) for f in flag])
    return recursive if made == recursive.body else made


def found_recursive(before, after):
    """(Recursive flags, ``after`` by them), where parts of a result's flag hold what the same parts were one call further in."""
    if not isinstance(before, tuple) or not isinstance(after, tuple) or len(before) != len(after):
        return [], after
    made, parts = [], []
    for b, a in zip(before, after):
        more, part = found_recursive(b, a) if b != a else ([], a)
        made += more
        parts.append(part)
    if made:
        return made, tuple(parts)
    recursive = Recursive()
    inner = tuple([_one_call_in(b, a, before, recursive) for b, a in zip(before, after)])
    if inner == after:
        return [], after
    recursive.body = inner
    return [recursive], recursive


def _one_call_in(before, after, whole, recursive):
    """A part of a flag with the Recursive one where, unlike before, it is the whole of before."""
    if before == after:
        return after
    if after == whole:
        return recursive
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        return tuple([_one_call_in(b, a, whole, recursive) for b, a in zip(before, after)])
    return after


def grown_inside(out, before, recursive):
    """Widen a Recursive flag by what stands in its place in a result's flag; returns the result's flag by it."""
    if before is recursive:
        if out is not recursive:
            recursive.body = join(recursive.body, out)
        return recursive
    if isinstance(out, tuple) and isinstance(before, tuple) and len(out) == len(before):
        return tuple([grown_inside(o, b, recursive) for o, b in zip(out, before)])
    return out


def is_batched(flag) -> bool:
    """Whether any part carries the batch."""
    if flag is True:
        return True
    if isinstance(flag, Recursive):
        if flag.open:
            return False
        flag.open = True
        try:
            return is_batched(flag.body)
        finally:
            flag.open = False
    if isinstance(flag, tuple):
        if flag[:1] == (LIST,):
            return is_batched(flag[1])
        if flag[:1] == ("ragged",):
            return True
        return any(is_batched(f) for f in flag)
    return False


def size(flag) -> int:
    """Of how many parts a flag is made."""
    return sum(map(size, flag)) if isinstance(flag, tuple) else 1


def depth(flag) -> int:
    """How deep the structure of a flag is nested."""
    return 1 + max(map(depth, flag), default=0) if isinstance(flag, tuple) else 0


def join(a, b):
    """The least flag that covers both."""
    if a == b or b is BOTTOM:
        return a
    if a is BOTTOM:
        return b
    for recursive, other in ((a, b), (b, a)):
        if isinstance(recursive, Recursive):
            return folded(join(recursive.body, other), recursive)
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
        for f in map(opened, flag):
            item = join(item, f)
        return item
    return flag


def literal(flag, recursive=False):
    """A flag as it is written in generated code: True, False, tuples, one-item lists for lists, a dict for a ragged list's pairs.

    recursive: what is written for the record of a call inside a recursive function.
    """
    if isinstance(flag, tuple):
        if flag[:1] == (LIST,):
            return [literal(flag[1], recursive)]
        if flag[:1] == ("ragged",):
            return {"lanes": True, "item": literal(flag[1], recursive)}
        return tuple(literal(f, recursive) for f in flag)
    return recursive if isinstance(flag, Recursive) else flag is True


def lacking(flag, wanted):
    """What ``rt.spread`` is told of a value with one flag that shall have another: True for the parts that stay as they are."""
    if not is_batched(wanted) or flag is wanted or isinstance(wanted, Recursive) and flag == wanted.body:
        return True
    if isinstance(wanted, Recursive):
        return lacking(flag, wanted.body)
    if not isinstance(wanted, tuple) or flag is True or wanted[:1] == ("ragged",):
        return literal(flag, True)
    if wanted[:1] == (LIST,):
        return [lacking(uniform(flag), wanted[1])]
    parts = flag if isinstance(flag, tuple) and len(flag) == len(wanted) and flag[:1] != (LIST,) else (uniform(flag),) * len(wanted)
    return tuple(lacking(f, w) for f, w in zip(parts, wanted))


class Flags:
    """The flags of a function's names, joined over all assignments."""

    def __init__(self, params, flags):
        self.names = dict(zip(params, map(opened, flags)))
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

    def deepens(self, name, flag) -> bool:
        """Whether a flag nests deeper than a name's, as it does in every turn of a loop that puts a value into a pair with itself."""
        return isinstance(flag, tuple) and depth(flag) > depth(self.names.get(name, BOTTOM)) >= DEEPEST

    def add(self, name, flag):
        """Join a flag into a name's."""
        old = self.names.get(name, BOTTOM)
        new = opened(join(old, opened(flag)))
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
