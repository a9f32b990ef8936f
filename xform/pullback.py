"""The functions that vjp and linearize return: partials, so that every transformation can read what they hold."""
from __future__ import annotations

import runtime
from runtime.tree import Partial, register_structure, tree_flatten, tree_unflatten
from runtime.dtypes import float0
from runtime.node import add_class
from runtime.types import dtype_name
from xform.inputs import continuous, numeric, without_integers
from xform.memo import Memo
from xform.pipeline import without_aux
from xform.transformed import run


class Pullback(Partial):
    """The backward half of a function over its residuals, a pytree of these; calling it checks the cotangent first."""

    def __call__(self, cotangent):
        """Map a cotangent of the result to the cotangents of the primals."""
        known = self.known
        cotangent = checked(known.result.whole(), cotangent)
        found = run(known.entry, [self.args[-1], (cotangent, runtime.ZERO) if known.has_aux else cotangent])
        return found if known.primals is None else without_integers(found, known.primals.whole())


    def _xform_unit(self):
        """The unit that the compiler calls in its place, of the residuals and the cotangent."""
        unit = self.known.entry[0]
        return without_aux(unit) if self.known.has_aux else unit


class Types:
    """The structure and the types of a value; all of one structure and types are equal."""
    __slots__ = ("tree", "avals")

    def __init__(self, value):
        leaves, self.tree = tree_flatten(value)
        self.avals = tuple([leaf.aval if hasattr(leaf, "aval") else numeric(leaf).aval for leaf in leaves])

    def whole(self):
        """A value of the structure, with the types for leaves."""
        return tree_unflatten(self.tree, self.avals)

    def __eq__(self, other):
        return isinstance(other, Types) and (self.tree, self.avals) == (other.tree, other.avals)

    def __hash__(self):
        return hash(self.avals)


class _Known:
    """What a pullback knows beside its residuals; all that run one function on values of the same types are equal."""
    __slots__ = ("entry", "has_aux", "result", "primals")

    def __init__(self, entry, has_aux, result, primals):
        self.entry, self.has_aux, self.result, self.primals = entry, has_aux, result, primals

    def _parts(self):
        return self.entry[1], self.has_aux, self.result, self.primals

    def __eq__(self, other):
        return isinstance(other, _Known) and self._parts() == other._parts()

    def __hash__(self):
        return hash(self._parts())


def _again(known, children):
    function, *before, facts = known
    made = Pullback(function, *before, *children)
    made.known = facts
    return made


add_class(Pullback, lambda p: ((p.args[-1],), (p.func, *p.args[:-1], p.known)), _again)
register_structure(Pullback, lambda p: ((p.args[-1],), (p.func, *p.args[:-1], p.known)), _again)


class Pushforward(Partial):
    """The derivative of a function over its primals; calling it checks the tangents first."""

    def __call__(self, *tangents):
        """Map tangents of the primals to the tangent of the result."""
        _check_tangents(self.args, tangents)
        return self.func(*self.args, *tangents)


register_structure(Pushforward, lambda p: (p.args, p.func), lambda func, children: Pushforward(func, *children))
add_class(Pushforward, lambda p: (p.args, p.func), lambda func, children: Pushforward(func, *children))
_pushing = Memo()


def pushing(fun, count, has_aux):
    """The tangent of what a function of ``count`` primals gives, as a function of the primals and of their tangents; one for each."""
    from xform.api import jvp
    key = fun, count, has_aux
    if fun.__hash__ is None or key not in _pushing:
        def fun_jvp(*values):
            """Map primals and their tangents to the tangent of the result."""
            return jvp(fun, values[:count], values[count:], has_aux=has_aux)[1]
        if fun.__hash__ is None:
            return fun_jvp
        _pushing[key] = fun_jvp
    return _pushing[key]


def _check_tangents(primals, tangents):
    """Refuse tangents of a linearized function that are not of the types of the primals."""
    leaves, tree = tree_flatten(primals)
    others, other = tree_flatten(tangents)
    if tree != other:
        raise TypeError(f"linearized function called with tangents of the structure {other}; the primals have {tree}")
    for x, t in zip(map(numeric, leaves), others):
        t = t if getattr(t, "dtype", None) == float0 else numeric(t)
        name = "float0" if t.dtype == float0 else dtype_name(t.dtype)
        if x.shape != t.shape or t.dtype != (x.dtype if continuous(x) else float0):
            raise ValueError("linearized function called on tangent values inconsistent with the original primal values: got a tangent "
                             f"of type {name}{list(t.shape)} for a primal of type {dtype_name(x.dtype)}{list(x.shape)}")


def pullback_of(entry, residuals, result, has_aux, primals=None):
    """Return the pullback of a call that gave ``result``; ``entry`` is the loaded backward half.

    primals: the arguments, where integers are among them.
    """
    backward = entry[1]
    made = Pullback(_without_aux, backward, residuals) if has_aux else Pullback(backward, residuals)
    made.known = _Known(entry, has_aux, Types(result), None if primals is None else Types(primals))
    return made


def _without_aux(backward, residuals, cotangent):
    return backward(residuals, (cotangent, runtime.ZERO))


def _type(x):
    return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"


def checked(out, cotangent):
    """The cotangent of a result with its leaves as arrays; ValueError when it has another structure or shapes."""
    leaves, tree = tree_flatten(out)
    others, other = tree_flatten(cotangent)
    if tree != other:
        raise ValueError(f"unexpected tree structure of argument to vjp function: got {other}, but expected to match {tree}")
    made = []
    for x, c in zip(leaves, others):
        expected = numeric(x)
        if expected.dtype.kind in "biu" or getattr(c, "dtype", None) == float0:
            made.append(runtime.ZERO)       # an integer has no derivative
            continue
        c = numeric(c)
        if c.shape != tuple(expected.shape) or c.dtype != expected.dtype:
            raise ValueError(f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got {_type(c)}, but expected "
                             f"{_type(expected)} because the corresponding output of the differentiated function has that type")
        made.append(c)
    return tree_unflatten(tree, made)
