"""try, except, else, finally, raise and contextlib.suppress in transformed functions: values and derivatives are those of the code that runs."""
import contextlib

import jax
import jax.numpy as jnp
import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError

X, XS = 0.7, [0.3, 0.9, 1.6]
TABLE = {"double": 2.0, "triple": 3.0}


class Refused(Exception):
    pass


def positive(n):
    if n < 0:
        raise Refused(f"{n} is negative")
    return n


def programs(jnp):
    """Functions of one number by name; ``jnp`` is xform's or jax's."""
    made = {}

    def completes(x):
        try:
            y = jnp.sin(x) * x
        except ValueError:
            y = x
        return y * x
    made["completes"] = completes

    def missing_key(x):
        try:
            scale = TABLE["quadruple"]
        except KeyError:
            scale = 4.0 * x
        return scale * x * x
    made["missing key"] = missing_key

    def division(x):
        n = 0
        try:
            y = x * (1 / n)
        except ZeroDivisionError as error:
            y = x ** 2 if "zero" in str(error) else x
        else:
            y = y * 5.0
        return y * x
    made["division by zero"] = division

    def raises(x):
        y = x
        try:
            if len(TABLE) == 2:
                raise ValueError("two")
            y = x * 100.0
        except (TypeError, ValueError):
            y = x ** 3
        return y
    made["raise"] = raises

    def asserts(x):
        try:
            assert len(TABLE) > 2, "small"
            y = x * 7.0
        except AssertionError:
            y = jnp.cos(x) * x
        return y
    made["assert"] = asserts

    def with_else(x):
        try:
            scale = TABLE["triple"]
        except KeyError:
            scale = 1.0
        else:
            scale = scale * x
        return scale * x
    made["else"] = with_else

    def with_finally(x):
        total = 0.0
        try:
            y = x * TABLE["double"]
        finally:
            total = total + x * x
        return y * total
    made["finally"] = with_finally

    def all_of_them(x):
        count = 0.0
        try:
            y = x * TABLE["none"]
        except KeyError:
            y = x * x * 3.0
        else:
            y = x * 11.0
        finally:
            count = count + x
        return y * count
    made["except and finally"] = all_of_them

    def in_a_call(x):
        total = x
        for n in (1, -2, 3):
            try:
                k = positive(n)
            except Refused:
                k = 10
            total = total * jnp.sin(x * k)
        return total
    made["raised by a called function"] = in_a_call

    def returns(x):
        try:
            return x * x * TABLE["double"]
        except KeyError:
            return x
    made["return"] = returns

    def returns_finally(x):
        seen = []
        try:
            seen.append(x * 2.0)
            return seen[0] * x
        finally:
            seen = []
    made["return and finally"] = returns_finally

    def breaks(x):
        total = x
        for key in ("double", "none", "triple"):
            try:
                factor = TABLE[key]
            except KeyError:
                break
            total = total * factor * x
        return total
    made["break"] = breaks

    def nested(x):
        try:
            try:
                y = TABLE["none"] * x
            except ValueError:
                y = x * 2.0
        except KeyError:
            y = x ** 4
        return y
    made["nested"] = nested

    def again(x):
        try:
            try:
                y = TABLE["none"] * x
            except KeyError:
                raise
        except LookupError:
            y = x ** 3
        return y
    made["raised again"] = again

    def other(x):
        try:
            try:
                y = TABLE["none"] * x
            except KeyError as error:
                raise Refused("other") from error
        except Refused:
            y = x ** 5
        return y
    made["raised as another"] = other

    def suppressed(x):
        scale = 2.0
        with contextlib.suppress(KeyError, ValueError):
            scale = TABLE["none"]
        return scale * x * x
    made["suppress"] = suppressed

    def shapes(x):
        try:
            y = jnp.dot(jnp.ones((2, 3)), jnp.ones((2, 3)) * x)
        except TypeError:
            y = jnp.dot(jnp.ones((2, 3)), jnp.ones((3, 2)) * x * x)
        return jnp.sum(y)
    made["shapes"] = shapes

    def collected(x):
        out = []
        for key in ("double", "none", "triple"):
            try:
                out.append(TABLE[key] * x)
            except KeyError:
                pass
        return sum(out) * len(out) * x
    made["append"] = collected
    return made


