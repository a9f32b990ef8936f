"""In-place writes under one name and reads under another are refused; everything else stays accepted."""
import pytest

import xform as jax
import xform.numpy as np


def two_names(a):
    b = a
    b[0] = 3.0
    return a.sum()


def two_lists(x):
    xs = [x]
    ys = xs
    ys.append(x * x)
    return xs[0] * len(xs)


def in_a_loop(a):
    old = a
    total = 0.0
    for i in range(2):
        total = total + old[i]
        a[i] = total
    return total


def add_to(values, x):
    values.append(x)
    values = values[:1]
    return values


def written_by_a_callee(x):
    values = [x]
    add_to(values, x * x)
    return values[0] * len(values)


@pytest.mark.parametrize("program, line", [
    (two_names, "'a' is read here after it was changed in place as 'b' in line 10"),
    (two_lists, "'xs' is read here after it was changed in place as 'ys' in line 17"),
    (in_a_loop, "'old' is read here after it was changed in place as 'a' in line 26"),
    (written_by_a_callee, "'values' is read here after it was changed in place by a call in line 38"),
])
def test_refused(program, line):
    with pytest.raises(jax.TransformError) as caught:
        jax.grad(program)(np.array([1.0, 2.0]) if program in (two_names, in_a_loop) else 1.0)
    assert line in str(caught.value)
    assert "arrays and containers are values in transformed code" in str(caught.value)


def own_copy(a):
    b = a.copy()
    b[0] = a[1]
    return (b * a).sum()


def other_name_is_done(a):
    b = a
    b[0] = b[1] * 2.0
    return b.sum()


def bound_anew(a):
    old = a
    a = a * 2.0
    a[0] = old[0] * old[1]
    return (a * old).sum()


def filled(x):
    rows = []
    last = rows
    last = x
    for i in range(3):
        rows.append(last * i)
    return sum(rows)


def one_turn_each(a):
    total = 0.0
    for i in range(2):
        old = a * 1.0
        a[i] = old[0] + 1.0
        total = total + old.sum()
    return total


def returned_by_a_callee(x):
    values = with_one_more([x], x * x)
    return values[0] * values[1]


def with_one_more(values, x):
    values.append(x)
    return values


@pytest.mark.parametrize("program, wanted", [(own_copy, [2.0, 5.0]), (other_name_is_done, [0.0, 3.0]),
                                             (bound_anew, [4.0, 9.0]), (one_turn_each, None)])
def test_accepted(program, wanted):
    found = jax.grad(program)(np.array([1.0, 2.0]))
    assert wanted is None or found.tolist() == pytest.approx(wanted)


def test_accepted_lists():
    assert float(jax.grad(filled)(2.0)) == 3.0
    assert float(jax.grad(returned_by_a_callee)(2.0)) == pytest.approx(12.0)
