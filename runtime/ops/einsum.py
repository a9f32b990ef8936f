"""Einstein summation: a sum of products planned as contractions of two operands at a time."""
from __future__ import annotations

import functools
import string
import math

import numpy

from runtime.ops.constrain import out_sharded
from runtime.op import op
from runtime.ops.dot import LETTERS, contract
from runtime.ops.kernel import no_out
from runtime.ops.reduce import emit_reduce, example_like
from runtime.ops.shape import like_shape
from runtime.primitive import Primitive, as_operand
from runtime.types import aval
from runtime.zero import ZERO


def _expand(subscripts, shapes):
    """Return the operands' and the result's indices with ellipses and the implied result written out."""
    text = subscripts.replace(" ", "")
    inputs, arrow, out = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} terms for {len(shapes)} operands")
    free = [c for c in LETTERS if c not in text]
    longest = 0
    full = []
    for term, shape in zip(terms, shapes):
        own = term.replace("...", "")
        if not all(c in LETTERS for c in own) or ("..." not in term and len(own) != len(shape)) or len(own) > len(shape):
            raise ValueError(f"einsum: term {term!r} of {subscripts!r} does not fit an operand of shape {shape}")
        count = len(shape) - len(own)
        longest = max(longest, count)
        full.append((term, count))
    rest = "".join(free[:longest])
    full = [term.replace("...", rest[longest - count:]) for term, count in full]
    if arrow:
        result = out.replace("...", rest)
    else:
        joined = "".join(full)
        result = rest + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in rest))
    for c in result:
        if not any(c in term for term in full) or result.count(c) > 1:
            raise ValueError(f"einsum: index {c!r} of the result of {subscripts!r} must occur in an operand, and once in the "
                             "result")
    return full, result


@op(constant=True, unbatched=True)
def einsum_steps(subscripts, shapes, optimize="optimal"):
    """Plan an einsum: a list of steps (i, j, specification) on values numbered as they arise.

    A step with j = None rearranges one value (diagonals, sums of lone indices, permutation).
    """
    terms, out = _expand(subscripts, [tuple(s) for s in shapes])
    steps, live = [], []
    sizes = {}
    for k, (term, shape) in enumerate(zip(terms, shapes)):
        for c, n in zip(term, shape):
            if sizes.setdefault(c, n) not in (n, 1) and n != 1:
                raise ValueError(f"einsum: index {c!r} of {subscripts!r} has sizes {sizes[c]} and {n}")
            sizes[c] = max(sizes[c], n)
    count = len(terms)
    for k, (term, shape) in enumerate(zip(terms, shapes)):
        others = "".join(terms[:k] + terms[k + 1:]) + out
        kept = "".join(c for i, c in enumerate(term) if c in others and term.index(c) == i
                       and not (shape[i] == 1 and sizes[c] != 1))
        if kept != term:
            steps.append((k, None, f"{term}->{kept}"))
            live.append((count, kept))
            count += 1
        else:
            live.append((k, term))
    while len(live) > 1:
        i, j = _cheapest([t for _, t in live], out, sizes) if optimize is not False else (0, 1)
        (a, first), (b, second) = live[i], live[j]
        rest = [v for n, v in enumerate(live) if n not in (i, j)]
        needed = "".join(t for _, t in rest) + out
        result = out if not rest else "".join(dict.fromkeys(c for c in first + second if c in needed))
        steps.append((a, b, f"{first},{second}->{result}"))
        live = rest + [(count, result)]
        count += 1
    last, term = live[0]
    if term != out or not steps:
        steps.append((last, None, f"{term}->{out}"))
    return steps


def _cheapest(terms, out, sizes):
    """The pair of values whose contraction leaves least behind, and of those the one that costs least."""
    def cost(pair):
        i, j = pair
        needed = "".join(t for n, t in enumerate(terms) if n not in pair) + out
        both = set(terms[i]) | set(terms[j])
        result = math.prod([sizes[c] for c in both if c in needed])
        used = sum(math.prod([sizes[c] for c in terms[k]]) for k in pair)
        return result - used, math.prod([sizes[c] for c in both])
    pairs = [(i, j) for i in range(len(terms)) for j in range(i + 1, len(terms))]
    return min(pairs, key=cost)


