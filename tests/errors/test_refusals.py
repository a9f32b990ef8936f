"""What xform does not support is refused before it runs: the file, the line, a caret, the reason and what to write instead."""
import math
import re

import numpy
import pytest

import xform
import xform.numpy as np
from xform import SourceError, TransformError, grad, jit, value_and_grad, vmap


def generator(x):
    yield x


def context(x):
    with open("/dev/null") as stream:
        y = x * stream.fileno()
    return y


def handler(x):
    for scale in (2.0, 3.0):
        try:
            print("trying")
            if scale > 2.0:
                break
        except ValueError:
            return x
    return x * 2.0


def local_class(x):
    class Local:
        scale = x
    return x


def batched_by_itself(x):
    if np.ndim(x) > 1:
        return vmap(batched_by_itself)(x)
    return np.sum(x)


COUNT = 0
ITEMS = [1.0]


def global_assignment(x):
    global COUNT
    COUNT = COUNT + 1
    return x * COUNT


def nonlocal_assignment(x):
    y = 1.0

    def inner(v):
        nonlocal y
        y = y * v

    def apply(f, v):
        f(v)
    apply(inner, x)
    return y


def matching(x):
    match {"a": x}:
        case {"a": y, **rest}:
            return y * len(rest)
    return x * 2.0


def attribute_assignment(x):
    HELD.value = x
    return HELD.value


class Holder:
    """Something with attributes."""


HELD = Holder()


def global_append(x):
    ITEMS.append(x)
    return x


def global_element(x):
    ITEMS[0] = x
    return x * ITEMS[0]


def unknown_name(x):
    return not_defined_anywhere(x)  # noqa: F821


def c_function(x):
    return math.gcd(x, 2) * x


def foreign_method(x):
    y = x.frobnicate()
    return y * 2.0


def deletion(x):
    y = [x, 2.0]
    del y[0:1]
    return y[0]


def used_pop(x):
    items = {"a": x}
    return items.popitem()[1] * 2.0


def iterator(x):
    pairs = zip([x, x], [x, x])
    return next(iter(pairs))[0] + next(iter(pairs))[1]


def spread_display(x):
    items = [x]
    return np.sum(np.array([*items, *items]))


def data_called(x):
    table = [x]
    return table(x)


async def coroutine(x):
    return x


# function, the text under the caret, the reason, the hint
def closures_in_a_list(x):
    steps, k = [], 0
    while k < 3:
        steps.append(lambda v, k=k: v * x + k)
        k += 1
    y = 1.0
    for step in steps:
        y = step(y)
    return y


REFUSED = [
    (generator, "yield x", "a generator (yield) cannot be transformed", "Append to a list and return it."),
    (context, "with open", "this with is not supported in a transformed function", "Move the with around the transformed call."),
    (handler, 'print("trying")', "print() inside a try that makes objects or functions, or that is left by a jump, is not supported", "Move it out of the try."),
    (local_class, "scale = x", "the body of class Local, defined in a function, reads a variable", "Set the attribute in __init__"),
    (batched_by_itself, "vmap(batched_by_itself)(x)", "batched_by_itself applies vmap to itself", "Write what is transformed as a function of its own"),
    (global_assignment, "global COUNT", "assigning globals from a transformed function is not supported", "Return the value instead."),
    (nonlocal_assignment, "f(v)", "a function that assigns 'y' of the function around it is", "Return the value and assign it"),
    (matching, "match {", "**rest in a match of a transformed function is not supported", "Read the keys by name."),
    (attribute_assignment, "HELD.value = x", "assigning an attribute is not supported in a transformed function", "Return the new value"),
    (global_append, "ITEMS.append(x)", "'ITEMS' is not a local variable: a transformed function changes no outer object",
     "Make the list inside the function"),
    (global_element, "ITEMS[0] = x", "'ITEMS' is not a local variable", ""),
    (unknown_name, "not_defined_anywhere(x)", "name 'not_defined_anywhere' is not defined", ""),
    (c_function, "math.gcd(x, 2)", "cannot differentiate gcd (builtin_function_or_method): a derivative flows through 'x' here",
     "Give it a derivative with custom_vjp or custom_jvp, or write it with xform.numpy."),
    (foreign_method, "x.frobnicate()", "cannot differentiate method .frobnicate()", "Call a function instead."),
    (deletion, "y[0:1]", "del of several elements", "Build a new container without it."),
    (used_pop, "items.popitem()", "the result of .popitem() is used while it changes its object in place", "Build a new dict."),
    (iterator, "next(iter(pairs))", "next() of an iterator is not supported in a transformed function", "Loop over the sequence"),
    (data_called, "table(x)", "which is a value made at run time", ""),
    (coroutine, "async def", "", ""),
    (closures_in_a_list, "steps.append(lambda", "cannot differentiate a function that holds values of its own and is kept in a list",
     "Keep the values, and call one function with them"),
]


