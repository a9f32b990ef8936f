"""The documentation's programs run, and every cell of its tables gives what plain Python gives."""
import pathlib
import re

import numpy as onp
import pytest

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"


def blocks(text):
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


@pytest.fixture(scope="module")
def control_flow(tmp_path_factory):
    import importlib.util
    path = tmp_path_factory.mktemp("docs") / "control_flow_page.py"
    path.write_text(blocks((DOCS / "control_flow.md").read_text()))
    spec = importlib.util.spec_from_file_location("control_flow_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.XS = module.np.array([0.5, 1.5, 2.5, 3.5])
    return module


def cells():
    rows = re.findall(r"^\| .*? \| `(.*?)` \| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", (DOCS / "control_flow.md").read_text(), re.MULTILINE)
    assert len(rows) >= 14
    return [cell for row in rows for cell in row if "(" in cell]


def slope(function, x, step=1e-6):
    return (function(onp.float64(x + step)) - function(onp.float64(x - step))) / (2 * step)


def plainly(module, name):
    """The function in double precision, without any transformation."""
    import xform

    def run(x):
        with xform.enable_x64(True):
            return float(getattr(module, name)(x if name != "writes_in_place" else onp.float64(x)))
    return run


def in_place(x):
    y = [x, 0.0, 0.0, 0.0]
    for i in range(1, 4):
        y[i] = y[i - 1] * x + 1.0
    return sum(y)


@pytest.mark.parametrize("cell", cells())
def test_control_flow_table(control_flow, cell):
    name = re.search(r"\((\w+)\)+\(", cell)[1]
    function = in_place if name == "writes_in_place" else plainly(control_flow, name)
    got = onp.asarray(eval(cell, vars(control_flow)))
    if cell.startswith("jit(grad("):
        wanted = slope(function, 2.5)
    elif cell.startswith("jit("):
        wanted = function(2.5)
    else:
        wanted = [function(x) for x in (0.5, 1.5, 2.5, 3.5)]
    onp.testing.assert_allclose(got, wanted, rtol=2e-4)


def test_a_trip_count_that_only_the_run_knows(control_flow):
    assert float(eval("jit(steps)(3, 2.5)", vars(control_flow))) == pytest.approx(control_flow.steps(3, 2.5))
    assert float(eval("jit(grad(steps, argnums=1))(3, 2.5)", vars(control_flow))) == pytest.approx(1.1 ** 3)


def test_the_coverage_page_is_fresh():
    import os
    import subprocess
    import sys
    done = subprocess.run([sys.executable, str(DOCS.parent / "tools" / "coverage.py"), "--check"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(DOCS.parent)})
    assert done.returncode == 0, done.stderr


def test_the_programs_of_the_debugging_page_run(tmp_path, capsys):
    import importlib.util
    path = tmp_path / "debugging_page.py"
    path.write_text(blocks((DOCS / "debugging.md").read_text()))
    spec = importlib.util.spec_from_file_location("debugging_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    said = capsys.readouterr().out
    assert "loss: differentiated in w; constant: x, y" in said and "cotangent of h:" in said
    assert "invalid value (nan)" in said and "root = np.sqrt(x)" in said and "d_out / (1 + " in said      # the template of the page's op
    assert onp.abs(onp.asarray(module.gradient)).max() <= 2.0
