"""Operands of structured control flow: truth values that are written out are arrays, as the functions that get them take them.

Before::

    lax.while_loop(lambda v: ~v[1], body, (x, False))

After::

    done = np.asarray(False)
    ... (x, done)

Of a Python bool, ``~`` is a whole number.
"""
from __future__ import annotations

import gast

from xform.library import lookup
from xform.resolve import Object
from xform.syntax import at, call


def with_arrays(lowering, function, node):
    """The call of a function with the truth values in its array operands as arrays; the call itself where there are none."""
    names = getattr(function, "array_operands", None)
    if not names:
        return node
    params = function.__code__.co_varnames if not hasattr(function, "reads_as") else function.reads_as.__code__.co_varnames
    args = [_arrays(lowering, a) if i < len(params) and params[i] in names else a for i, a in enumerate(node.args)]
    keywords = [gast.keyword(k.arg, _arrays(lowering, k.value)) if k.arg in names else k for k in node.keywords]
    if all(a is b for a, b in zip(args, node.args)) and all(k.value is old.value for k, old in zip(keywords, node.keywords)):
        return node
    return at(gast.Call(node.func, args, keywords), node)


def _arrays(lowering, node):
    if isinstance(node, gast.Constant) and isinstance(node.value, bool):
        lowering.statics["asarray__"] = Object(lookup("np.asarray"))
        return call("asarray__", [node], node=node)
    if isinstance(node, (gast.Tuple, gast.List)):
        made = [_arrays(lowering, e) for e in node.elts]
        return node if all(a is b for a, b in zip(made, node.elts)) else at(type(node)(made, node.ctx), node)
    if isinstance(node, gast.Dict):
        made = [_arrays(lowering, v) for v in node.values]
        return node if all(a is b for a, b in zip(made, node.values)) else at(gast.Dict(node.keys, made), node)
    return node