@pytest.mark.parametrize("function, marked, reason, hint", REFUSED, ids=[c[0].__name__ for c in REFUSED])
def test_refused_with_place_reason_and_hint(function, marked, reason, hint):
    with pytest.raises(TransformError) as caught:
        grad(function)(2.0)
    text = str(caught.value)
    lines = text.split("\n")
    place = re.match(r'  File "(.*)", line (\d+)$', lines[0])
    assert place and place[1] == __file__
    with open(__file__) as stream:
        written = stream.read().split("\n")[int(place[2]) - 1]
    assert marked in written and lines[1].strip() == written.strip()
    carets = lines[2]
    assert set(carets.strip()) == {"^"}
    start = len(carets) - len(carets.lstrip()) - 4
    assert written.strip()[start:].startswith(marked)
    assert reason in text and hint in text
    assert caught.value.file == __file__ and caught.value.line == int(place[2])
    assert reason in caught.value.reason and hint in caught.value.hint


@pytest.mark.parametrize("transform", [grad, vmap, jit, xform.jacfwd, xform.value_and_grad], ids=lambda t: t.__name__)
def test_every_transformation_refuses(transform):
    argument = numpy.ones(3, numpy.float32) if transform is vmap else 2.0
    with pytest.raises(TransformError, match="yield"):
        transform(generator)(argument)


def test_nothing_runs_before_the_refusal(capsys):
    def f(x):
        print("ran")
        with open("nowhere"):
            return x
    with pytest.raises(TransformError):
        grad(f)(1.0)
    assert capsys.readouterr().out == ""


def test_the_callee_is_named_not_the_caller():
    def outer(x):
        return handler(x) * 2.0
    with pytest.raises(TransformError) as caught:
        grad(outer)(2.0)
    assert 'print("trying")' in str(caught.value)


def test_unsupported_parts_that_carry_no_derivative_are_fine():
    def f(x):
        return x * math.gcd(12, 18) * len("abc") * int("2")
    assert grad(f)(1.0) == 36.0


# -- functions that have no source ----------------------------------------------------------------------------------------

def test_code_without_source():
    namespace = {"np": np}
    exec("def made(x): return np.sin(x)", namespace)
    with pytest.raises(SourceError, match=r"The source of 'made' is not available \(it was defined in '<string>'\)") as caught:
        grad(namespace["made"])(1.0)
    assert "Put the function into a file or a notebook cell" in str(caught.value)


def test_a_c_function():
    with pytest.raises(TransformError, match=r"cannot transform 'gcd' \(builtin_function_or_method\): it has no Python source and no "
                                             "derivative rule") as caught:
        grad(math.gcd)(1.0, 2)
    assert "Write a function that calls xform.numpy instead." in str(caught.value)


@pytest.mark.parametrize("transform", [grad, vmap, jit, xform.jacrev])
def test_what_is_not_callable(transform):
    with pytest.raises(TypeError, match="Expected a callable value, got 3"):
        transform(3)


# -- arguments and results ------------------------------------------------------------------------------------------------

def double(x):
    return x * 2.0


def test_gradient_of_a_vector():
    with pytest.raises(TypeError, match=r"Gradient only defined for scalar-output functions. Output had shape: \(3,\)"):
        grad(double)(np.ones(3))


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 3)])
def test_the_gradient_of_an_array_is_refused_before_anything_runs(shape, capsys):
    def spread_out(x, w):
        print("running")
        y = x
        for _ in range(3):
            y = np.tanh(y * w)
        return y if x.ndim else y + 1

    for transform in (grad, value_and_grad):
        with pytest.raises(TypeError, match="Gradient only defined for scalar-output functions") as caught:
            transform(spread_out)(np.ones(shape), 2.0)
        assert str(shape) in str(caught.value) and "test_refusals.py" in str(caught.value)
    assert capsys.readouterr().out == ""
    with pytest.raises(TypeError, match=r"Output had shape: \(2,\)"):
        grad(lambda x, w: (w @ x, x), has_aux=True)(np.ones(3), np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"Output had shape: \(3,\)"):
        grad(grad(lambda x: np.sum(x ** 3)))(np.ones(3))


