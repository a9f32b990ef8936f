"""The command: write the generated code of a function in a file as a module of its own, or check that it is up to date.

    xform grad models.py:loss --wrt params -o loss_grad.py
    xform grad models.py:loss --wrt params -o loss_grad.py --check
"""
from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import os
import sys

from xform.errors import TransformError

EXIT_STALE, EXIT_USAGE = 1, 2


class UsageError(Exception):
    """A mistake in the command line; printed without a traceback."""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="xform", description="Write the derivative, batched, parallel or compiled version of "
                                  "a Python function as a module of its own.")
    top.add_argument("--version", action="version", version=f"xform {_version()}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name, what in (("grad", "the gradient of a scalar function"), ("value-and-grad", "the value and the gradient"),
                       ("jvp", "the forward derivative"), ("vmap", "the function over a batch"),
                       ("pmap", "the function as one program on several devices"), ("jit", "the function staged for XLA")):
        command = commands.add_parser(name, help=what, description=f"Write {what}.")
        command.add_argument("target", metavar="FILE:FUNCTION", help="the function, e.g. models.py:loss")
        if name in ("grad", "value-and-grad", "jvp"):
            command.add_argument("--wrt", metavar="NAMES", help="parameters to differentiate, by name, comma-separated "
                                 "(default: the first; for jvp: all)")
        if name == "vmap":
            command.add_argument("--in-axes", metavar="AXES", default="0", help="the mapped axis of each parameter, e.g. 0,None")
            command.add_argument("--out-axes", metavar="AXES", default="0", help="where the mapped axis goes in the result")
            command.add_argument("--ndim", metavar="NAME=N", help="the number of axes of one example, e.g. x=1,rate=0: code "
                                 "for these ranks alone, without alignment")
        if name == "pmap":
            command.add_argument("--axis-name", metavar="NAME", help="name of the mapped axis for collectives")
            command.add_argument("--in-axes", metavar="AXES", default="0", help="the mapped axis of each parameter")
        command.add_argument("-o", "--output", metavar="OUT", help="write to this file instead of standard output")
        command.add_argument("--check", action="store_true", help="write nothing; fail if OUT is not what would be written")
    cache = commands.add_parser("cache", help="the on-disk compilation cache", description="Show or clear the on-disk "
                                "compilation cache.")
    which = cache.add_mutually_exclusive_group(required=True)
    which.add_argument("--info", action="store_true", help="print the folder, the number of entries and their size")
    which.add_argument("--clear", action="store_true", help="delete every entry")
    return top


def _version():
    from xform import __version__
    return __version__


