"""Tuples and lists as arguments of NumPy's own functions, which take any sequence where the runtime's take arrays.

    n = numpy.prod(x.shape)
    y = numpy.concatenate([[0.0], numpy.convolve(x, [1.0, 2.0])])
    ->
    n = np.prod(np.asarray(x.shape))
    y = np.concatenate([np.asarray([0.0]), np.convolve(x, np.asarray([1.0, 2.0]))])
"""
from __future__ import annotations

import builtins

import gast
import numpy

from xform import parse
from xform.desugar.joins import is_sequence
from xform.library import canonical, is_runtime, lookup
from xform.resolve import Object
from xform.syntax import at, call, clone, target_names

ON_SHAPES = frozenset("prod cumprod cumsum argsort diff".split())   # what programs ask of shapes and permutations
JOINING = frozenset("concatenate stack hstack vstack dstack column_stack".split())       # of sequences of arrays
# the names that NumPy gives to parameters which take anything that can be made an array
ARRAYS = frozenset("a b x y v m p A x1 x2 ar1 ar2 xp fp arr ary array element test_elements condition weights indices ind bins values vals operands arys "
                   "xi min max".split())
# they take sequences themselves, or such a parameter is no array there
OTHERS = frozenset("array block asarray asanyarray ascontiguousarray shape ndim size iscomplexobj isscalar result_type can_cast select choose piecewise "
                   "multi_dot histogram histogram2d histogramdd histogram_bin_edges".split())


def as_arrays(lowering, value, args, keywords, node):
    """The arguments of a call as (positional, by keyword), those made arrays that NumPy's function may be given as sequences."""
    own = getattr(value, "__name__", None)
    if is_runtime(value) or not isinstance(node, gast.Call) or own in OTHERS or not _of_numpy(value) \
            or any(isinstance(a, gast.Starred) for a in args):
        return args, keywords
    if own in JOINING:
        return [_joined(lowering, a, node) if not i else a for i, a in enumerate(args)], keywords
    names = _parameters(value, len(args))
    written = [*node.args, *[None] * len(args)]
    made = [_array(lowering, a, w, own if not i else None, node) if p in ARRAYS else a for i, (p, a, w) in enumerate(zip(names, args, written))]
    given = {k.arg: k.value for k in node.keywords}
    return made, {k: _array(lowering, a, given.get(k), None, node) if k in ARRAYS else a for k, a in keywords.items()}


def _of_numpy(value):
    if getattr(builtins, getattr(value, "__name__", ""), None) is value:       # Python's sum adds the items as they are
        return False
    return isinstance(value, numpy.ufunc) or (getattr(value, "__module__", None) or "").split(".")[0] == "numpy"


def _parameters(value, count):
    """The names of a function's parameters by position, the last one for all that follow where it takes any number."""
    if isinstance(value, numpy.ufunc):
        return ["x"] * min(value.nin, count) + ["out"] * max(0, count - value.nin)
    found = []
    for p in parse.signature(lookup(canonical(value))).parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            return found + [p.name] * count
        found.append(p.name)
    return found + [None] * count


def _array(lowering, atom, written, own, node):
    """An argument, made an array where it is a sequence; ``own``: the function's name, for what is asked of shapes."""
    if not isinstance(atom, gast.AST):
        return atom
    unknown = isinstance(written, gast.Name) or isinstance(written, gast.Subscript) and isinstance(written.slice, gast.Slice)
    if _sequence(written) or unknown and own in ON_SHAPES or is_sequence(lowering, atom) or _is_global(lowering, written):
        return lowering.store_temp(call("np.asarray", [atom], node=node), "asarray", node)
    return atom


def _is_global(lowering, written):
    """Whether an expression names a list or tuple from outside the function."""
    known = lowering.known(written) if isinstance(written, (gast.Name, gast.Attribute)) else None
    return isinstance(known, Object) and isinstance(known.value, (list, tuple))


def _joined(lowering, atom, node):
    """Arrays to be joined, those made arrays that are sequences themselves."""
    held = atom if isinstance(atom, (gast.Tuple, gast.List)) else next(
        (s.value for s in reversed(lowering.out) if isinstance(s, gast.Assign) and isinstance(atom, gast.Name) and atom.id in target_names(s.targets[0])), None)
    if not isinstance(held, (gast.Tuple, gast.List)) or not any(isinstance(e, (gast.Tuple, gast.List)) or is_sequence(lowering, e) for e in held.elts):
        return atom
    made = [lowering.store_temp(call("np.asarray", [clone(e)], node=node), "asarray", node) if isinstance(e, (gast.Tuple, gast.List)) or is_sequence(
        lowering, e) else clone(e) for e in held.elts]
    return lowering.atom_value(at(type(held)(made, gast.Load()), node))


def _sequence(node):
    """Whether an expression reads like a tuple or a list: a literal, a comprehension, a shape, a part, a sum or a repetition of these."""
    if isinstance(node, (gast.Tuple, gast.List, gast.ListComp)):
        return True
    if isinstance(node, gast.Attribute):
        return node.attr == "shape"
    if isinstance(node, gast.Subscript):
        return _sequence(node.value) and isinstance(node.slice, gast.Slice)
    if isinstance(node, gast.BinOp):
        return isinstance(node.op, (gast.Add, gast.Mult)) and (_sequence(node.left) or _sequence(node.right))
    return isinstance(node, gast.Call) and isinstance(node.func, gast.Name) and node.func.id in (
        "tuple", "list", "sorted", "range")
