"""Containers in which some items differ from example to example and others are shared, under vmap."""
import numpy
import pytest

import xform.numpy as np
from xform import grad, vmap

C = numpy.array([1.0, 2.0, 3.0], numpy.float32)     # as long as the batch: a shared item must not be taken for a batched one
XS = numpy.array([0.5, 1.0, 2.0], numpy.float32)


def appended_to(x):
    xs = [np.asarray(C)]
    xs.append(x * C)
    return np.stack(xs) @ C


def appended_in_a_loop(x):
    xs = [np.asarray(C)]
    for _ in range(3):
        xs.append(x * C)
    return np.stack(xs) @ C


def joined(x):
    xs = [np.asarray(C)] + [x * C]
    return np.stack(xs) @ C


def repeated(x):
    xs = [x * C] + [np.asarray(C)] * 2
    return np.stack(xs) @ C


def extended_and_inserted(x):
    xs = [x * C]
    xs.extend([np.asarray(C)])
    xs.insert(0, np.asarray(C))
    return np.stack(xs) @ C


def assigned_items(x):
    xs = [np.asarray(C)]
    xs[0] = x * C
    ys = [np.asarray(C), np.asarray(C)]
    ys[1] = x * C
    return np.stack(xs + ys) @ C


def in_a_dict(x):
    d = {'a': np.asarray(C)}
    d['b'] = x * C
    d.update(c=np.asarray(C))
    return np.stack(list(d.values())) @ C


def starred(x):
    a, *rest = [np.asarray(C), x * C, np.asarray(C)]
    return np.stack([a, *rest]) @ C + np.stack(rest[::-1])[0] @ C


def zipped(x):
    pairs = list(zip([np.asarray(C), np.asarray(C)], [x * C, x * C]))
    return sum(np.stack(p) @ C for p in pairs)


def popped(x):
    xs = [np.asarray(C), np.asarray(C)] * 1
    xs += (x * C,)
    last = xs.pop()
    xs.append(last)
    return np.stack(xs) @ C


PROGRAMS = [appended_to, appended_in_a_loop, joined, repeated, extended_and_inserted, assigned_items, in_a_dict, starred, zipped, popped]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_shared_items_stay_those_of_all_examples(f):
    def total(x):
        return np.sum(f(x) ** 2)

    numpy.testing.assert_allclose(vmap(f)(XS), numpy.stack([f(x) for x in XS]), rtol=1e-5)
    wanted = [float(grad(total)(x)) for x in XS]
    numpy.testing.assert_allclose(vmap(grad(total))(XS), wanted, rtol=1e-5)
    numpy.testing.assert_allclose(grad(lambda xs: vmap(total)(xs).sum())(XS), wanted, rtol=1e-5)
