"""Taylor mode: the derivatives of a function along a curve, to any order, by nested forward derivatives."""
from __future__ import annotations

from runtime import numpy as np
from runtime.taylor import check_lengths
from runtime.tree import tree_flatten, tree_map, tree_structure
from xform import pipeline, resolve
from xform.inputs import bind_arguments, numeric
from xform.memo import Memo
from xform.transformed import entries_for, run

__all__ = ["jet"]

_units = Memo()


def jet(fun, primals, series, factorial_scaled=True, **_):
    """Return (fun(*primals), terms of ``fun`` along the curve that ``primals`` and ``series`` describe).

    primals: tuple of arrays or pytrees, where the curve is at 0. series: for each a list with the curve's first, second ... derivatives
    there, all lists equally long. The second result is, for each array of the result, a list with the first, second ... derivatives of
    ``fun`` along the curve: those of Faa di Bruno's formula. ``factorial_scaled=False``: Taylor coefficients in place of derivatives,
    both ways. ValueError for lists of unequal lengths or other structures or shapes than the primals'.
    """
    if len(primals) != len(series):
        raise ValueError(f"jet: series must hold a list of terms for each of the {len(primals)} primals; got {len(series)} lists")
    check_lengths([len(terms) for terms in series])
    for primal, terms in zip(primals, series):
        for term in terms:
            if tree_structure(term) != tree_structure(primal):
                raise ValueError(f"jet: a term has the structure {tree_structure(term)}, its primal {tree_structure(primal)}")
            for a, b in zip(tree_flatten(primal)[0], tree_flatten(term)[0]):
                if np.shape(a) != np.shape(b):
                    raise ValueError(f"jet: a term has the shape {np.shape(b)}, its primal {np.shape(a)}")
    options = {"count": len(primals), "order": len(series[0]), "scaled": bool(factorial_scaled)}
    primals = [tree_map(numeric, primal) for primal in primals]
    inner, (entry,) = entries_for("jet", fun, options, _units, primals)
    return run(entry, bind_arguments(inner, primals, {}) + [tree_map(numeric, term) for terms in zip(*series) for term in terms])


def _derived(unit, options, prefix):
    from xform.transform import taylor
    return taylor.derive(unit, options, prefix)


resolve.TRANSFORMATIONS[jet] = "jet"
pipeline.DERIVATIONS["jet"] = _derived
