"""Every sampled library function under two batches, the outer over some operands and the inner over others."""
import numpy
import pytest
from tests.runtime.samples import arguments
from tests.runtime.test_samples import CASES, NUMBERS, SECOND, _close, _every, _float_places, _pair, _scalar, _values
from tests.runtime.test_samples import modules as modules

import xform
import xform.numpy as np


def stacked(value, by):
    """Three variations of a value along a new first axis."""
    made = numpy.stack([value, numpy.roll(value, 1) if value.ndim else value, numpy.flip(value) if value.ndim else value])
    if value.dtype.kind in "fc":
        scale = numpy.linspace(0.9, by, 3, dtype="float32").reshape((3,) + (1,) * value.ndim)
        made = made * scale
    return made.astype(value.dtype)


def choices(count):
    """(outer, inner) pairs of which operands carry the batch axes."""
    every = (0,) * count
    first, rest = (0,) + (None,) * (count - 1), (None,) + (0,) * (count - 1)
    return [(every, every)] + ([(first, rest), (rest, first), (every, first), (rest, every)] if count > 1 else [])


def check(function, values, outer, inner, what, tolerance):
    stacks = []
    for value, has_outer, has_inner in zip(values, outer, inner):
        if has_inner == 0:
            value = stacked(value, 1.1)
        if has_outer == 0:
            value = stacked(value, 1.05)
        stacks.append(value)

    def at(value, i, j, has_outer, has_inner):
        value = value[i] if has_outer == 0 else value
        return np.asarray(value[j] if has_inner == 0 else value)
    rows = [[function(*[at(s, i, j, a, b) for s, a, b in zip(stacks, outer, inner)]) for j in range(3)] for i in range(3)]
    got = xform.vmap(xform.vmap(function, in_axes=inner), in_axes=outer)(*[np.asarray(s) for s in stacks])
    if isinstance(got, tuple):
        for k, part in enumerate(got):
            _close(part, numpy.array([[numpy.asarray(r[k]) for r in row] for row in rows]), f"{what} {k}", tolerance, tolerance)
    else:
        _close(got, numpy.array([[numpy.asarray(r) for r in row] for row in rows]), what, tolerance, tolerance)


@pytest.mark.parametrize("number", _every(6, NUMBERS))
def test_two_batches(modules, number):
    ours, _ = _pair(modules, number)
    values = _values(arguments(CASES[number][1]))
    for outer, inner in choices(len(values)):
        check(ours, values, outer, inner, f"vmap over {outer} of vmap over {inner}", 1e-4)


@pytest.mark.parametrize("number", _every(24, SECOND))
def test_gradient_under_two_batches(modules, number):
    ours, _ = _scalar(modules, number)
    names = arguments(CASES[number][1])
    places = _float_places(names)
    values = _values(names)
    axes = tuple(0 if k in places else None for k in range(len(names)))
    outer = tuple(0 if k == places[0] else None for k in range(len(names)))
    check(xform.grad(ours, argnums=places), values, outer, axes, "gradient", 1e-3)
