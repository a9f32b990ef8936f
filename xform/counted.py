"""Counted: where results are checked, generated code runs with a count of the turns of its loops, so that errors can say the turn.

Of ::

    for x_like, sqrt in reversed(tape):
        d_x = rt.add(d_x, d_r * 0.0 * (0.5 / sqrt))

what runs is ::

    _turn_7 = _Turn(tape)
    for x_like, sqrt in reversed(tape):
        _turn_7.next()
        d_x = rt.add(d_x, d_r * 0.0 * (0.5 / sqrt))

The lines stay the ones of the text, which is what a debugger and tracebacks show.
"""
from __future__ import annotations

import ast
import types
from dataclasses import dataclass

from xform.alone import alone

_LOOPS = ("for_loop", "while_loop")     # of the runtime: they call functions of the generated code, one a turn


@dataclass(frozen=True)
class Loop:
    """A loop of emitted text. start, end: the lines of what is repeated, or of the call of the runtime's loop. counter: of its turns."""
    start: int
    end: int
    counter: str


class _Turn:
    """The number of a turn, from 1 on. records: what a loop of a backward half runs over, last first."""
    __slots__ = ("count", "total")

    def __init__(self, records=None):
        self.count, self.total = 0, len(records) + 1 if hasattr(records, "__len__") else None

    def next(self):
        self.count += 1

    @property
    def number(self):
        return self.count if self.total is None else self.total - self.count


def counter_of(values) -> dict:
    """The counts among the locals of a frame that runs, by the names of their counters."""
    return {name: turn.number for name, turn in values.items() if type(turn) is _Turn and turn.count}


def entry(module, namespace: dict, whole: bool = False):
    """Return the entry of a loaded module with counted loops, or its own where there are none.

    whole: also in functions that are programs or parts of such, for running these without a program.
    """
    made = module.counted.get(whole)
    if made is None:
        made = module.counted[whole] = _made(module, namespace, whole)
    if made is not namespace:
        for name in module.reads:
            made[name] = namespace[name]
    return made[module.entry]


@alone
def _made(module, namespace, whole):
    tree = ast.parse(module.text)
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef) and (whole or not s.decorator_list)]
    if not loops_of(module):
        return namespace
    for function in functions:
        function.body = _suite(function.body, module)
    made = types.ModuleType(module.entry)
    made.__dict__.update(namespace, _Turn=_Turn)
    exec(compile(ast.fix_missing_locations(ast.Module(functions, [])), namespace["__file__"], "exec"), made.__dict__)
    return made.__dict__


def loops_of(module) -> list:
    """The loops of a module's text, those around others first."""
    if module.loops is None:
        module.loops = []
        for node in ast.walk(module.parsed()):
            for statement, _, counter in _looping(getattr(node, "body", None)):
                module.loops.append(Loop(statement.lineno, statement.end_lineno, counter))
        module.loops.sort(key=lambda loop: (loop.start, -loop.end))
    return module.loops


def _looping(body):
    """(statement, function that is a turn or None, name of the counter) of the loops in a list of statements."""
    functions = {}
    for statement in body if isinstance(body, list) else []:
        if isinstance(statement, ast.FunctionDef):
            functions[statement.name] = statement
        elif isinstance(statement, (ast.For, ast.While)):
            yield statement, None, f"_turn_{statement.lineno}"
        else:
            for node in ast.walk(statement) if isinstance(statement, (ast.Assign, ast.Return, ast.Expr)) else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOPS:
                    turn = next((functions[a.id] for a in reversed(node.args[:2]) if getattr(a, "id", None) in functions), None)
                    if turn is not None:
                        yield statement, turn, f"_turn_{turn.lineno}"


def _suite(body, module):
    """The statements with counters."""
    counted, steps = {}, {}
    for statement, turn, counter in _looping(body):
        known = _records(statement, body) if _backwards(module, statement.lineno) else ""
        if known is not None:
            counted[id(statement)] = counter, known
            steps[id(statement if turn is None else turn)] = counter
    made = []
    for statement in body:
        for field in ("body", "orelse"):
            if getattr(statement, field, None):
                setattr(statement, field, _suite(getattr(statement, field), module))
        if id(statement) in steps:
            statement.body.insert(0, _placed(f"{steps[id(statement)]}.next()", statement.body[0]))
        if id(statement) in counted:
            counter, known = counted[id(statement)]
            made.append(_placed(f"{counter} = _Turn({known})", statement))
        made.append(statement)
    return made


def _backwards(module, line) -> bool:
    """Whether the turns of the loop at an emitted line are the user's from the last to the first."""
    statement = module.statements.get(line)
    return any(getattr(node, "back", False) for node in (statement, getattr(statement, "value", None)))


def _records(statement, body):
    """The name of the records that a loop runs over, last first; None where they have none."""
    assigned = {s.targets[0].id: s.value for s in body[:body.index(statement)]
                if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)}
    left = [statement.iter] if isinstance(statement, ast.For) else [statement]
    while left:
        node = left.pop()
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == "reversed" \
                and isinstance(node.args[0], ast.Name):
            return node.args[0].id
        if isinstance(node, ast.Name) and isinstance(assigned.get(node.id), ast.Call):
            left.append(assigned.pop(node.id))
        left += reversed(list(ast.iter_child_nodes(node)))
    return None


def _placed(text, statement):
    made = ast.parse(text).body[0]
    for node in ast.walk(made):
        ast.copy_location(node, statement)
    return made


__all__ = ["Loop", "counter_of", "entry", "loops_of"]
