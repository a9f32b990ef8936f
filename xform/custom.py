"""User-defined derivatives: custom_vjp, custom_jvp, custom_gradient, rules as source templates, and hooks into the backward pass."""
from __future__ import annotations

import functools
import inspect

from runtime import numpy as np


def with_names(signature, numbers, names):
    """The positions of the arguments that are named, with those that are numbered. ValueError for a name that is no parameter."""
    params, names = list(signature.parameters), (names,) if isinstance(names, str) else tuple(names)
    for one in names:
        if one not in params:
            raise ValueError(f"nondiff_argnames has {one!r}, which is no parameter of the function; it has {', '.join(params)}")
    return tuple(sorted({*numbers, *map(params.index, names)}))


class _Custom:
    """A function whose derivative the user states; the compiler calls the user's rule instead of reading the body."""
    _xform_custom = True
    symbolic_zeros = from_closure = False

    def __init__(self, fun, nondiff_argnums=(), nondiff_argnames=()):
        self.fun = fun
        self.nondiff_argnums = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        if nondiff_argnames:
            self.nondiff_argnums = with_names(inspect.signature(fun), self.nondiff_argnums, nondiff_argnames)
        functools.update_wrapper(self, fun, updated=())
        if self.__name__ == "<lambda>":     # generated code calls it by its name
            self.__name__ = "with_" + self.kind
        self.__signature__ = inspect.signature(fun)

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)


class SymbolicZero:
    """The tangent that a rule with symbolic_zeros=True gets where the derivative is known to be zero."""
    _xform_apart = True     # the compiler knows where there is one

    def __init__(self, like):
        self.like = like

    @property
    def shape(self):
        return np.shape(self.like)

    @property
    def ndim(self):
        return np.ndim(self.like)

    @property
    def dtype(self):
        return np.asarray(self.like).dtype


class CustomVJPPrimal:
    """An argument as a forward rule with symbolic_zeros=True gets it: its value, and whether a derivative flows through it."""
    _xform_apart = True

    def __init__(self, value, perturbed):
        self.value, self.perturbed = value, perturbed


class custom_vjp(_Custom):
    """Give a function a reverse-mode rule of its own.

    ``f.defvjp(fwd, bwd)``: ``fwd(*args) -> (out, residuals)``; ``bwd(residuals, d_out)`` returns a tuple with one cotangent
    for each differentiable argument (None for zero). Arguments in ``nondiff_argnums`` and ``nondiff_argnames`` come first in
    ``bwd``. Where it is differentiated, raises TypeError for cotangents whose containers are not those of the arguments, ValueError
    for other shapes.
    """
    kind = "vjp"

    def __init__(self, fun, nondiff_argnums=(), nondiff_argnames=()):
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.fwd = self.bwd = None

    def __call__(self, *args, **kwargs):
        if self.fwd is None:
            raise AttributeError(f"No VJP defined for custom_vjp function {self.__name__} using defvjp.")
        return self.fun(*args, **kwargs)

    def defvjp(self, fwd, bwd, symbolic_zeros=False, optimize_remat=False):
        """Set the rule. symbolic_zeros: ``fwd`` gets a CustomVJPPrimal for each differentiable argument."""
        self.fwd, self.bwd, self.symbolic_zeros = fwd, bwd, symbolic_zeros


class custom_jvp(_Custom):
    """Give a function a forward-mode rule of its own; reverse mode follows from it.

    ``f.defjvp(rule)``: ``rule(primals, tangents) -> (out, out_dot)``, linear in ``tangents``. Arguments in
    ``nondiff_argnums`` and ``nondiff_argnames`` come first in ``rule``. Where it is differentiated, raises TypeError for a tangent
    that has not the structure, shapes and dtypes of the result.
    """
    kind = "jvp"

    def __init__(self, fun, nondiff_argnums=(), nondiff_argnames=()):
        super().__init__(fun, nondiff_argnums, nondiff_argnames)
        self.rule = None

    def __call__(self, *args, **kwargs):
        if self.rule is None:
            raise AttributeError(f"No JVP defined for custom_jvp function {self.__name__} using defjvp.")
        return self.fun(*args, **kwargs)

    def defjvp(self, jvp, symbolic_zeros=False):
        """Set the rule; returns it, so that this works as a decorator. symbolic_zeros: tangents that are zero are SymbolicZeros."""
        self.rule, self.symbolic_zeros = jvp, symbolic_zeros
        return jvp

    def defjvps(self, *rules):
        """Set one rule an argument: ``rule(tangent, out, *primals)``; None for an argument without derivative."""
        if self.nondiff_argnums:
            raise TypeError("defjvps states a rule for each argument: nondiff_argnums have none; use defjvp")
        fun = self      # the derivative of the result follows the rules, too

        def jvp(primals, tangents):
            out = fun(*primals)
            total = None
            for rule, tangent in zip(rules, tangents):
                if rule is not None:
                    term = rule(tangent, out, *primals)
                    total = term if total is None else total + term
            return out, np.zeros_like(out) if total is None else total
        self.rule = jvp


