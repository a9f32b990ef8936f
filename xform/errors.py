"""Errors that point at the user's own line: file, line, caret, the reason, and what to write instead."""
from __future__ import annotations

import importlib
import linecache
from contextlib import contextmanager

import runtime

_LIBRARY = runtime.__file__.removesuffix("__init__.py")
LONGEST = 6     # lines of an expression that are shown


class TransformError(TypeError):
    """A function that cannot be transformed, with the place and the remedy.

    Attributes: reason, hint (what to write instead, may be empty), file, line, column (0-based or None).
    """

    def __init__(self, reason, *, hint="", file=None, line=None, column=None, end_column=None):
        self.reason, self.hint = reason, hint
        self.file, self.line, self.column = file, line, column
        super().__init__(self._text(end_column))

    def _text(self, end_column):
        place = excerpt(self.file, self.line, self.column, end_column) if self.file and self.line else ""
        return "\n".join(part for part in (place, self.reason, self.hint) if part)

    def point_at(self, node, unit):
        """Have an error in the library's own code name the user's statement that called it; others stay as they are."""
        if not in_library(self.file) or not unit.file or in_library(unit.file) or not getattr(node, "lineno", None):
            return
        self.file, self.line, self.column = unit.file, node.lineno, node.col_offset
        self.args = (self._text(node.end_col_offset if node.end_lineno == node.lineno else None),)


@contextmanager
def pointing(node, unit):
    """While a statement of a unit is read or transformed: errors in the library's own code name it."""
    try:
        yield
    except TransformError as error:
        error.point_at(node, unit)
        raise


class SourceError(TransformError):
    """A function whose source text cannot be found or is not a function."""


# JAX's name -> where the class is that is raised in that situation
_NAMES = {
    "ConcretizationTypeError": ("runtime.array", "ConcretizationError"), "UnexpectedTracerError": ("runtime.array", "LeakError"),
    "JaxRuntimeError": ("runtime.xla", "XlaError"), "KeyReuseError": ("runtime.ops.reuse", "KeyReuseError"),
    "JAXTypeError": ("builtins", "TypeError"), "JAXIndexError": ("builtins", "IndexError"), "JaxprTypeError": ("builtins", "TypeError"),
    **{name: ("runtime.array", name) for name in ("TracerBoolConversionError", "TracerIntegerConversionError",
                                                  "TracerArrayConversionError", "NonConcreteBooleanIndexError")}}


def __dir__():
    return sorted([*globals(), *_NAMES])


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own = _NAMES[name]
    return getattr(importlib.import_module(module), own)


def in_library(file) -> bool:
    """Tell whether a source file belongs to the runtime, not to the user."""
    return (file or "").startswith(_LIBRARY)


def excerpt(file, line, column=None, end_column=None, end_line=None) -> str:
    """Format a source line as Python's own tracebacks do, with a caret under the column; or the lines of a longer expression."""
    text = linecache.getline(file, line).rstrip("\n")
    head = f'  File "{file}", line {line}'
    if not text.strip():
        return head
    texts = [linecache.getline(file, n).rstrip("\n") for n in range(line, max(line, end_line or line) + 1)][:LONGEST]
    margin = min(len(t) - len(t.lstrip()) for t in texts if t.strip())
    shown = [head]
    for number, text in enumerate(texts):
        shown.append(f"    {text[margin:]}".rstrip())
        if column is None or not text.strip():
            continue
        first, last = number == 0, line + number == (end_line or line)
        # columns of the ast count UTF-8 bytes
        start = _characters(text, column) if first else len(text) - len(text.lstrip())
        end = len(text) if not last else start + 1 if end_column is None else _characters(text, end_column)
        shown.append(f"    {' ' * max(0, start - margin)}{'^' * max(1, min(end, len(text)) - start)}")
    if end_line is not None and end_line - line >= LONGEST:
        shown.append("    ...")
    return "\n".join(shown)


def _characters(text, column):
    return len(text.encode()[:column].decode(errors="replace"))


def refuse(node, unit, reason, hint=""):
    """Raise TransformError at a node of a unit."""
    line = getattr(node, "lineno", None)
    column = getattr(node, "col_offset", None)
    end = getattr(node, "end_col_offset", None)
    if getattr(node, "end_lineno", line) != line:
        end = None
    raise TransformError(reason, hint=hint, file=unit.file, line=line, column=column, end_column=end)
