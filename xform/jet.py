"""Taylor mode: the derivatives of a function along a curve, to any order, by nested forward derivatives."""
from __future__ import annotations

from runtime import numpy as np
from runtime.tree import tree_flatten, tree_map, tree_structure
from xform.api import jvp

__all__ = ["jet"]


def jet(fun, primals, series, **_):
    """Return (fun(*primals), derivatives of ``fun`` along the curve that ``primals`` and ``series`` describe).

    primals: tuple of arrays or pytrees, where the curve is at 0. series: for each a list with the curve's first, second ... derivatives
    there, all lists equally long. The second result is a list with the first, second ... derivatives of ``fun`` along the curve:
    those of Faa di Bruno's formula, for each array of the result. ValueError for lists of unequal lengths or structures. For
    ``fun`` outside transformed functions; under jit, grad or vmap it is not known how deep to nest.
    """
    orders = {len(terms) for terms in series}
    if len(primals) != len(series) or len(orders) != 1:
        raise ValueError(f"jet: series must hold a list of derivatives for each of the {len(primals)} primals, all of one length; got "
                         f"{len(series)} lists of the lengths {[len(terms) for terms in series]}")
    order = orders.pop()
    for primal, terms in zip(primals, series):
        for term in terms:
            if tree_structure(term) != tree_structure(primal):
                raise ValueError(f"jet: a derivative has the structure {tree_structure(term)}, its primal {tree_structure(primal)}")
            for a, b in zip(tree_flatten(primal)[0], tree_flatten(term)[0]):
                if np.shape(a) != np.shape(b):
                    raise ValueError(f"jet: a derivative has the shape {np.shape(b)}, its primal {np.shape(a)}")
    leaves = [x for x in tree_flatten((primals, series))[0]]
    dtype = np.result_type(*leaves)
    dtype = dtype if np.issubdtype(dtype, np.floating) else np.result_type(float)

    call = _applied(fun, len(primals))

    def moved(time):
        return call([_curve(primal, terms, time) for primal, terms in zip(primals, series)])
    start, one = np.zeros((), dtype), np.ones((), dtype)
    value = fun(*[tree_map(np.asarray, primal) for primal in primals])
    found = []
    derivative = moved
    for _ in range(order):
        derivative = _along(derivative, one)
        found.append(derivative(start))
    leaves, tree = tree_flatten(value)
    if tree == tree_structure(0):
        return value, found
    from runtime.tree import tree_unflatten
    each = [tree_flatten(terms)[0] for terms in found]
    return value, tree_unflatten(tree, [[terms[i] for terms in each] for i in range(len(leaves))])


def _applied(fun, count):
    """The function of a list of arguments: spelt out for few, because an operation takes no *args in a transformed function."""
    few = (lambda items: fun(), lambda items: fun(items[0]), lambda items: fun(items[0], items[1]),
           lambda items: fun(items[0], items[1], items[2]))
    return few[count] if count < len(few) else lambda items: fun(*items)


def _along(function, one):
    """The derivative of a function of time."""
    return lambda time: jvp(function, (time,), (one,))[1]


def _curve(primal, terms, time):
    """The curve at a time: its Taylor polynomial, by Horner's rule, so that no power of zero is differentiated."""
    total = None
    for k in range(len(terms), 0, -1):
        inner = terms[k - 1] if total is None else tree_map(np.add, terms[k - 1], total)
        total = tree_map(lambda leaf, k=k: leaf * (time / k), inner)
    return primal if total is None else tree_map(np.add, primal, total)
