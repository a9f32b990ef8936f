"""jvp, vjp, linearize and jet called inside a transformed function.

Before::

    out, pullback = vjp(f, x)
    (d_x,) = pullback(1.0)

After::

    pair = f_vjp_fwd(x)
    out, residuals = pair
    item = f_vjp_bwd(residuals, 1.0)
"""
from __future__ import annotations

import inspect

import gast
import numpy

from xform import parse, resolve
from xform.desugar import asked, spread
from xform.desugar.calls import UnitValue, arguments, atom_of, bind, direct, one_argument, unstarred
from xform.desugar.partials import keywords_first
from xform.errors import refuse
from xform.resolve import Display, Partial
from xform.syntax import assign, at, call, clone, const, name
from xform.unit import Unit


def call_direct(lowering, kind, node):
    """The value of ``jvp(f, primals, tangents)``, ``jet(f, primals, series)`` or ``eval_shape(f, *args)`` inside a transformed function."""
    if kind == "shapes":
        return asked.eval_shape(lowering, node)
    given = _given(lowering, _api(kind), node)
    made = _jet(lowering, given, node) if kind == "jet" else _jvp(lowering, given, node)
    return at(gast.Tuple(made, gast.Load()), node)


def _jvp(lowering, given, node):
    """The atoms of (out, out_dot) of ``jvp(f, primals, tangents)``, and of the auxiliary data."""
    from xform import pipeline
    primals, tangents = _spread(lowering, given, "primals", node), _spread(lowering, given, "tangents", node)
    if len(primals) != len(tangents):
        refuse(node, lowering.unit, f"jvp needs a tangent for each primal; this call gives {len(primals)} primals and "
               f"{len(tangents)} tangents", "Give as many tangents as primals.")
    primals, tangents = ([_array(lowering, atom, node) for atom in atoms] for atoms in (primals, tangents))
    target, prefix, filled = _target(lowering, "jvp", given, primals, node)
    unit = pipeline.derive("jvp", target, {"count": len(primals)}, len(prefix))
    pair = lowering.store_temp(call(name(lowering.refer(unit.name, unit), node), prefix + filled + tangents, node=node), "pair", node)
    names = [lowering.temp("out"), lowering.temp("out_dot")]
    lowering.out.append(assign(names, pair, node))
    dot = lowering.store_temp(call("rt.filled", [name(names[1], node)], {"like": name(names[0], node)}, node), "out_dot", node)
    if not _has_aux(lowering, given):
        return [name(names[0], node), dot]
    out, aux = _parts(lowering, name(names[0], node), ["out", "aux"], node)
    return [out, _parts(lowering, dot, ["out_dot"], node)[0], aux]


def _jet(lowering, given, node):
    """The atoms of the value and of the terms of ``jet(f, primals, series)``."""
    from xform import pipeline
    primals = [_array(lowering, atom, node) for atom in _spread(lowering, given, "primals", node)]
    lists = spread.items(lowering, given["series"], lambda e: e)
    orders = [None if lists is None else spread.length(lowering, e) for e in lists or [None]]
    if lists is None or None in orders:
        return _jet_of_any_order(lowering, given, primals, node)
    if len(lists) != len(primals) or len(set(orders)) != 1:
        refuse(node, lowering.unit, f"jet needs a list of terms for each primal, all of one length; this call gives {len(primals)} primals "
               f"and lists of the lengths {orders}", "Give equally many terms for each primal.")
    terms = [_array(lowering, atom_of(lowering, a, node), node)
             for row in zip(*[spread.items(lowering, e, lambda one: atom_of(lowering, one_argument(lowering, one), node)) for e in lists])
             for a in row]
    target, prefix, filled = _target(lowering, "jet", given, primals, node)
    scaled = bool(resolve.literal(given["factorial_scaled"], lowering, "factorial_scaled")) if "factorial_scaled" in given else True
    unit = pipeline.derive("jet", target, {"count": len(primals), "order": orders[0], "scaled": scaled}, len(prefix))
    made = lowering.store_temp(call(name(lowering.refer(unit.name, unit), node), prefix + filled + terms, node=node), "pair", node)
    return _parts(lowering, made, ["out", "terms"], node)


def _jet_of_any_order(lowering, given, primals, node):
    """The atoms of ``jet`` for lists whose lengths the text does not tell: one call for each length, of which one is run."""
    from runtime.taylor import MOST
    series = lowering.store_temp(lowering.value(given["series"]), "series", node)
    order = lowering.store_temp(call("rt.order_of", [series], node=node), "order", node)

    def item(base, k):
        return at(gast.Subscript(base, const(k, node), gast.Load()), node)

    def of(length):
        lists = [at(gast.Tuple([item(item(clone(series), i), k) for k in range(length)], gast.Load()), node) for i in range(len(primals))]
        scaled = [gast.keyword("factorial_scaled", clone(given["factorial_scaled"]))] if "factorial_scaled" in given else []
        return at(gast.Call(clone(node.func), [clone(given["fun"]), at(gast.Tuple(list(map(clone, primals)), gast.Load()), node),
                                               at(gast.Tuple(lists, gast.Load()), node)], scaled), node)
    chosen = of(MOST)
    for length in range(MOST - 1, -1, -1):
        test = at(gast.Compare(clone(order), [gast.Eq()], [const(length, node)]), node)
        chosen = at(gast.IfExp(test, of(length), chosen), node)
    return _parts(lowering, lowering.store_temp(lowering.value(chosen), "pair", node), ["out", "terms"], node)


def _array(lowering, atom, node):
    """A primal or tangent as an array: NumPy's own, from outside, could not be indexed by what is staged."""
    known = lowering.known(atom)
    if isinstance(known, resolve.Object) and isinstance(known.value, numpy.ndarray):
        return lowering.store_temp(call("np.asarray", [atom], node=node), "array", node)
    return atom


