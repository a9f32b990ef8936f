"""Python's standard library in transformed functions: every function of math and operator, and itertools, by finite differences."""
import collections
import copy
import enum
import functools
import heapq
import itertools
import math
import operator
import typing

import numpy as onp
import pytest

import xform
import xform.numpy as np
from xform.errors import TransformError

X, XS = 0.73, (0.73, 0.31)
TABLE = {"a": 2.0}


@functools.lru_cache(maxsize=None)
def doubled(n):
    return n * 2.0


def rows(x):
    total = 0.0
    for i, j in itertools.product(range(2), range(1, 3)):
        total += x ** i * j
    return total


def counted(x):
    total = x
    for i in itertools.count(1):
        if i > 3:
            break
        total = total * x + i
    return total


class Box:
    def __init__(self, x, inner=None):
        self.x, self.inner = x, inner


def copied_object(x):
    box = Box(x)
    other = copy.copy(box)
    box.x = box.x * x
    return box.x * 3 + other.x


def copied_list(x):
    xs = [x, x * x]
    ys = copy.copy(xs)
    xs.append(3 * x)
    return sum(xs) * len(xs) + sum(ys)


def deeply_copied(x):
    box, table = Box(x, Box(2 * x)), {"a": [x, x * x], "b": (x,)}
    other, same = copy.deepcopy(box), copy.deepcopy(table)
    box.inner.x = box.inner.x * x
    same["a"] = [same["a"][1] * 5]
    return box.inner.x * 3 + other.inner.x + same["a"][0] * sum(table["a"]) * same["b"][0]


def by_index(x):
    items = [x, x * x, x ** 3]
    return items[math.ceil(1.2)] + items[math.trunc(1.7)] + items[int(math.log2(8)) - 3] * math.floor(5 / 2)


class Pair(typing.NamedTuple):
    a: float
    b: float

    def product(self):
        return self.a * self.b


PlainPair = collections.namedtuple("PlainPair", "a b")


def put_together(x):
    one, two = Pair._make([x, x * x]), PlainPair._make(np.ones(2) * x)
    table, sums = dict.fromkeys(["a", "b"], x), dict.fromkeys(range(2), 0.0)
    table["a"] = table["a"] * x
    for i, v in enumerate([x, 2.0 * x, x * x]):
        sums[i % 2] += v
    nothing = dict.fromkeys("ab")
    return one.product() * two.a + two.b + table["a"] * table["b"] + sums[0] * sums[1] + (x if nothing["a"] is None else 0.0)


def first_of(x):
    table = {"k": x * x}
    return next(iter([x, 2.0])) * table[next(iter(table))] + next(iter(table.values())) + next(iter([]), 2.0) * x


def changed(x):
    items, table = [x, x * x, x], {"a": x}
    operator.setitem(items, 0, 2 * x * x)
    operator.delitem(items, 1)
    list.append(items, x ** 3)
    dict.update(table, b=x * x)
    table.update(a=x ** 3, c=x)
    return items[0] * items[2] + table["a"] * table["b"]


def grouped(x):
    total = 0.0
    for key, group in itertools.groupby([(1, x), (1, x * x), (2, x)], key=operator.itemgetter(0)):
        total += sum(v for _, v in group) ** key
    return total


def determinant(x):
    a = np.array([[1.0, 2.0, 0.5], [0.3, 1.0, 0.2], [0.1, 0.4, 1.0]]) * x
    total = 0.0
    for order in itertools.permutations(range(3)):
        sign = (-1) ** sum(order[i] > order[j] for i, j in itertools.combinations(range(3), 2))
        total += sign * math.prod(a[i, order[i]] for i in range(3))
    return total


