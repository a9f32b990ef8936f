"""User-defined derivatives: custom_vjp, custom_jvp, custom_gradient."""
from __future__ import annotations

import functools
import inspect


class _Custom:
    """A function whose derivative the user states; the compiler calls the user's rule instead of reading the body."""
    _xform_custom = True

    def __init__(self, fun, nondiff_argnums=()):
        self.fun = fun
        self.nondiff_argnums = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        functools.update_wrapper(self, fun, updated=())
        self.__signature__ = inspect.signature(fun)

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)


class custom_vjp(_Custom):
    """Give a function a reverse-mode rule of its own.

    ``f.defvjp(fwd, bwd)``: ``fwd(*args) -> (out, residuals)``; ``bwd(residuals, d_out)`` returns a tuple with one cotangent
    for each differentiable argument (None for zero). Arguments in ``nondiff_argnums`` come first in ``bwd``.
    """
    kind = "vjp"

    def __init__(self, fun, nondiff_argnums=()):
        super().__init__(fun, nondiff_argnums)
        self.fwd = self.bwd = None

    def defvjp(self, fwd, bwd, symbolic_zeros=False, optimize_remat=False):
        """Set the rule."""
        self.fwd, self.bwd = fwd, bwd


class custom_jvp(_Custom):
    """Give a function a forward-mode rule of its own; reverse mode follows from it.

    ``f.defjvp(rule)``: ``rule(primals, tangents) -> (out, out_dot)``, linear in ``tangents``. Arguments in
    ``nondiff_argnums`` come first in ``rule``.
    """
    kind = "jvp"

    def __init__(self, fun, nondiff_argnums=()):
        super().__init__(fun, nondiff_argnums)
        self.rule = None

    def defjvp(self, jvp, symbolic_zeros=False):
        """Set the rule; returns it, so that this works as a decorator."""
        self.rule = jvp
        return jvp

    def defjvps(self, *rules):
        """Set one rule an argument: ``rule(tangent, out, *primals)``; None for an argument without derivative."""
        fun = self.fun

        def jvp(primals, tangents):
            out = fun(*primals)
            total = None
            for rule, tangent in zip(rules, tangents):
                if rule is not None:
                    term = rule(tangent, out, *primals)
                    total = term if total is None else total + term
            return out, total
        self.rule = jvp


def custom_gradient(fun):
    """Give a function its reverse mode by returning it: ``fun(*args) -> (out, vjp_fun)``."""
    @functools.wraps(fun)
    def primal(*args):
        return fun(*args)[0]
    made = custom_vjp(primal)
    made.defvjp(fun, _call_residuals)
    made.from_closure = True
    return made


def _call_residuals(vjp_fun, d_out):
    made = vjp_fun(d_out)
    return made if isinstance(made, tuple) else (made,)
