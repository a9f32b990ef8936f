"""Control flow: the same results eagerly and staged; joins, early ends, unrolling, records, and replayed loops."""
import numpy as np
import pytest

import runtime as rt
from runtime.primitive import as_operand


def both(f, *args):
    """Run a function eagerly and jitted, check that they agree, and return the jitted result's leaves as floats."""
    eager = rt_leaves(f(*[as_operand(a) for a in args]))
    staged = rt_leaves(rt.jit(f)(*args))
    np.testing.assert_allclose(staged, eager, rtol=1e-5)
    return staged if len(staged) > 1 else staged[0]


def rt_leaves(out):
    from runtime.tree import tree_leaves
    return [np.asarray(leaf).tolist() for leaf in tree_leaves(out)]


def staged_text(f, *args):
    return rt.jit(f).lower(*args).as_text()


# ---- cond ----

def test_cond_takes_one_branch_when_the_predicate_is_known():
    assert rt.cond(True, lambda: 1, lambda: "never joined") == 1
    assert rt.cond(as_operand(False), lambda: 1, lambda: "text") == "text"


def test_cond_joins_zeros_numbers_and_types():
    f = rt.jit(lambda x: rt.cond(x > 2.0, lambda: (x * 2, 1, rt.ZERO, rt.ZERO), lambda: (x - 1, 2.5, x, rt.ZERO)))
    assert rt_leaves(f(3.0)) == [6, 1, 0] and rt_leaves(f(1.0)) == [0, 2.5, 1]
    assert f(3.0)[3] is rt.ZERO
    assert f(3.0)[1].dtype == np.float32 and f(3.0)[1].weak_type
    strong = rt.jit(lambda x: rt.cond(x > 2, lambda: x, lambda: 1))(np.float32(1))
    assert strong.dtype == np.float32 and not strong.weak_type and float(strong) == 1


def test_cond_keeps_what_both_branches_share():
    kinds = []

    def f(x, y):
        out = rt.cond(x > 0, lambda: (y, 3, "name", None), lambda: (y, 3, "name", None))
        kinds.extend(out[1:])
        return out[0]
    assert float(rt.jit(f)(1.0, 5.0)) == 5
    assert kinds == [3, "name", None]


def test_cond_expands_zero_and_undefined_to_containers():
    f = rt.jit(lambda x: rt.cond(x > 0, lambda: ({"a": x, "b": (x, 1.0)}, rt.UNDEFINED), lambda: (rt.ZERO, [x, x])))
    assert rt_leaves(f(2.0)) == [2, 2, 1, 0, 0] and rt_leaves(f(-2.0)) == [0, 0, 0, -2, -2]


@pytest.mark.parametrize("other, match", [
    (lambda x: (x, x, x), r"structures.*\(float32\[\]~, float32\[\]~\).*\(float32\[\]~, float32\[\]~, float32\[\]~\)"),
    (lambda x: (x, np.ones(3, np.float32)), r"result 1.*shapes.*float32\[\]~ and float32\[3\]"),
    (lambda x: (x, "text"), "result 1.*static.*float32.*'text'"),
], ids=["structure", "shape", "static"])
def test_cond_refuses_what_cannot_be_joined(other, match):
    with pytest.raises(TypeError, match=match):
        rt.jit(lambda x: rt.cond(x > 0, lambda: (x, x), lambda: other(x)))(1.0)


def test_cond_needs_one_truth_value():
    with pytest.raises(ValueError, match="ambiguous"):
        rt.jit(lambda x: rt.cond(x > 0, lambda: x, lambda: -x))(np.ones(3))


def test_a_value_must_not_leave_its_branch():
    kept = []

    def f(x):
        rt.cond(x > 0, lambda: kept.append(x * 2), lambda: None)
        return x + kept[0]
    with pytest.raises(rt.LeakError, match="branch"):
        rt.jit(f)(1.0)


# ---- while ----

def newton(a):
    return rt.while_loop(lambda x: abs(x * x - a) > 1e-6, lambda x: x - (x * x - a) / (2.0 * x), a)


