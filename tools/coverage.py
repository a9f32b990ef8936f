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

# the modules of the array library, of which the summary below the table speaks
LIBRARY = r"jax\.(numpy|lax|nn|random|scipy|tree|tree_util|image|ops|dtypes|dlpack|flatten_util|test_util)\b"
# (module, names, why they are missing)
REASONS = [
    (r".*", r"\w+_p", "primitives of JAX's tracing machinery, which has no counterpart: the compiler reads source"),
    (r"jax\.experimental\.jet", r".*", "JAX's tracers and rule tables of Taylor mode, and what that module imports; `jet` itself is there"),
    (r"jax\.experimental\.ode", r".*", "inner functions of JAX's solver, and what that module imports; `odeint` itself is there"),
    (r"jax\.example_libraries\..*", r".*", "names that these modules import, and inner types"),
    (r"jax\.lax", r"after_all|create_token|dce_sink", "values without content that order effects: effects here are ordered by their callbacks"),
    (r"jax\.lax", r"psend|precv", "halves of an exchange, of which each device would run its own: `ppermute` states it for all devices"),
    (r"jax\.lax", r"ragged_all_to_all", "not done: `all_to_all` of parts padded to one size does it"),
    (r"jax\.lax", r"scatter_apply", "`x.at[...].apply(f)` does it; repeated indices would have to apply the function repeatedly"),
    (r"jax\.nn", r"scaled_dot_general|get_scaled_dot_general_config", "blockwise quantisation inside a derivative: `scaled_matmul` and `lax.scaled_dot` take "
     "operands that are quantised already"),
    (r"jax\.experimental\.checkify", r".*", "errors as values have to be threaded through every loop, branch and call by a pass of their own, "
     "which is not written: meanwhile `debug_nans`, `assert`, and callbacks that raise stop a program"),
    (r"jax\.export", r".*", "not done: shapes are known when a program is exported; export it once for each that is called"),
    (r"jax\.ref", r".*", "mutable arrays: arrays are values here, and `x[i] = v` in transformed code gives a new one"),
    (r"jax", r"Ref|ad|empty_ref|free_ref|freeze|new_ref", "mutable arrays: arrays are values here"),
    (r"jax", r"make_jaxpr", "there are no jaxprs: `xform.source` shows what a transformation makes"),
    (r"jax", r"no_tracing|no_execution|enable_custom_prng|enable_checks|legacy_prng_key|debug_key_reuse|make_user_context|thread_guard|"
     r"array_garbage_collection_guard|auto_pcast|remove_size_one_mesh_axis_from_type|jax2tf_associative_scan_reductions|"
     r"softmax_custom_jvp|allow_f16_reductions|default_prng_impl", "switches of JAX's tracing machinery or of what is not configurable here"),
    (r"jax\.sharding|jax", r"Abstract\w+|ManualAxisType|auto_axes|explicit_axes|get_abstract_mesh|use_abstract_mesh|reshard",
     "shardings that operations reckon with: here XLA decides how their results lie"),
    (r"jax\.Array", r"device_buffers?", "deprecated; `addressable_shards` has them"),
    (r"jax", r"ds", "slices of references (`jax.ref`): `lax.dynamic_slice` takes such a part of an array"),
    (r"jax", r"memory", "spaces as parts of types: arrays are kept in their device's default memory, programs choose no other"),
    (r"jax\.debug", r"\w*Effect", "types of effects in jaxprs: effects are calls in the generated code"),
    (r"jax\.profiler", r"register_subprocess", "profiles of one process at a time"),
    (r"jax\.Array", r"format|traceback", "layouts chosen by hand, and tracebacks of tracers: arrays have neither"),
    (r".*", r".*", "not looked at yet"),
]


def reason(module, name):
    """Why a name is missing."""
    return next(why for where, what, why in REASONS if re.fullmatch(where, module) and re.fullmatch(what, name))


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
    rows, missing, total, have, functions = [], [], 0, 0, [0, 0]
    for module, names in public_names():
        home = found(module)
        absent = [n for n in names if home is None or not hasattr(home, n)]
        kinds = [tested[f"{module}.{n}"] for n in names if f"{module}.{n}" in tested]
        counts = (len(kinds), sum(d for d, _ in kinds), sum(b for _, b in kinds))
        rows.append(f"| `{module}` | {len(names) - len(absent)} | {len(names)} | " + " | ".join(str(c) if c else "" for c in counts) + " |")
        total, have = total + len(names), have + len(names) - len(absent)
        if re.match(LIBRARY, module):
            functions[0] += len(names) - len(absent)
            functions[1] += len([n for n in names if not n.endswith("_p")])
        whys = {}
        for n in absent:
            whys.setdefault(reason(module, n), []).append(n)
        for why, group in whys.items():
            missing.append(f"- `{module}`: " + ", ".join(f"`{n}`" for n in group) + f": {why}")
    rows.append(f"| all | {have} | {total} | | | |")
    share = f"In the array library (numpy, lax, nn, random, scipy, trees and the smaller modules) {functions[0]} of {functions[1]} names "
    share += f"that are no primitives are here: {functions[0] / functions[1]:.1%}."
    return HEAD + "\n".join(rows) + "\n\n" + share + "\n\n## Missing\n\n" + "\n".join(missing) + "\n"


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
