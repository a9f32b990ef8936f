"""The goldens: what the command makes of tests/goldens/models.py, byte for byte, and that it runs on its own."""
from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent / "goldens"
COMMANDS = {
    "loss_grad.py": ["grad", "models.py:loss"],
    "grow_grad.py": ["grad", "models.py:grow", "--wrt", "x,rate"],
    "clip_norm_grad.py": ["grad", "models.py:clip_norm"],
    "newton_grad.py": ["grad", "models.py:newton"],
    "grow_jvp.py": ["jvp", "models.py:grow"],
    "loss_jvp.py": ["jvp", "models.py:loss", "--wrt", "params"],
    "grow_vmap.py": ["vmap", "models.py:grow", "--in-axes", "0,None", "--ndim", "x=0,rate=0"],
    "predict_vmap.py": ["vmap", "models.py:predict", "--in-axes", "None,0"],
    "newton_jit.py": ["jit", "models.py:newton"],
    "grow_jit.py": ["jit", "models.py:grow"],
    "loss_pmap.py": ["pmap", "models.py:loss", "--in-axes", "None,0,0", "--axis-name", "batch"],
}


def xform(arguments, seed="0"):
    return subprocess.run([sys.executable, "-m", "xform", *arguments], cwd=FOLDER, capture_output=True, text=True,
                          env={**os.environ, "PYTHONHASHSEED": seed})


@pytest.mark.parametrize("name", COMMANDS)
def test_command_writes_the_golden(name):
    made = xform([*COMMANDS[name], "-o", name, "--check"])
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("name", ["loss_grad.py", "grow_vmap.py", "newton_jit.py"])
def test_text_does_not_depend_on_the_hash_seed(name):
    one, two = (xform(COMMANDS[name], seed).stdout for seed in ("1", "12345"))
    assert one and one == two


RUN_ALONE = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('gast', 'astor', 'xform'):
            raise ImportError(f'{name} is not needed to run an emitted file')
sys.meta_path.insert(0, Blocker())
import numpy
"""


def run_alone(code):
    """Run code where the compiler and its packages cannot be imported."""
    made = subprocess.run([sys.executable, "-c", RUN_ALONE + code], cwd=FOLDER, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return [float(word) for word in made.stdout.split()]


def test_emitted_gradients_run_without_the_compiler():
    x, rate = 1.5, 1.7
    found = run_alone(f"from grow_grad import grow_grad\nprint(*map(float, grow_grad({x}, {rate})))")

    def grow(x, rate):
        y = x
        while y < 10.0:
            y = y * rate if y > 3.0 else y * x + 1.0
        return y
    step = 1e-6
    wanted = [(grow(x + step, rate) - grow(x - step, rate)) / (2 * step),
              (grow(x, rate + step) - grow(x, rate - step)) / (2 * step)]
    assert found == pytest.approx(wanted, rel=1e-4)


def test_emitted_batched_code_runs_without_the_compiler():
    found = run_alone("from grow_vmap import grow_vmap\nprint(*grow_vmap(numpy.array([1.5, 2.0, 11.0], 'f'), 1.7).tolist())")
    assert found == pytest.approx([15.96725, 14.45, 11.0], rel=1e-5)


def test_emitted_staged_code_runs_without_the_compiler():
    assert run_alone("from newton_jit import newton_jit\nprint(float(newton_jit(2.0)))") == pytest.approx([2 ** 0.5], rel=1e-5)


def test_emitted_loss_gradient_agrees_with_finite_differences():
    code = """
from loss_grad import loss_grad
rng = numpy.random.RandomState(0)
params = [(rng.randn(3, 4).astype('f'), rng.randn(4).astype('f')), (rng.randn(4, 2).astype('f'), rng.randn(2).astype('f'))]
x, t = rng.randn(5, 3).astype('f'), rng.randn(5, 2).astype('f')
print(float(loss_grad(params, x, t)[0][0][1, 2]))
def loss(params):
    h = x.astype('d')
    for W, b in params:
        out = h @ W + b
        h = numpy.tanh(out)
    return ((out - t) ** 2).mean()
step = 1e-6
def moved(sign):
    W = params[0][0].astype('d'); W[1, 2] += sign * step
    return loss([(W, params[0][1]), params[1]])
print((moved(1) - moved(-1)) / (2 * step))
"""
    made, wanted = run_alone(code)
    assert made == pytest.approx(wanted, rel=1e-3)


def test_an_emitted_file_can_be_transformed_again():
    code = f"""
import sys; sys.path.insert(0, {str(FOLDER)!r})
import xform
from grow_grad import grow_grad
import models
again = xform.grad(lambda x: grow_grad(x, 1.7)[0])(1.5)
direct = xform.grad(xform.grad(models.grow))(1.5, 1.7)
print(float(again), float(direct))
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FOLDER.parent.parent)
    assert made.returncode == 0, made.stderr
    again, direct = map(float, made.stdout.split())
    assert again == pytest.approx(direct, rel=1e-6) and direct == pytest.approx(9.826, rel=1e-3)
