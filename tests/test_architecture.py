"""The layout holds: imports run one way, jaxlib and astor stay behind their adapters, modules are short and explained."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for package in ("xform", "runtime") for path in (ROOT / package).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]

# the only modules that may import a package, by its first name
ADAPTERS = {
    "jaxlib": {"runtime/xla.py"},
    "astor": {"xform/emit.py"},
    "jax": set(),
}
FORBIDDEN = {"runtime": {"xform", "gast", "astor"}, "xform": set()}
# the lower layers of the runtime: what may be imported by what stands above, never the reverse
LIBRARY = ("runtime.numpy", "runtime.lax", "runtime.nn", "runtime.random", "runtime.scipy")
LOW = {"types", "config", "op", "xla", "hlo", "zero", "tree"}
VAGUE = {"utils.py", "helpers.py", "common.py", "base.py"}


def imports(path, top_level_only=False):
    """Return (module, line) of every import statement of a file."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.append((node.module, node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_imports_stay_behind_their_adapters(name):
    package = name.split("/")[0]
    bad = []
    for module, line in imports(ROOT / name):
        first = module.split(".")[0]
        if first in FORBIDDEN[package] or (first in ADAPTERS and name not in ADAPTERS[first]):
            bad.append(f"{name}:{line} imports {module}")
    assert not bad


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("runtime/") and Path(name).stem in LOW
                                  and name.count("/") == 1])
def test_lower_layers_do_not_import_the_library(name):
    bad = [f"{name}:{line} imports {module}" for module, line in imports(ROOT / name, top_level_only=True)
           if module.startswith(LIBRARY) or module.startswith("runtime.ops")]
    assert not bad


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("xform/transform/")])
def test_passes_do_not_import_the_api(name):
    bad = [f"{name}:{line} imports {module}" for module, line in imports(ROOT / name, top_level_only=True)
           if module.startswith(("xform.api", "xform.pipeline", "xform.cli"))]
    assert not bad


@pytest.mark.parametrize("name", NAMES)
def test_a_module_begins_with_a_sentence_and_stays_short(name):
    text = (ROOT / name).read_text()
    assert ast.get_docstring(ast.parse(text)), f"{name} does not say what it is for"
    assert len(text.splitlines()) <= 600, f"{name} is too long to read in one go"
    assert Path(name).name not in VAGUE, f"{name} has a name that says nothing"


def test_modules_were_found():
    assert {"runtime/op.py", "xform/parse.py"} <= set(NAMES)


def test_generated_code_imports_only_the_runtime():
    import xform as jax
    import xform.numpy as np

    def smooth(x):
        total = 0.0
        for row in x:
            total = total + np.sum(np.tanh(row) ** 2)
        return total

    for transformed in (jax.grad(smooth), jax.vmap(smooth), jax.jit(jax.grad(smooth)), jax.grad(jax.grad(np.tanh))):
        tree = ast.parse(jax.source(transformed))
        modules = {name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                   for name in node.names}
        modules |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules <= {"runtime"}
