"""NumPy's functions that write into an argument, as the assignments that they stand for.

Before::

    np.add.at(counts, bins, weights)
    np.fill_diagonal(a, 0.0)
    np.copyto(y, x, where=mask)
    total = np.sum(x, axis=0, out=sums)

After::

    counts[...] = np.add.at(counts, bins, weights, inplace=False)
    a[...] = np.fill_diagonal(a, 0.0, inplace=False)
    y[...] = np.where(mask, x, y)
    sums[...] = np.sum(x, axis=0)
    total = sums

This is done where a function's source is read, so that all that looks for writes finds them.
"""
from __future__ import annotations

import gast
import numpy

from xform.syntax import at, clone, const

_WHOLE = frozenset({numpy.fill_diagonal, numpy.put, numpy.place, numpy.put_along_axis})


def as_assignments(tree, cells, space):
    """The tree of a function whose free names mean ``cells`` or what is in ``space``, with such statements as assignments."""
    calls = [node for node in gast.walk(tree) if isinstance(node, (gast.Expr, gast.Return)) and isinstance(node.value, gast.Call)
             or isinstance(node, gast.Assign) and isinstance(node.value, gast.Call) and _out_of(node.value) is not None]
    if calls:
        own = {n.id for n in gast.walk(tree) if isinstance(n, gast.Name) and not isinstance(n.ctx, gast.Load)}

        def find(key):
            return None if key in own else cells.get(key, space.get(key))
        made = {id(node): _into(node, find) or isinstance(node, gast.Expr) and _assignment(node, find) or None for node in calls}
        if any(made.values()):
            return _Replaced(made).visit(tree)
    return tree


class _Replaced(gast.NodeTransformer):
    """Puts statements in place of others, by their ids."""

    def __init__(self, made):
        self.made = made

    def visit_Expr(self, node):
        return self.made.get(id(node)) or node

    visit_Assign = visit_Return = visit_Expr


def _into(node, find):
    """The statements that one with ``out=`` stands for; None for any other."""
    made = node.value
    function = _object(made.func, find, True)
    known = isinstance(function, numpy.ufunc) or isinstance(getattr(function, "__self__", None), numpy.ufunc) or callable(function) and getattr(
        numpy, getattr(function, "__name__", ""), None) is function
    if not known or any(isinstance(a, gast.Starred) for a in made.args) or any(k.arg in (None, "where") for k in made.keywords):
        return None
    args, target = made.args, _out_of(made)
    if target is None and isinstance(function, numpy.ufunc) and len(args) == function.nin + 1 and function.nout == 1:
        args, target = args[:-1], args[-1]
    if not _is_place(target):
        return None
    whole = gast.Subscript(clone(target), at(gast.Constant(..., None), node), gast.Store())
    value = gast.Call(made.func, args, [k for k in made.keywords if k.arg != "out"])
    store = at(gast.Assign([at(whole, node)], at(value, node), None), node)
    if isinstance(node, gast.Expr):
        return [store]
    again = clone(node)
    again.value = at(clone(target), node)
    return [store, again]


def _out_of(made):
    """The array that a call is given as ``out=``; None where there is none."""
    found = next((k.value for k in made.keywords if k.arg == "out"), None)
    if isinstance(found, gast.Tuple) and len(found.elts) == 1:
        found = found.elts[0]
    return None if isinstance(found, gast.Constant) else found


def _is_place(node):
    """Whether an expression is a variable, or a part or an attribute of one."""
    return isinstance(node, (gast.Name, gast.Attribute, gast.Subscript)) and not any(
        isinstance(n, (gast.Call, gast.NamedExpr)) for n in gast.walk(node))


def _assignment(node, find):
    """The assignment that a statement stands for; None for any other."""
    call = node.value
    function, target = _object(call.func, find), call.args[0] if call.args else None
    if not _is_place(target) or any(isinstance(a, gast.Starred) for a in call.args):
        return None
    ufunc = getattr(function, "__self__", None)
    if function in _WHOLE or isinstance(ufunc, numpy.ufunc) and function.__name__ == "at" and ufunc.nin == 2:
        args = call.args if function in _WHOLE else [_array(a, call.func.value, node) for a in call.args]
        value = gast.Call(call.func, args, [*call.keywords, gast.keyword("inplace", const(False, node))])
    elif function is numpy.putmask and len(call.args) == 3 and not call.keywords and isinstance(call.func, gast.Attribute):
        value = _choice(call, call.args[1], call.args[2], node)
    elif function is numpy.copyto and len(call.args) == 2 and all(k.arg == "where" for k in call.keywords):
        if call.keywords and not isinstance(call.func, gast.Attribute):
            return None
        value = _choice(call, call.keywords[0].value, call.args[1], node) if call.keywords else call.args[1]
    else:
        return None
    whole = gast.Subscript(clone(target), at(gast.Constant(..., None), node), gast.Store())
    return at(gast.Assign([at(whole, node)], at(value, node), None), node)


def _array(argument, ufunc, node):
    """A list that is written out, made an array by the module that the universal function is of."""
    if isinstance(argument, gast.List) and isinstance(ufunc, gast.Attribute):
        return at(gast.Call(at(gast.Attribute(ufunc.value, "asarray", gast.Load()), node), [argument], []), node)
    return argument


def _choice(call, mask, value, node):
    """``np.where(mask, value, target)``, of the same ``np``."""
    where = at(gast.Attribute(call.func.value, "where", gast.Load()), node)
    return gast.Call(where, [mask, value, clone(call.args[0])], [])


def _object(func, find, any_function=False):
    """What a dotted name means; None if that is not known. any_function: take all functions of NumPy's for such."""
    if isinstance(func, gast.Name):
        found = find(func.id)
        return found if any_function and getattr(numpy, getattr(found, "__name__", ""), None) is found else _plain(found)
    if isinstance(func, gast.Attribute):
        found = _object(func.value, find)
        return None if found is None else getattr(found, func.attr, None) if found is numpy or isinstance(found, numpy.ufunc) else None
    return None


def _plain(value):
    """A module or function of NumPy's; None for anything else."""
    known = value is numpy or isinstance(value, numpy.ufunc) or any(value is f for f in (*_WHOLE, numpy.putmask, numpy.copyto))
    return value if known else None
