"""Lists that only some examples append to, under vmap: each example has its own items, or the program is refused."""
from typing import NamedTuple

import numpy
import pytest

import xform
import xform.numpy as np
from xform import grad, jit, vmap
from xform.errors import TransformError

XS = numpy.array([0.55, 1.1, 2.1, 0.31])


class State(NamedTuple):
    x: object
    t: object


def replaced_in_a_loop(x):
    state = [x, 0.0]
    while state[0] < 3.0:
        state = [state[0] * 1.5, state[1] + state[0]]
    return state[1] * state[0]


def counted(x):
    path = []
    while x < 3.0:
        x = x * 1.5
        path.append(x)
    return x * len(path)


def with_a_first_item(x):
    path = [(x, 1.0)]
    while x < 3.0:
        x = x * 1.5
        path.append((x, 2.0))
    return sum(v ** 2 * k for v, k in path)


def of_named_tuples(x):
    s = State(x, 1.0)
    path = [s]
    while s.x < 3.0:
        s = s._replace(x=s.x * 1.5)
        path.append(s)
    return sum(p.x ** 2 * p.t for p in path)


def ended_by_break(x):
    path = []
    for i in range(5):
        if x * i > 3.0:
            break
        path.append(x * i)
    return len(path) * x + sum(path)


def by_index(x):
    path = []
    while x < 3.0:
        x = x * 1.5
        path.append(x * x)
    return path[-1] + path[0] * 10.0


def one_in_either_case(x):
    items = []
    for i in range(5):
        if x * i < 1.0:
            items.append(x * i)
        elif x * i < 3.0:
            items.append(x * x)
        else:
            items.append(x)
    return np.sum(np.stack(items) * np.arange(5.0)) + items[3]


def unequal_numbers(x):
    items = [x, x]
    for i in range(5):
        if x * i < 1.0:
            items.append(x * i)
        elif x * i < 3.0:
            items.append(x * 2.0)
            items.append(x * 3.0)
        else:
            for k in range(2):
                items.append(x * k)
    return sum(v * v for v in items) + len(items) * x


def perhaps_none(x):
    items = []
    for i in range(4):
        if x > i * 0.5:
            items.append(x * x * i)
    if items:
        return sum(items) * x
    return x * x


def filtered(x):
    return [x * i * x for i in range(4) if x * i < 2.0][-1]


def mean_of_filtered(x):
    kept = [x * i * x for i in range(4) if x * i < 2.0]
    return sum(kept) / max(1, len(kept))


def descending(x):
    lowest = []
    for k in range(4):
        y = np.sin(5.0 * x * (k + 1))
        if not lowest or y < lowest[-1]:
            lowest.append(y)
    total = 0.0
    for y in lowest:
        total = total + y * y * x
    return total


def emptied(x):
    stack, total = [x, x * 2.0], 0.0
    while stack:
        y = stack.pop()
        total = total + y * y
    return total


PROGRAMS = [descending, emptied, replaced_in_a_loop, counted, with_a_first_item, of_named_tuples, ended_by_break, by_index,
            one_in_either_case,
            unequal_numbers, perhaps_none, filtered, mean_of_filtered]


@pytest.fixture(autouse=True)
def wide():
    with xform.enable_x64(True):
        yield


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_each_example_has_its_own_items(f):
    values, slopes = [[float(g(x)) for x in XS] for g in (f, grad(f))]
    differences = [(float(f(x + 1e-6)) - float(f(x - 1e-6))) / 2e-6 for x in XS]
    numpy.testing.assert_allclose(slopes, differences, rtol=1e-6)
    numpy.testing.assert_allclose(vmap(f)(XS), values)
    numpy.testing.assert_allclose(vmap(vmap(f))(XS[None])[0], values)
    numpy.testing.assert_allclose(vmap(lambda x: xform.jvp(f, (x,), (1.0,))[1])(XS), slopes)
    numpy.testing.assert_allclose(grad(lambda x: vmap(f)(x).sum())(XS), slopes)
    numpy.testing.assert_allclose(vmap(grad(f))(XS), slopes)


@pytest.mark.parametrize("f", [one_in_either_case, unequal_numbers, perhaps_none], ids=lambda f: f.__name__)
def test_compiled(f):
    numpy.testing.assert_allclose(jit(vmap(f))(XS), [float(f(x)) for x in XS])
    numpy.testing.assert_allclose(jit(vmap(grad(f)))(XS), [float(grad(f)(x)) for x in XS])


