"""debug_nans names the expression that a NaN began with: in what is computed and in its derivatives, through each transformation."""
import functools
import inspect

import pytest

import xform
import xform.numpy as np
from xform import grad, jit, lax, vmap

PROGRAMS = []


def starts(at, *args, turns=()):
    """A program in whose gradient at ``args`` NaNs start at the text ``at``, in the one line that ends in ``# here``."""
    def note(function):
        PROGRAMS.append(pytest.param(function, at, args, turns, id=function.__name__))
        return function
    return note


@starts("root = np.sqrt(y)", 0.0)
def of_the_line_after(x):
    y = x * 2
    root = np.sqrt(y)  # here
    return root * 0.0


@starts("n = np.sqrt(s)", np.zeros(3))
def not_of_the_line_before(v):
    s = np.sum(v * v)
    n = np.sqrt(s)  # here
    return n * 2


@starts("y / z", 0.0)
def divides(x):
    y = x * 2
    z = x * 3
    r = y / z  # here
    return r * 4


@starts("np.sqrt(x - 1.0)", 1.0)
def several_operations(x):
    return x / 2.0 + np.sqrt(x - 1.0) * 0.0  # here


@starts("x / (x * 2.0)", 0.0)
def several_operations_before(x):
    return np.sin(x) + x / (x * 2.0) + np.cos(x)  # here


@starts("np.sqrt(  # here", 0.0)
def several_lines(x):
    return (x * 2
            + 0.0 * np.sqrt(  # here
                x * 3)
            + np.sin(x))


@starts("np.log(x)", 0.0)
def folded_into_the_next_line(x):
    a = x * 3.0
    t = np.log(x)  # here
    return a * t


@starts("np.log(x)", 0.0)
def not_taken_by_where(x):
    t = np.where(x > 0, np.log(x), 0.0)  # here
    return t * 2


@starts("z = x ** 0.5", 0.0)
def power(x):
    y = x + 0.0
    z = x ** 0.5  # here
    w = y * z * 0.0
    return w + y


@starts("a / b", 0.0)
def the_same_twice(x):
    a = np.sin(x)
    b = np.sin(x)
    q = a / b  # here
    return q + a


@starts("n = np.linalg.norm(v)", np.zeros(3))
def in_the_library(v):
    w = v * 2
    n = np.linalg.norm(v)  # here
    return np.sum(w) + 0.0 * n


@starts("np.linalg.inv(m)", np.zeros(2))
def in_the_library_before(x):
    m = np.outer(x, x)
    n = m + 1
    return np.sum(np.linalg.inv(m)) + np.sum(n)  # here


@starts("np.sqrt(x)", 1.0, turns=[4])
def in_a_loop(x):
    total = 0.0
    for i in range(4):
        x = x - 0.5 * (i > 0)
        r = np.sqrt(x) * 0.0  # here
        total = total + r
    return total


@starts("np.sqrt(w)", 2.0, turns=[2])
def in_a_while_loop(x):
    w = x
    s = 0.0
    while w > 0.5:
        w = w - 1.0
        s = s + 0.0 * np.sqrt(w)  # here
    return s


@starts("np.sqrt(row)", np.array([1.0, 2.0, 0.0]), turns=[2, 3])
def in_loops(xs):
    total = 0.0
    for j in range(2):
        for row in xs:
            t = row * j
            total = total + np.sqrt(row) * 0.0 + t  # here
    return total


@starts("np.sqrt(x)", 0.0, turns=[3])
def in_the_turn_that_ends_a_loop(x):
    i = 0
    s = x
    while True:
        if i == 2:
            s = s + 0.0 * np.sqrt(x)  # here
        i += 1
        if i == 3:
            break
    return s


@starts("np.sqrt(x)", np.array([1.0, 0.0]), turns=[2])
def in_a_comprehension(xs):
    return sum([np.sqrt(x) * 0.0 for x in xs])  # here


@starts("np.sqrt(u)", np.array([1.0, 2.0, 0.0]), turns=[3])
def in_a_scan(x):
    def step(c, u):
        c = c + 0.0 * np.sqrt(u)  # here
        return c, u
    out, _ = lax.scan(step, 0.0, x)
    return out


