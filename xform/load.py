"""Load: emitted text becomes a module registered in linecache, so that tracebacks, pdb and inspect show it."""
from __future__ import annotations

import itertools
import linecache
import os
import types
import weakref

import runtime
from xform.alone import alone
from xform.emit import Module

_RUNTIME = os.path.dirname(runtime.__file__) + os.sep
_count = itertools.count(1)
# file name of a loaded module -> Module, for mapping generated lines back to the user's
LOADED: weakref.WeakValueDictionary[str, Module] = weakref.WeakValueDictionary()


@alone
def load(module: Module):
    """Execute an emitted module; returns its namespace. Its free names are bound to the objects they stand for."""
    file = f"<xform {module.entry} {next(_count)}>"
    lines = module.text.splitlines(keepends=True)
    linecache.cache[file] = (len(module.text), None, lines, file)
    LOADED[file] = module
    weakref.finalize(module, linecache.cache.pop, file, None)
    made = types.ModuleType(module.entry)
    made.__file__ = file
    namespace = made.__dict__
    namespace.update(module.objects)
    namespace["__xform_module__"] = module      # its lines are known as long as its functions live
    exec(compile(module.text, file, "exec"), namespace)
    return namespace


def user_place(file, line):
    """The user's (file, line) that a line of a generated module came from; lines of other files are their own."""
    module = LOADED.get(file)
    return (file, line) if module is None else module.origins.get(line, (file, line))


def user_frame(traceback):
    """The innermost generated line of a traceback and the user's line it came from: (file, line), or None."""
    found = None
    while traceback is not None:
        module = LOADED.get(traceback.tb_frame.f_code.co_filename)
        if module is not None and traceback.tb_lineno in module.origins:
            place = module.origins[traceback.tb_lineno]
            if found is None or not place[0].startswith(_RUNTIME):    # the library's own lines say less
                found = place
        traceback = traceback.tb_next
    return found
