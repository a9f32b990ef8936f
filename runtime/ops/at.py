"""Indexed updates as methods: what ``x.at`` and ``x.at[index]`` return."""
from __future__ import annotations

from runtime.ops.combine import at_apply, at_divide, at_max, at_min, at_multiply, at_power
from runtime.ops.places import placed_index
from runtime.ops.update import at_add, at_get, at_set, at_subtract


class At:
    """What ``x.at`` returns: index it, then call an update."""
    __slots__ = ("array",)

    def __init__(self, array):
        self.array = array

    def __getitem__(self, index):
        return AtIndex(self.array, index)

    def __repr__(self):
        return f"At({self.array!r})"


class AtIndex:
    """What ``x.at[index]`` returns; its methods give updated copies of x."""
    __slots__ = ("array", "index")

    def __init__(self, array, index):
        self.array, self.index = array, index

    def _placed(self, mode, wrap_negative_indices, reading=False):
        if mode is None and wrap_negative_indices:
            return self.index
        return placed_index(self.index, mode, wrap_negative_indices, self.array, reading)


def _method(name, function):
    def method(self, *values, indices_are_sorted=False, unique_indices=False, mode=None, wrap_negative_indices=True, **kwargs):
        index = self._placed(mode, wrap_negative_indices, name == "get")
        return function(self.array, index, *values, indices_are_sorted=indices_are_sorted,
                        unique_indices=unique_indices, mode=mode, **kwargs)
    method.__name__, method.__doc__ = name, function.__doc__
    setattr(AtIndex, name, method)


for _name, _function in {"get": at_get, "set": at_set, "add": at_add, "subtract": at_subtract, "multiply": at_multiply,
                         "mul": at_multiply, "divide": at_divide, "power": at_power, "min": at_min, "max": at_max, "apply": at_apply}.items():
    _method(_name, _function)