@starts("np.sqrt(x - 1.0 * i)", 1.5, turns=[3])
def in_a_fori_loop(x):
    def body(i, c):
        return c + 0.0 * np.sqrt(x - 1.0 * i)  # here
    return lax.fori_loop(0, 3, body, x * 2)


def called(u):
    v = u * 2
    return np.sqrt(v) * 0.0


@starts("np.sqrt(v)", 0.0)
def in_a_callee(x):
    a = x + 1
    b = called(x)
    return a + b


@starts("np.sqrt(q)", 0.0)
def in_a_closure(x):
    def deep(q):
        return np.sqrt(q) * 0.0  # here

    def mid(r):
        s = r * 2
        return deep(s) + r
    return mid(x) * 2


@starts("np.sqrt(x)", 0.0)
def in_a_lambda(x):
    f = lambda t: np.sqrt(x) * 0.0 + t  # here
    return f(x * 2)


def scaled(k, x):
    return np.sqrt(x) * k


@starts("np.sqrt(x)", 0.0)
def in_a_partial(x):
    f = functools.partial(scaled, 0.0)
    y = x + 1
    return f(x) + y


def recursive(x, n):
    if n == 0:
        return np.sqrt(x) * 0.0
    return recursive(x, n - 1) * 2


@starts("np.sqrt(x)", 0.0)
def in_a_recursion(x):
    y = x + 1
    return recursive(x, 3) + y


class Layer:
    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        y = self.w * x
        return np.sqrt(y) * 0.0


@starts("np.sqrt(y)", 0.0)
def in_a_method(x):
    layer = Layer(2.0)
    z = x + 1
    return layer(x) + z


@starts("np.sqrt(x)", 0.0)
def in_a_branch(x):
    if x < 1:
        y = x * 2
        z = np.sqrt(x) * 0.0  # here
    else:
        y = x
        z = x
    return y + z


@starts("np.sqrt(x) if x < 1 else x", 0.0)
def in_a_choice(x):
    y = x * 3
    return y + 0.0 * (np.sqrt(x) if x < 1 else x)  # here


@starts("np.sqrt(x[1])", np.zeros(2))
def in_an_update(x):
    y = x * 2
    y[0] = 0.0 * np.sqrt(x[1])  # here
    return np.sum(y)


@starts("x /= y", 0.0)
def in_place(x):
    y = x * 2
    x /= y  # here
    x += 1
    return x


@xform.custom_vjp
def doubled(x):
    return x * 2


def doubled_bwd(x, d):
    e = d * 2
    return (e / (x * 0.0) * 0.0,)


doubled.defvjp(lambda x: (doubled(x), x), doubled_bwd)


@starts("e / (x * 0.0)", 1.0)
def in_a_rule(x):
    a = x * 3
    b = doubled(a)
    return b + a


@xform.checkpoint
def recomputed(x):
    y = x * 2
    return np.sqrt(y) * 0.0


@starts("np.sqrt(y)", 0.0)
def in_what_is_recomputed(x):
    return recomputed(x) + x


@starts("np.sqrt(t)", np.zeros(3))
def in_a_mapped_function(x):
    def g(t):
        return np.sqrt(t) * 0.0  # here
    y = vmap(g)(x)
    return np.sum(y)


@starts("np.sqrt(t)", 0.0)
def in_a_gradient(x):
    def g(t):
        u = t * 2
        return np.sqrt(t) * 0.0 + u  # here
    y = x + 1
    return grad(g)(x) + y


@starts("np.sqrt(t)", 0.0)
def in_a_program(x):
    @jit
    def g(t):
        u = t * 2
        return np.sqrt(t) * 0.0 + u  # here
    y = x + 1
    return g(x) + y


def stacked(f):
    return lambda x: vmap(grad(f))(np.stack([x, x]))


WRAPS = {"grad": grad, "jit(grad)": lambda f: jit(grad(f)), "grad(jit)": lambda f: grad(jit(f)), "vmap(grad)": stacked,
         "grad(grad)": lambda f: grad(lambda x: np.sum(grad(f)(x)))}


def places(error):
    """(marked text, line, turns) of each place in the notes of an error."""
    found = []
    for note in error.__notes__:
        lines = note.split("\n")
        marked = [text[len(marks) - len(marks.lstrip()):len(marks)] for text, marks in zip(lines, lines[1:]) if set(marks.strip()) == {"^"}]
        found.append((marked[0], int(lines[1].rpartition(" ")[2]), [int(s.split()[2]) for s in lines if s.startswith("  in turn")]))
    return found


