"""The function that vjp returns: a partial of generated code, so that every transformation can read it."""
from __future__ import annotations

import functools

import runtime
from runtime.tree import tree_flatten, tree_unflatten
from xform.inputs import numeric


class Pullback(functools.partial):
    """The backward half of a function over its residuals; calling it checks the cotangent first."""

    def __call__(self, cotangent):
        """Map a cotangent of the result to the cotangents of the primals."""
        cotangent = checked(self.result, cotangent)
        return self.run([self.args[-1], (cotangent, runtime.ZERO) if self.has_aux else cotangent])


def pullback_of(backward, residuals, result, has_aux, run):
    """Return the pullback of a call that gave ``result``; ``run`` calls ``backward`` with a list of values."""
    made = Pullback(_without_aux, backward, residuals) if has_aux else Pullback(backward, residuals)
    made.result, made.has_aux, made.run = result, has_aux, run
    return made


def _without_aux(backward, residuals, cotangent):
    return backward(residuals, (cotangent, runtime.ZERO))


def checked(out, cotangent):
    """The cotangent of a result with its leaves as arrays; ValueError when it has another structure or shapes."""
    leaves, tree = tree_flatten(out)
    others, other = tree_flatten(cotangent)
    if tree != other:
        raise ValueError(f"unexpected tree structure of argument to vjp function: got {other}, but expected to match {tree}")
    made = []
    for x, c in zip(leaves, others):
        c = numeric(c)
        shape = x.shape if hasattr(x, "shape") else ()
        if c.shape != tuple(shape):
            raise ValueError(f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got shape {c.shape}, but "
                             f"expected {tuple(shape)}")
        made.append(c)
    return tree_unflatten(tree, made)