MATH = {
    "acos": lambda x: math.acos(x), "acosh": lambda x: math.acosh(x + 1.5), "asin": lambda x: math.asin(x), "asinh": lambda x: math.asinh(x),
    "atan": lambda x: math.atan(x), "atan2": lambda x: math.atan2(x * x, 0.4) + math.atan2(0.9, x), "atanh": lambda x: math.atanh(x),
    "ceil": lambda x: math.ceil(x) * x, "comb": lambda x: math.comb(6, 4) * x, "copysign": lambda x: math.copysign(x * x, -0.4),
    "cos": lambda x: math.cos(x), "cosh": lambda x: math.cosh(x), "degrees": lambda x: math.degrees(x) * x,
    "dist": lambda x: math.dist([x, 2.0], [1.0, x * x]), "erf": lambda x: math.erf(x), "erfc": lambda x: math.erfc(x), "exp": lambda x: math.exp(x),
    "expm1": lambda x: math.expm1(x), "fabs": lambda x: math.fabs(x) * math.fabs(-3), "factorial": lambda x: math.factorial(5) * x,
    "floor": lambda x: math.floor(x + 1) * x, "fmod": lambda x: math.fmod(x * x, 0.4) * x, "fsum": lambda x: math.fsum([x, 2.0, x * x]),
    "gamma": lambda x: math.gamma(x), "gcd": lambda x: math.gcd(6, 4) * x, "hypot": lambda x: math.hypot(x, 2.0, x * x),
    "isclose": lambda x: x * x if math.isclose(x, X, abs_tol=0.1) else x ** 3, "isfinite": lambda x: x * x if math.isfinite(x) else x,
    "isinf": lambda x: x * x if math.isinf(x) else x ** 3, "isnan": lambda x: x * x if math.isnan(x) else x ** 3,
    "isqrt": lambda x: math.isqrt(17) * x, "lcm": lambda x: math.lcm(6, 4) * x, "ldexp": lambda x: math.ldexp(x, 3) * x,
    "lgamma": lambda x: math.lgamma(x), "log": lambda x: math.log(x) + math.log(x, 3.0), "log10": lambda x: math.log10(x),
    "log1p": lambda x: math.log1p(x), "log2": lambda x: math.log2(x), "modf": lambda x: math.modf(x * 3)[0] * x, "perm": lambda x: math.perm(4, 2) * x,
    "pow": lambda x: math.pow(x, 3.0) + math.pow(2.0, x), "prod": lambda x: math.prod([x, 2.0, x], start=x), "radians": lambda x: math.radians(x) * x,
    "remainder": lambda x: math.remainder(x * x, 0.4) * x, "sin": lambda x: math.sin(x), "sinh": lambda x: math.sinh(x), "sqrt": lambda x: math.sqrt(x),
    "tan": lambda x: math.tan(x), "tanh": lambda x: math.tanh(x), "trunc": lambda x: np.sin(x) * math.trunc(2.7),
}
if hasattr(math, "cbrt"):
    MATH.update(cbrt=lambda x: math.cbrt(x), exp2=lambda x: math.exp2(x))
if hasattr(math, "sumprod"):
    MATH.update(sumprod=lambda x: math.sumprod([x, 2.0], [x, x]))
REFUSED_MATH = {"frexp": lambda x: math.frexp(x)[0], "nextafter": lambda x: math.nextafter(x, 2.0), "ulp": lambda x: math.ulp(x) * x}
if hasattr(math, "fma"):
    REFUSED_MATH.update(fma=lambda x: math.fma(x, 2.0, 1.0))

OPERATOR = {
    "abs": lambda x: operator.abs(x), "add": lambda x: operator.add(x * x, 0.4), "and_": lambda x: operator.and_(6, 3) * x,
    "attrgetter": lambda x: operator.attrgetter("T")(np.ones(2) * x).sum() * x, "concat": lambda x: sum(operator.concat([x, x * x], [x])),
    "contains": lambda x: x * x if operator.contains((1, 2), 2) else x, "countOf": lambda x: operator.countOf([1, 2, 2], 2) * x * x,
    "delitem": changed, "eq": lambda x: x * x if operator.eq(x, 2.0) else x ** 3, "floordiv": lambda x: operator.floordiv(x, 0.4) * x,
    "ge": lambda x: x * x if operator.ge(x, 0.1) else x, "getitem": lambda x: operator.getitem([x, x * x], 1) * operator.getitem({"a": x}, "a"),
    "gt": lambda x: x * x if operator.gt(x, 0.1) else x, "iand": lambda x: operator.iand(6, 3) * x, "ifloordiv": lambda x: operator.ifloordiv(x, 0.4) * x,
    "ilshift": lambda x: operator.ilshift(6, 1) * x, "imatmul": lambda x: operator.imatmul(np.ones(3) * x, np.arange(3.0) * x),
    "imod": lambda x: operator.imod(x * x, 0.4) * x, "index": lambda x: [x, x * x][operator.index(1)], "indexOf": lambda x: operator.indexOf([1, 2], 2) * x,
    "inv": lambda x: operator.inv(6) * x, "invert": lambda x: operator.invert(6) * x, "ior": lambda x: operator.ior(6, 1) * x,
    "ipow": lambda x: operator.ipow(x, 3.0), "irshift": lambda x: operator.irshift(6, 1) * x, "is_": lambda x: x * x if operator.is_(x, None) else x ** 3,
    "is_not": lambda x: x * x if operator.is_not(x, None) else x, "isub": lambda x: operator.isub(x * x, 0.4),
    "itemgetter": lambda x: operator.itemgetter(1)([x, x * x]) * sum(operator.itemgetter("a", "b")({"a": x * x, "b": x})),
    "itruediv": lambda x: operator.itruediv(x * x, 0.4), "ixor": lambda x: operator.ixor(6, 1) * x, "le": lambda x: x * x if operator.le(x, 2.0) else x,
    "lshift": lambda x: operator.lshift(6, 1) * x, "lt": lambda x: x * x if operator.lt(x, 2.0) else x,
    "matmul": lambda x: operator.matmul(np.ones(3) * x, np.arange(3.0) * x), "methodcaller": lambda x: operator.methodcaller("sum")(np.ones(2) * x) * x,
    "mod": lambda x: operator.mod(x * x, 0.4) * x, "mul": lambda x: operator.mul(x, x), "ne": lambda x: x * x if operator.ne(x, 2.0) else x,
    "neg": lambda x: operator.neg(x) * x, "not_": lambda x: x * x if operator.not_(x > 2.0) else x, "or_": lambda x: operator.or_(6, 1) * x,
    "pos": lambda x: operator.pos(x) * x, "pow": lambda x: operator.pow(x, 3.0) + operator.pow(2.0, x), "rshift": lambda x: operator.rshift(6, 1) * x,
    "setitem": changed, "sub": lambda x: operator.sub(x * x, x), "truediv": lambda x: operator.truediv(0.9, x),
    "truth": lambda x: x * x if operator.truth(x > 0.1) else x, "xor": lambda x: operator.xor(6, 1) * x,
}
if hasattr(operator, "call"):
    OPERATOR["call"] = lambda x: operator.call(np.sin, x) * x
