"""Read a function object: its source becomes a gast tree, with the file and line that each node came from."""
from __future__ import annotations

import ast
import functools
import inspect
import linecache
import sys
import types
from dataclasses import dataclass

import gast

from runtime.op import read_as
from xform.errors import SourceError


@dataclass(frozen=True)
class Source:
    """A parsed function: its definition (FunctionDef or Lambda) and where it was written."""
    tree: gast.AST
    file: str
    line: int
    function: types.FunctionType


@functools.lru_cache(maxsize=256)
def _definitions(file, text):
    """A file's functions by (name, first line), decorators included, and its lambdas."""
    functions, lambdas = {}, []
    for node in ast.walk(ast.parse(text, file)):
        if isinstance(node, ast.Lambda):
            lambdas.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions.setdefault((node.name, min([node.lineno] + [d.lineno for d in node.decorator_list])), node)
    return functions, lambdas


def parse(function) -> Source:
    """Find and parse the source of a Python function.

    Raises SourceError for C functions and for functions whose text is not available (typed at a bare prompt,
    made by exec), saying what to do.
    """
    if not isinstance(function, types.FunctionType):
        raise SourceError(f"{_describe(function)} is not a Python function, so it has no source to transform",
                          hint="Write a function (def or lambda) that calls it.")
    code = function.__code__
    file = code.co_filename
    if code in _given:
        return Source(_given[code], file, code.co_firstlineno, function)
    linecache.checkcache(file)
    lines = linecache.getlines(file, function.__globals__) or _command_line(file, function)
    if not lines:
        raise SourceError(f"The source of {function.__qualname__!r} is not available (it was defined in {file!r})",
                          hint="Put the function into a file or a notebook cell; code from exec or a bare prompt has no "
                               "source to read.")
    try:
        functions, lambdas = _definitions(file, "".join(lines))
    except SyntaxError as error:
        raise SourceError(f"{file!r} no longer parses ({error.msg}); was it edited since {function.__qualname__!r} was "
                          "defined?", hint="Import the module again.") from None
    found = _lambda(lambdas, code) if code.co_name == "<lambda>" else functions.get((code.co_name, code.co_firstlineno))
    if found is None:
        raise SourceError(f"{function.__qualname__!r} is not at line {code.co_firstlineno} of {file!r} any more",
                          hint="The file was edited after it was imported: import it again.")
    from xform.desugar.classes import taken_out
    from xform.desugar.defaulted import as_dicts
    from xform.desugar.stores import as_assignments
    tree = as_dicts(as_assignments(gast.ast_to_gast(found), *free_names(function)), *free_names(function))
    return Source(taken_out(tree, file), file, code.co_firstlineno, function)


_given: dict = {}       # code -> the tree that is read for it


def given(function, tree):
    """Have a function read as a tree: that of a method of a class defined in a function."""
    _given[function.__code__] = tree


def _command_line(file, function):
    """The text of ``python -c TEXT``, which linecache does not know before Python 3.13."""
    if file != "<string>" or function.__globals__.get("__name__") != "__main__" or "-c" not in sys.orig_argv:
        return []
    text = sys.orig_argv[sys.orig_argv.index("-c") + 1]
    lines = [line + "\n" for line in text.split("\n")]
    linecache.cache[file] = (len(text), None, lines, file)
    return lines


def _lambda(lambdas, code):
    """The lambda whose code object this is, by its code positions."""
    inside = [n for n in lambdas if n.lineno <= code.co_firstlineno <= n.end_lineno and _encloses(n, code)]
    inside.sort(key=lambda n: (n.body.end_lineno - n.body.lineno, n.body.end_col_offset - n.body.col_offset))
    return inside[0] if inside else None


def _encloses(node, code):
    """Whether a lambda has this code's parameters and every instruction lies in its body."""
    args = node.args
    names = [a.arg for a in args.posonlyargs + args.args + args.kwonlyargs]
    if tuple(names) != code.co_varnames[:len(names)] or code.co_argcount != len(args.posonlyargs + args.args):
        return False
    body = node.body
    start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    spans = [((line, column), (end_line, end_column)) for line, end_line, column, end_column in code.co_positions()
             if None not in (line, end_line, column, end_column) and (line, column) != (end_line, end_column)]
    if not spans:   # a constant, which Python 3.12 returns by one instruction without columns
        return isinstance(body, ast.Constant) and body.value in code.co_consts
    return all(start <= s[0] and s[1] <= end for s in spans)


def free_names(function):
    """What the free names of a function mean: its closure's cells over its globals over the builtins.

    Returns (cells, globals): a name of an empty cell is left out.
    """
    cells = {}
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            cells[key] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet: using it is an error that resolve reports by name
    return cells, function.__globals__


def signature(function):
    """The signature of the function whose source is read: a wrapper's own, not that of what it wraps."""
    return inspect.signature(read_as(function), follow_wrapped=False)


def _describe(value):
    return f"{getattr(value, '__qualname__', None) or repr(value)} ({type(value).__name__})"
