"""Jacobians: a derivative mapped over a standard basis.

Before: ``jacfwd(f)``.   After::

    def f_jacfwd(x):
        out, columns = f_jvp_vmap(x, rt.basis(x))
        return rt.columns(columns, like=x, result=out)
"""
from __future__ import annotations

from xform.names import Names
from xform.syntax import assign, call, const, function, name, pack, returns
from xform.unit import Unit


def _wrt(unit, options, prefix):
    from xform.pipeline import _argnums
    argnums = options.get("argnums", 0)
    return argnums, _argnums(unit, argnums, prefix)


def forward(unit, options, prefix):
    """Forward mode: one tangent a basis vector, all at once through vmap."""
    from xform.pipeline import derive, jvp_of
    argnums, wrt = _wrt(unit, options, prefix)
    has_aux = options.get("has_aux", False)
    flags = tuple(i in wrt for i in range(len(unit.params)))
    made = jvp_of(unit, flags)
    names = Names(set(unit.params))
    active = [unit.params[i] for i in sorted(set(wrt))]
    axes = (None,) * len(unit.params) + (0,) * len(active)
    pushed = derive("vmap", made, {"axes": axes, "out_axes": (None, 0), "ranks": tuple(made_ranks(unit, active))}, 0)
    tangents, body = [names.fresh(p + "_basis") for p in active], []
    if len(active) == 1:
        body.append(assign(tangents[0], call("rt.basis", [name(active[0])], _holomorphic(options))))
        like = name(active[0])
    else:
        body.append(assign(tangents, call("rt.basis", [pack(active)], _holomorphic(options))))
        like = pack(active)
    out, columns = names.fresh("out"), names.fresh("columns")
    body.append(assign([out, columns], call(pushed.name, [name(p) for p in unit.params] + [name(t) for t in tangents])))
    aux = None
    if has_aux:
        aux = names.fresh("aux")
        body.append(assign([out, aux], out))
        ignored = names.fresh("aux_columns")
        body.append(assign([columns, ignored], columns))
    likes = like if len(active) > 1 or isinstance(argnums, int) else pack(active)
    result = call("rt.columns", [name(columns)], {"like": likes, "result": name(out), **_order(argnums, wrt)})
    body.append(returns(pack([result, name(aux)]) if has_aux else result))
    return Unit(f"{unit.name}_jacfwd", function(f"{unit.name}_jacfwd", unit.params, body), {pushed.name: pushed}, set(),
                unit.file, unit.origin, signature=unit.signature)


def reverse(unit, options, prefix):
    """Reverse mode: one cotangent a basis vector of the result, all at once through vmap of the backward half."""
    from xform.pipeline import derive, halves_of
    argnums, wrt = _wrt(unit, options, prefix)
    has_aux = options.get("has_aux", False)
    flags = tuple(i in wrt for i in range(len(unit.params)))
    halves = halves_of(unit, flags)
    names = Names(set(unit.params))
    pulled = derive("vmap", halves.bwd, {"axes": (None, 0)}, 0)
    out, residuals, rows = names.fresh("out"), names.fresh("residuals"), names.fresh("rows")
    body = [assign([out, residuals], call(halves.fwd.name, [name(p) for p in unit.params]))]
    value = out
    seed = call("rt.basis", [name(out)], _holomorphic(options))
    aux = None
    if has_aux:
        value, aux = names.fresh("value"), names.fresh("aux")
        body.append(assign([value, aux], out))
        from xform.syntax import reference
        seed = pack([call("rt.basis", [name(value)], _holomorphic(options)), reference("rt.ZERO")])
        pulled = derive("vmap", halves.bwd, {"axes": (None, (0, None))}, 0)
    active = [unit.params[i] for i in sorted(set(wrt))]
    body.append(assign(rows, call(pulled.name, [name(residuals), seed])))
    given, likes = name(rows), name(active[0])
    if len(active) > 1 or not isinstance(argnums, int):
        given, likes = given if len(active) > 1 else pack([given]), pack(active)
    result = call("rt.rows_of", [given], {"like": likes, "result": name(value), **_order(argnums, wrt)})
    body.append(returns(pack([result, name(aux)]) if has_aux else result))
    return Unit(f"{unit.name}_jacrev", function(f"{unit.name}_jacrev", unit.params, body),
                {halves.fwd.name: halves.fwd, pulled.name: pulled}, set(), unit.file, unit.origin,
                signature=unit.signature)


def made_ranks(unit, active):
    """A tangent has the rank of its primal."""
    return [*unit.params, *active]


def _holomorphic(options):
    return {"holomorphic": const(True)} if options.get("holomorphic") else {}


def _order(argnums, wrt):
    """The ``order`` keyword where argnums are not in ascending order."""
    if isinstance(argnums, int) or wrt == sorted(wrt):
        return {}
    return {"order": pack([const(sorted(wrt).index(i)) for i in wrt])}