def _rearrange_infer(x, *, spec):
    term, out = spec.split("->")
    sizes = {}
    for c, n in zip(term, x.shape):
        if sizes.setdefault(c, n) != n:
            raise ValueError(f"einsum: the axes of a diagonal have sizes {sizes[c]} and {n}")
    return x.with_shape(tuple([sizes[c] for c in out]))


def _rearrange_emit(block, operands, out_avals, *, spec):
    x = operands[0]
    term, out = spec.split("->")
    while len(set(term)) < len(term):  # a diagonal: keep what lies on it, and sum over one of its axes
        c = next(c for c in term if term.count(c) > 1)
        i, j = term.index(c), term.rindex(c)
        places = aval(x.aval.shape, numpy.dtype("int32"))
        on = block.compare("EQ", block.op("iota", [], places, {"iota_dimension": i}),
                           block.op("iota", [], places, {"iota_dimension": j}))
        x = emit_reduce(block, "add", block.op("select", [on, x, block.zeros(x.aval)], x.aval), (j,))
        term = term[:j] + term[j + 1:]
    gone = tuple(i for i, c in enumerate(term) if c not in out)
    x = emit_reduce(block, "add", x, gone)
    term = "".join(c for c in term if c in out)
    if term == out:
        return x
    return block.op("transpose", [x], out_avals[0], {"permutation": tuple(term.index(c) for c in out)})


_rearrange = Primitive("einsum", _rearrange_infer, _rearrange_emit)


def rearranged_batched(a, spec, over=()):
    """Rearrange every example."""
    return rearranged(a, one_more(spec))


@op(constant=True, unbatched=True)
def one_more(spec):
    """Return a specification of one operand with a batch index in front."""
    letter = next(c for c in LETTERS if c not in spec)
    return letter + spec.replace("->", "->" + letter)


@op(linear="a", vjp={"a": "rt.unrearranged(d_out, spec, like=a)"}, batch=rearranged_batched)
def rearranged(a, spec):
    """Return one operand with indices summed, permuted or taken from a diagonal, as in "iij->ji"."""
    return _rearrange(as_operand(a, "einsum"), spec=spec)


def _spread_infer(d, *, spec, shape):
    return d.with_shape(shape)


def _spread_emit(block, operands, out_avals, *, spec, shape):
    term, out = spec.split("->")
    d, of = operands[0], out_avals[0]
    order = sorted(range(len(out)), key=lambda i: term.index(out[i]))
    if order != list(range(len(out))):
        d = block.op("transpose", [d], d.aval.with_shape(tuple(d.aval.shape[i] for i in order)), {"permutation": tuple(order)})
    value = block.broadcast(d, shape, tuple(term.index(out[i]) for i in order))
    for i, c in enumerate(term):
        if term.index(c) != i:
            places = aval(shape, numpy.dtype("int32"))
            on = block.compare("EQ", block.op("iota", [], places, {"iota_dimension": term.index(c)}),
                               block.op("iota", [], places, {"iota_dimension": i}))
            value = block.op("select", [on, value, block.zeros(of)], of)
    return value


_spread = Primitive("uneinsum", _spread_infer, _spread_emit)


def unrearranged_batched(d, spec, like, lead=0, over=()):
    """Put every example back."""
    return unrearranged(d, spec, example_like(like, over), lead + 1)


@op(linear="d", vjp={"d": "rt.rearranged_again(d_out, spec, lead)"}, batch=unrearranged_batched)
def unrearranged(d, spec, like, lead=0):
    """Return the cotangent of ``like`` from that of ``rearranged(like, spec)``; ``lead`` batch axes are in front."""
    shape = d.shape[:lead] + like_shape(like)
    for _ in range(lead):
        spec = one_more(spec)
    return _spread(d, spec=spec, shape=shape)


