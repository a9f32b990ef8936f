"""Helpers of Taylor mode: the terms of a curve, and the derivatives of each result beside each other."""
from __future__ import annotations

from runtime.cotangent import shape_of
from runtime.ops.kernel import about_types
from runtime.trees import tree_map_1, tree_map_2

MOST = 4    # orders up to which code is written for a series whose length is not known when the code is transformed


def times_number(terms, number):
    """Return every leaf times a number; integers become floating-point numbers."""
    return tree_map_1(lambda leaf: leaf * number, terms)


def lists_like(out):
    """Return a tree like ``out`` with an empty list for every leaf."""
    return tree_map_1(lambda leaf: [], out)


def first_terms(terms):
    """Return a tree with a list of one item for every leaf."""
    return tree_map_1(lambda leaf: [leaf], terms)


def more_terms(lists, terms):
    """Return the lists of a tree, each with one item more."""
    return tree_map_2(lambda leaf, before: [*before, leaf], terms, lists)


@about_types
def order_of(series):
    """Return how many terms each list of a series has; ValueError for lists of different lengths, or too long for staged code."""
    lengths = [shape_of(terms)[0] if hasattr(terms, "shape") else len(terms) for terms in series]
    check_lengths(lengths)
    if lengths[0] > MOST:
        raise ValueError(f"jet: in a transformed function, more than {MOST} terms must be written out in the call, or their list be bound "
                         f"where its length can be read; got {lengths[0]} terms")
    return lengths[0]


def check_lengths(lengths):
    """Raise ValueError unless the lists of a series are equally long."""
    if len(set(lengths)) != 1:
        raise ValueError(f"jet terms have inconsistent lengths for different arguments: all lists must be of one length; got "
                         f"{len(lengths)} lists of the lengths {lengths}")