RUNS = {
    "value": lambda m, f, p: f(X), "grad": lambda m, f, p: m.grad(f)(X), "grad grad": lambda m, f, p: m.grad(m.grad(f))(X),
    "jvp": lambda m, f, p: m.jvp(f, (X,), (1.0,)), "vmap": lambda m, f, p: m.vmap(f)(p.array(XS)), "jit": lambda m, f, p: m.jit(f)(X),
    "vmap grad": lambda m, f, p: m.vmap(m.grad(f))(p.array(XS)), "jit grad": lambda m, f, p: m.jit(m.grad(f))(X),
    "grad jit": lambda m, f, p: m.grad(m.jit(f))(X), "jvp grad": lambda m, f, p: m.jvp(m.grad(f), (X,), (1.0,)),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", list(programs(jnp)))
def test_as_jax(name, run):
    mine, other = RUNS[run](xform, programs(np)[name], np), RUNS[run](jax, programs(jnp)[name], jnp)
    for a, b in zip(xform.tree_util.tree_leaves(mine), jax.tree_util.tree_leaves(other), strict=True):
        onp.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)


def checked(x):
    try:
        if x < 0:
            raise Refused("negative")
        y = np.sqrt(x)
    except Refused:
        y = -x
    return y * x


def test_a_condition_on_the_argument():
    for x in (0.7, -0.7):
        onp.testing.assert_allclose(xform.grad(checked)(x), 1.5 * x ** 0.5 if x > 0 else -2 * x, rtol=1e-6)
        onp.testing.assert_allclose(xform.grad(xform.grad(checked))(x), 0.75 * x ** -0.5 if x > 0 else -2.0, rtol=1e-6)


def test_a_condition_on_staged_or_batched_values_is_refused():
    with pytest.raises(TransformError, match="test_exceptions.py.*\n.*raise Refused"):
        xform.vmap(checked)(np.array(XS))
    with pytest.raises(TypeError):
        xform.jit(checked)(X)


def test_what_no_handler_takes_is_raised():
    def f(x):
        try:
            return TABLE["none"] * x
        except ValueError:
            return x

    def g(x):
        try:
            y = TABLE["none"] * x
        finally:
            x = x * 2.0
        return y
    for function in (f, g):
        with pytest.raises(KeyError):
            xform.grad(function)(X)


def test_what_a_failed_body_leaves_behind_is_refused():
    def f(x):
        y = x
        try:
            y = x * 2.0
            y = y * TABLE["none"]
        except KeyError:
            pass
        return y

    with pytest.raises(TransformError, match="'y' is assigned in the try, before it may fail"):
        xform.grad(f)(X)


def shown(key):
    print("asked for", key)
    return TABLE[key]


def prints(x):
    try:
        print("once")
        y = shown("double") * x
        seen = [y]
        seen.append(y * x)
    except KeyError:
        y, seen = x, [x]
    finally:
        x = x * 2.0
    return seen[-1] * len(seen) * x


def prints_and_fails(x):
    for key in ("double", "none"):
        try:
            y = shown(key) * x
        except KeyError:
            y = x * x
    return y * x


@pytest.mark.parametrize("run", [*RUNS, "grad grad grad"])
def test_a_body_runs_once(run, capsys):
    how = RUNS.get(run, lambda m, f, p: m.grad(m.grad(m.grad(f)))(X))
    mine = how(xform, prints, np)
    assert capsys.readouterr().out.splitlines() == ["once", "asked for double"]
    other = how(jax, prints, jnp)
    capsys.readouterr()
    for a, b in zip(xform.tree_util.tree_leaves(mine), jax.tree_util.tree_leaves(other), strict=True):
        onp.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5)
    how(xform, prints_and_fails, np)
    assert capsys.readouterr().out.splitlines() == ["asked for double", "asked for none"]


def test_what_is_found_out_first_has_no_effects():
    def g(x):
        for key in ("double", "none"):
            try:
                print(key)
                if key == "none":
                    break
                x = x * TABLE[key]
            except KeyError:
                x = -x
        return x

    def h(x):
        try:
            scale = (lambda y: y * shown("none"))
            x = scale(x)
        except KeyError:
            x = x * x
        return x
    with pytest.raises(TransformError, match="inside a try"):
        xform.grad(g)(X)
    with pytest.raises(TransformError, match="calls a function that prints"):
        xform.grad(h)(X)


def test_what_is_not_read_is_called_once():
    import collections
    waiting = collections.deque([2.0, 3.0, 5.0])

    def f(x):
        try:
            k = waiting.popleft()
            if k > 2.5:
                return x * k
        except ValueError:
            return x
        return k

    def g(x):
        try:
            k = waiting.popleft()
        except ValueError:
            k = 0.0
        return x * k
    for transformed in (xform.grad(f), xform.jit(f), lambda x: xform.jvp(f, (x,), (1.0,))):
        with pytest.raises(TransformError, match=r"left by a jump, calls method .popleft\(\), which is not read"):
            transformed(X)
    assert xform.grad(g)(X) == 2.0 and list(waiting) == [3.0, 5.0]
