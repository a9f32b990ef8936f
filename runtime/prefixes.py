"""Axes that are given for the parts of a value: they must be a prefix of its tree."""
from __future__ import annotations

from runtime.cotangent import CONTAINERS, _items
from runtime.node import Node
from runtime.op import op
from runtime.zero import ZERO


def check_prefix(axes, value, what, place=""):
    """Raise ValueError unless ``axes``, ints and None in containers, is a tree prefix of a value."""
    if axes is None or isinstance(axes, (int, str)) or isinstance(axes, Node) or value is ZERO or not isinstance(axes, (list, tuple, dict)):
        return
    start = f"{what} specification must be a tree prefix of the corresponding value, but at {what}{place} it is"
    kind = next(k for k in (dict, list, tuple) if isinstance(axes, k))
    if not isinstance(value, kind) or isinstance(value, Node):
        raise ValueError(f"{start} a {type(axes).__name__} where the value is {_described(value)}")
    if kind is dict:
        if set(axes) != set(value):
            raise ValueError(f"{start} a dict with the keys {sorted(map(str, axes))} where the value has {sorted(map(str, value))}")
        for key, inner in axes.items():
            check_prefix(inner, value[key], what, f"{place}[{key!r}]")
        return
    if len(axes) != len(value):
        raise ValueError(f"{start} a {type(axes).__name__} of length {len(axes)} where the value has length {len(value)}")
    for index, (inner, item) in enumerate(zip(axes, _items(value))):
        check_prefix(inner, item, what, f"{place}[{index}]")


def _described(value):
    return f"a {type(value).__name__}" if isinstance(value, CONTAINERS) else "an array"


@op(linear="x", vjp={"x": "d_out"}, batch=lambda x, axes, over=(): fitting(x, axes))
def fitting(x, axes):
    """Return the result of a mapped function; ValueError unless the out_axes that are given are a prefix of its tree."""
    check_prefix(axes, x, "vmap out_axes")
    return x
