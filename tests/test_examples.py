"""The examples and the README's code run and say what they claim."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(*arguments, devices="4"):
    """Run Python in the repository as a user would; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XFORM_CPU_DEVICES": devices, "MPLBACKEND": "Agg"}
    environment.pop("XLA_FLAGS", None)
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment,
                          timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_digits_learns_and_writes_its_gradient(tmp_path):
    printed = run(EXAMPLES / "01_digits.py", "--out", tmp_path, devices="1")
    assert "def loss_grad(params, images, targets):" in printed
    accuracy = float(re.search(r"test accuracy ([\d.]+)%", printed)[1])
    assert accuracy >= 95
    assert {file.name for file in tmp_path.iterdir()} >= {"digits_grad.py", "loss.png", "predictions.png"}
    assert "import xform" not in (tmp_path / "digits_grad.py").read_text()


def test_control_flow():
    printed = run(EXAMPLES / "02_control_flow.py", devices="1")
    values = [float(text) for text in re.findall(r"^jit .*\) = ([\d.]+)", printed, re.MULTILINE)]
    assert values == pytest.approx([2 ** 0.5, 0.5 / 2 ** 0.5], rel=1e-4)
    assert float(re.search(r"grad power\(1.1, 10\) = ([\d.]+)", printed)[1]) == pytest.approx(10 * 1.1 ** 9, rel=1e-5)
    assert "while" in printed and "reversed(" in printed


def test_per_example_gradients():
    printed = run(EXAMPLES / "03_per_example_gradients.py", devices="1")
    assert float(re.search(r"largest difference ([\d.e+-]+)", printed)[1]) < 1e-6
    assert "norms of 100 per-example gradients" in printed


def test_pmap():
    printed = run(EXAMPLES / "04_pmap.py")
    assert "normalise over 4 devices: [0.1 0.2 0.3 0.4]" in printed
    assert float(re.search(r"test accuracy ([\d.]+)%", printed)[1]) >= 93


def test_language_model():
    printed = run(EXAMPLES / "08_language_model.py", "--steps", 40, "--batch", 8, devices="1")
    first, last = map(float, re.search(r"loss ([\d.]+) -> ([\d.]+) in 40 steps", printed).groups())
    assert last < 0.7 * first and "Shall I compare" in printed


def test_notebook(tmp_path):
    notebook = json.loads((EXAMPLES / "05_inspect.ipynb").read_text())
    assert notebook["nbformat"] == 4
    code = "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    script = tmp_path / "inspect_cells.py"
    script.write_text(code)
    assert "def grow_jvp(" in run(script, devices="1")


def readme_blocks():
    """Return the README's Python blocks that are code to run (an output block follows its own mark)."""
    text = (ROOT / "README.md").read_text()
    return re.findall(r"(?<!<!-- output -->\n)```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("number", range(3))
def test_readme(number, tmp_path):
    script = tmp_path / f"models_{number}.py"
    script.write_text(readme_blocks()[number])
    printed = run(script)
    if number == 0:
        shown = re.search(r"<!-- output -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
        assert printed.strip().replace(script.name, "models.py") == shown.strip()
    if number == 1:
        assert [float(x) for x in re.findall(r"[\d.]+", printed.splitlines()[0])] == pytest.approx([0.35355338], rel=1e-4)
    if number == 2:
        assert printed.strip() == "[0.         0.16666667 0.33333334 0.5       ]"


def test_readme_has_three_blocks():
    assert len(readme_blocks()) == 3
