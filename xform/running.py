"""Running: call loaded functions; an exception in generated code names the user's own line, an invalid result what gave it first."""
from __future__ import annotations

import os

from runtime.debug import beside
from runtime.invalid import locate, places, repeating, value_checks
from xform import blocks, counted, whence
from xform.unit import Unit


def run(entry, values):
    """Call a loaded function; an exception in generated code also names the user's own line."""
    _, function, namespace, module = entry
    if module.reads:
        for key, (where, name) in module.reads.items():
            _refresh(namespace, key, where, name)
    if value_checks():
        return _checked(entry, values)
    if blocks.wanted(module):
        function = blocks.entry(module, namespace)
    try:
        return function(*values)
    except Exception as error:
        _note_place(error, entry[0], module)
        raise


def _checked(entry, values):
    """Call a loaded function whose results are checked: it counts its turns, and what a program did is repeated without one."""
    unit, _, namespace, module = entry
    promised = repeating.promised
    try:
        try:
            repeating.promised = True
            return counted.entry(module, namespace, repeating.active)(*values)
        except FloatingPointError as error:
            if repeating.active or not hasattr(error, "program"):
                raise
            locate(error, lambda: counted.entry(module, namespace, True)(*values))
            raise
        finally:
            repeating.promised = promised
    except Exception as error:
        _note_place(error, unit, module)
        raise


def _note_place(error, unit, module):
    """Have an exception in generated code name the user's own line."""
    if any(note.startswith(whence.HEAD) for note in getattr(error, "__notes__", ())):
        return
    found = whence.of_error(error) or (None if hasattr(error, "program") else _returned(unit, module))
    if found is None:
        return
    if isinstance(error, FloatingPointError):   # what follows tells more of it
        error.__notes__ = [str(found), *getattr(error, "__notes__", ())]
    else:
        error.add_note(str(found))


def _returned(unit, module):
    """The user's line of the result that a derivative starts from: for errors in the lines around its halves."""
    for inner in unit.env.values():
        line = getattr(inner.tree.body[-1], "lineno", None) if isinstance(inner, Unit) and inner.file == unit.file else None
        if line is not None and inner.file:
            return whence.Whence(inner.file, line, function=module.entry)
    return None


def _refresh(namespace, key, where, name):
    """Read a global or cell again: it may have been assigned since the code was generated."""
    if isinstance(where, dict):
        value = where.get(name, namespace[key])
    else:
        index = where.__code__.co_freevars.index(name)
        value = where.__closure__[index].cell_contents
    if value is not namespace[key] and not callable(value):
        namespace[key] = value


def _of_running(frame):
    """What tells, when it is called, the user's line that the code of a frame was made from."""
    frames = whence.snapshot(frame)
    return (lambda: getattr(whence.of_frames(frames), "source", " code that nothing is known of")) if frames else None


places.append(_of_running)
beside.append(os.path.dirname(__file__) + os.sep)

__all__ = ["run"]
