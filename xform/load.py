"""Load: emitted text becomes a module registered in linecache, so that tracebacks, pdb and inspect show it."""
from __future__ import annotations

import itertools
import linecache
import types
import weakref

from xform.alone import alone
from xform.emit import Module

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