@pytest.mark.parametrize("function, shape", [(lambda x: x[:2], (2, 3)), (lambda x: x.T, (3, 4)), (lambda x: x[0, 1:] * 2, (2,)),
                                             (lambda x: np.dot(x, x[0]), (4,)), (lambda x: np.mean(x, axis=0), (3,))])
def test_the_shape_of_a_result_is_found_without_running(function, shape):
    with pytest.raises(TypeError, match="scalar-output functions. Output had shape: " + re.escape(str(shape))) as caught:
        grad(function)(np.ones((4, 3)))
    assert "test_refusals.py" in str(caught.value)      # the user's line: it was refused by the compiler


def test_a_result_whose_shape_only_the_run_knows_is_refused_with_its_line():
    with pytest.raises(TypeError, match=r"Output had shape: \(2,\)") as caught:
        grad(lambda x: np.einsum("i,j->j", x, np.ones(2)))(np.ones(3))
    assert 'np.einsum("i,j->j", x' in "".join(caught.value.__notes__)


OUTER = np.ones((2, 3))


def through_outer(x):
    print("running")
    return np.dot(OUTER, x) * 2


def test_arrays_outside_the_function_have_shapes_too(monkeypatch, capsys):
    transformed = grad(through_outer)
    with pytest.raises(TypeError, match=r"Output had shape: \(2,\)"):
        transformed(np.ones(3))
    assert capsys.readouterr().out == ""
    monkeypatch.setitem(globals(), "OUTER", np.ones(3))
    assert transformed(np.ones(3)).shape == (3,)


def test_one_function_may_be_a_scalar_or_not():
    transformed = grad(double)
    assert transformed(1.0) == 2.0
    with pytest.raises(TypeError, match=r"Output had shape: \(4,\)"):
        transformed(np.ones(4))
    assert transformed(np.float32(3.0)) == 2.0


def test_gradient_of_a_tuple():
    with pytest.raises(TypeError, match="Gradient only defined for scalar-output functions. Output was a tuple\n.*has_aux=True") as caught:
        grad(lambda x: (x, x))(2.0)
    assert "test_refusals.py" in str(caught.value) and "^^^^^^" in str(caught.value)     # refused before anything runs
    with pytest.raises(TypeError, match=r"must return a pair \(value, auxiliary data\); <lambda> returns a tuple of 3|returns a tuple of 3"):
        grad(lambda x: (x, x, x), has_aux=True)(2.0)


def test_gradient_of_a_complex_result():
    with pytest.raises(TypeError, match="grad requires real-valued outputs.*holomorphic=True"):
        grad(lambda x: x * 1j)(2.0)


@pytest.mark.parametrize("argument", [3, numpy.arange(3), numpy.array(True)], ids=["int", "ints", "bool"])
def test_integer_arguments(argument):
    with pytest.raises(TypeError, match="grad requires real- or complex-valued inputs.*for argument 'x' of double") as caught:
        grad(double)(argument)
    assert "test_refusals.py" in str(caught.value) and "allow_int=True" in str(caught.value)


def test_a_string_argument():
    with pytest.raises(TypeError, match=r"Argument 'x' of double holds a str \('a'\), which grad cannot differentiate"):
        grad(double)("a")


def test_too_few_arguments():
    with pytest.raises(TypeError, match="argnums=2 requires at least 3 positional arguments to be passed by the caller, but got only 2"):
        grad(lambda x, y: x * y, argnums=2)(1.0, 2.0)
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        grad(lambda x, y: x * y)(1.0)


def test_mapped_sizes_that_differ():
    with pytest.raises(ValueError, match="vmap got inconsistent sizes for array axes to be mapped") as caught:
        vmap(lambda a, b: a + b)(np.ones(3), np.ones((4, 2)))
    assert "a has size 3 along axis 0 (its shape is (3,))" in str(caught.value)
    assert "b has size 4 along axis 0 (its shape is (4, 2))" in str(caught.value)