def test_while_runs_until_the_test_fails():
    assert both(newton, 2.0) == pytest.approx(2**0.5)
    assert "stablehlo.while" in staged_text(newton, 2.0)


def test_while_settles_types():
    def f(x):
        return rt.while_loop(lambda y, n, d: y < 100, lambda y, n, d: (y * x, n + 1, x), 2, 0, rt.ZERO)
    y, n, d = both(f, np.float32(3))
    assert (y, n, d) == (162, 4, 3)
    assert rt.jit(f)(np.float32(3))[0].dtype == np.float32
    assert rt_leaves(rt.jit(f)(np.float32(200.0)))[2] == 200


def test_while_with_no_turn_returns_what_it_started_with():
    f = rt.jit(lambda x: rt.while_loop(lambda y, d: y < 0, lambda y, d: (y * x, x), x - 2, rt.ZERO))
    assert rt_leaves(f(3.0)) == [1, 0]


def test_while_names_the_variable_that_does_not_fit():
    def f(x):
        return rt.while_loop(lambda total, n: n < x, lambda total, n: (np.ones(5, np.float32), n + 1),
                             np.ones(3, np.float32), x - 3)
    with pytest.raises(TypeError, match=r"'total'.*float32\[3\] and float32\[5\]"):
        rt.jit(f)(3.0)


def test_while_with_a_known_test_and_many_turns_becomes_a_loop():
    def f(x):
        return rt.while_loop(lambda i, y: i < 1000, lambda i, y: (i + 1, y * x), 0, 1.0)
    both(f, 0.999)
    assert len(staged_text(f, 0.999).splitlines()) < 100


def test_while_that_needs_python_values_is_unrolled():
    steps = [lambda v, k=k: v + k for k in range(30)]

    def f(x):
        return rt.while_loop(lambda i, y: i < 30, lambda i, y: (i + 1, steps[i](y)), 0, x)[1]
    assert both(f, 1.0) == 1 + sum(range(30))


def test_static_loop_variables_must_stay_equal():
    f = rt.jit(lambda x: rt.while_loop(lambda y, s: y < 5, lambda y, s: (y * x, "a"), 1.0 * x, "a")[0])
    assert float(f(2.0)) == 8
    with pytest.raises(TypeError, match="'s'.*'a'.*'b'"):
        rt.jit(lambda x: rt.while_loop(lambda y, s: y < 5, lambda y, s: (y * x, "b"), 1.0 * x, "a")[0])(2.0)


# ---- for ----

def test_for_over_a_range_is_one_loop_however_long():
    def f(x, n):
        return rt.for_loop(lambda i, y: y * x + i, rt.range(n), 0.0)
    assert both(lambda x: f(x, 20), 0.5) == pytest.approx(f(0.5, 20))
    lines = [len(staged_text(lambda x: f(x, n), 0.5).splitlines()) for n in (20, 20_000)]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("bounds", [(3, 50), (50, 3, -4), (0, 40, 3)])
def test_for_over_ranges_with_steps(bounds):
    assert both(lambda x: rt.for_loop(lambda i, y: y * 0.5 + i * x, rt.range(*bounds), 0.0), 1.5) == pytest.approx(
        rt.for_loop(lambda i, y: y * 0.5 + i * 1.5, range(*bounds), 0.0))


@pytest.mark.parametrize("bounds", [lambda n: (n,), lambda n: (2, n), lambda n: (n, 0, -3), lambda n: (n, 5), lambda n: (0, n, 4)])
def test_for_over_a_range_with_a_symbolic_bound(bounds):
    f = rt.jit(lambda n: rt.for_loop(lambda i, s: s * 2 + i, rt.range(*bounds(n)), 0))
    g = rt.jit(lambda n: rt.for_loop(lambda i, s: s * 2 + i, rt.reversed(rt.range(*bounds(n))), 0))
    for n in (0, 1, 10):
        want = 0
        for i in range(*bounds(n)):
            want = want * 2 + i
        assert int(f(n)) == want
        want = 0
        for i in reversed(range(*bounds(n))):
            want = want * 2 + i
        assert int(g(n)) == want