def rearranged_again(d, spec, lead=0):
    """The transpose of ``unrearranged``."""
    if d is ZERO:
        return ZERO
    return rearranged(d, led_spec(spec, lead))


@op(constant=True, unbatched=True)
def led_spec(spec, lead):
    """Return a specification of one operand with ``lead`` batch indices in front."""
    for _ in range(lead):
        spec = one_more(spec)
    return spec


@op(constant=True, unbatched=True)
def single_spec(subscripts, shape):
    """Return the full specification of an einsum of one operand."""
    terms, out = _expand(subscripts, [tuple(shape)])
    return f"{terms[0]}->{out}"


@op(constant=True, unbatched=True)
def pair_plan(subscripts, first, second):
    """Plan an einsum of two operands: (how to rearrange each beforehand or None, the contraction)."""
    return _pair_plan(subscripts, tuple(first), tuple(second))


@functools.lru_cache(maxsize=4096)
def _pair_plan(subscripts, first, second):
    before, contraction = [None, None], None
    for i, j, spec in einsum_steps(subscripts, (first, second)):
        if j is None:
            before[i] = spec
        else:
            contraction = spec
    return before[0], before[1], contraction


@op(constant=True, unbatched=True)
def lettered(operands):
    """Return the subscripts, in letters, that lists of numbers and Ellipsis state.

    operands: what follows the first array: its list, then arrays and their lists in turn, and the result's list if there is one.
    """
    terms, out = operands[::2], None
    if len(operands) % 2 == 0:
        terms, out = operands[:-1:2], operands[-1]
    letters = string.ascii_lowercase + string.ascii_uppercase

    def term(numbers):
        return "".join(["..." if n is Ellipsis else letters[n] for n in numbers])
    return ",".join(map(term, terms)) + ("" if out is None else "->" + term(out))


@out_sharded
def einsum(subscripts, *operands, out=None, optimize="auto", precision=None, preferred_element_type=None):
    """Return the sum of products of the operands that ``subscripts`` states, as "ij,jk->ik".

    Operands and lists of numbers in turn (``einsum(a, [0, 1], b, [1, 2], [0, 2])``) say the same without letters.
    ValueError when the subscripts do not fit the operands.
    """
    if out is not None:
        no_out("einsum", out)
    if not isinstance(subscripts, str):
        return summed(lettered(operands), (subscripts, *operands[1:-1:2]), optimize, precision, preferred_element_type)
    return summed(subscripts, operands, optimize, precision, preferred_element_type)


def summed(subscripts, operands, optimize="optimal", precision=None, preferred_element_type=None):
    """Return the sum of products of the operands that ``subscripts`` states."""
    if len(operands) == 1:
        return rearranged(operands[0], single_spec(subscripts, like_shape(operands[0])))
    if len(operands) == 2:
        plan = pair_plan(subscripts, like_shape(operands[0]), like_shape(operands[-1]))
        first = operands[0] if plan[0] is None else rearranged(operands[0], plan[0])
        second = operands[-1] if plan[1] is None else rearranged(operands[-1], plan[1])
        return contract(first, second, plan[2], precision, preferred_element_type)
    shapes = [like_shape(x) for x in operands]
    values = list(operands)
    for first, second, spec in einsum_steps(subscripts, shapes, optimize):
        if second is None:
            values.append(rearranged(values[first], spec))
        else:
            values.append(contract(values[first], values[second], spec, precision, preferred_element_type))
    return values[-1]


def einsum_path(subscripts, *operands, optimize="auto"):
    """Return NumPy's plan of an einsum and its description."""
    shapes = [numpy.broadcast_to(numpy.float32(0), like_shape(x)) for x in operands]
    path, described = numpy.einsum_path(subscripts, *shapes, optimize="greedy" if optimize == "auto" else optimize)
    return path[1:], described
