"""jvp, vjp and linearize called inside a transformed function.

Before::

    out, pullback = vjp(f, x)
    (d_x,) = pullback(1.0)

After::

    pair = f_vjp_fwd(x)
    out, residuals = pair
    item = f_vjp_bwd(residuals, 1.0)
"""
from __future__ import annotations

import gast

from xform import resolve
from xform.desugar.calls import UnitValue, arguments, atom_of, direct
from xform.desugar.partials import keywords_first
from xform.errors import refuse
from xform.resolve import Display, Partial
from xform.syntax import assign, at, call, clone, const, name
from xform.unit import Unit

def call_direct(lowering, kind, node):
    """``jvp(f, primals, tangents)`` inside a transformed function: returns the atoms of (out, out_dot)."""
    known = lowering.known(node.args[0])
    if known is None:
        refuse(node, lowering.unit, "jvp of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, a lambda or a partial of one.")
    from xform import pipeline
    target, prefix, keywords = direct(lowering, resolve.normal(known), node)
    if not isinstance(target, Unit):
        target = pipeline.unit_of_callable(target.value, lowering, node)
    if keywords:
        target, prefix = keywords_first(lowering, target, prefix, keywords, node)
    primals = _spread(lowering, node.args[1], target, node)
    tangents = _spread(lowering, node.args[2], target, node)
    unit = pipeline.derive("jvp", target, {"count": len(primals)}, len(prefix))
    result = call(name(lowering.refer(unit.name, unit), node), prefix + primals + tangents, node=node)
    pair = lowering.store_temp(result, "pair", node)
    names = [lowering.temp("out"), lowering.temp("out_dot")]
    lowering.out.append(assign(names, pair, node))
    return [name(n, node) for n in names]


def _spread(lowering, node, unit, place):
    if isinstance(node, (gast.Tuple, gast.List)):
        return [lowering.atom(e) for e in node.elts]
    known = lowering.known(node)
    items = resolve.items_of(known) if isinstance(known, resolve.Display) else None
    if items is not None and items[1] is None:
        return [atom_of(lowering, clone(v) if isinstance(v, gast.AST) else v, place) for v in items[0]]
    value = lowering.atom(node)
    count = len([p for p in unit.signature.parameters.values() if p.default is p.empty])
    names = [lowering.temp("primal") for _ in range(count)]
    if count == 1:
        lowering.emit(names[0], at(gast.Subscript(value, const(0), gast.Load()), place), place)
    else:
            lowering.out.append(assign(names, value, place))
    return [name(n, place) for n in names]


def pair_of(lowering, kind, node):
    """``vjp(f, *primals)`` and ``linearize``: the output and, as a compile-time function over the residuals, the linear map."""
    from xform import pipeline
    known = lowering.known(node.args[0])
    if known is None:
        refuse(node, lowering.unit, f"{kind} of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, a lambda or a partial of one.")
    if node.keywords:
        refuse(node, lowering.unit, f"{kind} with options is not supported inside a transformed function", "Leave them out.")
    unit, prefix, keywords = direct(lowering, resolve.normal(known), node)
    if not isinstance(unit, Unit):
        unit = pipeline.unit_of_callable(unit.value, lowering, node)
    if keywords:
        unit, prefix = keywords_first(lowering, unit, prefix, keywords, node)
    given, _ = arguments(lowering, at(gast.Call(node.func, node.args[1:], []), node))
    primals = [atom_of(lowering, a, node) for a in given]
    if any(isinstance(a, gast.Starred) for a in primals):
        refuse(node, lowering.unit, f"{kind} with *args of a number that is not known when the code is transformed",
               "Spell the arguments out.")
    if kind == "linearize":
        made = pipeline.derive("jvp", unit, {"count": len(primals)}, len(prefix))
        out = call(name(lowering.refer(unit.name, unit), node), prefix + primals, node=node)
        push = pipeline.derive("pushforward", made, {}, 0)
        linear = Partial(UnitValue(push), tuple(prefix + primals), ())
        return Display((lowering.store_temp(out, "out", node), linear))
    forward, backward = pipeline.derive("halves", unit, {"count": len(primals)}, len(prefix))
    residuals = lowering.temp("residuals")
    pair = lowering.store_temp(call(name(lowering.refer(forward.name, forward), node), prefix + primals, node=node),
                               "pair", node)
    out = lowering.temp("out")
    lowering.out.append(assign([out, residuals], pair, node))
    return Display((name(out, node), Partial(UnitValue(backward), (name(residuals, node),), ())))
