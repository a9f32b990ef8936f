"""Whence: the expression of the user's that a place in generated code was made from, and the turns of the loops around it.

Of the line ``d_x = rt.add(d_x, d_r * 0.0 * (0.5 / sqrt))``, made from ``r = np.sqrt(x) * 0.0``, a failing division is ::

      File "model.py", line 74
        r = np.sqrt(x) * 0.0
            ^^^^^^^^^^
"""
from __future__ import annotations

import ast
import os
import sysconfig
from dataclasses import dataclass

import gast

import runtime
from xform.counted import counter_of, loops_of
from xform.errors import excerpt
from xform.load import LOADED
from xform.syntax import clone

HEAD = "In the code of "
_RUNTIME = os.path.dirname(runtime.__file__) + os.sep
# what calls the user's functions, and what these call
_MACHINERY = (_RUNTIME, os.path.dirname(__file__) + os.sep, *[sysconfig.get_paths()[kind] + os.sep for kind in ("stdlib", "purelib")], "<frozen ")


@dataclass(frozen=True)
class Whence:
    """Where generated code comes from.

    function: the generated function. derived: whether the code there computes a derivative of the place; None where the place itself
    ran. turns: for each counted loop around it, outermost first, (turn from 1 on, file, line).
    """
    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    function: str = ""
    derived: bool | None = False
    turns: tuple = ()

    def __str__(self):
        how = "" if self.derived is None else ", the derivative of" if self.derived else ", made from"
        return f"{HEAD}{self.function}{how}:\n{self.place}"

    @property
    def source(self) -> str:
        """What follows "from"."""
        return f"{' the derivative of' if self.derived else ''}:\n{self.place}"

    @property
    def place(self) -> str:
        """The user's lines, and the turns."""
        shown = excerpt(self.file, self.line, self.column, self.end_column, self.end_line)
        return "\n".join([shown, *[f"  in turn {turn} of the loop of {'' if file == self.file else os.path.basename(file) + ', '}line {line}"
                                   for turn, file, line in self.turns]])


def of_error(error) -> Whence | None:
    """Where the innermost generated code that an exception passed through comes from; the library's own lines say less than the user's."""
    frames, plain, traceback = [], None, error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code.co_filename in LOADED:
            frames.append((frame.f_code, traceback.tb_lasti, counter_of(frame.f_locals)))
            plain = None
        elif frames and not frame.f_code.co_filename.startswith(_MACHINERY):
            plain = frame.f_code, traceback.tb_lasti    # a function of the user's that runs as it was written
        traceback = traceback.tb_next
    found = of_frames(frames)
    return found if plain is None or found is None else _as_written(*plain, found.turns) or found


def _as_written(code, instruction, turns):
    line, end_line, column, end_column = list(code.co_positions())[instruction // 2]
    return None if line is None else Whence(code.co_filename, line, column, end_line, end_column, code.co_qualname, None, turns)


def snapshot(frame) -> list:
    """What ``of_frames`` takes, of a frame that runs and those that called it."""
    frames = []
    while frame is not None:
        if frame.f_code.co_filename in LOADED:
            frames.append((frame.f_code, frame.f_lasti, counter_of(frame.f_locals)))
        frame = frame.f_back
    return frames[::-1]


def of_frames(frames) -> Whence | None:
    """Where (code, instruction, counts of turns), outermost first, come from; None where no generated code is among them."""
    found, turns = None, []
    for code, instruction, counts in frames:
        module = LOADED.get(code.co_filename)
        if module is None:
            continue
        made = _of_position(module, code, instruction)
        if made is None:
            continue
        for turn, file, line in _turns(module, made[0], counts):
            own = found is None or not file.startswith(_RUNTIME)    # a loop of the library's is that of the user's line that called it
            turns.append((turn, file, line) if own else (turn, found.file, found.line))
        if found is None or not made[1].file.startswith(_RUNTIME):
            found = made[1]
    return None if found is None else Whence(**{**found.__dict__, "turns": tuple(dict.fromkeys(turns))})


def _of_position(module, code, instruction):
    """(emitted line, Whence) of an instruction of a module, or None where its line comes from nowhere."""
    position = list(code.co_positions())[instruction // 2]
    line = position[0]
    if line not in module.origins:
        return None
    file, user_line = module.origins[line]
    function = code.co_qualname.partition(".")[0]
    derived = function in module.backward
    start = max([n for n in module.statements if n <= line], default=None)
    if start is None:
        return line, Whence(file, user_line, function=function, derived=derived)
    for node in _user_nodes(module, start, position):
        if getattr(node, "lineno", None):
            column, end_line, end = [getattr(node, name, None) for name in ("col_offset", "end_lineno", "end_col_offset")]
            return line, Whence(file, node.lineno, column, end_line, end, function,
                                derived or getattr(node, "derivative", False))
    return line, Whence(file, user_line, function=function, derived=derived)


def _user_nodes(module, start, position):
    """The nodes that the emitted code around a position was written from, the innermost first."""
    statement = module.statements[start]
    emitted = next((n for n in ast.walk(module.parsed()) if isinstance(n, ast.stmt) and n.lineno == start), None)
    if emitted is None or None in position:
        return [statement]
    line, end_line, column, end_column = position
    around = [n for n in _expressions(emitted) if (n.lineno, n.col_offset) <= (line, column)
              and (end_line, end_column) <= (n.end_lineno, n.end_col_offset)]
    around.sort(key=lambda n: (n.end_lineno - n.lineno, n.end_col_offset - n.col_offset))
    written = [(node, _spelled(node)) for node in _expressions(statement)]
    spelled = [(node, _spelled(node)) for node in _expressions(emitted)]
    found = []
    for node in around:     # the same text may be there twice: in the same order
        text = next(t for n, t in spelled if n is node)
        nth = [n for n, t in spelled if t == text].index(node)
        same = [n for n, t in written if t == text]
        if nth < len(same):
            found.append(same[nth])
    return [*found, statement]


def _expressions(statement):
    """The expressions of a statement without those of its block, from left to right."""
    own = getattr(statement, "test", None) if isinstance(statement, (ast.If, ast.While, gast.If, gast.While)) else (
        statement.iter if isinstance(statement, (ast.For, gast.For)) else statement)
    nodes, left = [], [own]
    while left:
        node = left.pop(0)
        if isinstance(node, (ast.expr, gast.expr)):
            nodes.append(node)
        left = [*ast.iter_child_nodes(node), *left]
    return nodes


def _spelled(node) -> str:
    """The text of an expression, the same for both kinds of nodes."""
    tree = gast.gast_to_ast(clone(node)) if isinstance(node, gast.AST) else node
    return ast.unparse(ast.fix_missing_locations(tree))


def _turns(module, line, counts):
    """(turn, file, line) of each loop around an emitted line that is counted."""
    found = []
    for loop in loops_of(module):
        if loop.start <= line <= loop.end and loop.counter in counts and loop.start in module.origins:
            found.append((counts[loop.counter], *module.origins[loop.start]))
    return found


__all__ = ["Whence", "of_error", "of_frames", "snapshot"]