def custom_gradient(fun):
    """Give a function its reverse mode by returning it: ``fun(*args) -> (out, vjp_fun)``."""
    made = _FromClosure(fun)
    made.from_closure = True
    return made


class _FromClosure(custom_vjp):
    """What custom_gradient makes: the compiler reads the rule off what the function returns."""

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs)[0]


def call_units(self, *args):
    """Call a function whose rule consists of units: its code is made on the first call."""
    if "_loaded" not in self.__dict__:
        from xform.emit import emit
        from xform.load import load
        module = emit(self.fun)
        self._loaded = load(module)[module.entry]
    return self._loaded(*args)


def _itself(x):
    return x


class backward_hook(_Custom):
    """Run a function on a cotangent: ``y = hook(y)`` is ``y``, and the backward half calls ``fun`` on its cotangent there.

    fun: takes the cotangent of the value and returns the one to go on with, or nothing to leave it as it is (to print it, to
    stop in the debugger with ``breakpoint()``). Forward mode ignores it. Under vmap it sees one example's cotangent.

        clip = xform.backward_hook(lambda d: np.clip(d, -1, 1))
        y = clip(y)
    """
    kind = "hook"

    def __init__(self, fun):
        super().__init__(fun)
        self.fun, self.hook = _itself, fun
        self.__signature__ = inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY)])

    def __call__(self, x):
        return x


def op(*, partials=None, linear=None, bilinear=None, jvp=None, vjp=None, constant=False, nondifferentiable=None,
       elementwise=False, batch=None):
    """Decorate a function with its rules as source templates, written as those of the library's own operations are.

    partials: parameter -> partial derivative of an elementwise function, e.g. ``{"x": "1 / (1 + x * x)"}``; both modes follow.
    linear, bilinear: the parameters in which the function is linear; ``vjp`` holds the transposes.
    jvp, vjp: parameter -> its term of the tangent (from ``<param>_dot``), and its cotangent (from ``d_out``).
    constant: the derivative is zero. nondifferentiable: why there is none.
    batch: ``batch(*args, over)`` computes a batch, ``over`` naming the parameters that carry it in axis 0; elementwise
    functions need none. Templates may use the parameters, ``out``, ``np``, ``lax``, ``nn`` and ``random``.
    Raises TypeError unless exactly one form is given, ValueError for a template with a name that it cannot know.
    """
    from runtime.op import op as register

    def decorate(fun):
        params = list(inspect.signature(fun).parameters)
        for form in (partials, jvp, vjp):
            for template in [form] if isinstance(form, str) else (form or {}).values():
                _check_template(fun, template, params)
        return register(partials=partials, linear=linear, bilinear=bilinear, jvp=jvp, vjp=vjp, constant=constant,
                        nondifferentiable=nondifferentiable, elementwise=elementwise, batch=batch)(fun)
    return decorate


def _check_template(fun, template, params):
    import ast
    known = {*params, *(p + "_dot" for p in params), "out", "d_out", "np", "lax", "nn", "random", "rt"}
    try:
        tree = ast.parse(template, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"the template {template!r} of {fun.__name__} is not an expression: {error.msg}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in known:
            raise ValueError(f"the template {template!r} of {fun.__name__} uses {node.id!r}; it may use the parameters "
                             f"({', '.join(params)}), out, d_out, <parameter>_dot, np, lax, nn and random")
