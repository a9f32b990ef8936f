"""The registry of ops: what the compiler knows about a runtime function, stated beside the function as source templates.

An *op* is a public runtime function with a derivative rule of its own. A library function (plain Python over
ops) needs no entry here: the compiler transforms its source like a user's.

Templates are Python expressions in the user's own language. They may use the op's parameter names, ``out`` (the
result), ``d_out`` (its cotangent), ``<param>_dot`` (a tangent) and the aliases ``np`` (runtime.numpy), ``lax``,
``nn``, ``random`` and ``rt`` (runtime). ``like=x`` marks a use of ``x`` for which its shape, dtype and structure are enough.
Un-broadcasting and the summing of contributions are inserted by the transforms, never written in a rule.
"""
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from runtime.zero import ZERO


@dataclass(frozen=True)
class Rule:
    """How one op is differentiated and batched; exactly one derivative form is set.

    partials: elementwise op: parameter -> partial derivative; both modes derive from it.
    linear: the op is jointly linear in these parameters (``vjp`` holds the transposes).
    bilinear: the op is linear in each of these parameters separately (``vjp`` holds the transposes).
    jvp: parameter -> term of the tangent (linear in ``<param>_dot``), the terms are summed; or one expression for the
        whole tangent. Needs ``vjp``.
    vjp: parameter -> its cotangent from ``d_out``.
    constant: the derivative is zero everywhere (comparisons, floor, argmax, shape queries).
    nondifferentiable: why there is no derivative; differentiating through the op is refused with this reason.
    refuses: parameter -> why there is no derivative in it, for ops that are differentiable in others.
    elementwise: operands broadcast against each other and axis 0 may be a batch axis without further ado.
    absorbs: the op's vjp accepts a ``d_out`` that is still broadcast beyond ``out``'s shape.
    unbatched: the result carries no batch even where operands do (shapes, seeds).
    batch: plain Python function ``(*args, over)`` over ops; ``over`` names the parameters that carry a batch at
        axis 0; the result carries it at axis 0.
    uniform: elementwise, and the operands must have as many axes (or none): those without a batch are given them.
    merges: under a second batch the two batch axes become one, instead of the batching rule being batched itself: True always, False
        never (rules that count batch axes, and containers, whose parts may lack one), None where both have the same operands.
    """
    name: str
    function: Callable
    params: tuple[str, ...]
    defaults: Mapping[str, object]
    variadic: str | None = None
    partials: Mapping[str, str] | None = None
    linear: tuple[str, ...] | None = None
    bilinear: tuple[str, ...] | None = None
    jvp: Mapping[str, str] | str | None = None
    vjp: Mapping[str, str] = field(default_factory=dict)
    constant: bool = False
    nondifferentiable: str | None = None
    refuses: Mapping[str, str] = field(default_factory=dict)
    elementwise: bool = False
    absorbs: bool = False
    unbatched: bool = False
    batch: Callable | None = None
    merges: bool | None = None
    uniform: bool = False

    def differentiable(self) -> tuple[str, ...]:
        """Parameters through which a derivative flows."""
        if isinstance(self.jvp, str):
            return tuple(self.vjp)
        for form in (self.partials, self.linear, self.bilinear, self.jvp):
            if form is not None:
                return tuple(form)
        return ()


RULES: dict[Callable, Rule] = {}


def op(*, partials=None, linear=None, bilinear=None, jvp=None, vjp=None, constant=False,
       nondifferentiable=None, refuses=None, elementwise=False, absorbs=False, unbatched=False, batch=None, merges=None,
       name=None, vanishes=None, uniform=False):
    """Register the decorated function as an op.

    The function is returned unchanged, but for ops that are linear in one parameter or bilinear, or said to vanish with one:
    those map the symbolic zero to the symbolic zero.
    """
    linear = (linear,) if isinstance(linear, str) else linear
    bilinear = (bilinear,) if isinstance(bilinear, str) else bilinear
    forms = [form for form in (partials, linear, bilinear, jvp, constant or None, nondifferentiable) if form is not None]
    if len(forms) != 1:
        raise TypeError("an op states exactly one of partials, linear, bilinear, jvp, constant, nondifferentiable")

    def register(function):
        batching = batch
        zero_in = bilinear or (linear if linear and len(linear) == 1 else vanishes and (vanishes,))
        if zero_in:
            function = _zero_preserving(function, zero_in)
            batching = batch and _zero_preserving(batch, zero_in)
        params, defaults, variadic = _parameters(function)
        clash = [f"{p}_dot" for p in params if f"{p}_dot" in params and jvp]
        if clash:
            raise TypeError(f"op {function.__name__}: in a rule {clash[0]} is a tangent; give the parameter another name")
        rule = Rule(name or function.__name__, function, tuple(params), defaults, variadic, partials, linear, bilinear,
                    jvp, vjp or {}, constant, nondifferentiable, refuses or {}, elementwise or partials is not None,
                    absorbs or partials is not None, unbatched, batching, merges, uniform)
        needs = rule.differentiable() if partials is None else ()
        missing = [p for p in needs if p not in rule.vjp]
        if missing:
            raise TypeError(f"op {rule.name} has no vjp template for {', '.join(missing)}")
        RULES[function] = rule
        return function
    return register


def _parameters(function) -> tuple[list[str], dict, str | None]:
    """Return (parameters, defaults, the name of *args or None): as inspect.signature would find them, in a tenth of its time."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = function.__code__
    if code.co_flags & inspect.CO_VARKEYWORDS:
        raise TypeError(f"op {function.__name__} may not take **keywords")
    count, keyword_only = code.co_argcount, code.co_kwonlyargcount
    names, given = code.co_varnames, function.__defaults__ or ()
    variadic = names[count + keyword_only] if code.co_flags & inspect.CO_VARARGS else None
    params = [*names[:count], *([variadic] if variadic else ()), *names[count:count + keyword_only]]
    return params, {**dict(zip(names[count - len(given):count], given)), **(function.__kwdefaults__ or {})}, variadic


def _zero_preserving(function, params):
    """Return the function of an op with the symbolic zero for the symbolic zero.

    The cotangent of a variable that is the symbolic zero itself is not needed: it is a constant.
    """
    shaped = function.__name__ not in ("broadcast_like", "filled", "joined", "shared")     # which give a tangent its shape

    @functools.wraps(function)
    def op(*args, **kwargs):
        for arg in args:
            if arg is ZERO:
                return ZERO
        if kwargs and shaped and kwargs.get("like") is ZERO:
            return ZERO
        return function(*args, **kwargs)
    op.reads_as = function      # the source that the compiler reads
    op.zero_in = params         # and what it adds
    return op


def read_as(function):
    """Return the function whose source the compiler reads in place of one that does something of its own with some arguments."""
    while hasattr(function, "reads_as"):
        function = function.reads_as
    return function


def with_option(function, call, name, default):
    """Return ``call``, which stands for a public function and takes an option more; the compiler reads the function itself."""
    plain = read_as(function)
    signature = inspect.signature(plain)
    call = functools.wraps(function)(call)
    del call.__wrapped__
    option = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])
    call.reads_as = plain
    if function in RULES:
        RULES[call] = replace(RULES.pop(function), function=call)
    return call


def batched(function) -> Callable:
    """Return the batching function of an op: it takes the op's arguments and ``over``, the names of those that carry a batch
    at axis 0."""
    return RULES[function].batch


def rule_of(function) -> Rule | None:
    """The rule of an op, or None for anything else."""
    try:
        return RULES.get(function)
    except TypeError:  # unhashable: certainly no op
        return None
