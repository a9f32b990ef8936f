"""What the derivative rules of users return, checked against what they were asked for."""
from __future__ import annotations

import numpy

from runtime.cotangent import CONTAINERS, _items, _rebuild, dtype_of, shape_of, shared
from runtime.dtypes import float0
from runtime.node import Node
from runtime.op import op
from runtime.tree import tree_structure
from runtime.types import KEY, dtype_name
from runtime.zero import ZERO, Like


def rule_parts(parts, function, count):
    """Return the cotangents that the backward rule of a function gave: ``count`` of them, None meaning zero."""
    if not isinstance(parts, (tuple, list)) or len(parts) != count:
        raise TypeError(wrong_parts(parts, function, count))
    return tuple([ZERO if part is None else shared(part, part) for part in parts])


def rule_pair(pair, function, of, second):
    """Return the two things that a rule of a function gave; ``of`` and ``second`` say which rule and what the other one is."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(wrong_pair(pair, function, of, second))
    out, other = pair
    return out, other


def parts_given(parts):
    """Return what the function of a custom gradient gave as a tuple: it may be the one argument's cotangent itself."""
    return parts if isinstance(parts, (tuple, list, dict)) or parts is None else (parts,)


@op(constant=True, batch=lambda parts, function, count, over=(): wrong_parts(parts, function, count))
def wrong_parts(parts, function, count):
    """Say what is wrong with the result of a backward rule that is no tuple of the right length."""
    found = f"a {type(parts).__name__} of {len(parts)}" if isinstance(parts, (tuple, list)) else _structure(parts)
    return (f"Custom VJP bwd rule of {function} must produce a tuple with one entry for each differentiable argument of the "
            f"function: expected {count}, got {found}. Return None for an argument whose cotangent is zero.")


@op(constant=True, batch=lambda pair, function, of, second, over=(): wrong_pair(pair, function, of, second))
def wrong_pair(pair, function, of, second):
    """Say what is wrong with the result of a rule that is no pair."""
    found = f"a {type(pair).__name__} of {len(pair)}" if isinstance(pair, (tuple, list)) else _structure(pair)
    return f"{of} rule of {function} must produce a pair (list or tuple of length two), the result and {second}; got {found}"


@op(linear="part", vjp={"part": "d_out"}, batch=lambda part, function, argument, like, lead=0, over=(): rule_part(
    part, function, argument, like, lead + 1))
def rule_part(part, function, argument, like, lead=0):
    """Return the cotangent of an argument as a backward rule gave it, ZERO for every None in it.

    like: the argument; the cotangent has ``lead`` batch axes in front. Raises TypeError where its containers are not those of the
    argument, ValueError where its shapes are not.
    """
    def checked(given, wanted, place):
        if given is None or given is ZERO:
            return ZERO
        if isinstance(wanted, CONTAINERS):
            if not _same_container(given, wanted):
                raise TypeError(
                    f"Custom VJP bwd rule of {function} must produce a cotangent with the same container (pytree) structure as the "
                    f"argument {argument!r}, {_structure(like)}, but gave {_structure(part)}{_at(place)}")
            inner = [checked(one, other, (*place, key)) for one, (key, other) in zip(_ordered(given, wanted), _keyed(wanted))]
            return _rebuild(wanted, inner)
        if wanted is None:
            return given
        if isinstance(given, CONTAINERS):
            raise TypeError(
                f"Custom VJP bwd rule of {function} must produce a cotangent with the same container (pytree) structure as the "
                f"argument {argument!r}, {_structure(like)}, but gave {_structure(part)}{_at(place)}")
        if _has_none(wanted) or getattr(given, "dtype", None) == float0:
            return given
        own, shape = shape_of(given), shape_of(wanted)
        if own[lead:] != shape:
            raise ValueError(
                f"Custom VJP bwd rule of {function} must produce a cotangent of the argument's shape; for {argument!r}{_at(place)} it gave "
                f"{_typed(given, lead)} where the argument is {_typed(wanted)}. Sum over the axes along which the argument was broadcast.")
        return given
    return checked(part, like, ())


@op(linear="dot", vjp={"dot": "d_out"}, batch=lambda dot, function, like, lead=0, over=(): rule_tangent(
    dot, function, like, lead + 1))
def rule_tangent(dot, function, like, lead=0):
    """Return the tangent of a result as a forward rule gave it.

    like: the result; the tangent has ``lead`` batch axes in front. Raises TypeError where structure, shapes or dtypes differ.
    """
    def check(given, wanted, place):
        if given is ZERO:
            return
        if isinstance(wanted, CONTAINERS) or isinstance(given, CONTAINERS) or given is None or wanted is None:
            if given is not wanted and not _same_container(given, wanted):
                raise TypeError(f"Custom JVP rule of {function} must produce primal and tangent outputs with equal container (pytree) "
                                f"structures, but gave {_structure(like)} and {_structure(dot)}{_at(place)}")
            if wanted is not None:
                for one, (key, other) in zip(_ordered(given, wanted), _keyed(wanted)):
                    check(one, other, (*place, key))
            return
        if _has_none(wanted) or getattr(given, "dtype", None) == float0 or not hasattr(given, "shape") and type(given) is not complex \
                and not isinstance(given, (bool, int, float)):
            return
        weak = getattr(given, "weak_type", not hasattr(given, "dtype"))
        one, two = numpy.dtype(dtype_of(given)), numpy.dtype(dtype_of(wanted))
        same = one == two or weak and one.kind == two.kind
        if shape_of(given)[lead:] != shape_of(wanted) or not same:
            raise TypeError(f"Custom JVP rule of {function} must produce primal and tangent outputs with corresponding shapes and dtypes; "
                            f"expected a tangent like the result, {_typed(wanted)}, but got {_typed(given, lead)}{_at(place)}")
    check(dot, like, ())
    return dot


def _same_container(given, wanted):
    if isinstance(wanted, dict):
        return isinstance(given, dict) and set(given) == set(wanted)
    if not isinstance(wanted, CONTAINERS):
        return False
    if isinstance(wanted, Node) or hasattr(wanted, "_fields"):
        return type(given) is type(wanted) and len(_items(given)) == len(_items(wanted))
    kind = list if isinstance(wanted, list) else tuple
    return isinstance(given, kind) and not hasattr(given, "_fields") and len(given) == len(wanted)


def _ordered(given, wanted):
    return [given[k] for k in wanted] if isinstance(wanted, dict) else _items(given)


def _keyed(wanted):
    return list(wanted.items()) if isinstance(wanted, dict) else list(enumerate(_items(wanted)))


def _has_none(wanted):
    """Whether a leaf has no derivative, whatever a rule says: a whole number, a key, or no array at all."""
    if not hasattr(wanted, "dtype") and not isinstance(wanted, (bool, int, float, complex)):
        return True
    dtype = dtype_of(wanted)
    return dtype == KEY or numpy.dtype(dtype).kind in "biu"


def _typed(value, lead=0):
    return f"{dtype_name(dtype_of(value))}[{','.join(map(str, shape_of(value)[lead:]))}]"


def _structure(value):
    return str(tree_structure(_plain(value)))


def _plain(value):
    """A value with numbers for the tokens in it."""
    if isinstance(value, CONTAINERS):
        return _rebuild(value, [_plain(item) for item in _items(value)])
    return 0 if isinstance(value, Like) or value is ZERO else value


def _at(place):
    return f" (at {''.join(f'[{key!r}]' for key in place)})" if place else ""
