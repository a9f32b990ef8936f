"""The runtime's library under the names that users know: xform.numpy is runtime.numpy, and so on, imported on first use."""
from __future__ import annotations

import importlib
import importlib.util
import sys

LIBRARY = ("numpy", "lax", "nn", "random", "scipy", "tree_util", "tree", "dtypes", "image", "ops", "dlpack", "debug",
           "flatten_util", "distributed", "sharding", "test_util")


SAME_AS = {"tree_util": "tree"}


def runtime_name(fullname):
    """The runtime module that a public module name stands for, or None."""
    parts = fullname.split(".")
    if len(parts) < 2 or parts[0] != "xform" or parts[1] not in LIBRARY:
        return None
    return ".".join(["runtime", SAME_AS.get(parts[1], parts[1]), *parts[2:]])


class _Finder:      # finder and loader in one; importlib.abc, whose classes say no more, takes 2 ms to import
    def find_spec(self, fullname, path=None, target=None):
        name = runtime_name(fullname)
        if name is None or importlib.util.find_spec(name) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec):
        module = importlib.import_module(runtime_name(spec.name))
        self.own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module):
        module.__spec__, module.__loader__ = self.own   # the import system has put the alias's here


def install():
    """Make ``import xform.numpy`` and its like find the runtime's modules."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def attribute(name):
    """``xform.numpy`` as an attribute, without an import statement of its own."""
    if name in LIBRARY:
        try:
            return importlib.import_module(f"xform.{name}")
        except ModuleNotFoundError as error:
            raise AttributeError(f"module 'xform' has no attribute {name!r}") from error
    raise AttributeError(f"module 'xform' has no attribute {name!r}")
