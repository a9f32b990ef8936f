"""Comprehensions become loops that append.

Before::

    ys = [x * x for x in xs if x > 0]

After::

    ys = []
    for x in xs:
        above = x > 0
        if above:
            product = x * x
            ys = rt.append(ys, product)

Those over functions or objects that are known here have no loop: their turns stand one behind the other.
"""
from __future__ import annotations

import gast

from xform.desugar import sequences
from xform.syntax import assign, at, call, clone, name, rename, target_names


def lower(lowering, node):
    """Lower a list, dict or generator comprehension; returns the name that holds its result."""
    result = lowering.temp("items")
    is_dict = isinstance(node, gast.DictComp)
    empty = gast.Dict([], []) if is_dict else gast.List([], gast.Load())
    lowering.emit(result, at(empty, node), node)
    if is_dict:
        element = at(gast.Tuple([node.key, node.value], gast.Load()), node)
    else:
        element = node.elt
    node = at(gast.ListComp(clone(element), [clone(g) for g in node.generators]), node)
    mapping = {}
    for generator in node.generators:
        for identifier in target_names(generator.target):
            made = lowering.names.fresh(identifier) if identifier in lowering.counts or identifier in lowering.names.used \
                and identifier in lowering.statics else identifier
            lowering.names.take(made)
            lowering.counts[made] = 2
            mapping[identifier] = made
    first = node.generators[0].iter
    node.generators[0].iter = gast.Constant(None, None)
    rename(node, mapping)
    node.generators[0].iter = first
    _loops(lowering, node, 0, result, is_dict)
    return name(result, node)


def _loops(lowering, node, depth, result, is_dict):
    if depth == len(node.generators):
        if is_dict:
            key, value = (lowering.atom(e) for e in node.elt.elts)
            lowering.emit(result, call("rt.setitem", [name(result), key, value], node=node), node)
        else:
            value = lowering.atom(node.elt)
            lowering.emit(result, call("rt.append", [name(result), value], node=node), node)
        return
    generator = node.generators[depth]
    found = sequences.turns_of_functions(lowering, generator.iter)
    if found is not None:
        for value in found:
            again = clone(node)
            sequences.bind(lowering, again.generators[depth].target, value, node)
            _tests(lowering, again, again.generators[depth].ifs, depth, result, is_dict)
        return
    body_marker = at(gast.Pass(), node)
    loop = at(gast.For(generator.target, generator.iter, [body_marker], [], None), node)
    lowering.do_For(loop)
    made = lowering.out[-1]
    outer, lowering.out = lowering.out, [s for s in made.body if not isinstance(s, gast.Pass)]
    _tests(lowering, node, generator.ifs, depth, result, is_dict)
    made.body, lowering.out = lowering.out, outer


def _tests(lowering, node, tests, depth, result, is_dict):
    if not tests:
        _loops(lowering, node, depth + 1, result, is_dict)
        return
    test = lowering.atom(tests[0])
    outer, lowering.out = lowering.out, []
    _tests(lowering, node, tests[1:], depth, result, is_dict)
    body, lowering.out = lowering.out, outer
    lowering.out.append(at(gast.If(test, body, []), node))


__all__ = ["lower", "assign"]
