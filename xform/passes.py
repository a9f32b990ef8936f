"""The forward and the backward pass of a function as two functions of their own."""
from __future__ import annotations

import functools

from runtime.tree import register_pytree_node_class
from xform import pipeline
from xform.emit import emit
from xform.inputs import bind_arguments, differentiable
from xform.load import load
from xform.pullback import Types, checked
from xform.transform.boundary import sealed, wrapped
from xform.transform.vjp import Halves
from xform.transformed import kinds_of, run, target_of


@register_pytree_node_class
class Residuals:
    """What a forward pass keeps: a pytree whose leaves are arrays. It knows which backward pass it is for."""
    __slots__ = ("kept", "backward", "result")

    def __init__(self, kept, backward, result):
        self.kept, self.backward, self.result = kept, backward, result

    def tree_flatten(self):
        """The arrays, and the rest."""
        return (self.kept,), (self.backward, self.result)

    @classmethod
    def tree_unflatten(cls, known, children):
        """The inverse."""
        return cls(*children, *known)


def fwd_and_bwd(fun, argnums, has_aux=False, jitted=True):
    """Return ``(fwd, bwd)``: ``fwd(*args)`` is ``(fun(*args), residuals)``, ``bwd(residuals, cotangent)`` the cotangents.

    They are a tuple with one for each argument in ``argnums``, or for a single number that of the argument. With ``has_aux``, ``fun`` returns a pair, of which the second is given back by
    ``fwd`` as a third value. jitted: compile both. The residuals are a pytree of arrays. Neither function is to be called inside a
    transformed one: use ``vjp`` there.
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    made = {}

    def fwd(*args):
        """Return the result and the residuals."""
        inner = target_of(fun, (len(args), ()), kinds_of(args, {}))
        offset = len(inner.values)
        count = len(inner.unit.params) - offset
        for number in numbers:
            if not -count <= number < count or number >= len(args):
                raise ValueError(f"fwd_and_bwd: argnums={argnums}, but the call gives {len(args)} positional arguments")
        wrt = tuple(offset + number % count for number in numbers)
        values = bind_arguments(inner, args, {})
        for place in wrt:
            values[place] = differentiable(values[place], "vjp", inner.unit, inner.unit.params[place], {})
        key = inner.unit, wrt
        if key not in made:
            made[key] = _loaded(inner.unit, wrt, jitted)
        forward, backward = made[key]
        out, kept = run(forward, values)
        if has_aux:
            out, aux = out
            return out, Residuals(kept, backward, Types(out)), aux
        return out, Residuals(kept, backward, Types(out))

    def bwd(residuals, cotangent):
        """Return the cotangents of the arguments."""
        cotangent = checked(residuals.result.whole(), cotangent)
        if has_aux:
            from runtime.zero import ZERO
            cotangent = cotangent, ZERO
        found = run(residuals.backward, [residuals.kept, cotangent])
        if isinstance(argnums, int):
            return found[0]
        order = sorted(residuals.backward.wrt)      # the backward half has them in the order of the parameters
        return tuple(found[order.index(place)] for place in residuals.backward.wrt)
    functools.update_wrapper(fwd, fun, assigned=("__module__", "__doc__"), updated=())
    return fwd, bwd


class _Loaded(tuple):
    """A loaded unit; known by its identity, as the static part of a structure is compared. wrt: the places of its arguments."""
    wrt = ()
    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def _loaded(unit, wrt, jitted):
    """Both halves with respect to some parameters, loaded; compiled where that is wanted."""
    made = Halves(*pipeline.derive("halves", unit, {"count": len(wrt), "argnums": wrt}, 0))
    if jitted:
        made = sealed(made)
        made = Halves(wrapped(made.fwd, "jit", ()), wrapped(made.bwd, "jit", ()))
    loaded = []
    for one in (made.fwd, made.bwd):
        module = emit(one)
        namespace = load(module)
        loaded.append(_Loaded((one, namespace[module.entry], namespace, module)))
        loaded[-1].wrt = wrt
    return loaded
