"""Lists that loops make longer, shorter or change: under jit the loop stays one loop, and all that is made of it agrees with Python."""
import numpy
import pytest

import xform
from xform import grad, hessian, jit, jvp, vjp, vmap

np = numpy
X = numpy.linspace(0.3, 1.2, 12)
V = numpy.cos(numpy.arange(12.0))


def _of(x, n):
    return x[n % 12]


def trajectory(x, n=12):
    out = [x[0]]
    for i in range(n):
        out.append(out[-1] + 0.1 * np.sin(out[-1] * _of(x, i)))
    return np.sum(np.array(out) ** 2)


def two_steps_back(x, n=12):
    out = [x[0], x[1]]
    for i in range(n):
        out.append(2 * out[-1] - out[-2] - 0.01 * np.sin(out[-1]))
    return out[-1] + sum(out[2:5])


def several_at_a_time(x, n=12):
    out = []
    for i in range(n):
        out.append(_of(x, i))
        out.extend([_of(x, i) ** 2, x[1]])
        out += [x[0] * _of(x, i)]
    return np.sum(np.array(out) * np.arange(len(out)))


def nested(x, n=12):
    out = []
    for i in range(n):
        for j in range(9):
            out.append(np.exp(-(_of(x, i) - x[j]) ** 2))
    return np.sum(np.sin(np.array(out)))


def flattened(x, n=12):
    return np.sum(np.array([np.exp(-(_of(x, i) - x[j]) ** 2) for i in range(n) for j in range(10)]) ** 2)


def two_lists(x, n=12):
    times, states = [0.0], [x[0]]
    for i in range(n):
        times.append(times[-1] + 0.1)
        states.append(states[-1] * 0.9 + times[-1] * _of(x, i))
    return np.sum(np.array(states) * np.array(times))


def in_a_dict(x, n=12):
    log = {"a": [], "b": [x[0]]}
    for i in range(n):
        log["a"].append(_of(x, i) * log["b"][-1])
        log["b"].append(np.cos(log["a"][-1]))
    return np.sum(np.array(log["a"])) + log["b"][3]


def in_both_sides(x, n=12):
    out = [x[0]]
    for i in range(n):
        if _of(x, i) > 0.7:
            out.append(np.sin(out[-1]))
        else:
            out.append(out[-1] * x[1])
    return np.sum(np.array(out) ** 2)


def by_number(x, n=12):
    out = [x[0]]
    for i in range(1, n):
        out.append(out[i - 1] * 0.9 + _of(x, i))
    return out[-1] * out[4]


def stored(x, n=12):
    out = [0.0] * 12
    for i in range(n):
        out[i % 12] = out[i % 12 - 1] * 0.5 + _of(x, i) ** 2
    return np.sum(np.array(out) ** 2)


def taken_from(x, n=12):
    todo = [x[k % 12] for k in range(12)] * 4
    total = x[0]
    for i in range(n):
        last = todo.pop()
        total = total * 0.5 + np.sin(last)
    return total + sum(todo)


def of_arrays(x, n=12):
    out = [x * 1.0]
    for i in range(n):
        out.append(out[-1] + 0.1 * (np.roll(out[-1], 1) - out[-1]))
    return np.sum(np.stack(out)[::3] ** 2)


PROGRAMS = [trajectory, two_steps_back, several_at_a_time, nested, flattened, two_lists, in_a_dict, in_both_sides, by_number, stored,
            taken_from, of_arrays]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_every_form_agrees_with_python(f):
    with xform.enable_x64(True):
        near = numpy.testing.assert_allclose
        near(jit(f)(X), f(X), rtol=1e-9)
        first = numpy.asarray(grad(f)(X))
        h = 1e-6
        near(first @ V, (f(X + h * V) - f(X - h * V)) / (2 * h), rtol=1e-5, atol=1e-7)
        near(jit(grad(f))(X), first, rtol=1e-8, atol=1e-10)
        near(jit(lambda x: jvp(f, (x,), (V,))[1])(X), first @ V, rtol=1e-8)
        second = jvp(grad(f), (X,), (V,))[1]
        near(jit(lambda x: jvp(grad(f), (x,), (V,))[1])(X), second, rtol=1e-7, atol=1e-9)
        near(jit(grad(lambda x: (grad(f)(x) * V).sum()))(X), second, rtol=1e-7, atol=1e-9)
        xs = numpy.stack([X, X * 0.8])
        near(jit(vmap(f))(xs), [f(x) for x in xs], rtol=1e-9)
        near(jit(vmap(grad(f)))(xs), [grad(f)(x) for x in xs], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f is not taken_from], ids=lambda f: f.__name__)     # its list is written out
