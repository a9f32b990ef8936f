"""Names that are free: every transformation asks here, none guesses from a prefix."""
from __future__ import annotations

import builtins
import keyword

RESERVED = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"rt", "np", "lax", "nn", "random"}


class Names:
    """Allocates names that clash with nothing in ``used``; a clash gets a number, never a hash."""

    def __init__(self, used=()):
        self.used = set(used) | RESERVED

    def fresh(self, wanted: str) -> str:
        """Return ``wanted`` if it is free, else ``wanted_1``, ``wanted_2`` ..., and take it."""
        name, count = wanted, 0
        while name in self.used:
            count += 1
            name = f"{wanted}_{count}"
        self.used.add(name)
        return name

    def take(self, name: str) -> str:
        """Mark a name as used and return it."""
        self.used.add(name)
        return name


def stem(name: str) -> str:
    """Strip a clash number: the stem of ``y_12`` is ``y``."""
    head, _, tail = name.rpartition("_")
    return head if head and tail.isdigit() else name