REFUSED_OPERATOR = {"iadd": lambda x: operator.iadd(x * x, 0.4), "iconcat": lambda x: sum(operator.iconcat([x], [x])), "imul": lambda x: operator.imul(x, x),
                    "length_hint": lambda x: operator.length_hint([x, x]) * x}

OTHERS = {
    "accumulate": lambda x: sum(itertools.accumulate([x, x * x, 3.0])),
    "accumulate by": lambda x: sum(itertools.accumulate([x, x * x, 3.0], lambda a, b: a * b)),
    "accumulate from": lambda x: sum(itertools.accumulate([x, x * x], operator.mul, initial=x)) + list(itertools.accumulate([x, x], initial=x))[-1],
    "chain": lambda x: sum(v * v for v in itertools.chain([x, 2 * x], (x * x,), np.ones(2) * x)),
    "chain.from_iterable": lambda x: sum(v * v for v in itertools.chain.from_iterable([[x, 2 * x], (x * x,)])),
    "combinations": lambda x: sum(a * b for a, b in itertools.combinations([x, x * x, 2.0], 2)),
    "combinations_with_replacement": lambda x: sum(a * b for a, b in itertools.combinations_with_replacement([x, x * x], 2)),
    "compress": lambda x: sum(itertools.compress([x, x * x, 2.0, x], [1, 0, 1, 1])) * x, "count": counted,
    "count beside": lambda x: sum(a * b for a, b in zip(itertools.count(1), [x, x * x, 3.0])),
    "cycle": lambda x: sum(a * b for a, b in zip(itertools.cycle([x, 2.0]), [x, x * x, 3.0])), "determinant": determinant,
    "dropwhile": lambda x: sum(itertools.dropwhile(lambda k: k < 2, range(5))) * x * x,
    "first": first_of, "put together": put_together,
    "filterfalse": lambda x: sum(TABLE["a"] * x ** k for k in itertools.filterfalse(lambda k: k % 2, range(5))), "groupby": grouped,
    "islice": lambda x: sum(itertools.islice([x, x * x, 2.0 * x, x], 1, 4, 2)) + sum(x ** i for i in itertools.islice(itertools.count(1), 4)),
    "pairwise": lambda x: sum(a * b for a, b in itertools.pairwise([x, x * x, 2.0, x])),
    "permutations": lambda x: sum(a * b * b for a, b in itertools.permutations([x, x * x, 2.0], 2)), "product": rows,
    "product of values": lambda x: sum(a * b for a, b in itertools.product([x, x * x], repeat=2)), "repeat": lambda x: sum(itertools.repeat(x, 3)) * x,
    "repeat beside": lambda x: sum(a * b for a, b in zip(itertools.repeat(x), [x, x * x])),
    "starmap": lambda x: sum(itertools.starmap(lambda a, b: a * b, [(x, 2.0), (x, x)])) + sum(itertools.starmap(pow, [(x, 2.0), (x, 3.0)])),
    "takewhile": lambda x: sum(itertools.takewhile(lambda k: k < 3, range(5))) * x * x,
    "tee": lambda x: sum(itertools.tee([x, x * x])[0]) * sum(itertools.tee([x, x * x])[1]),
    "zip_longest": lambda x: sum(a * b for a, b in itertools.zip_longest([x, x * x, 2.0], [x], fillvalue=3.0)),
    "map": lambda x: sum(map(operator.mul, [x, 2.0], [x, x * x])) + sum(map(pow, [x, 2.0], [2.0, x])),
    "map of three": lambda x: sum(map(lambda a, b, c: a * b * c, [x, 2.0], [x, x * x], (3.0, x))),
    "next": lambda x: next(k for k in range(5) if k > 2) * x * x + next((k for k in range(5) if k > 9), x), "numbers": by_index,
    "generators": lambda x: sum(x * i for i in range(4)) * max(x * i for i in range(4)) + min(np.sin(x * i) for i in range(1, 4)),
    "any and all": lambda x: x * x if any(x * i > 1 for i in range(4)) and not all(x * i > 1 for i in range(4)) else x ** 3,
    "divmod": lambda x: divmod(x, 0.2)[0] * x + divmod(x, 0.2)[1] ** 2, "round": lambda x: round(x, 1) * x + round(x) * x,
    "pow": lambda x: pow(x, 3.0) + pow(2.0, x) + pow(x, x), "reduce": lambda x: functools.reduce(operator.mul, [x, 2.0, x * x], 3.0),
    "reduce by": lambda x: functools.reduce(lambda a, b: a * b + x, [x, 2.0, x * x]),
    "partial": lambda x: functools.partial(np.power, x)(3.0) + functools.partial(lambda a, b, c: a * b * c, x, c=x)(2.0),
    "lru_cache": lambda x: doubled(3) * x * x, "max by": lambda x: max([x, -2 * x, x * x], key=lambda v: -v) * max([], default=x),
    "sorted by": lambda x: sorted([(2, x), (1, x * x)], key=operator.itemgetter(0))[0][1] * x,
    "float": lambda x: float(x * x) * x, "complex": lambda x: (complex(x, x) * complex(x)).imag, "int": lambda x: np.sin(x) * int(2.7),
    "bool": lambda x: x * x if bool(x > 0.1) else x, "item": lambda x: x.item() * x, "item at": lambda x: (np.arange(4.0) * x).item(2) * x,
    "item of a matrix": lambda x: (np.ones((2, 2)) * x).item(0, 1) * x, "tolist": lambda x: sum((np.arange(3.0) * x).tolist()) * x,
    "tolist of a matrix": lambda x: sum(v * v for row in (np.ones((2, 2)) * x).tolist() for v in row),
    "numpy.asarray": lambda x: onp.asarray(x) * x, "numpy.array": lambda x: onp.array([x, 2 * x]).sum() * x, "numpy.float32": lambda x: onp.float32(x) * x,
    "copy of a list": copied_list, "copy of an object": copied_object, "deep copy": deeply_copied,
    "copy of an array": lambda x: copy.copy(onp.array([x, 2.0])).sum() * copy.deepcopy(x), "repeated list": lambda x: sum([x, 2 * x] * 2) * x + sum(3 * [x]), "repeated tuple": lambda x: sum((x, x * x) * 2 + (x,)),
}
PROGRAMS = {**{f"math.{k}": f for k, f in MATH.items()}, **{f"operator.{k}": f for k, f in OPERATOR.items()}, **OTHERS}


