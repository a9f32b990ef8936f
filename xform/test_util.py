"""Checks of derivatives against finite differences, in both modes and to any order."""
from __future__ import annotations

import functools

import numpy

from runtime import numpy as np
from runtime.tree import tree_flatten, tree_leaves, tree_map
from xform.api import jvp, vjp

__all__ = ["check_grads", "check_jvp", "check_vjp"]

# by the number of bits of the mantissa: half precision, single, double
_STEPS = {10: 1e-2, 7: 1e-1, 23: 1e-3, 52: 1e-6}
_TOLERANCES = {10: 2e-2, 7: 1e-1, 23: 2e-2, 52: 1e-5}


def _bits(tree) -> int:
    found = [numpy.dtype(getattr(leaf, "dtype", "float32")) for leaf in tree_leaves(tree)]
    kinds = [np.finfo(dtype).nmant for dtype in found if np.issubdtype(dtype, np.inexact)]
    return min(kinds, default=23)


def _like(tree, seed):
    """Reproducible numbers with the structure, shapes and dtypes of a pytree; integers get zeros."""
    generator = numpy.random.default_rng(seed)

    def one(leaf):
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.inexact):
            return np.zeros_like(leaf)
        made = generator.standard_normal(leaf.shape)
        if np.issubdtype(leaf.dtype, np.complexfloating):
            made = made + 1j * generator.standard_normal(leaf.shape)
        return np.asarray(made, leaf.dtype)
    return tree_map(one, tree)


def _moved(tree, step, direction):
    return tree_map(lambda x, d: np.asarray(x) + np.asarray(step, np.asarray(x).real.dtype) * d
                    if np.issubdtype(np.asarray(x).dtype, np.inexact) else x, tree, direction)


def _difference(f, args, tangents, eps):
    """The derivative of ``f`` along tangents by the central difference."""
    above, below = f(*_moved(args, eps, tangents)), f(*_moved(args, -eps, tangents))
    return tree_map(lambda a, b: (numpy.asarray(a, _wide(a)) - numpy.asarray(b, _wide(b))) / (2 * eps), above, below)


def _wide(x):
    return numpy.complex128 if numpy.issubdtype(numpy.asarray(x).dtype, numpy.complexfloating) else numpy.float64


def _inner(a, b):
    """The sum of the products of two pytrees' leaves (a real-linear pairing: complex parts count as pairs)."""
    total = 0.0
    for x, y in zip(tree_leaves(a), tree_leaves(b), strict=True):
        x, y = numpy.asarray(x, _wide(x)), numpy.asarray(y, _wide(y))
        total = total + numpy.sum(x * y)
    return numpy.real(total)


def _compare(found, expected, atol, rtol, message):
    found_leaves, found_tree = tree_flatten(found)
    leaves, tree = tree_flatten(expected)
    if found_tree != tree:
        raise AssertionError(f"{message}: the structure {found_tree} is not that of the result, {tree}")
    for a, b in zip(found_leaves, leaves):
        numpy.testing.assert_allclose(numpy.asarray(a, _wide(a)), numpy.asarray(b, _wide(b)), atol=atol, rtol=rtol, err_msg=message)


def _settings(args, atol, rtol, eps):
    bits = _bits(args)
    return (_TOLERANCES[bits] if atol is None else atol, _TOLERANCES[bits] if rtol is None else rtol,
            _STEPS[bits] if eps is None else eps)


def check_jvp(f, f_jvp, args, atol=None, rtol=None, eps=None, err_msg=""):
    """Compare a forward derivative with central differences along a random direction; AssertionError where they differ.

    f_jvp: ``f_jvp(primals, tangents) -> (out, out_dot)``, such as ``functools.partial(jvp, f)``.
    atol, rtol, eps: tolerances and step (default: by the precision of ``args``).
    """
    atol, rtol, eps = _settings(args, atol, rtol, eps)
    tangents = _like(args, 0)
    out, out_dot = f_jvp(tuple(args), tuple(tangents))
    prefix = f"{err_msg} " if err_msg else ""
    _compare(out, f(*args), atol, rtol, f"{prefix}JVP primal")
    _compare(out_dot, _difference(f, args, tangents, eps), atol, rtol, f"{prefix}JVP tangent")


def check_vjp(f, f_vjp, args, atol=None, rtol=None, eps=None, err_msg=""):
    """Compare a reverse derivative with central differences along a random direction; AssertionError where they differ.

    f_vjp: ``f_vjp(*args) -> (out, pullback)``, such as ``functools.partial(vjp, f)``.
    atol, rtol, eps: tolerances and step (default: by the precision of ``args``).
    """
    atol, rtol, eps = _settings(args, atol, rtol, eps)
    prefix = f"{err_msg} " if err_msg else ""
    out, pullback = f_vjp(*args)
    _compare(out, f(*args), atol, rtol, f"{prefix}VJP primal")
    tangents = _like(args, 1)
    expected = _difference(f, args, tangents, eps)
    cotangent = _like(out, 2)
    found = pullback(cotangent)
    kept = [(t, c) for t, c in zip(tree_leaves(tuple(tangents)), tree_leaves(found), strict=True)
            if numpy.asarray(c).dtype.names is None and np.issubdtype(np.asarray(t).dtype, np.inexact)]
    size = max(1.0, sum(numpy.sqrt(numpy.asarray(leaf).size) for leaf in tree_leaves(out)))
    numpy.testing.assert_allclose(_inner([t for t, _ in kept], [c for _, c in kept]), _inner(expected, cotangent),
                                  atol=atol * size, rtol=rtol, err_msg=f"{prefix}VJP cotangent projection")


def check_grads(f, args, order, modes=("fwd", "rev"), atol=None, rtol=None, eps=None):
    """Compare the derivatives of ``f`` with central differences, up to an order, in the modes "fwd", "rev" or both.

    args: tuple of arrays or pytrees. AssertionError where they differ, naming the modes that led there.
    """
    args = tuple(args)
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    unknown = [mode for mode in modes if mode not in ("fwd", "rev")]
    if unknown:
        raise ValueError(f"check_grads: modes are 'fwd' and 'rev', not {unknown[0]!r}")
    _check(f, args, order, modes, atol, rtol, eps, "")


def _check(f, args, order, modes, atol, rtol, eps, path):
    for mode in modes:
        name = f"{path}{mode}"
        if mode == "fwd":
            f_jvp = functools.partial(jvp, f)
            check_jvp(f, f_jvp, args, atol, rtol, eps, name)
            if order > 1:
                tangents = _like(args, 3)
                _check(_forward(f, tangents), args, order - 1, modes, atol, rtol, eps, f"{name} of ")
        else:
            f_vjp = functools.partial(vjp, f)
            check_vjp(f, f_vjp, args, atol, rtol, eps, name)
            if order > 1:
                cotangent = _like(f(*args), 4)
                _check(_reverse(f, cotangent), args, order - 1, modes, atol, rtol, eps, f"{name} of ")


def _forward(f, tangents):
    def out_dot(*args):
        return jvp(f, args, tangents)[1]
    return out_dot


def _reverse(f, cotangent):
    def cotangents(*args):
        out, pullback = vjp(f, *args)
        return pullback(cotangent)
    return cotangents
