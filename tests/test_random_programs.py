"""Random programs: loops, branches, exits, calls and containers, with finite differences and plain execution as the oracle.

XFORM_RANDOM_PROGRAMS=N runs N programs instead of the default few; XFORM_RANDOM_SEED chooses where to start.
"""
import importlib.util
import os
import random

import numpy
import pytest

import xform
import xform.numpy as np

COUNT = int(os.environ.get("XFORM_RANDOM_PROGRAMS", "12"))
START = int(os.environ.get("XFORM_RANDOM_SEED", "0"))
MARGIN = 1e-3   # comparisons closer than this could fall differently in single precision


class Writer:
    """Writes one random program; every value stays of order one, so that single precision tells a bug from rounding."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.lines, self.depth, self.fresh = [], 1, 0
        self.names, self.lists, self.vectors, self.dicts = ["x", "y"], [], [], []
        self.loops, self.helpers = 0, []

    def line(self, text):
        self.lines.append("    " * self.depth + text)

    def new(self, stem="v"):
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def constant(self):
        return repr(round(self.random.uniform(-1.5, 1.5), 2))

    def atom(self):
        if self.lists and self.random.random() < 0.15:
            return f"{self.random.choice(self.lists)}[{self.random.choice([0, -1])}]"
        if self.vectors and self.random.random() < 0.2:
            w = self.random.choice(self.vectors)
            return self.random.choice([f"{w}[0]", f"{w}[-1]", f"np.sum({w}) * 0.3", f"np.mean({w} * {w})", f"np.sum({w}[1:]) * 0.5"])
        if self.dicts and self.random.random() < 0.2:
            return f"{self.random.choice(self.dicts)}[{self.random.choice(['a', 'b'])!r}]"
        return self.random.choice(self.names) if self.random.random() < 0.85 else self.constant()

    def value(self, depth=2):
        if depth == 0:
            return self.atom()
        a, b = self.value(depth - 1), self.value(depth - 1)
        choices = [f"np.sin({a} + {b})", f"np.tanh({a} * {b})", f"({a} + {b}) * 0.5", f"({a} - {b}) * 0.5", f"np.cos({a}) * {b}",
                   f"{a} / (1.5 + ({b}) * ({b}))", f"np.exp(-({a}) * ({a}))", f"-({a})", f"np.tanh({a}) ** 2", a,
                   f"({a}) * {self.constant()}"]
        if self.helpers and self.random.random() < 0.4:
            return f"{self.random.choice(self.helpers)}({a}, {b})"
        return self.random.choice(choices)

    def test(self):
        return f"above({self.atom()}, {self.constant()})"

    def block(self, statements):
        kept = [list(kind) for kind in (self.names, self.lists, self.vectors, self.dicts)]
        self.depth += 1
        for _ in range(statements):
            self.statement()
        self.depth -= 1
        self.names, self.lists, self.vectors, self.dicts = kept

    def write_assign(self):
        if self.random.random() < 0.5 and self.names:
            self.line(f"{self.random.choice(self.names)} = {self.value()}")
        else:
            name = self.new()
            self.line(f"{name} = {self.value()}")
            self.names.append(name)

    def statement(self):
        kind = self.random.choices(["assign", "if", "for", "while", "exit", "list", "append", "augment", "unpack", "return",
                                    "function", "vector", "write", "dict", "entry"],
                                   [8, 3, 2, 1.5, 2, 1, 1.5, 1.5, 1, 0.7, 0.7, 1.2, 2.5, 0.7, 1.2])[0]
        if kind in ("for", "while") and self.depth > 3 or kind == "if" and self.depth > 4:
            kind = "assign"
        if kind == "exit" and not self.loops or kind == "append" and not self.lists or (
                kind == "write" and not self.vectors) or kind == "entry" and not self.dicts:
            kind = "assign"
        getattr(self, "write_" + kind)()

    def write_if(self):
        self.line(f"if {self.test()}:")
        self.block(self.random.randint(1, 2))
        if self.random.random() < 0.3:
            self.line(f"elif {self.test()}:")
            self.block(1)
        if self.random.random() < 0.6:
            self.line("else:")
            self.block(self.random.randint(1, 2))

    def write_for(self):
        style = self.random.choice(["range", "list", "enumerate", "reversed"])
        item = self.new("i")
        head = {"range": f"for {item} in range({self.random.randint(1, 4)}):",
                "list": f"for {item} in [{self.atom()}, {self.constant()}]:",
                "enumerate": f"for k{item}, {item} in enumerate(({self.atom()}, {self.atom()}, 0.5)):",
                "reversed": f"for {item} in reversed([{self.constant()}, {self.atom()}]):"}[style]
        self.line(head)
        self.loops += 1
        names = list(self.names)
        if style != "range":
            self.names.append(item)
        self.block(self.random.randint(1, 3))
        self.names = names
        self.loops -= 1
        if self.random.random() < 0.15:
            self.line("else:")
            self.block(1)

    def write_while(self):
        counter = self.new("n")
        self.line(f"{counter} = 0")
        self.line(f"while {counter} < {self.random.randint(1, 4)} and {self.test()}:"
                  if self.random.random() < 0.5 else f"while {counter} < {self.random.randint(1, 3)}:")
        self.loops += 1
        self.depth += 1
        self.line(f"{counter} = {counter} + 1")
        self.depth -= 1
        self.block(self.random.randint(1, 2))
        self.loops -= 1

    def write_exit(self):
        self.line(f"if {self.test()}:")
        self.depth += 1
        self.line(self.random.choice(["break", "continue"]))
        self.depth -= 1

    def write_return(self):
        self.line(f"if {self.test()}:")
        self.depth += 1
        self.line(f"return {self.value()}")
        self.depth -= 1

    def write_list(self):
        name = self.new("items")
        self.line(f"{name} = [{self.atom()}, {self.value(1)}]")
        self.lists.append(name)

    def write_append(self):
        if self.loops or self.depth > 1:  # a list that grows by a staged number of items cannot be compiled
            return self.write_augment()
        self.line(f"{self.random.choice(self.lists)}.append({self.value(1)})")

    def write_augment(self):
        self.line(f"{self.random.choice(self.names)} {self.random.choice(['+=', '-=', '*='])} 0.5 * np.sin({self.atom()})")

    def write_unpack(self):
        a, b = self.random.choice(self.names), self.random.choice(self.names)
        if a == b:
            return self.write_assign()
        self.line(f"{a}, {b} = {self.value(1)}, {self.value(1)}")

    def write_function(self):
        name, captured = self.new("inner"), self.atom()
        self.line(f"def {name}(a, b):")
        self.depth += 1
        self.line(f"return np.sin(a * {captured}) + b * {self.constant()}")
        self.depth -= 1
        target = self.new()
        self.line(f"{target} = {name}({self.atom()}, {self.atom()})")
        self.names.append(target)

    def write_vector(self):
        name = self.new("w")
        self.line(f"{name} = np.stack([{self.atom()}, {self.value(1)}, {self.atom()}])")
        self.vectors.append(name)

    def write_write(self):
        w = self.random.choice(self.vectors)
        place = self.random.choice(["0", "1", "-1", "1:", ":2", "::2", ":"])
        self.line(self.random.choice([f"{w}[{place}] = {self.value(1)}", f"{w}[{place}] += 0.5 * np.sin({self.atom()})",
                                      f"{w}[{place}] *= np.cos({self.atom()})", f"{w} = np.tanh({w} * {self.atom()})"]))

    def write_dict(self):
        name = self.new("table")
        self.line(f"{name} = {{'a': {self.atom()}, 'b': {self.value(1)}}}")
        self.dicts.append(name)

    def write_entry(self):
        self.line(f"{self.random.choice(self.dicts)}[{self.random.choice(['a', 'b'])!r}] "
                  f"{self.random.choice(['=', '+='])} 0.5 * {self.value(1)}")

    def program(self):
        header = ["def helper(a, b):", "    if above(a, 0.2):", "        return a * b", "    return np.sin(a) - b * 0.5", "", "",
                  "def looping(a, b):", "    for k in range(3):", "        if above(a, 0.9):", "            break",
                  "        a = np.cos(a) * b + 0.1 * k", "        if above(b, a):", "            return a - b",
                  "    else:", "        a = a * 0.5", "    return np.tanh(a)", "", ""]
        self.helpers = ["helper", "helper", "looping"]
        for _ in range(self.random.randint(4, 8)):
            self.statement()
        # results stay of order one whatever the loops did
        self.line(f"return np.tanh({' + '.join(self.names[-3:])})")
        return "\n".join(header + ["def f(x, y):", "    x = x * 1.0", "    y = y * 1.0"] + self.lines) + "\n"


OURS = "import xform.numpy as np\n\n\ndef above(a, b):\n    return a > b\n\n\n"


def loaded(text, path):
    """Our version, from a file of its own: the compiler reads source text."""
    path.write_text(OURS + text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.f


def plain(text):
    """The same text on NumPy in double precision; it reports how close a comparison came to a tie."""
    closest = [float("inf")]

    def above(a, b):
        closest[0] = min(closest[0], abs(float(a) - float(b)))
        return a > b
    namespace = {"np": numpy, "above": above}
    exec(compile(text, "<plain>", "exec"), namespace)

    def run(x, y):
        closest[0] = float("inf")
        return float(namespace["f"](numpy.float64(x), numpy.float64(y))), closest[0]
    return run


def finite_difference(run, x, y, step=1e-6):
    x, y = float(x), float(y)
    return ((run(x + step, y)[0] - run(x - step, y)[0]) / (2 * step), (run(x, y + step)[0] - run(x, y - step)[0]) / (2 * step))


def points(run, seed, count=3):
    """Sample points that are away from every tie."""
    rng = random.Random(seed)
    found = []
    for _ in range(40):
        point = rng.uniform(-1.2, 1.2), rng.uniform(-1.2, 1.2)
        if run(*point)[1] > MARGIN:
            found.append(point)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("seed", range(START, START + COUNT))
def test_random_program(seed, tmp_path):
    text = Writer(seed).program()
    run = plain(text)
    f = loaded(text, tmp_path / f"random_{seed}.py")
    chosen = points(run, seed)
    if not chosen:
        pytest.skip("every sample point is near a tie")
    gradient = xform.grad(f, argnums=(0, 1))
    slopes = []
    for x, y in chosen:
        value = numpy.float32(x), numpy.float32(y)
        numpy.testing.assert_allclose(float(xform.value_and_grad(f)(*value)[0]), run(*value)[0], rtol=2e-4, atol=2e-4, err_msg=text)
        slopes.append(numpy.array([float(g) for g in gradient(*value)]))
        expected = finite_difference(run, *value)
        numpy.testing.assert_allclose(slopes[-1], expected, rtol=2e-3, atol=2e-3, err_msg=f"gradient of\n{text}")
        _, tangent = xform.jvp(f, value, (np.float32(0.3), np.float32(-0.7)))
        numpy.testing.assert_allclose(float(tangent), 0.3 * expected[0] - 0.7 * expected[1], rtol=2e-3, atol=2e-3,
                                      err_msg=f"jvp of\n{text}")
        numpy.testing.assert_allclose(numpy.asarray(xform.jit(f)(*value)), run(*value)[0], rtol=2e-4, atol=2e-4,
                                      err_msg=f"jit of\n{text}")
    xs, ys = (numpy.array(column, dtype=numpy.float32) for column in zip(*chosen))
    numpy.testing.assert_allclose(numpy.asarray(xform.vmap(f)(xs, ys)), [run(x, y)[0] for x, y in zip(xs, ys)], rtol=2e-4,
                                  atol=2e-4, err_msg=f"vmap of\n{text}")
    for batched in (xform.vmap(gradient)(xs, ys), zip(*[xform.jit(gradient)(x, y) for x, y in zip(xs, ys)])):
        made = numpy.array([numpy.asarray(list(g), dtype=numpy.float32) for g in batched]).T
        numpy.testing.assert_allclose(made, numpy.array(slopes), rtol=2e-3, atol=2e-3,
                                      err_msg=f"vmap or jit of the gradient of\n{text}")


@pytest.mark.parametrize("seed", range(START + 1000, START + 1000 + max(1, COUNT // 4)))
def test_second_derivative_of_a_random_program(seed, tmp_path):
    text = Writer(seed).program()
    run = plain(text)
    f = loaded(text, tmp_path / f"random_{seed}.py")
    second = xform.grad(xform.grad(f))
    for x, y in points(run, seed, 2):
        step = 1e-4
        expected = (run(x + step, y)[0] - 2 * run(x, y)[0] + run(x - step, y)[0]) / step ** 2
        numpy.testing.assert_allclose(float(second(x, y)), expected, rtol=5e-3, atol=5e-3, err_msg=text)