def slope(f, x, h=1e-4):
    """A central difference of the fourth order."""
    at = [float(f(np.asarray(x + k * h))) for k in (-2, -1, 1, 2)]
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)


@pytest.fixture(autouse=True)
def wide():
    with xform.enable_x64(True):
        yield


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives(name):
    f, x = PROGRAMS[name], np.asarray(X)
    exact = {"rtol": 1e-6, "atol": 1e-7}
    if name in ("math.trunc", "int", "numpy.float32"):
        exact = {"rtol": 1e-3, "atol": 1e-3}
    want = slope(f, X)
    onp.testing.assert_allclose(xform.grad(f)(x), want, **exact)
    onp.testing.assert_allclose(xform.grad(f)(x), xform.jvp(f, (x,), (np.asarray(1.0),))[1], rtol=1e-6, atol=1e-7)
    onp.testing.assert_allclose(xform.grad(xform.grad(f))(x), slope(xform.grad(f), X), **exact)
    onp.testing.assert_allclose(xform.jit(xform.grad(f))(x), want, **exact)
    onp.testing.assert_allclose(xform.vmap(xform.grad(f))(np.array(XS)), [xform.grad(f)(np.asarray(v)) for v in XS], **exact)
    onp.testing.assert_allclose(xform.vmap(f)(np.array(XS)), [f(np.asarray(v)) for v in XS], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in dir(math) if callable(getattr(math, n)) and not n.startswith("_")])