def read_before_the_end(x):
    items = [x]
    for i in range(3):
        if x * i < 1.0:
            items.append(x * i)
            x = x + items[-1]
        else:
            items.append(x * x)
    return np.sum(np.stack(items) ** 2)


def test_a_side_reads_what_it_has_appended():
    numpy.testing.assert_allclose(vmap(read_before_the_end)(XS), [float(read_before_the_end(x)) for x in XS])
    wanted = [float(grad(read_before_the_end)(x)) for x in XS]
    numpy.testing.assert_allclose(grad(lambda x: vmap(read_before_the_end)(x).sum())(XS), wanted)


def stacked(x):
    items = []
    for i in range(4):
        if x > i:
            items.append(x * i)
    return np.sum(np.array(items))


def numbered(x):
    items = [x]
    while x < 3.0:
        x = x * 1.5
        items.append(x)
    return sum(v * i for i, v in enumerate(items))


def sliced(x):
    items = [x]
    while x < 3.0:
        x = x * 1.5
        items.append(x)
    return sum(items[1:])


def returned(x):
    items = [x]
    while x < 3.0:
        x = x * 1.5
        items.append(x)
    return items


def popped(x):
    items, total = [x, x * 2.0], 0.0
    while len(items) > 0:
        y = items.pop()
        total = total + y
        if y > 1.5:
            items.append(y * 0.5)
    return total


@pytest.mark.parametrize("f, reason", [
    (popped, "cannot be given to popped under vmap"), (stacked, "cannot be given to np.array under vmap"), (numbered, "cannot be given to enumerate"), (sliced, "cannot be given to getitem"),
    (returned, "cannot be the result of a mapped function")])
def test_what_has_no_length_that_all_examples_share_is_refused(f, reason):
    with pytest.raises(TransformError, match="a list to which only some of the examples append " + reason) as caught:
        vmap(f)(XS)
    assert caught.value.file == __file__


def test_items_that_both_sides_append_are_chosen():
    text = xform.source(vmap(one_in_either_case))
    assert "lanes" not in text and "items.append(rt.where(" in text


def lower_triangle(a):
    """Cholesky's factor by hand: the sums of the first rows have no terms."""
    a = a @ a.T + 3.0 * np.eye(3)
    low = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            s = a[i, j] - sum(low[i, k] * low[j, k] for k in range(j))
            low[i, j] = np.sqrt(s) if i == j else s / low[j, j]
    return np.sum(low ** 3)


def test_sums_without_terms():
    def wanted(a):
        return np.sum(np.linalg.cholesky(a @ a.T + 3.0 * np.eye(3)) ** 3)

    batch = numpy.random.default_rng(0).normal(size=(2, 3, 3))
    numpy.testing.assert_allclose(vmap(lower_triangle)(batch), vmap(wanted)(batch))
    for transformed in (vmap(grad(lower_triangle)), grad(lambda a: vmap(lower_triangle)(a).sum()), jit(vmap(grad(lower_triangle)))):
        numpy.testing.assert_allclose(transformed(batch), vmap(grad(wanted))(batch), rtol=1e-7, atol=1e-9)


def test_a_list_whose_length_a_staged_value_decides_is_refused():
    def doubled(x):
        xs = [x]
        while xs[-1] < 10.0:
            xs.append(xs[-1] * 2)
        return sum(xs)
    for compiled in (xform.jit(doubled), xform.jit(xform.grad(doubled))):
        with pytest.raises(TypeError, match="a compiled program holds no list whose length a staged value decides") as caught:
            compiled(0.7)
        assert "while xs[-1] < 10.0" in "".join(caught.value.__notes__)


def linked(xs):
    node, total = None, 0.0
    for v in xs:
        node = (v, node)
    while node is not None:
        v, node = node
        total = total * 0.5 + v ** 2
    return total


def test_pairs_that_nest_with_every_turn_are_refused_under_vmap():
    assert float(grad(linked)(XS)[0]) == pytest.approx(2 * XS[0])
    for batched in (vmap(linked), jit(vmap(linked)), vmap(grad(linked))):
        with pytest.raises(TransformError, match="cannot batch 'node': its values nest deeper with every turn of a loop") as caught:
            batched(numpy.stack([XS, XS]))
        assert caught.value.file == __file__ and caught.value.line