def _api(kind):
    """The function that users call for a kind of transformation."""
    return next(api for api, own in resolve.TRANSFORMATIONS.items() if own == kind)


def _given(lowering, api, node):
    """What the call of a transformation gives for each of its parameters: expressions; those for *primals in a list."""
    signature = inspect.signature(api)
    if any(k.arg is None for k in node.keywords):
        refuse(node, lowering.unit, f"{api.__name__} with **kwargs is not supported inside a transformed function",
               "Spell the keyword arguments out.")
    try:
        return dict(signature.bind(*node.args, **{k.arg: k.value for k in node.keywords}).arguments)
    except TypeError as error:
        refuse(node, lowering.unit, f"{api.__name__}() {error}")


def _has_aux(lowering, given):
    return "has_aux" in given and bool(resolve.literal(given["has_aux"], lowering, "has_aux"))


def _target(lowering, kind, given, primals, node):
    """(unit, leading atoms, atoms of its other parameters) of the function that is differentiated at some primals."""
    from xform import pipeline
    known = lowering.known(given["fun"])
    if known is None:
        refuse(node, lowering.unit, f"{kind} of a function that is not known when the code is transformed",
               "Apply it to a function defined or imported by name, a lambda or a partial of one.")
    known = resolve.normal(known)
    unit, prefix, keywords = direct(lowering, known, node, given=(len(primals), ()))
    if not isinstance(unit, Unit):
        unit = pipeline.unit_of_callable(unit.value, lowering, node)
    if keywords or isinstance(known, Partial):
        unit, prefix = keywords_first(lowering, unit, prefix, keywords, node)
    return unit, prefix, bind(lowering, unit, primals, {}, node, known)


def _spread(lowering, given, which, place):
    """The atoms of a tuple or list of primals or tangents."""
    node = given[which]

    def one(expression):
        return atom_of(lowering, one_argument(lowering, expression), place)
    found = spread.items(lowering, node, one)
    if found is not None:
        return [atom_of(lowering, a, place) for a in found]
    count = None
    for other in ("primals", "tangents", "series"):
        if other not in given:
            continue
        count = spread.length(lowering, given[other]) if count is None else count
    if count is None:
        known = resolve.normal(lowering.known(given["fun"]))
        target, prefix, held = direct(lowering, known, place)
        signature = target.signature if isinstance(target, Unit) else parse.signature(target.value)
        parameters = [p for p in signature.parameters.values() if p.name not in held][len(prefix) * isinstance(known, Partial):]
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
            refuse(place, lowering.unit, f"how many {which} this call gives is not known when the code is transformed",
                   "Write them as a tuple.")
        count = len([p for p in parameters if p.default is p.empty])
    return _parts(lowering, lowering.atom(node), ["primal"] * count, place)


def _parts(lowering, atom, wanted, node):
    """The items of a tuple as locals; of a longer one only the first, where one is wanted."""
    names = [lowering.temp(w) for w in wanted]
    if len(names) > 1:
        lowering.out.append(assign(names, atom, node))
    else:
        lowering.emit(names[0], at(gast.Subscript(clone(atom), const(0), gast.Load()), node), node)
    return [name(n, node) for n in names]


def pair_of(lowering, kind, node):
    """``vjp(f, *primals)`` and ``linearize``: the output and, as a compile-time function over the residuals, the linear map;
    with ``has_aux`` the auxiliary data, too."""
    from xform import pipeline
    given = _given(lowering, _api(kind), node)
    primals, _ = arguments(lowering, at(gast.Call(node.func, list(given.get("primals", ())), []), node))
    primals = [a if isinstance(a, gast.Starred) else atom_of(lowering, a, node) for a in primals]
    if any(isinstance(a, gast.Starred) for a in primals):
        unit = direct(lowering, resolve.normal(lowering.known(given["fun"])), node)[0]
        signature = getattr(unit, "signature", None) or parse.signature(unit.value)
        primals = unstarred(lowering, signature, primals, {}, node)
    if any(isinstance(a, gast.Starred) for a in primals):
        refuse(node, lowering.unit, f"{kind} with *args of a number that is not known when the code is transformed",
               "Spell the arguments out.")
    unit, prefix, filled = _target(lowering, kind, given, [_array(lowering, atom, node) for atom in primals], node)
    has_aux = _has_aux(lowering, given)
    if kind == "linearize":
        made = pipeline.derive("jvp", unit, {"count": len(primals)}, len(prefix))
        out = lowering.store_temp(call(name(lowering.refer(unit.name, unit), node), prefix + filled, node=node), "out", node)
        linear = Partial(UnitValue(pipeline.derive("pushforward", made, {"has_aux": has_aux}, 0)), tuple(prefix + filled), (), True)
        if not has_aux:
            return Display((out, linear))
        out, aux = _parts(lowering, out, ["out", "aux"], node)
        return Display((out, linear, aux))
    forward, backward = pipeline.derive("halves", unit, {"count": len(primals)}, len(prefix))
    names = [lowering.temp("out"), lowering.temp("residuals")]
    pair = lowering.store_temp(call(name(lowering.refer(forward.name, forward), node), prefix + filled, node=node), "pair", node)
    lowering.out.append(assign(names, pair, node))
    if has_aux:
        out, aux = _parts(lowering, name(names[0], node), ["out", "aux"], node)
        backward = pipeline.without_aux(backward)
        return Display((out, Partial(UnitValue(backward), (name(names[1], node),), (), True), aux))
    return Display((name(names[0], node), Partial(UnitValue(backward), (name(names[1], node),), (), True)))