def lines_here(function):
    """The lines that end in ``# here`` of a program; none where the line is in a function that it calls."""
    lines, first = inspect.getsourcelines(function)
    return [first + i for i, line in enumerate(lines) if line.rstrip().endswith("# here")]


@pytest.mark.parametrize("function, at, args, turns", PROGRAMS)
def test_the_expression_that_a_nan_began_with_is_named(function, at, args, turns):
    for name, wrap in WRAPS.items():
        with xform.debug_nans(), pytest.raises(FloatingPointError, match="nan") as caught:
            wrap(function)(*args)
        marked, line, counted = places(caught.value)[-1]     # of an infinity that the NaN was made of, where there is one
        assert (marked, counted) == (at, list(turns)), name
        assert line in (lines_here(function) or [line]), name


def test_a_nan_and_the_infinity_that_it_was_made_of_are_both_named():
    with xform.debug_nans(), pytest.raises(FloatingPointError) as caught:
        grad(not_of_the_line_before)(np.zeros(3))
    nan, infinity = caught.value.__notes__
    first = inspect.getsourcelines(not_of_the_line_before)[1]
    assert nan.startswith(f'In the code of not_of_the_line_before_bwd, the derivative of:\n  File "{__file__}", line {first + 2}\n    s = np.sum(v * v)')
    assert infinity == (f'It was made of an infinity, which came first from the derivative of:\n  File "{__file__}", line {first + 3}\n'
                        "    n = np.sqrt(s)  # here\n    ^^^^^^^^^^^^^^")


def test_a_loop_of_the_library_is_that_of_the_line_that_called_it():
    with xform.debug_nans(), pytest.raises(FloatingPointError) as caught:
        grad(in_a_scan)(np.array([1.0, 2.0, 0.0]))
    assert f"in turn 3 of the loop of line {lines_here(in_a_scan)[0] + 2}" in caught.value.__notes__[0]


def test_a_nan_that_was_given_is_told():
    with xform.debug_nans(), pytest.raises(FloatingPointError) as caught:
        grad(divides)(float("nan"))
    assert "y = x * 2" in caught.value.__notes__[0] and "it was given" in caught.value.__notes__[1]


def test_an_infinity_of_plain_calls_has_its_line():
    with xform.debug_nans(), pytest.raises(FloatingPointError) as caught:
        x = np.log(np.zeros(2))
        x - x
    assert caught.value.__notes__ == [f'It was made of an infinity, which came first from:\n  File "{__file__}", '
                                      f"line {inspect.getsourcelines(test_an_infinity_of_plain_calls_has_its_line)[1] + 2}"]


def over_devices(x):
    mesh = xform.make_mesh((4,), ("x",))
    y = xform.shard_map(lambda s: np.sqrt(s), mesh=mesh, in_specs=xform.P("x"), out_specs=xform.P("x"))(x)  # here
    return np.sum(y)


def test_results_over_several_devices_are_checked():
    with xform.debug_nans(), pytest.raises(FloatingPointError, match="nan") as caught:
        xform.pmap(lambda x: np.log(x))(-np.ones(4))
    assert "map the function with vmap" in caught.value.__notes__[0]
    for wrap in grad, lambda f: jit(grad(f)):
        with xform.debug_nans(), pytest.raises(FloatingPointError, match="nan") as caught:
            wrap(over_devices)(-np.ones(4))
        place, advice = caught.value.__notes__
        assert f"line {lines_here(over_devices)[0]}" in place and "map the function with vmap" in advice


def test_shard_map_runs_as_a_program_where_jit_is_disabled():
    mesh = xform.make_mesh((4,), ("x",))
    with xform.disable_jit():
        total = xform.shard_map(lambda s: lax.psum(s, "x"), mesh=mesh, in_specs=xform.P("x"), out_specs=xform.P())(np.arange(4.0))
    assert total == 6.0


def test_what_cannot_be_repeated_says_so():
    step = jit(lambda x: np.log(x), donate_argnums=0)
    with xform.debug_nans(), pytest.raises(FloatingPointError, match="nan") as caught:
        step(-np.ones(4))
    assert any("donated" in note for note in caught.value.__notes__)