def test_for_over_rows_zips_and_enumerations():
    def f(xs):
        return (rt.for_loop(lambda r, s: s * 0.5 + r, xs, 0.0),
                rt.for_loop(lambda r, s: s * 0.5 + r[0] * r[1], rt.zip(xs, rt.range(20)), 0.0),
                rt.for_loop(lambda r, s: s * 0.5 - r[1] * r[0], rt.reversed(rt.enumerate(xs, 3)), 0.0))
    both(f, np.arange(20, dtype=np.float32))
    assert staged_text(f, np.ones(20)).count("stablehlo.while") == 3


def test_for_over_a_long_list_of_alike_items_stacks_it():
    layers = [(np.full((2, 2), 0.1 * i, np.float32), np.float32(i)) for i in range(12)]

    def f(x):
        return rt.for_loop(lambda layer, y: layer[0] * y + layer[1], layers, x)
    both(f, np.ones((2, 2), np.float32))
    assert "stablehlo.while" in staged_text(f, np.ones((2, 2)))


def test_for_over_unlike_items_is_unrolled():
    items = [np.ones(i, np.float32) for i in range(12)]
    assert both(lambda x: rt.for_loop(lambda item, s: s + item.shape[0] * x, items, 0.0), 2.0) == 132


def test_for_unrolls_where_the_body_needs_the_index():
    steps = [lambda v, k=k: v + k for k in range(12)]
    assert both(lambda x: rt.for_loop(lambda i, y: steps[i](y) * x, rt.range(12), 1.0), 1.0) == 67
    assert both(lambda x: rt.for_loop(lambda i, y: y + {f"k{j}": j for j in range(12)}[f"k{i}"], rt.range(12), x), 0.0) == 66


def test_for_peels_a_turn_where_that_settles_the_types():
    def f(x):
        return rt.for_loop(lambda i, y: np.float32(1) * x * (2.0 if y is None else 0.5 * y), rt.range(20), None)
    both(f, 1.5)
    assert "stablehlo.while" in staged_text(f, 1.5)


def test_for_with_nothing_symbolic_stays_python():
    def f(x):
        total = rt.for_loop(lambda i, s: s + i, rt.range(100), 0)
        assert total == 4950
        return x * total
    assert float(rt.jit(f)(2.0)) == 9900


def test_for_ends_early():
    def f(x):
        def body(i, y, done):
            y = y * x
            return y, y > 3.0
        return rt.for_loop(body, rt.range(50), 1.0, False, stop=lambda y, done: done)
    y, done = both(f, 1.1)
    assert y == pytest.approx(1.1**12, rel=1e-5) and done is True


def test_for_ends_early_when_unrolled():
    steps = [lambda v, k=k: v + k for k in range(12)]

    def f(x):
        return rt.for_loop(lambda i, y: steps[i](y), rt.range(12), x, stop=lambda y: y > 20)
    assert both(f, 0.0) == 21


# ---- records ----

def power_gradient(x, n=20):
    y, tape = rt.for_loop(lambda i, y: (y * x, (y, i, 7, rt.ZERO, x)), rt.range(n), 1.0, collect=1)

    def back(record, d_y, d_x):
        y, i, seven, zero, same = record
        assert seven == 7 and zero is rt.ZERO
        return d_y * same, d_x + d_y * y
    d_y, d_x = rt.for_loop(back, rt.reversed(tape), 1.0, rt.ZERO)
    return y, d_x


def test_records_are_run_over_backwards():
    y, d_x = both(power_gradient, 1.1)
    assert d_x == pytest.approx(20 * 1.1**19, rel=1e-5)
    both(lambda x: power_gradient(x, 5), 1.1)


def test_records_can_be_indexed_and_measured():
    def f(x):
        _, tape = rt.for_loop(lambda i, y: (y * x, y), rt.range(20), 1.0, collect=1)
        return tape[0], tape[-1], rt.reversed(tape)[0], tape[::-1][1], len(tape), sum(list(tape)[:3])
    got = both(f, 2.0)
    assert got == [1, 2**19, 2**19, 2**18, 20, 7]


