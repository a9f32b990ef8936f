"""Imports inside a function: the names that they bind are known when the code is read."""
from __future__ import annotations

import importlib
import sys

from xform.resolve import Object


def modules(lowering, node):
    """``import a.b as c``."""
    for alias in node.names:
        importlib.import_module(alias.name)
        found = alias.name if alias.asname else alias.name.split(".")[0]
        lowering.statics[alias.asname or found] = Object(sys.modules[found])


def members(lowering, node):
    """``from a import b as c``."""
    module = importlib.import_module(node.module)
    for alias in node.names:
        if not hasattr(module, alias.name) and hasattr(module, "__path__"):     # a module of the package that nothing has imported yet
            importlib.import_module(f"{node.module}.{alias.name}")
        lowering.statics[alias.asname or alias.name] = Object(getattr(module, alias.name))