def main(argv=None) -> int:
    """Run the command; returns the exit status (0 done, 1 stale or refused, 2 wrong usage)."""
    arguments = parser()
    options = arguments.parse_args(argv)
    if options.command is None:
        arguments.print_help()
        return EXIT_USAGE
    try:
        if options.command == "cache":
            return _cache(options)
        text = module_text(options, argv if argv is not None else sys.argv[1:])
        return _deliver(text, options)
    except UsageError as error:
        print(f"xform: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (TransformError, ValueError, TypeError) as error:
        print(f"xform: cannot transform {options.target}:\n{error}", file=sys.stderr)
        return EXIT_STALE


def _cache(options):
    from runtime import cache
    try:
        print(cache.clear() if options.clear else cache.info())
    except ValueError as error:
        raise UsageError(str(error)) from error
    return 0


def _deliver(text, options):
    if options.check:
        if not options.output:
            raise UsageError("--check needs -o OUT: the file to compare with")
        try:
            with open(options.output, encoding="utf-8") as file:
                present = file.read()
        except FileNotFoundError:
            print(f"xform: {options.output} does not exist; make it without --check", file=sys.stderr)
            return EXIT_STALE
        if present != text:
            lines = difflib.unified_diff(present.splitlines(), text.splitlines(), options.output, "would be written",
                                         lineterm="", n=1)
            print(f"xform: {options.output} is stale; make it again without --check", file=sys.stderr)
            print("\n".join(list(lines)[:40]), file=sys.stderr)
            return EXIT_STALE
        return 0
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return 0


def load_function(target):
    """Import FILE and return (FUNCTION, module, file)."""
    file, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        raise UsageError(f"{target!r} is not FILE:FUNCTION, e.g. models.py:loss")
    if not os.path.isfile(file):
        raise UsageError(f"there is no file {file!r}")
    folder, base = os.path.split(os.path.abspath(file))
    module_name = os.path.splitext(base)[0]
    if not base.endswith(".py"):
        raise UsageError(f"{base!r} is not a Python file")
    sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    finally:
        sys.path.remove(folder)
    if os.path.abspath(getattr(module, "__file__", "") or "") != os.path.abspath(file):
        raise UsageError(f"another module named {module_name!r} is found first: {getattr(module, '__file__', module)}; rename "
                         f"{file}")
    if not hasattr(module, name):
        close = difflib.get_close_matches(name, [n for n, v in vars(module).items() if callable(v)], 1)
        raise UsageError(f"{file} defines no {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return getattr(module, name), file


def module_text(options, argv) -> str:
    """The text of the module that a command line asks for."""
    from xform import pipeline
    from xform.transformed import target_of
    from xform.emit import emit
    function, file = load_function(options.target)
    unit = target_of(function).unit
    base = os.path.basename(file)
    command = options.command
    if command in ("grad", "value-and-grad"):
        names = _names(options.wrt, unit) if options.wrt else unit.params[:1]
        numbers = tuple(unit.params.index(n) for n in names)
        made = pipeline.derive(command.replace("-", "_"), unit, {"argnums": numbers[0] if len(numbers) == 1 else numbers})
        wanted = names[0] if len(names) == 1 else f"({', '.join(names)})"
        title = f"d {unit.name} / d {wanted}." if command == "grad" else f"{unit.name} and d {unit.name} / d {wanted}."
    elif command == "jvp":
        names = _names(options.wrt, unit) if options.wrt else unit.params
        made = pipeline.jvp_of(unit, tuple(p in names for p in unit.params))
        title = f"Forward derivative of {unit.name}."
    elif command == "vmap":
        axes = _axes(options.in_axes, unit)
        ranks = _ranks(options.ndim, unit)
        given = {"axes": axes, "out_axes": _literal(options.out_axes, "--out-axes")}
        made = pipeline.derive("vmap", unit, {**given, **({"ranks": ranks} if ranks else {})})
        title = f"{unit.name} over a batch: in_axes={options.in_axes}."
    elif command == "pmap":
        made = pipeline.derive("pmap", unit, {"axis_name": options.axis_name, "in_axes": _axes(options.in_axes, unit)})
        title = f"{unit.name} as one program on several devices."
    else:
        made = pipeline.derive("jit", unit, {})
        title = f"{unit.name} with its control flow staged for XLA."
    doc = f"{title}  Made by xform from {base}; edit that, then: xform {_again(argv, base)}"
    return emit(made, doc, _import_line).text


def _again(argv, base):
    """The command line as one would type it next to the file."""
    shown, skip = [], False
    for word in argv:
        if word == "--check":
            continue
        if ":" in word and word.rpartition(":")[0].endswith(".py"):
            word = f"{base}:{word.rpartition(':')[2]}"
        elif skip:
            word = os.path.basename(word)
        skip = word in ("-o", "--output")
        shown.append(word)
    return " ".join(shown)


def _import_line(value, key, read):
    from xform.emit import importable
    if read is not None and isinstance(read[0], dict):
        module = read[0]["__name__"]
        if not all(part.isidentifier() for part in module.split(".")):
            raise TransformError(f"the generated code needs {read[1]!r} from {module!r}, which is no name that can be imported",
                                 hint="Rename the file to a Python identifier.")
        line = f"from {module} import {read[1]}"
        return line if read[1] == key else f"{line} as {key}"
    line = importable(value)
    if line is None:
        raise TransformError(f"the generated code needs {key!r} ({type(value).__name__}), which a file of its own cannot import",
                             hint="Make it a global of the module, or pass it as an argument.")
    return line if line.endswith(f" {key}") else f"{line} as {key}"


def _names(text, unit):
    names = [n.strip() for n in text.split(",") if n.strip()]
    for n in names:
        if n not in unit.params:
            raise UsageError(f"{unit.name} has no parameter {n!r}; it has {', '.join(unit.params)}")
    return names


def _literal(text, option):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise UsageError(f"{option} {text!r} is not an axis, e.g. 0, or None") from None


def _axes(text, unit):
    axes = _literal(text, "--in-axes")
    axes = tuple(axes) if isinstance(axes, (tuple, list)) else (axes,) * len(unit.params)
    if len(axes) != len(unit.params):
        raise UsageError(f"--in-axes gives {len(axes)} axes, but {unit.name} has {len(unit.params)} parameters: "
                         f"{', '.join(unit.params)}")
    return axes


def _ranks(text, unit):
    if not text:
        return None
    ranks = dict.fromkeys(unit.params)
    for item in text.split(","):
        key, equals, number = item.partition("=")
        if not equals or not number.isdigit() or key not in ranks:
            raise UsageError(f"--ndim {item!r} is not NAME=N with a parameter of {unit.name} ({', '.join(unit.params)})")
        ranks[key] = int(number)
    return tuple(ranks.values())


if __name__ == "__main__":
    sys.exit(main())