def test_records_of_a_loop_that_ends_early():
    def f(x):
        y, done, tape = rt.for_loop(lambda i, y, done: (y * x, y * x > 3.0, y), rt.range(50), 1.0, False,
                                    stop=lambda y, done: done, collect=1)
        forwards = rt.for_loop(lambda r, s: s * 0.5 + r, tape, 0.0)
        return y, forwards, rt.for_loop(lambda r, s: s * 0.5 + r, rt.reversed(tape), 0.0)
    both(f, 1.1)


def test_records_of_nested_loops():
    def f(x):
        def outer(i, y):
            return rt.for_loop(lambda j, z: (z + x * j, z), rt.range(10), y, collect=1)
        _, tape = rt.for_loop(outer, rt.range(12), x, collect=1)
        return rt.for_loop(lambda t, s: rt.for_loop(lambda z, s: s * 0.9 + z, rt.reversed(t), s), rt.reversed(tape), 0.0)
    both(f, 0.5)


# ---- replayed while loops ----

def while_gradient(x, limit):
    y, tape = rt.while_loop(lambda y: y < limit, lambda y: (y * x, y), 1.0, collect=1)
    d_y, d_x = rt.for_loop(lambda y, d_y, d_x: (d_y * x, d_x + d_y * y), rt.reversed(tape), 1.0, rt.ZERO)
    return y, d_x, rt.for_loop(lambda y, s: s + y, tape, 0.0)


@pytest.mark.parametrize("x, limit", [(1.5, 10.0), (1.02, 4.0), (1.01, 10.0), (1.0001, 3.0)], ids=["6", "71", "232", "10987"])
def test_gradient_of_a_while_loop_of_unknown_length(x, limit):
    with rt.enable_x64():
        y, d_x, total = rt_leaves(rt.jit(while_gradient)(x, limit))
    turns = round(np.log(y) / np.log(x))
    assert d_x == pytest.approx(turns * x**(turns - 1), rel=1e-9)
    assert total == pytest.approx(sum(x**k for k in range(turns)), rel=1e-9)


@pytest.mark.parametrize("budget", [2, 6, 256])
def test_the_checkpoints_of_a_replayed_loop_are_a_setting(budget):
    x, limit = 1.02, 40.0
    with rt.enable_x64(), rt.config.override("loop_checkpoints", budget):
        y, d_x, total = rt_leaves(rt.jit(while_gradient)(x, limit))
        text = rt.jit(while_gradient).lower(x, limit).as_text()
    turns = round(np.log(y) / np.log(x))
    assert d_x == pytest.approx(turns * x**(turns - 1), rel=1e-9)
    assert total == pytest.approx(sum(x**k for k in range(turns)), rel=1e-9)
    assert f"tensor<{budget + 1}xf64>" in text      # and a spare row


def test_a_wrong_number_of_checkpoints_is_refused():
    for wrong in (0, 3, 2.0, "8"):
        with pytest.raises(ValueError, match="loop_checkpoints: an even number of at least 2 is needed"):
            rt.config.update("loop_checkpoints", wrong)


def test_replay_of_a_loop_without_turns():
    assert rt_leaves(rt.jit(while_gradient)(2.0, 0.5)) == [1, 0, 0]


def outer_gradient(x):
    """Gradients of inner while loops, recorded by an outer loop: the replay needs the outer body's values."""
    def outer(i, s):
        z = x + i * 0.01
        y, tape = rt.while_loop(lambda y: y < 5.0, lambda y: (y * z, y), 1.0, collect=1)
        return s + y, (z, tape)
    s, tape = rt.for_loop(outer, rt.range(12), 0.0, collect=1)

    def back(record, d_s, d_x):
        z, inner = record
        _, d_z = rt.for_loop(lambda y, d_y, d_z: (d_y * z, d_z + d_y * y), rt.reversed(inner), d_s, rt.ZERO)
        return d_s, d_x + d_z
    return s, rt.for_loop(back, rt.reversed(tape), 1.0, rt.ZERO)[1]