@pytest.mark.parametrize("argument, axes, message", [
    (2.0, 0, "vmap was requested to map its argument x along axis 0, which implies that its rank should be at least 1, but is only 0"),
    (numpy.ones(3), 1, "vmap was requested to map its argument x along axis 1, which implies that its rank should be at least 2"),
    (numpy.ones(3), (0, 0), r"got len\(in_axes\)=2, len\(args\)=1"),
    (numpy.ones(3), None, "vmap must have at least one non-None value in in_axes"),
], ids=["rank-0", "rank-1", "count", "none"])
def test_mapped_axes_that_do_not_fit(argument, axes, message):
    with pytest.raises(ValueError, match=message):
        vmap(double, in_axes=axes)(argument)


def test_a_staged_value_has_no_number():
    with pytest.raises(TypeError, match="shapes must be 1D sequences of concrete integers"):
        jit(lambda x: np.zeros(int(x)))(1.0)
    with pytest.raises(TypeError, match=r"a_list\[x\], needs the value of an array of type int32") as caught:
        jit(lambda x: [1.0, 2.0][int(x)])(1.0)
    assert "static_argnums" in str(caught.value)
    with pytest.raises(TypeError, match="only arrays with one element are numbers"):
        jit(lambda x: int(x))(numpy.ones(3))


def check_size(x):
    if x > 1.0:
        raise ValueError("too big")
    return x


def test_raise():
    with pytest.raises(ValueError, match="too big"):
        grad(check_size)(2.0)
    assert grad(check_size)(0.5) == 1.0
    with pytest.raises(TransformError, match="raise in a branch that only some examples take is not supported under vmap"):
        vmap(check_size)(np.ones(3))


def test_errors_of_the_program_name_its_line():
    def f(x):
        return np.dot(x, np.ones(4))
    with pytest.raises((TypeError, ValueError)) as caught:
        grad(f)(np.ones(3))
    notes = "\n".join(getattr(caught.value, "__notes__", ()))
    assert "test_refusals.py" in notes and "return np.dot(x, np.ones(4))" in notes


def list_or_array(x):
    pair = [x, 2.0 * x]
    if x > 0.0:
        pair = np.stack([x, x * x])
    return pair[0] + pair[1]


@pytest.mark.parametrize("call, message", [
    (lambda: jit(list_or_array)(1.0), "different structures on different paths"),
    (lambda: jit(grad(list_or_array))(1.0), "different structures on different paths"),
    (lambda: vmap(list_or_array)(np.ones(3)), r"a list of 2 items on one side and an array of shape \(3, 2\) on the other"),
    (lambda: vmap(grad(list_or_array))(np.ones(3)), "a list of 2 items on one side and an array of shape")])
def test_a_list_on_one_path_and_an_array_on_the_other(call, message):
    assert grad(list_or_array)(2.0) == 5.0 and grad(list_or_array)(-1.0) == 3.0
    with pytest.raises(TypeError, match=message) as caught:
        call()
    assert any("if x > 0.0:" in note for note in caught.value.__notes__)


def sides(x, other):
    if x > 0.0:
        return x * 2.0
    elif np.sum(x + other) > 3.0:
        return x
    return np.dot(x * np.ones(2), other)


@pytest.mark.parametrize("x, other, line", [(-1.0, "s", "elif np.sum(x + other) > 3.0"), (-1.0, numpy.ones(3), "return np.dot(")])
def test_errors_in_a_side_of_a_branch_name_the_line_there(x, other, line):
    calls = [grad(sides)] if isinstance(other, str) else [grad(sides), jit(sides)]
    for call in calls:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(x, other)
        assert any(line in note for note in caught.value.__notes__)


def called_back(x):
    y = x * 2
    z = xform.pure_callback(np.sin, xform.ShapeDtypeStruct((2,), np.float32), y)
    return z.sum()


class Plain:
    def __init__(self, value):
        self.value = value


def leaves_of_objects(x):
    made = xform.tree.map(lambda v: Plain(v * 2), {"a": x})
    return len(xform.tree.leaves(made)) * x.sum()


@pytest.mark.parametrize("f, transform, line", [
    (called_back, xform.grad, "z = xform.pure_callback("), (called_back, xform.jacfwd, "z = xform.pure_callback("),
    (leaves_of_objects, xform.grad, "made = xform.tree.map("), (leaves_of_objects, xform.vmap, "made = xform.tree.map(")])
def test_what_the_library_s_code_is_refused_for_names_the_user_s_line(f, transform, line):
    with pytest.raises(TransformError) as refused:
        transform(f)(np.ones((2, 2) if transform is xform.vmap else 2, "float32"))
    assert refused.value.file == __file__
    assert f"    {line}" in str(refused.value)
    assert "runtime" not in str(refused.value).replace(__file__, "")
