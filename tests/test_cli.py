"""The command line: help, mistakes, staleness, and imports of emitted files."""
from __future__ import annotations

import subprocess
import sys

import pytest

from xform.cli import main

MODEL = '''"""A model."""
import xform.numpy as np

SCALE = 3.0


def helper(n):
    return n + 1


def f(x, y):
    return np.sum(x * SCALE) * helper(2) + y


def generator(x):
    yield x
'''


@pytest.fixture
def model(tmp_path, monkeypatch):
    path = tmp_path / "cli_model.py"
    path.write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    yield path
    sys.modules.pop("cli_model", None)


def test_without_arguments_it_helps(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, message", [
    (["grad", "nowhere.py:f"], "there is no file 'nowhere.py'"),
    (["grad", "cli_model.py"], "is not FILE:FUNCTION"),
    (["grad", "cli_model.py:g"], "defines no 'g'"),
    (["grad", "cli_model.py:helpr"], "did you mean 'helper'"),
    (["grad", "cli_model.py:f", "--wrt", "z"], "f has no parameter 'z'; it has x, y"),
    (["grad", "cli_model.py:f", "--check"], "--check needs -o OUT"),
    (["vmap", "cli_model.py:f", "--in-axes", "left"], "is not an axis"),
    (["vmap", "cli_model.py:f", "--in-axes", "0,0,0"], "f has 2 parameters: x, y"),
    (["vmap", "cli_model.py:f", "--ndim", "q=1"], "is not NAME=N"),
])
def test_mistakes_are_explained(model, capsys, arguments, message):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_refusal_names_the_line(model, capsys):
    assert main(["grad", "cli_model.py:generator"]) == 1
    error = capsys.readouterr().err
    assert "cli_model.py\", line 16" in error and "yield" in error and "Append to a list" in error


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["gradient", "x.py:f"])
    assert stopped.value.code == 2


def test_writes_checks_and_finds_staleness(model, capsys):
    assert main(["grad", "cli_model.py:f", "-o", "f_grad.py"]) == 0
    assert main(["grad", "cli_model.py:f", "-o", "f_grad.py", "--check"]) == 0
    text = (model.parent / "f_grad.py").read_text()
    assert "from cli_model import SCALE" in text and "Made by xform from cli_model.py" in text
    assert "xform grad cli_model.py:f -o f_grad.py" in text
    (model.parent / "f_grad.py").write_text(text + "# edited\n")
    assert main(["grad", "cli_model.py:f", "-o", "f_grad.py", "--check"]) == 1
    assert "is stale" in capsys.readouterr().err
    assert main(["grad", "cli_model.py:f", "-o", "missing.py", "--check"]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["grad"], ["value-and-grad", "--wrt", "x,y"], ["jvp"], ["vmap", "--in-axes", "0,None"],
                                     ["pmap", "--axis-name", "i"], ["jit"]])
def test_every_command_emits_a_module_that_compiles(model, capsys, command):
    assert main([command[0], "cli_model.py:f", *command[1:]]) == 0
    compile(capsys.readouterr().out, "emitted", "exec")


def test_the_installed_command_runs():
    made = subprocess.run([sys.executable, "-m", "xform", "--version"], capture_output=True, text=True)
    assert made.returncode == 0 and made.stdout.startswith("xform ")
