"""Says which function of a program calls itself without end while it is staged, and what to write instead.

A staged program holds both sides of a branch whose condition only its run knows: a recursion that such a condition ends has no end there.
"""
from __future__ import annotations

import collections
import linecache

from runtime.primitive import place_of

OFTEN = 20      # calls of one place within each other that make a recursion


def explained(error: RecursionError) -> RecursionError | None:
    """Return an error that names the function and the user's line of its call of itself; None for a recursion of other code."""
    calls, frame = collections.Counter(), error.__traceback__
    before = None
    while frame is not None:
        code, line = frame.tb_frame.f_code, frame.tb_lineno
        if _origin(code.co_filename, line) != (code.co_filename, line):
            if before is not None:
                calls[before, code.co_name] += 1
            before = code.co_filename, line
        elif before is not None:
            before = None
        frame = frame.tb_next
    found = [(place, name) for (place, name), count in calls.items() if count >= OFTEN]
    if not found:
        return None
    place, name = found[0]
    file, line = _origin(*place)
    made = RecursionError(
        f"{name} calls itself without end while it is staged for compilation: what ends the recursion is only known when the program "
        "runs, so that both sides of its branch are staged, each with the next call. Write the recursion as a loop (while, for), pass "
        "what it depends on as a static argument (static_argnums), or call the function without jit.")
    made.add_note(f"In the code of {name}, made from:\n  File \"{file}\", line {line}\n    {linecache.getline(file, line).strip()}")
    return made


def _origin(file, line):
    for translate in place_of:
        file, line = translate(file, line)
    return file, line


__all__ = ["explained"]