def test_every_function_of_math(name):
    assert name in MATH or name in REFUSED_MATH


@pytest.mark.parametrize("name", [n for n in dir(operator) if not n.startswith("_") and n not in ("is_none", "is_not_none")])
def test_every_function_of_operator(name):
    assert name in OPERATOR or name in REFUSED_OPERATOR


@pytest.mark.parametrize("name", {**REFUSED_MATH, **REFUSED_OPERATOR})
def test_refused_by_name(name):
    with pytest.raises(TransformError, match=name):
        xform.grad({**REFUSED_MATH, **REFUSED_OPERATOR}[name])(X)


def test_numbers_count_exactly():
    with xform.enable_x64(False):
        for k in range(1, 30):
            assert xform.grad(lambda x: x * int(math.log2(2 ** k)))(1.0) == k


def test_functions_that_change_their_arguments_are_refused():
    def pushed(x):
        heap = [3 * x, 2 * x]
        heapq.heappush(heap, x * x)
        return heap[0]

    def assigned(x):
        items = [x, x]
        items.__setitem__(0, x * x)
        return items[0]

    def advanced(x):
        items = iter([x, x * x])
        return next(items) * next(items)
    for f, what in ((pushed, "heappush"), (assigned, "__setitem__"), (advanced, "next")):
        for transformed in (xform.grad(f), lambda x, f=f: xform.jvp(f, (x,), (1.0,))):
            with pytest.raises(TransformError, match=what):
                transformed(2.0)


def test_repeating_a_list_of_unknown_origin_fails():
    def twice(pairs):
        return sum(pairs["a"] * 2)
    with pytest.raises(TypeError):
        xform.grad(twice)({"a": [1.0, 2.0]})


def test_text_in_a_batch(capsys):
    def f(x):
        text = f"{x:.2f} and {x}"
        print(text)
        return x * x
    xform.vmap(f)(np.array(XS))
    assert capsys.readouterr().out == "[0.73 0.31] and [0.73 0.31]\n"
    xform.vmap(xform.grad(f))(np.array(XS))
    assert capsys.readouterr().out == "[0.73 0.31] and [0.73 0.31]\n"
    xform.grad(f)(X)
    assert capsys.readouterr().out == "0.73 and 0.73\n"
    xform.jit(xform.grad(f))(X)
    assert "staged" in capsys.readouterr().out


def test_truth_of_a_batch_is_no_number():
    onp.testing.assert_allclose(xform.vmap(lambda x: bool(x) * x)(np.array([3.0, 0.0])), [3.0, 0.0])


def test_a_module_of_a_package_that_nothing_has_imported(tmp_path, monkeypatch):
    (tmp_path / "package_of_parts").mkdir()
    (tmp_path / "package_of_parts" / "__init__.py").write_text("")
    (tmp_path / "package_of_parts" / "squares.py").write_text("def square(x):\n    return x * x\n")
    monkeypatch.syspath_prepend(tmp_path)

    def f(x):
        from package_of_parts import squares
        return squares.square(x)
    assert xform.grad(f)(3.0) == 6.0


class Kind(enum.Enum):
    A = 2.0
    B = 3.0


@pytest.mark.parametrize("keys", [("p", "q"), "pq", ["p"]])
def test_keys_with_an_object_of_a_module(keys):
    """It was looked up under its last name."""
    def f(x, keys=keys):
        return x * x * dict.fromkeys(keys, Kind.B)["p"].value
    assert xform.grad(f)(2.0) == 12.0
    assert xform.jit(f)(2.0) == 12.0


def test_the_mesh_of_the_context_is_asked_for_under_jit():
    f = xform.jit(lambda x: x * (2.0 + len(xform.sharding.get_abstract_mesh().axis_names)))
    mesh = xform.make_mesh((1,), ("a",))
    for _ in range(2):      # what was staged for one mesh is not run for another, by none of the ways to a program
        assert f(1.5) == f(xform.numpy.float32(1.5)) == 3.0
        with xform.set_mesh(mesh):
            assert f(1.5) == f(xform.numpy.float32(1.5)) == 4.5
            with xform.sharding.use_abstract_mesh(xform.sharding.AbstractMesh((2, 2), ("x", "y"))):
                assert f(1.5) == f(xform.numpy.float32(1.5)) == 6.0
