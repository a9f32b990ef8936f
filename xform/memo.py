"""Memos that let go: what was worked out for a function or a unit lives as long as that does.

Before: ``_memo[unit, flags] = halves`` in a dict keeps every function that was ever transformed.
After: the entry lies in the unit itself, which nothing but its function and what is made of it refers to.
"""
from __future__ import annotations

import itertools
import types
import weakref

from xform.unit import Unit

STORE = "_xform_memos"      # where a function or unit keeps its entries
LONGEST = 4096      # entries of keys that name neither a function nor a unit

_numbers = itertools.count()


class Memo:
    """A dict whose entries are kept by the first function, unit or function with a rule in their key; the oldest of the others go."""

    def __init__(self):
        self.number = next(_numbers)
        self.owners = weakref.WeakSet()
        self.others = {}

    def _owner(self, key):
        parts = key if isinstance(key, tuple) else (key,)
        return next((part for part in parts if isinstance(part, (Unit, types.FunctionType)) or hasattr(type(part), "_xform_custom")), None)

    def _entries(self, key, make=False):
        owner = self._owner(key)
        if owner is None:
            return self.others
        held = owner.__dict__.get(STORE)
        if held is None or held[0] is not owner:        # functools.wraps copies what a function has
            if not make:
                return {}
            held = owner.__dict__[STORE] = owner, {}
        if make:
            self.owners.add(owner)
            return held[1].setdefault(self.number, {})
        return held[1].get(self.number, {})

    def __contains__(self, key):
        return key in self._entries(key)

    def __getitem__(self, key):
        return self._entries(key)[key]

    def __setitem__(self, key, value):
        entries = self._entries(key, make=True)
        entries[key] = value
        if entries is self.others and len(entries) > LONGEST:
            del entries[next(iter(entries))]

    def __delitem__(self, key):
        del self._entries(key)[key]

    def get(self, key, default=None):
        """The value of a key."""
        return self._entries(key).get(key, default)

    def pop(self, key, default=None):
        """Remove a key; returns its value."""
        return self._entries(key).pop(key, default)

    def items(self):
        """The entries that are still there."""
        stores = [owner.__dict__[STORE][1].get(self.number, {}) for owner in list(self.owners)]
        return [item for entries in [*stores, self.others] for item in list(entries.items())]
