"""Write the table of JAX's public names: present or missing, by module, and tested by the sample tables or not."""
import argparse
import importlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PAGE = ROOT / "docs" / "coverage.md"
HEAD = """# Which of JAX's names are here

Made by `tools/coverage` from `tools/public_names.txt`, the public names of jax 0.10.2, and the sample tables in `tests/runtime`; do not edit.
A name counts as tested for values, derivatives (both modes) or batching when a sample that uses it is run that way against jax or
finite differences. Names of JAX's own machinery (primitives `*_p`, tracers) count as missing like any other.

| module | present | of | values | derivatives | batching |
|---|---|---|---|---|---|
"""


def public_names():
    """Yield (module, names) in the order of the list."""
    module, names = None, []
    for line in (ROOT / "tools" / "public_names.txt").read_text().splitlines():
        if line.startswith("["):
            if module:
                yield module, names
            module, names = line.strip("[]"), []
        elif module and line.strip() and not line.startswith("#"):
            names += [part.split("(")[0].strip(",") for part in line.split()]
    yield module, names


def found(module):
    """The module or class that goes by a JAX module's name here, or None."""
    path = "xform" + module[len("jax"):]
    try:
        return importlib.import_module(path)
    except ImportError:
        value = importlib.import_module("xform")
        for part in path.split(".")[1:]:
            value = getattr(value, part, None)
        return value


def sampled():
    """Yield (dotted name as in jax, whether derivatives are tested, whether batching is) for every sample."""
    from tests.runtime import library_samples, samples
    tables = [(e, "") for group in samples.GROUPS for e in samples.samples(group)]
    tables += [(e, marks) for _, e, marks in library_samples.samples()]
    homes = {"np": "jax.numpy", "lax": "jax.lax", "scipy": "jax.scipy", "image": "jax.image", "ops": "jax.ops", "nn": "jax.nn",
             "flatten_util": "jax.flatten_util"}
    for expression, marks in tables:
        for head, rest in re.findall(r"\b(np|lax|scipy|image|ops|nn|flatten_util)((?:\.\w+)+)", expression):
            yield homes[head] + rest, not set(marks) & set("dv"), "b" not in marks


def page():
    tested = {}
    for name, derivative, batching in sampled():
        old = tested.get(name, (False, False))
        tested[name] = old[0] or derivative, old[1] or batching
    rows, missing, total, have = [], [], 0, 0
    for module, names in public_names():
        home = found(module)
        absent = [n for n in names if home is None or not hasattr(home, n)]
        kinds = [tested[f"{module}.{n}"] for n in names if f"{module}.{n}" in tested]
        counts = (len(kinds), sum(d for d, _ in kinds), sum(b for _, b in kinds))
        rows.append(f"| `{module}` | {len(names) - len(absent)} | {len(names)} | " + " | ".join(str(c) if c else "" for c in counts) + " |")
        total, have = total + len(names), have + len(names) - len(absent)
        if absent:
            missing.append(f"- `{module}`: " + ", ".join(f"`{n}`" for n in absent))
    rows.append(f"| all | {have} | {total} | | | |")
    return HEAD + "\n".join(rows) + "\n\n## Missing\n\n" + "\n".join(missing) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when docs/coverage.md is stale")
    made = page()
    if not parser.parse_args().check:
        PAGE.write_text(made)
    elif not PAGE.exists() or PAGE.read_text() != made:
        sys.exit("docs/coverage.md is stale: run tools/coverage")


if __name__ == "__main__":
    main()
