"""Views: where NumPy's part and whole share what they hold and one is changed in place, the program is refused, or gets NumPy's numbers."""
import numpy as np
import pytest

import xform
import xform.numpy as jnp
from xform.errors import TransformError

X = np.array([0.5, 1.5, -0.7, 2.0], "float32")


def part_of_what_changes(x):
    y = x[1:]
    x[2] = 5.0 * x[0]
    return np.sum(y * y)


def whole_of_what_changes(x):
    y = x[1:]
    y[0] = 7.0
    return np.sum(x * x)


def other_part(x):
    u, v = x[:3], x[2:]
    u[2] = 3.0
    return np.sum(v)


def row(x):
    m = np.stack([x, x])
    r = m[0]
    m[0, 1] = 5.0
    return np.sum(r)


def item_of_a_list(x):
    xs = [x, x * 2]
    y = xs[1]
    y[0] = 7.0
    return np.sum(xs[1])


def reshaped(x):
    m = x.reshape(2, 2)
    m[0, 0] = 3.0
    return np.sum(x)


def rows_of_a_loop(x):
    m = np.stack([x, x])
    for r in m:
        r[0] = 1.0
    return np.sum(m)


def items_of_a_loop(x):
    parts = [x, x * 2.0]
    for p in parts:
        p[:] = p * 0.5
    return np.sum(parts[1])


def rows_read_after_a_change(x):
    m, s = np.stack([x, x]), 0.0
    for i, r in enumerate(m):
        m[i, 0] = 1.0
        s = s + r[0]
    return s


def later_turns(x):
    for i, v in enumerate(x[:-1]):
        x[i + 1] += v
    return np.sum(x * x)


def later_turns_of_two(x):
    i = 0
    for v, w in zip(x[:-1], x[1:]):
        x[i + 1] = v + w
        i += 1
    return np.sum(x * x)


def another_name(x):
    y = x
    y += 1.0
    return np.sum(x * x)


def added_to_a_part(x):
    y = x[1:]
    y += 1.0
    return np.sum(x * x)


def rows_multiplied(x):
    m = np.stack([x, x])
    for r in m:
        r *= 2.0
    return np.sum(m)


AT_RUN_TIME = [another_name, added_to_a_part, rows_multiplied, part_of_what_changes, whole_of_what_changes, other_part, row, item_of_a_list,
               rows_of_a_loop, items_of_a_loop, rows_read_after_a_change, later_turns, later_turns_of_two]


@pytest.mark.parametrize("f", AT_RUN_TIME)
@pytest.mark.parametrize("transform", [xform.jit, xform.grad, lambda f: lambda x: xform.vmap(f)(np.stack([x, x]))], ids=["jit", "grad", "vmap"])
def test_shared_parts_are_refused_where_shapes_tell(f, transform):
    with pytest.raises(TypeError, match="Arrays and containers are values here, so that only one would change. Keep a copy") as caught:
        transform(f)(X)
    assert "test_views.py" in str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))


def changed_while_run_over(x):
    for v in x:
        x[3] = x[3] + v
    return np.sum(x)


def list_changed_while_run_over(x):
    xs = [x[0], x[1], x[2]]
    for v in xs:
        xs[2] = xs[2] + v
    return xs[2]


def list_extended_while_run_over(x):
    xs = [x[0], x[1], x[2]]
    for v in xs:
        xs.append(v * 2.0)
    return xs[2]


@pytest.mark.parametrize("f", [changed_while_run_over, list_changed_while_run_over])
def test_a_loop_does_not_see_what_it_changes_ahead_of_itself(f):
    for transform in (xform.jit, xform.grad):
        with pytest.raises(TypeError, match="an array or list is changed in place while a loop runs over it"):
            transform(f)(X)


@pytest.mark.parametrize("f, reason", [
    (reshaped, "'x' is read here after it was changed in place as 'm'"),
    (list_extended_while_run_over, "'xs' is changed here while the loop of line .* runs over it")])
def test_shared_parts_are_refused_by_their_text(f, reason):
    with pytest.raises(TransformError, match=reason):
        xform.grad(f)(X)


def swap(x):
    t = x[0]
    x[0] = x[1]
    x[1] = t
    return np.sum(x * np.arange(4))


def copied(x):
    y, r = x[1:].copy(), np.stack([x, x])[np.array([0])]
    x[2] = 5.0 * x[0]
    return np.sum(y * y) + np.sum(x) + np.sum(r)


def read_again(x):
    y = x[1:]
    s = np.sum(y)
    x[2] = 5.0 * x[0]
    y = x[1:]
    return s + np.sum(y * y)


def slice_of_a_list(x):
    xs = [x[0], x[1], x[2]]
    rest = xs[1:]
    xs[1] = 3.0 * x[3]
    rest[0] = rest[0] + 1.0
    return rest[0] * xs[1]


def picked(x):
    y = x[np.array([1, 2])]
    x[1] = 4.0
    y[0] = 2.0 * x[0]
    return np.sum(x * x) + np.sum(y)


def behind_the_loop(x):
    for i, v in enumerate(x):
        x[i] = v * 2.0
        x[0] = x[0] + v
    return np.sum(x * x)


def by_keys(x):
    d = {"a": x, "b": x * 2.0}
    other = "a"
    for k in d:
        d[k] = d[k] * 2.0
        d["a"] = d["a"] + d[k]
        d[other] = d[other] * 1.5
    return np.sum(d["a"] * d["b"])


def rows_written_by_number(x):
    m = np.stack([x, x])
    for i in range(2):
        m[i, 1:] = m[i, :-1] * 2.0
        m[i] = m[i] + m[i - 1, 0]
    return np.sum(m * m)


def numbers_with_two_names(x):
    total, v = x[0], x[1]
    before = total
    total += 2.0
    v *= 3.0
    for w in x:
        w += 1.0
        total += w * before
    return total * before + v * x[1]


def test_augmented_assignments_rebind_in_code_for_arrays_of_values():
    def residual(x):
        h = x
        h += jnp.sin(x)
        return jnp.sum(h * x)
    np.testing.assert_allclose(xform.jit(residual)(X), np.sum((X + np.sin(X)) * X), rtol=1e-6)


@pytest.mark.parametrize("f", [numbers_with_two_names, swap, copied, read_again, slice_of_a_list, picked, behind_the_loop, by_keys, rows_written_by_number])
def test_what_shares_nothing_is_as_in_numpy(f):
    want = f(X.copy())
    step = 1e-3
    for transform in (xform.jit, lambda f: lambda x: xform.value_and_grad(f)(x)[0], lambda f: lambda x: xform.vmap(f)(np.stack([x, X]))[0],
                      lambda f: lambda x: xform.jit(xform.vmap(f))(np.stack([X, x]))[1]):
        np.testing.assert_allclose(transform(f)(X.copy()), want, rtol=1e-5)
    wide = X.astype("float64")
    slopes = [(f(wide + step * e) - f(wide - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(xform.jit(xform.grad(f))(X.copy()), slopes, rtol=1e-3, atol=1e-3)
