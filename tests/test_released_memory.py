"""Functions made anew again and again, transformed and dropped: what was worked out for them goes with them.

The objects are counted in a process of its own (this file, run as a program): in that of the tests there are millions.
"""
import gc
import json
import subprocess
import sys

import pytest

import xform
import xform.numpy as np


def ruled(i):
    @xform.custom_vjp
    def f(x):
        return x * i
    f.defvjp(lambda x: (x * i, None), lambda r, d: (d * i,))
    return xform.grad(f)(1.0)


RUNS = {
    "grad": lambda i: xform.grad(lambda x: x * i)(1.0),
    "grad of grad": lambda i: xform.grad(xform.grad(lambda x: sum([x * i * k for k in range(3)]) * x))(1.0),
    "vmap": lambda i: xform.vmap(xform.grad(lambda x: x * i))(np.ones(3)),
    "jit": lambda i: xform.jit(lambda x: x * i)(1.0),
    "vjp": lambda i: xform.vjp(lambda x: x * i, 1.0)[1](1.0),
    "jvp": lambda i: xform.jvp(lambda x: x * i, (1.0,), (1.0,)),
    "loop": lambda i: xform.grad(lambda x: xform.lax.fori_loop(0, 3, lambda k, c: c * x * i, 1.0))(1.0),
    "tree": lambda i: xform.grad(lambda p: sum(xform.tree.leaves(xform.tree.map(lambda v: v * i, p))))({"a": 1.0, "b": 2.0}),
    "custom_vjp": ruled,
}


TURNS = 12


def left_behind(run) -> int:
    """How many more objects there are after so many turns."""
    for i in range(3):
        run(i)
    gc.collect()
    before = len(gc.get_objects())
    for i in range(TURNS):
        run(i)
    gc.collect()
    return len(gc.get_objects()) - before


@pytest.fixture(scope="module")
def counts():
    done = subprocess.run([sys.executable, "-P", __file__], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", RUNS)
def test_closures_are_let_go(name, counts):
    assert counts[name] < 10 * TURNS


if __name__ == "__main__":
    print(json.dumps({name: left_behind(run) for name, run in RUNS.items()}))
