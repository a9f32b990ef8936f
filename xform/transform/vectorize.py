"""vectorize: a function of arrays of few axes, mapped over all further axes of its arguments.

Before: ``np.vectorize(f, signature="(n),(n)->()")``.   After::

    def f_vectorized(x, y):
        loop = rt.loop_shape((x, y), (("n",), ("n",)), "on vectorized function f")
        out = f_vmap(rt.flattened(x, loop, 1), rt.flattened(y, loop, 1))
        rt.check_results(out, ...)
        return rt.unflattened(out, loop)
"""
from __future__ import annotations

import inspect

from runtime.vectorized import parse_signature
from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, returns
from xform.unit import Unit


def derive(unit, options, prefix):
    """vectorize(f), with the first ``prefix`` parameters, the excluded ones and those without a value left as they are."""
    from xform.pipeline import derive as derived
    own = unit.params[prefix:]
    excluded = options.get("excluded") or ()
    signature = options.get("signature")
    title = f"on vectorized function with excluded={options.get('shown', 'frozenset()')} and signature={signature!r}"
    mapped = [p for i, p in enumerate(own) if i not in excluded and p not in excluded and _given(unit, p, options)]
    cores, results = ((),) * len(mapped), None
    if signature is not None:
        cores, results = parse_signature(signature)
        if len(cores) != len(mapped):
            raise TypeError(f"wrong number of positional arguments: expected {len(cores)}, got {len(mapped)} {title}")
    if not mapped:
        return unit
    axes = tuple(0 if p in mapped else None for p in unit.params)
    ranks = tuple(len(cores[mapped.index(p)]) if p in mapped else None for p in unit.params)
    batched = derived("vmap", unit, {"axes": axes, "ranks": ranks}, 0)
    names = Names({*unit.params, batched.name})
    loop, out = names.fresh("loop"), names.fresh("out")
    args = pack(mapped)
    shown = pack([pack([const(n) for n in core]) for core in cores])
    flat = [call("rt.flattened", [name(p), name(loop), const(len(cores[mapped.index(p)]))]) if p in mapped else name(p) for p in unit.params]
    body = [assign(loop, call("rt.loop_shape", [args, shown, const(title)])), assign(out, call(batched.name, flat))]
    if results is not None:
        wanted = pack([pack([const(n) for n in core]) for core in results])
        body.append(assign(names.fresh("checked"), call("rt.check_results", [name(out), pack(mapped), shown, wanted, const(title)])))
    body.append(returns(call("rt.unflattened", [name(out), name(loop)])))
    own_name = f"{unit.name}_vectorized"
    return Unit(own_name, function(own_name, unit.params, body), {batched.name: batched}, set(), unit.file, unit.origin,
                signature=unit.signature)


def _given(unit, param, options):
    """Whether a parameter gets a number or an array: what a call says, else what the default value tells."""
    if "given" in options:
        return param in options["given"]
    known = unit.signature.parameters.get(param) if unit.signature is not None else None
    default = inspect.Parameter.empty if known is None else known.default
    return default is inspect.Parameter.empty or isinstance(default, (int, float, complex)) or hasattr(default, "dtype")