def test_replay_inside_a_recorded_loop():
    _, d_x = both(outer_gradient, 1.2)
    up, down = (float(outer_gradient(as_operand(1.2 + e))[0]) for e in (1e-3, -1e-3))
    assert d_x == pytest.approx((up - down) / 2e-3, rel=1e-2)


def test_replay_across_a_branch():
    def f(x):
        def yes():
            z = x * 1.5
            y, tape = rt.while_loop(lambda y: y < 5.0, lambda y: (y * z, y), 1.0, collect=1)
            return y, (z, tape)
        out, record = rt.cond(x > 1.0, yes, lambda: (x * 3, rt.UNDEFINED))

        def back():
            z, tape = record
            return rt.for_loop(lambda y, d_y, d_z: (d_y * z, d_z + d_y * y), rt.reversed(tape), 1.0, rt.ZERO)[1] * 1.5
        return out, rt.cond(x > 1.0, back, lambda: 3.0)
    assert both(f, 1.2)[1] == pytest.approx(14.58, rel=1e-4)
    assert both(f, 0.2)[1] == 3


def test_replay_of_a_replaying_loop_in_a_recorded_loop():
    def f(x):
        def outer(i, s):
            z = x + i * 0.01
            _, tape = rt.while_loop(lambda y: y < 5.0, lambda y: (y * z, y), 1.0, collect=1)
            _, d_z, second = rt.for_loop(lambda y, d_y, d_z: (d_y * z, d_z + d_y * y, d_y), rt.reversed(tape), 1.0, rt.ZERO,
                                         collect=1)
            return s + d_z, (z, second)
        s, tape = rt.for_loop(outer, rt.range(12), 0.0, collect=1)

        def back(record, s):
            z, second = record
            return rt.for_loop(lambda d, s: s * 0.9 + d * z, rt.reversed(second), s)
        return s, rt.for_loop(back, rt.reversed(tape), 0.0)
    both(f, 1.2)


def test_records_of_a_range_with_a_symbolic_bound():
    def f(x, n):
        y, tape = rt.for_loop(lambda i, y: (y * x + i, y), rt.range(n), 1.0, collect=1)
        return y, rt.for_loop(lambda y, d_y, d_x: (d_y * x, d_x + d_y * y), rt.reversed(tape), 1.0, rt.ZERO)[1]
    for n in (0, 3, 100):
        np.testing.assert_allclose(rt_leaves(rt.jit(f)(1.01, n)), rt_leaves(rt.jit(lambda x: f(x, n))(1.01)) if n else [1, 0],
                                   rtol=1e-5)


def test_replayed_records_have_no_length_outside():
    def f(x):
        _, tape = rt.while_loop(lambda y: y < 5.0, lambda y: (y * x, y), x, collect=1)
        return sum(tape)
    with pytest.raises(rt.ConcretizationError, match="for loop"):
        rt.jit(f)(2.0)


def test_records_survive_as_results_of_a_jitted_function():
    forward = rt.jit(lambda x: rt.for_loop(lambda i, y: (y * x, (y, 7, x)), rt.range(20), 1.0, collect=1))
    for _ in range(2):
        y, tape = forward(2.0)
        assert len(tape) == 20 and [float(r[0]) for r in rt.reversed(tape)][:2] == [2.0**19, 2.0**18]
        total = rt.for_loop(lambda r, s: s + float(r[0]) * r[1], tape, 0.0)
        assert total == 7 * (2**20 - 1)
    assert rt.jit(lambda t: rt.for_loop(lambda r, s: s + r[0], rt.reversed(t), 0.0))(tape) == 2**20 - 1


def test_replayed_records_do_not_leave_their_function():
    _, tape = rt.jit(lambda x: rt.while_loop(lambda y: y < 5.0, lambda y: (y * x, y), x, collect=1))(2.0)
    with pytest.raises(rt.ConcretizationError, match="same staged function"):
        rt.for_loop(lambda r, s: s + r, tape, 0.0)