def test_the_program_is_as_long_for_three_times_the_turns(f):
    """But for the numbers of a table in it."""
    for transformed in (lambda n: jit(lambda x: f(x, n)), lambda n: jit(grad(lambda x: f(x, n)))):
        short, long = (transformed(n).lower(X).as_text().count("\n") for n in (12, 36))
        assert long <= short + 5


def test_lists_come_out_of_compiled_functions_as_lists():
    def states(x):
        out, squares = [x[0]], []
        for i in range(11):
            out.append(out[-1] * x[i])
            squares.append(x[i] ** 2)
        return {"out": out, "squares": squares, "some": out[2:4]}

    found = jit(states)(X)
    assert [type(found[key]) for key in ("out", "squares", "some")] == [list] * 3
    for key, wanted in states(X).items():
        numpy.testing.assert_allclose(found[key], wanted, rtol=1e-5)
    value, back = vjp(jit(states), X)
    numpy.testing.assert_allclose(back(value)[0], vjp(states, X)[1](states(X))[0], rtol=1e-5)


def test_compiled_halves_hand_on_what_loops_kept():
    inner = jit(lambda x: [x[0], *_doubled(x)])

    def f(x):
        return sum(inner(x)) * inner(x)[3]

    def plain(x):
        xs = [x[0], *_doubled(x)]
        return sum(xs) * xs[3]
    numpy.testing.assert_allclose(grad(f)(X), grad(plain)(X), rtol=1e-5)
    numpy.testing.assert_allclose(hessian(f)(X), hessian(plain)(X), rtol=1e-4, atol=1e-6)
    numpy.testing.assert_allclose(vmap(grad(f))(numpy.stack([X, X]))[1], grad(plain)(X), rtol=1e-5)


def _doubled(x):
    out = [x[1]]
    for i in range(11):
        out.append(out[-1] * 0.5 + np.sin(x[i]))
    return out


def known_numbers(x):
    places = [0]
    for i in range(11):
        places.append(places[-1] + i)
    return x[places[3]] * sum(x[k % 12] for k in places)


def only_sometimes(x):
    out = []
    for i in range(12):
        if i % 3 == 0:
            out.append(x[i])
    return np.array(out).sum() * len(out)


def of_different_shapes(x):
    out = [x[:1]]
    for i in range(9):
        out.append(np.concatenate([out[-1], x[i:i + 1]]))
    return np.sum(out[-1] ** 2)


def stacked_in_the_loop(x):
    out = [x[0], x[1]]
    for i in range(12):
        out.append(np.mean(np.cos(np.stack(out))) + x[i])
    return sum(out)


def made_an_array_in_the_loop(x):
    out = [x[0]]
    for i in range(12):
        out.append(np.mean(np.cos(np.array(out))) * x[i])
    return sum(out)


@pytest.mark.parametrize("f", [stacked_in_the_loop, made_an_array_in_the_loop, known_numbers, only_sometimes, of_different_shapes], ids=lambda f: f.__name__)
def test_what_cannot_be_stacked_is_written_out(f):
    numpy.testing.assert_allclose(jit(f)(X), f(X), rtol=1e-5)
    numpy.testing.assert_allclose(jit(grad(f))(X), grad(f)(X), rtol=1e-5)


def test_tangents_of_a_list_that_begins_with_constants():
    def f(x):
        out = [1.0, 2.0]
        out.append(0.5)
        for i in range(12):
            if x[i] > 0.5:
                out.append(x[i] * out[-1])
            else:
                out.append(x[i])
        return sum(out)
    numpy.testing.assert_allclose(jit(lambda x: jvp(f, (x,), (V,))[1])(X), numpy.asarray(grad(f)(X)) @ V, rtol=1e-4)


def read_too_far_back(x):
    todo = [x[k] for k in range(12)]
    total = 0.0
    for _ in range(12):
        total = total + todo[-2]
        todo.pop()
    return total


def read_ahead(x):
    out = [x[0]]
    for i in range(12):
        out.append(out[i + 1] * 2)
    return sum(out)


@pytest.mark.parametrize("f", [read_too_far_back, read_ahead], ids=lambda f: f.__name__)
def test_indices_outside_of_a_list_are_errors(f):
    with pytest.raises(IndexError, match="out of range"):
        jit(f)(X)
